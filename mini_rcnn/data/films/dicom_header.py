"""What a film's header may say to the rest of the lab: a list of tags, each value checked, and nothing beside them.

Names, dates, places and numbers of people stay in the file. pydicom is handed the elements listed here and no others,
so that nothing else can come out of it, in a value, a warning or an error.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import pydicom

from .dicom_decode import SYNTAXES, quiet
from .dicom_guard import BIG_ENDIAN, EXPLICIT, IMPLICIT
from .dicom_pixels import number_of
from .dicom_scan import PIXEL_DATA, Refusal

MAX_PIXELS = 64_000_000  # the largest detectors have some 20 million, a scanned 14 x 17 inch film at 50 um has 61
MIN_SIDE = 8  # pixels
ALLOWED_TAGS = (
    0x00080060, 0x00100040, 0x00101010, 0x00181164, 0x00185101,  # modality, sex, age, spacing at the imager, view
    0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011, 0x00280030,  # sizes, colour, spacing
    0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00280120,  # bits, sign, padding
    0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00281056, 0x00283000, 0x00283010,  # window, rescale, tables
    0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203,  # palette
    0x00281221, 0x00281222, 0x00281223,  # palette, in segments
)  # fmt: skip
GREY, COLOUR = ("MONOCHROME1", "MONOCHROME2"), ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
VIEWS = ("AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO")  # PS3.3 section C.8.1.1: how a plain film is taken
MODALITIES = ("CR", "CT", "DX", "ES", "GM", "IO", "MG", "MR", "NM", "OT", "PT", "PX", "RF", "RG", "SC", "SM", "US",
              "XA", "XC")  # fmt: skip


@dataclass(frozen=True)
class FilmHeader:
    """What leaves the header of a film; what is not known to be harmless is None."""

    rows: int
    columns: int
    photometric: str  # such as "MONOCHROME2"; how it was before the image was turned to grey on dark
    bits_stored: int
    transfer_syntax: str  # UID
    modality: str  # "CR", "DX", ... or None
    view: str  # "PA", "AP", ... or None
    sex: str  # "F", "M" or None
    age: int  # whole years, or None
    pixel_spacing: tuple  # (row, column), mm from the middle of a pixel to the next, or None


class Layout(NamedTuple):
    """How pixels are stored, checked."""

    rows: int
    columns: int
    samples: int
    allocated: int  # bits
    stored: int  # bits
    signed: int  # 0 or 1
    photometric: str


def allowed_dataset(parts):
    """Return a pydicom data set of the allowed elements of a film, the pixel data not among them."""
    implicit, little = parts.coding
    syntax = (IMPLICIT if implicit else EXPLICIT) if little else BIG_ENDIAN
    if not parts.syntax and not little and implicit:
        raise Refusal("damaged", "big endian without VRs, which DICOM does not have")
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    meta = b"\x02\x00\x10\x00UI" + bytes([len(uid), 0]) + uid
    kept = sorted((tag, place) for tag, place in parts.places.items() if tag in ALLOWED_TAGS)
    body = b"".join(bytes(parts.data[place.start : place.end]) for _, place in kept)
    return pydicom.dcmread(io.BytesIO(bytes(128) + b"DICM" + meta + body))


def whole(dataset, keyword, low, high, *, default=None):
    """Return a header's whole number between two limits, or raise."""
    value = number_of(dataset, keyword, default)
    if value is None:
        raise Refusal("bad-value", f"{keyword} is missing")
    if value != int(value) or not low <= value <= high:
        raise Refusal("bad-value", f"{keyword} is {value:g}, which is none of its values")
    return int(value)


def layout_of(dataset):
    """Return how a film's pixels are stored, or raise if that is no film of this lab's."""
    rows, columns = (whole(dataset, name, 0, 65535) for name in ("Rows", "Columns"))
    frames = number_of(dataset, "NumberOfFrames", 1)
    if frames > 1:
        raise Refusal("multi-frame", f"it has {frames:g} frames")
    if rows * columns > MAX_PIXELS:
        raise Refusal("too-large", f"{rows} x {columns} pixels, and the limit is {MAX_PIXELS:,}")
    if min(rows, columns) < MIN_SIDE:
        raise Refusal("too-small", f"{rows} x {columns} pixels, and no side may be below {MIN_SIDE}")
    samples = whole(dataset, "SamplesPerPixel", 1, 4, default=1)
    photometric = str(dataset.get("PhotometricInterpretation") or "").strip()
    known = {1: (*GREY, "PALETTE COLOR"), 3: COLOUR}.get(samples, ())
    if photometric not in known:
        raise Refusal(
            "colour", f"{samples} sample(s) a pixel and a photometric interpretation that does not go with it"
        )
    allocated = whole(dataset, "BitsAllocated", 1, 64)
    stored = whole(dataset, "BitsStored", 1, 64, default=allocated)
    high = whole(dataset, "HighBit", 0, 63, default=stored - 1)
    if allocated not in (8, 16) or stored > allocated or stored < 2 or high != stored - 1:
        raise Refusal("depth", f"{allocated} bits allocated, {stored} stored, the highest is bit {high}")
    signed = whole(dataset, "PixelRepresentation", 0, 1, default=0)
    return Layout(rows, columns, samples, allocated, stored, signed, photometric)


def text_of(dataset, keyword):
    """Return the first value of a text element as text, for comparison with what is known."""
    value = dataset.get(keyword)
    value = value[0] if type(value).__name__ == "MultiValue" and len(value) else value
    return str(value or "").strip()


def years(text):
    """Return an age as DICOM writes it, in whole years, or None.

    Examples
    --------
    >>> years("049Y"), years("49"), years("006M"), years("unknown")
    (49, 49, 0, None)
    """
    match = re.match(r"([0-9]{1,3})([YMWD]?)\Z", text)
    if match is None:
        return None
    return int(match.group(1)) // {"": 1, "Y": 1, "M": 12, "W": 52, "D": 365}[match.group(2)]


def spacing_of(dataset):
    """Return ``(row, column)`` spacing in mm, of the patient or else of the detector, or None if it makes no sense."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        try:
            row, column = (float(value) for value in dataset.get(keyword) or ())
        except (TypeError, ValueError):
            continue
        if 0 < row < math.inf and 0 < column < math.inf:
            return row, column
    return None


def syntax_of(parts):
    """Return the transfer syntax that a film is in, or raise if it is none that can be read."""
    native = (IMPLICIT if parts.coding.implicit else EXPLICIT) if parts.coding.little else BIG_ENDIAN
    compressed = parts.places[PIXEL_DATA].fragments is not None
    if not parts.syntax and compressed:
        raise Refusal("unsupported-syntax", "it is compressed and does not name its transfer syntax")
    syntax = parts.syntax or native
    if syntax not in SYNTAXES:
        raise Refusal("unsupported-syntax", f"its transfer syntax is {syntax}")
    return syntax


def header_of(parts):
    """Return the FilmHeader of a file's parts, the Layout of its pixels and the data set behind both.

    Raises
    ------
    Refusal
    """
    if PIXEL_DATA not in parts.places:
        raise Refusal("no-pixels", "it has no pixel data")
    syntax = syntax_of(parts)
    with quiet():
        dataset = allowed_dataset(parts)
        layout = layout_of(dataset)
        modality, view, sex = (text_of(dataset, name) for name in ("Modality", "ViewPosition", "PatientSex"))
        header = FilmHeader(
            rows=layout.rows,
            columns=layout.columns,
            photometric=layout.photometric,
            bits_stored=layout.stored,
            transfer_syntax=syntax,
            modality=modality if modality in MODALITIES else None,
            view=view if view in VIEWS else None,
            sex=sex if sex in ("F", "M") else None,
            age=years(text_of(dataset, "PatientAge")),
            pixel_spacing=spacing_of(dataset),
        )
    return header, layout, dataset
