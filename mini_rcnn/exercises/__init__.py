"""The exercises of the labs: one module a lab, each with a tuple ``EXERCISES``."""

from __future__ import annotations

import importlib
import pkgutil

from .exercise import Exercise, Mistake, cases_of_stage, library_function

__all__ = ["Exercise", "Mistake", "all_exercises", "cases_of_stage", "find", "library_function"]


def all_exercises():
    """Return every exercise by its name, in the order of the labs.

    Raises
    ------
    ValueError
        If two have one name.
    """
    found = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if module.startswith("lab_"):
            for exercise in importlib.import_module(f"{__name__}.{module}").EXERCISES:
                if exercise.name in found:
                    raise ValueError(f"names of exercises must differ, got {exercise.name!r} twice")
                found[exercise.name] = exercise
    return found


def find(name):
    """Return the exercise of a name.

    Raises
    ------
    ValueError
        If there is none, with the nearest.
    """
    known = all_exercises()
    if name not in known:
        from mini_rcnn.config import nearest

        raise ValueError(f"there is no exercise {name!r}{nearest(str(name), known)}")
    return known[name]
