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
        Holds ``rpn_conv_shared``, ``rpn_class_raw`` and ``rpn_bbox_pred``, each with kernel and bias; see `conv_layer`.

    Returns
    -------
    logits : ndarray of shape (A, 2) or (B, A, 2)
        Background and object; ``A = H * W * anchors at a place``, in the order of `anchors.pyramid_anchors`.
    deltas : ndarray of shape (A, 4) or (B, A, 4)

    Notes
    -----
    Faster R-CNN, section 3.1: a 3 x 3 convolution with a rectifier, then two 1 x 1 ones side by side, on what it gives,
    the same for all levels. With R anchors at a place, ``rpn_class_raw`` has 2 R channels, (background, object) of the
    first anchor, then of the next; ``rpn_bbox_pred`` has 4 R. Rows, columns, anchors at a place: in this order they
    become rows of the result. Matterport: ``mrcnn.model.rpn_graph``, where the softmax follows at once.

    Examples
    --------
    Two places, three anchors each; the biases alone speak:

    >>> shapes = {"rpn_conv_shared": (3, 3, 1, 1), "rpn_class_raw": (1, 1, 1, 6), "rpn_bbox_pred": (1, 1, 1, 12)}
    >>> weights = {f"{name}/kernel": np.zeros(shape) for name, shape in shapes.items()}
    >>> weights.update({f"{name}/bias": np.arange(shape[3]) for name, shape in shapes.items()})
    >>> logits, deltas = rpn_level(np.ones((1, 2, 1)), weights)
    >>> logits.tolist()
    [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    >>> deltas.shape
    (6, 4)
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
