"""Ask NVIDIA's driver which GPUs there are."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from mini_rcnn.launch.processes import ask

WSL_SMI = "/usr/lib/wsl/lib/nvidia-smi"
WINDOWS_SMI = r"C:\Program Files\NVIDIA Corporation\NVSMI\nvidia-smi.exe"
NEWEST_FOR_CLASSIC = 7.5  # Turing


def find_nvidia_smi(environ=None):
    """Return the path of ``nvidia-smi``, which comes with the driver, or None."""
    path = (os.environ if environ is None else environ).get("PATH", "")
    for place in (WSL_SMI, WINDOWS_SMI):
        if Path(place).is_file():
            return place
    return shutil.which("nvidia-smi", path=path)


def read_gpus(text):
    """Return the GPUs of ``nvidia-smi --query-gpu=name,driver_version,memory.total[,compute_cap]``.

    Examples
    --------
    >>> read_gpus("Tesla T4, 550.54.15, 15360, 7.5")
    [{'name': 'Tesla T4', 'driver': '550.54.15', 'memory_mb': 15360, 'compute_capability': 7.5}]
    """
    gpus = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) < 3:
            continue
        gpus.append(
            {
                "name": fields[0],
                "driver": fields[1],
                "memory_mb": int(fields[2]) if fields[2].isdigit() else None,
                "compute_capability": read_number(fields[3]) if len(fields) > 3 else None,
            }
        )
    return gpus


def read_number(text):
    """Return a text as float, or None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def ask_driver(smi, run=ask):
    """Return ``(gpus, error)`` as the driver says; error is None where it answered."""
    fields = "name,driver_version,memory.total,compute_cap"
    error = ""
    for query in (fields, fields.rsplit(",", 1)[0]):  # an older driver does not know compute_cap
        code, output, errors = run([smi, "--query-gpu=" + query, "--format=csv,noheader,nounits"], timeout=15)
        if code == 0:
            return read_gpus(output), None
        error = error or (output.strip() or errors.strip() or f"exit code {code}").splitlines()[0]
    return [], error


def find_gpus():
    """Return the GPUs that NVIDIA's driver reports, [] where there is no driver."""
    smi = find_nvidia_smi()
    return ask_driver(smi)[0] if smi else []


def modern_can_use(gpus, toolchain, system=None, machine=None):
    """Return whether the modern environment should be the one with CUDA in it."""
    system = system or platform.system()
    machine = machine or platform.machine()
    oldest = toolchain["modern"]["compute_capability"][0]
    return (
        system == "Linux"
        and machine == "x86_64"
        and any((gpu["compute_capability"] or oldest) >= oldest for gpu in gpus)
    )
