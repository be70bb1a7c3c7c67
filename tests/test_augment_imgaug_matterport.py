"""Each operation held against imgaug 0.4.0, what the slides use. Collected in the classic environment alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from conftest import imported

from mini_rcnn.data.augment import SLIDES, affine, blur, brightness, contrast, draw_offsets, piecewise_affine, sharpen
from mini_rcnn.data.piecewise import sampling_map

AFFINES = [
    {"scale": (1.03, 0.99), "shift": (0.02, -0.01), "rotate": 1.5, "shear": 0.7},
    {"scale": (0.98, 1.04), "shift": (-0.05, 0.03), "rotate": -2, "shear": -1},
    {"scale": (0.7, 1.4), "shift": (0.2, -0.3), "rotate": 40, "shear": 15},
    {"scale": (1, 1), "shift": (0, 0), "rotate": 90, "shear": 0},
]


@pytest.fixture
def iaa():
    return imported("imgaug.augmenters")


@pytest.fixture
def film(rng):
    """Return a smooth film with every grey level, rather higher than wide."""
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (200, 160)).astype(np.float32), (0, 0), 3)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def gap(ours, theirs):
    return ours.astype(int) - theirs.astype(int)


def their_affine(iaa, backend, *, scale, shift, rotate, shear):
    return iaa.Affine(
        scale={"y": scale[0], "x": scale[1]},
        translate_percent={"y": shift[0], "x": shift[1]},
        rotate=rotate,
        shear=shear,
        order=1,
        backend=backend,
    )


@pytest.mark.parametrize("values", AFFINES)
def test_affine_is_imgaugs_on_opencv(iaa, film, values):
    ours, _ = affine(film, np.zeros((0, *film.shape), dtype=bool), **values)
    apart = np.abs(gap(ours, their_affine(iaa, "cv2", **values).augment_image(film)))
    # The same OpenCV; the last bits of the matrix move a place across a 32nd of a pixel now and then.
    assert apart.max() <= 1 and (apart > 0).mean() < 0.001


@pytest.mark.parametrize("values", AFFINES)
def test_affine_is_imgaugs_on_scikit_image_up_to_the_grid_of_a_32nd_pixel(iaa, film, values):
    ours, _ = affine(film, np.zeros((0, *film.shape), dtype=bool), **values)
    apart = np.abs(gap(ours, their_affine(iaa, "skimage", **values).augment_image(film)))
    assert np.median(apart) == 0 and apart.mean() < 1
    inner = np.abs(gap(ours, their_affine(iaa, "skimage", **values).augment_image(film)))[ours > 0]
    assert np.percentile(inner, 99) <= 4


@pytest.mark.parametrize("values", AFFINES)
def test_masks_are_matterports_but_for_pixels_on_the_edge(iaa, film, values):
    masks = np.zeros((2, *film.shape), dtype=bool)
    masks[0, 40:120, 30:90], masks[1, 100:150, 70:140] = True, True
    _, ours = affine(film, masks, **values)
    theirs = their_affine(iaa, "auto", **values).augment_image(masks.transpose(1, 2, 0).astype(np.uint8))
    assert ours.any() and (ours.transpose(1, 2, 0) != theirs.astype(bool)).sum() <= 0.02 * ours.sum()


@pytest.mark.parametrize("factor", [0.85, 0.97, 1, 1.002, 1.15])
def test_grey_levels_are_imgaugs_but_for_its_cut_fractions(iaa, factor):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for ours, theirs in ((brightness, iaa.Multiply(factor)), (contrast, iaa.LinearContrast(factor))):
        apart = gap(ours(ramp, factor), theirs.augment_image(ramp))
        assert apart.min() >= 0 and apart.max() <= 1
        assert apart.any() == (factor != 1)


@pytest.mark.parametrize("sigma", [0.05, 0.12, 0.3, 0.66])
def test_blur_is_imgaugs_where_its_kernel_is_not_cut_short(iaa, film, sigma):
    np.testing.assert_array_equal(blur(film, sigma), iaa.GaussianBlur(sigma).augment_image(film.copy()))


def test_imgaugs_blur_does_nothing_either_in_the_slides_range(iaa, rng):
    rough = (rng.integers(0, 2, (64, 64)) * 255).astype(np.uint8)
    np.testing.assert_array_equal(iaa.GaussianBlur(0.12).augment_image(rough.copy()), rough)


@pytest.mark.parametrize("alpha", [0, 0.05, 0.1173, 0.7])
def test_sharpen_is_imgaugs_up_to_one_level(iaa, film, alpha):
    apart = np.abs(gap(sharpen(film, alpha), iaa.Sharpen(alpha, 1.0).augment_image(film)))
    assert apart.max() <= 1 and apart.mean() < 0.05  # apart where the sum ends in one half


def test_piecewise_offsets_are_as_large_as_imgaugs(iaa, rng):
    ours = np.array([draw_offsets(rng, SLIDES) for _ in range(400)])[:, 1:3, 1:3]  # inner points: no clipping
    augmenter = iaa.PiecewiseAffine(scale=SLIDES.piecewise, nb_rows=4, nb_cols=4, seed=1)
    state = imported("imgaug.random").RNG(5)
    theirs = np.array([augmenter._draw_samples(1, state.derive_rng_()).jitter[0] for _ in range(400)])
    np.testing.assert_allclose(ours.std(), theirs.std(), rtol=0.08)
    np.testing.assert_allclose(np.abs(ours).mean(), np.abs(theirs).mean(), rtol=0.08)


def test_piecewise_is_imgaugs_map_but_for_the_bend_inside_a_cell(iaa, film, rng):
    size, furthest = np.array(film.shape), 0
    for _ in range(6):
        jitter = rng.normal(0, 0.02, (4, 4, 2))
        jitter[[0, -1]] = jitter[:, [0, -1]] = 0  # imgaug holds border points a pixel further in; leave them
        augmenter = iaa.PiecewiseAffine(scale=0.02, nb_rows=4, nb_cols=4)
        transformer = augmenter._get_transformer(film.shape, film.shape, 4, 4, jitter.reshape(-1, 2))
        y, x = np.mgrid[: size[0], : size[1]]
        theirs = transformer(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(*film.shape, 2)[..., ::-1]
        ours = np.stack(sampling_map(film.shape, jitter), axis=-1)
        twist = jitter[1:, 1:] - jitter[1:, :-1] - jitter[:-1, 1:] + jitter[:-1, :-1]
        apart = np.abs(ours - theirs)[2:-2, 2:-2].max(axis=(0, 1))
        # A quarter of the twist, and what imgaug's half pixel (its grid ends at the size, not at size - 1/2) and its
        # border points, held at size - 1, add: at most a pixel.
        assert (apart <= np.abs(twist).max(axis=(0, 1)) * size / 4 + 1).all()
        furthest = max(furthest, np.abs(theirs - np.stack([y, x], axis=-1)).max())
    assert furthest > 4


def test_piecewise_films_look_alike(iaa, film, rng):
    jitter = rng.normal(0, 0.01, (4, 4, 2))
    jitter[[0, -1]] = jitter[:, [0, -1]] = 0
    augmenter = iaa.PiecewiseAffine(scale=0.02, nb_rows=4, nb_cols=4)
    transformer = augmenter._get_transformer(film.shape, film.shape, 4, 4, jitter.reshape(-1, 2))
    warped = imported("skimage.transform").warp(film, transformer, order=1, preserve_range=True)
    ours, _ = piecewise_affine(film, np.zeros((0, *film.shape), dtype=bool), offsets=jitter)
    assert np.abs(ours - warped)[4:-4, 4:-4].mean() < 0.5 * np.abs(film - warped)[4:-4, 4:-4].mean()
