"""Figures of lab 09: what a warp does to boxes, what a blur does to a pixel, and how far films lie apart."""

from __future__ import annotations

import numpy as np

from .checked import EXPECTED, GOT, INPUT, key, outline, plane
from .lab_01 import films_figure
from .style import BLUE, GREEN, LABEL, ORANGE, PREDICTION, SMALL, TRUTH, draw_boxes, new_figure, plain_axes

__all__ = ["around_figure", "distances_figure", "dots_figure", "films_figure", "growth_figure", "mask_boxes_figure",
           "outlines_figure", "weights_figure"]  # fmt: skip
MASK = {"colors": GREEN, "linewidths": 2.2}


def mask_boxes_figure(masks, expected, got):
    """Return a figure of the first mask whose box is wrong, with both boxes; None where there is none to draw."""
    if expected.shape != got.shape or not len(expected):
        return None
    row = int(np.flatnonzero((expected != got).any(axis=1))[0])
    figure = new_figure(f"Mask {row}", size=(8.0, 4.2))
    axes = plane(figure, "", (0.1, 0.15, 0.57, 0.7))
    height, width = masks[row].shape
    axes.imshow(masks[row], cmap="gray", vmin=-1, vmax=1.4, extent=(0, width, height, 0))
    outline(axes, expected[[row]], EXPECTED, "expected")
    outline(axes, got[[row]], GOT, "yours")
    key(axes)
    return figure


def corners_of(size):
    """Return the corners (x, y) of a picture, its first one again at the end, as OpenCV counts, (5, 2)."""
    height, width = size
    return np.array([(0, 0), (width, 0), (width, height), (0, height), (0, 0)]) - 0.5


def outlines_figure(size, expected, got):
    """Return a figure of where two matrices (2, 3) take a picture's edge; its upper left corner carries a dot."""
    if got.shape != (2, 3):
        return None
    figure = new_figure("Where the picture's edge goes", size=(8.0, 4.4))
    axes = plane(figure, "the dot is the upper left corner", (0.1, 0.15, 0.57, 0.66))
    same = np.eye(2, 3)
    for matrix, style, name in ((same, INPUT, "before"), (expected, EXPECTED, "expected"), (got, GOT, "yours")):
        places = corners_of(size) @ matrix[:, :2].T + matrix[:, 2]
        axes.plot(*places.T, color=style["edgecolor"], linestyle=style["linestyle"], linewidth=2.2, label=name)
        axes.plot(*places[0], "o", color=style["edgecolor"], markersize=8)
    key(axes)
    return figure


def around_figure(film, mask, before, turned, of_mask, *, title):
    """Return a figure of a turned film: its mask, the box of the mask, and the box of the old box's turned corners.

    Parameters
    ----------
    film : ndarray of shape (H, W), uint8
        After the turn.
    mask : ndarray of shape (H, W), bool
        After the turn.
    before : ndarray of shape (4, 2)
        The old box's corners (x, y), turned.
    turned, of_mask : ndarrays of shape (4,)
        The smallest box around these corners, and the mask's own.
    title : str
    """
    figure = new_figure("", size=(8.6, 5.0))
    axes = figure.add_axes((0.02, 0.03, 0.54, 0.87))
    axes.imshow(film, cmap="gray", vmin=0, vmax=255)
    axes.contour(mask, levels=[0.5], **MASK)
    axes.plot(*np.append(before, before[:1], axis=0).T, color="white", linestyle=":", linewidth=2)
    draw_boxes(axes, [turned], PREDICTION)
    draw_boxes(axes, [of_mask], TRUTH)
    axes.set_axis_off()
    axes.set_title(title, fontsize=LABEL, loc="left")
    lines = (("green, curved", "the mask"), ("blue, solid", "the mask's box"), ("white, dotted", "the old box, turned"),
             ("orange, dashed", "a box around that"))  # fmt: skip
    for row, (look, what) in enumerate(lines):
        figure.text(0.6, 0.8 - 0.13 * row, f"{look}:\n  {what}", fontsize=SMALL, va="top")
    return figure


def growth_figure(angles, by_corners, by_masks):
    """Return a figure of how large boxes become with the angle, both ways, as a part of the box before."""
    figure = new_figure("", size=(7.6, 3.8))
    axes = figure.add_axes((0.12, 0.18, 0.56, 0.74))
    for values, colour, line, name in (
        (by_corners, ORANGE, "--", "around the turned\nold box"),
        (by_masks, BLUE, "-", "around the\nturned mask"),
    ):
        axes.plot(angles, values, color=colour, linestyle=line, linewidth=2.5, marker="o")
        axes.annotate(name, (angles[-1], values[-1]), xytext=(8, 0), textcoords="offset points", fontsize=SMALL,
                      va="center")  # fmt: skip
    axes.axhline(1, color="black", linewidth=0.8)
    plain_axes(axes, x="turned by, degrees", y="box area, before = 1")
    return figure


def weights_figure(weights):
    """Return a figure of the five weights of some blurs.

    Parameters
    ----------
    weights : dict
        ``{sigma: ndarray of shape (5,)}``, at most four.
    """
    figure = new_figure("", size=(9.6, 3.0))
    for number, (sigma, row) in enumerate(weights.items()):
        axes = figure.add_axes((0.09 + 0.23 * number, 0.22, 0.21, 0.62))
        axes.bar(np.arange(-2, 3), row, 0.8, color=BLUE)
        for place, value in zip(range(-2, 3), row):
            text = f"{value:.2f}" if value >= 0.005 else "0" if value < 1e-6 else "<.01"
            axes.annotate(text, (place, value), ha="center", va="bottom", fontsize=SMALL)
        axes.set_ylim(0, 1.15)
        axes.set_yticks([0, 0.5, 1] if number == 0 else [])
        axes.set_xticks(range(-2, 3))
        plain_axes(axes, x="pixel", y="weight" if number == 0 else None, title=f"sigma {sigma}")
    return figure


def dots_figure(pictures, titles):
    """Return a figure of small pictures (h, w) in a row, the grey level written into each pixel."""
    figure = new_figure("", size=(9.6, 3.4))
    for number, (picture, title) in enumerate(zip(pictures, titles)):
        axes = figure.add_axes((0.02 + 0.98 / len(pictures) * number, 0.04, 0.92 / len(pictures), 0.8))
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        for (y, x), value in np.ndenumerate(picture):
            axes.text(x, y, str(int(value)), color="white" if value < 128 else "black", ha="center", va="center",
                      fontsize=SMALL)  # fmt: skip
        axes.set_axis_off()
        axes.set_title(title, fontsize=LABEL, loc="left")
    return figure


def distances_figure(groups):
    """Return a figure of distances, a row of dots for each group, its median as a bar.

    Parameters
    ----------
    groups : dict
        ``{name: distances}``.
    """
    figure = new_figure("", size=(8.8, 2.9))
    axes = figure.add_axes((0.3, 0.24, 0.67, 0.72))
    colours, markers = (BLUE, ORANGE, GREEN), ("o", "^", "s")
    for number, values in enumerate(groups.values()):
        row = len(groups) - 1 - number
        axes.plot(values, np.full(len(values), row), markers[number], color=colours[number], alpha=0.6, markersize=8)
        middle = np.median(values)
        axes.plot([middle, middle], [row - 0.3, row + 0.3], color="black", linewidth=2.5)
    axes.set_yticks(range(len(groups)))
    plain_axes(axes, x="distance of the network's features (bar: median)")
    axes.set_yticklabels(list(groups)[::-1], fontsize=LABEL)
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.set_xlim(0, None)
    return figure
