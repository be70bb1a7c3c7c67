"""Small trainings for tests: noise films, a network of a moment's work, and a learner without a network."""

from __future__ import annotations

import json

import numpy as np
from film_folders import make_folder
from networks import small_config

from mini_rcnn.data.cache import open_prepared, prepare_folder
from mini_rcnn.data.rsna import load_records
from mini_rcnn.training.settings import Stage, TrainingConfig

LOSSES = ("rpn_class", "rpn_box", "head_class", "head_box", "head_mask")
TINY = {
    "image__size": 64,
    "anchors__scales": (4, 8, 16, 32, 64),
    "backbone__width": 4,
    "backbone__pyramid_channels": 8,
    "proposals__rpn_channels": 8,
    "proposals__pre_nms_limit": 100,
    "proposals__max_proposals": 20,
    "proposals__max_training_proposals": 30,
    "heads__box_units": 16,
    "heads__mask_channels": 8,
    "targets__max_rois": 12,
    "targets__max_anchors": 32,
    "targets__roi_positive_iou": 0.2,
    "detections__max_detections": 5,
}


def tiny_config(**settings):
    """Return a network of 64 pixels."""
    return small_config(**{**TINY, **settings})


def tiny_training(**settings):
    """Return a training of two stages, three epochs."""
    stages = (Stage(1, 0.01), Stage(2, 0.005, final_rate=0.001))
    return TrainingConfig(**{"stages": stages, "batch_size": 2, "masks": "boxes", **settings})


def make_data(folder, *, n_films=14, n_validation=4, size=64):
    """Return the data of a training on noise films; they are made on the first call."""
    from mini_rcnn.training.feed import Data

    if not folder.exists():
        make_folder(folder, n_films)
        prepare_folder(folder, size=size, workers=1)
    records = load_records(folder)
    return Data(open_prepared(folder, size=size), records[n_validation:], records[:n_validation])


class PlainLearner:
    """Learns a number from each picture, with momentum, in NumPy: everything but a network.

    What it does depends on the weights, the momentum, the pictures, the rate and the number of the step, as with a
    network: whatever a resumed training forgets or repeats changes the numbers.
    """

    n_devices = 1

    def __init__(self, config, training, *, fails_at=None):
        self.config, self.training, self.fails_at = config, training, fails_at
        self.weight, self.velocity = np.linspace(-1, 1, 64), np.zeros(64)
        self.rested = 0

    def step(self, batch, *, rate, number, layers):
        mean = (batch.images.mean(axis=(0, 1, 3)) + batch.boxes.sum()) / 100 + np.random.default_rng(number).random(64)
        if number == self.fails_at:
            return {**dict.fromkeys(LOSSES, 1.0), "head_box": float("nan"), "total": float("nan"), "norm": 1.0}
        self.velocity = 0.9 * self.velocity - rate * (self.weight - mean)
        self.weight = self.weight + self.velocity
        return {**self.told(self.weight), "norm": 1.0}

    def told(self, weight):
        losses = dict(zip(LOSSES, map(float, np.square(weight[:5]))))
        return {**losses, "total": float(sum(losses.values()))}

    def losses(self, batch):
        return self.told(self.weight + batch.images.mean() / 100)

    def rest(self):
        self.velocity = np.zeros(64)
        self.rested += 1

    def weights(self, *, judged=False):
        return {"plain/kernel": self.weight}

    def state(self):
        return {"weights/plain": self.weight, "optimiser/velocity": self.velocity}

    def restore(self, state):
        self.weight, self.velocity = state["weights/plain"], state["optimiser/velocity"]


def run_loop(learner, data, out, *, seconds=0.0, quiet=True, **options):
    """Run a training to its end, from its newest checkpoint where there is one; return the loop and what ended it."""
    import time

    from mini_rcnn.training.checkpoints import check_fits, newest_checkpoint
    from mini_rcnn.training.feed import Feed
    from mini_rcnn.training.loop import Loop, Progress

    feed, progress = Feed(data, learner.config, learner.training, tell=options.get("tell", print)), Progress()
    found = newest_checkpoint(out / "checkpoints", tell=lambda text: None)
    if found is not None:
        check_fits(found, learner.state())
        learner.restore(found.arrays)
        progress = Progress.from_facts(found.facts["progress"])

    def stop(_):
        time.sleep(seconds)

    options = {"must_stop": stop, "checkpoint_every": 2, **options}
    loop = Loop(learner, feed, out, progress=progress, quiet=quiet, **options)
    return loop, loop.run()


def steps_of(out):
    """Return the steps' table of a run."""
    return (out / "steps.csv").read_bytes()


def facts_of(path):
    """Return the facts in a weights file."""
    with np.load(str(path)) as archive:
        return json.loads(str(archive["head"]))["facts"]
