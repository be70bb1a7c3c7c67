"""The panel that lays anchors out anew and shows which true boxes they reach."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np

from mini_rcnn.config import AnchorConfig
from mini_rcnn.exploring.anchor_fit import Fits, best_anchors, pyramid_levels
from mini_rcnn.stages._check import boxes_array
from mini_rcnn.view import panel_anchors
from mini_rcnn.view.panel_curves import PLOT
from mini_rcnn.view.shapes import picture_uri

from .canvas import Canvas
from .panel import Panel, beside, column, whole_slider, words

SIZES = (128, 256, 512, 1024)  # pixels a side of the network input
SLIDES = {"size": 256, "ratios": (0.5, 1, 2), "strides": (4, 8, 16, 32, 64)}
SLIDES_SCALES, MENDED_SCALES = (32, 64, 128, 256), (16, 32, 64, 128, 256)
MADE_UP = (
    ((60, 40, 160, 100), (80, 150, 190, 215)),
    ((120, 60, 150, 100),),
    ((50, 30, 210, 110), (140, 160, 200, 230)),
)
SHOWN = 400  # pixels of the screen
CLOSE = '<div style="line-height:1.4">{}</div>'  # the lines of a text
FIELD = widgets.Layout(width="315px")
NAMED = {"description_width": "145px"}


class AnchorExplorer(Panel):
    """Lay the anchors out anew: which true boxes some anchor reaches, and at what IoU.

    Parameters
    ----------
    truths : sequence of arrays of shape (M, 4), optional
        The true boxes of each film, ``(y1, x1, y2, x2)`` in pixels of a network input of ``size``; made up by default.
    pictures : callable, optional
        Gives the film of a number, (size, size) uint8.
    size : int
        Pixels a side.
    anchors : mini_rcnn.config.AnchorConfig, optional
        The network's own; Matterport's by default.
    positive_iou : float
        IoU from which the network is asked to say yes to an anchor.
    of : str
        Which films these are, in words.

    Examples
    --------
    >>> panel = AnchorExplorer()
    >>> panel.slides.click()
    >>> panel.counted.value.split('">')[-1][:58]
    '16,368 scores for 16,320 anchors: P6 is left without a sca'
    >>> panel.mended.click()
    >>> panel.counted.value.split('">')[-1][:50]
    '16,368 scores for 16,368 anchors: one for each.</d'
    """

    def __init__(self, truths=None, pictures=None, *, size=256, anchors=None, positive_iou=0.7, of=None):
        truths, of = (MADE_UP, of or "Five made-up boxes on three empty films.") if truths is None else (truths, of)
        self.truths = [boxes_array("truths", np.asarray(each, dtype=float)) for each in truths] or [np.zeros((0, 4))]
        self.all_truths = np.concatenate(self.truths)
        self.ends = np.cumsum([len(each) for each in self.truths])
        self.size, self.pictures, self.reach = size, pictures, positive_iou
        own = anchors or AnchorConfig()
        self.network = {"size": size, "scales": own.scales, "ratios": own.ratios, "strides": own.strides}
        self.busy, self.packed = False, {}  # the pictures that were sent
        self.make_controls()
        plain = {"scales": own.scales, "ratios": own.ratios, "strides": own.strides}
        self.own = best_anchors(self.all_truths, image_size=size, **plain)
        self.said, self.counted, self.table = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.canvas = Canvas(size=[float(size)] * 2, shown=[float(SHOWN)] * 2, title="A film with its best anchors")
        self.chart = Canvas(size=list(map(float, PLOT)), shown=list(map(float, PLOT)), title="Recall over IoU")
        about = f"{of or f'{len(self.truths):,} films.'} Anchors act in training: new ones need a new training. "
        about += f"An anchor with an IoU of {positive_iou:g} or more is asked to say yes; a true box that none reaches "
        about += "has its single best anchor alone."
        super().__init__("Anchors and the truth", [self.laid_out(widgets.HTML(CLOSE.format(about)))])
        self.on(*self.fields, *self.levels, self.input, self.cells, self.film)
        for button, setting in ((self.ours, self.network), (self.slides, {**SLIDES, "scales": SLIDES_SCALES})):
            button.on_click(lambda button, setting=setting: self.set(**setting))
        self.mended.on_click(lambda button: self.set(**SLIDES, scales=MENDED_SCALES))
        self.update()

    @classmethod
    def of_lab(cls, lab):
        """Return the panel on the true boxes of a lab's films, with its network's anchors."""
        numbers = lab.with_boxes()
        inputs = [lab.input(number) for number in numbers]
        kind = "phantoms" if lab.tier == "phantoms" else "of RSNA's films"
        of = f"Truth: {sum(len(each.boxes) for each in inputs)} boxes on {len(numbers)} of {len(lab)} {kind}."
        settings = {"size": lab.config.image.size, "anchors": lab.config.anchors, "of": of}
        greys = [each.grey for each in inputs]
        positive = lab.config.targets.anchor_positive_iou
        pictures = greys.__getitem__ if greys else None
        return cls([each.boxes for each in inputs], pictures, positive_iou=positive, **settings)

    def make_controls(self):
        """Make the controls, set to the network's own anchors."""
        names = {"scales": "Scales, pixels", "ratios": "Ratios, width : height", "strides": "Strides, pixels"}
        self.scales, self.ratios, self.strides = self.fields = [
            widgets.Text(
                panel_anchors.written(self.network[name]),
                description=label,
                continuous_update=False,  # half a number is another number
                style=NAMED,
                layout=FIELD,
            )
            for name, label in names.items()
        ]
        sizes = sorted({*SIZES, self.size})
        self.input = widgets.Dropdown(
            options=[(f"{side} x {side}", side) for side in sizes],
            value=self.size,
            description="Input, pixels",
            style=NAMED,
            layout=FIELD,
        )
        self.cells = whole_slider("Anchor stride, cells", 1, low=1, high=4)
        self.cells.layout.width, self.cells.style.description_width = FIELD.width, NAMED["description_width"]
        boxes = widgets.Layout(width="46px")
        self.levels = [
            widgets.Checkbox(True, description=f"P{place + 2}", indent=False, layout=boxes)
            for place in range(panel_anchors.LEVELS)
        ]
        self.film = whole_slider("Film", 1, low=1, high=len(self.truths))
        self.film.layout.width = f"{SHOWN}px"
        labels = ("This network's", "The slides' four scales", "The slides' mended")
        wide = widgets.Layout(width="190px")
        self.ours, self.slides, self.mended = [widgets.Button(description=label, layout=wide) for label in labels]

    def laid_out(self, about):
        """Return the parts in their places."""
        levels = widgets.HBox([widgets.Label("Levels:", layout=widgets.Layout(width="55px")), *self.levels])
        fields = beside(widgets.VBox(self.fields), widgets.VBox([self.input, self.cells, levels]))
        buttons = beside(self.ours, self.slides, self.mended)
        table = widgets.VBox([self.table], layout=widgets.Layout(padding="0 0 0 8px"))
        below = beside(self.chart, table)
        right = column(buttons, fields, self.said, self.counted, below, width=330, padding="0 0 0 12px")
        narrow = widgets.Layout(width=f"{SHOWN + 10}px", flex="0 0 auto")
        return beside(widgets.VBox([self.film, self.canvas, about], layout=narrow), right)

    def set(self, *, size, scales, ratios, strides):
        """Set all controls, and draw once."""
        self.busy = True
        try:
            self.input.value = size
            for field, values in zip(self.fields, (scales, ratios, strides)):
                field.value = panel_anchors.written(values)
            self.cells.value = 1
            for level in self.levels:
                level.value = True
        finally:
            self.busy = False
        self.update()

    def update(self):
        """Draw anew, unless controls are still being set."""
        if not self.busy:
            super().update()

    def refresh(self):
        """Find the best anchors again, and draw."""
        settings = {"scales": panel_anchors.read_numbers("scales", self.scales.value)}
        settings["ratios"] = panel_anchors.read_numbers("ratios", self.ratios.value)
        settings["strides"] = panel_anchors.read_numbers("strides", self.strides.value, whole=True)
        settings.update(on=[level.value for level in self.levels], anchor_stride=self.cells.value)
        side = self.input.value
        levels = pyramid_levels(side, **settings)
        grown = side / self.size  # the truth at the size of the input
        self.fits = best_anchors(self.all_truths * grown, image_size=side, **settings)
        for place, level in enumerate(self.levels):
            level.disabled = place >= len(levels)
        self.said.value = CLOSE.format(words(panel_anchors.cover_words(self.fits.iou)))
        counted = panel_anchors.count_words(levels) + panel_anchors.too_large_words(levels, side)
        self.counted.value = CLOSE.format(words(counted))
        self.table.value = panel_anchors.levels_table(levels, self.fits)
        self.chart.shapes = panel_anchors.recall_shapes(self.fits.iou, self.own.iou)
        self.draw_film(grown)

    def draw_film(self, grown):
        """Draw the film that is chosen; its picture is sent when it is another."""
        number = self.film.value - 1
        rows = slice(self.ends[number] - len(self.truths[number]), self.ends[number])
        fits = Fits(self.fits.boxes[rows] / grown, self.fits.iou[rows], self.fits.level[rows])
        if number not in self.packed:
            self.packed[number] = "" if self.pictures is None else picture_uri(self.pictures(number))
        picture = self.packed[number]
        if picture != self.canvas.picture:
            self.canvas.picture = picture
        drawn = {"ground": not picture, "reach": self.reach}
        self.canvas.shapes = panel_anchors.film_shapes(self.truths[number], fits, self.canvas.size, **drawn)

    def still(self):
        """Return what is seen, as HTML without a kernel."""
        right = f"{self.said.value}{self.counted.value}{self.chart.still()}{self.table.value}"
        right = f'<div style="max-width:750px">{right}</div>'
        return f'<div style="display:flex;gap:12px;font-family:sans-serif">{self.canvas.still()}{right}</div>'

    def drawings(self):
        """Return the canvases of the panel."""
        return [self.canvas, self.chart]
