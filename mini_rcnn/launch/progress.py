"""Tell a person how far a long step is: one living line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time


def clock(seconds):
    """Return a duration as minutes and seconds.

    Examples
    --------
    >>> clock(75.2)
    '1:15'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Progress:
    """Print steps of a job to a stream.

    Parameters
    ----------
    stream : file, optional
        Standard error where left out.
    every : float
        Seconds between two lines of the same step where the stream is no terminal.
    """

    def __init__(self, stream=None, every=15.0, now=time.monotonic):
        self.stream = sys.stderr if stream is None else stream
        self.living = self.stream.isatty()
        self.every = every
        self.now = now
        self.begun = now()
        self.step = ""
        self.printed_at = None
        self.dangling = False  # the cursor stands behind a living line

    def elapsed(self):
        """Return the seconds since the beginning."""
        return self.now() - self.begun

    def say(self, text):
        """Print a whole line."""
        self._end_living()
        print(text, file=self.stream, flush=True)

    def begin(self, step):
        """Begin a step, such as "[1/3] empty environment"."""
        self._end_living()
        self.step = step
        self.printed_at = None
        self.update("")

    def update(self, text):
        """Show where the step is now."""
        if not self.living and self.printed_at is not None and self.now() - self.printed_at < self.every:
            return
        self.printed_at = self.now()
        line = f"  {self.step:<22} {clock(self.elapsed())}  {text}".rstrip()
        if self.living:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write("\r" + line[:width].ljust(width))
            self.stream.flush()
            self.dangling = True
        else:
            print(line, file=self.stream, flush=True)

    def _end_living(self):
        if self.dangling:
            self.stream.write("\n")
            self.dangling = False
