"""Work spread over processes: in order, with progress, bounded in memory, and told when an item kills its process."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from tqdm import tqdm

MMAP_THRESHOLD, TRIM_THRESHOLD, TOP_PAD = -3, -1, -2  # options of glibc's mallopt, man 3 mallopt
AHEAD = 4  # items handed out for each process; what bounds the memory


def usable_cores():
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_with(parent):
    """End this process once nobody holds the other end of the pipe: a worker would outlive a parent that was killed."""
    with contextlib.suppress(EOFError, OSError):
        parent.recv()
    os._exit(1)


def start_worker(parent):
    """Leave Ctrl-C to the parent, end when it ends, and leave one core to one process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()
    keep_memory()
    # Read when NumPy is loaded, which is not yet. Two processes, each with two threads that wait for each other in a
    # matrix product, prepared 64 films a second where one process alone did 60.
    os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_NUM_THREADS="1")
    import cv2

    cv2.setNumThreads(1)


def keep_memory():
    """Have the C library keep the memory of arrays that are done with, for the next ones.

    Otherwise Linux takes it back, and hands it out again page by page, each cleared first: a phantom met 5,000 such
    pages, and they were 7 % of the time it took to draw. Only glibc has this; elsewhere nothing changes.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        set_option = ctypes.CDLL(None).mallopt
        for option, n_bytes in ((MMAP_THRESHOLD, 1 << 25), (TRIM_THRESHOLD, 1 << 28), (TOP_PAD, 1 << 26)):
            set_option(option, n_bytes)


@contextlib.contextmanager
def main_hidden(function):
    """Have processes started that do not run the program's own file first, unless the function is from there.

    Python would, for what that file defines; a script without ``if __name__ == "__main__":`` would then begin again in
    each process. Our functions are all in modules.
    """
    names = vars(sys.modules["__main__"])
    before = {name: names[name] for name in ("__spec__", "__file__") if name in names}
    if getattr(function, "__module__", None) != "__main__":
        names.update(__spec__=None, __file__=None)
    try:
        yield
    finally:
        for name in ("__spec__", "__file__"):
            names.pop(name, None)
        names.update(before)


def make_pool(workers):
    """Return a pool of processes that start clean: forking a process with threads in it can hang."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker, initargs=(theirs,))
    pool.held_while_alive = ours
    return pool


def submit(pool, function, item):
    """Hand an item to a pool; its processes are started as they are needed, that is here."""
    with main_hidden(function):
        return pool.submit(function, item)


def alone(function, item, on_death):
    """Return the result of one item in a process of its own, or ``on_death(item)`` if it kills that too."""
    with make_pool(1) as pool:
        try:
            return submit(pool, function, item).result()
        except BrokenProcessPool:
            return on_death(item)


def is_whole(future):
    """Return whether a future, or None for what was never handed out, holds a result."""
    return future is not None and future.done() and not future.cancelled() and future.exception() is None


def in_processes(function, items, *, workers, on_death):
    """Yield the result of each item, in order."""
    items = iter(items)
    while True:
        waiting, pool = collections.deque(), make_pool(workers)
        try:
            for item in items:
                waiting.append((item, None))
                waiting[-1] = (item, submit(pool, function, item))
                if len(waiting) >= AHEAD * workers:
                    yield waiting[0][1].result()
                    waiting.popleft()
            while waiting:
                yield waiting[0][1].result()
                waiting.popleft()
            return
        except BrokenProcessPool:  # one of those that wait did it; which one, only trying them singly tells
            for item, future in waiting:
                yield future.result() if is_whole(future) else alone(function, item, on_death)
        finally:  # what was handed out is finished, not cancelled: shutting down with cancelled work can hang in 3.7
            pool.shutdown(wait=True)


def map_items(function, items, *, workers=None, label=None, on_death):
    """Yield ``function(item)`` for each item, in the items' order, whatever process did it first.

    Parameters
    ----------
    function : callable
        Of one item; a function of a module, since it is sent to other processes. What it raises is raised here.
    items : sequence
    workers : int, optional
        Processes; every usable core by default. With 1 the work is done here, without another process.
    label : str, optional
        What a progress bar on stderr says; without one there is no bar.
    on_death : callable
        Of one item; its result stands for that of an item whose process died (a decoder's crash, out of memory).

    Yields
    ------
    result
        Of each item. At most ``4 * workers`` are ahead of the reader.

    Examples
    --------
    >>> list(map_items(abs, [-1, 2, -3], workers=1, on_death=None))
    [1, 2, 3]
    """
    workers = min(workers or usable_cores(), max(1, len(items)))
    results = (
        map(function, items) if workers == 1 else in_processes(function, items, workers=workers, on_death=on_death)
    )
    return tqdm(results, total=len(items), desc=label, unit="", file=sys.stderr, disable=label is None, mininterval=0.5)
