"""Run one verb: ``python -m mini_rcnn VERB``."""

import sys

from mini_rcnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
