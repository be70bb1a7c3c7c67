"""What is wrong with a Matterport network: sizes, levels, anchors, masks."""

from __future__ import annotations

import difflib

from .counts import n_scores
from .findings import Finding
from .matterport_keys import BACKBONES, LEVEL_STRIDES, RESIZE_MODES
from .matterport_settings import UNKNOWN, is_number


def network_findings(settings):
    """Yield what is wrong with the network's parts other than anchors and sizes."""
    line = settings.lines.get
    if settings["NAME"] is None:
        text = "NAME is None: MaskRCNN asks it for its lower case and stops."
        yield Finding("error", "NAME", text, line("NAME"), "NAME = 'pneumonia'")
    backbone = settings["BACKBONE"]
    if isinstance(backbone, str) and backbone not in BACKBONES:
        near = difflib.get_close_matches(backbone.lower(), BACKBONES, n=1, cutoff=0.6)
        text = f"There is no backbone {backbone!r}: {' and '.join(BACKBONES)} are known, and functions."
        yield Finding("error", "BACKBONE", text, line("BACKBONE"), f"BACKBONE = {near[0]!r}" if near else "")
    if isinstance(backbone, str) and settings.sets("COMPUTE_BACKBONE_SHAPE"):
        text = "Setting it does nothing: it is asked only where BACKBONE is a function."
        yield Finding("warning", "COMPUTE_BACKBONE_SHAPE", text, line("COMPUTE_BACKBONE_SHAPE"))
    if is_number(settings["NUM_CLASSES"]) and settings["NUM_CLASSES"] < 2:
        text = f"NUM_CLASSES = {settings['NUM_CLASSES']} leaves the background alone: nothing is ever found."
        yield Finding("error", "NUM_CLASSES", text, line("NUM_CLASSES"), "Count the background: 1 + your classes.")
    pool, shape = settings["MASK_POOL_SIZE"], settings.row("MASK_SHAPE")
    if is_number(pool) and shape and shape != (2 * pool, 2 * pool):
        text = (
            f"The mask branch doubles its {pool} x {pool} cells to {2 * pool} x {2 * pool}, and masks to compare it "
            f"with are {' x '.join(map(str, shape))}: training stops."
        )
        yield Finding("error", "MASK_SHAPE", text, line("MASK_SHAPE"), f"MASK_SHAPE = [{2 * pool}, {2 * pool}]")
    mean = settings["MEAN_PIXEL"]
    if mean is not UNKNOWN and (settings.row("MEAN_PIXEL") is None or len(mean) not in (1, 3)):
        text = "MEAN_PIXEL must be three numbers: red, green, blue."
        yield Finding("error", "MEAN_PIXEL", text, line("MEAN_PIXEL"))


def size_findings(settings):
    """Yield what is wrong with the size of the network's input."""
    line, mode, size = settings.lines.get, settings["IMAGE_RESIZE_MODE"], settings.image_size
    key = "IMAGE_MIN_DIM" if mode == "crop" else "IMAGE_MAX_DIM"
    if isinstance(mode, str) and mode not in RESIZE_MODES:
        text = f"There is no mode {mode!r}: {', '.join(RESIZE_MODES)} are known."
        yield Finding("error", "IMAGE_RESIZE_MODE", text, line("IMAGE_RESIZE_MODE"))
    if size is not None and (size < 64 or size % 64):
        near = max(64, 64 * round(size / 64))
        text = f"{key} = {size} is no multiple of 64. The network halves its input six times, and MaskRCNN stops."
        yield Finding("error", key, text, line(key), f"{key} = {near}")
    smaller = settings["IMAGE_MIN_DIM"]
    if mode == "pad64" and is_number(smaller) and smaller % 64:
        text = (
            f"IMAGE_MIN_DIM = {smaller} is no multiple of 64, which the mode 'pad64' wants: the first image stops it."
        )
        yield Finding(
            "error", "IMAGE_MIN_DIM", text, line("IMAGE_MIN_DIM"), f"IMAGE_MIN_DIM = {64 * round(smaller / 64)}"
        )
    elif (
        mode == "square"
        and settings.sets("IMAGE_MIN_DIM")
        and size is not None
        and is_number(smaller)
        and smaller > size
    ):
        text = f"IMAGE_MIN_DIM = {smaller} is above IMAGE_MAX_DIM = {size}, which wins: images end at {size} pixels."
        yield Finding("warning", "IMAGE_MIN_DIM", text, line("IMAGE_MIN_DIM"))
    if mode == "crop" and settings.sets("IMAGE_MAX_DIM"):
        text = "Setting it does nothing: the mode 'crop' reads IMAGE_MIN_DIM alone."
        yield Finding("warning", "IMAGE_MAX_DIM", text, line("IMAGE_MAX_DIM"))


def anchor_findings(settings):
    """Yield what is wrong with anchors: scales against strides, levels and the image."""
    line = settings.lines.get
    scales, strides = settings.row("RPN_ANCHOR_SCALES"), settings.row("BACKBONE_STRIDES")
    backbone = settings["BACKBONE"]
    if strides and isinstance(backbone, str) and strides != LEVEL_STRIDES:
        text = f"The network's levels have strides {LEVEL_STRIDES}, whatever this says: anchors would lie elsewhere."
        yield Finding(
            "error", "BACKBONE_STRIDES", text, line("BACKBONE_STRIDES"), f"BACKBONE_STRIDES = {LEVEL_STRIDES}"
        )
    if scales is None and settings["RPN_ANCHOR_SCALES"] is not UNKNOWN:
        text = "RPN_ANCHOR_SCALES must be one number for each level."
        yield Finding("error", "RPN_ANCHOR_SCALES", text, line("RPN_ANCHOR_SCALES"))
    if not scales or not strides:
        return
    if len(scales) != len(strides):
        yield scales_against_strides(settings, scales, strides)
    if list(scales) != sorted(scales):
        text = f"RPN_ANCHOR_SCALES = {scales} do not rise: the finest level comes first, and gets the first of them."
        yield Finding("warning", "RPN_ANCHOR_SCALES", text, line("RPN_ANCHOR_SCALES"), f"{tuple(sorted(scales))}")
    large = [scale for scale in scales if settings.image_size and scale > settings.image_size]
    if large:
        text = (
            f"Anchors of {', '.join(map(str, large))} pixels are larger than the image ({settings.image_size}): no "
            "truth can fit them, and their level only costs time."
        )
        yield Finding("warning", "RPN_ANCHOR_SCALES", text, line("RPN_ANCHOR_SCALES"), "Halve the scales.")


def scales_against_strides(settings, scales, strides):
    """Return the finding that there is not one scale a level."""
    line = settings.lines.get("RPN_ANCHOR_SCALES", settings.lines.get("BACKBONE_STRIDES"))
    text = f"{len(scales)} scales for {len(strides)} levels (BACKBONE_STRIDES = {strides}). "
    size, ratios, step = settings.image_size, settings.row("RPN_ANCHOR_RATIOS"), settings["RPN_ANCHOR_STRIDE"]
    if len(scales) > len(strides):
        return Finding("error", "RPN_ANCHOR_SCALES", text + "Matterport stops with an index error.", line)
    if size and ratios and is_number(step) and min(strides) > 0 and step > 0:
        counts = [
            n_scores(size, strides=some, n_ratios=len(ratios), anchor_stride=step)
            for some in (LEVEL_STRIDES, strides[: len(scales)])
        ]
        text += f"At {size} pixels the network gives {counts[0]:,} scores for {counts[1]:,} anchors. "
    text += (
        "On a CPU Matterport stops with `indices[...] is not in [0, ...)`. On a GPU the missing anchors are read as "
        "zeros, and nobody notices."
    )
    missing = len(strides) - len(scales)
    smaller = tuple(scales[0] / 2**k for k in range(missing, 0, -1))
    mended = tuple(int(one) if one == int(one) else one for one in smaller + scales)
    larger = scales + tuple(scales[-1] * 2**k for k in range(1, missing + 1))
    fits = size is None or larger[-1] <= size
    fix = f"RPN_ANCHOR_SCALES = {mended}" + (f" or {larger}" if fits else f"; {larger[-1]} would not fit the image")
    return Finding("error", "RPN_ANCHOR_SCALES", text, line, fix)
