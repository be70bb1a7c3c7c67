"""Record what Matterport's mrcnn answers, for the environments it does not run in.

Runs in the classic environment: ``python data_scripts/record_matterport.py --out tests/recorded --seed 2022``. Run
twice, it writes the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

SOURCE = "https://pypi.org/project/mrcnn/0.2/"
LICENCE = "MIT, Copyright (c) 2017 Matterport, Inc."
N_RANDOM = 4  # beside the named cases of each stage
INDEX = "recorded.json"


def recorded_references():
    """Return for each stage Matterport's function that is recorded: the first that is listed for it."""
    from mini_rcnn.reference import REFERENCES

    chosen = {}
    for name, (stage, function) in REFERENCES.items():
        chosen.setdefault(stage, (name, function))
    return chosen


def pinned(package):
    """Return version and sha256 of a package with one file, from the classic lock file."""
    text = (ROOT / "locks" / "classic.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(package)}==(\S+) \\\n\s+--hash=sha256:([0-9a-f]{{64}})\s*$", text, re.MULTILINE)
    if not found:
        raise ValueError(f"locks/classic.txt must pin {package} with one sha256, found none or several")
    return found.groups()


def facts(seed):
    """Return what is recorded with what: packages, versions, hash and seed."""
    import keras
    import numpy as np
    import skimage
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pkg_resources  # Python 3.7 has no importlib.metadata

        installed = pkg_resources.get_distribution("mrcnn").version
    version, sha256 = pinned("mrcnn")
    if installed != version:
        raise ValueError(f"mrcnn must be the pinned {version}, got {installed}: run in the classic environment")
    return {
        "package": "mrcnn",
        "version": version,
        "sha256": sha256,
        "seed": seed,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "scikit-image": skimage.__version__,
    }


def cases_with_outputs(stage, seed):
    """Return the named and some random cases of a stage with Matterport's answers, without those it refuses."""
    from mini_rcnn.cases import named_cases, random_cases
    from mini_rcnn.reference import REFUSED

    name, reference = recorded_references()[stage]
    cases = [*named_cases(stage), *random_cases(stage, seed=seed, count=N_RANDOM)]
    return [
        case._replace(outputs=reference(*case.inputs, **case.options))
        for case in cases
        if (name, case.name) not in REFUSED
    ]


def main(argv=None):
    """Write one recording for each stage, and an index with checksums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "tests" / "recorded", help="folder (default: tests/recorded)"
    )
    parser.add_argument("--seed", type=int, default=2022, help="of the random cases (default: 2022)")
    arguments = parser.parse_args(argv)

    from mini_rcnn import matterport, recordings

    matterport.load()
    arguments.out.mkdir(parents=True, exist_ok=True)
    known, files = facts(arguments.seed), {}
    for stage, (name, _) in recorded_references().items():
        path = arguments.out / f"{stage}.npz"
        recordings.save(path, cases_with_outputs(stage, arguments.seed), {**known, "stage": stage, "function": name})
        files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    index = {
        "source": SOURCE,
        "licence": LICENCE,
        **known,
        "files": files,
        "command": f"python data_scripts/record_matterport.py --out tests/recorded --seed {arguments.seed}",
    }
    text = json.dumps(index, indent=2) + "\n"
    (arguments.out / INDEX).write_text(text, encoding="utf-8")
    print(f"{len(files)} recordings in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
