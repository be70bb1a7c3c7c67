"""The figures of an evaluation: tidy whatever the results, points where the numbers say, nothing else in the file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from evaluating_films import crowd
from PIL import Image
from rsna_folders import CLASSES, NORMAL, OPACITY
from test_view_data import png_chunks, untidy

from mini_rcnn.data.rsna import Record
from mini_rcnn.evaluating.measure import evaluate
from mini_rcnn.evaluating.people import NOTHING
from mini_rcnn.view import evaluation, evaluation_bars, style
from mini_rcnn.view.evaluation_gallery import film_jpeg

BOX, NONE = np.array([[100.0, 100, 300, 200]]), np.zeros((0, 4))
FIGURES = {
    "precision_recall": evaluation.precision_recall_figure,
    "froc": evaluation.froc_figure,
    "roc": evaluation.roc_figure,
    "calibration": evaluation.calibration_figure,
    "sweep": evaluation.sweep_figure,
    "times": evaluation.times_figure,
    "scores": evaluation_bars.scores_figure,
    "false_marks": evaluation_bars.false_marks_figure,
}


def results_of(records, found, facts=None, **options):
    seconds = {record.id: 0.01 * (1 + number) for number, record in enumerate(records)}
    options = {"threshold": 0.3, "seconds": seconds, **options}
    return evaluate(records, found, facts=facts or dict.fromkeys(found, NOTHING), **options).results


def one(class_name, truth, predicted, scores):
    return results_of([Record("a", None, truth, class_name, "a")], {"a": (predicted, np.array(scores, dtype=float))})


def crowded(**options):
    return results_of(*crowd(np.random.default_rng(7)), **options)


RESULTS = {
    "crowd": crowded,
    "everything counts": lambda: crowded(threshold=0.0),
    "nothing counts": lambda: crowded(threshold=1.0),
    "ill, found": lambda: one(OPACITY, BOX, BOX, [0.9]),
    "ill, missed": lambda: one(OPACITY, BOX, NONE, []),
    "healthy, marked": lambda: one(NORMAL, NONE, BOX, [0.9]),
    "healthy, left alone": lambda: one(NORMAL, NONE, NONE, []),
    "nothing": lambda: results_of([], {}, seconds=None),
}


def lines_of(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


@pytest.mark.parametrize("results", RESULTS.values(), ids=list(RESULTS))
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_tidy_whatever_the_results(name, results):
    figure = FIGURES[name](results())
    if figure is None:
        assert name == "times"
        return
    assert untidy(figure) == []
    for legend in figure.legends:
        place = legend.get_window_extent(figure.canvas.get_renderer())
        assert 0 <= place.x0 and place.x1 <= figure.bbox.width and 0 <= place.y0
        assert place.y1 < figure.axes[0].get_tightbbox(figure.canvas.get_renderer()).y0 + 1


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_holds_no_text_of_its_own_kind(name):
    content = evaluation.png_of(FIGURES[name](crowded()))
    assert set(png_chunks(content)) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == (1120, 800)


def test_the_threshold_lies_where_the_figures_are():
    results = crowded()
    figures = results["summary"]["figures"]
    for name, x, y in (
        ("precision_recall", figures["recall"], figures["precision"]),
        ("roc", 1 - figures["specificity"], figures["sensitivity"]),
    ):
        (point,) = [line for label, line in lines_of(FIGURES[name](results)).items() if label == "threshold 0.30"]
        np.testing.assert_allclose(point.get_xydata(), [[x, y]])


def test_the_point_of_froc_is_that_of_its_curve():
    curve = {"false_marks": [0, 0.5, 1], "sensitivity": [0, 0.2, 0.4], "threshold": [None, 0.9, 0.5]}
    names = ("false_marks", "sensitivity")
    assert evaluation.at_threshold(curve, names, 0.95) == (0, 0)  # the infinite threshold is reached
    assert evaluation.at_threshold(curve, names, 0.9) == (0.5, 0.2)
    assert evaluation.at_threshold(curve, names, 0.1) == (1, 0.4)
    assert evaluation.at_threshold({name: [] for name in curve}, names, 0.1) == (None, None)


def test_curves_are_those_of_the_results():
    results = crowded()
    table = results["summary"]["by_threshold"]
    lines = lines_of(evaluation.sweep_figure(results))
    np.testing.assert_allclose(lines["RSNA score"].get_ydata(), np.array(table["rsna"], dtype=float))
    np.testing.assert_allclose(
        lines["healthy images marked"].get_ydata(), 1 - np.array(table["specificity"], dtype=float)
    )
    roc = results["summary"]["image_level"]
    assert f"area {roc['auc']:.3f}" in lines_of(evaluation.roc_figure(results))


def test_bars_are_as_high_as_the_numbers():
    results = crowded()
    rows = [row for name in CLASSES for row in results["false_marks"] if row["class"] == name]
    heights = [bar.get_height() for bar in evaluation_bars.false_marks_figure(results).axes[0].patches]
    assert heights == [row["per_image"] for row in rows] and max(heights) > 0
    for axes, name in zip(evaluation_bars.scores_figure(results).axes, CLASSES):
        assert [bar.get_height() for bar in axes.patches] == results["best_score_by_class"][name]


def test_colour_never_tells_anything_alone():
    results = crowded()
    for name, n_series in (("froc", 2), ("sweep", 4), ("calibration", 3)):
        looks = [
            (line.get_color(), str(line.get_linestyle()))
            for label, line in lines_of(FIGURES[name](results)).items()
            if not label.startswith(("_", "threshold"))
        ]
        colours, styles = zip(*looks)
        assert len(looks) == len(set(colours)) == len(set(styles)) == n_series
    bars = evaluation_bars.LOOKS.values()
    assert len({colour for colour, _ in bars}) == len({hatch for _, hatch in bars}) == 3


def test_a_film_shows_truth_and_prediction():
    film = np.zeros((1024, 512), np.uint8)
    content = film_jpeg(film, truth=BOX, boxes=BOX + 200, scores=np.array([0.5]))
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == (220, 440) and not {"exif", "comment"} & set(picture.info)
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    scale = 440 / 1024
    for colour, box in ((style.SKY, BOX[0]), (style.ORANGE, BOX[0] + 200)):
        wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
        y, x = np.nonzero(np.abs(pixels - wanted).sum(axis=2) < 120)
        np.testing.assert_allclose([y.min(), x.min(), y.max(), x.max()], box * scale, atol=3)
    nothing = film_jpeg(film, truth=NONE, boxes=NONE, scores=np.zeros(0))
    assert np.asarray(Image.open(io.BytesIO(nothing))).max() < 10
