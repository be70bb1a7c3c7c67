"""How many of the true boxes some proposal lies on: what the second half of a network can still find."""

from __future__ import annotations

import numpy as np

from mini_rcnn.stages.boxes import box_iou


def proposal_recall(truths, proposals, *, limit, min_iou):
    """Return the share of the true boxes of all images that at least one of an image's best proposals covers.

    Parameters
    ----------
    truths : sequence of ndarrays of shape (M, 4)
        One an image, ``(y1, x1, y2, x2)`` in pixels; M may be 0, and differs from image to image.
    proposals : sequence of ndarrays of shape (N, 4)
        Of the same images, best first.
    limit : int
        So many of the first proposals of each image count.
    min_iou : float in (0, 1]
        A proposal covers a truth where their IoU is at least this.

    Returns
    -------
    recall : float
        In [0, 1]; NaN where no image has a true box.

    Notes
    -----
    ``recall = covered truths / truths``, both counted over all images together: an image with three true boxes weighs
    as much as three with one. One proposal may cover two truths. So Hosang et al., *What makes for effective detection
    proposals?*, PAMI 2016, section 4, for one overlap. A proposal too many costs nothing here: recall says what was
    lost, not what it takes to sort the rest out.

    Examples
    --------
    >>> truths = [np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]]), np.zeros((0, 4))]
    >>> proposals = [np.array([[0.0, 0, 10, 8], [20, 20, 30, 30]]), np.array([[0.0, 0, 5, 5]])]
    >>> proposal_recall(truths, proposals, limit=1, min_iou=0.5)
    0.5
    >>> proposal_recall(truths, proposals, limit=2, min_iou=0.5)
    1.0
    """
    covered = total = 0
    for truth, boxes in zip(truths, proposals):
        best = box_iou(truth, boxes[:limit]).max(axis=1, initial=0.0)  # (M,)
        covered += int(np.sum(best >= min_iou))
        total += len(truth)
    return covered / total if total else float("nan")
