"""A training run's tables, read back and made smooth."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from mini_rcnn.data.errors import DataError


def read_columns(path):
    """Return the columns of a CSV file of numbers, by name; an empty cell is NaN, a last line that is cut off no row.

    Parameters
    ----------
    path : path

    Returns
    -------
    columns : dict of str to ndarray (N,), float64

    Raises
    ------
    DataError
        If the file is missing, empty, or holds something that is no number.
    """
    try:
        whole = Path(path).read_text(encoding="utf-8").rpartition("\n")[0]
    except OSError:
        raise DataError(f"{path}: is not there; a run's folder is what `python3 lab.py train --out` made.") from None
    head, *rows = list(csv.reader(whole.splitlines())) or [[]]
    if not head or any(len(row) != len(head) for row in rows):
        raise DataError(f"{path}: is no table of a run: it is empty, or its rows are of different lengths.")
    try:
        values = [[float(cell) if cell else np.nan for cell in row] for row in rows]
    except ValueError as error:
        raise DataError(f"{path}: is no table of a run: {error}.") from None
    return dict(zip(head, np.array(values, dtype=np.float64).reshape(len(rows), len(head)).T))


def smoothed(values, window):
    """Return the mean of the finite values around each place, (N,); at both ends half the window is missing.

    >>> smoothed(np.array([1.0, 5.0, 3.0, 4.0]), 3)
    array([3. , 3. , 4. , 3.5])
    """
    finite = np.isfinite(values)
    sums = np.concatenate([[0], np.cumsum(np.where(finite, values, 0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    places = np.arange(len(values))
    low, high = np.maximum(places - window // 2, 0), np.minimum(places + window // 2 + 1, len(values))
    count = counts[high] - counts[low]
    return np.divide(sums[high] - sums[low], count, out=np.full(len(values), np.nan), where=count > 0)
