"""Find the Pythons of this machine, by asking each one that might be there."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from mini_rcnn.launch import conda
from mini_rcnn.launch.processes import ask, clean_environ

# Asked of every candidate: a shim, a stub of the Windows Store or a broken link gives no such answer.
QUESTION = """
import importlib.util, json, os, platform, struct, sys
number = "python%d.%d" % sys.version_info[:2]
base = [os.path.join(sys.base_prefix, "bin", name) for name in (number, "python3", "python")]
if os.name == "nt":
    base = [getattr(sys, "_base_executable", None) or sys.executable]
base = [path for path in base if os.path.isfile(path)] or [sys.executable]
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "executable": base[0],
    "bits": 8 * struct.calcsize("P"),
    "machine": platform.machine(),
    "implementation": platform.python_implementation(),
    "can_make_venv": all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
}))
"""
CLASSIC_MACHINES = {"Linux": ("x86_64",), "Windows": ("AMD64",), "Darwin": ("x86_64",)}


@dataclass(frozen=True)
class Python:
    """A Python that answered."""

    executable: str
    version: tuple  # (3, 7, 16)
    bits: int
    machine: str
    implementation: str
    can_make_venv: bool

    @property
    def minor(self):
        """Return the version's first two numbers, "3.7"."""
        return "{}.{}".format(*self.version)

    @property
    def full(self):
        """Return the whole version, "3.7.16"."""
        return "{}.{}.{}".format(*self.version)


def ask_python(command, run=ask):
    """Return the `Python` behind a command (a list), or None where none answers."""
    code, output, _ = run([*command, "-I", "-c", QUESTION], timeout=20, environ=clean_environ())
    if code != 0:
        return None
    try:
        answer = json.loads(output.strip().splitlines()[-1])
        return Python(**{**answer, "version": tuple(answer["version"])})
    except (ValueError, IndexError, TypeError, KeyError):
        return None


def why_unusable(python, versions, machines=None):
    """Return what keeps a Python from making an environment, or None where nothing does.

    Parameters
    ----------
    python : Python
    versions : sequence of str
        Such as ``("3.7",)``.
    machines : sequence of str, optional
        The processors that the environment has packages for; all where left out.
    """
    if python.minor not in versions:
        return f"is Python {python.full}"
    if python.implementation != "CPython":
        return f"is {python.implementation}, not CPython"
    if python.bits != 64:
        return f"is a {python.bits}-bit Python; TensorFlow needs a 64-bit one"
    if machines is not None and python.machine not in machines:
        return f"is for the processor {python.machine}, for which there is no TensorFlow 1.15"
    if not python.can_make_venv:
        return f"cannot make environments: type `sudo apt install python{python.minor}-venv`"
    return None


def apple_silicon(run=ask):
    """Return whether this is a Mac with Apple's own processor, also when an Intel Python asks."""
    if platform.system() != "Darwin":
        return False
    return run(["/usr/sbin/sysctl", "-n", "hw.optional.arm64"], timeout=5)[1].strip() == "1"


def why_no_classic(system=None, is_apple_silicon=None):
    """Return why this machine cannot run TensorFlow 1.15 at all, or None where it may."""
    system = system or platform.system()
    if system not in CLASSIC_MACHINES:
        return f"there is no TensorFlow 1.15 for {system}"
    if apple_silicon() if is_apple_silicon is None else is_apple_silicon:
        return "there is no TensorFlow 1.15 for Apple's own processors"
    return None


def candidates(versions, environ=None, home=None):
    """Yield commands that might start a Python of these versions, the likelier and cheaper first.

    In this order: the running Python, PATH, pyenv's versions, the usual folders of installers, ``py -3.7``
    (Windows), environments of conda or mamba, ``uv python find``.
    """
    environ = os.environ if environ is None else environ
    home = Path(home or Path.home())
    yield [sys.executable]
    for folder in environ.get("PATH", "").split(os.pathsep):
        for name in [f"python{version}" for version in versions] + ["python3", "python"]:
            path = shutil.which(name, path=folder) if folder else None
            if path:
                yield [path]
    for folder in version_folders(environ, home):
        for version in versions:
            for found in sorted(folder.glob(version + "*"), reverse=True):
                if found.name == version or found.name.startswith((version + ".", version + "-")):
                    yield from ([str(path)] for path in pythons_in(found))
    for version in versions:
        yield from ([str(path)] for path in installed_places(version, environ) if path.is_file())
        if os.name == "nt" and shutil.which("py", path=environ.get("PATH")):
            yield ["py", "-" + version]
    for prefix in conda.prefixes(environ, home, versions):
        yield from ([str(path)] for path in pythons_in(prefix))
    uv = shutil.which("uv", path=environ.get("PATH"))
    for version in versions if uv else ():
        code, output, _ = ask([uv, "python", "find", "--no-python-downloads", version], timeout=20)
        if code == 0 and output.strip():
            yield [output.strip()]


def version_folders(environ, home):
    """Return the folders that hold one Python per subfolder: those of pyenv and pyenv-win."""
    roots = [environ.get("PYENV_ROOT"), environ.get("PYENV"), environ.get("PYENV_HOME")]
    folders = [Path(root) / "versions" for root in roots if root]
    folders += [home / ".pyenv" / "versions", home / ".pyenv" / "pyenv-win" / "versions"]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def installed_places(version, environ):
    """Return where the installers of python.org and Debian put a Python that PATH may not name."""
    places = [Path("/usr/bin", "python" + version), Path("/usr/local/bin", "python" + version)]
    places.append(Path("/Library/Frameworks/Python.framework/Versions", version, "bin", "python3"))
    for variable in ("LOCALAPPDATA", "ProgramFiles"):
        if environ.get(variable):
            folder = Path(environ[variable], "Programs") if variable == "LOCALAPPDATA" else Path(environ[variable])
            places.append(folder / "Python" / ("Python" + version.replace(".", "")) / "python.exe")
    return places


def pythons_in(prefix):
    """Return the interpreter of an installation or environment, as a list of none or one."""
    for path in (prefix / "bin" / "python3", prefix / "bin" / "python", prefix / "python.exe"):
        if path.is_file():
            return [path]
    return []


def find_python(versions, machines=None, places=None, run=ask):
    """Return ``(python, rejected)``: the first usable one or None, and what was found besides.

    Parameters
    ----------
    versions : sequence of str
        The versions that fit, the preferred first.
    machines : sequence of str, optional
        The processors that fit.
    places : iterable of lists, optional
        Commands to try, `candidates` where left out.

    Returns
    -------
    python : Python or None
    rejected : list of str
        A line for each Python of a fitting version that cannot be used.
    """
    rejected, seen = [], set()
    for command in candidates(versions) if places is None else places:
        python = ask_python(command, run)
        if python is None or python.executable in seen:
            continue
        seen.add(python.executable)
        problem = why_unusable(python, versions, machines)
        if problem is None:
            return python, rejected
        if python.minor in versions:
            rejected.append(f"{python.executable} {problem}")
    return None, rejected
