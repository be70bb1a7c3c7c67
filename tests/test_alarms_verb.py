"""``alarms`` from weights and films to tables and sheets: phantoms, films of noise, no truth, no alarms, mistakes."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import imported
from film_folders import make_folder
from networks import random_weights, small_config

from mini_rcnn import find_alarms
from mini_rcnn.alarms import looking
from mini_rcnn.alarms.causes import WORDS
from mini_rcnn.alarms.looking import Seen, look_at
from mini_rcnn.alarms.report import counts_text, explain
from mini_rcnn.config import changed
from mini_rcnn.data.cache import open_prepared, prepare_folder
from mini_rcnn.data.phantom_files import write_phantoms
from mini_rcnn.data.rsna import Record, load_records
from mini_rcnn.model import detect
from mini_rcnn.weights import save_weights

NORMAL, OTHER, OPACITY = "Normal", "No Lung Opacity / Not Normal", "Lung Opacity"
BOX = np.array([[10.0, 10, 60, 60]])
NONE = np.zeros((0, 4))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Return a network that finds something everywhere, and its file."""
    config = small_config(proposals__max_proposals=20, detections__max_detections=5)
    weights = random_weights(config, np.random.default_rng(4))
    path = tmp_path_factory.mktemp("network") / "any.weights.npz"
    save_weights(path, weights, config)
    return SimpleNamespace(config=config, weights=weights, path=str(path))


@pytest.fixture(scope="module", autouse=True)
def one_graph_for_each_network():
    """Build no graph twice: that is what takes the time here."""
    detectors = {}

    def detector_of(config, weights):
        if config not in detectors:
            detectors[config] = imported("mini_rcnn.stages_tf.model").Detector(config, weights)
        return detectors[config]

    imported("mini_rcnn.stages_tf")
    before, looking.make_detector = looking.make_detector, detector_of
    yield
    looking.make_detector = before


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "films"
    write_phantoms(folder, 6, seed=3, workers=1, quiet=True)
    return folder


def run(network, folder, out, *options):
    return find_alarms.main([network.path, "--data", str(folder), "--out", str(out), "--quiet", *options])


def read(out):
    return json.loads((out / "alarms.json").read_text(encoding="utf-8"))


# 1. What is told, by hand.


def records():
    return [
        Record("a", None, BOX, OPACITY, "p1"),
        Record("b", None, BOX + 20, OPACITY, "p2"),
        Record("c", None, NONE, OTHER, "p2"),
        Record("d", None, NONE, NORMAL, "p3"),
    ]


def seen(boxes, scores, features, truth=(), dismissed=()):
    shape = [np.array(each, float).reshape(-1, 2) for each in (features, truth, dismissed)]
    return Seen(np.array(boxes, float).reshape(-1, 4), np.array(scores, float), *shape)


def test_what_is_told_of_four_films():
    looks = [
        seen(BOX, [0.99], [[0, 0]], truth=[[0, 0]]),
        seen([], [], [], truth=[[3, 4]], dismissed=[[30, 40]]),
        seen([BOX[0], BOX[0] + 100], [0.97, 0.5], [[3, 4], [9, 9]]),
        seen(BOX, [0.98], [[0, 10]], dismissed=[[0, 20]]),
    ]
    told = explain(records(), looks, lambda record: None, above=0.95)
    assert [(one["image"], one["score"], one["cause"]) for one in told["alarms"]] == [
        ("d", 0.98, "not known"),
        ("c", 0.97, "not known"),
    ]
    assert told["distances"]["unit"] == 5  # the two opacities, of two patients, lie 5 apart
    d, c = (one["nearest"] for one in told["alarms"])
    assert [near["image"] for near in d] == ["b", "a"]
    np.testing.assert_allclose([near["distance"] for near in d], [np.sqrt(9 + 36) / 5, 2], atol=1e-6)
    assert c == [{"image": "a", "truth": 0, "distance": 1.0}]  # b is the same patient's
    assert told["distances"]["alarms"] == [1.0, pytest.approx(np.sqrt(45) / 5, abs=1e-6)]
    assert told["distances"]["opacities"] == [1.0, 1.0] and told["distances"]["as_near"] == 0.5
    assert told["distances"]["dismissed"] == [pytest.approx(np.hypot(3, 16) / 5, abs=1e-6), 10.0]
    assert told["counts"] == {"not known": {OTHER: 1, NORMAL: 1}} and told["chance"] is None
    assert told["films"] == {NORMAL: 1, OTHER: 1, OPACITY: 2} and told["marks"] == 3
    assert told["films_with_alarms"] == {NORMAL: 1, OTHER: 1, OPACITY: 0}
    lines = [line.split() for line in counts_text(told).splitlines()]
    assert lines[1][-4:] == ["1", "1", "0", "2"] and lines[-1][-4:] == ["1", "1", "0", "2"]


def test_films_without_truth_and_no_films_at_all():
    looks = [seen(BOX, [0.99], [[1, 2]]), seen([], [], [])]
    told = explain(records()[2:], looks, lambda record: None, above=0.95)
    assert told["alarms"][0]["nearest"] == [] and told["distances"]["unit"] is None
    nothing = explain([], [], lambda record: None, above=0.95)
    assert (
        nothing["alarms"] == [] and nothing["counts"] == {} and counts_text(nothing).splitlines()[1].split()[-1] == "0"
    )


# 2. The network.


def test_what_is_seen_is_what_the_detector_finds(network, phantoms):
    """Boxes and scores are NumPy's detector's; the features give the scores that they are said to give."""
    prepare_folder(phantoms, size=128, workers=1, progress=False)
    films, some = open_prepared(phantoms, size=128), load_records(phantoms)[:2]
    looks = look_at(films, some, network.weights, network.config, above=0.4)
    n_found = 0
    for record, look in zip(some, looks):
        config = changed(network.config, detections__min_confidence=0.4)
        found, trace = detect(films.image(record.id), network.weights, config)  # pixels of the input, here
        assert len(found.scores) == len(look.scores)
        np.testing.assert_allclose(look.boxes / 8, found.boxes, atol=0.05)  # films of 1,024 pixels
        np.testing.assert_allclose(look.scores, found.scores, atol=1e-4)
        logits = look.features @ network.weights["mrcnn_class_logits/kernel"]
        logits = logits + network.weights["mrcnn_class_logits/bias"]
        np.testing.assert_allclose(1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), look.scores, rtol=1e-3)
        assert look.truth_features.shape == (len(record.boxes), 32) and len(look.dismissed) <= 1
        n_found += len(look.scores)
    assert n_found > 3


# 3. The command.


def test_phantoms_from_weights_to_sheets(network, phantoms, tmp_path, capsys):
    assert run(network, phantoms, tmp_path / "out", "--above", "0.4", "--limit", "13") == 0
    told, text = read(tmp_path / "out"), capsys.readouterr().out
    assert "it has no split" in text and told["side"] == "all" and len(told["alarms"]) > 13
    assert sum(sum(row.values()) for row in told["counts"].values()) == len(told["alarms"])
    assert set(told["counts"]) <= set(WORDS) - {"not known"} and told["chance"]["of"] > 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["alarms-01.png", "alarms-02.png", "alarms.csv", "alarms.json"]
    with open(str(tmp_path / "out" / "alarms.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["cause"]) for row in rows] == [(one["image"], one["cause"]) for one in told["alarms"]]
    first = (tmp_path / "out" / "alarms.json").read_bytes()
    assert run(network, phantoms, tmp_path / "out", "--above", "0.4", "--limit", "2") == 0
    assert (tmp_path / "out" / "alarms.json").read_bytes() == first
    assert not (tmp_path / "out" / "alarms-02.png").exists()  # the earlier run's


def test_nothing_above_the_limit_is_a_sheet_that_says_so(network, phantoms, tmp_path, capsys):
    assert run(network, phantoms, tmp_path, "--above", "1") == 0
    told = read(tmp_path)
    assert told["alarms"] == [] and told["counts"] == {} and told["marks"] == 0
    assert (tmp_path / "alarms-01.png").exists()
    assert (tmp_path / "alarms.csv").read_text(encoding="utf-8").count("\n") == 1


def test_films_that_are_no_phantoms(network, tmp_path, capsys):
    """What lies there is not known; near misses and second marks still are."""
    folder = make_folder(tmp_path / "films", 12)
    assert run(network, folder, tmp_path / "out", "--above", "0.4", "--limit", "3") == 0
    told, text = read(tmp_path / "out"), capsys.readouterr().out
    assert "has no phantoms.json" in text and "once" in text
    assert set(told["counts"]) <= {"near miss", "double", "not known"} and told["chance"] is None
    films = {record.id: record for record in load_records(folder)}
    for one in told["alarms"]:
        assert films[one["image"]].class_name == one["class"] and one["added"] == one["drawn"] == {}
        about = one["iou"] >= 0.1 or one["within"] >= 0.5
        assert (one["cause"] == "not known") == (not about)


def test_films_that_are_gone_are_counted(network, tmp_path, capsys):
    folder = make_folder(tmp_path / "films", 6)
    assert run(network, folder, tmp_path / "out", "--above", "0.4", "--limit", "0") == 0
    sorted((folder / "stage_2_train_images").iterdir())[0].unlink()
    capsys.readouterr()
    assert run(network, folder, tmp_path / "out", "--above", "0.4", "--limit", "0") == 0
    assert "1 of 6 films are left out" in capsys.readouterr().out
    assert sum(read(tmp_path / "out")["films"].values()) == 5


def test_mistakes_are_one_line(network, tmp_path, capsys):
    folder = make_folder(tmp_path / "films", 2)
    assert run(network, tmp_path / "no", tmp_path) == 1
    assert run(network, folder, tmp_path, "--side", "test") == 1  # there is no split
    assert run(SimpleNamespace(path=str(tmp_path / "no.npz")), folder, tmp_path) == 1
    told = capsys.readouterr().err
    assert "there is no such folder" in told and "split" in told and "there is no such file" in told
    assert "Traceback" not in told and len(told.splitlines()) == 3
    for wrong in (["--above", "1.5"], ["--limit", "-1"], ["--side", "left"]):
        with pytest.raises(SystemExit):
            run(network, folder, tmp_path, *wrong)


def test_a_disk_that_refuses_is_one_line(network, tmp_path, capsys):
    folder, out = make_folder(tmp_path / "films", 2), tmp_path / "out"
    out.write_text("a file")
    assert run(network, folder, out, "--above", "0.4", "--limit", "0") == 1
    assert "cannot be written" in capsys.readouterr().err and out.read_text() == "a file"
