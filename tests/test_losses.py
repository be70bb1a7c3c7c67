"""The five losses: by hand, against SciPy, NumPy against TensorFlow, and gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from conftest import Later

tf = Later("tensorflow.compat.v2")
tf_losses = Later("mini_rcnn.stages_tf.losses")


def case(rng, name, *, objects=True):
    """Return arguments of a loss, the first of them what a network says."""
    labels = rng.integers(-1, 2, (2, 9)) if objects else np.full((2, 9), -1)
    classes = rng.integers(0, 3, (2, 7)) if objects else np.zeros((2, 7), np.int64)
    n_objects = 4 if objects else 0
    return {
        "rpn_class_loss": (rng.normal(size=(2, 9, 2)), labels),
        "rpn_box_loss": (rng.normal(size=(2, 9, 4)) * 2, labels, rng.normal(size=(2, 9, 4))),
        "head_class_loss": (rng.normal(size=(2, 7, 3)), classes, rng.random((2, 7)) > 0.3),
        "head_box_loss": (rng.normal(size=(2, 7, 3, 4)) * 2, classes, rng.normal(size=(2, 7, 4))),
        "head_mask_loss": (
            rng.normal(size=(n_objects, 5, 5, 3)),
            rng.integers(1, 3, n_objects),
            (rng.random((n_objects, 5, 5)) > 0.5).astype(float),
        ),
    }[name]


NAMES = ["rpn_class_loss", "rpn_box_loss", "head_class_loss", "head_box_loss", "head_mask_loss"]


def test_smooth_l1_by_hand(stage):
    differences = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 3.0])
    np.testing.assert_allclose(stage("losses.smooth_l1")(differences), [0, 0.125, 0.125, 0.5, 0.5, 2.5])


def test_cross_entropies_against_scipy(stage, rng):
    logits, ids = rng.normal(size=(6, 4)) * 50, rng.integers(0, 4, 6)
    wanted = -scipy.special.log_softmax(logits, axis=1)[np.arange(6), ids]
    np.testing.assert_allclose(stage("losses.cross_entropy")(logits, ids), wanted, rtol=1e-9, atol=1e-12)
    targets = rng.integers(0, 2, (6, 4)).astype(float)
    wanted = np.logaddexp(0, np.where(targets > 0, -logits, logits))
    np.testing.assert_allclose(stage("losses.binary_cross_entropy")(logits, targets), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("objects", [True, False])
def test_numpy_and_tensorflow_agree(rng, stage, name, objects):
    arguments = case(rng, name, objects=objects)
    from mini_rcnn.stages import losses

    np.testing.assert_allclose(stage(f"losses.{name}")(*arguments), getattr(losses, name)(*arguments), rtol=1e-9)


@pytest.mark.parametrize("name", ["rpn_box_loss", "head_box_loss", "head_mask_loss"])
def test_without_objects_the_loss_is_zero(rng, stage, name):
    assert float(stage(f"losses.{name}")(*case(rng, name, objects=False))) == 0


@pytest.mark.parametrize("name", NAMES)
def test_gradients_against_finite_differences(rng, name):
    from mini_rcnn.stages import losses

    said, *rest = case(rng, name)
    variable = tf.Variable(said)
    with tf.GradientTape() as tape:
        loss = getattr(tf_losses, name)(variable, *rest)
    gradient = tape.gradient(loss, variable)
    gradient = tf.convert_to_tensor(gradient).numpy()
    assert np.abs(gradient).max() > 0
    for place in [tuple(rng.integers(0, said.shape)) for _ in range(20)]:
        step = np.zeros_like(said)
        step[place] = 1e-5
        rise = getattr(losses, name)(said + step, *rest) - getattr(losses, name)(said - step, *rest)
        np.testing.assert_allclose(gradient[place], rise / 2e-5, rtol=1e-4, atol=1e-7)


def test_what_is_not_asked_does_not_count(rng, stage):
    logits, labels = case(rng, "rpn_class_loss")
    changed = np.where((labels == 0)[..., None], 100.0, logits)
    both = [float(stage("losses.rpn_class_loss")(said, labels)) for said in (logits, changed)]
    assert both[0] == both[1]


def test_only_the_own_classs_mask_counts(rng, stage):
    logits, class_ids, targets = case(rng, "head_mask_loss")
    changed = logits.copy()
    changed[..., 0] = 50
    both = [float(stage("losses.head_mask_loss")(said, class_ids, targets)) for said in (logits, changed)]
    assert both[0] == both[1]
