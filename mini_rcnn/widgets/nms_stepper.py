"""The panel that takes two-stage suppression one step at a time."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np

from mini_rcnn.exploring.nms_steps import suppression_course
from mini_rcnn.stages._check import boxes_array, rows_array
from mini_rcnn.stages.boxes import clip_boxes, decode_deltas
from mini_rcnn.view import panel_nms
from mini_rcnn.view.shapes import picture_uri

from .canvas import Canvas
from .panel import Panel, beside, column, slider, whole_slider, words

# A chain (A overlaps B, B overlaps C, A and C less), a tie (D and E), and an overlap near the threshold (D and F).
BOXES = (
    (30, 15, 110, 95),
    (40, 25, 120, 105),
    (50, 35, 130, 115),
    (140, 130, 220, 210),
    (130, 140, 210, 220),
    (154, 116, 234, 196),
)
SCORES = (0.95, 0.9, 0.85, 0.8, 0.8, 0.55)
SIDE = 250  # pixels of the plane that they lie on
SHOWN = 500  # pixels of the screen
CLOSE = '<div style="line-height:1.4">{}</div>'  # the lines of a text
ABOUT = (
    "Both filters act when films are looked at; in training they do nothing, and moving them needs no new training. "
    "Drag a box, or choose it with Tab and move it with the arrow keys (Shift: 8 pixels); click it to read its fate."
)


class NmsStepper(Panel):
    """Take two-stage suppression one step at a time, on boxes that can be dragged, both thresholds live.

    Parameters
    ----------
    boxes : array of shape (N, 4), optional
        ``(y1, x1, y2, x2)`` in pixels; six made-up ones by default.
    scores : array of shape (N,), optional
    picture : ndarray of shape (H, W), uint8, optional
        To lay under the boxes.
    size : (height, width), optional
        Of the plane that the boxes lie on, pixels; by default the picture's, or what the boxes take.
    of : str
        What the boxes are, in words.

    Examples
    --------
    >>> panel = NmsStepper()
    >>> panel.step.value = 2
    >>> panel.said.value.split('">')[-1].split(".</div>")[0].replace("&gt;", ">")
    'A, 0.95, is the best that still stands, so it is kept; it removes B: IoU 0.62 > 0.50. Not over ... 0.39 ≤ 0.50'
    >>> panel.iou.value = 0.7
    >>> panel.course.kept.tolist()
    [0, 1, 2, 3, 4, 5]
    """

    def __init__(self, boxes=None, scores=None, *, picture=None, size=None, of=None):
        if boxes is None and scores is None:
            boxes, scores, size, of = BOXES, SCORES, size or (SIDE, SIDE), of or "Six made-up boxes."
        if boxes is None or scores is None:
            raise ValueError("boxes and scores go together: give both, or neither")
        self.first = boxes_array("boxes", np.asarray(boxes, dtype=float)).copy()
        self.scores = rows_array("scores", scores, len(self.first))
        self.boxes, self.names = self.first.copy(), panel_nms.letters(len(self.first))
        size = plane(self.first) if size is None and picture is None else picture.shape[:2] if size is None else size
        self.confidence = slider("Min confidence", 0.5, tooltip="A box with a lower score goes; an equal one stays")
        self.iou = slider("Overlap (IoU)", 0.5, tooltip="A box goes if it overlaps a better one by more than this")
        self.step = whole_slider("Step", 0, high=1)
        self.back, self.on_ = widgets.Button(description="Previous step"), widgets.Button(description="Next step")
        self.last, self.again = (
            widgets.Button(description="To the end"),
            widgets.Button(description="Boxes as at first"),
        )
        self.said, self.fate, self.table = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.chosen = None  # the row of the box that was clicked
        shown = [SHOWN * side / max(size) for side in size]
        uri = "" if picture is None else picture_uri(picture)
        self.canvas = Canvas(size=list(map(float, size)), shown=shown, picture=uri, title="Boxes of suppression")
        buttons = beside(self.back, self.on_, self.last, self.again)
        for each in buttons.children:
            each.layout.width = "138px"
        about = widgets.HTML(f"<div style='line-height:1.4'>{of or f'{len(self.first):,} boxes.'} {ABOUT}</div>")
        right = [self.confidence, self.iou, self.step, buttons, self.said, self.fate, self.table, about]
        self.right = column(*right, width=320, padding="0 0 0 12px")
        super().__init__("Two-stage suppression, one step at a time", [beside(self.canvas, self.right)])
        self.on(self.confidence, self.iou, self.step)
        self.back.on_click(lambda button: self.go_to(self.step.value - 1))
        self.on_.on_click(lambda button: self.go_to(self.step.value + 1))
        self.last.on_click(lambda button: self.go_to(self.step.max))
        self.again.on_click(lambda button: self.start_again())
        self.canvas.observe(self.moved, "dragged")
        self.canvas.observe(self.picked, "picked")
        self.update()

    @classmethod
    def of_lab(cls, lab, number=None, *, take=12):
        """Return the panel on the best boxes that a lab's detector has for a film, before any filter.

        Parameters
        ----------
        lab : mini_rcnn.classroom.lab.Lab
        number : int, optional
            Of the film; the first with true boxes by default.
        take : int
            How many boxes, best score first.
        """
        if number is None:
            number = (lab.with_boxes() or [0])[0]
        seen, trace = lab.input(number), lab.look(number)[1]
        deltas, scores = trace["deltas"][:, 1], trace["probabilities"][:, 1]
        moved = decode_deltas(
            trace["proposals"].boxes, deltas * np.array(lab.config.detections.delta_std, deltas.dtype)
        )
        best = np.argsort(-scores, kind="stable")[:take]
        boxes = clip_boxes(moved, seen.geometry.window)[best]
        kind = "a phantom" if lab.tier == "phantoms" else "one of RSNA's films"
        of = f"The best {len(best)} of {len(scores)} boxes for film {number} of the lab, {kind}, before any filter."
        return cls(boxes, scores[best].astype(float), picture=seen.grey, of=of)

    def refresh(self):
        """Draw the step; at the end, stay at the end however many steps there are."""
        thresholds = {"min_confidence": self.confidence.value, "iou_threshold": self.iou.value}
        self.course = suppression_course(self.boxes, self.scores, **thresholds)
        at_end = self.step.value == self.step.max and self.step.max > 1
        if self.step.max != self.course.n_steps - 1:
            with self.step.hold_trait_notifications():
                step = self.course.n_steps - 1 if at_end else min(self.step.value, self.course.n_steps - 1)
                self.step.value, self.step.max = min(step, self.step.value), self.course.n_steps - 1
                self.step.value = step
        step = self.step.value
        plain = {"size": self.canvas.size, "shown": self.canvas.shown, "ground": not self.canvas.picture}
        self.canvas.shapes = panel_nms.nms_shapes(self.boxes, self.scores, self.course, step, **plain)
        self.said.value = CLOSE.format(words(panel_nms.step_words(self.scores, self.course, step, **thresholds)))
        self.fate.value = ""
        if self.chosen is not None:
            self.fate.value = words(panel_nms.fate_of(self.scores, self.course, self.chosen, **thresholds))
        self.table.value = panel_nms.overlaps_table(self.scores, self.course, step)
        self.back.disabled, self.on_.disabled = step == 0, step == self.step.max

    def go_to(self, step):
        """Take a step of those that there are."""
        self.step.value = min(max(step, 0), self.step.max)

    def start_again(self):
        """Put the boxes back where they were."""
        self.boxes = self.first.copy()
        self.update()

    def moved(self, change):
        """Follow a box that is dragged; what is no box of ours, or no place, changes nothing."""
        name, at = change["new"].get("name"), change["new"].get("at")
        try:
            at = boxes_array("at", [at])[0]
        except (TypeError, ValueError):
            return
        if name in self.names:
            self.boxes = self.boxes.copy()
            self.boxes[self.names.index(name)] = at
            self.update()

    def picked(self, change):
        """Say why the box that was clicked is kept or gone."""
        if change["new"].get("name") in self.names:
            self.chosen = self.names.index(change["new"]["name"])
            self.update()

    def still(self):
        """Return what is seen, as HTML without a kernel."""
        right = f'<div style="max-width:680px">{self.said.value}{self.fate.value}{self.table.value}</div>'
        return f'<div style="display:flex;gap:12px;font-family:sans-serif">{self.canvas.still()}{right}</div>'

    def drawings(self):
        """Return the canvases of the panel."""
        return [self.canvas]


def plane(boxes):
    """Return the size (height, width) of a plane that holds all boxes, with a margin."""
    return [float(side) for side in boxes[:, 2:].max(axis=0, initial=90.0) + 10]
