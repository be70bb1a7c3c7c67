"""Gather the facts that the doctor judges. A probe that fails is a fact itself: it never stops the others."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
from pathlib import Path

from mini_rcnn.launch import choosing, cuda_files, environments, gpus, installing, locks, pythons
from mini_rcnn.launch.processes import ask

TENSORFLOW_NAMES = ("tensorflow-gpu", "tensorflow-cpu", "tensorflow")
TENSORFLOW_QUESTION = """
import json, os
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf
try:
    devices = tf.config.experimental.list_physical_devices("GPU")
except AttributeError:
    devices = tf.config.list_physical_devices("GPU")
try:
    build = dict(tf.sysconfig.get_build_info())
except AttributeError:
    build = {}
print(json.dumps({
    "version": tf.__version__,
    "gpus": [device.name for device in devices],
    "built_with_cuda": bool(tf.test.is_built_with_cuda()),
    "cuda": build.get("cuda_version"),
    "cudnn": build.get("cudnn_version"),
}))
"""


def wanted(root):
    """Return what each environment wants, read from the lock files and ``toolchain.json``."""
    toolchain = locks.read_toolchain(root / "locks")
    wants = {}
    for name in ("classic", "modern"):
        files = locks.LOCK_FILES[name, locks.flavour_of(name, gpu=True)]
        pins = locks.pins_of([root / "locks" / file for file in files])
        wants[name] = {
            "python": toolchain[name]["python"],
            "tensorflow": next(pins[package][0][0] for package in TENSORFLOW_NAMES if package in pins),
            "keras": pins["keras"][0][0],
            "cuda": toolchain[name].get("cuda") or short(pins["nvidia-cuda-runtime-cu12"][0][0]),
            "cudnn": toolchain[name].get("cudnn") or short(pins["nvidia-cudnn-cu12"][0][0]),
            "compute_capability": toolchain[name]["compute_capability"],
            "driver": toolchain[name]["driver"],
            "gigabytes": toolchain[name]["gigabytes"],
        }
    return wants


def short(version):
    """Return the first two numbers of a version.

    Examples
    --------
    >>> short("12.9.79")
    '12.9'
    """
    return ".".join(version.split(".")[:2])


def machine(root):
    """Return the facts about the computer."""
    system = platform.system()
    return {
        "system": system,
        "processor": platform.machine(),
        "wsl": system == "Linux" and "microsoft" in platform.release().lower(),
        "apple_silicon": pythons.apple_silicon(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "cores": os.cpu_count(),
        "memory_gb": memory_gb(system),
        "disk_free_gb": round(shutil.disk_usage(str(root)).free / 1e9, 1),
        "folder": str(root),
        "folder_writable": os.access(str(root), os.W_OK),
    }


def memory_gb(system):
    """Return the size of the memory in GB, less where a container is given less, or None."""
    if system == "Linux":
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        sizes = [int(re.search(r"MemTotal:\s+(\d+)", text).group(1)) * 1024]
        limit = Path("/sys/fs/cgroup/memory.max")
        if limit.is_file() and limit.read_text().strip().isdigit():
            sizes.append(int(limit.read_text()))
        return round(min(sizes) / 1e9, 1)
    if system == "Darwin":
        return round(int(ask(["/usr/sbin/sysctl", "-n", "hw.memsize"], timeout=5)[1]) / 1e9, 1)
    if system == "Windows":
        return windows_memory_gb()
    return None


def windows_memory_gb():
    """Return the size of the memory as Windows says."""
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong) for name in ("total", "free", "pages", "pages_free", "virtual", "v_free", "ext")
        ]

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return round(status.total / 1e9, 1)


def launcher():
    """Return the facts about the Python that runs this, and about the shell that it was started in."""
    packages = {}
    for folder in sys.path:
        for info in Path(folder).glob("tensorflow*.dist-info") if folder and Path(folder).is_dir() else []:
            name, _, version = info.stem.partition("-")
            if locks.normal_name(name) in TENSORFLOW_NAMES:
                packages[locks.normal_name(name)] = version
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "tensorflow": next((packages[name] for name in TENSORFLOW_NAMES if name in packages), None),
        "virtual_env": os.environ.get("VIRTUAL_ENV"),
        "conda_prefix": os.environ.get("CONDA_PREFIX"),
        "pythonpath": os.environ.get("PYTHONPATH"),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def bases(root):
    """Return for each environment the Python that it can be made from, or why there is none."""
    found = {}
    for name in ("classic", "modern"):
        machines, impossible = None, None
        if name == "classic":
            machines = pythons.CLASSIC_MACHINES.get(platform.system(), ())
            impossible = pythons.why_no_classic()
        python, rejected = (
            (None, []) if impossible else pythons.find_python(choosing.preferred_versions(name, root), machines)
        )
        found[name] = {
            "executable": python.executable if python else None,
            "version": python.full if python else None,
            "rejected": rejected,
            "impossible": impossible,
        }
    found["conda"] = choosing.conda.find_conda()
    return found


def gpu(system=None):
    """Return what the driver, or without one the bus, says of NVIDIA cards."""
    smi = gpus.find_nvidia_smi()
    found, error = gpus.ask_driver(smi) if smi else ([], None)
    return {
        "nvidia_smi": smi,
        "driver": found[0]["driver"] if found else None,
        "driver_error": error,
        "gpus": found,
        "card_on_bus": bool(found) or card_on_bus(system or platform.system()),
    }


def card_on_bus(system):
    """Return whether an NVIDIA display card is there at all, driver or not."""
    if system == "Linux":
        for vendor in Path("/sys/bus/pci/devices").glob("*/vendor"):
            kind = vendor.with_name("class").read_text().strip()
            if vendor.read_text().strip() == "0x10de" and kind.startswith(("0x0300", "0x0302")):
                return True
    if system == "Windows":
        question = "(Get-CimInstance Win32_VideoController).Name"
        return "nvidia" in ask(["powershell", "-NoProfile", "-Command", question], timeout=20)[1].lower()
    return False


def environment(name, root):
    """Return the facts about one environment."""
    spec = environments.spec_for(name, root)
    state = environments.inspect(spec)
    known = {"state": state.kind, "why": state.why, "flavour": spec.flavour, "python": None, "keras": None}
    known.update(tensorflow=None, different_packages=[])
    if state.kind in (environments.READY, environments.OUTDATED):
        packages = installing.installed_packages(spec.folder)
        different = locks.compare_packages(packages, locks.pins_of(spec.lock_paths))
        known["python"] = state.stamp["python"]
        known["keras"] = packages.get("keras")
        known["different_packages"] = [list(item) for item in different]
        known["tensorflow"] = ask_tensorflow(spec.folder)
    return known


def ask_tensorflow(folder, run=ask):
    """Return what TensorFlow says of itself in an environment, or ``{"error": ...}``."""
    command = [environments.python_of(folder), "-c", TENSORFLOW_QUESTION]
    code, output, errors = run(command, timeout=120, environ=environments.environ_of(folder))
    if code == 0:
        try:
            return json.loads(output.strip().splitlines()[-1])
        except (ValueError, IndexError):
            return {"error": "its answer could not be read"}
    if code in (-4, 0xC000001D):  # SIGILL; Windows' illegal instruction
        return {"error": "illegal instruction"}
    last = errors.strip().splitlines()
    return {"error": last[-1] if last else f"it ended with code {code}"}


def gather(root):
    """Return all facts, as a dict that JSON can hold; see `report` for its form."""
    probes = {
        "wanted": lambda: wanted(root),
        "machine": lambda: machine(root),
        "launcher": launcher,
        "pythons": lambda: bases(root),
        "gpu": gpu,
        "cuda_libraries": cuda_files.find_libraries,
        "classic": lambda: environment("classic", root),
        "modern": lambda: environment("modern", root),
    }
    known, failed = {}, {}
    for name, probe in probes.items():
        try:
            known[name] = probe()
        except Exception as error:  # whatever a strange machine brings up must not hide the other facts
            known[name] = None
            failed[name] = f"{type(error).__name__}: {error}"
    known["environments"] = {name: known.pop(name) for name in ("classic", "modern")}
    known["failed_probes"] = failed
    return known
