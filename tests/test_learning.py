"""One batch with what it should have said: the losses are those of the NumPy stages, image by image, and they fall."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later
from networks import random_weights, small_config

from mini_rcnn.config import changed
from mini_rcnn.model import NUMPY, anchors_of, end_of_box, pooling_of
from mini_rcnn.stages import losses, targets

tf = Later("tensorflow.compat.v2")
learning = Later("mini_rcnn.stages_tf.learning")
rpn = Later("mini_rcnn.stages_tf.rpn")
N_PROPOSALS = 60


def make_config(**settings):
    return small_config(
        proposals__max_training_proposals=N_PROPOSALS, targets__max_rois=24, targets__max_anchors=64, **settings
    )


def make_batch(rng):
    """Return two images, the first with two boxes, the second with none, and their truth."""
    images = (rng.normal(size=(2, 128, 128, 3)) * 50).astype(np.float32)
    boxes = np.zeros((2, 3, 4), np.float32)
    boxes[0, :2] = [[20, 30, 70, 80], [60, 60, 120, 100]]
    class_ids = np.array([[1, 1, 0], [0, 0, 0]])
    return images, boxes, class_ids, rng.random((2, 3, 56, 56)) > 0.4


def numpy_losses(images, boxes, class_ids, masks, dice, weights, config):
    """Return the five losses of a batch with NumPy's stages alone."""
    anchors, last = anchors_of(config), end_of_box(config)
    rows = {"class": [], "class_ids": [], "deltas": [], "wanted": [], "masks": [], "mask_ids": [], "grids": []}
    rpn = {"logits": [], "labels": [], "deltas": [], "wanted": []}
    pool = pooling_of(config, NUMPY)
    for i, image in enumerate(images):
        pyramid = NUMPY.fpn.feature_pyramid(
            NUMPY.backbone.resnet(image, weights, blocks=config.backbone.blocks), weights
        )
        logits, objectness, deltas = NUMPY.rpn.region_proposal_network(pyramid, weights)
        real = class_ids[i] > 0
        truth = boxes[i][real]
        asked = targets.rpn_targets(anchors, truth, dice.anchors[i], max_anchors=64)
        for name, part in zip(rpn, (logits, asked.labels, deltas, asked.deltas)):
            rpn[name].append(part)
        found = NUMPY.proposals.propose(
            objectness, deltas, anchors, window=np.array([0, 0, 128, 128]) - last, pre_nms_limit=500,
            max_proposals=N_PROPOSALS, iou_threshold=0.7, delta_std=(0.1, 0.1, 0.2, 0.2),
        )  # fmt: skip
        heads = targets.head_targets(
            found.boxes, truth, class_ids[i][real], masks[i][real], dice.proposals[i][: len(found.boxes)],
            max_rois=24, positive_iou=config.targets.roi_positive_iou, positive_share=config.targets.roi_positive_share,
            negatives="full" if config.targets.negatives == "full" else "by_positives",
        )  # fmt: skip
        class_logits, _, head_deltas = NUMPY.heads.box_head(pool(pyramid, heads.boxes + last, 7), weights)
        n_objects = len(heads.masks)
        mask_logits, _ = NUMPY.heads.mask_head(pool(pyramid, heads.boxes[:n_objects] + last, 14), weights)
        parts = (class_logits, heads.class_ids, head_deltas, heads.deltas, mask_logits, heads.class_ids[:n_objects])
        for name, part in zip(rows, (*parts, heads.masks)):
            rows[name].append(part)
    rpn = {name: np.stack(parts) for name, parts in rpn.items()}
    rows = {name: np.concatenate(parts) for name, parts in rows.items()}
    return {
        "rpn_class": losses.rpn_class_loss(rpn["logits"], rpn["labels"]),
        "rpn_box": losses.rpn_box_loss(rpn["deltas"], rpn["labels"], rpn["wanted"]),
        "head_class": losses.head_class_loss(rows["class"], rows["class_ids"], np.ones(len(rows["class"]), bool)),
        "head_box": losses.head_box_loss(rows["deltas"], rows["class_ids"], rows["wanted"]),
        "head_mask": losses.head_mask_loss(rows["masks"], rows["mask_ids"], rows["grids"]),
    }, rows


@pytest.mark.parametrize("negatives", ["full", "rpn_only"])
def test_a_batchs_losses_are_those_of_its_images(rng, negatives):
    config = make_config(targets__negatives=negatives, targets__roi_positive_iou=0.05)
    weights, (images, boxes, class_ids, masks) = random_weights(config, rng), make_batch(rng)
    anchors = anchors_of(config)
    dice = learning.Dice(
        rng.random((2, len(anchors))).astype(np.float32), rng.random((2, N_PROPOSALS)).astype(np.float32)
    )
    wanted, rows = numpy_losses(images, boxes, class_ids, masks, dice, weights, config)
    truth = learning.Truth(tf.constant(boxes), tf.constant(class_ids), tf.constant(masks))
    got = learning.batch_losses(tf.constant(images), truth, dice, tf.constant(anchors), weights, config)
    assert len(rows["masks"]) > 0
    assert (rows["class_ids"] == 0).sum() > (24 if negatives == "full" else 0)
    for name, loss in wanted.items():
        np.testing.assert_allclose(float(got[name]), loss, rtol=2e-4, err_msg=name)


def test_the_mask_head_may_learn_from_a_few_objects_of_each_image(rng):
    config = make_config(targets__roi_positive_iou=0.05)
    weights, (images, *truth) = random_weights(config, rng), make_batch(rng)
    anchors, truth = tf.constant(anchors_of(config)), learning.Truth(*map(tf.constant, truth))
    dice = learning.throw_dice(tf.constant([0, 0]), 2, len(anchors), N_PROPOSALS)
    pyramid = learning.pyramid_of(tf.constant(images), weights, config)
    _, objectness, deltas = rpn.region_proposal_network(pyramid, weights)
    proposals = learning.training_proposals(objectness, deltas, anchors, config)
    asked = learning.batch_head_targets(proposals, truth, dice.proposals, config)
    assert int(asked.n_objects[0]) > 2
    for limit in (1, 2, 24):
        few = changed(config, targets__max_mask_rois=limit)
        first = asked._replace(n_objects=tf.minimum(asked.n_objects, limit))  # as if there were no others
        wanted = learning.mask_loss(pyramid, first, weights, config)
        np.testing.assert_allclose(learning.mask_loss(pyramid, asked, weights, few), wanted, rtol=1e-6)


def test_dice_are_the_same_for_the_same_seed_and_others_for_another():
    first, again, other = (learning.throw_dice(tf.constant(seed), 2, 5, 7) for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(first.anchors.numpy(), again.anchors.numpy())
    assert not np.array_equal(first.proposals.numpy(), other.proposals.numpy())
    assert first.anchors.shape == (2, 5) and first.proposals.shape == (2, 7)


def test_weight_decay_by_hand():
    weights = {"a/kernel": tf.constant([[1.0, 3.0]]), "a/bias": tf.constant([2.0]), "bn/gamma": tf.constant([9.0])}
    np.testing.assert_allclose(float(learning.weight_decay(weights, 0.5)), 0.5 * (5 + 4))


def test_a_few_steps_lower_the_losses(rng):
    config = make_config(targets__roi_positive_iou=0.3)
    weights = {name: tf.Variable(array) for name, array in random_weights(config, rng).items()}
    learnt = [variable for name, variable in weights.items() if name.rsplit("/", 1)[1] not in ("mean", "variance")]
    images, *truth = make_batch(rng)
    anchors, truth = tf.constant(anchors_of(config)), learning.Truth(*map(tf.constant, truth))

    def step():
        with tf.GradientTape() as tape:
            parts = learning.batch_losses(
                tf.constant(images), truth, learning.throw_dice(tf.constant([0, 0]), 2, len(anchors), N_PROPOSALS),
                anchors, weights, config,
            )  # fmt: skip
            loss = tf.add_n(list(parts.values()))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, learnt), 5.0)
        for variable, gradient in zip(learnt, gradients):
            variable.assign_sub(0.002 * gradient)
        return loss

    step = tf.function(step)
    told = [float(step()) for _ in range(60)]
    assert np.isfinite(told).all()
    assert told[-1] < 0.75 * told[0]


@pytest.mark.parametrize("pooling", ["crop_and_resize", "roi_align"])
def test_half_precision_gives_close_losses_and_full_gradients(rng, pooling):
    """The features keep eight bits of a number: losses agree to about a hundredth, where the same boxes are asked."""
    if tf.version.VERSION.startswith("1."):
        pytest.skip("TensorFlow 1.15 has no convolution of bfloat16 on a CPU")
    config = make_config(targets__roi_positive_iou=0.05, heads__pooling=pooling)
    weights = {name: tf.Variable(array) for name, array in random_weights(config, rng).items()}
    images, *truth = make_batch(rng)
    anchors, truth = tf.constant(anchors_of(config)), learning.Truth(*map(tf.constant, truth))
    dice = learning.throw_dice(tf.constant([0, 0]), 2, len(anchors), N_PROPOSALS)

    @tf.function
    def step(dtype):
        with tf.GradientTape() as tape:
            parts = learning.batch_losses(tf.constant(images), truth, dice, anchors, weights, config, dtype=dtype)
            total = tf.add_n(list(parts.values()))
        return parts, tape.gradient(total, weights)

    full, _ = step(None)
    half, gradients = step(tf.bfloat16)
    for name, loss in half.items():
        assert loss.dtype == tf.float32
        np.testing.assert_allclose(float(loss), float(full[name]), rtol=0.1, err_msg=name)
        assert float(loss) != float(full[name])
    assert {gradient.dtype for gradient in gradients.values() if gradient is not None} == {tf.float32}
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients.values() if gradient is not None)
    assert {name for name, gradient in gradients.items() if gradient is None} == set()


def test_weights_that_are_no_numbers_give_such_losses_and_the_process_lives(rng):
    config = make_config()
    weights = random_weights(config, rng)
    weights["rpn_bbox_pred/bias"][:] = [np.nan, 0, np.inf, -np.inf] * 3
    images, *truth = make_batch(rng)
    anchors, truth = tf.constant(anchors_of(config)), learning.Truth(*map(tf.constant, truth))
    weights = {name: tf.Variable(array) for name, array in weights.items()}

    @tf.function
    def step():
        dice = learning.throw_dice(tf.constant([0, 0]), 2, len(anchors), N_PROPOSALS)
        with tf.GradientTape() as tape:
            parts = learning.batch_losses(tf.constant(images), truth, dice, anchors, weights, config)
            total = tf.add_n(list(parts.values()))
        return parts, tape.gradient(total, list(weights.values()), unconnected_gradients=tf.UnconnectedGradients.ZERO)

    losses_told, _ = step()
    assert not np.isfinite(float(losses_told["rpn_box"]))
