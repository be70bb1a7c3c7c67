"""Where a result differs from the expected one, in words for a student."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RTOL = 1e-6  # beside a case's own absolute tolerance, for large numbers
SHOWN = 12  # an array of no more numbers is shown whole
KINDS = {"b": "booleans", "i": "whole numbers", "u": "whole numbers", "f": "floats", "U": "text"}


class Difference(NamedTuple):
    """How one result differs from another."""

    kind: str  # "error", "parts", "shape", "type" or "value"
    text: str  # "got ..., expected ..."


def difference(result, expected, *, atol):
    """Return how a `Result` differs from the expected parts, or None.

    Parameters
    ----------
    result : Result
    expected : sequence of (str, ndarray)
        As of `flat`.
    atol : float
        Absolute tolerance of floats; whole numbers, booleans and texts must be equal.

    Returns
    -------
    difference : Difference or None
    """
    if result.parts is None:
        return Difference("error", result.error)
    names, wanted = [name for name, _ in result.parts], [name for name, _ in expected]
    if len(names) != len(wanted):
        return Difference("parts", f"got {counted(names)}, expected {counted(wanted)}")
    strange = [(name, want) for name, want in zip(names, wanted) if name != want and "." not in name + want]
    if strange:  # the parts of a named container may come as a plain tuple; keys of a dict are part of the answer
        return Difference("parts", f"got {strange[0][0] or 'an array'}, expected {strange[0][1] or 'an array'}")
    for (_, got), (name, want) in zip(result.parts, expected):
        found = array_difference(got, want, atol)
        if found:
            return found._replace(text=(f"{name}: " if name else "") + found.text)
    return None


def array_difference(got, want, atol):
    """Return how one array differs from another, or None."""
    if got.shape != want.shape:
        return Difference("shape", f"got shape {got.shape}, expected {want.shape}{values_beside(got, want)}")
    if want.size == 0:
        return None
    if not kinds_fit(got.dtype.kind, want.dtype.kind):
        return Difference("type", f"got {KINDS[got.dtype.kind]}, expected {KINDS[want.dtype.kind]}")
    wrong = ~equal(got, want, atol)
    if not wrong.any():
        return None
    if want.size <= SHOWN:
        return Difference("value", f"got {shown(got)}, expected {shown(want)}")
    place = tuple(int(number) for number in np.argwhere(wrong)[0])
    where = ", ".join(map(str, place))
    text = f"at [{where}] got {shown(got[place])}, expected {shown(want[place])}"
    return Difference("value", f"{text}; {int(wrong.sum())} of {want.size} values differ")


def kinds_fit(got, want):
    """Return whether an array of one kind may stand for another: whole numbers for floats, nothing else."""
    whole = "iu"
    return got == want or (got in whole and want in whole) or (got in whole and want == "f")


def equal(got, want, atol):
    """Return where two arrays of one shape are equal, floats within the tolerance; nan equals nan."""
    if want.dtype.kind != "f":
        return np.asarray(got == want)
    got, want = got.astype(np.float64), want.astype(np.float64)
    return np.isclose(got, want, rtol=RTOL, atol=atol, equal_nan=True)


def values_beside(got, want):
    """Return both arrays in brackets where they are short enough to see what is missing."""
    if max(got.size, want.size) > SHOWN:
        return ""
    return f" ({shown(got)}, expected {shown(want)})"


def shown(array):
    """Return an array as a text that is the same under every NumPy.

    >>> shown(np.array([[1.0, 1 / 3], [2, 1e-9]]))
    '[[1, 0.3333], [2, 1e-09]]'
    """
    array = np.asarray(array)
    if array.ndim:
        return "[" + ", ".join(map(shown, array)) + "]"
    if array.dtype.kind == "f":
        return f"{float(array):.4g}"
    return repr(array.item())


def counted(names):
    """Return how many parts a result has, in words."""
    named = [name.lstrip(".") for name in names if name]
    return "one array" if len(names) == 1 else f"{len(names)} parts ({', '.join(named[:6])})"
