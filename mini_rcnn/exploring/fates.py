"""Why a box is gone: which filter took each candidate of a film away, and which other box did it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.stages.boxes import box_iou

from .apply import best_of_class, filled
from .raw import REMOVED

# In the order of the network.
KEPT = "kept"
RPN_NMS = "RPN NMS"
RPN_LIMIT = "limit on proposals"
CONFIDENCE = "confidence"
NMS = "detection NMS"
COUNT = "maximal count"
AREA = "no area on the film"
FILTERS = (KEPT, RPN_NMS, RPN_LIMIT, CONFIDENCE, NMS, COUNT, AREA)


class Fate(NamedTuple):
    """What became of one candidate."""

    filter: str  # one of FILTERS: the first that took it away
    score: float
    by: int | None  # the candidate (NMS) or the film's proposal (RPN_NMS) that did it, by its row
    overlap: float  # with that one; NaN where there is none
    place: int  # RPN_LIMIT: among the proposals that stay; COUNT: among the detections that stay; from 1, else 0
    unsure: bool  # whether the score is too low as well


def filters_of(raw, film, settings=None):
    """Return which filter takes each candidate of a film away.

    Parameters
    ----------
    raw : RawOutputs
    film : str or int
        Its id, or its place among ``raw.ids``.
    settings : Settings, optional

    Returns
    -------
    filters : ndarray of shape (C,), int64
        Rows of `FILTERS`; 0 is kept. C is the number of the film's candidates, best first. `KEPT` are those of
        `mini_rcnn.exploring.apply.kept_candidates`.
    """
    settings = filled(raw, settings)
    among = raw.candidates(film)
    filters = np.zeros(among.stop - among.start, dtype=np.int64)
    places = raw.places(settings.rpn_iou_threshold, film)
    filters[raw.scores[among] < raw.scores.dtype.type(settings.min_confidence)] = FILTERS.index(CONFIDENCE)
    filters[places >= settings.max_proposals] = FILTERS.index(RPN_LIMIT)
    filters[places == REMOVED] = FILTERS.index(RPN_NMS)
    left = np.flatnonzero(filters == 0)
    best = best_of_class(raw, left + among.start, settings.iou_threshold)
    filters[left[~best]] = FILTERS.index(NMS)
    left = left[best]
    filters[left[~raw.on_film[left + among.start]]] = FILTERS.index(AREA)
    filters[left[settings.max_detections :]] = FILTERS.index(COUNT)
    return filters


def fate_of(raw, row, settings=None):
    """Return the `Fate` of a candidate, by its row among all candidates.

    Parameters
    ----------
    raw : RawOutputs
    row : int
    settings : Settings, optional

    Raises
    ------
    ValueError
        If there is no such candidate.
    """
    if not 0 <= row < len(raw.scores):
        raise ValueError(f"row must be one of {len(raw.scores)} candidates, got {row!r}")
    settings = filled(raw, settings)
    film = int(raw.film_of[row])
    among, filters = raw.candidates(film), filters_of(raw, film, settings)
    number = row - among.start
    score = raw.scores[row]
    took = FILTERS[filters[number]]
    by, overlap, place = None, float("nan"), 0
    if took == RPN_NMS:
        by, overlap = remover_of_proposal(raw, film, int(raw.rows[row]), settings.rpn_iou_threshold)
    elif took == RPN_LIMIT:
        place = int(raw.places(settings.rpn_iou_threshold, film)[number]) + 1
    elif took == NMS:
        by, overlap = remover_of_candidate(raw, row, filters, settings.iou_threshold)
    elif took == COUNT:
        stay = np.isin(filters, [FILTERS.index(name) for name in (KEPT, COUNT, AREA)])
        place = int(stay[: number + 1].sum())
    unsure = bool(score < raw.scores.dtype.type(settings.min_confidence))
    return Fate(took, float(score), by, overlap, place, unsure)


def remover_of_proposal(raw, film, proposal, iou_threshold):
    """Return which of a film's proposals takes another away, the best that stays and overlaps it too much."""
    boxes = raw.proposals(film)
    better = raw.kept_proposals(film, iou_threshold, len(boxes))
    better = better[better < proposal]
    iou = box_iou(boxes[better], boxes[proposal][None])[:, 0]
    first = int(np.argmax(iou > iou.dtype.type(iou_threshold)))
    return int(better[first]), float(iou[first])


def remover_of_candidate(raw, row, filters, iou_threshold):
    """Return which candidate takes another of its class away, the best that stays and overlaps it too much."""
    start = raw.candidates(int(raw.film_of[row])).start
    stay = np.isin(filters, [FILTERS.index(name) for name in (KEPT, COUNT, AREA)])
    better = np.flatnonzero(stay[: row - start]) + start
    better = better[raw.class_ids[better] == raw.class_ids[row]]
    iou = box_iou(raw.boxes[better], raw.boxes[row][None])[:, 0]
    first = int(np.argmax(iou > iou.dtype.type(iou_threshold)))
    return int(better[first]), float(iou[first])
