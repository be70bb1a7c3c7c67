"""RSNA's score: by hand, its rules, its properties, and against a reading of the rules in plain loops."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from conftest import random_boxes

from mini_rcnn.data.rsna import FULL
from mini_rcnn.metrics.rsna import THRESHOLDS, image_score, rsna_score

NONE = np.zeros((0, 4))
BOX = np.array([[10.0, 20.0, 110.0, 120.0]])


def part(share, *, box=BOX):
    """Return a box inside another that overlaps it by a share: the upper part of it."""
    y1, x1, y2, x2 = box[0]
    return np.array([[y1, x1, y1 + share * (y2 - y1), x2]])


def by_the_rules(truth, predicted, scores, thresholds=THRESHOLDS):
    """Return the score as the challenge's page tells it, a box at a time; nothing is shared with the function."""

    def overlap(a, b):
        height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        both = max(height, 0) * max(width, 0)
        return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)

    if not len(truth) and not len(predicted):
        return None
    order, found = sorted(range(len(scores)), key=lambda i: -scores[i]), []
    for threshold in thresholds:
        used = set()
        for box in truth:
            for i in order:
                if i not in used and overlap(box, predicted[i]) > threshold:
                    used.add(i)
                    break
        hits = len(used)
        found.append(hits / (hits + (len(predicted) - hits) + (len(truth) - hits)))
    return sum(found) / len(found)


# 1. By hand.


@pytest.mark.parametrize(
    "share, n_passed", [(1.0, 8), (0.76, 8), (0.74, 7), (0.5, 2), (0.51, 3), (0.4, 0), (0.41, 1), (0.1, 0)]
)
def test_an_overlap_passes_the_thresholds_below_it(share, n_passed):
    assert image_score(BOX, part(share), [0.9]) == n_passed / 8


def test_an_overlap_equal_to_the_threshold_is_none():
    assert image_score(BOX, part(0.5), [0.9], thresholds=[0.5]) == 0
    assert image_score(BOX, part(0.5), [0.9], thresholds=[np.nextafter(0.5, 0)]) == 1


def test_misses_and_false_alarms_share_the_denominator():
    far = BOX + 500
    assert image_score(np.concatenate([BOX, far]), BOX, [0.9]) == 1 / 2
    assert image_score(BOX, np.concatenate([BOX, far, far + 200]), [0.9, 0.8, 0.7]) == 1 / 3
    assert image_score(np.concatenate([BOX, far]), np.concatenate([BOX, far + 200]), [0.9, 0.8]) == 1 / 3
    assert image_score(BOX, far, [0.9]) == 0


def test_empty_sides():
    assert image_score(NONE, NONE, []) is None
    assert image_score(NONE, BOX, [0.01]) == 0
    assert image_score(BOX, NONE, []) == 0
    assert image_score([], [], []) is None


def test_touching_boxes_do_not_match():
    assert image_score(BOX, BOX + [0, 100, 0, 100], [0.9], thresholds=[0.0]) == 0
    assert image_score(BOX, BOX + [0, 99, 0, 99], [0.9], thresholds=[0.0]) == 1


def test_one_prediction_serves_one_truth():
    truth = np.concatenate([BOX, part(0.9)])  # both overlap the prediction by 0.9 and more
    assert image_score(truth, BOX, [0.9]) == 1 / 2
    assert image_score(truth, np.concatenate([BOX, BOX]), [0.9, 0.8]) == 1
    assert image_score(BOX, np.concatenate([BOX, BOX]), [0.9, 0.8]) == 1 / 2


def test_a_truth_takes_the_higher_score_not_the_larger_overlap():
    # The first truth fits both predictions, the second only the exact one: if the first takes that one, it is gone.
    truth = np.concatenate([part(0.8), BOX])
    predicted = np.concatenate([BOX, part(0.6)])  # overlaps: first 0.8, 0.75; second 1.0, 0.6
    assert image_score(truth, predicted, [0.9, 0.1], thresholds=[0.7]) == 1 / 3
    assert image_score(truth, predicted, [0.1, 0.9], thresholds=[0.7]) == 1


def test_of_equal_scores_the_lower_index_goes_first():
    truth, predicted = np.concatenate([part(0.8), BOX]), np.concatenate([BOX, part(0.6)])
    assert image_score(truth, predicted, [0.5, 0.5], thresholds=[0.7]) == 1 / 3
    assert image_score(truth, predicted[::-1], [0.5, 0.5], thresholds=[0.7]) == 1


def test_the_mean_leaves_out_images_with_neither():
    images = [(BOX, BOX, [0.9]), (NONE, NONE, []), (NONE, BOX, [0.2]), (BOX, part(0.51), [0.3])]
    assert rsna_score(images) == pytest.approx((1 + 0 + 3 / 8) / 3, abs=1e-12)
    assert rsna_score(iter(images[:1])) == 1
    assert math.isnan(rsna_score([])) and math.isnan(rsna_score([(NONE, NONE, [])] * 3))


def test_perfect_on_the_ill_and_firing_on_every_healthy_film():
    ill, healthy = FULL.positive_images, FULL.images - FULL.positive_images
    assert (ill, healthy) == (6012, 20672)
    ill, healthy = ill // 4, healthy // 4  # the same share, in a quarter of the time
    fires = [(BOX, BOX, [0.9])] * ill + [(NONE, BOX, [0.9])] * healthy
    assert round(rsna_score(fires), 4) == 0.2253
    assert rsna_score([(BOX, BOX, [0.9])] * ill + [(NONE, NONE, [])] * healthy) == 1


# 2. Properties.


def crowd(rng, *, extent=60):
    """Return truths, predictions and scores, most of them near a truth, with ties among the scores."""
    truth = random_boxes(rng, rng.integers(0, 5), extent=extent)
    near = truth[rng.integers(0, len(truth), 4)] if len(truth) else NONE
    near = np.sort((near + rng.normal(0, 3, near.shape)).reshape(-1, 2, 2), axis=1).reshape(-1, 4) + [0, 0, 1, 1]
    predicted = np.concatenate([near, random_boxes(rng, rng.integers(0, 3), extent=extent)])
    return truth, predicted, np.round(rng.random(len(predicted)), 1)


def test_as_the_rules_say(rng):
    n_scores = set()
    for _ in range(500):
        truth, predicted, scores = crowd(rng)
        wanted = by_the_rules(truth, predicted, scores)
        assert image_score(truth, predicted, scores) == (wanted if wanted is None else pytest.approx(wanted, abs=1e-12))
        n_scores.add(wanted)
    assert len(n_scores) > 50


def test_only_the_order_of_scores_counts_and_one_more_false_alarm_costs(rng):
    for _ in range(100):
        truth, predicted, scores = crowd(rng)
        score = image_score(truth, predicted, scores)
        if score is None:
            continue
        assert 0 <= score <= 1
        assert image_score(truth, predicted, scores * 3 - 7) == score
        assert image_score(truth * 4 + 9, predicted * 4 + 9, scores) == pytest.approx(score, abs=1e-12)
        worse = image_score(truth, np.concatenate([predicted, BOX + 900]), np.append(scores, 0.0))
        assert worse < score or worse == score == 0
        assert image_score(truth, truth, np.ones(len(truth))) in (1, None)


def test_thousands_of_images_take_seconds(rng):
    images = [crowd(rng) for _ in range(3000)]
    begun = time.process_time()
    rsna_score(images)
    assert time.process_time() - begun < 3


# 3. What is refused.


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((np.zeros((2, 3)), BOX, [0.5]), r"truth must have shape \(\?, 4\), got \(2, 3\)"),
        ((BOX, np.zeros(4), [0.5]), r"predicted must have shape \(\?, 4\), got \(4,\)"),
        ((BOX, BOX, [0.5, 0.6]), r"scores must have shape \(1\), got \(2,\)"),
        ((BOX, BOX, [float("nan")]), "scores must be finite, got nan"),
        ((BOX, BOX * np.inf, [0.5]), "predicted must be finite, got inf"),
        ((BOX, BOX[:, [2, 1, 0, 3]], [0.5]), "predicted must have y1 <= y2"),
        ((BOX, [[1, 2, 1, 5]], [0.5]), r"predicted must have boxes with an area, got \[1.0, 2.0, 1.0, 5.0\] in row 0"),
        (([[1, 2, 1, 5]], BOX, [0.5]), "truth must have boxes with an area"),
        ((BOX, BOX, ["high"]), "scores must hold real numbers"),
        ((BOX, BOX, [0.5], [0.5, 1.1]), r"thresholds must be .* in \[0, 1\], got \[0.5, 1.1\]"),
        ((BOX, BOX, [0.5], []), "thresholds must be at least one number"),
        ((BOX, BOX, [0.5], [0.5, float("nan")]), "thresholds must be finite"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        image_score(*arguments)
