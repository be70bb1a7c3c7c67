"""Splits: nobody on two sides, each class shared out alike, the slides' counts, and files that are never remade."""

from __future__ import annotations

import collections
import hashlib
import json
import os

import numpy as np
import pytest
from rsna_folders import FULL_TABLES, OPACITY, needs_full_tables, random_records, write_folder

from mini_rcnn.cli import main as command
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.rsna import CLASSES, FULL, Record, load_records
from mini_rcnn.data.split_files import load_split, main, read_split, split_path, write_split
from mini_rcnn.data.splits import SIDES, leak_of, leaking_patients, side_records, split_as_slides, split_by_patient

METHODS = pytest.mark.parametrize("method", [split_by_patient, split_as_slides])


@pytest.fixture(scope="module")
def challenge():
    """Return the records of the whole challenge."""
    return load_records(FULL_TABLES)


def record(image_id, patient, class_name=CLASSES[0]):
    boxes = np.array([[1.0, 1, 9, 9]]) if class_name == OPACITY else np.zeros((0, 4))
    return Record(image_id, None, boxes, class_name, patient)


def all_ids(split):
    return [one for ids in split.sides.values() for one in ids]


def shares(split, records):
    """Return the share that each side has of the images and of each class, (3, 4), counted anew."""
    class_of = {one.id: one.class_name for one in records}
    totals = collections.Counter(class_of.values())
    rows = []
    for ids in split.sides.values():
        mine = collections.Counter(class_of[one] for one in ids)
        rows.append([len(ids) / len(records)] + [mine[name] / totals[name] for name in CLASSES if totals[name]])
    return np.array(rows)


def slow_leaks(split, records):
    """Return the patients on more than one side, by looking at each pair of images."""
    side_of = {one: side for side, ids in split.sides.items() for one in ids}
    pairs = [(a, b) for a in records for b in records if a.patient == b.patient and side_of[a.id] != side_of[b.id]]
    return tuple(sorted({a.patient for a, _ in pairs}))


# 1. By hand.


def test_ten_patients_alike_are_dealt_eight_one_one():
    records = [record(f"{name}", f"{name}") for name in range(10)]
    split = split_by_patient(records, seed=3)
    assert [len(ids) for ids in split.sides.values()] == [8, 1, 1]


def test_a_patient_goes_where_the_patients_classes_lack_most():
    # By the rule: the patient of 4 to train (0.5 * 4 due); then of "ill", 2 images due so far 6 * 0.5 = 3 a side:
    # train has 4, so the next goes to validation, and the single healthy one is due in train first.
    records = [record(f"a{i}", "a", OPACITY) for i in range(4)] + [record(f"b{i}", "b", OPACITY) for i in range(2)]
    records.append(record("c0", "c"))
    for seed in range(5):
        split = split_by_patient(records, seed=seed, fractions=(0.5, 0.5, 0))
        assert split.sides == {"train": ("a0", "a1", "a2", "a3", "c0"), "validation": ("b0", "b1"), "test": ()}


def test_leaks_by_hand():
    records = [record("1", "a"), record("2", "a"), record("3", "b"), record("4", "c"), record("5", "c")]
    split = split_by_patient([record(str(i), str(i)) for i in range(1, 6)], seed=1)
    split = type(split)(**{**vars(split), "train": ("1", "3"), "validation": ("2", "4"), "test": ("5",)})
    leak = leak_of(split, records)
    assert leak.patients == leaking_patients(split, records) == ("a", "c")
    assert leak.images == {"train": 1, "validation": 2, "test": 1}
    assert leak.in_train == {"validation": 1, "test": 0}


def test_three_patients_are_one_a_side():
    records = [record(f"{p}{i}", p, CLASSES[i]) for p in "abc" for i in range(3)]
    split = split_by_patient(records, seed=1)
    assert sorted(len(ids) for ids in split.sides.values()) == [3, 3, 3]
    assert leaking_patients(split, records) == ()


def test_too_few_patients_are_refused():
    records = [record("1", "a"), record("2", "a"), record("3", "b")]
    with pytest.raises(DataError, match="into 3 sides needs at least 3 patients, got 2 with 3 images"):
        split_by_patient(records, seed=1)
    with pytest.raises(DataError, match="at least 3 patients, got 1 with 2"):
        split_by_patient(records[:2], seed=1)
    assert split_by_patient(records, seed=1, fractions=(0.5, 0, 0.5)).validation == ()
    assert split_by_patient(records[:1], seed=1, fractions=(1, 0, 0)).train == ("1",)


@METHODS
def test_bad_arguments(method):
    with pytest.raises(DataError, match="no image to split"):
        method([], seed=1)
    for seed in (-1, 1.0, True, None, "1"):
        with pytest.raises(ValueError, match="^seed must be an integer of 0 or more, got"):
            method([record("1", "a")], seed=seed)
    with pytest.raises(ValueError, match="^records must hold each image once, got '1' twice"):
        method([record("1", "a"), record("1", "b")], seed=1)


@pytest.mark.parametrize("fractions", [(1, 0), (0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"), 0, 1), (0, 0, 0)])
def test_bad_fractions(fractions):
    with pytest.raises(ValueError, match="^fractions must be three numbers of 0 or more that add up to 1, got"):
        split_by_patient([record("1", "a")], seed=1, fractions=fractions)


def test_slides_share_is_rounded_half_up():
    # 662 / 6012 of 100 is 11.01; 2338 / 20672 of 200 is 22.6
    records = [record(f"p{i}", "a", OPACITY) for i in range(100)] + [record(f"n{i}", "b") for i in range(200)]
    split = split_as_slides(records, seed=5)
    for side, n_positive, n_negative in (("train", 78, 154), ("validation", 11, 23), ("test", 11, 23)):
        ids = split.sides[side]
        assert (sum(one[0] == "p" for one in ids), sum(one[0] == "n" for one in ids)) == (n_positive, n_negative)
    assert split_as_slides(records[:1], seed=1).train == ("p0",)


# 2. Properties, on folders of any size.


@METHODS
@pytest.mark.parametrize("n_patients, alone", [(3, False), (4, True), (17, False), (60, True), (150, False)])
def test_sides_are_disjoint_complete_and_patients_apart(method, n_patients, alone, rng):
    for seed in range(6):
        records = random_records(rng, n_patients, alone=alone)
        split = method(records, seed=seed)
        assert sorted(all_ids(split)) == sorted(one.id for one in records)
        assert leaking_patients(split, records) == slow_leaks(split, records)
        if method is split_by_patient:
            assert leaking_patients(split, records) == () and all(split.sides.values())
        for side in SIDES:
            assert [one.id for one in side_records(split, side, records)] == list(split.sides[side])
            assert list(split.sides[side]) == sorted(split.sides[side])


@METHODS
def test_the_order_of_the_records_does_not_matter(method, rng):
    records = random_records(rng, 80)
    want = method(records, seed=7)
    for _ in range(3):
        assert method([records[i] for i in rng.permutation(len(records))], seed=7) == want


@METHODS
def test_another_seed_is_another_split(method, rng):
    records = random_records(rng, 80)
    assert len({method(records, seed=seed).test for seed in range(8)}) == 8
    assert method(records, seed=3) == method(records, seed=3)


@METHODS
def test_the_same_in_every_environment(method):
    records = random_records(np.random.default_rng(5), 60)
    got = hashlib.sha256("|".join(",".join(ids) for ids in method(records, seed=11).sides.values()).encode())
    assert (
        got.hexdigest()[:16]
        == {"split_by_patient": "3f481f2d7ff2c82c", "split_as_slides": "985e22ca8dc2170b"}[method.__name__]
    )


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.34, 0.33, 0.33), (0.9, 0, 0.1)])
def test_every_class_is_shared_out_alike(fractions, rng):
    for seed in range(4):
        records = random_records(rng, 1500)
        off = shares(split_by_patient(records, seed=seed, fractions=fractions), records) - np.array(fractions)[:, None]
        assert abs(off).max() < 0.01


@needs_full_tables
def test_the_challenge_by_patient(challenge):
    for seed in range(3):
        split = split_by_patient(challenge, seed=seed)
        assert abs(shares(split, challenge) - np.array([[0.8], [0.1], [0.1]])).max() < 1e-4  # 1 % is asked for
        assert leaking_patients(split, challenge) == ()
        patients = [{one.patient for one in side_records(split, side, challenge)} for side in SIDES]
        assert sum(map(len, patients)) == FULL.patients
        np.testing.assert_allclose([len(p) / FULL.patients for p in patients], [0.8, 0.1, 0.1], atol=0.001)


@needs_full_tables
def test_the_challenge_as_on_the_slides(challenge):
    positive = {one.id for one in challenge if one.class_name == OPACITY}
    split = split_as_slides(challenge, seed=1)
    assert [len(ids) for ids in split.sides.values()] == [20684, 3000, 3000]
    assert [len(positive & set(ids)) for ids in split.sides.values()] == [4688, 662, 662]
    assert sorted(all_ids(split)) == sorted(one.id for one in challenge)
    patient_of = {one.id: one.patient for one in challenge}
    in_train = {patient_of[one] for one in split.train}
    leak = leak_of(split, challenge)
    assert leak.in_train["test"] == sum(patient_of[one] in in_train for one in split.test) == 2102  # 70 %
    assert len(leak.patients) == 2443


# 3. Files.


@METHODS
def test_reading_back_is_equal_and_writing_is_stable(method, tmp_path, rng):
    records = random_records(rng, 30)
    split = method(records, seed=2)
    path = split_path(tmp_path, split.name)
    write_split(path, split)
    assert read_split(path) == read_split(path, records[::-1]) == load_split(tmp_path, records, split.name) == split
    before = path.read_bytes()
    write_split(path, read_split(path))
    assert path.read_bytes() == before and b"\r" not in before
    assert os.listdir(str(path.parent)) == [path.name]


def test_a_split_that_is_not_there_says_how_to_make_it(tmp_path):
    with pytest.raises(DataError, match=r"patient.json: is not there. Make it: `python3 lab.py data split .* --by pat"):
        load_split(tmp_path, [])
    with pytest.raises(DataError, match=r"--by slides --seed 1`\.$"):
        load_split(tmp_path, [], "slides")
    with pytest.raises(DataError, match=r"--by patient --seed 1 --name mine`\.$"):
        load_split(tmp_path, [], "mine")
    for name in ("../x", "", "a/b", "a\\b", ".x", "con"):
        with pytest.raises(DataError, match="a split's name must be letters"):
            load_split(tmp_path, [], name)


def test_a_split_of_other_data_is_refused(tmp_path, rng):
    records = random_records(rng, 30)
    path = split_path(tmp_path, "slides")
    write_split(path, split_as_slides(records, seed=4))
    changed = records[0]
    others = {
        "it names images that are not in the tables: 1, the first 'image-00000'": records[1:],
        "it lacks images: 1, the first 'zz'": records + [record("zz", "1")],
        "the images are the same, their classes": [record(changed.id, changed.patient, "Else")] + records[1:],
        "the images are the same, .* patients": [record(changed.id, "x", changed.class_name)] + records[1:],
    }
    for message, other in others.items():
        with pytest.raises(DataError, match=f"{message}.*--by slides --seed 4 --replace"):
            read_split(path, other)
    # Whether the films are there makes no other data.
    moved = Record(changed.id, tmp_path, changed.boxes, changed.class_name, changed.patient)
    assert read_split(path, [moved] + records[1:]).seed == 4


def test_a_patient_moved_by_hand_is_noticed(tmp_path):
    records = [record(f"{p}{i}", p) for p in "abcdef" for i in range(2)]
    split = split_by_patient(records, seed=1)
    moved = {"train": split.train[1:], "validation": (*split.validation, split.train[0])}
    write_split(tmp_path / "patient.json", type(split)(**{**vars(split), **moved}))
    assert read_split(tmp_path / "patient.json").train == split.train[1:]
    with pytest.raises(DataError, match="it has a patient on two sides"):
        read_split(tmp_path / "patient.json", records)


def spoiled(**changes):
    """Return a change of a split file's content; None takes a field away."""

    def change(content):
        content.update(changes)
        return json.dumps({name: value for name, value in content.items() if value is not None})

    return change


BAD_FILES = {
    "empty": (lambda content: "", "is not JSON"),
    "half": (lambda content: json.dumps(content)[:200], "is not JSON"),
    "a web page": (lambda content: "<!DOCTYPE html>", "is not JSON"),
    "bytes": (lambda content: "\udcff", "is not JSON"),
    "nested": (lambda content: "[" * 100000, "is not JSON"),
    "a list": (lambda content: "[]", "holds no table of names"),
    "no seed": (spoiled(seed=None), "needs 'seed' as a whole number"),
    "seed true": (spoiled(seed=True), "needs 'seed' as a whole number"),
    "seed text": (spoiled(seed="1"), "needs 'seed' as a whole number"),
    "no fingerprint": (spoiled(fingerprint=None), "needs 'fingerprint' as text"),
    "name a number": (spoiled(name=3), "needs 'name' as text"),
    "another version": (spoiled(version=2), "has version 2, and this program reads 1"),
    "another method": (spoiled(method="by hand"), "needs a 'method' of patient, slides and a 'seed' of 0"),
    "negative seed": (spoiled(seed=-1), "needs a 'method' of patient, slides and a 'seed' of 0"),
    "no fractions": (lambda content: json.dumps({**content, "fractions": []}), "needs 'fractions' as three numbers"),
    "fractions": (spoiled(fractions=[1, 0]), "needs 'fractions' as three numbers"),
    "fractions huge": (spoiled(fractions=[10**400, 0, 0]), "needs 'fractions' as three numbers"),
    "fractions NaN": (spoiled(fractions=[float("nan"), 0, 0]), "needs 'fractions' as three numbers"),
    "fractions text": (spoiled(fractions=["1", 0, 0]), "needs 'fractions' as three numbers"),
    "fractions away": (
        lambda content: json.dumps({name: value for name, value in content.items() if name != "fractions"}),
        "needs 'fractions' as three numbers",
    ),
    "no test": (spoiled(test=None), "needs 'test' as a list of ids"),
    "ids a text": (spoiled(train="abc"), "needs 'train' as a list of ids"),
    "ids numbers": (spoiled(validation=[1]), "needs 'validation' as a list of ids"),
    "twice on a side": (spoiled(test=["q", "q"]), "has the image 'q' twice"),
    "on two sides": (spoiled(test=["q"], train=["q"]), "has the image 'q' twice"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_spoiled_file_is_refused_and_says_what_to_do(case, tmp_path, rng):
    spoil, message = BAD_FILES[case]
    path = split_path(tmp_path, "patient")
    write_split(path, split_by_patient(random_records(rng, 20), seed=1))
    text = spoil(json.loads(path.read_text(encoding="utf-8")))
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=f"patient.json: .*{message}.*data split .* --replace") as error:
        read_split(path)
    assert len(str(error.value)) < 1000


def test_flipped_bytes_are_noticed(tmp_path, rng):
    records = random_records(rng, 20)
    path = split_path(tmp_path, "patient")
    split = split_by_patient(records, seed=1)
    write_split(path, split)
    whole = path.read_bytes()
    for _ in range(200):
        data = bytearray(whole)
        data[rng.integers(0, len(data))] ^= 1 << rng.integers(0, 8)
        path.write_bytes(bytes(data))
        try:
            got = read_split(path, records)
        except DataError:
            continue
        for side in SIDES:  # a name, a seed, a blank may have changed; the images may not
            assert got.sides[side] == split.sides[side]


# 4. The command.


@pytest.fixture
def folder(tmp_path, rng):
    """Return a folder with the tables of 40 patients."""
    records = random_records(rng, 40)
    labels, classes, patients = ["patientId,x,y,width,height,Target"], ["patientId,class"], ["patientId,nih_patient"]
    for one in records:
        rows = [f"{one.id},{9 * i},5,40,50,1" for i in range(len(one.boxes))] or [f"{one.id},,,,,0"]
        labels += rows
        classes += [f"{one.id},{one.class_name}"] * len(rows)
        patients.append(f"{one.id},{one.patient}")
    tables = ["\n".join(lines) + "\n" for lines in (labels, classes, patients)]
    return write_folder(tmp_path / "films", labels=tables[0], classes=tables[1], nih_patients=tables[2])


def test_the_command_writes_once_and_says_what(folder, capsys):
    path = folder / "splits" / "patient.json"
    assert main([str(folder), "--seed", "3"]) == 0
    out, before = capsys.readouterr().out, path.read_bytes()
    records = load_records(folder)
    assert load_split(folder, records) == split_by_patient(records, seed=3)
    assert "by patient, stratified by class, seed 3" in out and "No patient is on two sides." in out
    table = [line.split() for line in out.splitlines() if line.startswith(SIDES)]
    split = load_split(folder, records)
    assert [int(line[1]) for line in table] == [len(split.sides[side]) for side in SIDES]

    assert main([str(folder), "--seed", "3"]) == 0
    assert "is there already; nothing was changed" in capsys.readouterr().out
    assert main([str(folder), "--seed", "4"]) == 1
    caught = capsys.readouterr()
    assert "nothing was changed" in caught.out and "seed 3" in caught.out and "--replace" in caught.err
    assert path.read_bytes() == before
    assert main([str(folder), "--seed", "4", "--replace"]) == 0
    assert path.read_bytes() != before and load_split(folder, records).seed == 4


def test_the_command_tells_the_leak_of_the_slides_split(folder, capsys):
    assert main([str(folder), "--by", "slides", "--seed", "1"]) == 0
    records = load_records(folder)
    split = load_split(folder, records, "slides")
    leak = leak_of(split, records)
    out = capsys.readouterr().out
    assert f"It leaks: {len(leak.patients)} patients are on two sides" in out
    assert f"{leak.in_train['test']} of {len(split.test)} test images" in out
    assert main([str(folder), "--by", "slides", "--name", "mine"]) == 0
    assert load_split(folder, records, "mine").name == "mine"


def test_the_command_does_not_remake_a_split_of_other_data(folder, capsys):
    assert command(["data", "split", str(folder)]) == 0
    path = folder / "nih_patients.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",7\n", ",8\n"), encoding="utf-8")
    before = (folder / "splits" / "patient.json").read_bytes()
    assert command(["data", "split", str(folder)]) == 1
    assert "does not fit this data" in capsys.readouterr().err
    assert (folder / "splits" / "patient.json").read_bytes() == before
    assert command(["data", "split", str(folder), "--replace"]) == 0


def test_the_command_says_when_nobody_knows_the_patients(folder, capsys):
    (folder / "nih_patients.csv").unlink()
    assert main([str(folder)]) == 0
    assert "nobody can tell what leaks" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--seed", "-1"], ["--name", "../out"], ["--name", "a b"]])
def test_the_command_refuses(folder, arguments, capsys):
    assert command(["data", "split", str(folder), *arguments]) == 1
    assert "python3 lab.py data split: " in capsys.readouterr().err
    assert not (folder / "splits").exists()


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert command(["data", "split", str(tmp_path / "no")]) == 1
    assert "is not there" in capsys.readouterr().err
    (tmp_path / "splits").write_text("a file where the folder should be", encoding="utf-8")
    write_folder(tmp_path)
    assert command(["data", "split", str(tmp_path)]) == 1
    assert "cannot be written" in capsys.readouterr().err
