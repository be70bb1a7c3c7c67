"""Normalisation by the batch's own statistics, for networks that learn from nothing."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

from .ops import BATCH_NORM_EPSILON


class BatchStatistics(dict):
    """Weights some of whose normalisations take mean and variance from the batch before them.

    Parameters
    ----------
    weights : mapping of str to tensor, variable or ndarray
        Of a network.
    norms : collection of str
        Layers such as ``"bn2a_branch2a"``. All others repeat what is recorded in the weights, see
        `mini_rcnn.stages.ops.batch_norm`.

    Attributes
    ----------
    met : dict of str to (mean, variance)
        What each of the norms met, (C,) each, filled in while the network runs; the variance is the unbiased one.

    Notes
    -----
    Over images, rows and columns, for each channel c: ``y = gamma * (x - mean_c) / sqrt(var_c + epsilon) + beta``
    (Ioffe and Szegedy, ICML 2015, algorithm 1), and gradients go through mean and variance. Matterport's layers do the
    same where ``TRAIN_BN`` is None; False, its default, freezes them all.
    """

    def __init__(self, weights, norms):
        super().__init__(weights)
        self.norms, self.met = frozenset(norms), {}

    def normalise(self, norm, feature):
        """Return a feature (B, H, W, C) normalised by its own statistics, and keep those in ``met``."""
        gamma, beta = (tf.convert_to_tensor(self[f"{norm}/{part}"]) for part in ("gamma", "beta"))
        out, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            feature, gamma, beta, epsilon=BATCH_NORM_EPSILON, is_training=True
        )[:3]
        self.met[norm] = mean, variance
        return out
