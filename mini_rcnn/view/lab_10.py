"""Figures of lab 10: schedules, valleys, and what a training does to its losses."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from .checked import SIZE as CHECKED_SIZE
from .style import BLUE, GREEN, GREY, MAPS, ORANGE, SMALL, VERMILION, new_figure, plain_axes

STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VERMILION, ":"))
BESIDE = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5), "fontsize": SMALL, "frameon": False}


def rates_figure(schedules):
    """Return a figure of learning rates over a training, one chart each.

    Parameters
    ----------
    schedules : list of (str, ndarray (N,), ndarray (N,))
        Name, epochs (fractional), rates.
    """
    figure = new_figure("", size=(10.0, 3.6))
    width = 0.98 / len(schedules)
    for place, ((name, epochs, rates), (colour, line)) in enumerate(zip(schedules, STYLES)):
        axes = figure.add_axes((0.095 + place * width, 0.2, width - 0.105, 0.64))
        axes.plot(epochs, rates, color=colour, linestyle=line, linewidth=2.5)
        axes.set_ylim(0, 1.12 * max(rates))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        plain_axes(axes, x="epoch", y="learning rate" if place == 0 else "", title=name)
    return figure


def valley_figure(paths, steepness):
    """Return a figure of a valley from above, and of ways down.

    Parameters
    ----------
    paths : list of (str, ndarray (N, 2))
        Name and the places (x, y) of each step.
    steepness : float
        The loss is ``(x ** 2 + steepness * y ** 2) / 2``.
    """
    figure = new_figure("", size=(10.0, 4.0))
    width = 0.98 / len(paths)
    x, y = np.meshgrid(np.linspace(-2.4, 2.4, 120), np.linspace(-1.5, 1.5, 80))
    for place, (name, path) in enumerate(paths):
        axes = figure.add_axes((0.085 + place * width, 0.16, width - 0.09, 0.7))
        levels = np.geomspace(0.02, 20, 12)
        axes.contour(x, y, (x**2 + steepness * y**2) / 2, levels=levels, cmap=MAPS, linewidths=1)
        axes.plot(path[:, 0], path[:, 1], color=VERMILION, marker="o", markersize=4, linewidth=1.5)
        axes.plot(0, 0, "*", color="black", markersize=14)
        axes.set_xlim(-2.4, 2.4)
        axes.set_ylim(-1.5, 1.5)
        plain_axes(axes, x="x", y="y" if place == 0 else "", title=name)
    return figure


def spreads_figure(names, columns):
    """Return a figure of how large features are, stage after stage, on a logarithmic axis.

    Parameters
    ----------
    names : list of texts
        Of the stages.
    columns : list of (str, list of numbers)
    """
    figure = new_figure("", size=(8.4, 3.8))
    axes = figure.add_axes((0.11, 0.17, 0.48, 0.7))
    for (name, values), (colour, line), marker in zip(columns, STYLES, "os^D"):
        axes.plot(names, values, color=colour, linestyle=line, marker=marker, markersize=9, linewidth=2.5, label=name)
    axes.set_yscale("log")
    plain_axes(axes, x="stage", y="spread of its numbers")
    axes.legend(**BESIDE)
    return figure


def epochs_figure(runs, *, best=None, title=None):
    """Return a figure of losses over epochs.

    Parameters
    ----------
    runs : list of (str, ndarray (N,))
        Name, and a loss an epoch.
    best : int, optional
        From 0: the epoch to mark.
    title : str, optional
    """
    figure = new_figure("", size=(8.6, 3.9))
    axes = figure.add_axes((0.09, 0.16, 0.6, 0.72))
    for (name, losses), (colour, line), marker in zip(runs, STYLES, "os^D"):
        epochs = np.arange(1, len(losses) + 1)
        size = 6 if len(losses) < 15 else 3
        axes.plot(epochs, losses, color=colour, linestyle=line, marker=marker, markersize=size, linewidth=2, label=name)
    if best is not None:
        axes.axvline(best + 1, color=GREY, linestyle=":", linewidth=2.5, label=f"best: epoch {best + 1}", zorder=0)
    axes.set_ylim(0, 1.12 * max(np.nanmax(losses) for _, losses in runs))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    plain_axes(axes, x="epoch", y="loss", title=title)
    axes.legend(**BESIDE)
    return figure


def chosen_figure(losses, expected, got):
    """Return a figure of losses with the epoch expected and the student's."""
    if not np.isfinite(losses).any():
        return None
    figure = new_figure("Which epoch is kept", size=CHECKED_SIZE)
    axes = figure.add_axes((0.09, 0.17, 0.6, 0.64))
    epochs = np.arange(len(losses))
    axes.plot(epochs, np.where(np.isfinite(losses), losses, np.nan), "o-", color=GREY, linewidth=1.5, label="losses")
    for epoch in epochs[~np.isfinite(losses)]:
        axes.text(epoch, np.nanmin(losses[np.isfinite(losses)]), f"{losses[epoch]}", fontsize=SMALL, ha="center")
    axes.axvline(expected, color=BLUE, linestyle="-", linewidth=2, label=f"expected: {expected}")
    axes.axvline(got, color=VERMILION, linestyle="--", linewidth=2, label=f"yours: {got}")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    plain_axes(axes, x="epoch, from 0", y="validation loss")
    axes.legend(**BESIDE)
    return figure


def step_figure(before, expected, got):
    """Return a figure of weights before a step, and where it should and does lead; of few weights alone."""
    if expected.shape != np.shape(got) or not 0 < expected.size <= 12:
        return None
    figure = new_figure("Where the step leads", size=CHECKED_SIZE)
    axes = figure.add_axes((0.09, 0.17, 0.6, 0.64))
    at = np.arange(expected.size)
    for values, colour, marker, name in (
        (before, GREY, "s", "before"),
        (expected, BLUE, "o", "expected"),
        (got, VERMILION, "x", "yours"),
    ):
        axes.plot(at, np.ravel(values), marker, color=colour, markersize=10, mew=2.5, label=name)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlim(-0.6, expected.size - 0.4)
    plain_axes(axes, x="weight", y="its value")
    axes.legend(**BESIDE)
    return figure
