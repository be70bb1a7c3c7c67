"""Figures of lab 01: films in a row, windows, counts of boxes, and who is on both sides of a split."""

from __future__ import annotations

import numpy as np

from .films import draw_film
from .style import BLUE, GREY, LABEL, ORANGE, SERIES, SMALL, new_figure, plain_axes

WIDE = 10.0  # inches
SMALL_FILM = 300  # pixels: a smaller one is drawn pixel by pixel
TEXT = {"fontsize": SMALL, "va": "top", "ha": "left"}


def films_figure(films, titles, *, boxes=None, dashed=None, note=""):
    """Return a figure of films in a row.

    Parameters
    ----------
    films : sequence of ndarrays (H, W), uint8
        They need not have one size.
    titles : sequence of str
        One for each film; may have two lines.
    boxes, dashed : sequences of ndarrays (N, 4), optional
        Drawn solid, and dashed, in pixels of each film.
    note : str
        Written below.
    """
    side = min(3.9, (WIDE - 0.2) / len(films) - 0.15)  # inches
    width, height = len(films) * (side + 0.15) + 0.2, side + 0.45 + 0.25 * bool(note)
    figure = new_figure("", size=(width, height))
    for number, film in enumerate(films):
        left, bottom = 0.15 + number * (side + 0.15), 0.05 + 0.25 * bool(note)
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        truth, guess = (() if given is None else given[number] for given in (boxes, dashed))
        draw_film(axes, film, truth, predicted=guess)
        if max(film.shape) < SMALL_FILM:
            axes.images[0].set_interpolation("nearest")  # its pixels are to be seen
        axes.set_title(titles[number], fontsize=SMALL, loc="left")
    figure.text(0.15 / width, 0.25 / height, note, **TEXT)
    return figure


def windows_figure(values, windows, levels):
    """Return a figure of one set of values, their histogram, and what each window makes of them.

    Parameters
    ----------
    values : ndarray of shape (H, W), float
    windows : dict
        ``{name: (center, width)}``, at most three.
    levels : sequence of ndarrays (H, W)
        Of each window, 0 to 255.
    """
    figure = new_figure("", size=(WIDE, 5.3))
    for number, (name, picture) in enumerate(zip(windows, levels)):
        axes = figure.add_axes((0.02 + 0.33 * number, 0.38, 0.31, 0.56))
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes.set_axis_off()
        axes.set_title(name, fontsize=LABEL, loc="left")
    axes = figure.add_axes((0.09, 0.11, 0.87, 0.2))
    inside = values[values > 0]  # the air around the body is one high bar
    axes.hist(inside, bins=150, color=GREY)
    top = axes.get_ylim()[1]
    for number, ((name, (center, width)), (colour, _)) in enumerate(zip(windows.items(), SERIES)):
        row = top * (0.85 - 0.25 * number)
        line = ("-", "--", ":")[number]
        ends = [center - width / 2, center + width / 2]
        axes.plot(ends, [row, row], color=colour, linestyle=line, linewidth=3, marker="|", markersize=12)
        axes.annotate(name, (ends[1], row), xytext=(6, 0), textcoords="offset points", fontsize=SMALL, va="center")
    axes.set_xlim(0, 1.22 * values.max())
    axes.set_yticks([])
    plain_axes(axes, x="stored value", y="pixels")
    return figure


def counts_figure(by_rows, by_boxes):
    """Return a figure of how many images have how many rows, and how many boxes, side by side.

    Parameters
    ----------
    by_rows, by_boxes : dict
        ``{how many: images}``.
    """
    figure = new_figure("", size=(8.4, 4.2))
    axes = figure.add_axes((0.12, 0.16, 0.86, 0.76))
    numbers = sorted(set(by_rows) | set(by_boxes))
    pairs = ((by_rows, "rows counted", -0.2, SERIES[1]), (by_boxes, "boxes counted", 0.2, SERIES[0]))
    for counted, name, shift, (colour, hatch) in pairs:
        heights = [counted.get(number, 0) for number in numbers]
        bars = axes.bar(np.array(numbers) + shift, heights, 0.38, color=colour, hatch=hatch, edgecolor="white")
        bars.set_label(name)
        for number, height in zip(numbers, heights):
            axes.annotate(f"{height:,}", (number + shift, height), ha="center", va="bottom", fontsize=SMALL)
    axes.set_xticks(numbers)
    axes.margins(y=0.1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    plain_axes(axes, x="how many an image has", y="images")
    axes.legend(fontsize=SMALL, frameon=False, loc="upper right")
    return figure


def known_figure(names, known, unknown):
    """Return a figure of test films: how many show somebody who is in training, one bar for each split."""
    figure = new_figure("", size=(8.4, 2.8))
    axes = figure.add_axes((0.16, 0.26, 0.8, 0.56))
    places = np.arange(len(names))[::-1]
    bars = axes.barh(places, known, 0.6, color=ORANGE, hatch="//", edgecolor="white")
    bars.set_label("shows somebody who is in training")
    axes.barh(places, unknown, 0.6, left=known, color=BLUE, edgecolor="white").set_label("shows a stranger")
    for place, first, second in zip(places, known, unknown):
        text = f"{100 * first / (first + second):.0f} % known"
        axes.annotate(text, (first + second, place), xytext=(-6, 0), textcoords="offset points", fontsize=LABEL,
                      va="center", ha="right", color="white", weight="bold")  # fmt: skip
    axes.set_yticks(places)
    plain_axes(axes, x="test films")
    axes.set_yticklabels(names, fontsize=LABEL)
    axes.legend(fontsize=SMALL, frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncol=2)
    return figure
