"""Normalisation by the batch: its definition, its gradient, and what is recorded on the way."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later
from test_training_step import make_batch, make_learner

from mini_rcnn.parameters import norms_of

tf = Later("tensorflow.compat.v2")
backbone = Later("mini_rcnn.stages_tf.backbone")
norms = Later("mini_rcnn.stages_tf.norms")
EPSILON = 1e-3


def by_definition(feature, gamma, beta):
    """Return a feature normalised by its own mean and variance, written out."""
    mean = tf.reduce_mean(feature, axis=[0, 1, 2])
    variance = tf.reduce_mean(tf.square(feature - mean), axis=[0, 1, 2])
    return gamma * (feature - mean) / tf.sqrt(variance + EPSILON) + beta


@pytest.fixture(scope="module")
def layer():
    """Return a feature and the weights of one convolution with its normalisation."""
    rng = np.random.default_rng(2)
    shapes = {"res2a_branch2a/kernel": (1, 1, 5, 3), "res2a_branch2a/bias": (3,)}
    shapes.update({f"bn2a_branch2a/{part}": (3,) for part in ("gamma", "beta", "mean", "variance")})
    weights = {name: tf.constant(rng.uniform(0.5, 2, shape).astype(np.float32)) for name, shape in shapes.items()}
    return tf.constant(rng.normal(3, 2, (2, 4, 6, 5)).astype(np.float32)), weights


def test_by_its_definition_and_its_gradient(layer):
    feature, weights = layer
    arrays = norms.BatchStatistics(weights, ["bn2a_branch2a"])
    learnt = [weights[name] for name in ("res2a_branch2a/kernel", "bn2a_branch2a/gamma", "bn2a_branch2a/beta")]
    aim = tf.constant(np.random.default_rng(3).normal(size=(2, 4, 6, 3)).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([feature, *learnt])
        raw = feature @ weights["res2a_branch2a/kernel"][0, 0] + weights["res2a_branch2a/bias"]
        wanted = by_definition(raw, *learnt[1:])
        got = backbone.conv_norm(feature, arrays, "res2a_branch2a", "bn2a_branch2a")
        losses = [tf.reduce_sum(one * aim) for one in (got, wanted)]
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    for ours, written_out in zip(*(tape.gradient(loss, [feature, *learnt]) for loss in losses)):
        np.testing.assert_allclose(ours, written_out, rtol=1e-3, atol=1e-4)
    mean, variance = arrays.met["bn2a_branch2a"]
    np.testing.assert_allclose(mean, np.mean(raw, axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, np.var(raw, axis=(0, 1, 2), ddof=1), rtol=1e-4)


def test_other_norms_repeat_what_is_recorded(layer):
    feature, weights = layer
    arrays = norms.BatchStatistics(weights, ["bn_conv1"])
    got, frozen = (backbone.conv_norm(feature, one, "res2a_branch2a", "bn2a_branch2a") for one in (arrays, weights))
    np.testing.assert_array_equal(got, frozen)
    assert not arrays.met


@pytest.fixture(scope="module")
def learner():
    made = make_learner(norms="batch")
    made.first = made.state()
    return made


def recorded_of(learner):
    """Return the recorded means and variances."""
    return {name: array for name, array in learner.weights().items() if name.endswith(("/mean", "/variance"))}


def test_a_step_records_a_hundredth_of_what_it_met(learner):
    learner.restore(learner.first)
    before, batch = recorded_of(learner), make_batch(3)
    weights = learner.weights()
    learner.step(batch, rate=0.01, number=0)
    after = recorded_of(learner)
    still = {name for name in before if np.array_equal(before[name], after[name])}
    assert still == {name for name in before if name.startswith("mrcnn_mask")}
    met = norms.BatchStatistics(weights, norms_of(weights))
    backbone.stem(batch.images, met)
    for part, value in zip(("mean", "variance"), met.met["bn_conv1"]):
        name = f"bn_conv1/{part}"
        np.testing.assert_allclose(after[name], before[name] + 0.01 * (value - before[name]), rtol=1e-3, atol=1e-3)


def test_frozen_layers_record_nothing(learner):
    learner.restore(learner.first)
    before = recorded_of(learner)
    learner.step(make_batch(3), rate=0.01, number=0, layers="heads")
    moved = {name.split("/")[0] for name, array in recorded_of(learner).items() if (array != before[name]).any()}
    assert moved == {"mrcnn_class_bn1", "mrcnn_class_bn2"}


def test_nothing_is_recorded_of_a_step_that_is_not_finite(learner):
    state = {**learner.first}
    state["weights/rpn_conv_shared/bias"] = np.full_like(state["weights/rpn_conv_shared/bias"], np.nan)
    learner.restore(state)
    assert not np.isfinite(learner.step(make_batch(3), rate=0.01, number=0)["total"])
    for name, array in learner.state().items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)
