"""FROC: how many of the truths are found, against how many false marks an image gets, at every threshold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.metrics.average_precision import ranked_hits
from mini_rcnn.metrics.detection_set import image_weights
from mini_rcnn.metrics.matching import match_free
from mini_rcnn.stages._check import number_array, shaped

# False marks per image at which the sensitivity is read: van Ginneken et al., "Comparing and combining algorithms for
# computer-aided detection of pulmonary nodules ... ANODE09", Medical Image Analysis 2010; LUNA16 took them over.
FALSE_MARKS = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)
HIT_IOU = 0.4  # the least overlap that the RSNA challenge counts: a mark that points at the opacity


class Froc(NamedTuple):
    """One point for each distinct score, highest threshold first, after the point where nothing is marked."""

    false_marks: np.ndarray  # (N,), false marks per image, never falling; NaN without images to count on
    sensitivity: np.ndarray  # (N,), share of the truths that are found, never falling; NaN without truth
    thresholds: np.ndarray  # (N,), what scores at least this is marked; the first is infinite


def froc(detections, *, iou=HIT_IOU, healthy_only=False, weights=None):
    """Return the FROC curve of a detection set.

    Parameters
    ----------
    detections : DetectionSet
    iou : float in [0, 1]
        A mark is a hit where it overlaps a free truth at least this much. The default is the least that the RSNA
        challenge counts: FROC asks whether the place was found, and not how well the box was drawn.
    healthy_only : bool
        Count false marks on images without truth alone, per such image.
    weights : ndarray of shape (I,), optional
        How often each image counts; once unless told.

    Returns
    -------
    curve : Froc

    Raises
    ------
    ValueError
        If ``iou`` does not lie in [0, 1], or the weights are not (I,), finite and at least 0.

    Notes
    -----
    Bunch et al., "A free response approach to the measurement and characterization of radiographic observer
    performance", 1977. A second mark on a truth that is found already is a false mark, as in the RSNA challenge;
    LUNA16 leaves it out.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [[0.0, 0, 10, 10]]
    >>> curve = froc(detection_set([("ill", box, box, [0.8]), ("healthy", [], box, [0.9])]))
    >>> curve.false_marks, curve.sensitivity
    (array([0. , 0.5, 0.5]), array([0., 0., 1.]))
    """
    return froc_of(ranked_hits(detections, match_free(detections, [iou])), healthy_only=healthy_only, weights=weights)


def froc_of(ranked, *, healthy_only=False, weights=None):
    """Return the FROC curve of `mini_rcnn.metrics.average_precision.RankedHits`, at the first of its overlaps."""
    weights = image_weights(weights, len(ranked.n_truths))
    weight, hit = weights[ranked.image], ranked.hit[0]
    counted = (ranked.n_truths == 0) if healthy_only else np.ones(len(weights), dtype=bool)  # (I,)
    false = np.cumsum(weight * (counted[ranked.image] & ~hit))
    found = np.cumsum(weight * hit)
    # A threshold cannot tell equal scores apart: a point stands after the last of them.
    last = np.flatnonzero(np.diff(ranked.scores, append=-np.inf))
    return Froc(
        share(np.concatenate([[0.0], false[last]]), weights[counted].sum()),
        share(np.concatenate([[0.0], found[last]]), np.sum(weights * ranked.n_truths)),
        np.concatenate([[np.inf], ranked.scores[last]]),
    )


def share(parts, whole):
    """Return the parts (N,) as shares of the whole, NaN where that is 0."""
    return parts / whole if whole else np.full(len(parts), np.nan)


def sensitivity_at(curve, false_marks=FALSE_MARKS):
    """Return the sensitivity that is reached with at most so many false marks per image.

    Parameters
    ----------
    curve : Froc
    false_marks : sequence of F numbers

    Returns
    -------
    sensitivity : ndarray of shape (F,)
        NaN without truth or without images to count false marks on.

    Raises
    ------
    ValueError
        If a number is not finite or less than 0.

    Notes
    -----
    The mean of the seven that `FALSE_MARKS` names is the ANODE09 and LUNA16 score (Setio et al., Medical Image
    Analysis 2017). They read the curve between its points on a straight line; here a threshold has to
    exist that does it, so the figure is never larger than theirs.

    Examples
    --------
    >>> curve = Froc(np.array([0.0, 0.5, 2.0]), np.array([0.0, 0.6, 0.9]), np.array([np.inf, 0.9, 0.2]))
    >>> sensitivity_at(curve, [0.25, 0.5, 1, 8])
    array([0. , 0.6, 0.6, 0.9])
    """
    wanted = shaped("false_marks", number_array("false_marks", false_marks), (None,))
    if (wanted < 0).any():
        raise ValueError(f"false_marks must be at least 0, got {wanted.min()}")
    if np.isnan(curve.false_marks).any():
        return np.full(len(wanted), np.nan)
    return curve.sensitivity[np.searchsorted(curve.false_marks, wanted, side="right") - 1]
