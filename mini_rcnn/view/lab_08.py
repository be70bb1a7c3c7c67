"""Figures of lab 08: what the network is asked, and what a wrong answer costs."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D

from .checked import SIZE as CHECKED_SIZE
from .style import BLUE, GREEN, GREY, LABEL, ORANGE, SKY, SMALL, TRUTH, VERMILION, draw_boxes, new_figure, plain_axes

SIZE = (10.0, 5.3)  # inches
HALVES = ((0.02, 0.09, 0.46, 0.8), (0.51, 0.09, 0.46, 0.8))
OBJECT_LINE = {"edgecolor": ORANGE, "linestyle": "--", "linewidth": 2.0}
NEUTRAL_LINE = {"edgecolor": "white", "linestyle": ":", "linewidth": 0.7}
MARKS = {1: ("object", ORANGE, "^"), 0: ("not asked", GREY, "o"), -1: ("background", BLUE, "v")}
WORDS = {"truth": TRUTH, "object": OBJECT_LINE}


def film(figure, place, grey, title):
    """Return axes that show a film, and nothing beside it."""
    axes = figure.add_axes(place)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
    height, width = grey.shape
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.set_axis_off()
    axes.set_title(title, fontsize=LABEL, loc="left")
    return axes


def centres(boxes):
    """Return the middles (x, y) of boxes as a picture counts them."""
    return (boxes[:, 1] + boxes[:, 3]) / 2 - 0.5, (boxes[:, 0] + boxes[:, 2]) / 2 - 0.5


def anchors_figure(grey, anchors, labels, truth, *, names):
    """Return a figure of a film twice, with what two sets of labels say of its anchors.

    Parameters
    ----------
    grey : ndarray of shape (H, W), uint8
    anchors : ndarray of shape (A, 4)
    labels : two ndarrays of shape (A,), int
        1 object, 0 not asked, -1 background.
    truth : ndarray of shape (M, 4)
    names : two texts
    """
    figure = new_figure("", size=SIZE)
    for place, each, name in zip(HALVES, labels, names):
        counts = f"{(each == 1).sum()} object, {(each == 0).sum():,} not asked, {(each == -1).sum():,} background"
        axes = film(figure, place, grey, f"{name}\n{counts}")
        axes.plot(*centres(anchors[each == -1]), ".", color=SKY, markersize=2.5)
        if (each == 0).sum() < 500:
            draw_boxes(axes, anchors[each == 0], NEUTRAL_LINE)
        draw_boxes(axes, truth, TRUTH)
        draw_boxes(axes, anchors[each == 1], OBJECT_LINE)
    key(figure, "solid: truth    dashed: object    dotted: not asked    dots: middles of background")
    return figure


def key(figure, text):
    """Write under a figure what its lines are."""
    figure.text(0.02, 0.03, text, fontsize=SMALL)


def deltas_figure(grey, anchors, truth):
    """Return a figure of anchors, the truths that they are asked to become, and arrows between the middles.

    Parameters
    ----------
    grey : ndarray of shape (H, W), uint8
    anchors, truth : ndarrays of shape (P, 4)
        Row by row.
    """
    figure = new_figure("", size=(5.4, 5.6))
    axes = film(figure, (0.02, 0.1, 0.96, 0.8), grey, "from each object anchor to its truth")
    draw_boxes(axes, truth, TRUTH)
    draw_boxes(axes, anchors, OBJECT_LINE)
    for x, y, to_x, to_y in zip(*centres(anchors), *centres(truth)):
        axes.annotate("", (to_x, to_y), (x, y), arrowprops={"arrowstyle": "->", "color": "white", "linewidth": 2})
    key(figure, "solid: truth    dashed: anchor    arrow: (dy, dx)")
    return figure


def rois_figure(grey, targets, truth, *, names):
    """Return a figure of a film twice, with the proposals that the heads are asked about.

    Parameters
    ----------
    grey : two ndarrays of shape (H, W), uint8
    targets : two HeadTargets
    truth : two ndarrays of shape (M, 4)
    names : two texts
    """
    figure = new_figure("", size=SIZE)
    for place, picture, each, boxes, name in zip(HALVES, grey, targets, truth, names):
        objects = each.class_ids > 0
        axes = film(figure, place, picture, f"{name}\n{objects.sum()} objects, {(~objects).sum()} background")
        draw_boxes(axes, each.boxes[~objects], {"edgecolor": "white", "linestyle": ":", "linewidth": 1.0})
        draw_boxes(axes, each.boxes[objects], {**OBJECT_LINE, "linewidth": 1.3})
        draw_boxes(axes, boxes, TRUTH)
    key(figure, "solid: truth    dashed: object    dotted: background")
    return figure


def masks_figure(grey, mask, truth, boxes, targets):
    """Return a figure of one truth's mask with proposals over it, and the target that each of them gets.

    Parameters
    ----------
    grey : ndarray of shape (H, W), uint8
    mask : ndarray of shape (H, W), bool
    truth : ndarray of shape (4,)
    boxes : ndarray of shape (P, 4)
        At most 4.
    targets : ndarray of shape (P, h, w)
    """
    figure = new_figure("", size=SIZE)
    axes = film(figure, HALVES[0], grey, "a truth's mask, and proposals on it")
    axes.contour(mask, levels=[0.5], colors=[SKY], linewidths=2)
    y1, x1, y2, x2 = truth
    room = max(y2 - y1, x2 - x1) * 0.35
    axes.set_xlim(max(x1 - room, -0.5), min(x2 + room, grey.shape[1] - 0.5))
    axes.set_ylim(min(y2 + room, grey.shape[0] - 0.5), max(y1 - room, -0.5))
    styles = ((ORANGE, "--"), (VERMILION, "-."), (GREEN, ":"), ("white", "-"))
    for number, (box, target, (colour, line)) in enumerate(zip(boxes, targets, styles)):
        draw_boxes(axes, [box], {"edgecolor": colour, "linestyle": line, "linewidth": 2.5})
        sheet = {"facecolor": "black", "edgecolor": colour, "pad": 2}
        axes.text(box[1], box[0], "ABCD"[number], color="white", fontsize=LABEL, weight="bold", va="center", bbox=sheet)
        small = figure.add_axes((0.55 + 0.22 * (number % 2), 0.53 - 0.44 * (number // 2), 0.19, 0.34))
        small.imshow(target, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        small.set_xticks([])
        small.set_yticks([])
        small.set_title(f"{'ABCD'[number]}: {target.mean():.0%} on", fontsize=LABEL, loc="left")
    key(figure, "solid outline: the mask")
    return figure


def losses_figure():
    """Return a figure of the smooth L1 loss beside a square, and of the cross-entropy of a probability."""
    figure = new_figure("", size=(10.0, 4.2))
    axes = figure.add_axes((0.08, 0.17, 0.38, 0.7))
    differences = np.linspace(-3, 3, 301)
    size = np.abs(differences)
    axes.plot(differences, 0.5 * size**2, color=GREY, linestyle=":", linewidth=2.5, label="half the square")
    smooth = np.where(size < 1, 0.5 * size**2, size - 0.5)
    axes.plot(differences, smooth, color=BLUE, linewidth=2.5, label="smooth L1")
    plain_axes(axes, x="difference, units of delta_std", y="loss", title="boxes")
    axes.legend(fontsize=SMALL, frameon=False)
    axes = figure.add_axes((0.58, 0.17, 0.38, 0.7))
    right = np.linspace(0.005, 1, 400)
    axes.plot(right, -np.log(right), color=VERMILION, linewidth=2.5)
    axes.plot([0.5], [np.log(2)], "o", color="black", markersize=8)
    axes.annotate("no opinion: 0.69", (0.5, np.log(2)), (0.55, 1.4), fontsize=SMALL, arrowprops={"arrowstyle": "-"})
    plain_axes(axes, x="probability of the right class", y="loss", title="classes and masks")
    axes.set_ylim(0, 5.5)
    return figure


def bars_figure(rows, names):
    """Return a figure of the five losses as bars, films beside each other.

    Parameters
    ----------
    rows : list of lists of 5 numbers
        One list a film.
    names : list of texts
    """
    figure = new_figure("", size=(9.0, 4.2))
    axes = figure.add_axes((0.1, 0.17, 0.87, 0.68))
    kinds = ("RPN class", "RPN box", "head class", "head box", "head mask")
    width = 0.8 / len(rows)
    for place, (row, name, colour, hatch) in enumerate(zip(rows, names, (ORANGE, BLUE), ("//", ""))):
        at = np.arange(5) + (place - (len(rows) - 1) / 2) * width
        axes.bar(at, row, width * 0.95, color=colour, hatch=hatch, edgecolor="white", label=name)
        for x, value in zip(at, row):
            axes.text(x, value, f"{value:.3f}" if value else "0", ha="center", va="bottom", fontsize=SMALL)
    axes.set_xticks(np.arange(5))
    axes.set_xticklabels(kinds)
    plain_axes(axes, y="loss")
    axes.set_ylim(0, 1.15 * max(max(row) for row in rows))
    axes.legend(fontsize=SMALL, frameon=False, ncol=2, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0)
    return figure


def labels_figure(overlaps, expected, got, *, positive_iou, negative_iou):
    """Return a figure of anchors by their best overlap, with the label expected and the student's."""
    if expected.shape != np.shape(got) or not overlaps.size or len(overlaps) > 80:
        return None
    best = overlaps.max(axis=1)
    figure = new_figure("Which label each anchor gets", size=CHECKED_SIZE)
    axes = figure.add_axes((0.16, 0.17, 0.55, 0.62))
    for label, (_, colour, marker) in MARKS.items():
        for height, labels in ((1, expected), (0, np.asarray(got))):
            rows = labels == label
            axes.plot(best[rows], np.full(rows.sum(), height), marker, color=colour, markersize=9, alpha=0.7)
    for row in np.flatnonzero(expected != got)[:6]:
        axes.text(best[row], -0.45, f"row {row}", fontsize=SMALL, ha="center")
    for threshold in (negative_iou, positive_iou):
        axes.axvline(threshold, color="black", linestyle=":", linewidth=1.5)
    axes.set_yticks([1, 0])
    axes.set_yticklabels(["expected", "yours"])
    axes.set_ylim(-0.7, 1.5)
    axes.set_xlim(-0.03, 1.03)
    plain_axes(axes, x="best overlap of the anchor; dotted: thresholds")
    handles = [Line2D([], [], color=colour, marker=marker, linestyle="", label=name) for name, colour, marker in
               MARKS.values()]  # fmt: skip
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL, frameon=False)
    return figure


def points_figure(differences, expected, got):
    """Return a figure of losses over their differences, those expected and the student's."""
    if expected.shape != np.shape(got) or not expected.size or np.abs(differences).max() > 20:
        return None
    figure = new_figure("The loss of each difference", size=CHECKED_SIZE)
    axes = figure.add_axes((0.09, 0.17, 0.6, 0.66))
    axes.plot(np.ravel(differences), np.ravel(expected), "o", color=BLUE, markersize=10, label="expected")
    axes.plot(np.ravel(differences), np.ravel(got), "x", color=VERMILION, markersize=9, mew=2.5, label="yours")
    plain_axes(axes, x="difference", y="loss")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL, frameon=False)
    return figure
