"""The layers: by hand, against SciPy and scikit-image, and NumPy against TensorFlow's own operations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import scipy.special
from conftest import TOLERANCES, Later
from skimage.measure import block_reduce

from mini_rcnn.stages import ops

tf = Later("tensorflow.compat.v2")


def test_convolution_by_hand(stage):
    feature = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])[..., None]
    kernel = np.array([[1.0, 0], [0, -1]])[..., None, None]
    out = stage("ops.conv2d")(feature, kernel, np.array([10.0]), padding="valid")
    np.testing.assert_allclose(out[..., 0], [[10 + 1 - 5, 10 + 2 - 6], [10 + 4 - 8, 10 + 5 - 9]])


def test_the_kernel_is_not_flipped(stage):
    kernel = np.array([1.0, 2, 3]).reshape(1, 3, 1, 1)
    point = np.array([0.0, 0, 1, 0, 0]).reshape(1, 5, 1)
    np.testing.assert_allclose(stage("ops.conv2d")(point, kernel)[0, :, 0], [0, 3, 2, 1, 0])


@pytest.mark.parametrize("size", [(9, 8), (8, 9), (7, 7)])
@pytest.mark.parametrize("window", [(1, 1), (3, 3), (5, 3)])
def test_convolution_against_scipy(stage, rng, size, window):
    feature, kernel = rng.normal(size=(*size, 3)), rng.normal(size=(*window, 3, 4))
    for padding in ("same", "valid"):
        wanted = np.stack(
            [
                sum(scipy.signal.correlate2d(feature[..., c], kernel[..., c, f], padding) for c in range(3))
                for f in range(4)
            ],
            axis=-1,
        )
        out = stage("ops.conv2d")(feature, kernel, padding=padding)
        np.testing.assert_allclose(out, wanted, **TOLERANCES["float64"])


@pytest.mark.parametrize(
    "sides, stride, padding",
    [((1, 1), 1, "SAME"), ((3, 3), 1, "SAME"), ((5, 1), 1, "SAME"), ((1, 1), 2, "SAME"), ((7, 7), 2, "VALID"),
     ((3, 5), 1, "VALID"), ((3, 3), 3, "VALID")],
)  # fmt: skip
@pytest.mark.parametrize("n_images", [2, 0, None])
def test_our_gradients_of_a_convolution_are_tensorflows(rng, sides, stride, padding, n_images):
    from mini_rcnn.stages_tf.ops import convolve

    feature, kernel = rng.normal(size=(n_images or 0, 10, 9, 3)), tf.constant(rng.normal(size=(*sides, 3, 4)))
    shape = tf.nn.conv2d(tf.zeros((1, 10, 9, 3)), tf.zeros(kernel.shape), stride, padding).shape
    weights = rng.normal(size=(n_images or 0, *shape[1:]))  # so that the gradient differs from place to place

    def gradients(function):
        @tf.function(
            input_signature=[tf.TensorSpec((n_images, *each.shape[1:]), tf.float64) for each in (feature, weights)]
        )
        def run(feature, weights):
            with tf.GradientTape() as tape:
                tape.watch([feature, kernel])
                total = tf.reduce_sum(function(feature, kernel) * weights)
            return tape.gradient(total, [feature, kernel])

        return run(tf.constant(feature), tf.constant(weights))

    wanted = gradients(lambda feature, kernel: tf.nn.conv2d(feature, kernel, stride, padding))
    for ours, theirs in zip(gradients(lambda feature, kernel: convolve(stride, padding, feature, kernel)), wanted):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("is_one, gpus, ours", [(True, [], True), (True, ["GPU:0"], False), (False, [], False)])
def test_our_gradients_are_for_old_tensorflow_on_a_cpu(is_one, gpus, ours, monkeypatch):
    from mini_rcnn.stages_tf import ops

    used = []
    monkeypatch.setattr(ops, "IS_ONE", is_one)
    monkeypatch.setattr(tf.config.experimental, "list_physical_devices", lambda kind: gpus if kind == "GPU" else [])
    monkeypatch.setattr(ops, "convolve", lambda stride, padding, feature, filters: used.append(padding) or feature)
    ops.conv2d(tf.ones((1, 6, 6, 2)), tf.ones((3, 3, 2, 2)))
    assert used == ["SAME"] * ours


@pytest.mark.parametrize("length", [7, 8, 9, 16])
@pytest.mark.parametrize("window, stride", [(1, 2), (3, 2), (7, 2), (3, 3)])
def test_strides_fall_where_tensorflows_do(rng, length, window, stride):
    feature, kernel = rng.normal(size=(2, length, length + 1, 2)), rng.normal(size=(window, window, 2, 3))
    for padding in ("same", "valid"):
        if padding == "valid" and window > length:
            continue
        out = ops.conv2d(feature, kernel, stride=stride, padding=padding)
        wanted = tf.nn.conv2d(feature, kernel, stride, padding.upper()).numpy()
        np.testing.assert_allclose(out, wanted, **TOLERANCES["float64"])
    feature = feature.astype(np.float32)  # TensorFlow 2.21 pools float64 through float32
    pooled = tf.nn.max_pool2d(feature, window, stride, "SAME").numpy()
    np.testing.assert_array_equal(ops.max_pool(feature, size=window, stride=stride), pooled)


def test_a_batch_is_each_image_on_its_own(stage, rng):
    batch, kernel = rng.normal(size=(3, 6, 5, 2)), rng.normal(size=(3, 3, 2, 4))
    together = stage("ops.conv2d")(batch, kernel, stride=2)
    for image, out in zip(batch, together):
        np.testing.assert_allclose(stage("ops.conv2d")(image, kernel, stride=2), out, **TOLERANCES["float64"])


def test_no_image_gives_no_feature(stage):
    out = stage("ops.conv2d")(np.zeros((0, 6, 6, 2)), np.zeros((3, 3, 2, 5)), np.zeros(5))
    assert out.shape == (0, 6, 6, 5)


def test_normalisation_by_hand(stage):
    feature = np.array([[[1.0, 10.0]], [[3.0, 10.0]]])
    gamma, beta, mean, variance = np.array([[2.0, 1.0], [0.5, -1.0], [1.0, 4.0], [4.0, 9.0]])
    out = stage("ops.batch_norm")(feature, gamma, beta, mean, variance, epsilon=0)
    np.testing.assert_allclose(out, [[[0.5, 1.0]], [[2.5, 1.0]]])


def test_pooling_takes_negative_values_over_padding(stage):
    out = stage("ops.max_pool")(np.full((3, 3, 1), -5.0), size=3, stride=2)
    np.testing.assert_array_equal(out, np.full((2, 2, 1), -5.0))


def test_pooling_against_scikit_image(stage, rng):
    feature = rng.normal(size=(8, 6, 3))
    wanted = block_reduce(feature, (2, 2, 1), np.max)
    np.testing.assert_array_equal(stage("ops.max_pool")(feature, size=2, stride=2), wanted)


def test_upsampling_repeats(stage):
    out = stage("ops.upsample")(np.array([[1.0, 2], [3, 4]])[..., None])
    np.testing.assert_array_equal(out[..., 0], np.kron([[1, 2], [3, 4]], np.ones((2, 2))))


def test_transposed_convolution_against_tensorflows_own(stage, rng):
    feature, kernel, bias = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 2, 6, 5)), rng.normal(size=6)
    wanted = tf.nn.conv2d_transpose(feature, kernel, (2, 6, 8, 6), 2, "VALID").numpy() + bias
    out = stage("ops.transposed_conv2x2")(feature, kernel, bias)
    np.testing.assert_allclose(out, wanted, **TOLERANCES["float64"])


def test_softmax_against_scipy(stage, rng):
    logits = np.concatenate([rng.normal(size=(5, 3)) * 10, [[1e4, -1e4, 0.0]]])
    np.testing.assert_allclose(stage("ops.softmax")(logits), scipy.special.softmax(logits, axis=-1), atol=1e-12)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"feature": np.zeros((4, 4))}, r"feature must have shape \(H, W, C\)"),
        ({"kernel": np.zeros((3, 3, 5, 2))}, r"kernel must have shape \(\?, \?, 2, \?\)"),
        ({"stride": 0}, "stride must be a whole number >= 1"),
        ({"padding": "full"}, "padding must be one of 'same', 'valid'"),
    ],
)
def test_bad_input_is_named(stage, change, words):
    arguments = {"feature": np.zeros((4, 4, 2)), "kernel": np.zeros((3, 3, 2, 2)), "stride": 1, "padding": "same"}
    arguments.update(change)
    with pytest.raises(ValueError, match=words):
        stage("ops.conv2d")(arguments.pop("feature"), arguments.pop("kernel"), **arguments)
