"""What is wrong with a function, and which wrong answer it is: a verdict without a word printed."""

from __future__ import annotations

from typing import NamedTuple

from mini_rcnn.exercises import library_function
from mini_rcnn.exercises.exercise import FROM_MATTERPORT, size_of

from .comparing import Difference, difference
from .flat import flat
from .running import run_cases

VISIBLE_SEED = 1
ALIKE = 0.6  # a wrong answer explains a result that agrees with it on this share of the failed cases
NOT_RETURNED = "The function ends without `return`, or returns None."
ONLY_EMPTY = "It fails only where there is nothing to do: what comes out when a set is empty, and of what shape?"
ENDLESS = "Does a loop end for every input? Does it do for each pair in Python what NumPy does for all at once?"
BACKGROUND = " It could not be stopped and still runs: restart the kernel (menu Kernel) when you have mended it."


class Verdict(NamedTuple):
    """What a check found."""

    kind: str  # "todo", "no" or "ok"
    n_cases: int = 0  # that the exercise has
    n_matterport: int = 0  # of them with Matterport's own answer
    n_failed: int = 0
    case: object = None  # the smallest Case that failed
    got: tuple = ()  # its parts, as of `flat`; empty where nothing was returned
    expected: tuple = ()
    text: str = ""  # what is wrong with it
    line: str = ""  # the student's line that raised
    hint: str = ""
    mistake: str = ""  # the name of the wrong answer that it is
    printed: str = ""
    changed: tuple = ()  # numbers of the arguments that it changes
    seconds: float = 0.0  # all cases together


def cases_of(exercise, seeds=(VISIBLE_SEED,)):
    """Return the cases of an exercise, smallest first; of more than one seed without the same case twice."""
    cases, names = [], set()
    for number, seed in enumerate(seeds):
        for case in exercise.cases(seed):
            name = case.name if number == 0 else f"{case.name}, seed {seed}"
            if number == 0 or case.name not in names or case.name.startswith("random"):
                cases.append(case._replace(name=name))
        names.update(case.name for case in cases)
    return sorted(cases, key=size_of)


def expected_of(exercise, cases):
    """Return the expected parts of each case: those it carries, else what the library's function returns."""
    function = library_function(exercise)
    wanted = []
    for case in cases:
        if case.outputs:
            wanted.append(tuple(flat(case.outputs if len(case.outputs) > 1 else case.outputs[0])))
        else:
            (result,) = run_cases(function, [case], seconds=exercise.seconds)
            if result.parts is None:
                raise ValueError(f"{exercise.name}, case {case.name!r}: the library's function {result.error}")
            wanted.append(result.parts)
    return wanted


def judge(exercise, function, *, seeds=(VISIBLE_SEED,)):
    """Return the `Verdict` on a function.

    Parameters
    ----------
    exercise : Exercise
    function : callable
        A student's. Whatever it does, nothing is raised.
    seeds : sequence of int
        Of the cases.
    """
    cases = cases_of(exercise, seeds)
    results = run_cases(function, cases, seconds=exercise.seconds)
    return verdict_on(exercise, cases, expected_of(exercise, cases), results)


def verdict_on(exercise, cases, expected, results):
    """Return the `Verdict` on a function's results; where they are fewer than the cases, it stopped at the last."""
    verdict = Verdict("ok", len(cases), sum(case.name.startswith(FROM_MATTERPORT) for case in cases))
    verdict = verdict._replace(seconds=sum(result.seconds for result in results))
    if not results or results[0].kind == "NotImplementedError":
        return verdict._replace(kind="todo")
    found = [difference(result, wanted, atol=case.atol) for case, wanted, result in zip(cases, expected, results)]
    failed = [place for place, what in enumerate(found) if what]
    changed = tuple(sorted({number for result in results for number in result.changed}))
    if not failed:
        if len(results) < len(cases):
            return verdict._replace(kind="no", text="it stopped before all cases were tried", changed=changed)
        return verdict._replace(changed=changed)
    first = min(failed, key=lambda place: (is_empty(cases[place], expected[place]), place))  # smallest stand first
    result, what = results[first], found[first]
    mistake, hint = explain(exercise, cases, expected, results, failed, what)
    return verdict._replace(
        kind="no",
        n_failed=len(failed),
        case=cases[first],
        got=result.parts or (),
        expected=expected[first],
        text=what.text,
        line=result.line,
        hint=hint,
        mistake=mistake,
        printed=result.printed,
        changed=changed,
    )


def explain(exercise, cases, expected, results, failed, what):
    """Return the name of the wrong answer that the results are, and a hint; ("", a general hint) where none is."""
    last = results[-1]
    if last.kind == "TimeUp":
        return "too slow", ENDLESS + BACKGROUND * last.running
    if all(results[place].kind == "None" for place in failed):
        return "", NOT_RETURNED
    place, sure = likeness(exercise, cases, results, failed)
    if place is not None:
        mistake = exercise.mistakes[place]
        return mistake.name, mistake.hint if sure else f"Perhaps this: {mistake.hint}"
    return "", general_hint(cases, expected, failed, what)


def likeness(exercise, cases, results, failed):
    """Return the place of the wrong answer whose results these are, and whether all agree; (None, False) if none."""
    best, best_share, best_whole = None, 0.0, False
    for place, mistake in enumerate(exercise.mistakes):
        theirs = run_cases(mistake.function, cases[: len(results)], seconds=exercise.seconds)
        agree = [alike(mine, other, case.atol) for mine, other, case in zip(results, theirs, cases)]
        share = sum(agree[number] for number in failed if number < len(agree)) / len(failed)
        whole = len(agree) == len(results) and all(agree)
        if (whole, share) > (best_whole, best_share):
            best, best_share, best_whole = place, share, whole
    return (best, best_whole) if best_share >= ALIKE else (None, False)


def alike(result, other, atol):
    """Return whether two results are the same, or both raised the same kind of error."""
    if result.parts is None or other.parts is None:
        return result.parts is None and other.parts is None and result.kind == other.kind
    return difference(result, other.parts, atol=atol) is None


def general_hint(cases, expected, failed, what):
    """Return a hint for a mistake that nobody foresaw."""
    if all(is_empty(cases[place], expected[place]) for place in failed):
        return ONLY_EMPTY
    hints = {
        "error": "Read the line above: which value, of what shape, stood there? Print it inside your function.",
        "parts": "The docstring says under Returns what comes back, and in which order.",
        "shape": "The docstring says under Returns which shape the result has, one axis at a time.",
        "type": "Under Returns stands the dtype, too: an index is a whole number, a mask is boolean.",
        "value": "Work the case above out by hand, and print what your function has at each step.",
    }
    return hints[what.kind]


def is_empty(case, expected):
    """Return whether a case has an empty input or an empty answer."""
    sizes = [getattr(value, "size", 1) for value in case.inputs] + [array.size for _, array in expected]
    return 0 in sizes


__all__ = ["Difference", "Verdict", "cases_of", "expected_of", "judge", "verdict_on"]
