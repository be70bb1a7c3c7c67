"""For the first notebook: is this kernel an environment of the lab, as its lock file says?"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from mini_rcnn.launch import active, locks

ROOT = Path(__file__).resolve().parent.parent.parent
NAMED = ("numpy", "keras", "h5py", "ipywidgets")


def installed_versions(names):
    """Return ``{name: version}`` of packages of this Python; what is not installed is missing."""
    try:
        from importlib import metadata
    except ImportError:  # Python 3.7
        import importlib_metadata as metadata
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


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
    found = problems(installed_versions(NAMED), locks.pins_of([ROOT / "locks" / file for file in files]))
    if found:
        raise RuntimeError("; ".join(found) + ". Type in a terminal: python3 lab.py doctor")
    print("[ok] Python and packages are as the lock file says")
    for stage in stages:
        importlib.import_module("mini_rcnn.stages." + stage)
    print(f"[ok] {len(stages)} stages import")
