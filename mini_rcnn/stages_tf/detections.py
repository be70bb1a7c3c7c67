"""Detections in TensorFlow: the twin of `mini_rcnn.stages.detections`."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow.compat.v2 as tf

from mini_rcnn.stages._check import std_array, unit_number, whole_number
from mini_rcnn.stages.detections import Detections

from ._batch import each_image, pad_rows, pick_rows
from ._check import boxes_tensor, number_tensor, shaped, window_tensor
from .boxes import cut_boxes, move_boxes
from .nms import suppress_members, top_indices


class BatchedDetections(NamedTuple):
    """Detections of B images, best first, filled up to M = ``max_detections`` rows."""

    boxes: tf.Tensor  # (B, M, 4), pixels of the network input; zeros beyond the count
    class_ids: tf.Tensor  # (B, M), int64, never 0; 0 beyond the count
    scores: tf.Tensor  # (B, M), probability of that class; zeros beyond the count
    proposal_ids: tf.Tensor  # (B, M), int64, the row of the proposal; -1 beyond the count
    counts: tf.Tensor  # (B,), int64, how many are real


def two_stage_nms_per_class(boxes, scores, class_ids, *, min_confidence, iou_threshold, max_boxes):
    """Return the ascending indices; see `mini_rcnn.stages.detections.two_stage_nms_per_class`."""
    boxes, scores = boxes_tensor("boxes", boxes), number_tensor("scores", scores)
    class_ids = tf.cast(tf.convert_to_tensor(class_ids), tf.int64)
    keep = keep_per_class(boxes, scores, class_ids, min_confidence, iou_threshold, max_boxes)
    return tf.where(keep)[:, 0]


def refine_detections(
    proposals, probabilities, deltas, *, window, min_confidence, iou_threshold, max_detections, delta_std
):
    """Return the detections of one image, or of a batch; see `mini_rcnn.stages.detections.refine_detections`.

    One image: ``proposals`` (N, 4), ``probabilities`` (N, K) and ``deltas`` (N, K, 4) give `Detections`. A batch: each
    with a leading B, and ``window`` (B, 4) or one for all, (4,), gives `BatchedDetections`, of static shape and each
    image as on its own. Rows that fill up a batch of proposals are proposals like any other here: give them
    probabilities of background.
    """
    probabilities, deltas = number_tensor("probabilities", probabilities), number_tensor("deltas", deltas)
    delta_std = tf.constant(std_array("delta_std", delta_std), deltas.dtype)
    limit = whole_number("max_detections", max_detections, 0)
    unit_number("min_confidence", min_confidence)
    unit_number("iou_threshold", iou_threshold)
    of_one_or_many = refine_batch if probabilities.shape.rank == 3 else refine_one
    return of_one_or_many(proposals, probabilities, deltas * delta_std, window, min_confidence, iou_threshold, limit)


def refine_one(proposals, probabilities, deltas, window, min_confidence, iou_threshold, limit):
    """Return the `Detections` of one image; the deltas were multiplied by ``delta_std``."""
    proposals = boxes_tensor("proposals", proposals)
    check_classes(probabilities, deltas, (proposals.shape[0],))
    class_ids, scores, boxes = best_class(proposals, probabilities, deltas, window_tensor("window", window))
    keep = keep_per_class(boxes, scores, class_ids, min_confidence, iou_threshold, limit)
    count = tf.minimum(tf.reduce_sum(tf.cast(keep, tf.int32)), limit)
    ids = top_indices(scores_of_kept(scores, keep), limit)[:count]
    return Detections(tf.gather(boxes, ids), tf.gather(class_ids, ids), tf.gather(scores, ids), ids)


def refine_batch(proposals, probabilities, deltas, window, min_confidence, iou_threshold, limit):
    """Return the `BatchedDetections` of several images; the deltas were multiplied by ``delta_std``."""
    proposals = boxes_tensor("proposals", proposals, batched=True)
    check_classes(probabilities, deltas, tuple(proposals.shape.as_list()[:2]))
    windows = batch_windows(window, proposals.shape[0])
    class_ids, scores, boxes = best_class(proposals, probabilities, deltas, windows)

    def keep_of_image(boxes, scores, class_ids):
        return keep_per_class(boxes, scores, class_ids, min_confidence, iou_threshold, limit)

    keep = each_image(keep_of_image, (boxes, scores, class_ids), tf.TensorSpec(scores.shape[1:], tf.bool))  # (B, N)
    counts = tf.minimum(tf.reduce_sum(tf.cast(keep, tf.int64), axis=1), limit)
    ids = pad_rows(top_indices(scores_of_kept(scores, keep), limit), limit)  # (B, M)
    real = tf.range(limit, dtype=tf.int64) < counts[:, None]
    return BatchedDetections(
        pick_rows(boxes, ids, real),
        pick_rows(class_ids, ids, real),
        pick_rows(scores, ids, real),
        tf.where(real, ids, -1),
        counts,
    )


def check_classes(probabilities, deltas, leading):
    """Refuse shapes that do not fit the proposals' ``leading`` axes, or each other."""
    n_classes = shaped("probabilities", probabilities, (*leading, None)).shape[-1]
    if n_classes is not None:
        whole_number("the number of classes in probabilities", n_classes, 1)
    shaped("deltas", deltas, (*leading, n_classes, 4))


def batch_windows(window, n_images):
    """Return a window for each image, (B, 1, 4), or one for all, (4,)."""
    window = number_tensor("window", window)
    if window.shape.rank != 2:
        return window_tensor("window", window)
    return boxes_tensor("window", shaped("window", window, (n_images, 4)))[:, None]


def best_class(proposals, probabilities, deltas, window):
    """Return class, score and box, (..., N), (..., N) and (..., N, 4), of each proposal's most probable class."""
    class_ids = tf.argmax(probabilities, axis=-1, output_type=tf.int64)
    class_deltas = tf.gather(deltas, class_ids[..., None], batch_dims=class_ids.shape.rank)[..., 0, :]
    return class_ids, tf.reduce_max(probabilities, axis=-1), cut_boxes(move_boxes(proposals, class_deltas), window)


def keep_per_class(boxes, scores, class_ids, min_confidence, iou_threshold, limit):
    """Return which boxes of one image stay, (N,) bool, when only boxes of one class compete; class 0 goes.

    One class at a time. Moving each class to a place of its own would take a single suppression, but change the last
    digit of an IoU.
    """
    confident = (scores >= tf.cast(min_confidence, scores.dtype)) & (class_ids > 0)
    classes = tf.unique(tf.gather(class_ids, tf.where(confident)[:, 0])).y

    def suppress_next(number, keep):
        members = confident & (class_ids == classes[number])
        kept = suppress_members(boxes, scores, members, iou_threshold, limit)
        marks = tf.scatter_nd(kept[:, None], tf.ones_like(kept), tf.shape(class_ids, out_type=tf.int64))
        return number + 1, keep | tf.reshape(marks > 0, tf.shape(keep))

    start = (tf.constant(0), class_ids < 0)
    shapes = (tf.TensorShape([]), class_ids.shape)
    return tf.while_loop(lambda number, keep: number < tf.size(classes), suppress_next, start, shapes)[1]


def scores_of_kept(scores, keep):
    """Return the scores, with the lowest of all numbers for boxes that went."""
    return tf.where(keep, scores, tf.constant(float("-inf"), scores.dtype))
