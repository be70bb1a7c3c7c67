"""Optimisers against numbers worked out by hand and against tf.keras; Keras 2.2.5's in test_optimiser_matterport."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later, imported

tf = Later("tensorflow.compat.v2")
optimiser = Later("mini_rcnn.training.optimiser")
SHAPES = {"a/kernel": (3, 4), "a/bias": (4,), "b/kernel": (2, 2, 1, 3)}


def make(rng):
    """Return variables, and gradients for ten steps."""
    arrays = {
        name: optimiser.make_variable(rng.normal(size=shape).astype(np.float32), name) for name, shape in SHAPES.items()
    }
    return arrays, [{n: rng.normal(size=s).astype(np.float32) for n, s in SHAPES.items()} for _ in range(10)]


def update(made, arrays, gradients, rate, fine=True):
    """Do one update."""
    gradients = {name: tf.constant(gradient) for name, gradient in gradients.items()}
    made.update(arrays, gradients, tf.constant(rate, tf.float32), tf.constant(fine))


def test_sgd_by_hand():
    """v = 0.9 v - 0.1 g: -0.2, then -0.18 - 0.1 = -0.28; w: 1, 0.8, 0.52."""
    arrays = {"a/kernel": optimiser.make_variable(np.float32([1]), "a")}
    made = optimiser.Sgd(arrays, momentum=0.9)
    update(made, arrays, {"a/kernel": np.float32([2])}, 0.1)
    np.testing.assert_allclose(arrays["a/kernel"].numpy(), [0.8], rtol=1e-6)
    update(made, arrays, {"a/kernel": np.float32([1])}, 0.1)
    np.testing.assert_allclose(arrays["a/kernel"].numpy(), [0.52], rtol=1e-6)
    np.testing.assert_allclose(made.state["velocity/a/kernel"].numpy(), [-0.28], rtol=1e-6)


def test_clipping_by_hand():
    """The norm of 3, 4 and 12 together is 13: all go to 5/13, none beyond; below or without a limit they stay."""
    gradients = [tf.constant([3.0, 4.0]), tf.constant([[12.0]])]
    norm = optimiser.global_norm(gradients)
    np.testing.assert_allclose(float(norm), 13.0)
    clipped = optimiser.clip(gradients, norm, 5.0)
    np.testing.assert_allclose(clipped[0].numpy(), [15 / 13, 20 / 13], rtol=1e-6)
    np.testing.assert_allclose(clipped[1].numpy(), [[60 / 13]], rtol=1e-6)
    for limit in (0, 13.5):
        np.testing.assert_array_equal(optimiser.clip(gradients, norm, limit)[0].numpy(), [3, 4])


def test_adam_by_hand():
    """The first step of Adam is the rate, whatever the gradient's size: m / sqrt(v) = g / |g|."""
    arrays = {"a/kernel": optimiser.make_variable(np.float32([1, 1, 1]), "a")}
    made = optimiser.Adam(arrays)
    update(made, arrays, {"a/kernel": np.float32([100, -0.5, 0])}, 0.1)
    np.testing.assert_allclose(arrays["a/kernel"].numpy(), [0.9, 1.1, 1.0], rtol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_ten_steps_against_tf_keras(rng, name):
    keras = imported("tensorflow.keras")
    arrays, steps = make(rng)
    theirs = {key: tf.Variable(array.numpy()) for key, array in arrays.items()}
    if name == "sgd":
        made, oracle = optimiser.Sgd(arrays, momentum=0.9), keras.optimizers.SGD(0.05, momentum=0.9)
    else:  # theirs adds epsilon beside an uncorrected second moment
        made, oracle = optimiser.Adam(arrays), keras.optimizers.Adam(0.05, epsilon=1e-8)
    for gradients in steps:
        update(made, arrays, gradients, 0.05)
        oracle.apply_gradients([(tf.constant(gradients[key]), theirs[key]) for key in arrays])
    for key, array in arrays.items():
        np.testing.assert_allclose(array.numpy(), theirs[key].numpy(), rtol=2e-5, atol=2e-6, err_msg=key)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_nothing_changes_where_something_is_not_finite(rng, name):
    arrays, steps = make(rng)
    made = optimiser.Adam(arrays) if name == "adam" else optimiser.Sgd(arrays, momentum=0.9)
    update(made, arrays, steps[0], 0.1)
    before = {key: value.numpy() for key, value in {**arrays, **made.state}.items()}
    for bad in (np.nan, np.inf, -np.inf):
        update(made, arrays, {key: np.full_like(one, bad) for key, one in steps[1].items()}, 0.1, fine=False)
    for key, value in {**arrays, **made.state}.items():
        np.testing.assert_array_equal(value.numpy(), before[key])


def test_arrays_that_do_not_learn_keep_their_state(rng):
    arrays, steps = make(rng)
    made = optimiser.Sgd(arrays, momentum=0.9)
    update(made, arrays, steps[0], 0.1)
    before = {key: value.numpy() for key, value in {**arrays, **made.state}.items()}
    update(made, arrays, {"a/bias": steps[1]["a/bias"]}, 0.1)
    moved = {key for key, value in {**arrays, **made.state}.items() if not np.array_equal(value.numpy(), before[key])}
    assert moved == {"a/bias", "velocity/a/bias"}
