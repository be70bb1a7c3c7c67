"""Lab 11, evaluation and thresholds."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.metrics.froc import FALSE_MARKS, Froc
from mini_rcnn.metrics.image_level import Roc, roc
from mini_rcnn.metrics.rsna import THRESHOLDS, n_matches
from mini_rcnn.stages.boxes import box_iou

from .exercise import Exercise, Mistake

CLOSE = 1e-9
ONE_BOX, FAR = [0.0, 0, 10, 10], [20.0, 20, 30, 30]
SIX_TENTHS = [0.0, 0, 10, 6]  # of ONE_BOX


# The matches of one image.


def match_cases(seed):
    """Return cases of ``n_matches``: one prediction for two truths, equal to the threshold, crowds."""
    rng = np.random.default_rng([seed, 111])

    def case(name, iou, thresholds, expected=None):
        outputs = () if expected is None else (np.array(expected, np.int64),)
        return Case(name, (np.array(iou, np.float64), np.array(thresholds, np.float64)), {}, 0, outputs)

    cases = [
        case("one truth, one prediction", [[0.6]], [0.5], [1]),
        case("overlap equal to the threshold", [[0.5]], [0.4, 0.5, 0.6], [1, 0, 0]),
        case("two truths, one prediction", [[0.7], [0.7]], [0.5], [1]),
        case("two predictions on one truth", [[0.8, 0.7]], [0.5], [1]),
        case("the best score and not the best overlap", [[0.6, 0.9], [0.0, 0.8]], [0.5], [2]),
        case("the first truth takes what the second needs", [[0.6, 0.9], [0.8, 0.0]], [0.5], [1]),
        case("each threshold for itself", [[0.5, 0.9], [0.6, 0.0]], [0.4, 0.5], [1, 2]),
        case("no truth", np.zeros((0, 3)), [0.4, 0.5], [0, 0]),
        case("nothing meets", np.zeros((2, 3)), [0.0, 0.4], [0, 0]),
    ]
    for number in range(15):
        shape = tuple(int(side) for side in rng.integers(2, 7, 2))
        iou = np.round(rng.uniform(0, 1, shape) * (rng.random(shape) < 0.7), 1)
        cases.append(case(f"random {number}", iou, np.round(rng.uniform(0.1, 0.7, 3), 1)))
    return cases


def matches_wrong(iou, thresholds, *, strict=True, free=True, by_overlap=False, last=False):
    """Return matches with one thing changed."""
    counts = []
    for threshold in thresholds:
        taken, matched = set(), 0
        for row in iou:
            good = [m for m in range(len(row)) if (row[m] > threshold if strict else row[m] >= threshold)]
            good = [m for m in good if m not in taken or not free]
            if good:
                taken.add(max(good, key=lambda m: row[m]) if by_overlap else good[-1 if last else 0])
                matched += 1
        counts.append(matched)
    return np.array(counts, dtype=np.int64)


def predictions_count(iou, thresholds):
    """Every prediction that overlaps a truth is counted."""
    return np.array([(iou > threshold).any(axis=0).sum() for threshold in thresholds], dtype=np.int64)


def predictions_choose(iou, thresholds):
    """COCO's rule: each prediction, best first, takes the truth that it overlaps most."""
    counts = []
    for threshold in thresholds:
        left = np.where(iou > threshold, iou, 0.0)
        for column in range(left.shape[1]):
            if len(left) and left[:, column].max() > 0:
                left[left[:, column].argmax(), column + 1 :] = 0
        counts.append(int((left.max(axis=0) > 0).sum()) if len(left) else 0)
    return np.array(counts, dtype=np.int64)


def draw_matches(case, expected, got):
    """Return a drawing of the overlaps, with the numbers of matches, expected and the student's."""
    from mini_rcnn.view.lab_11 import matches_figure

    return matches_figure(case.inputs[0], case.inputs[1], expected[""], got[""])


# The score of one image.


def score_cases(seed):
    """Return cases of ``image_score``: unsorted scores, healthy images that are marked, crowds."""
    rng = np.random.default_rng([seed, 112])

    def case(name, truth, predicted, scores, expected=None, **options):
        boxes = [np.array(rows, np.float64).reshape(-1, 4) for rows in (truth, predicted)]
        outputs = () if expected is None else (expected,)
        return Case(name, (*boxes, np.array(scores, np.float64)), options, CLOSE, outputs)

    cases = [
        case("a perfect box", [ONE_BOX], [ONE_BOX], [0.9], 1.0),
        case("an overlap of 0.6", [ONE_BOX], [SIX_TENTHS], [0.9], 0.5),
        case("healthy, marked", [], [ONE_BOX], [0.9], 0.0),
        case("ill, unmarked", [ONE_BOX], [], [], 0.0),
        case("one of two found", [ONE_BOX, FAR], [ONE_BOX], [0.9], 0.5),
        case("a mark too many", [ONE_BOX], [ONE_BOX, FAR], [0.9, 0.8], 0.5),
        case("a second mark on one opacity", [ONE_BOX], [ONE_BOX, ONE_BOX], [0.9, 0.8], 0.5),
        case("one threshold", [ONE_BOX], [SIX_TENTHS], [0.9], 1.0, thresholds=(0.5,)),
        case("one found, one missed, one made up", [ONE_BOX, FAR], [ONE_BOX, [50.0, 50, 60, 60]], [0.9, 0.8], 1 / 3),
        case(
            "the better score comes last",
            [[0.0, 0, 10, 10], [0.0, 4, 10, 14]],
            [[0.0, 2, 10, 12], [0.0, 0, 10, 10]],
            [0.6, 0.9],
            (6 * 1 + 2 / 3) / 8,
        ),
    ]
    for number in range(15):
        truth, predicted = (
            np.array([20.0, 20, 60, 60]) + rng.uniform(-12, 12, (count, 4)) * [0.3, 1, 0.3, 1]
            for count in rng.integers(2, 7, 2)
        )
        scores = np.round(rng.uniform(0, 1, len(predicted)), 2)
        cases.append(case(f"random {number}", truth, predicted, scores))
    return cases


def score_wrong(truth, predicted, scores, thresholds, *, sign=-1, below=lambda n, m, tp: n + m - tp, of_sums=False):
    """Return an image's score with one thing changed."""
    if not len(truth) or not len(predicted):
        return 0.0
    iou = box_iou(truth, predicted[np.argsort(sign * scores, kind="stable")])
    matched = n_matches(iou, np.asarray(thresholds, np.float64))
    if of_sums:
        return float(matched.max() / below(len(truth), len(predicted), matched.max()))
    return float(np.mean(matched / below(len(truth), len(predicted), matched)))


def wrong_score(**changed):
    """Return ``image_score`` with one thing changed."""
    return lambda truth, predicted, scores, thresholds=THRESHOLDS: score_wrong(
        truth, predicted, scores, thresholds, **changed
    )


def score_in_input_order(truth, predicted, scores, thresholds=THRESHOLDS):
    """The predictions are not sorted."""
    return score_wrong(truth, predicted, -np.arange(len(predicted)), thresholds)


def draw_score(case, expected, got):
    """Return a drawing of the boxes of one image, with the score that was expected and the student's."""
    from mini_rcnn.view.lab_11 import image_figure

    return image_figure(*case.inputs, float(expected[""]), float(got[""]))


# The area under precision against recall.


def area_cases(seed):
    """Return cases of ``area_of_all_points``: teeth, hits that come late, no hit at all."""
    rng = np.random.default_rng([seed, 113])

    def case(name, precision, recall, expected=None):
        outputs = () if expected is None else (float(expected),)
        return Case(name, (np.array(precision, np.float64), np.array(recall, np.float64)), {}, CLOSE, outputs)

    cases = [
        case("all found at once", [1.0], [1.0], 1.0),
        case("half is never found", [1.0], [0.5], 0.5),
        case("the precision falls", [1.0, 0.5], [0.5, 1.0], 0.75),
        case("the precision rises", [0.5, 2 / 3], [0.5, 1.0], 2 / 3),
        case("a tooth", [1.0, 0.5, 0.6], [0.2, 0.4, 0.6], 0.2 + 0.4 * 0.6),
        case("steps of different widths", [1.0, 0.5], [0.25, 1.0], 0.25 + 0.75 * 0.5),
        case("no hit", [], [], 0.0),
    ]
    for number in range(12):
        hits = rng.random(int(rng.integers(4, 30))) < 0.6
        hits[0] = number % 2 == 0
        hits[1:3] = True, False
        precision = (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits]
        recall = np.arange(1, len(precision) + 1) / (len(precision) + int(rng.integers(0, 4)))
        cases.append(case(f"random {number}", precision, recall))
    return cases


def area_with_teeth(precision, recall):
    """The precision as it is, teeth and all."""
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision))


def area_from_the_left(precision, recall):
    """The best precision so far, in place of from here on."""
    return area_with_teeth(np.maximum.accumulate(precision), recall) if len(precision) else 0.0


def area_from_first_hit(precision, recall):
    """The first step is missing."""
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * falling[1:]))


def area_as_mean(precision, recall):
    """The mean of the precisions: what is never found costs nothing."""
    return float(np.mean(np.maximum.accumulate(precision[::-1])[::-1])) if len(precision) else 0.0


def area_by_trapezoids(precision, recall):
    """Straight lines from point to point."""
    best = np.maximum.accumulate(np.concatenate([precision[::-1], [0.0]]))[:-1][::-1]
    best = np.concatenate([best[:1], best])
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * (best[1:] + best[:-1]) / 2))


# FROC, read at some rates of false marks.


def froc_of_hits(hits, n_truths, n_images):
    """Return the FROC curve of marks, best first, all with different scores."""
    found, false = np.cumsum(hits), np.cumsum(~hits)
    scores = np.linspace(0.99, 0.5, len(hits)) if len(hits) else np.zeros(0)
    return Froc(
        np.concatenate([[0.0], false / n_images]),
        np.concatenate([[0.0], found / n_truths]),
        np.concatenate([[np.inf], scores]),
    )


def froc_cases(seed):
    """Return cases of ``sensitivity_at``: rates between points, on them, before the first and beyond the last."""
    rng = np.random.default_rng([seed, 114])
    curve = Froc(np.array([0.0, 0.5, 2.0]), np.array([0.0, 0.6, 0.9]), np.array([np.inf, 0.9, 0.2]))
    upright = Froc(np.array([0.0, 0.0, 0.0, 0.5]), np.array([0.0, 0.3, 0.6, 0.6]), np.array([np.inf, 0.9, 0.8, 0.7]))
    nothing = Froc(np.zeros(1), np.zeros(1), np.array([np.inf]))
    no_images = Froc(np.full(2, np.nan), np.zeros(2), np.array([np.inf, 0.9]))

    def case(name, curve, wanted, expected=None):
        outputs = () if expected is None else (np.array(expected, np.float64),)
        return Case(name, (curve, np.array(wanted, np.float64)), {}, CLOSE, outputs)

    cases = [
        case("between two points", curve, [0.25, 1.0], [0.0, 0.6]),
        case("on a point", curve, [0.5, 2.0], [0.6, 0.9]),
        case("beyond the last point", curve, [8.0], [0.9]),
        case("several points without a false mark", upright, [0.0, 0.25], [0.6, 0.6]),
        case("nothing is marked", nothing, FALSE_MARKS, np.zeros(7)),
        case("no images to count on", no_images, [0.5, 1.0], [np.nan, np.nan]),
        case("no rate is asked for", curve, [], []),
    ]
    for number in range(12):
        hits = rng.random(int(rng.integers(3, 40))) < 0.5
        made = froc_of_hits(hits, int(hits.sum()) + int(rng.integers(1, 5)), int(rng.integers(1, 12)))
        on_points = made.false_marks[rng.integers(0, len(made.false_marks), 2)]
        wanted = np.concatenate([FALSE_MARKS, on_points])
        cases.append(case(f"random {number}", made, wanted))
    return cases


def sensitivity_strictly(curve, false_marks=FALSE_MARKS):
    """Fewer false marks than asked for, not as many."""
    if np.isnan(curve.false_marks).any():
        return np.full(len(false_marks), np.nan)
    place = np.searchsorted(curve.false_marks, false_marks, side="left") - 1
    return np.where(place >= 0, curve.sensitivity[np.maximum(place, 0)], 0.0)


def sensitivity_next_point(curve, false_marks=FALSE_MARKS):
    """The next point, which has more false marks."""
    if np.isnan(curve.false_marks).any():
        return np.full(len(false_marks), np.nan)
    place = np.searchsorted(curve.false_marks, false_marks, side="left")
    return curve.sensitivity[np.minimum(place, len(curve.sensitivity) - 1)]


def sensitivity_interpolated(curve, false_marks=FALSE_MARKS):
    """A straight line between the points."""
    if np.isnan(curve.false_marks).any():
        return np.full(len(false_marks), np.nan)
    return np.interp(false_marks, curve.false_marks, curve.sensitivity)


def sensitivity_nearest(curve, false_marks=FALSE_MARKS):
    """The point whose false marks are nearest."""
    if np.isnan(curve.false_marks).any():
        return np.full(len(false_marks), np.nan)
    away = np.abs(curve.false_marks - np.asarray(false_marks)[:, None])
    return curve.sensitivity[away.argmin(axis=1)] if len(false_marks) else np.zeros(0)


def draw_froc(case, expected, got):
    """Return a drawing of the curve with what was read off it."""
    from mini_rcnn.view.lab_11 import read_figure

    return read_figure(*case.inputs, expected[""], got[""])


# ROC of images.


def roc_cases(seed):
    """Return cases of ``roc``: equal scores, one class missing, images that count twice."""
    rng = np.random.default_rng([seed, 115])

    def case(name, ill, scores, expected=None, weights=None):
        outputs = () if expected is None else (Roc(*(np.array(part, np.float64) for part in expected)),)
        inputs = (np.array(ill, bool), np.array(scores, np.float64))
        options = {} if weights is None else {"weights": np.array(weights, np.float64)}
        return Case(name, inputs, options, CLOSE, outputs)

    inf, nan = np.inf, np.nan
    cases = [
        case("one of each", [True, False], [0.9, 0.1], ([0, 0, 1], [0, 1, 1], [inf, 0.9, 0.1])),
        case("the healthy one scores more", [True, False], [0.1, 0.9], ([0, 1, 1], [0, 0, 1], [inf, 0.9, 0.1])),
        case("equal scores", [True, False], [0.5, 0.5], ([0, 1], [0, 1], [inf, 0.5])),
        case("two ill, one healthy", [True, False, True], [0.9, 0.5, 0.5], ([0, 0, 1], [0, 0.5, 1], [inf, 0.9, 0.5])),
        case("all ill", [True, True], [0.9, 0.1], ([nan] * 3, [0, 0.5, 1], [inf, 0.9, 0.1])),
        case("an image that counts twice", [True, False, True], [0.9, 0.5, 0.2],
             ([0, 0, 1, 1], [0, 2 / 3, 2 / 3, 1], [inf, 0.9, 0.5, 0.2]), [2, 1, 1]),
        case("no image", [], [], ([nan], [nan], [inf])),
    ]  # fmt: skip
    for number in range(12):
        count = int(rng.integers(5, 30))
        ill = rng.random(count) < 0.4
        ill[:3] = True, False, True
        scores = np.round(np.clip(rng.normal(0.4 + 0.2 * ill, 0.2), 0, 1), 1)
        cases.append(case(f"random {number}", ill, scores))
    return cases


def roc_point_by_point(ill, scores, *, weights=None):
    """One point for each image, equal scores or not."""
    weights = np.ones(len(ill)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    rates = [passed_shares(members[order], weights[order]) for members in (~ill, ill)]
    return Roc(*rates, np.concatenate([[np.inf], scores[order]]))


def passed_shares(members, weights):
    """Return the running share of members, which begins at 0; NaN where there is none."""
    passed = np.concatenate([[0.0], np.cumsum(members * weights)])
    return passed / passed[-1] if passed[-1] else np.full(len(passed), np.nan)


def roc_of_all(ill, scores, *, weights=None):
    """Divided by all images."""
    curve, weights = roc(ill, scores, weights=weights), np.ones(len(ill)) if weights is None else weights
    whole = weights.sum()
    parts = [np.sum(weights[members]) / whole if whole else np.nan for members in (~ill, ill)]
    return Roc(*(np.nan_to_num(rate) * part for rate, part in zip(curve[:2], parts)), curve.thresholds)


def roc_without_start(ill, scores, *, weights=None):
    """The point where nothing is called ill is missing."""
    return Roc(*(part[1:] for part in roc(ill, scores, weights=weights)))


def roc_exchanged(ill, scores, *, weights=None):
    """The two rates exchanged."""
    curve = roc(ill, scores, weights=weights)
    return Roc(curve.true_positive_rate, curve.false_positive_rate, curve.thresholds)


def roc_ascending(ill, scores, *, weights=None):
    """From the lowest threshold on."""
    curve = roc(ill, scores, weights=weights)
    return Roc(*(part[::-1] for part in curve))


EXERCISES = (
    Exercise(
        "rsna.n_matches",
        "mini_rcnn.metrics.rsna:n_matches",
        match_cases,
        (
            Mistake(
                "an equal overlap matches",
                lambda iou, thresholds: matches_wrong(iou, thresholds, strict=False),
                "The overlap must be *above* the threshold. What do you do where it is equal?",
            ),
            Mistake(
                "a prediction is used twice",
                lambda iou, thresholds: matches_wrong(iou, thresholds, free=False),
                "One large box over two opacities: how many of them may it find?",
            ),
            Mistake(
                "the best overlap is taken",
                lambda iou, thresholds: matches_wrong(iou, thresholds, by_overlap=True),
                "Of several predictions that overlap enough, which does a truth take: the one it overlaps most, or the "
                "one the detector is surest of?",
            ),
            Mistake(
                "the worst score is taken",
                lambda iou, thresholds: matches_wrong(iou, thresholds, last=True),
                "Column 0 is the prediction with the best score. From which side do you look?",
            ),
            Mistake(
                "predictions are counted",
                predictions_count,
                "Three marks on one opacity: one of them finds it. Count truths that were found, not marks that "
                "overlap one.",
            ),
            Mistake(
                "the predictions choose",
                predictions_choose,
                "Who chooses first, the truths or the predictions? In this challenge the outer loop goes over truths.",
            ),
        ),
        draw_matches,
    ),
    Exercise(
        "rsna.image_score",
        "mini_rcnn.metrics.rsna:image_score",
        score_cases,
        (
            Mistake(
                "a found box counts twice in the whole",
                wrong_score(below=lambda n, m, tp: n + m),
                "TP + FP + FN: the truths are TP + FN, the predictions TP + FP. What is counted twice in their sum?",
            ),
            Mistake(
                "false marks cost nothing",
                wrong_score(below=lambda n, m, tp: n),
                "A second mark that finds nothing must cost something. Which of TP, FP and FN is missing below the "
                "line?",
            ),
            Mistake(
                "misses cost nothing",
                wrong_score(below=lambda n, m, tp: m),
                "An opacity that nobody marked must cost something. Which of TP, FP and FN is missing below the line?",
            ),
            Mistake(
                "predictions in the order of the input",
                score_in_input_order,
                "n_matches wants the best score first. In which order do the predictions come?",
            ),
            Mistake(
                "worst score first",
                wrong_score(sign=1),
                "np.argsort sorts upwards: whose score is the first of its indices?",
            ),
            Mistake(
                "the lowest threshold alone",
                wrong_score(of_sums=True),
                "There is a quotient for each of the thresholds, and the score is their mean.",
            ),
        ),
        draw_score,
    ),
    Exercise(
        "average_precision.area_of_all_points",
        "mini_rcnn.metrics.average_precision:area_of_all_points",
        area_cases,
        (
            Mistake(
                "teeth left in",
                area_with_teeth,
                "Where a later point has a better precision, whoever wants this recall would go on to that point. "
                "Which maximum does the equation take?",
            ),
            Mistake(
                "the maximum of what came before",
                area_from_the_left,
                "The maximum is over recalls r' >= r: over the points from here on, not over those up to here.",
            ),
            Mistake(
                "the first step is missing",
                area_from_first_hit,
                "From which recall to which goes the first step? There are as many steps as points.",
            ),
            Mistake(
                "the mean of the precisions",
                area_as_mean,
                "What is never found must cost something: how wide is each step of recall, and do they add up to 1?",
            ),
            Mistake(
                "trapezoids",
                area_by_trapezoids,
                "VOC takes rectangles: over one step the precision stands still, at the best from its right end on.",
            ),
        ),
    ),
    Exercise(
        "froc.sensitivity_at",
        "mini_rcnn.metrics.froc:sensitivity_at",
        froc_cases,
        (
            Mistake(
                "fewer, not at most",
                sensitivity_strictly,
                "*At most* so many: does a point with exactly so many false marks count?",
            ),
            Mistake(
                "the next point",
                sensitivity_next_point,
                "The point that you read has more false marks than were allowed.",
            ),
            Mistake(
                "a straight line between points",
                sensitivity_interpolated,
                "Between two points there is no threshold that would do it. LUNA16 reads the curve so; this function "
                "does not.",
            ),
            Mistake(
                "the nearest point",
                sensitivity_nearest,
                "The nearest point may lie beyond the rate that was allowed.",
            ),
        ),
        draw_froc,
    ),
    Exercise(
        "image_level.roc",
        "mini_rcnn.metrics.image_level:roc",
        roc_cases,
        (
            Mistake(
                "a point for each image",
                roc_point_by_point,
                "No threshold can pass one of two equal scores and not the other. How many points may they make?",
            ),
            Mistake(
                "shares of all images",
                roc_of_all,
                "The true positive rate is a share of the *ill* images. Of which is the other?",
            ),
            Mistake(
                "no point where nothing is called ill",
                roc_without_start,
                "The curve begins where no image is called ill: at which rates, and at which threshold?",
            ),
            Mistake(
                "the two rates exchanged",
                roc_exchanged,
                "The first part of the result is the share of *healthy* images that are called ill.",
            ),
            Mistake(
                "lowest threshold first",
                roc_ascending,
                "Highest threshold first, so that both rates only rise.",
            ),
        ),
    ),
)
