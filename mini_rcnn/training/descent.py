"""A step downhill on plain arrays, and which epoch to keep: to read. `optimiser` and `loop` do it to a network."""

from __future__ import annotations

import numpy as np


def clip_by_norm(gradients, limit):
    """Return gradients, all made smaller alike where the norm of all of them together exceeds a limit.

    Parameters
    ----------
    gradients : list of ndarray, float
        One for each array of weights, of any shapes.
    limit : float
        At least 0; 0 is no limit.

    Returns
    -------
    clipped : list of ndarray
        Of the same shapes. Where the norm is above the limit, all are multiplied by ``limit / norm``; else they stay.

    Notes
    -----
    The norm is the square root of the sum of all squares of all gradients: one number for the whole network, so the
    direction of the step stays what it was. Pascanu et al., ICML 2013, algorithm 1. Keras 2.2.5's ``clipnorm``, which
    Matterport sets to 5, does this; tf.keras's gives each gradient a norm of its own, which turns the step.

    Examples
    --------
    >>> clip_by_norm([np.array([3.0, 4.0]), np.array([[12.0]])], 6.5)
    [array([1.5, 2. ]), array([[6.]])]
    """
    norm = np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients))
    if limit == 0 or norm <= limit:
        return list(gradients)
    return [gradient * (limit / norm) for gradient in gradients]


def momentum_step(weights, velocity, gradient, *, rate, momentum):
    """Return weights and velocity after one step of gradient descent with momentum.

    Parameters
    ----------
    weights, velocity, gradient : ndarray of one shape, float
        The velocity is that of the step before, 0 at the beginning.
    rate : float
        Learning rate.
    momentum : float
        Which part of the velocity stays, from 0 to below 1.

    Returns
    -------
    weights, velocity : ndarray
        Both new; the arguments stay as they are.

    Notes
    -----
    ``v = momentum * v - rate * g``, then ``w = w + v`` with the new ``v``: Sutskever et al., ICML 2013, equations 1 and
    2; Keras's SGD, and so Matterport's (0.9). PyTorch keeps the rate out of the velocity: the same as long as the rate
    stays, another step when it changes.

    Examples
    --------
    >>> momentum_step(np.array([1.0]), np.array([-0.5]), np.array([2.0]), rate=0.25, momentum=0.5)
    (array([0.25]), array([-0.75]))
    """
    velocity = momentum * velocity - rate * gradient
    weights = weights + velocity
    return weights, velocity


def best_epoch(losses):
    """Return which epoch has the lowest validation loss.

    Parameters
    ----------
    losses : sequence of float
        One an epoch; one that is not finite (NaN, infinity) counts for nothing.

    Returns
    -------
    epoch : int
        From 0. Of equal losses the earliest; -1 where no loss is finite.

    Notes
    -----
    The weights of that epoch are kept, whatever comes after: early stopping, Goodfellow et al., *Deep Learning*,
    section 7.8. Matterport keeps every epoch's weights and leaves the choice to its user. `loop` stops a training at a
    loss that is not finite.

    Examples
    --------
    >>> best_epoch([0.9, 0.5, float("nan"), 0.5])
    1
    """
    best = -1
    for epoch, loss in enumerate(losses):
        if np.isfinite(loss) and (best < 0 or loss < losses[best]):
            best = epoch
    return best
