"""How fast the whole detector is: seconds an image, seconds a training step, and memory, beside Matterport's.

The sides take turns in one process, with the same weights, handed to Matterport as an ``.h5`` file, the same films and
the same number of threads; what is told is a ratio of medians. Memory is the most that a process of its own held.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mini_rcnn.weights import load_weights, save_weights

from . import detector_inputs as inputs
from .stages import describe_machine, quieten_tensorflow

PARTS = ("detection", "training")
RUNS = {"detection": 11, "training": 3}
BATCH_SIZE = 2


def timed(run):
    """Return how long one run takes, seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def take_turns(runners, n_runs):
    """Return ``{name: seconds of each counted run}``; one turn before them builds graphs and is not counted."""
    seconds = {name: [] for name in runners}
    for turn in range(-1, n_runs):
        for name, run in runners.items():
            taken = timed(run)
            if turn >= 0:
                seconds[name].append(taken)
    return seconds


def summary(seconds):
    """Return median and shortest of each side, and the ratios of Matterport's to ours where both are there."""
    result = {
        name: {"median_s": statistics.median(runs), "shortest_s": min(runs), "runs": len(runs)}
        for name, runs in seconds.items()
    }
    return {"sides": result, **ratios(result)}


def ratios(sides):
    """Return how many times as long as ours Matterport takes, by medians and by the shortest runs."""
    if set(inputs.SIDES) - set(sides):
        return {}
    ours, theirs = (sides[side] for side in inputs.SIDES)
    return {"ratio": theirs["median_s"] / ours["median_s"], "ratio_shortest": theirs["shortest_s"] / ours["shortest_s"]}


def measure_detection(config, network, weights, n_runs):
    """Return what detection takes, by how much is found on the films."""
    films = list(inputs.make_films(config.image.size))
    sides = {side: inputs.detector_of(side, config, weights) for side in inputs.sides_there(network)}
    results = {}
    for name, certainty in inputs.FOUND.items():
        counts = {}
        for side, (detector, find) in sides.items():
            detector.load(inputs.with_certainty(weights, certainty))
            counts[side] = [len(find(film).scores) for film in films]
        turns = {side: FilmAfterFilm(find, films) for side, (_, find) in sides.items()}
        results[name] = {"found": counts, **summary(take_turns(turns, n_runs))}
    return results


class FilmAfterFilm:
    """A function of nothing that hands over the next film at each call."""

    def __init__(self, find, films):
        self.find, self.films, self.calls = find, films, 0

    def __call__(self):
        """Find what is on the next film."""
        self.calls += 1
        return self.find(self.films[self.calls % len(self.films)])


def measure_training(config, network, weights, n_runs):
    """Return what a training step takes, side by side, and the parts of ours."""
    from .detector_parts import StepParts

    batch = inputs.make_batch(config, BATCH_SIZE)
    steps = {side: inputs.step_of(side, config, weights, batch) for side in inputs.sides_there(network)}
    result = summary(take_turns(steps, n_runs))
    result["images_per_s"] = {side: BATCH_SIZE / told["median_s"] for side, told in result["sides"].items()}
    del steps
    step = StepParts(config, weights, batch)
    runs = {
        (name, way): run for name, part in step.parts.items() for way, run in part._asdict().items() if run is not None
    }
    seconds = take_turns(runs, n_runs)
    result["parts"] = {
        name: {way: statistics.median(seconds[name, way]) for way in part._fields if (name, way) in seconds}
        for name, part in step.parts.items()
    }
    return {**result, "objects": step.n_objects}


def peak_of_process():
    """Return the most memory that this process has held, MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage tells there may be the parent's
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    import psutil

    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):
        return memory.peak_wset / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS: bytes


def hold(part, side, path):
    """Return the most memory of this process after two runs of one part on one side."""
    weights, config, _ = load_weights(path)
    if part == "detection":
        _, find = inputs.detector_of(side, config, weights)
        run = FilmAfterFilm(find, list(inputs.make_films(config.image.size)))
    else:
        run = inputs.step_of(side, config, weights, inputs.make_batch(config, BATCH_SIZE))
    run()
    run()
    return peak_of_process()


def memory_elsewhere(part, network, weights, config):
    """Return `hold` of each side, MiB, measured in a fresh process each."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bench.weights.npz")
        save_weights(path, weights, config)
        for side in inputs.sides_there(network):
            arguments = ["--memory-of", part, side, path]
            command = [sys.executable, "-c", f"from {__name__} import main; main({arguments!r})"]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            peaks[side] = float(done.stdout.split()[-1])
    return peaks


def measure(options, report):
    """Return everything asked for, as a dict that JSON can hold."""
    config = inputs.make_config(options.network, options.size)
    weights = inputs.make_weights(config)
    told = {"machine": describe_machine(), "network": options.network, "size": options.size}
    for part, function in zip(PARTS, (measure_detection, measure_training)):
        if options.part in (part, "all"):
            report(f"timing {part} ...")
            measured = function(config, options.network, weights, options.runs or RUNS[part])
            told[part] = {"time": measured} if part == "training" else {"by_found": measured}
            if not options.no_memory:
                report(f"memory of {part} ...")
                told[part]["peak_mib"] = memory_elsewhere(part, options.network, weights, config)
    return {**told, "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}


def make_parser():
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py bench detector",
        description="Time detection and training, beside Matterport's in the classic environment.",
        epilog="example: python3 lab.py bench detector --part detection --runs 21",
    )
    parser.add_argument("--runs", type=int, help="counted runs of each side (default: detection 11, training 3)")
    parser.add_argument("--part", choices=(*PARTS, "all"), default="all", help="what is timed (default all)")
    parser.add_argument("--size", type=int, default=256, help="pixels a side of the network's input (default 256)")
    parser.add_argument("--network", choices=list(inputs.NETWORKS), default="resnet101", help="(default resnet101)")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out, which takes a process each")
    parser.add_argument("--beside", metavar="FILE", help="JSON of a run in the classic environment to compare with")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--memory-of", nargs=3, metavar=("PART", "SIDE", "WEIGHTS"), help=argparse.SUPPRESS)
    return parser


def main(argv=None):
    """Measure the detector, print the table, and return 0."""
    from .detector_table import read_other, table

    parser = make_parser()
    options = parser.parse_args(argv)
    if options.runs is not None and options.runs < 1:
        parser.error(f"--runs must be at least 1, got {options.runs}")
    if options.size < 64 or options.size % 64:
        parser.error(f"--size must be a multiple of 64, got {options.size}")
    try:
        other = read_other(options.beside) if options.beside else None
    except ValueError as error:
        parser.error(str(error))
    quieten_tensorflow()
    if options.memory_of:
        print(hold(*options.memory_of))
        return 0
    told = measure(options, lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(told, indent=2) if options.json else table(told, other))
    return 0
