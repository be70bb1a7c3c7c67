"""What an exercise is: a function of the library, the cases that try it, and the wrong answers that tempt."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Callable, NamedTuple

from mini_rcnn import recordings
from mini_rcnn.cases import named_cases, random_cases

RECORDED = Path(__file__).resolve().parent.parent.parent / "tests" / "recorded"
FROM_MATTERPORT = "Matterport: "  # how the name of a case begins whose answer is Matterport's


class Mistake(NamedTuple):
    """A wrong answer that tempts, and what is said to whoever gave it."""

    name: str  # what was done, in a few words
    function: Callable  # the wrong answer itself: same arguments as the right one
    hint: str  # where to look; never the answer


class Exercise(NamedTuple):
    """One function to write.

    The answer is the library's own function. ``cases(seed)`` gives the cases of a seed: the awkward ones are the same
    each time, the random ones are the seed's. A case that carries outputs is held against those, Matterport's or worked
    out by hand; any other against the library's function.
    """

    name: str  # "boxes.box_iou": what a lab and a report call it
    target: str  # "mini_rcnn.stages.boxes:box_iou"
    cases: Callable  # of a seed; returns a list of Case
    mistakes: tuple  # at least three
    draw: Callable | None = None  # of (case, expected, got); returns a figure or, where nothing helps, None
    seconds: float = 10.0  # that one case may take


def library_function(exercise):
    """Return the function of the library that answers an exercise."""
    module, _, name = exercise.target.partition(":")
    return getattr(importlib.import_module(module), name)


def cases_of_stage(stage, seed, *, n_random=20, n_recorded=4):
    """Return the cases of a stage: the awkward ones, random ones of a seed, and some with Matterport's own answers.

    Parameters
    ----------
    stage : str
        A name of `mini_rcnn.cases`, such as "boxes.box_iou".
    seed : int
    n_random, n_recorded : int
        Of the recorded cases the smallest are taken.

    Returns
    -------
    cases : list of Case
    """
    cases = named_cases(stage) + random_cases(stage, seed=seed, count=n_random)
    recorded = [case for case in recordings.load(RECORDED / f"{stage}.npz")[0] if size_of(case)]
    recorded = sorted(recorded, key=size_of)[:n_recorded]
    return cases + [case._replace(name=FROM_MATTERPORT + case.name) for case in recorded]


def size_of(case):
    """Return how many numbers the inputs of a case hold."""
    parts = [part for value in case.inputs for part in (value.values() if isinstance(value, dict) else [value])]
    return sum(size_of_part(part) for part in parts)


def size_of_part(part):
    """Return how many numbers one input holds; what is no array and no list counts as one."""
    if hasattr(part, "size"):
        return int(part.size)
    return len(part) if hasattr(part, "__len__") else 1
