"""A step: what learns and what does not, the guard against numbers that are none, averages, and several devices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Later
from training_runs import tiny_config, tiny_training

from mini_rcnn.data.batches import Batch
from mini_rcnn.training.settings import Stage

tf = Later("tensorflow.compat.v2")
step = Later("mini_rcnn.training.step")
start = Later("mini_rcnn.training.start")
learning = Later("mini_rcnn.stages_tf.learning")
devices = Later("mini_rcnn.training.devices")
ROOT = Path(__file__).resolve().parent.parent


def make_batch(seed, n_images=2):
    """Return a batch of noise with a box in each image but the last."""
    rng = np.random.default_rng(seed)
    boxes, class_ids = np.zeros((n_images, 2, 4), np.float32), np.zeros((n_images, 2), np.int64)
    boxes[:-1, 0], class_ids[:-1, 0] = [10, 12, 42, 40], 1
    images = (rng.normal(size=(n_images, 64, 64, 3)) * 50).astype(np.float32)
    masks, none = np.ones((n_images, 2, 56, 56), bool), np.zeros(n_images, np.int64)
    return Batch(tuple(f"film{i}" for i in range(n_images)), images, boxes, class_ids, masks, none, none, 0)


def make_learner(config=None, **settings):
    """Return a tiny learner."""
    config = config or tiny_config()
    return step.Learner(config, tiny_training(**settings), start.random_start(config, seed=1))


@pytest.fixture(scope="module")
def learner():
    """Return a learner whose graphs are built once for all tests of this file; they set its state themselves."""
    made = make_learner(average=0.5, clip_norm=1.0)
    made.first = made.state()
    return made


def moved_layers(learner, before):
    """Return the layers whose arrays have changed."""
    return {name.split("/")[0] for name, array in learner.weights().items() if not np.array_equal(array, before[name])}


def test_frozen_layers_do_not_change_and_cost_nothing(learner):
    learner.restore(learner.first)
    before = learner.weights()
    told = learner.step(make_batch(1), rate=0.01, number=3, layers="heads")
    moved = moved_layers(learner, before)
    assert {"fpn_p2", "rpn_conv_shared"} <= moved
    assert all(layer.startswith(("fpn_", "rpn_", "mrcnn_")) for layer in moved)
    names = [name for name in before if name.startswith(("fpn_", "rpn_", "mrcnn_"))]
    kernels = [before[name] for name in names if name.endswith(("/kernel", "/bias"))]
    decay = 1e-4 * sum(np.mean(np.square(array.astype(np.float64))) for array in kernels)
    np.testing.assert_allclose(told["total"] - sum(told[one] for one in learning.LOSSES), decay, atol=2e-6)


def test_a_step_by_its_definition(learner):
    """SGD on the clipped gradient of all losses and the decay; recorded statistics stay; the average follows."""
    learner.restore(learner.first)
    before, batch = learner.weights(), make_batch(2)
    told = learner.step(batch, rate=0.01, number=7)
    with tf.GradientTape() as tape:
        arrays = {name: tf.Variable(array) for name, array in before.items()}
        truth = learning.Truth(*map(tf.constant, (batch.boxes, batch.class_ids, batch.masks)))
        dice = learning.throw_dice(tf.constant([0, 7]), 2, learner.anchors.shape[0], 30)
        parts = learning.batch_losses(tf.constant(batch.images), truth, dice, learner.anchors, arrays, learner.config)
        learnt = {name: array for name, array in arrays.items() if name.split("/")[1] not in ("mean", "variance")}
        total = tf.add_n(list(parts.values())) + learning.weight_decay(learnt, 1e-4)
    gradients = tape.gradient(total, learnt)
    gradients = {name: np.zeros(learnt[name].shape) if one is None else one.numpy() for name, one in gradients.items()}
    norm = np.sqrt(sum(np.square(one).sum() for one in gradients.values()))
    assert norm > 1.0
    np.testing.assert_allclose(told["norm"], norm, rtol=1e-3)
    np.testing.assert_allclose(told["total"], float(total), rtol=1e-4)
    after, judged = learner.weights(), learner.weights(judged=True)
    for name, array in before.items():
        wanted = array - 0.01 * gradients[name] / norm if name in gradients else array
        np.testing.assert_allclose(after[name], wanted, atol=2e-5, err_msg=name)
        # The first decay is 1/10: nine tenths of the way.
        np.testing.assert_allclose(judged[name], 0.1 * array + 0.9 * after[name], atol=1e-5, err_msg=name)


def test_dice_depend_on_the_step_alone(learner):
    told = []
    for number in (4, 5, 4):
        learner.restore(learner.first)
        told.append(learner.step(make_batch(2), rate=0.01, number=number))
    assert told[0] == told[2] != told[1]


@pytest.mark.parametrize("number", range(10))
def test_nothing_is_learnt_from_what_is_not_finite(learner, number):
    """10 of 10: the step tells it, and weights, momentum and average stay what they were."""
    learner.restore(learner.first)
    for one in range(number % 3):
        learner.step(make_batch(one), rate=0.01, number=one)
    before = learner.state()
    name = f"weights/mrcnn_mask_conv{1 + number % 4}/bias"
    before[name] = before[name].copy()
    before[name][number % 8] = (np.nan, np.inf, -1e30)[number % 3]  # the decay's square of the last is infinite
    learner.restore(before)
    told = learner.step(make_batch(number), rate=0.01, number=number)
    assert not np.isfinite([told["total"], told["norm"]]).all()
    for name, array in learner.state().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    learner.restore(learner.first)
    assert np.isfinite(list(learner.step(make_batch(number), rate=0.01, number=number).values())).all()


def test_state_there_and_back(learner):
    learner.restore(learner.first)
    learner.step(make_batch(1), rate=0.01, number=0)
    kept, told = learner.state(), []
    for _ in range(2):
        learner.restore(kept)
        told.append(learner.step(make_batch(2), rate=0.01, number=1))
    assert told[0] == told[1]
    learner.rest()
    assert all(not array.any() for name, array in learner.state().items() if name.startswith("optimiser/"))


TWO = """
import json, sys
import numpy as np
sys.path.insert(0, "tests")
from mini_rcnn import stages_tf
import tensorflow.compat.v2 as tf
from test_training_step import make_batch
from training_runs import tiny_config, tiny_training
from mini_rcnn.data.batches import Batch
from mini_rcnn.stages_tf.backbone import stem
from mini_rcnn.stages_tf.norms import BatchStatistics
from mini_rcnn.training import devices, start, step

tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # graphs are built sooner
cpu = tf.config.experimental.list_physical_devices("CPU")[0]
tf.config.experimental.set_virtual_device_configuration(cpu, [tf.config.experimental.VirtualDeviceConfiguration()] * 2)
config, training = tiny_config(), tiny_training(batch_size=4, clip_norm=0.5, average=0.5)
strategy = devices.make_strategy(4, devices=["/cpu:0", "/cpu:1"])
two = step.Learner(config, training, start.random_start(config, seed=1), strategy=strategy)
before, batch = two.weights(), make_batch(5, n_images=4)
told = two.step(batch, rate=0.1, number=3)
try:
    devices.make_strategy(5, devices=["/cpu:0", "/cpu:1"])
except ValueError as error:
    refused = str(error)
dice = step.throw_dice((0, 3), 4, two.anchors.shape[0], 30)
arrays = {name: tf.Variable(array) for name, array in before.items()}
learnt = step.names_learnt(arrays, "all")
sums, norms = [], []
for rows in (slice(0, 2), slice(2, 4)):
    with tf.GradientTape() as tape:
        truth = step.Truth(*(tf.constant(part[rows]) for part in (batch.boxes, batch.class_ids, batch.masks)))
        parts = step.batch_losses(tf.constant(batch.images[rows]), truth, step.Dice(*(one[rows] for one in dice)),
                                  two.anchors, arrays, config)
        total = tf.add_n(list(parts.values())) + step.weight_decay({n: arrays[n] for n in learnt}, 1e-4)
    gradients = tape.gradient(total, [arrays[name] for name in learnt])
    sums.append([total.numpy()] + [0 if one is None else one.numpy() for one in gradients])
total, *gradients = [(a + b) / 2 for a, b in zip(*sums)]
norm = np.sqrt(sum(np.square(one).sum() for one in gradients))
off = [np.abs(two.weights()[n] - (before[n] - 0.1 * g * min(1, 0.5 / norm))).max() for n, g in zip(learnt, gradients)]
training = tiny_training(batch_size=4, norms="batch")
by_batch = step.Learner(config, training, start.random_start(config, seed=1), strategy=strategy)
by_batch.step(batch, rate=0.1, number=3)
halves = [BatchStatistics(before, ["bn_conv1"]) for _ in range(2)]
for half, rows in zip(halves, (slice(0, 2), slice(2, 4))):
    stem(batch.images[rows], half)
for place, part in enumerate(("mean", "variance")):
    met = np.mean([half.met["bn_conv1"][place].numpy() for half in halves], axis=0)
    was = before[f"bn_conv1/{part}"]
    off.append(np.abs(by_batch.weights()[f"bn_conv1/{part}"] / (was + 0.01 * (met - was)) - 1).max() / 100)
print(json.dumps({"told": told, "total": float(total), "norm": float(norm), "off": float(max(off)), "refused": refused,
                  "devices": two.n_devices}))
"""


def test_two_devices_learn_from_the_mean_of_their_gradients():
    """Two logical devices of the CPU, four images: against the same on one device, each half for itself.

    Normalised by the batch, what is recorded is the mean of what the halves met, to a thousandth.
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TWO],
        cwd=str(ROOT),
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["devices"] == 2 and "multiple of 2" in told["refused"]
    assert told["norm"] > 0.5
    np.testing.assert_allclose(told["told"]["total"], told["total"], rtol=1e-5)
    np.testing.assert_allclose(told["told"]["norm"], told["norm"], rtol=1e-4)
    assert told["off"] < 1e-5


def test_mixed_precision_and_xla_need_tensorflow_2():
    for name in ("mixed_precision", "xla"):
        training = tiny_training(**{name: True})
        if devices.IS_ONE:
            with pytest.raises(ValueError, match=f"training.{name} needs TensorFlow 2.*--env modern"):
                devices.prepare_devices(training)


@pytest.mark.skipif(sys.version_info < (3, 8), reason="mixed precision needs TensorFlow 2, the modern environment")
def test_mixed_precision_is_close_and_learns(learner):
    import inspect

    if "dtype" not in inspect.signature(learning.batch_losses).parameters:
        pytest.skip("batch_losses takes no dtype yet")
    learner.restore(learner.first)
    wanted = learner.losses(make_batch(1))
    mixed = make_learner(mixed_precision=True, stages=(Stage(1, 0.01),))
    got = mixed.losses(make_batch(1))
    for name in ("rpn_class", "rpn_box"):
        np.testing.assert_allclose(got[name], wanted[name], rtol=0.05)
    assert all(array.dtype == np.float32 for array in mixed.weights().values())
    told = [mixed.step(make_batch(1), rate=0.01, number=0)["total"] for _ in range(12)]
    assert np.isfinite(told).all() and told[-1] < 0.8 * told[0]
    by_batch = [make_learner(mixed_precision=mixed, norms="batch") for mixed in (False, True)]
    totals = [[one.step(make_batch(1), rate=0.01, number=0)["total"] for _ in range(4)] for one in by_batch]
    np.testing.assert_allclose(*totals, rtol=0.02)
