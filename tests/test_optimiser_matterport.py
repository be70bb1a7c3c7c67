"""SGD against Keras 2.2.5's own, with which Matterport trains. Classic only."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later
from test_optimiser import make

from mini_rcnn.matterport import load, quietly

tf = Later("tensorflow.compat.v2")
optimiser = Later("mini_rcnn.training.optimiser")


@quietly
def keras_steps(start, steps, *, rate, momentum, clip_norm):
    """Return what Keras's SGD makes of arrays: the loss is the sum of gradient times array."""
    tf1 = load().tf
    import keras

    backend = keras.backend
    kept = backend.tensorflow_backend._SESSION
    with tf1.Graph().as_default(), tf1.Session() as session:
        backend.set_session(session)
        variables = [backend.variable(array) for array in start.values()]
        places = [backend.placeholder(shape=array.shape) for array in start.values()]
        loss = sum(backend.sum(place * variable) for place, variable in zip(places, variables))
        sgd = keras.optimizers.SGD(lr=rate, momentum=momentum, clipnorm=clip_norm)
        step = backend.function(places, [loss], updates=sgd.get_updates(loss, variables))
        told = []
        for gradients in steps:
            step(list(gradients.values()))
            told.append([backend.get_value(variable) for variable in variables])
    backend.set_session(kept)
    return told


@pytest.mark.parametrize("clip_norm", [0.5, 5.0, 100.0])
def test_sgd_with_clipping(rng, clip_norm):
    arrays, steps = make(rng)
    told = keras_steps({n: a.numpy() for n, a in arrays.items()}, steps, rate=0.1, momentum=0.9, clip_norm=clip_norm)
    made = optimiser.Sgd(arrays, momentum=0.9)
    for gradients, wanted in zip(steps, told):
        tensors = [tf.constant(gradient) for gradient in gradients.values()]
        clipped = optimiser.clip(tensors, optimiser.global_norm(tensors), clip_norm)
        made.update(arrays, dict(zip(arrays, clipped)), tf.constant(0.1), tf.constant(True))
        for array, value in zip(arrays.values(), wanted):
            np.testing.assert_allclose(array.numpy(), value, rtol=1e-5, atol=1e-6)
