"""The proof of the whole: our detector and Matterport's, same weights, same films. Classic only."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later
from networks import random_weights, small_config

from mini_rcnn import model
from mini_rcnn.config import changed
from mini_rcnn.matterport_detector import MatterportDetector
from mini_rcnn.weights import read_matterport

tf_model = Later("mini_rcnn.stages_tf.model")
CONFIG = changed(
    small_config(convention="matterport", proposals__rpn_channels=512, heads__mask_channels=256),
    backbone__blocks=(3, 4, 6, 3),
    backbone__width=64,
    backbone__pyramid_channels=256,
    heads__box_units=1024,
)


@pytest.fixture(scope="module")
def weights():
    return random_weights(CONFIG, np.random.default_rng(7))


@pytest.fixture(scope="module")
def reference(weights):
    Later("mini_rcnn.stages_tf.model").Detector  # noqa: B018 (eager first, then Keras)
    return MatterportDetector(CONFIG, weights)


def films(n_films=20):
    """Yield square films of the network's size: there both sides see the same greys, see the last test but two.

    Where a film is padded, TensorFlow 1.15's suppression gets stuck on the first box that was clipped away, and
    Matterport finds nothing after it: `mini_rcnn.conventions.stuck_on_empty`.
    """
    rng = np.random.default_rng(3)
    for _ in range(n_films):
        yield np.kron(rng.uniform(0, 255, (16, 16)), np.ones((8, 8))).astype(np.uint8)


def test_same_boxes_classes_scores_and_masks(weights, reference):
    ours, n_found = tf_model.Detector(CONFIG, weights), 0
    for film in films():
        found, _ = ours.detect(film)
        wanted, masks = reference.detect(film)
        np.testing.assert_array_equal(found.class_ids, wanted.class_ids)
        np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)
        pasted = found.masks(film.shape)
        both, either = (pasted & masks).sum((1, 2)), (pasted | masks).sum((1, 2))
        assert (both[either > 0] / either[either > 0] > 0.99).all()
        n_found += len(found.scores)
    assert n_found > 40


def test_numpy_alone_finds_the_same(weights, reference):
    film = next(films())
    found, _ = model.detect(film, weights, CONFIG)
    wanted, _ = reference.detect(film)
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)


def test_a_larger_film_is_fed_to_both_within_one_grey_level(reference):
    """Matterport cuts the fraction off a grey that rounding may have left just below the whole number."""
    film = np.random.default_rng(5).integers(0, 256, (512, 400)).astype(np.uint8)
    molded, _, windows = reference.network.mold_inputs([np.stack([film] * 3, axis=-1)])
    pixels, geometry = model.prepare(film, CONFIG)
    off = np.abs(pixels - molded[0])
    assert off.max() < 1.001
    assert (off > 0.5).mean() < 0.1
    np.testing.assert_array_equal(windows[0], geometry.window)


def test_weights_come_back_from_matterports_own_file(tmp_path, weights, reference):
    reference.save(tmp_path / "mask_rcnn_pneumonia_0001.h5")
    got = read_matterport(tmp_path / "mask_rcnn_pneumonia_0001.h5", CONFIG)
    assert set(got) == set(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


def test_matterport_has_no_other_backbone():
    with pytest.raises(ValueError, match="ResNet-50 and ResNet-101 alone"):
        MatterportDetector(small_config(), {})
