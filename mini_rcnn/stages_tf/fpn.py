"""The feature pyramid in TensorFlow: the twin of `mini_rcnn.stages.fpn`."""

from __future__ import annotations

from .backbone import conv_layer
from .ops import upsample


def feature_pyramid(features, weights):
    """Return the pyramid P2 to P6 of the backbone's maps; see `mini_rcnn.stages.fpn.feature_pyramid`."""
    merged, pyramid = None, {}
    for level in (5, 4, 3, 2):
        lateral = conv_layer(features[f"c{level}"], weights, f"fpn_c{level}p{level}")
        merged = lateral if merged is None else upsample(merged) + lateral
        pyramid[f"p{level}"] = conv_layer(merged, weights, f"fpn_p{level}")
    pyramid["p6"] = pyramid["p5"][..., ::2, ::2, :]
    return {name: pyramid[name] for name in ("p2", "p3", "p4", "p5", "p6")}
