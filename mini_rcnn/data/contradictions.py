"""Where RSNA's tables contradict themselves, each other or the films: by file, line and image."""

from __future__ import annotations

import math
from typing import NamedTuple

from .rsna_tables import CLASS_INFO, FILMS, LABELS

OPACITY = "Lung Opacity"
CLASSES = ("Normal", "No Lung Opacity / Not Normal", OPACITY)  # from healthy to ill
SIDES = ("x", "y", "width", "height")
KINDS = {
    "box outside": "the box leaves the image",
    "box without area": "a side of the box is 0 or negative",
    "box not finite": "a side of the box is missing, NaN or infinite",
    "positive without box": "Target 1 without a box",
    "negative with box": "Target 0 with a box",
    "bad target": "Target is neither 0 nor 1",
    "duplicate row": "the same row twice: the same box, or Target 0 again",
    "mixed targets": "Target 0 and 1 for one image",
    "opacity without target": "Lung Opacity in one table, no Target 1 in the other",
    "target without opacity": "Target 1 in one table, another class in the other",
    "row counts differ": "an image has more rows in one table than in the other",
    "classes differ": "two classes for one image",
    "unknown class": "a class that RSNA does not have",
    "only in labels": "an image that the class table does not know",
    "only in classes": "an image that the labels table does not know",
    "unknown film": "a film that no table knows",
    "unknown image": "a patient of an image that no table knows",
    "two patients": "two patients for one image",
}


class Contradiction(NamedTuple):
    """One thing that cannot be true together with another."""

    file: str  # inside the folder
    line: int | None  # as an editor shows it; None for a film
    image_id: str
    kind: str  # one of KINDS
    text: str

    def __str__(self):
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.image_id}: {self.text}"


def box_text(box):
    """Return a box as its row says it."""
    return ", ".join(f"{name} {value:.10g}" for name, value in zip(SIDES, box))


def box_faults(box, size):
    """Yield ``(kind, text)`` of what is wrong with one box ``(x, y, width, height)`` in an image of (rows, columns)."""
    bad = [name for name, value in zip(SIDES, box) if not math.isfinite(value)]
    if bad:
        yield "box not finite", f"the box ({box_text(box)}) has no number as its {' and '.join(bad)}"
        return
    x, y, width, height = box
    if width <= 0 or height <= 0:
        yield "box without area", f"the box ({box_text(box)}) has no area"
    if min(x, x + width) < 0 or min(y, y + height) < 0 or max(x, x + width) > size[1] or max(y, y + height) > size[0]:
        yield (
            "box outside",
            f"the box ({box_text(box)}) leaves the image, which is {size[1]:g} wide and {size[0]:g} high",
        )


def row_faults(row, size):
    """Yield ``(kind, text)`` of what is wrong with one row of the labels."""
    if row.target not in (0, 1):
        yield "bad target", f"Target must be 0 or 1, got {row.target:g}"
    if row.box is None:
        if row.target == 1:
            yield "positive without box", "Target is 1 and there is no box"
        return
    if row.target == 0:
        yield "negative with box", f"Target is 0 and there is a box ({box_text(row.box)})"
    yield from box_faults(row.box, size)


def image_faults(rows):
    """Yield ``(line, kind, text)`` of what rows of one image in the labels say against each other."""
    seen, first = {}, rows[0]
    for row in rows:
        key = (repr(row.box), row.target)  # repr: a NaN equals no NaN
        if key in seen:
            what = "no box" if row.box is None else f"the box ({box_text(row.box)})"
            yield row.line, "duplicate row", f"{what} with Target {row.target:g} stands in line {seen[key]} already"
        seen.setdefault(key, row.line)
    other = next((row for row in rows if row.target != first.target), None)
    if other is not None:
        text = f"Target is {other.target:g} here and {first.target:g} in line {first.line}"
        yield other.line, "mixed targets", text


def class_faults(rows):
    """Yield ``(line, kind, text)`` of what is wrong with the rows of one image in the class table."""
    for row in rows:
        if row.class_name not in CLASSES:
            yield row.line, "unknown class", f"the class must be one of {', '.join(CLASSES)}; got {row.class_name!r}"
    other = next((row for row in rows if row.class_name != rows[0].class_name), None)
    if other is not None:
        text = f"the class is {other.class_name!r} here and {rows[0].class_name!r} in line {rows[0].line}"
        yield other.line, "classes differ", text


def pair_faults(labels, classes):
    """Yield ``(file, line, kind, text)`` of where the two tables disagree about one image; both have rows of it."""
    if len(labels) != len(classes):
        text = f"has {len(classes)} rows here and {len(labels)} in {LABELS} (from line {labels[0].line})"
        yield CLASS_INFO, classes[0].line, "row counts differ", text
    names = {row.class_name for row in classes}
    positive = next((row for row in labels if row.target == 1), None)
    if OPACITY in names and positive is None:
        first = next(row for row in classes if row.class_name == OPACITY)
        text = f"is {OPACITY} here and has no Target 1 in {LABELS} (line {labels[0].line})"
        yield CLASS_INFO, first.line, "opacity without target", text
    if positive is not None and OPACITY not in names and names <= set(CLASSES):
        text = f"has Target 1 here and is {classes[0].class_name!r} in {CLASS_INFO} (line {classes[0].line})"
        yield LABELS, positive.line, "target without opacity", text


def by_image(rows):
    """Return ``{id: its rows}`` in the order of first appearance."""
    grouped = {}
    for row in rows:
        grouped.setdefault(row.image_id, []).append(row)
    return grouped


def patient_faults(tables, known):
    """Yield the contradictions of the table of patients."""
    for image_id, rows in by_image(tables.patients).items():
        if image_id not in known:
            text = f"has a patient here and no row in {LABELS} or {CLASS_INFO}"
            yield Contradiction(tables.patients_file, rows[0].line, image_id, "unknown image", text)
        trusted = [row for row in rows if row.patient is not None]
        other = next((row for row in trusted if row.patient != trusted[0].patient), None)
        if other is not None:
            text = f"the patient is {other.patient} here and {trusted[0].patient} in line {trusted[0].line}"
            yield Contradiction(tables.patients_file, other.line, image_id, "two patients", text)


def table_faults(tables, image_size, sizes):
    """Yield the contradictions inside and between the two tables, in no order."""
    labels, classes = by_image(tables.labels), by_image(tables.classes)
    for image_id, rows in labels.items():
        size = sizes.get(image_id, (image_size, image_size))
        for row in rows:
            for kind, text in row_faults(row, size):
                yield Contradiction(LABELS, row.line, image_id, kind, text)
        for line, kind, text in image_faults(rows) if len(rows) > 1 else ():
            yield Contradiction(LABELS, line, image_id, kind, text)
        if image_id not in classes:
            yield Contradiction(LABELS, rows[0].line, image_id, "only in labels", f"has no row in {CLASS_INFO}")
    for image_id, rows in classes.items():
        for line, kind, text in class_faults(rows):
            yield Contradiction(CLASS_INFO, line, image_id, kind, text)
        if image_id not in labels:
            yield Contradiction(CLASS_INFO, rows[0].line, image_id, "only in classes", f"has no row in {LABELS}")
            continue
        for file, line, kind, text in pair_faults(labels[image_id], rows):
            yield Contradiction(file, line, image_id, kind, text)


def contradictions_of(tables, *, image_size, sizes=None):
    """Return the contradictions of tables that have been read; see `mini_rcnn.data.rsna.find_contradictions`."""
    known = {row.image_id for rows in (tables.labels, tables.classes) for row in rows}
    found = list(table_faults(tables, image_size, sizes or {}))
    found += patient_faults(tables, known)
    for image_id in tables.films:
        if image_id not in known:
            text = f"has no row in {LABELS} or {CLASS_INFO}"
            found.append(Contradiction(f"{FILMS}/{image_id}.dcm", None, image_id, "unknown film", text))
    files = [LABELS, CLASS_INFO, tables.patients_file]
    return sorted(found, key=lambda one: (files.index(one.file) if one.file in files else 3, one.line or 0))
