"""Settings of a training: what is refused, what the rates come to, and which layers learn."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from mini_rcnn.config import Config
from mini_rcnn.training.schedule import rate_at, stage_of, with_epochs
from mini_rcnn.training.settings import (
    LAYERS,
    Stage,
    TrainingConfig,
    changed_by_text,
    changed_training,
    training_from_dict,
    training_to_dict,
)

ONE = (Stage(1, 0.1),)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"stages": ()}, "stages"),
        ({"stages": [Stage(1, 0.1)]}, "stages"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"steps": 0}, "steps"),
        ({"validation_steps": -1}, "validation_steps"),
        ({"optimiser": "adan"}, "did you mean adam"),
        ({"momentum": 1.0}, "momentum"),
        ({"momentum": -0.1}, "momentum"),
        ({"clip_norm": -1}, "clip_norm"),
        ({"clip_norm": math.nan}, "clip_norm"),
        ({"weight_decay": math.inf}, "weight_decay"),
        ({"warm_up_steps": -1}, "warm_up_steps"),
        ({"augmentation": "slide"}, "did you mean slides"),
        ({"masks": "boxen"}, "did you mean boxes"),
        ({"positive_share": 1}, "positive_share"),
        ({"positive_share": 0.0}, "positive_share"),
        ({"hard_share": 0.5}, "hard_share needs a positive_share"),
        ({"hard_share": 1.5, "positive_share": 0.5}, "hard_share"),
        ({"start": "coco"}, "start"),
        ({"best_by": "score"}, "best_by"),
        ({"average": 1.0}, "average"),
        ({"mixed_precision": 1}, "mixed_precision"),
        ({"xla": "yes"}, "xla"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**31}, "seed"),
    ],
)
def test_contradictions_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        TrainingConfig(**{"stages": ONE, **settings})


@pytest.mark.parametrize(
    "stage, words",
    [
        ((0, 0.1), "epochs"),
        ((1, 0.0), "rate"),
        ((1, 0.1, 0.2), "final_rate must not be above rate"),
        ((1, 0.1, None, "head"), "did you mean heads"),
    ],
)
def test_a_stage_that_contradicts_itself_is_refused(stage, words):
    with pytest.raises(ValueError, match=words):
        Stage(*stage)


@pytest.mark.parametrize(
    "values, words",
    [
        ({"stages": [{"epochs": 1, "rate": 0.1}], "batchsize": 2}, "did you mean batch_size"),
        ({"stages": [{"epochs": 1, "rates": 0.1, "rate": 1}]}, "did you mean rate"),
        ({"stages": [{"epochs": 1}]}, "needs epochs and rate"),
        ({"stages": 3}, "list of stages"),
        ({"batch_size": 2}, "needs its stages"),
        ([], "settings by name"),
    ],
)
def test_unknown_keys_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        training_from_dict(values)


def test_there_and_back():
    training = TrainingConfig((Stage(2, 0.1, 0.01, "heads"), Stage(3, 0.2)), batch_size=4, positive_share=0.5)
    assert training_from_dict(training_to_dict(training)) == training


@pytest.mark.parametrize(
    "text, words",
    [
        ("trainning__seed=1", "did you mean training"),
        ("training__batch=1", "did you mean batch_size"),
        ("image__sizes=1", "did you mean size"),
        ("images__size=1", "did you mean image"),
        ("image__size", "wants section__setting=value"),
        ("image__size=65", "multiple of 64"),
        ("training__batch_size=0", "batch_size"),
        ("training=1", "wants a setting"),
        ("training__optimiser=none", "optimiser must be one of sgd, adam"),
    ],
)
def test_bad_changes_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        changed_by_text(Config(), TrainingConfig(ONE), [text])


def test_changes_by_text():
    texts = [
        "anchors__scales=[16,32,64,128,256]", "training__stages=[{\"epochs\": 3, \"rate\": 0.5}]",
        "training__positive_share=none", "training__best_by=rsna", "training__xla=true", "training__average=0.99",
        "training__augmentation=none", "training__masks=true",
    ]  # fmt: skip
    config, training = changed_by_text(Config(), TrainingConfig(ONE, positive_share=0.5), texts)
    assert config.anchors.scales == (16, 32, 64, 128, 256)
    words = {"best_by": "rsna", "augmentation": "none", "masks": "true"}
    assert training == TrainingConfig((Stage(3, 0.5),), xla=True, average=0.99, **words)
    with pytest.raises(ValueError, match="did you mean seed"):
        changed_training(training, sed=1)


def test_rates_of_the_slides():
    training = TrainingConfig((Stage(2, 0.012), Stage(11, 0.006), Stage(8, 0.003)))
    rates = [rate_at(training, epoch, step, 5) for epoch in range(21) for step in range(5)]
    assert rates == [0.012] * 10 + [0.006] * 55 + [0.003] * 40
    with pytest.raises(ValueError, match="below 21"):
        stage_of(training, 21)


def test_a_cosine_falls_from_its_rate_to_its_end():
    training = TrainingConfig((Stage(1, 0.5), Stage(2, 0.1, final_rate=0.02)))
    rates = [rate_at(training, 1 + epoch, step, 50) for epoch in (0, 1) for step in range(50)]
    assert rates[0] == 0.1
    np.testing.assert_allclose(rates[50], 0.06)  # half the way, half the fall
    np.testing.assert_allclose(rates[25], 0.02 + 0.08 * (1 + math.sqrt(0.5)) / 2)  # cos 45 degrees
    assert (np.diff(rates) < 0).all() and 0.02 < rates[-1] < 0.0201


def test_warm_up_rises_evenly_over_epochs():
    training = TrainingConfig((Stage(3, 0.4),), warm_up_steps=4)
    rates = [rate_at(training, epoch, step, 3) for epoch in (0, 1) for step in range(3)]
    np.testing.assert_allclose(rates, [0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


@pytest.mark.parametrize("wanted, epochs", [(1, [1]), (2, [2]), (4, [2, 2]), (5, [2, 3]), (9, [2, 7])])
def test_other_numbers_of_epochs(wanted, epochs):
    changed = with_epochs(TrainingConfig((Stage(2, 0.1), Stage(3, 0.01))), wanted)
    assert [stage.epochs for stage in changed.stages] == epochs
    assert changed.n_epochs == wanted


NAMES = (
    "conv1", "bn_conv1", "res2a_branch1", "bn2c_branch2c", "res3a_branch2a", "bn3d_branch2b", "res4w_branch2a",
    "bn4a_branch1", "res5c_branch2c", "bn5a_branch1", "fpn_c5p5", "fpn_p2", "rpn_conv_shared", "rpn_class_raw",
    "mrcnn_class_conv1", "mrcnn_class_bn1", "mrcnn_mask",
)  # fmt: skip


@pytest.mark.parametrize("layers, first", [("all", 0), ("3+", 4), ("4+", 6), ("5+", 8), ("heads", 10)])
def test_layers_that_learn(layers, first):
    assert [name for name in NAMES if re.fullmatch(LAYERS[layers], name)] == list(NAMES[first:])
