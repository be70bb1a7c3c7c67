"""The drawings of a panel as one picture, for notebooks that are opened and not run.

JupyterLab shows a PNG whether it trusts a notebook or not; from HTML of a notebook that it does not trust it takes SVG
out, and a widget without its kernel is no more than "model not found".
"""

from __future__ import annotations

import base64
import importlib.util
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mini_rcnn.view.shapes import TEXT

GAP, WIDEST = 8, 1200  # pixels
ANCHORS = {"start": 0.0, "middle": 0.5, "end": 1.0}  # how much of the words lies left of their place


def letters(size):
    """Return a typeface: the one that comes with matplotlib, else Pillow's own."""
    found = importlib.util.find_spec("matplotlib")
    file = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf" if found else Path()
    return ImageFont.truetype(str(file), max(1, round(size))) if file.is_file() else ImageFont.load_default()


def decoded(uri):
    """Return the picture at a ``data:`` address."""
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))).convert("RGBA")


def rgba(colour, opacity=1.0):
    """Return a colour ``#rrggbb`` or ``#rgb`` with an opacity, as four numbers; what is neither is grey."""
    digits = colour.lstrip("#") if re.fullmatch("#([0-9a-fA-F]{3}){1,2}", colour) else "808080"
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    return (*(int(digits[place : place + 2], 16) for place in (0, 2, 4)), round(255 * opacity))


def image_of(shapes, *, size, shown, picture=""):
    """Return a drawing as a picture of ``shown`` pixels, RGB; the arguments are those of `svg_of`.

    Examples
    --------
    >>> from mini_rcnn.view.shapes import cell
    >>> np.asarray(image_of([cell((0, 0, 1, 2), "#ff0000", opacity=1)], size=(2, 2), shown=(4, 4)))[[0, 3], 0].tolist()
    [[255, 0, 0], [255, 255, 255]]
    """
    height, width = (max(1, round(side)) for side in shown)
    scale = np.array([height / max(size[0], 1e-9), width / max(size[1], 1e-9)])
    made = Image.new("RGBA", (width, height), "white")
    if picture:
        made.alpha_composite(decoded(picture).resize((width, height), Image.NEAREST))
    for shape in shapes:
        layer = Image.new("RGBA", made.size)
        draw_shape(layer, shape, np.asarray(shape["at"], float).reshape(-1, 2) * scale)
        made.alpha_composite(layer)
    return made.convert("RGB")


def draw_shape(layer, shape, at):
    """Draw one shape on a clear layer; ``at`` is its places ``(y, x)``, (N, 2), in pixels of the layer."""
    draw, kind = ImageDraw.Draw(layer), shape["kind"]
    if not len(at) or not np.isfinite(at).all():
        return
    if kind == "text":
        write(draw, at[0], shape["text"], shape["size"], rgba(shape["colour"]), ANCHORS[shape["anchor"]])
    elif kind == "line":
        broken_line(draw, at, shape)
    elif kind == "boxes":
        for y1, x1, y2, x2 in at.reshape(-1, 4):
            broken_line(draw, outline(y1, x1, y2, x2), shape)
    elif kind == "point":
        (y, x), r = at[0], shape["radius"]
        draw.ellipse([x - r, y - r, x + r, y + r], fill=rgba(shape["stroke"]))
    else:
        (y1, x1), (y2, x2) = at
        if kind == "cell" and y2 > y1 and x2 > x1:
            draw.rectangle([x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)], fill=rgba(shape["colour"], shape["opacity"]))
        elif kind == "image":
            inside = (max(1, round(x2 - x1)), max(1, round(y2 - y1)))
            how = Image.BILINEAR if shape["smooth"] else Image.NEAREST
            layer.paste(decoded(shape["uri"]).resize(inside, how), (round(x1), round(y1)))
        elif kind == "box":
            broken_line(draw, outline(y1, x1, y2, x2), shape)
            if shape["label"]:
                y = max(y1, 1.3 * TEXT)
                wide = 0.62 * TEXT * len(shape["label"]) + 0.4 * TEXT
                draw.rectangle([x1, y - 1.3 * TEXT, x1 + wide, y], fill=(0, 0, 0, 178))
                write(draw, (y - 0.3 * TEXT, x1 + 0.2 * TEXT), shape["label"], TEXT, rgba(shape["stroke"]), 0.0)


def outline(y1, x1, y2, x2):
    """Return a box's corners and the first once more, (5, 2)."""
    return np.array([[y1, x1], [y1, x2], [y2, x2], [y2, x1], [y1, x1]])


def write(draw, at, text, size, colour, left):
    """Write words on a line; ``at`` is on it, and ``left`` is the part of the words that lies left of it."""
    face = letters(size)
    draw.text((at[1] - left * draw.textlength(text, font=face), at[0] - 0.93 * size), text, font=face, fill=colour)


def broken_line(draw, at, shape):
    """Draw a line through places, with the shape's dashes."""
    dashes = [float(part) for part in shape["dash"].split()] or [np.inf]
    dashes = dashes if len(dashes) % 2 == 0 or dashes == [np.inf] else 2 * dashes
    number, left = 0, dashes[0]
    colour, width = rgba(shape["stroke"]), max(1, round(shape["width"]))
    for start, end in zip(at[:-1], at[1:]):
        length, gone = float(np.hypot(*(end - start))), 0.0
        while gone < length:
            step = min(left, length - gone)
            if number % 2 == 0:
                (y1, x1), (y2, x2) = (start + (end - start) * way / length for way in (gone, gone + step))
                draw.line([x1, y1, x2, y2], fill=colour, width=width)
            gone, left = gone + step, left - step
            if left <= 0:
                number = (number + 1) % len(dashes)
                left = dashes[number]


def beside_each_other(images):
    """Return pictures in rows, on white; a row is `WIDEST` pixels at most, or one picture."""
    rows, here = [], []
    for image in images:
        if here and sum(each.width + GAP for each in here) + image.width > WIDEST:
            rows, here = [*rows, here], []
        here = [*here, image]
    rows = [*rows, here] if here else rows
    width = max((sum(each.width for each in row) + GAP * (len(row) - 1) for row in rows), default=1)
    height = sum(max(each.height for each in row) for row in rows) + GAP * (len(rows) - 1)
    made, y = Image.new("RGB", (width, max(1, height)), "white"), 0
    for row in rows:
        x = 0
        for image in row:
            made.paste(image, (x, y))
            x += image.width + GAP
        y += max(each.height for each in row) + GAP
    return made


def png_of(image):
    """Return a picture as a PNG in base64, as notebooks keep it; few colours, for few bytes."""
    packed = io.BytesIO()
    image.quantize(128, method=Image.MEDIANCUT).save(packed, format="png", optimize=True)
    return base64.b64encode(packed.getvalue()).decode("ascii")
