"""Many submissions at once: each job has a worker, which is replaced where a submission ends it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from .session import ROOT, remove
from .sweep import sweep

END_SECONDS = 15
JUDGING = 3  # times what a notebook may take that a worker may take with it
ENDED_GRADER = "the notebook ended the grader's own process, or held it up"


class Graded(NamedTuple):
    """What came of one submission."""

    submission: object
    lab: str = ""
    marks: dict = {}  # name of the exercise -> dict of a Mark
    notes: tuple = ()
    unreadable: str = ""  # why it could not be graded


class Job:
    """A worker process and what is said to it."""

    def __init__(self, settings):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mini_rcnn.grading.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=str(ROOT),
            env=environment,
            start_new_session=os.name != "nt",  # Ctrl-C is for who started it alone
        )
        self.write(settings)
        self.is_ready = bool(self.read().get("ready"))

    def write(self, what):
        """Send a line."""
        with contextlib.suppress(OSError):
            self.process.stdin.write(json.dumps(what).encode("utf-8") + b"\n")
            self.process.stdin.flush()

    def read(self):
        """Return the next answer, {} where the process has ended."""
        line = self.process.stdout.readline()
        try:
            return json.loads(line.decode("utf-8")) if line.endswith(b"\n") else {}
        except ValueError:
            return {}

    def answers(self, path, seconds):
        """Return all that is said of a submission, and whether it was said to the end."""
        timer, said = threading.Timer(seconds, self.process.kill), []
        timer.start()
        try:
            self.write(str(path))
            while True:
                answer = self.read()
                if not answer or answer.get("done"):
                    return said, bool(answer)
                said.append(answer)
        finally:
            timer.cancel()

    def end(self):
        """End the process: it ends its kernel."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError):
            self.process.stdout.close()


def put_together(submission, said, is_whole):
    """Return the `Graded` of what a worker said."""
    facts = {key: value for one in said for key, value in one.items()}
    if "unreadable" in facts or "failed" in facts:
        return Graded(submission, facts.get("lab", ""), unreadable=facts.get("unreadable") or facts["failed"])
    if "lab" not in facts:
        return Graded(submission, unreadable=ENDED_GRADER)
    names = facts["exercises"]
    if is_whole and "marks" in facts:
        marks = {names[name]: facts["marks"][name] for name in names}
        return Graded(submission, facts["lab"], marks, tuple(facts["notes"]))
    lost = {"verdict": "no", "seconds": 0.0, "what": "could not be judged", "hint": "", "note": ""}
    so_far = {one["so far"]: one["mark"] for one in said if "so far" in one}
    return Graded(submission, facts["lab"], {names[name]: so_far.get(name, lost) for name in names}, (ENDED_GRADER,))


def grade_all(submissions, *, limits, seeds, jobs, all_cells=False, quiet=False):
    """Return the `Graded` of each submission, in order.

    Parameters
    ----------
    submissions : list of Submission
    limits : Limits
    seeds : sequence of int
        Of the hidden cases.
    jobs : int
        Submissions at a time.
    all_cells : bool
        Run cells that cannot change an answer, too.
    quiet : bool
        No progress bar.
    """
    mark, folder = f"run{uuid.uuid4().hex}", Path(tempfile.mkdtemp(prefix="grade-"))
    settings = {
        "limits": limits._asdict(), "seeds": list(seeds), "mark": mark, "folder": str(folder), "all_cells": all_cells,
    }  # fmt: skip
    mine, everyone, stopped, lock = threading.local(), [], threading.Event(), threading.Lock()

    def job():
        """Return this thread's worker, a new one where the last has ended."""
        if getattr(mine, "job", None) is None or mine.job.process.poll() is not None:
            with lock:
                if stopped.is_set():
                    return None
                mine.job = Job(settings)
                everyone.append(mine.job)
        return mine.job

    def grade(submission):
        mine_now = job()
        if mine_now is None:
            return None
        if not mine_now.is_ready:
            return Graded(submission, unreadable="the grader does not start: `python3 lab.py doctor` may say why")
        said, is_whole = mine_now.answers(submission.path, JUDGING * limits.notebook)
        if not is_whole and not stopped.is_set():
            mine_now.end()
            sweep(f"{mark}-{mine_now.process.pid}-")
        bar.update()
        return put_together(submission, said, is_whole)

    bar = tqdm(total=len(submissions), desc="grading", unit="", file=sys.stderr, disable=quiet)
    threads = ThreadPoolExecutor(min(jobs, len(submissions)))
    try:
        return [future.result() for future in [threads.submit(grade, one) for one in submissions]]
    finally:
        with lock:
            stopped.set()
        bar.close()
        for one in everyone:
            with contextlib.suppress(OSError):
                one.process.stdin.close()
        for one in everyone:
            one.end()
        threads.shutdown(wait=True)
        sweep(mark)
        remove(folder)
