"""Matterport's own code, piece by piece: arrays in, arrays out, in Matterport's conventions.

The only file that imports ``mrcnn``, and it does so when a function is called, so importing this file is cheap and
works everywhere. The functions run in the classic environment alone. What is the same in our conventions, and what
must be converted, is in `mini_rcnn.conventions` and `mini_rcnn.reference`.

Pieces that are graphs run in graphs of their own, built once for each set of options, beside eager TensorFlow.
Float arrays are float32; boxes of graphs are normalised.
"""

from __future__ import annotations

import contextlib
import functools
import types
import warnings
from unittest import mock

import numpy as np

CLASSIC_ONLY = "Matterport's mrcnn runs in the classic environment only: python3 lab.py --env classic ..."
LEVELS = ("p2", "p3", "p4", "p5")


def quietly(function):
    """Return the function without the warnings of Matterport's old calls to NumPy, Keras and TensorFlow."""

    @functools.wraps(function)
    def wrapped(*args, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **options)

    return wrapped


@functools.lru_cache(maxsize=None)
@quietly
def load():
    """Return the modules ``tf`` (version 1), ``model`` and ``utils``, imported on the first call.

    Raises
    ------
    ImportError
        In an environment without Matterport, with what to type instead.
    """
    try:
        import mrcnn  # noqa: F401 (so that nothing else is loaded where it is missing)
    except ImportError as error:
        raise ImportError(CLASSIC_ONLY) from error
    from . import stages_tf

    stages_tf.enable_eager()  # which must come before any graph, and importing Keras makes one
    import tensorflow.compat.v1 as tf
    from mrcnn import model, utils

    return types.SimpleNamespace(tf=tf, model=model, utils=utils)


def graph_function(build, *shapes):
    """Return a function from float32 arrays to arrays that runs a graph.

    Parameters
    ----------
    build : callable
        Gets a placeholder for each shape and returns tensors.
    shapes : tuples
        Of the arrays; None is any length.
    """
    tf = load().tf
    with tf.Graph().as_default() as graph:
        places = [tf.placeholder(tf.float32, shape) for shape in shapes]
        outputs = build(*places)
        session = tf.Session(graph=graph, config=tf.ConfigProto(gpu_options=tf.GPUOptions(allow_growth=True)))
    return lambda *arrays: session.run(outputs, dict(zip(places, arrays)))


@functools.lru_cache(maxsize=None)
def plain_graph(module, name, second_shape=(None, 4)):
    """Return a graph function of Matterport's as a function of arrays: boxes, and one array more."""
    return graph_function(getattr(getattr(load(), module), name), (None, 4), second_shape)


def image_meta(size, window):
    """Return the row of numbers in which Matterport describes an image, (1, 13), for one class."""
    shape = (*size, 3)
    return load().model.compose_image_meta(0, shape, shape, window, 1.0, [1])[None].astype(np.float32)


@quietly
def generate_pyramid_anchors(image_size, *, scales, ratios, strides, anchor_stride):
    """Return ``mrcnn.utils.generate_pyramid_anchors`` on the feature maps of an image, (A, 4)."""
    config = types.SimpleNamespace(BACKBONE="resnet101", BACKBONE_STRIDES=strides)
    shapes = load().model.compute_backbone_shapes(config, image_size)
    return load().utils.generate_pyramid_anchors(scales, ratios, shapes, strides, anchor_stride)


@quietly
def compute_overlaps(boxes_a, boxes_b):
    """Return ``mrcnn.utils.compute_overlaps``, (N, M)."""
    return load().utils.compute_overlaps(boxes_a, boxes_b)


@quietly
def overlaps_graph(boxes_a, boxes_b):
    """Return ``mrcnn.model.overlaps_graph``, (N, M)."""
    return plain_graph("model", "overlaps_graph")(boxes_a, boxes_b)


@quietly
def apply_box_deltas(boxes, deltas):
    """Return ``mrcnn.utils.apply_box_deltas``, (N, 4)."""
    return load().utils.apply_box_deltas(boxes, deltas)


@quietly
def apply_box_deltas_graph(boxes, deltas):
    """Return ``mrcnn.model.apply_box_deltas_graph``, (N, 4)."""
    return plain_graph("model", "apply_box_deltas_graph")(boxes, deltas)


@quietly
def box_refinement(boxes, targets):
    """Return ``mrcnn.utils.box_refinement``, (N, 4)."""
    return load().utils.box_refinement(boxes, targets)


@quietly
def box_refinement_graph(boxes, targets):
    """Return ``mrcnn.utils.box_refinement_graph``, (N, 4)."""
    return plain_graph("utils", "box_refinement_graph")(boxes, targets)


@quietly
def clip_boxes_graph(boxes, window):
    """Return ``mrcnn.model.clip_boxes_graph``, (N, 4)."""
    return plain_graph("model", "clip_boxes_graph", (4,))(boxes, window)


@quietly
def non_max_suppression(boxes, scores, iou_threshold):
    """Return ``mrcnn.utils.non_max_suppression``, (K,)."""
    return load().utils.non_max_suppression(boxes, scores, iou_threshold)


@functools.lru_cache(maxsize=None)
def tf_non_max_suppression_function(iou_threshold, max_boxes):
    """Return the graph for one set of options, from boxes and scores to indices."""

    def build(boxes, scores):
        return load().tf.image.non_max_suppression(boxes, scores, max_boxes, iou_threshold)

    return graph_function(build, (None, 4), (None,))


@quietly
def tf_non_max_suppression(boxes, scores, iou_threshold, max_boxes):
    """Return ``tf.image.non_max_suppression``, which Matterport's layers call, (K,)."""
    return tf_non_max_suppression_function(iou_threshold, max_boxes)(boxes, scores)


@contextlib.contextmanager
def numpy_suppression(wanted=True):
    """Let Matterport's layers be built on its own NumPy suppression instead of TensorFlow's, if that is wanted.

    TensorFlow 1.15's never gets past a box without area, see `mini_rcnn.conventions.stuck_on_empty`.
    """
    tf, utils = load().tf, load().utils

    def suppress(boxes, scores, max_output_size, iou_threshold, name=None):
        def run(boxes, scores):
            kept = utils.non_max_suppression(boxes, scores, iou_threshold) if len(boxes) else np.zeros(0, np.int32)
            return kept[:max_output_size]

        return tf.py_func(run, [boxes, scores], tf.int32, name=name)

    theirs = load().model.tf.image
    with mock.patch.object(theirs, "non_max_suppression", suppress if wanted else theirs.non_max_suppression):
        yield


def gathered(tensor):
    """Return what the rows that a tensor was padded, joined or stacked from were gathered from, and their indices."""
    while not tensor.op.type.startswith("Gather"):
        tensor = tensor.op.inputs[0]
    return tensor.op.inputs[0], tensor.op.inputs[1]


def any_empty(boxes):
    """Return a tensor that says whether a box has no area."""
    tf = load().tf
    return tf.reduce_any((boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1]))


@functools.lru_cache(maxsize=None)
def proposal_function(max_proposals, iou_threshold, delta_std, in_numpy):
    """Return the graph for one set of options, from probabilities, deltas and anchors to what the caller returns."""
    config = types.SimpleNamespace(RPN_BBOX_STD_DEV=np.array(delta_std), IMAGES_PER_GPU=1)

    def build(probabilities, deltas, anchors):
        layer = load().model.ProposalLayer(max_proposals, iou_threshold, config=config)
        with numpy_suppression(in_numpy):
            rows = layer.call([probabilities[None], deltas[None], anchors[None]])
        boxes, kept = gathered(rows)
        best = load().tf.get_default_graph().get_tensor_by_name("top_anchors:1")[0]
        return rows[0], load().tf.gather(best, kept), any_empty(boxes)

    return graph_function(build, (None, 2), (None, 4), (None, 4))


@quietly
def proposal_layer(objectness, deltas, anchors_norm, *, max_proposals, iou_threshold, delta_std, in_numpy=False):
    """Return what ``mrcnn.model.ProposalLayer`` says, and what goes on inside.

    Returns
    -------
    rows : ndarray of shape (max_proposals, 4)
        Normalised boxes, filled up with zeros: the layer's result.
    anchor_ids : ndarray of shape (K,)
        Which anchors they come from, read in the middle of its graph.
    empty : bool
        Whether a box without area took part in the suppression.
    """
    run = proposal_function(max_proposals, iou_threshold, tuple(delta_std), in_numpy)
    return run(np.stack([1 - objectness, objectness], axis=-1), deltas, anchors_norm)


@functools.lru_cache(maxsize=None)
def crop_and_resize_function(output_size):
    """Return the graph for one output size, from a feature map and boxes to samples."""

    def build(feature, boxes):
        tf = load().tf
        return tf.image.crop_and_resize(feature[None], boxes, tf.zeros_like(boxes[:, 0], tf.int32), output_size)

    return graph_function(build, (None, None, None), (None, 4))


@quietly
def crop_and_resize(feature, boxes_norm, output_size):
    """Return ``tf.image.crop_and_resize``, which Matterport's layer calls, (N, h, w, C)."""
    return crop_and_resize_function(tuple(output_size))(feature, boxes_norm)


@functools.lru_cache(maxsize=None)
def pyramid_function(output_size):
    """Return the graph for one output size, from boxes, image meta and features to samples."""

    def build(boxes, meta, *features):
        layer = load().model.PyramidROIAlign(output_size)
        return layer.call([boxes[None], meta, *[feature[None] for feature in features]])[0]

    return graph_function(build, (None, 4), (1, 13), *[(None, None, None)] * len(LEVELS))


@quietly
def pyramid_roi_align(features, boxes_norm, *, image_size, output_size):
    """Return ``mrcnn.model.PyramidROIAlign`` on the features ``"p2"`` to ``"p5"``, (N, h, w, C)."""
    meta = image_meta(image_size, (0, 0, *image_size))
    return pyramid_function(tuple(output_size))(boxes_norm, meta, *[features[level] for level in LEVELS])


def detection_config(min_confidence, iou_threshold, max_detections, delta_std):
    """Return what Matterport's detection layer reads from its configuration, for one image."""
    return types.SimpleNamespace(
        BBOX_STD_DEV=np.array(delta_std),
        DETECTION_MIN_CONFIDENCE=min_confidence,
        IMAGES_PER_GPU=1,
        BATCH_SIZE=1,
        DETECTION_NMS_THRESHOLD=iou_threshold,
        DETECTION_MAX_INSTANCES=max_detections,
    )


@functools.lru_cache(maxsize=None)
def detection_function(n_proposals, n_classes, in_numpy, *options):
    """Return the graph for one set of shapes and options, to what the caller returns."""

    def build(proposals, probabilities, deltas, window):
        with numpy_suppression(in_numpy):
            rows = load().model.refine_detections_graph(
                proposals, probabilities, deltas, window, detection_config(*options)
            )
        boxes, kept = gathered(rows)
        return rows, kept, any_empty(boxes)

    return graph_function(build, (n_proposals, 4), (n_proposals, n_classes), (n_proposals, n_classes, 4), (4,))


@quietly
def refine_detections(
    proposals_norm,
    probabilities,
    deltas,
    window_norm,
    *,
    min_confidence,
    iou_threshold,
    max_detections,
    delta_std,
    in_numpy=False,
):
    """Return what ``mrcnn.model.refine_detections_graph`` says, and what goes on inside.

    Returns
    -------
    rows : ndarray of shape (max_detections, 6)
        Normalised box, class and score, filled up with zeros: the graph's result.
    proposal_ids : ndarray of shape (K,)
        Which proposals they come from, read where the graph gathers them.
    empty : bool
        Whether any box was left without area.
    """
    run = detection_function(
        *probabilities.shape, in_numpy, min_confidence, iou_threshold, max_detections, tuple(delta_std)
    )
    return run(proposals_norm, probabilities, deltas, window_norm)


@quietly
def detection_layer(proposals_norm, probabilities, deltas, *, image_size, window, **options):
    """Return ``mrcnn.model.DetectionLayer``'s padded rows, (max_detections, 6), for a window in pixels."""
    config = detection_config(**options)

    def build(*inputs):
        return load().model.DetectionLayer(config).call([one[None] for one in inputs])[0]

    inputs = (proposals_norm, probabilities, deltas, image_meta(image_size, window)[0])
    return graph_function(build, *[one.shape for one in inputs])(*inputs)


@quietly
def resize_image(image, size):
    """Return ``mrcnn.utils.resize_image`` to a square: image, window, scale."""
    return load().utils.resize_image(image, min_dim=size, max_dim=size, mode="square")[:3]


@quietly
def mold_image(image, mean):
    """Return ``mrcnn.model.mold_image``."""
    return load().model.mold_image(image, types.SimpleNamespace(MEAN_PIXEL=np.array(mean)))


@quietly
def unmold_mask(probabilities, box, image_size):
    """Return ``mrcnn.utils.unmold_mask`` for a box of whole pixels, (H, W) bool."""
    return load().utils.unmold_mask(probabilities, np.asarray(box, dtype=np.int64), image_size)


@quietly
def minimize_mask(boxes, masks, size):
    """Return ``mrcnn.utils.minimize_mask``, (h, w, N) bool from (H, W, N)."""
    return load().utils.minimize_mask(boxes.astype(np.int64), masks, tuple(size))


@quietly
def expand_mask(boxes, small, image_size):
    """Return ``mrcnn.utils.expand_mask``, (H, W, N) bool from (h, w, N)."""
    return load().utils.expand_mask(boxes.astype(np.int64), small, tuple(image_size))


@quietly
def loader_parts():
    """Return Matterport's ``Dataset``, ``Config`` and the module of its ``data_generator``."""
    model = load().model
    from mrcnn.config import Config

    return types.SimpleNamespace(Dataset=load().utils.Dataset, Config=Config, model=model)
