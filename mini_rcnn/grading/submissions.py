"""The notebooks of a folder: found, read, and whose they are."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from mini_rcnn.data.errors import DataError

MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<rest>.*)$")
CANVAS = re.compile(r"^(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<rest>.+)$")
AGAIN = re.compile(r"\s*(\(\d+\)|[-_ ](copy|Copy|복사본)\d*|-\d+)$")  # a second file of the same name
LEFT_OUT = {".ipynb_checkpoints", "__MACOSX"}
LARGEST = 200 << 20  # bytes of a notebook's file


class NotebookError(DataError):
    """A file that is no notebook, or none that can be read."""


class Cell(NamedTuple):
    """A code cell of a submission."""

    number: int  # among all cells, from 1, as a person counts them
    id: str
    exercise: str  # what its metadata says, "" for nothing
    text: str


class Notebook(NamedTuple):
    """The code cells of a submission."""

    path: Path
    cells: tuple


class Submission(NamedTuple):
    """A file that somebody handed in."""

    path: Path
    file: str  # below the folder
    student: str
    id: str  # the number that Moodle or Canvas gave, "" where there is none
    system: str  # "moodle", "canvas" or ""


def find_submissions(folder, stems=()):
    """Return the `Submission` of every notebook below a folder, by name.

    Parameters
    ----------
    folder : path
    stems : sequence of str
        Names of the labs' files, which are no part of a student's name.

    Raises
    ------
    NotebookError
        If there is no such folder, or no notebook in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotebookError(f"{folder}: there is no such folder. Name the one that the notebooks were unpacked into.")
    found = []
    for here, folders, files in os.walk(str(folder)):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        names = [name for name in sorted(files) if name.lower().endswith(".ipynb") and not name.startswith("._")]
        found += [submission_of(Path(here, name), folder, stems) for name in names]
    if not found:
        raise NotebookError(f"{folder}: there is no notebook (*.ipynb) in it.")
    return sorted(found, key=lambda one: (one.student.lower(), one.file))


def submission_of(path, folder, stems=()):
    """Return the `Submission` of a path: whose it is, its folders and its name say."""
    below = path.relative_to(folder)
    parts = [readable(part) for part in below.parts]
    for part in parts:
        match = MOODLE.match(part)
        if match:
            return Submission(path, "/".join(parts), match.group("name").strip(), match.group("id"), "moodle")
    match = CANVAS.match(parts[-1])
    if match:
        return Submission(path, "/".join(parts), match.group("name").strip(), match.group("id"), "canvas")
    student = parts[0] if len(parts) > 1 else own_name(parts[0][: -len(".ipynb")], stems)
    return Submission(path, "/".join(parts), student, "", "")


def readable(name):
    """Return the name of a file as text: macOS takes Korean letters apart, a zip from Windows may hold CP949."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # bytes that are no UTF-8, as Python keeps them
        held = os.fsencode(name)
        try:
            name = held.decode("cp949")
        except UnicodeDecodeError:
            name = held.decode("utf-8", "replace")
    return unicodedata.normalize("NFC", name)


def own_name(stem, stems):
    """Return what is left of a file's name without the lab's.

    >>> own_name("03_two_stage_nms_kim (1)", ["03_two_stage_nms"])
    'kim'
    >>> own_name("03_two_stage_nms", ["03_two_stage_nms"])
    '03_two_stage_nms'
    """
    left = AGAIN.sub("", stem)
    for known in stems:
        left = left.replace(known, " ")
    left = " ".join(AGAIN.sub("", left).split()).strip(" _-")
    return left or stem


def read_notebook(path):
    """Return the `Notebook` of a file, of nbformat 3 or 4.

    Raises
    ------
    NotebookError
        If it cannot be read, with why.
    """
    path = Path(path)
    try:
        if path.is_symlink() or not path.is_file():
            raise NotebookError("it is no plain file")
        if path.stat().st_size > LARGEST:
            raise NotebookError(f"it is larger than {LARGEST >> 20} MB")
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise NotebookError(f"it cannot be opened: {error.strerror}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise NotebookError("it is no text that Jupyter wrote") from error
    except ValueError as error:
        if isinstance(error, NotebookError):
            raise
        raise NotebookError("it is empty" if path.stat().st_size == 0 else f"it is no JSON: {error}") from error
    return Notebook(path, tuple(code_cells(content)))


def code_cells(content):
    """Return the code cells of a notebook's JSON."""
    if not isinstance(content, dict):
        raise NotebookError("it is JSON, but no notebook")
    if "worksheets" in content:  # nbformat 3
        sheets = content["worksheets"] if isinstance(content["worksheets"], list) else []
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or []]
    else:
        cells = content.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise NotebookError("it is JSON, but no notebook")
    made = []
    for number, cell in enumerate(cells, 1):
        if cell.get("cell_type") != "code":
            continue
        text = cell.get("source", cell.get("input", ""))
        text = "".join(text) if isinstance(text, list) and all(isinstance(line, str) for line in text) else text
        if not isinstance(text, str):
            raise NotebookError(f"its cell {number} holds no text")
        metadata = cell.get("metadata")
        exercise = metadata.get("exercise", "") if isinstance(metadata, dict) else ""
        made.append(Cell(number, str(cell.get("id", "")), str(exercise), text))
    return made
