"""The backbone: from the image to feature maps of 4, 8, 16 and 32 pixels a cell (He et al., ResNet, 2015)."""

from __future__ import annotations

import numpy as np

from .ops import batch_norm, conv2d, max_pool, relu


def conv_layer(feature, weights, name, *, stride=1, padding="same"):
    """Return the convolution whose kernel and bias stand in the weights under a layer's name."""
    return conv2d(feature, weights[f"{name}/kernel"], weights[f"{name}/bias"], stride=stride, padding=padding)


def norm_layer(feature, weights, name):
    """Return the normalisation whose four arrays stand in the weights under a layer's name."""
    parts = (weights[f"{name}/{part}"] for part in ("gamma", "beta", "mean", "variance"))
    return batch_norm(feature, *parts)


def stem(image, weights):
    """Return the image at a quarter of its size, (H / 4, W / 4, 64): 7 x 7 convolution, then 3 x 3 maximum."""
    around = [(3, 3), (3, 3), (0, 0)]
    padded = np.pad(image, [(0, 0)] * (image.ndim - 3) + around)
    feature = relu(norm_layer(conv_layer(padded, weights, "conv1", stride=2, padding="valid"), weights, "bn_conv1"))
    return max_pool(feature, size=3, stride=2)


def residual_block(feature, weights, name, *, stride=1):
    """Return a bottleneck block's output: what it was given, plus what three convolutions add to it.

    Parameters
    ----------
    feature : ndarray of shape (H, W, C) or (B, H, W, C), float
    weights : mapping of str to ndarray
        Holds ``res{name}_branch2a/kernel``, ``bn{name}_branch2a/gamma`` and so on; the first block of a stage has a
        ``branch1`` too.
    name : str
        Stage and block as in Matterport's layers, such as ``"3a"``.
    stride : int
        2 in the first block of a stage that halves the map.

    Returns
    -------
    feature : ndarray of shape (ceil(H / stride), ceil(W / stride), F), or a batch of them

    Notes
    -----
    ``relu(x + f(x))``, ResNet section 3.1; ``f`` is 1 x 1, 3 x 3, 1 x 1 (section 4.1, bottleneck): the branches 2a, 2b
    and 2c, each a convolution (`conv_layer`) and its normalisation (`norm_layer`), and a rectifier after 2a and 2b
    alone. Where the shape changes, ``x`` goes through a 1 x 1 convolution of the block's stride and its normalisation
    (branch1). The stride of ``f`` stands in 2a, as in the paper and in Matterport; PyTorch's ResNet has it in the
    3 x 3.

    Examples
    --------
    A block whose weights are all 0 adds nothing:

    >>> from mini_rcnn.parameters import block_shapes
    >>> weights = {name: np.zeros(shape) for name, shape in block_shapes("2b", 4, 1, projects=False).items()}
    >>> residual_block(np.array([[[1.0, -2.0, 3.0, 0.5]]]), weights, "2b")
    array([[[1. , 0. , 3. , 0.5]]])
    """
    out = relu(
        norm_layer(conv_layer(feature, weights, f"res{name}_branch2a", stride=stride), weights, f"bn{name}_branch2a")
    )
    out = relu(norm_layer(conv_layer(out, weights, f"res{name}_branch2b"), weights, f"bn{name}_branch2b"))
    out = norm_layer(conv_layer(out, weights, f"res{name}_branch2c"), weights, f"bn{name}_branch2c")
    if f"res{name}_branch1/kernel" in weights:
        projected = conv_layer(feature, weights, f"res{name}_branch1", stride=stride)
        feature = norm_layer(projected, weights, f"bn{name}_branch1")
    return relu(feature + out)


def block_names(stage, n_blocks):
    """Return the names of a stage's blocks, as Matterport counts them.

    >>> block_names(2, 3)
    ['2a', '2b', '2c']
    """
    return [f"{stage}{chr(ord('a') + i)}" for i in range(n_blocks)]


def resnet(image, weights, *, blocks):
    """Return the feature maps C2 to C5 of a residual network.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3) or (B, H, W, 3), float
        Normalised network input; H and W multiples of 32.
    weights : mapping of str to ndarray
    blocks : sequence of four ints
        Blocks in the stages 2 to 5: ``(3, 4, 6, 3)`` is ResNet-50, ``(3, 4, 23, 3)`` is ResNet-101.

    Returns
    -------
    features : dict
        ``"c2"`` (H / 4, W / 4, 256), ``"c3"`` (H / 8, W / 8, 512), ``"c4"`` (H / 16, W / 16, 1024) and ``"c5"``
        (H / 32, W / 32, 2048); a narrower network has fewer channels.

    Raises
    ------
    KeyError
        If the weights lack a layer.

    Notes
    -----
    Matterport: ``mrcnn.model.resnet_graph``, the same layers by the same names.
    """
    feature, features = stem(image, weights), {}
    for stage, n_blocks in zip((2, 3, 4, 5), blocks):
        for i, name in enumerate(block_names(stage, n_blocks)):
            feature = residual_block(feature, weights, name, stride=2 if i == 0 and stage > 2 else 1)
        features[f"c{stage}"] = feature
    return features
