"""Every exercise: the library's function passes, every tempting wrong answer fails, each with its own hint."""

import ast
import inspect
import textwrap
from pathlib import Path

import pytest

from mini_rcnn.checks.judging import cases_of, judge
from mini_rcnn.exercises import all_exercises, find, library_function
from mini_rcnn.view.style import save_png

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = all_exercises()
HIDDEN = 20261
MISTAKES = [(name, number) for name, exercise in EXERCISES.items() for number in range(len(exercise.mistakes))]


def body_lines(function):
    """Return how many lines a function's body has, its docstring and empty lines apart."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    body = node.body[1:]
    lines = inspect.getsource(function).splitlines()[body[0].lineno - 1 :]
    return len([line for line in lines if line.strip()])


@pytest.mark.parametrize("name", EXERCISES)
def test_the_librarys_function_passes(name):
    exercise = EXERCISES[name]
    verdict = judge(exercise, library_function(exercise), seeds=(1, HIDDEN))
    assert (verdict.kind, verdict.text, verdict.changed) == ("ok", "", ())
    assert verdict.n_cases >= 5


@pytest.mark.parametrize("name, number", MISTAKES, ids=lambda value: str(value))
def test_each_tempting_answer_fails_with_its_own_hint(name, number):
    exercise = EXERCISES[name]
    mistake = exercise.mistakes[number]
    for seed in (1, HIDDEN):
        verdict = judge(exercise, mistake.function, seeds=(seed,))
        assert (verdict.kind, verdict.mistake, verdict.hint) == ("no", mistake.name, mistake.hint)
        assert verdict.text


@pytest.mark.parametrize("name", EXERCISES)
def test_exercise_is_well_made(name):
    exercise = EXERCISES[name]
    assert len(exercise.mistakes) >= 3
    assert len({mistake.hint for mistake in exercise.mistakes}) == len(exercise.mistakes)
    assert len({mistake.name for mistake in exercise.mistakes}) == len(exercise.mistakes)
    function = library_function(exercise)
    assert 3 <= body_lines(function) <= 25
    assert "Returns" in function.__doc__ and "Notes" in function.__doc__ and "Examples" in function.__doc__
    first, again = cases_of(exercise), cases_of(exercise)
    assert [case.name for case in first] == [case.name for case in again]
    assert len({case.name for case in first}) == len(first)


@pytest.mark.parametrize("name", [name for name, exercise in EXERCISES.items() if exercise.draw])
def test_drawings(name, tmp_path):
    exercise, drawn = EXERCISES[name], 0
    for mistake in exercise.mistakes:
        verdict = judge(exercise, mistake.function)
        if verdict.got:
            figure = exercise.draw(verdict.case, dict(verdict.expected), dict(verdict.got))
            if figure is not None:
                save_png(figure, tmp_path / "drawn.png")
                drawn += 1
    assert drawn


def test_an_unknown_name_says_the_nearest():
    with pytest.raises(ValueError, match="did you mean boxes.box_iou"):
        find("boxes.box_iuo")


def test_readme_counts_them():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{len(EXERCISES)} in all" in text and f"It knows {len(MISTAKES)} wrong answers" in text
