"""Proposals: the best anchors, moved to where the network says, without duplicates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._check import boxes_array, rows_array, std_array, whole_number
from .boxes import clip_boxes, decode_deltas
from .nms import non_max_suppression


class Proposals(NamedTuple):
    """Where the second half of the network looks, best first."""

    boxes: np.ndarray  # (N, 4), pixels of the network input
    scores: np.ndarray  # (N,), probability of being an object
    anchor_ids: np.ndarray  # (N,), the row of the anchor that each came from


def top_indices(scores, limit):
    """Return the indices of the ``limit`` highest scores, best first, of equal ones the lower index first.

    >>> top_indices(np.array([0.1, 0.7, 0.7, 0.9]), 3).tolist()
    [3, 1, 2]
    """
    return np.argsort(-scores, kind="stable")[:limit]


def propose(objectness, deltas, anchors, *, window, pre_nms_limit, max_proposals, iou_threshold, delta_std):
    """Return the proposals: the best-scored anchors, moved by their deltas, clipped, without duplicates.

    Parameters
    ----------
    objectness : ndarray of shape (A,), float
        Probability that an anchor holds an object.
    deltas : ndarray of shape (A, 4), float
        ``(dy, dx, log_dh, log_dw)`` as the network puts them out, in units of ``delta_std``.
    anchors : ndarray of shape (A, 4), float
        ``(y1, x1, y2, x2)`` in pixels.
    window : sequence of 4 numbers
        Boxes are cut to it: the whole network input, pixels.
    pre_nms_limit : int
        So many of the best anchors go on to suppression.
    max_proposals : int
        At most so many come out.
    iou_threshold : float
        In [0, 1]; see `non_max_suppression`.
    delta_std : sequence of 4 positive numbers
        The deltas are multiplied by it: the network learned them divided by it.

    Returns
    -------
    proposals : Proposals
        ``boxes`` (N, 4) in pixels, ``scores`` (N,) and ``anchor_ids`` (N,), best first, N <= ``max_proposals``.

    Raises
    ------
    ValueError
        If shapes do not fit each other, a value is not finite or a number lies outside its range.

    Notes
    -----
    Faster R-CNN, section 3.1 and 3.3. Four steps: the ``pre_nms_limit`` anchors of the highest objectness (of equal
    ones the lower row goes first); each moved by its deltas times ``delta_std`` (`decode_deltas`) and cut to the window
    (`clip_boxes`); suppression among them (`non_max_suppression`); the best ``max_proposals`` of what stays.

    Matterport: ``mrcnn.model.ProposalLayer``, which fills up with rows of zeros to ``max_proposals``, has the 6,000 of
    ``pre_nms_limit`` fixed, and works in normalised coordinates, in which a box is
    one pixel shorter; `mini_rcnn.conventions` converts.

    Examples
    --------
    >>> anchors = np.array([[0.0, 0, 8, 8], [0, 1, 8, 9], [8, 8, 16, 16]])
    >>> found = propose(np.array([0.6, 0.9, 0.2]), np.zeros((3, 4)), anchors, window=(0, 0, 12, 12),
    ...                 pre_nms_limit=3, max_proposals=10, iou_threshold=0.5, delta_std=(0.1, 0.1, 0.2, 0.2))
    >>> found.boxes
    array([[ 0.,  1.,  8.,  9.],
           [ 8.,  8., 12., 12.]])
    >>> found.anchor_ids.tolist()
    [1, 2]
    """
    anchors = boxes_array("anchors", anchors)
    objectness = rows_array("objectness", objectness, len(anchors))
    deltas = rows_array("deltas", deltas, len(anchors), 4)
    delta_std = std_array("delta_std", delta_std).astype(deltas.dtype)
    best = top_indices(objectness, whole_number("pre_nms_limit", pre_nms_limit, 0))
    moved = clip_boxes(decode_deltas(anchors[best], deltas[best] * delta_std), window)
    limit = whole_number("max_proposals", max_proposals, 0)
    kept = non_max_suppression(moved, objectness[best], iou_threshold=iou_threshold, max_boxes=limit)
    return Proposals(moved[kept], objectness[best][kept], best[kept])
