"""The threshold explorer on a lab's films says what `lab.py detect` and `lab.py evaluate` say of them."""

from __future__ import annotations

import json

import pytest

from mini_rcnn import detect, evaluate
from mini_rcnn.classroom import start_lab
from mini_rcnn.exploring.apply import Settings
from mini_rcnn.widgets import ThresholdExplorer
from mini_rcnn.widgets.threshold_controls import BEST, OWN


@pytest.fixture(scope="module")
def labs():
    """Return lab 11 twice, with its 40 phantoms, and with 20 others to search on: RSNA's films are not asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINI_RCNN_RSNA", "")
        yield start_lab("11"), start_lab("12", films=20)


@pytest.fixture(scope="module")
def panel(labs):
    """Return the explorer of the 40, with one more button for what was found on the others."""
    return ThresholdExplorer.of_lab(labs[0], search_on=labs[1])


@pytest.mark.parametrize("confidence, nms", [(0.6, 0.2), (0.75, 0.3)])
def test_figures_are_those_of_the_verbs(labs, panel, tmp_path, confidence, nms):
    folder, out = str(labs[0].folder), str(tmp_path / "found")
    thresholds = ["--min-confidence", str(confidence), "--iou-threshold", str(nms)]
    assert detect.main([folder, "--out", out, "--no-pictures", *thresholds]) == 0
    assert evaluate.main([out, "--data", folder, "--bootstrap", "2", "--quiet"]) == 0
    written = json.loads((tmp_path / "found" / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    figures, boxes = written["summary"]["figures"], written["summary"]["counts"]["boxes"]
    own = panel.presets[OWN]
    panel.set(own._replace(min_confidence=confidence, iou_threshold=nms))
    now = panel.now.outcome
    assert (now.hits, now.misses, now.false_marks) == tuple(
        boxes[name] for name in ("true_positive", "false_negative", "false_positive")
    )
    assert now.hits > 5 and now.rsna == pytest.approx(figures["rsna"], abs=1e-3)


def test_settings_found_on_other_films_have_a_button(panel):
    assert isinstance(panel.presets[BEST], Settings)
    panel.controls.buttons[list(panel.presets).index(BEST)].click()
    assert panel.controls.settings.min_confidence == pytest.approx(panel.presets[BEST].min_confidence, abs=0.01)
    assert panel.message.value == "" and panel.now.outcome.hits > 0
