"""The layers in TensorFlow: the twin of `mini_rcnn.stages.ops`; features here are batches, ``(B, H, W, C)``."""

from __future__ import annotations

import functools

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
        run = product
    else:
        run = functools.partial(tf.nn.conv2d, strides=stride, padding=padding.upper())
        ours = all(side and side % 2 for side in sides) and (stride == 1 or padding == "valid" or sides == [1, 1])
        if ours and gradients_are_slow():
            run = functools.partial(convolve, stride, padding.upper())
    out = on_batch(lambda batch: run(batch, filters=kernel), feature)
    return out if bias is None else add_bias(out, bias)


def gradients_are_slow():
    """Return whether TensorFlow's own gradients of a convolution take longer than those of `convolve`.

    TensorFlow 1.15's on a CPU do. A GPU's come from cuDNN, which knows convolutions with small kernels best, and ours
    have kernels as large as the image.
    """
    return IS_ONE and not tf.config.experimental.list_physical_devices("GPU")


def convolve(stride, padding, feature, filters):
    """Return a convolution with gradients that are quicker on TensorFlow 1.15 than its own.

    Each value of the feature goes to the places around it, so where no place is left out the feature's gradient is a
    convolution, too: of the output's gradient with the kernel turned by half a circle, its two channels exchanged. The
    kernel's gradient is `kernel_gradient`. Dumoulin and Visin, "A guide to convolution arithmetic for deep learning"
    (2016), section 4. Used where `gradients_are_slow`.

    Parameters
    ----------
    stride : int
        1, unless the padding is "VALID" or the kernel has one place.
    padding : str
        "SAME" or "VALID".
    feature : tensor of shape (B, H, W, C), float
    filters : tensor of shape (h, w, C, D), float
        Both sides odd: of an even one "SAME" pads one side more than the other.
    """
    sides = filters.shape.as_list()[:2]
    if sides == [1, 1] and stride > 1:
        feature, stride = feature[:, ::stride, ::stride], 1

    @tf.custom_gradient
    def run(feature, kernel):
        def gradient(upstream):
            of_kernel = kernel_gradient(feature, upstream, sides, stride=stride, padding=padding)
            if stride > 1 or padding == "VALID":
                shape, strides = tf.shape(feature), [1, stride, stride, 1]
                return tf.compat.v1.nn.conv2d_backprop_input(shape, kernel, upstream, strides, padding), of_kernel
            turned = tf.transpose(kernel if sides == [1, 1] else tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
            return tf.nn.conv2d(upstream, turned, 1, "SAME"), of_kernel

        return tf.nn.conv2d(feature, kernel, stride, padding), gradient

    return run(feature, filters)


def kernel_gradient(feature, upstream, sides, *, stride=1, padding="SAME"):
    """Return the gradient of a convolution's kernel, (h, w, C, D), from the feature and the output's gradient.

    At each place (i, j) of the kernel it is the sum, over all images and pixels, of the feature moved by (i, j) times
    the output's gradient. So it is a convolution, too: the feature's channels are its images, the output's gradient is
    its kernel, spread out where there was a stride, and the images are the channels that are summed over. A kernel of
    one place is a matrix, and so is its gradient: ``x.T @ g``.

    Parameters
    ----------
    feature : tensor of shape (B, H, W, C), float
    upstream : tensor of shape (B, H', W', D), float
    sides : pair of int
        Height and width of the kernel, odd.
    stride, padding
        As of `convolve`.
    """
    n_in, n_out = feature.shape[-1], upstream.shape[-1]
    if list(sides) == [1, 1]:
        rows = tf.reshape(feature, (-1, n_in)), tf.reshape(upstream, (-1, n_out))
        return tf.matmul(*rows, transpose_a=True)[None, None]
    above, left = (side // 2 if padding == "SAME" else 0 for side in sides)
    if not feature.shape[0]:  # an image of zeros, where there may be none: a sum over nothing is refused
        feature, upstream = (one_more(part) for part in (feature, upstream))
    images, weights = tf.transpose(feature, [3, 1, 2, 0]), tf.transpose(upstream, [1, 2, 0, 3])
    border = [[0, 0], [above, above], [left, left], [0, 0]]
    moved = tf.nn.conv2d(images, weights, 1, border, dilations=stride)  # (C, h or more, w or more, D)
    return tf.transpose(moved[:, : sides[0], : sides[1]], [1, 2, 0, 3])


def one_more(batch):
    """Return a batch of features and one of zeros behind them."""
    return tf.concat([batch, tf.zeros((1, *batch.shape[1:]), batch.dtype)], axis=0)


def product(feature, filters):
    """Return features (B, h, w, C) times a kernel (h, w, C, D) of their own size, (B, 1, 1, D)."""
    n_values = int(np.prod(filters.shape.as_list()[:3]))
    out = tf.matmul(tf.reshape(feature, (-1, n_values)), tf.reshape(filters, (n_values, filters.shape[3])))
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


def zero_pad(feature, border):
    """Return the feature, (..., H, W, C), with a border of zeros so many pixels wide around it.

    Each row's pixels and channels are one axis on the way: TensorFlow 1.15 takes five times as long to pad two axes
    before one of three channels.
    """
    height, width, channels = (length(feature, axis) for axis in (-3, -2, -1))
    rows = tf.reshape(feature, (-1, height, width * channels))
    rows = tf.pad(rows, [[0, 0], [border] * 2, [border * channels] * 2])
    return tf.reshape(rows, (*leading(feature), height + 2 * border, width + 2 * border, channels))


def leading(feature):
    """Return the shape before (H, W, C): of a single feature nothing, of a batch its length or -1."""
    return [-1 if known is None else known for known in feature.shape.as_list()[:-3]]


def max_pool(feature, *, size, stride):
    """Return the largest value of each window, padded as "same"; see `mini_rcnn.stages.ops.max_pool`."""
    size, stride = whole_number("size", size, 1), whole_number("stride", stride, 1)
    return on_batch(lambda batch: tf.nn.max_pool2d(batch, size, stride, "SAME"), feature)


def upsample(feature):
    """Return the feature with every pixel repeated twice along both axes."""
    feature = tf.convert_to_tensor(feature)
    channels, height, width = feature.shape[-1], length(feature, -3), length(feature, -2)
    rows = tf.reshape(tf.concat([feature, feature], axis=-1), (-1, height, 2 * width * channels))
    twice = tf.concat([rows, rows], axis=-1)  # each pixel beside itself, then each row behind itself
    return tf.reshape(twice, (*leading(feature), 2 * height, 2 * width, channels))


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
