"""The backbone in TensorFlow: the twin of `mini_rcnn.stages.backbone`."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

from mini_rcnn.stages.backbone import block_names

from .ops import BATCH_NORM_EPSILON, conv2d, max_pool, norm_scale, relu, zero_pad


def conv_layer(feature, weights, name, *, stride=1, padding="same"):
    """Return the convolution whose kernel and bias stand in the weights under a layer's name."""
    return conv2d(feature, weights[f"{name}/kernel"], weights[f"{name}/bias"], stride=stride, padding=padding)


def conv_norm(feature, weights, conv, norm, *, stride=1, padding="same"):
    """Return a convolution followed by its normalisation, as one convolution.

    Normalising multiplies each channel by a number and adds one, and so does a kernel: ``scale * (k @ x + b - mean) +
    beta`` is a convolution with the kernel ``scale * k``. Features are much larger than kernels, so this saves two
    passes over each feature; gradients reach kernel, bias, gamma and beta as before. Without a gamma under the
    normalisation's name the weights were folded before. What `BatchStatistics` normalise themselves cannot be folded.
    """
    kernel, bias = weights[f"{conv}/kernel"], weights[f"{conv}/bias"]
    if norm in getattr(weights, "norms", ()):
        return weights.normalise(norm, conv2d(feature, kernel, bias, stride=stride, padding=padding))
    if f"{norm}/gamma" in weights:
        gamma, beta, mean, variance = (weights[f"{norm}/{part}"] for part in ("gamma", "beta", "mean", "variance"))
        scale = norm_scale(tf.convert_to_tensor(gamma), tf.convert_to_tensor(variance), epsilon=BATCH_NORM_EPSILON)
        kernel, bias = kernel * scale, (bias - mean) * scale + beta
    return conv2d(feature, kernel, bias, stride=stride, padding=padding)


def stem(image, weights):
    """Return the image at a quarter of its size; see `mini_rcnn.stages.backbone.stem`."""
    image = tf.convert_to_tensor(image)
    padded = zero_pad(image, 3)
    return max_pool(relu(conv_norm(padded, weights, "conv1", "bn_conv1", stride=2, padding="valid")), size=3, stride=2)


def residual_block(feature, weights, name, *, stride=1):
    """Return a bottleneck block's output; see `mini_rcnn.stages.backbone.residual_block`."""
    conv, norm = f"res{name}_branch", f"bn{name}_branch"
    if stride > 1:  # both convolutions of one place leave the same pixels out: they are taken out once
        feature = feature[..., ::stride, ::stride, :]
    out = relu(conv_norm(feature, weights, conv + "2a", norm + "2a"))
    out = relu(conv_norm(out, weights, conv + "2b", norm + "2b"))
    out = conv_norm(out, weights, conv + "2c", norm + "2c")
    if f"{conv}1/kernel" in weights:
        feature = conv_norm(feature, weights, conv + "1", norm + "1")
    return relu(feature + out)


def resnet(image, weights, *, blocks):
    """Return the feature maps C2 to C5; see `mini_rcnn.stages.backbone.resnet`."""
    feature, features = stem(image, weights), {}
    for stage, n_blocks in zip((2, 3, 4, 5), blocks):
        for i, name in enumerate(block_names(stage, n_blocks)):
            feature = residual_block(feature, weights, name, stride=2 if i == 0 and stage > 2 else 1)
        features[f"c{stage}"] = feature
    return features
