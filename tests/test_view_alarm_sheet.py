"""Sheets of alarms: boxes where they belong, words that can be read, bars as high as the counts, and none at all."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image
from test_view_data import corners, png_chunks, rectangles, untidy

from mini_rcnn.alarms.causes import WORDS
from mini_rcnn.alarms.report import explain
from mini_rcnn.view import style
from mini_rcnn.view.alarm_sheet import alarm_page, broken, crop_of, draw_sheets

NORMAL, OTHER, OPACITY = "Normal", "No Lung Opacity / Not Normal", "Lung Opacity"
BOX = [300.0, 200.0, 500.0, 400.0]
TRUTHS = {"ill": np.array([[300.0, 200, 500, 280], [100, 600, 300, 900]]), "well": np.zeros((0, 4))}
LONG = "second mark on a found opacity, IoU 0.12; consolidation, strength 0.95, adds 0.31; also effusion, ecg leads"


def film(name):
    return np.full((1024, 1024), 90 if name == "ill" else 60, np.uint8)


def alarm(image="well", cause="mass", words="a mass; strength 0.66, adds 0.27", class_name=OTHER, score=0.987, near=3):
    nearest = [{"image": "ill", "truth": place % 2, "distance": 0.9 + place} for place in range(near)]
    return {"image": image, "class": class_name, "box": BOX, "score": score, "cause": cause, "words": words,
            "nearest": nearest}  # fmt: skip


def told_of(alarms, **changes):
    counts = {}
    for one in alarms:
        row = counts.setdefault(one["cause"], {})
        row[one["class"]] = row.get(one["class"], 0) + 1
    distances = {"unit": 3.0, "alarms": [0.9] * len(alarms), "opacities": [0.8, 1.0, 1.3], "dismissed": [2.0, 3.0]}
    return {
        "above": 0.95,
        "alarms": list(alarms),
        "counts": counts,
        "films": {NORMAL: 10, OTHER: 20, OPACITY: 1},
        "films_with_alarms": {NORMAL: 0, OTHER: 3, OPACITY: 1},
        "chance": {"of": 7, "alarms": 5, "mirrored": 2},
        "distances": distances,
        **changes,
    }


def page_of(told, **options):
    return alarm_page(told, told["alarms"][:12], TRUTHS, film, WORDS, **options)


def size_of(path):
    with Image.open(str(path)) as picture:
        return picture.size


def words_on(figure):
    return [text.get_text() for text in figure.texts]


def test_a_crop_shows_the_box_dashed_and_the_truth_solid():
    figure = page_of(told_of([alarm("ill", "near miss", "near miss", OPACITY)]))
    crop, first, second = figure.axes[0], figure.axes[1], figure.axes[2]
    y1, x1, side = 195, 95, 410  # two fifths of the film, about the box's middle (400, 300)
    truth, other, mark = rectangles(crop)
    np.testing.assert_allclose(corners(mark), [300 - y1, 200 - x1, 500 - y1, 400 - x1])
    np.testing.assert_allclose(corners(truth), [300 - y1, 200 - x1, 500 - y1, 280 - x1])
    assert crop.images[0].get_array().shape == (side, side)
    assert mark.get_linestyle() in ("--", "dashed") and truth.get_linestyle() in ("-", "solid")
    assert mark.get_edgecolor() == to_rgba(style.ORANGE) and other.get_edgecolor() == to_rgba(style.SKY)
    assert first.images[0].get_array().shape == (260, 260)  # 1.3 times 200
    assert second.images[0].get_array().shape == (390, 390)
    assert {"0.90", "1.90", "2.90", "0.987  Opacity"} <= set(words_on(figure))


@pytest.mark.parametrize("count", [1, 4, 12])
def test_everything_can_be_read(count):
    causes = list(WORDS)
    alarms = [alarm(cause=causes[place % len(causes)], words=LONG) for place in range(count)]
    assert untidy(page_of(told_of(alarms))) == []
    assert untidy(page_of(told_of(alarms), page=1, n_pages=3)) == []


def test_all_causes_have_room():
    alarms = [alarm(cause=name, class_name=each) for name in WORDS for each in (NORMAL, OTHER, OPACITY) * 40]
    figure = page_of(told_of(alarms))
    assert untidy(figure) == []
    (bars,) = [axes for axes in figure.axes if axes.get_title(loc="left") == "What lies under the box"]
    assert [label.get_text() for label in bars.get_yticklabels()] == list(WORDS.values())


def test_bars_are_as_long_as_the_counts():
    alarms = [alarm()] * 3 + [alarm(class_name=NORMAL, cause="heart")] + [alarm(class_name=NORMAL)] * 2
    figure = page_of(told_of(alarms))
    bars = next(axes for axes in figure.axes if axes.get_title(loc="left") == "What lies under the box")
    lengths = [[patch.get_width() for patch in container] for container in bars.containers]
    assert lengths == [[2, 1], [3, 0], [0, 0]]  # Normal, Not Normal, Opacity; mass, heart
    assert [text.get_text() for text in bars.texts] == ["5", "1"]
    legend = [text.get_text() for text in bars.get_legend().get_texts()]
    assert legend == ["Normal (0 of 10 films)", "Not Normal (3 of 20 films)", "Opacity (1 of 1 film)"]
    assert any("5 of the 7 that are not about a true opacity" in text for text in words_on(figure))


def test_the_share_as_near_is_a_staircase_of_the_distances():
    figure = page_of(told_of([alarm()] * 2))
    axes = next(axes for axes in figure.axes if "true opacity" in axes.get_title(loc="left"))
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines["true opacities"].get_xdata(), [0, 0.8, 1.0, 1.3])
    np.testing.assert_allclose(lines["true opacities"].get_ydata(), [0, 1 / 3, 2 / 3, 1])
    assert set(lines) == {"true opacities", "false alarms", "proposals dismissed"}


def test_no_alarm_at_all_is_said(tmp_path):
    told = explain([], [], lambda record: None, above=0.95)
    (path,) = draw_sheets(told, {}, film, WORDS, tmp_path, limit=5)
    figure = alarm_page(told, [], {}, film, WORDS)
    assert untidy(figure) == [] and "0 false alarms with a score of 0.95 or more, on 0 films" in words_on(figure)
    assert any("nothing scores 0.95 or more" in text.get_text() for axes in figure.axes for text in axes.texts)
    assert png_chunks(path.read_bytes())[0] == b"IHDR"


def test_a_real_film_and_no_opacity_to_compare_with():
    nothing = {"unit": None, "alarms": [], "opacities": [], "dismissed": [], "as_near": None}
    figure = page_of(told_of([alarm(near=0, cause="not known")], chance=None, distances=nothing))
    assert untidy(figure) == [] and len(figure.axes) == 3  # the crop, the bars, and the words in the place of distances
    assert any("too few true opacities" in text.get_text() for axes in figure.axes for text in axes.texts)


def test_pages_hold_twelve_and_the_limit_is_kept(tmp_path):
    told, read = told_of([alarm(score=0.99)] * 14), []
    paths = draw_sheets(told, TRUTHS, lambda name: read.append(name) or film(name), WORDS, tmp_path, limit=13)
    assert [path.name for path in paths] == ["alarms-01.png", "alarms-02.png"]
    sizes = [size_of(path) for path in paths]
    assert [width for width, _ in sizes] == [1500] * 2 and sizes[0][1] > sizes[1][1]
    assert len(read) == 2  # each film is read once
    first = paths[0].read_bytes()
    draw_sheets(told, TRUTHS, film, WORDS, tmp_path, limit=13)
    assert paths[0].read_bytes() == first and set(png_chunks(first)) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    (only,) = draw_sheets(told, TRUTHS, film, WORDS, tmp_path / "none", limit=0)
    assert size_of(only)[1] < 600  # the charts alone


@pytest.mark.parametrize(
    "box, size, wanted",
    [
        ([0, 0, 100, 100], (1024, 1024), (0, 0, 410, 410)),
        ([900, 1000, 1024, 1024], (1024, 1024), (614, 614, 1024, 1024)),
        ([0, 0, 1000, 1000], (1024, 800), (100, 0, 900, 800)),
        ([400, 400, 800, 500], (1024, 1024), (300, 150, 900, 750)),
    ],
)
def test_crops_stay_on_the_film(box, size, wanted):
    assert crop_of(box, size, context=1.5, least=0.4) == wanted


def test_numbers_stay_with_their_names():
    assert broken("a; strength 0.5, adds 0.1") == "a\nstrength\u00a00.5, adds\u00a00.1"
