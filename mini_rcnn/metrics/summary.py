"""One detection set, all metrics, one pass: a plain dictionary that goes into JSON as it stands."""

from __future__ import annotations

import math

import numpy as np

from mini_rcnn.metrics import calibration, counts, froc, image_level
from mini_rcnn.metrics.average_precision import (
    COCO_THRESHOLDS,
    VOC_2007_RECALLS,
    area_of_all_points,
    coco_ap_of,
    mean_at_recalls,
)
from mini_rcnn.metrics.bootstrap import bootstrap
from mini_rcnn.metrics.headline import FIGURES, Headline, Matches
from mini_rcnn.metrics.rsna_sets import rsna_by_threshold
from mini_rcnn.metrics.sweep import sweep
from mini_rcnn.stages._check import whole_number

POINTS = 500  # of a curve at most: more than a figure shows
GRID = np.linspace(0.0, 1.0, 101)  # thresholds of the table


def summarise(detections, *, threshold, iou=counts.IOU, patients=None, n_bootstrap=0, seed=0, level=0.95):
    """Return all metrics of a detection set.

    Parameters
    ----------
    detections : DetectionSet
        All predictions, those below the threshold too: what is a curve or an area is over all of them.
    threshold : float in [0, 1]
        Predictions that score less do not count in what is said "at the threshold".
    iou : float in [0, 1]
        The overlap of a hit in counts, precision and recall, VOC's average precision and the boxes' calibration. FROC
        has its own (`mini_rcnn.metrics.froc.HIT_IOU`), and so have COCO and RSNA.
    patients : sequence of I names or numbers, optional
        Whose image it is; unless told, each image is a patient of its own.
    n_bootstrap : int
        How often patients are drawn for the intervals; with 0 there are none.
    seed : int
    level : float in [0, 1]
        How much of the draws an interval holds.

    Returns
    -------
    summary : dict
        Of dicts, lists, strings, numbers and None, which stands for NaN and for the infinite threshold that curves
        begin with.

    Raises
    ------
    ValueError
        If a threshold does not lie in [0, 1], ``n_bootstrap`` is less than 0, or the patients are not I.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [[0.0, 0, 10, 10]]
    >>> detections = detection_set([("ill", box, box, [0.9]), ("healthy", [], box, [0.2])])
    >>> summary = summarise(detections, threshold=0.5)
    >>> summary["figures"]["rsna"], summary["counts"]["boxes"]["true_positive"], summary["intervals"]
    (1.0, 1, None)
    """
    whole_number("n_bootstrap", n_bootstrap, 0)
    patients = np.arange(detections.n_images) if patients is None else np.asarray(patients)
    if patients.shape != (detections.n_images,):
        raise ValueError(f"patients must have shape ({detections.n_images},), got {patients.shape}")
    matches = Matches(detections, iou)
    headline = Headline(detections, matches, threshold)
    summary = {
        "set": {
            "images": detections.n_images,
            "ill": np.sum(detections.n_truths > 0),
            "healthy": np.sum(detections.n_truths == 0),
            "patients": len(np.unique(patients)),
            "truths": len(detections.truth),
            "predictions": len(detections.boxes),
        },
        "threshold": threshold,
        "iou": iou,
        "figures": dict(zip(FIGURES, headline())),
        "intervals": None,
        "bootstrap": {"n": n_bootstrap, "seed": seed, "level": level},
        "rsna": best_threshold(detections, matches),
        "counts": at_threshold(detections, matches, threshold),
        "average_precision": average_precisions(matches),
        "froc": {name: froc_curve(matches.froc, name == "healthy") for name in ("all", "healthy")},
        "image_level": image_curves(detections),
        "calibration": calibrations(detections, matches),
        "histogram": histogram(detections, matches),
        "by_threshold": sweep(detections, GRID, hit=matches.hit, rsna_hit=matches.rsna_hit)._asdict(),
    }
    if n_bootstrap:
        found = bootstrap(headline, patients, n=n_bootstrap, seed=seed, level=level)
        rows = zip(FIGURES, found.low, found.high, found.n)
        summary["intervals"] = {name: {"low": low, "high": high, "n": n} for name, low, high, n in rows}
    return plain(summary)


def best_threshold(detections, matches):
    """Return the best RSNA score that a threshold on this very set gives, and the highest threshold that does."""
    thresholds = np.unique(np.append(detections.scores, 1.0))[::-1]
    scores = rsna_by_threshold(detections, thresholds, hit=matches.rsna_hit)
    if np.isnan(scores).all():
        return {"best": np.nan, "best_threshold": np.nan}
    best = int(np.flatnonzero(scores >= np.nanmax(scores) - 1e-12)[0])
    return {"best": scores[best], "best_threshold": thresholds[best]}


def at_threshold(detections, matches, threshold):
    """Return counts of boxes and of images at the threshold, and of images at `mini_rcnn.metrics.counts.SURE`."""
    found = {"boxes": counts.box_counts_of(detections, matches.hit, threshold=threshold)._asdict()}
    for name, score in (("images", threshold), ("images_sure", counts.SURE)):
        found[name] = dict(counts.image_counts(detections, threshold=score)._asdict(), threshold=score)
        found[name]["false_marks_per_healthy_image"] = counts.false_marks_per_healthy_image(detections, threshold=score)
    return found


def average_precisions(matches):
    """Return VOC's and COCO's average precision, and the curve of precision against recall."""
    n_truths, curves = matches.voc.points()
    precision, recall, _ = curves[0]
    by_iou = coco_ap_of(matches.coco)
    _, ((precision_free, recall_free, scores),) = matches.ranked.points()
    return {
        "voc": area_of_all_points(precision, recall) if n_truths else np.nan,
        "voc_2007": mean_at_recalls(precision, recall, VOC_2007_RECALLS) if n_truths else np.nan,
        "coco": np.mean(by_iou),
        "coco_50": by_iou[0],
        "coco_75": by_iou[5],
        "by_iou": {"iou": np.round(COCO_THRESHOLDS, 2), "ap": by_iou},
        "curve": thinned({"recall": recall_free, "precision": precision_free, "threshold": scores}),
    }


def froc_curve(ranked, healthy_only):
    """Return a FROC curve, its sensitivities at the seven rates and their mean."""
    curve = froc.froc_of(ranked, healthy_only=healthy_only)
    sensitivity = froc.sensitivity_at(curve)
    return {
        "iou": froc.HIT_IOU,
        "false_marks": froc.FALSE_MARKS,
        "sensitivity": sensitivity,
        "mean": np.mean(sensitivity),
        "curve": thinned(dict(zip(("false_marks", "sensitivity", "threshold"), curve))),
    }


def image_curves(detections):
    """Return the ROC curve of images, its area, and Youden's J."""
    curve = image_level.roc(image_level.is_ill(detections), image_level.image_scores(detections))
    j, threshold = image_level.youden(curve)
    names = ("false_positive_rate", "true_positive_rate", "threshold")
    return {
        "auc": image_level.area_under(curve),
        "youden": j,
        "youden_threshold": threshold,
        "curve": thinned(dict(zip(names, curve))),
    }


def calibrations(detections, matches):
    """Return the calibration of boxes (is it a hit?) and of images (is there truth?)."""
    pairs = {
        "boxes": (detections.scores, matches.hit),
        "images": (image_level.image_scores(detections), image_level.is_ill(detections)),
    }
    found = {}
    for name, (scores, outcomes) in pairs.items():
        bins = calibration.reliability(scores, outcomes)
        found[name] = dict(bins._asdict(), ece=calibration.expected_calibration_error(bins))
        found[name]["brier"] = calibration.brier_score(scores, outcomes)
    return found


def histogram(detections, matches):
    """Return how many boxes score how much: hits, false marks on images with truth, marks on images without."""
    healthy = (detections.n_truths == 0)[detections.box_image]
    groups = {"hits": matches.hit, "false_on_ill": ~matches.hit & ~healthy, "on_healthy": healthy}
    edges = np.linspace(0.0, 1.0, 21)
    found = {name: np.histogram(detections.scores[rows], edges)[0] for name, rows in groups.items()}
    return dict(found, edges=edges)


def thinned(curve, limit=POINTS):
    """Return the arrays (N,) of a curve at no more than so many points: half of them even, half close to the start.

    >>> {name: len(values) <= 500 for name, values in thinned({"x": np.arange(9000), "y": np.arange(9000)}).items()}
    {'x': True, 'y': True}
    """
    length = len(next(iter(curve.values())))
    if length <= limit:
        return curve
    even, early = np.linspace(0, length - 1, limit // 2), np.geomspace(1, length, limit - limit // 2) - 1
    rows = np.unique(np.round(np.concatenate([even, early])).astype(int))
    return {name: values[rows] for name, values in curve.items()}


def plain(value):
    """Return dicts, lists, strings, whole numbers, floats and None of what holds arrays and NumPy's numbers.

    >>> plain({"a": np.array([0.5, np.nan]), "n": np.int64(3), "t": (np.inf, True)})
    {'a': [0.5, None], 'n': 3, 't': [None, True]}
    """
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
