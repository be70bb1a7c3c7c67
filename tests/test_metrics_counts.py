"""Counts at a threshold: by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from coco_oracle import coco_matches
from detection_crowds import BOX, NONE, awkward_sets, crowded_images, part
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mini_rcnn.metrics.counts import (
    SURE,
    box_counts,
    false_marks_per_healthy_image,
    healthy_marked_share,
    image_counts,
)
from mini_rcnn.metrics.detection_set import detection_set

FAR = BOX + 500


def as_labels(detections, threshold, iou):
    """Return (truth, call) of each box that counts: a hit is (1, 1), a false mark (0, 1), a miss (1, 0)."""
    kept = detections.above(threshold)
    hits = int(np.sum(coco_matches(kept, [iou]) >= 0))
    false, missed = len(kept.boxes) - hits, len(kept.truth) - hits
    return [1] * hits + [0] * false + [1] * missed, [1] * (hits + false) + [0] * missed


# 1. By hand.


def test_boxes_by_hand():
    detections = detection_set(
        [
            ("a", np.concatenate([BOX, FAR]), np.concatenate([BOX, BOX + 900, FAR]), [0.9, 0.8, 0.3]),
            ("b", NONE, BOX, [0.7]),
        ]
    )
    assert box_counts(detections, threshold=0.5) == (1, 2, 1, 1 / 3, 1 / 2, 2 / 5)
    assert box_counts(detections, threshold=0.3) == (2, 2, 0, 1 / 2, 1, 2 / 3)
    assert box_counts(detections, threshold=0.8)[:3] == (1, 1, 1)  # what scores the threshold is kept


def test_the_overlap_of_a_hit():
    detections = detection_set([("a", BOX, part(0.6), [0.9])])
    assert box_counts(detections, threshold=0.5, iou=0.6)[:3] == (1, 0, 0)
    assert box_counts(detections, threshold=0.5, iou=0.61)[:3] == (0, 1, 1)


def test_images_by_hand():
    detections = detection_set(
        [
            ("a", BOX, FAR, [0.9]),
            ("b", BOX, NONE, []),
            ("c", NONE, BOX, [0.96]),
            ("d", NONE, BOX, [0.5]),
            ("e", [], [], []),
        ]
    )
    assert image_counts(detections, threshold=0.5) == (1, 1, 2, 1, 2 / 3)
    assert image_counts(detections, threshold=0.0)[3] == 1  # without a box it is not marked, whatever the threshold
    assert SURE == 0.95 and healthy_marked_share(detections, threshold=SURE) == 1 / 3
    assert false_marks_per_healthy_image(detections, threshold=0.5) == 2 / 3


def test_nothing_has_no_share():
    nothing = detection_set([("a", NONE, NONE, [])])
    assert box_counts(nothing, threshold=0.5)[:3] == (0, 0, 0)
    assert all(map(math.isnan, box_counts(nothing, threshold=0.5)[3:]))
    ill = detection_set([("a", BOX, NONE, [])])
    assert math.isnan(box_counts(ill, threshold=0.5).precision) and box_counts(ill, threshold=0.5)[4:] == (0, 0)
    assert math.isnan(healthy_marked_share(ill, threshold=0.5))
    assert math.isnan(false_marks_per_healthy_image(ill, threshold=0.5))
    healthy = detection_set([("a", NONE, BOX, [0.9])])
    assert box_counts(healthy, threshold=0.5).precision == 0 and math.isnan(box_counts(healthy, threshold=0.5).recall)


# 2. Against scikit-learn.


def test_boxes_as_scikit_learn(rng):
    for _ in range(10):
        detections = detection_set(crowded_images(rng, 20, max_boxes=8))
        for threshold, iou in ((0.0, 0.3), (0.5, 0.5), (0.7, 0.4)):
            got = box_counts(detections, threshold=threshold, iou=iou)
            truth, call = as_labels(detections, threshold, iou)
            wanted = precision_recall_fscore_support(truth, call, average="binary", zero_division=0)[:3]
            assert got[3:] == pytest.approx(wanted, abs=1e-12)
            assert got.true_positive + got.false_negative == sum(truth)
            assert got.true_positive + got.false_positive == sum(call)


def test_images_as_scikit_learn(rng):
    images = crowded_images(rng, 80)
    for threshold in (0.2, 0.5, 0.9):
        ill = [len(truth) > 0 for _, truth, _, _ in images]
        marked = [bool(np.any(np.array(scores) >= threshold)) for *_, scores in images]
        (quiet, false), (missed, found) = confusion_matrix(ill, marked)
        got = image_counts(detection_set(images), threshold=threshold)
        assert got == (found, missed, false, quiet, pytest.approx(false / (false + quiet), abs=1e-12))


@pytest.mark.parametrize("name", awkward_sets())
def test_awkward_sets(name):
    detections = detection_set(awkward_sets()[name])
    counts = box_counts(detections, threshold=0.5)
    if detections.n_images:
        truth, call = as_labels(detections, 0.5, 0.5)
        assert counts[:3] == (sum(np.array(truth) * call), call.count(1) - sum(np.array(truth) * call), call.count(0))
    images = image_counts(detections, threshold=0.5)
    assert sum(images[:4]) == detections.n_images


# 3. Properties.


def test_weights_are_images_put_in_again(rng):
    detections = detection_set(crowded_images(rng, 40))
    weights = rng.integers(0, 4, 40)
    again = detections.of_images(np.repeat(np.arange(40), weights))
    for function in (box_counts, image_counts, false_marks_per_healthy_image):
        got = function(detections, threshold=0.5, weights=weights)
        np.testing.assert_allclose(got, function(again, threshold=0.5), rtol=0, atol=1e-12)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), "high"])
def test_bad_input_is_named(threshold):
    detections = detection_set([("a", BOX, BOX, [0.5])])
    for function in (box_counts, image_counts, false_marks_per_healthy_image):
        with pytest.raises(ValueError, match="threshold must lie in"):
            function(detections, threshold=threshold)
    with pytest.raises(ValueError, match="iou must lie in"):
        box_counts(detections, threshold=0.5, iou=threshold)
