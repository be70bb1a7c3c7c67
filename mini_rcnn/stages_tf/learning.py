"""One batch through the network, with what it should have said: the five losses of Mask R-CNN.

Everything here can stand in a graph. The mask head, by far the dearest part, runs on the proposals that are objects
alone: Matterport runs it on all of them, and its loss then takes the objects out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.model import end_of_box

from . import losses
from .backbone import resnet
from .fpn import feature_pyramid
from .heads import box_head, mask_head
from .proposals import propose
from .roi_align import pyramid_roi_align
from .rpn import region_proposal_network
from .targets import head_targets, rpn_targets

LOSSES = ("rpn_class", "rpn_box", "head_class", "head_box", "head_mask")


class Truth(NamedTuple):
    """What there is to be found in a batch of B images, at most M boxes in each."""

    boxes: tf.Tensor  # (B, M, 4), pixels of the input; zeros beyond the count
    class_ids: tf.Tensor  # (B, M), int64
    masks: tf.Tensor  # (B, M, m, m), bool, each over its own box


class Dice(NamedTuple):
    """Random numbers for a batch: who stays where there are too many candidates."""

    anchors: tf.Tensor  # (B, A), float32
    proposals: tf.Tensor  # (B, N), float32


def throw_dice(seed, n_images, n_anchors, n_proposals):
    """Return the dice of one step, the same for the same seed, two whole numbers."""
    seeds = [tf.stack([seed[0], seed[1] * 2 + i]) for i in (0, 1)]
    shapes = [(n_images, n_anchors), (n_images, n_proposals)]
    return Dice(*(tf.random.stateless_uniform(shape, one) for shape, one in zip(shapes, seeds)))


def batch_rpn_targets(anchors, truth_boxes, dice, config):
    """Return the targets of the region proposal network, labels (B, A) and deltas (B, A, 4).

    In the frame of continuous boxes, whatever the convention, as Matterport: its data generator compares boxes before
    they are normalised.
    """
    settings, last = config.targets, end_of_box(config)
    anchors += last
    real = tf.reduce_any(tf.not_equal(truth_boxes, 0), axis=-1, keepdims=True)
    truth_boxes = tf.where(real, truth_boxes + last, truth_boxes)

    return rpn_targets(
        anchors,
        truth_boxes,
        dice,
        positive_iou=settings.anchor_positive_iou,
        negative_iou=settings.anchor_negative_iou,
        max_anchors=settings.max_anchors,
        delta_std=config.proposals.delta_std,
    )


def batch_head_targets(proposals, truth, dice, config):
    """Return the targets of the heads, each image's filled up to ``max_rois`` rows: `PaddedHeadTargets`, batched."""
    settings, size = config.targets, 2 * config.heads.mask_pool_size
    asked = head_targets(
        proposals.boxes,
        proposals.counts,
        truth.boxes,
        truth.class_ids,
        truth.masks,
        dice,
        positive_iou=settings.roi_positive_iou,
        max_rois=settings.max_rois,
        positive_share=settings.roi_positive_share,
        negatives="full" if settings.negatives == "full" else "by_positives",
        mask_size=(size, size),
        delta_std=config.detections.delta_std,
    )
    return tf.nest.map_structure(tf.stop_gradient, asked)


def batch_losses(images, truth, dice, anchors, weights, config, *, dtype=None):
    """Return the five losses of a batch, by name.

    Parameters
    ----------
    images : tensor of shape (B, size, size, 3), float32
    truth : Truth
        In the frame of the configuration's convention.
    dice : Dice
    anchors : tensor of shape (A, 4)
        From `mini_rcnn.model.anchors_of`.
    weights : mapping of str to variable
    config : Config
    dtype : tf.DType, optional
        Of the features, such as ``tf.bfloat16``; default the images'. Logits, deltas, targets, losses and weights stay
        float32, and so do gradients.

    Returns
    -------
    losses : dict of str to tensor
        "rpn_class", "rpn_box", "head_class", "head_box", "head_mask"; plain numbers.

    Notes
    -----
    Mask R-CNN, section 3: the sum is what is learnt on, all with weight 1. Proposals and targets are taken as given: no
    gradient goes through them. In the convention "matterport" the rows that fill up count as background, as there.
    """
    pyramid = pyramid_of(images, weights, config, dtype)
    logits, objectness, deltas = region_proposal_network(pyramid, weights)
    proposals = training_proposals(objectness, deltas, anchors, config)
    asked = batch_head_targets(proposals, truth, dice.proposals, config)
    return {
        **rpn_losses(logits, deltas, anchors, truth, dice, config),
        **box_losses(pyramid, asked, weights, config),
        "head_mask": mask_loss(pyramid, asked, weights, config),
    }


def pyramid_of(images, weights, config, dtype=None):
    """Return the feature pyramid of a batch, its features of a dtype."""
    images = tf.cast(images, dtype or images.dtype)
    return feature_pyramid(resnet(images, weights, blocks=config.backbone.blocks), weights)


def rpn_losses(logits, deltas, anchors, truth, dice, config):
    """Return the region proposal network's two losses, by name."""
    wanted = batch_rpn_targets(anchors, truth.boxes, dice.anchors, config)
    return {
        "rpn_class": losses.rpn_class_loss(logits, wanted.labels),
        "rpn_box": losses.rpn_box_loss(deltas, wanted.labels, wanted.deltas),
    }


def training_proposals(objectness, deltas, anchors, config):
    """Return the proposals of a batch to learn from, `BatchedProposals`; no gradient goes through them."""
    return propose(
        tf.stop_gradient(objectness),
        tf.stop_gradient(deltas),
        anchors,
        window=np.array([0, 0, config.image.size, config.image.size], np.float32) - end_of_box(config),
        pre_nms_limit=config.proposals.pre_nms_limit,
        max_proposals=config.proposals.max_training_proposals,
        iou_threshold=config.proposals.iou_threshold,
        delta_std=config.proposals.delta_std,
    )


def box_losses(pyramid, asked, weights, config):
    """Return the box head's two losses, by name."""
    options = {"image_size": config.image.size, "method": config.heads.pooling}
    pooled = pyramid_roi_align(
        pyramid, asked.boxes + end_of_box(config), output_size=config.heads.box_pool_size, **options
    )
    logits, _, deltas = box_head(tf.reshape(pooled, (-1, *pooled.shape[2:])), weights)
    class_ids = tf.reshape(asked.class_ids, (-1,))
    counted = tf.range(config.targets.max_rois, dtype=tf.int64) < asked.count[:, None]  # (B, R)
    counted = tf.reshape(counted | (config.convention == "matterport"), (-1,))
    return {
        "head_class": losses.head_class_loss(logits, class_ids, counted),
        "head_box": losses.head_box_loss(deltas, class_ids, tf.reshape(asked.deltas, (-1, 4))),
    }


def mask_loss(pyramid, asked, weights, config):
    """Return the mask head's loss over the objects of a batch; without an object it is 0 and costs nothing.

    Where ``max_mask_rois`` is set, over so many of each image at most, the first: their order was left to the dice.
    """
    n_rows, limit = asked.masks.shape[1], config.targets.max_mask_rois
    most_objects = n_rows if limit is None else min(n_rows, limit)
    is_object = tf.range(most_objects, dtype=tf.int64) < asked.n_objects[:, None]  # (B, Q)
    boxes = asked.boxes[:, :most_objects] + end_of_box(config)
    options = {"image_size": config.image.size, "method": config.heads.pooling}
    pooled = pyramid_roi_align(pyramid, boxes, output_size=config.heads.mask_pool_size, **options)
    logits, _ = mask_head(tf.boolean_mask(pooled, is_object), weights)
    class_ids = tf.boolean_mask(asked.class_ids[:, :most_objects], is_object)
    return losses.head_mask_loss(logits, class_ids, tf.boolean_mask(asked.masks[:, :most_objects], is_object))


def weight_decay(weights, rate):
    """Return the penalty on large kernels and biases: rate times the mean square of each array, all added up.

    As Matterport's, which divides the sum of squares by the array's size and leaves gamma and beta out.
    """
    learnt = [array for name, array in weights.items() if name.rsplit("/", 1)[1] in ("kernel", "bias")]
    # ``l2_loss`` is half the sum of squares, and has a gradient of one operation.
    return rate * tf.add_n([tf.nn.l2_loss(array) * (2 / int(np.prod(array.shape))) for array in learnt])
