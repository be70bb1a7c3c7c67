"""Calibration: whether eight in ten of what scores 0.8 turn out to be right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.stages._check import rows_array, shaped, whole_number


class Reliability(NamedTuple):
    """Scores in B bins of equal width over [0, 1]: bin b holds what lies in ``(edges[b], edges[b + 1]]``, and 0."""

    edges: np.ndarray  # (B + 1,)
    count: np.ndarray  # (B,), int64
    mean_score: np.ndarray  # (B,), NaN in an empty bin
    share: np.ndarray  # (B,), how many came true; NaN in an empty bin


def reliability(scores, outcomes, *, n_bins=10):
    """Return how often what was scored came true, bin by bin.

    Parameters
    ----------
    scores : ndarray of shape (N,), float
        In [0, 1].
    outcomes : ndarray of shape (N,), bool
        For boxes: is it a hit? For images: is there truth?
    n_bins : int
        How many bins.

    Returns
    -------
    bins : Reliability

    Raises
    ------
    ValueError
        If the shapes differ, a score does not lie in [0, 1], or there is less than one bin.

    Notes
    -----
    Guo et al., "On calibration of modern neural networks", ICML 2017, section 2 (acc and conf of a bin).

    Examples
    --------
    >>> bins = reliability(np.array([0.1, 0.8, 0.9]), np.array([False, True, False]), n_bins=2)
    >>> bins.count, bins.mean_score, bins.share
    (array([1, 2]), array([0.1 , 0.85]), array([0. , 0.5]))
    """
    scores, outcomes = scored(scores, outcomes)
    edges = np.linspace(0.0, 1.0, whole_number("n_bins", n_bins, 1) + 1)
    place = np.searchsorted(edges[1:-1], scores, side="left")
    count = np.bincount(place, minlength=n_bins)
    totals = [np.bincount(place, values, minlength=n_bins) for values in (scores, outcomes)]
    means = [np.divide(total, count, out=np.full(n_bins, np.nan), where=count > 0) for total in totals]
    return Reliability(edges, count, *means)


def scored(scores, outcomes):
    """Return scores (N,) of [0, 1] and outcomes (N,) bool."""
    scores = shaped("scores", rows_array("scores", scores, len(scores)), (None,))
    if ((scores < 0) | (scores > 1)).any():
        raise ValueError(f"scores must lie in [0, 1], got {scores.min()} to {scores.max()}")
    outcomes = shaped("outcomes", np.asarray(outcomes), (len(scores),))
    if len(outcomes) and outcomes.dtype != bool:
        raise ValueError(f"outcomes must hold booleans, got dtype {outcomes.dtype}")
    return scores, outcomes.astype(bool)


def expected_calibration_error(bins):
    """Return the mean distance between score and share over the bins, each by its count; NaN without scores.

    Parameters
    ----------
    bins : Reliability
        ``count``, ``mean_score`` and ``share``, each (B,). In an empty bin the count is 0 and the other two are NaN.

    Returns
    -------
    error : float
        In [0, 1]; 0 is best. NaN where every bin is empty.

    Notes
    -----
    ``ECE = sum over b of n_b / n * |acc_b - conf_b|`` with ``n_b`` the count of bin b, ``n`` of all bins, ``acc_b`` the
    share that came true and ``conf_b`` the mean score: Guo et al., ICML 2017, equation 3; Naeini et al., AAAI 2015.
    Matterport measures no calibration.

    Examples
    --------
    >>> expected_calibration_error(reliability(np.array([0.25, 0.75]), np.array([False, True]), n_bins=2))
    0.25
    """
    full = bins.count > 0
    if not full.any():
        return float("nan")
    return float(np.average(np.abs(bins.share - bins.mean_score)[full], weights=bins.count[full]))


def brier_score(scores, outcomes):
    """Return the mean squared distance between score and outcome: 0 is best, NaN without scores.

    ``mean of (score - outcome)^2``: Brier, "Verification of forecasts expressed in terms of probability", 1950, for one
    class (his own sum over two classes is twice this).

    >>> brier_score(np.array([0.5, 1.0]), np.array([False, True]))
    0.125
    """
    scores, outcomes = scored(scores, outcomes)
    return float(np.mean((scores - outcomes) ** 2)) if len(scores) else float("nan")
