"""How another process asks a training to stop: a file in the run's folder, looked for between two steps."""

from __future__ import annotations

import contextlib
from pathlib import Path

STOP = "stop"
TEXT = "The training ends after its step, saves, and can go on with --resume.\n"


def ask_to_stop(folder):
    """Ask the training in a run's folder to stop, as Ctrl-C does.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> ask_to_stop(folder)
    >>> was_asked(folder), take_request(folder), take_request(folder)
    (True, True, False)
    """
    (Path(folder) / STOP).write_text(TEXT, encoding="utf-8")


def was_asked(folder):
    """Return whether a training was asked to stop, and has not done so yet."""
    return (Path(folder) / STOP).is_file()


def take_request(folder):
    """Return whether a training was asked to stop; whoever asks again is told no."""
    if not was_asked(folder):
        return False
    with contextlib.suppress(OSError):  # whoever wrote it may have it open still, or it is not ours to remove
        (Path(folder) / STOP).unlink()
    return True
