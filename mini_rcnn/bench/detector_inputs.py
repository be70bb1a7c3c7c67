"""What the detector's benchmark runs: networks, films, a batch, and both sides as functions of nothing."""

from __future__ import annotations

import importlib.util

import numpy as np

from mini_rcnn.config import Config, changed
from mini_rcnn.data.batches import Batch
from mini_rcnn.model import anchors_of, prepare
from mini_rcnn.training.settings import Stage, TrainingConfig
from mini_rcnn.training.start import random_start

SIDES = ("ours", "Matterport")
RATE = 0.0  # a step costs the same, and each has as many objects: of weights that change, soon none are proposed
# One of no use, but quick, for tests of the benchmark itself: Matterport has no such backbone.
TINY = {
    "backbone__blocks": (1, 1, 1, 1),
    "backbone__width": 8,
    "backbone__pyramid_channels": 16,
    "proposals__rpn_channels": 16,
    "proposals__max_proposals": 50,
    "proposals__max_training_proposals": 100,
    "targets__max_rois": 20,
    "heads__box_units": 32,
    "heads__mask_channels": 16,
}
NETWORKS = {
    "resnet101": {"backbone__blocks": (3, 4, 23, 3)},
    "resnet50": {"backbone__blocks": (3, 4, 6, 3)},
    "tiny": TINY,
}
# How sure the networks are that a box is an object, so that a film shows nothing at all, or dozens of boxes.
FOUND = {"nothing found": -20.0, "dozens found": 3.0}


def make_config(network, size):
    """Return a configuration as Matterport's own: its convention, and images without boxes left out."""
    settings = {"convention": "matterport", "targets__negatives": "skip", "image__size": size}
    return changed(Config(), **settings, **NETWORKS[network])


def make_weights(config):
    """Return random weights whose answers are of order 1."""
    from mini_rcnn.stages_tf.model import Detector, as_arrays, as_tensors

    weights = random_start(config, seed=1)
    pixels, geometry = prepare(next(make_films(config.image.size)), config)
    # Before they are calm a deep network's boxes are no numbers at all, so nothing is asked of them on the film.
    return calm(weights, as_arrays(Detector(config, weights).run(*as_tensors(pixels, geometry.window))))


def calm(weights, trace):
    """Return weights whose answers are of order 1 on what a trace shows, about as many anchors objects as not.

    Where probabilities are all but 1, rounding decides which box is the best, and no two programs find the same.
    """
    answers = {
        "rpn_class_raw": "rpn_logits",
        "rpn_bbox_pred": "rpn_deltas",
        "mrcnn_class_logits": "logits",
        "mrcnn_bbox_fc": "deltas",
        "mrcnn_mask": "mask_logits",
    }
    spread = {layer: max(float(trace[answer].std()), 1e-6) for layer, answer in answers.items()}
    calmed = {
        name: array / np.float32(spread.get(name.split("/")[0], 1)) if name.endswith("/kernel") else array
        for name, array in weights.items()
    }
    middle = trace["rpn_logits"].mean(axis=0) / spread["rpn_class_raw"]
    bias = weights["rpn_class_raw/bias"]
    return {**calmed, "rpn_class_raw/bias": bias - np.tile(middle, len(bias) // 2).astype(np.float32)}


def with_certainty(weights, certainty):
    """Return the weights, and how sure they are that a box is an object."""
    bias = weights["mrcnn_class_logits/bias"]
    return {**weights, "mrcnn_class_logits/bias": np.array([0.0] + [certainty] * (len(bias) - 1), np.float32)}


def make_films(size, n_films=3):
    """Return smooth random films of the network's size, uint8."""
    for seed in range(n_films):
        coarse = np.random.default_rng(seed).uniform(0, 255, (size // 16, size // 16))
        yield np.kron(coarse, np.ones((16, 16))).astype(np.uint8)


def make_batch(config, n_images):
    """Return a batch of images full of boxes of 32 pixels: as many objects for the mask head as there may be."""
    images = [prepare(film, config)[0] for film in make_films(config.image.size, n_images)]
    steps = np.arange(0, config.image.size, 32, dtype=np.float32)
    corners = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    boxes = np.concatenate([corners, corners + 32], axis=1)  # (M, 4)
    return Batch(
        ids=tuple(map(str, range(n_images))),
        images=np.stack(images),
        boxes=np.tile(boxes, (n_images, 1, 1)),
        class_ids=np.ones((n_images, len(boxes)), np.int64),
        masks=np.ones((n_images, len(boxes), 56, 56), bool),
        counts=np.full(n_images, len(boxes)),
        lost=np.zeros(n_images, np.int64),
        step=0,
    )


def sides_there(network):
    """Return the sides that can run here: Matterport's in the classic environment, on a backbone of its own."""
    return SIDES if network != "tiny" and importlib.util.find_spec("mrcnn") else SIDES[:1]


def detector_of(side, config, weights):
    """Return a side's detector, with `load`, and the function from a film to its detections."""
    if side == "ours":
        from mini_rcnn.stages_tf.model import Detector

        detector = Detector(config, weights)
        return detector, detector.find
    from mini_rcnn.matterport_detector import MatterportDetector

    detector = MatterportDetector(config, weights)
    return detector, lambda film: detector.detect(film)[0]


def step_of(side, config, weights, batch):
    """Return a function that takes one training step of a side and returns its losses."""
    if side == "ours":
        from mini_rcnn.training.step import Learner

        training = TrainingConfig(stages=(Stage(epochs=1, rate=1.0),), batch_size=len(batch.images))
        learner, steps = Learner(config, training, weights), iter(range(1 << 30))
        return lambda: learner.step(batch, rate=RATE, number=next(steps))
    from mini_rcnn.matterport_training import MatterportTrainer

    trainer = MatterportTrainer(config, weights, n_images=len(batch.images), rate=RATE)
    dice = np.random.default_rng(0).random((len(batch.images), len(anchors_of(config))), np.float32)
    inputs = trainer.inputs(batch.images, batch.boxes, batch.class_ids, batch.masks, dice)
    return lambda: trainer.step(inputs)
