"""FROC: by hand, and each point against counting in plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from coco_oracle import coco_matches
from detection_crowds import BOX, NONE, awkward_sets, crowded_images, part

from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.froc import FALSE_MARKS, Froc, froc, sensitivity_at

FAR = BOX + 500


def counted(detections, threshold, iou, *, healthy_only):
    """Return false marks an image and sensitivity at one threshold; pycocotools says what is a hit."""
    kept = detections.above(threshold)
    hits, false, images = 0, 0, 0
    matched = coco_matches(kept, [iou])[0]
    for row in range(kept.n_images):
        healthy = not np.any(kept.truth_image == row)
        images += healthy or not healthy_only
        for mark in matched[kept.box_image == row]:
            hits += mark >= 0
            false += mark < 0 and (healthy or not healthy_only)
    return false / images, hits / len(kept.truth)


# 1. By hand.


def test_three_images():
    detections = detection_set(
        [("a", BOX, np.concatenate([FAR, BOX]), [0.9, 0.8]), ("b", BOX, NONE, []), ("c", NONE, BOX, [0.7])]
    )
    curve = froc(detections)
    np.testing.assert_allclose(curve.false_marks, [0, 1 / 3, 1 / 3, 2 / 3])
    np.testing.assert_allclose(curve.sensitivity, [0, 0, 1 / 2, 1 / 2])
    np.testing.assert_array_equal(curve.thresholds, [np.inf, 0.9, 0.8, 0.7])
    healthy = froc(detections, healthy_only=True)
    np.testing.assert_allclose(healthy.false_marks, [0, 0, 0, 1])
    np.testing.assert_allclose(healthy.sensitivity, curve.sensitivity)


def test_equal_scores_make_one_point():
    curve = froc(detection_set([("a", BOX, np.concatenate([FAR, BOX]), [0.5, 0.5]), ("b", NONE, BOX, [0.5])]))
    np.testing.assert_allclose(curve.false_marks, [0, 1])
    np.testing.assert_allclose(curve.sensitivity, [0, 1])


def test_a_second_mark_on_a_truth_is_false():
    curve = froc(detection_set([("a", BOX, np.concatenate([BOX, BOX]), [0.9, 0.8])]))
    np.testing.assert_allclose(curve.false_marks, [0, 0, 1])


def test_what_is_a_hit_is_asked_for():
    detections = detection_set([("a", BOX, part(0.4), [0.9])])
    assert froc(detections).sensitivity[-1] == 1
    assert froc(detections, iou=0.41).sensitivity[-1] == 0


def test_the_curve_is_read_where_a_threshold_exists():
    curve = Froc(np.array([0, 0.1, 0.25, 0.25, 3]), np.array([0, 0.2, 0.2, 0.5, 0.9]), np.arange(5.0)[::-1])
    assert FALSE_MARKS == (0.125, 0.25, 0.5, 1, 2, 4, 8)
    np.testing.assert_array_equal(sensitivity_at(curve), [0.2, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9])
    assert sensitivity_at(curve, [0]).tolist() == [0]


# 2. Against counting.


@pytest.mark.parametrize("healthy_only", [False, True])
@pytest.mark.parametrize("iou", [0.2, 0.4, 0.7])
def test_each_point_is_what_is_counted(rng, healthy_only, iou):
    detections = detection_set(crowded_images(rng, 25, max_boxes=8))
    curve = froc(detections, iou=iou, healthy_only=healthy_only)
    assert (curve.false_marks[0], curve.sensitivity[0], curve.thresholds[0]) == (0, 0, np.inf)
    np.testing.assert_array_equal(curve.thresholds[1:], np.unique(detections.scores)[::-1])
    for false, found, threshold in list(zip(*curve))[1:]:
        wanted = counted(detections, threshold, iou, healthy_only=healthy_only)
        assert (false, found) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("name", awkward_sets())
def test_awkward_sets(name):
    detections = detection_set(awkward_sets()[name])
    for healthy_only in (False, True):
        curve = froc(detections, healthy_only=healthy_only)
        assert len(curve.false_marks) == len(np.unique(detections.scores)) + 1
        ill = detections.n_truths > 0
        counts = np.any(~ill) if healthy_only else len(ill) > 0
        assert np.isnan(curve.false_marks).all() != counts and np.isnan(curve.sensitivity).all() != np.any(ill)
        assert np.isnan(sensitivity_at(curve)).all() == (not counts or not np.any(ill))


# 3. Properties.


def test_weights_are_images_put_in_again(rng):
    detections = detection_set(crowded_images(rng, 30, digits=9))
    weights = rng.integers(0, 4, 30)
    again = detections.of_images(np.repeat(np.arange(30), weights))
    for healthy_only in (False, True):
        got = sensitivity_at(froc(detections, healthy_only=healthy_only, weights=weights), [0.1, 0.5, 1, 2])
        wanted = sensitivity_at(froc(again, healthy_only=healthy_only), [0.1, 0.5, 1, 2])
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


def test_the_curve_never_falls(rng):
    curve = froc(detection_set(crowded_images(rng, 60)))
    assert (np.diff(curve.false_marks) >= 0).all() and (np.diff(curve.sensitivity) >= 0).all()
    assert not math.isnan(curve.sensitivity[-1])


def test_bad_input_is_named():
    detections = detection_set([("a", BOX, BOX, [0.5])])
    with pytest.raises(ValueError, match="thresholds must be"):
        froc(detections, iou=2)
    with pytest.raises(ValueError, match=r"false_marks must be at least 0, got -1"):
        sensitivity_at(froc(detections), [-1])
    with pytest.raises(ValueError, match=r"weights must have shape \(1\)"):
        froc(detections, weights=[1, 2])
