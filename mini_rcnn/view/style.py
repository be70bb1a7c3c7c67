"""How every figure looks: colours for the colour-blind, sizes for a projector, and files that carry no metadata.

Colour never means anything alone: a line style, a hatch, a marker or a word always says the same.
"""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mini_rcnn.data.files import written_beside

# Okabe and Ito, "Color Universal Design", 2008: told apart with every common kind of colour blindness.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#999999"

# A box of the truth is solid everywhere, a predicted one dashed; both bright enough for a dark film.
TRUTH = {"edgecolor": SKY, "linestyle": "-", "linewidth": 2.0}
PREDICTION = {"edgecolor": ORANGE, "linestyle": "--", "linewidth": 2.0}

# Series by place: a colour and a hatch each.
SERIES = ((BLUE, ""), (ORANGE, "//"), (GREEN, ".."), (PURPLE, "xx"), (GREY, "\\\\"))
# Where there is no room for the whole name.
SHORT_CLASSES = {"No Lung Opacity / Not Normal": "Not Normal", "Lung Opacity": "Opacity"}

PIXELS_AN_INCH = 100
PAGE = (12.8, 7.2)  # inches: 1280 x 720 pixels, a slide
TITLE, LABEL, SMALL = 17, 14, 11.5  # points; nothing on a page is smaller than SMALL
MAPS = "cividis"  # a colour map that looks alike to everybody


def new_figure(title, *, size=PAGE):
    """Return an empty figure of a page's size, with a title at its top left."""
    figure = Figure(figsize=size, dpi=PIXELS_AN_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.02, 0.975, title, fontsize=TITLE, va="top", ha="left", weight="bold")
    return figure


def number_of(count, noun):
    """Return a count with its noun.

    >>> number_of(1, "film"), number_of(2345, "box")
    ('1 film', '2,345 boxes')
    """
    ending = "" if count == 1 else "es" if noun.endswith("x") else "s"
    return f"{count:,} {noun}{ending}"


def plain_axes(axes, *, x=None, y=None, title=None):
    """Set labels and sizes of an axes, and take the two lines away that carry no numbers."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    axes.set_xlabel(x or "", fontsize=LABEL)
    axes.set_ylabel(y or "", fontsize=LABEL)
    if title:
        axes.set_title(title, fontsize=LABEL, loc="left")


def say_empty(axes, text):
    """Write in the middle of an axes why nothing is drawn."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=LABEL)


def draw_boxes(axes, boxes, style=TRUTH, *, scale=1.0):
    """Draw boxes ``(N, 4)``, ``(y1, x1, y2, x2)`` in pixels, on an axes that shows a picture; return the patches.

    ``scale`` is drawn pixels for one pixel of the boxes. The middle of pixel i is at i on such an axes, hence the half.
    """
    patches = []
    for y1, x1, y2, x2 in boxes:
        corner = (x1 * scale - 0.5, y1 * scale - 0.5)
        patch = Rectangle(corner, (x2 - x1) * scale, (y2 - y1) * scale, fill=False, **style)
        patches.append(axes.add_patch(patch))
    return patches


def save_png(figure, path):
    """Write a figure as PNG, whole or not at all, without date, program or any other text in it."""
    with written_beside(path) as file:
        figure.savefig(file, format="png", dpi=PIXELS_AN_INCH, metadata={"Software": None}, facecolor="white")
