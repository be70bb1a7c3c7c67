"""Numbers that a configuration implies: anchors and scores, images of an epoch, what a blur changes."""

from __future__ import annotations

import math

from .findings import Finding

ABOUT_ONCE = 0.05  # an epoch that shows this share more or less than all images shows "about" all


def n_scores(size, *, strides, n_ratios, anchor_stride=1):
    """Return how many scores the region proposal network gives for a square image, all levels together.

    Parameters
    ----------
    size : int
        Pixels a side of the network's input.
    strides : sequence of int
        Of the levels that are counted.
    n_ratios : int
    anchor_stride : int

    Notes
    -----
    A level has ``ceil(ceil(size / stride) / anchor_stride) ** 2`` places: ``mrcnn.model.compute_backbone_shapes``.

    Examples
    --------
    >>> n_scores(256, strides=(4, 8, 16, 32, 64), n_ratios=3), n_scores(256, strides=(4, 8, 16, 32), n_ratios=3)
    (16368, 16320)
    """
    sides = [math.ceil(math.ceil(size / stride) / anchor_stride) for stride in strides]
    return n_ratios * sum(side * side for side in sides)


def largest_change(sigma):
    """Return by how many of 255 grey levels a Gaussian blur can change a pixel at most.

    Notes
    -----
    On whole pixels the kernel is ``exp(-x ** 2 / (2 sigma ** 2))``; a pixel whose neighbours are all 255 darker keeps
    the middle's share of itself.

    Examples
    --------
    >>> largest_change(0.12) < 1e-10, largest_change(0.5) > 50
    (True, True)
    """
    if sigma <= 0:
        return 0.0
    row = sum(math.exp(-(x * x) / (2 * sigma * sigma)) for x in range(-20, 21))
    return 255 * (1 - 1 / row**2)


def times_text(share):
    """Return how often an epoch shows the images.

    >>> times_text(0.39), times_text(1.01), times_text(2.44)
    ('39 % of them', 'about every one once', 'every one 2.4 times')
    """
    if abs(share - 1) <= ABOUT_ONCE:
        return "about every one once"
    if share > 1:
        return f"every one {share:.1f} times"
    return f"{100 * share:.2g} % of them"


def epoch_finding(key, steps, batch, *, n_images, n_boxed=None, line=None, what="images"):
    """Return what an epoch shows, as a finding.

    Parameters
    ----------
    key : str
        Of the number of steps.
    steps, batch : number
    n_images : int
    n_boxed : int, optional
        Those of them with boxes, where the others are skipped.
    line : int, optional
    what : str

    Examples
    --------
    >>> epoch_finding("STEPS_PER_EPOCH", 100, 8, n_images=3200).message
    'An epoch is 100 steps of 8 images, 800 in all: of 3,200 images 25 % of them.'
    """
    shown = steps * batch
    text = f"An epoch is {steps:,} steps of {batch:,} images, {shown:,} in all: of {n_images:,} {what} "
    text += times_text(shown / n_images) + "."
    share = shown / n_images
    if n_boxed:
        share = shown / n_boxed
        text += f" Images without boxes are skipped: of the {n_boxed:,} with boxes it shows {times_text(share)}."
    level, fix = "note", ""
    if not 0.5 <= share <= 2:
        level = "warning"
        fix = f"{math.ceil((n_boxed or n_images) / batch):,} steps show each image once."
    return Finding(level, key, text, line, fix)
