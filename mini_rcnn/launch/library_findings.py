"""Whether the CUDA and cuDNN libraries that TensorFlow 1.15 loads are here, and where."""

from __future__ import annotations

from mini_rcnn.launch.cuda_files import CUDA_LIBRARIES
from mini_rcnn.launch.judging import WARNING, Finding, begins_with, numbers

CONDA_STEPS = ("conda env create -f environment.yml", "conda activate mini-rcnn", "python lab.py --env active")


def cuda_libraries(facts, name):
    """Return the findings for CUDA and cuDNN libraries that are missing, wrong, or where nothing looks for them."""
    if facts["cuda_libraries"] is None:
        return []
    wanted, libraries = facts["wanted"][name], facts["cuda_libraries"]
    found = [judge_library("cuda", wanted["cuda"], libraries, [CUDA_LIBRARIES[0]])]
    if found == [None]:
        found = [judge_library("cuda", wanted["cuda"], libraries, CUDA_LIBRARIES)]
    found.append(judge_library("cudnn", wanted["cudnn"], libraries, ["cudnn"]))
    return [finding for finding in found if finding]


def judge_library(kind, wanted, libraries, names):
    """Return the finding for one of CUDA and cuDNN, or None where all is well.

    Parameters
    ----------
    kind : "cuda" or "cudnn"
    wanted : str
        The series that TensorFlow loads.
    libraries : list of dict
        From `cuda_files.find_libraries`.
    names : sequence of str
        The libraries that belong to it.
    """
    title = {"cuda": "CUDA", "cudnn": "cuDNN"}[kind]
    missing, elsewhere, others = [], set(), {}
    for name in names:
        same = [item for item in libraries if item["library"] == name]
        fitting = [item for item in same if fits(item["version"], wanted, kind)]
        if not fitting:
            missing.append(name)
        elif not any(item["on_path"] for item in fitting):
            elsewhere.add(fitting[0]["folder"])
        others.update({item["version"]: item["folder"] for item in same if item not in fitting})
    if not missing and not elsewhere:
        return None
    if missing and others:
        there = ", ".join(f"{version} in {folder}" for version, folder in sorted(others.items())[:3])
        text = f"{title} {wanted} is wanted; found is {there}."
        why = f"TensorFlow 1.15 loads {title} {wanted} and no other; several may be installed side by side."
        return Finding(kind + "-wrong-version", WARNING, "classic", text, why, library_steps(kind))
    if missing:
        text = f"The libraries of {title} {wanted} are missing: {', '.join(missing)}."
        return Finding(kind + "-missing", WARNING, "classic", text, "Classic uses the CPU.", library_steps(kind))
    folders = ":".join(sorted(elsewhere))
    return Finding(
        kind + "-not-on-path",
        WARNING,
        "classic",
        f"{title} {wanted} is in {folders}, where the loader does not look.",
        "Classic uses the CPU until the folder is named.",
        (
            f'export LD_LIBRARY_PATH="{folders}:$LD_LIBRARY_PATH"',
            "on Windows: add the folder to PATH",
            "python3 lab.py",
        ),
    )


def fits(version, wanted, kind):
    """Return whether a library serves: CUDA has to be of the same series, cuDNN of the same major and not older.

    Examples
    --------
    >>> fits("7.6.5", "7.6", "cudnn"), fits("7.4.2", "7.6", "cudnn"), fits("7", "7.6", "cudnn")
    (True, False, True)
    """
    if kind == "cuda":
        return begins_with(version, wanted)
    found, least = numbers(version), numbers(wanted)
    return found[:1] == least[:1] and (len(found) == 1 or found >= least)


def library_steps(kind):
    """Return how to get CUDA 10.0 or cuDNN 7.6."""
    archive = {
        "cuda": "https://developer.nvidia.com/cuda-10.0-download-archive",
        "cudnn": "https://developer.nvidia.com/rdp/cudnn-archive (7.6.5 for CUDA 10.0)",
    }
    return (*CONDA_STEPS, f"or, without conda: {archive[kind]}")
