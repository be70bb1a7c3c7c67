"""Who is on the films: age, sex and view by class."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import PercentFormatter

from mini_rcnn.data.rsna import CLASSES

from .data_figures import same_length
from .style import GREY, LABEL, ORANGE, SERIES, SMALL, new_figure, plain_axes, say_empty

LEAST_NAMED = 0.09  # of a bar: a narrower piece has no room for its name
PAD = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}  # behind words that stand on a hatch


def share_bars(axes, class_names, values, title):
    """Draw one full bar for each class, cut by the shares of each value; ``values`` holds a list of text a class."""
    found = sorted({text for of_class in values for text in of_class}, key=lambda text: (text == "unknown", text))
    places, before, unnamed = np.arange(len(class_names)), np.zeros(len(class_names)), False
    for index, text in enumerate(found):
        colour, hatch = (GREY, "\\\\") if text == "unknown" else SERIES[index % (len(SERIES) - 1)]
        shares = np.array([of_class.count(text) / max(1, len(of_class)) for of_class in values])
        axes.barh(
            places, shares, 0.62, left=before, color=colour, hatch=hatch, edgecolor="white", linewidth=0, label=text
        )
        for place, start, share in zip(places, before, shares):
            unnamed |= 0 < share <= LEAST_NAMED
            if share > LEAST_NAMED:
                words = f"{text} {share:.0%}" if share > 0.25 else f"{text}\n{share:.0%}"
                axes.text(start + share / 2, place, words, ha="center", va="center", fontsize=SMALL, bbox=PAD)
        before += shares
    if unnamed:  # a piece too narrow for its name
        axes.legend(fontsize=SMALL, frameon=False, ncol=2, loc="lower right", bbox_to_anchor=(1, 0.98))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set(xlim=(0, 1), ylim=(len(class_names) - 0.5, -0.5))
    axes.set_yticks(places)
    axes.set_yticklabels(class_names)
    plain_axes(axes, x="share of the class's images", title=title)


def people_chart(class_names, ages, sexes, views):
    """Return a figure of age, sex and view by class, image by image.

    Parameters
    ----------
    class_names : sequence of N str
        The class of each image.
    ages : sequence of N numbers or None
        Years.
    sexes, views : sequences of N str or None
        Such as "F" and "PA"; None is drawn as "unknown".

    Returns
    -------
    figure : matplotlib.figure.Figure
        Ages above 120 are slips of the pen and left out; the title says how many, and how many are unknown.

    Raises
    ------
    ValueError
        If the four are not of one length.
    """
    same_length(class_names=class_names, ages=ages, sexes=sexes, views=views)
    known = [name for name in CLASSES if name in set(class_names)]
    order = known + sorted(set(class_names) - set(known))
    rows = [[i for i, name in enumerate(class_names) if name == wanted] for wanted in order]
    usable = [[ages[i] for i in of_class if ages[i] is not None and ages[i] <= 120] for of_class in rows]
    slips, unknown = sum(age is not None and age > 120 for age in ages), sum(age is None for age in ages)
    figure = new_figure(
        f"Who is on {len(class_names):,} films (ages: {unknown:,} unknown, {slips:,} above 120 years left out)"
    )
    if not order:
        say_empty(figure.add_axes([0, 0, 1, 0.9]), "no headers")
        return figure
    names = [f"{name.replace(' / ', ' /' + chr(10))}\n({len(of_class):,})" for name, of_class in zip(order, rows)]
    views_axes, sex_axes, age_axes = (figure.add_axes([left, 0.12, 0.255, 0.72]) for left in (0.13, 0.425, 0.72))
    for axes, values, title in ((views_axes, views, "view"), (sex_axes, sexes, "sex")):
        share_bars(axes, names, [["unknown" if values[i] is None else str(values[i]) for i in r] for r in rows], title)
    draw_ages(age_axes, usable)
    for axes in (sex_axes, age_axes):
        axes.set_yticklabels([])
    return figure


def draw_ages(axes, ages):
    """Draw the middle half of each class's ages as a bar, the median with its number, and a line from 5 to 95 %."""
    for place, of_class in enumerate(ages):
        if of_class:
            least, low, middle, high, most = np.percentile(of_class, (5, 25, 50, 75, 95))
            axes.plot([least, most], [place, place], color="black", linewidth=1.5, marker="|", markersize=22, zorder=1)
            axes.barh(place, high - low, 0.5, left=low, color=ORANGE, edgecolor="black", zorder=2)
            axes.plot([middle, middle], [place - 0.25, place + 0.25], color="black", linewidth=3, zorder=3)
            axes.text(middle, place - 0.3, f"{middle:.0f}", ha="center", fontsize=LABEL)
    axes.set_yticks(np.arange(len(ages)))
    axes.set_ylim(len(ages) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    plain_axes(axes, x="years", title="age (line: 5 to 95 %)")
