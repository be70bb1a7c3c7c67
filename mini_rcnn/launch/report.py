"""Show facts and findings: as text for people, as JSON for programs.

The JSON is an object with

- ``schema``: 1; it grows when a field changes its meaning, not when one is added;
- ``usable``: whether the lab can be used (the exit code is 0);
- ``findings``: a list, the worst first, of ``id`` (stable), ``severity`` (``problem``, ``warning``, ``note``, ``ok``),
  ``environment`` (``classic``, ``modern`` or null), ``found``, ``matters`` and ``type`` (what to type, in order);
- ``facts``: ``wanted``, ``machine``, ``launcher``, ``pythons``, ``gpu``, ``cuda_libraries``, ``environments``
  (``classic`` and ``modern``) and ``failed_probes``; a probe that failed is null and named in the last.

The home folder is written as ``~``.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict

from mini_rcnn.launch.findings import exit_code
from mini_rcnn.launch.processes import shorten_home

WIDTH = 80
SCHEMA = 1


def as_json(facts, findings):
    """Return the JSON text."""
    whole = {
        "schema": SCHEMA,
        "usable": exit_code(findings) == 0,
        "findings": [asdict(finding) for finding in findings],
        "facts": facts,
    }
    return json.dumps(without_home(whole), indent=2, ensure_ascii=False)


def without_home(value):
    """Return a copy of nested dicts and lists with the home folder written as ``~`` in every text."""
    if isinstance(value, dict):
        return {key: without_home(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_home(item) for item in value]
    return shorten_home(value) if isinstance(value, str) else value


def as_text(facts, findings):
    """Return the text for people, at most 80 columns wide."""
    lines = ["Mask R-CNN lab: doctor", ""]
    lines += machine_lines(facts) + [""] + table(facts) + [""]
    for finding in findings:
        lines += finding_lines(finding)
    usable = (
        "The lab can be used." if exit_code(findings) == 0 else "The lab cannot be used yet: see the problems above."
    )
    return shorten_home("\n".join([*lines, usable]))


def machine_lines(facts):
    """Return the lines about the machine."""
    machine, gpu = facts["machine"] or {}, facts["gpu"] or {}
    system = f"{machine.get('system', '?')} {machine.get('processor', '')}" + (" (WSL)" if machine.get("wsl") else "")
    parts = [
        system,
        f"{machine.get('cores', '?')} cores",
        f"{machine.get('memory_gb', '?')} GB memory",
        f"{machine.get('disk_free_gb', '?')} GB free",
    ]
    lines = ["Machine  " + ", ".join(parts)]
    cards = [
        f"{card['name']} (compute capability {card['compute_capability'] or 'unknown'}), driver {card['driver']}"
        for card in gpu.get("gpus", ())
    ]
    return lines + ["GPU      " + card for card in cards or ["none found"]]


def table(facts):
    """Return the table of what is wanted and found in each environment."""
    rows = [("", "classic", "", "modern", ""), ("", "wanted", "found", "wanted", "found")]
    columns = {name: column(facts, name) for name in ("classic", "modern")}
    for row in ("Python", "TensorFlow", "Keras", "CUDA", "cuDNN"):
        rows.append((row, *columns["classic"][row], *columns["modern"][row]))
    for row in ("GPU seen", "Environment"):
        rows.append((row, "", columns["classic"][row][1], "", columns["modern"][row][1]))
    return [f"{a:<12} {b:<10} {c:<18} {d:<11} {e}".rstrip() for a, b, c, d, e in rows]


def column(facts, name):
    """Return ``{row: (wanted, found)}`` of one environment."""
    wanted = (facts["wanted"] or {}).get(name) or {}
    environment = facts["environments"].get(name) or {}
    tensorflow = environment.get("tensorflow") or {}
    base = (facts["pythons"] or {}).get(name) or {}
    versions = wanted.get("python") or ["?"]
    if environment.get("state") not in (None, "absent"):
        python = environment.get("python") or "-"
    else:
        python = f"{base['version']} here" if base.get("version") else "-"
    seen = "-"
    if tensorflow:
        seen = (
            "does not import"
            if tensorflow.get("error")
            else (f"{len(tensorflow['gpus'])}" if tensorflow["gpus"] else "none")
        )
    return {
        "Python": (versions[0] if len(versions) == 1 else f"{versions[0]}-{versions[-1]}", python),
        "TensorFlow": (wanted.get("tensorflow", "?"), tensorflow.get("version") or "-"),
        "Keras": (wanted.get("keras", "?"), environment.get("keras") or "-"),
        "CUDA": (wanted.get("cuda", "?"), library_found(facts, name, "cudart")),
        "cuDNN": (wanted.get("cudnn", "?"), library_found(facts, name, "cudnn")),
        "GPU seen": ("", seen),
        "Environment": ("", environment.get("state", "?").replace("absent", "not made yet")),
    }


def library_found(facts, name, library):
    """Return which CUDA or cuDNN an environment has: classic the system's, modern the one it brings along."""
    environment = facts["environments"].get(name) or {}
    if name == "modern":
        brought = environment.get("flavour") == "gpu" and environment.get("tensorflow")
        return "brought along" if brought else "-"
    versions = {item["version"] for item in facts["cuda_libraries"] or () if item["library"] == library}
    return ", ".join(sorted(versions)) or "-"


def finding_lines(finding):
    """Return the lines of one finding: what, why, and what to type."""
    label = {"problem": "PROBLEM", "warning": "warning", "note": "note", "ok": "ok"}[finding.severity]
    lines = wrap(finding.found, f"{label:<8} ", " " * 9) + wrap(finding.matters, " " * 9, " " * 9)
    lines += [" " * 11 + "$ " + step if is_command(step) else " " * 11 + "- " + step for step in finding.type]
    return [*lines, ""]


def is_command(step):
    """Return whether a step is to be typed as it stands."""
    first = step.split()[0]
    return first in ("python3", "python", "conda", "nvidia-smi", "export", "wsl", "pip") and " or " not in step


def wrap(text, first, rest):
    """Return a text broken into lines of 80 columns."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
