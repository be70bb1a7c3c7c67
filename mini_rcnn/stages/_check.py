"""Checks of what comes in, shared by all stages: each error names the argument, the rule and the value.

Everything here raises ``ValueError`` or returns the argument as an array.
"""

from __future__ import annotations

import numbers

import numpy as np


def number_array(name, values):
    """Return the values as an array of a real dtype, all finite; integers become float64."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.dtype.kind != "f":
        return array.astype(np.float64)
    if not np.isfinite(array).all():
        first = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"{name} must be finite, got {array[tuple(first)]} at index {first.tolist()}")
    return array


def shaped(name, array, shape):
    """Return the array if its shape fits, where None in ``shape`` fits any length."""
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape))
    if not fits:
        wanted = ", ".join("?" if length is None else str(length) for length in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}")
    return array


def boxes_array(name, boxes):
    """Return boxes as a finite ``(N, 4)`` array with ``y1 <= y2`` and ``x1 <= x2``; ``[]`` is no boxes."""
    array = number_array(name, boxes)
    if array.shape == (0,):
        array = array.reshape(0, 4)
    shaped(name, array, (None, 4))
    inverted = (array[:, 2] < array[:, 0]) | (array[:, 3] < array[:, 1])
    if inverted.any():
        row = int(np.flatnonzero(inverted)[0])
        raise ValueError(f"{name} must have y1 <= y2 and x1 <= x2, got {array[row].tolist()} in row {row}")
    return array


def rows_array(name, values, n_rows, width=None):
    """Return a finite array of shape ``(n_rows,)`` or ``(n_rows, width)``."""
    array = number_array(name, values)
    if array.shape == (0,) and width is not None:
        array = array.reshape(0, width)
    return shaped(name, array, (n_rows,) if width is None else (n_rows, width))


def window_array(name, window):
    """Return one box ``(y1, x1, y2, x2)``."""
    return boxes_array(name, shaped(name, number_array(name, window), (4,))[None])[0]


def unit_number(name, value):
    """Return a number of [0, 1], such as a threshold."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {value!r}")
    return value


def whole_number(name, value, minimum):
    """Return a whole number of at least ``minimum``."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"{name} must be a whole number >= {minimum}, got {value!r}")
    return int(value)


def size_pair(name, size):
    """Return ``(height, width)`` from such a pair, or from one number for a square."""
    sides = (size, size) if isinstance(size, numbers.Integral) else tuple(size) if np.ndim(size) == 1 else ()
    if len(sides) != 2:
        raise ValueError(f"{name} must be one whole number or (height, width), got {size!r}")
    return whole_number(name, sides[0], 1), whole_number(name, sides[1], 1)


def one_of(name, value, choices):
    """Return the value if it is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def std_array(name, std):
    """Return the four positive numbers that deltas are multiplied by."""
    array = shaped(name, number_array(name, std), (4,))
    if (array <= 0).any():
        raise ValueError(f"{name} must be positive, got {array.tolist()}")
    return array
