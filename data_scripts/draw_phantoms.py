"""Draw phantoms: the command ``python3 lab.py data phantoms`` for whoever is in the right environment already.

Run ``python data_scripts/draw_phantoms.py --images 400 --seed 1 --to data/phantoms``; ``--help`` says more.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mini_rcnn.cli import main  # noqa: E402  (the path above comes first)

if __name__ == "__main__":
    sys.exit(main(["data", "phantoms", *sys.argv[1:]]))
