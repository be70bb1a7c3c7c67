"""``python3 lab.py train``: a preset and films in, a trained detector out."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .data.errors import DataError
from .training.last_words import out_of_memory, watched
from .training.presets import PRESETS, find_preset, list_text
from .training.schedule import with_epochs
from .training.settings import changed_by_text, changed_training
from .verbs import our_own

EPILOG = """examples:
  python3 lab.py train --preset demo --data phantoms --out runs/demo
  python3 lab.py train --preset gpu --data data/rsna --out runs/gpu --set training__batch_size=8
  python3 lab.py train --out runs/gpu --resume

Ctrl-C finishes the step, saves, and says how to go on. --list shows the presets and what they cost."""


def number_of(kind, least, name):
    """Return what argparse calls to read a number of at least ``least``."""

    def read(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not value >= least:
            raise argparse.ArgumentTypeError(f"must be {name} of at least {least}, got {text!r}")
        return value

    return read


def make_parser():
    """Return the command's parser."""
    whole, positive = number_of(int, 0, "a whole number"), number_of(int, 1, "a whole number")
    parser = argparse.ArgumentParser(
        prog="python3 lab.py train",
        description="Train a detector.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--preset", metavar="NAME", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--data", metavar="FOLDER", help="films and tables in Kaggle's layout; `phantoms` draws some")
    parser.add_argument("--out", type=Path, metavar="RUN", help="the run's folder, new unless --resume is said")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    parser.add_argument("--list", action="store_true", help="show the presets")
    parser.add_argument("--set", action="append", default=[], metavar="S__NAME=VALUE", help="change a setting")
    parser.add_argument("--epochs", type=positive, metavar="N", help="of all stages together")
    parser.add_argument("--steps", type=positive, metavar="N", help="of an epoch")
    parser.add_argument("--batch-size", type=positive, metavar="N", help="images a step, all devices together")
    parser.add_argument("--seed", type=whole, metavar="N", help="of everything that is drawn by chance")
    parser.add_argument("--start", metavar="FILE", help="weights to begin with: .npz of this lab, or Matterport's .h5")
    parser.add_argument("--exclude", default="", metavar="LAYER,...", help="layers of --start that begin at random")
    minutes = number_of(float, 0, "a number")
    parser.add_argument("--max-minutes", type=minutes, metavar="M", help="end in time, whatever is done by then")
    parser.add_argument("--checkpoint-every", type=positive, default=100, metavar="N", help="steps (default 100)")
    parser.add_argument("--threads", type=positive, metavar="N", help="of the CPU; with 1 each run gives the same bits")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no line an epoch")
    return parser


def settings_of(options):
    """Return the preset, and the two configurations that the arguments ask for."""
    from .training.run_folder import read_run
    from .training.run_folder import settings_of as settings_of_run

    run = read_run(options.out) if options.resume and options.preset is None else None
    if run is not None:
        preset = PRESETS.get(run["preset"])
        config, training = settings_of_run(run)
        options.data = options.data or run["data"]
        if options.start is None and run["start"]:
            options.start, options.exclude = run["start"]["file"], ",".join(run["start"]["exclude"])
    elif options.preset is None:
        raise ValueError("--preset is missing: --list shows them")
    else:
        preset = find_preset(options.preset)
        config, training = preset.config, preset.training
    if options.data is None:
        raise ValueError("--data is missing: a folder, or `phantoms`")
    given = {"steps": options.steps, "batch_size": options.batch_size, "seed": options.seed}
    training = changed_training(training, **{name: value for name, value in given.items() if value is not None})
    if options.epochs is not None:
        training = with_epochs(training, options.epochs)
    return (preset, *changed_by_text(config, training, options.set))


def begin_weights(options, config, training, feed):
    """Return the weights to begin with."""
    from .training.start import random_start, record_statistics
    from .weights import WeightsError, fit, load_weights, read_matterport, shapes_of

    exclude = tuple(filter(None, options.exclude.split(",")))
    weights = random_start(config, seed=training.seed)
    if options.start is None:
        if training.start == "statistics":
            batch = next(iter(feed.statistics_batches()))
            weights = record_statistics(weights, batch.images, config)
        return weights
    layers = {name.split("/")[0] for name in weights}
    unknown = sorted(set(exclude) - layers)
    if unknown:
        from .config import nearest

        raise WeightsError(f"--exclude: there is no layer {unknown[0]}{nearest(unknown[0], sorted(layers))}")
    if options.start.endswith((".h5", ".hdf5")):
        found = read_matterport(options.start, config, exclude=exclude)
    else:
        found = load_weights(options.start)[0]
        fit(options.start, found, shapes_of(config), exclude=exclude)
    return {**weights, **{name: array for name, array in found.items() if name.split("/")[0] not in exclude}}


def curves_of(folder, tell):
    """Return what draws a run's curves; a picture that fails does not end a training."""

    def draw():
        try:
            from .view.curves import draw_curves

            draw_curves(folder)
        except Exception as error:  # whatever it is: the numbers are in the tables, and the training goes on
            tell(f"the curves could not be drawn: {type(error).__name__}: {error}")

    return draw


def train(options):
    """Train as the arguments say and return the exit code."""
    tell = (lambda text: None) if options.quiet else (lambda text: print(text, flush=True))
    complain = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731 (short, and used as a value)
    preset, config, training = settings_of(options)
    if options.out is None:
        raise ValueError("--out is missing: the folder of the run")
    from .training import run_folder

    run_folder.check_place(options.out, resume=options.resume)  # before TensorFlow is imported and films are drawn
    from .training import devices, films
    from .training.checkpoints import check_fits, newest_checkpoint
    from .training.feed import Feed, fingerprint
    from .training.loop import CHECKPOINTS, Loop, Progress
    from .training.step import Learner
    from .training.stopping import Stopper
    from .training.validation import Scorer
    from .training.words import describe_start, say_end

    devices.prepare_devices(training, threads=options.threads)
    strategy = devices.make_strategy(training.batch_size)
    folder = films.folder_of(options.data, preset, seed=training.seed, quiet=options.quiet, tell=tell)
    data = films.load_data(folder, size=config.image.size, quiet=options.quiet, tell=tell)
    start = start_facts(options)
    run = run_folder.describe_run(
        preset=preset.name if preset else None, config=config, training=training, data=str(options.data),
        data_sha256=fingerprint(data), start=start, command=f"python3 lab.py train {' '.join(options.argv)}",
    )  # fmt: skip
    feed = Feed(data, config, training, tell=complain)
    weights = begin_weights(options, config, training, feed)  # may be refused, and then there is no run
    goes_on = run_folder.open_run(options.out, run, resume=options.resume)
    stopper = Stopper(options.max_minutes, tell=complain)
    try:
        with stopper.listening():
            found = newest_checkpoint(options.out / CHECKPOINTS, tell=complain) if goes_on else None
            if options.resume and found is None:
                tell(f"{options.out}: there is no checkpoint to go on from; it begins at the beginning.")
            learner, progress = Learner(config, training, weights, strategy=strategy), Progress()
            if found is not None:
                check_fits(found, learner.state())
                learner.restore(found.arrays)
                progress = Progress.from_facts(found.facts["progress"])
            scored = training.best_by == "rsna" or training.choose_threshold
            scorer = Scorer(config, data, learner.judged) if scored else None
            facts = {"weights": {"preset": run["preset"], "data": run["data_sha256"], "seed": training.seed}}
            loop = Loop(
                learner, feed, options.out, scorer=scorer, progress=progress, run_facts=facts,
                checkpoint_every=options.checkpoint_every, must_stop=stopper, quiet=options.quiet, tell=tell,
                after_epoch=curves_of(options.out, complain),
            )  # fmt: skip
            tell(describe_start(loop, found, data, folder))
            reason = loop.run()
    finally:
        run_folder.note_broken(options.out, feed.broken)
    text, code = say_end(reason, options.out, loop)
    print(text, flush=True)
    return code


def start_facts(options):
    """Return what is kept of ``--start``: the file, what it holds, and what was excluded."""
    if options.start is None:
        return None
    from .data.files import sha256_of
    from .weights import WeightsError

    if not Path(options.start).is_file():
        raise WeightsError(f"{options.start}: there is no such file.")
    exclude = sorted(filter(None, options.exclude.split(",")))
    return {"file": options.start, "sha256": sha256_of(options.start), "exclude": exclude}


def main(argv=None):
    """Run the command and return its exit code: 0, 130 after Ctrl-C, 1 where something is wrong."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options = make_parser().parse_args(argv)
    options.argv = argv
    if options.list:
        print(list_text())
        return 0
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported: its notes are not for us
    try:
        with watched(last_words(options)):
            return train(options)
    except KeyboardInterrupt:
        print(f"\n{stopped_text(options)}", file=sys.stderr)
        return 130
    except Exception as error:
        text = text_of(error, options)
        if text is None:
            raise
        print(f"python3 lab.py train: {text}", file=sys.stderr)
        return 1


def stopped_text(options):
    """Return what is said after Ctrl-C outside the steps, which end a run in order."""
    from .training.run_folder import RUN

    if options.out is None or not (options.out / RUN).exists():
        return "Stopped before the run began: the same command begins it. Films that were drawn or prepared are kept."
    return f"Stopped. To go on: python3 lab.py train --out {options.out} --resume"


def last_words(options):
    """Return what is said of a training that the system ended."""
    _, config, training = settings_of(options)
    return (
        "python3 lab.py train: the system ended the training. If nobody did so, it was probably "
        f"{out_of_memory(config, training)}. What was saved is there: "
        f"python3 lab.py train --out {options.out} --resume"
    )


def text_of(error, options):
    """Return the text of an error that a person can do something about, None of another."""
    from .training.loop import NotFiniteError

    if isinstance(error, (DataError, NotFiniteError)) or isinstance(error, ValueError) and our_own(error):
        return str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        _, config, training = settings_of(options)
        return out_of_memory(config, training)
    return None
