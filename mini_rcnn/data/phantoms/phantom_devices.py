"""What lies on or in the patient and is no disease: leads, lines, tubes, letters. Crisp, so drawn on the full film.

A function of `DEVICES` appends functions to ``canvas.sharp`` and returns what it drew. Each of those functions takes
the film (FILM, FILM) float32, in the unit of ``canvas.attenuation``, changes it in place and returns it.
"""

from __future__ import annotations

import math

import numpy as np

from .phantom_ink import Ink, curve, jitter, places
from .phantom_letters import add_label, add_marker
from .phantom_paint import tissue_contrast
from .phantom_types import FILM


def caval_path(at, side, rng, *, arm=False):
    """Return the way of a catheter, points (N, 2): from the neck, or the arm, of a side to the caval vein."""
    (carina_y, carina_x), lung = at["carina"], at["lungs"][side]
    outer, sign = (lung[1], -1) if side == 0 else (lung[3], 1)
    vein = [(carina_y - 45, carina_x - 38), (carina_y + 55 + 40 * rng.random(), carina_x - 48)]
    if arm:
        start = [(lung[0] + 210, outer + sign * 120), (lung[0] + 40, outer + sign * 15)]
        return [jitter(rng, *p) for p in (*start, (lung[0] - 5, (outer + carina_x) / 2))] + vein
    return [
        jitter(rng, *p) for p in ((lung[0] - 110, carina_x + sign * 85), (lung[0] - 10, carina_x + sign * 62))
    ] + vein


def add_ecg_leads(canvas, plan, rng, unit):
    """Stick three to five electrodes on the chest, each with a wire that hangs off the film."""
    at, wires, dots = places(canvas.body), Ink(), Ink()
    (y1, x1, y2, _), right = at["lungs"][0], at["lungs"][1][3]
    spots = [
        (y1 + 20, x1 + 20),
        (y1 + 20, right - 20),
        (y2 - 40, x1 - 5),
        (y2 - 20, right + 5),
        (y2 - 130, at["spine"]),
    ]
    for spot in spots[: int(rng.integers(3, 6))]:
        y, x = jitter(rng, *spot, by=28)
        sign = -1 if x < at["spine"] else 1
        out = (
            np.array([FILM + 20, x + sign * 260 * rng.random()])
            if rng.random() < 0.6
            else np.array([y + 160, 512 + sign * 540])
        )
        bends = [(y, x) + (out - (y, x)) * share + 60 * rng.standard_normal(2) for share in (0.25, 0.5, 0.75)]
        wires.line(curve([(y, x), *bends, out]), width=int(rng.integers(2, 4)))
        angle = 2 * math.pi * rng.random()
        clip = np.array([math.sin(angle), math.cos(angle)])
        dots.disc((y, x), 15 + 4 * rng.random(), tone=int(rng.integers(50, 90)))  # pad, then stud, then snap
        dots.line([(y, x), (y, x) + 21 * clip], width=8, tone=150)
        dots.disc((y, x), 8, tone=170)
        dots.disc((y, x), 4.5, tone=255)
    wires.lay(canvas, (0.22 + 0.2 * rng.random()) * unit)
    return {"kind": "ecg_leads", "box": dots.lay(canvas, 0.9 * unit)}


def add_central_line(canvas, plan, rng, unit):
    """Lead a thin catheter from the neck or the arm into the superior caval vein."""
    side, ink = int(rng.random() < 0.35), Ink()
    ink.line(curve(caval_path(places(canvas.body), side, rng, arm=rng.random() < 0.4)), width=3)
    return {"kind": "central_line", "box": ink.lay(canvas, (0.22 + 0.2 * rng.random()) * unit)}


def add_port(canvas, plan, rng, unit):
    """Set a round chamber under the skin below a clavicle, with a catheter to the caval vein."""
    side, at, ink = int(rng.random() < 0.3), places(canvas.body), Ink()
    lung = at["lungs"][side]
    y, x = jitter(rng, lung[0] + 170, 0.5 * (lung[1] + lung[3]), by=20)
    ink.line(curve([(y - 14, x), (y - 90, x + 8), *caval_path(at, side, rng)[1:]]), width=4, tone=120)
    ink.disc((y, x), 21 + 4 * rng.random(), tone=110)
    ink.disc((y, x), 21 + 4 * rng.random(), width=5, tone=255)
    ink.disc((y, x), 9, tone=190)
    return {"kind": "port", "box": ink.lay(canvas, 0.9 * unit), "lung": side}


def add_tracheal_tube(canvas, plan, rng, unit):
    """Pass a tube down the windpipe to a little above where it divides: two walls and a dense stripe."""
    (y, x), walls, stripe = places(canvas.body)["carina"], Ink(), Ink()
    end, lean = y - 30 - 60 * rng.random(), 10 * rng.standard_normal()
    way = curve([(-20, x + lean), (0.5 * end, x + 0.5 * lean), (end, x)])
    for shift in (-9, 9):
        walls.line(way + (0, shift), width=2)
    stripe.line(way + (0, 4), width=3)
    walls.lay(canvas, 0.2 * unit)
    return {"kind": "tracheal_tube", "box": stripe.lay(canvas, (0.35 + 0.2 * rng.random()) * unit)}


def add_gastric_tube(canvas, plan, rng, unit):
    """Pass a thin tube down the gullet, past the diaphragm, to where the stomach lies."""
    at, ink = places(canvas.body), Ink()
    spine, base = at["spine"], at["base"]
    down = [(-20, spine + 12), (0.5 * base, spine + 10), (base - 60, spine + 22)]
    bend = [(base + 30, spine + 45 + 40 * rng.random()), (base + 90, spine + 120 + 90 * rng.random())]
    ink.line(curve([jitter(rng, *p, by=7) for p in down] + bend), width=int(rng.integers(3, 6)))
    return {"kind": "gastric_tube", "box": ink.lay(canvas, (0.2 + 0.2 * rng.random()) * unit)}


def add_pacemaker(canvas, plan, rng, unit):
    """Set a pulse generator under a clavicle, mostly the left one, with one or two leads into the heart."""
    side, at, leads, case = int(rng.random() < 0.8), places(canvas.body), Ink(), Ink()
    lung, sign = at["lungs"][side], 1 if side else -1
    y, x = jitter(rng, lung[0] + 105, 0.5 * (lung[1] + lung[3]) + sign * 45, by=16)
    heart_y, heart_x = at["base"] - 50, at["spine"] + 75
    for tip in [(heart_y, heart_x), (heart_y - 110, at["spine"] - 25)][: int(rng.integers(1, 3))]:
        way = [(y - 30, x - sign * 10), (y - 75, x - sign * 90), *caval_path(at, side, rng)[2:]]
        leads.line(curve([*way, (0.5 * (way[-1][0] + tip[0]), at["spine"] - 62), jitter(rng, *tip, by=14)]), width=4)
    angles = np.linspace(0, 2 * math.pi, 28, endpoint=False)
    egg = np.stack([np.sin(angles) * 44 * (1 - 0.12 * np.cos(angles)), np.cos(angles) * 47], axis=1)
    case.area(egg + (y, x), tone=170)
    case.area(0.6 * egg + (y + 9, x), tone=255)
    case.area([(y - 52, x - 26), (y - 52, x + 22), (y - 26, x + 30), (y - 26, x - 34)], tone=90)
    leads.lay(canvas, 0.5 * unit)
    return {"kind": "pacemaker", "box": case.lay(canvas, 1.2 * unit, blur=1.0), "lung": side}


def add_chest_drain(canvas, plan, rng, unit):
    """Push a wide drain through the chest wall up towards an apex: two walls and a dense stripe."""
    side, at, walls, stripe = int(rng.integers(2)), places(canvas.body), Ink(), Ink()
    y1, x1, y2, x2 = at["lungs"][side]
    sign, outer, middle = (-1, x1, 0.5 * (x1 + x2)) if side == 0 else (1, x2, 0.5 * (x1 + x2))
    way = [(y2 - 40, outer + sign * 150), (y2 - 130, outer + sign * 8), (0.6 * y1 + 0.4 * y2, outer - sign * 30)]
    way = curve([jitter(rng, *p, by=16) for p in (*way, (y1 + 60, middle))])
    for shift in (-7, 7):
        walls.line(way + (0, shift), width=2)
    stripe.line(way + (0, -3), width=3)
    walls.lay(canvas, 0.22 * unit)
    return {"kind": "chest_drain", "box": stripe.lay(canvas, 0.5 * unit), "lung": side}


def add_sternal_wires(canvas, plan, rng, unit):
    """Close the breastbone with a column of four to seven twisted loops of wire."""
    at, ink, number = places(canvas.body), Ink(), int(rng.integers(4, 8))
    for y in np.linspace(at["carina"][0] - 60, at["base"] - 70, number):
        y, x = jitter(rng, y, at["spine"] + 4, by=6)
        tilt, side = 0.3 * rng.standard_normal(), (-1, 1)[int(rng.integers(2))]
        angles, half = np.linspace(0.3, 2 * math.pi - 0.3, 18), np.array([6 + 4 * rng.random(), 14 + 7 * rng.random()])
        loop = np.stack([half[0] * np.sin(angles), side * half[1] * np.cos(angles)], axis=1)
        twist = [(0, side * half[1]), (5 * rng.standard_normal(), side * (half[1] + 5 + 5 * rng.random()))]
        cosine, sine = math.cos(tilt), math.sin(tilt)
        for shape, width in ((loop, 2), (twist, 3)):
            ink.line(np.array(shape) @ np.array([[cosine, -sine], [sine, cosine]]) + (y, x), width=width)
    return {"kind": "sternal_wires", "box": ink.lay(canvas, (0.5 + 0.4 * rng.random()) * unit), "number": number}


def add_clips(canvas, plan, rng, unit):
    """Leave three to nine small metal clips of an operation, together in one place."""
    at, ink, number, side = places(canvas.body), Ink(), int(rng.integers(3, 10)), int(rng.integers(2))
    lung = at["lungs"][side]
    outer = lung[1] - 25 if side == 0 else lung[3] + 25
    spot = (lung[0] + 150, outer) if rng.random() < 0.6 else (at["carina"][0] + 90, at["spine"] + (60 if side else -60))
    for _ in range(number):
        y, x = jitter(rng, *spot, by=32)
        angle = math.pi * rng.random()
        ink.line([(y, x), (y + 9 * math.sin(angle), x + 9 * math.cos(angle))], width=3)
    return {"kind": "clips", "box": ink.lay(canvas, 1.2 * unit), "number": number}


def add_buttons(canvas, plan, rng, unit):
    """Leave three to five buttons of a shirt before the breastbone."""
    at, ink, number = places(canvas.body), Ink(), int(rng.integers(3, 6))
    x = at["spine"] + 30 * rng.standard_normal()
    for y in np.linspace(at["top"] + 40, at["base"], number):
        y, x = jitter(rng, y, x, by=4)
        ink.disc((y, x), 11, tone=150)
        ink.disc((y, x), 11, width=2)
        for hole in (-3.5, 3.5):
            ink.disc((y, x + hole), 2, tone=40)
    return {"kind": "buttons", "box": ink.lay(canvas, 0.3 * unit), "number": number}


def add_necklace(canvas, plan, rng, unit):
    """Hang a fine chain around the neck."""
    at, ink = places(canvas.body), Ink()
    drop, half = 90 + 80 * rng.random(), 95 + 25 * rng.random()
    sides = [(at["top"] - 90, at["spine"] + sign * half) for sign in (-1, 1)]
    way = curve([sides[0], jitter(rng, at["top"] - 60 + drop, at["spine"]), sides[1]], steps=40)
    for point in way[::2]:
        ink.disc(point, 2.6)
    return {"kind": "necklace", "box": ink.lay(canvas, 0.8 * unit)}


DEVICES = {
    "ecg_leads": add_ecg_leads,
    "central_line": add_central_line,
    "port": add_port,
    "tracheal_tube": add_tracheal_tube,
    "gastric_tube": add_gastric_tube,
    "pacemaker": add_pacemaker,
    "chest_drain": add_chest_drain,
    "sternal_wires": add_sternal_wires,
    "clips": add_clips,
    "marker": add_marker,
    "label": add_label,
    "buttons": add_buttons,
    "necklace": add_necklace,
}


def add_devices(canvas, plan, rng):
    """Draw the plan's devices and return a record of each.

    Parameters
    ----------
    canvas : Canvas
        Functions are appended to its ``sharp``, in place; each changes the film (FILM, FILM) float32 and returns it.
    plan : PhantomPlan
        ``devices`` are keys of `DEVICES`; none appends nothing. ``view`` decides the words of a label.
    rng : numpy.random.Generator

    Returns
    -------
    drawn : list of dicts
        ``kind``, ``box`` (``[y1, x1, y2, x2]``, film pixels; None where it all lies beside the film) and more, fit
        for JSON, in the plan's order.

    Raises
    ------
    ValueError
        If a device is not known.
    """
    unknown = [name for name in plan.devices if name not in DEVICES]
    if unknown:
        raise ValueError(f"plan.devices must be among {', '.join(DEVICES)}, got {', '.join(map(repr, unknown))}")
    unit = tissue_contrast(canvas) if plan.devices else 0.0
    return [DEVICES[name](canvas, plan, rng, unit) for name in plan.devices]
