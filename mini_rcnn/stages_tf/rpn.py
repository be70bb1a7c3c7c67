"""The region proposal network in TensorFlow: the twin of `mini_rcnn.stages.rpn`."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

from .backbone import conv_layer
from .ops import full_precision, relu, softmax


def rpn_level(feature, weights):
    """Return the RPN's logits and deltas for one level; see `mini_rcnn.stages.rpn.rpn_level`."""
    feature = tf.convert_to_tensor(feature)
    shared = relu(conv_layer(feature, weights, "rpn_conv_shared"))
    batch = tf.shape(feature)[:-3]
    logits = tf.reshape(conv_layer(shared, weights, "rpn_class_raw"), tf.concat([batch, [-1, 2]], 0))
    deltas = tf.reshape(conv_layer(shared, weights, "rpn_bbox_pred"), tf.concat([batch, [-1, 4]], 0))
    return full_precision(logits), full_precision(deltas)


def region_proposal_network(pyramid, weights):
    """Return the RPN's answer for all levels, P2 first; see `mini_rcnn.stages.rpn.region_proposal_network`."""
    answers = [rpn_level(pyramid[name], weights) for name in sorted(pyramid)]
    logits, deltas = (tf.concat(parts, axis=-2) for parts in zip(*answers))
    return logits, softmax(logits)[..., 1], deltas
