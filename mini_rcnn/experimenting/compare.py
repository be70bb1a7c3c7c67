"""What each network does to healthy lungs: figures for each arm and seed, and the arms side by side."""

from __future__ import annotations

import numpy as np

from mini_rcnn.metrics.average_precision import voc_ap
from mini_rcnn.metrics.counts import SURE, false_marks_per_healthy_image, healthy_marked_share
from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.froc import HIT_IOU, froc, sensitivity_at
from mini_rcnn.metrics.image_level import area_under, image_scores, is_ill, roc
from mini_rcnn.metrics.rsna_sets import rsna_by_threshold

THRESHOLDS = (0.7, 0.9, SURE)  # the slides' first two, and what they ask about
SENSITIVITIES = (0.5, 0.6, 0.7, 0.8)  # of boxes, at which arms are compared
RSNA_GRID = np.linspace(0.05, 0.99, 95)


def set_of(records, found):
    """Return what was found on films as a `DetectionSet`."""
    return detection_set(
        (record.id, truth, boxes, scores) for record, (truth, boxes, scores) in zip(records, found)
    )  # fmt: skip


def class_rows(records, name):
    """Return which records are of a class, (I,) bool."""
    return np.array([record.class_name == name for record in records], dtype=bool)


def at_threshold(detections, records, threshold):
    """Return what a threshold on the score does, a dict of floats; NaN where there are no such films."""
    truths = max(len(detections.truth), 1)
    curve = froc(detections)
    reached = curve.sensitivity[curve.thresholds >= threshold]
    told = {
        "threshold": threshold,
        "sensitivity": reached[-1] if len(detections.truth) and len(reached) else np.nan,
        "false_marks_per_healthy_film": false_marks_per_healthy_image(detections, threshold=threshold),
        "healthy_marked": healthy_marked_share(detections, threshold=threshold),
        "rsna": rsna_by_threshold(detections, [threshold])[0],
        "marks": float(np.sum(detections.scores >= threshold)) / truths,
    }
    for name, key in (("Normal", "normal_marked"), ("No Lung Opacity / Not Normal", "not_normal_marked")):
        told[key] = healthy_marked_share(detections.of_images(class_rows(records, name)), threshold=threshold)
    return {name: float(value) for name, value in told.items()}


def threshold_for(curve, sensitivity):
    """Return the highest threshold on the score that finds at least this share of the boxes.

    Parameters
    ----------
    curve : mini_rcnn.metrics.froc.Froc
        ``false_marks``, ``sensitivity`` and ``thresholds``, each (N,): a point for each threshold, the highest first,
        so the sensitivity never falls.
    sensitivity : float
        The share that is to be found.

    Returns
    -------
    threshold : float
        One of the curve's own; NaN where no threshold finds so many. Infinite, at which nothing is marked, where 0 is
        asked for.

    Notes
    -----
    Two detectors are compared at equal sensitivity: each gets a threshold of its own, such that both find the same
    share of the boxes, and then their false marks are counted. Read between two points there would be no threshold
    that does it, so nothing is interpolated. Matterport has no such comparison.

    Examples
    --------
    >>> from mini_rcnn.metrics.froc import Froc
    >>> curve = Froc(np.array([0.0, 0.1, 0.4]), np.array([0.0, 0.5, 0.8]), np.array([np.inf, 0.9, 0.6]))
    >>> threshold_for(curve, 0.5), threshold_for(curve, 0.6), threshold_for(curve, 0.9)
    (0.9, 0.6, nan)
    """
    enough = np.flatnonzero(curve.sensitivity >= sensitivity)
    if not len(enough):
        return float("nan")
    return float(curve.thresholds[enough[0]])


def at_sensitivity(detections, records, sensitivity):
    """Return `at_threshold` at the highest threshold that finds this share of the boxes; None where none does."""
    threshold = threshold_for(froc(detections), sensitivity)
    return None if np.isnan(threshold) else at_threshold(detections, records, threshold)


def figures_of(records, found):
    """Return the figures of one network.

    Parameters
    ----------
    records : list of Record
    found : list of (truth, boxes, scores)
        On each record's film, down to low scores.

    Returns
    -------
    figures : dict
        Of floats and of dicts of them. A hit is an overlap of at least 0.4, the least that the challenge counts; AP is
        VOC's at that overlap.
    """
    detections = set_of(records, found)
    scores = rsna_by_threshold(detections, RSNA_GRID)
    best = int(np.nanargmax(scores)) if np.isfinite(scores).any() else 0
    return {
        "ap": float(voc_ap(detections, iou=HIT_IOU)),
        "froc": float(np.mean(sensitivity_at(froc(detections)))),
        "froc_healthy": float(np.mean(sensitivity_at(froc(detections, healthy_only=True)))),
        "auc": float(area_under(roc(is_ill(detections), image_scores(detections)))),
        "rsna_best": float(scores[best]),
        "rsna_best_threshold": float(RSNA_GRID[best]),
        "at": {f"{threshold:g}": at_threshold(detections, records, threshold) for threshold in THRESHOLDS},
        "equal": {f"{part:g}": at_sensitivity(detections, records, part) for part in SENSITIVITIES},
        "curve": healthy_curve(detections),
    }


def healthy_curve(detections, n_points=101):
    """Return the share of healthy films marked at each sensitivity: lists for a figure; None beyond the reachable."""
    curve, shares = froc(detections), []
    wanted = np.linspace(0, 1, n_points)
    for part in wanted:
        threshold = threshold_for(curve, part)
        if np.isnan(threshold):
            shares.append(None)
        else:
            shares.append(0.0 if np.isinf(threshold) else float(healthy_marked_share(detections, threshold=threshold)))
    return {"sensitivity": [float(part) for part in wanted], "healthy_marked": shares}


def compare(records, found):
    """Return the figures of all networks, and of each arm over its seeds.

    Parameters
    ----------
    records : list of Record
    found : dict of str to dict
        Arm -> seed -> what was found, see `figures_of`.

    Returns
    -------
    results : dict
        ``"runs"``: arm -> seed -> figures. ``"arms"``: arm -> figure -> mean, smallest, largest and standard deviation
        over the seeds. ``"ratios"``: how many times as many healthy films each arm marks as the last one does, at equal
        sensitivity. ``"films"``: how many of each class.
    """
    runs = {arm: {str(seed): figures_of(records, one) for seed, one in seeds.items()} for arm, seeds in found.items()}
    classes = sorted({record.class_name for record in records})
    return {
        "films": {name: int(class_rows(records, name).sum()) for name in classes},
        "boxes": int(sum(len(record.boxes) for record in records)),
        "runs": runs,
        "arms": {arm: spread_of(list(seeds.values())) for arm, seeds in runs.items()},
        "ratios": ratios_of(runs),
    }


def spread_of(figures):
    """Return mean, smallest, largest and standard deviation of each figure over seeds, names joined by dots."""
    rows = [flat(one) for one in figures]
    told = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows if row.get(name) is not None], dtype=float)
        values = values[np.isfinite(values)]
        if len(values) == len(rows):
            sd = float(values.std(ddof=1)) if len(values) > 1 else None
            told[name] = {
                "mean": float(values.mean()), "low": float(values.min()), "high": float(values.max()), "sd": sd
            }  # fmt: skip
    return told


def flat(figures, before=""):
    """Return nested figures as one dict, names joined by dots, without the curves and what could not be reached.

    >>> flat({"a": 1.0, "b": {"0.7": {"x": 2.0}, "0.9": None}})
    {'a': 1.0, 'b.0.7.x': 2.0}
    """
    told = {}
    for name, value in figures.items():
        if name == "curve":
            continue
        if isinstance(value, dict):
            told.update(flat(value, f"{before}{name}."))
        elif value is not None:
            told[before + name] = value
    return told


def ratios_of(runs):
    """Return, for each sensitivity, how many times as many healthy films each arm marks as the last arm does.

    The mean shares over the seeds are divided, where all seeds of both arms reach the sensitivity. None where they do
    not, or where the last arm marks no film: then there is no such number.
    """
    arms, ratios = list(runs), {}
    for part in SENSITIVITIES:
        key = f"{part:g}"
        shares = {}
        for arm, seeds in runs.items():
            rows = [one["equal"][key] for one in seeds.values()]
            shares[arm] = None if None in rows else float(np.mean([row["healthy_marked"] for row in rows]))
        last = shares[arms[-1]]
        ratios[key] = {
            arm: share / last if share is not None and last else None for arm, share in shares.items()
        }  # fmt: skip
    return ratios
