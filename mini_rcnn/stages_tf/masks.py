"""Masks in TensorFlow: the twin of `mini_rcnn.stages.masks`."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

from mini_rcnn.stages import masks as numpy_masks
from mini_rcnn.stages._check import size_pair, unit_number

from ._batch import each_image
from ._check import at_hand, boxes_tensor, number_tensor, shaped, window_tensor
from .image import resample, resize_pixels


def sigmoid(logits):
    """Return ``1 / (1 + exp(-logits))``; see `mini_rcnn.stages.masks.sigmoid`."""
    return tf.sigmoid(number_tensor("logits", logits))


def threshold_mask(probabilities, threshold):
    """Return which pixels belong to the object, bool; see `mini_rcnn.stages.masks.threshold_mask`."""
    probabilities = number_tensor("probabilities", probabilities)
    return probabilities >= tf.cast(unit_number("threshold", threshold), probabilities.dtype)


def paste_probabilities(probabilities, box, image_size):
    """Return the grid stretched over its box, (H, W) float64; see `mini_rcnn.stages.masks.paste_probabilities`.

    ``inside`` is a mask here, (H, W) bool, and not a pair of slices.
    """
    probabilities = shaped("probabilities", number_tensor("probabilities", probabilities), (None, None))
    if 0 in probabilities.shape.as_list():
        raise ValueError(f"probabilities must have at least one cell, got shape {tuple(probabilities.shape.as_list())}")
    box = tf.cast(window_tensor("box", box), tf.float64)
    image_size = size_pair("image_size", image_size)
    positions, factors, inside = [], [], []
    for axis, length in enumerate(image_size):
        start, end = box[axis], box[axis + 2]
        n_cells = tf.cast(tf.shape(probabilities)[axis], tf.float64)
        middles = tf.range(length, dtype=tf.float64) + 0.5
        factor = tf.where(end > start, n_cells / tf.where(end > start, end - start, 1), 1)
        positions.append((middles - start) * factor - 0.5)
        factors.append(tf.minimum(factor, n_cells))  # a box thinner than a pixel is smoothed like one of a pixel
        inside.append((middles >= start) & (middles < end))
    inside = inside[0][:, None] & inside[1]
    pasted = resample(tf.cast(probabilities, tf.float64), positions, factors)
    return tf.where(inside, pasted, 0), inside


def paste_mask(probabilities, box, image_size, *, threshold=0.5):
    """Return the mask of one detection on the image, (H, W) bool; see `mini_rcnn.stages.masks.paste_mask`."""
    unit_number("threshold", threshold)
    pasted, inside = paste_probabilities(probabilities, box, image_size)
    return (pasted >= tf.cast(threshold, pasted.dtype)) & inside


def minimize_masks(masks, boxes, *, size):
    """Return each mask cut to its box on a small grid, (N, h, w) bool; see `mini_rcnn.stages.masks.minimize_masks`."""
    masks = shaped("masks", number_tensor("masks", masks), (None, None, None)) > 0
    boxes = whole_boxes("boxes", boxes, tuple(masks.shape.as_list()))
    size = size_pair("size", size)

    def minimize(mask, box):
        small = stretch_mask(mask[box[0] : box[2], box[1] : box[3]], size)
        return tf.ensure_shape(small, size)

    return each_image(minimize, (masks, boxes), tf.TensorSpec(size, tf.bool))


def expand_masks(small, boxes, *, image_size):
    """Return small masks over their boxes on the image, (N, H, W) bool; see `mini_rcnn.stages.masks.expand_masks`."""
    small = shaped("small", number_tensor("small", small), (None, None, None)) > 0
    height, width = size_pair("image_size", image_size)
    boxes = whole_boxes("boxes", boxes, (small.shape[0], height, width))

    def expand(cells, box):
        stretched = stretch_mask(cells, (box[2] - box[0], box[3] - box[1]))
        around = [[box[0], height - box[2]], [box[1], width - box[3]]]
        return tf.ensure_shape(tf.pad(stretched, around), (height, width))

    return each_image(expand, (small, boxes), tf.TensorSpec((height, width), tf.bool))


def stretch_mask(mask, size):
    """Return a mask with another number of cells; a cell is on if more than half of it is covered."""
    return resize_pixels(tf.cast(mask, tf.float64), size) > 0.5


def whole_boxes(name, boxes, masks_shape):
    """Return boxes as whole numbers, int32, one for each mask; a graph does not look at them further."""
    boxes = shaped(name, boxes_tensor(name, boxes), (masks_shape[0], 4))
    known = at_hand(boxes)
    if known is not None:
        numpy_masks.whole_boxes(name, known, masks_shape)
    return tf.cast(boxes, tf.int32)
