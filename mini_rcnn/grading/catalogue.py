"""What the labs are: their cells as handed out, their exercises, and which lab a notebook is."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

from mini_rcnn.exercises import all_exercises
from mini_rcnn.notebooks.source import exercise_texts, read_source

SOURCES = Path(__file__).resolve().parent.parent.parent / "labs" / "src"
CHECK = re.compile(r"""\bcheck\(\s*["']([\w.]+)["']""")


class Lab(NamedTuple):
    """One lab as it was handed out."""

    number: str  # "03"
    stem: str  # of its file: "03_two_stage_nms"
    exercises: dict  # name of the function -> Exercise, in the lab's order
    texts: dict  # text of a code cell as handed out -> "code", "check" or "exercise"
    ids: frozenset  # of its code cells
    solved: dict  # name of the function -> the library's text, as `shape_of`


def plain(text):
    r"""Return a cell's text without what does not matter: spaces at the ends of lines, empty lines around it.

    >>> plain("\n a = 1  \r\nb = 2\n\n")
    ' a = 1\nb = 2'
    """
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip("\n").split("\n")).rstrip()


def shape_of(text, name):
    """Return what a function in a text does, its docstring, comments and layout left out; "" where it is not there."""
    try:
        nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name]
    except (SyntaxError, ValueError):
        return ""
    if not nodes:
        return ""
    body = nodes[-1].body
    return "\n".join(ast.dump(node) for node in (body[1:] if ast.get_docstring(nodes[-1]) else body))


def is_check(text):
    """Return whether a cell does nothing but call ``check``."""
    body = ast.parse(text).body
    calls = [node.value for node in body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return bool(body) and len(calls) == len(body) and all(getattr(call.func, "id", "") == "check" for call in calls)


def read_lab(path):
    """Return the `Lab` of a source."""
    known = {exercise.target: exercise for exercise in all_exercises().values()}
    exercises, texts, ids, solved = {}, {}, set(), {}
    for cell in read_source(path):
        if cell.kind == "markdown":
            continue
        ids.add(cell.id)
        if cell.kind == "code":
            texts[plain(cell.text)] = "check" if is_check(cell.text) else "code"
            continue
        empty, whole = exercise_texts(cell.text)
        texts[plain(empty)] = "exercise"
        if cell.text in known:
            name = cell.text.partition(":")[2]
            exercises[name], solved[name] = known[cell.text], shape_of(whole, name)
    return Lab(path.stem[:2], path.stem, exercises, texts, frozenset(ids), solved)


def all_labs(folder=SOURCES):
    """Return every `Lab`, in order."""
    return [read_lab(path) for path in sorted(Path(folder).glob("[0-9][0-9]_*.py"))]


def lab_of(notebook, labs):
    """Return the `Lab` of which a notebook is a copy, or None.

    What counts, in this order: the exercises named in the cells' metadata, the ids of cells that no other lab has, the
    functions and checks in the code, the name of the file.
    """
    ranked = [(likeness(notebook, lab, labs), place) for place, lab in enumerate(labs)]
    (best, place) = max(ranked, key=lambda pair: (pair[0], -pair[1]), default=((0,), 0))
    return labs[place] if any(best) else None


def likeness(notebook, lab, labs):
    """Return how much a notebook is like a lab, what tells most first."""
    code = "\n".join(cell.text for cell in notebook.cells)
    targets = {exercise.target for exercise in lab.exercises.values()}
    others = frozenset().union(*[other.ids for other in labs if other is not lab])
    named = {exercise.name for exercise in lab.exercises.values()} & set(CHECK.findall(code))
    defined = set(re.findall(r"^\s*def\s+(\w+)", code, re.MULTILINE)) & set(lab.exercises)
    by_name = 2 * (lab.stem in notebook.path.stem) + bool(re.search(rf"(?<!\d){lab.number}(?!\d)", notebook.path.stem))
    return (
        len(targets & {cell.exercise for cell in notebook.cells}),
        len((lab.ids - others) & {cell.id for cell in notebook.cells}),
        len(named) + len(defined),
        by_name,
    )
