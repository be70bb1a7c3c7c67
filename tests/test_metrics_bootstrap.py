"""Intervals from drawing patients again: by hand, against SciPy, and against theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from detection_crowds import crowded_images

from mini_rcnn.metrics.bootstrap import bootstrap, of_drawn_sets, patient_weights
from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.rsna_sets import rsna_score_of

# 1. By hand.


def test_a_patient_is_drawn_whole():
    patients = ["b", "a", "b", "c", "b"]
    for weights in patient_weights(patients, n=50, seed=1):
        assert weights[0] == weights[2] == weights[4]
        assert weights[0] + weights[1] + weights[3] == 3  # as many draws as patients


def test_one_patient_gives_no_spread():
    intervals = bootstrap(lambda weights: np.average([1.0, 2.0], weights=weights), [7, 7], n=20)
    assert intervals.low == intervals.high == 1.5 and intervals.n == 20


def test_several_figures_and_draws_without_a_number():
    def figures(weights):
        return [weights.sum(), np.nan, weights[0] / weights[0] if weights[0] else np.nan]

    intervals = bootstrap(figures, range(4), n=300, seed=2)
    assert intervals.low.tolist()[0] == intervals.high[0] == 4
    assert math.isnan(intervals.low[1]) and intervals.n[1] == 0
    assert intervals.low[2] == intervals.high[2] == 1 and 150 < intervals.n[2] < 250  # 1 - (3/4)^4 = 0.68 of them


def test_no_patients():
    intervals = bootstrap(lambda weights: float(len(weights)), [], n=3)
    assert intervals.low == 0 and intervals.n == 3


# 2. Against what is not ours.


def test_as_scipy(rng):
    values = rng.gamma(2.0, size=80)
    got = bootstrap(lambda weights: np.average(values, weights=weights), range(80), n=4000, seed=5, level=0.9)
    wanted = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=4000,
        confidence_level=0.9,
        method="percentile",
        vectorized=False,
        random_state=1,
    ).confidence_interval
    spread = values.std() / np.sqrt(80)
    assert abs(got.low[0] - wanted.low) < 0.15 * spread and abs(got.high[0] - wanted.high) < 0.15 * spread


def test_images_of_one_patient_are_not_independent(rng):
    values = np.repeat(rng.normal(size=60), 5)  # five equal images each
    widths = {}
    for name, patients in (("patients", np.repeat(np.arange(60), 5)), ("images", np.arange(300))):
        found = bootstrap(lambda weights: np.average(values, weights=weights), patients, n=2000, seed=3)
        widths[name] = float(found.high[0] - found.low[0])
    assert widths["patients"] / widths["images"] == pytest.approx(np.sqrt(5), rel=0.1)
    assert widths["patients"] == pytest.approx(2 * 1.96 * values.std() / np.sqrt(60), rel=0.1)


# 3. Properties.


def test_weights_do_what_sets_made_anew_do(rng):
    detections = detection_set(crowded_images(rng, 30))
    patients = rng.integers(0, 12, 30)
    quick = bootstrap(lambda weights: rsna_score_of(detections, weights=weights), patients, n=30, seed=4)
    slow = bootstrap(of_drawn_sets(rsna_score_of, detections), patients, n=30, seed=4)
    np.testing.assert_allclose(quick.low, slow.low, rtol=0, atol=1e-12)
    np.testing.assert_allclose(quick.high, slow.high, rtol=0, atol=1e-12)
    assert quick.low < rsna_score_of(detections) < quick.high


def test_the_same_seed_gives_the_same_intervals():
    runs = [bootstrap(lambda weights: weights[0], range(9), n=50, seed=seed, level=0.5) for seed in (1, 1)]
    assert runs[0] == runs[1]
    draws = [np.array(list(patient_weights(range(9), n=5, seed=seed))) for seed in (1, 2)]
    assert (draws[0] != draws[1]).any()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"n": 0}, "n must be a whole number >= 1"),
        ({"level": 1.5}, "level must lie in"),
        ({"patients": [[1]]}, "patients must be one row"),
        ({"function": lambda weights: np.inf}, "what the function returns must be finite"),
    ],
)
def test_bad_input_is_named(options, words):
    arguments = dict({"function": lambda weights: 1.0, "patients": [1, 2]}, **options)
    with pytest.raises(ValueError, match=words):
        bootstrap(**arguments)
