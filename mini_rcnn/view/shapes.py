"""Drawings of a few shapes over a picture, as plain dicts: one form for the panels, for stills and for tests.

A shape is a dict with its ``kind``, its place ``at`` in pixels of the picture, ``(y, x)`` or ``(y1, x1, y2, x2)``, and
how it is drawn. The middle of the picture's first pixel is at (0.5, 0.5), as for boxes everywhere in this lab.
"""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from PIL import Image

# Okabe and Ito's colours, told apart with every common kind of colour blindness; a dash says the same once more.
STYLES = {
    "truth": {"stroke": "#56B4E9", "width": 2.5, "dash": ""},
    "kept": {"stroke": "#E69F00", "width": 2.5, "dash": "7 4"},
    "removed": {"stroke": "#CC79A7", "width": 1.2, "dash": "2 3"},
    "missed": {"stroke": "#D55E00", "width": 3.0, "dash": "1 4"},
    "chosen": {"stroke": "#F0E442", "width": 3.5, "dash": ""},
    "anchor": {"stroke": "#009E73", "width": 1.5, "dash": "6 2 1 2"},
    "quiet": {"stroke": "#999999", "width": 1.0, "dash": ""},
    "line": {"stroke": "#0072B2", "width": 2.5, "dash": ""},
    "other": {"stroke": "#D55E00", "width": 2.5, "dash": "6 3"},
    "axis": {"stroke": "#000000", "width": 1.0, "dash": ""},
}
TEXT = 13  # pixels of the screen: readable on a projector


def picture_uri(grey):
    """Return a grey or coloured picture (H, W) or (H, W, 3), uint8, as a ``data:`` address of a PNG."""
    packed = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey)).save(packed, format="png")
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode("ascii")


def veil_uri(mask, colour=(230, 159, 0), opacity=0.45):
    """Return a mask (H, W), bool, as a ``data:`` address of a PNG that is clear where the mask is not."""
    pixels = np.zeros(mask.shape + (4,), np.uint8)
    pixels[mask] = (*colour, int(255 * opacity))
    return picture_uri(pixels)


def box(at, style, *, label="", name="", drag=False, hint=""):
    """Return a box ``(y1, x1, y2, x2)``; one with a name can be clicked, one with ``drag`` can be moved."""
    shape = {"kind": "box", "at": numbers(at), **STYLES[style]}
    shape.update(label=str(label), name=str(name), drag=bool(drag), hint=str(hint))
    return shape


def boxes(places, style):
    """Return many boxes, an array of shape (N, 4), as one shape: hundreds are drawn as fast as one.

    >>> boxes([(0, 0, 1, 2), (0, 0, float("nan"), 1)], "kept")["at"]  # one that is nowhere is left out
    [[0.0, 0.0, 1.0, 2.0]]
    """
    places = np.asarray(places, float).reshape(-1, 4)
    return {"kind": "boxes", "at": [numbers(at) for at in places[np.isfinite(places).all(axis=1)]], **STYLES[style]}


def line(places, style, *, name="", hint=""):
    """Return a line through places ``(y, x)``, an array of shape (N, 2)."""
    return {"kind": "line", "at": [numbers(place) for place in places], **STYLES[style], "name": name, "hint": hint}


def point(at, style, *, radius=4.0, name="", hint=""):
    """Return a filled point at ``(y, x)``."""
    return {"kind": "point", "at": numbers(at), "radius": radius, **STYLES[style], "name": name, "hint": hint}


def text(at, words, *, anchor="start", size=TEXT, colour="#000000"):
    """Return words at ``(y, x)``; ``anchor`` is "start", "middle" or "end"."""
    return {"kind": "text", "at": numbers(at), "text": str(words), "anchor": anchor, "size": size, "colour": colour}


def cell(at, colour, *, opacity=0.6, name="", hint=""):
    """Return a filled rectangle ``(y1, x1, y2, x2)``."""
    return {"kind": "cell", "at": numbers(at), "colour": colour, "opacity": opacity, "name": name, "hint": hint}


def image(at, uri, *, smooth=True):
    """Return a picture laid over ``(y1, x1, y2, x2)``; ``uri`` is of `picture_uri` or `veil_uri`."""
    return {"kind": "image", "at": numbers(at), "uri": uri, "smooth": smooth}


def scrolled(html):
    """Return HTML that may be wider than its column, a table: what has no room is scrolled to, nothing is cut off."""
    return f'<div style="width:0;min-width:100%;overflow-x:auto">{html}</div>'


def numbers(at):
    """Return numbers with two digits behind the point: a hundredth of a pixel, and short to send."""
    return [round(float(value), 2) for value in at]


def svg_of(shapes, *, size, shown, picture="", title=""):
    """Return a drawing as the text of an SVG: what the panels show, without a kernel.

    Parameters
    ----------
    shapes : list of dict
    size : (height, width)
        Of the picture, its pixels: the unit of the shapes.
    shown : (height, width)
        On the screen, pixels.
    picture : str
        A ``data:`` address; "" for none.
    title : str
        Read out to those who do not see it.
    """
    unit = size[1] / shown[1]  # pixels of the picture for one of the screen
    parts = [f'<image href="{picture}" width="{size[1]}" height="{size[0]}" style="image-rendering:pixelated"/>']
    parts = parts if picture else []
    parts += [svg_shape(shape, unit) for shape in shapes]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {size[1]} {size[0]}" '
    head += f'width="{shown[1]}" height="{shown[0]}" aria-label="{escape(title, quote=True)}">'
    return head + "".join(parts) + "</svg>"


def svg_shape(shape, unit):
    """Return one shape as SVG; ``unit`` is pixels of the picture for one of the screen."""
    kind, at = shape["kind"], shape["at"]
    hint = f"<title>{escape(shape.get('hint', ''))}</title>" if shape.get("hint") else ""
    if kind == "text":
        return (
            f'<text x="{at[1]}" y="{at[0]}" font-size="{shape["size"] * unit:.2f}" text-anchor="{shape["anchor"]}" '
            f'fill="{shape["colour"]}" font-family="sans-serif">{escape(shape["text"])}</text>'
        )
    if kind in ("cell", "image"):
        y1, x1, y2, x2 = at
        place = f'x="{x1}" y="{y1}" width="{max(0, x2 - x1):.2f}" height="{max(0, y2 - y1):.2f}"'
        if kind == "image":
            smooth = "auto" if shape["smooth"] else "pixelated"
            return f'<image href="{shape["uri"]}" {place} preserveAspectRatio="none" style="image-rendering:{smooth}"/>'
        return f'<rect {place} fill="{shape["colour"]}" fill-opacity="{shape["opacity"]}">{hint}</rect>'
    pen = f'stroke="{shape["stroke"]}" stroke-width="{shape["width"] * unit:.2f}"'
    if shape["dash"]:
        pen += f' stroke-dasharray="{" ".join(f"{float(part) * unit:.2f}" for part in shape["dash"].split())}"'
    if kind == "line":
        places = " ".join(f"{x},{y}" for y, x in at)
        return f'<polyline points="{places}" fill="none" {pen}>{hint}</polyline>'
    if kind == "boxes":
        return f'<path d="{path_of(at)}" fill="none" {pen}/>'
    if kind == "point":
        round_one = f'<circle cx="{at[1]}" cy="{at[0]}" r="{shape["radius"] * unit:.2f}"'
        return f'{round_one} fill="{shape["stroke"]}">{hint}</circle>'
    y1, x1, y2, x2 = at
    rect = f'<rect x="{x1}" y="{y1}" width="{max(0, x2 - x1):.2f}" height="{max(0, y2 - y1):.2f}" fill="none" {pen}>'
    words = svg_label(shape, unit) if shape["label"] else ""
    return f"{rect}{hint}</rect>{words}"


def path_of(places):
    """Return boxes as the path of an SVG.

    >>> path_of([[1, 2, 4, 7.5]])
    'M2 1H7.5V4H2Z'
    """
    return "".join(f"M{x1} {y1}H{max(x1, x2)}V{max(y1, y2)}H{x1}Z" for y1, x1, y2, x2 in places)


def svg_label(shape, unit):
    """Return a box's label above its upper left corner, white on black so that it is read on any film."""
    y, x, size = shape["at"][0], shape["at"][1], TEXT * unit
    y = max(y, 1.3 * size)
    width = 0.62 * size * len(shape["label"]) + 0.4 * size
    return (
        f'<rect x="{x:.2f}" y="{y - 1.3 * size:.2f}" width="{width:.2f}" height="{1.3 * size:.2f}" fill="#000" '
        f'fill-opacity="0.7"/><text x="{x + 0.2 * size:.2f}" y="{y - 0.3 * size:.2f}" font-size="{size:.2f}" '
        f'fill="{shape["stroke"]}" font-family="sans-serif">{escape(shape["label"])}</text>'
    )
