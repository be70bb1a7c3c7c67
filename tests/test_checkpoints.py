"""Checkpoints: whole or not there, whatever happens while they are written, and refused where they are not whole."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mini_rcnn.training import checkpoints
from mini_rcnn.training.checkpoints import (
    CheckpointError,
    check_fits,
    list_checkpoints,
    newest_checkpoint,
    read_checkpoint,
    save_checkpoint,
)

ROOT = Path(__file__).resolve().parent.parent


def state_of(seed, size=200):
    """Return arrays as a learner has them."""
    rng = np.random.default_rng(seed)
    return {f"{kind}/conv1/kernel": rng.normal(size=(size, 7)).astype(np.float32) for kind in ("weights", "optimiser")}


def same(arrays, others):
    """Return whether two states are equal."""
    return set(arrays) == set(others) and all(np.array_equal(arrays[name], others[name]) for name in arrays)


def test_there_and_back_and_the_two_newest_stay(tmp_path):
    for number in (5, 10, 100):
        save_checkpoint(tmp_path, number, state_of(number), {"progress": {"number": number, "sum": 0.1 + 0.2}})
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step_00000100.npz", "step_00000010.npz"]
    found = newest_checkpoint(tmp_path)
    assert same(found.arrays, state_of(100))
    assert found.facts == {"progress": {"number": 100, "sum": 0.1 + 0.2}}
    assert newest_checkpoint(tmp_path / "none") is None


SAVES = """
import sys, numpy as np
from pathlib import Path
from mini_rcnn.training.checkpoints import save_checkpoint
number = int(sys.argv[2])
while True:
    number += 1
    arrays = {"weights/a": np.full((300, 1000), number, np.float32)}
    save_checkpoint(Path(sys.argv[1]), number, arrays, {"number": number})
    print(number, flush=True)
"""


def test_kill_9_while_saving_leaves_the_one_before(tmp_path):
    """20 kills during saves that follow each other at once: 0 of 20 corrupt."""
    rng, number = np.random.default_rng(1), 0
    for _ in range(20):
        run = subprocess.Popen(
            [sys.executable, "-c", SAVES, str(tmp_path), str(number)], cwd=str(ROOT), stdout=subprocess.PIPE, text=True
        )
        told = int(run.stdout.readline())
        time.sleep(rng.uniform(0, 0.03))
        run.kill()
        told = int((run.communicate()[0].split() or [told])[-1])
        complaints = []
        found = newest_checkpoint(tmp_path, tell=complaints.append)
        assert complaints == []
        number = found.facts["number"]
        assert number >= told
        np.testing.assert_array_equal(found.arrays["weights/a"], np.full((300, 1000), number, np.float32))


@pytest.mark.parametrize("seed", range(20))
def test_cut_or_flipped_is_named_and_the_one_before_is_taken(tmp_path, seed):
    """10 cuts and 10 flipped bytes anywhere: 20 of 20."""
    save_checkpoint(tmp_path, 1, state_of(1), {"number": 1})
    path, rng = save_checkpoint(tmp_path, 2, state_of(2), {"number": 2}), np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    if seed < 10:
        content = content[: rng.integers(0, len(content))]
    else:
        content[rng.integers(0, len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)
    complaints = []
    found = newest_checkpoint(tmp_path, tell=complaints.append)
    if complaints:
        assert path.name in complaints[0] and found.facts == {"number": 1} and same(found.arrays, state_of(1))
    else:  # a byte that means nothing, such as one of a date
        assert seed >= 10 and found.facts == {"number": 2} and same(found.arrays, state_of(2))


def test_all_broken_is_none_at_all(tmp_path):
    for number in (1, 2):
        save_checkpoint(tmp_path, number, state_of(1), {}).write_bytes(b"half")
    complaints = []
    assert newest_checkpoint(tmp_path, tell=complaints.append) is None
    assert len(complaints) == 2


def test_another_architecture_lists_what_does_not_fit(tmp_path):
    found = read_checkpoint(save_checkpoint(tmp_path, 1, state_of(1), {}))
    check_fits(found, state_of(2))
    wanted = state_of(2)
    wanted["weights/conv_one/kernel"] = wanted.pop("weights/conv1/kernel")
    wanted["optimiser/conv1/kernel"] = np.zeros((3, 3))
    with pytest.raises(CheckpointError) as refused:
        check_fits(found, wanted)
    for text in ("conv_one/kernel is missing", "weights/conv1/kernel is not in the network", "is (200, 7)"):
        assert text in str(refused.value)


class Marks:
    """Leaves a mark when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("member", ["weights/a.npy", "head.npy"])
def test_a_checkpoint_that_carries_code_is_refused(tmp_path, member):
    mark, path = tmp_path / "mark", tmp_path / "step_00000001.npz"
    array = np.array([Marks(mark)], dtype=object)
    pickle.loads(pickle.dumps(Marks(tmp_path / "proof"))).close()
    assert (tmp_path / "proof").exists()  # the payload works
    with zipfile.ZipFile(str(path), "w") as archive:
        with archive.open(member, "w") as file:
            np.lib.format.write_array(file, array, allow_pickle=True)
    with pytest.raises(CheckpointError, match="pickled"):
        read_checkpoint(path)
    assert newest_checkpoint(tmp_path, tell=lambda text: None) is None
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>404</html>"])
def test_foreign_files(tmp_path, content):
    path = tmp_path / "step_00000003.npz"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=path.name):
        read_checkpoint(path)


def test_other_archives_and_versions(tmp_path, monkeypatch):
    path = tmp_path / "step_00000001.npz"
    np.savez(str(path), head=np.array("{}"), a=np.zeros(3))
    with pytest.raises(CheckpointError, match="no checkpoint"):
        read_checkpoint(path)
    monkeypatch.setattr(checkpoints, "VERSION", 99)
    save_checkpoint(tmp_path, 1, state_of(1), {})
    monkeypatch.setattr(checkpoints, "VERSION", 1)
    with pytest.raises(CheckpointError, match="99"):
        read_checkpoint(path)


def check_full_disk(folder):
    """See that a save which fails says why, keeps the one before and leaves nothing half."""
    before = sorted(os.listdir(str(folder)))
    with pytest.raises(CheckpointError, match="disk is full.*newest whole one is .*step_00000001"):
        save_checkpoint(folder, 2, state_of(2, size=100000), {})
    assert sorted(os.listdir(str(folder))) == before
    assert same(newest_checkpoint(folder).arrays, state_of(1))


def test_disk_full_after_any_number_of_bytes(tmp_path, monkeypatch):
    """The write fails after 10 different numbers of bytes: 10 of 10."""
    save_checkpoint(tmp_path, 1, state_of(1), {})
    for n_bytes in (0, 1, 30, 100, 1000, 10**4, 10**5, 10**6, 2 * 10**6, 4 * 10**6):

        def fill(file, n_bytes=n_bytes, **arrays):
            file.write(b"x" * n_bytes)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(np, "savez", fill)
        check_full_disk(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_disk_full_on_a_small_disk(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        save_checkpoint(tmp_path, 1, state_of(1), {})
        for _ in range(10):
            check_full_disk(tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
