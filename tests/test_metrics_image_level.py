"""Images called ill: by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from detection_crowds import BOX, NONE, awkward_sets, crowded_images
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.image_level import (
    area_under,
    image_scores,
    is_ill,
    operating_point,
    predictive_value,
    roc,
    youden,
)

ILL = np.array([True, False, True, False])


def noisy(rng, count, *, digits):
    """Return classes and scores of images, ill ones higher, with as many ties as few digits make."""
    ill = rng.random(count) < 0.4
    ill[:2] = True, False
    return ill, np.round(np.clip(rng.normal(0.4 + 0.2 * ill, 0.2), 0, 1), digits)


# 1. By hand.


def test_scores_of_images():
    detections = detection_set([("a", NONE, [BOX[0]] * 3, [0.2, 0.8, 0.3]), ("b", BOX, NONE, []), ("c", BOX, BOX, [0])])
    assert image_scores(detections).tolist() == [0.8, 0, 0] and is_ill(detections).tolist() == [False, True, True]


def test_a_curve_by_hand():
    curve = roc(ILL, np.array([0.9, 0.7, 0.7, 0.1]))
    np.testing.assert_array_equal(curve.false_positive_rate, [0, 0, 0.5, 1])
    np.testing.assert_array_equal(curve.true_positive_rate, [0, 0.5, 1, 1])
    np.testing.assert_array_equal(curve.thresholds, [np.inf, 0.9, 0.7, 0.1])
    assert area_under(curve) == 1 / 2 * (0.5 + 1) / 2 + 1 / 2
    assert youden(curve) == (0.5, 0.9)  # also at 0.7: the highest is told


def test_a_perfect_a_useless_and_a_wrong_score():
    assert area_under(roc(ILL, ILL * 1.0)) == 1 and youden(roc(ILL, ILL * 1.0)) == (1, 1)
    assert area_under(roc(ILL, np.ones(4))) == 0.5 and youden(roc(ILL, np.ones(4))) == (0, np.inf)
    assert area_under(roc(ILL, ~ILL * 1.0)) == 0


def test_an_operating_point_counts_the_threshold_itself():
    point = operating_point(ILL, np.array([0.9, 0.7, 0.2, 0.1]), threshold=0.7)
    assert point[:5] == (0.7, 1, 1, 1, 1)
    assert point[5:] == (0.5, 0.5, 0)


def test_a_class_that_is_missing_has_no_rate():
    for ill in (np.ones(3, dtype=bool), np.zeros(3, dtype=bool), np.zeros(0, dtype=bool)):
        curve = roc(ill, np.linspace(0, 1, len(ill)))
        assert math.isnan(area_under(curve)) and all(map(math.isnan, youden(curve)))
        point = operating_point(ill, np.linspace(0, 1, len(ill)), threshold=0.5)
        assert math.isnan(point.sensitivity) == (not ill.any()) and math.isnan(point.specificity) == (not (~ill).any())
        assert math.isnan(point.youden)


# 2. Against scikit-learn.


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_as_scikit_learn(rng, digits):
    for _ in range(10):
        ill, scores = noisy(rng, 200, digits=digits)
        curve = roc(ill, scores)
        fpr, tpr, thresholds = roc_curve(ill, scores, drop_intermediate=False)
        np.testing.assert_allclose(curve.false_positive_rate, fpr, rtol=0, atol=1e-12)
        np.testing.assert_allclose(curve.true_positive_rate, tpr, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(curve.thresholds[1:], thresholds[1:])  # the first is infinite, or 1 more
        assert area_under(curve) == pytest.approx(roc_auc_score(ill, scores), abs=1e-12)
        j, threshold = youden(curve)
        assert j == pytest.approx(np.max(tpr - fpr), abs=1e-12)
        assert operating_point(ill, scores, threshold=threshold).youden == pytest.approx(j, abs=1e-12)


def test_weights_as_scikit_learn(rng):
    ill, scores = noisy(rng, 300, digits=2)
    weights = rng.integers(0, 4, 300)
    assert area_under(roc(ill, scores, weights=weights)) == pytest.approx(
        roc_auc_score(ill, scores, sample_weight=weights), abs=1e-12
    )
    point = operating_point(ill, scores, threshold=0.5, weights=weights)
    (tn, fp), (fn, tp) = confusion_matrix(ill, scores >= 0.5, sample_weight=weights)
    assert point[1:5] == (tp, fp, tn, fn)
    assert point.sensitivity == tp / (tp + fn) and point.specificity == tn / (tn + fp)


def test_a_detection_set_as_scikit_learn(rng):
    detections = detection_set(crowded_images(rng, 100))
    ill, scores = is_ill(detections), image_scores(detections)
    assert area_under(roc(ill, scores)) == pytest.approx(roc_auc_score(ill, scores), abs=1e-12)


@pytest.mark.parametrize("name", awkward_sets())
def test_awkward_sets(name):
    detections = detection_set(awkward_sets()[name])
    ill, scores = is_ill(detections), image_scores(detections)
    area = area_under(roc(ill, scores))
    if len(set(ill.tolist())) == 2:
        assert area == pytest.approx(roc_auc_score(ill, scores), abs=1e-12)
    else:
        assert math.isnan(area)


def test_predictive_value_is_what_counting_gives(rng):
    ill, scores = noisy(rng, 300, digits=1)
    point = operating_point(ill, scores, threshold=0.5)
    got = predictive_value(ill.mean(), point.sensitivity, point.specificity)
    np.testing.assert_allclose(got, point.true_positive / (point.true_positive + point.false_positive), rtol=1e-12)


def test_predictive_value_at_the_ends():
    got = predictive_value([0.0, 1.0, 0.5, 0.5], [0.8, 0.8, 0.0, 0.0], [0.9, 0.9, 0.9, 1.0])
    np.testing.assert_array_equal(got, [0, 1, 0, np.nan])


# 3. What is refused.


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((np.ones(2), np.ones(2)), "ill must hold booleans, got dtype float64"),
        ((ILL, np.ones(3)), r"scores must have shape \(4\), got \(3,\)"),
        ((ILL, np.full(4, np.nan)), "scores must be finite"),
        ((ILL[None], np.ones(4)), r"ill must have shape \(\?\)"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        roc(*arguments)
    with pytest.raises(ValueError, match=words):
        operating_point(*arguments, threshold=0.5)


def test_a_share_beyond_1_is_named():
    with pytest.raises(ValueError, match=r"specificity must lie in \[0, 1\], got 1.5"):
        predictive_value(0.5, 0.5, 1.5)
