"""Who finds whom: by hand, against pycocotools, and against VOC's rule in plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from coco_oracle import coco_matches
from detection_crowds import BOX, NONE, awkward_sets, crowded_images, part

from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.matching import match_best, match_free, overlaps_of, score_ranks

THRESHOLDS = np.array([0.1, 0.3, 0.5, 0.7, 0.9])


def one(truth, predicted, scores):
    """Return the set of one image."""
    return detection_set([("one", truth, predicted, scores)])


def by_vocs_rule(detections, threshold):
    """Return the truth of each prediction as the development kit's text tells it, a box at a time."""
    matched, used = np.full(len(detections.boxes), -1), set()
    for row in sorted(range(len(detections.boxes)), key=lambda i: -detections.scores[i]):
        best, best_overlap = None, 0.0
        y1, x1, y2, x2 = detections.boxes[row]
        for truth in np.flatnonzero(detections.truth_image == detections.box_image[row]):
            b = detections.truth[truth]
            both = max(min(y2, b[2]) - max(y1, b[0]), 0) * max(min(x2, b[3]) - max(x1, b[1]), 0)
            overlap = both / ((y2 - y1) * (x2 - x1) + (b[2] - b[0]) * (b[3] - b[1]) - both)
            if overlap > best_overlap:
                best, best_overlap = truth, overlap
        if best is not None and best_overlap >= threshold and best not in used:
            used.add(best)
            matched[row] = best
    return matched


# 1. By hand.


def test_where_the_two_rules_differ():
    # Both predictions overlap the first truth most. COCO gives the second one the other truth, VOC gives it nothing.
    detections = one(np.concatenate([BOX, part(0.6)]), np.concatenate([BOX, part(0.9)]), [0.9, 0.8])
    assert match_free(detections, [0.5]).tolist() == [[0, 1]]
    assert match_best(detections, 0.5).tolist() == [0, -1]


def test_an_overlap_equal_to_the_threshold_is_enough_and_none_at_all_never():
    half, touching = one(BOX, part(0.5), [0.9]), one(BOX, BOX + [0, 100, 0, 100], [0.9])
    assert match_free(half, [0.5, 0.51]).tolist() == [[0], [-1]]
    assert (match_best(half, 0.5), match_best(half, 0.51)) == (0, -1)
    assert match_free(touching, [0.0]).tolist() == [[-1]] and match_best(touching, 0.0).tolist() == [-1]
    one_free = one(np.concatenate([BOX, BOX + 500]), np.concatenate([BOX, BOX]), [0.9, 0.8])
    assert match_free(one_free, [0.0]).tolist() == [[0, -1]]


def test_the_better_score_goes_first_and_of_equal_ones_the_lower_row():
    doubles = np.concatenate([part(0.8), BOX, BOX])
    assert match_free(one(BOX, doubles, [0.2, 0.6, 0.6]), [0.5]).tolist() == [[-1, 0, -1]]
    assert match_free(one(BOX, doubles, [0.9, 0.6, 0.6]), [0.5, 0.9]).tolist() == [[0, -1, -1], [-1, 0, -1]]
    assert match_best(one(BOX, doubles, [0.5, 0.5, 0.5]), 0.5).tolist() == [0, -1, -1]


def test_of_equal_overlaps_coco_takes_the_later_truth_and_voc_the_first():
    detections = one(np.concatenate([BOX, BOX]), np.concatenate([BOX, BOX]), [0.9, 0.8])
    assert match_free(detections, [0.5]).tolist() == [[1, 0]]
    assert match_best(detections, 0.5).tolist() == [0, -1]


def test_several_truths_on_one_prediction_and_images_apart():
    truth = np.concatenate([part(0.7), BOX])
    detections = detection_set([("a", truth, BOX, [0.1]), ("b", NONE, BOX, [0.9]), ("c", BOX, BOX, [0.5])])
    assert match_free(detections, [0.5]).tolist() == [[1, -1, 2]]
    assert match_best(detections, 0.5).tolist() == [1, -1, 2]


def test_overlaps_have_a_place_for_each_truth():
    detections = detection_set([("a", np.concatenate([BOX, part(0.5)]), BOX, [0.1]), ("b", NONE, BOX, [0.9])])
    np.testing.assert_array_equal(overlaps_of(detections), [[1, 0.5], [-1, -1]])
    assert overlaps_of(detection_set([])).shape == (0, 0)


# 2. Against what is not ours.


def test_as_pycocotools(rng):
    n_found = 0
    for _ in range(30):
        detections = detection_set(crowded_images(rng, 12, max_truths=6, max_boxes=9))
        got, wanted = match_free(detections, THRESHOLDS), coco_matches(detections, THRESHOLDS)
        np.testing.assert_array_equal(got, wanted)
        n_found += np.sum(got >= 0)
    assert n_found > 1000


def test_as_vocs_rule_says(rng):
    n_differ = 0
    for _ in range(40):
        detections = detection_set(crowded_images(rng, 10, max_truths=6, max_boxes=9))
        free = match_free(detections, THRESHOLDS)
        for row, threshold in enumerate(THRESHOLDS):
            got = match_best(detections, threshold)
            np.testing.assert_array_equal(got, by_vocs_rule(detections, threshold))
            n_differ += np.sum((got >= 0) != (free[row] >= 0))
    assert n_differ > 20


@pytest.mark.parametrize("name", awkward_sets())
def test_awkward_sets(name):
    detections = detection_set(awkward_sets()[name])
    if detections.n_images:
        np.testing.assert_array_equal(match_free(detections, THRESHOLDS), coco_matches(detections, THRESHOLDS))
    assert match_free(detections, THRESHOLDS).shape == (5, len(detections.boxes))
    np.testing.assert_array_equal(match_best(detections, 0.5), by_vocs_rule(detections, 0.5))


# 3. Properties.


def test_a_threshold_on_the_score_changes_no_match_above_it(rng):
    detections = detection_set(crowded_images(rng, 60, max_truths=6, max_boxes=9))
    every, best = match_free(detections, THRESHOLDS), match_best(detections, 0.5)
    for score in (0.2, 0.5, 0.8):
        kept = detections.scores >= score
        np.testing.assert_array_equal(match_free(detections.above(score), THRESHOLDS), every[:, kept])
        np.testing.assert_array_equal(match_best(detections.above(score), 0.5), best[kept])


def test_ranks_are_a_sort_of_each_image(rng):
    images = crowded_images(rng, 40)
    ranks = score_ranks(detection_set(images))
    wanted = [np.argsort(np.argsort(-np.array(scores), kind="stable")) for *_, scores in images]
    np.testing.assert_array_equal(ranks, np.concatenate(wanted))


@pytest.mark.parametrize("thresholds", [[], [1.5], [-0.1], [float("nan")]])
def test_bad_thresholds_are_named(thresholds):
    with pytest.raises(ValueError, match="thresholds must be"):
        match_free(one(BOX, BOX, [0.5]), thresholds)
    with pytest.raises(ValueError, match="threshold must lie"):
        match_best(one(BOX, BOX, [0.5]), (thresholds or [2])[0])
