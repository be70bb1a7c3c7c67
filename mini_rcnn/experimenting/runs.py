"""The trainings of an experiment, one for each arm and seed, and what each network then finds on films it never saw.

Whatever is done stays done: a training that was stopped goes on, one that has ended is not repeated, and neither is
detection with weights that have been tried already.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mini_rcnn.config import TargetConfig, changed
from mini_rcnn.data.cache import prepared_of
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.files import sha256_of, write_arrays, write_json, written_beside
from mini_rcnn.data.phantom_files import write_phantoms
from mini_rcnn.data.rsna import load_records
from mini_rcnn.data.split_files import load_split
from mini_rcnn.data.splits import side_records
from mini_rcnn.training.films import split_if_new
from mini_rcnn.training.run_folder import read_run
from mini_rcnn.training.run_folder import settings_of as settings_of_run

LEAST_SCORE = 0.01  # what is kept of the detections; thresholds are applied to them afterwards
UNSEEN_SEED = 1000  # of phantoms that no training draws
FOUND, FOUND_FACTS = "found.npz", "found.json"


class Films(NamedTuple):
    """The films that all networks are tried on."""

    folder: Path
    records: list
    prepared: object  # mini_rcnn.data.cache.Prepared


def unseen_films(data, *, drawn, n_films, size, quiet=False, tell=print):
    """Return films that no arm learns from: phantoms of another seed, or the test side of a folder's split.

    Parameters
    ----------
    data : path
        What is learnt from.
    drawn : bool
        Whether those are phantoms; then ``n_films`` others are drawn.
    n_films : int
    size : int
        Pixels, side of the network's input.
    """
    if drawn:
        folder = Path(data).parent / f"phantoms-unseen-{UNSEEN_SEED}-{n_films}"
        write_phantoms(folder, n_films, seed=UNSEEN_SEED, quiet=quiet)
        everyone = records = load_records(folder)
    else:
        folder = Path(data)
        everyone = load_records(folder)
        split_if_new(folder, everyone, tell=tell)
        records = side_records(load_split(folder, everyone), "test", everyone)
    prepared = prepared_of(folder, everyone, size=size, quiet=quiet, tell=tell)
    return Films(folder, [record for record in records if record.id in prepared], prepared)


def train_arm(arm, folder, *, preset, data, seed, steps, quiet=False, settings=()):
    """Train one arm with one seed into a folder, from where it was; return the exit code of ``train``."""
    from mini_rcnn import train

    command = ["--preset", preset, "--data", str(data), "--out", str(folder), "--seed", str(seed)]
    command += ["--epochs", "1", "--steps", str(arm.times * steps)]
    judged = ("training__best_by=loss", "training__choose_threshold=false")  # the last weights are compared
    for setting in (*judged, *settings, *(f"{name}={value}" for name, value in arm.settings.items())):
        command += ["--set", setting]
    command += ["--quiet"] * quiet
    if (folder / "last.weights.npz").exists():
        check_same(folder, train.settings_of(train.make_parser().parse_args(command))[1:], data)
        return 0
    if (folder / "run.json").exists():
        command.append("--resume")
    return train.main(command)


def check_same(folder, settings, data):
    """Refuse a run that has ended if it was trained in another way: arms would be compared that differ in more."""
    run = read_run(folder)
    if run is None or settings_of_run(run) != settings or Path(run["data"]).name != Path(data).name:
        raise DataError(f"{folder}: was trained with other settings or films than are asked for; take another --out.")


def find_on(films, folder, *, scorers, keep=None):
    """Return what a trained network finds on films: ``(truth, boxes, scores)`` of each, pixels of the film.

    Parameters
    ----------
    films : Films
    folder : path
        Of a run that has ended; its last weights are tried: every arm has learnt as many steps then.
    scorers : dict
        Where the graphs are kept from one network to the next.
    keep : path, optional
        A folder for what was found; beside the weights unless told.

    Notes
    -----
    Kept in ``found.npz``, with the checksum of the weights and of the films' table.
    """
    path, keep = folder / "last.weights.npz", keep or folder
    facts = {"weights": sha256_of(path), "films": [record.id for record in films.records], "least": LEAST_SCORE}
    known = read_found(keep, facts)
    if known is None:
        known = detect_on(films, path, scorers=scorers)
        write_found(keep, known, facts)
    return [(record.boxes, *each) for record, each in zip(films.records, known)]


def detect_on(films, path, *, scorers):
    """Return ``(boxes, scores)`` that weights find on each film."""
    from mini_rcnn.stages_tf.model import Detector
    from mini_rcnn.training.feed import Data
    from mini_rcnn.training.validation import Scorer
    from mini_rcnn.weights import load_weights

    weights, config, _ = load_weights(path)
    config = changed(config, targets=TargetConfig())  # what was asked in training builds no other graph
    key = (config, films.folder)
    if key not in scorers:
        detector = Detector(config, weights)
        data = Data(films.prepared, [], films.records)
        scorers[key] = detector, Scorer(config, data, detector.arrays, least=LEAST_SCORE)
    detector, scorer = scorers[key]
    detector.load(weights)
    return [scorer.detect(record)[1:] for record in films.records]


def write_found(folder, found, facts):
    """Write what was found beside the weights, whole or not at all."""
    arrays = {
        "counts": np.array([len(scores) for _, scores in found], np.int64),
        "boxes": np.concatenate([np.zeros((0, 4)), *(boxes for boxes, _ in found)]),
        "scores": np.concatenate([np.zeros(0, np.float32), *(scores for _, scores in found)]),
    }
    with written_beside(folder / FOUND) as file:
        write_arrays(file, arrays)
    write_json(folder / FOUND_FACTS, facts)


def read_found(folder, facts):
    """Return what was found before with the same weights on the same films, or None."""
    try:
        if json.loads((folder / FOUND_FACTS).read_text(encoding="utf-8")) != facts:
            return None
        with np.load(folder / FOUND, allow_pickle=False) as arrays:
            ends = np.cumsum(arrays["counts"])[:-1]
            return list(zip(np.split(arrays["boxes"], ends), np.split(arrays["scores"], ends)))
    except (OSError, ValueError, KeyError, EOFError):
        return None
