"""Lab 06, RoIAlign."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.stages.roi_align import (
    bin_edges,
    neighbours_1d,
    pool_bins,
    pyramid_level,
    roi_align,
    sample_grid,
    sampling_points_1d,
    weighted_neighbours,
)

from .exercise import Exercise, Mistake, cases_of_stage

CLOSE = 1e-6
BIN = np.full((4, 4, 1), 9.0)  # the slides' bin: the four numbers in the middle cells, in a box of one bin
BIN[1:3, 1:3, 0] = [[0.14, 0.21], [0.51, 0.43]]
BIN_BOX = np.array([[0.5, 0.5, 3.5, 3.5]])  # its thirds lie on the middles of the cells 1 and 2
SIXTEEN = np.arange(16.0).reshape(4, 4, 1)


def points_cases(seed):
    """Return cases of ``sampling_points_1d``: both placements, one point, no length, no boxes."""
    rng = np.random.default_rng([seed, 61])

    def case(name, starts, ends, n_bins, points, placement, outputs=()):
        inputs = (np.array(starts, np.float64), np.array(ends, np.float64), n_bins)
        return Case(name, inputs, {"sampling_points": points, "placement": placement}, CLOSE, outputs)

    cases = [
        case("thirds of two bins", [0], [6], 2, 2, "thirds", (np.array([[[1.0, 2], [4, 5]]]),)),
        case("centres of two bins", [0], [8], 2, 2, "centres", (np.array([[[1.0, 3], [5, 7]]]),)),
        case("one point a bin", [1], [5], 2, 1, "thirds", (np.array([[[2.0], [4]]]),)),
        case("one bin, three points", [2], [4], 1, 3, "thirds", (np.array([[[2.5, 3, 3.5]]]),)),
        case("no length", [3], [3], 2, 2, "centres", (np.full((1, 2, 2), 3.0),)),
        case("begins outside the map", [-4], [2], 1, 2, "thirds", (np.array([[[-2.0, 0]]]),)),
        case("no boxes", [], [], 7, 2, "thirds", (np.zeros((0, 7, 2)),)),
    ]
    for number in range(14):
        starts = rng.uniform(-2, 20, int(rng.integers(1, 5)))
        ends = starts + rng.uniform(0.1, 12, len(starts))
        points, placement = int(rng.integers(2, 5)), ("thirds", "centres")[number % 2]
        cases.append(case(f"random {number}", starts, ends, int(rng.integers(2, 8)), points, placement))
    return cases


def neighbour_cases(seed):
    """Return cases of ``neighbours_1d``: on a middle, at the borders, outside, a map of one cell."""
    rng = np.random.default_rng([seed, 62])

    def case(name, points, length, cells=None, weights=None):
        outputs = () if cells is None else (np.array(cells, np.int64), np.array(weights, np.float64))
        return Case(name, (np.array(points, np.float64), length), {}, CLOSE, outputs)

    cases = [
        case("a quarter past a middle", [2.75], 8, [[2, 3]], [[0.75, 0.25]]),
        case("on a middle", [3.5], 8, [[3, 4]], [[1, 0]]),
        case("before the first middle", [0.2], 8, [[0, 1]], [[1, 0]]),
        case("after the last middle", [7.9], 8, [[7, 7]], [[1, 0]]),
        case("as far outside as is allowed", [-0.5, 8.5], 8, [[0, 1], [7, 7]], [[1, 0], [1, 0]]),
        case("too far outside", [-0.6, 8.6], 8, [[0, 1], [7, 7]], [[0, 0], [0, 0]]),
        case("a map of one cell", [0.1, 0.9], 1, [[0, 0], [0, 0]], [[1, 0], [1, 0]]),
        case("no points", [], 8, np.zeros((0, 2)), np.zeros((0, 2))),
        case("a grid of points", [[1.0, 2.0], [1.6, 6.1]], 8),
    ]
    for number in range(15):
        length = int(rng.integers(2, 12))
        shape = [(6,), (2, 4), (2, 2, 2)][number % 3]
        cases.append(case(f"random {number}", rng.uniform(-2, length + 2, shape).round(3), length))
    return cases


def value_cases(seed):
    """Return cases of ``weighted_neighbours``: on a cell, on a corner, weights of 0, several channels."""
    rng = np.random.default_rng([seed, 63])

    def case(name, feature, rows, columns, outputs=()):
        feature = np.asarray(feature, np.float64)
        rows, columns = (np.asarray(points, np.float64) for points in (rows, columns))
        inputs = (feature, *neighbours_1d(rows, feature.shape[0]), *neighbours_1d(columns, feature.shape[1]))
        return Case(name, inputs, {}, CLOSE, outputs)

    def one(value):
        return (np.full((1, 1, 1, 1), float(value)),)

    cases = [
        case("on the middle of a cell", SIXTEEN, [[1.5]], [[2.5]], one(6)),
        case("where four cells meet", SIXTEEN, [[1]], [[2]], one(3.5)),
        case("a quarter down, between two columns", SIXTEEN, [[1.75]], [[3.0]], one(7.5)),
        case("too far outside", SIXTEEN, [[-3]], [[2.5]], one(0)),
        case("no boxes", SIXTEEN, np.zeros((0, 3)), np.zeros((0, 2)), (np.zeros((0, 3, 2, 1)),)),
        case("two rows, three columns", SIXTEEN, [[0.5, 2.5]], [[0.5, 1.5, 2.0]], (
            np.array([[[[0.0], [1], [1.5]], [[8], [9], [9.5]]]]),)),
    ]  # fmt: skip
    for number in range(15):
        shape = tuple(int(length) for length in rng.integers(2, 9, 2)) + (int(rng.integers(1, 4)),)
        n_boxes, h, w = (int(count) for count in rng.integers(1, 4, 3))
        rows, columns = rng.uniform(0, shape[0], (n_boxes, h)), rng.uniform(0, shape[1], (n_boxes, w))
        cases.append(case(f"random {number}", rng.normal(0, 1, shape), rows, columns))
    return cases


def align_cases(seed):
    """Return cases of ``roi_align``: the slides' bin, boxes beyond the map or without area, more rows than columns."""
    rng = np.random.default_rng([seed, 64])

    def case(name, feature, boxes, output_size, outputs=(), points=2, placement="thirds", pooling="max"):
        options = {"output_size": output_size, "sampling_points": points, "placement": placement, "pooling": pooling}
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        return Case(name, (np.asarray(feature, np.float64), boxes), options, CLOSE, outputs)

    def filled(values, shape):
        return (np.array(values, np.float64).reshape(shape),)

    quarters = filled([3.5, 5.5, 11.5, 13.5], (1, 2, 2, 1))
    cases = [
        case("the slides' bin", BIN, BIN_BOX, 1, filled(0.51, (1, 1, 1, 1))),
        case("the slides' bin, average", BIN, BIN_BOX, 1, filled(0.3225, (1, 1, 1, 1)), pooling="average"),
        case("centres", 1 + SIXTEEN, [[0, 0, 4, 4]], 2, quarters, placement="centres", pooling="average"),
        case("one point", SIXTEEN, [[1, 1, 2, 3]], 1, filled(5.5, (1, 1, 1, 1)), points=1),
        case("no boxes", SIXTEEN, [], 7, (np.zeros((0, 7, 7, 1)),)),
        case("without area", SIXTEEN, [[1.5, 2.5, 1.5, 2.5]], 2, filled([6] * 4, (1, 2, 2, 1))),
        case("far outside", SIXTEEN, [[-9, -9, -5, -5]], 2, filled([0] * 4, (1, 2, 2, 1))),
        case("not square", SIXTEEN, [[0.3, 1.2, 3.1, 2.4]], (3, 2)),
    ]
    for number in range(16):
        shape = tuple(int(length) for length in rng.integers(5, 12, 2)) + (2,)
        corners = rng.uniform(-1, 6, (2, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(0.5, 6, (2, 2))], axis=1)
        chosen = {
            "points": int(rng.integers(2, 4)),
            "placement": ("thirds", "centres")[number % 2],
            "pooling": ("max", "average")[number // 2 % 2],
        }
        size = tuple(int(length) for length in rng.integers(2, 5, 2))
        cases.append(case(f"random {number}", rng.normal(0, 1, shape), boxes, size, **chosen))
    return cases


def level_cases(seed):
    """Return cases of ``pyramid_level``: the stage's own, and both roundings by hand."""
    rng = np.random.default_rng([seed, 65])

    def case(name, sides, rounding, outputs=()):
        boxes = np.array([[3.0, 5, 3 + height, 5 + width] for height, width in sides]).reshape(-1, 4)
        options = {"image_size": 1024, "rounding": rounding}
        return Case(name, (boxes,), options, 0, outputs and (np.array(outputs, np.int64),))

    sides = [(224, 224), (112, 112), (448, 448), (223, 223), (316, 316), (317, 317), (160, 160), (158, 158)]
    cases = [
        case("nearest by hand", sides, "nearest", [4, 3, 5, 4, 4, 5, 4, 3]),
        case("floor by hand", sides, "floor", [4, 3, 5, 3, 4, 4, 3, 3]),
        case("long and thin", [(56, 896), (14, 224)], "nearest", [4, 2]),
        case("tiny, huge, no area", [(1, 1), (5000, 5000), (0, 50)], "floor", [2, 5, 2]),
    ]
    for number in range(10):
        drawn = np.exp(rng.uniform(np.log(20), np.log(900), (8, 2))).round(1)
        cases.append(case(f"random sides {number}", drawn.tolist(), ("nearest", "floor")[number % 2]))
    return cases + cases_of_stage("roi_align.pyramid_level", seed, n_random=6)


def points_wrong(starts, ends, n_bins, *, sampling_points=2, placement="thirds", edges_too=False, whole_box=False,
                 rounded=False, longer=False, exchanged=False):  # fmt: skip
    """Return sampling points with one thing changed."""
    steps, n = np.arange(sampling_points), sampling_points
    thirds, centres = (steps + 1) / (n + 1), (steps + 0.5) / n
    fractions = thirds if (placement == "thirds") != exchanged else centres
    if edges_too:
        fractions = np.linspace(0, 1, n)
    if whole_box:
        return sampling_points_1d(starts, ends, 1, sampling_points=n * n_bins, placement=placement).reshape(
            len(starts), n_bins, n
        )
    lengths = (ends - starts) / (1 if longer else n_bins)
    points = bin_edges(starts, ends, n_bins)[:, :-1, None] + lengths[:, None, None] * fractions
    return np.rint(points) if rounded else points


def wrong_points(**changed):
    """Return ``sampling_points_1d`` with one thing changed."""
    return lambda starts, ends, n_bins, **options: points_wrong(starts, ends, n_bins, **options, **changed)


def neighbours_wrong(points, length, *, half=0.5, swapped=False, nearest=False, runs_off=False, border="value"):
    """Return neighbours and weights with one thing changed."""
    index = points - half
    reach = {"value": (-1, length), "zero": (0, length - 1), "always": (-np.inf, np.inf)}[border]
    inside = (index >= reach[0]) & (index <= reach[1])
    index = np.clip(index, 0, length - 1)
    lower = np.floor(index).astype(np.int64)
    upper = lower + 1 if runs_off else np.minimum(lower + 1, length - 1)
    share = np.rint(index - lower) if nearest else index - lower
    shares = [share, 1 - share] if swapped else [1 - share, share]
    return np.stack([lower, upper], axis=-1), np.stack(shares, axis=-1) * inside[..., None]


def wrong_neighbours(**changed):
    """Return ``neighbours_1d`` with one thing changed."""
    return lambda points, length: neighbours_wrong(points, length, **changed)


def values_exchanged(feature, row_cells, row_weights, column_cells, column_weights):
    """Rows taken for columns."""
    return weighted_neighbours(feature.transpose(1, 0, 2), row_cells, row_weights, column_cells, column_weights)


def values_plain_mean(feature, row_cells, row_weights, column_cells, column_weights):
    """The mean of the four, whatever they weigh."""
    return weighted_neighbours(feature, row_cells, 0 * row_weights + 0.5, column_cells, 0 * column_weights + 0.5)


def values_nearest(feature, row_cells, row_weights, column_cells, column_weights):
    """The heaviest of the four alone."""
    rows, columns = (np.eye(2)[weights.argmax(axis=-1)] for weights in (row_weights, column_weights))
    return weighted_neighbours(feature, row_cells, rows, column_cells, columns)


def values_added(feature, row_cells, row_weights, column_cells, column_weights):
    """Weights added, not multiplied."""
    n_boxes, h, w = row_cells.shape[0], row_cells.shape[1], column_cells.shape[1]
    values = np.zeros((n_boxes, h, w, feature.shape[2]))
    for a in (0, 1):
        for b in (0, 1):
            weight = row_weights[:, :, None, a] + column_weights[:, None, :, b]
            cells = feature[row_cells[:, :, None, a], column_cells[:, None, :, b]]
            values += 0.5 * weight[..., None] * cells
    return values


def values_crosswise(feature, row_cells, row_weights, column_cells, column_weights):
    """Each weight on the other cell."""
    return weighted_neighbours(feature, row_cells, row_weights[..., ::-1], column_cells, column_weights[..., ::-1])


def align_rounded(feature, boxes, **options):
    """RoIPool's first step: corners rounded to whole cells."""
    return roi_align(feature, np.rint(boxes), **options)


def align_half_a_cell_off(feature, boxes, **options):
    """The value of cell i taken to stand at i."""
    return roi_align(feature, boxes + 0.5, **options)


def align_exchanged(feature, boxes, **options):
    """The axes exchanged."""
    return roi_align(feature, boxes[:, [1, 0, 3, 2]], **options)


def align_always(name, value):
    """Return ``roi_align`` that does not listen to one option."""
    return lambda feature, boxes, **options: roi_align(feature, boxes, **{**options, name: value})


def align_wrong_axes(feature, boxes, *, output_size, sampling_points=2, placement="thirds", pooling="max"):
    """Samples reshaped with points before bins."""
    size = (output_size, output_size) if np.ndim(output_size) == 0 else tuple(output_size)
    axes = []
    for axis in (0, 1):
        points = sampling_points_1d(boxes[:, axis], boxes[:, axis + 2], size[axis], sampling_points=sampling_points,
                                    placement=placement)  # fmt: skip
        axes.append(neighbours_1d(points.reshape(len(boxes), size[axis] * sampling_points), feature.shape[axis]))
    shape = (len(boxes), sampling_points, size[0], sampling_points, size[1], feature.shape[2])
    samples = sample_grid(feature, *axes).reshape(shape)
    return pool_bins(samples.transpose(0, 2, 1, 4, 3, 5), pooling)


def level_wrong(
    boxes, *, image_size, rounding="nearest", side="root", base=224, low=2, high=5, halve=True, log=np.log2
):
    """Return levels with one thing changed."""
    height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    if base == "image":
        base = np.sqrt(np.prod(np.broadcast_to(image_size, 2)))
    sides = np.maximum(height, width) if side == "longer" else np.sqrt(height * width)
    levels = (1 if halve else 2) * log(np.maximum(sides, 1e-9) / base)
    levels = 4 + (np.floor if rounding == "floor" else np.rint)(levels)
    return np.clip(levels, low, high).astype(np.int64)


def wrong_level(**changed):
    """Return ``pyramid_level`` with one thing changed."""
    return lambda boxes, *, image_size, rounding="nearest": level_wrong(
        boxes, image_size=image_size, rounding=rounding, **changed
    )


def draw_points(case, expected, got):
    """Return a drawing of the points of one box on its bins."""
    from mini_rcnn.view.lab_06 import points_on_bins_figure

    return points_on_bins_figure(*case.inputs, expected[""], got[""])


def draw_pooled(case, expected, got):
    """Return a drawing of one channel of one box."""
    from mini_rcnn.view.lab_06 import first_wrong_grid_figure

    return first_wrong_grid_figure(expected[""], got[""])


EXERCISES = (
    Exercise(
        "roi_align.sampling_points_1d",
        "mini_rcnn.stages.roi_align:sampling_points_1d",
        points_cases,
        (
            Mistake(
                "points on the bin's edges",
                wrong_points(edges_too=True),
                "Points lie inside a bin. Yours touch its beginning and end, where the next bin has a point already.",
            ),
            Mistake(
                "placements exchanged",
                wrong_points(exchanged=True),
                'With two points, "thirds" gives 1/3 and 2/3. Which of the two placements gives 1/4 and 3/4?',
            ),
            Mistake(
                "spread over the whole box",
                wrong_points(whole_box=True),
                "Each bin has its own points, all alike. Yours are spread over the box and then dealt out to bins.",
            ),
            Mistake(
                "rounded to whole cells",
                wrong_points(rounded=True),
                "That is what RoIAlign was invented to get rid of. Where does your function lose a fraction?",
            ),
            Mistake(
                "the box's length for a bin's",
                wrong_points(longer=True),
                "A fraction of what? The last point of your first bin lies in another bin.",
            ),
        ),
        draw_points,
    ),
    Exercise(
        "roi_align.neighbours_1d",
        "mini_rcnn.stages.roi_align:neighbours_1d",
        neighbour_cases,
        (
            Mistake(
                "half a cell forgotten",
                wrong_neighbours(half=0.0),
                "Cell 3 reaches from 3 to 4. At which point does its value stand, and what is that point's index?",
            ),
            Mistake(
                "weights exchanged",
                wrong_neighbours(swapped=True),
                "A point close to the lower cell: which of the two should count more?",
            ),
            Mistake(
                "nearest cell alone",
                wrong_neighbours(nearest=True),
                "Weights of 1 and 0 are rounding once more. A point halfway takes half of each.",
            ),
            Mistake(
                "upper cell off the map",
                wrong_neighbours(runs_off=True),
                "A map of 8 cells has the cells 0 to 7. What is the upper neighbour of a point after the last middle?",
            ),
            Mistake(
                "0 at the border already",
                wrong_neighbours(border="zero"),
                "Between the map's edge and the first middle there is half a cell. What does a point there get?",
            ),
            Mistake(
                "the border's value however far outside",
                wrong_neighbours(border="always"),
                "A point far outside the map has nothing near it. The notes say from where on its weights are 0.",
            ),
        ),
    ),
    Exercise(
        "roi_align.weighted_neighbours",
        "mini_rcnn.stages.roi_align:weighted_neighbours",
        value_cases,
        (
            Mistake(
                "rows taken for columns",
                values_exchanged,
                "A feature is indexed [row, column, channel]. Which of your two cells stands first?",
            ),
            Mistake(
                "plain mean",
                values_plain_mean,
                "All four neighbours count alike in yours. A point on the middle of a cell has that cell's value.",
            ),
            Mistake(
                "nearest cell alone",
                values_nearest,
                "One neighbour of four is in your sum. Look at a point where four cells meet.",
            ),
            Mistake(
                "weights added",
                values_added,
                "The weight of a cell of the right row and the wrong column should be 0. What do you do with 1 and 0?",
            ),
            Mistake(
                "weights crosswise",
                values_crosswise,
                "Position 0 of the weights belongs to position 0 of the cells. Do yours belong together?",
            ),
        ),
        draw_pooled,
    ),
    Exercise(
        "roi_align.roi_align",
        "mini_rcnn.stages.roi_align:roi_align",
        align_cases,
        (
            Mistake(
                "corners rounded",
                align_rounded,
                "A box that moves by a tenth of a cell should change the result. Does it, in yours?",
            ),
            Mistake(
                "half a cell off",
                align_half_a_cell_off,
                "Try a box around one cell, one bin, one point: it should give that cell's own value.",
            ),
            Mistake(
                "x taken for y",
                align_exchanged,
                "A box is (y1, x1, y2, x2) and a feature (H, W, C). Try a box that is taller than wide.",
            ),
            Mistake(
                "always the maximum",
                align_always("pooling", "max"),
                "The slides' bin gives 0.51 with max. What should it give with the other pooling?",
            ),
            Mistake(
                "always thirds",
                align_always("placement", "thirds"),
                "One of the options makes no difference in yours: which is never handed on?",
            ),
            Mistake(
                "points before bins",
                align_wrong_axes,
                "Along y the samples come bin after bin, and within a bin point after point. In which order does "
                "reshape need the two axes?",
            ),
        ),
        draw_pooled,
    ),
    Exercise(
        "roi_align.pyramid_level",
        "mini_rcnn.stages.roi_align:pyramid_level",
        level_cases,
        (
            Mistake(
                "always floor",
                lambda boxes, *, image_size, rounding="nearest": pyramid_level(
                    boxes, image_size=image_size, rounding="floor"
                ),
                "A box of 200 x 200 is nearer to 224 than to 112. What does each rounding make of it?",
            ),
            Mistake(
                "area in place of side",
                wrong_level(halve=False),
                "A box twice as tall and twice as wide goes up one level, not two.",
            ),
            Mistake(
                "not held within the levels",
                wrong_level(low=-99, high=99),
                "There are the levels 2 to 5. Where does a box of 2 pixels go?",
            ),
            Mistake(
                "the longer side",
                wrong_level(side="longer"),
                "A long thin box has little area. The equation looks at both sides.",
            ),
            Mistake(
                "measured by the image",
                wrong_level(base="image"),
                "Of the numbers in the equation none is the image's size: 224 stays 224.",
            ),
            Mistake(
                "natural logarithm",
                wrong_level(log=np.log),
                "From 112 to 224 it is one level. Of which base is your logarithm?",
            ),
        ),
    ),
)
