"""Drawings and words of the panel on thresholds: a film with its boxes, a table, and why a box is gone."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mini_rcnn.exploring.fates import CONFIDENCE, COUNT, KEPT, NMS, RPN_LIMIT, RPN_NMS
from mini_rcnn.stages.masks import paste_mask

from .shapes import STYLES, TEXT, box, cell, image, picture_uri, text, veil_uri

DRAWN = 60  # removed boxes of a film, the surest: more are a tangle
VEILS = 12  # masks of a film


def film_uri(pixels, shown):
    """Return a film (H, W), uint8, as a picture of the pixels (height, width) that the screen shows of it."""
    size = tuple(max(1, int(round(side))) for side in shown[::-1])
    return picture_uri(np.asarray(Image.fromarray(pixels).resize(size, Image.LANCZOS)))


def film_shapes(size, shown, truth, found, kept, removed, picked):
    """Return the shapes over a film.

    Parameters
    ----------
    size, shown : (height, width)
        Of the film, and of its picture on the screen.
    truth : ndarray of shape (N, 4)
    found : ndarray of shape (N,), bool
        Which truths are hit.
    kept, removed : list of (row, box, score, word)
        ``word`` is "hit" or "false", or the filter that took it away. Of removed ones `DRAWN` are drawn.
    picked : list of (box, label, style)
        On top of all; the last one is the one that was asked about.
    """
    unit = size[1] / max(1, shown[1])
    shapes = []
    for row, at, score, word in removed[:DRAWN]:
        name, hint = f"box-{row}", f"removed box, score {score:.2f}: {word}"
        shapes.append(box(at, "removed", name=name, hint=hint))
    for at, hit in zip(truth, found):
        style, words = ("truth", "truth, found") if hit else ("missed", "truth, missed")
        shapes += [box(at, style), *words_below(at, words, style, size, unit)]
    for row, at, score, word in kept:
        hint = f"kept box, score {score:.2f}: {word}"
        shapes.append(box(at, "kept", label=f"{score:.2f} {word}", name=f"box-{row}", hint=hint))
    for at, words, style in picked[:-1]:
        shapes += [box(at, style), *words_below(at, words, style, size, unit)]
    return shapes + [box(at, style, label=label) for at, label, style in picked[-1:]]


def words_below(at, words, style, size, unit):
    """Return words under a box, white on black as a label is, within the film; ``unit`` as for `svg_label`."""
    high, wide = 1.3 * TEXT * unit, (0.55 * len(words) + 0.4) * TEXT * unit
    y, x = min(at[2], size[0] - high), max(0.0, min(at[1], size[1] - wide))
    back = cell((y, x, y + high, x + wide), "#000", opacity=0.7)
    return [back, text((y + TEXT * unit, x + 0.2 * TEXT * unit), words, colour=STYLES[style]["stroke"])]


def veil_shape(grid, at, size, shown, *, threshold):
    """Return a kept box's mask as a veil, or None where no pixel of it reaches the threshold.

    ``grid`` (h, w) holds the mask's probabilities over the box ``at``, pixels of the film of ``size``. It is stretched
    to the pixels of the screen, then the threshold is applied, as `mini_rcnn.stages.masks.paste_mask` does on the film.
    """
    unit = np.array(size, float) / np.maximum(shown, 1)
    at = np.asarray(at) / np.tile(unit, 2)
    corner = np.floor(at[:2])
    extent = np.maximum(np.ceil(at[2:]) - corner, 1).astype(int)
    mask = paste_mask(grid, at - np.tile(corner, 2), tuple(extent.tolist()), threshold=threshold)
    if not mask.any():
        return None
    return image(np.concatenate([corner, corner + extent]) * np.tile(unit, 2), veil_uri(mask, opacity=0.3))


def share_text(part, whole):
    """Return a part of a whole in words.

    >>> share_text(3, 12), share_text(0, 0)
    ('3 of 12, 25 %', 'none there')
    """
    return f"{part} of {whole}, {100 * part / whole:.0f} %" if whole else "none there"


def number_text(value):
    """Return a figure with three digits, "none" where it is not defined.

    >>> number_text(0.25), number_text(float("nan"))
    ('0.250', 'none')
    """
    return "none" if np.isnan(value) else f"{value:.3f}"


def number_rows(now, own, n_films):
    """Return the rows of the table: what the settings give beside what the network's own do; both are `Now`."""

    def column(each):
        out = each.outcome
        return (
            number_text(out.rsna),
            share_text(out.hits, out.hits + out.misses),
            str(out.misses),
            str(out.false_marks),
            number_text(out.false_marks / n_films if n_films else float("nan")),
            share_text(out.healthy_marked, out.n_healthy),
            f"{number_text(out.precision)} / {number_text(out.recall)}",
            number_text(each.curves.average_precision),
        )

    names = ("RSNA score", "hits", "misses", "false marks", "false marks a film", "healthy marked")
    names += ("precision / recall", "average precision")
    return list(zip(names, column(now), column(own)))


def why_text(fate, settings):
    """Return why a box is gone, in words, of its `Fate` and the settings, none of them None."""
    score = f"Score {fate.score:.3f}. "
    unsure = f" Its score is below {settings.min_confidence:.2f} as well." if fate.unsure else ""
    if fate.filter == KEPT:
        return score + "It is not gone: it passes every filter."
    if fate.filter == RPN_NMS:
        over, by = settings.rpn_iou_threshold, fate.by + 1
        return (
            f"{score}RPN NMS took its proposal away, before the heads looked: a better proposal, the RPN's no. {by}, "
            f"overlaps it by {fate.overlap:.3f}, more than {over:.2f}." + unsure
        )
    if fate.filter == RPN_LIMIT:
        limit = settings.max_proposals
        return f"{score}Its proposal stands at place {fate.place}; the heads look at {limit}, no slider here." + unsure
    if fate.filter == CONFIDENCE:
        return f"{score}Min confidence: the score is below {settings.min_confidence:.2f}."
    if fate.filter == NMS:
        return (
            f"{score}Detection NMS: a kept box of a higher or equal score overlaps it by {fate.overlap:.3f}, more than "
            f"{settings.iou_threshold:.2f}."
        )
    if fate.filter == COUNT:
        return f"{score}Maximal count: it is no. {fate.place} on this film; {settings.max_detections} may stay."
    return score + "It has no area on the film: it lies in the padding alone."


def film_text(record, counts, shows_removed):
    """Return what is on a film in words; counts are of true boxes, found, kept, false and removed ones."""
    truths, found, kept, false, gone = counts
    drawn = f", the {DRAWN} surest of them drawn" if shows_removed and gone > DRAWN else ""
    return (
        f"{record.id}, {record.class_name}: {truths} true boxes, {found} found; {kept} kept, "
        f"{false} of them false; {gone} removed{drawn}."
    )
