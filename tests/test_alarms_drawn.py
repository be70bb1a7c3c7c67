"""Phantoms drawn again, thing by thing: the shadows add up to the film, and lie where the manifest says."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from mini_rcnn.alarms import drawn
from mini_rcnn.alarms.causes import added_in
from mini_rcnn.alarms.drawn import SCALE, plan_from, plans_of, scene_of
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.phantom import draw_phantom
from mini_rcnn.data.phantom_files import plain, write_phantoms
from mini_rcnn.data.phantoms.phantom_types import PhantomPlan

PLAN = PhantomPlan(
    "film", "1", "Lung Opacity", "AP", "F", 50, seed=11, patient_seed=3, n_opacities=2,
    findings=("effusion", "nodule"), devices=("marker", "ecg_leads", "central_line"),
)  # fmt: skip


@pytest.fixture(scope="module")
def phantom():
    return draw_phantom(PLAN)


@pytest.fixture(scope="module")
def scene(phantom):
    return scene_of(PLAN, boxes=phantom.boxes)


def test_every_thing_has_its_shadow(scene):
    kinds = [(shadow.kind, shadow.is_device) for shadow in scene.shadows]
    assert kinds == [("effusion", False), ("nodule", False), ("opacity", False)] + [
        (name, True) for name in PLAN.devices
    ]
    assert scene.findings == PLAN.findings and len(scene.opacities) == 2


def test_shadows_lie_where_they_were_drawn(scene, phantom):
    records = phantom.parameters["findings"] + phantom.parameters["devices"]
    for record in records:
        shadow = next(each for each in scene.shadows if each.kind == record["kind"])
        inside = np.zeros(shadow.added.shape, bool)
        y1, x1, y2, x2 = (int(v) // SCALE for v in record["box"])
        inside[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1] = True
        bright = np.clip(shadow.added, 0, None)
        assert bright.max() > 0.05
        if record["kind"] != "ecg_leads":  # the manifest's box has the electrodes; their wires hang off the film
            assert bright[~inside].max() < 1e-6
        assert shadow.facts == {name: value for name, value in record.items() if name not in ("kind", "box")}


def test_true_opacities_are_bright_in_their_own_boxes(scene, phantom):
    opacity = next(shadow.added for shadow in scene.shadows if shadow.kind == "opacity")
    masks = phantom.masks.any(axis=0)[::SCALE, ::SCALE]
    assert opacity[masks].mean() > 10 * opacity[~masks].mean() and opacity[masks].mean() > 0.1
    assert all(added_in(box, scene)["opacity"] > 0.05 for box in phantom.boxes)


def test_a_thing_more_changes_only_its_own_shadow(scene):
    """The film without its nodules: the effusion, drawn first, stays as it was to the last digit."""
    less = scene_of(replace(PLAN, findings=("effusion",)))
    np.testing.assert_array_equal(less.shadows[0].added, scene.shadows[0].added)
    assert [shadow.kind for shadow in less.shadows][:2] == ["effusion", "opacity"]


def test_healthy_parts_lie_as_in_a_body(scene):
    rows, columns = np.nonzero(scene.heart)
    assert abs(columns.mean() * SCALE - scene.middle) < 150 and scene.hila[0, 1] < scene.middle < scene.hila[1, 1]
    assert not (scene.below & scene.lungs)[:200].any() and 0.1 < scene.lungs.mean() < 0.5
    assert scene.below[-1, int(scene.middle / SCALE)] and not scene.below[0].any()


def test_a_normal_film_has_no_shadow():
    plan = replace(PLAN, class_name="Normal", n_opacities=0, findings=(), devices=())
    assert scene_of(plan, boxes=np.zeros((0, 4))).shadows == []


def test_other_boxes_than_drawn_are_refused(phantom):
    with pytest.raises(DataError, match="phantom film: its boxes are not those that its plan draws"):
        scene_of(PLAN, boxes=phantom.boxes + 1)
    with pytest.raises(DataError, match="its boxes"):
        scene_of(PLAN, boxes=[])


def test_plans_of_a_folder(tmp_path):
    write_phantoms(tmp_path / "films", 2, seed=8, workers=1, quiet=True)
    said, manifest = [], tmp_path / "films" / "phantoms.json"
    plans = plans_of(tmp_path / "films", tell=said.append)
    content = json.loads(manifest.read_text(encoding="utf-8"))
    assert [film["id"] for film in content["films"]] == list(plans) and said == []
    for film in content["films"]:
        boxes = [[y, x, y + height, x + width] for x, y, width, height in film["boxes"]]
        scene_of(plans[film["id"]], boxes=boxes)  # raises where they differ
    manifest.write_text(json.dumps({**content, "version": "older"}), encoding="utf-8")
    assert plans_of(tmp_path / "films", tell=said.append) == {} and "another version" in said.pop()
    assert plans_of(tmp_path, tell=said.append) == {} and "has no phantoms.json" in said.pop()
    manifest.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"phantoms\.json"):
        plans_of(tmp_path / "films")


def test_a_plan_comes_back_from_json():
    assert plan_from(json.loads(json.dumps(plain(asdict(PLAN))))) == PLAN
    assert drawn.parameters({"kind": "x", "box": None}) == {}
