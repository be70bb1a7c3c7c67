"""``lab.py thresholds``: the table is what the network says with those settings; films that are none are one line."""

from __future__ import annotations

import numpy as np
import pytest
from film_folders import make_folder
from networks import random_weights, small_config

from mini_rcnn import thresholds
from mini_rcnn.data.cache import open_prepared
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.prepare import prepare_folder
from mini_rcnn.data.rsna import load_records
from mini_rcnn.data.split_files import main as split
from mini_rcnn.metrics.rsna import rsna_score
from mini_rcnn.weights import save_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("films") / "noise", 20)
    prepare_folder(folder, size=64, workers=1)
    assert split([str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    config = small_config(image__size=64, detections__min_confidence=0.5)
    path = tmp_path_factory.mktemp("weights") / "small.npz"
    save_weights(path, random_weights(config, np.random.default_rng(3)), config)
    return path


def rows_of(told):
    """Return the table's rows of thresholds, and each one's last number."""
    lines = [line.split() for line in told.splitlines()]
    start = next(number for number, line in enumerate(lines) if line[:2] == ["min", "conf"]) + 1
    rows = [line for line in lines[start : start + 5] if line and line[0].replace(".", "").isdigit()]
    return [(tuple(map(float, row[:3])), float(row[-1])) for row in rows]


def test_the_first_row_is_what_the_detector_finds(folder, weights, tmp_path, capsys):
    from mini_rcnn.stages_tf.model import Detector
    from mini_rcnn.weights import load_weights

    assert thresholds.main([str(weights), "--data", str(folder), "--out", str(tmp_path), "--quiet"]) == 0
    told = capsys.readouterr().out
    rows = rows_of(told)
    assert [row[0][:2] for row in rows] == [(0.5, 0.3), (0.7, 0.1), (0.9, 0.7), (0.92, 0.1)]
    assert rows[3][0][2] == 0.3 and "20 films" in told and "--search-on" in told
    arrays, config, _ = load_weights(weights)
    detector, prepared, images = Detector(config, arrays), open_prepared(folder, size=64), []
    for record in load_records(folder):
        found = detector.find(prepared.image(record.id))  # 64 x 64 films: nothing is resized
        images.append((record.boxes, found.boxes, found.scores))
    assert sum(len(boxes) for _, boxes, _ in images) > 10
    assert rows[0][1] == pytest.approx(rsna_score(images), abs=6e-4)


def test_a_search_is_confirmed_on_other_films_and_looks_once(folder, weights, tmp_path, capsys, monkeypatch):
    command = [str(weights), "--data", f"{folder}:train", "--search-on", f"{folder}:validation", "--out", str(tmp_path)]
    assert thresholds.main([*command, "--most-marked", "1", "--quiet"]) == 0
    first = capsys.readouterr().out
    assert len(rows_of(first)) == 5 and "was found on" in first and "confirmed here" in first
    from mini_rcnn.exploring import collect

    monkeypatch.setattr(collect, "make_look", None)  # the network is not asked again
    assert thresholds.main([*command, "--most-marked", "1", "--quiet"]) == 0
    assert capsys.readouterr().out == first


def test_sides_are_a_splits(folder):
    everyone = load_records(folder)
    sides = [thresholds.films_of(f"{folder}:{side}") for side in ("train", "validation", "test")]
    assert all(where == folder and len(told) == len(everyone) for where, told, _ in sides)
    assert sorted(one.id for _, _, records in sides for one in records) == sorted(one.id for one in everyone)
    with pytest.raises(DataError, match="no such folder.*train, validation, test"):
        thresholds.films_of(f"{folder}:tset")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--data", "no/such"], "there is no such folder"),
        (["--data", "{folder}", "--search-on", "{folder}"], "must be other films"),
    ],
)
def test_mistakes_are_one_line(folder, weights, tmp_path, capsys, arguments, words):
    arguments = [each.format(folder=folder) for each in arguments]
    assert thresholds.main([str(weights), *arguments, "--out", str(tmp_path), "--quiet"]) == 1
    told = capsys.readouterr().err
    assert words in told and "Traceback" not in told


def test_weights_that_are_none(tmp_path, folder, capsys):
    (tmp_path / "x.npz").write_bytes(b"no weights")
    assert thresholds.main([str(tmp_path / "x.npz"), "--data", str(folder)]) == 1
    assert "x.npz" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(folder, weights, tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    assert thresholds.main([str(weights), "--data", str(folder), "--out", str(tmp_path / "file"), "--quiet"]) == 1
    told = capsys.readouterr().err
    assert "file" in told and "Traceback" not in told
