"""The summary: each figure is what its own function says, it goes into JSON, and it is quick."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from detection_crowds import BOX, NONE, awkward_sets, challenge_set, crowded_images
from sklearn.metrics import roc_auc_score

from mini_rcnn.metrics import average_precision, counts, froc, image_level
from mini_rcnn.metrics.bootstrap import bootstrap, of_drawn_sets
from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.headline import FIGURES
from mini_rcnn.metrics.rsna import rsna_score
from mini_rcnn.metrics.summary import GRID, POINTS, summarise
from mini_rcnn.metrics.sweep import sweep

KEYS = {
    "set", "threshold", "iou", "figures", "intervals", "bootstrap", "rsna", "counts", "average_precision", "froc",
    "image_level", "calibration", "histogram", "by_threshold",
}  # fmt: skip


def figures_one_by_one(detections, threshold):
    """Return what `FIGURES` names, each from the function that is there for it."""
    boxes = counts.box_counts(detections, threshold=threshold)
    images = counts.image_counts(detections, threshold=threshold)
    ill, scores = image_level.is_ill(detections), image_level.image_scores(detections)
    point = image_level.operating_point(ill, scores, threshold=threshold)
    return dict(
        rsna=rsna_score(image[1:] for image in detections.above(threshold).images()),
        voc_ap=average_precision.voc_ap(detections),
        coco_ap=average_precision.coco_ap(detections),
        froc=np.mean(froc.sensitivity_at(froc.froc(detections))),
        froc_healthy=np.mean(froc.sensitivity_at(froc.froc(detections, healthy_only=True))),
        auc=image_level.area_under(image_level.roc(ill, scores)),
        precision=boxes.precision,
        recall=boxes.recall,
        f1=boxes.f1,
        sensitivity=point.sensitivity,
        specificity=point.specificity,
        youden=point.youden,
        healthy_marked_share=images.healthy_marked_share,
        healthy_sure_share=counts.healthy_marked_share(detections, threshold=0.95),
        false_marks_per_healthy_image=counts.false_marks_per_healthy_image(detections, threshold=threshold),
    )


def as_floats(figures):
    """Return the figures in order, (F,), NaN for None."""
    return np.array([figures[name] for name in FIGURES], dtype=np.float64)


# 1. Each figure is its own function's.


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_figures_are_those_of_their_functions(rng, threshold):
    detections = detection_set(crowded_images(rng, 60, digits=2))
    summary = summarise(detections, threshold=threshold)
    wanted = figures_one_by_one(detections, threshold)
    np.testing.assert_allclose(as_floats(summary["figures"]), as_floats(wanted), rtol=0, atol=1e-12)
    assert summary["average_precision"]["voc"] == pytest.approx(wanted["voc_ap"], abs=1e-12)
    assert summary["average_precision"]["coco"] == pytest.approx(wanted["coco_ap"], abs=1e-12)
    assert summary["average_precision"]["voc_2007"] == average_precision.voc_2007_ap(detections)
    assert summary["froc"]["all"]["mean"] == pytest.approx(wanted["froc"], abs=1e-12)
    assert summary["froc"]["healthy"]["mean"] == pytest.approx(wanted["froc_healthy"], abs=1e-12)
    assert summary["image_level"]["auc"] == pytest.approx(wanted["auc"], abs=1e-12)
    boxes, images = summary["counts"]["boxes"], summary["counts"]["images"]
    assert boxes == counts.box_counts(detections, threshold=threshold)._asdict()
    assert images.pop("false_marks_per_healthy_image") == wanted["false_marks_per_healthy_image"]
    assert images == dict(counts.image_counts(detections, threshold=threshold)._asdict(), threshold=threshold)


def test_the_table_of_thresholds_is_what_each_threshold_gives(rng):
    detections = detection_set(crowded_images(rng, 50, digits=2))
    table = sweep(detections, GRID)
    for row, threshold in list(enumerate(GRID))[::4]:
        wanted = figures_one_by_one(detections, threshold)
        images = counts.image_counts(detections, threshold=threshold)
        for name in ("rsna", "precision", "recall", "f1", "false_marks_per_healthy_image"):
            np.testing.assert_allclose(getattr(table, name)[row], wanted[name], rtol=0, atol=1e-12)
        ill = images.ill_marked + images.ill_unmarked
        np.testing.assert_allclose(table.sensitivity[row], images.ill_marked / ill, rtol=0, atol=1e-12)
        np.testing.assert_allclose(table.specificity[row], 1 - images.healthy_marked_share, rtol=0, atol=1e-12)
        false = counts.box_counts(detections, threshold=threshold).false_positive
        np.testing.assert_allclose(table.false_marks_per_image[row], false / 50, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(table.threshold, GRID)


def test_the_best_threshold_is_the_best_of_all(rng):
    detections = detection_set(crowded_images(rng, 50, digits=2))
    wanted = {t: rsna_score(i[1:] for i in detections.above(t).images()) for t in [*detections.scores.tolist(), 1.0]}
    found = summarise(detections, threshold=0.5)["rsna"]
    assert found["best"] == pytest.approx(max(wanted.values()), abs=1e-12)
    assert found["best_threshold"] == max(t for t, score in wanted.items() if score > max(wanted.values()) - 1e-9)


def test_the_histogram_holds_every_box_once(rng):
    detections = detection_set(crowded_images(rng, 50, digits=9))
    found = summarise(detections, threshold=0.5)["histogram"]
    healthy = (detections.n_truths == 0)[detections.box_image]
    assert sum(found["hits"]) + sum(found["false_on_ill"]) == np.sum(~healthy)
    np.testing.assert_array_equal(found["on_healthy"], np.histogram(detections.scores[healthy], found["edges"])[0])


# 2. Awkward sets, JSON, intervals.


@pytest.mark.parametrize("name", awkward_sets())
def test_awkward_sets_go_into_json(name):
    detections = detection_set(awkward_sets()[name])
    summary = summarise(detections, threshold=0.5, n_bootstrap=5)
    assert set(summary) == KEYS and tuple(summary["figures"]) == FIGURES == tuple(summary["intervals"])
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    got = as_floats(summary["figures"])
    np.testing.assert_allclose(got, as_floats(figures_one_by_one(detections, 0.5)), rtol=0, atol=1e-12)
    if not 0 < np.sum(detections.n_truths > 0) < detections.n_images:
        assert summary["figures"]["auc"] is None and summary["image_level"]["auc"] is None
    else:
        scores = image_level.image_scores(detections)
        assert summary["figures"]["auc"] == pytest.approx(roc_auc_score(detections.n_truths > 0, scores), abs=1e-12)


def test_what_is_said_at_threshold_zero_agrees():
    found = summarise(detection_set([("a", BOX, NONE, []), ("b", NONE, NONE, []), ("c", NONE, BOX, [0])]), threshold=0)
    assert found["figures"]["sensitivity"] == 0 and found["figures"]["specificity"] == 0.5
    assert found["counts"]["images"]["healthy_marked"] == 1
    assert found["by_threshold"]["sensitivity"][0] == 0 and found["by_threshold"]["specificity"][0] == 0.5


def test_intervals_are_those_of_sets_drawn_anew(rng):
    detections = detection_set(crowded_images(rng, 40, digits=9))
    patients = rng.integers(0, 15, 40)
    summary = summarise(detections, threshold=0.5, patients=patients, n_bootstrap=25, seed=6, level=0.8)

    def anew(drawn):
        return as_floats(figures_one_by_one(drawn, 0.5))

    wanted = bootstrap(of_drawn_sets(anew, detections), patients, n=25, seed=6, level=0.8)
    for column, name in enumerate(FIGURES):
        found = summary["intervals"][name]
        np.testing.assert_allclose([found["low"], found["high"]], [wanted.low[column], wanted.high[column]], atol=1e-12)
        assert found["n"] == wanted.n[column]
    assert summary["bootstrap"] == {"n": 25, "seed": 6, "level": 0.8}
    assert summary["set"]["patients"] == len(set(patients.tolist()))


# 3. Size, time, and what is refused.


def test_the_whole_challenge_takes_seconds(rng):
    detections, patients = challenge_set(rng)
    assert (detections.n_images, len(detections.truth)) == (26684, 9555) and len(detections.boxes) > 80000
    begun = time.process_time()
    summary = summarise(detections, threshold=0.5, patients=patients, n_bootstrap=20)
    assert time.process_time() - begun < 15  # one second without the draws, each of which takes a hundredth
    for part in (
        summary["average_precision"],
        summary["froc"]["all"],
        summary["froc"]["healthy"],
        summary["image_level"],
    ):
        lengths = {len(values) for values in part["curve"].values()}
        assert len(lengths) == 1 and 200 < lengths.pop() <= POINTS
    for name, interval in summary["intervals"].items():
        assert interval["low"] <= interval["high"] and interval["n"] == 20, name
    assert summary["intervals"]["rsna"]["low"] < summary["figures"]["rsna"] < summary["intervals"]["rsna"]["high"]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"threshold": 1.5}, "threshold must lie in"),
        ({"threshold": 0.5, "iou": -1}, "iou must lie in"),
        ({"threshold": 0.5, "patients": [1]}, r"patients must have shape \(2,\), got \(1,\)"),
        ({"threshold": 0.5, "n_bootstrap": -1}, "n_bootstrap must be a whole number >= 0"),
    ],
)
def test_bad_input_is_named(options, words):
    with pytest.raises(ValueError, match=words):
        summarise(detection_set([("a", BOX, BOX, [0.5]), ("b", NONE, NONE, [])]), **options)
