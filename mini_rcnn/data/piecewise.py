"""Bending a film and its masks together: the points of a grid move, and what lies between goes along."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from mini_rcnn.stages._check import number_array, shaped

from .warps import film_and_masks, warp_masks


def piecewise_affine(image, masks, *, offsets):
    """Return a film and its masks bent: the points of a grid each move a little, and what lies between goes along.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    masks : ndarray of shape (N, H, W), bool
    offsets : ndarray of shape (rows, columns, 2), float
        For each point of a grid from corner to corner, rows and columns at least 2: how far down and to the right of it
        the result finds its pixel, as parts of height and width. (So things move the other way.)

    Returns
    -------
    image : ndarray of shape (H, W), uint8
        Bilinear; where the map leaves the film it repeats the outermost pixels.
    masks : ndarray of shape (N, H, W), bool
        Each pixel is on or off as the nearest one was.

    Raises
    ------
    ValueError
        If image, masks or offsets have another shape, or the offsets fold the picture over (see `smallest_stretch`).

    Notes
    -----
    Between four grid points the offset is bilinear. imgaug's PiecewiseAffine (scikit-image's
    PiecewiseAffineTransform) cuts the grid into triangles and is affine in each, hence the name; at the grid points the
    two agree, and between them they differ by no more than a quarter of what the four corners' offsets lack from lying
    in one plane. Bilinear needs no triangulation, and OpenCV's remap makes it some forty times faster.

    Examples
    --------
    >>> image, masks = np.array([[10, 20, 30, 40]] * 2, dtype=np.uint8), np.zeros((0, 2, 4), dtype=bool)
    >>> offsets = np.zeros((2, 2, 2))
    >>> offsets[:, 0, 1] = 0.4  # the left edge takes its pixels from nearly the middle
    >>> piecewise_affine(image, masks, offsets=offsets)[0].tolist()
    [[24, 30, 36, 40], [24, 30, 36, 40]]
    """
    image, masks = film_and_masks(image, masks)
    offsets = offsets_array(offsets)
    stretch = smallest_stretch(offsets)
    if not stretch > 0:
        raise ValueError(f"offsets must not fold the picture, got a smallest stretch of {stretch:g}")
    map_y, map_x = sampling_map(image.shape, offsets)

    def look_up(plane, flags):
        return cv2.remap(plane, map_x, map_y, flags, borderMode=cv2.BORDER_REPLICATE)

    return look_up(image, cv2.INTER_LINEAR), warp_masks(masks, lambda plane: look_up(plane, cv2.INTER_NEAREST))


def offsets_array(offsets):
    """Return offsets as a finite float array (rows, columns, 2) of at least 2 by 2 points, or raise ValueError."""
    offsets = shaped("offsets", number_array("offsets", offsets), (None, None, 2))
    if min(offsets.shape[:2]) < 2:
        raise ValueError(f"offsets must have at least 2 rows and 2 columns, got {offsets.shape}")
    return offsets


@functools.lru_cache(maxsize=64)
def hat_weights(n_pixels, n_points):
    """Return (n_pixels, n_points): the share of each grid point at the middle of each pixel, along one side.

    >>> hat_weights(4, 2).tolist()
    [[0.875, 0.125], [0.625, 0.375], [0.375, 0.625], [0.125, 0.875]]
    """
    places = (np.arange(n_pixels) + 0.5) / n_pixels * (n_points - 1)
    return unchanging(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(n_points))))


def grid_places(offsets):
    """Return (rows, columns, 2): where the grid points look things up, as parts of height and width."""
    return still_grid(*offsets.shape[:2]) + offsets


@functools.lru_cache(maxsize=64)
def still_grid(rows, columns):
    """Return (rows, columns, 2): where the points of a grid lie, from corner to corner, as parts of height and width.

    >>> still_grid(2, 2).tolist()
    [[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]]
    """
    sides = [np.linspace(0, 1, count) for count in (rows, columns)]
    return unchanging(np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1))


def unchanging(array):
    """Return the array, which may not be written to any more: it is kept, and every caller gets the same one."""
    array.setflags(write=False)
    return array


def sampling_map(size, offsets):
    """Return where each pixel of the result finds its own: rows and columns, float32, pixel i's middle at i."""
    places = grid_places(offsets) * size - 0.5
    weights_y, weights_x = hat_weights(size[0], offsets.shape[0]), hat_weights(size[1], offsets.shape[1])
    # einsum and not @: a BLAS wakes its threads for this, and where other processes hold the cores it waits for them.
    rows = np.einsum("ip,pqa->aiq", weights_y, places)  # (2, H, columns of the grid)
    both = np.einsum("iq,qj->ij", rows.reshape(-1, offsets.shape[1]), np.ascontiguousarray(weights_x.T))  # (2 H, W)
    return tuple(both.astype(np.float32).reshape(2, *size))


def smallest_stretch(offsets):
    """Return the least area that any small piece of the map covers, relative to no offsets at all.

    Parameters
    ----------
    offsets : ndarray of shape (rows, columns, 2), float
        As `piecewise_affine`.

    Returns
    -------
    stretch : float
        The smallest Jacobian determinant: 1 without offsets; 0 or less where the map folds over, and then two places of
        the result show the same place of the film, and no box can follow.

    Notes
    -----
    In a cell the map is bilinear, so its determinant is linear along every line of the grid: it is smallest at a corner
    of the cell, and looking at the corners is enough.

    Examples
    --------
    >>> offsets = np.zeros((2, 2, 2))
    >>> offsets[0, 0] = 0.25, 0.25
    >>> smallest_stretch(offsets)
    0.5
    """
    offsets = offsets_array(offsets)
    places = grid_places(offsets) * (np.array(offsets.shape[:2]) - 1)  # in cells
    down, right = np.diff(places, axis=0), np.diff(places, axis=1)  # (rows - 1, columns, 2), (rows, columns - 1, 2)
    corners = [
        a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
        for a in (down[:, :-1], down[:, 1:])
        for b in (right[:-1], right[1:])
    ]
    return float(np.min(corners))
