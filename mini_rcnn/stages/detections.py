"""Detections: the proposals named, moved once more, and freed of the unsure and the double."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._check import boxes_array, number_array, shaped, std_array, unit_number, whole_number
from .boxes import clip_boxes, decode_deltas
from .nms import two_stage_nms
from .proposals import top_indices


class Detections(NamedTuple):
    """What the detector says, best first."""

    boxes: np.ndarray  # (N, 4), pixels of the network input
    class_ids: np.ndarray  # (N,), int64, never 0
    scores: np.ndarray  # (N,), probability of that class
    proposal_ids: np.ndarray  # (N,), the row of the proposal that each came from


def two_stage_nms_per_class(boxes, scores, class_ids, *, min_confidence, iou_threshold, max_boxes):
    """Return the indices that `two_stage_nms` leaves when only boxes of one class compete; class 0 goes.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)``.
    scores : ndarray of shape (N,), float
    class_ids : ndarray of shape (N,), int
        0 is background.
    min_confidence : float
        In [0, 1]. A lower score goes.
    iou_threshold : float
        In [0, 1]. Of two boxes *of one class* that overlap by more, the lower score goes.
    max_boxes : int
        At most so many stay, of each class.

    Returns
    -------
    indices : ndarray of shape (K,), int64
        Of the boxes that stay, among all N; ascending, not by score.

    Notes
    -----
    Two boxes of different classes may lie on each other: a lung can hold an opacity and a tube in one place. Girshick,
    *Fast R-CNN*, 2015, section 2.1: suppression "independently for each class". Matterport: ``nms_keep_map`` in
    ``mrcnn.model.refine_detections_graph``, run for each class that occurs.

    Examples
    --------
    >>> boxes = np.array([[0.0, 0, 8, 8], [0, 0, 8, 8], [0, 0, 8, 8]])
    >>> two_stage_nms_per_class(boxes, np.array([0.7, 0.8, 0.9]), np.array([1, 2, 2]), min_confidence=0.5,
    ...                         iou_threshold=0.5, max_boxes=10).tolist()
    [0, 2]
    """
    kept = [np.zeros(0, dtype=np.int64)]
    for class_id in np.unique(class_ids[class_ids > 0]):
        members = np.flatnonzero(class_ids == class_id)
        kept.append(
            members[
                two_stage_nms(
                    boxes[members],
                    scores[members],
                    min_confidence=min_confidence,
                    iou_threshold=iou_threshold,
                    max_boxes=max_boxes,
                )
            ]
        )
    return np.sort(np.concatenate(kept))


def refine_detections(
    proposals, probabilities, deltas, *, window, min_confidence, iou_threshold, max_detections, delta_std
):
    """Return the detections: each proposal's best class, its box moved for that class, filtered class by class.

    Parameters
    ----------
    proposals : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in pixels of the network input.
    probabilities : ndarray of shape (N, K), float
        Of each class, after softmax; class 0 is background.
    deltas : ndarray of shape (N, K, 4), float
        ``(dy, dx, log_dh, log_dw)`` for each class, in units of ``delta_std``.
    window : sequence of 4 numbers
        The part of the input that holds the image, without the padding, pixels: boxes are cut to it.
    min_confidence : float
        In [0, 1]. A lower score goes.
    iou_threshold : float
        In [0, 1]. Of two boxes of one class that overlap by more, the lower score goes.
    max_detections : int
        At most so many come out, of all classes together.
    delta_std : sequence of 4 positive numbers
        The deltas are multiplied by it.

    Returns
    -------
    detections : Detections
        ``boxes`` (M, 4) in pixels, ``class_ids`` (M,), ``scores`` (M,) and ``proposal_ids`` (M,), best first.

    Raises
    ------
    ValueError
        If shapes do not fit each other, a value is not finite or a number lies outside its range.

    Notes
    -----
    Fast R-CNN, section 2.1, inference as in Mask R-CNN, section 3.1. Matterport:
    ``mrcnn.model.refine_detections_graph``, in normalised coordinates and filled up with zeros.

    In this order: each proposal takes the class of its highest probability, that probability as its score, and the
    deltas of that class, times ``delta_std``; its box is moved by them (`decode_deltas`) and cut to the window; then
    `two_stage_nms_per_class`, with ``max_detections`` for each class; of all that stay, the ``max_detections`` of
    highest score come out, best first, of equal scores the lower row first. A proposal whose best class is background
    goes, however sure the second best is. A box that clipping left without area stays, there and here, until masks are
    made.

    Examples
    --------
    >>> proposals = np.array([[0.0, 0, 8, 8], [0, 1, 8, 9]])
    >>> probabilities = np.array([[0.1, 0.9], [0.7, 0.3]])
    >>> refine_detections(proposals, probabilities, np.zeros((2, 2, 4)), window=(0, 0, 6, 16), min_confidence=0.7,
    ...                   iou_threshold=0.3, max_detections=5, delta_std=(0.1, 0.1, 0.2, 0.2)).boxes
    array([[0., 0., 6., 8.]])
    """
    proposals = boxes_array("proposals", proposals)
    n_boxes = len(proposals)
    probabilities = shaped("probabilities", number_array("probabilities", probabilities), (n_boxes, None))
    n_classes = probabilities.shape[1]
    whole_number("the number of classes in probabilities", n_classes, 1)
    deltas = shaped("deltas", number_array("deltas", deltas), (n_boxes, n_classes, 4))
    delta_std = std_array("delta_std", delta_std).astype(deltas.dtype)
    limit = whole_number("max_detections", max_detections, 0)
    unit_number("min_confidence", min_confidence)
    unit_number("iou_threshold", iou_threshold)

    class_ids = probabilities.argmax(axis=1)  # (N,)
    scores = np.take_along_axis(probabilities, class_ids[:, None], axis=1)[:, 0]  # (N,)
    class_deltas = deltas[np.arange(n_boxes), class_ids]  # (N, 4)
    boxes = clip_boxes(decode_deltas(proposals, class_deltas * delta_std), window)
    kept = two_stage_nms_per_class(
        boxes, scores, class_ids, min_confidence=min_confidence, iou_threshold=iou_threshold, max_boxes=limit
    )
    kept = kept[top_indices(scores[kept], limit)]
    return Detections(boxes[kept], class_ids[kept], scores[kept], kept)
