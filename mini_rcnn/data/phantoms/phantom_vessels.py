"""The vessels of a phantom's lungs: trees that leave the hila, branch, thin out and end before the lung's border."""

from __future__ import annotations

import numpy as np

from .phantom_anatomy import COLUMNS, ROWS, SIDES
from .phantom_tissue import CENTIMETRE
from .phantom_tubes import blurred, gather, noise, tube
from .phantom_types import WORK

LARGEST = 200  # branches of a generation, so that a film takes bounded time
THINNEST = 0.33  # work pixels, radius of the last vessels drawn
CONTRAST = 4.9  # how much of a vessel is seen: blood in air, and its fellows behind and before it


def grow(starts, angles, radii, inside, rng):
    """Return the tubes of trees, one generation of branches after the other.

    Parameters
    ----------
    starts : ndarray of shape (N, 2)
        Rows and columns of the stems' roots.
    angles : ndarray of shape (N,)
        Where they set out to: radians, 0 to the right, growing downwards.
    radii : ndarray of shape (N,)
        Work pixels.
    inside : ndarray of shape (WORK, WORK)
        Soft mask of the lung; a branch that would leave it ends.
    rng : np.random.Generator
    """
    tubes = []
    for _ in range(13):
        n_branches = len(angles)
        if not n_branches:
            break
        length = (8 + 6.0 * radii) * (0.6 + 0.8 * rng.random(n_branches))
        count = int(length.max() * 1.05) + 3
        place = np.linspace(0, 1, count)
        bend, wave = 0.38 * rng.standard_normal(n_branches), 6 * rng.random(n_branches)
        swing = np.sin(wave)[:, None] * np.cos(7 * place) + np.cos(wave)[:, None] * np.sin(7 * place)
        course = angles[:, None] + bend[:, None] * place + 0.20 * swing  # that is sin(7 place + wave), in less time
        step = (length / (count - 1))[:, None]
        line = starts[:, None] + np.stack(
            [np.cumsum(np.sin(course) * step, axis=1), np.cumsum(np.cos(course) * step, axis=1)], axis=2
        )
        ends = np.clip(line[:, -1], 1, WORK - 2)
        stays = inside[ends[:, 0].astype(int), ends[:, 1].astype(int)] > 0.5
        line, course, ends, radii = line[stays], course[stays], ends[stays], radii[stays]
        if len(radii):
            tubes += branch_tubes(line, radii)
        share = 0.55 + 0.33 * rng.random(len(radii))
        fork = (0.45 + 0.35 * rng.random(len(radii))) * np.where(rng.random(len(radii)) < 0.5, -1, 1)
        starts = np.concatenate([ends, ends])
        angles = np.concatenate([course[:, -1] - fork * (1 - share), course[:, -1] + fork * (share + 0.25)])
        radii = np.concatenate([radii * share ** (1 / 2.7), radii * (1 - share) ** (1 / 2.7)])
        thick = np.flatnonzero(radii > THINNEST)[:LARGEST]
        starts, angles, radii = starts[thick], angles[thick], radii[thick]
    return tubes


def branch_tubes(line, radii):
    """Return a list of tubes of branches, (N, S, 2) and (N,): blood as deep as it is wide.

    Thick and thin ones apart: a thin one needs fewer points.
    """
    tubes, place = [], np.linspace(1, 0.92, line.shape[1])
    steps = np.hypot(*(line[:, 1] - line[:, 0]).T)
    for thinnest, thickest in ((0, 0.8), (0.8, 1.8), (1.8, np.inf)):
        chosen = np.flatnonzero((radii >= thinnest) & (radii < thickest))
        if not len(chosen):
            continue
        every = max(int(1.15 / max(steps[chosen].max(), 0.05)), 1)
        shape = place[None, ::every]
        shown = np.maximum(radii[chosen], 0.55)[:, None] * shape
        depth = np.minimum(radii[chosen] ** 1.25, 0.8 + 0.6 * radii[chosen])[:, None] * shape
        n_across = 2 if thickest < 1 else int(2.1 * shown.max()) + 2
        tubes.append(tube(line[chosen, ::every], shown, CONTRAST * depth / CENTIMETRE, n_across=n_across))
    return tubes


# where a stem sets out (shares of half the width: down, outwards), which way (degrees below outwards), how thick
STEMS = np.array([
    (-0.06, 0.02, -68, 0.018), (-0.05, 0.03, -45, 0.018), (0.00, 0.05, -14, 0.015), (0.05, 0.05, 16, 0.019),
    (0.14, 0.03, 40, 0.023), (0.18, 0.01, 58, 0.025), (0.22, 0.00, 74, 0.023), (0.10, 0.03, 28, 0.018),
    (-0.02, 0.03, -30, 0.014), (0.08, 0.06, 4, 0.014), (0.16, 0.04, 48, 0.016), (-0.04, 0.0, -82, 0.013),
    (0.20, 0.02, 66, 0.016),
    (0.22, 0.01, 84, 0.014), (-0.08, 0.02, -56, 0.014),
])  # fmt: skip


def tree_of_side(body, side, sign, rng):
    """Return tubes of one lung's vessels."""
    y, x = body.landmarks[("hilum_left", "hilum_right")[side]]
    half = body.cage.half
    tilt = np.radians(STEMS[:, 2] + 9 * rng.standard_normal(len(STEMS)))
    angles = tilt if sign > 0 else np.pi - tilt
    starts = np.stack(
        [
            y + (STEMS[:, 0] + 0.02 * rng.standard_normal(len(STEMS))) * half,
            x + sign * (STEMS[:, 1] + 0.02 * rng.random(len(STEMS))) * half,
        ],
        axis=1,
    )
    tubes = grow(starts, angles, half * STEMS[:, 3] * (0.8 + 0.45 * rng.random(len(STEMS))), body.lungs[side], rng)
    # the artery that runs down beside the heart, and the hilum's knot
    place = np.linspace(0, 1, 130)[:, None]
    begin = np.array([y - 0.06 * half, x - sign * 0.02 * half])
    finish = np.array([y + 0.34 * half, x + sign * 0.10 * half])
    line = begin + (finish - begin) * place + np.array([0, sign * 0.035 * half]) * np.sin(np.pi * place)
    tubes.append(tube(line, np.linspace(0.055, 0.022, 130) * half, np.linspace(1.7, 0.7, 130)))
    centres = np.stack(
        [y + rng.normal(0.02, 0.10, 4) * half, x + sign * np.abs(rng.normal(0.05, 0.07, 4)) * half], axis=1
    )
    turn, size = np.linspace(0, 2 * np.pi, 24), rng.uniform(0.006, 0.014, (4, 1)) * half
    rings = np.stack([centres[:, :1] + size * np.sin(turn), centres[:, 1:] + size * np.cos(turn)], axis=2)
    tubes.append(tube(rings, 0.55 * size, 0.7))  # vessels and airways that come straight at the film
    return tubes


def thinning(body):
    """Return the share of the vessels' blood that is left towards the chest wall, (WORK, WORK)."""
    cage = body.cage
    out = np.abs(COLUMNS[None] - cage.middle[:, None]) / np.maximum(cage.width_at(ROWS, 0), 1)[:, None]
    return (1 - 0.62 * np.clip((out - 0.35) / 0.65, 0, 1)).astype(np.float32)


def haze(body, rng):
    """Return soft lumps (WORK, WORK) where nodes, walls and small vessels crowd at the hila, some 0 to 1."""
    lumps = np.zeros((WORK, WORK), np.float32)
    for name, sign in (("hilum_left", -1), ("hilum_right", 1)):
        y, x = body.landmarks[name]
        for _ in range(4):
            row = y + rng.normal(0.03, 0.09) * body.cage.half
            column = x + sign * rng.normal(0.0, 0.035) * body.cage.half
            lumps[int(np.clip(row, 0, WORK - 1)), int(np.clip(column, 0, WORK - 1))] += rng.uniform(0.4, 1.0)
    return blurred(lumps, 8.0) * np.float32(2 * np.pi * 64)


def vessels(body, plan, rng):
    """Return the attenuation (WORK, WORK), cm of blood, of the lungs' vessels and of what is too fine to follow."""
    tubes = [t for side, sign, _ in SIDES for t in tree_of_side(body, side, sign, rng)]
    picture = blurred(gather(tubes), 0.5 if plan.view == "PA" else 0.8)
    fine = 0.8 * np.abs(noise(rng, 2.5)) + 0.8 * np.abs(noise(rng, 5.0)) - 1.3
    cloudy = noise(rng, 24) + 8.0 * haze(body, rng)
    lungs = body.lungs.max(axis=0)
    return picture * (0.25 + 0.75 * blurred(lungs, 3.0)) * thinning(body) + lungs * (0.17 * fine + 0.06 * cloudy)
