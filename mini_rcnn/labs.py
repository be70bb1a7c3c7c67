"""``python3 lab.py labs``: the notebooks are built from ``labs/src``, executed, and written where they changed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .data.files import written_beside
from .notebooks.build import notebook_of, sources_of, text_of
from .notebooks.execute import executed
from .notebooks.mistakes_page import mistakes_page
from .notebooks.source import LabError, read_source
from .verbs import in_one_line

LABS = Path(__file__).resolve().parent.parent / "labs"
MISTAKES = "MISTAKES.md"
EPILOG = """examples:
  python3 lab.py labs                    build every notebook, both the exercises and the solutions
  python3 lab.py labs 03 06              these two labs alone
  python3 lab.py labs --check            are the notebooks what their sources say? nothing is executed or written

Edit labs/src/*.py, never a notebook. An exercise is filled from the library: the student gets signature and docstring,
the solution the whole function. The exit code is 0 if all went well (with --check: if all agree), else 1."""


def make_parser():
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py labs",
        description="Build the labs' notebooks from their sources.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("labs", nargs="*", metavar="LAB", help="their numbers, such as 03 (default: all)")
    parser.add_argument("--check", action="store_true", help="only say what is out of step")
    parser.add_argument("--only", choices=("exercises", "solutions"), help="build one of the two alone")
    return parser


def sources(numbers=()):
    """Return the paths of the sources, of all labs or of those whose numbers are given.

    Raises
    ------
    LabError
        If there is no lab of a number.
    """
    paths = sorted((LABS / "src").glob("[0-9][0-9]_*.py"))
    unknown = [number for number in numbers if not any(path.name.startswith(number + "_") for path in paths)]
    if unknown:
        raise LabError(f"there is no lab {unknown[0]!r}; there are {', '.join(path.name[:2] for path in paths)}")
    return [path for path in paths if not numbers or path.name[:2] in numbers]


def notebook_paths(source, only=None):
    """Return ``(solved, path)`` of the notebooks of a source: a lab without exercises has no solution."""
    exercises = any(cell.kind == "exercise" for cell in read_source(source))
    both = [(False, LABS / f"{source.stem}.ipynb"), (True, LABS / "solutions" / f"{source.stem}.ipynb")]
    return [pair for pair in both[: 1 + exercises] if only is None or pair[0] == (only == "solutions")]


def out_of_step(numbers=()):
    """Return a line for each notebook that does not hold its source's cells."""
    lines = []
    for source in sources(numbers):
        for solved, path in notebook_paths(source):
            wanted = sources_of(notebook_of(read_source(source), solved=solved, name=str(source)))
            found = sources_of(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
            if found != wanted:
                what = "is missing" if found is None else "is not what its source says"
                lines.append(f"{path}: {what}. Build it: python3 lab.py labs {source.name[:2]}")
    page = LABS / MISTAKES
    if not numbers and (not page.exists() or page.read_text(encoding="utf-8") != mistakes_page(sources())):
        lines.append(f"{page}: is not what the exercises say. Build it: python3 lab.py labs")
    return lines


def build(numbers, only=None):
    """Build notebooks and write those that changed."""
    for source in sources(numbers):
        for solved, path in notebook_paths(source, only):
            path.parent.mkdir(exist_ok=True)
            made = notebook_of(read_source(source), solved=solved, name=str(source))
            try:
                text = text_of(executed(made, path.parent))
            except LabError as error:
                raise LabError(f"{path}: {error}") from error
            write_if_new(path, text)
    write_if_new(LABS / MISTAKES, mistakes_page(sources()))
    return 0


def write_if_new(path, text):
    """Write a text, whole or not at all, unless the file holds it; say which."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        print(f"{path}: as it was", flush=True)
        return
    with written_beside(path, "w") as file:
        file.write(text)
    print(f"{path}: written", flush=True)


def run(options):
    """Do what the options say and return the exit code."""
    if not options.check:
        return build(options.labs, options.only)
    lines = out_of_step(options.labs)
    for line in lines:
        print(line, file=sys.stderr)
    if not lines:
        print("All notebooks are what their sources say.")
    return 1 if lines else 0


def main(argv=None):
    """Run the verb and return its exit code."""
    options = make_parser().parse_args(argv)
    stopped = "Stopped. Notebooks that were written are whole; the same command goes on."
    return in_one_line("labs", lambda: run(options), out=LABS, stopped=stopped)
