"""Train the demo preset from nothing, score it on phantoms it has never seen, and write the weights of the repository.

Writes ``demo.weights.npz`` (float16) and, beside it, ``demo.weights.json``: the command, the seeds, the hash of the
data and the score, which is that of the file as written, read back and run as ``detect`` runs it. A run that has ended
is scored, not trained again. With several threads two trainings differ a little, whatever the seed.

    python data_scripts/make_demo_weights.py --out mini_rcnn
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mini_rcnn.data.dicom import read_image  # noqa: E402
from mini_rcnn.data.files import sha256_of, write_json  # noqa: E402
from mini_rcnn.data.phantom_files import command_of, write_phantoms  # noqa: E402
from mini_rcnn.data.rsna import load_records  # noqa: E402
from mini_rcnn.metrics.rsna import rsna_score  # noqa: E402
from mini_rcnn.train import main as train  # noqa: E402
from mini_rcnn.training.presets import find_preset  # noqa: E402
from mini_rcnn.weights import load_weights, save_weights  # noqa: E402

UNSEEN_SEED = 1000  # of the phantoms that it is scored on; it learns from others


def score_on(folder, weights, config):
    """Return what a detector is worth on a folder of films: the challenge's score, and shares of films marked."""
    import mini_rcnn.stages_tf  # noqa: F401
    from mini_rcnn.stages_tf.model import Detector

    detector, images, marked = Detector(config, weights), [], {}
    for record in load_records(folder):
        found = detector.find(read_image(record.path).image)
        images.append((record.boxes, found.boxes, found.scores))
        marked.setdefault(record.class_name, []).append(len(found.boxes) > 0)
    healthy = [len(boxes) > 0 for truth, boxes, _ in images if not len(truth)]
    return {
        "images": len(images),
        "rsna": round(rsna_score(images), 4),
        "marked": {name: f"{int(np.sum(each))} of {len(each)}" for name, each in sorted(marked.items())},
        "share_of_films_without_boxes_marked": round(float(np.mean(healthy)), 4),
        "threshold": config.detections.min_confidence,
    }


def parse(argv):
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser(description="Train the demo's weights and score them.")
    parser.add_argument("--out", type=Path, required=True, help="folder of demo.weights.npz and .json")
    parser.add_argument(
        "--run", type=Path, default=Path("runs", "demo-weights"), help="trained, or to be trained; default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the training (default 0)")
    parser.add_argument("--unseen", type=int, default=200, help="phantoms to score on (default 200)")
    return parser.parse_args(argv)


def main(argv=None):
    """Train, score and write; return the exit code."""
    options = parse(argv)
    if not (options.run / "last.weights.npz").exists():
        arguments = ["--preset", "demo", "--data", "phantoms", "--out", str(options.run), "--seed", str(options.seed)]
        code = train(arguments)
        if code:
            return code
    weights, config, facts = load_weights(options.run / "best.weights.npz")
    path = options.out / "demo.weights.npz"
    save_weights(path, weights, config, facts=facts, dtype=np.float16)
    unseen = options.run / "unseen"
    write_phantoms(unseen, options.unseen, seed=UNSEEN_SEED)
    weights, config, facts = load_weights(path)
    demo = find_preset("demo")
    run = json.loads((options.run / "run.json").read_text(encoding="utf-8"))
    import tensorflow as tf

    told = {
        "command": "python data_scripts/make_demo_weights.py --out mini_rcnn",
        "train": run["command"],
        "data": command_of(demo.phantoms, seed=run["seed"], more_ill=demo.more_ill),
        "data_sha256": run["data_sha256"],
        "trained_with": run["versions"],
        "scored_with": {"python": platform.python_version(), "tensorflow": tf.__version__},
        "weights_sha256": sha256_of(path),
        "facts": facts,
        "unseen": {
            "command": command_of(options.unseen, seed=UNSEEN_SEED),
            "phantoms_sha256": sha256_of(unseen / "phantoms.json"),
            **score_on(unseen, weights, config),
        },
    }
    write_json(options.out / "demo.weights.json", told)
    print(json.dumps(told["unseen"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
