"""The parts of one training step, each on its own: forward, and forward with backward."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow.compat.v2 as tf

from mini_rcnn.model import anchors_of, end_of_box
from mini_rcnn.parameters import is_recorded
from mini_rcnn.stages_tf import learning
from mini_rcnn.stages_tf.rpn import region_proposal_network
from mini_rcnn.training.optimiser import Sgd


class Part(NamedTuple):
    """A part of a step as functions of nothing; ``both`` is None where nothing is learnt."""

    forward: object
    both: object


class StepParts:
    """One training step's parts on a batch, what goes into each worked out before.

    Parameters
    ----------
    config : Config
    weights : mapping of str to ndarray
    batch : Batch

    Attributes
    ----------
    parts : dict of str to Part
    n_objects : int
        How many proposals the mask head learns from, all images together.
    """

    def __init__(self, config, weights, batch):
        self.config, self.anchors = config, tf.constant(anchors_of(config))
        self.arrays = {name: tf.Variable(array, trainable=not is_recorded(name)) for name, array in weights.items()}
        self.learnt = {name: array for name, array in self.arrays.items() if not is_recorded(name)}
        self.images = tf.constant(batch.images)
        self.truth = learning.Truth(*map(tf.constant, (batch.boxes - end_of_box(config), batch.class_ids, batch.masks)))
        n_anchors, n_proposals = self.anchors.shape[0], config.proposals.max_training_proposals
        self.dice = learning.throw_dice(tf.constant([0, 0]), len(batch.images), n_anchors, n_proposals)
        self.pyramid = tf.function(self.make_pyramid)()
        _, self.objectness, self.deltas = tf.function(self.answer)(self.pyramid)
        self.asked = tf.function(self.ask)()
        self.n_objects = int(tf.reduce_sum(self.asked.n_objects))
        self.parts = {
            "backbone and pyramid": self.part(lambda pyramid: self.make_pyramid()),
            "RPN and its targets": self.part(self.rpn),
            "proposals and targets": Part(tf.function(self.ask, autograph=False), None),
            "box head": self.part(lambda pyramid: learning.box_losses(pyramid, self.asked, self.arrays, config)),
            "mask head": self.part(lambda pyramid: learning.mask_loss(pyramid, self.asked, self.arrays, config)),
            "optimiser's update": Part(self.make_update(), None),
        }

    def make_pyramid(self):
        """Return the batch's feature pyramid."""
        return learning.pyramid_of(self.images, self.arrays, self.config)

    def answer(self, pyramid):
        """Return the region proposal network's answer."""
        return region_proposal_network(pyramid, self.arrays)

    def rpn(self, pyramid):
        """Return the region proposal network's losses."""
        logits, _, deltas = self.answer(pyramid)
        return learning.rpn_losses(logits, deltas, self.anchors, self.truth, self.dice, self.config)

    def ask(self):
        """Return what the heads are asked."""
        proposals = learning.training_proposals(self.objectness, self.deltas, self.anchors, self.config)
        return learning.batch_head_targets(proposals, self.truth, self.dice.proposals, self.config)

    def part(self, function):
        """Return a function of the pyramid as a part: its gradients are with respect to all weights and the pyramid."""

        def both():
            with tf.GradientTape() as tape:
                tape.watch(self.pyramid)
                results = [tf.reduce_sum(result) for result in tf.nest.flatten(function(self.pyramid))]
                total = tf.add_n(results)
            gradients = tape.gradient(total, (list(self.learnt.values()), self.pyramid))
            return [gradient for gradient in tf.nest.flatten(gradients) if gradient is not None]

        forward = tf.function(lambda: function(self.pyramid), autograph=False)
        return Part(forward, tf.function(both, autograph=False))

    def make_update(self):
        """Return the optimiser's update with gradients of zeros."""
        optimiser = Sgd(self.learnt, momentum=0.9)
        gradients = {name: tf.zeros_like(array) for name, array in self.learnt.items()}
        rate, fine = tf.constant(0.0), tf.constant(True)

        def update():
            optimiser.update(self.learnt, gradients, rate, fine)
            return rate

        return tf.function(update, autograph=False)
