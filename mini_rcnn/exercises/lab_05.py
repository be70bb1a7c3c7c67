"""Lab 05, the region proposal network and proposals."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.cases.case import crowded_boxes, random_boxes
from mini_rcnn.metrics.recall import proposal_recall
from mini_rcnn.parameters import conv_shapes
from mini_rcnn.stages.backbone import conv_layer
from mini_rcnn.stages.boxes import box_iou, clip_boxes, decode_deltas
from mini_rcnn.stages.nms import non_max_suppression
from mini_rcnn.stages.ops import relu, softmax
from mini_rcnn.stages.proposals import Proposals, top_indices
from mini_rcnn.stages.rpn import rpn_level

from .exercise import Exercise, Mistake, cases_of_stage

MOST_ANCHORS = 400  # in a case: a loop over them in Python is quick
STD = (0.1, 0.1, 0.2, 0.2)

# softmax


def softmax_cases(seed):
    """Return cases of ``softmax``: by hand, large and small numbers, and random ones."""
    rng = np.random.default_rng([seed, 51])
    by_hand = (
        ("two equal", [[0.0, 0.0]], [[0.5, 0.5]]),
        ("three to one", [[np.log(3), 0.0]], [[0.75, 0.25]]),
        ("one vector", [0.0, 0.0, 0.0, 0.0], [0.25] * 4),
        ("one class", [[3.0], [-2.0]], [[1.0], [1.0]]),
        ("two rows", [[0.0, 0.0], [np.log(4), 0.0]], [[0.5, 0.5], [0.8, 0.2]]),
        ("large numbers", [[1000.0, 0.0]], [[1.0, 0.0]]),
        ("very negative numbers", [[-1000.0, -1000.0]], [[0.5, 0.5]]),
        ("a row far above another", [[1000.0, 1000.0], [-1000.0, -1000.0]], [[0.5, 0.5], [0.5, 0.5]]),
    )
    cases = [Case(name, (np.array(logits),), {}, 1e-6, (np.array(wanted),)) for name, logits, wanted in by_hand]
    cases.append(Case("no rows", (np.zeros((0, 2)),), {}, 1e-6, (np.zeros((0, 2)),)))
    for number in range(12):
        shape = tuple(int(side) for side in rng.integers(1, 5, int(rng.integers(1, 4)))) + (int(rng.integers(2, 5)),)
        cases.append(Case(f"random {number}", (np.round(rng.normal(0, 3, shape), 2),), {}, 1e-6))
    return cases


def exponentials(logits, axis, shift):
    """Return exponentials divided by their sum along an axis."""
    raised = np.exp(logits - shift)
    return raised / raised.sum(axis=axis, keepdims=True)


# rpn_level


def rpn_weights(rng, channels, hidden, ratios):
    """Return random weights of a small network."""
    shapes = {
        **conv_shapes("rpn_conv_shared", 3, channels, hidden),
        **conv_shapes("rpn_class_raw", 1, hidden, 2 * ratios),
        **conv_shapes("rpn_bbox_pred", 1, hidden, 4 * ratios),
    }
    return {name: np.round(rng.normal(0, 1, shape), 2) for name, shape in shapes.items()}


def rpn_cases(seed):
    """Return cases of ``rpn_level``: biases alone, and small random networks."""
    rng = np.random.default_rng([seed, 52])
    silent = {name: np.zeros(values.shape) for name, values in rpn_weights(rng, 1, 1, 3).items()}
    silent["rpn_class_raw/bias"], silent["rpn_bbox_pred/bias"] = np.arange(6.0), np.arange(12.0)
    logits, deltas = np.arange(6.0).reshape(3, 2), np.arange(12.0).reshape(3, 4)
    cases = [
        Case("one place", (np.ones((1, 1, 1)), silent), {}, 1e-6, (logits, deltas)),
        Case("two places", (np.ones((1, 2, 1)), silent), {}, 1e-6, (np.tile(logits, (2, 1)), np.tile(deltas, (2, 1)))),
    ]
    for number in range(10):
        shape = (2,) * (number % 2) + (int(rng.integers(2, 5)), int(rng.integers(2, 4)), 2)
        feature = np.round(rng.normal(size=shape), 2)
        cases.append(Case(f"random {number}", (feature, rpn_weights(rng, 2, 3, 2 + number % 3)), {}, 1e-6))
    return cases


def answers(feature, weights, rectify=relu):
    """Return both maps of the network, (..., H, W, 2 R) and (..., H, W, 4 R)."""
    shared = rectify(conv_layer(feature, weights, "rpn_conv_shared"))
    return conv_layer(shared, weights, "rpn_class_raw"), conv_layer(shared, weights, "rpn_bbox_pred")


def rpn_linear(feature, weights):
    """No rectifier behind the shared convolution."""
    maps = answers(feature, weights, rectify=lambda values: values)
    return tuple(values.reshape(*feature.shape[:-3], -1, width) for values, width in zip(maps, (2, 4)))


def rpn_columns_first(feature, weights):
    """Columns are the outer loop."""
    maps = [np.swapaxes(values, -3, -2) for values in answers(feature, weights)]
    return tuple(values.reshape(*feature.shape[:-3], -1, width) for values, width in zip(maps, (2, 4)))


def rpn_anchors_outermost(feature, weights):
    """The first anchor of every place, then the second."""
    parts = []
    for values, width in zip(answers(feature, weights), (2, 4)):
        split = values.reshape(*values.shape[:-1], values.shape[-1] // width, width)  # (..., H, W, R, width)
        parts.append(np.moveaxis(split, -2, -4).reshape(*feature.shape[:-3], -1, width))
    return tuple(parts)


def rpn_kinds_outermost(feature, weights):
    """Channels read as all backgrounds, then all objects."""
    parts = []
    for values, width in zip(answers(feature, weights), (2, 4)):
        split = values.reshape(*values.shape[:-1], width, values.shape[-1] // width)
        parts.append(np.swapaxes(split, -1, -2).reshape(*feature.shape[:-3], -1, width))
    return tuple(parts)


def rpn_probabilities(feature, weights):
    """Probabilities in place of logits."""
    logits, deltas = rpn_level(feature, weights)
    return softmax(logits), deltas


# propose


def proposal_options(**changed):
    """Return arguments of ``propose`` for a case."""
    options = {"window": (0, 0, 64, 96), "pre_nms_limit": 100, "max_proposals": 20, "iou_threshold": 0.7}
    return {**options, "delta_std": STD, **changed}


def proposing_cases(seed):
    """Return cases of ``propose``: Matterport's, by hand, and small random ones with ties and tight limits."""
    rng = np.random.default_rng([seed, 53])
    cases = [case for case in cases_of_stage("proposals.propose", seed) if len(case.inputs[0]) <= MOST_ANCHORS]
    far = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]])
    still, down = np.zeros((3, 4)), np.array([[5.0, 0, 0, 0], [0] * 4, [0] * 4])
    ids = np.array([2, 0, 1])
    moved = np.array([[40.0, 40, 50, 50], [5, 0, 15, 10], [20, 20, 30, 30]])
    outside = np.array([[-4.0, -4, 4, 4]])
    scores = np.array([0.6, 0.2, 0.9])
    cases += [
        Case("one moves by half its height", (scores, down, far), proposal_options(), 1e-6,
             (Proposals(moved, scores[ids], ids),)),
        Case("half outside", (scores[:1], still[:1], outside), proposal_options(), 1e-6,
             (Proposals(np.array([[0.0, 0, 4, 4]]), scores[:1], np.array([0])),)),
        Case("two of equal score, room for one", (np.array([0.5, 0.5, 0.1]), still, far),
             proposal_options(max_proposals=1), 1e-6, (Proposals(far[:1], np.array([0.5]), np.array([0])),)),
        Case("the best two alone", (scores, still, far), proposal_options(pre_nms_limit=2), 1e-6,
             (Proposals(far[[2, 0]], scores[[2, 0]], ids[:2]),)),
        Case("nothing wanted", (scores, still, far), proposal_options(max_proposals=0), 1e-6,
             (Proposals(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64)),)),
    ]  # fmt: skip
    for number in range(12):
        count = int(rng.integers(10, 40))
        anchors = crowded_boxes(rng, count, (64, 96)).astype(np.float64)
        objectness = np.round(rng.random(count), 1 + number % 2)
        options = proposal_options(pre_nms_limit=count // 2, max_proposals=(6, 30)[number % 2], iou_threshold=0.5)
        cases.append(
            Case(f"random {number}, tight", (objectness, rng.normal(0, 1, (count, 4)), anchors), options, 1e-6)
        )
    return cases


def wrong_proposals(*, order=top_indices, scaled=True, clipped=True, anchors_suppressed=False, limit_first=False,
                    own_ids=True):  # fmt: skip
    """Return ``propose`` with one thing changed."""

    def function(objectness, deltas, anchors, *, window, pre_nms_limit, max_proposals, iou_threshold, delta_std):
        best = order(objectness, pre_nms_limit)
        best = best[:max_proposals] if limit_first else best
        moved = decode_deltas(anchors[best], deltas[best] * (np.asarray(delta_std, deltas.dtype) if scaled else 1))
        moved = clip_boxes(moved, window) if clipped else moved
        rivals = anchors[best] if anchors_suppressed else moved
        kept = non_max_suppression(rivals, objectness[best], iou_threshold=iou_threshold, max_boxes=max_proposals)
        return Proposals(moved[kept], objectness[best][kept], best[kept] if own_ids else kept)

    return function


def higher_index_first(scores, limit):
    """Return the best indices, of equal ones the higher first."""
    return np.argsort(scores, kind="stable")[::-1][:limit]


def draw_proposals(case, expected, got):
    """Return a drawing of the proposals, expected and the student's."""
    from mini_rcnn.view.lab_05 import proposals_case_figure

    return proposals_case_figure(case.options["window"], next(iter(expected.values())), next(iter(got.values())))


# proposal_recall


def recall_cases(seed):
    """Return cases of ``proposal_recall``: by hand, and random films, some without truth or proposals."""
    rng = np.random.default_rng([seed, 54])
    two = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    half, none = np.array([[0.0, 0, 10, 5]]), np.zeros((0, 4))

    def case(name, truths, proposals, limit, min_iou, *outputs):
        return Case(name, (truths, proposals), {"limit": limit, "min_iou": min_iou}, 1e-9, outputs)

    cases = [
        case("overlap equal to the threshold", [two[:1]], [half], 5, 0.5, 1.0),
        case("overlap below the threshold", [two[:1]], [half], 5, 0.6, 0.0),
        case("one of two", [two], [two[:1]], 5, 0.5, 0.5),
        case("the second proposal is beyond the limit", [two], [two], 1, 0.5, 0.5),
        case("a film with two truths, a film with one", [two, two[:1]], [two, half], 5, 0.7, 2 / 3),
        case("a film without truth", [none, two], [two, two[1:]], 5, 0.5, 0.5),
        case("a film without proposals", [two[:1], two[:1]], [none, two], 5, 0.5, 0.5),
        case("two truths under one proposal", [two[[0, 0]]], [two[:1]], 5, 0.5, 1.0),
        case("two proposals on one truth", [two], [two[[0, 0]]], 5, 0.5, 0.5),
        case("no truth at all", [none], [two], 5, 0.5, float("nan")),
    ]
    for number in range(10):
        truths = [random_boxes(rng, int(rng.integers(0, 4)), (64, 64)).astype(np.float64) for _ in range(4)]
        truths.append(random_boxes(rng, 3, (64, 64)).astype(np.float64))
        proposals = []
        for truth in truths:
            near = np.repeat(truth, 2, axis=0) + rng.normal(0, 3, (2 * len(truth), 4))
            near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
            boxes = np.concatenate([near, random_boxes(rng, 4, (64, 64))])
            proposals.append(rng.permutation(boxes))
        cases.append(case(f"random {number}", truths, proposals, 5, float(np.round(rng.uniform(0.3, 0.6), 2))))
    return cases


def best_overlaps(truths, proposals, limit):
    """Return for each film the best overlap of each truth with its first proposals."""
    return [box_iou(truth, boxes[:limit]).max(axis=1, initial=0.0) for truth, boxes in zip(truths, proposals)]


def share(found):
    """Return the mean of an array, NaN of an empty one."""
    return float(np.mean(found)) if len(found) else float("nan")


def recall_above(truths, proposals, *, limit, min_iou):
    """An overlap equal to the threshold does not count."""
    return share(np.concatenate(best_overlaps(truths, proposals, limit)) > min_iou)


def recall_per_film(truths, proposals, *, limit, min_iou):
    """The mean of the films' recalls."""
    return share([np.mean(best >= min_iou) for best in best_overlaps(truths, proposals, limit) if len(best)])


def recall_of_proposals(truths, proposals, *, limit, min_iou):
    """The share of the proposals that lie on a truth: precision."""
    pairs = zip(truths, proposals)
    best = [box_iou(boxes[:limit], truth).max(axis=1, initial=0.0) for truth, boxes in pairs]
    return share(np.concatenate(best) >= min_iou)


def recall_unlimited(truths, proposals, *, limit, min_iou):
    """All proposals count."""
    return proposal_recall(truths, proposals, limit=None, min_iou=min_iou)


def recall_of_overlaps(truths, proposals, *, limit, min_iou):
    """The mean of the best overlaps."""
    return share(np.concatenate(best_overlaps(truths, proposals, limit)))


def recall_of_pairs(truths, proposals, *, limit, min_iou):
    """Every pair that overlaps enough counts."""
    pairs = sum(int(np.sum(box_iou(truth, boxes[:limit]) >= min_iou)) for truth, boxes in zip(truths, proposals))
    total = sum(map(len, truths))
    return pairs / total if total else float("nan")


EXERCISES = (
    Exercise(
        "rpn.rpn_level",
        "mini_rcnn.stages.rpn:rpn_level",
        rpn_cases,
        (
            Mistake(
                "no rectifier",
                rpn_linear,
                "Two convolutions with nothing between them are one convolution. What stands between them?",
            ),
            Mistake(
                "columns before rows",
                rpn_columns_first,
                "Rows of the result follow the anchors: the second place lies to the right of the first one. Look at a "
                "map that is no square.",
            ),
            Mistake(
                "all places of one anchor, then of the next",
                rpn_anchors_outermost,
                "The anchors of a place stand next to each other. What does reshape do with the last axis, without any "
                "transposing?",
            ),
            Mistake(
                "all backgrounds, then all objects",
                rpn_kinds_outermost,
                "The first two channels belong to one anchor. How are 2 R channels cut into rows of two?",
            ),
            Mistake(
                "probabilities in place of logits",
                rpn_probabilities,
                "Do your rows add up to 1? What is asked for stands before the softmax.",
            ),
        ),
    ),
    Exercise(
        "ops.softmax",
        "mini_rcnn.stages.ops:softmax",
        softmax_cases,
        (
            Mistake(
                "too large for exp",
                lambda logits: exponentials(logits, -1, 0.0),
                "What is exp(1000)? The Notes say what may be taken from a row without any change.",
            ),
            Mistake(
                "one largest number for all rows",
                lambda logits: exponentials(logits, -1, logits.max(initial=-np.inf)),
                "One row of numbers near 1000, one near -1000. Whose largest number is taken from the second?",
            ),
            Mistake(
                "all numbers together add up to 1",
                lambda logits: exponentials(logits, None, logits.max(axis=-1, keepdims=True)),
                "Each row is an anchor of its own. What does each row of yours add up to?",
            ),
            Mistake(
                "along the first axis",
                lambda logits: exponentials(logits, 0, logits.max(axis=0, keepdims=True, initial=-np.inf)),
                "Which axis holds background and object: the first or the last?",
            ),
            Mistake(
                "each number on its own",
                lambda logits: 1 / (1 + np.exp(-np.clip(logits, -500, 500))),
                "That is the sigmoid: it asks each number alone. Here the classes of a row share one probability.",
            ),
        ),
    ),
    Exercise(
        "proposals.propose",
        "mini_rcnn.stages.proposals:propose",
        proposing_cases,
        (
            Mistake(
                "deltas not scaled back",
                wrong_proposals(scaled=False),
                "The network's deltas are large numbers: it learnt them divided by something.",
            ),
            Mistake(
                "boxes reach beyond the window",
                wrong_proposals(clipped=False),
                "An anchor at the edge reaches outside. Where should its proposal end?",
            ),
            Mistake(
                "suppression among anchors",
                wrong_proposals(anchors_suppressed=True),
                "Two anchors that lay apart may be moved onto the same thing. Which boxes have to be compared?",
            ),
            Mistake(
                "limited before suppression",
                wrong_proposals(limit_first=True),
                "max_proposals counts what comes out, pre_nms_limit what goes into suppression.",
            ),
            Mistake(
                "rows of the best, not of the anchors",
                wrong_proposals(own_ids=False),
                "anchor_ids are rows of `anchors`. Picking the best numbers the rows anew, and so does suppression.",
            ),
            Mistake(
                "worst first",
                wrong_proposals(order=lambda scores, limit: np.argsort(scores, kind="stable")[:limit]),
                "np.argsort sorts upwards: which anchors come first then?",
            ),
            Mistake(
                "of equal scores the higher row first",
                wrong_proposals(order=higher_index_first),
                "Equal scores: the lower row goes first. Turning a sorted list round turns equal ones round, too.",
            ),
        ),
        draw_proposals,
    ),
    Exercise(
        "recall.proposal_recall",
        "mini_rcnn.metrics.recall:proposal_recall",
        recall_cases,
        (
            Mistake(
                "equal does not count",
                recall_above,
                "A proposal covers a truth where their IoU is *at least* min_iou.",
            ),
            Mistake(
                "mean over films",
                recall_per_film,
                "A film with two truths and a film with one: how much does each truth weigh?",
            ),
            Mistake(
                "share of the proposals",
                recall_of_proposals,
                "Of what is it the share, of the truths or of the proposals? Look at the axis of the maximum.",
            ),
            Mistake("no limit", recall_unlimited, "How many proposals of a film count?"),
            Mistake(
                "mean overlap",
                recall_of_overlaps,
                "A truth is covered or not: between the overlap and the share stands a comparison.",
            ),
            Mistake(
                "pairs counted",
                recall_of_pairs,
                "Three proposals on one truth: how many truths are covered? Can your share be above 1?",
            ),
        ),
    ),
)
