"""From a slider's move to the changed drawing on the screen: each panel, in real JupyterLabs.

The clock runs in the browser, from the key that moves the slider, or the mouse that drags a box, to the frame that
shows the last change which that brings to the panel's drawings and words; the slider itself does not count.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys

from mini_rcnn.bench.browser import JupyterInBrowser, Unavailable, labs_there, notebook_of_cells
from mini_rcnn.bench.stages import describe_machine
from mini_rcnn.widgets import PANELS

AT_MOST = 100.0  # ms, for the 95th percentile
CANVAS = "Canvas, 25 boxes"
DRAGGED = "a box, by mouse"
CANVAS_SOURCES = (
    """\
import ipywidgets
import numpy as np
from mini_rcnn.view.shapes import box, picture_uri
from mini_rcnn.widgets.canvas import Canvas

film = np.random.default_rng(1).integers(0, 255, (512, 512)).astype(np.uint8)
places = np.random.default_rng(2).uniform(0, 400, (25, 2))
canvas = Canvas(picture=picture_uri(film), size=[512, 512], shown=[512, 512], title="a film")
slider = ipywidgets.IntSlider(30, description="side")


def move(change=None):
    boxes = [(y, x, y + slider.value, x + slider.value) for y, x in places]
    canvas.shapes = [box(at, "kept", label=str(n), name=str(n), drag=True) for n, at in enumerate(boxes)]


slider.observe(move, "value")
move()
""",
    "ipywidgets.VBox([slider, canvas])",
)
# Called before a key is pressed, or before the event of that name; `window.moved` then gives ms to the last change, or
# null where nothing changed.
WATCH = """(event) => {
  const root = [...document.querySelectorAll(".jp-OutputArea-output")].find((each) => each.querySelector("svg"));
  const counts = (record) => {
    const at = record.target.nodeType === 1 ? record.target : record.target.parentElement;
    return at && (at.closest("svg.mini-rcnn-canvas") || at.closest(".widget-html, .widget-html-content"));
  };
  window.moved = new Promise((resolve) => {
    let begun = null, last = null, waiting = null;
    const done = () => {
      watcher.disconnect();
      resolve(last === null ? null : last - begun);
    };
    const later = (ms) => { clearTimeout(waiting); waiting = setTimeout(done, ms); };
    const watcher = new MutationObserver((records) => {
      if (begun === null || !records.some(counts)) return;
      requestAnimationFrame(() => {
        const channel = new MessageChannel(); // after this frame is painted
        channel.port1.onmessage = () => { last = performance.now(); later(200); };
        channel.port2.postMessage(0);
      });
    });
    watcher.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
    const start = () => { begun = performance.now(); later(1000); };
    document.addEventListener(event, start, { capture: true, once: true });
  });
}"""


def panel_sources(name):
    """Return the cells that show a panel, on a lab's films where it takes a lab."""
    made = f"{name}.of_lab(start_lab('11')) if hasattr({name}, 'of_lab') else {name}()"
    imports = f"from mini_rcnn.classroom import start_lab\nfrom mini_rcnn.widgets import {name}\n"
    return f"{imports}\npanel = {made}", "panel"


def panels_there():
    """Return the names of the panels whose modules are there."""
    return [name for name, module in PANELS.items() if importlib.util.find_spec(f"mini_rcnn.widgets.{module}")]


def show_panel(lab, sources):
    """Run the cells that show a panel, and wait until it stands."""
    lab.open(notebook_of_cells(*sources))
    lab.run_all()
    lab.page.wait_for_selector(".jp-OutputArea-output svg.mini-rcnn-canvas")
    lab.page.wait_for_timeout(300)


def press(lab, key):
    """Press a key and return ms to the last change on the screen, or None where nothing changed."""
    lab.page.evaluate(WATCH, "keydown")
    lab.page.keyboard.press(key)
    return lab.page.evaluate("() => window.moved")


def find_sliders(lab, *, most=None):
    """Yield the description and the handle of each slider whose moves change something, ``most`` of them at most."""
    found = 0
    for handle in lab.page.locator(".jp-OutputArea-output .noUi-handle").all():
        if not handle.is_visible() or handle.evaluate("each => !!each.closest('[disabled]')"):
            continue
        handle.focus()
        if any(press(lab, key) is not None for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft")):
            yield (
                handle.evaluate("each => each.closest('.widget-inline-hbox').innerText.split('\\n')[0].trim()"),
                handle,
            )
            found += 1
        if found == most:
            return


def find_slider(lab):
    """Put the focus on the first slider whose moves change something, and return its description; None without one."""
    for description, _ in find_sliders(lab, most=1):
        return description
    return None


def time_moves(lab, handle, n_moves):
    """Return ms of each move of a slider that changed something; at an end it turns round."""
    times, key = [], "ArrowRight"
    handle.focus()
    for _ in range(n_moves):
        at, low, high = (handle.get_attribute(f"aria-value{end}") for end in ("now", "min", "max"))
        key = "ArrowRight" if at == low else "ArrowLeft" if at == high else key
        times.append(press(lab, key))
    return [ms for ms in times if ms is not None]


def time_drags(lab, n_moves):
    """Return ms of each move of the first box that can be dragged, to and fro, 4 pixels a move; none without a box."""
    boxes = lab.page.locator("svg.mini-rcnn-canvas [data-name][style*='cursor: move']")
    if not boxes.count():
        return []
    boxes.first.scroll_into_view_if_needed()
    place = boxes.first.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    mouse, times = lab.page.mouse, []
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 8, y, steps=2)
    lab.page.wait_for_timeout(500)
    for number in range(n_moves):
        lab.page.evaluate(WATCH, "pointermove")
        mouse.move(x + 8 + 4 * (5 - abs(number % 10 - 5)), y + 4 * (number % 2))
        times.append(lab.page.evaluate("() => window.moved"))
    mouse.up()
    return [ms for ms in times if ms is not None]


def percentile(values, share):
    """Return the value that a share of all values does not exceed.

    Examples
    --------
    >>> percentile([3.0, 1.0, 2.0, 4.0], 0.75), percentile([1.0], 0.95)
    (3.0, 1.0)
    """
    return sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]


def summary(name, title, moved, times, n_moves):
    """Return a row of the table: a panel, what was moved, and how long it took."""
    row = {"panel": name, "lab": title, "moved": moved, "moves": n_moves, "changed": len(times)}
    if times:
        row.update(median_ms=statistics.median(times), p95_ms=percentile(times, 0.95))
    return row


def measure(labs, names, n_moves, report, *, every=False):
    """Return a row for each panel in each JupyterLab: its first slider, or ``every`` one, and a box that is dragged."""
    rows = []
    for title, python in labs.items():
        with JupyterInBrowser(python) as lab:
            for name in names:
                report(f"{name} in {title} ...")
                show_panel(lab, CANVAS_SOURCES if name == CANVAS else panel_sources(name))
                sliders = find_sliders(lab, most=None if every else 1)
                moved = [(slider, time_moves(lab, handle, n_moves)) for slider, handle in sliders]
                dragged = time_drags(lab, n_moves) if every else []
                moved += [(DRAGGED, dragged)] if dragged else []
                rows += [summary(name, title, what, times, n_moves) for what, times in moved or [(None, [])]]
    return rows


def table(rows):
    """Return the measurements as text."""
    lines = [f"{'panel':20}{'JupyterLab':>11}  {'moved':26}{'changed':>8}{'median':>9}{'95 %':>9}   {AT_MOST:g} ms?"]
    for row in rows:
        start = f"{row['panel']:20}{row['lab'].split()[-1]:>11}  "
        if "p95_ms" not in row:
            lines.append(start + "no slider that changes it")
            continue
        held = "yes" if row["p95_ms"] <= AT_MOST else "NO"
        numbers = f"{row['changed']:8}{row['median_ms']:6.0f} ms{row['p95_ms']:6.0f} ms   {held}"
        lines.append(f"{start}{row['moved'][:25]:26}{numbers}")
    return "\n".join(lines)


NOTES = """\
From the key or the mouse to the frame that shows the last change of a move. Moves that change nothing are not counted,
such as those between two scores. The panels show the lab's films and its small detector, the canvas a film of
512 x 512."""


def parse(argv):
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="python3 lab.py bench widgets",
        description="Time the panels in real JupyterLabs: this environment's, and the classic one's where it is there.",
        epilog="example: python3 lab.py --env modern bench widgets --panels NmsStepper --moves 20",
    )
    parser.add_argument("--moves", type=int, default=50, help="of a slider, each panel (default 50)")
    parser.add_argument("--panels", nargs="+", metavar="NAME", choices=list(PANELS), help="some of them (default all)")
    parser.add_argument("--every", action="store_true", help="every slider, and a box that is dragged: half an hour")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(argv)
    if options.moves < 2:
        parser.error(f"--moves must be at least 2, got {options.moves}")
    return options


def main(argv=None):
    """Measure, print the table, and return 0; 1 where no browser can be driven."""
    options = parse(argv)
    names = [CANVAS, *(options.panels or panels_there())]
    try:
        rows = measure(
            labs_there(),
            names,
            options.moves,
            lambda text: print(text, file=sys.stderr, flush=True),
            every=options.every,
        )
    except Unavailable as error:
        print(f"python3 lab.py bench widgets: {error}", file=sys.stderr)
        return 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if options.json:
        print(json.dumps({"machine": describe_machine(), "load": load, "rows": rows}, indent=2))
    else:
        busy = "" if load is None else f", load {load:.1f} at the end"
        print(f"{describe_machine()}{busy}; {options.moves} moves each\n\n{table(rows)}\n\n{NOTES}")
    return 0
