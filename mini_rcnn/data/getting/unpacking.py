"""Members of an archive or folder written out: only under names we chose, whole or not at all, and not twice."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sys
import zlib
from pathlib import Path

from tqdm import tqdm

from ..errors import ArchiveError
from ..files import written_beside
from .archive_limits import damage_named
from .archives import BLOCK
from .safe_names import shown_name

SPACE_LEFT = 64 << 20  # bytes that stay free on the disk
CLUSTER = 4096  # bytes; what a file takes is a multiple of it
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def existing_parent(folder):
    """Return the folder itself or the nearest one above it that is there."""
    folder = Path(folder).resolve()
    return next(place for place in [folder, *folder.parents] if place.is_dir())


def check_space(folder, n_bytes, *, what):
    """Raise unless a folder's disk has room for so many bytes more.

    Parameters
    ----------
    folder : str or Path
        It need not be there yet.
    n_bytes : int
    what : str
        What is to be written, for the error's text.

    Raises
    ------
    ArchiveError

    Examples
    --------
    >>> check_space(".", 1 << 60, what="unpacking")
    Traceback (most recent call last):
        ...
    mini_rcnn.data.errors.ArchiveError: unpacking needs 1,152,921.5 TB in ...
    """
    free = shutil.disk_usage(str(existing_parent(folder))).free
    if free < n_bytes + SPACE_LEFT:
        raise ArchiveError(
            f"{what} needs {size_text(n_bytes + SPACE_LEFT)} in {folder}, and its disk has {size_text(free)} free. "
            "Make room there, or choose another disk with --to."
        )


def size_text(n_bytes):
    """Return a number of bytes as a person says it.

    >>> size_text(3_929_000_000), size_text(20), size_text(999_999)
    ('3.9 GB', '20 bytes', '1.0 MB')
    """
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= 0.99995 * scale:
            return f"{n_bytes / scale:,.1f} {unit}"
    return f"{n_bytes} bytes"


@contextlib.contextmanager
def full_disk_named(path):
    """Turn the errors of writing a file into one that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            text = f"{path}: the disk is full. What is here so far is kept: make room and run the same again."
        else:
            text = f"{path}: it cannot be written ({error.strerror}). Choose a folder of your own with --to."
        raise ArchiveError(text) from error


def blocks_of(source, member):
    """Yield a member's bytes; raise if they are damaged, or are not as many as were declared."""
    left, named = member.size, shown_name(member.name)
    with damage_named(source.path, member.name):
        stream = source.open(member)
    with contextlib.closing(stream):
        while True:
            with damage_named(source.path, member.name):
                block = stream.read(BLOCK)
            left -= len(block)
            if left < 0:
                raise ArchiveError(f"{source.path}: the member {named} gives more than it declared. Get it again.")
            if not block:
                break
            yield block
    if left:
        raise ArchiveError(f"{source.path}: the member {named} ends {left:,} bytes early. Download it again.")


def checksums(blocks):
    """Return the CRC-32 and the SHA-256, as hexadecimal text, of blocks of bytes."""
    crc, digest = 0, hashlib.sha256()
    for block in blocks:
        crc = zlib.crc32(block, crc)
        digest.update(block)
    return crc, digest.hexdigest()


def file_blocks(path):
    """Yield a file's bytes."""
    with open(str(path), "rb") as file:
        yield from iter(lambda: file.read(BLOCK), b"")


def sha256_if_same(source, member, target):
    """Return the SHA-256 of the file that is there already, or None unless it is this member, whole."""
    if not target.is_file() or target.stat().st_size != member.size:
        return None
    crc, sha256 = checksums(file_blocks(target))
    if member.crc is not None:
        return sha256 if crc == member.crc else None
    return sha256 if sha256 == checksums(blocks_of(source, member))[1] else None


def write_member(source, member, target):
    """Write a member beside its name, rename it when it is whole, and return its SHA-256."""
    digest = hashlib.sha256()
    with full_disk_named(target), written_beside(target) as file:
        for block in blocks_of(source, member):
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


def remove_leftovers(folder):
    """Remove what a killed run left beside the files that it was writing."""
    for path in Path(folder).glob(".*.new"):
        with contextlib.suppress(OSError):
            path.unlink()


def space_needed(chosen, folder):
    """Return how many bytes the members take that are not there in their size."""
    total = 0
    for name, member in chosen.items():
        target = folder / name
        if not target.is_file() or target.stat().st_size != member.size:
            total += -(-member.size // CLUSTER) * CLUSTER
    return total


def unpack(source, chosen, folder):
    """Unpack members into a folder; those that are there already, whole, stay as they are.

    Parameters
    ----------
    source : ZipSource, TarSource or FolderSource
        From `mini_rcnn.data.getting.archives.open_source`, so every name in it was checked.
    chosen : dict of str to Member
        By name in the folder, with ``/``; these names are ours, not the archive's.
    folder : str or Path

    Returns
    -------
    files : dict of str to dict
        By name: ``bytes`` and ``sha256``.
    written : int
        How many files were not there before.

    Raises
    ------
    ArchiveError
        If the disk is too small or becomes full, or a member is damaged. No file has its name unless it is whole.
    """
    folder, files, written = Path(folder), {}, 0
    check_space(folder, space_needed(chosen, folder), what="unpacking")
    for place in sorted({os.path.dirname(name) for name in chosen}):
        remove_leftovers(folder / place)
    total = sum(member.size for member in chosen.values())
    with tqdm(total=total, desc="unpacking", unit="B", unit_scale=True, file=sys.stderr, mininterval=0.5) as bar:
        for name, member in chosen.items():
            sha256 = sha256_if_same(source, member, folder / name)
            if sha256 is None:
                sha256 = write_member(source, member, folder / name)
                written += 1
            files[name] = {"bytes": member.size, "sha256": sha256}
            bar.update(member.size)
    return files, written
