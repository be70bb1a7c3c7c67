"""Whether drawn films are like real ones: what both come to in numbers, and how far apart chance alone sets them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..contradictions import CLASSES
from .phantom_measures import GREY_QUANTILES

BOX_QUANTILES = (10, 50, 90)  # percent of the boxes
HISTOGRAM_EDGES = {  # of figures: what lies beyond is counted in the first or last bin
    "width": np.arange(0, 501, 25),  # pixels
    "height": np.arange(0, 901, 50),  # pixels
    "contrast": np.arange(-52, 37, 4),  # grey levels
}
PLACE_CELLS = 16  # rows and columns of the grid that counts the boxes' centres
SUBSAMPLE = 20  # films of a class, or positive films, in the real subsamples whose scatter sets the limits
SCATTERS = 2.0  # standard deviations among such subsamples that chance is allowed
# What a drawing may be off beside chance, by the first word of a quantity's name: about half of what single real films
# of one class differ by (their standard deviation), and for boxes a tenth of the range of their sides and places.
ALLOWANCES = {
    "grey": 12.0,  # grey levels
    "histogram": 0.08,  # share of the pixels
    "texture": 0.3,  # grey levels
    "spectrum": 0.25,  # powers of the frequency
    "contrast": 5.0,  # grey levels
    "box": 20.0,  # pixels
    "place": 25.0,  # pixels
    "share": 0.06,  # of the boxes
    "boxes": 0.1,  # boxes a positive film
}


class Row(NamedTuple):
    """One quantity beside its reference."""

    quantity: str
    real: float
    drawn: float
    difference: float  # drawn - real; for histograms the share of the pixels that lie elsewhere
    limit: float  # what the difference may be at most, either way

    def fits(self):
        """Return whether the difference keeps within the limit; one that is no number does not."""
        return bool(abs(self.difference) <= self.limit)


def film_values(films):
    """Return ``{quantity: value}`` of the grey levels and texture of measured films, class by class."""
    values = {}
    for name in CLASSES:
        of_class = [film for film in films if film.class_name == name]
        if not of_class:
            continue
        grey, texture = (np.array([getattr(film, what) for film in of_class]) for what in ("grey", "texture"))
        for percent, value in zip(GREY_QUANTILES, grey.mean(axis=0)):
            values[f"grey {percent} % | {name}"] = value
        values[f"grey spread of the median | {name}"] = grey[:, GREY_QUANTILES.index(50)].std()
        values[f"texture fine | {name}"], values[f"texture coarse | {name}"] = texture.mean(axis=0)
        values[f"spectrum slope | {name}"] = np.mean([film.slope for film in of_class])
    return values


def quantile_values(prefix, numbers):
    """Return ``{quantity: value}`` of the quantiles of some numbers, NaN where there are none."""
    found = np.percentile(numbers, BOX_QUANTILES) if len(numbers) else np.full(len(BOX_QUANTILES), np.nan)
    return {f"{prefix} {percent} %": value for percent, value in zip(BOX_QUANTILES, found)}


def box_values(boxes_of_films, *, width=1024):
    """Return ``{quantity: value}`` of the boxes of films.

    Parameters
    ----------
    boxes_of_films : list of ndarrays of shape (N, 4)
        One array a film, ``(y1, x1, y2, x2)``; films without boxes may be among them and do not count.
    width : int, default 1024
        Of the films, pixels.
    """
    positive = [boxes for boxes in boxes_of_films if len(boxes)]
    boxes = np.concatenate([np.zeros((0, 4)), *positive])
    high, wide = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    y, x = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    values = {"boxes a positive film": len(boxes) / len(positive) if positive else np.nan}
    values["share of boxes at the picture's left"] = np.mean(x < width / 2) if len(boxes) else np.nan
    for prefix, numbers in (
        ("box width", wide),
        ("box height", high),
        ("box side (root of the area)", (high * wide) ** 0.5),
    ):
        values.update(quantile_values(prefix, numbers))
    for side, chosen in (("left", x < width / 2), ("right", x >= width / 2)):
        values.update(quantile_values(f"place y, {side}", y[chosen]))
        values.update(quantile_values(f"place x, {side}", x[chosen]))
    return values


def contrast_values(films):
    """Return ``{quantity: value}`` of the boxes' contrasts."""
    contrasts = np.concatenate([np.zeros(0), *(film.contrasts for film in films)])
    contrasts = contrasts[~np.isnan(contrasts)]
    return {**quantile_values("contrast", contrasts), "contrast mean": contrasts.mean() if len(contrasts) else np.nan}


def mean_histograms(films):
    """Return ``{class: (BINS,) float64}``, the mean histogram of each class's films."""
    found = {}
    for name in CLASSES:
        of_class = [film.histogram for film in films if film.class_name == name]
        if of_class:
            found[name] = np.mean(of_class, axis=0)
    return found


def histogram_distance(one, other):
    """Return which share of the pixels would have to change its bin, in [0, 1].

    >>> float(histogram_distance(np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.0, 0.5])))
    0.5
    """
    return 0.5 * np.abs(np.asarray(one) - np.asarray(other)).sum()


def box_histograms(films, boxes_of_films, *, size=1024):
    """Return how boxes are spread, as shares of all of them, for figures.

    Parameters
    ----------
    films : list of FilmMeasures
        Their contrasts are taken.
    boxes_of_films : list of ndarrays of shape (N, 4)
    size : int, default 1024
        Side of the films, pixels.

    Returns
    -------
    histograms : dict
        ``width``, ``height`` and ``contrast`` over `HISTOGRAM_EDGES`, (bins,), and ``place`` of the centres over a
        grid of `PLACE_CELLS` rows and columns.
    """
    boxes = np.concatenate([np.zeros((0, 4)), *boxes_of_films])
    numbers = {
        "width": boxes[:, 3] - boxes[:, 1],
        "height": boxes[:, 2] - boxes[:, 0],
        "contrast": np.concatenate([np.zeros(0), *(film.contrasts for film in films)]),
    }
    found = {}
    for name, edges in HISTOGRAM_EDGES.items():
        values = numbers[name][~np.isnan(numbers[name])]
        found[name] = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(1, len(values))
    y, x = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    found["place"] = np.histogram2d(y, x, PLACE_CELLS, [(0, size), (0, size)])[0] / max(1, len(boxes))
    return found


def all_values(films, boxes_of_films):
    """Return ``{quantity: value}`` of everything that is one number: of films, and of boxes from wherever they are."""
    return {**film_values(films), **contrast_values(films), **box_values(boxes_of_films)}


def subsample(items, rng):
    """Return `SUBSAMPLE` of the items, drawn with replacement."""
    return [items[i] for i in rng.integers(0, len(items), SUBSAMPLE)]


def make_reference(films, boxes_of_films=None, *, seed=0, draws=300):
    """Return what drawn films are held against: the values of real ones, and how far real subsamples lie from them.

    Parameters
    ----------
    films : list of FilmMeasures
        Real films of all three classes.
    boxes_of_films : list of ndarrays of shape (N, 4), optional
        Boxes of more films than those whose pixels are there; those of ``films`` by default.
    seed : int
    draws : int, default 300
        Subsamples of `SUBSAMPLE` films a class, and as many positive films, drawn with replacement.

    Returns
    -------
    reference : dict
        ``values`` and ``scatter`` (a standard deviation) by quantity, ``histograms`` and ``histogram_scatter`` (the
        mean share of pixels that lie elsewhere) by class, ``boxes`` as of `box_histograms`. Fit for JSON; what the
        films do not have is left out.
    """
    rng = np.random.default_rng(seed)
    positive = [boxes for boxes in boxes_of_films or [film.boxes for film in films] if len(boxes)]
    by_class = [[film for film in films if film.class_name == name] for name in CLASSES]
    histograms, found, distances = mean_histograms(films), [], []
    for _ in range(draws):
        chosen = [film for of_class in by_class for film in subsample(of_class, rng)]
        found.append(all_values(chosen, subsample(positive, rng)))
        drawn = mean_histograms(chosen)
        distances.append([histogram_distance(drawn[name], histograms[name]) for name in CLASSES])
    values = {name: float(value) for name, value in all_values(films, positive).items() if np.isfinite(value)}
    return {
        "values": values,
        "scatter": {name: float(np.nanstd([one[name] for one in found])) for name in values},
        "histograms": {name: histogram.tolist() for name, histogram in histograms.items()},
        "histogram_scatter": dict(zip(CLASSES, np.mean(distances, axis=0).tolist())),
        "boxes": {name: histogram.tolist() for name, histogram in box_histograms(films, positive).items()},
    }


def compare(reference, films):
    """Hold measured films against a reference.

    Parameters
    ----------
    reference : dict
        As `make_reference` returns it, or read back from JSON.
    films : list of FilmMeasures
        At least `SUBSAMPLE` of each class, or chance alone may exceed the limits.

    Returns
    -------
    rows : list of Row
        One a quantity of the reference; a quantity that the films do not have is NaN and fits no limit.

    Notes
    -----
    A limit is ``SCATTERS`` times the scatter of real subsamples of `SUBSAMPLE` films, which is what chance does, and
    the allowance of the quantity, which is how far a drawing may be off.
    """
    values, rows = all_values(films, [film.boxes for film in films]), []
    for name, real in reference["values"].items():
        limit = SCATTERS * reference["scatter"][name] + ALLOWANCES[name.split()[0]]
        value = float(values.get(name, np.nan))
        rows.append(Row(name, real, value, value - real, limit))
    histograms = mean_histograms(films)
    for name, real in reference["histograms"].items():
        distance = float(histogram_distance(histograms.get(name, np.nan), real))
        limit = SCATTERS * reference["histogram_scatter"][name] + ALLOWANCES["histogram"]
        rows.append(Row(f"histogram | {name}", 0.0, distance, distance, limit))
    return rows
