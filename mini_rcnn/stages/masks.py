"""Masks: from the network's small grids of logits to pixels of the image, and from pixels to small grids."""

from __future__ import annotations

import numpy as np

from ._check import boxes_array, number_array, shaped, size_pair, unit_number, window_array
from .image import resample


def sigmoid(logits):
    """Return ``1 / (1 + exp(-logits))``, without overflow.

    Parameters
    ----------
    logits : ndarray of any shape, float

    Returns
    -------
    probabilities : ndarray of the same shape
        In [0, 1].

    Raises
    ------
    ValueError
        If a logit is not finite.

    Notes
    -----
    Mask R-CNN, section 3: a sigmoid for each pixel and class, not a softmax over classes, so classes do not compete.
    The same quotient is ``exp(logits) / (1 + exp(logits))``. Each of the two forms raises e to a power that can be too
    large for a float, one for very negative logits, the other for very positive ones; ``exp`` of nothing above 0 never
    is. Matterport leaves it to Keras (``activation="sigmoid"``).

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    logits = number_array("logits", logits)
    small = np.exp(-np.abs(logits))  # in (0, 1], whatever the sign
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))


def threshold_mask(probabilities, threshold):
    """Return which pixels belong to the object.

    Parameters
    ----------
    probabilities : ndarray of any shape, float
    threshold : float
        In [0, 1]. A pixel at the threshold belongs to the object.

    Returns
    -------
    mask : ndarray of the same shape, bool

    Raises
    ------
    ValueError
        If a probability is not finite or the threshold lies outside [0, 1].

    Notes
    -----
    Mask R-CNN, section 3.1: 0.5. Matterport: ``>=`` in ``mrcnn.utils.unmold_mask``, as here.

    Examples
    --------
    >>> threshold_mask(np.array([0.49, 0.5, 0.51]), 0.5).tolist()
    [False, True, True]
    """
    probabilities = number_array("probabilities", probabilities)
    return probabilities >= probabilities.dtype.type(unit_number("threshold", threshold))


def paste_probabilities(probabilities, box, image_size):
    """Return the small grid of probabilities stretched over its box on an otherwise empty image.

    Parameters
    ----------
    probabilities : ndarray of shape (h, w), float
        Probability of each cell of the box's grid, such as 28 by 28.
    box : sequence of 4 numbers
        ``(y1, x1, y2, x2)`` in pixels of the image; it may reach beyond.
    image_size : int or (H, W)

    Returns
    -------
    pasted : ndarray of shape (H, W), float64
        0 outside the box. A pixel is inside if its middle is.
    inside : pair of slices
        The rows and columns that the box covers.

    Notes
    -----
    Pixel y has its middle at ``y + 0.5``, which is ``(y + 0.5 - y1) / (y2 - y1) * h`` on the grid.
    """
    probabilities = shaped("probabilities", number_array("probabilities", probabilities), (None, None))
    if 0 in probabilities.shape:
        raise ValueError(f"probabilities must have at least one cell, got shape {probabilities.shape}")
    box = window_array("box", box).astype(np.float64)
    image_size = size_pair("image_size", image_size)
    positions, factors, inside = [], [], []
    for n_cells, start, end, length in zip(probabilities.shape, box[:2], box[2:], image_size):
        first = int(np.clip(np.ceil(start - 0.5), 0, length))
        stop = int(np.clip(np.ceil(end - 0.5), first, length))
        factor = n_cells / (end - start) if end > start else 1.0
        positions.append((np.arange(first, stop) + 0.5 - start) * factor - 0.5)
        factors.append(min(factor, n_cells))  # a box thinner than a pixel is smoothed like one of a pixel
        inside.append(slice(first, stop))
    pasted = np.zeros(image_size)
    pasted[tuple(inside)] = resample(probabilities.astype(np.float64), positions, factors)
    return pasted, tuple(inside)


def paste_mask(probabilities, box, image_size, *, threshold=0.5):
    """Return the mask of one detection on the image.

    Parameters
    ----------
    probabilities : ndarray of shape (h, w), float
        Probability of each cell of the box's grid, such as 28 by 28.
    box : sequence of 4 numbers
        ``(y1, x1, y2, x2)`` in pixels of the image; it may reach beyond, and need not be whole.
    image_size : int or (H, W)
    threshold : float
        In [0, 1]. A pixel at the threshold belongs to the object.

    Returns
    -------
    mask : ndarray of shape (H, W), bool
        False outside the box, whatever the threshold.

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, the box is inverted or the threshold lies outside [0, 1].

    Notes
    -----
    Stretch first (`paste_probabilities`), threshold after: the other way round gives steps as large as a cell. Mask
    R-CNN, section 3.1.
    Matterport: ``mrcnn.utils.unmold_mask``, for boxes of whole pixels inside the image. As there, the outermost
    pixels fade because the grid is surrounded by zeros (`mini_rcnn.stages.image.resample`).

    Examples
    --------
    >>> paste_mask(np.ones((2, 2)), (1, 1, 3, 3), 4).astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    unit_number("threshold", threshold)
    pasted, inside = paste_probabilities(probabilities, box, image_size)
    mask = np.zeros(pasted.shape, dtype=bool)
    mask[inside] = threshold_mask(pasted[inside], threshold)
    return mask


def minimize_masks(masks, boxes, *, size):
    """Return each mask cut to its box and shrunk, or stretched, to a small grid.

    Parameters
    ----------
    masks : ndarray of shape (N, H, W), bool
    boxes : ndarray of shape (N, 4)
        ``(y1, x1, y2, x2)``, whole pixels inside the image, with an area.
    size : int or (h, w)
        Of the small grid, such as 56.

    Returns
    -------
    small : ndarray of shape (N, h, w), bool

    Raises
    ------
    ValueError
        If a shape is wrong, or a box is not whole, empty, or reaches beyond the image.

    Notes
    -----
    Matterport: ``mrcnn.utils.minimize_mask``. With scikit-image 0.16 that smooths the mask *as booleans* where it
    shrinks, which eats a margin of it away, and all of it where the kernel's weights happen to sum to just below 1 (a
    full mask of 200 x 80 comes out empty). Here the smoothing is done in float64. A cell at exactly 0.5 is off.

    Examples
    --------
    >>> mask = np.zeros((1, 6, 6), dtype=bool)
    >>> mask[0, 2:4, 2:6] = True
    >>> minimize_masks(mask, np.array([[2, 2, 4, 6]]), size=2).astype(int).tolist()
    [[[1, 1], [1, 1]]]
    """
    masks = shaped("masks", number_array("masks", masks), (None, None, None)) > 0
    boxes = whole_boxes("boxes", boxes, masks.shape)
    size = size_pair("size", size)
    return np.array(
        [stretch_mask(mask[y1:y2, x1:x2], size) for mask, (y1, x1, y2, x2) in zip(masks, boxes)], dtype=bool
    ).reshape(len(masks), *size)


def expand_masks(small, boxes, *, image_size):
    """Return small masks stretched back over their boxes on the image: the way back of `minimize_masks`.

    Parameters
    ----------
    small : ndarray of shape (N, h, w), bool
    boxes : ndarray of shape (N, 4)
        ``(y1, x1, y2, x2)``, whole pixels inside the image, with an area.
    image_size : int or (H, W)

    Returns
    -------
    masks : ndarray of shape (N, H, W), bool

    Raises
    ------
    ValueError
        If a shape is wrong, or a box is not whole, empty, or reaches beyond the image.

    Notes
    -----
    Matterport: ``mrcnn.utils.expand_mask``, with the same trouble as its ``minimize_mask`` for boxes that are smaller
    than the grid. A pixel at exactly 0.5 is off.

    Examples
    --------
    >>> expand_masks(np.ones((1, 2, 2), dtype=bool), np.array([[0, 0, 1, 3]]), image_size=(2, 3)).astype(int).tolist()
    [[[1, 1, 1], [0, 0, 0]]]
    """
    small = shaped("small", number_array("small", small), (None, None, None)) > 0
    image_size = size_pair("image_size", image_size)
    boxes = whole_boxes("boxes", boxes, (len(small), *image_size))
    masks = np.zeros((len(small), *image_size), dtype=bool)
    for mask, cells, (y1, x1, y2, x2) in zip(masks, small, boxes):
        mask[y1:y2, x1:x2] = stretch_mask(cells, (y2 - y1, x2 - x1))
    return masks


def stretch_mask(mask, size):
    """Return a mask with another number of cells; a cell is on if more than half of it is covered."""
    factors = [length / new for length, new in zip(mask.shape, size)]
    positions = [(np.arange(new) + 0.5) * factor - 0.5 for new, factor in zip(size, factors)]
    return resample(mask.astype(np.float64), positions, factors) > 0.5


def whole_boxes(name, boxes, masks_shape):
    """Return boxes as whole numbers, one for each mask, each with an area and inside the image."""
    n_masks, height, width = masks_shape
    array = shaped(name, boxes_array(name, boxes), (n_masks, 4))
    for row, (y1, x1, y2, x2) in enumerate(array):
        if (array[row] % 1).any() or y1 < 0 or x1 < 0 or y2 > height or x2 > width or y1 == y2 or x1 == x2:
            raise ValueError(
                f"{name} must be whole pixels with an area inside ({height}, {width}), "
                f"got {array[row].tolist()} in row {row}"
            )
    return array.astype(np.int64)
