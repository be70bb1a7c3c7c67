"""A figure, shown in a notebook as a small picture."""

from __future__ import annotations

import io

from PIL import Image

from .style import PIXELS_AN_INCH

COLOURS = 256  # of the palette: a figure of few colours takes a third of the bytes


def png_bytes(figure):
    """Return a figure as PNG with a palette: the same figure gives the same bytes, and few of them."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=PIXELS_AN_INCH, facecolor="white", metadata={"Software": None})
    picture = Image.open(drawn).convert("RGB").quantize(COLOURS, method=Image.MAXCOVERAGE, dither=Image.NONE)
    packed = io.BytesIO()
    picture.save(packed, format="png", optimize=True)
    return packed.getvalue()


def show(figure):
    """Show a figure under the cell of a notebook; elsewhere nothing happens."""
    try:
        from IPython import display, get_ipython
    except ImportError:
        return
    if get_ipython() is not None:
        display.display(display.Image(data=png_bytes(figure), format="png"))
