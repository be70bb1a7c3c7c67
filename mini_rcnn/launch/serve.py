"""Serve JupyterLab: on this machine alone, with a token, apart from the user's own Jupyter settings."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from mini_rcnn.launch import browser, environments
from mini_rcnn.launch.errors import LabError

FIRST_NOTEBOOK = "labs/00_start_here.ipynb"
LOOPBACK = "127.0.0.1"
TITLES = {
    "classic": "Mask R-CNN lab (classic, TensorFlow 1.15)",
    "modern": "Mask R-CNN lab (modern, TensorFlow 2)",
    "active": "Mask R-CNN lab (active environment)",
}
# Read after every other configuration of Jupyter, so that none of those can switch the token off.
# The token itself never stands in a file or on a command line.
CONFIG = '''"""Written by lab.py at every start; changes here are lost."""
import os
import sys

import jupyter_server

sys.path.append({code!r})
from mini_rcnn.launch.saved_panels import keep_what_is_seen  # noqa

c = get_config()  # noqa
c.ContentsManager.pre_save_hook = keep_what_is_seen
if jupyter_server.version_info[0] < 2:
    c.ServerApp.token = os.environ["JUPYTER_TOKEN"]
    c.ServerApp.password = ""
else:
    c.IdentityProvider.token = os.environ["JUPYTER_TOKEN"]
    c.PasswordIdentityProvider.hashed_password = ""
'''
# JupyterLab would ask every newcomer whether to fetch news.
OVERRIDES = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


def kernel_spec(python, folder, title, root):
    """Return a kernel's description for Jupyter.

    Parameters
    ----------
    python : path
        The interpreter that the kernel runs in.
    folder : Path or None
        Its environment in ``.venv``; None for one that the user made.
    title : str
        The name that JupyterLab shows.
    root : Path
        The checkout.
    """
    environ = {"PYTHONNOUSERSITE": "1"}
    if folder is None:
        environ["PYTHONPATH"] = str(root)
    else:
        environ["VIRTUAL_ENV"] = str(folder)
        environ["PATH"] = str(environments.python_of(folder).parent) + os.pathsep + "${PATH}"
    return {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": title,
        "language": "python",
        "env": environ,
        "metadata": {"debugger": True},
    }


def write_kernels(data, kernels):
    """Write kernels, ``{name: description}``, into Jupyter's data folder ``data``; others there are removed."""
    shutil.rmtree(str(data / "kernels"), ignore_errors=True)
    for name, spec in kernels.items():
        (data / "kernels" / name).mkdir(parents=True)
        (data / "kernels" / name / "kernel.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")


def write_config(config):
    """Write Jupyter's configuration into the folder ``config``."""
    (config / "labconfig").mkdir(parents=True, exist_ok=True)
    code = str(Path(__file__).resolve().parents[2])
    (config / "jupyter_server_config.py").write_text(CONFIG.format(code=code), encoding="utf-8")
    overrides = json.dumps(OVERRIDES, indent=1)
    (config / "labconfig" / "default_setting_overrides.json").write_text(overrides, encoding="utf-8")


def server_environ(environ, home, kernels, token):
    """Return the environment variables of the server.

    Parameters
    ----------
    environ : dict
        From `environments.environ_of`.
    home : Path
        The folder for all that Jupyter keeps.
    kernels : Path
        The data folder with our kernels, which comes before every other.
    token : str
    """
    environ = {name: value for name, value in environ.items() if not name.startswith(("JUPYTER_", "JUPYTERLAB_"))}
    environ.update(
        JUPYTER_TOKEN=token,
        JUPYTER_PATH=str(kernels),
        JUPYTER_CONFIG_DIR=str(home / "config"),
        JUPYTER_CONFIG_PATH=str(home / "config"),
        JUPYTER_DATA_DIR=str(home / "data"),
        JUPYTER_RUNTIME_DIR=str(home / "runtime"),
        JUPYTER_PLATFORM_DIRS="0",
        JUPYTERLAB_SETTINGS_DIR=str(home / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(home / "workspaces"),
        IPYTHONDIR=str(home / "ipython"),
    )
    return environ


def server_command(python, root, *, address=LOOPBACK, port=8888):
    """Return the command that serves JupyterLab. The token is not in it, where other users could read it."""
    command = [
        str(python),
        "-m",
        "jupyterlab",
        "--no-browser",
        f"--ServerApp.ip={address}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=100",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{FIRST_NOTEBOOK}",
    ]
    if address != LOOPBACK:
        command.append("--ServerApp.allow_remote_access=True")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--ServerApp.allow_root=True")  # containers run as root; Jupyter refuses it otherwise
    return command


def listens(address, port):
    """Return whether a server bound to an address accepts connections at its port."""
    here = {"0.0.0.0": LOOPBACK, "*": LOOPBACK, "": LOOPBACK, "::": "::1"}.get(address, address)
    try:
        socket.create_connection((here, port), timeout=5).close()
    except OSError:
        return False
    return True


class Server:
    """A running JupyterLab."""

    def __init__(self, python, root, kernels, *, name, environ, address=LOOPBACK, port=8888):
        self.home = root / ".venv" / "jupyter"
        self.token = secrets.token_hex(24)
        self.address_bound = address
        self.log = self.home / f"server-{name}.log"
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)  # Jupyter itself writes a page with the token that everybody could read
        data = self.home / ("for-" + name)
        write_kernels(data, kernels)
        write_config(self.home / "config")
        for folder in ("runtime", "data"):
            (self.home / folder).mkdir(exist_ok=True)
        log = os.open(str(self.log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # Jupyter's log holds the token
        try:
            self.process = subprocess.Popen(
                server_command(python, root, address=address, port=port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=str(root),
                env=server_environ(environ, self.home, data, self.token),
            )
        finally:
            os.close(log)

    def wait_until_ready(self, seconds=90):
        """Return the server's address without the token, once it answers; raise `LabError` where it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            for file in (self.home / "runtime").glob("jpserver-*.json"):
                try:
                    info = json.loads(file.read_text(encoding="utf-8"))
                except (OSError, ValueError):  # not written to the end yet
                    continue
                # Jupyter may write the file a moment before it listens.
                if info.get("token") == self.token and listens(self.address_bound, info["port"]):
                    return info["url"]
            time.sleep(0.1)
        self.stop()
        last = self.log.read_text(encoding="utf-8", errors="replace").replace(self.token, "...").splitlines()[-8:]
        raise LabError("JupyterLab did not start. The end of what it said:\n  " + "\n  ".join(last))

    def stop(self, seconds=15):
        """End the server and its kernels."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def listen_warning(address):
    """Return the warning for serving wider than this machine."""
    who = "Everybody who can reach this machine over any of its networks"
    if address not in ("0.0.0.0", "::", "*", ""):
        who = f"Everybody who can reach {address} over the network"
    return (
        f"WARNING: {who} can now try to open this lab. Whoever has the address with its token can read and change your "
        "files and run any program in your name. The connection is not encrypted: use it only in a network you trust. "
        "Without --listen, only this machine can reach the lab."
    )


def serve(server, root, say, *, with_browser=True):
    """Show where the lab is, wait until it is stopped, and return the exit code."""
    page = None
    stop_like_ctrl_c()
    try:
        address = server.wait_until_ready().rstrip("/") + "/" + "lab/tree/" + FIRST_NOTEBOOK
        address = address.replace("/lab/lab/", "/lab/")
        say("")
        say("The lab is open at this address; it holds the key, so keep it to yourself:")
        say(f"  {address}?token={server.token}")
        say("Stop the lab with Ctrl-C.")
        if with_browser and browser.has_browser():
            opened, page = browser.open_page(address, server.token, root)
            if not opened:
                say("No browser could be opened: copy the address into one.")
        return server.process.wait()
    except KeyboardInterrupt:
        say("")
        say("Stopping the lab ...")
        return 0
    finally:
        server.stop()
        if page is not None and Path(page).exists():
            Path(page).unlink()


def stop_like_ctrl_c():
    """Let a closed terminal and a polite kill stop the lab as Ctrl-C does."""

    def interrupt(*_):
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), interrupt)
