"""One maker at a time: a lock that the operating system holds, so that no dead process can keep it."""

from __future__ import annotations

import os
import time

if os.name == "nt":
    import msvcrt
else:
    import fcntl

FAR_BYTE = 1 << 20  # Windows forbids reading a locked byte, and the process number at the start has to stay readable


class Guard:
    """Hold ``path`` for this process, and on Linux and macOS also for the children that get `Guard.descriptor`.

    Such a child keeps the lock when its parent is killed, so the next run waits until the orphan has ended.
    On Windows an orphan keeps its own ``python.exe`` in use, which stops the next run from removing the folder.
    While another process has it, ``say`` is told once of that process and of its ``work``.
    """

    def __init__(self, path, say, work="making this environment", pause=0.5):
        self.path = path
        self.say = say
        self.work = work
        self.pause = pause
        self.descriptor = None

    def __enter__(self):
        self.descriptor = os.open(str(self.path), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._wait()
        except BaseException:  # Ctrl-C among them
            self.__exit__()
            raise
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.write(self.descriptor, str(os.getpid()).encode())
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)
        self.descriptor = None

    def _wait(self):
        waited = False
        while not self._take():
            if not waited:
                self.say(f"another lab.py is {self.work} (process {self._holder()}), waiting")
                waited = True
            time.sleep(self.pause)

    def _take(self):
        try:
            if os.name == "nt":
                os.lseek(self.descriptor, FAR_BYTE, os.SEEK_SET)
                msvcrt.locking(self.descriptor, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a file system without locks: go on as the only one
            return True
        return True

    def _holder(self):
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        return os.read(self.descriptor, 20).decode("ascii", "replace").strip() or "unknown"
