"""Write the marks of `experiment negatives` as a table, for the lab on false alarms.

A row for each mark that a network makes on the unseen phantoms: which arm and which seed, the film and its class, the
score, and whether the mark is a hit (IoU of at least 0.4 with a free opacity, the best score first). Films without
marks have no row. The head, lines that begin with ``#``, says what the table was made from and what is not in it.

    python3 lab.py experiment negatives --out runs/negatives
    python data_scripts/tabulate_negatives.py --runs runs/negatives --films FOLDER --out docs/negatives.csv

FOLDER is that of the unseen phantoms, ``phantoms-unseen-1000-400`` beside the films that were learnt from.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mini_rcnn.data.files import written_beside  # noqa: E402
from mini_rcnn.data.rsna import load_records  # noqa: E402
from mini_rcnn.experimenting.arms import NEGATIVES  # noqa: E402
from mini_rcnn.experimenting.compare import set_of  # noqa: E402
from mini_rcnn.experimenting.runs import FOUND, FOUND_FACTS  # noqa: E402
from mini_rcnn.metrics.froc import HIT_IOU  # noqa: E402
from mini_rcnn.metrics.matching import match_free  # noqa: E402
from mini_rcnn.view.style import SHORT_CLASSES  # noqa: E402

SEEDS = (0, 1, 2)


def marks_of(folder, records):
    """Return ``(film, class, score, hit)`` of each mark of a run, films in the order of their ids."""
    facts = json.loads((folder / FOUND_FACTS).read_text(encoding="utf-8"))
    by_id = {record.id: record for record in records}
    films = [by_id[image_id] for image_id in facts["films"]]
    with np.load(str(folder / FOUND)) as kept:
        ends = np.cumsum(kept["counts"])[:-1]
        found = zip(np.split(kept["boxes"], ends), np.split(kept["scores"].astype(np.float64), ends))
        marks = set_of(films, [(film.boxes, *each) for film, each in zip(films, found)])
    hit = match_free(marks, [HIT_IOU])[0] >= 0
    names = [SHORT_CLASSES.get(film.class_name, film.class_name) for film in films]
    return [(image, names[image], score, good) for image, score, good in zip(marks.box_image, marks.scores, hit)]


def head_of(records):
    """Return the lines that stand above the table."""
    names = [SHORT_CLASSES.get(record.class_name, record.class_name) for record in records]
    films = ", ".join(f"{names.count(name)} {name}" for name in ("Opacity", "Not Normal", "Normal"))
    boxes = sum(len(record.boxes) for record in records)
    return [
        "# made by data_scripts/tabulate_negatives.py from python3 lab.py experiment negatives (docs/negatives.md)",
        f"# films: {films}; {boxes} opacities; a hit has an IoU of at least {HIT_IOU:g}",
    ]


def main(argv=None):
    """Write the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--films", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="CSV")
    options = parser.parse_args(argv)
    records = load_records(options.films)
    lines = [*head_of(records), "arm,seed,film,class,score,hit"]
    for arm in NEGATIVES:
        for seed in SEEDS:
            for film, name, score, hit in marks_of(options.runs / f"{arm.name}-{seed}", records):
                lines.append(f"{arm.name},{seed},{film},{name},{score:.6f},{int(hit)}")
    with written_beside(options.out, "w") as file:
        file.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
