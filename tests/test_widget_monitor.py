"""The training monitor: what it says of a run in every state, what breaks nothing, and that it can stop a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from training_runs import PlainLearner, make_data, run_loop, tiny_config, tiny_training

from mini_rcnn.data.files import write_json
from mini_rcnn.training.run_folder import describe_run
from mini_rcnn.training.stop_file import ask_to_stop, take_request, was_asked
from mini_rcnn.view.run_state import RunReader
from mini_rcnn.view.run_tables import read_columns
from mini_rcnn.widgets import TrainingMonitor

DOCS = Path(__file__).resolve().parent.parent / "docs"
LONG = 3600.0  # seconds


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("films") / "noise")


@pytest.fixture
def made():
    """Return a function that makes monitors, all closed afterwards."""
    panels = []

    def make(*args, every=0, **options):
        panels.append(TrainingMonitor(*args, every=every, **options))
        return panels[-1]

    yield make
    for panel in panels:
        panel.close()


def plain(**settings):
    return PlainLearner(tiny_config(), tiny_training(**settings))


def described(folder, **settings):
    """Write a run's description."""
    folder.mkdir(exist_ok=True)
    run = describe_run(
        preset=None, config=tiny_config(), training=tiny_training(**settings), data="noise", data_sha256="0",
        start=None, command="train",
    )  # fmt: skip
    write_json(folder / "run.json", run)
    return folder


def stopping_at(folder, number):
    """Return what stops a loop once so many steps are in its table."""
    return lambda seconds: "interrupted" if (folder / "steps.csv").read_text().count("\n") > number else None


def state(folder, *, later=0.0, asked=False):
    return RunReader(folder).read(time.time() + later, asked=asked)


def lines(panel):
    return [shape for shape in panel.canvas.shapes if shape["kind"] == "line"]


def texts(panel):
    return [shape["text"] for shape in panel.canvas.shapes if shape["kind"] == "text"]


def test_a_recorded_run(made):
    panel, table = made(DOCS / "overfit_epochs.csv"), read_columns(DOCS / "overfit_epochs.csv")
    assert panel.state.state == "recorded" and panel.stop.disabled and "16 epochs" in panel.told.value
    assert panel.state.best == np.argmin(table["validation_total"]) + 1
    assert f"best: epoch {panel.state.best}" in texts(panel)
    assert f"validation {table['validation_total'][-1]:.3f}" in texts(panel)
    hints = [shape["hint"] for shape in panel.canvas.shapes if shape["kind"] == "point"]
    assert f"training, epoch 3: {table['train_total'][2]:.4f}" in hints and len(hints) == 32
    for choice in ("head_mask", "all", "rsna"):
        for logarithmic in (False, True):
            panel.loss.value, panel.logarithmic.value = choice, logarithmic
            assert panel.message.value == "" and panel.canvas.shapes
    assert "nothing to draw yet" in texts(panel)  # the score was not worked out in that run
    assert panel.still().startswith("<svg")


def test_nothing_there(made, tmp_path):
    panel = made(tmp_path / "later")
    assert panel.state.state == "nothing" and "Nothing there yet" in panel.told.value and panel.stop.disabled
    (tmp_path / "later").mkdir()
    panel.again.click()
    assert panel.state.state == "nothing" and "is empty" in panel.told.value
    (tmp_path / "later" / "letter.txt").write_text("not a run")
    panel.update()
    assert panel.state.state == "no run" and panel.message.value == ""


def test_a_run_from_its_beginning_to_its_end(data, made, tmp_path):
    folder = described(tmp_path / "run")
    panel = made(folder)
    assert panel.state.state == "starting" and not panel.stop.disabled
    run_loop(plain(), data, folder, must_stop=stopping_at(folder, 3))
    panel.update()
    assert panel.state.state == "running" and "epoch 1 of 3, step 3" in panel.told.value
    assert "known after the first epoch" in panel.told.value
    run_loop(plain(), data, folder, must_stop=stopping_at(folder, 8))
    panel.update()
    assert "epoch 2 of 3, step 3 of 5" in panel.told.value and "steps left" in panel.told.value
    assert state(folder, later=LONG).state == "stopped" and "everything is saved" in state(folder, later=LONG).words
    assert state(folder, asked=True).state == "stopped" and "--resume" in state(folder, asked=True).words
    run_loop(plain(), data, folder)
    panel.update()
    assert panel.state.state == "finished" and panel.stop.disabled and "3 epochs, 15 steps" in panel.told.value
    assert panel.state.best == 1 + np.argmin(panel.state.epochs["validation_total"])
    for choice in ("total", "rpn_box", "all", "rsna"):
        panel.loss.value = choice
        assert panel.message.value == ""


def test_out_of_time_and_killed(data, tmp_path):
    folder = described(tmp_path / "run")
    run_loop(plain(), data, folder, must_stop=lambda _: "out of time")
    assert state(folder).state == "stopped" and "its time was over" in state(folder).words
    shutil.rmtree(str(folder / "checkpoints"))
    (folder / "last.weights.npz").unlink()
    assert "no checkpoint was saved" in state(folder, later=LONG).words


def test_tables_that_are_half_written_or_strange(data, made, tmp_path):
    folder = described(tmp_path / "run")
    run_loop(plain(), data, folder)
    panel, steps, epochs = made(folder), folder / "steps.csv", folder / "epochs.csv"
    whole = steps.read_text()
    steps.write_text(whole + "4,1,0.00")
    panel.update()
    assert len(panel.state.steps["total"]) == 15 and panel.message.value == "" and not panel.state.problems
    head = epochs.read_text().splitlines()[0]
    n = head.count(",")
    for content in (
        head + "\n1" + ",nan" * n + "\n2" + ",inf" * n + "\n3" + ",1.5" * n + "\n",
        head + "\n1" + ",nan" * n + "\n",
        head + "\n1" + ",-1" * n + "\n2" + ",0" * n + "\n",
        head + "\n",
        "",
        "one,two\n1,2\n",
        head + "\n1,2\n",
        head + "\nhalf" + ",a" * n + "\n",
    ):
        epochs.write_text(content)
        for choice in ("total", "all", "rsna"):
            for logarithmic in (False, True):
                panel.loss.value, panel.logarithmic.value = choice, logarithmic
                panel.update()
                assert panel.message.value == "", content
    assert panel.state.problems and "no table of a run" in panel.told.value
    epochs.write_bytes(b"\xff\xfe\x00")
    (folder / "run.json").write_text("{")
    panel.update()
    assert panel.message.value == "" and "run.json" in panel.told.value
    steps.unlink()
    panel.update()
    assert panel.state.state == "no run" and panel.message.value == ""


def test_values_that_cannot_be_drawn_are_counted(made, tmp_path):
    path = tmp_path / "epochs.csv"
    path.write_text("epoch,train_total,validation_total,best\n1,2,3,1\n2,nan,2,1\n3,1,1,0\n4,-1,1,0\n")
    panel = made(path)
    assert "1 values cannot be drawn" in panel.told.value
    panel.logarithmic.value = True
    assert "2 values cannot be drawn" in panel.told.value and "not above 0" in panel.told.value


def test_a_long_run_is_thinned_and_read_once(made, tmp_path):
    folder = described(tmp_path / "run", steps=5000)
    rows = [f"{1 + number // 5000},{1 + number % 5000},0.1,{5 - number / 3000}" for number in range(12000)]
    (folder / "steps.csv").write_text("\n".join(["epoch,step,rate,total", *rows]) + "\n")
    panel = made(folder)
    assert max(len(shape["at"]) for shape in lines(panel)) <= 400
    before = panel.state.steps["total"]
    panel.update()
    assert panel.state.steps["total"] is before


def test_two_clicks_stop_a_run(data, made, tmp_path):
    folder = described(tmp_path / "run")
    panel, seen = made(folder), []

    def clicking(seconds):
        seen.append(1)
        if len(seen) in (3, 4):
            panel.stop.click()
            assert was_asked(folder) == (len(seen) == 4)

    _, reason = run_loop(plain(), data, folder, must_stop=clicking)
    assert reason == "interrupted" and len(seen) == 4 and not was_asked(folder)
    panel.update()
    assert panel.state.state == "stopped" and "Stopped as asked" in panel.told.value and panel.stop.disabled
    whole = tmp_path / "whole"
    assert run_loop(plain(), data, folder)[1] == "finished"
    run_loop(plain(), data, whole)
    for name in ("steps.csv", "epochs.csv"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


def test_one_click_stops_nothing(data, made, tmp_path, monkeypatch):
    folder = described(tmp_path / "run")
    panel = made(folder)
    panel.stop.click()
    assert "Really" in panel.stop.description and not was_asked(folder)
    monkeypatch.setattr("mini_rcnn.widgets.training_monitor.ARMED", 0.0)
    panel.update()
    assert "Really" not in panel.stop.description
    panel.stop.click()
    panel.stop.click()  # too late to be the second of two
    assert not was_asked(folder)


def test_a_request_from_before_a_run_stops_nothing(data, tmp_path):
    ask_to_stop(tmp_path)
    assert run_loop(plain(), data, tmp_path)[1] == "finished"
    assert not take_request(tmp_path)


def test_a_request_in_a_validation_is_heard(data, tmp_path):
    class Asked(PlainLearner):
        def losses(self, batch):
            ask_to_stop(tmp_path)
            return super().losses(batch)

    loop, reason = run_loop(Asked(tiny_config(), tiny_training()), data, tmp_path)
    assert reason == "interrupted" and loop.progress.epoch == 0 and loop.progress.step == 5
    assert run_loop(plain(), data, tmp_path)[1] == "finished"


def until(holds, seconds=10.0):
    """Wait until something holds; return whether it did."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def test_it_looks_by_itself_until_the_run_is_over(data, made, tmp_path, capfd):
    folder = described(tmp_path / "run")
    panel = made(folder, every=0.02)
    thread = panel._thread
    run_loop(plain(), data, folder, seconds=0.01)
    assert until(lambda: panel.state.state == "finished") and until(lambda: not thread.is_alive())
    assert capfd.readouterr() == ("", "")


def test_a_closed_panel_leaves_no_thread(made, tmp_path):
    before = threading.active_count()
    panels = [made(tmp_path / "later", every=0.02) for _ in range(3)]
    assert threading.active_count() == before + 3
    panels[0].alone.value = False
    for panel in panels[1:]:
        panel.close()
    assert until(lambda: threading.active_count() == before)
    panels[0].alone.value = True
    assert panels[0]._thread.is_alive()
    assert made(DOCS / "demo_epochs.csv", every=0.02)._thread is None  # nothing will change


def test_no_tensorflow_is_needed():
    code = "from mini_rcnn.widgets import TrainingMonitor; TrainingMonitor()"
    code += "; import sys; print('tensorflow' in sys.modules)"
    root = str(Path(__file__).resolve().parent.parent)
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, check=True, env=dict(os.environ)
    )
    assert told.stdout.split() == [b"False"]


def test_a_folder_that_takes_no_file(made, tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError("read only")

    monkeypatch.setattr("mini_rcnn.widgets.training_monitor.ask_to_stop", refuse)
    panel = made(described(tmp_path / "run"))
    panel.stop.click()
    panel.stop.click()
    assert "read only" in panel.message.value
