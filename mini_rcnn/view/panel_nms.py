"""What the stepper of suppression shows: the boxes at a step, the step in words, the overlaps as a table."""

from __future__ import annotations

from html import escape

import numpy as np

from mini_rcnn.exploring.nms_steps import states_at, turn_at

from . import shapes

LISTED = 12  # boxes in the table, and in a sentence
LABELLED = 40  # boxes that can have a label
STYLE_OF = {"waiting": "quiet", "current": "chosen", "kept": "kept", "low": "missed", "removed": "removed"}
CELL = "border:1px solid #999;padding:0 3px;text-align:right;white-space:nowrap"
ROOMY = 8  # boxes up to which the table has room for a zero before the point


def letters(count):
    """Return names for so many boxes: A to Z, then AA, AB and on.

    >>> letters(28)[-3:]
    ['Z', 'AA', 'AB']
    """
    names = []
    for number in range(count):
        name, left = "", number + 1
        while left:
            left, digit = divmod(left - 1, 26)
            name = chr(ord("A") + digit) + name
        names.append(name)
    return names


def compared(value, threshold, sign):
    """Return a comparison with as many digits as it takes to see that it holds.

    >>> compared(0.62, 0.5, ">"), compared(0.5004, 0.5, ">")
    ('0.62 > 0.50', '0.5004 > 0.5000')
    """
    value, threshold = float(value), float(threshold)
    digits = 2
    while f"{value:.{digits}f}" == f"{threshold:.{digits}f}" and value != threshold and digits < 8:
        digits += 1
    return f"{value:.{digits}f} {sign} {threshold:.{digits}f}"


def listed(parts):
    """Return some parts as one text; of many only the first.

    >>> listed(["A", "B", "C"])
    'A, B and C'
    """
    more = len(parts) - LISTED
    if more > 0:
        return f"{', '.join(parts[:LISTED])} and {more:,} more"
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def nms_shapes(boxes, scores, course, step, *, size, shown, ground):
    """Return the boxes at a step, small ones above large ones so that each can be taken hold of.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4)
    scores : ndarray of shape (N,)
    course : mini_rcnn.exploring.nms_steps.Course
    step : int
    size, shown : (height, width)
        Of the plane, and on the screen.
    ground : bool
        Whether to lay a dark ground: where there is no picture.
    """
    names, states, turn = letters(len(boxes)), states_at(course, step), turn_at(course, step)
    drawn = [shapes.cell((0, 0, *size), "#2b2b2b", opacity=1)] if ground else []
    fates = [fate_words(course, states, row, names) for row in range(len(boxes))]
    labels = room_for_labels(boxes, scores, course, states, turn, fates, size[1] / shown[1])
    sides = boxes[:, 2:] - boxes[:, :2]
    for row in np.argsort(-sides.prod(axis=1), kind="stable").tolist():
        name = names[row]
        shape = shapes.box(boxes[row], STYLE_OF[states[row]], label=labels.get(row, ""), name=name, drag=True)
        shape["hint"] = f"{name}, score {scores[row]:.2f}, {fates[row]}. Drag it, or move it with the arrow keys."
        if row == turn:
            shape["width"] = shapes.STYLES["chosen"]["width"]
        drawn.append(shape)
    return drawn


def room_for_labels(boxes, scores, course, states, turn, fates, unit):
    """Return the labels by row, as long as there is room: on top of another, neither could be read.

    The box whose turn it is comes first, then those kept, then the others in line; the table tells of all.
    """
    names, labels, taken = letters(len(boxes)), {}, []
    first = {"current": 1, "kept": 2}
    line = sorted(course.order.tolist(), key=lambda row: 0 if row == turn else first.get(states[row], 3))
    for row in line[:LABELLED]:
        for label in (f"{names[row]} {scores[row]:.2f} {fates[row]}", names[row]):
            y2, x1 = max(boxes[row, 0], 1.3 * shapes.TEXT * unit), boxes[row, 1]
            y1, x2 = y2 - 1.3 * shapes.TEXT * unit, x1 + (0.62 * len(label) + 0.4) * shapes.TEXT * unit
            if not any(y1 < other[2] and other[0] < y2 and x1 < other[3] and other[1] < x2 for other in taken):
                labels[row] = label
                taken.append((y1, x1, y2, x2))
                break
    return labels


def fate_words(course, states, row, names):
    """Return the state of a box in two words."""
    if states[row] == "removed":
        return f"gone, by {names[course.removed_by[row]]}"
    return {"waiting": "waits", "current": "kept now", "kept": "kept", "low": "gone, low"}[states[row]]


def step_words(scores, course, step, *, min_confidence, iou_threshold):
    """Return what happens at a step, in words."""
    names = letters(len(scores))
    if not len(scores):
        return "There are no boxes, so nothing is kept and nothing is removed."
    if step <= 0:
        line = [f"{names[row]} {scores[row]:.2f}" for row in course.order]
        return f"Before all: the boxes in line, the best score first: {listed(line)}.{tie_words(scores, names)}"
    if step == 1:
        return confidence_words(scores, course, names, min_confidence)
    row = turn_at(course, step)
    if row is None:
        return end_words(course, names)
    return turn_words(scores, course, row, names, iou_threshold)


def tie_words(scores, names):
    """Return which boxes have equal scores, in words; "" for none."""
    ties = [np.flatnonzero(scores == value) for value in np.unique(scores)[::-1]]
    ties = [listed([names[row] for row in rows]) for rows in ties if len(rows) > 1]
    return f" Equal scores: {'; '.join(ties[:3])}. The lower index goes first." if ties else ""


def confidence_words(scores, course, names, min_confidence):
    """Return what the first filter does."""
    gone = [row for row in course.order if course.turn_of[row] < 0]
    if not gone:
        return f"First filter, confidence: no score is below {min_confidence:.2f}. All {len(scores):,} go on."
    parts = [f"{names[row]}, {compared(scores[row], min_confidence, '<')}" for row in gone]
    return (
        f"First filter, confidence: {listed(parts)}, {go(len(gone))}. {len(course.turns):,} of {len(scores):,} go on."
    )


def turn_words(scores, course, row, names, iou_threshold):
    """Return what happens at the turn of a box."""
    name, remover = f"{names[row]}, {scores[row]:.2f},", course.removed_by[row]
    behind = course.turns[course.turn_of[row] + 1 :]
    if remover >= 0:
        why = compared(course.overlaps[remover, row], iou_threshold, ">")
        spared = [each for each in behind if course.overlaps[row, each] > iou_threshold]
        spared = [each for each in spared if not 0 <= course.turn_of[course.removed_by[each]] <= course.turn_of[row]]
        words = f"{name} is gone already: {names[remover]} removed it, IoU {why}. A removed box removes nobody"
        parts = [f"{names[each]} (IoU {course.overlaps[row, each]:.2f})" for each in spared]
        return f"{words}: {listed(parts)} stay{'s' * (len(parts) == 1)} in line." if parts else f"{words}."
    gone = [each for each in behind if course.removed_by[each] == row]
    near = [each for each in behind if 0 < course.overlaps[row, each] <= iou_threshold]
    near = [each for each in near if not 0 <= course.turn_of[course.removed_by[each]] < course.turn_of[row]]
    words = f"{name} is the best that still stands, so it is kept"
    parts = [f"{names[each]}: IoU {compared(course.overlaps[row, each], iou_threshold, '>')}" for each in gone]
    words += f"; it removes {listed(parts)}." if parts else "; it removes nobody."
    parts = [f"{names[each]}: IoU {compared(course.overlaps[row, each], iou_threshold, '≤')}" for each in near]
    return f"{words} Not over the threshold: {listed(parts)}." if parts else words


def end_words(course, names):
    """Return what is left at the end."""
    low = [names[row] for row in course.order if course.turn_of[row] < 0]
    gone = [f"{names[row]} by {names[course.removed_by[row]]}" for row in course.turns if course.removed_by[row] >= 0]
    kept = [names[row] for row in course.kept]
    words = (
        f"The end. Kept, {len(kept):,} of {len(course.order):,}: {listed(kept)}." if kept else "The end. None is kept."
    )
    words += f" Removed for their score: {listed(low)}." if low else ""
    return words + (f" Removed for their overlap: {listed(gone)}." if gone else "")


def fate_of(scores, course, row, *, min_confidence, iou_threshold):
    """Return why one box is kept or gone in the end, in words."""
    names = letters(len(scores))
    if course.turn_of[row] < 0:
        return f"In the end {names[row]} goes: confidence {compared(scores[row], min_confidence, '<')}."
    remover = course.removed_by[row]
    if remover < 0:
        return (
            f"In the end {names[row]} is kept: no box that is kept and better overlaps it by more than the threshold."
        )
    why = compared(course.overlaps[remover, row], iou_threshold, ">")
    return f"In the end {names[row]} goes: {names[remover]} removes it, IoU {why}."


def go(count):
    """Return the verb for so many."""
    return "goes" if count == 1 else "go"


def overlaps_table(scores, course, step):
    """Return the overlaps of every pair in line as an HTML table; those that removed a box so far are marked.

    Of more than a dozen boxes, those that matter to the box whose turn it is: it, and those that overlap it most.
    """
    rows, turn = course.order, turn_at(course, step)
    if len(rows) > LISTED:
        near = rows if turn is None else sorted(rows, key=lambda row: (row != turn, -course.overlaps[turn, row]))
        rows = [row for row in rows if row in set(near[:LISTED])]
    names, states = letters(len(scores)), states_at(course, step)
    head = "".join(f'<th scope="col" style="{CELL}">{names[row]}</th>' for row in rows[1:])
    body = ""
    for place, first in enumerate(rows):
        mark = "&#9654; " if first == turn else ""
        cells = ["<td></td>"] * place
        cells += [overlap_cell(course, step, first, second) for second in rows[place + 1 :]]
        title = f'<th scope="row" style="{CELL}">{mark}{names[first]} {scores[first]:.2f}</th>'
        fate = f'<td style="padding:0 4px;white-space:nowrap">{fate_words(course, states, first, names)}</td>'
        body += f"<tr>{title}{fate}{''.join(cells)}</tr>"
    caption = "IoU of every pair in line. Bold with &gt;: over the threshold, and it removed the box of that column; "
    caption += "framed: in this step."
    if len(rows) < len(course.order):
        caption += escape(f" {len(rows)} of {len(course.order):,} boxes.")
    style = "border-collapse:collapse;font-size:13px;line-height:1.35"
    top = f'<tr><th scope="col" style="{CELL}">in line</th><td></td>{head}</tr>'
    table = shapes.scrolled(f'<table style="{style}">{top}{body}</table>')
    return f'{table}<div style="font-size:13px;line-height:1.4">{caption}</div>'


def overlap_cell(course, step, first, second):
    """Return one overlap; the one that decided is marked."""
    value = course.overlaps[first, second]
    text = "0" if value == 0 else f"{value:.2f}"
    text = text if len(course.order) <= ROOMY or value == 0 else text.lstrip("0")
    decided = course.removed_by[second] == first and course.turn_of[first] + 2 <= step
    if not decided:
        return f'<td style="{CELL}">{text}</td>'
    frame = f";outline:3px solid {shapes.STYLES['other']['stroke']}" if turn_at(course, step) == first else ""
    return f'<td style="{CELL};font-weight:bold{frame}">{text}&gt;</td>'
