"""Zip and tar archives, unpacked as what comes from strangers: judged whole before the first byte is written."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from ..errors import ArchiveError
from .archive_limits import Limits, damage_named
from .safe_names import check_names, refusal

BLOCK = 1 << 20  # bytes read at a time
LARGEST_HEADER = 1 << 16  # bytes of a tar's long names and extended headers, which are read into memory
TAIL = 16 << 20  # bytes of padding that may stand behind a tar's end
HEADERS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip


class Member(NamedTuple):
    """One file inside an archive."""

    name: str  # harmless, with "/" between its parts
    size: int  # bytes, unpacked
    crc: int  # CRC-32 of the unpacked bytes; None where the archive has none (tar, folder)
    entry: object  # what the source opens it by


def plain_name(name):
    """Return a member's name without ``./`` before it and ``/`` behind it, as both are common and mean nothing."""
    name = name[2:] if name.startswith("./") else name
    return name[:-1] if name.endswith("/") else name


class ZipSource:
    """The members of a zip, all of them checked."""

    def __init__(self, path):
        self.path = path
        try:
            self.zip = zipfile.ZipFile(str(path))
        except zipfile.BadZipFile as error:
            raise ArchiveError(
                f"{path}: the zip ends early or is damaged: its directory, which stands at the end, is not there "
                f"({error}). Download it again."
            ) from error
        infos = self.zip.infolist()
        try:
            self.check_all(infos)
        except BaseException:
            self.close()
            raise
        self.members = [Member(plain_name(i.filename), i.file_size, i.CRC, i) for i in infos if not i.is_dir()]

    def check_all(self, infos):
        """Raise unless every member can be unpacked without harm."""
        limits = Limits(self.path)
        for info in infos:
            self.check(info)
            limits.add(info.filename, info.file_size)
        check_names([(plain_name(info.filename), info.is_dir()) for info in infos], self.path)
        self.check_overlaps(infos)

    def check(self, info):
        """Raise for a member that is no plain file or folder, or that Python reads under another name."""
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the zip was made on Windows
        fault = None
        if info.orig_filename != info.filename:  # cut at a NUL, or replaced by a second name
            fault = "it has two names"
        elif info.flag_bits & 0x1 or info.flag_bits & 0x40:
            fault = "it is encrypted"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            fault = "it is a symbolic link" if kind == stat.S_IFLNK else "it is a device or another special file"
        elif info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            fault = "its two sizes contradict each other"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            fault = f"it is packed by a method (number {info.compress_type}) that not every Python can read"
        if fault:
            raise refusal(self.path, info.orig_filename, fault)

    def check_overlaps(self, infos):
        """Raise if two members share their packed bytes: how a small zip unpacks to petabytes."""
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.header_offset < end:
                raise refusal(self.path, info.filename, "it lies over another member: an archive bomb")
            end = info.header_offset + 30 + info.compress_size
        if end > self.zip.start_dir:
            raise ArchiveError(f"{self.path}: the zip is damaged: a member reaches into its directory. Get it again.")

    def open(self, member):
        """Return the member's bytes as a stream; the zip's CRC is checked at its end."""
        return self.zip.open(member.entry)

    def close(self):
        """Close the file."""
        self.zip.close()


class ShortHeaders(tarfile.TarInfo):
    """A tar member whose extended headers are small enough to be read into memory."""

    def _proc_member(self, tar):
        """Refuse a long header before `tarfile` reads it: it may declare, and inflate to, any size."""
        if self.type in HEADERS and self.size > LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return super()._proc_member(tar)

    def refuse_holes(self, *_):
        """Refuse a file with holes: its map has any length, and `tarfile` reads it into memory."""
        raise tarfile.ReadError("a file with holes, which no archive of films has")

    _proc_sparse = _proc_gnusparse_10 = refuse_holes


class TarSource:
    """The members of a tar or tar.gz, all of them checked; a tar keeps no checksum of their bytes."""

    def __init__(self, path, packed):
        self.path = path
        self.file = gzip.open(str(path), "rb") if packed else open(str(path), "rb")
        try:
            with damage_named(path):
                self.tar = tarfile.open(fileobj=self.file, mode="r:", tarinfo=ShortHeaders)
                infos = self.listed()
                self.check_end()
                names = [(plain_name(info.name), info.isdir()) for info in infos]
                check_names([entry for entry in names if entry != (".", True)], path)
        except BaseException:
            self.file.close()
            raise
        self.members = [Member(plain_name(i.name), i.size, None, i) for i in infos if not i.isdir()]

    def listed(self):
        """Return the tar's members; raise at the first that is no plain file or folder, before it is passed over."""
        limits, infos = Limits(self.path), []
        for info in self.tar:
            if not (info.isreg() or info.isdir()) or info.issparse():
                kind = "a link" if info.issym() or info.islnk() else "a device or another special file"
                raise refusal(self.path, info.name, f"it is {kind}")
            limits.add(info.name, info.size)
            infos.append(info)
        return infos

    def check_end(self):
        """Raise unless the tar ends as a tar does: `tarfile` itself takes a cut or a broken header for the end."""
        self.file.seek(self.tar.offset)
        if self.file.read(512) != bytes(512):
            raise EOFError
        for _ in range(TAIL // BLOCK):  # gzip compares its checksum at the very end
            if not self.file.read(BLOCK):
                return
        raise ArchiveError(f"{self.path}: refused: more than {TAIL:,} bytes stand behind the tar's end.")

    def open(self, member):
        """Return the member's bytes as a stream."""
        return self.tar.extractfile(member.entry)

    def close(self):
        """Close the file."""
        self.tar.close()
        self.file.close()


class FolderSource:
    """The files of a folder, as if it were an archive; only as deep as the challenge's own folders are."""

    def __init__(self, path):
        self.path = Path(path)
        files = [f for pattern in ("*", "*/*", "*/*/*") for f in sorted(self.path.glob(pattern)) if f.is_file()]
        self.members = [Member(f.relative_to(self.path).as_posix(), f.stat().st_size, None, f) for f in files]

    def open(self, member):
        """Return the file, opened."""
        return open(str(member.entry), "rb")

    def close(self):
        """Do nothing: a folder holds nothing open."""


def kind_of(head):
    """Return what a file is by its first 262 bytes or more: "zip", "tar.gz", "tar", or in words what else.

    Examples
    --------
    >>> kind_of(b"<!DOCTYPE html><title>Log in</title>")
    'a web page, perhaps one that asks you to log in'
    """
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if head[:2] == b"\x1f\x8b":
        return "tar.gz"
    if head[257:262] == b"ustar":
        return "tar"
    if head.lstrip()[:1] == b"<":
        return "a web page, perhaps one that asks you to log in"
    others = {b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive", b"\xfd7zX": "an xz archive", b"": "empty"}
    return others.get(head[:4], "no archive that is known here")


def open_source(path):
    """Return the checked members of a zip, tar, tar.gz or folder.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    source : ZipSource, TarSource or FolderSource
        With ``members``, ``open(member)`` and ``close()``; use ``contextlib.closing``.

    Raises
    ------
    ArchiveError
        If it is no archive, is cut or damaged, or holds one member that could leave the folder, overwrite another, is
        no plain file, is encrypted, or unpacks to far more than films do.
    """
    path = Path(path)
    if path.is_dir():
        return FolderSource(path)
    if not path.is_file():
        raise ArchiveError(f"{path}: there is no such file or folder. Look at the path behind --from.")
    with damage_named(path):
        with open(str(path), "rb") as file:
            kind = kind_of(file.read(512))
        if kind == "zip":
            return ZipSource(path)
        if kind in ("tar", "tar.gz"):
            return TarSource(path, packed=kind == "tar.gz")
    raise ArchiveError(f"{path}: this is {kind}. Wanted is a .zip, .tar or .tar.gz of the challenge's files.")
