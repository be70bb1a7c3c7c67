"""All that is found in a Matterport configuration."""

from __future__ import annotations

from .findings import sorted_findings
from .matterport_keys import ANCHOR_POSITIVE_IOU
from .matterport_learning import epoch_findings, gradient_findings, idle_findings, target_findings
from .matterport_names import unknown_keys, unread_values, when_keys_act
from .matterport_rates import beyond_configuration, loads_before, rate_findings, script_findings
from .matterport_settings import is_number, settings_of
from .matterport_structure import anchor_findings, network_findings, size_findings
from .matterport_thresholds import threshold_findings
from .truths import fit_finding, most_boxes_finding


def lint_matterport(settings, n_images=None, *, n_boxed=None, script=None, truths=None):
    """Return what is wrong with, and worth knowing about, a configuration of Matterport's ``mrcnn`` 0.2.

    Parameters
    ----------
    settings : class, instance, dict or ClassSource
        Made from ``mrcnn.config.Config``, or its settings by name, or what `read_source` reads from a file.
    n_images : int, optional
        Training images.
    n_boxed : int, optional
        Those of them with boxes: mrcnn trains on no others.
    script : Script, optional
        How the network is trained, as `read_source` reads it.
    truths : Truths, optional
        The boxes of a data folder.

    Returns
    -------
    findings : list of Finding
        Errors first.

    Raises
    ------
    LintError
        If ``settings`` is no configuration.

    Examples
    --------
    >>> slip = {"NAME": "pneumonia", "NUM_CLASSES": 2, "TRAIN_ROIS_PER_IMAGES": 32}
    >>> lint_matterport(slip)[0].message
    'Matterport has no such key, and says nothing: TRAIN_ROIS_PER_IMAGE keeps 200.'
    """
    settings = settings_of(settings)
    if truths is not None:
        n_images, n_boxed = n_images or truths.n_images, n_boxed or truths.n_boxed
    pretrained = loads_before(script, script.trains[0]) if script and script.trains else None
    found = [
        *unknown_keys(settings),
        *network_findings(settings),
        *size_findings(settings),
        *anchor_findings(settings),
        *idle_findings(settings),
        *target_findings(settings),
        *gradient_findings(settings, pretrained=pretrained),
        *epoch_findings(settings, n_images=n_images, n_boxed=n_boxed),
        *rate_findings(settings, script),
        *threshold_findings(settings),
        *script_findings(script),
        *when_keys_act(settings),
        *unread_values(settings, script),
        *beyond_configuration(script, n_images=n_images, n_boxed=n_boxed),
    ]
    return sorted_findings([*found, *(truth_findings(settings, truths) if truths is not None else [])])


def truth_findings(settings, truths):
    """Return what is found where the data's boxes are known, too."""
    found, line = [], settings.lines.get
    size, scales = settings.image_size, settings.row("RPN_ANCHOR_SCALES")
    ratios, strides = settings.row("RPN_ANCHOR_RATIOS"), settings.row("BACKBONE_STRIDES")
    step = settings["RPN_ANCHOR_STRIDE"]
    if size and scales and ratios and strides and is_number(step) and step >= 1 and size >= 64:
        anchors = {"scales": scales, "ratios": ratios, "strides": strides, "anchor_stride": int(step)}
        found += fit_finding(
            truths, size, anchors, iou=ANCHOR_POSITIVE_IOU, key="RPN_ANCHOR_SCALES", line=line("RPN_ANCHOR_SCALES")
        )
    limit = settings["MAX_GT_INSTANCES"]
    if is_number(limit):
        found += most_boxes_finding(truths, limit, "MAX_GT_INSTANCES", line("MAX_GT_INSTANCES"))
    return found
