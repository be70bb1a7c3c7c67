"""Figures of lab 12: what films without boxes teach, what marks mean where few are ill, and what lies under alarms."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.ticker import PercentFormatter

from .alarm_sheet import draw_crop
from .checked import EXPECTED, GOT, key, outline, plane
from .style import BLUE, GREY, LABEL, ORANGE, SKY, SMALL, VERMILION, new_figure, plain_axes

WIDE = (10.0, 4.4)  # inches
LEFT, RIGHT = (0.09, 0.15, 0.37, 0.72), (0.59, 0.15, 0.37, 0.72)
LOOKS = ((VERMILION, "-", "o"), (ORANGE, "--", "s"), (BLUE, "-.", "D"))
NEAR_CONTEXT = 1.3  # how much of the film around an opacity is shown


def arms_figure(thresholds, marked, sensitivities, equal):
    """Return a figure of the share of healthy films that each arm marks: at one threshold, and at equal sensitivity.

    Parameters
    ----------
    thresholds : sequence of S numbers
    marked : dict of str to sequence of S numbers
        By arm.
    sensitivities : sequence of Q numbers
    equal : dict of str to sequence of Q numbers
    """
    figure = new_figure("", size=WIDE)
    parts = (
        (LEFT, thresholds, marked, "least score of a mark", "the same threshold"),
        (RIGHT, sensitivities, equal, "opacities found", "equal sensitivity"),
    )
    for place, x, shares, label, title in parts:
        axes = figure.add_axes(place)
        for (arm, values), (colour, line, marker) in zip(shares.items(), LOOKS):
            axes.plot(x, values, color=colour, linestyle=line, marker=marker, linewidth=2.5, markersize=7, label=arm)
        axes.set(ylim=(0, 0.55), xticks=x)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.legend(fontsize=SMALL, frameon=False)
        plain_axes(axes, x=label, y="healthy films marked", title=title)
    return figure


def reliability_figure(arms):
    """Return a figure of how often marks of each score are hits, an axes for each arm; ``arms`` is name to bins."""
    figure = new_figure("", size=WIDE)
    for place, (name, bins), (colour, _, _) in zip((LEFT, RIGHT), arms.items(), (LOOKS[0], LOOKS[2])):
        axes, full = figure.add_axes(place), bins.count > 0
        middles = ((bins.edges[1:] + bins.edges[:-1]) / 2)[full]
        axes.bar(middles, bins.share[full], width=0.045, color=colour, hatch="//", edgecolor="white")
        for x, share, count in zip(middles, bins.share[full], bins.count[full]):
            axes.text(x, share + 0.02, str(count), ha="center", fontsize=SMALL)
        axes.plot([0.5, 1], [0.5, 1], color=GREY, linestyle="--", linewidth=2)
        axes.text(0.55, 0.72, "as sure as right", fontsize=SMALL, color="black")
        axes.set(xlim=(0.48, 1.02), ylim=(0, 1.1))
        plain_axes(axes, x="score of a mark", y="share that are hits", title=name)
    return figure


def prevalence_figure(prevalence, values, places):
    """Return a figure of the share of marked films that are healthy, against how many of all films are ill.

    Parameters
    ----------
    prevalence : ndarray of shape (N,)
    values : dict of str to ndarray of shape (N,)
        Of each arm: the share of marked films that are *ill*.
    places : dict of str to float
        Named prevalences.
    """
    figure = new_figure("", size=(8.4, 4.6))
    axes = figure.add_axes((0.11, 0.15, 0.66, 0.72))
    for (arm, value), (colour, line, _) in zip(values.items(), (LOOKS[0], LOOKS[2])):
        axes.plot(prevalence, 1 - value, color=colour, linestyle=line, linewidth=2.5, label=arm)
    for name, x in places.items():
        axes.axvline(x, color=GREY, linestyle=":", linewidth=1.5)
        axes.text(x, 1.02, name, fontsize=SMALL, ha="center", va="bottom")
    axes.set_xscale("log")
    axes.set(ylim=(0, 1.0))
    axes.set_xticks([0.01, 0.1, 0.5])
    axes.set_xticks([], minor=True)
    axes.set_xticklabels(["1 %", "10 %", "50 %"])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    plain_axes(axes, x="films that are ill", y="marked films that are healthy")
    key(axes)
    return figure


def wrapped(words, width):
    r"""Return words with a line for each part, and none longer than so many letters where that can be.

    >>> wrapped("0.974; a mass; strength 0.66", 12).split("\n")
    ['0.974', 'a mass', 'strength', '0.66']
    """
    return "\n".join(line for part in words.split("; ") for line in textwrap.wrap(part, width, break_long_words=False))


def alarms_figure(crops):
    """Return a figure of up to six alarms, each ``(grey, box, truth, words)`` in the grey picture's pixels."""
    figure = new_figure("", size=(10.0, 5.4))
    for number, (grey, box, truth, words) in enumerate(crops[:6]):
        row, column = divmod(number, 3)
        left, bottom = 0.02 + 0.33 * column, 0.55 - 0.45 * row
        axes = figure.add_axes((left, bottom, 0.2, 0.37))  # a square of 2 inches
        draw_crop(axes, grey, box, predicted=[box], truth=truth)
        figure.text(left + 0.207, bottom + 0.37, wrapped(words, 13), fontsize=SMALL, va="top", linespacing=1.3)
    figure.text(0.02, 0.98, "dashed: alarm    solid: truth", fontsize=SMALL, va="top")
    return figure


def neighbours_figure(rows):
    """Return a figure of alarms with the true opacities nearest to them in the head's features.

    Parameters
    ----------
    rows : sequence of (alarm, neighbours)
        ``alarm`` is ``(grey, box, words)``, ``neighbours`` a sequence of ``(grey, box, distance)``.
    """
    figure = new_figure("", size=(9.0, 5.8))
    for number, ((grey, box, words), neighbours) in enumerate(rows):
        bottom = 0.645 - 0.317 * number
        axes = figure.add_axes((0.02, bottom, 0.17, 0.264))  # a square of 1.5 inches
        draw_crop(axes, grey, box, predicted=[box], least=0.0, context=NEAR_CONTEXT)
        figure.text(0.2, bottom + 0.264, wrapped(words, 21), fontsize=SMALL, va="top", linespacing=1.3)
        for place, (near, near_box, distance) in enumerate(neighbours):
            axes = figure.add_axes((0.43 + 0.19 * place, bottom, 0.17, 0.264))
            draw_crop(axes, near, near_box, truth=[near_box], least=0.0, context=NEAR_CONTEXT)
            axes.set_title(f"distance {distance:.2f}", fontsize=SMALL, pad=3)
    figure.text(0.02, 0.995, "alarm, dashed", fontsize=LABEL, va="top")
    figure.text(0.43, 0.995, "nearest true opacities, solid", fontsize=LABEL, va="top")
    return figure


def distances_figure(groups):
    """Return a figure of distances to the nearest true opacity: a row of points for each named group."""
    figure = new_figure("", size=(9.0, 3.6))
    axes = figure.add_axes((0.27, 0.2, 0.7, 0.7))
    for place, (values, colour, marker) in enumerate(zip(groups.values(), (BLUE, VERMILION, GREY), "osD")):
        heights = -place + 0.25 * np.linspace(-1, 1, max(len(values), 1))[: len(values)]
        axes.plot(np.sort(values), heights, marker, color=colour, markersize=6, alpha=0.8)
        if len(values):
            axes.plot([np.median(values)] * 2, [-place - 0.38, -place + 0.38], color="black", linewidth=2.5)
    axes.set_yticks([-place for place in range(len(groups))])
    axes.set(xlim=(0, None))
    plain_axes(axes, x="distance; 1 is usual between opacities. Line: the median")
    axes.set_yticklabels(list(groups), fontsize=SMALL)
    return figure


# Cases of the exercises.


def asked_figure(curve, sensitivity, expected, got):
    """Return a figure of what is found at each threshold, the share that is asked for, and two thresholds."""
    finite = np.isfinite(curve.thresholds)
    if not finite.any():
        return None
    figure = new_figure("The share at each threshold", size=(9.0, 4.2))
    axes = figure.add_axes((0.09, 0.15, 0.55, 0.65))
    axes.plot(curve.thresholds[finite], curve.sensitivity[finite], "o-", color=GREY, label="the curve")
    axes.axhline(sensitivity, color=SKY, linestyle=":", linewidth=2, label="asked for")
    looks = ((expected, BLUE, "-", "expected"), (got, VERMILION, "--", "yours"))
    for value, colour, line, name in looks:
        if np.isfinite(value):
            axes.axvline(value, color=colour, linestyle=line, linewidth=2.5, label=name)
    plain_axes(axes, x="threshold", y="sensitivity")
    key(axes)
    return figure


def two_boxes_figure(box, other, expected, got):
    """Return a figure of two boxes, with both shares in the title."""
    figure = new_figure("The two boxes", size=(9.0, 4.2))
    axes = plane(figure, f"expected {expected:.4f}, yours {got:.4f}")
    outline(axes, [box], EXPECTED, "box")
    outline(axes, [other], GOT, "other")
    key(axes)
    return figure
