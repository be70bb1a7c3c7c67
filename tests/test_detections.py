"""Detections: classes, boxes and both filters, in NumPy and TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import TOLERANCES, random_boxes
from test_nms import slow_nms

DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])
OPTIONS = {
    "window": (0, 0, 64, 96),
    "min_confidence": 0.5,
    "iou_threshold": 0.3,
    "max_detections": 10,
    "delta_std": (0.1, 0.1, 0.2, 0.2),
}


def random_input(rng, count, n_classes=4, dtype="float64"):
    """Return proposals, probabilities, of which many are equal, and deltas."""
    sharp = rng.choice([0.4, 0.5, 0.6, 0.7, 0.8, 0.9], count)
    probabilities = np.tile(((1 - sharp) / max(n_classes - 1, 1))[:, None], (1, n_classes))
    probabilities[np.arange(count), rng.integers(n_classes, size=count)] = sharp
    deltas = rng.normal(size=(count, n_classes, 4))
    return random_boxes(rng, count, dtype=dtype), probabilities.astype(dtype), deltas.astype(dtype)


# 1. Worked out on paper.


@DTYPES
def test_detections_by_hand(stage, dtype):
    proposals = np.array([[0, 0, 8, 8], [0, 1, 8, 9], [0, 0, 8, 8], [20, 20, 30, 30], [40, 40, 48, 48]], dtype=dtype)
    probabilities = np.array([[0.1, 0.7, 0.2], [0.1, 0.9, 0], [0.2, 0.1, 0.7], [0.6, 0.4, 0], [0.5, 0.25, 0.25]], dtype)
    deltas = np.zeros((5, 3, 4), dtype=dtype)
    deltas[1, 1, 1] = -1.25  # for class 1 alone: left by 1.25 times 0.1 times the width of 8
    got = stage("detections.refine_detections")(
        proposals, probabilities, deltas, **{**OPTIONS, "window": (0, 0, 6, 16)}
    )
    # 0 goes because of 1, 2 is of another class, 3 and 4 are background.
    np.testing.assert_array_equal(got.proposal_ids, [1, 2])
    np.testing.assert_array_equal(got.class_ids, [1, 2])
    np.testing.assert_array_equal(got.scores, np.array([0.9, 0.7], dtype))
    np.testing.assert_allclose(got.boxes, [[0, 0, 6, 8], [0, 0, 6, 8]], **TOLERANCES[dtype])
    assert (got.class_ids.dtype, got.proposal_ids.dtype, got.boxes.dtype) == (np.int64, np.int64, np.dtype(dtype))


@DTYPES
def test_a_score_at_the_threshold_stays_and_ties_go_by_index(stage, dtype):
    proposals = np.array([[0, 0, 2, 2], [8, 8, 10, 10], [4, 4, 6, 6]], dtype=dtype)
    probabilities = np.array([[0.3, 0.7], [0.3, 0.7], [0.31, 0.69]], dtype=dtype)
    got = stage("detections.refine_detections")(
        proposals, probabilities, np.zeros((3, 2, 4), dtype), **{**OPTIONS, "min_confidence": 0.7}
    )
    np.testing.assert_array_equal(got.proposal_ids, [0, 1])


@DTYPES
def test_boxes_without_area_stay(eager_stage, dtype):
    proposals = np.array([[70, 0, 80, 9], [70, 0, 80, 9], [0, 0, 9, 9]], dtype=dtype)  # two below the window
    probabilities = np.array([[0.1, 0.9], [0.2, 0.8], [0.4, 0.6]], dtype=dtype)
    got = eager_stage("detections.refine_detections")(proposals, probabilities, np.zeros((3, 2, 4), dtype), **OPTIONS)
    np.testing.assert_array_equal(got.proposal_ids, [0, 1, 2])


# 2. Properties.


@DTYPES
@pytest.mark.parametrize("n_classes", [2, 5])
def test_detections_are_the_steps_one_by_one(stage, rng, dtype, n_classes):
    proposals, probabilities, deltas = random_input(rng, 80, n_classes, dtype)
    got = stage("detections.refine_detections")(proposals, probabilities, deltas, **OPTIONS)
    boxes, found = [], []
    for row in range(80):
        class_id = int(np.argmax(probabilities[row]))
        size = proposals[row, 2:] - proposals[row, :2]
        delta = deltas[row, class_id] * np.array(OPTIONS["delta_std"], dtype)
        centre = proposals[row, :2] + size / 2 + delta[:2] * size
        half = size * np.exp(delta[2:]) / 2
        corners = np.concatenate([centre - half, centre + half])
        boxes.append(np.minimum(np.maximum(corners, 0), [64, 96, 64, 96]))
        if class_id > 0 and probabilities[row, class_id] >= np.dtype(dtype).type(0.5):
            found.append((row, class_id, probabilities[row, class_id]))
    kept = []
    for class_id in range(1, n_classes):
        members = [row for row, its_class, _ in found if its_class == class_id]
        scores = [score for _, its_class, score in found if its_class == class_id]
        kept += [members[index] for index in slow_nms([boxes[row] for row in members], scores, 0.3)[:10]]
    scores = {row: score for row, _, score in found}
    kept = sorted(kept, key=lambda row: (-scores[row], row))[:10]
    np.testing.assert_array_equal(got.proposal_ids, kept)
    np.testing.assert_array_equal(got.class_ids, probabilities[kept].argmax(axis=1))
    np.testing.assert_allclose(
        got.boxes, np.array(boxes)[kept], rtol=1e-5, atol={"float64": 1e-9, "float32": 1e-4}[dtype]
    )


def test_one_class_per_call_is_all_at_once(eager_stage, rng):
    proposals, probabilities, deltas = random_input(rng, 60)
    refine = eager_stage("detections.refine_detections")
    together = refine(proposals, probabilities, deltas, **{**OPTIONS, "max_detections": 60})
    best = probabilities.argmax(axis=1)
    apart = []
    for class_id in (1, 2, 3):
        rows = np.flatnonzero(best == class_id)
        apart += rows[
            refine(proposals[rows], probabilities[rows], deltas[rows], **{**OPTIONS, "max_detections": 60}).proposal_ids
        ].tolist()
    np.testing.assert_array_equal(np.sort(together.proposal_ids), np.sort(apart))


@DTYPES
@pytest.mark.parametrize("threshold, count", [(0, 1), (1, 3)])
def test_thresholds_0_and_1(eager_stage, dtype, threshold, count):
    proposals = np.array([[0, 0, 8, 8], [0, 0, 8, 8], [0, 4, 8, 12]], dtype=dtype)
    probabilities = np.array([[0.1, 0.9], [0.2, 0.8], [0, 1]], dtype=dtype)
    got = eager_stage("detections.refine_detections")(
        proposals,
        probabilities,
        np.zeros((3, 2, 4), dtype),
        **{**OPTIONS, "iou_threshold": threshold, "min_confidence": 0},
    )
    assert len(got.boxes) == count
    sure = eager_stage("detections.refine_detections")(
        proposals, probabilities, np.zeros((3, 2, 4), dtype), **{**OPTIONS, "min_confidence": 1}
    )
    np.testing.assert_array_equal(sure.proposal_ids, [2])


@DTYPES
def test_nothing_in_and_nothing_out(stage, dtype):
    refine = stage("detections.refine_detections")
    none = refine(np.zeros((0, 4), dtype), np.zeros((0, 2), dtype), np.zeros((0, 2, 4), dtype), **OPTIONS)
    healthy = refine(np.zeros((3, 4), dtype), np.array([[1, 0]] * 3, dtype), np.zeros((3, 2, 4), dtype), **OPTIONS)
    for got in (none, healthy):
        assert [field.shape for field in got] == [(0, 4), (0,), (0,), (0,)]


def test_no_detections_wanted_and_background_alone(eager_stage, rng):
    proposals, probabilities, deltas = random_input(rng, 9)
    refine = eager_stage("detections.refine_detections")
    assert refine(proposals, probabilities, deltas, **{**OPTIONS, "max_detections": 0}).boxes.shape == (0, 4)
    assert refine(proposals, probabilities[:, :1], deltas[:, :1], **OPTIONS).boxes.shape == (0, 4)


def test_per_class_by_hand(stage):
    boxes = np.array([[0.0, 0, 8, 8]] * 4)
    scores, class_ids = np.array([0.7, 0.8, 0.9, 0.95]), np.array([1, 2, 2, 0])
    got = stage("detections.two_stage_nms_per_class")(
        boxes, scores, class_ids, min_confidence=0.5, iou_threshold=0.5, max_boxes=10
    )
    np.testing.assert_array_equal(got, [0, 2])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"proposals": np.zeros((2, 3))}, r"proposals must have shape \(\?, 4\), got \(2, 3\)"),
        (
            {"proposals": np.array([[0.0, 0, 1, 1], [1, 0, 0, 0]])},
            "proposals must have y1 <= y2 and x1 <= x2, got .* in row 1",
        ),
        ({"probabilities": np.zeros((3, 2))}, r"probabilities must have shape \(2, \?\), got \(3, 2\)"),
        (
            {"probabilities": np.zeros((2, 0)), "deltas": np.zeros((2, 0, 4))},
            "the number of classes in probabilities must be a whole number >= 1, got 0",
        ),
        ({"probabilities": np.full((2, 2), np.nan)}, r"probabilities must be finite, got nan at index \[0, 0\]"),
        ({"deltas": np.zeros((2, 3, 4))}, r"deltas must have shape \(2, 2, 4\), got \(2, 3, 4\)"),
        ({"deltas": np.zeros((2, 4))}, r"deltas must have shape \(2, 2, 4\), got \(2, 4\)"),
        ({"window": (0, 0, 0)}, r"window must have shape \(4\), got \(3,\)"),
        ({"min_confidence": -0.5}, r"min_confidence must lie in \[0, 1\], got -0.5"),
        ({"min_confidence": None}, r"min_confidence must lie in \[0, 1\], got None"),
        ({"iou_threshold": "0.5"}, r"iou_threshold must lie in \[0, 1\], got '0.5'"),
        ({"max_detections": -1}, "max_detections must be a whole number >= 0, got -1"),
        ({"delta_std": (1, 1, 1, -1)}, r"delta_std must be positive, got \[1.0, 1.0, 1.0, -1.0\]"),
    ],
)
def test_bad_input(eager_stage, change, message):
    arguments = {
        "proposals": np.array([[0.0, 0, 4, 4], [1, 1, 2, 2]]),
        "probabilities": np.full((2, 2), 0.5),
        "deltas": np.zeros((2, 2, 4)),
        **OPTIONS,
        **change,
    }
    arrays = [arguments.pop(name) for name in ("proposals", "probabilities", "deltas")]
    with pytest.raises(ValueError, match=f"^{message}"):
        eager_stage("detections.refine_detections")(*arrays, **arguments)
