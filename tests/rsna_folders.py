"""Small folders in Kaggle's layout, written for a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mini_rcnn.data.rsna import CLASSES, Record

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "rsna"
FULL_TABLES = SHARED / "full_labels"
needs_full_tables = pytest.mark.skipif(not FULL_TABLES.is_dir(), reason=f"{FULL_TABLES} is not on this machine")
needs_real_films = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not on this machine")

NORMAL, OTHER, OPACITY = CLASSES
LABELS = """patientId,x,y,width,height,Target
ill,100.0,200.0,30.0,40.0,1
ill,500.0,210.0,50.0,60.0,1
healthy,,,,,0
other,,,,,0
"""
CLASS_INFO = f"""patientId,class
ill,{OPACITY}
ill,{OPACITY}
healthy,{NORMAL}
other,{OTHER}
"""


def write_folder(folder, *, labels=LABELS, classes=CLASS_INFO, films=(), **others):
    """Write tables and (empty) films; others are ``nih_patients`` and ``rsna_to_nih``. Return the folder."""
    folder.mkdir(exist_ok=True)
    others = {f"{name}.csv": text for name, text in others.items()}
    tables = {"stage_2_train_labels.csv": labels, "stage_2_detailed_class_info.csv": classes, **others}
    for name, text in tables.items():
        if text is not None:
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    for name in films:
        (folder / "stage_2_train_images").mkdir(exist_ok=True)
        (folder / "stage_2_train_images" / name).write_bytes(b"")
    return folder


def random_records(rng, n_patients, *, alone=False):
    """Return the records of some patients: 1 to 12 images each, most of them 1, or 1 for all if alone."""
    records = []
    for patient in range(n_patients):
        for _ in range(1 if alone else min(12, int(rng.geometric(0.5)))):
            class_name = CLASSES[rng.choice(3, p=(0.33, 0.45, 0.22))]
            boxes = np.tile([100.0, 100.0, 200.0, 300.0], (rng.integers(1, 4) if class_name == OPACITY else 0, 1))
            image_id = f"image-{len(records):05d}"
            records.append(Record(image_id, None, boxes, class_name, image_id if alone else f"{patient}"))
    return records
