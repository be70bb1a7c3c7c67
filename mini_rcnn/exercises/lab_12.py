"""Lab 12, why it fires on healthy lungs."""

from __future__ import annotations

import numpy as np

from mini_rcnn.alarms.find import shared_part
from mini_rcnn.cases import Case
from mini_rcnn.metrics.calibration import reliability
from mini_rcnn.metrics.froc import Froc
from mini_rcnn.metrics.image_level import predictive_value
from mini_rcnn.stages.boxes import box_areas, box_iou

from .exercise import Exercise, Mistake

CLOSE = 1e-9


# The threshold of an equal sensitivity.


def threshold_cases(seed):
    """Return cases of ``threshold_for``: on a point, between points, beyond the last, and where the curve stands."""
    rng = np.random.default_rng([seed, 121])

    def case(name, sensitivity, thresholds, wanted, expected=None):
        parts = np.linspace(0, 1, len(sensitivity)), np.array(sensitivity, np.float64), np.array(thresholds, np.float64)
        return Case(name, (Froc(*parts), wanted), {}, CLOSE, () if expected is None else (expected,))

    inf, nan = np.inf, np.nan
    three = [0.0, 0.5, 0.8], [inf, 0.9, 0.6]
    cases = [
        case("on a point", *three, 0.5, 0.9),
        case("between two points", *three, 0.6, 0.6),
        case("just above a point", *three, 0.51, 0.6),
        case("more than is ever found", *three, 0.9, nan),
        case("nothing is asked for", *three, 0.0, inf),
        case("the curve stands still", [0.0, 0.5, 0.5, 0.5, 1.0], [inf, 0.9, 0.8, 0.7, 0.6], 0.5, 0.9),
        case("nothing is marked", [0.0], [inf], 0.5, nan),
    ]
    for number in range(12):
        count = int(rng.integers(3, 12))
        found = np.sort(np.round(rng.uniform(0, 1, count), 1))
        scores = np.sort(rng.uniform(0, 1, count))[::-1]
        wanted = float(rng.choice(found)) if number % 2 else float(np.round(rng.uniform(0.1, found[-1]), 2))
        cases.append(case(f"random {number}", [0.0, *found], [inf, *scores], wanted))
    return cases


def threshold_more_than(curve, sensitivity):
    """More than asked for, not at least as much."""
    enough = np.flatnonzero(curve.sensitivity > sensitivity)
    return float(curve.thresholds[enough[0]]) if len(enough) else float("nan")


def threshold_lowest(curve, sensitivity):
    """The lowest threshold that finds as much, and far more false marks."""
    enough = np.flatnonzero(curve.sensitivity >= sensitivity)
    return float(curve.thresholds[enough[-1]]) if len(enough) else float("nan")


def threshold_before(curve, sensitivity):
    """The last point that does not find as much."""
    less = np.flatnonzero(curve.sensitivity < sensitivity)
    return float(curve.thresholds[less[-1]]) if len(less) else float(curve.thresholds[0])


def threshold_nearest(curve, sensitivity):
    """The point whose sensitivity is nearest."""
    return float(curve.thresholds[np.argmin(np.abs(curve.sensitivity - sensitivity))])


def threshold_of_last(curve, sensitivity):
    """The last point, where too much is asked for."""
    enough = np.flatnonzero(curve.sensitivity >= sensitivity)
    return float(curve.thresholds[enough[0] if len(enough) else -1])


def draw_threshold(case, expected, got):
    """Return a drawing of the curve, the share that is asked for, and the two thresholds."""
    from mini_rcnn.view.lab_12 import asked_figure

    return asked_figure(*case.inputs, float(expected[""]), float(got[""]))


# Calibration.


def calibration_cases(seed):
    """Return cases of ``expected_calibration_error``: empty bins, bins of one, too sure and not sure enough."""
    rng = np.random.default_rng([seed, 122])

    def case(name, scores, outcomes, n_bins, expected=None):
        bins = reliability(np.array(scores, np.float64), np.array(outcomes, bool), n_bins=n_bins)
        return Case(name, (bins,), {}, CLOSE, () if expected is None else (expected,))

    cases = [
        case("one bin", [0.6, 0.8], [True, False], 1, 0.2),
        case("as sure as right", [0.5, 0.5], [True, False], 2, 0.0),
        case("too sure and not sure enough", [0.25, 0.75], [True, False], 2, 0.75),
        case("an empty bin", [0.1, 0.1, 0.9], [False, False, True], 3, 0.1),
        case("bins of different counts", [0.9, 0.9, 0.9, 0.2], [True, True, True, True], 2, (3 * 0.1 + 0.8) / 4),
        case("nothing at all", [], [], 4, float("nan")),
    ]
    for number in range(12):
        scores = rng.uniform(0.3 * (number % 2), 1, int(rng.integers(4, 40)))
        outcomes = rng.random(len(scores)) < np.clip(scores + rng.uniform(-0.4, 0.4), 0, 1)
        cases.append(case(f"random {number}", scores, outcomes, int(rng.integers(3, 11))))
    return cases


def gaps_of(bins):
    """Return which bins hold something, the distance of share and score in each of those, and their counts."""
    full = bins.count > 0
    return full, (bins.share - bins.mean_score)[full], bins.count[full]


def ece_of_bins(bins):
    """Every bin counts the same."""
    full, gaps, _ = gaps_of(bins)
    return float(np.mean(np.abs(gaps))) if full.any() else float("nan")


def ece_signed(bins):
    """Too sure here makes up for not sure enough there."""
    full, gaps, counts = gaps_of(bins)
    return float(abs(np.average(gaps, weights=counts))) if full.any() else float("nan")


def ece_squared(bins):
    """Squares in place of distances."""
    full, gaps, counts = gaps_of(bins)
    return float(np.average(gaps**2, weights=counts)) if full.any() else float("nan")


def ece_largest(bins):
    """The worst bin."""
    full, gaps, _ = gaps_of(bins)
    return float(np.max(np.abs(gaps))) if full.any() else float("nan")


def ece_with_empty(bins):
    """Empty bins are not left out."""
    if not (bins.count > 0).any():
        return float("nan")
    return float(np.sum(bins.count * np.abs(bins.share - bins.mean_score)) / bins.count.sum())


# Bayes.


def bayes_cases(seed):
    """Return cases of ``predictive_value``: rare and common, the ends, arrays of shares."""
    rng = np.random.default_rng([seed, 123])

    def case(name, prevalence, sensitivity, specificity, expected=None):
        parts = (prevalence, sensitivity, specificity)
        parts = tuple(part if isinstance(part, float) else np.array(part, np.float64) for part in parts)
        return Case(name, parts, {}, CLOSE, () if expected is None else (np.array(expected, np.float64),))

    nan = float("nan")
    cases = [
        case("one in ten", [0.1], [0.9], [0.8], [0.09 / (0.09 + 0.18)]),
        case("every second", [0.5], [0.9], [0.9], [0.9]),
        case("numbers, not arrays", 0.25, 0.8, 0.9, 0.2 / (0.2 + 0.075)),
        case("nobody and everybody is ill", [0.0, 1.0], [0.8, 0.8], [0.9, 0.9], [0.0, 1.0]),
        case("no healthy one is marked", [0.01], [0.3], [1.0], [1.0]),
        case("nothing is ever marked", [0.5], [0.0], [1.0], [nan]),
        case("as many marks among the healthy", [0.2, 0.02], [0.7, 0.7], [0.3, 0.3], [0.2, 0.02]),
    ]
    for number in range(12):
        count = int(rng.integers(1, 5))
        prevalence, sensitivity, specificity = np.round(rng.uniform(0.02, 0.98, (3, count)), 3)
        cases.append(case(f"random {number}", prevalence, sensitivity, specificity))
    return cases


def bayes_no_prevalence(prevalence, sensitivity, specificity):
    """As many ill as healthy."""
    return predictive_value(np.full(np.shape(prevalence), 0.5), sensitivity, specificity)


def bayes_specificity(prevalence, sensitivity, specificity):
    """The specificity, where its complement is meant."""
    return predictive_value(prevalence, sensitivity, 1 - np.asarray(specificity))


def bayes_share_of_false(prevalence, sensitivity, specificity):
    """The share of the marked that are healthy."""
    return 1 - predictive_value(prevalence, sensitivity, specificity)


def bayes_joint(prevalence, sensitivity, specificity):
    """Ill and marked, of all; not divided by the marked."""
    return np.asarray(sensitivity) * np.asarray(prevalence)


def bayes_zero(prevalence, sensitivity, specificity):
    """0 where nothing is marked."""
    return np.nan_to_num(predictive_value(prevalence, sensitivity, specificity))


# How much of the smaller box is shared.


def part_cases(seed):
    """Return cases of ``shared_part``: inside, apart in both directions, touching."""
    rng = np.random.default_rng([seed, 124])

    def case(name, box, other, expected=None):
        boxes = np.array(box, np.float64), np.array(other, np.float64)
        return Case(name, boxes, {}, CLOSE, () if expected is None else (expected,))

    large, small = [0, 0, 100, 100], [10, 20, 30, 60]
    cases = [
        case("a small box inside a large one", small, large, 1.0),
        case("a large box around a small one", large, small, 1.0),
        case("half of the smaller one", [0, 0, 10, 10], [0, 5, 100, 105], 0.5),
        case("half, the smaller one second", [0, 5, 100, 105], [0, 0, 10, 10], 0.5),
        case("apart in y and in x", [0, 0, 10, 10], [20, 20, 40, 40], 0.0),
        case("apart in x alone", [0, 0, 10, 10], [0, 30, 10, 50], 0.0),
        case("they touch", [0, 0, 10, 10], [0, 10, 10, 20], 0.0),
        case("the same box", small, small, 1.0),
    ]
    for number in range(12):
        corners = rng.uniform(0, 60, (2, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(5, 60, (2, 2))], axis=1)
        cases.append(case(f"random {number}", *boxes))
    return cases


def part_of_first(box, other):
    """The share of the first box."""
    return shared_part(box, other) * min(box_areas(np.stack([box, other]))) / box_areas(box[None])[0]


def part_of_larger(box, other):
    """The share of the larger box."""
    areas = box_areas(np.stack([box, other]))
    return shared_part(box, other) * min(areas) / max(areas)


def part_not_cut(box, other):
    """Two negative sides make a positive area."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    return float(np.prod(sides) / min(box_areas(np.stack([box, other]))))


def part_by_sides(box, other):
    """The mean of the shares of both sides, not of the area."""
    sides = np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None)
    smaller = min((box, other), key=lambda each: box_areas(each[None])[0])
    return float(np.mean(sides / (smaller[2:] - smaller[:2])))


def draw_part(case, expected, got):
    """Return a drawing of the two boxes, with the share that was expected and the student's."""
    from mini_rcnn.view.lab_12 import two_boxes_figure

    return two_boxes_figure(*case.inputs, float(expected[""]), float(got[""]))


# The nearest rows of a bank.


def nearest_cases(seed):
    """Return cases of ``nearest``: the same patient, too few others, equal distances, lengths that differ."""
    rng = np.random.default_rng([seed, 125])

    def case(name, features, bank, features_of, bank_of, k, expected=None):
        rows = [np.array(each, np.float64).reshape(-1, 2) for each in (features, bank)]
        options = {"features_of": list(features_of), "bank_of": list(bank_of), "k": k}
        outputs = () if expected is None else (np.array(expected[0], np.int64), np.array(expected[1], np.float64))
        return Case(name, tuple(rows), options, CLOSE, outputs)

    inf, three = np.inf, [[0.0, 0], [3, 4], [0, 1]]
    cases = [
        case("one neighbour", [[0.0, 0]], three, "z", "abc", 1, ([[0]], [[0.0]])),
        case("the same patient lies nearest", [[0.0, 0]], three, "a", "abc", 2, ([[2, 1]], [[1.0, 5.0]])),
        case("fewer than k", [[0.0, 0]], three, "a", "abc", 3, ([[2, 1, -1]], [[1.0, 5.0, inf]])),
        case("nobody else", [[0.0, 0]], three, "a", "aaa", 2, ([[-1, -1]], [[inf, inf]])),
        case("equal distances", [[0.0, 0]], [[1.0, 0], [0, 1], [0, -1]], "z", "abc", 2, ([[0, 1]], [[1.0, 1.0]])),
        case("the same direction, far away", [[1.0, 1]], [[9.0, 9], [1, 0]], "z", "ab", 2,
             ([[1, 0]], [[1.0, np.hypot(8, 8)]])),
        case("an empty bank", [[0.0, 0]], [], "z", "", 1, ([[-1]], [[inf]])),
    ]  # fmt: skip
    for number in range(12):
        n_bank, n_features = (int(count) for count in rng.integers(3, 9, 2))
        owners = [str(owner) for owner in rng.integers(0, 4, n_bank + n_features)]
        owners[0] = owners[n_bank]  # at least one row of the bank is of a patient that is asked about
        bank, features = rng.normal(2, 2, (n_bank, 2)), rng.normal(2, 2, (n_features, 2))
        bank[0] = features[0] + 0.01
        k = int(rng.integers(1, 4))
        cases.append(case(f"random {number}", features, bank, owners[n_bank:], owners[:n_bank], k))
    return cases


def nearest_wrong(features, bank, *, features_of, bank_of, k=3, keep_own=False, distance=None, sign=1, lost=False):
    """Return neighbours with one thing changed."""
    rows, away = np.full((len(features), k), -1, np.int64), np.full((len(features), k), np.inf)
    for place, feature in enumerate(features):
        others = [row for row in range(len(bank)) if keep_own or bank_of[row] != features_of[place]]
        measured = np.array([(distance or euclidean)(bank[row], feature) for row in others], np.float64)
        order = np.argsort(sign * measured, kind="stable")[:k]
        rows[place, : len(order)] = order if lost else np.array(others, np.int64)[order]
        away[place, : len(order)] = measured[order]
    return rows, away


def euclidean(first, second):
    """Return the distance of two points."""
    return np.sqrt(np.sum((first - second) ** 2))


def squared(first, second):
    """Return the squared distance of two points."""
    return np.sum((first - second) ** 2)


def cosine(first, second):
    """Return 1 less the cosine of the angle between two arrows; 1 where one has no length."""
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return 1 - np.dot(first, second) / lengths if lengths else 1.0


def wrong_neighbours(**changed):
    """Return ``nearest`` with one thing changed."""

    def function(features, bank, *, features_of, bank_of, k=3):
        return nearest_wrong(features, bank, features_of=features_of, bank_of=bank_of, k=k, **changed)

    return function


EXERCISES = (
    Exercise(
        "compare.threshold_for",
        "mini_rcnn.experimenting.compare:threshold_for",
        threshold_cases,
        (
            Mistake(
                "more than, not at least",
                threshold_more_than,
                "A point that finds exactly the share that is asked for: does it find enough?",
            ),
            Mistake(
                "the lowest threshold",
                threshold_lowest,
                "Of all points that find enough, which has the fewest false marks?",
            ),
            Mistake(
                "the last point that finds less",
                threshold_before,
                "At your threshold the share is not reached yet. Is it one step too early?",
            ),
            Mistake(
                "the nearest point",
                threshold_nearest,
                "The nearest point may find less than was asked for, and then the detectors are not compared at equal "
                "sensitivity.",
            ),
            Mistake(
                "the last point where nothing is enough",
                threshold_of_last,
                "The docstring says what comes out where no threshold finds so many.",
            ),
        ),
        draw_threshold,
    ),
    Exercise(
        "calibration.expected_calibration_error",
        "mini_rcnn.metrics.calibration:expected_calibration_error",
        calibration_cases,
        (
            Mistake(
                "every bin counts the same",
                ece_of_bins,
                "A bin with one mark and one with a hundred: what does n_b / n stand for?",
            ),
            Mistake(
                "too much and too little cancel",
                ece_signed,
                "Too sure in one bin, not sure enough in another: where do the bars of |acc - conf| stand?",
            ),
            Mistake(
                "squared",
                ece_squared,
                "|acc - conf| is a distance; the square of a distance below 1 is smaller.",
            ),
            Mistake(
                "the worst bin",
                ece_largest,
                "The sum is over all bins, each by its count. What you have is called the maximum calibration error.",
            ),
            Mistake(
                "empty bins counted",
                ece_with_empty,
                "0 times NaN is NaN: which bins may be in the sum?",
            ),
        ),
    ),
    Exercise(
        "image_level.predictive_value",
        "mini_rcnn.metrics.image_level:predictive_value",
        bayes_cases,
        (
            Mistake(
                "prevalence left out",
                bayes_no_prevalence,
                "Where nobody is ill, no marked image is ill. Does yours depend on the prevalence?",
            ),
            Mistake(
                "specificity where its complement is meant",
                bayes_specificity,
                "Which share of the healthy images is *marked*: the specificity, or what is left of 1?",
            ),
            Mistake(
                "the share of false marks",
                bayes_share_of_false,
                "Of the marked images, the share that is *ill* is asked for. Yours is what is left of 1.",
            ),
            Mistake(
                "not divided by the marked",
                bayes_joint,
                "Ill *and* marked is a share of all images. Among the marked alone, what do you divide by?",
            ),
            Mistake(
                "0 where nothing is marked",
                bayes_zero,
                "Of no marked images, no share is ill and none is healthy. What does the docstring say comes out?",
            ),
        ),
    ),
    Exercise(
        "find.shared_part",
        "mini_rcnn.alarms.find:shared_part",
        part_cases,
        (
            Mistake(
                "the IoU",
                lambda box, other: float(box_iou(box[None], other[None])[0, 0]),
                "A small box inside a large one should give 1. By which area do you divide?",
            ),
            Mistake(
                "the share of the first box",
                part_of_first,
                "Exchange the two boxes: the result must stay. Whose area do you divide by?",
            ),
            Mistake(
                "the share of the larger box",
                part_of_larger,
                "The *smaller* of the two boxes: which of max and min is that?",
            ),
            Mistake(
                "lengths not cut at 0",
                part_not_cut,
                "Two boxes that lie apart in y and in x: what is the product of two negative lengths?",
            ),
            Mistake(
                "a mean of two sides",
                part_by_sides,
                "A share of the *area*: half of the height and half of the width is a quarter of it.",
            ),
        ),
        draw_part,
    ),
    Exercise(
        "features.nearest",
        "mini_rcnn.alarms.features:nearest",
        nearest_cases,
        (
            Mistake(
                "the same patient stays",
                wrong_neighbours(keep_own=True),
                "What lies nearest is often the same patient. Whose rows are to be left out?",
            ),
            Mistake(
                "rows of what is left",
                wrong_neighbours(lost=True),
                "After some rows are left out the others are numbered anew. Whose rows does the docstring ask for?",
            ),
            Mistake(
                "squared distances",
                wrong_neighbours(distance=squared),
                "From (0, 0) to (3, 4) it is 5. Is something missing at the end of your distance?",
            ),
            Mistake(
                "the angle in place of the distance",
                wrong_neighbours(distance=cosine),
                "(1, 1) and (9, 9) point the same way, and are far apart. Which distance do the Notes ask for?",
            ),
            Mistake(
                "farthest first",
                wrong_neighbours(sign=-1),
                "np.argsort sorts upwards: which end of it do you take?",
            ),
        ),
    ),
)
