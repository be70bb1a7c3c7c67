"""Phantoms' anatomy and film: what a film of a chest must show, whatever is drawn at random."""

import dataclasses

import numpy as np
import pytest

from mini_rcnn.data.phantom import boxes_of, draw_phantom, lay_attenuation, plan_phantoms
from mini_rcnn.data.phantoms.phantom_anatomy import draw_body
from mini_rcnn.data.phantoms.phantom_bones import skeleton
from mini_rcnn.data.phantoms.phantom_film import develop
from mini_rcnn.data.phantoms.phantom_tubes import curve, filled, gather, splat, tube
from mini_rcnn.data.phantoms.phantom_types import FILM, WORK, PhantomPlan

# The 5th and 95th percentile of 239 real films of the challenge: of a film's own grey values at these percentiles.
REAL_QUANTILES = {5: (0, 92), 25: (40, 148), 50: (99, 192), 75: (132, 220), 95: (150, 243)}


def plan_of(number, **changes):
    """Return a plan of a normal film, its patient and drawing by number."""
    plan = PhantomPlan(
        image_id=str(number),
        patient=str(number),
        class_name="Normal",
        view="PA",
        sex="FM"[number % 2],
        age=25 + 5 * (number % 10),
        seed=number,
        patient_seed=number + 100,
    )
    return dataclasses.replace(plan, **changes)


def drawn(plan):
    """Return body and canvas of a plan, as `draw_phantom` begins."""
    body = draw_body(plan, np.random.default_rng([plan.seed, 0]))
    return body, lay_attenuation(body, plan, np.random.default_rng([plan.seed, 1]))


@pytest.fixture(scope="module")
def films():
    """Bodies, canvases and films of some normal plans, both views."""
    found = []
    for number in range(8):
        plan = plan_of(number, view="AP" if number % 4 == 3 else "PA")
        body, canvas = drawn(plan)
        found.append((plan, body, canvas, develop(canvas, plan, np.random.default_rng(number))))
    return found


# 1. by hand


def test_splat_shares_a_point_between_its_four_pixels():
    got = splat(np.array([[1.25], [2.5]]), np.array([8.0]), size=5)
    expected = np.zeros((5, 5))
    expected[1, 2:4], expected[2, 2:4] = 3, 1
    np.testing.assert_array_equal(got, expected)


def test_splat_leaves_out_what_lies_outside():
    points = np.array([[-0.1, 2.0, 4.0, 2.0], [2.0, -3.0, 2.0, 4.5]])
    assert splat(points, np.ones(4), size=5).sum() == 0
    assert splat(np.zeros((2, 0)), np.zeros(0), size=5).shape == (5, 5)


def test_a_solid_tube_adds_up_to_its_volume():
    line = np.stack([np.full(200, 250.0), np.linspace(100, 299, 200)], axis=1)
    picture = gather([tube(line, 6.0, 2.0)])
    # value 2 in the middle, half an ellipse across: pi / 4 * 12 wide * 2, over a length of 200 steps
    np.testing.assert_allclose(picture.sum(), np.pi / 4 * 12 * 2 * 200, rtol=0.01)
    np.testing.assert_allclose(picture[248:253, 150:250].mean(axis=0), 1.95, rtol=0.04)


def test_a_hollow_tube_is_brightest_at_its_borders():
    line = np.stack([np.full(200, 250.0), np.linspace(100, 299, 200)], axis=1)
    across = gather([tube(line, 10.0, 1.0, wall=0.15)])[:, 200]
    assert across[250] < 0.25
    assert across[241:244].max() > 1.8 * across[250]
    assert across[258:261].max() > 1.8 * across[250]


def test_curve_goes_through_its_knots():
    knots = np.array([(0.0, 0.0), (10.0, 4.0), (12.0, 20.0)])
    line = curve(knots, 21)
    np.testing.assert_allclose(line[[0, 10, 20]], knots, atol=1e-12)


def test_filled_covers_the_polygons_area():
    mask = filled(np.array([(100.0, 100.0), (100.0, 300.0), (200.0, 300.0), (200.0, 100.0)]))
    np.testing.assert_allclose(mask.sum(), 200 * 100, rtol=0.03)  # OpenCV counts the pixels under the border whole
    assert mask[150, 150] == 1 and mask[90, 150] == 0


def test_boxes_are_tight():
    masks = np.zeros((2, 20, 30), bool)
    masks[0, 3:7, 5:6] = True
    masks[1, 0, 29] = masks[1, 19, 2] = True
    np.testing.assert_array_equal(boxes_of(masks), [[3, 5, 7, 6], [0, 2, 20, 30]])
    assert boxes_of(masks[:0]).shape == (0, 4)


# 2. what a chest film shows


def test_same_plan_same_bytes_and_another_seed_another_film():
    plan = plan_of(1)
    first, again, other = (draw_phantom(p) for p in (plan, plan, dataclasses.replace(plan, seed=99)))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.parameters == again.parameters
    assert (first.image != other.image).mean() > 0.5


def test_shapes_and_types(films):
    for _, body, canvas, film in films:
        assert film.shape == (FILM, FILM) and film.dtype == np.uint8
        assert body.lungs.shape == (2, WORK, WORK) and body.lungs.dtype == np.float32
        for picture in (body.lungs, body.heart, body.outline):
            assert picture.min() >= 0 and picture.max() <= 1 + 1e-5
        assert canvas.attenuation.dtype == np.float32 and canvas.attenuation.min() >= 0
        assert np.isfinite(canvas.attenuation).all()


def test_both_lungs_are_there_left_of_the_picture_first(films):
    for _, body, _, _ in films:
        areas = (body.lungs > 0.5).sum(axis=(1, 2)) / WORK**2
        assert (areas > 0.05).all() and (areas < 0.28).all()
        assert 0.55 < areas[0] / areas[1] < 1.9
        middles = [np.nonzero(lung > 0.5)[1].mean() for lung in body.lungs]
        assert middles[0] < body.spine_x < middles[1]


def test_a_normal_body_is_no_mirror_image(films):
    for _, body, _, _ in films:
        right, left = ((lung > 0.5).any(axis=0) for lung in body.lungs)
        assert right.any() and left.any()
        heart = np.nonzero(body.heart > 0.5)[1] - body.spine_x
        assert (heart > 0).sum() > 1.15 * (heart < 0).sum()  # the heart lies on the patient's left: the picture's right


def test_lungs_are_darker_than_mediastinum_and_belly(films):
    for _, body, _, film in films:
        small = film[::2, ::2].astype(float)
        lungs, heart = small[body.lungs.max(axis=0) > 0.9], small[body.heart > 0.9]
        belly = small[WORK - 90 : WORK - 40, int(body.spine_x) - 60 : int(body.spine_x) + 60]
        assert np.median(heart) - np.median(lungs) > 35
        assert np.median(belly) - np.median(lungs) > 35 or np.median(belly) < 12  # where the collimator cut it off


def test_air_beside_the_neck_is_dark(films):
    dark = 0
    for _, _, canvas, _ in films:
        dark += canvas.attenuation[:20, :20].max() < 1.0
    assert dark >= 5


def test_ribs_cross_the_lungs(films):
    for plan, body, _, _ in films:
        arms = [np.array([(0.0, 0.0), (1.0, 0.0)])]
        bone = skeleton(body, plan, arms, np.random.default_rng(0))
        bone_at = bone[:, int(body.spine_x - 0.5 * body.cage.half)]
        profile = bone_at[int(body.cage.apex) : int(body.cage.apex + 0.85 * body.cage.height)]
        crossings = np.sum(np.diff((profile > np.median(profile)).astype(int)) == 1)
        assert 5 <= crossings <= 16
        assert np.percentile(profile, 85) > 1.6 * np.percentile(profile, 15) + 0.1


def test_the_right_dome_mostly_stands_higher():
    higher = 0
    for number in range(20):
        body = draw_body(plan_of(number), np.random.default_rng(number))
        higher += body.landmarks["dome_left"][0] < body.landmarks["dome_right"][0]
    assert higher >= 15


def test_breathing_in_lowers_the_domes():
    for number in range(5):
        rows = []
        for inspiration in (0.2, 0.9):
            body = draw_body(plan_of(number, inspiration=inspiration), np.random.default_rng(number))
            rows.append(body.landmarks["dome_left"][0])
        assert rows[1] - rows[0] > 20


def heart_share(body):
    """Return the heart's greatest width as a share of the chest's."""
    columns = np.flatnonzero((body.heart > 0.5).any(axis=0))
    return (columns[-1] - columns[0]) / (2 * body.cage.half)


def test_the_heart_is_wider_lying_and_wider_still_when_ill():
    shares = {"PA": [], "AP": [], "ill": []}
    for number in range(12):
        for name, changes in (("PA", {}), ("AP", {"view": "AP"}), ("ill", {"findings": ("cardiomegaly",)})):
            body = draw_body(plan_of(number, **changes), np.random.default_rng(number))
            shares[name].append(heart_share(body))
    assert np.mean(shares["PA"]) + 0.02 < np.mean(shares["AP"])
    assert 0.40 < np.mean(shares["PA"]) < 0.52
    assert np.mean(shares["ill"]) > np.mean(shares["PA"]) + 0.08


def test_grey_values_lie_where_real_films_have_them(films):
    found = np.array([np.percentile(film, list(REAL_QUANTILES)) for *_, film in films])
    for column, (low, high) in zip(np.median(found, axis=0), REAL_QUANTILES.values()):
        assert low <= column <= high


def test_under_and_over_exposure_change_the_lungs():
    plan = plan_of(2)
    body, canvas = drawn(plan)
    greys = []
    for exposure in ("over", "normal", "under"):
        film = develop(canvas, dataclasses.replace(plan, exposure=exposure), np.random.default_rng(5))
        greys.append(np.median(film[::2, ::2][body.lungs.max(axis=0) > 0.9]))
    assert greys[0] + 8 < greys[1] < greys[2] - 8


def test_films_of_a_patient_share_the_bones():
    first, again = (draw_body(plan_of(3, seed=seed), np.random.default_rng(7)) for seed in (1, 2))
    other = draw_body(plan_of(3, patient_seed=4), np.random.default_rng(7))
    assert first.cage.half == again.cage.half and first.cage.shape == again.cage.shape
    np.testing.assert_array_equal(first.cage.middle, again.cage.middle)
    assert first.cage.shape != other.cage.shape and first.cage.depth != other.cage.depth
    turned = draw_body(plan_of(3), np.random.default_rng(8))  # another film: stands elsewhere, the same build
    assert turned.cage.depth == first.cage.depth and turned.cage.shape == first.cage.shape


def test_ribs_and_spine_come_from_the_patient_alone():
    body = draw_body(plan_of(3), np.random.default_rng(7))
    line = [np.array([(0.0, 0.0), (1.0, 0.0)])]
    first, again, other = (
        skeleton(body, plan_of(3, **changes), line, np.random.default_rng(0))
        for changes in ({"seed": 1}, {"seed": 2}, {"patient_seed": 5})
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.2


def test_landmarks_lie_where_they_should(films):
    for _, body, _, _ in films:
        marks = body.landmarks
        assert all(np.isfinite(place).all() for place in marks.values())
        assert marks["apex_left"][0] < marks["carina"][0] < marks["costophrenic_left"][0]
        assert marks["hilum_left"][1] < body.spine_x < marks["hilum_right"][1]
        assert abs(marks["carina"][1] - body.spine_x) < 45


def test_no_opacities_no_boxes():
    phantom = draw_phantom(plan_of(4))
    assert phantom.boxes.shape == (0, 4) and phantom.boxes.dtype == np.float64
    assert phantom.masks.shape == (0, FILM, FILM) and phantom.masks.dtype == bool


def test_planned_opacities_have_masks_in_tight_boxes():
    plan = next(p for p in plan_phantoms(60, seed=5) if p.n_opacities > 1)
    phantom = draw_phantom(plan)
    assert len(phantom.boxes) == len(phantom.masks) == plan.n_opacities
    np.testing.assert_array_equal(phantom.boxes, boxes_of(phantom.masks))


def test_an_opacity_planned_below_the_lung_is_drawn_in_it():
    plan = plan_phantoms(1600, seed=1)[1502]  # its left lung ends above a speck, and the box lies between the two
    phantom = draw_phantom(plan)
    assert len(phantom.masks) == 2 and phantom.masks.any(axis=(1, 2)).all()


@pytest.mark.parametrize("name, value", [("view", "LAT"), ("sex", "X"), ("exposure", "blue")])
def test_an_unknown_word_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"plan.{name} must be one of .* got '{value}'"):
        draw_phantom(plan_of(0, **{name: value}))


@pytest.mark.parametrize("changes", [{"age": 2}, {"age": 99}, {"rotation": 40.0}, {"inspiration": 0.0, "view": "AP"}])
def test_extremes_are_drawn_all_the_same(changes):
    body, canvas = drawn(plan_of(6, **changes))
    assert (body.lungs > 0.5).sum(axis=(1, 2)).min() > 4000
    assert np.isfinite(canvas.attenuation).all()
