"""Matterport's whole detector, set up as one of our configurations: the oracle for ours, in the classic environment."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np

from .conventions import nudge_inside
from .matterport import load, quietly
from .model import Found
from .weights import write_matterport

SAME_SCORE = 1e-4
LAST = float(nudge_inside(1))
NAMES = {(3, 4, 6, 3): "resnet50", (3, 4, 23, 3): "resnet101"}


def matterport_config(config, *, n_images=1):
    """Return our configuration as an instance of Matterport's ``Config``, for batches of ``n_images`` on one device.

    Raises
    ------
    ValueError
        If the backbone is neither ResNet-50 nor ResNet-101: Matterport has no other.
    """
    load()
    from mrcnn.config import Config as MatterportConfig

    if config.backbone.blocks not in NAMES or config.backbone.width != 64:
        raise ValueError(f"Matterport has ResNet-50 and ResNet-101 alone, got blocks {config.backbone.blocks}")
    settings = {
        "NAME": "pneumonia",
        "BACKBONE": NAMES[config.backbone.blocks],
        "NUM_CLASSES": config.n_classes,
        "GPU_COUNT": 1,
        "IMAGES_PER_GPU": n_images,
        "IMAGE_MIN_DIM": config.image.size,
        "IMAGE_MAX_DIM": config.image.size,
        "MEAN_PIXEL": np.array(config.image.mean),
        "TOP_DOWN_PYRAMID_SIZE": config.backbone.pyramid_channels,
        "FPN_CLASSIF_FC_LAYERS_SIZE": config.heads.box_units,
        "RPN_ANCHOR_SCALES": config.anchors.scales,
        "RPN_ANCHOR_RATIOS": config.anchors.ratios,
        "BACKBONE_STRIDES": config.anchors.strides,
        "RPN_NMS_THRESHOLD": config.proposals.iou_threshold,
        "PRE_NMS_LIMIT": config.proposals.pre_nms_limit,
        "POST_NMS_ROIS_INFERENCE": config.proposals.max_proposals,
        "RPN_BBOX_STD_DEV": np.array(config.proposals.delta_std),
        "POST_NMS_ROIS_TRAINING": config.proposals.max_training_proposals,
        "RPN_TRAIN_ANCHORS_PER_IMAGE": config.targets.max_anchors,
        "TRAIN_ROIS_PER_IMAGE": config.targets.max_rois,
        "ROI_POSITIVE_RATIO": config.targets.roi_positive_share,
        "BBOX_STD_DEV": np.array(config.detections.delta_std),
        "DETECTION_MIN_CONFIDENCE": config.detections.min_confidence,
        "DETECTION_NMS_THRESHOLD": config.detections.iou_threshold,
        "DETECTION_MAX_INSTANCES": config.detections.max_detections,
    }
    return type("PneumoniaConfig", (MatterportConfig,), settings)()


class MatterportDetector:
    """``mrcnn.model.MaskRCNN`` with given weights, in a graph and a session of its own.

    Parameters
    ----------
    config : Config
        Ours.
    weights : mapping of str to ndarray
        By our names; handed over as an ``.h5`` file, as to anybody else's Matterport.
    nudged : bool
        Whether boxes that end on the image's last pixel are pooled a hair before it, see `nudge_inside`: Matterport's
        own graph reads zeros for a row or column of some of them, and what it finds there is chance.
    """

    @quietly
    def __init__(self, config, weights, *, nudged=False):
        modules = load()
        import keras.backend as keras_backend

        self.backend, self.graph = keras_backend, modules.tf.Graph()
        nudge = pooling_nudged(modules) if nudged else contextlib.ExitStack()
        with self.graph.as_default(), tempfile.TemporaryDirectory() as folder, nudge:
            self.session = modules.tf.Session()
            keras_backend.set_session(self.session)
            self.network = modules.model.MaskRCNN("inference", matterport_config(config), folder)
            self.session.run(modules.tf.global_variables_initializer())
        self.load(weights)

    @quietly
    def load(self, weights):
        """Take other weights of the same network."""
        with self.graph.as_default(), tempfile.TemporaryDirectory() as folder:
            self.backend.set_session(self.session)
            write_matterport(Path(folder) / "weights.h5", weights)
            self.network.load_weights(str(Path(folder) / "weights.h5"), by_name=True)

    @quietly
    def detect(self, film):
        """Return what Matterport's ``detect`` finds on a film (H, W) uint8, as `Found`, and its masks (N, H, W)."""
        with self.graph.as_default():
            self.backend.set_session(self.session)
            (result,) = self.network.detect([np.stack([film] * 3, axis=-1)])
        masks = np.moveaxis(result["masks"], -1, 0).astype(bool)
        return Found(result["rois"], result["class_ids"], result["scores"], None), masks

    @quietly
    def save(self, path):
        """Write the weights as Matterport does."""
        with self.graph.as_default():
            self.backend.set_session(self.session)
            self.network.keras_model.save_weights(str(path))


def pooling_nudged(modules):
    """Return a context in which a graph's boxes that end on the last pixel are pooled a hair before it."""
    tf = modules.tf
    plain = tf.image.crop_and_resize

    def crop_and_resize(image, boxes, *rest, **options):
        return plain(image, tf.where(tf.equal(boxes, 1), tf.fill(tf.shape(boxes), LAST), boxes), *rest, **options)

    return mock.patch.object(modules.model.tf.image, "crop_and_resize", crop_and_resize)


class Agreement(NamedTuple):
    """How closely two detectors agree on one film: the largest differences over its detections."""

    count: int  # detections, of both
    box: float  # pixels, of a side
    score: float
    mask_iou: float  # the lowest; masks that are empty on both sides agree

    @property
    def holds(self):
        """Return whether boxes agree to 1 pixel, scores to 0.0001, and masks to an IoU above 0.99."""
        return self.box <= 1 and self.score <= SAME_SCORE and self.mask_iou > 0.99


def agreement(found, wanted, masks):
    """Return how closely our `Found` agrees with what `MatterportDetector.detect` gave.

    Detections whose scores are the same to 0.0001 may stand in another order: each is held against the nearest of its
    class and score.

    Raises
    ------
    ValueError
        If there are more detections on one side, or one has no partner of its class and score.
    """
    if len(found.scores) != len(wanted.scores):
        raise ValueError(f"{len(found.scores)} detections here, {len(wanted.scores)} in Matterport")
    if not len(found.scores):
        return Agreement(0, 0.0, 0.0, 1.0)
    order = partners(found, wanted)
    masks, pasted = masks[order], found.masks(masks.shape[1:])
    both, either = (pasted & masks).sum((1, 2)), (pasted | masks).sum((1, 2))
    overlaps = np.where(either > 0, both / np.maximum(either, 1), 1.0)
    boxes, scores = np.abs(found.boxes - wanted.boxes[order]).max(), np.abs(found.scores - wanted.scores[order]).max()
    return Agreement(len(found.scores), float(boxes), float(scores), float(overlaps.min()))


def partners(found, wanted):
    """Return which of the wanted detections is each found one's, each taken once."""
    order = []
    for box, class_id, score in zip(found.boxes, found.class_ids, found.scores):
        free = (wanted.class_ids == class_id) & (np.abs(wanted.scores - score) <= SAME_SCORE)
        free[order] = False
        if not free.any():
            raise ValueError(f"Matterport has no detection of class {class_id} with the score {score:.4f}")
        order.append(int(np.where(free, np.abs(wanted.boxes - box).max(axis=1), np.inf).argmin()))
    return order
