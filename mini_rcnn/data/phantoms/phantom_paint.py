"""What disease and devices on phantoms are painted with: noise, soft borders, lines, and the unit of brightness."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .phantom_types import FILM, WORK

MILLIMETRE = WORK / 400  # work pixels; RSNA's films are some 40 cm wide


def smooth_noise(rng, shape, period):
    """Return noise of shape (h, w), float32, that varies over some ``period`` pixels; its values lie around 0 by 1."""
    grid = rng.standard_normal((int(shape[0] / period) + 2, int(shape[1] / period) + 2)).astype(np.float32)
    return cv2.resize(grid, (int(shape[1]), int(shape[0])), interpolation=cv2.INTER_CUBIC)


def tissue_levels(canvas):
    """Return the attenuation of the lungs and of the heart, medians; lower and higher by at least a twentieth."""
    attenuation, body = canvas.attenuation[::4, ::4], canvas.body
    least = max(0.05 * float(np.ptp(attenuation)), 1e-3)
    lungs = attenuation[body.lungs[:, ::4, ::4].max(axis=0) > 0.5]
    heart = attenuation[body.heart[::4, ::4] > 0.5]
    air = float(np.median(lungs.astype(np.float64))) if len(lungs) else float(attenuation.min())
    solid = float(np.median(heart.astype(np.float64))) if len(heart) else float(attenuation.max())
    return air, max(solid, air + least)


def tissue_contrast(canvas):
    """Return how much more the heart takes from the rays than the lungs do: the unit of all that is drawn here."""
    air, solid = tissue_levels(canvas)
    return solid - air


def soft_step(values):
    """Return values below 0 as 0, above 1 as 1, and between them along an S."""
    values = np.clip(values, 0, 1)
    return values * values * (3 - 2 * values)


def box_of(mask, *, scale=FILM // WORK):
    """Return the tight box ``[y1, x1, y2, x2]`` of a mask (H, W), in film pixels; None where the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return [float(v) * scale for v in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)]


def extent_of(body, side):
    """Return (y1, x1, y2, x2), work pixels, of one lung; of the lung's usual place where the body has none."""
    box = box_of(body.lungs[side] > 0.5, scale=1)
    return box if box else [0.25 * WORK, (0.15 + 0.4 * side) * WORK, 0.7 * WORK, (0.4 + 0.4 * side) * WORK]


def point_in_lung(body, side, rng, *, share=(0.0, 1.0)):
    """Return (y, x), work pixels, inside a lung, between two shares of its height from above."""
    y1, x1, y2, x2 = extent_of(body, side)
    row = int(np.clip(y1 + (share[0] + (share[1] - share[0]) * rng.random()) * (y2 - y1), 0, WORK - 1))
    columns = np.flatnonzero(body.lungs[side, row] > 0.7)
    first, last = (columns[0], columns[-1]) if len(columns) else (x1, x2)
    return float(row), float(first + (0.15 + 0.7 * rng.random()) * (last - first))


def clipped_part(y1, x1, y2, x2):
    """Return slices of the work picture around a region, cut to it and at least one pixel large."""
    y1, x1 = (int(min(max(v, 0), WORK - 1)) for v in (y1, x1))
    return np.s_[y1 : int(min(max(y2, y1 + 1), WORK)), x1 : int(min(max(x2, x1 + 1), WORK))]


def grids(part):
    """Return the rows (h, 1) and columns (1, w), float32, of a part of the work picture."""
    return np.ogrid[part][0].astype(np.float32), np.ogrid[part][1].astype(np.float32)


def wavy(start, angle, length, rng, *, bend=0.12, steps=6):
    """Return a line of ``steps`` pieces, (y, x) each, that sets out at an angle (radians, 0 to the right)."""
    y, x = start
    line = [(y, x)]
    for _ in range(steps):
        angle += bend * rng.standard_normal()
        y, x = y + math.sin(angle) * length / steps, x + math.cos(angle) * length / steps
        line.append((y, x))
    return line


def add_shadow(canvas, part, added, levels):
    """Add a shadow (h, w), 1 as dense as the heart against the lungs, in place; lung that is full is no denser."""
    air, solid = levels
    lungs = canvas.body.lungs[(slice(None), *part)].max(axis=0) + np.float32(0.02)  # the heart beside is not counted
    around = cv2.GaussianBlur(canvas.attenuation[part] * lungs, (0, 0), 5) / cv2.GaussianBlur(lungs, (0, 0), 5)
    share = np.clip(2 * lungs - 1, 0, 1)  # at a lung's very border each pixel speaks for itself
    around = share * around + (1 - share) * canvas.attenuation[part]
    room = np.maximum((solid - around) / np.float32(solid - air), np.float32(0.1))
    added = added / np.sqrt(1 + (added / room) ** 2)
    canvas.attenuation[part] += np.float32(solid - air) * added.astype(np.float32)


def strokes(lines, part, *, width, blur):
    """Return lines, each a list of (y, x) in work pixels, drawn on a part (h, w) float32; 1 where they are densest."""
    layer = np.zeros((part[0].stop - part[0].start, part[1].stop - part[1].start), np.uint8)
    for line in lines:
        points = [[16 * (x - part[1].start), 16 * (y - part[0].start)] for y, x in line]
        points = np.array(points).round().astype(np.int32)
        cv2.polylines(layer, [points], False, 255, width, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(layer.astype(np.float32), (0, 0), blur) / 255


def whole(parts):
    """Return the smallest part of the work picture that holds all parts."""
    return np.s_[
        min(p[0].start for p in parts) : max(p[0].stop for p in parts),
        min(p[1].start for p in parts) : max(p[1].stop for p in parts),
    ]
