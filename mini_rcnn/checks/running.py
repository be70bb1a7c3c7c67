"""A student's function is run: on copies, under a time limit, whatever it does."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import io
import threading
import time
import traceback
import warnings
from typing import NamedTuple

from .flat import NotComparableError, flat, kind_of

GRACE = 0.5  # seconds that a function is given to stop, each time it is told to
TELLINGS = 3  # so many times
PRINTED = 2000  # characters of what it printed that are kept


class TimeUp(BaseException):
    """Raised inside a function whose time is over."""


class Result(NamedTuple):
    """What a function made of one case."""

    parts: tuple | None  # (name, array) of each part of what it returned; None where it did not
    error: str = ""  # what it raised, in one line; or "time", or what cannot be compared
    kind: str = ""  # the name of the exception
    line: str = ""  # the student's own line that raised it
    printed: str = ""  # what it printed
    changed: tuple = ()  # numbers of the arguments that it changed
    seconds: float = 0.0
    running: bool = False  # could not be stopped: it goes on in the background


def run_case(function, case, *, seconds):
    """Return the `Result` of a function on one case. Nothing that the function does is raised here.

    Parameters
    ----------
    function : callable
    case : Case
        Its inputs are copied: they stay as they are.
    seconds : float
        Wall clock. After that the function is stopped. One that computes in C at that moment, or catches everything,
        cannot be; it is left alone in the background and the `Result` says so.
    """
    inputs, options = copy.deepcopy(case.inputs), copy.deepcopy(case.options)
    done, said = {}, io.StringIO()

    def work():
        try:
            done["value"] = function(*inputs, **options)
        except BaseException as error:  # noqa: B036  a student's function may raise anything, SystemExit too
            done["error"] = error

    thread = threading.Thread(target=work, daemon=True)
    began = time.perf_counter()
    with contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        thread.start()
        thread.join(seconds)
        in_time = not thread.is_alive()
        for _ in range(TELLINGS * (not in_time)):
            tell_to_stop(thread)
            thread.join(GRACE)
    about = {"printed": said.getvalue()[:PRINTED], "seconds": time.perf_counter() - began}
    if not in_time:
        return Result(None, f"did not finish within {seconds:g} s", "TimeUp", running=thread.is_alive(), **about)
    about["changed"] = changed_arguments(inputs, case.inputs)
    if "error" in done:
        error = done["error"]
        return Result(None, one_line(error), type(error).__name__, own_line(error, function), **about)
    return compared(done["value"], about)


def compared(value, about):
    """Return the `Result` of a returned value."""
    if value is None:
        return Result(None, "returned None", "None", **about)
    try:
        return Result(tuple(flat(value)), **about)
    except NotComparableError as error:
        return Result(None, f"returned {kind_of(value)}: {error}", "NotComparableError", **about)
    except Exception as error:  # np.asarray calls methods of whatever was returned
        return Result(None, f"returned {kind_of(value)} that cannot be read: {one_line(error)}", "Unreadable", **about)


def run_cases(function, cases, *, seconds):
    """Return the results of a function on cases, in order; after one that took too long no more are run.

    The list is then shorter than the cases. It is also cut after a ``NotImplementedError``: nothing is written yet.
    """
    results = []
    for case in cases:
        results.append(run_case(function, case, seconds=seconds))
        if results[-1].kind in ("TimeUp", "NotImplementedError"):
            break
    return results


def tell_to_stop(thread):
    """Have `TimeUp` raised inside a thread, at its next step in Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeUp))


def changed_arguments(now, before):
    """Return the numbers of the arguments that are no longer what they were."""
    return tuple(place for place, pair in enumerate(zip(now, before)) if not same(*pair))


def same(value, other):
    """Return whether two arguments hold the same, to the last bit."""
    try:
        first, second = flat(value), flat(other)
    except Exception:  # an argument of no kind that is looked into, such as a generator of random numbers
        return True
    return [(name, array.shape, array.tobytes()) for name, array in first] == [
        (name, array.shape, array.tobytes()) for name, array in second
    ]


def one_line(error):
    """Return an exception in one line.

    >>> one_line(ValueError("no", "way"))
    "ValueError: ('no', 'way')"
    """
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception may be a student's own, too
        text = ""
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__


def own_line(error, function):
    """Return the deepest line of the student's own file that an exception went through, "" if that is unknown."""
    code = getattr(function, "__code__", None)
    try:
        frames = traceback.extract_tb(error.__traceback__)
    except Exception:
        return ""
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    return (own[-1].line or "") if own else ""
