"""Environments made from tiny packages: whole, half-made, out of date, two at once, and killed at any moment."""

import base64
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import pytest

from mini_rcnn.launch import environments, folders, installing, locks, pythons
from mini_rcnn.launch.environments import Spec
from mini_rcnn.launch.errors import LabError
from mini_rcnn.launch.guard import Guard
from mini_rcnn.launch.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
TOOLCHAIN = locks.read_toolchain(ROOT / "locks")
FITTING = TOOLCHAIN["classic"]["python"] + TOOLCHAIN["modern"]["python"]


def write_wheel(folder, name, version, files=()):
    """Write a pure Python wheel and return its SHA-256."""
    info = f"{name}-{version}.dist-info"
    contents = {f"{name}.py": f'__version__ = "{version}"\n', **dict(files)}
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    contents[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = ""
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    contents[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in contents.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    (folder / f"{name}-{version}-py3-none-any.whl").write_bytes(packed.getvalue())
    return hashlib.sha256(packed.getvalue()).hexdigest()


def write_lock(path, wheels):
    """Write a lock file of ``(name, version, hash)``."""
    path.write_text("".join(f"{name}=={version} \\\n    --hash=sha256:{digest}\n" for name, version, digest in wheels))


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A checkout in a folder with a space and Korean letters, whose lock names two tiny packages."""
    root = tmp_path / "한글 폴더"
    wheels = tmp_path / "wheels"
    for folder in (root / "locks", root / "mini_rcnn", wheels):
        folder.mkdir(parents=True)
    (root / "mini_rcnn" / "__init__.py").write_text("")
    write_lock(
        root / "locks" / "tiny.txt", [(name, "1.0", write_wheel(wheels, name, "1.0")) for name in ("aaa", "bbb")]
    )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(os, "sync", lambda: None, raising=False)  # takes long while other programs write
    return root


def spec_of(root, *, gigabytes=0.001, lock="tiny.txt"):
    """Return the `Spec` of the tiny environment."""
    return Spec("tiny", root / ".venv" / "tiny", (root / "locks" / lock,), "any", gigabytes, root)


def this_python():
    """Return the Python that the tests' environment was made from."""
    python = pythons.ask_python([sys.executable])
    assert python is not None and python.can_make_venv
    return python


def ensure(root, **changes):
    """Have the tiny environment ready and return what was said."""
    stream = io.StringIO()
    environments.ensure(spec_of(root, **changes), this_python, Progress(stream, every=0))
    return stream.getvalue()


def run_in(root, code):
    """Return what code prints in the tiny environment."""
    python = environments.python_of(root / ".venv" / "tiny")
    environ = environments.environ_of(root / ".venv" / "tiny")
    return subprocess.run([str(python), "-c", code], stdout=subprocess.PIPE, env=environ, check=True).stdout.decode()


def state_of(root):
    """Return what the tiny environment is said to be."""
    return environments.inspect(spec_of(root)).kind


def write_pip_trap(tmp_path, monkeypatch):
    """Give the user settings for pip and Python that send packages elsewhere."""
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nuser = true\nrequire-virtualenv = true\n[install]\ntarget = {tmp_path / 'else'}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_ONLY_BINARY", "aaa")
    monkeypatch.setenv("PIP_PREFIX", str(tmp_path / "else"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "else"))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path / "else"))


def test_made_whole_and_found_whole_whatever_the_user_has_set_for_pip(lab, tmp_path, monkeypatch):
    write_pip_trap(tmp_path, monkeypatch)
    assert state_of(lab) == "absent"
    said = ensure(lab)
    assert "Making the tiny environment" in said and "2 of 2 packages" in said
    assert run_in(lab, "import aaa, bbb, mini_rcnn; print(aaa.__version__)").strip() == "1.0"
    assert state_of(lab) == "ready"
    assert ensure(lab) == ""


def test_half_made_is_mended(lab):
    (lab / ".venv" / "tiny" / "lib").mkdir(parents=True)
    assert state_of(lab) == "half-made"
    assert "made anew: an earlier run did not finish it" in ensure(lab)
    assert run_in(lab, "import aaa; print(aaa.__version__)").strip() == "1.0"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 0}'])
def test_a_stamp_that_cannot_be_read_is_none(lab, text):
    folder = lab / ".venv" / "tiny"
    folder.mkdir(parents=True)
    (folder / environments.STAMP).write_text(text)
    assert state_of(lab) == "half-made"


def test_changed_lock_updates(lab, tmp_path):
    ensure(lab)
    new = write_wheel(tmp_path / "wheels", "bbb", "2.0")
    old = hashlib.sha256((tmp_path / "wheels" / "aaa-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    write_lock(lab / "locks" / "tiny.txt", [("aaa", "1.0", old), ("bbb", "2.0", new)])
    assert state_of(lab) == "outdated"
    assert "Updating" in ensure(lab)
    assert run_in(lab, "import aaa, bbb; print(bbb.__version__)").strip() == "2.0"
    assert state_of(lab) == "ready"


def test_package_that_leaves_the_lock_calls_for_a_new_environment(lab):
    site = lab / ".venv" / "tiny" / ("Lib/site-packages" if os.name == "nt" else "lib/python3.7/site-packages")
    for name in ("aaa-1.0.dist-info", "bbb-1.0.dist-info", "pip-22.0.4.dist-info"):
        (site / name).mkdir(parents=True)
    assert not environments.falls_out(spec_of(lab))
    (site / "ccc-1.0.dist-info").mkdir()
    assert environments.falls_out(spec_of(lab))


def test_moved_checkout_and_vanished_python_are_noticed(lab, tmp_path):
    (lab / ".venv" / "tiny").mkdir(parents=True)
    environments.write_stamp(spec_of(lab), "3.7.16")
    assert state_of(lab) == "broken"
    moved = tmp_path / "moved"
    lab.rename(moved)
    assert state_of(moved) == "moved"


def test_removing_takes_read_only_files_as_well(tmp_path):
    inside = tmp_path / "environment" / "inside"
    inside.mkdir(parents=True)
    (inside / "file").write_text("")
    (inside / "file").chmod(0o400)
    folders.remove(tmp_path / "environment", [], print)
    assert not (tmp_path / "environment").exists()


def test_wrong_hash_is_refused(lab):
    write_lock(lab / "locks" / "tiny.txt", [("aaa", "1.0", "0" * 64)])
    with pytest.raises(LabError, match="hash differs"):
        ensure(lab)
    assert state_of(lab) == "half-made"


def test_no_network_is_one_sentence(lab, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nothing listens on port 9
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(LabError, match="127.0.0.1 cannot be reached. Check the network"):
        ensure(lab)


def test_full_disk_is_said_before_anything_is_made(lab):
    with pytest.raises(LabError, match="needs .* GB on the disk and .* GB are free"):
        ensure(lab, gigabytes=1e9)
    assert not (lab / ".venv" / "tiny").exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_read_only_folder_is_one_sentence(lab, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(lab / ".venv"))

    monkeypatch.setattr(environments.Path, "mkdir", refuse)
    with pytest.raises(LabError, match="Nothing can be written to .*한글 폴더"):
        ensure(lab)


def test_missing_venv_module_says_what_to_type(lab, tmp_path):
    if os.name == "nt":
        pytest.skip("needs a POSIX shell")
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho 'No module named venv' >&2\nexit 1\n")
    fake.chmod(0o755)
    base = pythons.Python(str(fake), (3, 11, 2), 64, "x86_64", "CPython", True)
    with pytest.raises(LabError, match="sudo apt install python3.11-venv"):
        environments.ensure(spec_of(lab), lambda: base, Progress(io.StringIO()))


@pytest.mark.parametrize(
    "output, words",
    [
        (
            "HTTPSConnectionPool(host='pypi.org', port=443): NewConnectionError: Failed to establish a new connection",
            "pypi.org cannot be reached",
        ),
        ("ProxyError('Cannot connect to proxy.')\nERROR: No matching distribution found for six", "HTTPS_PROXY"),
        ("SSLError(SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED]", "PIP_CERT"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "hash differs"),
        ("ERROR: No matching distribution found for tensorflow-gpu==1.15.0", "pip found no tensorflow-gpu==1.15.0"),
        ("PermissionError: [Errno 13] Permission denied: 'x'", "in use"),
        ("ERROR: something else", "something else"),
        ("", "it said nothing"),
    ],
)
def test_pip_failures_are_explained(output, words):
    assert words in installing.explain(output)


LAUNCH = textwrap.dedent("""
    import io, sys
    sys.path[:0] = [{repository!r}, {tests!r}]
    from pathlib import Path
    from test_launch_environments import spec_of, this_python
    from mini_rcnn.launch import environments
    from mini_rcnn.launch.progress import Progress
    environments.os.sync = lambda: None
    environments.ensure(spec_of(Path({root!r})), this_python, Progress())
""")


def start_launcher(root, **keywords):
    """Start a process that has the tiny environment ready, in a group of its own."""
    code = LAUNCH.format(repository=str(ROOT), tests=str(ROOT / "tests"), root=str(root))
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True, **keywords)


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
@pytest.mark.parametrize(
    "victim, moment",
    [
        ("all of it", "at once"),
        ("the launcher alone", "in venv"),
        ("all of it", "in pip"),
        ("the launcher alone", "in pip"),
        ("the launcher alone", "just before the stamp"),
    ],
)
def test_killed_at_any_moment_and_run_again(lab, victim, moment):
    folder = lab / ".venv" / "tiny"
    first = start_launcher(lab, stderr=subprocess.DEVNULL)
    waits = {
        "at once": lambda: (lab / ".venv").exists(),
        "in venv": lambda: (folder / "pyvenv.cfg").exists(),
        "in pip": lambda: (lab / ".venv" / "tiny-pip.log").exists(),
        "just before the stamp": lambda: "bbb" in installing.installed_packages(folder),
    }
    deadline = time.monotonic() + 60
    while not waits[moment]() and time.monotonic() < deadline:
        time.sleep(0.01)
    if victim == "all of it":
        os.killpg(first.pid, signal.SIGKILL)
    else:
        os.kill(first.pid, signal.SIGKILL)
    first.wait()
    ensure(lab)
    assert state_of(lab) == "ready"
    assert run_in(lab, "import aaa, bbb; print(aaa.__version__, bbb.__version__)").split() == ["1.0", "1.0"]


def test_two_runs_at_once(lab):
    both = [start_launcher(lab, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=120)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("Making the tiny environment" in text for text in said) == 1
    assert sum("another lab.py is making this environment (process" in text for text in said) == 1
    assert state_of(lab) == "ready"


@pytest.mark.skipif(os.name == "nt", reason="descriptors are inherited on POSIX")
def test_an_orphan_keeps_the_lock_until_it_ends(tmp_path):
    code = "import subprocess, sys; from mini_rcnn.launch.guard import Guard\nfrom pathlib import Path\n"
    code += f"with Guard(Path({str(tmp_path / 'lock')!r}), print) as guard:\n"
    code += "    sleep = [sys.executable, '-c', 'import time; time.sleep(3)']\n"
    code += "    child = subprocess.Popen(sleep, pass_fds=(guard.descriptor,))\n"
    code += "    print('ready', flush=True)\n    child.wait()\n"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=str(ROOT))
    assert parent.stdout.readline().strip() == b"ready"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    said, begun = [], time.monotonic()
    with Guard(tmp_path / "lock", said.append, pause=0.05):
        waited = time.monotonic() - begun
    assert waited > 0.5 and len(said) == 1 and f"process {parent.pid}" in said[0]


def test_gpu_flavour_stays_and_is_only_for_modern(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "toolchain.json").write_text(json.dumps(TOOLCHAIN))
    assert environments.spec_for("modern", tmp_path).flavour == "cpu"
    assert environments.spec_for("modern", tmp_path, gpu=True).flavour == "gpu"
    assert environments.spec_for("classic", tmp_path, gpu=True).flavour == "any"
    (tmp_path / ".venv" / "modern").mkdir(parents=True)
    (tmp_path / ".venv" / "modern" / environments.STAMP).write_text('{"flavour": "gpu"}')
    assert environments.spec_for("modern", tmp_path).flavour == "gpu"
