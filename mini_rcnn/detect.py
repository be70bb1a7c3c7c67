"""``python3 lab.py detect PATH...``: what a network finds on films, as tables, JSON and pictures."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from tqdm import tqdm

from . import __version__, model
from .data.dicom import read_image
from .data.errors import DataError
from .detecting.inputs import films_of, read_network, truth_of
from .detecting.results import film_result, write_detections, write_submission
from .metrics.rsna import rsna_score
from .weights import WeightsError, blaming

EXAMPLE = """examples:
  python3 lab.py detect film.dcm                               with the demo's weights
  python3 lab.py detect data/rsna --weights runs/mine/best.weights.npz
  python3 lab.py detect film.dcm --weights mask_rcnn_pneumonia_0021.h5

What is written: submission.csv in Kaggle's format, detections.json with boxes, scores and masks, and a picture of each
film. The exit code is 0 if every film was read, 1 if some were not, 2 if nothing could be done.
"""
STATEMENT = "This software teaches. It is no medical device, and what it marks is no diagnosis."
NAME = "python3 lab.py detect"


def unit(text):
    """Return a number of [0, 1] from the command line, or raise what argparse expects."""
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    raise argparse.ArgumentTypeError(f"must lie in [0, 1], got {text!r}")


def read_arguments(argv):
    """Return the parsed arguments."""
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Look for pneumonia, or whatever a network was trained for, on films in DICOM.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="+", help="a DICOM file, or a folder: every .dcm in it and below it")
    add("--weights", metavar="FILE", help="ours (.npz) or Matterport's (.h5); default: the demo's")
    add(
        "--config",
        metavar="JSON",
        help="the network of an .h5; default: the slides', ResNet-101, one class, 256 pixels",
    )
    add("--out", metavar="FOLDER", default="runs/detections", help="where the results go (default %(default)s)")
    add("--min-confidence", metavar="X", type=unit, help="leave out what has a lower score (default: the network's)")
    add("--iou-threshold", metavar="X", type=unit, help="of two boxes that overlap more, the better stays (likewise)")
    add("--truth", metavar="FOLDER", help="tables in Kaggle's layout, whose boxes are drawn too; a PATH's own are")
    add("--no-pictures", action="store_true", help="tables alone")
    add("--numpy", action="store_true", help="without TensorFlow: the same, slower")
    return parser.parse_args(argv)


def make_detector(network, *, numpy):
    """Return a function from a film to what is found, warm, and the facts of what it runs on."""
    versions = {"mini_rcnn": __version__, "python": platform.python_version(), "numpy": np.__version__}
    weights, config = network.weights, network.config
    if numpy:
        return named(lambda film: model.detect(film, weights, config)[0], network.file), versions
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # that there is no GPU is no error to a person
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow 1.15 brings a dozen while it is imported, none of them ours
        from . import stages_tf
        from .stages_tf.model import Detector

    find = named(Detector(config, weights).find, network.file)
    find(np.zeros((config.image.size,) * 2, np.uint8))  # builds the graph
    return find, {**versions, "tensorflow": stages_tf.tf.__version__}


def named(find, file):
    """Return a function that finds the same, and names the file where its weights turn out to be of no use."""

    def find_or_tell(film):
        with blaming(file):
            return find(film)

    return find_or_tell


class Clock:
    """Seconds by name, added up."""

    def __init__(self):
        self.seconds = {}

    @contextlib.contextmanager
    def time(self, name):
        """Add what is done inside to a name."""
        begun = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


def look(films, detect, config, out, clock, *, truth, pictures):
    """Return the results of all films that can be read, their scores' ingredients, and what is wrong with the others.

    Parameters
    ----------
    films : dict of str to Path
        By id.
    detect : callable
        From a film (H, W) uint8 to `Found`.
    config : Config
    out : Path
        Where ``pictures/`` goes.
    clock : Clock
    truth : dict of str to ndarray (N, 4)
    pictures : bool

    Returns
    -------
    results : list of dict
        See `mini_rcnn.detecting.results.film_result`.
    scored : list of (truth, predicted, scores)
        Of the films whose truth is known.
    unread : list of str
    """
    results, scored, unread = [], [], []
    for name, path in tqdm(films.items(), file=sys.stderr, unit="film", disable=not sys.stderr.isatty()):
        try:
            with clock.time("reading"):
                film = read_image(path).image
        except DataError as error:
            tqdm.write(f"{NAME}: {error}", file=sys.stderr)
            unread.append(str(error))
            continue
        with clock.time("detecting"):
            found = detect(film)
        with clock.time("writing"):
            picture = f"pictures/{name}.png" if pictures else None
            results.append(film_result(name, path, film.shape, found, config, picture=picture))
            if pictures:
                draw(out / picture, film, found, name, config, truth.get(name))
        if name in truth:
            scored.append((truth[name], found.boxes, found.scores))
    return results, scored, unread


def draw(path, film, found, name, config, truth):
    """Draw a film's picture."""
    from .view.detections import detection_figure
    from .view.style import save_png

    threshold = config.detections.mask_threshold
    figure = detection_figure(film, found, name=name, classes=config.classes, truth=truth, mask_threshold=threshold)
    save_png(figure, path)


def facts_of(network, versions):
    """Return what the results depend on."""
    kept = network.config.detections
    return {
        "weights": {"file": network.file, "sha256": network.sha256},
        "classes": list(network.config.classes),
        "thresholds": {
            "min_confidence": kept.min_confidence,
            "iou_threshold": kept.iou_threshold,
            "mask_threshold": kept.mask_threshold,
        },
        "versions": versions,
        "statement": STATEMENT,
    }


def summary(results, scored, n_faults, clock, out, *, pictures):
    """Return what was done, as text."""
    n_found = [len(result["found"]) for result in results]
    seconds = {name: clock.seconds.get(name, 0.0) / len(results) for name in ("reading", "detecting", "writing")}
    parts = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    rows = [
        ("films", f"{len(results):,}" + (f", and {n_faults:,} that could not be read" if n_faults else "")),
        ("with findings", f"{sum(n > 0 for n in n_found):,}"),
        ("boxes", f"{sum(n_found):,}"),
    ]
    if scored:
        rows.append(("RSNA score", f"{rsna_score(scored):.4f}, on {len(scored):,} whose truth is known"))
    files = ["submission.csv", "detections.json", *(["pictures/"] if pictures else [])]
    rows += [
        ("seconds", f"{sum(seconds.values()):.2f} a film ({parts}), {clock.seconds['start']:.1f} to start"),
        ("results", f"{out}: {', '.join(files)}"),
    ]
    return "\n".join([*(f"{name:14} {text}" for name, text in rows), STATEMENT])


def complain(faults):
    """Write on stderr what is wrong, or what a person should know."""
    for fault in faults:
        print(f"{NAME}: {fault}", file=sys.stderr)


def run(options):
    """Look at the films that the arguments name and return the exit code."""
    clock, out, pictures = Clock(), Path(options.out), not options.no_pictures
    films, faults = films_of(options.paths)
    complain(faults)
    if not films:
        return 2
    with clock.time("start"):
        network = read_network(
            options.weights,
            config_path=options.config,
            min_confidence=options.min_confidence,
            iou_threshold=options.iou_threshold,
        )
        complain([network.note] if network.note else [])
        truth, doubts = truth_of(options.paths, options.truth)
        complain(doubts)
        detect, versions = make_detector(network, numpy=options.numpy)
        if pictures:
            from .view import detections  # noqa: F401  importing matplotlib takes longer than drawing
    results, scored, unread = look(films, detect, network.config, out, clock, truth=truth, pictures=pictures)
    if not results:
        print(f"{NAME}: none of the films could be read; nothing was written.", file=sys.stderr)
        return 2
    write_submission(out / "submission.csv", results)
    write_detections(out / "detections.json", facts_of(network, versions), results, faults + unread)
    print(summary(results, scored, len(unread), clock, out, pictures=pictures))
    return 1 if faults or unread or doubts else 0


def main(argv=None):
    """Run the command and return its exit code."""
    options = read_arguments(sys.argv[1:] if argv is None else argv)
    try:
        return run(options)
    except (DataError, WeightsError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"{NAME}: {error.filename or options.out}: cannot be written or read: {error.strerror}.", file=sys.stderr)
    except KeyboardInterrupt:
        print(
            f"\n{NAME}: stopped. Pictures that were drawn are whole; submission.csv and detections.json come at "
            "the end and were not touched.",
            file=sys.stderr,
        )
        return 130
    return 2
