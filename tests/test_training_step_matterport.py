"""One whole training step: Matterport's own graph against ours, dice fixed, losses and gradients. Classic only."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later
from networks import random_weights, small_config

from mini_rcnn.config import changed
from mini_rcnn.matterport_training import MatterportTrainer
from mini_rcnn.model import anchors_of, end_of_box
from mini_rcnn.parameters import is_recorded

tf = Later("tensorflow.compat.v2")
learning = Later("mini_rcnn.stages_tf.learning")
CONFIG = changed(
    small_config(convention="matterport", proposals__rpn_channels=512, heads__mask_channels=256),
    backbone__blocks=(3, 4, 6, 3),
    backbone__width=64,
    backbone__pyramid_channels=64,
    heads__box_units=128,
    anchors__scales=(16, 32, 64, 96, 128),
    proposals__max_training_proposals=200,
    targets__negatives="skip",
    targets__max_rois=24,
    targets__max_anchors=64,
)


@pytest.fixture(scope="module")
def weights():
    return random_weights(CONFIG, np.random.default_rng(11))


def batch_of(seed):
    """Return images, boxes, classes and masks of two images with two boxes each.

    With grain: in flat parts the largest of nine equal values is whichever a rounding error makes it, and once in many
    runs the gradients of both sides then went different ways by a few per cent.
    """
    rng = np.random.default_rng(seed)
    images = np.kron(rng.uniform(-100, 100, (2, 16, 16, 1)), np.ones((1, 8, 8, 3)))
    images = (images + rng.normal(0, 10, images.shape)).astype(np.float32)
    boxes = np.array([[[10, 20, 70, 64], [40, 70, 110, 120]], [[20, 10, 60, 90], [64, 64, 120, 112]]], np.float32)
    return images, boxes, np.ones((2, 2), np.int64), rng.random((2, 2, 56, 56)) > 0.4


def our_step(weights, batch, anchor_dice):
    """Return our losses and gradients, where of too many proposals the first stay."""
    images, boxes, class_ids, masks = batch
    variables = {name: tf.Variable(array) for name, array in weights.items()}
    n_proposals = CONFIG.proposals.max_training_proposals
    first = np.tile(np.arange(n_proposals, dtype=np.float32) / n_proposals, (2, 1))
    dice = learning.Dice(tf.constant(anchor_dice), tf.constant(first))
    truth = learning.Truth(*map(tf.constant, (boxes - end_of_box(CONFIG), class_ids, masks)))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            parts = learning.batch_losses(
                tf.constant(images), truth, dice, tf.constant(anchors_of(CONFIG)), variables, CONFIG
            )
            total = tf.add_n(list(parts.values()))
        return parts, tape.gradient(total, variables)

    parts, gradients = step()
    learnt = {name: gradient.numpy() for name, gradient in gradients.items() if not is_recorded(name)}
    return {name: float(loss) for name, loss in parts.items()}, learnt


def gradient_errors(weights, batch):
    """Return each gradient's error as a share of Matterport's length; the losses must be Matterport's."""
    anchor_dice = np.random.default_rng(9).random((2, len(anchors_of(CONFIG)))).astype(np.float32)
    losses, gradients = our_step(weights, batch, anchor_dice)
    trainer = MatterportTrainer(CONFIG, weights, fixed=True, cut=True)
    inputs = trainer.inputs(*batch, anchor_dice)
    theirs, told = trainer.gradients(inputs), trainer.step(inputs)
    assert set(theirs) == set(gradients)
    for name, loss in losses.items():
        assert loss > 0
        np.testing.assert_allclose(loss, told[name], rtol=1e-4, err_msg=name)
    lengths = {name: max(np.linalg.norm(gradient), 1e-6) for name, gradient in theirs.items()}
    return {name: np.linalg.norm(gradients[name] - theirs[name]) / lengths[name] for name in theirs}


def test_one_step_has_matterports_losses_and_gradients(weights):
    """The errors are 0.000004 to 0.001, by the images; now and then 0.04, which is no error of ours.

    A ReLU whose input is 0 but for the last digits passes a gradient or none, as rounding has it, and the order in
    which threads add decides that. The losses do not change, but in the region proposal network a single unit at an
    anchor that is asked holds up to 1 % of its layer's gradient, and so everything below goes a few per cent another
    way: seen between two runs of the same step of ours, while Matterport's stood still. An error of ours shows on every
    batch; that is why the next one is asked.
    """
    far = {}
    for seed in (5, 6, 7):
        errors = gradient_errors(weights, batch_of(seed))
        far[seed] = {name: error for name, error in errors.items() if error >= 1e-2}
        if not far[seed]:
            return
    pytest.fail(f"gradients that are not Matterport's, by the batch: {far}")
