"""Geometry of a film and its masks together: affine and flip; and the boxes that masks fill."""

from __future__ import annotations

import math

import cv2
import numpy as np

from mini_rcnn.stages._check import number_array, shaped, whole_number


def film_and_masks(image, masks):
    """Return the arguments of every warp as arrays, or raise ValueError: uint8 (H, W) and bool (N, H, W)."""
    image, masks = np.asarray(image), np.asarray(masks)
    if image.dtype != np.uint8 or image.ndim != 2 or image.size == 0:
        raise ValueError(f"image must be a grey uint8 image (H, W) with pixels, got {image.dtype} {image.shape}")
    if masks.dtype != bool or masks.ndim != 3 or masks.shape[1:] != image.shape:
        raise ValueError(f"masks must be bool (N, {image.shape[0]}, {image.shape[1]}), got {masks.dtype} {masks.shape}")
    return image, masks


def number_pair(name, pair, rule, fits):
    """Return ``(y, x)`` as two floats that fit the rule, or raise ValueError."""
    first, second = shaped(name, number_array(name, pair), (2,)).tolist()
    if not (fits(first) and fits(second)):
        raise ValueError(f"{name} must be (y, x), both {rule}, got {(first, second)}")
    return float(first), float(second)


def affine_matrix(size, *, scale=(1, 1), shift=(0, 0), rotate=0, shear=0):
    """Return the matrix that takes places in a picture to their places in its affine warp.

    Parameters
    ----------
    size : (height, width)
    scale : (y, x)
        Factors above 0; above 1 things grow.
    shift : (y, x)
        Down and to the right, as parts of height and width.
    rotate : float
        Degrees, clockwise on the screen (from +x towards +y, which points down).
    shear : float
        Degrees by which the vertical leans further than the horizontal turns; a vertical line keeps its length.

    Returns
    -------
    matrix : ndarray of shape (2, 3), float64
        ``matrix @ (x, y, 1)`` is the new ``(x, y)``. Pixel i has its middle at i, as OpenCV counts: take half a pixel
        from a point of a box first, and add it again afterwards.

    Raises
    ------
    ValueError
        If a scale is not above 0, or a value is not finite.

    Notes
    -----
    ``[[sx cos r, -sy sin(r + s)], [sx sin r, sy cos(r + s)]]`` about the middle of the picture, then the shift: what
    scikit-image's AffineTransform was before its version 0.19, and what imgaug's Affine is.

    Examples
    --------
    >>> affine_matrix((4, 8), scale=(1, 2), shift=(0.5, 0)).tolist()
    [[2.0, 0.0, -3.5], [0.0, 1.0, 2.0]]
    """
    height, width = whole_number("size", size[0], 1), whole_number("size", size[1], 1)
    scale_y, scale_x = number_pair("scale", scale, "above 0", lambda value: value > 0)
    shift_y, shift_x = number_pair("shift", shift, "finite", math.isfinite)
    rotate, shear = number_array("rotate and shear", [rotate, shear]).tolist()
    turn, lean = math.radians(rotate), math.radians(rotate + shear)
    linear = np.array(
        [[scale_x * math.cos(turn), -scale_y * math.sin(lean)], [scale_x * math.sin(turn), scale_y * math.cos(lean)]]
    )
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    moved = middle + (shift_x * width, shift_y * height) - (linear * middle).sum(axis=1)
    # The last bits of sin and cos differ between C libraries. Rounded, they cannot move a pixel.
    return np.round(np.concatenate([linear, moved[:, None]], axis=1), 11) + 0.0


def affine(image, masks, *, scale=(1, 1), shift=(0, 0), rotate=0, shear=0):
    """Return a film and its masks scaled, shifted, turned and leaned by the same amounts.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    masks : ndarray of shape (N, H, W), bool
    scale, shift, rotate, shear
        As `affine_matrix`: factors (y, x), parts of the sides (y, x), degrees, degrees.

    Returns
    -------
    image : ndarray of shape (H, W), uint8
        Bilinear; black where the film does not reach.
    masks : ndarray of shape (N, H, W), bool
        Each pixel is on or off as the nearest one was.

    Raises
    ------
    ValueError
        If image or masks have another shape or dtype, or a value breaks a rule of `affine_matrix`.

    Notes
    -----
    Each pixel of the result looks up where it came from, through the inverse of the matrix; OpenCV rounds that place to
    1/32 pixel. imgaug: ``Affine(order=1, cval=0, mode="constant")``, the same but for one grey level in less than one
    pixel of a thousand. Matterport hands the masks to the same augmenter as 0 and 1, so they too are bilinear there,
    cut at one half: pixels on the edge may differ.

    Take the new boxes from the new masks with `boxes_of_masks`. A turned rectangle is no rectangle: at 2 degrees the
    box round it is higher by 3.5 % of its width and wider by 3.5 % of its height.

    Examples
    --------
    >>> image, masks = np.array([[1, 2], [3, 4]], dtype=np.uint8), np.array([[[True, False], [True, False]]])
    >>> image, masks = affine(image, masks, shift=(0, 0.5))
    >>> image.tolist(), masks.astype(int).tolist()
    ([[0, 1], [0, 3]], [[[0, 1], [0, 1]]])
    """
    image, masks = film_and_masks(image, masks)
    matrix = affine_matrix(image.shape, scale=scale, shift=shift, rotate=rotate, shear=shear)
    size = image.shape[::-1]
    warped = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return warped, warp_masks(masks, lambda plane: cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_NEAREST))


def flip(image, masks):
    """Return a film and its masks mirrored left to right.

    Not among the slides' operations, and off by default: the heart lies on the left, and a mirrored chest belongs to
    another patient, one in some ten thousand.

    >>> flip(np.array([[1, 2]], dtype=np.uint8), np.array([[[True, False]]]))[1].tolist()
    [[[False, True]]]
    """
    image, masks = film_and_masks(image, masks)
    return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(masks[:, :, ::-1])


def warp_masks(masks, warp):
    """Return masks after a warp of uint8 planes that takes nearest pixels: eight masks go as the bits of one plane."""
    if not len(masks):
        return masks.copy()
    planes = [np.zeros(masks.shape[1:], dtype=np.uint8) for _ in range(0, len(masks), 8)]
    for index, mask in enumerate(masks):
        planes[index // 8] |= mask.view(np.uint8) << np.uint8(index % 8)
    planes = [warp(plane) for plane in planes]
    return np.stack([(planes[index // 8] & np.uint8(1 << index % 8)) > 0 for index in range(len(masks))])


def boxes_of_masks(masks):
    """Return the smallest boxes that hold the masks.

    Parameters
    ----------
    masks : ndarray of shape (N, H, W), bool

    Returns
    -------
    boxes : ndarray of shape (N, 4), float64
        ``(y1, x1, y2, x2)``, continuous: y2 is the last row plus 1. A mask without a pixel gives a row of zeros.

    Raises
    ------
    ValueError
        If the masks are no bool array of three axes.

    Notes
    -----
    ``y1`` is the first row that holds a pixel of the mask, ``y2`` the last such row plus 1, since a pixel is one long;
    ``x1`` and ``x2`` likewise from the columns. Holes and separate parts make no difference. Matterport:
    ``mrcnn.utils.extract_bboxes``, the same numbers.

    Examples
    --------
    >>> masks = np.zeros((2, 5, 6), dtype=bool)
    >>> masks[0, 1:3, 2:6] = True
    >>> boxes_of_masks(masks).tolist()
    [[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 0.0, 0.0]]
    """
    masks = np.asarray(masks)
    if masks.dtype != bool or masks.ndim != 3:
        raise ValueError(f"masks must be bool (N, H, W), got {masks.dtype} {masks.shape}")
    boxes = np.zeros((len(masks), 4))
    for box, mask in zip(boxes, masks):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size:
            box[:] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return boxes
