"""Proposals in TensorFlow: the twin of `mini_rcnn.stages.proposals`."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow.compat.v2 as tf

from mini_rcnn.stages._check import std_array, unit_number, whole_number
from mini_rcnn.stages.proposals import Proposals

from ._batch import each_image, pick_rows
from ._check import boxes_tensor, number_tensor, shaped, window_tensor
from .boxes import cut_boxes, move_boxes
from .nms import suppress_sorted, top_indices


class BatchedProposals(NamedTuple):
    """Proposals of B images, best first, filled up to M = ``max_proposals`` rows."""

    boxes: tf.Tensor  # (B, M, 4), pixels of the network input; zeros beyond the count
    scores: tf.Tensor  # (B, M), probability of being an object; zeros beyond the count
    anchor_ids: tf.Tensor  # (B, M), int64, the row of the anchor; -1 beyond the count
    counts: tf.Tensor  # (B,), int64, how many are real


def propose(objectness, deltas, anchors, *, window, pre_nms_limit, max_proposals, iou_threshold, delta_std):
    """Return the proposals of one image, or of a batch; see `mini_rcnn.stages.proposals.propose`.

    One image: ``objectness`` (A,) and ``deltas`` (A, 4) give `Proposals`. A batch: ``objectness`` (B, A) and ``deltas``
    (B, A, 4), with the same ``anchors`` (A, 4) and window for all, give `BatchedProposals`, of static shape and each
    image as on its own.
    """
    anchors = boxes_tensor("anchors", anchors)
    objectness, deltas = number_tensor("objectness", objectness), number_tensor("deltas", deltas)
    window = window_tensor("window", window)
    delta_std = tf.constant(std_array("delta_std", delta_std), deltas.dtype)
    pre_nms_limit = whole_number("pre_nms_limit", pre_nms_limit, 0)
    max_proposals = whole_number("max_proposals", max_proposals, 0)
    unit_number("iou_threshold", iou_threshold)
    of_one_or_many = propose_batch if objectness.shape.rank == 2 else propose_one
    return of_one_or_many(objectness, deltas, anchors, window, pre_nms_limit, max_proposals, iou_threshold, delta_std)


def propose_one(objectness, deltas, anchors, window, pre_nms_limit, max_proposals, iou_threshold, delta_std):
    """Return the `Proposals` of one image; the arguments were checked, but for their shapes."""
    objectness = shaped("objectness", objectness, (anchors.shape[0],))
    deltas = shaped("deltas", deltas, (anchors.shape[0], 4))
    best = top_indices(objectness, pre_nms_limit)
    moved = cut_boxes(move_boxes(tf.gather(anchors, best), tf.gather(deltas, best) * delta_std), window)
    kept = suppress_sorted(moved, iou_threshold, max_proposals)
    ids = tf.gather(best, kept)
    return Proposals(tf.gather(moved, kept), tf.gather(objectness, ids), ids)


def propose_batch(objectness, deltas, anchors, window, pre_nms_limit, max_proposals, iou_threshold, delta_std):
    """Return the `BatchedProposals` of several images; the arguments were checked, but for their shapes."""
    objectness = shaped("objectness", objectness, (None, anchors.shape[0]))
    deltas = shaped("deltas", deltas, (objectness.shape[0], anchors.shape[0], 4))
    best = top_indices(objectness, pre_nms_limit)  # (B, L)
    best_deltas = tf.gather(deltas, best, batch_dims=1) * delta_std  # (B, L, 4)
    moved = cut_boxes(move_boxes(tf.gather(anchors, best), best_deltas), window)  # (B, L, 4)

    def suppress(boxes):
        kept = suppress_sorted(boxes, iou_threshold, max_proposals)
        filled = tf.pad(kept, [[0, max_proposals - tf.shape(kept)[0]]])
        return tf.ensure_shape(filled, (max_proposals,)), tf.shape(kept, out_type=tf.int64)[0]

    result = (tf.TensorSpec((max_proposals,), tf.int64), tf.TensorSpec((), tf.int64))
    kept, counts = each_image(suppress, (moved,), result)  # (B, M), (B,)
    real = tf.range(max_proposals, dtype=tf.int64) < counts[:, None]  # (B, M)
    ids = pick_rows(best + 1, kept, real) - 1  # -1 where nothing is real
    return BatchedProposals(pick_rows(moved, kept, real), pick_rows(objectness, ids, real), ids, counts)
