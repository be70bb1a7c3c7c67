"""Last words for a training that cannot speak any more: one that the system ends, most often because memory ran out."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

DONE = b"\0done"


def out_of_memory(config, training):
    """Return what to do where memory runs out."""
    return (
        "out of memory. Lower one of these, and begin a new run: "
        f"training__batch_size (now {training.batch_size}), image__size ({config.image.size}), "
        f"targets__max_rois ({config.targets.max_rois}; the mask head sees a third of them), "
        f"proposals__max_training_proposals ({config.proposals.max_training_proposals}), "
        f"heads__mask_channels ({config.heads.mask_channels}). For example: --batch-size "
        f"{max(1, training.batch_size // 2)}"
    )


@contextlib.contextmanager
def watched(text):
    """Let another process say a text on stderr if this one dies inside the block without an exception.

    Parameters
    ----------
    text : str

    Notes
    -----
    Where TensorFlow gets no memory on a CPU it ends the process (``std::bad_alloc``), and Linux, out of memory, kills
    it: no Python code runs any more. The watcher is a copy of this process that does nothing but wait for the end of a
    pipe. It is made only where nothing has begun a thread, as TensorFlow does or a notebook's kernel, since a copy
    would lack it, and where the system can copy processes: not on Windows.
    """
    if not hasattr(os, "fork") or "tensorflow" in sys.modules or threading.active_count() > 1:
        yield
        return
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork() == 0:
        watch(reading, writing, text)
    os.close(reading)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # somebody ended the watcher
            os.write(writing, DONE)
        os.close(writing)


def watch(reading, writing, text):
    """Wait for the end of the pipe, say the text unless all went well, and end this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.close(writing)
    said = b""
    while True:
        part = os.read(reading, 64)
        if not part:
            break
        said += part
    if said != DONE:
        os.write(2, ("\n" + text + "\n").encode("utf-8", "replace"))
    os._exit(0)
