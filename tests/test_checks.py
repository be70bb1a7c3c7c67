"""``check`` and what is under it: it never raises, never hangs, and says what is wrong, whatever it is given."""

import os
import sys
import time
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from mini_rcnn.cases import Case
from mini_rcnn.checks import check
from mini_rcnn.checks import judging as judging_module
from mini_rcnn.checks.comparing import difference, shown
from mini_rcnn.checks.flat import NotComparableError, flat
from mini_rcnn.checks.judging import ENDLESS, NOT_RETURNED, ONLY_EMPTY, cases_of, judge
from mini_rcnn.checks.running import run_case
from mini_rcnn.exercises import find
from mini_rcnn.stages.boxes import box_areas, box_iou

NAME = "boxes.box_iou"


class NamedPair(NamedTuple):
    """Two numbers with names."""

    a: int
    b: int


def own_iou(boxes_a, boxes_b):
    """A right answer that is not the library's own object."""
    return box_iou(boxes_a, boxes_b)


@pytest.fixture
def quick(monkeypatch):
    """Let the exercise's cases take half a second and no longer."""
    exercise = find(NAME)._replace(seconds=0.5)
    monkeypatch.setattr(sys.modules["mini_rcnn.checks.check"], "find", lambda name: exercise)
    return exercise


def said(capsys, function, name=NAME):
    """Return the lines that a check says."""
    assert check(name, function) is None
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out.splitlines()


def test_a_right_answer(capsys):
    (line,) = said(capsys, own_iou)
    assert line.startswith("[ok] boxes.box_iou: 3") and "Matterport's own answers" in line


def test_an_unanswered_exercise(capsys):
    def todo(boxes_a, boxes_b):
        raise NotImplementedError("write me")

    assert said(capsys, todo) == ["[todo] boxes.box_iou: write the function above, run its cell, then this one."]


def test_the_librarys_own_is_no_answer(capsys):
    (line,) = said(capsys, box_iou)
    assert line.startswith("[todo]") and "library's own" in line


def test_a_wrong_answer_shows_the_smallest_case_and_a_hint(capsys):
    def wrong(boxes_a, boxes_b):
        return box_iou(boxes_a, boxes_b) + 0.25

    first, hint = said(capsys, wrong)
    assert first.startswith("[no] boxes.box_iou: case '") and "got" in first and "expected" in first
    assert hint.startswith("     Hint: ")


def raises_value(boxes_a, boxes_b):
    raise ValueError("my own\nmessage")


def raises_exit(boxes_a, boxes_b):
    sys.exit(3)


def raises_interrupt(boxes_a, boxes_b):
    raise KeyboardInterrupt


def recurses(boxes_a, boxes_b):
    return recurses(boxes_a, boxes_b)


def divides(boxes_a, boxes_b):
    return 1 / 0


@pytest.mark.parametrize(
    "function, words",
    [
        (raises_value, "ValueError: my own message"),
        (raises_exit, "SystemExit: 3"),
        (raises_interrupt, "KeyboardInterrupt"),
        (recurses, "RecursionError"),
        (divides, "ZeroDivisionError"),
        (lambda boxes_a: boxes_a, "TypeError"),
        (lambda boxes_a, boxes_b: None, "returned None"),
        (lambda boxes_a, boxes_b: iter([]), "a list_iterator"),
        (lambda boxes_a, boxes_b: object(), "an object"),
        (lambda boxes_a, boxes_b: np.array([None]), "not an array, a number or a text"),
        (lambda boxes_a, boxes_b: box_iou(boxes_a, boxes_b).T, "shape"),
        (lambda boxes_a, boxes_b: box_iou(boxes_a, boxes_b) > 0, "booleans, expected floats"),
        (lambda boxes_a, boxes_b: (box_iou(boxes_a, boxes_b), 1), "2 parts"),
        (lambda boxes_a, boxes_b: "0.5", "shape"),
    ],
)
def test_whatever_a_function_does_is_said_in_words(capsys, function, words):
    lines = said(capsys, function)
    assert lines[0].startswith("[no]") and words in lines[0]
    assert any("Hint:" in line for line in lines)


def test_the_line_that_raised_is_quoted(capsys):
    assert "     in your line: return 1 / 0" in said(capsys, divides)


@pytest.mark.parametrize("thing", [3, None, "box_iou", np.zeros(3)])
def test_no_function_at_all(capsys, thing):
    (line,) = said(capsys, thing)
    assert line.startswith("[no]") and "no function" in line


@pytest.mark.parametrize("name", ["boxes.box_iuo", "", None, 7])
def test_an_unknown_name(capsys, name):
    (line,) = said(capsys, own_iou, name)
    assert line.startswith("[no] there is no exercise")


def test_a_loop_without_end_is_stopped(capsys, quick):
    stopped = []

    def endless(boxes_a, boxes_b):
        try:
            while True:
                pass
        finally:
            stopped.append(True)

    begun = time.perf_counter()
    lines = said(capsys, endless)
    assert time.perf_counter() - begun < 8
    assert "did not finish within 0.5 s" in lines[0] and lines[1] == f"     Hint: {ENDLESS}"
    assert stopped == [True]


def test_a_loop_that_cannot_be_stopped_is_left_alone(capsys, quick):
    let_go = []

    def stubborn(boxes_a, boxes_b):
        while not let_go:
            try:
                time.sleep(0.01)
            except BaseException:
                pass

    lines = said(capsys, stubborn)
    let_go.append(True)
    assert "did not finish" in lines[0] and "restart the kernel" in lines[1]


def test_a_long_sleep_does_not_hold_the_check_up(capsys, quick):
    begun = time.perf_counter()
    lines = said(capsys, lambda boxes_a, boxes_b: time.sleep(4))
    assert "did not finish" in lines[0] and time.perf_counter() - begun < 8


def test_a_changed_argument_spoils_no_other_case_and_is_said(capsys):
    before = cases_of(find(NAME))

    def changing(boxes_a, boxes_b):
        answer = box_iou(boxes_a, boxes_b)
        boxes_a[...] = 7
        return answer

    lines = said(capsys, changing)
    assert lines[0].startswith("[ok]") and "changes its argument `boxes_a`" in lines[1]
    for case, again in zip(before, cases_of(find(NAME))):
        np.testing.assert_array_equal(case.inputs[0], again.inputs[0])


def test_prints_are_kept_few(capsys):
    def chatty(boxes_a, boxes_b):
        for number in range(1000):
            print("line", number)
        return np.zeros(3)

    lines = said(capsys, chatty)
    assert "     printed: line 0" in lines and len(lines) < 10


def test_only_empty_input_fails():
    def forgets_empty(boxes_a, boxes_b):
        if not len(boxes_a) or not len(boxes_b):
            return np.zeros(0)
        return box_iou(boxes_a, boxes_b)

    assert judge(find(NAME), forgets_empty).hint == ONLY_EMPTY


def test_returning_nothing_has_its_hint():
    assert judge(find(NAME), lambda boxes_a, boxes_b: None).hint == NOT_RETURNED


def test_a_mistake_with_a_flaw_of_its_own_is_still_known():
    """One wrong answer that also forgets boxes without area: most failed cases agree with one of the known."""

    def summed(boxes_a, boxes_b):
        shared = box_iou(boxes_a, boxes_b)
        areas = box_areas(boxes_a)[:, None] + box_areas(boxes_b)
        with np.errstate(invalid="ignore"):
            return shared / (1 + shared) * np.where(areas > 0, 1, np.nan)  # shared over the sum of both areas

    verdict = judge(find(NAME), summed)
    assert verdict.mistake == "union is the sum of the areas" and verdict.hint.startswith("Perhaps this: ")


def test_a_drawing_that_fails_is_left_out(capsys, monkeypatch):
    def no_drawing(case, expected, got):
        raise RuntimeError("no picture")

    exercise = find(NAME)._replace(draw=no_drawing)
    monkeypatch.setattr(sys.modules["mini_rcnn.checks.check"], "find", lambda name: exercise)
    assert said(capsys, lambda boxes_a, boxes_b: 1 + box_iou(boxes_a, boxes_b))[0].startswith("[no]")


def test_hostile_objects_are_words_too():
    class Hostile:
        def __array__(self, *arguments, **options):
            raise RuntimeError("not me")

        def __eq__(self, other):
            raise RuntimeError("nor me")

        def __deepcopy__(self, memo):
            raise RuntimeError("nor me")

    case = Case("any", (np.zeros(2),), {}, 0)
    result = run_case(lambda values: Hostile(), case, seconds=2)
    assert result.parts is None and "Hostile" in result.error


def test_flat_names_every_part():
    found = flat({"b": [1, 2], "a": (np.zeros(1), "x"), "c": SimpleNamespace and None})
    assert [name for name, _ in found] == ["['a'][0]", "['a'][1]", "['b']", "['c']"]
    assert [name for name, _ in flat([np.zeros(2), np.zeros(3)])] == ["[0]", "[1]"]
    assert [name for name, _ in flat([[1, 2], [3, 4]])] == [""]
    assert [name for name, _ in flat([[1, 2], [3]])] == ["[0]", "[1]"]
    with pytest.raises(NotComparableError):
        flat([[[[[[[[object()]]]]]]]])


def test_differences_by_hand():
    def result(value):
        return run_case(lambda: value, Case("c", (), {}, 1e-3), seconds=1)

    expected = flat(np.array([1.0, 2.0]))
    assert difference(result(np.array([1.0, 2.0005])), expected, atol=1e-3) is None
    assert difference(result(np.array([1, 2])), expected, atol=0) is None
    assert difference(result(np.array([1.0, np.nan])), expected, atol=1).kind == "value"
    assert difference(result(np.array([1.0, 2.1])), expected, atol=1e-3).text == "got [1, 2.1], expected [1, 2]"
    assert difference(result(np.array([True, False])), flat(np.array([1, 0])), atol=0).kind == "type"
    assert difference(result(np.array([1.0, 0.0])), flat(np.array([1, 0])), atol=0).kind == "type"
    assert difference(result([]), flat(np.zeros(0, np.int64)), atol=0) is None
    assert difference(result("a"), flat("b"), atol=0).text == "got 'a', expected 'b'"
    assert difference(result({1: 5}), flat({0: 5}), atol=0).text == "got [1], expected [0]"
    assert difference(result((1, 5)), flat({"a": 1, "b": 5}), atol=0).kind == "parts"
    assert difference(result((1, 5)), flat(NamedPair(1, 5)), atol=0) is None
    big = np.arange(100.0).reshape(10, 10)
    text = difference(result(big + (big == 37)), flat(big), atol=0).text
    assert text == "at [3, 7] got 38, expected 37; 1 of 100 values differ"
    assert shown(np.array([], int)) == "[]"


def test_more_seeds_give_more_cases_and_each_awkward_one_once():
    exercise = find(NAME)
    one, two = cases_of(exercise), cases_of(exercise, (1, 2))
    names = [case.name for case in two]
    assert len(one) < len(two) and len(set(names)) == len(names)
    assert names.count("none and none") == 1


def test_a_broken_library_function_is_our_own_fault_and_said(monkeypatch):
    monkeypatch.setattr(judging_module, "library_function", lambda exercise: raises_value)
    with pytest.raises(ValueError, match="the library's function ValueError"):
        judge(find(NAME), own_iou)


def test_check_leaves_no_trace_in_the_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said(capsys, own_iou)
    assert os.listdir(str(tmp_path)) == []
