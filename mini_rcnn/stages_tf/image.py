"""The image on its way in and out, in TensorFlow: the twin of `mini_rcnn.stages.image`.

Sizes are plain numbers or static shapes, and an `ImageGeometry` is made of plain numbers, also in a graph.
"""

from __future__ import annotations

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.stages._check import number_array, size_pair, whole_number
from mini_rcnn.stages._check import shaped as shaped_array
from mini_rcnn.stages.image import ImageGeometry

from ._check import boxes_tensor, number_tensor, shaped


def gaussian_smooth(image, sigmas):
    """Return the image smoothed along y and x, zeros beyond; see `mini_rcnn.stages.image.gaussian_smooth`."""
    image = tf.convert_to_tensor(image)
    for axis, sigma in enumerate(sigmas):
        image = multiply_axis(smoothing_weights(tf.shape(image)[axis], sigma), image, axis)
    return image


def interpolate_linearly(image, positions, axis):
    """Return values at fractional positions along one axis; see `mini_rcnn.stages.image.interpolate_linearly`."""
    image = tf.convert_to_tensor(image)
    cells = tf.range(tf.shape(image)[axis])
    distances = tf.abs(tf.convert_to_tensor(positions)[:, None] - tf.cast(cells, tf.float64))  # (positions, cells)
    return multiply_axis(tf.maximum(1 - distances, 0), image, axis)


def resample(image, positions, factors):
    """Return the image where rows cross columns, smoothed where it shrinks; see `mini_rcnn.stages.image.resample`.

    Smoothing and interpolating are products with a matrix here, which NumPy does with shifted sums: a matrix has no
    loop over a number that only the running graph knows.
    """
    smooth = gaussian_smooth(image, [tf.maximum((tf.cast(factor, tf.float64) - 1) / 2, 0) for factor in factors])
    out = interpolate_linearly(interpolate_linearly(smooth, positions[0], axis=0), positions[1], axis=1)
    return tf.minimum(tf.maximum(out, tf.reduce_min(smooth)), tf.reduce_max(smooth))


def resize_image(image, size):
    """Return the image with another number of pixels, float64; see `mini_rcnn.stages.image.resize_image`."""
    return resize_pixels(pixels_tensor("image", image), size_pair("size", size))


def fit_to_square(image, *, size):
    """Return the image fitted into a square, and its `ImageGeometry`; see `mini_rcnn.stages.image.fit_to_square`.

    Height and width of the image must be known while a graph is traced: the geometry is made of them.
    """
    image = pixels_tensor("image", image)
    size = whole_number("size", size, 1)
    height, width = image.shape.as_list()[:2]
    if None in (height, width):
        raise ValueError(f"image must have a height and width known beforehand, got {tuple(image.shape.as_list())}")
    scale = size / max(height, width)
    new_height, new_width = max(1, round(height * scale)), max(1, round(width * scale))
    resized = image if (new_height, new_width) == (height, width) else resize_pixels(image, (new_height, new_width))
    top, left = (size - new_height) // 2, (size - new_width) // 2
    padding = [[top, size - new_height - top], [left, size - new_width - left]] + [[0, 0]] * (image.shape.rank - 2)
    window = (top, left, top + new_height, left + new_width)
    return tf.pad(resized, padding), ImageGeometry((height, width), size, window, scale)


def normalise(image, *, mean):
    """Return the image with the mean pixel taken away, (H, W, C) float32; see `mini_rcnn.stages.image.normalise`."""
    image = pixels_tensor("image", image)
    mean = shaped_array("mean", number_array("mean", mean), (None,))
    if image.shape.rank == 2:
        image = tf.repeat(image[:, :, None], len(mean), axis=2)
    if image.shape[2] != len(mean):
        raise ValueError(f"mean must have one number for each channel of image, got {len(mean)} for {image.shape[2]}")
    return tf.cast(image, tf.float32) - tf.constant(mean, tf.float32)


def standardise(image, *, spread, n_channels=3):
    """Return a grey image less its mean, greys spread alike, (H, W, C); see `mini_rcnn.stages.image.standardise`."""
    image = tf.cast(shaped("image", pixels_tensor("image", image), (None, None)), tf.float64)
    if not spread > 0:
        raise ValueError(f"spread must be above 0, got {spread!r}")
    factor = spread / tf.maximum(tf.math.reduce_std(image), 1)
    return tf.repeat(tf.cast((image - tf.reduce_mean(image)) * factor, tf.float32)[:, :, None], n_channels, axis=2)


def boxes_to_input(boxes, geometry):
    """Return boxes of the original in pixels of the input, float64; see `mini_rcnn.stages.image.boxes_to_input`."""
    boxes = tf.cast(boxes_tensor("boxes", boxes), tf.float64)
    return boxes * np.tile(geometry.factors(), 2) + np.tile(geometry.window[:2], 2).astype(np.float64)


def boxes_to_original(boxes, geometry):
    """Return boxes of the input in pixels of the original, float64; see `mini_rcnn.stages.image.boxes_to_original`."""
    boxes = tf.cast(boxes_tensor("boxes", boxes), tf.float64)
    moved = (boxes - np.tile(geometry.window[:2], 2).astype(np.float64)) / np.tile(geometry.factors(), 2)
    return tf.minimum(tf.maximum(moved, 0), np.tile(geometry.original_size, 2).astype(np.float64))


def masks_to_original(masks, geometry):
    """Return masks of the input as masks of the original, bool; see `mini_rcnn.stages.image.masks_to_original`."""
    masks = shaped("masks", number_tensor("masks", masks), (None, geometry.size, geometry.size)) > 0
    window, factors = np.array(geometry.window), geometry.factors()
    rows, columns = (
        np.minimum(start + ((np.arange(length) + 0.5) * factor).astype(np.int64), end - 1)
        for length, factor, start, end in zip(geometry.original_size, factors, window[:2], window[2:])
    )
    return tf.gather(tf.gather(masks, rows, axis=1), columns, axis=2)


def masks_to_input(masks, geometry):
    """Return masks of the original as masks of the input, bool; see `mini_rcnn.stages.image.masks_to_input`."""
    masks = shaped("masks", number_tensor("masks", masks), (None, *geometry.original_size)) > 0
    y1, x1, y2, x2 = geometry.window
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) / factor).astype(np.int64), length - 1)
        for new, factor, length in zip((y2 - y1, x2 - x1), geometry.factors(), geometry.original_size)
    )
    inside = tf.gather(tf.gather(masks, rows, axis=1), columns, axis=2)
    return tf.pad(inside, [[0, 0], [y1, geometry.size - y2], [x1, geometry.size - x2]])


def resize_pixels(image, size):
    """Return a checked image with another number of pixels, which may be known to the running graph alone."""
    factors, positions = [], []
    for axis, new in enumerate(size):
        factor = tf.cast(tf.shape(image)[axis], tf.float64) / tf.cast(new, tf.float64)
        factors.append(factor)
        positions.append((tf.cast(tf.range(new), tf.float64) + 0.5) * factor - 0.5)
    return resample(image, positions, factors)


def smoothing_weights(length, sigma):
    """Return the matrix (length, length), float64, that smooths: a Gaussian around each row's own cell."""
    sigma = tf.cast(sigma, tf.float64)
    radius = tf.floor(4 * sigma + 0.5)
    sharpness = -0.5 / tf.maximum(sigma, 1e-9) ** 2  # with a radius of 0 only distance 0 counts, whatever sigma
    kernel = tf.exp(sharpness * tf.range(-radius, radius + 1) ** 2)
    cells = tf.cast(tf.range(length), tf.float64)
    distances = tf.abs(cells[:, None] - cells)
    return tf.where(distances <= radius, tf.exp(sharpness * distances**2), 0) / tf.reduce_sum(kernel)


def multiply_axis(matrix, image, axis):
    """Return the image with a matrix applied along axis 0 or 1: ``sum_j matrix[i, j] * image[.., j, ..]``."""
    product = tf.tensordot(matrix, image, axes=[[1], [axis]])
    return product if axis == 0 else tf.transpose(product, [1, 0] + list(range(2, image.shape.rank)))


def pixels_tensor(name, image):
    """Return a grey or colour image as float64 with at least one pixel."""
    image = tf.cast(number_tensor(name, image), tf.float64)
    if image.shape.rank not in (2, 3) or 0 in image.shape.as_list():
        shape = image.shape if image.shape.rank is None else tuple(image.shape.as_list())
        raise ValueError(f"{name} must have shape (H, W) or (H, W, C) with at least one pixel, got {shape}")
    return image
