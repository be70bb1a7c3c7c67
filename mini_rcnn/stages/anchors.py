"""Anchors: the boxes, laid out on a grid once and for all, that the region proposal network scores."""

from __future__ import annotations

import numpy as np

from ._check import number_array, shaped, size_pair, whole_number


def level_anchors(grid_size, *, scale, ratios, stride, anchor_stride=1):
    """Return the anchors of one pyramid level.

    Parameters
    ----------
    grid_size : (height, width)
        Cells of the level's feature map.
    scale : float
        Side of the square anchor, pixels of the network input.
    ratios : sequence of R floats
        Width divided by height; the area is the same for all.
    stride : int
        Input pixels from one cell to the next.
    anchor_stride : int
        Cells from one anchored cell to the next.

    Returns
    -------
    anchors : ndarray of shape (A, 4), float64
        ``(y1, x1, y2, x2)`` in pixels: rows first, then columns, then ratios. They may reach beyond the image.

    Notes
    -----
    ``h = scale / sqrt(ratio)`` and ``w = scale * sqrt(ratio)`` around ``(row * stride, column * stride)``. That is the
    cell's upper left corner, as in Matterport's ``generate_anchors``; the cell's middle is half a stride further on.

    Examples
    --------
    >>> level_anchors((1, 2), scale=8, ratios=[1], stride=4)
    array([[-4., -4.,  4.,  4.],
           [-4.,  0.,  4.,  8.]])
    """
    rows = np.arange(0, grid_size[0], anchor_stride) * stride
    columns = np.arange(0, grid_size[1], anchor_stride) * stride
    ratios = np.asarray(ratios, dtype=np.float64)
    halves = 0.5 * scale * np.stack([1 / np.sqrt(ratios), np.sqrt(ratios)], axis=1)  # (R, 2): height, width
    centres = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)  # (h, w, 2)
    centres = centres.reshape(-1, 1, 2)  # (h * w, 1, 2), to meet the (R, 2) halves
    return np.concatenate([centres - halves, centres + halves], axis=-1).reshape(-1, 4)


def pyramid_anchors(image_size, *, scales, ratios, strides, anchor_stride=1):
    """Return the anchors of all pyramid levels, finest level first.

    Parameters
    ----------
    image_size : int or (height, width)
        Of the network input, pixels.
    scales : sequence of L floats
        Side of the square anchor of each level, pixels; one for each stride.
    ratios : sequence of R floats
        Width divided by height, used on every level.
    strides : sequence of L ints
        Input pixels per feature cell of each level: ``(4, 8, 16, 32, 64)`` for P2 to P6.
    anchor_stride : int
        Cells from one anchored cell to the next.

    Returns
    -------
    anchors : ndarray of shape (A, 4), float64
        ``(y1, x1, y2, x2)`` in pixels, in the order of the scores that the network puts out.

    Raises
    ------
    ValueError
        If there are not as many scales as strides, or one of the numbers is not positive.

    Notes
    -----
    One scale a level: FPN, section 4.1. Matterport: ``mrcnn.utils.generate_pyramid_anchors``, which goes by the number
    of scales: one scale too few, and a level is left without anchors in silence.

    Examples
    --------
    >>> len(pyramid_anchors(256, scales=(32, 64, 128, 256, 512), ratios=(0.5, 1, 2), strides=(4, 8, 16, 32, 64)))
    16368
    """
    height, width = size_pair("image_size", image_size)
    scales, ratios = positive_list("scales", scales), positive_list("ratios", ratios)
    strides = [whole_number("strides", stride, 1) for stride in strides]
    anchor_stride = whole_number("anchor_stride", anchor_stride, 1)
    grids = [(-(-height // stride), -(-width // stride)) for stride in strides]  # rounded up
    if len(scales) != len(strides):
        raise ValueError(unequal_levels(scales, ratios, strides, grids, anchor_stride))
    levels = [
        level_anchors(grid, scale=scale, ratios=ratios, stride=stride, anchor_stride=anchor_stride)
        for grid, scale, stride in zip(grids, scales, strides)
    ]
    return np.concatenate([np.zeros((0, 4)), *levels])


def positive_list(name, values):
    """Return the values as a list of positive floats; anything else is a ValueError."""
    array = shaped(name, number_array(name, values), (None,))
    if (array <= 0).any():
        raise ValueError(f"{name} must be positive, got {array.tolist()}")
    return array.tolist()


def unequal_levels(scales, ratios, strides, grids, anchor_stride):
    """Return the text that explains what a scale too few or too many would do."""
    per_level = [-(-h // anchor_stride) * -(-w // anchor_stride) * len(ratios) for h, w in grids]
    text = (
        f"scales must be as many as strides, one for each pyramid level: got {len(scales)} scales {scales} "
        f"for {len(strides)} strides {strides}."
    )
    if len(scales) < len(strides):
        text += (
            f" The region proposal network puts out {sum(per_level)} scores, but only "
            f"{sum(per_level[: len(scales)])} anchors would stand for them; Matterport takes this in silence, then "
            "fails on a CPU and reads zeros on a GPU. Add the missing scale, or drop a stride."
        )
    return text
