"""Frozen normalisations folded into the convolutions before them, once and for all."""

from __future__ import annotations

import numpy as np

from mini_rcnn.parameters import norms_of
from mini_rcnn.stages.ops import BATCH_NORM_EPSILON


def conv_before(norm):
    """Return the name of the convolution that a normalisation follows.

    >>> [conv_before(norm) for norm in ("bn_conv1", "bn2a_branch2b", "mrcnn_class_bn1")]
    ['conv1', 'res2a_branch2b', 'mrcnn_class_conv1']
    """
    if norm == "bn_conv1":
        return "conv1"
    return norm.replace("bn", "res" if norm.startswith("bn") else "conv", 1)


def fold_norms(weights):
    """Return the weights of the same network without normalisations.

    Parameters
    ----------
    weights : mapping of str to ndarray
        All arrays of `mini_rcnn.parameters.parameter_shapes`, float32.

    Returns
    -------
    folded : dict of str to ndarray, float32
        Kernels and biases alone: those of convolutions with a normalisation behind them do its work too. Arrays of
        other layers are the ones given, not copied.

    Notes
    -----
    ``gamma * (k @ x + b - mean) / sqrt(variance + epsilon) + beta`` is ``scale * k @ x + scale * (b - mean) + beta``,
    ``scale = gamma / sqrt(variance + epsilon)``. Worked out in float64. Matterport normalises again for each image.
    """
    norms = norms_of(weights)
    folded = {name: array for name, array in weights.items() if name.split("/")[0] not in norms}
    for norm in norms:
        gamma, beta, mean, variance = (
            np.asarray(weights[f"{norm}/{part}"], np.float64) for part in ("gamma", "beta", "mean", "variance")
        )
        scale, conv = gamma / np.sqrt(variance + BATCH_NORM_EPSILON), conv_before(norm)
        folded[f"{conv}/kernel"] = (weights[f"{conv}/kernel"] * scale.astype(np.float32)).astype(np.float32)
        folded[f"{conv}/bias"] = ((weights[f"{conv}/bias"] - mean) * scale + beta).astype(np.float32)
    return folded
