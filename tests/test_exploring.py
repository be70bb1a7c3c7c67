"""Thresholds without the network: by hand, against the stages, and against the network run again with each setting."""

from __future__ import annotations

import time

import numpy as np
import pytest
from conftest import Later
from networks import random_weights, small_config
from raw_outputs import random_film, raw_film, write_raw

from mini_rcnn.config import Config, changed
from mini_rcnn.data.phantom import PhantomPlan, draw_phantom
from mini_rcnn.detecting.inputs import DEMO_WEIGHTS
from mini_rcnn.exploring import raw as raw_module
from mini_rcnn.exploring.apply import Settings, configured, detections, detections_of_all, filled, ranges
from mini_rcnn.exploring.collect import collect
from mini_rcnn.exploring.raw import open_raw
from mini_rcnn.model import detect, found_on_film, prepare
from mini_rcnn.stages.detections import two_stage_nms_per_class
from mini_rcnn.stages.nms import non_max_suppression
from mini_rcnn.stages.proposals import top_indices
from mini_rcnn.weights import load_weights

model = Later("mini_rcnn.stages_tf.model")
OPEN = Settings(0.05, 1.0, 1.0, 100, 100)  # everything stays
# Four boxes of 10 x 10 in a row: neighbours overlap by 6 / 14, every second by 2 / 18, the last is far away.
ROW = [[0.0, 0, 10, 10], [0, 4, 10, 14], [0, 8, 10, 18], [30, 30, 40, 40]]


@pytest.fixture(scope="module")
def row(tmp_path_factory):
    """Return raw outputs of one film: four proposals, the best of which is background to the head."""
    film = raw_film(ROW, [1, 2, 3], [0.6, 0.9, 0.7])
    return write_raw(tmp_path_factory.mktemp("row"), [film], Config())


def left(raw, **settings):
    """Return the left edge of each detection on the first film, best first."""
    return detections(raw, 0, OPEN._replace(**settings)).boxes[:, 1].tolist()


def random_settings(rng, floor):
    """Return settings at random, often at the ends of their ranges."""
    iou, rpn_iou = (float(rng.choice([0.0, 0.1, 0.3, 0.5, 0.7, 1.0, *rng.uniform(size=6)])) for _ in range(2))
    confidence = max(floor, float(rng.choice([floor, 0.3, 0.5, *rng.uniform(size=3)])))
    return Settings(confidence, iou, rpn_iou, int(rng.choice([0, 1, 3, 10, 100])), int(rng.choice([1, 5, 20, 100])))


# 1. By hand.


def test_all_open(row):
    assert left(row) == [8, 30, 4]  # by score


def test_a_proposal_removes_others_though_it_is_background(row):
    assert left(row, rpn_iou_threshold=0.4) == [8, 30]  # the first takes the second away, which then takes none away
    assert left(row, rpn_iou_threshold=0.1) == [30]
    assert left(row, rpn_iou_threshold=0.43) == [8, 30, 4]  # 6 / 14 is less
    assert left(row, rpn_iou_threshold=6 / 14) == [8, 30, 4]  # equal is not more


def test_the_limit_on_proposals_counts_background_too(row):
    assert left(row, max_proposals=1) == []
    assert left(row, max_proposals=2) == [4]
    assert left(row, max_proposals=2, rpn_iou_threshold=0.4) == [8]
    assert left(row, max_proposals=3) == [8, 4]


def test_detections_remove_each_other_by_score(row):
    assert left(row, iou_threshold=0.4) == [8, 30]
    assert left(row, iou_threshold=0.43) == [8, 30, 4]


def test_confidence_and_limit(row):
    assert left(row, min_confidence=0.7) == [8, 30]  # equal stays, in float32
    assert left(row, min_confidence=0.71) == [8]
    assert left(row, max_detections=1) == [8]
    assert left(row, max_detections=0) == []


def test_classes_do_not_compete_but_share_the_limit(tmp_path):
    film = raw_film([ROW[0]] * 3, [0, 1, 2], [0.6, 0.9, 0.7], class_ids=[1, 2, 2])
    raw = write_raw(tmp_path, [film], Config(classes=("a", "b")))
    found = detections(raw, 0, OPEN._replace(iou_threshold=0.5))
    assert (found.class_ids.tolist(), found.scores.tolist()) == ([2, 1], [np.float32(0.9), np.float32(0.6)])
    assert detections(raw, 0, OPEN._replace(iou_threshold=0.5, max_detections=1)).class_ids.tolist() == [2]


def test_a_box_without_area_takes_a_place_and_is_left_out(tmp_path):
    film = raw_film(ROW, [0, 1, 3], [0.9, 0.8, 0.7], on_film=[False, True, True])
    raw = write_raw(tmp_path, [film], Config())
    assert left(raw, max_detections=2) == [4]


def test_equal_scores_the_earlier_proposal_first(tmp_path):
    raw = write_raw(tmp_path, [raw_film(ROW, [0, 1, 3], [0.5, 0.5, 0.5])], Config())
    assert left(raw) == [0, 4, 30]
    assert left(raw, iou_threshold=0.4) == [0, 30]


def test_masks_follow_their_boxes(tmp_path):
    film = raw_film(ROW, [0, 1, 3], [0.3, 0.5, 0.9])
    raw = write_raw(tmp_path, [film, film], Config(), chunk=1)
    found = detections(raw, "film-1", OPEN._replace(min_confidence=0.5))
    np.testing.assert_array_equal(found.mask_probabilities, film["masks"][:2].astype(np.float32))


def test_settings_out_of_range(row):
    with pytest.raises(ValueError, match=r"min_confidence must be at least 0.05, got 0.01: .* floor"):
        detections(row, 0, Settings(min_confidence=0.01))
    with pytest.raises(ValueError, match="iou_threshold must lie in"):
        detections_of_all(row, Settings(rpn_iou_threshold=1.1))
    with pytest.raises(ValueError, match="max_proposals must be a whole number >= 1, got 0"):
        filled(row, Settings(max_proposals=0))
    for film in ("nobody", 1, -1):
        with pytest.raises(ValueError, match="film must be"):
            detections(row, film)
    assert filled(row) == Settings(0.7, 0.3, 0.7, 100, 1000, 0.5)  # the network's own
    assert ranges(row).min_confidence == (0.05, 1.0)


def test_nothing_found_and_no_films(tmp_path):
    quiet = raw_film(ROW, [], [])
    for n_films in (0, 1, 3):
        raw = write_raw(tmp_path / str(n_films), [quiet] * n_films, Config())
        marks = detections_of_all(raw, OPEN)
        assert len(raw) == n_films and [len(part) for part in marks] == [0, 0, 0, 0] and marks.boxes.shape == (0, 4)
    found = detections(raw, 2, OPEN)
    assert found.boxes.shape == (0, 4) and found.mask_probabilities.shape == (0, 28, 28)
    assert found.masks((9, 9)).shape == (0, 9, 9)


# 2. Against the stages, on random boxes with many equal overlaps and scores.


def by_the_stages(raw, film, settings):
    """Return the boxes on the film, scores and classes that the stages' own functions leave, in their own order."""
    settings, among = filled(raw, settings), raw.candidates(film)
    proposals = raw.proposals(film)
    ranks = -np.arange(len(proposals))
    kept = non_max_suppression(
        proposals, ranks, iou_threshold=settings.rpn_iou_threshold, max_boxes=settings.max_proposals
    )
    order = np.argsort(raw.rows[among]) + among.start
    order = order[np.isin(raw.rows[order], kept)]  # in the order of the proposals
    chosen = two_stage_nms_per_class(
        raw.boxes[order],
        raw.scores[order],
        raw.class_ids[order],
        min_confidence=settings.min_confidence,
        iou_threshold=settings.iou_threshold,
        max_boxes=settings.max_detections,
    )
    order = order[chosen[top_indices(raw.scores[order][chosen], settings.max_detections)]]
    order = order[raw.on_film[order]]
    return raw.film_boxes[order], raw.scores[order], raw.class_ids[order]


@pytest.mark.parametrize("pairs", [True, False])
def test_as_the_stages(rng, tmp_path, monkeypatch, pairs):
    if not pairs:
        monkeypatch.setattr(raw_module, "MOST_PAIR_ROWS", 0)
    counts = ((80, 50), (1, 1), (300, 200), (5, 0), (60, 60), (40, 3))
    films = [random_film(rng, *count, n_classes=3) for count in counts]
    raw = write_raw(tmp_path, films, Config(classes=("a", "b")))
    n_found = 0
    for _ in range(60):
        settings = random_settings(rng, raw.floor)
        marks = detections_of_all(raw, settings)
        for film in range(len(films)):
            expected = by_the_stages(raw, film, settings)
            found, rows = detections(raw, film, settings), marks.film_of == film
            n_found += len(found.scores)
            for got, want in zip((found.boxes, found.scores, found.class_ids), expected):
                np.testing.assert_array_equal(got, want)
            for got, want in zip((marks.boxes[rows], marks.scores[rows], marks.class_ids[rows]), expected):
                np.testing.assert_array_equal(got, want)
    assert n_found > 500


def test_the_order_of_questions_does_not_matter(rng, tmp_path):
    raw = write_raw(tmp_path, [random_film(rng, 60, 40) for _ in range(5)], Config())
    settings = [random_settings(rng, raw.floor) for _ in range(40)]  # more than are remembered
    first = [detections_of_all(raw, each).boxes for each in settings]
    for each, boxes in list(zip(settings, first))[::-1]:
        np.testing.assert_array_equal(detections_of_all(raw, each).boxes, boxes)


def test_quick_enough(rng, tmp_path):
    films = [random_film(rng, 600, 30, extent=256) for _ in range(5)] * 40
    raw = write_raw(tmp_path, films, Config(), chunk=100)
    assert quickest(lambda: detections_of_all(raw, Settings(0.3, 0.3, 0.7))) < 0.1
    assert quickest(lambda: detections(raw, 7, Settings(0.3, 0.3, 0.5))) < 0.005


def quickest(function):
    """Return the seconds of the quickest of five calls: other programs may hold one up."""
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return min(times)


# 3. Against the network, run again with each setting.


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Return films, the demo's weights and configuration, and raw outputs of it on the films."""
    folder = tmp_path_factory.mktemp("demo")
    plans = [PhantomPlan(f"film-{n}", "1", "Lung Opacity", "PA", "F", 40, n, n, n_opacities=2) for n in range(4)]
    plans.append(PhantomPlan("healthy", "2", "Normal", "AP", "M", 50, 7, 7))
    films = {plan.image_id: draw_phantom(plan).image for plan in plans}
    weights, config, _ = load_weights(DEMO_WEIGHTS)
    collect(films, list(films), weights, config, folder / "raw", chunk=3)
    return films, weights, config, open_raw(folder / "raw")


def compare(found, expected):
    """Hold detections against the network's: the same boxes, up to the last digits of float32.

    The heads' sums may be taken in another order where other boxes are in the batch.
    """
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=2e-6)
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=0, atol=2e-3)  # of a film's 1,024 pixels
    # Masks are kept in half precision, so each is half a step of it from what was said at most, and a step is small for
    # a small probability; beside that they follow the last digits of their boxes.
    half_step = np.spacing(expected.mask_probabilities.astype(np.float16)).astype(np.float32) / 2
    assert (np.abs(found.mask_probabilities - expected.mask_probabilities) <= half_step + 2e-5).all()


def test_as_the_network_run_again(demo):
    films, weights, config, raw = demo
    rng, n_found = np.random.default_rng(5), 0
    marked = [image_id for image_id in films if len(raw.scores[raw.candidates(image_id)])]
    for _ in range(10):
        settings = random_settings(rng, raw.floor)
        detector = model.Detector(configured(config, settings), weights)
        for image_id in marked[:2]:
            pixels, geometry = prepare(films[image_id], config)
            traced = model.as_arrays(detector.found_of(*model.as_tensors(pixels, geometry.window)))
            expected = found_on_film(*traced, geometry, detector.config)
            compare(detections(raw, image_id, settings), expected)
            n_found += len(expected.scores)
    assert len(marked) >= 2 and n_found > 15


def test_every_film_with_its_masks(demo):
    films, weights, config, raw = demo
    detector, flipped, n_pixels = model.Detector(changed(config, detections__min_confidence=0.3), weights), 0, 0
    for image_id, film in films.items():
        found, expected = detections(raw, image_id, Settings(min_confidence=0.3)), detector.find(film)
        compare(found, expected)
        masks, true_masks = found.masks(film.shape), expected.masks(film.shape)
        flipped, n_pixels = flipped + (masks != true_masks).sum(), n_pixels + true_masks.sum()
    assert n_pixels > 1000 and flipped <= 1e-3 * n_pixels


@pytest.mark.parametrize("convention", ["continuous", "matterport"])
def test_as_the_numpy_network(rng, tmp_path, convention):
    config = changed(small_config(convention=convention), proposals__pre_nms_limit=120)
    weights = random_weights(config, rng)
    films = {name: rng.integers(0, 256, (70, 96)).astype(np.uint8) for name in ("a", "b")}
    collect(films, list(films), weights, config, tmp_path / "raw", numpy=True)
    raw, n_found = open_raw(tmp_path / "raw"), 0
    for settings in (Settings(), Settings(0.2, 0.6, 0.4, 30, 60), Settings(0.05, 1.0, 1.0, 90, 120)):
        for name, film in films.items():
            expected, _ = detect(film, weights, configured(config, settings))
            compare(detections(raw, name, settings), expected)
            n_found += len(expected.scores)
    assert n_found > 20
