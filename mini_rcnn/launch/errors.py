"""The one error that a person gets to see."""


class LabError(Exception):
    """What went wrong and what to do about it, in one or two sentences."""
