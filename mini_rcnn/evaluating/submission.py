"""A submission in Kaggle's format, read strictly: everything that is wrong is named by its line, nothing is guessed."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mini_rcnn.data.errors import TableError
from mini_rcnn.data.rsna import IMAGE_SIZE
from mini_rcnn.data.rsna_tables import shown

from .foreign import foreign_header, foreign_text

COLUMNS = ("patientId", "PredictionString")  # the challenge's; its patientId is an image's id
VALUES = ("confidence", "x", "y", "width", "height")  # of each box, in this order
SLACK = 1.0  # pixels that a box may stand out of its film: writers round
QUOTED = 10  # faults that an error quotes


class Fault(NamedTuple):
    """One thing that is wrong with a submission."""

    line: int | None  # as an editor shows it; None for what is wrong with the whole file
    text: str

    def __str__(self):
        return self.text if self.line is None else f"line {self.line}: {self.text}"


class Submission(NamedTuple):
    """What a submission says."""

    found: dict  # id -> (boxes (N, 4) float64 (y1, x1, y2, x2), scores (N,)), in the order of the file
    missing: tuple  # ids that it should have and has not, in the order of the tables


def read_submission(path, known, *, wanted=None, partial=False):
    """Return what a submission says of each image.

    Parameters
    ----------
    path : path
        CSV with the header ``patientId,PredictionString``; the second cell holds five numbers a box, ``confidence x y
        width height``, pixels of the film, one box behind the other, or nothing where nothing was found. A byte order
        mark, line ends of Windows, quotes and blank lines are harmless.
    known : dict
        ``{id: (rows, columns)}`` of every image that the tables know; None for the size is the challenge's 1024.
    wanted : collection of str, optional
        The ids that the file has to have; all known ones by default. Rows of others that are known are read, too.
    partial : bool, default False
        Let wanted ids be missing.

    Returns
    -------
    submission : Submission

    Raises
    ------
    TableError
        If anything is wrong: the first ten faults with their lines, and how many there are.

    Notes
    -----
    A box may stand out of its film by up to a pixel, since writers round; it is taken as it is. What stands out
    further belongs to another size of film, and every overlap would be wrong.

    Examples
    --------
    >>> read_submission("nowhere.csv", {})
    Traceback (most recent call last):
    ...
    mini_rcnn.data.errors.TableError: nowhere.csv: cannot be read: No such file or directory.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror}.") from error
    found, faults = parse(content, known)
    wanted = known if wanted is None else wanted
    missing = tuple(name for name in wanted if name not in found)
    if missing and not partial and (found or not faults):  # of what could not be read nothing is missing
        faults.append(missing_fault(missing, len(wanted)))
    if faults:
        raise TableError(faults_text(path, faults))
    return Submission({name: boxes for name, (_, *boxes) in found.items()}, missing)


def missing_fault(missing, n_wanted):
    """Return the fault of a file that lacks images."""
    names = ", ".join(missing[:3]) + (" and others" if len(missing) > 3 else "")
    return Fault(
        None,
        f"{len(missing):,} of {n_wanted:,} images have no line: {names}. An image on which nothing was found has a "
        "line, too. If only a part was meant to be looked at, say --partial: the rest is then left out.",
    )


def faults_text(path, faults):
    """Return the text of an error about faults: the first ten, and how many there are."""
    quoted = "".join(f"\n  {fault}" for fault in faults[:QUOTED])
    more = f"\n  ... and {len(faults) - QUOTED:,} more" if len(faults) > QUOTED else ""
    return (
        f"{path}: {len(faults):,} fault{'s' * (len(faults) > 1)}{quoted}{more}\n"
        f"Wanted: the header {','.join(COLUMNS)}, then a line an image with {' '.join(VALUES)} of each box."
    )


def parse(content, known):
    """Return ``{id: (line, boxes, scores)}`` of the rows that can be read, and a list of faults.

    Parameters
    ----------
    content : bytes
        Of the file.
    known : dict
        ``{id: (rows, columns) or None}``.
    """
    if not content.strip():
        return {}, [Fault(None, "the file is empty")]
    foreign = foreign_text(content)
    if foreign:
        return {}, [Fault(1, foreign)]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return {}, [Fault(line, "is not UTF-8 text; save the table as 'CSV UTF-8'")]
    found, faults, line = {}, [], 1
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader)]
        if tuple(header) != COLUMNS:
            return {}, [Fault(1, foreign_header(header, COLUMNS))]
        line = reader.line_num + 1
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                take_row(cells, line, known, found, faults)
            line = reader.line_num + 1  # a quoted cell may hold line ends, so a row begins behind the one before
    except csv.Error as error:
        faults.append(Fault(line, f"is not CSV: {error}"))
    return found, faults


def take_row(cells, line, known, found, faults):
    """Put a row into ``found``, or what is wrong with it into ``faults``."""
    if len(cells) != len(COLUMNS):
        why = "; are the numbers parted by commas? Blanks part them" if len(cells) > 5 else ""
        faults.append(
            Fault(line, f"has {len(cells)} cell{'s' * (len(cells) > 1)} where the header has {len(COLUMNS)}{why}")
        )
        return
    name, text = cells[0].strip(), cells[1]
    if name not in known:
        faults.append(Fault(line, f"image {shown(name)} is not in the tables"))
    elif name in found:
        faults.append(Fault(line, f"image {shown(name)} stands in line {found[name][0]} already"))
    values, wrong = numbers_of(text)
    faults += [Fault(line, each) for each in wrong]
    if values is None:
        found.setdefault(name, (line, np.zeros((0, 4)), np.zeros(0)))
        return
    size = known.get(name) or (IMAGE_SIZE, IMAGE_SIZE)
    faults += [
        Fault(line, f"box {place}: {each}") for place, row in enumerate(values, 1) for each in box_faults(row, size)
    ]
    rows = np.array(values, dtype=np.float64).reshape(-1, 5)
    boxes = np.concatenate([rows[:, [2, 1]], rows[:, [2, 1]] + rows[:, [4, 3]]], axis=1)
    found.setdefault(name, (line, boxes, rows[:, 0]))


def numbers_of(text):
    """Return the rows of five numbers that a prediction string holds, None where it does not, and what is wrong.

    >>> numbers_of("0.5 1 2 3 4"), numbers_of(" "), numbers_of("0.5 1 2 3")
    (([[0.5, 1.0, 2.0, 3.0, 4.0]], []), ([], []), (None, ['has 4 values, which is no multiple of 5']))
    """
    parts, values, wrong = text.split(), [], []
    for place, part in enumerate(parts):
        try:
            if "_" in part:  # Python takes 1_000 for a number, a table does not
                raise ValueError
            values.append(float(part))
        except ValueError:
            wrong.append(f"value {place + 1} ({VALUES[place % 5]}) must be a number, got {shown(part)}")
    if len(parts) % 5:
        wrong.append(f"has {len(parts)} values, which is no multiple of 5")
    if wrong:
        return None, wrong
    return [values[first : first + 5] for first in range(0, len(values), 5)], []


def box_faults(row, size):
    """Return what is wrong with one box ``(confidence, x, y, width, height)`` on a film of (rows, columns).

    >>> box_faults((0.5, 10, 20, 30, 40), (1024, 1024)), box_faults((97, 10, 20, 0, 40), (1024, 1024))
    ([], ['confidence must lie in [0, 1], got 97', 'width must be more than 0, got 0'])
    """
    score, x, y, width, height = row
    wrong = [f"{name} must be finite, got {value}" for name, value in zip(VALUES, row) if not math.isfinite(value)]
    if wrong:
        return wrong
    if not 0 <= score <= 1:
        wrong.append(f"confidence must lie in [0, 1], got {score:g}")
    wrong += [f"{n} must be more than 0, got {v:g}" for n, v in (("width", width), ("height", height)) if v <= 0]
    if min(x, y) < -SLACK or x + width > size[1] + SLACK or y + height > size[0] + SLACK:
        wrong.append(
            f"leaves the film: x {x:g} to {x + width:g}, y {y:g} to {y + height:g}, the film has {size[1]} x {size[0]}"
        )
    return wrong
