"""Downloads from a server of our own that cuts, forgets, lies and refuses."""

import hashlib
import json
import random
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mini_rcnn.data.errors import ArchiveError
from mini_rcnn.data.getting import download as module
from mini_rcnn.data.getting import unpacking
from mini_rcnn.data.getting.download import download, shown_url

CONTENT = b"PK\3\4" + bytes(random.Random(7).getrandbits(8) for _ in range(300_000))
NOW = ()  # no waiting, no second try
THRICE = (0, 0, 0)


class Server(ThreadingHTTPServer):
    """Serves `content` with Range and ETag; what it does wrong is set from outside."""

    daemon_threads = True
    content, etag, modified = CONTENT, '"one"', None
    cuts = ()  # how many bytes of the body the first, second ... answer gives before the connection breaks
    ranges = True  # whether it can give a part
    length = True  # whether it says how much comes; a number is a lie
    answers = {}  # number of the request -> (status, headers, body) instead of the file

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen, self.at_name = [], None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/lab/rsna.zip"


class Handler(BaseHTTPRequestHandler):
    """One answer."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        server, number = self.server, len(self.server.seen)
        server.seen.append(dict(self.headers))
        if server.at_name is not None:
            server.at_name(number)
        answer = server.answers.get(number, server.answers.get("all"))
        status, headers, body = answer or self.file()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: server.cuts[number]] if number < len(server.cuts) else body)

    def file(self):
        """Return the answer of a good server."""
        server, start = self.server, 0
        headers = {"ETag": server.etag, "Last-Modified": server.modified, "Content-Type": "application/zip"}
        headers = {name: value for name, value in headers.items() if value}
        size = len(server.content)
        same = self.headers.get("If-Range") in (server.etag, server.modified)
        if server.ranges and self.headers.get("Range") and same:
            start = int(self.headers["Range"][len("bytes=") : -1])
            if start >= size:
                return 416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"}, b""
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        if server.length is not False:
            headers["Content-Length"] = str(size - start if server.length is True else server.length)
        return 206 if "Content-Range" in headers else 200, headers, server.content[start:]


@contextmanager
def serving(**options):
    """Run a server in a thread."""
    server = Server()
    for name, value in options.items():
        setattr(server, name, value)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def interrupted(server, path, offset, url=None):
    """Let a download end with an error after so many bytes, and return the error's text."""
    server.cuts = (offset,)
    server.answers = {1: (503, {"Content-Length": "0"}, b"")}
    with pytest.raises(ArchiveError, match="not whole") as error:
        download(url or server.url, path, waits=NOW)
    server.answers, server.cuts, server.seen = {}, (), []
    return str(error.value)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """A proxy of the machine is not asked for what is on this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_good_server(tmp_path):
    with serving() as server:
        assert download(server.url, tmp_path / "new" / "rsna.zip", waits=NOW).read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["rsna.zip"]
    assert "Range" not in server.seen[0]


@pytest.mark.parametrize("offset", sorted(random.Random(4).sample(range(len(CONTENT)), 17)) + [0, 1, len(CONTENT) - 1])
def test_cut_at_20_offsets(tmp_path, offset):
    """The first run ends with an error that names how far it came; the second carries on. Never the final name."""
    path = tmp_path / "rsna.zip"
    there = []
    with serving() as server:
        server.at_name = lambda number: there.append(path.exists())
        text = interrupted(server, path, offset)
        assert ("carries on" in text) == ((tmp_path / "rsna.zip.part").stat().st_size > 0)
        assert not path.exists()
        kept = (tmp_path / "rsna.zip.part").stat().st_size
        assert offset - module.PIECE < kept <= offset
        assert download(server.url, path, waits=NOW) == path
    assert hashlib.sha256(path.read_bytes()).hexdigest() == hashlib.sha256(CONTENT).hexdigest()
    assert server.seen[0].get("Range") == (f"bytes={kept}-" if kept else None)
    assert there and not any(there)
    assert [file.name for file in tmp_path.iterdir()] == ["rsna.zip"]


def test_many_cuts_in_one_run(tmp_path):
    """As long as each try gains something, it goes on."""
    with serving(cuts=(40_000,) * 20) as server:
        assert download(server.url, tmp_path / "x.zip", waits=(0,)).read_bytes() == CONTENT
    assert 7 <= len(server.seen) <= 11


def test_a_date_does_where_there_is_no_etag(tmp_path):
    with serving(etag=None, modified="Wed, 21 Oct 2015 07:28:00 GMT", cuts=(100_000,)) as server:
        assert download(server.url, tmp_path / "x.zip", waits=(0,)).read_bytes() == CONTENT
    assert server.seen[1]["If-Range"] == "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize("options", [{"etag": None}, {"etag": 'W/"weak"'}, {"ranges": False}])
def test_begins_anew_where_it_cannot_carry_on(tmp_path, options):
    with serving(cuts=(200_000, 100_000), **options) as server:
        assert download(server.url, tmp_path / "x.zip", waits=THRICE).read_bytes() == CONTENT
    assert len(server.seen) == 3


def test_another_file_on_the_server_begins_anew(tmp_path):
    with serving() as server:
        interrupted(server, tmp_path / "x.zip", 200_000)
        server.content, server.etag = CONTENT[::-1] + b"more", '"two"'
        assert download(server.url, tmp_path / "x.zip", waits=NOW).read_bytes() == CONTENT[::-1] + b"more"


@pytest.mark.parametrize("fault", ["start", "total", "etag", "none"])
def test_a_part_that_does_not_fit_is_not_taken(tmp_path, fault):
    """A server that answers 206 with something else than was asked for."""
    size = len(CONTENT)
    headers = {"ETag": '"one"', "Content-Range": f"bytes 100000-{size - 1}/{size}", "Content-Length": "5"}
    changes = {
        "start": {"Content-Range": f"bytes 99999-{size - 1}/{size}"}, "etag": {"ETag": '"two"'},
        "total": {"Content-Range": f"bytes 100000-{size}/{size + 1}"}, "none": {"Content-Range": ""},
    }  # fmt: skip
    with serving(cuts=(98304,), answers={1: (206, {**headers, **changes[fault]}, b"wrong")}) as server:
        assert download(server.url, tmp_path / "x.zip", waits=(0,)).read_bytes() == CONTENT
    assert len(server.seen) == 3


def test_whole_but_for_its_name(tmp_path):
    """Killed between the last byte and the rename."""
    with serving() as server:
        interrupted(server, tmp_path / "x.zip", len(CONTENT) - 1)
        (tmp_path / "x.zip.part").write_bytes(CONTENT)
        assert download(server.url, tmp_path / "x.zip", waits=NOW).read_bytes() == CONTENT
    assert len(server.seen) == 1


def test_a_part_of_another_address_is_not_carried_on(tmp_path):
    with serving() as server:
        interrupted(server, tmp_path / "x.zip", 100_000)
        assert download(server.url + "2", tmp_path / "x.zip", waits=NOW).read_bytes() == CONTENT
    assert "Range" not in server.seen[0]


@pytest.mark.parametrize("note", ["", "[]", '{"url": 1}', '{"validator": null}', "\0"])
def test_a_damaged_note_begins_anew(tmp_path, note):
    (tmp_path / "x.zip.part").write_bytes(b"wrong")
    (tmp_path / "x.zip.part.json").write_text(note)
    with serving() as server:
        assert download(server.url, tmp_path / "x.zip", waits=NOW).read_bytes() == CONTENT
    assert "Range" not in server.seen[0]


def test_more_promised_than_there_is(tmp_path):
    with serving(length=len(CONTENT) + 10) as server, pytest.raises(ArchiveError, match="not whole"):
        download(server.url, tmp_path / "x.zip", waits=THRICE)
    assert not (tmp_path / "x.zip").exists()
    assert len(server.seen) == 4  # twice all of it, not for ever


def test_no_length_at_all(tmp_path):
    with serving(length=False) as server:
        assert download(server.url, tmp_path / "x.zip", waits=NOW).read_bytes() == CONTENT


def test_no_length_and_no_end(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_TOTAL", 100_000)
    with serving(length=False) as server, pytest.raises(ArchiveError, match="sends more than"):
        download(server.url, tmp_path / "x.zip", waits=NOW)
    assert (tmp_path / "x.zip.part").stat().st_size <= 100_000


def test_the_sum_that_was_asked_for(tmp_path):
    right = hashlib.sha256(CONTENT).hexdigest()
    with serving() as server:
        assert download(server.url, tmp_path / "x.zip", sha256=right.upper(), waits=NOW).exists()
        with pytest.raises(ArchiveError, match=f"{right}, not {'0' * 64}.*removed"):
            download(server.url, tmp_path / "y.zip", sha256="0" * 64, waits=NOW)
    assert [file.name for file in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize(
    "kind, body", [("text/html; charset=utf-8", CONTENT), ("application/zip", b" <!DOCTYPE html><p>Log in")]
)
def test_a_login_page_is_no_archive(tmp_path, kind, body):
    answer = (200, {"Content-Type": kind, "Content-Length": str(len(body))}, body)
    with serving(answers={"all": answer}) as server, pytest.raises(ArchiveError, match="a web page.*log in"):
        download(server.url, tmp_path / "x.zip", waits=THRICE)
    assert len(server.seen) == 1
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize("status, tries, words", [
    (401, 1, "password"), (403, 1, "refuses"), (404, 1, "no such file"), (410, 1, "no longer"), (418, 1, "HTTP 418"),
    (500, 4, "HTTP 500"), (503, 4, "HTTP 503"), (429, 4, "HTTP 429"), (416, 2, "does not fit together"),
])  # fmt: skip
def test_refusals(tmp_path, status, tries, words):
    answer = (status, {"Content-Length": "0"}, b"")
    with serving(answers={"all": answer}) as server, pytest.raises(ArchiveError, match=words):
        download(server.url, tmp_path / "x.zip", waits=THRICE)
    assert len(server.seen) == tries
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_recovers(tmp_path):
    busy = (503, {"Content-Length": "0"}, b"")
    with serving(answers={0: busy, 1: busy}) as server:
        assert download(server.url, tmp_path / "x.zip", waits=THRICE).read_bytes() == CONTENT
    assert len(server.seen) == 3


def test_it_waits_longer_each_time(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(module.time, "sleep", waited.append)
    with serving(answers={"all": (503, {"Content-Length": "0"}, b"")}) as server, pytest.raises(ArchiveError):
        download(server.url, tmp_path / "x.zip")
    assert waited == [1, 4, 15]


def test_nobody_there(tmp_path):
    with serving() as server:
        url = server.url
    with pytest.raises(ArchiveError, match="no connection"):
        download(url, tmp_path / "x.zip", waits=(0,))
    with pytest.raises(ArchiveError, match="no address of a file"):
        download("http://", tmp_path / "x.zip", waits=NOW)


def test_no_room(tmp_path, monkeypatch):
    class Usage:
        free = 64 << 20

    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: Usage)
    with serving() as server, pytest.raises(ArchiveError, match="the download needs"):
        download(server.url, tmp_path / "x.zip", waits=THRICE)
    assert len(server.seen) == 1


def test_a_secret_in_the_address_is_neither_printed_nor_kept(tmp_path, capfd):
    with serving() as server:
        url = server.url.replace("http://", "http://me:CANARYPASS@") + "?signature=CANARYSIG"
        text = interrupted(server, tmp_path / "x.zip", 50_000, url)
        kept = (tmp_path / "x.zip.part.json").read_text()
        assert json.loads(kept)["total"] == len(CONTENT)
        download(url, tmp_path / "x.zip", waits=NOW)
    assert "CANARY" not in text + kept + "".join(capfd.readouterr())
    assert shown_url(url) == server.url
