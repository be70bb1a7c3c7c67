"""One step: a batch's losses, their gradients, and what they change, in one graph."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.model import anchors_of, end_of_box
from mini_rcnn.parameters import RECORDED, is_recorded, norms_of
from mini_rcnn.stages_tf.learning import LOSSES, Dice, Truth, batch_losses, throw_dice, weight_decay
from mini_rcnn.stages_tf.norms import BatchStatistics

from .devices import mean_of_devices, n_devices_of, run_on_all, share_of_device
from .optimiser import clip, either, global_norm, make_optimiser, make_variable
from .settings import LAYERS

MEMORY = 0.99  # of recorded means and variances, a step; as Keras's and Matterport's layers
DICE_OF_VALIDATION = 1 << 30  # steps are counted from here for the dice of validation


def names_learnt(names, layers):
    """Return which arrays learn where ``layers`` may, in their order: no recorded mean or variance among them.

    >>> names_learnt(["conv1/kernel", "rpn_conv_shared/bias", "mrcnn_mask_bn1/mean"], "heads")
    ['rpn_conv_shared/bias']
    """
    pattern = re.compile(LAYERS[layers])
    return [name for name in names if pattern.fullmatch(name.split("/")[0]) and not is_recorded(name)]


def norms_by_batch(learnt):
    """Return which normalisations go by the batch where these arrays learn: those that learn, but for the mask head's.

    The mask head repeats what is recorded: it sees the objects of a batch alone, which may be two, or none.

    >>> norms_by_batch(["bn_conv1/gamma", "bn_conv1/beta", "mrcnn_class_bn1/gamma", "mrcnn_mask_bn1/gamma"])
    ['bn_conv1', 'mrcnn_class_bn1']
    """
    return [norm for norm in norms_of(learnt) if not norm.startswith("mrcnn_mask")]


class Learner:
    """A network that learns: its arrays, the optimiser's state, and the graphs that change them.

    Parameters
    ----------
    config : Config
    training : TrainingConfig
    weights : mapping of str to ndarray
        Where it begins.
    strategy : tf.distribute.Strategy, optional
        From `devices.make_strategy`.

    Notes
    -----
    On several devices each takes its rows of the batch, and the gradient is the mean of the devices' gradients. That is
    not the gradient of the batch as a whole: a loss is a mean over the anchors or objects of a device's own images, so
    an image with few objects weighs more beside an image with none than beside one with many. What is told as the loss
    is the mean over the devices likewise. Dice are thrown for the whole batch, whatever the number of devices.
    """

    def __init__(self, config, training, weights, *, strategy=None):
        self.config, self.training, self.strategy = config, training, strategy
        self.anchors = tf.constant(anchors_of(config))
        self.options = {"dtype": tf.bfloat16} if training.mixed_precision else {}
        with strategy.scope() if strategy else contextlib.nullcontext():
            self.arrays = {
                name: make_variable(np.asarray(array, np.float32), name, trainable=not is_recorded(name))
                for name, array in weights.items()
            }
            learnt = {name: self.arrays[name] for name in names_learnt(self.arrays, "all")}
            self.optimiser = make_optimiser(training, learnt)
            self.averages = self.make_averages(learnt) if training.average else {}
        self.graphs = {}
        self.judge = tf.function(self.losses_of_average, autograph=False)

    def make_averages(self, learnt):
        """Return variables for the moving averages, and one that counts the updates."""
        averages = {name: make_variable(array.numpy(), f"average/{name}") for name, array in learnt.items()}
        return {**averages, "count": make_variable(tf.constant(0.0), "average/count")}

    @property
    def judged(self):
        """Return the arrays that are validated and kept: the averages where there are any."""
        return {name: self.averages.get(name, array) for name, array in self.arrays.items()}

    def weights(self, *, judged=False):
        """Return the weights as they are now, arrays by name; with ``judged`` those to be validated and kept."""
        return {name: array.numpy() for name, array in (self.judged if judged else self.arrays).items()}

    def rest(self):
        """Put the optimiser at rest, as at the beginning: a stage begins without the momentum of the one before.

        Matterport's ``train`` compiles its model anew at each call, which does the same.
        """
        for variable in self.optimiser.state.values():
            variable.assign(tf.zeros_like(variable))

    def step(self, batch, *, rate, number, layers="all"):
        """Learn from a batch; return its losses.

        Parameters
        ----------
        batch : mini_rcnn.data.batches.Batch
        rate : float
        number : int
            Of the step, counted from the beginning of the training: the dice depend on the seed and on it alone.
        layers : str
            Which arrays learn; the others do not change, and their size costs nothing.

        Returns
        -------
        told : dict of str to float
            The five losses, ``"total"`` with the decay, and ``"norm"`` of all gradients together. If one of them is no
            finite number, nothing was changed.
        """
        if layers not in self.graphs:
            self.graphs[layers] = tf.function(self.learn(names_learnt(self.arrays, layers)), autograph=False)
        truth = self.tensors_of(batch)
        numbers = self.graphs[layers](*truth, tf.constant(rate, tf.float32), tf.constant(number, tf.int32)).numpy()
        return dict(zip((*LOSSES, "total", "norm"), map(float, numbers)))

    def losses(self, batch):
        """Return the losses of a batch, and their total with the decay, of the weights that are judged; no learning."""
        numbers = self.judge(*self.tensors_of(batch), tf.constant(DICE_OF_VALIDATION + batch.step, tf.int32)).numpy()
        return dict(zip((*LOSSES, "total"), map(float, numbers)))

    def tensors_of(self, batch):
        """Return a batch as tensors, boxes in the frame of the configuration's convention."""
        ends = np.where((batch.class_ids > 0)[..., None], end_of_box(self.config), np.float32(0))
        return tuple(map(tf.constant, (batch.images, batch.boxes - ends, batch.class_ids, batch.masks)))

    def dice_of(self, number, n_images):
        """Return the dice of a step, the same for the same seed and number."""
        n_proposals = self.config.proposals.max_training_proposals
        return throw_dice((self.training.seed, number), n_images, self.anchors.shape[0], n_proposals)

    def all_losses(self, arrays, images, truth, dice, learnt):
        """Return the five losses in their order, and the total with the decay of what learns."""
        told = batch_losses(images, truth, dice, self.anchors, arrays, self.config, **self.options)
        told = [tf.cast(told[name], tf.float32) for name in LOSSES]
        total = tf.add_n(told)
        if self.training.weight_decay:
            total += weight_decay({name: arrays[name] for name in learnt}, self.training.weight_decay)
        return told, total

    def losses_of_average(self, images, boxes, class_ids, masks, number):
        """Return the losses of a batch with the weights that are judged, one row."""
        dice = self.dice_of(number, images.shape[0])
        learnt = names_learnt(self.arrays, "all")
        told, total = self.all_losses(self.judged, images, Truth(boxes, class_ids, masks), dice, learnt)
        return tf.stack([*told, total])

    def learn(self, learnt):
        """Return the function of one step in which these arrays learn."""
        norms = norms_by_batch(learnt) if self.training.norms == "batch" else ()

        def on_device(images, boxes, class_ids, masks, anchor_dice, proposal_dice, rate):
            parts = (images, boxes, class_ids, masks, anchor_dice, proposal_dice)
            images, *parts = (share_of_device(self.strategy, part) for part in parts)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                variables = [self.arrays[name] for name in learnt]
                tape.watch(variables)
                arrays = BatchStatistics(self.arrays, norms)
                told, total = self.all_losses(arrays, images, Truth(*parts[:3]), Dice(*parts[3:]), learnt)
            gradients = tape.gradient(total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            gradients = mean_of_devices(self.strategy, gradients)
            told = mean_of_devices(self.strategy, tf.stack([*told, total]))
            norm = global_norm(gradients)
            fine = tf.math.is_finite(norm) & tf.reduce_all(tf.math.is_finite(told))
            gradients = clip(gradients, norm, self.training.clip_norm)
            self.optimiser.update(self.arrays, dict(zip(learnt, gradients)), rate, fine)
            self.follow(learnt, fine)
            self.record(arrays.met, fine)
            return tf.concat([told, norm[None]], axis=0)

        def step(images, boxes, class_ids, masks, rate, number):
            dice = self.dice_of(number, images.shape[0])
            return run_on_all(self.strategy, on_device, (images, boxes, class_ids, masks, *dice, rate))

        return step

    def follow(self, learnt, fine):
        """Move the averages towards the arrays that have just changed.

        Of ``n`` updates the decay is at most ``(1 + n) / (10 + n)``, as in ``tf.train.ExponentialMovingAverage``: a
        young average would remember little but the random start.
        """
        if not self.averages:
            return
        count = self.averages["count"]
        decay = tf.minimum(self.training.average, (1 + count) / (10 + count))
        here = tf.cast(fine, tf.float32)
        for name in learnt:
            average = self.averages[name]
            behind = tf.math.multiply_no_nan(average - self.arrays[name], here)  # 0 where something was not finite
            tf.raw_ops.ResourceApplyGradientDescent(var=average.handle, alpha=1 - decay, delta=behind)
        count.assign(either(fine, count + 1, count))

    def record(self, met, fine):
        """Move the recorded means and variances towards what the batch's were, for detection to repeat."""
        names = [f"{norm}/{part}" for norm in met for part in RECORDED]
        values = mean_of_devices(self.strategy, [value for pair in met.values() for value in pair]) if met else []
        for name, value in zip(names, values):
            array = self.arrays[name]
            array.assign(either(fine, array + (1 - MEMORY) * (value - array), array))

    def state(self):
        """Return everything that a checkpoint has to keep, arrays by name."""
        parts = {"weights": self.arrays, "optimiser": self.optimiser.state, "average": self.averages}
        return {f"{kind}/{name}": array.numpy() for kind, part in parts.items() for name, array in part.items()}

    def restore(self, state):
        """Set everything to what `state` gave."""
        parts = {"weights": self.arrays, "optimiser": self.optimiser.state, "average": self.averages}
        for kind, part in parts.items():
            for name, variable in part.items():
                variable.assign(state[f"{kind}/{name}"])

    @property
    def n_devices(self):
        """Return how many devices share a batch."""
        return n_devices_of(self.strategy)
