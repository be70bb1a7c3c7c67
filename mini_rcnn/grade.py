"""``python3 lab.py grade FOLDER``: a class's notebooks, each run in a kernel of its own, and what each earned."""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from .data.files import written_beside
from .data.workers import usable_cores
from .grading.catalogue import all_labs
from .grading.exchange import hidden_seeds
from .grading.marking import Limits
from .grading.pool import grade_all
from .grading.submissions import NotebookError, find_submissions
from .grading.tables import by_exercise, canvas_text, details_text, moodle_texts, rows_of, summary
from .train import number_of
from .verbs import in_one_line

NAME = "python3 lab.py grade"
LARGEST_SEED = 1 << 31
EPILOG = """examples:
  python3 lab.py grade submissions --csv grades.csv
  python3 lab.py grade submissions --csv grades.csv --moodle worksheet.csv --points 20
  python3 lab.py grade submissions --csv again.csv --seed 81723      the same hidden cases once more

Every notebook below the folder is read, whatever it is called; Moodle's and Canvas's names of folders and files are
understood. Each runs from the top in a copy, in a fresh kernel, with limits of time and memory. Every function of an
exercise is judged on the cases that the lab's check shows and on others that nobody has seen; what a notebook prints,
and what it does to its checks, counts for nothing. Cells that cannot change an answer (unchanged ones that draw, and
checks) are left out.

This is no sandbox: a notebook can do whatever you can do on this machine. Where you do not trust a class, grade in a
container, or as a user who owns nothing.

--moodle writes a grading worksheet for the assignment's "Upload grading worksheet" (one file a lab), --canvas a table
for "Import" in the gradebook. The exit code is 0 if every notebook was graded, 1 if one could not be."""


def make_parser():
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Grade a folder of notebooks.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole, add = number_of(int, 0, "a whole number"), parser.add_argument
    positive, limits = number_of(float, 0.1, "a number"), Limits()
    add("folder", type=Path, metavar="FOLDER", help="that the notebooks lie in, at any depth")
    add("--csv", type=Path, metavar="FILE", help="a line for each exercise of each notebook")
    add("--moodle", type=Path, metavar="FILE", help="for Moodle; with several labs FILE-03.csv, FILE-04.csv ...")
    add("--canvas", type=Path, metavar="FILE", help="for Canvas, a column a lab")
    add("--points", type=positive, default=100.0, metavar="P", help="of a lab, all exercises ok (default 100)")
    add("--seed", type=whole, metavar="N", help="of the hidden cases (default: drawn, and written in the CSV)")
    add("--hidden", type=whole, default=2, metavar="N", help="sets of hidden cases (default %(default)s)")
    add("--jobs", type=number_of(int, 1, "a whole number"), metavar="N", help="notebooks at a time (default: cores)")
    add("--memory", type=positive, default=limits.memory / (1 << 30), metavar="GB", help="of a kernel and what it "
        "starts (default %(default)g)")  # fmt: skip
    add("--cell-seconds", type=positive, default=limits.cell, metavar="S", help="of a cell (default %(default)g)")
    add("--case-seconds", type=positive, default=limits.case, metavar="S", help="of a case (default %(default)g)")
    add("--notebook-seconds", type=positive, default=limits.notebook, metavar="S", help="of a notebook (default "
        "%(default)g)")  # fmt: skip
    add("--all-cells", action="store_true", help="run cells that cannot change an answer, too")
    add("--quiet", action="store_true", help="no progress bar")
    return parser


def check_outputs(paths):
    """Raise for what cannot be written, before anything is graded."""
    for path in filter(None, paths):
        if path.is_dir():
            raise NotebookError(f"{path}: this is a folder; name the file to be written.")
        path.parent.mkdir(parents=True, exist_ok=True)
    if len({path.resolve() for path in filter(None, paths)}) != len(list(filter(None, paths))):
        raise NotebookError("--csv, --moodle and --canvas must name different files.")


def moodle_paths(path, labs):
    """Return ``{lab: path}`` of the worksheets."""
    return {lab: path if len(labs) == 1 else path.with_name(f"{path.stem}-{lab}{path.suffix}") for lab in labs}


def write_tables(graded, rows, options):
    """Write what was asked for; return the paths."""
    texts = {}
    if options.csv:
        texts[options.csv] = details_text(rows)
    if options.moodle:
        sheets = moodle_texts(graded, options.points)
        texts.update({path: sheets[lab] for lab, path in moodle_paths(options.moodle, sheets).items()})
    if options.canvas:
        texts[options.canvas] = canvas_text(graded, options.points)
    for path, text in texts.items():
        with written_beside(path, "w") as file:
            file.write(text)
    return list(texts)


def run(options):
    """Grade, write and tell; return the exit code."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no Korean letters shows question marks
    check_outputs([options.csv, options.moodle, options.canvas])
    submissions = find_submissions(options.folder, [lab.stem for lab in all_labs()])
    seed = secrets.randbelow(LARGEST_SEED) if options.seed is None else options.seed
    cores = usable_cores()
    jobs = min(options.jobs or cores, len(submissions))
    limits = Limits(
        cell=options.cell_seconds, case=options.case_seconds, notebook=options.notebook_seconds,
        memory=int(options.memory * (1 << 30)), cores=max(1, cores // jobs),
    )  # fmt: skip
    graded = grade_all(
        submissions, limits=limits, seeds=hidden_seeds(seed, options.hidden), jobs=jobs, all_cells=options.all_cells,
        quiet=options.quiet,
    )  # fmt: skip
    written = write_tables(graded, rows_of(graded, seed), options)
    failed = sum(bool(one.unreadable) for one in graded)
    for line in [*summary(graded, options.points), "", *by_exercise(graded), ""]:
        print(line)
    print(f"{len(graded)} notebooks, {failed} of them not graded. Hidden cases: --seed {seed}")
    for path in written:
        print(f"{path}: written")
    if options.moodle and any(one.submission.system != "moodle" for one in graded):
        print("For Moodle: rows without an Identifier are not in a folder that Moodle named; Moodle skips them.")
    return 1 if failed else 0


def main(argv=None):
    """Run the verb and return its exit code."""
    options = make_parser().parse_args(argv)
    stopped = "Stopped. All kernels have ended, and nothing was written."
    return in_one_line("grade", lambda: run(options), out=options.csv or options.folder, stopped=stopped)
