"""Sheets of films: a contact sheet, two kinds side by side, and what each augmentation does."""

from __future__ import annotations

import math
import textwrap

import numpy as np

from mini_rcnn.data.augment import apply_step, boxes_of_masks

from .style import LABEL, PREDICTION, SMALL, TRUTH, draw_boxes, new_figure, number_of, say_empty

DRAWN = 360  # pixels: larger films are thinned to no less than this before they are drawn
MARGIN = 0.02  # of the page, on every side


def thinned(film):
    """Return ``(film, scale)``: a film of at most twice DRAWN pixels by whole-number averaging, drawn per original.

    >>> film, scale = thinned(np.full((1440, 1440), 7, dtype=np.uint8))
    >>> film.shape, scale
    ((360, 360), 0.25)
    """
    film = np.asarray(film)
    step = max(1, min(film.shape) // DRAWN)
    if step == 1:
        return film, 1.0
    height, width = (length // step for length in film.shape)
    blocks = film[: height * step, : width * step].reshape(height, step, width, step)
    return blocks.mean(axis=(1, 3)), 1 / step


def columns_for(n_films, *, width, height, caption):
    """Return how many columns let ``n_films`` squares, a caption above each, be largest on a page; lengths in inches.

    >>> columns_for(24, width=12.3, height=6.5, caption=0.25)
    8
    """

    def side(columns):
        return min(width / columns, height / math.ceil(n_films / columns) - caption)

    return max(range(1, n_films + 1), key=side)


def cells(figure, n_films, *, top=0.9, left=MARGIN, right=1 - MARGIN, columns=None, bottom=MARGIN, caption=0.27):
    """Return one axes for each film, in rows from the top left, inside a part of the figure."""
    page_width, page_height = figure.get_size_inches()
    width, height = (right - left) * page_width, (top - bottom) * page_height
    columns = columns or columns_for(n_films, width=width, height=height, caption=caption)
    rows = math.ceil(n_films / columns)
    side = min(width / columns, height / rows - caption)
    gap = 0.96  # of a cell's width that the film fills
    indent, drop = (width - side * min(columns, n_films)) / 2, (height - rows * (side + caption)) / 2
    axes = []
    for index in range(n_films):
        row, column = divmod(index, columns)
        x = left + (indent + side * column) / page_width
        y = top - (drop + (row + 1) * (side + caption)) / page_height
        axes.append(figure.add_axes([x, y, gap * side / page_width, gap * side / page_height]))
    return axes


def draw_film(axes, film, boxes=(), *, predicted=(), title=None, lines=1):
    """Draw one film with its boxes, truth solid and prediction dashed, and a title of so many lines above."""
    shown, scale = thinned(film)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="bilinear")
    draw_boxes(axes, boxes, TRUTH, scale=scale)
    draw_boxes(axes, predicted, PREDICTION, scale=scale)
    axes.set_xticks([])
    axes.set_yticks([])
    if title:
        inches = axes.get_position().width * axes.figure.get_size_inches()[0]
        axes.set_title(fitted(title, inches, lines=lines), fontsize=SMALL, pad=3)


def fitted(text, inches, *, lines):
    """Return a text cut into lines no wider than so many inches in the smallest size, and after so many lines ended.

    >>> print(fitted("Lung Opacity, 2 boxes", 1.0, lines=2))
    Lung Opacity,
    2 boxes
    >>> fitted("Lung Opacity, 2 boxes", 1.0, lines=1)
    'Lung Opacity…'
    """
    n_letters = max(8, int(inches * 72 / (0.48 * SMALL)))
    parts = [part for line in text.split("\n") for part in textwrap.wrap(line, n_letters) or [""]]
    return "\n".join(parts if len(parts) <= lines else [*parts[: lines - 1], parts[lines - 1].rstrip(",. ") + "…"])


def matching(name, values, films):
    """Return one value for each film, or empty ones where none are given."""
    values = [()] * len(films) if values is None else list(values)
    if len(values) != len(films):
        raise ValueError(f"{name} must have one entry for each film, got {len(values)} for {len(films)}")
    return values


def contact_sheet(films, boxes=None, titles=None, *, predicted=None, title=None, columns=None):
    """Return a figure of many films with their boxes.

    Parameters
    ----------
    films : sequence of ndarrays (H, W), uint8
        None of them is normal.
    boxes : sequence of ndarrays (N, 4), optional
        The truth, ``(y1, x1, y2, x2)`` in pixels of the film; drawn solid.
    titles : sequence of str, optional
        One for each film; one line, what does not fit is cut.
    predicted : sequence of ndarrays (N, 4), optional
        Drawn dashed.
    title : str, optional
        "24 films, 17 boxes" by default.
    columns : int, optional
        As many as make the films largest by default.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If boxes, titles or predictions are not as many as films.

    Examples
    --------
    >>> len(contact_sheet([np.zeros((8, 8), dtype=np.uint8)] * 3).axes)
    3
    """
    films = list(films)
    boxes, predicted = matching("boxes", boxes, films), matching("predicted", predicted, films)
    titles = matching("titles", titles, films)
    figure = new_figure(title or f"{number_of(len(films), 'film')}, {number_of(sum(map(len, boxes)), 'box')}")
    if not films:
        say_empty(figure.add_axes([0, 0, 1, 0.9]), "no films")
    for axes, film, truth, guess, name in zip(
        cells(figure, len(films), columns=columns) if films else (), films, boxes, predicted, titles
    ):
        draw_film(axes, film, truth, predicted=guess, title=name)
    return figure


def side_by_side(left_films, right_films, *, left_boxes=None, right_boxes=None, names=("left", "right"), title=None):
    """Return a figure of two kinds of films, each on its half of the page.

    Parameters
    ----------
    left_films, right_films : sequences of ndarrays (H, W), uint8
    left_boxes, right_boxes : sequences of ndarrays (N, 4), optional
    names : (str, str)
        Written above the halves.
    title : str, optional

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> film = np.zeros((8, 8), dtype=np.uint8)
    >>> len(side_by_side([film] * 4, [film] * 4, names=("phantoms", "real")).axes)
    8
    """
    figure = new_figure(title or f"{len(left_films)} {names[0]} beside {len(right_films)} {names[1]}")
    halves = ((left_films, left_boxes, names[0], 0.02, 0.49), (right_films, right_boxes, names[1], 0.51, 0.98))
    for films, boxes, name, left, right in halves:
        figure.text(left, 0.89, name, fontsize=LABEL, va="top")
        films = list(films)
        boxes = matching(f"boxes of {name}", boxes, films)
        if not films:
            say_empty(figure.add_axes([left, 0, right - left, 0.8]), "no films")
            continue
        for axes, film, truth in zip(
            cells(figure, len(films), top=0.84, left=left, right=right, caption=0.06), films, boxes
        ):
            draw_film(axes, film, truth)
    return figure


def step_text(step):
    """Return what a step does, short, with its numbers.

    >>> from mini_rcnn.data.augment import Step
    >>> step_text(Step("brightness", {"factor": 1.15}))
    'brightness 1.15'
    """
    if step.name == "piecewise_affine":
        return f"piecewise affine,\noffsets to {100 * np.abs(step.values['offsets']).max():.1f} %"
    if step.name == "affine":
        values = {"scale": (1, 1), "shift": (0, 0), "rotate": 0, "shear": 0, **step.values}
        (scale_y, scale_x), (shift_y, shift_x) = values["scale"], np.round(100 * np.array(values["shift"])) + 0.0
        turn, lean = np.round([values["rotate"], values["shear"]], 1) + 0.0
        shifts = f"shift {shift_x:.0f} %, {shift_y:.0f} %"
        return f"affine, x {scale_x:.2f}, y {scale_y:.2f}\n{shifts}\nturn {turn:.1f}°, shear {lean:.1f}°"
    return " ".join([step.name] + [f"{value:.2f}" for value in step.values.values()])


def augmentation_sheet(film, masks, steps, *, title=None):
    r"""Return a figure of one film and what each step makes of it, its boxes following.

    Parameters
    ----------
    film : ndarray of shape (H, W), uint8
    masks : ndarray of shape (N, H, W), bool
    steps : sequence of mini_rcnn.data.augment.Step
        Each is applied to the film by itself.
    title : str, optional

    Returns
    -------
    figure : matplotlib.figure.Figure
        The film, then each step's. Its caption says what was done and how many of all pixels changed.

    Examples
    --------
    >>> from mini_rcnn.data.augment import Step
    >>> film, masks = np.full((8, 8), 9, dtype=np.uint8), np.zeros((0, 8, 8), dtype=bool)
    >>> figure = augmentation_sheet(film, masks, [Step("blur", {"sigma": 0.12})])
    >>> figure.axes[1].get_title()
    'blur 0.12\n0 % changed'
    """
    steps = list(steps)
    figure = new_figure(title or f"One film and {len(steps)} augmentations; how many of its pixels each changed")
    axes = cells(figure, len(steps) + 1, caption=0.8, top=0.93)
    draw_film(axes[0], film, boxes_of_masks(masks), title="the film", lines=4)
    for place, step in zip(axes[1:], steps):
        new_film, new_masks = apply_step(step, film, masks)
        changed = 100 * np.mean(new_film != film)
        text = f"{step_text(step)}\n{changed:.{0 if changed in (0, 100) else 1}f} % changed"
        draw_film(place, new_film, boxes_of_masks(new_masks), title=text, lines=4)
    return figure
