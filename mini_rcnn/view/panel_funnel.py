"""What the funnel's panel draws: the boxes of a step on a film, and all steps as bars and lines."""

from __future__ import annotations

import numpy as np

from mini_rcnn.exploring.funnel import OVERLAPS, STEPS

from .shapes import STYLES, box, cell, line, point, text
from .shapes import boxes as many

MOST = 100  # boxes drawn: more are slow on the screen, and no clearer
CHART = (326, 660)  # (height, width), pixels of the screen
TOP, ROW = 58, 31
NAMES, BARS, BAR_WIDTH, MEAN, HERE, LINES, LINES_WIDTH = 6, 146, 110, 344, 358, 500, 130
NONE = "#FFFFFF"


def drawn_rows(rows, step):
    """Return which of a step's boxes are drawn: the best ones, or, of all anchors, some evenly apart.

    >>> drawn_rows(np.arange(1000), 0)[:3].tolist(), len(drawn_rows(np.arange(1000), 3))
    ([0, 10, 20], 100)
    """
    return rows[:: -(-len(rows) // MOST)] if step == 0 and len(rows) else rows[:MOST]


def film_shapes(funnel, after, step, *, gone=False):
    """Return the boxes of a step and the truth, with how well each opacity is covered.

    Parameters
    ----------
    funnel : mini_rcnn.exploring.funnel.Funnel
    after : mini_rcnn.exploring.funnel.After
    step : int
    gone : bool
        Whether to draw what this step took away, too.
    """
    boxes, overlaps, rows = funnel.boxes(step), funnel.overlaps(step), drawn_rows(after.rows[step], step)
    covers = overlaps.max(axis=0, initial=0.0) >= OVERLAPS[0] if len(overlaps) else np.zeros(len(boxes), bool)
    away = gone_rows(after, step)[:MOST] if gone else rows[:0]
    groups = ((away, "removed"), (rows[~covers[rows]], "anchor"), (rows[covers[rows]], "kept"))
    shapes = [many(boxes[those], style) for those, style in groups if len(those)]
    scored = step >= 6 and len(rows) <= 12  # few enough to read
    if scored:
        for row in rows:
            y2, x2 = boxes[row, 2:]
            score = f"{funnel.candidates.scores[row]:.2f}"
            shapes.append(text((y2 - 1.5, x2 - 1.5), score, anchor="end", colour=STYLES["kept"]["stroke"]))
    for truth, best in zip(funnel.truth, after.best[step]):
        words = f"best IoU {best:.2f}" if after.counts[step] else "no box left"
        shapes.append(box(truth, "truth" if best >= OVERLAPS[0] else "missed", label=words))
    return shapes


def gone_rows(after, step):
    """Return the rows that a step took away, best first; none where it only moves boxes, and not of all anchors."""
    if step in (3, 4, 6, 7):
        return np.setdiff1d(after.rows[step - 1], after.rows[step])
    return np.zeros(0, dtype=int)


def legend():
    """Return what the lines on the film mean, as HTML."""
    parts = (
        ("truth", "solid", "a true box"),
        ("missed", "wide dots", "a true box that no box covers by an IoU of 0.5"),
        ("kept", "dashes", "a box that covers one so"),
        ("anchor", "dashes and dots", "any other box"),
        ("removed", "fine dots", "taken away by this step"),
    )
    told = (f'<b style="color:{STYLES[style]["stroke"]}">\u25a0</b> {look}: {what}' for style, look, what in parts)
    return "; ".join(told) + "."


def bar_length(count, most):
    """Return how long a bar is on a logarithmic scale from 1 to ``most``, pixels; of none and of one box a little."""
    if count < 1:
        return 0.0
    return 3 + (BAR_WIDTH - 3) * np.log10(count) / max(np.log10(max(most, 10)), 1)


def chart_shapes(after, total, step):
    """Return the steps as rows: how many boxes, and how much of the truth is covered, on this film and on all.

    Parameters
    ----------
    after : mini_rcnn.exploring.funnel.After
        Of the film that is looked at.
    total : mini_rcnn.exploring.funnel.Total
    step : int
        The one that is marked.
    """
    shapes = [cell((TOP + ROW * step, 0, TOP + ROW * (step + 1), CHART[1]), "#F0E442", opacity=0.35)]
    shapes += head_shapes(total)
    n_truths, most = after.best.shape[1], max(after.counts.max(), 10)
    covered = [np.sum(after.best >= overlap, axis=1) for overlap in OVERLAPS]
    for number, name in enumerate(STEPS):
        y = TOP + ROW * number
        middle, words = y + ROW / 2, y + ROW / 2 + 5
        count, mean = int(after.counts[number]), total.counts[number]
        shapes.append(text((words, NAMES), f"{number + 1} {name}"))
        length = bar_length(count, most)
        shapes.append(cell((middle - 8, BARS, middle + 8, BARS + length), "#0072B2", opacity=0.7))
        shapes.append(text((words, BARS + length + 4), f"{count:,}"))
        told = f"{mean:,.0f}" if mean >= 10 else f"{mean:.1f}"
        shapes.append(text((words, MEAN), told if total.n_films else "none", anchor="end"))
        for place, values in zip((HERE + 30, HERE + 94), covered):
            told = f"{values[number]} of {n_truths}" if n_truths else "none"
            shapes.append(text((words, place), told, anchor="middle"))
        hint = f"Show step {number + 1}, {name}: {count:,} boxes on this film"
        shapes.append(cell((y, 0, y + ROW, CHART[1]), NONE, opacity=0.0, name=f"step {number}", hint=hint))
    return shapes + recall_shapes(total)


def head_shapes(total):
    """Return the words above the columns."""
    kind = f"{total.n_films} films"
    top, low = TOP - 34, TOP - 14
    return [
        text((top, BARS), "boxes, this film"),
        text((low, BARS), "(log scale)"),
        text((top, MEAN), "mean of", anchor="end"),
        text((low, MEAN), kind, anchor="end"),
        text((top, HERE + 62), "truth covered, this film", anchor="middle"),
        text((low, HERE + 30), f"IoU {OVERLAPS[0]}", anchor="middle"),
        text((low, HERE + 94), f"IoU {OVERLAPS[1]}", anchor="middle"),
        text((top, LINES), f"recall, {kind}"),
    ]


def recall_shapes(total):
    """Return recall after each step as two lines from 0 to 1, with their last numbers beside them."""
    bottom = TOP + ROW * len(STEPS)
    low = TOP - 14
    shapes = []
    for part in (0, 0.5, 1):
        x = LINES + part * LINES_WIDTH
        shapes.append(line([(TOP, x), (bottom, x)], "quiet"))
        shapes.append(text((bottom + 15, x), f"{part:g}", anchor="middle"))
    if not total.n_truths:
        return shapes + [text((TOP + ROW, LINES), "no truth, no recall")]
    for place, (overlap, covered, style) in enumerate(zip(OVERLAPS, total.covered, ("line", "other"))):
        recall = covered / total.n_truths
        places = [(TOP + ROW * (number + 0.5), LINES + value * LINES_WIDTH) for number, value in enumerate(recall)]
        shapes.append(line(places, style))
        for at, value, count in zip(places, recall, covered):
            hint = f"IoU {overlap}: {count} of {total.n_truths}, recall {value:.2f}"
            shapes.append(point(at, style, hint=hint))
        x = LINES + 80 * place
        shapes.append(line([(low - 4, x), (low - 4, x + 26)], style))
        shapes.append(text((low, x + 30), f"IoU {overlap}", colour=STYLES[style]["stroke"]))
    return shapes


def step_words(after, total, step, film, kind):
    """Return what happened up to a step on the film, and on all films, in words."""
    count, n_truths = int(after.counts[step]), after.best.shape[1]
    before = f" of {int(after.counts[step - 1]):,}" if step else ""
    drawn = min(count, len(drawn_rows(after.rows[step], step)))
    part = f" (drawn: {drawn}, {'evenly apart in the list' if step == 0 else 'the best'})" if drawn < count else ""
    text_of = f"Step {step + 1}, {STEPS[step]}: {count:,}{before} boxes on {film}{part}. "
    if not n_truths:
        text_of += "It has no opacity: whatever is left at the end is a false mark. "
    if not total.n_truths:
        return text_of + "No film here has a true box, so there is no recall."
    half, good = (f"{values[step]} of {total.n_truths}" for values in total.covered)
    return text_of + f"Over {total.n_films} {kind}: {half} true boxes are covered at IoU 0.5, {good} at 0.7."
