"""The picture of the pipeline: as its script draws it, of stages that are there."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def load_script():
    spec = importlib.util.spec_from_file_location("draw_pipeline", str(ROOT / "data_scripts" / "draw_pipeline.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_picture_is_what_the_script_draws(tmp_path):
    load_script().main(["--out", str(tmp_path / "pipeline.svg")])
    assert (tmp_path / "pipeline.svg").read_bytes() == (ROOT / "docs" / "pipeline.svg").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.svg"]


def test_a_stage_that_is_not_written_is_dashed():
    script = load_script()
    everything = {module for stage in script.stages() for module in stage.modules}
    assert "dasharray" not in script.draw(everything)
    assert script.draw(everything - {"heads"}).count("dasharray") == 1


def test_the_picture_is_svg_with_every_stage_named():
    script = load_script()
    words = [element.text for element in ElementTree.fromstring(script.draw(set())).iter() if element.text]
    assert all(stage.title in words for stage in script.stages())
