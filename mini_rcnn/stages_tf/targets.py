"""What a network is asked for while it learns, in TensorFlow: the twin of `mini_rcnn.stages.targets`.

Results have static shapes, so that a graph can be built around them: truths may be padded with boxes of zeros at the
end, and targets of the heads are filled up to ``max_rois`` rows, ``count`` of which are real.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow.compat.v2 as tf

from mini_rcnn.stages._check import std_array, unit_number, whole_number
from mini_rcnn.stages.targets import BACKGROUND, NEUTRAL, OBJECT, RpnTargets

from ._check import at_most, boxes_tensor, length
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
    """Return which members have the ``limit`` lowest priorities, (B, N) bool; of equal ones the lower index.

    ``limit`` is one number, or one for each image; ``most`` is a plain number that it never exceeds: so many are put in
    order, not all.
    """
    n_images, n_members = length(priority, 0), length(priority, 1)
    most = at_most(most, priority, 1)
    infinite = tf.constant(float("inf"), priority.dtype)
    first = tf.math.top_k(-tf.where(members, priority, infinite), most).indices  # (B, most)
    taken = tf.range(most) < tf.cast(tf.reshape(limit, (-1, 1)), tf.int32)  # (B, most), or (1, most)
    taken = tf.cast(taken, tf.int32) * tf.ones_like(first)
    places = tf.stack([tf.range(n_images)[:, None] * tf.ones_like(first), first], axis=-1)  # (B, most, 2)
    return members & (tf.scatter_nd(places, taken, (n_images, n_members)) > 0)


def best_overlaps(boxes, truth):
    """Return all IoUs, (B, M, N), each box's largest one, (B, N), and which truth that is with, (B, N) int64.

    Without truth that is 0, and a number beyond all truths. Boxes are (N, 4), the same for all images, or
    (B, N, 4), truths (B, M, 4).
    """
    overlaps = iou_of(truth, boxes)  # (B, M, N)
    with_none = tf.pad(overlaps, [[0, 0], [0, 1], [0, 0]])  # so that there is a maximum without truth
    return overlaps, tf.reduce_max(with_none, axis=1), tf.argmax(with_none, axis=1)


def rpn_targets(
    anchors, truth, priority, *, positive_iou=0.7, negative_iou=0.3, max_anchors=256, delta_std=(0.1, 0.1, 0.2, 0.2)
):
    """Return what the RPN should say of one image, or of a batch; see `mini_rcnn.stages.targets.rpn_targets`.

    A batch: ``truth`` (B, M, 4) and ``priority`` (B, A) give labels (B, A) and deltas (B, A, 4). Truths without area,
    rows of zeros that fill up, are no truths.
    """
    anchors, priority = boxes_tensor("anchors", anchors), tf.convert_to_tensor(priority)
    if tf.convert_to_tensor(truth).shape.rank != 3:
        truth = boxes_tensor("truth", truth)[None]
        options = {"positive_iou": positive_iou, "negative_iou": negative_iou, "max_anchors": max_anchors}
        found = rpn_targets(anchors, truth, priority[None], delta_std=delta_std, **options)
        return RpnTargets(*(each[0] for each in found))
    truth = tf.cast(boxes_tensor("truth", truth, batched=True), anchors.dtype)
    unit_number("positive_iou", positive_iou)
    unit_number("negative_iou", negative_iou)
    limit = whole_number("max_anchors", max_anchors, 0)
    std = tf.constant(std_array("delta_std", delta_std), anchors.dtype)
    overlaps, best, truth_ids = best_overlaps(anchors, truth)  # (B, M, A), (B, A), (B, A)
    real = areas_of(truth) > 0  # (B, M)
    nearest = tf.one_hot(tf.argmax(overlaps, axis=2), length(anchors, 0), True, False, dtype=tf.bool)  # (B, M, A)
    is_object = tf.reduce_any(nearest & real[..., None], axis=1) | (best >= positive_iou)
    objects = lowest(priority, is_object, limit // 2, most=limit // 2)
    left = limit - tf.reduce_sum(tf.cast(objects, tf.int32), axis=1)  # (B,)
    background = lowest(priority, ~is_object & (best < negative_iou), left, most=limit)
    labels = tf.where(objects, OBJECT, tf.where(background, BACKGROUND, NEUTRAL))
    places = tf.where(objects)  # (K, 2), image and anchor: there are few, and no others have deltas
    fitting = tf.gather_nd(truth, tf.stack([places[:, 0], tf.boolean_mask(truth_ids, objects)], axis=1))  # (K, 4)
    deltas = deltas_between(tf.gather(anchors, places[:, 1]), fitting) / std
    shape = (length(priority, 0), length(anchors, 0), 4)
    return RpnTargets(tf.cast(labels, tf.int64), tf.scatter_nd(places, deltas, tf.cast(shape, tf.int64)))


def head_targets(
    proposals, n_proposals, truth, class_ids, masks, priority, *, positive_iou=0.5, max_rois=200, positive_share=1 / 3,
    negatives="full", mask_size=(28, 28), delta_std=(0.1, 0.1, 0.2, 0.2),
):  # fmt: skip
    """Return what the heads learn from in one image, or in a batch; see `mini_rcnn.stages.targets.head_targets`.

    ``n_proposals`` says how many rows of ``proposals`` are real; ``truth``, ``class_ids`` and ``masks`` may be padded.
    A batch: each argument has a leading B, and so has each part of the result.
    """
    arrays = tuple(map(tf.convert_to_tensor, (n_proposals, class_ids, masks, priority)))
    batched = tf.convert_to_tensor(proposals).shape.rank == 3
    boxes = [boxes_tensor(*each, batched=batched) for each in (("proposals", proposals), ("truth", truth))]
    if not batched:
        boxes, arrays = [each[None] for each in boxes], tuple(each[None] for each in arrays)
    proposals, truth = boxes[0], tf.cast(boxes[1], boxes[0].dtype)
    limit = whole_number("max_rois", max_rois, 0)
    std = tf.constant(std_array("delta_std", delta_std), proposals.dtype)
    counts, classes, grids, dice = arrays
    full = negatives == "full"
    found = batch_targets(
        proposals, truth, counts, classes, grids, dice, positive_iou, limit, positive_share, full, mask_size, std
    )
    return found if batched else PaddedHeadTargets(*(each[0] for each in found))


def batch_targets(
    proposals, truth, n_proposals, class_ids, masks, priority, positive_iou, limit, positive_share, full, mask_size, std
):
    """Return `head_targets` of a batch whose arguments were checked."""
    n_proposals, most_objects = tf.cast(n_proposals, tf.int32), int(limit * positive_share)
    there = tf.range(length(proposals, 1)) < n_proposals[:, None]  # (B, N)
    _, best, truth_ids = best_overlaps(proposals, truth)
    objects = lowest(priority, there & (best >= positive_iou), most_objects, most=most_objects)
    n_objects = tf.reduce_sum(tf.cast(objects, tf.int32), axis=1)  # (B,)
    wanted = limit
    if not full:
        wanted = tf.cast(tf.constant(1 / positive_share, tf.float32) * tf.cast(n_objects, tf.float32), tf.int32)
    background = lowest(priority, there & (best < positive_iou), wanted - n_objects, most=limit)
    # Objects first, by priority, then background, by priority, then what fills up.
    rank = tf.cast(priority, tf.float32) + tf.where(objects, 0.0, tf.where(background, 2.0, 4.0))
    n_rows = at_most(limit, proposals, 1)
    rows = tf.pad(tf.math.top_k(-rank, n_rows).indices, [[0, 0], [0, limit - n_rows]])  # (B, R)
    count = n_objects + tf.reduce_sum(tf.cast(background, tf.int32), axis=1)
    real, is_object = (tf.range(limit) < number[:, None] for number in (count, n_objects))  # (B, R)
    boxes, truth_ids = (tf.gather(each, rows, batch_dims=1) for each in (proposals, truth_ids))
    fitting = tf.gather(tf.pad(truth, [[0, 0], [0, 1], [0, 0]]), truth_ids, batch_dims=1)  # (B, R, 4)
    classes = tf.gather(tf.pad(tf.cast(class_ids, tf.int64), [[0, 0], [0, 1]]), truth_ids, batch_dims=1)
    deltas = deltas_between(boxes, fitting) / std
    first = [each[:, :most_objects] for each in (boxes, fitting, truth_ids)]
    grids = mask_targets(first[0], first[1], first[2], masks, mask_size)
    return PaddedHeadTargets(
        tf.where(real[..., None], boxes, tf.zeros_like(boxes)),
        tf.where(is_object, classes, tf.zeros_like(classes)),
        tf.where(is_object[..., None], deltas, tf.zeros_like(deltas)),
        tf.where(is_object[:, :most_objects, None, None], grids, tf.zeros_like(grids)),
        tf.cast(count, tf.int64),
        tf.cast(n_objects, tf.int64),
    )


def mask_targets(boxes, truth_boxes, truth_ids, masks, size):
    """Return the part of each truth's mask under its proposal, (B, P, h, w); ``masks`` (B, M, m, m) are all truths'."""
    n_images, n_masks = length(masks, 0), length(masks, 1) + 1
    images = tf.pad(tf.cast(masks, tf.float32), [[0, 0], [0, 1], [0, 0], [0, 0]])
    images = tf.reshape(images, (-1, length(masks, 2), length(masks, 3), 1))  # those of all images, in a row
    sides = truth_boxes[..., 2:] - truth_boxes[..., :2]
    sides = tf.where(sides > 0, sides, tf.ones_like(sides))
    ends = [(corner - truth_boxes[..., :2]) / sides for corner in (boxes[..., :2], boxes[..., 2:])]
    places = tf.cast(truth_ids, tf.int32) + tf.range(n_images)[:, None] * n_masks
    grids = crop(images, tf.reshape(tf.concat(ends, axis=-1), (-1, 4)), tf.reshape(places, (-1,)), size)
    return tf.reshape(tf.round(grids[..., 0]), (n_images, length(boxes, 1), *size))
