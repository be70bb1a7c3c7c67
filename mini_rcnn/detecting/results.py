"""What was found, as files: Kaggle's submission, and JSON with boxes, scores and masks.

The same findings give the same bytes. Pixels are rounded to hundredths, scores to millionths.
"""

from __future__ import annotations

import csv
import json

import numpy as np

from mini_rcnn.data.files import written_beside
from mini_rcnn.stages.masks import paste_mask

COLUMNS = ("patientId", "PredictionString")  # the challenge's; its patientId is an image's id
PIXEL_DIGITS, SCORE_DIGITS = 2, 6


def run_lengths(mask):
    """Return a mask as COCO's uncompressed run lengths.

    Parameters
    ----------
    mask : ndarray of shape (H, W), bool

    Returns
    -------
    rle : dict
        ``"size"``: ``[H, W]``. ``"counts"``: how many pixels off, then on, then off and so on, down the first column,
        then the second; the first count is 0 where the first pixel is on. ``pycocotools`` reads it with
        ``mask.frPyObjects(rle, H, W)``.

    Examples
    --------
    >>> run_lengths(np.array([[False, True], [True, True]]))
    {'size': [2, 2], 'counts': [1, 3]}
    """
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[:1].any() else counts}


def mask_of_runs(rle):
    """Return the mask (H, W) bool of run lengths, the way back of `run_lengths`.

    >>> mask_of_runs({"size": [2, 2], "counts": [1, 3]}).tolist()
    [[False, True], [True, True]]
    """
    flat = np.repeat(np.arange(len(rle["counts"])) % 2 == 1, rle["counts"])
    return flat.reshape(rle["size"], order="F")


def finding(found, index, size, config):
    """Return one of the things that were found on a film, as plain values."""
    y1, x1, y2, x2 = corners = [round(float(value), PIXEL_DIGITS) for value in found.boxes[index]]
    class_id = int(found.class_ids[index])
    mask = paste_mask(
        found.mask_probabilities[index], found.boxes[index], size, threshold=config.detections.mask_threshold
    )
    sides = [round(max(side, 10**-PIXEL_DIGITS), PIXEL_DIGITS) for side in (x2 - x1, y2 - y1)]
    return {
        "box": corners,
        "x": x1,
        "y": y1,
        "width": sides[0],
        "height": sides[1],
        "score": round(float(found.scores[index]), SCORE_DIGITS),
        "class_id": class_id,
        "class": config.classes[class_id - 1],
        "mask": run_lengths(mask),
    }


def film_result(name, path, size, found, config, *, picture=None):
    """Return what was found on a film, as plain values.

    Parameters
    ----------
    name : str
        The film's id.
    path : path
        As it was given.
    size : (height, width)
        Of the film.
    found : Found
    config : Config
    picture : str, optional
        Where its picture lies, beside the results.

    Returns
    -------
    result : dict
        ``"found"`` holds, best first: ``"box"``, corners ``[y1, x1, y2, x2]`` in pixels of the film, continuous; the
        same as ``"x"``, ``"y"``, ``"width"``, ``"height"``; ``"score"``, ``"class"``, ``"class_id"``, and ``"mask"``,
        see `run_lengths`.
    """
    findings = [finding(found, index, size, config) for index in range(len(found.boxes))]
    height, width = size
    return {
        "id": name,
        "path": str(path),
        "height": int(height),
        "width": int(width),
        "picture": picture,
        "found": findings,
    }


def prediction_string(result):
    """Return what was found on a film as the challenge wants it: score, x, y, width and height of each box.

    >>> one = {"score": 0.5, "x": 10.0, "y": 20.25, "width": 30.0, "height": 40.0}
    >>> prediction_string({"found": [one, one]})
    '0.5 10.0 20.25 30.0 40.0 0.5 10.0 20.25 30.0 40.0'
    """
    names = ("score", "x", "y", "width", "height")
    return " ".join(repr(each[name]) for each in result["found"] for name in names)


def write_submission(path, results):
    """Write Kaggle's submission: a line a film, ``patientId,PredictionString``; nothing behind the comma if healthy."""
    with written_beside(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((result["id"], prediction_string(result)) for result in results)


def write_detections(path, facts, results, unread):
    """Write everything as JSON, a film a line: what was found, with which network, and which files were not read."""
    lines = ",\n".join(json.dumps(result, sort_keys=True, ensure_ascii=False) for result in results)
    told = {"facts": facts, "not_read": unread}
    head = ",\n".join(
        f'"{key}": {json.dumps(value, sort_keys=True, ensure_ascii=False)}' for key, value in told.items()
    )
    with written_beside(path, "w") as file:
        file.write(f'{{\n{head},\n"films": [\n{lines}\n]\n}}\n')
