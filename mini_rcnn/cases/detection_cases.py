"""Cases for detections."""

from __future__ import annotations

import numpy as np

from ..conventions import to_inclusive
from .case import BOX_PRECISION, Case, box_sets, crowded_boxes, random_boxes, random_size

SIZE = (192, 320)
DELTA_STD = (0.1, 0.1, 0.2, 0.2)


def detection_case(
    name,
    boxes,
    probabilities,
    deltas=None,
    *,
    size=SIZE,
    window=None,
    min_confidence=0.7,
    iou_threshold=0.3,
    max_detections=20,
):
    """Return a case of detections, in the frame in which Matterport's graph gives the same: one pixel shorter."""
    probabilities = np.asarray(probabilities, dtype=np.float32)
    if deltas is None:
        deltas = np.zeros((*probabilities.shape, 4))
    window = (0, 0, *size) if window is None else window
    options = {
        "window": tuple(to_inclusive(np.array(window)).tolist()),
        "min_confidence": min_confidence,
        "iou_threshold": iou_threshold,
        "max_detections": max_detections,
        "delta_std": DELTA_STD,
    }
    inputs = (to_inclusive(boxes).astype(np.float32), probabilities, np.asarray(deltas, dtype=np.float32))
    return Case(name, inputs, options, BOX_PRECISION * min(size))


def sure_of(class_ids, scores, n_classes=3):
    """Return probabilities (N, K) with a given highest class and value; the others share the rest."""
    class_ids, scores = np.asarray(class_ids, dtype=np.int64), np.asarray(scores, dtype=np.float64)
    probabilities = np.repeat(((1 - scores) / (n_classes - 1))[:, None], n_classes, axis=1)
    probabilities[np.arange(len(class_ids)), class_ids] = scores
    return probabilities


def named_detections():
    """Return the awkward cases of ``refine_detections``."""
    rng = np.random.default_rng(11)
    sets = box_sets(SIZE)
    crowd = crowded_boxes(rng, 40, SIZE)
    apart = random_boxes(rng, 40, SIZE, smallest=16)
    falling, ids = np.linspace(0.99, 0.5, 40), rng.integers(0, 3, 40)
    deltas = rng.normal(0, 1, (40, 3, 4))
    tied = np.round(0.5 + 0.5 * rng.random(40), 1)
    five = [0.9, 0.95, 0.85, 0.8, 0.75]
    return [
        detection_case("none", sets["none"], np.zeros((0, 3))),
        detection_case("one box", sets["one box"], sure_of([1], [0.9])),
        detection_case("one box, background", sets["one box"], sure_of([0], [0.9])),
        detection_case("all background", crowd, sure_of(np.zeros(40), falling), deltas),
        detection_case("nobody sure enough", crowd, sure_of(ids, np.full(40, 0.6)), deltas),
        detection_case("all one class", crowd, sure_of(np.ones(40), falling), deltas),
        detection_case("several classes", crowd, sure_of(ids, falling), deltas),
        detection_case("identical boxes of one class", sets["identical boxes"], sure_of([1] * 5, five)),
        detection_case("identical boxes of several classes", sets["identical boxes"], sure_of([1, 2, 1, 2, 0], five)),
        detection_case("ties in score", crowd, sure_of(ids, tied), deltas),
        detection_case("all scores equal", crowd, sure_of(ids, np.full(40, 0.75)), deltas),
        detection_case("scores exactly at the threshold", apart, sure_of(ids, np.full(40, 0.7)), deltas),
        detection_case("zero-area boxes", sets["zero-area boxes"] + np.float32([0, 0, 1, 1]), sure_of([1] * 5, five)),
        detection_case("outside the image", sets["outside the image"], sure_of([1, 2, 1, 2], five[:4])),
        detection_case("outside the window", crowd, sure_of(ids, falling), deltas, window=(64, 0, 128, 320)),
        detection_case("confidence threshold 0", crowd, sure_of(ids, falling), deltas, min_confidence=0.0),
        detection_case(
            "confidence threshold 1", apart, sure_of(ids, np.where(ids == 2, 1.0, falling)), deltas, min_confidence=1.0
        ),
        detection_case("overlap threshold 0", crowd, sure_of(ids, falling), deltas, iou_threshold=0.0),
        detection_case(
            "overlap threshold 1", apart, sure_of(ids, falling), 0.1 * deltas, iou_threshold=1.0, max_detections=40
        ),
        detection_case("at most one", crowd, sure_of(ids, falling), deltas, max_detections=1),
        detection_case(
            "square image, two classes",
            crowd,
            sure_of(ids > 0, falling, 2),
            deltas[:, :2],
            size=(320, 320),
            window=(64, 0, 256, 320),
        ),
    ]


# Proposals, classes, confidence, overlap and the most that come out: few together, each a graph of Matterport's.
DRAWN = [
    (16, 2, 0.7, 0.3, 5),
    (64, 4, 0.5, 0.3, 100),
    (64, 2, 0.0, 0.1, 100),
    (100, 4, 0.7, 0.1, 5),
    (100, 3, 0.5, 0.5, 20),
]


def draw_detections(rng, name):
    """Return a random case of ``refine_detections``; every fourth one has ties in score."""
    size = random_size(rng)
    count, n_classes, min_confidence, iou_threshold, max_detections = DRAWN[rng.integers(0, len(DRAWN))]
    scores = rng.uniform(0.4, 1, count)
    if rng.random() < 0.25:
        scores = np.round(scores, 1)
    top = int(rng.integers(0, size[0] // 4))
    return detection_case(
        name,
        crowded_boxes(rng, count, size),
        sure_of(rng.integers(0, n_classes, count), scores, n_classes),
        rng.normal(0, 1, (count, n_classes, 4)),
        size=size,
        window=(top, 0, size[0] - top, size[1]),
        min_confidence=min_confidence,
        iou_threshold=iou_threshold,
        max_detections=max_detections,
    )
