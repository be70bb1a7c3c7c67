"""Two-stage suppression written down as it happens: who goes when, and because of whom."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.stages._check import boxes_array, rows_array, unit_number
from mini_rcnn.stages.boxes import box_iou

STATES = ("waiting", "current", "kept", "low", "removed")  # of a box at a step


class Course(NamedTuple):
    """The course of two-stage suppression; rows are those of the boxes that came in."""

    order: np.ndarray  # (N,) int64: rows, best score first; of equal scores the lower row first
    turns: np.ndarray  # (T,) int64: the rows that pass the first filter, best score first: one takes a turn at a time
    turn_of: np.ndarray  # (N,) int64: place of each row in ``turns``; -1 for those that the first filter removes
    removed_by: np.ndarray  # (N,) int64: the row that removes each row by its overlap; -1 for none
    overlaps: np.ndarray  # (N, N) float: IoU of every pair
    kept: np.ndarray  # (K,) int64: the rows that stay, best score first

    @property
    def n_steps(self):
        """Return the number of steps: before all, first filter, a turn for each box that passes it, the end."""
        return len(self.turns) + 3


def suppression_course(boxes, scores, *, min_confidence, iou_threshold):
    """Return the course of two-stage suppression, each box's fate with its cause.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        Corners ``(y1, x1, y2, x2)`` in pixels.
    scores : ndarray of shape (N,), float
    min_confidence, iou_threshold : float
        In [0, 1], as of `mini_rcnn.stages.nms.two_stage_nms`.

    Returns
    -------
    course : Course
        ``course.kept`` is what `two_stage_nms` returns.

    Raises
    ------
    ValueError
        As `mini_rcnn.stages.nms.two_stage_nms`.

    Notes
    -----
    One box at a time: a box whose turn it is, and that still stands, is kept, and removes every box behind it that
    still stands and overlaps it by more than the threshold. A removed box is passed over: it removes nobody.

    Examples
    --------
    >>> boxes = np.array([[0.0, 0, 10, 10], [0, 3, 10, 13], [0, 6, 10, 16]])
    >>> course = suppression_course(boxes, np.array([0.9, 0.8, 0.7]), min_confidence=0.5, iou_threshold=0.5)
    >>> course.kept.tolist(), course.removed_by.tolist()
    ([0, 2], [-1, 0, -1])
    """
    boxes = boxes_array("boxes", boxes)
    scores = rows_array("scores", scores, len(boxes))
    unit_number("min_confidence", min_confidence)
    unit_number("iou_threshold", iou_threshold)
    order = np.argsort(-scores, kind="stable")
    turns = order[scores[order] >= scores.dtype.type(min_confidence)]
    turn_of = np.full(len(boxes), -1)
    turn_of[turns] = np.arange(len(turns))
    overlaps = box_iou(boxes, boxes)
    over = (overlaps > boxes.dtype.type(iou_threshold))[np.ix_(turns, turns)]  # (T, T), in the order of the turns
    remover = np.full(len(turns), -1)  # of each turn: the turn that removes it
    for turn in range(len(turns)):
        if remover[turn] < 0:
            goes = np.flatnonzero(over[turn, turn + 1 :]) + turn + 1
            remover[goes[remover[goes] < 0]] = turn
    removed_by = np.full(len(boxes), -1)
    removed_by[turns[remover >= 0]] = turns[remover[remover >= 0]]
    return Course(order, turns, turn_of, removed_by, overlaps, turns[remover < 0])


def states_at(course, step):
    """Return the state of each box after a step.

    Parameters
    ----------
    course : Course
    step : int
        0 is before all, 1 the first filter, then a turn a step, and the end; beyond the end is the end.

    Returns
    -------
    states : list of N str
        Of `STATES`; "current" is the box whose turn it is, if it is kept.

    Examples
    --------
    >>> boxes = np.array([[0.0, 0, 10, 10], [0, 3, 10, 13], [0, 6, 10, 16]])
    >>> course = suppression_course(boxes, np.array([0.9, 0.8, 0.2]), min_confidence=0.5, iou_threshold=0.5)
    >>> [states_at(course, step) for step in (0, 1, 2)]
    [['waiting', 'waiting', 'waiting'], ['waiting', 'waiting', 'low'], ['current', 'removed', 'low']]
    """
    states = []
    for turn, remover in zip(course.turn_of.tolist(), course.removed_by.tolist()):
        decided = 2 + (turn if remover < 0 else int(course.turn_of[remover]))  # the step at which its fate is sealed
        if turn < 0:
            states.append("low" if step >= 1 else "waiting")
        elif step < decided:
            states.append("waiting")
        elif remover >= 0:
            states.append("removed")
        else:
            states.append("current" if step == decided else "kept")
    return states


def turn_at(course, step):
    """Return the row whose turn a step is, None for a step that is no box's turn."""
    return int(course.turns[step - 2]) if 2 <= step < 2 + len(course.turns) else None
