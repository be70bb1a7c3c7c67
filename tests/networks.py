"""Small networks with random weights, for tests."""

from __future__ import annotations

import numpy as np

from mini_rcnn.config import Config, changed
from mini_rcnn.weights import shapes_of

QUIET = {"conv1": 0.01, "rpn_class_raw": 0.03, "rpn_bbox_pred": 0.02, "mrcnn_class_logits": 0.05, "mrcnn_bbox_fc": 0.02}


def small_config(**settings):
    """Return a network of a second's work: four blocks, few channels, 128 pixels."""
    small = {
        "image__size": 128,
        "backbone__blocks": (1, 1, 1, 1),
        "backbone__width": 8,
        "backbone__pyramid_channels": 16,
        "anchors__scales": (8, 16, 32, 64, 128),
        "proposals__rpn_channels": 16,
        "proposals__pre_nms_limit": 500,
        "proposals__max_proposals": 50,
        "heads__box_units": 32,
        "heads__mask_channels": 16,
        "detections__min_confidence": 0.3,
        "detections__max_detections": 20,
    }
    return changed(Config(), **{**small, **settings})


def random_weights(config, rng):
    """Return weights that make features of order 1, and boxes that stay near their anchors."""
    weights = {}
    for name, shape in shapes_of(config).items():
        layer, part = name.split("/")
        if part == "kernel":
            fan_in = np.prod(shape[:-1]) if layer != "mrcnn_mask_deconv" else shape[3]
            values = rng.normal(size=shape) * np.sqrt(2 / fan_in) * QUIET.get(layer, 1)
        elif part == "variance":
            values = rng.uniform(0.5, 1.5, shape)
        elif part == "gamma":
            values = rng.uniform(0.5, 1.0, shape)
        else:
            values = rng.normal(size=shape) * 0.1
        weights[name] = values.astype(np.float32)
    weights["mrcnn_class_logits/bias"][1:] += 1.5  # so that something is found
    return weights
