"""What an evaluation says: by hand on three images, groups as subsets, against metrics that are tested elsewhere."""

from __future__ import annotations

import csv
import io
import json
import time

import numpy as np
import pytest
from evaluating_films import crowd
from rsna_folders import FULL_TABLES, NORMAL, OPACITY, OTHER, needs_full_tables

from mini_rcnn.data.rsna import Record, load_records
from mini_rcnn.evaluating.groups import age_group, groups_of
from mini_rcnn.evaluating.images import gallery
from mini_rcnn.evaluating.measure import evaluate, times_of
from mini_rcnn.evaluating.people import NOTHING, Facts
from mini_rcnn.evaluating.results import figures_text, images_text, json_text, submission_text
from mini_rcnn.evaluating.submission import parse
from mini_rcnn.evaluating.words import told
from mini_rcnn.metrics.rsna import rsna_score

BOX, FAR, NONE = np.array([[100.0, 100, 300, 200]]), np.array([[600.0, 600, 700, 700]]), np.zeros((0, 4))
RECORDS = [
    Record("a", None, BOX, OPACITY, "1"),
    Record("b", None, NONE, NORMAL, "1"),
    Record("c", None, NONE, OTHER, "2"),
    Record("d", None, np.concatenate([BOX, FAR]), OPACITY, "3"),
]
FOUND = {
    "a": (np.concatenate([BOX, FAR]), np.array([0.9, 0.6])),
    "b": (NONE, np.zeros(0)),
    "c": (FAR, np.array([0.97])),
    "d": (BOX + 500, np.array([0.4])),
}
FACTS = {
    "a": Facts(None, "PA", "F", 30),
    "b": Facts(None, "AP", "M", 70),
    "c": Facts(None, "AP", "F", None),
    "d": NOTHING,
}


def by_hand(threshold=0.5, **options):
    return evaluate(RECORDS, FOUND, facts=FACTS, threshold=threshold, **options)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


# 1. By hand.


def test_counts_by_hand():
    results = by_hand().results
    counts = results["summary"]["counts"]
    assert [counts["boxes"][name] for name in ("true_positive", "false_positive", "false_negative")] == [1, 2, 2]
    assert (counts["images"]["healthy_marked"], counts["images_sure"]["healthy_marked"]) == (1, 1)
    assert results["summary"]["figures"]["rsna"] == pytest.approx((1 / 2 + 0 + 0) / 3, abs=1e-12)  # b has none
    text = " ".join(told(results))
    for words in (
        "4 images of 3 patients",
        "2 of them show 3 boxes",
        "1 of these boxes were found (33.3 %), 2 were",
        "1 images with a box have no mark",
        "Of 3 marks 2 are false",
        "1 of 2 images without a box",
    ):
        assert words in text  # fmt: skip


def test_image_by_image_by_hand():
    rows = {row["patientId"]: list(row.values())[1:] for row in rows_of(images_text(by_hand().images))}
    assert rows == {
        "a": [OPACITY, "PA", "1", "2", "0.9", "0.5", "1", "1"],
        "b": [NORMAL, "AP", "0", "0", "0.0", "", "0", "0"],
        "c": [OTHER, "AP", "0", "1", "0.97", "0.0", "0", "1"],
        "d": [OPACITY, "unknown", "2", "0", "0.4", "0.0", "0", "0"],
    }


def test_false_marks_by_class_and_view_by_hand():
    rows = {(row["view"], row["class"]): row for row in by_hand().results["false_marks"]}
    assert {key: (row["images"], row["false_marks"], row["marked"]) for key, row in rows.items()} == {
        ("AP", NORMAL): (1, 0, 0), ("AP", OTHER): (1, 1, 1), ("PA", OPACITY): (1, 1, 1),
        ("unknown", OPACITY): (1, 0, 0),
    }  # fmt: skip


def test_scores_by_class_by_hand():
    by_class = by_hand().results["best_score_by_class"]
    assert np.flatnonzero(by_class[OPACITY]).tolist() == [8, 18]  # 0.4 and 0.9 begin a bin
    assert (by_class[NORMAL][0], by_class[OTHER][19], sum(by_class[OTHER])) == (1, 1, 1)


def test_groups_by_hand():
    groups = {(group.kind, group.name): np.flatnonzero(group.members).tolist() for group in groups_of(RECORDS, FACTS)}
    assert groups == {
        ("class", NORMAL): [1], ("class", OTHER): [2], ("class", OPACITY): [0, 3],
        ("class", "Lung Opacity and Normal"): [0, 1, 3], ("class", "Lung Opacity and Not Normal"): [0, 2, 3],
        ("view", "AP"): [1, 2], ("view", "PA"): [0], ("view", "unknown"): [3],
        ("sex", "men"): [1], ("sex", "women"): [0, 2], ("sex", "unknown"): [3],
        ("age", "18 to 39"): [0], ("age", "60 to 79"): [1], ("age", "unknown"): [2, 3],
    }  # fmt: skip
    kinds = {group.kind for group in groups_of(RECORDS, dict.fromkeys(FACTS, NOTHING))}
    assert kinds == {"class"}  # where nothing is known, there are no groups of it


@pytest.mark.parametrize(
    "age, name", [(0, "0 to 17"), (39, "18 to 39"), (40, "40 to 59"), (80, "80 and more"), (121, "unknown")]
)
def test_ages_are_grouped(age, name):
    assert age_group(age) == name


def test_the_gallery_by_hand():
    evaluation = by_hand()
    assert gallery(evaluation.images) == {"best": [0], "worst": [], "missed": [3], "false alarms": [2]}
    assert gallery(by_hand(threshold=0.0).images) == {"best": [0], "worst": [3], "missed": [], "false alarms": [2]}


def test_an_image_that_is_left_out_changes_nothing():
    part = {name: FOUND[name] for name in "ab"}
    results = evaluate(RECORDS, part, facts=FACTS, threshold=0.5).results
    assert results == evaluate(RECORDS[:2], part, facts=FACTS, threshold=0.5).results
    assert results["summary"]["set"]["images"] == 2


# 2. Properties.


def test_a_perfect_submission_scores_one_and_an_empty_one_zero(rng):
    records, _, facts = crowd(rng)
    perfect = {record.id: (record.boxes, np.ones(len(record.boxes))) for record in records}
    figures = evaluate(records, perfect, facts=facts, threshold=0.5).results["summary"]["figures"]
    ones = ("rsna", "voc_ap", "coco_ap", "froc", "auc", "precision", "recall", "f1", "sensitivity", "specificity")
    assert [figures[name] for name in ones] == pytest.approx([1] * len(ones), abs=1e-12)
    empty = {record.id: (NONE, np.zeros(0)) for record in records}
    results = evaluate(records, empty, facts=facts, threshold=0.5).results
    figures = results["summary"]["figures"]
    assert (figures["rsna"], figures["recall"], figures["specificity"], figures["precision"]) == (0, 0, 1, None)
    assert "Nothing was marked." in told(results)


def test_a_group_has_the_figures_of_its_images_alone(rng):
    records, found, facts = crowd(rng)
    options = {"facts": facts, "threshold": 0.3, "n_bootstrap": 20, "seed": 4}
    evaluation = evaluate(records, found, **options)
    groups = groups_of(records, facts)
    assert len(groups) == len(evaluation.results["groups"]) == 14
    for group, told_of in zip(groups, evaluation.results["groups"]):
        own = [record for record, member in zip(records, group.members) if member]
        alone = evaluate(own, found, **options).results["summary"]
        assert {key: told_of[key] for key in ("set", "figures", "intervals")} == {
            key: alone[key] for key in ("set", "figures", "intervals")
        }
        kept = [(r.boxes, found[r.id][0][found[r.id][1] >= 0.3], found[r.id][1][found[r.id][1] >= 0.3]) for r in own]
        score = rsna_score(kept)
        assert told_of["figures"]["rsna"] == (None if np.isnan(score) else pytest.approx(score, abs=1e-12))


def test_classes_views_and_images_add_up(rng):
    records, found, facts = crowd(rng)
    evaluation = evaluate(records, found, facts=facts, threshold=0.3)
    boxes = evaluation.results["summary"]["counts"]["boxes"]
    images = evaluation.images
    assert images.hits.sum() == boxes["true_positive"] > 0
    assert images.false_marks.sum() == boxes["false_positive"] > 0
    assert sum(row["false_marks"] for row in evaluation.results["false_marks"]) == boxes["false_positive"]
    scores = evaluation.results["best_score_by_class"]
    assert sum(sum(scores[name]) for name in (NORMAL, OTHER, OPACITY)) == len(records)
    assert np.nanmean(images.rsna) == pytest.approx(evaluation.results["summary"]["figures"]["rsna"], abs=1e-12)


def test_the_gallery_shows_nothing_twice(rng):
    records, found, facts = crowd(rng)
    images = evaluate(records, found, facts=facts, threshold=0.3).images
    rows = gallery(images, limit=4)
    shown = [row for kind in rows.values() for row in kind]
    assert len(shown) == len(set(shown)) and all(0 < len(kind) <= 4 for kind in rows.values())
    assert min(images.rsna[rows["best"]]) >= max(images.rsna[rows["worst"]])
    alarms = images.best_score[rows["false alarms"]]
    assert (np.diff(alarms) <= 0).all() and (images.truths[rows["false alarms"]] == 0).all()


# 3. Files.


def test_files_say_what_the_results_say(rng):
    records, found, facts = crowd(rng)
    evaluation = evaluate(
        records, found, facts=facts, threshold=0.3, n_bootstrap=10, seconds=dict.fromkeys(found, 0.01)
    )
    results = evaluation.results
    assert json.loads(json_text(results)) == results and "NaN" not in json_text(results)
    rows = rows_of(figures_text(results))
    assert len(rows) == 15 * (1 + len(results["groups"]))
    first = rows[0]
    assert (first["kind"], first["group"], first["figure"]) == ("all", "all", "rsna")
    assert float(first["value"]) == results["summary"]["figures"]["rsna"]
    assert float(first["low"]) == results["summary"]["intervals"]["rsna"]["low"] <= float(first["high"])
    again, faults = parse(submission_text(evaluation.detections).encode(), dict.fromkeys(found))
    assert faults == [] and list(again) == list(found)
    for name, (_, boxes, scores) in again.items():
        np.testing.assert_allclose(boxes, found[name][0], atol=0.02)
        np.testing.assert_allclose(scores, found[name][1], atol=1e-6)


def test_without_images_there_is_nothing_to_divide():
    results = evaluate([], {}, facts={}, threshold=0.5).results
    assert results["groups"] == [] and results["summary"]["figures"]["rsna"] is None
    assert told(results)[-1] == "The challenge's score has nothing to be counted on."


def test_times_by_hand():
    times = times_of([0.01] * 99 + [1.0])
    assert (times["images"], times["median"], times["counts"][0], times["counts"][-1]) == (100, 0.01, 99, 1)


@needs_full_tables
def test_the_whole_challenge_takes_seconds(rng):
    records = load_records(FULL_TABLES)
    corners = rng.uniform(0, 700, (len(records), 3, 2))
    boxes, scores = np.concatenate([corners, corners + 200], axis=2), rng.random((len(records), 3))
    found = {record.id: (boxes[row], scores[row]) for row, record in enumerate(records)}
    begun = time.process_time()
    evaluate(records, found, facts=dict.fromkeys(found, NOTHING), threshold=0.5)
    assert time.process_time() - begun < 40
