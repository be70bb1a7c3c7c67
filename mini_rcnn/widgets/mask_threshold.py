"""Move the threshold of one mask, and see what it is to cut before or after enlarging it."""

from __future__ import annotations

from html import escape

import ipywidgets as widgets
import numpy as np

from mini_rcnn.stages.image import boxes_to_original
from mini_rcnn.view.panel_masks import (
    both_masks,
    crop_shapes,
    edge_place,
    film_picture,
    grid_picture,
    grid_shapes,
    mask_rows,
    nearest_truth,
    nothing_shapes,
    outline,
    shown_window,
    stretch,
    threshold_words,
    veil_of,
)

from .canvas import Canvas
from .panel import LABELLED, WIDE, Panel, beside, slider, table, words

GRID, CROP = 205, (500, 340)  # pixels of the screen: a side; the most height and width


class MaskThreshold(Panel):
    """Let the reader move the mask threshold on one detection: logits, probabilities, and both orders of two steps.

    Parameters
    ----------
    logits : ndarray of shape (h, w), float, optional
        Of the detection's class, 28 by 28; without them the panel says that nothing was found.
    box : (y1, x1, y2, x2), optional
        Pixels of the film.
    film : ndarray of shape (H, W), uint8, optional
    truth_boxes : ndarray of shape (N, 4), optional
        Pixels of the film.
    truth_masks : ndarray of shape (N, H, W), bool, optional
        None where nobody drew any.
    about : str
        Of which film and detection the numbers are.

    Examples
    --------
    >>> panel = MaskThreshold(np.full((28, 28), 2.0), (8, 8, 36, 36), np.zeros((64, 64), np.uint8))
    >>> panel.threshold.value = 0.9  # sigmoid(2) is 0.88
    >>> int(panel.stairs.sum()), int(panel.smooth.sum())
    (0, 0)
    """

    def __init__(self, logits=None, box=None, film=None, *, truth_boxes=(), truth_masks=None, about=""):
        film = np.zeros((64, 64), np.uint8) if film is None else np.asarray(film)
        self.threshold = slider("mask threshold", 0.5, form=".2f", tooltip="a probability, 0 to 1")
        self.about = widgets.HTML(f'<div style="font-size:13px;line-height:1.3">{escape(about)}</div>')
        self.told, self.numbers = widgets.HTML(), widgets.HTML()
        zooms = [("the whole box", 1), ("3 times", 3), ("8 times", 8)]
        wide = {"style": LABELLED, "layout": widgets.Layout(width=WIDE)}
        self.zoom = widgets.Dropdown(options=zooms, description="film, enlarged", disabled=logits is None, **wide)
        self.grids = [Canvas(shown=[GRID, GRID], title=f"the small grid of {name}") for name in GRIDS]
        self.crops = [Canvas(title=f"the film, mask {name}") for name in CROPS]
        self.pixels, self.window = film, None
        self.found = None if logits is None else stretch(np.asarray(logits), np.asarray(box, float), film.shape[:2])
        self.box, self.stairs, self.smooth = None if logits is None else box, None, None
        self.prepare(logits, truth_boxes, truth_masks)
        small = beside(*(titled(f"{name}, with the threshold", each) for name, each in zip(GRIDS, self.grids)))
        left = widgets.VBox(
            [self.threshold, self.zoom, small, self.told, self.numbers],
            layout=widgets.Layout(width="430px", flex="0 0 auto"),
        )
        crops = [titled(name, each) for name, each in zip(CROPS, self.crops)]
        row = beside(left, *crops, align_items="flex-start")
        super().__init__("Mask threshold: cut before or after enlarging?", [row, self.about])
        self.on(self.threshold, self.zoom)
        self.update()

    @classmethod
    def of_lab(cls, lab, number=None, detection=0):
        """Return the panel for a detection on a film of a `mini_rcnn.classroom.Lab`.

        Without a number it is the first film with boxes on which something is found, else the first with boxes, else
        the first.
        """
        if number is None:
            ill = lab.with_boxes() or [0]
            number = next((each for each in ill if len(lab.look(each)[0].boxes)), ill[0])
        film, (found, trace) = lab.film(number), lab.look(number)
        kind = "a phantom" if lab.tier == "phantoms" else "of RSNA"
        truth = {"truth_boxes": film.boxes, "truth_masks": film.masks}
        about = f"Film {number} ({kind}), the detector that comes along. "
        if not len(found.boxes):
            return cls(film=film.pixels, about=about + "It found nothing on this film.", **truth)
        if not 0 <= detection < len(found.boxes):
            raise ValueError(f"detection must be 0 to {len(found.boxes) - 1} on film {number}, got {detection}")
        boxes = boxes_to_original(np.asarray(trace["refined"].boxes, float), trace["geometry"])
        row = np.flatnonzero(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) > 0)[detection]
        logits = trace["mask_logits"][row, ..., found.class_ids[detection]]
        about += (
            f"Detection {detection} of {len(found.boxes)}, score {found.scores[detection]:.2f}. The threshold acts "
        )
        about += "on finished probabilities: in training it does nothing, there each cell has its own loss."
        return cls(logits, found.boxes[detection], film.pixels, about=about, **truth)

    def prepare(self, logits, truth_boxes, truth_masks):
        """Send what no threshold changes: the pictures of the grids; find the truth."""
        self.truth, self.truth_box, self.loops = None, None, []
        if self.found is None:
            return
        logits = np.asarray(logits)
        self.limits = (float(logits.min()), float(logits.max()))
        for canvas, values, limits in zip(self.grids, (logits, self.found.probabilities), (self.limits, (0, 1))):
            canvas.size, canvas.picture = [float(n) for n in logits.shape], grid_picture(values, *limits)
        place = nearest_truth(self.box, truth_boxes)
        if place is not None and truth_masks is not None:
            self.truth = np.asarray(truth_masks[place], bool)
            self.loops = outline(self.truth)
        elif place is not None:
            self.truth_box = np.asarray(truth_boxes, float)[place]

    def show_film(self):
        """Send the film, where another part of it is to be seen."""
        middle = edge_place(self.found) if self.found is not None and self.zoom.value > 1 else None
        window = shown_window(self.box, self.pixels.shape[:2], zoom=self.zoom.value, middle=middle)
        if window == self.window:
            return
        self.window, size = window, [float(window[2] - window[0]), float(window[3] - window[1])]
        scale = min(CROP[0] / size[0], CROP[1] / size[1])
        shown = [scale * side for side in size]
        picture = film_picture(self.pixels, window, shown)
        for canvas in self.crops:
            canvas.shapes, canvas.size, canvas.shown, canvas.picture = [], size, shown, picture

    def refresh(self):
        """Draw anew from what the controls say."""
        self.show_film()
        if self.found is None:
            self.told.value = words("Nothing was found on this film, so there is no mask to cut.")
            for canvas in self.grids:
                canvas.shapes = nothing_shapes("no detection", canvas.size)
            return
        small, self.stairs, self.smooth = both_masks(self.found, self.threshold.value)
        loops = outline(small)
        for canvas in self.grids:
            canvas.shapes = grid_shapes(loops)
        for canvas, mask, other in zip(self.crops, (self.stairs, self.smooth), (self.smooth, self.stairs)):
            veil = veil_of(mask, other)
            canvas.shapes = crop_shapes(self.window, self.box, self.found.inside, veil, self.loops, self.truth_box)
        rows = mask_rows(self.stairs, self.smooth, self.truth, self.found.inside)
        self.numbers.value = f'<div style="line-height:1.4">{table(rows, ("", "cut first", "enlarged first"))}</div>'
        self.told.value = f'<div style="font-size:13px;line-height:1.3">{words(self.sentences())}</div>'

    def sentences(self):
        """Return what is said under the grids."""
        cell = [each / cells for each, cells in zip(self.found.smooth.shape, self.found.probabilities.shape)]
        told = threshold_words(self.threshold.value, self.limits)
        told += f" One cell is {cell[0]:.1f} x {cell[1]:.1f} pixels of the film. "
        told += f"{int((self.stairs ^ self.smooth).sum()):,} pixels differ: solid where a mask has them alone. "
        if self.truth is not None:
            return told + "Blue line: the true mask."
        return told + (
            "Nobody drew a mask here; dotted: the true box." if self.truth_box is not None else "No truth here."
        )

    def drawings(self):
        """Return the canvases of the panel."""
        return [*self.grids, *self.crops]

    def still(self):
        """Return what is seen, as HTML without a kernel."""
        small = "".join(f"<div>{escape(name)}<br>{each.still()}</div>" for name, each in zip(GRIDS, self.grids))
        row = '<div style="display:flex;gap:8px;align-items:flex-start;font-size:13px">'
        left = f'<div style="width:430px">{row}{small}</div>{self.told.value}{self.numbers.value}</div>'
        crops = "".join(f"<div>{escape(name)}<br>{each.still()}</div>" for name, each in zip(CROPS, self.crops))
        return f"<div>{row}{left}{crops}</div>{self.about.value}</div>"


GRIDS = ("logits", "probabilities")
CROPS = ("cut at the threshold, then enlarged", "enlarged, then cut at the threshold")


def titled(name, canvas):
    """Return a canvas with its name above."""
    return widgets.VBox([widgets.HTML(f'<div style="font-size:13px">{escape(name)}</div>'), canvas])
