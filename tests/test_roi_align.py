"""RoIAlign, Matterport's crop and the pyramid, in NumPy and TensorFlow."""

from __future__ import annotations

import math

import numpy as np
import pytest

DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])
# float32 places a sample to about 1e-6 of the map's side; features here change by up to about 4 from cell to cell.
TOLERANCE = {"float64": {"rtol": 1e-9, "atol": 1e-9}, "float32": {"rtol": 1e-5, "atol": 1e-4}}
LEVELS = ("p2", "p3", "p4", "p5")


def boxes_on(rng, count, height, width, dtype="float64"):
    """Return boxes on a map, some of them reaching beyond it."""
    corners = rng.uniform([-2, -2], [height - 1, width - 1], (count, 2))
    return np.concatenate([corners, corners + rng.uniform(0.5, [height, width], (count, 2))], axis=1).astype(dtype)


def slow_value(feature, y, x):
    """Return torchvision's bilinear value, with the middle of cell (0, 0) at (0, 0): its source, line by line."""
    height, width, _ = feature.shape
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(feature.shape[2])
    y, x = max(y, 0), max(x, 0)
    y_low, x_low = int(y), int(x)
    if y_low >= height - 1:
        y_low = y_high = height - 1
        y = float(y_low)
    else:
        y_high = y_low + 1
    if x_low >= width - 1:
        x_low = x_high = width - 1
        x = float(x_low)
    else:
        x_high = x_low + 1
    ly, lx = y - y_low, x - x_low
    return (
        (1 - ly) * (1 - lx) * feature[y_low, x_low]
        + (1 - ly) * lx * feature[y_low, x_high]
        + ly * (1 - lx) * feature[y_high, x_low]
        + ly * lx * feature[y_high, x_high]
    )


def slow_roi_align(feature, boxes, size, n_points, placement, pooling):
    """Return RoIAlign point by point; with "centres" and "average" it is torchvision's ``aligned=True``."""
    out = np.zeros((len(boxes), size[0], size[1], feature.shape[2]))
    for n, (y1, x1, y2, x2) in enumerate(boxes.astype(float)):
        bin_h, bin_w = (y2 - y1) / size[0], (x2 - x1) / size[1]
        for i in range(size[0]):
            for j in range(size[1]):
                values = []
                for k in range(n_points):
                    for m in range(n_points):
                        fy = (k + 0.5) / n_points if placement == "centres" else (k + 1) / (n_points + 1)
                        fx = (m + 0.5) / n_points if placement == "centres" else (m + 1) / (n_points + 1)
                        values.append(slow_value(feature, y1 - 0.5 + (i + fy) * bin_h, x1 - 0.5 + (j + fx) * bin_w))
                out[n, i, j] = np.max(values, axis=0) if pooling == "max" else np.mean(values, axis=0)
    return out


def slow_crop(feature, boxes, size):
    """Return the samples of ``crop_and_resize``, point by point, zeros beyond the outermost middles."""
    height, width, n_channels = feature.shape
    out = np.zeros((len(boxes), size[0], size[1], n_channels))
    for n, (y1, x1, y2, x2) in enumerate(boxes.astype(float)):
        for i in range(size[0]):
            for j in range(size[1]):
                y = y1 + i * (y2 - 1 - y1) / (size[0] - 1) if size[0] > 1 else (y1 + y2 - 1) / 2
                x = x1 + j * (x2 - 1 - x1) / (size[1] - 1) if size[1] > 1 else (x1 + x2 - 1) / 2
                if 0 <= y <= height - 1 and 0 <= x <= width - 1:
                    out[n, i, j] = slow_value(feature, y, x)
    return out


def ramp(height, width, dtype="float64"):
    """Return a map whose value at the point (y, x) is 4 y + x."""
    y, x = np.mgrid[:height, :width] + 0.5
    return (4 * y + x)[:, :, None].astype(dtype)


# 1. Worked out on paper.


@DTYPES
def test_the_slides_bin(stage, dtype):
    # A bin of 3 x 3 has its points at 1 and 2. In a box from (0.5, 0.5) these are 1.5 and 2.5, the middles of the cells
    # 1 and 2, so that each point has the value of one cell: the slides' four numbers.
    feature = np.full((4, 4, 1), 9.0, dtype=dtype)
    feature[1:3, 1:3, 0] = [[0.14, 0.21], [0.51, 0.43]]
    box = np.array([[0.5, 0.5, 3.5, 3.5]], dtype=dtype)
    align = stage("roi_align.roi_align")
    best = align(feature, box, output_size=1, placement="thirds", pooling="max")
    mean = align(feature, box, output_size=1, placement="thirds", pooling="average")
    np.testing.assert_allclose(best.ravel(), [0.51], rtol=1e-6)
    np.testing.assert_allclose(mean.ravel(), [0.3225], rtol=1e-6)


def test_the_slides_bin_between_cells(eager_stage):
    # Points at 2 and 3: the corners between four cells, each the mean of its four.
    feature = np.arange(16.0).reshape(4, 4, 1)
    got = eager_stage("roi_align.roi_align")(feature, np.array([[1.0, 1, 4, 4]]), output_size=1, pooling="max")
    np.testing.assert_allclose(got.ravel(), [(10 + 11 + 14 + 15) / 4], rtol=1e-12)


def test_centres_by_hand(stage):
    feature = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]])[:, :, None]
    # Two bins of 2 x 2 a side, points at a quarter and three quarters: the middles of the four cells of each bin.
    got = stage("roi_align.roi_align")(
        feature, np.array([[0.0, 0, 4, 4]]), output_size=2, placement="centres", pooling="average"
    )
    np.testing.assert_allclose(got[0, :, :, 0], [[3.5, 5.5], [11.5, 13.5]], rtol=1e-12)


def test_centres_by_hand_between_cells(eager_stage):
    feature = np.array([[0.0, 8], [4, 20]])[:, :, None]
    align = eager_stage("roi_align.roi_align")
    box = np.array([[0.5, 0.5, 1.5, 1.5]])
    one = align(feature, box, output_size=1, sampling_points=1, placement="centres", pooling="average")
    np.testing.assert_allclose(one.ravel(), [8], rtol=1e-12)  # the mean of all four
    four = align(feature, box, output_size=2, sampling_points=1, placement="centres", pooling="average")
    # A quarter of the way: 9/16, 3/16, 3/16 and 1/16 of the cells, the nearest first.
    want = [[(24 + 12 + 20) / 16, (72 + 60 + 4) / 16], [(36 + 60 + 8) / 16, (180 + 12 + 24) / 16]]
    np.testing.assert_allclose(four[0, :, :, 0], want, rtol=1e-12)


@DTYPES
def test_crop_by_hand(stage, dtype):
    feature = np.arange(16, dtype=dtype).reshape(4, 4, 1)
    crop = stage("roi_align.crop_and_resize")
    got = crop(feature, np.array([[1, 0, 3, 4]], dtype=dtype), output_size=2)  # rows 1 and 2, columns 0 and 3
    np.testing.assert_allclose(got.ravel(), [4, 7, 8, 11], **TOLERANCE[dtype])
    middle = crop(feature, np.array([[1, 0, 3, 4]], dtype=dtype), output_size=1)  # at row 1.5, column 1.5
    np.testing.assert_allclose(middle.ravel(), [7.5], **TOLERANCE[dtype])


def test_levels_by_hand(stage):
    sides = [224, 112, 111.9, 448, 1000, 1, 0, 223, 317, 316, 159, 158]
    boxes = np.array([[0.0, 0, side, side] for side in sides])
    level = stage("roi_align.pyramid_level")
    nearest, floor = (level(boxes, image_size=1024, rounding=rounding) for rounding in ("nearest", "floor"))
    np.testing.assert_array_equal(nearest, [4, 3, 3, 5, 5, 2, 2, 4, 5, 4, 4, 3])  # borders at 224 times root 1/2 and 2
    np.testing.assert_array_equal(floor, [4, 3, 2, 5, 5, 2, 2, 3, 4, 4, 3, 3])
    assert nearest.dtype == np.int64


@DTYPES
def test_levels_on_their_borders(stage, dtype):
    # Half, twice, and an eighth of 224 * 224: the logarithm is exactly between two levels, and goes to the even one.
    boxes = np.array([[0, 0, 112, 224], [0, 0, 224, 448], [0, 0, 56, 112], [0, 0, 448, 896]], dtype=dtype)
    np.testing.assert_array_equal(stage("roi_align.pyramid_level")(boxes, image_size=1024), [4, 4, 2, 5])


# 2. Properties.


@DTYPES
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("placement", ["thirds", "centres"])
def test_roi_align_point_by_point(eager_stage, rng, dtype, placement, pooling):
    feature = rng.normal(size=(9, 13, 3)).astype(dtype)
    boxes = boxes_on(rng, 12, 9, 13, dtype)
    boxes[:4] = [[0, 0, 9, 13], [4, 4, 4, 4], [-30, -30, -20, -20], [-1, -1, 10, 14]]
    for size, points in (((1, 1), 1), ((3, 2), 2), ((2, 4), 3)):
        got = eager_stage("roi_align.roi_align")(
            feature, boxes, output_size=size, sampling_points=points, placement=placement, pooling=pooling
        )
        assert got.dtype == dtype
        want = slow_roi_align(feature, boxes, size, points, placement, pooling)
        np.testing.assert_allclose(got, want, **TOLERANCE[dtype])


def test_roi_align_in_a_graph_point_by_point(stage, rng):
    feature, boxes = rng.normal(size=(9, 13, 3)), boxes_on(rng, 12, 9, 13)
    got = stage("roi_align.roi_align")(feature, boxes, output_size=(3, 2), placement="centres", pooling="average")
    np.testing.assert_allclose(
        got, slow_roi_align(feature, boxes, (3, 2), 2, "centres", "average"), rtol=1e-9, atol=1e-9
    )


@DTYPES
@pytest.mark.parametrize("points", [1, 2, 3])
@pytest.mark.parametrize("placement", ["thirds", "centres"])
def test_the_average_over_a_ramp_is_its_integral(eager_stage, rng, dtype, points, placement):
    corners = rng.uniform(1, 8, (20, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0, 7, (20, 2))], axis=1).astype(dtype)  # inside the map
    got = eager_stage("roi_align.roi_align")(
        ramp(16, 16, dtype), boxes, output_size=(2, 3), sampling_points=points, placement=placement, pooling="average"
    )
    y1, x1, y2, x2 = boxes.astype(float).T[:, :, None, None]
    # The mean of 4 y + x over a bin is its value in the bin's middle.
    want = 4 * (y1 + (y2 - y1) * np.array([0.25, 0.75])[:, None]) + x1 + (x2 - x1) * (np.arange(3) + 0.5) / 3
    np.testing.assert_allclose(got[..., 0], want, **TOLERANCE[dtype])


@DTYPES
def test_crop_point_by_point(stage, rng, dtype):
    feature = rng.normal(size=(9, 13, 3)).astype(dtype)
    # No sample on the outermost middle: there a rounding error decides. Those cases have their own test below.
    boxes = boxes_on(rng, 40, 9, 13, dtype)
    boxes[:3] = [[4, 4, 4, 4], [-30, -30, -20, -20], [2, 3, 2.5, 3.5]]
    for size in ((1, 1), (7, 7), (2, 5)):
        got = stage("roi_align.crop_and_resize")(feature, boxes, output_size=size)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, slow_crop(feature, boxes, size), **TOLERANCE[dtype])


@DTYPES
def test_the_whole_map_at_its_own_size_is_the_map(stage, rng, dtype):
    feature = rng.normal(size=(6, 9, 2)).astype(dtype)
    got = stage("roi_align.crop_and_resize")(feature, np.array([[0, 0, 6, 9]], dtype=dtype), output_size=(6, 9))
    np.testing.assert_allclose(got[0], feature, **TOLERANCE[dtype])


@DTYPES
def test_samples_on_the_maps_edge_are_not_lost(stage, rng, dtype):
    # From anywhere to the last cell: the last sample lies on the edge, and a rounding error must not push it off.
    feature = np.ones((31, 29, 1), dtype=dtype)
    corners = rng.uniform(0, 28, (300, 2))
    boxes = np.concatenate([corners, np.tile([31.0, 29.0], (300, 1))], axis=1).astype(dtype)
    got = stage("roi_align.crop_and_resize")(feature, boxes, output_size=7)
    np.testing.assert_allclose(got, np.ones_like(got), rtol=1e-6)


@DTYPES
@pytest.mark.parametrize("method", ["crop_and_resize", "roi_align"])
def test_a_box_of_the_whole_image_loses_nothing(stage, dtype, method):
    features = {level: np.ones((96 >> i, 160 >> i, 1), dtype) for i, level in enumerate(LEVELS)}
    starts = np.random.default_rng(5).uniform(0, 300, (50, 2))
    boxes = np.concatenate([starts, np.tile([384.0, 640.0], (50, 1))], axis=1).astype(dtype)
    got = stage("roi_align.pyramid_roi_align")(features, boxes, image_size=(384, 640), output_size=7, method=method)
    np.testing.assert_allclose(got, np.ones_like(got), rtol=1e-6)


@DTYPES
def test_pyramid_takes_each_box_from_its_level(stage, dtype):
    features = {level: np.full((256 >> i, 256 >> i, 2), i + 2.0, dtype) for i, level in enumerate(LEVELS)}
    boxes = np.array([[8, 8, 900, 900], [8, 8, 24, 24], [100, 100, 324, 324], [300, 300, 420, 420]], dtype=dtype)
    for method in ("crop_and_resize", "roi_align"):
        got = stage("roi_align.pyramid_roi_align")(features, boxes, image_size=1024, output_size=(2, 3), method=method)
        assert got.shape == (4, 2, 3, 2) and got.dtype == dtype
        np.testing.assert_allclose(got[:, 1, 1, 0], [5, 2, 4, 3], rtol=1e-6)


@DTYPES
@pytest.mark.parametrize("method", ["crop_and_resize", "roi_align"])
def test_pyramid_is_each_level_on_its_own(eager_stage, rng, dtype, method):
    features = {level: rng.normal(size=(64 >> i, 96 >> i, 2)).astype(dtype) for i, level in enumerate(LEVELS)}
    corners = rng.uniform(0, 150, (60, 2))
    boxes = np.concatenate([corners, corners + np.exp(rng.uniform(0, 4.6, (60, 2)))], axis=1).astype(dtype)
    got = eager_stage("roi_align.pyramid_roi_align")(
        features, boxes, image_size=(256, 384), output_size=3, method=method, rounding="floor"
    )
    for i, level in enumerate(LEVELS):
        feature = features[level].astype(float)
        for n, box in enumerate(boxes.astype(float)):
            shrunk = box - [0, 0, 1, 1] if method == "crop_and_resize" else box
            side = np.maximum(shrunk[2:] - shrunk[:2], 0)
            if method == "crop_and_resize":
                side = side * np.array([256 / 255, 384 / 383])
            area = side[0] * side[1]
            k = 4 + math.floor(math.log2(math.sqrt(area) / 224)) if area else 2
            if min(max(k, 2), 5) != i + 2:
                continue
            if method == "crop_and_resize":
                scale = (np.array(feature.shape[:2]) - 1) / np.array([255, 383])
                cells = (box - [0, 0, 1, 1]) * np.tile(scale, 2) + [0, 0, 1, 1]
                want = slow_crop(feature, cells[None], (3, 3))
            else:
                want = slow_roi_align(feature, box[None] / 2 ** (i + 2), (3, 3), 2, "thirds", "max")
            np.testing.assert_allclose(got[n : n + 1], want, **TOLERANCE[dtype])


def test_moving_map_and_box_together_changes_nothing(eager_stage, rng):
    feature, boxes = rng.normal(size=(8, 8, 2)), rng.uniform(2, 4, (10, 2))
    boxes = np.concatenate([boxes, boxes + 2], axis=1)
    moved = np.pad(feature, [(3, 0), (5, 0), (0, 0)])
    for name in ("roi_align", "crop_and_resize"):
        call = eager_stage(f"roi_align.{name}")
        np.testing.assert_allclose(
            call(moved, boxes + [3, 5, 3, 5], output_size=3), call(feature, boxes, output_size=3), rtol=1e-9, atol=1e-9
        )


@DTYPES
def test_no_boxes(stage, dtype):
    feature, none = np.ones((4, 4, 3), dtype), np.zeros((0, 4), dtype)
    for name in ("roi_align", "crop_and_resize"):
        assert stage(f"roi_align.{name}")(feature, none, output_size=(2, 5)).shape == (0, 2, 5, 3)
    features = {level: feature for level in LEVELS}
    assert stage("roi_align.pyramid_roi_align")(features, none, image_size=16, output_size=2).shape == (0, 2, 2, 3)
    assert stage("roi_align.pyramid_level")(none, image_size=16).shape == (0,)


@DTYPES
def test_a_map_of_one_cell(eager_stage, dtype):
    feature = np.full((1, 1, 1), 7, dtype)
    box = np.array([[0, 0, 1, 1]], dtype)
    for name in ("roi_align", "crop_and_resize"):
        got = eager_stage(f"roi_align.{name}")(feature, box, output_size=2)
        np.testing.assert_allclose(got, np.full((1, 2, 2, 1), 7), rtol=1e-6)


def test_integer_maps_views_and_no_change_of_the_input(eager_stage, rng):
    feature = rng.integers(0, 9, (12, 8, 3))
    boxes = boxes_on(rng, 5, 6, 8)
    before = feature.copy(), boxes.copy()
    view = feature[::2].transpose(1, 0, 2)
    assert not view.flags.c_contiguous
    for name in ("roi_align", "crop_and_resize"):
        call = eager_stage(f"roi_align.{name}")
        got = call(view, boxes, output_size=2)
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, call(np.array(view, dtype=float, order="C"), boxes, output_size=2))
    np.testing.assert_array_equal(feature, before[0])
    np.testing.assert_array_equal(boxes, before[1])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"feature": np.ones((4, 4))}, r"feature must have shape \(\?, \?, \?\), got \(4, 4\)"),
        ({"feature": np.ones((0, 4, 1))}, r"feature must have at least one cell, got shape \(0, 4, 1\)"),
        ({"feature": np.full((2, 2, 1), np.nan)}, r"feature must be finite, got nan at index \[0, 0, 0\]"),
        ({"feature": None}, "feature must hold real numbers, got dtype object"),
        ({"boxes": np.zeros((2, 3))}, r"boxes must have shape \(\?, 4\), got \(2, 3\)"),
        (
            {"boxes": np.array([[2.0, 0, 1, 1]])},
            r"boxes must have y1 <= y2 and x1 <= x2, got \[2.0, 0.0, 1.0, 1.0\] in row 0",
        ),
        ({"output_size": 0}, "output_size must be a whole number >= 1, got 0"),
        ({"output_size": (7, -7)}, "output_size must be a whole number >= 1, got -7"),
        ({"output_size": (7, 7, 7)}, r"output_size must be one whole number or \(height, width\), got \(7, 7, 7\)"),
        ({"output_size": "7"}, r"output_size must be one whole number or \(height, width\), got '7'"),
        ({"sampling_points": 0}, "sampling_points must be a whole number >= 1, got 0"),
        ({"placement": "corners"}, "placement must be one of 'thirds', 'centres', got 'corners'"),
        ({"pooling": "sum"}, "pooling must be one of 'max', 'average', got 'sum'"),
    ],
)
def test_bad_input(eager_stage, change, message):
    arguments = {"feature": np.ones((4, 4, 1)), "boxes": np.array([[0.0, 0, 1, 1]]), "output_size": 2, **change}
    feature, boxes = arguments.pop("feature"), arguments.pop("boxes")
    with pytest.raises(ValueError, match=f"^{message}"):
        eager_stage("roi_align.roi_align")(feature, boxes, **arguments)
    if not {"sampling_points", "placement", "pooling"} & set(change):
        with pytest.raises(ValueError, match=f"^{message}"):
            eager_stage("roi_align.crop_and_resize")(feature, boxes, **arguments)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"method": "roi_pool"}, "method must be one of 'crop_and_resize', 'roi_align', got 'roi_pool'"),
        ({"rounding": "up"}, "rounding must be one of 'nearest', 'floor', got 'up'"),
        ({"image_size": -1}, "image_size must be a whole number >= 1, got -1"),
        ({"features": {"p2": np.ones((4, 4, 1))}}, r"features must hold p2, p3, p4, p5, got \['p2'\]: p3 is missing"),
        (
            {"features": {level: np.ones((4, 4, i + 1)) for i, level in enumerate(LEVELS)}},
            "features must have the same number of channels on every level, got {'p2': 1, 'p3': 2, 'p4': 3, 'p5': 4}",
        ),
        (
            {"features": {level: np.ones((4, 4)) for level in LEVELS}},
            r"features\['p2'\] must have shape \(\?, \?, \?\), got \(4, 4\)",
        ),
    ],
)
def test_bad_pyramids(eager_stage, change, message):
    arguments = {
        "features": {level: np.ones((4, 4, 1)) for level in LEVELS},
        "image_size": 16,
        "output_size": 2,
        **change,
    }
    with pytest.raises(ValueError, match=f"^{message}"):
        eager_stage("roi_align.pyramid_roi_align")(arguments.pop("features"), np.zeros((0, 4)), **arguments)
