"""The verb ``train``: from films to weights, and what it says and leaves behind when something goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from film_folders import make_folder
from training_runs import TINY, PlainLearner, make_data, run_loop, tiny_config, tiny_training

from mini_rcnn import train
from mini_rcnn.data.errors import DataError
from mini_rcnn.training import run_folder
from mini_rcnn.weights import load_weights, save_weights
from mini_rcnn.widgets import TrainingMonitor

ROOT = Path(__file__).resolve().parent.parent
SET = [f"--set={name}={json.dumps(value)}" for name, value in TINY.items()]


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("films") / "noise", 30)


def arguments(films, out, *more):
    """Return the arguments of a training of one epoch of three steps."""
    options = ["--preset", "demo", "--data", str(films), "--out", str(out), "--epochs", "1", "--steps", "3"]
    return [*options, *SET, "--batch-size", "2", "--set=training__masks=boxes", "--seed", "4", *more]


@pytest.fixture
def plain(monkeypatch):
    """Let the verb train without a network."""
    monkeypatch.setitem(sys.modules, "mini_rcnn.training.start", None)
    monkeypatch.setattr(train, "begin_weights", lambda options, config, training, feed: {})
    from mini_rcnn.training import step, words

    monkeypatch.setattr(step, "Learner", lambda config, training, weights, strategy: PlainLearner(config, training))
    monkeypatch.setattr(words, "describe_start", lambda *_: "begins")
    return ["--set=training__choose_threshold=false"]


def test_from_films_to_weights(films, tmp_path, capsys):
    """All of it, with a network: the films are split and prepared on the way, the threshold is chosen."""
    out = tmp_path / "run"
    assert train.main(arguments(films, out)) == 0
    told = capsys.readouterr().out
    for text in ("splits/patient.json: made", "epoch 1: 3 steps", "Best epoch: 1", "lab.py detect FILM.dcm --weights"):
        assert text in told
    weights, config, facts = load_weights(out / "best.weights.npz")
    assert config.detections.min_confidence == facts["validation"]["threshold"]
    assert set(facts["validation"]) == {"epoch", "loss", "threshold", "score", "marked"}
    load_weights(out / "last.weights.npz")
    run = json.loads((out / "run.json").read_text())
    assert run["preset"] == "demo" and run["seed"] == 4 and len(run["data_sha256"]) == 64
    assert train.main(arguments(films, out)) == 1
    assert "--resume" in capsys.readouterr().err
    assert train.main(["--out", str(out), "--resume"]) == 0  # it was at its end already


def test_resumed_with_other_settings_or_data(films, tmp_path, plain, capsys):
    out = tmp_path / "run"
    assert train.main(arguments(films, out, *plain)) == 0
    for more, words in (
        (["--set=image__mean=[1,2,3]"], "config.image.mean was [123.7, 116.8, 103.9] and is [1, 2, 3]"),
        (['--set=training__stages=[{"epochs": 1, "rate": 9}]'], "training.stages"),
        (["--seed", "5"], "training.seed was 4 and is 5"),
    ):
        assert train.main(arguments(films, out, *plain, "--resume", *more)) == 1
        assert words in capsys.readouterr().err
    other = make_folder(tmp_path / "other", 30, seed=6)
    assert train.main(arguments(other, out, *plain, "--resume")) == 1
    assert "other data" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    assert train.main(arguments(films, tmp_path / "full", *plain)) == 1
    assert "no run" in capsys.readouterr().err


def test_resumed_without_a_checkpoint_begins_at_the_beginning(films, tmp_path, plain, capsys):
    assert train.main(arguments(films, tmp_path / "run", *plain, "--resume")) == 0
    assert "begins at the beginning" in capsys.readouterr().out


@pytest.mark.parametrize(
    "given, words",
    [
        (["--preset", "demmo", "--data", "x"], "did you mean demo"),
        (["--preset", "slides-as-shown", "--data", "x"], "16,368"),
        (["--preset", "demo"], "--data is missing"),
        (["--data", "x"], "--preset is missing"),
        (["--preset", "demo", "--data", "nowhere"], "no such folder"),
        (["--preset", "demo", "--data", "x", "--set", "image__siz=64"], "did you mean size"),
        (["--preset", "demo", "--data", "x", "--start", "nowhere.npz"], "no such f"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, given, words):
    monkeypatch.chdir(tmp_path)
    assert train.main([*given, "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr().err
    assert words in told and "Traceback" not in told and told.startswith("python3 lab.py train: ")
    assert not (tmp_path / "run").exists()


def test_list_shows_the_presets(capsys):
    assert train.main(["--list"]) == 0
    assert "slides" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["memory", "resource"])
def test_out_of_memory_says_what_to_lower(films, tmp_path, plain, capsys, monkeypatch, kind):
    import tensorflow.compat.v2 as tf

    error = MemoryError() if kind == "memory" else tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    def fails(*_, **options):
        raise error

    monkeypatch.setattr(PlainLearner, "step", fails)
    begun = time.monotonic()
    assert train.main(arguments(films, tmp_path / "run", *plain)) == 1
    told = capsys.readouterr().err
    for setting in ("training__batch_size (now 2)", "image__size (64)", "targets__max_rois (12", "--batch-size 1"):
        assert setting in told
    assert "Traceback" not in told and time.monotonic() - begun < 30


def test_not_finite_ends_with_one_line(films, tmp_path, plain, capsys, monkeypatch):
    from mini_rcnn.training import step

    make = lambda config, training, weights, strategy: PlainLearner(config, training, fails_at=1)  # noqa: E731
    monkeypatch.setattr(step, "Learner", make)
    assert train.main(arguments(films, tmp_path / "run", *plain)) == 1
    told = capsys.readouterr().err
    assert "epoch 1, step 2: head_box nan" in told and "Traceback" not in told


def test_broken_images_are_all_named(tmp_path):
    """5 of 100 corrupted: the training stops and lists 5 of 5; 1 of 120 is named, kept in the run, and left out."""
    for n_films, n_broken in ((104, 5), (124, 1)):
        data = make_data(tmp_path / str(n_films), n_films=n_films)
        broken = [record.id for record in data.train[:n_broken]]
        for image_id in broken:
            damage(data.prepared, image_id)
        told, learner = [], PlainLearner(tiny_config(), tiny_training())
        if n_broken == 5:
            with pytest.raises(DataError) as stopped:
                run_loop(learner, data, tmp_path / f"run{n_films}", tell=told.append)
            assert sum(image_id in str(stopped.value) for image_id in broken) == 5
        else:
            loop, _ = run_loop(learner, data, tmp_path / f"run{n_films}", tell=told.append)
            assert set(loop.feed.broken) == set(broken)
            assert sum(broken[0] in text for text in told) == 1


def damage(prepared, image_id):
    """Flip a pixel of an image in the cache."""
    entry = prepared.entry(image_id)
    shard = next(Path(prepared.folder).glob(f"shard-*{entry.shard}.*"))
    content = bytearray(shard.read_bytes())
    row = len(content) - (len(content) // prepared.size**2 - entry.row) * prepared.size**2
    content[row + 77] ^= 255
    shard.write_bytes(content)


def test_broken_films_stand_in_the_run(films, tmp_path):
    out = tmp_path / "run"
    run = {"config": {}, "training": {"stages": [{"epochs": 1, "rate": 0.1}]}, "broken": {}}
    run_folder.open_run(out, run, resume=False)
    run_folder.note_broken(out, {"a": "a.dcm: is empty"})
    assert run_folder.read_run(out)["broken"] == {"a": "a.dcm: is empty"}
    (out / "run.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        run_folder.read_run(out)


def test_start_weights(films, tmp_path, capsys):
    from mini_rcnn.training.start import random_start

    config, path = tiny_config(), tmp_path / "start.npz"
    save_weights(path, random_start(config, seed=9), config)
    options = train.make_parser().parse_args(["--start", str(path), "--exclude", "mrcnn_mask"])
    got = train.begin_weights(options, config, tiny_training(seed=2), None)
    np.testing.assert_array_equal(got["conv1/kernel"], random_start(config, seed=9)["conv1/kernel"])
    np.testing.assert_array_equal(got["mrcnn_mask/kernel"], random_start(config, seed=2)["mrcnn_mask/kernel"])
    options.exclude = "mrcnn_masks"
    with pytest.raises(ValueError, match="did you mean mrcnn_mask"):
        train.begin_weights(options, config, tiny_training(), None)
    with pytest.raises(ValueError, match="does not fit the network"):
        options.exclude = ""
        train.begin_weights(options, tiny_config(backbone__width=8), tiny_training(), None)


def test_start_weights_that_are_refused_leave_no_run(films, tmp_path, capsys):
    """Mended, the same command is given again; a folder with a run in it would refuse that."""
    from mini_rcnn.training.start import random_start

    config, path = tiny_config(backbone__width=8), tmp_path / "other.npz"
    save_weights(path, random_start(config, seed=9), config)
    assert train.main(arguments(films, tmp_path / "run", "--start", str(path))) == 1
    assert "does not fit the network" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def stop_at_films(*_, **__):
    raise KeyboardInterrupt


def test_ctrl_c_before_the_run_began_names_no_resume(films, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mini_rcnn.training.films.folder_of", stop_at_films)
    assert train.main(arguments(films, tmp_path / "run")) == 130
    err = capsys.readouterr().err
    assert "Stopped before the run began" in err and "--resume" not in err and not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "words"), [("run.json", "cannot be read"), ("notes.txt", "that are no run")])
def test_a_folder_in_use_is_refused_before_films_are_drawn(films, tmp_path, monkeypatch, capsys, name, words):
    monkeypatch.setattr("mini_rcnn.training.films.folder_of", stop_at_films)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("{}")
    assert train.main(arguments(films, tmp_path / "run")) == 1
    assert words in capsys.readouterr().err


SLOWLY = """
import signal, sys, time
sys.path.insert(0, "tests")
signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background would not hear Ctrl-C
from mini_rcnn import stages_tf, train
from mini_rcnn.training import step, words
from training_runs import PlainLearner

class Slow(PlainLearner):
    def step(self, batch, **options):
        time.sleep(0.05)
        return super().step(batch, **options)

train.begin_weights = lambda *_: {}
words.describe_start = lambda *_: "begins"
step.Learner = lambda config, training, weights, strategy: Slow(config, training)
sys.exit(train.main(sys.argv[1:]))
"""


def start_slowly(films, out, *more):
    """Start a training of 4,000 slow steps."""
    given = arguments(films, out, "--set=training__choose_threshold=false", "--steps", "4000", *more)
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SLOWLY, *given],
        cwd=str(ROOT), env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_steps(run, out, number):
    """Wait until a training's table has so many steps."""
    deadline = time.monotonic() + 60
    while not (out / "steps.csv").exists() or len((out / "steps.csv").read_text().splitlines()) <= number:
        assert time.monotonic() < deadline and run.poll() is None, run.communicate()
        time.sleep(0.02)


def test_monitor_stops_a_training_in_another_process(films, tmp_path):
    out = tmp_path / "run"
    run = start_slowly(films, out)
    wait_for_steps(run, out, 3)
    panel = TrainingMonitor(out, every=0)
    assert panel.state.state == "running" and not panel.stop.disabled
    panel.stop.click()
    panel.stop.click()
    told, complaints = run.communicate(timeout=30)
    assert run.returncode == 130, complaints
    n_steps = len((out / "steps.csv").read_text().splitlines()) - 1
    assert f"Interrupted after {n_steps} of 4000 steps" in told and f"train --out {out} --resume" in told
    assert [path.name for path in (out / "checkpoints").iterdir()] == [f"step_{n_steps:08d}.npz"]
    panel.update()
    assert panel.state.state == "stopped" and panel.stop.disabled
    panel.close()


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_how_to_go_on(films, tmp_path, number):
    out = tmp_path / "run"
    run = start_slowly(films, out)
    wait_for_steps(run, out, 3)
    run.send_signal(number)
    told, complaints = run.communicate(timeout=30)
    assert run.returncode == 130, complaints
    n_steps = len((out / "steps.csv").read_text().splitlines()) - 1
    assert f"Interrupted after {n_steps} of 4000 steps" in told and f"train --out {out} --resume" in told
    assert "Traceback" not in complaints
    assert [path.name for path in (out / "checkpoints").iterdir()] == [f"step_{n_steps:08d}.npz"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell when a process began")
def test_max_minutes_holds_for_the_whole_process(films, tmp_path):
    begun = time.monotonic()
    run = start_slowly(films, tmp_path / "run", "--max-minutes", "0.25")
    told, complaints = run.communicate(timeout=60)
    seconds = time.monotonic() - begun
    assert run.returncode == 0, complaints
    assert "Out of time after" in told and "stand in for the best" in told
    assert seconds < 15 + 2  # the interpreter's own end
    weights = [tmp_path / "run" / name for name in ("best.weights.npz", "last.weights.npz")]
    assert all(path.exists() for path in weights)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot copy processes")
@pytest.mark.parametrize("end", ["os.abort()", "os.kill(os.getpid(), 9)"])
def test_a_training_that_the_system_ends_has_last_words(films, tmp_path, end):
    """As TensorFlow without memory does (``std::bad_alloc`` aborts), and as Linux does when memory runs out."""
    code = (
        f"import os, sys\nfrom mini_rcnn import train\ndef dies(options):\n    {end}\n"
        "train.train = dies\ntrain.main(sys.argv[1:])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments(films, tmp_path / "run")],
        cwd=str(ROOT), stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode < 0
    assert "the system ended the training" in run.stderr and "training__batch_size (now 2)" in run.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot copy processes")
@pytest.mark.parametrize("code, said", [("pass", ""), ("os._exit(3)", "gone"), ("raise SystemExit(2)", "")])
def test_last_words_are_said_of_a_sudden_end_alone(code, said):
    body = f"import os\nfrom mini_rcnn.training.last_words import watched\nwith watched('gone'):\n    {code}\n"
    run = subprocess.run([sys.executable, "-c", body], cwd=str(ROOT), stderr=subprocess.PIPE, text=True, timeout=30)
    assert run.stderr.strip() == said
