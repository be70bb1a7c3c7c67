"""RSNA's pneumonia challenge as records: one an image, with its film, boxes, class and patient.

The same folder layout holds the challenge itself, a part of it, its tables alone, and phantoms. RSNA's ``patientId``
is an image's id: each image has its own, and the person behind it stands in a table of its own (see `load_records`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .contradictions import CLASSES, OPACITY, Contradiction, by_image, contradictions_of
from .errors import TableError
from .rsna_tables import CLASS_INFO, LABELS, read_tables

__all__ = [
    "CLASSES", "CLASS_INFO", "FULL", "IMAGE_SIZE", "LABELS", "OPACITY", "Contradiction", "Counts", "Record",
    "contradictions_text", "counts", "find_contradictions", "load_records",
]  # fmt: skip

IMAGE_SIZE = 1024  # pixels, both sides of every film of the challenge
QUOTED = 10  # contradictions that an error quotes


@dataclass(frozen=True, eq=False)
class Record:
    """One image: what the tables say of it, and where its film lies."""

    id: str  # RSNA's patientId, which is an image's
    path: Path | None  # None where the film is absent
    boxes: np.ndarray  # (N, 4) float64, (y1, x1, y2, x2) in pixels of the original, in the order of the label rows
    class_name: str  # one of CLASSES
    patient: str  # who it is: NIH's number, or the image's own id where unknown

    def __eq__(self, other):
        return isinstance(other, Record) and self._values() == other._values()

    def __hash__(self):
        return hash(self.id)

    def _values(self):
        return self.id, self.path, self.boxes.tolist(), self.class_name, self.patient

    @property
    def n_rows(self):
        """How many rows the image has in the labels table: one a box, and one where there is no box."""
        return max(1, len(self.boxes))


@dataclass(frozen=True)
class Counts:
    """How many of everything, images and rows told apart."""

    images: int
    rows: int  # of the labels table: one a box, and one for each image without
    boxes: int
    positive_images: int  # with at least one box
    patients: int  # an image whose patient is unknown counts as one
    unknown_patients: int  # images whose patient is unknown
    films: int  # that are there
    images_by_class: dict
    rows_by_class: dict
    images_by_boxes: dict  # number of boxes -> images that have so many
    images_by_rows: dict  # number of rows -> images that have so many: an image without a box has one row, too


# The whole challenge, stage 2. Patients: 11,410 by NIH's mapping, and 98 images without one.
FULL = Counts(
    images=26684,
    rows=30227,
    boxes=9555,
    positive_images=6012,
    patients=11508,
    unknown_patients=98,
    films=26684,
    images_by_class={"Normal": 8851, "No Lung Opacity / Not Normal": 11821, "Lung Opacity": 6012},
    rows_by_class={"Normal": 8851, "No Lung Opacity / Not Normal": 11821, "Lung Opacity": 9555},
    images_by_boxes={0: 20672, 1: 2614, 2: 3266, 3: 119, 4: 13},
    images_by_rows={1: 23286, 2: 3266, 3: 119, 4: 13},
)


def boxes_of(rows):
    """Return the boxes of label rows as corners.

    Parameters
    ----------
    rows : sequence of LabelRow
        Rows of ``stage_2_train_labels.csv``. ``row.box`` is ``(x, y, width, height)`` in pixels of the film: the
        corner at the upper left, then the sides. It is None in a row that says "no box".

    Returns
    -------
    boxes : ndarray of shape (N, 4), float64
        ``(y1, x1, y2, x2)`` in pixels of the film, in the order of the rows. A row without a box gives none, so N is
        at most the number of rows; no box at all is an array of shape (0, 4). (Nobody can write to the library's.)

    Notes
    -----
    ``y1 = y``, ``x1 = x``, ``y2 = y + height``, ``x2 = x + width``: continuous coordinates, no ``- 1``. The table
    begins with x as a drawing does, the lab's boxes begin with y as an array's axes do.

    Examples
    --------
    >>> from mini_rcnn.data.rsna_tables import LabelRow
    >>> rows = [LabelRow(2, "a", (264.0, 152.0, 213.0, 379.0), 1.0), LabelRow(3, "b", None, 0.0)]
    >>> boxes_of(rows).tolist()
    [[152.0, 264.0, 531.0, 477.0]]
    """
    boxes = np.array([(y, x, y + height, x + width) for x, y, width, height in (row.box for row in rows if row.box)])
    boxes = boxes.reshape(-1, 4).astype(np.float64)
    boxes.setflags(write=False)
    return boxes


def images_by_boxes(image_ids, has_box):
    """Return how many images have no box, one box, two boxes and so on, from the rows of a table of boxes.

    Parameters
    ----------
    image_ids : ndarray of shape (R,), str
        The image that each row is about. An image with three boxes has three rows, one without a box has one; the
        rows of an image need not stand together.
    has_box : ndarray of shape (R,), bool
        Whether the row holds a box (RSNA's column ``Target``).

    Returns
    -------
    images : ndarray of shape (most + 1,), int64
        ``images[k]`` is the number of images that have ``k`` boxes, up to the most that any image has. Empty where
        there are no rows.

    Notes
    -----
    Counting twice: boxes for each image, then images for each number of boxes. ``np.unique(..., return_inverse=True)``
    numbers the images, ``np.bincount`` counts, or adds up what its ``weights`` say.

    The usual ``labels.patientId.value_counts().value_counts()`` counts *rows* for each image instead, and so finds
    every image without a box among those with one: 23,286 instead of 2,614 in the whole challenge.

    Examples
    --------
    >>> images_by_boxes(np.array(["a", "b", "a", "c"]), np.array([True, False, True, True])).tolist()
    [1, 1, 1]
    """
    names, image_of_row = np.unique(image_ids, return_inverse=True)
    n_boxes = np.bincount(image_of_row, weights=has_box, minlength=len(names))
    return np.bincount(n_boxes.astype(np.int64))


def records_of(tables, left_out):
    """Return the records of tables, without the images in ``left_out``."""
    classes = {row.image_id: row.class_name for row in tables.classes}
    patients = {row.image_id: row.patient for row in tables.patients if row.patient is not None}
    return [
        Record(
            image_id, tables.films.get(image_id), boxes_of(rows), classes[image_id], patients.get(image_id, image_id)
        )
        for image_id, rows in by_image(tables.labels).items()
        if image_id not in left_out
    ]


def contradictions_text(folder, found):
    """Return the text of an error about contradictions: the first ten, and how many there are."""
    quoted = "".join(f"\n  {one}" for one in found[:QUOTED])
    more = f"\n  ... and {len(found) - QUOTED} more" if len(found) > QUOTED else ""
    return (
        f"{folder}: {len(found)} contradiction{'s' * (len(found) > 1)} in the tables{quoted}{more}\n"
        f"`python3 lab.py data check {folder}` lists them. Get the tables again, or mend the lines named."
    )


def load_records(folder, *, strict=True, image_size=IMAGE_SIZE, sizes=None):
    """Return one record for each image of a folder in Kaggle's layout.

    Parameters
    ----------
    folder : str or Path
        With ``stage_2_train_labels.csv`` and ``stage_2_detailed_class_info.csv``. The films in
        ``stage_2_train_images`` may be there, in part or not at all: an absent one has the path None, and
        `counts` says how many are there.
    strict : bool, default True
        With False the images that a contradiction names are left out instead, whatever the kind; who asks for that
        counts them with `find_contradictions` and says so.
    image_size : int, default 1024
        Pixels, both sides, for finding boxes outside the image.
    sizes : dict, optional
        ``{id: (rows, columns)}`` of images that have another size.

    Returns
    -------
    list of Record
        In the order of first appearance in the labels table.

    Raises
    ------
    TableError
        If a table is missing or cannot be read, or, with ``strict``, if there are contradictions; the first ten are
        quoted with their lines.

    Notes
    -----
    The patient comes from ``nih_patients.csv`` (``patientId, nih_patient``) or else ``rsna_to_nih.csv``
    (``patientId, nih_image, nih_patient, match_mse``), where a match counts if its mean squared error is below 10:
    26,586 of the 26,684 lie below 7.2 and the other 98 above 73, so those show somebody else's film. An image without a
    match is its own patient, its id the patient's name. To take a wrong patient for granted would move people about;
    to put all unknown ones together would make a patient of 98 strangers. What remains is that one of these few may
    share a patient with another image and nobody can tell.

    Examples
    --------
    >>> load_records("nowhere")
    Traceback (most recent call last):
    ...
    mini_rcnn.data.errors.TableError: ...stage_2_train_labels.csv: is not there...
    """
    tables = read_tables(folder)
    found = contradictions_of(tables, image_size=image_size, sizes=sizes)
    if strict and found:
        raise TableError(contradictions_text(folder, found))
    return records_of(tables, {one.image_id for one in found})


def find_contradictions(folder, *, image_size=IMAGE_SIZE, sizes=None):
    """Return every contradiction in a folder's tables, by file and line.

    Parameters
    ----------
    folder : str or Path
    image_size : int, default 1024
        Pixels, both sides, of every film that ``sizes`` does not name.
    sizes : dict, optional
        ``{id: (rows, columns)}``, such as the films' headers give them.

    Returns
    -------
    list of Contradiction
        ``(file, line, image_id, kind, text)``; the kinds are `mini_rcnn.data.contradictions.KINDS`.

    Raises
    ------
    TableError
        If a table is missing or cannot be read at all: a column missing, a cell that is no number, an id that
        cannot name a file.
    """
    return contradictions_of(read_tables(folder), image_size=image_size, sizes=sizes)


def counts(records):
    """Return how many images, rows, boxes, patients and films there are.

    Parameters
    ----------
    records : sequence of Record

    Returns
    -------
    Counts
        For the whole challenge equal to `FULL`, but for the films and patients that are not there.

    Notes
    -----
    ``images_by_rows`` is what the usual ``labels.patientId.value_counts().value_counts()`` gives. For the challenge
    it begins with ``1: 23286``; of these images 20,672 have no box and 2,614 have one.

    Examples
    --------
    >>> box = [100.0, 100.0, 300.0, 200.0]
    >>> counts([
    ...     Record("a", None, np.array([box, box]) + [[0], [400]], "Lung Opacity", "7"),
    ...     Record("b", None, np.zeros((0, 4)), "Normal", "7"),
    ... ]).images_by_rows
    {1: 1, 2: 1}
    """
    by_class = Counter(record.class_name for record in records)
    rows_by_class = Counter()
    for record in records:
        rows_by_class[record.class_name] += record.n_rows
    return Counts(
        images=len(records),
        rows=sum(rows_by_class.values()),
        boxes=sum(len(record.boxes) for record in records),
        positive_images=sum(len(record.boxes) > 0 for record in records),
        patients=len({record.patient for record in records}),
        unknown_patients=sum(record.patient == record.id for record in records),
        films=sum(record.path is not None for record in records),
        images_by_class={name: by_class[name] for name in CLASSES},
        rows_by_class={name: rows_by_class[name] for name in CLASSES},
        images_by_boxes=dict(sorted(Counter(len(record.boxes) for record in records).items())),
        images_by_rows=dict(sorted(Counter(record.n_rows for record in records).items())),
    )
