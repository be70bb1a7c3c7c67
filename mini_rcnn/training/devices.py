"""What a training runs on: one device or several, memory taken as needed, mixed precision and XLA."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

from mini_rcnn.data.workers import usable_cores
from mini_rcnn.stages_tf.ops import IS_ONE  # this makes TensorFlow 1.15 eager, before anything is asked of it

FEWEST_AT_ONCE = 4  # operations; TensorFlow's default is one a core, and on two cores a step then takes a tenth longer


def prepare_devices(training, *, threads=None):
    """Set TensorFlow up for a training, before anything else is done with it.

    Parameters
    ----------
    training : TrainingConfig
    threads : int, optional
        How many the CPU may use; every core by default. With 1 a run's numbers are the same each time.

    Raises
    ------
    ValueError
        If mixed precision or XLA is asked of TensorFlow 1.15, or threads come too late.
    """
    for name in ("mixed_precision", "xla"):
        if getattr(training, name) and IS_ONE:
            raise ValueError(
                f"training.{name} needs TensorFlow 2, and this is {tf.__version__}: say `python3 lab.py --env modern "
                f"train ...`, or --set training__{name}=false"
            )
    tf.get_logger().setLevel("ERROR")  # what is deprecated is for its programmers to know
    set_threads(threads)
    for gpu in tf.config.experimental.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if training.xla:  # clusters of what XLA can compile; suppression and dynamic shapes stay outside by themselves
        tf.config.optimizer.set_jit("autoclustering")


def set_threads(threads):
    """Set how many threads the CPU may use; None is every core, and enough operations at once to keep them busy."""
    try:
        if threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        at_once = threads or max(FEWEST_AT_ONCE, usable_cores())
        tf.config.threading.set_inter_op_parallelism_threads(at_once)
    except RuntimeError:
        if threads is not None:
            raise ValueError("threads must be set before TensorFlow has begun to work") from None


def make_strategy(batch_size, *, devices=None):
    """Return how a batch is shared out among devices: None for one device, else a ``MirroredStrategy``.

    Parameters
    ----------
    batch_size : int
        Of all devices together.
    devices : list of str, optional
        Every GPU by default.

    Raises
    ------
    ValueError
        If the batch cannot be shared out evenly.
    """
    if devices is None:
        gpus = tf.config.experimental.list_logical_devices("GPU")
        devices = [f"/gpu:{place}" for place in range(len(gpus))]
    if len(devices) < 2:
        return None
    if batch_size % len(devices):
        raise ValueError(
            f"training.batch_size must be a multiple of {len(devices)}, the number of devices, got {batch_size}"
        )
    return tf.distribute.MirroredStrategy(devices)


def n_devices_of(strategy):
    """Return how many devices share a batch."""
    return 1 if strategy is None else strategy.num_replicas_in_sync


def run_on_all(strategy, function, arguments):
    """Return a device's results of a function that all devices run; the results must be the same on each."""
    if strategy is None:
        return function(*arguments)
    run = strategy.experimental_run_v2 if IS_ONE else strategy.run
    results = run(function, args=arguments)
    return tf.nest.map_structure(lambda one: strategy.experimental_local_results(one)[0], results)


def share_of_device(strategy, tensor):
    """Return the rows of a batch that are this device's; called on a device."""
    n_devices = n_devices_of(strategy)
    if n_devices == 1:
        return tensor
    n_rows = tensor.shape[0] // n_devices
    place = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)
    mine = tf.gather(tensor, place * n_rows + tf.range(n_rows))
    mine.set_shape([n_rows, *tensor.shape[1:]])
    return mine


def mean_of_devices(strategy, tensors):
    """Return the mean of each tensor over all devices; called on a device."""
    if n_devices_of(strategy) == 1:
        return tensors
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tensors)
