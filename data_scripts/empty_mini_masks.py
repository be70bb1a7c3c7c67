"""How many of Matterport's mini masks come out empty: the figure that lab 07 quotes. Classic environment alone.

    python data_scripts/empty_mini_masks.py data/rsna

Boxes of RSNA's label table, drawn at random, are full rectangles on 256 pixels; ``mrcnn.utils.minimize_mask`` makes
56 x 56 of each, as it does before a training. It writes nothing and prints how many have no pixel left.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

MINI = (56, 56)  # Matterport's MINI_MASK_SHAPE


def main(argv=None):
    """Count empty mini masks and return 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with RSNA's tables; films are not needed")
    parser.add_argument("--boxes", type=int, default=1500, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=256, help="of the network input, pixels (default %(default)s)")
    options = parser.parse_args(argv)
    from mini_rcnn import matterport
    from mini_rcnn.data.rsna import IMAGE_SIZE, load_records

    boxes = np.concatenate([record.boxes for record in load_records(options.folder, strict=False)])
    picked = np.random.default_rng(options.seed).choice(len(boxes), min(options.boxes, len(boxes)), replace=False)
    empty = 0
    for y1, x1, y2, x2 in boxes[picked] * options.size / IMAGE_SIZE:
        height, width = max(1, round(y2 - y1)), max(1, round(x2 - x1))
        mask = np.ones((height, width, 1), dtype=bool)
        empty += not matterport.minimize_mask(np.array([[0, 0, height, width]]), mask, MINI).any()
    print(f"{empty} of {len(picked)} full rectangles come out empty ({empty / len(picked):.1%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
