"""Files that are whole or not there: written beside, brought to disk, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path


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


def write_json(path, content):
    """Write JSON with sorted keys, whole or not at all: the same content gives the same bytes."""
    with written_beside(path, "w") as file:
        file.write(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def sha256_of(path):
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with open(str(path), "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
