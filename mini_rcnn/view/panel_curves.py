"""Drawings of curves for panels: precision against recall, and FROC, each with a point where the sliders stand."""

from __future__ import annotations

import numpy as np

from .shapes import line, point, text

PLOT = (228, 335)  # pixels of a drawing, height and width
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 26, 40  # its margins
POINTS = 200  # of a curve: more cannot be seen
FEWEST, MOST = 0.005, 20.0  # false marks a film, the ends of the FROC's axis


def place_on(x, y):
    """Return places (N, 2), ``(y, x)``, on a curve's drawing, of shares of its axes."""
    x, y = np.clip(np.asarray(x, float), 0, 1), np.clip(np.asarray(y, float), 0, 1)
    across, down = PLOT[1] - LEFT - RIGHT, PLOT[0] - TOP - BOTTOM
    return np.stack([TOP + (1 - y) * down, LEFT + x * across], axis=-1)


def thinned(places):
    """Return at most `POINTS` of a curve's places, the ends among them."""
    if len(places) <= POINTS:
        return places
    return places[np.unique(np.linspace(0, len(places) - 1, POINTS).round().astype(int))]


def axes_shapes(title, x_name, ticks):
    """Return a curve's axes; ``ticks`` are (share of the x axis, words)."""
    shapes = [
        line(place_on([0, 0, 1], [1, 0, 0]), "axis"),
        text((TOP - 10, LEFT - 30), title),
        text((PLOT[0] - 5, LEFT + (PLOT[1] - LEFT - RIGHT) / 2), x_name, anchor="middle"),
    ]
    for share in (0, 0.5, 1):
        (y, x), (_, end) = place_on(0, share), place_on(1, share)
        shapes.append(text((y + 5, x - 6), f"{share:g}", anchor="end"))
        if share:
            shapes.append(line([(y, x), (y, end)], "quiet"))
    for share, words in ticks:
        y, x = place_on(share, 0)
        shapes += [line([(y, x), (y + 4, x)], "axis"), text((y + 18, x), words, anchor="middle")]
    return shapes


def marked(shapes, place, own):
    """Return shapes with the point of the network's own settings, and on top the point where the sliders stand."""
    if own is not None:
        shapes.append(point(own, "axis", radius=5, hint="the network's own settings"))
    if place is not None:
        beside = -8 if place[1] > PLOT[1] - 60 else 10
        shapes.append(point(place, "other", radius=7, hint="where the sliders stand"))
        below = 18 if place[0] < PLOT[0] - BOTTOM - 24 else -12
        shapes.append(
            text(
                (place[0] + below, place[1] + beside), "now", anchor="end" if beside < 0 else "start", colour="#A04000"
            )
        )
    return shapes


def precision_place(outcome):
    """Return where settings stand on precision against recall, None where one of both is not defined."""
    if np.isnan(outcome.recall) or np.isnan(outcome.precision):
        return None
    return place_on(outcome.recall, outcome.precision)


def precision_places(curves):
    """Return the places of a curve of precision against recall."""
    whole = not np.isnan(curves.recall).any()
    return thinned(place_on(curves.recall, curves.precision)) if whole else np.zeros((0, 2))


def precision_shapes(places, place, own_places, own):
    """Return the drawing of precision against recall; see `precision_places` and `precision_place`."""
    shapes = axes_shapes("precision against recall", "recall: opacities found", [(0.5, "0.5"), (1, "1")])
    return marked(shapes + curve_lines(own_places, places), place, own)


def froc_share(false_marks):
    """Return the share of the FROC's axis, which is logarithmic, for false marks a film."""
    return np.log(np.clip(false_marks, FEWEST, MOST) / FEWEST) / np.log(MOST / FEWEST)


def froc_place(outcome, n_films):
    """Return where settings stand on the FROC, None without truth or films."""
    if np.isnan(outcome.recall) or not n_films:
        return None
    return place_on(froc_share(outcome.false_marks / n_films), outcome.recall)


def froc_places(curves):
    """Return the places of a FROC curve, in steps: what is found stays until a threshold finds more."""
    curve = curves.froc
    if np.isnan(curve.sensitivity).any() or np.isnan(curve.false_marks).any():
        return np.zeros((0, 2))
    places = thinned(place_on(froc_share(curve.false_marks), curve.sensitivity))
    corners = np.stack([places[:-1, 0], places[1:, 1]], axis=-1)
    stepped = np.empty((2 * len(places) - 1, 2))
    stepped[::2], stepped[1::2] = places, corners
    return stepped


def froc_shapes(places, place, own_places, own):
    """Return the drawing of the FROC."""
    ticks = [(float(froc_share(value)), f"{value:g}") for value in (0.01, 0.1, 1, 10)]
    shapes = axes_shapes("FROC: opacities found", "false marks a film", ticks)
    return marked(shapes + curve_lines(own_places, places), place, own)


def curve_lines(own_places, places):
    """Return the lines of the own curve, behind, and of the present one; a curve of no place is none."""
    lines = [line(own_places, "quiet", hint="with the network's own NMS")] if len(own_places) else []
    return lines + ([line(places, "line", hint="with the sliders' NMS")] if len(places) else [])
