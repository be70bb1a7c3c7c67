"""Matterport's answers to our stages' arguments: the conversions on the way in and out, and its own code between.

Each function takes what the stage takes and returns what the stage returns, but all arrays, and named containers as
plain tuples. `REFERENCES` lists them. Needs the classic environment, see `mini_rcnn.matterport`.
"""

from __future__ import annotations

import numpy as np

from . import conventions, matterport
from .conventions import drop_padding, masks_first, masks_last, norm_boxes


def pyramid_anchors(*, image_size, scales, ratios, strides, anchor_stride=1):
    """Return the anchors of ``mrcnn.utils.generate_pyramid_anchors``; nothing to convert."""
    return (
        matterport.generate_pyramid_anchors(
            image_size, scales=scales, ratios=ratios, strides=strides, anchor_stride=anchor_stride
        ),
    )


def box_iou(boxes_a, boxes_b):
    """Return the overlaps of ``mrcnn.utils.compute_overlaps``, 0 where it divides 0 by 0."""
    return (conventions.undefined_to_zero(matterport.compute_overlaps(boxes_a, boxes_b)),)


def box_iou_graph(boxes_a, boxes_b):
    """Return the overlaps of ``mrcnn.model.overlaps_graph``, 0 where it divides 0 by 0."""
    return (conventions.undefined_to_zero(matterport.overlaps_graph(boxes_a, boxes_b)),)


def decode_deltas(boxes, deltas):
    """Return the boxes of ``mrcnn.utils.apply_box_deltas``; nothing to convert."""
    return (matterport.apply_box_deltas(boxes, deltas),)


def decode_deltas_graph(boxes, deltas):
    """Return the boxes of ``mrcnn.model.apply_box_deltas_graph``; nothing to convert."""
    return (matterport.apply_box_deltas_graph(boxes, deltas),)


def encode_deltas(boxes, targets):
    """Return the deltas of ``mrcnn.utils.box_refinement``; nothing to convert."""
    return (matterport.box_refinement(boxes, targets),)


def encode_deltas_graph(boxes, targets):
    """Return the deltas of ``mrcnn.utils.box_refinement_graph``; nothing to convert."""
    return (matterport.box_refinement_graph(boxes, targets),)


def clip_boxes(boxes, window):
    """Return the boxes of ``mrcnn.model.clip_boxes_graph``; nothing to convert."""
    return (matterport.clip_boxes_graph(boxes, window),)


def non_max_suppression(boxes, scores, *, iou_threshold, max_boxes=None):
    """Return the indices of ``mrcnn.utils.non_max_suppression``, without ties, and the first ``max_boxes`` of them."""
    kept = matterport.non_max_suppression(boxes, conventions.distinct_scores(scores), iou_threshold)
    return (kept[:max_boxes].astype(np.int64),)


def non_max_suppression_tf(boxes, scores, *, iou_threshold, max_boxes=None):
    """Return the indices of ``tf.image.non_max_suppression``, without ties, at the next higher threshold."""
    kept = matterport.tf_non_max_suppression(
        boxes,
        conventions.distinct_scores(scores),
        conventions.threshold_for_at_least(iou_threshold),
        len(boxes) if max_boxes is None else max_boxes,
    )
    return (kept.astype(np.int64),)


def propose(objectness, deltas, anchors, *, window, pre_nms_limit, max_proposals, iou_threshold, delta_std):
    """Return the proposals of ``mrcnn.model.ProposalLayer``: window to [0, 1] and back, no ties, no padding.

    Where a box has no area, the layer runs on Matterport's NumPy suppression: TensorFlow's would be stuck.
    """
    if pre_nms_limit != 6000 or tuple(window[:2]) != (0, 0):
        raise ValueError(f"Matterport has pre_nms_limit 6000 and a window from (0, 0), got {pre_nms_limit}, {window}")
    sides = np.tile(window[2:], 2).astype(np.float32)
    inputs = (conventions.distinct_scores(objectness), deltas, anchors / sides)
    options = {"max_proposals": max_proposals, "delta_std": delta_std}
    rows, ids, empty = matterport.proposal_layer(
        *inputs, iou_threshold=conventions.threshold_for_at_least(iou_threshold), **options
    )
    if empty:
        rows, ids, _ = matterport.proposal_layer(*inputs, iou_threshold=iou_threshold, in_numpy=True, **options)
    return rows[: len(ids)] * sides, objectness[ids], ids.astype(np.int64)


def crop_and_resize(feature, boxes, *, output_size):
    """Return the samples of ``tf.image.crop_and_resize``: boxes normalised on the feature map, edges kept inside."""
    boxes_norm = conventions.nudge_inside(norm_boxes(boxes, feature.shape[:2]))
    return (matterport.crop_and_resize(feature, boxes_norm, output_size),)


def pyramid_roi_align(features, boxes, *, image_size, output_size):
    """Return the samples of ``mrcnn.model.PyramidROIAlign``: boxes normalised on the image, edges kept inside."""
    boxes_norm = conventions.nudge_inside(norm_boxes(boxes, image_size))
    return (matterport.pyramid_roi_align(features, boxes_norm, image_size=image_size, output_size=output_size),)


def pyramid_level(boxes, *, image_size):
    """Return the levels that ``mrcnn.model.PyramidROIAlign`` reads `boxes_for_level` from.

    Each level's feature map holds the level's number, so the samples tell. To be sure of a sample inside the map the
    boxes, which only their size matters of, are moved to the image's middle.
    """
    boxes_norm = np.asarray(boxes) / np.tile(image_size, 2)
    boxes_norm = boxes_norm - np.tile((boxes_norm[:, :2] + boxes_norm[:, 2:]) / 2 - 0.5, 2)
    features = {level: np.full((2, 2, 1), float(level[1:]), np.float32) for level in matterport.LEVELS}
    samples = matterport.pyramid_roi_align(
        features, boxes_norm.astype(np.float32), image_size=image_size, output_size=(1, 1)
    )
    return (np.rint(samples[:, 0, 0, 0]).astype(np.int64),)


def refine_detections(
    proposals, probabilities, deltas, *, window, min_confidence, iou_threshold, max_detections, delta_std
):
    """Return the detections of ``mrcnn.model.refine_detections_graph``: no ties, no padding; the frame is any.

    Where a box has no area, the graph runs on Matterport's NumPy suppression: TensorFlow's would be stuck.
    """
    scale = np.float32(512)
    inputs = (proposals / scale, conventions.distinct_best(probabilities), deltas, np.array(window, np.float32) / scale)
    options = {"min_confidence": min_confidence, "max_detections": max_detections, "delta_std": delta_std}
    rows, ids, empty = matterport.refine_detections(
        *inputs, iou_threshold=conventions.threshold_for_at_least(iou_threshold), **options
    )
    if empty:
        rows, ids, _ = matterport.refine_detections(*inputs, iou_threshold=iou_threshold, in_numpy=True, **options)
    rows = drop_padding(rows)
    return rows[:, :4] * scale, rows[:, 4].astype(np.int64), rows[:, 5], ids


def fit_to_square(image, *, size):
    """Return image, window and scale of ``mrcnn.utils.resize_image`` for a float image; nothing to convert."""
    resized, window, scale = matterport.resize_image(image, size)
    return resized, np.array(window), np.float64(scale)


def normalise(image, *, mean):
    """Return the image of ``mrcnn.model.mold_image``, in float32."""
    return (matterport.mold_image(image, mean).astype(np.float32),)


def paste_mask(probabilities, *, box, image_size):
    """Return the mask of ``mrcnn.utils.unmold_mask``; nothing to convert."""
    return (matterport.unmold_mask(probabilities, box, image_size),)


def minimize_masks(masks, boxes, *, size):
    """Return ``mrcnn.utils.expand_mask`` of the masks cut to their boxes, as floats, so that it smooths them as such.

    Its ``minimize_mask``, whose steps are the same, goes back to booleans first.
    """
    small = [
        matterport.expand_mask(np.array([[0, 0, *size]]), masks_last(mask[None, y1:y2, x1:x2].astype(float)), size)
        for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int))
    ]
    return (masks_first(np.concatenate([np.zeros((*size, 0), dtype=bool), *small], axis=-1)),)


def minimize_masks_as_booleans(masks, boxes, *, size):
    """Return ``mrcnn.utils.minimize_mask``, smoothed as booleans."""
    return (masks_first(matterport.minimize_mask(boxes, masks_last(masks), size)),)


def expand_masks(small, boxes, *, image_size):
    """Return ``mrcnn.utils.expand_mask`` of the masks as floats, so that it smooths them as such."""
    return (masks_first(matterport.expand_mask(boxes, masks_last(small.astype(float)), image_size)),)


# Cases on which Matterport's function gives no answer to compare with; what it does instead is tested by name.
REFUSED = {
    ("utils.non_max_suppression", "none"): "asserts that there is a box",
    ("tf.image.non_max_suppression", "zero-area boxes"): "TensorFlow 1.15 repeats the first of them",
}

# The stage, and whose answer to its cases is the reference, under the name of Matterport's function.
REFERENCES = {
    "utils.generate_pyramid_anchors": ("anchors.pyramid_anchors", pyramid_anchors),
    "utils.compute_overlaps": ("boxes.box_iou", box_iou),
    "model.overlaps_graph": ("boxes.box_iou", box_iou_graph),
    "utils.apply_box_deltas": ("boxes.decode_deltas", decode_deltas),
    "model.apply_box_deltas_graph": ("boxes.decode_deltas", decode_deltas_graph),
    "utils.box_refinement": ("boxes.encode_deltas", encode_deltas),
    "utils.box_refinement_graph": ("boxes.encode_deltas", encode_deltas_graph),
    "model.clip_boxes_graph": ("boxes.clip_boxes", clip_boxes),
    "utils.non_max_suppression": ("nms.non_max_suppression", non_max_suppression),
    "tf.image.non_max_suppression": ("nms.non_max_suppression", non_max_suppression_tf),
    "model.ProposalLayer": ("proposals.propose", propose),
    "tf.image.crop_and_resize": ("roi_align.crop_and_resize", crop_and_resize),
    "model.PyramidROIAlign": ("roi_align.pyramid_roi_align", pyramid_roi_align),
    "model.PyramidROIAlign, its level": ("roi_align.pyramid_level", pyramid_level),
    "model.refine_detections_graph": ("detections.refine_detections", refine_detections),
    "utils.resize_image": ("image.fit_to_square", fit_to_square),
    "model.mold_image": ("image.normalise", normalise),
    "utils.unmold_mask": ("masks.paste_mask", paste_mask),
    "utils.minimize_mask": ("masks.minimize_masks", minimize_masks),
    "utils.expand_mask": ("masks.expand_masks", expand_masks),
}
