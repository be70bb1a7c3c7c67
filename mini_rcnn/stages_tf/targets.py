"""What a network is asked for while it learns, in TensorFlow: the twin of `mini_rcnn.stages.targets`.

Results have static shapes, so that a graph can be built around them: truths may be padded with boxes of zeros at the
end, and targets of the heads are filled up to ``max_rois`` rows, ``count`` of which are real.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow.compat.v2 as tf

from mini_rcnn.stages._check import std_array, unit_number, whole_number
from mini_rcnn.stages.targets import BACKGROUND, NEUTRAL, OBJECT, RpnTargets

from ._check import boxes_tensor, length
from .boxes import areas_of, iou_of
from .roi_align import crop


class PaddedHeadTargets(NamedTuple):
    """Proposals for the heads to learn from, objects first, filled up with zeros to R = ``max_rois`` rows."""

    boxes: tf.Tensor  # (R, 4)
    class_ids: tf.Tensor  # (R,), int64
    deltas: tf.Tensor  # (R, 4)
    masks: tf.Tensor  # (Q, h, w), of the first Q rows, Q the most objects there can be; zeros beyond ``n_objects``
    count: tf.Tensor  # (), int64, how many rows are real
    n_objects: tf.Tensor  # (), int64, how many of them are objects


def deltas_between(boxes, targets):
    """Return the deltas from boxes to targets, 0 where either has no side."""
    sizes, target_sizes = boxes[..., 2:] - boxes[..., :2], targets[..., 2:] - targets[..., :2]
    solid = tf.reduce_all((sizes > 0) & (target_sizes > 0), axis=-1, keepdims=True)
    sizes, target_sizes = (tf.where(solid, side, tf.ones_like(side)) for side in (sizes, target_sizes))
    shift = (targets[..., :2] + 0.5 * target_sizes - (boxes[..., :2] + 0.5 * sizes)) / sizes
    deltas = tf.concat([shift, tf.math.log(target_sizes / sizes)], axis=-1)
    return tf.where(solid, deltas, tf.zeros_like(deltas))


def lowest(priority, members, limit, *, most):
    """Return which members have the ``limit`` lowest priorities, (N,) bool; of equal ones the lower index.

    ``most`` is a plain number that ``limit`` never exceeds: so many are put in order, not all.
    """
    n_members = tf.size(priority)
    most = tf.minimum(most, n_members)
    infinite = tf.constant(float("inf"), priority.dtype)
    first = tf.math.top_k(-tf.where(members, priority, infinite), most).indices
    taken = tf.cast(tf.range(most) < tf.cast(limit, tf.int32), tf.int32)
    return members & (tf.scatter_nd(first[:, None], taken, [n_members]) > 0)


def rpn_targets(
    anchors, truth, priority, *, positive_iou=0.7, negative_iou=0.3, max_anchors=256, delta_std=(0.1, 0.1, 0.2, 0.2)
):
    """Return what the RPN should say of one image; see `mini_rcnn.stages.targets.rpn_targets`.

    Truths without area are no truths: rows of zeros that fill up.
    """
    anchors = boxes_tensor("anchors", anchors)
    truth = tf.cast(boxes_tensor("truth", truth), anchors.dtype)
    priority = tf.convert_to_tensor(priority)
    unit_number("positive_iou", positive_iou)
    unit_number("negative_iou", negative_iou)
    limit = whole_number("max_anchors", max_anchors, 0)
    std = tf.constant(std_array("delta_std", delta_std), anchors.dtype)
    n_anchors = length(anchors, 0)
    real = areas_of(truth) > 0  # (M,)
    # One column of zeros, so that there is a maximum without truth.
    overlaps = tf.pad(iou_of(anchors, truth), [[0, 0], [0, 1]])  # (A, M + 1)
    best = tf.reduce_max(overlaps, axis=1)
    best_anchors = tf.boolean_mask(tf.argmax(overlaps[:, :-1], axis=0), real)  # (real truths,)
    nearest = tf.scatter_nd(best_anchors[:, None], tf.ones_like(best_anchors), [tf.cast(n_anchors, tf.int64)]) > 0
    is_object = nearest | (best >= positive_iou)
    objects = lowest(priority, is_object, limit // 2, most=limit // 2)
    left = limit - tf.reduce_sum(tf.cast(objects, tf.int32))
    background = lowest(priority, ~is_object & (best < negative_iou), left, most=limit)
    labels = tf.where(objects, OBJECT, tf.where(background, BACKGROUND, NEUTRAL))
    fitting = tf.gather(tf.pad(truth, [[0, 1], [0, 0]]), tf.argmax(overlaps, axis=1))  # (A, 4)
    deltas = tf.where(objects[:, None], deltas_between(anchors, fitting) / std, tf.zeros_like(anchors))
    return RpnTargets(tf.cast(labels, tf.int64), deltas)


def head_targets(
    proposals, n_proposals, truth, class_ids, masks, priority, *, positive_iou=0.5, max_rois=200, positive_share=1 / 3,
    negatives="full", mask_size=(28, 28), delta_std=(0.1, 0.1, 0.2, 0.2),
):  # fmt: skip
    """Return what the heads learn from in one image; see `mini_rcnn.stages.targets.head_targets`.

    ``n_proposals`` says how many rows of ``proposals`` are real; ``truth``, ``class_ids`` and ``masks`` may be padded.
    """
    proposals = boxes_tensor("proposals", proposals)
    truth = tf.cast(boxes_tensor("truth", truth), proposals.dtype)
    limit = whole_number("max_rois", max_rois, 0)
    std = tf.constant(std_array("delta_std", delta_std), proposals.dtype)
    most_objects = int(limit * positive_share)
    there = tf.range(length(proposals, 0)) < tf.cast(n_proposals, tf.int32)
    overlaps = tf.pad(iou_of(proposals, truth), [[0, 0], [0, 1]])  # (N, M + 1)
    best = tf.reduce_max(overlaps, axis=1)
    objects = lowest(priority, there & (best >= positive_iou), most_objects, most=most_objects)
    n_objects = tf.reduce_sum(tf.cast(objects, tf.int32))
    wanted = limit
    if negatives != "full":
        wanted = tf.cast(tf.constant(1 / positive_share, tf.float32) * tf.cast(n_objects, tf.float32), tf.int32)
    background = lowest(priority, there & (best < positive_iou), wanted - n_objects, most=limit)
    # Objects first, by priority, then background, by priority, then what fills up.
    rank = tf.cast(priority, tf.float32) + tf.where(objects, 0.0, tf.where(background, 2.0, 4.0))
    n_rows = min(limit, length(proposals, 0)) if isinstance(length(proposals, 0), int) else limit
    rows = tf.math.top_k(-rank, n_rows).indices  # (rows,)
    rows = tf.pad(rows, [[0, limit - n_rows]])
    count = n_objects + tf.reduce_sum(tf.cast(background, tf.int32))
    real, is_object = tf.range(limit) < count, tf.range(limit) < n_objects
    boxes = tf.gather(proposals, rows)
    truth_ids = tf.argmax(tf.gather(overlaps, rows), axis=1)  # (R,)
    fitting = tf.gather(tf.pad(truth, [[0, 1], [0, 0]]), truth_ids)
    classes = tf.gather(tf.pad(tf.cast(class_ids, tf.int64), [[0, 1]]), truth_ids)
    deltas = deltas_between(boxes, fitting) / std
    grids = mask_targets(boxes[:most_objects], fitting[:most_objects], masks, truth_ids[:most_objects], mask_size)
    first = is_object[:most_objects, None, None]
    return PaddedHeadTargets(
        tf.where(real[:, None], boxes, tf.zeros_like(boxes)),
        tf.where(is_object, classes, tf.zeros_like(classes)),
        tf.where(is_object[:, None], deltas, tf.zeros_like(deltas)),
        tf.where(first, grids, tf.zeros_like(grids)),
        tf.cast(count, tf.int64),
        tf.cast(n_objects, tf.int64),
    )


def mask_targets(boxes, truth_boxes, masks, truth_ids, size):
    """Return the part of each truth's mask under its proposal, (P, h, w); ``masks`` (M, m, m) are all truths'."""
    images = tf.cast(masks, tf.float32)[..., None]
    images = tf.pad(images, [[0, 1], [0, 0], [0, 0], [0, 0]])
    sides = truth_boxes[:, 2:] - truth_boxes[:, :2]
    sides = tf.where(sides > 0, sides, tf.ones_like(sides))
    ends = [(corner - truth_boxes[:, :2]) / sides for corner in (boxes[:, :2], boxes[:, 2:])]
    grids = crop(images, tf.concat(ends, axis=1), tf.cast(truth_ids, tf.int32), size)
    return tf.round(grids[..., 0])
