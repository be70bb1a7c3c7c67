"""Which prediction finds which truth, at one overlap: COCO's rule and VOC's, for all images at once.

Both look at the predictions of an image in the order of their scores, so a prediction's match does not depend on those
that score less. One matching therefore serves every threshold on the score.
"""

from __future__ import annotations

import numpy as np

from mini_rcnn.metrics.rsna import threshold_array
from mini_rcnn.stages._check import unit_number
from mini_rcnn.stages.boxes import box_iou


def score_ranks(detections):
    """Return the place of each prediction in its image by score, (P,): 0 is best; of equal scores the lower row is.

    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [0.0, 0, 5, 5]
    >>> score_ranks(detection_set([("a", [], [box, box, box], [0.2, 0.9, 0.9]), ("b", [], [box], [0.1])]))
    array([2, 0, 1, 0])
    """
    order = np.lexsort((-detections.scores, detections.box_image))  # stable
    counts = detections.n_boxes
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return ranks


def overlaps_of(detections):
    """Return the IoU of each prediction with each truth of its image.

    Parameters
    ----------
    detections : DetectionSet

    Returns
    -------
    overlaps : ndarray of shape (P, S)
        S is the largest number of truths on an image; -1 where an image has fewer.
    """
    n_truths, n_boxes = detections.n_truths, detections.n_boxes
    truth_ends, box_ends = np.cumsum(n_truths), np.cumsum(n_boxes)
    overlaps = np.full((len(detections.boxes), n_truths.max() if len(n_truths) else 0), -1.0)
    for image in np.flatnonzero((n_truths > 0) & (n_boxes > 0)):
        rows = slice(box_ends[image] - n_boxes[image], box_ends[image])
        truth = detections.truth[truth_ends[image] - n_truths[image] : truth_ends[image]]
        overlaps[rows, : n_truths[image]] = box_iou(detections.boxes[rows], truth)
    return overlaps


def match_free(detections, thresholds, *, overlaps=None):
    """Return the truth that each prediction finds, by COCO's rule: the free truth that it overlaps most.

    Parameters
    ----------
    detections : DetectionSet
    thresholds : sequence of K numbers in [0, 1]
        A prediction finds a truth where their IoU is *at least* this, and more than 0 (at a threshold of 0 pycocotools
        matches boxes that do not meet).
    overlaps : ndarray of shape (P, S), optional
        What `overlaps_of` returns, where it is at hand.

    Returns
    -------
    matched : ndarray of shape (K, P), int64
        A row of ``detections.truth``, or -1 for a false mark. No truth stands twice in a row of it.

    Raises
    ------
    ValueError
        If a threshold does not lie in [0, 1].

    Notes
    -----
    COCO's evaluation, ``COCOeval.evaluateImg`` of pycocotools: the best score goes first, of equal scores the lower
    row. Of equal overlaps the *later* truth is taken, as there. VOC's rule differs (`match_best`), and RSNA's does
    (`mini_rcnn.metrics.rsna.image_score`: the truths choose, and by score). Matterport's
    ``mrcnn.utils.compute_matches`` takes the next truth where the best is taken, as here.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> truth = [[0.0, 0, 10, 10], [0.0, 4, 10, 14]]
    >>> predicted = [[0.0, 0, 10, 10], [0.0, 1, 10, 11]]
    >>> match_free(detection_set([("a", truth, predicted, [0.9, 0.8])]), [0.5, 0.6])
    array([[ 0,  1],
           [ 0, -1]])
    """
    thresholds = threshold_array(thresholds)
    overlaps = overlaps_of(detections) if overlaps is None else overlaps
    overlaps = overlaps[:, ::-1]  # the first of the largest is then the last truth
    matched = np.full((len(thresholds), len(overlaps)), -1, dtype=np.int64)
    n_truths, ranks = detections.n_truths, score_ranks(detections)
    free = np.ones((len(thresholds), detections.n_images, overlaps.shape[1]), dtype=bool)
    candidates = np.flatnonzero(overlaps.max(axis=1, initial=-1.0) > 0)
    if not len(candidates):
        return matched
    candidates = candidates[np.argsort(ranks[candidates], kind="stable")]
    limits = np.maximum(thresholds, np.nextafter(0, 1))[:, None]  # (K, 1); boxes that touch do not match
    for rows in np.split(candidates, np.flatnonzero(np.diff(ranks[candidates])) + 1):  # at most one of each image
        images = detections.box_image[rows]
        offers = np.where(free[:, images], overlaps[rows], -1.0)  # (K, R, S)
        best = offers.argmax(axis=2)  # (K, R)
        row, column = np.nonzero(offers.max(axis=2) >= limits)
        slot = best[row, column]
        free[row, images[column], slot] = False
        first_truth = (np.cumsum(n_truths) - n_truths)[images[column]]
        matched[row, rows[column]] = first_truth + overlaps.shape[1] - 1 - slot
    return matched


def match_best(detections, threshold, *, overlaps=None):
    """Return the truth that each prediction finds, by VOC's rule: the truth that it overlaps most, if that is free.

    Parameters
    ----------
    detections : DetectionSet
    threshold : float in [0, 1]
        A prediction finds a truth where their IoU is at least this, and more than 0.
    overlaps : ndarray of shape (P, S), optional
        What `overlaps_of` returns, where it is at hand.

    Returns
    -------
    matched : ndarray of shape (P,), int64
        A row of ``detections.truth``, or -1.

    Raises
    ------
    ValueError
        If the threshold does not lie in [0, 1].

    Notes
    -----
    ``VOCevaldet.m`` of the VOC development kit; Everingham et al., IJCV 2010, section 4.2: "multiple detections of the
    same object in an image were considered false detections". Where the truth that a prediction overlaps most was found
    before, it is a false mark, even if it overlaps another, free truth enough; `match_free` gives it that one. Of equal
    overlaps the first truth counts. The kit counts pixels, so it adds 1 to each side of a box; nothing is added here.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> truth = [[0.0, 0, 10, 10], [0.0, 4, 10, 14]]
    >>> predicted = [[0.0, 0, 10, 10], [0.0, 1, 10, 11]]
    >>> match_best(detection_set([("a", truth, predicted, [0.9, 0.8])]), 0.5)
    array([ 0, -1])
    """
    limit = max(unit_number("threshold", threshold), np.nextafter(0, 1))
    overlaps = overlaps_of(detections) if overlaps is None else overlaps
    matched = np.full(len(overlaps), -1, dtype=np.int64)
    if not overlaps.size:
        return matched
    rows = np.flatnonzero(overlaps.max(axis=1) >= limit)
    rows = rows[np.argsort(score_ranks(detections)[rows], kind="stable")]
    n_truths = detections.n_truths
    wanted = (np.cumsum(n_truths) - n_truths)[detections.box_image[rows]] + overlaps[rows].argmax(axis=1)
    truths, first = np.unique(wanted, return_index=True)  # the first that wants a truth has the best score
    matched[rows[first]] = truths
    return matched
