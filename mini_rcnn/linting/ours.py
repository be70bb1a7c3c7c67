"""What is found in our own configurations, which already refuse what contradicts itself when they are made."""

from __future__ import annotations

from dataclasses import replace

from mini_rcnn.training.presets import AS_SHOWN, SLIPS

from .counts import epoch_finding
from .findings import Finding, sorted_findings
from .matterport_keys import LEVEL_STRIDES
from .matterport_thresholds import LOOSE, below_chance, loose_suppression
from .truths import fit_finding

HIGH = 0.005  # from here on a rate wants a warm-up: five times Matterport's


def lint_config(config, training=None, n_images=None, *, n_boxed=None, truths=None):
    """Return what is wrong with, and worth knowing about, a configuration of ours.

    Parameters
    ----------
    config : Config
    training : TrainingConfig, optional
    n_images : int, optional
        Training images.
    n_boxed : int, optional
        Those of them with boxes.
    truths : Truths, optional
        The boxes of a data folder.

    Returns
    -------
    findings : list of Finding
        Errors first.

    Examples
    --------
    >>> from mini_rcnn.config import Config, changed
    >>> [one.key for one in lint_config(changed(Config(), detections__iou_threshold=0.7)) if one.level == "warning"]
    ['anchors.scales', 'detections.iou_threshold']
    """
    if truths is not None:
        n_images, n_boxed = n_images or truths.n_images, n_boxed or truths.n_boxed
    found = [*network_findings(config), *threshold_findings(config), *target_findings(config)]
    if training is not None:
        found += [*learning_findings(config, training), *epoch_findings(config, training, n_images, n_boxed)]
    if truths is not None:
        anchors = config.anchors
        names = {"scales": anchors.scales, "ratios": anchors.ratios, "strides": anchors.strides}
        found += fit_finding(
            truths, config.image.size, names, iou=config.targets.anchor_positive_iou, key="anchors.scales"
        )
    return sorted_findings(found)


def network_findings(config):
    """Yield what is odd about anchors."""
    anchors, size = config.anchors, config.image.size
    if anchors.strides != LEVEL_STRIDES:
        text = f"The network's levels have strides {LEVEL_STRIDES}: with {anchors.strides} anchors lie elsewhere."
        yield Finding("error", "anchors.strides", text, fix=f"anchors.strides = {LEVEL_STRIDES}")
    large = [scale for scale in anchors.scales if scale > size]
    if large:
        text = f"Anchors of {', '.join(map(str, large))} pixels are larger than the image ({size}): no truth fits them."
        yield Finding("warning", "anchors.scales", text, fix="Halve the scales.")
    if list(anchors.scales) != sorted(anchors.scales):
        text = f"{anchors.scales} do not rise: the finest level comes first, and gets the first of them."
        yield Finding("warning", "anchors.scales", text)


def threshold_findings(config):
    """Yield what is odd about thresholds, and when they act."""
    kept = config.detections
    if 0 < kept.min_confidence <= 1 / config.n_classes:
        yield below_chance("detections.min_confidence", kept.min_confidence, config.n_classes)
    if kept.iou_threshold >= LOOSE:
        yield loose_suppression("detections.iou_threshold", kept.iou_threshold)
    if kept.max_detections > config.proposals.max_proposals:
        text = f"No more than proposals.max_proposals = {config.proposals.max_proposals} boxes can be found."
        yield Finding("warning", "detections.max_detections", text)
    for name in ("min_confidence", "iou_threshold", "max_detections", "mask_threshold"):
        text = "Acts at inference alone: changing this needs no retraining."
        yield Finding("note", f"detections.{name}", text)
    text = "Acts at inference and in training: there it decides which proposals the heads learn from."
    yield Finding("note", "proposals.iou_threshold", text, fix="Try it without retraining first; then train with it.")


def target_findings(config):
    """Yield what is odd about what is learnt."""
    targets, offered = config.targets, config.proposals.max_training_proposals
    if targets.negatives == "skip":
        text = "Images without boxes teach nothing, as with Matterport: the network fires on healthy lungs."
        yield Finding("warning", "targets.negatives", text, fix="targets.negatives = full")
    elif targets.negatives == "rpn_only":
        text = "Images without boxes teach the proposals alone, and not the heads, which give the score."
        yield Finding("note", "targets.negatives", text, fix="targets.negatives = full")
    if int(targets.max_rois * targets.roi_positive_share) < 1:
        text = f"Of {targets.max_rois} proposals {targets.roi_positive_share:.0%} are none: the heads learn no class."
        yield Finding("error", "targets.roi_positive_share", text)
    if offered < targets.max_rois:
        text = f"proposals.max_training_proposals = {offered} offers fewer than the {targets.max_rois} heads may take."
        yield Finding("warning", "targets.max_rois", text)


def learning_findings(config, training):
    """Yield what is odd about rates and how training begins and ends."""
    first = training.stages[0]
    if first.rate >= HIGH and training.warm_up_steps == 0:
        text = f"Begins at a rate of {first.rate:g} without a warm-up, which weights from nothing seldom survive."
        yield Finding("warning", "training.warm_up_steps", text, fix="training.warm_up_steps = 500")
    if training.start == "random":
        text = (
            "Begins at random, with normalisations whose recorded statistics are 0 and 1. That is well with --start "
            "FILE, and without it finds next to nothing."
        )
        yield Finding("warning", "training.start", text, fix="training.start = statistics, or --start FILE.")
    if training.clip_norm == 0:
        text = "Gradients have no limit: one odd batch can throw the weights away."
        yield Finding("warning", "training.clip_norm", text, fix="training.clip_norm = 5.0")
    if training.optimiser == "adam" and training.momentum != type(training).momentum:
        text = "Changing this and retraining does nothing: momentum is of sgd, and the optimiser is adam."
        yield Finding("warning", "training.momentum", text)
    if training.best_by == "rsna":
        text = (
            "Which weights are kept is judged by the challenge's score, so detections.min_confidence and "
            "detections.iou_threshold decide it too."
        )
        yield Finding("note", "training.best_by", text)
    if training.positive_share and config.targets.negatives == "skip":
        text = "Changing this does nothing: with targets.negatives = skip no image without boxes is shown."
        yield Finding("warning", "training.positive_share", text)


def epoch_findings(config, training, n_images, n_boxed):
    """Yield what an epoch shows."""
    boxed = n_boxed if config.targets.negatives == "skip" else None
    shown = boxed or n_images
    steps = training.steps or (shown // training.batch_size if shown else None)  # as mini_rcnn.training.feed
    if training.steps is None:
        text = "An epoch shows every image of the training side about once."
        if steps is not None:
            text += f" {shown:,} images in batches of {training.batch_size} are {steps:,} steps; "
            text += f"{training.n_epochs} epochs are {steps * training.n_epochs:,}."
        yield Finding("note", "training.steps", text)
    elif n_images:
        shows = epoch_finding("training.steps", training.steps, training.batch_size, n_images=n_images, n_boxed=boxed)
        yield replace(shows, level="note", fix="")  # our epochs may have any length: their number makes up for it
    warm = training.warm_up_steps
    if steps and warm > 0.5 * steps * training.n_epochs:
        text = f"The warm-up of {warm:,} steps is most of the {steps * training.n_epochs:,} steps there are."
        yield Finding("warning", "training.warm_up_steps", text)


def as_shown_findings():
    """Return the slips of the slides' training, which cannot be run as shown.

    >>> len(as_shown_findings())
    6
    """
    return [Finding("error", AS_SHOWN, f"{what}.", fix=f"{mend}.") for what, mend in SLIPS]
