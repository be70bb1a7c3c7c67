"""What runs image by image inside a batch: suppression alone; everything else takes the batch in one go."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

from ._check import at_most, length


def each_image(function, tensors, result):
    """Return the function's results on each image's tensors, stacked; ``result`` holds the TensorSpecs of one image."""
    if tensors[0].shape[0] == 0:  # TensorFlow cannot know the shape of results that never were
        return tf.nest.map_structure(lambda one: tf.zeros([0] + [n or 0 for n in one.shape], one.dtype), result)
    dtype = tf.nest.map_structure(lambda one: one.dtype, result)
    # TensorFlow 2 took a new name for the argument, and complains about the old one.
    name = "dtype" if tf.__version__.startswith("1.") else "fn_output_signature"
    return tf.map_fn(lambda one: function(*one), tensors, **{name: dtype})


def pick_rows(values, indices, real):
    """Return rows by image, (B, N, ...) and (B, K) -> (B, K, ...), with zeros where ``real``, (B, K) bool, is False."""
    padded = tf.pad(values, [[0, 0], [0, 1]] + [[0, 0]] * (values.shape.rank - 2))  # one row of zeros, for all of them
    n_rows = tf.cast(length(values, 1), indices.dtype)
    return tf.gather(padded, tf.where(real, indices, n_rows), batch_dims=1)


def pad_rows(values, n_rows):
    """Return (B, K) filled up with zeros to (B, n_rows), where K is not greater."""
    return tf.pad(values, [[0, 0], [0, n_rows - at_most(n_rows, values, 1)]])
