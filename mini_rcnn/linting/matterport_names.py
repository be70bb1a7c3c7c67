"""Keys of a Matterport configuration: which nobody reads, and which act at inference alone."""

from __future__ import annotations

import difflib

from .findings import Finding, short
from .matterport_keys import COMPUTED, KEYS, OTHER_VERSIONS

NEAR = 0.8  # likeness from which on an unknown key is taken for a slip


def unknown_keys(settings):
    """Yield a finding for each key that Matterport does not have."""
    for key in sorted({*settings.given, *settings.unread}):
        if key in KEYS or key.startswith("_"):
            continue
        line, near = settings.lines.get(key), difflib.get_close_matches(key.upper(), KEYS, n=1, cutoff=NEAR)
        if key in COMPUTED:
            yield Finding(
                "warning", key,
                f"Setting it does nothing: Config.__init__ works it out from {COMPUTED[key]} and overwrites it.",
                line, f"Set {COMPUTED[key]} instead.",
            )  # fmt: skip
        elif key in OTHER_VERSIONS:
            text = f"A key of another version of Matterport's code. mrcnn 0.2 does not read it: {OTHER_VERSIONS[key]}."
            yield Finding("warning", key, text, line)
        elif near:
            text = f"Matterport has no such key, and says nothing: {near[0]} keeps {settings[near[0]]!r}."
            yield Finding("error", key, text, line, f"Write {near[0]}.")
        elif key.isupper():
            yield Finding("note", key, "Matterport has no such key. It acts only if code of your own reads it.", line)


def when_keys_act(settings):
    """Yield a note for each key that is set and acts at inference alone, or also in training against expectation."""
    for key in KEYS:
        if not settings.sets(key):
            continue
        line = settings.lines.get(key)
        if KEYS[key].kind == "inference":
            yield Finding("note", key, "Acts at inference alone: changing this needs no retraining.", line)
        elif key == "RPN_NMS_THRESHOLD":
            text = (
                "Acts at inference and in training: there it decides which proposals the heads learn from. Changed at "
                "inference alone, the heads meet other proposals than they learnt from."
            )
            yield Finding("note", key, text, line, "Try it without retraining first; then train with it.")


def unread_values(settings, script=None):
    """Yield a note for each value that could not be worked out, and each that is changed outside the class."""
    for key, why in settings.unread.items():
        line = settings.lines.get(key)
        yield Finding("note", key, f"not read: line {line}: {why}.", line)
    for line, key in script.changes if script else ():
        yield Finding("note", key, f"not read: line {line} changes it outside the body of the class.", line)
    if not settings.defaults:
        yield Finding("note", "", "The base class is in another file: what is not set here is not known.")


def settings_rows(settings):
    """Return what each key that is set acts on and what a change of it needs, as dicts of text."""
    return [
        {"key": key, "value": short(settings[key]), "kind": KEYS[key].kind, "needs": KEYS[key].change}
        for key in KEYS
        if settings.sets(key)
    ]
