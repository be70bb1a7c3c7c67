"""What a case is, and the boxes that many of them are made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BOX_PRECISION = 1e-5  # of the image's side: Matterport computes in float32, which keeps seven digits


class Case(NamedTuple):
    """Inputs of a stage, and how close to the reference its floating point results must come."""

    name: str
    inputs: tuple  # arrays, in the stage's order
    options: dict  # keyword arguments: numbers, and tuples of numbers
    atol: float  # absolute; whole numbers and booleans must be equal
    outputs: tuple = ()  # the reference's results, where they are known

    def __str__(self):
        return self.name


def float32(rows, width=4):
    """Return rows as a float32 array, (0, width) if there are none."""
    return np.array(rows, dtype=np.float32).reshape(-1, width)


def box_sets(size):
    """Return named sets of boxes on an image of (height, width) pixels."""
    height, width = size
    return {
        "none": float32([]),
        "one box": float32([[0.25 * height, 0.25 * width, 0.75 * height, 0.5 * width]]),
        "identical boxes": float32([[10, 20, 40, 60]] * 5),
        "zero-area boxes": float32(
            [[10, 20, 10, 60], [10, 20, 40, 20], [12, 30, 12, 30], [12, 30, 12, 30], [10, 20, 40, 60]]
        ),
        "outside the image": float32(
            [
                [-50, -40, -10, -5],
                [-10, -10, 30, 40],
                [height + 5, 3, height + 20, 50],
                [height - 30, width - 30, height + 30, width + 30],
            ]
        ),
        "touching boxes": float32([[0, 0, 20, 20], [20, 0, 40, 20], [0, 20, 20, 40], [20, 20, 40, 40]]),
        "the whole image": float32([[0, 0, height, width], [0, 0, height, width / 2], [0, 0, height / 2, width]]),
    }


def random_boxes(rng, count, size, *, smallest=4.0):
    """Return boxes inside an image of (height, width) pixels, float32."""
    sides = np.array(size, dtype=np.float64)
    lengths = smallest + (sides - smallest) * rng.random((count, 2)) ** 2  # more small ones than large ones
    first = (sides - lengths) * rng.random((count, 2))
    return np.concatenate([first, first + lengths], axis=1).astype(np.float32)


def crowded_boxes(rng, count, size):
    """Return boxes of which many overlap: small shifts of a few, partly outside the image, float32."""
    centres = random_boxes(rng, max(1, count // 8), size, smallest=12.0)
    picked = centres[rng.integers(0, len(centres), count)].astype(np.float64)
    sides = np.tile(picked[:, 2:] - picked[:, :2], 2)
    moved = picked + sides * rng.uniform(-0.25, 0.25, (count, 4))
    return moved.astype(np.float32)


def random_size(rng):
    """Return the (height, width) of an image, mostly no square."""
    return tuple(int(side) for side in 64 * rng.integers(1, 9, 2))
