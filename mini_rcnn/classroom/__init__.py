"""What every lab imports: its films and its detector, checks, and figures shown under a cell."""

from __future__ import annotations

from mini_rcnn.checks import check
from mini_rcnn.view.show import show

from .lab import Lab, start_lab

__all__ = ["Lab", "check", "show", "start_lab"]
