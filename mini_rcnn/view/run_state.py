"""What a run's folder says of it: whether it runs, how far it is, its losses, and how much is left."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mini_rcnn.training.checkpoints import list_checkpoints
from mini_rcnn.training.run_folder import RUN, read_run, settings_of
from mini_rcnn.training.stop_file import was_asked

from .run_tables import read_columns
from .run_words import count, duration, left_words, pace, place_words, resume_words, rows

TABLES = {"steps": ("epoch", "step", "total"), "epochs": ("epoch", "train_total"), "timing": ("seconds",)}
ALIVE = ("nothing", "starting", "running", "stopping")  # something may still change
STOPPABLE = ("starting", "running")
SILENCE, JUDGING, STARTING = 20.0, 180.0, 600.0  # seconds without a word: in a step, in a validation, at the beginning
SLOW = 20  # or so many times a step's own time


class RunState(NamedTuple):
    """A run as its folder has it."""

    state: str  # "nothing", "no run", "starting", "running", "stopping", "finished", "stopped" or "recorded"
    words: str
    steps: dict  # columns of steps.csv by name; {} where there is none
    epochs: dict
    best: int | None  # the epoch that is kept, from 1
    n_steps: int | None  # of an epoch; None where not known yet
    n_epochs: int | None
    problems: tuple  # what could not be read, a text each


class RunReader:
    """Reads a run's folder again and again; a table that has not changed is not read again.

    Parameters
    ----------
    path : path
        A run's folder, or a table of epochs alone.
    """

    def __init__(self, path):
        self.path, self._tables = Path(path), {}

    def read(self, now, *, asked=False):
        """Return the `RunState`.

        Parameters
        ----------
        now : float
            Seconds, as `time.time` counts them.
        asked : bool
            Whether it was asked to stop before.
        """
        if self.path.is_file():
            epochs, problems = self.table(self.path, TABLES["epochs"])
            told = f"A recorded run of {count(rows(epochs), 'epoch')}: {self.path.name}."
            return RunState("recorded", told, {}, epochs, best_of(epochs), None, rows(epochs), problems)
        tables, problems = {}, ()
        for name, needed in TABLES.items():
            tables[name], found = self.table(self.path / f"{name}.csv", needed)
            problems += found
        run, found = self.run()
        training = settings_of(run)[1] if run else None
        steps, epochs = tables["steps"], tables["epochs"]
        n_steps = steps_of_epoch(steps, epochs, training.steps if training else None)
        n_epochs = training.n_epochs if training else None
        facts = Facts(self.path, now, asked, run is not None, tables, n_steps, n_epochs)
        state, words = judged(facts)
        return RunState(state, words, steps, epochs, best_of(epochs), n_steps, n_epochs, problems + found)

    def table(self, path, needed):
        """Return a table's columns, {} where it is not there or cannot be used, and what is wrong with it."""
        try:
            facts = path.stat()
        except OSError:
            return {}, ()
        seen = (facts.st_mtime_ns, facts.st_size)
        if self._tables.get(path, (None,))[0] != seen:
            self._tables[path] = seen, self.read_table(path, needed)
        return self._tables[path][1]

    @staticmethod
    def read_table(path, needed):
        """Return what `table` does, read from disk."""
        try:
            columns = read_columns(path)
        except ValueError as error:  # a DataError is one, and so is what is no text
            return {}, (str(error),)
        missing = [name for name in needed if name not in columns]
        return ({}, (f"{path}: has no column {missing[0]}.",)) if missing else (columns, ())

    def run(self):
        """Return what the run was started with, None where nothing can be read, and what is wrong with it."""
        try:
            return read_run(self.path), ()
        except (ValueError, OSError) as error:
            return None, (str(error),)


class Facts(NamedTuple):
    """What `judged` goes by."""

    folder: Path
    now: float
    asked: bool
    described: bool  # whether there is a readable run.json
    tables: dict
    n_steps: int | None
    n_epochs: int | None


def judged(facts):
    """Return a run's state and what is said of it."""
    steps, epochs, folder = facts.tables["steps"], facts.tables["epochs"], facts.folder
    if not folder.is_dir():
        return "nothing", f"Nothing there yet: there is no folder {folder}."
    if not steps and not facts.described:
        if any(folder.iterdir()):
            return "no run", f"{folder} is no run: neither {RUN} nor steps.csv can be read in it."
        return "nothing", f"Nothing there yet: {folder} is empty."
    quiet = facts.now - last_change(folder)
    done, far = rows(steps), place_words(facts)
    if ended(folder):
        if facts.n_epochs is None or rows(epochs) >= facts.n_epochs:
            return "finished", f"Finished: {count(rows(epochs), 'epoch')}, {count(done, 'step')}."
        return "stopped", f"Stopped because its time was over: {far}. {resume_words(folder)}"
    saved = saved_steps(folder)
    if facts.asked and not was_asked(folder) and saved == done:
        return "stopped", f"Stopped as asked: {far}. Everything is saved. {resume_words(folder)}"
    if quiet > patience(facts):
        told = "everything is saved" if saved == done and done else f"the last checkpoint is of step {saved}"
        told = told if saved else "no checkpoint was saved"
        return "stopped", (
            f"Stopped, it seems: nothing was written for {duration(quiet)}; {far}; {told}. {resume_words(folder)}"
        )
    if was_asked(folder):
        return "stopping", f"Asked to stop after its step, in {far}; it saves first."
    if not done:
        return "starting", "Starting: no step is done yet."
    return "running", f"Running: {far}. {left_words(facts)}"


def best_of(epochs):
    """Return the last epoch that is noted as better than all before, from 1; None where none is."""
    noted = np.flatnonzero(epochs.get("best", np.zeros(0)) == 1)
    return int(epochs["epoch"][noted[-1]]) if len(noted) else None


def steps_of_epoch(steps, epochs, configured):
    """Return how many steps an epoch has; None while its first is not over."""
    if configured or not rows(steps):
        return configured or None
    over = steps["epoch"] <= epochs["epoch"].max(initial=0) if rows(epochs) else steps["epoch"] < steps["epoch"][-1]
    return int(steps["step"][over].max()) if over.any() else None


def patience(facts):
    """Return after how many seconds without a change a run counts as stopped."""
    steps, epochs = facts.tables["steps"], facts.tables["epochs"]
    if not rows(steps):
        return STARTING
    speed = pace(facts.tables["timing"])
    longest = max(SILENCE, SLOW * speed if math.isfinite(speed) else 0)
    judging = steps["step"][-1] == facts.n_steps and rows(epochs) < steps["epoch"][-1]
    return max(longest, JUDGING) if judging or facts.n_steps is None else longest


def last_change(folder):
    """Return when something was last written of a run, seconds."""
    changes = [0.0]
    for path in [
        *(folder / name for name in (RUN, "steps.csv", "epochs.csv")),
        *list_checkpoints(folder / "checkpoints"),
    ]:
        with contextlib.suppress(OSError):  # the oldest checkpoint goes while we look
            changes.append(path.stat().st_mtime)
    return max(changes)


def ended(folder):
    """Return whether a run wrote its last weights, and no step after them."""
    try:
        return (folder / "last.weights.npz").stat().st_mtime >= (folder / "steps.csv").stat().st_mtime
    except OSError:
        return False


def saved_steps(folder):
    """Return after how many steps the newest checkpoint was saved, 0 without one."""
    there = list_checkpoints(folder / "checkpoints")
    return int(there[0].stem.split("_")[1]) if there else 0
