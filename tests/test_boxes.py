"""Boxes: overlap, deltas and clipping, in NumPy and TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import TOLERANCES, random_boxes

DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])


def slow_iou(a, b):
    """Return the IoU of two boxes, by the definition."""
    height = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    width = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - height * width
    return height * width / union if union else 0.0


# 1. Worked out on paper.


def test_areas_by_hand(stage):
    got = stage("boxes.box_areas")(np.array([[2.0, 1, 5, 3], [0, 0, 0, 9], [-1, -1, 1, 1]]))
    np.testing.assert_array_equal(got, [6, 0, 4])


def test_iou_by_hand(stage):
    a = np.array([[0.0, 0, 2, 2], [0, 0, 4, 4], [1, 1, 1, 1]])
    b = np.array([[0.0, 1, 2, 3], [0, 2, 2, 4], [4, 4, 5, 5], [0, 0, 4, 4], [1, 1, 1, 1]])
    # A quarter and a third by counting cells; boxes that only touch, and those without area, share nothing.
    want = [[1 / 3, 0, 0, 1 / 4, 0], [1 / 4, 1 / 4, 0, 1, 0], [0, 0, 0, 0, 0]]
    want[1][0] = 4 / 16
    np.testing.assert_allclose(stage("boxes.box_iou")(a, b), want, rtol=1e-12)


def test_deltas_by_hand(stage):
    box, target = np.array([[0.0, 0, 10, 20]]), np.array([[5.0, 0, 15, 10]])
    want = [[0.5, -0.25, 0, -np.log(2)]]  # centre from (5, 10) to (10, 5), height as it was, width halved
    np.testing.assert_allclose(stage("boxes.encode_deltas")(box, target), want, rtol=1e-12)
    np.testing.assert_allclose(stage("boxes.decode_deltas")(box, np.array(want)), target, rtol=1e-12)


def test_clip_by_hand(stage):
    boxes = np.array([[-3.0, 2, 9, 20], [1, 1, 2, 2], [20, 20, 30, 30], [-9, -9, -1, -1]])
    want = [[0, 2, 8, 10], [1, 1, 2, 2], [8, 10, 8, 10], [0, 0, 0, 0]]
    np.testing.assert_array_equal(stage("boxes.clip_boxes")(boxes, np.array([0, 0, 8, 10])), want)


# 2. Properties of the equations.


@DTYPES
def test_iou_is_the_definition_for_every_pair(stage, rng, dtype):
    a, b = random_boxes(rng, 12, dtype=dtype), random_boxes(rng, 9, dtype=dtype)
    got = stage("boxes.box_iou")(a, b)
    assert got.dtype == dtype and got.shape == (12, 9)
    np.testing.assert_allclose(got, [[slow_iou(x, y) for y in b] for x in a], **TOLERANCES[dtype])


def test_iou_is_symmetric_and_one_with_itself(eager_stage, rng):
    iou, boxes = eager_stage("boxes.box_iou"), random_boxes(rng, 30)
    np.testing.assert_array_equal(iou(boxes, boxes), iou(boxes, boxes).T)
    np.testing.assert_array_equal(np.diag(iou(boxes, boxes)), np.ones(30))


@pytest.mark.parametrize("factor, shift", [(8, 0), (0.125, 0), (1, 64), (-1, 0)])
def test_iou_does_not_change_with_scale_place_or_mirror(eager_stage, rng, factor, shift):
    iou, a, b = eager_stage("boxes.box_iou"), random_boxes(rng, 20), random_boxes(rng, 20)
    moved_a, moved_b = a * factor + shift, b * factor + shift
    if factor < 0:
        moved_a, moved_b = moved_a[:, [2, 3, 0, 1]], moved_b[:, [2, 3, 0, 1]]
    np.testing.assert_allclose(iou(moved_a, moved_b), iou(a, b), rtol=1e-9, atol=1e-12)


@DTYPES
def test_decode_undoes_encode(stage, rng, dtype):
    boxes, targets = random_boxes(rng, 50, dtype=dtype), random_boxes(rng, 50, dtype=dtype)
    deltas = stage("boxes.encode_deltas")(boxes, targets)
    assert deltas.dtype == dtype
    tolerance = {"float64": 1e-9, "float32": 1e-3}[dtype]  # a side of 1 at 100 away: two of seven digits are gone
    np.testing.assert_allclose(stage("boxes.decode_deltas")(boxes, deltas), targets, rtol=tolerance, atol=tolerance)


def test_no_delta_is_no_move(eager_stage, rng):
    boxes = random_boxes(rng, 10)
    np.testing.assert_allclose(eager_stage("boxes.decode_deltas")(boxes, np.zeros((10, 4))), boxes, rtol=1e-12)


def test_clipping_twice_is_clipping_once(eager_stage, rng):
    clip, boxes = eager_stage("boxes.clip_boxes"), random_boxes(rng, 40)
    once = clip(boxes, (10, 20, 60, 90))
    np.testing.assert_array_equal(clip(once, (10, 20, 60, 90)), once)
    assert (once[:, :2] >= [10, 20]).all() and (once[:, 2:] <= [60, 90]).all()


def test_huge_coordinates(eager_stage):
    huge = np.array([[0.0, 0, 1e9, 1e9], [5e8, 0, 1e9, 1e9]])
    np.testing.assert_allclose(eager_stage("boxes.box_iou")(huge, huge), [[1, 0.5], [0.5, 1]], rtol=1e-12)


def test_lists_integers_and_views_give_the_same(eager_stage):
    iou = eager_stage("boxes.box_iou")
    listed = [[0, 0, 2, 2], [0, 1, 2, 3]]
    want = iou(np.array(listed, dtype=float), np.array(listed, dtype=float))
    view = np.asfortranarray(np.repeat(np.array(listed, dtype=float), 2, axis=0))[::2]
    for boxes in (listed, np.array(listed), np.array(listed, dtype=np.uint8), view):
        got = iou(boxes, boxes)
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, want)


def test_mixed_dtypes_take_the_wider(eager_stage, rng):
    a, b = random_boxes(rng, 3, dtype="float32"), random_boxes(rng, 3)
    assert eager_stage("boxes.box_iou")(a, b).dtype == np.float64
    assert eager_stage("boxes.decode_deltas")(a, np.zeros((3, 4))).dtype == np.float64


def test_arguments_stay_as_they_were(eager_stage, rng):
    boxes, deltas = random_boxes(rng, 5), rng.normal(size=(5, 4))
    before = boxes.copy(), deltas.copy()
    eager_stage("boxes.decode_deltas")(boxes, deltas)
    eager_stage("boxes.clip_boxes")(boxes, (0, 0, 9, 9))
    eager_stage("boxes.box_iou")(boxes, boxes)
    np.testing.assert_array_equal(boxes, before[0])
    np.testing.assert_array_equal(deltas, before[1])


def test_no_boxes(stage):
    none, one = np.zeros((0, 4)), np.array([[0.0, 0, 2, 2]])
    assert stage("boxes.box_areas")(none).shape == (0,)
    assert stage("boxes.box_iou")(none, one).shape == (0, 1)
    assert stage("boxes.box_iou")(one, none).shape == (1, 0)
    for name in ("encode_deltas", "decode_deltas"):
        assert stage(f"boxes.{name}")(none, none).shape == (0, 4)
    assert stage("boxes.clip_boxes")(none, np.array([0.0, 0, 1, 1])).shape == (0, 4)


def test_empty_list_is_no_boxes(eager_stage):
    assert eager_stage("boxes.box_iou")([], []).shape == (0, 0)


BAD_BOXES = {
    "not four columns": (np.zeros((2, 3)), r"must have shape \(\?, 4\), got \(2, 3\)"),
    "one box alone": (np.zeros(4), r"must have shape \(\?, 4\), got \(4,\)"),
    "NaN": (np.array([[0, 0, np.nan, 1]]), r"must be finite, got nan at index \[0, 2\]"),
    "infinite": (np.array([[0.0, 0, 1, np.inf]]), r"must be finite, got inf at index \[0, 3\]"),
    "inverted y": (np.array([[0.0, 0, 1, 1], [3, 0, 2, 1]]), r"must have y1 <= y2 and x1 <= x2, got \[3.* in row 1"),
    "inverted x": (np.array([[0.0, 5, 1, 1]]), r"must have y1 <= y2 and x1 <= x2, got \[0.* in row 0"),
    "text": (np.array([["a", "b", "c", "d"]]), "must hold real numbers, got dtype"),
    "None": (None, "must hold real numbers, got dtype"),
    "complex": (np.zeros((1, 4), dtype=complex), "must hold real numbers, got dtype complex128"),
}


@pytest.mark.parametrize("case", BAD_BOXES)
def test_bad_boxes(eager_stage, case):
    bad, message = BAD_BOXES[case]
    good = np.array([[0.0, 0, 1, 1]])
    with pytest.raises(ValueError, match=f"^boxes {message}"):
        eager_stage("boxes.box_areas")(bad)
    with pytest.raises(ValueError, match=f"^boxes_b {message}"):
        eager_stage("boxes.box_iou")(good, bad)
    with pytest.raises(ValueError, match=f"^targets {message}"):
        eager_stage("boxes.encode_deltas")(good, bad)


def test_bad_windows(eager_stage):
    clip, boxes = eager_stage("boxes.clip_boxes"), np.array([[0.0, 0, 1, 1]])
    with pytest.raises(ValueError, match=r"^window must have shape \(4\), got \(3,\)"):
        clip(boxes, (0, 0, 1))
    with pytest.raises(ValueError, match=r"^window must have y1 <= y2 and x1 <= x2, got \[5.0, 0.0, 1.0, 1.0\]"):
        clip(boxes, (5, 0, 1, 1))


def test_bad_deltas(eager_stage):
    boxes = np.array([[0.0, 0, 1, 1], [0, 0, 2, 2]])
    with pytest.raises(ValueError, match=r"^deltas must have shape \(2, 4\), got \(1, 4\)"):
        eager_stage("boxes.decode_deltas")(boxes, np.zeros((1, 4)))
    with pytest.raises(ValueError, match=r"^deltas must have an exp\(\) that float64 can hold, got .*710"):
        eager_stage("boxes.decode_deltas")(boxes, np.full((2, 4), 710.0))
    message = r"^boxes must have height and width > 0 to be encoded, got \[1.0, 0.0\] in row 1"
    with pytest.raises(ValueError, match=message):
        eager_stage("boxes.encode_deltas")(np.array([[0.0, 0, 1, 1], [2, 2, 3, 2]]), boxes)
    with pytest.raises(ValueError, match=r"^targets must have shape \(2, 4\), got \(1, 4\)"):
        eager_stage("boxes.encode_deltas")(boxes, boxes[:1])


def test_shapes_are_refused_in_graphs_too(stage):
    with pytest.raises(ValueError, match=r"boxes_a must have shape \(\?, 4\), got \(2, 3\)"):
        stage("boxes.box_iou")(np.zeros((2, 3)), np.zeros((2, 4)))
