"""The recordings are what mrcnn still says; classic alone."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from comparing import RECORDED, recording_path

from mini_rcnn import recordings
from mini_rcnn.cases import STAGES

SCRIPT = Path(__file__).parent.parent / "data_scripts" / "record_matterport.py"


def script():
    """Return the script as a module, not run."""
    spec = importlib.util.spec_from_file_location("record_matterport", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """Return a folder with everything recorded once more."""
    folder = tmp_path_factory.mktemp("recorded")
    assert script().main(["--out", str(folder), "--seed", "2022"]) == 0
    return folder


def assert_same_arrays(one, other, name):
    """Fail unless two outputs or inputs are alike: floats to their last digits, which a processor may decide."""
    if isinstance(one, dict):
        assert sorted(one) == sorted(other)
        for key in one:
            assert_same_arrays(one[key], other[key], name)
    elif one.dtype.kind == "f":
        assert one.dtype == other.dtype
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6, err_msg=name)
    else:
        np.testing.assert_array_equal(other, one, err_msg=name)


@pytest.mark.parametrize("stage", STAGES)
def test_mrcnn_still_says_so(stage, again):
    old, old_facts = recordings.load(recording_path(stage))
    new, new_facts = recordings.load(again / f"{stage}.npz")
    assert old_facts == new_facts
    assert [case.name for case in old] == [case.name for case in new]
    for one, other in zip(old, new):
        assert (one.options, one.atol) == (other.options, other.atol)
        for a, b in zip(one.inputs + one.outputs, other.inputs + other.outputs):
            assert_same_arrays(a, b, one.name)


def test_recorded_twice_gives_the_same_bytes(again, tmp_path):
    assert script().main(["--out", str(tmp_path), "--seed", "2022"]) == 0
    made, there = ({path.name for path in folder.iterdir()} for folder in (tmp_path, RECORDED))
    assert made <= there and not {name for name in there - made if name.endswith(".npz")}
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_another_seed_gives_other_cases(tmp_path):
    cases = {seed: script().cases_with_outputs("boxes.clip_boxes", seed) for seed in (1, 2)}
    assert len(cases[1]) == len(cases[2])
    assert cases[1][-1].inputs[0].shape != cases[2][-1].inputs[0].shape


def test_the_lock_file_is_where_the_hash_comes_from():
    version, sha256 = script().pinned("mrcnn")
    assert (version, len(sha256)) == ("0.2", 64)
    with pytest.raises(ValueError, match=r"locks/classic\.txt must pin no-such-package with one sha256"):
        script().pinned("no-such-package")
