"""What can be wrong with data, as one family of errors whose texts name the file and say what to do."""

from __future__ import annotations


class DataError(ValueError):
    """Something about the data that a person has to mend; commands print its text and end, without a traceback."""


class DicomError(DataError):
    """A file that is no film this lab can read.

    Attributes
    ----------
    path : str
        The file.
    kind : str
        Which of `mini_rcnn.data.dicom.KINDS` it is, such as ``"truncated"`` or ``"multi-frame"``.
    """

    def __init__(self, path, kind, text):
        super().__init__(path, kind, text)  # all three, so that the error survives the way out of a worker process
        self.path, self.kind, self.text = str(path), kind, text

    def __str__(self):
        return f"{self.path}: {self.text}"


class TableError(DataError):
    """A table that cannot be read, or whose rows contradict each other."""


class ArchiveError(DataError):
    """An archive that is refused or broken, or a download that cannot be had."""


class CacheError(DataError):
    """A prepared cache that is missing, unfinished, stale or damaged."""
