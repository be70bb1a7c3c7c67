"""The skeleton of a DICOM data set, tags and places alone: walked with bounds, nothing in it taken for true.

DICOM PS3.5 section 7: an element is a tag, perhaps a VR (two letters: the type), a length and a value. A sequence holds
items, which hold elements again; its length, and an item's, may be left open and then ends at a delimiter.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAX_DEPTH = 32  # sequences inside sequences; real objects stay below ten, and pydicom's recursion ends at some 300
MAX_ELEMENTS = 100_000  # of a film that has some 60 to 300
PIXEL_DATA = 0x7FE00010
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
OPEN = 0xFFFFFFFF  # the length that says: until the delimiter
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # PS3.5 section 7.1.2: 4 bytes of length


class Refusal(Exception):
    """Why a file is refused: its kind, one of `mini_rcnn.data.dicom.KINDS`, and what was found, in words of ours."""

    def __init__(self, kind, found):
        super().__init__(kind, found)
        self.kind, self.found = kind, found


class Coding(NamedTuple):
    """How elements are written."""

    implicit: bool  # without VRs
    little: bool  # least byte first


class Element(NamedTuple):
    """The head of one element: where it stands and how long its value is."""

    tag: int
    vr: bytes  # b"" where there is none
    start: int  # of the tag, bytes from the beginning
    value: int  # of the value
    length: int  # of the value, or OPEN


class Place(NamedTuple):
    """Where an element of the outermost level lies: ``data[start:end]``, its value from ``value`` on."""

    start: int
    value: int
    end: int
    fragments: tuple = None  # of encapsulated pixel data: (start, end) of each, the offset table first


class Container(NamedTuple):
    """A sequence or item that is open while the walk is inside it."""

    element: Element
    end: int  # None where a delimiter ends it
    coding: Coding


def tag_name(tag):
    """Return a tag as DICOM's tables write it.

    >>> tag_name(0x7FE00010)
    '(7FE0,0010)'
    """
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def element_at(data, start, coding):
    """Return the head of the element at ``start``, or raise if the data end in it."""
    order = "<" if coding.little else ">"
    if start + 8 > len(data):
        raise Refusal("truncated", f"the file ends at byte {len(data)}, inside the head of an element")
    group, number = struct.unpack_from(order + "HH", data, start)
    tag, vr = group << 16 | number, bytes(data[start + 4 : start + 6])
    if coding.implicit or group == 0xFFFE or not (vr.isalpha() and vr.isupper()):  # some writers forget a VR: pydicom
        length = struct.unpack_from(order + "I", data, start + 4)[0]
        return Element(tag, b"", start, start + 8, length)
    if vr not in LONG_VRS:
        return Element(tag, vr, start, start + 8, struct.unpack_from(order + "H", data, start + 6)[0])
    if start + 12 > len(data):
        raise Refusal("truncated", f"the file ends at byte {len(data)}, inside the head of {tag_name(tag)}")
    return Element(tag, vr, start, start + 12, struct.unpack_from(order + "I", data, start + 8)[0])


def fragments_of(data, element, coding):
    """Return the ``(start, end)`` of each fragment of an encapsulated value, and where what follows it starts."""
    fragments, position = [], element.value
    while True:
        item = element_at(data, position, coding)
        if item.tag == SEQUENCE_END:
            return tuple(fragments), item.value
        if item.tag != ITEM:
            raise Refusal("damaged", f"something that is no fragment stands in {tag_name(element.tag)}")
        position = item.value + item.length
        if position > len(data):
            raise Refusal("truncated", f"a fragment of {tag_name(element.tag)} ends after the file, at {len(data)}")
        fragments.append((item.value, position))
        if len(fragments) > MAX_ELEMENTS:
            raise Refusal("too-large", f"{tag_name(element.tag)} has more than {MAX_ELEMENTS:,} fragments")


def is_sequence(data, element):
    """Return whether an element of known length holds items, as its VR says or, without one, as it begins."""
    looks = element.length >= 8 and bytes(data[element.value : element.value + 4]) == b"\xfe\xff\x00\xe0"
    return element.vr == b"SQ" or (element.vr == b"" and looks)


def closed(container, end, opened, found):
    """Note where a sequence of the outermost level ended."""
    if not opened:
        found.setdefault(container.element.tag, Place(container.element.start, container.element.value, end))


def step(data, position, coding, opened, found):
    """Take one element: note it if it is of the outermost level, enter it if it is a container; return what is next."""
    coding = opened[-1].coding if opened else coding
    element = element_at(data, position, coding)
    if element.tag in (ITEM_END, SEQUENCE_END):
        if not opened:
            raise Refusal("damaged", f"a delimiter at byte {position} ends nothing")
        closed(opened.pop(), element.value, opened, found)
        return element.value
    if element.length == OPEN and (element.vr in (b"OB", b"OW") or element.tag == PIXEL_DATA):
        fragments, end = fragments_of(data, element, coding)
        if not opened:
            found.setdefault(element.tag, Place(element.start, element.value, end, fragments))
        return end
    if element.length == OPEN or element.tag == ITEM or is_sequence(data, element):
        return enter(data, element, coding, opened)
    return passed(data, element, opened, found)


def enter(data, element, coding, opened):
    """Open a sequence or an item and return where its first element stands."""
    if element.tag == ITEM and not opened:
        raise Refusal("damaged", f"an item at byte {element.start} belongs to no sequence")
    if len(opened) >= 2 * MAX_DEPTH:
        raise Refusal("nested", f"sequences lie inside sequences more than {MAX_DEPTH} deep")
    if element.vr == b"UN":
        coding = Coding(implicit=True, little=True)  # PS3.5 section 6.2.2, note 2
    end = None if element.length == OPEN else checked_end(data, element)
    opened.append(Container(element, end, coding))
    return element.value


def passed(data, element, opened, found):
    """Step over an element with a plain value and return where the next one stands."""
    end = checked_end(data, element)
    if not opened:
        found.setdefault(element.tag, Place(element.start, element.value, end))
    return end


def checked_end(data, element):
    """Return where an element of known length ends, or raise if the file ends before."""
    end = element.value + element.length
    if end > len(data):
        text = f"{tag_name(element.tag)} should end at byte {end:,}, the file ends at {len(data):,}"
        raise Refusal("truncated", text)
    return end


def leave(opened, refusal):
    """Return where the outermost container of known length ends, since what is broken lies in it; else raise."""
    outermost = next((i for i, container in enumerate(opened) if container.end is not None), None)
    if refusal.kind in ("nested", "too-large") or outermost is None:
        raise refusal
    position = opened[outermost].end
    del opened[outermost + 1 :]
    return position


def scan(data, start, coding):
    r"""Return where each element of the outermost level lies, up to and with the pixel data.

    Parameters
    ----------
    data : bytes or bytearray
        The file, or what was inflated of it.
    start : int
        Of the first element.
    coding : Coding

    Returns
    -------
    places : dict of int to Place
        By tag. Of a tag that comes twice, the first.

    Raises
    ------
    Refusal
        ``truncated``, ``damaged``, ``nested`` or ``too-large``.

    Examples
    --------
    >>> rows = b"\x28\x00\x10\x00US\x02\x00\x00\x04"
    >>> places = scan(rows, 0, Coding(implicit=False, little=True))
    >>> tag_name(*places), rows[places[0x00280010].value :]
    ('(0028,0010)', b'\x00\x04')
    """
    found, opened, position = {}, [], start
    for _ in range(MAX_ELEMENTS):
        while opened and opened[-1].end is not None and position >= opened[-1].end:
            container = opened.pop()
            position = container.end
            closed(container, position, opened, found)
        if PIXEL_DATA in found or position >= len(data):
            break
        if data[position : position + 8] == bytes(8) and data.count(0, position) == len(data) - position:
            break  # a file padded with zeros
        try:
            position = step(data, position, coding, opened, found)
        except Refusal as refusal:
            position = leave(opened, refusal)
    else:
        raise Refusal("too-large", f"more than {MAX_ELEMENTS:,} elements")
    if any(container.end is None for container in opened):
        raise Refusal("truncated", f"the file ends at byte {len(data):,}, inside a sequence")
    return found
