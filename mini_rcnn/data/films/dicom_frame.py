"""What the pixel data themselves say before they are decoded: their own size, and whether their end is there.

A decoder believes the stream it is given: a JPEG that claims 65535 x 65535 pixels takes 4 GB, and one whose end is
missing comes out grey at the bottom. So size and end are read here first, a few bytes each.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from .dicom_scan import Refusal

MAX_TILES = 4096  # of a JPEG 2000 image; each takes memory before its first pixel
TILES_THERE_CAN_BE = 65535  # ITU-T T.800 section A.5.1
MAX_SCANS = 64  # of a JPEG; DICOM's have one to four, and each costs the time of a whole image
TAIL = 64  # bytes at the end of a frame among which its end marker stands; behind it only padding


class FrameShape(NamedTuple):
    """What a compressed stream says of itself."""

    rows: int
    columns: int
    samples: int
    precision: int  # bits


def jpeg_shape(frame):
    r"""Return what a JPEG or JPEG-LS stream's frame header says: ITU-T T.81 section B.2.2, T.87 section C.2.2.

    Parameters
    ----------
    frame : bytes

    Returns
    -------
    shape : FrameShape

    Raises
    ------
    Refusal
        ``undecodable`` if there is no such header.

    Examples
    --------
    >>> jpeg_shape(b"\xff\xd8\xff\xc0\x00\x0b\x08\x02\x00\x04\x00\x01\x01\x11\x00")
    FrameShape(rows=512, columns=1024, samples=1, precision=8)
    """
    position = 2 if frame[:2] == b"\xff\xd8" else len(frame)
    while position + 10 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) or marker == 0xF7:
            precision, rows, columns, samples = struct.unpack_from(">BHHB", frame, position + 4)
            return FrameShape(rows, columns, samples, precision)
        position += 2 + struct.unpack_from(">H", frame, position + 2)[0]
    raise Refusal("undecodable", "the JPEG stream has no frame header")


def jpeg2000_shape(frame):
    """Return what a JPEG 2000 stream's SIZ segment says, ITU-T T.800 section A.5.1; a JP2 wrapper is stepped over."""
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0 or len(frame) < start + 45:
        raise Refusal("undecodable", "the JPEG 2000 stream has no SIZ segment")
    x1, y1, x0, y0, tile_width, tile_height, tile_x0, tile_y0, samples, depth = struct.unpack_from(
        ">8IHB", frame, start + 8
    )
    if not (tile_width and tile_height) or x1 <= x0 or y1 <= y0 or tile_x0 > x0 or tile_y0 > y0:
        raise Refusal("undecodable", "the JPEG 2000 stream's sizes contradict each other")
    tiles = -(-(x1 - tile_x0) // tile_width) * -(-(y1 - tile_y0) // tile_height)
    if tiles > TILES_THERE_CAN_BE:
        raise Refusal("undecodable", f"the JPEG 2000 stream names {tiles:,} tiles, more than there can be")
    if tiles > MAX_TILES:
        raise Refusal("too-large", f"the JPEG 2000 stream has {tiles:,} tiles, and the limit is {MAX_TILES:,}")
    return FrameShape(y1 - y0, x1 - x0, samples, (depth & 0x7F) + 1)


def check_stream(frame, shape, *, rows, columns, samples, allocated, jpeg2000):
    """Raise unless a compressed stream fits the header and is there to its end."""
    if (shape.rows, shape.columns) != (rows, columns):
        text = f"the header says {rows} x {columns}, the compressed image {shape.rows} x {shape.columns}"
        raise Refusal("wrong-sizes", text)
    if shape.samples != samples:
        raise Refusal("wrong-sizes", f"the header says {samples} samples a pixel, the compressed image {shape.samples}")
    if shape.precision > allocated or (not jpeg2000 and (shape.precision > 8) != (allocated > 8)):
        text = f"the header allots {allocated} bits a sample, the compressed image has {shape.precision}"
        raise Refusal("wrong-sizes", text)
    if not jpeg2000 and frame.count(b"\xff\xda") > MAX_SCANS:
        raise Refusal("undecodable", f"the compressed image has more than {MAX_SCANS} scans")
    if b"\xff\xd9" not in frame[-TAIL:]:
        raise Refusal("truncated", "the compressed image has no end marker")


def check_native(length, *, rows, columns, samples, allocated, halved):
    """Raise unless uncompressed pixels are as many bytes as rows, columns, samples and bits make, or one to be even.

    ``halved`` says that two pixels share their colour (YBR_FULL_422).
    """
    wanted = rows * columns * samples * (allocated // 8)
    wanted = wanted * 2 // 3 if halved else wanted
    if length not in (wanted, wanted + wanted % 2):
        text = f"{rows} x {columns} x {samples} samples of {allocated} bits are {wanted:,} bytes, there are {length:,}"
        raise Refusal("wrong-sizes", text)


def check_rle(frame, *, rows, columns, segments):
    """Raise unless each segment of an RLE frame unpacks to one byte a pixel: PS3.5, annex G.

    Two bytes can unpack to 128, so this counts before anything is unpacked.
    """
    if len(frame) < 64:
        raise Refusal("truncated", "the RLE frame ends inside its header")
    count, *offsets = struct.unpack_from("<16I", frame)
    if count != segments:
        raise Refusal("wrong-sizes", f"the RLE frame has {count} segments, the header asks for {segments}")
    edges = offsets[:count] + [len(frame)]
    if edges[0] != 64 or any(low >= high for low, high in zip(edges, edges[1:])):
        raise Refusal("damaged", "the RLE frame's offsets are out of order")
    for low, high in zip(edges, edges[1:]):
        pixels = unpacked_length(frame, low, high, enough=rows * columns)
        if pixels < rows * columns:
            text = f"an RLE segment has {pixels:,} pixels, {rows} x {columns} are {rows * columns:,}"
            raise Refusal("truncated", text)
        if pixels > rows * columns:
            raise Refusal("wrong-sizes", f"an RLE segment has more than {rows} x {columns} pixels")


def unpacked_length(frame, position, end, *, enough):
    r"""Return how many bytes an RLE segment unpacks to, counting no further than ``enough`` is passed.

    >>> unpacked_length(b"\x02abc\xfex", 0, 6, enough=100)
    6
    """
    length = 0
    while position < end - 1 and length <= enough:
        head = frame[position]
        if head < 128:
            length += min(head + 1, end - 1 - position)
            position += head + 2
        else:
            length += 257 - head if head > 128 else 0
            position += 2 if head > 128 else 1
        if length == enough and end - position <= 2:  # what is left is padding
            break
    return length
