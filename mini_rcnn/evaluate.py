"""``python3 lab.py evaluate RUN_OR_CSV``: how good predictions are, in numbers, curves and films, group by group."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .data.errors import DataError
from .data.files import sha256_of
from .detect import unit
from .evaluating.inputs import ALL, find_side, find_source
from .evaluating.measure import evaluate
from .evaluating.people import facts_of
from .evaluating.results import figures_text, images_text, json_text, submission_text, write_all
from .evaluating.submission import read_submission
from .evaluating.words import terminal
from .train import number_of
from .weights import WeightsError

NAME = "python3 lab.py evaluate"
QUOTED = 5  # broken films that are named
EPILOG = """examples:
  python3 lab.py evaluate submission.csv --data data/rsna              anybody's, in Kaggle's format
  python3 lab.py evaluate runs/detections --data data/phantoms         what detect wrote
  python3 lab.py evaluate runs/mine --data data/rsna --side test       a run of train: its network looks at the films

Written are report.html, evaluation.json, evaluation.csv and images.csv; for a network submission.csv, too. The exit
code is 0 if that was done, else 1."""


def make_parser():
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Measure predictions against the truth: all metrics with intervals, by class, view, sex and age.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole, add = number_of(int, 0, "a whole number"), parser.add_argument
    add("predictions", metavar="RUN_OR_CSV", help="a submission, a folder of detect or train, or weights")
    add("--data", type=Path, required=True, metavar="FOLDER", help="the truth, in Kaggle's layout; films are optional")
    add("--out", type=Path, metavar="FOLDER", help="where the results go (default: beside what is evaluated)")
    add("--threshold", type=unit, metavar="T", help="a box counts from this score on (default: the network's; of a "
        "submission every box counts, as the challenge does it)")  # fmt: skip
    add("--side", choices=("test", "validation", "train", ALL), help="of the folder's split (default: test for a "
        "network, all for a submission)")  # fmt: skip
    add("--partial", action="store_true", help="leave out images that the submission has no line for")
    add("--bootstrap", type=whole, default=1000, metavar="N", help="draws for the intervals (default %(default)s)")
    add("--seed", type=whole, default=0, metavar="N", help="of the draws (default %(default)s)")
    add("--quiet", action="store_true", help="no progress bars")
    return parser


class Predictions:
    """What is evaluated, from a network or from a submission, and what has to be said of it."""

    def __init__(self, found, threshold, about, *, notes=(), seconds=None):
        self.found, self.threshold, self.about = found, threshold, about
        self.notes, self.seconds = list(notes), seconds


def of_network(source, side, options):
    """Return the Predictions of a network on the films of a side."""
    from .evaluating.network import LEAST_SCORE, look

    looked = look(source.path, options.data, side, quiet=options.quiet, tell=lambda text: print(text, flush=True))
    notes = [*looked.notes, f"The network was asked for all boxes that score at least {LEAST_SCORE}."]
    if side.name == "train":
        notes.append("A network that was trained with this split has learnt from these films: the figures flatter it.")
    if side.name == "validation":
        notes.append("Epoch and threshold of a training are chosen on this side: the figures flatter it a little.")
    absent = sum(record.id not in looked.found for record in side.records)
    if absent:
        notes.append(f"{absent:,} of {len(side.records):,} films are absent, broken or unprepared; they are left out.")
    about = {"weights": looked.weights["file"], "sha256": looked.weights["sha256"]}
    return Predictions(looked.found, looked.threshold, about, notes=notes, seconds=looked.seconds)


def of_submission(source, side, facts, options):
    """Return the Predictions in a submission."""
    known = {record.id: facts[record.id].size for record in side.everyone}
    wanted = [record.id for record in side.records]
    submission = read_submission(source.path, known, wanted=wanted, partial=options.partial)
    notes, others = [], len(submission.found) - (len(wanted) - len(submission.missing))
    if submission.missing:
        notes.append(f"{len(submission.missing):,} of {len(wanted):,} images have no line; they are left out.")
    if others:
        notes.append(f"{others:,} lines are of images of other sides; they are left out.")
    about = {"submission": source.path.name, "sha256": sha256_of(source.path)}
    return Predictions(submission.found, 0.0, about, notes=notes)


def run(options):
    """Evaluate, write and tell; return the exit code."""
    source = find_source(options.predictions)
    side = find_side(options.data, options.side, is_network=source.is_network)
    facts, broken = facts_of(options.data, side.records if source.is_network else side.everyone, quiet=options.quiet)
    if source.is_network:
        predictions = of_network(source, side, options)
    else:
        predictions = of_submission(source, side, facts, options)
    records = [record for record in side.records if record.id in predictions.found]
    if not records:
        raise DataError(
            f"{source.path}: none of the {len(side.records):,} images is in it, so nothing can be measured."
        )
    threshold = predictions.threshold if options.threshold is None else options.threshold
    about = {**predictions.about, "data": options.data.resolve().name, "side": side.name, "threshold": str(threshold)}
    evaluation = evaluate(
        records, predictions.found, facts=facts, threshold=threshold, n_bootstrap=options.bootstrap, seed=options.seed,
        seconds=predictions.seconds, about=about,
    )  # fmt: skip
    notes = predictions.notes + people_notes(
        records, facts, [text.replace(str(options.data), about["data"]) for text in broken]
    )
    evaluation.results["notes"] = notes
    out = options.out or source.folder
    texts = texts_of(evaluation, source, about, notes)
    write_all(out, texts)
    again = out / "submission.csv" if source.is_network else options.predictions  # a network need not look twice
    command = f"{NAME} {again} --data {options.data}"
    print(terminal(evaluation.results, out, list(texts), notes, command))
    return 0


def people_notes(records, facts, broken):
    """Return what has to be said of view, sex and age."""
    notes = (
        [f"{len(broken):,} films cannot be read: {'; '.join(broken[:QUOTED])}{'; ...' * (len(broken) > QUOTED)}"]
        if broken
        else []
    )
    unknown = sum(facts[record.id].size is None for record in records)
    if unknown == len(records):
        return [*notes, "No film is there, so view, sex and age are unknown."]
    return notes + ([f"{unknown:,} films are absent: their view, sex and age are unknown."] if unknown else [])


def texts_of(evaluation, source, about, notes):
    """Return every file's text by its name."""
    from .evaluating.report import report_html

    side = "" if about["side"] == ALL else f", {about['side']} side"
    texts = {
        "evaluation.json": json_text(evaluation.results),
        "evaluation.csv": figures_text(evaluation.results),
        "images.csv": images_text(evaluation.images),
    }
    if source.is_network:
        texts["submission.csv"] = submission_text(evaluation.detections)
    title = f"{source.path.resolve().parent.name}/{source.path.name} on {about['data']}{side}"
    return {**texts, "report.html": report_html(evaluation, title=title, notes=notes)}


def main(argv=None):
    """Run the command and return its exit code."""
    options = make_parser().parse_args(sys.argv[1:] if argv is None else argv)
    try:
        return run(options)
    except (DataError, WeightsError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"{NAME}: {error.filename or options.out}: cannot be written or read: {error.strerror}.", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\n{NAME}: stopped; nothing was written.", file=sys.stderr)
        return 130
    return 1
