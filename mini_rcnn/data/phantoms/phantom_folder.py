"""A folder of phantoms between runs: whose it is, what is whole in it, and what of it may be removed."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from ..errors import DataError
from ..files import LOCK, sha256_of
from ..rsna_tables import CLASS_INFO, FILMS, LABELS, PATIENTS
from .phantom_plan import plan_phantoms

MANIFEST = "phantoms.json"
JOURNAL = "phantoms.unfinished.jsonl"  # what a run has drawn so far, a line each; gone when it is finished
MASKS = "stage_2_train_masks"
FACTS = ("images", "seed", "more_ill", "version")  # of a run, see `prepare_folder`
NOT_DRAWING = ("phantom_files.py", "phantom_folder.py", "phantom_statistics.py", "phantom_measures.py")


def drawing_version():
    """Return a short hash of the code that plans and draws: another one may draw other pixels."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted([*here.glob("phantom*.py"), here.parent / "phantom.py", here.parent / "write_dicom.py"]):
        if path.name not in NOT_DRAWING:
            digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:16]


class Journal:
    """What a run has drawn so far, so that the next one can go on."""

    def __init__(self, folder, facts):
        self.path, self.facts = Path(folder) / JOURNAL, facts

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(str(self.path), "a", encoding="utf-8", newline="\n")
        self.add(self.facts)
        return self

    def __exit__(self, *error):
        self.file.close()

    def add(self, content):
        """Write one line. The line end comes first: a line that a kill cut short stays alone."""
        self.file.write("\n" + json.dumps(content, sort_keys=True))
        self.file.flush()

    def remove(self):
        """Remove the journal of a finished run, if there is one."""
        if self.path.exists():
            self.path.unlink()


def read_journal(folder):
    """Return ``(facts of the last run, films)`` of a folder's journal; lines that were cut short are left out."""
    facts, films = None, []
    path = Path(folder) / JOURNAL
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    for line in lines:
        with contextlib.suppress(ValueError):
            content = json.loads(line)
            if "files" in content:
                films.append(content)
            else:
                facts = {"more_ill": 0, **content}
    return facts, films


def read_manifest(folder):
    """Return a folder's manifest, or None where there is none.

    Raises
    ------
    DataError
        If it is not the manifest of phantoms.
    """
    path = Path(folder) / MANIFEST
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {key: content.get(key, 0) if key == "more_ill" else content[key] for key in (*FACTS, "films")}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is not the manifest of phantoms. Choose another folder with --to.") from error


def films_known(folder):
    """Return what the manifest and the journal say of films, by id; the journal's word is the later."""
    manifest = read_manifest(folder)
    films = (manifest["films"] if manifest else []) + read_journal(folder)[1]
    return {film["id"]: film for film in films}


def is_whole(folder, film):
    """Return whether the files of a film are there with the bytes that were written."""
    paths = {Path(folder) / name: sha256 for name, sha256 in film["files"].items()}
    return all(path.is_file() and sha256_of(path) == sha256 for path, sha256 in paths.items())


def is_finished(folder, facts):
    """Return whether a finished run with these facts left the folder as it is. Its films may have changed since."""
    manifest = read_manifest(folder)
    same = manifest is not None and all(manifest[name] == facts[name] for name in FACTS)
    return same and not (Path(folder) / JOURNAL).exists()


def films_there(folder, plans):
    """Return what is known of those planned films that are whole, by id."""
    known = films_known(folder)
    wanted = [known[plan.image_id] for plan in plans if plan.image_id in known]
    return {film["id"]: film for film in wanted if is_whole(folder, film)}


def changed_films(folder):
    """Return the ids of a finished folder's films whose film or masks are not the bytes that were written.

    Raises
    ------
    DataError
        If there is no manifest or it is none of phantoms.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder}: has no {MANIFEST}. Draw phantoms with `python3 lab.py data phantoms`.")
    return [film["id"] for film in manifest["films"] if not is_whole(folder, film)]


def film_files(folder, image_id):
    """Return where a film and its masks lie."""
    return [Path(folder) / FILMS / f"{image_id}.dcm", Path(folder) / MASKS / f"{image_id}.png"]


def ids_before(folder):
    """Return the ids that earlier runs wrote or may have written: a kill may come between a film and the journal."""
    facts = read_journal(folder)[0]
    plans = plan_phantoms(facts["images"], seed=facts["seed"], more_ill=facts["more_ill"]) if facts else []
    return {*films_known(folder), *(plan.image_id for plan in plans)}


def refuse_others(folder):
    """Raise DataError if a folder is a file, or holds anything and no phantoms."""
    folder = Path(folder)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError(f"{folder}: is a file. Choose a folder with --to.")
    if read_journal(folder)[0] is None and read_manifest(folder) is None:
        held = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
        if held:
            raise DataError(f"{folder}: holds {held[0]!r} and no phantoms. Choose a new or empty folder with --to.")


def refuse_strangers(folder, ids):
    """Raise DataError where the folders of films and masks hold what no run wrote."""
    ours = {path for image_id in ids for path in film_files(folder, image_id)}
    for part in (FILMS, MASKS):
        for path in sorted((Path(folder) / part).glob("*")):
            if path not in ours and not is_leftover(path):
                raise DataError(f"{path}: was not drawn here. Move it away, or choose another folder with --to.")


def is_leftover(path):
    """Return whether a file is one that a killed run did not come to rename."""
    return path.name.startswith(".") and path.name.endswith(".new")


def remove_leftovers(folder):
    """Remove what killed runs did not come to rename."""
    for part in (".", FILMS, MASKS):
        for path in filter(is_leftover, (Path(folder) / part).glob(".*.new")):
            path.unlink()


def remove_phantoms(folder, ids):
    """Remove the phantoms of earlier runs: their films and masks by name, the tables and the manifest."""
    paths = [path for image_id in sorted(ids) for path in film_files(folder, image_id)]
    for path in [Path(folder) / name for name in (MANIFEST, LABELS, CLASS_INFO, PATIENTS)] + paths:
        if path.exists():
            path.unlink()
    Journal(folder, None).remove()  # the last: until then the folder is known as ours


def prepare_folder(folder, facts, *, replace=False):
    """Make sure that phantoms may be written into a folder, or raise.

    Parameters
    ----------
    folder : Path
    facts : dict
        ``seed``, ``images``, ``more_ill`` and ``version`` of what is to be written.
    replace : bool, default False
        Remove phantoms that are there and do not fit.

    Raises
    ------
    DataError
        If the folder holds anything but phantoms, or phantoms of another seed or drawing, more of them, or more ill
        ones that began elsewhere, and ``replace`` is not set.
    """
    folder = Path(folder)
    refuse_others(folder)
    before = read_journal(folder)[0] or read_manifest(folder)
    if before is None:
        return
    ids = ids_before(folder)
    refuse_strangers(folder, ids)
    differs = [name for name in ("seed", "version") if before[name] != facts[name]]
    moved = before["more_ill"] and before["images"] != facts["images"]  # then other films are the more ill ones
    if before["images"] > facts["images"] or before["more_ill"] > facts["more_ill"] or moved:
        differs.append("images")
    if differs and not replace:
        there, asked = (", ".join(f"{name} {run[name]}" for name in FACTS) for run in (before, facts))
        raise DataError(
            f"{folder}: holds other phantoms ({there}) than asked for ({asked}). "
            "Choose another folder with --to, or remove them with --replace."
        )
    if differs:
        remove_phantoms(folder, ids)
