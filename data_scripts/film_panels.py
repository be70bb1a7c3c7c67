"""Make a still of each panel, ``docs/panels/NAME.png``, as it is seen in JupyterLab.

Run ``python data_scripts/film_panels.py`` in the modern environment, with a Chromium on this machine. The panels show
the phantoms that the labs show.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mini_rcnn.bench.browser import JupyterInBrowser, Unavailable  # noqa: E402  (the path above comes first)
from mini_rcnn.bench.widgets import panel_sources, panels_there, show_panel  # noqa: E402

SCREEN = (1280, 720)  # pixels, at most
LARGEST = 200_000  # bytes
ROOM = 1600  # pixels: so high a page that no panel has to be scrolled
# What is done to a panel before it is filmed: the explorer is asked about a box that lost to a better one.
ACTIONS = {
    "ThresholdExplorer": """
from mini_rcnn.exploring.fates import NMS, fate_of
panel.controls.confidence.value = 0.4
film = int(panel.live.n_truths.argmax())
panel.look_at(film)
rows = panel.raw.candidates(film)
fates = {row: fate_of(panel.raw, row, panel.controls.settings) for row in range(rows.start, rows.stop)}
lost = [row for row, fate in fates.items() if fate.filter == NMS]
panel.ask({"name": f"box-{min(lost, key=lambda row: fates[row].overlap)}"})
"""
}
COLOURS = (256, 128, 64, 32)  # fewer and fewer, until the file is small enough


def packed(picture):
    """Return a picture, `SCREEN` at most, as a PNG of `LARGEST` bytes at most, with as many colours as that leaves."""
    picture = picture.convert("RGB")
    picture.thumbnail(SCREEN, Image.LANCZOS)
    for colours in COLOURS:
        file = io.BytesIO()
        picture.quantize(colours, method=Image.MAXCOVERAGE).save(file, format="png", optimize=True)
        if file.tell() <= LARGEST:
            return file.getvalue()
    raise ValueError(f"a picture of {picture.size} pixels takes {file.tell()} bytes, {LARGEST} at most")


def still(lab, name):
    """Return the picture of a panel as JupyterLab shows it."""
    made, shown = panel_sources(name)
    show_panel(lab, (made + "\n" + ACTIONS.get(name, ""), shown))
    output = lab.page.locator(".jp-OutputArea-output:has(svg.mini-rcnn-canvas)").last
    output.scroll_into_view_if_needed()
    lab.page.mouse.move(0, 0)  # no cell is under the mouse
    inner = output.locator(".widget-vbox").first
    return Image.open(io.BytesIO(inner.screenshot()))


def main(argv=None):
    """Write the pictures, each in one rename, and return 0; 1 where no browser can be driven."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "panels")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of panels (default all)")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        with JupyterInBrowser(sys.executable, screen=(SCREEN[0], ROOM)) as lab:
            for name in options.names or panels_there():
                path = options.out / f"{name}.png"
                beside = path.with_name(path.name + ".new")
                beside.write_bytes(packed(still(lab, name)))
                beside.replace(path)
                print(f"wrote {path}", flush=True)
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
