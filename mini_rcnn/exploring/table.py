"""What settings do to hits and false marks: a table of the slides' three, and a search for better ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.metrics.counts import IOU, box_counts_of, image_counts
from mini_rcnn.metrics.detection_set import DetectionSet
from mini_rcnn.metrics.matching import match_free, overlaps_of
from mini_rcnn.metrics.rsna import real_boxes
from mini_rcnn.metrics.rsna_sets import rsna_by_threshold, rsna_hits, rsna_image_scores, weighted_mean

from .apply import Settings, detections_of_all, filled

# The project's slides: min confidence and suppression of detections, and of proposals in the third.
SLIDES = (
    Settings(min_confidence=0.7, iou_threshold=0.1),
    Settings(min_confidence=0.9, iou_threshold=0.7),
    Settings(min_confidence=0.92, iou_threshold=0.1, rpn_iou_threshold=0.3),
)
CONFIDENCES = tuple(round(0.05 * step, 2) for step in range(1, 20)) + (0.98,)
IOUS = (0.1, 0.3, 0.5)
RPN_IOUS = (0.3, 0.5, 0.7, 0.9)
MOST_MARKED = 0.04  # of the films without boxes, as for the threshold that a training chooses


class Outcome(NamedTuple):
    """What settings give on films with known boxes."""

    settings: Settings  # none of them None
    hits: int  # true boxes that are found
    misses: int
    false_marks: int
    precision: float  # NaN where nothing is marked
    recall: float  # NaN where there is no true box
    healthy_marked: int  # films without true boxes that get a mark
    n_healthy: int
    rsna: float  # the challenge's score, NaN where nothing counts


class Choice(NamedTuple):
    """What a search finds."""

    outcome: Outcome  # with the settings that were chosen
    allowed: bool  # False where no settings kept to the cap; these then come nearest
    n_tried: int


def marked_set(raw, truths, settings=None):
    """Return the detections with these settings, and the truth, as a `DetectionSet`.

    Parameters
    ----------
    raw : RawOutputs
    truths : mapping of str to ndarray (N, 4)
        By id, for every film of the raw outputs: ``(y1, x1, y2, x2)`` in pixels of the film.
    settings : Settings, optional

    Raises
    ------
    ValueError
        If a film has no truth, a true box has no area, or a setting is out of its range.
    """
    unknown = [image_id for image_id in raw.ids if image_id not in truths]
    if unknown:
        raise ValueError(f"truths must hold every film, got none of {unknown[0]!r} and {len(unknown) - 1} more")
    boxes = [np.reshape(truths[image_id], (-1, 4)) for image_id in raw.ids]
    truth = real_boxes("truths", np.concatenate([np.zeros((0, 4)), *boxes]))
    truth_image = np.repeat(np.arange(len(boxes)), [len(rows) for rows in boxes])
    marks = detections_of_all(raw, settings)
    return DetectionSet(
        np.array(raw.ids), truth, truth_image, marks.boxes, marks.scores.astype(np.float64), marks.film_of
    )


def outcome(raw, truths, settings=None, *, iou=IOU):
    """Return what settings give.

    Parameters
    ----------
    raw : RawOutputs
    truths : mapping of str to ndarray (N, 4)
        See `marked_set`.
    settings : Settings, optional
        What is left out is as in the network's configuration.
    iou : float
        A mark is a hit from this overlap on, and the only one of its true box (COCO's rule). RSNA's score has its own
        eight overlaps.

    Returns
    -------
    Outcome
    """
    found = marked_set(raw, truths, settings)
    overlaps = overlaps_of(found)
    boxes = box_counts_of(found, match_free(found, [iou], overlaps=overlaps)[0] >= 0, threshold=0.0)
    images = image_counts(found, threshold=0.0)
    scores = rsna_image_scores(found, hit=rsna_hits(found, overlaps=overlaps))
    return outcome_of(filled(raw, settings), boxes, images, scores)


def outcome_of(settings, boxes, images, scores):
    """Return the `Outcome` of full settings from counts of boxes, counts of films and the films' scores."""
    return Outcome(
        settings,
        boxes.true_positive,
        boxes.false_negative,
        boxes.false_positive,
        boxes.precision,
        boxes.recall,
        images.healthy_marked,
        images.healthy_marked + images.healthy_unmarked,
        weighted_mean(scores, np.ones(len(scores))),
    )


def outcomes(raw, truths, rows=SLIDES):
    """Return the `Outcome` of several settings, the slides' three by default.

    Settings below the floor of the raw outputs are a ValueError, see `mini_rcnn.exploring.apply.filled`.
    """
    return [outcome(raw, truths, settings) for settings in rows]


def search(raw, truths, *, confidences=CONFIDENCES, ious=IOUS, rpn_ious=RPN_IOUS, most_marked=MOST_MARKED):
    """Return the settings with the best RSNA score of those that mark few films without boxes.

    Parameters
    ----------
    raw : RawOutputs
        Of the films to choose on: of the validation side. What it gives there is too good, because it was chosen
        there; `outcome` with ``choice.outcome.settings`` on the raw outputs of other films says what it is worth.
    truths : mapping of str to ndarray (N, 4)
    confidences, ious, rpn_ious : sequences of float
        What is tried: each with each. Confidences below the floor are left out.
    most_marked : float
        Settings that mark a greater share of the films without boxes are no choice.

    Returns
    -------
    Choice
        Of equal ones the highest confidence, then the first in the order of ``rpn_ious`` and ``ious``. Where none keeps
        to the cap, the one that marks the fewest, of these the best score.

    Raises
    ------
    ValueError
        If there is nothing to try.

    Notes
    -----
    Suppression runs once for each pair of overlaps, with the lowest confidence: a box below a confidence never takes
    one above it away, so the confidence may come after.
    """
    confidences = sorted(value for value in confidences if value >= raw.floor)
    tried = []
    for rpn_iou in rpn_ious:
        for iou in ious:
            if confidences:
                lowest = Settings(confidences[0], iou, rpn_iou)
                tried += [
                    (score, marked, lowest._replace(min_confidence=confidence))
                    for confidence, score, marked in by_confidence(marked_set(raw, truths, lowest), confidences)
                ]
    if not tried:
        raise ValueError(f"confidences, ious and rpn_ious must leave something to try, at or above {raw.floor}")
    allowed = [one for one in tried if one[1] <= most_marked]
    if allowed:
        best = max(allowed, key=lambda one: (one[0], one[2].min_confidence))
    else:
        best = min(tried, key=lambda one: (one[1], -one[0], -one[2].min_confidence))
    return Choice(outcome(raw, truths, best[2]), bool(allowed), len(tried))


def by_confidence(found, confidences):
    """Return ``(confidence, RSNA's score, share of healthy films marked)`` for each of the ascending confidences."""
    limits = np.asarray(confidences, np.float32).astype(np.float64)  # the network compares in float32
    scores = np.nan_to_num(rsna_by_threshold(found, limits))  # NaN where there is nothing to score
    healthy = found.n_truths == 0
    best = np.full(found.n_images, -1.0)
    np.maximum.at(best, found.box_image, found.scores)
    marked = (best[healthy][:, None] >= limits).sum(axis=0) / max(1, healthy.sum())
    return list(zip(confidences, scores.tolist(), marked.tolist()))


def table_text(rows):
    """Return outcomes as a table, with what each changes beside the first in brackets."""
    head = (
        "min conf",
        "NMS",
        "RPN NMS",
        "hits",
        "misses",
        "false marks",
        "healthy marked",
        "precision",
        "recall",
        "RSNA",
    )
    lines = [head]
    for row in rows:
        first, settings = rows[0], row.settings
        thresholds = (settings.min_confidence, settings.iou_threshold, settings.rpn_iou_threshold)
        counts = ("hits", "misses", "false_marks", "healthy_marked")
        told = [f"{getattr(row, name)}{change(getattr(row, name), getattr(first, name))}" for name in counts]
        told[3] += f" of {row.n_healthy}"
        shares = (f"{value:.3f}" for value in (row.precision, row.recall, row.rsna))
        lines.append((*(f"{value:g}" for value in thresholds), *told, *shares))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in lines)


def change(count, before):
    """Return how a count differs from another, in brackets, or nothing.

    >>> change(3, 5), change(5, 5)
    (' (-2)', '')
    """
    return f" ({count - before:+d})" if count != before else ""
