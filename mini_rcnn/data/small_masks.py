"""Masks of boxes: painted on the image, and cut out of it to the small grid that the loss takes."""

from __future__ import annotations

import numpy as np

from mini_rcnn.stages._check import number_array, shaped

MASK_SIZE = 56  # Matterport's MINI_MASK_SHAPE; the loss later takes 28 by 28 out of it
ROUNDING = 1e-9  # of a sum of areas: exactly half is not more than half


def paint_boxes(boxes, size):
    """Return each box as a mask that fills it: a pixel is on if its middle lies inside.

    A box too thin for that gets the one row, or column, that its middle lies in, so that none vanishes.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in pixels of the image.
    size : int
        Pixels, side of the square.

    Returns
    -------
    masks : ndarray of shape (N, size, size), bool

    Examples
    --------
    >>> paint_boxes(np.array([[0.4, 1.0, 2.6, 1.2]]), 3)[0].astype(int).tolist()
    [[0, 1, 0], [0, 1, 0], [0, 1, 0]]
    """
    masks = np.zeros((len(boxes), size, size), dtype=bool)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes):
        mask[inside(y1, y2, size), inside(x1, x2, size)] = True
    return masks


def inside(low, high, size):
    """Return the slice of the pixels whose middles lie between two borders, at least one pixel of the image."""
    first, stop = int(np.ceil(low - 0.5)), int(np.ceil(high - 0.5))
    if stop <= first:
        first = int(np.floor((low + high) / 2))
        stop = first + 1
    first = min(max(first, 0), size - 1)
    return slice(first, min(max(stop, first + 1), size))


def boxes_of(masks):
    """Return the bounding box of each mask, (N, 4) float64: ``y2`` is one past the last row. No mask may be empty.

    >>> boxes_of(np.array([[[False, True, True], [False, False, True]]])).tolist()
    [[0.0, 1.0, 2.0, 3.0]]
    """
    boxes = np.zeros((len(masks), 4))
    for box, mask in zip(boxes, masks):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box[:] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return boxes


def coverage_weights(start, end, n_cells, pixels):
    """Return which part of each cell lies in each pixel, (n_cells, number of pixels).

    Parameters
    ----------
    start, end : float
        Between which the cells lie, in pixels.
    n_cells : int
    pixels : range
        Pixel i reaches from i to i + 1.

    Examples
    --------
    >>> coverage_weights(0.0, 3.0, 2, range(3)).round(3).tolist()
    [[0.667, 0.333, 0.0], [0.0, 0.333, 0.667]]
    """
    edges = start + np.arange(n_cells + 1) * ((end - start) / n_cells)
    left = np.arange(pixels.start, pixels.stop)
    overlap = np.minimum(edges[1:, None], left + 1) - np.maximum(edges[:-1, None], left)
    return np.maximum(overlap, 0) * (n_cells / (end - start))


def covered_parts(mask, box, size):
    """Return which part of each cell of a grid over a box a mask covers, (h, w) float64 in [0, 1].

    Parameters
    ----------
    mask : ndarray of shape (H, W), bool
    box : sequence of 4 numbers
        ``(y1, x1, y2, x2)`` in pixels of the mask, with an area.
    size : (h, w)
        Cells of the grid.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros(size)
    rows, columns = range(rows[0], rows[-1] + 1), range(columns[0], columns[-1] + 1)
    part = mask[rows.start : rows.stop, columns.start : columns.stop].astype(np.float64)
    down = coverage_weights(box[0], box[2], size[0], rows)
    return down @ part @ coverage_weights(box[1], box[3], size[1], columns).T


def cut_masks(masks, boxes, size=MASK_SIZE):
    """Return each mask cut to its box and brought to a small grid: a cell is on if more than half is covered.

    Parameters
    ----------
    masks : ndarray of shape (N, H, W), bool
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in pixels of the image, each with an area; they need not be whole.
    size : int, default 56

    Returns
    -------
    small : ndarray of shape (N, size, size), bool

    Raises
    ------
    ValueError
        If the shapes do not fit each other.

    Notes
    -----
    Exact areas, so a mask that fills its box fills the grid. `mini_rcnn.stages.masks.minimize_masks`, as Matterport,
    interpolates towards zeros around the box, which takes the corners off such a mask, and wants whole boxes.

    Examples
    --------
    >>> mask = np.zeros((1, 4, 4), dtype=bool)
    >>> mask[0, 1:3, 1:3] = True
    >>> cut_masks(mask, np.array([[1.0, 1.0, 3.0, 4.0]]), size=3)[0].astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [1, 1, 0]]
    """
    boxes = shaped("boxes", number_array("boxes", boxes).reshape(-1, 4), (len(masks), 4))
    small = np.zeros((len(masks), size, size), dtype=bool)
    for cells, mask, box in zip(small, masks, boxes):
        cells[:] = covered_parts(mask, box, (size, size)) > 0.5 + ROUNDING
    return small
