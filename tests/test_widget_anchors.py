"""The explorer of anchors: its fits against all anchors of the library, and what it says against both."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_boxes

from mini_rcnn.exploring.anchor_fit import best_anchors, pyramid_levels, recall_at
from mini_rcnn.metrics.recall import proposal_recall
from mini_rcnn.stages.anchors import pyramid_anchors
from mini_rcnn.stages.boxes import box_iou
from mini_rcnn.view import panel_anchors
from mini_rcnn.widgets import AnchorExplorer

OWN = {"scales": (32, 64, 128, 256, 512), "ratios": (0.5, 1, 2), "strides": (4, 8, 16, 32, 64)}
TYPED = ["", "two", "32, 64, x", "nan", "inf", "-5", "0", "1e99", "1, 2, 3, 4, 5, 6", "<b>", "32;64", "３２, ½"]


@pytest.fixture(scope="module")
def lab():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINI_RCNN_RSNA", "")
        from mini_rcnn.classroom import start_lab

        yield start_lab("02")


@pytest.fixture
def panel():
    return AnchorExplorer()


def drawn(panel, stroke):
    """Return the boxes of the film in one style's colour."""
    return [
        shape for shape in panel.canvas.shapes if shape.get("stroke") == panel_anchors.shapes.STYLES[stroke]["stroke"]
    ]


@pytest.mark.parametrize("seed", range(20))
def test_best_anchors_are_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    truths, size = random_boxes(rng, 60), int(rng.choice([64, 100, 128]))  # some reach beyond the border
    count = int(rng.integers(1, 5))
    settings = {"scales": rng.uniform(4, 120, count), "ratios": rng.uniform(0.3, 3, int(rng.integers(1, 4)))}
    settings.update(strides=rng.choice([4, 8, 16, 20, 64], count).tolist(), anchor_stride=int(rng.integers(1, 4)))
    fits = best_anchors(truths, image_size=size, **settings)
    anchors = pyramid_anchors(size, **settings)
    np.testing.assert_allclose(fits.iou, box_iou(anchors, truths).max(axis=0), rtol=1e-12)
    np.testing.assert_allclose(np.diag(box_iou(fits.boxes, truths)), fits.iou, rtol=1e-12)
    assert (box_iou(fits.boxes, anchors).max(axis=1) > 1 - 1e-12).all()  # each is one of the anchors
    levels = pyramid_levels(size, on=[True] * count, **settings)
    assert sum(level.anchors for level in levels) == sum(level.scores for level in levels) == len(anchors)


def test_levels_that_are_off_have_no_anchors():
    truths = random_boxes(np.random.default_rng(1), 30)
    some = {"scales": (32, 128), "ratios": (1, 2), "strides": (4, 16)}
    on = [True, False, True]
    fits = best_anchors(truths, image_size=128, on=on, scales=(32, 64, 128), ratios=(1, 2), strides=(4, 8, 16))
    np.testing.assert_allclose(fits.iou, box_iou(pyramid_anchors(128, **some), truths).max(axis=0), rtol=1e-12)
    assert 1 not in fits.level
    assert (best_anchors(truths, image_size=128, on=[False] * 2, **some).level == -1).all()


def test_recall_by_hand_and_as_the_metric():
    np.testing.assert_allclose(recall_at(np.array([0.4, 0.5, 0.8, 0.9]), [0.3, 0.5, 0.81, 0.95]), [1, 0.75, 0.25, 0])
    assert np.isnan(recall_at(np.zeros(0), [0.5])).all()
    truths, anchors = random_boxes(np.random.default_rng(2), 40), pyramid_anchors(100, **OWN)
    iou = best_anchors(truths, image_size=100, **OWN).iou
    wanted = [proposal_recall([truths], [anchors], limit=len(anchors), min_iou=asked) for asked in (0.5, 0.6, 0.7)]
    np.testing.assert_allclose(recall_at(iou, (0.5, 0.6, 0.7)), wanted)


def test_the_slides_four_scales_leave_p6_without(panel):
    panel.slides.click()
    assert "16,368 scores for 16,320 anchors: P6 is left without a scale, and 48 scores" in panel.counted.value
    assert panel.scales.value == "32, 64, 128, 256" and panel.input.value == 256
    with pytest.raises(ValueError, match="16368 scores, but only 16320 anchors"):
        pyramid_anchors(256, **{**OWN, "scales": panel_anchors.read_numbers("scales", panel.scales.value)})
    panel.mended.click()
    assert panel.scales.value == "16, 32, 64, 128, 256"
    assert f"{len(pyramid_anchors(256, **OWN)):,} scores for 16,368 anchors: one for each" in panel.counted.value
    panel.ours.click()
    assert "Larger than the film of 256 pixels: 512." in panel.counted.value


def test_a_lab_s_numbers_are_the_library_s(lab):
    panel = AnchorExplorer.of_lab(lab)
    size, anchors = lab.config.image.size, lab.config.anchors
    truths = np.concatenate([lab.input(number).boxes for number in lab.with_boxes()])
    every = pyramid_anchors(size, scales=anchors.scales, ratios=anchors.ratios, strides=anchors.strides)
    best = box_iou(every, truths).max(axis=0)
    np.testing.assert_allclose(panel.fits.iou, best, rtol=1e-12)
    for asked in (0.5, 0.6, 0.7):
        assert f"IoU {asked:g}: {np.sum(best >= asked)} ({np.mean(best >= asked):.0%})" in panel.said.value
    panel.slides.click()
    four = pyramid_anchors(256, **{**OWN, "scales": OWN["scales"][:4], "strides": OWN["strides"][:4]})
    np.testing.assert_allclose(panel.fits.iou, box_iou(four, truths * 256 / size).max(axis=0), rtol=1e-12)
    assert panel.canvas.picture.startswith("data:image/png") and "<svg" in panel.still()


def test_the_film_shows_truth_and_best_anchor(panel):
    assert [shape["at"] for shape in drawn(panel, "truth")] == panel.truths[0].tolist()
    anchors = drawn(panel, "anchor") + drawn(panel, "missed")
    assert len(anchors) == 2 and all(f"IoU {iou:.2f}" in str(anchors) for iou in panel.fits.iou[:2])
    panel.film.value = 2
    assert [shape["at"] for shape in drawn(panel, "truth")] == panel.truths[1].tolist()
    before = drawn(panel, "truth")
    panel.input.value = 512  # the film is the same, the anchors are finer
    assert drawn(panel, "truth") == before
    assert all(
        len(drawn(panel, style)) == 0 or "IoU" in drawn(panel, style)[0]["label"] for style in ("anchor", "missed")
    )


def test_levels_and_anchor_stride(panel):
    for level in panel.levels:
        level.value = False
    assert "Every level is off" in panel.counted.value and panel.fits.iou.max() == 0 and panel.message.value == ""
    panel.levels[2].value = True
    assert "768 scores for 768 anchors" in panel.counted.value and set(panel.fits.level) == {2}
    panel.cells.value = 2
    assert "192 scores for 192 anchors" in panel.counted.value
    panel.ours.click()
    assert panel.cells.value == 1 and all(level.value for level in panel.levels)


@pytest.mark.parametrize("field", ["scales", "ratios", "strides"])
@pytest.mark.parametrize("typed", TYPED)
def test_nonsense_is_said_in_the_panel(panel, field, typed):
    before = panel.canvas.shapes
    getattr(panel, field).value = typed
    assert field in panel.message.value and "must be" in panel.message.value and "<b>" not in panel.message.value
    assert panel.canvas.shapes == before
    panel.ours.click()
    assert panel.message.value == ""


def test_more_scales_than_strides_is_said(panel):
    panel.strides.value = "4, 8"
    assert "5 scales for 2 strides" in panel.message.value
    panel.scales.value = "32, 64"
    assert panel.message.value == "" and [level.disabled for level in panel.levels] == [False] * 2 + [True] * 3
    panel.strides.value = "4.5, 8"
    assert "whole numbers" in panel.message.value


def test_no_film_no_truth_many_films():
    for truths in ([], [np.zeros((0, 4))], [np.zeros((0, 4)), [[5, 5, 60, 60]]]):
        panel = AnchorExplorer(truths, size=128)
        assert panel.message.value == "" and drawn(panel, "truth") == []
    assert "no true boxes" in AnchorExplorer([]).said.value
    rng = np.random.default_rng(4)
    panel = AnchorExplorer(
        [random_boxes(rng, number % 4) for number in range(3000)] + [random_boxes(rng, 1000)], size=128
    )
    panel.film.value = 3001
    assert (
        panel.message.value == "" and len(drawn(panel, "truth")) == 1000 and "Of 5,500 true boxes" in panel.said.value
    )


def test_the_chart_has_both_curves(panel):
    lines = [shape for shape in panel.chart.shapes if shape["kind"] == "line" and len(shape["at"]) > 3]
    assert len(lines) == 2 and lines[0]["at"] == lines[1]["at"] and lines[0]["dash"] != lines[1]["dash"]
    panel.scales.value = "4, 4, 4, 4, 4"
    lines = [shape for shape in panel.chart.shapes if shape["kind"] == "line" and len(shape["at"]) > 3]
    assert lines[0]["at"] != lines[1]["at"]
