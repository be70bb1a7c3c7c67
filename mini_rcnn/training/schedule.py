"""Which stage an epoch belongs to, and the learning rate of every step."""

from __future__ import annotations

import math
from dataclasses import replace

from mini_rcnn.config import require


def with_epochs(training, n_epochs):
    """Return the configuration with so many epochs: stages in their order until it is full, the last cut or longer.

    >>> from mini_rcnn.training.settings import Stage, TrainingConfig
    >>> [one.epochs for one in with_epochs(TrainingConfig((Stage(2, 0.1), Stage(9, 0.01))), 5).stages]
    [2, 3]
    """
    require(isinstance(n_epochs, int) and n_epochs >= 1, "epochs must be a whole number >= 1", n_epochs)
    stages, left = [], n_epochs
    for stage in training.stages:
        if left:
            stages.append(replace(stage, epochs=min(stage.epochs, left)))
            left -= stages[-1].epochs
    stages[-1] = replace(stages[-1], epochs=stages[-1].epochs + left)
    return replace(training, stages=tuple(stages))


def stage_of(training, epoch):
    """Return the number of the stage that an epoch (from 0) belongs to, and which epoch of that stage it is."""
    for number, stage in enumerate(training.stages):
        if epoch < stage.epochs:
            return number, epoch
        epoch -= stage.epochs
    raise ValueError(f"epoch must be below {training.n_epochs}, got {epoch + training.n_epochs}")


def rate_at(training, epoch, step, n_steps):
    """Return the learning rate of a step.

    Parameters
    ----------
    training : TrainingConfig
        Its ``stages`` (each with ``epochs``, ``rate`` and ``final_rate``, which may be None) and ``warm_up_steps``.
    epoch, step : int
        Both from 0; the step is that of the epoch.
    n_steps : int
        Steps of an epoch.

    Returns
    -------
    rate : float
        The stage's ``rate``. With a ``final_rate``, which may be 0, it falls from the one to the other along half a
        cosine: with ``part`` the steps of this stage that are done over all its steps, ``final_rate + (rate -
        final_rate) * (1 + cos(pi * part)) / 2``. Within the first ``warm_up_steps`` steps of the training, step number
        n (from 1) has ``n / warm_up_steps`` of it.

    Notes
    -----
    `stage_of` tells which stage an epoch belongs to. Cosine: Loshchilov and Hutter, SGDR, equation 5, without restarts.
    Warm-up: Goyal et al., Accurate, Large Minibatch SGD, section 2.2; it counts from the training's first step, not
    from a stage's. Matterport has neither: one rate for each call of ``train``.

    Examples
    --------
    >>> from mini_rcnn.training.settings import Stage, TrainingConfig
    >>> training = TrainingConfig((Stage(2, 0.1, final_rate=0.0),), warm_up_steps=2)
    >>> [round(rate_at(training, epoch, step, 2), 4) for epoch in (0, 1) for step in (0, 1)]
    [0.05, 0.0854, 0.05, 0.0146]
    """
    number, epoch_of_stage = stage_of(training, epoch)
    stage = training.stages[number]
    rate = stage.rate
    if stage.final_rate is not None:
        part = (epoch_of_stage * n_steps + step) / (stage.epochs * n_steps)
        rate = stage.final_rate + (stage.rate - stage.final_rate) * 0.5 * (1 + math.cos(math.pi * part))
    done = epoch * n_steps + step + 1
    return rate * min(1.0, done / training.warm_up_steps) if training.warm_up_steps else rate
