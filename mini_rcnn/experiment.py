"""``python3 lab.py experiment``: the same network trained in several ways, and what each then does to healthy lungs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .experimenting.arms import EXPERIMENTS, find_arms
from .train import number_of
from .verbs import in_one_line

EPILOG = """examples:
  python3 lab.py experiment negatives --out runs/negatives
  python3 lab.py experiment remedies --runs runs/negatives --out runs/remedies
  python3 lab.py experiment negatives --preset gpu --data data/rsna --steps 16000 --seeds 0 --out runs/negatives-rsna

The first takes about half an hour on two CPU cores. Ctrl-C saves; the same command goes on, and trainings that have
ended are not repeated. `budget` and `films` vary how often films with and without boxes are shown."""

REMEDIES = "remedies"  # put on networks that another experiment has trained


def make_parser():
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py experiment",
        description="Train the same network in several ways with the same data, seeds and steps, and compare.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    positive, whole = number_of(int, 1, "a whole number"), number_of(int, 0, "a whole number")
    parser.add_argument("experiment", choices=[*sorted(EXPERIMENTS), REMEDIES], help="what differs")
    parser.add_argument("--preset", default="demo", metavar="NAME", help="of the network (default demo)")
    parser.add_argument("--data", default="phantoms", metavar="FOLDER", help="as of train (default phantoms)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="of the runs and the results")
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="of remedies: trainings of another experiment")
    parser.add_argument("--seeds", type=whole, nargs="+", default=[0, 1, 2], metavar="N", help="default 0 1 2")
    parser.add_argument("--steps", type=positive, default=1120, metavar="N", help="of each training (default 1120)")
    parser.add_argument("--films", type=positive, default=400, metavar="N", help="unseen phantoms (default 400)")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help="default all")
    parser.add_argument("--set", action="append", default=[], metavar="S__NAME=VALUE", help="of all arms, as of train")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


def films_for(options, preset, tell):
    """Return the folder that is learnt from, and the films that all networks are tried on."""
    from .experimenting.runs import unseen_films
    from .training.films import PHANTOMS, folder_of

    drawn = options.data == PHANTOMS
    folder = folder_of(options.data, preset, seed=0, quiet=options.quiet, tell=tell)
    films = unseen_films(
        folder, drawn=drawn, n_films=options.films, size=preset.config.image.size, quiet=options.quiet, tell=tell
    )
    return folder, films


def train_arms(options, argv, tell):
    """Train what is not trained, detect, compare, and write the results; return the exit code."""
    from .experimenting.compare import compare
    from .experimenting.report import write_report
    from .experimenting.runs import find_on, train_arm
    from .training.presets import find_preset

    preset, arms = find_preset(options.preset), find_arms(options.experiment, options.arms)
    folder, films = films_for(options, preset, tell)
    scorers, found = {}, {}
    planned = [(seed, arm) for seed in options.seeds for arm in arms]  # every arm once before a second seed begins
    for number, (seed, arm) in enumerate(planned, 1):
        where = options.out / f"{arm.name}-{seed}"
        tell(f"[{number} of {len(planned)}] {arm.name}, seed {seed}: {where}")
        code = train_arm(
            arm, where, preset=preset.name, data=folder, seed=seed, steps=options.steps, quiet=options.quiet,
            settings=options.set,
        )  # fmt: skip
        if code:
            tell(f"Stopped. The same command goes on: python3 lab.py experiment {' '.join(argv)}")
            return code
        found.setdefault(arm.name, {})[seed] = find_on(films, where, scorers=scorers)
    results = compare(films.records, found)
    for path in write_report(options.out, results, arms, command=f"python3 lab.py experiment {' '.join(argv)}"):
        tell(f"written: {path}")
    return 0


def try_remedies(options, argv, tell):
    """Put the remedies on trained networks and write what they give; return the exit code."""
    from .experimenting.remedied import remedies_on_run, trained_runs, write_remedies
    from .training.films import load_data
    from .training.presets import find_preset

    if options.runs is None:
        raise ValueError("--runs is missing: the folder of another experiment, such as runs/negatives")
    preset, runs = find_preset(options.preset), trained_runs(options.runs)
    folder, films = films_for(options, preset, tell)
    data = load_data(folder, size=preset.config.image.size, quiet=options.quiet, tell=tell)
    told, scorers = {}, {}
    for arm, seeds in runs.items():
        for seed, where in seeds.items():
            tell(f"remedies on {where}")
            told.setdefault(arm, {})[seed] = remedies_on_run(where, data, films, scorers=scorers)
    command = f"python3 lab.py experiment {' '.join(argv)}"
    for path in write_remedies(options.out, told, command=command):
        tell(f"written: {path}")
    return 0


def main(argv=None):
    """Run the command and return its exit code: 0, 130 after Ctrl-C, 1 where something is wrong."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options = make_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tell = lambda text: print(text, flush=True)  # noqa: E731 (short, and used as a value)
    run = try_remedies if options.experiment == REMEDIES else train_arms
    stopped = "Stopped. The same command goes on."
    return in_one_line("experiment", lambda: run(options, argv, tell), out=options.out, stopped=stopped)
