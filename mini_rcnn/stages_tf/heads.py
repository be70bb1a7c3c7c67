"""The heads in TensorFlow: the twin of `mini_rcnn.stages.heads`."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

from mini_rcnn.stages.heads import MASK_LAYERS

from .backbone import conv_layer, conv_norm
from .ops import add_bias, full_precision, relu, softmax, transposed_conv2x2


def box_head(pooled, weights):
    """Return class logits, probabilities and box refinements; see `mini_rcnn.stages.heads.box_head`."""
    hidden = relu(conv_norm(pooled, weights, "mrcnn_class_conv1", "mrcnn_class_bn1", padding="valid"))
    hidden = relu(conv_norm(hidden, weights, "mrcnn_class_conv2", "mrcnn_class_bn2"))
    hidden = tf.reshape(hidden, (-1, hidden.shape[-1]))
    logits, deltas = (full_precision(dense(hidden, weights, name)) for name in ("mrcnn_class_logits", "mrcnn_bbox_fc"))
    return logits, softmax(logits), tf.reshape(deltas, (-1, logits.shape[1], 4))


def dense(values, weights, name):
    """Return the values (N, C) times the kernel, plus the bias, that stand under a layer's name."""
    kernel = tf.cast(weights[f"{name}/kernel"], values.dtype)
    return add_bias(tf.matmul(values, kernel), weights[f"{name}/bias"])


def mask_head(pooled, weights):
    """Return mask logits and probabilities for each class; see `mini_rcnn.stages.heads.mask_head`.

    Without a box the head runs on one of zeros: TensorFlow 2.21's fused convolution gives the wrong number of channels
    where there is no image.
    """
    n_boxes = tf.shape(pooled)[0]
    feature = tf.pad(pooled, [[0, tf.cast(tf.equal(n_boxes, 0), tf.int32)], [0, 0], [0, 0], [0, 0]])
    for i in MASK_LAYERS:
        feature = relu(conv_norm(feature, weights, f"mrcnn_mask_conv{i}", f"mrcnn_mask_bn{i}"))
    larger = transposed_conv2x2(feature, weights["mrcnn_mask_deconv/kernel"], weights["mrcnn_mask_deconv/bias"])
    logits = full_precision(conv_layer(relu(larger), weights, "mrcnn_mask")[:n_boxes])
    return logits, tf.sigmoid(logits)
