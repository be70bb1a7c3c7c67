"""The weights that come along are those their description tells of, and they find what they should."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import Later

from mini_rcnn.data.dicom import read_image
from mini_rcnn.data.files import sha256_of
from mini_rcnn.data.phantom_files import write_phantoms
from mini_rcnn.data.rsna import load_records
from mini_rcnn.detecting.inputs import DEMO_WEIGHTS
from mini_rcnn.metrics.rsna import rsna_score
from mini_rcnn.training.presets import find_preset
from mini_rcnn.weights import load_weights

model = Later("mini_rcnn.stages_tf.model")


@pytest.fixture(scope="module")
def told():
    return json.loads(DEMO_WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))


def test_the_file_is_the_one_that_is_described(told):
    assert sha256_of(DEMO_WEIGHTS) == told["weights_sha256"]
    assert DEMO_WEIGHTS.stat().st_size < 8e6
    _, config, facts = load_weights(DEMO_WEIGHTS)
    preset = find_preset("demo").config
    assert (config.backbone, config.image, config.anchors) == (preset.backbone, preset.image, preset.anchors)
    assert facts == told["facts"] and config.detections.min_confidence == told["unseen"]["threshold"]
    assert told["unseen"]["rsna"] >= 0.5 and told["unseen"]["share_of_films_without_boxes_marked"] < 0.05


def test_phantoms_it_has_never_seen(tmp_path):
    write_phantoms(tmp_path, 40, seed=2024, quiet=True)
    weights, config, _ = load_weights(DEMO_WEIGHTS)
    detector, images = model.Detector(config, weights), []
    for record in load_records(tmp_path):
        found = detector.find(read_image(record.path).image)
        images.append((record.boxes, found.boxes, found.scores))
    assert rsna_score(images) > 0.4
    assert np.mean([len(boxes) > 0 for truth, boxes, _ in images if not len(truth)]) < 0.1
