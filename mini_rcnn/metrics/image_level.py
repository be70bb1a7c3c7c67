"""Is there something on the image at all? ROC and its area, sensitivity, specificity, Youden's J."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.metrics.detection_set import image_weights, ratio
from mini_rcnn.stages._check import number_array, rows_array, shaped


class Roc(NamedTuple):
    """One point for each distinct score, highest threshold first, after the point where no image is called ill."""

    false_positive_rate: np.ndarray  # (N,), never falling; NaN where no image is healthy
    true_positive_rate: np.ndarray  # (N,), never falling; NaN where no image is ill
    thresholds: np.ndarray  # (N,), an image that scores at least this is called ill; the first is infinite


class OperatingPoint(NamedTuple):
    """What one threshold on the image's score does."""

    threshold: float
    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int
    sensitivity: float  # NaN where no image is ill
    specificity: float  # NaN where no image is healthy
    youden: float


def image_scores(detections):
    """Return the score of each image, (I,): that of its best box, and 0 without boxes.

    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [0.0, 0, 10, 10]
    >>> image_scores(detection_set([("a", [], [box, box], [0.2, 0.7]), ("b", [], [], [])]))
    array([0.7, 0. ])
    """
    scores = np.zeros(detections.n_images)
    np.maximum.at(scores, detections.box_image, detections.scores)
    return scores


def is_ill(detections):
    """Return which images have truth, (I,) bool."""
    return detections.n_truths > 0


def roc(ill, scores, *, weights=None):
    """Return the ROC curve.

    Parameters
    ----------
    ill : ndarray of shape (I,), bool
        Which images have truth; `is_ill`.
    scores : ndarray of shape (I,), float
        `image_scores`, or any other.
    weights : ndarray of shape (I,), optional
        How often each image counts; once unless told.

    Returns
    -------
    curve : Roc

    Raises
    ------
    ValueError
        If the shapes differ, a number is not finite, or a weight is less than 0.

    Notes
    -----
    Fawcett, "An introduction to ROC analysis", 2006, algorithm 1: equal scores pass a threshold together, so they make
    one point.

    Examples
    --------
    >>> roc(np.array([True, False, True]), np.array([0.9, 0.5, 0.5]))[:2]
    (array([0., 0., 1.]), array([0. , 0.5, 1. ]))
    """
    ill, scores = two_classes(ill, scores)
    weights = image_weights(weights, len(ill))
    distinct, place = np.unique(-scores, return_inverse=True)
    rates = []
    for members in (~ill, ill):
        passed = np.cumsum(np.bincount(place, weights * members, minlength=len(distinct)))
        total = passed[-1] if len(passed) else 0.0
        rates.append(np.concatenate([[0.0], passed]) / total if total else np.full(len(distinct) + 1, np.nan))
    return Roc(rates[0], rates[1], np.concatenate([[np.inf], -distinct]))


def two_classes(ill, scores):
    """Return ``(ill, scores)`` as arrays of one length."""
    ill = shaped("ill", np.asarray(ill), (None,))
    if len(ill) and ill.dtype != bool:
        raise ValueError(f"ill must hold booleans, got dtype {ill.dtype}")
    return ill.astype(bool), rows_array("scores", scores, len(ill))


def area_under(curve):
    """Return the area under a ROC curve, by trapezoids; NaN where a class is missing.

    It is the chance that an ill image scores more than a healthy one, equal scores counting half: Hanley and McNeil,
    "The meaning and use of the area under a ROC curve", Radiology 1982.

    >>> area_under(roc(np.array([True, False, True]), np.array([0.9, 0.5, 0.5])))
    0.75
    """
    x, y = curve.false_positive_rate, curve.true_positive_rate
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)) if len(x) > 1 else float("nan")


def youden(curve):
    """Return ``(J, threshold)``: the largest ``sensitivity + specificity - 1``, and the highest threshold with it.

    Both are NaN where a class is missing. Youden, "Index for rating diagnostic tests", Cancer 1950. The threshold is
    infinite where calling no image ill does best, with J = 0.

    >>> youden(roc(np.array([True, False, True]), np.array([0.9, 0.5, 0.5])))
    (0.5, 0.9)
    """
    j = curve.true_positive_rate - curve.false_positive_rate
    if np.isnan(j).any():
        return float("nan"), float("nan")
    # Rates are quotients: equal values of J differ in their last digits, and the highest threshold is meant.
    best = int(np.flatnonzero(j >= j.max() - 1e-12)[0])
    return float(j[best]), float(curve.thresholds[best])


def operating_point(ill, scores, *, threshold, weights=None):
    """Return what a threshold does: counts, sensitivity, specificity, Youden's J.

    Parameters
    ----------
    ill : ndarray of shape (I,), bool
    scores : ndarray of shape (I,), float
    threshold : float
        An image that scores at least this is called ill. An image without boxes scores 0, so at 0 all are.
    weights : ndarray of shape (I,), optional
        How often each image counts; once unless told. The counts are then sums of weights.

    Returns
    -------
    point : OperatingPoint

    Raises
    ------
    ValueError
        If the shapes differ, or a number is not finite.

    Notes
    -----
    ``sensitivity = TP / (TP + FN)``, ``specificity = TN / (TN + FP)``, ``J = sensitivity + specificity - 1``.

    Examples
    --------
    >>> operating_point(np.array([True, False, True]), np.array([0.9, 0.5, 0.2]), threshold=0.6)
    OperatingPoint(threshold=0.6, true_positive=1, false_positive=0, true_negative=1, false_negative=1,
                   sensitivity=0.5, specificity=1.0, youden=0.5)
    """
    ill, scores = two_classes(ill, scores)
    threshold = float(shaped("threshold", number_array("threshold", threshold), ()))
    called = scores >= threshold
    counts = [ill & called, ~ill & called, ~ill & ~called, ill & ~called]
    if weights is None:
        tp, fp, tn, fn = (int(np.count_nonzero(members)) for members in counts)
    else:
        weights = image_weights(weights, len(ill))
        tp, fp, tn, fn = (float(weights[members].sum()) for members in counts)
    sensitivity, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    return OperatingPoint(threshold, tp, fp, tn, fn, sensitivity, specificity, sensitivity + specificity - 1)


def predictive_value(prevalence, sensitivity, specificity):
    """Return how likely a marked image is ill, where so many of all images are.

    Parameters
    ----------
    prevalence : float or ndarray, in [0, 1]
        Share of the images that are ill.
    sensitivity : float or ndarray, in [0, 1]
        Share of the ill images that are marked.
    specificity : float or ndarray, in [0, 1]
        Share of the healthy images that are *not* marked.

    Returns
    -------
    value : ndarray, float64
        Of the shape that the three have together: numbers give an array of no axis. NaN where nothing is ever marked.

    Raises
    ------
    ValueError
        If a value does not lie in [0, 1].

    Notes
    -----
    Bayes: ``P(ill | marked) = P(marked | ill) P(ill) / P(marked)``, with
    ``P(marked) = sensitivity * prevalence + (1 - specificity) * (1 - prevalence)``. The positive predictive value:
    Altman and Bland, "Diagnostic tests 2: predictive values", BMJ 1994. Matterport has nothing of the kind.

    Examples
    --------
    >>> predictive_value([0.5, 0.01], 0.9, 0.9).round(3)
    array([0.9  , 0.083])
    """
    prevalence = shares("prevalence", prevalence)
    sensitivity, specificity = shares("sensitivity", sensitivity), shares("specificity", specificity)
    true = sensitivity * prevalence
    marked = true + (1 - specificity) * (1 - prevalence)
    return np.divide(true, marked, out=np.full(np.shape(marked), np.nan), where=marked > 0)


def shares(name, values):
    """Return values, a number or an array of them, as float64, all in [0, 1]."""
    values = number_array(name, values).astype(np.float64)
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"{name} must lie in [0, 1], got {values.min()} to {values.max()}")
    return values
