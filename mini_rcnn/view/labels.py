"""Places for labels on a picture, so that none lies upon another and none leaves it."""

from __future__ import annotations

import numpy as np

GAP = 3  # pixels between a label and its box


def around(box, size):
    """Return the places (8, 2) of a label around a box, best first: the upper left corner ``(y, x)`` of each.

    Parameters
    ----------
    box : (y1, x1, y2, x2)
        Pixels of the picture.
    size : (height, width)
        Of the label.
    """
    y1, x1, y2, x2 = box
    height, width = size
    above, below, top, bottom = y1 - height - GAP, y2 + GAP, y1 + GAP, y2 - height - GAP
    left, right = x1, x2 - width
    return np.array(
        [(above, left), (below, left), (above, right), (below, right)]
        + [(top, left + GAP), (bottom, left + GAP), (top, right - GAP), (bottom, right - GAP)]
    )


def everywhere(box, size, extent):
    """Return every place of a grid over the picture, (P, 2), the nearest to the box's upper left corner first."""
    height, width = size
    rows = np.arange(0, max(extent[0] - height, 0) + 1, height + GAP)
    columns = np.arange(0, max(extent[1] - width, 0) + 1, max(width / 2, 1))
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    return places[np.argsort(np.abs(places - [box[0], box[1]]).sum(axis=1), kind="stable")]


def free(places, size, taken, extent):
    """Return the first place inside the picture where a label lies upon none that is there, or None."""
    places = places[(places >= 0).all(axis=1) & (places + size <= np.asarray(extent)).all(axis=1)]
    if len(taken):
        ends = places + size  # (P, 2)
        apart = (places[:, None] >= taken[:, 2:] + 1) | (ends[:, None] + 1 <= taken[:, :2])  # (P, L, 2)
        places = places[apart.any(axis=2).all(axis=1)]
    return places[0] if len(places) else None


def label_places(boxes, sizes, extent):
    """Return where the label of each box goes.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        Pixels of the picture; the first choose first.
    sizes : ndarray of shape (N, 2), float
        Height and width of each label, pixels.
    extent : (height, width)
        Of the picture.

    Returns
    -------
    places : list of N entries
        The upper left corner ``(y, x)`` of each, at its box where there is room, else at the nearest free place; None
        where no place is left.

    Examples
    --------
    >>> label_places(np.array([[50.0, 10, 90, 60], [50, 10, 90, 60]]), np.array([[10, 30], [10, 30]]), (100, 100))
    [(37.0, 10.0), (53.0, 13.0)]
    """
    taken, found = np.zeros((0, 4)), []
    for box, size in zip(boxes, sizes):
        place = free(around(box, size), size, taken, extent)
        if place is None:
            place = free(everywhere(box, size, extent), size, taken, extent)
        found.append(None if place is None else tuple(float(value) for value in place))
        if place is not None:
            taken = np.concatenate([taken, [[*place, *(place + size)]]])
    return found
