"""Draw the pipeline, from image to masks, as ``docs/pipeline.svg``.

Run ``python data_scripts/draw_pipeline.py``. Numbers are worked out from the stages themselves; a stage whose file
does not stand in ``mini_rcnn/stages`` yet is drawn with a dashed line.
"""

from __future__ import annotations

import argparse
import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mini_rcnn.stages.anchors import pyramid_anchors  # noqa: E402  (the path above comes first)

IMAGE_SIZE = 256  # pixels: the slides' network input
STRIDES = (4, 8, 16, 32, 64)  # P2 to P6
SCALES = (32, 64, 128, 256, 512)  # pixels, one a level
RATIOS = (0.5, 1, 2)

# Okabe and Ito's colours, told apart by colour-blind readers too; each also has its own heading.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
BOX_WIDTH, BOX_HEIGHT, GAP, TOP, LEFT, ROW_STEP = 190, 104, 44, 54, 24, 222


class Stage(NamedTuple):
    """One box of the picture."""

    title: str
    lines: tuple
    modules: tuple
    colour: str


def stages():
    """Return the boxes of the picture, in the order of the data."""
    cells = [IMAGE_SIZE // stride for stride in STRIDES]
    n_anchors = len(pyramid_anchors(IMAGE_SIZE, scales=SCALES, ratios=RATIOS, strides=STRIDES))
    return [
        Stage("Image", (f"{IMAGE_SIZE} × {IMAGE_SIZE}, padded", "mean pixel taken away"), ("image",), BLUE),
        Stage("Backbone", ("ResNet: C2 … C5", f"{cells[0]}² … {cells[3]}² cells"), ("backbone",), BLUE),
        Stage("Feature pyramid", (f"P2 … P6: {cells[0]}² … {cells[4]}²", "256 channels each"), ("fpn",), BLUE),
        Stage("RPN and anchors", (f"{n_anchors:,} anchors:", "a score and 4 deltas each"), ("rpn", "anchors"), ORANGE),
        Stage("Proposals", ("best 6,000, moved, NMS:", "at most 1,000 boxes"), ("proposals", "nms"), ORANGE),
        Stage("RoIAlign", ("features under a box,", "7 × 7 × 256"), ("roi_align",), GREEN),
        Stage("Heads", ("a score and 4 deltas", "for each class"), ("heads",), GREEN),
        Stage("Detections", ("confidence, then NMS:", "boxes, classes, scores"), ("detections", "nms"), GREEN),
        Stage("Masks", ("28 × 28 logits a box:", "sigmoid, stretch, threshold"), ("masks",), GREEN),
        Stage("Back to the film", ("boxes and masks in", "pixels of the original"), ("image",), GREEN),
    ]


def text(x, y, words, size, *, weight="normal", fill="#222222", family="sans-serif", anchor="middle"):
    """Return one line of text."""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'font-family="{family}" text-anchor="{anchor}">{escape(words)}</text>'
    )


def draw_stage(stage, x, y, written):
    """Return one box with its words; dashed if one of its modules is not written yet."""
    dashes = "" if set(stage.modules) <= written else ' stroke-dasharray="7 5"'
    middle = x + BOX_WIDTH / 2
    parts = [
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="10" fill="white" '
        f'stroke="{stage.colour}" stroke-width="3"{dashes}/>',
        text(middle, y + 27, stage.title, 18, weight="bold", fill=stage.colour),
    ]
    parts += [text(middle, y + 50 + 19 * i, line, 14) for i, line in enumerate(stage.lines)]
    files = " · ".join(f"{module}.py" for module in stage.modules)
    parts.append(text(middle, y + BOX_HEIGHT - 11, files, 12, fill="#555555", family="monospace"))
    return parts


def arrow(points):
    """Return a line with an arrow head through the points."""
    path = " L ".join(f"{x} {y}" for x, y in points)
    return f'<path d="M {path}" fill="none" stroke="#444444" stroke-width="2.5" marker-end="url(#head)"/>'


def draw(written):
    """Return the picture as SVG text, given the names of the modules that are written."""
    boxes, per_row = stages(), 5
    width = 2 * LEFT + per_row * BOX_WIDTH + (per_row - 1) * GAP
    height = TOP + ROW_STEP + BOX_HEIGHT + 62
    places = [(LEFT + (i % per_row) * (BOX_WIDTH + GAP), TOP + (i // per_row) * ROW_STEP) for i in range(len(boxes))]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="The stages of Mask R-CNN, from image to masks">',
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M 0 0 L 10 5 L 0 10 z" fill="#444444"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fafafa"/>',
        text(LEFT, 34, "What the network sees", 17, weight="bold", fill=BLUE, anchor="start"),
        text(places[3][0], 34, "Where to look", 17, weight="bold", fill=ORANGE, anchor="start"),
        text(
            places[6][0],
            TOP + ROW_STEP - 22,
            "What is there, exactly where, and its shape",
            17,
            weight="bold",
            fill=GREEN,
            anchor="start",
        ),
    ]
    for stage, (x, y) in zip(boxes, places):
        parts += draw_stage(stage, x, y, written)
    for (x, y), (next_x, next_y) in zip(places, places[1:]):
        if y == next_y:
            parts.append(arrow([(x + BOX_WIDTH + 3, y + BOX_HEIGHT / 2), (next_x - 4, y + BOX_HEIGHT / 2)]))
        else:
            turn = y + BOX_HEIGHT + 24
            parts.append(
                arrow(
                    [
                        (x + BOX_WIDTH / 2, y + BOX_HEIGHT + 3),
                        (x + BOX_WIDTH / 2, turn),
                        (next_x + 30, turn),
                        (next_x + 30, next_y - 4),
                    ]
                )
            )
    parts += skip_arrow(places)
    if any(not set(stage.modules) <= written for stage in boxes):
        parts.append(
            text(
                LEFT,
                height - 14,
                "Solid: written twice, in mini_rcnn/stages (NumPy) and mini_rcnn/stages_tf "
                "(TensorFlow). Dashed: still to come.",
                14,
                fill="#555555",
                anchor="start",
            )
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def skip_arrow(places):
    """Return the arrow by which features reach RoIAlign, past the proposals, with its label."""
    x, y = places[2]
    target_x, target_y = places[5]
    turn = y + BOX_HEIGHT + 50
    start = x + BOX_WIDTH / 2
    return [
        arrow(
            [
                (start, y + BOX_HEIGHT + 3),
                (start, turn),
                (target_x + BOX_WIDTH - 30, turn),
                (target_x + BOX_WIDTH - 30, target_y - 4),
            ]
        ),
        text(start - 8, turn - 6, "features P2 … P5", 13, fill="#444444", anchor="end"),
        text(places[4][0] + BOX_WIDTH / 2 - 8, turn - 32, "boxes", 13, fill="#444444", anchor="end"),
    ]


def main(argv=None):
    """Write the picture, in one rename."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pipeline.svg")
    out = parser.parse_args(argv).out
    written = {path.stem for path in (ROOT / "mini_rcnn" / "stages").glob("*.py")}
    beside = out.with_name(out.name + ".new")
    beside.write_bytes(draw(written).encode("utf-8"))
    beside.replace(out)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
