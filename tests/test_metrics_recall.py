"""Recall of proposals: by hand."""

import math

import numpy as np
import pytest

from mini_rcnn.metrics.recall import proposal_recall

TRUTH = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])
HALF = np.array([[0.0, 0, 10, 5]])  # covers half of the first truth, exactly


@pytest.mark.parametrize("min_iou, wanted", [(0.49, 0.5), (0.5, 0.5), (0.51, 0.0)])
def test_an_overlap_equal_to_the_threshold_covers(min_iou, wanted):
    assert proposal_recall([TRUTH], [HALF], limit=5, min_iou=min_iou) == wanted


def test_truths_are_counted_over_all_images_together():
    truths = [TRUTH, TRUTH[:1], np.zeros((0, 4))]
    assert proposal_recall(truths, [TRUTH, np.zeros((0, 4)), TRUTH], limit=5, min_iou=0.5) == 2 / 3


def test_one_proposal_may_cover_two_truths_and_two_count_once():
    twins = TRUTH[[0, 0]]
    assert proposal_recall([twins], [TRUTH[:1]], limit=1, min_iou=0.5) == 1.0
    assert proposal_recall([TRUTH], [twins], limit=2, min_iou=0.5) == 0.5


def test_only_the_first_proposals_count():
    assert proposal_recall([TRUTH], [TRUTH], limit=1, min_iou=0.5) == 0.5
    assert proposal_recall([TRUTH], [TRUTH], limit=0, min_iou=0.5) == 0.0


def test_no_truth_is_no_number():
    assert math.isnan(proposal_recall([np.zeros((0, 4))], [TRUTH], limit=5, min_iou=0.5))
    assert math.isnan(proposal_recall([], [], limit=5, min_iou=0.5))
