"""Matterport's training targets and losses as functions of arrays, its dice fixed: classic environment only."""

from __future__ import annotations

import functools
import types
from unittest import mock

import numpy as np

from .matterport import graph_function, load, quietly


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
