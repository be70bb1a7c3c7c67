"""What conda, mamba or micromamba can give: their environments, and a Python of their making."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from mini_rcnn.launch.processes import ask, clean_environ

NAMES = ("mamba", "conda", "micromamba")
USUAL_FOLDERS = ("miniforge3", "mambaforge", "miniconda3", "anaconda3")
MADE = "made-by-lab.json"  # written last into a Python that the launcher made, so that a half-made one is known


def find_conda(environ=None, home=None):
    """Return the path of mamba, conda or micromamba, or None."""
    environ = os.environ if environ is None else environ
    home = Path(home or Path.home())
    for variable in ("MAMBA_EXE", "CONDA_EXE"):
        if environ.get(variable) and Path(environ[variable]).is_file():
            return environ[variable]
    for name in NAMES:
        path = shutil.which(name, path=environ.get("PATH"))
        if path:
            return path
    for folder in USUAL_FOLDERS:
        for path in (home / folder / "bin" / "conda", home / folder / "Scripts" / "conda.exe"):
            if path.is_file():
                return str(path)
    return None


def prefixes(environ, home, versions):
    """Return the folders of conda environments that hold one of these Pythons."""
    conda = find_conda(environ, home)
    if conda is None:
        return []
    _, output, _ = ask([conda, "env", "list", "--json"], timeout=30)
    try:
        folders = [Path(folder) for folder in json.loads(output)["envs"]]
    except (ValueError, KeyError, TypeError):
        return []
    return [
        folder
        for version in versions
        for folder in folders
        if any((folder / "conda-meta").glob(f"python-{version}.*.json"))
    ]


def python_in(prefix):
    """Return the interpreter of a Python that `make_python` finished, or None."""
    path = prefix / ("python.exe" if os.name == "nt" else "bin/python")
    return path if (prefix / MADE).is_file() and path.is_file() else None


def make_python(conda, prefix, version, run=ask):
    """Make a Python of this version in the folder ``prefix`` and return ``(its path or None, what went wrong)``.

    A half-made one, left by an earlier run that was stopped, is removed first.
    """
    shutil.rmtree(str(prefix), ignore_errors=True)
    command = [conda, "create", "--yes", "--prefix", prefix, "--override-channels", "--channel", "conda-forge"]
    code, output, errors = run([*command, "python=" + version], timeout=1800, environ=clean_environ())
    if code != 0:
        said = (errors.strip() or output.strip() or "no answer").splitlines()
        return None, said[-1]
    (prefix / MADE).write_text(json.dumps({"python": version}) + "\n", encoding="utf-8")
    return python_in(prefix), ""
