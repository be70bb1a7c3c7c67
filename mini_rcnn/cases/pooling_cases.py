"""Cases for the features under a box."""

from __future__ import annotations

import numpy as np

from ..conventions import from_inclusive
from .case import Case, box_sets, float32, random_boxes

FEATURE_PRECISION = 1e-4  # features here lie in [0, 1)
SIZE = (192, 320)
LARGE = (448, 448)  # large enough for a box of level 5
BORDER_AREA = 224**2 / 2  # between levels 3 and 4; a factor of 4 from here to the next border


def random_features(rng, shape):
    """Return features (H, W, C), multiples of 1/256 so that a recording is small, float32."""
    return (rng.integers(0, 256, shape) / 256).astype(np.float32)


def crop_case(name, feature, boxes, output_size=(7, 7)):
    """Return a case of ``crop_and_resize``."""
    return Case(name, (feature, boxes), {"output_size": output_size}, FEATURE_PRECISION)


def named_crops():
    """Return the awkward cases of ``crop_and_resize``."""
    rng = np.random.default_rng(9)
    feature = random_features(rng, (24, 40, 2))
    sets = {name: boxes / np.float32(8) for name, boxes in box_sets(SIZE).items()}
    cases = [crop_case(name, feature, boxes) for name, boxes in sets.items() if name != "zero-area boxes"]
    corner = float32([[y, x, 24, 40] for y, x in rng.uniform(0, 20, (20, 2))])
    return [
        *cases,
        crop_case("one cell", feature, float32([[5, 7, 6, 8], [0, 0, 1, 1], [23, 39, 24, 40]])),
        crop_case("less than a cell", feature, float32([[5.5, 7.5, 5.75, 8], [3, 3, 3, 3]])),
        crop_case("up to the last cell", feature, corner),
        crop_case("one sample a box", feature, sets["one box"], (1, 1)),
        crop_case("another number of rows than columns", feature, sets["one box"], (2, 5)),
        crop_case("one channel, two cells", random_features(rng, (2, 2, 1)), float32([[0, 0, 2, 2]])),
    ]


def draw_crops(rng, name):
    """Return a random case of ``crop_and_resize``."""
    size = tuple(rng.integers(2, 49, 2))
    boxes = random_boxes(rng, int(rng.integers(1, 30)), size, smallest=0.5)
    spread = np.float32(rng.choice([1.0, 1.3]))  # beyond the map, too
    output_size = (7, 7) if rng.random() < 0.7 else tuple(int(side) for side in rng.integers(1, 15, 2))
    return crop_case(name, random_features(rng, (*size, int(rng.integers(1, 4)))), boxes * spread, output_size)


def border_boxes(area, size):
    """Return boxes, one of each shape, that Matterport sees with such an area on an image of that size."""
    height, width = size
    seen = [(np.sqrt(area) * stretch, np.sqrt(area) / stretch) for stretch in (1, 2**0.5, 0.75)]
    return float32(
        [from_inclusive(np.array([3, 5, 3 + h * (height - 1) / height, 5 + w * (width - 1) / width])) for h, w in seen]
    )


def sides_of_borders(size):
    """Return boxes a ten-thousandth below and above each border between levels."""
    areas = [BORDER_AREA * 4.0**step * (1 + shift) for step in (-1, 0, 1) for shift in (-1e-4, 1e-4)]
    return np.concatenate([border_boxes(area, size) for area in areas])


def level_case(name, boxes, size):
    """Return a case of ``pyramid_level``."""
    return Case(name, (boxes,), {"image_size": size}, 0.0)


def named_levels():
    """Return the awkward cases of ``pyramid_level``."""
    cases = [level_case(name, boxes, SIZE) for name, boxes in box_sets(SIZE).items()]
    return [
        *cases,
        level_case("on either side of a level border", sides_of_borders(LARGE), LARGE),
        level_case("on either side of a level border, non-square image", sides_of_borders((320, 640)), (320, 640)),
        level_case("in the middle of a level", float32([[0, 0, side, side] for side in (56, 112, 224, 448)]), LARGE),
        level_case("large and small", float32([[0, 0, 2000, 3000], [0, 0, 1, 1], [0, 0, 0.01, 0.01]]), LARGE),
    ]


def draw_levels(rng, name):
    """Return a random case of ``pyramid_level``."""
    size = tuple(int(side) for side in 64 * rng.integers(4, 17, 2))
    return level_case(name, random_boxes(rng, int(rng.integers(1, 100)), size, smallest=1.0), size)


def pyramid_case(name, rng, boxes, size, output_size=(7, 7), channels=1):
    """Return a case of ``pyramid_roi_align`` with random features on four levels."""
    features = {
        level: random_features(rng, (-(-size[0] // stride), -(-size[1] // stride), channels))
        for level, stride in (("p2", 4), ("p3", 8), ("p4", 16), ("p5", 32))
    }
    return Case(name, (features, boxes), {"image_size": size, "output_size": output_size}, FEATURE_PRECISION)


def named_pyramids():
    """Return the awkward cases of ``pyramid_roi_align``."""
    rng = np.random.default_rng(10)
    cases = [pyramid_case(name, rng, boxes, (96, 160)) for name, boxes in box_sets((96, 160)).items()]
    to_the_edge = float32([[y, x, 96, 160] for y, x in rng.uniform(0, 90, (20, 2))])
    return [
        *cases,
        pyramid_case("several levels, square image", rng, random_boxes(rng, 12, LARGE, smallest=8), LARGE, (3, 3)),
        pyramid_case("on either side of a level border", rng, sides_of_borders(LARGE), LARGE, (2, 2)),
        pyramid_case("up to the image's edge", rng, to_the_edge, (96, 160)),
        pyramid_case(
            "one pixel and less", rng, float32([[8, 8, 9, 9], [8.25, 9, 8.75, 40], [96, 160, 96, 160]]), (96, 160)
        ),
        pyramid_case("masks' output size", rng, box_sets((96, 160))["one box"], (96, 160), (14, 14)),
    ]


def draw_pyramids(rng, name):
    """Return a random case of ``pyramid_roi_align``."""
    size = tuple(int(side) for side in 64 * rng.integers(1, 9, 2))
    boxes = random_boxes(rng, int(rng.integers(1, 25)), size, smallest=2.0)
    return pyramid_case(name, rng, boxes, size, (7, 7) if rng.random() < 0.7 else (3, 5), channels=2)
