"""Names inside an archive that are the same harmless file on Windows, macOS and Linux, and a refusal of all others."""

from __future__ import annotations

import re
import unicodedata

from ..errors import ArchiveError

LONGEST_NAME = 200  # characters; Windows ends at 260 for the whole path, the folder that it lands in included
DEEPEST = 8  # folders inside folders
DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"]
)
REFUSED = re.compile('[\x00-\x1f\x7f<>"|?*]')


def shown_name(name):
    r"""Return a name as it can be printed: escaped, so that it cannot steer a terminal, and not too long.

    >>> print(shown_name("a\x1b[2Jb"))
    'a\x1b[2Jb'
    """
    text = ascii(name) if not name.isprintable() else repr(name)
    return text if len(text) <= 120 else f"{text[:60]}...{text[-40:]}"


def fault_of_part(part):
    """Return what is wrong with one part of a path, or None.

    >>> fault_of_part("Nul.dcm")
    'it is the name of a Windows device'
    """
    if part in ("", ".", ".."):
        return "it would leave the folder" if part == ".." else "it has an empty part"
    if part[-1] in " .":
        return "it ends in a dot or a space, which Windows drops"
    if part.split(".")[0].rstrip().casefold() in DEVICES:
        return "it is the name of a Windows device"
    return None


def fault_of_name(name):
    r"""Return why a member's name is refused, or None where it is harmless.

    Parameters
    ----------
    name : str
        With ``/`` between its parts, none at its end.

    Returns
    -------
    fault : str or None

    Examples
    --------
    >>> fault_of_name("stage_2_train_images/0004cfab.dcm")
    >>> fault_of_name("../.bashrc")
    'it would leave the folder'
    >>> fault_of_name("C:\\Windows\\win.ini")
    'it has a backslash in it'
    """
    if len(name) > LONGEST_NAME or name.count("/") > DEEPEST:
        return f"it is longer than {LONGEST_NAME} characters or deeper than {DEEPEST} folders"
    if "\\" in name:
        return "it has a backslash in it"
    if name.startswith("/"):
        return "it is absolute and would leave the folder"
    if ":" in name:
        return "it has a colon in it, as a drive or a hidden stream has on Windows"
    if REFUSED.search(name):
        return "it has a character in it that no file name may have everywhere"
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "it is no Unicode text"
    return next((fault for fault in map(fault_of_part, name.split("/")) if fault), None)


def check_names(entries, path):
    """Raise for the first name that would leave the folder, or that another name would overwrite.

    Parameters
    ----------
    entries : iterable of (str, bool)
        Names, and whether each is a folder.
    path : str or Path
        The archive, for the error's text.

    Raises
    ------
    ArchiveError
        Names the member. Windows and macOS do not tell ``A.dcm`` from ``a.dcm``, so such a pair is refused, and so is
        a name that is both a file and a folder.

    Examples
    --------
    >>> check_names([("films", True), ("films/A.dcm", False), ("films/a.dcm", False)], "lab.zip")
    Traceback (most recent call last):
        ...
    mini_rcnn.data.errors.ArchiveError: lab.zip: refused, nothing was unpacked: the member 'films/a.dcm' has the...
    """
    seen = {}  # name as Windows and macOS compare it -> (name, whether it is a folder)
    for name, is_folder in entries:
        fault = fault_of_name(name)
        if fault:
            raise refusal(path, name, fault)
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            part = ("/".join(parts[:depth]), is_folder or depth < len(parts))
            before = seen.setdefault(unicodedata.normalize("NFC", part[0]).casefold(), part)
            if before != part or (depth == len(parts) and not is_folder and before is not part):
                raise refusal(path, name, f"has the same place as {shown_name(before[0])}", link=" ")


def refusal(path, name, fault, link=": "):
    """Return the error that refuses an archive because of one member."""
    return ArchiveError(
        f"{path}: refused, nothing was unpacked: the member {shown_name(name)}{link}{fault}. Get the archive again "
        "from where it should come from; Kaggle's own holds nothing like it."
    )
