"""What is said of a run: how far it is, how much is left, how it goes on."""

from __future__ import annotations

import math

import numpy as np

RECENT = 50  # steps that the pace is taken from


def place_words(facts):
    """Return how far a run is, in words."""
    steps = facts.tables["steps"]
    if not rows(steps):
        return "no step is done"
    epoch, step = int(steps["epoch"][-1]), int(steps["step"][-1])
    of_epochs = f" of {facts.n_epochs}" if facts.n_epochs else ""
    of_steps = f" of {facts.n_steps}" if facts.n_steps else ""
    return f"epoch {epoch}{of_epochs}, step {step}{of_steps}"


def left_words(facts):
    """Return how long the rest of the steps takes at the pace of the last ones, in words."""
    speed, done = pace(facts.tables["timing"]), rows(facts.tables["steps"])
    if facts.n_epochs is None:
        return "How long it will be is not known: it has no description."
    if facts.n_steps is None:
        return "How much is left is known after the first epoch."
    if not math.isfinite(speed):
        return "How long the rest takes is not known."
    left = max(facts.n_epochs * facts.n_steps - done, 0)
    return f"About {duration(left * speed)} of steps left at {speed:.2g} s a step; validation comes on top."


def resume_words(folder):
    """Return how a run goes on."""
    return f"To go on: python3 lab.py train --out {folder} --resume"


def rows(columns):
    """Return how many rows a table has."""
    return len(next(iter(columns.values()))) if columns else 0


def pace(timing):
    """Return the seconds of a step, the median of the last ones; NaN without any."""
    seconds = timing.get("seconds", np.zeros(0))[-RECENT:]
    seconds = seconds[np.isfinite(seconds)]
    return float(np.median(seconds)) if len(seconds) else float("nan")


def duration(seconds):
    """Return a time in words.

    >>> duration(5), duration(95), duration(7300)
    ('5 s', '2 min', '2.0 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def count(number, what):
    """Return a number of things in words.

    >>> count(1, "epoch"), count(1200, "step")
    ('1 epoch', '1,200 steps')
    """
    return f"{number:,} {what}{'s' * (number != 1)}"
