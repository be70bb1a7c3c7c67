"""What a finding is, and how versions are compared."""

from __future__ import annotations

import re
from dataclasses import dataclass

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor has to say."""

    id: str  # stable, for programs
    severity: str  # OK, NOTE, WARNING or PROBLEM (the lab cannot be used so)
    environment: str  # "classic", "modern", or None for both
    found: str
    matters: str
    type: tuple  # of str: what to type or do, in order


def numbers(version):
    """Return a version as numbers that compare.

    Examples
    --------
    >>> numbers("410.48") < numbers("1000.1")
    True
    """
    return tuple(int(digits) for digits in re.findall(r"\d+", version or ""))


def begins_with(version, wanted):
    """Return whether a version is one of a wanted series, "10.0.130" of "10.0".

    Examples
    --------
    >>> begins_with("10.0.130", "10.0"), begins_with("10.1", "10.0")
    (True, False)
    """
    return numbers(version)[: len(numbers(wanted))] == numbers(wanted)
