"""The heads: what is in a pooled box, where exactly, and which of its pixels belong to it."""

from __future__ import annotations

from .backbone import conv_layer, norm_layer
from .masks import sigmoid
from .ops import relu, softmax, transposed_conv2x2

MASK_LAYERS = (1, 2, 3, 4)


def box_head(pooled, weights):
    """Return class probabilities and box refinements of pooled boxes.

    Parameters
    ----------
    pooled : ndarray of shape (N, h, w, C), float
        From RoIAlign, 7 x 7 in the paper.
    weights : mapping of str to ndarray

    Returns
    -------
    logits : ndarray of shape (N, K)
        Background first.
    probabilities : ndarray of shape (N, K)
    deltas : ndarray of shape (N, K, 4)
        A refinement for each class.

    Notes
    -----
    FPN, section 4.2: two layers of 1,024 units. The first sees the whole pooled box, so it is a convolution as large as
    the box; Matterport writes both as convolutions and normalises after each.
    """
    n_boxes = len(pooled)
    hidden = conv_layer(pooled, weights, "mrcnn_class_conv1", padding="valid")  # (N, 1, 1, F)
    hidden = relu(norm_layer(hidden, weights, "mrcnn_class_bn1"))
    hidden = relu(norm_layer(conv_layer(hidden, weights, "mrcnn_class_conv2"), weights, "mrcnn_class_bn2"))
    hidden = hidden.reshape(n_boxes, hidden.shape[-1])
    logits = hidden @ weights["mrcnn_class_logits/kernel"] + weights["mrcnn_class_logits/bias"]
    deltas = hidden @ weights["mrcnn_bbox_fc/kernel"] + weights["mrcnn_bbox_fc/bias"]
    return logits, softmax(logits), deltas.reshape(n_boxes, logits.shape[1], 4)


def mask_head(pooled, weights):
    """Return a mask for each class of pooled boxes.

    Parameters
    ----------
    pooled : ndarray of shape (N, h, w, C), float
        From RoIAlign, 14 x 14 in the paper.
    weights : mapping of str to ndarray

    Returns
    -------
    logits : ndarray of shape (N, 2 h, 2 w, K)
    probabilities : ndarray of shape (N, 2 h, 2 w, K)

    Notes
    -----
    Mask R-CNN, figure 4: four 3 x 3 convolutions, one step up to twice the size, and a 1 x 1 convolution to a mask for
    each class; a sigmoid, not a softmax, so classes do not compete (section 3).
    """
    feature = pooled
    for i in MASK_LAYERS:
        feature = relu(norm_layer(conv_layer(feature, weights, f"mrcnn_mask_conv{i}"), weights, f"mrcnn_mask_bn{i}"))
    larger = transposed_conv2x2(feature, weights["mrcnn_mask_deconv/kernel"], weights["mrcnn_mask_deconv/bias"])
    logits = conv_layer(relu(larger), weights, "mrcnn_mask")
    return logits, sigmoid(logits)
