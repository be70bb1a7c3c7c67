"""Open the person's browser on the lab."""

from __future__ import annotations

import os
import sys
import webbrowser


def has_browser(environ=None, system=None):
    """Return whether a browser can be opened for the person who sits here."""
    environ = os.environ if environ is None else environ
    system = system or sys.platform
    if environ.get("SSH_CONNECTION") or environ.get("CI"):
        return False
    if system.startswith(("win", "darwin")):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def open_page(address, token, root):
    """Open the lab in the browser, by a small private page: on a command line, others could read the token.

    The page lies in a folder that is not hidden, because browsers packed as snaps cannot read hidden ones.
    """
    page = root / "runs" / "open-the-lab.html"
    page.parent.mkdir(exist_ok=True)
    if page.exists():
        page.unlink()
    text = f'<meta http-equiv="refresh" content="0;url={address}?token={token}"><p>Opening the lab ...</p>'
    with open(os.open(str(page), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return webbrowser.open(page.as_uri()), page
