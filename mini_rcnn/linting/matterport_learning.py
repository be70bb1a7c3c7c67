"""What is wrong with how a Matterport network is to learn: settings that do nothing, targets, rates, epochs."""

from __future__ import annotations

import difflib

from .counts import epoch_finding
from .findings import Finding
from .matterport_keys import KEYS, PRE_NMS_LIMIT
from .matterport_settings import UNKNOWN, is_number


def idle_findings(settings):
    """Yield settings that do nothing as the others stand."""
    line = settings.lines.get
    if settings.sets("MINI_MASK_SHAPE") and settings["USE_MINI_MASK"] is False:
        text = "Changing this and retraining does nothing as long as USE_MINI_MASK is False: masks keep full size."
        yield Finding(
            "warning", "MINI_MASK_SHAPE", text, line("MINI_MASK_SHAPE"), "USE_MINI_MASK = True, or remove it."
        )
    if settings["USE_RPN_ROIS"] is False:
        text = (
            "MaskRCNN stops while it is built for training: it declares proposals from outside to be whole numbers, "
            "and takes fractions from them. Nor does train() hand it any: data_generator is not asked for random_rois."
        )
        yield Finding("error", "USE_RPN_ROIS", text, line("USE_RPN_ROIS"), "USE_RPN_ROIS = True")
    weights = settings["LOSS_WEIGHTS"]
    known = KEYS["LOSS_WEIGHTS"].default
    for name in sorted(map(str, weights)) if isinstance(weights, dict) else ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            text = f"There is no loss {name!r}: the weight does nothing, and what is not named weighs 1."
            yield Finding("error", "LOSS_WEIGHTS", text, line("LOSS_WEIGHTS"), f"Write {near[0]!r}." if near else "")
    for key in ("POST_NMS_ROIS_TRAINING", "POST_NMS_ROIS_INFERENCE"):
        if is_number(settings[key]) and settings[key] > PRE_NMS_LIMIT:
            text = (
                f"{settings[key]:,} proposals are more than the {PRE_NMS_LIMIT:,} anchors that mrcnn 0.2 keeps before."
            )
            yield Finding("warning", key, text, line(key), f"{key} = {PRE_NMS_LIMIT} at most.")


def target_findings(settings):
    """Yield what is wrong with what the heads learn from."""
    line, found = settings.lines.get, settings.numbers("TRAIN_ROIS_PER_IMAGE", "ROI_POSITIVE_RATIO")
    if found is None:
        return
    rois, ratio = found
    if not 0 < ratio <= 1:
        text = f"ROI_POSITIVE_RATIO = {ratio} must be above 0 and at most 1: mrcnn divides by it."
        yield Finding("error", "ROI_POSITIVE_RATIO", text, line("ROI_POSITIVE_RATIO"))
    elif int(rois * ratio) < 1:
        text = f"{rois} proposals an image, of which {ratio:.0%} may be positive, is none: the heads learn no class."
        yield Finding("error", "TRAIN_ROIS_PER_IMAGE", text, line("TRAIN_ROIS_PER_IMAGE"))
    offered = settings.numbers("POST_NMS_ROIS_TRAINING")
    if offered and offered[0] < rois:
        text = f"POST_NMS_ROIS_TRAINING = {offered[0]} offers fewer proposals than the {rois} that the heads may take."
        yield Finding("warning", "TRAIN_ROIS_PER_IMAGE", text, line("TRAIN_ROIS_PER_IMAGE"))


def gradient_findings(settings, *, pretrained):
    """Yield what is wrong with gradients and normalisations; ``pretrained`` is None where nobody knows."""
    line, clip, norm = settings.lines.get, settings["GRADIENT_CLIP_NORM"], settings["TRAIN_BN"]
    if clip is None:
        text = "None is compared with 0 by Keras 2.2.5, which stops."
        yield Finding("error", "GRADIENT_CLIP_NORM", text, line("GRADIENT_CLIP_NORM"), "0 takes the limit away.")
    elif is_number(clip) and clip <= 0:
        text = "Gradients have no limit: one odd batch can throw the weights away."
        yield Finding("warning", "GRADIENT_CLIP_NORM", text, line("GRADIENT_CLIP_NORM"), "GRADIENT_CLIP_NORM = 5.0")
    if norm is True:
        text = "Normalisation then uses each batch's own statistics, at inference too: Matterport says not to use it."
        yield Finding("warning", "TRAIN_BN", text, line("TRAIN_BN"), "False, or None for large batches.")
    elif norm is None and settings.batch_size and settings.batch_size < 8:
        text = f"Statistics of {settings.batch_size} images are noise: Matterport freezes them for small batches."
        yield Finding("warning", "TRAIN_BN", text, line("TRAIN_BN"), "TRAIN_BN = False, with weights that are loaded.")
    elif norm is False and pretrained is False:
        text = (
            "Recorded statistics stay as they are, and without loaded weights they are 0 and 1: as if there were no "
            "normalisation at all."
        )
        yield Finding("warning", "TRAIN_BN", text, line("TRAIN_BN"), "Load weights before training.")
    elif norm is False and pretrained is None:
        text = "Recorded statistics stay as they are. That is well with loaded weights; without, they are 0 and 1."
        yield Finding("note", "TRAIN_BN", text, line("TRAIN_BN"))


def epoch_findings(settings, *, n_images, n_boxed):
    """Yield what an epoch shows, and what is measured after it."""
    line, batch, steps = settings.lines.get, settings.batch_size, settings["STEPS_PER_EPOCH"]
    for key in ("STEPS_PER_EPOCH", "VALIDATION_STEPS", "IMAGES_PER_GPU", "GPU_COUNT", "TRAIN_ROIS_PER_IMAGE"):
        value = settings[key]
        if value is not UNKNOWN and not (is_number(value) and value >= 1 and value == int(value)):
            text = f"{key} must be a whole number of at least 1, and is {value!r}."
            yield Finding("error", key, text, line(key), "Divide with // where you divide.")
    if batch is None or not is_number(steps) or min(batch, steps) <= 0:
        return
    if n_images:
        yield epoch_finding(
            "STEPS_PER_EPOCH", steps, batch, n_images=n_images, n_boxed=n_boxed, line=line("STEPS_PER_EPOCH")
        )
    elif settings.sets("STEPS_PER_EPOCH"):
        text = f"An epoch is {steps:,} steps of {batch:,} images: {steps * batch:,}, whatever their number is."
        fix = "--images N says how often each is shown."
        yield Finding("note", "STEPS_PER_EPOCH", text, line("STEPS_PER_EPOCH"), fix)
    if settings.sets("VALIDATION_STEPS") and is_number(settings["VALIDATION_STEPS"]):
        text = (
            f"After each epoch {settings['VALIDATION_STEPS'] * batch:,} images are measured. They are drawn in another "
            "order each time: with fewer than all, epochs are compared on different images."
        )
        yield Finding("note", "VALIDATION_STEPS", text, line("VALIDATION_STEPS"))
