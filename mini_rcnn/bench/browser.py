"""A real JupyterLab in a real browser, driven by a program: for the panels' tests, times and pictures.

Needs Playwright's Python package, which the modern environment has, and a Chromium that is already on this machine:
nothing is downloaded. The JupyterLab may be another environment's: it is a server in a process of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mini_rcnn.launch import environments, serve

ROOT = Path(__file__).resolve().parent.parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SCREEN = (1280, 720)  # pixels, width and height: a projector
SECONDS = 120  # for whatever has to come: a kernel that imports TensorFlow on a busy machine is slow
# In JupyterLab's page: the notebook in front, its kernel, and whether both are ready.
FRONT = "window.jupyterapp.shell.currentWidget"
READY = f"""() => {{
  const front = window.jupyterapp && {FRONT};
  if (!front || !front.context || !front.context.isReady || !front.sessionContext.isReady) return false;
  const session = front.sessionContext.session;
  return session && session.kernel && session.kernel.status === "idle";
}}"""


class Unavailable(Exception):
    """No browser can be driven here; the text says what to install."""


def chromium():
    """Return the path of a Chromium on this machine.

    Raises
    ------
    Unavailable
        If there is none, or Playwright's package is missing.
    """
    if importlib.util.find_spec("playwright") is None:
        raise Unavailable("Playwright's Python package is missing: the modern environment has it (--env modern)")
    named = os.environ.get("MINI_RCNN_CHROMIUM")
    found = [path for path in map(shutil.which, [named] if named else BROWSERS) if path]
    if not found:
        raise Unavailable("no Chromium is found: install it (`apt install chromium`), or name it in MINI_RCNN_CHROMIUM")
    return found[0]


def classic_python():
    """Return the interpreter of the classic environment, or None where there is none."""
    path = os.environ.get("MINI_RCNN_CLASSIC_PYTHON") or environments.python_of(ROOT / ".venv" / "classic")
    return Path(path) if Path(path).is_file() else None


def jupyterlab_of(python):
    """Return the major version of an environment's JupyterLab, as "JupyterLab 4"."""
    command = [str(python), "-c", "import jupyterlab; print(jupyterlab.__version__.split('.')[0])"]
    return "JupyterLab " + subprocess.check_output(command, universal_newlines=True).strip()


def labs_there():
    """Return ``{"JupyterLab 4": interpreter}`` of this environment and of the classic one."""
    return {jupyterlab_of(python): python for python in (Path(sys.executable), classic_python()) if python}


def notebook_of_cells(*sources):
    """Return a notebook of code cells, not executed, as a dict."""
    cells = [
        {"cell_type": "code", "execution_count": None, "id": f"cell-{n}", "metadata": {}, "outputs": [], "source": text}
        for n, text in enumerate(sources)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


class JupyterInBrowser:
    """JupyterLab of an environment with a folder, a home and a token of its own, and a browser without a window on it.

    Parameters
    ----------
    python : path
        The interpreter whose JupyterLab is served.
    kernel : path
        The interpreter of its notebooks; the same one by default.
    screen : (width, height)
        Pixels.

    Attributes
    ----------
    folder : Path
        The root of the server.
    page : Page of Playwright
    said : list of str
        What went wrong in the page since a notebook was opened: errors, and what the console calls an error.
    received : list of bytes
        What came from the server over sockets since `received` was last emptied; the kernel's messages are among it.
    """

    def __init__(self, python, *, kernel=None, screen=SCREEN):
        self.python, self.kernel, self.screen = Path(python), Path(kernel or python), screen
        self.said, self.received, self.closing = [], [], []

    def __enter__(self):
        path = chromium()
        try:
            self.start(path)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, path):
        """Start the server and the browser; what has to be closed is noted as it is opened."""
        from playwright.sync_api import sync_playwright

        place = tempfile.mkdtemp(prefix="mini-rcnn-lab-")
        self.closing.append(lambda: shutil.rmtree(place, ignore_errors=True))
        self.folder = Path(place)
        config = self.folder / ".venv" / "jupyter" / "config"
        config.mkdir(parents=True)
        (config / "jupyter_lab_config.py").write_text("get_config().LabApp.expose_app_in_browser = True\n")
        spec = serve.kernel_spec(self.kernel, None, "Python 3", ROOT)
        spec["env"].update(MINI_RCNN_RSNA="", MINI_RCNN_TRAINING="small")
        with socket.socket() as free:  # JupyterLab 3 cannot be asked to choose one itself
            free.bind((serve.LOOPBACK, 0))
            port = free.getsockname()[1]
        environ = dict(environments.environ_of(None), HOME=place)
        server = serve.Server(self.python, self.folder, {"python3": spec}, name="browser", environ=environ, port=port)
        self.closing.append(server.stop)
        self.address, self.token = server.wait_until_ready(SECONDS).rstrip("/"), server.token
        playwright = sync_playwright().start()
        self.closing.append(playwright.stop)
        sandbox = [] if hasattr(os, "geteuid") and os.geteuid() else ["--no-sandbox"]  # root has no sandbox
        browser = playwright.chromium.launch(executable_path=path, args=sandbox)
        self.closing.append(browser.close)
        width, height = self.screen
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(1000 * SECONDS)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("console", self.hear)
        self.page.on("websocket", lambda socket: socket.on("framereceived", self.take))

    def kill(self):
        """End the browser at once; for another thread, where the page has been waited for long enough.

        Playwright's own process stays, and tells whoever asks for the page from then on that it is gone.
        """
        import psutil

        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "chrom" in process.name():
                    process.kill()

    def hear(self, entry):
        """Note what the console calls an error; JupyterLab 3 asks an older server who is there, which does not know."""
        if entry.type == "error" and "/api/me?" not in entry.location.get("url", ""):
            self.said.append(entry.text)

    def take(self, frame):
        """Note what a socket brought."""
        self.received.append(frame if isinstance(frame, bytes) else frame.encode())

    def __exit__(self, *_):
        while self.closing:
            try:
                self.closing.pop()()
            except Exception as error:  # what is left must be closed all the same
                print(f"While the browser was closed: {type(error).__name__}: {error}")

    def open(self, notebook, name="notebook.ipynb", *, trusted=False):
        """Open a notebook, a dict, and wait until its kernel is idle; ``trusted`` as if it had been run here."""
        (self.folder / name).write_text(json.dumps(notebook), encoding="utf-8")
        if trusted:
            data = str(self.folder / ".venv" / "jupyter" / "data")
            environ = dict(environments.environ_of(None), JUPYTER_DATA_DIR=data, JUPYTER_PLATFORM_DIRS="0")
            command = [str(self.python), "-m", "jupyter", "trust", str(self.folder / name)]
            subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
        self.said.clear()
        self.received.clear()
        workspace = f"{self.address}/lab/workspaces/test/tree/{name}?reset&token={self.token}"
        self.page.goto(workspace)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.page.wait_for_function(READY)
        if self.page.is_visible("#jp-left-stack"):
            self.command("application:toggle-left-area")

    def promised(self, script, argument=None, *, seconds=SECONDS):
        """Wait until what a function of the page promises is done; Playwright alone would wait for ever.

        Raises
        ------
        TimeoutError
            If it is not done after so many seconds.
        """
        late = f"new Promise((done) => setTimeout(() => done('late'), {1000 * seconds}))"
        work = f"Promise.resolve(({script})(it)).then(() => 'done')"
        if self.page.evaluate(f"(it) => Promise.race([{work}, {late}])", argument) == "late":
            raise TimeoutError(f"waited {seconds} s in vain for the page")

    def command(self, name):
        """Run one of JupyterLab's commands and wait until it is done."""
        self.promised("(name) => window.jupyterapp.commands.execute(name)", name)

    def run_all(self):
        """Run all cells and wait until the kernel has nothing left to do; a cell that raises raises `RuntimeError`."""
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(READY)
        failed = self.page.evaluate(
            f"() => {FRONT}.content.widgets.flatMap((cell) => cell.model.toJSON().outputs || [])"
            ".filter((output) => output.output_type === 'error').map((output) => `${output.ename}: ${output.evalue}`)"
        )
        if failed:
            raise RuntimeError(failed[0])

    def restart(self):
        """Restart the kernel, as one who says yes when asked."""
        self.promised(f"() => {FRONT}.sessionContext.session.kernel.restart()")
        self.page.wait_for_function(READY)

    def slider(self, description):
        """Return the handle of the slider with a description."""
        row = f'.jupyter-widgets.widget-inline-hbox:has(.widget-label:text-is("{description}"))'
        return self.page.locator(f"{row} .noUi-handle").first

    def drag(self, where, right, down=0, *, steps=5):
        """Press the mouse in the middle of something, move it by so many pixels, and let it go."""
        where.scroll_into_view_if_needed()
        place = where.bounding_box()
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + right, y + down, steps=steps)
        mouse.up()

    def wait_for(self, what, *arguments, seconds=30):
        """Wait until a function of Python's returns something true, and return it."""
        end = time.monotonic() + seconds
        while True:
            found = what(*arguments)
            if found:
                return found
            if time.monotonic() > end:
                raise TimeoutError(f"waited {seconds} s in vain")
            self.page.wait_for_timeout(20)

    def screenshot(self, path):
        """Write what is seen as a PNG."""
        self.page.screenshot(path=str(path))
