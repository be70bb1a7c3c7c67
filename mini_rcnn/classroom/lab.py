"""A lab's films and detector: phantoms and the small detector by default, RSNA's films where they are there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mini_rcnn.data.dicom import read_image
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.phantom_files import write_phantoms
from mini_rcnn.data.prepared.shrink import TRUE_MASKS, unpack_masks
from mini_rcnn.data.rsna import CLASSES, load_records
from mini_rcnn.model import detect, prepare
from mini_rcnn.stages.image import boxes_to_input, fit_to_square, masks_to_input
from mini_rcnn.weights import load_weights

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO_WEIGHTS = ROOT / "mini_rcnn" / "demo.weights.npz"
FEW, MANY = 40, 200  # films of a lab; MANY are those that the demo weights were scored on
SEEDS = {FEW: 7, MANY: 1000}
TRAININGS = ("small", "full")


class Film(NamedTuple):
    """One film of a lab, with its truth."""

    id: str
    pixels: np.ndarray  # (H, W) uint8, of the film
    boxes: np.ndarray  # (N, 4) float64, (y1, x1, y2, x2), pixels of the film
    masks: np.ndarray | None  # (N, H, W) bool; None where nobody drew any, as for RSNA
    class_name: str


class NetworkInput(NamedTuple):
    """A film as the network sees it, with the truth in the same pixels."""

    pixels: np.ndarray  # (size, size, 3) float32, see `mini_rcnn.model.network_greys`
    grey: np.ndarray  # (size, size) uint8, to look at
    geometry: object  # mini_rcnn.stages.image.ImageGeometry
    boxes: np.ndarray  # (N, 4) float64, pixels of the input
    masks: np.ndarray | None  # (N, size, size) bool


class Lab:
    """The films and the detector of one lab.

    Attributes
    ----------
    tier : str
        "phantoms" or "RSNA": which films these are.
    training : str
        "small", minutes on two cores, or "full", for a GPU; only the labs that train ask for it.
    folder : Path
        In Kaggle's layout.
    raw : Path
        Where to keep what a network says of these films before any threshold, below a name of the network's own.
    records : list of Record
        One a film: id, path, boxes, class, patient.
    weights, config
        Of the small detector that comes along.
    """

    def __init__(self, number, tier, folder, records, training, *, skip=0):
        self.number, self.tier, self.folder, self.records, self.training = number, tier, folder, records, training
        after = f"-after-{skip}" if skip and tier == "RSNA" else ""
        self.raw = ROOT / "data" / f"raw-{tier}-{len(records)}{after}"
        self.weights, self.config, self.facts = load_weights(DEMO_WEIGHTS)
        self._looks, self._inputs = {}, {}

    def __len__(self):
        return len(self.records)

    def film(self, number):
        """Return the `Film` of a number, 0 to ``len(lab) - 1``."""
        record = self.records[number]
        pixels = read_image(record.path).image
        path, masks = self.folder / TRUE_MASKS / f"{record.id}.png", None
        if self.tier == "phantoms":
            bits = np.asarray(Image.open(str(path))) if path.exists() else np.zeros(pixels.shape, np.uint8)
            masks = unpack_masks(bits, len(record.boxes))
        return Film(record.id, pixels, record.boxes, masks, record.class_name)

    def input(self, number):
        """Return the `NetworkInput` of a film; made once."""
        if number not in self._inputs:
            self._inputs[number] = self._make_input(number)
        return self._inputs[number]

    def _make_input(self, number):
        film = self.film(number)
        pixels, geometry = prepare(film.pixels, self.config)
        grey = np.rint(fit_to_square(film.pixels, size=self.config.image.size)[0]).astype(np.uint8)
        boxes = boxes_to_input(film.boxes, geometry)
        masks = None if film.masks is None else masks_to_input(film.masks, geometry)
        return NetworkInput(pixels, grey, geometry, boxes, masks)

    def look(self, number):
        """Return what the small detector finds on a film, and the trace of how; worked out once, in NumPy."""
        if number not in self._looks:
            self._looks[number] = detect(self.film(number).pixels, self.weights, self.config)
        return self._looks[number]

    def with_boxes(self):
        """Return the numbers of the films that have boxes."""
        return [number for number, record in enumerate(self.records) if len(record.boxes)]


def start_lab(number, *, films=FEW, skip=0, training=None):
    """Return the films and the detector of a lab, and print which they are.

    Parameters
    ----------
    number : str
        Of the lab, "03".
    films : int
        How many.
    skip : int
        Of RSNA's films leave out those that a lab with so many films would take: for a second set that shares none with
        the first. Phantoms of another number are others anyway.
    training : {"small", "full"}, optional
        "full" trains as for real, where the lab trains: for a GPU. By default what ``MINI_RCNN_TRAINING`` says,
        else "small".

    Returns
    -------
    lab : Lab

    Raises
    ------
    DataError
        If ``MINI_RCNN_RSNA`` names a folder that cannot be used.

    Notes
    -----
    RSNA's films are taken from ``MINI_RCNN_RSNA``, or ``data/rsna``, where that is there; ``MINI_RCNN_RSNA=`` (empty)
    asks for phantoms all the same. Phantoms are drawn once, into ``data/``.
    """
    training = training or os.environ.get("MINI_RCNN_TRAINING") or "small"
    if training not in TRAININGS:
        raise ValueError(f"training must be one of {', '.join(TRAININGS)}, got {training!r}")
    folder = rsna_folder()
    if folder is None:
        tier, folder = "phantoms", ROOT / "data" / f"phantoms-lab-{films}"
        # Those that an earlier version drew are drawn anew: the folder is the labs' own.
        write_phantoms(folder, films, seed=SEEDS.get(films, 7), quiet=True, replace=True)
        records = load_records(folder)
    else:
        records = [record for record in load_records(folder) if record.path]
        tier, records = "RSNA", of_every_class(records, films, skip=skip)
    lab = Lab(number, tier, folder, records, training, skip=skip)
    print(f"Lab {number}. {about(lab)}")
    return lab


def rsna_folder():
    """Return the folder of RSNA's films, None where phantoms are to be taken."""
    named = os.environ.get("MINI_RCNN_RSNA")
    if named == "":
        return None
    folder = Path(named) if named else ROOT / "data" / "rsna"
    if named and not folder.is_dir():
        raise DataError(f"MINI_RCNN_RSNA names {named}, which is no folder; unset it, or name RSNA's")
    return folder if folder.is_dir() else None


def of_every_class(records, limit, *, skip=0):
    """Return at most so many records, one class after the other in turn, in the order of the folder."""
    queues = [[record for record in records if record.class_name == name] for name in CLASSES]
    picked = []
    while len(picked) < skip + limit and any(queues):
        picked += [queue.pop(0) for queue in queues if queue]
    chosen = {record.id for record in picked[skip : skip + limit]}
    return [record for record in records if record.id in chosen]


def about(lab):
    """Return which films and which training a lab uses, in a line."""
    boxes = sum(len(record.boxes) for record in lab.records)
    ill = len(lab.with_boxes())
    kind = "phantoms, drawn by this lab" if lab.tier == "phantoms" else "of RSNA's films"
    line = f"Films: {len(lab)} {kind}; {ill} of them with opacities, {boxes} boxes."
    return line + (" Training: full, for a GPU." if lab.training == "full" else "")
