"""The slides' network at its full size: our detections are Matterport's, on phantoms and on noise. Classic only."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later
from networks import random_weights

from mini_rcnn.bench.detector_inputs import calm
from mini_rcnn.config import Config, changed
from mini_rcnn.data.phantom import draw_phantom, plan_phantoms
from mini_rcnn.matterport_detector import MatterportDetector, agreement
from mini_rcnn.model import Found

tf_model = Later("mini_rcnn.stages_tf.model")
CONFIG = changed(Config(), convention="matterport")  # ResNet-101, 256 pixels, 1,000 proposals
N_PHANTOMS, N_NOISE = 6, 6


def films():
    """Yield films of the network's size, where both sides see the same greys."""
    for plan in plan_phantoms(N_PHANTOMS, seed=5):
        film = draw_phantom(plan).image
        yield film.reshape(256, 4, 256, 4).mean(axis=(1, 3)).round().astype(np.uint8)
    rng = np.random.default_rng(6)
    for _ in range(N_NOISE):
        yield np.kron(rng.uniform(0, 255, (16, 16)), np.ones((16, 16))).astype(np.uint8)


def test_same_boxes_classes_scores_and_masks():
    weights = random_weights(CONFIG, np.random.default_rng(7))
    ours = tf_model.Detector(CONFIG, weights)
    weights = calm(weights, ours.detect(next(films()))[1])
    ours.load(weights)
    reference, n_found = MatterportDetector(CONFIG, weights), 0
    for film in films():
        told = agreement(ours.find(film), *reference.detect(film))
        assert told.holds, told
        n_found += told.count
    assert n_found > 100


def test_what_differs_is_told():
    mask = np.zeros((1, 8, 8), bool)
    mask[0, :4, :4] = True
    boxes, grid = np.array([[0.0, 0, 4, 4]]), np.ones((1, 28, 28))
    ours = Found(boxes, np.array([1]), np.array([0.9]), grid)
    assert agreement(ours, ours, mask).holds
    assert not agreement(ours, ours._replace(boxes=boxes + 2), mask).holds
    assert not agreement(ours, ours, ~mask).holds
    for other in (ours._replace(scores=np.array([0.91])), ours._replace(class_ids=np.array([2]))):
        with pytest.raises(ValueError, match="no detection of class 1 with the score 0.9"):
            agreement(ours, other, mask)


def test_order_matters_only_between_different_scores():
    masks, grids = np.ones((2, 8, 8), bool), np.ones((2, 28, 28))
    ours = Found(np.array([[0.0, 0, 8, 8], [0, 0, 7.8, 8]]), np.array([1, 1]), np.array([0.9, 0.9]), grids)
    swapped = Found(*(part[::-1] for part in ours))
    assert agreement(ours, swapped, masks).box == 0
    apart = ours._replace(scores=np.array([0.9, 0.8]))
    assert agreement(apart, Found(*(part[::-1] for part in apart)), masks).box == 0
