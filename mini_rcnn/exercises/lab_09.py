"""Lab 09, augmentation."""

from __future__ import annotations

import math

import numpy as np

from mini_rcnn.cases import Case

from .exercise import Exercise, Mistake

CLOSE = 1e-9  # float64 against float64: another order of the same sums


# Masks to boxes.


def blob(height, width, *parts):
    """Return a mask (height, width) with rectangles ``(y1, x1, y2, x2)`` set."""
    mask = np.zeros((height, width), dtype=bool)
    for y1, x1, y2, x2 in parts:
        mask[y1:y2, x1:x2] = True
    return mask


def mask_cases(seed):
    """Return cases of ``boxes_of_masks``: none, empty, one pixel, holes and parts, and random ones."""
    rng = np.random.default_rng([seed, 91])

    def case(name, masks, outputs=None):
        masks = np.array(masks, dtype=bool)
        return Case(name, (masks,), {}, 0, () if outputs is None else (np.array(outputs, np.float64),))

    holed = blob(6, 8, (1, 1, 5, 6)) & ~blob(6, 8, (2, 2, 4, 5))
    cases = [
        case("one pixel", [blob(5, 6, (2, 3, 3, 4))], [[2, 3, 3, 4]]),
        case("a rectangle", [blob(5, 6, (1, 2, 3, 6))], [[1, 2, 3, 6]]),
        case("the whole picture", [np.ones((4, 7))], [[0, 0, 4, 7]]),
        case("a hole", [holed], [[1, 1, 5, 6]]),
        case("two parts", [blob(6, 8, (0, 1, 1, 2), (4, 6, 6, 7))], [[0, 1, 6, 7]]),
        case("two masks", [blob(5, 6, (0, 0, 2, 3)), blob(5, 6, (1, 2, 5, 4))], [[0, 0, 2, 3], [1, 2, 5, 4]]),
        case("a mask without a pixel", np.zeros((1, 3, 4)), [[0, 0, 0, 0]]),
        case("one of two without a pixel", [blob(3, 4), blob(3, 4, (0, 1, 2, 3))], [[0, 0, 0, 0], [0, 1, 2, 3]]),
        case("no masks", np.zeros((0, 3, 4)), np.zeros((0, 4))),
    ]
    for number in range(10):
        size = rng.integers(4, 12, 2)
        cases.append(case(f"random {number}", rng.random((int(rng.integers(1, 4)), *size)) < 0.08))
    return cases


def wrong_boxes(*, end=1, swapped=False, sides=False, empty=True, together=False):
    """Return ``boxes_of_masks`` with one thing changed."""

    def function(masks):
        boxes = np.zeros((len(masks), 4))
        for box, mask in zip(boxes, masks):
            mask = masks.any(axis=0) if together else mask
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            if empty and not rows.size:
                continue
            y1, y2, x1, x2 = rows[0], rows[-1] + end, columns[0], columns[-1] + end
            if sides:
                y2, x2 = y2 - y1, x2 - x1
            box[:] = (x1, y1, x2, y2) if swapped else (y1, x1, y2, x2)
        return boxes

    return function


# The matrix of an affine warp.


def matrix_cases(seed):
    """Return cases of ``affine_matrix``: each part by itself, a quarter turn by hand, and random warps."""
    rng = np.random.default_rng([seed, 92])

    def case(name, size, outputs=None, **options):
        return Case(name, (size,), options, CLOSE, () if outputs is None else (np.array(outputs, np.float64),))

    cases = [
        case("nothing", (4, 8), [[1, 0, 0], [0, 1, 0]]),
        case("half a height down", (4, 8), [[1, 0, 0], [0, 1, 2]], shift=(0.5, 0)),
        case("a quarter of the width to the right", (4, 8), [[1, 0, 2], [0, 1, 0]], shift=(0, 0.25)),
        case("twice as wide", (4, 8), [[2, 0, -3.5], [0, 1, 0]], scale=(1, 2)),
        case("a quarter turn", (5, 5), [[0, -1, 4], [1, 0, 0]], rotate=90),
        case("a quarter turn of a wide picture", (4, 8), rotate=90),
        case("leaning", (9, 9), shear=10),
        case("turned and larger", (9, 7), rotate=30, scale=(1.5, 0.5)),
        case("a single pixel", (1, 1), [[-1, 0, 0], [0, -1, 0]], rotate=180),
    ]
    for number in range(10):
        options = {
            "scale": tuple(np.round(rng.uniform(0.8, 1.25, 2), 2).tolist()),
            "shift": tuple(np.round(rng.uniform(-0.2, 0.2, 2), 2).tolist()),
            "rotate": round(float(rng.uniform(-30, 30)), 1),
            "shear": round(float(rng.uniform(-9, 9)), 1),
        }
        cases.append(case(f"random {number}", tuple(int(side) for side in rng.integers(8, 300, 2)), **options))
    return cases


def wrong_matrix(*, unit=math.radians, middle="pixels", shifted="parts", pairs="y, x", turned=1, leaning="more"):
    """Return ``affine_matrix`` with one thing changed."""

    def function(size, *, scale=(1, 1), shift=(0, 0), rotate=0, shear=0):
        height, width = size
        sy, sx = scale if pairs == "y, x" else scale[::-1]
        dy, dx = shift if pairs == "y, x" else shift[::-1]
        turn = turned * unit(rotate)
        lean = unit(shear) if leaning == "alone" else turned * unit(rotate + shear)
        linear = np.array([[sx * math.cos(turn), -sy * math.sin(lean)], [sx * math.sin(turn), sy * math.cos(lean)]])
        about = {"pixels": [(width - 1) / 2, (height - 1) / 2], "edges": [width / 2, height / 2], "corner": [0, 0]}
        about = np.array(about[middle])
        step = np.array([dx * width, dy * height] if shifted == "parts" else [dx, dy])
        return np.column_stack([linear, about + step - linear @ about])

    return function


# Contrast.


def is_settled(factor):
    """Return whether no grey level comes so near to a half that rounding could decide."""
    levels = 127 + factor * (np.arange(256) - 127)
    return bool((np.abs(levels % 1 - 0.5) > 1e-6).all())


def contrast_cases(seed):
    """Return cases of ``contrast``: nothing, one grey, both ends, one pixel, and random films."""
    rng = np.random.default_rng([seed, 93])

    def case(name, image, factor, outputs=None):
        outputs = () if outputs is None else (np.array(outputs, np.uint8),)
        return Case(name, (np.array(image, np.uint8), factor), {}, 0, outputs)

    cases = [
        case("nothing", [[0, 100, 127, 128, 255]], 1.0, [[0, 100, 127, 128, 255]]),
        case("more", [[0, 127, 227]], 1.12, [[0, 127, 239]]),
        case("too bright", [[227, 250]], 2.0, [[255, 255]]),
        case("too dark", [[27, 10]], 2.0, [[0, 0]]),
        case("less", [[27, 127, 227]], 0.8, [[47, 127, 207]]),
        case("one grey", [[0, 127], [200, 255]], 0.0, [[127, 127], [127, 127]]),
        case("a bright film", [[200, 210], [220, 230]], 0.9, [[193, 202], [211, 220]]),
        case("one pixel", [[60]], 3.0, [[0]]),
    ]
    while len(cases) < 18:
        factor = round(float(rng.uniform(0.4, 2.4)), 3)
        if is_settled(factor):
            cases.append(case(f"random {len(cases)}", rng.integers(0, 256, rng.integers(2, 6, 2)), factor))
    return cases


def in_eight_bits(image, factor):
    """The difference is taken in uint8, where 100 - 127 is 229."""
    away = image - np.uint8(127)
    return np.clip(np.rint(127 + factor * away), 0, 255).astype(np.uint8)


def wrong_contrast(*, middle=127.0, cut=True, rounded=np.rint):
    """Return ``contrast`` with one thing changed."""

    def function(image, factor):
        about = image.mean() if middle == "mean" else middle
        levels = rounded(about + factor * (image.astype(np.float64) - about))
        levels = np.clip(levels, 0, 255) if cut else np.mod(levels, 256)
        return np.floor(levels).astype(np.uint8)

    return function


# The weights of a blur.


def sigma_cases(seed):
    """Return cases of ``gaussian_weights``: the slides' sigma, nearly nothing, very wide, and random ones."""
    rng = np.random.default_rng([seed, 94])
    known = np.array([0.0002638651, 0.1064507, 0.7865708, 0.1064507, 0.0002638651])
    cases = [
        Case("half a pixel", (0.5,), {}, 1e-7, (known,)),
        Case("the slides' largest", (0.12,), {}, CLOSE, (np.array([0.0, 0, 1, 0, 0]),)),
        Case("nearly nothing", (0.05,), {}, CLOSE, (np.array([0.0, 0, 1, 0, 0]),)),
        Case("one pixel", (1.0,), {}, CLOSE),
        Case("so wide that all are alike", (1e6,), {}, CLOSE, (np.full(5, 0.2),)),
    ]
    sigmas = np.round(rng.uniform(0.2, 3, 10), 2).tolist()
    return [*cases, *(Case(f"random {number}", (sigma,), {}, CLOSE) for number, sigma in enumerate(sigmas))]


def wrong_weights(*, power=2, half=0.5, divided="sum", reach=2):
    """Return ``gaussian_weights`` with one thing changed."""

    def function(sigma):
        places = np.arange(-reach, reach + 1)
        weights = np.exp(-half * places**2 / sigma**power)
        by = {"sum": weights.sum(), "nothing": 1.0, "density": sigma * math.sqrt(2 * math.pi)}
        return weights / by[divided]

    return function


# Is every mask still there?


def kept_cases(seed):
    """Return cases of ``all_kept``: exactly enough, all gone, none there, one of many, and random ones."""
    rng = np.random.default_rng([seed, 95])

    def rows(*counts):
        """Return masks of one row of 20 pixels with so many set."""
        return np.array([np.arange(20) < count for count in counts], dtype=bool).reshape(-1, 1, 20)

    def case(name, before, after, share, outputs=None):
        return Case(name, (rows(*before), rows(*after), share), {}, 0, () if outputs is None else (np.array(outputs),))

    cases = [
        case("all of it", [8], [8], 0.25, True),
        case("exactly enough", [8], [2], 0.25, True),
        case("too little", [8], [1], 0.25, False),
        case("exactly all", [8, 4], [8, 4], 1.0, True),
        case("it grew", [8], [12], 0.25, True),
        case("gone, and nothing is asked for", [8], [0], 0.0, False),
        case("one pixel, and nothing is asked for", [8], [1], 0.0, True),
        case("no masks", [], [], 0.25, True),
        case("none there before", [0], [0], 0.25, True),
        case("none there before, one kept", [0, 8], [0, 8], 0.25, True),
        case("none there before, one lost", [0, 8], [0, 0], 0.25, False),
        case("the small one is gone", [18, 4], [18, 0], 0.25, False),
        case("the large one is gone", [18, 4], [1, 4], 0.5, False),
        case("the first is gone", [4, 8, 8], [0, 8, 8], 0.5, False),
    ]
    for number in range(10):
        before = rng.integers(1, 21, int(rng.integers(1, 4)))
        after = [int(rng.integers(count // 3, count + 1)) for count in before]
        cases.append(case(f"random {number}", before, after, float(rng.choice([0.25, 0.5, 0.75]))))
    return cases


def counts_of(before, after):
    """Return the pixels of each mask before and after."""
    return before.sum(axis=(1, 2)), after.sum(axis=(1, 2))


def kept_strictly(before, after, smallest_share):
    """Exactly enough is not enough."""
    had, has = counts_of(before, after)
    return bool((((has > smallest_share * had) | (had == 0)) & ((has > 0) | (had == 0))).all())


def kept_together(before, after, smallest_share):
    """The pixels of all masks are added up."""
    had, has = before.sum(), after.sum()
    return bool(has >= smallest_share * had and (has > 0 or had == 0))


def kept_any(before, after, smallest_share):
    """One mask that is kept is enough."""
    had, has = counts_of(before, after)
    kept = (has >= smallest_share * had) & ((has > 0) | (had == 0))
    return bool(kept.any() or not len(kept))


def kept_nothing_left(before, after, smallest_share):
    """A share of 0 lets a mask vanish."""
    had, has = counts_of(before, after)
    return bool((has >= smallest_share * had).all())


def kept_divided(before, after, smallest_share):
    """0 divided by 0."""
    had, has = counts_of(before, after)
    return bool(((has / had >= smallest_share) & (has > 0)).all())


def draw_masks(case, expected, got):
    """Return a drawing of the first mask whose box is wrong."""
    from mini_rcnn.view.lab_09 import mask_boxes_figure

    return mask_boxes_figure(case.inputs[0], expected[""], got[""])


def draw_matrices(case, expected, got):
    """Return a drawing of where the picture's edge goes."""
    from mini_rcnn.view.lab_09 import outlines_figure

    return outlines_figure(case.inputs[0], expected[""], got[""])


EXERCISES = (
    Exercise(
        "warps.boxes_of_masks",
        "mini_rcnn.data.warps:boxes_of_masks",
        mask_cases,
        (
            Mistake(
                "ends on the last pixel",
                wrong_boxes(end=0),
                "A mask of one pixel is one pixel high. How high is your box?",
            ),
            Mistake(
                "x before y",
                wrong_boxes(swapped=True),
                "Which axis of a mask is y, and which numbers of a box come first?",
            ),
            Mistake(
                "sides in place of corners",
                wrong_boxes(sides=True),
                "The last two numbers are a corner, not a height and a width.",
            ),
            Mistake(
                "a mask without a pixel",
                wrong_boxes(empty=False),
                "A mask may have no pixel at all. What is the first of no rows?",
            ),
            Mistake(
                "all masks in one box",
                wrong_boxes(together=True),
                "Each mask has a box of its own. Over which axis do you look?",
            ),
        ),
        draw_masks,
    ),
    Exercise(
        "warps.affine_matrix",
        "mini_rcnn.data.warps:affine_matrix",
        matrix_cases,
        (
            Mistake(
                "degrees taken for radians",
                wrong_matrix(unit=float),
                "In which unit do sine and cosine want an angle?",
            ),
            Mistake(
                "about the corner",
                wrong_matrix(middle="corner"),
                "Turn a picture by 90 degrees: which of its points stays where it is?",
            ),
            Mistake(
                "half a pixel off",
                wrong_matrix(middle="edges"),
                "Pixel i has its middle at i. Where then is the middle of a picture that is one pixel wide?",
            ),
            Mistake(
                "shift in pixels",
                wrong_matrix(shifted="pixels"),
                "A shift is a part of the sides. How many pixels is half a height?",
            ),
            Mistake(
                "x before y in scale and shift",
                wrong_matrix(pairs="x, y"),
                "scale and shift come as (y, x), the matrix wants x first.",
            ),
            Mistake(
                "turned the other way",
                wrong_matrix(turned=-1),
                "y points down. Where does a point to the right of the middle go when you turn clockwise?",
            ),
            Mistake(
                "shear without the turn",
                wrong_matrix(leaning="alone"),
                "The vertical turns with the picture and leans as well: which angle stands in the second column?",
            ),
        ),
        draw_matrices,
    ),
    Exercise(
        "tones.contrast",
        "mini_rcnn.data.tones:contrast",
        contrast_cases,
        (
            Mistake(
                "computed in 8 bits",
                in_eight_bits,
                "A uint8 has no negative numbers. What is 100 - 127 in it?",
            ),
            Mistake(
                "not cut",
                wrong_contrast(cut=False),
                "What becomes of a level above 255, or below 0, when it is stored in 8 bits?",
            ),
            Mistake(
                "fractions cut off",
                wrong_contrast(rounded=np.floor),
                "Rounded, not cut off: what should become of 46.8?",
            ),
            Mistake(
                "brightness",
                wrong_contrast(middle=0.0),
                "Black becomes darker with more contrast, if it can. Which level stays as it is?",
            ),
            Mistake(
                "about the film's own mean",
                wrong_contrast(middle="mean"),
                "The middle is a fixed grey, the same for every film.",
            ),
            Mistake(
                "about 128",
                wrong_contrast(middle=128.0),
                "Look at the level that a factor of 0 leaves.",
            ),
        ),
    ),
    Exercise(
        "tones.gaussian_weights",
        "mini_rcnn.data.tones:gaussian_weights",
        sigma_cases,
        (
            Mistake(
                "not divided by the sum",
                wrong_weights(divided="nothing"),
                "Blur an even grey of 100: how bright is it afterwards?",
            ),
            Mistake(
                "divided as a density",
                wrong_weights(divided="density"),
                "The integral of a bell curve is 1. Are five of its values?",
            ),
            Mistake(
                "sigma not squared",
                wrong_weights(power=1),
                "i and sigma are both pixels: an exponent has no unit.",
            ),
            Mistake(
                "the half is missing",
                wrong_weights(half=1.0),
                "Compare the exponent with the equation, factor by factor.",
            ),
            Mistake(
                "three pixels",
                wrong_weights(reach=1),
                "How many weights does the docstring ask for?",
            ),
        ),
    ),
    Exercise(
        "augment.all_kept",
        "mini_rcnn.data.augment:all_kept",
        kept_cases,
        (
            Mistake(
                "exactly enough is not enough",
                kept_strictly,
                "8 pixels, a share of a quarter, and 2 are left. Is that enough?",
            ),
            Mistake(
                "all masks together",
                kept_together,
                "A large mask stays, a small one vanishes. Add up each by itself.",
            ),
            Mistake(
                "one mask is enough",
                kept_any,
                "Every mask must be kept. Which question do you ask of them, all or any?",
            ),
            Mistake(
                "a share of 0 lets it vanish",
                kept_nothing_left,
                "Nothing is left, and a share of 0 is asked for. What does the docstring say of that?",
            ),
            Mistake(
                "0 divided by 0",
                kept_divided,
                "A mask that had no pixel has no share of anything. Can it lose one?",
            ),
        ),
    ),
)
