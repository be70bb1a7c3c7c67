"""A Matterport configuration, whether a class, an instance, a dict or a file says it, under one face."""

from __future__ import annotations

import numpy as np

from .findings import LintError
from .matterport_keys import COMPUTED, KEYS
from .python_source import BASE, ClassSource


class Unknown:
    """Stands for a value that could not be worked out."""

    def __repr__(self):
        return "not read"


UNKNOWN = Unknown()


class Settings:
    """What a configuration sets, and what holds where it sets nothing.

    Parameters
    ----------
    given : mapping of str to value
        What it sets itself.
    lines : mapping of str to int, optional
        Of a file.
    unread : mapping of str to str, optional
        Keys that it sets to something that could not be worked out, and why.
    defaults : bool
        Whether the rest is Matterport's; False where it comes from a class that nobody could read.
    """

    def __init__(self, given, *, lines=None, unread=None, defaults=True):
        self.given = {name: plain_value(value) for name, value in given.items()}
        self.lines, self.unread, self.defaults = dict(lines or {}), dict(unread or {}), defaults

    def __getitem__(self, key):
        """Return the value that holds, or `UNKNOWN`."""
        if key in self.unread or key not in self.given and not self.defaults:
            return UNKNOWN
        return self.given.get(key, plain_value(KEYS[key].default))

    def sets(self, key):
        """Return whether the configuration itself says something about a key."""
        return key in self.given or key in self.unread

    def numbers(self, *keys):
        """Return the values of keys where all of them are finite numbers, else None."""
        values = [self[key] for key in keys]
        return values if all(is_number(value) for value in values) else None

    def row(self, key):
        """Return the values of a key that holds a row of numbers, else None."""
        value = self[key]
        return value if isinstance(value, tuple) and all(map(is_number, value)) else None

    @property
    def image_size(self):
        """Return the sides of the network's input, pixels, or None: ``Config.__init__``'s IMAGE_SHAPE."""
        found = self.numbers("IMAGE_MIN_DIM" if self["IMAGE_RESIZE_MODE"] == "crop" else "IMAGE_MAX_DIM")
        return found[0] if found else None

    @property
    def batch_size(self):
        """Return the images of a step, or None."""
        found = self.numbers("IMAGES_PER_GPU", "GPU_COUNT")
        return found[0] * found[1] if found else None


def is_number(value):
    """Return whether a value is a finite number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def plain_value(value):
    """Return arrays, lists and NumPy's numbers as tuples and Python's numbers; the rest as it is."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    return tuple(map(plain_value, value)) if isinstance(value, (list, tuple)) else value


def settings_of(what):
    """Return `Settings` of a class, an instance, a mapping or a class that was read from a file.

    Raises
    ------
    LintError
        If it is none of these.

    Examples
    --------
    >>> settings_of({"GPU_COUNT": 1, "IMAGES_PER_GPU": 8}).batch_size
    8
    """
    if isinstance(what, Settings):
        return what
    if isinstance(what, ClassSource):
        return Settings(what.given, lines=what.lines, unread=what.unread, defaults=what.base == BASE)
    if isinstance(what, dict):
        return Settings(what)
    kind = what if isinstance(what, type) else type(what)
    if kind.__module__ == "builtins":
        raise LintError(f"a configuration must be a class, an instance or a dict, got {what!r}"[:200])
    given = {}
    for each in reversed(kind.__mro__):
        if each is not object and not (each.__name__ == BASE and each.__bases__ == (object,)):
            given.update(vars(each))
    if not isinstance(what, type):
        given.update({name: value for name, value in vars(what).items() if name not in COMPUTED})
    hidden = [name for name in given if name.startswith("__") or name not in KEYS and callable(given[name])]
    return Settings(
        {name: value for name, value in given.items() if name not in hidden and not is_wrapper(given[name])}
    )


def is_wrapper(value):
    """Return whether an attribute of a class is a method or property of some kind, and no setting."""
    return isinstance(value, (property, staticmethod, classmethod))
