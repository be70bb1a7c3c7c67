"""Non-maximum suppression: of boxes that mark the same thing, the best one stays."""

from __future__ import annotations

import numpy as np

from ._check import boxes_array, rows_array, unit_number, whole_number
from .boxes import box_iou

BLOCK = 256  # boxes compared at a time: large enough to be quick in NumPy, small enough for the processor's cache


def keep_greedily(overlaps, iou_threshold):
    """Return which boxes stay when each one, best first, removes those that overlap it too much.

    Parameters
    ----------
    overlaps : ndarray of shape (N, N), float
        IoU of every pair; row and column 0 belong to the box with the best score, and so on down.
    iou_threshold : float
        A box goes if its IoU with a better box *that stays* is greater than this; equal is not greater.

    Returns
    -------
    keep : ndarray of shape (N,), bool

    Notes
    -----
    Felzenszwalb et al., PAMI 2010, section 3.4. A box that was removed removes nobody: that is what makes it greedy,
    and different from taking away every box that overlaps a better one.

    Examples
    --------
    >>> overlaps = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.7], [0.0, 0.7, 1.0]])
    >>> keep_greedily(overlaps, 0.5).tolist()
    [True, False, True]
    """
    keep = np.ones(len(overlaps), dtype=bool)
    for best in range(len(overlaps)):
        if keep[best]:
            keep[best + 1 :] &= overlaps[best, best + 1 :] <= iou_threshold
    return keep


def non_max_suppression(boxes, scores, *, iou_threshold, max_boxes=None):
    """Return the indices of the boxes that stay, best score first.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        Corners ``(y1, x1, y2, x2)`` in pixels.
    scores : ndarray of shape (N,), float
        Higher is better. Of equal scores the lower index goes first.
    iou_threshold : float
        In [0, 1]. A box goes if its IoU with a better one that stays is greater than this.
    max_boxes : int, optional
        Stop when so many stay; None is no limit.

    Returns
    -------
    indices : ndarray of shape (K,), int64
        Rows of ``boxes``, best score first.

    Raises
    ------
    ValueError
        If the shapes are wrong, a value is not finite, a box is inverted or the threshold lies outside [0, 1].

    Notes
    -----
    The order of work is by blocks of boxes, best block first: a block is held against what stays so far, then against
    itself with `keep_greedily`. The result is the same as one box at a time. Matterport:
    ``tf.image.non_max_suppression``, and ``mrcnn.utils.non_max_suppression``, which takes the *higher* index first
    among equal scores. TensorFlow 1.15's, which Matterport runs on, takes ties in no order at all, removes at an IoU of
    the threshold itself, and repeats a box without area until all places are taken (`mini_rcnn.conventions`); here
    boxes without area overlap nothing, so each stays, once.

    Examples
    --------
    >>> boxes = np.array([[0.0, 0, 10, 10], [0, 1, 10, 11], [20, 20, 30, 30]])
    >>> non_max_suppression(boxes, np.array([0.8, 0.9, 0.3]), iou_threshold=0.5).tolist()
    [1, 2]
    """
    boxes = boxes_array("boxes", boxes)
    scores = rows_array("scores", scores, len(boxes))
    unit_number("iou_threshold", iou_threshold)
    limit = len(boxes) if max_boxes is None else whole_number("max_boxes", max_boxes, 0)
    iou_threshold = boxes.dtype.type(iou_threshold)  # so that equal is equal in float32, too
    order = np.argsort(-scores, kind="stable")
    kept = np.zeros(0, dtype=np.int64)
    for start in range(0, len(order), BLOCK):
        if len(kept) >= limit:
            break
        block = order[start : start + BLOCK]
        block = block[(box_iou(boxes[block], boxes[kept]) <= iou_threshold).all(axis=1)]
        block = block[keep_greedily(box_iou(boxes[block], boxes[block]), iou_threshold)]
        kept = np.concatenate([kept, block])
    return kept[:limit]


def two_stage_nms(boxes, scores, *, min_confidence, iou_threshold, max_boxes=None):
    """Return the indices of the boxes that pass both filters, best score first.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        Corners ``(y1, x1, y2, x2)`` in pixels.
    scores : ndarray of shape (N,), float
        Confidence of each box.
    min_confidence : float
        In [0, 1]. First filter: a box with a lower score goes; an equal one stays.
    iou_threshold : float
        In [0, 1]. Second filter: a box goes if its IoU with a better one that stays is greater than this.
    max_boxes : int, optional
        Stop when so many stay; None is no limit.

    Returns
    -------
    indices : ndarray of shape (K,), int64
        Rows of ``boxes``, best score first.

    Raises
    ------
    ValueError
        As `non_max_suppression`; also if ``min_confidence`` lies outside [0, 1].

    Notes
    -----
    The two thresholds pull in opposite directions: *raising* ``min_confidence`` leaves fewer boxes, *raising*
    ``iou_threshold`` leaves more (a removed box must overlap by more). Matterport:
    ``mrcnn.model.refine_detections_graph``, there called DETECTION_MIN_CONFIDENCE and DETECTION_NMS_THRESHOLD.

    Examples
    --------
    >>> boxes = np.array([[0.0, 0, 10, 10], [0, 1, 10, 11], [20, 20, 30, 30]])
    >>> scores = np.array([0.8, 0.9, 0.3])
    >>> two_stage_nms(boxes, scores, min_confidence=0.5, iou_threshold=0.5).tolist()
    [1]
    """
    boxes = boxes_array("boxes", boxes)
    scores = rows_array("scores", scores, len(boxes))
    unit_number("min_confidence", min_confidence)
    confident = np.flatnonzero(scores >= scores.dtype.type(min_confidence))
    kept = non_max_suppression(boxes[confident], scores[confident], iou_threshold=iou_threshold, max_boxes=max_boxes)
    return confident[kept]
