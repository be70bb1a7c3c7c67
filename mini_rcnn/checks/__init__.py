"""Checks: a student's function against the cases of its exercise, and what is said of it."""

from __future__ import annotations

from .check import check
from .judging import judge

__all__ = ["check", "judge"]
