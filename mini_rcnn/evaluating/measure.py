"""Predictions and truth in, everything that an evaluation says out: one dictionary that goes into JSON."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.metrics.detection_set import DetectionSet, detection_set
from mini_rcnn.metrics.summary import summarise

from .groups import group_figures, groups_of
from .images import Images, false_marks_by, images_of, scores_by_class

VERSION = 1  # of the dictionary


class Evaluation(NamedTuple):
    """What an evaluation knows."""

    results: dict  # for JSON
    detections: DetectionSet
    images: Images
    records: list  # of Record, in the order of both


def evaluate(records, found, *, facts, threshold, n_bootstrap=0, seed=0, seconds=None, about=None):
    """Return the evaluation of predictions.

    Parameters
    ----------
    records : sequence of Record
        The images to evaluate on; those without an entry in ``found`` are left out.
    found : dict
        ``{id: (boxes (N, 4) float64, scores (N,))}``, pixels of the film; entries of other images are passed over.
    facts : dict
        ``{id: mini_rcnn.evaluating.people.Facts}``.
    threshold : float in [0, 1]
        What scores less counts in curves alone.
    n_bootstrap, seed : int
        How often patients are drawn for the intervals.
    seconds : dict, optional
        ``{id: seconds}`` that the network took.
    about : dict, optional
        What the results depend on; it goes into them as it is.

    Returns
    -------
    evaluation : Evaluation
    """
    records = [record for record in records if record.id in found]
    detections = detection_set((record.id, record.boxes, *found[record.id]) for record in records)
    patients = np.array([record.patient for record in records], dtype=str)
    options = {"threshold": threshold, "patients": patients, "n_bootstrap": n_bootstrap, "seed": seed}
    images = images_of(detections, records, facts, threshold=threshold)
    results = {
        "version": VERSION,
        "about": about or {},
        "summary": summarise(detections, **options),
        "groups": group_figures(detections, groups_of(records, facts), **options),
        "best_score_by_class": scores_by_class(images),
        "false_marks": false_marks_by(images),
        "seconds": times_of([seconds[record.id] for record in records]) if seconds else None,
    }
    return Evaluation(results, detections, images, records)


def times_of(seconds):
    """Return quantiles of seconds, and how many lie between which edges.

    >>> times = times_of([0.1, 0.2, 0.3])
    >>> times["images"], times["median"], sum(times["counts"])
    (3, 0.2, 3)
    """
    counts, edges = np.histogram(seconds, 30)
    low, median, high = np.quantile(seconds, [0.05, 0.5, 0.95])
    return {
        "images": len(seconds),
        "median": float(median),
        "5 %": float(low),
        "95 %": float(high),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }
