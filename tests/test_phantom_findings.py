"""Disease and devices on phantoms, drawn on a body of ellipses: what is truth has a mask, what is not has none."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mini_rcnn.data.phantoms.phantom_devices import DEVICES, add_devices
from mini_rcnn.data.phantoms.phantom_findings import FINDINGS, add_findings
from mini_rcnn.data.phantoms.phantom_ink import Ink, curve, stamp
from mini_rcnn.data.phantoms.phantom_opacities import HEIGHTS, WIDTHS, add_opacities, draw_sides, draw_sizes
from mini_rcnn.data.phantoms.phantom_paint import box_of, smooth_noise, soft_step, tissue_contrast
from mini_rcnn.data.phantoms.phantom_types import FILM, WORK, Body, Canvas, PhantomPlan

ROWS, COLUMNS = np.mgrid[:WORK, :WORK].astype(np.float32)


def ellipse(y, x, height, width):
    """Return a soft ellipse (WORK, WORK) float32 with these half axes."""
    distance = np.sqrt(((ROWS - y) / height) ** 2 + ((COLUMNS - x) / width) ** 2)
    return np.clip((1 - distance) * min(height, width) / 5 + 0.5, 0, 1).astype(np.float32)


def stand_in(*, size=1.0, lungs=True):
    """Return a canvas with a body of ellipses: lungs 0, soft tissue 1, heart 1.3."""
    heart = ellipse(330, 285, 75 * size, 70 * size)
    both = np.stack([ellipse(235, x, 165 * size, 78 * size) * (1 - heart) for x in (160, 352)]) * float(lungs)
    outline = ellipse(330, 256, 300, 235)
    body = Body(both.astype(np.float32), heart, outline, np.full((2, WORK), 395, np.float32), 256.0)
    return Canvas((outline + 0.3 * heart - both.sum(axis=0)).astype(np.float32), body)


def make_plan(**changes):
    known = dict(image_id="i", patient="p", class_name="Lung Opacity", view="PA", sex="F", age=50, seed=1)
    return PhantomPlan(**{**known, "patient_seed": 1, **changes})


def drawn_on(function, seed, **changes):
    canvas = stand_in()
    return canvas, function(canvas, make_plan(**changes), np.random.default_rng(seed))


def test_paint_by_hand():
    mask = np.zeros((6, 8), dtype=bool)
    assert box_of(mask) is None
    mask[2:4, 1:7] = True
    assert box_of(mask, scale=1) == [2.0, 1.0, 4.0, 7.0]
    np.testing.assert_allclose(soft_step(np.array([-1.0, 0.25, 0.5, 2.0])), [0, 0.15625, 0.5, 1])
    assert tissue_contrast(stand_in()) == pytest.approx(1.3, abs=0.02)


def test_noise_varies_over_its_period(rng):
    noise = smooth_noise(rng, (200, 300), 20)
    assert noise.shape == (200, 300) and noise.dtype == np.float32
    assert 0.5 < noise.std() < 1.1
    assert abs(np.diff(noise, axis=1)).mean() < 0.15 * noise.std()


def test_curve_goes_through_its_points():
    points = np.array([[0.0, 0.0], [10.0, 4.0], [20.0, 0.0]])
    way = curve(points, steps=5)
    np.testing.assert_allclose(way[[0, 5, 10]], points)


@pytest.mark.parametrize("n_opacities", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_as_many_masks_as_opacities(n_opacities, seed):
    canvas, (masks, drawn) = drawn_on(add_opacities, seed, n_opacities=n_opacities)
    assert masks.shape == (n_opacities, WORK, WORK) and masks.dtype == bool and len(drawn) == n_opacities
    json.dumps(drawn)
    before, body = stand_in().attenuation, canvas.body
    for mask, record in zip(masks, drawn):
        assert mask.sum() > 40
        assert (body.lungs[record["lung"]][mask] > 0.5).mean() >= 0.85
        assert body.outline[mask].min() > 0.5
        assert box_of(mask) == record["box"]
        assert (canvas.attenuation - before)[mask].mean() > 0.02
        columns = np.flatnonzero(mask.any(axis=0))
        assert columns[-1] < 256 + 8 if record["lung"] == 0 else columns[0] > 256 - 8
    for i in range(n_opacities):
        for j in range(i):
            both = (masks[i] & masks[j]).sum()
            assert both < 0.15 * min(masks[i].sum(), masks[j].sum())
    np.testing.assert_array_equal((canvas.attenuation < before - 1e-4).any(), False)


@pytest.mark.parametrize("n_opacities", [1, 2])
def test_box_sizes_are_rsnas(n_opacities):
    """Quantiles of 200 films' boxes against RSNA's; the ellipses' lungs are 312 by 660 film pixels."""
    sizes, canvas = [], stand_in()
    lung_height = np.ptp(box_of(canvas.body.lungs[0] > 0.5)[::2])
    for seed in range(200 // n_opacities):
        _, (_, drawn) = drawn_on(add_opacities, seed, n_opacities=n_opacities)
        sizes += [(d["box"][2] - d["box"][0], d["box"][3] - d["box"][1]) for d in drawn]
    heights, widths = np.quantile(sizes, (0.1, 0.5, 0.9), axis=0).T
    np.testing.assert_allclose(heights, np.minimum([HEIGHTS[n_opacities][i] for i in (1, 3, 5)], lung_height), rtol=0.2)
    np.testing.assert_allclose(widths, [WIDTHS[n_opacities][i] for i in (1, 3, 5)], rtol=0.2)


def test_drawn_sizes_follow_the_table(rng):
    sizes = np.concatenate([draw_sizes(2, rng)[None] for _ in range(2000)])  # (2000, 2, 2)
    for axis, table in ((0, HEIGHTS[2]), (1, WIDTHS[2])):
        got = np.quantile(sizes[..., axis], (0.1, 0.25, 0.5, 0.75, 0.9))
        np.testing.assert_allclose(got, table[1:6], rtol=0.05)
    logs = np.log(sizes)
    assert np.corrcoef(logs[..., 0].ravel(), logs[..., 1].ravel())[0, 1] == pytest.approx(0.6, abs=0.08)
    assert np.corrcoef(logs[:, 0, 0], logs[:, 1, 0])[0, 1] > 0.5  # the two boxes of a film go together
    assert abs(np.corrcoef(np.log([draw_sizes(1, rng)[0] for _ in range(800)]).T)[0, 1] - 0.6) < 0.08


def test_two_opacities_mostly_lie_in_both_lungs(rng):
    films = [sorted(draw_sides(2, rng)) for _ in range(400)]
    assert 0.95 < np.mean([sides == [0, 1] for sides in films]) < 1
    assert np.mean([draw_sides(1, rng)[0] == 0 for _ in range(400)]) == pytest.approx(0.62, abs=0.08)


@pytest.mark.parametrize("size", [0.25, 0.5])
def test_small_lungs_get_small_opacities(size):
    for seed in range(10):
        canvas = stand_in(size=size)
        masks, _ = add_opacities(canvas, make_plan(n_opacities=1 + seed % 4), np.random.default_rng(seed))
        assert masks.any(axis=(1, 2)).all()
        assert (canvas.body.lungs.max(axis=0)[masks.any(axis=0)] > 0.2).mean() > 0.8


def test_bad_plans_are_refused(rng):
    with pytest.raises(ValueError, match="n_opacities must be 0 to 4, got 5"):
        add_opacities(stand_in(), make_plan(n_opacities=5), rng)
    with pytest.raises(ValueError, match="canvas.body.lungs must show both lungs"):
        add_opacities(stand_in(lungs=False), make_plan(n_opacities=1), rng)
    with pytest.raises(ValueError, match="plan.findings must be among .*'gout'"):
        add_findings(stand_in(), make_plan(findings=("nodule", "gout")), rng)
    with pytest.raises(ValueError, match="plan.devices must be among .*'hat'"):
        add_devices(stand_in(), make_plan(devices=("hat",)), rng)


def test_empty_plans_do_nothing(rng):
    canvas = stand_in()
    masks, drawn = add_opacities(canvas, make_plan(), rng)
    assert masks.shape == (0, WORK, WORK) and masks.dtype == bool and drawn == []
    assert add_findings(canvas, make_plan(), rng) == [] and add_devices(canvas, make_plan(), rng) == []
    assert canvas.sharp == []
    np.testing.assert_array_equal(canvas.attenuation, stand_in().attenuation)


@pytest.mark.parametrize("kind", FINDINGS)
def test_a_finding_is_reported_where_it_is_drawn(kind):
    canvas, (record,) = drawn_on(add_findings, 3, findings=(kind,))
    json.dumps(record)
    y1, x1, y2, x2 = record["box"]
    assert record["kind"] == kind and 0 <= y1 < y2 <= FILM and 0 <= x1 < x2 <= FILM
    change = canvas.attenuation - stand_in().attenuation
    assert np.isfinite(change).all()
    if kind == "cardiomegaly":
        assert not change.any()
        return
    assert change.max() > 0.02 if kind != "emphysema" else change.min() < -0.02
    change[int(y1 // 2) : int(y2 // 2), int(x1 // 2) : int(x2 // 2)] = 0
    np.testing.assert_array_equal(change, 0)


@pytest.mark.parametrize("kind", DEVICES)
def test_a_device_is_drawn_crisp_and_reported(kind):
    canvas, (record,) = drawn_on(add_devices, 3, devices=(kind,))
    json.dumps(record)
    np.testing.assert_array_equal(canvas.attenuation, stand_in().attenuation)
    film = np.zeros((FILM, FILM), np.float32)
    for function in canvas.sharp:
        assert function(film) is film
    assert film.min() >= 0 and film.max() > 0.1
    y1, x1, y2, x2 = (int(v) for v in record["box"])
    assert film[y1:y2, x1:x2].max() > 0.1


@pytest.mark.parametrize("size", [0.3, 1.0])
def test_everything_runs_on_any_body(size):
    bodies = [stand_in(size=size, lungs=lungs) for lungs in (False, True)]
    for seed in range(50):
        body = bodies[seed > 0]  # the first without lungs
        plan = make_plan(findings=tuple(FINDINGS), devices=tuple(DEVICES), view=("AP", "PA")[seed % 2])
        canvas = Canvas(body.attenuation.copy(), body.body)
        rng = np.random.default_rng(seed)
        records = add_findings(canvas, plan, rng) + add_devices(canvas, plan, rng)
        json.dumps(records)
        for record in records:
            if record["box"] is not None:
                y1, x1, y2, x2 = record["box"]
                assert 0 <= y1 < y2 <= FILM and 0 <= x1 < x2 <= FILM
        assert np.isfinite(canvas.attenuation).all()


def test_same_seed_same_bytes():
    def draw(seed):
        plan = make_plan(n_opacities=3, findings=tuple(FINDINGS), devices=tuple(DEVICES))
        canvas, rng = stand_in(), np.random.default_rng(seed)
        masks, drawn = add_opacities(canvas, plan, rng)
        records = drawn + add_findings(canvas, plan, rng) + add_devices(canvas, plan, rng)
        film = cv2.resize(canvas.attenuation, (FILM, FILM))
        for function in canvas.sharp:
            function(film)
        return film.tobytes(), masks.tobytes(), json.dumps(records)

    assert draw(5) == draw(5)
    assert draw(5)[1] != draw(6)[1]


def test_stamp_adds_or_covers():
    layer = np.array([[0, 255], [51, 255]], np.uint8)
    film = np.full((4, 4), 2.0, np.float32)
    stamp(film, layer=layer, corner=(1, 2), value=10.0, covers=False)
    np.testing.assert_allclose(film[1:3, 2:], [[2, 12], [4, 12]])
    stamp(film, layer=layer, corner=(1, 2), value=10.0, covers=True)
    np.testing.assert_allclose(film[1:3, 2:], [[2, 10], [5.2, 10]])


def test_ink_beside_the_film_leaves_nothing():
    canvas, ink = stand_in(), Ink()
    ink.line([(-90, -90), (-80, -80)])
    assert ink.lay(canvas, 1.0) is None and canvas.sharp == []


@pytest.mark.parametrize(
    "seed, n_opacities, boxes",
    [
        (0, 1, [[492, 234, 790, 470]]),
        (1, 2, [[300, 218, 732, 470], [170, 550, 776, 822]]),
        (2, 4, [[274, 188, 368, 338], [418, 224, 724, 472], [226, 588, 418, 742], [538, 668, 684, 834]]),
    ],
)
def test_boxes_are_the_same_in_both_environments(seed, n_opacities, boxes):
    _, (_, drawn) = drawn_on(add_opacities, seed, n_opacities=n_opacities)
    assert [record["box"] for record in drawn] == boxes
