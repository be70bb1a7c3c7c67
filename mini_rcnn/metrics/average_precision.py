"""Average precision: the area under precision against recall, as VOC and as COCO take it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mini_rcnn.metrics.detection_set import image_weights
from mini_rcnn.metrics.matching import match_best, match_free, score_ranks
from mini_rcnn.stages._check import whole_number

COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)  # cocodataset.org, "Detection evaluation": 0.50, 0.55 ... 0.95
COCO_RECALLS = np.linspace(0.0, 1.0, 101)  # the same page: 0, 0.01 ... 1; rounded as pycocotools rounds them
# Everingham et al., IJCV 2010, equation 1. Quotients: linspace's 0.30000000000000004 is not reached by 3 of 10 truths.
VOC_2007_RECALLS = np.arange(11) / 10


@dataclass(frozen=True, eq=False)
class RankedHits:
    """The predictions of a set, best score first, and which of them are hits at each of K overlaps."""

    scores: np.ndarray  # (P,), never rising; of equal scores the lower row stands first
    image: np.ndarray  # (P,), int64
    hit: np.ndarray  # (K, P), bool
    n_truths: np.ndarray  # (I,), truths on each image

    def points(self, weights=None):
        """Return the number of truths, and for each of the K overlaps ``(precision, recall, scores)``, each (H,).

        There is a point for each hit. Between two hits the recall stands still and the precision falls, so these points
        hold all of the curve that counts. ``weights`` (I,) is how often each image counts.
        """
        weights = image_weights(weights, len(self.n_truths))
        weight = weights[self.image]  # (P,)
        n_truths = float(np.sum(weights * self.n_truths))
        seen = np.cumsum(weight)
        curves = []
        for hit in self.hit:
            at = np.flatnonzero(hit & (weight > 0))
            found = np.cumsum(weight[at])
            recall = found / n_truths if n_truths else np.full(len(at), np.nan)
            curves.append((found / seen[at], recall, self.scores[at]))
        return n_truths, curves


def ranked_hits(detections, matched):
    """Return the `RankedHits` of a detection set for ``matched`` (K, P), truth rows or -1."""
    order = np.argsort(-detections.scores, kind="stable")
    # Within an image a stable sort is the order of the ranks, so equal scores agree with the matching.
    hit = np.atleast_2d(matched)[:, order] >= 0
    return RankedHits(detections.scores[order], detections.box_image[order], hit, detections.n_truths)


def falling(precision):
    """Return at each point the best precision at this recall or a larger one, (H,).

    >>> falling(np.array([0.5, 0.75, 0.6]))
    array([0.75, 0.75, 0.6 ])
    """
    return np.maximum.accumulate(precision[::-1])[::-1]


def area_of_all_points(precision, recall):
    """Return the area under the falling precision, each step of recall at its full width.

    Parameters
    ----------
    precision, recall : ndarray of shape (H,), float
        A point for each hit, the best score first: recall never falls, precision may do both. Without hits H is 0.

    Returns
    -------
    area : float
        0 without hits.

    Notes
    -----
    ``AP = sum over n of (r[n+1] - r[n]) * max over r' >= r[n+1] of p(r')``: VOC from 2010 on, ``VOCap.m`` of its
    development kit. Here ``r[0] = 0``, and the points are those of the hits, best score first. Matterport,
    ``mrcnn.utils.compute_ap``, takes the same area, of one image at a time.

    Examples
    --------
    >>> area_of_all_points(np.array([1.0, 0.5]), np.array([0.5, 1.0]))
    0.75
    """
    steps = np.diff(np.concatenate([[0.0], recall]))  # (H,)
    best = falling(precision)
    return float(np.sum(steps * best))


def mean_at_recalls(precision, recall, recalls):
    """Return the mean of the best precision at or beyond each of some recalls; 0 where none reaches it.

    Notes
    -----
    ``AP = 1 / R * sum over r of max over r' >= r of p(r')``: Everingham et al., IJCV 2010, equations 1 and 2, with 11
    recalls; COCO with 101.

    Examples
    --------
    >>> mean_at_recalls(np.array([1.0, 0.5]), np.array([0.5, 1.0]), [0.0, 0.5, 1.0])
    0.8333333333333334
    """
    best = np.concatenate([falling(precision), [0.0]])
    return float(np.mean(best[np.searchsorted(recall, recalls, side="left")]))


def voc_ap(detections, *, iou=0.5, weights=None):
    """Return VOC's average precision, of 2010 and later: the whole area under the curve.

    Parameters
    ----------
    detections : DetectionSet
    iou : float in [0, 1]
        A prediction finds a truth where they overlap at least this much.
    weights : ndarray of shape (I,), optional
        How often each image counts; once unless told.

    Returns
    -------
    ap : float
        In [0, 1]; 0 without predictions, NaN without truth.

    Raises
    ------
    ValueError
        If ``iou`` does not lie in [0, 1], or the weights are not (I,), finite and at least 0.

    Notes
    -----
    `mini_rcnn.metrics.matching.match_best` decides what is found, `area_of_all_points` takes the area. Of equal scores
    the earlier row counts first. Matterport, ``mrcnn.utils.compute_ap``, takes the area of one image at a time and
    leaves the mean of those to the caller: an image without truth then has no number, and its false marks cost nothing.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [[0.0, 0, 10, 10]]
    >>> voc_ap(detection_set([("ill", box, box, [0.8]), ("healthy", [], box, [0.9])]))
    0.5
    """
    n_truths, curves = ranked_hits(detections, match_best(detections, iou)).points(weights)
    return area_of_all_points(*curves[0][:2]) if n_truths else float("nan")


def voc_2007_ap(detections, *, iou=0.5, weights=None):
    """Return VOC's average precision of 2007: the mean of the precision at eleven recalls.

    Parameters, returns and errors are those of `voc_ap`.

    Notes
    -----
    Everingham et al., IJCV 2010, equation 1: the recalls are 0, 0.1 ... 1.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box, far = [[0.0, 0, 10, 10]], [[20.0, 20, 30, 30]]
    >>> round(voc_2007_ap(detection_set([("a", box + far, box, [0.8])])), 4)  # 6 of 11 recalls are reached
    0.5455
    """
    n_truths, curves = ranked_hits(detections, match_best(detections, iou)).points(weights)
    return mean_at_recalls(*curves[0][:2], VOC_2007_RECALLS) if n_truths else float("nan")


def coco_ap_by_iou(detections, *, thresholds=COCO_THRESHOLDS, max_boxes=100, weights=None):
    """Return COCO's average precision at each of some overlaps, (K,); see `coco_ap`."""
    max_boxes = whole_number("max_boxes", max_boxes, 1)
    matched = match_free(detections, thresholds)
    return coco_ap_of(ranked_hits(*first_boxes(detections, matched, max_boxes)), weights)


def coco_ap(detections, *, thresholds=COCO_THRESHOLDS, max_boxes=100, weights=None):
    """Return COCO's average precision of one class: the mean over ten overlaps and 101 recalls.

    Parameters
    ----------
    detections : DetectionSet
    thresholds : sequence of numbers in [0, 1]
        Overlaps; a prediction finds a truth where theirs is at least this.
    max_boxes : int
        The best so many predictions of an image count.
    weights : ndarray of shape (I,), optional
        How often each image counts; once unless told.

    Returns
    -------
    ap : float
        In [0, 1]; 0 without predictions, NaN without truth (pycocotools says -1).

    Raises
    ------
    ValueError
        If an overlap does not lie in [0, 1], ``max_boxes`` is less than 1, or the weights are wrong.

    Notes
    -----
    Lin et al., "Microsoft COCO", 2014, and cocodataset.org, "Detection evaluation": ``AP`` over all areas of truths.
    `mini_rcnn.metrics.matching.match_free` decides what is found. Matterport: ``mrcnn.utils.compute_ap_range`` of one
    image, with VOC's area and not at 101 recalls.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> truth, predicted = [[0.0, 0, 10, 10]], [[0.0, 0, 10, 8.2]]
    >>> round(coco_ap(detection_set([("a", truth, predicted, [0.8])])), 4)  # 0.82: seven of ten overlaps
    0.7
    """
    return float(np.mean(coco_ap_by_iou(detections, thresholds=thresholds, max_boxes=max_boxes, weights=weights)))


def coco_ap_of(ranked, weights=None):
    """Return the mean precision at 101 recalls for each overlap of `RankedHits`, (K,)."""
    n_truths, curves = ranked.points(weights)
    if not n_truths:
        return np.full(len(curves), np.nan)
    return np.array([mean_at_recalls(precision, recall, COCO_RECALLS) for precision, recall, _ in curves])


def first_boxes(detections, matched, max_boxes):
    """Return the set and its matches (K, P) without what stands beyond the best ``max_boxes`` of an image."""
    keep = score_ranks(detections) < max_boxes
    kept = type(detections)(
        detections.ids,
        detections.truth,
        detections.truth_image,
        detections.boxes[keep],
        detections.scores[keep],
        detections.box_image[keep],
    )
    return kept, matched[:, keep]
