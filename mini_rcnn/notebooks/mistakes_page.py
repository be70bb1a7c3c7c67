"""The teacher's list of common mistakes, made from the exercises themselves so that it cannot fall behind."""

from __future__ import annotations

from mini_rcnn.exercises import all_exercises

from .source import read_source

HEAD = """# Common mistakes, exercise by exercise

Made by `python3 lab.py labs` from `mini_rcnn/exercises/`: the wrong answers that each check knows by sight, and the
hint that it gives. A test gives every one of them as an answer and asks for its own hint. What a student did that
is not in the list gets the smallest case that fails and a general hint.
"""


def mistakes_page(sources):
    """Return the page's text, in Markdown.

    Parameters
    ----------
    sources : list of Path
        Of the labs, in their order.
    """
    by_target = {exercise.target: exercise for exercise in all_exercises().values()}
    parts = [HEAD]
    for source in sources:
        cells = read_source(source)
        asked = [by_target[cell.text] for cell in cells if cell.kind == "exercise" and cell.text in by_target]
        if asked:
            title = cells[0].text.splitlines()[0].lstrip("# ")
            parts.append(f"## {title if title[:2].isdigit() else source.name[:2] + ' · ' + title}\n")
            parts += [exercise_part(exercise) for exercise in asked]
    return "\n".join(parts)


def exercise_part(exercise):
    """Return the part of the page on one exercise."""
    rows = [f"| {in_cell(mistake.name)} | {in_cell(mistake.hint)} |" for mistake in exercise.mistakes]
    module, _, function = exercise.target.partition(":")
    path = module.replace(".", "/") + ".py"
    head = f"### `{exercise.name}`\n\n`{function}` in [{path}](../{path})\n\n| mistake | hint |\n|---|---|\n"
    return head + "\n".join(rows) + "\n"


def in_cell(text):
    r"""Return a text as it may stand in a cell of a table.

    >>> print(in_cell("a | b"))
    a \| b
    """
    return " ".join(text.split()).replace("|", "\\|")
