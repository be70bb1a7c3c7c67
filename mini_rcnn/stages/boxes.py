"""Boxes: how much two overlap, how one is written relative to another, how one is cut to a window.

A box is ``(y1, x1, y2, x2)`` in continuous pixels: from 2 to 5 is 3 long, with no ``+ 1``. Integers count as
float64; a float dtype that comes in is the dtype that goes out.
"""

from __future__ import annotations

import numpy as np

from ._check import boxes_array, rows_array, shaped, window_array


def box_areas(boxes):
    """Return the area of each box.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        Corners ``(y1, x1, y2, x2)`` in pixels.

    Returns
    -------
    areas : ndarray of shape (N,)
        Square pixels; 0 for a box without height or width.

    Raises
    ------
    ValueError
        If the boxes are not of shape (N, 4), not finite or inverted.

    Notes
    -----
    ``(y2 - y1) * (x2 - x1)``: coordinates are continuous, no pixel is counted. Matterport works areas out where it
    needs them, the same way (``mrcnn.utils.compute_overlaps``).

    Examples
    --------
    >>> box_areas(np.array([[2.0, 1.0, 5.0, 3.0]]))
    array([6.])
    """
    boxes = boxes_array("boxes", boxes)
    heights, widths = (boxes[:, 2:] - boxes[:, :2]).T  # each (N,)
    return heights * widths


def box_iou(boxes_a, boxes_b):
    """Return the intersection over union of every pair of boxes.

    Parameters
    ----------
    boxes_a : ndarray of shape (N, 4), float
        Corners ``(y1, x1, y2, x2)`` in pixels, ``y1 <= y2`` and ``x1 <= x2``.
    boxes_b : ndarray of shape (M, 4), float

    Returns
    -------
    iou : ndarray of shape (N, M)
        Values in [0, 1]; 0 where both boxes have no area.

    Raises
    ------
    ValueError
        If an array is not of shape (?, 4), not finite, or holds an inverted box.

    Notes
    -----
    ``iou = |A & B| / |A | B|``, Everingham et al., IJCV 2010, section 4.2. Boxes that only touch do not overlap.
    Matterport: ``mrcnn.utils.compute_overlaps``, which divides 0 by 0 where neither box has an area.

    Examples
    --------
    >>> box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 1, 2, 3], [4, 4, 5, 5]]))
    array([[0.33333333, 0.        ]])
    """
    boxes_a, boxes_b = boxes_array("boxes_a", boxes_a), boxes_array("boxes_b", boxes_b)
    y1, x1, y2, x2 = boxes_a.T[:, :, None]  # each (N, 1), to meet each (M,) below
    height = np.minimum(y2, boxes_b[:, 2]) - np.maximum(y1, boxes_b[:, 0])  # (N, M)
    width = np.minimum(x2, boxes_b[:, 3]) - np.maximum(x1, boxes_b[:, 1])
    intersection = np.maximum(height, 0) * np.maximum(width, 0)
    union = box_areas(boxes_a)[:, None] + box_areas(boxes_b) - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def encode_deltas(boxes, targets):
    """Return the deltas that move and stretch each box onto its target.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        Where from, such as anchors, in pixels. No box may have a side of length 0.
    targets : ndarray of shape (N, 4), float
        Where to, row by row, in the same pixels. Here, too, no side of length 0.

    Returns
    -------
    deltas : ndarray of shape (N, 4)
        ``(dy, dx, log_dh, log_dw)``.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or a box has a side of length 0 (its logarithm is not finite).

    Notes
    -----
    ``dy = (cy* - cy) / h`` and ``log_dh = log(h* / h)``, with ``*`` for the target and ``c`` for a centre; the same
    for x and w. Girshick et al., R-CNN (2014), appendix C; Faster R-CNN, equation 2. Matterport:
    ``mrcnn.utils.box_refinement``, in float32 only, and without the check on empty sides.

    Examples
    --------
    >>> encode_deltas(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 15, 10]]))
    array([[0.5, 0. , 0. , 0. ]])
    """
    boxes = boxes_array("boxes", boxes)
    targets = shaped("targets", boxes_array("targets", targets), (len(boxes), 4))
    sizes, target_sizes = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]  # (N, 2): height, width
    for name, sides in (("boxes", sizes), ("targets", target_sizes)):
        if (sides == 0).any():
            row = int(np.flatnonzero((sides == 0).any(axis=1))[0])
            raise ValueError(
                f"{name} must have height and width > 0 to be encoded, got {sides[row].tolist()} in row {row}"
            )
    shift = (targets[:, :2] + 0.5 * target_sizes - (boxes[:, :2] + 0.5 * sizes)) / sizes
    return np.concatenate([shift, np.log(target_sizes / sizes)], axis=1)


def decode_deltas(boxes, deltas):
    """Return the boxes moved and stretched by their deltas.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        Corners ``(y1, x1, y2, x2)`` in pixels.
    deltas : ndarray of shape (N, 4), float
        ``(dy, dx, log_dh, log_dw)`` for each box.

    Returns
    -------
    moved : ndarray of shape (N, 4)
        In the pixels of ``boxes``.

    Raises
    ------
    ValueError
        If the shapes are wrong, a value is not finite, or ``exp`` of a delta is larger than its dtype can hold.

    Notes
    -----
    The inverse of `encode_deltas`: ``cy* = cy + dy * h`` and ``h* = h * exp(log_dh)``. Faster R-CNN, equation 2.
    Matterport: ``mrcnn.utils.apply_box_deltas``; neither there nor here is ``log_dh`` bounded, as later detectors do.

    Examples
    --------
    >>> decode_deltas(np.array([[0.0, 0, 10, 10]]), np.array([[0.5, 0.0, 0.0, np.log(2)]]))
    array([[ 5., -5., 15., 15.]])
    """
    boxes = boxes_array("boxes", boxes)
    deltas = rows_array("deltas", deltas, len(boxes), 4)
    sizes = boxes[:, 2:] - boxes[:, :2]  # (N, 2): height, width
    centres = boxes[:, :2] + 0.5 * sizes + deltas[:, :2] * sizes
    with np.errstate(over="ignore", invalid="ignore"):
        new_sizes = sizes * np.exp(deltas[:, 2:])
    if not np.isfinite(new_sizes).all():
        raise ValueError(
            f"deltas must have an exp() that {new_sizes.dtype} can hold, got log_dh, log_dw up to {deltas[:, 2:].max()}"
        )
    corners = centres - 0.5 * new_sizes
    return np.concatenate([corners, corners + new_sizes], axis=1)


def clip_boxes(boxes, window):
    """Return the boxes cut to a window.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        Corners ``(y1, x1, y2, x2)`` in pixels.
    window : sequence of 4 numbers
        ``(y1, x1, y2, x2)`` in the same pixels.

    Returns
    -------
    clipped : ndarray of shape (N, 4)
        A box outside the window becomes a box without area on the window's border; it is not removed.

    Raises
    ------
    ValueError
        If the shapes are wrong, a value is not finite, or a box or the window is inverted.

    Notes
    -----
    Matterport: ``mrcnn.model.clip_boxes_graph``.

    Examples
    --------
    >>> clip_boxes(np.array([[-3.0, 2, 9, 20]]), (0, 0, 8, 8))
    array([[0., 2., 8., 8.]])
    """
    boxes = boxes_array("boxes", boxes)
    window = window_array("window", window).astype(boxes.dtype)
    return np.clip(boxes, np.tile(window[:2], 2), np.tile(window[2:], 2))
