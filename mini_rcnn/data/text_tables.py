"""Tables as text that is the same in every environment, for commands and notebooks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Table(NamedTuple):
    """A table: the names of its columns, and rows of text and plain numbers. None stands for "there is none"."""

    columns: tuple
    rows: list


def share(part, whole):
    """Return a part as a text of percent, "-" of nothing.

    Examples
    --------
    >>> share(1, 3), share(0, 0)
    ('33.3 %', '-')
    """
    return f"{100 * part / whole:.1f} %" if whole else "-"


QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
QUANTILE_NAMES = ("least", "5 %", "25 %", "median", "75 %", "95 %", "most")


def quantiles(values, wanted=QUANTILES):
    """Return quantiles as plain floats, or None for each where there are no values.

    Examples
    --------
    >>> quantiles([1, 2, 4], (0.0, 0.5, 0.75)), quantiles([], (0.5,))
    ([1.0, 2.0, 3.0], [None])
    """
    return [float(q) for q in np.quantile(values, wanted)] if len(values) else [None] * len(wanted)


def cell_text(value):
    """Return a cell as text: integers with thousands apart, other numbers to one digit, None as "-"."""
    if value is None:
        return "-"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    return f"{value:,.1f}" if isinstance(value, (float, np.floating)) else str(value)


def format_table(table):
    """Return a table as text, words to the left and numbers to the right; the same in every environment.

    Parameters
    ----------
    table : Table

    Returns
    -------
    str
        Lines without blanks at their ends.

    Examples
    --------
    >>> print(format_table(Table(("class", "images", "share"), [("Normal", 8851, "33.2 %"), ("all", 26684, None)])))
    class   images   share
    Normal   8,851  33.2 %
    all     26,684       -
    """
    lines = [list(table.columns)] + [[cell_text(value) for value in row] for row in table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0])] + [cell.rjust(w) for cell, w in zip(line[1:], widths[1:])]).rstrip()
        for line in lines
    )
