"""The files of raw outputs: a folder of chunks, each whole or not there, and an index that is written last.

In the folder: ``boxes-00000.npz`` with all that decides about boxes, ``masks-00000.npz`` with the masks, an entry a
film, and ``index.npz``. Arrays alone: nothing of a file is ever run.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from mini_rcnn.data.errors import DataError
from mini_rcnn.data.files import write_arrays, written_beside
from mini_rcnn.weights import checksum, read_archive

FORMAT = "mini-rcnn raw outputs"
VERSION = 1
CHUNK = 32  # films in a file: what an interrupted collection loses at most
MOST_MASK_BYTES = 1 << 30  # of one film; an entry that claims to hold more is refused
INDEX = "index.npz"
COLLECT = "collect it again"
# What a chunk holds: the dtype, and the shape behind the films' (F), rows' (R) or candidates' (C) own axis.
LAYOUT = {
    "n_rows": ("F", np.int32, ()),  # proposals before suppression
    "n_candidates": ("F", np.int32, ()),
    "film_sizes": ("F", np.int32, (2,)),  # height and width, pixels
    "inputs": ("F", np.uint32, ()),  # CRC-32 of the network's input
    "mask_sums": ("F", np.uint32, ()),  # CRC-32 of the film's masks
    "proposals": ("R", np.float32, (4,)),  # pixels of the network input, best first
    "rows": ("C", np.int32, ()),  # the proposal that each candidate comes from, counted within the film
    "class_ids": ("C", np.int32, ()),
    "scores": ("C", np.float32, ()),
    "boxes": ("C", np.float32, (4,)),  # pixels of the network input
    "film_boxes": ("C", np.float64, (4,)),  # pixels of the film
    "on_film": ("C", np.bool_, ()),  # whether it has an area there
}


class RawError(DataError):
    """A file of raw outputs that is missing, unfinished, damaged, foreign or of another network."""


def chunk_path(folder, kind, number):
    """Return the path of a chunk: kind is "boxes" or "masks".

    >>> chunk_path("raw", "boxes", 7).name
    'boxes-00007.npz'
    """
    return Path(folder) / f"{kind}-{number:05d}.npz"


def write_part(path, arrays, **facts):
    """Write arrays with a head that says what they are, whole or not at all; return their checksum."""
    head = {"format": FORMAT, "version": VERSION, **facts, "sha256": checksum(arrays)}
    with written_beside(path) as file:
        write_arrays(file, {"head": np.array(json.dumps(head, sort_keys=True)), **arrays})
    return head["sha256"]


def read_part(path):
    """Return the arrays and the head of a part; `RawError` names the file and what is wrong."""
    path = Path(path)
    if path.is_dir():
        raise RawError(f"{path}: is a folder, no file of raw outputs.")
    return read_archive(path, kind="file of raw outputs", form=FORMAT, version=VERSION, error=RawError)


def write_chunk(folder, number, of, ids, films):
    """Write some films' raw outputs.

    Parameters
    ----------
    folder : path
    number : int
    of : dict
        Which network looked, and how; see `mini_rcnn.exploring.collect.network_facts`.
    ids : sequence of str
    films : sequence of dict
        For each film the arrays of `LAYOUT` that have rows of their own, ``"film_size"``, ``"input"`` and ``"masks"``,
        (C, h, w) float16.

    Returns
    -------
    sha256 : str
        Of the boxes' arrays; they in turn hold a sum of each film's masks.
    """
    masks = [np.ascontiguousarray(film["masks"], dtype=np.float16) for film in films]
    with written_beside(chunk_path(folder, "masks", number)) as file:
        write_arrays(file, {mask_name(place): array for place, array in enumerate(masks)})
    arrays = {
        "n_rows": [len(film["proposals"]) for film in films],
        "n_candidates": [len(film["scores"]) for film in films],
        "film_sizes": [film["film_size"] for film in films],
        "inputs": [film["input"] for film in films],
        "mask_sums": [zlib.crc32(array) for array in masks],
    }
    for name, (axis, dtype, shape) in LAYOUT.items():
        if axis == "F":
            arrays[name] = np.array(arrays[name], dtype=dtype).reshape(-1, *shape)
        else:
            arrays[name] = np.concatenate([np.asarray(film[name], dtype).reshape(-1, *shape) for film in films])
    return write_part(chunk_path(folder, "boxes", number), arrays, of=of, ids=list(ids))


def read_chunk(folder, number):
    """Return the arrays and the head of a chunk's boxes, all of the shapes that they should have."""
    path = chunk_path(folder, "boxes", number)
    arrays, head = read_part(path)
    try:
        lengths = {"F": len(head["ids"]), "R": int(arrays["n_rows"].sum()), "C": int(arrays["n_candidates"].sum())}
        good = all(
            arrays[name].shape == (lengths[axis], *shape) and arrays[name].dtype == dtype
            for name, (axis, dtype, shape) in LAYOUT.items()
        )
    except (KeyError, TypeError):
        good = False
    if not good:
        raise RawError(f"{path}: does not hold what it should; {COLLECT}.")
    return arrays, head


def mask_name(place):
    """Return the name of a film's masks in its chunk, by its place there."""
    return f"film-{place:05d}"


def read_masks(folder, number, place, n_masks, crc32):
    """Return one film's masks, (C, h, w) float16, verified.

    Parameters
    ----------
    folder : path
    number : int
        Of the chunk.
    place : int
        Of the film in it.
    n_masks : int
        C.
    crc32 : int
        Of the masks' bytes.
    """
    path = chunk_path(folder, "masks", number)
    try:
        with open(str(path), "rb") as file, zipfile.ZipFile(file) as archive:
            entry = archive.getinfo(f"{mask_name(place)}.npy")
            if entry.file_size > MOST_MASK_BYTES:
                raise ValueError("more than can be")
            masks = np.lib.format.read_array(io.BytesIO(archive.read(entry)), allow_pickle=False)
    except FileNotFoundError:
        raise RawError(f"{path}: there is no such file; {COLLECT}.") from None
    except Exception as error:  # zipfile, zlib and NumPy each have their own ways to say it
        raise RawError(f"{path}: is cut off or damaged ({type(error).__name__}); {COLLECT}.") from None
    if masks.dtype != np.float16 or masks.ndim != 3 or len(masks) != n_masks or zlib.crc32(masks) != int(crc32):
        raise RawError(f"{path}: holds other masks than were written with the boxes; {COLLECT}.")
    return masks
