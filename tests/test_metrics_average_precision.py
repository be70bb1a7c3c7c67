"""Average precision: by hand, against pycocotools, and against the definition in plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from coco_oracle import coco_average_precisions
from detection_crowds import BOX, NONE, awkward_sets, crowded_images, part

from mini_rcnn.metrics.average_precision import (
    COCO_THRESHOLDS,
    area_of_all_points,
    coco_ap,
    coco_ap_by_iou,
    falling,
    mean_at_recalls,
    ranked_hits,
    voc_2007_ap,
    voc_ap,
)
from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.matching import match_best

FAR = BOX + 500


def curve_by_loop(detections, iou):
    """Return ``[(recall, precision)]`` after each prediction, best score first."""
    hit = match_best(detections, iou) >= 0
    points, found = [], 0
    for seen, row in enumerate(sorted(range(len(hit)), key=lambda i: -detections.scores[i]), start=1):
        found += bool(hit[row])
        points.append((found / len(detections.truth), found / seen))
    return points


def best_beyond(points, recall):
    """Return the best precision at a recall or a larger one."""
    return max([precision for r, precision in points if r >= recall], default=0.0)


# 1. By hand.


def test_a_curve_of_three_predictions():
    # hit, miss, hit of two truths: precision 1 at recall 1/2, then 2/3 at recall 1.
    detections = detection_set([("a", np.concatenate([BOX, FAR]), np.concatenate([BOX, BOX, FAR]), [0.9, 0.8, 0.7])])
    assert voc_ap(detections) == pytest.approx(1 / 2 + 1 / 3, abs=1e-12)
    assert voc_2007_ap(detections) == pytest.approx((6 + 5 * 2 / 3) / 11, abs=1e-12)
    assert coco_ap(detections) == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-12)


def test_a_false_mark_before_and_after():
    ill, healthy = ("ill", BOX, BOX, [0.8]), ("healthy", NONE, BOX, [0.9])
    assert voc_ap(detection_set([ill, healthy])) == 0.5
    assert voc_ap(detection_set([ill, ("healthy", NONE, BOX, [0.7])])) == 1


def test_overlaps_count_up_to_the_threshold_itself():
    detections = detection_set([("a", BOX, part(0.75), [0.9])])
    np.testing.assert_array_equal(coco_ap_by_iou(detections), [1, 1, 1, 1, 1, 1, 0, 0, 0, 0])
    assert voc_ap(detections, iou=0.75) == 1 and voc_ap(detections, iou=0.76) == 0
    assert COCO_THRESHOLDS.tolist() == pytest.approx([0.5 + 0.05 * i for i in range(10)])


def test_three_of_ten_truths_reach_a_recall_of_three_tenths():
    truth = np.concatenate([BOX + 200 * i for i in range(10)])
    detections = detection_set([("a", truth, truth[:3], [0.9, 0.8, 0.7])])
    assert voc_2007_ap(detections) == pytest.approx(4 / 11, abs=1e-12)


def test_the_pieces():
    np.testing.assert_array_equal(falling(np.array([0.1, 0.4, 0.2, 0.3])), [0.4, 0.4, 0.3, 0.3])
    none = np.zeros(0)
    assert area_of_all_points(none, none) == 0 and mean_at_recalls(none, none, [0, 1]) == 0
    assert area_of_all_points(np.ones(1), np.array([0.3])) == pytest.approx(0.3)


# 2. Against what is not ours.


@pytest.mark.parametrize("digits", [1, 6])
def test_coco_ap_is_pycocotools(rng, digits):
    seen = set()
    for _ in range(15):
        detections = detection_set(crowded_images(rng, 30, digits=digits, max_truths=6, max_boxes=9))
        wanted = coco_average_precisions(detections)
        np.testing.assert_allclose(coco_ap_by_iou(detections), wanted, rtol=0, atol=1e-9)
        assert coco_ap(detections) == pytest.approx(wanted.mean(), abs=1e-9)
        seen.update(np.round(wanted, 6))
    assert len(seen) > 50


@pytest.mark.parametrize("place, counts", [(100, True), (101, False)])
def test_coco_ap_counts_a_hundred_boxes_an_image(place, counts):
    boxes = np.concatenate([BOX, np.repeat(BOX, place - 2, axis=0) + 900, FAR, BOX + 700])
    scores = np.linspace(0.9, 0.2, len(boxes))
    detections = detection_set([("crowded", np.concatenate([BOX, FAR]), boxes, scores), ("b", BOX, BOX, [0.5])])
    np.testing.assert_allclose(coco_ap_by_iou(detections), coco_average_precisions(detections), rtol=0, atol=1e-9)
    assert (coco_ap(detections) == coco_ap(detections, max_boxes=place + 1)) == counts


def test_voc_ap_by_its_definitions(rng):
    for _ in range(20):
        detections = detection_set(crowded_images(rng, 20, digits=2, max_truths=5, max_boxes=9))
        points = curve_by_loop(detections, 0.4)
        recalls = sorted({recall for recall, _ in points} | {0.0})
        area = sum((high - low) * best_beyond(points, high) for low, high in zip(recalls, recalls[1:]))
        assert voc_ap(detections, iou=0.4) == pytest.approx(area, abs=1e-12)
        eleven = sum(best_beyond(points, r / 10) for r in range(11)) / 11
        assert voc_2007_ap(detections, iou=0.4) == pytest.approx(eleven, abs=1e-12)


@pytest.mark.parametrize("name", awkward_sets())
def test_awkward_sets(name):
    detections = detection_set(awkward_sets()[name])
    got = [voc_ap(detections), voc_2007_ap(detections), coco_ap(detections)]
    if not len(detections.truth):
        assert all(map(math.isnan, got))
        return
    assert got[2] == pytest.approx(coco_average_precisions(detections).mean(), abs=1e-9)
    assert all(0 <= value <= 1 for value in got)
    if name in ("no prediction", "touching"):
        assert got == [0, 0, 0]


# 3. Properties.


def test_weights_are_images_put_in_again(rng):
    detections = detection_set(crowded_images(rng, 40, digits=9))
    for _ in range(5):
        weights = rng.integers(0, 4, 40)
        again = detections.of_images(np.repeat(np.arange(40), weights))
        for function in (voc_ap, voc_2007_ap, coco_ap):
            assert function(detections, weights=weights) == pytest.approx(function(again), abs=1e-12)
    assert math.isnan(voc_ap(detections, weights=np.zeros(40)))


def test_only_the_order_of_the_scores_counts(rng):
    images = crowded_images(rng, 30)
    squared = [(name, truth, boxes, scores**2) for name, truth, boxes, scores in images]
    for function in (voc_ap, voc_2007_ap, coco_ap):
        assert function(detection_set(images)) == function(detection_set(squared))


def test_points_stand_at_hits():
    detections = detection_set([("a", BOX, np.concatenate([FAR, BOX]), [0.9, 0.8])])
    n_truths, [(precision, recall, scores)] = ranked_hits(detections, match_best(detections, 0.5)).points()
    assert (n_truths, precision.tolist(), recall.tolist(), scores.tolist()) == (1, [0.5], [1.0], [0.8])


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda d: voc_ap(d, iou=1.5), "threshold must lie"),
        (lambda d: coco_ap(d, thresholds=[2.0]), "thresholds must be"),
        (lambda d: coco_ap(d, max_boxes=0), "max_boxes must be a whole number >= 1"),
        (lambda d: voc_ap(d, weights=[1.0, 1.0]), r"weights must have shape \(1\)"),
        (lambda d: coco_ap(d, weights=[-1.0]), "weights must be at least 0, got -1.0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(detection_set([("a", BOX, BOX, [0.5])]))
