"""One detection's mask, cut before and after it is enlarged: numbers, shapes and words for a panel."""

from __future__ import annotations

import base64
import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from mini_rcnn.stages.boxes import box_iou
from mini_rcnn.stages.masks import paste_probabilities, sigmoid, threshold_mask

from .panel_roi_align_numbers import colours_of
from .shapes import box as box_shape
from .shapes import image, line, picture_uri, text

# Pixels of a veil: clear, in both masks, in this one alone (the darker and the more solid).
VEIL = ((0, 0, 0, 0), (230, 159, 0, 95), (213, 94, 0, 235))
MARGIN = 0.12  # of the box's longer side that is shown around it


class Stretched(NamedTuple):
    """A detection's grid stretched over the pixels of its box: what every threshold is applied to."""

    probabilities: np.ndarray  # (h, w), of the small grid
    smooth: np.ndarray  # (H, W), interpolated at each pixel that the box covers
    cells: tuple  # rows (H, 1) and columns (1, W) of the small grid's cell under each pixel
    inside: tuple  # two slices: the rows and columns of the film


def stretch(logits, box, size):
    """Return a small grid of logits as `Stretched` over a box on a film.

    Parameters
    ----------
    logits : ndarray of shape (h, w), float
    box : (y1, x1, y2, x2)
        Pixels of the film.
    size : (height, width)
        Of the film.
    """
    probabilities = sigmoid(logits)
    pasted, inside = paste_probabilities(probabilities, box, size)
    cells = []
    for axis, part in enumerate(inside):
        share = (np.arange(part.start, part.stop) + 0.5 - box[axis]) / max(box[axis + 2] - box[axis], 1e-9)
        cells.append(np.clip((share * logits.shape[axis]).astype(int), 0, logits.shape[axis] - 1))
    return Stretched(probabilities, pasted[inside], (cells[0][:, None], cells[1][None]), inside)


def both_masks(stretched, threshold):
    """Return the small mask, and the box's pixels cut first and enlarged after, and enlarged first and cut after.

    Returns
    -------
    small : ndarray of shape (h, w), bool
    stairs, smooth : ndarray of shape (H, W), bool
        ``smooth`` is what `mini_rcnn.stages.masks.paste_mask` gives.
    """
    small = threshold_mask(stretched.probabilities, threshold)
    return small, small[stretched.cells], threshold_mask(stretched.smooth, threshold)


def mask_iou(mask, truth, inside):
    """Return the overlap (IoU) of a mask on the pixels of a box with a true mask of the whole film."""
    common = int((mask & truth[inside]).sum())
    union = int(mask.sum()) + int(truth.sum()) - common
    return common / union if union else 0.0


def nearest_truth(box, boxes):
    """Return the number of the true box that overlaps a box most, None where none does."""
    if not len(boxes):
        return None
    overlaps = box_iou(np.asarray(box, float)[None], np.asarray(boxes, float))[0]
    return int(overlaps.argmax()) if overlaps.max() > 0 else None


def outline(mask, *, scale=1.0, origin=(0.0, 0.0)):
    """Return the outlines of a mask as lines ``(y, x)`` along the edges of its pixels, corners alone.

    >>> outline(np.ones((1, 2), bool))
    [[(0.0, 0.0), (0.0, 2.0), (1.0, 2.0), (1.0, 0.0), (0.0, 0.0)]]
    """
    padded = np.pad(mask, 1).astype(np.int8)
    down, right = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    onward = {}  # from each corner to the next: the mask lies to the right
    for y, x in np.argwhere(down).tolist():
        here, there = ((y, x), (y, x + 1)) if down[y, x] > 0 else ((y, x + 1), (y, x))
        onward.setdefault(here, []).append(there)
    for y, x in np.argwhere(right).tolist():
        here, there = ((y + 1, x), (y, x)) if right[y, x] > 0 else ((y, x), (y + 1, x))
        onward.setdefault(here, []).append(there)
    loops = []
    while onward:
        start = place = min(onward)
        loop, before = [start], None
        while True:
            ways = onward[place]
            following = ways.pop()
            if not ways:
                del onward[place]
            step = (following[0] - place[0], following[1] - place[1])
            if step == before:
                loop.pop()
            loop.append(following)
            place, before = following, step
            if place == start:
                break
        loops.append([(y * scale + origin[0], x * scale + origin[1]) for y, x in loop])
    return loops


def shown_window(box, size, *, zoom=1, middle=None):
    """Return the part ``(y1, x1, y2, x2)`` of a film, whole pixels, that is shown around a box.

    Parameters
    ----------
    box : (y1, x1, y2, x2) or None
        None for the whole film.
    size : (height, width)
        Of the film.
    zoom : int
        Show so much less, around the middle.
    middle : (y, x), optional
        By default the box's.
    """
    if box is None:
        return (0, 0, int(size[0]), int(size[1]))
    box = np.asarray(box, float)
    sides = box[2:] - box[:2]
    half = np.maximum(1.0, (0.5 * sides + MARGIN * sides.max()) / zoom)
    middle = (box[:2] + box[2:]) / 2 if middle is None else np.asarray(middle, float)
    first = np.clip(np.floor(middle - half), 0, np.asarray(size) - 1).astype(int)
    last = np.clip(np.ceil(middle + half), first + 1, size).astype(int)
    return (*(int(each) for each in first), *(int(each) for each in last))


def edge_place(stretched):
    """Return the pixel ``(y, x)`` of the film on the edge of the mask at 0.5 that is nearest to the box's middle."""
    mask = stretched.smooth >= 0.5
    edges = np.argwhere(mask[:-1, :-1] != mask[1:, 1:])
    middle = np.array(mask.shape) / 2
    near = edges[np.abs(edges - middle).sum(axis=1).argmin()] if len(edges) else middle
    return near + [part.start for part in stretched.inside]


def film_picture(film, window, shown):
    """Return the part of a film (H, W) in a window as a ``data:`` address, of no more pixels than are shown."""
    y1, x1, y2, x2 = window
    part = Image.fromarray(np.ascontiguousarray(film[y1:y2, x1:x2], dtype=np.uint8))
    if max(part.size) > max(shown):
        part = part.resize((max(1, int(shown[1])), max(1, int(shown[0]))), Image.BOX)
    return picture_uri(np.asarray(part))


def veil_of(mask, other):
    """Return a mask as a ``data:`` address of a clear picture; where the other one is not, it is more solid."""
    if not mask.size:
        return ""  # a box between the middles of two pixels covers none
    picture = Image.fromarray(np.where(mask, np.where(other, 1, 2), 0).astype(np.uint8), mode="L")
    picture = picture.convert("P") if picture.mode != "P" else picture
    picture.putpalette(sum((list(colour[:3]) for colour in VEIL), []))
    packed = io.BytesIO()
    picture.save(packed, format="png", transparency=bytes(colour[3] for colour in VEIL), compress_level=1)
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode("ascii")


def grid_picture(values, low, high):
    """Return a small grid as a ``data:`` address of a picture, a pixel for a cell."""
    return picture_uri(colours_of(values, low, high))


def grid_shapes(loops):
    """Return the outline of the small mask over a small grid, dark under bright."""
    dark = [dict(line(loop, "axis"), width=5.0) for loop in loops]
    return dark + [line(loop, "chosen") for loop in loops]


def crop_shapes(window, box, inside, veil, loops, truth_box=None):
    """Return what is drawn over a part of the film: the mask's veil, the detection's box and the truth.

    Parameters
    ----------
    window, box : (y1, x1, y2, x2)
        The part that is shown and the detection, pixels of the film.
    inside : two slices
        Of the film: the pixels of the veil.
    veil : str
        Of `veil_of`.
    loops : list of lines
        Outlines of the true mask, pixels of the film.
    truth_box : (y1, x1, y2, x2), optional
        Where there is a true box and no true mask.
    """
    y, x = window[:2]
    spans = np.array([inside[0].start - y, inside[1].start - x, inside[0].stop - y, inside[1].stop - x])
    shapes = [image(spans, veil, smooth=False)] if veil else []
    shapes.append(box_shape(np.asarray(box) - [y, x, y, x], "quiet"))
    shapes += [line(np.asarray(loop) - [y, x], "truth") for loop in loops]
    if truth_box is not None:
        shapes.append(dict(box_shape(np.asarray(truth_box) - [y, x, y, x], "truth", label="true box"), dash="2 4"))
    return shapes


def nothing_shapes(words, size):
    """Return words in the middle of an empty drawing."""
    return [text((size[0] / 2, size[1] / 2), words, anchor="middle")]


def threshold_words(threshold, limits):
    """Return in words what a threshold on the probabilities is on the logits, which go from one limit to the other."""
    if threshold in (0, 1):
        logit = "minus infinity: every cell belongs" if threshold == 0 else "infinity: almost no cell belongs"
    else:
        logit = f"{np.log(threshold / (1 - threshold)):.2f}"
    return (
        f"The logits go from {limits[0]:.1f} (dark) to {limits[1]:.1f} (bright), the probabilities from 0 to 1. "
        f"A probability of at least {threshold:.2f} is a logit of at least {logit}: both outlines are the same."
    )


def mask_rows(stairs, smooth, truth, inside):
    """Return the rows of a table: pixels of both masks, in one alone, and overlap with the truth where there is one."""
    rows = [
        ("pixels of the film", f"{int(stairs.sum()):,}", f"{int(smooth.sum()):,}"),
        ("in this one alone", f"{int((stairs & ~smooth).sum()):,}", f"{int((smooth & ~stairs).sum()):,}"),
    ]
    if truth is not None:
        rows.append(("IoU with the true mask", *(f"{mask_iou(each, truth, inside):.4f}" for each in (stairs, smooth))))
    return rows
