"""The doctor: from facts to findings, a pure function."""

from __future__ import annotations

from mini_rcnn.launch.folders import ROOM
from mini_rcnn.launch.gpu_findings import gpu_findings
from mini_rcnn.launch.judging import NOTE, PROBLEM, WARNING, Finding

NAMES = ("classic", "modern")
LEAST_MEMORY_GB = 4


def diagnose(facts):
    """Return the findings that follow from the facts, the worst first.

    Parameters
    ----------
    facts : dict
        From `facts.gather`.

    Returns
    -------
    findings : list of Finding
    """
    rules = (failed_probes, base_pythons, environment_states, shell, memory_and_disk, gpu_findings)
    found = [finding for rule in rules for finding in rule(facts)]
    order = {PROBLEM: 0, WARNING: 1, NOTE: 2}
    return sorted(found, key=lambda finding: order.get(finding.severity, 3))


def exit_code(findings):
    """Return 1 where something needed is broken, else 0: a machine without a GPU is fine."""
    return int(any(finding.severity == PROBLEM for finding in findings))


def is_usable(facts, name):
    """Return whether an environment is whole, or can be made by the next run."""
    environment = facts["environments"].get(name) or {}
    base = (facts["pythons"] or {}).get(name) or {}
    return environment.get("state") == "ready" or bool(base.get("executable"))


def failed_probes(facts):
    """Return a finding for each probe that failed."""
    return [
        Finding(
            "probe-failed",
            WARNING,
            None,
            f"The question about {name} failed: {error}",
            "What depends on it is missing below.",
            (),
        )
        for name, error in sorted(facts["failed_probes"].items())
    ]


def base_pythons(facts):
    """Return findings about the Pythons that environments are made from."""
    pythons = facts["pythons"] or {}
    if not any(is_usable(facts, name) for name in NAMES):
        rejected = [line for name in NAMES for line in (pythons.get(name) or {}).get("rejected", ())]
        found = "; ".join(rejected) or f"only Python {(facts['launcher'] or {}).get('python', '?')}"
        return [
            Finding(
                "no-python",
                PROBLEM,
                None,
                f"No Python that an environment can be made from ({found}).",
                "The lab needs Python 3.7 (classic), or 3.10 to 3.13 (modern), 64-bit.",
                ("install one from https://www.python.org/downloads/", "python3 lab.py"),
            )
        ]
    classic = pythons.get("classic") or {}
    if is_usable(facts, "classic") or not classic:
        return []
    if classic.get("impossible"):
        why, advice = classic["impossible"], ()
    else:
        why = "; ".join(classic.get("rejected", ())) or "no Python 3.7 here"
        advice = (
            "conda create -n py37 -c conda-forge python=3.7",
            "or: pyenv install 3.7",
            "python3 lab.py --env classic",
        )
    return [
        Finding(
            "no-classic",
            NOTE,
            "classic",
            f"The classic environment cannot be made: {why}.",
            "Modern runs all labs; it compares with Matterport's recorded outputs, not live.",
            advice,
        )
    ]


def environment_states(facts):
    """Return findings about environments that are not as they should be."""
    found = []
    for name in NAMES:
        environment = facts["environments"].get(name)
        if environment is None:
            continue
        state, command = environment["state"], f"python3 lab.py --env {name}"
        if state in ("half-made", "moved", "broken", "outdated"):
            verb = "updates" if state == "outdated" else "makes it anew"
            found.append(
                Finding(
                    "environment-" + state,
                    WARNING,
                    name,
                    f"The {name} environment is {state}: {environment['why']}.",
                    f"The next run {verb}{' it' if state == 'outdated' else ''} by itself.",
                    (command,),
                )
            )
        tensorflow = environment["tensorflow"]
        if state == "ready" and tensorflow and tensorflow.get("error"):
            found.append(broken_tensorflow(name, tensorflow["error"]))
        elif state == "ready" and environment["different_packages"]:
            found.append(different_packages(name, environment["different_packages"]))
    return found


def broken_tensorflow(name, error):
    """Return the finding for a TensorFlow that cannot be imported."""
    if error == "illegal instruction":
        return Finding(
            "processor-too-old",
            PROBLEM,
            name,
            "TensorFlow stops with an illegal instruction.",
            "Its builds need a processor with AVX (from about 2011; not every virtual machine shows it).",
            ("use another machine, or let the virtual machine pass the host's processor through",),
        )
    return Finding(
        "tensorflow-broken",
        PROBLEM,
        name,
        f"TensorFlow does not import in {name}: {error}",
        "Nothing that trains or detects can run there.",
        (f"python3 lab.py --env {name} --remake",),
    )


def different_packages(name, different):
    """Return the finding for packages that are not as the lock says."""
    shown = ", ".join(f"{package} {found or 'missing'} (wanted {wanted})" for package, wanted, found in different[:3])
    more = f" and {len(different) - 3} more" if len(different) > 3 else ""
    severe = any(package.startswith(("tensorflow", "keras", "numpy")) for package, _, _ in different)
    return Finding(
        "packages-differ",
        PROBLEM if severe else WARNING,
        name,
        f"Packages in {name} are not as its lock file says: {shown}{more}.",
        "Somebody installed into it by hand; results may differ, or nothing may run.",
        (f"python3 lab.py --env {name} --remake",),
    )


def shell(facts):
    """Return findings about the shell that this was started in: its `python` is not the lab's."""
    launcher, machine = facts["launcher"], facts["machine"]
    if not launcher or not machine or not facts["wanted"]:
        return []
    found = []
    active = launcher["virtual_env"] or launcher["conda_prefix"]
    fits = [facts["wanted"][name]["tensorflow"] for name in NAMES]
    if active and not active.startswith(machine["folder"]) and launcher["tensorflow"] not in fits:
        holds = f"TensorFlow {launcher['tensorflow']}" if launcher["tensorflow"] else "no TensorFlow"
        found.append(
            Finding(
                "wrong-environment",
                WARNING,
                None,
                f"Another environment is active: {active} (Python {launcher['python']}, {holds}).",
                "`python` and `jupyter` typed here are that one's. lab.py is not misled and uses its own.",
                ("deactivate (or: conda deactivate)", "python3 lab.py"),
            )
        )
    if launcher["pythonpath"]:
        found.append(
            Finding(
                "pythonpath-set",
                WARNING,
                None,
                f"PYTHONPATH is set: {launcher['pythonpath']}",
                "Programs started by hand take packages from there first. lab.py leaves it out.",
                ("unset PYTHONPATH (PowerShell: Remove-Item Env:PYTHONPATH)",),
            )
        )
    return found


def memory_and_disk(facts):
    """Return findings about too little memory, disk or rights."""
    machine, found = facts["machine"], []
    if not machine:
        return found
    if machine["memory_gb"] is not None and machine["memory_gb"] < LEAST_MEMORY_GB:
        found.append(
            Finding(
                "memory-low",
                WARNING,
                None,
                f"This machine has {machine['memory_gb']} GB of memory.",
                f"The browser, JupyterLab and TensorFlow together want {LEAST_MEMORY_GB} GB; training wants more.",
                ("close other programs; with WSL or a virtual machine, give it more memory",),
            )
        )
    missing = [name for name in NAMES if (facts["environments"].get(name) or {}).get("state") != "ready"]
    missing = [name for name in missing if is_usable(facts, name)]
    for name in missing if facts["wanted"] else ():
        need = round(min(facts["wanted"][name]["gigabytes"].values()) * ROOM, 1)
        if machine["disk_free_gb"] < need:
            found.append(
                Finding(
                    "disk-low",
                    WARNING if len(missing) < len(NAMES) else PROBLEM,
                    name,
                    f"{machine['disk_free_gb']} GB are free on the disk; the {name} environment needs {need} GB.",
                    "It cannot be made.",
                    ("make room, or copy the lab to another disk",),
                )
            )
    if not machine["folder_writable"]:
        found.append(
            Finding(
                "folder-read-only",
                PROBLEM,
                None,
                f"Nothing can be written to {machine['folder']}.",
                "Environments and results are kept there.",
                ("copy the lab to a folder of your own",),
            )
        )
    return found
