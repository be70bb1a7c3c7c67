"""The images in groups: by class, view, sex and age, with the headline figures of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mini_rcnn.data.header_tables import OLDEST, UNKNOWN
from mini_rcnn.data.rsna import CLASSES, OPACITY
from mini_rcnn.metrics.summary import summarise

AGES = ((0, 17), (18, 39), (40, 59), (60, 79), (80, OLDEST))  # years; above the last an age is a slip of the pen
SEXES = {"F": "women", "M": "men"}
NORMAL, NOT_NORMAL, _ = CLASSES
KEPT = ("set", "figures", "intervals")  # of a summary


class Group(NamedTuple):
    """Some of the images."""

    kind: str  # "class", "view", "sex" or "age"
    name: str
    members: np.ndarray  # (I,), bool


def age_group(age):
    """Return the name of the group that an age in years belongs to.

    >>> age_group(17), age_group(18), age_group(99), age_group(150), age_group(None)
    ('0 to 17', '18 to 39', '80 and more', 'unknown', 'unknown')
    """
    for low, high in AGES:
        if age is not None and low <= age <= high:
            return f"{low} and more" if high == OLDEST else f"{low} to {high}"
    return UNKNOWN


def groups_of(records, facts):
    """Return the groups that have an image in them.

    Parameters
    ----------
    records : sequence of I Records
    facts : dict
        ``{id: mini_rcnn.evaluating.people.Facts}``.

    Returns
    -------
    groups : list of Group
        Each class by itself; the images with an opacity together with the normal ones, and with those that are not
        normal for another reason, since a curve needs both; then views, sexes and ages. Where nothing is known of
        view, sex or age of any image, that kind is left out.
    """
    classes = np.array([record.class_name for record in records], dtype=object)
    ill = classes == OPACITY
    found = [Group("class", name, classes == name) for name in CLASSES]
    found += [
        Group("class", f"{OPACITY} and {short}", ill | (classes == name))
        for short, name in (("Normal", NORMAL), ("Not Normal", NOT_NORMAL))
        if ill.any() and (classes == name).any()
    ]
    values = {
        "view": [facts[record.id].view or UNKNOWN for record in records],
        "sex": [SEXES.get(facts[record.id].sex, UNKNOWN) for record in records],
        "age": [age_group(facts[record.id].age) for record in records],
    }
    for kind, of_images in values.items():
        of_images = np.array(of_images, dtype=object)
        names = sorted(
            set(of_images.tolist()) - {UNKNOWN},
            key=lambda text: (int(text.split()[0]) if text[0].isdigit() else 0, text),
        )
        if names:
            found += [Group(kind, name, of_images == name) for name in [*names, UNKNOWN]]
    return [group for group in found if group.members.any()]


def group_figures(detections, groups, *, threshold, patients, n_bootstrap=0, seed=0):
    """Return the headline figures of each group.

    Parameters
    ----------
    detections : DetectionSet
        Of I images.
    groups : sequence of Group
    threshold : float in [0, 1]
    patients : sequence of I names
    n_bootstrap, seed : int
        See `mini_rcnn.metrics.summary.summarise`.

    Returns
    -------
    rows : list of dict
        ``"kind"``, ``"name"``, and of `summarise` on these images alone: ``"set"``, ``"figures"``, ``"intervals"``.
    """
    patients, rows = np.asarray(patients), []
    for group in groups:
        summary = summarise(
            detections.of_images(group.members), threshold=threshold, patients=patients[group.members],
            n_bootstrap=n_bootstrap, seed=seed,
        )  # fmt: skip
        rows.append({"kind": group.kind, "name": group.name, **{key: summary[key] for key in KEPT}})
    return rows
