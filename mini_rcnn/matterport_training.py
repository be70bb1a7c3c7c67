"""Matterport's training targets and losses as functions of arrays, its dice fixed: classic environment only."""

from __future__ import annotations

import contextlib
import functools
import io
import tempfile
import types
from pathlib import Path
from unittest import mock

import numpy as np

from .matterport import graph_function, load, quietly
from .matterport_detector import matterport_config
from .weights import write_matterport

LOSSES = {  # ours to Matterport's
    "rpn_class": "rpn_class_loss",
    "rpn_box": "rpn_bbox_loss",
    "head_class": "mrcnn_class_loss",
    "head_box": "mrcnn_bbox_loss",
    "head_mask": "mrcnn_mask_loss",
}


def settings(max_rois, positive_share, mask_size, delta_std):
    """Return the part of a Matterport configuration that targets and losses read."""
    return types.SimpleNamespace(
        TRAIN_ROIS_PER_IMAGE=max_rois,
        ROI_POSITIVE_RATIO=positive_share,
        MASK_SHAPE=list(mask_size),
        BBOX_STD_DEV=np.array(delta_std),
        USE_MINI_MASK=True,
        IMAGES_PER_GPU=1,
    )


@quietly
def build_rpn_targets(anchors, truth, priority, *, max_anchors, delta_std):
    """Return ``mrcnn.model.build_rpn_targets``, labels (A,) and deltas (P, 4), where the highest priorities go."""
    config = types.SimpleNamespace(RPN_TRAIN_ANCHORS_PER_IMAGE=max_anchors, RPN_BBOX_STD_DEV=np.array(delta_std))

    def highest(ids, n_ids, replace):
        return ids[np.argsort(priority[ids], kind="stable")[len(ids) - n_ids :]]

    model = load().model
    with mock.patch.object(model.np.random, "choice", highest):
        labels, deltas = model.build_rpn_targets(None, anchors, np.ones(len(truth), np.int32), truth, config)
    return labels, deltas[: (labels == 1).sum()]


@quietly
def detection_targets(proposals_norm, truth_norm, class_ids, masks, *, max_rois, positive_share, mask_size, delta_std):
    """Return ``mrcnn.model.detection_targets_graph`` where the first candidates stay: its shuffle leaves all in place.

    Boxes are normalised; ``masks`` (M, m, m) are small ones.
    """
    modules = load()
    tf = modules.tf
    config = settings(max_rois, positive_share, mask_size, delta_std)
    with mock.patch.object(modules.model.tf, "random_shuffle", lambda values: values):
        run = graph_function(
            lambda boxes, truth, classes, small: modules.model.detection_targets_graph(
                boxes, tf.cast(classes, tf.int32), truth, tf.cast(small, tf.bool), config
            ),
            (None, 4),
            (None, 4),
            (None,),
            (None, None, None),
        )
    return run(proposals_norm, truth_norm, class_ids, np.moveaxis(masks, 0, -1))


@functools.lru_cache(maxsize=None)
@quietly
def loss_graph(name, *shapes):
    """Return one of ``mrcnn.model``'s losses as a function of arrays of one batch."""
    function = getattr(load().model, name)
    arguments = (settings(0, 1, (28, 28), (1, 1, 1, 1)),) if name == "rpn_bbox_loss_graph" else ()
    return graph_function(lambda *tensors: function(*arguments, *tensors), *shapes)


@quietly
def loss(name, *arrays):
    """Return one of ``mrcnn.model``'s losses, such as "rpn_class_loss_graph", as a number."""
    run = loss_graph(name, *[array.shape for array in arrays])
    return float(run(*arrays))


class MatterportTrainer:
    """``mrcnn.model.MaskRCNN`` in training mode, compiled as its ``train`` does, in a graph and session of its own.

    Parameters
    ----------
    config : Config
        Ours, in the convention "matterport".
    weights : mapping of str to ndarray
        By our names; handed over as an ``.h5`` file.
    n_images : int
        In a batch.
    rate : float
        Momentum, decay and clipping are Matterport's defaults: 0.9, 0.0001 and 5.
    fixed : bool
        Whether its shuffle leaves all in place, so that of too many candidates the first stay.
    cut : bool
        Whether no gradient goes through proposals, as in the paper. Matterport's deltas of the box head are told
        against targets that are made of the proposals, and nothing stops a gradient there: it reaches the region
        proposal network.
    """

    @quietly
    def __init__(self, config, weights, *, n_images=2, rate=0.001, fixed=False, cut=False):
        modules = load()
        import keras.backend as keras_backend

        self.config, self.backend, self.graph = config, keras_backend, modules.tf.Graph()
        with self.graph.as_default(), tempfile.TemporaryDirectory() as folder, changes(modules, fixed, cut):
            self.session = modules.tf.Session()
            keras_backend.set_session(self.session)
            self.settings = matterport_config(config, n_images=n_images)
            self.network = modules.model.MaskRCNN("training", self.settings, folder)
            self.session.run(modules.tf.global_variables_initializer())
            write_matterport(Path(folder) / "weights.h5", weights)
            self.network.load_weights(str(Path(folder) / "weights.h5"), by_name=True)
            with contextlib.redirect_stdout(io.StringIO()):  # its inner model does not hear verbose=0
                self.network.set_trainable(".*", verbose=0)
            self.network.compile(rate, self.settings.LEARNING_MOMENTUM)

    @quietly
    def inputs(self, images, boxes, class_ids, masks, dice):
        """Return a batch as ``data_generator`` hands it over, its targets for the anchors chosen by our dice.

        Parameters
        ----------
        images : ndarray of shape (B, size, size, 3), float32
        boxes : ndarray of shape (B, M, 4)
            As our continuous ones; Matterport's of the input's pixels are the same numbers.
        class_ids : ndarray of shape (B, M)
        masks : ndarray of shape (B, M, 56, 56), bool
        dice : ndarray of shape (B, A)
        """
        size, limit = self.config.image.size, self.config.targets.max_anchors
        self.network.get_anchors((size, size, 3))
        labels, deltas = (
            np.zeros((len(images), len(self.network.anchors), 1), np.int32),
            np.zeros((len(images), limit, 4)),
        )
        for i, (truth, real) in enumerate(zip(boxes, class_ids > 0)):
            labels[i, :, 0], found = build_rpn_targets(
                self.network.anchors, truth[real], dice[i], max_anchors=limit,
                delta_std=self.config.proposals.delta_std,
            )  # fmt: skip
            deltas[i, : len(found)] = found
        shape, every_class = (size, size, 3), np.ones(self.config.n_classes)
        meta = load().model.compose_image_meta(0, shape, shape, (0, 0, size, size), 1.0, every_class)
        meta = np.repeat(meta[None], len(images), axis=0)
        return [images, meta, labels, deltas, class_ids, boxes, np.moveaxis(masks, 1, -1)]

    @quietly
    def step(self, inputs):
        """Learn from a batch; return the five losses, by our names, and the total with the decay."""
        with self.graph.as_default():
            self.backend.set_session(self.session)
            told = self.network.keras_model.train_on_batch(inputs, [])
        told = dict(zip(self.network.keras_model.metrics_names, np.ravel(told)))
        return {**{ours: told[theirs] for ours, theirs in LOSSES.items()}, "total": told["loss"]}

    @quietly
    def gradients(self, inputs):
        """Return the gradients of the five losses' sum, by our names; weights it does not reach are left out."""
        tf, network = load().tf, self.network.keras_model
        with self.graph.as_default():
            self.backend.set_session(self.session)
            total = tf.add_n([tf.reduce_sum(network.get_layer(name).output) for name in LOSSES.values()])
            weights = network.trainable_weights
            found = {w: g for w, g in zip(weights, tf.gradients(total, weights)) if g is not None}
            arrays = self.session.run(list(found.values()), dict(zip(network.inputs, inputs)))
        return {weight.name.split(":")[0]: array for weight, array in zip(found, arrays)}


@contextlib.contextmanager
def changes(modules, fixed, cut):
    """Build Matterport's graph with its shuffle fixed, or its gradient through proposals cut, where that is wanted."""
    tf, plain = modules.tf, modules.model.detection_targets_graph

    def without_gradient(proposals, *rest):
        return plain(tf.stop_gradient(proposals), *rest)

    with contextlib.ExitStack() as stack:
        if fixed:
            stack.enter_context(mock.patch.object(modules.model.tf, "random_shuffle", lambda values: values))
        if cut:
            stack.enter_context(mock.patch.object(modules.model, "detection_targets_graph", without_gradient))
        yield
