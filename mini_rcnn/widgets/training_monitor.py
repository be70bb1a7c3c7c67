"""The training monitor: the curves of a run that goes on or is over, and a button that stops it."""

from __future__ import annotations

import threading
import time
import weakref
from pathlib import Path

import ipywidgets as widgets

from mini_rcnn.training.stop_file import ask_to_stop
from mini_rcnn.view.panel_monitor import CHOICES, SIZE, chart_shapes, loss_rows
from mini_rcnn.view.run_state import ALIVE, STOPPABLE, RunReader

from .canvas import Canvas
from .panel import Panel, beside, column, table, words

DEMO = Path(__file__).resolve().parent.parent.parent / "docs" / "demo_epochs.csv"
EVERY = 3.0  # seconds
ARMED = 10.0  # seconds in which a second click stops the run
PATIENT = 200  # looks at a place where nothing is, after which only the button looks again
STOP, SURE = "Stop the training", "Really stop? Click again"
HEAD = ("newest epoch", "training", "validation", "best")
ABOUT = (
    "Training and validation losses are of different films, and the training's is the mean over an epoch in which the "
    "network changed: compare their course, not their height. The stop button does what Ctrl-C does, in whatever "
    "process the run is: the step ends, everything is saved, and the run can go on with --resume."
)


class TrainingMonitor(Panel):
    """Show the reader the losses of a run while it goes on, or when it is over; and stop it.

    Parameters
    ----------
    path : path, optional
        A run's folder, which need not be there yet, or a table of epochs such as ``docs/demo_epochs.csv``, which is the
        default.
    every : float
        Seconds from one look to the next, as long as the run may change; 0: only the button looks.

    Examples
    --------
    >>> panel = TrainingMonitor()
    >>> panel.state.state, panel.state.best
    ('recorded', 6)
    >>> panel.loss.value = "head_mask"
    >>> panel.stop.disabled  # nothing runs
    True
    """

    def __init__(self, path=None, *, every=EVERY):
        self.path, self.every = Path(DEMO if path is None else path), every
        self._reader, self._lock, self._gone = RunReader(self.path), threading.RLock(), threading.Event()
        self._thread, self._armed, self._asked, self.state = None, None, False, None
        self.loss = widgets.Dropdown(
            options=[(told, name) for name, told in CHOICES.items()], value="total", description="Curve",
            style={"description_width": "50px"}, layout=widgets.Layout(width="260px"),
        )  # fmt: skip
        self.logarithmic = widgets.Checkbox(
            False, description="logarithmic scale", indent=False, layout={"width": "160px"}
        )
        self.again = widgets.Button(description="Refresh", layout={"width": "100px"}, tooltip="Read the folder again")
        self.alone = widgets.Checkbox(
            True, description=f"by itself, every {every:g} s", indent=False, layout={"width": "190px"}
        )
        self.stop = widgets.Button(description=STOP, layout={"width": "220px"}, tooltip="As Ctrl-C does; click twice")
        self.told, self.numbers = widgets.HTML(), widgets.HTML()
        self.canvas = Canvas(size=SIZE, shown=SIZE)
        side = column(self.numbers, width=312)
        super().__init__(
            "Training monitor",
            [
                beside(self.loss, self.logarithmic, self.again, self.alone, self.stop),
                self.told,
                beside(self.canvas, side),
                widgets.HTML(f'<div style="max-width:1150px;line-height:1.3">{ABOUT}</div>'),
            ],
        )
        self.on(self.loss, self.logarithmic)
        self.alone.observe(lambda change: self.begin(), "value")
        self.again.on_click(lambda button: self.look())
        self.stop.on_click(lambda button: self._clicked())
        self.look()

    def look(self):
        """Read the folder again, and go on looking if the run may change."""
        self.update()
        self.begin()

    def update(self):
        """Read what has changed, and draw anew; safe to be called from any thread."""
        with self._lock:
            super().update()

    def refresh(self):
        """Draw anew from what the controls and the folder say."""
        self.state = run = self._reader.read(time.time(), asked=self._asked)
        shapes, left_out = chart_shapes(run, self.loss.value, logarithmic=self.logarithmic.value)
        if self.canvas.shapes != shapes:
            self.canvas.shapes = shapes
        self.canvas.title = f"{CHOICES[self.loss.value]} over the epochs"
        told = " ".join(filter(None, [run.words, left_out, *run.problems]))
        self._say(self.told, words(told))
        self._say(self.numbers, table(loss_rows(run), HEAD) if loss_rows(run) else words("No epoch is over yet."))
        if self._armed is not None and (time.monotonic() - self._armed > ARMED or run.state not in STOPPABLE):
            self._armed = None
        self.stop.disabled = run.state not in STOPPABLE
        self.stop.description, self.stop.button_style = (STOP, "") if self._armed is None else (SURE, "danger")

    @staticmethod
    def _say(place, html):
        if place.value != html:  # what did not change is not read out again
            place.value = html

    def _clicked(self):
        """Stop the run at the second click."""
        if self._armed is None or time.monotonic() - self._armed > ARMED:
            self._armed = time.monotonic()
        else:
            self._armed = None
            try:
                ask_to_stop(self.path)
                self._asked = True
            except OSError as error:
                self.message.value = words(f"It cannot be asked to stop: {error}", urgent=True)
                return
        self.look()

    def begin(self):
        """Begin to look again and again, in a thread of its own, if that is wanted and of use."""
        going = self._thread is not None and self._thread.is_alive()
        if going or not self.wanted():
            return
        self._thread = threading.Thread(target=watch, args=(weakref.ref(self), self._gone, self.every), daemon=True)
        self._thread.start()

    def wanted(self):
        """Return whether there is reason to look again."""
        alive = self.state is not None and self.state.state in ALIVE
        return bool(alive and self.every and self.alone.value and not self._gone.is_set())

    def close(self):
        """End the panel and its thread."""
        if getattr(self, "_gone", None) is not None:
            self._gone.set()
        super().close()

    def drawings(self):
        """Return the chart."""
        return [self.canvas]


def watch(reference, gone, seconds):
    """Look again and again, until the panel is closed or forgotten, or its run is over; nothing is written.

    Parameters
    ----------
    reference : weakref.ref of TrainingMonitor
    gone : threading.Event
    seconds : float
    """
    in_vain = 0
    while not gone.wait(seconds):
        panel = reference()
        if panel is None:
            return
        panel.update()
        in_vain = in_vain + 1 if panel.state is None or panel.state.state == "nothing" else 0
        if not panel.wanted() or in_vain > PATIENT:
            return
        del panel
