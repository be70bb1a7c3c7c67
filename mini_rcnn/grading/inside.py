"""What the grader does inside a submission's kernel: it looks for functions, and runs them on inputs from outside.

Whether an answer is right is never decided here: what is expected is not in this process.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import os
import pickle
import sys
import time
import types
import zipfile
from typing import NamedTuple

import numpy as np

WORKING = os.getcwd()
PACKAGE = "mini_rcnn."
MOST_BYTES = 200 << 20  # that one function may return in all
LONGEST = 2000  # characters of a text


class LibraryCalledError(BaseException):
    """Raised where an answer calls the library's function of the same exercise."""


class Given(NamedTuple):
    """The inputs of a case, without its answer."""

    inputs: tuple
    options: dict


class TooManyResult(NamedTuple):
    """Stands for a result that could not be had."""

    parts: None
    error: str
    kind: str
    line: str = ""
    printed: str = ""
    changed: tuple = ()
    seconds: float = 0.0
    running: bool = False


def private_copy(name, **replaced):
    """Return a module once more, from its file: whoever changes the one that all import does not change this."""
    original = importlib.import_module(name)
    copy = types.ModuleType(name)
    copy.__package__, copy.__file__ = original.__package__, original.__file__
    with open(original.__file__, encoding="utf-8") as file:
        exec(compile(file.read(), original.__file__, "exec"), copy.__dict__)
    copy.__dict__.update(replaced)
    return copy


FLAT = private_copy("mini_rcnn.checks.flat")
RUNNING = private_copy(
    "mini_rcnn.checks.running", flat=FLAT.flat, kind_of=FLAT.kind_of, NotComparableError=FLAT.NotComparableError
)
SEEN = {}  # name -> the last object seen under it, and how many there were


def own_namespace():
    """Return the notebook's names."""
    from IPython import get_ipython

    return get_ipython().user_ns


def library_function(target):
    """Return the library's function of "module:name"."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def whose(value, target):
    """Return "student", "library" or "absent": whose function a value is."""
    if not callable(value):
        return "absent"
    try:
        unwrapped = inspect.unwrap(value)
    except Exception:  # an object that says it wraps itself
        unwrapped = value
    module = getattr(unwrapped, "__module__", "")
    theirs = isinstance(module, str) and (module + ".").startswith(PACKAGE)
    return "library" if unwrapped is library_function(target) or theirs else "student"


def look(targets):
    """Return ``{name: [whose, number]}``: the number changes when another object stands under the name."""
    names, states = own_namespace(), {}
    for name, target in targets.items():
        value = names.get(name)
        last, number = SEEN.get(name, (None, 0))
        if value is not last:
            number += 1
            SEEN[name] = value, number
        states[name] = [whose(value, target), number]
    return states


def refusing(freevars):
    """Return the code of a function that raises `LibraryCalledError` and closes over as many names as another."""
    text = "\n".join(
        [
            "def outer():",
            *[f"    {name} = None" for name in freevars],
            "    def refused(*values, **options):",
            "        if 0: return (" + ", ".join(freevars) + ")",
            "        from mini_rcnn.grading.inside import LibraryCalledError",
            "        raise LibraryCalledError",
            "    return refused",
        ]
    )
    made = {}
    exec(text, made)
    return made["outer"]().__code__


@contextlib.contextmanager
def without_library(target):
    """Have the library's function of an exercise, and its TensorFlow twin, refuse to work for a while."""
    module, _, name = target.partition(":")
    twin = module.replace("mini_rcnn.stages.", "mini_rcnn.stages_tf.")
    modules = [importlib.import_module(module), sys.modules.get(twin)]
    functions = [inspect.unwrap(getattr(part, name)) for part in modules if hasattr(part, name)]
    functions = [function for function in functions if isinstance(function, types.FunctionType)]
    before = [(one, one.__code__, one.__defaults__, one.__kwdefaults__) for one in functions]
    absent = twin not in sys.modules
    try:
        if absent:
            sys.modules[twin] = None  # importing it now fails
        for function in functions:
            function.__code__ = refusing(function.__code__.co_freevars)
            function.__defaults__ = function.__kwdefaults__ = None
        yield
    finally:
        if absent and sys.modules.get(twin, 0) is None:
            del sys.modules[twin]
        for function, code, defaults, options in before:
            function.__code__, function.__defaults__, function.__kwdefaults__ = code, defaults, options


def run(function, cases, *, seconds, total):
    """Return the results of a function on cases, as `mini_rcnn.checks.running.run_cases`, within a time for all."""
    results, ends = [], time.monotonic() + total
    for case in cases:
        left = ends - time.monotonic()
        if left <= 0:
            break
        try:
            result = RUNNING.run_case(function, case, seconds=min(seconds, left))
        except BaseException as error:  # what was returned may raise anything while it is read
            result = TooManyResult(None, f"what it returned cannot be read: {type(error).__name__}", "Unreadable")
        results.append(result)
        if result.kind in ("TimeUp", "NotImplementedError", "LibraryCalledError"):
            break
    return results


def write_results(results, path):
    """Write results as an ``.npz`` without pickles: the arrays, and a text in JSON with all else."""
    about, arrays, size = [], {}, 0
    for place, result in enumerate(results):
        size += sum(array.nbytes for _, array in result.parts or ())
        if size > MOST_BYTES:
            result = TooManyResult(None, f"returned more than {MOST_BYTES >> 20} MB", "TooLarge")
        parts = result.parts
        about.append(
            {
                "names": None if parts is None else [str(name)[:LONGEST] for name, _ in parts],
                "error": str(result.error)[:LONGEST], "kind": str(result.kind)[:LONGEST],
                "line": str(result.line)[:LONGEST], "printed": str(result.printed)[:LONGEST],
                "changed": [int(number) for number in result.changed], "seconds": float(result.seconds),
                "running": bool(result.running),
            }
        )  # fmt: skip
        arrays.update({f"{place}_{number}": array for number, (_, array) in enumerate(parts or ())})
    with zipfile.ZipFile(path + ".part", "w") as archive:
        archive.writestr("results.json", json.dumps(about))
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(name + ".npy", content.getvalue())
    os.replace(path + ".part", path)


def serve(path):
    """Do what a file asks for, and write the answer beside it."""
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    if job["do"] == "look":
        from IPython import get_ipython

        answer = {"states": look(job["targets"]), "ending": bool(getattr(get_ipython(), "exit_now", False))}
        with open(job["answer"] + ".part", "w", encoding="utf-8") as file:
            json.dump(answer, file)
        os.replace(job["answer"] + ".part", job["answer"])
        return
    with open(job["cases"], "rb") as file:
        cases = [Given(*pair) for pair in pickle.load(file)]
    function = own_namespace()[job["name"]]
    with without_library(job["target"]):
        results = run(function, cases, seconds=job["seconds"], total=job["total"])
    write_results(results, job["answer"])
