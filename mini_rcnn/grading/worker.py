"""A process that grades one submission after the other: asked by lines of JSON, it answers by lines of JSON.

Its standard input is a pipe from who started it. When that closes it ends, and the kernel that it holds ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path

from .catalogue import all_labs, lab_of
from .exchange import Questions, short
from .marking import Limits, Marker
from .session import remove
from .submissions import NotebookError, read_notebook
from .sweep import ROUNDS, sweep


class Worker:
    """Grades what it is asked to.

    Parameters
    ----------
    settings : dict
        "limits", "seeds", "mark", "folder", "all_cells".
    say : callable
        Of a dict.
    """

    def __init__(self, settings, say):
        self.limits, self.mark, self.say = Limits(**settings["limits"]), settings["mark"], say
        self.folder = settings["folder"]
        self.all_cells, self.questions, self.labs = settings["all_cells"], Questions(settings["seeds"]), all_labs()

    def grade(self, path):
        """Grade a file and say what it earned."""
        try:
            notebook = read_notebook(path)
            lab = lab_of(notebook, self.labs)
            if lab is None:
                raise NotebookError("it is a copy of none of the labs")
        except NotebookError as error:
            self.say({"unreadable": short(error)})
            return
        self.say({"lab": lab.number, "exercises": {name: one.name for name, one in lab.exercises.items()}})
        marker = Marker(
            notebook, lab, self.questions, self.limits, self.mark, self.folder, all_cells=self.all_cells,
            tell=lambda name, mark: self.say({"so far": name, "mark": cleaned(mark)}),
        )  # fmt: skip
        marks, notes = marker.grade()
        self.say({"marks": {name: cleaned(mark) for name, mark in marks.items()}, "notes": list(map(short, notes))})


def cleaned(mark):
    """Return a `Mark` as a dict, its texts fit for a terminal."""
    return {name: short(value) if isinstance(value, str) else value for name, value in mark._asdict().items()}


def end_with_starter(lines, mark, folder):
    """Hand on the lines of standard input; when it closes, end the kernel and this process."""
    for line in sys.stdin:
        lines.put(line)
    sweep(mark)
    for _ in range(ROUNDS):  # meanwhile the other thread may begin a new kernel, until the folder is gone
        remove(Path(folder))
        if not Path(folder).exists():
            break
    sweep(mark)
    os._exit(1)


def main():
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what anything prints does not get among the answers

    def say(what):
        with contextlib.suppress(OSError):  # nobody listens any more: the other thread ends this process
            answers.write(json.dumps(what) + "\n")
            answers.flush()

    lines = queue.Queue()
    settings = json.loads(sys.stdin.readline())
    mark = f"{settings['mark']}-{os.getpid()}-"
    threading.Thread(target=end_with_starter, args=(lines, mark, settings["folder"]), daemon=True).start()
    worker = Worker({**settings, "mark": mark}, say)
    say({"ready": True})
    while True:
        path = json.loads(lines.get())
        try:
            worker.grade(Path(path))
        except Exception as error:  # of the grader itself: it is told, and the next one comes
            traceback.print_exc()
            say({"failed": short(f"{type(error).__name__}: {error}")})
        say({"done": True})


if __name__ == "__main__":
    main()
