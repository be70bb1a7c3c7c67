"""Figures of lab 05: objectness level by level, from anchors to proposals, and what each step loses."""

from __future__ import annotations

import numpy as np

from .checked import EXPECTED, GOT, INPUT, MOST, key, outline, plane
from .style import BLUE, GREY, LABEL, MAPS, ORANGE, PREDICTION, SMALL, TRUTH, draw_boxes, new_figure, plain_axes

THIN = dict(PREDICTION, linewidth=0.8, linestyle="-")


def proposals_case_figure(window, expected, got):
    """Return a figure of the first proposals ``(N, 4)`` that were expected and of the student's, with the window."""
    if expected.ndim != 2 or got.ndim != 2 or got.shape[1:] != (4,) or not len(expected):
        return None
    figure = new_figure("Proposals", size=(9.0, 4.2))
    axes = plane(figure, f"the first {MOST}, at most")
    outline(axes, [window], INPUT, "window")
    outline(axes, expected[:MOST], EXPECTED, "expected")
    outline(axes, got[:MOST], GOT, "yours")
    key(axes)
    return figure


def film_panel(figure, place, grey, title):
    """Return axes that show a film."""
    axes = figure.add_axes(place)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=SMALL, loc="left")
    return axes


def objectness_figure(grey, maps, truth):
    """Return a figure of a film and the best objectness at each cell of each level, on one scale from 0 to 1.

    Parameters
    ----------
    grey : ndarray of shape (H, W), uint8
    maps : dict of str to ndarray of shape (h, w)
    truth : ndarray of shape (N, 4)
        Pixels of the network input.
    """
    n, height, size = len(maps) + 1, 10.0 / (len(maps) + 1) + 1.0, len(grey)
    figure = new_figure("", size=(10.0, height))
    places = [(0.005 + number / n, 0.24, 0.94 / n, 9.4 / n / height) for number in range(n)]
    draw_boxes(film_panel(figure, places[0], grey, "the film"), truth, TRUTH)
    for place, (name, values) in zip(places[1:], maps.items()):
        axes = film_panel(figure, place, grey, f"{name.upper()}, {len(values)} x {values.shape[1]}")
        picture = axes.imshow(values, cmap=MAPS, vmin=0, vmax=1, extent=(-0.5, size - 0.5, size - 0.5, -0.5))
        draw_boxes(axes, truth, dict(TRUTH, edgecolor="white"))
    bar = figure.colorbar(picture, cax=figure.add_axes((places[1][0], 0.15, 0.4, 0.04)), orientation="horizontal")
    bar.ax.tick_params(labelsize=SMALL)
    figure.text(places[1][0] + 0.42, 0.13, "objectness, best of the anchors at a cell", fontsize=SMALL)
    return figure


def steps_figure(grey, steps, truth):
    """Return a figure of a film with the boxes of each step ``name: (N, 4)``, and the truth."""
    n, height = len(steps), 10.0 / len(steps) + 0.5  # inches
    figure = new_figure("", size=(10.0, height))
    for number, (name, boxes) in enumerate(steps.items()):
        axes = film_panel(
            figure, (0.005 + number / n, 0.01, 0.985 / n, 9.85 / n / height), grey, f"{name}: {len(boxes)}"
        )
        draw_boxes(axes, boxes, THIN)
        draw_boxes(axes, truth, dict(TRUTH, linewidth=2.5))
        axes.set_xlim(-0.5, grey.shape[1] - 0.5)
        axes.set_ylim(grey.shape[0] - 0.5, -0.5)
    return figure


def funnel_figure(names, counts, recalls):
    """Return a figure of how many boxes a film has after each step, and how many truths are still covered.

    Parameters
    ----------
    names : sequence of S texts
    counts : sequence of S numbers
        Boxes a film.
    recalls : dict of float to sequence of S numbers
        Recall after each step, by overlap.
    """
    figure = new_figure("", size=(9.6, 4.6))
    rows = np.arange(len(names))
    axes = figure.add_axes((0.19, 0.14, 0.37, 0.72))
    axes.barh(rows, counts, 0.6, color=GREY)
    axes.set_xscale("log")
    axes.set_xlim(1, 4 * max(counts))
    for row, count in zip(rows, counts):
        axes.text(count * 1.1, row, f"{count:,.0f}", va="center", fontsize=SMALL)
    axes.set_yticks(rows)
    axes.set_yticklabels(names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    plain_axes(axes, x="boxes a film, logarithmic", title="how many")
    axes = figure.add_axes((0.62, 0.14, 0.36, 0.72))
    for (iou, values), colour, marker, line in zip(recalls.items(), (BLUE, ORANGE), "os", ("-", "--")):
        axes.plot(values, rows, color=colour, marker=marker, linestyle=line, linewidth=2.5, label=f"IoU {iou}")
    axes.set_xlim(0, 1.03)
    axes.set_yticks(rows)
    axes.set_yticklabels([])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.legend(fontsize=SMALL, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.08), ncol=2)
    plain_axes(axes, x="share of the true boxes", title="how many truths are covered")
    return figure


def recall_figure(limits, curves):
    """Return a figure of recall against the number of proposals, a line for each ``(name, iou): values``."""
    figure = new_figure("", size=(9.0, 4.2))
    axes = figure.add_axes((0.1, 0.16, 0.55, 0.76))
    styles = ((BLUE, "-", "o"), (BLUE, ":", "o"), (ORANGE, "-", "s"), (ORANGE, ":", "s"))
    for ((name, iou), values), (colour, line, marker) in zip(curves.items(), styles):
        axes.plot(
            limits, values, color=colour, linestyle=line, marker=marker, linewidth=2.5, label=f"{name}, IoU {iou}"
        )
    axes.set_xscale("log")
    axes.set_xticks(limits)
    axes.set_xticklabels([str(limit) for limit in limits])
    axes.minorticks_off()
    axes.set_ylim(0, 1.03)
    plain_axes(axes, x="boxes of a film that count, best first", y="recall")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL, frameon=False)
    return figure


def training_figure(thresholds, positives):
    """Return a figure of how many proposals of a film the heads could learn an object from, at each threshold."""
    figure = new_figure("", size=(7.0, 3.9))
    axes = figure.add_axes((0.12, 0.18, 0.85, 0.7))
    places = np.arange(len(thresholds))
    axes.bar(places, positives, 0.55, color=[ORANGE if value == 0.3 else GREY for value in thresholds])
    for place, value in zip(places, positives):
        axes.text(place, value, f"{value:.1f}", ha="center", va="bottom", fontsize=LABEL)
    axes.set_ylim(0, 1.15 * max(positives))
    axes.set_xticks(places)
    axes.set_xticklabels([f"{value}" + " (slides)" * (value == 0.3) for value in thresholds])
    plain_axes(axes, x="RPN_NMS_THRESHOLD", y="a film", title="proposals on an opacity (IoU 0.5 or more)")
    return figure
