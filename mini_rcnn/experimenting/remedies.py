"""What else lowers false marks: remedies put on a trained network, each chosen on one side and measured on another.

None of them trains the network again. Smaller boxes are what some of the challenge's best entries handed in; a score of
the whole film asks "is there pneumonia at all" before "where".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.metrics.calibration import expected_calibration_error, reliability
from mini_rcnn.metrics.counts import healthy_marked_share
from mini_rcnn.metrics.detection_set import DetectionSet
from mini_rcnn.metrics.froc import HIT_IOU, froc
from mini_rcnn.metrics.image_level import area_under, is_ill, roc
from mini_rcnn.metrics.matching import match_free
from mini_rcnn.metrics.rsna_sets import rsna_by_threshold

from .compare import SENSITIVITIES

FACTORS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)  # of a box's sides
WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8)  # of the film's score in the product
GRID = np.linspace(0.01, 0.99, 99)  # thresholds
MOST_MARKED = 0.04  # of the healthy films, as where a training chooses its threshold


class Side(NamedTuple):
    """What a network says of the films of a side."""

    found: DetectionSet
    film_scores: np.ndarray  # (I,), the chance of pneumonia anywhere on the film, by `film_classifier`


def shrunk(detections, factor):
    """Return a detection set whose predicted boxes have ``factor`` times the sides, around the same centres.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> told = shrunk(detection_set([("a", [], [[0.0, 0, 10, 20]], [0.9])]), 0.5)
    >>> told.boxes
    array([[ 2.5,  5. ,  7.5, 15. ]])
    """
    centre = (detections.boxes[:, :2] + detections.boxes[:, 2:]) / 2
    half = (detections.boxes[:, 2:] - detections.boxes[:, :2]) / 2 * factor
    return changed(detections, boxes=np.concatenate([centre - half, centre + half], axis=1))


def weighed(detections, film_scores, weight):
    """Return a detection set whose scores are ``score ** (1 - weight) * film_score ** weight``.

    Examples
    --------
    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> box = [[0.0, 0, 1, 1]]
    >>> told = weighed(detection_set([("a", [], box, [0.9]), ("b", [], box, [0.4])]), np.array([0.1, 0.4]), 0.5)
    >>> told.scores
    array([0.3, 0.4])
    """
    film = np.asarray(film_scores)[detections.box_image]
    return changed(detections, scores=detections.scores ** (1 - weight) * film**weight)


def calibrated(detections, chosen_on):
    """Return a detection set whose scores are how often boxes of such a score were hits on other films.

    Isotonic regression (Zadrozny and Elkan, KDD 2002), by scikit-learn. It never changes the order of two boxes, so
    nothing is marked less at equal sensitivity: a score of 0.9 merely comes to mean nine hits in ten.
    """
    from sklearn.isotonic import IsotonicRegression

    if not len(chosen_on.scores):
        return detections
    fit = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    fit.fit(chosen_on.scores, hits_of(chosen_on).astype(float))
    scores = fit.predict(detections.scores) if len(detections.scores) else detections.scores
    return changed(detections, scores=scores)


def changed(detections, *, boxes=None, scores=None):
    """Return a detection set with other boxes or scores."""
    boxes = detections.boxes if boxes is None else boxes
    scores = detections.scores if scores is None else scores
    return DetectionSet(detections.ids, detections.truth, detections.truth_image, boxes, scores, detections.box_image)


def hits_of(detections):
    """Return which predictions are hits, (P,) bool."""
    return match_free(detections, [HIT_IOU])[0] >= 0


def film_classifier(features, ill):
    """Return a function from features (N, F) to the chance of pneumonia on each film, learnt on some films.

    Parameters
    ----------
    features : ndarray of shape (N, F)
        The backbone's, pooled over the film; see `mini_rcnn.experimenting.film_features`.
    ill : ndarray of shape (N,), bool

    Notes
    -----
    Logistic regression with an L2 penalty chosen by cross-validation, by scikit-learn. The network is not changed: a
    film's score costs one product.
    """
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    penalties = LogisticRegressionCV(Cs=(1e-4, 1e-3, 1e-2, 1e-1), cv=5, scoring="roc_auc", max_iter=2000)
    fit = make_pipeline(StandardScaler(), penalties).fit(features, np.asarray(ill))
    return lambda others: fit.predict_proba(others)[:, 1]


def choose_shrinking(validation):
    """Return the factor with the best RSNA score on the validation side, at its own best threshold."""
    return max(FACTORS, key=lambda factor: best_threshold(shrunk(validation.found, factor))[1])


def choose_weight(validation):
    """Return the weight of the film's score with which fewest healthy films are marked, over `SENSITIVITIES`."""

    def marked(weight):
        told = weighed(validation.found, validation.film_scores, weight)
        return np.mean([share_at(told, part) for part in SENSITIVITIES])

    return min(WEIGHTS, key=marked)


def best_threshold(detections):
    """Return the threshold with the best RSNA score of those that mark few healthy films, and that score."""
    scores = np.nan_to_num(rsna_by_threshold(detections, GRID))
    marked = np.array([healthy_marked_share(detections, threshold=threshold) for threshold in GRID])
    scores = np.where(np.nan_to_num(marked) < MOST_MARKED, scores, -1.0)
    best = len(GRID) - 1 - int(np.argmax(scores[::-1]))  # of equal ones the highest
    return float(GRID[best]), float(scores[best])


def share_at(detections, sensitivity):
    """Return the share of healthy films that is marked where this share of the boxes is found; 1 where it never is."""
    curve = froc(detections)
    enough = np.flatnonzero(curve.sensitivity >= sensitivity)
    if not len(enough):
        return 1.0
    threshold = curve.thresholds[enough[0]]
    return 0.0 if np.isinf(threshold) else float(healthy_marked_share(detections, threshold=threshold))


def try_remedies(validation, test):
    """Return what each remedy gives on the test side, chosen on the validation side.

    Parameters
    ----------
    validation, test : Side

    Returns
    -------
    told : dict of str to dict
        Remedy -> figures, floats: ``"rsna"`` at the threshold that the validation side chose, ``"marked"`` the share of
        healthy films marked there, ``"equal.0.5"`` and so on the share marked at equal sensitivity (1 where it is not
        reached), ``"auc"`` of films by their highest score, ``"ece"`` of the boxes' scores, and what was chosen.
    """
    factor, weight = choose_shrinking(validation), choose_weight(validation)
    steps = {
        "none": lambda side: side.found,
        "boxes shrunk": lambda side: shrunk(side.found, factor),
        "the film's score": lambda side: weighed(side.found, side.film_scores, weight),
        "both": lambda side: weighed(shrunk(side.found, factor), side.film_scores, weight),
        "calibrated": lambda side: calibrated(side.found, validation.found),
    }
    told = {name: figures(step(validation), step(test)) for name, step in steps.items()}
    told["boxes shrunk"]["chosen"] = factor
    told["the film's score"]["chosen"] = weight
    return told


def figures(validation, test):
    """Return the figures of one remedy."""
    threshold, _ = best_threshold(validation)
    best = np.zeros(test.n_images)
    np.maximum.at(best, test.box_image, test.scores)
    told = {
        "threshold": threshold,
        "rsna": float(rsna_by_threshold(test, [threshold])[0]),
        "marked": float(healthy_marked_share(test, threshold=threshold)),
        "auc": float(area_under(roc(is_ill(test), best))),
        "ece": float(expected_calibration_error(reliability(test.scores, hits_of(test)))),
    }
    return {**told, **{f"equal.{part:g}": share_at(test, part) for part in SENSITIVITIES}}
