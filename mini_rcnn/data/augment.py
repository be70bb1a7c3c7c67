"""Augmentation: each time a film is shown it is a little different, and its masks and boxes with it.

The slides' recipe has three steps, each one of two operations: affine or piecewise affine; brightness or contrast; blur
or sharpen. For validation it is off: simply not called.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from mini_rcnn.stages._check import unit_number, whole_number

from .piecewise import grid_places, piecewise_affine, smallest_stretch, still_grid
from .tones import blur, brightness, contrast, sharpen
from .warps import affine, boxes_of_masks, film_and_masks, flip

__all__ = [
    "SLIDES", "WIDE", "AugmentationSettings", "Step", "affine", "apply_step", "augment", "blur", "boxes_of_masks",
    "brightness", "contrast", "draw_focus", "draw_geometry", "draw_tone", "flip", "piecewise_affine", "sharpen",
]  # fmt: skip

LEAST_STRETCH = 0.05  # of a piecewise map drawn here: no part of a film shrinks to less than a twentieth of its area
# What each range may hold: (lowest, highest, whether the lowest itself is allowed).
LIMITS = {
    "scale_y": (0, 4, False),
    "scale_x": (0, 4, False),
    "shift_y": (-1, 1, True),
    "shift_x": (-1, 1, True),
    "rotate": (-180, 180, True),
    "shear": (-45, 45, True),
    "piecewise": (0, 0.2, True),
    "brightness": (0, 4, True),
    "contrast": (0, 4, True),
    "blur": (0, 10, True),
    "sharpen": (0, 1, True),
}


@dataclass(frozen=True)
class AugmentationSettings:
    """How much a film may change; each pair is a range (low, high) that is drawn from evenly.

    The defaults are the slides' (their imgaug sequence, data augmentation slide), except where a comment says "ours".
    """

    scale_y: tuple = (0.98, 1.04)  # factor
    scale_x: tuple = (0.98, 1.04)  # factor
    shift_y: tuple = (-0.05, 0.05)  # part of the height
    shift_x: tuple = (-0.03, 0.03)  # part of the width
    rotate: tuple = (-2.0, 2.0)  # degrees
    shear: tuple = (-1.0, 1.0)  # degrees
    piecewise: tuple = (0.001, 0.025)  # standard deviation of a grid point's offset, part of the side
    piecewise_grid: tuple = (4, 4)  # points, rows and columns; imgaug draws 2, 3 or 4 of each anew for every image
    brightness: tuple = (0.85, 1.15)  # factor on grey levels
    contrast: tuple = (0.85, 1.15)  # factor on the distance from middle grey
    blur: tuple = (0.0, 0.12)  # sigma, pixels; does nothing, see `mini_rcnn.data.tones.blur`
    sharpen: tuple = (0.0, 0.12)  # share of the sharpening kernel
    flip_probability: float = 0.0  # ours; 0 because a mirrored chest has its heart on the wrong side
    smallest_share: float = 0.25  # ours; a mask that would keep fewer of its pixels has its geometry drawn again
    tries: int = 10  # ours; drawn so often, then the film keeps its geometry

    def __post_init__(self):
        for key, limits in LIMITS.items():
            check_range(key, getattr(self, key), *limits)
        if not isinstance(self.piecewise_grid, tuple) or len(self.piecewise_grid) != 2:
            raise ValueError(f"piecewise_grid must be (rows, columns), got {self.piecewise_grid!r}")
        for count in self.piecewise_grid:
            whole_number("piecewise_grid", count, 2)
        unit_number("flip_probability", self.flip_probability)
        unit_number("smallest_share", self.smallest_share)
        whole_number("tries", self.tries, 1)
        if self.smallest_share > self.scale_y[0] * self.scale_x[0]:
            raise ValueError(
                f"smallest_share must be at most the least scale_y times the least scale_x, "
                f"{self.scale_y[0] * self.scale_x[0]:g}, or small films are refused, got {self.smallest_share}"
            )


def check_range(key, pair, low, high, low_allowed):
    """Raise ValueError unless a pair is a range (low, high) of numbers within the limits."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ValueError(f"{key} must be a pair (low, high), got {pair!r}")
    for value in pair:
        inside = isinstance(value, numbers.Real) and math.isfinite(value) and low <= value <= high
        if not inside or (value == low and not low_allowed):
            rule = f"from {low} to {high}" if low_allowed else f"above {low} and at most {high}"
            raise ValueError(f"{key} must hold numbers {rule}, got {pair!r}")
    if pair[0] > pair[1]:
        raise ValueError(f"{key} must be (low, high) with low <= high, got {pair!r}")


SLIDES = AugmentationSettings()
# For few films: what a film may be without being another disease, mirrored too.
WIDE = AugmentationSettings(
    scale_y=(0.85, 1.15),
    scale_x=(0.85, 1.15),
    shift_y=(-0.06, 0.06),
    shift_x=(-0.06, 0.06),
    rotate=(-6.0, 6.0),
    shear=(-2.0, 2.0),
    flip_probability=0.5,
)


class Step(NamedTuple):
    """One operation that was drawn: the name of a function of this module, and its keyword arguments."""

    name: str
    values: dict


WARPS = {"affine": affine, "piecewise_affine": piecewise_affine, "flip": flip}
TONES = {"brightness": brightness, "contrast": contrast, "blur": blur, "sharpen": sharpen}


def apply_step(step, image, masks):
    """Return ``(image, masks)`` after one step; only a warp touches the masks.

    >>> image, masks = np.full((2, 2), 100, dtype=np.uint8), np.zeros((0, 2, 2), dtype=bool)
    >>> apply_step(Step("brightness", {"factor": 1.1}), image, masks)[0].tolist()
    [[110, 110], [110, 110]]
    """
    if step.name in WARPS:
        return WARPS[step.name](image, masks, **step.values)
    return TONES[step.name](image, **step.values), masks


def draw(rng, pair):
    """Return a float drawn evenly from a range."""
    return pair[0] + (pair[1] - pair[0]) * float(rng.random())


def draw_offsets(rng, settings):
    """Return offsets for `piecewise_affine`: normal, no corner beyond the film's border, never folding it over.

    One standard deviation is drawn for the film and each grid point's offset from it, as imgaug does. Points on the
    border move inwards or along it, so nothing from outside the film comes in. Where the offsets would fold the film,
    they are halved until they do not; with the slides' range that never happens (it takes 9 standard deviations).
    """
    rows, columns = settings.piecewise_grid
    offsets = draw(rng, settings.piecewise) * rng.normal(size=(rows, columns, 2))
    offsets = np.clip(grid_places(offsets), 0, 1) - still_grid(rows, columns)
    while smallest_stretch(offsets) < LEAST_STRETCH:
        offsets = offsets / 2
    return offsets


def draw_geometry(rng, settings=SLIDES):
    """Return the step that moves pixels: `affine` or `piecewise_affine`, evenly."""
    if rng.random() < 0.5:
        values = {
            "scale": (draw(rng, settings.scale_y), draw(rng, settings.scale_x)),
            "shift": (draw(rng, settings.shift_y), draw(rng, settings.shift_x)),
            "rotate": draw(rng, settings.rotate),
            "shear": draw(rng, settings.shear),
        }
        return Step("affine", values)
    return Step("piecewise_affine", {"offsets": draw_offsets(rng, settings)})


def draw_tone(rng, settings=SLIDES):
    """Return the step that changes grey levels: `brightness` or `contrast`, evenly."""
    name = "brightness" if rng.random() < 0.5 else "contrast"
    return Step(name, {"factor": draw(rng, getattr(settings, name))})


def draw_focus(rng, settings=SLIDES):
    """Return the step that changes sharpness: `blur` or `sharpen`, evenly."""
    if rng.random() < 0.5:
        return Step("blur", {"sigma": draw(rng, settings.blur)})
    return Step("sharpen", {"alpha": draw(rng, settings.sharpen)})


def all_kept(before, after, smallest_share):
    """Return whether every mask kept its share of pixels, and at least one where it had any.

    Parameters
    ----------
    before, after : ndarrays of shape (N, H, W), bool
        The masks of a film, and the same masks after a warp, in the same order.
    smallest_share : float
        From 0 to 1: of its pixels, what each mask has to keep. Exactly so much is enough.

    Returns
    -------
    kept : bool
        True where there is no mask. A mask that had no pixel cannot lose one. A mask that had some must have one left
        even if ``smallest_share`` is 0.

    Notes
    -----
    Each mask is asked by itself: a large opacity that stays does not make up for a small one that is pushed out of the
    picture. `augment` draws its geometry again where this is False. Matterport has no such test: a box that was pushed
    out disappears, and the film may then teach that there is nothing where there is something.

    Examples
    --------
    >>> before = np.array([[[True, True, True, True]]])
    >>> after = np.array([[[True, False, False, False]]])
    >>> all_kept(before, after, 0.25), all_kept(before, after, 0.3)
    (True, False)
    """
    had, has = before.sum(axis=(1, 2)), after.sum(axis=(1, 2))
    some_left = (has > 0) | (had == 0)
    return bool(((has >= smallest_share * had) & some_left).all())


def augment(image, masks, *, rng, settings=SLIDES):
    """Return a film and its masks, changed by one draw of the recipe.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
        A grey film.
    masks : ndarray of shape (N, H, W), bool
        One for each opacity; none is normal.
    rng : numpy.random.Generator
        The same state gives the same bytes.
    settings : AugmentationSettings, default SLIDES

    Returns
    -------
    image : ndarray of shape (H, W), uint8
    masks : ndarray of shape (N, H, W), bool
        As many as before, in their order; `boxes_of_masks` has the new boxes.

    Raises
    ------
    ValueError
        If image or masks have another shape or dtype, or ``rng`` or ``settings`` is something else.

    Notes
    -----
    One of affine or piecewise affine, one of brightness or contrast, one of blur or sharpen. **No box vanishes**: where
    a mask would keep less than ``settings.smallest_share`` of its pixels, the geometry is drawn again, up to
    ``settings.tries`` times, and then left alone for this film. The slides' ranges need that only for a box cut by the
    picture's edge. Matterport drops a box that was pushed out of the picture, and says nothing.

    Of the slides' settings, blur changes no pixel at all, so in half of the draws the third step does nothing.

    Examples
    --------
    >>> film, masks = np.full((64, 64), 90, dtype=np.uint8), np.zeros((1, 64, 64), dtype=bool)
    >>> masks[0, 20:40, 10:30] = True
    >>> film, masks = augment(film, masks, rng=np.random.default_rng(3))
    >>> film.shape, masks.shape, bool(masks.any())
    ((64, 64), (1, 64, 64), True)
    """
    image, masks = film_and_masks(image, masks)
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a numpy.random.Generator, got {type(rng).__name__}")
    if not isinstance(settings, AugmentationSettings):
        raise ValueError(f"settings must be AugmentationSettings, got {type(settings).__name__}")
    image, masks = warp_keeping(image, masks, rng, settings)
    for step in (draw_tone(rng, settings), draw_focus(rng, settings)):
        image, masks = apply_step(step, image, masks)
    return image, masks


def warp_keeping(image, masks, rng, settings):
    """Return film and masks after a warp that loses no mask, or copies of them where none was found in time."""
    if settings.flip_probability and rng.random() < settings.flip_probability:
        image, masks = flip(image, masks)
    for _ in range(settings.tries):
        warped = apply_step(draw_geometry(rng, settings), image, masks)
        if all_kept(masks, warped[1], settings.smallest_share):
            return warped
    return image.copy(), masks.copy()


def settings_as_dict(settings):
    """Return the settings as plain lists and numbers, for a JSON file or a table.

    >>> settings_as_dict(SLIDES)["rotate"]
    [-2.0, 2.0]
    """
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
