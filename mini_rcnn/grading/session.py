"""A kernel as its starter sees it: cells go in, and it is interrupted, watched and ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import warnings
from pathlib import Path
from typing import NamedTuple

import psutil

from mini_rcnn.data.errors import DataError

from .sweep import MARK, sweep

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 120.0
GRACE = 3.0  # seconds that a kernel has to answer an interrupt
WATCH = 0.1  # seconds between two looks at the memory
MOST_PROCESSES = 100  # that a kernel may have started
LONGEST_SOCKET = 90  # characters of a socket's path; the system allows 107
PASSED_ON = {
    "PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE",
}  # fmt: skip
SERVE = '__import__("mini_rcnn.grading.inside", fromlist=["serve"]).serve({!r})'


class KernelError(DataError):
    """A kernel that does not start: nothing can be graded."""


class Reply(NamedTuple):
    """How running something ended."""

    kind: str  # "ok", "error", "stopped" (interrupted, and it goes on), "hung", "memory" or "died"
    text: str = ""  # of an error


def environment(mark, home, cores):
    """Return the environment of a kernel: nothing of the teacher's own goes in, tokens and passwords least of all."""
    kept = {name: value for name, value in os.environ.items() if name.upper() in PASSED_ON or name.startswith("LC_")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(cores))
    folders = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "IPYTHONDIR", "JUPYTER_CONFIG_DIR"), str(home))
    folders.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "XDG_CACHE_HOME"), str(home / "tmp")))
    ours = {
        MARK: mark, "PYTHONPATH": str(ROOT), "MINI_RCNN_RSNA": "", "MINI_RCNN_TRAINING": "small",
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8", "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3", "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }  # fmt: skip
    return {**kept, **threads, **folders, **ours}


class Kernel:
    """A fresh kernel in a folder of its own.

    Parameters
    ----------
    mark : str
        What its processes bear begins with it.
    folder : path
        Where its own folder is made.
    memory : int
        Bytes that it and what it starts may hold.
    cores : int
        For the threads of NumPy.
    """

    def __init__(self, mark, folder, *, memory, cores=1):
        self.mark, self.memory, self.too_much = f"{mark}{uuid.uuid4().hex[:8]}", memory, False
        self.base = Path(tempfile.mkdtemp(prefix="k", dir=str(folder)))
        self.process = self.client = None
        try:
            self.start(cores)
        except BaseException:
            self.end()
            raise

    def start(self, cores):
        """Start the process and wait until it answers."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from jupyter_client import BlockingKernelClient
            from jupyter_client.connect import write_connection_file

        home, control = self.base / "work", self.base / "control"
        (home / "tmp").mkdir(parents=True)
        control.mkdir()
        file, socket = str(control / "kernel.json"), str(control / "s")
        local = os.name != "nt" and len(socket) < LONGEST_SOCKET  # no port that others could take or listen to
        where = {"transport": "ipc", "ip": socket} if local else {}
        ports = {f"{name}_port": place for place, name in enumerate(("shell", "iopub", "stdin", "hb", "control"), 1)}
        write_connection_file(file, key=uuid.uuid4().hex.encode(), **where, **(ports if local else {}))
        command = [sys.executable, "-m", "mini_rcnn.grading.kernel", str(self.memory), self.mark, "-f", file]
        command += ["--HistoryManager.enabled=False", "--IPKernelApp.log_level=50"]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=str(home),
            env=environment(self.mark, home, cores),
            start_new_session=os.name != "nt",
        )
        self.client = BlockingKernelClient(connection_file=file)
        self.client.load_connection_file()
        self.client.start_channels(shell=True, iopub=False, stdin=False, hb=False)
        threading.Thread(target=self.watch, args=(self.process.pid,), daemon=True).start()
        if self.answer(self.client.kernel_info(), START_SECONDS) is None:
            raise KernelError("a kernel does not start. `python3 lab.py doctor` says what is missing.")

    def watch(self, number):
        """End the kernel when it holds too much memory, or has started too many processes."""
        with contextlib.suppress(psutil.Error):
            kernel = psutil.Process(number)
            while self.process is not None and self.process.poll() is None:
                family, held = [kernel, *kernel.children(recursive=True)], 0
                for process in family:
                    with contextlib.suppress(psutil.Error):
                        held += process.memory_info().rss
                if held > self.memory or len(family) > MOST_PROCESSES:
                    self.too_much = True
                    self.kill()
                    return
                time.sleep(WATCH)

    def answer(self, message, seconds):
        """Return the content of the reply to a message, None where it does not come in time or the kernel ends."""
        ends = time.monotonic() + seconds
        while True:
            alive = self.process.poll() is None
            try:
                reply = self.client.get_shell_msg(timeout=0.2)
                if reply["parent_header"].get("msg_id") == message:
                    return reply["content"]
            except queue.Empty:
                if not alive or time.monotonic() > ends:
                    return None
            except Exception:  # a message that is none: whoever has the key can write what he wants
                if time.monotonic() > ends:
                    return None

    def run(self, text, seconds, *, silent=False):
        """Run a text as a cell and return the `Reply`."""
        message = self.client.execute(
            text, silent=silent, store_history=not silent, allow_stdin=False, stop_on_error=False
        )
        content = self.answer(message, seconds)
        if content is None and self.process.poll() is None and not self.too_much:
            self.interrupt()
            stopped = self.answer(message, GRACE)
            if self.too_much:
                return Reply("memory")
            return Reply("stopped" if stopped is not None else "hung")
        if self.too_much:
            return Reply("memory")
        if content is None:
            return Reply("died")
        if content.get("status") == "ok":
            return Reply("ok")
        return Reply("error", f"{content.get('ename', 'error')}: {content.get('evalue', '')}"[:300])

    def interrupt(self):
        """Do what Jupyter's stop button does."""
        if os.name != "nt":
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGINT)

    def ask(self, job, seconds):
        """Have `inside.serve` do a job; return the `Reply` and the path of the answer, None where there is none."""
        name = uuid.uuid4().hex
        answer = self.base / "control" / f"{name}.answer"
        path = self.keep(f"{name}.job", json.dumps({**job, "answer": str(answer)}).encode())
        reply = self.run(SERVE.format(str(path)), seconds, silent=True)
        return reply, (answer if reply.kind == "ok" and answer.is_file() else None)

    def keep(self, name, content):
        """Write bytes where the kernel can read them, and return the path."""
        path = self.base / "control" / name
        path.parent.mkdir(parents=True, exist_ok=True)  # a student's code may have removed it
        path.write_bytes(content)
        return path

    def kill(self):
        """End the process at once."""
        if self.process is None:
            return
        with contextlib.suppress(OSError, AttributeError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self.process.kill()

    def end(self):
        """End the kernel and all that it started, and remove its folder."""
        if self.process is not None:
            self.kill()
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            self.process.wait()
            sweep(self.mark, self.process.pid)
        if self.client is not None:
            self.client.stop_channels()
        remove(self.base)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def remove(folder):
    """Remove a folder, also what was made read-only in it."""
    shutil.rmtree(str(folder), ignore_errors=True)
    if folder.exists():
        for here, _, _ in os.walk(str(folder)):  # links are not followed
            with contextlib.suppress(OSError):
                os.chmod(here, 0o700)
        shutil.rmtree(str(folder), ignore_errors=True)
