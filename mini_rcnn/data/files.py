"""Files that are whole or not there: written beside, brought to disk, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np

from mini_rcnn.launch.guard import Guard

LOCK = ".lock"  # in a folder that one process at a time writes; stays there
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold: the same arrays give the same bytes


@contextlib.contextmanager
def written_beside(path, mode="wb", **options):
    r"""Open a file beside ``path`` for writing; rename it to ``path`` at the end, remove it if something went wrong.

    Parameters
    ----------
    path : str or Path
        The final name. Its folder is made if it is missing.
    mode : str, default "wb"
    **options
        As of `open`; text is written in UTF-8 with ``\n`` unless they say otherwise.

    Yields
    ------
    file object
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if "b" not in mode:
        options = {"encoding": "utf-8", "newline": "\n", **options}
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with open(str(beside), mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(str(beside), str(path))
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def only_one(folder, *, work, quiet=False):
    """Return a context that one process at a time is in for a folder; others wait, which is said on stderr."""

    def say(text):
        if not quiet:
            print(text, file=sys.stderr)

    return Guard(Path(folder) / LOCK, say, work)


def write_json(path, content):
    """Write JSON with sorted keys, whole or not at all: the same content gives the same bytes."""
    with written_beside(path, "w") as file:
        file.write(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def write_arrays(file, arrays):
    """Write a dict of arrays to a path or an open file as an ``.npz`` whose bytes depend on the arrays alone."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue())


def sha256_of(path):
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with open(str(path), "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
