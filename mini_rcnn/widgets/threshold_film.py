"""One film of the panel on thresholds: its picture, its boxes with their masks, and why one of them is gone."""

from __future__ import annotations

from functools import lru_cache

import ipywidgets as widgets
import numpy as np

from mini_rcnn.data.dicom import read_image
from mini_rcnn.exploring.fates import FILTERS, NMS, RPN_NMS, fate_of, filters_of
from mini_rcnn.stages.image import boxes_to_original, fit_to_square
from mini_rcnn.view import panel_thresholds as view

from .canvas import Canvas
from .threshold_controls import NOBODY, said

SIDE = 400  # pixels of the screen, the film's longer side


class ThresholdFilm:
    """A canvas with a film, and the words to it.

    Parameters
    ----------
    live : LiveOutcomes
    records : list of Record
        In the order of the raw outputs.
    read_film : callable
        Of a record; returns its pixels (H, W), uint8.
    """

    def __init__(self, live, records, read_film):
        self.raw, self.live, self.records, self.read_film = live.raw, live, records, read_film
        self.canvas = Canvas(title="film with true, kept and removed boxes")
        self.why = widgets.HTML()
        self.picture = lru_cache(maxsize=64)(self.make_picture)
        self.veil = lru_cache(maxsize=512)(self.make_veil)
        self.geometry = lru_cache(maxsize=8)(lambda size: fit_to_square(np.zeros(size), size=self.raw.size)[1])

    def show(self, film, now, settings, *, asked=NOBODY, removed=True, masks=True):
        """Draw a film with what settings leave on it; return it in words.

        Parameters
        ----------
        film : int
            Its place among the raw outputs' ids.
        now : Now
            What the settings give.
        settings : Settings
            None of them None.
        asked : int, optional
            The candidate of which to say why it is gone, by its row; `NOBODY` is none.
        removed, masks : bool
            Whether to draw them.
        """
        raw, canvas = self.raw, self.canvas
        size, shown = tuple(map(float, raw.film_sizes[film])), self.shown(film)
        picture, trouble = self.picture(film)
        if (canvas.picture, tuple(canvas.size)) != (picture, size):
            canvas.picture, canvas.size, canvas.shown = picture, list(size), list(shown)
        first, filters = raw.candidates(film).start, filters_of(raw, film, settings)
        gone = [(row, FILTERS[filters[row - first]]) for row in (np.flatnonzero(filters) + first).tolist()]
        mine = np.flatnonzero(raw.film_of[now.rows] == film)
        kept = list(zip(now.rows[mine].tolist(), np.where(now.truth[mine] >= 0, "hit", "false").tolist()))
        truths = np.flatnonzero(self.live.truth_image == film)
        found = np.isin(truths, now.truth[mine])
        veils = [self.veil(row, settings.mask_threshold, size, shown) for row, _ in kept[: view.VEILS * masks]]
        canvas.shapes = [veil for veil in veils if veil] + view.film_shapes(
            size,
            shown,
            self.live.truth[truths],
            found,
            self.described(kept),
            self.described(gone if removed else []),
            self.answer(film, asked, settings),
        )
        counts = (len(truths), int(found.sum()), len(kept), len(kept) - int(found.sum()), len(gone))
        return view.film_text(self.records[film], counts, removed) + trouble

    def described(self, boxes):
        """Return candidates ``(row, word)`` as ``(row, box, score, word)``."""
        return [(row, self.raw.film_boxes[row], self.raw.scores[row], word) for row, word in boxes]

    def answer(self, film, row, settings):
        """Say why the box that is asked about is gone; return what to draw of it."""
        raw = self.raw
        if row == NOBODY:
            self.why.value = said("Click a dotted box, or choose one below the film: why is it gone?")
            return []
        fate = fate_of(raw, row, settings)
        self.why.value = said(view.why_text(fate, settings))
        this = (raw.film_boxes[row], "this one", "chosen")
        if fate.filter == RPN_NMS:
            geometry = self.geometry(tuple(int(side) for side in raw.film_sizes[film]))
            pair = raw.proposals(film)[[raw.rows[row], fate.by]].astype(float)
            mine, other = boxes_to_original(pair, geometry)
            return [(other, "the better proposal", "anchor"), (mine, "this one's proposal", "chosen")]
        return [(raw.film_boxes[fate.by], "removed by this", "anchor"), this] if fate.filter == NMS else [this]

    def shown(self, film):
        """Return a film's height and width on the screen, pixels."""
        size = self.raw.film_sizes[film]
        return tuple(float(side) * SIDE / float(max(size)) for side in size)

    def make_picture(self, film):
        """Return a film as a ``data:`` address, and what went wrong."""
        try:
            return view.film_uri(self.read_film(self.records[film]), self.shown(film)), ""
        except (OSError, ValueError, TypeError, AttributeError) as error:  # its boxes can be shown all the same
            return "", f" The film itself cannot be read ({type(error).__name__})."

    def make_veil(self, row, threshold, size, shown):
        """Return the veil of a candidate's mask, see `mini_rcnn.view.panel_thresholds.veil_shape`."""
        film = int(self.raw.film_of[row])
        grid = np.float32(self.raw.masks(film)[row - self.raw.candidates(film).start])
        return view.veil_shape(grid, self.raw.film_boxes[row], size, shown, threshold=threshold)


def read_record(record):
    """Return the pixels of a record's film."""
    return read_image(record.path).image
