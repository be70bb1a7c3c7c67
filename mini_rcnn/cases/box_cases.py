"""Cases for anchors and boxes."""

from __future__ import annotations

import numpy as np

from .case import BOX_PRECISION, Case, box_sets, float32, random_boxes, random_size

SIZE = (192, 320)
STRIDES = (4, 8, 16, 32, 64)


def anchor_case(name, **options):
    """Return a case of anchors; five levels unless the options say otherwise."""
    options = {
        "image_size": (64, 64),
        "scales": (8, 16, 32, 64, 128),
        "ratios": (0.5, 1, 2),
        "strides": STRIDES,
        "anchor_stride": 1,
        **options,
    }
    return Case(name, (), options, BOX_PRECISION * min(options["image_size"]))


def named_anchors():
    """Return the awkward cases of ``pyramid_anchors``."""
    return [
        anchor_case("square image"),
        anchor_case("non-square image", image_size=(64, 192)),
        anchor_case("sides that no stride divides", image_size=(70, 101)),
        anchor_case("image smaller than a stride", image_size=(3, 5)),
        anchor_case("one level, one ratio", scales=(32,), ratios=(1,), strides=(16,)),
        anchor_case("every other cell", anchor_stride=2),
        anchor_case("fractions of pixels", scales=(5.5, 11.3), ratios=(0.3, 3.7), strides=(4, 8)),
    ]


def draw_anchors(rng, name):
    """Return a random case of ``pyramid_anchors``."""
    levels = int(rng.integers(1, 6))
    return anchor_case(
        name,
        image_size=tuple(int(side) for side in rng.integers(1, 257, 2)),
        scales=tuple(np.round(rng.uniform(4, 300, levels), 3).tolist()),
        ratios=tuple(np.round(rng.uniform(0.2, 4, int(rng.integers(1, 5))), 3).tolist()),
        strides=STRIDES[:levels],
        anchor_stride=int(rng.integers(1, 4)),
    )


def named_pairs():
    """Return the awkward cases of ``box_iou``."""
    sets = box_sets(SIZE)
    others = np.concatenate([sets["one box"], sets["zero-area boxes"], sets["outside the image"]])
    pairs = [Case(name, (boxes, others), {}, BOX_PRECISION) for name, boxes in sets.items()]
    return [*pairs, Case("none and none", (sets["none"], sets["none"]), {}, BOX_PRECISION)]


def draw_pairs(rng, name):
    """Return a random case of ``box_iou``."""
    size = random_size(rng)
    boxes = tuple(random_boxes(rng, int(rng.integers(1, 60)), size) for _ in range(2))
    return Case(name, boxes, {}, BOX_PRECISION)


def named_deltas():
    """Return the awkward cases of ``decode_deltas``."""
    cases = [
        Case(name, (boxes, np.tile(float32([[0.1, -0.2, 0.3, -0.4]]), (len(boxes), 1))), {}, BOX_PRECISION * min(SIZE))
        for name, boxes in box_sets(SIZE).items()
    ]
    boxes = box_sets(SIZE)["touching boxes"]
    cases.append(Case("deltas of zero", (boxes, np.zeros_like(boxes)), {}, BOX_PRECISION * min(SIZE)))
    far = np.tile(float32([[3, -4, 1.5, -6]]), (len(boxes), 1))
    return [*cases, Case("far moves", (boxes, far), {}, BOX_PRECISION * min(SIZE))]


def draw_deltas(rng, name):
    """Return a random case of ``decode_deltas``."""
    size = random_size(rng)
    boxes = random_boxes(rng, int(rng.integers(1, 100)), size)
    deltas = rng.normal(0, 0.3, boxes.shape).astype(np.float32)
    return Case(name, (boxes, deltas), {}, BOX_PRECISION * min(size))


def named_targets():
    """Return the awkward cases of ``encode_deltas``; without boxes of no area, which have no logarithm."""
    sets = box_sets(SIZE)
    cases = [
        Case(name, (sets[name], sets[name][::-1] + np.float32([1, 2, 3, 5])), {}, BOX_PRECISION)
        for name in ("none", "one box", "identical boxes", "outside the image")
    ]
    long_short = (float32([[0, 0, 300, 2], [50, 50, 51, 51]]), float32([[10, 10, 12, 310], [0, 0, 300, 300]]))
    return [*cases, Case("very long and very short", long_short, {}, BOX_PRECISION)]


def draw_targets(rng, name):
    """Return a random case of ``encode_deltas``."""
    count, size = int(rng.integers(1, 100)), random_size(rng)
    boxes = tuple(random_boxes(rng, count, size) for _ in range(2))
    return Case(name, boxes, {}, BOX_PRECISION)


def named_windows():
    """Return the awkward cases of ``clip_boxes``."""
    whole = float32([0, 0, *SIZE]).ravel()
    cases = [Case(name, (boxes, whole), {}, BOX_PRECISION * min(SIZE)) for name, boxes in box_sets(SIZE).items()]
    boxes = box_sets(SIZE)["outside the image"]
    cases.append(Case("window in the padding", (boxes, float32([20, 0, 170, 320]).ravel()), {}, BOX_PRECISION * 192))
    return [*cases, Case("window without area", (boxes, float32([20, 30, 20, 30]).ravel()), {}, BOX_PRECISION * 192)]


def draw_windows(rng, name):
    """Return a random case of ``clip_boxes``."""
    size = random_size(rng)
    boxes = 2 * random_boxes(rng, int(rng.integers(1, 100)), size) - np.float32(0.5 * min(size))
    return Case(name, (boxes, random_boxes(rng, 1, size)[0]), {}, BOX_PRECISION * min(size))
