"""What each of our own settings acts on: the network's structure, training, inference, or both of these."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from mini_rcnn.config import Config
from mini_rcnn.training.settings import TrainingConfig

from .findings import short
from .matterport_keys import KINDS

# By section: the kind of all its settings, then of those that differ.
SECTIONS = {
    "classes": ("structure", {}),
    "convention": ("both", {}),
    "image": ("both", {}),
    "backbone": ("structure", {}),
    "anchors": ("both", {"ratios": "structure"}),
    "proposals": (
        "both",
        {"rpn_channels": "structure", "max_proposals": "inference", "max_training_proposals": "training"},
    ),
    "heads": ("structure", {"mask_pool_size": "both", "pooling": "both"}),
    "detections": ("inference", {"delta_std": "both"}),
    "targets": ("training", {}),
}
NEEDS = {
    "anchors.ratios": "training anew if their number changes, else again",
    "proposals.iou_threshold": "nothing to try it at inference; it acts in training too",
    "proposals.pre_nms_limit": "nothing to try it at inference; it acts in training too",
    "training.validation_steps": "nothing: it only measures",
    "training.best_by": "training again: it decides which weights are kept",
    "training.xla": "nothing: it only saves time",
}


def kind_of(name):
    """Return what a setting acts on.

    Examples
    --------
    >>> kind_of("detections.min_confidence"), kind_of("proposals.iou_threshold"), kind_of("training.seed")
    ('inference', 'both', 'training')
    """
    section, _, setting = name.partition(".")
    if section == "training":
        return "training"
    kind, others = SECTIONS[section]
    return others.get(setting, kind)


def our_rows(config, training=None):
    """Return what each setting acts on and what a change of it needs, as dicts of text; see `settings_rows`."""
    rows = [(name, value) for name, value in flat(config)]
    if training is not None:
        rows += [(f"training.{name}", value) for name, value in flat(training)]
    return [
        {"key": name, "value": short(value), "kind": kind_of(name), "needs": NEEDS.get(name, KINDS[kind_of(name)])}
        for name, value in rows
    ]


def flat(config, before=""):
    """Return every setting of a dataclass and of those in it, by name."""
    found = []
    for each in fields(config):
        value = getattr(config, each.name)
        found += flat(value, f"{each.name}.") if is_dataclass(value) else [(before + each.name, value)]
    return found


def all_names():
    """Return the names of all our settings."""
    ours = [name for name, _ in flat(Config())]
    return ours + [f"training.{each.name}" for each in fields(TrainingConfig)]
