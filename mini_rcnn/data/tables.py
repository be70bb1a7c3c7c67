"""The numbers of the data lab: classes, boxes, places, ages. Images and rows are told apart in every one.

A row of the labels is one box, or an image without a box, so an image with three boxes has three rows.
"""

from __future__ import annotations

import numpy as np

from .contradictions import CLASSES
from .header_tables import age_table, headers_of_films, read_headers, sex_table, view_table
from .rsna import IMAGE_SIZE, counts
from .text_tables import QUANTILE_NAMES, Table, format_table, quantiles, share

__all__ = [
    "Table", "age_table", "box_density", "box_place_table", "box_size_table", "boxes_per_image_table",
    "boxes_per_image_table_of", "class_table", "class_table_of", "format_table", "headers_of_films", "read_headers",
    "sex_table", "share", "view_table",
]  # fmt: skip


def class_table(records):
    """Return how many images and how many rows of the labels each class has.

    Examples
    --------
    >>> class_table([]).rows[-1]
    ('all', 0, '-', 0, '-')
    """
    return class_table_of(counts(records))


def class_table_of(n):
    """Return the table of `class_table` from `Counts`."""
    rows = [
        (name, n.images_by_class[name], share(n.images_by_class[name], n.images))
        + (n.rows_by_class[name], share(n.rows_by_class[name], n.rows))
        for name in CLASSES
    ]
    rows.append(("all", n.images, share(n.images, n.images), n.rows, share(n.rows, n.rows)))
    return Table(("class", "images", "of images", "rows", "of rows"), rows)


def boxes_per_image_table(records):
    """Return how many images have so many boxes, and how many have so many rows in the labels.

    Notes
    -----
    The two columns differ at 0 and 1: an image without a box has one row, as one with a single box has.
    """
    return boxes_per_image_table_of(counts(records))


def boxes_per_image_table_of(n):
    """Return the table of `boxes_per_image_table` from `Counts`."""
    most = max([*n.images_by_rows, 1]) if n.images else -1
    rows = [(str(k), n.images_by_boxes.get(k, 0), n.images_by_rows.get(k, 0)) for k in range(most + 1)]
    rows.append(("all", n.images, n.images))
    return Table(("how many", "images with so many boxes", "images with so many rows"), rows)


def all_boxes(records):
    """Return the boxes of all records, (N, 4), in their order."""
    return np.concatenate([np.zeros((0, 4))] + [record.boxes for record in records])


def box_size_table(records, *, image_size=IMAGE_SIZE):
    """Return quantiles of width, height and area of the boxes, in pixels and as a share of the image.

    Parameters
    ----------
    records : sequence of Record
    image_size : int, default 1024
        Pixels, both sides, of the image that the shares are of.

    Returns
    -------
    Table
        Each box counts once, however many others its image has.
    """
    boxes = all_boxes(records)
    height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    rows = []
    for name, values, whole in (
        ("width", width, image_size),
        ("height", height, image_size),
        ("area", width * height, image_size**2),
    ):
        in_pixels = quantiles(values)
        rows.append((f"{name}, pixels", *in_pixels))
        rows.append((f"{name}, % of the image", *(q if q is None else 100 * q / whole for q in in_pixels)))
    return Table((f"{len(boxes):,} boxes", *QUANTILE_NAMES), rows)


def box_place_table(records, *, image_size=IMAGE_SIZE):
    """Return how many boxes have their centre in which third and which half of the image.

    Returns
    -------
    Table
        Left and right are the picture's: the left half shows the patient's right lung. A centre on a border counts
        for what lies right of it or below it.
    """
    boxes = all_boxes(records)
    y, x = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    third, right = np.clip(y * 3 // image_size, 0, 2), x >= image_size / 2
    rows = []
    for index, name in enumerate(("upper third", "middle third", "lower third")):
        left_boxes, right_boxes = (int(((third == index) & (right == side)).sum()) for side in (False, True))
        rows.append((name, left_boxes, right_boxes, left_boxes + right_boxes))
        rows[-1] += (share(rows[-1][3], len(boxes)),)
    totals = [sum(row[column] for row in rows) for column in (1, 2, 3)]
    rows.append(("all", *totals, share(totals[2], len(boxes))))
    return Table(("boxes by centre", "left half", "right half", "both", "of boxes"), rows)


def box_density(records, *, grid=32, image_size=IMAGE_SIZE):
    """Return where boxes lie: for each cell of a grid, the mean share of it that a box covers.

    Parameters
    ----------
    records : sequence of Record
    grid : int, default 32
        Cells a side.
    image_size : int, default 1024
        Pixels, both sides.

    Returns
    -------
    density : ndarray of shape (grid, grid), float64
        In [0, 1]; 0.25 says that a quarter of the boxes cover this cell, or all of them a quarter of it. Each box
        counts once, not each image. Zeros where there is no box.

    Examples
    --------
    >>> from mini_rcnn.data.rsna import Record
    >>> box_density([Record("a", None, np.array([[0.0, 0, 512, 768]]), "Lung Opacity", "a")], grid=2)
    array([[1. , 0.5],
           [0. , 0. ]])
    """
    boxes = all_boxes(records)
    edges = np.linspace(0, image_size, grid + 1)
    covered = [
        np.clip(np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1]), 0, None)  # (N, grid)
        for low, high in ((boxes[:, 0], boxes[:, 2]), (boxes[:, 1], boxes[:, 3]))
    ]
    return covered[0].T.dot(covered[1]) / (image_size / grid) ** 2 / max(1, len(boxes))  # (grid, grid)
