"""Whether the `fast` network finds less than ResNet-101: both from nothing, in as many steps, and `fast` in more.

On 256 pixels neither can be trained to a score on two CPU cores; here both see 128 pixels, the same 1,280 phantoms, and
`fast`'s own way to train. One difference is left: the sizes of the network; and, since a step of `fast` takes a fifth
of the time, once more the number of steps. All are judged on 1,600 phantoms that none has seen (`data phantoms --images
1600 --seed 1`). Run it with

    python data_scripts/compare_sizes.py --out runs/sizes

An hour and a half on two cores, most of it for ResNet-101. A run that is whole is not trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

BOTH = (
    "image__size=128",
    "anchors__scales=[8,16,32,64,128]",
    "training__average=0.995",
    "training__warm_up_steps=100",
)
RESNET_101 = (  # what `fast` makes smaller, as `slides` has it
    "backbone__blocks=[3,4,23,3]",
    "backbone__width=64",
    "backbone__pyramid_channels=256",
    "proposals__rpn_channels=512",
    "proposals__pre_nms_limit=6000",
    "proposals__max_proposals=1000",
    "proposals__max_training_proposals=2000",
    "heads__box_units=1024",
    "heads__mask_channels=256",
)
NETWORKS = {"fast": BOTH, "fast-longer": BOTH, "resnet101": BOTH + RESNET_101}
PHANTOMS, EPOCHS, STEPS = 1280, 4, 350
FRACTIONS = (0.85, 0.15, 0.0)  # of the phantoms
TIMES = {"fast-longer": 12 / 7}  # as many steps: 2,400 in place of 1,400


def train_one(name, out, steps):
    """Train a network, or go on with one that was stopped; return the exit code."""
    from mini_rcnn import train
    from mini_rcnn.training.films import draw_films

    folder = out / name
    if (folder / "run.json").exists():
        return train.main(["--out", str(folder), "--resume"])
    given = [f"--set={text}" for text in NETWORKS[name]]
    data = draw_films(PHANTOMS, seed=0, fractions=FRACTIONS)
    lengths = ["--epochs", str(EPOCHS), "--steps", str(round(steps * TIMES.get(name, 1)))]
    return train.main(["--preset", "fast", "--data", str(data), "--out", str(folder), *lengths, *given])


def judge(name, out, films):
    """Return what a network scores on films, at the threshold that was chosen on its validation side."""
    from mini_rcnn import evaluate

    where = out / f"{name}-evaluated"
    best = str(out / name / "best.weights.npz")
    code = evaluate.main([best, "--data", str(films), "--side", "all", "--out", str(where), "--quiet"])
    if code:
        raise SystemExit(code)
    return json.loads((where / "evaluation.json").read_text(encoding="utf-8"))["summary"]


def line(name, summary):
    """Return a network's figures in words."""
    figures, boxes = summary["figures"], summary["counts"]["boxes"]
    draws = summary["intervals"]["rsna"]
    return (
        f"{name}: RSNA score {figures['rsna']:.3f} (95 % of draws {draws['low']:.3f} to {draws['high']:.3f}), "
        f"{boxes['true_positive']} of {boxes['true_positive'] + boxes['false_negative']} boxes found, AP at 0.5 "
        f"{figures['voc_ap']:.3f}, {figures['healthy_marked_share']:.1%} of the films without a box marked"
    )


def main(argv=None):
    """Train and judge both; return 0, or what a training that was stopped returns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    steps = parser.add_argument("--steps", type=int, default=STEPS, metavar="N")
    steps.help = f"of each of {EPOCHS} epochs (default {STEPS})"
    options = parser.parse_args(argv)
    from mini_rcnn.data.phantom_files import write_phantoms

    for name in NETWORKS:
        code = train_one(name, options.out, options.steps)
        if code:
            return code
    films = Path("data", "phantoms-unseen-1600")
    write_phantoms(films, 1600, seed=1)
    print("\n".join(line(name, judge(name, options.out, films)) for name in NETWORKS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
