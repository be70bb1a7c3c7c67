"""The five losses of Mask R-CNN: two for the region proposal network, three for the heads."""

from __future__ import annotations

import numpy as np

from ._check import number_array, shaped


def cross_entropy(logits, class_ids):
    """Return the cross-entropy of each row, (N,): minus the logarithm of the right class's probability.

    Parameters
    ----------
    logits : ndarray of shape (N, K), float
        Before softmax.
        The right class of each row.

    Returns
    -------
    losses : ndarray of shape (N,), float
        One a row, never below 0; finite for every finite logit.

    Notes
    -----
    ``log(sum(exp(logits))) - logits[class]``, with the row's largest logit taken from all of them first. That changes
    nothing in the result (it cancels out), and ``exp`` never overflows. Matterport: TensorFlow's
    ``sparse_softmax_cross_entropy_with_logits``, which does the same.

    Examples
    --------
    >>> cross_entropy(np.array([[0.0, 0.0], [0.0, 3.0]]), np.array([0, 0])).round(3)
    array([0.693, 3.049])
    """
    logits = shaped("logits", number_array("logits", logits), (None, None))
    class_ids = shaped("class_ids", np.asarray(class_ids), (len(logits),))
    raised = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(raised).sum(axis=1)) - raised[np.arange(len(logits)), class_ids]


def smooth_l1(differences):
    """Return the smooth L1 loss of each difference: a square near 0, a straight line beyond 1.

    Parameters
    ----------
    differences : ndarray of any shape, float
        Predicted less wanted, in units of ``delta_std``.

    Returns
    -------
    losses : ndarray of the same shape, float

    Notes
    -----
    ``0.5 d ** 2`` where ``|d| < 1``, else ``|d| - 0.5``: Fast R-CNN, equation 3. Both have the value 0.5 and the slope
    1 at 1, so the loss has no corner. A far miss pulls no harder than a near one. Matterport:
    ``mrcnn.model.smooth_l1_loss``.

    Examples
    --------
    >>> smooth_l1(np.array([0.5, -3.0]))
    array([0.125, 2.5  ])
    """
    size = np.abs(number_array("differences", differences))
    square, line = 0.5 * size**2, size - 0.5
    return np.where(size < 1, square, line)


def binary_cross_entropy(logits, targets):
    """Return the cross-entropy of each yes-or-no answer, before the sigmoid.

    Notes
    -----
    ``max(x, 0) - x * t + log(1 + exp(-|x|))``, which overflows nowhere.

    Examples
    --------
    >>> binary_cross_entropy(np.array([0.0, -3.0]), np.array([1.0, 1.0])).round(3)
    array([0.693, 3.049])
    """
    logits, targets = number_array("logits", logits), number_array("targets", targets)
    return np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))


def mean_or_zero(values):
    """Return the mean, and 0 of nothing."""
    return float(values.mean()) if values.size else 0.0


def rpn_class_loss(logits, labels):
    """Return how badly the RPN tells objects from background.

    Parameters
    ----------
    logits : ndarray of shape (..., A, 2), float
        Of one image or a batch.
    labels : ndarray of shape (..., A), int
        1 object, -1 background, 0 not asked.

    Returns
    -------
    loss : float
        Mean over all anchors that are asked, of all images together; 0 if none is.

    Notes
    -----
    Faster R-CNN, equation 1, first part. Matterport: ``mrcnn.model.rpn_class_loss_graph``.

    Examples
    --------
    >>> round(rpn_class_loss(np.zeros((3, 2)), np.array([1, -1, 0])), 3)
    0.693
    """
    labels = np.asarray(labels)
    asked = labels != 0
    return mean_or_zero(cross_entropy(np.asarray(logits)[asked], (labels[asked] == 1).astype(np.int64)))


def rpn_box_loss(deltas, labels, target_deltas):
    """Return how far the RPN's deltas are from those wanted, over the anchors that are objects.

    Parameters
    ----------
    deltas, target_deltas : ndarrays of shape (..., A, 4), float
    labels : ndarray of shape (..., A), int

    Returns
    -------
    loss : float
        Mean over objects and their four numbers; 0 if there is no object.

    Notes
    -----
    Faster R-CNN, equation 1, second part. Matterport: ``mrcnn.model.rpn_bbox_loss_graph``.
    """
    objects = np.asarray(labels) == 1
    return mean_or_zero(smooth_l1(np.asarray(deltas)[objects] - np.asarray(target_deltas)[objects]))


def head_class_loss(logits, class_ids, counted):
    """Return how badly the box head names what it sees.

    Parameters
    ----------
    logits : ndarray of shape (..., R, K), float
    class_ids : ndarray of shape (..., R), int
        0 is background.
    counted : ndarray of shape (..., R), bool
        Which rows are real; the others fill up.

    Returns
    -------
    loss : float

    Notes
    -----
    Fast R-CNN, equation 1. Matterport: ``mrcnn.model.mrcnn_class_loss_graph``, which counts the rows of zeros that fill
    up as background: give it ``counted`` all True for the same number.
    """
    counted = np.asarray(counted, dtype=bool)
    return mean_or_zero(cross_entropy(np.asarray(logits)[counted], np.asarray(class_ids)[counted]))


def head_box_loss(deltas, class_ids, target_deltas):
    """Return how far the box head's deltas are from those wanted, over the objects, each in its own class.

    Parameters
    ----------
    deltas : ndarray of shape (..., R, K, 4), float
        Four numbers for each of the K classes, background among them.
    class_ids : ndarray of shape (..., R), int
        Of the truth; 0 is background.
    target_deltas : ndarray of shape (..., R, 4), float

    Returns
    -------
    loss : float
        Mean of `smooth_l1` over the objects and their four numbers; 0 if there is no object.

    Notes
    -----
    Fast R-CNN, equation 2: background has no box, so its rows do not count, and of an object's deltas only those of
    its own class do. Matterport: ``mrcnn.model.mrcnn_bbox_loss_graph``.

    Examples
    --------
    >>> deltas = np.zeros((2, 2, 4))
    >>> deltas[1, 1] = [0.0, 0.0, 1.0, 3.0]
    >>> head_box_loss(deltas, np.array([0, 1]), np.zeros((2, 4)))
    0.75
    """
    class_ids = np.asarray(class_ids)
    objects = class_ids > 0
    own = np.asarray(deltas)[objects][np.arange(objects.sum()), class_ids[objects]]
    return mean_or_zero(smooth_l1(own - np.asarray(target_deltas)[objects]))


def head_mask_loss(logits, class_ids, targets):
    """Return how badly the mask head draws the objects, each in its own class.

    Parameters
    ----------
    logits : ndarray of shape (P, h, w, K), float
        Of objects alone: background has no mask.
    class_ids : ndarray of shape (P,), int
    targets : ndarray of shape (P, h, w), 0 or 1

    Notes
    -----
    Mask R-CNN, section 3: the average binary cross-entropy of the right class's mask, so that classes do not compete.
    Matterport: ``mrcnn.model.mrcnn_mask_loss_graph``, which runs its mask head on background, too, and throws it away.
    """
    class_ids = np.asarray(class_ids)
    own = np.asarray(logits)[np.arange(len(class_ids)), ..., class_ids]
    return mean_or_zero(binary_cross_entropy(own, np.asarray(targets)))
