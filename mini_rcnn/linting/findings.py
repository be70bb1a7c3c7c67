"""Findings: what is wrong or worth knowing about a configuration, and how they are printed."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass

LEVELS = ("error", "warning", "note")
WIDTH = 100  # columns of the text
INDENT = " " * 9


class LintError(ValueError):
    """What cannot be examined; the text says why and what to do."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    level: str  # one of LEVELS: an "error" stops or changes a training in silence, a "warning" likely spoils it
    key: str  # the setting it is about; "" where it is about no single one
    message: str  # short sentences
    line: int | None = None  # of the file, where there is one
    fix: str = ""  # what to write or do instead; "" where there is nothing to do

    def __post_init__(self):
        if self.level not in LEVELS:
            raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {self.level!r}")


def sorted_findings(findings):
    """Return findings, errors first; of one level those with a line first, in the order of the lines.

    Examples
    --------
    >>> found = [Finding("note", "A", "", 1), Finding("error", "B", "", 9), Finding("error", "C", ""), ]
    >>> [one.key for one in sorted_findings(found)]
    ['B', 'C', 'A']
    """
    return sorted(findings, key=lambda one: (LEVELS.index(one.level), one.line is None, one.line or 0))


def count_text(findings):
    """Return how many findings there are of each level.

    >>> count_text([Finding("error", "A", ""), Finding("note", "B", ""), Finding("note", "C", "")])
    '1 error, 0 warnings, 2 notes'
    """
    counts = [(sum(one.level == level for one in findings), level) for level in LEVELS]
    return ", ".join(f"{n} {level}{'' if n == 1 else 's'}" for n, level in counts)


def finding_text(finding):
    """Return a finding as one paragraph: its level and key, what it says, and what to do.

    Examples
    --------
    >>> print(finding_text(Finding("error", "TRAIN_ROIS", "Nobody reads it.", 3, "Remove it.")))
    error    TRAIN_ROIS, line 3
             Nobody reads it.
             -> Remove it.
    """
    place = ", ".join(filter(None, [finding.key, f"line {finding.line}" if finding.line else ""]))
    lines = [f"{finding.level:9}{place}".rstrip(), *wrapped(finding.message, "")]
    return "\n".join(lines + (wrapped(finding.fix, "-> ") if finding.fix else []))


def wrapped(text, mark):
    """Return lines of text, indented, the first behind a mark."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=INDENT + mark, subsequent_indent=INDENT + " " * len(mark), break_long_words=False
    )


def report_text(title, findings, settings):
    """Return everything as text.

    Parameters
    ----------
    title : str
    findings : list of Finding
    settings : list of dict
        Each with ``key``, ``value``, ``kind`` and ``needs``, see `settings_rows`.
    """
    parts = [title, *map(finding_text, sorted_findings(findings))]
    if settings:
        parts.append(settings_text(settings))
    return "\n\n".join([*parts, count_text(findings)])


def settings_text(rows):
    """Return the table of settings: what each acts on, and what a change needs."""
    widths = [max(len(row[name]) for row in rows) for name in ("key", "value", "kind")]
    lines = ["What each setting acts on, and what a change of it needs:"]
    for row in rows:
        cells = [f"{row[name]:{width}}" for name, width in zip(("key", "value", "kind"), widths)]
        lines.append("  " + "  ".join([*cells, row["needs"]]))
    return "\n".join(lines)


def short(value, limit=32):
    """Return a value as short text.

    >>> short((32, 64)), short("x" * 50, 10)
    ('(32, 64)', "'xxxxxx...")
    """
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def plain(title, findings, settings):
    """Return everything as plain values, for JSON."""
    found = sorted_findings(findings)
    counts = {level: sum(one.level == level for one in found) for level in LEVELS}
    return {"what": title, "counts": counts, "findings": [asdict(one) for one in found], "settings": settings}
