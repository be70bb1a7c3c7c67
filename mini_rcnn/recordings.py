"""Recorded cases: inputs and Matterport's answers in a file, for where Matterport itself does not run.

A recording is an ``.npz`` without pickles. Beside the arrays it holds two texts, both JSON: ``facts``, which says what
was recorded with what, and ``cases``, which says which arrays belong together.
"""

from __future__ import annotations

import json
import zipfile

import numpy as np

from .cases import Case
from .data.files import write_arrays


def save(path, cases, facts):
    """Write cases with their outputs.

    Parameters
    ----------
    path : path
    cases : list of Case
        An input may be a dict of arrays.
    facts : dict
        What was recorded, with what: numbers and texts.
    """
    arrays, table = {"facts": json.dumps(facts, sort_keys=True)}, []
    for number, case in enumerate(cases):
        keys = [sorted(values) if isinstance(values, dict) else None for values in case.inputs]
        table.append(
            {
                "name": case.name,
                "options": case.options,
                "atol": case.atol,
                "inputs": keys,
                "outputs": len(case.outputs),
            }
        )
        for place, (values, names) in enumerate(zip(case.inputs, keys)):
            parts = {f".{name}": values[name] for name in names} if names else {"": values}
            arrays.update({f"{number}.in{place}{name}": array for name, array in parts.items()})
        arrays.update({f"{number}.out{place}": array for place, array in enumerate(case.outputs)})
    write_arrays(path, {**arrays, "cases": json.dumps(table)})


def load(path):
    """Return the cases and the facts of a recording.

    Raises
    ------
    ValueError
        If the file is no such recording, with what to do.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        facts, table = json.loads(str(arrays["facts"])), json.loads(str(arrays["cases"]))
        return [read_case(arrays, number, row) for number, row in enumerate(table)], facts
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is no recording of Matterport ({error}): restore it from git, or write it anew with "
            "data_scripts/record_matterport.py in the classic environment"
        ) from error


def read_case(arrays, number, row):
    """Return one case of a recording."""
    inputs = []
    for place, names in enumerate(row["inputs"]):
        start = f"{number}.in{place}"
        inputs.append({name: arrays[f"{start}.{name}"] for name in names} if names else arrays[start])
    outputs = tuple(arrays[f"{number}.out{place}"] for place in range(row["outputs"]))
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in row["options"].items()}
    return Case(row["name"], tuple(inputs), options, row["atol"], outputs)
