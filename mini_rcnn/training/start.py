"""Where training begins when there are no trained weights: random numbers of the right size."""

from __future__ import annotations

import numpy as np

from mini_rcnn.parameters import RECORDED, norms_of
from mini_rcnn.weights import shapes_of

# Layers that give the answers begin near zero: the first answers are "nothing here", and no loss is large.
LAST_LAYERS = {
    "rpn_class_raw": 0.01,
    "rpn_bbox_pred": 0.01,
    "mrcnn_class_logits": 0.01,
    "mrcnn_bbox_fc": 0.001,
    "mrcnn_mask": 0.01,
}
LINEAR = "fpn_"  # layers without a rectifier behind them
BACKGROUND_BIAS = {"rpn_class_raw": 2.0, "mrcnn_class_logits": 1.0}  # what background is ahead by
RESIDUAL_GAMMA = 0.5  # of a block's last normalisation: a deep network begins close to the identity


def random_start(config, *, seed):
    """Return weights to begin training from nothing.

    Parameters
    ----------
    config : Config
    seed : int

    Returns
    -------
    weights : dict of str to ndarray, float32
        All arrays of `mini_rcnn.weights.shapes_of`.

    Notes
    -----
    Kernels are normal with variance 2 / fan-in before a rectifier (He et al., ICCV 2015, equation 10) and 1 / fan-in in
    the pyramid, which has none; the layers that answer begin near zero, their background ahead (focal loss, Lin et al.
    2017, section 3.3, has the idea). Matterport begins with Keras's Glorot uniform, all biases 0; the project trained
    from there at a rate of 0.012.
    """
    weights = {}
    for place, (name, shape) in enumerate(shapes_of(config).items()):
        layer, part = name.split("/")
        if part == "kernel":
            values = np.random.default_rng([seed, place]).normal(size=shape) * kernel_spread(layer, shape)
        else:
            values = np.full(shape, 1.0 if part in ("gamma", "variance") else 0.0)
        if part == "gamma" and layer.endswith("branch2c"):
            values *= RESIDUAL_GAMMA
        weights[name] = values.astype(np.float32)
    weights["rpn_class_raw/bias"][::2] = BACKGROUND_BIAS["rpn_class_raw"]
    weights["mrcnn_class_logits/bias"][0] = BACKGROUND_BIAS["mrcnn_class_logits"]
    return weights


def kernel_spread(layer, shape):
    """Return the standard deviation that a layer's kernel begins with."""
    if layer in LAST_LAYERS:
        return LAST_LAYERS[layer]
    fan_in = shape[3] if layer == "mrcnn_mask_deconv" else np.prod(shape[:-1])
    return np.sqrt((1.0 if layer.startswith(LINEAR) else 2.0) / fan_in)


def record_statistics(weights, images, config, *, seed=0):
    """Return weights whose frozen normalisations fit the images: each gives its layer mean 0 and variance 1 on them.

    Parameters
    ----------
    weights : dict of str to ndarray
        Such as `random_start` gives.
    images : ndarray of shape (B, size, size, 3), float32
        Network inputs; 16 or so.
    config : Config
    seed : int
        Of the boxes that are pooled for the heads.

    Returns
    -------
    weights : dict of str to ndarray, float32

    Notes
    -----
    A frozen normalisation repeats statistics that were recorded before. With 0 and 1 in their place it does nothing,
    and a network from nothing then trains slowly or not at all; so they are recorded here, layer after layer, on its
    first images (Mishkin and Matas, ICLR 2016, "All you need is a good init", with the normalisation in place of the
    scaled kernel). The project's frozen normalisations had 0 and 1: it loaded no weights.
    """
    from mini_rcnn.stages_tf.backbone import resnet
    from mini_rcnn.stages_tf.fpn import feature_pyramid
    from mini_rcnn.stages_tf.heads import box_head, mask_head
    from mini_rcnn.stages_tf.norms import BatchStatistics
    from mini_rcnn.stages_tf.roi_align import pyramid_roi_align

    measured = BatchStatistics(weights, norms_of(weights))
    pyramid = feature_pyramid(resnet(images, measured, blocks=config.backbone.blocks), measured)
    boxes = random_boxes(np.random.default_rng(seed), len(images), config.image.size)
    for head, size in ((box_head, config.heads.box_pool_size), (mask_head, config.heads.mask_pool_size)):
        pooled = pyramid_roi_align(
            pyramid, boxes, image_size=config.image.size, output_size=size, method=config.heads.pooling
        )
        head(np.reshape(pooled, (-1, *pooled.shape[2:])), measured)
    met = {f"{norm}/{part}": pair[i] for norm, pair in measured.met.items() for i, part in enumerate(RECORDED)}
    return {name: np.asarray(array, np.float32) for name, array in {**weights, **met}.items()}


def random_boxes(rng, n_images, size, *, n_boxes=4):
    """Return boxes (B, n, 4) of a tenth to a half of the image's side, anywhere in it."""
    sides = rng.uniform(0.1, 0.5, (n_images, n_boxes, 2))
    corners = rng.uniform(0, 1 - sides)
    return (np.concatenate([corners, corners + sides], axis=2) * size).astype(np.float32)
