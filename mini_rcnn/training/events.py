"""Numbers for TensorBoard: its files of events, written record by record, without an operation of TensorFlow's.

``tf.summary.scalar`` needs TensorBoard itself in newer versions, and puts the machine's name into the file's.
"""

from __future__ import annotations

import time
from pathlib import Path

import tensorflow.compat.v1 as tf1

FILE_VERSION = "brain.Event:2"  # the first record of every such file


class EventFile:
    """A new file of events in a folder, for TensorBoard to read beside those that are there.

    Parameters
    ----------
    folder : path
        Made if it is missing.
    begin : int, default 0
        The step that this file goes on after. TensorBoard drops what earlier files say of later steps: they were taken
        back when the run was resumed. With 0 earlier files are removed.
    """

    def __init__(self, folder, *, begin=0):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not begin:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
        number = len(list(folder.glob("events.out.tfevents.*")))  # TensorBoard reads them in the order of their names
        self.path = folder / f"events.out.tfevents.{number:06d}"
        self.writer = tf1.io.TFRecordWriter(str(self.path))
        self.write(file_version=FILE_VERSION)
        self.write(step=begin + 1, session_log=tf1.SessionLog(status=tf1.SessionLog.START))
        self.flush()

    def write(self, **content):
        """Write one record."""
        self.writer.write(tf1.Event(wall_time=time.time(), **content).SerializeToString())

    def scalars(self, step, values):
        """Write numbers by name, all of one step."""
        values = [tf1.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self.write(step=step, summary=tf1.Summary(value=values))

    def flush(self):
        """Hand over what is still in memory."""
        self.writer.flush()

    def close(self):
        """Write what is still in memory and close the file."""
        self.writer.close()
