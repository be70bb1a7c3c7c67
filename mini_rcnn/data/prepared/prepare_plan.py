"""What a run of ``data prepare`` has to do: which films are new, which changed, and what a killed run left finished."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

from ..errors import CacheError
from .shards import PER_SHARD, note_path, read_index, shard_is_whole
from .shrink import TRUE_MASKS, Task, same_file


class Plan(NamedTuple):
    """What there is to do."""

    kept: tuple  # entries that are up to date
    groups: list  # (number of the shard, its tasks)
    changed: int
    gone: int
    absent: int


def make_plan(folder, size, records, old, lost):
    """Return what is up to date and what there is to do; broken films of earlier runs are tried again."""
    entries = {entry.id: entry for entry in old.entries if entry.shard not in lost} if old else {}
    kept, tasks, changed = [], [], 0
    films = [record for record in records if record.path]
    for record in films:
        task, entry = task_of(folder, size, record), entries.get(record.id)
        if entry is not None and is_current(entry, task):
            kept.append(with_times(entry, task))
        else:
            changed += entry is not None
            tasks.append(task)
    first = max(old.shards, default=-1) + 1 if old else 0
    groups = [(first + i // PER_SHARD, tasks[i : i + PER_SHARD]) for i in range(0, len(tasks), PER_SHARD)]
    gone = len(entries.keys() - {record.id for record in films})
    return Plan(tuple(kept), groups, changed, gone, len(records) - len(films))


def lost_shards(place, old):
    """Return the numbers of finished shards that are damaged or missing, each of which is said."""
    entries = {number: [] for number in old.shards}
    for entry in old.entries:
        entries[entry.shard].append(entry)
    lost = {number for number in old.shards if not shard_is_whole(place, old, entries[number])}
    for number in sorted(lost):
        print(f"{place}: shard {number} is damaged or missing, its films are prepared again.", file=sys.stderr)
    return lost


def task_of(folder, size, record):
    """Return what there is to do for the film of a record."""
    mask = Path(folder) / TRUE_MASKS / f"{record.id}.png"
    return Task(record.id, str(record.path), str(mask) if mask.exists() else "", len(record.boxes), size)


def is_current(entry, task):
    """Return whether an entry was made from the film, and the masks, that the task names."""
    if not same_file(task.path, entry.film) or bool(task.mask_path) != (entry.mask_film is not None):
        return False
    return not task.mask_path or (entry.n_masks == task.n_boxes and same_file(task.mask_path, entry.mask_film))


def with_times(entry, task):
    """Return an entry with today's file times: a copied folder has new ones, and is not hashed on every opening."""
    film = entry.film._replace(mtime_ns=os.stat(task.path).st_mtime_ns)
    mask = entry.mask_film and entry.mask_film._replace(mtime_ns=os.stat(task.mask_path).st_mtime_ns)
    return entry._replace(film=film, mask_film=mask)


def finished_shard(place, number, tasks):
    """Return the note of a shard that a killed run finished for the same films, or None."""
    try:
        note = read_index(note_path(place, number))
    except (CacheError, OSError):
        return None
    entries = {entry.id: entry for entry in note.entries}
    same_size = all(task.size == note.size for task in tasks)
    if not same_size or {task.id for task in tasks} != {*entries, *note.broken}:
        return None
    for task in tasks:
        if task.id in entries and not is_current(entries[task.id], task):
            return None
        if task.id in note.broken and not is_still_broken(note.broken[task.id], task):
            return None
    return note if shard_is_whole(place, note, note.entries) else None


def is_still_broken(fault, task):
    """Return whether a film that could not be prepared is the same one, without masks that may be mended by now."""
    return not task.mask_path and fault.film is not None and same_file(task.path, fault.film)
