"""Run other programs: time-limited, and without the settings of this shell that would mislead them."""

from __future__ import annotations

import ast
import os
import subprocess

# Settings that send a Python to other packages.
MISLEADING = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "__PYVENV_LAUNCHER__")
# Of the user's settings for pip, those that say how to reach an index. All others are left out: one such as
# ``target`` or ``user`` would send the packages elsewhere.
PIP_NETWORK = {
    "index-url", "extra-index-url", "no-index", "find-links", "trusted-host", "proxy", "cert", "client-cert",
    "timeout", "default-timeout", "retries", "cache-dir", "no-cache-dir", "keyring-provider", "use-feature",
}  # fmt: skip


def clean_environ(environ=None):
    """Return a copy of the environment variables without those that mislead a Python or pip."""
    environ = dict(os.environ if environ is None else environ)
    for name in MISLEADING:
        environ.pop(name, None)
    environ["PYTHONNOUSERSITE"] = "1"
    return environ


def pip_environ(config="", environ=None):
    r"""Return the environment variables for pip: of the user's settings only those that lead to an index.

    Parameters
    ----------
    config : str
        What ``pip config list`` says: settings out of the user's files.
    environ : dict, optional

    Examples
    --------
    >>> found = pip_environ("global.proxy='http://proxy'\ninstall.target='/tmp'", {"PIP_USER": "1"})
    >>> found["PIP_PROXY"], "PIP_TARGET" in found, "PIP_USER" in found
    ('http://proxy', False, False)
    """
    environ = clean_environ(environ)
    settings = {name[4:].lower().replace("_", "-"): environ.pop(name) for name in list(environ) if name[:4] == "PIP_"}
    for section in ("global", "install"):
        for line in config.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section + ".") and ":env:" not in name:
                settings.setdefault(name[len(section) + 1 :], str(ast.literal_eval(value)))
    for name in PIP_NETWORK & set(settings):
        environ["PIP_" + name.upper().replace("-", "_")] = settings[name]
    environ.update(
        PIP_CONFIG_FILE=os.devnull,
        PIP_NO_INPUT="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_PROGRESS_BAR="off",
        PYTHONUNBUFFERED="1",
        PYTHONIOENCODING="utf-8",
    )
    return environ


def inherited(hold):
    """Return what ``subprocess`` passes on of a file descriptor that a child shall hold, or of None."""
    return (hold,) if hold is not None and os.name != "nt" else ()


def ask(command, *, timeout=20, environ=None, hold=None):
    """Return ``(exit code, output, errors)`` of a command; exit code None where it could not run or took too long.

    ``hold`` is a file descriptor that the command inherits (see `mini_rcnn.launch.guard.Guard`).
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env=environ,
            pass_fds=inherited(hold),
        )
    except subprocess.TimeoutExpired:
        return None, "", f"no answer within {timeout} s"
    except (OSError, ValueError) as error:
        return None, "", str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def shorten_home(text, home=None):
    """Return a text with the home folder written as ``~``.

    Examples
    --------
    >>> shorten_home("/home/ada/lab/.venv", home="/home/ada")
    '~/lab/.venv'
    """
    home = os.path.expanduser("~") if home is None else str(home)
    if len(home) < 2:  # a home of "/" would eat every slash
        return str(text)
    text = str(text)
    for end in (os.sep, "/", ""):
        text = text.replace(home + end, "~" + end) if end else ("~" if text == home else text)
    return text
