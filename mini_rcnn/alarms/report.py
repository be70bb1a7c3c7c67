"""The alarms of some films with their causes and neighbours, as plain values, and the files that hold them."""

from __future__ import annotations

import csv

import numpy as np

from mini_rcnn.data.contradictions import CLASSES
from mini_rcnn.data.files import write_json, written_beside

from .causes import (
    LEAST_ADDED,
    LEAST_IOU,
    LEAST_PLACE,
    LEAST_WITHIN,
    WORDS,
    cause_of,
    count_causes,
    lies_on_drawn,
    mirrored,
)
from .features import NEIGHBOURS, nearest, typical_distance
from .find import find_alarms

COLUMNS = ("image", "class", "y1", "x1", "y2", "x2", "score", "cause", "words", "iou", "nearest", "distance")


def explain(records, seen, scenes, *, above):
    """Return all that is known of the alarms on some films.

    Parameters
    ----------
    records : sequence of mini_rcnn.data.rsna.Record
    seen : sequence of mini_rcnn.alarms.looking.Seen
        One for each record.
    scenes : callable
        Of a record: its `mini_rcnn.alarms.drawn.Scene`, or None where that is not known. Asked for films with alarms.
    above : float in [0, 1]

    Returns
    -------
    told : dict
        Plain values: ``"alarms"``, the highest score first, and their ``"counts"`` by cause and class; films by class,
        ``"chance"`` (see `against_chance`), ``"distances"`` (see `distances_of`), and the rule's numbers.
    """
    films = [(record.id, record.boxes, one.boxes, one.scores) for record, one in zip(records, seen)]
    alarms, known = find_alarms(films, above=above), {}
    bank, owners, places = bank_of(records, seen)
    unit = typical_distance(bank, [records[image].patient for image in owners])
    features = np.array([seen[alarm.image].features[alarm.row] for alarm in alarms]).reshape(len(alarms), bank.shape[1])
    rows, away = nearest(
        features, bank, features_of=[records[alarm.image].patient for alarm in alarms],
        bank_of=[records[image].patient for image in owners],
    )  # fmt: skip
    told = []
    for alarm, near, distances in zip(alarms, rows, away):
        record = records[alarm.image]
        if alarm.image not in known:
            known[alarm.image] = scenes(record)
        cause = cause_of(alarm, known[alarm.image])
        told.append({
            "image": record.id, "class": record.class_name, "box": rounded(alarm.box, 2), "score": rounded(alarm.score),
            "cause": cause.name, "words": cause.words, "iou": rounded(alarm.iou), "within": rounded(alarm.within),
            "drawn": cause.facts,
            "added": {name: rounded(value, 4) for name, value in cause.added.items()},
            "places": {name: rounded(value, 4) for name, value in cause.places.items()},
            "nearest": [
                {"image": records[owners[row]].id, "truth": places[row], "distance": rounded(distance / unit)}
                for row, distance in zip(near, distances) if row >= 0 and unit > 0
            ],
        })  # fmt: skip
    names, classes = [one["cause"] for one in told], [one["class"] for one in told]
    return {
        "above": float(above),
        "alarms": told,
        "counts": count_causes(names, classes),
        "films": {name: sum(record.class_name == name for record in records) for name in CLASSES},
        "films_with_alarms": {
            name: len({one["image"] for one in told if one["class"] == name}) for name in CLASSES
        },
        "marks": int(sum((one.scores >= above).sum() for one in seen)),
        "chance": against_chance(alarms, told, known),
        "distances": distances_of(told, records, seen, bank, owners, unit),
        "rule": {"least_iou": LEAST_IOU, "least_within": LEAST_WITHIN, "least_added": LEAST_ADDED,
                 "least_place": LEAST_PLACE, "neighbours": NEIGHBOURS},
    }  # fmt: skip


def against_chance(alarms, told, scenes):
    """Return how many alarms lie on something drawn, and how many do by chance: with their box in the other lung.

    Of the alarms on phantoms that are not about a true opacity, ``"of"``, those that `lies_on_drawn` as they are,
    ``"alarms"``, and mirrored, ``"mirrored"``. None where there is none such.
    """
    counts = {"of": 0, "alarms": 0, "mirrored": 0}
    for alarm, one in zip(alarms, told):
        scene = scenes[alarm.image]
        if scene is not None and one["cause"] not in ("near miss", "double"):
            counts["of"] += 1
            counts["alarms"] += lies_on_drawn(alarm.box, scene)
            counts["mirrored"] += lies_on_drawn(mirrored(alarm.box, scene), scene)
    return counts if counts["of"] else None


def bank_of(records, seen):
    """Return the features of all true opacities (M, F), the film of each, and its place among that film's boxes."""
    counts = [len(one.truth_features) for one in seen]
    width = max([one.truth_features.shape[1] for one in seen], default=0)
    bank = np.concatenate([np.zeros((0, width)), *(one.truth_features for one in seen)])
    owners = np.repeat(np.arange(len(seen)), counts).astype(int).tolist()
    return bank, owners, [place for count in counts for place in range(count)]


def distances_of(told, records, seen, bank, owners, unit):
    """Return distances to the nearest true opacity of another patient, in their usual distance, three sorted lists.

    ``"alarms"``: of the alarms. ``"opacities"``: of the true opacities themselves; their median is the unit.
    ``"dismissed"``: of proposals that the head dismissed, one a film: how far away it is where nothing is marked.
    ``"as_near"`` is the share of alarms that lie nearer than three quarters of the true opacities do.
    """
    if not len(bank) or not unit > 0:
        return {"unit": None, "alarms": [], "opacities": [], "dismissed": [], "as_near": None}
    patients = [record.patient for record in records]
    others = [image for image, one in enumerate(seen) for _ in one.dismissed]
    groups = {"opacities": (bank, owners)}
    if others:
        groups["dismissed"] = np.concatenate([one.dismissed for one in seen]), others
    result = {"unit": rounded(unit), "alarms": sorted(one["nearest"][0]["distance"] for one in told if one["nearest"]),
              "dismissed": []}  # fmt: skip
    for name, (features, images) in groups.items():
        _, away = nearest(
            features, bank, features_of=[patients[image] for image in images],
            bank_of=[patients[image] for image in owners], k=1,
        )  # fmt: skip
        result[name] = sorted(rounded(value / unit) for value in away[:, 0] if np.isfinite(value))
    limit = np.percentile(result["opacities"], 75) if result["opacities"] else np.inf
    result["as_near"] = rounded(np.mean(np.array(result["alarms"]) <= limit)) if result["alarms"] else None
    return result


def rounded(value, digits=6):
    """Return a number, or a list of numbers, as plain floats with so many digits."""
    value = np.round(np.asarray(value, np.float64), digits)
    return value.tolist() if value.ndim else float(value)


def write_tables(folder, told, facts):
    """Write ``alarms.json`` and ``alarms.csv`` into a folder, each whole or not at all; return their paths."""
    paths = [folder / "alarms.json", folder / "alarms.csv"]
    write_json(paths[0], {**facts, **told})
    with written_beside(paths[1], "w") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for one in told["alarms"]:
            near = one["nearest"][0] if one["nearest"] else {"image": "", "distance": ""}
            table.writerow([one["image"], one["class"], *one["box"], one["score"], one["cause"], one["words"],
                            one["iou"], near["image"], near["distance"]])  # fmt: skip
    return paths


def counts_text(told):
    """Return the counts by cause and class as lines of text."""
    short = ("Normal", "Not Normal", "Opacity")
    rows = [("cause", *short, "all")]
    for name, row in told["counts"].items():
        rows.append((WORDS[name], *(row.get(each, 0) for each in CLASSES), sum(row.values())))
    rows.append(("all", *(sum(row.get(each, 0) for row in told["counts"].values()) for each in CLASSES),
                 len(told["alarms"])))  # fmt: skip
    rows.append(("films", *(told["films"][each] for each in CLASSES), sum(told["films"].values())))
    rows.append(("films with alarms", *(told["films_with_alarms"][each] for each in CLASSES),
                 sum(told["films_with_alarms"].values())))  # fmt: skip
    return "\n".join(f"{row[0]:32}" + "".join(f"{value:>12}" for value in row[1:]) for row in rows)
