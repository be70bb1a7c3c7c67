"""Lab 00, start here: one small function, to see how checks work."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.cases.case import BOX_PRECISION, box_sets, random_boxes, random_size

from .exercise import Exercise, Mistake


def area_cases(seed):
    """Return cases of ``box_areas``: one by hand, the awkward sets of boxes, and random ones."""
    rng = np.random.default_rng([seed, 0])
    by_hand = Case("one box, 3 by 2", (np.array([[2.0, 1, 5, 3]]),), {}, 1e-9, (np.array([6.0]),))
    cases = [Case(name, (boxes.astype(np.float64),), {}, 1e-6) for name, boxes in box_sets((192, 320)).items()]
    for number in range(8):
        size = random_size(rng)
        boxes = random_boxes(rng, int(rng.integers(1, 30)), size).astype(np.float64)
        cases.append(Case(f"random {number}", (boxes,), {}, BOX_PRECISION))
    return [by_hand, *cases]


def sides(boxes):
    """Return heights and widths."""
    return (boxes[:, 2:] - boxes[:, :2]).T


EXERCISES = (
    Exercise(
        "boxes.box_areas",
        "mini_rcnn.stages.boxes:box_areas",
        area_cases,
        (
            Mistake(
                "a pixel added to each side",
                lambda boxes: (sides(boxes)[0] + 1) * (sides(boxes)[1] + 1),
                "From 2 to 5 is 3 long, not 4. Coordinates are places between pixels, nothing is counted.",
            ),
            Mistake(
                "the lower right corner alone",
                lambda boxes: boxes[:, 2] * boxes[:, 3],
                "Is the upper left corner always at (0, 0)?",
            ),
            Mistake(
                "y2 and x1 exchanged",
                lambda boxes: (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2]),
                "In which order do the four numbers stand? (y1, x1, y2, x2), not (y1, y2, x1, x2).",
            ),
            Mistake(
                "the perimeter's half",
                lambda boxes: sides(boxes)[0] + sides(boxes)[1],
                "An area is in square pixels. What are you adding?",
            ),
        ),
    ),
)
