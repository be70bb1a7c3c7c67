"""Drawings of a case that an answer failed: what was expected, solid, and what came out, dashed."""

from __future__ import annotations

import numpy as np

from .style import BLUE, GREY, LABEL, MAPS, SMALL, VERMILION, new_figure, plain_axes

EXPECTED = {"edgecolor": BLUE, "linestyle": "-", "linewidth": 2.5}
GOT = {"edgecolor": VERMILION, "linestyle": "--", "linewidth": 2.5}
INPUT = {"edgecolor": GREY, "linestyle": ":", "linewidth": 2.0}
SIZE = (9.0, 4.2)  # inches
MOST = 12  # boxes in one drawing


def outline(axes, boxes, style, label):
    """Draw boxes ``(N, 4)`` in continuous pixels as outlines, named once in the legend."""
    for y1, x1, y2, x2 in np.asarray(boxes, np.float64).reshape(-1, 4):
        axes.plot(
            [x1, x2, x2, x1, x1],
            [y1, y1, y2, y2, y1],
            color=style["edgecolor"],
            linestyle=style["linestyle"],
            linewidth=style["linewidth"],
            label=label,
        )
        label = None


def plane(figure, title, place=(0.1, 0.15, 0.57, 0.68)):
    """Return axes in pixels: y grows downwards, x and y to one scale."""
    axes = figure.add_axes(place)
    plain_axes(axes, x="x, pixels", y="y, pixels", title=title)
    axes.set_aspect("equal", adjustable="datalim")
    axes.invert_yaxis()
    return axes


def key(axes):
    """Write what the lines are, beside the axes."""
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL, frameon=False)


def boxes_figure(before, expected, got):
    """Return a figure of boxes row by row, the first rows that differ; None where their numbers differ.

    Parameters
    ----------
    before : ndarray of shape (N, 4), or None
        The boxes that went in.
    expected, got : ndarray of shape (N, 4)
    """
    if expected.shape != got.shape or not len(expected):
        return None
    rows = np.flatnonzero(~np.isclose(expected, got, atol=1e-4).all(axis=1))[:MOST]
    figure = new_figure("Not the boxes that were expected", size=SIZE)
    axes = plane(figure, "rows " + ", ".join(map(str, rows)))
    if before is not None and len(before) == len(expected):
        outline(axes, before[rows], INPUT, "went in")
    outline(axes, expected[rows], EXPECTED, "expected")
    outline(axes, got[rows], GOT, "yours")
    key(axes)
    return figure


def pair_figure(boxes_a, boxes_b, expected, got):
    """Return a figure of the two boxes whose overlap ``(N, M)`` is furthest from the expected one."""
    if expected.shape != got.shape or not expected.size:
        return None
    wrong = np.where(np.isfinite(got), np.abs(expected - np.nan_to_num(got)), np.inf)
    row, column = np.unravel_index(wrong.argmax(), wrong.shape)
    figure = new_figure("The pair that is most wrong", size=SIZE)
    axes = plane(figure, f"expected {expected[row, column]:.4f}, yours {got[row, column]:.4f}")
    outline(axes, boxes_a[[row]], EXPECTED, f"boxes_a, row {row}")
    outline(axes, boxes_b[[column]], INPUT, f"boxes_b, row {column}")
    key(axes)
    return figure


def kept_figure(boxes, scores, expected, got):
    """Return a figure of which boxes stay: those expected beside the student's, all with row and score."""
    if len(boxes) > 3 * MOST or not len(boxes) or np.asarray(got).dtype.kind not in "iu":
        return None
    figure = new_figure("Which boxes stay", size=SIZE)
    for place, (name, kept, style) in enumerate((("expected", expected, EXPECTED), ("yours", got, GOT))):
        axes = plane(
            figure,
            f"{name}: rows {', '.join(map(str, kept[:MOST])) or 'none'}",
            (0.07 + 0.49 * place, 0.13, 0.42, 0.68),
        )
        outline(axes, boxes, INPUT, None)
        outline(axes, boxes[kept[(kept >= 0) & (kept < len(boxes))]], style, None)
        for row, (y1, x1, _, _) in enumerate(boxes):
            axes.text(x1, y1, f"{row}: {scores[row]:.2f}", fontsize=SMALL, va="bottom")
    return figure


def arrays_figure(expected, got, *, names=("expected", "yours", "difference")):
    """Return a figure of two arrays of two axes and their difference, with one colour scale for the first two."""
    if expected.shape != got.shape or expected.ndim != 2 or not expected.size:
        return None
    expected, got = expected.astype(np.float64), got.astype(np.float64)
    finite = np.concatenate([expected[np.isfinite(expected)], got[np.isfinite(got)]])
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    figure = new_figure("Where the numbers differ", size=SIZE)
    for place, (name, values) in enumerate(zip(names, (expected, got, np.abs(got - expected)))):
        axes = figure.add_axes((0.03 + 0.325 * place, 0.22, 0.29, 0.56))
        limits = {"vmin": low, "vmax": high} if place < 2 else {}
        picture = axes.imshow(values, cmap=MAPS, interpolation="nearest", **limits)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(name, fontsize=LABEL, loc="left")
        beside = figure.add_axes((0.03 + 0.325 * place, 0.13, 0.29, 0.04))
        bar = figure.colorbar(picture, cax=beside, orientation="horizontal")
        bar.ax.tick_params(labelsize=SMALL)
        bar.ax.locator_params(nbins=4)
    return figure
