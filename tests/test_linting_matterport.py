"""What the linter says of Matterport, held against Matterport itself. Classic only."""

from __future__ import annotations

import contextlib
import io
import types
from unittest import mock

import numpy as np
import pytest

from mini_rcnn.linting.matterport import lint_matterport
from mini_rcnn.linting.matterport_keys import COMPUTED, KEYS, OTHER_VERSIONS
from mini_rcnn.linting.matterport_settings import plain_value, settings_of
from mini_rcnn.matterport import load, quietly

SMALL = {
    "NAME": "lungs", "NUM_CLASSES": 2, "GPU_COUNT": 1, "IMAGES_PER_GPU": 1, "BACKBONE": "resnet50", "IMAGE_MIN_DIM": 64,
    "IMAGE_MAX_DIM": 64, "DETECTION_MAX_INSTANCES": 20,
    "POST_NMS_ROIS_TRAINING": 20, "POST_NMS_ROIS_INFERENCE": 20, "TRAIN_ROIS_PER_IMAGE": 8,
    "TOP_DOWN_PYRAMID_SIZE": 16, "FPN_CLASSIF_FC_LAYERS_SIZE": 16, "RPN_ANCHOR_SCALES": (8, 16, 24, 32, 48),
}  # fmt: skip
NEITHER = {"LEARNING_RATE", "COMPUTE_BACKBONE_SHAPE"}  # the one nobody reads, the other not with a named backbone


@quietly
def matterport_config(**settings):
    """Return an instance of a class made from Matterport's Config, and the set of keys that are read from it."""
    load()
    from mrcnn.config import Config

    reads = set()

    class Watched(Config):
        def __getattribute__(self, name):
            if name.isupper():
                reads.add(name)
            return super().__getattribute__(name)

    config = type("Watched", (Watched,), {**SMALL, **settings})()
    reads.clear()
    return config, reads


@contextlib.contextmanager
def network(mode, config, folder):
    """Make a MaskRCNN in a graph of its own, without what it prints."""
    modules = load()
    import keras.backend as keras_backend

    with modules.tf.Graph().as_default(), contextlib.redirect_stdout(io.StringIO()):
        with modules.tf.Session() as session:
            keras_backend.set_session(session)
            yield modules.model.MaskRCNN(mode, config, str(folder))


def one_image():
    """Return a Dataset of Matterport's with one image and one box."""

    class OneImage(load().utils.Dataset):
        def load_image(self, image_id):
            return np.full((64, 64, 3), 90, np.uint8)

        def load_mask(self, image_id):
            mask = np.zeros((64, 64, 1), bool)
            mask[10:40, 12:50] = True
            return mask, np.ones(1, np.int32)

    made = OneImage()
    made.add_class("lungs", 1, "opacity")
    made.add_image("lungs", 0, "none")
    made.prepare()
    return made


def layer_shapes(made):
    """Return the shapes of all weights by name."""
    return {one.name: tuple(one.shape.as_list()) for one in made.keras_model.weights}


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """Return what a training reads of its configuration, and how many inputs the network is given."""
    return train_in_vain(tmp_path_factory.mktemp("training"))


@quietly
def train_in_vain(folder, **settings):
    """Build a network for training, and call its train() up to where Keras takes over, plus one batch."""
    config, reads = matterport_config(**settings)
    with network("training", config, folder) as made:
        with mock.patch.object(made.keras_model, "fit_generator") as fit:
            made.train(one_image(), one_image(), learning_rate=0.01, epochs=1, layers="all")
        inputs, _ = next(fit.call_args[0][0])
        return types.SimpleNamespace(reads=reads, n_given=len(inputs))


@pytest.fixture(scope="module")
def inference(tmp_path_factory):
    return look(tmp_path_factory.mktemp("inference"))


@quietly
def look(folder, n_images=1, **settings):
    """Build a network for inference, look at images with random weights, and return what was read."""
    config, reads = matterport_config(IMAGES_PER_GPU=n_images, **settings)
    with network("inference", config, folder) as made:
        made.detect([np.full((64, 64, 3), 90, np.uint8)] * n_images)
        if n_images > 1:
            with pytest.raises(AssertionError, match="BATCH_SIZE"):
                made.detect([np.full((64, 64, 3), 90, np.uint8)])
        return types.SimpleNamespace(reads=reads, shapes=layer_shapes(made))


def test_the_table_has_matterport_s_keys_and_defaults():
    load()
    from mrcnn.config import Config

    live = {name: plain_value(value) for name, value in vars(Config).items() if name.isupper()}
    assert live == {name: plain_value(key.default) for name, key in KEYS.items()}
    assert {name for name in vars(Config()) if name.isupper()} == set(COMPUTED)
    assert not set(OTHER_VERSIONS) & (set(live) | set(COMPUTED))


def test_each_key_is_read_when_the_table_says(training, inference):
    def of_kind(*kinds):
        return {name for name, key in KEYS.items() if key.kind in kinds} - NEITHER

    both = training.reads & inference.reads
    assert both - set(COMPUTED) == of_kind("both", "structure")
    assert training.reads - inference.reads - set(COMPUTED) == of_kind("training")
    assert inference.reads - training.reads - set(COMPUTED) == of_kind("inference")
    assert not NEITHER & (training.reads | inference.reads)


def test_structure_is_what_changes_the_shapes_of_weights(inference, tmp_path):
    others = {
        "RPN_ANCHOR_SCALES": (6, 12, 20, 30, 40), "MASK_POOL_SIZE": 7, "TRAIN_BN": None, "RPN_NMS_THRESHOLD": 0.5,
        "IMAGE_MAX_DIM": 128, "IMAGE_MIN_DIM": 128, "MEAN_PIXEL": np.zeros(3), "RPN_ANCHOR_STRIDE": 2,
    }  # fmt: skip
    assert look(tmp_path, n_images=2, **others).shapes == inference.shapes
    changed = {
        "POOL_SIZE": 5, "NUM_CLASSES": 4, "FPN_CLASSIF_FC_LAYERS_SIZE": 24, "TOP_DOWN_PYRAMID_SIZE": 20,
        "RPN_ANCHOR_RATIOS": [1, 2],
    }  # fmt: skip
    shapes = look(tmp_path, **changed).shapes
    assert shapes["mrcnn_class_conv1/kernel:0"] == (5, 5, 20, 24) and shapes["mrcnn_class_logits/kernel:0"] == (24, 4)
    assert shapes["rpn_class_raw/kernel:0"][-1] == 2 * 2
    assert {*changed, "BACKBONE"} == {name for name, key in KEYS.items() if key.kind == "structure"}


@pytest.mark.parametrize("scales, size", [((32, 64, 128, 256), 256), ((32, 64, 128), 512)])
def test_how_many_scores_have_no_anchor(scales, size):
    config, _ = matterport_config(RPN_ANCHOR_SCALES=scales, IMAGE_MIN_DIM=size, IMAGE_MAX_DIM=size)
    model = load().model
    n_anchors = len(model.MaskRCNN.get_anchors(types.SimpleNamespace(config=config), config.IMAGE_SHAPE))
    shapes = model.compute_backbone_shapes(config, config.IMAGE_SHAPE)
    n_scores = int(np.prod(shapes, axis=1).sum()) * len(config.RPN_ANCHOR_RATIOS)
    (finding,) = [one for one in lint_matterport(config) if one.level == "error"]
    assert f"{n_scores:,} scores for {n_anchors:,} anchors" in finding.message


def test_a_scale_too_many_stops():
    config, _ = matterport_config(RPN_ANCHOR_SCALES=(8, 16, 32, 64, 128, 256))
    with pytest.raises(IndexError):
        load().model.MaskRCNN.get_anchors(types.SimpleNamespace(config=config), config.IMAGE_SHAPE)


@pytest.mark.parametrize("key", sorted(COMPUTED))
def test_what_init_works_out_is_overwritten(key):
    config, _ = matterport_config(**{key: "mine"})
    assert not isinstance(getattr(config, key), str)
    assert [one.key for one in lint_matterport(config) if one.level == "warning"] == [key]


@pytest.mark.parametrize(
    "settings, error, words",
    [
        ({"NAME": None}, AttributeError, "lower"),
        ({"IMAGE_MAX_DIM": 100}, Exception, "dividable by 2"),
        ({"BACKBONE": "resnet18"}, AssertionError, ""),
    ],
)
def test_what_is_called_an_error_stops_the_network(settings, error, words, tmp_path):
    config, _ = matterport_config(**settings)
    with pytest.raises(error, match=words), network("inference", config, tmp_path):
        pass
    assert {one.key for one in lint_matterport(config) if one.level == "error"} == set(settings)


@quietly
def test_limits_of_gradients():
    import keras.backend as keras_backend
    from keras.optimizers import SGD

    tf = load().tf
    with tf.Graph().as_default(), tf.Session() as session:
        keras_backend.set_session(session)
        number = keras_backend.variable(np.array([3.0]))
        (free,) = SGD(clipnorm=0).get_gradients(100 * keras_backend.sum(number), [number])
        (bound,) = SGD(clipnorm=5.0).get_gradients(100 * keras_backend.sum(number), [number])
        got = session.run([free, bound])
        with pytest.raises(TypeError):
            SGD(clipnorm=None).get_gradients(keras_backend.sum(number), [number])
    np.testing.assert_allclose(np.ravel(got), [100, 5])


def test_proposals_from_outside_stop_a_training(training, tmp_path):
    assert training.n_given == 7  # proposals would be the eighth
    with pytest.raises(TypeError, match="float32 that does not match type int32"):
        train_in_vain(tmp_path, USE_RPN_ROIS=False)


def test_an_instance_and_its_class_give_what_they_set():
    config, _ = matterport_config(MEAN_PIXEL=np.array([1.0, 2.0, 3.0]))
    wanted = {name: plain_value(value) for name, value in SMALL.items()}
    wanted["MEAN_PIXEL"] = (1.0, 2.0, 3.0)
    assert settings_of(config).given == settings_of(type(config)).given == wanted
    assert not [one for one in lint_matterport(config) if one.level != "note"]
