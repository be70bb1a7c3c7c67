"""``manifest.json``: where the challenge's files in a folder came from, under which terms, and their checksums."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tqdm import tqdm

from ..files import sha256_of, write_json
from .safe_names import fault_of_name

MANIFEST = "manifest.json"
ABOUT = {
    "what": "RSNA Pneumonia Detection Challenge (2018), stage 2",
    "page": "https://www.kaggle.com/competitions/rsna-pneumonia-detection-challenge",
    "terms": "The competition's rules on that page; free to use with attribution. The films are NIH ChestX-ray14's, "
    "free to use with credit to the NIH Clinical Center; the annotations are RSNA's and the STR's.",
    "citation": [
        "Shih G, Wu CC, Halabi SS, et al. Augmenting the National Institutes of Health Chest Radiograph Dataset with "
        "Expert Annotations of Possible Pneumonia. Radiology: Artificial Intelligence 2019;1(1):e180041.",
        "Wang X, Peng Y, Lu L, Lu Z, Bagheri M, Summers RM. ChestX-ray8: Hospital-scale Chest X-ray Database and "
        "Benchmarks on Weakly-Supervised Classification and Localization of Common Thorax Diseases. CVPR 2017.",
    ],
}


def read_manifest(folder):
    """Return a folder's manifest, or None where there is none that can be read."""
    try:
        manifest = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(manifest, dict) and isinstance(manifest.get("files"), dict) and "asked" in manifest
    return manifest if whole else None


def write_manifest(folder, *, asked, archive, command, files, films_read):
    """Write a folder's manifest: the same files from the same archive give the same bytes."""
    content = {
        "asked": asked, "archive": archive, "command": command, "files": files, "films_read": films_read, **ABOUT,
    }  # fmt: skip
    write_json(Path(folder) / MANIFEST, content)


def changed_files(folder, manifest, *, every=False):
    """Return ``{name: what is wrong}`` for the files that are not as the manifest says.

    Parameters
    ----------
    folder : str or Path
    manifest : dict
        From `read_manifest`.
    every : bool, default False
        Read every file. Otherwise only those of another size, or touched after the manifest was written, are read: a
        byte that the disk itself lost stays unseen then.

    Returns
    -------
    dict of str to str
    """
    folder, changed = Path(folder), {}
    written = (folder / MANIFEST).stat().st_mtime_ns
    names = tqdm(
        manifest["files"].items(), desc="checksums", unit="", file=sys.stderr, mininterval=0.5, disable=not every
    )
    for name, known in names:
        try:
            fault = "is no name of a file here" if fault_of_name(name) else None
            status = os.stat(str(folder / name))
            if not fault and status.st_size != known["bytes"]:
                fault = f"has {status.st_size:,} bytes instead of {known['bytes']:,}"
            elif not fault and (every or status.st_mtime_ns > written) and sha256_of(folder / name) != known["sha256"]:
                fault = "has other bytes than were unpacked"
        except OSError as error:
            fault = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        if fault:
            changed[name] = fault
    return changed
