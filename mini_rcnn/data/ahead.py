"""Batches made ahead of their reader, in a thread: OpenCV and NumPy let others run while they work."""

from __future__ import annotations

import queue
import threading

DONE = object()


def ahead(batches, n=2):
    """Yield what an iterator yields, with up to ``n`` made ahead.

    Parameters
    ----------
    batches : iterable
        Read in a thread of its own. What it raises is raised here, in its turn.
    n : int, default 2
        How many wait at most; one more may be in work.

    Yields
    ------
    object
        In order.

    Notes
    -----
    The thread ends when the reader stops, by ``close`` or because nobody holds the generator any more.

    Examples
    --------
    >>> list(ahead(range(3)))
    [0, 1, 2]
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n!r}")
    return read_ahead(batches, queue.Queue(n), threading.Event())


def read_ahead(batches, ready, stopped):
    """Yield what the filling thread makes; stop it when the reader stops."""
    thread = threading.Thread(target=fill, args=(batches, ready, stopped), daemon=True)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind is DONE:
                return
            if kind is BaseException:
                raise value
            yield value
    finally:
        stopped.set()
        thread.join()


def fill(batches, ready, stopped):
    """Put what an iterator yields into a queue, and then what ended it, until the reader stops."""
    try:
        for batch in batches:
            if not put((None, batch), ready, stopped):
                return
        put((DONE, None), ready, stopped)
    except BaseException as error:  # all of them: the reader must never wait for a thread that is gone
        put((BaseException, error), ready, stopped)


def put(item, ready, stopped):
    """Return whether an item found room before the reader stopped."""
    while not stopped.is_set():
        try:
            ready.put(item, timeout=0.05)
            return True
        except queue.Full:
            continue
    return False
