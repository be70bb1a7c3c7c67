"""Files that are no submission, and what they are instead: known by how they begin."""

from __future__ import annotations

SAVE = "save it as CSV with commas, in UTF-8"
# How a file begins, without blanks and in small letters, and what it is then.
BEGINNINGS = (
    (b"\xff\xfe", f"is UTF-16 text; {SAVE}"),
    (b"\xfe\xff", f"is UTF-16 text; {SAVE}"),
    (b"pk\x03\x04", "is a zip archive or a spreadsheet (.xlsx); unpack it, or " + SAVE),
    (b"\x1f\x8b", "is packed with gzip; unpack it"),
    (b"<!doctype", "is an HTML page; a page in place of a file often is a failed download"),
    (b"<html", "is an HTML page; a page in place of a file often is a failed download"),
    (b"<", "is XML or HTML, no CSV"),
    (b"{", "is JSON, no CSV; of `detect` give submission.csv, not detections.json"),
    (b"[", "is JSON, no CSV, as COCO's results are; its boxes have to be written in the challenge's format"),
    (b"%pdf", "is a PDF, no CSV"),
    (b"\x89png", "is a picture, no CSV"),
)
LABELS = ("patientId", "x", "y", "width", "height", "Target")


def foreign_text(content):
    """Return what a file is that is no CSV at all, or None.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    text : str or None

    Examples
    --------
    >>> foreign_text(b'[{"image_id": 1}]')
    "is JSON, no CSV, as COCO's results are; its boxes have to be written in the challenge's format"
    """
    start = content[:1024]
    bare = start[3:] if start.startswith(b"\xef\xbb\xbf") else start
    bare = bare.strip().lower()
    for beginning, text in BEGINNINGS:
        if start.startswith(beginning) or bare.startswith(beginning):
            return text
    if b"\0" in content:
        return "holds bytes of zero: it is no text"
    return None


def foreign_header(header, columns):
    """Return what is wrong with a header.

    Parameters
    ----------
    header : list of str
        Its cells, without blanks around them.
    columns : sequence of str
        What it must be.

    Returns
    -------
    text : str

    Examples
    --------
    >>> foreign_header(["PredictionString", "patientId"], ("patientId", "PredictionString"))
    'the columns are swapped: patientId stands first'
    """
    wanted = ",".join(columns)
    if header == list(columns)[::-1]:
        return f"the columns are swapped: {columns[0]} stands first"
    for name, mark in (("tabs", "\t"), ("semicolons", ";")):
        if any(mark in cell for cell in header):
            return f"the cells are parted by {name}; commas part them"
    if header == list(LABELS):
        return "this is the table of labels, the truth; a submission has the header " + wanted
    if [cell.lower() for cell in header] == [name.lower() for name in columns]:
        return f"the header must be {wanted} in these very letters, got {','.join(header)[:60]!r}"
    if len(header) == len(columns) and not any(cell.lower() in map(str.lower, columns) for cell in header):
        return f"the header {wanted} is missing, got {','.join(header)[:60]!r}"
    return f"the header must be {wanted}, got {','.join(header)[:60]!r}"
