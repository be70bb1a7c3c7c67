"""A kernel for one submission: ``python -m mini_rcnn.grading.kernel LIMIT MARK -f CONNECTION``.

It ends when its starter does: standard input is a pipe from there, and a small process watches it. Started on its own
it does nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

from .sweep import sweep

LARGEST_FILE = 1 << 30  # bytes that a file may grow to
BEYOND = 12 << 30  # of addresses beside the memory that is allowed: TensorFlow reserves much and uses little


def limit(memory):
    """Set what the system itself can hold a kernel to; resident memory its starter watches."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    for what, most in (
        (resource.RLIMIT_AS, 2 * memory + BEYOND), (resource.RLIMIT_FSIZE, LARGEST_FILE), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        with contextlib.suppress(ValueError, OSError):
            hard = resource.getrlimit(what)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (most, most))


def wait_and_end(pipe, mark, kernel):
    """Wait until the other end of the pipe is closed, then end the kernel and all that it started."""
    with contextlib.suppress(OSError):
        while os.read(pipe, 1):
            pass
    with contextlib.suppress(OSError, AttributeError):
        os.killpg(kernel, signal.SIGKILL)
    sweep(mark, kernel)
    os._exit(0)


def guard(mark):
    """Have a process of its own, or where there is no fork a thread, end this kernel when its starter ends."""
    pipe, kernel = os.dup(0), os.getpid()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if not hasattr(os, "fork"):
        threading.Thread(target=wait_and_end, args=(pipe, mark, kernel), daemon=True).start()
    elif os.fork() == 0:
        os.setsid()
        os.chdir("/")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        wait_and_end(pipe, mark, kernel)
    else:
        os.close(pipe)


def main(argv):
    """Become the kernel."""
    memory, mark, *arguments = argv
    guard(mark)
    limit(int(memory))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the starter ignores Ctrl-C, and that is inherited
    from ipykernel.kernelapp import launch_new_instance

    from . import inside  # before the student's cells: it keeps copies of its own of what it needs

    sys.path[:] = [path for path in sys.path if path != inside.WORKING]
    launch_new_instance(argv=arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
