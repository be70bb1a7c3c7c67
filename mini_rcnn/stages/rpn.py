"""The region proposal network: at every place of the pyramid, how likely an object is, and where its box would lie."""

from __future__ import annotations

import numpy as np

from .backbone import conv_layer
from .ops import relu, softmax


def rpn_level(feature, weights):
    """Return the RPN's answer for one level.

    Parameters
    ----------
    feature : ndarray of shape (H, W, C) or (B, H, W, C), float
    weights : mapping of str to ndarray
        Holds ``rpn_conv_shared``, ``rpn_class_raw`` and ``rpn_bbox_pred``, each with kernel and bias.

    Returns
    -------
    logits : ndarray of shape (A, 2) or (B, A, 2)
        Background and object; ``A = H * W * anchors at a place``, in the order of `anchors.pyramid_anchors`.
    deltas : ndarray of shape (A, 4) or (B, A, 4)

    Notes
    -----
    Faster R-CNN, section 3.1: a 3 x 3 convolution, then two 1 x 1 ones side by side, the same for all levels.
    """
    shared = relu(conv_layer(feature, weights, "rpn_conv_shared"))
    batch = feature.shape[:-3]
    logits = conv_layer(shared, weights, "rpn_class_raw").reshape(batch + (-1, 2))
    deltas = conv_layer(shared, weights, "rpn_bbox_pred").reshape(batch + (-1, 4))
    return logits, deltas


def region_proposal_network(pyramid, weights):
    """Return the RPN's answer for all levels, P2 first.

    Parameters
    ----------
    pyramid : dict
        ``"p2"`` to ``"p6"``.
    weights : mapping of str to ndarray

    Returns
    -------
    logits : ndarray of shape (A, 2) or (B, A, 2)
        One row for each anchor of `anchors.pyramid_anchors`.
    objectness : ndarray of shape (A,) or (B, A)
        Probability of an object: the second column of the softmax.
    deltas : ndarray of shape (A, 4) or (B, A, 4)
        ``(dy, dx, log_dh, log_dw)``, in units of `propose`'s ``delta_std``.
    """
    answers = [rpn_level(pyramid[name], weights) for name in sorted(pyramid)]
    logits, deltas = (np.concatenate(parts, axis=-2) for parts in zip(*answers))
    return logits, softmax(logits)[..., 1], deltas
