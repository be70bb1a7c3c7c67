"""Pneumonia on phantoms: soft, textured opacities inside the lungs, with the masks that are their truth.

Drawing functions change ``canvas.attenuation`` in place and return what they drew: a film is summed up in one array.
They draw at a quarter of the film's side where shapes are soft and use no function whose last digit depends on the
NumPy version where a mask hangs on it, so that masks and boxes are the same everywhere.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from .phantom_paint import add_shadow, box_of, smooth_noise, soft_step, tissue_levels
from .phantom_types import FILM, WORK

COARSE = WORK // 4  # shapes are fitted to their boxes at this many pixels a side
MASK_SHARE = 0.14  # the mask is where an opacity adds more than this share of its peak; readers draw generous boxes
# Sizes of the readers' boxes, pixels of 1024, by the number of boxes on the film: quantiles 2, 10, 25, 50, 75, 90 and
# 98 % of all 9,555 rows of RSNA's stage_2_train_labels.csv. The heights of one film's two boxes go together.
NORMAL_QUANTILES = (-2.054, -1.282, -0.674, 0.0, 0.674, 1.282, 2.054)
WIDTHS = {
    1: (96, 131, 163, 201, 245, 286, 337),
    2: (114, 152, 187, 225, 265, 300, 349),
    3: (83, 118, 141, 171, 207, 239, 297),
    4: (88, 106, 128, 164, 202, 244, 267),
}
HEIGHTS = {
    1: (79, 122, 160, 230, 313, 416, 612),
    2: (115, 170, 237, 352, 485, 588, 695),
    3: (77, 115, 153, 203, 253, 330, 474),
    4: (91, 106, 130, 172, 222, 253, 421),
}
WIDTH_HEIGHT = 0.6  # correlation of the logarithms in one box
BETWEEN_BOXES = {1: (0.0, 0.0), 2: (0.62, 0.76), 3: (0.3, 0.3), 4: (0.3, 0.3)}  # of widths, of heights in one film
# How many of a film's boxes lie at the picture's left, the patient's right: {number: share}, from the same table.
LEFT_COUNTS = {1: {0: 0.38, 1: 0.62}, 2: {0: 0.01, 1: 0.98, 2: 0.01}, 3: {1: 0.38, 2: 0.62}, 4: {1: 0.15, 2: 0.85}}
# kind: share of films, strength (1 is as dense as the heart), softness of the border, patchiness, fluffiness
KINDS = {
    "consolidation": (0.35, (0.68, 1.02), (0.50, 0.80), (0.0, 0.35), 0.14),
    "patchy": (0.40, (0.58, 1.02), (0.50, 0.85), (0.4, 0.9), 0.22),
    "ground_glass": (0.25, (0.42, 0.70), (0.50, 0.80), (0.1, 0.5), 0.18),
}


def coarse_lungs(body):
    """Return both lungs as (2, COARSE, COARSE) float32, grown a little: disease blurs their borders."""
    lungs = [cv2.resize(lung, (COARSE, COARSE), interpolation=cv2.INTER_AREA) for lung in body.lungs]
    return np.stack([np.clip(1.25 * cv2.GaussianBlur(lung, (0, 0), 0.7), 0, 1) for lung in lungs])


def draw_sizes(n_opacities, rng):
    """Return box sizes (N, 2), height and width in film pixels, spread and correlated as RSNA's are."""
    common, own = rng.standard_normal(2), rng.standard_normal((n_opacities, 2))
    rho_width, rho_height = BETWEEN_BOXES[n_opacities]
    sizes = []
    for z_width, z_other in own:
        z_width = math.sqrt(rho_width) * common[0] + math.sqrt(1 - rho_width) * z_width
        z_other = math.sqrt(rho_height) * common[1] + math.sqrt(1 - rho_height) * z_other
        z_height = WIDTH_HEIGHT * z_width + math.sqrt(1 - WIDTH_HEIGHT**2) * z_other
        size = [
            np.interp(z, NORMAL_QUANTILES, table[n_opacities]) for z, table in ((z_height, HEIGHTS), (z_width, WIDTHS))
        ]
        sizes.append([round(float(length)) for length in size])
    return np.array(sizes, dtype=np.float64).reshape(n_opacities, 2)


def draw_sides(n_opacities, rng):
    """Return the lung of each opacity, 0 for the picture's left."""
    left = LEFT_COUNTS[n_opacities]
    n_left = int(rng.choice(list(left), p=list(left.values())))
    return [0] * n_left + [1] * (n_opacities - n_left)


def place_in_lung(lung, sizes, side, lowness, rng):
    """Return target boxes (k, 4) in coarse pixels: one above the other inside a lung (COARSE, COARSE).

    ``lowness`` is 0 where a single one lies at the apex and 1 at the base.
    """
    y1, x1, y2, x2 = box_of(lung > 0.5, scale=1)
    heights = np.minimum(sizes[:, 0] * COARSE / FILM, y2 - y1)
    if len(heights) > 1:  # room between them
        heights *= min(1.0, 0.95 * (y2 - y1) / heights.sum())
    gaps = np.sort(rng.beta(1.2, 0.6, len(heights)))
    if len(heights) == 1:  # as low as in the other lung, or nearly
        gaps = np.clip([lowness + 0.12 * rng.standard_normal()], 0, 1)
    starts = y1 + (y2 - y1 - heights.sum()) * gaps + np.concatenate([[0.0], np.cumsum(heights)[:-1]])
    boxes = []
    for start, height, width in zip(starts, heights, sizes[:, 1] * COARSE / FILM):
        columns = np.flatnonzero((lung[int(start) : int(start + height) + 1] > 0.5).any(axis=0))
        inner, outer = (columns[0], columns[-1] + 1) if len(columns) else (x1, x2)
        width = min(width, outer - inner)
        share = rng.beta(1.7, 0.5)  # towards the hilum
        left = inner + (outer - inner - width) * (share if side == 0 else 1 - share)
        boxes.append([start, left, start + height, left + width])
    return np.array(boxes)


def thickest(lung):
    """Return the place (y, x) in coarse pixels with the most lung around it."""
    return np.array(np.unravel_index(np.argmax(cv2.GaussianBlur(lung, (0, 0), 4)), lung.shape)) + 0.5


def rows_of_lung(target, lung):
    """Return a target box and the lung in its rows; where there is none, the box moved to where the lung is thickest.

    A lung may end high above a speck of it in the corner over the diaphragm, and a box lie between the two.
    """
    rows = np.arange(COARSE) + 0.5
    band = soft_step((rows - target[0]) / 3 + 1) * soft_step((target[2] - rows) / 3 + 1)
    part = lung * band[:, None].astype(np.float32)
    if part.max() > 0.5:
        return target, part
    return target + np.tile(thickest(lung) - (target[:2] + target[2:]) / 2, 2), lung


def without_specks(envelope, share):
    """Return the envelope without what it has above ``share`` in pieces under 6 % of the largest."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((envelope > share).astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    small = [label for label in range(1, count) if areas[label - 1] < 0.06 * areas.max()]
    return np.where(np.isin(labels, small), 0, envelope) if small else envelope


def shape_envelope(target, lung, look, rng):
    """Return a blob (COARSE, COARSE) float32 in [0, 1] whose mask fills the target box as far as the lung lets it."""
    rows, columns = np.mgrid[:COARSE, :COARSE].astype(np.float32) + 0.5
    extent = max(target[2] - target[0], target[3] - target[1])
    warp = [smooth_noise(rng, lung.shape, max(4, extent / part)) for part in (2.0, 2.0, 5.0)]
    patches = smooth_noise(rng, lung.shape, max(3.5, extent / 4.5))
    lattice = np.clip(1 - look["patchiness"] * np.clip(0.45 - 0.8 * patches, 0, 0.85), 0.05, 1)
    middle, half = (target[:2] + target[2:]) / 2, (target[2:] - target[:2]) / 2 + 1.0
    near_lung = np.maximum(cv2.GaussianBlur(lung, (0, 0), 1.1), np.float32(0.3))
    for _ in range(5):
        v = (rows - np.float32(middle[0])) / np.float32(half[0]) + 0.22 * warp[0]
        u = (columns - np.float32(middle[1])) / np.float32(half[1]) + 0.22 * warp[1]
        distance = 0.6 * np.sqrt(u * u + v * v) + 0.4 * np.maximum(abs(u), abs(v)) + 0.10 * warp[2]
        blob = soft_step((1.1 - distance) / np.float32(look["softness"])) * lattice * lung
        blob = cv2.GaussianBlur(blob.astype(np.float32), (0, 0), 1.1) / near_lung * lung  # not thinner at borders
        if blob.max() <= 1e-3:  # beside a small or oddly shaped lung: start again at its thickest place
            middle = thickest(lung)
            continue
        blob = without_specks(blob / blob.max(), MASK_SHARE)
        found = np.array(box_of(blob > MASK_SHARE, scale=1))
        middle = middle + 0.8 * ((target[:2] + target[2:]) - (found[:2] + found[2:])) / 2
        middle = np.clip(middle, 0.8 * target[:2] + 0.2 * target[2:], 0.2 * target[:2] + 0.8 * target[2:])
        half = np.clip(half * np.clip((target[2:] - target[:2]) / (found[2:] - found[:2]), 0.7, 1.4), 2.0, COARSE)
    return blob


def bronchograms(shape, toward, rng):
    """Return faint branching airways (h, w) float32 in [0, 1], from the side of the hilum (-1 left, 1 right) out."""
    height, width = shape
    lines = np.zeros(shape, np.uint8)
    stems = [(height * rng.uniform(0.2, 0.5), width if toward > 0 else 0.0, math.pi * (toward > 0), 2)]
    while stems:
        y, x, angle, left = stems.pop()
        length = rng.uniform(0.25, 0.5) * width
        for _ in range(5):
            angle += rng.normal(0.0, 0.16)
            end_y, end_x = y + math.sin(angle) * length / 5, x + math.cos(angle) * length / 5
            points = [int(round(16 * p)) for p in (x, y, end_x, end_y)]
            cv2.line(lines, tuple(points[:2]), tuple(points[2:]), 255, 1 + (left > 1), cv2.LINE_AA, 4)
            y, x = end_y, end_x
        if left:
            stems += [(y, x, angle + turn, left - 1) for turn in (rng.uniform(0.25, 0.7), -rng.uniform(0.25, 0.7))]
    return cv2.GaussianBlur(lines.astype(np.float32) / 255, (0, 0), 1.2)


def streaks(shape, side, rng):
    """Return noise (h, w) drawn out along the vessels, which run from the hilum down and out."""
    height, width = shape
    reach = int(math.hypot(height, width)) + 4
    noise = cv2.resize(smooth_noise(rng, (reach, reach // 3 + 4), 8), (reach, reach), interpolation=cv2.INTER_LINEAR)
    angle = (38 if side == 0 else -38) + 14 * rng.standard_normal()
    turn = cv2.getRotationMatrix2D((reach / 2, reach / 2), float(angle), 1.0)
    turn[:, 2] -= (reach - width) / 2, (reach - height) / 2
    return cv2.warpAffine(noise, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def texture(shape, side, fluffiness, rng):
    """Return factors (h, w) around 1: clouds within clouds, streaks along the vessels, a mesh of thickened septa."""
    clouds = 0.8 * smooth_noise(rng, shape, 26) + 0.4 * smooth_noise(rng, shape, 11)
    mesh = sum(np.clip(1 - 1.5 * abs(smooth_noise(rng, shape, period)), 0, 1) for period in (17, 9))
    grain = 0.25 * smooth_noise(rng, shape, 5)
    return np.clip(1 + fluffiness * (clouds + 0.7 * streaks(shape, side, rng) + 0.6 * mesh + grain - 0.4), 0.1, 1.8)


def add_to_film(canvas, envelope, side, look, levels, rng):
    """Add the opacity to ``canvas.attenuation``, in place, as far as its envelope (WORK, WORK) reaches."""
    y1, x1, y2, x2 = (int(v) for v in box_of(envelope > 0.01, scale=1))
    part = np.s_[y1:y2, x1:x2]
    added = envelope[part] * texture((y2 - y1, x2 - x1), side, look["fluffiness"], rng)
    if look["airways"]:
        added *= 1 - 0.35 * bronchograms(added.shape, 1 if side == 0 else -1, rng)
    add_shadow(canvas, part, np.float32(look["strength"]) * added, levels)


def draw_look(rng):
    """Return how one film's pneumonia looks: kind, strength, softness, patchiness, fluffiness, airways."""
    kind = str(rng.choice(list(KINDS), p=[row[0] for row in KINDS.values()]))
    _, strength, softness, patchiness, fluffiness = KINDS[kind]
    look = {
        name: round(float(rng.uniform(*limits)), 3)
        for name, limits in (("strength", strength), ("softness", softness), ("patchiness", patchiness))
    }
    return {"kind": kind, **look, "fluffiness": fluffiness, "airways": bool(look["strength"] > 0.6)}


def add_opacities(canvas, plan, rng):
    """Draw the film's pneumonia and return its masks.

    Parameters
    ----------
    canvas : Canvas
        Its ``attenuation`` is changed in place.
    plan : PhantomPlan
        ``n_opacities`` of 0 to 4; 0 changes nothing.
    rng : numpy.random.Generator

    Returns
    -------
    masks : ndarray of shape (N, WORK, WORK), bool
        Where an opacity adds more than `MASK_SHARE` of its peak; the left lung's first, in each lung from above.
    drawn : list of N dicts
        Kind, strength, lung and tight box (film pixels) of each, fit for JSON.

    Raises
    ------
    ValueError
        If the plan asks for more than 4 opacities, or for some in a body that lacks that lung.

    Notes
    -----
    Sizes follow the boxes of RSNA's readers (`WIDTHS`, `HEIGHTS`), cut to the lung; two in one film mostly lie in
    both lungs and resemble each other; opacities in one lung lie one above the other.
    """
    if plan.n_opacities not in (0, *WIDTHS):
        raise ValueError(f"plan.n_opacities must be 0 to {max(WIDTHS)}, got {plan.n_opacities}")
    masks, drawn = np.zeros((plan.n_opacities, WORK, WORK), dtype=bool), []
    if not plan.n_opacities:
        return masks, drawn
    levels, lungs = tissue_levels(canvas), coarse_lungs(canvas.body)
    sizes, sides, look = draw_sizes(plan.n_opacities, rng), draw_sides(plan.n_opacities, rng), draw_look(rng)
    lowness = float(rng.beta(1.6, 0.40))  # RSNA's boxes lie low
    for side in sorted(set(sides)):
        if not (lungs[side] > 0.5).any():
            raise ValueError(f"canvas.body.lungs must show both lungs for opacities, lung {side} is empty")
        for target in place_in_lung(lungs[side], sizes[[one == side for one in sides]], side, lowness, rng):
            own = {**look, "strength": round(look["strength"] * float(rng.uniform(0.75, 1.1)), 3)}
            blob = shape_envelope(*rows_of_lung(target, lungs[side]), own, rng)
            envelope = cv2.resize(blob, (WORK, WORK), interpolation=cv2.INTER_LINEAR)
            envelope *= 0.05 + 0.95 * canvas.body.lungs[side]  # what is solid already gets hardly more so
            masks[len(drawn)] = envelope > MASK_SHARE
            add_to_film(canvas, envelope, side, own, levels, rng)
            drawn.append({**own, "lung": side, "box": box_of(masks[len(drawn)])})
    return masks, drawn
