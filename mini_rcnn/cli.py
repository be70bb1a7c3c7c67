"""The verbs that run inside an environment: ``python -m mini_rcnn VERB``.

``python3 lab.py VERB`` finds the environment first and then comes here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

HELP = """usage: python3 lab.py VERB [arguments]

  test            run the tests            python3 lab.py test -k boxes
  bench stages    time the stages          python3 lab.py bench stages
  doctor          explain this machine     python3 lab.py doctor --json

VERB --help says more. `python3 lab.py` alone opens the labs.
"""

TEST_HELP = """usage: python3 lab.py test [pytest's own arguments]

Run the tests in the chosen environment; what stands behind `test` goes to pytest.

  python3 lab.py test                              all of them
  python3 lab.py test -k boxes                     those with "boxes" in their name
  python3 lab.py test tests/test_nms.py            one file
  python3 lab.py --env modern test                 in the modern environment
"""

BENCH_HELP = """usage: python3 lab.py bench stages [arguments]

Time the stages in NumPy, TensorFlow and (in classic) Matterport's code, side by side.

  python3 lab.py bench stages
  python3 lab.py --env modern bench stages
"""


def wants_help(arguments):
    """Return whether the arguments ask for help."""
    return bool(arguments) and arguments[0] in ("-h", "--help")


def test(arguments):
    """Return pytest's exit code for the tests of the repository."""
    if wants_help(arguments):
        print(TEST_HELP, end="")
        return 0
    import pytest

    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # notebooks in tests run here, whatever kernels the user has
    os.chdir(str(ROOT))
    return int(pytest.main(arguments))


def bench(arguments):
    """Return the exit code of the benchmark that the first argument names."""
    if wants_help(arguments) or not arguments:
        print(BENCH_HELP, end="")
        return 0 if arguments else 2
    from mini_rcnn.bench import main as bench_main

    return bench_main(arguments)


def doctor(arguments):
    """Return the doctor's exit code: 0 where the lab can be used, else 1."""
    from mini_rcnn.launch.main import doctor as launch_doctor

    return launch_doctor(arguments)


VERBS = {"test": test, "bench": bench, "doctor": doctor}


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
