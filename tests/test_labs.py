"""The labs: notebooks are what their sources say, were run to the end, and ask what has an exercise."""

import json
import re
import sys
import warnings

import pytest

from mini_rcnn import labs
from mini_rcnn.exercises import all_exercises
from mini_rcnn.notebooks.build import LONGEST, notebook_of, sources_of, text_of
from mini_rcnn.notebooks.execute import executed
from mini_rcnn.notebooks.mistakes_page import mistakes_page
from mini_rcnn.notebooks.source import LabError, exercise_texts, parse, read_source

SOURCES = labs.sources()
NOTEBOOKS = [(source, solved, path) for source in SOURCES for solved, path in labs.notebook_paths(source)]
LARGEST = 1_300_000  # bytes of a notebook
ON_PURPOSE = ("wrong",)  # cells whose answer is wrong, to show what a check says


def name_of(value):
    """Return how a notebook is called in a test's name."""
    return getattr(value, "stem", None) or {True: "solution", False: "exercise"}.get(value, "")


def cells_of(path):
    """Return a notebook's cells."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def printed(cell):
    """Return what a cell printed."""
    return "".join("".join(output.get("text", "")) for output in cell.get("outputs", []))


def test_notebooks_are_what_their_sources_say():
    assert labs.out_of_step() == []


def test_there_are_no_others():
    notebooks = {path for _, _, path in NOTEBOOKS}
    assert set(labs.LABS.rglob("*.ipynb")) == notebooks


@pytest.mark.parametrize("source, solved, path", NOTEBOOKS, ids=name_of)
def test_every_cell_was_run_and_none_failed(source, solved, path):
    code = [cell for cell in cells_of(path) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert path.stat().st_size < LARGEST


@pytest.mark.parametrize("source, solved, path", NOTEBOOKS, ids=name_of)
def test_no_cell_is_let_off(source, solved, path):
    """What nbval would skip, not compare, or expect to fail is not in the labs."""
    text = path.read_text(encoding="utf-8")
    assert [word for word in ("NBVAL", "nbval", "raises-exception", "PYTEST_VALIDATE") if word in text] == []


@pytest.mark.parametrize("source, solved, path", NOTEBOOKS, ids=name_of)
def test_verdicts(source, solved, path):
    """A solution has all exercises right; an exercise notebook has all of them to do."""
    lines = [line for cell in cells_of(path) if cell["id"] not in ON_PURPOSE for line in printed(cell).splitlines()]
    verdicts = [line.split()[0] for line in lines if re.match(r"\[\w+\] \w+\.", line)]
    exercises = [cell.text for cell in read_source(source) if cell.kind == "exercise"]
    assert verdicts == ["[ok]" if solved else "[todo]"] * len(exercises)


@pytest.mark.parametrize("source, solved, path", NOTEBOOKS, ids=name_of)
def test_notebook_is_valid(source, solved, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbformat's own, on Python 3.7
        import nbformat

        notebook = nbformat.read(str(path), as_version=4)
        nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_a_lab_says_what_it_is(source):
    first, cells = read_source(source)[0], read_source(source)
    words = ["**Time:**", "**Afterwards you have:**"] + ["**Paper:**", "**You need:**"] * (source.name[:2] != "00")
    assert [word for word in words if word not in first.text.replace("\n", " ")] == []
    assert all(len(cell.text.splitlines()) <= LONGEST for cell in cells if cell.kind == "code")
    if source.name[:2] != "00":
        assert f'start_lab("{source.name[:2]}"' in "".join(cell.text for cell in cells if cell.kind == "code")
        assert sum("<details>" in cell.text for cell in cells) >= 2


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_each_exercise_is_checked_and_the_lab_goes_on_without_it(source):
    cells = read_source(source)
    code = [cell for cell in cells if cell.kind != "markdown"]
    by_target = {exercise.target: exercise.name for exercise in all_exercises().values()}
    for place, cell in enumerate(code):
        if cell.kind == "exercise":
            module, _, function = cell.text.partition(":")
            assert code[place + 1].text.strip() == f'check("{by_target[cell.text]}", {function})'
            later = "\n".join(other.text for other in code[place + 2 :])
            assert re.search(rf"from {re.escape(module)} import .*\b{function}\b", later), cell.text


def test_every_exercise_has_its_place_in_a_lab():
    asked = [cell.text for source in SOURCES for cell in read_source(source) if cell.kind == "exercise"]
    assert sorted(asked) == sorted(exercise.target for exercise in all_exercises().values())


def test_a_rebuild_gives_the_same_bytes(tmp_path):
    (source,) = labs.sources(["00"])
    made = notebook_of(read_source(source), solved=False, name="00")
    assert text_of(executed(made, labs.LABS)) == (labs.LABS / "00_start_here.ipynb").read_text(encoding="utf-8")


def test_exercise_and_solution_by_hand():
    empty, solved = exercise_texts("mini_rcnn.stages.nms:keep_greedily")
    assert empty.startswith('def keep_greedily(overlaps, iou_threshold):\n    """Return which boxes stay')
    assert empty.endswith('"""\n    raise NotImplementedError("write me")') and "np.ones" not in empty
    assert solved.endswith("    return keep") and solved.startswith("def keep_greedily")


def test_a_notebook_that_was_edited_is_found(tmp_path, monkeypatch):
    (source,) = labs.sources(["00"])
    monkeypatch.setattr(labs, "LABS", tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    assert ["is missing" in line for line in labs.out_of_step()] == [True, True, False]
    (tmp_path / labs.MISTAKES).write_text(mistakes_page([source]), encoding="utf-8")
    for solved, path in labs.notebook_paths(source):
        path.parent.mkdir(exist_ok=True)
        made = notebook_of(read_source(source), solved=solved, name="00")
        path.write_text(text_of(made), encoding="utf-8")
    assert labs.out_of_step() == [] and labs.main(["--check"]) == 0
    made["cells"][0]["source"][0] = "# Edited\n"
    path.write_text(text_of(made), encoding="utf-8")
    (line,) = labs.out_of_step()
    assert "not what its source says" in line and str(path) in line
    assert labs.main(["--check"]) == 1


def test_a_solution_lies_one_folder_deeper():
    cells = parse('# %% [markdown] id="a"\n# ![x](../docs/x.svg)\n', "lab.py")
    texts = ["".join(notebook_of(cells, solved=solved, name="")["cells"][0]["source"]) for solved in (False, True)]
    assert texts == ["![x](../docs/x.svg)", "![x](../../docs/x.svg)"]


@pytest.mark.parametrize(
    "text, words",
    [
        ("x = 1\n", "begins with a cell"),
        ("# %%\nx = 1\n", 'id="letters'),
        ('# %% id="a b"\n', 'id="letters'),
        ('# %% id="a"\n\n# %% id="a"\n', "must differ"),
        ('# %% id="a" colour="red"\n', 'id="letters'),
        ('# %% id="a" exercise="m:f"\nx = 1\n', "leave it empty"),
    ],
)
def test_a_bad_source_is_named(text, words):
    with pytest.raises(LabError, match=words):
        parse(text, "lab.py")


@pytest.mark.parametrize("target", ["mini_rcnn.stages.nms:nothing", "mini_rcnn.stages.nms", "mini_rcnn.nowhere:f"])
def test_an_exercise_of_no_function_is_named(target):
    with pytest.raises(LabError, match="there is no such function"):
        exercise_texts(target)


def test_a_long_cell_is_named():
    cells = parse('# %% id="long"\n' + "x = 1\n" * (LONGEST + 1), "lab.py")
    with pytest.raises(LabError, match="'long' has 11 lines"):
        notebook_of(cells, solved=False, name="lab.py")


@pytest.mark.parametrize(
    "code, words",
    [("1 / 0", "ZeroDivisionError"), ("import sys; print('x', file=sys.stderr)", "writes to stderr")],
)
def test_a_cell_that_fails_is_named(tmp_path, code, words):
    cells = parse(f'# %% id="cell"\n{code}\n', "lab.py")
    with pytest.raises(LabError, match=words):
        executed(notebook_of(cells, solved=False, name="lab.py"), tmp_path)


def test_stream_after_stream_is_joined_and_nothing_else_kept(tmp_path):
    text = "import sys; print('a'); sys.stdout.flush(); print('b'); 3"
    made = executed(notebook_of(parse(f'# %% id="cell"\n{text}\n', "lab.py"), solved=False, name="lab.py"), tmp_path)
    (cell,) = made["cells"]
    assert [output["output_type"] for output in cell["outputs"]] == ["stream", "execute_result"]
    assert cell["outputs"][0]["text"] == ["a\n", "b\n"] and cell["metadata"] == {}
    assert sources_of(made) == [("cell", "code", text)]


def test_the_verb_says_what_is_wrong(capsys):
    assert labs.main(["77"]) == 1
    assert "there is no lab '77'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        labs.main(["--help"])
    assert ended.value.code == 0 and "labs/src" in capsys.readouterr().out
    assert "mini_rcnn.labs" in sys.modules
