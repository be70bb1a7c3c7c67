"""Which Pythons are found, and which are refused: with small programs that answer as Pythons do."""

import json
import os
import sys
from pathlib import Path

import pytest

from mini_rcnn.launch import choosing, conda, gpus, locks, pythons
from mini_rcnn.launch.errors import LabError
from mini_rcnn.launch.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
posix = pytest.mark.skipif(os.name == "nt", reason="the fake programs are shell scripts")


def python(version=(3, 7, 16), **changes):
    """Return a Python that can make environments, but for what is changed."""
    facts = {"bits": 64, "machine": "x86_64", "implementation": "CPython", "can_make_venv": True, **changes}
    return pythons.Python(executable="/fake/python", version=tuple(version), **facts)


def write_program(path, text):
    """Write a shell script that others may run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def write_fake_python(path, version, **changes):
    """Write a program that answers the launcher's question as a Python of this version."""
    answer = {"version": version, "executable": str(path), "bits": 64, "machine": "x86_64"}
    answer.update({"implementation": "CPython", "can_make_venv": True, **changes})
    return write_program(path, f"echo '{json.dumps(answer)}'\n")


def test_this_python_answers():
    answer = pythons.ask_python([sys.executable])
    assert answer.version == tuple(sys.version_info[:3])
    assert Path(answer.executable).exists() and answer.bits == 64


@posix
@pytest.mark.parametrize(
    "text",
    [
        "echo 'pyenv: python3.7: command not found' >&2\nexit 127\n",  # pyenv's shim with another version selected
        "echo 'Python was not found; run without arguments to install from the Microsoft Store'\nexit 9\n",
        "echo 'no JSON'\n",
        "echo '{}'\n",
        "exit 0\n",
    ],
)
def test_what_does_not_answer_is_no_python(tmp_path, text):
    assert pythons.ask_python([str(write_program(tmp_path / "python3.7", text))]) is None


def test_what_hangs_is_no_python():
    assert pythons.ask_python(["python"], run=lambda *_, **__: (None, "", "no answer within 20 s")) is None


@pytest.mark.parametrize(
    "candidate, words",
    [
        (python(), None),
        (python((3, 8, 1)), "is Python 3.8.1"),
        (python((3, 14, 0)), "is Python 3.14.0"),
        (python(bits=32), "32-bit"),
        (python(machine="arm64"), "arm64"),
        (python(implementation="PyPy"), "PyPy"),
        (python(can_make_venv=False), "sudo apt install python3.7-venv"),
    ],
)
def test_why_a_python_is_refused(candidate, words):
    why = pythons.why_unusable(candidate, ("3.7",), ("x86_64", "AMD64"))
    assert why is None if words is None else words in why


def test_newest_python_is_not_for_modern_yet():
    versions = choosing.preferred_versions("modern", ROOT)
    assert pythons.why_unusable(python((3, 14, 0)), versions) is not None
    assert pythons.why_unusable(python((3, 13, 0)), versions) is None


def candidate_texts(environ, home, versions=("3.7",)):
    """Return the candidates as text, in order."""
    return [" ".join(command) for command in pythons.candidates(versions, environ, home)]


@posix
def test_where_pythons_are_looked_for(tmp_path):
    on_path = write_fake_python(tmp_path / "bin" / "python3.7", [3, 7, 1])
    in_pyenv = write_fake_python(tmp_path / "pyenv" / "versions" / "3.7.16" / "bin" / "python3", [3, 7, 16])
    other = write_fake_python(tmp_path / "pyenv" / "versions" / "3.70.1" / "bin" / "python3", [3, 70, 1])
    at_home = write_fake_python(tmp_path / ".pyenv" / "versions" / "3.7.9" / "bin" / "python", [3, 7, 9])
    in_conda = write_fake_python(tmp_path / "envs" / "old" / "bin" / "python3", [3, 7, 5])
    (tmp_path / "envs" / "old" / "conda-meta").mkdir()
    (tmp_path / "envs" / "old" / "conda-meta" / "python-3.7.5-0.json").write_text("{}")
    listed = json.dumps({"envs": [str(tmp_path / "envs" / "old"), str(tmp_path / "envs" / "new")]})
    write_program(tmp_path / "bin" / "conda", f"echo '{listed}'\n")
    by_uv = write_fake_python(tmp_path / "uv" / "python3.7", [3, 7, 3])
    write_program(tmp_path / "bin" / "uv", f"echo {by_uv}\n")
    environ = {"PATH": str(tmp_path / "bin"), "PYENV_ROOT": str(tmp_path / "pyenv")}
    found = candidate_texts(environ, tmp_path)
    wanted = [sys.executable, str(on_path), str(in_pyenv), str(at_home), str(in_conda), str(by_uv)]
    assert [text for text in found if text in wanted] == wanted
    assert str(other) not in found


@posix
def test_first_usable_python_is_taken_and_others_are_reported(tmp_path):
    narrow = write_fake_python(tmp_path / "a", [3, 7, 1], bits=32)
    bare = write_fake_python(tmp_path / "b", [3, 7, 2], can_make_venv=False)
    good = write_fake_python(tmp_path / "c", [3, 7, 3])
    never = write_program(tmp_path / "d", "touch asked\n")
    places = [[str(path)] for path in (narrow, bare, good, never)]
    found, rejected = pythons.find_python(("3.7",), ("x86_64",), places)
    assert found.executable == str(good)
    assert len(rejected) == 2 and "32-bit" in rejected[0] and "python3.7-venv" in rejected[1]


@pytest.mark.parametrize(
    "system, apple, words",
    [
        ("Linux", False, None),
        ("Windows", False, None),
        ("Darwin", False, None),
        ("Darwin", True, "Apple"),
        ("FreeBSD", False, "FreeBSD"),
    ],
)
def test_which_systems_can_have_classic(system, apple, words):
    why = pythons.why_no_classic(system, apple)
    assert why is None if words is None else words in why


@posix
def test_conda_makes_a_python_and_a_half_made_one_is_noticed(tmp_path):
    prefix = tmp_path / "python-3.7"
    (prefix / "bin").mkdir(parents=True)
    write_fake_python(prefix / "bin" / "python", [3, 7, 1])
    assert conda.python_in(prefix) is None  # no mark: an earlier run was stopped
    fake = write_program(
        tmp_path / "conda", f'echo "$@" > "{tmp_path}/asked"; mkdir -p "{prefix}/bin"; touch "{prefix}/bin/python"\n'
    )
    made, problem = conda.make_python(str(fake), prefix, "3.7")
    assert (made, problem) == (prefix / "bin" / "python", "")
    assert conda.python_in(prefix) == made
    assert "--channel conda-forge python=3.7" in (tmp_path / "asked").read_text()


@posix
def test_conda_that_fails_says_why(tmp_path):
    fake = write_program(tmp_path / "conda", "echo 'CondaHTTPError: no connection' >&2; exit 1\n")
    assert conda.make_python(str(fake), tmp_path / "p", "3.7") == (None, "CondaHTTPError: no connection")


@pytest.fixture
def checkout(tmp_path):
    """A checkout with the lock files and no environment."""
    (tmp_path / "locks").mkdir()
    for file in (ROOT / "locks").glob("*.*"):
        (tmp_path / "locks" / file.name).write_bytes(file.read_bytes())
    return tmp_path


def choose(checkout, monkeypatch, *, found=None, rejected=(), asked=None, impossible=None):
    """Return the choice on a machine whose only Python 3.7 is ``found`` and that has no conda."""
    monkeypatch.setattr(pythons, "why_no_classic", lambda: impossible)
    monkeypatch.setattr(pythons, "find_python", lambda *_, **__: (found, list(rejected)))
    monkeypatch.setattr(conda, "find_conda", lambda: None)
    return choosing.choose(asked, checkout, Progress())


def test_classic_where_a_python_37_is(checkout, monkeypatch):
    choice = choose(checkout, monkeypatch, found=python())
    assert (choice.name, choice.why) == ("classic", "a usable Python 3.7 is at /fake/python")


def test_modern_where_there_is_none_and_the_reason_is_remembered(checkout, monkeypatch):
    choice = choose(checkout, monkeypatch)
    assert (choice.name, choice.why) == ("modern", "there is no Python 3.7 on this machine")
    monkeypatch.setattr(choosing, "is_ready", lambda name, root: name == "modern")
    again = choose(checkout, monkeypatch, found=python())
    assert again.name == "modern" and "`--env classic` looks again" in again.why


def test_modern_where_classic_cannot_be(checkout, monkeypatch):
    choice = choose(checkout, monkeypatch, found=python(), impossible="there is no TensorFlow 1.15 for FreeBSD")
    assert (choice.name, choice.why) == ("modern", "there is no TensorFlow 1.15 for FreeBSD")


def test_what_is_asked_for_is_taken(checkout, monkeypatch):
    assert choose(checkout, monkeypatch, found=python(), asked="modern").name == "modern"


def test_classic_asked_for_without_a_python_37_says_what_to_type(checkout, monkeypatch):
    monkeypatch.setattr(pythons, "find_python", lambda *_, **__: (None, ["/old/python3.7 is a 32-bit Python"]))
    monkeypatch.setattr(conda, "find_conda", lambda: None)
    with pytest.raises(LabError, match="32-bit.*conda create.*pyenv install 3.7.*--env modern"):
        choosing.find_base("classic", checkout, Progress())


def test_gpu_newer_than_turing_is_said_for_classic_alone():
    card = {"name": "NVIDIA GeForce RTX 3060", "compute_capability": 8.6}
    assert "classic uses the CPU, `python3 lab.py --env modern` uses the GPU" in choosing.gpu_note("classic", [card])
    assert choosing.gpu_note("modern", [card]) == ""
    assert choosing.gpu_note("classic", [{"name": "Tesla T4", "compute_capability": 7.5}]) == ""
    assert choosing.gpu_note("classic", [{"name": "old driver", "compute_capability": None}]) == ""


def test_driver_that_does_not_know_compute_capabilities_is_asked_without():
    def run(command, timeout):
        if "compute_cap" in command[1]:
            return 2, 'Field "compute_cap" is not a valid field to query.', ""
        return 0, "GeForce RTX 2080, 418.56, 7951\n", ""

    found, error = gpus.ask_driver("nvidia-smi", run)
    assert error is None and found[0]["driver"] == "418.56" and found[0]["compute_capability"] is None


@pytest.mark.parametrize(
    "capability, system, machine, expected",
    [
        (8.6, "Linux", "x86_64", True),
        (None, "Linux", "x86_64", True),
        (5.2, "Linux", "x86_64", False),
        (8.6, "Windows", "AMD64", False),
        (8.7, "Linux", "aarch64", False),
    ],
)
def test_which_machines_get_the_modern_environment_with_cuda(capability, system, machine, expected):
    toolchain = locks.read_toolchain(ROOT / "locks")
    assert gpus.modern_can_use([{"compute_capability": capability}], toolchain, system, machine) is expected
    assert not gpus.modern_can_use([], toolchain, system, machine)
