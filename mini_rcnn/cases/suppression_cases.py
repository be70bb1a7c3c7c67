"""Cases for non-maximum suppression and proposals."""

from __future__ import annotations

import numpy as np

from ..conventions import inclusive_window, to_inclusive
from .case import BOX_PRECISION, Case, box_sets, crowded_boxes, float32, random_boxes, random_size

SIZE = (192, 320)
DELTA_STD = (0.1, 0.1, 0.2, 0.2)


def nms_case(name, boxes, scores, iou_threshold=0.5, max_boxes=None):
    """Return a case of suppression."""
    scores = np.asarray(scores, dtype=np.float32)
    return Case(name, (boxes, scores), {"iou_threshold": iou_threshold, "max_boxes": max_boxes}, 0.0)


def named_nms():
    """Return the awkward cases of ``non_max_suppression``."""
    rng = np.random.default_rng(7)
    crowd = np.round(crowded_boxes(rng, 40, SIZE))
    falling, tied = np.linspace(1, 0, 40), np.round(rng.random(40), 1)
    cases = [nms_case(name, boxes, np.linspace(0.3, 0.9, len(boxes))) for name, boxes in box_sets(SIZE).items()]
    half = float32([[0, 0, 10, 10], [0, 0, 10, 5], [0, 5, 10, 10]])  # IoU exactly 1/2, 1/2 and 0
    return [
        *cases,
        nms_case("identical boxes, ties in score", box_sets(SIZE)["identical boxes"], [0.5] * 5),
        nms_case("ties in score", crowd, tied),
        nms_case("all scores equal", crowd, np.full(40, 0.5)),
        nms_case(
            "ties in score, far more than a sort's small block",
            np.round(crowded_boxes(rng, 300, SIZE)),
            np.round(rng.random(300), 1),
        ),
        nms_case("overlap exactly at the threshold", half, [0.9, 0.8, 0.7]),
        nms_case("threshold 0", crowd, falling, iou_threshold=0.0),
        nms_case("threshold 0, touching boxes", box_sets(SIZE)["touching boxes"], [0.1, 0.2, 0.3, 0.4], 0.0),
        nms_case("threshold 1", random_boxes(rng, 40, SIZE), falling, iou_threshold=1.0),
        nms_case("at most one", crowd, falling, max_boxes=1),
        nms_case("at most none", crowd, falling, max_boxes=0),
        nms_case("more allowed than there are", crowd, falling, max_boxes=1000),
    ]


def draw_nms(rng, name):
    """Return a random case of ``non_max_suppression``; every fourth one has ties in score."""
    count = int(rng.integers(2, 300))
    boxes = crowded_boxes(rng, count, random_size(rng))
    scores = rng.random(count)
    if rng.random() < 0.25:
        scores = np.round(scores, 1)
    return nms_case(
        name,
        boxes,
        scores,
        iou_threshold=float(rng.choice([0.3, 0.5, 0.7])),
        max_boxes=[None, 10, 100][rng.integers(0, 3)],
    )


def proposal_case(name, objectness, deltas, anchors, *, size=SIZE, max_proposals=50, iou_threshold=0.7):
    """Return a case of proposals, in the frame in which Matterport's layer gives the same: one pixel shorter."""
    inputs = tuple(np.asarray(array, dtype=np.float32) for array in (objectness, deltas, to_inclusive(anchors)))
    options = {
        "window": inclusive_window(size),
        "pre_nms_limit": 6000,
        "max_proposals": max_proposals,
        "iou_threshold": iou_threshold,
        "delta_std": DELTA_STD,
    }
    return Case(name, inputs, options, BOX_PRECISION * min(size))


def grid_anchors(size, step, sides):
    """Return boxes around the points of a grid, those at the image's border half outside, (A, 4)."""
    rows, columns, halves = np.meshgrid(
        np.arange(0, size[0], step), np.arange(0, size[1], step), np.array(sides) / 2, indexing="ij"
    )
    return np.stack([rows - halves, columns - halves, rows + halves, columns + halves], axis=-1).reshape(-1, 4)


def named_proposals():
    """Return the awkward cases of ``propose``."""
    rng = np.random.default_rng(8)
    anchors = grid_anchors(SIZE, 32, (24, 48))
    count = len(anchors)
    scores, deltas = rng.random(count), rng.normal(0, 1, (count, 4))
    still = np.zeros((5, 4))
    sets = box_sets(SIZE)
    fine = grid_anchors((256, 256), 4.5, (6.0, 7.0))[:6100]
    return [
        proposal_case("none", [], np.zeros((0, 4)), np.zeros((0, 4))),
        proposal_case("one anchor", [0.5], still[:1], sets["one box"]),
        proposal_case("ordinary", scores, deltas, anchors),
        proposal_case("ties in score", np.round(scores, 1), deltas, anchors),
        proposal_case("all scores equal", np.full(count, 0.5), deltas, anchors),
        proposal_case("identical anchors", [0.1, 0.3, 0.2, 0.5, 0.4], still, sets["identical boxes"]),
        proposal_case("outside the image", [0.1, 0.3, 0.2, 0.4], still[:4], sets["outside the image"]),
        proposal_case("threshold 0", scores, deltas, anchors, iou_threshold=0.0),
        proposal_case(
            "threshold 1", scores, 0.1 * deltas, random_boxes(rng, count, SIZE, smallest=16), iou_threshold=1.0
        ),
        proposal_case("at most one", scores, deltas, anchors, max_proposals=1),
        proposal_case("square image", scores, deltas, anchors, size=(256, 256)),
        proposal_case(
            "more than 6,000 anchors, ties at the cut",
            np.round(rng.random(6100), 2),
            np.zeros((6100, 4)),
            fine,
            size=(257, 257),
            max_proposals=100,
        ),
    ]


def draw_proposals(rng, name):
    """Return a random case of ``propose``."""
    size = random_size(rng)
    anchors = grid_anchors(size, float(rng.choice([16, 24, 32])), (16, 32, 64)[: int(rng.integers(1, 4))])
    deltas = rng.normal(0, 1, anchors.shape)
    return proposal_case(
        name,
        rng.random(len(anchors)),
        deltas,
        anchors,
        size=size,
        max_proposals=int(rng.choice([20, 200])),
        iou_threshold=float(rng.choice([0.5, 0.7])),
    )
