"""What all tests share: seeded numbers, tolerances, and each stage in NumPy and TensorFlow under one name."""

from __future__ import annotations

import importlib
import sys
import warnings

import numpy as np
import pytest

# One tolerance a dtype. float64 keeps 16 digits and a stage loses three or four; float32 keeps 7 and loses as many.
TOLERANCES = {"float64": {"rtol": 1e-9, "atol": 1e-9}, "float32": {"rtol": 1e-5, "atol": 1e-5}}
# Matterport's mrcnn is part of the classic environment, Python 3.7, and of no other. Elsewhere these files are not
# tests at all; in classic they run, and fail if mrcnn is missing.
collect_ignore_glob = [] if sys.version_info < (3, 8) else ["test_*_matterport.py"]
BACKENDS = ("numpy", "tf", "tf.function")


def pytest_configure(config):
    """Let TensorFlow 1.15 and scikit-image 0.16 use what NumPy 1.21 calls old: they do so at every other call."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:skimage.*")
    config.addinivalue_line("filterwarnings", "ignore:tostring\\(\\) is deprecated:DeprecationWarning:tensorflow.*")


def random_boxes(rng, count, *, extent=100, dtype="float64"):
    """Return boxes (count, 4) with sides from 1 to half the extent, some of them beyond the border of (0, extent)."""
    corners = rng.uniform(-0.1 * extent, 0.9 * extent, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(1, extent / 2, (count, 2))], axis=1).astype(dtype)


def imported(name):
    """Return a module, deaf to warnings while it is imported: TensorFlow 1.15 brings a dozen, none of them ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


class Later:
    """A module that is imported when something of it is asked for: collecting tests need not wait for TensorFlow."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, attribute):
        """Return what the module holds; ours come first, because they turn TensorFlow 1.15's eager execution on."""
        if attribute.startswith("_") or attribute == "pytestmark":  # asked for by pytest, while it collects
            raise AttributeError(attribute)
        imported("mini_rcnn.stages_tf")
        return getattr(imported(self.name), attribute)


def as_numpy(result):
    """Return a stage's result with every tensor turned into an array, named containers kept."""
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*map(as_numpy, result))
    if isinstance(result, tuple):
        return tuple(map(as_numpy, result))
    if isinstance(result, dict):
        return {name: as_numpy(part) for name, part in result.items()}
    return result.numpy() if hasattr(result, "numpy") else result


def run_in_graph(function, args, options):
    """Return the result of a function traced by ``tf.function``, arrays as its inputs, options as they are."""
    tf = imported("tensorflow.compat.v2")
    return tf.function(lambda *tensors: function(*tensors, **options))(*args)


def stage_function(backend, name):
    """Return the stage called ``module.function`` as a function from arrays to arrays."""
    module, function_name = name.split(".")
    package = "mini_rcnn.stages" if backend == "numpy" else "mini_rcnn.stages_tf"
    function = getattr(imported(f"{package}.{module}"), function_name)

    def call(*args, **options):
        if backend == "tf.function":
            return as_numpy(run_in_graph(function, args, options))
        return as_numpy(function(*args, **options))

    return call


@pytest.fixture
def rng():
    """Return a generator with a fixed seed."""
    return np.random.default_rng(20221)


@pytest.fixture(params=BACKENDS)
def stage(request):
    """Return a look-up: ``stage("boxes.box_iou")`` is that function, in NumPy and in TensorFlow by turns."""
    return lambda name: stage_function(request.param, name)


@pytest.fixture(params=BACKENDS[:2])
def eager_stage(request):
    """Return the look-up of `stage` without graphs: for errors that depend on values, which a graph cannot raise."""
    return lambda name: stage_function(request.param, name)
