"""Archives from strangers: every kind of trick refused before a byte is written, and damage named."""

import contextlib
import io
import os
import random
import stat
import struct
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile
from pathlib import Path

import pytest

from mini_rcnn.data.errors import ArchiveError
from mini_rcnn.data.getting import archive_limits, archives, unpacking
from mini_rcnn.data.getting.archives import kind_of, open_source
from mini_rcnn.data.getting.safe_names import fault_of_name
from mini_rcnn.data.getting.unpacking import check_space, unpack

ROOT = Path(__file__).resolve().parent.parent
FILES = {"stage_2_train_labels.csv": b"a,b\n" * 50, "films/one.dcm": bytes(range(256)) * 40, "films/empty.dcm": b""}
CLIMBERS = (
    "../escaped", "films/../../escaped", "/tmp/escaped", "//server/share/escaped", "C:/escaped", "C:escaped",
    "..\\escaped", "films\\escaped", "\\\\server\\escaped", "films/nul", "films/COM1.dcm", "films/aux .dcm", "con",
    "films/a.dcm:stream", "films/line\nbreak", "films/\x1b[2J", "films/dot.", "films/space ", "films//two", "films/./x",
    "x" * 201, "/".join("d" * 10), "what?.dcm", "star*.dcm", "films/com\u00b9.dcm",
)  # fmt: skip
COLLISIONS = (
    ("FILMS/one.dcm",), ("films/ONE.DCM",), ("films/one.dcm",), ("films",), ("films/one.dcm/inside",),
    ("films/\u00e9.dcm", "films/e\u0301.dcm"), ("films/stra\u00dfe.dcm", "films/STRASSE.dcm"),
)  # fmt: skip


def tree(folder):
    """Return every file and link below a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def make_zip(path, extra=(), files=FILES):
    """Write a zip of good files and then of extra ``(ZipInfo or name, bytes)``."""
    with zipfile.ZipFile(str(path), "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(name, data)
        for info, data in extra:
            out.writestr(info, data)
    return path


def make_tar(path, extra=(), files=FILES, **options):
    """Write a tar of good files and then of extra ``(TarInfo, bytes)``; ``.gz`` in the name packs it."""
    with tarfile.open(str(path), "w:gz" if path.name.endswith("gz") else "w", **options) as out:
        for info, data in [(tarfile.TarInfo(name), data) for name, data in files.items()] + list(extra):
            info.size = info.size or len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def tar_entry(name, kind=tarfile.REGTYPE, link=""):
    """Return a tar's entry of any kind."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def all_out(path, folder):
    """Unpack everything and return what `unpack` returns."""
    with contextlib.closing(open_source(path)) as source:
        return unpack(source, {member.name: member for member in source.members}, folder)


def refused(path, folder, match):
    """Assert that an archive is refused with these words, and that nothing at all was written."""
    before = tree(folder.parent)
    with pytest.raises(ArchiveError, match=match) as error:
        all_out(path, folder)
    assert path.name in str(error.value)
    assert tree(folder.parent) == before
    assert str(error.value).replace("\n", "").isprintable()


@pytest.fixture
def sandbox(tmp_path):
    """Return a folder to unpack to, with room around it to escape to."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    return tmp_path / "a" / "b" / "to"


@pytest.mark.parametrize("make, name", [(make_zip, "x.zip"), (make_tar, "x.tar"), (make_tar, "x.tar.gz")])
def test_good_archives_come_out_whole_and_once(tmp_path, make, name):
    path = make(tmp_path / name)
    files, written = all_out(path, tmp_path / "to")
    assert written == 3 and set(files) == set(FILES)
    assert tree(tmp_path / "to") == {**FILES, "films": None}
    first = {p: p.stat().st_mtime_ns for p in (tmp_path / "to").rglob("*")}
    assert all_out(path, tmp_path / "to") == (files, 0)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "to").rglob("*")} == first


@pytest.mark.parametrize("make, name", [(make_zip, "x.zip"), (make_tar, "x.tar")])
def test_a_flipped_or_cut_file_is_unpacked_again(tmp_path, make, name):
    path = make(tmp_path / name)
    all_out(path, tmp_path / "to")
    film = tmp_path / "to" / "films" / "one.dcm"
    film.write_bytes(b"\xff" + film.read_bytes()[1:])
    (tmp_path / "to" / "stage_2_train_labels.csv").write_bytes(b"")
    (tmp_path / "to" / "films" / ".one.dcm.99.new").write_bytes(b"left by a kill")
    assert all_out(path, tmp_path / "to")[1] == 2
    assert tree(tmp_path / "to") == {**FILES, "films": None}


def test_a_tar_made_of_a_dot_is_read(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dcm").write_bytes(b"1")
    with tarfile.open(str(tmp_path / "x.tar"), "w") as out:
        out.add(str(tmp_path / "in"), ".")
    assert [member.name for member in open_source_once(tmp_path / "x.tar")] == ["a.dcm"]


def open_source_once(path):
    with contextlib.closing(open_source(path)) as source:
        return source.members


@pytest.mark.parametrize("name", CLIMBERS)
def test_names_that_leave_the_folder(tmp_path, sandbox, name):
    assert fault_of_name(name)
    refused(make_tar(tmp_path / "x.tar", [(tar_entry(name), b"out")]), sandbox, "refused, nothing was unpacked")
    refused(make_tar(tmp_path / "x.tar.gz", [(tar_entry(name), b"out")]), sandbox, "refused, nothing was unpacked")
    info = zipfile.ZipInfo("placeholder")
    info.filename = name
    refused(make_zip(tmp_path / "x.zip", [(info, b"out")]), sandbox, "refused, nothing was unpacked")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", COLLISIONS)
def test_names_that_meet_on_some_disk(tmp_path, sandbox, names):
    assert not any(map(fault_of_name, names))
    refused(make_zip(tmp_path / "x.zip", [(name, b"2") for name in names]), sandbox, "has the same place as")
    refused(make_tar(tmp_path / "x.tar", [(tar_entry(n), b"2") for n in names]), sandbox, "has the same place as")


@pytest.mark.parametrize(
    "name", ["stage_2_train_images/0004cfab-14fd-4e49-80ba-63a80b6bddd6.dcm", "a b (1).txt", "console"]
)
def test_harmless_names_pass(name):
    assert fault_of_name(name) is None


@pytest.mark.parametrize("kind", ["SYMTYPE", "LNKTYPE", "CHRTYPE", "BLKTYPE", "FIFOTYPE"])
def test_tar_members_that_are_no_files(tmp_path, sandbox, kind):
    extra = [(tar_entry("films/x", getattr(tarfile, kind), "../../../escaped"), b"")]
    refused(make_tar(tmp_path / "x.tar", extra), sandbox, "a link|a device")
    # the usual pair: a link to the outside, and then a file "in" it
    pair = [(tar_entry("way", tarfile.SYMTYPE, "../.."), b""), (tar_entry("way/escaped"), b"out")]
    refused(make_tar(tmp_path / "y.tar.gz", pair), sandbox, "a link")


@pytest.mark.parametrize(
    "mode, word", [(stat.S_IFLNK, "symbolic link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "device")]
)
def test_zip_members_that_are_no_files(tmp_path, sandbox, mode, word):
    info = zipfile.ZipInfo("films/x")
    info.external_attr = (mode | 0o777) << 16
    refused(make_zip(tmp_path / "x.zip", [(info, b"../../escaped")]), sandbox, word)


def test_a_name_with_a_nul(tmp_path, sandbox):
    path = make_zip(tmp_path / "x.zip", [("films/nice.dcm@/../../../escaped", b"out")])
    path.write_bytes(path.read_bytes().replace(b"nice.dcm@", b"nice.dcm\0"))
    refused(path, sandbox, "two names")


def test_an_encrypted_zip(tmp_path, sandbox):
    path = make_zip(tmp_path / "x.zip")
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(bytes(data))
    refused(path, sandbox, "encrypted")


def test_a_zip_packed_in_a_rare_way(tmp_path, sandbox):
    info = zipfile.ZipInfo("films/x")
    info.compress_type = zipfile.ZIP_LZMA
    refused(make_zip(tmp_path / "x.zip", [(info, b"1" * 100)]), sandbox, "not every Python can read")


def test_bombs_of_zeros(tmp_path, sandbox):
    zeros = bytes(70 << 20)
    refused(make_zip(tmp_path / "x.zip", [("films/zeros.dcm", zeros)]), sandbox, "bomb")
    refused(make_tar(tmp_path / "x.tar.gz", [(tar_entry("films/zeros.dcm"), zeros)]), sandbox, "bomb")


def test_a_tar_bomb_is_refused_at_its_header(tmp_path, sandbox):
    path, info = tmp_path / "x.tar", tar_entry("films/huge.dcm")
    info.size = 1 << 40  # its bytes are not even there
    path.write_bytes(info.tobuf() + bytes(1024))
    refused(path, sandbox, "declares 1,099,511,627,776 bytes")


def test_too_many_members(tmp_path, sandbox, monkeypatch):
    monkeypatch.setattr(archive_limits, "MOST_MEMBERS", 2)
    refused(make_zip(tmp_path / "x.zip"), sandbox, "bomb")
    refused(make_tar(tmp_path / "x.tar"), sandbox, "bomb")


def test_members_over_each_other(tmp_path, sandbox):
    """Fifield's zip bomb: many names for the same packed bytes."""
    path = make_zip(tmp_path / "x.zip", files={"one.dcm": os.urandom(3000), "two.dcm": os.urandom(3000)})
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\1\2")
    data[second + 42 : second + 46] = struct.pack("<I", 0)  # the second one begins where the first one does
    path.write_bytes(bytes(data))
    refused(path, sandbox, "lies over another member")


def set_declared(path, name, offset, value):
    """Write another number into a zip's directory entry: 16 is the CRC, 24 the size."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(name.encode()) - 46
    assert data[entry : entry + 4] == b"PK\1\2"
    data[entry + offset : entry + offset + 4] = struct.pack("<I", value)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("declared", [100, 20_000])
def test_a_zip_that_lies_about_a_size(tmp_path, declared):
    path = make_zip(tmp_path / "x.zip")  # films/one.dcm really has 10,240 bytes
    set_declared(path, "films/one.dcm", 24, declared)
    with pytest.raises(ArchiveError, match="films/one.dcm.*(damaged|early)"):
        all_out(path, tmp_path / "to")
    assert not any("one" in name for name in tree(tmp_path / "to"))


def test_a_source_that_gives_more_than_it_declared_is_stopped(tmp_path):
    class Endless:
        path = "liar.zip"

        def open(self, member):
            self.stream = io.BytesIO(bytes(50 << 20))
            return self.stream

    liar = Endless()
    liar.members = [archives.Member("films/one.dcm", 3 << 20, None, None)]
    read = []
    with pytest.raises(ArchiveError, match="more than it declared"):
        for block in unpacking.blocks_of(liar, liar.members[0]):
            read.append(len(block))
    assert sum(read) == 3 << 20
    with pytest.raises(ArchiveError, match="more than it declared"):
        unpack(liar, {"films/one.dcm": liar.members[0]}, tmp_path / "to")
    assert tree(tmp_path / "to") == {"films": None}


def test_a_wrong_crc_names_the_member(tmp_path):
    path = make_zip(tmp_path / "x.zip")
    set_declared(path, "films/one.dcm", 16, 12345)
    with pytest.raises(ArchiveError, match=r"films/one\.dcm.*damaged.*Download"):
        all_out(path, tmp_path / "to")
    assert not (tmp_path / "to" / "films" / "one.dcm").exists()
    assert not list((tmp_path / "to").rglob("*.new"))


def big_files():
    """Return files whose bytes do not pack, so that every cut and flip meets them."""
    numbers = random.Random(5)
    return {f"films/{i}.dcm": bytes(numbers.getrandbits(8) for _ in range(4000)) for i in range(5)}


@pytest.mark.parametrize("make, name", [(make_zip, "x.zip"), (make_tar, "x.tar"), (make_tar, "x.tar.gz")])
def test_every_cut_is_named(tmp_path, make, name):
    whole = make(tmp_path / name, files=big_files()).read_bytes()
    used = len(whole.rstrip(b"\0")) if name.endswith("tar") else len(whole)  # a tar ends in padding
    for cut in [*random.Random(1).sample(range(1, used), 40), 512, 1024, 5120, used - 1]:
        path = tmp_path / f"cut-{name}"
        path.write_bytes(whole[:cut])
        with pytest.raises(ArchiveError, match=f"cut-{name}"):
            all_out(path, tmp_path / "to")
        assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("make, name", [(make_zip, "x.zip"), (make_tar, "x.tar.gz")])
def test_no_flip_gives_another_file(tmp_path, make, name):
    """Flip single bytes: either the files come out as they were, or an `ArchiveError` and no wrong file."""
    files, numbers = big_files(), random.Random(2)
    whole, caught = make(tmp_path / name, files=files).read_bytes(), 0
    for trial in range(60):
        place = numbers.randrange(len(whole))
        path, folder = tmp_path / f"flip-{name}", tmp_path / f"to-{trial}"
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << numbers.randrange(8))]) + whole[place + 1 :])
        try:
            all_out(path, folder)
        except ArchiveError:
            caught += 1
        for written in folder.rglob("*.dcm"):
            assert written.read_bytes() in files.values()
    assert caught > 40


def test_headers_that_fill_the_memory(tmp_path, sandbox):
    """A long name of 80 MB: `tarfile` would read it whole."""
    info = tar_entry("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    info.size = 80 << 20
    refused(make_tar(tmp_path / "x.tar.gz", [(info, bytes(80 << 20))]), sandbox, "a header of 83,886,080 bytes")


def test_what_is_no_archive(tmp_path, sandbox):
    page = tmp_path / "page.zip"
    page.write_bytes(b"\n<!DOCTYPE html><html>Please log in</html>")
    refused(page, sandbox, "a web page")
    (tmp_path / "empty.zip").write_bytes(b"")
    refused(tmp_path / "empty.zip", sandbox, "this is empty")
    (tmp_path / "x.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))
    refused(tmp_path / "x.7z", sandbox, "a 7z archive")
    refused(tmp_path / "absent.zip", sandbox, "no such file")
    assert kind_of(b"PK\3\4") == "zip"


def test_an_empty_zip_holds_nothing(tmp_path):
    assert all_out(make_zip(tmp_path / "x.zip", files={}), tmp_path / "to") == ({}, 0)


def test_a_folder_is_read_like_an_archive(tmp_path):
    all_out(make_zip(tmp_path / "x.zip"), tmp_path / "in")
    files, written = all_out(tmp_path / "in", tmp_path / "to")
    assert written == 3 and tree(tmp_path / "to") == tree(tmp_path / "in")


def test_no_room_is_seen_before_a_byte_is_written(tmp_path, sandbox, monkeypatch):
    class Usage:
        free = (64 << 20) + 10_000

    path = make_zip(tmp_path / "x.zip")
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: Usage)
    refused_before = tree(tmp_path)
    with pytest.raises(ArchiveError, match=r"unpacking needs 67\.1 MB .* has 67\.1 MB free.*--to"):
        all_out(path, sandbox)
    assert tree(tmp_path) == refused_before
    Usage.free += 20_000  # 10,240 and 200 bytes take three and one clusters of 4,096
    assert all_out(path, sandbox)[1] == 3
    Usage.free = 64 << 20
    assert all_out(path, sandbox)[1] == 0  # what is there needs no room
    with pytest.raises(ArchiveError, match="has 67.1 MB free"):
        check_space(tmp_path, 1, what="it")


CHILD = """
    import os, sys
    sys.path.insert(0, {root!r})
    from mini_rcnn.data.getting import unpacking
    from mini_rcnn.data.getting.archives import open_source
    from mini_rcnn.data.errors import ArchiveError
    exec({setup!r})
    source = open_source({path!r})
    try:
        unpacking.unpack(source, {{member.name: member for member in source.members}}, {folder!r})
    except ArchiveError as error:
        print(error)
        sys.exit(3)
"""


def unpack_in_child(path, folder, setup):
    """Unpack in a process of its own after some more code, and return the finished process."""
    code = textwrap.dedent(CHILD).format(root=str(ROOT), setup=setup, path=str(path), folder=str(folder))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a process's files")
def test_a_disk_that_becomes_full(tmp_path):
    """The system refuses to write on at ten different lengths: an error with advice, whole files, no remains."""
    sizes = {f"films/{i}.dcm": os.urandom(3000 + 4000 * i) for i in range(11)}
    path = make_zip(tmp_path / "x.zip", files=sizes)
    for trial, limit in enumerate(range(4000, 44_000, 4000)):
        folder = tmp_path / f"to-{trial}"
        setup = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))"
        done = unpack_in_child(path, folder, setup)
        assert done.returncode == 3, done.stderr
        assert b"the disk is full" in done.stdout and b"make room" in done.stdout
        assert tree(folder) == {"films": None, **{name: data for name, data in sizes.items() if len(data) <= limit}}
    assert all_out(path, folder)[1] == 1
    assert tree(folder) == {"films": None, **sizes}


KILL = """
import signal
count = 0

def counted(function):
    def call(*args):
        global count
        count += 1
        if count == {moment}:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args)
    return call

os.fsync, os.replace = counted(os.fsync), counted(os.replace)
unpacking.BLOCK = 4096
blocks = unpacking.blocks_of
unpacking.blocks_of = lambda *args: map(counted(bytes), blocks(*args))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_while_unpacking(tmp_path):
    """SIGKILL before the n-th of all blocks, syncs and renames: what has its name is whole, and a new run ends it."""
    files = {f"films/{i}.dcm": os.urandom(20_000) for i in range(5)}  # 5 blocks, a sync and a rename each
    path, left = make_zip(tmp_path / "x.zip", files=files), 0
    for moment in range(1, 35, 2):
        folder = tmp_path / f"to-{moment}"
        assert unpack_in_child(path, folder, KILL.format(moment=moment)).returncode == -9
        left += len(list(folder.rglob("*.new")))
        whole = {str(p.relative_to(folder).as_posix()): p.read_bytes() for p in folder.rglob("*.dcm")}
        assert whole == {name: data for name, data in files.items() if name in whole}
        assert len(whole) == (moment - 1) // 7
        assert all_out(path, folder)[1] == 5 - len(whole)
        assert tree(folder) == {"films": None, **files}
    assert left > 5  # the kills did meet files half written


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_at_any_time(tmp_path):
    """The same from outside, by the clock."""
    files = {f"films/{i:03}.dcm": os.urandom(3000) for i in range(400)}
    path = make_zip(tmp_path / "x.zip", files=files)
    code = textwrap.dedent(CHILD).format(
        root=str(ROOT), setup="print(1, flush=True)", path=str(path), folder=str(tmp_path / "to")
    )
    numbers = random.Random(3)
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            child.stdout.readline()
            time.sleep(numbers.uniform(0.005, 0.06))
            child.kill()
        for written in (tmp_path / "to").rglob("*.dcm"):
            assert written.read_bytes() == files[f"films/{written.name}"]
    all_out(path, tmp_path / "to")
    assert tree(tmp_path / "to") == {"films": None, **files}
