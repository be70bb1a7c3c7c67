"""The layers in TensorFlow: the twin of `mini_rcnn.stages.ops`; features here are batches, ``(B, H, W, C)``."""

from __future__ import annotations

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.stages._check import one_of, whole_number
from mini_rcnn.stages.ops import BATCH_NORM_EPSILON

from ._check import length, shaped

IS_ONE = tf.__version__.startswith("1.")  # TensorFlow 1.15


def feature_tensor(name, feature):
    """Return a feature or a batch of features as a tensor."""
    feature = tf.convert_to_tensor(feature)
    if feature.shape.rank not in (3, 4):
        raise ValueError(f"{name} must have shape (H, W, C) or (B, H, W, C), got {tuple(feature.shape.as_list())}")
    return feature


def on_batch(function, feature):
    """Return what a function of a batch makes of a batch, or of a single feature."""
    feature = feature_tensor("feature", feature)
    return function(feature) if feature.shape.rank == 4 else function(feature[None])[0]


def conv2d(feature, kernel, bias=None, *, stride=1, padding="same"):
    """Return the convolution of a feature with a kernel; see `mini_rcnn.stages.ops.conv2d`.

    A kernel that sees a feature whole, from one place alone, is a matrix product and runs as one: TensorFlow 1.15 takes
    40 times as long for the gradient of such a convolution's kernel. For its other gradients see `convolve`.
    """
    feature = feature_tensor("feature", feature)
    kernel = tf.cast(
        shaped("kernel", tf.convert_to_tensor(kernel), (None, None, feature.shape[-1], None)), feature.dtype
    )
    stride = whole_number("stride", stride, 1)
    one_of("padding", padding, ("same", "valid"))
    sides, places = kernel.shape.as_list()[:2], feature.shape.as_list()[-3:-1]
    if sides == places and None not in sides and (padding == "valid" or sides == [1, 1]):
        out = on_batch(lambda batch: product(batch, kernel), feature)
    else:
        own = IS_ONE and stride == 1 and padding == "same" and all(side and side % 2 for side in sides)
        run = convolve if own else lambda batch, kernel: tf.nn.conv2d(batch, kernel, stride, padding.upper())
        out = on_batch(lambda batch: run(batch, kernel), feature)
    return out if bias is None else add_bias(out, bias)


@tf.custom_gradient
def convolve(feature, kernel):
    """Return the convolution with stride 1 and padding "same", with gradients that are quicker on TensorFlow 1.15.

    Each value of the feature goes to the places around it, so the feature's gradient is a convolution, too: of the
    output's gradient with the kernel turned by half a circle, its two channels exchanged. A kernel of one place is a
    matrix, and so its gradient is a product of matrices: ``x.T @ g``. Dumoulin and Visin, "A guide to convolution
    arithmetic for deep learning" (2016), section 4. A training step of the preset `demo` on two CPU cores took 14 %
    less time so than with TensorFlow 1.15's own gradients, in turn in one process. Not tried on TensorFlow 2.

    Parameters
    ----------
    feature : tensor of shape (B, H, W, C), float
    kernel : tensor of shape (h, w, C, D), float
        Both sides odd: of an even one "same" pads one side more than the other.
    """

    def gradient(upstream):
        turned = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
        of_feature = tf.nn.conv2d(upstream, turned, 1, "SAME")
        height, width, n_in, n_out = kernel.shape.as_list()
        if height == width == 1:
            rows = tf.reshape(feature, (-1, n_in)), tf.reshape(upstream, (-1, n_out))
            return of_feature, tf.matmul(*rows, transpose_a=True)[None, None]
        shape = tf.shape(kernel)
        return of_feature, tf.compat.v1.nn.conv2d_backprop_filter(feature, shape, upstream, [1, 1, 1, 1], "SAME")

    return tf.nn.conv2d(feature, kernel, 1, "SAME"), gradient


def product(feature, kernel):
    """Return features (B, h, w, C) times a kernel (h, w, C, D) of their own size, (B, 1, 1, D)."""
    n_values = int(np.prod(kernel.shape.as_list()[:3]))
    out = tf.matmul(tf.reshape(feature, (-1, n_values)), tf.reshape(kernel, (n_values, kernel.shape[3])))
    return out[:, None, None]


def add_bias(feature, bias):
    """Return the feature plus one number a channel, by the operation that graphs fuse into a convolution."""
    return tf.nn.bias_add(feature, tf.cast(bias, feature.dtype))


def norm_scale(gamma, variance, *, epsilon=BATCH_NORM_EPSILON):
    """Return what a normalisation multiplies each channel by, ``gamma / sqrt(variance + epsilon)``, (C,)."""
    return gamma * tf.math.rsqrt(variance + tf.cast(epsilon, variance.dtype))


def batch_norm(feature, gamma, beta, mean, variance, *, epsilon=BATCH_NORM_EPSILON):
    """Return the feature normalised by recorded statistics; see `mini_rcnn.stages.ops.batch_norm`."""
    feature = tf.convert_to_tensor(feature)
    gamma, beta, mean, variance = (tf.cast(part, feature.dtype) for part in (gamma, beta, mean, variance))
    scale = norm_scale(gamma, variance, epsilon=epsilon)
    return feature * scale + (beta - mean * scale)


def relu(feature):
    """Return the feature with negative values replaced by 0."""
    return tf.nn.relu(feature)


def max_pool(feature, *, size, stride):
    """Return the largest value of each window, padded as "same"; see `mini_rcnn.stages.ops.max_pool`."""
    size, stride = whole_number("size", size, 1), whole_number("stride", stride, 1)
    return on_batch(lambda batch: tf.nn.max_pool2d(batch, size, stride, "SAME"), feature)


def upsample(feature):
    """Return the feature with every pixel repeated twice along both axes."""
    feature = tf.convert_to_tensor(feature)
    return tf.repeat(tf.repeat(feature, 2, axis=feature.shape.rank - 3), 2, axis=feature.shape.rank - 2)


def transposed_conv2x2(feature, kernel, bias):
    """Return the feature at twice the size; see `mini_rcnn.stages.ops.transposed_conv2x2`.

    Its patches do not overlap, so it is a 1 x 1 convolution to four times the channels, which then change places with
    the pixels: quicker than TensorFlow's general operation.
    """
    feature = tf.convert_to_tensor(feature)
    channels, n_out = feature.shape[3], kernel.shape[2]
    kernel = shaped("kernel", tf.cast(kernel, feature.dtype), (2, 2, None, channels))
    flat = tf.reshape(tf.transpose(kernel, (3, 0, 1, 2)), (1, 1, channels, 4 * n_out))
    height, width = length(feature, 1), length(feature, 2)
    patches = add_bias(tf.nn.conv2d(feature, flat, 1, "VALID"), tf.tile(bias, (4,)))
    patches = tf.reshape(patches, (-1, height, width, 2, 2, n_out))
    return tf.reshape(tf.transpose(patches, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * width, n_out))


def full_precision(feature):
    """Return a feature of half precision, such as bfloat16, as float32; any other as it is.

    What is compared, exponentiated or added up comes through here: bfloat16 keeps eight bits of a number.
    """
    return tf.cast(feature, tf.float32) if feature.dtype.size < 4 else feature


def softmax(logits):
    """Return probabilities that add up to 1 along the last axis."""
    return tf.nn.softmax(logits, axis=-1)
