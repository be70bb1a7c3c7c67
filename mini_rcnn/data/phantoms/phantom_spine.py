"""The vertebrae of a phantom: bodies with hard plates, pedicles, processes to the sides and to the back."""

from __future__ import annotations

import numpy as np

from .phantom_anatomy import COLUMNS, ROWS
from .phantom_tubes import blurred, gather, tube

NUMBERS = np.arange(-6, 16)  # of the vertebrae; 0 stands level with the lungs' tops
PITCH = 0.0775  # rows from one vertebra, and from one rib, to the next, as a share of the cage's height


def lines_of(rows, columns):
    """Return lines (..., S, 2) of rows and columns that broadcast against each other."""
    return np.stack(np.broadcast_arrays(rows, columns), axis=-1)


def vertebrae(cage, bones):
    """Return where the vertebrae lie: rows, columns, half widths and half heights, each (V, 1), and how hard."""
    pitch = PITCH * cage.height
    number = NUMBERS[:, None]
    row = cage.apex + pitch * (number + 0.15) * np.where(number < 0, 0.9, 1.0)
    row = row + 0.015 * pitch * bones.standard_normal((len(NUMBERS), 1))
    wide = cage.half * np.interp(number, [-6, 0, 12], [0.105, 0.115, 0.15])
    tall = pitch * np.where(number < 0, 0.34, 0.40)
    return row, cage.middle_at(row), wide, tall, np.where(number < 0, 0.55, np.where(number > 10, 0.75, 1.0))


def spine(cage, bones):
    """Return the attenuation (WORK, WORK), cm of soft tissue, of the spine; ``bones`` is the patient's generator."""
    row, middle, wide, tall, hard = vertebrae(cage, bones)
    slant = 0.02 * bones.standard_normal(row.shape)
    turned = cage.turn * 0.4 * cage.depth * cage.half  # the processes stand behind the bodies: a turn shifts them
    across, down = np.linspace(-1, 1, 60), np.linspace(-1, 1, 50)
    angle = np.linspace(0, 2 * np.pi, 50)
    tubes = []
    for edge in (-1, 1):
        plate = row + edge * (tall - 1.6 * (1 - across**2)) + slant * wide * across
        tubes.append(tube(lines_of(plate, middle + across * wide), 1.5, 1.7 * hard))
        side = middle + edge * wide * (0.93 + 0.07 * down**2)
        tubes.append(tube(lines_of(row + tall * down, side), 1.3, 1.2 * hard))
        pedicle = middle + 0.3 * turned + edge * wide * 0.58 + 0.17 * wide * np.cos(angle)
        tubes.append(tube(lines_of(row - 0.25 * tall + 0.30 * tall * np.sin(angle), pedicle), 1.2, 1.2 * hard))
        out = np.linspace(0, 1, 40)
        process = lines_of(row - (0.1 + 0.35 * out) * tall, middle + edge * (0.8 + 0.95 * out) * wide)
        tubes.append(tube(process, (0.13 + 0.03 * out) * PITCH * cage.height, 0.45, wall=0.4, filling=0.5))
    thorn = middle + turned + wide * 0.17 * np.cos(angle) * (1 - 0.35 * np.sin(angle))
    tubes.append(tube(lines_of(row + tall * (0.75 + 0.55 * np.sin(angle)), thorn), 1.3, 1.5 * hard))
    return blurred(gather(tubes), 1.0) + bodies(cage)


def bodies(cage):
    """Return the attenuation (WORK, WORK) of the column that the vertebrae's bodies make up."""
    wide = np.interp(ROWS, [0, cage.apex, 512], [0.12, 0.125, 0.16]) * cage.half
    deep = np.interp(ROWS, [0, cage.apex, 512], [0.9, 1.3, 2.2])
    q = ((COLUMNS[None] - cage.middle[:, None]) / wide[:, None]).astype(np.float32)
    return blurred(deep[:, None].astype(np.float32) * np.sqrt(np.maximum(1 - q * q, 0)), 2.6)
