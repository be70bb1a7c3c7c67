"""Raw outputs for tests: written by hand, or at random, without a network."""

from __future__ import annotations

import numpy as np
from conftest import random_boxes

from mini_rcnn.config import to_dict
from mini_rcnn.exploring.chunks import INDEX, write_chunk, write_part
from mini_rcnn.exploring.collect import network_facts
from mini_rcnn.exploring.raw import open_raw


def raw_film(proposals, rows, scores, *, class_ids=None, boxes=None, film_boxes=None, on_film=None, size=(64, 64)):
    """Return a film's raw outputs; boxes are the proposals, and those of the film, unless they are given."""
    proposals, rows = np.asarray(proposals, np.float32).reshape(-1, 4), np.asarray(rows, np.int64)
    boxes = proposals[rows] if boxes is None else np.asarray(boxes, np.float32)
    order = np.lexsort((rows, -np.asarray(scores, np.float32)))
    film = {
        "rows": rows,
        "scores": np.asarray(scores, np.float32),
        "class_ids": np.ones(len(rows), np.int64) if class_ids is None else np.asarray(class_ids),
        "boxes": boxes,
        "film_boxes": boxes.astype(np.float64) if film_boxes is None else np.asarray(film_boxes),
        "on_film": np.ones(len(rows), bool) if on_film is None else np.asarray(on_film),
    }
    masks = np.ones((len(rows), 28, 28), np.float16) * np.linspace(0, 1, len(rows), dtype=np.float16)[:, None, None]
    film = {name: array[order] for name, array in film.items()}
    return {**film, "proposals": proposals, "film_size": size, "input": 0, "masks": masks}


def write_raw(folder, films, config, *, chunk=4, floor=0.05, ids=None):
    """Write raw outputs of films and return them opened; the network has no weights."""
    ids = [f"film-{number}" for number in range(len(films))] if ids is None else ids
    of, sums = network_facts({}, config, floor), []
    for number, start in enumerate(range(0, len(films), chunk)):
        part = slice(start, start + chunk)
        sums.append(write_chunk(folder, number, of, ids[part], films[part]))
    write_part(folder / INDEX, {}, of=of, ids=ids, chunk=chunk, chunks=sums, settings=to_dict(config))
    return open_raw(folder)


def random_film(rng, n_boxes, n_candidates, *, n_classes=2, extent=64):
    """Return a film with boxes at random, on whole pixels so that overlaps are often equal, and scores that repeat."""
    proposals = np.clip(np.rint(random_boxes(rng, n_boxes, extent=extent)), 0, extent)
    rows = np.sort(rng.choice(n_boxes, n_candidates, replace=False))
    boxes = np.clip(proposals[rows] + rng.integers(-3, 4, (n_candidates, 4)), 0, extent)
    boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    scores = rng.integers(5, 101, n_candidates) / 100
    on_film = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    class_ids = rng.integers(1, n_classes, n_candidates)
    return raw_film(proposals, rows, scores, class_ids=class_ids, boxes=boxes, on_film=on_film, size=(extent, extent))
