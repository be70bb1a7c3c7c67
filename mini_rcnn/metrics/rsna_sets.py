"""RSNA's score of a whole detection set, at one threshold on the score or at all, without a loop over images."""

from __future__ import annotations

import numpy as np

from mini_rcnn.metrics.detection_set import image_weights, ratio
from mini_rcnn.metrics.matching import overlaps_of, score_ranks
from mini_rcnn.metrics.rsna import THRESHOLDS, threshold_array
from mini_rcnn.stages._check import number_array, shaped


def rsna_hits(detections, thresholds=THRESHOLDS, *, overlaps=None):
    """Return which predictions are taken by a truth, by the challenge's rule.

    Parameters
    ----------
    detections : DetectionSet
    thresholds : sequence of K numbers in [0, 1]
        Overlaps that a match must be above.
    overlaps : ndarray of shape (P, S), optional
        What `mini_rcnn.metrics.matching.overlaps_of` returns, where it is at hand.

    Returns
    -------
    hit : ndarray of shape (K, P), bool

    Raises
    ------
    ValueError
        If a threshold does not lie in [0, 1].

    Notes
    -----
    The truths of an image, in their order, each take the best scoring prediction that overlaps enough and is free.
    A prediction that is added below all others is only taken by a truth that found none, so it changes no match above
    it: what is a hit here is one at every threshold on the score that lets it pass.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> truth = [[0.0, 0, 10, 10]]
    >>> rsna_hits(detection_set([("a", truth, truth + truth, [0.5, 0.7])]), [0.5])
    array([[False,  True]])
    """
    thresholds = threshold_array(thresholds)
    overlaps = overlaps_of(detections) if overlaps is None else overlaps
    order = np.lexsort((score_ranks(detections), detections.box_image))
    images, overlaps = detections.box_image[order], overlaps[order]  # best first within an image
    hit = np.zeros((len(thresholds), len(order)), dtype=bool)
    for row, threshold in enumerate(thresholds):
        for slot in range(overlaps.shape[1]):
            good = np.flatnonzero((overlaps[:, slot] > threshold) & ~hit[row])
            _, first = np.unique(images[good], return_index=True)
            hit[row, good[first]] = True
    back = np.empty_like(hit)
    back[:, order] = hit
    return back


def rsna_image_scores(detections, *, threshold=0.0, thresholds=THRESHOLDS, hit=None):
    """Return the challenge's score of each image, (I,), NaN for one with neither truth nor prediction.

    ``threshold`` keeps the predictions that score at least as much; ``hit`` is what `rsna_hits` returns for all
    predictions, where it is at hand. See `mini_rcnn.metrics.rsna.image_score` for the rule.
    """
    hit = rsna_hits(detections, thresholds) if hit is None else hit
    keep = detections.scores >= threshold
    images, n_images = detections.box_image[keep], detections.n_images
    both = detections.n_truths + np.bincount(images, minlength=n_images)  # (I,)
    scores = np.zeros(n_images)
    for row in hit[:, keep]:
        found = np.bincount(images[row], minlength=n_images)
        scores += found / np.maximum(both - found, 1)
    return np.where(both > 0, scores / len(hit), np.nan)


def rsna_score_of(detections, *, threshold=0.0, thresholds=THRESHOLDS, weights=None):
    """Return the challenge's score of a detection set.

    Parameters
    ----------
    detections : DetectionSet
    threshold : float
        Predictions that score less are left out.
    thresholds : sequence of numbers in [0, 1]
        Overlaps that a match must be above.
    weights : ndarray of shape (I,), optional
        How often each image counts; once unless told.

    Returns
    -------
    score : float
        As `mini_rcnn.metrics.rsna.rsna_score`; NaN where no image has a score.

    Raises
    ------
    ValueError
        If an overlap does not lie in [0, 1], or the weights are not (I,), finite and at least 0.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [[0.0, 0, 10, 10]]
    >>> detections = detection_set([("ill", box, box, [0.9]), ("healthy", [], box, [0.2])])
    >>> rsna_score_of(detections), rsna_score_of(detections, threshold=0.5)
    (0.5, 1.0)
    """
    scores = rsna_image_scores(detections, threshold=threshold, thresholds=thresholds)
    return weighted_mean(scores, image_weights(weights, detections.n_images))


def weighted_mean(scores, weights):
    """Return the mean of the scores (I,) that are not NaN; NaN where none counts."""
    counts = ~np.isnan(scores)
    return ratio(np.sum(scores[counts] * weights[counts]), np.sum(weights[counts]))


def rsna_by_threshold(detections, score_thresholds, *, thresholds=THRESHOLDS, weights=None, hit=None):
    """Return the challenge's score at many thresholds on the score.

    Parameters
    ----------
    detections : DetectionSet
    score_thresholds : sequence of S numbers
        At each, the predictions that score at least as much are kept.
    thresholds : sequence of K numbers in [0, 1]
        Overlaps that a match must be above.
    weights : ndarray of shape (I,), optional
        How often each image counts.
    hit : ndarray of shape (K, P), bool, optional
        What `rsna_hits` returns, where it is at hand.

    Returns
    -------
    scores : ndarray of shape (S,)
        NaN where no image has a score.

    Raises
    ------
    ValueError
        If a number is not finite, an overlap does not lie in [0, 1], or the weights are wrong.

    Notes
    -----
    The predictions come in one at a time, best score first. Each changes the score of its own image alone, so the sum
    over the images is a running sum of those changes, and every threshold costs one look-up.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [[0.0, 0, 10, 10]]
    >>> rsna_by_threshold(detection_set([("ill", box, box, [0.9]), ("healthy", [], box, [0.2])]), [0.1, 0.5, 0.95])
    array([0.5, 1. , 0. ])
    """
    wanted = shaped("score_thresholds", number_array("score_thresholds", score_thresholds), (None,))
    weights = image_weights(weights, detections.n_images)
    hit = rsna_hits(detections, thresholds) if hit is None else hit
    ranks, images = score_ranks(detections), detections.box_image
    order = np.lexsort((ranks, images))
    images, ranks, n_truths = images[order], ranks[order], detections.n_truths
    change = np.zeros(len(order))
    for row in hit[:, order]:
        running = np.cumsum(row)
        before = running - row
        found = running - before[np.arange(len(row)) - ranks]  # hits in its image up to each prediction
        after = found / (n_truths[images] + ranks + 1 - found)
        at_first = np.where(ranks > 0, np.roll(after, 1), 0.0)  # what the image had before
        change += after - at_first
    enters = (ranks == 0) & (n_truths[images] == 0)  # an image without truth counts once something is marked on it
    best_first = np.argsort(-detections.scores[order], kind="stable")
    weight = weights[images][best_first]
    total = np.concatenate([[0.0], np.cumsum(change[best_first] * weight)]) / len(hit)
    entered = np.concatenate([[0.0], np.cumsum(enters[best_first] * weight)])
    n_kept = np.searchsorted(np.sort(-detections.scores), -wanted, side="right")
    counts = weights[n_truths > 0].sum() + entered[n_kept]
    return np.divide(total[n_kept], counts, out=np.full(len(wanted), np.nan), where=counts > 0)
