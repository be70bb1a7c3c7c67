"""A lab's source, a script in percent format, as cells."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import NamedTuple

from mini_rcnn.data.errors import DataError

HEAD = re.compile(r"^# %%(.*)$", re.MULTILINE)
OPTION = re.compile(r'(\w+)="([^"]*)"')
KNOWN = {"id", "exercise"}
ID = re.compile(r"[a-z0-9-]{1,64}$")


class LabError(DataError):
    """A source of a lab that cannot become a notebook."""


class Cell(NamedTuple):
    """One cell of a source."""

    id: str
    kind: str  # "markdown", "code" or "exercise"
    text: str  # of an exercise: "module:function"


def read_source(path):
    """Return the cells of a lab's source.

    Raises
    ------
    LabError
        If a cell has no id, an id stands twice, or an option is unknown; with the file and the cell.
    """
    return parse(Path(path).read_text(encoding="utf-8"), str(path))


def parse(text, name):
    """Return the cells of a source's text; ``name`` is for what an error says."""
    heads = list(HEAD.finditer(text))
    if not heads or text[: heads[0].start()].strip():
        raise LabError(f"{name}: a source begins with a cell, '# %% [markdown] id=\"title\"'")
    ends = [head.start() for head in heads[1:]] + [len(text)]
    cells = [cell_of(head.group(1), text[head.end() : end].strip("\n"), name) for head, end in zip(heads, ends)]
    ids = [cell.id for cell in cells]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise LabError(f"{name}: ids of cells must differ, got {', '.join(twice)} twice")
    return cells


def cell_of(head, body, name):
    """Return the cell of a head, what stands behind ``# %%``, and a body."""
    options = dict(OPTION.findall(head))
    rest = OPTION.sub("", head).strip()
    if rest not in ("", "[markdown]") or set(options) - KNOWN or not ID.match(options.get("id", "")):
        raise LabError(f"{name}: '# %%{head}' must be [markdown] or nothing, and id=\"letters-and-digits\"")
    if "exercise" in options:
        if body.strip():
            raise LabError(f"{name}: the exercise {options['id']!r} is filled from the library: leave it empty")
        return Cell(options["id"], "exercise", options["exercise"])
    if rest:
        body = re.sub(r"^# ?", "", body, flags=re.MULTILINE)
    return Cell(options["id"], "markdown" if rest else "code", body)


def exercise_texts(target):
    """Return the source of a library function twice: to be written, and whole.

    Parameters
    ----------
    target : str
        "mini_rcnn.stages.boxes:box_iou".

    Returns
    -------
    empty : str
        Signature and docstring, then ``raise NotImplementedError``.
    solved : str

    Raises
    ------
    LabError
        If there is no such function.
    """
    module, _, name = target.partition(":")
    found = importlib.util.find_spec(module) if name else None
    source = Path(found.origin).read_text(encoding="utf-8") if found else ""
    siblings = ast.parse(source).body
    nodes = [node for node in siblings if isinstance(node, ast.FunctionDef) and node.name == name]
    if not nodes or not ast.get_docstring(nodes[0]) or len(nodes[0].body) < 2:
        raise LabError(f"{target}: there is no such function with a docstring and a body")
    lines, node = source.splitlines(), nodes[0]
    first = min([node.lineno] + [decorator.lineno for decorator in node.decorator_list])
    docstring_ends = next(place for place in range(node.body[1].lineno - 1, 0, -1) if '"""' in lines[place - 1])
    head = "\n".join(lines[first - 1 : docstring_ends])
    whole = "\n".join(lines[first - 1 : last_line(node, siblings, lines)])
    return f'{head}\n    raise NotImplementedError("write me")', whole


def last_line(node, siblings, lines):
    """Return the last line of a function, numbered from 1; Python 3.7 does not say it."""
    after = [other for other in siblings if other.lineno > node.lineno]
    if not after:
        return len(lines)
    following = after[0]
    decorators = [decorator.lineno for decorator in getattr(following, "decorator_list", [])]
    end = min([following.lineno] + decorators) - 1
    while end and (not lines[end - 1].strip() or not lines[end - 1].startswith((" ", "\t"))):
        end -= 1
    return end
