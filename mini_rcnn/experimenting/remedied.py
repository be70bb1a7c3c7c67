"""The remedies on the networks of another experiment: what each gives, arm by arm, as JSON and as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mini_rcnn.data.errors import DataError
from mini_rcnn.data.files import write_json, written_beside
from mini_rcnn.training.run_folder import versions

from .compare import SENSITIVITIES, set_of, spread_of
from .film_features import film_features
from .remedies import Side, film_classifier, try_remedies
from .report import cell
from .runs import Films, find_on

ROWS = (
    *((f"healthy films marked where {one:.0%} of the boxes are found", f"equal.{one:g}", "{:.1%}")
      for one in SENSITIVITIES),
    ("image-level AUC", "auc", "{:.3f}"),
    ("RSNA score at the threshold chosen on the validation side", "rsna", "{:.3f}"),
    ("healthy films marked there", "marked", "{:.1%}"),
    ("calibration error of the boxes' scores", "ece", "{:.3f}"),
    ("chosen", "chosen", "{:g}"),
)  # fmt: skip


def trained_runs(folder):
    """Return the ended runs of an experiment's folder: arm -> seed -> folder.

    Raises
    ------
    DataError
        If there is none.
    """
    runs = {}
    for path in sorted(Path(folder).glob("*-*/last.weights.npz")):
        arm, _, seed = path.parent.name.rpartition("-")
        if seed.isdigit():
            runs.setdefault(arm, {})[int(seed)] = path.parent
    if not runs:
        raise DataError(f"{folder}: no training of it has ended. Make some: python3 lab.py experiment negatives --out "
                        f"{folder}")  # fmt: skip
    return runs


def side_of(records, prepared, found, detector, classify):
    """Return a `Side`: what was found on its films, and each film's score."""
    features = film_features(detector, prepared, [record.id for record in records])
    return Side(set_of(records, found), classify(features))


def remedies_on_run(folder, data, films, *, scorers):
    """Return what the remedies give with the weights of one run; see `mini_rcnn.experimenting.remedies.try_remedies`.

    Parameters
    ----------
    folder : path
        Of a run.
    data : mini_rcnn.training.feed.Data
        What was learnt from: the film's score is learnt on its training side, remedies are chosen on its other one.
    films : Films
        On which they are measured.
    scorers : dict
        See `mini_rcnn.experimenting.runs.find_on`.
    """
    from mini_rcnn.stages_tf.model import Detector
    from mini_rcnn.weights import load_weights

    weights, config, _ = load_weights(folder / "last.weights.npz")
    key = ("features", config.image, config.backbone)
    if key not in scorers:
        scorers[key] = Detector(config, weights)
    detector = scorers[key]
    detector.load(weights)
    known = [record for record in data.train if record.id in data.prepared]
    features = film_features(detector, data.prepared, [record.id for record in known])
    classify = film_classifier(features, np.array([len(record.boxes) > 0 for record in known]))
    validation = Films(films.folder, [one for one in data.validation if one.id in data.prepared], data.prepared)
    sides = []
    for each, keep in ((validation, folder / "validation"), (films, folder)):
        found = find_on(each, folder, scorers=scorers, keep=keep)
        sides.append(side_of(each.records, each.prepared, found, detector, classify))
    return try_remedies(*sides)


def write_remedies(folder, told, *, command):
    """Write ``results.json`` and ``table.md`` of arm -> seed -> remedy -> figures; return their paths."""
    arms = {
        arm: {name: spread_of([seed[name] for seed in seeds.values()]) for name in next(iter(seeds.values()))}
        for arm, seeds in told.items()
    }
    facts = {"command": command, "versions": versions()}
    plain = {arm: {str(seed): one for seed, one in seeds.items()} for arm, seeds in told.items()}
    write_json(folder / "results.json", {"runs": plain, "arms": arms, **facts})
    with written_beside(folder / "table.md", "w") as file:
        file.write(table_text(arms, facts))
    return [folder / "results.json", folder / "table.md"]


def table_text(arms, facts):
    """Return the figures as Markdown, a table for each arm."""
    lines = [f"`{facts['command']}`", "", "Means over the seeds, and in brackets the smallest and the largest.", ""]
    for arm, remedies in arms.items():
        names = list(remedies)
        lines += [f"Arm `{arm}`:", "", f"| | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
        for told, name, form in ROWS:
            cells = [cell(remedies[one], name, form) if name in remedies[one] else "" for one in names]
            lines.append(f"| {told} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)
