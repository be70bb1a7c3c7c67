"""What is odd about the thresholds that act when a Matterport network looks at a film."""

from __future__ import annotations

from .findings import Finding
from .matterport_settings import is_number

LOOSE = 0.5  # two boxes that share this much are taken for one opacity by nearly everybody


def threshold_findings(settings):
    """Yield what is odd about the thresholds of inference."""
    line = settings.lines.get
    for key in ("DETECTION_MIN_CONFIDENCE", "DETECTION_NMS_THRESHOLD", "RPN_NMS_THRESHOLD"):
        if is_number(settings[key]) and not 0 <= settings[key] <= 1:
            text = f"{key} = {settings[key]} must lie in [0, 1]."
            yield Finding("error", key, text, line(key))
    found = settings.numbers("DETECTION_MIN_CONFIDENCE", "NUM_CLASSES")
    if found and settings.sets("DETECTION_MIN_CONFIDENCE") and found[1] >= 2 and 0 < found[0] <= 1 / found[1]:
        yield below_chance("DETECTION_MIN_CONFIDENCE", found[0], found[1], line("DETECTION_MIN_CONFIDENCE"))
    found = settings.numbers("DETECTION_NMS_THRESHOLD")
    if found and LOOSE <= found[0] <= 1:
        yield loose_suppression("DETECTION_NMS_THRESHOLD", found[0], line("DETECTION_NMS_THRESHOLD"))
    found = settings.numbers("DETECTION_MAX_INSTANCES", "POST_NMS_ROIS_INFERENCE")
    if found and found[0] > found[1]:
        text = f"No more than POST_NMS_ROIS_INFERENCE = {found[1]} boxes can be found: {found[0]} are never reached."
        yield Finding("warning", "DETECTION_MAX_INSTANCES", text, line("DETECTION_MAX_INSTANCES"))
    if found and found[0] < 1:
        text = "No box is ever kept."
        yield Finding("error", "DETECTION_MAX_INSTANCES", text, line("DETECTION_MAX_INSTANCES"))
    if settings.batch_size and settings.batch_size > 1:
        text = (
            f"detect() wants exactly {settings.batch_size:g} images at a time (IMAGES_PER_GPU * GPU_COUNT), and "
            "stops at any other number."
        )
        fix = "For inference make a class of it with GPU_COUNT = 1 and IMAGES_PER_GPU = 1; the weights fit."
        yield Finding("note", "IMAGES_PER_GPU", text, line("IMAGES_PER_GPU"), fix)


def below_chance(key, value, n_classes, line=None):
    """Return the finding that a minimal confidence leaves nothing out."""
    text = (
        f"{value:g} leaves nothing out: a box has the class of the highest of {n_classes} scores, which is never below "
        f"1/{n_classes}."
    )
    return Finding("warning", key, text, line, f"A value above {1 / n_classes:.2g} acts.")


def loose_suppression(key, value, line=None):
    """Return the finding that suppression keeps boxes that overlap a lot."""
    text = (
        f"{value:g} keeps two boxes that share up to {value:.0%} of their union: one opacity is marked twice, and in "
        "the challenge's score the second is a false alarm. A higher minimal confidence does not mend that."
    )
    return Finding("warning", key, text, line, "0.1 to 0.3; needs no retraining.")
