"""Open the lab: ``python3 lab.py``. What it can do besides: ``python3 lab.py --help``.

This file stays readable for every Python, so that an old one can say what is wrong; the rest is in mini_rcnn/launch.
"""

import os
import sys

if sys.version_info < (3, 7):
    sys.exit(
        "lab.py needs Python 3.7 or newer, and this is Python %d.%d: "
        "try `python3 lab.py`, or `py -3 lab.py` on Windows." % sys.version_info[:2]
    )

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from mini_rcnn.launch.main import main  # noqa: E402 (an old Python cannot even read it)

if __name__ == "__main__":
    sys.exit(main())
