"""The mask threshold's panel: state in, masks, numbers and shapes out, without a browser."""

from types import SimpleNamespace

import numpy as np
import pytest

from mini_rcnn.stages.image import ImageGeometry
from mini_rcnn.stages.masks import paste_mask, sigmoid
from mini_rcnn.view.panel_masks import (
    edge_place,
    mask_iou,
    nearest_truth,
    outline,
    shown_window,
    stretch,
    threshold_words,
)
from mini_rcnn.widgets import MaskThreshold

BOX = (20.3, 11.8, 97.1, 60.4)
SIZE = (128, 96)


@pytest.fixture
def logits(rng):
    """Return a blob of 28 x 28 logits."""
    y, x = np.mgrid[:28, :28]
    return (6 - ((y - 14) / 3.5) ** 2 - ((x - 13) / 3) ** 2 + rng.normal(size=(28, 28))).astype(np.float32)


@pytest.fixture
def truth():
    mask = np.zeros((1, *SIZE), bool)
    mask[0, 30:90, 20:50] = True
    return mask


@pytest.fixture
def panel(logits, truth):
    boxes = np.array([[30.0, 20, 90, 50]])
    return MaskThreshold(logits, BOX, np.full(SIZE, 90, np.uint8), truth_boxes=boxes, truth_masks=truth)


def on_film(panel, mask):
    whole = np.zeros(SIZE, bool)
    whole[panel.found.inside] = mask
    return whole


# ---- by hand


def test_outline_by_hand():
    mask = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], bool)
    loops = outline(mask)
    assert sorted(len(loop) for loop in loops) == [5, 7]
    assert [(0.0, 0.0), (0.0, 2.0), (1.0, 2.0), (1.0, 1.0), (2.0, 1.0), (2.0, 0.0), (0.0, 0.0)] in loops


def test_outlines_enclose_the_area_of_the_mask(rng):
    mask = rng.uniform(size=(20, 30)) < 0.5
    area = 0.0
    for loop in outline(mask):
        assert loop[0] == loop[-1]
        y, x = np.array(loop).T
        area += (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2
    assert area == mask.sum()


def test_no_mask_has_no_outline():
    assert outline(np.zeros((3, 3), bool)) == []


def test_mask_iou_counts_truth_outside_the_box():
    truth = np.ones((4, 4), bool)
    assert mask_iou(np.ones((2, 2), bool), truth, (slice(0, 2), slice(0, 2))) == 0.25
    assert mask_iou(np.zeros((2, 2), bool), np.zeros((4, 4), bool), (slice(0, 2), slice(0, 2))) == 0.0


def test_nearest_truth():
    assert nearest_truth((0, 0, 4, 4), np.array([[8.0, 8, 9, 9], [1, 1, 4, 4]])) == 1
    assert nearest_truth((0, 0, 4, 4), np.array([[8.0, 8, 9, 9]])) is None
    assert nearest_truth((0, 0, 4, 4), np.zeros((0, 4))) is None


def test_threshold_in_logits():
    assert "a logit of at least 0.00" in threshold_words(0.5, (-1, 1))
    assert "a logit of at least 2.20" in threshold_words(0.9, (-1, 1))
    assert "minus infinity" in threshold_words(0.0, (-1, 1))


# ---- the same numbers as the library's


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.5, 0.73, 1.0])
def test_enlarged_first_is_paste_mask(panel, logits, threshold):
    panel.threshold.value = threshold
    expected = paste_mask(sigmoid(logits), BOX, SIZE, threshold=threshold)
    np.testing.assert_array_equal(on_film(panel, panel.smooth), expected)


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.73])
def test_cut_first_gives_each_pixel_its_cell(panel, logits, threshold):
    panel.threshold.value = threshold
    expected = np.zeros(SIZE, bool)
    for y in range(SIZE[0]):
        for x in range(SIZE[1]):
            i = int(np.floor((y + 0.5 - BOX[0]) / (BOX[2] - BOX[0]) * 28))
            j = int(np.floor((x + 0.5 - BOX[1]) / (BOX[3] - BOX[1]) * 28))
            expected[y, x] = 0 <= i < 28 and 0 <= j < 28 and sigmoid(logits)[i, j] >= threshold
    np.testing.assert_array_equal(on_film(panel, panel.stairs), expected)


def test_the_table_says_the_counts_and_the_overlaps(panel, truth):
    panel.threshold.value = 0.3
    for mask in (panel.stairs, panel.smooth):
        whole = on_film(panel, mask)
        overlap = np.sum(whole & truth[0]) / np.sum(whole | truth[0])
        assert f">{mask.sum():,}<" in panel.numbers.value
        assert f">{overlap:.4f}<" in panel.numbers.value
    assert f"{np.sum(panel.stairs != panel.smooth):,} pixels differ" in panel.told.value


def test_both_small_outlines_are_the_same(panel):
    panel.threshold.value = 0.8
    assert panel.grids[0].shapes == panel.grids[1].shapes != []


def test_pictures_are_sent_once(panel):
    sent = []
    for canvas in panel.drawings():
        canvas.observe(lambda change: sent.append(change), "picture")
    panel.threshold.value = 0.2
    assert not sent
    panel.zoom.value = 3
    assert len(sent) == 2


@pytest.mark.parametrize("zoom", [1, 3, 8])
def test_shapes_count_from_the_part_that_is_shown(panel, zoom):
    panel.zoom.value = zoom
    y1, x1, y2, x2 = panel.window
    assert list(panel.crops[0].size) == [y2 - y1, x2 - x1]
    veil = next(shape for shape in panel.crops[0].shapes if shape["kind"] == "image")
    rows, columns = panel.found.inside
    assert veil["at"] == [rows.start - y1, columns.start - x1, rows.stop - y1, columns.stop - x1]
    truth = [shape for shape in panel.crops[0].shapes if shape["kind"] == "line"]
    assert truth[0]["at"][0] == [30 - y1, 20 - x1]


def test_the_enlarged_part_holds_the_edge(logits):
    y, x = edge_place(stretch(logits, BOX, SIZE))
    y1, x1, y2, x2 = shown_window(BOX, SIZE, zoom=8, middle=(y, x))
    assert y1 <= y < y2
    assert x1 <= x < x2


# ---- malformed state


def test_nothing_found_is_said():
    panel = MaskThreshold(film=np.zeros(SIZE, np.uint8))
    panel.threshold.value = 0.9
    panel.zoom.value = 3
    assert "Nothing was found" in panel.told.value
    assert panel.message.value == ""
    assert "no detection" in panel.still()


def test_no_arguments_at_all():
    assert MaskThreshold().message.value == ""


def test_a_film_without_masks_shows_the_true_box_and_no_overlap(logits):
    boxes = np.array([[30.0, 20, 90, 50]])
    panel = MaskThreshold(logits, BOX, np.zeros(SIZE, np.uint8), truth_boxes=boxes)
    assert "IoU" not in panel.numbers.value
    assert any(shape.get("label") == "true box" for shape in panel.crops[1].shapes)
    assert "Nobody drew a mask here" in panel.told.value


def test_a_film_without_truth(logits):
    panel = MaskThreshold(logits, BOX, np.zeros(SIZE, np.uint8), truth_masks=np.zeros((0, *SIZE), bool))
    assert "No truth here" in panel.told.value
    assert "IoU" not in panel.numbers.value


@pytest.mark.parametrize("box", [(0, 0, 0.2, 0.2), (5, 5, 6, 90), (-20, -20, 500, 400), (127.2, 95.2, 128, 96)])
def test_strange_boxes_are_shown(logits, box):
    panel = MaskThreshold(logits, box, np.zeros(SIZE, np.uint8))
    for zoom in (1, 8):
        panel.zoom.value = zoom
        assert panel.message.value == ""
    assert "<svg" in panel.still()


def test_words_typed_into_the_slider_are_refused(panel):
    with pytest.raises(Exception, match="half"):
        panel.threshold.value = "half"
    assert panel.threshold.value == 0.5


def test_what_cannot_be_drawn_is_said(panel):
    found, panel.found = panel.found, "nonsense"
    panel.threshold.value = 0.4
    assert "This cannot be shown" in panel.message.value
    panel.found = found
    panel.threshold.value = 0.5
    assert panel.message.value == ""


# ---- a lab


def lab_of(logits, count, *, masks):
    """Return what a lab gives of one film of 128 x 128 pixels with as many detections, and one without area."""
    boxes = np.array([[5.0, 5, 5, 9]] + [[20.0, 10 + 5 * n, 90, 60] for n in range(count)])
    every = np.stack([np.zeros_like(logits)] + [logits + n for n in range(count)])
    found = SimpleNamespace(boxes=boxes[1:], class_ids=np.ones(count, int), scores=np.linspace(0.9, 0.5, count))
    trace = {
        "refined": SimpleNamespace(boxes=boxes),
        "geometry": ImageGeometry((128, 128), 128, (0, 0, 128, 128), 1.0),
        "mask_logits": np.stack([np.zeros_like(every), every], axis=-1),
    }
    film = SimpleNamespace(
        pixels=np.zeros((128, 128), np.uint8),
        boxes=np.array([[30.0, 20, 90, 50]]),
        masks=np.ones((1, 128, 128), bool) if masks else None,
    )
    return SimpleNamespace(
        tier="phantoms" if masks else "RSNA",
        with_boxes=lambda: [3],
        film=lambda number: film,
        look=lambda number: (found, trace),
    )


@pytest.mark.parametrize("detection", [0, 1])
@pytest.mark.parametrize("masks", [True, False])
def test_of_lab_takes_the_detections_own_logits(logits, detection, masks):
    panel = MaskThreshold.of_lab(lab_of(logits, 2, masks=masks), detection=detection)
    np.testing.assert_array_equal(panel.found.probabilities, sigmoid(logits + detection))
    assert f"Film 3 ({'a phantom' if masks else 'of RSNA'})" in panel.about.value
    assert ("IoU" in panel.numbers.value) == masks


def test_of_lab_where_nothing_was_found(logits):
    panel = MaskThreshold.of_lab(lab_of(logits, 0, masks=True), 3)
    assert "It found nothing on this film" in panel.about.value


def test_of_lab_refuses_a_detection_that_is_not_there(logits):
    with pytest.raises(ValueError, match="detection must be 0 to 1 on film 3, got 2"):
        MaskThreshold.of_lab(lab_of(logits, 2, masks=True), 3, detection=2)
