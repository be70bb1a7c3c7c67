"""Anchors: the grid of boxes, in NumPy and TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

LEVELS = {"scales": (8, 16), "ratios": (0.5, 1, 2), "strides": (4, 8)}
SLIDES = {"ratios": (0.5, 1, 2), "strides": (4, 8, 16, 32, 64)}


# 1. Worked out on paper.


def test_one_level_by_hand(stage):
    got = stage("anchors.pyramid_anchors")((4, 8), scales=(8,), ratios=(1,), strides=(4,))
    np.testing.assert_array_equal(got, [[-4, -4, 4, 4], [-4, 0, 4, 8]])


def test_ratios_by_hand(stage):
    got = stage("anchors.pyramid_anchors")(4, scales=(8,), ratios=(0.25, 4), strides=(4,))
    np.testing.assert_allclose(got, [[-8, -2, 8, 2], [-2, -8, 2, 8]], rtol=1e-12)  # ratio is width / height


def test_order_is_levels_then_rows_then_columns_then_ratios(stage):
    got = stage("anchors.pyramid_anchors")((8, 12), **LEVELS)
    centres = (got[:, :2] + got[:, 2:]) / 2
    fine = [(row, column) for row in (0, 4) for column in (0, 4, 8) for _ in range(3)]
    coarse = [(0, column) for column in (0, 8) for _ in range(3)]
    np.testing.assert_allclose(centres, fine + coarse, atol=1e-12)


@pytest.mark.parametrize("size, count", [(256, 16368), (128, 4092), (1024, 261888)])
def test_counts_of_the_paper(eager_stage, size, count):
    got = eager_stage("anchors.pyramid_anchors")(size, scales=(32, 64, 128, 256, 512), **SLIDES)
    assert got.shape == (count, 4) and got.dtype == np.float64


# 2. Properties of the equations.


def test_areas_and_ratios(stage):
    got = stage("anchors.pyramid_anchors")((16, 24), **LEVELS)
    height, width = (got[:, 2:] - got[:, :2]).T
    n_fine = 4 * 6 * 3
    np.testing.assert_allclose(height * width, [64] * n_fine + [256] * (2 * 3 * 3), rtol=1e-12)
    np.testing.assert_allclose(width / height, np.tile([0.5, 1, 2], len(got) // 3), rtol=1e-12)


def test_an_anchor_stride_leaves_out_cells(eager_stage):
    every = eager_stage("anchors.pyramid_anchors")(12, scales=(8,), ratios=(1,), strides=(4,))
    second = eager_stage("anchors.pyramid_anchors")(12, scales=(8,), ratios=(1,), strides=(4,), anchor_stride=2)
    np.testing.assert_array_equal(second, every.reshape(3, 3, 4)[::2, ::2].reshape(-1, 4))


def test_a_size_that_the_stride_does_not_divide_is_rounded_up(eager_stage):
    assert len(eager_stage("anchors.pyramid_anchors")((9, 4), scales=(8,), ratios=(1,), strides=(4,))) == 3


def test_no_levels_and_no_ratios_are_no_anchors(eager_stage):
    assert eager_stage("anchors.pyramid_anchors")(16, scales=(), ratios=(1,), strides=()).shape == (0, 4)
    assert eager_stage("anchors.pyramid_anchors")(16, scales=(8,), ratios=(), strides=(4,)).shape == (0, 4)


def test_the_slides_slip_is_explained(stage):
    with pytest.raises(ValueError) as error:
        stage("anchors.pyramid_anchors")(256, scales=(32, 64, 128, 256), **SLIDES)
    text = str(error.value)
    for part in ("scales must be as many as strides", "4 scales", "5 strides", "16368 scores", "16320 anchors"):
        assert part in text


def test_too_many_scales(eager_stage):
    message = r"^scales must be as many as strides.*got 2 scales \[8.0, 16.0\] for 1 strides"
    with pytest.raises(ValueError, match=message):
        eager_stage("anchors.pyramid_anchors")(16, scales=(8, 16), ratios=(1,), strides=(4,))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"image_size": 0}, "image_size must be a whole number >= 1, got 0"),
        ({"image_size": -8}, "image_size must be a whole number >= 1, got -8"),
        ({"image_size": (8,)}, r"image_size must be one whole number or \(height, width\), got \(8,\)"),
        ({"image_size": 8.5}, r"image_size must be one whole number or \(height, width\), got 8.5"),
        ({"image_size": None}, r"image_size must be one whole number or \(height, width\), got None"),
        ({"scales": (8, -1)}, r"scales must be positive, got \[8.0, -1.0\]"),
        ({"scales": (8, np.nan)}, "scales must be finite, got nan"),
        ({"scales": 8}, r"scales must have shape \(\?\), got \(\)"),
        ({"ratios": (0,)}, r"ratios must be positive, got \[0.0\]"),
        ({"ratios": ("a",)}, "ratios must hold real numbers"),
        ({"strides": (4, 0)}, "strides must be a whole number >= 1, got 0"),
        ({"strides": (4, 8.0)}, "strides must be a whole number >= 1, got 8.0"),
        ({"anchor_stride": 0}, "anchor_stride must be a whole number >= 1, got 0"),
        ({"anchor_stride": True}, "anchor_stride must be a whole number >= 1, got True"),
    ],
)
def test_bad_input(eager_stage, change, message):
    arguments = {"image_size": 16, **LEVELS, **change}
    with pytest.raises(ValueError, match=f"^{message}"):
        eager_stage("anchors.pyramid_anchors")(arguments.pop("image_size"), **arguments)
