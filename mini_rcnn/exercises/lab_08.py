"""Lab 08, targets and losses."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.cases.case import crowded_boxes
from mini_rcnn.stages.anchors import pyramid_anchors
from mini_rcnn.stages.boxes import box_iou
from mini_rcnn.stages.losses import cross_entropy, head_box_loss, smooth_l1
from mini_rcnn.stages.targets import BACKGROUND, NEUTRAL, OBJECT, label_anchors, lowest

from .exercise import Exercise, Mistake

EXACT = 1e-9
ANCHORS = pyramid_anchors(64, scales=(8, 16, 24, 32, 48), ratios=(0.5, 1, 2), strides=(4, 8, 16, 32, 64))
IOUS = {"positive_iou": 0.7, "negative_iou": 0.3}


def labelling_cases(seed):
    """Return cases of ``label_anchors``: at a threshold, a truth that nothing fits well, no truth, real anchors."""
    rng = np.random.default_rng([seed, 81])

    def case(name, overlaps, labels, truths, **options):
        outputs = (np.array(labels, np.int64), np.array(truths, np.int64))
        return Case(name, (np.array(overlaps, np.float64),), {**IOUS, **options}, 0, outputs)

    cases = [
        case("equal to the upper threshold", [[0.7], [0.9]], [1, 1], [0, 0]),
        case("equal to the lower threshold", [[0.3], [0.9]], [0, 1], [0, 0]),
        case("best of a truth, in between", [[0.5], [0.1]], [1, -1], [0, 0]),
        case("best of a truth, hardly touches it", [[0.05], [0.0]], [1, -1], [0, 0]),
        case("two truths", [[0.8, 0.0], [0.5, 0.2], [0.1, 0.25]], [1, 0, 1], [0, 0, 1]),
        case(
            "its best truth is not the one it is best for", [[0.9, 0.0], [0.6, 0.4], [0.0, 0.3]], [1, 1, 0], [0, 0, 1]
        ),
        case("equal overlaps", [[0.5, 0.5], [0.5, 0.5]], [1, 0], [0, 0]),
        Case("no truth", (np.zeros((3, 0)),), IOUS, 0, (np.full(3, -1), np.zeros(3, np.int64))),
    ]
    for number in range(10):
        truth = crowded_boxes(rng, int(rng.integers(1, 5)), (64, 64)).astype(np.float64)
        picked = np.sort(rng.choice(len(ANCHORS), 60, replace=False))
        upper, lower = np.round(rng.uniform([0.4, 0.1], [0.7, 0.3]), 2).tolist()
        options = {"positive_iou": upper, "negative_iou": lower}
        cases.append(Case(f"random {number}", (box_iou(ANCHORS[picked], truth),), options, 0))
    return cases


def labels_with(overlaps, positive_iou, negative_iou, *, reaches=np.greater_equal, misses=np.less, best_rule=True,
                background_last=False, truth_axis=1):  # fmt: skip
    """Return labels with one thing changed."""
    if overlaps.shape[1] == 0:
        return label_anchors(overlaps, positive_iou=positive_iou, negative_iou=negative_iou)
    best = overlaps.max(axis=1)
    labels = np.where(misses(best, negative_iou), BACKGROUND, NEUTRAL)
    if best_rule:
        labels[overlaps.argmax(axis=0)] = OBJECT
    labels[reaches(best, positive_iou)] = OBJECT
    if background_last:
        labels[misses(best, negative_iou)] = BACKGROUND
    return labels, overlaps.argmax(axis=truth_axis)


def wrong_labels(**changed):
    """Return ``label_anchors`` with one thing changed."""

    def function(overlaps, *, positive_iou, negative_iou):
        return labels_with(overlaps, positive_iou, negative_iou, **changed)

    return function


def labels_need_a_truth(overlaps, *, positive_iou, negative_iou):
    """An image without truth raises, as with Matterport."""
    overlaps.argmax(axis=1)
    return label_anchors(overlaps, positive_iou=positive_iou, negative_iou=negative_iou)


def lowest_cases(seed):
    """Return cases of ``lowest``: fewer members than places, no place, equal priorities, crowds."""
    rng = np.random.default_rng([seed, 82])

    def case(name, priority, members, limit, kept):
        inputs = (np.array(priority, np.float64), np.array(members, bool), limit)
        return Case(name, inputs, {}, 0, (np.array(kept, bool),))

    cases = [
        case("the lowest is no member", [0.3, 0.1, 0.2], [1, 0, 1], 1, [0, 0, 1]),
        case("fewer members than places", [0.3, 0.1, 0.2], [1, 0, 1], 5, [1, 0, 1]),
        case("no place", [0.3, 0.1], [1, 1], 0, [0, 0]),
        case("a limit below 0", [0.3, 0.1, 0.2], [1, 1, 1], -1, [0, 0, 0]),
        case("no member", [0.3, 0.1], [0, 0], 2, [0, 0]),
        case("equal priorities", [0.5, 0.2, 0.5, 0.2, 0.2], [1, 1, 1, 1, 1], 2, [0, 1, 0, 1, 0]),
        case("nobody", [], [], 3, []),
    ]
    for number in range(12):
        n = int(rng.integers(3, 40))
        priority = np.round(rng.random(n), 1 + number % 2)  # every other time with many equal ones
        cases.append(Case(f"random {number}", (priority, rng.random(n) < 0.6, int(rng.integers(1, n))), {}, 0))
    return cases


def chosen(indices, n):
    """Return the places of indices as booleans."""
    kept = np.zeros(n, dtype=bool)
    kept[indices] = True
    return kept


def lowest_highest(priority, members, limit):
    """The highest priorities."""
    return lowest(-priority, members, limit)


def lowest_of_all(priority, members, limit):
    """The lowest of all candidates, and of those the members."""
    return lowest(priority, np.ones(len(members), dtype=bool), limit) & members


def lowest_rows_lost(priority, members, limit):
    """Places among the members taken for places among all."""
    order = np.argsort(priority[members], kind="stable")
    return chosen(order[: max(0, limit)], len(members))


def lowest_last_of_equals(priority, members, limit):
    """Of equal priorities the higher index."""
    return lowest(priority[::-1], members[::-1], limit)[::-1]


def lowest_negative_slice(priority, members, limit):
    """A limit below 0 cuts from the end."""
    indices = np.flatnonzero(members)
    return chosen(indices[np.argsort(priority[indices], kind="stable")[:limit]], len(members))


def lowest_indices(priority, members, limit):
    """Indices where booleans are asked for."""
    return np.flatnonzero(lowest(priority, members, limit))


def smooth_cases(seed):
    """Return cases of ``smooth_l1``: both sides of 1, both signs, nothing, rows."""
    rng = np.random.default_rng([seed, 83])

    def case(name, differences, losses):
        return Case(name, (np.array(differences, np.float64),), {}, EXACT, (np.array(losses, np.float64),))

    cases = [
        case("near", [0.5], [0.125]),
        case("far", [3.0], [2.5]),
        case("near, below 0", [-0.5], [0.125]),
        case("far, below 0", [-3.0], [2.5]),
        case("at the seam", [1.0, -1.0], [0.5, 0.5]),
        case("no difference", [0.0], [0.0]),
        case("no rows", np.zeros((0, 4)), np.zeros((0, 4))),
        case("very far", [1e8], [1e8 - 0.5]),
    ]
    for number in range(8):
        cases.append(Case(f"random {number}", (rng.normal(0, 1.5, (int(rng.integers(1, 9)), 4)),), {}, EXACT))
    return cases


def smooth_no_half_off(differences):
    """A step at 1: the line without its half."""
    size = np.abs(differences)
    return np.where(size < 1, 0.5 * size**2, size)


def smooth_whole_square(differences):
    """The square without its half."""
    size = np.abs(differences)
    return np.where(size < 1, size**2, size - 0.5)


def smooth_signed(differences):
    """The sign is kept."""
    return np.where(differences < 1, 0.5 * differences**2, differences - 0.5)


def smooth_square_everywhere(differences):
    """The square for far misses, too."""
    return 0.5 * np.asarray(differences) ** 2


def smooth_sides_swapped(differences):
    """The line near 0, the square far away."""
    size = np.abs(differences)
    return np.where(size < 1, size - 0.5, 0.5 * size**2)


def smooth_mean(differences):
    """One number in place of one for each difference."""
    return smooth_l1(differences).mean() if np.size(differences) else 0.0


def entropy_cases(seed):
    """Return cases of ``cross_entropy``: no opinion, sure and right, sure and wrong, logits that overflow, no rows."""
    rng = np.random.default_rng([seed, 84])

    def case(name, logits, class_ids, losses):
        inputs = (np.array(logits, np.float64), np.array(class_ids, np.int64))
        return Case(name, inputs, {}, EXACT, (np.array(losses, np.float64),))

    cases = [
        case("no opinion, two classes", [[0, 0]], [1], [np.log(2)]),
        case("no opinion, four classes", [[5, 5, 5, 5]], [2], [np.log(4)]),
        case("sure and right", [[-800, 800]], [1], [0]),
        case("sure and wrong", [[-800, 800]], [0], [1600]),
        case("very low logits", [[-1000, -1000]], [0], [np.log(2)]),
        case("one class", [[3], [-3]], [0, 0], [0, 0]),
        case("rows of different size", [[900, 900], [0, 0]], [0, 1], [np.log(2), np.log(2)]),
        case("no rows", np.zeros((0, 2)), [], []),
    ]
    for number in range(10):
        shape = (int(rng.integers(1, 8)), int(rng.integers(2, 5)))
        inputs = (rng.normal(0, 3, shape), rng.integers(0, shape[1], shape[0]))
        cases.append(Case(f"random {number}", inputs, {}, EXACT))
    return cases


def softmax(logits):
    """Return the probability of each class, row by row, without overflow."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def right_of(values, class_ids):
    """Return the right class's value of each row."""
    return values[np.arange(len(class_ids)), class_ids]


def entropy_overflows(logits, class_ids):
    """The largest logit is not taken out."""
    return np.log(np.exp(logits).sum(axis=1)) - right_of(logits, class_ids)


def entropy_log_of_zero(logits, class_ids):
    """The logarithm of a probability that was rounded to 0."""
    return -np.log(right_of(softmax(logits), class_ids))


def entropy_one_largest(logits, class_ids):
    """The largest of all rows in place of each row's own."""
    raised = logits - (logits.max() if logits.size else 0)
    return np.log(np.exp(raised).sum(axis=1)) - right_of(raised, class_ids)


def entropy_wrong_sign(logits, class_ids):
    """The logarithm itself, not minus it."""
    return -cross_entropy(logits, class_ids)


def entropy_mean(logits, class_ids):
    """One number for all rows."""
    return cross_entropy(logits, class_ids).mean() if len(logits) else 0.0


def entropy_of_winner(logits, class_ids):
    """The class with the largest logit in place of the right one."""
    return cross_entropy(logits, logits.argmax(axis=1))


def entropy_not_logged(logits, class_ids):
    """One less the probability, without the logarithm."""
    return 1 - right_of(softmax(logits), class_ids)


def box_loss_cases(seed):
    """Return cases of ``head_box_loss``: no object, background that is far off, classes, a batch."""
    rng = np.random.default_rng([seed, 85])

    def case(name, deltas, class_ids, targets, loss):
        inputs = (np.array(deltas, np.float64), np.array(class_ids, np.int64), np.array(targets, np.float64))
        return Case(name, inputs, {}, EXACT, (np.array(loss, np.float64),))

    one = np.zeros((2, 2, 4))
    one[1, 1] = 0, 0, 1, 3
    classes = np.arange(12, dtype=float).reshape(1, 3, 4)
    cases = [
        case("one object", one[1:], [1], np.zeros((1, 4)), 0.75),
        case("one object beside background", one, [0, 1], np.zeros((2, 4)), 0.75),
        case("three classes", classes, [2], np.full((1, 4), 8.0), (0 + 0.5 + 1.5 + 2.5) / 4),
        case("background alone", np.ones((3, 2, 4)), [0, 0, 0], np.zeros((3, 4)), 0.0),
        case("no rows", np.zeros((0, 2, 4)), [], np.zeros((0, 4)), 0.0),
    ]
    for number in range(10):
        n_classes = 2 + number % 3
        shape = (int(rng.integers(2, 9)),) if number % 4 else (2, 3)
        class_ids = rng.integers(0, n_classes, shape)
        class_ids.reshape(-1)[:2] = n_classes - 1, 0  # an object, and one row of background
        inputs = (rng.normal(0, 1, (*shape, n_classes, 4)), class_ids, rng.normal(0, 1, (*shape, 4)))
        cases.append(Case(f"random {number}", inputs, {}, EXACT))
    return cases


def own_of(deltas, class_ids):
    """Return each row's deltas of its class, (rows, 4)."""
    flat_ids = class_ids.reshape(-1)
    return deltas.reshape(-1, *deltas.shape[-2:])[np.arange(len(flat_ids)), flat_ids]


def mean_of(losses):
    """Return the mean, 0 of nothing."""
    return float(losses.mean()) if losses.size else 0.0


def box_loss_background_counts(deltas, class_ids, target_deltas):
    """Background rows count, too."""
    return mean_of(smooth_l1(own_of(deltas, class_ids) - target_deltas.reshape(-1, 4)))


def box_loss_over_all_rows(deltas, class_ids, target_deltas):
    """The objects' losses over the number of all rows."""
    losses = smooth_l1(own_of(deltas, class_ids) - target_deltas.reshape(-1, 4))
    return mean_of(losses * (class_ids.reshape(-1, 1) > 0))


def box_loss_class_before(deltas, class_ids, target_deltas):
    """The class counted from 0, as if background had no deltas."""
    objects = class_ids > 0
    return mean_of(smooth_l1(own_of(deltas[objects], class_ids[objects] - 1) - target_deltas[objects]))


def box_loss_all_classes(deltas, class_ids, target_deltas):
    """The deltas of every class are held against the truth."""
    objects = class_ids > 0
    return mean_of(smooth_l1(deltas[objects] - target_deltas[objects][:, None]))


def box_loss_sum_of_four(deltas, class_ids, target_deltas):
    """The four numbers of a box added up."""
    return 4 * head_box_loss(deltas, class_ids, target_deltas)


def box_loss_no_object(deltas, class_ids, target_deltas):
    """The mean of nothing."""
    objects = class_ids > 0
    return float(smooth_l1(own_of(deltas[objects], class_ids[objects]) - target_deltas[objects]).mean())


def draw_labels(case, expected, got):
    """Return a drawing of which anchor got which label."""
    from mini_rcnn.view.lab_08 import labels_figure

    return labels_figure(case.inputs[0], expected["[0]"], got["[0]"], **case.options)


def draw_smooth(case, expected, got):
    """Return a drawing of the losses over their differences."""
    from mini_rcnn.view.lab_08 import points_figure

    return points_figure(case.inputs[0], expected[""], got[""])


EXERCISES = (
    Exercise(
        "targets.label_anchors",
        "mini_rcnn.stages.targets:label_anchors",
        labelling_cases,
        (
            Mistake(
                "greater in place of at least",
                wrong_labels(reaches=np.greater),
                "*From* positive_iou on: what is an anchor whose best overlap is exactly that?",
            ),
            Mistake(
                "at most in place of below",
                wrong_labels(misses=np.less_equal),
                "*Below* negative_iou: what is an anchor whose best overlap is exactly that?",
            ),
            Mistake(
                "a truth without an anchor",
                wrong_labels(best_rule=False),
                "Look at a truth that no anchor fits well. Who is asked to find it?",
            ),
            Mistake(
                "background takes the best anchor back",
                wrong_labels(background_last=True),
                "An anchor fits a truth best but badly. Two of your lines speak about it: which has the last word?",
            ),
            Mistake(
                "the best anchor of each truth",
                wrong_labels(truth_axis=0),
                "`truth_ids` has an entry for each *anchor*. Along which axis of `overlaps` do the truths lie?",
            ),
            Mistake(
                "an image without truth raises",
                labels_need_a_truth,
                "The maximum of no numbers is an error in NumPy. What should a film without opacities ask for?",
            ),
        ),
        draw_labels,
    ),
    Exercise(
        "targets.lowest",
        "mini_rcnn.stages.targets:lowest",
        lowest_cases,
        (
            Mistake("the highest", lowest_highest, "Which end of the sorted priorities is kept?"),
            Mistake(
                "members picked after the limit",
                lowest_of_all,
                "The places are for members alone. Does one who is no member take a place away from them?",
            ),
            Mistake(
                "places among the members",
                lowest_rows_lost,
                "Among the members all are numbered anew. Whose numbers does the result have?",
            ),
            Mistake(
                "the last of equal ones",
                lowest_last_of_equals,
                "Of equal priorities the lower index is chosen. What does argsort do with equal values?",
            ),
            Mistake(
                "a negative slice", lowest_negative_slice, "What does `values[:-1]` keep, and what should -1 keep?"
            ),
            Mistake(
                "indices",
                lowest_indices,
                "The docstring asks for a truth value for each candidate, chosen or not.",
            ),
        ),
    ),
    Exercise(
        "losses.smooth_l1",
        "mini_rcnn.stages.losses:smooth_l1",
        smooth_cases,
        (
            Mistake("a step at 1", smooth_no_half_off, "Come to 1 from both sides: are the two pieces equal there?"),
            Mistake(
                "a whole square",
                smooth_whole_square,
                "At 1 the square should be as steep as the line. How steep is yours?",
            ),
            Mistake("the sign is kept", smooth_signed, "Is a miss of -3 worse or better than one of 3?"),
            Mistake(
                "a square everywhere",
                smooth_square_everywhere,
                "Beyond 1 a miss should pull no harder than at 1. How does yours grow there?",
            ),
            Mistake("pieces swapped", smooth_sides_swapped, "Which piece belongs near 0? A loss is never below 0."),
            Mistake("a mean", smooth_mean, "One loss for each difference: whoever calls takes the mean."),
        ),
        draw_smooth,
    ),
    Exercise(
        "losses.cross_entropy",
        "mini_rcnn.stages.losses:cross_entropy",
        entropy_cases,
        (
            Mistake(
                "exp overflows",
                entropy_overflows,
                "Print np.exp(800.0). Which number may be taken from a whole row without changing the result?",
            ),
            Mistake(
                "the logarithm of 0",
                entropy_log_of_zero,
                "A probability can be so small that it is rounded to 0. Is there a way that divides nothing?",
            ),
            Mistake(
                "one largest logit for all rows",
                entropy_one_largest,
                "Each row is one question. Whose largest logit do you take from a row?",
            ),
            Mistake(
                "wrong sign", entropy_wrong_sign, "A loss is never below 0. What sign has the log of a probability?"
            ),
            Mistake("a mean", entropy_mean, "One loss a row: whoever calls takes the mean."),
            Mistake(
                "the winner's probability",
                entropy_of_winner,
                "Whose probability counts: that of the class the network likes best, or that of the right one?",
            ),
            Mistake("no logarithm", entropy_not_logged, "What does a network lose that is sure, and wrong? At most 1?"),
        ),
    ),
    Exercise(
        "losses.head_box_loss",
        "mini_rcnn.stages.losses:head_box_loss",
        box_loss_cases,
        (
            Mistake(
                "background counts",
                box_loss_background_counts,
                "Background has no box. Which rows have something to be held against?",
            ),
            Mistake(
                "over all rows",
                box_loss_over_all_rows,
                "The mean is over the objects. By how many rows do you divide?",
            ),
            Mistake(
                "classes from 0",
                box_loss_class_before,
                "Background is class 0 and has four deltas, too. Which place has class 1?",
            ),
            Mistake(
                "every class's deltas",
                box_loss_all_classes,
                "Of an object's deltas only those of one class count. Which class?",
            ),
            Mistake(
                "the sum of the four",
                box_loss_sum_of_four,
                "A box has four numbers. Is the mean over boxes, or over all their numbers?",
            ),
            Mistake("the mean of nothing", box_loss_no_object, "What is the mean of no numbers? What should it be?"),
        ),
    ),
)
