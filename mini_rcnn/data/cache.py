"""The prepared cache: every film of a folder at the network's size, made once, verified on every reading.

``prepare_folder`` makes it and goes on after a kill; ``open_prepared`` reads it; ``prepared_of`` does what is needed of
the two. On disk, in ``FOLDER/prepared/<size>``: shards of 128 images, and ``index.json``, which is written last: where
it is, all is there.
"""

from __future__ import annotations

from pathlib import Path

from mini_rcnn.stages._check import whole_number

from .errors import CacheError
from .prepared.preparing import PrepareSummary, prepare_folder, prepared_folder
from .prepared.shards import INDEX, read_index, read_row, shard_path
from .prepared.shrink import TRUE_MASKS, same_file, unpack_masks
from .rsna_tables import FILMS

__all__ = ["PrepareSummary", "Prepared", "open_prepared", "prepare_folder", "prepared_folder", "prepared_of"]


class Prepared:
    """A finished cache. Nothing is held in memory but the index; it may be sent to other processes.

    Attributes
    ----------
    folder : Path
        Of the prepared files.
    size : int
        Pixels, side of the images.
    ids : tuple of str
        What is prepared, in the order of the labels table as it was.
    broken : dict
        Films that could not be prepared: id -> reason.
    """

    def __init__(self, folder, index, command):
        self.folder, self.size, self.command = Path(folder), index.size, command
        self.broken = {image_id: fault.reason for image_id, fault in index.broken.items()}
        self._shards = index.shards
        self._entries = {entry.id: entry for entry in index.entries}
        self.ids = tuple(self._entries)

    def __contains__(self, image_id):
        return image_id in self._entries

    def __len__(self):
        return len(self.ids)

    def entry(self, image_id):
        """Return the `mini_rcnn.data.prepared.shards.Entry` of an image: view, sex, age, what it was made from."""
        try:
            return self._entries[image_id]
        except KeyError:
            reason = self.broken.get(image_id, f"is not in {self.folder / INDEX}; type: {self.command}")
            raise CacheError(f"image {image_id}: {reason}") from None

    def geometry(self, image_id):
        """Return the ImageGeometry of an image, which turns boxes of the original into the network's and back."""
        return self.entry(image_id).geometry

    def image(self, image_id):
        """Return an image, (size, size) uint8, read from disk and verified.

        Raises
        ------
        CacheError
            If it is not there or damaged; the text names the image and the file.
        """
        entry = self.entry(image_id)
        return self._read(entry, "shard", entry.row, entry.crc32)

    def masks(self, image_id):
        """Return the true masks of an image, (N, size, size) bool, verified, or None where the folder has none.

        Raises
        ------
        CacheError
            As `image`.
        """
        entry = self.entry(image_id)
        if entry.mask_row is None:
            return None
        return unpack_masks(self._read(entry, "masks", entry.mask_row, entry.mask_crc32), entry.n_masks)

    def _read(self, entry, kind, row, crc32):
        shape = (self._shards[entry.shard][kind == "masks"], self.size, self.size)
        try:
            return read_row(shard_path(self.folder, kind, entry.shard), row, shape, crc32)
        except CacheError as error:
            raise CacheError(f"image {entry.id}: {error}; type: {self.command}") from None


def open_prepared(folder, *, size, at=None, check_films=True):
    """Return the prepared cache of a folder.

    Parameters
    ----------
    folder : str or Path
        In Kaggle's layout.
    size : int
        Pixels, side of the prepared images.
    at : str or Path, optional
        Where the prepared files are, if not in ``folder/prepared/<size>``.
    check_films : bool, default True
        Whether to look if a film was replaced since: by size and time, and if those differ by content. A film that is
        gone is no fault, since a prepared folder may travel alone.

    Returns
    -------
    Prepared

    Raises
    ------
    CacheError
        If it is missing, unfinished, damaged, of another version, or older than a film; it says what to type.

    Examples
    --------
    >>> open_prepared("nowhere", size=256)
    Traceback (most recent call last):
    ...
    mini_rcnn.data.errors.CacheError: ...index.json: is not there... data prepare nowhere --size 256
    """
    size = whole_number("size", size, 1)
    command = f"python3 lab.py data prepare {folder} --size {size}"
    place = Path(at) if at is not None else prepared_folder(folder, size)
    path = place / INDEX
    try:
        index = read_index(path)
    except FileNotFoundError:
        why = "is not finished" if any(place.glob("shard-*")) else "is not there"
        raise CacheError(f"{path}: {why}; type: {command}") from None
    except (CacheError, OSError) as error:
        raise CacheError(f"{error}; type: {command}") from None
    if index.size != size:
        raise CacheError(f"{path}: is for size {index.size}, not {size}; type: {command}")
    if check_films:
        check_against_films(folder, index, command)
    return Prepared(place, index, command)


def prepared_of(folder, records, *, size, quiet=False, tell=print):
    """Return the prepared cache of a folder, made or brought up to date first where a film is not in it.

    Parameters
    ----------
    folder : str or Path
        In Kaggle's layout.
    records : sequence of Record
        Every image of the folder's labels table.
    size : int
        Pixels, side of the prepared images.
    quiet : bool
        No progress on stderr.
    tell : callable
        Of a text, when films are prepared or new ones are left out.

    Returns
    -------
    Prepared
        Without the films that are broken, which stand in it with the reason, and without those that are not there.

    Raises
    ------
    CacheError
        As `prepare_folder`.

    Notes
    -----
    Bringing a cache up to date drops what is prepared of films that are gone. A prepared folder may have travelled
    without its films, so where one is gone, new ones are left out, which is said.
    """
    try:
        prepared = open_prepared(folder, size=size)
        there = {record.id for record in records if record.path is not None}
        n_new, n_gone = len(there - {*prepared.ids, *prepared.broken}), len({*prepared.ids} - there)
        if n_new == 0:
            return prepared
        if n_gone:
            tell(
                f"{folder}: films that are new ({n_new:,}) are left out. To prepare them, and drop what is prepared of "
                f"the {n_gone:,} whose films are gone, type: {prepared.command}"
            )
            return prepared
        what = f"films that are new ({n_new:,})"
    except CacheError:
        what = "the films"
    tell(f"{folder}: {what} are prepared for {size} pixels, once.")
    prepare_folder(folder, size=size, records=records, progress=not quiet)
    return open_prepared(folder, size=size)


def check_against_films(folder, index, command):
    """Raise CacheError if a film, or its mask, is there and not what was prepared."""
    for entry in index.entries:
        for path, facts in (
            (Path(folder) / FILMS / f"{entry.id}.dcm", entry.film),
            (Path(folder) / TRUE_MASKS / f"{entry.id}.png", entry.mask_film),
        ):
            if facts is not None and path.exists() and not same_file(path, facts):
                raise CacheError(f"{path}: was replaced after it was prepared; type: {command}")
