"""Image by image: what is there, what was found, and what of it is right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.data.header_tables import UNKNOWN
from mini_rcnn.data.rsna import CLASSES
from mini_rcnn.metrics.counts import IOU
from mini_rcnn.metrics.image_level import image_scores
from mini_rcnn.metrics.matching import match_free
from mini_rcnn.metrics.rsna_sets import rsna_image_scores

BINS = 20  # of a histogram of scores


class Images(NamedTuple):
    """One entry for each of I images."""

    ids: list
    classes: list  # of str
    views: list  # of str, "unknown" where it is
    truths: np.ndarray  # (I,), boxes of the truth
    predictions: np.ndarray  # (I,), boxes that score at least the threshold
    best_score: np.ndarray  # (I,), of all predictions; 0 without any
    rsna: np.ndarray  # (I,), the challenge's score at the threshold; NaN with neither truth nor prediction
    hits: np.ndarray  # (I,), predictions that overlap a truth of their own by 0.5 or more
    false_marks: np.ndarray  # (I,), the other predictions


def images_of(detections, records, facts, *, threshold):
    """Return what was found image by image.

    Parameters
    ----------
    detections : DetectionSet
        Of I images.
    records : sequence of I Records
        In the same order.
    facts : dict
        ``{id: mini_rcnn.evaluating.people.Facts}``.
    threshold : float in [0, 1]

    Returns
    -------
    images : Images
    """
    kept = detections.above(threshold)
    hit = match_free(kept, [IOU])[0] >= 0
    hits = np.bincount(kept.box_image[hit], minlength=kept.n_images)
    return Images(
        [record.id for record in records],
        [record.class_name for record in records],
        [facts[record.id].view or UNKNOWN for record in records],
        kept.n_truths,
        kept.n_boxes,
        image_scores(detections),
        rsna_image_scores(kept),
        hits,
        kept.n_boxes - hits,
    )


def scores_by_class(images):
    """Return how many images of each class have which best score: ``{"edges": (21,), class: (20,)}``.

    An image without any prediction scores 0 and stands in the first bin.
    """
    classes, edges = np.array(images.classes, dtype=object), np.linspace(0.0, 1.0, BINS + 1)
    counts = {name: np.histogram(images.best_score[classes == name], edges)[0] for name in CLASSES}
    return {"edges": edges.tolist(), **{name: count.tolist() for name, count in counts.items()}}


def false_marks_by(images):
    """Return the false marks of each class in each view.

    Returns
    -------
    rows : list of dict
        ``"class"``, ``"view"``, ``"images"``, ``"false_marks"``, ``"marked"`` (images with at least one) and
        ``"per_image"``; only what has an image in it.
    """
    classes, views = np.array(images.classes, dtype=object), np.array(images.views, dtype=object)
    rows = []
    for view in sorted(set(images.views), key=lambda text: (text == UNKNOWN, text)):
        for name in CLASSES:
            members = (classes == name) & (views == view)
            n_images, marks = int(members.sum()), images.false_marks[members]
            if n_images:
                per_image = float(marks.sum() / n_images)
                row = {"class": name, "view": view, "images": n_images, "false_marks": int(marks.sum())}
                rows.append({**row, "marked": int((marks > 0).sum()), "per_image": per_image})
    return rows


def gallery(images, *, limit=6):
    """Return which images are worth a look, ``{kind: rows of images}``, none of them twice.

    Parameters
    ----------
    images : Images
    limit : int
        Of each kind.

    Returns
    -------
    rows : dict
        ``"best"``: with truth, the best score of the challenge; ``"worst"``: with truth, marked, the worst one;
        ``"missed"``: with truth and no mark at all, those with most boxes first; ``"false alarms"``: without truth and
        marked, the highest score first.
    """
    ill, marked = images.truths > 0, images.predictions > 0
    both, rsna = ill & marked, np.nan_to_num(images.rsna)

    def first(members, *keys):
        rows = np.flatnonzero(members)
        return rows[np.lexsort([key[rows] for key in keys[::-1]])].tolist()[:limit]

    most = (int(both.sum()) + 1) // 2  # of few films half are the better ones
    best = first(both & (rsna > 0), -rsna, -images.best_score)[:most]
    rest = both.copy()
    rest[best] = False
    return {
        "best": best,
        "worst": first(rest & (rsna < 0.5), rsna, -images.best_score),
        "missed": first(ill & ~marked, -images.truths),
        "false alarms": first(~ill & marked, -images.best_score, -images.predictions),
    }
