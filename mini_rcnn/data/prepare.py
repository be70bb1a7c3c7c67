"""``python3 lab.py data prepare FOLDER``: every film at the network's size, once."""

from __future__ import annotations

import argparse
import sys
import time

from .cache import prepare_folder, prepared_folder
from .rsna import find_contradictions, load_records

EPILOG = """example: python3 lab.py data prepare data/phantoms --size 256

Run it again after a kill, or after films were added, replaced or removed: it does what is left to do."""


def parse(argv):
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py data prepare",
        description="Bring the films of a folder to the network's size, once, so that training need not wait for it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="FOLDER", help="films and tables, as Kaggle lays them out")
    parser.add_argument("--size", type=int, default=256, help="pixels, side of the square (default 256)")
    parser.add_argument("--workers", type=int, help="processes (default: one for each core)")
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="end with 0 though films are broken; leave images out that the tables contradict each other on",
    )
    options = parser.parse_args(argv)
    for name in ("size", "workers"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")
    return options


def describe(summary, place, seconds):
    """Return what a run did, as text.

    >>> from .cache import PrepareSummary
    >>> print(describe(PrepareSummary(9, 10, 0, 0, 0, 3, {"a": "a.dcm: is empty"}), "prepared/256", 2.0))
    broken: a.dcm: is empty
    prepared/256: 9 films prepared (10 read now, 5.0 a second; 0 were there), 1 broken, 3 absent
    """
    lines = [f"broken: {reason}" for reason in summary.broken.values()]
    speed = f", {summary.made / seconds:.1f} a second" if summary.made else ""
    done = f"{place}: {summary.prepared} films prepared ({summary.made} read now{speed}; {summary.kept} were there)"
    more = [
        f"{count} {word}"
        for count, word in (
            (len(summary.broken), "broken"),
            (summary.absent, "absent"),
            (summary.changed, "replaced since"),
            (summary.gone, "removed since"),
        )
        if count
    ]
    return "\n".join([*lines, ", ".join([done, *more])])


def main(argv=None):
    """Prepare a folder, say what was done, and return 0, or 1 if a film is broken."""
    options = parse(argv)
    records = load_records(options.folder, strict=not options.keep_going)
    if options.keep_going:
        for one in find_contradictions(options.folder):
            print(f"left out: {one}", file=sys.stderr)
    begun = time.perf_counter()
    summary = prepare_folder(options.folder, size=options.size, records=records, workers=options.workers, progress=True)
    print(describe(summary, prepared_folder(options.folder, options.size), time.perf_counter() - begun))
    if summary.broken and not options.keep_going:
        print(
            f"{len(summary.broken)} broken films are left out. Replace them and run it again, or say --keep-going.",
            file=sys.stderr,
        )
        return 1
    return 0
