"""A result, whatever it is made of, as a list of named arrays: what can be compared, and sent between processes."""

from __future__ import annotations

import dataclasses

import numpy as np

DEEPEST = 6  # containers in containers; what lies deeper is not looked at


class NotComparableError(ValueError):
    """A result that is no array and is not made of arrays, numbers and texts."""


def flat(value, name="", depth=0):
    """Return ``(name, array)`` of every part of a result, in a fixed order.

    Parameters
    ----------
    value : array, number, str, None, or tuple, list, dict, dataclass of these
    name : str
        Of the value itself: "" for the whole, ".boxes" or "[0]" for a part.

    Returns
    -------
    parts : list of (str, ndarray)
        Numbers, booleans and texts become arrays of no axis; None becomes an empty text array.

    Raises
    ------
    NotComparableError
        If a part is something else.

    Examples
    --------
    >>> flat((np.zeros(2), {"a": 3}))
    [('[0]', array([0., 0.])), ("[1]['a']", array(3))]
    """
    if depth > DEEPEST:
        raise NotComparableError(f"it is nested more than {DEEPEST} deep")
    parts = named_parts(value)
    if parts is not None:
        return [leaf for key, part in parts for leaf in flat(part, name + key, depth + 1)]
    if value is None:
        return [(name, np.array([], dtype="<U1"))]
    array = np.asarray(value)
    if array.dtype.kind not in "biufU":
        raise NotComparableError(f"{name or 'it'} is {kind_of(value)}, not an array, a number or a text")
    return [(name, array)]


def named_parts(value):
    """Return ``(name, part)`` of a container's parts, or None for what is a leaf."""
    if isinstance(value, dict):
        return [(f"[{key!r}]", value[key]) for key in sorted(value, key=repr)]
    if hasattr(value, "_fields") and isinstance(value, tuple):
        return [("." + field, part) for field, part in zip(value._fields, value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [("." + field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, list) and is_plain_list(value):
        return None
    if isinstance(value, (tuple, list)):
        return [(f"[{place}]", part) for place, part in enumerate(value)]
    return None


def is_plain_list(value):
    """Return whether a list holds numbers and texts alone, or rows of them as long as each other: it is an array."""
    if all(isinstance(part, (bool, int, float, str, np.generic)) for part in value):
        return True
    rows = all(isinstance(part, list) and is_plain_list(part) for part in value)
    return rows and len({np.shape(part) for part in value if is_even(part)}) == 1 and all(map(is_even, value))


def is_even(part):
    """Return whether a list of numbers, or of rows, is no ragged one."""
    inner = [len(row) for row in part if isinstance(row, list)]
    return len(inner) in (0, len(part)) and len(set(inner)) <= 1


def kind_of(value):
    """Return what a value is, in words for a student.

    >>> kind_of(iter([]))
    'a list_iterator'
    """
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
