"""Fill an environment with the packages of its lock files, with pip."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from pathlib import Path

from mini_rcnn.launch import locks
from mini_rcnn.launch.errors import LabError
from mini_rcnn.launch.processes import ask, inherited, pip_environ

# mrcnn and gast come as sources: these two build them, so they have to be there first.
BUILDERS = ("setuptools", "wheel")
PIP_OPTIONS = ("--no-deps", "--require-hashes", "--no-build-isolation")

NO_NETWORK = re.compile(
    r"Failed to establish a new connection|Temporary failure in name resolution|getaddrinfo failed|"
    r"nodename nor servname|ConnectTimeoutError|Read timed out|ProxyError|Connection aborted|"
    r"Network is unreachable|Name or service not known|RemoteDisconnected|IncompleteRead"
)
HOST = re.compile(r"host='([^']+)'|https?://([^/\s:]+)")


def site_packages(folder):
    """Return the ``site-packages`` folder of an environment, or None where it has none yet."""
    found = [*Path(folder).glob("lib/python3*/site-packages"), *Path(folder).glob("Lib/site-packages")]
    return found[0] if found else None


def installed_packages(folder):
    """Return ``{name: version}`` of what stands in an environment, read from its folder."""
    packages = {}
    site = site_packages(folder)
    for info in list(site.glob("*.dist-info")) + list(site.glob("*.egg-info")) if site else []:
        name, _, version = info.stem.partition("-")
        packages[locks.normal_name(name)] = re.sub(r"-py\d.*$", "", version)
    return packages


def explain(output):
    """Return what went wrong and what to do, from the output of a pip that failed.

    Examples
    --------
    >>> explain("OSError: [Errno 28] No space left on device").split(":")[0]
    'The disk is full'
    """
    if NO_NETWORK.search(output):
        hosts = [first or second for first, second in HOST.findall(output)]
        where = hosts[-1] if hosts else "the package index (https://pypi.org, or what pip is set to)"
        return (
            f"The packages could not be fetched: {where} cannot be reached. Check the network (behind a proxy, set "
            "HTTPS_PROXY; with a mirror, PIP_INDEX_URL) and run the same command again; it goes on where it stopped."
        )
    if "CERTIFICATE_VERIFY_FAILED" in output:
        return (
            "The packages could not be fetched: the server's certificate is not trusted here. Behind a proxy that "
            "opens connections, set PIP_CERT to its certificate file and run the same command again."
        )
    if "No space left on device" in output or "Errno 28" in output or "not enough space on the disk" in output:
        return "The disk is full: make room and run the same command again."
    if "DO NOT MATCH THE HASHES" in output:
        return (
            "A package that was fetched is not the one in the lock file (its hash differs), so it was not installed. "
            "Run again; if it stays so, a proxy or a mirror changes downloads, or the lock file is damaged."
        )
    missing = re.search(r"No matching distribution found for (\S+)", output)
    if missing:
        return (
            f"pip found no {missing.group(1)} for this Python and this system: its package index could not be "
            "reached, or does not have it. Check the network and run the same command again."
        )
    if "Permission denied" in output or "Access is denied" in output:
        return "A file could not be written or is in use: close every open lab and notebook and run again."
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    return f"pip failed: {errors[-1][7:] if errors else 'it said nothing'}."


class PipReader:
    """Follow pip's output, to say how many packages are done."""

    def __init__(self, wanted):
        self.total = wanted
        self.seen = 0
        self.latest = ""
        self.installing = False

    def read(self, line):
        """Take in one line."""
        words = line.split()
        if line.startswith("Ignoring "):
            self.total -= 1
        elif line.startswith(("Collecting ", "Requirement already satisfied: ")):
            self.seen += 1
            self.latest = words[1].replace("==", " ") if line.startswith("Collecting ") else self.latest
        elif line.startswith("  Downloading ") and line.rstrip().endswith(")"):
            self.latest = self.latest.split(" (")[0] + " " + line[line.rindex("(") :].strip()
        elif line.startswith("Installing collected packages"):
            self.installing = True


def run_pip(python, arguments, *, reader, on_change, log, hold):
    """Run pip and return its output; raise `LabError` where it fails.

    Parameters
    ----------
    python : path
        The environment's interpreter; its own pip is run.
    arguments : list of str
    reader : PipReader
    on_change : callable
        Called with the reader twice a second.
    log : path
        Where the output is kept.
    hold : int or None
        A file descriptor that pip inherits (see `Guard`).
    """
    config = ask([python, "-m", "pip", "config", "list"], timeout=60)[1]
    lines, output = queue.Queue(), []
    child = subprocess.Popen(
        [str(python), "-m", "pip", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=pip_environ(config),
        pass_fds=inherited(hold),
    )
    reading = threading.Thread(target=lambda: [lines.put(line) for line in child.stdout], daemon=True)
    reading.start()
    try:
        with open(str(log), "a", encoding="utf-8") as kept:
            while reading.is_alive() or not lines.empty():
                try:
                    line = lines.get(timeout=0.5).decode("utf-8", "replace")
                    output.append(line)
                    kept.write(line)
                    reader.read(line)
                except queue.Empty:
                    pass
                on_change(reader)
    except BaseException:
        child.terminate()
        child.wait()
        raise
    finally:
        child.stdout.close()
    if child.wait() != 0:
        raise LabError(explain("".join(output)) + f" (All that pip said: {log})")
    return "".join(output)


def install(python, folder, lock_paths, progress, *, hold=None):
    """Install what the lock files hold into the environment ``folder``, checking every hash."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in lock_paths)
    pins = locks.pins_of(lock_paths)
    log = folder.parent / (folder.name + "-pip.log")
    builders = locks.blocks_of(text, BUILDERS)
    if builders:
        progress.begin("[2/4] build tools")
        first = folder / "build-tools.txt"
        first.write_text(builders + "\n", encoding="utf-8")
        arguments = ["install", *PIP_OPTIONS, "-r", str(first)]
        run_pip(python, arguments, reader=PipReader(2), on_change=lambda reader: None, log=log, hold=hold)

    progress.begin("[3/4] fetching")

    def show(reader):
        if reader.installing and "fetching" in progress.step:
            progress.begin("[4/4] installing")
        if reader.installing:
            progress.update(f"{min(len(installed_packages(folder)), reader.total)} of {reader.total} packages")
        else:
            progress.update(f"{min(reader.seen, reader.total)} of {reader.total} packages  {reader.latest}")

    arguments = ["install", *PIP_OPTIONS]
    for path in lock_paths:
        arguments += ["-r", str(path)]
    run_pip(python, arguments, reader=PipReader(sum(map(len, pins.values()))), on_change=show, log=log, hold=hold)
