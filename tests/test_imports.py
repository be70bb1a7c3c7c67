"""Which module may import which: data flows one way, and the light parts stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mini_rcnn"
# A module imports only what stands before it, or beside it in its own part.
ORDER = (
    "mini_rcnn",
    "mini_rcnn.launch",
    "mini_rcnn.config",
    "mini_rcnn.stages",
    "mini_rcnn.data",
    "mini_rcnn.conventions",
    "mini_rcnn.parameters",
    "mini_rcnn.model",
    "mini_rcnn.cases",
    "mini_rcnn.recordings",
    "mini_rcnn.weights",
    "mini_rcnn.stages_tf",
    "mini_rcnn.metrics",
    "mini_rcnn.training",
    "mini_rcnn.exploring",
    "mini_rcnn.linting",
    "mini_rcnn.matterport",
    "mini_rcnn.matterport_detector",
    "mini_rcnn.matterport_training",
    "mini_rcnn.reference",
    "mini_rcnn.view",
    "mini_rcnn.verbs",
    "mini_rcnn.train",
    "mini_rcnn.detecting",
    "mini_rcnn.detect",
    "mini_rcnn.evaluating",
    "mini_rcnn.evaluate",
    "mini_rcnn.alarms",
    "mini_rcnn.find_alarms",
    "mini_rcnn.thresholds",
    "mini_rcnn.experimenting",
    "mini_rcnn.experiment",
    "mini_rcnn.lint",
    "mini_rcnn.contest",
    "mini_rcnn.leaderboard",
    "mini_rcnn.exercises",
    "mini_rcnn.checks",
    "mini_rcnn.classroom",
    "mini_rcnn.widgets",
    "mini_rcnn.bench",
    "mini_rcnn.notebooks",
    "mini_rcnn.labs",
    "mini_rcnn.grading",
    "mini_rcnn.grade",
    "mini_rcnn.cli",
    "mini_rcnn.__main__",
)
# Inside stages/ and stages_tf/: the order of the data. Helpers, whose names begin with _, stand before all.
STAGES = (
    "image", "ops", "backbone", "fpn", "rpn", "boxes", "anchors", "nms", "proposals", "roi_align", "masks", "heads",
    "detections", "targets", "losses",
)  # fmt: skip
STANDARD_LIBRARY = {
    "__future__", "abc", "argparse", "ast", "collections", "concurrent", "contextlib", "ctypes", "dataclasses",
    "enum", "fcntl", "functools", "hashlib", "importlib", "inspect", "io", "itertools", "json", "math", "msvcrt",
    "numbers", "operator", "os", "pathlib", "platform", "queue", "re", "secrets", "shutil", "signal", "socket", "stat",
    "subprocess", "sys", "tempfile", "textwrap", "threading", "time", "types", "typing", "unittest", "warnings",
    "webbrowser", "zipfile",
}  # fmt: skip
# Who may import what is heavy; nobody else may.
ALLOWED = {
    "tensorflow": tuple("mini_rcnn." + name for name in ("stages_tf", "training", "matterport", "reference", "bench")),
    "keras": ("mini_rcnn.matterport",),
    "mrcnn": ("mini_rcnn.matterport",),
    "cv2": ("mini_rcnn.data",),
    "pydicom": ("mini_rcnn.data",),
    "matplotlib": ("mini_rcnn.view",),
    "ipywidgets": ("mini_rcnn.widgets",),
    "anywidget": ("mini_rcnn.widgets",),
    "traitlets": ("mini_rcnn.widgets",),
    "playwright": ("mini_rcnn.bench",),
}  # fmt: skip


def imports_of(source, module, *, is_package=False):
    """Return the full names that a module's source imports, wherever in it."""
    here = module.split(".") if is_package else module.split(".")[:-1]
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level + 1] if node.level else []
            origin = ".".join(start + ([node.module] if node.module else []))
            names += [f"{origin}.{alias.name}" for alias in node.names]
    return names


def part_of(name):
    """Return the place of a module in the order, or None for one that has none."""
    fitting = [part for part in ORDER if name == part or name.startswith(part + ".")]
    return ORDER.index(max(fitting, key=len)) if fitting and fitting != ["mini_rcnn"] else None


def stage_of(name):
    """Return ``(part, place)`` of a stage's module, ("stages", -1) for a helper, None for what is no stage."""
    parts = name.split(".")
    if len(parts) < 3 or parts[1] not in ("stages", "stages_tf"):
        return None
    return parts[1], STAGES.index(parts[2]) if parts[2] in STAGES else -1


def faults(source, module, *, is_package=False):
    """Return what a module imports against the rules."""
    found = []
    for name in imports_of(source, module, is_package=is_package):
        top = name.split(".")[0]
        for heavy, who in ALLOWED.items():
            if top == heavy and not module.startswith(who):
                found.append(f"{module} imports {heavy}, which only {', '.join(who)} may")
        if module.startswith("mini_rcnn.launch") and top not in STANDARD_LIBRARY | {"mini_rcnn"}:
            found.append(f"{module} imports {top}, which is not in the standard library")
        if module.startswith("mini_rcnn.stages.") and top not in STANDARD_LIBRARY | {"mini_rcnn", "numpy"}:
            found.append(f"{module} imports {top}: a stage imports NumPy alone")
        if top == "mini_rcnn" and name not in ("mini_rcnn", "mini_rcnn.__version__"):
            found += upward(module, name)
    return found


def upward(module, name):
    """Return a fault where one of our modules imports what stands after it."""
    if (module, name.rsplit(".", 1)[0]) == ("mini_rcnn.launch.main", "mini_rcnn") and name.endswith(".cli"):
        return []  # the launcher shows the help of cli's verbs
    mine, other = part_of(module), part_of(name)
    if mine is None and not module.startswith("mini_rcnn.stages"):
        return [f"{module} has no place in the order"]
    if other is not None and other > mine:
        return [f"{module} imports {name}, which stands after it"]
    mine, other = stage_of(module), stage_of(name)
    if mine and other and mine[0] == other[0] and mine[1] != -1 and other[1] >= mine[1]:
        return [f"{module} imports {name}, a later stage"]
    return []


def modules():
    """Yield ``(source, module, is_package)`` of every file of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        yield path.read_text(encoding="utf-8"), ".".join(parts[:-1] if is_package else parts), is_package


def test_no_module_imports_what_stands_after_it():
    assert [fault for source, name, package in modules() for fault in faults(source, name, is_package=package)] == []


@pytest.mark.parametrize(
    "module, source, words",
    [
        ("mini_rcnn.stages.boxes", "from mini_rcnn.stages.nms import non_max_suppression", "a later stage"),
        ("mini_rcnn.stages.boxes", "from .nms import non_max_suppression", "a later stage"),
        ("mini_rcnn.stages.boxes", "def f():\n    from . import detections", "a later stage"),
        ("mini_rcnn.stages.boxes", "import tensorflow.compat.v2 as tf", "tensorflow"),
        ("mini_rcnn.stages.boxes", "import scipy.ndimage", "NumPy alone"),
        ("mini_rcnn.stages.boxes", "from mini_rcnn import stages_tf", "stands after it"),
        ("mini_rcnn.stages.boxes", "from ..stages_tf import boxes", "stands after it"),
        ("mini_rcnn.data.rsna", "import tensorflow as tf", "tensorflow"),
        ("mini_rcnn.metrics.rsna", "from mini_rcnn.view import kept_boxes", "stands after it"),
        ("mini_rcnn.widgets.nms", "import matplotlib.pyplot as plt", "matplotlib"),
        ("mini_rcnn.view", "import ipywidgets", "ipywidgets"),
        ("mini_rcnn.checks", "import mrcnn.utils", "mrcnn"),
        ("mini_rcnn.launch.main", "import numpy", "standard library"),
        ("mini_rcnn.launch.main", "from mini_rcnn.stages import boxes", "stands after it"),
        ("mini_rcnn.surprise", "from mini_rcnn import stages", "no place in the order"),
    ],
)
def test_bad_imports_are_found(module, source, words):
    assert any(words in fault for fault in faults(source, module))


@pytest.mark.parametrize(
    "module, source",
    [
        ("mini_rcnn.stages.nms", "import math\nimport numpy as np\nfrom .boxes import box_iou\nfrom ._check import x"),
        ("mini_rcnn.stages_tf.boxes", "import tensorflow.compat.v2 as tf\nfrom mini_rcnn.stages.boxes import box_iou"),
        ("mini_rcnn.view", "import matplotlib.pyplot as plt\nfrom mini_rcnn import metrics"),
    ],
)
def test_good_imports_pass(module, source):
    assert faults(source, module) == []


def test_importing_the_package_is_quick_and_light():
    code = (
        "import time; begun = time.perf_counter(); import mini_rcnn; took = time.perf_counter() - begun; import sys; "
    )
    code += "heavy = {'tensorflow', 'numpy', 'matplotlib', 'ipywidgets'} & set(sys.modules); print(took, *heavy)"
    quickest = []
    for _ in range(3):  # other programs may hold one start up
        took, *heavy = subprocess.check_output([sys.executable, "-c", code], cwd=str(ROOT)).decode().split()
        assert heavy == []
        quickest.append(float(took))
    assert min(quickest) < 0.2


def test_numpy_stages_run_without_tensorflow():
    code = f"import importlib, sys\nfor name in {STAGES!r}: importlib.import_module('mini_rcnn.stages.' + name)\n"
    code += "assert 'tensorflow' not in sys.modules"
    assert subprocess.call([sys.executable, "-c", code], cwd=str(ROOT)) == 0
