"""The doctor: each usual case as a faked set of facts, and the probes against small fake machines."""

import copy
import json
import os
import sys
from pathlib import Path

import pytest

from mini_rcnn.launch import cuda_files, facts, findings, report
from mini_rcnn.launch.judging import PROBLEM, WARNING

ROOT = Path(__file__).resolve().parent.parent
CARD = {"name": "NVIDIA GeForce RTX 2080", "driver": "550.54.15", "memory_mb": 8192, "compute_capability": 7.5}


def libraries(cuda="10.0.130", cudnn="7.6.5", folder="/usr/local/cuda-10.0/lib64", on_path=True):
    """Return what `find_libraries` finds of one CUDA and one cuDNN."""
    found = [(name, cuda) for name in cuda_files.CUDA_LIBRARIES if cuda] + [("cudnn", cudnn)] * bool(cudnn)
    return [{"library": name, "version": version, "folder": folder, "on_path": on_path} for name, version in found]


def environment(**changes):
    """Return the facts of a whole environment whose TensorFlow sees no GPU."""
    whole = {"state": "ready", "why": "", "flavour": "any", "python": "3.7.16", "keras": "2.2.5"}
    whole.update(tensorflow={"version": "1.15.0", "gpus": [], "built_with_cuda": True}, different_packages=[])
    whole.update(changes)
    return whole


def base():
    """Return the facts of a Linux machine with a Turing card on which all is well but that no GPU is seen."""
    return copy.deepcopy({
        "wanted": facts.wanted(ROOT),
        "machine": {
            "system": "Linux", "processor": "x86_64", "wsl": False, "apple_silicon": False, "libc": "glibc 2.36",
            "cores": 8, "memory_gb": 16.0, "disk_free_gb": 100.0, "folder": "/home/ada/lab", "folder_writable": True,
        },
        "launcher": {
            "python": "3.11.7", "executable": "/usr/bin/python3", "bits": 64, "tensorflow": None, "virtual_env": None,
            "conda_prefix": None, "pythonpath": None, "cuda_visible_devices": None,
        },
        "pythons": {
            "classic": {"executable": "/py37", "version": "3.7.16", "rejected": [], "impossible": None},
            "modern": {"executable": "/py311", "version": "3.11.7", "rejected": [], "impossible": None},
            "conda": None,
        },
        "gpu": {
            "nvidia_smi": "/usr/bin/nvidia-smi", "driver": "550.54.15", "driver_error": None, "gpus": [CARD],
            "card_on_bus": True,
        },
        "cuda_libraries": libraries(),
        "environments": {
            "classic": environment(),
            "modern": environment(
                flavour="gpu", python="3.11.7", keras="3.12.4", tensorflow={"version": "2.21.0", "gpus": []}
            ),
        },
        "failed_probes": {},
    })  # fmt: skip


def no_gpu(known):
    """Take card and driver out of a machine."""
    known["gpu"] = {"nvidia_smi": None, "driver": None, "driver_error": None, "gpus": [], "card_on_bus": False}


def change(path, value):
    """Return a function that sets one fact, ``"gpu.driver"``."""

    def apply(known):
        *way, last = path.split(".")
        for key in way:
            known = known[key]
        known[last] = value

    return apply


def card(**changes):
    """Return a function that changes the card, and the driver with it."""

    def apply(known):
        known["gpu"]["gpus"] = [{**CARD, **changes}]
        known["gpu"]["driver"] = known["gpu"]["gpus"][0]["driver"]

    return apply


def both(*steps):
    """Return a function that makes several changes."""
    return lambda known: [step(known) for step in steps]


def in_absent_modern(known):
    """Leave the machine without a modern environment."""
    known["environments"]["modern"].update(state="absent", flavour="cpu", tensorflow=None, python=None, keras=None)


def only_classic(known):
    """Leave the machine with classic alone, so that findings about modern do not matter."""
    in_absent_modern(known)
    known["pythons"]["modern"].update(executable=None, version=None)


# name: change, id that has to come, severity, words in what it says, words in what to type
CASES = {
    "no card at all": (no_gpu, "no-gpu", "note", "fine", ""),
    "card, no driver": (
        both(no_gpu, change("gpu.card_on_bus", True)), "driver-missing", "warning", "no NVIDIA driver", "nvidia-smi"),
    "driver does not answer": (
        both(change("gpu.gpus", []), change("gpu.driver_error", "Driver/library version mismatch")),
        "driver-broken", "warning", "version mismatch", "restart"),
    "driver too old for CUDA 10.0": (
        both(only_classic, card(driver="390.116")), "driver-old", "warning", "410.48", "nvidia.com/drivers"),
    "driver too old for modern": (card(driver="470.82.01"), "driver-old", "warning", "525.60.13", "nvidia.com/drivers"),
    "no CUDA libraries": (
        change("cuda_libraries", libraries(cuda=None)), "cuda-missing", "warning", "cudart", "conda env create"),
    "no cuDNN": (
        change("cuda_libraries", libraries(cudnn=None)), "cudnn-missing", "warning", "cuDNN 7.6", "cudnn-archive"),
    "a CUDA library missing": (
        change("cuda_libraries", libraries()[1:]), "cuda-missing", "warning", "cudart", "cuda-10.0-download-archive"),
    "CUDA 11 instead": (
        change("cuda_libraries", libraries(cuda="11.8.89", folder="/usr/local/cuda-11.8/lib64")),
        "cuda-wrong-version", "warning", "11.8.89 in /usr/local/cuda-11.8/lib64", "conda env create"),
    "cuDNN 8 instead": (
        change("cuda_libraries", libraries(cudnn="8.0.5")), "cudnn-wrong-version", "warning", "8.0.5 in", "conda"),
    "cuDNN 7.4 instead": (
        change("cuda_libraries", libraries(cudnn="7.4.2")), "cudnn-wrong-version", "warning", "7.4.2 in", "conda"),
    "CUDA where the loader does not look": (
        change("cuda_libraries", libraries(on_path=False)), "cuda-not-on-path", "warning",
        "where the loader does not look", 'export LD_LIBRARY_PATH="/usr/local/cuda-10.0/lib64'),
    "card newer than Turing": (
        card(name="RTX 3060", compute_capability=8.6), "gpu-too-new", "warning", "RTX 3060 (compute capability 8.6)",
        "python3 lab.py --env modern"),
    "card too old for classic": (
        both(only_classic, card(name="GT 630", compute_capability=3.0)), "gpu-too-old", "warning", "GT 630", ""),
    "card too old for modern": (
        card(name="GTX 980", compute_capability=5.2), "gpu-too-old", "warning", "(6.0)", "--env classic"),
    "GPU hidden": (
        change("launcher.cuda_visible_devices", "-1"), "gpu-hidden", "warning", "'-1'", "unset CUDA_VISIBLE_DEVICES"),
    "modern without CUDA beside a GPU": (
        change("environments.modern.flavour", "cpu"), "cpu-build", "warning", "without CUDA", "--env modern"),
    "all is right and none is seen": (lambda known: None, "gpu-unseen", "warning", "sees no GPU", "is_gpu_available"),
    "GPU works": (
        change("environments.classic.tensorflow", {"version": "1.15.0", "gpus": ["GPU:0"]}), "gpu-works", "ok",
        "TensorFlow sees NVIDIA GeForce RTX 2080 in classic", ""),
    "Windows itself and modern": (
        change("machine.system", "Windows"), "windows-modern-cpu", "note", "no GPU support", "wsl --install"),
    "WSL without a driver": (
        both(no_gpu, change("machine.wsl", True)), "wsl-no-driver", "note", "WSL", "wsl --update"),
    "old driver in WSL": (
        both(change("machine.wsl", True), card(driver="526.0")), "driver-old", "warning", "528.33", "nvidia.com"),
    "macOS": (both(no_gpu, change("machine.system", "Darwin")), "macos", "note", "macOS", ""),
    "Apple silicon": (
        both(no_gpu, change("machine.system", "Darwin"), change("environments.classic.state", "absent"),
             change("pythons.classic", {"executable": None, "version": None, "rejected": [],
                                        "impossible": "there is no TensorFlow 1.15 for Apple's own processors"})),
        "no-classic", "note", "Apple's own processors", ""),
    "no Python 3.7": (
        both(change("environments.classic.state", "absent"), change("environments.classic.tensorflow", None),
             change("pythons.classic.executable", None)), "no-classic", "note", "no Python 3.7 here", "pyenv"),
    "no Python that fits": (
        both(only_classic, change("environments.classic.state", "absent"), change("pythons.classic.executable", None),
             change("pythons.modern.rejected", ["/usr/bin/python3.11 cannot make environments: type `sudo apt ...`"])),
        "no-python", "problem", "sudo apt", "python.org"),
    "half-made": (
        both(change("environments.classic.state", "half-made"), change("environments.classic.why", "it was stopped")),
        "environment-half-made", "warning", "it was stopped", "python3 lab.py --env classic"),
    "older lock": (
        both(change("environments.classic.state", "outdated"), change("environments.classic.why", "the lock changed")),
        "environment-outdated", "warning", "the lock changed", "python3 lab.py --env classic"),
    "moved": (change("environments.modern.state", "moved"), "environment-moved", "warning", "moved", "--env modern"),
    "base Python gone": (
        change("environments.classic.state", "broken"), "environment-broken", "warning", "broken", "--env classic"),
    "another TensorFlow in classic": (
        change("environments.classic.different_packages", [["tensorflow-gpu", "1.15.0", "2.1.0"]]),
        "packages-differ", "problem", "tensorflow-gpu 2.1.0 (wanted 1.15.0)", "--env classic --remake"),
    "a small package differs": (
        change("environments.classic.different_packages", [["tqdm", "4.68.2", None]]),
        "packages-differ", "warning", "tqdm missing", "--remake"),
    "TensorFlow does not import": (
        change("environments.classic.tensorflow", {"error": "ImportError: libstdc++"}),
        "tensorflow-broken", "problem", "libstdc++", "--remake"),
    "processor without AVX": (
        change("environments.modern.tensorflow", {"error": "illegal instruction"}),
        "processor-too-old", "problem", "illegal instruction", "another machine"),
    "another virtual environment is active": (
        both(change("launcher.virtual_env", "/home/ada/other"), change("launcher.tensorflow", "2.4.0")),
        "wrong-environment", "warning", "/home/ada/other (Python 3.11.7, TensorFlow 2.4.0)", "deactivate"),
    "a conda environment is active": (
        change("launcher.conda_prefix", "/home/ada/miniconda3"), "wrong-environment", "warning", "no Tensor", "conda"),
    "PYTHONPATH leads elsewhere": (
        change("launcher.pythonpath", "/opt/other"), "pythonpath-set", "warning", "/opt/other", "unset PYTHONPATH"),
    "little memory": (change("machine.memory_gb", 2.0), "memory-low", "warning", "2.0 GB", "close other programs"),
    "full disk, nothing made": (
        both(change("machine.disk_free_gb", 1.0), change("environments.classic.state", "absent"), in_absent_modern),
        "disk-low", "problem", "1.0 GB are free", "make room"),
    "full disk, one made": (
        both(change("machine.disk_free_gb", 1.0), in_absent_modern), "disk-low", "warning", "modern", "make room"),
    "folder cannot be written": (
        change("machine.folder_writable", False), "folder-read-only", "problem", "/home/ada/lab", "copy the lab"),
    "a probe failed": (
        both(change("cuda_libraries", None), change("failed_probes", {"cuda_libraries": "OSError: odd"})),
        "probe-failed", "warning", "OSError: odd", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_usual_case_is_explained(case):
    alter, wanted, severity, words, steps = CASES[case]
    known = base()
    alter(known)
    found = findings.diagnose(known)
    matching = [item for item in found if item.id == wanted and words in item.found]
    assert matching, [(item.id, item.found) for item in found]
    assert matching[0].severity == severity
    assert steps in "\n".join(matching[0].type) and matching[0].matters
    assert findings.exit_code(found) == int(any(item.severity == PROBLEM for item in found))
    text = report.as_text(known, found)
    longest = max((line for line in text.splitlines() if "$ " not in line and " - " not in line), key=len)
    assert len(longest) <= 80, longest
    assert json.loads(report.as_json(known, found))["findings"][0]["id"] == found[0].id


def test_a_machine_on_which_all_is_well_has_nothing_wrong():
    known = base()
    for name in ("classic", "modern"):
        known["environments"][name]["tensorflow"]["gpus"] = ["/physical_device:GPU:0"]
    found = findings.diagnose(known)
    assert [item.id for item in found] == ["gpu-works", "gpu-works"] and findings.exit_code(found) == 0


def test_a_machine_without_a_gpu_is_fine():
    known = base()
    no_gpu(known)
    found = findings.diagnose(known)
    assert [item.id for item in found] == ["no-gpu"] and findings.exit_code(found) == 0


def test_a_fresh_clone_is_fine():
    known = base()
    no_gpu(known)
    known["environments"]["classic"].update(state="absent", tensorflow=None)
    in_absent_modern(known)
    assert [item.id for item in findings.diagnose(known)] == ["no-gpu"]


def test_a_newer_card_is_no_fault_of_modern():
    known = base()
    card(compute_capability=8.6)(known)
    known["environments"]["modern"]["tensorflow"]["gpus"] = ["GPU:0"]
    assert [(item.id, item.environment) for item in findings.diagnose(known)] == [
        ("gpu-too-new", "classic"),
        ("gpu-works", "modern"),
    ]


def test_the_worst_stands_first():
    known = base()
    both(change("machine.memory_gb", 1.0), change("machine.folder_writable", False), no_gpu)(known)
    order = [item.severity for item in findings.diagnose(known)]
    assert order == ["problem", "warning", "note"]


@pytest.mark.parametrize(
    "probe", ["wanted", "machine", "launcher", "pythons", "gpu", "cuda_libraries", "classic", "modern"]
)
def test_no_failed_probe_stops_the_doctor(probe):
    known = base()
    (known["environments"] if probe in ("classic", "modern") else known)[probe] = None
    known["failed_probes"] = {probe: "ValueError: odd"}
    found = findings.diagnose(known)
    assert any(item.id == "probe-failed" and item.severity == WARNING for item in found)
    assert report.as_text(known, found) and json.loads(report.as_json(known, found))


def test_a_probe_that_raises_is_a_fact(monkeypatch):
    def fail(*_):
        raise RuntimeError("odd machine")

    for name in ("bases", "environment"):
        monkeypatch.setattr(facts, name, lambda *_: None)
    monkeypatch.setattr(facts.gpus, "find_nvidia_smi", fail)
    known = facts.gather(ROOT)
    assert known["gpu"] is None and known["failed_probes"]["gpu"] == "RuntimeError: odd machine"


def test_json_keeps_its_form_and_says_nothing_of_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("USERPROFILE", "/home/ada")
    known = base()
    change("launcher.virtual_env", "/home/ada/other")(known)
    text = report.as_json(known, findings.diagnose(known))
    whole = json.loads(text)
    assert list(whole) == ["schema", "usable", "findings", "facts"] and whole["schema"] == 1
    assert set(whole["findings"][0]) == {"id", "severity", "environment", "found", "matters", "type"}
    assert set(whole["facts"]) == set(known)
    assert "/home/ada" not in text and "~/other" in text


def test_this_machine_can_be_probed():
    machine, launcher = facts.machine(ROOT), facts.launcher()
    assert machine["memory_gb"] > 0.5 and machine["disk_free_gb"] >= 0 and machine["folder_writable"]
    assert launcher["python"] == "{}.{}.{}".format(*sys.version_info)
    assert facts.card_on_bus("Linux") in (True, False)


def test_tensorflow_of_this_environment_answers(monkeypatch):
    monkeypatch.setattr(facts.environments, "python_of", lambda folder: sys.executable)
    answer = facts.ask_tensorflow(None)
    assert answer["version"][0] in "12" and isinstance(answer["gpus"], list)


@pytest.mark.parametrize(
    "code, output, errors, error",
    [
        (-4, "", "", "illegal instruction"),
        (1, "", "Traceback ...\nImportError: no such file", "ImportError: no such file"),
        (None, "", "no answer within 120 s", "no answer within 120 s"),
        (0, "not JSON", "", "its answer could not be read"),
        (3, "", "", "it ended with code 3"),
    ],
)
def test_tensorflow_that_does_not_answer(code, output, errors, error):
    answer = facts.ask_tensorflow(Path("/none"), run=lambda *_, **__: (code, output, errors))
    assert answer == {"error": error}


@pytest.mark.skipif(os.name == "nt", reason="Linux's file names")
def test_libraries_are_found_where_they_are_usually(tmp_path, monkeypatch):
    loaded, other = tmp_path / "loaded", tmp_path / "conda" / "lib"
    for folder in (loaded, other):
        folder.mkdir(parents=True)
    (loaded / "libcudart.so.11.0").write_text("")
    (other / "libcudnn.so.7.6.5").write_text("")
    (other / "libcudnn.so.7").symlink_to("libcudnn.so.7.6.5")
    (other / "libunrelated.so.1").write_text("")
    monkeypatch.setattr(cuda_files, "LINUX_FOLDERS", ())
    monkeypatch.setattr(cuda_files, "ask", lambda *_, **__: (0, "", ""))
    environ = {"LD_LIBRARY_PATH": str(loaded), "CONDA_PREFIX": str(tmp_path / "conda")}
    found = [tuple(item.values()) for item in cuda_files.find_libraries("Linux", environ)]
    assert found == [("cudart", "11.0", str(loaded), True), ("cudnn", "7.6.5", str(other), False)]


def test_libraries_are_found_on_windows(tmp_path):
    folder = tmp_path / "NVIDIA GPU Computing Toolkit" / "CUDA" / "v10.0" / "bin"
    folder.mkdir(parents=True)
    (folder / "cudart64_100.dll").write_text("")
    environ = {"ProgramFiles": str(tmp_path), "PATH": ""}
    found = cuda_files.find_libraries("Windows", environ)
    assert [(item["library"], item["version"], item["on_path"]) for item in found] == [("cudart", "10.0", False)]
