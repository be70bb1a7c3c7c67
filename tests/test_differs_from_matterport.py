"""Where Matterport's convention or behaviour is another: shown live, with the conversion and without; classic alone.

Each test would fail if the difference went away, so none of the conversions can become a fig leaf.
"""

import numpy as np
import pytest

from mini_rcnn import conventions, matterport, reference
from mini_rcnn.cases import named_cases, random_cases
from mini_rcnn.cases.case import box_sets, crowded_boxes
from mini_rcnn.cases.suppression_cases import DELTA_STD, grid_anchors
from mini_rcnn.conventions import from_inclusive, inclusive_window, norm_boxes, to_inclusive
from mini_rcnn.stages.anchors import pyramid_anchors
from mini_rcnn.stages.boxes import box_iou, encode_deltas
from mini_rcnn.stages.detections import refine_detections
from mini_rcnn.stages.nms import non_max_suppression
from mini_rcnn.stages.proposals import propose
from mini_rcnn.stages.roi_align import crop_and_resize, pyramid_level, pyramid_roi_align

SIZE = (192, 320)


def find(stage, name):
    """Return the named case."""
    return {case.name: case for case in named_cases(stage)}[name]


def differ(one, other, atol=1e-3):
    """Return whether two arrays have other shapes, or somewhere other values."""
    return one.shape != other.shape or bool((np.abs(one - other) > atol).any())


def test_normalised_boxes_are_matterports():
    boxes = box_sets(SIZE)["outside the image"]
    utils = matterport.load().utils
    theirs = utils.norm_boxes(boxes, SIZE)
    np.testing.assert_array_equal(norm_boxes(boxes, SIZE), theirs)
    assert differ(boxes / np.tile(SIZE, 2), theirs)  # without the shift
    np.testing.assert_allclose(conventions.denorm_boxes(theirs, SIZE), boxes, atol=1e-4)
    odd = boxes + np.float32(0.3)
    assert differ(utils.denorm_boxes(norm_boxes(odd, SIZE), SIZE), odd)  # it rounds


def proposal_inputs(rng):
    """Return scores, deltas and anchors in pixels, none of which ends at a border."""
    anchors = grid_anchors(SIZE, 32, (24, 48))
    inside = ((anchors >= 0) & (anchors <= np.tile(SIZE, 2))).all(axis=1)
    anchors = anchors[inside].astype(np.float32)
    return rng.random(len(anchors)).astype(np.float32), rng.normal(0, 1, anchors.shape).astype(np.float32), anchors


def test_proposals_need_the_shorter_frame(rng):
    objectness, deltas, anchors = proposal_inputs(rng)
    options = {"max_proposals": 30, "iou_threshold": 0.7, "delta_std": DELTA_STD}
    rows, _, empty = matterport.proposal_layer(objectness, deltas, norm_boxes(anchors, SIZE), **options)
    assert not empty
    theirs = conventions.denorm_boxes(conventions.drop_padding(rows), SIZE)
    ours = propose(
        objectness, deltas, to_inclusive(anchors), window=inclusive_window(SIZE), pre_nms_limit=6000, **options
    )
    np.testing.assert_allclose(from_inclusive(ours.boxes), theirs, atol=1e-5 * min(SIZE))
    plain = propose(objectness, deltas, anchors, window=(0, 0, *SIZE), pre_nms_limit=6000, **options)
    assert differ(plain.boxes, theirs)


def test_detections_need_the_shorter_frame(rng):
    case = find("detections.refine_detections", "several classes")
    inclusive, probabilities, deltas = case.inputs
    proposals, window = from_inclusive(inclusive), (16, 8, 180, 300)
    options = {name: case.options[name] for name in ("min_confidence", "iou_threshold", "max_detections", "delta_std")}
    rows = matterport.detection_layer(
        norm_boxes(proposals, SIZE), probabilities, deltas, image_size=SIZE, window=window, **options
    )
    theirs = conventions.drop_padding(rows)
    ours = refine_detections(inclusive, probabilities, deltas, window=to_inclusive(np.array(window)), **options)
    np.testing.assert_array_equal(ours.class_ids, theirs[:, 4])
    np.testing.assert_array_equal(ours.scores, theirs[:, 5])
    boxes = conventions.denorm_boxes(theirs[:, :4], SIZE)
    np.testing.assert_allclose(from_inclusive(ours.boxes), boxes, atol=1e-5 * min(SIZE))
    plain = refine_detections(proposals, probabilities, deltas, window=window, **options)
    assert differ(plain.boxes, boxes)


def levels_of_matterport(boxes, size):
    """Return the level that PyramidROIAlign reads pixel boxes from: its maps hold their own number."""
    features = {level: np.full((64, 64, 1), float(level[1:]), np.float32) for level in matterport.LEVELS}
    samples = matterport.pyramid_roi_align(features, norm_boxes(boxes, size), image_size=size, output_size=(1, 1))
    return samples.ravel()


def test_the_level_is_that_of_a_shorter_box():
    boxes, size = np.float32([[3, 5, 161.9, 163.9], [3, 5, 162.9, 164.9]]), (448, 448)
    theirs = levels_of_matterport(boxes, size)
    np.testing.assert_array_equal(pyramid_level(conventions.boxes_for_level(boxes, size), image_size=size), theirs)
    assert theirs.tolist() == [3, 4]
    assert pyramid_level(boxes, image_size=size).tolist() == [4, 4]  # without the conversion


def test_exactly_on_a_level_border_rounding_decides():
    """Levels 2.5, 3.5 and 4.5 to the last digit: we round half to even; Matterport's float32 logarithm falls short.

    A ten-thousandth to either side both agree: see the cases of ``pyramid_level``.
    """
    boxes, size = np.float32([[0, 0, 56, 112], [0, 0, 112, 224], [0, 0, 224, 448]]), (448, 448)
    assert pyramid_level(boxes, image_size=size).tolist() == [2, 4, 4]
    assert reference.pyramid_level(boxes, image_size=size)[0].tolist() == [2, 3, 4]


@pytest.mark.parametrize("count", [5, 16, 40])
def test_ties_in_score_need_distinct_scores(count):
    boxes = np.arange(count, dtype=np.float32)[:, None] * 20 + np.float32([0, 0, 10, 10])
    scores = np.full(count, 0.5, np.float32)
    distinct = conventions.distinct_scores(scores)
    ours = non_max_suppression(boxes, scores, iou_threshold=0.5)
    np.testing.assert_array_equal(ours, np.arange(count))
    np.testing.assert_array_equal(matterport.non_max_suppression(boxes, distinct, 0.5), ours)
    np.testing.assert_array_equal(matterport.tf_non_max_suppression(boxes, distinct, 0.5, count), ours)
    theirs = matterport.non_max_suppression(boxes, scores, 0.5)
    assert differ(theirs, ours)
    if count <= 16:  # from 17 on its sort is not stable, and neither order is kept
        np.testing.assert_array_equal(theirs, ours[::-1])
    assert differ(matterport.tf_non_max_suppression(boxes, scores, 0.5, count), ours)  # its heap's order


def test_tensorflow_removes_at_the_threshold_itself():
    case = find("nms.non_max_suppression", "overlap exactly at the threshold")
    assert non_max_suppression(*case.inputs, **case.options).tolist() == [0, 1, 2]
    assert matterport.non_max_suppression(*case.inputs, 0.5).tolist() == [0, 1, 2]
    assert matterport.tf_non_max_suppression(*case.inputs, 0.5, 3).tolist() == [0]
    above = conventions.threshold_for_at_least(0.5)
    assert matterport.tf_non_max_suppression(*case.inputs, above, 3).tolist() == [0, 1, 2]


def test_tensorflow_removes_identical_boxes_even_at_threshold_1():
    boxes, scores = box_sets(SIZE)["identical boxes"], np.float32([0.1, 0.2, 0.5, 0.4, 0.3])
    assert matterport.tf_non_max_suppression(boxes, scores, 1.0, 5).tolist() == [2]
    assert matterport.non_max_suppression(boxes, scores, 1.0).tolist() == [2, 3, 4, 1, 0]
    assert non_max_suppression(boxes, scores, iou_threshold=1.0).tolist() == [2, 3, 4, 1, 0]


def test_tensorflow_is_stuck_on_an_empty_box(rng):
    boxes, scores = crowded_boxes(rng, 60, SIZE), rng.random(60).astype(np.float32)
    boxes[::7, 2] = boxes[::7, 0]
    ours = non_max_suppression(boxes, scores, iou_threshold=0.5)
    threshold = conventions.threshold_for_at_least(0.5)
    theirs = matterport.tf_non_max_suppression(boxes, scores, threshold, 60)
    assert len(set(theirs)) < len(theirs)
    np.testing.assert_array_equal(conventions.stuck_on_empty(ours, boxes, 60), theirs)


def test_a_clipped_away_proposal_costs_matterport_all_after_it():
    stuck = 0
    for case in named_cases("proposals.propose") + random_cases("proposals.propose", seed=5, count=200):
        sides = np.tile(case.options["window"][2:], 2).astype(np.float32)
        options = {name: case.options[name] for name in ("max_proposals", "delta_std")}
        objectness, deltas, anchors = case.inputs
        rows, ids, empty = matterport.proposal_layer(
            conventions.distinct_scores(objectness),
            deltas,
            anchors / sides,
            iou_threshold=conventions.threshold_for_at_least(case.options["iou_threshold"]),
            **options,
        )
        ours = propose(*case.inputs, **case.options)
        limit, order = options["max_proposals"], np.arange(len(ours.boxes))
        expected = conventions.stuck_on_empty(order, ours.boxes, limit) if empty else order
        np.testing.assert_array_equal(ours.anchor_ids[expected], ids, err_msg=case.name)
        np.testing.assert_allclose(rows[: len(ids)] * sides, ours.boxes[expected], atol=case.atol, err_msg=case.name)
        stuck += len(set(ids)) < len(ids)
    assert stuck > 0


def test_a_clipped_away_detection_costs_its_class_all_after_it():
    case = find("detections.refine_detections", "zero-area boxes")
    proposals, probabilities, deltas = case.inputs
    options = {name: case.options[name] for name in ("min_confidence", "iou_threshold", "max_detections", "delta_std")}
    window = np.float32(case.options["window"])
    _, ids, empty = matterport.refine_detections(proposals / 512, probabilities, deltas, window / 512, **options)
    ours = refine_detections(*case.inputs, **case.options)
    assert empty and ids.tolist() == [1]
    assert ours.proposal_ids.tolist() == [1, 0, 2, 3, 4]


def test_a_proposal_clipped_into_the_corner_looks_like_padding():
    anchors = np.float32([[-30, -30, -10, -10]])
    rows, ids, _ = matterport.proposal_layer(
        np.float32([0.9]),
        np.zeros((1, 4), np.float32),
        norm_boxes(anchors, SIZE),
        max_proposals=1,
        iou_threshold=0.7,
        delta_std=DELTA_STD,
    )
    assert ids.tolist() == [0] and rows.tolist() == [[0, 0, 0, 0]]
    assert len(conventions.drop_padding(rows)) == 0


@pytest.mark.parametrize("stage", ["crop_and_resize", "pyramid_roi_align"])
def test_the_last_row_of_a_box_may_be_lost(stage):
    """Without the nudge: where samples differ at all, Matterport's is 0, a last row or column, and ours is not."""
    name = "up to the last cell" if stage == "crop_and_resize" else "up to the image's edge"
    case = find(f"roi_align.{stage}", name)
    features, boxes = case.inputs
    if stage == "crop_and_resize":
        ours = crop_and_resize(features, boxes, **case.options)
        theirs = matterport.crop_and_resize(features, norm_boxes(boxes, features.shape[:2]), (7, 7))
    else:
        ours = pyramid_roi_align(features, boxes, **case.options)
        theirs = matterport.pyramid_roi_align(features, norm_boxes(boxes, case.options["image_size"]), **case.options)
    lost = np.abs(ours - theirs) > case.atol
    assert lost.any() and not lost.all()
    assert not lost[:, :-1, :-1].any()
    assert not theirs[lost].any()


def test_overlaps_of_empty_boxes_are_not_numbers():
    empty = np.float32([[10, 20, 10, 60], [12, 30, 12, 30]])
    assert np.isnan(matterport.compute_overlaps(empty, empty)).all()
    assert np.isnan(matterport.overlaps_graph(empty, empty)).all()
    np.testing.assert_array_equal(box_iou(empty, empty), np.zeros((2, 2)))


def test_an_empty_box_has_no_deltas():
    box, empty = np.float32([[0, 0, 4, 4]]), np.float32([[2, 2, 2, 4]])
    assert not np.isfinite(matterport.box_refinement(empty, box)).all()
    assert not np.isfinite(matterport.box_refinement(box, empty)).all()
    with pytest.raises(ValueError, match="boxes must have height and width > 0"):
        encode_deltas(empty, box)


def test_suppression_of_nothing():
    none = np.zeros((0, 4), np.float32)
    with pytest.raises(AssertionError):
        matterport.non_max_suppression(none, none[:, 0], 0.5)
    assert matterport.tf_non_max_suppression(none, none[:, 0], 0.5, 5).tolist() == []
    assert non_max_suppression(none, none[:, 0], iou_threshold=0.5).tolist() == []


def test_a_scale_too_few_goes_unnoticed():
    options = {"scales": (32, 64, 128, 256), "ratios": (0.5, 1, 2), "strides": (4, 8, 16, 32, 64), "anchor_stride": 1}
    assert len(matterport.generate_pyramid_anchors((256, 256), **options)) == 16320
    with pytest.raises(ValueError, match="16368 scores, but only 16320 anchors"):
        pyramid_anchors(256, **options)


def test_a_batch_of_two_comes_out_as_one():
    tf, model = matterport.load().tf, matterport.load().model

    def build(boxes, meta, *features):
        return model.PyramidROIAlign((7, 7)).call([boxes, meta, *features])

    shapes = [(2, 3, 4), (2, 13)] + [(2, 8, 8, 1)] * 4
    pooled = matterport.quietly(matterport.graph_function)(build, *shapes)(*[np.ones(shape) for shape in shapes])
    assert pooled.shape == (1, 6, 7, 7, 1)
    assert tf.executing_eagerly()  # graphs and eager TensorFlow live side by side
