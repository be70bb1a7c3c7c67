"""A picture with shapes over it, some of which can be dragged: what every panel draws on."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

from mini_rcnn.view.shapes import TEXT, svg_of
from mini_rcnn.view.still import image_of


class Canvas(anywidget.AnyWidget):
    """A picture, sent once, and shapes over it, sent at each move.

    Attributes
    ----------
    picture : str
        A ``data:`` address, of `mini_rcnn.view.shapes.picture_uri`; "" for none.
    shapes : list of dict
        Of `mini_rcnn.view.shapes`.
    size, shown : (height, width)
        Of the picture, the unit of the shapes, and on the screen.
    title : str
        What the picture shows, for those who do not see it.
    follows : bool
        Whether ``cursor`` follows the mouse.
    dragged : dict
        ``{"name", "at", "count"}`` of the box that was moved last.
    picked : dict
        ``{"name", "count"}`` of the shape that was clicked last.
    cursor : list
        ``(y, x)``, or empty.
    """

    _esm = (Path(__file__).parent / "canvas.js").read_text(encoding="utf-8")

    picture = traitlets.Unicode("").tag(sync=True)
    shapes = traitlets.List(traitlets.Dict()).tag(sync=True)
    size = traitlets.List(traitlets.Float(), default_value=[1.0, 1.0]).tag(sync=True)
    shown = traitlets.List(traitlets.Float(), default_value=[1.0, 1.0]).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    text = traitlets.Float(TEXT).tag(sync=True)
    follows = traitlets.Bool(False).tag(sync=True)
    dragged = traitlets.Dict().tag(sync=True)
    picked = traitlets.Dict().tag(sync=True)
    cursor = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, **values):
        values.setdefault("layout", {"flex": "0 0 auto"})  # in a narrow window others give way: its words stay readable
        super().__init__(**values)

    def still(self):
        """Return what is seen, as the text of an SVG."""
        return svg_of(self.shapes, size=self.size, shown=self.shown, picture=self.picture, title=self.title)

    def image(self):
        """Return what is seen, as a picture of Pillow's."""
        return image_of(self.shapes, size=self.size, shown=self.shown, picture=self.picture)
