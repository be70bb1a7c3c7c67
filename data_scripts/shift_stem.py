"""What it costs to pad the first convolution otherwise than in training: the figures that lab 04 quotes.

The demo network looks at 200 unseen phantoms twice: as it was trained, with three zeros on each side of the film, and
with TensorFlow's "same", two before and three after, which shifts every map by one pixel. Run it with

    python data_scripts/shift_stem.py

It writes nothing, and prints hits (IoU 0.5), healthy films marked, and the challenge's score. About two minutes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def same_stem(image, weights):
    """Return the stem's map with TensorFlow's own padding."""
    from mini_rcnn.stages import backbone
    from mini_rcnn.stages.ops import max_pool, relu

    convolved = backbone.conv_layer(image, weights, "conv1", stride=2)
    return max_pool(relu(backbone.norm_layer(convolved, weights, "bn_conv1")), size=3, stride=2)


def measure(lab, films):
    """Return a line on what the network finds."""
    from mini_rcnn.metrics.rsna import rsna_score
    from mini_rcnn.model import detect
    from mini_rcnn.stages.boxes import box_iou

    found = [detect(film.pixels, lab.weights, lab.config)[0] for film in films]
    pairs = [(film.boxes, one.boxes, one.scores) for film, one in zip(films, found)]
    hits = sum(int((box_iou(truth, boxes).max(axis=1, initial=0) >= 0.5).sum()) for truth, boxes, _ in pairs)
    marked = sum(len(boxes) > 0 for truth, boxes, _ in pairs if not len(truth))
    return (
        f"{hits} of {sum(len(truth) for truth, _, _ in pairs)} found, {marked} healthy marked, {rsna_score(pairs):.3f}"
    )


def main(argv=None):
    """Measure both and return 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=200, help="phantoms (default %(default)s)")
    options = parser.parse_args(argv)
    from mini_rcnn.classroom import start_lab
    from mini_rcnn.stages import backbone

    lab = start_lab("04", films=options.films)
    films = [lab.film(number) for number in range(len(lab))]
    print("as trained:", measure(lab, films))
    trained = backbone.stem
    try:
        backbone.stem = same_stem
        print("padded as TensorFlow's same:", measure(lab, films))
    finally:
        backbone.stem = trained
    return 0


if __name__ == "__main__":
    sys.exit(main())
