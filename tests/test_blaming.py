"""Finite weights whose boxes grow beyond all numbers: every command that runs a network names their file."""

from __future__ import annotations

import numpy as np
import pytest

from mini_rcnn import detect, evaluate, find_alarms, thresholds
from mini_rcnn.data.phantom_files import write_phantoms
from mini_rcnn.detecting.inputs import DEMO_WEIGHTS
from mini_rcnn.weights import WeightsError, blaming, load_weights, save_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of three phantoms, and ``huge.npz``, weights that are numbers and make none."""
    folder = write_phantoms(tmp_path_factory.mktemp("films"), 3, seed=2, workers=1, quiet=True).folder
    weights, config, _ = load_weights(DEMO_WEIGHTS)
    huge = np.full_like(weights["mrcnn_bbox_fc/bias"], 3e38)
    sure = weights["mrcnn_class_logits/bias"] + [0, 20]  # every proposal is an opacity
    changed = {"mrcnn_bbox_fc/bias": huge, "mrcnn_class_logits/bias": sure}
    save_weights(folder.parent / "huge.npz", {**weights, **changed}, config)
    return folder


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        (detect, ["{films}", "--weights", "{weights}", "--out", "{out}"]),
        (evaluate, ["{weights}", "--data", "{films}", "--side", "all", "--out", "{out}"]),
        (thresholds, ["{weights}", "--data", "{films}", "--out", "{out}"]),
        (find_alarms, ["{weights}", "--data", "{films}", "--side", "all", "--out", "{out}"]),
    ],
)
def test_the_file_is_named(folder, tmp_path, capsys, verb, arguments):
    places = {"films": folder, "weights": folder.parent / "huge.npz", "out": tmp_path / "out"}
    assert verb.main([text.format(**places) for text in arguments]) != 0
    err = capsys.readouterr().err
    assert "huge.npz: the network's boxes are NaN or infinite" in err and "Traceback" not in err


def test_only_weights_are_blamed():
    with pytest.raises(WeightsError, match=r"^mine\.npz: of no use$"), blaming("mine.npz"):
        raise WeightsError("of no use")
    with pytest.raises(ValueError, match="^something else$"), blaming("mine.npz"):
        raise ValueError("something else")
