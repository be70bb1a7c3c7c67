"""Make the prepared cache, or bring it up to date: plan, shrink in parallel, write shard by shard, index last."""

from __future__ import annotations

import contextlib
import errno
import itertools
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from mini_rcnn.launch.guard import Guard
from mini_rcnn.stages._check import whole_number

from ..errors import CacheError
from ..files import LOCK
from ..rsna import load_records
from ..workers import map_items
from .prepare_plan import finished_shard, lost_shards, make_plan
from .shards import INDEX, Index, read_index, shard_path, write_index, write_shard
from .shrink import died, shrink_film

SPARE = 64 << 20  # bytes of disk that must stay free


class PrepareSummary(NamedTuple):
    """What a run of `prepare_folder` found and did; numbers of images."""

    prepared: int  # in the index now
    made: int  # films read in this run
    kept: int  # that were there already, finished or from a run that was killed
    changed: int  # films replaced since
    gone: int  # films removed since
    absent: int  # in the table, without a film
    broken: dict  # id -> reason


def prepared_folder(folder, size):
    """Return where the prepared files of a folder lie."""
    return Path(folder) / "prepared" / str(size)


def prepare_folder(folder, *, size, records=None, to=None, workers=None, progress=False):
    """Make the prepared cache of a folder, go on where a killed run stopped, or bring it up to date.

    Parameters
    ----------
    folder : str or Path
        In Kaggle's layout.
    size : int
        Pixels, side of the square that the network takes.
    records : sequence of Record, optional
        Which images; all of the folder's labels table by default.
    to : str or Path, optional
        Where to write; ``folder/prepared/<size>`` by default.
    workers : int, optional
        Processes; every usable core by default.
    progress : bool, default False
        Whether to say on stderr how far it is.

    Returns
    -------
    PrepareSummary
        Broken films are left out and stand in it, and in the index, with the reason.

    Raises
    ------
    CacheError
        If no film is there, the disk is too small, or another process prepares the same folder.
    TableError
        As `mini_rcnn.data.rsna.load_records`, unless ``records`` are given.

    Notes
    -----
    Memory does not grow with the number of images, but for the index (about 2 kB each): a few films for each process
    and one shard. A kill loses the shard in work; the next run gives the same bytes as an unbroken one.
    """
    size = whole_number("size", size, 1)
    records = load_records(folder) if records is None else list(records)
    place = Path(to) if to is not None else prepared_folder(folder, size)
    if not any(record.path for record in records):
        raise CacheError(f"{folder}: none of the {len(records)} films is there, so nothing can be prepared from it")
    place.mkdir(parents=True, exist_ok=True)
    with refusing_others(place):
        remove_halves(place)
        return bring_up_to_date(place, folder, size, records, workers, progress)


@contextlib.contextmanager
def refusing_others(place):
    """Hold the folder's lock, which dies with its process; CacheError if another process has it."""

    def refuse(_):
        raise CacheError(f"{place}: another `data prepare` is at work there (process {holder(place)}); wait for it")

    with Guard(place / LOCK, refuse):
        yield


def holder(place):
    """Return the number of the process that has the lock, as far as it can be read."""
    try:
        return (place / LOCK).read_text(encoding="ascii").strip() or "unknown"
    except (OSError, ValueError):
        return "unknown"


def bring_up_to_date(place, folder, size, records, workers, progress):
    """Return the summary of a run that holds the lock."""
    old = index_or_none(place, size)
    lost = lost_shards(place, old) if old else set()
    plan = make_plan(folder, size, records, old, lost)
    parts = {number: finished_shard(place, number, tasks) for number, tasks in plan.groups}
    left = [(number, tasks) for number, tasks in plan.groups if parts[number] is None]
    tasks = [task for _, group in left for task in group]
    check_space(place, sum(2 if task.mask_path else 1 for task in tasks) * size * size)
    parts.update(make_shards(place, size, left, workers, "preparing" if progress and tasks else None))
    index = join(size, records, plan.kept, old, list(parts.values()))
    if index != old:
        write_index(place / INDEX, index)
    remove_unused(place, index)
    kept = len(index.entries) + len(index.broken) - len(tasks)
    broken = {image_id: fault.reason for image_id, fault in index.broken.items()}
    return PrepareSummary(len(index.entries), len(tasks), kept, plan.changed, plan.gone, plan.absent, broken)


def index_or_none(place, size):
    """Return the index of an earlier run; None where there is none that can be used, which is said."""
    try:
        index = read_index(place / INDEX)
    except FileNotFoundError:
        return None
    except (CacheError, OSError) as error:
        print(f"{error}; everything is prepared again.", file=sys.stderr)
        return None
    return index if index.size == size else None


def check_space(place, n_bytes):
    """Raise CacheError if the disk has no room for so many bytes."""
    free = shutil.disk_usage(str(place)).free
    if n_bytes and n_bytes + SPARE > free:
        raise CacheError(
            f"{place}: needs {(n_bytes + SPARE) / 2**20:,.0f} MiB, the disk has {free / 2**20:,.0f} MiB free. "
            f"Make room, or choose a smaller --size."
        )


def make_shards(place, size, left, workers, label):
    """Return ``{number: its Index}`` of the shards that were made and written, in order."""
    tasks = [task for _, group in left for task in group]
    results, made = iter(map_items(shrink_film, tasks, workers=workers, label=label, on_death=died)), {}
    try:
        for number, group in left:
            made[number] = write_shard(place, number, size, list(itertools.islice(results, len(group))))
        next(results, None)  # ends the bar and the processes
    except OSError as error:
        if error.errno not in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise
        text = f"{place}: the disk is full; {len(made)} of {len(left)} shards are written. Make room and run it again."
        raise CacheError(text) from None
    return made


def join(size, records, kept, old, parts):
    """Return one index of what was kept and of the new shards, in the order of the records."""
    entries = {entry.id: entry for entry in itertools.chain(kept, *(part.entries for part in parts))}
    broken = {image_id: fault for part in parts for image_id, fault in part.broken.items()}
    lengths = dict(old.shards) if old else {}
    for part in parts:
        lengths.update(part.shards)
    used = {entry.shard for entry in entries.values()}
    return Index(
        size,
        tuple(entries[record.id] for record in records if record.id in entries),
        {record.id: broken[record.id] for record in records if record.id in broken},
        {number: lengths[number] for number in sorted(used)},
    )


def remove_halves(place):
    """Remove what a killed run was writing when it ended."""
    for path in place.glob(".*.new"):
        remove(path)


def remove_unused(place, index):
    """Remove the notes, whose place the index has taken, and shards of which nothing is left."""
    used = {shard_path(place, kind, number).name for number in index.shards for kind in ("shard", "masks")}
    for path in [*place.glob("shard-*"), *place.glob("masks-*")]:
        if path.name not in used:
            remove(path)


def remove(path):
    """Remove a file, unless a reader on Windows holds it: then the next run does."""
    with contextlib.suppress(OSError):
        path.unlink()
