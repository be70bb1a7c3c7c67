"""Room on the disk, the right to write, and the removal of folders, each with words for a person."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time

from mini_rcnn.launch.errors import LabError

WINDOWS_LONG_PATH = 100
ROOM = 1.2  # pip unpacks each package beside its download


def check_room(folder, gigabytes):
    """Raise `LabError` where the disk is too full, or a path too long for Windows."""
    free = shutil.disk_usage(str(folder.parent)).free / 1e9
    if free < gigabytes * ROOM:
        raise LabError(
            f"The {folder.name} environment needs {gigabytes * ROOM:.1f} GB on the disk and {free:.1f} GB are free: "
            "make room, or put the lab on another disk."
        )
    if os.name == "nt" and len(str(folder)) > WINDOWS_LONG_PATH:
        raise LabError(
            f"The path {folder} is too long for Windows, where TensorFlow's own file names are long: "
            r"put the lab into a short folder such as C:\lab."
        )


def explain_os_error(error, folder):
    """Return what an error of the file system means for a person."""
    if error.errno == 28:  # ENOSPC
        return "The disk is full: make room and run the same command again."
    if isinstance(error, PermissionError) or error.errno == 30:  # EROFS
        return (
            f"Nothing can be written to {error.filename or folder}: copy the lab to a folder of your own, "
            "or give yourself the right to write there."
        )
    return f"{error.strerror or error}: {error.filename or folder}"


def remove(folder, first, say, patience=120.0, pause=1.0):
    """Remove an environment's folder, the files ``first`` before all else: its stamp and its interpreter.

    On Windows the interpreter cannot be removed while something runs from it (an install that outlived its
    launcher, an open lab): then this waits, up to ``patience`` seconds.
    """
    if not folder.exists():
        return
    deadline, told = time.monotonic() + patience, False
    while True:
        try:
            for path in first:
                if os.path.lexists(str(path)):
                    path.unlink()
            remove_tree(folder)
            return
        except OSError as error:
            if os.name != "nt" or time.monotonic() > deadline:
                raise LabError(
                    f"{error.filename or folder} cannot be removed ({error.strerror}): close every open lab and "
                    f"notebook, or remove {folder} by hand, then run the same command again."
                ) from error
            if not told:
                say("something still runs from this environment (an open lab, an earlier install), waiting")
                told = True
            time.sleep(pause)


def remove_tree(folder):
    """Remove a folder and all in it, read-only files included."""

    def try_again(function, path, _):
        if os.path.lexists(path):
            os.chmod(path, stat.S_IRWXU)
            function(path)

    handler = "onexc" if sys.version_info >= (3, 12) else "onerror"
    shutil.rmtree(str(folder), **{handler: try_again})
