"""The whole detector in TensorFlow: the twin of `mini_rcnn.model`."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.model import anchors_of, found_on_film, prepare, run_stages
from mini_rcnn.parameters import is_recorded

from . import backbone, detections, fpn, heads, proposals, roi_align, rpn

TENSORFLOW = SimpleNamespace(
    backbone=backbone, fpn=fpn, rpn=rpn, proposals=proposals, roi_align=roi_align, heads=heads, detections=detections
)


class Detector(tf.Module):
    """A network with its weights, ready to be run.

    Parameters
    ----------
    config : Config
    weights : mapping of str to ndarray
        All arrays of `mini_rcnn.parameters.parameter_shapes`.
    """

    def __init__(self, config, weights):
        super().__init__(name="detector")
        self.config = config
        self.arrays = {
            name: tf.Variable(array, name=name.replace("/", "_"), trainable=not is_recorded(name), dtype=tf.float32)
            for name, array in weights.items()
        }
        self.anchors = tf.constant(anchors_of(config))
        self.run = tf.function(self.trace_of, autograph=False)

    def trace_of(self, pixels, window):
        """Return the trace of one network input; see `mini_rcnn.model.run_stages`."""
        return run_stages(pixels, window, self.anchors, self.arrays, self.config, TENSORFLOW)

    def detect(self, film):
        """Return what the network finds on a film, and the trace of how; see `mini_rcnn.model.detect`."""
        pixels, geometry = prepare(film, self.config)
        trace = self.run(tf.constant(pixels), geometry.window)
        trace = tf.nest.map_structure(lambda tensor: tensor.numpy(), trace)
        trace["geometry"] = geometry
        trace["found"] = found_on_film(trace["refined"], trace["masks"], geometry, self.config)
        return trace["found"], trace

    def weights(self):
        """Return the weights as they are now, arrays by name."""
        return {name: np.asarray(variable.numpy()) for name, variable in self.arrays.items()}
