"""What one film and its boxes look like in numbers, by one code for real and drawn ones."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from ..contradictions import CLASSES

BINS = 32  # of the grey histogram, 8 grey levels each
GREY_QUANTILES = (1, 10, 50, 90, 99)  # percent of a film's pixels
MIDDLE = (0.2, 0.15, 0.75, 0.85)  # y1, x1, y2, x2 as shares of the film: mostly lungs, heart and spine
FINE, COARSE = (0.0, 1.5), (2.0, 8.0)  # pixels: texture is what blurring by the one keeps and by the other loses
FREQUENCIES = (0.01, 0.2)  # cycles a pixel between which the spectrum's slope is taken


class FilmMeasures(NamedTuple):
    """What is measured of one film."""

    class_name: str
    histogram: np.ndarray  # (BINS,) float64, shares of the pixels; they sum to 1
    grey: np.ndarray  # (5,) float64, grey levels at GREY_QUANTILES
    texture: np.ndarray  # (2,) float64, grey levels: fine and coarse
    slope: float  # of log power over log frequency
    boxes: np.ndarray  # (N, 4) float64, pixels of the film
    contrasts: np.ndarray  # (N,) float64, grey levels


def middle_of(image):
    """Return the middle of a film, where the lungs are, as float32."""
    height, width = image.shape
    y1, x1, y2, x2 = MIDDLE
    return image[int(y1 * height) : int(y2 * height), int(x1 * width) : int(x2 * width)].astype(np.float32)


def blurred(image, sigma):
    """Return the image blurred by a Gaussian of ``sigma`` pixels; 0 leaves it alone."""
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image


def texture_of(image):
    """Return the standard deviation of the middle of a film in a fine and a coarse band, grey levels, (2,)."""
    middle = middle_of(image)
    return np.array([np.std(blurred(middle, low) - blurred(middle, high)) for low, high in (FINE, COARSE)], np.float64)


def spectrum_slope(image):
    """Return the slope of log power over log frequency in the middle of a film; NaN for one flat or tiny."""
    middle = middle_of(image)
    middle = (middle - middle.mean()) * np.outer(np.hanning(middle.shape[0]), np.hanning(middle.shape[1]))
    power = np.abs(np.fft.rfft2(middle)) ** 2
    frequency = np.hypot(np.fft.fftfreq(middle.shape[0])[:, None], np.fft.rfftfreq(middle.shape[1])[None])
    edges = np.geomspace(*FREQUENCIES, num=13)
    ring = np.digitize(frequency.ravel(), edges)
    counts, sums = np.bincount(ring, minlength=14)[1:13], np.bincount(ring, power.ravel(), minlength=14)[1:13]
    filled, middles = counts > 0, np.log(edges[:-1] * edges[1:]) / 2
    if filled.sum() < 3 or not np.all(sums[filled] > 0):
        return float("nan")
    return float(np.polyfit(middles[filled], np.log(sums[filled] / counts[filled]), 1)[0])


def pixels_of(box, shape):
    """Return the rows and columns of a box as slices, rounded and cut to the film."""
    y1, x1, y2, x2 = (int(round(float(side))) for side in box)
    return slice(max(y1, 0), min(max(y2, 0), shape[0])), slice(max(x1, 0), min(max(x2, 0), shape[1]))


def box_contrasts(image, boxes):
    """Return how much brighter each box is than what lies around it.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)``, pixels.

    Returns
    -------
    contrasts : ndarray of shape (N,), float64
        Grey levels: the mean inside the box, less the mean of the ring between it and the same box enlarged by half
        about its centre, without the pixels of any box. NaN where no ring is left.

    Examples
    --------
    >>> image = np.zeros((9, 9), np.uint8)
    >>> image[3:6, 3:6] = 40
    >>> box_contrasts(image, np.array([[3.0, 3, 6, 6]])).tolist()
    [40.0]
    """
    free = np.ones(image.shape, bool)
    for box in boxes:
        free[pixels_of(box, image.shape)] = False
    contrasts = np.full(len(boxes), np.nan)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        high, wide = (y2 - y1) / 4, (x2 - x1) / 4
        inside = image[pixels_of((y1, x1, y2, x2), image.shape)]
        around = pixels_of((y1 - high, x1 - wide, y2 + high, x2 + wide), image.shape)
        ring = image[around][free[around]]
        if inside.size and ring.size:
            contrasts[i] = inside.mean() - ring.mean()
    return contrasts


def measure_film(image, boxes, class_name):
    """Return the `FilmMeasures` of one film.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)``, pixels of the film.
    class_name : str
        One of `CLASSES`.

    Raises
    ------
    ValueError
        If the image is not two-dimensional uint8 or the class is none of RSNA's.

    Examples
    --------
    >>> measure_film(np.full((64, 64), 100, np.uint8), np.zeros((0, 4)), "Normal").grey.tolist()
    [100.0, 100.0, 100.0, 100.0, 100.0]
    """
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"image must be (H, W) uint8, got {image.shape} {image.dtype}")
    if class_name not in CLASSES:
        raise ValueError(f"class_name must be one of {CLASSES}, got {class_name!r}")
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    counts = np.bincount(image.ravel(), minlength=256).reshape(BINS, -1).sum(axis=1)
    grey = np.percentile(image, GREY_QUANTILES)
    contrasts = box_contrasts(image, boxes)
    return FilmMeasures(
        class_name, counts / image.size, grey, texture_of(image), spectrum_slope(image), boxes, contrasts
    )
