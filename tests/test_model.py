"""The whole network: its size, its trace, NumPy against TensorFlow, and what it finds on odd films."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later
from networks import random_weights, small_config

from mini_rcnn import model
from mini_rcnn.config import changed
from mini_rcnn.parameters import count_parameters, is_recorded, parameter_shapes

tf_model = Later("mini_rcnn.stages_tf.model")
TRACE = (
    "input anchors c2 c3 c4 c5 p2 p3 p4 p5 p6 rpn_logits objectness rpn_deltas proposals box_pool logits probabilities "
    "deltas refined mask_pool mask_logits masks geometry found"
)


@pytest.fixture
def film(rng):
    """Return a smooth film of 150 x 200 pixels."""
    coarse = rng.uniform(0, 255, (10, 14))
    return np.kron(coarse, np.ones((15, 15)))[:150, :200].astype(np.uint8)


@pytest.mark.parametrize("blocks, total, learnt", [((3, 4, 23, 3), 63733406, 63621918), ((3, 4, 6, 3), 44662942, None)])
def test_the_slides_count_of_parameters(blocks, total, learnt):
    counted = count_parameters(parameter_shapes(blocks=blocks))
    assert counted[0] == total
    if learnt:
        assert counted == (total, learnt)


def test_what_is_not_learnt_is_mean_and_variance_of_every_normalisation():
    shapes = parameter_shapes(blocks=(3, 4, 23, 3))
    recorded = {name for name in shapes if is_recorded(name)}
    assert {name.rsplit("/", 1)[1] for name in recorded} == {"mean", "variance"}
    assert sum(shapes[name][0] for name in recorded) == 111488


@pytest.mark.parametrize("convention", ["continuous", "matterport"])
def test_numpy_and_tensorflow_find_the_same(rng, film, convention):
    config = small_config(convention=convention)
    weights = random_weights(config, rng)
    found, trace = model.detect(film, weights, config)
    other, other_trace = tf_model.Detector(config, weights).detect(film)
    assert len(found.scores) > 1
    np.testing.assert_allclose(found.boxes, other.boxes, atol=1e-2)
    np.testing.assert_allclose(found.scores, other.scores, atol=1e-5)
    np.testing.assert_array_equal(found.class_ids, other.class_ids)
    np.testing.assert_allclose(found.mask_probabilities, other.mask_probabilities, atol=1e-4)
    assert set(trace) == set(other_trace) == set(TRACE.split())


def test_detections_lie_on_the_film_best_first(rng, film):
    config = small_config(detections__min_confidence=0.0)
    found, _ = model.detect(film, random_weights(config, rng), config)
    assert len(found.scores) > 0
    assert (np.diff(found.scores) <= 0).all()
    assert (found.boxes >= 0).all() and (found.boxes <= np.tile(film.shape, 2)).all()
    assert found.masks(film.shape).shape == (len(found.scores), *film.shape)


def test_nothing_found_is_normal(rng, film):
    config = small_config(detections__min_confidence=1.0)
    for found, _ in (
        model.detect(film, random_weights(config, rng), config),
        tf_model.Detector(config, random_weights(config, rng)).detect(film),
    ):
        assert found.boxes.shape == (0, 4)
        assert found.mask_probabilities.shape == (0, 28, 28)
        assert found.masks(film.shape).shape == (0, *film.shape)


def test_the_input_is_whole_greys_less_the_mean(film):
    config = small_config()
    pixels, geometry = model.prepare(film, config)
    greys = pixels + np.array(config.image.mean, np.float32)
    np.testing.assert_allclose(greys, np.rint(greys), atol=1e-4)
    assert geometry.window == (16, 0, 112, 128)


def test_greys_of_each_film_alike(film):
    config = small_config(image__spread=64)
    pixels, geometry = model.prepare(film, config)
    assert abs(pixels.mean()) < 1e-3 and pixels.std() == pytest.approx(64, rel=1e-4)
    dim = model.prepare((film * 0.5).astype(np.uint8), config)[0]
    np.testing.assert_allclose(dim, pixels, atol=2)  # but for the rounding of greys
    colour = model.prepare(np.repeat(film[..., None], 3, axis=2), config)[0]
    np.testing.assert_allclose(colour, pixels, atol=1e-3)
    with pytest.raises(ValueError, match="has no image.spread"):
        changed(config, convention="matterport")


def test_anchors_are_a_pixel_shorter_in_matterports_frame():
    config = small_config()
    ours, theirs = model.anchors_of(config), model.anchors_of(changed(config, convention="matterport"))
    np.testing.assert_array_equal(ours - theirs, np.tile([0, 0, 1, 1], (len(ours), 1)))
