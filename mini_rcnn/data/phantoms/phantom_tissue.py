"""Soft parts of a phantom: how many centimetres of flesh, blood and air the rays run through at each pixel."""

from __future__ import annotations

import cv2
import numpy as np

from .phantom_anatomy import COLUMNS, ROWS, SIDES
from .phantom_tubes import blurred, curve, filled, gather, noise, tube
from .phantom_types import WORK

CENTIMETRE = 12.8  # work pixels
BAND = 64  # rows worked on at a time


def rounded(mask, radius, *, fine=1):
    """Return how thick a body with this outline is, 0 to 1: it rounds off over ``radius`` pixels from its border.

    ``fine`` 2 measures at twice the size, where long straight borders would show steps.
    """
    side = WORK // 2 * fine
    small = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
    padded = cv2.copyMakeBorder((small > 0.5).astype(np.uint8), 0, 1, 1, 1, cv2.BORDER_REPLICATE)
    inwards = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[:-1, 1:-1] * (2 / fine / radius)
    inwards = np.minimum(cv2.GaussianBlur(inwards.astype(np.float32), (0, 0), 1.6 * fine), 1)
    if side != WORK:
        inwards = cv2.resize(inwards, (WORK, WORK), interpolation=cv2.INTER_LINEAR)
    return np.sqrt(inwards * (2 - inwards))


def outline_of_trunk(cage, fat, portable, rng):
    """Return the polygons of the trunk with its shoulders, and of the neck."""
    half, apex, height = cage.half, cage.apex, cage.height
    wall = half * (0.10 + 0.22 * fat)
    neck = half * (0.36 + 0.10 * fat)
    rise = half * (0.18 + 0.05 * rng.standard_normal()) + 8 * portable
    sides = []
    for side, sign, _ in SIDES:
        lift = 6 * rng.standard_normal()
        knots = [
            (apex - rise - 80, neck), (apex - rise - 20, neck * 1.06), (apex - 0.14 * half + lift, half * 0.72),
            (apex + 0.02 * half + lift, half * 1.18), (apex + 0.26 * half + lift, half * 1.55),
            (apex + 0.66 * half, half * (1.46 + 0.1 * fat)), (apex + 1.02 * half, half * (1.28 + 0.1 * fat)),
            (apex + 1.36 * half, half + wall * 1.25),
            (apex + 0.65 * height, half + wall), (apex + height, half * 0.97 + wall),
            (apex + 1.3 * height, half * 0.94 + wall * 1.2), (700, half * 0.97 + wall * 1.3),
        ]  # fmt: skip
        line = curve(knots, 80)
        line[:, 1] = cage.middle_at(line[:, 0]) + sign * line[:, 1] * cage.fullness[side]
        sides.append(line)
    throat = np.array([(-60, -neck), (-60, neck), (apex + 60, neck), (apex + 60, -neck)])
    throat[:, 1] += cage.middle_at(apex)
    return np.concatenate([sides[0], sides[1][::-1]]), throat


def arms_of(cage, fat, portable, rng):
    """Return polygons of the upper arms and the lines (S, 2) of their bones."""
    polygons, bones = [], []
    for _, sign, _ in SIDES:
        shoulder = np.array([cage.apex + 0.16 * cage.half + 5 * rng.standard_normal(), 1.27 * cage.half])
        spread = np.radians((8 + 10 * rng.random()) if portable else (12 + 24 * rng.random()))
        ahead = np.array([np.cos(spread), np.sin(spread)])
        aside = np.array([-ahead[1], ahead[0]]) * cage.half * (0.29 + 0.06 * rng.random() + 0.06 * fat)
        line = shoulder + np.arange(0, 560.0)[:, None] * ahead
        polygon = np.concatenate([[shoulder - 0.2 * aside], line[30::25] + 1.0 * aside, line[::-25] - 1.15 * aside])
        for points in (line, polygon):
            points[:, 1] = cage.middle_at(shoulder[0]) + sign * points[:, 1]
        polygons.append(polygon)
        bones.append(line)
    return polygons, bones


def breasts(cage, plan, fat, rng):
    """Return the thickness (WORK, WORK), cm, of breasts, or of a man's chest muscles."""
    total = np.zeros((WORK, WORK), np.float32)
    female = plan.sex == "F" and plan.age > 12
    size = (0.27 + 0.13 * rng.random() + 0.10 * fat) if female else 0.28 + 0.05 * rng.random()
    thick = (2.2 + 3.0 * rng.random() + 1.5 * fat) if female else 0.5 + 0.5 * rng.random() + 0.5 * fat
    low = 0.50 + 0.10 * rng.random() + 0.0020 * max(plan.age - 30, 0) if female else 0.40 + 0.04 * rng.random()
    y, x = ROWS[:, None].astype(np.float32), COLUMNS[None].astype(np.float32)
    for _, sign, _ in SIDES:
        centre = (cage.apex + (low + 0.02 * rng.standard_normal()) * cage.height, 0.60 + 0.04 * rng.standard_normal())
        column = float(cage.middle_at(centre[0]) + sign * centre[1] * cage.half)
        wide, tall = float(size * cage.half * 1.25), float(size * cage.half * (1.0 + 0.15 * rng.random()))
        down = y - float(centre[0])  # plain numbers: NumPy 2 would count in float64 with its own
        q = ((x - column) / wide) ** 2 + (down / np.where(down > 0, np.float32(tall), np.float32(tall * 2.2))) ** 2
        fall = np.clip((down / tall + 2.0) / 2.6, 0, 1)
        total += float(thick) * np.sqrt(np.maximum(1 - q, 0)) * (fall * np.sqrt(fall))
    return cv2.GaussianBlur(total, (0, 0), 1.4 if female else 5.0)


def flesh(body, plan, rng):
    """Return the thickness (WORK, WORK) of the body in cm, lungs counted as full, and the arm bones' lines."""
    cage, portable = body.cage, plan.view == "AP"
    fat = float(np.clip(rng.gamma(2.0, 0.22) + 0.15 * (plan.age > 40), 0, 1.3))
    trunk, throat = outline_of_trunk(cage, fat, portable, rng)
    trunk_mask, arms_and_bones = filled(trunk), arms_of(cage, fat, portable, rng)
    deep = cage.depth * cage.half * 2 / CENTIMETRE + 2.0 + 4 * fat
    profile = np.interp(
        (ROWS - cage.apex) / cage.height, [-0.4, -0.1, 0.15, 0.5, 1.0, 1.3], [0.55, 0.68, 0.88, 1, 1.05, 1.1]
    )
    thick = rounded(trunk_mask, cage.half * (0.66 + 0.1 * fat), fine=2) * (deep * profile[:, None]).astype(np.float32)
    upper = np.interp((ROWS - cage.apex) / cage.height, [-0.3, 0.0, 0.5, 0.7], [0.60, 0.60, 0.5, 0.3])
    lateral = np.abs(COLUMNS[None] - cage.middle[:, None]) / cage.half
    high = np.clip((cage.apex + 0.62 * cage.height - ROWS) / (0.2 * cage.height), 0, 1)[:, None]
    thick *= (1 - 0.42 * high * np.clip((lateral - 0.85) / 0.5, 0, 1)).astype(np.float32)
    throat_mask = filled(throat)
    thick = np.maximum(
        thick, rounded(np.maximum(trunk_mask, throat_mask), 46) * (deep * upper[:, None]).astype(np.float32)
    )
    arm_mask = filled([p for p in arms_and_bones[0]])
    thick = np.maximum(thick, np.float32(10.0 + 3 * fat) * rounded(arm_mask, cage.half * 0.26))
    if portable or rng.random() < 0.15:  # the chin
        lower = cage.apex - cage.half * (0.42 + 0.25 * rng.random())
        y, x = ROWS[:, None], COLUMNS[None] - cage.middle_at(0.0) - 6 * rng.standard_normal()
        q = ((y - lower + 60) / 62) ** 2 + (x / (0.42 * cage.half)) ** 2
        thick += (7.0 * np.maximum(1 - q, 0) ** 0.35).astype(np.float32)
    thick = cv2.GaussianBlur(thick, (0, 0), 1.0) + breasts(cage, plan, fat, rng)
    body.outline = np.maximum(np.maximum(trunk_mask, arm_mask), throat_mask)
    body.parameters["fat"] = round(fat, 3)
    thick *= 1 + 0.02 * noise(rng, 70) + 0.005 * noise(rng, 18) + 0.006 * noise(rng, 3)
    return thick, arms_and_bones[1]


def air_of_lungs(body):
    """Return how many cm of air the rays meet at each pixel, (WORK, WORK)."""
    air = np.zeros((WORK, WORK), np.float32)
    for side, sign, _ in SIDES:
        widths = np.maximum(body.cage.width_at(ROWS, side) - 3, 1e-3)
        for top in range(0, WORK, BAND):  # small pieces stay in the processor's cache
            band = np.s_[top : top + BAND]
            half = half_of(body.cage.middle[band], sign)
            air[band, half] += air_of_band(body, band, half, side, sign, widths)
    return cv2.GaussianBlur(air, (0, 0), 0.9)


def half_of(middle, sign):
    """Return the columns, a slice, that may lie on one side of a line: what is on the other side is not worked out."""
    first, last = (int(edge) for edge in np.clip([middle.min() - 1, middle.max() + 2], 0, WORK))
    return slice(first, WORK) if sign > 0 else slice(0, last)


def air_of_band(body, band, half, side, sign, widths):
    """Return the air, cm, of one lung, so wide at each row, in a band of rows and half of the columns, float32."""
    cage, rows = body.cage, ROWS[band, None].astype(np.float32)
    middle, border, width = (v[band, None].astype(np.float32) for v in (cage.middle, body.borders[side], widths))
    columns = COLUMNS[None, half].astype(np.float32)
    x = np.float32(sign) * (columns - middle)
    q = np.clip(x / width, 0, 1)
    q *= q
    deep = np.float32(2 * cage.depth * cage.half / CENTIMETRE) * np.sqrt(width / np.float32(cage.half))
    deep = np.maximum(deep * np.sqrt(1 - q * q) - np.float32(1.2), 0)
    deep *= np.sqrt(np.clip((rows - np.float32(cage.apex)) / np.float32(0.1 * cage.height), 0, 1))
    below = rows - body.diaphragm[side][None, half]
    past = np.clip(1 - below / 95, 0, 1)  # behind the dome the lung reaches further down
    deep *= 1 - np.clip(below + np.float32(0.5), 0, 1) * (1 - np.float32(0.5) * past * past)
    upper = np.clip((np.float32(body.heart_rows[0] + 60) - rows) / 120, 0, 1)
    reach = np.minimum(62 - 32 * upper, np.float32(0.75) * np.abs(border - middle) + 6)
    hidden = np.clip(np.float32(-sign) * (columns - border) / reach, 0, 1)
    rise = np.float32(0.25) * np.sqrt(hidden) + np.float32(0.75) * np.sqrt(hidden * (2 - hidden))
    lung = (
        1
        - (np.float32(0.44) + np.float32(0.16) * upper) * rise
        - (np.float32(0.26) + np.float32(0.14) * upper) * hidden
    )  # what is left of it before and behind the heart
    lung *= np.maximum(np.clip((x / np.float32(cage.half) - np.float32(0.09)) / np.float32(0.16), 0, 1), 1 - hidden)
    return deep * np.clip(lung, 0, 1) * (x > 0)


def airways(body, rng):
    """Return the windpipe and main bronchi as thickness of air (WORK, WORK), cm."""
    cage = body.cage
    y, x = body.landmarks["carina"]
    start, wide = -20.0, cage.half * 0.047
    knots = [
        (start, cage.middle_at(start)),
        (0.5 * y, cage.middle_at(0.5 * y) + rng.normal(0, 1.5)),
        (0.8 * y, x - 2),
        (y, x),
    ]
    tubes = [tube(curve(knots, 300), wide, 1.7)]
    reach = cage.half
    for sign, down, wide_share in ((-1, 0.34, 0.85), (1, 0.24, 0.75)):
        line = curve(
            [(y - 4, x), (y + 0.12 * reach, x + sign * 0.14 * reach), (y + down * reach, x + sign * 0.27 * reach)], 120
        )
        tubes.append(tube(line, np.linspace(wide * wide_share, wide * 0.45, 120), np.linspace(1.1, 0.0, 120)))
    return blurred(gather(tubes), 1.4)


def gas_of_belly(body, rng):
    """Return the gas under the left dome and in the bowel as thickness (WORK, WORK), cm."""
    y, x = body.landmarks["dome_right"]
    gas = np.zeros((WORK, WORK), np.float32)
    half, wave = body.cage.half, 1 + 0.2 * noise(rng, 30)
    for k in range(int(rng.integers(1, 7))):
        first = k == 0 and rng.random() < 0.8
        wide, tall = half * (0.14 + 0.15 * rng.random()), half * (0.07 + 0.09 * rng.random())
        low, aside = half * (0.25 + 0.5 * rng.random()), half * rng.uniform(-0.3, 0.35)
        if first:  # the stomach's bubble
            row, column, deep = y + tall + 7, x - 0.05 * half, 2.6
        else:
            row, column, deep, wide, tall = y + low, x + aside, 1.8, 0.5 * wide, 0.7 * tall
        top, left = (int(np.clip(v, 0, WORK - 2)) for v in (row - 1.6 * tall, column - 1.6 * wide))
        part = np.s_[top : int(row + 1.6 * tall) + 2, left : int(column + 1.6 * wide) + 2]
        rows, columns = ROWS[part[0], None], COLUMNS[None, part[1]]
        q = ((columns - column) / wide) ** 2 + ((rows - row) / tall) ** 2
        gas[part] += (deep * np.sqrt(np.maximum(1 - q * wave[part], 0))).astype(np.float32)
    gas *= (ROWS[:, None] > body.diaphragm[1][None] + 5).astype(np.float32)
    return cv2.GaussianBlur(gas, (0, 0), 1.8)
