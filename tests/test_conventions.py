"""The conversions between our convention and Matterport's, by hand and by their properties; both environments."""

import sys

import numpy as np
import pytest

from mini_rcnn import conventions, matterport


def test_normalised_boxes_by_hand():
    boxes = np.array([[0.0, 0, 5, 9], [1, 2, 4, 8]])
    np.testing.assert_allclose(conventions.norm_boxes(boxes, (5, 9)), [[0, 0, 1, 1], [0.25, 0.25, 0.75, 0.875]])


def test_denorm_undoes_norm(rng):
    boxes = rng.uniform(-50, 400, (100, 4))
    back = conventions.denorm_boxes(conventions.norm_boxes(boxes, (192, 320)), (192, 320))
    np.testing.assert_allclose(back, boxes, atol=1e-4)


def test_inclusive_there_and_back():
    boxes = np.float32([[0, 0, 5, 9]])
    there = conventions.to_inclusive(boxes)
    assert there.dtype == np.float32 and there.tolist() == [[0, 0, 4, 8]]
    np.testing.assert_array_equal(conventions.from_inclusive(there), boxes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distinct_scores_keep_our_order(rng, dtype):
    scores = np.round(rng.uniform(-1, 1, 500), 1).astype(dtype)  # zeros and negative scores, too
    distinct = conventions.distinct_scores(scores)
    assert distinct.dtype == dtype and len(set(distinct)) == 500
    np.testing.assert_array_equal(np.argsort(-distinct), np.argsort(-scores, kind="stable"))
    assert (distinct >= scores).all()
    np.testing.assert_allclose(distinct, scores, atol=1e-4)
    assert not ((distinct > 0) & (distinct < np.finfo(dtype).tiny)).any()


def test_distinct_scores_leave_the_rest_alone(rng):
    scores = rng.random(50)
    np.testing.assert_array_equal(conventions.distinct_scores(scores), scores)
    assert conventions.distinct_scores(scores[:0]).shape == (0,)


def test_thresholds_for_at_least():
    assert conventions.threshold_for_at_least(0.0) == float(np.finfo(np.float32).tiny)
    assert conventions.threshold_for_at_least(0.5) == float(np.nextafter(np.float32(0.5), np.float32(1)))
    assert conventions.threshold_for_at_least(1.0) == 1.0


def test_padding_is_dropped_and_nothing_else():
    rows = np.array([[0, 0, 0, 0], [1, 0, 2, 3], [0, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(conventions.drop_padding(rows), rows[:2])
    assert conventions.drop_padding(rows[:1]).shape == (0, 4)
    assert conventions.drop_padding(rows[:0]).shape == (0, 4)


def test_masks_turn_there_and_back(rng):
    masks = rng.random((3, 4, 5)) < 0.5
    assert conventions.masks_last(masks).shape == (4, 5, 3)
    np.testing.assert_array_equal(conventions.masks_first(conventions.masks_last(masks)), masks)


def test_smoothing_as_booleans_eats_a_margin():
    mask = np.zeros((1, 9), dtype=bool)
    mask[0, 2:7] = True
    assert conventions.smooth_as_integers(mask, (0, 0.25)).astype(int).tolist() == [[0, 0, 0, 1, 1, 1, 0, 0, 0]]
    np.testing.assert_array_equal(conventions.smooth_as_integers(mask, (0, 0)), mask)


def test_without_matterport_the_error_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "mrcnn", None)
    with pytest.raises(ImportError, match="python3 lab.py --env classic"):
        matterport.load.__wrapped__()
