"""The verb `evaluate`: what it writes, the page that needs nothing else, and what it refuses."""

from __future__ import annotations

import base64
import csv
import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import Later
from dicom_films import film as dicom_film
from dicom_films import soft_pixels
from evaluating_films import crowd, truth_string, write_submission
from film_folders import film_id, make_folder
from networks import random_weights
from PIL import Image
from rsna_folders import OPACITY, write_folder
from test_dicom_faults import CANARY, telling_elements
from training_runs import tiny_config

from mini_rcnn.data.dicom import read_image
from mini_rcnn.data.rsna import load_records
from mini_rcnn.data.split_files import main as split_main
from mini_rcnn.evaluate import main
from mini_rcnn.evaluating import pictures, report
from mini_rcnn.evaluating.inputs import find_source
from mini_rcnn.evaluating.measure import evaluate
from mini_rcnn.evaluating.people import NOTHING
from mini_rcnn.weights import save_weights

stages_tf, tf_model = Later("mini_rcnn.stages_tf"), Later("mini_rcnn.stages_tf.model")
FILES = ["evaluation.csv", "evaluation.json", "images.csv", "report.html"]
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.data, self.sources, self.alts = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.sources += [attributes[name] for name in ("src", "href", "srcset", "action") if name in attributes]
        assert not any(name.startswith("on") for name in attributes)
        if tag == "img":
            self.alts.append(attributes["alt"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.data.append(data)

    @property
    def text(self):
        return " ".join("".join(self.data).split())


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("films") / "noise", 12)


@pytest.fixture
def submission(films, tmp_path):
    """A submission that finds everything, and a healthy film too many."""
    rows = [(record.id, truth_string(record, 0.8)) for record in load_records(films)]
    assert rows[3] == (film_id(3), "")
    rows[3] = film_id(3), "0.97 5 6 20 30"
    return write_submission(tmp_path / "mine.csv", rows)


@pytest.fixture
def no_figures(monkeypatch):
    """Draw no curves where a test does not look at them."""
    monkeypatch.setattr(report, "figures_of", lambda results: [])


def run(capsys, *arguments):
    """Return (exit code, out, err) of the command."""
    code = main([str(argument) for argument in ("--quiet", "--bootstrap", 0, *arguments)])
    return (code, *capsys.readouterr())


def results_of(out):
    return json.loads((out / "evaluation.json").read_text(encoding="utf-8"))


def page_of(out):
    return Page((out / "report.html").read_text(encoding="utf-8"))


# 1. What is written.


def test_a_submission_is_evaluated(films, submission, tmp_path, capsys):
    out = tmp_path / "out"
    code, text, err = run(capsys, submission, "--data", films, "--out", out, "--bootstrap", 20)
    assert (code, err) == (0, "") and sorted(path.name for path in out.iterdir()) == FILES
    results = results_of(out)
    assert results["summary"]["figures"]["recall"] == 1
    assert results["summary"]["figures"]["rsna"] == pytest.approx(9 / 10, abs=1e-12)  # nine ill ones, a false alarm
    assert results["summary"]["threshold"] == 0 and results["seconds"] is None
    assert [group["name"] for group in results["groups"] if group["kind"] == "view"] == ["PA"]
    with open(str(out / "images.csv"), newline="", encoding="utf-8") as file:
        assert [row["patientId"] for row in csv.DictReader(file)] == [record.id for record in load_records(films)]
    assert "12 of these boxes were found (100.0 %), 0 were missed" in text
    assert "Next: open" in text and "report.html" in text and "no diagnosis" in text


def test_results_lie_beside_what_is_evaluated(films, submission, tmp_path, capsys, no_figures):
    assert run(capsys, submission, "--data", films)[0] == 0
    assert sorted(path.name for path in (tmp_path / "mine-evaluation").iterdir()) == FILES
    (tmp_path / "found").mkdir()
    submission.rename(tmp_path / "found" / "submission.csv")
    assert run(capsys, tmp_path / "found", "--data", films)[0] == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "found" / "evaluation").iterdir()}
    assert sorted(first) == FILES
    assert run(capsys, tmp_path / "found", "--data", films)[0] == 0  # once more: the same bytes
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "found" / "evaluation").iterdir()}


def test_a_threshold_is_a_threshold(films, submission, tmp_path, capsys, no_figures):
    run(capsys, submission, "--data", films, "--out", tmp_path / "out", "--threshold", "0.9")
    figures = results_of(tmp_path / "out")["summary"]["figures"]
    assert figures["recall"] == 0 and figures["voc_ap"] > 0.8  # a curve is over all predictions
    assert "Missed" in page_of(tmp_path / "out").text


def test_a_network_is_run_on_a_side(films, tmp_path, capsys):
    stages_tf.tf  # noqa: B018  its warnings come now
    config = tiny_config(detections__min_confidence=0.5)
    path, out = tmp_path / "best.weights.npz", tmp_path / "evaluation"
    save_weights(path, random_weights(config, np.random.default_rng(5)), config)
    code, text, _ = run(capsys, tmp_path, "--data", films, "--side", "all")
    assert code == 0 and sorted(path.name for path in out.iterdir()) == sorted([*FILES, "submission.csv"])
    results = results_of(out)
    assert results["seconds"]["images"] == 12 and results["seconds"]["median"] > 0
    assert results["summary"]["threshold"] == 0.5 and "Time for an image" in page_of(out).text
    detector = tf_model.Detector(
        tiny_config(detections__min_confidence=0.05), random_weights(config, np.random.default_rng(5))
    )
    n_boxes = 0
    with open(str(out / "submission.csv"), newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            film = read_image(films / "stage_2_train_images" / f"{row['patientId']}.dcm").image
            found = detector.detect(film)[0]
            values = np.array(row["PredictionString"].split(), dtype=float).reshape(-1, 5)
            np.testing.assert_allclose(values[:, 0], found.scores, atol=1e-4)
            np.testing.assert_allclose(values[:, [2, 1]], found.boxes[:, :2], atol=0.1)
            n_boxes += len(values)
    assert n_boxes == results["summary"]["set"]["predictions"] > 12
    again = tmp_path / "again"
    assert run(capsys, out / "submission.csv", "--data", films, "--threshold", 0.5, "--out", again)[0] == 0
    figures = results_of(again)["summary"]["figures"]
    assert figures == pytest.approx(results["summary"]["figures"], abs=0.02, nan_ok=True)


def test_only_the_side_counts(films, submission, tmp_path, capsys, no_figures):
    assert "no side" not in run(capsys, submission, "--data", films, "--side", "test")[2]
    split_main([str(films)])
    capsys.readouterr()
    try:
        code, text, _ = run(capsys, submission, "--data", films, "--side", "train", "--out", tmp_path / "out")
        side = json.loads((films / "splits" / "patient.json").read_text(encoding="utf-8"))["train"]
        assert code == 0 and results_of(tmp_path / "out")["summary"]["set"]["images"] == len(side) < 12
        assert f"{12 - len(side)} lines are of images of other sides" in text
    finally:
        (films / "splits" / "patient.json").unlink()


# 2. The page.


def test_the_page_needs_nothing_else(films, submission, tmp_path, capsys):
    run(capsys, submission, "--data", films, "--out", tmp_path / "out", "--bootstrap", 20)
    raw = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    page = page_of(tmp_path / "out")
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert "http:" not in raw and "https:" not in raw and "url(" not in raw and "@import" not in raw
    assert len(page.sources) > 8 and all(source.startswith("data:image/") for source in page.sources)
    assert len(page.alts) == len(page.sources) and all(len(alt) > 15 for alt in page.alts)
    for source in page.sources:
        picture = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))
        picture.load()
        assert not picture.info.keys() & {"exif", "comment", "Software", "Creation Time"}
    for words in ("Best", "False alarms", "By class", "By view", "By age", "RSNA score", "no diagnosis", "mine.csv"):
        assert words in page.text
    assert len(raw) < 3_000_000


def test_every_text_is_escaped(rng, tmp_path):
    records, found, facts = crowd(rng, 12)
    evil = "<script>alert('x')</script>"
    path = tmp_path / "film.dcm"
    path.write_bytes(dicom_film(soft_pixels(rng, (128, 128))))
    records = [type(record)(evil + record.id, path, record.boxes, record.class_name, evil) for record in records]
    found, facts = ({evil + name: value for name, value in each.items()} for each in (found, facts))
    evaluation = evaluate(records, found, facts=facts, threshold=0.1, about={evil: evil})
    html = report.report_html(evaluation, title=evil, notes=[evil])
    page = Page(html)
    assert evil not in html and "script" not in page.tags
    assert page.text.count(evil) > 8 and any(evil in alt for alt in page.alts)


def test_tables_alone_give_a_report_without_gallery(tmp_path, capsys):
    folder = write_folder(tmp_path / "tables")
    path = write_submission(tmp_path / "s.csv", [("ill", "0.9 100 200 30 40"), ("healthy", ""), ("other", "")])
    code, text, _ = run(capsys, path, "--data", folder, "--bootstrap", 5)
    page = page_of(tmp_path / "s-evaluation")
    assert code == 0 and "No film is there, so view, sex and age are unknown." in text
    assert "no gallery" in page.text and "By view" not in page.text and "Best score of each image" in page.text


def test_an_empty_submission_has_a_report(tmp_path, capsys):
    folder = write_folder(tmp_path / "tables")
    path = write_submission(tmp_path / "s.csv", [("ill", ""), ("healthy", ""), ("other", "")])
    assert run(capsys, path, "--data", folder)[0] == 0
    assert results_of(tmp_path / "s-evaluation")["summary"]["figures"]["rsna"] == 0
    assert "Nothing was marked." in page_of(tmp_path / "s-evaluation").text


def test_no_text_of_a_header_gets_out(tmp_path, rng, capsys):
    names = ("good", "short", "odd")
    labels = "patientId,x,y,width,height,Target\n" + "".join(f"{name},10,20,60,70,1\n" for name in names)
    classes = "patientId,class\n" + "".join(f"{name},{OPACITY}\n" for name in names)
    folder = write_folder(tmp_path / "films", labels=labels, classes=classes, films=[f"{name}.dcm" for name in names])
    films, pixels = folder / "stage_2_train_images", soft_pixels(rng, (128, 128))
    (films / "good.dcm").write_bytes(dicom_film(pixels, extra=telling_elements()))
    (films / "short.dcm").write_bytes(dicom_film(pixels, extra=telling_elements())[:-900])
    (films / "odd.dcm").write_bytes(dicom_film(pixels, extra={0x00280010: ("LO", CANARY)}))
    assert CANARY.encode() in (films / "good.dcm").read_bytes()
    path = write_submission(tmp_path / "s.csv", [(name, "0.9 10 20 60 70") for name in names])
    code, text, err = run(capsys, path, "--data", folder, "--bootstrap", 2)
    outputs = list((tmp_path / "s-evaluation").iterdir())
    assert code == 0 and len(outputs) == 4 and "odd.dcm" in text and "short.dcm" in text
    told = [text.encode(), err.encode(), *(output.read_bytes() for output in outputs)]
    assert not [each for each in told if CANARY.lower().encode() in each.lower()]
    assert str(tmp_path) not in (tmp_path / "s-evaluation" / "report.html").read_text(encoding="utf-8")


# 3. What goes wrong.


@pytest.mark.parametrize("name", ["figures_of", "gallery_of"])
def test_where_drawing_fails_nothing_is_written(films, submission, tmp_path, capsys, monkeypatch, name):
    def fail(*_, **__):
        raise RuntimeError("no colour left")

    monkeypatch.setattr(report, name, fail)
    with pytest.raises(RuntimeError):
        run(capsys, submission, "--data", films, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mistakes_are_told_and_nothing_is_written(films, submission, tmp_path, capsys):
    lines = submission.read_text(encoding="utf-8").splitlines()
    bad = tmp_path / "bad.csv"
    bad.write_text("\n".join([*lines[:4], "nobody,0.9 1 2 3", *lines[6:]]), encoding="utf-8")
    (tmp_path / "bare").mkdir()
    (tmp_path / "both").mkdir()
    for name in ("submission.csv", "best.weights.npz"):
        (tmp_path / "both" / name).write_bytes(b"")
    (tmp_path / "bare" / "x.npz").write_bytes(b"no weights")
    cases = {
        (bad, "--data", films): (
            "3 faults",
            "line 5: image 'nobody'",
            "line 5: has 4 values",
            "2 of 12 images have no",
        ),
        (tmp_path / "none.csv", "--data", films): ("none.csv: is not there.",),
        (submission, "--data", tmp_path / "none"): ("there is no such folder",),
        (tmp_path / "bare", "--data", films): ("holds neither submission.csv",),
        (tmp_path / "both", "--data", films): ("name the one that is meant",),
        (tmp_path / "bare" / "x.npz", "--data", films): ("--side all", "data split"),
        (tmp_path / "bare" / "x.npz", "--data", films, "--side", "all"): ("x.npz",),
        (submission, "--data", films, "--side", "test"): ("splits", "is not there, so nobody can tell the sides apart"),
    }
    before = sorted(tmp_path.rglob("*"))
    for arguments, words in cases.items():
        code, text, err = run(capsys, *arguments)
        assert (code, text) == (1, "") and err.startswith("python3 lab.py evaluate: ") and "Traceback" not in err
        assert all(word in err for word in words), err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_partial_submission_says_what_it_left_out(films, submission, tmp_path, capsys, no_figures):
    lines = submission.read_text(encoding="utf-8").splitlines()
    submission.write_text("\n".join(lines[:5]) + "\n", encoding="utf-8")
    assert run(capsys, submission, "--data", films)[0] == 1
    code, text, _ = run(capsys, submission, "--data", films, "--partial", "--out", tmp_path / "out")
    assert code == 0 and "8 of 12 images have no line; they are left out." in text
    assert results_of(tmp_path / "out")["summary"]["set"]["images"] == 4
    assert "8 of 12 images have no line" in page_of(tmp_path / "out").text
    submission.write_text(lines[0] + "\n", encoding="utf-8")
    code, _, err = run(capsys, submission, "--data", films, "--partial")
    assert code == 1 and "none of the 12 images is in it" in err


def test_a_film_that_is_gone_leaves_its_place_in_the_gallery_empty(rng):
    records, found, _ = crowd(rng, 12)
    evaluation = evaluate(records, found, facts=dict.fromkeys(found, NOTHING), threshold=0.1)
    assert pictures.gallery_of(evaluation) == ([], ["The films are not there, so the report has no gallery."])


def test_the_demo_does_not_write_into_the_code():
    assert find_source("mini_rcnn/demo.weights.npz").folder.parts[0] == "runs"
