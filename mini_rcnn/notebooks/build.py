"""Cells to a notebook: for the student, with the exercises to write, and solved."""

from __future__ import annotations

import json

from .source import LabError, exercise_texts

LONGEST = 10  # lines of a code cell, exercises apart
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook_of(cells, *, solved, name):
    """Return a notebook, not executed, as a dict in nbformat 4.5.

    Parameters
    ----------
    cells : list of Cell
    solved : bool
        Whether the exercise cells hold the library's functions, or their signatures and docstrings.
    name : str
        Of the source, for what an error says.

    Raises
    ------
    LabError
        If a code cell is too long, or an exercise names no function.
    """
    made = []
    for cell in cells:
        if cell.kind == "markdown":
            text = cell.text.replace("](../", "](../../") if solved else cell.text  # solutions lie one folder deeper
            made.append({"cell_type": "markdown", "id": cell.id, "metadata": {}, "source": lines_of(text)})
            continue
        text = exercise_texts(cell.text)[solved] if cell.kind == "exercise" else cell.text
        if cell.kind == "code" and len(text.splitlines()) > LONGEST:
            raise LabError(f"{name}: cell {cell.id!r} has {len(text.splitlines())} lines, {LONGEST} at most")
        metadata = {"exercise": cell.text} if cell.kind == "exercise" else {}
        made.append(
            {
                "cell_type": "code",
                "execution_count": None,
                "id": cell.id,
                "metadata": metadata,
                "outputs": [],
                "source": lines_of(text),
            }
        )
    return {"cells": made, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def lines_of(text):
    """Return a text as a notebook keeps it: a list of lines with their ends."""
    return text.splitlines(keepends=True)


def sources_of(notebook):
    """Return ``(id, kind, text)`` of each cell of a notebook: what has to agree with the source."""
    return [(cell["id"], cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]


def text_of(notebook):
    """Return a notebook as the text of its file: the same notebook gives the same bytes."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
