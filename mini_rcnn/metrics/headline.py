"""The figures that an evaluation is quoted by, as one function of the images' weights: quick enough to bootstrap."""

from __future__ import annotations

import numpy as np

from mini_rcnn.metrics.average_precision import (
    COCO_THRESHOLDS,
    area_of_all_points,
    coco_ap_of,
    first_boxes,
    ranked_hits,
)
from mini_rcnn.metrics.counts import SURE
from mini_rcnn.metrics.detection_set import image_weights, ratio
from mini_rcnn.metrics.froc import HIT_IOU, froc_of, sensitivity_at
from mini_rcnn.metrics.image_level import image_scores
from mini_rcnn.metrics.matching import match_best, match_free, overlaps_of
from mini_rcnn.metrics.rsna_sets import rsna_hits, rsna_image_scores
from mini_rcnn.stages._check import unit_number

FIGURES = (
    "rsna", "voc_ap", "coco_ap", "froc", "froc_healthy", "auc",
    "precision", "recall", "f1", "sensitivity", "specificity", "youden",
    "healthy_marked_share", "healthy_sure_share", "false_marks_per_healthy_image",
)  # fmt: skip


class Matches:
    """Every matching that the metrics need, made once from one table of overlaps."""

    def __init__(self, detections, iou):
        overlaps = overlaps_of(detections)
        free = match_free(detections, [unit_number("iou", iou), HIT_IOU, *COCO_THRESHOLDS], overlaps=overlaps)
        self.hit = free[0] >= 0  # (P,), at the overlap asked for
        self.rsna_hit = rsna_hits(detections, overlaps=overlaps)  # (8, P)
        self.ranked = ranked_hits(detections, free[0])
        self.voc = ranked_hits(detections, match_best(detections, iou, overlaps=overlaps))
        self.froc = ranked_hits(detections, free[1])
        self.coco = ranked_hits(*first_boxes(detections, free[2:], 100))  # cocodataset.org: 100 an image


class Headline:
    """What `FIGURES` names, at one threshold on the score; called with weights (I,), it returns them in that order.

    What a threshold decides is a sum over images: those stand in a table (I, columns), so weights cost one product.
    What needs the order of the scores is a running sum over predictions that were sorted once.
    """

    def __init__(self, detections, matches, threshold):
        unit_number("threshold", threshold)
        self.matches, n_images = matches, detections.n_images
        kept = detections.scores >= threshold
        marks = np.bincount(detections.box_image[kept], minlength=n_images)
        hits = np.bincount(detections.box_image[kept & matches.hit], minlength=n_images)
        sure = np.bincount(detections.box_image[detections.scores >= SURE], minlength=n_images) > 0
        ill = detections.n_truths > 0
        rsna = rsna_image_scores(detections, threshold=threshold, hit=matches.rsna_hit)
        columns = [
            hits, marks, detections.n_truths, ill & (marks > 0), ill, ~ill & (marks > 0), ~ill, ~ill & sure,
            marks * ~ill, np.nan_to_num(rsna), ~np.isnan(rsna),
        ]  # fmt: skip
        self.table = np.stack(columns, axis=1).astype(np.float64)
        distinct, self.place = np.unique(image_scores(detections), return_inverse=True)
        self.ill, self.n_distinct = ill, len(distinct)

    def __call__(self, weights=None):
        """Return the figures (F,), NaN where one has nothing to be a share of."""
        weights = image_weights(weights, len(self.table))
        hits, marks, truths, ill_marked, ill, healthy_marked, healthy, healthy_sure, healthy_marks, rsna, n_rsna = (
            weights @ self.table
        )
        n_truths, curves = self.matches.voc.points(weights)
        frocs = [
            sensitivity_at(froc_of(self.matches.froc, healthy_only=only, weights=weights)) for only in (False, True)
        ]
        sensitivity, specificity = ratio(ill_marked, ill), ratio(healthy - healthy_marked, healthy)
        return np.array(
            [
                ratio(rsna, n_rsna),
                area_of_all_points(*curves[0][:2]) if n_truths else np.nan,
                np.mean(coco_ap_of(self.matches.coco, weights)),
                np.mean(frocs[0]),
                np.mean(frocs[1]),
                self.auc(weights),
                ratio(hits, marks),
                ratio(hits, truths),
                ratio(2 * hits, marks + truths),
                sensitivity,
                specificity,
                sensitivity + specificity - 1,
                ratio(healthy_marked, healthy),
                ratio(healthy_sure, healthy),
                ratio(healthy_marks, healthy),
            ]
        )

    def auc(self, weights):
        """Return the chance that an ill image scores more than a healthy one, equal scores counting half."""
        ill = np.bincount(self.place, weights * self.ill, minlength=self.n_distinct)
        healthy = np.bincount(self.place, weights * ~self.ill, minlength=self.n_distinct)
        below = np.cumsum(healthy) - healthy / 2
        return ratio(np.sum(ill * below), ill.sum() * healthy.sum())
