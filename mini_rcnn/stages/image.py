"""The image on its way in, resized, padded to a square and normalised, and boxes and masks on their way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._check import boxes_array, number_array, shaped, size_pair, whole_number


@dataclass(frozen=True)
class ImageGeometry:
    """Where the original image lies inside the padded network input."""

    original_size: tuple  # (height, width), pixels
    size: int  # side of the padded square, pixels
    window: tuple  # (y1, x1, y2, x2) of the image inside the square, whole pixels
    scale: float  # padded pixels per original pixel, before the sides were rounded to whole pixels

    def factors(self):
        """Return padded pixels per original pixel along y and x, as the rounding of the sides left them."""
        (height, width), (y1, x1, y2, x2) = self.original_size, self.window
        return np.array([(y2 - y1) / height, (x2 - x1) / width])


def gaussian_kernel(sigma, radius):
    """Return the weights of a Gaussian at -radius .. radius, (2 radius + 1,); they add up to 1."""
    if radius == 0:
        return np.ones(1)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return kernel / kernel.sum()


def gaussian_smooth(image, sigmas):
    """Return the image smoothed along y and x, with zeros beyond its border.

    The kernel reaches four sigma to each side, as ``scipy.ndimage.gaussian_filter``'s does.

    >>> gaussian_smooth(np.ones((1, 3)), (0, 0.5)).round(3)
    array([[0.893, 0.999, 0.893]])
    """
    for axis, sigma in enumerate(sigmas):
        radius = int(4 * sigma + 0.5)
        if radius == 0:
            continue
        padding = [(0, 0)] * image.ndim
        padding[axis] = (radius, radius)
        padded = np.moveaxis(np.pad(image, padding), axis, 0)
        length = image.shape[axis]
        total = sum(weight * padded[i : i + length] for i, weight in enumerate(gaussian_kernel(sigma, radius)))
        image = np.moveaxis(total, 0, axis)
    return image


def interpolate_linearly(image, positions, axis):
    """Return the image's values at fractional positions along one axis, with zeros beyond its border.

    Position i is the middle of pixel i.

    >>> interpolate_linearly(np.array([[10.0, 20.0]]), np.array([-0.5, 0.25, 1.0]), axis=1)
    array([[ 5. , 12.5, 20. ]])
    """
    padding = [(0, 0)] * image.ndim
    padding[axis] = (1, 1)
    padded = np.pad(image, padding)
    lower = np.clip(np.floor(positions).astype(np.int64) + 1, 0, image.shape[axis])
    share = np.clip(positions + 1 - lower, 0, 1).reshape([-1] + [1] * (image.ndim - axis - 1))
    return np.take(padded, lower, axis=axis) * (1 - share) + np.take(padded, lower + 1, axis=axis) * share


def smooth_at(image, positions, sigma, axis):
    """Return the smoothed image at fractional positions inside it, along one axis.

    `gaussian_smooth` and interpolation are both weighted sums of pixels, so one sum with both weights does it, and
    only where a value is asked for.

    >>> smooth_at(np.ones((1, 3)), np.array([0.0, 0.5]), 0.5, axis=1).round(3)
    array([[0.893, 0.946]])
    """
    radius = int(4 * sigma + 0.5)
    kernel = gaussian_kernel(sigma, radius)
    lower = np.floor(positions).astype(np.int64)
    share = positions - lower
    weights = np.outer(1 - share, np.append(kernel, 0)) + np.outer(share, np.append(0, kernel))  # (N, 2 radius + 2)
    padding = [(0, 0)] * image.ndim
    padding[axis] = (radius, radius + 1)
    padded = np.moveaxis(np.pad(image, padding), axis, 0)
    sums = [np.einsum("i,i...->...", row, padded[first : first + len(row)]) for row, first in zip(weights, lower)]
    return np.moveaxis(np.stack(sums), 0, axis)


def resample(image, positions, factors):
    """Return the image at the crossings of row and column positions, smoothed first where it shrinks.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C), float64
    positions : pair of ndarrays of shape (h,) and (w,)
        Fractional rows and columns of ``image``; its pixel i has its middle at i.
    factors : pair of floats
        Image pixels per output pixel along y and x; above 1 the image shrinks.

    Returns
    -------
    resampled : ndarray of shape (h, w) or (h, w, C), float64
        Within the range of the smoothed image.

    Notes
    -----
    Smoothing by ``sigma = (factor - 1) / 2`` keeps fine patterns from turning into coarse ones. This is
    ``skimage.transform.resize(..., order=1, mode="constant", anti_aliasing=True)``, which Matterport calls: zeros
    beyond the border fade the outermost pixels when an image grows.
    """
    shrinks = all(factor >= 1 for factor in factors)
    if shrinks and all(len(at) and 0 <= min(at) and max(at) <= n - 1 for at, n in zip(positions, image.shape)):
        for axis, (at, factor) in enumerate(zip(positions, factors)):
            image = smooth_at(image, at, (factor - 1) / 2, axis)
        return image
    smooth = gaussian_smooth(image, [max(0.0, (factor - 1) / 2) for factor in factors])
    out = interpolate_linearly(interpolate_linearly(smooth, positions[0], axis=0), positions[1], axis=1)
    return np.clip(out, smooth.min(), smooth.max()) if smooth.size and out.size else out


def resize_image(image, size):
    """Return the image with another number of pixels.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
        Any real dtype.
    size : int or (height, width)

    Returns
    -------
    resized : ndarray of shape (h, w) or (h, w, C), float64
        In the image's own range of values.

    Raises
    ------
    ValueError
        If the image has no pixels, another number of axes or values that are not finite, or a size is below 1.

    Notes
    -----
    Bilinear, smoothed where it shrinks, see `resample`. Matterport hands 8 bit images over as they are, and the
    smoothing then cuts off the fraction of a grey level after each axis; here it is done in float64.

    Examples
    --------
    >>> resize_image(np.array([[0, 8], [0, 8]]), (2, 4))
    array([[0., 2., 6., 6.],
           [0., 2., 6., 6.]])
    """
    image = pixels_array("image", image)
    size = size_pair("size", size)
    factors = [length / new for length, new in zip(image.shape, size)]
    positions = [(np.arange(new) + 0.5) * factor - 0.5 for new, factor in zip(size, factors)]
    return resample(image, positions, factors)


def fit_to_square(image, *, size):
    """Return the image scaled to fit a square, with zeros around it, and where it lies.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
    size : int
        Side of the square, pixels.

    Returns
    -------
    padded : ndarray of shape (size, size) or (size, size, C), float64
    geometry : ImageGeometry

    Raises
    ------
    ValueError
        As `resize_image`.

    Notes
    -----
    The longer side becomes ``size``; the shorter one is rounded to whole pixels and centred, the odd pixel below or to
    the right. Matterport: ``mrcnn.utils.resize_image`` with ``min_dim == max_dim == size`` and ``mode="square"``, which
    goes back to the image's dtype (and so cuts fractions off 8 bit images).

    Examples
    --------
    >>> padded, geometry = fit_to_square(np.full((2, 4), 7.0), size=4)
    >>> geometry.window
    (1, 0, 3, 4)
    """
    image = pixels_array("image", image)
    size = whole_number("size", size, 1)
    height, width = image.shape[:2]
    scale = size / max(height, width)
    new_height, new_width = max(1, round(height * scale)), max(1, round(width * scale))
    resized = image if (new_height, new_width) == (height, width) else resize_image(image, (new_height, new_width))
    top, left = (size - new_height) // 2, (size - new_width) // 2
    padded = np.zeros((size, size) + image.shape[2:])
    padded[top : top + new_height, left : left + new_width] = resized
    window = (top, left, top + new_height, left + new_width)
    return padded, ImageGeometry((height, width), size, window, scale)


def normalise(image, *, mean):
    """Return the image with the mean pixel taken away, float32, as the network wants it.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
        A grey image is repeated for each channel of ``mean``.
    mean : sequence of C numbers
        Of the pixels that the network was trained on.

    Returns
    -------
    normalised : ndarray of shape (H, W, C), float32

    Raises
    ------
    ValueError
        If the channels of image and mean do not fit, or a value is not finite.

    Notes
    -----
    Matterport: ``mrcnn.model.mold_image``. The padding is normalised with the rest, so it is ``-mean``, not 0.

    Examples
    --------
    >>> normalise(np.array([[10, 12]]), mean=(10.0, 9.0))
    array([[[0., 1.],
            [2., 3.]]], dtype=float32)
    """
    image = pixels_array("image", image)
    mean = shaped("mean", number_array("mean", mean), (None,))
    if image.ndim == 2:
        image = np.dstack([image] * len(mean))
    if image.shape[2] != len(mean):
        raise ValueError(f"mean must have one number for each channel of image, got {len(mean)} for {image.shape[2]}")
    return image.astype(np.float32) - mean.astype(np.float32)


def standardise(image, *, spread, n_channels=3):
    """Return a grey image less its own mean, its greys spread alike whatever its exposure was.

    Parameters
    ----------
    image : ndarray of shape (H, W)
        Any real dtype.
    spread : float
        Standard deviation that the greys shall have.
    n_channels : int, default 3
        How often the result is repeated.

    Returns
    -------
    standardised : ndarray of shape (H, W, n_channels), float32
        Mean 0. An image of one grey is 0 everywhere; a standard deviation below one grey level counts as one.

    Raises
    ------
    ValueError
        If the image has another number of axes or a value that is not finite, or ``spread`` is not above 0.

    Notes
    -----
    ``(x - mean) / std * spread``: TensorFlow's ``tf.image.per_image_standardization`` times ``spread``. Matterport
    takes the same mean from every film, see `normalise`: a network then has to learn from its films that a darker film
    shows no other lung. The padding counts, so a film that is not square has a little more spread.

    Examples
    --------
    >>> standardise(np.array([[10, 30]]), spread=2.0, n_channels=1)[..., 0]
    array([[-2.,  2.]], dtype=float32)
    """
    image = shaped("image", pixels_array("image", image), (None, None)).astype(np.float64)
    if not spread > 0:
        raise ValueError(f"spread must be above 0, got {spread!r}")
    greys = (image - image.mean()) * (spread / max(image.std(), 1.0))
    return np.dstack([greys.astype(np.float32)] * n_channels)


def boxes_to_input(boxes, geometry):
    """Return boxes of the original image in pixels of the padded network input.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in pixels of the original.
    geometry : ImageGeometry

    Returns
    -------
    boxes : ndarray of shape (N, 4)

    Examples
    --------
    >>> geometry = ImageGeometry((2, 4), 8, (2, 0, 6, 8), 2.0)
    >>> boxes_to_input(np.array([[0.0, 0, 1, 4]]), geometry)
    array([[2., 0., 4., 8.]])
    """
    boxes = boxes_array("boxes", boxes)
    return boxes * np.tile(geometry.factors(), 2) + np.tile(geometry.window[:2], 2)


def boxes_to_original(boxes, geometry):
    """Return boxes of the network input in pixels of the original image, cut to it.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in pixels of the padded input.
    geometry : ImageGeometry

    Returns
    -------
    boxes : ndarray of shape (N, 4)
        A box that lay in the padding alone has no area left.

    Notes
    -----
    The way back of `boxes_to_input`, which multiplies by ``geometry.factors()``, input pixels per original pixel along
    y and x, and then adds the window's upper left corner, ``geometry.window[:2]``. Each step is undone, the last one
    first. Then every corner is cut to the original, ``geometry.original_size``: y to 0 to its height, x to 0 to its
    width.

    ``geometry.scale`` is the one number that was wanted; the sides of the picture were then rounded to whole pixels, so
    the factors are a little different from it, and from each other. Matterport: part of
    ``MaskRCNN.unmold_detections``, which rounds to whole pixels.

    Examples
    --------
    >>> geometry = ImageGeometry((2, 4), 8, (2, 0, 6, 8), 2.0)
    >>> boxes_to_original(np.array([[0.0, 0, 4, 8]]), geometry)
    array([[0., 0., 1., 4.]])
    """
    boxes = boxes_array("boxes", boxes)
    moved = (boxes - np.tile(geometry.window[:2], 2)) / np.tile(geometry.factors(), 2)
    return np.clip(moved, 0, np.tile(geometry.original_size, 2))


def masks_to_original(masks, geometry):
    """Return masks of the network input as masks of the original image.

    Parameters
    ----------
    masks : ndarray of shape (N, size, size), bool
        Masks on the padded input.
    geometry : ImageGeometry

    Returns
    -------
    masks : ndarray of shape (N, H, W), bool

    Raises
    ------
    ValueError
        If the masks have another size than the geometry's square.

    Notes
    -----
    Each original pixel takes the value of the input pixel that its middle falls into. Where the small mask of a
    detection is at hand, `mini_rcnn.stages.masks.paste_mask` on the original's size is finer.

    Examples
    --------
    >>> geometry = ImageGeometry((1, 2), 4, (1, 0, 3, 4), 2.0)
    >>> masks_to_original(np.eye(4, dtype=bool)[None], geometry).tolist()
    [[[False, False]]]
    """
    masks = shaped("masks", number_array("masks", masks), (None, geometry.size, geometry.size)) > 0
    window, factors = np.array(geometry.window), geometry.factors()
    rows, columns = (
        np.minimum(start + ((np.arange(length) + 0.5) * factor).astype(np.int64), end - 1)
        for length, factor, start, end in zip(geometry.original_size, factors, window[:2], window[2:])
    )
    return masks[:, rows[:, None], columns]


def masks_to_input(masks, geometry):
    """Return masks of the original image as masks of the padded network input.

    Parameters
    ----------
    masks : ndarray of shape (N, H, W), bool
    geometry : ImageGeometry

    Returns
    -------
    masks : ndarray of shape (N, size, size), bool
        Each input pixel takes the value of the original pixel that its middle falls into; the padding is False.

    Raises
    ------
    ValueError
        If the masks have another size than the geometry's original.

    Notes
    -----
    Matterport: ``mrcnn.utils.resize_mask``, whose ``scipy.ndimage.zoom`` lines up the middles of the outermost pixels
    instead and so shifts a mask by up to half a pixel against its image.

    Examples
    --------
    >>> geometry = ImageGeometry((1, 2), 4, (1, 0, 3, 4), 2.0)
    >>> masks_to_input(np.array([[[False, True]]]), geometry)[0].astype(int).tolist()
    [[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]
    """
    masks = shaped("masks", number_array("masks", masks), (None, *geometry.original_size)) > 0
    y1, x1, y2, x2 = geometry.window
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) / factor).astype(np.int64), length - 1)
        for new, factor, length in zip((y2 - y1, x2 - x1), geometry.factors(), geometry.original_size)
    )
    padded = np.zeros((len(masks), geometry.size, geometry.size), dtype=bool)
    padded[:, y1:y2, x1:x2] = masks[:, rows[:, None], columns]
    return padded


def pixels_array(name, image):
    """Return a grey or colour image as finite float64 with at least one pixel."""
    image = number_array(name, image).astype(np.float64)
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"{name} must have shape (H, W) or (H, W, C) with at least one pixel, got {image.shape}")
    return image
