"""``check``: a student's function is tried, and told in a few lines what came of it."""

from __future__ import annotations

import inspect

from mini_rcnn.exercises import find, library_function

from .judging import judge

PRINTED_LINES = 4


def check(name, function):
    """Print whether a function does what its exercise asks.

    Parameters
    ----------
    name : str
        Of the exercise, such as "boxes.box_iou".
    function : callable
        Yours.

    Notes
    -----
    One line begins with ``[todo]``, ``[no]`` or ``[ok]``. After ``[no]`` follow the smallest case that failed, a hint
    and, where one helps, a drawing. Nothing is ever raised: a notebook with a wrong answer runs to its end. Each case
    has a time limit, and copies of its inputs: a function that never ends or changes its arguments spoils nothing else.
    Wrong input to a function is not tried: what stands under *Raises* in a docstring is the library's own care.
    """
    try:
        exercise = find(name)
    except ValueError as error:
        print(f"[no] {error}")
        return
    trouble = not_to_be_tried(exercise, function)
    if trouble:
        print(trouble)
        return
    verdict = judge(exercise, function)
    for line in lines_of(exercise, function, verdict):
        print(line)
    draw(exercise, verdict)


def not_to_be_tried(exercise, function):
    """Return what is said of something that is not a student's function, "" of one that is."""
    if not callable(function):
        return f"[no] {exercise.name}: what is handed to check is no function. Give its name, without brackets."
    if inspect.unwrap(function) is library_function(exercise):
        return f"[todo] {exercise.name}: this is the library's own. Run the cell with your function again, then this."
    return ""


def lines_of(exercise, function, verdict):
    """Return what is said of a verdict, line by line."""
    if verdict.kind == "todo":
        return [f"[todo] {exercise.name}: write the function above, run its cell, then this one."]
    lines = [failure_line(exercise, verdict) if verdict.kind == "no" else success_line(exercise, verdict)]
    if verdict.line:
        lines.append(f"     in your line: {verdict.line}")
    printed = verdict.printed.splitlines()
    lines += [f"     printed: {text}" for text in printed[:PRINTED_LINES]]
    lines += ["     printed: ..."] * (len(printed) > PRINTED_LINES)
    if verdict.hint:
        lines.append(f"     Hint: {verdict.hint}")
    if verdict.changed:
        names = ", ".join(f"`{argument_name(exercise, number)}`" for number in verdict.changed)
        lines.append(f"     It changes its argument {names}: work on a copy, or whoever calls it is surprised.")
    return lines


def success_line(exercise, verdict):
    """Return the line of a function that passed."""
    reference = f", {verdict.n_matterport} of them against Matterport's own answers" if verdict.n_matterport else ""
    return f"[ok] {exercise.name}: {verdict.n_cases} cases{reference}."


def failure_line(exercise, verdict):
    """Return the line of a function that failed."""
    where = f"case '{verdict.case.name}': " if verdict.case else ""
    count = f" ({verdict.n_failed} of {verdict.n_cases} cases failed)" if verdict.n_failed else ""
    return f"[no] {exercise.name}: {where}{verdict.text}{count}"


def argument_name(exercise, number):
    """Return the name of an exercise's argument by its number."""
    names = list(inspect.signature(library_function(exercise)).parameters)
    return names[number] if number < len(names) else str(number)


def draw(exercise, verdict):
    """Show a drawing of the failed case, where the exercise has one and there is something to draw."""
    if verdict.kind != "no" or exercise.draw is None or not verdict.got or verdict.case is None:
        return
    try:
        figure = exercise.draw(verdict.case, dict(verdict.expected), dict(verdict.got))
    except Exception:  # a result of another shape than the drawing's: the words above have said what is wrong
        return
    if figure is not None:
        from mini_rcnn.view.show import show

        show(figure)
