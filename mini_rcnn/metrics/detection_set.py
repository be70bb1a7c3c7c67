"""All truths and all predictions of many images in flat arrays: what every metric of this folder reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mini_rcnn.stages._check import number_array, shaped


@dataclass(frozen=True, eq=False)
class DetectionSet:
    """Truths and predictions of I images, made by `detection_set`.

    The rows of an image stand together, in the order of the images; within an image they keep the order they came in.
    """

    ids: np.ndarray  # (I,), the images' names
    truth: np.ndarray  # (T, 4), float64 (y1, x1, y2, x2), pixels
    truth_image: np.ndarray  # (T,), int64, the row of ids that a truth belongs to; never falls
    boxes: np.ndarray  # (P, 4), float64, in the same pixels: what was predicted
    scores: np.ndarray  # (P,), float64 in [0, 1]
    box_image: np.ndarray  # (P,), int64; never falls

    @property
    def n_images(self):
        """Return how many images there are."""
        return len(self.ids)

    @property
    def n_truths(self):
        """Return how many truths each image has, (I,)."""
        return np.bincount(self.truth_image, minlength=self.n_images)

    @property
    def n_boxes(self):
        """Return how many predictions each image has, (I,)."""
        return np.bincount(self.box_image, minlength=self.n_images)

    def above(self, threshold):
        """Return the set without the predictions whose score is less than a threshold; every image stays."""
        keep = self.scores >= threshold
        return DetectionSet(
            self.ids, self.truth, self.truth_image, self.boxes[keep], self.scores[keep], self.box_image[keep]
        )

    def of_images(self, which):
        """Return the set of some of the images.

        Parameters
        ----------
        which : ndarray of shape (I,), bool, or of shape (J,), int
            A mask, or rows of ``ids`` in any order. A row that is named twice is there twice, as a bootstrap needs.

        Returns
        -------
        subset : DetectionSet

        Raises
        ------
        ValueError
            If a mask has another length than ``ids``, or a row does not exist.
        """
        which = image_rows(which, self.n_images)
        truth, truth_image = rows_of(self.truth_image, which, self.n_images)
        box, box_image = rows_of(self.box_image, which, self.n_images)
        return DetectionSet(
            self.ids[which], self.truth[truth], truth_image, self.boxes[box], self.scores[box], box_image
        )

    def images(self):
        """Yield ``(id, truth, predicted, scores)`` of each image: what `detection_set` was made from."""
        truth_ends, box_ends = np.cumsum(self.n_truths), np.cumsum(self.n_boxes)
        for image, name in enumerate(self.ids.tolist()):
            truths = slice(truth_ends[image - 1] if image else 0, truth_ends[image])
            boxes = slice(box_ends[image - 1] if image else 0, box_ends[image])
            yield name, self.truth[truths], self.boxes[boxes], self.scores[boxes]


def detection_set(images):
    """Return the detection set of some images.

    Parameters
    ----------
    images : iterable of (id, truth, predicted, scores)
        ``id`` is a string or a whole number, ``truth`` (N, 4) and ``predicted`` (M, 4) are boxes
        ``(y1, x1, y2, x2)`` in pixels, ``scores`` is (M,), in [0, 1]. ``[]`` is no boxes.

    Returns
    -------
    detections : DetectionSet
        Without images, too, it is whole: every array has no rows.

    Raises
    ------
    ValueError
        If an image comes twice, a shape is wrong, a value is not finite, a box has no area, or a score lies outside
        [0, 1]. It names the image.

    Examples
    --------
    >>> box = [[10.0, 10, 50, 60]]
    >>> detections = detection_set([("ill", box, box, [0.9]), ("healthy", [], box, [0.2]), ("quiet", [], [], [])])
    >>> detections.n_truths, detections.box_image
    (array([1, 0, 0]), array([0, 1]))
    >>> detections.above(0.5).n_boxes
    array([1, 0, 0])
    """
    ids, truth, boxes, scores = [], [], [], []
    for name, image_truth, predicted, image_scores in images:
        ids.append(name)
        truth.append(image_boxes("truth", image_truth, name))
        boxes.append(image_boxes("predicted", predicted, name))
        rows = np.asarray(image_scores, dtype=np.float64)
        if rows.shape != (len(boxes[-1]),):
            raise ValueError(f"scores must have shape ({len(boxes[-1])},), got {rows.shape} in image {name!r}")
        scores.append(rows)
    if len(set(ids)) < len(ids):
        twice = next(name for place, name in enumerate(ids) if name in ids[:place])
        raise ValueError(f"images must come once each, got {twice!r} twice")
    truth_image = np.repeat(np.arange(len(ids)), [len(rows) for rows in truth]).astype(np.int64)
    box_image = np.repeat(np.arange(len(ids)), [len(rows) for rows in boxes]).astype(np.int64)
    truth, boxes = np.concatenate([np.zeros((0, 4)), *truth]), np.concatenate([np.zeros((0, 4)), *boxes])
    scores = np.concatenate([np.zeros(0), *scores])
    real_rows("truth", truth, truth_image, ids)
    real_rows("predicted", boxes, box_image, ids)
    outside = np.flatnonzero(~((scores >= 0) & (scores <= 1)))  # NaN is neither
    if len(outside):
        row = outside[0]
        raise ValueError(f"scores must lie in [0, 1], got {scores[row]} in image {ids[box_image[row]]!r}")
    names = np.array(ids) if ids else np.zeros(0, dtype=str)
    return DetectionSet(names, truth, truth_image, boxes, scores, box_image)


def image_boxes(argument, boxes, name):
    """Return one image's boxes (N, 4) float64; their values are looked at later, all images at once."""
    array = np.asarray(boxes, dtype=np.float64)
    if array.shape == (0,):
        array = array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{argument} must have shape (?, 4), got {array.shape} in image {name!r}")
    return array


def real_rows(argument, boxes, image, ids):
    """Refuse boxes (N, 4) that are not finite or have no area, with the name of the image."""
    real = np.isfinite(boxes).all(axis=1) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if not real.all():
        row = np.flatnonzero(~real)[0]
        got = f"{boxes[row].tolist()} in image {ids[image[row]]!r}"
        raise ValueError(f"{argument} must be finite boxes with y1 < y2 and x1 < x2, got {got}")


def image_rows(which, n_images):
    """Return the rows (J,) int64 that a mask or rows name."""
    which = np.asarray(which)
    if which.dtype == bool:
        return np.flatnonzero(shaped("which", which, (n_images,)))
    if which.ndim != 1 or (len(which) and which.dtype.kind not in "iu"):
        raise ValueError(f"which must be a mask or rows of images, got {which.dtype} of shape {which.shape}")
    if ((which < 0) | (which >= n_images)).any():
        raise ValueError(f"which must name rows from 0 to {n_images - 1}, got {which.min()} to {which.max()}")
    return which.astype(np.int64)


def rows_of(image, which, n_images):
    """Return the rows that belong to the images ``which`` (J,), and for each its place in ``which``.

    ``image`` (N,) is the image of each row, never falling.

    >>> rows_of(np.array([0, 0, 2]), np.array([2, 0, 2]), 3)
    (array([2, 0, 1, 2]), array([0, 1, 1, 2]))
    """
    counts = np.bincount(image, minlength=n_images)
    first = np.cumsum(counts) - counts  # (I,), where each image's rows begin
    taken = counts[which]  # (J,)
    place = np.repeat(np.arange(len(which)), taken)
    within = np.arange(len(place)) - np.repeat(np.cumsum(taken) - taken, taken)
    return first[which][place] + within, place


def image_weights(weights, n_images):
    """Return how often each image counts, (I,) float64; None is once."""
    if weights is None:
        return np.ones(n_images)
    weights = shaped("weights", number_array("weights", weights), (n_images,))
    if (weights < 0).any():
        raise ValueError(f"weights must be at least 0, got {weights.min()}")
    return weights.astype(np.float64, copy=False)


def ratio(part, whole):
    """Return ``part / whole``, NaN where there is nothing to take a part of.

    >>> ratio(1, 4), ratio(0, 0)
    (0.25, nan)
    """
    return float(part) / float(whole) if whole else float("nan")
