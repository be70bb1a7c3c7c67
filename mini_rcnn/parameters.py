"""What a Mask R-CNN has to learn: the name and the shape of every array, and where training begins.

Names are ``layer/part`` with Matterport's layer names, so that weights can be handed over either way.
"""

from __future__ import annotations

import numpy as np

from .stages.backbone import block_names
from .stages.heads import MASK_LAYERS

NORM_PARTS = ("gamma", "beta", "mean", "variance")
RECORDED = ("mean", "variance")  # no gradient reaches these


class WeightsError(ValueError):
    """Weights that cannot be used; the text names the file where there is one, what is wrong and what to do."""


def conv_shapes(name, size, channels_in, channels_out):
    """Return the shapes of a convolution's kernel and bias."""
    return {f"{name}/kernel": (size, size, channels_in, channels_out), f"{name}/bias": (channels_out,)}


def norm_shapes(name, channels):
    """Return the shapes of a normalisation's four arrays."""
    return {f"{name}/{part}": (channels,) for part in NORM_PARTS}


def block_shapes(name, channels_in, width, *, projects):
    """Return the shapes of one bottleneck block, which ends in ``4 * width`` channels."""
    conv, norm, shapes = f"res{name}_branch", f"bn{name}_branch", {}
    for branch, size, before, after in (
        ("2a", 1, channels_in, width),
        ("2b", 3, width, width),
        ("2c", 1, width, 4 * width),
        ("1", 1, channels_in, 4 * width),
    ):
        if branch != "1" or projects:
            shapes.update(conv_shapes(conv + branch, size, before, after))
            shapes.update(norm_shapes(norm + branch, after))
    return shapes


def backbone_shapes(blocks, width):
    """Return the shapes of a residual network; ``width`` is 64 in the paper."""
    shapes = {**conv_shapes("conv1", 7, 3, width), **norm_shapes("bn_conv1", width)}
    channels = width
    for i, n_blocks in enumerate(blocks):
        for j, name in enumerate(block_names(i + 2, n_blocks)):
            shapes.update(block_shapes(name, channels, width * 2**i, projects=j == 0))
            channels = 4 * width * 2**i
    return shapes


def parameter_shapes(*, blocks, width=64, pyramid_channels=256, rpn_channels=512, head_units=1024, mask_channels=256,
                     n_classes=2, anchors_per_place=3, pool_size=7):  # fmt: skip
    """Return the shape of every array of a network.

    Parameters
    ----------
    blocks : sequence of four ints
        Blocks in the backbone's stages 2 to 5.
    width : int
        Channels of the backbone's first convolution.
    pyramid_channels, rpn_channels, head_units, mask_channels : int
    n_classes : int
        Background among them.
    anchors_per_place : int
        As many as there are ratios.
    pool_size : int
        Side of a pooled box for the box head.

    Returns
    -------
    shapes : dict of str to tuple of ints

    Examples
    --------
    The slides' network, ResNet-101 with two classes, as Keras counted it:

    >>> shapes = parameter_shapes(blocks=(3, 4, 23, 3))
    >>> count_parameters(shapes)
    (63733406, 63621918)
    """
    shapes = backbone_shapes(blocks, width)
    for level in (5, 4, 3, 2):
        shapes.update(conv_shapes(f"fpn_c{level}p{level}", 1, 4 * width * 2 ** (level - 2), pyramid_channels))
        shapes.update(conv_shapes(f"fpn_p{level}", 3, pyramid_channels, pyramid_channels))
    shapes.update(conv_shapes("rpn_conv_shared", 3, pyramid_channels, rpn_channels))
    shapes.update(conv_shapes("rpn_class_raw", 1, rpn_channels, 2 * anchors_per_place))
    shapes.update(conv_shapes("rpn_bbox_pred", 1, rpn_channels, 4 * anchors_per_place))
    shapes.update(conv_shapes("mrcnn_class_conv1", pool_size, pyramid_channels, head_units))
    shapes.update(conv_shapes("mrcnn_class_conv2", 1, head_units, head_units))
    shapes.update({**norm_shapes("mrcnn_class_bn1", head_units), **norm_shapes("mrcnn_class_bn2", head_units)})
    for name, units in (("mrcnn_class_logits", n_classes), ("mrcnn_bbox_fc", 4 * n_classes)):
        shapes.update({f"{name}/kernel": (head_units, units), f"{name}/bias": (units,)})
    for i in MASK_LAYERS:
        before = pyramid_channels if i == 1 else mask_channels
        shapes.update(conv_shapes(f"mrcnn_mask_conv{i}", 3, before, mask_channels))
        shapes.update(norm_shapes(f"mrcnn_mask_bn{i}", mask_channels))
    shapes.update({"mrcnn_mask_deconv/kernel": (2, 2, mask_channels, mask_channels)})
    shapes.update({"mrcnn_mask_deconv/bias": (mask_channels,)})
    shapes.update(conv_shapes("mrcnn_mask", 1, mask_channels, n_classes))
    return shapes


def is_recorded(name):
    """Return whether an array is one that no gradient reaches: the mean and variance of a frozen normalisation."""
    return name.rsplit("/", 1)[1] in RECORDED


def norms_of(names):
    """Return the normalisations among a network's arrays, in their order.

    >>> norms_of(["conv1/kernel", "bn_conv1/gamma", "bn_conv1/beta", "bn_conv1/mean", "bn_conv1/variance"])
    ['bn_conv1']
    """
    return [name[: -len("/gamma")] for name in names if name.endswith("/gamma")]


def count_parameters(shapes):
    """Return how many numbers there are, and how many of them are learnt."""
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    return sum(sizes.values()), sum(size for name, size in sizes.items() if not is_recorded(name))
