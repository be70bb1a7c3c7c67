"""What is wrong with the rates of a Matterport training, and with what its script does and leaves out."""

from __future__ import annotations

from .counts import largest_change
from .findings import Finding
from .matterport_keys import KEYS
from .matterport_settings import is_number

DEFAULT_RATE = KEYS["LEARNING_RATE"].default
HIGH = 5 * DEFAULT_RATE  # from here on a rate is called high without a warm-up
SEEN = 0.5  # grey levels: a smaller change is rounded away


def rate_findings(settings, script):
    """Yield what is wrong with learning rates.

    Parameters
    ----------
    settings : Settings
    script : Script or None
        None where only a configuration is known.
    """
    trains = script.trains if script else ()
    line, key = settings.lines.get("LEARNING_RATE"), "LEARNING_RATE"
    if settings.sets(key) and not any(key in call.uses for call in trains):
        text = (
            "mrcnn never reads it. Changing this and retraining does nothing unless your script hands it on: "
            "train(learning_rate=config.LEARNING_RATE)."
        )
        yield Finding("warning" if trains else "note", key, text, line)
    for place, call in enumerate(trains):
        if call.rate is None:
            yield Finding("note", "learning_rate", f"not read: line {call.line}: the rate of train().", call.line)
        elif call.rate >= HIGH:
            yield high_rate(call.rate, call.line, call.layers, first=place == 0, loaded=loads_before(script, trains[0]))
    if not trains and is_number(settings[key]) and settings[key] >= HIGH:
        yield high_rate(settings[key], line, None, first=True, loaded=None)


def high_rate(rate, line, layers, *, first, loaded):
    """Return the finding that a rate is high."""
    whole = {"all": " on all layers", None: ""}.get(layers, f" on the layers {layers}")
    text = f"A rate of {rate:g}{whole} is {rate / DEFAULT_RATE:.3g} times Matterport's {DEFAULT_RATE:g}. "
    if first:
        text += "mrcnn has no warm-up: the first step has it in full. "
    if loaded is False:
        text += "No weights are loaded before, so it meets random ones: losses can grow until they are no numbers. "
    fix = f"Begin with layers='heads' at {DEFAULT_RATE:g}, weights loaded, and all layers later at a tenth of it."
    return Finding("warning", "learning_rate", text.strip(), line, fix)


def loads_before(script, call):
    """Return whether a script loads weights before it trains, by its lines."""
    return any(line < call.line for line in script.loads)


def script_findings(script):
    """Yield what is wrong with what a script does; nothing where it shows no training."""
    if script is None:
        return
    for line, sigma in script.blurs:
        change = largest_change(sigma)
        if change < SEEN:
            text = (
                f"GaussianBlur with a sigma of at most {sigma:g} changes no pixel: {change:.1g} of 255 grey levels at "
                "most, which rounding takes away."
            )
            yield Finding("warning", "GaussianBlur", text, line, "A sigma of 0.5 and more can be seen.")
    if script.trains and not loads_before(script, script.trains[0]):
        yield Finding(
            "warning", "load_weights",
            "No load_weights before train(): every layer begins at random, and a few thousand images "
            "have to teach them all.",
            script.trains[0].line,
            "model.load_weights('mask_rcnn_coco.h5', by_name=True, exclude=['mrcnn_class_logits', 'mrcnn_bbox_fc', "
            "'mrcnn_bbox', 'mrcnn_mask'])",
        )  # fmt: skip


def beyond_configuration(script, *, n_images=None, n_boxed=None):
    """Yield what a configuration cannot show, and is worth a look where this network is trained."""
    say = "What a configuration cannot show: "
    count = f": of {n_images:,} images {n_images - n_boxed:,} teach nothing" if n_images and n_boxed is not None else ""
    yield Finding(
        "note", "data_generator",
        f"{say}mrcnn skips images without boxes, in training and validation{count}. The network never learns what a "
        "healthy lung looks like, and fires on it.",
        fix="Train with them in our `train`: targets.negatives = full.",
    )  # fmt: skip
    yield Finding(
        "note", "split",
        f"{say}a split by image puts films of one patient on both sides, and the test flatters.",
        fix="Split by patient: python3 lab.py data split.",
    )  # fmt: skip
    if script is None or not script.trains:
        yield Finding(
            "note", "load_weights",
            f"{say}whether weights are loaded before training, and at which rate train() is called.",
            fix="Lint the script that calls train(), with the class in it.",
        )  # fmt: skip
    if script is None or not script.blurs:
        text = f"{say}augmentation that does nothing, such as GaussianBlur with a sigma of 0.12 or less."
        yield Finding("note", "augmentation", text)
