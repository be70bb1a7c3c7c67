"""Detection sets for the tests of metrics: crowds with ties, doubles and empty images, and the challenge's size."""

from __future__ import annotations

import numpy as np
from conftest import random_boxes

from mini_rcnn.metrics.detection_set import detection_set

NONE = np.zeros((0, 4))
BOX = np.array([[10.0, 20.0, 110.0, 120.0]])


def part(share, *, box=BOX):
    """Return a box inside another that overlaps it by a share: the upper part of it."""
    y1, x1, y2, x2 = box[0]
    return np.array([[y1, x1, y1 + share * (y2 - y1), x2]])


def crowded_images(rng, count, *, digits=1, extent=60, max_truths=4, max_boxes=6):
    """Return ``(id, truth, predicted, scores)`` of images, most predictions near a truth, with ties and doubles.

    Corners are whole numbers, so that an overlap is the same number however it is written.
    """
    images = []
    for number in range(count):
        truth = np.round(random_boxes(rng, rng.integers(0, max_truths + 1) * (rng.random() < 0.6), extent=extent))
        truth[:, 2:] = np.maximum(truth[:, 2:], truth[:, :2] + 1)
        near = truth[rng.integers(0, len(truth), rng.integers(0, max_boxes))] if len(truth) else NONE
        near = near + np.round(rng.normal(0, 3, near.shape))
        far = np.round(random_boxes(rng, rng.integers(0, 3), extent=extent))
        predicted = np.concatenate([near, far])
        predicted[:, 2:] = np.maximum(predicted[:, 2:], predicted[:, :2] + 1)
        scores = np.round(rng.uniform(0.001, 0.999, len(predicted)), digits)
        images.append((f"image{number:04}", truth, predicted, scores))
    return images


def awkward_sets():
    """Return ``{what is awkward: images}``; no metric may stumble over one."""
    touching = BOX + [0, 100, 0, 100]
    return {
        "no images": [],
        "neither": [("a", NONE, NONE, []), ("b", NONE, NONE, [])],
        "no truth": [("a", NONE, BOX, [0.9]), ("b", NONE, NONE, [])],
        "no prediction": [("a", BOX, NONE, []), ("b", NONE, NONE, [])],
        "all ill": [("a", BOX, BOX, [0.9]), ("b", BOX, NONE, [])],
        "ties": [("a", BOX, np.concatenate([BOX, BOX + 500]), [0.5, 0.5]), ("b", NONE, BOX, [0.5])],
        "doubles": [("a", BOX, np.concatenate([BOX, BOX, BOX]), [0.9, 0.8, 0.8])],
        "several truths": [("a", np.concatenate([BOX, part(0.9), part(0.8)]), BOX, [0.7]), ("b", NONE, NONE, [])],
        "touching": [("a", BOX, touching, [0.7]), ("b", NONE, NONE, [])],
        "scores at the ends": [("a", BOX, BOX, [1.0]), ("b", NONE, BOX, [0.0])],
    }


def challenge_set(rng, *, images=26684, ill=6012, truths=9555, boxes_per_image=3.0):
    """Return a set of the challenge's size, and patients of 2.3 images each as there."""
    n_truths = np.zeros(images, dtype=int)
    n_truths[:ill] = 1
    n_truths[: truths - ill] += 1
    rows = []
    for number in range(images):
        truth = np.sort(rng.uniform(0, 1024, (n_truths[number], 2, 2)), axis=1).reshape(-1, 4) + [0, 0, 9, 9]
        n_far = rng.poisson(boxes_per_image - 0.5 * n_truths[number])
        far = np.sort(rng.uniform(0, 1024, (n_far, 2, 2)), axis=1).reshape(-1, 4) + [0, 0, 9, 9]
        near = np.clip(truth + rng.normal(0, 9, truth.shape), 0, None)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        scores = np.concatenate([rng.beta(3, 2, len(near)), rng.beta(1, 4, n_far)])
        rows.append((number, truth, np.concatenate([near, far]), scores))
    return detection_set(rows), rng.integers(0, 11410, images)
