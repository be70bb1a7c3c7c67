"""The contest: differences by hand, the order of the leaderboard, and entries that come back as they went out."""

import csv
import json

import numpy as np
import pytest

from mini_rcnn import leaderboard
from mini_rcnn.classroom.lab import DEMO_WEIGHTS
from mini_rcnn.contest.entries import EntryError, find_entries, read_entry, write_entry
from mini_rcnn.contest.ranking import rank_entries
from mini_rcnn.contest.scoring import Scored, raw_of, score_entry
from mini_rcnn.data.phantom_files import write_phantoms
from mini_rcnn.data.rsna import load_records
from mini_rcnn.metrics.paired import draw_by_patient, paired_differences
from mini_rcnn.metrics.rsna import image_score
from mini_rcnn.weights import load_weights


def test_differences_by_hand():
    got = paired_differences(
        np.array([1.0, 0.5, np.nan]), np.array([0.0, np.nan, 0.5]), np.array([[0, 1, 2], [2, 2, 2]])
    )
    np.testing.assert_allclose(got, [0.75 - 0.25, np.nan])


def test_a_detector_does_not_differ_from_itself(rng):
    scores = np.where(rng.random(50) < 0.3, np.nan, rng.random(50))
    draws = draw_by_patient(range(50), n=20, seed=3)
    np.testing.assert_array_equal(paired_differences(scores, scores, draws), np.zeros(20))


def test_bad_draws_are_named():
    with pytest.raises(ValueError, match="draws must"):
        paired_differences(np.zeros(3), np.zeros(3), np.zeros((2, 4), int))
    with pytest.raises(ValueError, match="scores_b must"):
        paired_differences(np.zeros(3), np.zeros(2), np.zeros((2, 3), int))


def test_a_drawn_patient_brings_all_films(rng):
    patients = np.array(["a", "b", "b", "b", "c", "c"])
    for row in draw_by_patient(patients, n=50, seed=1):
        assert len(row) == 6
        assert row[0] in (0, 1, 4)  # the first patient's first film
        for place, film in enumerate(row[:-1]):
            if film in (1, 2, 4):  # a patient's film with one behind it
                assert row[place + 1] == film + 1
    assert draw_by_patient([], n=2, seed=1).shape == (2, 0)


def test_order_by_hand():
    order = rank_entries([0.5, 0.9, 0.5, 0.7], [0.05, 0.5, 0.04, 0.06], most_marked=0.05)
    assert order.tolist() == [2, 0, 3, 1]
    assert rank_entries([], [], most_marked=0.05).tolist() == []
    with pytest.raises(ValueError, match="scores"):
        rank_entries([np.nan], [0.1], most_marked=0.05)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Return a few phantoms, their records and the demo network."""
    folder = tmp_path_factory.mktemp("films")
    write_phantoms(folder, 9, seed=7, quiet=True, workers=1)
    weights, config, _ = load_weights(DEMO_WEIGHTS)
    return folder, load_records(folder), weights, config


@pytest.fixture(scope="module")
def raw(films, tmp_path_factory):
    """Return what the demo network says of them."""
    _, records, weights, config = films
    return raw_of(records, weights, config, tmp_path_factory.mktemp("raw") / "films")


def test_a_score_is_the_mean_of_its_films(films, raw):
    records = films[1]
    scored = score_entry(raw, records, {"min_confidence": 0.5})
    assert len(scored.film_scores) == len(records)
    np.testing.assert_allclose(scored.score, np.nanmean(scored.film_scores))
    healthy = np.array([len(record.boxes) == 0 for record in records])
    assert scored.marked == np.mean(~np.isnan(scored.film_scores[healthy]))
    nothing = score_entry(raw, records, {"min_confidence": 1.0})
    truths = [record.boxes for record in records if len(record.boxes)]
    assert nothing.score == np.mean([image_score(truth, np.zeros((0, 4)), []) for truth in truths])


def test_an_unknown_setting_is_named(films, raw):
    with pytest.raises(ValueError, match="min_confidense"):
        score_entry(raw, films[1], {"min_confidense": 0.5})


def entry_of(films, folder, name="mine", **changes):
    """Write an entry and return its folder."""
    scored = Scored(0.4, 0.03, np.zeros(0), None)
    facts = {"settings": {"min_confidence": 0.8}, "minutes": 3, "scored": scored, **changes}
    return write_entry(folder, name, weights=films[2], config=films[3], **facts)


def test_an_entry_comes_back(films, tmp_path):
    entry = read_entry(entry_of(films, tmp_path))
    assert (entry.name, entry.settings, entry.minutes) == ("mine", {"min_confidence": 0.8}, 3.0)
    assert entry.claimed == {"score": 0.4, "marked": 0.03} and entry.config == films[3]
    for name, array in films[2].items():
        np.testing.assert_array_equal(entry.weights[name], array)
    assert find_entries(tmp_path) == [tmp_path / "mine"]


@pytest.mark.parametrize("name", ["", "../out", "a/b", "x" * 65, ".hidden", "dot.", "\n"])
def test_a_name_that_is_no_folders(films, tmp_path, name):
    with pytest.raises(EntryError, match="name"):
        entry_of(films, tmp_path / "in", name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda folder: (folder / "entry.json").write_text("{"), "no entry"),
        (lambda folder: (folder / "entry.json").write_text("[]"), "no entry"),
        (lambda folder: (folder / "entry.json").write_text("[" * 100000), "no entry"),
        (lambda folder: (folder / "weights.npz").unlink(), "weights.npz"),
        (lambda folder: (folder / "weights.npz").write_bytes(b"no weights"), "weights.npz"),
        (lambda folder: change(folder, minutes=-1), "minutes"),
        (lambda folder: change(folder, weights="0" * 64), "not the weights"),
        (lambda folder: change(folder, settings=3), "settings"),
    ],
)
def test_a_broken_entry_is_named(films, tmp_path, spoil, words):
    folder = entry_of(films, tmp_path)
    spoil(folder)
    with pytest.raises(EntryError, match=words):
        read_entry(folder)


def change(folder, **facts):
    """Change what an entry says of itself."""
    path = folder / "entry.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def test_the_leaderboard(films, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    entries = tmp_path / "entries"
    entry_of(films, entries, "strict", settings={"min_confidence": 0.97})
    entry_of(films, entries, "loose", settings={"min_confidence": 0.05})
    entry_of(films, entries, "none", settings={"min_confidence": 1.0})
    entry_of(films, entries, "wrong", settings={"colour": 1})
    assert leaderboard.main(["entries", "--data", str(films[0]), "--csv", "out.csv", "--quiet"]) == 1
    with open(str(tmp_path / "out.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows][2:] == ["loose", "wrong"]  # over the cap, then what cannot be scored
    assert [row["place"] for row in rows] == ["1", "2", "3", ""]
    assert [row["allowed"] for row in rows] == ["yes", "yes", "no", ""]
    assert float(rows[0]["score"]) >= float(rows[1]["score"]) and rows[0]["claimed_score"] == "0.4000"
    assert "colour" in rows[3]["why_not"]
    said = capsys.readouterr()
    assert "over the cap of 5%" in said.out and "wrong" in said.err


def test_a_folder_without_entries_is_named(tmp_path, capsys):
    assert leaderboard.main([str(tmp_path)]) == 1
    assert "no entry.json" in capsys.readouterr().err
