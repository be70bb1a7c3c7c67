"""Where the box head sees a box: its last hidden layer, and which true opacities lie nearest there."""

from __future__ import annotations

import numpy as np

from mini_rcnn.model import NUMPY, pooling_of
from mini_rcnn.stages._check import number_array, shaped, whole_number
from mini_rcnn.stages.backbone import conv_layer, norm_layer
from mini_rcnn.stages.image import boxes_to_input
from mini_rcnn.stages.ops import relu

NEIGHBOURS = 3  # how many true opacities are shown beside an alarm
LEVELS = ("p2", "p3", "p4", "p5", "p6")


def hidden_layer(pooled, weights):
    """Return the box head's last hidden layer: what the class layer makes the logits of.

    Parameters
    ----------
    pooled : ndarray of shape (N, h, w, C), float
        Boxes pooled to the head's size: ``trace["box_pool"]``, or some rows of it.
    weights : mapping of str to ndarray
        Of the network, as they are in its file.

    Returns
    -------
    hidden : ndarray of shape (N, F), float32
        Not below 0: it comes out of a ReLU. F is 1,024 in the paper.

    Notes
    -----
    FPN, section 4.2; `mini_rcnn.stages.heads.box_head` without its last layer:
    ``logits = hidden @ kernel + bias`` of ``mrcnn_class_logits``. Matterport: the input of
    ``mrcnn_class_logits`` in ``fpn_classifier_graph``, called ``shared``.
    """
    pooled = np.asarray(pooled, np.float32)
    hidden = conv_layer(pooled, weights, "mrcnn_class_conv1", padding="valid")  # (N, 1, 1, F)
    hidden = relu(norm_layer(hidden, weights, "mrcnn_class_bn1"))
    hidden = relu(norm_layer(conv_layer(hidden, weights, "mrcnn_class_conv2"), weights, "mrcnn_class_bn2"))
    return hidden.reshape(len(pooled), hidden.shape[-1]).astype(np.float32)


def features_at(boxes, trace, geometry, weights, config):
    """Return what the head would see in boxes of the film: the pyramid is pooled at the boxes themselves.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in pixels of the film, such as the truth.
    trace : mapping of str to ndarray
        At least ``"p2"`` to ``"p6"`` of the film.
    geometry : ImageGeometry
    weights : mapping of str to ndarray
    config : Config

    Returns
    -------
    hidden : ndarray of shape (N, F), float32

    Notes
    -----
    A detection's own feature is that of the *proposal* it came from, since that is what was scored. A true box need
    not be a proposal, so it is pooled as if it were one.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not len(boxes):
        return np.zeros((0, config.heads.box_units), np.float32)
    pyramid = {level: np.asarray(trace[level]) for level in LEVELS}
    inputs = boxes_to_input(boxes, geometry).astype(np.float32)
    return hidden_layer(pooling_of(config, NUMPY)(pyramid, inputs, config.heads.box_pool_size), weights)


def nearest(features, bank, *, features_of, bank_of, k=NEIGHBOURS):
    """Return the nearest rows of a bank, those of the same patient left out.

    Parameters
    ----------
    features : ndarray of shape (N, F), float
    bank : ndarray of shape (M, F), float
    features_of, bank_of : sequences of N and of M str
        Whose each row is: a patient's opacity is no neighbour of what was marked on the same patient's films.
    k : int
        At least 1.

    Returns
    -------
    rows : ndarray of shape (N, k), int64
        Rows of the bank, the nearest first, of equal distances the lower row; -1 where there are fewer than k.
    distances : ndarray of shape (N, k), float64
        Infinite there.

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, or ``k`` is no whole number of at least 1.

    Notes
    -----
    Euclidean distance, because of what the class layer does with it: a logit is ``w @ h + b``, so two boxes at a
    distance d have logits at most ``|w| * d`` apart (Cauchy and Schwarz): near means scored alike. The cosine would
    leave out the length, which carries how sure the head is.

    Examples
    --------
    >>> bank = np.array([[0.0, 0], [3, 4], [0, 1]])
    >>> rows, distances = nearest(np.array([[0.0, 0]]), bank, features_of=["a"], bank_of=["a", "b", "c"], k=3)
    >>> rows, distances
    (array([[ 2,  1, -1]]), array([[ 1.,  5., inf]]))
    """
    k = whole_number("k", k, 1)
    bank = shaped("bank", number_array("bank", bank), (None, None)).astype(np.float64)
    features = shaped("features", number_array("features", features), (None, bank.shape[1])).astype(np.float64)
    for name, owners, rows in (("features_of", features_of, features), ("bank_of", bank_of, bank)):
        if len(owners) != len(rows):
            raise ValueError(f"{name} must name the owner of each of {len(rows)} rows, got {len(owners)}")
    found, distances = np.full((len(features), k), -1, np.int64), np.full((len(features), k), np.inf)
    bank_of = np.array(bank_of, dtype=object)
    for place, (feature, owner) in enumerate(zip(features, features_of)):
        others = np.flatnonzero(bank_of != owner)
        away = np.sqrt(np.sum((bank[others] - feature) ** 2, axis=1))  # (O,)
        order = np.argsort(away, kind="stable")[:k]
        found[place, : len(order)], distances[place, : len(order)] = others[order], away[order]
    return found, distances


def typical_distance(bank, bank_of):
    """Return how far a true opacity usually lies from the nearest one of another patient: the median; NaN without.

    It is the unit of the distances that are shown: 1 is as near as true opacities are to each other.

    >>> typical_distance(np.array([[0.0], [2.0], [5.0]]), ["a", "b", "c"])
    2.0
    """
    if not len(bank):
        return float("nan")
    away = nearest(bank, bank, features_of=bank_of, bank_of=bank_of, k=1)[1][:, 0]
    away = away[np.isfinite(away)]
    return float(np.median(away)) if len(away) else float("nan")
