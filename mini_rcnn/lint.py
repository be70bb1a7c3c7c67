"""``python3 lab.py lint``: what a configuration means, and what is wrong with it, before anything is trained."""

from __future__ import annotations

import argparse
import json
import sys

from .data.errors import DataError
from .linting.findings import Finding, LintError, plain, report_text
from .linting.matterport import lint_matterport
from .linting.matterport_names import settings_rows
from .linting.matterport_settings import settings_of
from .linting.our_settings import our_rows
from .linting.ours import as_shown_findings, lint_config
from .linting.reading import Ours, read_target
from .linting.truths import read_truths
from .training.presets import AS_SHOWN, PRESETS

NAME = "python3 lab.py lint"
EPILOG = """examples:
  python3 lab.py lint demo --data data/phantoms           a preset, its anchors held against the data
  python3 lab.py lint train.py --images 20684 --boxed 4688    classes made from Matterport's Config
  python3 lab.py lint runs/mine --json                    what a run was started with

A Python file is read and never run: literals and simple arithmetic are worked out, the rest is listed as not read.
Calls of train(), load_weights() and GaussianBlur() in it are read, too. The exit code is 1 if there are errors, 2 if
something cannot be read, else 0.
"""


def whole(text):
    """Return a whole number above 0 from the command line, or raise what argparse expects."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")


def read_arguments(argv):
    """Return the parsed arguments."""
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Say what is wrong with a configuration, ours or Matterport's, and what each setting acts on.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    known = ", ".join([*PRESETS, AS_SHOWN])
    add("target", metavar="PRESET_OR_FILE", help=f"{known}; or a .py, .json or .npz file, or a run's folder")
    add("--class", dest="class_name", metavar="NAME", help="of several classes in a Python file, this one")
    add("--images", type=whole, metavar="N", help="training images: says how often an epoch shows each")
    add("--boxed", type=whole, metavar="N", help="those of them with boxes; Matterport trains on no others")
    add("--data", metavar="FOLDER", help="tables in Kaggle's layout: anchors are held against its boxes")
    add("--json", action="store_true", help="for programs")
    options = parser.parse_args(argv)
    if options.images and options.boxed and options.boxed > options.images:
        parser.error(f"--boxed must not be above --images ({options.images:,}), got {options.boxed:,}")
    return options


def examine(target, options, truths):
    """Return the title, the findings and the table of settings of one target."""
    counts = {"n_images": options.images, "n_boxed": options.boxed, "truths": truths}
    if not isinstance(target, Ours):
        found = lint_matterport(target.settings, script=target.script, **counts)
        return target.title, found, settings_rows(settings_of(target.settings))
    if target.fault:
        return target.title, [Finding("error", "", f"Cannot be made: {target.fault}.")], []
    rows = our_rows(target.config, target.training)
    return target.title, lint_config(target.config, target.training, **counts), rows


def run(options):
    """Examine what the arguments name, print it, and return the exit code."""
    if options.boxed and not options.images and not options.data:
        raise LintError("--boxed needs --images.")
    if options.target == AS_SHOWN:
        reports = [(f"preset {AS_SHOWN}", as_shown_findings(), [])]
    else:
        targets = read_target(options.target, class_name=options.class_name)
        truths = read_truths(options.data) if options.data else None
        reports = [examine(target, options, truths) for target in targets]
    if options.json:
        print(json.dumps([plain(*report) for report in reports], indent=2, default=repr))
    else:
        print("\n\n\n".join(report_text(*report) for report in reports))
    return int(any(one.level == "error" for _, found, _ in reports for one in found))


def main(argv=None):
    """Run the command and return its exit code."""
    options = read_arguments(sys.argv[1:] if argv is None else argv)
    try:
        return run(options)
    except (LintError, DataError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return 2
