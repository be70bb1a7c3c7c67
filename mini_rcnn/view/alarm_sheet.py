"""Sheets of false alarms: each with what is there and the true opacities most like it, and the counts by cause."""

from __future__ import annotations

import functools
import math
import re

import numpy as np
from matplotlib.lines import Line2D

from .detections import STATEMENT
from .films import fitted
from .style import (
    BLUE,
    LABEL,
    PREDICTION,
    SERIES,
    SHORT_CLASSES,
    SMALL,
    TRUTH,
    draw_boxes,
    new_figure,
    number_of,
    plain_axes,
    save_png,
    say_empty,
)

A_PAGE, COLUMNS = 12, 3
WIDTH, CELL, HEAD, FOOT = 15.0, 2.75, 1.2, 0.45  # inches: of a page, of a row of alarms, of what is above and below
CROP, SMALL_CROP = 2.4, 0.71  # inches, sides of the pictures
CONTEXT, LEAST_CONTEXT = 1.5, 0.4  # a crop's side: of the box's longer side, and at least of the film's shorter
NEAR_CONTEXT = 1.3
CLASSES = ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")
BAR, CHART = 0.32, 1.6  # inches: a bar's height, and what a chart needs besides


def draw_sheets(told, truths, film_of, words, folder, *, limit):
    """Draw the sheets of alarms into a folder and return their paths.

    Parameters
    ----------
    told : dict
        See `mini_rcnn.alarms.report.explain`.
    truths : mapping of str to ndarray (N, 4)
        The true boxes of each film, pixels of the film.
    film_of : callable
        Of an id: the film, (H, W) uint8.
    words : mapping of str to str
        What each cause is called.
    folder : path
        ``alarms-01.png``, ``alarms-02.png`` and so on are written.
    limit : int
        At most so many alarms are drawn, the highest scores first. The first page is there without any, too.
    """
    alarms, paths = told["alarms"][:limit], []
    film_of = functools.lru_cache(maxsize=64)(film_of)
    n_pages = max(1, math.ceil(len(alarms) / A_PAGE))
    for page in range(n_pages):
        shown = alarms[page * A_PAGE : (page + 1) * A_PAGE]
        figure = alarm_page(told, shown, truths, film_of, words, page=page, n_pages=n_pages)
        paths.append(folder / f"alarms-{page + 1:02d}.png")
        save_png(figure, paths[-1])
    return paths


def alarm_page(told, shown, truths, film_of, words, *, page=0, n_pages=1):
    """Return one page: up to 12 alarms in three columns, and on the first page the charts below them."""
    rows, first = math.ceil(len(shown) / COLUMNS), page == 0
    n_bars = max(len(told["counts"]), 6)
    chart = (CHART + BAR * n_bars) if first else 0.0
    height = HEAD + CELL * rows + chart + FOOT
    n_all = len(told["alarms"])
    title = f"{number_of(n_all, 'false alarm')} with a score of {told['above']:g} or more"
    title += f", on {number_of(sum(told['films'].values()), 'film')}"
    figure = new_figure(title + (f"; page {page + 1} of {n_pages}" if n_pages > 1 else ""), size=(WIDTH, height))
    figure.texts[0].set_position((0.02, 1 - 0.12 / height))
    write_legend(figure, height, told, known=bool(shown))
    for place, alarm in enumerate(shown):
        row, column = divmod(place, COLUMNS)
        corner = (0.3 + column * (WIDTH - 0.4) / COLUMNS, height - HEAD - row * CELL)  # inches, upper left
        draw_alarm(figure, alarm, corner, truths, film_of)
    if first:
        draw_charts(figure, told, words, bottom=FOOT, height=chart)
    figure.text(1 - 0.2 / WIDTH, 0.12 / height, STATEMENT, fontsize=SMALL, ha="right", va="bottom", color="#555555")
    return figure


def write_legend(figure, height, told, *, known):
    """Write below the title what lines and numbers mean."""
    if not known:
        return
    handles = [
        Line2D([], [], color=style["edgecolor"], linestyle=style["linestyle"], linewidth=2, label=label)
        for label, style in (("false alarm", PREDICTION), ("truth", TRUTH))
    ]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.3 / WIDTH, 1 - 0.48 / height), ncol=2, fontsize=SMALL,
        frameon=False, borderaxespad=0, handlelength=2.2, columnspacing=1.2,
    )  # fmt: skip
    if told["distances"]["unit"] is not None:
        text = "Small: the true opacities of other patients that lie nearest for the box head, and how far; 1 is usual "
        text += "between true opacities."
        figure.text(3.5 / WIDTH, 1 - 0.51 / height, text, fontsize=SMALL, va="top")
    if told["chance"] is not None:
        text = (
            "Strength: as it was drawn; adds: how much brighter it makes the box on average; 1 is the step from lung "
        )
        text += "to heart."
        figure.text(3.5 / WIDTH, 1 - 0.74 / height, text, fontsize=SMALL, va="top")


def inches(figure, left, top, width, height):
    """Return axes at a place in inches, counted from the left and from the bottom to its top."""
    page_width, page_height = figure.get_size_inches()
    return figure.add_axes([left / page_width, (top - height) / page_height, width / page_width, height / page_height])


def draw_alarm(figure, alarm, corner, truths, film_of):
    """Draw one alarm: its crop, its words beside it, and its neighbours below those."""
    left, top = corner
    box, truth = np.array(alarm["box"]), truths[alarm["image"]]
    draw_crop(inches(figure, left, top, CROP, CROP), film_of(alarm["image"]), box, predicted=[box], truth=truth)
    left, wide = left + CROP + 0.1, 3 * SMALL_CROP + 0.08
    page_width, page_height = figure.get_size_inches()
    class_name = SHORT_CLASSES.get(alarm["class"], alarm["class"])
    figure.text(left / page_width, top / page_height, f"{alarm['score']:.3f}  {class_name}", fontsize=LABEL,
                weight="bold", va="top")  # fmt: skip
    words = fitted(broken(alarm["words"]), wide, lines=5)
    figure.text(left / page_width, (top - 0.32) / page_height, words, fontsize=SMALL, va="top", linespacing=1.15)
    if not alarm["nearest"]:
        return
    for place, near in enumerate(alarm["nearest"]):
        x, near_box = left + place * (SMALL_CROP + 0.04), truths[near["image"]][near["truth"]]
        axes = inches(figure, x, top - CROP + SMALL_CROP, SMALL_CROP, SMALL_CROP)
        draw_crop(axes, film_of(near["image"]), near_box, truth=[near_box], context=NEAR_CONTEXT, least=0.0)
        figure.text((x + SMALL_CROP / 2) / page_width, (top - CROP + SMALL_CROP + 0.05) / page_height,
                    f"{near['distance']:.2f}", fontsize=SMALL, ha="center", va="bottom")  # fmt: skip


def broken(words):
    r"""Return words with a line for each part, and no line that ends between a name and its number.

    >>> broken("a mass; strength 0.66, adds 0.27").split("\n")
    ['a mass', 'strength\xa00.66, adds\xa00.27']
    """
    return re.sub(r" (?=\d)", "\u00a0", words.replace("; ", "\n"))


def draw_crop(axes, film, box, *, predicted=(), truth=(), context=CONTEXT, least=LEAST_CONTEXT):
    """Draw the part of a film around a box, as a square, with the boxes that lie in it."""
    y1, x1, y2, x2 = crop_of(box, film.shape, context=context, least=least)
    axes.imshow(film[y1:y2, x1:x2], cmap="gray", vmin=0, vmax=255, interpolation="bilinear", aspect="auto")
    shift = np.array([y1, x1, y1, x1])
    draw_boxes(axes, [each - shift for each in truth], TRUTH)
    draw_boxes(axes, [each - shift for each in predicted], PREDICTION)
    axes.set(xticks=[], yticks=[], xlim=(-0.5, x2 - x1 - 0.5), ylim=(y2 - y1 - 0.5, -0.5))


def crop_of(box, size, *, context, least):
    """Return ``(y1, x1, y2, x2)``, whole pixels, of a square around a box, moved into the film and cut to it.

    >>> crop_of([10, 10, 30, 50], (100, 100), context=1.5, least=0.0)
    (0, 0, 60, 60)
    >>> crop_of([40, 40, 50, 50], (100, 100), context=1.5, least=0.4)
    (25, 25, 65, 65)
    """
    y1, x1, y2, x2 = box
    side = min(int(math.ceil(max(context * (y2 - y1), context * (x2 - x1), least * min(size)))), min(size))
    starts = [
        int(np.clip(round((first + last - side) / 2), 0, length - side))
        for first, last, length in ((y1, y2, size[0]), (x1, x2, size[1]))
    ]
    return starts[0], starts[1], starts[0] + side, starts[1] + side


def draw_charts(figure, told, words, *, bottom, height):
    """Draw how many alarms each cause has, by class, and beside it how near alarms lie to true opacities."""
    left = inches(figure, 3.3, bottom + height - 0.45, 4.9, height - CHART)
    right = inches(figure, 9.1, bottom + height - 0.45, 5.6, height - CHART)
    chance, page_height = told["chance"], figure.get_size_inches()[1]
    if chance is not None:
        text = f"{chance['alarms']} of the {chance['of']} that are not about a true opacity lie on something drawn; "
        text += f"moved to the other lung, {chance['mirrored']} would."
        figure.text(0.3 / WIDTH, 0.12 / page_height, text, fontsize=SMALL, va="bottom")
    if not told["alarms"]:
        figure.delaxes(right)
        left.set_position([0.02, 0.1, 0.96, 0.6])
        say_empty(left, f"no false alarm: nothing scores {told['above']:g} or more where there is no opacity")
        return
    draw_counts(left, told, words)
    draw_distances(right, told)


def draw_counts(axes, told, words):
    """Draw a bar for each cause, the most frequent above, in parts by the film's class."""
    names = list(told["counts"])
    start = np.zeros(len(names))
    for class_name, (colour, hatch) in zip(CLASSES, SERIES):
        counts = np.array([told["counts"][name].get(class_name, 0) for name in names])
        short, marked = SHORT_CLASSES.get(class_name, class_name), told["films_with_alarms"][class_name]
        label = f"{short} ({marked} of {number_of(told['films'][class_name], 'film')})"
        axes.barh(np.arange(len(names)), counts, left=start, color=colour, hatch=hatch, edgecolor="white", label=label)
        start += counts
    for place, count in enumerate(start):
        axes.text(count + 0.01 * start.max(), place, f"{count:.0f}", fontsize=SMALL, va="center")
    axes.set_yticks(np.arange(len(names)))
    axes.set_yticklabels([words[name] for name in names])
    axes.set_ylim(max(len(names), 6) - 0.4, -0.6)
    axes.set_xlim(0, 1.1 * start.max())
    plain_axes(axes, x="false alarms", title="What lies under the box")
    axes.xaxis.get_major_locator().set_params(integer=True)
    below = -0.62 / (axes.get_position().height * axes.figure.get_size_inches()[1])
    axes.legend(
        fontsize=SMALL, frameon=False, loc="upper right", bbox_to_anchor=(1.06, below), ncol=3, borderaxespad=0,
        handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip


def draw_distances(axes, told):
    """Draw the shares of alarms, true opacities and dismissed proposals within each distance of a true opacity."""
    distances, looks = told["distances"], (("-", BLUE), ("--", SERIES[1][0]), (":", SERIES[4][0]))
    if distances["unit"] is None:
        say_empty(axes, "too few true opacities to compare with")
        return
    for (name, label), (style, colour) in zip(
        (("opacities", "true opacities"), ("alarms", "false alarms"), ("dismissed", "proposals dismissed")), looks
    ):
        values = np.array(distances[name])
        if len(values):
            shares = np.arange(1, len(values) + 1) / len(values)
            axes.step(np.append(0, values), np.append(0, shares), where="post", color=colour, linestyle=style,
                      linewidth=2.5, label=label)  # fmt: skip
    plain_axes(axes, x="distance to the nearest true opacity of another patient", y="share as near",
               title="How like a true opacity it looks to the box head")  # fmt: skip
    axes.set_ylim(0, 1.03)
    axes.set_xlim(0, 1.15 * max(np.percentile(distances[name], 98) for name in ("opacities", "alarms", "dismissed")
                                if distances[name]))  # fmt: skip
    axes.legend(fontsize=SMALL, frameon=False, loc="lower right")
