"""How often would a test of 200 films have come out otherwise? Small tests drawn from one large evaluation.

`evaluate` writes `images.csv`, a film a row. Tests of so many films are drawn from it without putting back, and those
counted that score too low, or have too many films without an opacity marked. The network and its threshold stay as they
are, so this is the luck of the films alone. Run it with

    python3 lab.py evaluate runs/demo/best.weights.npz --data data/phantoms --side all --out runs/evaluated
    python data_scripts/draw_tests.py runs/evaluated
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

DRAWS, SEED = 4000, 0


def read_films(folder):
    """Return of each film its score, NaN where the challenge gives none, if it has no box, and if it is marked."""
    with open(str(Path(folder) / "images.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scores = np.array([float(row["rsna"] or "nan") for row in rows])
    return (
        scores,
        np.array([row["truths"] == "0" for row in rows]),
        np.array([row["false_marks"] != "0" for row in rows]),
    )


def draw_tests(scores, healthy, marked, n_films, rng):
    """Return score and share of marked healthy films of `DRAWS` tests, (DRAWS, 2)."""
    tests = []
    for _ in range(DRAWS):
        drawn = rng.choice(len(scores), n_films, replace=False)
        tests.append([np.nanmean(scores[drawn]), marked[drawn][healthy[drawn]].mean()])
    return np.array(tests)


def main(argv=None):
    """Draw tests of every evaluation named, and print how many fall short; return 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="what `evaluate` wrote")
    parser.add_argument("--films", type=int, default=200, metavar="N", help="in a test (default %(default)s)")
    parser.add_argument("--score", type=float, default=0.5, help="too low below it (default %(default)s)")
    parser.add_argument("--marked", type=float, default=0.05, help="too many from it on (default %(default)s)")
    options = parser.parse_args(argv)
    for folder in options.folders:
        if not (folder / "images.csv").is_file():
            parser.error(f"{folder}: has no images.csv; name a folder that `python3 lab.py evaluate` wrote")
        scores, healthy, marked = read_films(folder)
        if not 0 < options.films <= len(scores):
            parser.error(f"{folder}: has {len(scores)} films; --films must be 1 to {len(scores)}, got {options.films}")
        tests = draw_tests(scores, healthy, marked, options.films, np.random.default_rng(SEED))
        low, high = tests[:, 0] < options.score, tests[:, 1] >= options.marked
        print(
            f"{folder}: all {len(scores)} films {np.nanmean(scores):.3f}, {marked[healthy].mean():.1%} marked; "
            f"of tests of {options.films} films {low.mean():.1%} score below {options.score:g}, {high.mean():.1%} have "
            f"{options.marked:.0%} or more marked, {(low | high).mean():.1%} one or the other"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
