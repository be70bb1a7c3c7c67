"""A run's folder: what it was started with, and whether it may go on."""

from __future__ import annotations

import json
import platform
from pathlib import Path

from mini_rcnn import config as configs
from mini_rcnn.data.files import write_json

from .settings import training_from_dict, training_to_dict

RUN = "run.json"
COMPARED = ("config", "training", "data_sha256", "start")


class RunError(ValueError):
    """A run's folder that cannot be used; the text says why and what to type."""


def read_run(folder):
    """Return what a run was started with, None where nothing is."""
    path = Path(folder) / RUN
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        settings_of(content)
        return content
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read ({error}); begin a new run with another --out.") from None


def settings_of(run):
    """Return the two configurations of a run."""
    return configs.from_dict(configs.Config, run["config"]), training_from_dict(run["training"])


def versions():
    """Return the versions of what decides a network's numbers."""
    import numpy as np
    import tensorflow.compat.v2 as tf

    return {"python": platform.python_version(), "numpy": np.__version__, "tensorflow": tf.__version__}


def describe_run(*, preset, config, training, data, data_sha256, start, command):
    """Return what `write_json` keeps of a run: plain values; who runs it and on which machine is not among them."""
    plain = json.loads(json.dumps({"config": configs.to_dict(config), "training": training_to_dict(training)}))
    return {
        "preset": preset,
        **plain,
        "data": data,
        "data_sha256": data_sha256,
        "start": start,
        "seed": training.seed,
        "versions": versions(),
        "command": command,
        "broken": {},
    }


def differences(before, now):
    """Return in what a run differs from what it was started with, a text each.

    >>> differences({"config": {"image": {"size": 1}}}, {"config": {"image": {"size": 2}}})
    ['config.image.size was 1 and is 2']
    """
    found = []
    for name in COMPARED:
        if name in before or name in now:
            found += compare(name, before.get(name), now.get(name))
    return found


def compare(name, before, now):
    """Return where two values of a run differ, by name."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted({*before, *now})
        return [text for one in names for text in compare(f"{name}.{one}", before.get(one), now.get(one))]
    if before == now:
        return []
    if name == "data_sha256":
        return ["the data is other data (films, boxes or split have changed)"]
    return [f"{name} was {before!r} and is {now!r}"]


def check_place(folder, *, resume):
    """Return the run that is in a folder, None where there is none; RunError where none may be written there."""
    folder = Path(folder)
    before = read_run(folder)
    if before is None and folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder}: holds files that are no run; choose another --out.")
    if before is not None and not resume:
        raise RunError(
            f"{folder}: holds a run already. Go on with it: add --resume; or begin a new one with another --out."
        )
    return before


def open_run(folder, run, *, resume):
    """Make a run's folder, or see that it may be gone on with.

    Parameters
    ----------
    folder : path
    run : dict
        From `describe_run`.
    resume : bool

    Returns
    -------
    goes_on : bool
        Whether there is a run to go on with.

    Raises
    ------
    RunError
        If something is there and ``resume`` is False, or it was started with other settings or data.
    """
    folder, before = Path(folder), check_place(folder, resume=resume)
    if before is None:
        write_json(folder / RUN, run)
        return False
    found = differences(before, run)
    if found:
        more = f"; and {len(found) - 8} more" if len(found) > 8 else ""
        raise RunError(
            f"{folder}: cannot go on, it was started otherwise: {'; '.join(found[:8])}{more}. "
            f"`python3 lab.py train --out {folder} --resume` takes the settings it was started with."
        )
    return True


def note_broken(folder, broken):
    """Keep which images are broken, and why, in the run's description."""
    run = read_run(folder)
    if broken and run["broken"] != broken:
        write_json(Path(folder) / RUN, {**run, "broken": broken})
