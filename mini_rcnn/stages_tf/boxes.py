"""Boxes in TensorFlow: the twin of `mini_rcnn.stages.boxes`."""

from __future__ import annotations

import numpy as np
import tensorflow.compat.v2 as tf

from ._check import at_hand, boxes_tensor, promoted, rows_tensor, shaped, window_tensor


def box_areas(boxes):
    """Return the area of each box, (N, 4) -> (N,); see `mini_rcnn.stages.boxes.box_areas`."""
    return areas_of(boxes_tensor("boxes", boxes))


def box_iou(boxes_a, boxes_b):
    """Return the IoU of every pair of boxes, (N, 4), (M, 4) -> (N, M); see `mini_rcnn.stages.boxes.box_iou`."""
    return iou_of(*promoted(boxes_tensor("boxes_a", boxes_a), boxes_tensor("boxes_b", boxes_b)))


def encode_deltas(boxes, targets):
    """Return the deltas from each box to its target, (N, 4); see `mini_rcnn.stages.boxes.encode_deltas`.

    In a graph a side of length 0 is not refused: its deltas are not finite.
    """
    boxes = boxes_tensor("boxes", boxes)
    targets = shaped("targets", boxes_tensor("targets", targets), (boxes.shape[0], 4))
    boxes, targets = promoted(boxes, targets)
    sizes, target_sizes = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]  # (N, 2): height, width
    refuse_empty("boxes", sizes)
    refuse_empty("targets", target_sizes)
    shift = (targets[:, :2] + 0.5 * target_sizes - (boxes[:, :2] + 0.5 * sizes)) / sizes
    return tf.concat([shift, tf.math.log(target_sizes / sizes)], axis=1)


def decode_deltas(boxes, deltas):
    """Return the boxes moved and stretched by their deltas, (N, 4); see `mini_rcnn.stages.boxes.decode_deltas`.

    In a graph an ``exp`` too large for the dtype is not refused: the box is not finite.
    """
    boxes = boxes_tensor("boxes", boxes)
    return move_boxes(boxes, rows_tensor("deltas", deltas, boxes.shape[0], 4))


def clip_boxes(boxes, window):
    """Return the boxes cut to a window, (N, 4); see `mini_rcnn.stages.boxes.clip_boxes`."""
    return cut_boxes(boxes_tensor("boxes", boxes), window_tensor("window", window))


def areas_of(boxes):
    """Return the areas of boxes that were checked, (..., 4) -> (...)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou_of(boxes_a, boxes_b):
    """Return the IoU of every pair of boxes that were checked, (..., N, 4), (..., M, 4) -> (..., N, M)."""
    top, left, bottom, right = tf.unstack(boxes_a[..., :, None, :], axis=-1)  # (..., N, 1) each
    above, before, below, behind = tf.unstack(boxes_b[..., None, :, :], axis=-1)  # (..., 1, M)
    height = tf.maximum(tf.minimum(bottom, below) - tf.maximum(top, above), 0)
    width = tf.maximum(tf.minimum(right, behind) - tf.maximum(left, before), 0)
    intersection = height * width
    union = areas_of(boxes_a)[..., :, None] + areas_of(boxes_b)[..., None, :] - intersection
    return intersection / tf.where(union > 0, union, tf.ones_like(union))  # without a union the intersection is 0


def move_boxes(boxes, deltas):
    """Return checked boxes moved by their deltas; leading axes broadcast."""
    boxes, deltas = promoted(boxes, deltas)
    sizes = boxes[..., 2:] - boxes[..., :2]
    centres = boxes[..., :2] + 0.5 * sizes + deltas[..., :2] * sizes
    new_sizes = sizes * tf.exp(deltas[..., 2:])
    refuse_overflow(new_sizes, deltas)
    corners = centres - 0.5 * new_sizes
    return tf.concat([corners, corners + new_sizes], axis=-1)


def cut_boxes(boxes, window):
    """Return checked boxes cut to a window, or to one for each image: (B, N, 4) and (B, 1, 4)."""
    window = tf.cast(window, boxes.dtype)
    upper, lower = tf.concat([window[..., :2]] * 2, axis=-1), tf.concat([window[..., 2:]] * 2, axis=-1)
    return tf.minimum(tf.maximum(boxes, upper), lower)


def refuse_empty(name, sizes):
    """Refuse, where the values are at hand, sides of length 0."""
    known = at_hand(sizes)
    if known is not None and (known == 0).any():
        row = int(np.flatnonzero((known == 0).any(axis=1))[0])
        raise ValueError(f"{name} must have height and width > 0 to be encoded, got {known[row].tolist()} in row {row}")


def refuse_overflow(new_sizes, deltas):
    """Refuse, where the values are at hand, deltas whose exponential is larger than the dtype can hold."""
    known = at_hand(new_sizes)
    if known is not None and not np.isfinite(known).all():
        raise ValueError(
            f"deltas must have an exp() that {known.dtype} can hold, got log_dh, log_dw up to "
            f"{deltas.numpy()[..., 2:].max()}"
        )
