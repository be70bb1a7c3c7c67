"""The panels as a student has them: JupyterLab 4 and 3, in a real browser, moved by mouse and keyboard."""

import json
import sys
import threading

import pytest

if sys.version_info < (3, 8):
    pytest.skip("Playwright is in the modern environment alone: --env modern", allow_module_level=True)

from lab_browser import CELLS, PAIRS, drawing, lab_of, left_of, shape, show_canvas, told

from mini_rcnn.bench.browser import FRONT, Unavailable, chromium, notebook_of_cells
from mini_rcnn.bench.widgets import find_slider, panel_sources, panels_there, show_panel
from mini_rcnn.notebooks.execute import executed

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Playwright's own pipes
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
BOTH = ["lab-4", "lab-3"]
LONGEST = 300  # seconds of a test: ten times what the slowest takes on two cores with other work beside
DEAD = ("Error displaying widget", "model not found", "Loading widget", "Javascript Error", "cannot be shown")
# Of a panel: the words in each of its boxes that is wider than it can show.
CUT_OFF = """(panel) => [...panel.querySelectorAll(".widget-box, .widget-button")]
  .filter((each) => each.scrollWidth > each.clientWidth + 2).map((each) => each.innerText.slice(0, 30))"""


@pytest.fixture(scope="module", params=list(PAIRS))
def lab(request):
    """Return each JupyterLab with each kernel."""
    with lab_of(request.param) as lab:
        lab.pair = request.param
        yield lab


@pytest.fixture(autouse=True)
def ended_if_it_hangs(request):
    """End the browser of a test that waits for ever, as a page may: it fails then, and those after it do at once."""
    if "lab" not in request.fixturenames:
        yield
        return
    timer = threading.Timer(LONGEST, request.getfixturevalue("lab").kill)
    timer.start()
    yield
    timer.cancel()


@pytest.fixture
def canvas(lab):
    """Return a JupyterLab whose canvas has just been drawn."""
    show_canvas(lab)
    return lab


def test_canvas_is_drawn_with_its_label_and_no_error(canvas):
    page = canvas.page
    assert page.locator("svg.mini-rcnn-canvas > image").get_attribute("href").startswith("data:image/png")
    assert page.locator("svg.mini-rcnn-canvas text").all_text_contents() == ["mine"]
    assert page.locator("svg.mini-rcnn-canvas").bounding_box()["width"] == 256
    assert page.locator("svg.mini-rcnn-canvas").get_attribute("aria-label") == "a film"
    assert shape(canvas, "fixed").get_attribute("aria-label") == "stays"
    assert shape(canvas, "mine").evaluate("each => getComputedStyle(each).cursor") == "move"
    assert page.locator("[data-name=fixed]").last.evaluate("each => getComputedStyle(each).cursor") == "pointer"
    assert canvas.said == []


def test_slider_by_keyboard_and_mouse_moves_the_box_and_sends_no_picture(canvas):
    canvas.received.clear()
    handle = canvas.slider("Left")
    handle.focus()
    canvas.page.keyboard.press("ArrowRight")
    canvas.wait_for(lambda: left_of(canvas) == 51)
    canvas.drag(handle, 30)
    canvas.wait_for(lambda: left_of(canvas) > 60)
    brought = b"".join(canvas.received)
    assert b"mine" in brought and b"data:image" not in brought


def test_box_is_dragged_by_mouse(canvas):
    canvas.drag(shape(canvas, "mine"), 40, 25)
    canvas.wait_for(lambda: told(canvas) == "dragged mine [85, 90, 145, 150]")
    canvas.wait_for(lambda: left_of(canvas) == 90)  # the slider followed, and the box the slider


def test_box_is_moved_by_arrow_keys_and_the_cells_are_not(canvas):
    here = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    shape(canvas, "mine").focus()
    before = canvas.page.evaluate(here)
    for key, left in (("ArrowRight", 51), ("Shift+ArrowRight", 59), ("ArrowLeft", 58)):
        canvas.page.keyboard.press(key)
        canvas.wait_for(lambda left=left: left_of(canvas) == left)
    canvas.page.keyboard.press("ArrowDown")
    canvas.wait_for(lambda: told(canvas) == "dragged mine [61, 58, 121, 118]")
    assert canvas.page.evaluate(here) == before
    assert canvas.page.evaluate("() => document.activeElement.dataset.name") == "mine"


def test_shapes_are_picked_by_click_and_by_key(canvas):
    shape(canvas, "mine").click()
    canvas.wait_for(lambda: told(canvas) == "picked mine")
    place = shape(canvas, "fixed").bounding_box()
    canvas.page.mouse.click(place["x"] + 1, place["y"] + 20)
    canvas.wait_for(lambda: told(canvas) == "picked fixed")
    shape(canvas, "mine").focus()
    canvas.page.keyboard.press("Enter")
    canvas.wait_for(lambda: told(canvas) == "picked mine")


def test_page_stands_after_the_kernel_restarts(canvas):
    canvas.restart()
    assert shape(canvas, "mine").is_visible()
    canvas.drag(canvas.slider("Left"), 30)  # nobody listens, and nothing breaks
    canvas.run_all()
    canvas.wait_for(lambda: left_of(canvas) == 50)


def test_picture_of_the_screen(canvas, tmp_path):
    canvas.screenshot(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").stat().st_size > 10_000


@pytest.fixture(scope="module")
def with_still(tmp_path_factory):
    """Return a notebook that has been run where no browser is: its panel stands in it as a picture."""
    cells = notebook_of_cells("from mini_rcnn.widgets import NmsStepper", "panel = NmsStepper()\npanel")
    return executed(cells, tmp_path_factory.mktemp("still"))


@pytest.mark.parametrize("trusted", [False, True])
def test_notebook_that_is_not_run_shows_a_still(lab, with_still, trusted):
    lab.open(with_still, "still.ipynb", trusted=trusted)
    output = lab.page.locator(".jp-OutputArea-output").last
    output.wait_for()
    assert output.locator("img").evaluate("each => each.decode().then(() => each.naturalWidth)") > 100
    assert not [word for word in DEAD if word in output.inner_text()]


@pytest.mark.parametrize("kernel_first, trusted", [(False, True), (True, True), (False, False)])
def test_notebook_saved_by_a_student_shows_its_panel_as_a_picture(lab, kernel_first, trusted):
    """Saved while the kernel runs, or after it has ended; then opened and not run, by the student or by the teacher."""
    shutdown = f"() => {FRONT}.sessionContext.shutdown()"
    show_panel(lab, ("from mini_rcnn.widgets import NmsStepper", "panel = NmsStepper()\npanel"))
    if kernel_first:
        lab.promised(shutdown)
    lab.command("docmanager:save")
    saved = json.loads((lab.folder / "notebook.ipynb").read_text(encoding="utf-8"))
    if not kernel_first:
        lab.promised(shutdown)
    saved["metadata"]["elsewhere"] = not trusted  # what was changed elsewhere is not trusted here
    lab.open(saved, "saved.ipynb", trusted=trusted)
    output = lab.page.locator(".jp-OutputArea-output").last
    output.locator("img").wait_for()
    lab.page.wait_for_timeout(1000)
    assert not [word for word in DEAD if word in output.inner_text()]
    lab.run_all()
    lab.page.wait_for_selector(".jp-OutputArea-output svg.mini-rcnn-canvas")


@pytest.mark.parametrize("lab", BOTH, indirect=True)
@pytest.mark.parametrize("name", panels_there())
def test_panel(lab, name, tmp_path):
    """A panel stands, nothing is wrong with it, its controls change it, and the page outlives its kernel."""
    show_panel(lab, panel_sources(name))
    panel = lab.page.locator(".jp-OutputArea-output:has(svg.mini-rcnn-canvas)").last
    assert not [word for word in DEAD if word in panel.inner_text()]
    assert panel.bounding_box()["width"] <= 1280
    before = drawing(lab)
    if find_slider(lab) is None:
        lab.page.locator(".jp-OutputArea-output select").first.select_option(index=1)
        lab.wait_for(lambda: drawing(lab) != before)
    assert lab.said == []
    lab.command("application:toggle-left-area")  # as JupyterLab stands when it is opened: the list of files takes room
    lab.wait_for(lambda: panel.bounding_box()["width"] < 900)
    assert panel.evaluate(CUT_OFF) == []
    lab.restart()
    assert panel.locator("svg.mini-rcnn-canvas").first.is_visible()


def test_browser_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setenv("MINI_RCNN_CHROMIUM", "no-such-browser")
    with pytest.raises(Unavailable, match="install it"):
        chromium()


def test_what_is_never_done_is_not_waited_for(lab):
    with pytest.raises(TimeoutError, match="1 s in vain"):
        lab.promised("() => new Promise(() => null)", seconds=1)


def test_cell_that_raises_is_not_passed_over(canvas):
    canvas.open(notebook_of_cells(*CELLS, "1 / 0"))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        canvas.run_all()
