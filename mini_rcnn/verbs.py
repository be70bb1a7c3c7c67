"""What verbs have in common: whatever goes wrong that a person can mend is one line and an exit code."""

from __future__ import annotations

import sys
from pathlib import Path

from .data.errors import DataError

PACKAGE = Path(__file__).resolve().parent


def our_own(error):
    """Return whether a ValueError was raised by this package's own code and not by a library's."""
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    return PACKAGE in Path(last.tb_frame.f_code.co_filename).resolve().parents


def in_one_line(name, run, *, out, stopped):
    """Run a verb and return its exit code: what ``run`` returns, 130 after Ctrl-C, 1 where something is wrong.

    Parameters
    ----------
    name : str
        Of the verb.
    run : callable
    out : path
        What is named where the system does not say which file could not be read or written.
    stopped : str
        What is said after Ctrl-C.
    """
    try:
        return run()
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return 130
    except OSError as error:
        text = f"{error.filename or out}: cannot be written or read: {error.strerror}."
    except ValueError as error:
        if not isinstance(error, DataError) and not our_own(error):
            raise
        text = str(error)
    print(f"python3 lab.py {name}: {text}", file=sys.stderr)
    return 1
