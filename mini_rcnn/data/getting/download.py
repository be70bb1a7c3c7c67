"""One file over HTTP: resumed where it was cut off, and under its final name only when it is whole."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests
from tqdm import tqdm

from ..errors import ArchiveError
from ..files import sha256_of, write_json
from .archive_limits import LARGEST_TOTAL
from .archives import kind_of
from .unpacking import check_space, full_disk_named, size_text

WAITS = (1, 4, 15)  # seconds before each new try that follows one without a byte gained
PIECE = 1 << 15  # bytes; what a broken connection loses at most
TIMEOUT = (15, 60)  # seconds: to connect, and between two pieces
REFUSALS = {
    401: "the server wants a name and a password. Download the file with your browser and give its path to --from.",
    403: "the server refuses it. Ask who runs it whether you may have it, or whether the link has run out.",
    404: "there is no such file on the server. Look at the address.",
    410: "the file is no longer on the server. Look at the address.",
}
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)$")


class CutOff(Exception):
    """The transfer stopped before the end, in a way that a new try may mend."""


class Restart(Exception):
    """What is here cannot be carried on: the server has another file now, or cannot give a part of one."""


def shown_url(url):
    """Return an address without a name, a password or a signature in it, so that it can be printed and kept.

    >>> shown_url("https://me:secret@example.org:8000/lab/rsna.zip?signature=secret")
    'https://example.org:8000/lab/rsna.zip'
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class Part:
    """What is here of a file so far: ``<name>.part``, and beside it in ``<name>.part.json`` which file it is of."""

    def __init__(self, path, url):
        path = Path(path)
        self.path, self.url = path.with_name(path.name + ".part"), url
        self.note = path.with_name(path.name + ".part.json")

    def known(self):
        """Return the validator and total of what is here, ``{}`` where it cannot be carried on."""
        try:
            known = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) and known.get("url") == self.url and known.get("validator") else {}

    def size(self):
        """Return how many bytes are here."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def begin(self, validator, total):
        """Make it empty, and only then note which file comes."""
        self.remove()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        write_json(self.note, {"url": self.url, "validator": validator, "total": total})

    def remove(self):
        """Remove it, the note first."""
        for path in (self.note, self.path):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def validator_of(headers):
    """Return what tells this version of the file from another: a strong ETag, else its date, else None."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def ask(session, url, part):
    """Return the server's answer to a request for what is still missing."""
    headers = {"Accept-Encoding": "identity"}
    known = part.known()
    if known and part.size():
        headers.update({"Range": f"bytes={part.size()}-", "If-Range": known["validator"]})
    try:
        return session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema):
        raise ArchiveError(f"{shown_url(url)}: this is no address of a file. Look at it again.") from None
    except requests.exceptions.TooManyRedirects:
        raise ArchiveError(f"{shown_url(url)}: the server sends the request round in circles.") from None
    except requests.exceptions.SSLError:
        raise ArchiveError(f"{shown_url(url)}: the server's certificate is not trusted here.") from None
    except requests.exceptions.RequestException as error:
        raise CutOff(f"no connection ({type(error).__name__})") from error


def judge(response, url, part):
    """Return the total size, or None where the server does not say; raise for an answer that holds no bytes of it."""
    status, headers = response.status_code, response.headers
    if status in REFUSALS:
        raise ArchiveError(f"{shown_url(url)}: {REFUSALS[status]} (HTTP {status})")
    if status in TRY_AGAIN:
        raise CutOff(f"HTTP {status}")
    if status == 416:  # nothing behind what is here: either it is whole, or the file is another one
        span = RANGE.match(headers.get("Content-Range", ""))
        if span and span.group(2) == str(part.size()) == str(part.known().get("total")):
            return part.size()
        raise Restart
    if status not in (200, 206):
        raise ArchiveError(f"{shown_url(url)}: the server answers HTTP {status}, and no file.")
    if headers.get("Content-Encoding", "identity") != "identity":
        raise ArchiveError(f"{shown_url(url)}: the server packs the file once more on the way. Use another address.")
    if status == 206:
        span = RANGE.match(headers.get("Content-Range", ""))
        known = part.known()
        if not span or span.group(1) != str(part.size()) or span.group(2) != str(known.get("total")):
            raise Restart
        if validator_of(headers) not in (None, known["validator"]):
            raise Restart
        return int(span.group(2))
    length = headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def receive(response, url, part, total):
    """Write the answer's body behind what is here."""
    fresh = response.status_code == 200
    if fresh:
        part.begin(validator_of(response.headers), total)
    check_space(part.path.parent, (total or 0) - part.size(), what="the download")
    most = LARGEST_TOTAL if total is None else total
    bar = tqdm(total=total, initial=part.size(), desc="download", unit="B", unit_scale=True, file=sys.stderr)
    with bar, full_disk_named(part.path), open(str(part.path), "ab") as file:
        for block in pieces(response):
            if fresh and file.tell() == 0:
                refuse_page(block, response.headers, url)
            if file.tell() + len(block) > most:
                raise ArchiveError(f"{shown_url(url)}: the server sends more than the {size_text(most)} it may.")
            file.write(block)
            file.flush()  # a kill loses nothing that came
            bar.update(len(block))


def pieces(response):
    """Yield the body as it comes; raise `CutOff` where the connection breaks."""
    try:
        yield from response.iter_content(PIECE)
    except requests.exceptions.RequestException as error:
        raise CutOff("the connection broke") from error


def refuse_page(block, headers, url):
    """Raise if a web page comes, such as one that asks for a password, where a file should."""
    if "html" in headers.get("Content-Type", "").lower() or kind_of(block).startswith("a web page"):
        raise ArchiveError(
            f"{shown_url(url)}: the server answers with a web page and no archive, perhaps one that asks you to log "
            "in. Download the file with your browser and give its path to --from, or get a direct link."
        )


def attempt(session, url, part):
    """Ask once; return when the file is whole, raise `CutOff` or `Restart` when it is not."""
    with ask(session, url, part) as response:
        total = judge(response, url, part)
        if response.status_code != 416:
            receive(response, url, part, total)
    if total is not None and part.size() != total:
        raise CutOff(f"{part.size():,} of {total:,} bytes came")


def download(url, path, *, sha256=None, waits=WAITS):
    """Download a file, carrying on from what an earlier run left.

    Parameters
    ----------
    url : str
        http or https.
    path : str or Path
        The final name, which nothing has before it is whole. Until then it is ``<name>.part``.
    sha256 : str, optional
        What the file must have, as hexadecimal text.
    waits : sequence of float, default (1, 4, 15)
        Seconds to wait before a new try; after so many tries in a row that gained nothing it gives up.

    Returns
    -------
    path : Path

    Raises
    ------
    ArchiveError
        Where the server refuses it, sends a web page, more or less than it said, or another file than ``sha256``; and
        where the network or the disk gives out: the same call carries on later.

    Notes
    -----
    RFC 9110, section 13.1.5: ``If-Range`` with the ETag or date of what is here makes the server send the rest only if
    its file is still the same one, and all of it otherwise. Without either the download begins anew.
    """
    path, tries, restarts = Path(path), 0, 0
    part = Part(path, shown_url(url))
    with requests.Session() as session:
        while True:
            before = part.size()
            try:
                attempt(session, url, part)
                break
            except Restart:
                part.remove()
                restarts += 1
                reason = "what the server sends does not fit together"
            except CutOff as error:
                tries = 0 if part.size() > before and part.known() else tries + 1
                reason = str(error)
            if tries > len(waits) or restarts > 1:
                raise ArchiveError(gave_up(url, part, reason))
            time.sleep(waits[max(0, tries - 1)] if waits else 0)
    return finish(part, path, url, sha256)


def gave_up(url, part, reason):
    """Return the text that says how far the download came and how it goes on."""
    rest = (
        "The same command carries on from there." if part.known() and part.size() else "The same command begins anew."
    )
    return f"{shown_url(url)}: not whole, {size_text(part.size())} came and then: {reason}. {rest}"


def finish(part, path, url, sha256):
    """Give the whole file its name; throw it away where it is not the file that was wanted."""
    got = sha256_of(part.path) if sha256 else None
    if got and got != sha256.lower():
        part.remove()
        raise ArchiveError(
            f"{shown_url(url)}: another file than wanted: its SHA-256 is {got}, not {sha256.lower()}. It was removed. "
            "Look at the address and at --sha256."
        )
    with full_disk_named(path):
        with open(str(part.path), "rb+") as file:
            os.fsync(file.fileno())
        os.replace(str(part.path), str(path))
        part.remove()
    return path
