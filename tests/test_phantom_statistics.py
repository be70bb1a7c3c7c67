"""What films come to in numbers: worked out by hand, and phantoms held against what real films came to."""

import json
from collections import namedtuple
from pathlib import Path

import cv2
import numpy as np
import pytest

from mini_rcnn.data.contradictions import CLASSES
from mini_rcnn.data.dicom import read_image
from mini_rcnn.data.phantom import draw_phantom
from mini_rcnn.data.phantoms import phantom_statistics
from mini_rcnn.data.phantoms.phantom_measures import box_contrasts, measure_film, spectrum_slope, texture_of
from mini_rcnn.data.phantoms.phantom_plan import plan_phantoms
from mini_rcnn.data.phantoms.phantom_statistics import (
    SUBSAMPLE,
    box_values,
    compare,
    contrast_values,
    film_values,
    histogram_distance,
    make_reference,
)
from mini_rcnn.data.rsna import load_records
from mini_rcnn.data.workers import map_items

HERE = Path(__file__).resolve().parent
SHARED = HERE.parent.parent / "shared" / "rsna"
needs_tables = pytest.mark.skipif(not (SHARED / "full_labels").exists(), reason="the challenge's tables are not here")
needs_films = pytest.mark.skipif(not SHARED.exists(), reason="the challenge's films are not here")
NO_BOXES = np.zeros((0, 4))
Drawn = namedtuple("Drawn", "image boxes class_name")


def measure(film):
    return measure_film(*film)


def draw(plan):
    phantom = draw_phantom(plan)
    return Drawn(phantom.image, phantom.boxes, phantom.class_name)


def die(plan):
    raise RuntimeError(f"drawing {plan.image_id} ended its process")


@pytest.fixture(scope="module")
def recorded():
    return json.loads((HERE / "recorded" / "real_film_statistics.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def phantoms():
    """Return the first SUBSAMPLE phantoms of each class, of the set that the command draws by default."""
    plans = plan_phantoms(400, seed=1)
    chosen = [plan for name in CLASSES for plan in [p for p in plans if p.class_name == name][:SUBSAMPLE]]
    return list(map_items(draw, chosen, on_death=die))


def outside(reference, films):
    """Return the quantities whose difference is beyond the limit."""
    return [row.quantity for row in compare(reference, list(map(measure, films))) if not row.fits()]


# Numbers worked out by hand.


def test_a_flat_film():
    film = measure_film(np.full((128, 128), 100, np.uint8), NO_BOXES, "Normal")
    np.testing.assert_array_equal(film.grey, np.full(5, 100))
    np.testing.assert_array_equal(film.histogram, np.arange(32) == 100 // 8)
    np.testing.assert_allclose(film.texture, 0, atol=1e-4)
    assert np.isnan(film.slope) and film.boxes.shape == (0, 4) and film.contrasts.shape == (0,)


def test_grey_levels_of_a_ramp():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 64, axis=0)
    film = measure_film(ramp, NO_BOXES, "Normal")
    np.testing.assert_allclose(film.grey, [2.55, 25.5, 127.5, 229.5, 252.45], atol=0.6)
    np.testing.assert_allclose(film.histogram, 1 / 32)


def test_fine_texture_is_of_single_pixels(rng):
    fine = np.clip(rng.normal(128, 5, (400, 400)), 0, 255).astype(np.uint8)
    coarse = np.clip(128 + 40 * cv2.GaussianBlur(rng.normal(0, 3, (400, 400)), (0, 0), 4), 0, 255).astype(np.uint8)
    np.testing.assert_allclose(texture_of(fine)[0], 5, atol=0.4)
    assert texture_of(fine)[1] < 1
    assert texture_of(coarse)[0] < 1 < 3 < texture_of(coarse)[1]


@pytest.mark.parametrize("slope", [-2.0, -3.0])
def test_the_slope_of_noise_made_with_it(rng, slope):
    frequency = np.hypot(np.fft.fftfreq(1024)[:, None], np.fft.rfftfreq(1024)[None])
    frequency[0, 0] = 1
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(1024, 1024))) * frequency ** (slope / 2))
    film = np.clip(128 + 30 * noise / noise.std(), 0, 255).astype(np.uint8)
    np.testing.assert_allclose(spectrum_slope(film), slope, atol=0.1)


def test_contrast_by_hand():
    """The box of 4 x 4 at 50, its ring of 6 x 6 - 16 = 20 pixels: 6 of the second box's column left out, 14 at 20."""
    image = np.full((20, 20), 20, np.uint8)
    image[8:12, 8:12] = 50
    boxes = np.array([[8.0, 8, 12, 12], [0, 12, 20, 20]])
    image[:, 12:] = 200
    contrasts = box_contrasts(image, boxes)
    np.testing.assert_allclose(contrasts[0], 30)
    ring = np.full((20, 2), 20.0)  # columns 10 and 11, all rows: what is left of the second box's ring
    ring[8:12] = np.nan
    np.testing.assert_allclose(contrasts[1], 200 - np.nanmean(ring))


def test_contrast_without_a_ring_or_an_inside():
    image = np.zeros((8, 8), np.uint8)
    assert np.isnan(box_contrasts(image, np.array([[0.0, 0, 8, 8], [9, 9, 12, 12], [3, 3, 3, 3]]))).all()
    assert box_contrasts(image, NO_BOXES).shape == (0,)


def test_boxes_by_hand():
    boxes = [np.array([[100.0, 200, 300, 300], [100, 700, 200, 800]]), NO_BOXES, np.array([[400.0, 100, 500, 200]])]
    values = box_values(boxes)
    assert values["boxes a positive film"] == 1.5
    np.testing.assert_allclose(values["share of boxes at the picture's left"], 2 / 3)
    np.testing.assert_allclose(values["box width 50 %"], 100)
    np.testing.assert_allclose([values["box height 10 %"], values["box height 90 %"]], [100, 180])
    np.testing.assert_allclose(values["box side (root of the area) 90 %"], 100 + 0.8 * (2**0.5 - 1) * 100)
    np.testing.assert_allclose(values["place y, left 50 %"], (200 + 450) / 2)
    np.testing.assert_allclose([values["place x, right 10 %"], values["place y, right 90 %"]], [750, 150])


def test_nothing_has_no_values():
    assert film_values([]) == {}
    assert np.isnan(list(box_values([]).values()) + list(contrast_values([]).values())).all()


def test_histogram_distance_by_hand():
    assert histogram_distance([1, 0, 0], [0, 0, 1]) == 1
    assert histogram_distance([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]) == 0
    np.testing.assert_allclose(histogram_distance([0.2, 0.3, 0.5], [0.3, 0.3, 0.4]), 0.1)


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((4, 4, 3), np.uint8)])
def test_what_is_no_film_is_refused(image):
    with pytest.raises(ValueError, match=r"image must be \(H, W\) uint8, got "):
        measure_film(image, NO_BOXES, "Normal")
    with pytest.raises(ValueError, match="class_name must be one of .*'normal'"):
        measure_film(np.zeros((4, 4), np.uint8), NO_BOXES, "normal")


# A reference and its limits.


def noisy_films(rng, *, level=120.0, count=40):
    films = []
    for i in range(3 * count):
        image = np.clip(rng.normal(level + rng.normal(0, 10), 20, (128, 128)), 0, 255).astype(np.uint8)
        boxes = np.sort(rng.uniform(0, 128, (1 + i % 2, 2, 2)), axis=1).reshape(-1, 4) if i % 3 == 2 else NO_BOXES
        films.append(measure_film(image, boxes, CLASSES[i % 3]))
    return films


def test_films_fit_their_own_reference(rng):
    films = noisy_films(rng)
    reference = json.loads(json.dumps(make_reference(films, draws=50)))
    rows = compare(reference, films)
    assert all(row.fits() and row.difference == 0 for row in rows)
    assert len(rows) == len(reference["values"]) + len(CLASSES)
    assert make_reference(films, draws=50) == reference


def test_the_limit_grows_with_the_scatter_and_the_allowance(rng, monkeypatch):
    reference = make_reference(noisy_films(rng), draws=50)
    row = next(row for row in compare(reference, []) if row.quantity == "grey 50 % | Normal")
    np.testing.assert_allclose(reference["scatter"]["grey 50 % | Normal"], 10 / SUBSAMPLE**0.5, rtol=0.4)
    expected = 2 * reference["scatter"]["grey 50 % | Normal"] + phantom_statistics.ALLOWANCES["grey"]
    np.testing.assert_allclose(row.limit, expected)


def test_a_missing_class_fits_no_limit(rng):
    films = noisy_films(rng)
    rows = compare(make_reference(films, draws=20), [film for film in films if film.class_name != "Normal"])
    assert {row.quantity for row in rows if not row.fits()} == {
        row.quantity for row in rows if row.quantity.endswith("| Normal")
    }


# Real films and phantoms.


def test_phantoms_lie_within_the_limits_of_real_films(recorded, phantoms):
    assert len(phantoms) == 3 * SUBSAMPLE
    assert outside(recorded, phantoms) == []


def painted(film):
    """Return a film whose boxes are filled with the grey of bone."""
    image = film.image.copy()
    for y1, x1, y2, x2 in film.boxes.astype(int):
        image[y1:y2, x1:x2] = 220
    return image


def noised(film):
    noise = np.random.default_rng(0).normal(0, 4, film.image.shape)
    return film._replace(image=np.clip(film.image + noise, 0, 255).astype(np.uint8))


def towards_the_middle(film):
    """Return a film whose boxes lie 130 pixels nearer to the spine."""
    shift = np.where(film.boxes[:, 1::2].mean(axis=1) < 512, 130, -130)
    return film._replace(boxes=film.boxes + shift[:, None] * [0, 1, 0, 1])


def quartered(film):
    """Return a film whose boxes are their own upper left quarters."""
    return film._replace(boxes=np.concatenate([film.boxes[:, :2], film.boxes.reshape(-1, 2, 2).mean(axis=1)], axis=1))


# What is done to the films, and a quantity that it has to push beyond its limit.
WRONG = {
    "inverted": ("grey 1 % | Normal", lambda film: film._replace(image=255 - film.image)),
    "flat": ("texture coarse | Normal", lambda film: film._replace(image=np.full_like(film.image, 140))),
    "darker": ("grey 90 % | Normal", lambda film: film._replace(image=(film.image * 0.75).astype(np.uint8))),
    "noisier": ("texture fine | Normal", noised),
    "blurred": ("texture fine | Normal", lambda film: film._replace(image=cv2.GaussianBlur(film.image, (0, 0), 3))),
    "boxes lower": ("place y, left 50 %", lambda film: film._replace(boxes=film.boxes + [150, 0, 150, 0])),
    "boxes nearer": ("place x, left 50 %", towards_the_middle),
    "boxes quartered": ("box side (root of the area) 50 %", quartered),
    "one box each": ("boxes a positive film", lambda film: film._replace(boxes=film.boxes[:1])),
    "white boxes": ("contrast mean", lambda film: film._replace(image=painted(film))),
}


@pytest.mark.parametrize("how", WRONG)
def test_wrong_phantoms_are_rejected(recorded, phantoms, how):
    quantity, change = WRONG[how]
    name = "Normal" if quantity.endswith("| Normal") else "Lung Opacity"  # the class that the quantity is of
    assert quantity in outside(recorded, [change(film) for film in phantoms if film.class_name == name])


@needs_tables
def test_the_recorded_boxes_are_the_tables(recorded):
    values = box_values([record.boxes for record in load_records(SHARED / "full_labels")])
    np.testing.assert_allclose([recorded["values"][name] for name in values], list(values.values()), rtol=1e-5)


@needs_films
def test_real_films_lie_within_their_own_limits(recorded):
    records = load_records(SHARED)
    chosen = [one for name in CLASSES for one in [r for r in records if r.class_name == name][:SUBSAMPLE]]
    films = [measure_film(read_image(record.path).image, record.boxes, record.class_name) for record in chosen]
    assert [row.quantity for row in compare(recorded, films) if not row.fits()] == []
