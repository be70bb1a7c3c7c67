"""The controls of the panel on thresholds: sliders, buttons that move all of them, lists of films and of boxes."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np

from mini_rcnn.exploring.apply import Settings, filled, settings_of
from mini_rcnn.exploring.table import SLIDES

from .panel import beside, column, slider, whole_slider, words

NARROW = {"description_width": "110px"}
OWN = "network's own"
BEST = "best on other films"
FEWEST = 20  # the slider of the maximal count reaches at least so far
OVERLAPS = (("0.40, RSNA's least", 0.4), ("0.50, VOC's", 0.5), ("0.75, strict", 0.75))
NOBODY, CLICK = -1, "click a box, or choose one here"


def presets_of(raw, best=None):
    """Return what each button moves the sliders to, by its words; none of the settings is None.

    A confidence below the floor of the raw outputs becomes the floor: nothing is known of what lies below.
    """
    own = settings_of(raw.config)
    wanted = {OWN: own, **{f"slides {number}": each for number, each in enumerate(SLIDES, 1)}}
    if best is not None:
        wanted[BEST] = best
    presets = {}
    for label, settings in wanted.items():
        least = own.min_confidence if settings.min_confidence is None else settings.min_confidence
        presets[label] = filled(raw, settings._replace(min_confidence=max(raw.floor, least)))
    return presets


class ThresholdControls:
    """The controls; their values are all of the panel's state.

    Parameters
    ----------
    raw : RawOutputs
    presets : dict of str to Settings
        Of `presets_of`.
    """

    def __init__(self, raw, presets):
        own = presets[OWN]
        least = min([0.5, raw.scores.min(initial=1.0), *(each.min_confidence for each in presets.values())])
        low = max(raw.floor, np.floor(100 * least) / 100)  # below it nothing changes
        high = max([FEWEST, *(each.max_detections for each in presets.values())])
        self.confidence = slider("min confidence", own.min_confidence, low=low, tooltip="a lower score goes")
        self.nms = slider(
            "detection NMS, IoU", own.iou_threshold, tooltip="of two that overlap by more, the worse goes"
        )
        self.rpn_nms = slider("RPN NMS, IoU", own.rpn_iou_threshold, step=0.05, tooltip="the same among proposals")
        self.mask = slider("mask threshold", own.mask_threshold, tooltip="least probability of a pixel of the veil")
        self.count = whole_slider("max boxes a film", own.max_detections, high=high)
        self.sliders = (self.confidence, self.nms, self.rpn_nms, self.mask, self.count)
        self.hit_iou = widgets.Dropdown(options=OVERLAPS, value=0.5, description="a hit overlaps by")
        for each in (*self.sliders, self.hit_iou):
            each.style, each.layout = {"description_width": "130px"}, widgets.Layout(width="318px", flex="0 0 auto")
        self.films = listing("film, worst first", "400px")
        self.asked = listing("why is it gone?", "400px")
        self.show_removed, self.show_masks = ticked("removed boxes"), ticked("mask veils")
        self.buttons = [button(label, "{:g} / {:g} / RPN {:g}".format(*each[:3])) for label, each in presets.items()]
        self.before, self.after = button("previous film"), button("next film")
        self.max_proposals = own.max_proposals

    @property
    def observed(self):
        """Return the controls after whose change all is drawn anew."""
        return (*self.sliders, self.hit_iou, self.films, self.show_removed, self.show_masks, self.asked)

    @property
    def settings(self):
        """Return where the sliders stand; the limit on proposals is the network's own."""
        return Settings(
            min_confidence=self.confidence.value,
            iou_threshold=self.nms.value,
            rpn_iou_threshold=self.rpn_nms.value,
            max_detections=self.count.value,
            max_proposals=self.max_proposals,
            mask_threshold=self.mask.value,
        )

    def move(self, settings):
        """Move the sliders to settings, none of them None."""
        self.confidence.value, self.nms.value = settings.min_confidence, settings.iou_threshold
        self.rpn_nms.value, self.count.value = settings.rpn_iou_threshold, settings.max_detections
        self.mask.value = settings.mask_threshold

    def laid_out(self, film, numbers, curves):
        """Return the controls laid out around the film, the table and the curves."""
        top = beside(*self.buttons, self.before, self.after, self.films)
        ticks = widgets.HBox([self.show_removed, self.show_masks])
        left = widgets.VBox([film, ticks, self.asked], layout=widgets.Layout(width="408px", flex="0 0 auto"))
        sliders, numbers.layout = (
            widgets.VBox([*self.sliders, self.hit_iou]),
            widgets.Layout(flex="1 1 340px", min_width="0"),
        )
        right = column(beside(sliders, numbers), beside(*curves), width=330)
        return [top, beside(left, right)]


def listing(description, width):
    """Return an empty list with a label."""
    return widgets.Dropdown(description=description, style=NARROW, layout=widgets.Layout(width=width))


def ticked(description):
    """Return a box with a tick in it."""
    return widgets.Checkbox(True, description=description, indent=False, layout=widgets.Layout(width="150px"))


def button(description, tooltip=""):
    """Return a button that is as wide as its words."""
    width = f"{30 + 7.8 * len(description):.0f}px"
    return widgets.Button(description=description, tooltip=tooltip, layout=widgets.Layout(width=width))


def close_lines(html, more=""):
    """Return HTML with lines as close as in a book: JupyterLab sets them as far apart as its controls."""
    return f'<div style="line-height:1.35{more}">{html}</div>'


def said(text):
    """Return a text for the panel that is read out when it changes."""
    return close_lines(words(text))


def offer(dropdown, options, value):
    """Put options into a list with one of them chosen, in one message, and in none where they are there already."""
    with dropdown.hold_sync():
        if tuple(options) != tuple(dropdown.options):
            dropdown.options = options
        dropdown.value = value
