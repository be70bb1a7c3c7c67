"""``data rsna``: the challenge's data, from Kaggle or from an archive or folder that is here, unpacked and verified."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import re
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from .errors import ArchiveError
from .files import sha256_of
from .getting.archives import FolderSource, open_source
from .getting.download import download, shown_url
from .getting.kaggle_command import download_from_kaggle
from .getting.rsna_manifest import MANIFEST, changed_files, read_manifest, write_manifest
from .getting.safe_names import shown_name
from .getting.unpacking import sha256_if_same, size_text, unpack

DEFAULT = Path("data") / "rsna"
LABELS, CLASS_INFO = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"
WANTED = re.compile(rf"{LABELS}|{CLASS_INFO}|nih_patients\.csv|rsna_to_nih\.csv|stage_2_train_images/[^/]+\.dcm")
TEST_IMAGES = re.compile(r"stage_2_test_images/[^/]+\.dcm")
KAGGLE = "kaggle"
SHOWN = 20  # changed files that are printed


def challenge_files(source, *, with_test_images=False):
    """Return the members that the lab needs, by their place in the folder.

    Parameters
    ----------
    source : ZipSource, TarSource or FolderSource
        The challenge's layout in it, or in one folder in it.
    with_test_images : bool, default False
        The challenge's 3,000 test images, too; they have no labels, and nothing in the lab uses them.

    Returns
    -------
    dict of str to Member

    Raises
    ------
    ArchiveError
        If there is no labels table, or more than one place that has one.
    """
    tables = [PurePosixPath(member.name) for member in source.members if member.name.split("/")[-1] == LABELS]
    depth = min((len(path.parts) for path in tables), default=99)
    roots = [path.parent for path in tables if len(path.parts) == depth <= 2]
    if len(roots) != 1:
        raise ArchiveError(no_root_text(source, roots))
    start = "" if depth == 1 else f"{roots[0]}/"
    named = [(member.name[len(start) :], member) for member in source.members if member.name.startswith(start)]
    return {
        name: member
        for name, member in named
        if WANTED.fullmatch(name) or (with_test_images and TEST_IMAGES.fullmatch(name))
    }


def no_root_text(source, roots):
    """Return the text of the error that the challenge's layout is not there, or there twice."""
    if roots:
        places = ", ".join(str(root) for root in roots[:5])
        return f"{source.path}: {LABELS} lies in more than one folder of it ({places}). Unpack it and give one folder."
    names = ", ".join(shown_name(member.name) for member in source.members[:5]) or "nothing"
    if any(member.name.endswith(".zip") for member in source.members):
        hint = "It holds zips in turn: unpack those beside each other, and give their folder with --from."
    else:
        hint = "Wanted is the challenge's own download, or a part of it in the same layout with its tables."
    return f"{source.path}: there is no {LABELS} in it; it begins with {names}. {hint}"


def is_url(text):
    """Return whether the text is an address and not a path."""
    return re.match(r"https?://", text, re.IGNORECASE) is not None


def fetched(origin, folder, sha256):
    """Return the path of the archive or folder that ``--from`` means, downloaded where it has to be."""
    downloads = folder.with_name(folder.name + ".download")
    if origin == KAGGLE:
        path = download_from_kaggle(downloads)
    elif is_url(origin):
        name = re.sub(r"[^\w.-]", "_", PurePosixPath(urlsplit(origin).path).name)[-60:] or "archive"
        path = downloads / f"{hashlib.sha256(origin.encode()).hexdigest()[:8]}-{name}"
        return path if path.is_file() else download(origin, path, sha256=sha256)
    else:
        path = Path(origin)
    if sha256 and path.is_file() and sha256_of(path) != sha256.lower():
        raise ArchiveError(f"{path}: another file than wanted: its SHA-256 is not {sha256.lower()}. Get it again.")
    return path


def asked_for(origin, with_test_images):
    """Return what tells one wish from another, without a secret or a path of this machine in it."""
    if origin == KAGGLE or is_url(origin):
        return {"from": shown_url(origin) if is_url(origin) else KAGGLE, "bytes": None, "test_images": with_test_images}
    path = Path(origin)
    if path.is_dir():
        n_bytes = sum(m.size for m in challenge_files(FolderSource(path), with_test_images=with_test_images).values())
    else:
        n_bytes = path.stat().st_size if path.is_file() else None
    return {"from": path.resolve().name, "bytes": n_bytes, "test_images": with_test_images}


def covers(before, asked):
    """Return whether a manifest's files are those that are asked for now."""
    if before is None or before["asked"].get("from") != asked["from"]:
        return False
    same = asked["bytes"] in (None, before["asked"].get("bytes"))  # None: the archive was removed since
    return same and before["asked"].get("test_images", False) >= asked["test_images"]


def refuse_other_data(source, chosen, folder):
    """Raise if the folder has tables that are not this source's: two sets of data would get mixed up."""
    for name in (LABELS, CLASS_INFO):
        path = folder / name
        if path.is_file() and name in chosen and sha256_if_same(source, chosen[name], path) is None:
            raise ArchiveError(
                f"{path}: this folder holds other data already, its table differs from the one in {source.path}. "
                "Choose another folder with --to, or remove this one."
            )


def bring(arguments, folder, before, asked):
    """Fetch, unpack, write the manifest, and return it."""
    origin = arguments.origin or KAGGLE
    path = fetched(origin, folder, arguments.sha256)
    with contextlib.closing(open_source(path)) as source:
        chosen = challenge_files(source, with_test_images=arguments.with_test_images)
        if not covers(before, asked):
            refuse_other_data(source, chosen, folder)
        print(f"{path}: {len(source.members):,} files, of which the lab needs {len(chosen):,}.")
        files, written = unpack(source, chosen, folder)
    write_manifest(
        folder, asked=asked, archive=about(path), command=command_text(arguments, asked), files=files, films_read=None
    )
    print(f"{folder}: {written:,} files unpacked, {len(files) - written:,} were there already.")
    if origin == KAGGLE or is_url(origin):
        print(f"{path} ({size_text(path.stat().st_size)}) can be removed now, or given to others: --from takes it.")
    return read_manifest(folder)


def about(path):
    """Return what the manifest keeps of an archive, None of a folder."""
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)} if path.is_file() else None


def command_text(arguments, asked):
    """Return the command as the manifest keeps it."""
    origin = "" if arguments.origin is None else f" --from {asked['from']}"
    return f"python3 lab.py data rsna{origin}" + " --with-test-images" * arguments.with_test_images


def verify(folder):
    """Hold every file against the manifest, print those that differ, and return the exit code."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArchiveError(
            f"{folder / MANIFEST}: is not there or cannot be read. Run `data rsna` without --verify first."
        )
    changed = changed_files(folder, manifest, every=True)
    print_changed(folder, changed)
    print(f"{folder}: {len(manifest['files']):,} files read, {len(changed):,} are not as they were unpacked.")
    if changed:
        print(f"`{manifest['command']}` unpacks these again.")
    return 1 if changed else 0


def print_changed(folder, changed):
    """Print the first files that are not as the manifest says."""
    for name, fault in list(changed.items())[:SHOWN]:
        print(f"  {folder / name} {fault}")
    if len(changed) > SHOWN:
        print(f"  ... and {len(changed) - SHOWN:,} more")


def report(folder, *, films, already_read=0):
    """Print what is there, missing and broken; return whether the films are all well, and the exit code."""
    from . import check  # here: it brings in what reads films

    result = check.examine(folder, films=films)
    print("\n" + check.report_text(result))
    if already_read:
        print(f"The {already_read:,} films were read when they were unpacked and have not changed since.")
    elif not films:
        print("The films were not read (--quick).")
    absent = len(result["absent_films"])
    whole = result["ok"] and result["full_challenge"] and not absent
    if whole:
        print("Everything of the challenge is here.")
    else:
        for name, (found, wanted) in check.full_differences(check.Counts(**result["counts"])).items():
            if isinstance(found, int):
                much = f"{abs(wanted - found):,} {'more' if found > wanted else 'fewer'}"
                print(f"  {name}: {found:,}, {much} than the challenge has")
        print("This is not the whole challenge. It works as it is: what is absent or broken is left out and counted.")
    return not result["broken_films"], 0 if whole else 1


def parser():
    """Return the command's parser."""
    made = argparse.ArgumentParser(
        prog="python3 lab.py data rsna",
        description="Get the RSNA Pneumonia Detection Challenge's films and tables: from Kaggle, or from an archive or "
        "folder that is here. A run that was stopped goes on where it was. Ends with 0 if the whole challenge is there "
        "and in order, and with 1 if something is missing or broken; a part of it can be used all the same.",
        epilog="example: python3 lab.py data rsna --from ~/Downloads/rsna-pneumonia-detection-challenge.zip",
    )
    made.add_argument(
        "--from", dest="origin", metavar="SOURCE",
        help="a .zip, .tar or .tar.gz, its http(s) address, or a folder; without it: Kaggle (the steps are explained)",
    )  # fmt: skip
    made.add_argument(
        "--to", type=Path, metavar="FOLDER",
        help=f"where it goes, {DEFAULT.as_posix()} by default; a folder given with --from alone is used where it is",
    )  # fmt: skip
    made.add_argument("--with-test-images", action="store_true", help="the 3,000 test images, too (the lab needs none)")
    made.add_argument("--sha256", metavar="SUM", help="what the archive must have")
    made.add_argument("--quick", action="store_true", help="do not read every film at the end (it takes minutes)")
    made.add_argument("--verify", action="store_true", help="only hold every file against the manifest's checksums")
    return made


def main(argv):
    """Run ``data rsna`` and return its exit code."""
    made = parser()
    arguments = made.parse_args(argv)
    if arguments.sha256 and not re.fullmatch("[0-9a-fA-F]{64}", arguments.sha256):
        made.error("argument --sha256: must be 64 hexadecimal digits")
    origin = arguments.origin or KAGGLE
    if arguments.origin and not is_url(origin):
        arguments.origin = origin = str(Path(origin).expanduser())
    folder = (arguments.to or DEFAULT).expanduser()
    if arguments.verify:
        return verify(folder)
    if arguments.origin and not is_url(origin) and Path(origin).is_dir() and arguments.to is None:
        return in_place(Path(origin), quick=arguments.quick)
    before, asked = read_manifest(folder), asked_for(origin, arguments.with_test_images)
    changed = changed_files(folder, before) if covers(before, asked) else None
    if changed == {}:
        print(f"{folder}: nothing to do, its {len(before['files']):,} files are here as {MANIFEST} says.")
        manifest = before
    else:
        print_changed(folder, changed or {})
        manifest = bring(arguments, folder, before, asked)
    already_read = manifest["films_read"] or 0
    read_now = not arguments.quick and not already_read
    films_well, code = report(folder, films=read_now, already_read=already_read)
    if films_well and read_now:
        kept = {key: manifest[key] for key in ("asked", "archive", "command", "files")}
        n_films = sum(name.startswith("stage_2_train_images/") for name in kept["files"])
        write_manifest(folder, films_read=n_films, **kept)
    return code


def in_place(path, *, quick):
    """Report on a folder that stays where it is, and in which nothing is written; return the exit code."""
    root = challenge_files(FolderSource(path))[LABELS].entry.parent
    print(f"{root} is used where it is; nothing was copied. Give its path to the other commands. (--to FOLDER copies.)")
    return report(root, films=not quick)[1]
