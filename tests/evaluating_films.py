"""Submissions and records for the tests of an evaluation."""

from __future__ import annotations

import csv

import numpy as np
from rsna_folders import NORMAL, OPACITY, OTHER

from mini_rcnn.data.rsna import Record
from mini_rcnn.evaluating.people import Facts

HEADER = "patientId,PredictionString\n"


def truth_string(record, score=1.0):
    """Return the prediction string that finds just what is there."""
    rows = [(score, x1, y1, x2 - x1, y2 - y1) for y1, x1, y2, x2 in record.boxes]
    return " ".join(repr(float(value)) for row in rows for value in row)


def write_submission(path, rows):
    """Write ``(id, prediction string)`` pairs as a submission; return its path."""
    with open(str(path), "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("patientId", "PredictionString"), *rows])
    return path


def crowd(rng, n_images=60):
    """Return records of all classes, what somebody found on them, and facts of every kind, some of them unknown."""
    records, found, facts = [], {}, {}
    for number in range(n_images):
        name, class_name = f"image-{number:03d}", (NORMAL, OTHER, OPACITY)[number % 3]
        corners = rng.uniform(0, 600, (1 + number % 2 if class_name == OPACITY else 0, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(100, 300, corners.shape)], axis=1)
        records.append(Record(name, None, boxes, class_name, f"patient-{number // 2}"))
        near = boxes[rng.random(len(boxes)) < 0.8] + rng.normal(0, 15, 4)
        corners = rng.uniform(0, 700, (int(rng.integers(0, 2)), 2))
        far = np.concatenate([corners, corners + 120], axis=1)
        predicted = np.concatenate([near, far])
        found[name] = predicted, np.round(rng.random(len(predicted)), 2)
        view, sex, age = (("PA", "F", 20), ("AP", "M", 70), (None, None, None))[number % 5 % 3]
        facts[name] = Facts((1024, 1024), view, sex, age)
    return records, found, facts
