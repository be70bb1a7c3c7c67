"""Every stage against Matterport's recorded answers, in both environments."""

import hashlib
import json

import numpy as np
import pytest
from comparing import RECORDED, assert_matches, backends_of, recording_path, reference_cases, run_case

from mini_rcnn import recordings
from mini_rcnn.cases import STAGES, Case

RUNS = [(stage, backend, case) for stage in STAGES for backend in backends_of(stage) for case in reference_cases(stage)]


@pytest.mark.parametrize(("stage", "backend", "case"), RUNS, ids=[f"{s}-{b}-{case}" for s, b, case in RUNS])
def test_recorded_case(stage, backend, case):
    assert_matches(run_case(backend, stage, case), case.outputs, case)


@pytest.mark.parametrize("stage", STAGES)
def test_a_wrong_answer_is_rejected(stage):
    cases = [case for case in reference_cases(stage) if all(array.size for array in case.outputs)]
    case = cases[-1]
    for place, array in enumerate(case.outputs):
        wrong = list(case.outputs)
        wrong[place] = ~array if array.dtype == bool else array + array.dtype.type(max(1, 2 * case.atol))
        with pytest.raises(AssertionError):
            assert_matches(tuple(wrong), case.outputs, case)
    for missing in (case.outputs[:-1], (*case.outputs[:-1], case.outputs[-1].ravel()[:0])):
        with pytest.raises(AssertionError):
            assert_matches(missing, case.outputs, case)


def test_recordings_say_where_they_come_from():
    index = json.loads((RECORDED / "recorded.json").read_text(encoding="utf-8"))
    assert set(index) >= {
        "source",
        "licence",
        "command",
        "package",
        "version",
        "sha256",
        "seed",
        "tensorflow",
        "keras",
        "numpy",
        "scikit-image",
    }
    assert sorted(index["files"]) == sorted(path.name for path in RECORDED.glob("*.npz"))
    for name, checksum in index["files"].items():
        assert hashlib.sha256((RECORDED / name).read_bytes()).hexdigest() == checksum, name
    for stage in STAGES:
        facts = recordings.load(recording_path(stage))[1]
        assert {name: index[name] for name in facts if name not in ("stage", "function")} == {
            name: value for name, value in facts.items() if name not in ("stage", "function")
        }
        assert facts["stage"] == stage
    assert sum(path.stat().st_size for path in RECORDED.iterdir()) < 1.5e6


def test_what_is_saved_is_loaded(tmp_path):
    case = Case("a case", (np.arange(3), {"p2": np.eye(2)}), {"size": (1, 2), "limit": None}, 0.5, (np.array(True),))
    for name in ("one.npz", "two.npz"):
        recordings.save(tmp_path / name, [case], {"seed": 1})
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    (loaded,), facts = recordings.load(tmp_path / "one.npz")
    assert (loaded.name, loaded.options, loaded.atol, facts) == (case.name, case.options, case.atol, {"seed": 1})
    np.testing.assert_array_equal(loaded.inputs[0], case.inputs[0])
    np.testing.assert_array_equal(loaded.inputs[1]["p2"], case.inputs[1]["p2"])
    np.testing.assert_array_equal(loaded.outputs[0], case.outputs[0])


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_a_broken_recording_says_what_to_do(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.npz is no recording .*record_matterport\.py"):
        recordings.load(path)
