"""The curves of a training run: its losses over steps and epochs, its learning rate, and its score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, ScalarFormatter

from .run_tables import read_columns, smoothed
from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SMALL,
    VERMILION,
    new_figure,
    number_of,
    plain_axes,
    save_png,
    say_empty,
)  # fmt: skip

# What each loss is called, and how it is drawn: colour, line style and marker, so that colour alone tells nothing.
LOSSES = {
    "rpn_class": ("RPN, object or not", BLUE, "-", "o"),
    "rpn_box": ("RPN, box", BLUE, (0, (4, 2)), "s"),
    "head_class": ("head, class", VERMILION, "-", "^"),
    "head_box": ("head, box", VERMILION, (0, (4, 2)), "v"),
    "head_mask": ("head, mask", GREEN, (0, (1, 1)), "D"),
}
MAX_POINTS = 3000  # single steps that are drawn, evenly picked
WINDOWS = 40  # a smoothed line is the mean over so large a part of the run
NICE = (1, 2, 2.5, 5, 10)  # steps from one number on an axis to the next
ABOVE = 1.5  # the largest value over the 99th percentile from which on an axes ends below it, and says so


def draw_curves(folder):
    """Draw the curves of a run into ``curves.png`` in its folder, whole or not at all.

    Parameters
    ----------
    folder : path
        With ``steps.csv`` and ``epochs.csv``, as `mini_rcnn.training.logs.RunLog` writes them; a run that goes on, or
        has only begun, will do.

    Returns
    -------
    path : Path
        Of the picture.

    Raises
    ------
    DataError
        If a table is missing or cannot be read.
    """
    folder = Path(folder)
    path = folder / "curves.png"
    save_png(curves_figure(read_columns(folder / "steps.csv"), read_columns(folder / "epochs.csv")), path)
    return path


def curves_figure(steps, epochs):
    """Return the figure of a run.

    Parameters
    ----------
    steps, epochs : dict of str to ndarray (N,), float64
        The columns of ``steps.csv`` and of ``epochs.csv``.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    n_steps = len(steps["total"])
    figure = new_figure(title_of(steps, epochs))
    if not n_steps:
        say_empty(figure.add_axes([0, 0, 1, 0.9]), "No step was taken yet.")
        return figure
    places = np.arange(1, n_steps + 1)
    total, parts = figure.add_axes([0.065, 0.53, 0.53, 0.33]), figure.add_axes([0.065, 0.085, 0.53, 0.33])
    draw_total(total, places, steps["total"])
    draw_parts(parts, places, steps)
    draw_beside(figure, places, steps, epochs)
    return figure


def title_of(steps, epochs):
    """Return what happened, in a line."""
    n_steps, n_epochs = len(steps["total"]), len(epochs["epoch"])
    told = f"{number_of(n_steps, 'step')}, {number_of(n_epochs, 'whole epoch')}"
    best = best_place(epochs)
    if best is None:
        return told
    score = epochs["rsna"][best]
    scored = "" if np.isnan(score) else f", RSNA score {score:.3f}"
    loss = epochs["validation_total"][best]
    validation = "" if np.isnan(loss) else f", validation loss {loss:.3f}"
    return f"{told}; best: epoch {epochs['epoch'][best]:.0f}{validation}{scored}"


def best_place(epochs):
    """Return the place of the best epoch, the last that was best so far, or None."""
    places = np.flatnonzero(epochs["best"] == 1)
    return int(places[-1]) if len(places) else None


def draw_steps(axes, places, values, label, colour, line, marker):
    """Draw values of each step as faint points and their mean as a line; with few steps as a line with markers."""
    if len(places) > 2 * WINDOWS:
        picked = np.unique(np.linspace(0, len(places) - 1, min(len(places), MAX_POINTS)).astype(int))
        axes.plot(places[picked], values[picked], ".", color=colour, alpha=0.18, markersize=4, markeredgewidth=0)
        mean = smoothed(values, len(places) // WINDOWS)
        axes.plot(places[picked], mean[picked], color=colour, linestyle=line, linewidth=2, label=label)
    else:
        axes.plot(places, values, color=colour, linestyle=line, linewidth=1.5, marker=marker, markersize=5, label=label)


def fit_height(axes, values):
    """End the axes at what nearly all values are below, and say how many are not."""
    values = values[np.isfinite(values)]
    if not len(values):
        return
    high, most = values.max(), np.percentile(values, 99)
    top = 1.08 * (most if high > ABOVE * most > 0 else high) or 1.0
    axes.set_ylim(0, top)
    above = int((values > top).sum())
    if above:
        text = f"{number_of(above, 'step')} above, up to {high:.3g}"
        axes.text(0.99, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=SMALL, color="#555555")


def draw_total(axes, places, values):
    """Draw the total of each step."""
    draw_steps(axes, places, values, "total", BLACK, "-", "o")
    fit_height(axes, values)
    plain_axes(axes, y="loss", title="each training step: all losses and weight decay together")
    step_axis(axes, places)


def draw_parts(axes, places, steps):
    """Draw the five losses of each step."""
    for name, look in LOSSES.items():
        draw_steps(axes, places, steps[name], *look)
    fit_height(axes, np.max([steps[name] for name in LOSSES], axis=0))
    plain_axes(axes, x="step", y="loss")
    step_axis(axes, places)
    axes.legend(
        fontsize=SMALL, frameon=False, ncol=5, loc="lower left", bbox_to_anchor=(-0.02, 0.99), borderaxespad=0,
        handlelength=1.8, columnspacing=0.9, handletextpad=0.4,
    )  # fmt: skip


def draw_beside(figure, places, steps, epochs):
    """Draw the small charts at the right: epochs, the score where there is one, and the learning rate."""
    scored = np.isfinite(epochs["rsna"]).any()
    height, gap, top = (0.175, 0.125, 0.86) if scored else (0.33, 0.115, 0.86)
    boxes = [[0.68, top - height - i * (height + gap), 0.30, height] for i in range(2 + scored)]
    axes = [figure.add_axes(box) for box in boxes]
    draw_epochs(axes[0], epochs)
    if scored:
        draw_score(axes[1], epochs)
    axes[-1].plot(places, steps["rate"], color=PURPLE, linewidth=2, marker="o" if len(places) == 1 else "")
    axes[-1].set_ylim(0, 1.15 * max(np.nanmax(steps["rate"]), 1e-12))
    plain_axes(axes[-1], x="step", title="learning rate")
    step_axis(axes[-1], places)


def step_axis(axes, places):
    """Set the numbers along the steps."""
    axes.set_xlim(0, max(places[-1], 2) * 1.01)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=NICE))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=NICE))
    if isinstance(axes.yaxis.get_major_formatter(), ScalarFormatter):
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)


def epoch_axis(axes, epochs):
    """Set the numbers along the epochs, and mark the best one."""
    numbers = epochs["epoch"]
    axes.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1, steps=NICE))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=NICE))
    best = best_place(epochs)
    if best is not None:
        axes.axvline(numbers[best], color=GREY, linestyle=":", linewidth=2, label="best", zorder=0)


def draw_epochs(axes, epochs):
    """Draw the mean loss of each epoch, training beside validation."""
    if not len(epochs["epoch"]):
        say_empty(axes, "no whole epoch yet")
        return
    for side, colour, line, marker in (("train", BLUE, "-", "o"), ("validation", ORANGE, "--", "s")):
        values = epochs[f"{side}_total"]
        if np.isfinite(values).any():
            axes.plot(
                epochs["epoch"], values, color=colour, linestyle=line, marker=marker, linewidth=2, label=side,
                markersize=5,
            )  # fmt: skip
    highest = np.nanmax([epochs["train_total"], epochs["validation_total"], np.zeros(len(epochs["epoch"]))])
    axes.set_ylim(0, 1.15 * highest or 1)
    epoch_axis(axes, epochs)
    plain_axes(axes, x="epoch", y="mean loss")
    axes.legend(
        fontsize=SMALL, frameon=False, ncol=3, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0,
        columnspacing=1.2, handletextpad=0.5,
    )  # fmt: skip


def draw_score(axes, epochs):
    """Draw the RSNA score of each epoch."""
    axes.plot(epochs["epoch"], epochs["rsna"], color=GREEN, marker="D", markersize=5, linewidth=2)
    axes.set_ylim(0, max(1.15 * np.nanmax(epochs["rsna"]), 0.1))
    epoch_axis(axes, epochs)
    plain_axes(axes, x="epoch", title="RSNA score, validation")
