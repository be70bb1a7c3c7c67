"""What a phantom really has on it, pixel by pixel: it is drawn again from its plan, one thing after the other.

``phantoms.json`` keeps a box for each thing, which says too little: one box holds all nodules of a film, and a net of
fine lines has both lungs. So each thing's own shadow is taken here, as the difference that drawing it makes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.data.errors import DataError
from mini_rcnn.data.phantom import lay_attenuation
from mini_rcnn.data.phantoms.phantom_anatomy import draw_body
from mini_rcnn.data.phantoms.phantom_devices import DEVICES
from mini_rcnn.data.phantoms.phantom_findings import FINDINGS
from mini_rcnn.data.phantoms.phantom_folder import MANIFEST, drawing_version, read_manifest
from mini_rcnn.data.phantoms.phantom_opacities import add_opacities
from mini_rcnn.data.phantoms.phantom_paint import tissue_contrast, tissue_levels
from mini_rcnn.data.phantoms.phantom_types import FILM, WORK, PhantomPlan

SCALE = FILM // WORK  # film pixels for one of the pictures here


class Shadow(NamedTuple):
    """One thing that was drawn."""

    kind: str  # a key of FINDINGS or of DEVICES, or "opacity"
    is_device: bool
    added: np.ndarray  # (WORK, WORK) float32: how much brighter it makes the film; 1 is from lung to heart
    facts: dict  # the draw's parameters, as in the manifest, without box and kind


class Scene(NamedTuple):
    """What is on one phantom."""

    shadows: list  # of Shadow, in the order of drawing; all opacities are one
    lungs: np.ndarray  # (WORK, WORK) bool
    heart: np.ndarray  # (WORK, WORK) bool, with the vessels above it
    below: np.ndarray  # (WORK, WORK) bool, under the diaphragm
    hila: np.ndarray  # (2, 2), (y, x) of each hilum, film pixels
    middle: float  # column of the spine, film pixels
    findings: tuple  # names, those too that draw nothing: cardiomegaly is the body's own
    opacities: list  # the parameters of each true opacity, in the order of the true boxes


def plans_of(folder, *, tell=print):
    """Return the plans of a folder's phantoms, by id; none where it holds no phantoms or others than are drawn now.

    Parameters
    ----------
    folder : path
    tell : callable
        Of a text: why there are none.

    Returns
    -------
    plans : dict of str to PhantomPlan

    Raises
    ------
    DataError
        If there is a manifest that cannot be read.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        tell(f"{folder}: has no {MANIFEST}, so what really lies under an alarm is not known; its film's class is.")
        return {}
    if manifest["version"] != drawing_version():
        tell(f"{folder}: was drawn by another version of the drawing, so what lies under an alarm is not known here.")
        return {}
    return {film["id"]: plan_from(film["plan"]) for film in manifest["films"]}


def plan_from(facts):
    """Return the `PhantomPlan` that a manifest holds as plain values."""
    return PhantomPlan(**{name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()})


def scene_of(plan, *, boxes=None):
    """Return what is on a phantom.

    Parameters
    ----------
    plan : PhantomPlan
    boxes : ndarray of shape (N, 4), optional
        The true boxes as the film's table has them. They must come out again.

    Returns
    -------
    scene : Scene

    Raises
    ------
    DataError
        If drawing gives other boxes than those.

    Notes
    -----
    The steps and the generators of `mini_rcnn.data.phantom.draw_phantom`, without the film: the grain, the tone curve
    and the scatter come after all that is asked for here.
    """
    rngs = [np.random.default_rng([plan.seed, part]) for part in range(5)]
    body = draw_body(plan, rngs[0])
    canvas = lay_attenuation(body, plan, rngs[1])
    unit, shadows = np.float32(tissue_contrast(canvas)), []
    levels = tissue_levels(canvas) if plan.findings else None
    for name in plan.findings:
        before = canvas.attenuation.copy()
        facts = FINDINGS[name](canvas, plan, rngs[2], levels)
        shadows.append(Shadow(name, False, (canvas.attenuation - before) / unit, parameters(facts)))
    before = canvas.attenuation.copy()
    _, opacities = add_opacities(canvas, plan, rngs[3])
    shadows += [Shadow("opacity", False, (canvas.attenuation - before) / unit, {})] * bool(opacities)
    if boxes is not None and not np.array_equal(np.reshape(boxes, (-1, 4)), boxes_of(opacities)):
        raise DataError(
            f"phantom {plan.image_id}: its boxes are not those that its plan draws; "
            "draw the folder again with --replace."
        )
    shadows += device_shadows(canvas, plan, rngs[4], unit)
    rows = np.arange(WORK)[:, None]
    dome = np.where(np.arange(WORK) < body.spine_x, body.diaphragm[0], body.diaphragm[1])  # (WORK,)
    hila = np.array([body.landmarks[name] for name in ("hilum_left", "hilum_right")]) * SCALE
    return Scene(
        shadows=shadows,
        lungs=body.lungs.max(axis=0) > 0.5,
        heart=body.heart > 0.5,
        below=rows > dome[None],
        hila=hila,
        middle=float(body.spine_x * SCALE),
        findings=tuple(plan.findings),
        opacities=[{"kind": one["kind"], **parameters(one)} for one in opacities],
    )


def parameters(facts):
    """Return the record of a thing without its kind and box: the numbers that it was drawn with.

    >>> parameters({"kind": "mass", "box": [0.0, 0.0, 9.0, 9.0], "strength": 0.7})
    {'strength': 0.7}
    """
    return {name: value for name, value in facts.items() if name not in ("kind", "box")}


def boxes_of(opacities):
    """Return the boxes (N, 4) in the records of opacities."""
    return np.array([one["box"] for one in opacities], dtype=np.float64).reshape(-1, 4)


def device_shadows(canvas, plan, rng, unit):
    """Return the shadow of each device: what its ink changes on the film, averaged to the pictures' size."""
    shadows, contrast = [], tissue_contrast(canvas) if plan.devices else 0.0
    large = np.repeat(np.repeat(canvas.attenuation, SCALE, axis=0), SCALE, axis=1)  # (FILM, FILM)
    for name in plan.devices:
        first = len(canvas.sharp)
        facts = DEVICES[name](canvas, plan, rng, contrast)
        before = large.copy()
        for draw in canvas.sharp[first:]:
            large = draw(large)
        added = (large - before).reshape(WORK, SCALE, WORK, SCALE).mean(axis=(1, 3)) / unit
        shadows.append(Shadow(name, True, added, parameters(facts)))
    return shadows


def part_of(box):
    """Return the slices of a work picture under a box in film pixels: at least one pixel, cut to the film.

    >>> part_of([0.0, 100, 3, 2000])
    (slice(0, 2, None), slice(50, 512, None))
    """
    y1, x1 = (int(np.clip(np.floor(v / SCALE), 0, WORK - 1)) for v in box[:2])
    y2, x2 = (int(np.clip(np.ceil(v / SCALE), start + 1, WORK)) for v, start in zip(box[2:], (y1, x1)))
    return slice(y1, y2), slice(x1, x2)
