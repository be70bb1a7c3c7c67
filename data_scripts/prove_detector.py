"""Hold our detector beside Matterport's on given weights and films: boxes, classes, scores and masks must be the same.

  python data_scripts/prove_detector.py --weights runs/slides/best.weights.npz --films data/phantoms --limit 40
  python data_scripts/prove_detector.py --weights mask_rcnn_pneumonia_0020.h5 --films data/rsna

Classic environment only, ResNet-50 or ResNet-101. Both sides get each film at the network's size, reduced once and
rounded: Matterport reduces films with other rounding, see tests/test_detector_matterport.py, and that is no part of the
network. Both run in the convention "matterport": a box ends on its last pixel. Weights that were trained in ours,
"continuous", are taken as they are: the network is the same, and its boxes are then off by up to a pixel on both sides
alike. Where a box ends on the image's last pixel, rounding decides whether Matterport's pooling reads its last row or
column or zeros; ours always reads it. A film on which that matters is told as different; with ``--nudged`` Matterport
pools such boxes a hair before the edge, and nothing is left to chance.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mini_rcnn.config import Config, changed  # noqa: E402  (the path above comes first)
from mini_rcnn.data.dicom import read_image  # noqa: E402
from mini_rcnn.stages.image import fit_to_square  # noqa: E402
from mini_rcnn.weights import load_weights, read_matterport  # noqa: E402

RESNET_50, RESNET_101 = (3, 4, 6, 3), (3, 4, 23, 3)


def read_weights(path, blocks, min_confidence):
    """Return weights and configuration of an ``.npz`` of ours or a Matterport ``.h5``, in Matterport's convention."""
    if path.suffix == ".npz":
        weights, config, _ = load_weights(path)
    else:
        config = changed(Config(), backbone__blocks=blocks)
        weights = read_matterport(path, config)
    settings = {} if min_confidence is None else {"detections__min_confidence": min_confidence}
    return weights, changed(config, convention="matterport", **settings)


def films_at(folder, size, limit):
    """Yield the name of each film below a folder and its pixels, (size, size) uint8."""
    for path in sorted(folder.rglob("*.dcm"))[:limit]:
        square, _ = fit_to_square(read_image(path).image, size=size)
        yield path.stem, np.rint(square[..., 0] if square.ndim == 3 else square).astype(np.uint8)


def prove(weights, config, films, *, nudged=False, tell=print):
    """Return how many films there were and on how many the detectors agree; tell each film's agreement."""
    from mini_rcnn.stages_tf.model import Detector  # first: TensorFlow's eager mode, before any graph

    ours = Detector(config, weights)
    from mini_rcnn.matterport_detector import MatterportDetector, agreement

    reference, n_films, n_same, n_found = MatterportDetector(config, weights, nudged=nudged), 0, 0, 0
    for name, film in films:
        n_films += 1
        try:
            told = agreement(ours.find(film), *reference.detect(film))
        except ValueError as error:
            tell(f"{name}: {error}")
            continue
        n_same, n_found = n_same + told.holds, n_found + told.count
        tell(
            f"{name}: {told.count} found; boxes within {told.box:.3f} pixels, scores within {told.score:.1e}, "
            f"masks' IoU at least {told.mask_iou:.4f}{'' if told.holds else '   DIFFERENT'}"
        )
    tell(f"{n_same} of {n_films} films the same, {n_found} detections")
    return n_films, n_same


def main(argv=None):
    """Return 0 if the detectors agree on every film, and there was one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="our .npz or a Matterport .h5")
    parser.add_argument("--films", type=Path, required=True, help="folder with DICOM films, in it or below it")
    parser.add_argument("--limit", type=int, default=20, help="films at most (default 20)")
    parser.add_argument("--resnet50", action="store_true", help="an .h5 of ResNet-50; default ResNet-101")
    parser.add_argument("--nudged", action="store_true", help="mend Matterport's pooling at the image's edge")
    parser.add_argument("--min-confidence", type=float, help="lowest score; default the configuration's")
    options = parser.parse_args(argv)
    blocks = RESNET_50 if options.resnet50 else RESNET_101
    weights, config = read_weights(options.weights, blocks, options.min_confidence)
    films = films_at(options.films, config.image.size, options.limit)
    n_films, n_same = prove(weights, config, films, nudged=options.nudged)
    return 0 if n_films and n_same == n_films else 1


if __name__ == "__main__":
    raise SystemExit(main())
