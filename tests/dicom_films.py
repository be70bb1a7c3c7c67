"""DICOM films for tests, written byte by byte: nothing here shares code with the reader, or with pydicom."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"
BASELINE, EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
LOSSLESS, LOSSLESS_SV1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
LS, LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
J2K_LOSSLESS, J2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
GDCM_NAMES = {
    RLE: "RLELossless", BASELINE: "JPEGBaselineProcess1", EXTENDED: "JPEGExtendedProcess2_4",
    LOSSLESS: "JPEGLosslessProcess14", LOSSLESS_SV1: "JPEGLosslessProcess14_1", LS: "JPEGLSLossless",
    LS_NEAR: "JPEGLSNearLossless", J2K_LOSSLESS: "JPEG2000Lossless", J2K: "JPEG2000",
}  # fmt: skip
LONG = ("OB", "OW", "SQ", "UN", "UT", "UC", "UR")
OPEN = 0xFFFFFFFF


def element(tag, vr, value, *, syntax=EXPLICIT, length=None):
    """Return one element as bytes; numbers are US or SS, ``length`` may lie."""
    order = ">" if syntax == BIG_ENDIAN else "<"
    if isinstance(value, (int, tuple)):
        values = value if isinstance(value, tuple) else (value,)
        value = struct.pack(order + {"US": "H", "SS": "h", "UL": "I"}[vr] * len(values), *values)
    if isinstance(value, str):
        value = value.encode("latin-1")
    value += (b"\0" if vr in ("UI", "OB", "UN") else b" ") * (len(value) % 2)
    length = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return head + struct.pack("<I", length) + value
    if vr in LONG:
        return head + vr.encode() + b"\0\0" + struct.pack(order + "I", length) + value
    return head + vr.encode() + struct.pack(order + "H", length) + value


def item(content, *, length=None):
    """Return an item of a sequence, or a fragment."""
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content) if length is None else length) + content


def encapsulated(frame, *, pieces=1):
    """Return a compressed frame as pixel data have it: an empty offset table, fragments, a delimiter."""
    frame += b"\0" * (len(frame) % 2)
    cuts = [len(frame) * i // pieces // 2 * 2 for i in range(pieces)] + [len(frame)]
    fragments = b"".join(item(frame[low:high]) for low, high in zip(cuts, cuts[1:]))
    return item(b"") + fragments + b"\xfe\xff\xdd\xe0\0\0\0\0"


def film_elements(pixels, *, stored=None, photometric="MONOCHROME2"):
    """Return ``{tag: (VR, value)}`` of a film of these pixels, with a header as RSNA's films have it."""
    bits = pixels.dtype.itemsize * 8
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    stored = stored or bits
    signed = int(pixels.dtype.kind == "i")
    elements = {
        0x00080060: ("CS", "CR"), 0x00185101: ("CS", "PA"), 0x00100040: ("CS", "F"), 0x00101010: ("AS", "049Y"),
        0x00280002: ("US", samples), 0x00280004: ("CS", photometric), 0x00280010: ("US", pixels.shape[0]),
        0x00280011: ("US", pixels.shape[1]), 0x00280030: ("DS", "0.143\\0.171"), 0x00280100: ("US", bits),
        0x00280101: ("US", stored), 0x00280102: ("US", stored - 1), 0x00280103: ("US", signed),
    }  # fmt: skip
    if samples > 1:
        elements[0x00280006] = ("US", 0)
    return elements


def meta(syntax):
    """Return preamble and meta information."""
    return bytes(128) + b"DICM" + element(0x00020010, "UI", syntax)


def film(pixels, *, syntax=EXPLICIT, frame=None, pieces=1, extra=(), without=(), **options):
    """Return a whole DICOM file; ``extra`` is ``{tag: (VR, value)}``, ``frame`` a compressed image."""
    elements = film_elements(pixels, **options)
    elements.update(dict(extra))
    coding = syntax if syntax in (IMPLICIT, BIG_ENDIAN) else EXPLICIT
    body = b"".join(
        element(tag, *elements[tag], syntax=coding)
        for tag in sorted(elements)
        if tag not in without and tag > 0x00080000
    )
    if frame is not None:
        data = element(0x7FE00010, "OB", encapsulated(frame, pieces=pieces), length=OPEN)
    else:
        order = ">" if syntax == BIG_ENDIAN else "<"
        raw = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        data = element(0x7FE00010, "OB" if pixels.itemsize == 1 else "OW", raw, syntax=coding)
    body += data if 0x7FE00010 not in without else b""
    if syntax == DEFLATED:
        deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        body = deflater.compress(body) + deflater.flush()
    return meta(syntax) + body


def pillow_frame(pixels, kind, **options):
    """Return pixels as Pillow writes them: kind "JPEG" or "JPEG2000" (without the JP2 wrapper)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **(dict(options, no_jp2=True) if kind == "JPEG2000" else options))
    return buffer.getvalue()


def gdcm_film(pixels, syntax, folder, **options):
    """Return a DICOM file of these pixels as GDCM compresses them."""
    import gdcm

    source, target = str(folder / "source.dcm"), str(folder / "target.dcm")
    (folder / "source.dcm").write_bytes(film(pixels, extra=identity(), **options))
    reader = gdcm.ImageReader()
    reader.SetFileName(source)
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, GDCM_NAMES[syntax])))
    image = reader.GetImage()
    change.SetInput(image)
    assert change.Change(), f"GDCM does not write {GDCM_NAMES[syntax]}"
    writer = gdcm.ImageWriter()
    writer.SetFileName(target)
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return (folder / "target.dcm").read_bytes()


def identity():
    """Return what makes a film a Secondary Capture; GDCM wants to know."""
    return {0x00080016: ("UI", "1.2.840.10008.5.1.4.1.1.7"), 0x00080018: ("UI", "1.2.3.4")}


def soft_pixels(rng, shape=(96, 80), bits=8):
    """Return a picture of soft hills with some noise, that uses all its bits."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    hills = (np.sin(x / 9) + np.cos(y / 7) + 2) / 4.2
    pixels = hills * (2**bits - 1) + rng.integers(0, max(2, 2**bits // 40), shape)
    pixels[0, :2] = 0, 2**bits - 1
    return np.clip(pixels, 0, 2**bits - 1).astype(np.uint8 if bits == 8 else np.uint16)


LINUX_ONLY = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounds memory as Linux does")
