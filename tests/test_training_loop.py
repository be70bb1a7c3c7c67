"""The loop: a run that was killed at any moment and resumed gives the numbers of one that was not."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from training_runs import PlainLearner, facts_of, make_data, run_loop, steps_of, tiny_config, tiny_training

from mini_rcnn.training.checkpoints import list_checkpoints, newest_checkpoint
from mini_rcnn.training.settings import Stage
from mini_rcnn.training.validation import Choice

ROOT = Path(__file__).resolve().parent.parent
ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="fork and kill -9 are POSIX")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("films") / "noise")


def plain(**settings):
    """Return a learner without a network."""
    return PlainLearner(tiny_config(), tiny_training(**settings))


def rows_of(path):
    """Return the rows of a table."""
    with open(str(path)) as file:
        return list(csv.DictReader(file))


def test_a_whole_run(data, tmp_path):
    learner, drawn = plain(), []
    loop, reason = run_loop(learner, data, tmp_path, after_epoch=lambda: drawn.append(1))
    assert reason == "finished" and len(drawn) == 3
    steps, epochs = rows_of(tmp_path / "steps.csv"), rows_of(tmp_path / "epochs.csv")
    assert [(row["epoch"], row["step"]) for row in steps] == [(str(e), str(s)) for e in (1, 2, 3) for s in range(1, 6)]
    assert learner.rested == 1  # the second stage begins without the first one's momentum
    for number, row in enumerate(epochs):
        mine = [float(step["total"]) for step in steps if step["epoch"] == row["epoch"]]
        np.testing.assert_allclose(float(row["train_total"]), np.mean(mine), rtol=1e-12)
        assert number == 0 or float(row["validation_total"]) > 0
    best = min(epochs, key=lambda row: float(row["validation_total"]))
    assert loop.progress.best["epoch"] == int(best["epoch"])
    assert facts_of(tmp_path / "best.weights.npz")["validation"]["loss"] == float(best["validation_total"])
    assert (tmp_path / "last.weights.npz").exists() and len(list_checkpoints(tmp_path / "checkpoints")) == 2


def test_every_image_is_shown_once_an_epoch(data, tmp_path):
    seen = []

    class Watching(PlainLearner):
        def step(self, batch, **options):
            seen.extend(batch.ids)
            return super().step(batch, **options)

    run_loop(Watching(tiny_config(), tiny_training()), data, tmp_path)
    for epoch in range(3):
        assert sorted(seen[10 * epoch : 10 * epoch + 10]) == sorted(record.id for record in data.train)


def test_steps_of_an_epoch_as_asked_for(data, tmp_path):
    """Seven steps an epoch where five show every image once: the stream goes on, nothing is left out."""
    seen = []

    class Watching(PlainLearner):
        def step(self, batch, **options):
            seen.extend(batch.ids)
            return super().step(batch, **options)

    run_loop(Watching(tiny_config(), tiny_training(steps=7, validation_steps=1)), data, tmp_path)
    assert len(seen) == 3 * 7 * 2
    for turn in range(4):
        assert sorted(seen[10 * turn : 10 * turn + 10]) == sorted(record.id for record in data.train)


@pytest.mark.parametrize("seed", range(10))
def test_stops_within_the_step_that_is_not_finite(data, tmp_path, seed):
    """10 of 10: step and images are named, and the last good checkpoint; nothing is saved after it."""
    fails_at = int(np.random.default_rng(seed).integers(0, 15))
    learner = PlainLearner(tiny_config(), tiny_training(), fails_at=fails_at)
    with pytest.raises(RuntimeError) as stopped:
        run_loop(learner, data, tmp_path)
    text, done = str(stopped.value), fails_at
    assert f"epoch {done // 5 + 1}, step {done % 5 + 1}: head_box nan" in text
    assert sum(record.id in text for record in data.train) == 2
    assert len(rows_of(tmp_path / "steps.csv")) == done
    found = newest_checkpoint(tmp_path / "checkpoints")
    assert not (tmp_path / "last.weights.npz").exists()
    if done >= 2:
        assert str(found.path) in text and found.facts["progress"]["number"] <= done
        assert np.isfinite(found.arrays["weights/plain"]).all()
    else:
        assert found is None and "no checkpoint yet" in text


def test_stops_when_told_and_goes_on(data, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_loop(plain(), data, whole)
    for stop_after in (1, 3, 2, 6):
        told = iter([None] * stop_after + ["interrupted"])
        _, reason = run_loop(plain(), data, parts, must_stop=lambda _, told=told: next(told, "interrupted"))
        assert reason == "interrupted" and not (parts / "last.weights.npz").exists()
    _, reason = run_loop(plain(), data, parts)
    assert reason == "finished"
    assert_same(whole, parts)


def test_out_of_time_leaves_weights(data, tmp_path):
    loop, reason = run_loop(plain(), data, tmp_path, must_stop=lambda _: "out of time")
    assert reason == "out of time" and loop.progress.number == 1
    assert (tmp_path / "best.weights.npz").exists() and (tmp_path / "last.weights.npz").exists()
    assert facts_of(tmp_path / "best.weights.npz")["validation"] is None


def assert_same(out, other):
    """See that two runs give the same tables, byte for byte, and the same weights."""
    assert steps_of(out) == steps_of(other)
    assert (out / "epochs.csv").read_bytes() == (other / "epochs.csv").read_bytes()
    for name in ("best.weights.npz", "last.weights.npz"):
        with np.load(str(out / name)) as ours, np.load(str(other / name)) as theirs:
            assert set(ours.files) == set(theirs.files)
            for array in set(ours.files):
                np.testing.assert_array_equal(ours[array], theirs[array])


# Everything is imported once; each run is a fork of it, so that a kill costs no second of imports.
FORKS = """
import json, os, sys
sys.path.insert(0, "tests")
from pathlib import Path
from mini_rcnn import stages_tf
from training_runs import PlainLearner, make_data, run_loop, tiny_config, tiny_training
from mini_rcnn.training import checkpoints, devices, feed, loop, start, step
films, kind = Path(sys.argv[1]), sys.argv[2]

def run(out, seconds):
    data, training = make_data(films), tiny_training(average=0.9)
    if kind == "plain":
        learner = PlainLearner(tiny_config(), training)
    else:
        devices.prepare_devices(training, threads=1)
        step.tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # graphs are built sooner
        learner = step.Learner(tiny_config(), training, start.random_start(tiny_config(), seed=0))
    run_loop(learner, data, Path(out), seconds=seconds, checkpoint_every=3)

for line in sys.stdin:
    out, seconds = json.loads(line)
    child = os.fork()
    if not child:
        code = 1
        try:
            run(out, seconds)
            code = 0
        finally:
            os._exit(code)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Forks:
    """A program that runs trainings, each in a process of its own."""

    def __init__(self, films, kind):
        self.run = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", FORKS, str(films), kind],
            cwd=str(ROOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        )

    def start(self, out, seconds=0.0):
        """Start a training, each step of it so many seconds longer; return its process."""
        self.run.stdin.write(json.dumps([str(out), seconds]) + "\n")
        self.run.stdin.flush()
        return int(self.run.stdout.readline() or pytest.fail(self.run.communicate()[1]))

    def wait(self):
        """Return how the training ended."""
        return int(self.run.stdout.readline())

    def close(self):
        self.run.stdin.close()
        self.run.wait(20)
        self.run.stdout.close()
        self.run.stderr.close()


def n_rows(out):
    """Return how many steps the table has."""
    return max(0, (out / "steps.csv").read_bytes().count(b"\n") - 1) if (out / "steps.csv").exists() else 0


def kill_and_resume(forks, out, n_kills, rng, *, seconds, patience):
    """Kill a training at random moments and start it again, to its end; return how many steps were done twice."""
    lost = []
    for _ in range(n_kills):
        before = n_rows(out)
        process = forks.start(out, seconds)
        deadline, more = time.monotonic() + patience, int(rng.integers(0, 4))
        while n_rows(out) < min(before + more, 14) and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 2 * seconds + 0.01))
        os.kill(process, signal.SIGKILL)
        assert forks.wait() == signal.SIGKILL, "it had ended before it could be killed"
        found = newest_checkpoint(out / "checkpoints", tell=pytest.fail)
        lost.append(n_rows(out) - (found.facts["progress"]["number"] if found else 0))
    forks.start(out)
    assert forks.wait() == 0
    return lost


@ON_POSIX
@pytest.mark.parametrize("kind, n_runs, n_kills", [("plain", 3, 6), ("network", 1, 2)])
def test_killed_and_resumed_gives_the_same_numbers(data, tmp_path, kind, n_runs, n_kills):
    """20 kills in all: 18 of a training without a network, 2 of one with, on one thread. 20 of 20 the same bytes."""
    forks, rng = Forks(Path(data.prepared.folder).parent.parent, kind), np.random.default_rng(3)
    seconds = 0.03 if kind == "plain" else 0.3
    try:
        forks.start(tmp_path / "whole")
        assert forks.wait() == 0, forks.run.communicate()[1]
        for run in range(n_runs):
            lost = kill_and_resume(forks, tmp_path / str(run), n_kills, rng, seconds=seconds, patience=60)
            assert max(lost) <= 3 + 1  # at most an interval, and the step whose checkpoint was being written
            assert_same(tmp_path / "whole", tmp_path / str(run))
    finally:
        forks.close()


def test_the_last_epoch_is_kept_where_nothing_is_to_choose(data, tmp_path):
    """Loss and score are both worse in the second epoch, and its threshold is the one that is kept."""
    choices = iter([Choice(0.5, 0.4, 0.0), Choice(0.9, 0.3, 0.0)])
    training = tiny_training(stages=(Stage(2, 0.1),), best_by="last", choose_threshold=True)
    scorer = SimpleNamespace(choose=lambda ids, stopped: next(choices))
    loop, _ = run_loop(PlainLearner(tiny_config(), training), data, tmp_path, scorer=scorer)
    epochs = rows_of(tmp_path / "epochs.csv")
    assert float(epochs[0]["validation_total"]) < float(epochs[1]["validation_total"])
    assert (loop.progress.best["epoch"], loop.progress.best["threshold"]) == (2, 0.9)
    assert facts_of(tmp_path / "best.weights.npz")["validation"]["threshold"] == 0.9


@pytest.mark.parametrize("best_by, epoch, threshold", [("rsna", 2, 0.9), ("loss", 1, 0.5)])
def test_the_score_chooses_the_epoch_or_the_threshold_alone(data, tmp_path, best_by, epoch, threshold):
    """The loss rises from the first epoch to the second here, and so does the score."""
    choices = iter([Choice(0.5, 0.3, 0.0), Choice(0.9, 0.4, 0.0)])
    scorer = SimpleNamespace(choose=lambda ids, stopped: next(choices))
    training = tiny_training(stages=(Stage(2, 0.1),), best_by=best_by, choose_threshold=True)
    learner = PlainLearner(tiny_config(), training)
    loop, _ = run_loop(learner, data, tmp_path, scorer=scorer)
    epochs = rows_of(tmp_path / "epochs.csv")
    assert float(epochs[0]["validation_total"]) < float(epochs[1]["validation_total"])
    assert (loop.progress.best["epoch"], loop.progress.best["threshold"]) == (epoch, threshold)
    assert facts_of(tmp_path / "best.weights.npz")["validation"]["threshold"] == threshold
