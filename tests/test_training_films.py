"""The films of a training: a folder that is there, or phantoms drawn for it, and who of them judges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mini_rcnn.data.errors import DataError
from mini_rcnn.data.rsna import load_records
from mini_rcnn.data.split_files import load_split
from mini_rcnn.data.splits import side_records
from mini_rcnn.training.films import draw_films, folder_of
from mini_rcnn.training.presets import PRESETS

FEW = replace(PRESETS["demo"], phantoms=12, more_ill=0)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder: phantoms are drawn below the current one."""
    monkeypatch.chdir(tmp_path)


def test_phantoms_are_drawn_split_and_taken_again():
    said = []
    folder = folder_of("phantoms", FEW, seed=3, quiet=True, tell=said.append)
    records = load_records(folder)
    split = load_split(folder, records)
    sides = {side: len(side_records(split, side, records)) for side in ("train", "validation", "test")}
    assert len(records) == sum(sides.values()) == 12
    assert sides["test"] == 0 and sides["train"] > sides["validation"] > 0  # what tests is drawn when it is wanted
    films = {path: path.stat().st_mtime_ns for path in folder.rglob("*.dcm")}
    assert folder_of("phantoms", FEW, seed=3, quiet=True, tell=said.append) == folder
    assert films == {path: path.stat().st_mtime_ns for path in folder.rglob("*.dcm")}
    assert str(folder) in said[0]


def test_more_ill_films_are_in_train_and_the_others_are_split_as_without_them():
    sides, records = [], []
    for preset in (FEW, replace(FEW, more_ill=4)):
        folder = folder_of("phantoms", preset, seed=3, quiet=True, tell=lambda text: None)
        records.append({record.id: record for record in load_records(folder)})
        split = load_split(folder, list(records[-1].values()))
        sides.append({side: set(split.sides[side]) for side in ("train", "validation", "test")})
    extra = set(records[1]) - set(records[0])
    assert len(extra) == 4 and all(len(records[1][image_id].boxes) for image_id in extra)
    assert sides[1] == {**sides[0], "train": sides[0]["train"] | extra}
    assert not {records[1][name].patient for name in extra} & {one.patient for one in records[0].values()}


def test_other_numbers_and_seeds_have_folders_of_their_own():
    """Another preset, or the same one in a later version, must not be stopped by phantoms that were drawn before."""
    folders = {draw_films(n_images, seed=seed, quiet=True, tell=lambda text: None) for n_images, seed in
               ((3, 0), (2, 0), (2, 1))}  # fmt: skip
    assert len(folders) == 3
    assert sorted(len(load_records(folder)) for folder in folders) == [2, 2, 3]


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "mine").mkdir()
    assert folder_of("mine", FEW, seed=0) == Path("mine")
    assert not list((tmp_path / "mine").iterdir())


@pytest.mark.parametrize(
    ("name", "preset", "words"),
    [
        ("nowhere", FEW, "nowhere: there is no such folder"),
        ("phantoms", None, "needs a preset that says how many"),
        ("phantoms", replace(FEW, phantoms=None), "needs a preset that says how many"),
    ],
)
def test_what_cannot_be_meant_is_said(name, preset, words):
    with pytest.raises(DataError, match=words):
        folder_of(name, preset, seed=0)
