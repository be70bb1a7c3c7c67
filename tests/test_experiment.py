"""Arms side by side: the figures by hand, trainings that are not repeated, and the whole way on a few films."""

from __future__ import annotations

import json

import numpy as np
import pytest
from film_folders import make_folder
from PIL import Image

from mini_rcnn import experiment, train
from mini_rcnn.config import to_dict
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.rsna import Record
from mini_rcnn.experimenting import runs
from mini_rcnn.experimenting.arms import EXPERIMENTS, NEGATIVES, find_arms
from mini_rcnn.experimenting.compare import compare, figures_of
from mini_rcnn.experimenting.report import table_text
from mini_rcnn.training.settings import training_to_dict
from mini_rcnn.view.arms import arms_figure, draw_arms

BOX = np.array([[10.0, 10, 60, 60]])
NONE = np.zeros((0, 4))
FACTS = {"command": "c", "versions": {"python": "3", "tensorflow": "2"}}


def record(name, boxes, class_name):
    return Record(name, None, boxes, class_name, name)


RECORDS = [
    record("a", BOX, "Lung Opacity"),
    record("b", BOX, "Lung Opacity"),
    record("c", NONE, "Normal"),
    record("d", NONE, "No Lung Opacity / Not Normal"),
    record("e", NONE, "No Lung Opacity / Not Normal"),
    record("f", NONE, "Normal"),
]


def found(*scores):
    """Return what a network finds that marks each film with one box of such a score, in the right place on ill ones."""
    return [
        (one.boxes, BOX if score else NONE, np.array([score] if score else []))
        for one, score in zip(RECORDS, scores)
    ]  # fmt: skip


# 1. By hand.


def test_what_a_threshold_does():
    told = figures_of(RECORDS, found(0.9, 0.6, 0.8, 0.97, 0.0, 0.0))
    at = told["at"]["0.7"]
    assert at["sensitivity"] == 0.5 and at["healthy_marked"] == 0.5 and at["false_marks_per_healthy_film"] == 0.5
    assert at["normal_marked"] == 0.5 and at["not_normal_marked"] == 0.5
    assert at["rsna"] == pytest.approx((1 + 0 + 0 + 0) / 4)  # found, missed, two healthy films marked
    assert told["at"]["0.95"]["healthy_marked"] == 0.25 and told["at"]["0.95"]["sensitivity"] == 0


def test_equal_sensitivity_is_the_highest_threshold_that_finds_as_many():
    told = figures_of(RECORDS, found(0.9, 0.6, 0.8, 0.97, 0.0, 0.0))
    assert told["equal"]["0.5"]["threshold"] == 0.9 and told["equal"]["0.5"]["healthy_marked"] == 0.25
    assert told["equal"]["0.6"]["threshold"] == 0.6 and told["equal"]["0.6"]["healthy_marked"] == 0.5
    assert told["equal"]["0.8"]["sensitivity"] == 1


def test_a_sensitivity_that_is_not_reached_is_none():
    told = figures_of(RECORDS, found(0.9, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert told["equal"]["0.5"]["healthy_marked"] == 0 and told["equal"]["0.6"] is None
    curve = told["curve"]
    assert curve["healthy_marked"][curve["sensitivity"].index(0.5)] == 0 and curve["healthy_marked"][-1] is None


def test_ratios_are_of_means_over_seeds():
    worse = {0: found(0.9, 0.8, 0.95, 0.95, 0.95, 0.0), 1: found(0.9, 0.8, 0.95, 0.95, 0.95, 0.95)}
    better = {0: found(0.9, 0.8, 0.85, 0.0, 0.0, 0.0), 1: found(0.9, 0.8, 0.7, 0.0, 0.0, 0.0)}
    results = compare(RECORDS, {"skip": worse, "full": better})
    assert results["ratios"]["0.5"] == {"skip": None, "full": None}  # full marks no healthy film there
    assert results["ratios"]["0.6"] == {"skip": pytest.approx(0.875 / 0.125), "full": 1}
    spread = results["arms"]["skip"]["at.0.7.healthy_marked"]
    assert (spread["mean"], spread["low"], spread["high"]) == (0.875, 0.75, 1.0)
    assert spread["sd"] == pytest.approx(np.std([0.75, 1.0], ddof=1))
    assert results["films"] == {"Lung Opacity": 2, "No Lung Opacity / Not Normal": 2, "Normal": 2}


def test_nothing_found_at_all():
    results = compare(RECORDS, {"skip": {0: found(0, 0, 0, 0, 0, 0)}, "full": {0: found(0, 0, 0, 0, 0, 0)}})
    assert results["arms"]["full"]["ap"]["mean"] == 0 and results["ratios"]["0.5"] == {"skip": None, "full": None}
    text = table_text(results, NEGATIVES, FACTS)
    assert "not reached" in text and "not known" in text


# 2. Table and figure.


def test_the_table_has_a_row_a_figure_and_a_column_an_arm():
    results = compare(
        RECORDS, {"skip": {0: found(0.9, 0.8, 0.95, 0.95, 0, 0)}, "full": {0: found(0.9, 0.8, 0.7, 0, 0, 0)}}
    )
    text = table_text(results, NEGATIVES, FACTS)
    assert "| | skip | full |" in text and "rpn_only" not in text
    row = next(line for line in text.splitlines() if line.startswith("| healthy films marked at 0.7 "))
    assert row.split("|")[2].strip() == "50.0%" and row.split("|")[3].strip() == "25.0%"


def test_the_figure_shows_the_shares(tmp_path):
    results = compare(
        RECORDS, {"skip": {0: found(0.9, 0.8, 0.95, 0.95, 0, 0)}, "full": {0: found(0.9, 0.8, 0.7, 0, 0, 0)}}
    )
    figure = arms_figure(results, {"skip": "never shown"})
    left, right = figure.axes
    thick = {line.get_label(): line for line in right.get_lines() if not line.get_label().startswith("_")}
    assert thick["skip"].get_ydata().tolist() == [0.5, 0.5, 0.5] and thick["full"].get_ydata().tolist() == [0.25, 0, 0]
    assert any("never shown" in text.get_text() for text in figure.texts)
    draw_arms(results, {}, tmp_path / "figure.png")
    with Image.open(str(tmp_path / "figure.png")) as picture:
        assert picture.size == (1280, 720)


# 3. Trainings.


def test_arms_by_name():
    assert [arm.name for arm in find_arms("negatives")] == ["skip", "rpn_only", "full"]
    with pytest.raises(ValueError, match="no arm fulll; it has skip, rpn_only, full"):
        find_arms("negatives", ["fulll"])
    assert all(arm.told for arms in EXPERIMENTS.values() for arm in arms)


def test_a_training_goes_on_and_is_not_repeated(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(train, "main", lambda command: commands.append(command) or 0)
    options = {"preset": "demo", "data": "films", "seed": 3, "steps": 7}
    assert runs.train_arm(NEGATIVES[0], tmp_path, **options) == 0
    (tmp_path / "run.json").write_text("{}")
    assert runs.train_arm(NEGATIVES[0], tmp_path, **options) == 0
    (tmp_path / "last.weights.npz").write_bytes(b"")
    _, config, training = train.settings_of(train.make_parser().parse_args(commands[0]))
    plain = json.loads(json.dumps({"config": to_dict(config), "training": training_to_dict(training)}))
    (tmp_path / "run.json").write_text(json.dumps({**plain, "data": "films"}))
    assert runs.train_arm(NEGATIVES[0], tmp_path, **options) == 0
    for other in ({"steps": 8}, {"seed": 4}, {"data": "more"}, {"settings": ["training__batch_size=4"]}):
        with pytest.raises(DataError, match="other settings or films"):
            runs.train_arm(NEGATIVES[0], tmp_path, **{**options, **other})
    with pytest.raises(DataError, match="other settings or films"):
        runs.train_arm(NEGATIVES[2], tmp_path, **options)
    assert len(commands) == 2 and "--resume" not in commands[0] and "--resume" in commands[1]
    assert runs.train_arm(find_arms("budget", ["full_twice"])[0], tmp_path / "twice", **options) == 0
    assert [command[command.index("--steps") + 1] for command in commands] == ["7", "7", "14"]
    assert "targets__negatives=skip" in commands[0] and commands[0][commands[0].index("--seed") + 1] == "3"


def test_what_was_found_is_read_back_for_the_same_weights_alone(tmp_path):
    each = [(BOX, np.array([0.5], np.float32)), (NONE, np.zeros(0, np.float32)), (np.repeat(BOX, 2, 0), np.ones(2))]
    runs.write_found(tmp_path, each, {"weights": "x"})
    read = runs.read_found(tmp_path, {"weights": "x"})
    for got, wanted in zip(read, each):
        np.testing.assert_array_equal(got[0], wanted[0])
        np.testing.assert_array_equal(got[1], wanted[1])
    assert runs.read_found(tmp_path, {"weights": "y"}) is None
    (tmp_path / runs.FOUND).write_bytes(b"PK broken")
    assert runs.read_found(tmp_path, {"weights": "x"}) is None


def test_the_whole_way(tmp_path, capsys, monkeypatch):
    """The arm that shows no film without boxes, on a few films of noise: trained, tried, written; then not repeated."""
    folder, out = make_folder(tmp_path / "films", 40), tmp_path / "out"
    command = ["negatives", "--data", str(folder), "--out", str(out), "--seeds", "0", "--steps", "1", "--arms", "skip"]
    command += ["--set", "training__masks=boxes"]
    assert experiment.main([*command, "--quiet"]) == 0
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert list(results["runs"]["skip"]) == ["0"] and sum(results["films"].values()) > 0
    assert (out / "table.md").exists() and (out / "figure.png").exists()
    first = (out / "results.json").read_bytes()
    monkeypatch.setattr(train, "main", None)  # nothing is trained again
    monkeypatch.setattr(runs, "detect_on", None)
    assert experiment.main([*command, "--quiet"]) == 0
    assert (out / "results.json").read_bytes() == first


def test_mistakes_are_one_line(tmp_path, capsys):
    assert experiment.main(["negatives", "--data", str(tmp_path / "no"), "--out", str(tmp_path)]) == 1
    assert experiment.main(["negatives", "--arms", "ful", "--out", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "there is no such folder" in told and "it has skip, rpn_only, full" in told and "Traceback" not in told
