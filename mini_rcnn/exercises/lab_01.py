"""Lab 01, the data."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.data.rsna_tables import LabelRow
from mini_rcnn.stages.image import ImageGeometry

from .exercise import Exercise, Mistake

CLOSE = 1e-9  # float64 against float64: another order of the same sums


# What a window makes of values.


def window_cases(seed):
    """Return cases of ``window_levels``: both ends, width 1, each function, and random windows."""
    rng = np.random.default_rng([seed, 11])

    def case(name, values, center, width, function, outputs=()):
        return Case(name, (np.array(values, np.float64), center, width, function), {}, CLOSE, outputs)

    cases = [
        case("the middle of a window", [99.5], 100.0, 11.0, "LINEAR", (np.array([127.5]),)),
        case("both ends", [94.5, 104.5], 100.0, 11.0, "LINEAR", (np.array([0.0, 255]),)),
        case("far outside", [-5000.0, 5000], 100.0, 11.0, "LINEAR", (np.array([0.0, 255]),)),
        case("the exact middle", [100.0, 95, 105], 100.0, 10.0, "LINEAR_EXACT", (np.array([127.5, 0, 255]),)),
        case("width 1", [99.0, 99.5, 100], 100.0, 1.0, "LINEAR", (np.array([0.0, 0, 255]),)),
        case("an S, middle", [100.0], 100.0, 40.0, "SIGMOID", (np.array([127.5]),)),
        case("an S", [60.0, 90, 110, 140], 100.0, 40.0, "SIGMOID"),
        case("no values", [], 100.0, 40.0, "LINEAR", (np.zeros(0),)),
    ]
    for number in range(12):
        values = np.round(rng.uniform(-1000, 4000, (3, 4)), 1)
        center, width = np.round(rng.uniform([0, 50], [3000, 2000]), 1).tolist()
        cases.append(case(f"random {number}", values, center, width, ("LINEAR", "LINEAR_EXACT", "SIGMOID")[number % 3]))
    return cases


def wrong_window(*, cut=True, shifted=True, middle=0.5, whole=False, width_one=True, steep=4, top=255):
    """Return ``window_levels`` with one thing changed."""

    def function(values, center, width, function):
        if function == "SIGMOID":
            levels = top / (1 + np.exp(-steep * (values - center) / width))
            return np.rint(levels) if whole else levels
        if function == "LINEAR" and shifted:
            center, width = center - 0.5, width - 1
        if width == 0 and width_one:
            return np.where(values > center, float(top), 0.0)
        levels = ((values - center) / width + middle) * top
        levels = np.clip(levels, 0, top) if cut else levels
        return np.rint(levels) if whole else levels

    return function


# Rows of the table to boxes.


def rows_of(*boxes):
    """Return label rows of the given boxes ``(x, y, width, height)`` or None."""
    return [LabelRow(line, "film", box, float(box is not None)) for line, box in enumerate(boxes, 2)]


def box_row_cases(seed):
    """Return cases of ``boxes_of``: no row, rows without a box, fractions, and random tables."""
    rng = np.random.default_rng([seed, 12])

    def case(name, *boxes, outputs=()):
        return Case(name, (rows_of(*boxes),), {}, CLOSE, outputs)

    none = (np.zeros((0, 4)),)
    cases = [
        case("one box", (10.0, 20.0, 3.0, 4.0), outputs=(np.array([[20.0, 10, 24, 13]]),)),
        case("no rows", outputs=none),
        case("a row without a box", None, outputs=none),
        case("only rows without a box", None, None, outputs=none),
        case("one with, one without", None, (0.0, 5.0, 7.0, 2.0), outputs=(np.array([[5.0, 0, 7, 7]]),)),
        case("parts of a pixel", (0.5, 1.25, 2.0, 3.5), outputs=(np.array([[1.25, 0.5, 4.75, 2.5]]),)),
        case("a square at the corner", (0.0, 0.0, 9.0, 9.0), outputs=(np.array([[0.0, 0, 9, 9]]),)),
    ]
    for number in range(12):
        boxes = np.round(rng.uniform(1, 500, (int(rng.integers(1, 5)), 4)), 1).tolist()
        cases.append(case(f"random {number}", *[None if rng.random() < 0.2 else tuple(box) for box in boxes]))
    return cases


def wrong_boxes(corners, *, reshaped=True, empty=None):
    """Return ``boxes_of`` with another rule for the corners, or for rows that have no box."""

    def function(rows):
        found = [empty if row.box is None else corners(*row.box) for row in rows]
        boxes = np.array([box for box in found if box is not None], dtype=np.float64)
        return boxes.reshape(-1, 4) if reshaped else boxes

    return function


def right_corners(x, y, width, height):
    """Return the corners that are asked for."""
    return y, x, y + height, x + width


# How many images have how many boxes.


def count_cases(seed):
    """Return cases of ``images_by_boxes``: no rows, images without boxes, rows that lie apart, random tables."""
    rng = np.random.default_rng([seed, 13])

    def case(name, text, outputs=()):
        """``text`` is "a1 b0": image a with a box, image b without."""
        rows = text.split()
        ids, has = np.array([row[:-1] for row in rows], dtype="<U8"), np.array([row[-1] == "1" for row in rows], bool)
        return Case(name, (ids, has), {}, 0, (np.array(outputs, np.int64),) if outputs or not rows else ())

    cases = [
        case("no rows", ""),
        case("one image without a box", "a0", [1]),
        case("one image with a box", "a1", [0, 1]),
        case("two boxes", "a1 a1", [0, 0, 1]),
        case("both kinds", "a0 b1 c0 d0", [3, 1]),
        case("rows that lie apart", "a1 b1 a1 c0 b1 a1", [1, 0, 1, 1]),
        case("nobody with two", "a1 b0 c1 c1 c1 d0", [2, 1, 0, 1]),
    ]
    for number in range(12):
        rows = [f"i{image}{int(n > 0)}" for image, n in enumerate(rng.integers(0, 4, 9)) for _ in range(max(1, n))]
        cases.append(case(f"random {number}", " ".join(rng.permutation(rows))))
    return cases


def count_rows(image_ids, has_box):
    """Rows of each image, a box or not."""
    return np.bincount(np.unique(image_ids, return_counts=True)[1])


def count_ill_alone(image_ids, has_box):
    """Images without a box are not counted."""
    return np.bincount(np.unique(image_ids[has_box], return_counts=True)[1])


def boxes_for_each(image_ids, has_box):
    """Return how many boxes each image has."""
    names, places = np.unique(image_ids, return_inverse=True)
    return np.bincount(places, weights=has_box, minlength=len(names)).astype(np.int64)


def count_boxes(image_ids, has_box):
    """Boxes in place of images: an image with three counts three times."""
    images = np.bincount(boxes_for_each(image_ids, has_box))
    return images * np.maximum(np.arange(len(images)), 1)


def count_neighbours(image_ids, has_box):
    """A new image begins wherever the id changes."""
    changes = np.append(True, image_ids[1:] != image_ids[:-1])[: len(image_ids)]
    return np.bincount(np.bincount(np.cumsum(changes) - 1, weights=has_box).astype(np.int64))


def count_from_one(image_ids, has_box):
    """The first number is for one box."""
    return np.bincount(boxes_for_each(image_ids, has_box))[1:]


# Who goes to which side.


def is_settled(images, fractions):
    """Return whether the choice is never so near that rounding could decide: equal to the last bit, or well apart."""
    totals, dealt = images.sum(axis=0), deal_wrongly(images, fractions)
    for patient, side in enumerate(dealt):
        before = dealt[:patient]
        given = np.array([images[:patient][before == one].sum(axis=0) for one in range(len(fractions))])
        seen = images[: patient + 1].sum(axis=0)
        behind = (images[patient] * (np.multiply.outer(fractions, seen) - given) / np.maximum(totals, 1)).sum(axis=1)
        near = np.abs(behind - behind[side]) < 1e-6
        rows = {(fractions[one], *given[one].tolist()) for one in np.flatnonzero(near)}
        if len(rows) > 1:
            return False
    return True


def deal_cases(seed):
    """Return cases of ``deal``: nobody, equal sides, an empty side, rare classes, random patients."""
    rng = np.random.default_rng([seed, 14])

    def case(name, images, fractions, outputs=None):
        images = np.array(images, np.int64)
        return Case(name, (images, fractions), {}, 0, () if outputs is None else (np.array(outputs, np.int64),))

    cases = [
        case("nobody", np.zeros((0, 2)), (0.5, 0.5), np.zeros(0)),
        case("one patient", [[3]], (0.8, 0.1, 0.1), [0]),
        case("two alike", [[1], [1]], (0.5, 0.5), [0, 1]),
        case("one with many images", [[4], [2], [2], [1], [1]], (0.5, 0.25, 0.25), [0, 1, 2, 0, 1]),
        case("a side of 0", [[2], [1], [1]], (0.5, 0.5, 0.0), [0, 1, 1]),
        case("a class that nobody has", [[1, 0], [1, 0]], (0.5, 0.5), [0, 1]),
        case("a rare class", [[8, 0], [0, 1], [4, 1], [4, 0]], (0.5, 0.5), [0, 0, 1, 1]),
    ]
    while len(cases) < 19:
        n_patients, n_classes = int(rng.integers(6, 16)), int(rng.integers(1, 4))
        images = -np.sort(-rng.geometric(0.4, n_patients))[:, None] * np.eye(n_classes, dtype=np.int64)[
            rng.integers(0, n_classes, n_patients)
        ] + rng.integers(0, 2, (n_patients, n_classes))
        fractions = ((0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (0.6, 0.4))[len(cases) % 3]
        if is_settled(images, fractions):
            cases.append(case(f"random {len(cases)}", images, fractions))
    return cases


def deal_wrongly(images, fractions, *, due="so far", one_each=False, rare=True, last=False, weighted=True):
    """Return ``deal`` with one thing changed; with nothing changed it is right."""
    images, fractions = np.asarray(images), np.asarray(fractions, np.float64)
    totals = np.maximum(images.sum(axis=0), 1)
    given, sides = np.zeros((len(fractions), images.shape[1])), np.zeros(len(images), np.int64)
    for patient, has in enumerate(images):
        seen = {"so far": images[: patient + 1], "in the end": images, "before": images[:patient]}[due].sum(axis=0)
        weights = has if weighted else np.ones_like(has)
        behind = (weights * (np.multiply.outer(fractions, seen) - given) / (totals if rare else 1)).sum(axis=1)
        behind = np.where(fractions > 0, behind, -np.inf)
        side = len(behind) - 1 - np.argmax(behind[::-1]) if last else np.argmax(behind)
        sides[patient] = side
        given[side] += np.minimum(has, 1) if one_each else has
    return sides


def wrong_deal(**changed):
    """Return ``deal`` with one thing changed."""
    return lambda images, fractions: deal_wrongly(images, fractions, **changed)


# From the network's pixels back to the film's.


def back_cases(seed):
    """Return cases of ``boxes_to_original``: padding, rounded sides, boxes beyond the film, random ones."""
    rng = np.random.default_rng([seed, 15])
    wide = ImageGeometry((2, 4), 8, (2, 0, 6, 8), 2.0)
    tall = ImageGeometry((100, 31), 32, (0, 11, 32, 21), 0.32)  # 31 * 0.32 = 9.92 became 10

    def case(name, boxes, geometry, outputs=()):
        return Case(name, (np.array(boxes, np.float64).reshape(-1, 4), geometry), {}, CLOSE, outputs)

    cases = [
        case("the whole film", [[2, 0, 6, 8]], wide, (np.array([[0.0, 0, 2, 4]]),)),
        case("one box", [[3, 2, 5, 7]], wide, (np.array([[0.5, 1, 1.5, 3.5]]),)),
        case("into the padding", [[0, 4, 4, 9]], wide, (np.array([[0.0, 2, 1, 4]]),)),
        case("in the padding alone", [[0, 2, 1, 4]], wide, (np.array([[0.0, 1, 0, 2]]),)),
        case("no boxes", [], wide, (np.zeros((0, 4)),)),
        case("a film that stands", [[8, 11, 16, 21]], tall, (np.array([[25.0, 0, 50, 31]]),)),
        case("beside a film that stands", [[8, 0, 16, 32]], tall, (np.array([[25.0, 0, 50, 31]]),)),
    ]
    for number in range(12):
        height, width = (int(side) for side in rng.integers(20, 400, 2))
        size = int(rng.choice([64, 128]))
        scale = size / max(height, width)
        new = [max(1, round(side * scale)) for side in (height, width)]
        top, left = ((size - side) // 2 for side in new)
        geometry = ImageGeometry((height, width), size, (top, left, top + new[0], left + new[1]), scale)
        corners = np.sort(rng.uniform(-5, size + 5, (int(rng.integers(1, 4)), 2, 2)), axis=1)
        cases.append(case(f"random {number}", np.round(corners, 1).reshape(-1, 4), geometry))
    return cases


def wrong_way_back(*, order="shift first", one_scale=False, cut="original", swapped=False, whole=False):
    """Return ``boxes_to_original`` with one thing changed."""

    def function(boxes, geometry):
        corner = np.array(geometry.window[:2][::-1] if swapped else geometry.window[:2])
        factors = np.full(2, geometry.scale) if one_scale else geometry.factors()
        corner, factors = np.tile(corner, 2), np.tile(factors, 2)
        moved = boxes / factors - corner if order == "scale first" else (boxes - corner) / factors
        limits = {"original": geometry.original_size, "square": (geometry.size,) * 2, "no": (np.inf,) * 2}[cut]
        moved = np.clip(moved, -np.inf if cut == "no" else 0, np.tile(limits, 2))
        return np.rint(moved) if whole else moved

    return function


def draw_boxes(case, expected, got):
    """Return a drawing of boxes in pixels of the film."""
    from mini_rcnn.view.checked import boxes_figure

    return boxes_figure(None, expected[""], got[""])


EXERCISES = (
    Exercise(
        "dicom_pixels.window_levels",
        "mini_rcnn.data.films.dicom_pixels:window_levels",
        window_cases,
        (
            Mistake(
                "not cut",
                wrong_window(cut=False),
                "What is darker than the window's lower end has to be black, not blacker than black.",
            ),
            Mistake(
                "LINEAR as LINEAR_EXACT",
                wrong_window(shifted=False),
                "Two of the three functions are nearly the same. Where do a half and a one come in?",
            ),
            Mistake(
                "the center is black",
                wrong_window(middle=0),
                "The window's center is its middle: which grey belongs there?",
            ),
            Mistake(
                "rounded",
                wrong_window(whole=True),
                "Levels come back as they are. Whoever stores them in 8 bits rounds, once, at the end.",
            ),
            Mistake(
                "width 1 divides by zero",
                wrong_window(width_one=False),
                "Look at a LINEAR window of width 1: what is left of the width?",
            ),
            Mistake(
                "an S that is not steep enough",
                wrong_window(steep=1),
                "The sigmoid: is every factor of its exponent there?",
            ),
        ),
    ),
    Exercise(
        "rsna.boxes_of",
        "mini_rcnn.data.rsna:boxes_of",
        box_row_cases,
        (
            Mistake(
                "x before y",
                wrong_boxes(lambda x, y, width, height: (x, y, x + width, y + height)),
                "The table says x first. What do the lab's boxes say first?",
            ),
            Mistake(
                "sides in place of corners",
                wrong_boxes(lambda x, y, width, height: (y, x, height, width)),
                "The last two numbers are a corner, not a height and a width.",
            ),
            Mistake(
                "width added to y",
                wrong_boxes(lambda x, y, width, height: (y, x, y + width, x + height)),
                "Along which axis does a width go?",
            ),
            Mistake(
                "x and y as the middle",
                wrong_boxes(lambda x, y, width, height: (y - height / 2, x - width / 2, y + height / 2, x + width / 2)),
                "Which point of the box do x and y name: its middle?",
            ),
            Mistake(
                "the last pixel as the end",
                wrong_boxes(lambda x, y, width, height: (y, x, y + height - 1, x + width - 1)),
                "Continuous coordinates: a box from 2 to 5 is 3 long.",
            ),
            Mistake(
                "no shape where there is no box",
                wrong_boxes(right_corners, reshaped=False),
                "np.array([]) has shape (0,). What shape have no boxes?",
            ),
            Mistake(
                "a box of zeros for a row without",
                wrong_boxes(right_corners, empty=(0.0, 0.0, 0.0, 0.0)),
                "A row whose box is None adds nothing to the result: an empty box at a corner would be a finding.",
            ),
        ),
        draw_boxes,
    ),
    Exercise(
        "rsna.images_by_boxes",
        "mini_rcnn.data.rsna:images_by_boxes",
        count_cases,
        (
            Mistake(
                "rows counted",
                count_rows,
                "An image without a box has a row, too. How many boxes does that row hold?",
            ),
            Mistake(
                "images without a box left out",
                count_ill_alone,
                "The first number, images[0], is about images that have no row with a box. They count as well.",
            ),
            Mistake(
                "boxes counted in place of images",
                count_boxes,
                "One image with three boxes: is that one image, or three?",
            ),
            Mistake(
                "only rows that stand together",
                count_neighbours,
                "The rows of an image need not be neighbours. What tells that two rows are about the same image?",
            ),
            Mistake(
                "begins with one box",
                count_from_one,
                "images[0] is for images with how many boxes?",
            ),
        ),
    ),
    Exercise(
        "splits.deal",
        "mini_rcnn.data.splits:deal",
        deal_cases,
        (
            Mistake(
                "what is due in the end",
                wrong_deal(due="in the end"),
                "f_s * seen_k: everybody up to this patient has been seen, not everybody there is.",
            ),
            Mistake(
                "this patient not yet seen",
                wrong_deal(due="before"),
                "Is the patient who is being dealt out among those seen?",
            ),
            Mistake(
                "patients counted in place of images",
                wrong_deal(one_each=True),
                "What has a side been given when a patient with eight images comes to it?",
            ),
            Mistake(
                "common classes outweigh rare ones",
                wrong_deal(rare=False),
                "Each class is a share of its total: what does the equation divide by?",
            ),
            Mistake(
                "the last of equal sides",
                wrong_deal(last=True),
                "Two sides are equally far behind: which of them is taken?",
            ),
            Mistake(
                "classes that the patient does not have",
                wrong_deal(weighted=False),
                "c_k weighs each class by the patient's own images. What if they have none of a class?",
            ),
        ),
    ),
    Exercise(
        "image.boxes_to_original",
        "mini_rcnn.stages.image:boxes_to_original",
        back_cases,
        (
            Mistake(
                "scale undone first",
                wrong_way_back(order="scale first"),
                "On the way in: times the factors, then plus the corner. Which of the two is undone first?",
            ),
            Mistake(
                "one scale for both sides",
                wrong_way_back(one_scale=True),
                "Almost: the sides were rounded to whole pixels after scaling. Which numbers know of that?",
            ),
            Mistake(
                "not cut to the film",
                wrong_way_back(cut="no"),
                "A box may reach into the padding. What of the film is there?",
            ),
            Mistake(
                "cut to the square",
                wrong_way_back(cut="square"),
                "The result is in pixels of the film: how far do these go along y, and how far along x?",
            ),
            Mistake(
                "the corner's x for y",
                wrong_way_back(swapped=True),
                "Is the padding above the film taken from y, or from x?",
            ),
            Mistake(
                "rounded to whole pixels",
                wrong_way_back(whole=True),
                "A box's corners may lie inside a pixel. Matterport rounds here; this lab does not.",
            ),
        ),
        draw_boxes,
    ),
)
