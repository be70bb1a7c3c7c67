"""One film of a folder at the network's size: what each process of ``data prepare`` does."""

from __future__ import annotations

import os
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mini_rcnn.stages.image import fit_to_square

from ..dicom import read_image
from ..errors import DataError
from ..files import sha256_of
from ..small_masks import ROUNDING, covered_parts

TRUE_MASKS = "stage_2_train_masks"  # folder of phantoms' masks: bit k of a pixel is opacity k
MOST_MASKS = 8  # bits of a grey PNG


class FilmFile(NamedTuple):
    """A file as it was read; another size, time or checksum means that it was replaced."""

    n_bytes: int
    mtime_ns: int  # nanoseconds since 1970
    sha256: str


class Task(NamedTuple):
    """A film to shrink."""

    id: str
    path: str
    mask_path: str  # "" where there is none
    n_boxes: int  # that the table gives the film: as many masks there must be
    size: int  # pixels, side of the square


class Shrunk(NamedTuple):
    """A film at the network's size."""

    id: str
    image: np.ndarray  # (size, size) uint8
    masks: np.ndarray | None  # (size, size) uint8, bit k is opacity k; None where the folder has none
    n_masks: int
    geometry: object  # mini_rcnn.stages.image.ImageGeometry
    film: FilmFile
    mask_film: FilmFile | None
    header: tuple  # (view, sex, age) of the film's allow-listed header


class Broken(NamedTuple):
    """A film that cannot be used, and why."""

    id: str
    film: FilmFile | None
    reason: str


def file_facts(path):
    """Return the `FilmFile` of a file, or None where it cannot be read."""
    try:
        status = os.stat(str(path))
        return FilmFile(status.st_size, status.st_mtime_ns, sha256_of(path))
    except OSError:
        return None


def same_file(path, facts):
    """Return whether a file still holds what it held: judged by size and time, and if those differ by its content."""
    try:
        status = os.stat(str(path))
    except OSError:
        return False
    if status.st_size != facts.n_bytes:
        return False
    return status.st_mtime_ns == facts.mtime_ns or sha256_of(path) == facts.sha256


def shrink_mask(mask, geometry):
    """Return one mask on the padded square: a pixel is on if more than half of it is covered.

    A mask too thin for that keeps the pixels that it covers most, so that no opacity vanishes.

    Parameters
    ----------
    mask : ndarray of shape (H, W), bool
        On the original film.
    geometry : ImageGeometry

    Returns
    -------
    small : ndarray of shape (size, size), bool
    """
    y1, x1, y2, x2 = geometry.window
    small = np.zeros((geometry.size, geometry.size), dtype=bool)
    if mask.any():
        covered = covered_parts(mask, (0, 0, *mask.shape), (y2 - y1, x2 - x1))
        small[y1:y2, x1:x2] = covered > min(0.5 + ROUNDING, covered.max() - ROUNDING)
    return small


def read_mask_bits(path, shape, n_masks):
    """Return a phantom's mask file, (H, W) uint8; ValueError says what does not fit the film or the table."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow warns of a picture that is absurdly large
        with Image.open(str(path)) as picture:
            if (picture.size[1], picture.size[0]) != tuple(shape) or picture.mode != "L":
                raise ValueError(
                    f"is {picture.size[1]} x {picture.size[0]} pixels of kind {picture.mode}, "
                    f"where the film wants {shape[0]} x {shape[1]} of kind L"
                )
            bits = np.array(picture)
    found = int(bits.max()).bit_length()
    if n_masks > MOST_MASKS or found > n_masks:
        raise ValueError(f"has masks up to number {found}, where the labels table has {n_masks} boxes")
    return bits


def pack_masks(bits, geometry, n_masks):
    """Return the masks of a film's bits on the padded square, packed the same way, (size, size) uint8."""
    packed = np.zeros((geometry.size, geometry.size), dtype=np.uint8)
    for k in range(n_masks):
        packed |= shrink_mask((bits >> k & 1).astype(bool), geometry).astype(np.uint8) << k
    return packed


def unpack_masks(packed, n_masks):
    """Return packed masks as (N, H, W) bool.

    >>> unpack_masks(np.array([[3, 2]], dtype=np.uint8), 2).astype(int).tolist()
    [[[1, 0]], [[1, 1]]]
    """
    return (packed[None] >> np.arange(n_masks, dtype=np.uint8)[:, None, None] & 1).astype(bool)


def shrink_film(task):
    """Return a film at the network's size, or what is wrong with it.

    Parameters
    ----------
    task : Task

    Returns
    -------
    Shrunk or Broken

    Notes
    -----
    The resize is `mini_rcnn.stages.image.fit_to_square`, which detection uses too; only the grey levels are rounded.
    """
    film = file_facts(task.path)
    try:
        read = read_image(task.path)
    except (DataError, OSError) as error:
        return Broken(task.id, film, reason_of(task.path, error))
    square, geometry = fit_to_square(read.image, size=task.size)
    image = np.clip(np.rint(square), 0, 255).astype(np.uint8)
    masks, mask_film = None, None
    if task.mask_path:
        try:
            mask_film = file_facts(task.mask_path)
            masks = pack_masks(read_mask_bits(task.mask_path, read.image.shape, task.n_boxes), geometry, task.n_boxes)
        except (OSError, ValueError, SyntaxError, Warning) as error:  # SyntaxError: what Pillow calls a broken PNG
            return Broken(task.id, film, reason_of(task.mask_path, error))
    header = (read.header.view, read.header.sex, read.header.age)
    n_masks = task.n_boxes if masks is not None else 0
    return Shrunk(task.id, image, masks, n_masks, geometry, film, mask_film, header)


def reason_of(path, error):
    """Return what is wrong, after the file's name and folder, without the way there."""
    text = getattr(error, "text", None) or getattr(error, "strerror", None) or error
    return f"{Path(path).parent.name}/{Path(path).name}: {text}"


def died(task):
    """Return what stands for a film whose reading killed its process."""
    text = "reading it killed the process (a decoder's crash, or not enough memory); replace the film"
    return Broken(task.id, file_facts(task.path), reason_of(task.path, text))


def checksum(array):
    """Return the CRC-32 of an array's bytes."""
    return zlib.crc32(np.ascontiguousarray(array))
