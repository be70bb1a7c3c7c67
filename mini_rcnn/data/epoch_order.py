"""Which images an epoch shows, and in which order: a seed decides."""

from __future__ import annotations

import numpy as np

from .contradictions import CLASSES

HARD = CLASSES[1]  # films without boxes that show something: "No Lung Opacity / Not Normal"
ORDER, CHANGE = 0, 1  # streams of random numbers of an epoch: the order, and what augmentation draws


def epoch_order(records, *, seed, epoch, positive_share=None, hard_share=None):
    """Return which records an epoch shows, in order: all of them once, or drawn to a share with boxes.

    Parameters
    ----------
    records : sequence of Record
    seed, epoch : int
        The same two give the same order.
    positive_share : float in (0, 1), optional
        With it, as many images as there are records are shown, this share of them with boxes: each list is gone
        through in shuffled rounds, so an image with boxes may come several times and one without not at all.
    hard_share : float in (0, 1), optional
        Of the images without boxes that are shown, this share shows something else, "Not Normal"; needs
        ``positive_share``. As they come it is 57 % in RSNA's tables.

    Returns
    -------
    places : ndarray of int, one for each record

    Examples
    --------
    >>> sorted(epoch_order([None] * 5, seed=1, epoch=0).tolist())
    [0, 1, 2, 3, 4]
    """
    rng = np.random.default_rng([seed, epoch, ORDER])
    if positive_share is None:
        if hard_share is not None:
            raise ValueError(f"hard_share needs a positive_share, got {hard_share} without one")
        return rng.permutation(len(records))
    positive = np.array([len(record.boxes) > 0 for record in records], dtype=bool)
    with_boxes, without = np.flatnonzero(positive), np.flatnonzero(~positive)
    if not 0 < positive_share < 1 or not len(with_boxes) or not len(without):
        raise ValueError(
            f"positive_share must lie between 0 and 1, with records of both kinds, "
            f"got {positive_share} with {len(with_boxes)} positive of {len(records)}"
        )
    n_positive = round(positive_share * len(records))
    parts = [rounds(rng, with_boxes, n_positive)]
    n_without = len(records) - n_positive
    if hard_share is None:
        parts.append(rounds(rng, without, n_without))
    else:
        hard = np.array([records[place].class_name == HARD for place in without], dtype=bool)
        if not 0 < hard_share < 1 or hard.all() or not hard.any():
            raise ValueError(
                f"hard_share must lie between 0 and 1, with records without boxes of both classes, got {hard_share} "
                f"with {hard.sum()} Not Normal of {len(without)}"
            )
        n_hard = round(hard_share * n_without)
        parts += [rounds(rng, without[hard], n_hard), rounds(rng, without[~hard], n_without - n_hard)]
    return rng.permutation(np.concatenate(parts))


def rounds(rng, places, n_wanted):
    """Return so many places: all of them shuffled, then shuffled again, until there are enough."""
    n_rounds = -(-n_wanted // len(places))
    return np.concatenate([rng.permutation(places) for _ in range(n_rounds)] or [places[:0]])[:n_wanted]


def change_rng(seed, epoch, place):
    """Return the generator that augments the image at a place of an epoch, whatever came before it."""
    return np.random.default_rng([seed, epoch, CHANGE, place])
