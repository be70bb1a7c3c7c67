"""The body of a phantom: where rib cage, lungs, heart, diaphragm and skin lie on its film.

Bones come from the patient's seed, so that two films of a patient show one skeleton; how the patient stood, breathed
and was turned comes from the film's. Lengths are work pixels, most of them shares of half the chest's width.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .phantom_tubes import blurred, curve, filled
from .phantom_types import WORK, Body

ROWS = np.arange(WORK, dtype=float)
COLUMNS = np.arange(WORK, dtype=float)
SIDES = ((0, -1, "left"), (1, 1, "right"))  # index, sign of x, name: the picture's left is the patient's right


@dataclasses.dataclass
class Cage:
    """The rib cage: half an egg around a bent spine."""

    apex: float  # row of the lungs' tops
    height: float  # rows from there to the angles between ribs and diaphragm at a full breath
    half: float  # half the width at its widest
    depth: float  # half the depth, as a share of half the width
    slope: float  # drop of the ribs from back to front, as a share of the depth
    turn: float  # radians that the body is turned about its long axis
    middle: np.ndarray  # (WORK,) column of the spine at each row
    fullness: np.ndarray  # (2,) each side's share of ``half``
    shape: float  # exponent of the sides' curve: more is squarer

    def width_at(self, rows, side):
        """Return half the width at rows, 0 above the apex; both arguments may be arrays."""
        z = np.maximum((np.asarray(rows, float) - self.apex) / self.height, 0)
        open_part = 1 - np.maximum(1 - z / 0.80, 0) ** self.shape
        waist = 1 - 0.28 * np.maximum(z - 0.76, 0) ** 1.3
        return self.half * self.fullness[side] * open_part**0.42 * waist

    def middle_at(self, rows):
        """Return the spine's column at rows."""
        return np.interp(rows, ROWS, self.middle)

    def project(self, x, back, rows):
        """Return columns of points ``x`` beside the middle and ``back`` of it (negative: in front)."""
        return self.middle_at(rows) + x * np.cos(self.turn) + (back - 0.55 * self.depth * self.half) * np.sin(self.turn)


def draw_cage(plan, bones, rng):
    """Return the `Cage` of a plan: ``bones`` is the patient's generator, ``rng`` the film's."""
    portable = plan.view == "AP"
    small = 0.96 if plan.sex == "F" else 1.0
    child = np.clip(plan.age / 15, 0.72, 1)
    build = bones.normal(0, 1, 8)
    half = (
        (206 if not portable else 190)
        * small
        * child
        * (1 + (0.055 + 0.02 * portable) * build[0] + (0.03 + 0.04 * portable) * rng.standard_normal())
    )
    ratio = 2.10 + 0.09 * build[1] - (0.10 if portable else 0)
    half = float(np.clip(half, 120, 226))
    height = float(np.clip(half * ratio, 250, 440))
    apex = float(np.clip(58 + 14 * rng.standard_normal() + (14 if portable else 0), 30, 110))
    apex = max(min(apex, WORK - height * (0.96 if not portable else 0.9)), 36.0)
    bend = 3.5 * build[2] + (6 * build[3] if abs(build[3]) > 1.6 else 0)
    u = (ROWS - apex) / height
    middle = WORK / 2 + np.clip(9 * rng.standard_normal(), -20, 20) + bend * np.sin(3.0 * u + build[4])
    middle = middle + np.tan(np.radians(np.clip(1.4 * rng.standard_normal() * (2 if portable else 1), -6, 6))) * (
        ROWS - WORK / 2
    )
    return Cage(
        apex=apex,
        height=height,
        half=half,
        depth=0.66 + 0.03 * build[5] + (0.06 if plan.age > 65 else 0),
        slope=float(np.clip(0.52 + 0.06 * build[6] - 0.05 * portable + 0.03 * rng.standard_normal(), 0.40, 0.66)),
        turn=float(np.radians(np.clip(plan.rotation, -14, 14))),
        middle=middle,
        fullness=1 + 0.018 * np.array([1, -1]) * build[7] + 0.012 * rng.standard_normal(2),
        shape=float(2.9 + 0.25 * bones.standard_normal()),
    )


def draw_domes(cage, plan, rng):
    """Return rows (2, WORK) of the diaphragm's domes at each column, and rows (2,) of the outer angles."""
    shallow = 1 - plan.inspiration
    domes, angles = np.zeros((2, WORK)), np.zeros(2)
    right_top = cage.apex + cage.height * (0.835 - 0.22 * shallow + 0.015 * rng.standard_normal())
    lower = cage.height * float(np.clip(0.028 + 0.018 * rng.standard_normal(), -0.02, 0.07))  # the left dome's
    for side, sign, _ in SIDES:
        top = right_top + lower * side
        drop = cage.height * float(np.clip(0.155 - 0.06 * shallow + 0.02 * rng.standard_normal(), 0.07, 0.2))
        outer = float(cage.width_at(top + drop, side))
        centre = outer * (0.50 + 0.05 * rng.standard_normal())
        x = sign * (COLUMNS - cage.middle_at(top))
        outwards = np.clip((x - centre) / (outer - centre), 0, 1.6)
        inwards = np.clip((centre - x) / centre, 0, 2)
        power = 2.2 + 0.25 * rng.standard_normal()
        ripple = 0.010 * cage.height * np.sin(COLUMNS / (24 + 8 * rng.random()) + 6 * rng.random())
        domes[side] = top + drop * outwards**power + cage.height * 0.075 * inwards**2 + ripple * 0.6
        angles[side] = top + drop
    return domes, angles


def draw_silhouette(cage, plan, domes, rng):
    """Return columns (2, WORK) of the mediastinum's borders at each row, and what was drawn as a dict.

    The picture's left border is vena cava and right atrium; the right one aortic knob, pulmonary trunk and left
    ventricle.
    """
    portable, old = plan.view == "AP", np.clip((plan.age - 35) / 45, 0, 1)
    large = 1.04 + 0.08 * portable + 0.05 * (1 - plan.inspiration) + 0.06 * rng.standard_normal()
    ill = "cardiomegaly" in plan.findings
    large *= 1.26 + 0.14 * rng.random() if ill else 1.0
    wide = 1 + 0.2 * portable + 0.13 * rng.standard_normal()
    knob = (0.185 + 0.075 * old + 0.012 * rng.standard_normal()) * (1 + 0.1 * portable)
    bottom = float(domes[1].min()) + 0.055 * cage.height
    shift = 0.22 * np.sin(cage.turn) * cage.depth  # the heart lies in front: a turn carries it sideways
    upper = 0.168 * wide
    right = [
        (-0.30, upper * 1.9), (0.0, upper * 1.15), (0.10, upper * 0.98), (0.21, knob * 0.94), (0.265, knob),
        (0.33, knob * 0.93), (0.38, 0.19 + 0.3 * (knob - 0.17)), (0.45, 0.25 * large), (0.54, 0.345 * large),
        (0.63, 0.45 * large), (0.73, 0.55 * large), (0.83, 0.61 * large), (0.93, 0.625 * large),
        (1.02, 0.60 * large), (1.12, 0.52 * large), (1.25, 0.40), (1.7, 0.28),
    ]  # fmt: skip
    left = [
        (-0.30, upper * 1.9), (0.0, upper * 1.18), (0.11, upper * 0.98), (0.30, upper * 1.15), (0.43, 0.185 * wide),
        (0.53, 0.22 * large), (0.64, 0.275 * large), (0.76, 0.315 * large), (0.88, 0.315 * large),
        (1.0, 0.275 * large), (1.12, 0.24), (1.7, 0.2),
    ]  # fmt: skip
    borders = np.zeros((2, WORK))
    for side, sign, knots in ((0, -1, left), (1, 1, right)):
        knots = np.array(knots)
        knots[:, 1] *= 1 + 0.022 * rng.standard_normal(len(knots))
        line = curve(knots, 240)
        x = np.interp(ROWS, cage.apex + line[:, 0] * (bottom - cage.apex), line[:, 1])
        borders[side] = cage.middle + sign * cage.half * np.maximum(x + sign * shift, 0.05)
    wide_at = slice(int(cage.apex + 0.5 * cage.height), int(min(bottom, WORK - 1)))
    ratio = float((borders[1] - borders[0])[wide_at].max() / (2 * cage.half))
    apex_row = cage.apex + 0.93 * (bottom - cage.apex)
    return borders, {"cardiothoracic_ratio": ratio, "heart_top": 0.40, "heart_bottom": bottom, "heart_apex": apex_row}


def draw_lungs(cage, domes):
    """Return the two lungs' soft masks, cage to dome, mediastinum not yet taken out: (2, WORK, WORK) float32."""
    lungs = np.zeros((2, WORK, WORK), np.float32)
    for side, sign, _ in SIDES:
        rows = np.linspace(cage.apex, WORK - 1, 90)
        width = np.maximum(cage.width_at(rows, side) - 3, 0)
        edge = np.stack([rows, cage.middle_at(rows) + sign * width], axis=1)
        polygon = np.concatenate([edge, [[WORK, cage.middle[-1]], [cage.apex, cage.middle_at(cage.apex)]]])
        lungs[side] = filled(polygon)
        low = np.s_[max(int(domes[side].min()) - 1, 0) :]  # the rows that a dome may reach
        below = ROWS[low, None] - domes[side][None]
        lungs[side][low] *= np.clip(0.5 - below, 0, 1).astype(np.float32)
    return lungs


def landmarks_of(cage, domes, angles, borders, facts, inside):
    """Return the places (y, x) that findings and devices hold on to."""
    carina = cage.apex + 0.30 * cage.height
    marks = {"carina": (carina, cage.middle_at(carina) - 3), "heart_apex": (facts["heart_apex"],) * 2}
    row = int(min(facts["heart_apex"], WORK - 1))
    marks["heart_apex"] = (facts["heart_apex"], borders[1][row])
    knob = cage.apex + 0.225 * cage.height
    marks["aortic_knob"] = (knob, float(borders[1][int(knob)]) - 10)
    for side, sign, name in SIDES:
        hilum = carina + (0.075 - 0.025 * side) * cage.height
        marks["apex_" + name] = (cage.apex, cage.middle_at(cage.apex) + sign * 0.3 * cage.half)
        marks["hilum_" + name] = (hilum, float(borders[side][int(hilum)]) + sign * 0.05 * cage.half)
        outer = cage.middle_at(angles[side]) + sign * (cage.width_at(angles[side], side) - 4)
        marks["costophrenic_" + name] = (angles[side], outer)
        column = int(np.clip(borders[side][int(min(facts["heart_bottom"], WORK - 1))], 0, WORK - 1))
        marks["cardiophrenic_" + name] = (domes[side][column], float(column))
        top = int(np.argmin(np.where(inside[side].any(axis=0), domes[side], WORK)))
        marks["dome_" + name] = (domes[side][top], float(top))
        front = cage.project(sign * 0.13 * cage.half, -cage.depth * cage.half * 0.6, carina)
        marks[f"clavicle_{name}_inner"] = (cage.apex + 0.135 * cage.height, front)
        outer = cage.middle_at(cage.apex) + sign * 1.14 * cage.half
        marks[f"clavicle_{name}_outer"] = (cage.apex + 0.045 * cage.height, outer)
    return {name: (float(y), float(x)) for name, (y, x) in marks.items()}


def draw_body(plan, rng):
    """Draw where a plan's organs lie.

    Parameters
    ----------
    plan : PhantomPlan
    rng : np.random.Generator
        Of the film; the bones come from ``plan.patient_seed``.

    Returns
    -------
    body : Body
        Lungs, heart, outline and diaphragm with their landmarks, in work pixels.
    """
    bones = np.random.default_rng([plan.patient_seed, 1])
    cage = draw_cage(plan, bones, rng)
    domes, angles = draw_domes(cage, plan, rng)
    borders, facts = draw_silhouette(cage, plan, domes, rng)
    inside = draw_lungs(cage, domes)
    free = np.stack([np.clip(borders[0][:, None] - COLUMNS, 0, 1), np.clip(COLUMNS - borders[1][:, None], 0, 1)])
    heart_top = cage.apex + facts["heart_top"] * (facts["heart_bottom"] - cage.apex)
    rows_of_heart = np.clip((ROWS - heart_top) / 12, 0, 1) * np.clip((facts["heart_bottom"] - ROWS) / 6, 0, 1)
    between = np.clip(COLUMNS - borders[0][:, None], 0, 1) * np.clip(borders[1][:, None] - COLUMNS, 0, 1)
    lungs = (inside * free).astype(np.float32)
    body = Body(
        lungs=np.stack([blurred(lung, 0.8) for lung in lungs]),
        heart=blurred((between * rows_of_heart[:, None]).astype(np.float32), 1.0),
        outline=np.zeros((WORK, WORK), np.float32),
        diaphragm=domes.astype(np.float32),
        spine_x=float(cage.middle[WORK // 2]),
        landmarks=landmarks_of(cage, domes, angles, borders, facts, inside),
        cage=cage,
    )
    body.parameters = {
        "cardiothoracic_ratio": round(facts["cardiothoracic_ratio"], 3),
        "half_width": round(cage.half, 1),
        "height": round(cage.height, 1),
        "apex": round(cage.apex, 1),
    }
    body.borders = borders
    body.heart_rows = (heart_top, facts["heart_bottom"])
    return body
