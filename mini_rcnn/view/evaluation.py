"""The curves of an evaluation: precision and recall, FROC, ROC, calibration, and what each threshold would do.

Each is small enough for a phone and has no title: the report has one. The threshold is a diamond on every curve.
"""

from __future__ import annotations

import io

import numpy as np
from matplotlib.ticker import FuncFormatter, PercentFormatter

from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PIXELS_AN_INCH,
    PURPLE,
    SMALL,
    VERMILION,
    new_figure,
    plain_axes,
    say_empty,
)

SIZE = (5.6, 4.0)  # inches
PLACE = (0.165, 0.25, 0.8, 0.71)  # of the axes; what a line is stands below
FINE = 2  # pixels of the file for each of the page: sharp on a projector
MARKS = (0.02, 10)  # false marks an image that FROC shows
WHOLE = (-0.02, 1.02)


def png_of(figure):
    """Return a figure as the bytes of a PNG, without date, program or any other text in it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=FINE * PIXELS_AN_INCH, metadata={"Software": None}, facecolor="white")
    return file.getvalue()


def small_figure():
    """Return an empty figure of the report's size, without a title."""
    figure = new_figure("", size=SIZE)
    figure.texts[0].remove()
    return figure


def numbers(values):
    """Return values of JSON as floats, None as NaN."""
    return np.array(values, dtype=np.float64)


def legend(figure, axes, columns=2):
    """Say below the axes what the lines are."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="lower center", ncol=columns, fontsize=SMALL, frameon=False, bbox_to_anchor=(0.53, 0.0),
        borderaxespad=0, handlelength=2.2, columnspacing=1.2, labelspacing=0.25,
    )  # fmt: skip


def threshold_name(threshold):
    """Return what the legend calls the threshold; at 0 everything counts.

    >>> threshold_name(0.5), threshold_name(0.0)
    ('threshold 0.50', 'everything counts')
    """
    return f"threshold {threshold:.2f}" if threshold else "everything counts"


def mark_threshold(axes, x, y, threshold):
    """Put a diamond where the threshold is, if it is anywhere."""
    if x is not None and y is not None and np.isfinite([x, y]).all():
        axes.plot([x], [y], "D", color=BLACK, markersize=8, zorder=5, clip_on=False, label=threshold_name(threshold))


def at_threshold(curve, names, threshold):
    """Return the point of a curve of falling thresholds that a threshold reaches, or (None, None) before the first."""
    reached = np.flatnonzero(~(numbers(curve["threshold"]) < threshold))  # the infinite one is NaN here
    return tuple(curve[name][reached[-1]] for name in names) if len(reached) else (None, None)


def percent(axes, *, x=True, y=True):
    """Write shares as percent."""
    for wanted, axis in ((x, axes.xaxis), (y, axes.yaxis)):
        if wanted:
            axis.set_major_formatter(PercentFormatter(1, decimals=0))


def precision_recall_figure(results):
    """Return the figure of precision against recall."""
    summary, figure = results["summary"], small_figure()
    axes = figure.add_axes(PLACE)
    curve = summary["average_precision"]["curve"]
    recall, precision = numbers(curve["recall"]), numbers(curve["precision"])
    if not len(recall) or np.isnan(recall).any():
        say_empty(axes, "No box was found, or there is none:\nno curve.")
        return figure
    axes.plot(recall, precision, color=BLUE, linewidth=2.5, label="all predictions")
    figures = summary["figures"]
    mark_threshold(axes, figures["recall"], figures["precision"], summary["threshold"])
    plain_axes(axes, x="boxes of the truth that are found", y="predictions that are right")
    axes.set(xlim=WHOLE, ylim=WHOLE)
    percent(axes)
    legend(figure, axes)
    return figure


def froc_figure(results):
    """Return the figure of sensitivity against false marks, on all images and on healthy ones."""
    summary, figure = results["summary"], small_figure()
    axes, drawn = figure.add_axes(PLACE), False
    looks = (("all", BLUE, "-", "all images"), ("healthy", ORANGE, "--", "images without a box"))
    for name, colour, style, label in looks:
        curve = summary["froc"][name]["curve"]
        marks, sensitivity = numbers(curve["false_marks"]), numbers(curve["sensitivity"])
        if not len(marks) or np.isnan(marks).all() or np.isnan(sensitivity).all():
            continue
        marks = np.maximum(marks, MARKS[0])
        axes.plot(marks, sensitivity, color=colour, linestyle=style, linewidth=2.5, label=label)
        end = max(MARKS[1], marks[-1])
        axes.plot([marks[-1], end], [sensitivity[-1]] * 2, color=colour, linestyle=":", linewidth=1.2)
        if not drawn:
            x, y = at_threshold(curve, ("false_marks", "sensitivity"), summary["threshold"])
            mark_threshold(axes, None if x is None else max(x, MARKS[0]), y, summary["threshold"])
        drawn = True
    if not drawn:
        say_empty(axes, "There is no box to be found: no curve.")
        return figure
    axes.set_xscale("log")
    axes.set(xlim=MARKS, ylim=WHOLE)
    ticks = (0.02, 0.125, 0.5, 1, 2, 8)
    axes.set_xticks(ticks)
    axes.set_xticks([], minor=True)
    axes.set_xticklabels(["≤0.02", "1/8", "1/2", "1", "2", "8"])
    plain_axes(axes, x="false marks an image", y="boxes that are found")
    percent(axes, x=False)
    legend(figure, axes)
    return figure


def roc_figure(results):
    """Return the figure of ROC, image by image."""
    summary, figure = results["summary"], small_figure()
    axes, curve = figure.add_axes(PLACE), summary["image_level"]["curve"]
    x, y = numbers(curve["false_positive_rate"]), numbers(curve["true_positive_rate"])
    if summary["image_level"]["auc"] is None:
        say_empty(axes, "Images with a box and without one\nare needed: no curve.")
        return figure
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.5, label="by chance")
    axes.plot(x, y, color=BLUE, linewidth=2.5, label=f"area {summary['image_level']['auc']:.3f}")
    figures = summary["figures"]
    mark_threshold(axes, 1 - figures["specificity"], figures["sensitivity"], summary["threshold"])
    plain_axes(axes, x="images without a box: marked", y="images with a box: marked")
    axes.set(xlim=WHOLE, ylim=WHOLE)
    percent(axes)
    legend(figure, axes, columns=3)
    return figure


def calibration_figure(results):
    """Return the figure of how often what scores so much is right."""
    figure = small_figure()
    axes, drawn = figure.add_axes(PLACE), False
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.5, label="as it should be")
    for name, colour, style, marker in (("boxes", BLUE, "-", "o"), ("images", ORANGE, "--", "s")):
        bins = results["summary"]["calibration"][name]
        count, x, y = (numbers(bins[key]) for key in ("count", "mean_score", "share"))
        full = count > 0
        if full.any():
            axes.plot(x[full], y[full], color=colour, linestyle=style, linewidth=2, label=name)
            area = 12 + 150 * np.sqrt(count[full] / count.max())
            axes.scatter(x[full], y[full], s=area, color=colour, marker=marker, alpha=0.7, clip_on=False, zorder=3)
            drawn = True
    if not drawn:
        axes.clear()
        say_empty(axes, "Nothing was scored.")
        return figure
    plain_axes(axes, x="score", y="share that is right")
    axes.set(xlim=WHOLE, ylim=WHOLE)
    percent(axes, x=False)
    legend(figure, axes, columns=3)
    return figure


def sweep_figure(results):
    """Return the figure of what every threshold would do."""
    summary, figure = results["summary"], small_figure()
    table, axes = summary["by_threshold"], figure.add_axes((0.165, 0.33, 0.8, 0.63))
    specificity = numbers(table["specificity"])
    lines = (
        ("RSNA score", numbers(table["rsna"]), BLUE, "-"),
        ("boxes found (recall)", numbers(table["recall"]), GREEN, "--"),
        ("marks that are right", numbers(table["precision"]), PURPLE, "-."),
        ("healthy images marked", 1 - specificity, VERMILION, ":"),
    )
    for label, values, colour, style in lines:
        if np.isfinite(values).any():
            axes.plot(numbers(table["threshold"]), values, color=colour, linestyle=style, linewidth=2.5, label=label)
    axes.axvline(summary["threshold"], color=BLACK, linewidth=1.2, label=threshold_name(summary["threshold"]))
    plain_axes(axes, x="score from which a box counts", y="share")
    axes.set(xlim=(0, 1), ylim=WHOLE)
    percent(axes, x=False)
    legend(figure, axes)
    return figure


def times_figure(results):
    """Return the figure of the time that each image took; None where it was not measured."""
    times, figure = results["seconds"], small_figure()
    if times is None:
        return None
    axes, edges = figure.add_axes(PLACE), 1000 * numbers(times["edges"])
    axes.bar(edges[:-1], times["counts"], width=np.diff(edges), align="edge", color=BLUE, edgecolor="white")
    axes.axvline(1000 * times["median"], color=BLACK, linestyle="--", linewidth=2, label="median")
    plain_axes(axes, x="milliseconds an image", y="images")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    legend(figure, axes)
    return figure
