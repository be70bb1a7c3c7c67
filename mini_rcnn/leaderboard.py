"""``python3 lab.py leaderboard ENTRIES``: every entry of a class is scored again, on films that nobody has seen."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from .contest.entries import EntryError, find_entries, read_entry
from .contest.ranking import rank_entries
from .contest.scoring import MOST_MARKED, raw_of, score_entry
from .data.files import written_beside
from .data.phantom_files import write_phantoms
from .data.rsna import load_records
from .train import number_of
from .verbs import in_one_line

COLUMNS = (
    "place",
    "name",
    "score",
    "healthy_marked",
    "allowed",
    "minutes",
    "claimed_score",
    "claimed_marked",
    "why_not",
)
EPILOG = """examples:
  python3 lab.py leaderboard entries --seed 4711                     all entries below the folder, on 200 new phantoms
  python3 lab.py leaderboard entries --data data/rsna --csv out.csv  on films of your own

An entry is the folder that lab 13 writes: entry.json and weights.npz. Choose a seed that the class does not know. What
an entry claims is shown beside what it reaches. The exit code is 0 if every entry could be scored, else 1."""


def make_parser():
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py leaderboard",
        description="Score a class's entries again and rank them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole, add = number_of(int, 0, "a whole number"), parser.add_argument
    add("entries", type=Path, help="a folder with the entries, at any depth")
    add("--seed", type=whole, default=4711, help="of the films that are drawn (default %(default)s)")
    add("--films", type=number_of(int, 1, "a whole number"), default=200, help="how many (default %(default)s)")
    add("--data", type=Path, metavar="FOLDER", help="these films instead, in Kaggle's layout")
    add("--csv", type=Path, metavar="FILE", default=Path("runs", "leaderboard.csv"), help="default %(default)s")
    add("--quiet", action="store_true", help="no progress bars")
    return parser


def films_of(options):
    """Return the folder and the records of the films to score on."""
    if options.data is not None:
        return options.data, [record for record in load_records(options.data) if record.path]
    folder = Path("data", f"phantoms-contest-{options.seed}-{options.films}")
    write_phantoms(folder, options.films, seed=options.seed, quiet=options.quiet)
    return folder, load_records(folder)


def score_all(folders, records, at, *, quiet):
    """Return a row for each entry, a dict; one that cannot be scored says why and has no score."""
    from tqdm import tqdm

    rows = []
    for folder in tqdm(folders, desc="entries", disable=quiet):
        row = dict.fromkeys(COLUMNS, "")
        row["name"] = folder.name
        try:
            entry = read_entry(folder)
            scored = score_entry(raw_of(records, entry.weights, entry.config, at), records, entry.settings)
            row.update(name=entry.name, score=scored.score, healthy_marked=scored.marked, minutes=entry.minutes)
            row.update(claimed_score=entry.claimed["score"], claimed_marked=entry.claimed["marked"])
            row["allowed"] = "yes" if scored.marked <= MOST_MARKED else "no"
        except ValueError as error:  # ours, of an entry that cannot be read or settings out of range
            row["why_not"] = " ".join(str(error).split())
        rows.append(row)
    return rows


def ranked(rows):
    """Return rows in the order of the leaderboard, with their places; those without a score last."""
    scored = [row for row in rows if not row["why_not"]]
    order = rank_entries([row["score"] for row in scored], [row["healthy_marked"] for row in scored],
                         most_marked=MOST_MARKED)  # fmt: skip
    placed = [dict(scored[number], place=place) for place, number in enumerate(order, 1)]
    return placed + [row for row in rows if row["why_not"]]


def cell(value):
    """Return a value as a table's cell: few digits, and no text that a spreadsheet would run.

    >>> cell(0.56789), cell("=1+1")
    ('0.5679', "'=1+1")
    """
    if isinstance(value, float):
        return f"{value:.4f}"
    text = str(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def run(options):
    """Do what the options say and return the exit code."""
    folders = find_entries(options.entries)
    if not folders:
        raise EntryError(f"{options.entries}: no entry.json in it or below")
    folder, records = films_of(options)
    if not records:
        raise EntryError(f"{folder}: no film is there")
    at = Path("runs", "leaderboard", folder.name)
    rows = ranked(score_all(folders, records, at, quiet=options.quiet))
    with written_beside(options.csv, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([[cell(row[name]) for name in COLUMNS] for row in rows])
    print(f"{'':5} {'name':24} {'score':>7} {'healthy marked':>15} {'claimed':>8}")
    for row in rows:
        if row["why_not"]:
            print(f"{'-':>5} {row['name'][:24]:24} {row['why_not']}", file=sys.stderr)
        else:
            over = "" if row["allowed"] == "yes" else f"   over the cap of {MOST_MARKED:.0%}"
            print(f"{row['place']:>4}. {row['name'][:24]:24} {row['score']:7.3f} {row['healthy_marked']:15.1%} "
                  f"{row['claimed_score']:8.3f}{over}")  # fmt: skip
    print(f"{options.csv}: written; {len(records)} films of {folder}.")
    return 1 if any(row["why_not"] for row in rows) else 0


def main(argv=None):
    """Run the verb and return its exit code."""
    options = make_parser().parse_args(argv)
    stopped = "Stopped. What was looked at is kept; the same command goes on."
    return in_one_line("leaderboard", lambda: run(options), out=options.csv, stopped=stopped)
