"""Phantoms: chest X-rays drawn by a program, with true masks, for a class without a Kaggle account.

`plan_phantoms` decides who is drawn and with what, `draw_phantom` draws one film.
"""

from __future__ import annotations

import numpy as np

from .phantoms.phantom_anatomy import draw_body
from .phantoms.phantom_bones import skeleton
from .phantoms.phantom_devices import add_devices
from .phantoms.phantom_film import develop
from .phantoms.phantom_findings import add_findings
from .phantoms.phantom_opacities import add_opacities
from .phantoms.phantom_plan import plan_phantoms
from .phantoms.phantom_tissue import air_of_lungs, airways, flesh, gas_of_belly
from .phantoms.phantom_types import FILM, WORK, Body, Canvas, Phantom, PhantomPlan
from .phantoms.phantom_vessels import vessels

__all__ = ["Body", "Canvas", "Phantom", "PhantomPlan", "draw_phantom", "lay_attenuation", "plan_phantoms"]


def lay_attenuation(body, plan, rng):
    """Sum up what the rays meet in a healthy body.

    Parameters
    ----------
    body : Body
        Its ``outline`` is filled in.
    plan : PhantomPlan
    rng : np.random.Generator

    Returns
    -------
    canvas : Canvas
        Attenuation in cm of soft tissue.
    """
    thick, arm_lines = flesh(body, plan, rng)
    air = 0.86 * np.minimum(air_of_lungs(body), thick * 0.8)
    attenuation = thick - air
    # Where much is scattered, little is told apart; portable films have no grid against it.
    seen = np.clip(1.25 - attenuation / 28, 0.42, 1) * (0.82 if plan.view == "AP" else 1.0)
    attenuation -= airways(body, rng) + gas_of_belly(body, rng)
    attenuation += (skeleton(body, plan, arm_lines, rng) + vessels(body, plan, rng)) * seen
    return Canvas(attenuation=np.maximum(attenuation, 0).astype(np.float32), body=body)


def boxes_of(masks):
    """Return the tight boxes (N, 4), float64, of masks (N, H, W) that have at least one pixel each."""
    boxes = np.zeros((len(masks), 4))
    for box, mask in zip(boxes, masks):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box[:] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return boxes


def draw_phantom(plan):
    """Draw one film: body, findings, opacities, devices, and the film they are seen on.

    Parameters
    ----------
    plan : PhantomPlan
        As `plan_phantoms` makes them.

    Returns
    -------
    phantom : Phantom
        ``image`` (1024, 1024) uint8, ``masks`` (N, 1024, 1024) bool of the opacities, their tight ``boxes`` (N, 4),
        and the parameters of what was drawn. The same plan gives the same phantom.

    Raises
    ------
    ValueError
        If ``plan.view`` is neither "PA" nor "AP", or ``plan.sex`` neither "F" nor "M".

    Notes
    -----
    The organs are sums along rays, in centimetres of soft tissue, so what lies behind another thing shows through it
    as on a film. Sizes and places are drawn by judgement, held beside films of the challenge.

    Examples
    --------
    >>> plan = PhantomPlan("a", "1", "Normal", "PA", "F", 40, seed=1, patient_seed=2)
    >>> phantom = draw_phantom(plan)
    >>> phantom.image.shape, phantom.boxes.shape, phantom.masks.shape
    ((1024, 1024), (0, 4), (0, 1024, 1024))
    """
    for name, allowed in (("view", ("PA", "AP")), ("sex", ("F", "M")), ("exposure", ("normal", "under", "over"))):
        if getattr(plan, name) not in allowed:
            raise ValueError(f"plan.{name} must be one of {', '.join(allowed)}, got {getattr(plan, name)!r}")
    # One generator per part: a change to what one part draws leaves the others as they were.
    rngs = [np.random.default_rng([plan.seed, part]) for part in range(6)]
    body = draw_body(plan, rngs[0])
    canvas = lay_attenuation(body, plan, rngs[1])
    findings = add_findings(canvas, plan, rngs[2])
    small_masks, opacities = add_opacities(canvas, plan, rngs[3])
    devices = add_devices(canvas, plan, rngs[4])
    image = develop(canvas, plan, rngs[5])
    masks = np.repeat(np.repeat(np.asarray(small_masks, bool), FILM // WORK, axis=1), FILM // WORK, axis=2)
    parameters = {"body": body.parameters, "findings": findings, "opacities": opacities, "devices": devices}
    return Phantom(image, boxes_of(masks), masks, plan.class_name, parameters)
