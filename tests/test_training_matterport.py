"""Targets and losses against Matterport's, its dice fixed. Classic only."""

from __future__ import annotations

import numpy as np
import pytest
from test_losses import case
from test_targets import ANCHORS, STD, head_case, truths

from mini_rcnn import matterport_training as matterport
from mini_rcnn.conventions import norm_boxes, to_inclusive
from mini_rcnn.stages import losses
from mini_rcnn.stages.targets import head_targets, rpn_targets


@pytest.mark.parametrize("seed", range(30))
def test_rpn_targets(seed):
    rng = np.random.default_rng(seed)
    truth, priority = np.round(truths(rng, 1 + seed % 5)), rng.random(len(ANCHORS))
    limit = (8, 64, 256)[seed % 3]
    ours = rpn_targets(ANCHORS, truth, priority, max_anchors=limit, delta_std=STD)
    labels, deltas = matterport.build_rpn_targets(ANCHORS, truth, priority, max_anchors=limit, delta_std=STD)
    np.testing.assert_array_equal(ours.labels, labels)
    np.testing.assert_allclose(ours.deltas[ours.labels == 1], deltas, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_head_targets(seed):
    """Its boxes end on their last pixel: ours are handed over, and held against it, in that frame."""
    rng = np.random.default_rng(seed)
    proposals, truth, class_ids, masks, _ = head_case(rng, 1 + seed % 4)
    truth, first = np.round(truth) + [0, 0, 2, 2], np.arange(len(proposals)) / 1000
    options = {"max_rois": 30, "positive_share": 0.33, "mask_size": (28, 28), "delta_std": STD}
    ours = head_targets(
        to_inclusive(proposals).astype(np.float32), to_inclusive(truth).astype(np.float32), class_ids, masks, first,
        negatives="by_positives", **options,
    )  # fmt: skip
    boxes, classes, deltas, grids = matterport.detection_targets(
        norm_boxes(proposals, (128, 128)), norm_boxes(truth, (128, 128)), class_ids, masks, **options
    )
    n_rows, n_objects = len(ours.boxes), len(ours.masks)
    np.testing.assert_allclose(ours.boxes / 127, boxes[:n_rows], atol=1e-6)
    assert not boxes[n_rows:].any() or n_rows == 30
    np.testing.assert_array_equal(ours.class_ids, classes[:n_rows])
    np.testing.assert_allclose(ours.deltas, deltas[:n_rows], atol=1e-3)
    assert (ours.masks != grids[:n_objects]).mean() < 2e-3 if n_objects else True


def test_an_image_without_truth_stops_matterport():
    with pytest.raises(ValueError):
        matterport.build_rpn_targets(ANCHORS, np.zeros((0, 4)), np.zeros(len(ANCHORS)), max_anchors=64, delta_std=STD)


@pytest.mark.parametrize("seed", range(5))
def test_losses(seed):
    rng = np.random.default_rng(seed)
    logits, labels = case(rng, "rpn_class_loss")
    logits, labels = logits[:1], labels[:1]
    ours = losses.rpn_class_loss(logits, labels)
    np.testing.assert_allclose(ours, matterport.loss("rpn_class_loss_graph", labels[..., None], logits), rtol=1e-5)
    deltas, _, wanted = (part[:1] for part in case(rng, "rpn_box_loss"))
    packed = np.pad(wanted[labels == 1], [(0, 3), (0, 0)])[None]
    ours = losses.rpn_box_loss(deltas, labels, wanted)
    theirs = matterport.loss("rpn_bbox_loss_graph", packed, labels[..., None], deltas)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    logits, classes, _ = case(rng, "head_class_loss")
    ours = losses.head_class_loss(logits, classes, np.ones(classes.shape, bool))
    theirs = matterport.loss("mrcnn_class_loss_graph", classes, logits, np.ones((2, 3)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    deltas, classes, wanted = case(rng, "head_box_loss")
    ours = losses.head_box_loss(deltas, classes, wanted)
    theirs = matterport.loss("mrcnn_bbox_loss_graph", wanted, classes, deltas)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    logits, classes, wanted = case(rng, "head_mask_loss")
    ours = losses.head_mask_loss(logits, classes, wanted)
    theirs = matterport.loss("mrcnn_mask_loss_graph", wanted[None], classes[None], 1 / (1 + np.exp(-logits))[None])
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
