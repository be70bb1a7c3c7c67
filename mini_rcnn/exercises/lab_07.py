"""Lab 07, heads and masks."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.cases.case import crowded_boxes
from mini_rcnn.cases.mask_cases import is_settled, smooth_grid
from mini_rcnn.stages.boxes import clip_boxes, decode_deltas
from mini_rcnn.stages.detections import Detections, two_stage_nms_per_class
from mini_rcnn.stages.masks import paste_mask, paste_probabilities, threshold_mask
from mini_rcnn.stages.nms import two_stage_nms
from mini_rcnn.stages.proposals import top_indices

from .exercise import Exercise, Mistake, cases_of_stage

EXACT = 1e-12  # beside a millionth of the value: small probabilities are compared, too
SAME = np.array([[0.0, 0, 8, 8]] * 4)
STD = (0.1, 0.1, 0.2, 0.2)


def sigmoid_cases(seed):
    """Return cases of ``sigmoid``: 0, very large and very small logits, several axes, none."""
    rng = np.random.default_rng([seed, 71])

    def case(name, logits, outputs=()):
        return Case(name, (np.array(logits, np.float64),), {}, EXACT, outputs)

    cases = [
        case("zero", [0.0], (np.array([0.5]),)),
        case("log 3, up and down", [np.log(3), -np.log(3)], (np.array([0.75, 0.25]),)),
        case("very large", [1000.0], (np.array([1.0]),)),
        case("very small", [-1000.0], (np.array([0.0]),)),
        case("small", [-30.0], (np.array([9.357622968839299e-14]),)),
        case("none", np.zeros((0, 28, 28))),
        case("two classes alike", [[[[2.0, 2.0]]]], (np.full((1, 1, 1, 2), 0.8807970779778823),)),
    ]
    for number in range(12):
        shape = [(6,), (2, 3, 2), (1, 3, 3, 2)][number % 3]
        cases.append(case(f"random {number}", rng.normal(0, [3, 40][number % 2], shape)))
    return cases


def per_class_cases(seed):
    """Return cases of ``two_stage_nms_per_class``: same place and other class, background, nothing left, crowds."""
    rng = np.random.default_rng([seed, 72])

    def case(name, boxes, scores, class_ids, outputs=None, confidence=0.5, iou=0.3, most=10):
        options = {"min_confidence": confidence, "iou_threshold": iou, "max_boxes": most}
        boxes, scores = np.array(boxes, np.float64).reshape(-1, 4), np.array(scores, np.float64)
        wanted = () if outputs is None else (np.array(outputs, np.int64),)
        return Case(name, (boxes, scores, np.array(class_ids, np.int64)), options, 0, wanted)

    cases = [
        case("one place, two classes", SAME, [0.7, 0.8, 0.9, 0.6], [1, 2, 2, 1], [0, 2]),
        case("background", SAME, [0.9, 0.8, 0.7, 0.6], [0, 1, 0, 2], [1, 3]),
        case("all background", SAME, [0.9, 0.8, 0.7, 0.6], [0, 0, 0, 0], []),
        case("none", [], [], [], []),
        case("not sure enough", SAME, [0.4, 0.5, 0.4, 0.1], [1, 1, 2, 2], [1]),
        case("one of each class at most", [[0, 0, 4, 4], [9, 9, 12, 12], [20, 0, 24, 4]], [0.6, 0.9, 0.7], [1, 1, 3],
             [1, 2], most=1),
        case("best score last", [[0, 0, 4, 4], [9, 9, 12, 12], [20, 0, 24, 4]], [0.6, 0.7, 0.9], [2, 1, 1], [0, 1, 2]),
    ]  # fmt: skip
    for number in range(15):
        boxes = crowded_boxes(rng, int(rng.integers(8, 30)), (128, 128))
        scores, class_ids = np.round(rng.uniform(0.2, 1, len(boxes)), 2), rng.integers(0, 4, len(boxes))
        cases.append(case(f"random {number}", boxes, scores, class_ids, most=[50, 2][number % 2]))
    return cases


def detection_cases(seed):
    """Return cases of ``refine_detections``: the stage's own, and some by hand."""

    def case(name, proposals, probabilities, deltas, wanted, window=(0, 0, 64, 64), most=5):
        options = {"window": window, "min_confidence": 0.5, "iou_threshold": 0.3, "max_detections": most,
                   "delta_std": STD}  # fmt: skip
        inputs = tuple(np.array(values, np.float64) for values in (proposals, probabilities, deltas))
        boxes, class_ids, scores, rows = wanted
        outputs = (np.array(boxes, np.float64).reshape(-1, 4), np.array(class_ids, np.int64),
                   np.array(scores, np.float64), np.array(rows, np.int64))  # fmt: skip
        return Case(name, inputs, options, 1e-6, outputs)

    one, still = [[10, 10, 20, 30]], np.zeros((1, 2, 4))
    down = still.copy()
    down[0, 1] = [2, 0, 0, 0]  # by 0.2 of its height
    apart = [[0, 0, 8, 8], [20, 20, 28, 28], [40, 40, 48, 48]]
    cases = [
        case("stays where it is", one, [[0.2, 0.8]], still, (one, [1], [0.8], [0])),
        case("moved down by a fifth", one, [[0.2, 0.8]], down, ([[12, 10, 22, 30]], [1], [0.8], [0])),
        case("background is surer", one, [[0.6, 0.4]], down, ([], [], [], [])),
        case("cut to the window", one, [[0.2, 0.8]], still, ([[12, 10, 20, 30]], [1], [0.8], [0]), (12, 0, 64, 64)),
        case("two at most, of all classes", apart, [[0.1, 0.7, 0.2], [0.05, 0.05, 0.9], [0.1, 0.8, 0.1]],
             np.zeros((3, 3, 4)), (apart[1:], [2, 1], [0.9, 0.8], [1, 2]), most=2),
    ]  # fmt: skip
    return cases + [case for case in cases_of_stage("detections.refine_detections", seed, n_random=8)]


def paste_cases(seed):
    """Return cases of ``paste_mask``: Matterport's, boxes between pixels, beyond the image, other thresholds."""
    rng = np.random.default_rng([seed, 74])

    def case(name, grid, box, size, threshold=0.5, outputs=()):
        options = {"image_size": size, "threshold": threshold}
        return Case(name, (np.array(grid, np.float64), np.array(box, np.float64)), options, 0, outputs)

    middle = np.zeros((4, 4), bool)
    middle[1:3, 1:3] = True
    column = np.zeros((3, 5), bool)
    column[:, 1] = True
    by_hand = [
        case("full", np.ones((2, 2)), (1, 1, 3, 3), 4, outputs=(middle,)),
        case("at the threshold", np.full((2, 2), 0.5), (1, 1, 3, 3), 4, outputs=(middle,)),
        case("threshold 0, outside too", np.zeros((2, 2)), (1, 1, 3, 3), 4, 0.0, (middle,)),
        case("taller than wide", np.ones((3, 1)), (0, 1, 3, 2), (3, 5), outputs=(column,)),
        case("beyond the image", smooth_grid(rng, 7, 7), (-4, -3, 5, 6), (8, 8)),
        case("outside the image", np.ones((2, 2)), (9, 9, 12, 12), 8, outputs=(np.zeros((8, 8), bool),)),
        case("without area", np.ones((2, 2)), (3, 3, 3, 3), 8, outputs=(np.zeros((8, 8), bool),)),
    ]
    drawn = []
    while len(drawn) < 14:
        grid, size = smooth_grid(rng, 7, 7), tuple(int(side) for side in rng.integers(20, 50, 2))
        corner = rng.uniform(0, 8, 2)
        box = np.concatenate([corner, corner + rng.uniform(9, 14, 2)]).round(2)
        threshold = [0.5, 0.3, 0.7][len(drawn) % 3]
        pasted, inside = paste_probabilities(grid, box, size)
        if is_settled(pasted[inside] - threshold + 0.5) and grid.min() < threshold - 0.1 < threshold + 0.1 < grid.max():
            drawn.append(case(f"random {len(drawn)}", grid, box, size, threshold))
    recorded = [case for case in cases_of_stage("masks.paste_mask", seed, n_random=0) if case.outputs]
    return by_hand + drawn + recorded


def per_class_wrong(boxes, scores, class_ids, *, min_confidence, iou_threshold, max_boxes, first=1, rows="all",
                    by_score=False):  # fmt: skip
    """Return indices with one thing changed."""
    kept = [np.zeros(0, dtype=np.int64)]
    for class_id in np.unique(class_ids[class_ids >= first]):
        members = np.flatnonzero(class_ids == class_id)
        found = two_stage_nms(boxes[members], scores[members], min_confidence=min_confidence,
                              iou_threshold=iou_threshold, max_boxes=max_boxes)  # fmt: skip
        kept.append(members[found] if rows == "all" else found)
    kept = np.sort(np.concatenate(kept))
    return kept[np.argsort(-scores[kept], kind="stable")] if by_score else kept


def wrong_per_class(**changed):
    """Return ``two_stage_nms_per_class`` with one thing changed."""
    return lambda boxes, scores, class_ids, **options: per_class_wrong(boxes, scores, class_ids, **options, **changed)


def classes_compete(boxes, scores, class_ids, **options):
    """Background gone, all others against each other."""
    members = np.flatnonzero(class_ids > 0)
    return np.sort(members[two_stage_nms(boxes[members], scores[members], **options)])


def limit_for_all(boxes, scores, class_ids, *, max_boxes, **options):
    """The limit counts all classes together."""
    kept = two_stage_nms_per_class(boxes, scores, class_ids, max_boxes=len(boxes), **options)
    return np.sort(kept[top_indices(scores[kept], max_boxes)])


def detected(proposals, probabilities, deltas, *, window, min_confidence, iou_threshold, max_detections, delta_std,
             fixed_class=None, best_of=0, std=True, clip=True, compete=False, sort=True, certain=False):  # fmt: skip
    """Return detections with one thing changed."""
    probabilities = probabilities.astype(np.float64)
    class_ids = probabilities[:, best_of:].argmax(axis=1) + best_of
    scores = 1 - probabilities[:, 0] if certain else probabilities[np.arange(len(class_ids)), class_ids]
    moves = deltas[np.arange(len(class_ids)), class_ids if fixed_class is None else 0 * class_ids + fixed_class]
    boxes = decode_deltas(proposals.astype(np.float64), moves * (np.array(delta_std) if std else 1.0))
    boxes = clip_boxes(boxes, window) if clip else boxes
    keep = classes_compete if compete else two_stage_nms_per_class
    kept = keep(boxes, scores, class_ids, min_confidence=min_confidence, iou_threshold=iou_threshold,
                max_boxes=max_detections)  # fmt: skip
    kept = kept[top_indices(scores[kept], max_detections)] if sort else kept[:max_detections]
    return Detections(boxes[kept], class_ids[kept], scores[kept], kept)


def wrong_detections(**changed):
    """Return ``refine_detections`` with one thing changed."""
    return lambda proposals, probabilities, deltas, **options: detected(
        proposals, probabilities, deltas, **options, **changed
    )


def paste_threshold_first(probabilities, box, image_size, *, threshold=0.5):
    """Each pixel takes the mask of the cell that it lies in."""
    return paste_mask(threshold_mask(probabilities, threshold).astype(float), box, image_size)


def paste_everywhere(probabilities, box, image_size, *, threshold=0.5):
    """The threshold is held against the zeros outside, too."""
    return paste_probabilities(probabilities, box, image_size)[0] >= threshold


def paste_strict(probabilities, box, image_size, *, threshold=0.5):
    """A pixel at the threshold does not belong to it."""
    pasted, inside = paste_probabilities(probabilities, box, image_size)
    mask = np.zeros(pasted.shape, dtype=bool)
    mask[inside] = pasted[inside] > threshold
    return mask


def paste_half_always(probabilities, box, image_size, *, threshold=0.5):
    """The threshold is not looked at."""
    return paste_mask(probabilities, box, image_size)


def paste_whole_pixels(probabilities, box, image_size, *, threshold=0.5):
    """Corners rounded to whole pixels first."""
    return paste_mask(probabilities, np.rint(np.asarray(box, np.float64)), image_size, threshold=threshold)


def paste_exchanged(probabilities, box, image_size, *, threshold=0.5):
    """The grid laid on its side."""
    return paste_mask(probabilities.T, box, image_size, threshold=threshold)


def draw_kept(case, expected, got):
    """Return a drawing of which boxes stay."""
    from mini_rcnn.view.checked import kept_figure

    return kept_figure(case.inputs[0], case.inputs[1], expected[""], got[""])


def draw_detections(case, expected, got):
    """Return a drawing of the detections' boxes, the expected ones beside the student's."""
    from mini_rcnn.view.lab_07 import detections_checked_figure

    (boxes, *_), (yours, *_) = list(expected.values()), list(got.values())
    return detections_checked_figure(case.inputs[0], boxes, yours)


def draw_mask(case, expected, got):
    """Return a drawing of both masks."""
    from mini_rcnn.view.checked import arrays_figure

    return arrays_figure(expected[""], got[""])


EXERCISES = (
    Exercise(
        "detections.two_stage_nms_per_class",
        "mini_rcnn.stages.detections:two_stage_nms_per_class",
        per_class_cases,
        (
            Mistake(
                "all classes compete",
                classes_compete,
                "Two boxes in one place, one of class 1 and one of class 2: who may remove whom?",
            ),
            Mistake(
                "background stays",
                wrong_per_class(first=0),
                "Class 0 is no finding. Which classes does your loop go through?",
            ),
            Mistake(
                "rows within the class",
                wrong_per_class(rows="own"),
                "two_stage_nms numbers the boxes it is given. Whose rows are these, and whose are asked for?",
            ),
            Mistake(
                "sorted by score",
                wrong_per_class(by_score=True),
                "The docstring says in which order the indices come out.",
            ),
            Mistake(
                "one limit for all classes",
                limit_for_all,
                "max_boxes counts the boxes of each class for itself.",
            ),
        ),
        draw_kept,
    ),
    Exercise(
        "detections.refine_detections",
        "mini_rcnn.stages.detections:refine_detections",
        detection_cases,
        (
            Mistake(
                "deltas of background",
                wrong_detections(fixed_class=0),
                "There is a set of four deltas for every class. Which of them moves this box?",
            ),
            Mistake(
                "delta_std forgotten",
                wrong_detections(std=False),
                "A box moves too far: in which units are the deltas?",
            ),
            Mistake(
                "best class but background",
                wrong_detections(best_of=1),
                "A proposal of which the network is surest that it is nothing should be nothing.",
            ),
            Mistake(
                "not cut to the window",
                wrong_detections(clip=False),
                "Some boxes now reach beyond the film. And the overlaps are measured after cutting.",
            ),
            Mistake(
                "all classes compete",
                wrong_detections(compete=True),
                "Boxes of different classes may lie on each other.",
            ),
            Mistake(
                "not the best first",
                wrong_detections(sort=False),
                "In which order do detections come out, and which go if there are more than max_detections?",
            ),
            Mistake(
                "score is one less background",
                wrong_detections(certain=True),
                "With three classes 'no background' is not 'this class'. Whose probability is the score?",
            ),
        ),
        draw_detections,
    ),
    Exercise(
        "masks.sigmoid",
        "mini_rcnn.stages.masks:sigmoid",
        sigmoid_cases,
        (
            Mistake(
                "too large for a float",
                lambda logits: np.exp(logits) / (1 + np.exp(logits)),
                "nan is infinity divided by infinity. What is exp(1000), and how can you keep away from it?",
            ),
            Mistake(
                "upside down",
                lambda logits: 1 / (1 + np.exp(logits)),
                "A large logit means: sure that it is the object. Should 1000 give 1 or 0?",
            ),
            Mistake(
                "softmax over the last axis",
                lambda logits: (
                    np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
                    / np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf)).sum(axis=-1, keepdims=True)
                ),
                "Each number is on its own here: the probabilities of two classes need not add up to 1.",
            ),
            Mistake(
                "logits cut off",
                lambda logits: 1 / (1 + np.exp(-np.clip(logits, -20, 20))),
                "Cutting keeps exp small, but -30 and -1000 come out alike now.",
            ),
            Mistake(
                "tanh",
                lambda logits: np.tanh(logits / 2),
                "It has the right form, but a probability is never negative.",
            ),
        ),
    ),
    Exercise(
        "masks.paste_mask",
        "mini_rcnn.stages.masks:paste_mask",
        paste_cases,
        (
            Mistake(
                "threshold first",
                paste_threshold_first,
                "In which order do you stretch and threshold? Once there is only yes and no, what was between is lost.",
            ),
            Mistake(
                "outside the box, too",
                paste_everywhere,
                "With a threshold of 0 the mask fills the image. What does the box say about the pixels outside it?",
            ),
            Mistake(
                "at the threshold is out",
                paste_strict,
                "threshold_mask says what happens to a pixel whose probability is exactly the threshold.",
            ),
            Mistake(
                "always one half",
                paste_half_always,
                "One of the arguments makes no difference in yours.",
            ),
            Mistake(
                "corners rounded",
                paste_whole_pixels,
                "The box need not be whole. paste_probabilities takes it as it is.",
            ),
            Mistake(
                "rows taken for columns",
                paste_exchanged,
                "Rows of the grid go along y, in the image too. Try a grid that is brighter at the top.",
            ),
        ),
        draw_mask,
    ),
)
