"""Figures of lab 04: windows and padding, patches as a matrix, and the maps of a backbone and its pyramid."""

from __future__ import annotations

import numpy as np

from .style import BLUE, GREY, LABEL, MAPS, ORANGE, SMALL, TRUTH, VERMILION, draw_boxes, new_figure, plain_axes

SIGNED = "RdBu_r"  # blue below 0, red above, white at 0; alike to the colour-blind
WRITTEN = 20  # so many numbers of a map are written into its cells
DARK = 0.55  # of a colour scale, below which numbers are written in white


def channel_figure(name, expected, got):
    """Return a figure of the channel ``(H, W)`` in which two maps ``(..., H, W, C)`` differ most; None if shapes do."""
    if expected.shape != got.shape or expected.ndim < 3 or not expected.size:
        return None
    wrong = np.abs(np.nan_to_num(got.astype(np.float64), nan=np.inf) - expected)
    place = np.unravel_index(wrong.argmax(), wrong.shape)
    pick = place[:-3] + (slice(None), slice(None), place[-1])
    expected, got = expected[pick].astype(np.float64), got[pick].astype(np.float64)
    finite = np.concatenate([expected.ravel(), got[np.isfinite(got)]])
    figure = new_figure(
        "Where the numbers differ: " + f"{name} " * bool(name) + f"channel {place[-1]}", size=(9.0, 3.9)
    )
    for number, (title, values, low, high) in enumerate(
        (
            ("expected", expected, finite.min(), finite.max()),
            ("yours", got, finite.min(), finite.max()),
            ("difference", np.abs(got - expected), 0, None),
        )
    ):
        place = (0.03 + 0.325 * number, 0.2, 0.29, 0.56)
        axes = picture_axes(figure, place, values, title, cmap=MAPS, vmin=low, vmax=high)
        if values.size <= WRITTEN:
            numbers_on(axes, values)
        bar = figure.colorbar(
            axes.images[0], cax=figure.add_axes((place[0], 0.12, 0.29, 0.04)), orientation="horizontal"
        )
        bar.ax.tick_params(labelsize=SMALL)
        bar.ax.locator_params(nbins=4)
    return figure


def picture_axes(figure, place, picture, title, *, fontsize=LABEL, **options):
    """Return axes that show a picture without numbers on its sides."""
    axes = figure.add_axes(place)
    axes.imshow(picture, interpolation="nearest", **options)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=fontsize, loc="left")
    return axes


def numbers_on(axes, values):
    """Write the whole numbers of a matrix into its cells."""
    norm = axes.images[0].norm
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if norm(value) < DARK else "black"
        axes.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=SMALL, color=colour)


def responses_figure(grey, kernels, responses, names):
    """Return a figure of a film, and below each kernel ``(3, 3)`` what it answers, ``(H, W)``."""
    figure = new_figure("", size=(9.6, 4.6))
    picture_axes(figure, (0.02, 0.04, 0.3, 0.62), grey, "the film", cmap="gray", vmin=0, vmax=255)
    for place, (kernel, response, name) in enumerate(zip(kernels, responses, names)):
        left, top = 0.35 + 0.325 * place, float(np.percentile(np.abs(response), 99))
        axes = picture_axes(figure, (left, 0.04, 0.3, 0.62), response, name, cmap=SIGNED, vmin=-top, vmax=top)
        axes = figure.add_axes((left + 0.075, 0.75, 0.15, 0.23))
        axes.imshow(kernel, cmap="gray", vmin=-6, vmax=6)
        numbers_on(axes, kernel)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def padding_figure(length, window, stride, paddings):
    """Return a figure of where windows lie on an axis, a row for each ``name: (before, after)``."""
    figure = new_figure("", size=(9.6, 1.9 * len(paddings) + 0.3))
    most = max(max(pair) for pair in paddings.values())
    for row, (name, (before, after)) in enumerate(paddings.items()):
        axes = figure.add_axes((0.02, 1 - (row + 0.93) / len(paddings), 0.96, 0.78 / len(paddings)))
        axes.set_xlim(-most - 0.6, length + most + 0.6)
        axes.set_ylim(-2.3, 1.6)
        axes.set_axis_off()
        for pixel in range(-before, length + after):
            inside = 0 <= pixel < length
            axes.bar(pixel, 1, 0.92, color="white" if inside else GREY, edgecolor="black", hatch="" if inside else "//")
            axes.text(pixel, 0.5, str(pixel) if inside else "0", ha="center", va="center", fontsize=LABEL,
                      bbox=None if inside else {"color": "white", "pad": 1})  # fmt: skip
        for number, start in enumerate(range(-before, length + after - window + 1, stride)):
            y, colour = -0.45 - 0.75 * (number % 2), (BLUE, ORANGE)[number % 2]
            axes.plot([start - 0.4, start + window - 0.6], [y, y], color=colour, linewidth=5, solid_capstyle="butt")
            axes.text(start - 0.35, y - 0.28, f"window {number}", fontsize=SMALL, va="top", color="black")
        axes.text(-most - 0.5, 1.2, name, fontsize=LABEL, va="bottom")
    return figure


def patches_figure(feature, matrix):
    """Return a figure of a small map ``(H, W)`` and the matrix of its windows ``(N, kh * kw)``, with numbers."""
    figure = new_figure("", size=(8.0, 4.6))
    for place, values, title in (
        ((0.03, 0.2, 0.4, 0.6), feature, "the map"),
        ((0.55, 0.04, 0.4, 0.86), matrix, "its windows, a row each"),
    ):
        numbers_on(picture_axes(figure, place, values, title, cmap=MAPS), values)
    return figure


def tiles_figure(pictures, *, columns, title, signed=False, side=1.12):
    """Return a figure of many small maps ``(N, h, w)``, each with its own scale and its number."""
    rows = -(-len(pictures) // columns)
    figure = new_figure("", size=(side * columns + 0.1, (side + 0.26) * rows + 0.45))
    width, height = figure.get_size_inches()
    figure.text(0.01, 0.99, title, fontsize=LABEL, va="top")
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        place = ((side * column + 0.08) / width, 1 - (0.45 + (side + 0.26) * (row + 1) - 0.06) / height)
        top = float(np.abs(picture).max()) or 1.0
        limits = {"cmap": SIGNED, "vmin": -top, "vmax": top} if signed else {"cmap": MAPS}
        axes = figure.add_axes((*place, (side - 0.12) / width, (side - 0.12) / height))
        axes.imshow(picture, interpolation="nearest", **limits)
        axes.set_axis_off()
        axes.set_title(str(number), fontsize=SMALL, pad=2)
    return figure


def statistics_figure(recorded, films):
    """Return a figure of recorded means and spreads of channels beside the means of some films.

    Parameters
    ----------
    recorded : pair of ndarrays of shape (C,)
        Mean and standard deviation.
    films : ndarray of shape (F, C)
        Means of each film.
    """
    figure = new_figure("", size=(9.0, 4.0))
    axes = figure.add_axes((0.1, 0.16, 0.87, 0.66))
    channels = np.arange(len(recorded[0]))
    axes.bar(channels, 2 * recorded[1], 0.7, bottom=recorded[0] - recorded[1], color="#DDDDDD", edgecolor=GREY,
             label="recorded mean and one standard deviation to both sides")  # fmt: skip
    axes.use_sticky_edges = False
    axes.plot(channels, recorded[0], "_", color="black", markersize=15, markeredgewidth=2)
    for film in films:
        axes.plot(channels, film, "o", color=VERMILION, markersize=4, alpha=0.6, label="mean of one film")
    plain_axes(axes, x="channel of the first convolution", y="value")
    axes.set_xticks(channels)
    handles, labels = axes.get_legend_handles_labels()
    picked = [labels.index(name) for name in dict.fromkeys(labels)]
    figure.legend([handles[number] for number in picked], [labels[number] for number in picked], loc="upper left",
                  bbox_to_anchor=(0.09, 1.0), fontsize=SMALL, frameon=False, ncol=2)  # fmt: skip
    return figure


def energy(feature):
    """Return how strong a map ``(H, W, C)`` is at each place: the root of the mean square over its channels."""
    return np.sqrt(np.mean(np.square(np.asarray(feature, np.float64)), axis=-1))


def levels_figure(grey, levels, truth):
    """Return a figure of a film and the strength of each of its maps, all at one size, with the truth on them.

    Parameters
    ----------
    grey : ndarray of shape (H, W), uint8
    levels : dict of str to ndarray of shape (h, w, C)
    truth : ndarray of shape (N, 4)
        Pixels of the network input.
    """
    n, height = len(levels) + 1, 10.0 / (len(levels) + 1) + 0.85  # inches
    figure = new_figure("", size=(10.0, height))
    width, size = 1 / n, len(grey)
    places = [(0.005 + width * number, 0.02, 0.94 * width, 9.4 * width / height) for number in range(n)]
    axes = picture_axes(figure, places[0], grey, "the film", fontsize=SMALL, cmap="gray", vmin=0, vmax=255)
    draw_boxes(axes, truth, TRUTH)
    for place, (name, level) in zip(places[1:], levels.items()):
        sides = " x ".join(map(str, level.shape))
        title = f"{name.upper()}\n{sides}\n{size // len(level)} pixels a cell"
        whole = (-0.5, size - 0.5, size - 0.5, -0.5)
        axes = picture_axes(figure, place, energy(level), title, fontsize=SMALL, cmap=MAPS, extent=whole)
        draw_boxes(axes, truth, dict(TRUTH, edgecolor="white"))
    return figure
