"""An evaluation as files: JSON with everything, a table of figures, a table of images, the predictions, the report."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np

from mini_rcnn.data.files import written_beside
from mini_rcnn.detecting.results import COLUMNS, PIXEL_DIGITS, SCORE_DIGITS, prediction_string

FIGURE_COLUMNS = ("kind", "group", "images", "patients", "truths", "figure", "value", "low", "high")
IMAGE_COLUMNS = ("patientId", "class", "view", "truths", "predictions", "best_score", "rsna", "hits", "false_marks")


def table_text(columns, rows):
    """Return a table as CSV; None is an empty cell."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()


def json_text(results):
    """Return the results as JSON with sorted keys: the same results give the same bytes."""
    return json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def figures_text(results):
    """Return one row for each figure of each group, the whole set first, as CSV."""
    whole, rows = {"kind": "all", "name": "all", **results["summary"]}, []
    for group in [whole, *results["groups"]]:
        intervals = group["intervals"] or {}
        about = [group["kind"], group["name"], *(group["set"][name] for name in ("images", "patients", "truths"))]
        for name, value in group["figures"].items():
            interval = intervals.get(name, {"low": None, "high": None})
            rows.append([*about, name, value, interval["low"], interval["high"]])
    return table_text(FIGURE_COLUMNS, rows)


def images_text(images):
    """Return one row for each image, as CSV; the challenge's score is empty where an image has none."""
    rsna = [None if np.isnan(score) else round(float(score), 6) for score in images.rsna]
    best = [round(float(score), SCORE_DIGITS) for score in images.best_score]
    columns = (images.ids, images.classes, images.views, images.truths.tolist(), images.predictions.tolist(), best)
    return table_text(IMAGE_COLUMNS, zip(*columns, rsna, images.hits.tolist(), images.false_marks.tolist()))


def submission_text(detections):
    """Return all predictions as a submission, those below the threshold too."""
    rows = []
    for name, _, boxes, scores in detections.images():
        sides = np.round(np.maximum(boxes[:, 2:] - boxes[:, :2], 10.0**-PIXEL_DIGITS), PIXEL_DIGITS)
        corners, scores = np.round(boxes[:, :2], PIXEL_DIGITS), np.round(scores, SCORE_DIGITS)
        found = [
            {"score": float(score), "x": float(x), "y": float(y), "width": float(width), "height": float(height)}
            for score, (y, x), (height, width) in zip(scores, corners, sides)
        ]
        rows.append((name, prediction_string({"found": found})))
    return table_text(COLUMNS, rows)


def write_all(out, texts):
    """Write texts by file name into a folder, each whole or not at all.

    Parameters
    ----------
    out : path
        Made if it is missing.
    texts : dict of str to str
        All of them are there before the first is written, so what fails while they are made leaves no file.
    """
    for name, text in texts.items():
        with written_beside(Path(out) / name, "w") as file:
            file.write(text)
