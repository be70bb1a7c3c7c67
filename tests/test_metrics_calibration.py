"""Calibration: by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from mini_rcnn.metrics.calibration import brier_score, expected_calibration_error, reliability

NOTHING = (np.zeros(0), np.zeros(0, dtype=bool))

# 1. By hand.


def test_bins_by_hand():
    bins = reliability(np.array([0.0, 0.1, 0.2, 0.9, 1.0]), np.array([False, False, True, True, False]), n_bins=4)
    assert bins.edges.tolist() == [0, 0.25, 0.5, 0.75, 1] and bins.count.tolist() == [3, 0, 0, 2]
    np.testing.assert_allclose(bins.mean_score, [0.1, np.nan, np.nan, 0.95])
    np.testing.assert_allclose(bins.share, [1 / 3, np.nan, np.nan, 1 / 2])
    wanted = 3 / 5 * (1 / 3 - 0.1) + 2 / 5 * 0.45
    assert expected_calibration_error(bins) == pytest.approx(wanted, abs=1e-12)


def test_an_edge_belongs_to_the_bin_below():
    assert reliability(np.array([0.5]), np.array([True]), n_bins=2).count.tolist() == [1, 0]


def test_a_score_that_is_always_right_and_one_that_never_is():
    hits = np.array([True, False])
    assert brier_score(hits * 1.0, hits) == 0 == expected_calibration_error(reliability(hits * 1.0, hits))
    assert brier_score(~hits * 1.0, hits) == 1 == expected_calibration_error(reliability(~hits * 1.0, hits))


def test_nothing_has_no_calibration():
    bins = reliability(*NOTHING)
    assert bins.count.tolist() == [0] * 10 and np.isnan(bins.share).all()
    assert math.isnan(expected_calibration_error(bins)) and math.isnan(brier_score(*NOTHING))


# 2. Against scikit-learn.


@pytest.mark.parametrize("n_bins", [1, 5, 10, 17])
def test_as_scikit_learn(rng, n_bins):
    for _ in range(5):
        scores = rng.beta(0.5, 2, 300)
        outcomes = rng.random(300) < scores**2
        bins = reliability(scores, outcomes, n_bins=n_bins)
        share, mean_score = calibration_curve(outcomes, scores, n_bins=n_bins)
        full = bins.count > 0
        np.testing.assert_allclose(bins.share[full], share, rtol=0, atol=1e-12)
        np.testing.assert_allclose(bins.mean_score[full], mean_score, rtol=0, atol=1e-12)
        assert brier_score(scores, outcomes) == pytest.approx(brier_score_loss(outcomes, scores), abs=1e-12)
        members = [(scores > low) & (scores <= high) for low, high in zip(bins.edges, bins.edges[1:])]
        gaps = [abs(outcomes[rows].mean() - scores[rows].mean()) * rows.sum() for rows in members if rows.any()]
        error = sum(gaps) / 300
        assert expected_calibration_error(bins) == pytest.approx(error, abs=1e-12)


# 3. Properties, and what is refused.


def test_a_calibrated_score_has_a_small_error(rng):
    scores = rng.random(200000)
    true, squared = (rng.random(200000) < scores**power for power in (1, 2))
    assert expected_calibration_error(reliability(scores, true)) < 0.01
    assert expected_calibration_error(reliability(scores, squared)) > 0.1


@pytest.mark.parametrize(
    "arguments, options, words",
    [
        (([1.5], [True]), {}, r"scores must lie in \[0, 1\]"),
        (([float("nan")], [True]), {}, "scores must be finite"),
        (([0.5], [1]), {}, "outcomes must hold booleans, got dtype int"),
        (([0.5], [True, False]), {}, r"outcomes must have shape \(1\), got \(2,\)"),
        (([0.5], [True]), {"n_bins": 0}, "n_bins must be a whole number >= 1"),
    ],
)
def test_bad_input_is_named(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        reliability(*arguments, **options)
    if not options:
        with pytest.raises(ValueError, match=words):
            brier_score(*arguments)
