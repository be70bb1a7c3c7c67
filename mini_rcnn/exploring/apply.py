"""Thresholds applied to raw outputs: what the network would have found with these settings, without the network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.config import changed
from mini_rcnn.model import Found

from .pairs import suppress_groups

SECTIONS = {
    "min_confidence": "detections__min_confidence",
    "iou_threshold": "detections__iou_threshold",
    "rpn_iou_threshold": "proposals__iou_threshold",
    "max_detections": "detections__max_detections",
    "max_proposals": "proposals__max_proposals",
    "mask_threshold": "detections__mask_threshold",
}


class Settings(NamedTuple):
    """What can be changed without the network; None is what the network's configuration says."""

    min_confidence: float | None = None  # a lower score goes
    iou_threshold: float | None = None  # of two detections of a class that overlap by more, the lower score goes
    rpn_iou_threshold: float | None = None  # the same among proposals
    max_detections: int | None = None  # on a film, the best
    max_proposals: int | None = None  # that the heads look at, on a film
    mask_threshold: float | None = None  # a pixel of at least this probability is mask


class Marks(NamedTuple):
    """Detections on many films at once: by film, and on a film best first."""

    film_of: np.ndarray  # (N,), the film's place among the raw outputs' ids
    boxes: np.ndarray  # (N, 4), (y1, x1, y2, x2), pixels of the film
    scores: np.ndarray  # (N,)
    class_ids: np.ndarray  # (N,), int64


def configured(config, settings):
    """Return a configuration with the settings in it; a setting out of its range is a ValueError.

    Examples
    --------
    >>> from mini_rcnn.config import Config
    >>> configured(Config(), Settings(rpn_iou_threshold=0.3)).proposals.iou_threshold
    0.3
    """
    given = {SECTIONS[name]: value for name, value in settings._asdict().items() if value is not None}
    return changed(config, **given)


def settings_of(config):
    """Return the settings in a configuration, none of them None."""
    found = {}
    for name, place in SECTIONS.items():
        section, setting = place.split("__")
        found[name] = getattr(getattr(config, section), setting)
    return Settings(**found)


def filled(raw, settings=None):
    """Return settings with nothing left out, all within what the raw outputs can answer.

    Parameters
    ----------
    raw : RawOutputs
    settings : Settings, optional

    Raises
    ------
    ValueError
        If a setting is out of its range, or ``min_confidence`` below the floor with which the outputs were collected.
    """
    settings = settings_of(configured(raw.config, settings or Settings()))
    if settings.min_confidence < raw.floor:
        raise ValueError(
            f"min_confidence must be at least {raw.floor}, got {settings.min_confidence}: {raw.folder} was collected "
            f"with this floor, and holds nothing below. Collect again with a lower one"
        )
    return settings


def ranges(raw):
    """Return the lowest and the highest value of every setting that changes something, as `Settings` of pairs."""
    limit = raw.config.proposals.pre_nms_limit
    return Settings((raw.floor, 1.0), (0.0, 1.0), (0.0, 1.0), (0, limit), (1, limit), (0.0, 1.0))


def detections(raw, film, settings=None):
    """Return what the network finds on one film with these settings.

    Parameters
    ----------
    raw : RawOutputs
    film : str or int
        Its id, or its place among ``raw.ids``.
    settings : Settings, optional

    Returns
    -------
    found : mini_rcnn.model.Found
        As of `mini_rcnn.stages_tf.model.Detector.find` with the configuration that `configured` gives. Mask
        probabilities come from float16, so they are off by at most 2 ** -12; ``found.masks`` takes the threshold.

    Raises
    ------
    ValueError
        See `filled`.
    """
    settings = filled(raw, settings)
    start = raw.candidates(film).start
    kept = kept_candidates(raw, settings, film)
    masks = np.float32(raw.masks(film)[kept - start])
    return Found(raw.film_boxes[kept], raw.class_ids[kept], raw.scores[kept], masks)


def detections_of_all(raw, settings=None):
    """Return what the network finds on all films with these settings, without masks, as `Marks`; see `detections`."""
    kept = kept_candidates(raw, filled(raw, settings))
    return Marks(raw.film_of[kept], raw.film_boxes[kept], raw.scores[kept], raw.class_ids[kept])


def kept_candidates(raw, settings, film=None):
    """Return the rows of the candidates that become detections, of one film or of all, in the raw outputs' order.

    Notes
    -----
    The filters of `mini_rcnn.stages.proposals` and `mini_rcnn.stages.detections` in their order: suppression among
    proposals and its limit, the score, suppression within a class, the limit on detections, an area on the film. The
    stage's limit on each class before the limit on all changes nothing: of one class, at most as many can be among the
    best of all.
    """
    among = slice(0, len(raw.scores)) if film is None else raw.candidates(film)
    confident = raw.scores[among] >= raw.scores.dtype.type(settings.min_confidence)
    if film is None or confident.any():
        confident &= raw.places(settings.rpn_iou_threshold, film) < settings.max_proposals
    kept = np.flatnonzero(confident) + among.start
    kept = kept[best_of_class(raw, kept, settings.iou_threshold)]
    films = raw.film_of[kept]  # ascending
    rank = np.arange(len(kept)) - np.searchsorted(films, films)  # on the film, best first
    return kept[(rank < settings.max_detections) & raw.on_film[kept]]


def best_of_class(raw, kept, iou_threshold):
    """Return which candidates, by their rows, stay when those of one film and class compete."""
    groups = raw.film_of[kept] * raw.config.n_classes + raw.class_ids[kept]
    order = np.argsort(groups, kind="stable")  # within a group still best first
    keep = np.zeros(len(kept), dtype=bool)
    keep[order] = suppress_groups(raw.boxes[kept][order], groups[order], iou_threshold)
    return keep
