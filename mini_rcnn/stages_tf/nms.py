"""Non-maximum suppression in TensorFlow: the twin of `mini_rcnn.stages.nms`."""

from __future__ import annotations

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.stages._check import unit_number, whole_number
from mini_rcnn.stages.nms import BLOCK

from ._check import at_most, boxes_tensor, length, rows_tensor
from .boxes import areas_of, iou_of

OLD_OPERATION = tf.__version__.startswith("1.")  # see `suppress_with_old_operation`


def keep_greedily(overlaps, iou_threshold):
    """Return which boxes stay, (N, N) -> (N,) bool; see `mini_rcnn.stages.nms.keep_greedily`.

    All rows at once, again and again until nothing changes: after k rounds the first k boxes are right, because only
    better ones can remove them. Mostly a few rounds are enough, where one row at a time takes N.
    """
    overlaps = tf.convert_to_tensor(overlaps)
    rank = tf.range(length(overlaps, 0))
    removes = ~(overlaps <= iou_threshold) & (rank[:, None] < rank)  # (N, N): row removes column, if row stays

    def survivors(keep):
        return ~tf.reduce_any(removes & keep[:, None], axis=0)

    everyone = rank >= 0
    return tf.while_loop(
        lambda before, after: tf.reduce_any(before != after),
        lambda before, after: (after, survivors(after)),
        (everyone, survivors(everyone)),
    )[1]


def non_max_suppression(boxes, scores, *, iou_threshold, max_boxes=None):
    """Return the indices of the boxes that stay, (K,) int64; see `mini_rcnn.stages.nms.non_max_suppression`.

    float32 goes through ``tf.image.non_max_suppression``; any other dtype, which that refuses, in blocks as in NumPy.
    """
    boxes = boxes_tensor("boxes", boxes)
    scores = rows_tensor("scores", scores, boxes.shape[0])
    unit_number("iou_threshold", iou_threshold)
    limit = length(boxes, 0) if max_boxes is None else whole_number("max_boxes", max_boxes, 0)
    order = top_indices(scores, length(scores, 0))
    return tf.gather(order, suppress_sorted(tf.gather(boxes, order), iou_threshold, limit))


def two_stage_nms(boxes, scores, *, min_confidence, iou_threshold, max_boxes=None):
    """Return the indices of the boxes that pass both filters, (K,) int64; see `mini_rcnn.stages.nms.two_stage_nms`."""
    boxes = boxes_tensor("boxes", boxes)
    scores = rows_tensor("scores", scores, boxes.shape[0])
    unit_number("min_confidence", min_confidence)
    unit_number("iou_threshold", iou_threshold)
    limit = length(boxes, 0) if max_boxes is None else whole_number("max_boxes", max_boxes, 0)
    return suppress_members(boxes, scores, scores >= tf.cast(min_confidence, scores.dtype), iou_threshold, limit)


def suppress_members(boxes, scores, members, iou_threshold, limit):
    """Return the indices that stay when only the boxes marked in ``members``, (N,) bool, compete."""
    indices = tf.where(members)[:, 0]
    indices = tf.gather(indices, top_indices(tf.gather(scores, indices), tf.shape(indices)[0]))
    return tf.gather(indices, suppress_sorted(tf.gather(boxes, indices), iou_threshold, limit))


def top_indices(scores, limit):
    """Return the indices of the ``limit`` highest scores along the last axis, best first, int64.

    ``tf.math.top_k`` promises that of equal ones the lower index goes first.
    """
    return tf.cast(tf.math.top_k(scores, at_most(limit, scores, -1)).indices, tf.int64)


def suppress_sorted(boxes, iou_threshold, limit):
    """Return which rows of boxes that stand best first stay, at most ``limit``, int64."""
    threshold = boxes.dtype.as_numpy_dtype(iou_threshold)  # so that equal is equal in float32, too
    if threshold == 1:  # no IoU is greater
        return tf.range(tf.cast(at_most(limit, boxes, 0), tf.int64))
    if boxes.dtype != tf.float32:
        return suppress_in_blocks(boxes, threshold, limit)
    return (suppress_with_old_operation if OLD_OPERATION else suppress_quickly)(boxes, threshold, limit)


def suppress_quickly(boxes, threshold, limit):
    """Return what `suppress_sorted` does, for float32, with TensorFlow's own operation."""
    n_boxes = length(boxes, 0)
    ranks = tf.cast(tf.range(n_boxes, 0, -1), tf.float32)  # strictly decreasing, so that no tie is left to chance
    return tf.cast(tf.image.non_max_suppression(boxes, ranks, limit, threshold), tf.int64)


def suppress_with_old_operation(boxes, threshold, limit):
    """Return what `suppress_quickly` does, where TensorFlow 1.15's operation would go wrong on a CPU.

    It removes at IoU >= threshold, not at >. And it takes a box without area, whose IoU even with itself is 0, again
    and again until ``limit`` is reached; such boxes stay here without being asked.
    """
    above = max(np.nextafter(threshold, np.float32(2)), np.finfo(np.float32).tiny)  # numbers in between count as 0
    has_area = areas_of(boxes) > 0
    solid, flat = tf.where(has_area)[:, 0], tf.where(~has_area)[:, 0]
    kept = tf.gather(solid, suppress_quickly(tf.gather(boxes, solid), above, limit))
    return tf.sort(tf.concat([kept, flat], axis=0))[:limit]


def suppress_in_blocks(boxes, threshold, limit):
    """Return what `suppress_sorted` does, for any float dtype, a block of boxes at a time."""
    n_boxes = tf.shape(boxes)[0]

    def unfinished(start, keep):
        return (start < n_boxes) & (tf.reduce_sum(tf.cast(keep, tf.int32)) < limit)

    def next_block(start, keep):
        block = boxes[start : start + BLOCK]
        free = ~tf.reduce_any((iou_of(block, boxes[:start]) > threshold) & keep, axis=1)
        overlaps = iou_of(block, block) * tf.cast(free[:, None], boxes.dtype)  # who is gone removes nobody
        return start + BLOCK, tf.concat([keep, keep_greedily(overlaps, threshold) & free], axis=0)

    shapes = (tf.TensorShape([]), tf.TensorShape([None]))
    _, keep = tf.while_loop(unfinished, next_block, (tf.constant(0), tf.constant([], tf.bool)), shape_invariants=shapes)
    return tf.where(keep)[:, 0][:limit]
