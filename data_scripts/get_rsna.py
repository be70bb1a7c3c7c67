"""Get the RSNA Pneumonia Detection Challenge's data; the same as ``python3 lab.py data rsna``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mini_rcnn import cli  # noqa: E402  (the path above comes first)


def main(argv=None):
    """Return the exit code of ``data rsna``."""
    return cli.data(["rsna", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
