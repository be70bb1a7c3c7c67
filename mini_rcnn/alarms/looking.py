"""The network looks at films once, and what is kept of each: its marks, and where the box head saw them."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from mini_rcnn.config import changed
from mini_rcnn.exploring.collect import reader_of
from mini_rcnn.model import found_on_film

from .features import LEVELS, features_at, hidden_layer

DISMISSED = 0.05  # a proposal with less than this of every class but background is dismissed


class Seen(NamedTuple):
    """What a network made of one film."""

    boxes: np.ndarray  # (N, 4), pixels of the film
    scores: np.ndarray  # (N,), best first
    features: np.ndarray  # (N, F), of the proposal that each box came from
    truth_features: np.ndarray  # (M, F), of the true boxes themselves
    dismissed: np.ndarray  # (0 or 1, F), of the film's likeliest proposal that the head dismissed


def look_at(films, records, weights, config, *, above, progress=None):
    """Return what a network makes of films, one `Seen` for each record.

    Parameters
    ----------
    films : mini_rcnn.data.cache.Prepared, or mapping of str to path
        As of `mini_rcnn.exploring.collect.reader_of`.
    records : sequence of mini_rcnn.data.rsna.Record
    weights : mapping of str to ndarray
    config : Config
    above : float in [0, 1]
        Boxes with a lower score are left out; suppression is not changed by that: a box never takes a better one away.
    progress : callable, optional
        Of an iterable: the same, with a bar.

    Returns
    -------
    seen : list of Seen

    Notes
    -----
    Only a few arrays of the trace leave the network's graph: in full, a film of 256 pixels has 60 MB of them.
    """
    config = changed(config, detections__min_confidence=float(above))
    detector, input_of = make_detector(config, weights), reader_of(films, config)
    return [
        see(detector, *input_of(record.id), record.boxes, weights, config)
        for record in (progress or (lambda each: each))(records)
    ]


def make_detector(config, weights):
    """Return the `mini_rcnn.stages_tf.model.Detector` of a network; TensorFlow is imported now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow 1.15 brings a dozen while it is imported, none of them ours
        from mini_rcnn.stages_tf.model import Detector
    return Detector(config, weights)


def see(detector, pixels, geometry, truth, weights, config):
    """Return what a detector makes of one network input whose truth (M, 4) is known, pixels of the film."""
    from mini_rcnn.stages_tf.model import as_arrays, as_tensors

    trace = detector.run(*as_tensors(pixels, geometry.window))
    trace = as_arrays({name: trace[name] for name in (*LEVELS, "refined", "box_pool", "probabilities")})
    refined = trace["refined"]
    # Boxes without area on the film are left out on the way; in the masks' place, the rows go the same way.
    rows = np.tile(np.arange(len(refined.scores))[:, None, None, None], (1, 1, 1, config.n_classes))
    found = found_on_film(refined, rows, geometry, config)
    proposals = np.asarray(refined.proposal_ids)[found.mask_probabilities[:, 0, 0]]
    dismissed = np.flatnonzero(trace["probabilities"][:, 1:].max(axis=1) < DISMISSED)[:1]  # the likeliest stand first
    wanted = np.concatenate([proposals, dismissed])
    features = hidden_layer(trace["box_pool"][wanted], weights) if len(wanted) else no_features(config)
    return Seen(
        found.boxes,
        found.scores,
        features[: len(proposals)],
        features_at(truth, trace, geometry, weights, config),
        features[len(proposals) :],
    )


def no_features(config):
    """Return the features of no box, (0, F)."""
    return np.zeros((0, config.heads.box_units), np.float32)
