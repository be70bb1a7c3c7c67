"""RSNA's score of whole sets: against the score of one image at a time, at every threshold."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from detection_crowds import BOX, NONE, awkward_sets, challenge_set, crowded_images, part

from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.rsna import THRESHOLDS, image_score, rsna_score
from mini_rcnn.metrics.rsna_sets import rsna_by_threshold, rsna_hits, rsna_image_scores, rsna_score_of


def one_at_a_time(detections):
    """Return the score as the function of single images tells it."""
    return rsna_score(image[1:] for image in detections.images())


# 1. By hand.


def test_a_truth_takes_the_higher_score_not_the_larger_overlap():
    truth = np.concatenate([part(0.8), BOX])
    predicted = np.concatenate([BOX, part(0.6)])  # overlaps: first 0.8, 0.75; second 1.0, 0.6
    first = detection_set([("a", truth, predicted, [0.9, 0.1])])
    assert rsna_hits(first, [0.7]).tolist() == [[True, False]]
    second = detection_set([("a", truth, predicted, [0.1, 0.9])])
    assert rsna_hits(second, [0.7]).tolist() == [[True, True]]
    assert rsna_score_of(first, thresholds=[0.7]) == 1 / 3 and rsna_score_of(second, thresholds=[0.7]) == 1


def test_an_overlap_equal_to_the_threshold_is_none():
    detections = detection_set([("a", BOX, part(0.5), [0.9])])
    assert rsna_hits(detections, [0.5, 0.49]).tolist() == [[False], [True]]


def test_thresholds_by_hand():
    # At 0.9 one truth of one film; at 0.5 a false mark on it; at 0.2 the healthy film counts too.
    images = [("a", BOX, np.concatenate([BOX, BOX + 500]), [0.9, 0.5]), ("b", NONE, BOX, [0.2]), ("c", NONE, NONE, [])]
    got = rsna_by_threshold(detection_set(images), [1.0, 0.9, 0.6, 0.5, 0.2, 0.0])
    np.testing.assert_allclose(got, [0, 1, 1, 1 / 2, 1 / 4, 1 / 4], rtol=0, atol=1e-15)


# 2. Against one image at a time.


@pytest.mark.parametrize("digits", [1, 9])
def test_at_each_threshold_as_one_image_at_a_time(rng, digits):
    for _ in range(2):
        detections = detection_set(crowded_images(rng, 25, digits=digits, max_truths=6, max_boxes=9))
        thresholds = np.concatenate([np.unique(detections.scores), [0.0, 0.333, 1.0]])
        wanted = [one_at_a_time(detections.above(threshold)) for threshold in thresholds]
        np.testing.assert_allclose(rsna_by_threshold(detections, thresholds), wanted, rtol=0, atol=1e-12)
        got = [rsna_score_of(detections, threshold=threshold) for threshold in thresholds]
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)
        assert len(np.unique(np.round(wanted, 9))) > 5


def test_each_image_as_alone(rng):
    images = crowded_images(rng, 60)
    wanted = [image_score(*image[1:]) for image in images]
    got = rsna_image_scores(detection_set(images))
    np.testing.assert_allclose(got, [np.nan if score is None else score for score in wanted], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", awkward_sets())
def test_awkward_sets(name):
    detections = detection_set(awkward_sets()[name])
    thresholds = [0.0, 0.5, 0.7, 0.85, 1.0]
    wanted = [one_at_a_time(detections.above(threshold)) for threshold in thresholds]
    np.testing.assert_allclose(rsna_by_threshold(detections, thresholds), wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose([rsna_score_of(detections, threshold=t) for t in thresholds], wanted, rtol=0, atol=1e-12)


def test_perfect_on_the_ill_and_firing_on_every_healthy_film():
    ill = [(f"ill {i}", BOX, BOX, [0.9]) for i in range(6012)]
    fires = detection_set(ill + [(f"healthy {i}", NONE, BOX, [0.9]) for i in range(20672)])
    assert round(rsna_score_of(fires), 4) == 0.2253


# 3. Properties.


def test_weights_are_images_put_in_again(rng):
    detections = detection_set(crowded_images(rng, 40))
    weights = rng.integers(0, 4, 40)
    again = detections.of_images(np.repeat(np.arange(40), weights))
    assert rsna_score_of(detections, weights=weights) == pytest.approx(one_at_a_time(again), abs=1e-12)
    got = rsna_by_threshold(detections, [0.2, 0.5], weights=weights)
    np.testing.assert_allclose(got, [one_at_a_time(again.above(t)) for t in (0.2, 0.5)], rtol=0, atol=1e-12)
    assert math.isnan(rsna_score_of(detections, weights=np.zeros(40)))


def test_the_challenge_at_every_threshold_takes_seconds(rng):
    detections, _ = challenge_set(rng, images=8000, ill=1800, truths=2860)
    begun = time.process_time()
    scores = rsna_by_threshold(detections, np.unique(detections.scores))
    assert time.process_time() - begun < 5
    assert len(scores) > 20000 and len(THRESHOLDS) == 8 and 0 < scores.max() < 1


def test_bad_input_is_named():
    detections = detection_set([("a", BOX, BOX, [0.5])])
    with pytest.raises(ValueError, match="score_thresholds must be finite"):
        rsna_by_threshold(detections, [float("nan")])
    with pytest.raises(ValueError, match="thresholds must be at least one number"):
        rsna_score_of(detections, thresholds=[])
    with pytest.raises(ValueError, match="weights must be at least 0"):
        rsna_by_threshold(detections, [0.5], weights=[-1])
