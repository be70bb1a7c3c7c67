"""Normalisation by the batch beside Matterport's backbone in its training mode (``TRAIN_BN = None``). Classic only."""

from __future__ import annotations

import numpy as np
from conftest import Later
from networks import random_weights, small_config

from mini_rcnn.matterport import load, quietly
from mini_rcnn.parameters import NORM_PARTS, norms_of
from mini_rcnn.stages_tf.folding import conv_before

backbone = Later("mini_rcnn.stages_tf.backbone")
norms = Later("mini_rcnn.stages_tf.norms")
BLOCKS = (3, 4, 6, 3)
SIDES = {"_": 32, "2": 16, "3": 8, "4": 4, "5": 2}  # of a stage's features, images of 64 pixels


@quietly
def matterports(images, weights):
    """Return C2 to C5 of ``resnet_graph(train_bn=True)``, and each layer's four arrays after it has recorded."""
    modules = load()
    import keras

    tf, graph = modules.tf, modules.tf.Graph()
    with graph.as_default():
        keras.backend.set_session(tf.Session())
        image = keras.layers.Input(images.shape[1:])
        outputs = modules.model.resnet_graph(image, "resnet50", stage5=True, train_bn=True)[1:]
        network = keras.models.Model(image, outputs)
        for norm in norms_of(weights):
            conv = conv_before(norm)
            network.get_layer(conv).set_weights([weights[f"{conv}/{part}"] for part in ("kernel", "bias")])
            network.get_layer(norm).set_weights([weights[f"{norm}/{part}"] for part in NORM_PARTS])
        features, _ = keras.backend.get_session().run([network.outputs, network.updates], {image: images})
        return features, {norm: network.get_layer(norm).get_weights() for norm in norms_of(weights)}


def test_features_and_statistics_are_matterports():
    config = small_config(backbone__blocks=BLOCKS, backbone__width=64)
    every = random_weights(config, np.random.default_rng(4))
    weights = {name: array for name, array in every.items() if name.startswith(("conv1", "bn", "res"))}
    images = (np.random.default_rng(5).normal(size=(3, 64, 64, 3)) * 50).astype(np.float32)
    features, layers = matterports(images, weights)
    arrays = norms.BatchStatistics(weights, norms_of(weights))
    for ours, theirs in zip(backbone.resnet(images, arrays, blocks=BLOCKS).values(), features):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    frozen = backbone.resnet(images, weights, blocks=BLOCKS)["c5"]
    assert np.abs(frozen - features[-1]).max() > 1  # what is recorded would not do
    assert set(arrays.met) == set(layers)
    for norm, (mean, variance) in arrays.met.items():
        # What a layer records first it takes whole, and Keras makes the variance unbiased a second time.
        n_values = len(images) * SIDES[norm[2]] ** 2
        np.testing.assert_allclose(mean, layers[norm][2], rtol=1e-3, atol=1e-3, err_msg=norm)
        np.testing.assert_allclose(variance * n_values / (n_values - 1), layers[norm][3], rtol=1e-3, err_msg=norm)
