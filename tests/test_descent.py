"""The arithmetic of a step by hand, and against what trains a network."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later

from mini_rcnn.training.descent import best_epoch, clip_by_norm, momentum_step

tf = Later("tensorflow.compat.v2")
optimiser = Later("mini_rcnn.training.optimiser")


def test_clipping_by_hand():
    """The norm of 3, 4 and 12 together is 13."""
    gradients = [np.array([3.0, 4.0]), np.array([[12.0]])]
    first, second = clip_by_norm(gradients, 5.0)
    np.testing.assert_allclose(first, [15 / 13, 20 / 13])
    np.testing.assert_allclose(second, [[60 / 13]])
    for limit in (0, 13, 14):
        np.testing.assert_array_equal(clip_by_norm(gradients, limit)[0], [3, 4])
    np.testing.assert_array_equal(clip_by_norm([np.zeros(2)], 1.0)[0], [0, 0])
    assert clip_by_norm([], 1.0) == []


@pytest.mark.parametrize("limit", [0.0, 0.5, 3.0, 1e6])
def test_clipping_is_the_optimisers(rng, limit):
    gradients = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 4), (5,), (2, 2, 1))]
    tensors = [tf.constant(gradient) for gradient in gradients]
    wanted = optimiser.clip(tensors, optimiser.global_norm(tensors), limit)
    for got, want in zip(clip_by_norm(gradients, limit), wanted):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-6)


def test_ten_steps_are_the_optimisers(rng):
    weights = rng.normal(size=(3, 4)).astype(np.float32)
    arrays = {"a/kernel": optimiser.make_variable(weights, "a")}
    made, velocity = optimiser.Sgd(arrays, momentum=0.9), np.zeros_like(weights)
    for number in range(10):
        gradient, rate = rng.normal(size=(3, 4)).astype(np.float32), 0.1 / (1 + number)
        kept = weights.copy(), velocity.copy()
        after = momentum_step(weights, velocity, gradient, rate=rate, momentum=0.9)
        np.testing.assert_array_equal(weights, kept[0])
        np.testing.assert_array_equal(velocity, kept[1])
        weights, velocity = after
        made.update(arrays, {"a/kernel": tf.constant(gradient)}, tf.constant(rate, tf.float32), tf.constant(True))
    np.testing.assert_allclose(weights, arrays["a/kernel"].numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "losses, epoch",
    [
        ([0.9, 0.5, 0.7], 1),
        ([0.5, 0.9, 0.5], 0),
        ([float("nan"), 0.9], 1),
        ([0.3, float("-inf"), 0.2], 2),
        ([float("nan")], -1),
        ([], -1),
    ],
)
def test_best_epoch(losses, epoch):
    assert best_epoch(losses) == epoch
    assert best_epoch(np.array(losses)) == epoch
