"""Decoding: the pixels as stored, by pydicom and the plug-in that does not fall over.

Pillow decodes 8 bit JPEG and JPEG 2000: in 2,700 damaged frames it raised, where GDCM ended its process in one of a
hundred. GDCM decodes what Pillow cannot, in a process of its own. pydicom decodes the rest.
"""

from __future__ import annotations

import contextlib
import logging
import warnings

import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from .dicom_frame import check_native, check_rle, check_stream, jpeg2000_shape, jpeg_shape
from .dicom_gdcm import gdcm_pixels
from .dicom_guard import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT
from .dicom_scan import PIXEL_DATA, Refusal

try:
    from pydicom.pixels import apply_color_lut, convert_color_space
except ImportError:  # pydicom 2
    from pydicom.pixel_data_handlers.util import apply_color_lut, convert_color_space

RLE = "1.2.840.10008.1.2.5"
JPEG = tuple("1.2.840.10008.1.2.4." + end for end in ("50", "51"))  # Baseline, Extended
JPEG_LOSSLESS = tuple("1.2.840.10008.1.2.4." + end for end in ("57", "70"))  # process 14; the same, first-order
JPEG_LS = tuple("1.2.840.10008.1.2.4." + end for end in ("80", "81"))  # lossless, near-lossless
JPEG_2000 = tuple("1.2.840.10008.1.2.4." + end for end in ("90", "91"))  # lossless, lossy
NATIVE = (IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED)
SYNTAXES = (*NATIVE, RLE, *JPEG, *JPEG_LOSSLESS, *JPEG_LS, *JPEG_2000)


@contextlib.contextmanager
def quiet():
    """Silence warnings and log lines of pydicom and Pillow inside: they quote header values."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "PIL")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def joined_frame(parts):
    """Return the compressed stream of a single-frame film, its fragments put together."""
    fragments = parts.places[PIXEL_DATA].fragments
    if fragments is None:
        raise Refusal("damaged", "the transfer syntax is a compressed one, the pixel data are not")
    if len(fragments) < 2:
        raise Refusal("truncated", "the pixel data hold no frame")
    (offsets_start, offsets_end), *pieces = fragments
    if offsets_end - offsets_start > 4:
        raise Refusal("multi-frame", f"its offset table lists {(offsets_end - offsets_start) // 4} frames")
    return b"".join(bytes(parts.data[start:end]) for start, end in pieces)


def checked_pixels(parts, layout, syntax):
    """Return what the pixel data element holds, a stream or plain numbers, once its own sizes fit the header's."""
    sizes = {"rows": layout.rows, "columns": layout.columns}
    if syntax in NATIVE:
        place = parts.places[PIXEL_DATA]
        if place.fragments is not None:
            raise Refusal("damaged", "the pixel data are in fragments, the transfer syntax is an uncompressed one")
        halved = layout.photometric == "YBR_FULL_422"
        wanted = {"samples": layout.samples, "allocated": layout.allocated, "halved": halved}
        check_native(place.end - place.value, **sizes, **wanted)
        return bytes(parts.data[place.value : place.end])
    frame = joined_frame(parts)
    if syntax == RLE:
        check_rle(frame, **sizes, segments=layout.samples * layout.allocated // 8)
        return frame
    jpeg2000 = syntax in JPEG_2000
    shape = jpeg2000_shape(frame) if jpeg2000 else jpeg_shape(frame)
    wanted = {"samples": layout.samples, "allocated": layout.allocated, "jpeg2000": jpeg2000}
    check_stream(frame, shape, **sizes, **wanted)
    return frame


def by_gdcm(frame, layout, syntax):
    """Return the pixels that GDCM finds in a frame, ``(H, W)`` or ``(H, W, 3)``."""
    if syntax in JPEG_LS and layout.stored in (6, 7):
        raise Refusal("depth", "GDCM gives wrong numbers for JPEG-LS of 6 or 7 bits")
    about = {name: getattr(layout, name) for name in ("rows", "columns", "samples", "allocated", "stored", "signed")}
    about.update(syntax=syntax, photometric=layout.photometric)
    data, found = gdcm_pixels(frame, about)
    shape = (layout.rows, layout.columns, layout.samples)
    dtype = np.dtype(f"<{'i' if layout.signed else 'u'}{layout.allocated // 8}")
    if found["allocated"] != layout.allocated or len(data) != np.prod(shape) * dtype.itemsize:
        raise Refusal("undecodable", "GDCM made another number of bytes than the header asks for")
    if found["planar"] and layout.samples > 1:
        return np.moveaxis(np.frombuffer(data, dtype).reshape(shape[2:] + shape[:2]), 0, 2)
    return np.frombuffer(data, dtype).reshape(shape if layout.samples > 1 else shape[:2])


def complete(dataset, layout):
    """Write what was checked into the data set that pydicom decodes by: some films leave the obvious out."""
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = layout.rows, layout.columns, layout.samples
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = layout.allocated, layout.stored, layout.stored - 1
    dataset.PixelRepresentation, dataset.PhotometricInterpretation = layout.signed, layout.photometric
    dataset.NumberOfFrames = 1
    if layout.samples > 1 and dataset.get("PlanarConfiguration") is None:
        dataset.PlanarConfiguration = 0


def by_pydicom(value, dataset, syntax):
    """Return the pixels that pydicom finds in the pixel data element; it reads sizes and bits from the data set."""
    dataset.add_new(PIXEL_DATA, "OW" if syntax in NATIVE and dataset.BitsAllocated > 8 else "OB", value)
    if syntax not in NATIVE:
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
        dataset[PIXEL_DATA].value = encapsulate([value])
        dataset[PIXEL_DATA].is_undefined_length = True
    dataset.convert_pixel_data("pillow" if syntax in (*JPEG, *JPEG_2000) else "")
    pixels = dataset.pixel_array
    colour = str(dataset.PhotometricInterpretation)  # pydicom 2 changes it where it has turned YBR to RGB
    if pixels.ndim == 3 and colour.startswith("YBR_FULL") and pydicom.__version__.startswith("2."):
        pixels = convert_color_space(pixels, colour, "RGB")
    return pixels


def stored_pixels(parts, dataset, layout, syntax):
    """Return a film's pixels as they are stored; colour ones as RGB.

    Parameters
    ----------
    parts : mini_rcnn.data.films.dicom_guard.Parts
    dataset : pydicom.Dataset
        What `mini_rcnn.data.films.dicom_header` let through. It is changed.
    layout : mini_rcnn.data.films.dicom_header.Layout
    syntax : str

    Returns
    -------
    pixels : ndarray of shape (H, W) or (H, W, 3), uint8, int8, uint16 or int16

    Raises
    ------
    Refusal
    """
    value = checked_pixels(parts, layout, syntax)
    complete(dataset, layout)
    twelve_bit = syntax in JPEG and layout.allocated > 8
    if twelve_bit or syntax in (*JPEG_LOSSLESS, *JPEG_LS):
        pixels = by_gdcm(value, layout, syntax)
    else:
        pixels = by_pydicom(value, dataset, syntax)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if layout.photometric == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
    shape = (layout.rows, layout.columns) + ((3,) if pixels.ndim == 3 else ())
    if pixels.shape != shape or pixels.dtype.kind not in "ui" or pixels.dtype.itemsize > 2:
        raise Refusal("undecodable", f"the decoder made {pixels.shape} pixels of {pixels.dtype}")
    return without_spare_bits(pixels, layout) if syntax in (*NATIVE, RLE) and pixels.ndim == 2 else pixels


def without_spare_bits(pixels, layout):
    """Return pixels with what lies above their stored bits taken away (old films keep overlays there)."""
    spare = layout.allocated - layout.stored
    return (pixels << spare) >> spare if spare else pixels
