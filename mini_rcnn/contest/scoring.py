"""An entry is scored: its network looks at films once, its settings are put on what it said."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.exploring.apply import Settings
from mini_rcnn.exploring.collect import collect
from mini_rcnn.exploring.raw import open_raw
from mini_rcnn.exploring.table import marked_set, outcome
from mini_rcnn.metrics.rsna_sets import rsna_image_scores
from mini_rcnn.weights import checksum

MOST_MARKED = 0.05  # of the films without an opacity


class Scored(NamedTuple):
    """What an entry reaches on a set of films."""

    score: float  # the challenge's, mean over the films that have one; 0 where none has
    marked: float  # share of the films without an opacity that get a mark
    film_scores: np.ndarray  # (N,), NaN where a film has none
    outcome: object  # mini_rcnn.exploring.table.Outcome


SMALL = 3_000_000  # numbers of a network that NumPy runs as quickly as TensorFlow starts


def raw_of(records, weights, config, folder, *, progress=None):
    """Return what a network says of records' films before any threshold, read again where it was written.

    Parameters
    ----------
    records : list of Record
    weights : mapping of str to ndarray
    config : Config
    folder : Path
        For these films; each network has its own, with the beginning of its weights' checksum behind this name.
    progress : callable, optional
        Of films done and films in all.

    Notes
    -----
    A small network runs in NumPy, a large one in TensorFlow.
    """
    numpy = sum(array.size for array in weights.values()) < SMALL
    films = {record.id: record.path for record in records}
    ids = [record.id for record in records]
    where = folder.with_name(f"{folder.name}-{checksum(weights)[:8]}")
    return open_raw(collect(films, ids, weights, config, where, numpy=numpy, progress=progress))


def score_entry(raw, records, settings=None):
    """Return the `Scored` of settings on raw outputs.

    Parameters
    ----------
    raw : RawOutputs
    records : list of Record
        The same films, with their boxes.
    settings : dict, optional
        Names of `mini_rcnn.exploring.apply.Settings` and values; what is left out is the network's own.

    Raises
    ------
    ValueError
        If a setting is unknown or out of its range.
    """
    try:
        chosen = Settings(**(settings or {}))
    except TypeError:
        unknown = sorted(set(settings) - set(Settings._fields))
        raise ValueError(f"settings must be of {', '.join(Settings._fields)}, got {', '.join(unknown)}") from None
    truths = {record.id: record.boxes for record in records}
    reached = outcome(raw, truths, chosen)
    film_scores = rsna_image_scores(marked_set(raw, truths, chosen))
    return Scored(
        float(np.nan_to_num(reached.rsna)), reached.healthy_marked / max(1, reached.n_healthy), film_scores, reached
    )
