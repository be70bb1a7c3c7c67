"""The files of a prepared cache: shards of images and masks, and the index that says what lies where."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mini_rcnn.stages.image import ImageGeometry

from ..errors import CacheError
from ..files import written_beside
from .shrink import FilmFile, checksum

VERSION = 1  # of the files; one more whenever the same film would give other pixels
PER_SHARD = 128  # images; at 256 pixels 8 MB a shard, and what a kill can lose
INDEX = "index.json"
HEADER_BYTES = 128  # of a shard's .npy file, which NumPy brings to a multiple of 64
HOW = "uint8 of mini_rcnn.stages.image.fit_to_square, rounded; masks: more than half covered, bit k is opacity k"


class Entry(NamedTuple):
    """One prepared image: where it lies, what it was made from and what its film's header says."""

    id: str
    shard: int
    row: int
    crc32: int
    geometry: ImageGeometry
    film: FilmFile
    view: str | None
    sex: str | None
    age: int | None  # years
    mask_row: int | None  # in the shard's masks; None where there are none
    n_masks: int
    mask_crc32: int | None
    mask_film: FilmFile | None


class Fault(NamedTuple):
    """Why a film could not be prepared."""

    reason: str  # begins with the file's name
    film: FilmFile | None


class Index(NamedTuple):
    """What a finished cache, or one finished shard, holds."""

    size: int
    entries: tuple  # of Entry
    broken: dict  # id -> Fault
    shards: dict  # number -> (n_images, n_masks)


def shard_path(folder, kind, number):
    """Return the path of a shard: kind is "shard" for images, "masks" for masks.

    >>> shard_path("prepared", "shard", 7).name
    'shard-00007.npy'
    """
    return Path(folder) / f"{kind}-{number:05d}.npy"


def note_path(folder, number):
    """Return the path of the note that says a shard is finished; the index takes the notes' place."""
    return Path(folder) / f"shard-{number:05d}.json"


def write_shard(folder, number, size, results):
    """Write the films of one shard and then its note, each whole or not at all.

    Parameters
    ----------
    folder : str or Path
    number : int
    size : int
        Pixels, side of the square.
    results : sequence of Shrunk and Broken

    Returns
    -------
    Index
        Of this shard.
    """
    good = [one for one in results if hasattr(one, "image")]
    masked = [one for one in good if one.masks is not None]
    places = {one.id: row for row, one in enumerate(masked)}
    entries = tuple(entry_of(one, number, row, places.get(one.id)) for row, one in enumerate(good))
    for kind, arrays in (("shard", [one.image for one in good]), ("masks", [one.masks for one in masked])):
        if arrays:
            with written_beside(shard_path(folder, kind, number)) as file:
                np.save(file, np.stack(arrays))
    broken = {one.id: Fault(one.reason, one.film) for one in results if not hasattr(one, "image")}
    index = Index(size, entries, broken, {number: (len(good), len(masked))})
    write_index(note_path(folder, number), index)
    return index


def entry_of(one, number, row, mask_row):
    """Return the entry of a shrunk film that lies in a row of a shard."""
    mask_crc32 = None if one.masks is None else checksum(one.masks)
    return Entry(
        one.id, number, row, checksum(one.image), one.geometry, one.film, *one.header,
        mask_row, one.n_masks, mask_crc32, one.mask_film,
    )  # fmt: skip


def index_content(index):
    """Return an index as plain lists and dicts."""
    return {
        "version": VERSION,
        "how": HOW,
        "size": index.size,
        "columns": list(Entry._fields),
        "broken": index.broken,
        "shards": {str(number): list(lengths) for number, lengths in index.shards.items()},
        "images": [
            [*entry[:4], geometry_row(entry.geometry), *entry[5:]] for entry in index.entries
        ],
    }  # fmt: skip


def geometry_row(geometry):
    """Return a geometry as a list: original size, window, scale."""
    return [list(geometry.original_size), list(geometry.window), geometry.scale]


def digest_of(content):
    """Return the SHA-256 of an index's content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_index(path, index):
    """Write an index with its checksum, one image a line; the same content gives the same bytes."""
    content = index_content(index)
    content["sha256"] = digest_of(content)
    images = content.pop("images")
    head = json.dumps(content, sort_keys=True, indent=1)[:-2]  # without the last line break and brace
    rows = ",\n  ".join(json.dumps(row) for row in images)
    with written_beside(path, "w") as file:
        file.write(f'{head},\n "images": [\n  {rows}\n ]\n}}\n')


def read_index(path):
    """Return the index that a file holds.

    Raises
    ------
    CacheError
        If it is damaged, or of another version; the text says which, and names the file.
    FileNotFoundError
        If it is not there.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        version, digest = content["version"], content.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CacheError(f"{path}: is damaged") from None
    if version != VERSION:
        raise CacheError(f"{path}: was written by another version of the lab ({version!r}; this one writes {VERSION})")
    if digest != digest_of(content):
        raise CacheError(f"{path}: is damaged")
    size = content["size"]
    shards = {int(number): tuple(lengths) for number, lengths in content["shards"].items()}
    return Index(
        size, tuple(entry_from(row, size) for row in content["images"]), faults_from(content["broken"]), shards
    )


def faults_from(broken):
    """Return the faults that an index's file holds."""
    return {image_id: Fault(reason, film and FilmFile(*film)) for image_id, (reason, film) in broken.items()}


def entry_from(row, size):
    """Return the entry that a row of the index's file holds."""
    entry = Entry(*row)
    (height, width), window, scale = entry.geometry
    return entry._replace(
        geometry=ImageGeometry((height, width), size, tuple(window), scale),
        film=FilmFile(*entry.film),
        mask_film=FilmFile(*entry.mask_film) if entry.mask_film else None,
    )


@functools.lru_cache(maxsize=64)
def parse_header(head):
    """Return ``(start of the data, shape, Fortran order, dtype)`` of a .npy file's first bytes; parsing is slow."""
    file = io.BytesIO(head)
    np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0(file)
    return (file.tell(), *header)


def read_row(path, row, shape, crc32):
    """Return one image of a shard, verified.

    Parameters
    ----------
    path : Path
    row : int
    shape : (n_images, size, size)
        What the shard must have.
    crc32 : int
        Of the image's bytes.

    Raises
    ------
    CacheError
        If the shard is missing, cut short, of another shape, or the bytes are not those that were written.
    """
    n_bytes = shape[1] * shape[2]
    try:
        with open(str(path), "rb") as file:
            start, *found = parse_header(file.read(HEADER_BYTES))
            file.seek(start + row * n_bytes)
            content = file.read(n_bytes)
    except OSError as error:
        raise CacheError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # NumPy has half a dozen ways to say that a header is not one
        raise CacheError(f"{path}: is damaged ({error})") from None
    if found != [tuple(shape), False, np.dtype(np.uint8)] or len(content) != n_bytes:
        raise CacheError(f"{path}: is damaged, it does not hold {shape[0]} images of {shape[1]} x {shape[2]} uint8")
    image = np.frombuffer(bytearray(content), dtype=np.uint8).reshape(shape[1:])  # one that may be written to
    if checksum(image) != crc32:
        raise CacheError(f"{path}: row {row} is damaged, its checksum is not the one written")
    return image


def shard_is_whole(folder, index, entries):
    """Return whether every image and mask of a finished shard, whose entries these are, is as it was written."""
    for entry in entries:
        n_images, n_masks = index.shards[entry.shard]
        try:
            shape = (n_images, index.size, index.size)
            read_row(shard_path(folder, "shard", entry.shard), entry.row, shape, entry.crc32)
            if entry.mask_row is not None:
                shape = (n_masks, index.size, index.size)
                read_row(shard_path(folder, "masks", entry.shard), entry.mask_row, shape, entry.mask_crc32)
        except CacheError:
            return False
    return True
