"""What the browser's tests share: a JupyterLab that is skipped where it cannot be had, and a small notebook."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from mini_rcnn.bench.browser import FRONT, JupyterInBrowser, Unavailable, chromium, classic_python, notebook_of_cells

# lab: (whose JupyterLab, whose kernel)
PAIRS = {"lab-4": ("modern", "modern"), "lab-3": ("classic", "classic"), "lab-4-classic-kernel": ("modern", "classic")}
CELLS = (
    """\
import ipywidgets
import numpy as np
from mini_rcnn.view.shapes import box, picture_uri
from mini_rcnn.widgets.canvas import Canvas

film = np.random.default_rng(1).integers(0, 255, (256, 256)).astype(np.uint8)
canvas = Canvas(picture=picture_uri(film), size=[256, 256], shown=[256, 256], title="a film")
left = ipywidgets.IntSlider(50, min=0, max=150, description="Left")
told = ipywidgets.HTML()
""",
    """\
def draw(change=None):
    boxes = [box((60, left.value, 120, left.value + 60), "kept", label="mine", name="mine", drag=True)]
    canvas.shapes = boxes + [box((160, 40, 220, 100), "truth", name="fixed", hint="stays")]


def follow(change):
    left.value = round(change["new"]["at"][1])
    told.value = f"dragged {change['new']['name']} {change['new']['at']}"


def tell(change):
    told.value = f"picked {change['new']['name']}"


left.observe(draw, "value")
canvas.observe(follow, "dragged")
canvas.observe(tell, "picked")
draw()
""",
    "ipywidgets.VBox([left, canvas, told])",
    "'a cell below'",
)


def python_of(which):
    """Return the interpreter of "modern", which is this one, or of "classic"."""
    return Path(sys.executable) if which == "modern" else classic_python()


@contextmanager
def lab_of(pair):
    """Yield a JupyterLab in a browser; the test is skipped, with what to install, where there is none."""
    pythons = [python_of(which) for which in PAIRS[pair]]
    if None in pythons:
        pytest.skip("the classic environment is not there: `python3 lab.py --env classic doctor` says how to get it")
    try:
        chromium()
    except Unavailable as error:
        pytest.skip(str(error))
    with JupyterInBrowser(pythons[0], kernel=pythons[1]) as lab:
        yield lab


def show_canvas(lab):
    """Run the small notebook from the top, open it where it is not, and wait until its canvas stands."""
    if lab.page.evaluate(f"() => window.jupyterapp && {FRONT} && {FRONT}.context.path") == "canvas.ipynb":
        lab.command("notebook:clear-all-cell-outputs")  # the canvas of the test before
        lab.said.clear()
    else:
        lab.open(notebook_of_cells(*CELLS), "canvas.ipynb")
    lab.run_all()
    lab.page.wait_for_selector("svg.mini-rcnn-canvas [data-name=mine]")
    lab.page.locator("svg.mini-rcnn-canvas").scroll_into_view_if_needed()


def shape(lab, name):
    """Return the node of a shape."""
    return lab.page.locator(f"svg.mini-rcnn-canvas [data-name={name}]").first


def left_of(lab, name="mine"):
    """Return where a shape's left side is, pixels of the picture."""
    return float(shape(lab, name).get_attribute("x"))


def told(lab):
    """Return the words below the canvas."""
    return lab.page.locator(".jp-OutputArea-output .widget-html-content").last.inner_text()


def drawing(lab):
    """Return all that is drawn and said in the output, as text: what a slider's move must change."""
    get = "nodes => nodes.map((each) => each.outerHTML).join('\\n')"
    return lab.page.locator(".jp-OutputArea-output").locator("svg.mini-rcnn-canvas, .widget-html").evaluate_all(get)
