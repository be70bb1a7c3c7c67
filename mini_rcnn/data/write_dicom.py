"""A chest film as a DICOM file in RSNA's layout, byte for byte the same wherever it is written.

A DICOM file is 128 empty bytes, ``DICM`` and then elements in the order of their tags, each with its tag, the two
letters of its type, its length and its value (DICOM PS3.5, section 7.1, and PS3.10, section 7). pydicom would write
the same elements, but signs with its own version.
"""

from __future__ import annotations

import struct
import uuid

import cv2

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
PROGRAM = uuid.UUID("6d696e69-2d72-436e-8e2d-7068616e746f")  # who wrote it: this program, any version
PROGRAM_NAME = "MINI_RCNN"
QUALITY = 92  # the challenge's own: its quantisation table is this one, with Huffman tables made for the film


def uid_of(identifier):
    """Return a uuid as a DICOM UID, which anybody may make without asking for numbers (PS3.5, annex B.2)."""
    return f"2.25.{identifier.int}"


def element(group, number, kind, value):
    r"""Return one element as bytes: explicit types, little endian.

    Parameters
    ----------
    group, number : int
        The tag.
    kind : str
        The type's two letters: ``"US"`` takes an int, ``"OB"`` bytes, ``"UL"`` an int, every other one text.
    value : str, int or bytes

    Examples
    --------
    >>> element(0x0028, 0x0010, "US", 1024)
    b'(\x00\x10\x00US\x02\x00\x00\x04'
    >>> element(0x0010, 0x0040, "CS", "F")
    b'\x10\x00@\x00CS\x02\x00F '
    """
    if kind in ("US", "UL"):
        value = struct.pack("<H" if kind == "US" else "<L", value)
    elif kind != "OB":
        value = value.encode("ascii")
    value += (b"\0" if kind in ("UI", "OB") else b" ") * (len(value) % 2)
    length = struct.pack("<HL", 0, len(value)) if kind == "OB" else struct.pack("<H", len(value))
    return struct.pack("<HH", group, number) + kind.encode("ascii") + length + value


def encapsulated(frame):
    """Return the element of a compressed picture: an empty table of offsets, one fragment, the end (PS3.5, A.4)."""
    frame += b"\0" * (len(frame) % 2)
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0) + struct.pack("<HHL", 0xFFFE, 0xE000, len(frame)) + frame
    start = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    return start + item + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def file_meta(instance_uid):
    """Return the group that says how to read the rest."""
    group = b"".join(
        element(2, number, kind, value)
        for number, kind, value in (
            (0x0001, "OB", b"\0\1"),
            (0x0002, "UI", SECONDARY_CAPTURE),
            (0x0003, "UI", instance_uid),
            (0x0010, "UI", JPEG_BASELINE),
            (0x0012, "UI", uid_of(PROGRAM)),
            (0x0013, "SH", PROGRAM_NAME),
        )
    )
    return element(2, 0, "UL", len(group)) + group


def header_rows(image_id, *, shape, view, sex, age, spacing):
    """Return ``(group, number, type, value)`` of RSNA's header, in its order and form: an age has no ``Y``."""
    identifier = uuid.UUID(image_id)
    study, series = (uid_of(uuid.uuid5(identifier, what)) for what in ("study", "series"))
    return (
        (0x0008, 0x0005, "CS", "ISO_IR 100"),
        (0x0008, 0x0016, "UI", SECONDARY_CAPTURE),
        (0x0008, 0x0018, "UI", uid_of(identifier)),
        (0x0008, 0x0020, "DA", "19010101"),
        (0x0008, 0x0030, "TM", "000000.00"),
        (0x0008, 0x0050, "SH", ""),
        (0x0008, 0x0060, "CS", "CR"),
        (0x0008, 0x0064, "CS", "WSD"),
        (0x0008, 0x0090, "PN", ""),
        (0x0008, 0x103E, "LO", f"view: {view}"),
        (0x0010, 0x0010, "PN", image_id),
        (0x0010, 0x0020, "LO", image_id),
        (0x0010, 0x0030, "DA", ""),
        (0x0010, 0x0040, "CS", sex),
        (0x0010, 0x1010, "AS", str(age)),
        (0x0018, 0x0015, "CS", "CHEST"),
        (0x0018, 0x5101, "CS", view),
        (0x0020, 0x000D, "UI", study),
        (0x0020, 0x000E, "UI", series),
        (0x0020, 0x0010, "SH", ""),
        (0x0020, 0x0011, "IS", "1"),
        (0x0020, 0x0013, "IS", "1"),
        (0x0020, 0x0020, "CS", ""),
        (0x0028, 0x0002, "US", 1),
        (0x0028, 0x0004, "CS", "MONOCHROME2"),
        (0x0028, 0x0010, "US", shape[0]),
        (0x0028, 0x0011, "US", shape[1]),
        (0x0028, 0x0030, "DS", f"{spacing}\\{spacing}"),
        (0x0028, 0x0100, "US", 8),
        (0x0028, 0x0101, "US", 8),
        (0x0028, 0x0102, "US", 7),
        (0x0028, 0x0103, "US", 0),
        (0x0028, 0x2110, "CS", "01"),
        (0x0028, 0x2114, "CS", "ISO_10918_1"),
    )


def film_bytes(image, image_id, *, view, sex, age, spacing):
    """Return a film as the bytes of a DICOM file, as RSNA's challenge has them.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    image_id : str
        A uuid; also the patient's id and name, as there. The UIDs are made from it.
    view : str
        ``"PA"`` or ``"AP"``.
    sex : str
        ``"F"`` or ``"M"``.
    age : int
        Years.
    spacing : float
        Millimetres from pixel to pixel.

    Returns
    -------
    bytes
        8 bit MONOCHROME2, JPEG Baseline of quality 92.

    Raises
    ------
    ValueError
        If the image is not two-dimensional uint8 or is empty, or the id is no uuid.
    """
    if image.ndim != 2 or image.dtype.name != "uint8" or image.size == 0:
        raise ValueError(f"image must be (H, W) uint8 and not empty, got {image.shape} {image.dtype}")
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    frame = cv2.imencode(".jpg", image, options)[1].tobytes()
    rows = header_rows(image_id, shape=image.shape, view=view, sex=sex, age=age, spacing=spacing)
    header = b"".join(element(*row) for row in rows)
    meta = file_meta(uid_of(uuid.UUID(image_id)))
    return bytes(128) + b"DICM" + meta + header + encapsulated(frame)
