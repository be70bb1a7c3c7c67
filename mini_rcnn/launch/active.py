"""The environment that the user made and activated: checked against the lock, never changed."""

from __future__ import annotations

import json
import sys

from mini_rcnn.launch import locks
from mini_rcnn.launch.errors import LabError
from mini_rcnn.launch.processes import ask


def environment_for(version, toolchain):
    """Return which environment's lock a Python version such as "3.7" belongs to, or None."""
    for name in ("classic", "modern"):
        if version in toolchain[name]["python"]:
            return name
    return None


def list_packages(python):
    """Return ``{name: version}`` of what pip sees in a Python's environment."""
    code, output, errors = ask(
        [python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"], timeout=60
    )
    if code != 0:
        raise LabError(f"pip does not run in the active environment: {(errors.strip() or 'it said nothing')[-200:]}")
    return {locks.normal_name(package["name"]): package["version"] for package in json.loads(output)}


def lock_for(installed, name):
    """Return the names of the lock files that fit what is installed."""
    has_cuda = any(package.startswith("nvidia-cudnn") for package in installed)
    return locks.LOCK_FILES[name, locks.flavour_of(name, has_cuda)]


def check(root, say):
    """Say how the active environment differs from its lock and return ``[(name, wanted, found)]``."""
    toolchain = locks.read_toolchain(root / "locks")
    version = "{}.{}".format(*sys.version_info)
    name = environment_for(version, toolchain)
    if name is None:
        fitting = ", ".join(toolchain["classic"]["python"] + toolchain["modern"]["python"])
        raise LabError(f"The active environment is Python {version}; the lab runs on {fitting}.")
    installed = list_packages(sys.executable)
    files = lock_for(installed, name)
    different = locks.compare_packages(installed, locks.pins_of([root / "locks" / file for file in files]))
    say(f"Environment: the active one, Python {version}, held against {' and '.join(files)}.")
    for package, wanted, found in different[:10]:
        say(f"  {package}: {found or 'not installed'}, the lock says {wanted}")
    if len(different) > 10:
        say(f"  and {len(different) - 10} more")
    if different:
        say(f"Install the lock's versions with: python -m pip install --no-deps -r locks/{' -r locks/'.join(files)}")
    return different
