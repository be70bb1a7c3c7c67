"""Phantoms as a folder in Kaggle's layout: films, tables, masks, and the parameters of every draw."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from .errors import DataError
from .files import LOCK, only_one, sha256_of, write_json, written_beside
from .phantom import draw_phantom
from .phantoms.phantom_folder import (
    MANIFEST,
    MASKS,
    Journal,
    drawing_version,
    films_there,
    ids_before,
    is_finished,
    prepare_folder,
    refuse_others,
    refuse_strangers,
    remove_leftovers,
)
from .phantoms.phantom_plan import plan_phantoms
from .rsna_tables import CLASS_INFO, FILMS, LABELS, PATIENTS
from .workers import map_items
from .write_dicom import film_bytes

BYTES_A_FILM = 300_000  # film, mask and parameters: twice what is usual, so that the disk suffices
STATEMENT = (
    "Drawn by a program: no patient and no real film went into it; people, ages and dates are made up. Whatever rights "
    "there are in these pictures and tables are given up (CC0 1.0); the program is under its repository's licence."
)
# Millimetres a pixel, and their shares: counted in the headers of 239 films of the challenge.
SPACINGS = {"PA": ((0.143, 0.5), (0.168, 0.5)), "AP": ((0.168, 0.8), (0.171, 0.2))}


class Written(NamedTuple):
    """What a run of `write_phantoms` did."""

    folder: Path
    drawn: int  # films
    kept: int  # films that were there, whole


def plain(value):
    """Return a value of numbers, texts, lists and dicts as JSON holds it, floats with six digits.

    >>> plain({"at": (np.float32(0.1), np.int64(2)), "name": None})
    {'at': [0.1, 2], 'name': None}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.6g}")
    if isinstance(value, np.bool_):
        return bool(value)
    return int(value) if isinstance(value, np.integer) else value


def spacing_of(plan):
    """Return a film's millimetres from pixel to pixel."""
    spacings = SPACINGS[plan.view]
    position = np.random.default_rng([plan.seed, 1]).random()
    return spacings[0][0] if position < spacings[0][1] else spacings[1][0]


def mask_bytes(masks):
    """Return a PNG whose bit k is set where mask k is.

    Parameters
    ----------
    masks : ndarray of shape (N, H, W), bool
        1 to 8 masks.
    """
    if not 1 <= len(masks) <= 8:
        raise ValueError(f"masks must be 1 to 8, a bit each, got {len(masks)}")
    bits = np.zeros(masks.shape[1:], np.uint8)
    for k, mask in enumerate(masks):
        bits |= mask.astype(np.uint8) << np.uint8(k)
    return cv2.imencode(".png", bits, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes()


def draw_to_files(task):
    """Draw one phantom, write its film and masks, and return what the tables and the manifest say of it.

    Parameters
    ----------
    task : tuple
        ``(folder, PhantomPlan)``.
    """
    folder, plan = Path(task[0]), task[1]
    phantom = draw_phantom(plan)
    film = film_bytes(
        phantom.image, plan.image_id, view=plan.view, sex=plan.sex, age=plan.age, spacing=spacing_of(plan)
    )
    files = {f"{FILMS}/{plan.image_id}.dcm": film}
    if len(phantom.masks):
        files[f"{MASKS}/{plan.image_id}.png"] = mask_bytes(phantom.masks)
    for name, content in files.items():
        with written_beside(folder / name) as file:
            file.write(content)
    return {
        "id": plan.image_id,
        "files": {name: sha256_of(folder / name) for name in files},
        "boxes": [[x1, y1, x2 - x1, y2 - y1] for y1, x1, y2, x2 in np.asarray(phantom.boxes, float).tolist()],
        "plan": plain(asdict(plan)),
        "parameters": plain(phantom.parameters),
    }


def died(task):
    """Raise what a person can do when the system ended a drawing process."""
    raise DataError(f"drawing {task[1].image_id} ended its process, as where memory runs out. Try --workers 1.")


def table(header, rows):
    """Return a CSV file as Kaggle's are, as bytes."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue().encode()


def tables_of(films):
    """Return the tables of films as ``{name: bytes}``, sorted by id as Kaggle's are."""
    films = sorted(films, key=lambda film: film["id"])
    boxes = [(film, box) for film in films for box in film["boxes"] or [None]]
    return {
        LABELS: table(
            ("patientId", "x", "y", "width", "height", "Target"),
            [(film["id"], *(box or [""] * 4), int(box is not None)) for film, box in boxes],
        ),
        CLASS_INFO: table(("patientId", "class"), [(film["id"], film["plan"]["class_name"]) for film, _ in boxes]),
        PATIENTS: table(("patientId", "nih_patient"), [(film["id"], film["plan"]["patient"]) for film in films]),
    }


def tables_there(folder, films):
    """Return whether the tables of films are in a folder as they were written."""
    with contextlib.suppress(OSError):
        return all((folder / name).read_bytes() == content for name, content in tables_of(films).items())
    return False


def write_tables(folder, films):
    """Write the tables of films."""
    for name, content in tables_of(films).items():
        with written_beside(folder / name) as file:
            file.write(content)


def command_of(n_images, *, seed, more_ill=0):
    """Return the command that draws a set.

    >>> command_of(400, seed=1)
    'python3 lab.py data phantoms --images 400 --seed 1'
    """
    more = f" --more-ill {int(more_ill)}" if more_ill else ""
    return f"python3 lab.py data phantoms --images {int(n_images)}{more} --seed {int(seed)}"


def check_disk(folder, n_films):
    """Raise DataError unless the disk has room for so many films."""
    there = next(path for path in [folder, *folder.parents] if path.exists())
    free, needed = shutil.disk_usage(str(there)).free, n_films * BYTES_A_FILM
    if free < needed:
        raise DataError(
            f"{folder}: {n_films} films need {needed / 1e6:,.0f} MB and the disk has {free / 1e6:,.0f} MB free. "
            "Make room, choose another folder with --to, or draw fewer with --images."
        )


def write_phantoms(folder, n_images, *, seed, more_ill=0, workers=None, quiet=False, replace=False):
    """Draw phantoms into a folder in Kaggle's layout.

    Parameters
    ----------
    folder : str or Path
        New, empty, or holding phantoms of the same seed and drawing, which are kept: a run that was stopped goes on,
        and a set grows.
    n_images : int
        0 or more.
    seed : int
        0 or more.
    more_ill : int, default 0
        How many films with opacities on top, see `plan_phantoms`.
    workers : int, optional
        Processes; every usable core by default. The files do not depend on it.
    quiet : bool, default False
        Without a progress bar, or a word where another process is waited for.
    replace : bool, default False
        Remove phantoms of another seed, number or drawing first. Nothing else is ever removed.

    Returns
    -------
    Written

    Raises
    ------
    ValueError
        If ``n_images``, ``seed`` or ``more_ill`` is no whole number or is negative.
    DataError
        If the folder holds something else, or the disk is too small.

    Notes
    -----
    The manifest, ``phantoms.json``, is written last: a folder without it is unfinished. The same seed and number give
    the same bytes in one environment; across environments the same tables, and pixels within one grey level.

    One process at a time writes a folder; others wait for it and find it finished. A finished folder is only read, so
    it may be write-protected, and open elsewhere.
    """
    folder, plans = Path(folder), plan_phantoms(n_images, seed=seed, more_ill=more_ill)
    facts = dict(seed=int(seed), images=int(n_images), more_ill=int(more_ill), version=drawing_version())
    if is_there(folder, plans, facts):
        return Written(folder, 0, len(plans))
    if not (folder / LOCK).exists():  # where it is the folder is ours, and may change while one looks
        refuse_others(folder)
    if not folder.exists():  # nor will it, if it cannot be filled
        check_disk(folder, len(plans))
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder, work=f"drawing phantoms into {folder}", quiet=quiet):
        if is_there(folder, plans, facts):  # another process finished it meanwhile
            return Written(folder, 0, len(plans))
        return draw_missing(folder, plans, facts, workers=workers, quiet=quiet, replace=replace)


def is_there(folder, plans, facts):
    """Return whether a finished run's folder holds all that these plans and facts ask, whole."""
    if not is_finished(folder, facts):
        return False
    refuse_strangers(folder, ids_before(folder))
    done = films_there(folder, plans)
    return len(done) == len(plans) and tables_there(folder, done.values())


def draw_missing(folder, plans, facts, *, workers, quiet, replace):
    """Draw what is not there yet, in a folder whose lock this process has; see `write_phantoms`."""
    prepare_folder(folder, facts, replace=replace)
    done = films_there(folder, plans)
    tasks = [(str(folder), plan) for plan in plans if plan.image_id not in done]
    check_disk(folder, len(tasks))
    with Journal(folder, facts) as journal:
        for film in map_items(
            draw_to_files, tasks, workers=workers, label=None if quiet else "phantoms", on_death=died
        ):
            journal.add(film)
            done[film["id"]] = film
        films = [done[plan.image_id] for plan in plans]
        (folder / FILMS).mkdir(exist_ok=True)
        write_tables(folder, films)
        command = command_of(facts["images"], seed=facts["seed"], more_ill=facts["more_ill"])
        write_json(folder / MANIFEST, {**facts, "command": command, "statement": STATEMENT, "films": films})
    remove_leftovers(folder)
    journal.remove()
    return Written(folder, len(tasks), len(plans) - len(tasks))


def natural(text):
    """Return a whole number of 0 or more from the command line, or raise what argparse expects."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be a whole number of 0 or more, got {text!r}")
    return int(text)


def make_parser():
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py data phantoms",
        description="Draw chest films, with opacities and without, into a folder of the challenge's own layout. "
        "The same seed draws the same films. A run that was stopped goes on where it was; a larger --images adds to "
        "what is there.",
        epilog="example: python3 lab.py data phantoms --images 400 --seed 1",
    )
    parser.add_argument("--images", type=natural, default=400, metavar="N", help="how many films (default 400)")
    parser.add_argument(
        "--more-ill", type=natural, default=0, metavar="N", help="films with opacities on top, to learn from (none)"
    )
    parser.add_argument("--seed", type=natural, default=1, metavar="N", help="which ones (default 1)")
    parser.add_argument(
        "--to", type=Path, default=Path("data", "phantoms"), metavar="FOLDER", help="default: %(default)s"
    )
    parser.add_argument("--workers", type=natural, metavar="N", help="processes (default: every core)")
    parser.add_argument("--replace", action="store_true", help="remove other phantoms that are in the folder")
    return parser


def main(argv=None):
    """Draw phantoms as the arguments say and return the exit code."""
    options = make_parser().parse_args(argv)
    written = write_phantoms(
        options.to,
        options.images,
        seed=options.seed,
        more_ill=options.more_ill,
        workers=options.workers or None,
        replace=options.replace,
    )
    kept = f", {written.kept} were there" if written.kept else ""
    print(f"{written.folder}: {written.drawn} films drawn{kept}. See {MANIFEST} for what is on each.")
    return 0
