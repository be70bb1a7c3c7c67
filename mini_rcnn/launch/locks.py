"""Read the lock files: which versions are wanted."""

from __future__ import annotations

import hashlib
import json
import re

# By environment and flavour. TensorFlow 1.15 comes in one build for CPU and GPU, today's in two.
LOCK_FILES = {
    ("classic", "any"): ("classic.txt",),
    ("modern", "cpu"): ("modern.txt", "modern-cpu.txt"),
    ("modern", "gpu"): ("modern.txt", "modern-gpu.txt"),
}
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)\s*(?:;\s*([^\\]*?))?\s*\\?$")


def normal_name(name):
    """Return a package's name as indexes compare it.

    Examples
    --------
    >>> normal_name("Keras_Applications")
    'keras-applications'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(text):
    r"""Return ``{name: [(version, marker), ...]}`` of a lock file's text; the marker is "" where there is none.

    Examples
    --------
    >>> read_pins('six==1.17.0 --hash=sha256:00')
    {}
    >>> read_pins('six==1.17.0 ; os_name == "nt" \\')
    {'six': [('1.17.0', 'os_name == "nt"')]}
    """
    pins = {}
    for line in text.splitlines():
        match = PIN.match(line)
        if match:
            name, version, marker = match.groups()
            pins.setdefault(normal_name(name), []).append((version, marker or ""))
    return pins


def pins_of(paths):
    """Return the pins of several lock files together."""
    pins = {}
    for path in paths:
        for name, versions in read_pins(path.read_text(encoding="utf-8")).items():
            pins.setdefault(name, []).extend(versions)
    return pins


def blocks_of(text, names):
    """Return the part of a lock's text that pins these packages, hashes included."""
    blocks = re.split(r"\n(?=\S)", text.strip())
    return "\n".join(block for block in blocks if normal_name(re.split(r"[=\s]", block)[0]) in names)


def flavour_of(name, gpu):
    """Return which flavour of an environment there is for a machine with or without a GPU.

    Examples
    --------
    >>> flavour_of("classic", gpu=True), flavour_of("modern", gpu=True), flavour_of("modern", gpu=False)
    ('any', 'gpu', 'cpu')
    """
    if (name, "any") in LOCK_FILES:
        return "any"
    return "gpu" if gpu else "cpu"


def fingerprint(path):
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_toolchain(folder):
    """Return what no lock file can hold: Pythons, CUDA, drivers, disk space (``toolchain.json``)."""
    return json.loads((folder / "toolchain.json").read_text(encoding="utf-8"))


def compare_packages(installed, pins):
    """Return ``[(name, wanted, found)]`` for every package that is not as the lock says.

    Parameters
    ----------
    installed : dict
        ``{name: version}``.
    pins : dict
        From `pins_of`. A package that only some systems need (it has a marker) may be absent.

    Examples
    --------
    >>> compare_packages({"keras": "2.3.1"}, {"keras": [("2.2.5", "")], "h5py": [("2.10.0", "")]})
    [('h5py', '2.10.0', None), ('keras', '2.2.5', '2.3.1')]
    """
    different = []
    for name, versions in sorted(pins.items()):
        found = installed.get(name)
        wanted = [version for version, _ in versions]
        optional = all(marker for _, marker in versions)
        if found not in wanted and not (found is None and optional):
            different.append((name, " or ".join(wanted), found))
    return different
