"""What pycocotools says of a detection set: the oracle of matching and of average precision."""

from __future__ import annotations

import contextlib
import io
import sys

import numpy as np
import pytest

if sys.platform == "darwin" and sys.version_info < (3, 8):
    pytest.skip("no build of pycocotools for Python 3.7 on macOS", allow_module_level=True)

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def as_coco(boxes):
    """Return boxes (N, 4) as COCO's ``[x, y, width, height]``."""
    return [[x1, y1, x2 - x1, y2 - y1] for y1, x1, y2, x2 in boxes.tolist()]


def coco_evaluation(detections, *, thresholds=None):
    """Return a COCOeval that has evaluated and accumulated a set; image ids are rows, ids of boxes rows + 1."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": row} for row in range(detections.n_images)],
            "categories": [{"id": 1}],
            "annotations": [
                {
                    "id": i + 1,
                    "image_id": int(row),
                    "category_id": 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
                for i, (row, box) in enumerate(zip(detections.truth_image, as_coco(detections.truth)))
            ],
        }
        truth.createIndex()
        found = COCO()
        found.dataset = dict(truth.dataset)
        found.dataset["annotations"] = [
            {"id": i + 1, "image_id": int(row), "category_id": 1, "bbox": box, "area": box[2] * box[3], "score": score}
            for i, (row, box, score) in enumerate(
                zip(detections.box_image, as_coco(detections.boxes), detections.scores.tolist())
            )
        ]
        found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        if thresholds is not None:
            evaluation.params.iouThrs = np.asarray(thresholds)
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def coco_average_precisions(detections, **options):
    """Return AP at each overlap, (K,), with 100 predictions an image."""
    precision = coco_evaluation(detections, **options).eval["precision"]  # (K, 101, 1, 1, 3)
    return precision[:, :, 0, 0, -1].mean(axis=1)


def coco_matches(detections, thresholds):
    """Return the truth of each prediction, (K, P), as ``match_free`` does."""
    matched = np.full((len(thresholds), len(detections.boxes)), -1)
    for image in coco_evaluation(detections, thresholds=thresholds).evalImgs:
        if image is not None and len(image["dtIds"]):
            matched[:, np.array(image["dtIds"]) - 1] = image["dtMatches"].astype(int) - 1
    return matched
