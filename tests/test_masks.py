"""Masks: sigmoid, threshold, paste, and the small grids, in NumPy and TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import TOLERANCES, imported
from scipy.special import expit

resize = imported("skimage.transform").resize

DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])


def oracle(image, size):
    """Return scikit-image's resize, as Matterport calls it, but on floats."""
    return resize(np.asarray(image, dtype=float), size, order=1, mode="constant", anti_aliasing=True)


# 1. Worked out on paper.


def test_sigmoid_by_hand(stage):
    got = stage("masks.sigmoid")(np.array([-1000.0, -np.log(3), 0, np.log(3), 1000]))
    np.testing.assert_allclose(got, [0, 0.25, 0.5, 0.75, 1], rtol=1e-12)


def test_a_pixel_at_the_threshold_is_on(stage):
    call = stage("masks.threshold_mask")
    np.testing.assert_array_equal(call(np.array([0.49, 0.5, 0.51]), threshold=0.5), [False, True, True])
    np.testing.assert_array_equal(call(np.array([0.7], np.float32), threshold=0.7), [True])  # in float32 too
    np.testing.assert_array_equal(call(np.array([0, 1.0]), threshold=0), [True, True])
    np.testing.assert_array_equal(call(np.array([0.999, 1.0]), threshold=1), [False, True])


def test_paste_by_hand(stage):
    got = stage("masks.paste_mask")(np.ones((2, 2)), np.array([1, 1, 3, 3]), (4, 5))
    want = np.zeros((4, 5), dtype=bool)
    want[1:3, 1:3] = True
    np.testing.assert_array_equal(got, want)
    assert got.dtype == bool


def test_paste_between_cells_by_hand(eager_stage):
    # Two pixels a cell, their middles at -1/4, 1/4, 3/4 and 5/4; beyond the grid are zeros: 0, 0.2, 0.6 and 0.6.
    paste, grid = eager_stage("masks.paste_mask"), np.array([[0, 0.8]] * 2)
    for threshold, row in ((0.19, [0, 1, 1, 1]), (0.21, [0, 0, 1, 1]), (0.59, [0, 0, 1, 1]), (0.61, [0, 0, 0, 0])):
        np.testing.assert_array_equal(paste(grid, (1, 0, 3, 4), 4, threshold=threshold)[1:3], np.array([row] * 2))


def test_minimize_and_expand_by_hand(stage):
    mask = np.zeros((1, 6, 6), dtype=bool)
    mask[0, 2:4, 2:4] = True
    small = stage("masks.minimize_masks")(mask, np.array([[2, 2, 4, 6]]), size=(2, 2))
    np.testing.assert_array_equal(small, [[[True, False], [True, False]]])
    full = stage("masks.expand_masks")(small, np.array([[2, 2, 4, 6]]), image_size=6)
    np.testing.assert_array_equal(full, mask)


# 2. Properties, with SciPy and scikit-image as oracles.


@DTYPES
def test_sigmoid_is_scipys(stage, rng, dtype):
    logits = np.concatenate([rng.normal(0, 20, (50, 4)), np.full((1, 4), 700), np.full((1, 4), -700)]).astype(dtype)
    got = stage("masks.sigmoid")(logits)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expit(logits), **TOLERANCES[dtype])


def test_sigmoid_of_the_negative_is_the_rest(eager_stage, rng):
    logits = rng.normal(0, 5, 100)
    sigmoid = eager_stage("masks.sigmoid")
    np.testing.assert_allclose(sigmoid(-logits), 1 - sigmoid(logits), rtol=1e-9, atol=1e-12)


@DTYPES
@pytest.mark.parametrize(
    "box", [(3, 4, 40, 61), (0, 0, 50, 70), (10, 10, 14, 13), (49, 69, 50, 70), (5, 0, 6, 70)], ids=str
)
def test_paste_is_scikit_images_in_boxes_of_whole_pixels(eager_stage, rng, dtype, box):
    grid = rng.uniform(size=(28, 28)).astype(dtype)
    y1, x1, y2, x2 = box
    want = np.zeros((50, 70), dtype=bool)
    want[y1:y2, x1:x2] = oracle(grid, (y2 - y1, x2 - x1)) >= 0.5
    np.testing.assert_array_equal(eager_stage("masks.paste_mask")(grid, np.array(box), (50, 70)), want)


def test_paste_in_a_graph_is_scikit_images(stage, rng):
    grid = rng.uniform(size=(28, 14))
    want = np.zeros((50, 70), dtype=bool)
    want[3:40, 4:10] = oracle(grid, (37, 6)) >= 0.4
    got = stage("masks.paste_mask")(grid, np.array([3, 4, 40, 10]), image_size=(50, 70), threshold=0.4)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("box", [(2.3, 4.7, 30.1, 22.9), (-10.5, -3, 20, 15.5), (30, 40, 90.25, 77)], ids=str)
def test_a_box_that_is_not_whole_or_reaches_out_is_a_part_of_a_larger_picture(eager_stage, rng, box):
    grid = rng.uniform(size=(7, 7))
    paste = eager_stage("masks.paste_mask")
    small = paste(grid, np.array(box), (50, 60))
    shifted = paste(grid, np.array(box) + 20, (120, 130))
    np.testing.assert_array_equal(small, shifted[20:70, 20:80])


def test_the_pixels_on_are_inside_the_box(eager_stage, rng):
    paste = eager_stage("masks.paste_mask")
    for _ in range(20):
        y1, x1 = rng.uniform(-10, 40, 2)
        y2, x2 = [y1, x1] + rng.uniform(0, 30, 2)
        mask = paste(np.ones((14, 14)), (y1, x1, y2, x2), (50, 60), threshold=0)
        rows, columns = np.mgrid[:50, :60] + 0.5
        np.testing.assert_array_equal(mask, (rows >= y1) & (rows < y2) & (columns >= x1) & (columns < x2))


def test_the_pasted_area_is_the_grids_share_of_the_box(eager_stage):
    rows, columns = np.mgrid[:28, :28] + 0.5
    disc = ((rows - 14) ** 2 + (columns - 14) ** 2 < 100).astype(float)
    mask = eager_stage("masks.paste_mask")(disc, (10, 20, 110, 220), 256)
    assert mask.sum() == pytest.approx(disc.mean() * 100 * 200, rel=0.02)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 5, 5), (500, 500, 600, 600), (-9, -9, -1, -1)], ids=str)
def test_a_box_without_pixels_is_an_empty_mask(stage, box):
    got = stage("masks.paste_mask")(np.ones((4, 4)), np.array(box), 16, threshold=0)
    np.testing.assert_array_equal(got, np.zeros((16, 16), dtype=bool))


@pytest.mark.parametrize("side", [1e-3, 1e-9])
def test_a_box_far_thinner_than_a_pixel_takes_no_time(eager_stage, side):
    got = eager_stage("masks.paste_mask")(np.ones((28, 28)), (2.5 - side / 2, 0, 2.5 + side / 2, 8), 8, threshold=0.5)
    assert got.shape == (8, 8) and not got[[0, 1, 3, 4, 5, 6, 7]].any()


@pytest.mark.parametrize("size", [(14, 28), (56, 56)])
def test_minimize_is_scikit_images_on_floats(eager_stage, rng, size):
    masks = rng.uniform(size=(5, 60, 70)) > 0.4
    boxes = np.array([[0, 0, 60, 70], [3, 4, 10, 9], [0, 0, 1, 1], [5, 6, 50, 66], [59, 69, 60, 70]])
    got = eager_stage("masks.minimize_masks")(masks, boxes, size=size)
    want = [oracle(mask[y1:y2, x1:x2], size) > 0.5 for mask, (y1, x1, y2, x2) in zip(masks, boxes)]
    np.testing.assert_array_equal(got, want)
    assert got.dtype == bool


def test_expand_is_scikit_images_on_floats(stage, rng):
    small = rng.uniform(size=(3, 14, 14)) > 0.4
    boxes = np.array([[0, 0, 60, 70], [3, 4, 10, 9], [5, 6, 50, 66]])
    want = np.zeros((3, 60, 70), dtype=bool)
    for mask, cells, (y1, x1, y2, x2) in zip(want, small, boxes):
        mask[y1:y2, x1:x2] = oracle(cells, (y2 - y1, x2 - x1)) > 0.5
    np.testing.assert_array_equal(stage("masks.expand_masks")(small, boxes, image_size=(60, 70)), want)


def test_a_full_mask_stays_full(eager_stage):
    masks = np.ones((1, 200, 80), dtype=bool)  # Matterport's comes out empty
    box = np.array([[0, 0, 200, 80]])
    small = eager_stage("masks.minimize_masks")(masks, box, size=56)
    assert small[0, 1:-1, 1:-1].all()
    assert eager_stage("masks.expand_masks")(np.ones((1, 56, 56)), box, image_size=(200, 80))[0, 2:-2, 2:-2].all()


def test_nothing(stage):
    none = np.zeros((0, 4))
    assert stage("masks.minimize_masks")(np.zeros((0, 9, 9), bool), none, size=(2, 3)).shape == (0, 2, 3)
    assert stage("masks.expand_masks")(np.zeros((0, 2, 3), bool), none, image_size=(9, 8)).shape == (0, 9, 8)
    assert stage("masks.sigmoid")(np.zeros((0, 28, 28))).shape == (0, 28, 28)
    assert stage("masks.threshold_mask")(np.zeros((0, 28)), threshold=0.5).shape == (0, 28)


def test_lists_and_no_change_of_the_input(eager_stage):
    np.testing.assert_array_equal(eager_stage("masks.sigmoid")([0, 0]), [0.5, 0.5])
    np.testing.assert_array_equal(eager_stage("masks.paste_mask")([[1, 1], [1, 1]], [0, 0, 2, 2], 2), np.ones((2, 2)))
    grid = np.ones((3, 3))
    eager_stage("masks.paste_mask")(grid, np.array([0, 0, 9, 9]), 9)
    np.testing.assert_array_equal(grid, np.ones((3, 3)))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), None, "0.5", True])
def test_bad_thresholds(eager_stage, value):
    with pytest.raises(ValueError) as error:
        eager_stage("masks.threshold_mask")(np.zeros(3), value)
    assert str(error.value) == f"threshold must lie in [0, 1], got {value!r}"
    with pytest.raises(ValueError) as error:
        eager_stage("masks.paste_mask")(np.zeros((3, 3)), (0, 0, 1, 1), 3, threshold=value)
    assert str(error.value) == f"threshold must lie in [0, 1], got {value!r}"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((np.zeros(3), (0, 0, 1, 1), 3), r"probabilities must have shape \(\?, \?\), got \(3,\)"),
        ((np.zeros((0, 3)), (0, 0, 1, 1), 3), r"probabilities must have at least one cell, got shape \(0, 3\)"),
        ((np.full((2, 2), np.inf), (0, 0, 1, 1), 3), r"probabilities must be finite, got inf at index \[0, 0\]"),
        ((np.zeros((3, 3)), (0, 0, 1), 3), r"box must have shape \(4\), got \(3,\)"),
        ((np.zeros((3, 3)), (2, 0, 1, 1), 3), r"box must have y1 <= y2 and x1 <= x2, got \[2.0, 0.0, 1.0, 1.0\]"),
        ((np.zeros((3, 3)), (0, 0, 1, np.nan), 3), r"box must be finite, got nan at index \[3\]"),
        ((np.zeros((3, 3)), (0, 0, 1, 1), 0), "image_size must be a whole number >= 1, got 0"),
    ],
)
def test_bad_pastes(eager_stage, arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        eager_stage("masks.paste_mask")(*arguments)


@pytest.mark.parametrize(
    "box, message",
    [
        (
            [[0, 0, 2.5, 2]],
            r"boxes must be whole pixels with an area inside \(4, 5\), got \[0.0, 0.0, 2.5, 2.0\] in row 0",
        ),
        ([[0, 0, 5, 2]], r"boxes must be whole pixels with an area inside \(4, 5\), got .* in row 0"),
        ([[-1, 0, 2, 2]], "boxes must be whole pixels with an area inside"),
        ([[2, 2, 2, 4]], "boxes must be whole pixels with an area inside"),
        ([[2, 2, 1, 4]], "boxes must have y1 <= y2 and x1 <= x2"),
        ([[0, 0, 1, 1], [0, 0, 1, 1]], r"boxes must have shape \(1, 4\), got \(2, 4\)"),
    ],
)
def test_bad_whole_boxes(eager_stage, box, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        eager_stage("masks.minimize_masks")(np.ones((1, 4, 5)), np.array(box), size=2)
    with pytest.raises(ValueError, match=f"^{message}"):
        eager_stage("masks.expand_masks")(np.ones((1, 2, 2)), np.array(box), image_size=(4, 5))


def test_bad_grids(eager_stage):
    with pytest.raises(ValueError, match=r"^masks must have shape \(\?, \?, \?\), got \(4, 5\)"):
        eager_stage("masks.minimize_masks")(np.ones((4, 5)), np.zeros((0, 4)), size=2)
    with pytest.raises(ValueError, match=r"^small must have shape \(\?, \?, \?\), got \(4, 5\)"):
        eager_stage("masks.expand_masks")(np.ones((4, 5)), np.zeros((0, 4)), image_size=8)
    with pytest.raises(ValueError, match="^size must be a whole number >= 1, got -2"):
        eager_stage("masks.minimize_masks")(np.ones((1, 4, 5)), np.array([[0, 0, 1, 1]]), size=-2)
