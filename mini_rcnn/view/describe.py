"""``python3 lab.py data describe FOLDER --out DIR``: the tables of a folder of films, and its figures as PNG."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np

from mini_rcnn.data import augment, tables
from mini_rcnn.data.dicom import read_image
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.rsna import CLASSES, counts, load_records

from .data_figures import box_place_map, box_size_chart, boxes_per_image_chart, class_chart
from .films import augmentation_sheet, contact_sheet
from .people import people_chart
from .style import SHORT_CLASSES, number_of, save_png

EXAMPLE = """example:
  python3 lab.py data describe data/phantoms --out runs/figures
"""


def read_arguments(argv):
    """Return the parsed arguments."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py data describe",
        description="Print the tables of a folder of films (Kaggle's layout, real or phantoms) and draw its figures.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="FOLDER", help="holds stage_2_train_labels.csv and stage_2_train_images")
    parser.add_argument("--out", metavar="DIR", required=True, help="where the PNGs go")
    parser.add_argument("--films", metavar="N", type=int, default=24, help="films on the contact sheet (default 24)")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="which films are picked (default 0)")
    arguments = parser.parse_args(argv)
    if arguments.films < 0 or arguments.seed < 0:
        parser.error("--films and --seed must be 0 or more")
    return arguments


def pick_records(records, n_films, rng):
    """Return about as many records with films of each class, in the order of the classes, picked by chance."""
    by_class = [[record for record in records if record.class_name == name and record.path] for name in CLASSES]
    by_class = [[of_class[i] for i in rng.permutation(len(of_class))] for of_class in by_class]
    picked = [[] for _ in CLASSES]
    while sum(map(len, picked)) < n_films and any(by_class):
        for of_class, chosen in zip(by_class, picked):
            if of_class and sum(map(len, picked)) < n_films:
                chosen.append(of_class.pop(0))
    return [record for chosen in picked for record in chosen]


def film_title(record):
    """Return a film's class and number of boxes, short."""
    n_boxes = len(record.boxes)
    name = SHORT_CLASSES.get(record.class_name, record.class_name)
    return f"{name}, {number_of(n_boxes, 'box')}" if n_boxes else name


def readable_films(records):
    """Return ``(records, images, faults)`` of the films that can be read, and what is wrong with the others."""
    readable, images, faults = [], [], []
    for record in records:
        try:
            images.append(read_image(record.path).image)
            readable.append(record)
        except DataError as error:
            faults.append(str(error))
    return readable, images, faults


def example_steps(rng, settings=augment.SLIDES):
    """Return two draws of each warp, and the other operations at the end of the slides' ranges."""
    steps = []
    while len(steps) < 4:
        step = augment.draw_geometry(rng, settings)
        if sum(other.name == step.name for other in steps) < 2:
            steps.append(step)
    steps.sort(key=lambda step: step.name)
    for name, key in (("brightness", "factor"), ("contrast", "factor"), ("blur", "sigma"), ("sharpen", "alpha")):
        ends = getattr(settings, name)
        steps += [augment.Step(name, {key: end}) for end in (ends if key == "factor" else ends[1:])]
    return steps


def masks_of_boxes(boxes, size):
    """Return full rectangles as masks (N, H, W), which is what the challenge's masks are."""
    masks = np.zeros((len(boxes), *size), dtype=bool)
    for mask, (y1, x1, y2, x2) in zip(masks, np.rint(boxes).astype(int)):
        mask[max(0, y1) : y2, max(0, x1) : x2] = True
    return masks


def print_tables(records, headers):
    """Print every table, one below the other."""
    told = [tables.class_table(records), tables.boxes_per_image_table(records)]
    told += [tables.box_size_table(records), tables.box_place_table(records)]
    if headers:
        told += [
            tables.view_table(records, headers),
            tables.sex_table(records, headers),
            tables.age_table(records, headers),
        ]
    print("\n\n".join(tables.format_table(table) for table in told))


def count_figures(records, headers):
    """Yield ``(name, figure)`` of the charts."""
    n = counts(records)
    yield (
        "classes",
        class_chart(CLASSES, [n.images_by_class[c] for c in CLASSES], [n.rows_by_class[c] for c in CLASSES]),
    )
    numbers = list(range(max([*n.images_by_rows, *n.images_by_boxes, -1]) + 1))
    of_boxes, of_rows = ([by.get(k, 0) for k in numbers] for by in (n.images_by_boxes, n.images_by_rows))
    yield "boxes_per_image", boxes_per_image_chart(numbers, of_boxes, of_rows)
    yield "box_sizes", box_size_chart(tables.all_boxes(records))
    yield "box_places", box_place_map(tables.box_density(records, grid=64), n_boxes=n.boxes)
    seen = [(record.class_name, headers[record.id]) for record in records if record.id in headers]
    if seen:
        people = [(name, header.age, header.sex, header.view) for name, header in seen]
        yield "people", people_chart(*map(list, zip(*people)))


def film_figures(records, images, rng, *, n_images):
    """Yield ``(name, figure)`` of the sheets of films."""
    if not images:
        print("No film to show: the sheets of films are left out.", file=sys.stderr)
        return
    n_boxes = sum(len(record.boxes) for record in records)
    title = f"{number_of(len(images), 'film')} with {number_of(n_boxes, 'box')}, of {number_of(n_images, 'image')}"
    yield "films", contact_sheet(images, [r.boxes for r in records], [film_title(r) for r in records], title=title)
    first = next((index for index, record in enumerate(records) if len(record.boxes)), 0)
    masks = masks_of_boxes(records[first].boxes, images[first].shape)
    yield "augmentation", augmentation_sheet(images[first], masks, example_steps(rng))


def main(argv=None):
    """Run the command and return its exit code: 1 if a film could not be read, which stderr then names."""
    arguments = read_arguments(sys.argv[1:] if argv is None else argv)
    records = load_records(arguments.folder)
    headers, broken = tables.read_headers(records)
    rng = np.random.default_rng(arguments.seed)
    picked = pick_records([record for record in records if record.id not in broken], arguments.films, rng)
    picked, images, faults = readable_films(picked)
    print_tables(records, headers)
    print()
    charts, sheets = count_figures(records, headers), film_figures(picked, images, rng, n_images=len(records))
    for name, figure in itertools.chain(charts, sheets):
        path = Path(arguments.out) / f"{name}.png"
        save_png(figure, path)
        print(path)
    faults = [*broken.values(), *faults]
    for fault in faults:
        print(f"left out: {fault}", file=sys.stderr)
    return 1 if faults else 0
