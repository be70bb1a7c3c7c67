"""What every lab imports: its films and its detector, checks, and figures shown under a cell."""

from __future__ import annotations

import os

from mini_rcnn.checks import check
from mini_rcnn.view.show import show

from .lab import Lab, start_lab

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what TensorFlow says of the processor is no part of a lab

__all__ = ["Lab", "check", "show", "start_lab"]
