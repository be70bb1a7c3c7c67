"""Panels: controls on top of drawings, one file a panel. Each is imported when it is asked for."""

from __future__ import annotations

import importlib

# The panel: its module. A line each.
PANELS = {
    "ThresholdExplorer": "threshold_explorer",
    "NmsStepper": "nms_stepper",
    "AnchorExplorer": "anchor_explorer",
    "RoiAlignBench": "roi_align_bench",
    "ProposalFunnel": "proposal_funnel",
    "MaskThreshold": "mask_threshold",
    "TrainingMonitor": "training_monitor",
}


def __getattr__(name):
    """Return a panel by its name."""
    if name not in PANELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{PANELS[name]}"), name)
