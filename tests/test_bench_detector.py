"""The detector's benchmark: what it calls a ratio, what it tells, and that it measures what is there."""

from __future__ import annotations

import json

import pytest

from mini_rcnn.bench import detector as bench
from mini_rcnn.bench import detector_inputs as inputs
from mini_rcnn.bench.detector_table import read_other, table

TIMED = {"ours": [0.3, 0.1, 0.2], "Matterport": [0.5, 0.6, 0.4]}


def told_of(timed):
    return {"machine": "a machine", "network": "tiny", "size": 64, "detection": {"by_found": {"nothing found": timed}}}


def test_ratios_by_hand():
    told = bench.summary(TIMED)
    assert told["ratio"] == pytest.approx(2.5)
    assert told["ratio_shortest"] == pytest.approx(4)
    assert told["sides"]["ours"] == {"median_s": 0.2, "shortest_s": 0.1, "runs": 3}


def test_one_side_alone_has_no_ratio():
    assert set(bench.summary({"ours": [1.0]})) == {"sides"}


def test_turns_alternate_and_the_first_does_not_count():
    calls = []
    seconds = bench.take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert {name: len(runs) for name, runs in seconds.items()} == {"a": 2, "b": 2}


def test_a_ratio_across_two_runs_is_told_as_such():
    both = told_of({"found": {"ours": [0]}, **bench.summary(TIMED)})
    alone = told_of({"found": {"ours": [0]}, **bench.summary({"ours": [0.25]})})
    assert "2.50x as fast by medians" in table(both)
    assert "across two runs, ours is 2.00x as fast by medians" in table(alone, both)
    assert "Matterport" not in table(alone)


def test_memory_of_this_process_is_known():
    held = bytearray(64 * 2**20)
    assert bench.peak_of_process() > len(held) / 2**20


def test_a_real_run_tells_both_parts(capsys):
    assert bench.main(["--network", "tiny", "--size", "64", "--runs", "1", "--no-memory", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = told["detection"]["by_found"]
    assert max(found["nothing found"]["found"]["ours"]) == 0 < min(found["dozens found"]["found"]["ours"])
    timed = told["training"]["time"]
    assert timed["sides"]["ours"]["median_s"] > 0
    assert timed["images_per_s"]["ours"] == pytest.approx(2 / timed["sides"]["ours"]["median_s"])
    assert set(timed["parts"]["mask head"]) == {"forward", "both"}
    assert "mask head" in table(told)


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "other.json").write_text(content)
    with pytest.raises(ValueError, match="--beside must be JSON of `bench detector --json`"):
        read_other(tmp_path / "other.json")


@pytest.mark.parametrize(
    "arguments", [["--runs", "0"], ["--size", "100"], ["--part", "nothing"], ["--beside", "nothing"]]
)
def test_wrong_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        bench.main(arguments)
    assert stopped.value.code == 2
    assert "error" in capsys.readouterr().err


def test_every_step_is_the_same_work():
    """Weights that moved would soon propose no objects, and leave the mask head idle on our side alone."""
    config = inputs.make_config("tiny", 64)
    step = inputs.step_of("ours", config, inputs.make_weights(config), inputs.make_batch(config, 2))
    told = [step() for _ in range(3)]
    assert all(one["head_mask"] > 0 for one in told)
    assert max(one["total"] for one in told) < 2 * min(one["total"] for one in told)
