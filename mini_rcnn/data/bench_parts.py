"""What ``bench data`` needs of the libraries that only this part imports."""

from __future__ import annotations

import cv2
import pydicom


def plain_pixels(path):
    """Return a film's pixels as the slides read them, with no look at what they are, (H, W)."""
    return pydicom.dcmread(str(path)).pixel_array


def one_thread():
    """Let OpenCV use one thread in this process."""
    cv2.setNumThreads(1)
