"""Running a network on prepared films, with the time that each takes. TensorFlow is imported here and nowhere else."""

from __future__ import annotations

import os
import time
import warnings
from typing import NamedTuple

from mini_rcnn.data.cache import prepared_of
from mini_rcnn.data.errors import DataError
from mini_rcnn.weights import blaming

LEAST_SCORE = 0.05  # what a network is asked for: curves need what lies below its threshold


class Looked(NamedTuple):
    """What a network said of films."""

    found: dict  # id -> (boxes (N, 4) float64, scores (N,)), pixels of the film
    seconds: dict  # id -> how long the network took, the film being prepared and the graph built
    threshold: float  # the network's own
    weights: dict  # file and sha256
    notes: list  # what a person should know


def look(path, folder, side, *, quiet=False, tell=print):
    """Return what a network finds on the films of a side.

    Parameters
    ----------
    path : path
        Weights of this lab, or Matterport's ``.h5`` of the slides' network.
    folder : path
        In Kaggle's layout, with films; they are prepared for the network's size if they are not.
    side : mini_rcnn.evaluating.inputs.Side
    quiet : bool
    tell : callable
        Of a text.

    Returns
    -------
    looked : Looked
        Boxes that score at least 0.05.

    Raises
    ------
    DataError
        If no film of the side is there.
    WeightsError
        If the weights cannot be used.

    Notes
    -----
    The time is that of one film at a time, from the prepared pixels to boxes: masks are not asked for.
    """
    from mini_rcnn.detecting.inputs import read_network

    network = read_network(path)
    if not any(record.path for record in side.records):
        raise DataError(f"{folder}: none of the {len(side.records):,} films is there, so a network has nothing to see.")
    prepared, scorer = ready(network, folder, side, quiet=quiet, tell=tell)
    records = [record for record in side.records if record.id in prepared]
    if not records:
        raise DataError(f"{folder}: none of the films of the side {side.name!r} could be prepared.")
    found, seconds = {}, {}
    with blaming(network.file):
        scorer.detect(records[0])  # builds the graph
        for record in progress(records, quiet):
            begun = time.perf_counter()
            _, boxes, scores = scorer.detect(record)
            seconds[record.id] = time.perf_counter() - begun
            found[record.id] = boxes, scores
    threshold = network.config.detections.min_confidence
    weights = {"file": network.file, "sha256": network.sha256}
    return Looked(found, seconds, threshold, weights, [network.note] if network.note else [])


def ready(network, folder, side, *, quiet, tell):
    """Return the prepared films and what detects on them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # that there is no GPU is no error to a person
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow 1.15 brings a dozen while it is imported, none of them ours
        from mini_rcnn import stages_tf  # noqa: F401  turns eager execution on in TensorFlow 1.15
        from mini_rcnn.stages_tf.model import Detector
        from mini_rcnn.training.feed import Data
        from mini_rcnn.training.validation import Scorer
    prepared = prepared_of(folder, side.everyone, size=network.config.image.size, quiet=quiet, tell=tell)
    detector = Detector(network.config, network.weights)
    data = Data(prepared, [], side.records)
    return prepared, Scorer(network.config, data, detector.arrays, least=LEAST_SCORE)


def progress(records, quiet):
    """Return the records with a bar on stderr, where a person looks at it."""
    import sys

    from tqdm import tqdm

    return tqdm(records, file=sys.stderr, unit="film", disable=quiet or not sys.stderr.isatty())
