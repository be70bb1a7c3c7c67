"""``data check``: what a folder holds, what is absent, what contradicts itself, which films cannot be read."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from .contradictions import Contradiction, by_image, contradictions_of
from .errors import DataError
from .files import sha256_of
from .rsna import FULL, IMAGE_SIZE, Counts, counts, records_of
from .rsna_tables import FILMS, read_tables
from .tables import boxes_per_image_table_of, class_table_of, format_table, headers_of_films
from .workers import map_items

PHANTOMS = "phantoms.json"  # beside the tables of a folder that was drawn: its films' checksums, among others
MANIFEST = "manifest.json"  # the same for a folder that was got

SHOWN = 100  # contradictions and broken films that are printed; --json has them all
FIRST = 5  # absent ids that are printed
COMPARED = ("images", "rows", "boxes", "positive_images", "images_by_class")  # with the full challenge's


def known_checksums(folder):
    """Return ``{id: SHA-256}`` of the films whose checksums stand in a manifest, written when they were whole.

    Raises
    ------
    DataError
        If a manifest is there and cannot be read.
    """
    checksums = {}
    for name in (PHANTOMS, MANIFEST):
        path = Path(folder) / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            parts = [film["files"] for film in content["films"]] if name == PHANTOMS else [content["files"]]
            files = {file: known for part in parts for file, known in part.items()}
        except FileNotFoundError:
            continue
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{path}: is no manifest. Get or draw the films again, or remove it.") from error
        for file, known in files.items():
            if file.startswith(f"{FILMS}/") and file.endswith(".dcm"):
                known = known.get("sha256") if isinstance(known, dict) else known
                checksums[file[len(FILMS) + 1 : -len(".dcm")]] = known
    return checksums


def film_fault(item):
    """Return what is wrong with the film of one ``(id, path, SHA-256 or None)``, or None where all is well."""
    from .dicom import read_image  # here, so that the tables alone need no decoder

    _, path, checksum = item
    try:
        read_image(path)
        if checksum is not None and sha256_of(path) != checksum:
            return f"{path}: has other bytes than its manifest says, so its pixels may be wrong: get or draw it again"
    except DataError as error:
        return str(error)
    except Exception as error:  # a slip of a decoder: it must not hide the other broken films, and may quote a header
        return f"{path}: the reader stopped with {type(error).__name__}"
    return None


def film_death(item):
    """Return what is wrong with a film that killed the process that read it."""
    return f"{item[1]}: reading it killed the process (a decoder's crash, or out of memory)"


def broken_films(films, checksums, *, workers=None, label="films", read=film_fault):
    """Return ``{id: text}`` of the films that cannot be read, or are not the bytes that they were.

    Parameters
    ----------
    films : dict
        ``{id: path}``.
    checksums : dict
        ``{id: SHA-256}`` of the films where it is known.
    workers : int, optional
        Processes; every usable core by default.
    label : str or None
        What the progress bar on stderr says; None shows none.
    read : callable
        Of ``(id, path, SHA-256 or None)``, a function of a module: a text, or None where all is well.
    """
    if not films:
        return {}
    items = [(image_id, path, checksums.get(image_id)) for image_id, path in films.items()]
    faults = list(map_items(read, items, workers=workers, label=label, on_death=film_death))  # to the bar's end
    return {image_id: fault for image_id, fault in zip(films, faults) if fault is not None}


def full_differences(found):
    """Return ``{what: [found, expected]}`` where counts differ from the full challenge's, which they should be."""
    differences = {}
    for name in COMPARED:
        if getattr(found, name) != getattr(FULL, name):
            differences[name] = [getattr(found, name), getattr(FULL, name)]
    return differences


def examine(folder, *, films=False, sizes=False, workers=None, label=True):
    """Return everything that ``data check`` tells about a folder, as plain values.

    Parameters
    ----------
    folder : str or Path
    films : bool
        Read every film.
    sizes : bool
        Read every film's header, and hold the boxes against its size instead of 1024 x 1024.
    workers : int, optional
    label : bool, default True
        Show progress on stderr.

    Returns
    -------
    dict
        Plain values, for JSON. ``ok`` is whether all is well; absent films are no fault.

    Raises
    ------
    TableError
        If a table is missing or cannot be read.
    """
    tables = read_tables(folder)
    headers, broken = {}, {}
    if sizes:
        headers, broken = headers_of_films(tables.films, workers=workers, label="headers" if label else None)
    found_sizes = {image_id: (header.rows, header.columns) for image_id, header in headers.items()}
    contradictions = contradictions_of(tables, image_size=IMAGE_SIZE, sizes=found_sizes)
    checksums = known_checksums(folder) if films else {}
    if films:
        broken.update(broken_films(tables.films, checksums, workers=workers, label="films" if label else None))
    images, wrong = by_image(tables.labels), {one.image_id for one in contradictions}
    numbers = counts(records_of(tables, wrong))
    is_full = len(images) >= FULL.images and not (tables.folder / PHANTOMS).exists()
    differences = full_differences(numbers) if is_full else {}
    return {
        "folder": str(folder),
        "counts": dataclasses.asdict(numbers),
        "images_left_out": len(images) - numbers.images,
        "full_challenge": is_full,
        "differences": differences,
        "films": len(tables.films),
        "absent_films": [image_id for image_id in images if image_id not in tables.films],
        "contradictions": [dict(one._asdict()) for one in contradictions],
        "films_read": len(tables.films) if films else 0,
        "checksums_compared": len(tables.films.keys() & checksums.keys()),
        "headers_read": len(tables.films) if sizes else 0,
        "broken_films": broken,
        "ok": not (contradictions or broken or differences),
    }


def shortened(lines, what):
    """Return at most `SHOWN` lines, indented, and how many more there are."""
    more = [f"... and {len(lines) - SHOWN:,} more {what}; --json has all of them"] if len(lines) > SHOWN else []
    return [f"  {line}" for line in lines[:SHOWN] + more]


def counts_text(result):
    """Return the lines about what there is, and about the full challenge."""
    numbers = Counts(**result["counts"])
    yield (
        f"{result['folder']}: {numbers.images:,} images of {numbers.patients:,} patients, {numbers.positive_images:,} "
        f"positive; {numbers.rows:,} rows, {numbers.boxes:,} boxes"
    )
    if numbers.unknown_patients:
        yield f"Of {numbers.unknown_patients:,} images no table names the patient; each counts as its own."
    if result["images_left_out"]:
        yield f"These counts leave out {result['images_left_out']:,} images whose rows contradict each other."
    yield "\n" + format_table(class_table_of(numbers)) + "\n\n" + format_table(boxes_per_image_table_of(numbers)) + "\n"
    if result["differences"]:
        yield "Not as the full challenge:"
        for name, (found, wanted) in result["differences"].items():
            yield f"  {name}: {found}, expected {wanted}"
    elif result["full_challenge"]:
        yield "The tables are the full challenge's, with the counts expected."
    else:
        yield f"(The full challenge has {FULL.images:,} images, {FULL.rows:,} rows, {FULL.boxes:,} boxes.)"


def films_text(result):
    """Return the lines about the films."""
    absent, here = result["absent_films"], result["films"]
    if absent:
        yield f"Films: {here:,} are here; {len(absent):,} are absent{', the first:' if len(absent) > FIRST else ':'}"
        yield from (f"  {image_id}" for image_id in absent[:FIRST])
    else:
        yield f"Films: {here:,} are here, none is absent."
    if result["headers_read"] or result["films_read"] or result["broken_films"]:
        read = "film" if result["films_read"] else "film's header"
        broken = list(result["broken_films"].values())
        yield f"Every {read} was read; {len(broken):,} of {here:,} broken{':' if broken else '.'}"
        yield from shortened(broken, "broken films")
    if result["films_read"]:
        known = f"The checksums of {result['checksums_compared']:,} were compared."
        yield (
            known if result["checksums_compared"] else "No checksum is known: a byte flipped in the pixels goes unseen."
        )


def report_text(result):
    """Return what the command prints about the result of `examine`."""
    lines = [*counts_text(result), *films_text(result)]
    found = [str(Contradiction(**one)) for one in result["contradictions"]]
    lines.append(f"Contradictions: {len(found):,}" if found else "No contradictions.")
    return "\n".join(lines + shortened(found, "contradictions"))


def parser():
    """Return the command's parser."""
    made = argparse.ArgumentParser(
        prog="python3 lab.py data check",
        description="Say what a folder of films holds, what is absent, what contradicts itself and what is broken. "
        "Ends with 0 if all is well (a part of the films is well, too) and with 1 if not.",
        epilog="example: python3 lab.py data check data/rsna --films",
    )
    made.add_argument("folder", type=Path, help="a folder in Kaggle's layout")
    made.add_argument("--films", action="store_true", help="read every film and name those that cannot be read")
    made.add_argument("--sizes", action="store_true", help="hold the boxes against each film's own size, not 1024")
    made.add_argument("--json", action="store_true", help="everything as JSON")
    made.add_argument("--workers", type=int, metavar="N", help="processes; default: every core")
    return made


def main(argv):
    """Run ``data check`` and return its exit code: 0 where all is well, else 1."""
    made = parser()
    arguments = made.parse_args(argv)
    if arguments.workers is not None and arguments.workers < 1:
        made.error(f"argument --workers: must be 1 or more, got {arguments.workers}")
    result = examine(arguments.folder, films=arguments.films, sizes=arguments.sizes, workers=arguments.workers)
    print(json.dumps(result, indent=1) if arguments.json else report_text(result))
    return 0 if result["ok"] else 1
