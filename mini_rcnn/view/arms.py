"""The arms of an experiment as a figure: what each marks on healthy films, at equal sensitivity and at equal score."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import PercentFormatter

from .style import BLUE, GREEN, LABEL, ORANGE, PURPLE, SMALL, VERMILION, new_figure, plain_axes, save_png

LOOKS = ((VERMILION, "-", "o"), (ORANGE, (0, (5, 2)), "s"), (BLUE, (0, (1, 1)), "D"), (GREEN, "-.", "^"),
         (PURPLE, (0, (7, 1, 1, 1)), "v"))  # fmt: skip


def draw_arms(results, told, path):
    """Draw the figure of an experiment into a PNG.

    Parameters
    ----------
    results : dict
        See `mini_rcnn.experimenting.compare.compare`.
    told : dict of str to str
        What each arm is, in a few words.
    path : path
    """
    save_png(arms_figure(results, told), path)


def arms_figure(results, told):
    """Return the figure: two axes, a colour, a line style and a marker for each arm."""
    figure = new_figure("What each way to train marks on films without boxes")
    left = figure.add_axes((0.07, 0.2, 0.41, 0.64))
    right = figure.add_axes((0.58, 0.2, 0.4, 0.64))
    for (name, seeds), (colour, style, marker) in zip(results["runs"].items(), LOOKS):
        sensitivities = np.array(next(iter(seeds.values()))["curve"]["sensitivity"])
        rows = np.array([one["curve"]["healthy_marked"] for one in seeds.values()], dtype=float)
        reached = np.isfinite(rows).all(axis=0)
        for row in rows:
            left.plot(sensitivities, row, color=colour, linestyle=style, linewidth=0.8, alpha=0.5)
        left.plot(sensitivities[reached], rows[:, reached].mean(axis=0), color=colour, linestyle=style, linewidth=2.5,
                  label=name)  # fmt: skip
        thresholds = sorted(next(iter(seeds.values()))["at"], key=float)
        shares = [[one["at"][key]["healthy_marked"] for one in seeds.values()] for key in thresholds]
        places = np.arange(len(thresholds))
        right.plot(places, [np.mean(each) for each in shares], color=colour, linestyle=style, marker=marker,
                   markersize=9, linewidth=2, label=name)  # fmt: skip
        for place, each in zip(places, shares):
            right.plot(
                [place] * len(each), each, color=colour, marker=marker, markersize=4, linestyle="none", alpha=0.6
            )
        right.set_xticks(places)
        right.set_xticklabels(thresholds)
    plain_axes(left, x="boxes found (IoU 0.4)", y="films without boxes that are marked", title="at equal sensitivity")
    plain_axes(right, x="score from which a box counts", y="films without boxes that are marked",
               title="at the same threshold")  # fmt: skip
    for axes in (left, right):
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(True, axis="y", linewidth=0.5, alpha=0.5)
        axes.legend(fontsize=LABEL, frameon=False, loc="upper left" if axes is left else "upper right")
    left.set_xlim(0, 1)
    left.xaxis.set_major_formatter(PercentFormatter(1))
    n_seeds = len(next(iter(results["runs"].values())))
    lines = [f"{name}: {told[name]}" for name in results["runs"] if name in told]
    figure.text(0.02, 0.03, "   ".join(lines) + f"\nThick: mean of {n_seeds} trainings; thin lines and small marks: "
                "each of them.", fontsize=SMALL, va="bottom")  # fmt: skip
    return figure
