"""Non-maximum suppression, in NumPy and TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_boxes
from test_boxes import slow_iou

DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])


def slow_nms(boxes, scores, threshold):
    """Return what stays, box by box: the definition, on Python numbers."""
    left = sorted(range(len(boxes)), key=lambda index: (-scores[index], index))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [other for other in left if slow_iou(boxes[best], boxes[other]) <= threshold]
    return kept


def crowd(rng, count, dtype="float64"):
    """Return boxes and scores, many equal; whole numbers, so that an IoU comes out the same anywhere."""
    boxes = np.round(random_boxes(rng, count, extent=40)).astype(dtype)
    return boxes, rng.choice(np.linspace(0, 1, 9), count).astype(dtype)


# 1. Worked out on paper.


@DTYPES
def test_nms_by_hand(stage, dtype):
    boxes = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [20, 20, 30, 30], [0, 5, 10, 15]], dtype=dtype)
    scores = np.array([0.8, 0.9, 0.3, 0.7], dtype=dtype)
    got = stage("nms.non_max_suppression")(boxes, scores, iou_threshold=0.5)  # IoU 9 / 11, then 6 / 14
    np.testing.assert_array_equal(got, [1, 3, 2])
    assert got.dtype == np.int64


def test_a_removed_box_removes_nobody(stage):
    overlaps = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.7], [0.0, 0.7, 1.0]])
    np.testing.assert_array_equal(stage("nms.keep_greedily")(overlaps, 0.5), [True, False, True])


def test_a_long_chain_of_removals(stage):
    overlaps = np.eye(9) + np.diag(np.full(8, 0.9), 1) + np.diag(np.full(8, 0.9), -1)
    np.testing.assert_array_equal(stage("nms.keep_greedily")(overlaps, 0.5), [True, False] * 4 + [True])


@DTYPES
@pytest.mark.parametrize("threshold, kept", [(0.5, [0, 1]), (0.49, [0]), (1, [0, 1]), (0, [0])])
def test_an_iou_equal_to_the_threshold_stays(stage, dtype, threshold, kept):
    boxes = np.array([[0, 0, 2, 2], [0, 0, 1, 2]], dtype=dtype)  # IoU exactly 1 / 2
    got = stage("nms.non_max_suppression")(boxes, np.array([0.9, 0.8], dtype=dtype), iou_threshold=threshold)
    np.testing.assert_array_equal(got, kept)


@DTYPES
def test_a_third_is_a_third_in_every_dtype(eager_stage, dtype):
    boxes = np.array([[0, 0, 2, 2], [0, 1, 2, 3]], dtype=dtype)  # IoU 1 / 3, which no dtype holds exactly
    got = eager_stage("nms.non_max_suppression")(boxes, np.array([0.9, 0.8], dtype=dtype), iou_threshold=1 / 3)
    np.testing.assert_array_equal(got, [0, 1])


@DTYPES
def test_identical_boxes(eager_stage, dtype):
    boxes = np.array([[1, 1, 3, 3]] * 4, dtype=dtype)
    scores = np.array([0.2, 0.7, 0.7, 0.1], dtype=dtype)
    for threshold, kept in ((0, [1]), (0.5, [1]), (1, [1, 2, 0, 3])):
        got = eager_stage("nms.non_max_suppression")(boxes, scores, iou_threshold=threshold)
        np.testing.assert_array_equal(got, kept)


@DTYPES
@pytest.mark.parametrize("threshold", [0, 0.5, 1])
def test_boxes_without_area_all_stay(stage, dtype, threshold):
    boxes = np.array([[1, 1, 1, 1], [0, 0, 2, 2], [1, 1, 1, 1], [1, 0, 1, 2], [3, 3, 4, 4]], dtype=dtype)
    scores = np.array([0.5, 0.9, 0.5, 0.6, 0.1], dtype=dtype)
    got = stage("nms.non_max_suppression")(boxes, scores, iou_threshold=threshold)
    np.testing.assert_array_equal(got, [1, 3, 0, 2, 4])


@DTYPES
def test_boxes_that_touch_stay_at_threshold_0(eager_stage, dtype):
    boxes = np.array([[0, 0, 1, 1], [0, 1, 1, 2], [0, 0.5, 1, 1.5]], dtype=dtype)
    got = eager_stage("nms.non_max_suppression")(boxes, np.array([0.9, 0.8, 0.7], dtype=dtype), iou_threshold=0)
    np.testing.assert_array_equal(got, [0, 1])


@DTYPES
def test_two_stages_by_hand(stage, dtype):
    boxes = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [20, 20, 30, 30], [40, 0, 50, 9]], dtype=dtype)
    scores = np.array([0.8, 0.9, 0.3, 0.7], dtype=dtype)
    got = stage("nms.two_stage_nms")(boxes, scores, min_confidence=0.7, iou_threshold=0.5)
    np.testing.assert_array_equal(got, [1, 3])  # 0.7 itself passes, in float32 too


# 2. Properties of the algorithm.


@DTYPES
@pytest.mark.parametrize("threshold", [0, 0.3, 0.5, 0.7, 1])
def test_nms_is_the_definition(eager_stage, rng, dtype, threshold):
    boxes, scores = crowd(rng, 300, dtype)  # more than a block
    got = eager_stage("nms.non_max_suppression")(boxes, scores, iou_threshold=threshold)
    want = slow_nms(boxes, scores, np.dtype(dtype).type(threshold))
    np.testing.assert_array_equal(got, want)


def test_nms_in_a_graph_is_the_definition(stage, rng):
    boxes, scores = crowd(rng, 600)
    got = stage("nms.non_max_suppression")(boxes, scores, iou_threshold=0.4)
    np.testing.assert_array_equal(got, slow_nms(boxes.tolist(), scores.tolist(), 0.4))


@DTYPES
def test_kept_boxes_do_not_overlap_and_removed_ones_do(stage, rng, dtype):
    boxes, scores = random_boxes(rng, 400, dtype=dtype, extent=60), rng.uniform(size=400).astype(dtype)
    kept = stage("nms.non_max_suppression")(boxes, scores, iou_threshold=0.3)
    overlaps = np.array([[slow_iou(boxes[a], boxes[b]) for b in kept] for a in range(400)])
    among_kept = overlaps[kept] - np.eye(len(kept))
    assert among_kept.max() <= 0.3 + 1e-6
    for removed in np.setdiff1d(np.arange(400), kept):
        better = scores[kept] >= scores[removed]
        assert overlaps[removed][better].max() > 0.3 - 1e-6


@DTYPES
def test_nms_of_what_stays_removes_nothing(eager_stage, rng, dtype):
    boxes, scores = crowd(rng, 200, dtype)
    kept = eager_stage("nms.non_max_suppression")(boxes, scores, iou_threshold=0.4)
    again = eager_stage("nms.non_max_suppression")(boxes[kept], scores[kept], iou_threshold=0.4)
    np.testing.assert_array_equal(again, np.arange(len(kept)))


@DTYPES
def test_the_order_of_the_input_does_not_matter(eager_stage, rng, dtype):
    boxes, scores = random_boxes(rng, 100, dtype=dtype), rng.permutation(100).astype(dtype) / 100
    kept = eager_stage("nms.non_max_suppression")(boxes, scores, iou_threshold=0.4)
    order = rng.permutation(100)
    shuffled = eager_stage("nms.non_max_suppression")(boxes[order], scores[order], iou_threshold=0.4)
    np.testing.assert_array_equal(order[shuffled], kept)


@pytest.mark.parametrize("factor, shift", [(4, 0), (0.25, 0), (1, 512)])
def test_scale_and_place_do_not_matter(eager_stage, rng, factor, shift):
    boxes, scores = crowd(rng, 100)
    nms = eager_stage("nms.non_max_suppression")
    np.testing.assert_array_equal(
        nms(boxes * factor + shift, scores, iou_threshold=0.4), nms(boxes, scores, iou_threshold=0.4)
    )


@DTYPES
@pytest.mark.parametrize("limit", [0, 1, 7, 10_000])
def test_a_limit_cuts_the_end_off(eager_stage, rng, dtype, limit):
    boxes, scores = crowd(rng, 300, dtype)
    nms = eager_stage("nms.non_max_suppression")
    np.testing.assert_array_equal(
        nms(boxes, scores, iou_threshold=0.4, max_boxes=limit), nms(boxes, scores, iou_threshold=0.4)[:limit]
    )


@DTYPES
def test_two_stages_are_a_filter_and_then_nms(eager_stage, rng, dtype):
    boxes, scores = crowd(rng, 200, dtype)
    confident = np.flatnonzero(scores >= 0.5)
    want = confident[slow_nms(boxes[confident], scores[confident], 0.5)]
    got = eager_stage("nms.two_stage_nms")(boxes, scores, min_confidence=0.5, iou_threshold=0.5)
    np.testing.assert_array_equal(got, want)


def test_raising_the_two_thresholds_pulls_apart(eager_stage, rng):
    boxes, scores = crowd(rng, 200)

    def count(confidence, iou):
        return len(eager_stage("nms.two_stage_nms")(boxes, scores, min_confidence=confidence, iou_threshold=iou))

    assert count(0.1, 0.3) > count(0.9, 0.3) and count(0.1, 0.3) < count(0.1, 0.7)


@DTYPES
def test_far_away_boxes_in_tight_clusters(eager_stage, dtype):
    boxes = np.array([[1e6, 1e6, 1e6 + 64, 1e6 + 64], [1e6, 1e6, 1e6 + 64, 1e6 + 32]], dtype=dtype)
    got = eager_stage("nms.non_max_suppression")(boxes, np.array([0.1, 0.2], dtype=dtype), iou_threshold=0.5)
    np.testing.assert_array_equal(got, [1, 0])


@DTYPES
def test_none_and_one(stage, dtype):
    nms = stage("nms.non_max_suppression")
    none = nms(np.zeros((0, 4), dtype), np.zeros(0, dtype), iou_threshold=0.5)
    assert none.shape == (0,) and none.dtype == np.int64
    np.testing.assert_array_equal(nms(np.zeros((1, 4), dtype), np.zeros(1, dtype), iou_threshold=0.5), [0])
    two_stages = stage("nms.two_stage_nms")
    assert two_stages(np.zeros((2, 4), dtype), np.zeros(2, dtype), min_confidence=1, iou_threshold=0).shape == (0,)


def test_lists_integers_negative_scores_and_no_change_of_the_input(eager_stage):
    nms = eager_stage("nms.non_max_suppression")
    np.testing.assert_array_equal(nms([[0, 0, 2, 2], [0, 0, 2, 2]], [-5, -3], iou_threshold=0.5), [1])
    np.testing.assert_array_equal(nms([], [], iou_threshold=0.5), [])
    boxes, scores = np.array([[0.0, 0, 2, 2], [0, 0, 2, 2]]), np.array([0.1, 0.3])
    nms(boxes, scores, iou_threshold=0.5)
    np.testing.assert_array_equal(boxes, [[0, 0, 2, 2], [0, 0, 2, 2]])
    np.testing.assert_array_equal(scores, [0.1, 0.3])


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), None, "0.5", True, False, [0.5]])
@pytest.mark.parametrize("name", ["iou_threshold", "min_confidence"])
def test_bad_thresholds(eager_stage, name, value):
    options = {"iou_threshold": 0.5, "min_confidence": 0.5, name: value}
    with pytest.raises(ValueError) as error:
        eager_stage("nms.two_stage_nms")(np.zeros((1, 4)), np.zeros(1), **options)
    assert str(error.value) == f"{name} must lie in [0, 1], got {value!r}"


@pytest.mark.parametrize("value", [-1, 1.5, "3", True])
def test_bad_limits(eager_stage, value):
    with pytest.raises(ValueError) as error:
        eager_stage("nms.non_max_suppression")(np.zeros((1, 4)), np.zeros(1), iou_threshold=0.5, max_boxes=value)
    assert str(error.value) == f"max_boxes must be a whole number >= 0, got {value!r}"


def test_bad_arrays(eager_stage):
    nms = eager_stage("nms.non_max_suppression")
    with pytest.raises(ValueError, match=r"^scores must have shape \(2\), got \(3,\)"):
        nms(np.zeros((2, 4)), np.zeros(3), iou_threshold=0.5)
    with pytest.raises(ValueError, match=r"^scores must be finite, got nan at index \[1\]"):
        nms(np.zeros((2, 4)), np.array([0, np.nan]), iou_threshold=0.5)
    with pytest.raises(ValueError, match=r"^boxes must have y1 <= y2"):
        nms(np.array([[1.0, 0, 0, 0]]), np.zeros(1), iou_threshold=0.5)


def test_graphs_refuse_shapes_and_thresholds(stage):
    with pytest.raises(ValueError, match=r"scores must have shape \(2\), got \(3,\)"):
        stage("nms.non_max_suppression")(np.zeros((2, 4)), np.zeros(3), iou_threshold=0.5)
    with pytest.raises(ValueError, match=r"iou_threshold must lie in \[0, 1\], got 2"):
        stage("nms.non_max_suppression")(np.zeros((2, 4)), np.zeros(2), iou_threshold=2)
