"""The films of a training: drawn if they are phantoms, split by patient and prepared on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mini_rcnn.data.cache import prepared_of
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.phantom_files import write_phantoms
from mini_rcnn.data.phantoms.phantom_plan import plan_phantoms
from mini_rcnn.data.rsna import load_records
from mini_rcnn.data.split_files import load_split, split_path, write_split
from mini_rcnn.data.splits import FRACTIONS, fingerprint_of, side_records, split_by_patient

from .feed import Data

PHANTOMS = "phantoms"
SPLIT_SEED = 1  # as of ``data split``
DRAWN_FRACTIONS = (0.8, 0.2, 0.0)  # of phantoms drawn for a training: more, never seen, are drawn to test with


def draw_films(n_images, *, seed, more_ill=0, fractions=DRAWN_FRACTIONS, quiet=False, tell=print):
    """Return a folder of phantoms to learn from, drawn or taken where they are there, and split by patient.

    The ``more_ill`` ones on top, see `plan_phantoms`, all go to train: a threshold is chosen on films as they come.
    """
    more = f"-{more_ill}-more-ill" if more_ill else ""
    folder = Path("data", f"phantoms-{n_images}{more}-{seed}")
    tell(f"{folder}: {n_images + more_ill} phantoms are drawn, or taken where they are there.")
    write_phantoms(folder, n_images, seed=seed, more_ill=more_ill, quiet=quiet)
    records, first = load_records(folder), {plan.image_id for plan in plan_phantoms(n_images, seed=seed)}
    others = [record.id for record in records if record.id not in first]
    split_if_new(folder, records, fractions=fractions, to_train=others, tell=tell)
    return folder


def folder_of(name, preset, *, seed, quiet=False, tell=print):
    """Return the folder that ``--data`` means: one that is there, or phantoms that are drawn now.

    Raises
    ------
    DataError
        If there is none.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    if name != PHANTOMS:
        raise DataError(f"{name}: there is no such folder. Draw films: --data {PHANTOMS}")
    if preset is None or preset.phantoms is None:
        raise DataError(f"--data {PHANTOMS} needs a preset that says how many films to draw")
    return draw_films(preset.phantoms, seed=seed, more_ill=preset.more_ill, quiet=quiet, tell=tell)


def split_if_new(folder, records, *, fractions=FRACTIONS, to_train=(), tell=print):
    """Write a folder's split by patient, unless it has one; images of these ids, of other patients, are in train."""
    path = split_path(folder, "patient")
    if not path.exists():
        dealt = [record for record in records if record.id not in set(to_train)]
        split = split_by_patient(dealt, seed=SPLIT_SEED, fractions=fractions, name="patient")
        train = tuple(sorted([*split.train, *to_train]))
        write_split(path, replace(split, train=train, fingerprint=fingerprint_of(records)))
        tell(f"{path}: made, by patient, seed {SPLIT_SEED}.")


def load_data(folder, *, size, quiet=False, tell=print):
    """Return the films of a folder, prepared, and the two sides that a training sees.

    Parameters
    ----------
    folder : path
        In Kaggle's layout.
    size : int
        Pixels, side of the network's input.
    quiet : bool
    tell : callable
        Of a text.

    Returns
    -------
    data : feed.Data
        The third side, test, is left alone.

    Raises
    ------
    DataError
        If the tables, the split or the films cannot be used.
    """
    records = load_records(folder)
    split_if_new(folder, records, tell=tell)
    split = load_split(folder, records)
    prepared = prepared_of(folder, records, size=size, quiet=quiet, tell=tell)
    return Data(prepared, side_records(split, "train", records), side_records(split, "validation", records))
