"""Counts at one threshold: boxes found, missed and made up; healthy images that were marked all the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.metrics.detection_set import image_weights, ratio
from mini_rcnn.metrics.matching import match_free
from mini_rcnn.stages._check import unit_number

IOU = 0.5  # VOC's, Everingham et al., IJCV 2010, section 4.2
SURE = 0.95  # a false mark above it is what the project's false alarms are about


class BoxCounts(NamedTuple):
    """Boxes at one threshold and one overlap."""

    true_positive: int
    false_positive: int
    false_negative: int
    precision: float  # TP / (TP + FP), NaN where nothing is marked
    recall: float  # TP / (TP + FN), NaN without truth
    f1: float  # 2 TP / (2 TP + FP + FN), NaN with neither


def box_counts(detections, *, threshold, iou=IOU, weights=None):
    """Return how many boxes were found, made up and missed.

    Parameters
    ----------
    detections : DetectionSet
    threshold : float in [0, 1]
        Predictions that score less are left out.
    iou : float in [0, 1]
        A prediction finds a free truth where they overlap at least this much; COCO's rule of matching.
    weights : ndarray of shape (I,), optional
        How often each image counts; once unless told. The counts are then sums of weights.

    Returns
    -------
    counts : BoxCounts

    Raises
    ------
    ValueError
        If a threshold does not lie in [0, 1], or the weights are not (I,), finite and at least 0.

    Notes
    -----
    van Rijsbergen, "Information retrieval", 1979, chapter 7, with F1 the harmonic mean of precision and recall.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box, far = [0.0, 0, 10, 10], [20.0, 20, 30, 30]
    >>> box_counts(detection_set([("a", [box], [box, far], [0.9, 0.6])]), threshold=0.5)
    BoxCounts(true_positive=1, false_positive=1, false_negative=0, precision=0.5, recall=1.0, f1=0.6666666666666666)
    """
    matched = match_free(detections, [unit_number("iou", iou)])[0]
    return box_counts_of(detections, matched >= 0, threshold=threshold, weights=weights)


def box_counts_of(detections, hit, *, threshold, weights=None):
    """Return `BoxCounts` where it is known which predictions are hits, (P,) bool."""
    kept = detections.scores >= unit_number("threshold", threshold)
    if weights is None:
        tp, marks, truths = int(np.sum(hit & kept)), int(np.sum(kept)), len(detections.truth)
    else:
        weights = image_weights(weights, detections.n_images)
        tp, marks = (float(weights[detections.box_image[rows]].sum()) for rows in (hit & kept, kept))
        truths = float(weights[detections.truth_image].sum())
    fp, fn = marks - tp, truths - tp
    return BoxCounts(tp, fp, fn, ratio(tp, tp + fp), ratio(tp, tp + fn), ratio(2 * tp, 2 * tp + fp + fn))


class ImageCounts(NamedTuple):
    """Images at one threshold: marked is one that has a box which scores at least so much."""

    ill_marked: int
    ill_unmarked: int
    healthy_marked: int
    healthy_unmarked: int
    healthy_marked_share: float  # of the images without truth; NaN where there is none


def image_counts(detections, *, threshold, weights=None):
    """Return how many images with truth and without it were marked.

    Parameters
    ----------
    detections : DetectionSet
    threshold : float in [0, 1]
        An image is marked where a box scores at least this. Without boxes it is not, whatever the threshold.
    weights : ndarray of shape (I,), optional
        How often each image counts; once unless told. The counts are then sums of weights.

    Returns
    -------
    counts : ImageCounts

    Raises
    ------
    ValueError
        If the threshold does not lie in [0, 1], or the weights are wrong.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [[0.0, 0, 10, 10]]
    >>> detections = detection_set([("ill", box, box, [0.9]), ("a", [], box, [0.6]), ("b", [], [], [])])
    >>> image_counts(detections, threshold=0.5)
    ImageCounts(ill_marked=1, ill_unmarked=0, healthy_marked=1, healthy_unmarked=1, healthy_marked_share=0.5)
    """
    kept = detections.scores >= unit_number("threshold", threshold)
    marked = np.bincount(detections.box_image[kept], minlength=detections.n_images) > 0
    ill = detections.n_truths > 0
    groups = (ill & marked, ill & ~marked, ~ill & marked, ~ill & ~marked)
    if weights is None:
        counts = [int(np.sum(members)) for members in groups]
    else:
        weights = image_weights(weights, detections.n_images)
        counts = [float(weights[members].sum()) for members in groups]
    return ImageCounts(*counts, ratio(counts[2], counts[2] + counts[3]))


def healthy_marked_share(detections, *, threshold, weights=None):
    """Return the share of the images without truth that were marked; NaN where every image has truth.

    With ``threshold=SURE`` it is the share that was marked at 0.95 or more.
    """
    return image_counts(detections, threshold=threshold, weights=weights).healthy_marked_share


def false_marks_per_healthy_image(detections, *, threshold, weights=None):
    """Return the mean number of marks on an image without truth; NaN where every image has truth.

    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [0.0, 0, 10, 10]
    >>> detections = detection_set([("a", [], [box, box, box], [0.6, 0.5, 0.1]), ("b", [], [], [])])
    >>> false_marks_per_healthy_image(detections, threshold=0.5)
    1.0
    """
    kept = detections.scores >= unit_number("threshold", threshold)
    marks = np.bincount(detections.box_image[kept], minlength=detections.n_images)
    weights = image_weights(weights, detections.n_images) * (detections.n_truths == 0)
    return ratio(np.sum(weights * marks), np.sum(weights))
