"""One film of an evaluation as a small picture: truth solid, prediction dashed with its score."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from .detections import draw_labels
from .style import PIXELS_AN_INCH, PREDICTION, TRUTH, draw_boxes, new_figure

LONGEST = 440  # pixels, the longer side
QUALITY = 85  # of JPEG: 20 to 40 kB a film


def film_jpeg(film, *, truth, boxes, scores):
    """Return a film with truth and predictions as the bytes of a JPEG without any text in it.

    Parameters
    ----------
    film : ndarray of shape (H, W), uint8
    truth, boxes : ndarray of shape (N, 4) and (M, 4), float
        ``(y1, x1, y2, x2)``, pixels of the film.
    scores : ndarray of shape (M,), float

    Returns
    -------
    jpeg : bytes

    Examples
    --------
    >>> jpeg = film_jpeg(np.zeros((900, 600), np.uint8), truth=[], boxes=[[10.0, 20, 300, 400]], scores=[0.5])
    >>> Image.open(io.BytesIO(jpeg)).size
    (293, 440)
    """
    scale = LONGEST / max(film.shape)
    height, width = size = tuple(max(1, int(round(side * scale))) for side in film.shape)
    figure = new_figure("", size=(width / PIXELS_AN_INCH, height / PIXELS_AN_INCH))
    figure.texts[0].remove()
    axes = figure.add_axes([0, 0, 1, 1], frameon=False)
    axes.set(xticks=[], yticks=[])
    picture = Image.fromarray(np.ascontiguousarray(film)).resize((width, height), Image.BILINEAR)
    axes.imshow(np.asarray(picture), cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    factors = np.tile([height / film.shape[0], width / film.shape[1]], 2)
    truth, boxes = (np.reshape(each, (-1, 4)) * factors for each in (truth, boxes))
    draw_boxes(axes, truth, TRUTH)
    draw_boxes(axes, boxes, PREDICTION)
    best = np.argsort(-np.asarray(scores), kind="stable")
    draw_labels(axes, boxes[best], [f"{scores[row]:.2f}" for row in best], size)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    figure.canvas.draw()
    pixels, file = np.asarray(figure.canvas.buffer_rgba())[..., :3], io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="JPEG", quality=QUALITY)
    return file.getvalue()
