"""Hold drawn films beside real ones: a table, the recorded statistics, the committed figure, and a sheet to look at.

  python data_scripts/compare_phantoms.py                                  the table: 20 phantoms a class
  python data_scripts/compare_phantoms.py --images 600 --figure docs/phantoms_beside_real.png
  python data_scripts/compare_phantoms.py --real data/rsna --record tests/recorded/real_film_statistics.json
  python data_scripts/compare_phantoms.py --real data/rsna --sheet runs/sheet.png --blind

Real films are the challenge's, in Kaggle's folder layout; ``--tables`` names a folder with the tables of all of them
where the films are only a part. Into the repository go numbers alone: ``--record`` writes statistics, ``--figure``
draws what is recorded. A sheet shows real films, so it is for your own eyes and is not written into the repository.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mini_rcnn.data.dicom import read_image  # noqa: E402  (the path above comes first)
from mini_rcnn.data.files import write_json  # noqa: E402
from mini_rcnn.data.phantom import draw_phantom  # noqa: E402
from mini_rcnn.data.phantom_files import plain  # noqa: E402
from mini_rcnn.data.phantoms.phantom_measures import BINS, measure_film  # noqa: E402
from mini_rcnn.data.phantoms.phantom_plan import CLASSES, plan_phantoms  # noqa: E402
from mini_rcnn.data.phantoms.phantom_statistics import (  # noqa: E402
    HISTOGRAM_EDGES,
    SUBSAMPLE,
    box_histograms,
    compare,
    make_reference,
    mean_histograms,
)
from mini_rcnn.data.rsna import load_records  # noqa: E402
from mini_rcnn.data.workers import map_items  # noqa: E402
from mini_rcnn.view.films import contact_sheet, side_by_side  # noqa: E402
from mini_rcnn.view.style import BLUE, MAPS, ORANGE, SMALL, new_figure, plain_axes, save_png  # noqa: E402

RECORDED = ROOT / "tests" / "recorded" / "real_film_statistics.json"
SOURCE = (
    "RSNA Pneumonia Detection Challenge 2018, stage 2: boxes of all 26,684 images, grey levels of the films named by "
    "'films'. Images: NIH Clinical Center, ChestX-ray14 (Wang et al., CVPR 2017); annotations: RSNA and STR. "
    "Statistics alone, no pixels."
)
# Real films are a solid line, drawn ones a dashed one.
STYLES = (("real", {"color": BLUE, "linestyle": "-"}), ("drawn", {"color": ORANGE, "linestyle": "--"}))
ON_SHEET = (2, 3, 3)  # films of each class, of each kind


def measure_record(record):
    """Return the measures of a real film."""
    return measure_film(read_image(record.path).image, record.boxes, record.class_name)


def measure_plan(plan):
    """Return the measures of a phantom, as drawn; JPEG would change little."""
    phantom = draw_phantom(plan)
    return measure_film(phantom.image, phantom.boxes, phantom.class_name)


def died(item):
    """Raise that a process ended without a word."""
    raise RuntimeError(f"measuring {item} ended its process")


def first_of_each_class(items, counts):
    """Return the first so many items of each class, class by class."""
    return [one for name, n in zip(CLASSES, counts) for one in [i for i in items if i.class_name == name][:n]]


def record(path, real, tables, command, workers):
    """Measure real films and write what they come to; leave the file alone where nothing changed."""
    records = [one for one in load_records(real) if one.path]
    films = list(map_items(measure_record, records, workers=workers, label="real films", on_death=died))
    reference = plain(make_reference(films, [one.boxes for one in load_records(tables)]))
    counts = {name: sum(film.class_name == name for film in films) for name in CLASSES}
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if {name: old.get(name) for name in reference} != reference:
        about = {"source": SOURCE, "films": counts, "command": command, "date": str(datetime.date.today())}
        write_json(path, {**about, **reference})


def print_table(rows):
    """Print what real and drawn films come to, and mark what lies beyond its limit."""
    print(f"{'quantity':58} {'real':>8} {'drawn':>8} {'differ':>8} {'limit':>7}")
    for row in rows:
        mark = "" if row.fits() else "  <-- beyond"
        print(f"{row.quantity:58} {row.real:8.2f} {row.drawn:8.2f} {row.difference:8.2f} {row.limit:7.2f}{mark}")
    print(f"{sum(row.fits() for row in rows)} of {len(rows)} within their limits")


def draw_lines(axes, edges, pair, *, x, y=None, title=None):
    """Draw two histograms as steps, real and drawn, in percent."""
    for values, (name, style) in zip(pair, STYLES):
        axes.step(edges, 100 * np.append(values, values[-1]), where="post", linewidth=2, label=name, **style)
    axes.set_ylim(bottom=0)
    plain_axes(axes, x=x, y=y, title=title)


def draw_figure(reference, films):
    """Return the committed figure: statistics of real films, as recorded, and of drawn ones."""
    boxes = box_histograms(films, [film.boxes for film in films])
    n_boxes = sum(len(film.boxes) for film in films)
    figure = new_figure(f"{len(films)} phantoms beside real films of the challenge", size=(15, 8))
    grid = figure.add_gridspec(2, 4, left=0.055, right=0.985, top=0.84, bottom=0.085, wspace=0.28, hspace=0.45)
    histograms = mean_histograms(films)
    for column, name in enumerate(CLASSES):
        pair = np.array(reference["histograms"][name]), histograms[name]
        axes = figure.add_subplot(grid[0, column])
        edges = np.linspace(0, 256, BINS + 1)
        draw_lines(axes, edges, pair, x="grey level", y="pixels, %" if not column else None, title=name)
    titles = {"contrast": "Box less its ring", "width": "Box width", "height": "Box height"}
    for (name, edges), place in zip(HISTOGRAM_EDGES.items(), ((1, 0), (1, 1), (0, 3))):
        axes = figure.add_subplot(grid[place])
        pair = np.array(reference["boxes"][name]), boxes[name]
        unit = "grey levels" if name == "contrast" else "pixels"
        draw_lines(axes, edges, pair, x=unit, y="boxes, %" if place[1] in (0, 3) else None, title=titles[name])
    figure.axes[0].legend(fontsize=SMALL, frameon=False, loc="upper left")
    highest = max(np.max(reference["boxes"]["place"]), boxes["place"].max())
    for column, (name, place) in enumerate((("real", reference["boxes"]["place"]), ("drawn", boxes["place"])), 2):
        axes = figure.add_subplot(grid[1, column])
        axes.imshow(place, cmap=MAPS, vmin=0, vmax=highest, extent=(0, 1024, 1024, 0))
        plain_axes(axes, x="x, pixels", y="y, pixels" if column == 2 else None, title=f"Box centres, {name}")
    about = f"solid: real, all 9,555 boxes and {sum(reference['films'].values())} films; dashed: drawn, {n_boxes} boxes"
    figure.text(0.02, 0.925, about, fontsize=SMALL)
    return figure


def draw_sheet(path, real, seed, *, blind):
    """Write a sheet of eight real and eight drawn films; a blind one is shuffled and its key lies beside it."""
    if ROOT in path.resolve().parents and ROOT / "runs" not in path.resolve().parents:
        raise SystemExit(f"{path}: a sheet shows real films, which do not go into the repository; runs/ is fit")
    rng = np.random.default_rng(seed)
    records = [one for one in load_records(real) if one.path]
    records = first_of_each_class([records[i] for i in rng.permutation(len(records))], ON_SHEET)
    plans = plan_phantoms(400, seed=seed)
    plans = first_of_each_class([plans[i] for i in rng.permutation(len(plans))], ON_SHEET)
    phantoms = [draw_phantom(plan) for plan in plans]
    films = [read_image(one.path).image for one in records] + [phantom.image for phantom in phantoms]
    boxes = [one.boxes for one in records] + [phantom.boxes for phantom in phantoms]
    half = len(records)
    if not blind:
        names = ("real films", "drawn films")
        save_png(
            side_by_side(films[:half], films[half:], left_boxes=boxes[:half], right_boxes=boxes[half:], names=names),
            path,
        )
        return
    order = rng.permutation(len(films))
    titles = [f"{place + 1}" for place in range(len(films))]
    save_png(contact_sheet([films[i] for i in order], titles=titles, title="Which ones are drawn?"), path)
    write_json(
        path.with_suffix(".key.json"), {titles[place]: "real" if i < half else "drawn" for place, i in enumerate(order)}
    )


def read_arguments(argv):
    """Return the parsed arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, help="phantoms of the set to draw (default: 20 of each class)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, help="processes (default: every core)")
    parser.add_argument("--real", type=Path, help="folder of real films, for --record and --sheet")
    parser.add_argument("--tables", type=Path, help="folder of the tables of all images (default: --real)")
    parser.add_argument("--record", type=Path, metavar="JSON", help="write the statistics of the real films")
    parser.add_argument("--figure", type=Path, metavar="PNG", help="draw phantoms beside what is recorded")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="eight real films beside eight drawn ones")
    parser.add_argument("--blind", action="store_true", help="shuffle the sheet; its key goes beside it")
    options = parser.parse_args(argv)
    if (options.record or options.sheet) and not options.real:
        parser.error("--record and --sheet need --real FOLDER")
    return options


def main(argv=None):
    """Do what the arguments say and return the exit code: 1 where a quantity lies beyond its limit."""
    options = read_arguments(argv)
    if options.record:
        tables = " --tables TABLES" if options.tables else ""
        command = f"python data_scripts/compare_phantoms.py --real FOLDER{tables} --record {RECORDED.name}"
        record(options.record, options.real, options.tables or options.real, command, options.workers)
        return 0
    if options.sheet:
        draw_sheet(options.sheet, options.real, options.seed, blind=options.blind)
        return 0
    reference = json.loads(RECORDED.read_text(encoding="utf-8"))
    plans = plan_phantoms(options.images or 400, seed=options.seed)
    plans = plans if options.images else first_of_each_class(plans, (SUBSAMPLE,) * 3)
    films = list(map_items(measure_plan, plans, workers=options.workers, label="phantoms", on_death=died))
    if options.figure:
        save_png(draw_figure(reference, films), options.figure)
    rows = compare(reference, films)
    print_table(rows)
    return int(not all(row.fits() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
