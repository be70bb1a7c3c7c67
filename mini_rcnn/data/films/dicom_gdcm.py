"""GDCM in a process of its own: JPEG Lossless, JPEG-LS and 12 bit JPEG, which Pillow cannot decode.

GDCM ends its process on about one damaged frame in a hundred (abort, segmentation fault) and, on Python 3.7's version,
takes a cut frame for a whole one, saying so on stderr alone. Both are seen from outside.
The process runs `gdcm_process.py` by its path and imports nothing of this package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from .dicom_scan import Refusal

SECONDS = 30  # for one frame; 64 megapixels take about five
MEMORY = 4 << 30  # bytes of addresses that the process may have, where the system can limit them


def gdcm_pixels(frame, description):
    """Return the pixels of a compressed frame as bytes, least first, and what GDCM says of their layout.

    Parameters
    ----------
    frame : bytes
    description : dict
        ``syntax`` (UID), ``rows``, ``columns``, ``samples``, ``allocated``, ``stored``, ``signed``, ``photometric``.

    Returns
    -------
    pixels : bytes
    layout : dict
        ``planar`` (0: colour by pixel, 1: by plane) and ``allocated`` (bits).

    Raises
    ------
    Refusal
        ``undecodable`` or ``truncated``.
    """
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gdcm_process.py")
    command = [sys.executable, "-W", "ignore", script, json.dumps({**description, "memory": MEMORY})]
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # on Windows, no console flashes up
    try:
        done = subprocess.run(command, input=frame, capture_output=True, timeout=SECONDS, creationflags=flags)
    except subprocess.TimeoutExpired:
        raise Refusal("undecodable", f"GDCM did not come to an end in {SECONDS} seconds") from None
    if b"premature end" in done.stderr:  # libjpeg's warning; what is missing comes out grey
        raise Refusal("truncated", "the compressed image ends too early")
    if done.returncode or b"Corrupt JPEG data" in done.stderr or b"\n" not in done.stdout:
        raise Refusal("undecodable", "GDCM cannot decode the image")
    layout, pixels = done.stdout.split(b"\n", 1)
    return pixels, json.loads(layout.decode())
