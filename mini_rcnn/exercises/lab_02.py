"""Lab 02, boxes and anchors."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.stages.anchors import level_anchors
from mini_rcnn.stages.boxes import box_areas, box_iou, clip_boxes

from .exercise import Exercise, Mistake, cases_of_stage


def sides_of(boxes_a, boxes_b):
    """Return the intersections' heights and widths of all pairs, negative where boxes lie apart."""
    y1, x1, y2, x2 = np.asarray(boxes_a, np.float64).T[:, :, None]
    return (
        np.minimum(y2, boxes_b[:, 2]) - np.maximum(y1, boxes_b[:, 0]),
        np.minimum(x2, boxes_b[:, 3]) - np.maximum(x1, boxes_b[:, 1]),
    )


def divided(part, whole):
    """Return ``part / whole``, 0 where the whole is not positive."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def iou_not_cut_at_zero(boxes_a, boxes_b):
    """Two negative sides make a positive intersection."""
    height, width = sides_of(boxes_a, boxes_b)
    return divided(height * width, box_areas(boxes_a)[:, None] + box_areas(boxes_b) - height * width)


def iou_union_is_sum(boxes_a, boxes_b):
    """The shared part is counted twice in the union."""
    height, width = sides_of(boxes_a, boxes_b)
    shared = np.maximum(height, 0) * np.maximum(width, 0)
    return divided(shared, box_areas(boxes_a)[:, None] + box_areas(boxes_b) + 0 * shared)


def iou_whole_pixels(boxes_a, boxes_b):
    """Lengths of a box that ends on its last pixel, ``y2 - y1 + 1``."""
    longer = np.array([0, 0, 1, 1])
    return box_iou(boxes_a + longer, boxes_b + longer)


def iou_over_smaller(boxes_a, boxes_b):
    """The shared part divided by the smaller box."""
    height, width = sides_of(boxes_a, boxes_b)
    shared = np.maximum(height, 0) * np.maximum(width, 0)
    return divided(shared, np.minimum(box_areas(boxes_a)[:, None], box_areas(boxes_b)))


def iou_nan(boxes_a, boxes_b):
    """0 divided by 0."""
    height, width = sides_of(boxes_a, boxes_b)
    shared = np.maximum(height, 0) * np.maximum(width, 0)
    return shared / (box_areas(boxes_a)[:, None] + box_areas(boxes_b) - shared)


def encoded(boxes, targets, *, centre=0.5, by_target=False, logarithm=np.log):
    """Return deltas with one thing changed."""
    boxes, targets = np.asarray(boxes, np.float64), np.asarray(targets, np.float64)
    sizes, target_sizes = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]
    shift = targets[:, :2] + centre * target_sizes - boxes[:, :2] - centre * sizes
    return np.concatenate([shift / (target_sizes if by_target else sizes), logarithm(target_sizes / sizes)], axis=1)


def decoded(boxes, deltas, *, unit="size", growth=np.exp, corner=False):
    """Return moved boxes with one thing changed."""
    boxes, deltas = np.asarray(boxes, np.float64), np.asarray(deltas, np.float64)
    sizes = boxes[:, 2:] - boxes[:, :2]
    moved = deltas[:, :2] * {"size": sizes, "pixels": 1.0, "swapped": sizes[:, ::-1]}[unit]
    grown = sizes * growth(deltas[:, 2:])
    start = boxes[:, :2] + moved if corner else boxes[:, :2] + 0.5 * sizes + moved - 0.5 * grown
    return np.concatenate([start, start + grown], axis=1)


def anchor_grid_cases(seed):
    """Return cases of ``level_anchors``: grids that are no squares, several ratios, every other cell."""
    rng = np.random.default_rng([seed, 2])

    def case(name, grid, **options):
        return Case(name, (grid,), {"scale": 32, "ratios": (1,), "stride": 16, "anchor_stride": 1, **options}, 1e-6)

    by_hand = case("one row, two cells", (1, 2), scale=8, stride=4)
    by_hand = by_hand._replace(outputs=(np.array([[-4.0, -4, 4, 4], [-4, 0, 4, 8]]),))
    cases = [
        by_hand,
        case("no cell", (0, 3)),
        case("three ratios", (1, 1), ratios=(0.5, 1, 2)),
        case("more rows than columns", (3, 2)),
        case("every other cell", (3, 5), anchor_stride=2),
    ]
    for number in range(12):
        grid = tuple(int(side) for side in rng.integers(1, 6, 2))
        ratios = tuple(np.round(rng.uniform(0.3, 3, int(rng.integers(1, 4))), 3).tolist())
        options = {"scale": int(rng.integers(8, 128)), "ratios": ratios, "stride": int(2 ** rng.integers(2, 6))}
        cases.append(case(f"random {number}", grid, **options, anchor_stride=int(rng.integers(1, 3))))
    return cases


def anchors_wrong(grid_size, *, scale, ratios, stride, anchor_stride=1, order="ij", height=-0.5, width=0.5, shift=0.0):
    """Return anchors with one thing changed."""
    rows = np.arange(0, grid_size[0], anchor_stride) * stride + shift * stride
    columns = np.arange(0, grid_size[1], anchor_stride) * stride + shift * stride
    ratios = np.asarray(ratios, np.float64)
    halves = 0.5 * scale * np.stack([ratios**height, ratios**width], axis=1)
    grid = np.meshgrid(rows, columns, indexing="ij")
    centres = np.stack([part.T if order == "xy" else part for part in grid], axis=-1).reshape(-1, 1, 2)
    return np.concatenate([centres - halves, centres + halves], axis=-1).reshape(-1, 4)


def ratios_first(grid_size, *, ratios, **options):
    """All anchors of one ratio, then all of the next."""
    parts = [level_anchors(grid_size, ratios=[ratio], **options) for ratio in ratios]
    return np.concatenate([np.zeros((0, 4)), *parts])


def dense_anchors(grid_size, *, scale, ratios, stride, anchor_stride=1):
    """Every cell, whatever the anchor stride."""
    return level_anchors(grid_size, scale=scale, ratios=ratios, stride=stride)


def removed_outside(boxes, window):
    """Boxes that lie outside are removed."""
    clipped = clip_boxes(boxes, window)
    return clipped[(clipped[:, 2:] > clipped[:, :2]).all(axis=1)]


def draw_boxes_case(case, expected, got):
    """Return a drawing of boxes: expected ones and the student's."""
    from mini_rcnn.view.checked import boxes_figure

    return boxes_figure(case.inputs[0] if len(case.inputs[0]) else None, expected[""], got[""])


def draw_iou_case(case, expected, got):
    """Return a drawing of the pair whose overlap is most wrong."""
    from mini_rcnn.view.checked import pair_figure

    return pair_figure(*case.inputs, expected[""], got[""])


EXERCISES = (
    Exercise(
        "boxes.box_iou",
        "mini_rcnn.stages.boxes:box_iou",
        lambda seed: cases_of_stage("boxes.box_iou", seed),
        (
            Mistake(
                "lengths not cut at 0",
                iou_not_cut_at_zero,
                "Two boxes that lie apart in y and in x: what are the height and the width of what they share, and "
                "what is their product?",
            ),
            Mistake(
                "union is the sum of the areas",
                iou_union_is_sum,
                "Lay two equal boxes on each other. Their union is as large as one of them; what does yours say?",
            ),
            Mistake(
                "a pixel added to each length",
                iou_whole_pixels,
                "From 2 to 5 is 3 long here: coordinates are continuous, no pixel is counted.",
            ),
            Mistake(
                "divided by the smaller box",
                iou_over_smaller,
                "A small box inside a large one is not a perfect match. What do you divide by?",
            ),
            Mistake(
                "0 divided by 0",
                iou_nan,
                "Two boxes without area: their union is 0, too. The docstring says what comes out then.",
            ),
        ),
        draw_iou_case,
    ),
    Exercise(
        "boxes.encode_deltas",
        "mini_rcnn.stages.boxes:encode_deltas",
        lambda seed: cases_of_stage("boxes.encode_deltas", seed),
        (
            Mistake(
                "corners instead of centres",
                lambda boxes, targets: encoded(boxes, targets, centre=0.0),
                "dy goes from centre to centre. Do you subtract the upper left corners?",
            ),
            Mistake(
                "divided by the target's size",
                lambda boxes, targets: encoded(boxes, targets, by_target=True),
                "When a delta is decoded, only the box is known and not the target. By whose height can dy be divided?",
            ),
            Mistake(
                "no logarithm",
                lambda boxes, targets: encoded(boxes, targets, logarithm=lambda ratio: ratio),
                "A box of the same size has log_dh 0. What does your function say for it?",
            ),
            Mistake(
                "logarithm to base 2",
                lambda boxes, targets: encoded(boxes, targets, logarithm=np.log2),
                "The way back is exp(): of which base is the logarithm?",
            ),
        ),
    ),
    Exercise(
        "boxes.decode_deltas",
        "mini_rcnn.stages.boxes:decode_deltas",
        lambda seed: cases_of_stage("boxes.decode_deltas", seed),
        (
            Mistake(
                "shifts in pixels",
                lambda boxes, deltas: decoded(boxes, deltas, unit="pixels"),
                "A dy of 0.1 moves a tall box further than a short one. In what unit is it?",
            ),
            Mistake(
                "height and width exchanged",
                lambda boxes, deltas: decoded(boxes, deltas, unit="swapped"),
                "dy is in units of which side? Try a box that is much taller than wide.",
            ),
            Mistake(
                "sizes multiplied without exp",
                lambda boxes, deltas: decoded(boxes, deltas, growth=lambda delta: 1 + delta),
                "log_dh is a logarithm. 1 + x is close to what undoes it for small x only; and a size must stay "
                "positive.",
            ),
            Mistake(
                "upper left corner kept",
                lambda boxes, deltas: decoded(boxes, deltas, corner=True),
                "A box that grows grows on all sides: its centre stays where dy and dx put it.",
            ),
        ),
        draw_boxes_case,
    ),
    Exercise(
        "boxes.clip_boxes",
        "mini_rcnn.stages.boxes:clip_boxes",
        lambda seed: cases_of_stage("boxes.clip_boxes", seed),
        (
            Mistake(
                "boxes outside removed",
                removed_outside,
                "Each row of the result belongs to the same row of the input: nothing is removed, or scores no longer "
                "fit their boxes.",
            ),
            Mistake(
                "only the first corner cut",
                lambda boxes, window: np.concatenate(
                    [
                        np.clip(boxes[:, :2], window[:2], window[2:]),
                        np.maximum(boxes[:, 2:], np.clip(boxes[:, :2], window[:2], window[2:])),
                    ],
                    axis=1,
                ),
                "A box can stick out below and to the right, too.",
            ),
            Mistake(
                "cut to the window's size from 0",
                lambda boxes, window: clip_boxes(boxes, (0, 0, window[2] - window[0], window[3] - window[1])),
                "The window does not always begin at (0, 0): there is padding above it in some cases.",
            ),
            Mistake(
                "y cut by x",
                lambda boxes, window: clip_boxes(boxes, np.asarray(window)[[1, 0, 3, 2]]),
                "y stands before x, in a box and in a window. Try a window that is no square.",
            ),
        ),
        draw_boxes_case,
    ),
    Exercise(
        "anchors.level_anchors",
        "mini_rcnn.stages.anchors:level_anchors",
        anchor_grid_cases,
        (
            Mistake(
                "columns before rows",
                lambda grid_size, **options: anchors_wrong(grid_size, order="xy", **options),
                "Rows are the outer loop: the second anchor lies to the right of the first one, not below.",
            ),
            Mistake(
                "ratio is height by width",
                lambda grid_size, **options: anchors_wrong(grid_size, height=0.5, width=-0.5, **options),
                "A ratio of 2 makes an anchor that is wide. Which side is multiplied by sqrt(ratio)?",
            ),
            Mistake(
                "areas that differ",
                lambda grid_size, **options: anchors_wrong(grid_size, height=0, width=1, **options),
                "All ratios of a level have one area, scale squared. Compute height times width of yours.",
            ),
            Mistake(
                "in the middle of the cell",
                lambda grid_size, **options: anchors_wrong(grid_size, shift=0.5, **options),
                "Matterport's anchors, and these, stand on the upper left corner of their cell, not half a stride on.",
            ),
            Mistake(
                "ratios outermost",
                ratios_first,
                "The network puts out all ratios of a cell together, then goes to the next cell.",
            ),
            Mistake(
                "anchor stride forgotten",
                dense_anchors,
                "With an anchor_stride of 2 only every other cell has anchors.",
            ),
        ),
        lambda case, expected, got: draw_boxes_case(case._replace(inputs=(np.zeros((0, 4)),)), expected, got),
    ),
)
