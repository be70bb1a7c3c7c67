"""The grey levels of a film: brightness, contrast, blur and sharpen. No pixel moves, so boxes and masks stay."""

from __future__ import annotations

import math
import numbers

import cv2
import numpy as np

MIDDLE_GREY = 127  # imgaug 0.4.0's centre of contrast, int(127.5)


def grey_film(image):
    """Return the image as a uint8 array (H, W), or raise ValueError."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 2 or image.size == 0:
        raise ValueError(f"image must be a grey uint8 image (H, W) with pixels, got {image.dtype} {image.shape}")
    return image


def amount(name, value, high=math.inf):
    """Return a finite number from 0 to ``high`` as a float, or raise ValueError."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 <= value <= high or math.isinf(value):
        raise ValueError(
            f"{name} must be a finite number of at least 0{f' and at most {high}' * (high < 9)}, got {value}"
        )
    return float(value)


def look_up_levels(image, levels):
    """Return the image with each grey level replaced by the entry of a table of 256 numbers, rounded and clipped."""
    return cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def brightness(image, factor):
    """Return a film brighter or darker: every grey level times a factor.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    factor : float
        At least 0; 1 changes nothing.

    Returns
    -------
    image : ndarray of shape (H, W), uint8
        ``factor * v``, rounded. What passes 255 is cut to 255 and can no longer be told apart: at 1.15, all above 221.

    Raises
    ------
    ValueError
        If the image is no uint8 (H, W), or the factor is negative or not finite.

    Notes
    -----
    imgaug: ``Multiply``, which cuts fractions off where this rounds, so its film is darker by up to one level.

    Examples
    --------
    >>> brightness(np.array([[0, 100, 250]], dtype=np.uint8), 1.15).tolist()
    [[0, 115, 255]]
    """
    return look_up_levels(grey_film(image), np.arange(256) * amount("factor", factor))


def contrast(image, factor):
    """Return a film with more or less contrast: every grey level's distance from middle grey, times a factor.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    factor : float
        At least 0; 1 changes nothing, 0 leaves one grey.

    Returns
    -------
    image : ndarray of shape (H, W), uint8
        ``127 + factor * (v - 127)`` of a grey level ``v``, rounded to the nearest whole number and then cut: below 0
        becomes 0, above 255 becomes 255.

    Raises
    ------
    ValueError
        If the image is no uint8 (H, W), or the factor is negative or not finite.

    Notes
    -----
    imgaug: ``LinearContrast`` (once ``ContrastNormalization``), whose documents say 127 or 128 by turns and whose code
    has 127. It cuts fractions off where this rounds: up to one level darker.

    Examples
    --------
    >>> contrast(np.array([[0, 127, 227]], dtype=np.uint8), 1.15).tolist()
    [[0, 127, 242]]
    """
    factor = amount("factor", factor)
    levels = MIDDLE_GREY + factor * (np.arange(256) - MIDDLE_GREY)  # of every grey level there is
    return look_up_levels(grey_film(image), levels)


def gaussian_weights(sigma):
    """Return the weights of a Gaussian of 5 pixels along one axis.

    Parameters
    ----------
    sigma : float
        Standard deviation in pixels, above 0.

    Returns
    -------
    weights : ndarray of shape (5,), float64
        Of the pixels at -2, -1, 0, 1 and 2; they add up to 1.

    Notes
    -----
    ``w_i = exp(-i**2 / (2 sigma**2))`` for ``i`` from -2 to 2, each divided by the sum of all five: so an even grey
    stays as bright as it is. Blurring weights a pixel's neighbours along x by these, then along y.

    Examples
    --------
    >>> gaussian_weights(0.5).round(4).tolist()
    [0.0003, 0.1065, 0.7866, 0.1065, 0.0003]
    """
    places = np.arange(-2, 3)
    weights = np.exp(-0.5 * (places / sigma) ** 2)
    return weights / weights.sum()


def blur(image, sigma):
    """Return a film smoothed by a Gaussian.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    sigma : float
        Standard deviation in pixels; 0 changes nothing.

    Returns
    -------
    image : ndarray of shape (H, W), uint8
        The film is mirrored at its borders.

    Raises
    ------
    ValueError
        If the image is no uint8 (H, W), or sigma is negative, not finite or above 10.

    Notes
    -----
    imgaug: ``GaussianBlur``, on the same OpenCV; the same numbers up to sigma 0.66. Above, imgaug cuts the Gaussian off
    at less than two sigma to each side and this at three.

    **The slides' sigma, at most 0.12, does nothing.** The neighbour's weight is ``exp(-1 / (2 * 0.12**2))``, 8e-16. A
    lone white pixel on black is the most a blur can change, and takes a weight of 0.0005 to lose half a grey level:
    sigma 0.256. OpenCV keeps weights in steps of 1/256, so here the first pixel changes at sigma 0.284.

    Examples
    --------
    >>> dot = np.zeros((5, 5), dtype=np.uint8)
    >>> dot[2, 2] = 255
    >>> bool((blur(dot, 0.12) == dot).all()), int(blur(dot, 0.5)[2, 2])
    (True, 159)
    """
    image, sigma = grey_film(image), amount("sigma", sigma)
    if sigma > 10:
        raise ValueError(f"sigma must be at most 10 pixels, got {sigma}")
    if sigma == 0:
        return image.copy()
    side = 2 * max(2, math.ceil(3 * sigma)) + 1  # pixels; 5 as imgaug has it, or three sigma to each side
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)


def sharpen(image, alpha):
    """Return a film with its edges raised: what a pixel has above its neighbours is added to it.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    alpha : float
        From 0, which changes nothing, to 1.

    Returns
    -------
    image : ndarray of shape (H, W), uint8
        ``v + alpha * (8 v - sum of the eight neighbours)``, rounded and cut to 0 to 255; mirrored at the borders.

    Raises
    ------
    ValueError
        If the image is no uint8 (H, W), or alpha lies outside [0, 1].

    Notes
    -----
    imgaug: ``Sharpen(alpha, lightness=1)``, whose kernel is ``(1 - alpha) [v] + alpha [9 v - neighbours]``; at most one
    level apart, by its float32 sums. Noise is raised with the edges: at 0.12 a lone pixel stands out twice as far.

    Examples
    --------
    >>> edge = np.array([[100, 100, 110, 110]] * 3, dtype=np.uint8)
    >>> sharpen(edge, 0.1)[1].tolist()
    [100, 97, 113, 110]
    """
    image, alpha = grey_film(image), amount("alpha", alpha, 1)
    kernel = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], dtype=np.float32)
    # Whole numbers, so exact: the rounding below is the same on every processor.
    surplus = cv2.filter2D(image, cv2.CV_16S, kernel, borderType=cv2.BORDER_REFLECT_101)
    raised = surplus * np.float32(alpha)
    raised += image
    return np.clip(np.rint(raised, out=raised), 0, 255, out=raised).astype(np.uint8)
