"""The five losses in TensorFlow: the twin of `mini_rcnn.stages.losses`."""

from __future__ import annotations

import tensorflow.compat.v2 as tf


def cross_entropy(logits, class_ids):
    """Return the cross-entropy of each row, (N,)."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=class_ids, logits=logits)


def smooth_l1(differences):
    """Return the smooth L1 loss of each difference; see `mini_rcnn.stages.losses.smooth_l1`."""
    size = tf.abs(differences)
    return tf.where(size < 1, 0.5 * size**2, size - 0.5)


def binary_cross_entropy(logits, targets):
    """Return the cross-entropy of each yes-or-no answer, before the sigmoid."""
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(targets, logits.dtype), logits=logits)


def mean_of(values):
    """Return the mean of values, 0 of none: who is not asked was left out before."""
    return tf.math.divide_no_nan(tf.reduce_sum(values), tf.cast(tf.size(values), values.dtype))


def rpn_class_loss(logits, labels):
    """Return how badly the RPN tells objects from background; see `mini_rcnn.stages.losses.rpn_class_loss`."""
    asked = tf.not_equal(labels, 0)
    logits, labels = tf.boolean_mask(logits, asked), tf.boolean_mask(labels, asked)
    return mean_of(cross_entropy(logits, tf.cast(tf.equal(labels, 1), tf.int64)))


def rpn_box_loss(deltas, labels, target_deltas):
    """Return how far the RPN's deltas are off; see `mini_rcnn.stages.losses.rpn_box_loss`."""
    is_object = tf.equal(labels, 1)
    deltas, target_deltas = tf.boolean_mask(deltas, is_object), tf.boolean_mask(target_deltas, is_object)
    return mean_of(smooth_l1(deltas - tf.cast(target_deltas, deltas.dtype)))


def head_class_loss(logits, class_ids, counted):
    """Return how badly the box head names what it sees; see `mini_rcnn.stages.losses.head_class_loss`."""
    return mean_of(tf.boolean_mask(cross_entropy(logits, class_ids), counted))


def head_box_loss(deltas, class_ids, target_deltas):
    """Return how far the box head's deltas are off; see `mini_rcnn.stages.losses.head_box_loss`."""
    deltas, class_ids = tf.convert_to_tensor(deltas), tf.convert_to_tensor(class_ids)
    own = tf.gather(deltas, class_ids[..., None], batch_dims=class_ids.shape.rank)[..., 0, :]
    return mean_of(tf.boolean_mask(smooth_l1(own - tf.cast(target_deltas, deltas.dtype)), class_ids > 0))


def head_mask_loss(logits, class_ids, targets):
    """Return how badly the mask head draws the objects; see `mini_rcnn.stages.losses.head_mask_loss`."""
    logits, class_ids = tf.convert_to_tensor(logits), tf.convert_to_tensor(class_ids)
    chosen = tf.one_hot(class_ids, logits.shape[-1], dtype=logits.dtype)[:, None, None]
    own = tf.reduce_sum(logits * chosen, axis=-1)
    return mean_of(binary_cross_entropy(own, targets))
