"""RSNA's CSV files as rows with their line numbers: what can be read is read, what cannot is named by file and line."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import NamedTuple

from .errors import TableError

LABELS = "stage_2_train_labels.csv"
CLASS_INFO = "stage_2_detailed_class_info.csv"
FILMS = "stage_2_train_images"
PATIENTS = "nih_patients.csv"
MAPPING = "rsna_to_nih.csv"
TRUSTED_MSE = 10.0  # grey levels squared; of the 26,684 images, 26,586 lie below 7.2 and the other 98 above 73
# What is safe as a file's name on every system: no separators, no drive, no leading dot, no name of a Windows device.
SAFE_ID = re.compile(r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z))[a-z0-9][a-z0-9._-]{0,199}\Z", re.IGNORECASE)


class LabelRow(NamedTuple):
    """One row of the labels: one box, or an image without one."""

    line: int  # as an editor shows it
    image_id: str
    box: tuple | None  # (x, y, width, height) in pixels; NaN for an empty cell; None where all four are empty
    target: float


class ClassRow(NamedTuple):
    """One row of the detailed class info."""

    line: int
    image_id: str
    class_name: str


class PatientRow(NamedTuple):
    """One row of a table of patients."""

    line: int
    image_id: str
    patient: str | None  # None where the match is not to be trusted


class Tables(NamedTuple):
    """Everything a folder's tables say, and which films lie in it."""

    folder: Path
    labels: list  # of LabelRow
    classes: list  # of ClassRow
    patients: list  # of PatientRow
    patients_file: str | None
    films: dict  # id -> Path


def shown(value):
    """Return a value of a table for an error's text: quoted, and not longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def table_rows(reader, path, columns):
    """Yield ``(line, values in the order of columns)`` of a CSV reader; see `read_table`."""
    names = [cell.strip() for cell in next(reader, [])]
    missing = [name for name in columns if names.count(name) != 1]
    if missing:
        raise TableError(
            f"{path}, line 1: needs each of the columns {', '.join(columns)} once; "
            f"{', '.join(missing)} is missing or there twice, got {shown(names)}. Get the file again."
        )
    places = [names.index(name) for name in columns]
    line = reader.line_num + 1
    for cells in reader:
        if cells and (len(cells) > 1 or cells[0].strip()):
            if len(cells) != len(names):
                raise TableError(f"{path}, line {line}: has {len(cells)} cells where the header has {len(names)}")
            yield line, [cells[place].strip() for place in places]
        line = reader.line_num + 1  # a quoted cell may hold line ends, so a row begins behind the one before


def read_table(path, columns):
    """Yield the rows of a CSV file.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        Wanted ones, in the order wanted; the file's own order is free and it may have others.

    Yields
    ------
    line : int
        Where the row begins, as an editor shows it. Blank lines are passed over.
    values : list of str
        Without the blanks around them.

    Raises
    ------
    TableError
        If the file is missing, is not UTF-8 text (with or without a byte order mark), lacks a column, has a row of
        another length than its header, or a quote that never ends.
    """
    try:
        with open(str(path), newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            try:
                yield from table_rows(reader, path, columns)
            except csv.Error as error:
                raise TableError(f"{path}, line {reader.line_num}: is not CSV: {error}. Get the file again.") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: is not UTF-8 text. Get it again, or save it as 'CSV UTF-8'.") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror}.") from error


def number(text, path, line, column):
    """Return a cell's number, which may be NaN or infinite."""
    try:
        if "_" in text:  # Python takes 1_000 for a number, a table does not
            raise ValueError
        return float(text)
    except ValueError:
        raise TableError(f"{path}, line {line}, column {column}: must be a number, got {shown(text)}") from None


def checked_id(text, path, line):
    """Return an image's id, which is a file's name elsewhere and so must not lead out of its folder."""
    if not SAFE_ID.match(text):
        raise TableError(
            f"{path}, line {line}, column patientId: must be letters, digits, '-', '_' and '.' only, begin with a "
            f"letter or digit and be no device's name, since it names a file; got {shown(text)}"
        )
    return text


def read_labels(path):
    """Return the rows of the labels table; see `read_table` for what it raises."""
    columns = ("patientId", "x", "y", "width", "height", "Target")
    rows = []
    for line, (image_id, *cells, target) in read_table(path, columns):
        box = None
        if any(cells):
            box = tuple(
                number(cell, path, line, name) if cell else float("nan") for name, cell in zip(columns[1:], cells)
            )
        rows.append(LabelRow(line, checked_id(image_id, path, line), box, number(target, path, line, "Target")))
    return rows


def read_classes(path):
    """Return the rows of the detailed class info."""
    rows = read_table(path, ("patientId", "class"))
    return [ClassRow(line, checked_id(image_id, path, line), name) for line, (image_id, name) in rows]


def read_patients(path):
    """Return the rows of a table of patients in either form."""
    mapping = path.name == MAPPING
    rows = []
    for line, (image_id, patient, *mse) in read_table(
        path, ("patientId", "nih_patient") + (("match_mse",) if mapping else ())
    ):
        if not patient:
            raise TableError(f"{path}, line {line}, column nih_patient: must name a patient, got an empty cell")
        trusted = not mapping or number(mse[0], path, line, "match_mse") < TRUSTED_MSE
        rows.append(PatientRow(line, checked_id(image_id, path, line), patient if trusted else None))
    return rows


def list_films(folder):
    """Return ``{id: path}`` of the films in a folder, or {} where there is none; hidden files are the system's own."""
    if not folder.is_dir():
        return {}
    names = [name for name in sorted(os.listdir(str(folder))) if name.endswith(".dcm") and not name.startswith(".")]
    return {name[: -len(".dcm")]: folder / name for name in names}


def read_tables(folder):
    """Return what a folder in Kaggle's layout says.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    Tables

    Raises
    ------
    TableError
        If a table is missing or cannot be read.
    """
    folder = Path(folder)
    for name in (LABELS, CLASS_INFO):
        if not (folder / name).is_file():
            raise TableError(
                f"{folder / name}: is not there. A folder of films needs {LABELS} and {CLASS_INFO}: get the "
                "challenge's with `python3 lab.py data rsna`, or draw films with `python3 lab.py data phantoms`."
            )
    patients_file = next((name for name in (PATIENTS, MAPPING) if (folder / name).is_file()), None)
    return Tables(
        folder,
        read_labels(folder / LABELS),
        read_classes(folder / CLASS_INFO),
        read_patients(folder / patients_file) if patients_file else [],
        patients_file,
        list_films(folder / FILMS),
    )
