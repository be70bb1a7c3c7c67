"""The boxes of a data folder, held against a configuration's anchors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mini_rcnn.data.rsna import IMAGE_SIZE, load_records
from mini_rcnn.stages.anchors import level_anchors
from mini_rcnn.stages.boxes import box_iou

from .findings import Finding

MOST = 1000  # boxes that are looked at: evenly spaced among all, which tells the share to a few hundredths
AT_ONCE = 50  # boxes


@dataclass(frozen=True)
class Truths:
    """The boxes of a data folder."""

    n_images: int
    n_boxed: int  # with at least one box
    most: int  # boxes on one image
    boxes: np.ndarray  # (N, 4) float, (y1, x1, y2, x2) in pixels of films of IMAGE_SIZE a side


def read_truths(folder):
    """Return the boxes of a folder in Kaggle's layout.

    Raises
    ------
    DataError
        If its tables are missing, cannot be read or contradict each other.
    """
    records = load_records(folder)
    counts = [len(record.boxes) for record in records]
    boxes = np.concatenate([np.zeros((0, 4)), *(record.boxes for record in records)])
    return Truths(len(records), sum(map(bool, counts)), max(counts, default=0), boxes)


def best_overlaps(boxes, size, *, scales, ratios, strides, anchor_stride=1):
    """Return the overlap of each box with the anchor that fits it best.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        Pixels of the network's input.
    size : int
        Of that input, pixels a side.
    scales : sequence of L floats
        A level each; levels without a scale have no anchors.
    ratios : sequence of R floats
    strides : sequence of at least L ints
    anchor_stride : int

    Returns
    -------
    overlaps : ndarray of shape (N,), float64
        0 where there are no anchors.

    Examples
    --------
    >>> best_overlaps(np.array([[-4.0, -4, 4, 4]]), 64, scales=[8, 16], ratios=[1], strides=[4, 8])
    array([1.])
    """
    best = np.zeros(len(boxes))
    for scale, stride in zip(scales, strides):
        side = -(-size // int(stride))
        anchors = level_anchors((side, side), scale=scale, ratios=ratios, stride=stride, anchor_stride=anchor_stride)
        for begin in range(0, len(boxes), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            best[part] = np.maximum(best[part], box_iou(boxes[part], anchors).max(axis=1))
    return best


def fit_finding(truths, size, anchors, *, iou, key, line=None):
    """Return how many boxes no anchor fits, as a list of one finding, or none where there are no boxes."""
    if not len(truths.boxes):
        return []
    every = -(-len(truths.boxes) // MOST)
    boxes = truths.boxes[::every] * (size / IMAGE_SIZE)
    sides = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    alone = int((best_overlaps(boxes, size, **anchors) < iou).sum())
    low, middle, high = np.quantile(sides, [0.02, 0.5, 0.98])
    text = (
        f"Of {len(boxes):,} boxes of the data {alone:,} ({alone / len(boxes):.0%}) overlap no anchor by {iou:g} or "
        f"more: they teach the proposals through their one best anchor alone. At {size} pixels boxes have sides of "
        f"{low:.0f} to {high:.0f} (middle 96 %), {middle:.0f} in the middle; scales are {tuple(anchors['scales'])}."
    )
    return [Finding("warning" if alone > len(boxes) / 2 else "note", key, text, line)]


def most_boxes_finding(truths, limit, key, line=None):
    """Return, as a list of one finding or none, that images have more boxes than are kept."""
    if truths.most <= limit:
        return []
    text = f"Images have up to {truths.most} boxes, and {limit} are kept: others are left out at random."
    return [Finding("warning", key, text, line, f"{key} = {truths.most}")]
