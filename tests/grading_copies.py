"""Thirty copies of lab 03 as a class might hand them in, and what each has earned."""

from __future__ import annotations

import json
from typing import NamedTuple

from mini_rcnn.grading.catalogue import SOURCES
from mini_rcnn.notebooks.build import notebook_of
from mini_rcnn.notebooks.source import read_source

STEM = "03_two_stage_nms"
CELLS = ("keep-greedily", "nms", "two-stage")  # of the exercises
EMPTY, SOLVED = ("todo",) * 3, ("ok",) * 3
SOURCE = read_source(SOURCES / f"{STEM}.py")


class Copy(NamedTuple):
    """One notebook of the class."""

    content: object  # a notebook's dict, or bytes
    verdicts: tuple  # of the three exercises; () where it cannot be graded
    words: str = ""  # in a note, a hint or what is wrong, somewhere in its rows
    file: str = ""  # where it lies, below the folder; "{name}/lab.ipynb" by default


LIGHT = "import numpy as np\n\nfrom mini_rcnn.stages.boxes import box_iou"  # starts in half the time


def lab(*, solved=False, start=LIGHT, **changed):
    """Return the lab, with cells changed (text), deleted (None) or added after another (a tuple of texts)."""
    changed = changed if start is None else {"start": start, **changed}
    made = notebook_of(SOURCE, solved=solved, name=STEM)
    cells = []
    for cell in made["cells"]:
        change = changed.pop(cell["id"].replace("-", "_"), cell["source"])
        if isinstance(change, str):
            cells.append({**cell, "source": change})
        elif isinstance(change, tuple):
            cells += [cell] + [code(text) for text in change]
        elif change is not None:
            cells.append(cell)
    assert not changed, f"no such cell: {list(changed)}"
    return {**made, "cells": cells}


def code(text):
    """Return a cell that a student added."""
    return {"cell_type": "code", "id": "added", "metadata": {}, "outputs": [], "source": text, "execution_count": None}


def solution(cell, *replacements):
    """Return the library's text of an exercise, with pieces replaced."""
    made = notebook_of(SOURCE, solved=True, name=STEM)
    text = next("".join(one["source"]) for one in made["cells"] if one["id"] == cell)
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text


GREEDY, NMS, TWO_STAGE = (solution(cell) for cell in CELLS)
GREEDY_HEAD = "def keep_greedily(overlaps, iou_threshold):\n"
SUPPRESS = """def non_max_suppression(boxes, scores, *, iou_threshold, max_boxes=None):
    order, kept = {order}, []
    for place in order{cut}:
        overlaps = box_iou(boxes[[place]], boxes[kept])[0]
        if not (overlaps {sign} iou_threshold).any():
            kept.append(int(place))
    return np.array({kept}, dtype=np.int64)
"""


def suppress(order='np.argsort(-scores, kind="stable")', cut="", sign=">", kept="kept[:max_boxes]"):
    """Return a student's own ``non_max_suppression``, one box at a time."""
    return SUPPRESS.format(order=order, cut=cut, sign=sign, kept=kept)


LINE = "keep[best + 1 :] &= overlaps[best, best + 1 :] <= iou_threshold"
WRONG = {  # each exercise's tempting answers, as a student would write them, and the words of the hint
    "keep_greedily": [
        (solution("keep-greedily", ("if keep[best]:", "if True:")), "may it still remove C"),
        (solution("keep-greedily", ("<= iou_threshold", "< iou_threshold")), "where it is equal"),
        (solution("keep-greedily", (LINE, "keep[best:] &= overlaps[best, best:] <= iou_threshold")), "itself by 1"),
        (
            GREEDY_HEAD + "    keep = np.ones(len(overlaps), dtype=bool)\n"
            "    for best in reversed(range(len(overlaps))):\n        if keep[best]:\n"
            "            keep[:best] &= overlaps[best, :best] <= iou_threshold\n    return keep\n",
            "Row 0 is the best box",
        ),
    ],
    "non_max_suppression": [
        (suppress(order='np.argsort(scores, kind="stable")'), "np.argsort sorts upwards"),
        (suppress(sign=">="), "where it is equal"),
        (suppress(order='np.argsort(scores, kind="stable")[::-1]'), "the lower index goes first"),
        (suppress(cut="[:max_boxes]"), "max_boxes counts the boxes that stay"),
        (suppress(kept="sorted(kept[:max_boxes])"), "Best score first"),
    ],
    "two_stage_nms": [
        (solution("two-stage", (">= scores", "> scores")), "exactly min_confidence"),
        (solution("two-stage", ("return confident[kept]", "return kept")), "numbered anew"),
        (solution("two-stage", ("iou_threshold=iou_threshold,", "iou_threshold=1 - iou_threshold,")), "higher*"),
        (solution("two-stage", (">= scores.dtype.type(min_confidence)", "> -1")), "Two stages"),
    ],
}


def indented(text):
    """Return a text as the body of a function."""
    return "".join(f"    {line}\n" for line in text.split("\n"))


def wrong_copies():
    """Return a copy for each number of a tempting answer: three at a time, one an exercise."""
    copies = {}
    for number in range(5):
        texts = [WRONG[name][number % len(WRONG[name])] for name in WRONG]
        content = lab(keep_greedily=texts[0][0], nms=texts[1][0], two_stage=texts[2][0])
        copies[f"wrong {number}"] = Copy(content, ("no",) * 3, "|".join(words for _, words in texts))
    return copies


HOSTILE = """class Result(object):
    def __array__(self, *values, **options):
        raise SystemExit("no")
    def __eq__(self, other):
        return True
    def __len__(self):
        return 1 << 60


def keep_greedily(overlaps, iou_threshold):
    return Result()
"""
STUBBORN = """while True:
    try:
        while True: pass
    except BaseException:
        pass"""
MEMORY = """held = []
while True:
    held.append(b"1" * (40 << 20))
    import time; time.sleep(0.01)"""
PRINTER = """import threading
def forever():
    while True:
        print("and on")
threading.Thread(target=forever, daemon=True).start()"""
TAMPER = """import numpy, mini_rcnn.checks, mini_rcnn.checks.running, mini_rcnn.checks.comparing, mini_rcnn.exercises
mini_rcnn.checks.check = check = lambda *values: print("[ok]")
mini_rcnn.checks.running.run_cases = mini_rcnn.checks.running.run_case = lambda *values, **options: []
mini_rcnn.checks.comparing.difference = lambda *values, **options: None
mini_rcnn.exercises.all_exercises = lambda: {}
numpy.allclose = numpy.isclose = numpy.array_equal = lambda *values, **options: True"""
RUIN = """import os, shutil
open("../beside.txt", "w").write("outside")
shutil.rmtree("../control", ignore_errors=True)
shutil.rmtree(os.getcwd())"""
SECRETS = GREEDY + '\n\nimport os\nos.environ["SECRET_TOKEN"]'
KILLER = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"
MOODLE = "김민수_123_assignsubmission_file/my lab.ipynb"
VERSION_3 = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": STEM},
    "worksheets": [
        {
            "cells": [
                {"cell_type": "code", "input": ["import numpy as np\n"], "outputs": [], "language": "python"},
                {"cell_type": "code", "input": GREEDY, "outputs": [], "language": "python"},
            ]
        }
    ],
}
WRONG_GREEDY = WRONG["keep_greedily"][1][0]
COPIES = {
    "solved": Copy(lab(solved=True, start=None), SOLVED, "word for word"),
    "empty": Copy(lab(start=None), EMPTY),
    "half": Copy(lab(start=None, keep_greedily=GREEDY, nms=suppress()), ("ok", "ok", "todo")),
    **wrong_copies(),
    "prints ok": Copy(lab(keep_greedily=WRONG_GREEDY, keep_greedily_check='print("[ok] nms.keep_greedily: 20 cases.")'),
                      ("no", "todo", "todo")),
    "own check": Copy(lab(start=('def check(name, function):\n    print("[ok]", name)',), keep_greedily=WRONG_GREEDY),
                      ("no", "todo", "todo")),
    "no check": Copy(lab(solved=True, keep_greedily_check=None, nms_check="del check", two_stage=None),
                     ("ok", "ok", "todo"), "there is no function `two_stage_nms`"),
    "no exercise": Copy(lab(solved=True, two_stage=None, count="pass", count_all="pass"), ("ok", "ok", "todo"),
                        "there is no function `two_stage_nms`"),
    "first raises": Copy(lab(solved=True, start="import numpy as np\nraise RuntimeError('first')"),
                         ("ok", "no", "ok"), "cell 2: RuntimeError: first"),
    "cell hangs": Copy(lab(solved=True, refined="while True:\n    pass"), SOLVED, "was stopped after"),
    "cell hangs well": Copy(lab(keep_greedily=GREEDY + "\n\n" + STUBBORN), ("ok", "todo", "todo"),
                            "after 6 s"),
    "function hangs": Copy(lab(keep_greedily=GREEDY_HEAD + "    while len(overlaps) > 1:\n        pass\n"
                               "    return np.ones(len(overlaps), bool)", nms=NMS), ("no", "ok", "todo"), "a loop end"),
    "function hangs well": Copy(lab(keep_greedily=GREEDY_HEAD + indented(STUBBORN), two_stage=TWO_STAGE),
                                ("no", "todo", "ok"), "a loop end"),
    "cell exits": Copy(lab(solved=True, refined="import os\nos._exit(0)"), SOLVED, "cell 6 ended the kernel"),
    "function exits": Copy(lab(solved=True, keep_greedily=GREEDY_HEAD + "    import os\n    os._exit(1)"),
                           ("no", "ok", "ok"), "ends Python itself"),
    "leaves": Copy(lab(solved=True, refined="import sys\nsys.exit(0)", nms_given=("exit()",)), SOLVED,
                   "ended the kernel"),
    "memory": Copy(lab(solved=True, refined=MEMORY), SOLVED, "held more than"),
    "function's memory": Copy(lab(keep_greedily=GREEDY_HEAD + indented(MEMORY)), ("no", "todo", "todo"),
                              "held more than"),
    "prints forever": Copy(lab(solved=True, refined=PRINTER), SOLVED),
    "ruins its folder": Copy(lab(solved=True, refined=RUIN), SOLVED),
    "tampers": Copy(lab(solved=True, refined=TAMPER, keep_greedily=WRONG_GREEDY), ("no", "ok", "ok"),
                    "where it is equal"),
    "hostile": Copy(lab(keep_greedily=HOSTILE, nms=NMS), ("no", "ok", "todo"), "cannot be read"),
    "loud": Copy(lab(solved=True, refined='print("x" * (50 << 20))'), SOLVED),
    "asks": Copy(lab(solved=True, refined='input("your name? ")'), SOLVED),
    "shell": Copy(lab(solved=True, refined="!echo hello\nvalue = 1", settle=("%%bash\nsleep 600 &\necho bye",),
                      nms_given=("!(sleep 600 > /dev/null 2>&1 &)",)), SOLVED),
    "syntax": Copy(lab(solved=True, keep_greedily=GREEDY_HEAD + "    return np.ones(len(overlaps) dtype=bool)"),
                   ("no", "ok", "ok"), "SyntaxError"),
    "shuts down": Copy(lab(solved=True, refined="get_ipython().kernel.do_shutdown(False)"), SOLVED, "ended the kernel"),
    "borrows": Copy(lab(keep_greedily="from mini_rcnn.stages import nms\n" + GREEDY_HEAD
                        + "    return nms.keep_greedily(overlaps, iou_threshold)",
                        nms="from mini_rcnn.stages.nms import non_max_suppression",
                        two_stage="from mini_rcnn.stages.nms import two_stage_nms as theirs\n"
                        "def two_stage_nms(*values, **options):\n    try:\n        return theirs(*values, **options)\n"
                        "    except Exception:\n        return 0"),
                    ("no", "todo", "no"), "the library's own function"),
    "one cell": Copy(lab(keep_greedily=None, keep_greedily_check=None, keep_greedily_library=GREEDY
                         + '\n\ncheck("nms.keep_greedily", keep_greedily)\n'
                         + "from mini_rcnn.stages.nms import keep_greedily\n"), ("ok", "todo", "todo")),
    "exits again": Copy(lab(keep_greedily=GREEDY, nms_given=("import os; os._exit(0)",) * 4, nms=NMS),
                        ("ok", "no", "todo"), "cells ended the kernel 4 times"),
    "ends the grader": Copy(lab(keep_greedily=GREEDY, nms_given=KILLER, nms=NMS), ("ok", "no", "no"),
                            "ended the grader"),
    "version 3": Copy(VERSION_3, ("ok", "todo", "todo"), "there is no function"),
    "no json": Copy(b"%PDF-1.4 this is my homework", ()),
    "no notebook": Copy({"cells": 7}, ()),
    "nothing": Copy(b"", ()),
    "other": Copy({"cells": [code("print('my own notes')")], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, (),
                  file="notes of other.ipynb"),
    "김민수": Copy(lab(keep_greedily=GREEDY), ("ok", "todo", "todo"), file=MOODLE),
    "leejiwon": Copy(lab(keep_greedily=GREEDY, nms=NMS), ("ok", "ok", "todo"), file="leejiwon_LATE_44_55_lab-1.ipynb"),
    "=1+1": Copy(lab(start=None), EMPTY),
    "sees secrets": Copy(lab(keep_greedily=SECRETS), ("ok", "todo", "todo"), "cell 9: KeyError: 'SECRET_TOKEN'"),
}  # fmt: skip


def write_copies(folder, names=None):
    """Write the copies, or those named, below a folder; return ``{file: name}``."""
    files = {}
    for name in names or COPIES:
        copy = COPIES[name]
        file = copy.file or f"{name}/{STEM}.ipynb"
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        text = copy.content if isinstance(copy.content, bytes) else json.dumps(copy.content).encode("utf-8")
        path.write_bytes(text)
        files[file] = name
    return files
