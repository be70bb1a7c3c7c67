"""The stepper of suppression: its last step against the library's function, and what it shows against both."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_boxes

from mini_rcnn.exploring.nms_steps import states_at, suppression_course, turn_at
from mini_rcnn.stages.boxes import box_iou
from mini_rcnn.stages.nms import two_stage_nms
from mini_rcnn.view import panel_nms
from mini_rcnn.widgets import NmsStepper


def boxes_of(panel):
    """Return the shapes that are boxes, by name."""
    return {shape["name"]: shape for shape in panel.canvas.shapes if shape["kind"] == "box"}


def test_course_by_hand():
    boxes = np.array([[0.0, 0, 10, 10], [0, 3, 10, 13], [0, 6, 10, 16], [50, 50, 60, 60]])
    course = suppression_course(boxes, np.array([0.9, 0.8, 0.7, 0.1]), min_confidence=0.5, iou_threshold=0.5)
    assert course.kept.tolist() == [0, 2] and course.removed_by.tolist() == [-1, 0, -1, -1]
    assert course.n_steps == 6 and [turn_at(course, step) for step in range(6)] == [None, None, 0, 1, 2, None]
    assert states_at(course, 3) == ["kept", "removed", "waiting", "low"]
    assert states_at(course, 4) == ["kept", "removed", "current", "low"]


@pytest.mark.parametrize("seed", range(60))
def test_course_keeps_what_the_library_keeps(seed):
    rng = np.random.default_rng(seed)
    count, dtype = int(rng.integers(0, 400)), ("float32", "float64")[seed % 2]
    boxes = np.round(random_boxes(rng, count, extent=60, dtype=dtype))  # whole numbers: equal overlaps, empty boxes
    scores = np.round(rng.random(count), 1 + seed % 3).astype(dtype)  # with ties
    for confidence, iou in ((0, 0), (0.5, 0.5), (0.7, 0.1), (0.3, 1 / 3), (0, 1), (1, 0.5)):
        thresholds = {"min_confidence": confidence, "iou_threshold": iou}
        course = suppression_course(boxes, scores, **thresholds)
        np.testing.assert_array_equal(course.kept, two_stage_nms(boxes, scores, **thresholds))
        end = states_at(course, course.n_steps - 1)
        assert sorted(course.kept) == [row for row, state in enumerate(end) if state == "kept"]


def test_steps_say_what_happens():
    panel = NmsStepper()
    said = []
    for step in range(panel.step.max + 1):
        panel.step.value = step
        said.append(panel.said.value.replace("&gt;", ">"))
    assert "Equal scores: D and E. The lower index goes first." in said[0]
    assert "All 6 go on" in said[1]
    assert "A, 0.95" in said[2] and "it removes B: IoU 0.62 > 0.50" in said[2] and "C: IoU 0.39 ≤ 0.50" in said[2]
    assert "A removed box removes nobody: C (IoU 0.62) stays in line" in said[3]
    assert "F: IoU 0.52 > 0.50" in said[5]
    assert "Kept, 3 of 6: A, C and D" in said[-1]
    panel.iou.value = 0.53
    assert panel.step.value == panel.step.max and "Kept, 4 of 6: A, C, D and F" in panel.said.value


def test_a_comparison_has_the_digits_it_needs():
    assert panel_nms.compared(0.62, 0.5, ">") == "0.62 > 0.50"
    assert panel_nms.compared(0.50001, 0.5, ">") == "0.50001 > 0.50000"
    assert panel_nms.compared(0.5, 0.5, "≤") == "0.50 ≤ 0.50"


def test_states_are_told_by_dash_and_label_too():
    panel = NmsStepper()
    panel.confidence.value = 0.6
    panel.step.value = 4
    shown = boxes_of(panel)
    assert "kept" in shown["A"]["label"] and "by A" in shown["B"]["label"] and "low" in shown["F"]["label"]
    assert "kept now" in shown["C"]["label"] and "waits" in shown["D"]["label"]
    looks = {(shown[name]["dash"], shown[name]["width"]) for name in "ABCDF"}
    assert len(looks) == 5 and all(shape["drag"] and shape["hint"] for shape in shown.values())


def test_the_overlap_that_decides_is_marked_in_the_table():
    panel = NmsStepper()
    assert "&gt;</td>" not in panel.table.value
    panel.step.value = 2
    assert panel.table.value.count("0.62&gt;</td>") == 1 and panel.table.value.count("outline") == 1
    panel.step.value = panel.step.max
    assert panel.table.value.count("&gt;</td>") == 3 and "outline" not in panel.table.value


def test_a_box_that_is_dragged_is_decided_anew():
    panel = NmsStepper()
    panel.last.click()
    panel.canvas.dragged = {"name": "B", "at": [150, 10, 230, 90], "count": 1}
    np.testing.assert_array_equal(panel.boxes[1], [150, 10, 230, 90])
    assert boxes_of(panel)["B"]["at"] == [150, 10, 230, 90] and "kept" in boxes_of(panel)["B"]["label"]
    assert panel.course.overlaps[0, 1] == box_iou(panel.boxes, panel.boxes)[0, 1] == 0
    panel.again.click()
    np.testing.assert_array_equal(panel.boxes, panel.first)


@pytest.mark.parametrize(
    "dragged",
    [
        {},
        {"name": "Q", "at": [0, 0, 1, 1]},
        {"name": "A", "at": "left"},
        {"name": "A", "at": [9, 9, 1, 1]},
        {"name": []},
    ],
)
def test_a_malformed_drag_changes_nothing(dragged):
    panel = NmsStepper()
    panel.canvas.dragged = {"name": "A", "at": [30, 15, 110, 95], "count": 1}
    panel.canvas.dragged = dragged
    np.testing.assert_array_equal(panel.boxes, panel.first)
    assert panel.message.value == ""


def test_buttons_and_the_ends_of_the_slider():
    panel = NmsStepper()
    assert panel.back.disabled
    panel.on_.click()
    assert panel.step.value == 1 and not panel.back.disabled
    panel.last.click()
    panel.on_.click()
    assert panel.step.value == panel.step.max == 8 and panel.on_.disabled
    panel.confidence.value = 1.0
    assert panel.step.value == panel.step.max == 2 and "None is kept" in panel.said.value
    panel.confidence.value = 0.0
    assert panel.step.value == panel.step.max == 8


def test_a_click_says_why():
    panel = NmsStepper()
    for name, words in (("B", "A removes it"), ("A", "is kept"), ("nobody", "is kept")):
        panel.canvas.picked = {"name": name, "count": len(name)}
        assert words in panel.fate.value
    panel.confidence.value = 0.99
    assert "confidence 0.95 &lt; 0.99" in panel.fate.value


def test_no_box_one_box_a_thousand():
    empty = NmsStepper(np.zeros((0, 4)), np.zeros(0))
    assert "no boxes" in empty.said.value and empty.step.max == 2
    empty.last.click()
    assert empty.message.value == ""
    one = NmsStepper([[1, 2, 3, 4]], [0.7])
    one.step.value = 2
    assert "removes nobody" in one.said.value
    rng = np.random.default_rng(3)
    many = NmsStepper(random_boxes(rng, 1000), rng.random(1000))
    many.step.value = 30
    many.iou.value = 0.3
    assert many.message.value == "" and many.table.value.count("<tr>") == 13 and len(boxes_of(many)) == 1000
    thresholds = {"min_confidence": 0.5, "iou_threshold": 0.3}
    np.testing.assert_array_equal(many.course.kept, two_stage_nms(many.boxes, many.scores, **thresholds))


@pytest.mark.parametrize("boxes, scores", [([[0, 0, 1, 1]], None), ([[5, 5, 1, 1]], [0.5]), ([[0, 0, 1, 1]], [0.5, 1])])
def test_bad_boxes_are_refused(boxes, scores):
    with pytest.raises(ValueError):
        NmsStepper(boxes, scores)


def test_a_lab_film(phantom_lab):
    panel = NmsStepper.of_lab(phantom_lab)
    assert len(panel.boxes) == 12 and "phantom" in str(
        [child.value for child in panel.right.children if hasattr(child, "value")]
    )
    trace = phantom_lab.look(phantom_lab.with_boxes()[0])[1]
    panel.confidence.value, panel.iou.value = phantom_lab.config.detections.min_confidence, 0.3
    assert panel.canvas.picture.startswith("data:image/png")
    assert panel.course.kept[0] == 0 and np.isclose(panel.scores[0], trace["probabilities"][:, 1].max())
    assert "<svg" in panel.still() and "IoU of every pair" in panel.still()


@pytest.fixture(scope="module")
def phantom_lab():
    """Return a lab on phantoms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINI_RCNN_RSNA", "")
        from mini_rcnn.classroom import start_lab

        yield start_lab("03")
