"""The data lab's tables: counted again by other means, images and rows apart, and the same text everywhere."""

from __future__ import annotations

import csv
import os
from collections import Counter, namedtuple

import numpy as np
import pytest
from rsna_folders import (
    FULL_TABLES,
    NORMAL,
    OPACITY,
    OTHER,
    SHARED,
    needs_full_tables,
    needs_real_films,
    random_records,
)

from mini_rcnn.data import header_tables
from mini_rcnn.data.rsna import Record, load_records
from mini_rcnn.data.tables import (
    Table,
    age_table,
    box_density,
    box_place_table,
    box_size_table,
    boxes_per_image_table,
    class_table,
    format_table,
    read_headers,
    sex_table,
    view_table,
)
from mini_rcnn.data.text_tables import cell_text

Header = namedtuple("Header", "sex view age")


def record(image_id, class_name, *boxes):
    return Record(image_id, None, np.array(boxes, dtype=float).reshape(-1, 4), class_name, image_id)


# Two boxes in one image, one in another, two images without: 4 images, 5 rows, 3 boxes.
RECORDS = [
    record("two", OPACITY, [0, 0, 512, 512], [600, 700, 1000, 800]),
    record("one", OPACITY, [100, 100, 300, 200]),
    record("none", NORMAL),
    record("also none", OTHER),
]


@pytest.fixture(scope="module")
def challenge():
    """Return the records of the whole challenge."""
    return load_records(FULL_TABLES)


# 1. By hand.


def test_classes_by_hand():
    assert class_table(RECORDS).rows == [
        (NORMAL, 1, "25.0 %", 1, "20.0 %"),
        (OTHER, 1, "25.0 %", 1, "20.0 %"),
        (OPACITY, 2, "50.0 %", 3, "60.0 %"),
        ("all", 4, "100.0 %", 5, "100.0 %"),
    ]


def test_boxes_per_image_by_hand():
    assert boxes_per_image_table(RECORDS).rows == [("0", 2, 0), ("1", 1, 3), ("2", 1, 1), ("all", 4, 4)]


def test_box_sizes_by_hand():
    rows = {name: values for name, *values in box_size_table(RECORDS).rows}
    assert [rows["width, pixels"][i] for i in (0, 3, 6)] == [100, 100, 512]
    assert [rows["height, pixels"][i] for i in (0, 3, 6)] == [200, 400, 512]
    assert [rows["area, pixels"][i] for i in (0, 3, 6)] == [20000, 40000, 512 * 512]
    assert rows["area, % of the image"][6] == 25 and rows["width, % of the image"][6] == 50


def test_places_by_hand():
    # Centres (256, 256), (800, 750), (200, 150): two in the upper third on the left, one in the lower on the right.
    assert box_place_table(RECORDS).rows == [
        ("upper third", 2, 0, 2, "66.7 %"),
        ("middle third", 0, 0, 0, "0.0 %"),
        ("lower third", 0, 1, 1, "33.3 %"),
        ("all", 2, 1, 3, "100.0 %"),
    ]


def test_a_centre_on_the_border_of_the_image():
    rows = box_place_table([record("edge", OPACITY, [1024, 1024, 1024, 1024], [0, 512, 0, 512])]).rows
    assert rows[2][1:4] == (0, 1, 1) and rows[0][1:4] == (0, 1, 1)


def test_density_by_hand():
    want = np.zeros((4, 4))
    want[:2, :2] = 1 / 3  # the first box fills four cells of 256
    want[0, 0] += (256 - 100) * 100 / 256**2 / 3  # the third lies in two cells
    want[1, 0] += 44 * 100 / 256**2 / 3
    want[2, 2] += (768 - 600) * 68 / 256**2 / 3  # the second in four
    want[2, 3] += (768 - 600) * 32 / 256**2 / 3
    want[3, 2] += (1000 - 768) * 68 / 256**2 / 3
    want[3, 3] += (1000 - 768) * 32 / 256**2 / 3
    np.testing.assert_allclose(box_density(RECORDS, grid=4), want, rtol=1e-12)


def test_header_tables_by_hand():
    headers = {
        "two": Header("F", "AP", 40),
        "one": Header("M", "PA", 150),  # as the challenge has them
        "none": Header(None, "PA", None),
    }
    assert sex_table(RECORDS, headers) == Table(
        ("class", "images", "sex F", "share", "sex M", "share", "sex no header", "share", "sex unknown", "share"),
        [
            (NORMAL, 1, 0, "0.0 %", 0, "0.0 %", 0, "0.0 %", 1, "100.0 %"),
            (OTHER, 1, 0, "0.0 %", 0, "0.0 %", 1, "100.0 %", 0, "0.0 %"),
            (OPACITY, 2, 1, "50.0 %", 1, "50.0 %", 0, "0.0 %", 0, "0.0 %"),
            ("all", 4, 1, "25.0 %", 1, "25.0 %", 1, "25.0 %", 1, "25.0 %"),
        ],
    )
    views = view_table(RECORDS, headers)
    assert views.columns[2::2] == ("view AP", "view PA", "view no header")
    assert views.rows[-1][2::2] == (1, 2, 1)
    ages = {row[0]: row[1:] for row in age_table(RECORDS, headers).rows}
    assert ages[OPACITY] == (2, 40, 40, 40, 40, 40, 1, 0, 0)
    assert ages[NORMAL] == (1, None, None, None, None, None, 0, 1, 0)
    assert ages["all"][-3:] == (1, 1, 1)


# 2. No records, text, and properties.


def test_without_records():
    for make in (class_table, boxes_per_image_table, box_size_table, box_place_table):
        assert "0" in format_table(make([]))
    for make in (sex_table, view_table, age_table):
        assert [row[:2] for row in make([], {}).rows] == [(NORMAL, 0), (OTHER, 0), (OPACITY, 0), ("all", 0)]
    np.testing.assert_array_equal(box_density([], grid=3), np.zeros((3, 3)))
    assert read_headers(RECORDS) == ({}, {})


def test_text_is_aligned_and_plain():
    text = format_table(Table(("a", "number"), [("long name", 1234567), ("b", 0.25), ("", None), ("c", np.int64(5))]))
    assert text.split("\n") == [
        "a             number",
        "long name  1,234,567",
        "b                0.2",
        "                   -",
        "c                  5",
    ]
    assert cell_text(np.float64(2.26)) == "2.3" and cell_text("x") == "x"
    assert format_table(Table(("only",), [])) == "only"


def test_tables_and_density_agree_with_slow_counts(rng):
    records = random_records(rng, 60)
    for index, one in enumerate(records):  # boxes anywhere inside
        corners = rng.uniform(0, 800, (len(one.boxes), 2))
        boxes = np.concatenate([corners, corners + rng.uniform(1, 224, corners.shape)], axis=1)
        records[index] = Record(one.id, None, boxes, one.class_name, one.patient)
    boxes = np.concatenate([one.boxes for one in records])
    density = box_density(records, grid=16)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    np.testing.assert_allclose(density.sum() * 64**2, areas.mean(), rtol=1e-9)
    fine = np.zeros((1024, 1024))  # by pixels' centres, as a picture would be painted
    middles = np.arange(1024) + 0.5
    for y1, x1, y2, x2 in boxes:
        fine[np.ix_((middles > y1) & (middles < y2), (middles > x1) & (middles < x2))] += 1 / len(boxes)
    np.testing.assert_allclose(density, fine.reshape(16, 64, 16, 64).mean(axis=(1, 3)), atol=0.002)
    totals = box_place_table(records).rows[-1]
    assert totals[1] + totals[2] == totals[3] == len(boxes)
    by_class = Counter(one.class_name for one in records)
    assert [row[1] for row in class_table(records).rows[:-1]] == [by_class[name] for name in (NORMAL, OTHER, OPACITY)]


# 3. Headers of films.


def header_that_dies(item):
    """Return a header; one film kills the process that reads it."""
    if item[0] == "deadly":
        os._exit(3)
    return f"header of {item[0]}", None


def test_a_reader_that_dies_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(header_tables, "header_or_fault", header_that_dies)
    films = {name: tmp_path / f"{name}.dcm" for name in ("a", "deadly", "b")}
    headers, broken = header_tables.headers_of_films(films, workers=2, label=None)
    assert headers == {"a": "header of a", "b": "header of b"}
    assert list(broken) == ["deadly"] and "deadly.dcm: reading its header killed the process" in broken["deadly"]


def test_broken_films_are_told_and_the_others_read(tmp_path):
    from pydicom.data import get_testdata_file

    records = []
    for name, content in (("empty", b""), ("page", b"<!DOCTYPE html>" * 50), ("absent", None)):
        if content is not None:
            (tmp_path / f"{name}.dcm").write_bytes(content)
        records.append(Record(name, tmp_path / f"{name}.dcm", np.zeros((0, 4)), NORMAL, name))
    records.append(Record("whole", get_testdata_file("CT_small.dcm"), np.zeros((0, 4)), NORMAL, "whole"))
    headers, broken = read_headers(records, workers=1, label=None)
    assert list(headers) == ["whole"] and headers["whole"].rows == 128
    assert list(broken) == ["empty", "page", "absent"]
    assert all(f"{name}.dcm" in text for name, text in broken.items())


@needs_real_films
def test_headers_of_real_films():
    records = load_records(SHARED)[:40]
    headers, broken = read_headers(records, workers=1, label=None)
    assert not broken and list(headers) == [one.id for one in records]
    assert {(header.rows, header.columns) for header in headers.values()} == {(1024, 1024)}
    for make in (sex_table, view_table, age_table):
        assert make(records, headers).rows[-1][1] == 40
    assert "no header" not in format_table(sex_table(records, headers))
    assert {header.view for header in headers.values()} <= {"AP", "PA"}


# 4. The challenge.


@needs_full_tables
def test_the_challenge_in_tables(challenge):
    with open(str(FULL_TABLES / "stage_2_train_labels.csv"), newline="", encoding="utf-8") as file:
        rows = [[float(row[k]) for k in ("x", "y", "width", "height")] for row in csv.DictReader(file) if row["x"]]
    x, y, width, height = np.array(rows).T
    sizes = {name: values for name, *values in box_size_table(challenge).rows}
    assert sizes["width, pixels"][3] == np.median(width) == 217
    assert sizes["height, pixels"][3] == np.median(height) == 298
    assert sizes["area, pixels"][0] == (width * height).min() == 2320
    places = box_place_table(challenge).rows
    assert places[-1][1:4] == (int((x + width / 2 < 512).sum()), int((x + width / 2 >= 512).sum()), 9555)
    assert places[0][3] == int((y + height / 2 < 1024 / 3).sum())
    np.testing.assert_allclose(box_density(challenge).sum() * 32**2, (width * height).mean(), rtol=1e-9)
    assert format_table(boxes_per_image_table(challenge)).splitlines()[1:] == [
        "0                            20,672                         0",
        "1                             2,614                    23,286",
        "2                             3,266                     3,266",
        "3                               119                       119",
        "4                                13                        13",
        "all                          26,684                    26,684",
    ]
