"""Who is first: a score under a cap on false alarms."""

from __future__ import annotations

import numpy as np

from mini_rcnn.stages._check import number_array, rows_array, unit_number


def rank_entries(scores, marked, *, most_marked):
    """Return the entries' indices in the order of the leaderboard, first place first.

    Parameters
    ----------
    scores : ndarray of shape (N,), float
        The challenge's score of each entry; higher is better.
    marked : ndarray of shape (N,), float
        In [0, 1]: share of the films without an opacity that an entry marks.
    most_marked : float
        In [0, 1]. An entry is *allowed* if it marks at most this share; exactly this share is allowed.

    Returns
    -------
    order : ndarray of shape (N,), int64
        Allowed entries first: by score, best first; of equal scores the one that marks the smaller share; of equal ones
        the lower index. Then all others: by the share they mark, the smallest first; of equal shares the better score;
        of equal ones the lower index.

    Raises
    ------
    ValueError
        If scores and shares are not as many as each other, a value is not finite, or the cap lies outside [0, 1].

    Notes
    -----
    A detector that fires on every lung finds every pneumonia. So the score alone, or recall alone, is no contest; a cap
    on false alarms makes one. The challenge itself had no cap, but counts a marked healthy film as 0. ``np.lexsort``
    sorts by its *last* key first.

    Examples
    --------
    >>> scores, marked = np.array([0.50, 0.60, 0.55]), np.array([0.02, 0.30, 0.05])
    >>> rank_entries(scores, marked, most_marked=0.05).tolist()
    [2, 0, 1]
    """
    scores = number_array("scores", scores)
    marked = rows_array("marked", marked, len(scores))
    unit_number("most_marked", most_marked)
    over = marked > most_marked
    first, second = np.where(over, marked, -scores), np.where(over, -scores, marked)
    return np.lexsort((second, first, over))  # stable: of equal entries the lower index stays first
