"""Which films a command means, and the network that is to look at them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from mini_rcnn.config import Config, changed, from_dict
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.files import sha256_of
from mini_rcnn.data.rsna import LABELS, load_records
from mini_rcnn.weights import WeightsError, load_weights, read_matterport

DEMO_WEIGHTS = Path(__file__).resolve().parent.parent / "demo.weights.npz"
KERAS_ENDINGS = (".h5", ".hdf5")


class Network(NamedTuple):
    """A network that is ready to be built."""

    weights: dict  # arrays by name
    config: Config
    file: str  # the name of the file they come from
    sha256: str  # of that file
    note: str  # what a person should know about how it was read; often nothing


def films_of(paths):
    """Return the films that paths mean, and what is wrong with the paths.

    Parameters
    ----------
    paths : sequence of str
        A file is a film, whatever its name; a folder stands for every ``*.dcm`` in it and below it.

    Returns
    -------
    films : dict of str to Path
        By id, which is a file's name without its ending; in the order of the paths, a folder's sorted by name. A file
        that is named twice is one film.
    faults : list of str
        Folders without a film.

    Raises
    ------
    DataError
        If two different files have the same id: their results could not be told apart.
    """
    films, seen, faults = {}, {}, []
    for given in map(Path, paths):
        found = sorted(path for path in given.rglob("*") if is_film(path)) if given.is_dir() else [given]
        if not found:
            faults.append(f"{given}: holds no film; films are files that end in .dcm")
        for path in found:
            same = seen.setdefault(path.stem.casefold(), path)  # "A.png" and "a.png" are one file to some machines
            if same is path:
                films[path.stem] = path
            elif same.resolve() != path.resolve():
                raise DataError(f"{same} and {path}: two films of one name, which is their id; run them apart.")
    return films, faults


def is_film(path):
    """Return whether a file in a folder is taken for a film."""
    return path.suffix.lower() == ".dcm" and path.is_file()


def truth_of(paths, named=None):
    """Return the known boxes of films, by id, from the tables in folders.

    Parameters
    ----------
    paths : sequence of path
        Those without tables of the challenge are passed over.
    named : path, optional
        A folder whose tables have to be there.

    Returns
    -------
    truth : dict of str to ndarray (N, 4), float64
        ``(y1, x1, y2, x2)`` in pixels of the film. Images whose rows contradict each other are left out.
    faults : list of str
        What contradicts what.

    Raises
    ------
    DataError
        If a table cannot be read.
    """
    truth, faults = {}, []
    folders = [path for path in map(Path, paths) if (path / LABELS).is_file()]
    for folder in folders + ([Path(named)] if named else []):
        try:
            records = load_records(folder)
        except DataError as error:
            records = load_records(folder, strict=False)
            faults.append(f"{error}\nUntil then the truth of these images is left out.")
        truth.update({record.id: record.boxes for record in records})
    return truth, faults


def read_network(path=None, *, config_path=None, min_confidence=None, iou_threshold=None):
    """Return a network from a file, with its thresholds set.

    Parameters
    ----------
    path : path, optional
        Our ``.npz``, or a Matterport ``.h5``; the demo's weights by default.
    config_path : path, optional
        The configuration of a ``.h5`` as JSON, which has none in it; the slides' network by default.
    min_confidence, iou_threshold : float, optional
        In [0, 1]; the configuration's by default.

    Returns
    -------
    network : Network

    Raises
    ------
    WeightsError
        If a file is missing, damaged or does not fit, or there is a configuration too many.
    """
    if path is None and not DEMO_WEIGHTS.exists():
        raise WeightsError("there are no demo weights here; name a file with --weights.")
    path, note = Path(DEMO_WEIGHTS if path is None else path), ""
    if path.suffix.lower() in KERAS_ENDINGS:
        config = matterport_config(config_path)
        weights = read_matterport(path, config)
        if config_path is None:
            note = "an .h5 does not say what network it is of: taken for the slides', ResNet-101, one class, 256 pixels"
    elif config_path is not None:
        raise WeightsError(f"{path}: carries its own configuration; --config is for a Matterport .h5.")
    else:
        weights, config, _ = load_weights(path)
    settings = {"detections__min_confidence": min_confidence, "detections__iou_threshold": iou_threshold}
    config = changed(config, **{name: value for name, value in settings.items() if value is not None})
    return Network(weights, config, path.name, sha256_of(path), note)


def matterport_config(path):
    """Return the configuration in a JSON file, or the slides' network in Matterport's own convention."""
    if path is None:
        return Config(convention="matterport")
    try:
        return from_dict(Config, json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise WeightsError(f"{path}: is no configuration: {error}.") from None
