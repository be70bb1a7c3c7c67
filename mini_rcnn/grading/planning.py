"""Which cells of a submission have to run, and how: what cannot change an answer is left out."""

from __future__ import annotations

import ast
import builtins
import symtable
from typing import NamedTuple

from .catalogue import plain

# Who uses these may reach any name without naming it: then every cell runs.
REACHES_ALL = {
    "__builtins__", "__import__", "compile", "dir", "eval", "exec", "get_ipython", "globals", "In", "locals", "Out",
    "setattr", "vars", "_", "__", "___",
}  # fmt: skip


class Piece(NamedTuple):
    """What is run at once: a cell, or a part of one."""

    number: int  # of the cell
    text: str
    defining: str  # its imports and definitions alone: what is run where the whole hung or killed the kernel
    is_students: bool  # changed, or added
    names: frozenset  # of exercises' functions that its text defines


def plan(notebook, lab, *, all_cells=False):
    """Return the `Piece` list of a notebook, in order.

    Left out are checks as they were handed out (the grader asks more), and cells as they were handed out that come
    after the last changed one. Of others as they were handed out that bind or use no name that a changed cell uses,
    nor a name that such a cell uses, only imports and definitions run: drawing a figure takes long and answers nothing.

    Parameters
    ----------
    notebook : Notebook
    lab : Lab
    all_cells : bool
        Run every cell, whatever it is.
    """
    kinds = [lab.texts.get(plain(cell.text), "changed" if plain(cell.text) else "empty") for cell in notebook.cells]
    changed = [place for place, kind in enumerate(kinds) if kind == "changed"]
    if all_cells:
        return [piece for cell, kind in zip(notebook.cells, kinds) for piece in pieces(cell, kind, lab, cell.text)]
    whole = needed(notebook.cells, kinds)
    made = []
    for place in range(changed[-1] + 1 if changed else 0):
        cell, kind = notebook.cells[place], kinds[place]
        if kind in ("check", "empty"):
            continue
        text = cell.text if kind != "code" or place in whole else definitions(cell.text)
        if text:
            made += pieces(cell, kind, lab, text)
    return made


def pieces(cell, kind, lab, text):
    """Return the pieces of a cell: one that defines a function and then replaces it by another is cut in between."""
    parts = cut(text, lab.exercises) if kind == "changed" else [text]
    return [
        Piece(cell.number, part, definitions(part), kind == "changed", frozenset(defined(part, lab.exercises)))
        for part in parts
    ]


def parsed(text):
    """Return the statements of a text, None where it is no plain Python (magics, or broken)."""
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defined(text, names):
    """Return which of the names a text says it defines, broken or not."""
    return {name for name in names if f"def {name}(" in text or f"{name} =" in text}


def cut(text, names):
    """Return a text in parts, so that no function of these names is bound twice in one part."""
    body = parsed(text)
    starts, held = [0], set()
    lines = text.split("\n")
    for node in body or []:
        binds = bound_by(node) & set(names)
        if binds & held:
            first = first_line(node) - 1
            if first > starts[-1] and all(first != other.lineno - 1 for other in body if other is not node):
                starts.append(first)
                held = set()
        held |= binds
    return ["\n".join(lines[start:end]) for start, end in zip(starts, starts[1:] + [len(lines)])]


def bound_by(node):
    """Return the names that a statement binds or removes, at its top."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return {
        part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, (ast.Store, ast.Del))
    }


def definitions(text):
    """Return the imports, functions and classes of a text, as text; "" where there are none, or it is broken."""
    body, lines, kept = parsed(text), text.split("\n"), []
    for place, node in enumerate(body or []):
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
            first = first_line(node) - 1
            after = [first_line(other) - 1 for other in body[place + 1 :]]
            kept.append("\n".join(lines[first : max(after[0], first + 1) if after else len(lines)]))
    return plain("\n".join(kept))


def first_line(node):
    """Return the line that a statement begins in, decorators with it, numbered from 1."""
    return min([node.lineno] + [decorator.lineno for decorator in getattr(node, "decorator_list", [])])


def names_in(text):
    """Return ``(bound, used)``: the names a text binds at its top and those it uses of the notebook's.

    None stands for a text that may use any.
    """
    try:
        table = symtable.symtable(text, "cell", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return None
    bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    used, inner = {symbol.get_name() for symbol in table.get_symbols()}, list(table.get_children())
    while inner:
        child = inner.pop()
        used |= {symbol.get_name() for symbol in child.get_symbols() if symbol.is_global()}
        inner += child.get_children()
    return None if used & REACHES_ALL or "__main__" in text else (bound, used)


def needed(cells, kinds):
    """Return the places of the cells as handed out that a changed cell may depend on."""
    about = {place: names_in(cell.text) for place, cell in enumerate(cells)}
    ours = [place for place, kind in enumerate(kinds) if kind == "code"]
    theirs = [about[place] for place, kind in enumerate(kinds) if kind == "changed"]
    if None in theirs:
        return set(ours)
    imported = [imports_in(cells[place].text) for place in ours]
    only_imported = set().union(*[names for names, _ in imported]) - set().union(*[names for _, names in imported])
    only_imported |= set(dir(builtins))  # who only uses a module, or len, does not change it
    wanted = set().union(*[used for _, used in theirs]) - only_imported
    found, before = set(), None
    while found != before:
        before = set(found)
        for place in ours:
            bound, used = about[place] or (wanted, set())
            if place not in found and (bound | used) & wanted:
                found.add(place)
                wanted |= used - only_imported
    return found


def imports_in(text):
    """Return the names that a text imports, and those that it binds in another way."""
    by_import, otherwise = set(), set()
    for node in parsed(text) or []:
        (by_import if isinstance(node, (ast.Import, ast.ImportFrom)) else otherwise).update(bound_by(node))
    return by_import, otherwise
