"""The network looks at each film once, with its thresholds open, and what it says is kept.

The only file of this package that runs a network.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np

from mini_rcnn.config import changed, to_dict
from mini_rcnn.data.cache import open_prepared
from mini_rcnn.data.dicom import read_image
from mini_rcnn.data.files import only_one
from mini_rcnn.model import anchors_of, found_on_film, network_greys, prepare, run_stages
from mini_rcnn.stages._check import unit_number, whole_number
from mini_rcnn.stages.detections import Detections
from mini_rcnn.weights import checksum

from .chunks import CHUNK, INDEX, RawError, chunk_path, read_chunk, read_masks, read_part, write_chunk, write_part

FLOOR = 0.05


def collect(films, ids, weights, config, path, *, floor=FLOOR, progress=None, numpy=False, chunk=CHUNK):
    """Run a network on films and write what it says before any threshold; go on where an earlier run ended.

    Parameters
    ----------
    films : Prepared, path of a folder, or mapping of str to path or ndarray
        A folder in Kaggle's layout that was prepared for the network's size. A mapping holds, by id, the path of a
        film or its pixels, (H, W) or (H, W, 3) uint8.
    ids : sequence of str
        Which of them, and in which order.
    weights : mapping of str to ndarray
    config : Config
        Its thresholds are what later is asked for by default; they change nothing of what is written.
    path : path
        A folder, made if it is missing.
    floor : float
        In [0, 1]. Candidates with a lower score are not kept, nor asked for later.
    progress : callable, optional
        Of (films done, films in all), at the start and after every chunk.
    numpy : bool, default False
        With NumPy alone, without TensorFlow: many times slower.
    chunk : int
        Films in a file.

    Returns
    -------
    path : Path
        For `mini_rcnn.exploring.raw.open_raw`.

    Raises
    ------
    RawError
        If the folder holds outputs of another network or floor.
    ValueError
        If an id comes twice, or the numbers are out of range.
    DataError
        If a film cannot be read; what was written until then stays, and is taken up again.

    Notes
    -----
    The network runs with suppression switched off (a threshold of 1) and no limit but ``pre_nms_limit``. Both heads
    look at each box alone, so what they say of one does not depend on which others are there, and the filters can be
    applied afterwards: `mini_rcnn.exploring.apply`. In memory a film takes what its ``pre_nms_limit`` pooled boxes
    take: 300 MB for 6,000 of 7 x 7 x 256. One process at a time writes a folder; another that asks for the same waits
    and finds it there.
    """
    unit_number("floor", floor)
    whole_number("chunk", chunk, 1)
    folder, ids = Path(path), [str(each) for each in ids]
    if len(set(ids)) < len(ids):
        raise ValueError("ids must name every film once")
    of = network_facts(weights, config, floor)
    check_folder(folder, of)
    look, sums = later(lambda: make_look(weights, config, floor, numpy=numpy)), []
    input_of = reader_of(films, config)
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder, work=f"collecting what a network says in {folder}", quiet=progress is None):
        for number, start in enumerate(range(0, len(ids), chunk)):
            if progress is not None:
                progress(start, len(ids))
            sums.append(collect_chunk(folder, number, of, ids[start : start + chunk], input_of, look))
        write_part(folder / INDEX, {}, of=of, ids=ids, chunk=chunk, chunks=sums, settings=to_dict(config))
    if progress is not None:
        progress(len(ids), len(ids))
    return folder


def collect_chunk(folder, number, of, ids, input_of, look):
    """Write one chunk, unless it is there and whole and its films are as they were; return its checksum."""
    inputs = [input_of(image_id) for image_id in ids]
    sums = [zlib.crc32(pixels) for pixels, _ in inputs]
    try:
        arrays, head = read_chunk(folder, number)
        if (head["of"], head["ids"], arrays["inputs"].tolist()) == (of, ids, sums):
            for place, (n_masks, crc32) in enumerate(zip(arrays["n_candidates"], arrays["mask_sums"])):
                read_masks(folder, number, place, n_masks, crc32)
            return head["sha256"]
    except RawError:
        pass  # not there, or not whole
    if (folder / INDEX).exists():
        (folder / INDEX).unlink()  # what it says of the chunks will no longer hold
    films = [{**look()(pixels, geometry), "input": crc32} for (pixels, geometry), crc32 in zip(inputs, sums)]
    return write_chunk(folder, number, of, ids, films)


def network_facts(weights, config, floor):
    """Return what must be the same for raw outputs to be the same, as plain values.

    The thresholds are none of it, nor is what acts in training alone.
    """
    told = to_dict(config)
    del told["targets"]
    for section, names in CHANGEABLE.items():
        for name in names:
            del told[section][name]
    del told["proposals"]["max_training_proposals"]
    weights = {name: np.asarray(array) for name, array in weights.items()}
    facts = {"network": told, "weights": checksum(weights), "size": config.image.size, "floor": float(floor)}
    return json.loads(json.dumps(facts))


CHANGEABLE = {
    "proposals": ("iou_threshold", "max_proposals"),
    "detections": ("min_confidence", "iou_threshold", "max_detections", "mask_threshold"),
}


def check_folder(folder, of):
    """Refuse a place that holds raw outputs of another network, or no folder."""
    if folder.exists() and not folder.is_dir():
        raise RawError(f"{folder}: is a file; raw outputs are a folder. Give another path.")
    for path in (folder / INDEX, chunk_path(folder, "boxes", 0)):
        if path.exists():
            try:
                found = read_part(path)[1]["of"]
            except (RawError, KeyError):
                continue  # damaged: it is written again
            if found != of:
                raise RawError(f"{path}: is of another network, size or floor. Give another path, or remove {folder}.")


def later(make):
    """Return a function that returns what ``make`` makes, made when it is asked for first: a network takes seconds."""
    made = []

    def get():
        if not made:
            made.append(make())
        return made[0]

    return get


def reader_of(films, config):
    """Return a function from an id to the network's input and its `ImageGeometry`."""
    if isinstance(films, (str, Path)):
        films = open_prepared(films, size=config.image.size)
    if not hasattr(films, "geometry"):
        return lambda image_id: prepare(pixels_of(films[image_id]), config)
    if films.size != config.image.size:
        raise ValueError(f"films must be prepared for {config.image.size} pixels, the network's, got {films.size}")
    if config.convention != "continuous":
        raise ValueError(
            "films must be given by their paths where the network's convention is matterport: "
            "prepared films are rounded, and Matterport cuts fractions off"
        )

    def read(image_id):
        pixels = network_greys(films.image(image_id), config.image)
        return pixels, films.geometry(image_id)

    return read


def pixels_of(film):
    """Return a film's pixels; it may be the path of one."""
    return film if isinstance(film, np.ndarray) else read_image(film).image


def make_look(weights, config, floor, *, numpy=False):
    """Return a function from a network's input and geometry to a film's raw outputs, see `write_chunk`."""
    limit = config.proposals.pre_nms_limit
    config = changed(
        config,
        proposals__iou_threshold=1.0,
        proposals__max_proposals=limit,
        detections__min_confidence=floor,
        detections__iou_threshold=1.0,
        detections__max_detections=limit,
    )
    run = numpy_runner(weights, config) if numpy else tensorflow_runner(weights, config)

    def look(pixels, geometry):
        trace = run(pixels, np.asarray(geometry.window, np.float32))
        return raw_film(trace, geometry, config)

    return look


def numpy_runner(weights, config):
    """Return a function from pixels and window to a trace, in NumPy."""
    anchors = anchors_of(config)
    return lambda pixels, window: run_stages(pixels, window, anchors, weights, config)


def tensorflow_runner(weights, config):
    """Return a function from pixels and window to what is needed of a trace, in TensorFlow."""
    from mini_rcnn.stages_tf.model import Detector, as_arrays, as_tensors

    detector = Detector(config, weights)

    def run(pixels, window):
        trace = detector.run(*as_tensors(pixels, window))
        return as_arrays({name: trace[name] for name in ("proposals", "refined", "masks")})

    return run


def raw_film(trace, geometry, config):
    """Return a film's raw outputs, of a trace that was made with open thresholds."""
    refined = Detections(*map(np.asarray, trace["refined"]))
    every = np.arange(len(refined.scores))
    # `found_on_film` says which boxes have an area on the film; each bears its own number in place of a score.
    marks = Detections(refined.boxes, np.zeros_like(every), every, every)
    found = found_on_film(marks, np.zeros((len(every), 1, 1, 1), np.float32), geometry, config)
    film_boxes, on_film = np.zeros((len(every), 4)), np.zeros(len(every), dtype=bool)
    film_boxes[found.scores], on_film[found.scores] = found.boxes, True
    return {
        "film_size": geometry.original_size,
        "proposals": np.asarray(trace["proposals"].boxes),
        "rows": refined.proposal_ids,
        "class_ids": refined.class_ids,
        "scores": refined.scores,
        "boxes": refined.boxes,
        "film_boxes": film_boxes,
        "on_film": on_film,
        "masks": np.asarray(trace["masks"])[every, ..., refined.class_ids],
    }
