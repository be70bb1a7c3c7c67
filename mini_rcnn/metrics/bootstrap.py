"""How sure a figure is: intervals from drawing the patients again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.stages._check import number_array, unit_number, whole_number


class Intervals(NamedTuple):
    """Percentile intervals of M figures."""

    low: np.ndarray  # (M,), NaN where no draw gave a number
    high: np.ndarray  # (M,)
    n: np.ndarray  # (M,), int64: draws that gave a number, such as an AUC with both classes in it


def patient_weights(patients, *, n, seed):
    """Yield how often each image counts, (I,) float64, in each of ``n`` draws of as many patients with replacement.

    Parameters
    ----------
    patients : sequence of I names or numbers
        Whose image it is.
    n : int
        How many draws.
    seed : int
        The same one gives the same draws.

    Raises
    ------
    ValueError
        If ``n`` is less than 1, or the patients are not one row.

    Examples
    --------
    >>> [weights.tolist() for weights in patient_weights(["a", "a", "b"], n=3, seed=1)]
    [[1.0, 1.0, 1.0], [0.0, 0.0, 2.0], [2.0, 2.0, 0.0]]
    """
    n = whole_number("n", n, 1)
    names = np.asarray(patients)
    if names.ndim != 1:
        raise ValueError(f"patients must be one row, a patient for each image, got shape {names.shape}")
    distinct, patient = np.unique(names, return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(n):
        drawn = rng.integers(0, len(distinct), len(distinct)) if len(distinct) else np.zeros(0, dtype=np.int64)
        yield np.bincount(drawn, minlength=len(distinct))[patient].astype(np.float64)


def bootstrap(function, patients, *, n=1000, seed=0, level=0.95):
    """Return percentile intervals of one or more figures.

    Parameters
    ----------
    function : callable
        From weights (I,), how often each image counts, to a number or to M numbers; NaN where there is none.
    patients : sequence of I names or numbers
        Whose image it is. Patients are drawn, not images: two images of one patient are not two findings.
    n : int
        How many draws.
    seed : int
        The same one gives the same intervals.
    level : float in [0, 1]
        How much of the draws the interval holds.

    Returns
    -------
    intervals : Intervals

    Raises
    ------
    ValueError
        If ``n`` is less than 1, ``level`` does not lie in [0, 1], or the patients are not one row.

    Notes
    -----
    Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13: the ``(1 - level) / 2`` and
    ``(1 + level) / 2`` quantiles of the draws. A matching does not change when images are drawn again, so a draw only
    weighs what is there: a weight of 2 gives what the image put in twice would. For a function of a detection set that
    takes no weights see `of_drawn_sets`.

    Examples
    --------
    >>> marked = np.array([1.0, 0, 0, 1, 0, 0, 0, 1])
    >>> intervals = bootstrap(lambda weights: np.average(marked, weights=weights), range(8), n=200, seed=3)
    >>> bool(0 <= intervals.low[0] < 3 / 8 < intervals.high[0] <= 1), intervals.n
    (True, array([200]))
    """
    unit_number("level", level)
    draws = np.array([np.atleast_1d(function(weights)) for weights in patient_weights(patients, n=n, seed=seed)])
    draws = number_rows(draws)
    low, high = np.full((2, draws.shape[1]), np.nan)
    for column, values in enumerate(draws.T):
        values = values[~np.isnan(values)]
        if len(values):
            low[column], high[column] = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Intervals(low, high, np.sum(~np.isnan(draws), axis=0))


def number_rows(draws):
    """Return draws (N, M) float64; infinite ones are refused, NaN stands for no number."""
    draws = draws.astype(np.float64)
    number_array("what the function returns", np.where(np.isnan(draws), 0.0, draws))
    return draws


def of_drawn_sets(function, detections):
    """Return a function of weights for `bootstrap` from one of a detection set, which is then made anew in each draw.

    >>> from mini_rcnn.metrics.detection_set import detection_set
    >>> detections = detection_set([("a", [], [], []), ("b", [], [], [])])
    >>> of_drawn_sets(lambda drawn: drawn.ids.tolist(), detections)(np.array([0.0, 2.0]))
    ['b', 'b']
    """
    return lambda weights: function(
        detections.of_images(np.repeat(np.arange(detections.n_images), weights.astype(int)))
    )
