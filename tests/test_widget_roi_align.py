"""The bench for RoIAlign: state in, numbers and shapes out, without a browser."""

from types import SimpleNamespace

import numpy as np
import pytest

from mini_rcnn.stages.roi_align import crop_and_resize, roi_align, weighted_neighbours
from mini_rcnn.view.panel_roi_align import grids_html
from mini_rcnn.view.panel_roi_align_numbers import (
    colours_of,
    largest_difference,
    neighbours_of,
    pooled_ways,
    roi_pool,
    window_origin,
)
from mini_rcnn.widgets import RoiAlignBench


@pytest.fixture
def features(rng):
    """Return maps of four levels under an input of 64 pixels, 3 channels."""
    return {f"p{2 + i}": rng.normal(size=(16 >> i, 16 >> i, 3)).astype(np.float32) for i in range(4)}


@pytest.fixture
def bench(features):
    return RoiAlignBench(features, np.zeros((64, 64), np.uint8), box=(10.5, 8, 40, 30.5), truth=[(8, 8, 40, 32)])


def by_kind(shapes, kind):
    return [shape for shape in shapes if shape["kind"] == kind]


def the_box(canvas):
    return next(shape for shape in canvas.shapes if shape.get("name") == "box")


# ---- by hand


def test_roi_pool_by_hand():
    feature = np.arange(25.0).reshape(5, 5)
    np.testing.assert_array_equal(roi_pool(feature, (0.6, 1.4, 3.8, 4.2), output_size=1), [[18.0]])  # rows 1-3, 1-3
    # three cells in two bins: the cell in the middle belongs to both
    np.testing.assert_array_equal(roi_pool(feature, (1, 1, 4, 4), output_size=2), [[12.0, 13.0], [17.0, 18.0]])


def test_roi_pool_keeps_a_cell_and_reads_nothing_outside():
    feature = np.arange(1.0, 17).reshape(4, 4)
    np.testing.assert_array_equal(roi_pool(feature, (2.1, 2.1, 2.2, 2.2), output_size=2), np.full((2, 2), 11.0))
    np.testing.assert_array_equal(roi_pool(feature, (4, 4, 4, 4), output_size=2), np.zeros((2, 2)))


def test_neighbours_by_hand():
    near = neighbours_of(np.array([[10.0, 20.0], [30.0, 40.0]]), (1.25, 0.5))
    assert near.rows.tolist() == [0, 1]
    np.testing.assert_allclose(near.weights, [[0.25, 0.0], [0.75, 0.0]])
    assert near.value == 25.0


def test_colours_of_a_flat_map_are_finite():
    assert colours_of(np.zeros((2, 2)), 0.0, 0.0).tolist() == [[[0, 32, 76]] * 2] * 2


def test_largest_difference_names_both():
    grids = {"a": np.zeros((2, 2)), "b": np.array([[0, 0], [3, 0]]), "c": np.array([[0, 0], [-1, 0]])}
    assert largest_difference(grids) == (4.0, (1, 0), "b", "c")


# ---- the same numbers as the library's


@pytest.mark.parametrize("placement", ["thirds", "centres"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_grids_are_the_librarys(bench, features, placement, pooling):
    bench.level.value, bench.channel.value, bench.bins.value, bench.points.value = "p3", 1, 4, 3
    bench.placement.value, bench.pooling.value = placement, pooling
    layer, box = features["p3"][..., 1:2], bench.box()[None] / 8
    expected = roi_align(layer, box, output_size=4, sampling_points=3, placement=placement, pooling=pooling)
    np.testing.assert_array_equal(bench.grids[f"RoIAlign ({placement}, {pooling})"], expected[0, ..., 0])
    np.testing.assert_array_equal(bench.grids["crop_and_resize"], crop_and_resize(layer, box, output_size=4)[0, ..., 0])
    assert len(bench.grids) == 4 + ((placement, pooling) not in (("thirds", "max"), ("centres", "average")))
    assert f"<b>RoIAlign ({placement}, {pooling}) (drawn)</b>" in bench.numbers.value


def test_the_point_is_weighted_neighbours(features):
    feature = features["p2"]
    near = neighbours_of(feature[..., 0], (3.7, 9.2))
    rows, columns = near.rows[None, None], near.columns[None, None]
    expected = weighted_neighbours(
        feature, rows, near.weights.sum(axis=1)[None, None], columns, near.weights.sum(axis=0)[None, None]
    )
    np.testing.assert_allclose(near.value, expected[0, 0, 0, 0], rtol=1e-5)


# ---- state in, shapes out


def test_as_many_points_and_bins_as_asked_for(bench):
    bench.bins.value, bench.points.value = 5, 3
    dots = [shape for shape in by_kind(bench.map.shapes, "point") if shape["stroke"] == "#D55E00"]
    lines = [shape for shape in by_kind(bench.map.shapes, "line") if shape["stroke"] == "#56B4E9"]
    assert (len(dots), len(lines)) == (225, 8)


def test_a_box_dragged_on_the_film_moves_the_sliders_and_the_map(bench):
    bench.film.dragged = {"name": "box", "at": [30.0, 20, 59.5, 42.5], "count": 1}
    assert [each.value for each in bench.sides] == [30.0, 20.0, 59.5, 42.5]
    assert the_box(bench.film)["at"] == [30.0, 20.0, 59.5, 42.5]
    y, x = bench.origin
    assert the_box(bench.map)["at"] == [30.0 - y, 20.0 - x, 59.5 - y, 42.5 - x]


def test_a_box_stays_inside_the_input_with_its_size(bench):
    bench.film.dragged = {"name": "box", "at": [-20.0, 50, 9.5, 72.5], "count": 1}
    np.testing.assert_allclose(bench.box(), [0, 41.5, 29.5, 64])


def test_a_box_dragged_on_the_map_stays_in_the_part_that_is_shown(bench):
    before = bench.origin
    bench.map.dragged = {"name": "box", "at": [-9.0, -9, 20.5, 13.5], "count": 1}
    assert bench.origin == before
    np.testing.assert_allclose(bench.box()[:2], before)


def test_the_window_follows_a_box_and_stays_where_it_can():
    assert window_origin((0, 0, 10, 10), 32, 64) == (0.0, 0.0)
    assert window_origin((50, 50, 64, 64), 32, 64, old=(0.0, 0.0)) == (32.0, 32.0)
    assert window_origin((0, 0, 64, 64), 32, 64, old=(0.0, 0.0)) == (16.0, 16.0)  # larger than the window: its middle


def test_the_pointer_chooses_the_point(bench):
    bench.map.cursor = [10.0, 12.0]
    assert [each.value for each in bench.place] == [10 + bench.origin[0], 12 + bench.origin[1]]
    bench.film.cursor = [33.0, 70.0]
    assert [each.value for each in bench.place] == [33.0, 64.0]
    assert "Pixel (33.0, 64.0) of the input" in bench.told.value


def test_the_picture_is_sent_when_it_changes_and_not_at_each_move(bench):
    sent = []
    bench.map.observe(lambda change: sent.append(change), "picture")
    bench.sides[0].value, bench.place[0].value = 12.0, 3.0
    assert not sent
    bench.channel.value = 1 - min(bench.channel.value, 1)
    assert len(sent) == 1


def test_crossed_sides_are_put_in_order(bench):
    bench.sides[0].value = 60.0  # below the lower side
    assert bench.box().tolist() == [40.0, 8.0, 60.0, 30.5]
    assert bench.message.value == ""


# ---- malformed state


@pytest.mark.parametrize("zoom", [1, 2, 4])
@pytest.mark.parametrize("box", [(0, 0, 0, 0), (64, 64, 64, 64), (0, 0, 64, 64), (31.9, 2, 31.9, 60)])
def test_boxes_without_area_and_whole_ones_are_shown(bench, box, zoom):
    bench.zoom.value = zoom
    bench.set_box(box)
    for level in ("p2", "p5"):
        bench.level.value = level
        assert bench.message.value == ""
        assert "svg" in bench.still()
    bench.map.dragged = {"name": "box", "at": [1.0, 1, 1 + box[2] - box[0], 1 + box[3] - box[1]], "count": 2}
    assert bench.message.value == ""


@pytest.mark.parametrize(
    "dragged", [{}, {"name": "box"}, {"name": "other", "at": [1, 2, 3, 4]}, {"name": "box", "at": [1]}]
)
def test_a_strange_drag_changes_nothing(bench, dragged):
    before = bench.box()
    bench.map.dragged = dragged
    bench.film.dragged = {"name": "box", "at": [1.0, 2.0, float("nan"), 3.0], "count": 9}
    bench.map.cursor = [1.0]
    np.testing.assert_array_equal(bench.box(), before)


def test_words_typed_into_a_slider_are_refused(bench):
    with pytest.raises(Exception, match="'high'"):
        bench.bins.value = "high"
    assert bench.bins.value == 3


def test_what_cannot_be_drawn_is_said(bench):
    bench.features["p4"] = np.zeros((4, 4, 0), np.float32)
    bench.level.value = "p4"
    assert "This cannot be shown" in bench.message.value
    bench.level.value = "p2"
    assert bench.message.value == ""


def test_maps_without_a_level_are_refused():
    with pytest.raises(ValueError, match="features must hold one of p2"):
        RoiAlignBench({"p9": np.zeros((2, 2, 1))})


def test_names_are_escaped():
    assert "<i>" not in grids_html({"<i>": np.zeros((1, 1))}, (0, 1))


def test_a_point_far_outside_reads_zero():
    near = neighbours_of(np.ones((4, 4)), (-9, 2))
    assert near.value == 0.0


def test_an_odd_combination_is_a_fifth_way():
    grids = pooled_ways(
        np.ones((4, 4)), (0, 0, 2, 2), output_size=2, sampling_points=1, placement="thirds", pooling="average"
    )
    assert list(grids)[-1] == "RoIAlign (thirds, average)"


@pytest.mark.parametrize("ill", [True, False])
def test_of_lab_begins_with_a_true_box_or_with_the_middle(features, ill):
    boxes = np.array([[8.0, 8, 40, 32]])[: int(ill)]
    lab = SimpleNamespace(
        tier="phantoms",
        config=SimpleNamespace(heads=SimpleNamespace(pooling="crop_and_resize")),
        with_boxes=lambda: [4] * ill,
        input=lambda number: SimpleNamespace(boxes=boxes, grey=np.zeros((64, 64), np.uint8)),
        look=lambda number: (None, {**features, "refined": SimpleNamespace(boxes=np.zeros((0, 4)))}),
    )
    panel = RoiAlignBench.of_lab(lab)
    assert panel.box().tolist() == (boxes[0].tolist() if ill else [16.0, 16.0, 41.6, 35.2])
    assert f"Film {4 * ill} (a phantom)" in panel.about.value
    assert "trained with crop_and_resize" in panel.about.value
