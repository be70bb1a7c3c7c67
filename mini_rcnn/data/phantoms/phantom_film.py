"""From attenuation to film: scatter, exposure, the tone curve, sharpening, grain and the collimator's edges."""

from __future__ import annotations

import cv2
import numpy as np

from .phantom_tubes import blurred
from .phantom_types import FILM

STEPS = 1 << 16  # of the tone curve's table: far finer than a grey level


def levels_of(plan, rng):
    """Return the grey levels that lungs and heart are developed to, the curve's white, and what is left of air's."""
    portable = plan.view == "AP"
    flat = rng.random() < (0.45 if portable else 0.40)  # washed-out looks, as many of the old films have
    lung = rng.normal(107, 9) if flat else rng.normal(99 if portable else 71, 13)
    heart = rng.normal(179 if portable else 205, 8)
    lung += {"normal": 0, "under": 16, "over": -20}[plan.exposure]
    heart += {"normal": 0, "under": 8, "over": -26}[plan.exposure]
    return (
        float(np.clip(lung, 26, 140)),
        float(np.clip(heart, 150, 224)),
        float(rng.uniform(226, 246)),
        float(rng.uniform(0.1, 0.9)),
    )


def measured(body, attenuation):
    """Return the attenuation of lungs and of the mediastinum, the two that an exposure is set by."""
    small = attenuation[::4, ::4]
    lungs = small[body.lungs[:, ::4, ::4].max(axis=0) > 0.8]
    heart = small[body.heart[::4, ::4] > 0.8]
    low = float(np.percentile(lungs.astype(np.float64), 35)) if len(lungs) else 6.0
    high = float(np.percentile(heart.astype(np.float64), 60)) if len(heart) else 18.0
    return round(low, 4), round(max(high, low + 3.0), 4)


def tone(attenuation, low, high, levels):
    """Return grey values (float32) of attenuation: an S through the two measured points."""
    lung, heart, white, air = levels
    first, second = (np.log(v / (white - v)) for v in (lung, heart))
    slope = (second - first) / (high - low)
    top = high + 2.5 * (high - low)
    steps = np.linspace(-4, top, STEPS)
    table = white / (1 + np.exp(-(first + slope * (steps - low)))) * np.interp(steps, [0.5, 0.6 * low], [air, 1])
    table = table.astype(np.float32)
    place = (attenuation + np.float32(4)) * np.float32((STEPS - 1) / (top + 4))
    return table[np.clip(place, 0, STEPS - 1).astype(np.intp)]


def grain(rng):
    """Return the film's noise (FILM, FILM), float32, mean 0 and spread about 0.5."""
    side = FILM // 2 + 64
    # Four bytes added up are nearly normal, entirely so once blurred, and whole numbers are the same on every machine.
    tile = rng.integers(0, 256, (4, side, side), dtype=np.uint8).sum(axis=0, dtype=np.int32) - 510
    tile = cv2.GaussianBlur((tile / 147.8).astype(np.float32), (7, 7), 1.1) * np.float32(1.9)
    noise = np.empty((FILM, FILM), np.float32)
    half = FILM // 2
    for row in (0, half):  # one tile, cut at four places and turned over: drawing a million numbers takes long
        for column in (0, half):
            y, x = rng.integers(0, 64, 2)
            noise[row : row + half, column : column + half] = tile[y : y + half, x : x + half][
                :: -1 if row else 1, :: -1 if column else 1
            ]
    return noise


def collimate(image, plan, rng):
    """Return the image with what the collimator left unexposed: margins, sometimes askew."""
    if rng.random() > (0.45 if plan.view == "PA" else 0.6):
        return image
    tilt = np.radians(rng.normal(0, 0.5) + (rng.normal(0, 4.0) if rng.random() < 0.3 else 0))
    margins = np.maximum(rng.normal(-6, 16, 4), -30) + abs(np.sin(tilt)) * 120  # left, right, top, bottom
    margins = np.where(rng.random(4) < 0.55, margins, -200).tolist()
    rows, columns = np.mgrid[0:FILM:8, 0:FILM:8].astype(np.float32) - np.float32(FILM / 2)
    cosine, sine = float(np.cos(tilt)), float(np.sin(tilt))  # plain numbers: NumPy 2 counts in float64 with its own
    across = columns * cosine + rows * sine + FILM / 2
    down = rows * cosine - columns * sine + FILM / 2
    inwards = np.minimum.reduce(
        [across - margins[0], FILM - margins[1] - across, down - margins[2], FILM - margins[3] - down]
    ).astype(np.float32)
    inwards = cv2.resize(inwards, (FILM, FILM), interpolation=cv2.INTER_LINEAR)
    edge = np.clip(inwards / np.float32(rng.uniform(1.5, 7)), 0, 1)
    return image * edge + np.float32(rng.uniform(0, 10)) * (1 - edge)


def develop(canvas, plan, rng):
    """Develop a canvas into a film.

    Parameters
    ----------
    canvas : Canvas
    plan : PhantomPlan
    rng : np.random.Generator

    Returns
    -------
    film : ndarray of shape (1024, 1024), uint8
        Dark where nothing stood in the rays' way.
    """
    portable = plan.view == "AP"
    # On a grid of a 4096th cm the last digits, in which two versions of NumPy may differ, are gone.
    soft = np.round(canvas.attenuation * np.float32(4096)) / np.float32(4096)
    soft = cv2.GaussianBlur(soft, (0, 0), rng.uniform(0.3, 0.45) + 0.2 * portable)
    scatter = rng.uniform(0.05, 0.14) + 0.06 * portable
    soft = soft * np.float32(1 - scatter) + blurred(soft, 36) * np.float32(scatter)
    if rng.random() < 0.45:  # dynamic range compression, as digital systems do
        soft = soft - np.float32(rng.uniform(0.08, 0.25)) * blurred(soft, 28)
    low, high = measured(canvas.body, soft)
    levels = levels_of(plan, rng)
    edges = soft - cv2.GaussianBlur(soft, (0, 0), 2.5)
    soft += np.float32(rng.uniform(0.0, 0.4) * (0.4 if portable else 1.0)) * edges
    large = cv2.resize(soft, (FILM, FILM), interpolation=cv2.INTER_CUBIC)
    fine = rng.uniform(0.8, 2.4)
    large += np.float32(fine) * (large - cv2.GaussianBlur(large, (7, 7), 1.5))
    for draw in canvas.sharp:
        large = draw(large)
    speckle = grain(rng)
    large += speckle * np.float32((0.20 if portable else 0.165) * rng.uniform(0.6, 1.5))
    image = tone(large, low, high, levels)
    image += speckle * np.float32(rng.uniform(0.5, 1.1))
    image = collimate(image, plan, rng)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
