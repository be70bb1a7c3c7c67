"""What the parts of a phantom hand each other: the plan, the body, the canvas and the finished film."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

import numpy as np

WORK = 512  # pixels a side at which anatomy and findings are drawn
FILM = 1024  # pixels a side of the finished film, RSNA's own


@dataclass(frozen=True)
class PhantomPlan:
    """Who is drawn and with what: everything but the pixels."""

    image_id: str  # a uuid made from the seed; RSNA's "patientId" is such an image id
    patient: str  # the person behind the film
    class_name: str  # "Normal", "No Lung Opacity / Not Normal" or "Lung Opacity"
    view: str  # "PA" (standing, beam from behind) or "AP" (mostly lying, a portable device)
    sex: str  # "F" or "M"
    age: int  # years
    seed: int  # of this film's drawing
    patient_seed: int  # of the body: the same patient has the same bones
    n_opacities: int = 0  # 0 unless class_name is "Lung Opacity"
    findings: tuple[str, ...] = ()  # bright things that are no pneumonia: "nodule", "cardiomegaly", ...
    devices: tuple[str, ...] = ()  # "ecg_leads", "line", "tube", "pacemaker", "marker"
    exposure: str = "normal"  # "normal", "under" or "over"
    rotation: float = 0.0  # degrees about the body's long axis; positive: the patient's right side comes forward
    inspiration: float = 0.8  # 0: breathed out, the domes stand high; 1: a full breath


@dataclass
class Body:
    """Where the organs of one film lie, in work pixels."""

    lungs: np.ndarray  # (2, WORK, WORK) float32 in [0, 1], soft masks; the lung at the picture's left comes first
    heart: np.ndarray  # (WORK, WORK) float32 in [0, 1], soft mask
    outline: np.ndarray  # (WORK, WORK) float32 in [0, 1], soft mask of the body
    diaphragm: np.ndarray  # (2, WORK) float32, row of each dome's top at every column
    spine_x: float  # column of the vertebral column at mid height
    landmarks: dict[str, tuple[float, float]] = field(default_factory=dict)  # name -> (y, x); sides are the picture's
    parameters: dict = field(default_factory=dict)  # plain numbers, fit for JSON
    cage: Any = None  # the rib cage that the bones are laid along (phantom_anatomy.Cage)
    borders: Any = None  # (2, WORK) columns of the mediastinum's borders at each row
    heart_rows: tuple[float, float] = (0.0, 0.0)  # from where the heart bulges out, to its lower end


@dataclass
class Canvas:
    """A film in the making: the sum of what the rays have met."""

    attenuation: np.ndarray  # (WORK, WORK) float32, line integral: more is brighter on the film
    body: Body
    sharp: list[Callable] = field(default_factory=list)  # functions (FILM, FILM) float32 -> the same, drawn last


@dataclass(frozen=True)
class Phantom:
    """A finished film with its truth."""

    image: np.ndarray  # (FILM, FILM) uint8
    boxes: np.ndarray  # (N, 4) float64, (y1, x1, y2, x2) original pixels, tight around the masks
    masks: np.ndarray  # (N, FILM, FILM) bool
    class_name: str
    parameters: dict  # what was really drawn, fit for JSON
