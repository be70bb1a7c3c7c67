"""The bones of a phantom, each a tube with a hard wall: ribs, spine, collar bones, shoulder blades, upper arms."""

from __future__ import annotations

import numpy as np

from .phantom_anatomy import SIDES
from .phantom_spine import PITCH, spine
from .phantom_tubes import blurred, curve, filled, gather, noise, tube

N_RIBS = 12  # pairs
ALONG = np.linspace(0, 1, 340) ** 1.2  # places on a rib's way round, closer to each other at the spine


def rib_lines(cage, numbers, sides, stops, lifts):
    """Return the ribs' lines (R, S, 2), rows and columns, and how much longer their ways are than they look, (R, S).

    They leave the spine, run backwards and outwards along the cage and come round to the front, falling all the way.
    All arguments but the cage are columns, (R, 1): the rib's number from 1, its side, how far round it goes (radians)
    and how much higher than others it sets out.
    """
    around = 0.10 + (stops - 0.10) * ALONG
    starts = cage.apex + cage.height * (PITCH * (numbers - 1) + lifts)
    reach = cage.width_at(starts + 0.5 * cage.depth * cage.half * cage.slope * np.sqrt(numbers / 12), sides)
    widest = np.select([numbers == 1, numbers == 2, numbers == 3], [0.52, 0.72, 0.86], 1.2) * cage.half
    reach = np.minimum(np.maximum(reach + 2.0, 0.36 * cage.half), widest)
    deep = cage.depth * reach
    row = starts + cage.slope * deep * (1 - np.cos(around)) * (1 + 0.10 * (numbers - 6) / 6)
    row += 0.035 * cage.height * np.exp(-(((around - 0.10) / 0.26) ** 2))  # the neck of the rib climbs first
    row += 0.05 * deep * np.maximum(around - 2.0, 0) ** 2
    limit = np.where(numbers > 3, cage.width_at(row, sides) + 0.5, reach)
    signs = np.where(sides == 0, -1, 1)
    x = signs * np.minimum(limit, reach * 1.04) * np.abs(np.sin(around)) ** 0.88
    back = deep * np.cos(around)
    lines = np.stack([row, cage.project(x, back, row)], axis=2)
    flat = np.hypot(*np.moveaxis(np.gradient(lines, axis=1), 2, 0))
    full = np.sqrt(flat**2 + np.gradient(back, axis=1) ** 2)
    return lines, full / np.maximum(flat, 0.25 * full)


def ribs(cage, plan, bones, rng):
    """Return the attenuation (WORK, WORK) of the ribs, cm of soft tissue.

    ``bones`` is the patient's generator: each rib's own width, density and course come from it.
    """
    density = 2.45 * (1 - 0.25 * np.clip((plan.age - 55) / 40, 0, 1)) * (1 + 0.12 * bones.standard_normal())
    thick = 0.038 * cage.half * (1.06 if plan.sex == "M" else 0.96)
    numbers = np.repeat(np.arange(1, N_RIBS + 1), 2)[:, None]  # of each pair the picture's left one, then the right
    sides = np.tile([0, 1], N_RIBS)[:, None]
    own = np.moveaxis(bones.standard_normal((2 * N_RIBS, 4, 1)), 1, 0)
    fronts = np.interp(numbers, [1, 2, 5, 8, 10, 11, 12], [2.6, 2.5, 2.3, 2.1, 1.9, 1.3, 0.8]) + 0.08 * own[0]
    lines, longer = rib_lines(cage, numbers, sides, fronts, 0.004 * own[1])
    place = 0.10 + (fronts - 0.10) * ALONG
    behind = np.clip((2.0 - place) / 1.0, 0, 1)
    wide = thick * (0.86 + 0.32 * (1 - behind)) * (1 + 0.06 * own[2]) * np.where(numbers == 1, 1.25, 1)
    wide *= 1 - np.where(numbers < 4, 0.65, 0.42) * np.sin(np.clip(place, 0, np.pi)) ** 6
    wide *= np.clip((place - 0.02) / 0.15, 0.55, 1)
    value = density * np.where(numbers < 3, 1.35, 1.0) * (1 + 0.08 * own[3]) * (0.50 + 0.50 * behind)
    value = value * np.clip((fronts - place) / 0.25, 0.15, 1)  # it fades towards the front
    value *= np.minimum(longer, np.where(numbers < 4, 1.2, 2.6)) ** 0.65
    options = {"wall": 0.16, "filling": 0.48, "n_across": int(2.2 * thick) + 5}
    return blurred(gather([tube(*rib, **options) for rib in zip(lines, wide, value)]), 0.5)


def collar_bones(body, plan, bones, rng):
    """Return points and weights of the clavicles."""
    cage, tubes = body.cage, []
    own = bones.standard_normal(3)
    for _, sign, name in SIDES:
        y, x = body.landmarks[f"clavicle_{name}_inner"]
        end_y, end_x = body.landmarks[f"clavicle_{name}_outer"]
        climb = y - end_y + (4 * own[0] + 3 * rng.standard_normal())
        span = abs(end_x - x)
        knots = [
            (y + 3, x), (y - 0.22 * climb + 2 + own[1], x + sign * 0.25 * span),
            (y - 0.62 * climb + 2, x + sign * 0.55 * span),
            (y - 0.98 * climb - 3, x + sign * 0.82 * span), (y - 1.0 * climb, x + sign * 1.02 * span),
        ]  # fmt: skip
        line = curve(knots, 260)
        place = np.linspace(0, 1, 260)
        wide = cage.half * (0.033 + 0.020 * np.exp(-place / 0.10) + 0.008 * place**3) * (1 + 0.05 * own[2])
        value = (4.4 + 0.4 * own[1] * 0.5) * np.clip((1 - place) / 0.16, 0, 1) ** 0.7 * np.clip(place / 0.03, 0.4, 1)
        tubes.append(tube(line, wide, value, wall=0.22, filling=0.30))
    return tubes


def shoulder(cage, sign, portable, bones, rng):
    """Return tubes of a shoulder blade's borders, and its blade as a polygon."""
    half = cage.half
    top = cage.apex + 0.10 * half
    inner = (0.80 if portable else 0.98) + 0.07 * rng.standard_normal()
    tip = top + (1.02 + 0.05 * bones.standard_normal()) * half

    def at(x, row):
        return row, float(cage.middle_at(row)) + sign * x * half

    socket = at(1.20, top + 0.20 * half)
    angle, upper = at(inner + 0.10, tip), at(inner - 0.16, top + 0.05 * half)
    lateral = curve([socket, at(1.08, top + 0.42 * half), at(inner + 0.14, tip - 0.16 * half), angle], 220)
    medial = curve([angle, at(inner - 0.05, tip - 0.30 * half), at(inner - 0.13, tip - 0.62 * half), upper], 220)
    crest = curve([upper, at(1.0, top - 0.02 * half), at(1.22, top - 0.03 * half)], 160)
    coracoid = curve([at(1.08, top + 0.12 * half), at(1.02, top + 0.10 * half)], 24)
    glenoid = curve([at(1.19, top + 0.10 * half), at(1.16, top + 0.2 * half), at(1.20, top + 0.30 * half)], 60)
    rounding = np.sqrt(np.clip(np.linspace(12.5, 0, 160), 0.02, 1))  # of the crest's end, the acromion
    tubes = [
        tube(lateral, np.linspace(0.034, 0.012, 220) * half, np.linspace(1.7, 0.4, 220), wall=0.4, filling=0.35),
        tube(medial, 0.010 * half, np.interp(np.arange(220), [0, 60, 150, 219], [1.0, 0.7, 0.25, 0.2])),
        tube(
            crest, np.linspace(0.014, 0.045, 160) * half * rounding, np.linspace(0.8, 1.6, 160), wall=0.3, filling=0.4
        ),
        tube(coracoid, 0.05 * half * np.sqrt(1 - np.linspace(-0.98, 0.98, 24) ** 2), 0.9, wall=0.3, filling=0.5),
        tube(glenoid, 0.010 * half, 1.1),
    ]
    return tubes, np.concatenate([lateral[::8], medial[::8], crest[:100:8]])


def upper_arm(line, cage):
    """Return tubes of an arm's bone: the head is a ball, the shaft a pipe."""
    half = cage.half
    place = np.arange(len(line)) / half
    ball = 0.125 * np.sqrt(np.clip(1 - ((place - 0.11) / 0.18) ** 2, 0, 1))
    wide = half * np.maximum(0.062, ball)
    wide = np.convolve(np.pad(wide, 12, mode="edge"), np.ones(25) / 25, mode="valid")
    value = np.interp(place, [0, 0.2, 0.6, 2.5], [4.2, 5.0, 6.2, 6.6])
    return tube(line, wide, value, wall=0.3, filling=0.45, n_across=44)


def skeleton(body, plan, arm_lines, rng):
    """Return the attenuation (WORK, WORK), cm of soft tissue, of all bones."""
    cage = body.cage
    bones = np.random.default_rng([plan.patient_seed, 2])
    total = ribs(cage, plan, bones, rng) + spine(cage, np.random.default_rng([plan.patient_seed, 3]))
    tubes, blades = collar_bones(body, plan, bones, rng), []
    for _, sign, _ in SIDES:
        borders, blade = shoulder(cage, sign, plan.view == "AP", bones, rng)
        tubes += [(points, 2.1 * weights) for points, weights in borders]
        blades.append(blade)
    tubes += [upper_arm(line, cage) for line in arm_lines]
    total += blurred(gather(tubes), 0.9) + 0.8 * blurred(filled(blades), 3.0)
    return total * (1 + 0.06 * noise(rng, 6))
