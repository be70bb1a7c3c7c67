"""What every threshold on the score would do: hits, false marks, marked images and the RSNA score, side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.metrics.counts import IOU
from mini_rcnn.metrics.matching import match_free, overlaps_of
from mini_rcnn.metrics.rsna_sets import rsna_by_threshold, rsna_hits
from mini_rcnn.stages._check import number_array, shaped


class Sweep(NamedTuple):
    """One row for each of S thresholds; what has nothing to be a share of is NaN."""

    threshold: np.ndarray  # (S,), predictions that score at least this are kept
    rsna: np.ndarray  # (S,), the challenge's score
    precision: np.ndarray  # (S,), of boxes
    recall: np.ndarray  # (S,)
    f1: np.ndarray  # (S,)
    sensitivity: np.ndarray  # (S,), share of the images with truth that are marked
    specificity: np.ndarray  # (S,), share of the images without truth that are not
    false_marks_per_image: np.ndarray  # (S,)
    false_marks_per_healthy_image: np.ndarray  # (S,), marks on images without truth, per such image


def sweep(detections, thresholds, *, iou=IOU, hit=None, rsna_hit=None):
    """Return the figures at many thresholds, at the cost of a few sorts.

    Parameters
    ----------
    detections : DetectionSet
    thresholds : sequence of S numbers
    iou : float in [0, 1]
        The overlap of a hit, for all but the RSNA score, which has its own eight.
    hit : ndarray of shape (P,), bool, optional
        Which predictions are hits, where it is known.
    rsna_hit : ndarray of shape (8, P), bool, optional
        What `mini_rcnn.metrics.rsna_sets.rsna_hits` returns, where it is at hand.

    Returns
    -------
    figures : Sweep

    Raises
    ------
    ValueError
        If a threshold is not finite, or ``iou`` does not lie in [0, 1].

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [[0.0, 0, 10, 10]]
    >>> figures = sweep(detection_set([("ill", box, box, [0.9]), ("healthy", [], box, [0.2])]), [0.1, 0.5])
    >>> figures.precision, figures.specificity
    (array([0.5, 1. ]), array([0., 1.]))
    """
    thresholds = shaped("thresholds", number_array("thresholds", thresholds), (None,)).astype(np.float64)
    if hit is None or rsna_hit is None:
        overlaps = overlaps_of(detections)
        hit = match_free(detections, [iou], overlaps=overlaps)[0] >= 0 if hit is None else hit
        rsna_hit = rsna_hits(detections, overlaps=overlaps) if rsna_hit is None else rsna_hit
    ill = detections.n_truths > 0
    best = np.full(len(ill), -np.inf)  # an image without boxes is never marked
    np.maximum.at(best, detections.box_image, detections.scores)
    n_truths, n_ill, n_healthy = len(detections.truth), np.sum(ill), np.sum(~ill)
    marks = at_least(detections.scores, thresholds)
    hits = at_least(detections.scores[hit], thresholds)
    healthy_marks = at_least(detections.scores[~ill[detections.box_image]], thresholds)
    return Sweep(
        thresholds,
        rsna_by_threshold(detections, thresholds, hit=rsna_hit),
        shares(hits, marks),
        shares(hits, n_truths),
        shares(2 * hits, marks + n_truths),
        shares(at_least(best[ill], thresholds), n_ill),
        shares(n_healthy - at_least(best[~ill], thresholds), n_healthy),
        shares(marks - hits, len(ill)),
        shares(healthy_marks, n_healthy),
    )


def at_least(values, thresholds):
    """Return how many of the values reach each threshold, (S,).

    >>> at_least(np.array([0.2, 0.5, 0.9]), np.array([0.0, 0.5, 1.0]))
    array([3, 2, 0])
    """
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="left")


def shares(parts, wholes):
    """Return the parts (S,) divided by the wholes, NaN where those are 0."""
    wholes = np.broadcast_to(wholes, np.shape(parts))
    return np.divide(parts, wholes, out=np.full(np.shape(parts), np.nan), where=wholes > 0)
