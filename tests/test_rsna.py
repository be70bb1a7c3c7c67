"""RSNA's tables: what is read, what is refused by line, what contradicts itself, and how many there are."""

from __future__ import annotations

import collections
import csv
import pickle
import time

import numpy as np
import pytest
from rsna_folders import (
    CLASS_INFO,
    FULL_TABLES,
    LABELS,
    NORMAL,
    OPACITY,
    OTHER,
    SHARED,
    needs_full_tables,
    needs_real_films,
    write_folder,
)

from mini_rcnn.data.contradictions import KINDS
from mini_rcnn.data.errors import TableError
from mini_rcnn.data.rsna import FULL, counts, find_contradictions, images_by_boxes, load_records

L, C = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"
P, M = "nih_patients.csv", "rsna_to_nih.csv"


def rows_of(path):
    """Return the rows of a CSV file as the standard library reads them."""
    with open(str(path), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# 1. Read by hand.


def test_records_by_hand(tmp_path):
    folder = write_folder(tmp_path, films=["ill.dcm"], nih_patients="patientId,nih_patient\nill,17\nother,17\n")
    ill, healthy, other = load_records(folder)
    assert [record.id for record in (ill, healthy, other)] == ["ill", "healthy", "other"]
    np.testing.assert_array_equal(ill.boxes, [[200, 100, 240, 130], [210, 500, 270, 550]])
    assert ill.boxes.dtype == np.float64 and healthy.boxes.shape == (0, 4)
    assert (ill.path, healthy.path) == (folder / "stage_2_train_images" / "ill.dcm", None)
    assert [record.class_name for record in (ill, healthy, other)] == [OPACITY, NORMAL, OTHER]
    assert [record.patient for record in (ill, healthy, other)] == ["17", "healthy", "17"]


def test_counts_by_hand(tmp_path):
    got = counts(load_records(write_folder(tmp_path, films=["ill.dcm"])))
    assert (got.images, got.rows, got.boxes, got.positive_images, got.films) == (3, 4, 2, 1, 1)
    assert (got.patients, got.unknown_patients) == (3, 3)
    assert got.images_by_class == {NORMAL: 1, OTHER: 1, OPACITY: 1}
    assert got.rows_by_class == {NORMAL: 1, OTHER: 1, OPACITY: 2}
    assert got.images_by_boxes == {0: 2, 2: 1} and got.images_by_rows == {1: 2, 2: 1}


def test_a_match_counts_below_ten(tmp_path):
    mapping = "patientId,nih_image,nih_patient,match_mse\nill,a.png,5,9.99\nhealthy,b.png,5,10.0\nother,c.png,5,nan\n"
    records = load_records(write_folder(tmp_path, rsna_to_nih=mapping))
    assert [record.patient for record in records] == ["5", "healthy", "other"]


def test_our_own_table_of_patients_goes_before_the_mapping(tmp_path):
    mapping = "patientId,nih_image,nih_patient,match_mse\nill,a.png,5,1\n"
    records = load_records(write_folder(tmp_path, rsna_to_nih=mapping, nih_patients="patientId,nih_patient\nill,6\n"))
    assert records[0].patient == "6"


def test_rows_of_an_image_may_lie_apart(tmp_path):
    lines = LABELS.splitlines()
    labels = "\n".join([lines[0], lines[1], lines[3], lines[2], lines[4]])  # no line end at the end, either
    records = load_records(write_folder(tmp_path, labels=labels))
    assert [(record.id, len(record.boxes)) for record in records] == [("ill", 2), ("healthy", 0), ("other", 0)]


def quoted(text):
    """Return CSV text with every cell in quotes."""
    return "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines())


def turned(text):
    """Return CSV text with its columns in the opposite order, and one more that nobody asked for."""
    return "\n".join(",".join(line.split(",")[::-1] + ["more"]) for line in text.splitlines()) + "\n"


FORMS = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "Windows' line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "old Macs' line ends": lambda text: text.replace("\n", "\r").encode(),
    "blank lines": lambda text: (text.replace("ill", "\nill") + "\n  \n").encode(),
    "quotes": quoted,
    "other order": turned,
    "blanks around": lambda text: text.replace(",", " , "),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_csv_give_the_same(tmp_path, form):
    want = load_records(write_folder(tmp_path / "plain"))
    got = load_records(write_folder(tmp_path / "form", labels=FORMS[form](LABELS), classes=FORMS[form](CLASS_INFO)))
    assert got == want


def test_tables_without_rows(tmp_path):
    folder = write_folder(tmp_path, labels=LABELS.splitlines()[0], classes=CLASS_INFO.splitlines()[0] + "\n")
    assert load_records(folder) == [] and find_contradictions(folder) == []
    got = counts([])
    assert (got.images, got.rows, got.boxes, got.images_by_boxes) == (0, 0, 0, {})


def test_records_survive_another_process(tmp_path):
    record = load_records(write_folder(tmp_path))[0]
    copy = pickle.loads(pickle.dumps(record))
    assert copy == record and hash(copy) == hash(record) and copy != "ill"
    with pytest.raises(ValueError, match="read-only"):
        record.boxes[0, 0] = 0


# 2. What cannot be read is refused by file, line, column and value.


UNREADABLE = {
    "no labels": ({"labels": None}, f"{L}: is not there.*data rsna.*data phantoms"),
    "no classes": ({"classes": None}, f"{C}: is not there.*data rsna"),
    "empty": ({"labels": ""}, f"{L}, line 1: needs each of the columns patientId, x, .*got \\[\\]"),
    "a column missing": ({"labels": LABELS.replace("Target", "target")}, f"{L}, line 1: .*Target is missing"),
    "a column twice": ({"classes": "class," + CLASS_INFO}, f"{C}, line 1: .*class is missing or there twice"),
    "semicolons": ({"labels": LABELS.replace(",", ";")}, f"{L}, line 1: .*patientId;x"),
    "a cell too few": ({"labels": LABELS + "more,,,,\n"}, f"{L}, line 6: has 5 cells where the header has 6"),
    "no number": ({"labels": LABELS.replace("40.0", "4O.0")}, f"{L}, line 2, column height: .*number, got '4O.0'"),
    "a formula": ({"labels": LABELS.replace("500.0", "=A1")}, f"{L}, line 3, column x: must be a number, got '=A1'"),
    "Python's number": ({"labels": LABELS.replace("40.0", "4_0")}, f"{L}, line 2, column height: .*number, got '4_0'"),
    "empty Target": ({"labels": LABELS + "more,,,,,\n"}, f"{L}, line 6, column Target: must be a number, got ''"),
    "a long value": ({"labels": LABELS.replace("40.0", "x" * 500)}, "got 'x{50,60}\\.\\.\\.$"),
    "not text": ({"labels": LABELS.encode("utf-16")}, f"{L}: is not UTF-8 text"),
    "a zip": ({"labels": b"PK\x03\x04\xff\xfe\x00"}, f"{L}: is not UTF-8 text"),
    "a quote without end": ({"labels": LABELS + '"more,,,,,0\n'}, f"{L}, line 6: is not CSV"),
    "a huge cell": ({"labels": LABELS + "a" * 140000 + ",,,,,0\n"}, f"{L}, line 6: is not CSV"),
    "no mse": ({"rsna_to_nih": "patientId,nih_patient\nill,5\n"}, f"{M}, line 1: .*match_mse is missing"),
    "mse no number": ({"rsna_to_nih": "patientId,nih_patient,match_mse\nill,5,good\n"}, f"{M}, line 2, column match"),
    "no patient": ({"nih_patients": "patientId,nih_patient\nill,\n"}, f"{P}, line 2, column nih_patient: must name"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_refused_by_place(tmp_path, case):
    parts, message = UNREADABLE[case]
    folder = write_folder(tmp_path, **parts)
    for read in (load_records, find_contradictions, lambda folder: load_records(folder, strict=False)):
        with pytest.raises(TableError, match=message):
            read(folder)


def test_lines_are_an_editors_where_a_cell_holds_line_ends(tmp_path):
    labels = LABELS.replace("Target", '"Target"').replace("healthy,", '"healthy\n\n",') + "more,a,,,,1\n"
    with pytest.raises(TableError, match=f"{L}, line 8, column x: must be a number, got 'a'"):
        load_records(write_folder(tmp_path, labels=labels))


BAD_IDS = ("", "..", ".", "../ill", "a/b", "a\\b", "/etc/passwd", "C:ill", ".hidden", "a\x00b", "a b", "CON", "nul.x")


@pytest.mark.parametrize("bad", BAD_IDS)
def test_ids_that_could_leave_the_folder_are_refused(tmp_path, bad):
    labels = LABELS + f"{bad},,,,,0\n"
    with pytest.raises(TableError, match=f"{L}, line 6(, column patientId: must be letters|: is not CSV)"):
        load_records(write_folder(tmp_path, labels=labels), strict=False)
    with pytest.raises(TableError, match=f"{C}, line 6(, column patientId: must be letters|: is not CSV)"):
        load_records(write_folder(tmp_path, labels=LABELS, classes=CLASS_INFO + f"{bad},{NORMAL}\n"), strict=False)


# 3. Contradictions, each by its line.


def added(labels="", classes="", **others):
    """Return the parts of a folder with lines added to its tables, which end with line 5."""
    return {"labels": LABELS + labels, "classes": CLASS_INFO + classes, **others}


def one_more(cells, name=OPACITY):
    """Return the parts of a folder with an image in line 6 of both tables."""
    return added(f"new,{cells}\n", f"new,{name}\n")


PATIENTS = "patientId,nih_patient\nill,5\n"
CONTRADICTIONS = {  # what is written, and what must be found: (kind, file, line, id)
    "left of it": (one_more("-1,0,9,9,1"), [("box outside", L, 6, "new")]),
    "above it": (one_more("0,-0.5,9,9,1"), [("box outside", L, 6, "new")]),
    "right of it": (one_more("1000,0,25,9,1"), [("box outside", L, 6, "new")]),
    "below it": (one_more("0,1000,9,24.01,1"), [("box outside", L, 6, "new")]),
    "no width": (one_more("5,5,0,9,1"), [("box without area", L, 6, "new")]),
    "negative height": (one_more("50,50,9,-9,1"), [("box without area", L, 6, "new")]),
    "NaN": (one_more("5,5,nan,9,1"), [("box not finite", L, 6, "new")]),
    "infinite": (one_more("5,5,9,inf,1"), [("box not finite", L, 6, "new")]),
    "a side missing": (one_more("5,,9,9,1"), [("box not finite", L, 6, "new")]),
    "positive without": (one_more(",,,,1"), [("positive without box", L, 6, "new")]),
    "negative with": (one_more("5,5,9,9,0", NORMAL), [("negative with box", L, 6, "new")]),
    "Target 2": (one_more("5,5,9,9,2", NORMAL), [("bad target", L, 6, "new")]),
    "Target NaN": (one_more(",,,,nan", NORMAL), [("bad target", L, 6, "new")]),
    "box twice": (
        added("ill,100,200,30.0,40,1\n", f"ill,{OPACITY}\n"),  # other digits, the same box as in line 2
        [("duplicate row", L, 6, "ill")],
    ),
    "negative twice": (added("other,,,,,0\n", f"other,{OTHER}\n"), [("duplicate row", L, 6, "other")]),
    "both targets": (added("ill,,,,,0\n", f"ill,{OPACITY}\n"), [("mixed targets", L, 6, "ill")]),
    "opacity without": (one_more(",,,,0", OPACITY), [("opacity without target", C, 6, "new")]),
    "target without": (one_more("5,5,9,9,1", OTHER), [("target without opacity", L, 6, "new")]),
    "a class row too few": (added("ill,1,1,9,9,1\n"), [("row counts differ", C, 2, "ill")]),
    "a class row too many": (added("", f"other,{OTHER}\n"), [("row counts differ", C, 5, "other")]),
    "two classes": (
        {"labels": LABELS, "classes": CLASS_INFO.replace(f"ill,{OPACITY}\nh", f"ill,{NORMAL}\nh")},
        [("classes differ", C, 3, "ill")],
    ),
    "unknown class": (one_more(",,,,0", "normal"), [("unknown class", C, 6, "new")]),
    "not in classes": (added("new,,,,,0\n"), [("only in labels", L, 6, "new")]),
    "not in labels": (added("", f"new,{NORMAL}\n"), [("only in classes", C, 6, "new")]),
    "film": (
        added(films=["ill.dcm", "stranger.dcm", ".DS_Store", "._ill.dcm"]),
        [("unknown film", "stage_2_train_images/stranger.dcm", None, "stranger")],
    ),
    "patient of nobody": (added(nih_patients=PATIENTS + "new,7\n"), [("unknown image", P, 3, "new")]),
    "two patients": (added(nih_patients=PATIENTS + "ill,6\n"), [("two patients", P, 3, "ill")]),
    "two matches": (
        added(rsna_to_nih="patientId,nih_patient,match_mse\nill,5,1\nill,7,90\nill,6,2\n"),
        [("two patients", M, 4, "ill")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions_by_line(tmp_path, case):
    parts, want = CONTRADICTIONS[case]
    folder = write_folder(tmp_path, **parts)
    found = find_contradictions(folder)
    assert [(one.kind, one.file, one.line, one.image_id) for one in found] == want
    place = found[0].file if found[0].line is None else f"{found[0].file}, line {found[0].line}"
    with pytest.raises(TableError, match=f"1 contradiction in the tables\n  {place}: {found[0].image_id}: "):
        load_records(folder)
    kept = [record.id for record in load_records(folder, strict=False)]
    assert kept == [name for name in ("ill", "healthy", "other") if name != found[0].image_id]


def test_every_kind_is_tried():
    assert {kind for _, want in CONTRADICTIONS.values() for kind, *_ in want} == set(KINDS)


def test_several_things_wrong_with_one_row(tmp_path):
    found = find_contradictions(write_folder(tmp_path, **one_more("1020,5,-9,2000,0", NORMAL)))
    assert [one.kind for one in found] == ["negative with box", "box without area", "box outside"]
    found = find_contradictions(write_folder(tmp_path, **one_more("1020,5,9,2000,0", OPACITY)))
    assert [one.kind for one in found] == ["negative with box", "box outside", "opacity without target"]


def test_boxes_that_touch_the_border_are_inside(tmp_path):
    assert find_contradictions(write_folder(tmp_path, **one_more("0,0,1024,1024,1"))) == []


def test_an_image_may_have_another_size(tmp_path):
    folder = write_folder(tmp_path, **one_more("1000,0,25,9,1"))
    assert find_contradictions(folder, image_size=1025) == []
    assert find_contradictions(folder, sizes={"new": (9, 1025)}) == []
    assert len(load_records(folder, sizes={"new": (9, 1025)})) == 4
    text = str(find_contradictions(folder, sizes={"new": (8, 1025)})[0])
    assert "(x 1000, y 0, width 25, height 9) leaves the image, which is 1025 wide and 8 high" in text


def test_the_first_ten_are_quoted_and_the_rest_counted(tmp_path):
    labels = "".join(f"more{index},,,,,1\n" for index in range(30))
    classes = "".join(f"more{index},{OPACITY}\n" for index in range(30))
    with pytest.raises(TableError) as error:
        load_records(write_folder(tmp_path, **added(labels, classes)))
    lines = str(error.value).splitlines()
    assert "30 contradictions" in lines[0] and "and 20 more" in lines[11] and "data check" in lines[12]
    assert [f"line {line}:" in text for line, text in zip(range(6, 16), lines[1:])] == [True] * 10


def test_flipped_bytes_are_read_or_refused_by_our_error(tmp_path, rng):
    plain = LABELS.encode()
    for _ in range(300):
        data = bytearray(plain[: rng.integers(1, len(plain) + 1)])
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(0, 256)
        try:
            load_records(write_folder(tmp_path, labels=bytes(data)))
        except TableError as error:
            assert str(tmp_path) in str(error)


# 4. RSNA's own tables.


@needs_full_tables
def test_the_challenge_is_counted_as_the_csv_module_counts_it():
    start = time.perf_counter()
    records = load_records(FULL_TABLES)
    assert time.perf_counter() - start < 10  # 0.5 s alone; what is held is that nothing is quadratic
    rows, classes = rows_of(FULL_TABLES / L), rows_of(FULL_TABLES / C)
    boxes_of = collections.Counter(row["patientId"] for row in rows if row["Target"] == "1")
    rows_by_id = collections.Counter(row["patientId"] for row in rows)
    class_of = {row["patientId"]: row["class"] for row in classes}
    got = counts(records)
    assert [record.id for record in records] == list(rows_by_id)
    assert got.images_by_rows == collections.Counter(rows_by_id.values())
    assert got.images_by_boxes == collections.Counter(boxes_of[one] for one in rows_by_id)
    assert got.images_by_class == collections.Counter(class_of.values())
    assert got.rows_by_class == collections.Counter(row["class"] for row in classes)
    first = next(row for row in rows if row["Target"] == "1")
    y, x = float(first["y"]), float(first["x"])
    want = [y, x, y + float(first["height"]), x + float(first["width"])]
    boxes = next(record.boxes for record in records if record.id == first["patientId"])
    np.testing.assert_array_equal(boxes[0], want)
    assert (got.films, got.patients, got.unknown_patients) == (0, 11410 + 98, 98)
    for name in ("images", "rows", "boxes", "positive_images", "images_by_class", "images_by_boxes", "images_by_rows"):
        assert getattr(got, name) == getattr(FULL, name)
    ids, has_box = (np.array([row[name] for row in rows]) for name in ("patientId", "Target"))
    assert images_by_boxes(ids, has_box == "1").tolist() == [20672, 2614, 3266, 119, 13]


def test_the_published_counts():
    # Kaggle's page and the slides, but for their "1: 23286", which counts images with one row.
    assert (FULL.images, FULL.rows, FULL.boxes, FULL.positive_images) == (26684, 30227, 9555, 6012)
    assert FULL.images_by_rows[1] == 23286 == FULL.images_by_boxes[0] + FULL.images_by_boxes[1]
    for by_class, total in ((FULL.images_by_class, FULL.images), (FULL.rows_by_class, FULL.rows)):
        assert sum(by_class.values()) == total
    assert sum(k * n for k, n in FULL.images_by_boxes.items()) == FULL.boxes
    assert sum(k * n for k, n in FULL.images_by_rows.items()) == FULL.rows


@needs_real_films
def test_a_part_of_the_challenge():
    got = counts(load_records(SHARED))
    assert (got.images, got.films, got.boxes, got.unknown_patients) == (239, 239, 142, 0)
    assert got.images_by_class == {OPACITY: 89, OTHER: 97, NORMAL: 53}  # its README
