"""Where training begins: the first answers are background, and recorded normalisations give mean 0 and variance 1."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later
from networks import small_config

from mini_rcnn.training.start import random_boxes, random_start, record_statistics
from mini_rcnn.weights import shapes_of

tf = Later("tensorflow.compat.v2")
model = Later("mini_rcnn.stages_tf.model")


@pytest.fixture(scope="module")
def images():
    return (np.random.default_rng(3).normal(size=(8, 128, 128, 3)) * 60 + 20).astype(np.float32)


def test_start_has_every_array_and_is_the_seeds():
    config = small_config()
    weights, same, other = (random_start(config, seed=seed) for seed in (1, 1, 2))
    assert {name: array.shape for name, array in weights.items()} == shapes_of(config)
    assert all(array.dtype == np.float32 for array in weights.values())
    for name in weights:
        np.testing.assert_array_equal(weights[name], same[name])
    assert (weights["conv1/kernel"] != other["conv1/kernel"]).all()


def test_kernels_have_the_variance_of_he_et_al():
    weights = random_start(small_config(backbone__width=32, heads__mask_channels=64), seed=1)
    for name, wanted in (("res3a_branch2b/kernel", 2 / (9 * 64)), ("mrcnn_mask_conv2/kernel", 2 / (9 * 64))):
        np.testing.assert_allclose(weights[name].var(), wanted, rtol=0.05)


def test_recorded_normalisations_give_mean_0_and_variance_1(images):
    config = small_config()
    weights = record_statistics(random_start(config, seed=1), images, config)
    assert {name: array.shape for name, array in weights.items()} == shapes_of(config)
    # By hand, the first layer: a 7 x 7 convolution, every second pixel.
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(1, 2))[:, ::2, ::2]
    out = np.einsum("bhwcij,ijck->bhwk", windows, weights["conv1/kernel"])
    np.testing.assert_allclose(weights["bn_conv1/mean"], out.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(weights["bn_conv1/variance"], out.var(axis=(0, 1, 2)), rtol=1e-3)


def test_a_network_without_weights_finds_nothing_and_no_feature_explodes(images):
    config = small_config(backbone__blocks=(3, 4, 6, 3))
    plain = random_start(config, seed=1)
    window = tf.constant([0.0, 0.0, 128.0, 128.0])
    trace_of = {
        name: model.Detector(config, weights).run(tf.constant(images[0]), window)
        for name, weights in (("plain", plain), ("recorded", record_statistics(plain, images, config)))
    }
    spread = {name: float(np.std(trace["c5"])) for name, trace in trace_of.items()}
    assert 0.2 < spread["recorded"] < 10 < spread["plain"]
    assert trace_of["recorded"]["objectness"].numpy().max() < 0.5
    assert trace_of["recorded"]["probabilities"].numpy()[:, 1].max() < 0.5


def test_random_boxes_lie_in_the_image(rng):
    boxes = random_boxes(rng, 50, 128)
    assert boxes.shape == (50, 4, 4) and boxes.min() >= 0 and boxes.max() <= 128
    assert (boxes[..., 2:] - boxes[..., :2]).min() >= 12
