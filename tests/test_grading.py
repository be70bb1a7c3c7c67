"""The parts of the grader: whose a notebook is, which lab, which cells run, what a kernel may say, what is written."""

from __future__ import annotations

import csv
import io
import json
import os
import types
import zipfile

import numpy as np
import pytest
from grading_copies import GREEDY, LIGHT, NMS, STEM, code, lab

from mini_rcnn import grade
from mini_rcnn.exercises import find
from mini_rcnn.grading import inside
from mini_rcnn.grading.catalogue import all_labs, lab_of, shape_of
from mini_rcnn.grading.exchange import Questions, hidden_seeds, read_results
from mini_rcnn.grading.marking import LIBRARY, mark_of
from mini_rcnn.grading.planning import cut, definitions, names_in, plan
from mini_rcnn.grading.pool import ENDED_GRADER, Graded, put_together
from mini_rcnn.grading.submissions import (
    Notebook,
    NotebookError,
    Submission,
    code_cells,
    read_notebook,
    readable,
    submission_of,
)
from mini_rcnn.grading.tables import canvas_text, details_text, moodle_texts, rows_of, summary, width
from mini_rcnn.stages import nms

LABS = all_labs()
LAB_03 = next(one for one in LABS if one.number == "03")
TARGET = "mini_rcnn.stages.nms:keep_greedily"


def notebook(content, path):
    return Notebook(path, tuple(code_cells(content)))


@pytest.mark.parametrize(
    "file, expected",
    [
        ("Kim Minsu_123_assignsubmission_file/lab.ipynb", ("Kim Minsu", "123", "moodle")),
        ("Kim Minsu_123_assignsubmission_file_/deep/er/lab.ipynb", ("Kim Minsu", "123", "moodle")),
        ("Kim Minsu_123_assignsubmission_file_lab.ipynb", ("Kim Minsu", "123", "moodle")),
        ("김민수_7_assignsubmission_file_/03_two_stage_nms (1).ipynb", ("김민수", "7", "moodle")),
        ("leejiwon_44_55_03_two_stage_nms.ipynb", ("leejiwon", "44", "canvas")),
        ("leejiwon_LATE_44_55_lab-1.ipynb", ("leejiwon", "44", "canvas")),
        ("park/03_two_stage_nms.ipynb", ("park", "", "")),
        ("park/week 2/03_two_stage_nms.ipynb", ("park", "", "")),
        ("03_two_stage_nms_park.ipynb", ("park", "", "")),
        ("park jiwon 03_two_stage_nms (2).ipynb", ("park jiwon", "", "")),
        ("박지원 - 03_two_stage_nms.ipynb", ("박지원", "", "")),
        ("03_two_stage_nms.ipynb", ("03_two_stage_nms", "", "")),
    ],
)
def test_whose_a_notebook_is(tmp_path, file, expected):
    found = submission_of(tmp_path / file, tmp_path, [STEM])
    assert (found.student, found.id, found.system) == expected


def test_names_from_a_zip_of_an_old_windows(tmp_path):
    found = submission_of(tmp_path / os.fsdecode("김민수".encode("cp949")) / "lab.ipynb", tmp_path)
    assert (found.student, found.file) == ("김민수", "김민수/lab.ipynb")
    assert readable("k\udcffm").isprintable()


def test_korean_names_from_a_mac_are_whole_letters(tmp_path):
    found = submission_of(tmp_path / "\u1100\u1175\u11b7" / "lab.ipynb", tmp_path)
    assert found.student == "김"


@pytest.mark.parametrize("one", LABS, ids=lambda one: one.number)
def test_each_lab_is_known_by_its_cells(one, tmp_path):
    from mini_rcnn.grading.catalogue import SOURCES
    from mini_rcnn.notebooks.build import notebook_of
    from mini_rcnn.notebooks.source import read_source

    content = notebook_of(read_source(SOURCES / f"{one.stem}.py"), solved=True, name=one.stem)
    assert lab_of(notebook(content, tmp_path / "homework.ipynb"), LABS).number == one.number
    for cell in content["cells"]:
        cell.pop("id")
        cell["metadata"] = {}
    if one.exercises:
        assert lab_of(notebook(content, tmp_path / "homework.ipynb"), LABS).number == one.number


def test_a_lab_is_known_by_its_file_where_nothing_else_tells(tmp_path):
    content = {"cells": [code("x = 1")]}
    assert lab_of(notebook(content, tmp_path / f"{STEM}.ipynb"), LABS) == LAB_03
    assert lab_of(notebook(content, tmp_path / "notes.ipynb"), LABS) is None


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "empty"),
        (b"%PDF", "no JSON"),
        (b"[1, 2]", "no notebook"),
        (b'{"cells": {}}', "no notebook"),
        (b'{"cells": [1]}', "no notebook"),
        (b'{"cells": [{"cell_type": "code", "source": 7}]}', "cell 1 holds no text"),
        (b"\xff\xfe\x00", "no text"),
        (b"[" * 100000, "JSON|no text"),
    ],
)
def test_files_that_are_no_notebooks(tmp_path, content, words):
    path = tmp_path / "one.ipynb"
    path.write_bytes(content)
    with pytest.raises(NotebookError, match=words):
        read_notebook(path)


def texts(content, tmp_path, **options):
    return [piece.text for piece in plan(notebook(content, tmp_path / "one.ipynb"), LAB_03, **options)]


def test_nothing_runs_of_an_untouched_lab(tmp_path):
    assert texts(lab(start=None), tmp_path) == []


def test_checks_and_what_comes_after_the_last_answer_are_left_out(tmp_path):
    ran = texts(lab(start=None, keep_greedily=GREEDY), tmp_path)
    assert ran[-1] == GREEDY
    assert not any("check(" in text or "show(" in text or "start_lab(" in text for text in ran)
    assert "from mini_rcnn.stages.boxes import box_iou" in ran[0]


def test_cells_that_an_answer_uses_run_whole(tmp_path):
    ran = texts(lab(start=None, keep_greedily=GREEDY + "\nprint(keep_greedily(np.eye(3), 0.5), len(scores))"), tmp_path)
    assert any("start_lab(" in text for text in ran) and any("scores = trace" in text for text in ran)


@pytest.mark.parametrize("line", ["globals()['x'] = 1", "%matplotlib inline", "import __main__", "exec('1')"])
def test_all_cells_run_where_an_answer_may_use_any(tmp_path, line):
    ran = texts(lab(start=None, keep_greedily=GREEDY + "\n" + line), tmp_path)
    assert any("show(" in text for text in ran)
    assert names_in(line) is None


def test_all_cells_run_if_asked(tmp_path):
    ran = texts(lab(start=None), tmp_path, all_cells=True)
    assert any(text.startswith("check(") for text in ran) and any("counts = " in text for text in ran)


def test_a_cell_is_cut_where_a_function_is_bound_again():
    text = GREEDY + "\nprint(1)\nfrom mini_rcnn.stages.nms import keep_greedily\nx = 2"
    assert cut(text, {"keep_greedily"}) == [GREEDY + "\nprint(1)", "\n".join(text.split("\n")[-2:])]
    assert cut("a = (\n1)\n!ls", {"keep_greedily"}) == ["a = (\n1)\n!ls"]
    assert cut("f = 1; f = 2", {"f"}) == ["f = 1; f = 2"]


def test_definitions_of_a_cell():
    text = "import os\nos._exit(0)\n\n\n@staticmethod\ndef f():\n    return 1\n\nwhile True: pass\n"
    assert definitions(text) == "import os\n@staticmethod\ndef f():\n    return 1"
    assert definitions("import os; os._exit(0)") == "import os; os._exit(0)"
    assert definitions("def (") == ""


def test_texts_that_do_the_same_have_one_shape():
    assert shape_of(GREEDY, "keep_greedily") == shape_of(
        GREEDY.replace("    keep = ", "    # mine\n    keep = "), "keep_greedily"
    )
    assert shape_of(GREEDY, "keep_greedily") != shape_of(GREEDY.replace("<=", "<"), "keep_greedily")


def judged(function, target=TARGET):
    with inside.without_library(target):
        return inside.run(function, [inside.Given((np.eye(2), 0.5), {})], seconds=1, total=10)


def test_the_librarys_function_refuses_while_a_student_is_judged():
    before = nms.keep_greedily.__code__
    (result,) = judged(lambda overlaps, threshold: nms.keep_greedily(overlaps, threshold))
    assert result.kind == "LibraryCalledError"
    assert nms.keep_greedily.__code__ is before
    assert nms.keep_greedily(np.eye(2), 0.5).tolist() == [True, True]
    (result,) = judged(lambda overlaps, threshold: __import__("mini_rcnn.stages_tf.nms"))
    assert result.parts is None


def test_a_library_function_with_a_closure_and_defaults_refuses_too(monkeypatch):
    factor = 2

    def closed(value, times=1, *, more=0):
        return factor * value * times + more

    monkeypatch.setattr(nms, "keep_greedily", closed)
    (result,) = judged(lambda *values: nms.keep_greedily(1))
    assert result.kind == "LibraryCalledError" and closed(3) == 6


def test_whose_function_it_is():
    mine = types.FunctionType(judged.__code__, {"__name__": "__main__"})
    assert inside.whose(mine, TARGET) == "student"
    assert inside.whose(nms.keep_greedily, TARGET) == "library"
    assert inside.whose(nms.two_stage_nms, TARGET) == "library"
    assert inside.whose(np.vectorize(max), TARGET) == "student"
    assert inside.whose(None, TARGET) == inside.whose(7, TARGET) == "absent"


def answered(tmp_path, function):
    """Return the Mark of a function that goes the way through the files."""
    exercise = find("nms.keep_greedily")
    cases, expected, _ = Questions(hidden_seeds(1, 1)).of(exercise)
    given = [inside.Given(case.inputs, case.options) for case in cases]
    with inside.without_library(TARGET):
        inside.write_results(inside.run(function, given, seconds=5, total=20), str(tmp_path / "answer"))
    return mark_of(exercise, cases, expected, read_results(tmp_path / "answer"))


def test_answers_through_files(tmp_path):
    space = {"np": np}
    exec(GREEDY, space)
    assert answered(tmp_path, space["keep_greedily"]).verdict == "ok"
    mark = answered(tmp_path, lambda overlaps, threshold: np.ones(len(overlaps)))
    assert (mark.verdict, bool(mark.hint)) == ("no", True)
    assert answered(tmp_path, lambda overlaps, threshold: nms.keep_greedily(overlaps, threshold)).hint == LIBRARY

    def unwritten(overlaps, threshold):
        raise NotImplementedError

    assert answered(tmp_path, unwritten).verdict == "todo"

    def later(overlaps, threshold):
        if len(overlaps) > 2:
            raise NotImplementedError
        return space["keep_greedily"](overlaps, threshold)

    assert answered(tmp_path, later).verdict == "no"


def forged(path, about, **arrays):
    with zipfile.ZipFile(str(path), "w") as archive:
        archive.writestr("results.json", json.dumps(about))
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            archive.writestr(name + ".npy", content.getvalue())


FACTS = {
    "names": [""],
    "error": "",
    "kind": "",
    "line": "",
    "printed": "",
    "changed": [],
    "seconds": 0,
    "running": False,
}


@pytest.mark.parametrize(
    "about, array",
    [
        ([FACTS], np.array([object()])),
        ([{**FACTS, "names": ["a", "b"]}], np.zeros(1)),
        ([{}], np.zeros(1)),
        (7, np.zeros(1)),
        ([FACTS], np.zeros(100 << 20, np.uint8)),
    ],
)
def test_forged_results_are_refused(tmp_path, about, array, monkeypatch):
    monkeypatch.setattr("mini_rcnn.grading.exchange.LARGEST", 90 << 20)
    forged(tmp_path / "answer", about, **{"0_0": array})
    with pytest.raises(ValueError):
        read_results(tmp_path / "answer")


def test_strange_kinds_and_texts_are_made_harmless(tmp_path):
    forged(tmp_path / "answer", [{**FACTS, "error": "\x1b[2Jgone\n"}], **{"0_0": np.zeros(2, complex)})
    (result,) = read_results(tmp_path / "answer")
    assert (result.parts, result.kind) == (None, "Unreadable")
    (tmp_path / "other").write_bytes(b"no zip")
    with pytest.raises(ValueError):
        read_results(tmp_path / "other")


def mark(verdict, **more):
    return {"verdict": verdict, "seconds": 1.0, "what": "", "hint": "", "note": "", **more}


def graded(student, verdicts, *, number="", system="", lab_number="03", file="lab.ipynb", **more):
    who = Submission(None, file, student, number, system)
    return Graded(who, lab_number, {f"nms.{place}": mark(one) for place, one in enumerate(verdicts)}, **more)


def read(text):
    return list(csv.reader(io.StringIO(text)))


def test_tables_of_two_labs_and_of_two_files_of_one_student():
    them = [
        graded("Kim", ["ok", "no"], number="5", system="moodle"),
        graded("Kim", ["ok", "ok"], number="5", system="moodle", file="lab (1).ipynb"),
        graded("Kim", ["todo"], number="5", system="moodle", lab_number="04"),
        graded("@lee", ["ok", "ok", "no"], number="9", system="canvas"),
        Graded(Submission(None, "x.ipynb", "Park", "6", "moodle"), unreadable="it is empty"),
    ]
    sheets = moodle_texts(them, 20.0)
    assert list(sheets) == ["03", "04"]
    assert read(sheets["03"])[1:] == [["Participant 5", "Kim", "20", "20", ""], ["", "'@lee", "13.33", "20", ""]]
    assert read(sheets["04"])[1:] == [["Participant 5", "Kim", "0", "20", ""]]
    canvas = read(canvas_text(them, 20.0))
    assert canvas[0][5:] == ["Lab 03", "Lab 04"]
    assert canvas[2:] == [
        ["Kim", "", "", "", "", "20", "0"],
        ["'@lee", "9", "", "", "", "13.33", ""],
        ["Park", "", "", "", "", "", ""],
    ]
    rows = list(csv.DictReader(io.StringIO(details_text(rows_of(them, 7))[1:])))
    assert len(rows) == 9 and {row["seed"] for row in rows} == {"7"}
    assert (rows[-1]["verdict"], rows[-1]["what"]) == ("unreadable", "it is empty")
    assert grade.moodle_paths(grade.Path("m.csv"), sheets) == {
        "03": grade.Path("m-03.csv"),
        "04": grade.Path("m-04.csv"),
    }


def test_the_summary_lines_up_under_korean_names():
    lines = summary([graded("김민수", ["ok"]), graded("Kim", ["no"])], 100.0)
    assert {width(line[: line.index("03" if "03" in line else "lab")]) for line in lines} == {len("student  ")}


def test_what_was_judged_counts_where_a_notebook_ends_its_grader():
    who = Submission(None, "x.ipynb", "Kim", "", "")
    said = [{"lab": "03", "exercises": {"f": "nms.f", "g": "nms.g"}}, {"so far": "f", "mark": mark("ok")}]
    found = put_together(who, said, False)
    assert {name: one["verdict"] for name, one in found.marks.items()} == {"nms.f": "ok", "nms.g": "no"}
    assert found.notes == (ENDED_GRADER,)
    assert put_together(who, [], False).unreadable == ENDED_GRADER
    assert put_together(who, [{"failed": "KeyError"}], True).unreadable == "KeyError"


def test_hidden_seeds_are_the_runs():
    assert hidden_seeds(1, 2) == hidden_seeds(1, 2) != hidden_seeds(2, 2)
    assert 1 not in hidden_seeds(1, 50)


def test_mistakes_in_the_call_are_one_line(tmp_path, capsys):
    assert grade.main([str(tmp_path / "none")]) == 1
    assert grade.main([str(tmp_path)]) == 1
    assert grade.main([str(tmp_path), "--csv", str(tmp_path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "no such folder" in lines[0] and "no notebook" in lines[1] and "name the file" in lines[2]
    assert all(line.startswith("python3 lab.py grade: ") for line in lines)


def test_light_copies_have_what_the_answers_need():
    assert "box_iou" in LIGHT and "box_iou" in NMS
