"""The whole detector: every stage once, and a trace that holds what each of them said.

The only file, with its twin in `mini_rcnn.stages_tf`, that unpacks a `Config`. Labs and widgets read the trace.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from .conventions import LAST_PIXEL, resize_as_integers
from .parameters import WeightsError
from .stages import backbone, detections, fpn, heads, image, proposals, roi_align, rpn
from .stages.anchors import pyramid_anchors
from .stages.masks import paste_mask

NUMPY = SimpleNamespace(
    backbone=backbone, fpn=fpn, rpn=rpn, proposals=proposals, roi_align=roi_align, heads=heads, detections=detections
)


class Found(NamedTuple):
    """What a detector found on one film."""

    boxes: np.ndarray  # (N, 4), (y1, x1, y2, x2), pixels of the film
    class_ids: np.ndarray  # (N,), int64
    scores: np.ndarray  # (N,), best first
    mask_probabilities: np.ndarray  # (N, 28, 28), of the box's class, over the box

    def masks(self, size, *, threshold=0.5):
        """Return the masks on a film of ``size`` (height, width), (N, H, W) bool."""
        pasted = [
            paste_mask(grid, box, size, threshold=threshold) for grid, box in zip(self.mask_probabilities, self.boxes)
        ]
        return np.array(pasted, dtype=bool).reshape(len(pasted), *size)


def prepare(film, config):
    """Return the network input of a film, and where the film lies in it.

    Parameters
    ----------
    film : ndarray of shape (H, W) or (H, W, 3), uint8
    config : Config

    Returns
    -------
    pixels : ndarray of shape (size, size, 3), float32
        See `network_greys`. Greys were rounded to whole numbers first: what the prepared cache holds, and what was
        trained with. Matterport cuts the fraction off, and so does the convention "matterport".
    geometry : ImageGeometry
    """
    if config.convention == "matterport":
        height, width = film.shape[:2]
        _, geometry = image.fit_to_square(np.zeros((height, width)), size=config.image.size)
        y1, x1, y2, x2 = geometry.window
        square = np.zeros((config.image.size, config.image.size) + film.shape[2:])
        square[y1:y2, x1:x2] = np.floor(resize_as_integers(film, (y2 - y1, x2 - x1)))
    else:
        square, geometry = image.fit_to_square(film, size=config.image.size)
        square = np.rint(square)
    return network_greys(square, config.image), geometry


def network_greys(square, settings):
    """Return the greys of a padded film as the network wants them, (size, size, 3) float32.

    Parameters
    ----------
    square : ndarray of shape (size, size) or (size, size, 3)
    settings : ImageConfig
    """
    if settings.spread is None:
        return image.normalise(square, mean=settings.mean)
    grey = square if square.ndim == 2 else square.mean(axis=2)
    return image.standardise(grey, spread=settings.spread, n_channels=len(settings.mean))


def anchors_of(config):
    """Return the anchors of a configuration in the frame of its convention, (A, 4) float32."""
    settings = config.anchors
    anchors = pyramid_anchors(
        config.image.size, scales=settings.scales, ratios=settings.ratios, strides=settings.strides
    )
    return (anchors - end_of_box(config)).astype(np.float32)


def end_of_box(config):
    """Return what is taken from a continuous box in the convention's frame: nothing, or one pixel at its end."""
    return (LAST_PIXEL * (config.convention == "matterport")).astype(np.float32)


def run_stages(pixels, window, anchors, weights, config, stages=NUMPY):
    """Return the trace of one image: what each stage made of it, by name, in the order of the paper.

    Parameters
    ----------
    pixels : array of shape (size, size, 3), float32
    window : array of shape (4,), float32
        Where the film lies in it, pixels.
    anchors : array of shape (A, 4)
        From `anchors_of`.
    weights : mapping of str to array
    config : Config
    stages : namespace
        The stages' modules, in NumPy or in TensorFlow.

    Returns
    -------
    trace : dict
        Boxes among it are in the frame of the convention, see `end_of_box`.
    """
    last = end_of_box(config)
    trace = {"input": pixels, "anchors": anchors}
    trace.update(stages.backbone.resnet(pixels, weights, blocks=config.backbone.blocks))
    trace.update(stages.fpn.feature_pyramid({level: trace[level] for level in ("c2", "c3", "c4", "c5")}, weights))
    pyramid = {level: trace[level] for level in ("p2", "p3", "p4", "p5", "p6")}
    trace["rpn_logits"], trace["objectness"], trace["rpn_deltas"] = stages.rpn.region_proposal_network(pyramid, weights)
    whole = np.array([0, 0, config.image.size, config.image.size], np.float32) - last
    trace["proposals"] = stages.proposals.propose(
        trace["objectness"],
        trace["rpn_deltas"],
        anchors,
        window=whole,
        pre_nms_limit=config.proposals.pre_nms_limit,
        max_proposals=config.proposals.max_proposals,
        iou_threshold=config.proposals.iou_threshold,
        delta_std=config.proposals.delta_std,
    )
    pool = pooling_of(config, stages)
    trace["box_pool"] = pool(pyramid, trace["proposals"].boxes + last, config.heads.box_pool_size)
    trace["logits"], trace["probabilities"], trace["deltas"] = stages.heads.box_head(trace["box_pool"], weights)
    trace["refined"] = stages.detections.refine_detections(
        trace["proposals"].boxes,
        trace["probabilities"],
        trace["deltas"],
        window=window - last,
        min_confidence=config.detections.min_confidence,
        iou_threshold=config.detections.iou_threshold,
        max_detections=config.detections.max_detections,
        delta_std=config.detections.delta_std,
    )
    trace["mask_pool"] = pool(pyramid, trace["refined"].boxes + last, config.heads.mask_pool_size)
    trace["mask_logits"], trace["masks"] = stages.heads.mask_head(trace["mask_pool"], weights)
    return trace


def pooling_of(config, stages):
    """Return the function that pools boxes (N, 4) from a pyramid to a given size, as the configuration says."""

    def pool(pyramid, boxes, size):
        return stages.roi_align.pyramid_roi_align(
            pyramid, boxes, image_size=config.image.size, output_size=size, method=config.heads.pooling
        )

    return pool


def found_on_film(refined, masks, geometry, config):
    """Return detections of the network input as `Found` on the film.

    Parameters
    ----------
    refined : Detections
        In the frame of the convention; arrays.
    masks : ndarray of shape (N, h, w, K)
    geometry : ImageGeometry
    config : Config
        In the convention "matterport" boxes are rounded to whole pixels of the film, as there.

    Returns
    -------
    found : Found
        Boxes without area on the film are left out.

    Raises
    ------
    WeightsError
        If a box is no finite number: what is finite in the weights has grown beyond all numbers on the way.
    """
    boxes = np.asarray(refined.boxes, np.float64)
    if not np.isfinite(boxes).all():
        raise WeightsError(
            "the network's boxes are NaN or infinite: its weights were never trained, or their training went wrong. "
            "Take others."
        )
    if config.convention == "matterport":
        y1, x1, y2, x2 = geometry.window
        shift, extent = np.array([y1, x1, y1, x1]), np.array([y2 - y1, x2 - x1, y2 - y1, x2 - x1]) - 1
        sides = np.tile(geometry.original_size, 2)
        boxes = np.around((boxes - shift) / extent * (sides - 1) + LAST_PIXEL)
    else:
        boxes = image.boxes_to_original(boxes, geometry)
    real = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) > 0
    class_ids = np.asarray(refined.class_ids)[real]
    grids = np.asarray(masks)[real][np.arange(len(class_ids)), ..., class_ids]
    return Found(boxes[real], class_ids, np.asarray(refined.scores)[real], grids)


def detect(film, weights, config):
    """Return what the network finds on a film, with NumPy alone, and the trace of how.

    Parameters
    ----------
    film : ndarray of shape (H, W) or (H, W, 3), uint8
    weights : mapping of str to ndarray
        All arrays of `mini_rcnn.parameters.parameter_shapes`, float32.
    config : Config

    Returns
    -------
    found : Found
    trace : dict
        See `run_stages`; also ``"geometry"`` and ``"found"``.
    """
    pixels, geometry = prepare(film, config)
    trace = run_stages(pixels, np.asarray(geometry.window, np.float32), anchors_of(config), weights, config)
    trace["geometry"] = geometry
    trace["found"] = found_on_film(trace["refined"], trace["masks"], geometry, config)
    return trace["found"], trace
