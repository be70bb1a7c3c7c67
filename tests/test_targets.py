"""Training targets: by hand, by their properties, and NumPy against TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later, as_numpy, random_boxes

from mini_rcnn.stages.anchors import pyramid_anchors
from mini_rcnn.stages.boxes import box_iou, decode_deltas
from mini_rcnn.stages.targets import head_targets, label_anchors, rpn_targets

tf = Later("tensorflow.compat.v2")
tf_targets = Later("mini_rcnn.stages_tf.targets")
ANCHORS = pyramid_anchors(128, scales=(8, 16, 32, 64, 128), ratios=(0.5, 1, 2), strides=(4, 8, 16, 32, 64))
STD = (0.1, 0.1, 0.2, 0.2)


def truths(rng, n_truths):
    return random_boxes(rng, n_truths, extent=128) if n_truths else np.zeros((0, 4))


def test_labels_by_hand():
    overlaps = np.array([[0.7, 0.1], [0.3, 0.1], [0.29, 0.0], [0.0, 0.2], [0.69, 0.1]])
    labels, truth_ids = label_anchors(overlaps, positive_iou=0.7, negative_iou=0.3)
    assert labels.tolist() == [1, 0, -1, 1, 0]  # at 0.7 an object, at 0.3 no background, the best fit is an object
    assert truth_ids.tolist() == [0, 0, 0, 1, 0]


def test_without_truth_everything_is_background():
    targets = rpn_targets(ANCHORS, np.zeros((0, 4)), np.arange(len(ANCHORS)) / len(ANCHORS))
    assert (targets.labels == -1).sum() == 256
    assert (targets.labels[:256] == -1).all()  # the lowest priorities
    assert not targets.deltas.any()


@pytest.mark.parametrize("n_truths", [1, 2, 5])
def test_every_truth_has_an_anchor_and_its_deltas_lead_there(rng, n_truths):
    truth = truths(rng, n_truths)
    targets = rpn_targets(ANCHORS, truth, rng.random(len(ANCHORS)), delta_std=STD)
    objects = targets.labels == 1
    assert objects.sum() <= 128 and (targets.labels != 0).sum() == 256
    reached = decode_deltas(ANCHORS[objects], targets.deltas[objects] * STD)
    np.testing.assert_allclose(box_iou(reached, truth).max(axis=1), 1, rtol=1e-9)
    overlaps = box_iou(ANCHORS, truth)
    assert set(overlaps.argmax(axis=0)) <= set(np.flatnonzero(objects))
    assert (overlaps[targets.labels == -1].max(axis=1) < 0.3).all()


@pytest.mark.parametrize("n_truths", [0, 1, 4])
@pytest.mark.parametrize("in_graph", [False, True])
def test_rpn_targets_in_tensorflow(rng, n_truths, in_graph):
    truth, priority = truths(rng, n_truths), rng.random(len(ANCHORS))
    wanted = rpn_targets(ANCHORS, truth, priority, max_anchors=64, delta_std=STD)
    padded = np.concatenate([truth, np.zeros((6 - n_truths, 4))])

    def run(*tensors):
        return tf_targets.rpn_targets(*tensors, max_anchors=64, delta_std=STD)

    got = as_numpy((tf.function(run) if in_graph else run)(ANCHORS, padded, priority))
    np.testing.assert_array_equal(got.labels, wanted.labels)
    np.testing.assert_allclose(got.deltas, wanted.deltas, atol=1e-9)


def head_case(rng, n_truths, n_proposals=60):
    truth = truths(rng, n_truths)
    near = np.repeat(truth, 5, axis=0) + rng.normal(size=(5 * n_truths, 4)) * 2
    far = random_boxes(rng, max(0, n_proposals - len(near)), extent=128)
    proposals = np.concatenate([near, far])[rng.permutation(len(near) + len(far))]
    proposals[:, 2:] = np.maximum(proposals[:, 2:], proposals[:, :2] + 1)
    return (
        proposals,
        truth,
        rng.integers(1, 3, n_truths),
        rng.random((n_truths, 14, 14)) > 0.4,
        rng.random(len(proposals)),
    )


@pytest.mark.parametrize("negatives, wanted", [("full", 30), ("by_positives", 0)])
def test_an_image_without_truth_teaches_the_heads_only_if_asked_to(rng, negatives, wanted):
    targets = head_targets(*head_case(rng, 0), max_rois=30, negatives=negatives)
    assert len(targets.boxes) == wanted
    assert not targets.class_ids.any() and targets.masks.shape == (0, 28, 28)


@pytest.mark.parametrize("negatives", ["full", "by_positives"])
def test_objects_come_first_and_keep_to_their_share(rng, negatives):
    proposals, truth, class_ids, masks, priority = head_case(rng, 4)
    targets = head_targets(proposals, truth, class_ids, masks, priority, max_rois=30, negatives=negatives)
    n_objects = int((targets.class_ids > 0).sum())
    assert n_objects == len(targets.masks) == 10  # a third of 30; 20 proposals would do
    assert (targets.class_ids[:n_objects] > 0).all()
    best = box_iou(targets.boxes, truth).max(axis=1)
    assert (best[:n_objects] >= 0.5).all() and (best[n_objects:] < 0.5).all()
    assert len(targets.boxes) == 30
    reached = decode_deltas(targets.boxes[:n_objects], targets.deltas[:n_objects] * STD)
    np.testing.assert_allclose(box_iou(reached, truth).max(axis=1), 1, rtol=1e-9)


def test_the_mask_of_a_proposal_that_is_the_truth_is_the_truths():
    mask = np.zeros((1, 28, 28), dtype=bool)
    mask[:, 5:20, 7:9] = True
    box = np.array([[10.0, 20, 38, 48]])
    targets = head_targets(box, box, [1], mask, [0.5])
    np.testing.assert_array_equal(targets.masks, mask)


def test_half_a_mask_under_half_a_proposal():
    mask = np.zeros((1, 29, 29), dtype=bool)
    mask[:, :14] = True  # upper half
    truth = np.array([[0.0, 0, 28, 28]])
    lower = np.array([[14.0, 0, 28, 28]])
    targets = head_targets(lower, truth, [1], mask, [0.5], positive_iou=0.4)
    assert not targets.masks.any()


@pytest.mark.parametrize("n_truths", [0, 1, 4])
@pytest.mark.parametrize("negatives", ["full", "by_positives"])
@pytest.mark.parametrize("in_graph", [False, True])
def test_head_targets_in_tensorflow(rng, n_truths, negatives, in_graph):
    proposals, truth, class_ids, masks, priority = head_case(rng, n_truths)
    wanted = head_targets(proposals, truth, class_ids, masks, priority, max_rois=45, negatives=negatives)
    more = 6 - n_truths
    padded = (
        np.concatenate([proposals, np.zeros((7, 4))]),
        len(proposals),
        np.concatenate([truth, np.zeros((more, 4))]),
        np.concatenate([class_ids, np.zeros(more, np.int64)]),
        np.concatenate([masks, np.zeros((more, 14, 14), bool)]),
        np.concatenate([priority, np.zeros(7)]),
    )

    def run(*tensors):
        return tf_targets.head_targets(*tensors, max_rois=45, negatives=negatives)

    got = as_numpy((tf.function(run) if in_graph else run)(*padded))
    assert got.count == len(wanted.boxes) and got.n_objects == len(wanted.masks)
    np.testing.assert_allclose(got.boxes[: got.count], wanted.boxes)
    np.testing.assert_array_equal(got.class_ids[: got.count], wanted.class_ids)
    np.testing.assert_allclose(got.deltas[: got.count], wanted.deltas, atol=1e-9)
    np.testing.assert_array_equal(got.masks[: got.n_objects], wanted.masks)
    for part in (got.boxes, got.class_ids, got.deltas):
        assert len(part) == 45 and not part[got.count :].any()
    assert got.masks.shape == (15, 28, 28) and not got.masks[got.n_objects :].any()


@pytest.mark.parametrize("negatives", ["full", "by_positives"])
def test_targets_of_a_batch_are_those_of_its_images(rng, negatives):
    """Each with another number of truths, and of proposals, than its neighbours; the last with none of either."""
    cases = [head_case(rng, n_truths, n_proposals) for n_truths, n_proposals in ((4, 60), (0, 33), (1, 40), (0, 0))]
    rows = []
    for proposals, truth, class_ids, masks, priority in cases:
        more, left = 6 - len(truth), 60 - len(proposals)
        rows.append((
            np.pad(proposals, [(0, left), (0, 0)]), len(proposals), np.pad(truth, [(0, more), (0, 0)]),
            np.pad(class_ids, (0, more)), np.pad(masks, [(0, more), (0, 0), (0, 0)]), np.pad(priority, (0, left)),
        ))  # fmt: skip
    batch = [np.stack(parts) for parts in zip(*rows)]
    options = {"max_rois": 45, "negatives": negatives}
    together = as_numpy(tf_targets.head_targets(*batch, **options))
    anchors = rng.random((len(cases), len(ANCHORS)))
    labels, deltas = as_numpy(tf_targets.rpn_targets(ANCHORS, batch[2], anchors, max_anchors=64))
    for i, row in enumerate(rows):
        for ours, alone in zip(together, as_numpy(tf_targets.head_targets(*row, **options))):
            np.testing.assert_array_equal(ours[i], alone)
        alone = as_numpy(tf_targets.rpn_targets(ANCHORS, row[2], anchors[i], max_anchors=64))
        np.testing.assert_array_equal(labels[i], alone.labels)
        np.testing.assert_array_equal(deltas[i], alone.deltas)
    assert together.count.tolist()[3] == 0 and len(set(together.count.tolist())) > 2


@pytest.mark.parametrize(
    "change, words",
    [
        ({"priority": [1.0]}, "priority must have shape"),
        ({"truth": [[5.0, 5, 1, 1]]}, "y1 <= y2"),
        ({"positive_iou": 2}, r"positive_iou must lie in \[0, 1\]"),
        ({"max_anchors": -1}, "max_anchors must be a whole number"),
        ({"delta_std": (0, 1, 1, 1)}, "delta_std must be positive"),
    ],
)
def test_bad_input_is_named(change, words):
    arguments = {"anchors": ANCHORS[:3], "truth": ANCHORS[:1], "priority": np.zeros(3), **change}
    with pytest.raises(ValueError, match=words):
        rpn_targets(arguments.pop("anchors"), arguments.pop("truth"), arguments.pop("priority"), **arguments)
