"""What is known of each film beside its boxes: size, view, sex, age; from a prepared folder, or from the headers.

Only what `mini_rcnn.data.dicom.FilmHeader` lets out is there: no name, date, place or number of a person.
"""

from __future__ import annotations

from typing import NamedTuple

from mini_rcnn.data.cache import open_prepared
from mini_rcnn.data.errors import CacheError
from mini_rcnn.data.header_tables import read_headers


class Facts(NamedTuple):
    """What is known of a film; None where it is not."""

    size: tuple | None = None  # (rows, columns)
    view: str | None = None  # "PA", "AP", ...
    sex: str | None = None  # "F" or "M"
    age: int | None = None  # years


NOTHING = Facts()


def facts_of(folder, records, *, quiet=False):
    """Return what is known of each film.

    Parameters
    ----------
    folder : Path
        In Kaggle's layout.
    records : sequence of Record
    quiet : bool, default False
        No progress bar.

    Returns
    -------
    facts : dict
        ``{id: Facts}``; an image whose film is absent or broken has `NOTHING`.
    broken : list of str
        Which films could not be read, and why; the texts quote nothing of a header.

    Notes
    -----
    A prepared folder has the same facts in its index, and is asked first: 26,684 headers take minutes.
    """
    facts = dict.fromkeys((record.id for record in records), NOTHING)
    prepared = any_prepared(folder)
    if prepared is not None:
        for name in facts:
            if name in prepared:
                entry = prepared.entry(name)
                facts[name] = Facts(entry.geometry.original_size, entry.view, entry.sex, entry.age)
    left = [record for record in records if facts[record.id] is NOTHING]
    headers, broken = read_headers(left, label=None if quiet else "headers")
    for name, header in headers.items():
        facts[name] = Facts((header.rows, header.columns), header.view, header.sex, header.age)
    return facts, list(broken.values())


def any_prepared(folder):
    """Return the prepared films of a folder, of whatever size, or None where none can be used."""
    sizes = sorted(int(path.name) for path in (folder / "prepared").glob("*") if path.name.isdigit())
    for size in sizes:
        try:
            return open_prepared(folder, size=size)
        except CacheError:
            continue
    return None
