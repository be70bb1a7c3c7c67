"""Suppression on pairs: by hand, against a reading of the rule in plain loops, and bit by bit against the stage's."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_boxes

from mini_rcnn.exploring import pairs
from mini_rcnn.exploring.pairs import keep_by_pairs, overlapping_pairs, paired_iou, pairs_within, suppress_groups
from mini_rcnn.stages.boxes import box_iou


def whole_boxes(rng, count, dtype):
    """Return boxes on whole pixels, some without area, some twice: overlaps that are often equal."""
    boxes = np.rint(random_boxes(rng, count, extent=20)).astype(dtype)
    flat = rng.random(count) < 0.1
    boxes[flat, 2] = boxes[flat, 0]
    return np.concatenate([boxes, boxes[: count // 4]])


def by_the_rule(boxes, groups, threshold):
    """Return which boxes stay, one pair at a time; only the overlap is shared with the function."""
    iou, keep = box_iou(boxes, boxes), []
    for row in range(len(boxes)):
        rivals = [better for better in range(row) if keep[better] and groups[better] == groups[row]]
        keep.append(not any(iou[better, row] > boxes.dtype.type(threshold) for better in rivals))
    return np.array(keep, dtype=bool)


# 1. By hand.


def test_a_box_that_went_removes_nobody():
    boxes = np.array(
        [[0.0, 0, 10, 10], [0, 4, 10, 14], [0, 8, 10, 18]]
    )  # neighbours overlap by 6 / 14, the ends by 2 / 18
    groups = np.zeros(3, int)
    assert suppress_groups(boxes, groups, 0.4).tolist() == [True, False, True]
    assert suppress_groups(boxes, groups, 0.1).tolist() == [True, False, False]
    assert suppress_groups(boxes, groups, 6 / 14).tolist() == [True, True, True]  # equal is not more
    assert suppress_groups(boxes, np.array([0, 1, 1]), 0.4).tolist() == [True, True, False]


def test_boxes_without_area_stay():
    boxes = np.array([[1.0, 1, 1, 5], [1, 1, 1, 5], [0, 0, 9, 9]])
    assert suppress_groups(boxes, np.zeros(3, int), 0.0).all()


def test_nothing():
    none = np.zeros((0, 4))
    assert suppress_groups(none, np.zeros(0, int), 0.5).shape == (0,)
    assert [len(part) for part in overlapping_pairs(none, 0.3)] == [0, 0, 0]
    assert keep_by_pairs(np.zeros(0, int), np.zeros(0, int), 0).shape == (0,)
    assert paired_iou(none, none).shape == (0,)


# 2. Properties.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_very_overlaps_of_the_stage(rng, dtype):
    boxes = np.concatenate([random_boxes(rng, 60, dtype=dtype), whole_boxes(rng, 60, dtype)])
    first, second = (part.ravel() for part in np.indices((len(boxes), len(boxes))))
    np.testing.assert_array_equal(paired_iou(boxes[first], boxes[second]), box_iou(boxes, boxes).ravel())
    assert paired_iou(boxes, boxes).dtype == dtype


@pytest.mark.parametrize("block", [1, 40, 1 << 20])
def test_pairs_of_a_group(rng, monkeypatch, block):
    monkeypatch.setattr(pairs, "BLOCK_PAIRS", block)
    groups = np.sort(rng.integers(0, 9, 60))
    found = [pair for part in pairs_within(groups) for pair in zip(*(rows.tolist() for rows in part))]
    assert found == [(i, j) for i in range(60) for j in range(i + 1, 60) if groups[i] == groups[j]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 1 / 3, 0.5, 0.7, 0.999, 1.0])
def test_as_the_rule_says(rng, monkeypatch, dtype, threshold):
    monkeypatch.setattr(pairs, "BLOCK_PAIRS", 500)
    boxes = whole_boxes(rng, 120, dtype)
    groups = np.sort(rng.integers(0, 6, len(boxes)))
    np.testing.assert_array_equal(suppress_groups(boxes, groups, threshold), by_the_rule(boxes, groups, threshold))


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.75])
def test_pairs_found_once_serve_higher_thresholds(rng, threshold):
    boxes = whole_boxes(rng, 150, "float32")
    first, second, iou = overlapping_pairs(boxes, 0.3)
    over = iou > np.float32(threshold)
    keep = keep_by_pairs(first[over], second[over], len(boxes))
    np.testing.assert_array_equal(keep, by_the_rule(boxes, np.zeros(len(boxes), int), threshold))
    assert 1 < keep.sum() < len(boxes)
