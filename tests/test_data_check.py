"""``data check``: everything a folder holds is said, what is wrong is named, and the exit code tells it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest
from pydicom.data import get_testdata_file
from rsna_folders import (
    CLASS_INFO,
    FULL_TABLES,
    LABELS,
    NORMAL,
    OPACITY,
    SHARED,
    needs_full_tables,
    needs_real_films,
    write_folder,
)

from mini_rcnn.cli import ROOT
from mini_rcnn.cli import main as command
from mini_rcnn.data.check import SHOWN, broken_films, examine, film_fault, main
from mini_rcnn.data.errors import DataError

FILM = get_testdata_file("CT_small.dcm")  # 128 x 128 pixels
# Boxes that lie inside 128 x 128, so that a film of that size contradicts nothing.
SMALL = LABELS.replace("200.0,30.0,40.0", "80.0,20.0,40.0").replace("500.0,210.0,50.0,60.0", "5.0,6.0,7.0,8.0")


def checked(capsys, *arguments):
    """Return the exit code and what was printed."""
    code = main([str(one) for one in arguments])
    return code, capsys.readouterr().out


@pytest.fixture
def folder(tmp_path):
    """Return a folder of three images, with the films of two."""
    films = write_folder(tmp_path / "films", labels=SMALL, films=["ill.dcm", "other.dcm"])
    for name in ("ill.dcm", "other.dcm"):
        shutil.copyfile(FILM, str(films / "stage_2_train_images" / name))
    return films


# 1. What is said.


def test_a_part_of_the_films_is_said_and_is_no_fault(folder, capsys):
    code, out = checked(capsys, folder)
    assert code == 0
    assert "3 images of 3 patients, 1 positive; 4 rows, 2 boxes" in out
    assert "Films: 2 are here; 1 are absent:\n  healthy\n" in out
    assert "Of 3 images no table names the patient" in out
    assert "(The full challenge has 26,684 images" in out
    assert out.endswith("No contradictions.\n")


def test_contradictions_by_row(tmp_path, capsys):
    films = write_folder(tmp_path, labels=LABELS + "new,,,,,1\n", classes=CLASS_INFO + f"new,{OPACITY}\n")
    code, out = checked(capsys, films)
    assert code == 1
    text = "Contradictions: 1\n  stage_2_train_labels.csv, line 6: new: Target is 1 and there is no box\n"
    assert out.endswith(text)
    assert "3 images of 3" in out and "leave out 1 images" in out


def test_many_contradictions_are_cut_and_counted(tmp_path, capsys):
    labels = LABELS + "".join(f"n{i},,,,,1\n" for i in range(SHOWN + 7))
    classes = CLASS_INFO + "".join(f"n{i},{OPACITY}\n" for i in range(SHOWN + 7))
    films = write_folder(tmp_path, labels=labels, classes=classes)
    _, out = checked(capsys, films)
    assert "Contradictions: 107" in out and out.endswith("... and 7 more contradictions; --json has all of them\n")
    _, out = checked(capsys, films, "--json")
    assert len(json.loads(out)["contradictions"]) == SHOWN + 7


def test_json_is_everything_and_nothing_else(folder, capsys):
    code, out = checked(capsys, folder, "--json", "--films", "--workers", "1")
    got = json.loads(out)
    assert code == 0 and got["ok"] is True
    assert got["counts"]["images_by_class"][NORMAL] == 1 and got["counts"]["rows"] == 4
    assert got["absent_films"] == ["healthy"] and got["films"] == got["films_read"] == 2
    assert got["contradictions"] == [] and got["broken_films"] == {} and got["full_challenge"] is False


def test_no_tables(tmp_path, capsys):
    assert command(["data", "check", str(tmp_path)]) == 1
    caught = capsys.readouterr()
    assert caught.out == "" and "stage_2_train_labels.csv: is not there" in caught.err


def test_bad_workers(folder, capsys):
    with pytest.raises(SystemExit) as error:
        main([str(folder), "--workers", "0"])
    assert error.value.code == 2 and "--workers: must be 1 or more, got 0" in capsys.readouterr().err


# 2. Films.


def test_broken_films_are_named(folder, capsys):
    images = folder / "stage_2_train_images"
    (images / "other.dcm").write_bytes((images / "other.dcm").read_bytes()[:9000])
    (images / "healthy.dcm").write_bytes(b"<!DOCTYPE html><title>Sign in</title>" * 20)
    assert checked(capsys, folder)[0] == 0  # nobody looked
    code, out = checked(capsys, folder, "--films", "--workers", "1")
    assert code == 1
    assert "Every film was read; 2 of 3 broken:\n" in out
    lines = out.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("Every film"))
    assert "healthy.dcm: " in lines[place + 1] and "other.dcm: " in lines[place + 2]
    assert "No checksum is known" in out


def test_sizes_are_the_films_own(folder, capsys):
    path = folder / "stage_2_train_labels.csv"
    path.write_text(SMALL.replace("5.0,6.0,7.0,8.0", "100.0,6.0,29.0,8.0"), encoding="utf-8")
    assert checked(capsys, folder)[0] == 0
    code, out = checked(capsys, folder, "--sizes", "--workers", "1")
    assert code == 1 and "which is 128 wide and 128 high" in out and "line 3: ill" in out
    assert "Every film's header was read; 0 of 2 broken." in out


def film_that_dies(item):
    """Return what a film's reader would; one kills its process, as a decoder's crash does."""
    if item[0] == "deadly":
        os._exit(3)
    return None if item[0] == "whole" else f"{item[1]}: broken"


def test_a_decoder_that_dies_is_named_and_the_rest_goes_on(tmp_path):
    films = {name: tmp_path / f"{name}.dcm" for name in ("whole", "deadly", "torn")}
    got = broken_films(films, {}, workers=2, label=None, read=film_that_dies)
    assert list(got) == ["deadly", "torn"]
    assert "deadly.dcm: reading it killed the process" in got["deadly"]


def test_a_slip_of_a_decoder_does_not_hide_the_others(monkeypatch, tmp_path):
    from mini_rcnn.data import dicom

    def slip(path):
        raise RuntimeError("PatientName: CANARY")

    monkeypatch.setattr(dicom, "read_image", slip)
    text = film_fault(("a", tmp_path / "a.dcm", None))
    assert text.endswith("a.dcm: the reader stopped with RuntimeError") and "CANARY" not in text


# 3. Checksums.


def manifests(folder):
    """Return both forms of manifest for the film of ``ill``, by file name."""
    film = folder / "stage_2_train_images" / "ill.dcm"
    checksum = hashlib.sha256(film.read_bytes()).hexdigest()
    name = "stage_2_train_images/ill.dcm"
    return {
        "phantoms.json": {"films": [{"id": "ill", "files": {name: checksum, "stage_2_train_masks/ill.png": "0"}}]},
        "manifest.json": {"files": {name: {"bytes": 1, "sha256": checksum}, "a.csv": {"bytes": 1, "sha256": "0"}}},
    }


@pytest.mark.parametrize("name", ["phantoms.json", "manifest.json"])
def test_a_flipped_pixel_is_noticed_where_the_checksum_is_known(folder, name, capsys):
    (folder / name).write_text(json.dumps(manifests(folder)[name]), encoding="utf-8")
    code, out = checked(capsys, folder, "--films", "--workers", "1")
    assert code == 0 and "The checksums of 1 were compared." in out
    film = folder / "stage_2_train_images" / "ill.dcm"
    data = bytearray(film.read_bytes())
    data[-5000] ^= 1  # inside the pixels, which lie at the end: still a film
    film.write_bytes(bytes(data))
    code, out = checked(capsys, folder, "--films", "--workers", "1")
    assert code == 1 and "ill.dcm: has other bytes than its manifest says" in out


@pytest.mark.parametrize("name", ["phantoms.json", "manifest.json"])
@pytest.mark.parametrize("text", ["", "[]", '{"films": 3, "files": 3}', '{"films": [{}], "files": []}', "[" * 99999])
def test_a_broken_manifest_is_refused(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=f"{name}: is no manifest. Get or draw"):
        examine(folder, films=True, workers=1, label=False)


# 4. RSNA's own.


@needs_full_tables
def test_the_tables_of_the_challenge(tmp_path, capsys):
    code, out = checked(capsys, FULL_TABLES)
    assert code == 0
    assert "26,684 images of 11,508 patients, 6,012 positive; 30,227 rows, 9,555 boxes" in out
    assert "The tables are the full challenge's, with the counts expected." in out
    assert "Films: 0 are here; 26,684 are absent, the first:\n  0004cfab-" in out
    for name in ("stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"):
        text = (FULL_TABLES / name).read_text(encoding="utf-8")
        tail = {"stage_2_train_labels.csv": ",,,,,0\n", "stage_2_detailed_class_info.csv": f",{NORMAL}\n"}[name]
        (tmp_path / name).write_text(text + "one-more" + tail, encoding="utf-8")
    got = examine(tmp_path)
    assert not got["ok"] and not got["contradictions"]
    assert got["differences"]["images"] == [26685, 26684] and got["differences"]["rows"] == [30228, 30227]
    (tmp_path / "phantoms.json").write_text("{}", encoding="utf-8")
    assert examine(tmp_path)["ok"]  # a drawn folder may have any number


@needs_real_films
def test_real_films_in_processes_with_progress_on_stderr(tmp_path):
    (tmp_path / "stage_2_train_images").mkdir()
    for path in SHARED.glob("*.csv"):
        shutil.copyfile(str(path), str(tmp_path / path.name))
    for path in sorted((SHARED / "stage_2_train_images").iterdir())[:12]:
        shutil.copyfile(str(path), str(tmp_path / "stage_2_train_images" / path.name))
    words = [sys.executable, "-m", "mini_rcnn", "data", "check", str(tmp_path), "--films", "--sizes", "--json"]
    done = subprocess.run(words, cwd=str(ROOT), capture_output=True, timeout=120)
    got = json.loads(done.stdout.decode())
    assert done.returncode == 0, done.stderr
    assert got["films_read"] == got["headers_read"] == 12 and len(got["absent_films"]) == 227
    assert b"films: 100%" in done.stderr and b"headers: 100%" in done.stderr
