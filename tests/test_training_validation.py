"""The threshold that a training chooses: by hand, and against the scores of one film after the other."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from mini_rcnn.metrics.rsna import rsna_score
from mini_rcnn.training.validation import MOST_MARKED, NEAR, THRESHOLDS, Scorer, choose_threshold
from mini_rcnn.weights import WeightsError

BOX = np.array([[0.0, 0, 9, 9]])
NONE = np.zeros((0, 4))


def odds(threshold):
    return math.log(threshold / (1 - threshold))


def film(ill, *scores):
    return (BOX if ill else NONE, np.repeat(BOX, len(scores), axis=0), np.array(scores, np.float32))


def test_of_equal_scores_the_highest_threshold_that_is_not_at_the_edge():
    """All up to 0.93 find it; from 0.92 on a neighbour beyond 0.93, which does not, counts."""
    assert choose_threshold([film(True, 0.93), film(False, 0.4)])[:2] == (0.91, 1.0)


def test_one_film_does_not_decide():
    """Six of 150 healthy films have a mark of 0.9, three may: 0.9 itself marks too many, its surroundings do not."""
    healthy = [film(False, 0.905) for _ in range(6)] + [film(False) for _ in range(144)]
    ill = [film(True, 0.935) for _ in range(40)] + [film(True, 0.975) for _ in range(4)]
    assert choose_threshold(ill + healthy).threshold == pytest.approx(0.91)  # half of its neighbours mark six
    many = [film(False, 0.905) for _ in range(12)] + healthy[12:]
    assert choose_threshold(ill + many).threshold > 0.905


def test_marking_few_healthy_films_comes_first():
    healthy = [film(False, 0.8) for _ in range(2)] + [film(False) for _ in range(58)]
    sure, unsure = film(True, 0.9), [film(True, 0.705) for _ in range(9)]
    choice = choose_threshold([sure, *unsure, *healthy])
    assert 0.8 < choice.threshold <= 0.9 and choice.marked == 0  # 0.7 would score more, and mark 3.3 %
    fewer = [film(False, 0.8), *healthy[2:]]
    assert choose_threshold([sure, *unsure, *fewer]).threshold == pytest.approx(0.63)


def test_where_no_threshold_marks_few_the_one_that_marks_the_fewest():
    choice = choose_threshold([film(True, 0.5), film(False, 1.0), film(False, 1.0), film(False, 0.6)])
    assert choice.threshold == THRESHOLDS[-1] and choice.marked == pytest.approx(2 / 3)


def test_nothing_found_and_nothing_to_find():
    assert choose_threshold([film(False), film(False)])[1:] == (0.0, 0.0)


def test_equals_the_films_scored_one_by_one(rng):
    films = [film(rng.random() < 0.4, *rng.random(rng.integers(0, 4)) ** 0.5) for _ in range(60)]
    choice = choose_threshold(films)
    told = {}
    for threshold in THRESHOLDS:
        kept = [(truth, boxes[scores >= threshold], scores[scores >= threshold]) for truth, boxes, scores in films]
        marked = np.mean([len(boxes) > 0 for truth, boxes, _ in kept if not len(truth)])
        told[threshold] = (np.nan_to_num(rsna_score(kept)), marked)
    assert (choice.score, choice.marked) == pytest.approx(told[choice.threshold])
    means = {}
    for threshold in THRESHOLDS:
        near = [told[other] for other in THRESHOLDS if abs(odds(other) - odds(threshold)) < NEAR]
        means[threshold] = np.mean(near, axis=0)
    allowed = {threshold: score for threshold, (score, marked) in means.items() if marked < MOST_MARKED}
    if allowed:
        assert means[choice.threshold][0] == pytest.approx(max(allowed.values()))
    else:
        assert means[choice.threshold][1] == pytest.approx(min(marked for _, marked in means.values()))


def test_a_film_on_which_boxes_are_no_numbers_has_none():
    """A network may say such things after its first steps; the training goes on."""

    class Young(Scorer):
        def __init__(self, films):
            self.records = {number: SimpleNamespace(boxes=each[0], said=each) for number, each in enumerate(films)}

        def detect(self, record):
            if not len(record.said[1]):
                raise WeightsError("the network's boxes are NaN")
            return record.said

    choice = Young([film(True, 0.9), film(True), film(False)]).choose([0, 1, 2])
    assert (choice.score, choice.marked) == (0.5, 0.0)
