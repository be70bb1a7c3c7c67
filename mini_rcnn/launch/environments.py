"""Make, check, update and mend the environments in ``.venv``.

An environment counts as whole only where its stamp says so: a small JSON file, written last and in one rename, that
holds the fingerprints of the lock files, the folder and the format below. An install that was stopped at any moment
leaves no stamp; the next run then removes what is there and starts anew (pip's cache makes that quick).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from mini_rcnn.launch import folders, installing, locks
from mini_rcnn.launch.errors import LabError
from mini_rcnn.launch.guard import Guard
from mini_rcnn.launch.processes import ask, clean_environ
from mini_rcnn.launch.progress import clock

FORMAT = 1  # of the stamp and of what the launcher puts into an environment; a new number has all made anew
STAMP = "lab-stamp.json"
READY, ABSENT, HALF_MADE, MOVED, BROKEN, OUTDATED = "ready", "absent", "half-made", "moved", "broken", "outdated"
NOT_IN_LOCKS = {"pip", "setuptools", "wheel"}  # what a new environment may hold by itself


@dataclass(frozen=True)
class Spec:
    """What one environment shall be."""

    name: str  # "classic"
    folder: Path
    lock_paths: tuple  # of Path, installed together
    flavour: str  # which TensorFlow: "cpu", "gpu", or "any" for both in one
    gigabytes: float  # what it takes on the disk
    root: Path  # made importable in it


@dataclass(frozen=True)
class State:
    """What one environment is."""

    kind: str  # READY ... OUTDATED
    why: str = ""
    stamp: dict = None


def spec_for(name, root, *, gpu=False):
    """Return the `Spec` of the environment called ``name`` of the checkout ``root``.

    The flavour is "gpu" where a GPU is asked for and there is such a flavour, and stays so where the environment
    already is: a driver that is out of order for a day does not take it away.
    """
    folder = root / ".venv" / name
    was_gpu = (read_stamp(folder) or {}).get("flavour") == "gpu"
    flavour = locks.flavour_of(name, gpu or was_gpu)
    paths = tuple(root / "locks" / file for file in locks.LOCK_FILES[name, flavour])
    gigabytes = locks.read_toolchain(root / "locks")[name]["gigabytes"][flavour]
    return Spec(name, folder, paths, flavour, gigabytes, root)


def python_of(folder):
    """Return the path of an environment's interpreter."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def read_stamp(folder):
    """Return an environment's stamp, or None where it has none that can be read."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) else None


def write_stamp(spec, python):
    """Write the stamp that says an environment is whole."""
    stamp = {
        "format": FORMAT,
        "name": spec.name,
        "folder": str(spec.folder),
        "flavour": spec.flavour,
        "python": python,
        "locks": {path.name: locks.fingerprint(path) for path in spec.lock_paths},
    }
    if hasattr(os, "sync"):
        os.sync()  # after a power cut there may be a whole environment without a stamp, never the reverse
    beside = spec.folder / (STAMP + ".new")
    with open(str(beside), "w", encoding="utf-8") as file:
        json.dump(stamp, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(str(beside), str(spec.folder / STAMP))


def inspect(spec):
    """Return the `State` of an environment; starts its Python once, to see that it runs."""
    if not spec.folder.exists():
        return State(ABSENT, "it is not made yet")
    stamp = read_stamp(spec.folder)
    if stamp is None or stamp.get("format") != FORMAT:
        return State(HALF_MADE, "an earlier run did not finish it")
    if stamp.get("folder") != str(spec.folder):
        return State(MOVED, f"it was made in {stamp.get('folder')}")
    if ask([python_of(spec.folder), "-I", "-S", "-c", ""], timeout=30)[0] != 0:
        return State(BROKEN, "its Python does not run any more")
    if stamp.get("locks") != {path.name: locks.fingerprint(path) for path in spec.lock_paths}:
        why = (
            "TensorFlow for the GPU takes the place of the one without" if spec.flavour != stamp.get("flavour") else ""
        )
        return State(OUTDATED, why or "the lock files have changed", stamp)
    return State(READY, "", stamp)


def ensure(spec, find_base, progress, *, remake=False):
    """Have an environment ready: make, mend or update it as needed.

    Parameters
    ----------
    spec : Spec
    find_base : callable
        Called only where a new environment is made; returns the `Python` to make it from, or raises `LabError`.
    progress : Progress
    remake : bool
        Make it anew even where it is whole.
    """
    if not remake and inspect(spec).kind == READY:
        return
    try:
        spec.folder.parent.mkdir(parents=True, exist_ok=True)
        guard = Guard(spec.folder.parent / (spec.name + ".lock"), progress.say)
        with guard:
            state = inspect(spec)  # another run may just have made it
            if state.kind == READY and not remake:
                return
            if state.kind == OUTDATED and not remake and not falls_out(spec):
                progress.say(f"Updating the {spec.name} environment: {state.why}.")
                update(spec, progress, guard.descriptor)
            else:
                if state.kind != ABSENT:
                    progress.say(f"The {spec.name} environment is made anew: {state.why or 'as asked'}.")
                make(spec, find_base, progress, guard.descriptor)
    except OSError as error:
        raise LabError(folders.explain_os_error(error, spec.folder.parent)) from error


def falls_out(spec):
    """Return whether the environment holds packages that its lock does not name.

    Then it is made anew and not updated: two packages can own the same files (``tensorflow`` and
    ``tensorflow-cpu``), and uninstalling one would break the other.
    """
    wanted = set(locks.pins_of(spec.lock_paths)) | NOT_IN_LOCKS
    return not set(installing.installed_packages(spec.folder)) <= wanted


def update(spec, progress, hold):
    """Bring the packages of a whole environment to what the lock says."""
    (spec.folder / STAMP).unlink()
    python = python_of(spec.folder)
    installing.install(python, spec.folder, spec.lock_paths, progress, hold=hold)
    write_path_file(spec)
    finish(spec, python, progress)


def make(spec, find_base, progress, hold):
    """Make an environment from nothing."""
    folders.remove(spec.folder, [spec.folder / STAMP, python_of(spec.folder)], progress.say)
    folders.check_room(spec.folder, spec.gigabytes)
    base = find_base()
    progress.say(
        f"Making the {spec.name} environment in {spec.folder}, once: about {spec.gigabytes:.1f} GB, "
        f"from Python {base.full}."
    )
    progress.say("You may stop it at any time; the next run starts it again.")
    progress.begin("[1/4] empty environment")
    command = [base.executable, "-I", "-m", "venv", spec.folder]
    code, output, errors = ask(command, timeout=600, environ=clean_environ(), hold=hold)
    if code != 0:
        said = (errors.strip() or output.strip() or "it said nothing").splitlines()
        raise LabError(
            f"{base.executable} could not make an environment ({said[-1]}). "
            f"On Debian and Ubuntu type `sudo apt install python{base.minor}-venv`, then run the same command again."
        )
    python = python_of(spec.folder)
    write_path_file(spec)
    installing.install(python, spec.folder, spec.lock_paths, progress, hold=hold)
    finish(spec, python, progress)


def finish(spec, python, progress):
    """Stamp an environment as whole."""
    code, version, errors = ask([python, "-I", "-c", "import platform; print(platform.python_version())"], timeout=60)
    if code != 0:
        raise LabError(f"The new {spec.name} environment does not start: {errors.strip().splitlines()[-1:]}")
    write_stamp(spec, version.strip())
    progress.say(f"The {spec.name} environment is ready after {clock(progress.elapsed())}.")


def write_path_file(spec):
    """Make the checkout's packages importable in the environment.

    The line is Python in plain ASCII, because old Pythons read such files in the system's own encoding.
    """
    line = f"import sys; sys.path.append({ascii(str(spec.root))})\n"
    (installing.site_packages(spec.folder) / "mini_rcnn_lab.pth").write_text(line, encoding="ascii")


def environ_of(folder, environ=None):
    """Return the environment variables to run things in an environment, as if it were activated."""
    environ = clean_environ(environ)
    if folder is not None:
        programs = str(python_of(folder).parent)
        environ["PATH"] = programs + os.pathsep + environ.get("PATH", "")
        environ["VIRTUAL_ENV"] = str(folder)
    return environ
