"""Cases for images and masks.

A mask ends where a value crosses its threshold. Where one meets it to within rounding, two correct programs may
disagree, so cases are drawn again until none does: see `is_settled`.
"""

from __future__ import annotations

import numpy as np

from ..stages.image import resample
from ..stages.masks import paste_probabilities
from .case import Case

IMAGE_PRECISION = 1e-3  # of grey levels that reach 255
UNDECIDED = 5e-5  # float32 keeps positions on a grid of 28 cells to 2e-6, and a value follows within ten times that


def is_settled(values, margin=UNDECIDED):
    """Return whether no value lies so near to one half that rounding could decide."""
    return bool((np.abs(values - 0.5) > margin).all())


def until_settled(rng, draw, values_of):
    """Return the first drawn thing whose values are all settled."""
    while True:
        drawn = draw(rng)
        if is_settled(values_of(*drawn)):
            return drawn


def image_case(name, rng, height, width, size, channels=3):
    """Return a case of ``fit_to_square`` with a random image of whole grey levels, as floats."""
    image = rng.integers(0, 256, (height, width, channels)).astype(np.float64)
    return Case(name, (image,), {"size": size}, IMAGE_PRECISION)


def named_images():
    """Return the awkward cases of ``fit_to_square``."""
    rng = np.random.default_rng(12)
    return [
        image_case("grows", rng, 20, 20, 32),
        image_case("shrinks", rng, 40, 40, 32),
        image_case("as large as it is to be", rng, 32, 32, 32),
        image_case("portrait", rng, 50, 20, 32),
        image_case("landscape", rng, 20, 50, 32),
        image_case("an odd pixel of padding", rng, 20, 31, 32, 1),
        image_case("padding alone, no change of size", rng, 15, 32, 32, 1),
        image_case("one pixel", rng, 1, 1, 8),
        image_case("one row", rng, 1, 30, 32, 1),
    ]


def draw_images(rng, name):
    """Return a random case of ``fit_to_square``."""
    height, width = (int(side) for side in rng.integers(8, 65, 2))
    return image_case(name, rng, height, width, int(rng.choice([24, 32])), channels=int(rng.choice([1, 3])))


def named_pixels():
    """Return the awkward cases of ``normalise``."""
    mean = (123.7, 116.8, 103.9)
    return [
        Case("black and white", (np.array([[[0, 0, 0], [255, 255, 255]]], dtype=np.uint8),), {"mean": mean}, 1e-4),
        Case("a mean of zero", (np.array([[[1.5, -2.5, 3.25]]]),), {"mean": (0.0, 0.0, 0.0)}, 1e-4),
    ]


def draw_pixels(rng, name):
    """Return a random case of ``normalise``."""
    image = rng.integers(0, 256, (*rng.integers(1, 30, 2), 3)).astype(np.uint8)
    return Case(name, (image,), {"mean": tuple(np.round(rng.uniform(0, 255, 3), 2).tolist())}, 1e-4)


def smooth_grid(rng, height=28, width=28):
    """Return a grid of probabilities in which neighbours are alike, as a network puts them out, float32."""
    coarse = rng.random((4, 4))
    positions = [np.linspace(0, 3, length) for length in (height, width)]
    return resample(coarse, positions, (1, 1)).astype(np.float32)


def draw_paste(rng):
    """Return probabilities, and box and image size, whole pixels."""
    size = tuple(int(side) for side in rng.integers(8, 80, 2))
    sides = [int(rng.integers(1, side + 1)) for side in size]
    first = [int(rng.integers(0, side - length + 1)) for side, length in zip(size, sides)]
    return smooth_grid(rng), (*first, first[0] + sides[0], first[1] + sides[1]), size


def pasted_values(probabilities, box, size):
    """Return the values that the threshold is held against."""
    pasted, inside = paste_probabilities(probabilities, box, size)
    return pasted[inside]


def paste_case(name, probabilities, box, size):
    """Return a case of ``paste_mask``."""
    return Case(name, (np.asarray(probabilities, dtype=np.float32),), {"box": box, "image_size": size}, 0.0)


def draw_pastes(rng, name):
    """Return a random case of ``paste_mask``."""
    return paste_case(name, *until_settled(rng, draw_paste, pasted_values))


def named_pastes():
    """Return the awkward cases of ``paste_mask``."""
    rng = np.random.default_rng(13)
    boxes = {
        "the whole image": ((0, 0, 60, 90), (60, 90)),
        "a box of one pixel": ((5, 7, 6, 8), (20, 20)),
        "a box of one row": ((5, 0, 6, 20), (20, 20)),
        "smaller than the grid": ((3, 4, 17, 13), (20, 20)),
        "larger along one axis, smaller along the other": ((0, 5, 60, 15), (60, 20)),
        "exactly the grid": ((1, 2, 29, 30), (32, 32)),
        "in the last corner": ((30, 50, 64, 96), (64, 96)),
    }
    cases = []
    for name, (box, size) in boxes.items():
        cases.append(
            paste_case(name, *until_settled(rng, lambda rng, b=box, s=size: (smooth_grid(rng), b, s), pasted_values))
        )
    return [
        *cases,
        paste_case("all zero", np.zeros((28, 28)), (2, 2, 30, 40), (48, 48)),
        paste_case("all one", np.ones((28, 28)), (2, 2, 30, 40), (48, 48)),
        paste_case("values at the threshold, on the grid's own size", np.full((28, 28), 0.5), (2, 2, 30, 30), (32, 32)),
    ]


def draw_shape(rng, height, width):
    """Return an ellipse, a box with a hole, or noise, (H, W) bool."""
    rows, columns = np.mgrid[:height, :width]
    kind = rng.integers(0, 3)
    if kind == 0:
        centre, radii = rng.uniform(0.2, 0.8, 2) * (height, width), rng.uniform(0.3, 0.8, 2) * (height, width)
        return ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1
    if kind == 1:
        return ~((rows > height // 3) & (rows < height // 2) & (columns > width // 4))
    return rng.random((height, width)) < 0.5


def stretched_values(mask, size):
    """Return the values that one half is held against when a mask takes another size."""
    factors = [length / new for length, new in zip(mask.shape, size)]
    positions = [(np.arange(new) + 0.5) * factor - 0.5 for new, factor in zip(size, factors)]
    return resample(mask.astype(np.float64), positions, factors)


def settled_mask(rng, shape, size):
    """Return a mask of a shape that is settled at another size; a full one where noise never is."""
    for _ in range(50):
        mask = draw_shape(rng, *shape)
        if is_settled(stretched_values(mask, size), 1e-9):
            return mask
    return np.ones(shape, dtype=bool)


def on_image(rng, small_shapes):
    """Return an image size and a box of whole pixels on it for each shape."""
    size = tuple(int(side + rng.integers(0, 20)) for side in np.max(small_shapes, axis=0))
    first = [[rng.integers(0, side - length + 1) for side, length in zip(size, shape)] for shape in small_shapes]
    return size, np.array([[y, x, y + h, x + w] for (y, x), (h, w) in zip(first, small_shapes)], dtype=np.float32)


def minimize_case(name, rng, shapes, size):
    """Return a case of ``minimize_masks``: masks in boxes of such shapes."""
    image_size, boxes = on_image(rng, shapes)
    masks = np.zeros((len(shapes), *image_size), dtype=bool)
    for mask, shape, (y1, x1, y2, x2) in zip(masks, shapes, boxes.astype(int)):
        mask[y1:y2, x1:x2] = settled_mask(rng, shape, size)
    return Case(name, (masks, boxes), {"size": size}, 0.0)


def expand_case(name, rng, shapes, size):
    """Return a case of ``expand_masks``: small masks of one size, stretched to such shapes."""
    image_size, boxes = on_image(rng, shapes)
    small = np.array([settled_mask(rng, size, shape) for shape in shapes], dtype=bool)
    return Case(name, (small, boxes), {"image_size": image_size}, 0.0)


SHAPES = {
    "grow": [(10, 12), (27, 20)],
    "shrink": [(70, 90), (33, 61)],
    "keep their size": [(28, 28)],
    "one pixel": [(1, 1)],
    "grow along one axis, shrink along the other": [(90, 10), (12, 75)],
}


def named_minimized():
    """Return the awkward cases of ``minimize_masks``."""
    rng = np.random.default_rng(14)
    cases = [minimize_case(name, rng, shapes, (28, 28)) for name, shapes in SHAPES.items()]
    full = np.ones((1, 200, 80), dtype=bool)
    return [
        *cases,
        minimize_case("not a square grid", rng, [(40, 30)], (14, 56)),
        Case("none", (np.zeros((0, 20, 20), dtype=bool), np.zeros((0, 4), np.float32)), {"size": (28, 28)}, 0.0),
        Case("a full mask of 200 x 80", (full, np.float32([[0, 0, 200, 80]])), {"size": (56, 56)}, 0.0),
    ]


def draw_minimized(rng, name):
    """Return a random case of ``minimize_masks``."""
    shapes = rng.integers(1, 90, (int(rng.integers(1, 4)), 2)).tolist()
    return minimize_case(name, rng, [tuple(shape) for shape in shapes], (28, 28) if rng.random() < 0.5 else (56, 56))


def named_expanded():
    """Return the awkward cases of ``expand_masks``."""
    rng = np.random.default_rng(15)
    cases = [expand_case(name, rng, shapes, (28, 28)) for name, shapes in SHAPES.items()]
    none = (np.zeros((0, 28, 28), dtype=bool), np.zeros((0, 4), np.float32))
    return [
        *cases,
        expand_case("not a square grid", rng, [(40, 30)], (14, 56)),
        Case("none", none, {"image_size": (20, 20)}, 0.0),
    ]


def draw_expanded(rng, name):
    """Return a random case of ``expand_masks``."""
    shapes = rng.integers(1, 90, (int(rng.integers(1, 4)), 2)).tolist()
    return expand_case(name, rng, [tuple(shape) for shape in shapes], (28, 28) if rng.random() < 0.5 else (56, 56))
