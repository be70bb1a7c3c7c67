"""Read a chest film from a DICOM file: an 8 bit grey image on a dark background, and the few facts about it we need.

What is no film of a single image is refused by name, see `KINDS`, before anything large is allocated. What is not
seen: a byte that flipped inside the compressed pixels mostly still decodes, to a slightly or grossly wrong image.
Only a list of checksums made when the file was whole finds that; the phantoms and the prepared cache keep one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .errors import DicomError
from .films.dicom_decode import quiet, stored_pixels
from .films.dicom_guard import parts_of
from .films.dicom_header import FilmHeader, header_of
from .films.dicom_pixels import grey_levels, luma
from .films.dicom_scan import Refusal

# What each kind of refusal means and what to do; the end of every error's text.
KINDS = {
    "missing": "check the name, and that the images have been unpacked",
    "folder": "name a file in it",
    "unreadable": "check that it is an ordinary file that you may read",
    "empty": "its download was cut off: fetch it again",
    "not-dicom": "fetch the film itself; a page or archive in its place often is a failed download",
    "no-pixels": "it is a DICOM, but no image, such as a report or a directory: leave it out",
    "multi-frame": "this lab reads single films: leave it out, or extract one frame",
    "truncated": "the file ends before its data do: fetch it again",
    "damaged": "its structure is broken: fetch it again",
    "too-large": "no film is that large, so the file is damaged or something else: fetch it again or leave it out",
    "too-small": "nothing can be seen in so small an image: leave it out",
    "wrong-sizes": "header and pixels contradict each other, so one of them is wrong: fetch it again",
    "nested": "no film needs that: leave it out, it may have been made to do harm",
    "deflate-bomb": "no film needs that: leave it out, it may have been made to do harm",
    "unsupported-syntax": "convert it to Explicit VR Little Endian, with gdcmconv --raw for example",
    "depth": "films of 8 or 16 bits allocated, 2 to 16 stored from the lowest bit on, are read: convert it",
    "colour": "grey films, and stills in RGB, YBR or palette colour, are read: convert it",
    "bad-value": "the header cannot be relied on: fetch the file again or leave it out",
    "undecodable": "the compressed pixels are damaged: fetch it again",
}


class Film(NamedTuple):
    """A chest film as this lab uses it."""

    image: np.ndarray  # (H, W) uint8, dark background
    header: FilmHeader


def refused(path, refusal):
    """Return the error that tells a person why a file was refused and what to do."""
    return DicomError(path, refusal.kind, f"{refusal.found}; {KINDS[refusal.kind]}")


def film_of(parts):
    """Return the Film in a DICOM file's parts."""
    header, layout, dataset = header_of(parts)
    with quiet():
        pixels = stored_pixels(parts, dataset, layout, header.transfer_syntax)
        if pixels.ndim == 3:
            return Film(luma(pixels), header)
        try:
            image = grey_levels(pixels, layout.stored, dataset)
            return Film(np.require(image, requirements=["C", "W"]), header)  # decoders' own memory may be read-only
        except (LookupError, TypeError, ValueError, AttributeError, NotImplementedError):
            raise Refusal("bad-value", "its rescale, window or tables make no grey levels") from None


def attempted(step, path):
    """Return ``step`` of a file's parts; whatever goes wrong becomes a DicomError that quotes nothing of the header."""
    try:
        return step(parts_of(path))
    except Refusal as refusal:
        error = refused(path, refusal)
    except MemoryError:
        error = refused(path, Refusal("too-large", "there is not enough memory for it"))
    except Exception as unforeseen:  # whatever pydicom and its plug-ins raise; their texts may quote the header
        name = type(unforeseen).__name__
        error = refused(path, Refusal("undecodable", f"decoding it ended in {name}"))
    raise error from None


def read_image(path):
    """Return the film in a DICOM file: an 8 bit grey image on a dark background, and what its header says.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    film : Film
        ``image``, an ndarray of shape (H, W), uint8; ``header``, a FilmHeader.

    Raises
    ------
    DicomError
        If the file is no film that can be read. Its ``kind`` is one of `KINDS`; its text holds numbers, names of
        elements and the transfer syntax, never a text out of the header.

    Notes
    -----
    Read are uncompressed films in either order of bytes, deflated ones, RLE, JPEG Baseline and Extended (12 bit too),
    Lossless, JPEG-LS and JPEG 2000. Grey levels follow DICOM PS3.3 sections C.11.1 and C.11.2: the modality's rescale
    or table, then the VOI table if there is one, else the first window, whose ends become 0 and 255. A film without
    either is stretched between the 0.5th and the 99.5th percentile of its pixels, padding left aside; an 8 bit film
    without rescale and window comes out as it is stored. MONOCHROME1 is inverted at the end. Colour is turned to its
    luma. Overlays and presentation tables are not applied.

    The known weakness: a byte that flipped inside the compressed pixels mostly passes in silence.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> film = read_image(get_testdata_file("MR_small_RLE.dcm"))
    >>> film.image.shape, film.image.dtype.name, film.header.modality
    ((64, 64), 'uint8', 'MR')
    """
    return attempted(film_of, path)


def read_header(path):
    """Return what the header of a film says, without decoding its pixels.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    header : FilmHeader
        The only facts that leave the file: sizes, how the pixels are stored, view, sex, age and pixel spacing.

    Raises
    ------
    DicomError
        As `read_image`, of what is wrong outside the pixels.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> header = read_header(get_testdata_file("CT_small.dcm"))
    >>> header.rows, header.columns, header.sex, header.pixel_spacing
    (128, 128, None, (0.661468, 0.661468))
    """
    return attempted(lambda parts: header_of(parts)[0], path)
