"""The bars of an evaluation: best scores class by class, and false marks by class and view."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mini_rcnn.data.header_tables import UNKNOWN
from mini_rcnn.data.rsna import CLASSES

from .evaluation import PLACE, legend, small_figure
from .style import BLACK, SERIES, SHORT_CLASSES, SMALL, number_of, plain_axes, say_empty

LOOKS = dict(zip(CLASSES, (SERIES[2], SERIES[0], SERIES[1])))  # colour and hatch


def scores_figure(results):
    """Return the figure of the images' best scores, a row for each class.

    Counts are on a logarithmic axis: most images score 0, and the few that do not are what is looked for.
    """
    by_class, figure = results["best_score_by_class"], small_figure()
    edges = np.array(by_class["edges"])
    most = max(max(by_class[name]) for name in CLASSES)
    for row, name in enumerate(CLASSES):
        axes = figure.add_axes((0.165, 0.71 - 0.275 * row, 0.8, 0.2))
        axes.set(xlim=(0, 1), ylim=(0.7, 2 * max(most, 2)))
        axes.set_yscale("log")
        colour, hatch = LOOKS[name]
        counts = np.array(by_class[name])
        axes.bar(
            edges[:-1], counts, width=np.diff(edges), align="edge", color=colour, hatch=hatch, edgecolor="white",
            linewidth=0.5,
        )  # fmt: skip
        axes.axvline(results["summary"]["threshold"], ymax=0.95, color=BLACK, linewidth=1.5)
        title = f"{SHORT_CLASSES.get(name, name)}: {number_of(int(counts.sum()), 'image')}"
        plain_axes(axes, x="best score of the image" if row == 2 else None)
        axes.text(0.5, 1.0, title, transform=axes.transAxes, ha="center", va="bottom", fontsize=SMALL)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.minorticks_off()
        if row < 2:
            axes.set_xticklabels([])
    figure.text(0.025, 0.55, "images (logarithmic)", rotation=90, va="center", fontsize=SMALL)
    return figure


def false_marks_figure(results):
    """Return the figure of false marks an image, by view and class."""
    rows, figure = results["false_marks"], small_figure()
    axes = figure.add_axes(PLACE)
    views = list(dict.fromkeys(row["view"] for row in rows))
    if not rows:
        say_empty(axes, "There are no images.")
        return figure
    width = 0.8 / len(CLASSES)
    for place, name in enumerate(CLASSES):
        colour, hatch = LOOKS[name]
        of_class = {row["view"]: row for row in rows if row["class"] == name}
        x = [views.index(view) + (place - 1) * width for view in of_class]
        y = [row["per_image"] for row in of_class.values()]
        axes.bar(
            x, y, width=0.92 * width, color=colour, hatch=hatch, edgecolor="white", label=SHORT_CLASSES.get(name, name)
        )
        for each, height in zip(x, y):
            axes.text(each, height, f"{height:.2f}", ha="center", va="bottom", fontsize=SMALL)
    n_images = {view: sum(row["images"] for row in rows if row["view"] == view) for view in views}
    axes.set_xticks(range(len(views)))
    plain_axes(axes, y="false marks an image")
    room = len(views) < 4  # for words
    names = ["view unknown" if view == UNKNOWN and room else view for view in views]
    counts = [number_of(n_images[view], "image") if room else f"{n_images[view]:,}" for view in views]
    axes.set_xticklabels([f"{name}\n{count}" for name, count in zip(names, counts)], fontsize=SMALL)
    axes.set_xlim(-0.6, len(views) - 0.4)
    axes.set_ylim(0, 1.15 * max([row["per_image"] for row in rows] + [0.02]))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    legend(figure, axes, columns=3)
    return figure
