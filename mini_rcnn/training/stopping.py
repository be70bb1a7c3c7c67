"""When a training ends before its end: Ctrl-C, a system that shuts down, or no time left."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

from .loop import INTERRUPTED, OUT_OF_TIME

IMPORTED = time.monotonic()
ENDING = 2.0  # seconds: the last words, and what TensorFlow and Python take to end


def process_seconds():
    """Return how long this process has run, seconds; where the system does not tell, since this file was imported."""
    try:
        with open("/proc/self/stat") as file:
            began = int(file.read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
        with open("/proc/uptime") as file:
            return float(file.read().split()[0]) - began
    except (OSError, ValueError, IndexError, AttributeError):
        return time.monotonic() - IMPORTED


class Stopper:
    """Asks a loop to stop: after SIGINT or SIGTERM, or when its minutes are over. A second Ctrl-C ends it at once.

    Parameters
    ----------
    minutes : float, optional
        Of the whole process, its start and its end included.
    tell : callable
        Of a text, when a signal has come.
    """

    def __init__(self, minutes=None, *, tell=print):
        self.seconds = None if minutes is None else 60 * minutes
        self.tell, self.signalled = tell, False

    def __call__(self, seconds_more):
        """Return why to stop, or None; ``seconds_more`` is what one more step and the end would take."""
        if self.signalled:
            return INTERRUPTED
        if self.seconds is not None and process_seconds() + seconds_more + ENDING >= self.seconds:
            return OUT_OF_TIME
        return None

    def hear(self, number, frame):
        """Note a signal; the second one is an interruption as usual."""
        if self.signalled:
            raise KeyboardInterrupt
        self.signalled = True
        self.tell("\nStopping after this step; once more ends it at once, back to the last checkpoint.")

    @contextlib.contextmanager
    def listening(self):
        """Hear signals inside this block; only a program's main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        kept = {number: signal.signal(number, self.hear) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
