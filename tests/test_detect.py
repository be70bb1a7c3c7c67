"""The verb `detect`: what it writes is what the network says, bad files are named, and no header gets out."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import Later
from dicom_films import film as dicom_film
from dicom_films import soft_pixels
from networks import random_weights, small_config
from PIL import Image
from test_dicom_faults import CANARY, telling_elements
from test_view_data import png_chunks

from mini_rcnn import model
from mini_rcnn.config import changed, to_dict
from mini_rcnn.data.dicom import read_image
from mini_rcnn.data.files import sha256_of
from mini_rcnn.data.phantom_files import write_phantoms
from mini_rcnn.data.rsna import load_records
from mini_rcnn.detect import STATEMENT, main
from mini_rcnn.detecting import inputs
from mini_rcnn.detecting.results import mask_of_runs, run_lengths
from mini_rcnn.metrics.rsna import rsna_score
from mini_rcnn.weights import load_weights, save_weights, write_matterport

tf_model = Later("mini_rcnn.stages_tf.model")
stages_tf = Later("mini_rcnn.stages_tf")
CONFIG = small_config(classes=("pneumonia", "nodule"))


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.weights.npz"
    save_weights(path, random_weights(CONFIG, np.random.default_rng(5)), CONFIG)
    return path


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return write_phantoms(tmp_path_factory.mktemp("phantoms"), 3, seed=2, workers=1, quiet=True).folder


def run(*arguments):
    """Return (exit code, out, err) of the command; TensorFlow is there before, and its warnings with it."""
    stages_tf.tf  # noqa: B018
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def films_in(folder):
    return sorted(folder.rglob("*.dcm"))


def submission(out):
    with open(str(out / "submission.csv"), newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def detections(out):
    return json.loads((out / "detections.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def done(phantoms, weights_file, tmp_path_factory):
    """Return (exit code, out, err) and the folder of a run over a folder of phantoms."""
    out = tmp_path_factory.mktemp("runs") / "new" / "results"
    return run(phantoms, "--weights", weights_file, "--out", out), out


@pytest.fixture(scope="module")
def said(phantoms, weights_file):
    """Return what the network says of each phantom: {id: (film, Found)}."""
    weights, config, _ = load_weights(weights_file)
    detector = tf_model.Detector(config, weights)
    films = {path.stem: read_image(path).image for path in films_in(phantoms)}
    return {name: (film, detector.detect(film)[0]) for name, film in films.items()}


# 1. What is written is what was found.


def test_the_submission_is_kaggles(done, said):
    rows = submission(done[1])
    assert rows[0] == ["patientId", "PredictionString"] and [row[0] for row in rows[1:]] == sorted(said)
    assert sum(len(found.scores) for _, found in said.values()) > 3
    for name, text in rows[1:]:
        boxes, scores = said[name][1].boxes, said[name][1].scores
        numbers = np.array(text.split(" ") if text else [], dtype=float).reshape(-1, 5)
        np.testing.assert_allclose(numbers[:, 0], scores, atol=1e-6)
        np.testing.assert_allclose(numbers[:, 1:3], boxes[:, 1::-1], atol=0.01)
        np.testing.assert_allclose(numbers[:, 3:], (boxes[:, 2:] - boxes[:, :2])[:, ::-1], atol=0.02)


def test_json_holds_boxes_classes_and_masks(done, said, phantoms):
    told = detections(done[1])
    assert [film["id"] for film in told["films"]] == sorted(said) and told["not_read"] == []
    for film in told["films"]:
        pixels, found = said[film["id"]]
        assert (film["height"], film["width"]) == pixels.shape
        assert film["path"] == str(phantoms / "stage_2_train_images" / f"{film['id']}.dcm")
        np.testing.assert_allclose([each["box"] for each in film["found"]], found.boxes, atol=0.006)
        assert [each["class"] for each in film["found"]] == [CONFIG.classes[i - 1] for i in found.class_ids]
        masks = found.masks(pixels.shape)
        for each, mask in zip(film["found"], masks):
            np.testing.assert_array_equal(mask_of_runs(each["mask"]), mask)
            y1, x1, y2, x2 = each["box"]
            assert (each["x"], each["y"]) == (x1, y1) and each["width"] == pytest.approx(x2 - x1, abs=0.011)
    assert any(each["class"] == "nodule" for film in told["films"] for each in film["found"])


def test_facts_say_what_it_depends_on(done, weights_file):
    facts = detections(done[1])["facts"]
    assert facts["weights"] == {"file": "small.weights.npz", "sha256": sha256_of(weights_file)}
    assert facts["thresholds"] == {"min_confidence": 0.3, "iou_threshold": 0.3, "mask_threshold": 0.5}
    assert set(facts["versions"]) == {"mini_rcnn", "python", "numpy", "tensorflow"} and facts["statement"] == STATEMENT


def test_a_picture_of_each_film(done, said):
    pictures = sorted((done[1] / "pictures").iterdir())
    assert [path.stem for path in pictures] == sorted(said)
    for path, film in zip(pictures, detections(done[1])["films"]):
        assert film["picture"] == f"pictures/{path.name}"
        assert set(png_chunks(path.read_bytes())) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
        with Image.open(str(path)) as picture:
            assert picture.size == (1024, 1024 + 96)


def test_the_summary_counts(done, said, phantoms):
    code, text, err = done[0]
    n_found = [len(found.scores) for _, found in said.values()]
    lines = {line[:14].strip(): line[15:] for line in text.splitlines()[:-1]}
    assert (code, err) == (0, "") and text.splitlines()[-1] == STATEMENT
    assert (lines["films"], lines["with findings"]) == ("3", str(sum(n > 0 for n in n_found)))
    assert lines["boxes"] == str(sum(n_found)) and lines["results"].startswith(str(done[1]))
    truth = {record.id: record.boxes for record in load_records(phantoms)}
    score = rsna_score((truth[name], found.boxes, found.scores) for name, (_, found) in said.items())
    assert lines["RSNA score"] == f"{score:.4f}, on 3 whose truth is known"


def test_twice_the_same_bytes_with_numpy_the_same_boxes(done, phantoms, weights_file, tmp_path):
    assert run(phantoms, "--weights", weights_file, "--out", tmp_path / "again")[0] == 0
    for path in done[1].rglob("*.*"):
        assert (tmp_path / "again" / path.relative_to(done[1])).read_bytes() == path.read_bytes()
    one = films_in(phantoms)[0]
    code, _, _ = run(one, "--weights", weights_file, "--out", tmp_path / "numpy", "--numpy", "--no-pictures")
    assert code == 0 and sorted(path.name for path in (tmp_path / "numpy").iterdir()) == [
        "detections.json",
        "submission.csv",
    ]
    mine, theirs = detections(tmp_path / "numpy"), detections(done[1])
    assert "tensorflow" not in mine["facts"]["versions"]
    pairs = list(zip(mine["films"][0]["found"], theirs["films"][0]["found"]))
    assert len(mine["films"][0]["found"]) == len(theirs["films"][0]["found"]) > 0
    for a, b in pairs:
        np.testing.assert_allclose(a["box"], b["box"], atol=0.1)
        assert a["score"] == pytest.approx(b["score"], abs=1e-4) and a["class"] == b["class"]


def test_thresholds_act(done, phantoms, weights_file, tmp_path):
    scores = [each["score"] for film in detections(done[1])["films"] for each in film["found"]]
    middle = float(np.median(scores))
    arguments = ("--weights", weights_file, "--out", tmp_path, "--no-pictures", "--min-confidence", middle)
    assert run(phantoms, *arguments, "--iou-threshold", 0.0)[0] == 0
    told = detections(tmp_path)
    left = [each["score"] for film in told["films"] for each in film["found"]]
    assert 0 < len(left) < len(scores) and min(left) >= middle - 1e-6
    assert told["facts"]["thresholds"]["iou_threshold"] == 0


def test_nothing_found_is_a_line_without_boxes(phantoms, weights_file, tmp_path):
    one = films_in(phantoms)[0]
    code, text, _ = run(one, "--weights", weights_file, "--out", tmp_path, "--min-confidence", 1)
    assert code == 0 and "with findings  0" in text and "RSNA" not in text
    assert (tmp_path / "submission.csv").read_bytes() == f"patientId,PredictionString\n{one.stem},\n".encode()
    assert detections(tmp_path)["films"][0]["found"] == []
    assert (tmp_path / "pictures" / f"{one.stem}.png").is_file()


@pytest.mark.parametrize(
    "rows, counts",
    [
        (["000", "000"], [6]),
        (["111", "111"], [0, 6]),
        (["010", "010"], [2, 2, 2]),
        (["100", "001"], [0, 1, 4, 1]),
        (["001", "000"], [4, 1, 1]),
        ([""], [0]),
    ],
)
def test_run_lengths_by_hand(rows, counts):
    mask = np.array([[cell == "1" for cell in row] for row in rows], dtype=bool).reshape(len(rows), -1)
    assert run_lengths(mask) == {"size": list(mask.shape), "counts": counts}
    np.testing.assert_array_equal(mask_of_runs(run_lengths(mask)), mask)


# 2. Paths and files that are not as they should be.


def test_a_bad_film_among_good_ones(phantoms, weights_file, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(str(phantoms / "stage_2_train_images"), str(mixed / "below"))
    broken = films_in(mixed)[1]
    broken.write_bytes(broken.read_bytes()[:700])
    (mixed / "notes.txt").write_text("no film")
    code, text, err = run(mixed, tmp_path / "nowhere.dcm", "--weights", weights_file, "--out", tmp_path / "out")
    assert code == 1 and "films          2, and 2 that could not be read" in text
    lines = err.splitlines()
    assert len(lines) == 2 and str(broken) in lines[0] and "fetch it again" in lines[0]
    assert "nowhere.dcm: " in lines[1] and "check the name" in lines[1]
    assert len(submission(tmp_path / "out")) == 3 and len(list((tmp_path / "out" / "pictures").iterdir())) == 2
    assert [line.split(": ", 1)[1] for line in lines] == detections(tmp_path / "out")["not_read"]


def test_nothing_that_can_be_read_writes_nothing(weights_file, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "page.dcm").write_text("<html>")
    out = tmp_path / "out"
    code, text, err = run(tmp_path / "empty", "--weights", weights_file, "--out", out)
    assert (code, text) == (2, "") and "empty: holds no film" in err
    code, text, err = run(tmp_path / "page.dcm", "--weights", weights_file, "--out", out)
    assert (code, text) == (2, "") and "page.dcm" in err and "nothing was written" in err
    assert not out.exists()


def test_an_empty_folder_beside_a_film_is_named(phantoms, weights_file, tmp_path):
    one = films_in(phantoms)[0]
    (tmp_path / "empty").mkdir()
    arguments = ("--weights", weights_file, "--out", tmp_path / "out", "--no-pictures")
    code, _, err = run(tmp_path / "empty", one, *arguments)
    assert code == 1 and "empty: holds no film" in err and len(submission(tmp_path / "out")) == 2


def test_two_films_of_one_name_are_refused_and_one_named_twice_is_one(phantoms, weights_file, tmp_path):
    one = films_in(phantoms)[0]
    arguments = ("--weights", weights_file, "--out", tmp_path / "out", "--no-pictures")
    code, _, _ = run(one, one.parent / ".." / one.parent.name / one.name, *arguments)
    assert code == 0 and len(submission(tmp_path / "out")) == 2
    shutil.copy(str(films_in(phantoms)[1]), str(tmp_path / one.name.upper()))
    code, _, err = run(one, tmp_path / one.name.upper(), *arguments)
    assert code == 2 and "two films of one name" in err and str(one) in err


def test_truth_from_another_folder(phantoms, weights_file, tmp_path):
    arguments = ("--weights", weights_file, "--out", tmp_path / "out", "--no-pictures", "--min-confidence", 0.0)
    code, text, _ = run(films_in(phantoms)[0], *arguments, "--truth", phantoms)
    assert code == 0 and "on 1 whose truth is known" in text
    code, _, err = run(films_in(phantoms)[0], *arguments, "--truth", tmp_path)
    assert code == 2 and "stage_2_train_labels.csv" in err


def test_tables_that_contradict_themselves_cost_those_images_their_truth(phantoms, weights_file, tmp_path):
    shutil.copytree(str(phantoms), str(tmp_path / "films"))
    table = tmp_path / "films" / "stage_2_detailed_class_info.csv"
    first, second, *others = table.read_text().splitlines(True)
    table.write_text("".join([first, *others]))
    code, text, err = run(tmp_path / "films", "--weights", weights_file, "--out", tmp_path / "out", "--no-pictures")
    assert code == 1 and "on 2 whose truth is known" in text and second.split(",")[0] in err and "left out" in err
    assert len(submission(tmp_path / "out")) == 4


def test_films_of_any_shape(weights_file, tmp_path, rng):
    for name, shape in (("wide", (64, 200)), ("tall", (150, 90))):
        (tmp_path / f"{name}.dcm").write_bytes(dicom_film(soft_pixels(rng, shape)))
    code, _, err = run(tmp_path, "--weights", weights_file, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    for film in detections(tmp_path / "out")["films"]:
        height, width = film["height"], film["width"]
        assert (height, width) == {"wide": (64, 200), "tall": (150, 90)}[film["id"]]
        for each in film["found"]:
            assert (np.array(each["box"]) >= 0).all() and (np.array(each["box"]) <= [height, width] * 2).all()


# 3. Weights.


def test_weights_that_cannot_be_used(phantoms, weights_file, tmp_path, monkeypatch):
    one = films_in(phantoms)[0]
    content = weights_file.read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    (tmp_path / "some.h5").write_bytes(content)
    (tmp_path / "wrong.json").write_text('{"image": {"sise": 128}}')
    weights, config, _ = load_weights(weights_file)
    for name, value in (("nan", np.nan), ("huge", 3e38)):  # the second is finite, what it makes of a film is not
        changed_array = {"mrcnn_bbox_fc/bias": np.full_like(weights["mrcnn_bbox_fc/bias"], value)}
        save_weights(tmp_path / f"{name}.npz", {**weights, **changed_array}, config)
    write_matterport(tmp_path / "nan.h5", {**weights, "conv1/kernel": weights["conv1/kernel"] * np.nan})
    (tmp_path / "right.json").write_text(json.dumps(to_dict(config)))
    for name, words in (
        ("missing.npz", "there is no such file"),
        ("cut.npz", "cut off or damaged"),
        ("some.h5", "no HDF5"),
        ("nan.npz", "mrcnn_bbox_fc/bias, the first of 1, holds NaN"),
        ("nan.h5", "conv1/kernel, the first of 1, holds NaN"),
        ("huge.npz", "the network's boxes are NaN or infinite"),
    ):
        more = ("--config", tmp_path / "right.json") if name == "nan.h5" else ()
        code, text, err = run(one, "--weights", tmp_path / name, "--out", tmp_path / "out", *more)
        assert (code, text) == (2, "") and name in err and words in err and len(err.splitlines()) <= 2
    for arguments, words in (
        (("--weights", weights_file, "--config", tmp_path / "wrong.json"), "carries its own configuration"),
        (("--weights", tmp_path / "some.h5", "--config", tmp_path / "wrong.json"), "did you mean size"),
        (("--weights", tmp_path / "some.h5", "--config", tmp_path / "none.json"), "none.json: cannot be read"),
    ):
        code, _, err = run(one, *arguments, "--out", tmp_path / "out")
        assert code == 2 and words in err
    monkeypatch.setattr(inputs, "DEMO_WEIGHTS", tmp_path / "none.npz")
    code, _, err = run(one, "--out", tmp_path / "out")
    assert code == 2 and "no demo weights" in err and not (tmp_path / "out").exists()


def test_the_demos_weights_are_the_default(phantoms, weights_file, tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "DEMO_WEIGHTS", weights_file)
    code, _, _ = run(films_in(phantoms)[0], "--out", tmp_path, "--no-pictures")
    assert code == 0 and detections(tmp_path)["facts"]["weights"]["file"] == weights_file.name


def test_matterports_weights_with_their_configuration(phantoms, said, weights_file, tmp_path):
    weights, config, _ = load_weights(weights_file)
    write_matterport(tmp_path / "theirs.h5", weights)
    (tmp_path / "network.json").write_text(json.dumps(to_dict(config)))
    one = films_in(phantoms)[0]
    arguments = ("--weights", tmp_path / "theirs.h5", "--out", tmp_path / "out", "--no-pictures")
    code, _, err = run(one, *arguments, "--config", tmp_path / "network.json")
    assert (code, err) == (0, "")
    found = detections(tmp_path / "out")["films"][0]["found"]
    np.testing.assert_allclose([each["box"] for each in found], said[one.stem][1].boxes, atol=0.006)
    code, _, err = run(one, *arguments)  # taken for the slides' network, which it does not fit
    assert code == 2 and "does not fit the network" in err


def test_an_h5_without_configuration_is_the_slides_network(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(inputs, "read_matterport", lambda path, config: asked.append(config) or {})
    (tmp_path / "some.h5").write_bytes(b"")
    network = inputs.read_network(tmp_path / "some.h5", min_confidence=0.9)
    assert asked[0].backbone.blocks == (3, 4, 23, 3) and asked[0].convention == "matterport"
    assert "ResNet-101" in network.note
    assert network.config == changed(asked[0], detections__min_confidence=0.9)


# 4. The command.


@pytest.mark.parametrize(
    "arguments", [[], ["film.dcm", "--min-confidence", "1.5"], ["film.dcm", "--iou-threshold", "x"], ["f", "--wrong"]]
)
def test_wrong_usage_ends_with_2(arguments, capfd):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and "usage" in capfd.readouterr().err


def test_help_has_an_example(capfd):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0 and "python3 lab.py detect film.dcm" in capfd.readouterr().out


def test_a_disk_that_takes_nothing(phantoms, weights_file, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run(films_in(phantoms)[0], "--weights", weights_file, "--out", tmp_path / "file" / "out")
    assert code == 2 and "cannot be written" in err and len(err.splitlines()) == 1


def test_ctrl_c_leaves_nothing_half_written(phantoms, weights_file, tmp_path, monkeypatch):
    calls = []

    def detect(film, weights, config):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(film, weights, config)

    real = model.detect
    monkeypatch.setattr(model, "detect", detect)
    code, text, err = run(phantoms, "--weights", weights_file, "--out", tmp_path, "--numpy")
    assert (code, text) == (130, "") and "stopped" in err
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    assert len(list((tmp_path / "pictures").iterdir())) == 1


def test_help_needs_no_tensorflow_and_numpy_neither(phantoms, weights_file, tmp_path):
    code = (
        "import sys; from mini_rcnn.detect import main\n"
        f"code = main([{str(films_in(phantoms)[0])!r}, '--weights', {str(weights_file)!r}, '--numpy', '--no-pictures', "
        f"'--out', {str(tmp_path)!r}])\n"
        "assert not {'tensorflow', 'matplotlib'} & set(sys.modules); sys.exit(code)"
    )
    assert subprocess.call([sys.executable, "-c", code], cwd=str(inputs.DEMO_WEIGHTS.parent.parent)) == 0


def test_no_text_of_a_header_gets_out(weights_file, tmp_path, rng):
    films = tmp_path / "films"
    films.mkdir()
    pixels = soft_pixels(rng, (128, 128))
    (films / "good.dcm").write_bytes(dicom_film(pixels, extra=telling_elements()))
    (films / "short.dcm").write_bytes(dicom_film(pixels, extra=telling_elements())[:-900])
    (films / "odd.dcm").write_bytes(dicom_film(pixels, extra={0x00280010: ("LO", CANARY)}))
    assert CANARY.encode() in (films / "good.dcm").read_bytes()
    code, text, err = run(films, "--weights", weights_file, "--out", tmp_path / "out", "--min-confidence", 0)
    assert code == 1 and "short.dcm" in err and "odd.dcm" in err
    outputs = [path for path in (tmp_path / "out").rglob("*.*") if path.is_file()]
    assert len(outputs) == 3
    told = [text.encode(), err.encode(), *(path.read_bytes() for path in outputs)]
    assert not [each for each in told if CANARY.lower().encode() in each.lower()]
