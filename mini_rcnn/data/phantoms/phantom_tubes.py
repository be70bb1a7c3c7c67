"""Tubes as X-rays see them: bones, vessels and airways, laid down point by point along a line.

A tube is brightest where the rays run longest in its wall. A rib shows two bright borders for that reason, and is
brightest at the side of the chest, where it is seen end-on: nothing is outlined, the sum of the points does it.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np

from .phantom_types import WORK

CHUNK = 1 << 14  # points summed up at a time: they stay in the processor's cache, which is three times faster


def splat(points, weights, *, size=WORK):
    """Add points to an empty picture, each shared between the four pixels around it.

    Parameters
    ----------
    points : ndarray of shape (2, N)
        Rows and columns, work pixels; points outside the picture are left out.
    weights : ndarray of shape (N,)
        What each point adds, summed over the pixels.
    size : int
        Pixels a side.

    Returns
    -------
    picture : ndarray of shape (size, size), float32

    Examples
    --------
    >>> import numpy as np
    >>> splat(np.array([[1.0], [0.25]]), np.array([4.0]), size=3).tolist()
    [[0.0, 0.0, 0.0], [3.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return gather([(points, np.asarray(weights))], size=size)


def gather(tubes, *, size=WORK):
    """Return one picture (size, size) of a list of tubes, each points (2, N) and weights (N,); see `splat`."""
    n_points = sum(len(weights) for _, weights in tubes)
    corner, shares = np.empty(n_points, np.intp), np.empty((4, n_points))
    done = 0
    for points, weights in tubes:
        for start in range(0, len(weights), CHUNK):
            part = slice(start, start + CHUNK)
            done = share_out(points[:, part], weights[part], corner, shares, done, size)
    picture = np.zeros(size * size)
    if done:
        first = corner[:done].min()
        corner[:done] -= first  # counted from the first pixel that is met: many a picture is mostly empty
        for offset, share in zip((0, 1, size, size + 1), shares):
            found = np.bincount(corner[:done], share[:done])
            picture[first + offset : first + offset + len(found)] += found
    return picture.reshape(size, size).astype(np.float32)


def share_out(points, weights, corner, shares, done, size):
    """Write points' upper left pixels and their shares of the weights after the first ``done``; return how many now."""
    rows, columns = points
    if not (points.min() >= 0 and points.max() < size - 1):
        inside = (rows >= 0) & (rows < size - 1) & (columns >= 0) & (columns < size - 1)
        rows, columns, weights = rows[inside], columns[inside], weights[inside]
    top, left = np.floor(rows), np.floor(columns)
    part = slice(done, done + len(weights))
    corner[part] = top * size + left
    lower, right = weights * (rows - top), columns - left
    upper = weights - lower
    shares[1, part], shares[3, part] = upper * right, lower * right
    shares[0, part], shares[2, part] = upper - shares[1, part], lower - shares[3, part]
    return part.stop


@functools.lru_cache(maxsize=256)
def across(n_points, wall):
    """Return places (n,) in (-1, 1) across a tube and the path (n,) of a ray there, 1 in the middle of a solid one.

    ``wall`` is the wall's share of the radius; 1 is solid.
    """
    places = (np.arange(n_points) + 0.5) / n_points * 2 - 1
    hollow = 1 - wall
    path = np.sqrt(1 - places**2)
    return places, path - np.sqrt(np.maximum(hollow**2 - places**2, 0))


def tube(line, half_width, value, *, wall=1.0, filling=0.0, n_across=0):
    """Return points (2, N) and weights (N,) of a tube, for `splat`.

    Parameters
    ----------
    line : ndarray of shape (..., S, 2)
        Rows and columns of its middle, less than two pixels apart; leading axes are more tubes.
    half_width : ndarray of shape (..., S) or float
        Pixels.
    value : ndarray of shape (..., S) or float
        Attenuation in the middle, were it solid bone or blood.
    wall : float
        The wall's share of the radius; 1 is solid.
    filling : float
        Attenuation of what is inside the wall, the wall's being 1.
    n_across : int
        Points across; 0 takes so many that they lie less than a pixel apart.
    """
    half_width = np.broadcast_to(np.asarray(half_width, float), line.shape[:-1])
    value = np.broadcast_to(np.asarray(value, float), line.shape[:-1])
    steps = np.empty_like(line)
    steps[..., 1:-1, :] = (line[..., 2:, :] - line[..., :-2, :]) / 2
    steps[..., 0, :], steps[..., -1, :] = line[..., 1, :] - line[..., 0, :], line[..., -1, :] - line[..., -2, :]
    length = np.maximum(np.hypot(steps[..., 0], steps[..., 1]), 1e-6)
    places, path = across(n_across or int(2.4 * half_width.max()) + 3, wall)
    path = path * (1 - filling) + filling * np.sqrt(1 - places**2)
    aside = half_width / length
    # Places across are the first axis: there may be two of them, and NumPy's inner loop would then be two steps long.
    places, path = (each.reshape((-1,) + (1,) * half_width.ndim) for each in (places, path))
    points = np.empty((2, len(places)) + half_width.shape)
    points[0] = line[..., 0] - (aside * steps[..., 1]) * places
    points[1] = line[..., 1] + (aside * steps[..., 0]) * places
    weights = (value * length * 2 * half_width / len(places)) * path
    return points.reshape(2, -1), weights.ravel()


def curve(knots, n_points):
    """Return a smooth line (n_points, 2) through knots (K, 2): Catmull and Rom's."""
    knots = np.asarray(knots, float)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    place = np.linspace(0, len(knots) - 1, n_points)
    first = np.minimum(place.astype(int), len(knots) - 2)
    t = (place - first)[:, None]
    a, b, c, d = (padded[first + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def blurred(picture, sigma):
    """Return a picture blurred by a Gaussian; wide ones at a quarter of the size, which nobody can tell apart."""
    if sigma < 6:
        return cv2.GaussianBlur(picture, (0, 0), sigma)
    height, width = picture.shape
    small = cv2.resize(picture, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), (width, height), interpolation=cv2.INTER_LINEAR)


def filled(outline, *, size=WORK):
    """Return the soft mask, float32 in [0, 1], of polygons: one (K, 2) of rows and columns, or a list of them."""
    polygons = [outline] if isinstance(outline, np.ndarray) else outline
    mask = np.zeros((size, size), np.uint8)
    for polygon in polygons:
        points = np.rint(np.asarray(polygon)[:, ::-1] * 16).astype(np.int32)
        cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def noise(rng, period, *, size=WORK):
    """Return smooth noise (size, size), float32, mean 0 and spread about 1, that varies over ``period`` pixels."""
    count = int(size / period) + 3
    grid = rng.standard_normal((count, count)).astype(np.float32)
    picture = cv2.resize(grid, (int(count * period), int(count * period)), interpolation=cv2.INTER_CUBIC)
    return picture[:size, :size] * np.float32(1.3)
