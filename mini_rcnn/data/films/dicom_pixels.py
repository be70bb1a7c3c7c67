"""From the decoder's numbers to grey levels: colour, modality rescale, window, MONOCHROME1.

Every one of these is a function of one stored value (DICOM PS3.3 sections C.11.1 and C.11.2), so it is worked out once
for each value that can be stored, 65,536 at most, and the image looks its pixels up.
"""

from __future__ import annotations

import math

import numpy as np

from .dicom_scan import Refusal

try:
    from pydicom.pixels import apply_modality_lut, apply_voi
except ImportError:  # pydicom 2
    from pydicom.pixel_data_handlers.util import apply_modality_lut, apply_voi

ROBUST = (0.5, 99.5)  # percentiles of the pixels that become black and white where a film names no window
BLOCK = 256  # rows worked on at a time, where a pixel takes several bytes more meanwhile
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as YBR_FULL's Y and Pillow's "L"


def number_of(dataset, keyword, default=None):
    """Return the first value of a numeric element as a float, or the default if it is absent or empty."""
    value = dataset.get(keyword)
    value = value[0] if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else value
    if value is None or value == "":
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise Refusal("bad-value", f"{keyword} is not a number")
    return number


def window_levels(values, center, width, function):
    """Return values seen through a window: grey levels from 0, black, to 255, white.

    Parameters
    ----------
    values : ndarray, float
        What the pixels mean, after the modality's rescale.
    center, width : float
        Of the window. ``width`` is at least 1 for ``"LINEAR"``, above 0 for the others.
    function : str
        ``"LINEAR"``, ``"LINEAR_EXACT"`` or ``"SIGMOID"``: the header's ``VOILUTFunction``.

    Returns
    -------
    levels : ndarray of float64
        Of the values' shape; not rounded.

    Notes
    -----
    With ``x`` for a value, ``c`` for the center and ``w`` for the width (DICOM PS3.3, section C.11.2.1):

    - ``"LINEAR"``: ``((x - (c - 0.5)) / (w - 1) + 0.5) * 255``, cut to 0 to 255. The standard counts ``w`` whole values
      from ``c - w / 2`` on, hence the half and the one.
    - ``"LINEAR_EXACT"``: ``((x - c) / w + 0.5) * 255``, cut to 0 to 255.
    - ``"SIGMOID"``: ``255 / (1 + exp(-4 (x - c) / w))``.

    A ``"LINEAR"`` window of width 1 has nothing to divide by: every value above ``c - 0.5`` is white, all others are
    black.

    Examples
    --------
    >>> window_levels(np.array([-1024.0, 0, 39.5, 1000]), 40.0, 400.0, "LINEAR").round(2)
    array([  0.  , 102.26, 127.5 , 255.  ])
    """
    if function == "SIGMOID":
        return 255 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width == 0:
        return np.where(values > center, 255.0, 0.0)
    return np.clip(((values - center) / width + 0.5) * 255, 0, 255)


def window_of(dataset):
    """Return the first window that a film names, ``(center, width, function)``, or None without one.

    A width that the standard does not allow (below 1, for the exact and the sigmoid function 0 or less) is no window.
    """
    center, width = number_of(dataset, "WindowCenter"), number_of(dataset, "WindowWidth")
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise Refusal("bad-value", "VOILUTFunction is none of the standard's three")
    if center is None or width is None or width < (1 if function == "LINEAR" else 1e-9):
        return None
    return center, width, function


def modality_values(stored, dataset):
    """Return what stored values mean after the modality's table or rescale, float64."""
    if dataset.get("ModalityLUTSequence"):
        return apply_modality_lut(stored, dataset).astype(np.float64)
    slope, intercept = number_of(dataset, "RescaleSlope", 1.0), number_of(dataset, "RescaleIntercept", 0.0)
    if slope == 0:
        raise Refusal("bad-value", "RescaleSlope is 0")
    return stored * slope + intercept


def robust_limits(values, counts):
    """Return the values at the `ROBUST` percentiles of the pixels, given how many pixels have each value."""
    order = np.argsort(values, kind="stable")
    cumulated = np.cumsum(counts[order])
    ranks = [percent / 100 * (cumulated[-1] - 1) for percent in ROBUST]
    return [float(values[order[np.searchsorted(cumulated, rank, side="right")]]) for rank in ranks]


def levels_of(stored, counts, dataset):
    """Return the grey level, 0 to 255 as float64, of each value that can be stored."""
    values = modality_values(stored, dataset)
    if dataset.get("VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        if not 8 <= bits <= 16:
            raise Refusal("bad-value", "the VOI table has neither 8 nor 16 bits, nor any between")
        return apply_voi(np.rint(values).astype(np.int64), dataset, index=0) * (255 / (2**bits - 1))
    window = window_of(dataset)
    if window is not None:
        return window_levels(values, *window)
    low, high = robust_limits(values, counts)
    return np.clip((values - low) * (255 / (high - low) if high > low else 0), 0, 255)


def is_plain(pixels, stored_bits, dataset):
    """Return whether stored values are grey levels already: 8 bit, and nothing in the header to change them."""
    if pixels.dtype != np.uint8 or stored_bits != 8:
        return False
    if dataset.get("ModalityLUTSequence") or dataset.get("VOILUTSequence") or window_of(dataset) is not None:
        return False
    return number_of(dataset, "RescaleSlope", 1.0) == 1 and number_of(dataset, "RescaleIntercept", 0.0) == 0


def grey_levels(pixels, stored_bits, dataset):
    """Return a grey film's pixels as 8 bit grey levels on a dark background.

    Parameters
    ----------
    pixels : ndarray of shape (H, W), uint8, int8, uint16 or int16
        As stored.
    stored_bits : int
    dataset : pydicom.Dataset
        With what the film says of rescale, window and photometric interpretation.

    Returns
    -------
    image : ndarray of shape (H, W), uint8
    """
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    if is_plain(pixels, stored_bits, dataset):
        return 255 - pixels if inverted else pixels
    limits = np.iinfo(pixels.dtype)
    stored = np.arange(limits.min, limits.max + 1)
    places = pixels.view(f"u{pixels.itemsize}")  # a negative value stands behind the positive ones
    stored = np.roll(stored, limits.min) if limits.min else stored
    counts = pixel_counts(places, len(stored))
    padding = dataset.get("PixelPaddingValue")
    if isinstance(padding, int) and limits.min <= padding <= limits.max and counts.sum() > counts[padding]:
        counts[padding] = 0  # what lies outside the film does not stretch it
    table = np.rint(levels_of(stored, counts, dataset)).astype(np.uint8)
    return (255 - table if inverted else table)[places]


def pixel_counts(places, n_values):
    """Return how many pixels have each value, counted in blocks: NumPy makes eight bytes of each pixel to count it."""
    blocks = range(0, len(places), BLOCK)
    return sum(np.bincount(places[start : start + BLOCK].ravel(), minlength=n_values) for start in blocks)


def luma(colours):
    """Return the brightness of RGB pixels (H, W, 3) as uint8, 16 bit ones scaled down."""
    scale = 255 / np.iinfo(colours.dtype).max
    grey = np.empty(colours.shape[:2], dtype=np.uint8)
    for start in range(0, len(colours), BLOCK):
        bright = colours[start : start + BLOCK].astype(np.float32) @ LUMA * scale
        grey[start : start + BLOCK] = np.rint(np.clip(bright, 0, 255))
    return grey
