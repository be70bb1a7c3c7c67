"""The image on its way in and out, in NumPy and TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import as_numpy, imported, random_boxes

from mini_rcnn.stages.image import ImageGeometry

resize = imported("skimage.transform").resize

GEOMETRIES = [
    ImageGeometry((2, 4), 8, (2, 0, 6, 8), 2.0),
    ImageGeometry((50, 37), 64, (0, 8, 64, 55), 1.28),
    ImageGeometry((64, 64), 64, (0, 0, 64, 64), 1.0),
    ImageGeometry((1024, 700), 96, (0, 15, 96, 81), 0.09375),
]
SIZES = pytest.mark.parametrize(
    "size, new_size",
    [
        ((20, 30), (20, 30)),
        ((20, 30), (40, 75)),
        ((40, 30), (11, 8)),
        ((31, 9), (10, 40)),
        ((1, 1), (3, 5)),
        ((7, 5), (1, 1)),
        ((64, 64), (28, 28)),
        ((28, 28), (64, 50)),
    ],
    ids=str,
)


# 1. Worked out on paper.


def test_resize_by_hand(stage):
    got = stage("image.resize_image")(np.array([[0, 8], [0, 8]]), (2, 4))
    # The new middles lie at -1/4, 1/4, 3/4 and 5/4; beyond the border are zeros, so that 8 fades to 3/4 of itself.
    np.testing.assert_allclose(got, [[0, 2, 6, 6]] * 2, rtol=1e-12)


def test_fit_by_hand(eager_stage):
    padded, geometry = eager_stage("image.fit_to_square")(np.full((2, 4), 7.0), size=4)
    np.testing.assert_array_equal(padded, [[0] * 4, [7] * 4, [7] * 4, [0] * 4])
    assert geometry == ImageGeometry((2, 4), 4, (1, 0, 3, 4), 1.0)


def test_the_odd_pixel_of_padding_goes_below_or_right(eager_stage):
    _, geometry = eager_stage("image.fit_to_square")(np.zeros((3, 8)), size=8)
    assert geometry.window == (2, 0, 5, 8)
    _, geometry = eager_stage("image.fit_to_square")(np.zeros((8, 3, 3)), size=16)
    assert geometry == ImageGeometry((8, 3), 16, (0, 5, 16, 11), 2.0)


def test_a_side_never_vanishes(eager_stage):
    padded, geometry = eager_stage("image.fit_to_square")(np.ones((400, 1)), size=16)
    assert geometry.window == (0, 7, 16, 8) and padded.shape == (16, 16)


def test_normalise_by_hand(stage):
    got = stage("image.normalise")(np.array([[10, 12]]), mean=(10.0, 9.0))
    np.testing.assert_array_equal(got, np.array([[[0, 1], [2, 3]]]))
    assert got.dtype == np.float32
    colour = stage("image.normalise")(np.array([[[1.0, 2, 3]]]), mean=(1, 1, 1))
    np.testing.assert_array_equal(colour, [[[0, 1, 2]]])


def test_standardise_by_hand(stage):
    got = stage("image.standardise")(np.array([[10, 30], [30, 10]]), spread=2.0)
    np.testing.assert_array_equal(got, np.repeat([[[-2.0], [2]], [[2], [-2]]], 3, axis=2))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(stage("image.standardise")(np.full((2, 3), 7), spread=64), np.zeros((2, 3, 3)))


def test_standardise_knows_no_exposure(stage, rng):
    """A brighter and harder film gives the same."""
    image = rng.uniform(20, 90, (16, 16))
    got = np.asarray(stage("image.standardise")(image, spread=64.0, n_channels=1))
    np.testing.assert_allclose(stage("image.standardise")(2.5 * image + 30, spread=64.0, n_channels=1), got, atol=1e-3)
    assert abs(got.mean()) < 1e-4 and got.std() == pytest.approx(64, rel=1e-5)


def test_boxes_by_hand(stage):
    inside, outside = np.array([[2.0, 0, 4, 8]]), np.array([[0.0, 0, 1, 4]])
    geometry = GEOMETRIES[0]
    np.testing.assert_array_equal(stage("image.boxes_to_input")(outside, geometry=geometry), inside)
    np.testing.assert_array_equal(stage("image.boxes_to_original")(inside, geometry=geometry), outside)
    padding = stage("image.boxes_to_original")(np.array([[0.0, 0, 2, 8]]), geometry=geometry)
    np.testing.assert_array_equal(padding, [[0, 0, 0, 4]])


def test_masks_by_hand(stage):
    geometry = ImageGeometry((1, 2), 4, (1, 0, 3, 4), 2.0)
    inside = np.zeros((1, 4, 4), dtype=bool)
    inside[0, 1:3, 2:] = True
    outside = np.array([[[False, True]]])
    np.testing.assert_array_equal(stage("image.masks_to_input")(outside, geometry=geometry), inside)
    np.testing.assert_array_equal(stage("image.masks_to_original")(inside, geometry=geometry), outside)


# 2. Properties, and scikit-image as the oracle.


@SIZES
@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_resize_is_scikit_images(eager_stage, rng, size, new_size, channels):
    image = rng.uniform(-50, 200, size + channels)
    want = resize(image, new_size, order=1, mode="constant", anti_aliasing=True, preserve_range=True)
    np.testing.assert_allclose(eager_stage("image.resize_image")(image, new_size), want, rtol=1e-9, atol=1e-9)


def test_resize_in_a_graph_is_scikit_images(stage, rng):
    image = rng.uniform(size=(40, 30, 2))
    want = resize(image, (11, 64), order=1, mode="constant", anti_aliasing=True, preserve_range=True)
    np.testing.assert_allclose(stage("image.resize_image")(image, (11, 64)), want, rtol=1e-9, atol=1e-9)


def test_resize_stays_within_the_images_values(eager_stage, rng):
    for new_size in ((7, 90), (90, 7)):
        got = eager_stage("image.resize_image")(rng.integers(40, 200, (30, 30)).astype(np.uint8), new_size)
        assert got.min() >= 0 and got.max() <= 200 and got.dtype == np.float64


@pytest.mark.parametrize("size", [(50, 37), (37, 50), (64, 64), (1, 9), (300, 170)])
def test_fit_keeps_the_image_and_adds_nothing_but_zeros(eager_stage, rng, size):
    image = rng.uniform(1, 2, size)
    padded, geometry = eager_stage("image.fit_to_square")(image, size=64)
    y1, x1, y2, x2 = geometry.window
    assert padded.shape == (64, 64) and max(y2 - y1, x2 - x1) == 64
    assert abs((64 - y2) - y1) <= 1 and abs((64 - x2) - x1) <= 1
    same = (y2 - y1, x2 - x1) == size
    want = image if same else resize(image, (y2 - y1, x2 - x1), order=1, mode="constant", anti_aliasing=True)
    np.testing.assert_allclose(padded[y1:y2, x1:x2], want, rtol=1e-9)
    assert padded.sum() == pytest.approx(padded[y1:y2, x1:x2].sum(), rel=1e-12)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: str(geometry.original_size))
def test_boxes_there_and_back(stage, rng, geometry):
    height, width = geometry.original_size
    boxes = random_boxes(rng, 30) / 200 * np.tile([height, width], 2)
    boxes = np.clip(boxes, 0, np.tile([height, width], 2))
    there = stage("image.boxes_to_input")(boxes, geometry=geometry)
    assert (there[:, :2] >= np.array(geometry.window[:2]) - 1e-9).all()
    np.testing.assert_allclose(stage("image.boxes_to_original")(there, geometry=geometry), boxes, rtol=1e-9, atol=1e-9)


def test_the_whole_image_is_the_window(eager_stage):
    for geometry in GEOMETRIES:
        whole = np.array([[0, 0, *geometry.original_size]], dtype=float)
        np.testing.assert_allclose(eager_stage("image.boxes_to_input")(whole, geometry), [geometry.window], rtol=1e-12)


@pytest.mark.parametrize("geometry", GEOMETRIES[:3], ids=lambda geometry: str(geometry.original_size))
def test_masks_there_and_back(stage, rng, geometry):
    masks = rng.uniform(size=(3, *geometry.original_size)) > 0.5  # the input is at least as fine: nothing is lost
    there = stage("image.masks_to_input")(masks, geometry=geometry)
    assert there.dtype == bool and there.shape == (3, geometry.size, geometry.size)
    np.testing.assert_array_equal(stage("image.masks_to_original")(there, geometry=geometry), masks)
    y1, x1, y2, x2 = geometry.window
    there[:, y1:y2, x1:x2] = False
    assert not there.any()


def test_masks_and_boxes_move_alike(eager_stage):
    for geometry in GEOMETRIES[1:3]:
        mask = np.zeros((1, *geometry.original_size), dtype=bool)
        mask[0, 10:30, 5:25] = True
        rows, columns = np.nonzero(eager_stage("image.masks_to_input")(mask, geometry)[0])
        around = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        box = eager_stage("image.boxes_to_input")(np.array([[10.0, 5, 30, 25]]), geometry)[0]
        np.testing.assert_allclose(around, box, atol=0.51)  # half a pixel, where an edge cuts one


def test_nothing(stage):
    geometry = GEOMETRIES[0]
    assert stage("image.boxes_to_input")(np.zeros((0, 4)), geometry=geometry).shape == (0, 4)
    assert stage("image.boxes_to_original")(np.zeros((0, 4)), geometry=geometry).shape == (0, 4)
    assert stage("image.masks_to_input")(np.zeros((0, 2, 4), bool), geometry=geometry).shape == (0, 8, 8)
    assert stage("image.masks_to_original")(np.zeros((0, 8, 8), bool), geometry=geometry).shape == (0, 2, 4)


def test_lists_views_and_no_change_of_the_input(eager_stage, rng):
    image = rng.integers(0, 255, (20, 12)).astype(np.uint8)
    before = image.copy()
    call = eager_stage("image.resize_image")
    want = call(image.T.astype(float).copy(), (6, 30))
    np.testing.assert_array_equal(call(image.T, (6, 30)), want)
    np.testing.assert_array_equal(call(image.T.tolist(), (6, 30)), want)
    padded, _ = eager_stage("image.fit_to_square")(image, size=20)
    assert not np.shares_memory(padded, image)
    np.testing.assert_array_equal(image, before)


def test_a_graph_fits_images_of_known_size_alone():
    tf, module = imported("tensorflow.compat.v2"), imported("mini_rcnn.stages_tf.image")
    image = np.arange(8.0).reshape(2, 4)
    fit = tf.function(lambda image: module.fit_to_square(image, size=4)[0])
    np.testing.assert_array_equal(as_numpy(fit(image)), module.fit_to_square(image, size=4)[0].numpy())
    unknown = tf.function(fit.python_function, input_signature=[tf.TensorSpec((None, 4), tf.float64)])
    with pytest.raises(ValueError, match=r"image must have a height and width known beforehand, got \(None, 4\)"):
        unknown(image)


@pytest.mark.parametrize(
    "image, message",
    [
        (np.zeros(4), r"image must have shape \(H, W\) or \(H, W, C\) with at least one pixel, got \(4,\)"),
        (np.zeros((1, 2, 3, 4)), r"image must have shape .* got \(1, 2, 3, 4\)"),
        (np.zeros((0, 4)), r"image must have shape .* with at least one pixel, got \(0, 4\)"),
        (np.array([[np.nan]]), r"image must be finite, got nan at index \[0, 0\]"),
        (None, "image must hold real numbers, got dtype object"),
        ("x", "image must hold real numbers, got dtype <U1"),
    ],
)
def test_bad_images(eager_stage, image, message):
    for name, options in (
        ("resize_image", {"size": 4}), ("fit_to_square", {"size": 4}), ("normalise", {"mean": (1,)}),
        ("standardise", {"spread": 1.0}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"^{message}"):
            eager_stage(f"image.{name}")(image, **options)


@pytest.mark.parametrize("size", [0, -3, 2.5, None, "8", True])
def test_bad_sizes(eager_stage, size):
    with pytest.raises(ValueError, match=f"^size must be .*got {size!r}"):
        eager_stage("image.resize_image")(np.zeros((2, 2)), size)
    with pytest.raises(ValueError, match=f"^size must be a whole number >= 1, got {size!r}"):
        eager_stage("image.fit_to_square")(np.zeros((2, 2)), size=size)


def test_bad_means_and_masks(eager_stage):
    with pytest.raises(ValueError, match="^mean must have one number for each channel of image, got 2 for 3"):
        eager_stage("image.normalise")(np.zeros((2, 2, 3)), mean=(1, 2))
    with pytest.raises(ValueError, match=r"^mean must have shape \(\?\), got \(\)"):
        eager_stage("image.normalise")(np.zeros((2, 2)), mean=3)
    for spread in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="^spread must be above 0"):
            eager_stage("image.standardise")(np.zeros((2, 2)), spread=spread)
    with pytest.raises(ValueError, match=r"^masks must have shape \(\?, 8, 8\), got \(1, 2, 4\)"):
        eager_stage("image.masks_to_original")(np.zeros((1, 2, 4)), GEOMETRIES[0])
    with pytest.raises(ValueError, match=r"^masks must have shape \(\?, 2, 4\), got \(1, 8, 8\)"):
        eager_stage("image.masks_to_input")(np.zeros((1, 8, 8)), GEOMETRIES[0])
    message = r"^boxes must have y1 <= y2 and x1 <= x2, got \[1.0, 0.0, 0.0, 1.0\] in row 0"
    with pytest.raises(ValueError, match=message):
        eager_stage("image.boxes_to_input")(np.array([[1.0, 0, 0, 1]]), GEOMETRIES[0])
