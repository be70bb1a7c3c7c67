"""The panel on thresholds, without a browser: controls in, shapes and figures out."""

from __future__ import annotations

import time

import numpy as np
import pytest
from raw_outputs import random_film, raw_film, write_raw

from mini_rcnn.config import Config, changed
from mini_rcnn.data.rsna import Record
from mini_rcnn.evaluating.measure import evaluate
from mini_rcnn.evaluating.people import NOTHING
from mini_rcnn.exploring.apply import Settings, detections, filled, kept_candidates
from mini_rcnn.exploring.fates import CONFIDENCE, COUNT, FILTERS, KEPT, NMS, RPN_LIMIT, RPN_NMS, fate_of, filters_of
from mini_rcnn.exploring.live import LiveOutcomes
from mini_rcnn.exploring.table import SLIDES, outcome
from mini_rcnn.metrics.average_precision import coco_ap_by_iou
from mini_rcnn.view import panel_curves
from mini_rcnn.widgets import ThresholdExplorer
from mini_rcnn.widgets.threshold_controls import NOBODY

# Four boxes of 10 x 10 in a row: neighbours overlap by 6 / 14, every second by 2 / 18, the last is far away.
ROW = [[0.0, 0, 10, 10], [0, 4, 10, 14], [0, 8, 10, 18], [30, 30, 40, 40]]
GREY = np.full((64, 64), 90, np.uint8)


def record(image_id, boxes):
    """Return a record without a file."""
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    return Record(image_id, None, boxes, "Lung Opacity" if len(boxes) else "Normal", image_id)


def small(tmp_path, films=None, truths=None, **settings):
    """Return a panel of a healthy film, an ill one and one on which nothing is said."""
    films = [
        raw_film(ROW, [0, 1, 3], [0.6, 0.9, 0.65]),
        raw_film(ROW, [1, 2, 3], [0.6, 0.95, 0.7]),
        raw_film(ROW, [], []),
    ]
    raw = write_raw(tmp_path, films, changed(Config(), **settings))
    records = [record("film-0", []), record("film-1", [ROW[2], ROW[0]]), record("film-2", [])]
    return ThresholdExplorer(raw, records, read_film=lambda each: GREY)


@pytest.fixture(scope="module")
def random_raw(tmp_path_factory):
    """Return raw outputs of 30 films at random, and the records with true boxes on every second."""
    rng = np.random.default_rng(4)
    films = [random_film(rng, 80, 25) for _ in range(30)]
    raw = write_raw(tmp_path_factory.mktemp("random"), films, Config())
    truths = [film["film_boxes"][film["on_film"]][:2] + 0.5 if number % 2 else [] for number, film in enumerate(films)]
    return raw, [record(image_id, boxes) for image_id, boxes in zip(raw.ids, truths)]


def boxes_of(panel, stroke_of):
    """Return the names of the boxes on the film that are drawn in a style."""
    from mini_rcnn.view.shapes import STYLES

    return [
        shape["name"]
        for shape in panel.film.shapes
        if shape["kind"] == "box" and shape["stroke"] == STYLES[stroke_of]["stroke"]
    ]


# 1. By hand.


def test_a_film_shows_truth_kept_and_removed_boxes(tmp_path):
    panel = small(tmp_path)
    assert panel.controls.films.options[0][0] == "1 missed, 1 false: film-1"  # the worst first
    assert panel.controls.films.value == 1
    assert boxes_of(panel, "kept") == ["box-3", "box-4"] and boxes_of(panel, "removed") == ["box-5"]
    assert len(boxes_of(panel, "truth")) == 1 and len(boxes_of(panel, "missed")) == 1
    labels = [shape["label"] for shape in panel.film.shapes if shape.get("label")]
    assert labels == ["0.95 hit", "0.70 false"]
    panel.controls.confidence.value = 0.71
    assert boxes_of(panel, "kept") == ["box-3"] and boxes_of(panel, "removed") == ["box-4", "box-5"]
    panel.controls.show_removed.value = False
    assert boxes_of(panel, "removed") == []
    assert panel.film.picture.startswith("data:image/png") and panel.message.value == ""


def test_why_each_box_is_gone(tmp_path):
    panel = small(tmp_path, detections__min_confidence=0.5)
    panel.look_at(1)
    assert "Click a dotted box" in panel.why.value
    panel.film.picked = {"name": "box-5", "count": 1}  # the best of its neighbours has a higher score
    assert panel.controls.asked.value == 5
    assert "Detection NMS" in panel.why.value and "by 0.429, more than 0.30" in panel.why.value
    assert [shape["at"] for shape in panel.film.shapes if "removed by this" in str(shape.get("text"))]
    panel.controls.rpn_nms.value = 0.4  # proposal 0, background here, takes proposal 1
    assert "RPN NMS" in panel.why.value and "no. 1," in panel.why.value and "0.429" in panel.why.value
    panel.controls.rpn_nms.value, panel.controls.nms.value = 0.7, 0.5
    assert "not gone" in panel.why.value
    panel.controls.confidence.value = 0.65
    assert "the score is below 0.65" in panel.why.value
    panel.set(panel.presets["network's own"])
    panel.controls.nms.value, panel.controls.count.value = 0.5, 2
    assert "it is no. 3 on this film; 2 may stay" in panel.why.value
    panel.controls.films.value = 0
    assert panel.controls.asked.value == NOBODY and "Click a dotted box" in panel.why.value


def test_fates_by_hand(tmp_path):
    raw = small(tmp_path).raw
    open_all = Settings(0.05, 1.0, 1.0, 100, 100, 0.5)
    assert fate_of(raw, 0, open_all).filter == KEPT
    assert fate_of(raw, 2, open_all._replace(min_confidence=0.7)).filter == CONFIDENCE
    limited = fate_of(raw, 1, open_all._replace(max_proposals=2))
    assert (limited.filter, limited.place) == (RPN_LIMIT, 4)
    both = fate_of(raw, 5, open_all._replace(rpn_iou_threshold=0.4, min_confidence=0.65))
    assert (both.filter, both.by, both.unsure) == (RPN_NMS, 0, True)
    with pytest.raises(ValueError, match="row must be one of 6 candidates, got 6"):
        fate_of(raw, 6)


def test_buttons_move_all_sliders(tmp_path):
    panel = small(tmp_path)
    labels = [button.description for button in panel.controls.buttons]
    assert labels == ["network's own", "slides 1", "slides 2", "slides 3"]
    for button, settings in zip(panel.controls.buttons[1:], SLIDES):
        button.click()
        assert panel.controls.settings == filled(panel.raw, settings) == panel.now.outcome.settings
    panel.controls.buttons[0].click()
    assert panel.controls.settings == filled(panel.raw)


def test_films_follow_each_other_by_error(tmp_path):
    panel = small(tmp_path)
    seen = []
    for _ in range(3):
        seen.append(panel.controls.films.value)
        panel.controls.after.click()
    assert seen == [1, 0, 2] and panel.controls.films.value == 1
    panel.controls.before.click()
    assert panel.controls.films.value == 2 and "Film 3 of 3 by error" in panel.caption.value
    panel.controls.confidence.value = 0.99  # another order, the same film
    assert panel.controls.films.value == 2


def test_masks_and_words(tmp_path):
    panel = small(tmp_path)
    panel.controls.mask.value = 0.01
    veils = [shape for shape in panel.film.shapes if shape["kind"] == "image"]
    before = panel.numbers.value
    panel.controls.mask.value = 1.0
    fewer = [shape for shape in panel.film.shapes if shape["kind"] == "image"]
    assert len(veils) == 1 + len(fewer) and panel.numbers.value == before
    panel.controls.show_masks.value = False
    assert not [shape for shape in panel.film.shapes if shape["kind"] == "image"]
    assert "none of them changes the training, except RPN NMS" in panel.caption.value
    assert panel.still().count("<svg") == 3


# 2. Against the functions that the evaluation calls.


def random_settings(rng):
    """Return settings of the sliders at random."""
    confidence, nms = round(float(rng.uniform(0.05, 1)), 2), float(rng.choice([0.0, 0.1, 0.3, 0.55, 1.0]))
    return Settings(confidence, nms, float(rng.choice([0.0, 0.3, 0.7, 1.0])), int(rng.integers(0, 21)), 1000, 0.5)


def test_figures_are_those_of_the_evaluation(random_raw):
    raw, records = random_raw
    panel, rng = ThresholdExplorer(raw, records, read_film=lambda each: GREY), np.random.default_rng(1)
    facts = {each.id: NOTHING for each in records}
    for _ in range(15):
        settings = random_settings(rng)
        panel.set(settings)
        found = {image_id: detections(raw, image_id, settings)[:3:2] for image_id in raw.ids}
        results = evaluate(records, found, facts=facts, threshold=0.0).results
        boxes = results["summary"]["counts"]["boxes"]
        out = panel.now.outcome
        assert (out.hits, out.misses, out.false_marks) == tuple(
            boxes[name] for name in ("true_positive", "false_negative", "false_positive")
        )
        figures = [results["summary"]["figures"]["rsna"], boxes["precision"], boxes["recall"]]
        figures = np.array(figures, float)  # None, because JSON knows no NaN
        np.testing.assert_allclose([out.rsna, out.precision, out.recall], figures, rtol=1e-12)
        assert f'<td style="padding:1px 10px 1px 0;text-align:left">{out.misses}</td>' in panel.numbers.value


@pytest.mark.parametrize("iou", [0.4, 0.5, 0.75])
def test_live_outcomes_are_the_outcomes(random_raw, iou):
    raw, records = random_raw
    truths = {each.id: each.boxes for each in records}
    live, rng = LiveOutcomes(raw, truths), np.random.default_rng(2)
    for _ in range(25):
        settings = random_settings(rng)
        now = live.now(settings, iou=iou)
        np.testing.assert_equal(tuple(now.outcome)[1:], tuple(outcome(raw, truths, settings, iou=iou))[1:])
        assert now.misses.sum() == now.outcome.misses and now.false_marks.sum() == now.outcome.false_marks
        np.testing.assert_array_equal(now.rows, kept_candidates(raw, settings))
    found = live.matched(filled(raw), iou).found
    np.testing.assert_allclose(live.now(iou=iou).curves.average_precision, coco_ap_by_iou(found, thresholds=[iou])[0])


def test_the_point_is_on_the_curves(random_raw):
    raw, records = random_raw
    live = LiveOutcomes(raw, {each.id: each.boxes for each in records})
    for confidence in (0.1, 0.5, 0.9):
        now = live.now(Settings(confidence, 0.3, 0.7))
        curve = now.curves.froc
        at = np.flatnonzero(curve.thresholds >= np.float32(confidence))[-1]
        assert curve.sensitivity[at] == now.outcome.recall
        np.testing.assert_allclose(curve.false_marks[at], now.outcome.false_marks / len(raw))
        steps = np.stack([now.curves.recall, now.curves.precision], axis=-1)
        np.testing.assert_allclose(steps[at - 1], [now.outcome.recall, now.outcome.precision])  # first: no marks
        place = panel_curves.precision_place(now.outcome)
        assert np.abs(panel_curves.precision_places(now.curves) - place).sum(axis=1).min() < 1e-6
        place = panel_curves.froc_place(now.outcome, len(raw))
        assert np.abs(panel_curves.froc_places(now.curves) - place).sum(axis=1).min() < 1e-6


def test_filters_are_those_of_the_network(random_raw):
    raw, rng = random_raw[0], np.random.default_rng(3)
    seen = set()
    for _ in range(20):
        settings, film = random_settings(rng)._replace(max_proposals=int(rng.choice([10, 1000]))), int(rng.integers(30))
        filters, start = filters_of(raw, film, settings), raw.candidates(film).start
        np.testing.assert_array_equal(np.flatnonzero(filters == 0) + start, kept_candidates(raw, settings, film))
        for row in range(start, start + len(filters)):
            fate = fate_of(raw, row, settings)
            seen.add(fate.filter)
            assert fate.filter == FILTERS[filters[row - start]]
            if fate.filter in (NMS, RPN_NMS):
                assert fate.overlap > (settings.iou_threshold if fate.filter == NMS else settings.rpn_iou_threshold)
    assert seen >= {KEPT, NMS, RPN_NMS, RPN_LIMIT, CONFIDENCE, COUNT}


# 3. What may go wrong.


def test_no_films_and_films_without_anything(tmp_path):
    nobody = ThresholdExplorer(write_raw(tmp_path / "none", [], Config()), [])
    quiet = [raw_film(ROW, [], [])] * 2
    healthy = [record("film-0", []), record("film-1", [])]
    silent = ThresholdExplorer(write_raw(tmp_path / "quiet", quiet, Config()), healthy)
    for panel in (nobody, silent):
        for control in panel.controls.sliders:
            control.value = control.min
        panel.controls.after.click()
        panel.controls.buttons[1].click()
        panel.film.picked = {"name": "box-7", "count": 1}
        assert panel.message.value == "" and "none" in panel.numbers.value and panel.still()
    assert "There are no films" in nobody.caption.value and "cannot be read (" in silent.caption.value


def test_a_record_is_missing(tmp_path):
    raw = write_raw(tmp_path, [raw_film(ROW, [], [])], Config())
    with pytest.raises(ValueError, match="truths must hold every film, got none of 'film-0'"):
        ThresholdExplorer(raw, [])


def test_wrong_values_change_nothing(tmp_path):
    panel = small(tmp_path)
    before = panel.numbers.value
    for control in (*panel.controls.sliders, panel.controls.films, panel.controls.hit_iou):
        with pytest.raises(Exception, match="."):
            control.value = "much"
    for picked in ({}, {"name": "box-"}, {"name": "box-99"}, {"name": "truth"}, {"name": 3}, {"name": "box-0"}):
        panel.film.picked = picked  # the last one is of another film
    assert panel.numbers.value == before and panel.message.value == "" and panel.controls.asked.value == NOBODY


def test_what_goes_wrong_is_said(tmp_path, monkeypatch):
    panel = small(tmp_path)
    monkeypatch.setattr(panel.live, "now", lambda *_, **__: 1 / 0)
    panel.controls.confidence.value = 0.8
    assert "This cannot be shown: ZeroDivisionError" in panel.message.value


def test_a_thousand_boxes_and_three_thousand_films(rng, tmp_path):
    crowd = raw_film(ROW, np.zeros(1000, int), np.linspace(0.5, 1, 1000))
    films = [crowd] + [raw_film(ROW, [0, 1, 3], [0.6, 0.9, 0.8])] * 2999
    raw = write_raw(tmp_path, films, Config(), chunk=1000)
    records = [record(image_id, [ROW[3]] if number % 3 else []) for number, image_id in enumerate(raw.ids)]
    panel = ThresholdExplorer(raw, records, read_film=lambda each: GREY)
    panel.look_at("film-0")
    panel.controls.confidence.value = 0.5
    assert panel.message.value == "" and len(boxes_of(panel, "removed")) == 60
    assert "the 60 surest of them drawn" in panel.caption.value
    times = []
    for confidence in (0.55, 0.65, 0.75):
        begun = time.perf_counter()
        panel.controls.confidence.value = confidence
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.1
