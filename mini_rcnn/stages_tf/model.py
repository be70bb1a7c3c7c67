"""The whole detector in TensorFlow: the twin of `mini_rcnn.model`."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.model import anchors_of, found_on_film, prepare, run_stages

from . import backbone, detections, fpn, heads, proposals, roi_align, rpn
from .folding import fold_norms

TENSORFLOW = SimpleNamespace(
    backbone=backbone, fpn=fpn, rpn=rpn, proposals=proposals, roi_align=roi_align, heads=heads, detections=detections
)


class Detector(tf.Module):
    """A network with its weights, ready to be run.

    Parameters
    ----------
    config : Config
    weights : mapping of str to ndarray
        All arrays of `mini_rcnn.parameters.parameter_shapes`, float32.

    Notes
    -----
    Normalisations are folded into the convolutions when the weights are taken, see `fold_norms`. The first `find` and
    the first `detect` build a graph each, which takes seconds; films of any size are served by the same graph.
    """

    def __init__(self, config, weights):
        super().__init__(name="detector")
        self.config = config
        self.arrays = {
            name: tf.Variable(array, name=name.replace("/", "_"), trainable=False, dtype=tf.float32)
            for name, array in fold_norms(weights).items()
        }
        self.anchors = tf.constant(anchors_of(config))
        self.run = tf.function(self.trace_of, autograph=False)
        self.run_lean = tf.function(self.found_of, autograph=False)

    def load(self, weights):
        """Take other weights of the same network; the graphs stay."""
        for name, array in fold_norms(weights).items():
            self.arrays[name].assign(array)

    def trace_of(self, pixels, window):
        """Return the trace of one network input; see `mini_rcnn.model.run_stages`."""
        return run_stages(pixels, window, self.anchors, self.arrays, self.config, TENSORFLOW)

    def found_of(self, pixels, window):
        """Return detections and masks of one network input: what `find` needs of the trace."""
        trace = self.trace_of(pixels, window)
        return trace["refined"], trace["masks"]

    def detect(self, film):
        """Return what the network finds on a film, and the trace of how; see `mini_rcnn.model.detect`."""
        pixels, geometry = prepare(film, self.config)
        trace = as_arrays(self.run(*as_tensors(pixels, geometry.window)))
        trace["geometry"] = geometry
        trace["found"] = found_on_film(trace["refined"], trace["masks"], geometry, self.config)
        return trace["found"], trace

    def find(self, film):
        """Return what the network finds on a film, as `detect` does, without the trace: quicker, and less memory."""
        pixels, geometry = prepare(film, self.config)
        refined, masks = as_arrays(self.run_lean(*as_tensors(pixels, geometry.window)))
        return found_on_film(refined, masks, geometry, self.config)


def as_tensors(*arrays):
    """Return float32 tensors: a graph is built again for each plain number, but not for each tensor."""
    return [tf.constant(np.asarray(array, np.float32)) for array in arrays]


def as_arrays(tensors):
    """Return nested tensors as arrays."""
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), tensors)
