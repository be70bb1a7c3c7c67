"""Figures of lab 02: boxes that overlap, anchors on a film, and how well anchors fit the truth."""

from __future__ import annotations

import numpy as np

from .checked import GOT, INPUT, key, outline, plane
from .style import BLUE, LABEL, ORANGE, SERIES, SMALL, TRUTH, draw_boxes, new_figure, plain_axes

LEVEL_LINES = ("-", "--", "-.", ":", (0, (1, 1)))


def overlap_figure(box_a, box_b):
    """Return a figure of two boxes, their shared part filled."""
    figure = new_figure("", size=(6.6, 3.6))
    axes = plane(figure, "shared part hatched", (0.1, 0.17, 0.55, 0.7))
    outline(axes, box_a[None], {"edgecolor": BLUE, "linestyle": "-", "linewidth": 2.5}, "A")
    outline(axes, box_b[None], {"edgecolor": ORANGE, "linestyle": "--", "linewidth": 2.5}, "B")
    y1, x1 = np.maximum(box_a[:2], box_b[:2])
    y2, x2 = np.minimum(box_a[2:], box_b[2:])
    if y2 > y1 and x2 > x1:
        axes.fill([x1, x2, x2, x1], [y1, y1, y2, y2], facecolor="none", edgecolor="black", hatch="//", linewidth=0)
    key(axes)
    return figure


def move_figure(box, moved, words):
    """Return a figure of a box and what deltas made of it."""
    figure = new_figure("", size=(6.6, 3.6))
    axes = plane(figure, words, (0.1, 0.17, 0.55, 0.7))
    outline(axes, box, INPUT, "anchor")
    outline(axes, moved, GOT, "moved")
    key(axes)
    return figure


def anchors_figure(grey, levels, truth, strides):
    """Return a figure of a film with the anchors of one cell a level, in the middle, and the grid of one of them.

    Parameters
    ----------
    grey : ndarray of shape (S, S), uint8
    levels : list of ndarray (A, 4)
        Anchors of each level, pixels.
    truth : ndarray of shape (M, 4)
    strides : sequence of int
    """
    figure = new_figure("", size=(9.6, 5.0))
    left = film(figure, (0.02, 0.04, 0.46, 0.86), grey, "one cell of each level")
    for anchors, (colour, _), line in zip(levels, SERIES, LEVEL_LINES):
        middle = np.abs(anchors[:, :2] + anchors[:, 2:] - np.array(grey.shape)).sum(axis=1)
        near = anchors[np.isclose(middle, middle.min())][:3]
        draw_boxes(left, near, {"edgecolor": colour, "linestyle": line, "linewidth": 2.0})
    right = film(figure, (0.52, 0.04, 0.46, 0.86), grey, f"truth, and the cells of stride {strides[2]}")
    grid = np.stack(np.meshgrid(*[np.arange(0, side, strides[2]) for side in grey.shape], indexing="ij"), -1)
    right.plot(*grid.reshape(-1, 2).T[::-1] - 0.5, "+", color=ORANGE, markersize=5)
    draw_boxes(right, truth, TRUTH)
    return figure


def film(figure, place, grey, title):
    """Return axes that show a film."""
    axes = figure.add_axes(place)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    axes.set_title(title, fontsize=LABEL, loc="left")
    return axes


def fits_figure(thresholds, settings):
    """Return a figure of how many true boxes some anchor reaches, for each setting.

    Parameters
    ----------
    thresholds : sequence of float
        IoU.
    settings : dict of str to sequence of float
        Share of the true boxes reached, a value for each threshold.
    """
    figure = new_figure("", size=(8.0, 4.2))
    axes = figure.add_axes((0.1, 0.16, 0.52, 0.78))
    for (name, shares), (colour, _), line in zip(settings.items(), SERIES, LEVEL_LINES):
        axes.plot(thresholds, shares, color=colour, linestyle=line, linewidth=2.5, label=name)
    plain_axes(axes, x="IoU with the best anchor, at least", y="share of the true boxes")
    axes.set_ylim(0, 1.04)
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL, frameon=False)
    return figure
