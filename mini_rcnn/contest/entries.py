"""An entry of the contest as a folder: ``entry.json`` and ``weights.npz``, so that a teacher can score it again."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import NamedTuple

from mini_rcnn.data.errors import DataError
from mini_rcnn.data.files import write_json
from mini_rcnn.weights import WeightsError, checksum, load_weights, save_weights

ENTRY, WEIGHTS = "entry.json", "weights.npz"
LARGEST = 300 * 1024 * 1024  # bytes of a weights file that is read
NAME = re.compile(r"[\w][\w .-]{0,63}$")


class EntryError(DataError):
    """An entry that cannot be written or read."""


class Entry(NamedTuple):
    """One entry."""

    name: str
    settings: dict  # of mini_rcnn.exploring.apply.Settings
    minutes: float  # of training, as its author says
    claimed: dict  # "score" and "marked", as its author measured them
    weights: dict
    config: object
    folder: Path


def write_entry(folder, name, *, weights, config, settings, minutes, scored):
    """Write an entry, over one of the same name, and return its folder.

    Parameters
    ----------
    folder : path
        Of entries.
    name : str
        Letters, digits, blanks, dots and hyphens; it is the entry's folder, too.
    weights, config
        Of the network.
    settings : dict
        What was chosen at detection time.
    minutes : float
        How long it was trained, 0 where it was not.
    scored : Scored
        On the films of the lab.

    Raises
    ------
    EntryError
        If the name cannot be a folder's.
    """
    if not NAME.match(name) or name.endswith((".", " ")):
        raise EntryError(f"an entry's name is 1 to 64 letters, digits, blanks, dots or hyphens, got {name!r}")
    target = Path(folder) / name
    target.mkdir(parents=True, exist_ok=True)
    save_weights(target / WEIGHTS, weights, config)
    facts = {
        "name": name,
        "settings": dict(settings),
        "minutes": float(minutes),
        "claimed": {"score": round(float(scored.score), 4), "marked": round(float(scored.marked), 4)},
        "weights": checksum(weights),
    }
    write_json(target / ENTRY, facts)
    return target


def read_entry(folder):
    """Return the `Entry` of a folder.

    Raises
    ------
    EntryError
        If something is missing or does not fit; with the file and what is wrong.
    """
    folder = Path(folder)
    path = folder / ENTRY
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        name, settings, minutes = facts["name"], facts["settings"], float(facts["minutes"])
        claimed = {key: float(facts["claimed"][key]) for key in ("score", "marked")}
        if not isinstance(name, str) or not NAME.match(name) or not isinstance(settings, dict):
            raise ValueError("name or settings are not what an entry has")
        if not math.isfinite(minutes) or minutes < 0:
            raise ValueError(f"minutes must be 0 or more, got {minutes}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EntryError(f"{path}: no entry of the contest ({type(error).__name__}: {error})") from error
    weights_path = folder / WEIGHTS
    try:
        if weights_path.stat().st_size > LARGEST:
            raise EntryError(f"{weights_path}: larger than {LARGEST >> 20} MiB")
        weights, config, _ = load_weights(weights_path)
    except (OSError, WeightsError) as error:
        raise EntryError(f"{weights_path}: {error}") from error
    if checksum(weights) != facts.get("weights"):
        raise EntryError(f"{weights_path}: these are not the weights that the entry names")
    return Entry(name, settings, minutes, claimed, weights, config, folder)


def find_entries(folder):
    """Return the folders below one that hold an ``entry.json``, in the order of their names."""
    return sorted(path.parent for path in Path(folder).rglob(ENTRY))
