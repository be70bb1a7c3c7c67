"""The RSNA challenge's score: how many boxes were found, missed and made up, at eight overlaps."""

from __future__ import annotations

import numpy as np

from mini_rcnn.stages._check import boxes_array, number_array, rows_array, shaped
from mini_rcnn.stages.boxes import box_areas, box_iou

THRESHOLDS = (0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70, 0.75)  # the challenge's


def image_score(truth, predicted, scores, thresholds=THRESHOLDS):
    """Return the score of one image, or None where there is neither truth nor prediction.

    Parameters
    ----------
    truth : ndarray of shape (N, 4), float
        Boxes ``(y1, x1, y2, x2)``, in pixels.
    predicted : ndarray of shape (M, 4), float
        In the same pixels.
    scores : ndarray of shape (M,), float
        How sure the detector is of each; only their order counts. Of equal scores, the lower index goes first.
    thresholds : sequence of T numbers in [0, 1]
        A prediction matches a truth where their overlap is *above* one of these; equal to it is not enough.

    Returns
    -------
    score : float or None
        The mean over the thresholds of ``TP / (TP + FP + FN)``: in [0, 1], and 0 for any prediction on an image without
        truth.

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, a box has no area, or a threshold does not lie in [0, 1].

    Notes
    -----
    The challenge's page, "Evaluation". At each threshold the truths, in their order, each take the highest scoring
    prediction that overlaps enough and that none has taken before. A prediction is used once, a truth once; what is
    left over is a false positive or a false negative.

    Examples
    --------
    >>> truth = np.array([[0.0, 0, 10, 10]])
    >>> image_score(truth, np.array([[0.0, 0, 10, 6]]), np.array([0.9]))  # an overlap of 0.6: above four of the eight
    0.5
    >>> image_score(np.zeros((0, 4)), truth, np.array([0.9]))
    0.0
    """
    thresholds = threshold_array(thresholds)
    truth, predicted = real_boxes("truth", truth), real_boxes("predicted", predicted)
    scores = rows_array("scores", scores, len(predicted))
    if not len(truth) and not len(predicted):
        return None
    if not len(truth) or not len(predicted):
        return 0.0
    best_first = np.argsort(-scores, kind="stable")
    matched = n_matches(box_iou(truth, predicted[best_first]), thresholds)  # (T,)
    return float(np.mean(matched / (len(truth) + len(predicted) - matched)))


def rsna_score(images, thresholds=THRESHOLDS):
    """Return the mean score of the images that have one.

    Parameters
    ----------
    images : iterable of (truth, predicted, scores)
        See `image_score`.
    thresholds : sequence of numbers in [0, 1]

    Returns
    -------
    score : float
        NaN where no image has a score: all are healthy, and nothing was marked.

    Notes
    -----
    An image without truth counts only if something was marked on it, and then as 0. On the whole challenge (6,012 films
    with boxes, 20,672 without) a detector that is perfect where there is something, but marks every healthy film too,
    comes to 6,012 / 26,684 = 0.2253.

    Examples
    --------
    >>> box, none = np.array([[0.0, 0, 10, 10]]), np.zeros((0, 4))
    >>> rsna_score([(box, box, [0.9]), (none, none, []), (none, box, [0.3])])
    0.5
    """
    scores = [image_score(*image, thresholds=thresholds) for image in images]
    scores = [score for score in scores if score is not None]
    return float(np.mean(scores)) if scores else float("nan")


def n_matches(iou, thresholds):
    """Return how many truths of one image find a prediction, at each of some overlaps.

    Parameters
    ----------
    iou : ndarray of shape (N, M), float
        Overlap of each of N truths with each of M predictions. The predictions stand by score, the best first; M is at
        least 1.
    thresholds : ndarray of shape (T,), float

    Returns
    -------
    matched : ndarray of shape (T,), int64

    Notes
    -----
    The challenge's page, "Evaluation". Each threshold is a matching of its own. The truths come in their order, row 0
    first. Each takes the best *scoring* prediction that overlaps it by *more* than the threshold and that no truth
    before it has taken; if there is none, it is missed. COCO's rule differs: there the predictions choose, and by
    overlap. Matterport's ``mrcnn.utils.compute_matches`` follows COCO.

    Examples
    --------
    >>> iou = np.array([[0.5, 0.9], [0.6, 0.0]])  # both truths overlap the first prediction
    >>> n_matches(iou, np.array([0.4, 0.5]))
    array([1, 2])
    """
    good = iou[None] > thresholds[:, None, None]  # (T, N, M)
    rows = np.arange(len(thresholds))
    matched = np.zeros(len(thresholds), dtype=np.int64)
    for truth in range(iou.shape[0]):
        free = good[:, truth]  # (T, M); what was taken before is false by now
        first, found = free.argmax(axis=1), free.any(axis=1)
        good[rows[found], :, first[found]] = False
        matched += found
    return matched


def real_boxes(name, boxes):
    """Return boxes (N, 4), all of them with an area."""
    boxes = boxes_array(name, boxes)
    flat = np.flatnonzero(box_areas(boxes) <= 0)
    if len(flat):
        raise ValueError(f"{name} must have boxes with an area, got {boxes[flat[0]].tolist()} in row {flat[0]}")
    return boxes


def threshold_array(thresholds):
    """Return thresholds (T,), at least one, all in [0, 1]."""
    array = shaped("thresholds", number_array("thresholds", thresholds), (None,))
    if not len(array) or ((array < 0) | (array > 1)).any():
        raise ValueError(f"thresholds must be at least one number, all in [0, 1], got {array.tolist()}")
    return array
