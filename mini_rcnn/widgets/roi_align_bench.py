"""A bench for RoIAlign: drag a box over a feature map and see which numbers each way of pooling makes of it."""

from __future__ import annotations

from html import escape

import ipywidgets as widgets
import numpy as np

from mini_rcnn.view.panel_roi_align import (
    difference_words,
    film_shapes,
    grids_html,
    lens_shapes,
    map_shapes,
    point_words,
)
from mini_rcnn.view.panel_roi_align_numbers import (
    neighbours_of,
    pooled_ways,
    rounded_box,
    sampling_axes,
    way_name,
    window_colours,
    window_origin,
)
from mini_rcnn.view.shapes import picture_uri

from .canvas import Canvas
from .panel import LABELLED, WIDE, Panel, beside, column, slider, whole_slider, words

LEVELS = ("p2", "p3", "p4", "p5")
MAP, LENS = 380, 178  # pixels of the screen
NARROW = "350px"  # of a control


class RoiAlignBench(Panel):
    """Let the reader drag one box over a feature map and compare RoIPool, crop_and_resize and RoIAlign's ways.

    Parameters
    ----------
    features : dict of str to ndarray of shape (H, W, C), optional
        Under "p2" to "p5", or some of them; by default a drawn pattern.
    grey : ndarray of shape (side, side), uint8, optional
        The network input that they were made from.
    box : (y1, x1, y2, x2), optional
        Where to begin, pixels of the network input.
    truth : ndarray of shape (N, 4), optional
        True boxes, pixels of the network input.
    about : str
        Of which film and detector the numbers are.

    Examples
    --------
    >>> bench = RoiAlignBench()
    >>> bench.bins.value = 2
    >>> sorted(bench.grids)
    ['RoIAlign (centres, average)', 'RoIAlign (thirds, max)', 'RoIPool (rounded)', 'crop_and_resize']
    >>> bench.grids["crop_and_resize"].shape
    (2, 2)
    """

    def __init__(self, features=None, grey=None, *, box=None, truth=(), about="A drawn pattern, no film."):
        self.features = drawn_pyramid() if features is None else {k: features[k] for k in LEVELS if k in features}
        if not self.features:
            raise ValueError(f"features must hold one of {', '.join(LEVELS)}, got {sorted(features)}")
        first = next(iter(self.features.values()))
        self.side = float(4 * len(first) if grey is None else len(grey))
        self.truth, self.quiet, self.pictured, self.origin = np.asarray(truth, float).reshape(-1, 4), False, None, None
        self.make_controls(first)
        self.map = Canvas(shown=[MAP] * 2, follows=True)
        self.film = Canvas(size=[self.side] * 2, shown=[LENS] * 2, title="the film with the box", follows=True)
        self.film.picture = "" if grey is None else picture_uri(grey)
        self.lens = Canvas(size=[LENS] * 2, shown=[LENS] * 2, title="the four neighbours of the chosen point")
        self.told, self.numbers = widgets.HTML(), widgets.HTML()
        right = column(widgets.HBox([self.film, self.lens]), self.told, width=360)
        for control in self.controls():
            control.layout.width = NARROW
        left = widgets.VBox(self.controls(), layout=widgets.Layout(flex="0 0 auto"))
        top = beside(left, self.map, right, align_items="flex-start")
        self.about = widgets.HTML(f'<div style="font-size:13px;line-height:1.3">{escape(about)}</div>')
        super().__init__("RoIAlign bench: one box, read in several ways", [top, self.numbers, self.about])
        self.on(*self.controls())
        for canvas in (self.map, self.film):
            canvas.observe(self.was_dragged, "dragged")
            canvas.observe(self.was_pointed_at, "cursor")
        quarter = self.side / 4
        self.set_box((quarter, quarter, 2.6 * quarter, 2.2 * quarter) if box is None else box, centre=True)

    @classmethod
    def of_lab(cls, lab, number=None):
        """Return the panel for a film of a `mini_rcnn.classroom.Lab`, the first with boxes if no number is given."""
        ill = lab.with_boxes()
        number = number if number is not None else (ill[0] if ill else 0)
        seen, (_, trace) = lab.input(number), lab.look(number)
        boxes = np.concatenate([seen.boxes.reshape(-1, 4), np.asarray(trace["refined"].boxes, float).reshape(-1, 4)])
        kind = "a phantom" if lab.tier == "phantoms" else "of RSNA"
        about = f"Film {number} ({kind}), real features of the detector that comes along, which was trained with "
        about += f"{lab.config.heads.pooling}. Nothing is trained here: you only change how one map is read. "
        about += "Drag the box on the film to go far, on the map to go by little."
        return cls(trace, seen.grey, box=boxes[0] if len(boxes) else None, truth=seen.boxes, about=about)

    def make_controls(self, first):
        """Make the controls; their order is that on the screen."""
        wide = {"style": LABELLED, "layout": widgets.Layout(width=WIDE)}
        self.level = widgets.Dropdown(options=[(k.upper(), k) for k in self.features], description="level", **wide)
        self.channel = whole_slider("channel", int(first.std(axis=(0, 1)).argmax()), high=first.shape[2] - 1)
        zooms = [("whole input", 1), ("2 times", 2), ("4 times", 4)]
        self.zoom = widgets.Dropdown(options=zooms, value=2, description="map, enlarged", **wide)
        self.bins = whole_slider("output size, bins", 3, low=2, high=7)
        self.points = whole_slider("points a bin and axis", 2, low=1, high=3)
        self.placement = widgets.Dropdown(options=["thirds", "centres"], description="placement", **wide)
        self.pooling = widgets.Dropdown(options=["max", "average"], description="pooling", **wide)
        names = ("top, input pixels", "left, input pixels", "bottom, input pixels", "right, input pixels")
        self.sides = [slider(name, 0.0, high=self.side, step=0.5, form=".1f") for name in names]
        names = ("point y, input pixels", "point x, input pixels")
        self.place = [slider(name, 0.0, high=self.side, step=0.1, form=".1f") for name in names]

    def controls(self):
        """Return every control, from top to bottom."""
        plain = [self.level, self.channel, self.zoom, self.bins, self.points, self.placement, self.pooling]
        return plain + self.sides + self.place

    def box(self):
        """Return the box ``(y1, x1, y2, x2)``, pixels of the input; sides that crossed change their names."""
        y1, x1, y2, x2 = (each.value for each in self.sides)
        return np.array([min(y1, y2), min(x1, x2), max(y1, y2), max(x1, x2)])

    def set_box(self, box, *, centre=False):
        """Move the box, as it is, to a place inside the input; ``centre`` puts the point into its middle."""
        box = np.asarray(box, float)
        lengths = np.clip(box[2:] - box[:2], 0, self.side)
        start = np.clip(box[:2], 0, self.side - lengths)
        changes = list(zip(self.sides, [*start, *(start + lengths)]))
        self.set_values(changes + (list(zip(self.place, start + 0.45 * lengths)) if centre else []))

    def set_values(self, changes):
        """Set several controls and draw once."""
        self.quiet = True
        try:
            for control, value in changes:
                control.value = round(float(value), 2)
        finally:
            self.quiet = False
        self.update()

    def was_dragged(self, change):
        """Take a box from the mouse or the arrow keys; on the map it stays in the part that is shown."""
        at = np.asarray(change["new"].get("at", ()), float)
        if change["new"].get("name") != "box" or at.shape != (4,) or not np.isfinite(at).all():
            return
        if change["owner"] is self.map:
            origin, lengths, window = np.array(self.origin), at[2:] - at[:2], self.side / self.zoom.value
            start = origin + np.clip(at[:2], 0, np.maximum(window - lengths, 0))
            start = np.where(lengths > window, self.box()[:2], start)  # nowhere to go: it fills the part that is shown
            at = np.concatenate([start, start + lengths])
        self.set_box(at)

    def was_pointed_at(self, change):
        """Take a point from the mouse."""
        at = np.asarray(change["new"], float)
        if at.shape == (2,) and np.isfinite(at).all():
            at = at + self.origin if change["owner"] is self.map else at
            self.set_values(zip(self.place, np.clip(at, 0, self.side)))

    def update(self):
        """Draw anew, unless several controls are being set at once."""
        if not self.quiet:
            super().update()

    def refresh(self):
        """Draw anew from what the controls say."""
        feature = self.features[self.level.value][..., self.channel.value]
        limits = (float(feature.min()), float(feature.max()))
        stride = self.side / np.array(feature.shape)
        box, place = self.box(), np.array([each.value for each in self.place])
        self.show_map(feature, box)
        where = {"output_size": self.bins.value, "sampling_points": self.points.value}
        axes = sampling_axes(box, placement=self.placement.value, **where)
        near, how = neighbours_of(feature, place / stride), (self.placement.value, self.pooling.value)
        self.grids = pooled_ways(feature, box / np.tile(stride, 2), placement=how[0], pooling=how[1], **where)
        self.map.shapes = map_shapes(
            box, place, near, stride=stride, output_size=self.bins.value, axes=axes, origin=self.origin
        )
        self.film.shapes = film_shapes(box, place, self.truth)
        self.lens.shapes = lens_shapes(near, limits, LENS)
        self.told.value = self.sentences(near, place, box, stride, limits, float(feature.std()))
        self.numbers.value = grids_html(self.grids, limits, drawn=way_name(*how))

    def show_map(self, feature, box):
        """Send the picture of the map, where another part of it or another one is to be seen."""
        window = self.side / self.zoom.value
        self.origin = window_origin(box, window, self.side, self.origin)
        picture = (self.level.value, self.channel.value, self.zoom.value, self.origin)
        if self.pictured != picture:
            self.map.size = [window, window]
            self.map.picture = picture_uri(window_colours(feature, self.origin, window, self.side))
            self.map.title = f"feature map {self.level.value.upper()}, channel {self.channel.value}, with the box"
            self.pictured = picture

    def sentences(self, near, place, box, stride, limits, spread):
        """Return what is said beside the map, as HTML."""
        cells, whole = box / np.tile(stride, 2), rounded_box(box / np.tile(stride, 2))
        told = f"The box in cells: ({', '.join(f'{c:.2f}' for c in cells)}); RoIPool's: "
        told += f"({', '.join(f'{c:.0f}' for c in whole)}), dashed. One cell is {stride[0]:g} input pixels."
        colours = (
            f"Map: {limits[0]:.2f} dark to {limits[1]:.2f} bright; blue lines: bins; red-brown dots: sampling points; "
        )
        colours += "yellow: the chosen point and its four cells, the larger the more they weigh."
        parts = (point_words(near, place, place / stride), difference_words(self.grids, spread), told, colours)
        return '<div style="font-size:13px;line-height:1.3">' + "".join(map(words, parts)) + "</div>"

    def drawings(self):
        """Return the canvases of the panel."""
        return [self.map, self.film, self.lens]

    def still(self):
        """Return what is seen, as HTML without a kernel."""
        right = f'<div style="width:385px">{self.film.still()} {self.lens.still()}{self.told.value}</div>'
        top = f'<div style="display:flex;gap:8px;align-items:flex-start">{self.map.still()}{right}</div>'
        return f"<div>{top}{self.numbers.value}{self.about.value}</div>"


def drawn_pyramid():
    """Return feature maps of a drawn pattern, "p2" to "p5", of two channels: a ramp of rows, and hills."""
    y, x = np.mgrid[:32, :32] + 0.5
    hills = 2 * np.sin(y / 3.1) * np.cos(x / 4.3) + np.exp(-((y - 14) ** 2 + (x - 12) ** 2) / 18)
    p2 = np.stack([y / 4, 3 * hills], axis=-1)
    return {f"p{2 + i}": p2.reshape(32 >> i, 1 << i, 32 >> i, 1 << i, 2).mean(axis=(1, 3)) for i in range(4)}
