"""Suppression on pairs: the overlaps that can matter are found once, and thresholds are applied to them.

The results are those of `mini_rcnn.stages.nms`, bit by bit; only the work is laid out for many thresholds, or for many
small sets of boxes at once.
"""

from __future__ import annotations

import numpy as np

from mini_rcnn.stages.boxes import box_iou

BLOCK_PAIRS = 1 << 20  # pairs that are held at a time


def paired_iou(boxes_a, boxes_b):
    """Return the intersection over union of two boxes row by row.

    Parameters
    ----------
    boxes_a, boxes_b : ndarray of shape (N, 4), float
        Corners ``(y1, x1, y2, x2)`` in pixels; checked before.

    Returns
    -------
    iou : ndarray of shape (N,)
        The very numbers of `mini_rcnn.stages.boxes.box_iou`, in its dtype: the same operations in the same order.

    Examples
    --------
    >>> paired_iou(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 1, 2, 3]]))
    array([0.33333333])
    """
    height = np.minimum(boxes_a[:, 2], boxes_b[:, 2]) - np.maximum(boxes_a[:, 0], boxes_b[:, 0])
    width = np.minimum(boxes_a[:, 3], boxes_b[:, 3]) - np.maximum(boxes_a[:, 1], boxes_b[:, 1])
    intersection = np.maximum(height, 0) * np.maximum(width, 0)
    areas_a, areas_b = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (boxes_a, boxes_b))
    union = areas_a + areas_b - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def overlapping_pairs(boxes, above):
    """Return which boxes overlap which later ones by more than a share, and by how much.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)``, best first.
    above : float

    Returns
    -------
    first, second : ndarray of shape (P,), int32
        Rows, ``first < second``; ascending by ``first``.
    iou : ndarray of shape (P,), float, as the boxes

    Examples
    --------
    >>> boxes = np.array([[0.0, 0, 2, 2], [8, 8, 9, 9], [0, 0, 2, 1]])
    >>> [part.tolist() for part in overlapping_pairs(boxes, 0.3)]
    [[0], [2], [0.5]]
    """
    iou = box_iou(boxes, boxes)
    first, second = np.nonzero(np.triu(iou > iou.dtype.type(above), 1))
    return first.astype(np.int32), second.astype(np.int32), iou[first, second]


def keep_by_pairs(first, second, n_boxes):
    """Return which boxes stay when each one, best first, removes its partners.

    Parameters
    ----------
    first, second : ndarray of shape (P,), int
        Pairs that overlap too much, ``first`` better than ``second``; ascending by ``first``.
    n_boxes : int
        N.

    Returns
    -------
    keep : ndarray of shape (N,), bool

    Notes
    -----
    `mini_rcnn.stages.nms.keep_greedily` on a sparse matrix: a box that was removed removes nobody.

    Examples
    --------
    >>> keep_by_pairs(np.array([0, 1]), np.array([1, 2]), 3).tolist()
    [True, False, True]
    """
    keep = np.ones(n_boxes, dtype=bool)
    starts = np.flatnonzero(np.diff(first, prepend=-1))
    ends = np.append(starts[1:], len(first))
    for row, start, end in zip(first[starts].tolist(), starts.tolist(), ends.tolist()):
        if keep[row]:
            keep[second[start:end]] = False
    return keep


def pairs_within(groups):
    """Yield the pairs of rows that are of the same group, some at a time.

    Parameters
    ----------
    groups : ndarray of shape (N,), int
        Ascending.

    Yields
    ------
    first, second : ndarray of shape (P,), int64
        ``first < second``; ascending by ``first``, over all that is yielded. No group is yielded in two parts.

    Examples
    --------
    >>> [(first.tolist(), second.tolist()) for first, second in pairs_within(np.array([3, 3, 3, 7, 9, 9]))]
    [([0, 0, 1, 4], [1, 2, 2, 5])]
    """
    later = np.searchsorted(groups, groups, side="right") - np.arange(len(groups)) - 1  # of the same group
    begins = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
    before = np.concatenate([[0], np.cumsum(later)])  # pairs before each row
    block = before[begins] // BLOCK_PAIRS  # of each group
    edges = np.append(begins[np.flatnonzero(np.diff(block, prepend=-1))], len(groups))
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist()):
        counts = later[start:end]
        first = np.repeat(np.arange(start, end), counts)
        step = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
        yield first, first + 1 + step


def suppress_groups(boxes, groups, iou_threshold):
    """Return which boxes stay when only those of one group compete.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)``; within a group best first.
    groups : ndarray of shape (N,), int
        Ascending.
    iou_threshold : float
        In [0, 1]. A box goes if its IoU with a better one that stays is greater than this.

    Returns
    -------
    keep : ndarray of shape (N,), bool
        As `mini_rcnn.stages.nms.non_max_suppression` on each group for itself.

    Examples
    --------
    >>> boxes = np.array([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2]])
    >>> suppress_groups(boxes, np.array([0, 0, 1]), 0.5).tolist()
    [True, False, True]
    """
    keep = np.ones(len(boxes), dtype=bool)
    if iou_threshold == 1:  # no IoU is greater
        return keep
    threshold = boxes.dtype.type(iou_threshold)  # so that equal is equal in float32, too
    for first, second in pairs_within(groups):
        over = paired_iou(boxes[first], boxes[second]) > threshold
        keep &= keep_by_pairs(first[over], second[over], len(boxes))
    return keep
