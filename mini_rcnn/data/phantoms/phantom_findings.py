"""What is bright on a film and is not pneumonia: nodules, effusions, scars. None of it has a mask or counts as truth.

A function of `FINDINGS` changes ``canvas.attenuation`` in place and returns where it drew and what: the box is
``[y1, x1, y2, x2]`` in film pixels and no detector is to find it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from .phantom_paint import (
    MILLIMETRE,
    add_shadow,
    clipped_part,
    extent_of,
    grids,
    point_in_lung,
    smooth_noise,
    soft_step,
    strokes,
    tissue_levels,
    wavy,
    whole,
)
from .phantom_types import FILM, WORK


def reported(kind, part, strength, **more):
    """Return the record of a finding: its box in film pixels and numbers fit for JSON."""
    rows, columns = part
    box = [float(v) * (FILM // WORK) for v in (rows.start, columns.start, rows.stop, columns.stop)]
    return {"kind": kind, "box": box, "strength": round(float(strength), 3), **more}


def add_ball(canvas, centre, radius, strength, levels, rng, *, lumpy, blur=1.0):
    """Add a round shadow, work pixels, in place, and return the part it lies in."""
    y, x = centre
    part = clipped_part(y - 1.4 * radius, x - 1.4 * radius, y + 1.4 * radius, x + 1.4 * radius)
    rows, columns = grids(part)
    ragged = smooth_noise(rng, (rows.size, columns.size), max(2.0, radius * 0.9))
    distance = np.sqrt((rows - y) ** 2 + (columns - x) ** 2) / radius + lumpy * ragged
    chord = np.sqrt(np.clip(1 - distance * distance, 0, 1))  # the longer the way through the ball, the brighter
    add_shadow(canvas, part, strength * cv2.GaussianBlur(chord.astype(np.float32), (0, 0), blur), levels)
    return part


def add_nodule(canvas, plan, rng, levels):
    """Add one to three well-defined nodules, 10 to 30 mm across."""
    parts, strength = [], 0.35 + 0.4 * rng.random()
    for _ in range(int(rng.integers(1, 4))):
        radius = (5 + 10 * rng.random()) * MILLIMETRE
        centre = point_in_lung(canvas.body, int(rng.integers(2)), rng, share=(0.1, 0.9))
        parts.append(add_ball(canvas, centre, radius, strength, levels, rng, lumpy=0.06))
    return reported("nodule", whole(parts), strength, number=len(parts))


def add_mass(canvas, plan, rng, levels):
    """Add one lobulated mass, 35 to 65 mm across."""
    radius, strength = (17 + 15 * rng.random()) * MILLIMETRE, 0.6 + 0.3 * rng.random()
    centre = point_in_lung(canvas.body, int(rng.integers(2)), rng, share=(0.15, 0.7))
    return reported("mass", add_ball(canvas, centre, radius, strength, levels, rng, lumpy=0.1, blur=2.2), strength)


def add_effusion(canvas, plan, rng, levels):
    """Fill one or both bases with fluid that climbs along the chest wall: its upper border is concave."""
    parts, strength = [], 0.7 + 0.3 * rng.random()
    height = 0.10 + 0.28 * rng.random() ** 2
    for side in ((0, 1), (0,), (1,), (0,), (1,))[int(rng.integers(5))]:
        y1, x1, y2, x2 = extent_of(canvas.body, side)
        part = clipped_part(y2 - 2.2 * height * (y2 - y1), x1, y2 + 6, x2)
        rows, columns = grids(part)
        outward = np.clip((x2 - columns if side == 0 else columns - x1) / (x2 - x1), 0, 1)  # 1 at the chest wall
        level = y2 - height * (y2 - y1) * (0.6 + 1.1 * outward**6) + 2 * smooth_noise(rng, (1, columns.size), 30)
        fluid = soft_step((rows - level) / (16 + 60 * height) + 0.5)
        add_shadow(canvas, part, 2.2 * strength * fluid * canvas.body.lungs[side][part], levels)
        parts.append(part)
        height *= 0.5 + 0.6 * rng.random()
    return reported("effusion", whole(parts), strength, sides=len(parts))


def add_cardiomegaly(canvas, plan, rng, levels):
    """Report the heart that the anatomy drew large; nothing is added here."""
    rows, columns = (
        np.flatnonzero((canvas.body.heart > 0.5).any(axis=1)),
        np.flatnonzero((canvas.body.heart > 0.5).any(axis=0)),
    )
    if not len(rows):
        return reported("cardiomegaly", clipped_part(0, 0, WORK, WORK), 0.0)
    return reported("cardiomegaly", clipped_part(rows[0], columns[0], rows[-1] + 1, columns[-1] + 1), 1.0)


def add_scar(canvas, plan, rng, levels):
    """Add streaks that run from an apex towards the hilum, and a thickened pleural cap above them."""
    side, strength = int(rng.integers(2)), 0.22 + 0.25 * rng.random()
    y1, x1, y2, x2 = extent_of(canvas.body, side)
    part = clipped_part(y1 - 4, x1, y1 + 0.42 * (y2 - y1), x2)
    lines = []
    for _ in range(int(rng.integers(5, 12))):
        start = point_in_lung(canvas.body, side, rng, share=(0.04, 0.22))
        angle = math.pi / 2 + (0.35 if side == 1 else -0.35) + 0.3 * rng.standard_normal()
        lines.append(wavy(start, angle, (0.08 + 0.15 * rng.random()) * (y2 - y1), rng, bend=0.22))
    streaks = strokes(lines, part, width=2, blur=1.7)
    rows, columns = grids(part)
    cap = soft_step((y1 + (0.05 + 0.05 * rng.random()) * (y2 - y1) - rows) / 10 + 0.5)
    cap = cap + 0.5 * np.clip(smooth_noise(rng, (rows.size, columns.size), 14), 0, 1) * soft_step(
        (part[0].stop - rows) / 80
    )
    add_shadow(canvas, part, strength * (streaks + 0.5 * cap * canvas.body.lungs[side][part]), levels)
    return reported("scar", part, strength, lung=side)


def add_atelectasis(canvas, plan, rng, levels):
    """Add one to four thin bands, level or nearly so, above a dome of the diaphragm."""
    side, strength = int(rng.integers(2)), 0.3 + 0.35 * rng.random()
    y1, x1, y2, x2 = extent_of(canvas.body, side)
    part, lines, tilt = clipped_part(y1 + 0.6 * (y2 - y1), x1, y2, x2), [], 0.2 * rng.standard_normal()
    for _ in range(int(rng.integers(1, 5))):
        y, x = point_in_lung(canvas.body, side, rng, share=(0.72, 0.95))
        length = (0.3 + 0.4 * rng.random()) * (x2 - x1)
        lines.append(wavy((y, x - length / 2), tilt + 0.06 * rng.standard_normal(), length, rng, bend=0.10))
    bands = strokes(lines, part, width=int(rng.integers(3, 8)), blur=2.6)
    bands *= 0.2 + 0.8 * canvas.body.lungs[side][part]
    add_shadow(canvas, part, strength * bands * np.clip(1 + 0.4 * smooth_noise(rng, bands.shape, 18), 0, 2), levels)
    return reported("atelectasis", part, strength, lung=side, number=len(lines))


def add_hilar(canvas, plan, rng, levels):
    """Enlarge both hila: a handful of round nodes beside the mediastinum."""
    parts, strength = [], 0.22 + 0.2 * rng.random()
    for side, name in enumerate(("hilum_left", "hilum_right")):
        y1, x1, y2, x2 = extent_of(canvas.body, side)
        fallback = (0.6 * y1 + 0.4 * y2, x2 - 0.15 * (x2 - x1) if side == 0 else x1 + 0.15 * (x2 - x1))
        y, x = canvas.body.landmarks.get(name, fallback)
        for _ in range(int(rng.integers(3, 6))):
            centre = (y + 14 * rng.standard_normal(), x + 8 * rng.standard_normal())
            radius = (7 + 8 * rng.random()) * MILLIMETRE
            parts.append(add_ball(canvas, centre, radius, strength, levels, rng, lumpy=0.2, blur=2.5))
    return reported("hilar", whole(parts), strength)


def add_emphysema(canvas, plan, rng, levels):
    """Darken both lungs, most of all above, and thin them out in round patches."""
    strength = 0.08 + 0.10 * rng.random()
    for side in (0, 1):
        y1, x1, y2, x2 = extent_of(canvas.body, side)
        part = clipped_part(y1, x1, y2, x2)
        rows, columns = grids(part)
        patches = np.clip(0.8 + 0.25 * smooth_noise(rng, (rows.size, columns.size), 36), 0, 1.3)
        fall = 1 - 0.5 * (rows - y1) / (y2 - y1)
        lung = canvas.body.lungs[side][part]
        canvas.attenuation[part] -= np.float32(strength * (levels[1] - levels[0])) * (patches * fall * lung).astype(
            np.float32
        )
    parts = [clipped_part(*extent_of(canvas.body, side)) for side in (0, 1)]
    return reported("emphysema", whole(parts), strength)


def add_interstitial(canvas, plan, rng, levels):
    """Lay a fine net of lines over both lungs, densest at the bases and the chest wall."""
    strength = 0.06 + 0.12 * rng.random()
    for side in (0, 1):
        y1, x1, y2, x2 = extent_of(canvas.body, side)
        part = clipped_part(y1, x1, y2, x2)
        rows, columns = grids(part)
        shape = (rows.size, columns.size)
        net = sum(np.clip(1 - 2.0 * abs(smooth_noise(rng, shape, period)), 0, 1) for period in (16, 11, 7))
        outward = (x2 - columns if side == 0 else columns - x1) / (x2 - x1)
        weight = 0.25 + 0.5 * (rows - y1) / (y2 - y1) + 0.35 * outward
        weight = weight * np.clip(0.7 + 0.5 * smooth_noise(rng, shape, 50), 0, 1.4) * canvas.body.lungs[side][part]
        net = cv2.GaussianBlur((net * weight).astype(np.float32), (0, 0), 0.9)
        add_shadow(canvas, part, strength * net, levels)
    parts = [clipped_part(*extent_of(canvas.body, side)) for side in (0, 1)]
    return reported("interstitial", whole(parts), strength)


def add_calcified_granuloma(canvas, plan, rng, levels):
    """Add one to four tiny dense dots."""
    parts, strength = [], 1.2 + 0.8 * rng.random()
    for _ in range(int(rng.integers(1, 5))):
        centre = point_in_lung(canvas.body, int(rng.integers(2)), rng, share=(0.1, 0.9))
        parts.append(
            add_ball(canvas, centre, (1.8 + 2.2 * rng.random()) * MILLIMETRE, strength, levels, rng, lumpy=0.08)
        )
    return reported("calcified_granuloma", whole(parts), strength, number=len(parts))


def add_pneumothorax(canvas, plan, rng, levels):
    """Free an apex of lung: darker above a thin pleural line."""
    side, strength = int(rng.integers(2)), 0.1 + 0.12 * rng.random()
    y1, x1, y2, x2 = extent_of(canvas.body, side)
    part = clipped_part(y1, x1, y1 + 0.5 * (y2 - y1), x2)
    lung = canvas.body.lungs[side]
    depth, inward = (0.06 + 0.1 * rng.random()) * (y2 - y1), (0.05 + 0.08 * rng.random()) * (x2 - x1)
    shift = np.array([[1, 0, inward if side == 0 else -inward], [0, 1, depth]], np.float32)
    collapsed = cv2.warpAffine(lung, shift, (WORK, WORK), flags=cv2.INTER_LINEAR)[part]
    air = np.clip(lung[part] - collapsed, 0, 1) * soft_step((part[0].stop - grids(part)[0]) / 40)
    line = np.clip(1 - abs(collapsed - 0.5) * 2.2, 0, 1) * lung[part] * (air > 0.02)
    canvas.attenuation[part] += np.float32(levels[1] - levels[0]) * (0.25 * line - strength * air).astype(np.float32)
    return reported("pneumothorax", part, strength, lung=side)


FINDINGS = {
    "nodule": add_nodule,
    "mass": add_mass,
    "effusion": add_effusion,
    "cardiomegaly": add_cardiomegaly,
    "scar": add_scar,
    "atelectasis": add_atelectasis,
    "hilar": add_hilar,
    "emphysema": add_emphysema,
    "interstitial": add_interstitial,
    "calcified_granuloma": add_calcified_granuloma,
    "pneumothorax": add_pneumothorax,
}


def add_findings(canvas, plan, rng):
    """Draw the plan's findings and return a record of each.

    Parameters
    ----------
    canvas : Canvas
        Its ``attenuation`` is changed in place.
    plan : PhantomPlan
        ``findings`` are keys of `FINDINGS`; none changes nothing.
    rng : numpy.random.Generator

    Returns
    -------
    drawn : list of dicts
        ``kind``, ``box`` (``[y1, x1, y2, x2]``, film pixels), ``strength`` (1 is as dense as the heart) and more,
        fit for JSON, in the plan's order.

    Raises
    ------
    ValueError
        If a finding is not known.
    """
    unknown = [name for name in plan.findings if name not in FINDINGS]
    if unknown:
        raise ValueError(f"plan.findings must be among {', '.join(FINDINGS)}, got {', '.join(map(repr, unknown))}")
    levels = tissue_levels(canvas) if plan.findings else None
    return [FINDINGS[name](canvas, plan, rng, levels) for name in plan.findings]
