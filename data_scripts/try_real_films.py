"""The whole path on a small folder of real films: four fifths to learn from, the last fifth to be scored on.

The small network of `demo`, once from nothing and once from the weights that phantoms taught it. No patient is on two
sides. It shows that the path works on real films and what a few minutes on so few of them are worth, no more. The
folder has Kaggle's layout, and the prepared films go into it; run it with

    python data_scripts/try_real_films.py --films data/rsna --out runs/real

A run that is whole is not trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FRACTIONS = (0.67, 0.125, 0.205)  # to learn from, to choose by, to be scored on
ARMS = {"from nothing": (), "from phantoms": ("--start", str(ROOT / "mini_rcnn" / "demo.weights.npz"))}
EPOCHS, STEPS = 4, 150


def train_arm(name, films, out, steps):
    """Train one arm, or go on with one that was stopped; return the exit code."""
    from mini_rcnn import train

    if (out / "run.json").exists():
        return train.main(["--out", str(out), "--resume"])
    lengths = ["--epochs", str(EPOCHS), "--steps", str(steps), "--set", "training__masks=boxes"]
    return train.main(["--preset", "demo", "--data", str(films), "--out", str(out), *lengths, *ARMS[name]])


def judge(films, out):
    """Return what a network scores on the side that it has not seen, at the threshold that was chosen for it."""
    from mini_rcnn import evaluate

    where = out / "evaluated"
    code = evaluate.main([str(out / "best.weights.npz"), "--data", str(films), "--out", str(where), "--quiet"])
    if code:
        raise SystemExit(code)
    return json.loads((where / "evaluation.json").read_text(encoding="utf-8"))["summary"]


def main(argv=None):
    """Split, train and judge; return 0, or what a training that was stopped returns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=Path, required=True, metavar="FOLDER", help="real films in Kaggle's layout")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help=f"of {EPOCHS} epochs (default {STEPS})")
    options = parser.parse_args(argv)
    from compare_sizes import line  # beside this script

    from mini_rcnn.data.rsna import load_records
    from mini_rcnn.training.films import split_if_new

    split_if_new(options.films, load_records(options.films), fractions=FRACTIONS)
    told = []
    for name in ARMS:
        out = options.out / name.replace(" ", "-")
        code = train_arm(name, options.films, out, options.steps)
        if code:
            return code
        told.append(line(name, judge(options.films, out)))
    print("\n".join(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
