"""What a notebook keeps of a panel: a still and its name, the same at each run, and nothing that needs a kernel."""

import base64
import io
import json
import warnings

import numpy as np
import pytest
from PIL import Image

from mini_rcnn.notebooks.build import notebook_of, text_of
from mini_rcnn.notebooks.execute import WIDGET_VIEW, executed, without_models
from mini_rcnn.notebooks.source import parse
from mini_rcnn.view.shapes import box, boxes, cell, image, line, picture_uri, point, svg_of, text, veil_uri
from mini_rcnn.view.still import GAP, WIDEST, beside_each_other, image_of, png_of
from mini_rcnn.widgets import NmsStepper

SOURCE = """# %% id="panel"
from mini_rcnn.widgets import NmsStepper

panel = NmsStepper()
panel

# %% id="after"
panel.iou.value = 0.9
print(panel.iou.value)
"""


def test_view_is_not_kept():
    data = {"text/plain": "a panel", WIDGET_VIEW: {"model_id": "abc"}, "image/png": "iVBO"}
    assert without_models(data) == {"text/plain": "a panel", "image/png": "iVBO"}
    assert without_models({"text/plain": "1"}) == {"text/plain": "1"}


def test_two_runs_give_the_same_bytes(tmp_path):
    texts = []
    for _ in range(2):
        notebook = notebook_of(parse(SOURCE, "panel"), solved=True, name="panel")
        texts.append(text_of(executed(notebook, tmp_path)))
    assert texts[0] == texts[1]
    made = json.loads(texts[0])
    assert "widgets" not in made["metadata"]
    data = made["cells"][0]["outputs"][0]["data"]
    assert sorted(data) == ["image/png", "text/plain"]
    assert "(panel)" in "".join(data["text/plain"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbformat's own, on Python 3.7
        import nbformat

        nbformat.validate(nbformat.reads(texts[0], as_version=4))


def test_still_is_shown_and_the_view_too_while_the_kernel_runs():
    panel = NmsStepper()
    data = panel._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert WIDGET_VIEW in data
    seen = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert seen.size == tuple(int(side) for side in panel.canvas.shown[::-1])
    assert len(seen.convert("RGB").getcolors(1 << 16)) > 10


def pixels_of(*shapes, size=(10, 10), picture=""):
    """Return a drawing at ten times its size."""
    return np.asarray(image_of(list(shapes), size=size, shown=(100, 100), picture=picture))


def test_shapes_lie_where_they_say():
    assert pixels_of(box((2, 3, 6, 8), "truth"))[[20, 60, 40], [50, 50, 50]].tolist() == [
        [0x56, 0xB4, 0xE9],
        [0x56, 0xB4, 0xE9],
        [255, 255, 255],
    ]
    assert pixels_of(point((5, 2), "line"))[50, 20].tolist() == [0, 0x72, 0xB2]
    assert pixels_of(line([(1, 1), (1, 9)], "line"))[10, 50].tolist() == [0, 0x72, 0xB2]
    assert pixels_of(cell((0, 0, 5, 5), "#f00", opacity=1))[49, 49].tolist() == [255, 0, 0]


@pytest.mark.parametrize("style", ["truth", "kept"])
def test_many_boxes_are_drawn_as_one_by_one(style):
    places = [(2, 3, 6, 8), (0, 0, 9, 4), (5, 5, 5, 5)]
    together, alone = pixels_of(boxes(places, style)), pixels_of(*(box(at, style) for at in places))
    assert (together == alone).all() and (together != 255).any()
    drawn = svg_of([boxes(places, style)], size=(10, 10), shown=(100, 100))
    assert "M3.0 2.0H8.0V6.0H3.0Z" in drawn and drawn.count("<path") == 1
    assert boxes([], style)["at"] == []


def test_picture_and_veil_lie_under_the_shapes():
    grey = picture_uri(np.full((10, 10), 100, np.uint8))
    assert pixels_of(picture=grey)[5, 5].tolist() == [100, 100, 100]
    veil = image((0, 0, 5, 5), veil_uri(np.ones((5, 5), bool)))
    veiled = pixels_of(veil, picture=grey)
    assert veiled[20, 20].tolist() != [100, 100, 100] and veiled[80, 80].tolist() == [100, 100, 100]


def test_dashes_leave_gaps():
    row = pixels_of(line([(5, 0), (5, 10)], "kept"))[50]
    assert 0 < (row[:, 2] == 255).mean() < 1


@pytest.mark.parametrize("anchor, place", [("start", 1), ("middle", 0), ("end", -1)])
def test_words_lie_by_their_anchor(anchor, place):
    dark = np.nonzero((pixels_of(text((5, 5), "words", anchor=anchor)) < 128).all(axis=2))[1]
    assert np.sign(round((dark.mean() - 50) / 5)) == place


@pytest.mark.parametrize("at", [(6, 8, 2, 3), (np.nan, 0, 1, 1), (-50, -50, 900, 900)])
def test_odd_boxes_do_not_break_a_still(at):
    pixels_of(box(at, "kept", label="odd"), cell(at, "#123456"), image(at, picture_uri(np.zeros((2, 2), np.uint8))))


def test_pictures_stand_in_rows():
    images = [Image.new("RGB", (WIDEST // 2, 10)) for _ in range(3)]
    assert beside_each_other(images).size == (WIDEST // 2, 30 + 2 * GAP)
    assert beside_each_other(images[:1]).size == (WIDEST // 2, 10)
    assert beside_each_other([]).size == (1, 1)
    assert png_of(beside_each_other(images)) == png_of(beside_each_other(images))
