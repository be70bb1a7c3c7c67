"""Augmentation: worked out by hand, corners marked and found again, nothing folded, lost or left to chance."""

from __future__ import annotations

import dataclasses
import zlib

import cv2
import numpy as np
import pytest

from mini_rcnn.data import augment as augment_module
from mini_rcnn.data.augment import (
    SLIDES,
    AugmentationSettings,
    Step,
    affine,
    all_kept,
    apply_step,
    augment,
    blur,
    boxes_of_masks,
    brightness,
    contrast,
    draw_focus,
    draw_geometry,
    draw_offsets,
    draw_tone,
    flip,
    piecewise_affine,
    settings_as_dict,
    sharpen,
)
from mini_rcnn.data.piecewise import sampling_map, smallest_stretch
from mini_rcnn.data.tones import gaussian_weights
from mini_rcnn.data.warps import affine_matrix

SIZE = 128
WIDE = AugmentationSettings(shift_y=(-1, 1), shift_x=(-1, 1), rotate=(-90, 90), piecewise=(0, 0.2), smallest_share=0)
# CRC-32 of film and masks after `augment` with this seed, the same in both environments.
BYTES = {
    0: 1077126311, 1: 580732315, 2: 16697987, 3: 839974494, 4: 1425660738,
    5: 4167297503, 6: 3984159263, 7: 2447606222, 8: 957405769, 9: 2438575393,
}  # fmt: skip


def no_masks(image):
    return np.zeros((0, *image.shape), dtype=bool)


def striped_film(size=SIZE):
    """Return a film of whole-number arithmetic alone, the same on every machine."""
    y, x = np.mgrid[:size, :size]
    return ((y * y // 37 + 3 * x + (x * y) // 29) % 256).astype(np.uint8)


def filled(boxes, size=SIZE):
    masks = np.zeros((len(boxes), size, size), dtype=bool)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes):
        mask[y1:y2, x1:x2] = True
    return masks


def found(step, points, size=SIZE):
    """Return where points of a film are after a step: each is marked by a square, which is looked for again."""
    places = []
    for y, x in points:
        film = np.zeros((size, size), dtype=np.uint8)
        film[y - 2 : y + 2, x - 2 : x + 2] = 255
        light = apply_step(step, film, no_masks(film))[0].astype(np.float64)
        assert light.sum() > 0, f"the mark at {(y, x)} is gone"
        middles = np.arange(size) + 0.5
        places.append((light.sum(axis=1) @ middles / light.sum(), light.sum(axis=0) @ middles / light.sum()))
    return np.array(places)


def outline(box, n_points=6):
    y1, x1, y2, x2 = box
    ys, xs = np.linspace(y1, y2, n_points).astype(int), np.linspace(x1, x2, n_points).astype(int)
    return [(y, x) for y in ys for x in (x1, x2)] + [(y, x) for y in (y1, y2) for x in xs]


def steps_named(name, count, settings=SLIDES):
    rng, steps = np.random.default_rng(7), []
    while len(steps) < count:
        step = draw_geometry(rng, settings)
        steps += [step] if step.name == name else []
    return steps


# 1. Worked out on paper.


def test_affine_by_hand():
    film = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=np.uint8)
    masks = film[None] == 1
    moved, moved_masks = affine(film, masks, shift=(1 / 3, 2 / 3))
    np.testing.assert_array_equal(moved, [[0, 0, 0], [0, 0, 1], [0, 0, 4]])
    np.testing.assert_array_equal(moved_masks, [[[False] * 3, [False, False, True], [False] * 3]])
    # A quarter turn is clockwise on the screen and about the middle of the film: no black border comes in.
    np.testing.assert_array_equal(affine(film, masks, rotate=90)[0], [[7, 4, 1], [8, 5, 2], [9, 6, 3]])
    np.testing.assert_array_equal(affine(film, masks)[0], film)


def test_affine_matrix_by_hand():
    # Twice as wide about the middle of 4 pixels, 1.5 as OpenCV counts; a shift of half the height, 3 pixels, down.
    got = affine_matrix((6, 4), scale=(1, 2), shift=(0.5, 0))
    np.testing.assert_allclose(got, [[2, 0, -1.5], [0, 1, 3]], atol=1e-11)
    # A shear of 30 degrees tips the end of a vertical line of length 2 to the left by 1 and shortens its height.
    leaned = affine_matrix((1, 1), shear=30) @ [0, 2, 1]
    np.testing.assert_allclose(leaned, [-1, np.sqrt(3)], atol=1e-10)


def test_piecewise_by_hand():
    film = np.array([[10, 20, 30, 40]] * 2, dtype=np.uint8)
    offsets = np.zeros((2, 2, 2))
    np.testing.assert_array_equal(piecewise_affine(film, no_masks(film), offsets=offsets)[0], film)
    offsets[..., 1] = 0.25  # everything is looked up one pixel further right; the last one repeats
    masks = film[None] == 30
    bent, bent_masks = piecewise_affine(film, masks, offsets=offsets)
    np.testing.assert_array_equal(bent, [[20, 30, 40, 40]] * 2)
    np.testing.assert_array_equal(bent_masks[0], [[False, True, False, False]] * 2)


def test_piecewise_offsets_hold_at_the_grid_points(rng):
    offsets = rng.normal(0, 0.02, (4, 3, 2))
    rows, columns = sampling_map((60, 80), offsets)
    # The grid's inner point (1, 1) lies at (20, 40), the corner of four pixels, whose mean of places is its own.
    np.testing.assert_allclose(rows[19:21, 39:41].mean() + 0.5, 20 + 60 * offsets[1, 1, 0], atol=0.15)
    np.testing.assert_allclose(columns[19:21, 39:41].mean() + 0.5, 40 + 80 * offsets[1, 1, 1], atol=0.15)


def test_grey_levels_by_hand():
    film = np.array([[0, 100, 127, 221, 222, 255]], dtype=np.uint8)
    np.testing.assert_array_equal(brightness(film, 1.15), [[0, 115, 146, 254, 255, 255]])
    np.testing.assert_array_equal(brightness(film, 0.85), [[0, 85, 108, 188, 189, 217]])
    np.testing.assert_array_equal(contrast(film, 1.15), [[0, 96, 127, 235, 236, 255]])
    np.testing.assert_array_equal(contrast(film, 0), [[127] * 6])
    dot = np.zeros((3, 3), dtype=np.uint8)
    dot[1, 1] = 100
    want = [[0, 0, 0], [0, 180, 0], [0, 0, 0]]  # 100 + 0.1 * 800; the neighbours would fall to -10
    np.testing.assert_array_equal(sharpen(dot, 0.1), want)


def test_sharpen_is_its_formula(rng):
    film = rng.integers(0, 256, (20, 30)).astype(np.uint8)
    padded = np.pad(film.astype(int), 1, mode="reflect")
    around = sum(padded[i : i + 20, j : j + 30] for i in range(3) for j in range(3)) - film
    want = np.clip(film + 0.0813 * (8.0 * film - around), 0, 255)
    assert np.abs(sharpen(film, 0.0813) - want).max() <= 0.5001


def test_boxes_of_masks_by_hand():
    masks = filled([(2, 3, 10, 4), (0, 0, 128, 128), (5, 5, 5, 5)])
    masks[0, 20, 100] = True
    want = [[2, 3, 21, 101], [0, 0, 128, 128], [0, 0, 0, 0]]
    np.testing.assert_array_equal(boxes_of_masks(masks), want)
    assert boxes_of_masks(masks[:0]).shape == (0, 4)


def test_smallest_stretch_by_hand():
    offsets = np.zeros((3, 3, 2))
    assert smallest_stretch(offsets) == 1
    offsets[1, 1] = 0, 0.5  # the middle point on top of its right neighbour
    assert smallest_stretch(offsets) == 0
    offsets[1, 1] = 0, 0.75
    assert smallest_stretch(offsets) < 0


# 2. Properties: boxes and masks follow the pixels.


@pytest.mark.parametrize("name", ["affine", "piecewise_affine"])
def test_box_corners_and_masks_go_where_the_pixels_go(name):
    boxes = [(30, 24, 70, 60), (40, 70, 104, 100)]
    furthest = 0
    for step in steps_named(name, 12):
        masks = apply_step(step, np.zeros((SIZE, SIZE), dtype=np.uint8), filled(boxes))[1]
        for box, new_box in zip(boxes, boxes_of_masks(masks)):
            places = found(step, outline(box))
            hull = np.concatenate([places.min(axis=0), places.max(axis=0)])
            np.testing.assert_allclose(new_box, hull, atol=1)
            furthest = max(furthest, np.abs(new_box - box).max())
    assert furthest > 3  # the test would also pass on films that stay where they are


def test_affine_corners_are_where_the_matrix_says():
    corners = [(30, 24), (30, 60), (70, 24), (70, 60)]
    for step in steps_named("affine", 10):
        matrix = affine_matrix((SIZE, SIZE), **step.values)
        want = [(matrix @ (x - 0.5, y - 0.5, 1))[::-1] + 0.5 for y, x in corners]
        np.testing.assert_allclose(found(step, corners), want, atol=0.1)


def test_a_turned_box_grows_by_as_much_as_the_docstring_says():
    masks = filled([(400, 300, 700, 500)], size=1024)
    y1, x1, y2, x2 = boxes_of_masks(affine(np.zeros((1024, 1024), dtype=np.uint8), masks, rotate=2)[1])[0]
    np.testing.assert_allclose((y2 - y1, x2 - x1), (300 + 0.035 * 200, 200 + 0.035 * 300), atol=1.5)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 17])
def test_any_number_of_masks_goes_through_apart(rng, count):
    masks = rng.random((count, 40, 40)) < 0.3
    film = np.zeros((40, 40), dtype=np.uint8)
    values = {"scale": (1.1, 0.9), "rotate": 20, "shear": 5, "shift": (0.1, 0)}
    together = affine(film, masks, **values)[1]
    matrix = affine_matrix((40, 40), **values)
    assert together.shape == masks.shape and together.dtype == bool
    for mask, got in zip(masks, together):
        alone = cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, (40, 40), flags=cv2.INTER_NEAREST)
        np.testing.assert_array_equal(got, alone > 0)


def test_flip_mirrors_the_film_and_its_masks(rng):
    film, masks = rng.integers(0, 256, (5, 8)).astype(np.uint8), rng.random((2, 5, 8)) < 0.5
    mirrored, mirrored_masks = flip(film, masks)
    np.testing.assert_array_equal(mirrored, film[:, ::-1])
    np.testing.assert_array_equal(mirrored_masks, masks[:, :, ::-1])


def test_the_slides_flip_nothing_and_others_may():
    assert SLIDES.flip_probability == 0
    still = {key: (1, 1) for key in ("scale_y", "scale_x", "brightness", "contrast")}
    still.update({key: (0, 0) for key in ("shift_y", "shift_x", "rotate", "shear", "piecewise", "blur", "sharpen")})
    film = striped_film()
    for probability, want in ((0, film), (1, film[:, ::-1])):
        settings = AugmentationSettings(flip_probability=probability, **still)
        got, _ = augment(film, no_masks(film), rng=np.random.default_rng(0), settings=settings)
        np.testing.assert_array_equal(got, want)


# 3. The map never folds; no box vanishes.


def jacobian(offsets):
    rows, columns = (part.astype(np.float64) for part in sampling_map((96, 96), offsets))
    (dy_dy, dy_dx), (dx_dy, dx_dx) = np.gradient(rows), np.gradient(columns)
    return dy_dy * dx_dx - dy_dx * dx_dy


def test_the_slides_piecewise_map_is_far_from_folding():
    rng = np.random.default_rng(0)
    offsets = [draw_offsets(rng, SLIDES) for _ in range(2000)]
    assert min(map(smallest_stretch, offsets)) > 0.3
    assert min(jacobian(each).min() for each in offsets[::40]) > 0.3


def test_wide_piecewise_maps_are_tamed_until_they_do_not_fold():
    rng, tamed = np.random.default_rng(0), 0
    for _ in range(200):
        offsets = draw_offsets(rng, WIDE)
        assert smallest_stretch(offsets) >= augment_module.LEAST_STRETCH and jacobian(offsets).min() > 0
        tamed += smallest_stretch(2 * offsets) < augment_module.LEAST_STRETCH
    assert tamed > 20


def test_nothing_from_outside_comes_in_through_a_piecewise_map():
    film = np.full((SIZE, SIZE), 200, dtype=np.uint8)
    for settings in (SLIDES, WIDE):
        for step in steps_named("piecewise_affine", 20, settings):
            assert (apply_step(step, film, no_masks(film))[0] == 200).all()


def test_a_folding_map_is_refused():
    film, offsets = striped_film(), np.zeros((3, 3, 2))
    offsets[1, 1] = 0, 0.75
    with pytest.raises(ValueError, match="offsets must not fold the picture, got a smallest stretch of -0.5"):
        piecewise_affine(film, no_masks(film), offsets=offsets)


def test_no_box_vanishes_even_with_wide_ranges():
    film, masks = striped_film(), filled([(0, 0, 12, 12), (100, 100, 128, 128), (60, 60, 61, 61)])
    settings = dataclasses.replace(WIDE, smallest_share=0.25)
    changed = 0
    for seed in range(60):
        _, after = augment(film, masks, rng=np.random.default_rng(seed), settings=settings)
        assert all_kept(masks, after, 0.25)
        changed += (after != masks).any()
    assert changed > 20


def test_where_every_draw_loses_a_box_the_film_keeps_its_geometry(monkeypatch, rng):
    draws = []
    step = Step("affine", {"shift": (0, 0.6)})
    monkeypatch.setattr(augment_module, "draw_geometry", lambda rng, settings: draws.append(1) or step)
    film, masks = striped_film(), filled([(0, 0, 128, 10), (0, 118, 128, 128)])
    settings = dataclasses.replace(SLIDES, brightness=(1, 1), contrast=(1, 1), sharpen=(0, 0), tries=4)
    got, after = augment(film, masks, rng=rng, settings=settings)
    assert len(draws) == 4 and after is not masks
    np.testing.assert_array_equal(got, film)
    np.testing.assert_array_equal(after, masks)
    got, after = augment(film, masks[:1], rng=rng, settings=settings)  # the left one alone has room
    assert len(draws) == 5 and (got != film).any()
    np.testing.assert_array_equal(boxes_of_masks(after), [[0, 77, 128, 87]])


def test_a_mask_that_was_empty_stays_so_and_stops_nothing(rng):
    film, masks = striped_film(), filled([(5, 5, 5, 5), (30, 30, 60, 60)])
    _, after = augment(film, masks, rng=rng)
    assert not after[0].any() and after[1].any()


def test_the_slides_ranges_seldom_need_a_second_draw():
    rng, lost = np.random.default_rng(3), 0
    masks = filled([(30, 20, 80, 50), (2, 60, 40, 90)])
    for _ in range(300):
        _, after = apply_step(draw_geometry(rng, SLIDES), np.zeros((SIZE, SIZE), dtype=np.uint8), masks)
        lost += not all_kept(masks, after, SLIDES.smallest_share)
    assert lost == 0


# 4. Chance: seeded, even, within its ranges.


def test_the_same_seed_gives_the_same_bytes_in_both_environments():
    film, masks = striped_film(), filled([(30, 24, 70, 60), (40, 70, 104, 100)])
    got = {}
    for seed in range(10):
        image, after = augment(film, masks, rng=np.random.default_rng(seed))
        got[seed] = zlib.crc32(np.packbits(after).tobytes(), zlib.crc32(image.tobytes()))
    assert got == BYTES


def test_input_is_left_alone(rng):
    film, masks = striped_film(), filled([(30, 24, 70, 60)])
    before = film.tobytes(), masks.tobytes()
    for _ in range(20):
        augment(film, masks, rng=rng)
    film.flags.writeable = masks.flags.writeable = False  # as a memory-mapped cache is
    augment(film, masks, rng=rng)
    assert (film.tobytes(), masks.tobytes()) == before


def test_draws_are_even_and_within_the_slides_ranges(rng):
    for draw_step, names in (
        (draw_geometry, ("affine", "piecewise_affine")),
        (draw_tone, ("brightness", "contrast")),
        (draw_focus, ("blur", "sharpen")),
    ):
        steps = [draw_step(rng) for _ in range(1000)]
        assert abs(sum(step.name == names[0] for step in steps) - 500) < 70 and {s.name for s in steps} == set(names)
        for step in steps:
            keys = (step.name,)
            if step.name == "affine":
                keys = ("scale_y", "scale_x", "shift_y", "shift_x", "rotate", "shear")
            if step.name != "piecewise_affine":
                for value, key in zip(np.hstack(list(step.values.values())), keys):
                    assert getattr(SLIDES, key)[0] <= value <= getattr(SLIDES, key)[1]


def test_other_settings_are_possible_and_leave_as_plain_numbers():
    wide = dataclasses.replace(SLIDES, rotate=(-10, 10))
    assert settings_as_dict(wide)["rotate"] == [-10, 10] and settings_as_dict(SLIDES)["flip_probability"] == 0


# 5. Which of the slides' settings do nothing.


def noise(rng):
    return (rng.integers(0, 2, (256, 256)) * 255).astype(np.uint8)  # the roughest film there is


def test_the_slides_blur_changes_no_pixel(rng):
    weights = gaussian_weights(SLIDES.blur[1])
    assert weights[1] < 1e-15 and 255 * weights[1] * 4 < 1e-12  # half a grey level would be needed
    film = noise(rng)
    for sigma in (0, 0.06, 0.12, 0.28):
        np.testing.assert_array_equal(blur(film, sigma), film)
    assert (blur(film, 0.284) != film).mean() > 0.5 and (blur(film, 0.5) != film).mean() > 0.9
    # In exact arithmetic a lone white pixel keeps the middle weight's square; half a level goes at sigma 0.256.
    lost = [255 * (1 - gaussian_weights(sigma)[2] ** 2) for sigma in (0.255, 0.257)]
    assert lost[0] < 0.5 < lost[1]


def test_the_other_settings_change_pixels(rng):
    film = cv2.GaussianBlur(noise(rng), (0, 0), 1)
    changed = [(sharpen(film, alpha) != film).mean() for alpha in (0, 0.0002, 0.002, 0.12)]
    assert changed[:2] == [
        0,
        0,
    ]  # a pixel stands out from its neighbours by 8 * 255 at most, and half a level is needed
    assert 0 < changed[2] < 0.3 < 0.8 < changed[3]
    assert (brightness(film, 1.15) != film).mean() > 0.99 and (contrast(film, 0.85) != film).mean() > 0.9
    for function in (brightness, contrast):
        np.testing.assert_array_equal(function(film, 1), film)


def test_brightness_saturates_above_221():
    ramp = np.arange(256, dtype=np.uint8)[None]
    assert (brightness(ramp, 1.15)[0, 222:] == 255).all() and brightness(ramp, 1.15)[0, 221] == 254
    assert len(np.unique(brightness(ramp, 1.15))) == 223


# 6. Bad input.


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("scale_y", (0, 1), r"scale_y must hold numbers above 0 and at most 4, got \(0, 1\)"),
        ("rotate", (2, -2), r"rotate must be \(low, high\) with low <= high, got \(2, -2\)"),
        ("rotate", 2, r"rotate must be a pair \(low, high\), got 2"),
        ("sharpen", (0, 1.5), r"sharpen must hold numbers from 0 to 1, got \(0, 1.5\)"),
        ("brightness", (float("nan"), 1), "brightness must hold numbers"),
        ("blur", ("0", "1"), "blur must hold numbers"),
        ("piecewise_grid", (1, 4), "piecewise_grid must be a whole number >= 2, got 1"),
        ("piecewise_grid", 4, r"piecewise_grid must be \(rows, columns\), got 4"),
        ("flip_probability", 1.5, r"flip_probability must lie in \[0, 1\], got 1.5"),
        ("tries", 0, "tries must be a whole number >= 1, got 0"),
        ("smallest_share", 0.99, r"smallest_share must be at most the least scale_y times .* 0.9604.*, got 0.99"),
    ],
)
def test_settings_that_contradict_are_refused(key, value, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SLIDES, **{key: value})


def test_unknown_settings_are_refused():
    with pytest.raises(TypeError, match="rotation"):
        AugmentationSettings(rotation=(-2, 2))


FILM = np.zeros((4, 4), dtype=np.uint8)
MASKS = np.zeros((1, 4, 4), dtype=bool)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: affine(FILM.astype(float), MASKS), "image must be a grey uint8 image .* got float64"),
        (lambda: affine(FILM[..., None], MASKS), r"image must be .* got uint8 \(4, 4, 1\)"),
        (lambda: affine(FILM[:0], MASKS[:, :0]), r"image must be .* with pixels, got uint8 \(0, 4\)"),
        (lambda: affine(FILM, MASKS[0]), r"masks must be bool \(N, 4, 4\), got bool \(4, 4\)"),
        (lambda: affine(FILM, MASKS.astype(np.uint8)), "masks must be bool .* got uint8"),
        (lambda: affine(FILM, MASKS, scale=(0, 1)), r"scale must be \(y, x\), both above 0, got \(0.0, 1.0\)"),
        (lambda: affine(FILM, MASKS, scale=1), "scale must have shape"),
        (lambda: affine(FILM, MASKS, rotate=float("inf")), "rotate and shear must be finite"),
        (lambda: piecewise_affine(FILM, MASKS, offsets=np.zeros((1, 4, 2))), "offsets must have at least 2 rows"),
        (lambda: piecewise_affine(FILM, MASKS, offsets=np.zeros((4, 4))), "offsets must have shape"),
        (lambda: boxes_of_masks(FILM), r"masks must be bool \(N, H, W\), got uint8 \(4, 4\)"),
        (lambda: brightness(FILM, -1), "factor must be a finite number of at least 0, got -1"),
        (lambda: contrast(FILM, float("nan")), "factor must be .* got nan"),
        (lambda: sharpen(FILM, 1.2), "alpha must be a finite number of at least 0 and at most 1, got 1.2"),
        (lambda: blur(FILM, 11), "sigma must be at most 10 pixels, got 11"),
        (lambda: blur(FILM[0], 0.1), "image must be"),
        (lambda: augment(FILM, MASKS, rng=3), "rng must be a numpy.random.Generator, got int"),
        (lambda: augment(FILM, MASKS, rng=np.random.default_rng(0), settings={}), "settings must be .* got dict"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_steps_read_as_what_they_do():
    step = Step("contrast", {"factor": 0.5})
    np.testing.assert_array_equal(apply_step(step, np.full((2, 2), 27, np.uint8), MASKS[:, :2, :2])[0], [[77] * 2] * 2)
