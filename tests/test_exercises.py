"""Every exercise: the library's function passes, every tempting wrong answer fails, each with its own hint."""

import ast
import functools
import inspect
import textwrap
from pathlib import Path

import pytest

from mini_rcnn.checks import judging
from mini_rcnn.checks.judging import cases_of, expected_of, judge, verdict_on
from mini_rcnn.checks.running import run_cases
from mini_rcnn.exercises import all_exercises, find, library_function
from mini_rcnn.view.style import save_png

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = all_exercises()
HIDDEN = 20261
MISTAKES = [(name, number) for name, exercise in EXERCISES.items() for number in range(len(exercise.mistakes))]


@functools.lru_cache(maxsize=None)
def prepared(name, seed):
    """Return the cases of a seed and what is expected of them, worked out once."""
    cases = cases_of(EXERCISES[name], (seed,))
    return cases, expected_of(EXERCISES[name], cases)


@functools.lru_cache(maxsize=None)
def results_of(name, seed, function):
    """Return the results of a function on the cases of a seed, worked out once."""
    return run_cases(function, prepared(name, seed)[0], seconds=EXERCISES[name].seconds)


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
def test_each_tempting_answer_fails_with_its_own_hint(name, number, monkeypatch):
    """As `judge` does it, but each wrong answer is run once and not once for every other that it may be."""
    exercise = EXERCISES[name]
    mistake = exercise.mistakes[number]
    for seed in (1, HIDDEN):
        cases, expected = prepared(name, seed)
        with monkeypatch.context() as patch:
            run = functools.partial(results_of, name, seed)
            patch.setattr(judging, "run_cases", lambda function, cases, seconds, run=run: run(function)[: len(cases)])
            verdict = verdict_on(exercise, cases, expected, results_of(name, seed, mistake.function))
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
