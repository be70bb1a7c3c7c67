"""Checks of what comes in: the rules and texts of `mini_rcnn.stages._check`, for tensors.

Each function raises ``ValueError`` or returns the argument as a tensor. Values are looked at where they are at hand:
outside of ``tf.function``, and wherever an argument is no tensor.
"""

from __future__ import annotations

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.stages import _check


def at_hand(tensor):
    """Return the tensor's values for NumPy to look at, or None in a graph."""
    return tensor.numpy() if tf.executing_eagerly() else None


def number_tensor(name, values):
    """Return the values as a tensor of a float dtype; integers become float64."""
    if not tf.is_tensor(values):
        return tf.convert_to_tensor(_check.number_array(name, values))
    tensor = tf.convert_to_tensor(values)
    known = at_hand(tensor)
    if known is not None:
        _check.number_array(name, known)
    if not (tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_bool):
        raise ValueError(f"{name} must hold real numbers, got dtype {tensor.dtype.name}")
    return tensor if tensor.dtype.is_floating else tf.cast(tensor, tf.float64)


def shaped(name, tensor, shape):
    """Return the tensor if its shape, as far as it is known, fits; None in ``shape`` fits any length."""
    if tensor.shape.rank is None:
        return tf.ensure_shape(tensor, shape)
    got = tensor.shape.as_list()
    fits = len(got) == len(shape) and all(None in (want, have) or want == have for want, have in zip(shape, got))
    if not fits:
        wanted = ", ".join("?" if length is None else str(length) for length in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {tuple(got)}")
    return tensor


def boxes_tensor(name, boxes, *, batched=False):
    """Return boxes as (N, 4), or (B, N, 4), with ``y1 <= y2`` and ``x1 <= x2``; ``[]`` is no boxes."""
    tensor = number_tensor(name, boxes)
    if tensor.shape.rank == 1 and tensor.shape[0] == 0:
        tensor = tf.reshape(tensor, (0, 4))
    tensor = shaped(name, tensor, (None, None, 4) if batched else (None, 4))
    known = at_hand(tensor)
    if known is not None:
        _check.boxes_array(name, known.reshape(-1, 4))
    return tensor


def rows_tensor(name, values, n_rows, width=None):
    """Return a tensor of shape ``(n_rows,)`` or ``(n_rows, width)``; ``n_rows`` is None where a graph does not know."""
    tensor = number_tensor(name, values)
    if width is not None and tensor.shape.rank == 1 and tensor.shape[0] == 0:
        tensor = tf.reshape(tensor, (0, width))
    return shaped(name, tensor, (n_rows,) if width is None else (n_rows, width))


def window_tensor(name, window):
    """Return one box ``(y1, x1, y2, x2)``."""
    return boxes_tensor(name, shaped(name, number_tensor(name, window), (4,))[None])[0]


def promoted(*tensors):
    """Return the tensors in the widest of their dtypes, as NumPy does where two meet."""
    widest = np.result_type(*[tensor.dtype.as_numpy_dtype for tensor in tensors])
    return [tf.cast(tensor, widest) for tensor in tensors]


def length(tensor, axis):
    """Return a length as a whole number where it is known, else as a tensor, int32."""
    known = tensor.shape[axis]
    return tf.shape(tensor)[axis] if known is None else int(known)


def at_most(limit, tensor, axis):
    """Return the limit or the tensor's length, whichever is less, as a whole number where that is known."""
    there = length(tensor, axis)
    return tf.minimum(limit, there) if tf.is_tensor(there) else min(limit, there)
