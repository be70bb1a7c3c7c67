"""How fast batches are finished: ours from the prepared cache, and Matterport's ``data_generator`` from the films.

Per core: images by second of processor time of this one process, all its threads together. Machines are noisy, so
the loaders take turns, and what is told is a ratio of medians from one run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mini_rcnn.data.augment import augment
from mini_rcnn.data.batches import MEAN_PIXEL, batches
from mini_rcnn.data.bench_parts import one_thread
from mini_rcnn.data.cache import open_prepared, prepare_folder
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.rsna import load_records
from mini_rcnn.data.small_masks import boxes_of, cut_masks, paint_boxes
from mini_rcnn.stages.image import boxes_to_input, normalise

from .stages import describe_machine, quieten_tensorflow

SIZE = 256  # pixels, the slides' network input
OURS_MORE = 8  # so many times the images of the others in a turn: ours would be over before it could be timed
OURS_ALL, OURS, AS_IT_IS, NO_TARGETS = "ours, all images", "ours", "Matterport", "Matterport without RPN targets"
AT_LEAST = 5.0  # how many times as fast as Matterport's


class OurLoader:
    """Our batches, epoch after epoch; `produce` has it finish images."""

    def __init__(self, prepared, records, *, batch_size, augmented):
        self.prepared, self.records, self.batch_size = prepared, records, batch_size
        self.augmentation = augment if augmented else None
        self.made = self.endless()

    def endless(self):
        """Yield the batches of one epoch after another."""
        epoch = 0
        while True:
            yield from batches(
                self.prepared,
                self.records,
                batch_size=self.batch_size,
                seed=1,
                epoch=epoch,
                augmentation=self.augmentation,
            )
            epoch += 1

    def produce(self, n_images):
        """Return how many images it finished: at least so many, in whole batches."""
        done = 0
        while done < n_images:
            done += len(next(self.made).ids)
        return done


def make_loaders(prepared, records, batch_size):
    """Return ``{(name, augmented): loader}`` of what there is in this environment."""
    positive = [record for record in records if len(record.boxes)]
    loaders = {}
    for augmented in (False, True):
        ours = {"batch_size": batch_size, "augmented": augmented}
        loaders[OURS_ALL, augmented] = OurLoader(prepared, records, **ours)
        loaders[OURS, augmented] = OurLoader(prepared, positive, **ours)
        if importlib.util.find_spec("mrcnn") is not None:
            from .matterport_loader import SlidesLoader

            for name, targets in ((AS_IT_IS, True), (NO_TARGETS, False)):
                loaders[name, augmented] = SlidesLoader(positive, size=prepared.size, targets=targets, **ours)
    return loaders


def time_loaders(loaders, n_images, n_runs, report):
    """Return ``{key: [(processor seconds, seconds) per image, one of each turn]}``; the loaders take turns."""
    told = {key: [] for key in loaders}
    for turn in range(-1, n_runs):  # one turn to warm up
        report(f"turn {turn + 1} of {n_runs} ..." if turn >= 0 else "warming up ...")
        for key, loader in loaders.items():
            wanted = n_images * (OURS_MORE if key[0] in (OURS, OURS_ALL) else 1)
            begun = time.process_time(), time.perf_counter()
            done = loader.produce(wanted if turn >= 0 else 1)
            if turn >= 0:
                told[key].append(((time.process_time() - begun[0]) / done, (time.perf_counter() - begun[1]) / done))
    return told


def rows_of(told):
    """Return what was timed, one dict a loader: images by second of processor time, and of the clock."""
    return [
        {
            "loader": name,
            "augmented": augmented,
            "per_core_second": 1 / statistics.median(core for core, _ in seconds),
            "per_second": 1 / statistics.median(clock for _, clock in seconds),
        }
        for (name, augmented), seconds in told.items()
    ]


def held_ratios(rows):
    """Return how many times as fast as Matterport ours is, on the same images, one dict for each way to count."""
    rates = {(row["loader"], row["augmented"]): row["per_core_second"] for row in rows}
    return [
        {
            "of": OURS,
            "to": other,
            "augmented": augmented,
            "ratio": rates[OURS, augmented] / rates[other, augmented],
            "at_least": AT_LEAST,
            "held": rates[OURS, augmented] / rates[other, augmented] >= AT_LEAST,
        }
        for other in (AS_IT_IS, NO_TARGETS)
        for augmented in (False, True)
        if (other, augmented) in rates
    ]


def time_parts(prepared, records, n_rounds=5):
    """Return ``{part: median milliseconds}`` of what ours does for one image with boxes, one image at a time."""
    levels = normalise(np.arange(256)[None], mean=MEAN_PIXEL)[0]
    seconds = {"read and verify": [], "paint masks": [], "augment": [], "boxes and small masks": [], "normalise": []}
    for turn in range(n_rounds):
        for place, record in enumerate(records):
            rng, marks = np.random.default_rng([turn, place]), [time.process_time()]
            image = prepared.image(record.id)
            marks.append(time.process_time())
            masks = paint_boxes(boxes_to_input(record.boxes, prepared.geometry(record.id)), prepared.size)
            marks.append(time.process_time())
            image, masks = augment(image, masks, rng=rng)
            marks.append(time.process_time())
            masks = masks[masks.any(axis=(1, 2))]
            cut_masks(masks, boxes_of(masks))
            marks.append(time.process_time())
            np.take(levels, image, axis=0)
            marks.append(time.process_time())
            for part, begun, ended in zip(seconds, marks, marks[1:]):
                seconds[part].append(ended - begun)
    return {part: 1000 * statistics.median(runs) for part, runs in seconds.items()}


def choose(records, n_images):
    """Return at most so many records that have films, half of them with boxes as far as there are."""
    there = [record for record in records if record.path is not None]
    positive = [record for record in there if len(record.boxes)][: max(1, n_images // 2)]
    if not positive:
        raise DataError("no film with a box is there, and Matterport's loader takes no other; take another folder")
    return positive + [record for record in there if not len(record.boxes)][: n_images - len(positive)]


def measure(folder, n_images, n_runs, batch_size, report):
    """Return everything that is told of a folder; the prepared files go to a temporary folder and away."""
    records = choose(load_records(folder), n_images)
    with tempfile.TemporaryDirectory() as place:
        begun = time.perf_counter()
        summary = prepare_folder(folder, size=SIZE, records=records, to=place, workers=1)
        per_second = summary.made / (time.perf_counter() - begun)
        if summary.broken:
            raise DataError("broken films cannot be timed:\n  " + "\n  ".join(summary.broken.values()))
        prepared = open_prepared(folder, size=SIZE, at=place)
        positive = [record for record in records if len(record.boxes)]
        rows = rows_of(time_loaders(make_loaders(prepared, records, batch_size), n_images, n_runs, report))
        return {
            "images": len(records),
            "with_boxes": len(positive),
            "prepare_per_second": per_second,
            "loaders": rows,
            "parts_ms": time_parts(prepared, positive),
            "held": held_ratios(rows),
        }


def table(told):
    """Return the measurements as text."""
    lines = [f"{'images by second of one core':34}{'plain':>12}{'augmented':>12}"]
    rates = {(row["loader"], row["augmented"]): row["per_core_second"] for row in told["loaders"]}
    names = {OURS_ALL: OURS_ALL, OURS: "ours, images with boxes alone", AS_IT_IS: "Matterport, images with boxes",
             NO_TARGETS: "  its RPN targets held constant"}  # fmt: skip
    for name, title in names.items():
        if (name, False) in rates:
            lines.append(f"{title:34}{rates[name, False]:12.1f}{rates[name, True]:12.1f}")
    lines.append(f"\nFilms to the network's size, once, by one process: {told['prepare_per_second']:.1f} a second")
    lines.append("One image with boxes, one at a time:")
    lines += [f"  {part:24}{ms:8.2f} ms" for part, ms in told["parts_ms"].items()]
    return "\n".join(lines)


def held_table(ratios):
    """Return the ratios and their limit as text."""
    if not ratios:
        return "  nothing: Matterport's loader runs in the classic environment alone"
    return "\n".join(
        f"  {ratio['of']} / {ratio['to']:32}{'augmented' if ratio['augmented'] else 'plain':10}"
        f"{ratio['ratio']:8.1f} x   at least {ratio['at_least']:g} x   {'yes' if ratio['held'] else 'NO'}"
        for ratio in ratios
    )


NOTES = """\
Both on the same images with boxes, since Matterport's generator skips the others. It reads, decodes and shrinks the
DICOM film each time, where ours reads what `data prepare` made once. It also builds RPN targets; with these held
constant the two hand over the same things: image, boxes, classes, masks of 56 x 56."""


def parse(argv):
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py bench data",
        description="Time finished batches, ours and Matterport's, side by side. Nothing is written to FOLDER.",
        epilog="example: python3 lab.py bench data data/phantoms --images 32 --runs 5",
    )
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="films and tables (default: phantoms drawn for it)")
    parser.add_argument("--images", type=int, default=32, help="of the folder; half of them with boxes (default 32)")
    parser.add_argument("--runs", type=int, default=5, help="counted turns of each loader (default 5)")
    parser.add_argument("--batch-size", type=int, default=4, help="images of a batch (default 4)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(argv)
    for name in ("images", "runs", "batch_size"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, got {getattr(options, name)}")
    return options


def main(argv=None):
    """Measure, print the table, and return 0."""
    options = parse(argv)
    one_thread()
    quieten_tensorflow()

    def report(text):
        print(text, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as place:
        folder = options.folder
        if folder is None:
            from mini_rcnn.data.phantom_files import write_phantoms

            folder = Path(place) / "phantoms"
            report(f"drawing {options.images} phantoms ...")
            write_phantoms(folder, options.images, seed=1, quiet=True)
        told = measure(folder, options.images, options.runs, options.batch_size, report)
    if options.json:
        print(json.dumps({"machine": describe_machine(), **told}, indent=2))
    else:
        print(f"{describe_machine()}; {told['images']} films, {told['with_boxes']} with boxes; ", end="")
        print(f"medians of {options.runs} turns\n\n{table(told)}\n\nHeld to:\n{held_table(told['held'])}\n\n{NOTES}")
    return 0
