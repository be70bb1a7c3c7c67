"""Find the CUDA and cuDNN libraries of this machine, by their file names."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from mini_rcnn.launch.processes import ask

# What TensorFlow 1.15 loads when it starts; without one of them it uses the CPU.
CUDA_LIBRARIES = ("cudart", "cublas", "cufft", "curand", "cusolver", "cusparse")
LINUX_NAME = re.compile(r"^lib(cudart|cublas|cufft|curand|cusolver|cusparse|cudnn)\.so\.([0-9.]+)$")
WINDOWS_NAME = re.compile(r"^(cudart|cublas|cufft|curand|cusolver|cusparse|cudnn)64_(\d+)\.dll$", re.IGNORECASE)
LINUX_FOLDERS = (
    "/usr/local/cuda*/lib64",
    "/usr/local/cuda*/targets/*/lib",
    "/opt/cuda*/lib64",
    "/usr/lib/x86_64-linux-gnu",
)
WINDOWS_FOLDERS = "NVIDIA GPU Computing Toolkit/CUDA/v*/bin"


def read_name(name):
    """Return ``(library, version)`` of a file name, or None.

    Examples
    --------
    >>> read_name("libcudart.so.10.0.130"), read_name("cudart64_100.dll"), read_name("cudnn64_7.dll")
    (('cudart', '10.0.130'), ('cudart', '10.0'), ('cudnn', '7'))
    """
    match = LINUX_NAME.match(name)
    if match:
        return match.group(1), match.group(2)
    match = WINDOWS_NAME.match(name)
    if match:
        library, digits = match.group(1).lower(), match.group(2)
        return library, f"{digits[:-1]}.{digits[-1]}" if len(digits) == 3 else digits
    return None


def list_libraries(folder):
    """Return ``{library: versions}`` of a folder, each version as fully as a file name gives it."""
    found = {}
    try:
        names = os.listdir(str(folder))
    except OSError:
        return found
    for name in names:
        known = read_name(os.path.basename(os.path.realpath(os.path.join(str(folder), name)))) or read_name(name)
        if known and read_name(name):
            found.setdefault(known[0], set()).add(known[1])
    return found


def loader_folders(system, environ):
    """Return the folders that the system's loader searches for libraries."""
    if system == "Windows":
        return [folder for folder in environ.get("PATH", "").split(";") if folder]
    folders = [folder for folder in environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    for program in ("/sbin/ldconfig", "/usr/sbin/ldconfig"):
        if Path(program).is_file():
            lines = [line for line in ask([program, "-p"], timeout=10)[1].splitlines() if " => " in line]
            paths = [line.split(" => ")[1] for line in lines if read_name(line.split()[0])]
            return folders + [os.path.dirname(path) for path in paths]
    return folders


def other_folders(system, environ):
    """Return the folders where CUDA is usually installed, whether the loader knows them or not."""
    folders = []
    if system == "Windows":
        for variable in ("ProgramFiles", "ProgramW6432"):
            if environ.get(variable):
                folders += Path(environ[variable]).glob(WINDOWS_FOLDERS)
        folders += [Path(value) / "bin" for name, value in environ.items() if name.startswith("CUDA_PATH")]
    else:
        for pattern in LINUX_FOLDERS:
            folders += Path("/").glob(pattern.lstrip("/"))
    if environ.get("CONDA_PREFIX"):
        folders.append(Path(environ["CONDA_PREFIX"], "Library/bin" if system == "Windows" else "lib"))
    return [str(folder) for folder in folders]


def find_libraries(system=None, environ=None):
    """Return what was found, ``[{"library", "version", "folder", "on_path"}]``.

    ``on_path`` says whether the loader finds the library by itself.
    """
    system = system or platform.system()
    environ = os.environ if environ is None else environ
    loaded = [os.path.normpath(folder) for folder in loader_folders(system, environ)]
    everywhere = dict.fromkeys(loaded + [os.path.normpath(folder) for folder in other_folders(system, environ)])
    found, seen = [], set()
    for folder in everywhere:
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        for library, versions in sorted(list_libraries(folder).items()):
            for version in sorted(versions):
                on_path = folder in loaded
                found.append({"library": library, "version": version, "folder": folder, "on_path": on_path})
    return found
