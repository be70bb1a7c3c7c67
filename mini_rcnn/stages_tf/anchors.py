"""Anchors in TensorFlow: the twin of `mini_rcnn.stages.anchors`."""

from __future__ import annotations

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.stages._check import size_pair, whole_number
from mini_rcnn.stages.anchors import positive_list, unequal_levels


def level_anchors(grid_size, *, scale, ratios, stride, anchor_stride=1):
    """Return the anchors of one pyramid level, (A, 4), float64; see `mini_rcnn.stages.anchors.level_anchors`."""
    rows = np.arange(0, grid_size[0], anchor_stride) * float(stride)
    columns = np.arange(0, grid_size[1], anchor_stride) * float(stride)
    roots = tf.sqrt(tf.constant(ratios, dtype=tf.float64))
    halves = 0.5 * scale * tf.stack([1 / roots, roots], axis=1)  # (R, 2): height, width
    grid = (len(rows), len(columns))
    centres = tf.stack([tf.broadcast_to(rows[:, None], grid), tf.broadcast_to(columns, grid)], axis=-1)  # (h, w, 2)
    centres = tf.reshape(centres, (-1, 1, 2))  # (h * w, 1, 2), to meet the (R, 2) halves
    return tf.reshape(tf.concat([centres - halves, centres + halves], axis=-1), (-1, 4))


def pyramid_anchors(image_size, *, scales, ratios, strides, anchor_stride=1):
    """Return the anchors of all pyramid levels, (A, 4), float64; see `mini_rcnn.stages.anchors.pyramid_anchors`.

    The arguments are plain numbers, also in a graph, so A is static. Cast to float32 before the training step: with
    float64 anchors everything made of them is float64, as in NumPy.
    """
    height, width = size_pair("image_size", image_size)
    scales, ratios = positive_list("scales", scales), positive_list("ratios", ratios)
    strides = [whole_number("strides", stride, 1) for stride in strides]
    anchor_stride = whole_number("anchor_stride", anchor_stride, 1)
    grids = [(-(-height // stride), -(-width // stride)) for stride in strides]  # rounded up
    if len(scales) != len(strides):
        raise ValueError(unequal_levels(scales, ratios, strides, grids, anchor_stride))
    levels = [
        level_anchors(grid, scale=scale, ratios=ratios, stride=stride, anchor_stride=anchor_stride)
        for grid, scale, stride in zip(grids, scales, strides)
    ]
    return tf.concat([tf.zeros((0, 4), tf.float64), *levels], axis=0)
