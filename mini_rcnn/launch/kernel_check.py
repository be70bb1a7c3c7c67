"""Check, for the first notebook, that its kernel is an environment of the lab as the lock file says."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from mini_rcnn.launch import active, installing, locks

ROOT = Path(__file__).resolve().parent.parent.parent
NAMED = ("numpy", "keras", "h5py", "ipywidgets")


def problems(versions, pins):
    """Return a line for each package whose version is not the lock's."""
    different = locks.compare_packages(versions, {name: pins[name] for name in pins if name in NAMED})
    return [f"{name} is {found or 'missing'}, the lock says {wanted}" for name, wanted, found in different]


def check_kernel(stages):
    """Print whether this kernel is as its lock file says and every stage imports; raise where not.

    Parameters
    ----------
    stages : sequence of str
        Names of the modules in ``mini_rcnn.stages``.
    """
    version = "{}.{}".format(*sys.version_info)
    name = active.environment_for(version, locks.read_toolchain(ROOT / "locks"))
    if name is None:
        raise RuntimeError(f"This kernel is Python {version}. Choose the lab's kernel: menu Kernel, Change Kernel.")
    files = locks.LOCK_FILES[name, locks.flavour_of(name, gpu=False)]
    found = problems(
        installing.installed_packages(sys.prefix), locks.pins_of([ROOT / "locks" / file for file in files])
    )
    if found:
        raise RuntimeError("; ".join(found) + ". Type in a terminal: python3 lab.py doctor")
    print("[ok] Python and packages are as the lock file says")
    for stage in stages:
        importlib.import_module("mini_rcnn.stages." + stage)
    print(f"[ok] {len(stages)} stages import")
