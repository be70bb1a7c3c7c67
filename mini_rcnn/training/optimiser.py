"""How gradients change weights: SGD with momentum as Keras 2.2.5 has it, and Adam, on plain variables by name."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

# Adam's numbers, Kingma and Ba, algorithm 1.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


def make_variable(value, name, trainable=False):
    """Return a variable that every device of a strategy may write, all of them the same value."""
    return tf.Variable(
        value,
        name=name.replace("/", "_"),
        trainable=trainable,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def global_norm(gradients):
    """Return the square root of the sum of all squares of all gradients."""
    return tf.sqrt(2 * tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients]))  # a loss is half the squares


def clip(gradients, norm, limit):
    """Return gradients, times ``limit / norm`` where the norm of all of them is at least the limit.

    Keras 2.2.5's ``clipnorm``, which takes the norm of all gradients together; tf.keras's takes each one's own. A
    limit of 0 is none.
    """
    if not limit:
        return gradients
    scale = tf.where(norm >= limit, limit / norm, tf.ones_like(norm))
    return [gradient * scale for gradient in gradients]


def either(which, first, second):
    """Return the first tensor where ``which``, a single truth value, holds, else the second.

    ``tf.where`` does the same, but TensorFlow 1.15 spreads the single value over the tensors first: a step of the demo
    took a fifth longer for it.
    """
    return tf.raw_ops.Select(condition=which, x=tf.convert_to_tensor(first), y=tf.convert_to_tensor(second))


class Sgd:
    """Stochastic gradient descent with momentum: ``v = momentum * v - rate * g; w = w + v``, as Keras 2.2.5.

    Parameters
    ----------
    arrays : mapping of str to variable
        What may be learnt.
    momentum : float

    Attributes
    ----------
    state : dict of str to variable
        ``"velocity/NAME"``: what a checkpoint has to keep beside the arrays.
    """

    def __init__(self, arrays, *, momentum):
        self.momentum = momentum
        self.state = {f"velocity/{name}": zeros_like(array, f"velocity/{name}") for name, array in arrays.items()}

    def update(self, arrays, gradients, rate, fine):
        """Change the arrays in place; where ``fine`` is False nothing changes.

        Parameters
        ----------
        arrays, gradients : mapping of str to variable, to tensor
            Of the same names: those that learn now.
        rate : tensor, ()
        fine : tensor, (), bool
        """
        for name, gradient in gradients.items():
            velocity, array = self.state[f"velocity/{name}"], arrays[name]
            moved = self.momentum * velocity - rate * gradient
            velocity.assign(either(fine, moved, velocity))
            array.assign(either(fine, array + moved, array))


class Adam:
    """Adam, Kingma and Ba (2015), algorithm 1, with its own numbers; `Sgd` says the rest.

    TensorFlow has the update of an array as one operation, where written out it takes twenty; a small network has a
    hundred arrays, and each operation costs some microseconds before it begins.

    Attributes
    ----------
    state : dict of str to variable
        ``"first/NAME"`` and ``"second/NAME"``, the moments, and ``"count"``, the updates so far.
    """

    def __init__(self, arrays):
        self.state = {"count": make_variable(tf.constant(0.0), "count")}
        for name, array in arrays.items():
            for moment in ("first", "second"):
                self.state[f"{moment}/{name}"] = zeros_like(array, f"{moment}/{name}")

    def update(self, arrays, gradients, rate, fine):
        """Change the arrays in place; see `Sgd.update`."""
        before, here = self.state["count"], tf.cast(fine, tf.float32)
        count = before + 1.0
        before.assign(either(fine, count, before))
        numbers = {
            "beta1_power": BETA_1**count,
            "beta2_power": BETA_2**count,
            # Moments that decay by 1, a gradient and a rate of 0: nothing changes.
            "beta1": either(fine, BETA_1, 1.0),
            "beta2": either(fine, BETA_2, 1.0),
            "lr": either(fine, rate, 0.0),
            "epsilon": EPSILON * tf.sqrt(1 - BETA_2**count),  # beside the corrected moment, as in the algorithm
        }
        for name, gradient in gradients.items():
            tf.raw_ops.ResourceApplyAdam(
                var=arrays[name].handle,
                m=self.state[f"first/{name}"].handle,
                v=self.state[f"second/{name}"].handle,
                grad=tf.math.multiply_no_nan(gradient, here),
                **numbers,
            )


def zeros_like(array, name):
    """Return a variable of zeros of an array's shape."""
    return make_variable(tf.zeros(array.shape, tf.float32), name)


def make_optimiser(training, arrays):
    """Return the optimiser that a `TrainingConfig` names, for these arrays."""
    return Adam(arrays) if training.optimiser == "adam" else Sgd(arrays, momentum=training.momentum)
