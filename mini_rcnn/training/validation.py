"""How good a network is on the validation side: its losses, the challenge's score, and the threshold that gives it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.config import changed
from mini_rcnn.metrics.counts import healthy_marked_share
from mini_rcnn.metrics.detection_set import detection_set
from mini_rcnn.metrics.rsna_sets import rsna_by_threshold
from mini_rcnn.model import anchors_of, found_on_film, network_greys, run_stages
from mini_rcnn.stages_tf.model import TENSORFLOW
from mini_rcnn.weights import WeightsError

THRESHOLDS = tuple(step / 100 for step in range(5, 100))
MOST_MARKED = 0.025  # of the films without boxes: a threshold that marks as many or more is no choice
NEAR = 0.35  # in log-odds, which is 0.03 around 0.9: thresholds as near as this are judged together


class Choice(NamedTuple):
    """A threshold on the score, and what it gives on the validation side."""

    threshold: float
    score: float  # the challenge's
    marked: float  # share of films without boxes that get one


def mean_losses(judge, batches):
    """Return the mean of each loss over all images.

    Parameters
    ----------
    judge : callable
        Of a batch: a dict of losses.
    batches : iterable of Batch
    """
    sums, n_images = {}, 0
    for batch in batches:
        for name, loss in judge(batch).items():
            sums[name] = sums.get(name, 0.0) + loss * len(batch.ids)
        n_images += len(batch.ids)
    return {name: loss / n_images for name, loss in sums.items()}


class Scorer:
    """Detects on prepared films with weights that change from time to time.

    Parameters
    ----------
    config : Config
    data : feed.Data
    arrays : mapping of str to variable
        The weights that are judged, as they are at the time.
    least : float
        In [0, 1]. Boxes with a lower score are not found.
    """

    def __init__(self, config, data, arrays, *, least=THRESHOLDS[0]):
        self.config = changed(config, detections__min_confidence=least)
        self.prepared = data.prepared
        self.records = {record.id: record for record in data.validation}
        anchors = tf.constant(anchors_of(config))
        # Nobody asks for the masks here, so the graph leaves the mask head out.
        self.run = tf.function(
            lambda pixels, window: run_stages(pixels, window, anchors, arrays, self.config, TENSORFLOW)["refined"],
            autograph=False,
        )

    def detect(self, record):
        """Return a film's truth, and the boxes and scores that are found, pixels of the film."""
        geometry = self.prepared.geometry(record.id)
        pixels = network_greys(self.prepared.image(record.id), self.config.image)
        window = tf.constant(np.asarray(geometry.window, np.float32))
        refined = tf.nest.map_structure(lambda one: one.numpy(), self.run(tf.constant(pixels), window))
        no_masks = np.zeros((len(refined.scores), 1, 1, self.config.n_classes), np.float32)
        found = found_on_film(refined, no_masks, geometry, self.config)
        return record.boxes, found.boxes, found.scores

    def choose(self, ids, *, stopped=lambda: False):
        """Return the `Choice` on the images of these ids; None if it is stopped on the way."""
        films = []
        for image_id in ids:
            if stopped():
                return None
            record = self.records[image_id]
            try:
                films.append(self.detect(record))
            except WeightsError:  # after its first steps a network's boxes may be no numbers: then it found nothing
                films.append((record.boxes, np.zeros((0, 4)), np.zeros(0)))
        return choose_threshold(films)


def choose_threshold(films, thresholds=THRESHOLDS):
    """Return the threshold with the best score of those that mark few films without boxes.

    Parameters
    ----------
    films : sequence of (truth, boxes, scores)
        Of every film, found with a threshold not above the lowest.
    thresholds : sequence of float

    Returns
    -------
    Choice
        Of the thresholds that mark fewer than 2.5 % of the films without boxes, the one with the best score, of equals
        the highest; where none does, the one that marks the fewest. Both are means over the neighbouring thresholds,
        see `around`; what is returned is what the threshold itself gives.

    Notes
    -----
    A threshold may be applied after suppression: boxes below it never take one above it away.

    Of 150 films without boxes 3.75 are 2.5 %, so a single film can rule a threshold out or let it in, and one
    film with boxes more or less moves the score by hundredths. New films fall a little to the left and right of these;
    the mean over the neighbourhood asks what a threshold gives then, and ends on a plateau, not at its edge. On 158 new
    films it may be 4 % where it was 2.5 % here.

    Examples
    --------
    >>> box = np.array([[0.0, 0, 9, 9]])
    >>> films = [(box, box, np.array([0.9])), (box[:0], box, np.array([0.4]))]
    >>> choose_threshold(films, (0.3, 0.5, 0.95))
    Choice(threshold=0.5, score=1.0, marked=0.0)
    >>> choose_threshold(films).threshold
    0.87
    """
    found = detection_set((str(number), *film) for number, film in enumerate(films))
    scores = np.nan_to_num(rsna_by_threshold(found, thresholds))  # NaN where there is nothing to score
    marked = [np.nan_to_num(healthy_marked_share(found, threshold=threshold)) for threshold in thresholds]
    choices = [Choice(*map(float, row)) for row in zip(thresholds, scores, marked)]
    means = (around(thresholds, each).tolist() for each in (scores, marked))
    smooth = [Choice(*row) for row in zip(thresholds, *means)]
    allowed = [place for place, choice in enumerate(smooth) if choice.marked < MOST_MARKED]
    if allowed:
        return choices[max(allowed, key=lambda place: (smooth[place].score, thresholds[place]))]
    places = range(len(choices))
    return choices[min(places, key=lambda i: (smooth[i].marked, -smooth[i].score, -thresholds[i]))]


def around(thresholds, values):
    """Return the mean of values over all thresholds within `NEAR` of each, equal ones to the last digit.

    How near is told in log-odds, ``log(t / (1 - t))``: near 1, where a network that is sure has all its scores, a
    hundredth is a long way.

    >>> around([0.5, 0.52, 0.95, 0.98], [0.0, 1.0, 3.0, 4.0])
    array([0.5, 0.5, 3. , 4. ])
    """
    odds = np.log(thresholds) - np.log1p(-np.asarray(thresholds))
    near = np.abs(np.subtract.outer(odds, odds)) < NEAR
    return np.round(near @ np.asarray(values, float) / near.sum(axis=1), 9)
