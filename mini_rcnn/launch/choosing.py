"""Which environment to take, and the one line that says why."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mini_rcnn.launch import conda, environments, gpus, locks, pythons
from mini_rcnn.launch.errors import LabError

REMEMBERED = "chosen.json"  # an automatic choice of modern, so that Python 3.7 is not searched at every start
HOW_TO_GET_37 = (
    "conda and pyenv can still provide one: `conda create -n py37 -c conda-forge python=3.7`, or `pyenv install 3.7`"
)


@dataclass(frozen=True)
class Choice:
    """An environment's name, why it was taken, and the Python to make it from where one was found already."""

    name: str
    why: str
    base: object = None  # Python or None


def choose(asked, root, progress):
    """Return the `Choice` of environment.

    Classic, the reference, where a usable Python 3.7 can be had; else modern. What is made already is taken without
    searching anything.

    Parameters
    ----------
    asked : "classic", "modern" or None
    root : Path
        The checkout.
    progress : Progress
    """
    if asked:
        return Choice(asked, "as asked")
    if is_ready("classic", root):
        return Choice("classic", "it is here already")
    remembered = read_remembered(root)
    if remembered and is_ready("modern", root):
        return Choice("modern", remembered + "; `--env classic` looks again")
    impossible = pythons.why_no_classic()
    if impossible is None:
        try:
            base = find_base("classic", root, progress)
            return Choice("classic", f"a usable Python 3.7 is at {base.executable}", base)
        except LabError as error:
            impossible = str(error).split(";")[0].rstrip(".")
    remember(root, impossible)
    return Choice("modern", impossible)


def is_ready(name, root):
    """Return whether an environment is whole and up to date."""
    return environments.inspect(environments.spec_for(name, root)).kind == environments.READY


def read_remembered(root):
    """Return why modern was chosen by itself earlier, or None."""
    try:
        return json.loads((root / ".venv" / REMEMBERED).read_text(encoding="utf-8"))["why_modern"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(root, why):
    """Keep why modern was chosen by itself; without it the next start is only slower."""
    try:
        (root / ".venv").mkdir(exist_ok=True)
        (root / ".venv" / REMEMBERED).write_text(json.dumps({"why_modern": why}) + "\n", encoding="utf-8")
    except OSError:
        pass


def preferred_versions(name, root):
    """Return the Python versions that fit an environment, the preferred first."""
    versions = locks.read_toolchain(root / "locks")[name]["python"]
    return tuple(reversed(versions))


def find_base(name, root, progress):
    """Return the `Python` to make an environment from; raise `LabError` where there is none.

    For classic, conda or mamba is asked to make a Python 3.7 in ``.venv`` where none is installed.
    """
    versions = preferred_versions(name, root)
    if name == "modern":
        python, rejected = pythons.find_python(versions)
        if python is None:
            raise LabError(no_python("modern", f"{versions[-1]} to {versions[0]}", rejected))
        return python
    machines = pythons.CLASSIC_MACHINES.get(pythons.platform.system(), ())
    prefix = root / ".venv" / "python-3.7"
    made = conda.python_in(prefix)
    python, rejected = pythons.find_python(versions, machines, places=[[str(made)]] if made else None)
    found_conda = conda.find_conda()
    if python is None and found_conda and not any("processor" in line for line in rejected):
        progress.begin("[0/4] Python 3.7 by conda")
        made, problem = conda.make_python(found_conda, prefix, versions[0])
        python = pythons.ask_python([str(made)]) if made else None
        if python is None:
            rejected.append(f"{found_conda} could not make one ({problem})")
    if python is None:
        raise LabError(no_python("classic", versions[0], rejected))
    return python


def no_python(name, wanted, rejected):
    """Return the sentence for a missing Python."""
    but = f" that can be used ({'; '.join(rejected)})" if rejected else " on this machine"
    if name == "classic":
        return f"there is no Python {wanted}{but}; {HOW_TO_GET_37}, and `--env modern` works without."
    return (
        f"there is no Python {wanted}{but}; install one from https://www.python.org/downloads/ "
        "(TensorFlow has no packages for a newer one yet) and run the same command again."
    )


def gpu_note(name, found):
    """Return what to say about GPUs that TensorFlow 1.15 does not know, "" where there is nothing to say."""
    newer = [gpu for gpu in found if (gpu["compute_capability"] or 0) > gpus.NEWEST_FOR_CLASSIC]
    if name != "classic" or not newer:
        return ""
    return (
        f" The {newer[0]['name']} here is newer than TensorFlow 1.15 knows: classic uses the CPU, "
        "`python3 lab.py --env modern` uses the GPU."
    )
