"""Figures of lab 03: which boxes two thresholds leave."""

from __future__ import annotations

import numpy as np

from .style import BLUE, GREY, LABEL, MAPS, ORANGE, SKY, SMALL, TRUTH, draw_boxes, new_figure, plain_axes

HALF = (0.03, 0.05, 0.45, 0.8)
BESIDE = (0.53, 0.05, 0.45, 0.8)
SIZE = (10.0, 5.2)  # inches
KEPT = {"edgecolor": ORANGE, "linestyle": "--", "linewidth": 2.0}
REMOVED = {"edgecolor": SKY, "linestyle": ":", "linewidth": 0.9}


def film_axes(figure, place, grey, title):
    """Return axes that show a film."""
    axes = figure.add_axes(place)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    axes.set_title(title, fontsize=LABEL, loc="left")
    return axes


def kept_figure(grey, boxes, kept, truth, *, names=("before", "after")):
    """Return a figure of a film with all boxes on the left and those that are kept on the right.

    Parameters
    ----------
    grey : ndarray of shape (H, W), uint8
    boxes : ndarray of shape (N, 4)
        Pixels of the film.
    kept : ndarray of shape (K,), int
    truth : ndarray of shape (M, 4)
    names : two texts
    """
    figure = new_figure("", size=SIZE)
    for place, name, rows, style in (
        (HALF, names[0], np.arange(len(boxes)), REMOVED),
        (BESIDE, names[1], kept, KEPT),
    ):
        axes = film_axes(figure, place, grey, f"{name}: {len(rows)} boxes")
        draw_boxes(axes, boxes[rows], style)
        draw_boxes(axes, truth, TRUTH)
    figure.text(0.03, 0.97, "solid: truth    dashed: kept    dotted: all", fontsize=SMALL, va="top")
    return figure


def overlaps_figure(overlaps, threshold):
    """Return a figure of a matrix of overlaps; those above the threshold carry a cross."""
    figure = new_figure("", size=(6.4, 4.6))
    axes = figure.add_axes((0.1, 0.13, 0.7, 0.74))
    picture = axes.imshow(overlaps, cmap=MAPS, vmin=0, vmax=1, interpolation="nearest")
    rows, columns = np.nonzero((overlaps > threshold) & ~np.eye(len(overlaps), dtype=bool))
    axes.plot(columns, rows, "x", color="white", markersize=9, markeredgewidth=2)
    plain_axes(axes, x="box, best first", y="box, best first", title=f"IoU; a cross where it is above {threshold}")
    figure.colorbar(picture, ax=axes, fraction=0.046).ax.tick_params(labelsize=SMALL)
    return figure


def counts_figure(confidences, ious, counts):
    """Return a figure of how many boxes both thresholds leave: a line for each overlap threshold."""
    figure = new_figure("", size=(7.2, 4.4))
    axes = figure.add_axes((0.1, 0.15, 0.62, 0.75))
    lines = zip(ious, np.transpose(counts), (BLUE, ORANGE, GREY, "black"), ("-", "--", "-.", ":"))
    for iou, row, colour, line in lines:
        axes.plot(confidences, row, color=colour, linestyle=line, linewidth=2.5, marker="o", label=f"overlap {iou}")
    plain_axes(axes, x="least confidence", y="boxes left, all films")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL, frameon=False)
    return figure
