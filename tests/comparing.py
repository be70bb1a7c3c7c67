"""How a stage's result is held against a reference: used by the tests of recorded and of live cases alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import BACKENDS, stage_function

from mini_rcnn import recordings
from mini_rcnn.stages.image import ImageGeometry

RECORDED = Path(__file__).parent / "recorded"


def recording_path(stage):
    """Return where the recording of a stage lies."""
    return RECORDED / f"{stage}.npz"


def reference_cases(stage):
    """Return the recorded cases of a stage: inputs, options, and Matterport's outputs."""
    return recordings.load(recording_path(stage))[0]


def backends_of(stage):
    """Return in what the stage can run: ``fit_to_square`` returns a plain object, which no graph can."""
    return BACKENDS[:2] if stage == "image.fit_to_square" else BACKENDS


def as_arrays(result):
    """Return a stage's result as a tuple of arrays, as the references give it."""
    result = result if isinstance(result, tuple) else (result,)
    parts = []
    for part in result:
        parts += [part.window, part.scale] if isinstance(part, ImageGeometry) else [part]
    return tuple(np.asarray(part) for part in parts)


def run_case(backend, stage, case):
    """Return the stage's result on a case, as a tuple of arrays."""
    return as_arrays(stage_function(backend, stage)(*case.inputs, **case.options))


def assert_matches(result, expected, case):
    """Fail, naming the case, unless whole numbers and booleans are equal and floats within the case's tolerance."""
    assert len(result) == len(expected), f"{case.name}: {len(result)} results for {len(expected)}"
    for got, want in zip(result, expected):
        assert got.shape == want.shape, f"{case.name}: shape {got.shape}, expected {want.shape}"
        if want.dtype.kind == "f":
            np.testing.assert_allclose(got, want, rtol=0, atol=case.atol, err_msg=case.name)
        else:
            np.testing.assert_array_equal(got, want, err_msg=case.name)
