"""Why there is an alarm: what lies under its box, by a rule with three questions, asked in this order.

1. Is it about a true opacity? It is if they overlap by an IoU of at least 0.1, or if half of the smaller box lies in
   the other. Then it is a *double* where another mark finds that opacity, and a *near miss* where none does.
2. On a phantom: was something drawn there? Of all things, the one that adds most brightness to the box, if that is at
   least 0.02 on average over the box, where 1 is the step from lung to heart. (True opacities add 0.2 to their own
   boxes, the median of 200 phantoms, and none less than 0.06.)
3. On a phantom: what healthy part is it? A hilum, if one lies in the middle half of the box, both ways; else heart,
   belly or chest wall, whichever has most of the box and at least a quarter; else clear lung, where nothing was drawn.

On a real film only the first question has an answer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .drawn import part_of

LEAST_IOU = 0.1  # with a true opacity, to be about it
LEAST_WITHIN = 0.5  # or this share of the smaller box
LEAST_ADDED = 0.02  # brightness that a thing adds to a box on average, to be seen in it: a tenth of what opacities add
LEAST_PLACE = 0.25  # share of a box that a healthy part has, to be named

WORDS = {
    "near miss": "near miss: an opacity is there",
    "double": "second mark on a found opacity",
    "opacity": "faint rim of an opacity",
    "nodule": "a nodule",
    "mass": "a mass",
    "effusion": "an effusion",
    "cardiomegaly": "a large heart",
    "scar": "scars of an apex",
    "atelectasis": "bands of atelectasis",
    "hilar": "large hilar nodes",
    "emphysema": "emphysema",
    "interstitial": "an interstitial net",
    "calcified_granuloma": "a calcified granuloma",
    "pneumothorax": "a pneumothorax",
    "device": "a device",
    "hilum": "vessels at the hilum",
    "heart": "the heart",
    "belly": "below the diaphragm",
    "chest wall": "outside of the lungs",
    "clear lung": "clear lung: nothing drawn",
    "not known": "no opacity; else not known",
}


class Cause(NamedTuple):
    """Why there is an alarm."""

    name: str  # a key of WORDS
    words: str  # what a person reads
    added: dict  # brightness that each drawn thing adds to the box on average, by kind; empty on a real film
    places: dict  # shares of the box in lungs, heart, belly and chest wall; empty on a real film
    facts: dict  # what the thing was drawn with, the opacity's where it is about one; empty where nothing was drawn


def cause_of(alarm, scene=None):
    """Return why there is an alarm, by the rule of this file.

    Parameters
    ----------
    alarm : mini_rcnn.alarms.find.Alarm
    scene : mini_rcnn.alarms.drawn.Scene, optional
        What the phantom has on it; None of a real film.

    Returns
    -------
    cause : Cause

    Examples
    --------
    >>> from mini_rcnn.alarms.find import find_alarms
    >>> truth, mark = [[0.0, 0, 100, 100]], [[0.0, 0, 100, 31]]
    >>> cause_of(find_alarms([("a", truth, mark, [0.99])])[0]).words
    'near miss: an opacity is there, IoU 0.31'
    """
    name, iou = about_opacity(alarm), f", IoU {alarm.iou:.2f}"
    if scene is None:
        return Cause(name or "not known", WORDS[name] + iou if name else WORDS["not known"], {}, {}, {})
    added, places = added_in(alarm.box, scene), places_in(alarm.box, scene)
    if name is not None:
        facts = scene.opacities[alarm.truth]
        return Cause(name, WORDS[name] + iou + in_words(facts, added, "opacity"), added, places, facts)
    thing = brightest(added)
    if thing is None:
        name = healthy_part(alarm.box, scene, places)
        return Cause(name, WORDS[name], added, places, {})
    shadow = next(each for each in scene.shadows if each.kind == thing)
    name, words = ("device", f"{WORDS['device']}: {named(thing)}") if shadow.is_device else (thing, WORDS[thing])
    return Cause(name, words + in_words(shadow.facts, added, thing), added, places, shadow.facts)


def about_opacity(alarm):
    """Return "double" or "near miss" of an alarm that is about a true opacity, else None."""
    if alarm.truth < 0 or (alarm.iou < LEAST_IOU and alarm.within < LEAST_WITHIN):
        return None
    return "double" if alarm.found else "near miss"


def in_words(facts, added, thing):
    """Return what a thing was drawn with, how much it adds to the box, and what else is there.

    >>> in_words({"strength": 0.7}, {"mass": 0.213, "scar": 0.06, "port": 0.001}, "mass")
    '; strength 0.70, adds 0.21; also scar'
    """
    parts = [named(facts[name]) for name in ("kind",) if name in facts]
    parts += [f"{name} {facts[name]:.2f}" for name in ("strength",) if name in facts]
    parts += [f"adds {added[name]:.2f}" for name in (thing,) if name in added]
    others = [named(kind) for kind, value in added.items() if value >= LEAST_ADDED and kind != thing]
    return ("; " + ", ".join(parts) if parts else "") + ("; also " + ", ".join(others) if others else "")


def named(kind):
    """Return a kind of thing as a person writes it.

    >>> named("ecg_leads")
    'ecg leads'
    """
    return kind.replace("_", " ")


def added_in(box, scene):
    """Return how much brightness each drawn thing adds to a box on average, dict of kind to float; dark is nothing."""
    part, added = part_of(box), {}
    for shadow in scene.shadows:
        mean = float(np.clip(shadow.added[part], 0, None).mean())
        added[shadow.kind] = added.get(shadow.kind, 0.0) + mean
    return added


def brightest(added):
    """Return the thing that adds most brightness, of equal ones the first drawn; None where none adds enough.

    >>> brightest({"scar": 0.04, "mass": 0.2}), brightest({"scar": 0.01}), brightest({})
    ('mass', None, None)
    """
    thing = max(added, key=added.get) if added else None
    return thing if thing is not None and added[thing] >= LEAST_ADDED else None


def lies_on_drawn(box, scene):
    """Return whether something that is no opacity was drawn under a box, bright enough to be its cause."""
    return brightest({name: value for name, value in added_in(box, scene).items() if name != "opacity"}) is not None


def mirrored(box, scene):
    """Return a box at the same place of the other lung: what lies there by chance is what the rule has to beat."""
    y1, x1, y2, x2 = box
    return np.array([y1, 2 * scene.middle - x2, y2, 2 * scene.middle - x1])


def places_in(box, scene):
    """Return the shares of a box in the lungs, the heart, the belly and the chest wall: they add up to 1."""
    part = part_of(box)
    lungs = scene.lungs[part]
    heart = scene.heart[part] & ~lungs
    belly = scene.below[part] & ~lungs & ~heart
    shares = {name: float(mask.mean()) for name, mask in (("lungs", lungs), ("heart", heart), ("belly", belly))}
    return {**shares, "chest wall": max(0.0, 1 - sum(shares.values()))}


def healthy_part(box, scene, places):
    """Return the name of the healthy part that a box without any drawn thing shows."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    if (np.abs(scene.hila - middle) <= half / 2).all(axis=1).any():
        return "hilum"
    name = max(("heart", "belly", "chest wall"), key=places.get)
    if places[name] < LEAST_PLACE:
        return "clear lung"
    return "cardiomegaly" if name == "heart" and "cardiomegaly" in scene.findings else name


def count_causes(causes, classes):
    """Return how many alarms each cause has in each class of films.

    Parameters
    ----------
    causes : sequence of str
        Names, one for each alarm.
    classes : sequence of str
        The class of each alarm's film.

    Returns
    -------
    counts : dict of str to dict of str to int
        The most frequent cause first, of equal ones in the order of `WORDS`.

    Examples
    --------
    >>> count_causes(["mass", "heart", "heart"], ["Not Normal", "Normal", "Not Normal"])
    {'heart': {'Normal': 1, 'Not Normal': 1}, 'mass': {'Not Normal': 1}}
    """
    counts = {}
    for cause, class_name in zip(causes, classes):
        row = counts.setdefault(cause, {})
        row[class_name] = row.get(class_name, 0) + 1
    order = list(WORDS)
    names = sorted(counts, key=lambda name: (-sum(counts[name].values()), order.index(name)))
    return {name: dict(sorted(counts[name].items())) for name in names}
