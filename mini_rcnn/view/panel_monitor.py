"""What the training monitor draws: a run's losses over its epochs, and a table of the newest ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .run_tables import smoothed
from .run_words import rows
from .shapes import line, point, text

SIZE = (430, 760)  # (height, width), pixels of the screen
TOP, BOTTOM, LEFT, RIGHT = 46, 380, 64, 615
PARTS = {
    "total": "total loss",
    "rpn_class": "RPN, object or not",
    "rpn_box": "RPN, box",
    "head_class": "head, class",
    "head_box": "head, box",
    "head_mask": "head, mask",
}
CHOICES = {**PARTS, "all": "all five losses", "rsna": "challenge's score"}
FIVE = dict(zip(list(PARTS)[1:], ("line", "other", "anchor", "kept", "removed")))
MOST = 400  # single steps that are drawn
WINDOWS = 40  # a smoothed line is the mean over so large a part of the run
PERCENTILE = 99  # of single steps; a peak above it is cut


class Curve(NamedTuple):
    """One line of the chart."""

    name: str
    x: np.ndarray  # epochs that are done, or steps
    y: np.ndarray  # what is not finite is left out
    style: str
    marked: bool  # whether each value is a point


def curves_of(run, which):
    """Return the curves of a choice, and the unit of their x.

    Parameters
    ----------
    run : mini_rcnn.view.run_state.RunState
    which : str
        One of `CHOICES`.
    """
    epochs, steps = run.epochs, run.steps
    numbers = epochs.get("epoch", np.zeros(0))
    if which == "rsna":
        return [Curve("score", numbers, epochs.get("rsna", np.full(len(numbers), np.nan)), "line", True)], "epoch"
    if which == "all":
        judged = any(np.isfinite(epochs.get(f"validation_{part}", np.zeros(0))).any() for part in FIVE)
        side = "validation" if judged or not rows(steps) else "train"
        if rows(epochs):
            found = [(part, epochs.get(f"{side}_{part}")) for part in FIVE]
            return [Curve(PARTS[part], numbers, y, FIVE[part], True) for part, y in found if y is not None], "epoch"
        x, unit = step_places(run)
        window = 2 * (len(x) // WINDOWS // 2) + 1
        found = [(part, steps[part]) for part in FIVE if part in steps]
        return [thinned(Curve(PARTS[part], x, smoothed(y, window), FIVE[part], False)) for part, y in found], unit
    curves, (x, unit) = [], step_places(run)
    if rows(steps) and which in steps:
        window = 2 * (len(x) // WINDOWS // 2) + 1
        curves.append(thinned(Curve("single steps", x, steps[which], "quiet", False)))
        if len(x) > 5:
            curves.append(thinned(Curve("steps, smoothed", x, smoothed(steps[which], window), "anchor", False)))
    if unit == "epoch":
        for side, name, style in (("train", "training", "line"), ("validation", "validation", "other")):
            y = epochs.get(f"{side}_{which}", np.zeros(0))
            if np.isfinite(y).any():
                curves.append(Curve(name, numbers, y, style, True))
    return curves, unit


def step_places(run):
    """Return where each step stands: in epochs where an epoch's length is known, else its number."""
    if not rows(run.steps):
        return np.zeros(0), "epoch"
    if run.n_steps:
        return run.steps["epoch"] - 1 + run.steps["step"] / run.n_steps, "epoch"
    return np.arange(1.0, rows(run.steps) + 1), "step"


def thinned(curve):
    """Return a curve with at most `MOST` values, evenly picked, the last among them."""
    stride = -(-len(curve.x) // MOST) or 1
    return curve._replace(x=curve.x[::-1][::stride][::-1], y=curve.y[::-1][::stride][::-1])


def chart_shapes(run, which, *, logarithmic=False):
    """Return the chart of a choice, and what it had to leave out, in words."""
    curves, unit = curves_of(run, which)
    usable = [drawable(curve.y, logarithmic) for curve in curves]
    left_out = sum(int(np.sum(~good)) for good in usable)
    told = f"{left_out} values cannot be drawn: they are missing, not finite{' or not above 0' * logarithmic}." * (
        left_out > 0
    )
    seen = [values for values in (top_free(curve, good) for curve, good in zip(curves, usable)) if len(values)]
    if not seen:
        return [text(((TOP + BOTTOM) / 2, (LEFT + RIGHT) / 2), "nothing to draw yet", anchor="middle")], told
    values = np.concatenate(seen)
    reach = max(run.n_epochs or 0, *(curve.x.max(initial=0) for curve in curves)) if unit == "epoch" else max(
        curve.x.max(initial=1) for curve in curves
    )  # fmt: skip
    axes = Axes(values.min(), values.max(), max(float(reach), 1.0), logarithmic)
    shapes = axes_shapes(axes, unit)
    heading = CHOICES[which] + (
        " of the validation films" if which == "all" and "validation_total" in run.epochs else ""
    )
    shapes.append(text((14, 4), heading))
    labels = []
    for curve, good in zip(curves, usable):
        shapes += curve_shapes(curve, good, axes)
        if good.any():
            last = np.flatnonzero(good)[-1]
            labels.append(
                (axes.place(curve.x[last], curve.y[last])[0], f"{curve.name} {curve.y[last]:.3f}", curve.style)
            )
    shapes += label_shapes(labels)
    if run.best is not None and unit == "epoch":
        x = axes.place(run.best, values.max())[1]
        shapes.append(line([(TOP, x), (BOTTOM, x)], "quiet"))
        anchor = "end" if x > RIGHT - 100 else "start"
        shapes.append(text((TOP - 6, x), f"best: epoch {run.best}", anchor=anchor))
    return shapes, told


def drawable(values, logarithmic):
    """Return which values can be drawn."""
    finite = np.isfinite(values)
    return finite & (np.where(finite, values, 0) > 0) if logarithmic else finite


def top_free(curve, good):
    """Return the values that decide the axis: peaks of single steps do not."""
    values = curve.y[good]
    if curve.style == "quiet" and len(values) > 20:
        return values[values <= np.percentile(values, PERCENTILE)]
    return values


class Axes:
    """Where a value stands on the chart."""

    def __init__(self, low, high, reach, logarithmic):
        self.logarithmic, self.reach = logarithmic, reach
        if logarithmic:
            self.low, self.high = np.log10(low) - 0.05, np.log10(high) + 0.05
        else:
            self.low, self.high = min(0.0, low), high + 0.05 * (high - min(0.0, low)) or 1.0

    def place(self, x, y):
        """Return the place ``(y, x)`` of a value, cut to the axes."""
        y = np.log10(y) if self.logarithmic else y
        share = (y - self.low) / max(self.high - self.low, 1e-12)
        return BOTTOM - min(max(share, 0), 1) * (BOTTOM - TOP), LEFT + x / self.reach * (RIGHT - LEFT)

    def ticks(self):
        """Return the values that are named at the side."""
        if self.logarithmic:
            decades = range(int(np.floor(self.low)), int(np.ceil(self.high)) + 1)
            every = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
            found = [value for value in every if self.low <= np.log10(value) <= self.high]
            return found[:: -(-len(found) // 8) or 1]
        step = nice_step((self.high - self.low) / 5)
        return [step * number for number in range(int(np.ceil(self.low / step)), int(self.high / step) + 1)]


def nice_step(step):
    """Return the next larger of 1, 2, 2.5, 5 times a power of ten.

    >>> nice_step(0.13), nice_step(30)
    (0.2, 50.0)
    """
    power = 10.0 ** np.floor(np.log10(step))
    return float(next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * (1 - 1e-9)))


def axes_shapes(axes, unit):
    """Return the axes, their numbers and names."""
    shapes = [line([(TOP, LEFT), (BOTTOM, LEFT), (BOTTOM, RIGHT)], "axis")]
    for value in axes.ticks():
        y = axes.place(0, value)[0]
        shapes += [line([(y, LEFT - 4), (y, LEFT)], "axis"), text((y + 4, LEFT - 8), f"{value:g}", anchor="end")]
    step = max(1, int(nice_step(axes.reach / 8)))
    for value in range(0, int(axes.reach) + 1, step):
        x = LEFT + value / axes.reach * (RIGHT - LEFT)
        shapes += [line([(BOTTOM, x), (BOTTOM + 4, x)], "axis"), text((BOTTOM + 19, x), f"{value:,}", anchor="middle")]
    name = "epochs done" if unit == "epoch" else "steps done"
    return [*shapes, text((BOTTOM + 40, (LEFT + RIGHT) / 2), name, anchor="middle")]


def curve_shapes(curve, good, axes):
    """Return a curve's lines, broken where a value is missing, and its points."""
    shapes, places = [], []
    for x, y, fine in zip(curve.x.tolist(), curve.y.tolist(), good.tolist()):
        if fine:
            places.append(axes.place(x, y))
            if curve.marked:
                shapes.append(point(places[-1], curve.style, hint=f"{curve.name}, epoch {x:g}: {y:.4f}"))
        if (not fine or x == curve.x[-1]) and len(places) > 1:
            shapes.append(line(places, curve.style))
        if not fine:
            places = []
    return shapes


def label_shapes(labels):
    """Return each curve's name and last value at the right, apart from each other."""
    shapes, below = [], TOP - 20.0
    for y, words, style in sorted(labels):
        below = max(y + 5, below + 17)
        shapes.append(line([(below - 4, RIGHT + 6), (below - 4, RIGHT + 26)], style))
        shapes.append(text((below, RIGHT + 30), words))
    return shapes


def loss_rows(run):
    """Return the rows of a table of the newest epoch and of the best one: name, training, validation, best."""
    epochs = run.epochs
    if not rows(epochs):
        return []
    place = np.flatnonzero(epochs["epoch"] == run.best) if run.best is not None else []

    def told(name, row):
        value = epochs[name][row] if name in epochs else np.nan
        return f"{value:.3f}" if np.isfinite(value) else "none"

    found = []
    for part, words in PARTS.items():
        best = told(f"validation_{part}", place[0]) if len(place) else "none"
        found.append((words, told(f"train_{part}", -1), told(f"validation_{part}", -1), best))
    found.append((CHOICES["rsna"], "", told("rsna", -1), told("rsna", place[0]) if len(place) else "none"))
    return found
