"""Remedies by hand: shrinking, weighing, calibrating; what is chosen, and that calibration moves no mark."""

from __future__ import annotations

import numpy as np
import pytest

from mini_rcnn.data.errors import DataError
from mini_rcnn.experimenting.film_features import pooled
from mini_rcnn.experimenting.remedied import table_text, trained_runs
from mini_rcnn.experimenting.remedies import (
    Side,
    best_threshold,
    calibrated,
    choose_shrinking,
    choose_weight,
    film_classifier,
    share_at,
    shrunk,
    try_remedies,
    weighed,
)
from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.image_level import area_under, roc

BOX = np.array([[100.0, 100, 200, 200]])
NONE = np.zeros((0, 4))


def grown(factor):
    """Return the box with ``factor`` times the sides, around its centre."""
    half = 50 * factor
    return np.array([[150 - half, 150 - half, 150 + half, 150 + half]])


def crowd(rng, n_films=60, *, factor=1.0, told=0.0, least=0.0):
    """Return a side: half of the films ill; scores that tell little, film scores that tell ``told`` of the truth."""
    ill = np.arange(n_films) % 2 == 0
    scores = np.clip(0.5 + 0.1 * ill + rng.normal(0, 0.15, n_films), 0.02, 0.98)
    scores = least + (1 - least) * scores
    films = [
        (str(i), BOX if ill[i] else NONE, grown(factor), [scores[i]]) for i in range(n_films)
    ]  # fmt: skip
    film_scores = np.clip(told * ill + (1 - told) * rng.uniform(0, 1, n_films), 0.01, 0.99)
    return Side(detection_set(films), film_scores)


# 1. By hand.


def test_shrinking_keeps_the_centre_and_undoes_growing():
    boxes = shrunk(detection_set([("a", BOX, grown(1.25), [0.9])]), 0.8).boxes
    np.testing.assert_allclose(boxes, BOX)


def test_weights_of_none_and_of_all():
    detections = detection_set([("a", [], BOX, [0.9]), ("b", [], BOX, [0.4])])
    np.testing.assert_allclose(weighed(detections, [0.1, 0.5], 0.0).scores, [0.9, 0.4])
    np.testing.assert_allclose(weighed(detections, [0.1, 0.5], 1.0).scores, [0.1, 0.5])


def test_share_at_a_sensitivity():
    films = [("a", BOX, BOX, [0.9]), ("b", BOX, BOX, [0.5]), ("c", NONE, BOX, [0.7]), ("d", NONE, NONE, [])]
    detections = detection_set(films)
    assert [share_at(detections, part) for part in (0.5, 0.6, 1.0)] == [0.0, 0.5, 0.5]
    assert share_at(detection_set(films[2:] + [("e", BOX, NONE, [])]), 0.5) == 1.0  # never reached


def test_the_threshold_keeps_to_the_cap():
    films = [("a", BOX, BOX, [0.9]), *((str(i), NONE, BOX, [0.6]) for i in range(10))]
    threshold, score = best_threshold(detection_set(films))
    assert 0.6 < threshold <= 0.9 and score == 1


def test_nothing_found_anywhere():
    side = Side(detection_set([("a", BOX, NONE, []), ("b", NONE, NONE, [])]), np.array([0.5, 0.5]))
    told = try_remedies(side, side)
    assert all(one["rsna"] == 0 and one["marked"] == 0 for one in told.values())


# 2. What is chosen.


@pytest.mark.parametrize("grown_by, chosen", [(1.0, 1.0), (1.25, 0.9), (1.5, 0.75)])
def test_the_least_shrinking_that_passes_all_overlaps_is_chosen(rng, grown_by, chosen):
    """0.9 of 1.25 overlaps by 0.79, above all of the challenge's; 0.8 of 1.5 by 0.69 does not."""
    assert choose_shrinking(crowd(rng, factor=grown_by)) == chosen


def test_a_films_score_is_used_where_it_tells_something(rng):
    side = crowd(rng, told=0.9)
    assert choose_weight(side) > 0
    before, after = side.found, weighed(side.found, side.film_scores, choose_weight(side))
    assert share_at(after, 0.7) < share_at(before, 0.7)


def test_remedies_are_chosen_on_one_side_and_measured_on_the_other(rng):
    validation, test = crowd(rng, factor=1.5, told=0.9), crowd(rng, factor=1.5, told=0.9)
    told = try_remedies(validation, test)
    assert told["boxes shrunk"]["chosen"] == 0.75 and told["both"]["rsna"] > told["the film's score"]["rsna"]
    assert told["the film's score"]["equal.0.7"] < told["none"]["equal.0.7"]
    wrong = try_remedies(crowd(rng, factor=1.0, told=0.9), test)  # boxes of the validation side need no shrinking
    assert wrong["boxes shrunk"] == {**wrong["none"], "chosen": 1.0}


def test_calibration_moves_no_mark_but_scores_mean_what_they_say(rng):
    validation, test = crowd(rng, 400, least=0.8), crowd(rng, 400, least=0.8)
    told = try_remedies(validation, test)
    assert told["calibrated"]["ece"] < 0.5 * told["none"]["ece"]
    scores = calibrated(test.found, validation.found).scores
    order = np.argsort(test.found.scores)
    assert (np.diff(scores[order]) >= 0).all() and scores.min() >= 0 and scores.max() <= 1
    for part in (0.5, 0.8):  # ties may only add marks
        assert told["calibrated"][f"equal.{part:g}"] >= told["none"][f"equal.{part:g}"] - 1e-12


def test_films_that_differ_in_a_feature_are_told_apart(rng):
    features = rng.normal(size=(200, 6))
    ill = features[:, 2] + 0.3 * rng.normal(size=200) > 0
    chance = film_classifier(features[:120], ill[:120])(features[120:])
    assert area_under(roc(ill[120:], chance)) > 0.9


def test_pooled_by_hand():
    np.testing.assert_array_equal(pooled(np.arange(8.0).reshape(2, 2, 2)), [3, 4, 6, 7])


# 3. Files.


def test_runs_that_have_ended_are_found(tmp_path):
    with pytest.raises(DataError, match="no training of it has ended"):
        trained_runs(tmp_path)
    for name in ("skip-0", "rpn_only-12", "full-x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last.weights.npz").write_bytes(b"")
    (tmp_path / "full-0").mkdir()  # not ended
    assert trained_runs(tmp_path) == {"skip": {0: tmp_path / "skip-0"}, "rpn_only": {12: tmp_path / "rpn_only-12"}}


def test_the_table_has_a_column_a_remedy(rng):
    told = try_remedies(crowd(rng), crowd(rng))
    from mini_rcnn.experimenting.compare import spread_of

    arms = {"full": {name: spread_of([one]) for name, one in told.items()}}
    text = table_text(arms, {"command": "c"})
    assert "| | none | boxes shrunk | the film's score | both | calibrated |" in text
    row = next(line for line in text.splitlines() if line.startswith("| chosen"))
    assert row.split("|")[2].strip() == "" and float(row.split("|")[3])
