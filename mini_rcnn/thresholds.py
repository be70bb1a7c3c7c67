"""``python3 lab.py thresholds``: what the slides' settings, and better ones, do to hits and false marks."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .data.errors import DataError
from .verbs import in_one_line

EPILOG = """examples:
  python3 lab.py thresholds mini_rcnn/demo.weights.npz --data data/phantoms
  python3 lab.py thresholds runs/rsna/best.weights.npz --data data/rsna --search-on data/rsna:validation

The network looks at each film once; what it said is kept, and looked up again the next time."""


def make_parser():
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py thresholds",
        description="Show what thresholds do: the network's own, the three settings of the project's slides, and the "
        "best that a search finds on some films, confirmed on others.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("weights", type=Path, help="a weights file of this lab")
    parser.add_argument("--data", required=True, metavar="FOLDER[:SIDE]", help="films to try on, all or a split's side")
    parser.add_argument("--search-on", metavar="FOLDER[:SIDE]", help="other films, to search for better settings on")
    parser.add_argument("--out", type=Path, default=Path("runs", "thresholds"), metavar="FOLDER",
                        help="of what the network said (default %(default)s)")  # fmt: skip
    parser.add_argument("--most-marked", type=float, default=0.04, metavar="SHARE",
                        help="of the films without boxes that a setting may mark (default 0.04)")  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def films_of(text):
    """Return the folder, all its records, and those that ``FOLDER[:SIDE]`` means.

    Raises
    ------
    DataError
        If there is no such folder or side.
    """
    from .data.rsna import load_records
    from .data.split_files import load_split
    from .data.splits import SIDES, side_records

    folder, _, side = text.rpartition(":") if text.rpartition(":")[2] in SIDES else (text, "", "")
    if not Path(folder).is_dir():
        raise DataError(f"{folder}: there is no such folder. A side of its split is one of {', '.join(SIDES)}.")
    everyone = load_records(folder)
    records = side_records(load_split(Path(folder), everyone), side, everyone) if side else everyone
    return Path(folder), everyone, records


def look(text, weights, config, options):
    """Return what a network says of films before any threshold, and their truth by id."""
    from tqdm import tqdm

    from .data.cache import prepared_of
    from .exploring.collect import collect
    from .exploring.raw import open_raw
    from .weights import blaming, checksum

    folder, everyone, records = films_of(text)
    prepared = prepared_of(folder, everyone, size=config.image.size, quiet=options.quiet)
    records = [record for record in records if record.id in prepared]
    if not records:
        raise DataError(f"{text}: no film of it is there")
    name = text.replace(":", "-").strip("/\\").replace("/", "-").replace("\\", "-")
    where = options.out / f"{checksum(weights)[:12]}-{name}"
    bar = tqdm(total=len(records), desc=text, disable=options.quiet, leave=False)
    with bar, blaming(options.weights):
        path = collect(
            prepared, [record.id for record in records], weights, config, where,
            progress=lambda done, total: bar.update(done - bar.n),
        )  # fmt: skip
    return open_raw(path), {record.id: record.boxes for record in records}


def run(options):
    """Print the table; return the exit code."""
    from .exploring.apply import Settings
    from .exploring.table import SLIDES, outcomes, search, table_text
    from .weights import load_weights

    weights, config, _ = load_weights(options.weights)
    raw, truths = look(options.data, weights, config, options)
    rows = [Settings(), *SLIDES]
    said = ["The first row is the network's own, the next three are the slides'; in brackets, what changes."]
    if options.search_on:
        if options.search_on == options.data:
            raise ValueError(
                "--search-on must be other films than --data: what is chosen on films looks too good there"
            )
        other, other_truths = look(options.search_on, weights, config, options)
        choice = search(other, other_truths, most_marked=options.most_marked)
        found = choice.outcome
        rows.append(found.settings)
        said.append(
            f"The last row was found on {options.search_on}: of {choice.n_tried} settings the best RSNA score there "
            f"({found.rsna:.3f}, {found.healthy_marked} of {found.n_healthy} films without boxes marked)"
            + (", and is confirmed here." if choice.allowed else "; none marks so few films, this one the fewest.")
        )
    else:
        said.append("For a search for better settings, on other films: --search-on FOLDER[:SIDE].")
    print(f"{options.weights} on {options.data}: {len(raw.ids)} films, {sum(map(len, truths.values()))} boxes\n")
    print(table_text(outcomes(raw, truths, rows)) + "\n\n" + "\n".join(said))
    return 0


def main(argv=None):
    """Run the command and return its exit code: 0, 130 after Ctrl-C, 1 where something is wrong."""
    options = make_parser().parse_args(sys.argv[1:] if argv is None else list(argv))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stopped = "Stopped. The same command goes on."
    return in_one_line("thresholds", lambda: run(options), out=options.out, stopped=stopped)
