"""Reading a submission: each fault by its line, nothing guessed, what is harmless read alike."""

from __future__ import annotations

import time

import numpy as np
import pytest
from evaluating_films import HEADER, truth_string, write_submission
from rsna_folders import FULL_TABLES, needs_full_tables, write_folder

from mini_rcnn.data.errors import TableError
from mini_rcnn.data.rsna import load_records
from mini_rcnn.evaluating.submission import parse, read_submission

KNOWN = {"ill": (1024, 1024), "healthy": None, "other": (500, 400)}
GOOD = "ill,0.9 100 200 30 40 0.25 1.5 2 3 4\nhealthy,\nother,0.1 0 0 400 500\n"


def read(tmp_path, content, **options):
    path = tmp_path / "submission.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_submission(path, KNOWN, **options)


def error_of(tmp_path, content, **options):
    with pytest.raises(TableError) as caught:
        read(tmp_path, content, **options)
    return str(caught.value)


# 1. By hand.


def test_boxes_are_corners_and_pixels_of_the_film(tmp_path):
    found, missing = read(tmp_path, HEADER + GOOD)
    assert missing == () and list(found) == ["ill", "healthy", "other"]
    boxes, scores = found["ill"]
    np.testing.assert_array_equal(boxes, [[200, 100, 240, 130], [2, 1.5, 6, 4.5]])
    np.testing.assert_array_equal(scores, [0.9, 0.25])
    assert found["healthy"][0].shape == (0, 4) and found["healthy"][1].shape == (0,)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\n",
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("healthy,", 'healthy,""').replace("ill,0.9", '"ill","0.9').replace("4\nh", '4 "\nh'),
        lambda text: text.replace("healthy,", "healthy,   "),
        lambda text: text.replace("0.25", "2.5e-1"),
    ],
    ids=["BOM", "CRLF", "blank lines", "no end", "quotes", "blanks", "exponent"],
)  # fmt: skip
def test_what_is_harmless_is_read_alike(tmp_path, change):
    plain, changed = read(tmp_path, HEADER + GOOD), read(tmp_path, change(HEADER + GOOD))
    assert list(plain.found) == list(changed.found)
    for name, (boxes, scores) in plain.found.items():
        np.testing.assert_array_equal(changed.found[name][0], boxes)
        np.testing.assert_array_equal(changed.found[name][1], scores)


@pytest.mark.parametrize(
    "row, line, words",
    [
        ("ill,0.9 1 2 3", 2, "has 4 values, which is no multiple of 5"),
        ("ill,0.9 1 2 3 4 5", 2, "has 6 values"),
        ("ill,0.9 1 2 x 4", 2, "value 4 (width) must be a number, got 'x'"),
        ("ill,0.9 1_0 2 3 4", 2, "value 2 (x) must be a number, got '1_0'"),
        ('ill,"0,9 1 2 3 4"', 2, "value 1 (confidence) must be a number, got '0,9'"),
        ("ill,0.9 1 2 -3 4", 2, "box 1: width must be more than 0, got -3"),
        ("ill,0.9 1 2 3 0", 2, "box 1: height must be more than 0, got 0"),
        ("ill,0.9 1 2 3 4 0.8 1000 2 30 4", 2, "box 2: leaves the film: x 1000 to 1030"),
        ("ill,0.9 -5 2 30 4", 2, "box 1: leaves the film: x -5 to 25"),
        ("other,0.9 1 2 30 600", 2, "y 2 to 602, the film has 400 x 500"),
        ("ill,1.01 1 2 3 4", 2, "confidence must lie in [0, 1], got 1.01"),
        ("ill,-0.1 1 2 3 4", 2, "confidence must lie in [0, 1], got -0.1"),
        ("ill,nan 1 2 3 4", 2, "confidence must be finite, got nan"),
        ("ill,0.5 1 inf 3 4", 2, "y must be finite, got inf"),
        ("ill,0.5 1 2 1e999 4", 2, "width must be finite, got inf"),
        ("stranger,", 2, "image 'stranger' is not in the tables"),
        (",0.5 1 2 3 4", 2, "image '' is not in the tables"),
        ("healthy,\nill,\nhealthy,", 4, "image 'healthy' stands in line 2 already"),
        ("ill", 2, "has 1 cell where the header has 2"),
        ("ill,0.9,1,2,3,4", 2, "has 6 cells where the header has 2; are the numbers parted by commas?"),
        ('healthy,\n\nill,"0.9 1 2 3 4\nother,\n', 4, "is not CSV: unexpected end of data"),
        ('healthy," \n "\nill,x 1 2 3 4', 4, "value 1 (confidence) must be a number"),
    ],
)
def test_a_fault_is_named_by_its_line(tmp_path, row, line, words):
    text = error_of(tmp_path, HEADER + row + "\n", partial=True)
    assert f"\n  line {line}: " in text and words in text and ": 1 fault\n" in text


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        ("PredictionString,patientId\n0.9 1 2 3 4,ill\n", "line 1: the columns are swapped"),
        (HEADER.replace(",", "\t") + "ill\t0.9 1 2 3 4\n", "line 1: the cells are parted by tabs"),
        (HEADER.replace(",", ";") + "ill;0.9 1 2 3 4\n", "line 1: the cells are parted by semicolons"),
        ("patientId,x,y,width,height,Target\nill,1,2,3,4,1\n", "line 1: this is the table of labels"),
        ("patientid,predictionstring\n", "in these very letters"),
        ("ill,0.9 1 2 3 4\n", "line 1: the header patientId,PredictionString is missing"),
        ("patientId,PredictionString,Usage\n", "line 1: the header must be"),
        ("<!DOCTYPE html>\n<html><body>Log in</body></html>", "line 1: is an HTML page"),
        ("\ufeff\n<html>", "is an HTML page"),
        ('[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]', "is JSON, no CSV, as COCO's results are"),
        ('{"films": []}', "give submission.csv, not detections.json"),
        (HEADER.encode("utf-16"), "is UTF-16 text"),
        (b"PK\x03\x04\x14\0\0\0", "is a zip archive or a spreadsheet"),
        (b"\x1f\x8b\x08", "is packed with gzip"),
        (HEADER.encode() + b"ill,\0\n", "bytes of zero"),
        (HEADER.encode() + b"ill,\nh\xe9althy,\n", "line 3: is not UTF-8 text"),
    ],
)
def test_a_foreign_file_is_known(tmp_path, content, words):
    text = error_of(tmp_path, content)
    assert words in text and ": 1 fault\n" in text and "Wanted: the header patientId,PredictionString" in text


def test_a_partial_submission_is_refused_unless_it_is_meant(tmp_path):
    text = error_of(tmp_path, HEADER + "ill,\n")
    assert "2 of 3 images have no line: healthy, other. " in text and "--partial" in text
    found, missing = read(tmp_path, HEADER + "ill,\n", partial=True)
    assert list(found) == ["ill"] and missing == ("healthy", "other")
    assert read(tmp_path, HEADER + "ill,\n", wanted=["ill"]).missing == ()
    assert read(tmp_path, HEADER, partial=True).missing == tuple(KNOWN)


def test_all_faults_are_counted_and_ten_are_quoted(tmp_path):
    text = error_of(tmp_path, HEADER + "ill,0.9 1 2\n" * 13)
    assert ": 26 faults\n" in text and text.count("\n  line ") == 10 and "... and 16 more" in text  # 13, 12, 1 missing


def test_one_row_may_have_several_faults(tmp_path):
    text = error_of(tmp_path, HEADER + "nobody,1.5 1 2 -3 4\n", partial=True)
    assert ": 3 faults\n" in text and text.count("line 2: ") == 3


# 2. Properties.


def test_a_box_may_stand_out_by_what_rounding_does():
    _, faults = parse((HEADER + "other,0.5 -0.5 0 400.9 500.5\n").encode(), KNOWN)
    assert faults == []
    _, faults = parse((HEADER + "other,0.5 0 0 401.1 500\n").encode(), KNOWN)
    assert len(faults) == 1


def test_noise_is_refused_or_read_and_never_crashes(rng):
    content = bytearray((HEADER + GOOD).encode())
    refused = 0
    for _ in range(400):
        noisy = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            noisy[place] = rng.integers(0, 256)
        found, faults = parse(bytes(noisy), KNOWN)
        refused += bool(faults)
        assert faults or all(np.isfinite(boxes).all() for _, boxes, _ in found.values())
    assert refused > 300


@needs_full_tables
def test_the_whole_challenge_is_read_in_seconds(tmp_path):
    records = load_records(FULL_TABLES)
    three = " ".join(["0.5 100.25 200.5 300.75 400.125"] * 3)
    rows = [(record.id, truth_string(record) or three) for record in records]
    path = write_submission(tmp_path / "submission.csv", rows)
    begun = time.process_time()
    found = read_submission(path, dict.fromkeys(record.id for record in records)).found
    assert time.process_time() - begun < 20
    assert len(found) == 26684 and sum(len(scores) for _, scores in found.values()) == 9555 + 3 * 20672


def test_ids_are_those_of_the_tables(tmp_path):
    known = {record.id: None for record in load_records(write_folder(tmp_path / "films"))}
    path = write_submission(tmp_path / "s.csv", [(name, "") for name in known])
    assert list(read_submission(path, known).found) == list(known)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(TableError, match="no.csv: cannot be read: No such file"):
        read_submission(tmp_path / "no.csv", KNOWN)
