"""Figures of lab 06: where the numbers of a pooled box come from."""

from __future__ import annotations

import numpy as np

from .checked import arrays_figure
from .style import (
    BLUE,
    GREY,
    LABEL,
    MAPS,
    ORANGE,
    PREDICTION,
    SKY,
    SMALL,
    VERMILION,
    draw_boxes,
    new_figure,
    plain_axes,
)

WHITE = "white"


def points_on_bins_figure(starts, ends, n_bins, expected, got):
    """Return a figure of the sampling points of one box along a line: expected as circles, the student's as crosses."""
    if expected.shape != got.shape or not expected.size:
        return None
    row = int((~np.isclose(expected, got)).any(axis=(1, 2)).argmax())
    figure = new_figure("Where the points of a box lie", size=(9.0, 3.2))
    axes = figure.add_axes((0.12, 0.24, 0.85, 0.52))
    for edge in np.linspace(starts[row], ends[row], n_bins + 1):
        axes.axvline(edge, color=GREY, linestyle=":", linewidth=1.5)
    axes.plot(expected[row].ravel(), np.ones(expected[row].size), "o", color=BLUE, markersize=9)
    axes.plot(got[row].ravel(), np.zeros(got[row].size), "x", color=VERMILION, markersize=9, markeredgewidth=2.5)
    axes.set_yticks([0, 1])
    axes.set_yticklabels(["yours", "expected"])
    axes.set_ylim(-0.6, 1.6)
    plain_axes(axes, x="feature pixels; dotted: edges of the bins")
    return figure


def first_wrong_grid_figure(expected, got):
    """Return a figure of the first box and channel ``(n, h, w, C)`` that are wrong."""
    if expected.shape != got.shape or not expected.size:
        return None
    wrong = ~np.isclose(expected, got, atol=1e-6).all(axis=(1, 2))
    box, channel = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return arrays_figure(expected[box, :, :, channel], got[box, :, :, channel])


def grid_axes(figure, place, values, title, *, limits=None, marks=()):
    """Return axes with a small grid as a map of colours; cell i reaches from i to i + 1."""
    axes = figure.add_axes(place)
    low, high = limits or (values.min(), values.max())
    extent = (0, values.shape[1], values.shape[0], 0)
    axes.picture = axes.imshow(values, cmap=MAPS, vmin=low, vmax=high, interpolation="nearest", extent=extent)
    axes.set_title(title, fontsize=LABEL, loc="left")
    axes.tick_params(labelsize=SMALL)
    return axes


def outline(axes, box, *, colour, line="-", width=2.5, label=None):
    """Draw a box ``(y1, x1, y2, x2)`` on axes in continuous pixels."""
    y1, x1, y2, x2 = box
    axes.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=colour, linestyle=line, linewidth=width, label=label)


def pooled_boxes_figure(grey, boxes, grids):
    """Return a figure of a film with boxes of several sizes, and the grid that each becomes.

    Parameters
    ----------
    grey : ndarray of shape (H, W), uint8
        The network input.
    boxes : ndarray of shape (3, 4)
        Pixels of it.
    grids : ndarray of shape (3, h, w)
        One channel of each pooled box.
    """
    figure = new_figure("", size=(10.0, 4.4))
    axes = figure.add_axes((0.01, 0.03, 0.4, 0.85))
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    axes.set_title("three proposals", fontsize=LABEL, loc="left")
    draw_boxes(axes, boxes, PREDICTION)
    limits = (float(grids.min()), float(grids.max()))
    for number, (box, grid) in enumerate(zip(boxes, grids)):
        axes.text(box[1], box[0] - 2, "ABC"[number], color=ORANGE, fontsize=LABEL, weight="bold")
        height, width = box[2:] - box[:2]
        place = (0.45 + 0.185 * number, 0.2, 0.165, 0.5)
        panel = grid_axes(figure, place, grid, f"{'ABC'[number]}: {height:.0f} x {width:.0f}", limits=limits)
        panel.set_xticks([])
        panel.set_yticks([])
    figure.text(0.45, 0.1, "one channel of what the box head is given", fontsize=SMALL)
    return figure


def rounded_figure(feature, box, rounded, *, stride):
    """Return a figure of a box on a feature map ``(H, W)``, as it is and rounded to whole cells."""
    y1, x1, y2, x2 = np.concatenate(
        [np.floor(np.minimum(box, rounded)[:2]) - 1, np.ceil(np.maximum(box, rounded)[2:]) + 1]
    )
    figure = new_figure("", size=(8.4, 4.6))
    axes = grid_axes(figure, (0.08, 0.13, 0.52, 0.75), feature, f"cells of {stride} x {stride} pixels of the input")
    outline(axes, box, colour=WHITE, width=5)
    outline(axes, box, colour=BLUE, label="the box")
    outline(axes, rounded, colour=WHITE, width=5)
    outline(axes, rounded, colour=VERMILION, line="--", label="RoIPool's")
    axes.set_xlim(max(0, x1), min(feature.shape[1], x2))
    axes.set_ylim(min(feature.shape[0], y2), max(0, y1))
    axes.set_xlabel("cell", fontsize=LABEL)
    axes.legend(loc="center left", bbox_to_anchor=(1.04, 0.5), fontsize=LABEL, frameon=False)
    return figure


def points_figure(box, bins, panels):
    """Return a figure of a box, its bins and where each way of pooling takes its values.

    Parameters
    ----------
    box : sequence of 4 numbers
        Feature pixels.
    bins : int
        Along each side.
    panels : list of (str, ndarray, ndarray)
        A name, the rows and the columns of the points.
    """
    figure = new_figure("", size=(4.4 * len(panels), 4.2))
    (y1, x1, y2, x2), line = box, {"color": SKY, "linestyle": "--", "linewidth": 1.5}
    low, high = np.floor([y1, x1]) - 1, np.ceil([y2, x2]) + 1
    for place, (name, rows, columns) in enumerate(panels):
        axes = figure.add_axes(((0.08 + place) / len(panels), 0.1, 0.85 / len(panels), 0.76))
        axes.set_xticks(np.arange(low[1], high[1] + 1))
        axes.set_yticks(np.arange(low[0], high[0] + 1))
        axes.grid(color="#dddddd")
        axes.set_axisbelow(True)
        for number in range(1, bins * (name != "Matterport")):
            axes.plot([x1, x2], [y1 + (y2 - y1) * number / bins] * 2, **line)
            axes.plot([x1 + (x2 - x1) * number / bins] * 2, [y1, y2], **line)
        outline(axes, box, colour=BLUE)
        ys, xs = np.meshgrid(rows, columns, indexing="ij")
        axes.plot(xs.ravel(), ys.ravel(), "x", color=VERMILION, markersize=6, markeredgewidth=2)
        axes.set_aspect("equal")
        axes.set_xlim(low[1], high[1])
        axes.set_ylim(high[0], low[0])
        plain_axes(axes, title=name)
    return figure


def neighbours_figure(feature, point, cells, weights):
    """Return a figure of a point among the cells around it, with their values and weights.

    Parameters
    ----------
    feature : ndarray of shape (H, W)
    point : (y, x)
        Feature pixels.
    cells, weights : pair of ndarrays of shape (2,)
        Of the rows and of the columns.
    """
    figure = new_figure("", size=(7.6, 4.8))
    axes = grid_axes(figure, (0.08, 0.1, 0.62, 0.8), feature, "value x weight of the four neighbours")
    ink = {"ha": "center", "va": "center", "fontsize": LABEL, "weight": "bold"}
    box = {"facecolor": WHITE, "edgecolor": "none", "alpha": 0.9, "pad": 2}
    for row, row_weight, above in zip(cells[0], weights[0], (-0.55, 0.55)):
        for column, column_weight, left in zip(cells[1], weights[1], (-0.4, 0.4)):
            text = f"{feature[row, column]:.2f}\nx {row_weight * column_weight:.2f}"
            axes.text(column + 0.5 + left, row + 0.5 + above, text, bbox=box, **ink)
            axes.plot(column + 0.5, row + 0.5, "o", color=WHITE, markersize=8)
            axes.plot([point[1], column + 0.5], [point[0], row + 0.5], color=WHITE, linewidth=1.5, linestyle=":")
    axes.plot(point[1], point[0], "X", color=VERMILION, markersize=14, markeredgecolor=WHITE)
    axes.set_xticks(np.arange(cells[1][0], cells[1][1] + 2))
    axes.set_yticks(np.arange(cells[0][0], cells[0][1] + 2))
    axes.set_xlim(cells[1][0] - 0.4, cells[1][1] + 1.4)
    axes.set_ylim(cells[0][1] + 1.4, cells[0][0] - 0.4)
    figure.colorbar(axes.picture, ax=axes, fraction=0.046).ax.tick_params(labelsize=SMALL)
    return figure


def ways_figure(grids):
    """Return a figure of one channel of one box, pooled in several ways, in one scale of colours.

    Parameters
    ----------
    grids : dict of str to ndarray of shape (h, w)
    """
    figure = new_figure("", size=(10.0, 3.6))
    limits = (min(float(grid.min()) for grid in grids.values()), max(float(grid.max()) for grid in grids.values()))
    width = 0.9 / len(grids)
    for place, (name, grid) in enumerate(grids.items()):
        axes = grid_axes(figure, (0.01 + width * place, 0.05, width - 0.03, 0.8), grid, name, limits=limits)
        axes.set_xticks([])
        axes.set_yticks([])
    bar = figure.add_axes((0.925, 0.12, 0.015, 0.66))
    figure.colorbar(axes.picture, cax=bar).ax.tick_params(labelsize=SMALL)
    return figure


def levels_figure(sides, nearest, floor):
    """Return a figure of the level of square boxes by their side, rounded and floored."""
    figure = new_figure("", size=(8.6, 4.0))
    axes = figure.add_axes((0.09, 0.17, 0.6, 0.74))
    axes.plot(sides, nearest, color=BLUE, linewidth=3, label="nearest (Matterport)")
    axes.plot(sides, floor, color=ORANGE, linewidth=3, linestyle="--", label="floor (FPN paper)")
    axes.set_xscale("log")
    axes.set_xticks([28, 56, 112, 224, 448, 896])
    axes.set_xticklabels(["28", "56", "112", "224", "448", "896"])
    axes.minorticks_off()
    axes.set_yticks([2, 3, 4, 5])
    axes.set_yticklabels(["P2", "P3", "P4", "P5"])
    plain_axes(axes, x="side of a square box, pixels of the input")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL, frameon=False)
    return figure


def lost_figure(ours, theirs):
    """Return a figure of one channel of a box at the edge, with and without its last row or column."""
    return ways_figure({"last sample on the last cell": ours, "carried beyond it: zeros": theirs})
