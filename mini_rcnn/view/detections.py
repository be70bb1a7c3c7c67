"""A film with what was found on it: boxes, scores and masks, and the truth where it is known."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from PIL import Image

from mini_rcnn.stages.masks import paste_mask

from .labels import label_places
from .style import LABEL, ORANGE, PIXELS_AN_INCH, PREDICTION, SMALL, TRUTH, draw_boxes, new_figure, number_of

SMALLEST, LARGEST = 640, 1024  # pixels: the longer side of a film is drawn within these
ABOVE, BELOW = 62, 34  # pixels for the title and for the legend
VEIL, OUTLINE = 0.22, 0.95  # how opaque a mask is, and its edge
STATEMENT = "For teaching; no diagnosis"


def drawn_size(size):
    """Return the (height, width) in which a film is drawn.

    >>> drawn_size((2048, 1024)), drawn_size((1000, 900)), drawn_size((64, 32))
    ((1024, 512), (1000, 900), (640, 320))
    """
    longest = min(max(max(size), SMALLEST), LARGEST)
    return tuple(max(1, int(round(side * longest / max(size)))) for side in size)


def edge_of(mask):
    """Return the pixels of a mask (H, W) bool within two pixels of what is not mask."""
    inner = mask.copy()
    for axis in (0, 1):
        for shift in (-2, -1, 1, 2):
            inner &= np.roll(mask, shift, axis)
    return mask & ~inner


def veil_of(found, scale, size, threshold):
    """Return all masks as one picture to lay over the film, (H, W, 4) float: the edge of each, and a veil over them."""
    inside, edges = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    for grid, box in zip(found.mask_probabilities, found.boxes):
        mask = np.pad(paste_mask(grid, box * scale, size, threshold=threshold), 2)
        inside |= mask[2:-2, 2:-2]
        edges |= edge_of(mask)[2:-2, 2:-2]
    veil = np.zeros((*size, 4), dtype=np.float32)
    veil[..., :3] = to_rgb(ORANGE)
    veil[..., 3] = np.where(edges, OUTLINE, VEIL * inside)
    return veil


def detection_figure(film, found, *, name, classes=("",), truth=None, mask_threshold=0.5):
    """Return a figure of a film with what was found on it.

    Parameters
    ----------
    film : ndarray of shape (H, W), uint8
    found : mini_rcnn.model.Found
        Boxes in pixels of the film, best first.
    name : str
        What the film is called, such as its id.
    classes : sequence of str
        The names of the classes from 1 on; a box's stands beside its score if there are several.
    truth : ndarray of shape (N, 4), float, optional
        Boxes ``(y1, x1, y2, x2)`` in pixels of the film; empty if it is known that there is nothing.
    mask_threshold : float, default 0.5
        A pixel of at least this probability is mask.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The film in its own size, or brought to a longer side of 640 to 1024 pixels. Found boxes are dashed and carry
        their score, the truth is solid, as in every figure of the lab. A label finds a free place near its box; a thin
        line leads to the box if that is further away.

    Examples
    --------
    >>> from mini_rcnn.model import Found
    >>> nothing = Found(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), np.zeros((0, 28, 28)))
    >>> figure = detection_figure(np.zeros((800, 700), np.uint8), nothing, name="film")
    >>> [text.get_text() for text in figure.texts]
    ['film', 'nothing found', 'For teaching; no diagnosis']
    """
    height, width = size = drawn_size(film.shape)
    scale = np.tile([height / film.shape[0], width / film.shape[1]], 2)
    page = max(width, SMALLEST), height + ABOVE + BELOW
    figure = new_figure("", size=tuple(side / PIXELS_AN_INCH for side in page))
    figure.texts[0].remove()
    axes = figure.add_axes(
        [(page[0] - width) / 2 / page[0], BELOW / page[1], width / page[0], height / page[1]], frameon=False
    )
    axes.set(xticks=[], yticks=[])
    picture = Image.fromarray(np.ascontiguousarray(film)).resize((width, height), Image.BILINEAR)
    axes.imshow(np.asarray(picture), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if len(found.boxes):
        axes.imshow(veil_of(found, scale, size, mask_threshold), interpolation="nearest")
    boxes = found.boxes * scale
    draw_boxes(axes, boxes, PREDICTION)
    draw_boxes(axes, () if truth is None else np.reshape(truth, (-1, 4)) * scale, TRUTH)
    left_out = draw_labels(axes, boxes, label_texts(found, classes), size)
    write_around(figure, page, name, told_of(found, truth, left_out), known=truth is not None)
    return figure


def label_texts(found, classes):
    """Return what stands at each box: its score, and its class where there are several."""
    names = [f"{classes[class_id - 1]} " if len(classes) > 1 else "" for class_id in found.class_ids]
    return [f"{name}{score:.2f}" for name, score in zip(names, found.scores)]


def told_of(found, truth, left_out):
    """Return in words how much was found and how much there is."""
    told = number_of(len(found.boxes), "box") + " found" if len(found.boxes) else "nothing found"
    if truth is not None:
        told += f"; truth: {number_of(len(truth), 'box') if len(truth) else 'no box'}"
    return told + (f"; no room for {number_of(left_out, 'score')}" if left_out else "")


def draw_labels(axes, boxes, texts, size):
    """Write a text at each box where there is room, and return how many found none."""
    style = {"fontsize": SMALL, "color": "white", "va": "top", "ha": "left", "clip_on": False}
    ground = {"facecolor": "black", "edgecolor": "none", "alpha": 0.7, "pad": 1}
    labels = [axes.text(0, 0, text, bbox=ground, zorder=5, **style) for text in texts]
    renderer = axes.figure.canvas.get_renderer()
    extents = [label.get_window_extent(renderer) for label in labels]
    sizes = np.array([(extent.height + 4, extent.width + 4) for extent in extents]).reshape(-1, 2)
    places = label_places(boxes, sizes, size)
    for label, place, (height, width), (y1, x1, y2, x2) in zip(labels, places, sizes, boxes):
        if place is None:
            label.remove()
            continue
        y, x = place
        label.set_position((x + 1.5, y + 1.5))
        nearest = np.clip(x + width / 2, x1, x2), np.clip(y + height / 2, y1, y2)
        if abs(nearest[0] - x - width / 2) > width or abs(nearest[1] - y - height / 2) > height:
            axes.plot([x + width / 2, x1], [y + height / 2, y1], color=ORANGE, linewidth=0.8, zorder=3)
    axes.set(xlim=(-0.5, size[1] - 0.5), ylim=(size[0] - 0.5, -0.5))
    return sum(place is None for place in places)


def write_around(figure, page, name, told, *, known):
    """Write the film's name and what was found above the picture, and what the lines mean below it."""
    width, height = page
    most = int((width - 20) / (0.72 * LABEL * PIXELS_AN_INCH / 72))
    name = name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[-(most // 2 - 1) :]}"
    figure.text(10 / width, 1 - 8 / height, name, fontsize=LABEL, weight="bold", va="top")
    figure.text(10 / width, 1 - 36 / height, told, fontsize=SMALL, va="top")
    kinds = [("found, with score and mask", PREDICTION), ("truth", TRUTH)][: 1 + known]
    handles = [
        Line2D([], [], color=style["edgecolor"], linestyle=style["linestyle"], linewidth=2, label=label)
        for label, style in kinds
    ]
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(2 / width, 4 / height), ncol=2, fontsize=SMALL,
        frameon=False, borderaxespad=0, handlelength=2.2, columnspacing=1.2,
    )  # fmt: skip
    figure.text(1 - 10 / width, 10 / height, STATEMENT, fontsize=SMALL, ha="right", va="bottom", color="#555555")
