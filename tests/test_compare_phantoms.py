"""The script that holds phantoms beside real films: its figure, and what it does not write."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mini_rcnn.data.contradictions import CLASSES
from mini_rcnn.data.phantoms.phantom_measures import measure_film

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location(
        "compare_phantoms", str(ROOT / "data_scripts" / "compare_phantoms.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def films(rng):
    boxes = np.array([[200.0, 150, 500, 400]])
    return [
        measure_film(
            rng.integers(0, 256, (256, 256)).astype(np.uint8), boxes if name == CLASSES[2] else boxes[:0], name
        )
        for name in CLASSES * 2
    ]


def test_the_figure_holds_real_and_drawn_lines(script, films):
    reference = json.loads(script.RECORDED.read_text(encoding="utf-8"))
    figure = script.draw_figure(reference, films)
    assert len(figure.axes) == 8
    for axes, name in zip(figure.axes, CLASSES):
        real, drawn = (line.get_ydata() for line in axes.lines)
        np.testing.assert_allclose(real[:-1], 100 * np.array(reference["histograms"][name]))
        np.testing.assert_allclose(drawn.sum() - drawn[-1], 100)
    for axes in figure.axes[:6]:
        assert [line.get_linestyle() for line in axes.lines] == ["-", "--"]  # told apart without colour too


def test_the_table_marks_what_is_beyond(script, films, capsys):
    reference = json.loads(script.RECORDED.read_text(encoding="utf-8"))
    script.print_table(script.compare(reference, films))
    printed = capsys.readouterr().out
    assert "<-- beyond" in printed and " within their limits" in printed


@pytest.mark.parametrize("name", ["docs/sheet.png", "sheet.png", "tests/recorded/sheet.png"])
def test_real_films_do_not_go_into_the_repository(script, name):
    with pytest.raises(SystemExit, match="do not go into the repository"):
        script.draw_sheet(ROOT / name, Path("nowhere"), 1, blind=False)


def test_a_sheet_needs_real_films(script, tmp_path):
    with pytest.raises(SystemExit) as end:
        script.main(["--sheet", str(tmp_path / "sheet.png")])
    assert end.value.code == 2 and not list(tmp_path.iterdir())


def test_the_recorded_statistics_say_where_they_are_from(script):
    recorded = json.loads(script.RECORDED.read_text(encoding="utf-8"))
    assert {"source", "command", "date", "films"} <= set(recorded)
    assert sum(recorded["films"].values()) == 239
    assert script.RECORDED.stat().st_size < 20_000  # statistics, no pixels


def test_the_committed_figure_is_there_and_says_nothing_else():
    with Image.open(str(ROOT / "docs" / "phantoms_beside_real.png")) as picture:
        assert min(picture.size) >= 700
        assert set(picture.info) <= {"dpi"}
