"""The benchmark: what it calls a ratio, what it calls held, and that it measures what is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mini_rcnn.bench import stages as bench

ROOT = Path(__file__).resolve().parent.parent


def row(stage, **median_ms):
    return {"stage": stage, "title": stage, "median_ms": {name.replace("_", " "): ms for name, ms in median_ms.items()}}


def test_ratio_by_hand():
    rows = [{"stage": "nms", "title": "", "median_ms": {"NumPy": 6.0, "TensorFlow": 2.0, "TensorFlow's own": 2.0}}]
    (ratio,) = bench.held_ratios(rows)
    assert (ratio["of"], ratio["to"], ratio["ratio"], ratio["held"]) == ("NumPy", "TensorFlow's own", 3.0, True)


def test_a_slow_stage_is_not_held():
    rows = [row("proposals", TensorFlow=3.0, Matterport=2.0, NumPy=1.0)]
    (ratio,) = bench.held_ratios(rows)
    assert not ratio["held"]
    assert "NO" in bench.held_table([ratio])


def test_noise_excuses_not_slower_but_no_other_limit():
    rows = [row("proposals", TensorFlow=1.05, Matterport=1.0), row("crop_and_resize", NumPy=6.3)]
    rows[1]["median_ms"]["TensorFlow's own"] = 1.0
    crop, proposals = bench.held_ratios(rows)
    assert not crop["held"] and not proposals["held"]
    assert "NO" in bench.held_table([crop])
    assert "level, within noise" in bench.held_table([proposals])


def test_memory_sees_what_a_run_allocates():
    """In a fresh process, as where it is measured: one that has run other tests may give memory back meanwhile."""
    run = "lambda: np.ones(64 * 2**17)"  # 64 MiB of float64
    code = f"import numpy as np; from mini_rcnn.bench import stages; print(stages.peak_memory({run}))"
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=str(ROOT), stdout=subprocess.PIPE, check=True
    )
    assert 60 <= float(told.stdout) <= 80


def test_a_real_run_tells_every_implementation_that_is_there(capsys):
    assert bench.main(["--only", "detections", "--runs", "1", "--no-memory", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    medians = told["stages"][0]["median_ms"]
    assert {"NumPy", "TensorFlow"} <= set(medians)
    assert all(milliseconds > 0 for milliseconds in medians.values())
    assert "NumPy" in told["machine"]


@pytest.mark.parametrize("arguments", [["--runs", "0"], ["nothing"], ["--only", "nothing"]])
def test_wrong_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        bench.main(arguments)
    assert stopped.value.code == 2
    assert "error" in capsys.readouterr().err
