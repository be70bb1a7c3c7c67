"""What a file is before pydicom sees it: is it there, is it a DICOM, how large would it become, where do its parts lie.

pydicom trusts a file: 400 nested sequences end in its RecursionError, one megabyte of deflated zeros became 2 GB.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from typing import NamedTuple

from .dicom_scan import Coding, Refusal, element_at, scan

MAX_FILE = 512 << 20  # bytes
MAX_INFLATED = 160 << 20  # bytes: 64 megapixels of 16 bit, and room for the header
PIECE = 1 << 20  # bytes, in and out, of one step of inflating
DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
SIGNATURES = (  # what else such a file may be, by how it begins
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
)


class Parts(NamedTuple):
    """A DICOM file cut into its parts."""

    data: bytes  # the file, or what was inflated of it
    places: dict  # of the outermost elements, by tag
    coding: Coding
    syntax: str  # the transfer syntax's UID; "" where the file names none


def file_bytes(path):
    """Return the content of a file, or raise if there is none, or too much."""
    path = str(path)
    try:
        if os.path.isdir(path):
            raise Refusal("folder", "this is a folder")
        if not os.path.exists(path):
            raise Refusal("missing", "there is no such file")
        if not os.path.isfile(path):
            raise Refusal("unreadable", "this is no ordinary file")
        size = os.path.getsize(path)
        if size > MAX_FILE:
            raise Refusal("too-large", f"{size >> 20:,} MB, and the limit is {MAX_FILE >> 20}")
        with open(path, "rb") as file:
            data = file.read(size)  # not more: as much memory is taken as is asked for
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise Refusal("unreadable", getattr(error, "strerror", None) or "the system cannot open it") from None
    if not data:
        raise Refusal("empty", "the file has no bytes")
    return data


def looks_like(data):
    """Return what a file that is no DICOM seems to be.

    Examples
    --------
    >>> looks_like(b"<!DOCTYPE html><html><body>404</body></html>")
    'an HTML page'
    """
    for signature, name in SIGNATURES:
        if data.startswith(signature):
            return name
    head = bytes(data[:2048])
    if b"<html" in head.lower() or b"<!doctype html" in head.lower():
        return "an HTML page"
    if head.lstrip().startswith(b"<?xml"):
        return "an XML document"
    if not any(data[:65536]):
        return "nothing but zeros"
    printable = sum(byte in b"\t\n\r" or byte >= 32 for byte in head)
    if b"\0" not in head and printable >= 0.97 * len(head):
        return "a JSON text" if head.lstrip()[:1] in (b"{", b"[") else "a text"
    return "of no kind known here"


def coding_at(data, start):
    """Return how the element at ``start`` is written, seen from its first bytes."""
    head = bytes(data[start : start + 6])
    little = struct.unpack("<H", head[:2]) <= struct.unpack(">H", head[:2])  # groups are small numbers: 0008, not 0800
    return Coding(implicit=not (head[4:6].isalpha() and head[4:6].isupper()), little=little)


def meta_information(data, start):
    """Return the transfer syntax that the file's group 0002 names, or "", and where that group ends."""
    syntax, coding = "", Coding(implicit=False, little=True)
    while data[start : start + 2] == b"\x02\x00":
        element = element_at(data, start, coding)
        start = element.value + element.length
        if start > len(data):
            raise Refusal("truncated", f"the file ends at byte {len(data)}, inside its meta information")
        if element.tag == 0x00020010:
            syntax = bytes(data[element.value : start]).rstrip(b" \0").decode("ascii", "replace")
    if syntax and not re.match(r"[0-9.]{1,64}\Z", syntax):
        raise Refusal("damaged", "its transfer syntax is no UID")
    return syntax, start


def inflated(data, start):
    """Return the data set of a deflated file, made in pieces so that it cannot grow beyond `MAX_INFLATED`."""
    inflater, out, rest = zlib.decompressobj(-zlib.MAX_WBITS), bytearray(), b""
    try:
        while not inflater.eof and (rest or start < len(data)):
            if not rest:
                rest, start = data[start : start + PIECE], start + PIECE
            out += inflater.decompress(rest, PIECE)
            rest = inflater.unconsumed_tail
            if len(out) > MAX_INFLATED:
                raise Refusal("deflate-bomb", f"more than {MAX_INFLATED >> 20} MB come out of {len(data):,} bytes")
    except zlib.error:
        raise Refusal("damaged", "the deflated data cannot be inflated") from None
    if not inflater.eof:
        raise Refusal("truncated", f"the deflated data end at byte {len(data):,} without their end")
    return out


def find_start(data):
    """Return where the first element of a file stands: behind the preamble of PS3.10 or, if plausible, at once."""
    if data[128:132] == b"DICM":
        return 132
    if len(data) >= 8 and data[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08"):
        coding = coding_at(data, 0)
        first = element_at(data, 0, coding) if not coding.implicit or coding.little else None
        if first is not None and first.value + first.length <= len(data):
            return 0
    raise Refusal("not-dicom", f"the file is {looks_like(data)}")


def parts_of(path):
    """Return a DICOM file cut into its parts, or raise a `Refusal` that says why it is none, or no sound one."""
    data = file_bytes(path)
    start = find_start(data)
    syntax, start_of_set = meta_information(data, start)
    if syntax == DEFLATED:
        data, start_of_set = inflated(data, start_of_set), 0
    if len(data) < start_of_set + 8:
        raise Refusal("truncated", f"the file ends at byte {len(data)}, before its data set")
    coding = coding_at(data, start_of_set)
    if syntax:  # of the order of bytes the file is believed, of the VRs its first element, as pydicom does
        coding = coding._replace(little=syntax != BIG_ENDIAN)
    return Parts(data, scan(data, start_of_set, coding), coding, syntax)
