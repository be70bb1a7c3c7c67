"""How well anchors fit the truth, for settings that are moved: the best anchor of each true box, and no others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.stages._check import boxes_array, whole_number
from mini_rcnn.stages.anchors import level_anchors, positive_list

from .pairs import paired_iou


class Fits(NamedTuple):
    """The best anchor of each true box."""

    boxes: np.ndarray  # (M, 4) float64: the anchors, pixels of the network input; zeros where there is none
    iou: np.ndarray  # (M,) float64
    level: np.ndarray  # (M,) int64: place in ``strides``; -1 where there is no anchor at all


class Level(NamedTuple):
    """What one level of the pyramid has to score, and with what."""

    stride: int
    cells: int  # anchored ones, a side
    scale: float | None  # None: there is no scale for it
    scores: int  # that the network puts out; 0 for a level that is off
    anchors: int  # that there are for them


def pyramid_levels(image_size, *, scales, ratios, strides, on, anchor_stride=1):
    """Return what each level has, and what it lacks where there are fewer scales than strides.

    Parameters
    ----------
    image_size : int
        Pixels a side.
    scales, ratios, strides, anchor_stride
        As of `mini_rcnn.stages.anchors.pyramid_anchors`, except that scales may be fewer than strides: then the last
        levels go without, as in Matterport.
    on : sequence of bool
        One a stride, whether the network has that level.

    Returns
    -------
    levels : list of Level

    Raises
    ------
    ValueError
        If there are more scales than strides.

    Examples
    --------
    >>> four = {"scales": (32, 64, 128, 256), "ratios": (0.5, 1, 2), "strides": (4, 8, 16, 32, 64)}
    >>> levels = pyramid_levels(256, on=[True] * 5, **four)
    >>> sum(level.scores for level in levels), sum(level.anchors for level in levels)
    (16368, 16320)
    """
    if len(scales) > len(strides):
        raise ValueError(f"scales must be one for each stride: got {len(scales)} scales for {len(strides)} strides")
    levels = []
    for place, (stride, is_on) in enumerate(zip(strides, on)):
        cells = anchored_cells(image_size, stride, anchor_stride)
        scale = scales[place] if place < len(scales) else None
        scores = cells * cells * len(ratios) if is_on else 0
        levels.append(Level(stride, cells, scale, scores, scores if scale is not None else 0))
    return levels


def anchored_cells(image_size, stride, anchor_stride):
    """Return how many cells a side have anchors: both divisions round up."""
    cells = -(-image_size // stride)
    return -(-cells // anchor_stride)


def best_anchors(truths, *, image_size, scales, ratios, strides, on=None, anchor_stride=1):
    """Return the best anchor of each true box.

    Parameters
    ----------
    truths : ndarray of shape (M, 4), float
        ``(y1, x1, y2, x2)`` in pixels of the network input.
    image_size : int
        Pixels a side.
    scales, ratios, strides, anchor_stride
        As of `mini_rcnn.stages.anchors.pyramid_anchors`, except that scales may be fewer than strides: then the last
        levels go without, as in Matterport.
    on : sequence of bool, optional
        One a stride, whether the network has that level; all by default.

    Returns
    -------
    fits : Fits
        ``fits.iou`` is ``box_iou(pyramid_anchors(...), truths).max(axis=0)``, to the last digit or two.

    Notes
    -----
    Of anchors of one shape, the one whose centre is nearest shares most with a box, along each axis for itself; and as
    all of them have one area, it has the largest IoU, too. So one anchor a shape is compared, and not thousands: three
    thousand films take milliseconds.

    Examples
    --------
    >>> truth = np.array([[40.0, 40, 80, 80]])
    >>> fits = best_anchors(truth, image_size=128, scales=(16, 40), ratios=[1], strides=(4, 8))
    >>> fits.boxes.tolist(), fits.iou.round(3).tolist(), fits.level.tolist()
    ([[36.0, 36.0, 76.0, 76.0]], [0.681], [1])
    """
    truths = boxes_array("truths", truths).astype(np.float64)
    scales, ratios = positive_list("scales", scales), positive_list("ratios", ratios)
    size, step = whole_number("image_size", image_size, 1), whole_number("anchor_stride", anchor_stride, 1)
    fits = Fits(np.zeros((len(truths), 4)), np.zeros(len(truths)), np.full(len(truths), -1))
    centres = 0.5 * (truths[:, :2] + truths[:, 2:])  # (M, 2)
    for level, (scale, stride) in enumerate(zip(scales, strides)):
        if on is not None and not on[level]:
            continue
        cells = anchored_cells(size, whole_number("strides", stride, 1), step)
        nearest = np.ceil(centres / (stride * step) - 0.5)  # (M, 2); of two as near the lower
        nearest = np.clip(nearest, 0, cells - 1) * (stride * step)
        for shape in level_anchors((1, 1), scale=scale, ratios=ratios, stride=stride):
            anchors = np.tile(nearest, 2) + shape  # (M, 4)
            iou = paired_iou(anchors, truths)
            better = (iou > fits.iou) | (fits.level < 0)
            fits.boxes[better], fits.iou[better], fits.level[better] = anchors[better], iou[better], level
    return fits


def recall_at(iou, thresholds):
    """Return the share of true boxes whose best anchor overlaps them by at least each threshold; NaN without any.

    Examples
    --------
    >>> recall_at(np.array([0.4, 0.5, 0.8]), [0.5, 0.7]).round(2).tolist()
    [0.67, 0.33]
    """
    thresholds = np.asarray(thresholds, dtype=float)
    if not len(iou):
        return np.full(len(thresholds), np.nan)
    return 1 - np.searchsorted(np.sort(iou), thresholds, side="left") / len(iou)
