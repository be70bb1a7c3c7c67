"""What goes between the grader and a kernel: inputs of cases in, flat results out; never an expected answer."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile

import numpy as np

from mini_rcnn.checks.judging import VISIBLE_SEED, cases_of, expected_of
from mini_rcnn.checks.running import Result

LARGEST = 400 << 20  # bytes of an answer, unpacked
LONGEST = 2000  # characters of a text
KINDS = "biufU"  # of arrays that are compared
UNREADABLE = "returned what cannot be read"


def hidden_seeds(seed, count):
    """Return the seeds of the cases that nobody has seen: the same for the same seed of a run.

    >>> len(set(hidden_seeds(1, 3)))
    3
    """
    return [int(hashlib.sha256(f"{seed}:{place}".encode()).hexdigest()[:7], 16) + 2 for place in range(count)]


class Questions:
    """The cases of exercises with their expected answers, worked out once each."""

    def __init__(self, seeds):
        self.seeds, self.known = (VISIBLE_SEED, *seeds), {}

    def of(self, exercise):
        """Return ``(cases, expected, inputs)`` of an exercise; the inputs pickled, as they go to a kernel."""
        if exercise.name not in self.known:
            cases = cases_of(exercise, self.seeds)
            inputs = pickle.dumps([(case.inputs, case.options) for case in cases], protocol=4)
            self.known[exercise.name] = cases, expected_of(exercise, cases), inputs
        return self.known[exercise.name]


def read_results(path):
    """Return the list of `Result` in a file that a kernel wrote.

    Raises
    ------
    ValueError
        If it is not what `inside.write_results` writes: a student's code may have written anything there.
    """
    try:
        with zipfile.ZipFile(str(path)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                raise ValueError("too large")
            about = json.loads(archive.read("results.json").decode("utf-8"))
            return [result_of(archive, place, one) for place, one in enumerate(about)]
    except (zipfile.BadZipFile, KeyError, TypeError, OSError, AttributeError, RecursionError) as error:
        raise ValueError(f"the results cannot be read: {error}") from error


def result_of(archive, place, about):
    """Return one `Result`; arrays of a kind that is not compared make it unreadable."""
    parts, error, kind = None, short(about["error"]), short(about["kind"])
    if about["names"] is not None:
        parts = []
        for number, name in enumerate(about["names"]):
            with archive.open(f"{place}_{number}.npy") as file:
                parts.append((short(name), np.lib.format.read_array(file, allow_pickle=False)))
        if any(array.dtype.kind not in KINDS for _, array in parts):
            parts, error, kind = None, UNREADABLE, "Unreadable"
    return Result(
        None if parts is None else tuple(parts), error, kind, short(about["line"]), short(about["printed"]),
        tuple(int(number) for number in about["changed"]), float(about["seconds"]), bool(about["running"]),
    )  # fmt: skip


def short(text):
    """Return a text without what a terminal obeys, and not too long."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text)[:LONGEST])
