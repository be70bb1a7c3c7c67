"""Crisp lines, discs and letters on the full film, for devices; each becomes a function of ``canvas.sharp``."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from .phantom_paint import extent_of
from .phantom_types import FILM, WORK

FONT = cv2.FONT_HERSHEY_SIMPLEX


def stamp(film, *, layer, corner, value, covers):
    """Lay a picture (h, w) uint8 on the film, in place: as more attenuation, or as the value itself (lead letters)."""
    part = film[corner[0] : corner[0] + layer.shape[0], corner[1] : corner[1] + layer.shape[1]]
    share = layer.astype(np.float32) / 255
    part += share * (value - part) if covers else share * np.float32(value)
    return film


class Ink:
    """An empty film to draw a device on, anti-aliased, with (y, x) in film pixels."""

    def __init__(self):
        self.layer = np.zeros((FILM, FILM), np.uint8)

    def line(self, points, *, width=3, tone=255, closed=False):
        """Draw a line through points (N, 2)."""
        fixed = (np.asarray(points, dtype=np.float64)[:, ::-1] * 16).round().astype(np.int32)
        cv2.polylines(self.layer, [fixed], closed, tone, width, cv2.LINE_AA, 4)

    def disc(self, centre, radius, *, width=-1, tone=255):
        """Draw a disc, or a ring where a width is given."""
        y, x = (int(round(16 * v)) for v in centre)
        cv2.circle(self.layer, (x, y), int(round(16 * radius)), tone, width, cv2.LINE_AA, 4)

    def area(self, points, *, tone=255):
        """Fill a polygon (N, 2)."""
        fixed = (np.asarray(points, dtype=np.float64)[:, ::-1] * 16).round().astype(np.int32)
        cv2.fillPoly(self.layer, [fixed], tone, cv2.LINE_AA, 4)

    def text(self, text, corner, *, size, width):
        """Write text whose lower left corner is (y, x); ``size`` is the height of a capital, pixels."""
        at = (int(round(corner[1])), int(round(corner[0])))
        cv2.putText(self.layer, text, at, FONT, size / 21.0, 255, width, cv2.LINE_AA)

    def turn(self, centre, degrees, *, reach=160):
        """Turn what is drawn within ``reach`` pixels of (y, x) about it."""
        y, x = (int(round(v)) for v in centre)
        y1, x1 = max(y - reach, 0), max(x - reach, 0)
        part = self.layer[y1 : y + reach, x1 : x + reach]
        matrix = cv2.getRotationMatrix2D((float(x - x1), float(y - y1)), float(degrees), 1.0)
        part[:] = cv2.warpAffine(part, matrix, part.shape[::-1], flags=cv2.INTER_LINEAR)

    def lay(self, canvas, value, *, blur=0.7, covers=False):
        """Hand what is drawn to ``canvas.sharp`` and return its box in film pixels, or None where nothing is."""
        x, y, width, height = cv2.boundingRect(self.layer)
        if not width:
            return None
        y1, x1, y2, x2 = max(y - 2, 0), max(x - 2, 0), min(y + height + 2, FILM), min(x + width + 2, FILM)
        layer = cv2.GaussianBlur(self.layer[y1:y2, x1:x2], (3, 3), blur)
        canvas.sharp.append(partial(stamp, layer=layer, corner=(y1, x1), value=round(float(value), 4), covers=covers))
        return [float(v) for v in (y1, x1, y2, x2)]

    def lay_letters(self, canvas, *, outlined):
        """Hand letters of lead, or printed ones with a black rim, to ``canvas.sharp`` and return their box."""
        sample = canvas.attenuation[::8, ::8]
        if outlined:
            rim, (x, y, width, height) = Ink(), cv2.boundingRect(self.layer)
            part = np.s_[max(y - 4, 0) : y + height + 4, max(x - 4, 0) : x + width + 4]
            rim.layer[part] = cv2.dilate(self.layer[part], cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
            rim.lay(canvas, sample.min(), covers=True)
        return self.lay(canvas, np.percentile(sample.astype(np.float64), 99.5), covers=True)


def curve(points, *, steps=12):
    """Return a smooth line (M, 2) through points (N, 2), a Catmull-Rom spline."""
    points = np.asarray(points, dtype=np.float64)
    points = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(points[:-3], points[1:-2], points[2:-1], points[3:]):
        pieces.append(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return np.concatenate([*pieces, points[-1:]])


def places(body):
    """Return film positions that devices hang on: lungs ``[y1, x1, y2, x2]``, carina (y, x), spine, top and base."""
    lungs = np.array([extent_of(body, side) for side in (0, 1)], dtype=np.float64) * (FILM / WORK)
    top, base, spine = lungs[:, 0].min(), lungs[:, 2].max(), body.spine_x * FILM / WORK
    y, x = body.landmarks.get("carina", ((0.72 * top + 0.28 * base) * WORK / FILM, body.spine_x))
    return {"lungs": lungs, "carina": np.array([y, x]) * FILM / WORK, "spine": spine, "top": top, "base": base}


def jitter(rng, *point, by=12.0):
    """Return a point (y, x) moved at random by some pixels."""
    return np.array(point, dtype=np.float64) + by * rng.standard_normal(2)
