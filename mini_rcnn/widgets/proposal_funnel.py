"""The proposal funnel: from thousands of anchors to a few boxes, one step at a time, and what each step loses."""

from __future__ import annotations

import time

import ipywidgets as widgets
import numpy as np

from mini_rcnn.exploring.funnel import STEPS, Candidates, Funnel, FunnelSettings, settings_of, total_of
from mini_rcnn.model import NUMPY, end_of_box, pooling_of
from mini_rcnn.stages.boxes import clip_boxes, decode_deltas
from mini_rcnn.stages.heads import box_head
from mini_rcnn.stages.proposals import top_indices
from mini_rcnn.view.panel_funnel import CHART, chart_shapes, film_shapes, legend, step_words
from mini_rcnn.view.shapes import picture_uri

from .canvas import Canvas
from .panel import Panel, beside, column, slider, whole_slider, words

SHOWN = 425  # pixels of the screen, side of the film
MOST = 1000  # anchors that the heads are asked about, where the configuration does not pick more
FILMS = 60  # with opacities, over which recall is taken
TRAINING = (
    "Nothing is trained by these sliders; the weights stay. In a training the limit before RPN NMS and RPN NMS itself "
    "act too: what they leave is what the heads learn from. Confidence and NMS act on a finished network alone."
)


class ProposalFunnel(Panel):
    """Let the reader follow the boxes of a film from all anchors to the final ones, and see what each step loses.

    Parameters
    ----------
    film_at : callable
        Of a number: the film's grey values (H, W) uint8, and its `mini_rcnn.exploring.funnel.Funnel`.
    titles : sequence of str
        Of the films.
    judged : sequence of int
        The films over which recall is taken; they are worked out at once.
    config : Config
        Where the sliders begin.
    kind : str
        What the judged films are.

    Examples
    --------
    >>> from mini_rcnn.exploring.funnel import Candidates, Funnel
    >>> from mini_rcnn.config import Config
    >>> boxes = np.array([[0.0, 0, 8, 8], [0, 1, 8, 9], [20, 20, 28, 28]])
    >>> every = Candidates(boxes, np.arange(3), boxes, np.array([1, 1, 0]), np.array([0.9, 0.8, 0.6]), boxes)
    >>> film = np.zeros((32, 32), np.uint8), Funnel(every, boxes[1:2])
    >>> panel = ProposalFunnel(lambda number: film, ["a film"], [0], Config())
    >>> panel.step.value = 7
    >>> panel.after.counts.tolist()
    [3, 3, 3, 2, 2, 2, 1, 1]
    """

    def __init__(self, film_at, titles, judged, config, *, kind="films"):
        self.film_at, self.titles, self.kind, self._films = film_at, list(titles), kind, {}
        if not self.titles:
            raise ValueError("titles must name at least one film")
        begun = time.perf_counter()
        self.funnels = [self.film(number)[1] for number in judged]
        self.seconds = time.perf_counter() - begun
        self.max_detections = config.detections.max_detections
        self._total = None, None
        self._make_controls(settings_of(config), first=judged[0] if len(judged) else 0)
        self.canvas, self.chart = Canvas(shown=[SHOWN, SHOWN]), Canvas(size=CHART, shown=CHART)
        self.told = widgets.HTML()
        top = beside(self.number, self.back, self.step, self.next, self.gone)
        sliders = [self.pre_nms_limit, self.rpn_nms, self.max_proposals, self.min_confidence, self.nms]
        for each in sliders:
            each.layout.width, each.style.description_width = "322px", "118px"
        pairs = [beside(*sliders[place : place + 2]) for place in (0, 2, 4)]
        right = column(self.chart, *pairs, width=660, margin="0 0 0 10px")
        about = widgets.HTML(f'<div style="max-width:1150px;line-height:1.3">{legend()}<br>{TRAINING}</div>')
        super().__init__(
            "Proposal funnel: from all anchors to the final boxes",
            [top, beside(self.canvas, right), self.told, about],
        )
        self.on(self.number, self.step, self.gone, *sliders)
        self.chart.observe(self._picked, "picked")
        self.back.on_click(lambda button: self._go(-1))
        self.next.on_click(lambda button: self._go(1))
        self.update()

    @classmethod
    def of_lab(cls, lab, *, films=FILMS):
        """Return the panel of a lab's films; recall is taken over those with opacities, ``films`` of them at most.

        Notes
        -----
        The detector looks at each of those films, and its heads at the best anchors of each: about a tenth of a second
        a film, once.
        """
        most = max(MOST, lab.config.proposals.pre_nms_limit)

        def film_at(number):
            seen = lab.input(number)
            candidates = candidates_of(lab.look(number)[1], lab.weights, lab.config, most)
            return seen.grey, Funnel(candidates, seen.boxes - end_of_box(lab.config))

        counts = [len(record.boxes) for record in lab.records]
        names = {0: "no opacity", 1: "1 opacity"}
        titles = [f"{number}: {names.get(count, f'{count} opacities')}" for number, count in enumerate(counts)]
        ill = lab.with_boxes()[:films]
        kind = "phantoms" if lab.tier == "phantoms" else "of RSNA's films"
        return cls(film_at, titles, ill, lab.config, kind=f"{kind} with opacities")

    def _make_controls(self, settings, first):
        high = max(MOST, settings.pre_nms_limit)
        self.number = widgets.Dropdown(
            options=[(title, number) for number, title in enumerate(self.titles)], value=first, description="Film",
            style={"description_width": "40px"}, layout=widgets.Layout(width="190px"),
        )  # fmt: skip
        self.step = widgets.SelectionSlider(
            options=[(f"{number + 1} {name}", number) for number, name in enumerate(STEPS)], value=0,
            description="Step", continuous_update=True, style={"description_width": "40px"},
            layout=widgets.Layout(width="430px"),
        )  # fmt: skip
        narrow = widgets.Layout(width="70px")
        self.back = widgets.Button(description="Back", layout=narrow, tooltip="One step back")
        self.next = widgets.Button(description="Next", layout=narrow, tooltip="One step on")
        self.gone = widgets.Checkbox(
            False, description="show what this step takes away", indent=False, layout=widgets.Layout(width="260px")
        )
        self.pre_nms_limit = whole_slider("2 anchors kept", settings.pre_nms_limit, low=1, high=high)
        self.rpn_nms = slider("4 RPN NMS, IoU", settings.rpn_iou_threshold, step=0.05)
        self.max_proposals = whole_slider("5 proposals kept", min(settings.max_proposals, high), low=1, high=high)
        self.min_confidence = slider("7 confidence", settings.min_confidence)
        self.nms = slider("8 NMS, IoU", settings.iou_threshold, step=0.05)

    @property
    def settings(self):
        """Return what the sliders say."""
        return FunnelSettings(
            self.pre_nms_limit.value, self.rpn_nms.value, self.max_proposals.value, self.min_confidence.value,
            self.nms.value, self.max_detections,
        )  # fmt: skip

    def film(self, number):
        """Return a film's grey values and funnel; worked out once."""
        if number not in self._films:
            self._films[number] = self.film_at(number)
        return self._films[number]

    def refresh(self):
        """Draw anew from what the controls say."""
        number, step, settings = self.number.value, self.step.value, self.settings
        grey, funnel = self.film(number)
        self.after = funnel.after(settings)
        if self._total[0] != settings:
            self._total = settings, total_of(self.funnels, settings)
        total = self._total[1]
        if self.canvas.title != f"Film {number}":
            self.canvas.picture, self.canvas.size = picture_uri(grey), [float(side) for side in grey.shape]
            self.canvas.title = f"Film {number}"
        self.canvas.shapes = film_shapes(funnel, self.after, step, gone=self.gone.value)
        self.chart.shapes = chart_shapes(self.after, total, step)
        self.chart.title = "Boxes and recall after each step"
        self.back.disabled, self.next.disabled = step == 0, step == len(STEPS) - 1
        told = step_words(self.after, total, step, f"film {number}", self.kind)
        told = words(told + f" (They were worked out once, in {self.seconds:.1f} s.)")
        self.told.value = f'<div style="line-height:1.3">{told}</div>'

    def drawings(self):
        """Return the film and the chart."""
        return [self.canvas, self.chart]

    def _go(self, by):
        self.step.value = min(max(self.step.value + by, 0), len(STEPS) - 1)

    def _picked(self, change):
        name = change["new"].get("name", "")
        if name.startswith("step "):
            self.step.value = int(name.split()[1])


def candidates_of(trace, weights, config, most):
    """Return what the network says of a film's best anchors, without any threshold, as `Candidates`.

    Parameters
    ----------
    trace : dict
        Of `mini_rcnn.model.detect`.
    weights, config
        Of the network.
    most : int
        So many of the best anchors.
    """
    last = end_of_box(config)
    picked = top_indices(trace["objectness"], most)
    deltas = trace["rpn_deltas"][picked] * np.array(config.proposals.delta_std, np.float32)
    whole = np.array([0, 0, config.image.size, config.image.size], np.float32) - last
    moved = clip_boxes(decode_deltas(trace["anchors"][picked], deltas), whole)
    pyramid = {level: trace[level] for level in ("p2", "p3", "p4", "p5", "p6")}
    pooled = pooling_of(config, NUMPY)(pyramid, moved + last, config.heads.box_pool_size)
    _, probabilities, deltas = box_head(pooled, weights)
    likeliest = probabilities[:, 1:].argmax(axis=1) + 1
    deltas = deltas[np.arange(len(moved)), likeliest] * np.array(config.detections.delta_std, np.float32)
    window = np.asarray(trace["geometry"].window, np.float32) - last
    boxes = clip_boxes(decode_deltas(moved, deltas), window)
    class_ids = probabilities.argmax(axis=1)
    return Candidates(trace["anchors"], picked, moved, class_ids, probabilities.max(axis=1), boxes)
