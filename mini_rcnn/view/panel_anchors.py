"""What the explorer of anchors shows: a film with its best anchors, recall over IoU, a table of levels, words."""

from __future__ import annotations

from html import escape

import numpy as np

from mini_rcnn.exploring.anchor_fit import recall_at

from . import shapes
from .panel_curves import axes_shapes, place_on

ASKED = (0.5, 0.6, 0.7)  # IoU
FROM, TO = 0.3, 0.9  # IoU, the ends of the chart
THRESHOLDS = np.linspace(FROM, TO, 121)
LARGEST = {"scales": 10_000, "ratios": 100, "strides": 1024}
LEVELS = 5  # P2 to P6
CELL = "padding:1px 9px 1px 0;text-align:right;white-space:nowrap"


def read_numbers(name, text, *, whole=False):
    """Return the numbers of a text field, separated by commas or blanks.

    Raises
    ------
    ValueError
        Naming the field, the rule and what was typed.

    Examples
    --------
    >>> read_numbers("scales", "16, 28 44")
    [16.0, 28.0, 44.0]
    """
    values = []
    for part in text.replace(",", " ").split():
        try:
            value = int(part) if whole else float(part)
        except ValueError:
            kind = "whole numbers" if whole else "numbers"
            raise ValueError(f"{name} must be {kind}, separated by commas, got {part!r}") from None
        if not 0 < value <= LARGEST[name]:
            raise ValueError(f"{name} must be above 0 and at most {LARGEST[name]:,}, got {part}")
        values.append(value)
    if not values:
        raise ValueError(f"{name} must be at least one number, got {text!r}")
    if len(values) > LEVELS:
        raise ValueError(f"{name} must be at most {LEVELS} numbers, got {len(values)}")
    return values


def written(values):
    """Return numbers as the text of a field.

    >>> written((0.5, 1, 2.0))
    '0.5, 1, 2'
    """
    return ", ".join(f"{value:g}" for value in values)


def film_shapes(truths, fits, size, *, ground, reach):
    """Return the true boxes of a film, each with its best anchor.

    Parameters
    ----------
    truths : ndarray of shape (M, 4)
        Pixels of the picture.
    fits : mini_rcnn.exploring.anchor_fit.Fits
        Of these, in the same pixels.
    size : (height, width)
    ground : bool
        Whether to lay a dark ground: where there is no picture.
    reach : float
        IoU from which a true box counts as reached.
    """
    drawn = [shapes.cell((0, 0, *size), "#2b2b2b", opacity=1)] if ground else []
    for number, (truth, anchor, iou, level) in enumerate(zip(truths, *fits), start=1):
        name = f"true box {number}"
        drawn.append(shapes.box(truth, "truth", hint=name))
        if level >= 0:
            reached = iou >= reach
            label = f"P{level + 2} IoU {iou:.2f}" + ("" if reached else f" < {reach:g}")
            drawn.append(shapes.box(anchor, "anchor" if reached else "missed", label=label, hint=f"anchor of {name}"))
    return drawn


def recall_shapes(iou, own_iou):
    """Return the chart of recall over IoU, and behind it the one of the settings that it is held against."""
    ticks = [(float(chart_share(asked)), f"{asked:g}") for asked in (FROM, *ASKED, TO)]
    drawn = axes_shapes("true boxes reached (dashed: network's own)", "IoU with the best anchor, at least", ticks)
    if not len(iou):
        return drawn
    across = chart_share(THRESHOLDS)
    own = shapes.line(place_on(across, recall_at(own_iou, THRESHOLDS)), "quiet", hint="the network's own anchors")
    now = shapes.line(place_on(across, recall_at(iou, THRESHOLDS)), "line", hint="these anchors")
    drawn += [now, {**own, "stroke": shapes.STYLES["axis"]["stroke"], "dash": "3 4", "width": 1.5}]
    shares = recall_at(iou, ASKED)
    for threshold, share, place in zip(ASKED, shares, place_on(chart_share(ASKED), shares)):
        drawn.append(shapes.point(place, "line", hint=f"{share:.0%} at {threshold:g}"))
    return drawn


def chart_share(iou):
    """Return the share of the chart's axis for an IoU."""
    return (np.asarray(iou, dtype=float) - FROM) / (TO - FROM)


def cover_words(iou):
    """Return how many true boxes are covered at each IoU that is asked about."""
    if not len(iou):
        return "There are no true boxes, so there is nothing to cover."
    counts = [f"IoU {asked:g}: {np.sum(iou >= asked):,} ({np.mean(iou >= asked):.0%})" for asked in ASKED]
    return f"Of {len(iou):,} true boxes an anchor covers, at {'; '.join(counts)}."


def count_words(levels):
    """Return how many scores there are for how many anchors, and which level goes without."""
    n_scores, n_anchors = (sum(getattr(level, name) for level in levels) for name in ("scores", "anchors"))
    counts = f"{n_scores:,} scores for {n_anchors:,} anchors"
    lacking = [f"P{place + 2}" for place, level in enumerate(levels) if level.scores > level.anchors]
    if not lacking:
        return f"{counts}: one for each." if n_scores else "Every level is off: no scores, no anchors."
    return (
        f"{counts}: {' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} left without a scale, and "
        f"{n_scores - n_anchors:,} scores belong to nothing. Matterport takes it in silence, then stops on a CPU and "
        "reads zeros on a GPU; this lab's pyramid_anchors refuses it. Shown are the anchors that there are."
    )


def too_large_words(levels, size):
    """Return which scales are larger than the film, "" for none."""
    large = [f"{level.scale:g}" for level in levels if level.anchors and level.scale > size]
    return f" Larger than the film of {size} pixels: {', '.join(large)}." if large else ""


def levels_table(levels, fits):
    """Return what each level has and does, as an HTML table."""
    names = ("level", "stride", "scale", "anchors", "best for", *(f"≥ {asked:g}" for asked in ASKED))
    head = "".join(f'<th scope="col" style="{CELL}">{escape(name)}</th>' for name in names)
    body = ""
    for place, level in enumerate(levels):
        here = fits.iou[fits.level == place]
        scale = "none" if level.scale is None else f"{level.scale:g}"
        row = [level.stride, scale, f"{level.anchors:,}" if level.scores else "off", f"{len(here):,}"]
        row += [f"{np.sum(here >= asked):,}" for asked in ASKED]
        cells = "".join(f'<td style="{CELL}">{value}</td>' for value in row)
        body += f'<tr><th scope="row" style="{CELL}">P{place + 2}</th>{cells}</tr>'
    note = "Best for: true boxes whose best anchor is of this level; behind it, how many of these at which IoU."
    table = shapes.scrolled(f"<table><tr>{head}</tr>{body}</table>")
    return f'<div style="font-size:13px;line-height:1.4">{table}<div>{note}</div></div>'
