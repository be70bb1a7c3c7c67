"""Presets: each can be made, the slides' numbers are theirs, and what cannot be run says why."""

from __future__ import annotations

import pytest

from mini_rcnn.config import AnchorConfig
from mini_rcnn.stages.anchors import pyramid_anchors
from mini_rcnn.training.presets import PRESETS, SLIPS, find_preset, list_text
from mini_rcnn.training.settings import training_from_dict, training_to_dict
from mini_rcnn.weights import shapes_of


def test_every_preset_has_a_source_and_a_cost():
    for name, preset in PRESETS.items():
        assert find_preset(name) is preset and preset.name == name
        assert len(preset.source) > 20 and len(preset.cost) > 20
        assert name in list_text() and preset.cost in list_text()
        assert training_from_dict(training_to_dict(preset.training)) == preset.training
        assert sum(map(len, shapes_of(preset.config).values())) > 0
        assert preset.phantoms is None or preset.phantoms >= 100


def test_the_slides_training():
    preset = find_preset("slides")
    config, training = preset.config, preset.training
    told = [(stage.epochs, stage.rate, stage.final_rate, stage.layers) for stage in training.stages]
    assert told == [(2, 0.012, None, "all"), (11, 0.006, None, "all"), (8, 0.003, None, "all")]
    assert (training.batch_size, training.momentum, training.weight_decay, training.optimiser) == (2, 0.9, 1e-4, "sgd")
    assert config.image.size == 256 and config.backbone.blocks == (3, 4, 23, 3)
    assert (config.detections.min_confidence, config.detections.iou_threshold) == (0.7, 0.1)
    assert config.targets.max_rois == 32 and config.targets.negatives == "full"
    assert training.augmentation == "slides" and training.warm_up_steps > 0


def test_the_slides_training_is_refused_as_shown_with_its_reasons():
    with pytest.raises(ValueError) as refused:
        find_preset("slides-as-shown")
    for word in ("16,368", "TRAIN_ROIS_PER_IMAGES", "0.012", "15,996", "GaussianBlur", "70 %"):
        assert word in str(refused.value)
    assert len(SLIPS) == 6 and all(what and mend for what, mend in SLIPS)


def test_the_counts_in_the_first_reason():
    """Four scales: no anchor for P6's 4 x 4 cells, whose scores are there all the same."""
    with pytest.raises(ValueError):
        AnchorConfig(scales=(32, 64, 128, 256))
    options = {"ratios": (0.5, 1, 2)}
    four = pyramid_anchors(256, scales=(32, 64, 128, 256), strides=(4, 8, 16, 32), **options)
    five = pyramid_anchors(256, scales=(16, 32, 64, 128, 256), strides=(4, 8, 16, 32, 64), **options)
    assert (len(four), len(five)) == (16320, 16368)


@pytest.mark.parametrize(
    "name, words", [("dmeo", "did you mean demo"), ("slides-as-show", "slides-as-shown"), ("x", "gpu")]
)
def test_unknown_presets(name, words):
    with pytest.raises(ValueError, match=words):
        find_preset(name)
