"""A class of notebooks, honest, wrong, broken and hostile, is graded once; the whole table has to be right."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from grading_copies import COPIES, lab, write_copies

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = ("nms.keep_greedily", "nms.non_max_suppression", "nms.two_stage_nms")
LIMITS = ("--cell-seconds", "6", "--case-seconds", "4", "--memory", "0.5", "--seed", "7", "--jobs", "3", "--quiet")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="copies use signals and shells that Windows has not")


def command(folder, *arguments):
    """Return the verb's command and its environment, with a folder for temporary files of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8"}
    environment["SECRET_TOKEN"] = "of the teacher"
    return [sys.executable, "-m", "mini_rcnn", "grade", *map(str, arguments)], environment


def of_folder(folder):
    """Return ``{process: its command}`` of those whose temporary files lie below a folder, the dead apart."""
    found = {}
    for process in psutil.process_iter():
        try:
            alive = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get("TMPDIR", "").startswith(str(folder)):
                found[process] = " ".join(process.cmdline())
        except psutil.Error:
            continue
    return found


def wait_for(condition, seconds=60):
    """Return whether something came true in time."""
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        time.sleep(0.1)
    return bool(condition())


@pytest.fixture(scope="module")
def temporary():
    """Return a folder with a short name: the sockets of kernels lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="t"))
    yield folder
    shutil.rmtree(str(folder))


@pytest.fixture(scope="module")
def graded(tmp_path_factory, temporary):
    """Return what came of grading all copies."""
    folder = tmp_path_factory.mktemp("class")
    files, out = write_copies(folder / "in"), folder / "out"
    tables = ("--csv", out / "a.csv", "--moodle", out / "m.csv", "--canvas", out / "c.csv")
    words, environment = command(temporary, folder / "in", *tables, *LIMITS)
    ran = subprocess.run(words, capture_output=True, cwd=str(ROOT), env=environment)
    with open(str(out / "a.csv"), encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    by_name = {name: [row for row in rows if row["file"].replace("'=", "=") == file] for file, name in files.items()}
    left = list(of_folder(temporary).values()), list(temporary.iterdir())
    said = ran.stdout.decode("utf-8")
    return {"ran": ran, "rows": by_name, "out": out, "said": said, "count": len(rows), "left": left}


@pytest.mark.parametrize("name", COPIES)
def test_each_copy_gets_what_it_earned(graded, name):
    copy, rows = COPIES[name], graded["rows"][name]
    if not copy.verdicts:
        assert [(row["exercise"], row["verdict"]) for row in rows] == [("", "unreadable")]
        assert rows[0]["what"]
        return
    assert [(row["exercise"], row["verdict"]) for row in rows] == list(zip(EXERCISES, copy.verdicts)), rows
    words = copy.words.split("|")
    if len(words) == 3:  # a hint for each
        assert all(word in row["hint"] for word, row in zip(words, rows)), rows
    assert all(any(word in " ".join(row.values()) for row in rows) for word in words), rows


def test_hints_of_right_answers_are_empty(graded):
    for rows in graded["rows"].values():
        assert all(not row["hint"] and not row["what"] for row in rows if row["verdict"] in ("ok", "todo"))
        assert all(row["hint"] or row["what"] for row in rows if row["verdict"] == "no")


def test_the_run_says_what_could_not_be_graded(graded):
    assert graded["ran"].returncode == 1
    assert graded["said"].count("NOT GRADED") == 4
    assert "--seed 7" in graded["said"]
    assert graded["ran"].stderr == b""
    assert graded["count"] == 3 * sum(bool(copy.verdicts) for copy in COPIES.values()) + 4


def test_nothing_is_left_behind(graded):
    assert graded["left"] == ([], [])


def test_what_a_spreadsheet_would_run_is_text(graded):
    assert {row["student"] for row in graded["rows"]["=1+1"]} == {"'=1+1"}


def test_worksheets(graded):
    moodle = list(csv.reader((graded["out"] / "m.csv").read_text(encoding="utf-8").splitlines()))
    assert moodle[0] == ["Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)"]
    assert ["Participant 123", "김민수", "33.33", "100", ""] in moodle
    canvas = list(csv.reader((graded["out"] / "c.csv").read_text(encoding="utf-8").splitlines()))
    assert canvas[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lab 03"]
    assert canvas[1] == ["    Points Possible", "", "", "", "", "100"]
    assert ["leejiwon", "44", "", "", "", "66.67"] in canvas and ["김민수", "", "", "", "", "33.33"] in canvas


@pytest.fixture
def at_work(tmp_path):
    """Return a grader with a kernel that is in the middle of a cell, and its folder for temporary files."""
    text = lab(keep_greedily="import subprocess, time\nsubprocess.Popen(['sleep', '600'])\ntime.sleep(600)")
    path = tmp_path / "in" / "one.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps(text), encoding="utf-8")
    folder = Path(tempfile.mkdtemp(prefix="t"))
    words, environment = command(folder, path.parent, "--csv", tmp_path / "out.csv", "--quiet")
    process = subprocess.Popen(
        words, cwd=str(ROOT), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=hear_ctrl_c
    )
    assert wait_for(lambda: "sleep 600" in of_folder(folder).values())
    yield process, folder, tmp_path / "out.csv"
    process.kill()
    process.communicate()
    shutil.rmtree(str(folder))


def hear_ctrl_c():
    """Let a process hear Ctrl-C: who is started in the background would not, and passes that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_everything_and_writes_nothing(at_work):
    process, folder, out = at_work
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert of_folder(folder) == {} and list(folder.iterdir()) == [] and not out.exists()
    assert b"Stopped" in process.stderr.read()


def test_a_grader_that_is_killed_leaves_no_kernel(at_work):
    process, folder, out = at_work
    process.kill()
    process.wait()
    assert wait_for(lambda: not of_folder(folder))
    assert wait_for(lambda: not list(folder.iterdir()), 20), list(folder.rglob("*"))
    assert not out.exists()


def test_a_kernel_whose_worker_is_killed_ends(at_work):
    process, folder, _ = at_work
    for worker, line in of_folder(folder).items():
        if "mini_rcnn.grading.worker" in line:
            worker.kill()
    assert process.wait(60) == 0
    assert of_folder(folder) == {}
    assert b"ended the grader" in process.stdout.read()
