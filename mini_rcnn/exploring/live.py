"""What settings give, again and again: what does not change from one move of a slider to the next is kept."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from mini_rcnn.metrics.average_precision import coco_ap_of, ranked_hits
from mini_rcnn.metrics.counts import IOU, box_counts_of, image_counts
from mini_rcnn.metrics.detection_set import DetectionSet
from mini_rcnn.metrics.froc import Froc, froc_of
from mini_rcnn.metrics.matching import match_free, overlaps_of
from mini_rcnn.metrics.rsna_sets import rsna_hits, rsna_image_scores

from .apply import Settings, filled, kept_candidates
from .table import Outcome, marked_set, outcome_of

REMEMBERED = 256  # settings of suppression whose matching is kept


class Curves(NamedTuple):
    """What every confidence gives, with the same settings of suppression."""

    precision: np.ndarray  # (S,), with each distinct score as the confidence, the highest first
    recall: np.ndarray  # (S,), NaN without truth
    average_precision: float  # COCO's, at this overlap; NaN without truth
    froc: Froc


class Matched(NamedTuple):
    """Marks at the lowest confidence, and which of them are hits: a better mark's match depends on no worse one."""

    rows: np.ndarray  # (P,), of the candidates
    found: DetectionSet
    hit: np.ndarray  # (P,), bool
    truth: np.ndarray  # (P,), the row of the truth that each finds, or -1
    rsna_hit: np.ndarray  # (8, P), bool
    curves: Curves


class Now(NamedTuple):
    """What settings give on all films."""

    outcome: Outcome
    curves: Curves
    rows: np.ndarray  # (N,), of the candidates that are marks
    truth: np.ndarray  # (N,), the row of the truth that each finds, or -1
    false_marks: np.ndarray  # (F,), on each film
    misses: np.ndarray  # (F,)


class LiveOutcomes:
    """The `Outcome` of settings, as `mini_rcnn.exploring.table.outcome` has it, at the speed of a slider.

    Parameters
    ----------
    raw : RawOutputs
    truths : mapping of str to ndarray (N, 4)
        By id, for every film of the raw outputs, pixels of the film.

    Notes
    -----
    Overlaps with the truth are worked out once, for all candidates. Suppression and matching are worked out once for
    each pair of overlap thresholds and each limit: a box below a confidence never takes one above it away, so another
    confidence only leaves out the end of what stays.
    """

    def __init__(self, raw, truths):
        self.raw = raw
        nothing = marked_set(raw, truths, Settings(1.0, max_detections=0))
        self._every = DetectionSet(
            nothing.ids,
            nothing.truth,
            nothing.truth_image,
            raw.film_boxes,
            raw.scores.astype(np.float64),
            raw.film_of,
        )
        self._overlaps = overlaps_of(self._every)
        self._matched = OrderedDict()
        self.n_truths = nothing.n_truths
        self.truth, self.truth_image = nothing.truth, nothing.truth_image

    def now(self, settings=None, *, iou=IOU):
        """Return what settings give, `Now`; ``iou`` is the least overlap of a hit.

        A setting out of its range is a ValueError, see `mini_rcnn.exploring.apply.filled`.
        """
        settings = filled(self.raw, settings)
        matched = self.matched(settings, iou)
        found = matched.found
        least = float(self.raw.scores.dtype.type(settings.min_confidence))  # the network compares in float32
        boxes = box_counts_of(found, matched.hit, threshold=least)
        images = image_counts(found, threshold=least)
        scores = rsna_image_scores(found, threshold=least, hit=matched.rsna_hit)
        kept = found.scores >= least
        hits = np.bincount(found.box_image[kept & matched.hit], minlength=found.n_images)
        outcome = outcome_of(settings, boxes, images, scores)
        marks = np.bincount(found.box_image[kept], minlength=found.n_images)
        return Now(outcome, matched.curves, matched.rows[kept], matched.truth[kept], marks - hits, self.n_truths - hits)

    def matched(self, settings, iou):
        """Return the `Matched` of full settings, whatever their confidence."""
        key = (settings.iou_threshold, settings.rpn_iou_threshold, settings.max_detections, settings.max_proposals, iou)
        if key not in self._matched:
            self._matched[key] = self._match(settings, iou)
            if len(self._matched) > REMEMBERED:
                self._matched.popitem(last=False)
        self._matched.move_to_end(key)
        return self._matched[key]

    def _match(self, settings, iou):
        rows = kept_candidates(self.raw, settings._replace(min_confidence=self.raw.floor))
        every, overlaps = self._every, self._overlaps[rows]
        found = DetectionSet(
            every.ids, every.truth, every.truth_image, every.boxes[rows], every.scores[rows], every.box_image[rows]
        )
        truth = match_free(found, [iou], overlaps=overlaps)[0]
        ranked = ranked_hits(found, truth[None])
        curves = Curves(*precision_and_recall(found, truth >= 0), float(coco_ap_of(ranked)[0]), froc_of(ranked))
        return Matched(rows, found, truth >= 0, truth, rsna_hits(found, overlaps=overlaps), curves)


def precision_and_recall(found, hit):
    """Return precision and recall with each distinct score as the confidence, the highest first, (S,) each.

    Parameters
    ----------
    found : DetectionSet
    hit : ndarray of shape (P,), bool
        Which of its marks are hits.
    """
    order = np.argsort(-found.scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(found.scores[order]) != 0, True)[: len(order)])  # of each score
    hits = np.cumsum(hit[order])[last]
    n_truths = len(found.truth)
    return hits / (last + 1), hits / n_truths if n_truths else np.full(len(last), np.nan)
