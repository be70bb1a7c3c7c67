"""Checkpoints: everything a training needs to go on, in one file that is whole or not there; the two newest are kept.

A file holds arrays alone, and a text with the rest: nothing in it is ever run.
"""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mini_rcnn.data.files import written_beside
from mini_rcnn.weights import checksum, read_archive

FORMAT, VERSION = "mini-rcnn checkpoint", 1
KEPT = 2
NAME = re.compile(r"step_(\d{8,})\.npz")
QUOTED = 5


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written, or is of another network; the text says which and what to do."""


class Checkpoint(NamedTuple):
    """What a file holds."""

    path: Path
    arrays: dict  # name -> array, as `step.Learner.state` gave them
    facts: dict  # where the training was


def checkpoint_path(folder, number):
    """Return where the checkpoint after so many steps lies."""
    return Path(folder) / f"step_{number:08d}.npz"


def list_checkpoints(folder):
    """Return the paths of a folder's checkpoints, newest first."""
    found = [path for path in Path(folder).glob("step_*.npz") if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(NAME.fullmatch(path.name).group(1)), reverse=True)


def save_checkpoint(folder, number, arrays, facts):
    """Write a checkpoint beside its name, bring it to disk, rename it, and remove those older than the two newest.

    Parameters
    ----------
    folder : path
    number : int
        Steps done since the training began.
    arrays : mapping of str to ndarray
    facts : dict
        Plain values.

    Returns
    -------
    path : Path

    Raises
    ------
    CheckpointError
        If it cannot be written, as where the disk is full: the one before is still there, nothing half is left.
    """
    path = checkpoint_path(folder, number)
    head = {"format": FORMAT, "version": VERSION, "facts": facts, "sha256": checksum(arrays)}
    try:
        with written_beside(path) as file:
            np.savez(file, head=np.array(json.dumps(head, sort_keys=True)), **arrays)
        for old in list_checkpoints(folder)[KEPT:]:
            old.unlink()
    except OSError as error:
        full = "the disk is full: make room" if error.errno == errno.ENOSPC else f"{error.strerror or error}"
        there = list_checkpoints(folder)
        kept = f"the newest whole one is {there[0]}" if there else "there is none yet"
        raise CheckpointError(f"{path}: the checkpoint cannot be written: {full}; {kept}.") from error
    return path


def read_checkpoint(path):
    """Return a checkpoint from its file.

    Raises
    ------
    CheckpointError
        If it is cut off, damaged, of another kind or version, or holds pickled objects; nothing of it is run.
    """
    # The weights, their average, and what the optimiser keeps: up to four times a network's numbers.
    arrays, head = read_archive(
        Path(path), kind="checkpoint", form=FORMAT, version=VERSION, networks=4, error=CheckpointError
    )
    return Checkpoint(Path(path), arrays, head["facts"])


def newest_checkpoint(folder, *, tell=print):
    """Return the newest checkpoint that is whole, or None; what is wrong with newer ones is told.

    Parameters
    ----------
    folder : path
    tell : callable
        Of a text.
    """
    for path in list_checkpoints(folder):
        try:
            return read_checkpoint(path)
        except CheckpointError as error:
            tell(f"{error} The one before it is taken.")
    return None


def check_fits(checkpoint, arrays):
    """Refuse a checkpoint of another network: say which arrays it lacks, has besides, or has in another shape.

    Parameters
    ----------
    checkpoint : Checkpoint
    arrays : mapping of str to ndarray
        What the network has.

    Raises
    ------
    CheckpointError
    """
    theirs = checkpoint.arrays
    faults = [f"{name} is missing" for name in arrays if name not in theirs]
    faults += [f"{name} is not in the network" for name in theirs if name not in arrays]
    faults += [
        f"{name} is {theirs[name].shape}, the network's is {array.shape}"
        for name, array in arrays.items()
        if name in theirs and theirs[name].shape != array.shape
    ]
    if faults:
        more = f" and {len(faults) - QUOTED} more" if len(faults) > QUOTED else ""
        raise CheckpointError(f"{checkpoint.path}: is of another network: {'; '.join(faults[:QUOTED])}{more}.")
