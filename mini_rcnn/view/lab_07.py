"""Figures of lab 07: from proposals to boxes, and from small grids to masks."""

from __future__ import annotations

import numpy as np

from .checked import EXPECTED, GOT, INPUT, key, outline, plane
from .style import BLUE, LABEL, MAPS, ORANGE, SKY, SMALL, TRUTH, VERMILION, draw_boxes, new_figure, plain_axes

MOST = 30  # boxes in one drawing
FROM = {"edgecolor": SKY, "linestyle": ":", "linewidth": 1.2}
TO = {"edgecolor": ORANGE, "linestyle": "--", "linewidth": 1.6}


def detections_checked_figure(proposals, expected, got):
    """Return a figure of the boxes that should come out and of the student's, over the proposals."""
    if got.ndim != 2 or got.shape[1] != 4 or not np.isfinite(got).all() or len(expected) > MOST:
        return None
    figure = new_figure("Not the detections that were expected", size=(9.0, 4.2))
    axes = plane(figure, f"{len(expected)} expected, yours {len(got)}")
    outline(axes, proposals[:MOST], INPUT, "proposals")
    outline(axes, expected, EXPECTED, "expected")
    outline(axes, got[:MOST], GOT, "yours")
    key(axes)
    return figure


def scores_figure(scores, lines):
    """Return a figure of the scores of a film's proposals, the best first.

    Parameters
    ----------
    scores : ndarray of shape (N,)
        Probability of the class that is looked for.
    lines : dict of str to float
        What is written at a horizontal line, and where that is.
    """
    figure = new_figure("", size=(8.6, 3.8))
    axes = figure.add_axes((0.09, 0.17, 0.66, 0.76))
    axes.plot(np.sort(scores)[::-1], "o", color=BLUE, markersize=5)
    for (name, place), style in zip(lines.items(), ("--", ":")):
        axes.axhline(place, color=VERMILION, linestyle=style, linewidth=2)
        axes.text(1.02, place, name, transform=axes.get_yaxis_transform(), fontsize=SMALL, va="center")
    axes.set_ylim(-0.03, 1.03)
    plain_axes(axes, x="proposals, best first", y="probability of an opacity")
    return figure


def film_axes(figure, place, grey, title, window=None):
    """Return axes that show a film, or the part of it in a window ``(y1, x1, y2, x2)``."""
    axes = figure.add_axes(place)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
    if window is not None:
        axes.set_xlim(window[1] - 0.5, window[3] - 0.5)
        axes.set_ylim(window[2] - 0.5, window[0] - 0.5)
    axes.set_axis_off()
    axes.set_title(title, fontsize=LABEL, loc="left")
    return axes


def moves_figure(grey, before, after, truth):
    """Return a figure of boxes before and after they were moved, each pair in two lines."""
    figure = new_figure("", size=(10.0, 5.0))
    for place, (name, boxes, style) in enumerate((("proposals", before, FROM), ("moved", after, TO))):
        axes = film_axes(figure, (0.02 + 0.49 * place, 0.02, 0.46, 0.84), grey, f"{name}: {len(boxes)} boxes")
        draw_boxes(axes, truth, TRUTH)
        draw_boxes(axes, boxes, style)
    figure.text(0.02, 0.98, "solid: truth    dotted: proposals    dashed: moved", fontsize=SMALL, va="top")
    return figure


def grids_figure(grids, *, limits=None):
    """Return a figure of small grids beside each other, each with colours of its own unless limits are given.

    Parameters
    ----------
    grids : dict of str to ndarray of shape (h, w)
    limits : dict of str to (low, high), optional
    """
    figure = new_figure("", size=(10.0, 3.7))
    width = 0.98 / len(grids)
    for place, (name, grid) in enumerate(grids.items()):
        axes = figure.add_axes((0.01 + width * place, 0.04, width - 0.08, 0.8))
        low, high = (limits or {}).get(name, (None, None))
        picture = axes.imshow(grid, cmap=MAPS, vmin=low, vmax=high, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(name, fontsize=LABEL, loc="left")
        if np.asarray(grid).dtype != bool:
            bar = figure.add_axes((0.01 + width * place + width - 0.072, 0.1, 0.014, 0.66))
            figure.colorbar(picture, cax=bar).ax.tick_params(labelsize=SMALL)
    return figure


def masks_figure(grey, masks, window):
    """Return a figure of a part of a film with the outline of a mask on each.

    Parameters
    ----------
    grey : ndarray of shape (H, W), uint8
    masks : dict of str to ndarray of shape (H, W), bool
    window : (y1, x1, y2, x2)
        The part that is shown, pixels of the film.
    """
    figure = new_figure("", size=(10.0, 5.2))
    width = 0.98 / len(masks)
    for place, ((name, mask), colour) in enumerate(zip(masks.items(), (ORANGE, SKY, SKY))):
        axes = film_axes(figure, (0.01 + width * place, 0.02, width - 0.02, 0.88), grey, name, window)
        axes.contour(mask.astype(float), levels=[0.5], colors=[colour], linewidths=1.8)
    return figure
