"""The challenge's zip from Kaggle, through the command of Kaggle's own package, its refusals put into steps.

``import kaggle`` raises where there are no credentials, so the command runs in a process of its own. What was read in
the source of kaggle 1.7.4.5:

- It looks for ``kaggle.json`` in ``KAGGLE_CONFIG_DIR``, else in ``~/.kaggle``, else, on Linux, in
  ``$XDG_CONFIG_HOME/kaggle`` or ``~/.config/kaggle``; ``KAGGLE_USERNAME`` and ``KAGGLE_KEY`` go before it.
- It sends ``KAGGLE_API_TOKEN`` where that is set, and no key then, but stops without a name and a key all the same.
- It takes the whole answer, 4 GB, into memory before it writes a byte (``Session.send`` without ``stream``).
- It cannot resume: where a file lies there, it calls its own client with arguments that this does not have.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from ..errors import ArchiveError
from .archives import ZipSource
from .unpacking import check_space, full_disk_named

COMPETITION = "rsna-pneumonia-detection-challenge"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
ZIP_BYTES = 3_930_000_000  # about; Kaggle's own progress bar says 3.66G, in units of 1024
# The command as `kaggle` itself starts it, but each answer is written as it comes and not first kept in memory.
COMMAND = """
import sys, requests
send = requests.Session.send
requests.Session.send = lambda self, request, **options: send(self, request, **dict(options, stream=True))
from kaggle.cli import main
sys.argv[0] = "kaggle"
sys.exit(main())
"""
PROGRESS = re.compile(r"\s*\d+%\|")
SECRETS = ("KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_IAP_TOKEN")

STEPS = f"""
  1. Make an account on https://www.kaggle.com, or log in.
  2. Open {PAGE}/rules
     and accept the competition's rules ("Late Submission" or "Join Competition" asks for it, too).
  3. Open https://www.kaggle.com/settings, section "API": create a legacy API key. It downloads kaggle.json.
  4. Put that file here:
       Linux, macOS  ~/.kaggle/kaggle.json          (then: chmod 600 ~/.kaggle/kaggle.json)
       Windows       C:\\Users\\YOUR NAME\\.kaggle\\kaggle.json
     or set the environment variables KAGGLE_USERNAME and KAGGLE_KEY to the two values in it,
     or KAGGLE_API_TOKEN to a token of the newer kind.
  5. Run `python3 lab.py data rsna` again.
Without Kaggle: download the zip on another machine and give it with `--from FILE`, or draw films with
`python3 lab.py data phantoms --images 400 --seed 1`."""

# What the command says -> what it means. In this order: the first that fits.
MEANINGS = (
    (r"Could not find kaggle\.json|Missing (username|key) in configuration",
     "Kaggle wants to know who you are, and there is no token on this machine (or kaggle.json is broken)." + STEPS),
    (r"\b401\b|Unauthori[sz]ed", "Kaggle does not accept the token: it was mistyped, or revoked." + STEPS),
    (r"\b403\b|Forbidden",
     "Kaggle refuses the files to this account: most often the competition's rules are not accepted yet.\n"
     f"Log in, open\n  {PAGE}/rules\n"
     "accept them, and run the same again. (It may ask to verify your phone number first.)"),
    (r"\b429\b|Too Many Requests", "Kaggle asks to wait: too many requests. Run the same again in an hour."),
    (r"Max retries exceeded|NameResolution|ConnectionError|Connection aborted|Connection reset|timed? ?out|ProxyError|"
     r"IncompleteRead|Connection broken|SSLError|NewConnectionError",
     "Kaggle cannot be reached, or the connection broke. Is this machine on the network (a proxy: set HTTPS_PROXY)?\n"
     "Run the same again; or download the zip elsewhere and give it with --from FILE."),
    (r"MemoryError", "Kaggle's command ran out of memory. Download the zip with a browser, then --from FILE."),
    (r"No space left|Errno 28|Errno 122", "The disk is full. Make room, or choose another disk with --to."),
)  # fmt: skip


def kaggle_environment(environ):
    """Return the environment for Kaggle's command: a token of the newer kind suffices, and text is UTF-8."""
    environ = {**environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    if environ.get("KAGGLE_API_TOKEN"):
        environ.setdefault("KAGGLE_USERNAME", "token")  # never sent: the token goes before them
        environ.setdefault("KAGGLE_KEY", "token")
    return environ


def secrets_of(environ):
    """Return what must not be printed: keys in the environment and in the files that Kaggle's command reads."""
    home = Path(os.path.expanduser("~"))
    folders = [environ.get("KAGGLE_CONFIG_DIR"), home / ".kaggle", environ.get("XDG_CONFIG_HOME"), home / ".config"]
    found = [environ.get(name) for name in SECRETS]
    for path in [Path(folder) / end for folder in folders if folder for end in ("kaggle.json", "kaggle/kaggle.json")]:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found.append(content.get("key") if isinstance(content, dict) else None)
    return [secret for secret in found if isinstance(secret, str) and len(secret) > 5]


def without_secrets(text, secrets):
    """Return text without keys, and without what follows ``?`` in an address: a signature is as good as a key.

    >>> without_secrets("401 for https://example.org/a.zip?sig=abc with key 123456", ["123456"])
    '401 for https://example.org/a.zip with key ***'
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    text = re.sub(r"(?i)(authorization:\s*)[^\r\n]*", r"\1***", text)
    return re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\")]*", r"\1", text)


def meaning_of(text):
    """Return what the command's last words mean and what to do, or None where they are new to us."""
    return next((meaning for pattern, meaning in MEANINGS if re.search(pattern, text, re.IGNORECASE)), None)


def relay(stream, words):
    """Pass the command's progress on to stderr, and keep everything else it says."""
    piece = b""
    for byte in iter(lambda: stream.read1(4096), b""):
        *whole, piece = re.split(rb"[\r\n]", piece + byte)
        for text in (line.decode("utf-8", "replace") for line in whole):
            if PROGRESS.match(text):
                sys.stderr.write("\r" + text.strip())
                sys.stderr.flush()
            elif text.strip():
                words.append(text)
    words.append(piece.decode("utf-8", "replace"))


def run(command, environ):
    """Return the command's exit code and what it said, its progress left out; it ends when we do."""
    words = []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ)
    reader = threading.Thread(target=relay, args=(process.stdout, words), daemon=True)
    reader.start()
    try:
        code = process.wait()
        reader.join()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reader.join()
        process.stdout.close()
    return code, "\n".join(words)


def is_whole_zip(path):
    """Return whether a zip lies there whose directory, which stands at its end, can be read."""
    try:
        ZipSource(path).close()
    except (ArchiveError, OSError):
        return False
    return True


def download_from_kaggle(folder, *, command=None):
    """Return the challenge's zip in a folder, downloaded if it is not there.

    Parameters
    ----------
    folder : str or Path
        The zip comes into ``kaggle.part`` in it, and out of there when it is whole.
    command : sequence of str, optional
        What runs instead of Kaggle's own command, for tests.

    Returns
    -------
    path : Path

    Raises
    ------
    ArchiveError
        With the steps that are missing: an account, a token, the competition's rules, the network, room on the disk.
    """
    folder = Path(folder)
    done, part = folder / f"{COMPETITION}.zip", folder / "kaggle.part" / f"{COMPETITION}.zip"
    if done.is_file():
        return done
    if not is_whole_zip(part):
        try:
            fetch(part, command)
        finally:
            with contextlib.suppress(OSError):  # nothing came: leave no empty folders
                part.parent.rmdir()
                folder.rmdir()
    with full_disk_named(done):
        os.replace(str(part), str(done))
        with contextlib.suppress(OSError):
            part.parent.rmdir()
    return done


def fetch(part, command):
    """Run Kaggle's command for one zip; raise with its meaning if it fails or leaves anything but a whole zip."""
    if command is None and importlib.util.find_spec("kaggle") is None:
        raise ArchiveError("Kaggle's package is not in this environment: `python3 lab.py doctor` says what to do.")
    check_space(part.parent, 2 * ZIP_BYTES, what="Kaggle's zip, with what comes out of it,")
    with full_disk_named(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        if part.exists():
            part.unlink()  # the command cannot carry on from it
    environ = kaggle_environment(os.environ)
    start = [sys.executable, "-c", COMMAND] if command is None else list(command)
    code, said = run([*start, "competitions", "download", "-c", COMPETITION, "-p", str(part.parent)], environ)
    said = without_secrets(said, secrets_of(environ))
    if code or not part.is_file():
        tail = "\n".join(f"  {line}" for line in said.strip().splitlines()[-6:])
        raise ArchiveError(meaning_of(said) or f"Kaggle's command ended with {code}; its last words:\n{tail}")
    if not is_whole_zip(part):
        raise ArchiveError(f"{part}: what came is no whole zip: the download was cut. Run the same again.")
