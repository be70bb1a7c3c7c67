"""Lab 03, two-stage non-maximum suppression."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.cases.case import crowded_boxes
from mini_rcnn.stages.boxes import box_iou
from mini_rcnn.stages.nms import keep_greedily, non_max_suppression, two_stage_nms

from .exercise import Exercise, Mistake, cases_of_stage

AT_THRESHOLD = np.array([[0.0, 0, 4, 4], [0, 2, 4, 6], [20, 20, 24, 24]])  # the first two: 8 of 24, a third
THIRD = 1 / 3


def greedy_cases(seed):
    """Return cases of ``keep_greedily``: chains, ties with the threshold, and crowds."""
    rng = np.random.default_rng([seed, 31])
    chain = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.7], [0.0, 0.7, 1.0]])
    equal = np.array([[1.0, 0.5], [0.5, 1.0]])
    cases = [
        Case("a removed box removes nobody", (chain, 0.5), {}, 0, (np.array([True, False, True]),)),
        Case("overlap equal to the threshold", (equal, 0.5), {}, 0, (np.array([True, True]),)),
        Case("no boxes", (np.zeros((0, 0)), 0.5), {}, 0, (np.zeros(0, bool),)),
        Case("threshold 1", (np.ones((3, 3)), 1.0), {}, 0, (np.ones(3, bool),)),
        Case("threshold 0", (np.eye(3) + 0.01 * (1 - np.eye(3)), 0.0), {}, 0, (np.array([True, False, False]),)),
    ]
    for number in range(15):
        boxes = crowded_boxes(rng, int(rng.integers(2, 25)), (128, 128)).astype(np.float64)
        threshold = float(np.round(rng.uniform(0.1, 0.7), 2))
        cases.append(Case(f"random {number}", (box_iou(boxes, boxes), threshold), {}, 0))
    return cases


def suppression_cases(seed):
    """Return cases of ``non_max_suppression``, with overlaps that equal the threshold."""
    cases = cases_of_stage("nms.non_max_suppression", seed, n_random=12)
    cases = [case for case in cases if len(case.inputs[0]) <= 300]
    scores = np.array([0.5, 0.9, 0.7])
    equal = Case("overlap equal to the threshold", (AT_THRESHOLD, scores), {"iou_threshold": THIRD}, 0)
    return [*cases, equal._replace(outputs=(np.array([1, 2, 0]),))]


def two_stage_cases(seed):
    """Return cases of ``two_stage_nms``: equal to either threshold, nothing left, crowds."""
    rng = np.random.default_rng([seed, 33])

    def case(name, boxes, scores, confidence, iou, outputs=(), max_boxes=None):
        options = {"min_confidence": confidence, "iou_threshold": iou, "max_boxes": max_boxes}
        return Case(
            name, (np.array(boxes, np.float64).reshape(-1, 4), np.array(scores, np.float64)), options, 0, outputs
        )

    cases = [
        case("score equal to the confidence", AT_THRESHOLD, [0.7, 0.6, 0.8], 0.7, 0.5, (np.array([2, 0]),)),
        case("overlap equal to the threshold", AT_THRESHOLD, [0.9, 0.8, 0.2], 0.5, THIRD, (np.array([0, 1]),)),
        case("none", [], [], 0.5, 0.5, (np.zeros(0, np.int64),)),
        case("all unsure", AT_THRESHOLD, [0.1, 0.2, 0.3], 0.5, 0.5, (np.zeros(0, np.int64),)),
        case("first filter moves the rows", AT_THRESHOLD, [0.1, 0.6, 0.9], 0.5, 0.5, (np.array([2, 1]),)),
        case("at most one", AT_THRESHOLD, [0.6, 0.1, 0.9], 0.5, 0.5, (np.array([2]),), 1),
    ]
    for number in range(15):
        boxes = crowded_boxes(rng, int(rng.integers(2, 40)), (128, 128))
        scores = np.round(rng.uniform(0, 1, len(boxes)), 2)
        confidence, iou = np.round(rng.uniform([0.1, 0.1], [0.8, 0.7]), 2).tolist()
        cases.append(case(f"random {number}", boxes, scores, confidence, iou, (), [None, 5][number % 2]))
    return cases


def greedy_not_greedy(overlaps, iou_threshold):
    """A removed box goes on removing others."""
    better = np.tril(np.ones(overlaps.shape, dtype=bool), -1)  # column: better than row
    return ~((overlaps > iou_threshold) & better).any(axis=1)


def greedy_at_least(overlaps, iou_threshold):
    """An overlap equal to the threshold removes, too."""
    keep = np.ones(len(overlaps), dtype=bool)
    for best in range(len(overlaps)):
        if keep[best]:
            keep[best + 1 :] &= overlaps[best, best + 1 :] < iou_threshold
    return keep


def greedy_itself(overlaps, iou_threshold):
    """A box is compared with itself."""
    keep = np.ones(len(overlaps), dtype=bool)
    for best in range(len(overlaps)):
        if keep[best]:
            keep[best:] &= overlaps[best, best:] <= iou_threshold
    return keep


def greedy_from_worst(overlaps, iou_threshold):
    """The worst box goes first."""
    return keep_greedily(overlaps[::-1, ::-1], iou_threshold)[::-1]


def suppress(boxes, scores, iou_threshold, max_boxes, *, ascending=False, ties="lower", strict=True, limit_first=False):
    """Return suppression one box at a time, with one thing changed."""
    boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    order = np.argsort(scores if ascending else -scores, kind="stable")
    if ties == "higher":
        order = len(scores) - 1 - np.argsort(-scores[::-1], kind="stable")
    if limit_first:
        order = order[:max_boxes]
    kept = []
    for place in order:
        overlaps = box_iou(boxes[[place]], boxes[kept])[0]
        if not (overlaps > iou_threshold if strict else overlaps >= iou_threshold).any():
            kept.append(place)
    return np.array(kept[:max_boxes], dtype=np.int64)


def wrong_suppression(**changed):
    """Return ``non_max_suppression`` with one thing changed."""

    def function(boxes, scores, *, iou_threshold, max_boxes=None):
        return suppress(boxes, scores, iou_threshold, max_boxes, **changed)

    return function


def in_input_order(boxes, scores, *, iou_threshold, max_boxes=None):
    """The indices sorted as they came in."""
    return np.sort(non_max_suppression(boxes, scores, iou_threshold=iou_threshold, max_boxes=max_boxes))


def two_stage_strict(boxes, scores, *, min_confidence, iou_threshold, max_boxes=None):
    """A score equal to the confidence goes."""
    confident = np.flatnonzero(scores > min_confidence)
    return confident[non_max_suppression(boxes[confident], scores[confident], iou_threshold=iou_threshold,
                                         max_boxes=max_boxes)]  # fmt: skip


def two_stage_rows_lost(boxes, scores, *, min_confidence, iou_threshold, max_boxes=None):
    """The rows of the confident boxes, not of all."""
    confident = np.flatnonzero(scores >= min_confidence)
    return non_max_suppression(boxes[confident], scores[confident], iou_threshold=iou_threshold, max_boxes=max_boxes)


def two_stage_inverted(boxes, scores, *, min_confidence, iou_threshold, max_boxes=None):
    """The overlap threshold read the other way round."""
    return two_stage_nms(
        boxes, scores, min_confidence=min_confidence, iou_threshold=1 - iou_threshold, max_boxes=max_boxes
    )


def two_stage_no_confidence(boxes, scores, *, min_confidence, iou_threshold, max_boxes=None):
    """The first filter is missing."""
    return non_max_suppression(boxes, scores, iou_threshold=iou_threshold, max_boxes=max_boxes)


def draw_kept(case, expected, got):
    """Return a drawing of which boxes stay, expected and the student's."""
    from mini_rcnn.view.checked import kept_figure

    return kept_figure(case.inputs[0], case.inputs[1], expected[""], got[""])


AT_LEAST = "A box goes if its overlap is *greater* than the threshold. What do you do where it is equal?"

EXERCISES = (
    Exercise(
        "nms.keep_greedily",
        "mini_rcnn.stages.nms:keep_greedily",
        greedy_cases,
        (
            Mistake(
                "a removed box removes others",
                greedy_not_greedy,
                "A overlaps B, B overlaps C, A and C lie apart. B is gone because of A: may it still remove C?",
            ),
            Mistake("an equal overlap removes", greedy_at_least, AT_LEAST),
            Mistake(
                "each box compared with itself",
                greedy_itself,
                "Every box overlaps itself by 1. Which entries of its row may a box look at?",
            ),
            Mistake(
                "worst box first",
                greedy_from_worst,
                "Row 0 is the best box. It has nobody above it, so it always stays.",
            ),
        ),
    ),
    Exercise(
        "nms.non_max_suppression",
        "mini_rcnn.stages.nms:non_max_suppression",
        suppression_cases,
        (
            Mistake(
                "ascending scores",
                wrong_suppression(ascending=True),
                "np.argsort sorts upwards: the first index belongs to the worst box.",
            ),
            Mistake("an equal overlap removes", wrong_suppression(strict=False), AT_LEAST),
            Mistake(
                "the higher index first among equals",
                wrong_suppression(ties="higher"),
                "Equal scores: the lower index goes first. Turning a sorted list round turns equal ones round, too.",
            ),
            Mistake(
                "limited before suppressing",
                wrong_suppression(limit_first=True),
                "max_boxes counts the boxes that stay, not those that are looked at.",
            ),
            Mistake(
                "indices in the order of the input",
                in_input_order,
                "Best score first: the order of the result says which box is which.",
            ),
        ),
        draw_kept,
    ),
    Exercise(
        "nms.two_stage_nms",
        "mini_rcnn.stages.nms:two_stage_nms",
        two_stage_cases,
        (
            Mistake(
                "an equal score goes",
                two_stage_strict,
                "A score of exactly min_confidence is confident enough.",
            ),
            Mistake(
                "rows of the filtered boxes",
                two_stage_rows_lost,
                "After the first filter the boxes are numbered anew. Whose rows does the docstring ask for?",
            ),
            Mistake(
                "iou_threshold turned round",
                two_stage_inverted,
                "A *higher* iou_threshold lets more boxes stay. Try 0 and 1 on two boxes that overlap by half.",
            ),
            Mistake(
                "no first filter",
                two_stage_no_confidence,
                "Two stages: before boxes compete, those that are not sure enough go.",
            ),
        ),
        draw_kept,
    ),
)
