"""Proposals: the best anchors, moved and thinned out, in NumPy and TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import TOLERANCES, random_boxes
from test_nms import slow_nms

DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])
OPTIONS = {
    "window": (0, 0, 64, 96),
    "pre_nms_limit": 100,
    "max_proposals": 20,
    "iou_threshold": 0.7,
    "delta_std": (0.1, 0.1, 0.2, 0.2),
}


def random_input(rng, count, dtype="float64"):
    """Return objectness, of which many are equal, deltas and anchors."""
    objectness = rng.choice(np.linspace(0, 1, 25), count).astype(dtype)
    return objectness, rng.normal(size=(count, 4)).astype(dtype), random_boxes(rng, count, dtype=dtype)


# 1. Worked out on paper.


@DTYPES
def test_proposals_by_hand(stage, dtype):
    anchors = np.array([[0, 0, 8, 8], [0, 1, 8, 9], [8, 8, 16, 16], [0, 0, 4, 4]], dtype=dtype)
    deltas = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [10, 0, 0, 0]], dtype=dtype)
    objectness = np.array([0.6, 0.9, 0.2, 0.3], dtype=dtype)
    got = stage("proposals.propose")(objectness, deltas, anchors, **{**OPTIONS, "window": (0, 0, 12, 12)})
    # 0 goes because of 1; 3 moves down by 10 times 0.1 times its height of 4; 2 is cut to the window.
    np.testing.assert_array_equal(got.anchor_ids, [1, 3, 2])
    np.testing.assert_allclose(got.boxes, [[0, 1, 8, 9], [4, 0, 8, 4], [8, 8, 12, 12]], **TOLERANCES[dtype])
    np.testing.assert_array_equal(got.scores, objectness[[1, 3, 2]])
    assert got.boxes.dtype == dtype and got.scores.dtype == dtype and got.anchor_ids.dtype == np.int64


@DTYPES
def test_equal_scores_lower_index_first(stage, dtype):
    anchors = np.array([[0, 0, 2, 2], [4, 4, 6, 6], [8, 8, 10, 10]] * 2, dtype=dtype)
    ones = np.ones(6, dtype=dtype)
    got = stage("proposals.propose")(ones, np.zeros((6, 4), dtype), anchors, **{**OPTIONS, "pre_nms_limit": 5})
    np.testing.assert_array_equal(got.anchor_ids, [0, 1, 2])


# 2. Properties.


@DTYPES
def test_proposals_are_the_four_steps(stage, rng, dtype):
    objectness, deltas, anchors = random_input(rng, 200, dtype)
    got = stage("proposals.propose")(objectness, deltas, anchors, **OPTIONS)
    best = sorted(range(200), key=lambda index: (-objectness[index], index))[:100]
    size = anchors[best, 2:] - anchors[best, :2]
    scaled = deltas[best] * np.array([0.1, 0.1, 0.2, 0.2], dtype=dtype)
    centre = anchors[best, :2] + size / 2 + scaled[:, :2] * size
    half = size * np.exp(scaled[:, 2:]) / 2
    moved = np.concatenate([centre - half, centre + half], axis=1)
    moved = np.minimum(np.maximum(moved, [0, 0, 0, 0]), [64, 96, 64, 96])
    kept = slow_nms(moved, objectness[best], 0.7)[:20]
    np.testing.assert_array_equal(got.anchor_ids, np.array(best)[kept])
    np.testing.assert_allclose(got.boxes, moved[kept], rtol=1e-5, atol={"float64": 1e-9, "float32": 1e-4}[dtype])


def test_best_first_and_inside_the_window(eager_stage, rng):
    got = eager_stage("proposals.propose")(*random_input(rng, 150), **OPTIONS)
    assert (np.diff(got.scores) <= 0).all()
    assert (got.boxes >= 0).all() and (got.boxes <= [64, 96, 64, 96]).all()


@DTYPES
def test_boxes_beyond_the_window_stay_without_area(eager_stage, dtype):
    anchors = np.array([[0, 0, 8, 8], [100, 100, 108, 108], [200, 200, 208, 208]], dtype=dtype)
    scores = np.array([0.5, 0.9, 0.8], dtype=dtype)
    got = eager_stage("proposals.propose")(scores, np.zeros((3, 4), dtype), anchors, **OPTIONS)
    np.testing.assert_array_equal(got.boxes, [[64, 96, 64, 96], [64, 96, 64, 96], [0, 0, 8, 8]])


@DTYPES
def test_none_and_one(stage, dtype):
    for count in (0, 1):
        got = stage("proposals.propose")(
            np.ones(count, dtype),
            np.zeros((count, 4), dtype),
            np.tile(np.array([[0, 0, 4, 4]], dtype), (count, 1)),
            **OPTIONS,
        )
        np.testing.assert_array_equal(got.boxes, [[0, 0, 4, 4]] * count if count else np.zeros((0, 4)))
        assert got.scores.shape == (count,) and got.anchor_ids.shape == (count,)


@pytest.mark.parametrize("name", ["pre_nms_limit", "max_proposals"])
def test_a_limit_of_nothing_is_nothing(eager_stage, rng, name):
    got = eager_stage("proposals.propose")(*random_input(rng, 20), **{**OPTIONS, name: 0})
    assert got.boxes.shape == (0, 4)


def test_input_is_not_changed(eager_stage, rng):
    arguments = random_input(rng, 30)
    before = [array.copy() for array in arguments]
    eager_stage("proposals.propose")(*arguments, **OPTIONS)
    for array, old in zip(arguments, before):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"objectness": np.zeros(3)}, r"objectness must have shape \(2\), got \(3,\)"),
        ({"objectness": np.array([0, np.nan])}, r"objectness must be finite, got nan at index \[1\]"),
        ({"deltas": np.zeros((2, 3))}, r"deltas must have shape \(2, 4\), got \(2, 3\)"),
        ({"deltas": np.full((2, 4), np.inf)}, r"deltas must be finite, got inf at index \[0, 0\]"),
        ({"deltas": np.full((2, 4), 1e5)}, r"deltas must have an exp\(\) that float64 can hold, got .* up to 20000"),
        ({"anchors": np.zeros((2, 5))}, r"anchors must have shape \(\?, 4\), got \(2, 5\)"),
        (
            {"anchors": np.array([[0.0, 0, 1, 1], [1, 0, 0, 0]])},
            "anchors must have y1 <= y2 and x1 <= x2, got .* in row 1",
        ),
        ({"window": (0, 0, 1)}, r"window must have shape \(4\), got \(3,\)"),
        ({"window": (0, 9, 4, 4)}, r"window must have y1 <= y2 and x1 <= x2, got \[0.0, 9.0, 4.0, 4.0\]"),
        ({"pre_nms_limit": -1}, "pre_nms_limit must be a whole number >= 0, got -1"),
        ({"max_proposals": 2.5}, "max_proposals must be a whole number >= 0, got 2.5"),
        ({"max_proposals": None}, "max_proposals must be a whole number >= 0, got None"),
        ({"iou_threshold": 1.5}, r"iou_threshold must lie in \[0, 1\], got 1.5"),
        ({"iou_threshold": True}, r"iou_threshold must lie in \[0, 1\], got True"),
        ({"delta_std": (0.1, 0.1, 0.2)}, r"delta_std must have shape \(4\), got \(3,\)"),
        ({"delta_std": (0.1, 0.1, 0.2, 0)}, r"delta_std must be positive, got \[0.1, 0.1, 0.2, 0.0\]"),
    ],
)
def test_bad_input(eager_stage, change, message):
    arguments = {
        "objectness": np.array([0.1, 0.2]),
        "deltas": np.zeros((2, 4)),
        "anchors": np.array([[0.0, 0, 4, 4], [1, 1, 2, 2]]),
        **OPTIONS,
        **change,
    }
    arrays = [arguments.pop(name) for name in ("objectness", "deltas", "anchors")]
    with pytest.raises(ValueError, match=f"^{message}"):
        eager_stage("proposals.propose")(*arrays, **arguments)
