"""The numbers of the bench for RoIAlign: one box on one feature map, read in several ways.

Boxes and points lie in cells of the map here: cell i reaches from i to i + 1 and its value stands at i + 0.5.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from mini_rcnn.stages.roi_align import crop_and_resize, neighbours_1d, roi_align, sampling_points_1d

# Dark blue over grey to yellow, ever brighter: read alike with every kind of colour blindness, and in grey.
STOPS = np.array([(0, 32, 76), (60, 77, 110), (124, 123, 120), (188, 175, 110), (255, 233, 69)], float)
ROI_POOL, CROP = "RoIPool (rounded)", "crop_and_resize"
ALWAYS = (("thirds", "max"), ("centres", "average"))  # ways of RoIAlign that are always shown


class Neighbours(NamedTuple):
    """What a point of a map reads: four cells, their weights and what comes out."""

    rows: np.ndarray  # (2,) int64
    columns: np.ndarray  # (2,) int64
    weights: np.ndarray  # (2, 2), rows by columns; sum to 1, or to 0 far outside the map
    values: np.ndarray  # (2, 2)
    value: float


def colours_of(values, low, high):
    """Return values (...) as colours (..., 3), uint8: dark blue at ``low`` and below, yellow at ``high`` and above.

    >>> colours_of(np.array([0.0, 1.0]), 0, 1).tolist()
    [[0, 32, 76], [255, 233, 69]]
    """
    share = np.clip((np.asarray(values, float) - low) / max(high - low, 1e-12), 0, 1)
    places = np.linspace(0, 1, len(STOPS))
    return np.stack([np.rint(np.interp(share, places, stop)) for stop in STOPS.T], axis=-1).astype(np.uint8)


def roi_pool(feature, box, *, output_size):
    """Return the maximum of the cells in each bin of a box that was rounded to whole cells: RoIPool.

    Parameters
    ----------
    feature : ndarray of shape (H, W), float
    box : (y1, x1, y2, x2)
        Cells, continuous.
    output_size : int
        Bins along each side.

    Returns
    -------
    pooled : ndarray of shape (output_size, output_size)
        0 for a bin outside the map.

    Notes
    -----
    Girshick, *Fast R-CNN*, 2015, section 2.1: the corners go to the nearest whole cell, at least one cell stays, and
    bin i of n takes the cells from ``floor(i * length / n)`` to ``ceil((i + 1) * length / n)``: rounded a second time.

    Examples
    --------
    >>> roi_pool(np.arange(16.0).reshape(4, 4), (0.6, 0.4, 3.3, 2.2), output_size=2)
    array([[4., 5.],
           [8., 9.]])
    """
    sides = rounded_box(box)
    bins = np.arange(output_size)
    spans = []
    for axis in (0, 1):
        cells = sides[axis + 2] - sides[axis]
        first = sides[axis] + np.floor(bins * cells / output_size)
        stop = sides[axis] + np.ceil((bins + 1) * cells / output_size)
        spans.append(np.clip(np.stack([first, stop], axis=1), 0, feature.shape[axis]).astype(int))  # (n, 2)
    pooled = np.zeros((output_size, output_size), feature.dtype)
    for i, (top, bottom) in enumerate(spans[0]):
        for j, (left, right) in enumerate(spans[1]):
            pooled[i, j] = feature[top:bottom, left:right].max() if bottom > top and right > left else 0
    return pooled


def rounded_box(box):
    """Return a box of cells rounded to whole ones, at least one a side, as RoIPool sees it."""
    sides = np.rint(np.asarray(box, float))
    return np.concatenate([sides[:2], np.maximum(sides[2:], sides[:2] + 1)])


def way_name(placement, pooling):
    """Return what a way of RoIAlign is called here."""
    return f"RoIAlign ({placement}, {pooling})"


def pooled_ways(feature, box, *, output_size, sampling_points, placement, pooling):
    """Return a box pooled in four ways, or in five if placement and pooling ask for one that is not among them.

    Parameters
    ----------
    feature : ndarray of shape (H, W), float
    box : (y1, x1, y2, x2)
        Cells, continuous.

    Returns
    -------
    grids : dict of str to ndarray of shape (output_size, output_size)
    """
    layer, boxes = feature[..., None], np.asarray(box, float)[None]
    grids = {
        ROI_POOL: roi_pool(feature, box, output_size=output_size),
        CROP: crop_and_resize(layer, boxes, output_size=output_size)[0, ..., 0],
    }
    for how in ALWAYS + (((placement, pooling),) if (placement, pooling) not in ALWAYS else ()):
        options = {"output_size": output_size, "sampling_points": sampling_points}
        pooled = roi_align(layer, boxes, placement=how[0], pooling=how[1], **options)
        grids[way_name(*how)] = pooled[0, ..., 0]
    return grids


def largest_difference(grids):
    """Return ``(amount, (row, column), name, other name)`` where two of the grids are furthest apart."""
    found = []
    for one, other in combinations(grids, 2):
        apart = np.abs(grids[one] - grids[other])
        place = np.unravel_index(int(apart.argmax()), apart.shape)
        found.append((float(apart[place]), (int(place[0]), int(place[1])), one, other))
    return max(found, key=lambda each: each[0])


def neighbours_of(feature, place):
    """Return the `Neighbours` of a point ``(y, x)`` in cells of a map (H, W)."""
    (rows, row_weights), (columns, column_weights) = (
        neighbours_1d(np.array(float(p)), length) for p, length in zip(place, feature.shape)
    )
    weights, values = np.outer(row_weights, column_weights), feature[np.ix_(rows, columns)]
    return Neighbours(rows, columns, weights, values, float((weights * values).sum()))


def sampling_axes(box, *, output_size, sampling_points, placement):
    """Return the rows and the columns of a box's sampling points, each of shape (output_size * sampling_points,)."""
    box = np.asarray(box, float)
    options = {"sampling_points": sampling_points, "placement": placement}
    return [sampling_points_1d(box[[a]], box[[a + 2]], output_size, **options).ravel() for a in (0, 1)]


def window_origin(box, window, side, old=None):
    """Return where a square window ``(y, x)`` on the input begins that holds a box; the old place if that still does.

    >>> window_origin((50, 60, 70, 90), 64, 128)
    (28.0, 43.0)
    >>> window_origin((50, 60, 70, 90), 64, 128, old=(20.0, 40.0))
    (20.0, 40.0)
    """
    box = np.asarray(box, float)
    if old is not None and (box[:2] >= old).all() and (box[2:] <= np.asarray(old) + window).all():
        return old
    return tuple(np.clip(np.rint((box[:2] + box[2:] - window) / 2), 0, side - window).tolist())


def window_colours(feature, origin, window, side):
    """Return the part of a map that a window on the input shows, a pixel for a pixel, (window, window, 3), uint8."""
    rows, columns = (
        ((np.arange(int(window)) + 0.5 + start) / side * length).astype(int).clip(0, length - 1)
        for start, length in zip(origin, feature.shape)
    )
    return colours_of(feature, feature.min(), feature.max())[rows[:, None], columns]
