"""Which detections are false alarms: they score at least so much, and none is the mark of a true opacity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.froc import HIT_IOU
from mini_rcnn.metrics.matching import match_free, overlaps_of
from mini_rcnn.stages._check import unit_number

ABOVE = 0.95  # the slides' question: why do some false positives score above this?


class Alarm(NamedTuple):
    """One false alarm, and how it lies to the truth of its film."""

    image: int  # the film's place in the list
    row: int  # the detection's place on that film
    box: np.ndarray  # (4,), (y1, x1, y2, x2), pixels of the film
    score: float
    truth: int  # the true box of the film that it overlaps most, -1 without any overlap
    iou: float  # with that box, 0 without any overlap
    within: float  # share of the smaller of the two boxes that lies in the other, of the same pair
    found: bool  # whether another mark of this score or more finds that true box


def find_alarms(films, *, above=ABOVE, iou=HIT_IOU):
    """Return the false alarms of some films, the highest score first.

    Parameters
    ----------
    films : sequence of (id, truth, boxes, scores)
        As of `mini_rcnn.metrics.detection_set.detection_set`; boxes in pixels of the film.
    above : float in [0, 1]
        A detection with a lower score is no mark at all: it is no alarm, and it finds no opacity.
    iou : float in [0, 1]
        A mark is a hit where it overlaps a free truth at least this much.

    Returns
    -------
    alarms : list of Alarm
        Of equal scores the earlier film goes first, then the lower row.

    Raises
    ------
    ValueError
        If a number does not lie in [0, 1], or as of `detection_set`.

    Notes
    -----
    Matched as COCO does, `mini_rcnn.metrics.matching.match_free`: the best score chooses first, a truth is found once,
    and a second mark on it is a false one. The default overlap is the least that the RSNA challenge counts.

    Examples
    --------
    >>> truth = [[0.0, 0, 100, 100]]
    >>> marks = [[0.0, 0, 100, 90], [0.0, 0, 100, 30], [0.0, 200, 50, 250]]
    >>> for alarm in find_alarms([("a", truth, marks, [0.99, 0.98, 0.97])]):
    ...     print(alarm.row, alarm.truth, alarm.iou, alarm.within, alarm.found)
    1 0 0.3 1.0 True
    2 -1 0.0 0.0 False
    """
    above, films = unit_number("above", above), list(films)
    marks = detection_set(films)
    kept = np.flatnonzero(marks.scores >= above)
    first_box = np.cumsum(marks.n_boxes) - marks.n_boxes  # (I,)
    marks = marks.above(above)
    overlaps, first_truth = overlaps_of(marks), np.cumsum(marks.n_truths) - marks.n_truths
    matched = match_free(marks, [iou], overlaps=overlaps)[0]
    taken = set(matched[matched >= 0].tolist())
    alarms = []
    for place in np.flatnonzero(matched < 0):
        image, box = int(marks.box_image[place]), marks.boxes[place]
        nearest, overlap = best_truth(overlaps[place])
        row = first_truth[image] + nearest
        within = shared_part(box, marks.truth[row]) if nearest >= 0 else 0.0
        alarms.append(
            Alarm(image, int(kept[place] - first_box[image]), box, float(marks.scores[place]), nearest, overlap, within,
                  nearest >= 0 and int(row) in taken)
        )  # fmt: skip
    return sorted(alarms, key=lambda alarm: (-alarm.score, alarm.image, alarm.row))


def best_truth(overlaps):
    """Return the truth that is overlapped most, and how much; -1 and 0 where none is.

    >>> best_truth(np.array([0.1, 0.3, -1.0])), best_truth(np.array([0.0, -1.0])), best_truth(np.zeros(0))
    ((1, 0.3), (-1, 0.0), (-1, 0.0))
    """
    best = int(np.argmax(overlaps)) if len(overlaps) else -1
    return (best, float(overlaps[best])) if best >= 0 and overlaps[best] > 0 else (-1, 0.0)


def shared_part(box, other):
    """Return the share of the smaller of two boxes that lies in the other.

    Parameters
    ----------
    box, other : ndarray of shape (4,), float
        ``(y1, x1, y2, x2)``, both with an area.

    Returns
    -------
    share : float
        In [0, 1]: 1 where one box lies inside the other, 0 where they do not meet.

    Notes
    -----
    ``|A & B| / min(|A|, |B|)``. Matterport has nothing like it: its overlap is the IoU, ``|A & B| / |A | B|``, which is
    small where a small box lies inside a large one, although nobody would call that mark a miss of place.

    Examples
    --------
    >>> shared_part(np.array([0.0, 0, 10, 10]), np.array([0.0, 5, 100, 105]))
    0.5
    """
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    areas = [np.prod(each[2:] - each[:2]) for each in (box, other)]
    return float(np.prod(np.clip(sides, 0, None)) / min(areas))
