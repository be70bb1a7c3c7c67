"""Matterport configurations in a Python file, and how the file trains: read from its text, never run."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from .evaluate import NotReadError, value_of
from .findings import LintError
from .matterport_keys import COMPUTED, KEYS
from .source_calls import Script, read_script
from .source_guard import read_tree

BASE = "Config"  # Matterport's, however it was imported


@dataclass(frozen=True)
class ClassSource:
    """What a class says of its settings."""

    name: str
    line: int
    given: dict = field(default_factory=dict)  # by key, what could be worked out, its base classes' included
    lines: dict = field(default_factory=dict)  # by key
    unread: dict = field(default_factory=dict)  # by key: why a value could not be worked out
    base: str = BASE  # the last base class, as far as the file shows


@dataclass(frozen=True)
class Source:
    """A Python file: its configurations, in the order of the file, and its training."""

    classes: tuple
    script: Script


def read_source(path):
    """Return the configurations of a Python file and how it trains.

    Parameters
    ----------
    path : path

    Returns
    -------
    source : Source

    Raises
    ------
    LintError
        If the file cannot be read, see `read_tree`, or holds no class that is made from a ``...Config``.
    """
    tree = read_tree(path)
    names, classes = {}, {}
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            made = class_of(statement, names, classes)
            if made is not None:
                classes[statement.name] = made
                names[statement.name] = known_settings(made, computed=False)
        elif not instance_of(statement, names, classes):
            assign(statement, names)
    if not classes:
        raise LintError(f"{path}: holds no class made from Matterport's Config, such as `class MyConfig(Config):`.")
    return Source(tuple(classes.values()), read_script(tree, names))


def class_of(statement, names, classes):
    """Return a class statement as `ClassSource`, or None for one that is no configuration."""
    bases = [getattr(base, "attr", getattr(base, "id", "")) for base in statement.bases]
    parents = [classes[base] for base in bases if base in classes]
    outer = [base for base in bases if base not in classes and base.endswith(BASE)]
    if not parents and not outer:
        return None
    given, lines, unread = {}, {}, {}
    for parent in reversed(parents):
        given.update(parent.given)
        lines.update(parent.lines)
        unread.update(parent.unread)
    scope = dict(names)
    for inner in statement.body:
        for name in assign(inner, scope):
            given.pop(name, None)
            unread.pop(name, None)
            lines[name] = inner.lineno
            if isinstance(scope[name], NotReadError):
                unread[name] = str(scope[name])
            else:
                given[name] = scope[name]
    base = parents[0].base if parents else outer[0]
    return ClassSource(statement.name, statement.lineno, given, lines, unread, base)


def assign(statement, names):
    """Give names the values of a statement, and return which names; those it hides are given a `NotReadError`."""
    if isinstance(statement, ast.Assign) or isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        value = worked_out(statement.value, names)
    elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        left = ast.copy_location(ast.Name(statement.target.id, ast.Load()), statement)
        targets, value = [statement.target], worked_out(ast.BinOp(left, statement.op, statement.value), names)
    else:
        inside = NotReadError(f"it is set inside a block, line {statement.lineno}")
        return hide(statement, names, inside)
    changed = []
    for target in targets:
        if isinstance(target, ast.Name):
            names[target.id] = value
            changed.append(target.id)
        elif isinstance(target, (ast.Tuple, ast.List)):
            changed += unpack(target.elts, value, names)
    return changed


def unpack(targets, value, names):
    """Give the names of ``a, b = ...`` their values, and return which names."""
    plain = all(isinstance(target, ast.Name) for target in targets)
    fits = plain and isinstance(value, (tuple, list)) and len(value) == len(targets)
    values = value if fits else [NotReadError("it is unpacked from something")] * len(targets)
    found = [(target.id, one) for target, one in zip(targets, values) if isinstance(target, ast.Name)]
    names.update(found)
    return [name for name, _ in found]


def hide(statement, names, reason):
    """Mark every name that a block may set as unknown, and return which."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
        return []
    nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    names.update({node.id: reason for node in nodes})
    return [node.id for node in nodes]


def worked_out(node, names):
    """Return an expression's value, or the `NotReadError` that says why there is none."""
    try:
        return value_of(node, names)
    except (NotReadError, RecursionError) as error:
        return error if isinstance(error, NotReadError) else NotReadError("it is nested too deep")


def instance_of(statement, names, classes):
    """Take note of ``config = MyConfig()``: from then on ``config.KEY`` is known. Return whether it is one."""
    value = getattr(statement, "value", None)
    if not (isinstance(statement, ast.Assign) and isinstance(value, ast.Call) and isinstance(value.func, ast.Name)):
        return False
    if value.func.id not in classes or value.args or value.keywords:
        return False
    for target in statement.targets:
        if isinstance(target, ast.Name):
            names[target.id] = known_settings(classes[value.func.id], computed=True)
    return True


def known_settings(source, *, computed):
    """Return the settings of a class with Matterport's defaults, and of an instance what ``__init__`` works out."""
    settings = {name: key.default for name, key in KEYS.items()} if source.base == BASE else {}
    settings.update(source.given)
    settings.update({name: NotReadError(why) for name, why in source.unread.items()})
    if computed:
        for name in COMPUTED:
            settings.pop(name, None)
        parts = [settings.get("IMAGES_PER_GPU"), settings.get("GPU_COUNT")]
        if all(isinstance(part, int) for part in parts):
            settings["BATCH_SIZE"] = parts[0] * parts[1]
    return settings
