"""Where our convention and Matterport's differ: each difference a function with a name, in NumPy alone.

In Matterport's normalised boxes the last pixel lies *in* the box, so a box and the image are both one pixel shorter
than in ours. Dividing by a length moves nothing, so a stage that works in any frame (`propose`, `refine_detections`)
gives Matterport's boxes if it is handed ours in the frame of that shorter image: see `to_inclusive`.
"""

from __future__ import annotations

import numpy as np

from .stages.image import interpolate_linearly

LAST_PIXEL = np.array([0, 0, 1, 1])  # from the corner after the last pixel back to the last pixel


def norm_boxes(boxes, size):
    """Return pixel boxes in Matterport's normalised coordinates, float32.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in continuous pixels.
    size : (height, width)
        Of the image, pixels.

    Returns
    -------
    boxes_norm : ndarray of shape (N, 4), float32

    Notes
    -----
    ``(box - [0, 0, 1, 1]) / (side - 1)``. Matterport: ``mrcnn.utils.norm_boxes``.

    Examples
    --------
    >>> norm_boxes(np.array([[0.0, 0, 5, 9]]), (5, 9)).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    return ((np.asarray(boxes) - LAST_PIXEL) / (np.tile(size, 2) - 1)).astype(np.float32)


def denorm_boxes(boxes_norm, size):
    """Return Matterport's normalised boxes in continuous pixels, the way back of `norm_boxes`.

    Notes
    -----
    Matterport's ``mrcnn.utils.denorm_boxes`` also rounds to whole pixels; here nothing is lost.

    Examples
    --------
    >>> denorm_boxes(np.array([[0.0, 0, 1, 1]]), (5, 9)).tolist()
    [[0.0, 0.0, 5.0, 9.0]]
    """
    return np.asarray(boxes_norm) * (np.tile(size, 2) - 1) + LAST_PIXEL


def to_inclusive(boxes):
    """Return boxes that end on their last pixel instead of after it: Matterport's, before it divides.

    A box shorter than one pixel has no such form: it comes out inverted.

    >>> to_inclusive(np.array([[0.0, 0, 5, 9]])).tolist()
    [[0.0, 0.0, 4.0, 8.0]]
    """
    return np.asarray(boxes) - LAST_PIXEL.astype(np.asarray(boxes).dtype)


def from_inclusive(boxes):
    """Return boxes that end after their last pixel, the way back of `to_inclusive`."""
    return np.asarray(boxes) + LAST_PIXEL.astype(np.asarray(boxes).dtype)


def inclusive_window(size):
    """Return the window of a whole image in the frame of `to_inclusive`.

    >>> inclusive_window((5, 9))
    (0, 0, 4, 8)
    """
    height, width = size
    return (0, 0, height - 1, width - 1)


def boxes_for_level(boxes, size):
    """Return the boxes whose area decides on Matterport's pyramid level: a pixel shorter, then stretched a little.

    It multiplies normalised sides by the whole image's, so a box that fills the image keeps its size.

    >>> boxes_for_level(np.array([[0.0, 0, 5, 5]]), (5, 5)).tolist()
    [[0.0, 0.0, 5.0, 5.0]]
    """
    sides = np.tile(size, 2)
    return to_inclusive(boxes) * (sides / (sides - 1)).astype(np.asarray(boxes).dtype)


def nudge_inside(boxes_norm):
    """Return normalised boxes that end on the image's last pixel a hair before it.

    TensorFlow computes in float32 where the last sample of a box lies. For a box that ends on the last cell this
    rounds to beyond that cell as often as not to before it, and then Matterport reads zeros for a whole row or column.

    >>> bool(nudge_inside(np.array([[0.5, 0.5, 1.0, 2.0]], dtype=np.float32))[0, 2] < 1)
    True
    """
    boxes_norm = np.asarray(boxes_norm, dtype=np.float32)
    return np.where(boxes_norm == 1, np.float32(1 - 2.0**-21), boxes_norm)


def distinct_scores(scores):
    """Return scores in the same order but without ties: of equal ones the first becomes the highest.

    Parameters
    ----------
    scores : ndarray of shape (N,), float

    Returns
    -------
    distinct : ndarray of shape (N,), the same dtype
        Raised by the smallest steps that the dtype has, never lowered.

    Notes
    -----
    Among equal scores we take the lower index first. ``tf.image.non_max_suppression`` of TensorFlow 1.15 takes the
    order of its heap, and ``mrcnn.utils.non_max_suppression`` that of an unstable sort read backwards.

    Examples
    --------
    >>> np.argsort(-distinct_scores(np.array([0.5, 0.7, 0.5, 0.7]))).tolist()
    [1, 3, 0, 2]
    """
    distinct = np.array(scores)
    tiny = np.finfo(distinct.dtype).tiny  # TensorFlow takes the numbers between 0 and this one for 0
    previous = None
    for index in np.argsort(-distinct, kind="stable")[::-1]:  # the last in our order first
        if previous is not None and distinct[index] <= previous:
            higher = np.nextafter(previous, distinct.dtype.type(np.inf))
            distinct[index] = max(higher, tiny) if previous >= 0 else higher
        previous = distinct[index]
    return distinct


def threshold_for_at_least(iou_threshold):
    """Return the threshold at which removing "at least this" is removing "more than ``iou_threshold``", below 1.

    ``tf.image.non_max_suppression`` of TensorFlow 1.15, and so Matterport's layers there, removes a box whose IoU
    *is* the threshold; later versions, we and ``mrcnn.utils.non_max_suppression`` do not. It is the next float32,
    but no denormal number, because TensorFlow takes those for 0. At 1 there is no such threshold: nothing is above.

    >>> threshold_for_at_least(0.5) > 0.5, threshold_for_at_least(1.0)
    (True, 1.0)
    """
    above = np.nextafter(np.float32(iou_threshold), np.float32(1))
    return float(max(above, np.finfo(np.float32).tiny))


def distinct_best(probabilities):
    """Return class probabilities in which no two rows have the same highest value, see `distinct_scores`.

    >>> distinct_best(np.array([[0.2, 0.8], [0.2, 0.8]])).argmax(axis=1).tolist()
    [1, 1]
    """
    raised = np.array(probabilities)
    rows, best = np.arange(len(raised)), raised.argmax(axis=1)
    raised[rows, best] = distinct_scores(raised[rows, best])
    return raised


def stuck_on_empty(indices, boxes, limit):
    """Return what TensorFlow 1.15's suppression makes of the indices that should stay: no way past an empty box.

    Parameters
    ----------
    indices : ndarray of shape (K,), int
        What stays, best first.
    boxes : ndarray of shape (N, 4), float
    limit : int
        At most so many come out.

    Returns
    -------
    indices : ndarray of shape (M,), int
        Cut at the first box without area, which then fills all that is left up to ``limit``.

    Notes
    -----
    That version takes a chosen box out of its queue by its overlap with itself, which is 0 where there is no area. A
    single proposal clipped away at the image's border so costs Matterport all proposals after it.

    Examples
    --------
    >>> stuck_on_empty(np.array([1, 0, 2]), np.array([[3, 3, 3, 9], [0, 0, 1, 1], [5, 5, 6, 6]]), 5).tolist()
    [1, 0, 0, 0, 0]
    """
    sides = boxes[indices, 2:] - boxes[indices, :2]
    empty = np.flatnonzero((sides <= 0).any(axis=1))
    if len(empty) == 0:
        return indices[:limit]
    first = empty[0]
    return np.concatenate([indices[:first], np.full(max(0, limit - first), indices[first])])[:limit]


def drop_padding(rows):
    """Return the rows before the zeros that Matterport fills up with.

    A proposal that was clipped away into the corner (0, 0) looks the same, and goes too if nothing follows it.

    >>> drop_padding(np.array([[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]])).tolist()
    [[0, 0, 1, 1]]
    """
    used = np.flatnonzero((rows != 0).any(axis=1))
    return rows[: used[-1] + 1] if len(used) else rows[:0]


def undefined_to_zero(overlaps):
    """Return overlaps with 0 where Matterport divides 0 by 0: neither box has an area.

    >>> undefined_to_zero(np.array([0.5, np.nan])).tolist()
    [0.5, 0.0]
    """
    return np.where(np.isnan(overlaps), 0, overlaps)


def masks_last(masks):
    """Return masks (N, H, W) as Matterport has them, (H, W, N)."""
    return np.moveaxis(masks, 0, -1)


def masks_first(masks):
    """Return Matterport's masks (H, W, N) as (N, H, W)."""
    return np.moveaxis(masks, -1, 0)


def smooth_as_integers(image, sigmas):
    """Return the image smoothed as scikit-image 0.16 smooths integers and booleans: cut to whole numbers twice.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C), bool or integer
    sigmas : pair of floats
        Along y and x; 0 is no smoothing.

    Returns
    -------
    smooth : ndarray of the same shape, float64
        Whole numbers.

    Notes
    -----
    The sums run outwards in, the two sides added first, as in ``scipy.ndimage.correlate1d``: where a sum just misses a
    whole number, its order decides. A margin of ones beside zeros always goes to 0.

    Examples
    --------
    >>> smooth_as_integers(np.array([[0, 1, 1, 1, 1]], dtype=bool), (0, 0.25)).tolist()
    [[0.0, 0.0, 1.0, 1.0, 0.0]]
    """
    image = np.asarray(image, dtype=np.float64)
    for axis, sigma in enumerate(sigmas):
        if sigma <= 0:
            continue
        radius = int(4 * sigma + 0.5)
        offsets = np.arange(-radius, radius + 1)
        kernel = np.exp(-0.5 / (sigma * sigma) * offsets**2)
        kernel = kernel / kernel.sum()
        padded = np.pad(np.moveaxis(image, axis, 0), [(radius, radius)] + [(0, 0)] * (image.ndim - 1))
        length = image.shape[axis]
        total = padded[radius : radius + length] * kernel[radius]
        for step in range(radius, 0, -1):
            sides = padded[radius - step : radius - step + length] + padded[radius + step : radius + step + length]
            total = total + sides * kernel[radius - step]
        image = np.moveaxis(np.trunc(total), 0, axis)
    return image


def resize_as_integers(image, size):
    """Return the image resized as Matterport resizes integers and booleans, before its last rounding, float64.

    It is `mini_rcnn.stages.image.resize_image` but for the smoothing, see `smooth_as_integers`.

    >>> bool(resize_as_integers(np.ones((200, 80), dtype=bool), (56, 56)).any())
    False
    """
    factors = [length / new for length, new in zip(image.shape, size)]
    smooth = smooth_as_integers(image, [max(0.0, (factor - 1) / 2) for factor in factors])
    rows, columns = ((np.arange(new) + 0.5) * factor - 0.5 for new, factor in zip(size, factors))
    resized = interpolate_linearly(interpolate_linearly(smooth, rows, axis=0), columns, axis=1)
    return np.clip(resized, smooth.min(), smooth.max())
