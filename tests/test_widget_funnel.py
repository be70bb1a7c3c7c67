"""The funnel: what each step leaves is what the stages leave, and the panel stands whatever its state."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_boxes

from mini_rcnn.classroom import start_lab
from mini_rcnn.config import Config
from mini_rcnn.exploring.funnel import OVERLAPS, STEPS, Candidates, Funnel, FunnelSettings, total_of
from mini_rcnn.metrics.recall import proposal_recall
from mini_rcnn.stages.detections import refine_detections
from mini_rcnn.stages.proposals import propose
from mini_rcnn.view.panel_funnel import MOST, drawn_rows
from mini_rcnn.widgets import ProposalFunnel

SETTINGS = FunnelSettings(50, 0.5, 20, 0.6, 0.3, 5)


@pytest.fixture(scope="module")
def lab():
    import os

    kept = os.environ.get("MINI_RCNN_RSNA")
    os.environ["MINI_RCNN_RSNA"] = ""
    try:
        yield start_lab("05")
    finally:
        if kept is None:
            del os.environ["MINI_RCNN_RSNA"]
        else:
            os.environ["MINI_RCNN_RSNA"] = kept


@pytest.fixture(scope="module")
def lab_panel(lab):
    return ProposalFunnel.of_lab(lab, films=3)


def made(n_boxes=60, *, n_truths=2, seed=0):
    """Return a funnel of boxes drawn by chance."""
    rng = np.random.default_rng(seed)
    boxes, ids = random_boxes(rng, n_boxes), rng.integers(0, 3, n_boxes)
    moved, last = boxes + rng.normal(size=boxes.shape) / 10, boxes + rng.normal(size=boxes.shape) / 10
    every = Candidates(boxes, np.arange(n_boxes), moved, ids, rng.random(n_boxes), last)
    return Funnel(every, random_boxes(rng, n_truths))


def panel_of(*funnels, judged=None):
    films = [(np.zeros((100, 100), np.uint8), funnel) for funnel in funnels]
    names = [f"film {number}" for number in range(len(films))]
    return ProposalFunnel(lambda number: films[number], names, judged or range(len(films)), Config())


def labels(panel):
    return [shape["text"] for shape in panel.chart.shapes if shape["kind"] == "text"]


def test_as_configured_it_ends_in_the_detectors_own_boxes(lab, lab_panel):
    number = lab_panel.number.value
    trace, after = lab.look(number)[1], lab_panel.after
    funnel = lab_panel.film(number)[1]
    np.testing.assert_array_equal(funnel.candidates.picked[after.rows[4]], trace["proposals"].anchor_ids)
    np.testing.assert_array_equal(funnel.boxes(4)[after.rows[4]], trace["proposals"].boxes)
    np.testing.assert_allclose(funnel.boxes(7)[after.rows[7]], trace["refined"].boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(funnel.candidates.scores[after.rows[7]], trace["refined"].scores, rtol=1e-4)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.55, 0.7, 1.0])
@pytest.mark.parametrize(
    ("picked", "kept", "confidence", "nms"), [(600, 100, 0.9, 0.3), (40, 7, 0.2, 0.0), (300, 90, 0.5, 1.0)]
)
def test_other_settings_give_what_the_stages_give(lab, lab_panel, threshold, picked, kept, confidence, nms):
    number, config = lab.with_boxes()[0], lab.config
    trace, funnel = lab.look(number)[1], lab_panel.film(lab.with_boxes()[0])[1]
    after = funnel.after(FunnelSettings(picked, threshold, kept, confidence, nms, 10))
    proposals = propose(
        trace["objectness"], trace["rpn_deltas"], trace["anchors"], window=(0, 0, 128, 128), pre_nms_limit=picked,
        max_proposals=kept, iou_threshold=threshold, delta_std=config.proposals.delta_std,
    )  # fmt: skip
    np.testing.assert_array_equal(funnel.candidates.picked[after.rows[4]], proposals.anchor_ids)
    from mini_rcnn.model import NUMPY, pooling_of
    from mini_rcnn.stages.heads import box_head

    pyramid = {level: trace[level] for level in ("p2", "p3", "p4", "p5", "p6")}
    pooled = pooling_of(config, NUMPY)(pyramid, proposals.boxes, config.heads.box_pool_size)
    _, probabilities, deltas = box_head(pooled, lab.weights)
    refined = refine_detections(
        proposals.boxes, probabilities, deltas, window=(0, 0, 128, 128), min_confidence=confidence,
        iou_threshold=nms, max_detections=10, delta_std=config.detections.delta_std,
    )  # fmt: skip
    np.testing.assert_allclose(funnel.boxes(7)[after.rows[7]], refined.boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(after.counts[6] >= after.counts[7], True)


def test_recall_is_the_librarys():
    funnels = [made(seed=seed, n_truths=seed) for seed in range(4)]
    total = total_of(funnels, SETTINGS)
    for step in range(len(STEPS)):
        left = [funnel.boxes(step)[funnel.after(SETTINGS).rows[step]] for funnel in funnels]
        np.testing.assert_allclose(total.counts[step], np.mean([len(boxes) for boxes in left]))
        for overlap, covered in zip(OVERLAPS, total.covered):
            recall = proposal_recall([funnel.truth for funnel in funnels], left, limit=1000, min_iou=overlap)
            np.testing.assert_allclose(covered[step] / total.n_truths, recall)


def test_state_in_shapes_out(lab_panel):
    before = labels(lab_panel)
    assert f"{len(lab_panel.film(lab_panel.number.value)[1].candidates.anchors):,}" in before and "600" in before
    lab_panel.rpn_nms.value = 0.3
    assert labels(lab_panel) != before and lab_panel.message.value == ""
    lab_panel.rpn_nms.value = 0.7
    assert labels(lab_panel) == before
    for _ in STEPS:
        lab_panel.next.click()
    assert lab_panel.step.value == 7 and lab_panel.next.disabled and "Step 8" in lab_panel.told.value
    lab_panel.chart.picked = {"name": "step 3", "count": 1}
    stay = int(lab_panel.after.counts[3])
    assert lab_panel.step.value == 3 and f"{stay} of 600" in lab_panel.told.value
    n_truths = len(lab_panel.film(lab_panel.number.value)[1].truth)
    assert f"drawn: {MOST}" in lab_panel.told.value
    many = [shape for shape in lab_panel.canvas.shapes if shape["kind"] == "boxes"]
    assert sum(len(shape["at"]) for shape in many) == MOST
    assert sum(shape["kind"] == "box" for shape in lab_panel.canvas.shapes) == n_truths
    lab_panel.gone.value = True
    (removed,) = [shape for shape in lab_panel.canvas.shapes if shape["dash"] == "2 3"]
    assert len(removed["at"]) == min(600 - stay, MOST)
    lab_panel.gone.value = False
    lab_panel.back.click()
    assert lab_panel.step.value == 2


def test_a_film_without_opacities_has_no_recall_of_its_own(lab, lab_panel):
    healthy = next(number for number in range(len(lab)) if number not in lab.with_boxes())
    kept, lab_panel.number.value = lab_panel.number.value, healthy
    assert "no opacity" in lab_panel.told.value and "none" in labels(lab_panel) and not lab_panel.message.value
    lab_panel.number.value = kept


def test_nothing_there_and_much_there():
    empty = Funnel(Candidates(np.zeros((0, 4)), np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, int), np.zeros(0),
                              np.zeros((0, 4))), np.zeros((0, 4)))  # fmt: skip
    for panel in (panel_of(empty), panel_of(made(1000, n_truths=0)), panel_of(made(1000, n_truths=1000))):
        for step in range(len(STEPS)):
            panel.step.value = step
            assert panel.message.value == "" and panel.chart.shapes
        for control in (panel.pre_nms_limit, panel.max_proposals, panel.rpn_nms, panel.min_confidence, panel.nms):
            for value in (control.min, control.max):
                control.value = value
                assert panel.message.value == ""
    assert "there is no recall" in panel_of(empty).told.value
    alone = ProposalFunnel(lambda number: (np.zeros((9, 9), np.uint8), made()), ["one"], [], Config())
    assert alone.message.value == "" and "no recall" in alone.told.value


def test_text_typed_into_a_control_is_refused():
    panel = panel_of(made())
    with pytest.raises(Exception, match="rpn|float|value"):
        panel.rpn_nms.value = "much"
    assert panel.rpn_nms.value == 0.7 and panel.message.value == ""


def test_what_fails_is_said_in_the_panel():
    def film_at(number):
        if number:
            raise OSError("the film is gone")
        return np.zeros((100, 100), np.uint8), made()

    panel = ProposalFunnel(film_at, ["one", "two"], [0], Config())
    panel.number.value = 1
    assert "the film is gone" in panel.message.value
    panel.number.value = 0
    assert panel.message.value == ""
    with pytest.raises(ValueError, match="at least one film"):
        ProposalFunnel(film_at, [], [], Config())


def test_all_anchors_are_drawn_in_part():
    assert len(drawn_rows(np.arange(4092), 0)) <= MOST and len(drawn_rows(np.arange(0), 0)) == 0


def test_a_still_needs_no_kernel(lab_panel):
    still = lab_panel.still()
    assert still.count("<svg") == 2 and "after RPN NMS" in still
