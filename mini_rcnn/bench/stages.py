"""How long the stages take: NumPy, TensorFlow and Matterport's code side by side, on the same inputs.

Machines are noisy, so the implementations of a stage take turns and what is told is a ratio of medians from one run.
Memory is measured in a process of its own for each implementation: the most it held above what it held before.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time

import numpy as np

from mini_rcnn.stages.anchors import pyramid_anchors

IMAGE_SIZE = 256  # pixels, the slides' network input
STRIDES, SCALES, RATIOS = (4, 8, 16, 32, 64), (32, 64, 128, 256, 512), (0.5, 1, 2)
N_CHANNELS = 256  # of every level of the feature pyramid
DELTA_STD = (0.1, 0.1, 0.2, 0.2)
WINDOW = (0.0, 0.0, float(IMAGE_SIZE), float(IMAGE_SIZE))
POOL_SIZE = (7, 7)

# Which ratios are told, and what they are held to: (stage, numerator, denominator, at most).
RATIOS_HELD = (
    ("nms", "NumPy", "TensorFlow's own", 4.0),
    ("crop_and_resize", "NumPy", "TensorFlow's own", 6.0),
    ("nms", "TensorFlow", "Matterport", 1.0),
    ("proposals", "TensorFlow", "Matterport", 1.0),
    ("pyramid_roi_align", "TensorFlow", "Matterport", 1.0),
    ("detections", "TensorFlow", "Matterport", 1.0),
)
SAME = 1.1  # "not slower" cannot be told from "level" below this: so much is noise
IMPLEMENTATIONS = ("NumPy", "TensorFlow", "TensorFlow's own", "Matterport")


def random_boxes(rng, n_boxes, image_size=IMAGE_SIZE):
    """Return boxes of 8 to 96 pixels a side inside the image, (N, 4) float32."""
    sides = rng.uniform(8, 96, (n_boxes, 2))
    corners = rng.uniform(0, 1, (n_boxes, 2)) * (image_size - sides)
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def nms_inputs(rng):
    """Return 6,000 boxes with their scores."""
    return random_boxes(rng, 6000), rng.random(6000, dtype=np.float32)


def proposal_inputs(rng):
    """Return the scores, deltas and anchors of one 256 x 256 image: 16,368 of each."""
    anchors = pyramid_anchors(IMAGE_SIZE, scales=SCALES, ratios=RATIOS, strides=STRIDES).astype(np.float32)
    return (
        rng.random(len(anchors), dtype=np.float32),
        rng.standard_normal((len(anchors), 4)).astype(np.float32),
        anchors,
    )


def pyramid_inputs(rng):
    """Return the feature maps of one image, P2 to P5, and 1,000 boxes."""
    features = {
        f"p{level}": rng.standard_normal((256 // 2**level, 256 // 2**level, N_CHANNELS)).astype(np.float32)
        for level in (2, 3, 4, 5)
    }
    return features, random_boxes(rng, 1000)


def crop_inputs(rng):
    """Return one feature map of 64 x 64 cells and 1,000 boxes in its own pixels."""
    features, boxes = pyramid_inputs(rng)
    return features["p2"], boxes / 4


def detection_inputs(rng):
    """Return 1,000 proposals with probabilities and deltas for two classes."""
    odds = rng.random(1000, dtype=np.float32)
    deltas = rng.standard_normal((1000, 2, 4)).astype(np.float32)
    return random_boxes(rng, 1000), np.stack([1 - odds, odds], axis=1), deltas


NMS = {"iou_threshold": 0.7, "max_boxes": 1000}
PROPOSALS = {
    "window": WINDOW,
    "pre_nms_limit": 6000,
    "max_proposals": 1000,
    "iou_threshold": 0.7,
    "delta_std": DELTA_STD,
}
PYRAMID = {"image_size": (IMAGE_SIZE, IMAGE_SIZE), "output_size": POOL_SIZE}
DETECTIONS = {
    "window": WINDOW,
    "min_confidence": 0.7,
    "iou_threshold": 0.3,
    "max_detections": 100,
    "delta_std": DELTA_STD,
}

# name: (what is timed, our function, its options, the maker of its inputs)
STAGES = {
    "nms": ("NMS: 6,000 boxes, IoU 0.7, at most 1,000 stay", "nms.non_max_suppression", NMS, nms_inputs),
    "proposals": (
        "Proposals: 16,368 anchors, 6,000 into NMS, at most 1,000 out",
        "proposals.propose",
        PROPOSALS,
        proposal_inputs,
    ),
    "crop_and_resize": (
        "crop_and_resize: 1,000 boxes, 7 x 7 x 256",
        "roi_align.crop_and_resize",
        {"output_size": POOL_SIZE},
        crop_inputs,
    ),
    "pyramid_roi_align": (
        "RoIAlign as Matterport: 1,000 boxes, P2 to P5, 7 x 7 x 256",
        "roi_align.pyramid_roi_align",
        PYRAMID,
        pyramid_inputs,
    ),
    "roi_align": (
        "RoIAlign as the paper: 1,000 boxes, 7 x 7 x 256, four points a bin",
        "roi_align.pyramid_roi_align",
        {**PYRAMID, "method": "roi_align"},
        pyramid_inputs,
    ),
    "detections": (
        "Detections: 1,000 proposals, 2 classes",
        "detections.refine_detections",
        DETECTIONS,
        detection_inputs,
    ),
}


def implementation(stage, name):
    """Return a function without arguments that runs one implementation of a stage once, or None if there is none.

    Inputs are NumPy's, so each implementation pays for its own way in.
    """
    _, function, options, make_inputs = STAGES[stage]
    inputs = make_inputs(np.random.default_rng(1))
    if name == "NumPy":
        ours = find_function("mini_rcnn.stages", function)
        return lambda: ours(*inputs, **options)
    if name == "TensorFlow":
        return tensorflow_implementation(find_function("mini_rcnn.stages_tf", function), inputs, options)
    if name == "TensorFlow's own":
        return tensorflow_operation(stage, inputs)
    return matterport_implementation(stage, inputs)


def find_function(package, name):
    """Return the function called ``module.function`` of a package."""
    module, function = name.split(".")
    return getattr(importlib.import_module(f"{package}.{module}"), function)


def tensorflow_implementation(function, inputs, options):
    """Return our twin inside ``tf.function``, from arrays to arrays."""
    import tensorflow.compat.v2 as tf

    graph = tf.function(lambda *tensors: function(*tensors, **options))

    def run():
        tensors = tf.nest.map_structure(tf.constant, tuple(inputs))
        return wait_for(graph(*tensors))

    return run


def wait_for(result):
    """Return TensorFlow's result once it is there, on a GPU too, by fetching one number of it.

    Fetching all would add a copy, which a session of TensorFlow 1, as Matterport's layers run in here, does not make.
    """
    import tensorflow.compat.v2 as tf

    tf.reshape(tf.nest.flatten(result)[0], [-1])[:1].numpy()
    return result


def tensorflow_operation(stage, inputs):
    """Return TensorFlow's single operation for a stage, where it has one."""
    import tensorflow.compat.v2 as tf

    from mini_rcnn import stages_tf  # noqa: F401 (turns eager execution on in TensorFlow 1.15)
    from mini_rcnn.conventions import norm_boxes

    if stage == "nms":
        boxes, scores = inputs
        return lambda: wait_for(tf.image.non_max_suppression(boxes, scores, NMS["max_boxes"], NMS["iou_threshold"]))
    if stage == "crop_and_resize":
        feature, boxes = inputs
        boxes_norm = norm_boxes(boxes, feature.shape[:2])
        image_ids = np.zeros(len(boxes), np.int32)
        return lambda: wait_for(tf.image.crop_and_resize(feature[None], boxes_norm, image_ids, POOL_SIZE))
    return None


def matterport_implementation(stage, inputs):
    """Return Matterport's own code for a stage, where it has one and is installed."""
    if importlib.util.find_spec("mrcnn") is None:
        return None
    from mini_rcnn import matterport
    from mini_rcnn.conventions import norm_boxes

    side = np.float32(IMAGE_SIZE)
    if stage == "nms":
        return lambda: matterport.non_max_suppression(*inputs, NMS["iou_threshold"])
    if stage == "proposals":
        objectness, deltas, anchors = inputs
        options = {key: PROPOSALS[key] for key in ("max_proposals", "iou_threshold", "delta_std")}
        return lambda: matterport.proposal_layer(objectness, deltas, anchors / side, **options)
    if stage == "pyramid_roi_align":
        features, boxes = inputs
        boxes_norm = norm_boxes(boxes, PYRAMID["image_size"])
        return lambda: matterport.pyramid_roi_align(features, boxes_norm, **PYRAMID)
    if stage == "detections":
        proposals, probabilities, deltas = inputs
        options = {key: value for key, value in DETECTIONS.items() if key != "window"}
        window = np.array(WINDOW, np.float32) / side
        return lambda: matterport.refine_detections(proposals / side, probabilities, deltas, window, **options)
    return None


def time_stage(stage, n_runs):
    """Return ``{implementation: seconds of each run}``; the implementations take turns."""
    runners = {name: implementation(stage, name) for name in IMPLEMENTATIONS}
    runners = {name: run for name, run in runners.items() if run is not None}
    seconds = {name: [] for name in runners}
    for turn in range(-2, n_runs):  # two turns to warm up: graphs are traced, caches filled
        for name, run in runners.items():
            start = time.perf_counter()
            run()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def peak_memory(run):
    """Return the most memory, in MiB, that a run holds above what the process held before."""
    import psutil

    process, done, peaks = psutil.Process(), threading.Event(), [0]
    gc.collect()
    before = process.memory_info().rss

    def watch():
        while not done.is_set():
            peaks.append(process.memory_info().rss)
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = run()
    peaks.append(process.memory_info().rss)
    done.set()
    watcher.join()
    del result
    return max(0.0, (max(peaks) - before) / 2**20)


def peak_memory_elsewhere(stage, name):
    """Return `peak_memory` of one implementation's first run, measured in a fresh process."""
    command = [sys.executable, "-m", "mini_rcnn", "bench", "stages", "--memory-of", stage, name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(done.stdout.split()[-1])


def measure(stages, n_runs, with_memory, report):
    """Return what was measured, one dict a stage, telling ``report`` each stage as it begins."""
    rows = []
    for stage in stages:
        report(f"timing {stage} ...")
        seconds = time_stage(stage, n_runs)
        row = {
            "stage": stage,
            "title": STAGES[stage][0],
            "median_ms": {name: 1000 * statistics.median(runs) for name, runs in seconds.items()},
        }
        if with_memory:
            row["peak_mib"] = {name: peak_memory_elsewhere(stage, name) for name in seconds}
        rows.append(row)
    return rows


def held_ratios(rows):
    """Return the ratios that are held to a limit, one dict each, of those whose two sides were measured."""
    medians = {row["stage"]: row["median_ms"] for row in rows}
    return [
        {
            "stage": stage,
            "of": above,
            "to": below,
            "ratio": medians[stage][above] / medians[stage][below],
            "at_most": limit,
            "held": medians[stage][above] / medians[stage][below] <= limit,
        }
        for stage, above, below, limit in RATIOS_HELD
        if above in medians.get(stage, {}) and below in medians[stage]
    ]


def describe_machine():
    """Return one line that says on what it was measured."""
    import tensorflow.compat.v2 as tf

    return (
        f"Python {platform.python_version()}, NumPy {np.__version__}, TensorFlow {tf.__version__}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    )


def table(rows):
    """Return the measurements as a table of text."""
    lines = [f"{'':18}{'':>12}" + "".join(f"{name:>18}" for name in IMPLEMENTATIONS)]
    for row in rows:
        lines.append(row["title"])
        base = row["median_ms"]["TensorFlow"]
        for label, values, form in (
            ("median", row["median_ms"], "{:.1f} ms"),
            ("against TensorFlow", {name: value / base for name, value in row["median_ms"].items()}, "{:.2f} x"),
            ("peak memory", row.get("peak_mib", {}), "{:.0f} MiB"),
        ):
            cells = [form.format(values[name]) if name in values else "-" for name in IMPLEMENTATIONS]
            if values:
                lines.append(f"  {label:28}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def held_table(ratios):
    """Return the ratios and their limits as text."""
    lines = []
    for ratio in ratios:
        sides = f"{ratio['of']} / {ratio['to']}"
        level = ratio["at_most"] == 1 and ratio["ratio"] <= SAME
        verdict = "yes" if ratio["held"] else "level, within noise" if level else "NO"
        lines.append(
            f"  {ratio['stage']:20}{sides:30}{ratio['ratio']:6.2f} x   at most {ratio['at_most']:g} x   {verdict}"
        )
    return "\n".join(lines)


def quieten_tensorflow():
    """Keep TensorFlow's remarks out of the table; must come before its import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")


def main(argv=None):
    """Measure the stages, print the table, and return 0."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py bench stages",
        description="Time the stages side by side.",
        epilog="example: python3 lab.py bench stages --runs 11",
    )
    parser.add_argument("--runs", type=int, default=7, help="counted runs of each implementation (default 7)")
    parser.add_argument("--only", choices=list(STAGES), action="append", help="this stage alone; may be repeated")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out, which takes a process each")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--memory-of", nargs=2, metavar=("STAGE", "IMPLEMENTATION"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.runs < 1:
        parser.error(f"--runs must be at least 1, got {options.runs}")
    quieten_tensorflow()
    if options.memory_of:
        print(peak_memory(implementation(*options.memory_of)))
        return 0
    rows = measure(
        options.only or list(STAGES),
        options.runs,
        not options.no_memory,
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    ratios = held_ratios(rows)
    if options.json:
        print(json.dumps({"machine": describe_machine(), "stages": rows, "held": ratios}, indent=2))
    else:
        print(f"{describe_machine()}; medians of {options.runs} runs\n\n{table(rows)}")
        print(f"\nHeld to:\n{held_table(ratios)}")
    return 0
