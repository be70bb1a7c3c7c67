"""What a network is asked for while it learns: which anchors and proposals count as objects, and where those are.

Both choices sample at random. Here the dice are thrown before: ``priority`` holds a number for each candidate, and of
too many candidates the lowest numbers stay. So a run can be repeated, and held against Matterport's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._check import boxes_array, rows_array, shaped, std_array, unit_number, whole_number
from .boxes import box_iou, encode_deltas
from .roi_align import crop_grid

OBJECT, NEUTRAL, BACKGROUND = 1, 0, -1


class RpnTargets(NamedTuple):
    """What the region proposal network should say of each anchor."""

    labels: np.ndarray  # (A,), int64: 1 object, -1 background, 0 not asked
    deltas: np.ndarray  # (A, 4), from the anchor to its truth, in units of ``delta_std``; zeros where no object


class HeadTargets(NamedTuple):
    """Proposals for the heads to learn from, objects first, and what the heads should say of each."""

    boxes: np.ndarray  # (R, 4), pixels
    class_ids: np.ndarray  # (R,), int64; 0 is background
    deltas: np.ndarray  # (R, 4), in units of ``delta_std``; zeros for background
    masks: np.ndarray  # (P, h, w), 0 or 1, of the P objects


def label_anchors(overlaps, *, positive_iou, negative_iou):
    """Return the label of each anchor and the truth it fits best, (A,) int64 each, before any is left out.

    Parameters
    ----------
    overlaps : ndarray of shape (A, M), float
        IoU of each anchor with each truth; M may be 0.
    positive_iou, negative_iou : float
        In [0, 1]. From the first on an anchor is an object; below the second it is background.

    Returns
    -------
    labels : ndarray of shape (A,), int64
        1 object, -1 background, 0 in between. The anchor that fits a truth best is an object, however badly it fits.
    truth_ids : ndarray of shape (A,), int64
        Of the truth that the anchor overlaps most, whatever its label; 0 where there is no truth. Of equal ones the
        lower index.

    Notes
    -----
    Faster R-CNN, section 3.1.2. Each truth makes one object of the anchor that fits it best (of equal ones the lower
    index), so that none is without; nothing takes that back. Without truth every anchor is background: an empty image
    teaches, too. Matterport: part of ``mrcnn.model.build_rpn_targets``, which raises an error there.

    Examples
    --------
    >>> labels, truths = label_anchors(np.array([[0.8, 0.0], [0.5, 0.2], [0.1, 0.25]]), positive_iou=0.7,
    ...                                negative_iou=0.3)
    >>> labels.tolist(), truths.tolist()
    ([1, 0, 1], [0, 0, 1])
    """
    n_anchors, n_truths = overlaps.shape
    if n_truths == 0:
        return np.full(n_anchors, BACKGROUND), np.zeros(n_anchors, dtype=np.int64)
    best = overlaps.max(axis=1)
    labels = np.where(best < negative_iou, BACKGROUND, NEUTRAL)
    labels[overlaps.argmax(axis=0)] = OBJECT
    labels[best >= positive_iou] = OBJECT
    return labels, overlaps.argmax(axis=1)


def lowest(priority, members, limit):
    """Return which members have the lowest priorities, as many as ``limit`` says.

    Parameters
    ----------
    priority : ndarray of shape (N,), float
        Of every candidate, member or not: numbers drawn at random.
    members : ndarray of shape (N,), bool
        Who may be chosen.
    limit : int
        So many at most; a limit below 0 counts as 0.

    Returns
    -------
    kept : ndarray of shape (N,), bool
        True for a chosen member. Of equal priorities the lower index is chosen.

    Notes
    -----
    Choosing the lowest of random numbers is choosing at random, with the dice thrown before: the same dice give the
    same choice. Faster R-CNN, section 3.1.3, and Fast R-CNN, section 2.3, sample so. Matterport draws inside
    (``np.random.choice``, ``tf.random_shuffle``).

    Examples
    --------
    >>> lowest(np.array([0.3, 0.1, 0.2]), np.array([True, False, True]), 1)
    array([False, False,  True])
    """
    indices = np.flatnonzero(members)
    chosen = indices[np.argsort(priority[indices], kind="stable")[: max(0, limit)]]
    kept = np.zeros(len(members), dtype=bool)
    kept[chosen] = True
    return kept


def rpn_targets(
    anchors, truth, priority, *, positive_iou=0.7, negative_iou=0.3, max_anchors=256, delta_std=(0.1, 0.1, 0.2, 0.2)
):
    """Return what the region proposal network should say of one image.

    Parameters
    ----------
    anchors : ndarray of shape (A, 4), float
    truth : ndarray of shape (M, 4), float
        ``(y1, x1, y2, x2)`` in pixels; M may be 0.
    priority : ndarray of shape (A,), float
        Of too many candidates the lowest stay: give uniform random numbers.
    positive_iou, negative_iou : float
        As of `label_anchors`.
    max_anchors : int
        So many are asked: at most half of them objects, the rest background.
    delta_std : sequence of 4 positive numbers

    Returns
    -------
    targets : RpnTargets

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, or a number lies outside its range.

    Notes
    -----
    Faster R-CNN, section 3.1.3. Matterport: ``mrcnn.model.build_rpn_targets``, which raises an error on an image
    without truth. Here such an image asks ``max_anchors`` anchors to be background.

    Examples
    --------
    >>> anchors = np.array([[0.0, 0, 10, 10], [0, 20, 10, 30]])
    >>> rpn_targets(anchors, np.array([[0.0, 1, 10, 11]]), np.array([0.5, 0.5])).labels
    array([ 1, -1])
    """
    anchors, truth = boxes_array("anchors", anchors), boxes_array("truth", truth)
    priority = rows_array("priority", priority, len(anchors))
    unit_number("positive_iou", positive_iou)
    unit_number("negative_iou", negative_iou)
    limit = whole_number("max_anchors", max_anchors, 0)
    delta_std = std_array("delta_std", delta_std)
    labels, truth_ids = label_anchors(box_iou(anchors, truth), positive_iou=positive_iou, negative_iou=negative_iou)
    objects = lowest(priority, labels == OBJECT, limit // 2)
    background = lowest(priority, labels == BACKGROUND, limit - objects.sum())
    deltas = np.zeros((len(anchors), 4))
    deltas[objects] = encode_deltas(anchors[objects], truth[truth_ids[objects]]) / delta_std
    return RpnTargets(objects.astype(np.int64) - background, deltas)


def mask_targets(boxes, truth_boxes, truth_masks, *, size):
    """Return the part of each truth's mask that lies under its proposal, (P, h, w), 0 or 1.

    Parameters
    ----------
    boxes, truth_boxes : ndarrays of shape (P, 4), float
        A proposal and the truth it belongs to, pixels.
    truth_masks : ndarray of shape (P, m, m), bool
        Each truth's mask over its own box, from `mini_rcnn.stages.masks.minimize_masks`.
    size : (h, w)

    Returns
    -------
    targets : ndarray of shape (P, h, w), float64

    Notes
    -----
    The proposal's place in its truth's small mask, sampled as by `crop_and_resize`, cut at one half (a half goes down:
    rounding to even). Mask R-CNN, section 3; Matterport: part of ``mrcnn.model.detection_targets_graph``.
    """
    targets = np.zeros((len(boxes), *size))
    for target, box, truth, mask in zip(targets, boxes, truth_boxes, truth_masks):
        cells = np.array(mask.shape) - 1
        sides = truth[2:] - truth[:2]
        first, last = ((corner - truth[:2]) / sides * cells for corner in (box[:2], box[2:]))
        grid = crop_grid(mask[..., None].astype(np.float64), first[None], last[None], size)
        target[:] = np.round(grid[0, ..., 0])
    return targets


def head_targets(
    proposals, truth, class_ids, masks, priority, *, positive_iou=0.5, max_rois=200, positive_share=1 / 3,
    negatives="full", mask_size=(28, 28), delta_std=(0.1, 0.1, 0.2, 0.2),
):  # fmt: skip
    """Return the proposals that the heads learn from in one image, and what they should say of them.

    Parameters
    ----------
    proposals : ndarray of shape (N, 4), float
    truth : ndarray of shape (M, 4), float
        Pixels; M may be 0.
    class_ids : ndarray of shape (M,), int
        From 1 on.
    masks : ndarray of shape (M, m, m), bool
        Each truth's mask over its own box.
    priority : ndarray of shape (N,), float
        Of too many candidates the lowest stay: give uniform random numbers.
    positive_iou : float
        From this IoU on a proposal is an object.
    max_rois : int
    positive_share : float
        At most this part of ``max_rois`` are objects.
    negatives : {"full", "by_positives"}
        "full" fills up with background to ``max_rois``, so that an image without truth teaches the heads, too.
        "by_positives" is Matterport's: background in proportion to the objects found, so none where there is none.
    mask_size : (h, w)
    delta_std : sequence of 4 positive numbers

    Returns
    -------
    targets : HeadTargets

    Notes
    -----
    Fast R-CNN, section 2.3; Mask R-CNN, section 3.1. Matterport: ``mrcnn.model.detection_targets_graph``, which also
    fills up with boxes of zeros that its class loss counts as background.
    """
    proposals, truth = boxes_array("proposals", proposals), boxes_array("truth", truth)
    priority = rows_array("priority", priority, len(proposals))
    class_ids = shaped("class_ids", np.asarray(class_ids, dtype=np.int64), (len(truth),))
    limit = whole_number("max_rois", max_rois, 0)
    delta_std = std_array("delta_std", delta_std)
    overlaps = box_iou(proposals, truth)
    best = overlaps.max(axis=1) if len(truth) else np.zeros(len(proposals))
    objects = np.flatnonzero(
        lowest(priority, best >= unit_number("positive_iou", positive_iou), int(limit * positive_share))
    )
    wanted = limit if negatives == "full" else int(np.float32(1 / positive_share) * np.float32(len(objects)))
    background = np.flatnonzero(lowest(priority, best < positive_iou, wanted - len(objects)))
    objects, background = (ids[np.argsort(priority[ids], kind="stable")] for ids in (objects, background))
    truth_ids = overlaps[objects].argmax(axis=1) if len(truth) else np.zeros(0, dtype=np.int64)
    empty = np.zeros((len(background), 4))
    return HeadTargets(
        np.concatenate([proposals[objects], proposals[background]]),
        np.concatenate([class_ids[truth_ids], np.zeros(len(background), dtype=np.int64)]),
        np.concatenate([encode_deltas(proposals[objects], truth[truth_ids]) / delta_std, empty]),
        mask_targets(proposals[objects], truth[truth_ids], np.asarray(masks)[truth_ids], size=mask_size),
    )
