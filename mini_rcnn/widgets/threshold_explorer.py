"""The panel on thresholds: what a network said, filtered anew at each move, on one film and on all."""

from __future__ import annotations

from contextlib import contextmanager

import ipywidgets as widgets
import numpy as np

from mini_rcnn.contest.scoring import raw_of
from mini_rcnn.exploring.live import LiveOutcomes
from mini_rcnn.exploring.table import search
from mini_rcnn.view import panel_curves as curves
from mini_rcnn.view.panel_thresholds import number_rows

from .canvas import Canvas
from .panel import Panel, table
from .threshold_controls import CLICK, NOBODY, OWN, ThresholdControls, close_lines, offer, presets_of, said
from .threshold_film import ThresholdFilm, read_record

LISTED = 200  # films in the list, the worst, and boxes in the other one, the surest
WARMED = 500  # films up to which the proposals' suppression is worked out beforehand
RPN_STEPS = tuple(np.round(np.arange(21) * 0.05, 2).tolist())
REACH = (
    "These sliders act on what the network said; none of them changes the training, except RPN NMS when a network is "
    "trained with it. Mask threshold moves the veils alone, no number."
)


class ThresholdExplorer(Panel):
    """Thresholds on what a network said of films: boxes and masks on one film, curves and figures of all.

    Parameters
    ----------
    raw : RawOutputs
        What the network said, see `mini_rcnn.exploring.raw.open_raw`.
    records : list of Record
        The same films, with their boxes; others are passed over.
    read_film : callable, optional
        Of a record; returns its pixels (H, W), uint8. By default its file is read, when the film is shown first.
    best : Settings, optional
        For one more button: settings that were found on *other* films.
    name : str
        What the films are, "phantoms".

    Attributes
    ----------
    controls : ThresholdControls
    now : mini_rcnn.exploring.live.Now
        What the settings give on all films.

    Notes
    -----
    The figures are those of `mini_rcnn.exploring.table.outcome`, and with an overlap of 0.5 those of the evaluation.
    Films stand in the list by misses plus false marks with the present settings, the worst first.

    Examples
    --------
    >>> import tempfile
    >>> from mini_rcnn.config import Config
    >>> from mini_rcnn.exploring.collect import collect
    >>> from mini_rcnn.exploring.raw import open_raw
    >>> panel = ThresholdExplorer(open_raw(collect({}, [], {}, Config(), tempfile.mkdtemp())), [])
    >>> panel.controls.confidence.value = 0.9
    >>> panel.now.outcome.settings.min_confidence, panel.now.outcome.hits
    (0.9, 0)
    """

    def __init__(self, raw, records, *, read_film=None, best=None, name="films"):
        by_id = {record.id: record for record in records}
        self.raw, self.live = raw, LiveOutcomes(raw, {image_id: record.boxes for image_id, record in by_id.items()})
        self.records = [by_id[image_id] for image_id in raw.ids]
        self.presets, self.order = presets_of(raw, best), np.zeros(0, int)
        for step in RPN_STEPS if len(raw) <= WARMED else ():
            raw.places(step)
        self.controls, self._moving = ThresholdControls(raw, self.presets), False
        self.seen = ThresholdFilm(self.live, self.records, read_film or read_record)
        self.film, self.why = self.seen.canvas, self.seen.why
        size = [float(side) for side in curves.PLOT]
        self.precision = Canvas(size=size, shown=size, title="precision against recall")
        self.froc = Canvas(size=size, shown=size, title="opacities found against false marks a film")
        self.numbers, self.caption = widgets.HTML(), widgets.HTML()
        n_ill = int(np.sum(self.live.n_truths > 0))
        self.about = f"{len(raw)} {name}, {n_ill} of them ill, with {len(self.live.truth)} true boxes. {REACH}"
        parts = self.controls.laid_out(self.film, self.numbers, [self.precision, self.froc])
        super().__init__("Move a threshold and see what it does", [*parts, self.why, self.caption])
        self.on(*self.controls.observed)
        self.film.observe(lambda change: self.ask(change["new"]), "picked")
        for button, settings in zip(self.controls.buttons, self.presets.values()):
            button.on_click(lambda _, settings=settings: self.set(settings))
        self.controls.before.on_click(lambda _: self.step(-1))
        self.controls.after.on_click(lambda _: self.step(1))
        self.update()

    @classmethod
    def of_lab(cls, lab, *, search_on=None, progress=None):
        """Return the panel for a lab's films and detector, which looks at each film once; that is kept in ``data/``.

        Parameters
        ----------
        lab : mini_rcnn.classroom.lab.Lab
        search_on : Lab, optional
            Other films, to search for the settings of one more button on.
        progress : callable, optional
            Of films done and films in all.
        """
        raw = raw_of(lab.records, lab.weights, lab.config, lab.raw, progress=progress)
        best = None
        if search_on is not None:
            other = raw_of(search_on.records, lab.weights, lab.config, search_on.raw, progress=progress)
            best = search(other, {record.id: record.boxes for record in search_on.records}).outcome.settings
        return cls(raw, lab.records, best=best, name="phantoms" if lab.tier == "phantoms" else f"{lab.tier} films")

    @contextmanager
    def moving(self):
        """Draw nothing while several controls are moved at once."""
        before, self._moving = self._moving, True
        try:
            yield
        finally:
            self._moving = before

    def update(self):
        """Draw anew, unless several controls are just being moved at once."""
        if not self._moving:
            super().update()

    def set(self, settings):
        """Move the sliders to settings, none of them None, all at once."""
        with self.moving():
            self.controls.move(settings)
        self.update()

    def step(self, by):
        """Show the film that is so many places further in the order of errors."""
        if len(self.order):
            self.look_at(int(self.order[(self._place(self.controls.films.value) + by) % len(self.order)]))

    def look_at(self, film):
        """Show a film, by its id or its place among the raw outputs' ids, whether it stands in the list or not."""
        self._list(self.raw.film_number(film))
        self.update()

    def ask(self, picked):
        """Ask about a box that was clicked."""
        kind, _, row = str(picked.get("name", "")).partition("-")
        row = int(row) if kind == "box" and row.isdigit() else -1
        if 0 <= row < len(self.raw.scores) and int(self.raw.film_of[row]) == self.controls.films.value:
            with self.moving():
                self._offer(row)
            self.update()

    def refresh(self):
        """Draw anew from what the controls say."""
        controls, n_films = self.controls, len(self.raw)
        settings, iou = controls.settings, controls.hit_iou.value
        now, own = (self.live.now(each, iou=iou) for each in (settings, self.presets[OWN]))
        self.now, self.order = now, np.argsort(-(now.misses + now.false_marks), kind="stable")
        self.numbers.value = close_lines(
            table(number_rows(now, own, n_films), ("", "now", "own")), ";white-space:nowrap"
        )
        places = [curves.precision_places(each.curves) for each in (now, own)]
        self.precision.shapes = curves.precision_shapes(
            places[0], curves.precision_place(now.outcome), places[1], curves.precision_place(own.outcome)
        )
        places = [curves.froc_places(each.curves) for each in (now, own)]
        self.froc.shapes = curves.froc_shapes(
            places[0], curves.froc_place(now.outcome, n_films), places[1], curves.froc_place(own.outcome, n_films)
        )
        if not n_films:
            self.caption.value = said("There are no films: " + self.about)
            return
        self._list(int(self.order[0]) if controls.films.value is None else controls.films.value)
        self._offer(NOBODY if controls.asked.value is None else controls.asked.value)
        film, asked = controls.films.value, controls.asked.value
        shown = {"removed": controls.show_removed.value, "masks": controls.show_masks.value}
        told = self.seen.show(film, now, settings, asked=asked, **shown)
        place = f"Film {self._place(film) + 1} of {n_films} by error, "
        self.caption.value = said(f"{place}{told} {self.about}")

    def _place(self, film):
        return int(np.flatnonzero(self.order == film)[0])

    def _list(self, film):
        """Put the films into the list, the worst first, and choose one of them."""
        listed = self.order[:LISTED].tolist()
        listed += [] if film in listed else [film]
        false, missed = self.now.false_marks.tolist(), self.now.misses.tolist()
        labels = [(f"{missed[one]} missed, {false[one]} false: {self.records[one].id[:13]}", one) for one in listed]
        with self.moving():
            offer(self.controls.films, labels, film)

    def _offer(self, row):
        """Put the film's boxes into the other list, the surest first, and choose one of them, or none."""
        among = self.raw.candidates(self.controls.films.value)
        rows = list(range(among.start, min(among.stop, among.start + LISTED)))
        row = row if among.start <= row < among.stop else NOBODY
        rows += [row] if row not in (NOBODY, *rows) else []
        scores = self.raw.scores
        labels = [(CLICK, NOBODY), *((f"box {one - among.start + 1}, score {scores[one]:.3f}", one) for one in rows)]
        with self.moving():
            offer(self.controls.asked, labels, row)

    def drawings(self):
        """Return the canvases of the panel."""
        return [self.film, self.precision, self.froc]

    def still(self):
        """Return what is seen, without the controls, as HTML."""
        stands = "; ".join(f"{each.description} {each.value:g}" for each in self.controls.sliders)
        lines = f'<div style="display:flex">{self.precision.still()}{self.froc.still()}</div>'
        right = f"<div><div>{stands}</div>{self.numbers.value}{lines}</div>"
        flow = f'<div style="display:flex;gap:12px;max-width:1200px"><div>{self.film.still()}</div>{right}</div>'
        return flow + self.why.value + self.caption.value
