"""Record the curves of a training that learns its few films by heart: what lab 10 draws beside the demo's.

The demo's network learns from 100 phantoms, never changed, at one rate, and is judged on 100 others. A few minutes on
one CPU core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
N_FILMS, SEED, EPOCHS, STEPS = 200, 1000, 16, 60


def record(folder, out):
    """Train in a folder, and copy the table of epochs to a file."""
    from mini_rcnn.data.cache import open_prepared, prepare_folder
    from mini_rcnn.data.phantom_files import write_phantoms
    from mini_rcnn.data.rsna import load_records
    from mini_rcnn.data.splits import side_records, split_by_patient
    from mini_rcnn.training import devices
    from mini_rcnn.training.feed import Data, Feed
    from mini_rcnn.training.loop import Loop
    from mini_rcnn.training.presets import DEMO
    from mini_rcnn.training.settings import Stage, changed_training
    from mini_rcnn.training.start import random_start, record_statistics
    from mini_rcnn.training.step import Learner

    config, stages = DEMO.config, (Stage(EPOCHS, 0.002),)
    plain = {"average": 0.0, "choose_threshold": False, "augmentation": "none", "norms": "recorded", "best_by": "loss"}
    training = changed_training(DEMO.training, stages=stages, steps=STEPS, **plain)
    devices.prepare_devices(training, threads=1)
    write_phantoms(folder / "films", N_FILMS, seed=SEED, quiet=True)
    records = load_records(folder / "films")
    prepare_folder(folder / "films", size=config.image.size, records=records, workers=1)
    split = split_by_patient(records, seed=1, fractions=(0.5, 0.5, 0.0))
    sides = [side_records(split, side, records) for side in ("train", "validation")]
    feed = Feed(Data(open_prepared(folder / "films", size=config.image.size), *sides), config, training)
    images = next(iter(feed.statistics_batches())).images
    learner = Learner(config, training, record_statistics(random_start(config, seed=0), images, config))
    (folder / "run").mkdir()
    Loop(learner, feed, folder / "run").run()
    shutil.copyfile(str(folder / "run" / "epochs.csv"), str(out))


def main(argv=None):
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description="Record the curves of a training that learns its films by heart.")
    parser.add_argument("--out", type=Path, required=True, help="the CSV file, such as docs/overfit_epochs.csv")
    options = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder), options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
