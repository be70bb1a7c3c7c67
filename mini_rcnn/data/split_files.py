"""Splits as files: ``FOLDER/splits/NAME.json``, made once by ``data split`` and never again in silence."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .contradictions import CLASSES
from .errors import DataError
from .files import write_json
from .rsna import load_records
from .rsna_tables import SAFE_ID
from .splits import SIDES, Split, fingerprint_of, leak_of, side_records, split_as_slides, split_by_patient
from .tables import Table, format_table, share

VERSION = 1  # of the file's form
METHODS = {"patient": split_by_patient, "slides": split_as_slides}
FIELDS = {"version": int, "name": str, "method": str, "seed": int, "fingerprint": str}


def split_path(folder, name):
    """Return where a split of a folder is kept."""
    if not SAFE_ID.match(name):
        raise DataError(f"a split's name must be letters, digits, '-', '_' and '.' only, got {name!r}")
    return Path(folder) / "splits" / f"{name}.json"


def remedy(path, content=None):
    """Return what to do about a split file that does not fit: the command that makes such a one from the data."""
    content = content if isinstance(content, dict) else {}
    method = content.get("method") if content.get("method") in METHODS else None
    by = method or (path.stem if path.stem in METHODS else "patient")
    seed = content["seed"] if type(content.get("seed")) is int else 1
    name = "" if path.stem == by else f" --name {path.stem}"
    command = f"python3 lab.py data split {path.parent.parent} --by {by} --seed {seed}{name}"
    return f"Make it again: `{command} --replace`." if path.exists() else f"Make it: `{command}`."


def write_split(path, split):
    """Write a split as JSON, whole or not at all; the same split gives the same bytes.

    Parameters
    ----------
    path : str or Path
    split : Split
    """
    fields = {name: getattr(split, name) for name in ("name", "method", "seed", "fingerprint", "fractions", *SIDES)}
    try:
        write_json(path, {"version": VERSION, **fields})
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written: {error.strerror}. Is there room, and may you write there?"
        ) from error


def is_part(value):
    """Return whether a value of JSON is a number from 0 to 1."""
    return type(value) in (int, float) and 0 <= value <= 1


def check_content(content):
    """Return what is wrong with the content of a split file, or None."""
    if not isinstance(content, dict):
        return "holds no table of names"
    for name, kind in FIELDS.items():
        if type(content.get(name)) is not kind:
            return f"needs {name!r} as {'text' if kind is str else 'a whole number'}"
    if content["version"] != VERSION:
        return f"has version {content['version']}, and this program reads {VERSION}"
    if content["method"] not in METHODS or content["seed"] < 0:
        return f"needs a 'method' of {', '.join(METHODS)} and a 'seed' of 0 or more"
    fractions = content.get("fractions", ())
    if fractions is not None and not (
        isinstance(fractions, list) and len(fractions) == 3 and all(map(is_part, fractions))
    ):
        return "needs 'fractions' as three numbers from 0 to 1, or null"
    for side in SIDES:
        ids = content.get(side)
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            return f"needs {side!r} as a list of ids"
    return check_ids([one for side in SIDES for one in content[side]])


def check_ids(ids):
    """Return which id comes twice, as a text, or None."""
    seen = set()
    for one in ids:
        if one in seen:
            return f"has the image {one!r} twice"
        seen.add(one)
    return None


def check_fits(split, records):
    """Return why a split is not one of these records, or None."""
    ids, known = {one for side in SIDES for one in split.sides[side]}, {record.id for record in records}
    for what, strangers in (
        ("it names images that are not in the tables", ids - known),
        ("it lacks images", known - ids),
    ):
        if strangers:
            return f"{what}: {len(strangers)}, the first {min(strangers)!r}"
    if split.fingerprint != fingerprint_of(records):
        return "the images are the same, their classes or patients are not"
    if split.method == "patient" and leak_of(split, records).patients:
        return "it has a patient on two sides, so somebody changed it by hand"
    return None


def read_split(path, records=None):
    """Return a split from its file.

    Parameters
    ----------
    path : str or Path
    records : sequence of Record, optional
        The data it should be a split of; without them only the file itself is checked.

    Returns
    -------
    Split
        Equal to the one that was written.

    Raises
    ------
    DataError
        If the file is missing, is no split (not JSON, a field missing or of the wrong type, an image twice), or belongs
        to other data: other images, classes or patients. The text says what to do.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: is not there. {remedy(path)}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON, or not whole. {remedy(path)}") from error
    wrong = check_content(content)
    if wrong:
        raise DataError(f"{path}: is no split: it {wrong}. {remedy(path, content)}")
    fractions = None if content["fractions"] is None else tuple(map(float, content["fractions"]))
    split = Split(
        content["name"], content["method"], content["seed"], fractions, content["fingerprint"],
        *(tuple(content[side]) for side in SIDES),
    )  # fmt: skip
    wrong = None if records is None else check_fits(split, records)
    if wrong:
        raise DataError(f"{path}: does not fit this data: {wrong}. {remedy(path, content)}")
    return split


def load_split(folder, records, name="patient"):
    """Return the split that a folder keeps under a name; it is never computed here.

    Parameters
    ----------
    folder : str or Path
    records : sequence of Record
        All of the folder, as `mini_rcnn.data.rsna.load_records` gives them.
    name : str, default "patient"

    Returns
    -------
    Split

    Raises
    ------
    DataError
        If there is none (the text has the command that makes it), or as of `read_split`.
    """
    return read_split(split_path(folder, name), records)


def side_table(split, records):
    """Return how many images, patients and images of each class a split has on each side."""
    rows = []
    for side in (*SIDES, "all"):
        mine = list(records) if side == "all" else side_records(split, side, records)
        of_class = [sum(record.class_name == name for record in mine) for name in CLASSES]
        rows.append((side, len(mine), share(len(mine), len(records)), len({r.patient for r in mine}), *of_class))
        rows[-1] += (share(of_class[-1], len(mine)),)
    return Table(("side", "images", "share", "patients", *CLASSES, "of images"), rows)


def leak_text(split, records):
    """Return what a split leaks, in a sentence."""
    leak = leak_of(split, records)
    unknown = sum(record.patient == record.id for record in records)
    if unknown == len(records):
        return "No table names the patients: each image counts as its own patient, and nobody can tell what leaks."
    known = f" Of {unknown:,} images no table names the patient; each counts as its own." if unknown else ""
    if not leak.patients:
        return f"No patient is on two sides.{known}"
    told = " and ".join(
        f"{leak.in_train[side]:,} of {len(split.sides[side]):,} {side} images "
        f"({share(leak.in_train[side], len(split.sides[side]))})"
        for side in SIDES[1:]
    )
    return f"It leaks: {len(leak.patients):,} patients are on two sides or more; {told} show one of train's.{known}"


def describe_split(split, records):
    """Return a split as the command prints it: its seed, its sides, its leak."""
    method = "by patient, stratified by class" if split.method == "patient" else "image by image, as on the slides"
    title = f"Split {split.name!r}: {method}, seed {split.seed}"
    return f"{title}\n{format_table(side_table(split, records))}\n{leak_text(split, records)}"


def parser():
    """Return the command's parser."""
    made = argparse.ArgumentParser(
        prog="python3 lab.py data split",
        description="Share a folder's images out to train, validation and test, and keep that in FOLDER/splits.",
        epilog="example: python3 lab.py data split data/phantoms --by patient --seed 1",
    )
    made.add_argument("folder", type=Path, help="a folder in Kaggle's layout")
    by_help = "by patient (default), or image by image with the slides' counts, which leaks"
    made.add_argument("--by", choices=sorted(METHODS), default="patient", help=by_help)
    made.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")
    made.add_argument("--name", help="of the file; default: what stands behind --by")
    made.add_argument("--replace", action="store_true", help="overwrite a split that is there and differs")
    return made


def main(argv):
    """Run ``data split`` and return its exit code: 0, or 1 where another split is there already."""
    arguments = parser().parse_args(argv)
    if arguments.seed < 0:
        raise DataError(f"--seed must be 0 or more, got {arguments.seed}")
    name = arguments.name or arguments.by
    path = split_path(arguments.folder, name)
    records = load_records(arguments.folder)
    wanted = METHODS[arguments.by](records, seed=arguments.seed, name=name)
    if path.exists() and not arguments.replace:
        kept = read_split(path, records)
        print(f"{path} is there already; nothing was changed.\n{describe_split(kept, records)}")
        if kept == wanted:
            return 0
        text = f"{path} is not the split that was asked for ({arguments.by}, seed {arguments.seed})"
        print(f"python3 lab.py data split: {text}. Ask with --replace to overwrite it.", file=sys.stderr)
        return 1
    write_split(path, wanted)
    print(f"{describe_split(wanted, records)}\nWritten to {path}")
    return 0
