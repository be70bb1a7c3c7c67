"""Letters on phantoms: the side marker, and how the film was taken."""

from __future__ import annotations

import numpy as np

from .phantom_ink import Ink
from .phantom_types import FILM

LABELS = {"AP": (("AP", "PORTABLE"), ("PORTABLE",), ("AP", "ERECT"), ("AP", "SUPINE")), "PA": (("PA",), ("ERECT",))}


def add_marker(canvas, plan, rng, unit):
    """Lay the letter L or R into an upper corner: lead with the worker's initials, or printed in a black disc."""
    letter, ink, printed = ("L", "R")[int(rng.random() < 0.35)], Ink(), rng.random() < 0.25
    y, x = 50 + 110 * rng.random(), 70 + 90 * rng.random()
    x = x if letter == "R" else FILM - x - 40
    size = 40 + 22 * rng.random()
    if printed:
        y, size = y + 60 * rng.random(), 24
        disc = Ink()
        disc.disc((y + 12, x + 9), 30)
        disc.lay(canvas, canvas.attenuation[::8, ::8].min(), covers=True)
        ink.disc((y + 12, x + 9), 25, width=3)
        ink.text(letter, (y + size, x), size=size, width=3)
        return {"kind": "marker", "box": ink.lay_letters(canvas, outlined=False), "text": letter}
    ink.text(letter, (y + size, x), size=size, width=int(rng.integers(7, 11)))
    if rng.random() < 0.6:
        initials = "".join(chr(65 + int(v)) for v in rng.integers(0, 26, int(rng.integers(2, 4))))
        ink.text(initials, (y + size + 30, x - 4), size=19, width=3)
    ink.turn((y, x), 12 * rng.standard_normal() if rng.random() < 0.7 else 0.0)
    return {"kind": "marker", "box": ink.lay_letters(canvas, outlined=False), "text": letter}


def add_label(canvas, plan, rng, unit):
    """Print how the film was taken beside the patient, sometimes with the arrow that points up."""
    lines, ink = LABELS.get(plan.view, LABELS["AP"]), Ink()
    lines = lines[int(rng.integers(len(lines)))]
    y, x = 60 + 120 * rng.random(), 20 + 60 * rng.random()
    y += 210 if "marker" in plan.devices else 0  # below the letter, should both lie on one side
    x = FILM - x - 130 if rng.random() < 0.5 else x
    for row, text in enumerate(lines):
        ink.text(text, (y + 30 * row, x + (30 if len(text) < 4 else 0)), size=16, width=4)
    if rng.random() < 0.35:
        arrow = [(0, 0), (24, -20), (24, -8), (48, -8), (48, 8), (24, 8), (24, 20)]
        ink.area(np.array(arrow) + (y + 60, x + 50))
    return {"kind": "label", "box": ink.lay_letters(canvas, outlined=True), "text": " ".join(lines)}
