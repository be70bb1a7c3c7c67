"""What settings give: by hand, against the metrics image by image, and the search against trying everything."""

from __future__ import annotations

import time

import numpy as np
import pytest
from raw_outputs import random_film, raw_film, write_raw

from mini_rcnn.config import Config
from mini_rcnn.exploring.apply import Settings, detections
from mini_rcnn.exploring.table import SLIDES, marked_set, outcome, outcomes, search, table_text
from mini_rcnn.metrics.rsna import rsna_score

LEFT, RIGHT, LOW = [0.0, 0, 20, 20], [0, 40, 20, 60], [40, 40, 60, 60]
NONE = np.zeros((0, 4))


@pytest.fixture
def films(tmp_path):
    """Return raw outputs of an ill film, two healthy ones, and their truths: two boxes, one of them found."""
    ill = raw_film([LEFT, LOW, [0, 4, 20, 24]], [0, 1, 2], [0.95, 0.75, 0.91])
    alarm, quiet = raw_film([LOW], [0], [0.8]), raw_film([LOW], [0], [0.1])
    raw = write_raw(tmp_path, [ill, alarm, quiet], Config(), ids=["ill", "alarm", "quiet"])
    return raw, {"ill": np.array([LEFT, RIGHT]), "alarm": NONE, "quiet": NONE}


def by_image(raw, truths, settings):
    """Return hits at IoU 0.5, false marks, healthy films marked and RSNA's score, a film and a box at a time."""
    hits = marks = healthy = 0
    images = []
    for image_id in raw.ids:
        found, free = detections(raw, image_id, settings), [tuple(box) for box in truths[image_id]]
        images.append((truths[image_id], found.boxes, found.scores))
        marks += len(found.boxes)
        healthy += not free and len(found.boxes) > 0
        for y1, x1, y2, x2 in found.boxes:
            shares = []
            for a1, b1, a2, b2 in free:
                both = max(0, min(y2, a2) - max(y1, a1)) * max(0, min(x2, b2) - max(x1, b1))
                shares.append(both / ((y2 - y1) * (x2 - x1) + (a2 - a1) * (b2 - b1) - both))
            if shares and max(shares) >= 0.5:
                hits += 1
                free.pop(len(shares) - 1 - int(np.argmax(shares[::-1])))
    return hits, marks - hits, healthy, rsna_score(images)


# 1. By hand.


def test_the_slides_three_settings(films):
    first, second, third = outcomes(*films)
    assert (first.hits, first.misses, first.false_marks) == (1, 1, 2)  # the box found, the low one, the alarm
    assert (first.healthy_marked, first.n_healthy) == (1, 2)
    assert (first.precision, first.recall) == (1 / 3, 1 / 2)
    assert first.rsna == pytest.approx((1 / 3 + 0) / 2, abs=1e-12)  # the alarm counts as 0, the quiet one not
    assert (second.hits, second.false_marks, second.healthy_marked) == (1, 1, 0)  # 16 / 24 of overlap is less than 0.7
    assert (third.hits, third.misses, third.false_marks, third.rsna) == (1, 1, 0, 1 / 2)
    assert first.settings == Settings(0.7, 0.1, 0.7, 100, 1000, 0.5)


def test_the_table(films):
    lines = table_text(outcomes(*films)).splitlines()
    assert len(lines) == 1 + len(SLIDES) and len({len(line) for line in lines}) == 1
    assert lines[1].split() == "0.7 0.1 0.7 1 1 2 1 of 2 0.333 0.500 0.167".split()
    assert lines[3].split() == "0.92 0.1 0.3 1 1 0 (-2) 0 (-1) of 2 1.000 0.500 0.500".split()


def test_the_search_keeps_to_the_cap(films):
    raw, truths = films
    # The alarm, half of the films without boxes, goes from a confidence of 0.85 on; from there on all is equal.
    choice = search(raw, truths, confidences=(0.5, 0.85, 0.92), ious=(0.3,), rpn_ious=(0.7,))
    assert (choice.outcome.settings.min_confidence, choice.allowed, choice.n_tried) == (0.92, True, 3)
    assert choice.outcome == outcome(raw, truths, Settings(0.92, 0.3, 0.7))
    choice = search(raw, truths, confidences=(0.01, 0.05, 0.5), ious=(0.3,), rpn_ious=(0.7,))
    assert (choice.outcome.settings.min_confidence, choice.allowed, choice.n_tried) == (0.5, False, 2)
    choice = search(raw, truths, confidences=(0.05, 0.76), ious=(0.3,), rpn_ious=(0.7,), most_marked=1.0)
    assert (choice.outcome.settings.min_confidence, choice.outcome.rsna) == (0.76, pytest.approx(1 / 4))
    with pytest.raises(ValueError, match="leave something to try"):
        search(raw, truths, confidences=(0.01,))


def test_a_confidence_equal_to_a_score_keeps_it(films):
    raw, truths = films
    choice = search(raw, truths, confidences=(0.9, 0.95), ious=(0.3,), rpn_ious=(0.7,))  # 0.95 in float32 is less
    assert (choice.outcome.settings.min_confidence, choice.outcome.rsna) == (0.95, 1 / 2)


def test_faults_and_nothing(films, tmp_path):
    raw, truths = films
    with pytest.raises(ValueError, match="truths must hold every film, got none of 'alarm' and 0 more"):
        outcome(raw, {"ill": NONE, "quiet": NONE})
    with pytest.raises(ValueError, match="boxes with an area"):
        outcome(raw, {**truths, "quiet": np.array([[1.0, 1, 1, 9]])})
    none = outcome(write_raw(tmp_path / "none", [], Config()), {})
    assert none[1:4] == (0, 0, 0) and np.isnan([none.precision, none.recall, none.rsna]).all()
    assert search(write_raw(tmp_path / "none", [], Config()), {}).allowed


# 2. Against the metrics image by image.


@pytest.fixture
def many(rng, tmp_path):
    """Return raw outputs of 30 films at random and truths near some of their boxes."""
    raw = write_raw(tmp_path, [random_film(rng, 60, int(rng.integers(0, 12))) for _ in range(30)], Config())
    truths = {image_id: np.zeros((0, 4)) for image_id in raw.ids}
    for image_id in raw.ids[::2]:
        boxes = raw.film_boxes[raw.candidates(image_id)]
        boxes = boxes[(boxes[:, 2:] - boxes[:, :2] > 3).all(axis=1)][:3]
        truths[image_id] = boxes + rng.uniform(-1, 1, boxes.shape)
    return raw, truths


def test_as_image_by_image(many):
    for settings in (Settings(0.05, 0.9, 0.9), Settings(0.3, 0.3, 0.7), Settings(0.6, 0.1, 0.3, 1), Settings(1.0)):
        got = outcome(*many, settings)
        hits, false_marks, healthy, score = by_image(*many, settings)
        assert (got.hits, got.false_marks, got.healthy_marked) == (hits, false_marks, healthy)
        assert got.hits + got.misses == sum(map(len, many[1].values()))
        np.testing.assert_allclose(got.rsna, score, rtol=1e-12)


@pytest.mark.parametrize("most_marked", [0.0, 0.3, 1.0])
def test_the_search_finds_the_best_of_all(many, most_marked):
    grid = [Settings(c, i, r) for r in (0.3, 0.7) for i in (0.1, 0.5) for c in (0.05, 0.3, 0.5, 0.77, 0.9)]
    tried = [outcome(*many, settings) for settings in grid]
    fit = [one for one in tried if one.healthy_marked / one.n_healthy <= most_marked]
    choice = search(
        *many, confidences=(0.9, 0.05, 0.3, 0.5, 0.77), ious=(0.1, 0.5), rpn_ious=(0.3, 0.7), most_marked=most_marked
    )
    assert choice.allowed == bool(fit) and choice.n_tried == len(grid) and choice.outcome in tried
    if fit:
        assert choice.outcome.rsna == pytest.approx(max(one.rsna for one in fit), abs=1e-12)
    else:
        assert choice.outcome.healthy_marked == min(one.healthy_marked for one in tried)


def test_quick_enough(rng, tmp_path):
    films = [random_film(rng, 600, 20, extent=256) for _ in range(5)] * 40
    raw = write_raw(tmp_path, films, Config(), chunk=100)
    truths = {image_id: np.array([LEFT, LOW]) if n % 4 == 0 else NONE for n, image_id in enumerate(raw.ids)}
    times = []
    for rpn_iou in (0.35, 0.45, 0.55, 0.65, 0.75):  # none was asked for before
        begun = time.perf_counter()
        outcome(raw, truths, Settings(0.3, 0.3, rpn_iou))
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.2 and len(marked_set(raw, truths).boxes) > 100
