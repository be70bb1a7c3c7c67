"""The report: one page of HTML that holds everything it shows, made whole before any of it is written."""

from __future__ import annotations

from pathlib import Path

from mini_rcnn.metrics.counts import SURE

from .pictures import figures_of, gallery_of
from .words import FIGURES, GROUP_FIGURES, STATEMENT, interval_text, number_text, rule, told

TEMPLATE = "report.html"
KINDS = {"class": "By class", "view": "By view", "sex": "By sex", "age": "By age, years"}


def report_html(evaluation, *, title, notes=()):
    """Return the report of an evaluation.

    Parameters
    ----------
    evaluation : mini_rcnn.evaluating.measure.Evaluation
    title : str
        What was evaluated, and on what.
    notes : sequence of str
        What a reader has to know.

    Returns
    -------
    html : str
        Without scripts and without anything that is fetched; every text in it is escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    results = evaluation.results
    loader = FileSystemLoader(str(Path(__file__).resolve().parent))
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    sheets, absent = gallery_of(evaluation)
    return pages.get_template(TEMPLATE).render(
        title=title,
        told=told(results),
        rule=rule(results),
        notes=[*notes, *absent],
        headline=headline_rows(results["summary"]),
        bootstrap=results["summary"]["bootstrap"],
        figures=figures_of(results),
        group_columns=[FIGURES[name][0] for name in GROUP_FIGURES],
        kinds=group_tables(results["groups"]),
        sheets=sheets,
        facts=facts_rows(results),
        statement=STATEMENT,
        sure=SURE,
    )


def headline_rows(summary):
    """Return ``(name, value, interval, meaning)`` of each figure, as text."""
    intervals = summary["intervals"] or {}
    return [
        (label, number_text(summary["figures"][name]), interval_text(intervals.get(name)), meaning)
        for name, (label, meaning) in FIGURES.items()
    ]


def group_tables(groups):
    """Return ``(title, rows)`` of each kind; a row is a name, images, boxes and ``(value, interval)`` pairs."""
    tables = []
    for kind, title in KINDS.items():
        rows = []
        for group in groups:
            if group["kind"] == kind:
                intervals = group["intervals"] or {}
                cells = [(number_text(group["figures"][n]), interval_text(intervals.get(n))) for n in GROUP_FIGURES]
                rows.append((group["name"], f"{group['set']['images']:,}", f"{group['set']['truths']:,}", cells))
        if rows:
            tables.append((title, rows))
    return tables


def facts_rows(results):
    """Return ``(name, text)`` of what the results depend on."""
    rows = [(name.replace("_", " "), text) for name, text in results["about"].items() if isinstance(text, (str, int))]
    bootstrap, times = results["summary"]["bootstrap"], results["seconds"]
    if bootstrap["n"]:
        rows.append(("intervals", f"patients drawn {bootstrap['n']:,} times, seed {bootstrap['seed']}"))
    if times:
        rows.append(
            ("time for an image", f"median {1000 * times['median']:.1f} ms, 90 % between {1000 * times['5 %']:.1f} and "
             f"{1000 * times['95 %']:.1f} ms, {times['images']:,} images")
        )  # fmt: skip
    return rows
