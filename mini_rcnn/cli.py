"""The verbs that run inside an environment: ``python -m mini_rcnn VERB``.

``python3 lab.py VERB`` finds the environment first and then comes here.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

HELP = """usage: python3 lab.py VERB [arguments]

  test            run the tests            python3 lab.py test -k boxes
  data            get, draw, check data    python3 lab.py data phantoms --images 400 --seed 1
  train           train a detector         python3 lab.py train --preset demo --data phantoms --out runs/demo
  detect          look at films            python3 lab.py detect data/phantoms --out runs/found
  evaluate        measure detections       python3 lab.py evaluate runs/found/submission.csv --data data/phantoms
  thresholds      what thresholds do       python3 lab.py thresholds runs/demo/best.weights.npz --data data/phantoms
  alarms          sure and wrong           python3 lab.py alarms runs/demo/best.weights.npz --data data/phantoms
  experiment      train in several ways    python3 lab.py experiment negatives --out runs/negatives
  lint            read a configuration     python3 lab.py lint config.py --images 20684
  bench           time the parts           python3 lab.py bench stages
  labs            build the notebooks      python3 lab.py labs --check
  grade           grade a class            python3 lab.py grade submissions --csv grades.csv
  leaderboard     rank detectors           python3 lab.py leaderboard entries --seed 4711
  doctor          explain this machine     python3 lab.py doctor --json

VERB --help says more. `python3 lab.py` alone opens the labs.
"""

TEST_HELP = """usage: python3 lab.py test [pytest's own arguments]

Run the tests in the chosen environment; what stands behind `test` goes to pytest.

  python3 lab.py test                              all of them, as many at once as there are cores, at most 4
  python3 lab.py test -n 0                         all of them, one after the other
  python3 lab.py test -k boxes                     those with "boxes" in their name
  python3 lab.py test tests/test_nms.py            one file
  python3 lab.py --env modern test                 in the modern environment
  python3 lab.py test --nbval labs/solutions       the labs: does every cell say what it said?
"""

# The verbs that have verbs of their own: name -> (the module whose `main` runs it, what it does, an example).
DATA = {
    "rsna": ("mini_rcnn.data.get_rsna", "get the challenge's data", "data rsna --from rsna.zip --to data/rsna"),
    "phantoms": ("mini_rcnn.data.phantom_files", "draw films", "data phantoms --images 400 --seed 1"),
    "check": ("mini_rcnn.data.check", "say what is missing or wrong", "data check data/rsna"),
    "split": ("mini_rcnn.data.split_files", "share patients out", "data split data/phantoms --seed 1"),
    "prepare": ("mini_rcnn.data.prepare", "films to network size", "data prepare data/phantoms --size 256"),
    "describe": ("mini_rcnn.view.describe", "tables and figures", "data describe data/phantoms --out runs/figures"),
}
BENCH = {
    "stages": ("mini_rcnn.bench.stages", "the stages side by side", "bench stages --runs 11"),
    "data": ("mini_rcnn.bench.data", "finished batches a second", "bench data data/phantoms"),
    "detector": ("mini_rcnn.bench.detector", "detection and training", "bench detector --runs 11"),
    "widgets": ("mini_rcnn.bench.widgets", "panels, from slider to screen", "bench widgets"),
}

MOST_AT_ONCE = 4  # processes that share the tests; each holds a TensorFlow of its own
# Options of pytest that say how many run at once, or that only one process can keep.
ONE_BY_ONE = ("-n", "--numprocesses", "--dist", "--pdb", "--trace", "-s", "--capture")


def wants_help(arguments):
    """Return whether the arguments ask for help."""
    return bool(arguments) and arguments[0] in ("-h", "--help")


def at_once(arguments, n_cores):
    """Return pytest's options for the whole suite on several cores; none where arguments choose tests, or how to run.

    The tests of a file stay together (``loadfile``): they share what was set up for them, and a notebook its kernel.

    Parameters
    ----------
    arguments : list of str
        Pytest's own.
    n_cores : int

    Examples
    --------
    >>> at_once(["-q"], 2)
    ['-n2', '--dist=loadfile']
    >>> at_once(["-k", "boxes"], 2), at_once(["--pdb"], 2), at_once([], 1)
    ([], [], [])
    """
    chooses = any(not argument.startswith("-") or argument.startswith(ONE_BY_ONE) for argument in arguments)
    n_processes = min(n_cores, MOST_AT_ONCE)
    if chooses or n_processes < 2 or importlib.util.find_spec("xdist") is None:
        return []
    return [f"-n{n_processes}", "--dist=loadfile"]


def test(arguments):
    """Return pytest's exit code for the tests of the repository."""
    if wants_help(arguments):
        print(TEST_HELP, end="")
        return 0
    import pytest

    from mini_rcnn.data.workers import usable_cores

    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # notebooks in tests run here, whatever kernels the user has
    os.environ.update(MINI_RCNN_RSNA="", MINI_RCNN_TRAINING="small")  # and show what the repository's do
    os.chdir(str(ROOT))
    return int(pytest.main([*at_once(arguments, usable_cores()), *arguments]))


def choose(verb, parts, arguments):
    """Return the exit code of the part of a verb that the first argument names."""
    if not arguments or wants_help(arguments):
        print(f"usage: python3 lab.py {verb} WHAT [arguments]; `{verb} WHAT --help` says more\n")
        for name, (_, purpose, example) in parts.items():
            print(f"  {name:10} {purpose:30} python3 lab.py {example}")
        return 0 if arguments else 2
    if arguments[0] not in parts:
        known = ", ".join(parts)
        print(f"python3 lab.py {verb}: there is no {arguments[0]!r}; there are {known}.", file=sys.stderr)
        return 2
    from mini_rcnn.data.errors import DataError

    try:
        return importlib.import_module(parts[arguments[0]][0]).main(arguments[1:])
    except DataError as error:
        print(f"python3 lab.py {verb} {arguments[0]}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


def data(arguments):
    """Return the exit code of a part of ``data``."""
    return choose("data", DATA, arguments)


def bench(arguments):
    """Return the exit code of a part of ``bench``."""
    return choose("bench", BENCH, arguments)


def verb_of(module):
    """Return the verb whose ``main`` stands in a module, which is imported when it is asked for."""
    return lambda arguments: importlib.import_module(module).main(arguments)


def doctor(arguments):
    """Return the doctor's exit code: 0 where the lab can be used, else 1."""
    from mini_rcnn.launch.main import doctor as launch_doctor

    return launch_doctor(arguments)


VERBS = {
    "test": test,
    "data": data,
    "train": verb_of("mini_rcnn.train"),
    "detect": verb_of("mini_rcnn.detect"),
    "evaluate": verb_of("mini_rcnn.evaluate"),
    "thresholds": verb_of("mini_rcnn.thresholds"),
    "alarms": verb_of("mini_rcnn.find_alarms"),
    "experiment": verb_of("mini_rcnn.experiment"),
    "lint": verb_of("mini_rcnn.lint"),
    "bench": bench,
    "labs": verb_of("mini_rcnn.labs"),
    "grade": verb_of("mini_rcnn.grade"),
    "leaderboard": verb_of("mini_rcnn.leaderboard"),
    "doctor": doctor,
}


def main(argv=None):
    """Run the verb that the arguments name and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or wants_help(arguments):
        print(HELP, end="")
        return 0 if arguments else 2
    verb = VERBS.get(arguments[0])
    if verb is None:
        print(f"python3 lab.py: there is no verb {arguments[0]!r}; there are {', '.join(VERBS)}.", file=sys.stderr)
        return 2
    return verb(arguments[1:])
