"""From all anchors to the final boxes of a film, step by step, for thresholds that are moved again and again."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from mini_rcnn.stages.boxes import box_iou
from mini_rcnn.stages.detections import two_stage_nms_per_class
from mini_rcnn.stages.nms import non_max_suppression
from mini_rcnn.stages.proposals import top_indices

from .pairs import keep_by_pairs, overlapping_pairs

STEPS = (
    "all anchors",
    "best by score",
    "moved and cut",
    "after RPN NMS",
    "proposals kept",
    "moved by the heads",
    "sure enough",
    "after NMS: final",
)
PAIRS_FROM = 0.3  # RPN thresholds from here on are served by pairs that were found at the beginning
REMEMBERED = 32  # RPN thresholds whose result is kept


class FunnelSettings(NamedTuple):
    """What decides how many boxes come through."""

    pre_nms_limit: int
    rpn_iou_threshold: float
    max_proposals: int
    min_confidence: float
    iou_threshold: float
    max_detections: int


def settings_of(config):
    """Return a configuration's `FunnelSettings`.

    >>> from mini_rcnn.config import Config
    >>> settings_of(Config())[:3]
    (6000, 0.7, 1000)
    """
    proposals, found = config.proposals, config.detections
    return FunnelSettings(
        proposals.pre_nms_limit,
        proposals.iou_threshold,
        proposals.max_proposals,
        found.min_confidence,
        found.iou_threshold,
        found.max_detections,
    )


class Candidates(NamedTuple):
    """What the network says of the best anchors of a film, before any threshold; best objectness first."""

    anchors: np.ndarray  # (A, 4), all of them, pixels of the network input
    picked: np.ndarray  # (L,), rows of the best anchors
    moved: np.ndarray  # (L, 4), by the RPN, cut to the input
    class_ids: np.ndarray  # (L,), the likeliest class, 0 for background
    scores: np.ndarray  # (L,), probability of that class
    boxes: np.ndarray  # (L, 4), moved once more, by the heads, for the likeliest class that is not background


class After(NamedTuple):
    """What is left of a film's boxes after each of the `STEPS`."""

    rows: list  # of ndarrays: of the candidates; of all anchors in the first step
    counts: np.ndarray  # (8,), int
    best: np.ndarray  # (8, M), the highest IoU of each truth with a box that is left; 0 without any


class Funnel:
    """The boxes of one film after each step, for any settings.

    Parameters
    ----------
    candidates : Candidates
    truth : ndarray of shape (M, 4)
        Pixels of the network input.

    Notes
    -----
    The steps are those of `mini_rcnn.stages.proposals.propose` and `mini_rcnn.stages.detections.refine_detections`.
    Among the anchors that are kept after sorting, a worse one never removes a better one: so suppression is worked out
    for all candidates once a threshold, and a limit on how many go in only leaves out the end of what stays.

    Examples
    --------
    >>> boxes = np.array([[0.0, 0, 8, 8], [0, 1, 8, 9], [20, 20, 28, 28]])
    >>> ids, scores = np.array([1, 1, 0]), np.array([0.9, 0.8, 0.6])
    >>> funnel = Funnel(Candidates(boxes, np.arange(3), boxes, ids, scores, boxes), boxes[1:2])
    >>> after = funnel.after(FunnelSettings(3, 0.9, 3, 0.5, 0.3, 10))
    >>> after.counts.tolist()
    [3, 3, 3, 3, 3, 3, 2, 1]
    >>> after.best[:, 0].round(2).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.78]
    """

    def __init__(self, candidates, truth):
        self.candidates, self.truth = candidates, np.asarray(truth, np.float64).reshape(-1, 4)
        self._overlap = {
            "anchors": box_iou(self.truth, candidates.anchors[candidates.picked]),  # (M, L)
            "moved": box_iou(self.truth, candidates.moved),
            "boxes": box_iou(self.truth, candidates.boxes),
        }
        self._best_anchor = box_iou(self.truth, candidates.anchors).max(axis=1, initial=0.0)  # (M,)
        self._pairs = overlapping_pairs(candidates.moved, PAIRS_FROM)
        self._kept = OrderedDict()

    def boxes(self, step):
        """Return the boxes that the rows of a step count in."""
        one = self.candidates
        if step == 0:
            return one.anchors
        return one.anchors[one.picked] if step == 1 else (one.moved if step < 5 else one.boxes)

    def overlaps(self, step):
        """Return the IoU of each truth with each of `boxes`, (M, L)."""
        if step == 0:
            return box_iou(self.truth, self.candidates.anchors)
        return self._overlap["anchors" if step == 1 else "moved" if step < 5 else "boxes"]

    def kept(self, threshold):
        """Return the candidates that stay in the suppression of proposals, ascending, (K,)."""
        threshold = float(threshold)
        if threshold not in self._kept:
            self._kept[threshold] = self._keep(threshold)
            if len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        self._kept.move_to_end(threshold)
        return self._kept[threshold]

    def _keep(self, threshold):
        moved = self.candidates.moved
        if threshold < PAIRS_FROM:
            return non_max_suppression(moved, np.arange(len(moved), 0, -1), iou_threshold=threshold)
        first, second, iou = self._pairs
        over = iou > iou.dtype.type(threshold)
        return np.flatnonzero(keep_by_pairs(first[over], second[over], len(moved)))

    def after(self, settings):
        """Return what is left after each step, as `After`."""
        one = self.candidates
        limit = min(settings.pre_nms_limit, len(one.picked))
        kept = self.kept(settings.rpn_iou_threshold)
        kept = kept[: np.searchsorted(kept, limit)]
        proposals = kept[: settings.max_proposals]
        ids, scores = one.class_ids[proposals], one.scores[proposals]
        sure = proposals[(ids > 0) & (scores >= scores.dtype.type(settings.min_confidence))]
        final = self._final(sure, settings)
        picked = np.arange(limit)
        rows = [np.arange(len(one.anchors)), picked, picked, kept, proposals, proposals, sure, final]
        best = [self._best_anchor]
        best += [self.overlaps(step)[:, rows[step]].max(axis=1, initial=0.0) for step in range(1, len(STEPS))]
        return After(rows, np.array([len(each) for each in rows]), np.array(best).reshape(len(STEPS), -1))

    def _final(self, sure, settings):
        """Return which of the sure ones are detections, best first."""
        one, limit = self.candidates, settings.max_detections
        scores = one.scores[sure]
        stay = two_stage_nms_per_class(
            one.boxes[sure], scores, one.class_ids[sure], min_confidence=0.0,
            iou_threshold=settings.iou_threshold, max_boxes=limit,
        )  # fmt: skip
        return sure[stay[top_indices(scores[stay], limit)]]


class Total(NamedTuple):
    """What many films have after each step."""

    n_films: int
    n_truths: int
    counts: np.ndarray  # (8,), boxes a film, on average; NaN without films
    covered: np.ndarray  # (2, 8), truths that some box covers by at least each of `OVERLAPS`


OVERLAPS = (0.5, 0.7)


def total_of(funnels, settings):
    """Return the `Total` of films; recall is ``covered / n_truths``, as `mini_rcnn.metrics.recall.proposal_recall`."""
    each = [funnel.after(settings) for funnel in funnels]
    n_truths = sum(len(funnel.truth) for funnel in funnels)
    best = np.concatenate([np.zeros((len(STEPS), 0)), *(after.best for after in each)], axis=1)  # (8, truths)
    covered = np.array([np.sum(best >= overlap, axis=1) for overlap in OVERLAPS])
    counts = np.mean([after.counts for after in each], axis=0) if each else np.full(len(STEPS), np.nan)
    return Total(len(each), n_truths, counts, covered)
