"""What is evaluated, and on which images: a path becomes predictions, a folder and a side become records."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mini_rcnn.data.errors import DataError
from mini_rcnn.data.rsna import load_records
from mini_rcnn.data.split_files import load_split, split_path
from mini_rcnn.data.splits import SIDES, side_records

SUBMISSION, BEST = "submission.csv", "best.weights.npz"
WEIGHTS_ENDINGS = (".npz", ".h5", ".hdf5")
ALL = "all"
PACKAGE = Path(__file__).resolve().parent.parent


class Source(NamedTuple):
    """What predictions come from."""

    path: Path  # of the file
    is_network: bool  # weights, to be run on films; else a submission
    folder: Path  # where the results go unless told


class Side(NamedTuple):
    """The images that are evaluated."""

    everyone: list  # of Record, all of the folder
    records: list  # of Record, those of the side
    name: str  # one of SIDES, or "all"


def find_source(path):
    """Return what a path means: a submission, a folder of `detect`, a run of `train`, or weights.

    Parameters
    ----------
    path : path

    Returns
    -------
    source : Source

    Raises
    ------
    DataError
        If nothing is there, or it could be two things.

    Examples
    --------
    >>> find_source("runs/nowhere")
    Traceback (most recent call last):
    ...
    mini_rcnn.data.errors.DataError: runs/nowhere: is not there.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: is not there.")
    if not path.is_dir():
        beside = Path("runs") if path.resolve().parent == PACKAGE else path.parent  # the demo's weights lie in the code
        return Source(path, path.suffix.lower() in WEIGHTS_ENDINGS, beside / f"{stem_of(path)}-evaluation")
    there = [name for name in (SUBMISSION, BEST) if (path / name).is_file()]
    if len(there) == 1:
        return Source(path / there[0], there[0] == BEST, path / "evaluation")
    if there:
        raise DataError(f"{path}: holds {SUBMISSION} and {BEST}; name the one that is meant.")
    raise DataError(
        f"{path}: holds neither {SUBMISSION}, which `python3 lab.py detect` writes, nor {BEST}, which "
        "`python3 lab.py train` writes; name one of these folders, a submission or a weights file."
    )


def stem_of(path):
    """Return a file's name without its ending, and without the ``.weights`` of a weights file."""
    stem = path.stem
    return stem[: -len(".weights")] if stem.endswith(".weights") else stem


def find_side(folder, side, *, is_network):
    """Return the images of a folder that are evaluated.

    Parameters
    ----------
    folder : path
        In Kaggle's layout; the tables alone will do for a submission.
    side : str or None
        Of the folder's split by patient, or ``"all"``. By default a network is tried on the test side, and a submission
        on all images.
    is_network : bool

    Returns
    -------
    side : Side

    Raises
    ------
    DataError
        If tables or split cannot be used, or the side is empty.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder.")
    everyone = load_records(folder)
    side = side or ("test" if is_network else ALL)
    if side == ALL:
        records = everyone
    elif side in SIDES:
        records = side_records(split_of(folder, everyone), side, everyone)
    else:
        raise ValueError(f"side must be one of {', '.join((*SIDES, ALL))}, got {side!r}")
    if not records:
        others = "" if side == ALL else " Choose another --side, or all where the network has seen none of them."
        raise DataError(f"{folder}: there is no image on the side {side!r}.{others}")
    return Side(everyone, records, side)


def split_of(folder, everyone):
    """Return the folder's split by patient."""
    path = split_path(folder, "patient")
    if not path.exists():
        raise DataError(
            f"{path}: is not there, so nobody can tell the sides apart. If no network has seen any of these films, say "
            f"--side all; else make the split that was trained with: `python3 lab.py data split {folder}`."
        )
    return load_split(folder, everyone)
