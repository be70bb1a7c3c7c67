"""Figures of lab 13: what settings reach, and how sure a difference is."""

from __future__ import annotations

import numpy as np

from .style import BLACK, BLUE, GREY, ORANGE, SMALL, VERMILION, new_figure, plain_axes


def settings_figure(rows, *, cap, chosen):
    """Return a figure of settings: score against the share of healthy films marked.

    Parameters
    ----------
    rows : list of (name, score, marked)
    cap : float
        Most that may be marked.
    chosen : str
        Name of the one that is chosen.
    """
    figure = new_figure("", size=(7.6, 4.2))
    axes = figure.add_axes((0.13, 0.15, 0.83, 0.78))  # scores that lie near each other have three digits
    for name, score, marked in rows:
        best = name == chosen
        axes.plot(marked, score, "D" if best else "o", color=ORANGE if best else BLUE, markersize=11 if best else 8)
        axes.annotate(name, (marked, score), (8, 5), textcoords="offset points", fontsize=SMALL)
    axes.axvline(cap, color=GREY, linestyle="--", linewidth=2)
    axes.annotate("cap", (cap, axes.get_ylim()[0]), (4, 4), textcoords="offset points", fontsize=SMALL)
    axes.margins(x=0.25, y=0.15)
    plain_axes(axes, x="share of films without an opacity that are marked", y="score")
    return figure


def differences_figure(differences):
    """Return a figure of how a difference falls out in many draws, with 0 and the middle 95 %."""
    figure = new_figure("", size=(7.6, 3.8))
    axes = figure.add_axes((0.1, 0.19, 0.86, 0.72))
    counts, edges = np.histogram(differences, bins=30)
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.5)
    axes.axvline(0, color=BLACK, linewidth=2.5)
    for value in np.quantile(differences, [0.025, 0.975]):
        axes.axvline(value, color=VERMILION, linestyle="--", linewidth=2)
    plain_axes(axes, x="score of A less score of B; solid: 0; dashed: the middle 95 %", y="draws")
    return figure
