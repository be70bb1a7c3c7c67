"""What runs image by image inside a batch: suppression alone; everything else takes the batch in one go."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

from ._check import at_most


def each_image(function, tensors, dtype):
    """Return the function's results on each image's tensors, stacked; each result must have the same shape."""
    # TensorFlow 2 took a new name for the argument, and complains about the old one.
    result = {"dtype": dtype} if tf.__version__.startswith("1.") else {"fn_output_signature": dtype}
    return tf.map_fn(lambda one: function(*one), tensors, **result)


def pick_rows(values, indices, real):
    """Return rows by image, (B, N, ...) and (B, K) -> (B, K, ...), with zeros where ``real``, (B, K) bool, is False."""
    rows = tf.gather(values, indices, batch_dims=1)
    mask = tf.reshape(real, tf.concat([tf.shape(real), tf.ones((rows.shape.rank - 2,), tf.int32)], axis=0))
    return tf.where(mask, rows, tf.zeros_like(rows))


def pad_rows(values, length):
    """Return (B, K, ...) filled up with zeros to (B, length, ...), where K is not greater."""
    if values.shape[1] == length:
        return values
    missing = length - at_most(length, values, 1)
    return tf.pad(values, [[0, 0], [0, missing]] + [[0, 0]] * (values.shape.rank - 2))
