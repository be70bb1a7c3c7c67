"""The results of an experiment as files: JSON with everything, a table to read, and a figure."""

from __future__ import annotations

from mini_rcnn.data.files import write_json, written_beside
from mini_rcnn.training.run_folder import versions
from mini_rcnn.view.arms import draw_arms

from .compare import SENSITIVITIES, THRESHOLDS

# Rows of the table: what is said of a figure, its name among an arm's, and how it is written.
ROWS = (
    ("average precision (IoU 0.4)", "ap", "{:.3f}"),
    ("FROC, mean of seven", "froc", "{:.3f}"),
    ("image-level AUC", "auc", "{:.3f}"),
    ("RSNA score at its best threshold on these films", "rsna_best", "{:.3f}"),
    ("... and at 0.7", "at.0.7.rsna", "{:.3f}"),
    ("boxes found at 0.7", "at.0.7.sensitivity", "{:.0%}"),
    ("marks on a healthy film at 0.7", "at.0.7.false_marks_per_healthy_film", "{:.2f}"),
    *((f"healthy films marked at {one:g}", f"at.{one:g}.healthy_marked", "{:.1%}") for one in THRESHOLDS),
    ("of class Normal, at 0.7", "at.0.7.normal_marked", "{:.1%}"),
    ("of class Not Normal, at 0.7", "at.0.7.not_normal_marked", "{:.1%}"),
    *(
        (f"healthy films marked where {one:.0%} of the boxes are found", f"equal.{one:g}.healthy_marked", "{:.1%}")
        for one in SENSITIVITIES
    ),
)


def write_report(folder, results, arms, *, command):
    """Write ``results.json``, ``table.md`` and ``figure.png``; return their paths."""
    facts = {"command": command, "versions": versions()}
    write_json(folder / "results.json", {**results, **facts})
    with written_beside(folder / "table.md", "w") as file:
        file.write(table_text(results, arms, facts))
    draw_arms(results, {arm.name: arm.told for arm in arms}, folder / "figure.png")
    return [folder / name for name in ("results.json", "table.md", "figure.png")]


def table_text(results, arms, facts):
    """Return the results as a Markdown table: a row for each figure, a column for each arm."""
    names = [arm.name for arm in arms if arm.name in results["arms"]]
    seeds = len(next(iter(results["runs"].values())))
    films = ", ".join(f"{count} {name}" for name, count in results["films"].items())
    on = f"Python {facts['versions']['python']}, TensorFlow {facts['versions']['tensorflow']}"
    lines = [f"`{facts['command']}`", ""]
    lines += [
        f"Tried on {films}; {results['boxes']} boxes. {seeds} trainings an arm: their mean, and in brackets the "
        f"smallest and the largest. {on}.",
        "",
    ]
    lines += [f"- `{arm.name}`: {arm.told}" for arm in arms if arm.name in names] + [""]
    lines += ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for told, name, form in ROWS:
        lines.append(f"| {told} | " + " | ".join(cell(results["arms"][arm], name, form) for arm in names) + " |")
    for key, ratios in results["ratios"].items():
        cells = ["not known" if ratios[arm] is None else f"{ratios[arm]:.1f} x" for arm in names]
        lines.append(f"| ... as many as {names[-1]}, at {float(key):.0%} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(figures, name, form):
    """Return a figure's mean and range over the seeds, or that not every seed got there.

    >>> cell({"ap": {"mean": 0.5, "low": 0.4, "high": 0.6, "sd": 0.1}}, "ap", "{:.2f}"), cell({}, "ap", "{:.2f}")
    ('0.50 (0.40 to 0.60)', 'not reached')
    """
    if name not in figures:
        return "not reached"
    one = figures[name]
    mean, low, high = (form.format(one[part]) for part in ("mean", "low", "high"))
    return mean if low == high else f"{mean} ({low} to {high})"
