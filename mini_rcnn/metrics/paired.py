"""Two detectors on the same films: how much one is better, and whether that is more than chance."""

from __future__ import annotations

import numpy as np

from mini_rcnn.stages._check import rows_array, shaped


def paired_differences(scores_a, scores_b, draws):
    """Return by how much detector A beats detector B in each of several draws of the same films.

    Parameters
    ----------
    scores_a : ndarray of shape (N,), float
        Score of each film under A; NaN where a film has none, as in the challenge a film with neither truth nor mark.
    scores_b : ndarray of shape (N,), float
        The same films under B. A film may have a score under one and none under the other.
    draws : ndarray of shape (D, N), int
        Each row names N films, with replacement: some come twice, some not at all.

    Returns
    -------
    differences : ndarray of shape (D,), float64
        Mean score of A less mean score of B over the films of each draw. Films without a score are left out of their
        own detector's mean; NaN where none is left.

    Raises
    ------
    ValueError
        If the scores are not as many as each other, or a draw is not as long.

    Notes
    -----
    A *paired* bootstrap (Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 16): both detectors
    meet the same films in each draw, so that an easy or a hard draw moves both and only the difference is left. If all
    but a few of the differences lie on one side of 0, it is more than the luck of the films. Matterport measures no
    differences.

    Examples
    --------
    >>> paired_differences(np.array([1.0, 0.5]), np.array([0.5, np.nan]), np.array([[0, 0], [0, 1], [1, 1]]))
    array([0.5 , 0.25,  nan])
    """
    draws = shaped("draws", np.asarray(draws, dtype=np.int64), (None, len(scores_a)))
    rows_array("scores_b", np.nan_to_num(scores_b), len(scores_a))
    means = []
    for scores in (scores_a, scores_b):
        drawn = np.asarray(scores, np.float64)[draws]  # (D, N)
        n_scored = np.sum(~np.isnan(drawn), axis=1)
        means.append(np.divide(np.nansum(drawn, axis=1), n_scored, out=np.full(len(draws), np.nan), where=n_scored > 0))
    return means[0] - means[1]


def draw_by_patient(patients, *, n, seed):
    """Return draws of films for `paired_differences`: patients are drawn, and each brings all of its films.

    Parameters
    ----------
    patients : sequence of N names
        Whose film it is.
    n : int
        How many draws.
    seed : int

    Returns
    -------
    draws : ndarray of shape (n, N), int64
        As many films as there are: patients are drawn until there are enough, and the last one's surplus is cut.

    Examples
    --------
    >>> draw_by_patient(["a", "b", "b"], n=2, seed=1).shape
    (2, 3)
    """
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    films = [np.flatnonzero(patient == number) for number in range(patient.max(initial=-1) + 1)]
    rng, rows = np.random.default_rng(seed), []
    for _ in range(n):
        drawn = rng.integers(0, len(films), len(patient)) if films else []
        rows.append(np.concatenate([np.zeros(0, np.int64), *[films[number] for number in drawn]])[: len(patient)])
    return np.array(rows, dtype=np.int64).reshape(n, len(patient))
