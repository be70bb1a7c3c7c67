"""Work in processes, and files that are whole or not there: order, bounds, deaths, exceptions, Ctrl-C, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mini_rcnn.data import workers
from mini_rcnn.data.errors import DicomError
from mini_rcnn.data.files import sha256_of, write_json, written_beside
from mini_rcnn.data.workers import AHEAD, map_items

ROOT = Path(__file__).resolve().parent.parent
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send a process")


def later_first(item):
    """Return the item; the first ones take longest."""
    time.sleep(max(0, 0.05 - item * 0.01))
    return item, os.getpid()


def die_at_five(item):
    if item == 5:
        os._exit(7)
    return item


def die_by_signal(item):
    if item in (2, 5):
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def raise_at_three(item):
    if item == 3:
        raise DicomError(f"{item}.dcm", "truncated", "is cut short")
    return item


def mark(item):
    folder, number = item
    Path(folder, str(number)).write_text("")
    return number


def name_dead(item):
    return f"{item} died"


def other_threads(item):
    """Multiply two matrices, and return how many threads this process has that are not Python's."""
    import numpy as np

    assert (np.full((600, 600), item) @ np.ones((600, 600)) == 600 * item).all()
    return len(os.listdir("/proc/self/task")) - threading.active_count()


@pytest.mark.parametrize("n_workers", [1, 2])
def test_results_come_in_order(n_workers):
    items = list(range(12))
    got = list(map_items(later_first, items, workers=n_workers, on_death=None))
    assert [item for item, _ in got] == items
    here = {process for _, process in got} == {os.getpid()}
    assert here == (n_workers == 1)


@pytest.mark.parametrize("n_workers", [1, 2, None])
def test_no_items_are_no_results(n_workers):
    assert list(map_items(abs, [], workers=n_workers, on_death=None)) == []


def test_an_item_that_ends_its_process_is_told_and_the_others_come():
    got = list(map_items(die_at_five, list(range(12)), workers=2, on_death=name_dead))
    assert got == [0, 1, 2, 3, 4, "5 died", *range(6, 12)]


@ON_POSIX
def test_two_killed_processes_are_told():
    got = list(map_items(die_by_signal, list(range(7)), workers=2, on_death=name_dead))
    assert got == [0, 1, "2 died", 3, 4, "5 died", 6]


@pytest.mark.parametrize("n_workers", [1, 2])
def test_exceptions_pass_through_after_what_came_before(n_workers):
    got = []
    with pytest.raises(DicomError) as caught:
        for result in map_items(raise_at_three, list(range(30)), workers=n_workers, on_death=name_dead):
            got.append(result)
    assert got == [0, 1, 2]
    assert (caught.value.path, caught.value.kind, str(caught.value)) == ("3.dcm", "truncated", "3.dcm: is cut short")


def test_stopping_early_never_hangs():
    """Python 3.7's pool waits for ever where the last result and the end come together and work was cancelled."""
    for _ in range(4):
        with pytest.raises(DicomError):
            list(map_items(raise_at_three, list(range(30)), workers=2, on_death=name_dead))


def test_no_more_than_so_many_are_ahead_of_the_reader(tmp_path):
    results = iter(map_items(mark, [(str(tmp_path), number) for number in range(60)], workers=2, on_death=None))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    time.sleep(0.3)
    begun = len(list(tmp_path.iterdir()))
    assert begun <= 3 + AHEAD * 2
    results.close()


def test_progress_goes_to_stderr(capfd):
    list(map_items(abs, [1, 2, 3], workers=1, label="counting", on_death=None))
    told = capfd.readouterr()
    assert told.out == "" and "counting: 100%" in told.err and "3/3" in told.err
    list(map_items(abs, [1, 2, 3], workers=1, on_death=None))
    assert capfd.readouterr().err == ""


SCRIPT = """
import os, signal, sys, time
from mini_rcnn.data.workers import map_items

def slowly(item):
    print("at work", os.getpid(), flush=True)
    time.sleep(0.2)
    return item

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background would not hear Ctrl-C
    for result in map_items(slowly, list(range(500)), workers=2, on_death=None):
        pass
"""


def start_script(tmp_path):
    """Return a running program with two workers, and a worker's process number."""
    (tmp_path / "script.py").write_text(SCRIPT)
    run = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=str(tmp_path),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    found = set()
    while len(found) < 2:
        words = run.stdout.readline().split()
        assert words, run.communicate()[1]
        found.add(int(words[-1]))
    return run, found


def wait_until_gone(processes, seconds=10):
    """Return which of the processes are still there after a while."""
    psutil = pytest.importorskip("psutil")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        processes = [one for one in processes if psutil.pid_exists(one)]
        if not processes:
            break
        time.sleep(0.02)
    return processes


@ON_POSIX
def test_ctrl_c_ends_all_and_only_the_parent_says_so(tmp_path):
    run, processes = start_script(tmp_path)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: everybody gets it
    told = run.communicate(timeout=20)[1]
    assert run.returncode != 0
    assert told.count("KeyboardInterrupt") == 1
    assert wait_until_gone(processes) == []


@ON_POSIX
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    run, processes = start_script(tmp_path)
    run.kill()
    run.communicate()
    assert wait_until_gone(processes) == []


WITHOUT_GUARD = """
import operator

from mini_rcnn.data.workers import map_items

print("begun", __file__ is not None, flush=True)
print(list(map_items(operator.neg, [1, 2, 3], workers=2, on_death=None)), __file__ is not None)
"""


def test_a_script_without_a_guard_is_run_once(tmp_path):
    (tmp_path / "script.py").write_text(WITHOUT_GUARD, encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", str(tmp_path / "script.py")]
    run = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert run.stdout.splitlines() == ["begun True", "[-1, -2, -3] True"], run.stderr


@pytest.mark.parametrize("module, hidden", [("mini_rcnn.data.workers", True), ("__main__", False)])
def test_main_is_hidden_from_functions_of_modules_alone(module, hidden, monkeypatch):
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", "script.py", raising=False)
    before, function = dict(vars(main)), lambda item: item
    function.__module__ = module
    with workers.main_hidden(function):
        assert (main.__file__ is None) == hidden
    assert vars(main) == before


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted as Linux lists them")
def test_a_process_keeps_to_one_core():
    """A BLAS with threads of its own in each of two processes halved the speed of both."""
    assert list(map_items(other_threads, [1.0, 2.0], workers=2, on_death=None)) == [0, 0]


def test_workers_start_clean():
    assert workers.make_pool(1)._mp_context.get_start_method() != "fork"


# --------------------------------------------------------------------------------------------------------------- files


def test_a_file_is_there_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "file.bin"
    with written_beside(path) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()
        file.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert [one.name for one in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), written_beside(path, "w") as file:
        file.write("new")
        raise error("no")
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


WRITER = """
import sys
from mini_rcnn.data.files import written_beside

print("begun", flush=True)
while True:
    for letter in b"ab":
        with written_beside(sys.argv[1]) as file:
            for _ in range(64):
                file.write(bytes([letter]) * 4096)
"""


def test_a_kill_while_writing_leaves_a_whole_file(tmp_path, rng):
    path = tmp_path / "file.bin"
    path.write_bytes(b"a" * 4096 * 64)
    for _ in range(5):
        command = [sys.executable, "-c", WRITER, str(path)]
        run = subprocess.Popen(command, cwd=str(ROOT), stdout=subprocess.PIPE)
        run.stdout.readline()
        time.sleep(float(rng.uniform(0, 0.05)))
        run.kill()
        run.communicate()
        content = path.read_bytes()
        assert len(content) == 4096 * 64 and len(set(content)) == 1
        halves = len(list(tmp_path.glob(".file.bin.*.new")))
    assert halves <= 5  # one a kill at most, under another name


def test_json_is_the_same_bytes_and_text_is_utf8(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "Größe"})
    write_json(tmp_path / "b.json", {"a": "Größe", "b": 1})
    assert (tmp_path / "a.json").read_bytes() == '{\n "a": "Größe",\n "b": 1\n}\n'.encode()
    assert sha256_of(tmp_path / "a.json") == sha256_of(tmp_path / "b.json")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["a"] == "Größe"


def test_sha256_of_the_standards_example(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert sha256_of(tmp_path / "abc") == wanted
