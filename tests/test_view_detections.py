"""Pictures of detections: boxes and masks where they belong, labels that can be read, nothing else in the file."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from test_view_data import corners, png_chunks, rectangles, untidy

from mini_rcnn.model import Found
from mini_rcnn.view import style
from mini_rcnn.view.detections import detection_figure, drawn_size, edge_of
from mini_rcnn.view.labels import label_places

NAME = "0a1b2c3d-0000-4000-8000-000000000000"


def found_of(boxes, scores=None, class_ids=None, inside=0.9):
    boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    n = len(boxes)
    scores = np.linspace(0.99, 0.5, n) if scores is None else np.array(scores)
    class_ids = np.ones(n, dtype=np.int64) if class_ids is None else np.array(class_ids)
    return Found(boxes, class_ids, scores, np.full((n, 28, 28), inside, dtype=np.float32))


def pixels_of(figure, tmp_path):
    style.save_png(figure, tmp_path / "figure.png")
    with Image.open(str(tmp_path / "figure.png")) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def dashed(patch):
    return patch.get_linestyle() in ("--", "dashed")


def test_boxes_lie_where_they_were_found_and_truth_looks_otherwise():
    film, box, truth = np.zeros((512, 2048), np.uint8), [100, 200, 300, 600], np.array([[20.0, 40, 60, 80]])
    axes = detection_figure(film, found_of([box]), name=NAME, truth=truth).axes[0]
    prediction, real = rectangles(axes)
    np.testing.assert_allclose(corners(prediction), np.array(box) / 2)  # drawn half as large
    np.testing.assert_allclose(corners(real), truth[0] / 2)
    assert dashed(prediction) and not dashed(real)
    assert prediction.get_edgecolor() != real.get_edgecolor()


def test_a_film_keeps_its_pixels_and_its_masks_are_a_veil(tmp_path, rng):
    film = rng.integers(0, 256, (800, 700)).astype(np.uint8)
    pixels = pixels_of(detection_figure(film, found_of([[100, 100, 300, 400]]), name=NAME), tmp_path)
    height, width = pixels.shape[:2]
    assert (height, width) == (800 + 62 + 34, 700)
    inside = pixels[62 : 62 + 800]
    np.testing.assert_allclose(inside[420:700, 10:690], film[420:700, 10:690, None].repeat(3, axis=2), atol=1)
    veiled, bare = inside[150:250, 150:350], film[150:250, 150:350]
    assert (np.ptp(veiled, axis=2) > 20).mean() > 0.9  # orange
    assert np.corrcoef(veiled.sum(axis=2).ravel(), bare.ravel())[0, 1] > 0.99  # the film shows through


def test_the_threshold_says_what_is_mask(tmp_path):
    film, found = np.full((700, 700), 100, np.uint8), found_of([[100, 100, 300, 400]], inside=0.6)
    veiled = pixels_of(detection_figure(film, found, name=NAME, mask_threshold=0.5), tmp_path)[262, 250]
    bare = pixels_of(detection_figure(film, found, name=NAME, mask_threshold=0.7), tmp_path)[262, 250]
    assert np.ptp(veiled) > 20 and np.ptp(bare) == 0


def test_the_edge_of_a_mask():
    mask = np.zeros((12, 12), bool)
    mask[2:10, 2:10] = True
    edge = edge_of(mask)
    assert edge.sum() == 64 - 16 and not edge[4:8, 4:8].any() and not edge[~mask].any()


TOUCHING = [
    [300, 200, 600, 420],
    [300, 420, 600, 640],
    [310, 200, 590, 425],
    [301, 205, 605, 415],
    [600, 200, 800, 420],
]
CROWDS = {
    "none": [],
    "one": [[100, 100, 500, 400]],
    "touching": TOUCHING,
    "one upon the other": [[300, 300, 500, 500]] * 30,
    "at the edges": [[0, 0, 300, 200], [700, 900, 1000, 1000], [0, 0, 1000, 1000], [980, 980, 1000, 1000]],
    "hundred": np.tile(np.random.default_rng(0).uniform(0, 800, (100, 2)), 2) + [0, 0, 200, 150],
}


@pytest.mark.parametrize("side", [1000, 64])
@pytest.mark.parametrize("name", CROWDS)
def test_every_score_can_be_read(name, side):
    boxes = np.array(CROWDS[name], dtype=np.float64).reshape(-1, 4) * side / 1000
    found = found_of(boxes)
    figure = detection_figure(np.zeros((side, side), np.uint8), found, name=NAME, truth=boxes[:1])
    assert untidy(figure) == []
    assert [text.get_text() for text in figure.axes[0].texts] == [f"{score:.2f}" for score in found.scores]


def test_words_above_and_below():
    film = np.zeros((700, 700), np.uint8)

    def told(**options):
        figure = detection_figure(film, found_of([[1, 2, 90, 80]]), name=NAME, **options)
        return [text.get_text() for text in figure.texts + figure.legends[0].get_texts()]

    assert told()[:2] == [NAME, "1 box found"] and "truth" not in told()
    assert told(truth=np.zeros((0, 4)))[1] == "1 box found; truth: no box" and "truth" in told(truth=[])
    assert told(truth=np.ones((2, 4)))[1].endswith("truth: 2 boxes")
    assert any("no diagnosis" in text for text in told())


def test_classes_stand_beside_the_score_where_there_are_several():
    found = found_of([[100, 100, 300, 300], [400, 400, 600, 600]], class_ids=[2, 1])
    figure = detection_figure(np.zeros((700, 700), np.uint8), found, name=NAME, classes=("pneumonia", "nodule"))
    assert [text.get_text() for text in figure.axes[0].texts] == ["nodule 0.99", "pneumonia 0.50"]


def test_a_long_name_is_cut_in_its_middle():
    figure = detection_figure(np.zeros((640, 640), np.uint8), found_of([]), name="a" * 100 + "z")
    name = figure.texts[0].get_text()
    assert "…" in name and name[-1] == "z" and untidy(figure) == []


@pytest.mark.parametrize("size", [(1, 1), (3000, 2000), (64, 900), (1024, 1024)])
def test_any_size_of_film(size, tmp_path):
    figure = detection_figure(np.zeros(size, np.uint8), found_of([]), name=NAME)
    assert pixels_of(figure, tmp_path).shape[:2] == (drawn_size(size)[0] + 96, max(drawn_size(size)[1], 640))
    assert max(drawn_size(size)) in (640, 900, 1024)


def test_the_file_holds_a_picture_and_nothing_else(tmp_path):
    contents = []
    for name in ("a.png", "b.png"):
        style.save_png(detection_figure(np.zeros((700, 700), np.uint8), found_of(TOUCHING), name=NAME), tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    assert set(png_chunks(contents[0])) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_no_place_is_left():
    boxes, sizes = np.tile([[2.0, 2, 20, 20]], (9, 1)), np.tile([[10.0, 30.0]], (9, 1))
    places = label_places(boxes, sizes, (40, 40))
    taken = [place for place in places if place is not None]
    assert 1 <= len(taken) < 9 and all(0 <= y <= 30 and 0 <= x <= 10 for y, x in taken)
    apart = [abs(a[0] - b[0]) >= 10 or abs(a[1] - b[1]) >= 30 for i, a in enumerate(taken) for b in taken[:i]]
    assert all(apart)
    assert label_places(np.zeros((0, 4)), np.zeros((0, 2)), (40, 40)) == []
