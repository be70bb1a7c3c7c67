"""``python3 lab.py alarms WEIGHTS --data FOLDER``: the false alarms above a score, and why they are there."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from .alarms.causes import WORDS
from .alarms.drawn import plans_of, scene_of
from .alarms.report import counts_text, explain, write_tables
from .data.cache import prepared_of
from .data.dicom import read_image
from .data.errors import DataError
from .data.rsna import load_records
from .data.split_files import load_split, split_path
from .data.splits import SIDES, side_records
from .detect import unit
from .detecting.inputs import read_network
from .train import number_of
from .verbs import in_one_line
from .weights import blaming

NAME = "python3 lab.py alarms"
EPILOG = """examples:
  python3 lab.py alarms runs/mine/best.weights.npz --data data/rsna
  python3 lab.py alarms runs/negatives/skip-0/last.weights.npz --data data/phantoms --side all --above 0.95

What is written: alarms.json and alarms.csv with every alarm, and sheets (PNG) of the highest ones: each with what is
there, and the true opacities that the box head sees as most like it. On phantoms the cause is what was really drawn;
on real films it is known whether an alarm is a near miss or a second mark, and else the film's class alone."""


def make_parser():
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Find the false alarms above a score and say why each is there.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("weights", metavar="WEIGHTS", help="ours (.npz) or Matterport's (.h5)")
    add("--data", metavar="FOLDER", required=True, help="films in the challenge's layout, with their tables")
    add("--side", choices=(*SIDES, "all"), help="of the folder's split (default: test; all where it has no split)")
    add("--above", metavar="X", type=unit, default=0.95, help="the least score of an alarm (default %(default)s)")
    add("--out", metavar="FOLDER", type=Path, default=Path("runs", "alarms"), help="default %(default)s")
    add("--limit", metavar="N", type=number_of(int, 0, "a whole number"), default=48,
        help="how many are drawn, the highest scores first (default %(default)s); the tables hold all")  # fmt: skip
    add("--quiet", action="store_true", help="no progress bars")
    return parser


def records_of(folder, side, *, tell):
    """Return all records of a folder, those of a side, and the side's name."""
    everyone = load_records(folder)
    if side is None:
        side = "test" if split_path(folder, "patient").exists() else "all"
        tell(f"{folder}: {'the test side of its split' if side == 'test' else 'all films; it has no split'}.")
    records = everyone if side == "all" else side_records(load_split(folder, everyone), side, everyone)
    return everyone, records, side


def inputs_of(folder, everyone, config, *, quiet, tell):
    """Return where the network's inputs come from: prepared films, or films as they are for Matterport's."""
    if config.convention == "matterport":
        return {record.id: record.path for record in everyone if record.path is not None}
    return prepared_of(folder, everyone, size=config.image.size, quiet=quiet, tell=tell)


def usable(records, films, folder, *, tell):
    """Return the records whose film is there and could be prepared, and say how many are not."""
    kept = [record for record in records if record.path is not None and record.id in films]
    if len(kept) < len(records):
        absent = len(records) - len(kept)
        tell(f"{folder}: {absent} of {len(records)} films are left out: absent, broken, unprepared; see `data check`.")
    return kept


def run(options):
    """Look, explain, write, and return the exit code."""
    from .alarms.looking import look_at

    tell = lambda text: print(text, flush=True)  # noqa: E731 (short, and used as a value)
    folder = Path(options.data)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder. Draw films: python3 lab.py data phantoms")
    network = read_network(options.weights)
    everyone, records, side = records_of(folder, options.side, tell=tell)
    films = inputs_of(folder, everyone, network.config, quiet=options.quiet, tell=tell)
    records = usable(records, films, folder, tell=tell)
    plans = plans_of(folder, tell=tell)
    bar = lambda items: tqdm(items, unit="film", file=sys.stderr, disable=options.quiet)  # noqa: E731
    with blaming(network.file):
        seen = look_at(films, records, network.weights, network.config, above=options.above, progress=bar)
    told = explain(
        records, seen, lambda record: scene_of(plans[record.id], boxes=record.boxes) if record.id in plans else None,
        above=options.above,
    )  # fmt: skip
    facts = {"weights": {"file": network.file, "sha256": network.sha256}, "side": side}
    paths = write_tables(options.out, told, facts) + draw(options, told, records)
    tell(counts_text(told))
    for path in paths:
        tell(f"written: {path}")
    return 0


def draw(options, told, records):
    """Draw the sheets and return their paths; pages that an earlier run left behind them are removed."""
    from .view.alarm_sheet import draw_sheets

    by_id = {record.id: record for record in records}
    truths = {name: record.boxes for name, record in by_id.items()}
    film_of = lambda name: read_image(by_id[name].path).image  # noqa: E731
    paths = draw_sheets(told, truths, film_of, WORDS, options.out, limit=options.limit)
    for old in set(options.out.glob("alarms-[0-9]*.png")) - set(paths):
        old.unlink()
    return paths


def main(argv=None):
    """Run the command and return its exit code: 0, 130 after Ctrl-C, 1 where something is wrong."""
    options = make_parser().parse_args(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stopped = "Stopped. Nothing is kept of it: the tables and sheets come at the end."
    return in_one_line("alarms", lambda: run(options), out=options.out, stopped=stopped)
