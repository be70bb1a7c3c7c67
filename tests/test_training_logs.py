"""The log of a run: tables that read back, cuts on resuming, TensorBoard's events, the bar and the lines."""

from __future__ import annotations

import csv
import io
import sys
import time
import warnings

import numpy as np
import pytest
from conftest import Later, imported

logs = Later("mini_rcnn.training.logs")
events = Later("mini_rcnn.training.events")
tf = Later("tensorflow.compat.v2")
tf1 = Later("tensorflow.compat.v1")
LOSSES = ("rpn_class", "rpn_box", "head_class", "head_box", "head_mask")
N_EPOCHS, N_STEPS = 3, 4


def numbers(*place):
    """Return losses and total that depend on a place alone, with digits that only a full repr keeps."""
    rng = np.random.default_rng(place)
    return dict(zip(LOSSES, rng.random(5))), float(rng.random()) * 7


def run(folder, *, begin=(0, 0), stop=(N_EPOCHS, 0), quiet=True):
    """Write the log of a run from one place up to another, as a loop would."""
    log = logs.RunLog(folder, n_steps_total=N_EPOCHS * N_STEPS, begin=begin, quiet=quiet)
    for epoch in range(begin[0], N_EPOCHS):
        for step in range(begin[1] if epoch == begin[0] else 0, N_STEPS):
            if (epoch, step) >= stop:
                return log
            losses, total = numbers(epoch, step)
            log.step(epoch, step, rate=0.01 / 3, losses=losses, total=total, images=2, seconds=0.5)
        losses, total = numbers(epoch, 99)
        parts = {**losses, "total": total}
        log.epoch(epoch, train=parts, validation=parts, extra={"rsna": 0.1 * epoch, "best": epoch != 1})
    log.close()
    return log


def rows(path):
    with open(str(path), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tables(folder):
    return {name: (folder / f"{name}.csv").read_bytes() for name in ("steps", "epochs")}


def events_of(folder):
    """Return ``{name: [(step, value), ...]}`` of all event files of a folder, in the order of their names."""
    found = {}
    for path in sorted((folder / "tensorboard").iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_every_number_reads_back(tmp_path):
    run(tmp_path)
    steps, epochs = rows(tmp_path / "steps.csv"), rows(tmp_path / "epochs.csv")
    assert list(steps[0]) == ["epoch", "step", "rate", "total", *LOSSES]
    assert [(row["epoch"], row["step"]) for row in steps[:5]] == [(str(i // 4), str(i % 4)) for i in range(5)]
    for row in steps:
        losses, total = numbers(int(row["epoch"]), int(row["step"]))
        assert {name: float(row[name]) for name in LOSSES} == losses
        assert float(row["total"]) == total and float(row["rate"]) == 0.01 / 3
    assert [row["best"] for row in epochs] == ["1", "0", "1"]
    assert [float(row["rsna"]) for row in epochs] == [0, 0.1, 0.2]
    assert float(epochs[2]["validation_head_mask"]) == numbers(2, 99)[0]["head_mask"]
    timing = rows(tmp_path / "timing.csv")
    assert len(timing) == 12 and float(timing[3]["images_per_second"]) == 4


def test_numbers_of_any_kind_and_none(tmp_path):
    log = logs.RunLog(tmp_path, n_steps_total=1, quiet=True)
    losses = dict.fromkeys(LOSSES, np.float32(0.1))
    log.step(np.int64(0), 0, rate=1, losses=losses, total=tf.constant(0.5).numpy(), images=np.int64(2), seconds=0)
    log.epoch(0, train={**losses, "total": float("nan")}, validation=None)
    log.close()
    (step,), (epoch,) = rows(tmp_path / "steps.csv"), rows(tmp_path / "epochs.csv")
    assert float(step["rpn_box"]) == float(np.float32(0.1)) and (step["rate"], step["total"]) == ("1.0", "0.5")
    assert (epoch["train_total"], epoch["validation_total"], epoch["rsna"], epoch["best"]) == ("nan", "", "", "0")


@pytest.mark.parametrize("stop, begin", [((1, 2), (1, 2)), ((2, 3), (1, 1)), ((1, 0), (1, 0)), ((2, 2), (0, 3))])
def test_a_resumed_run_has_the_bytes_of_an_unbroken_one(tmp_path, stop, begin):
    run(tmp_path / "whole")
    broken = run(tmp_path / "broken", stop=stop)
    assert tables(tmp_path / "broken") != tables(tmp_path / "whole")
    broken.close()
    run(tmp_path / "broken", begin=begin)
    assert tables(tmp_path / "broken") == tables(tmp_path / "whole")
    places = [(row["epoch"], row["step"]) for row in rows(tmp_path / "broken" / "timing.csv")]
    assert places == [(str(i // 4), str(i % 4)) for i in range(12)]


def test_a_line_cut_off_by_a_kill_is_cut_away(tmp_path):
    run(tmp_path / "whole")
    run(tmp_path / "broken", stop=(1, 2)).close()
    for name in ("steps", "timing"):
        path = tmp_path / "broken" / f"{name}.csv"
        path.write_bytes(path.read_bytes() + b"1,2,0.00")
    run(tmp_path / "broken", begin=(1, 2))
    assert tables(tmp_path / "broken") == tables(tmp_path / "whole")


def test_rows_are_in_the_file_before_the_run_ends(tmp_path):
    log = run(tmp_path, stop=(0, 3))
    assert len(rows(tmp_path / "steps.csv")) == 3
    log.close()


def test_a_run_from_the_beginning_begins_all_files_anew(tmp_path):
    run(tmp_path / "once")
    for _ in range(2):
        run(tmp_path / "twice")
    assert tables(tmp_path / "once") == tables(tmp_path / "twice")
    assert len(list((tmp_path / "twice" / "tensorboard").iterdir())) == 1


def test_tensorboards_numbers_read_back(tmp_path):
    run(tmp_path)
    found = events_of(tmp_path)
    assert len(found) == 2 + 6 + 12 + 1
    assert [step for step, _ in found["train/total"]] == list(range(1, 13))
    wanted = [numbers(i // 4, i % 4)[0]["rpn_box"] for i in range(12)]
    np.testing.assert_allclose([value for _, value in found["train/rpn_box"]], wanted, rtol=1e-6)
    assert [step for step, _ in found["rsna"]] == [4, 8, 12]
    assert {value for _, value in found["images_per_second"]} == {4.0}


def test_events_are_numbered_on_and_tell_tensorboard_what_was_taken_back(tmp_path):
    run(tmp_path, stop=(2, 3)).close()
    run(tmp_path, begin=(1, 1))
    first, second = sorted((tmp_path / "tensorboard").iterdir())
    said = [tf1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(second))]
    assert said[0].file_version == "brain.Event:2"
    assert (said[1].session_log.status, said[1].step) == (tf1.SessionLog.START, 6)
    assert [event.step for event in said if event.summary.value][0] == 6
    assert b".local" not in first.name.encode() and first.name == "events.out.tfevents.000000"


@pytest.mark.skipif(sys.version_info >= (3, 8), reason="TensorBoard is part of classic alone")
def test_tensorboard_itself_shows_one_curve_of_a_resumed_run(tmp_path):
    run(tmp_path, stop=(2, 3)).close()
    run(tmp_path, begin=(1, 1))
    module = imported("tensorboard.backend.event_processing.event_accumulator")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, about its own
        accumulator = module.EventAccumulator(str(tmp_path / "tensorboard"))
        accumulator.Reload()
    told = accumulator.Scalars("train/total")
    assert [event.step for event in told] == list(range(1, 13))
    np.testing.assert_allclose([event.value for event in told], [numbers(i // 4, i % 4)[1] for i in range(12)], 1e-6)


def test_one_plain_line_an_epoch_where_nobody_watches(tmp_path, capfd):
    run(tmp_path, quiet=False)
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert err == "" and len(lines) == N_EPOCHS and all(line.startswith(f"epoch {i}: ") for i, line in enumerate(lines))
    for words in (
        "4 steps",
        "train loss ",
        "validation loss ",
        "RSNA score 0.200",
        "4.0 images a second, 0:00:00 left",
    ):
        assert words in lines[2]
    assert ["best so far" in line for line in lines] == [True, False, True]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_with_losses_speed_and_time_left_on_a_terminal(tmp_path, monkeypatch):
    screen, out = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(imported("mini_rcnn.training.logs"), "BAR_SECONDS", 0)
    run(tmp_path, quiet=False)
    drawn = screen.getvalue().split("\r")
    last = [text for text in drawn if "12/12" in text][-1]
    losses, total = numbers(2, 3)
    for words in ("epoch 2 ", f"loss {total:.3f}, 4.0 images/s, 0:00:00 left; RPN {losses['rpn_class']:.3f} + "):
        assert words in last
    assert any("1/12" in text and "0:00:0" in text for text in drawn)
    assert len(out.getvalue().splitlines()) == N_EPOCHS


def test_quiet_says_nothing(tmp_path, capfd):
    run(tmp_path, quiet=True)
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_written_is_named(tmp_path):
    with logs.RunLog(tmp_path, n_steps_total=1, quiet=True) as log:
        losses, total = numbers(0, 0)
        with pytest.raises(ValueError, match="losses must hold total, rpn_class.*got .*other"):
            log.step(0, 0, rate=0.1, losses={**losses, "other": 1.0}, total=total, images=1, seconds=1)
        parts = {**losses, "total": total}
        with pytest.raises(ValueError, match="validation must hold"):
            log.epoch(0, train=parts, validation=losses)
        with pytest.raises(ValueError, match="extra must hold nothing but rsna, best, got rnsa"):
            log.epoch(0, train=parts, validation=parts, extra={"rnsa": 0.5})
    assert rows(tmp_path / "steps.csv") == rows(tmp_path / "epochs.csv") == []
    (tmp_path / "steps.csv").write_text("epoch,step,loss\n0,0,1.0\n")
    with pytest.raises(ValueError, match="steps.csv must have the columns epoch, step, rate.*got 'epoch,step,loss'"):
        logs.RunLog(tmp_path, n_steps_total=1, begin=(0, 1), quiet=True)


def test_events_cost_little(tmp_path):
    file = events.EventFile(tmp_path)
    begun = time.process_time()
    for step in range(1000):
        file.scalars(step, dict.fromkeys("abcdefgh", 0.5))
    file.close()
    assert time.process_time() - begun < 1  # a thousand steps
