"""What ``lab.py`` makes of its arguments, and of the Python that runs it."""

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mini_rcnn import cli
from mini_rcnn.launch import active, locks, main, progress
from mini_rcnn.launch.errors import LabError

ROOT = Path(__file__).resolve().parent.parent


def run_lab(*arguments, **environ):
    """Return the finished process of ``lab.py`` with these arguments."""
    return subprocess.run(
        [sys.executable, str(ROOT / "lab.py"), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
        timeout=120,
    )


def test_an_old_python_can_read_lab_py():
    tree = ast.parse((ROOT / "lab.py").read_text(encoding="utf-8"))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.AsyncFunctionDef, ast.Nonlocal, ast.Starred)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    checks = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert checks[0].lineno < imports[0].lineno  # the version is checked before anything newer is read


@pytest.mark.parametrize("verb", [[], ["test"], ["train"], ["detect"], ["bench"], ["doctor"]])
def test_help_has_an_example(verb):
    done = run_lab(*verb, "--help")
    assert done.returncode == 0 and "python3 lab.py " + "".join(verb) in done.stdout


@pytest.mark.parametrize(
    "argv, env, verb, rest",
    [
        ([], None, None, []),
        (["test", "-k", "boxes", "--lf"], None, "test", ["-k", "boxes", "--lf"]),
        (["--env", "modern", "bench", "stages", "--env", "x"], "modern", "bench", ["stages", "--env", "x"]),
        (["train", "--help"], None, "train", ["--help"]),
    ],
)
def test_what_stands_behind_the_verb_is_the_verbs(argv, env, verb, rest):
    options = main.parse(argv)
    assert (options.env, options.verb, options.arguments) == (env, verb, rest)


def test_loopback_unless_told_otherwise():
    assert main.parse([]).listen == "127.0.0.1"
    assert main.parse(["--listen", "0.0.0.0"]).listen == "0.0.0.0"


def test_errors_are_one_sentence_without_a_traceback(monkeypatch, capsys):
    def fail(*_):
        raise LabError("There is no network.")

    monkeypatch.setattr(main, "start", fail)
    assert main.main(["test"]) == 1
    assert capsys.readouterr().err == "lab.py: There is no network.\n"


def test_ctrl_c_is_no_traceback(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "start", interrupt)
    assert main.main([]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_verbs_that_do_not_exist_are_not_promised(capsys):
    assert cli.main(["sing"]) == 2
    assert "there is no verb 'sing'; there are test, data, train, detect, evaluate, " in capsys.readouterr().err


def test_without_a_verb_cli_shows_its_help(capsys):
    assert cli.main([]) == 2
    assert "python3 lab.py test" in capsys.readouterr().out


def test_hand_over_passes_the_exit_code():
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from mini_rcnn.launch.main import hand_over; import os; "
    code += "sys.exit(hand_over([sys.executable, '-c', 'import sys; sys.exit(7)'], dict(os.environ)))"
    assert subprocess.call([sys.executable, "-c", code]) == 7


def test_active_environment_is_held_against_its_lock():
    toolchain = locks.read_toolchain(ROOT / "locks")
    assert active.environment_for("3.7", toolchain) == "classic"
    assert active.environment_for("3.12", toolchain) == "modern"
    assert active.environment_for("3.9", toolchain) is None
    assert active.lock_for({"tensorflow": "2.21.0"}, "modern") == ("modern.txt", "modern-cpu.txt")
    assert active.lock_for({"nvidia-cudnn-cu12": "9"}, "modern") == ("modern.txt", "modern-gpu.txt")


def test_active_environment_says_what_differs(monkeypatch):
    said = []
    monkeypatch.setattr(active, "list_packages", lambda python: {"keras": "1.0"})
    different = active.check(ROOT, said.append)
    assert ("keras", "1.0") in {(name, found) for name, _, found in different}
    assert any(
        line.startswith("Install the lock's versions with: python -m pip install --no-deps -r locks/") for line in said
    )


def test_every_pin_has_a_hash_and_names_are_normal():
    for path in sorted((ROOT / "locks").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        pins = locks.read_pins(text)
        assert pins and all(name == locks.normal_name(name) for name in pins)
        assert sum(map(len, pins.values())) == len([line for line in text.splitlines() if line and line[0] not in "# "])
        for name in pins:
            assert "--hash=sha256:" in locks.blocks_of(text, {name}), name


def test_progress_is_plain_where_nobody_sits():
    stream, now = io.StringIO(), [0.0]
    shown = progress.Progress(stream, every=10, now=lambda: now[0])
    shown.begin("[1/2] fetching")
    for now[0] in range(1, 25):
        shown.update(f"{now[0]} of 24")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3 and "\r" not in stream.getvalue()
    assert lines[-1].split() == ["[1/2]", "fetching", "0:20", "20", "of", "24"]


def test_progress_is_one_living_line_on_a_terminal():
    stream = io.StringIO()
    stream.isatty = lambda: True
    shown = progress.Progress(stream)
    shown.begin("[1/2] fetching")
    shown.update("1 of 2")
    shown.say("done")
    assert stream.getvalue().count("\r") == 2 and stream.getvalue().endswith("\ndone\n")
