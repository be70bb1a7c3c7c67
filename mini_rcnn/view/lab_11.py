"""Figures of lab 11: what is found against what is made up, at every threshold."""

from __future__ import annotations

import numpy as np

from .checked import EXPECTED, GOT, INPUT, key, outline, plane
from .lab_03 import BESIDE, HALF, SIZE, film_axes
from .style import (
    BLUE,
    GREEN,
    GREY,
    LABEL,
    MAPS,
    ORANGE,
    PREDICTION,
    SMALL,
    TRUTH,
    VERMILION,
    draw_boxes,
    new_figure,
    plain_axes,
    say_empty,
)

WIDE = (10.0, 4.4)  # inches
LEFT, RIGHT = (0.08, 0.15, 0.38, 0.72), (0.58, 0.15, 0.38, 0.72)
WHOLE = (-0.02, 1.03)


def two_films_figure(first, second, names):
    """Return a figure of two films with truth and marks; each is ``(grey, truth, boxes, scores)``."""
    figure = new_figure("", size=SIZE)
    for place, (grey, truth, boxes, scores), name in zip((HALF, BESIDE), (first, second), names):
        axes = film_axes(figure, place, grey, name)
        draw_boxes(axes, truth, TRUTH)
        draw_boxes(axes, boxes, PREDICTION)
        for (y1, x1, _, _), score in zip(boxes, scores):
            axes.text(x1, max(y1 - 1, 4), f"{score:.2f}", color=ORANGE, fontsize=SMALL, va="bottom", weight="bold")
    figure.text(0.03, 0.97, "solid: truth    dashed: marks, with their scores", fontsize=SMALL, va="top")
    return figure


def precision_recall_figure(recall, precision, best):
    """Return a figure of precision against recall, (H,) each: the points, and the falling line that VOC's area uses."""
    figure = new_figure("", size=(7.4, 4.4))
    axes = figure.add_axes((0.1, 0.15, 0.6, 0.75))
    if len(recall):
        edges = np.concatenate([[0.0], recall])
        axes.plot(recall, precision, color=GREY, linestyle=":", marker="o", markersize=4, label="at each hit")
        axes.step(
            edges, np.concatenate([best[:1], best]), where="pre", color=BLUE, linewidth=2.5, label="best from here"
        )
        axes.fill_between(edges, np.concatenate([best[:1], best]), step="pre", color=BLUE, alpha=0.15)
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL, frameon=False)
    axes.set(xlim=WHOLE, ylim=WHOLE)
    plain_axes(axes, x="recall", y="precision", title="The shaded area is the average precision")
    return figure


def froc_roc_figure(curve, rates, reached, rates_of_images, auc):
    """Return a figure of a FROC curve with what is read at some rates, and of an ROC curve with its area."""
    figure = new_figure("", size=WIDE)
    axes = figure.add_axes(LEFT)
    least = 0.004
    if np.isnan(curve.sensitivity).any():
        say_empty(axes, "no truth, no curve")
    else:
        x = np.maximum(np.append(curve.false_marks, max(rates)), least)
        axes.step(x, np.append(curve.sensitivity, curve.sensitivity[-1]), where="post", color=BLUE, linewidth=2.5)
        axes.plot(rates, reached, "o", color=ORANGE, markersize=8)
        axes.set_xscale("log")
        axes.set_xticks([0.01, 0.125, 1, 8])
        axes.set_xticks([], minor=True)
        axes.set_xticklabels(["0.01", "1/8", "1", "8"])
        axes.set(ylim=WHOLE)
        plain_axes(axes, x="false marks a film", y="opacities found", title="FROC; points: read at seven rates")
    axes = figure.add_axes(RIGHT)
    axes.plot(rates_of_images[0], rates_of_images[1], color=BLUE, linewidth=2.5)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--")
    axes.set(xlim=WHOLE, ylim=WHOLE)
    plain_axes(axes, x="healthy films marked", y="ill films marked", title=f"ROC of films, area {auc:.2f}")
    return figure


def reliability_figure(bins):
    """Return a figure of how often marks of each score are hits: bars, their counts, and the diagonal."""
    figure = new_figure("", size=(7.6, 4.4))
    axes = figure.add_axes((0.1, 0.15, 0.58, 0.75))
    full = bins.count > 0
    middles = ((bins.edges[1:] + bins.edges[:-1]) / 2)[full]
    axes.bar(middles, bins.share[full], width=0.09, color=BLUE, hatch="//", edgecolor="white", label="are hits")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="as sure as right")
    axes.plot(bins.mean_score[full], bins.mean_score[full], "o", color=ORANGE, label="mean score")
    for x, share, count in zip(middles, bins.share[full], bins.count[full]):
        axes.text(x, share + 0.02, str(count), ha="center", fontsize=SMALL)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.1))
    plain_axes(axes, x="score of a mark", y="share that are hits", title="The number on a bar: how many marks")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL, frameon=False)
    return figure


def settings_figure(names, rows):
    """Return a figure of what settings give: hits, false marks and healthy films marked, and RSNA's score."""
    figure = new_figure("", size=WIDE)
    axes, places = figure.add_axes((0.2, 0.15, 0.4, 0.72)), np.arange(len(rows))[::-1]
    looks = (("hits", BLUE, ""), ("false_marks", VERMILION, "//"), ("healthy_marked", ORANGE, ".."))
    for number, (name, colour, hatch) in enumerate(looks):
        values = [getattr(row, name) for row in rows]
        y = places + 0.27 * (1 - number)
        axes.barh(y, values, height=0.25, color=colour, hatch=hatch, edgecolor="white", label=name.replace("_", " "))
        for value, height in zip(values, y):
            axes.text(value + 0.5, height, str(value), va="center", fontsize=SMALL)
    axes.set_yticks(places)
    plain_axes(axes, x="how many")
    axes.set_yticklabels(names, fontsize=SMALL)
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncol=3, fontsize=SMALL, frameon=False)
    axes = figure.add_axes((0.68, 0.15, 0.28, 0.72))
    scores = [0.0 if np.isnan(row.rsna) else row.rsna for row in rows]
    axes.barh(places, scores, height=0.6, color=GREEN, edgecolor="white")
    for score, height in zip(scores, places):
        axes.text(score + 0.01, height, f"{score:.2f}", va="center", fontsize=SMALL)
    axes.set(yticks=[], xlim=(0, max([*scores, 0.1]) * 1.25))
    plain_axes(axes, x="RSNA's score")
    return figure


def sweep_figure(threshold, hits, false_marks, rsna, chosen):
    """Return a figure of what each threshold on the score gives; a vertical line at the one that is used."""
    figure = new_figure("", size=WIDE)
    axes = figure.add_axes(LEFT)
    axes.plot(threshold, hits, color=BLUE, linewidth=2.5, label="hits")
    axes.plot(threshold, false_marks, color=VERMILION, linewidth=2.5, linestyle="--", label="false marks")
    axes.legend(fontsize=SMALL, frameon=False)
    plain_axes(axes, x="least confidence", y="boxes on all films")
    other = figure.add_axes(RIGHT)
    other.plot(threshold, rsna, color=GREEN, linewidth=2.5)
    other.set(ylim=(0, None))
    plain_axes(other, x="least confidence", y="RSNA's score")
    for each in (axes, other):
        each.axvline(chosen, color=GREY, linestyle=":", linewidth=2)
    figure.text(0.08, 0.97, f"dotted line: the network's own, {chosen:.2f}", fontsize=SMALL, va="top")
    return figure


def chosen_figure(threshold, here, there, best):
    """Return a figure of the score at each threshold on the films where it is chosen, and on the others."""
    figure = new_figure("", size=(7.4, 4.4))
    axes = figure.add_axes((0.11, 0.15, 0.6, 0.75))
    axes.plot(threshold, here, color=BLUE, linewidth=2.5, label="chosen here")
    axes.plot(threshold, there, color=ORANGE, linewidth=2.5, linestyle="--", label="other films")
    axes.axvline(threshold[best], color=GREY, linestyle=":", linewidth=2)
    axes.plot(threshold[best], here[best], "o", color=BLUE, markersize=9)
    axes.plot(threshold[best], there[best], "s", color=ORANGE, markersize=9)
    axes.set(ylim=(0, None))
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL, frameon=False)
    plain_axes(axes, x="least confidence", y="RSNA's score")
    return figure


# Cases of the exercises.


def matches_figure(iou, thresholds, expected, got):
    """Return a figure of overlaps ``(N, M)`` with their numbers, and what was expected at each threshold."""
    if not iou.size or iou.size > 60 or np.shape(got) != expected.shape:
        return None
    figure = new_figure("Who finds whom", size=(9.0, 4.2))
    axes = figure.add_axes((0.1, 0.15, 0.4, 0.65))
    axes.imshow(iou, cmap=MAPS, vmin=0, vmax=1, interpolation="nearest")
    for (row, column), value in np.ndenumerate(iou):
        colour = "black" if value > 0.5 else "white"
        axes.text(column, row, f"{value:.1f}", color=colour, ha="center", va="center", fontsize=SMALL)
    axes.set_xticks(range(iou.shape[1]))
    axes.set_yticks(range(iou.shape[0]))
    plain_axes(axes, x="prediction, best score first", y="truth")
    for row, (threshold, want, have) in enumerate(zip(thresholds, expected, got)):
        text = f"above {threshold:g}: expected {want}, yours {have}"
        figure.text(0.56, 0.75 - 0.09 * row, text, fontsize=LABEL, weight="bold" if want != have else "normal")
    return figure


def image_figure(truth, predicted, scores, expected, got):
    """Return a figure of one image's boxes, with both scores in the title."""
    if not len(truth) + len(predicted):
        return None
    figure = new_figure("The boxes of this image", size=(9.0, 4.2))
    axes = plane(figure, f"expected {expected:.4f}, yours {got:.4f}")
    outline(axes, truth, EXPECTED, "truth")
    outline(axes, predicted, dict(GOT, linewidth=1.8), "predicted")
    for (y1, x1, _, _), score in zip(predicted, scores):
        axes.text(x1, y1, f"{score:.2f}", fontsize=SMALL, va="bottom")
    key(axes)
    return figure


def read_figure(curve, rates, expected, got):
    """Return a figure of a FROC curve and of what was read off it."""
    if np.shape(got) != expected.shape or not len(rates) or np.isnan(curve.false_marks).any():
        return None
    figure = new_figure("Read off the curve", size=(9.0, 4.2))
    axes = figure.add_axes((0.09, 0.15, 0.55, 0.65))
    axes.step(curve.false_marks, curve.sensitivity, where="post", color=INPUT["edgecolor"], label="the curve")
    axes.plot(curve.false_marks, curve.sensitivity, ".", color=INPUT["edgecolor"])
    axes.plot(rates, expected, "o", color=BLUE, markersize=9, label="expected")
    axes.plot(rates, got, "x", color=VERMILION, markersize=9, markeredgewidth=2.5, label="yours")
    plain_axes(axes, x="false marks an image", y="sensitivity")
    key(axes)
    return figure
