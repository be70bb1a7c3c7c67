"""The flat arrays of a detection set: what goes in comes out, subsets, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from detection_crowds import BOX, NONE, awkward_sets, crowded_images

from mini_rcnn.metrics.detection_set import detection_set, ratio


def same_images(got, wanted):
    """Compare two lists of ``(id, truth, predicted, scores)``."""
    assert [row[0] for row in got] == [row[0] for row in wanted]
    for mine, yours in zip(got, wanted):
        for array, other in zip(mine[1:], yours[1:]):
            np.testing.assert_array_equal(array, np.asarray(other).reshape(array.shape))


# 1. By hand.


def test_rows_know_their_image():
    detections = detection_set([("b", BOX, NONE, []), ("a", NONE, [BOX[0], BOX[0] + 5], [0.2, 0.9]), ("c", [], [], [])])
    assert detections.ids.tolist() == ["b", "a", "c"] and detections.n_images == 3
    assert detections.truth_image.tolist() == [0] and detections.box_image.tolist() == [1, 1]
    assert detections.n_truths.tolist() == [1, 0, 0] and detections.n_boxes.tolist() == [0, 2, 0]
    assert detections.boxes.dtype == detections.truth.dtype == detections.scores.dtype == np.float64


def test_above_keeps_what_is_equal_and_every_image():
    detections = detection_set([("a", BOX, [BOX[0]] * 3, [0.2, 0.5, 0.7]), ("b", NONE, BOX, [0.1])]).above(0.5)
    assert detections.scores.tolist() == [0.5, 0.7] and detections.n_boxes.tolist() == [2, 0]
    assert len(detections.boxes) == len(detections.box_image) == 2


def test_an_image_named_twice_is_there_twice():
    detections = detection_set([("a", BOX, BOX, [0.5]), ("b", NONE, BOX, [0.1])]).of_images([1, 0, 0])
    assert detections.ids.tolist() == ["b", "a", "a"]
    assert detections.truth_image.tolist() == [1, 2] and detections.box_image.tolist() == [0, 1, 2]


def test_nothing_is_a_set_too():
    detections = detection_set([])
    assert detections.boxes.shape == detections.truth.shape == (0, 4)
    assert detections.n_truths.shape == (0,) and list(detections.images()) == []
    assert detections.above(0.5).of_images(np.zeros(0, dtype=bool)).n_images == 0
    assert detections.of_images([]).n_images == 0


def test_a_share_of_nothing_is_no_number():
    assert ratio(0, 5) == 0 and np.isnan(ratio(0, 0))


# 2. Properties.


def test_what_goes_in_comes_out(rng):
    for images in [crowded_images(rng, 30), *awkward_sets().values()]:
        same_images(list(detection_set(images).images()), images)


def test_subsets_are_what_a_loop_takes(rng):
    images = crowded_images(rng, 40)
    detections, mask = detection_set(images), rng.random(40) < 0.5
    same_images(list(detections.of_images(mask).images()), [row for row, keep in zip(images, mask) if keep])
    rows = rng.integers(0, 40, 60)
    same_images(list(detections.of_images(rows).images()), [images[row] for row in rows])
    kept = [(n, t, p[np.array(s) >= 0.4], s[np.array(s) >= 0.4]) for n, t, p, s in images]
    same_images(list(detections.above(0.4).images()), kept)


# 3. What is refused.


@pytest.mark.parametrize(
    "image, words",
    [
        (("x", BOX[:, :3], BOX, [0.5]), r"truth must have shape \(\?, 4\), got \(1, 3\) in image 'x'"),
        (("x", BOX, BOX[0], [0.5]), r"predicted must have shape \(\?, 4\), got \(4,\) in image 'x'"),
        (("x", BOX, BOX, [0.5, 0.4]), r"scores must have shape \(1,\), got \(2,\) in image 'x'"),
        (("x", BOX, BOX, [1.5]), r"scores must lie in \[0, 1\], got 1.5 in image 'x'"),
        (("x", BOX, BOX, [-0.1]), "scores must lie in"),
        (("x", BOX, BOX, [float("nan")]), "scores must lie in .* got nan in image 'x'"),
        (("x", BOX * np.nan, BOX, [0.5]), "truth must be finite boxes .* in image 'x'"),
        (("x", BOX, BOX[:, [2, 1, 0, 3]], [0.5]), "predicted must be finite boxes with y1 < y2"),
        (("x", BOX, [[1, 2, 1, 5]], [0.5]), r"got \[1.0, 2.0, 1.0, 5.0\] in image 'x'"),
        (("first", BOX, BOX, [0.5]), "images must come once each, got 'first' twice"),
    ],
)
def test_bad_images_are_named(image, words):
    with pytest.raises(ValueError, match=words):
        detection_set([("first", BOX, BOX, [0.5]), image])


@pytest.mark.parametrize(
    "which, words",
    [
        ([True], r"which must have shape \(2\), got \(1,\)"),
        ([0, 2], "which must name rows from 0 to 1, got 0 to 2"),
        ([-1], "which must name rows"),
        ([0.5], "which must be a mask or rows"),
        ([[0]], "which must be a mask or rows"),
    ],
)
def test_bad_subsets_are_named(which, words):
    with pytest.raises(ValueError, match=words):
        detection_set([("a", BOX, BOX, [0.5]), ("b", NONE, NONE, [])]).of_images(which)
