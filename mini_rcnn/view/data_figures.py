"""What the data are, as charts: classes, boxes per image, box sizes and places, and who the patients are."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import FuncFormatter

from .style import (
    BLUE,
    GREY,
    LABEL,
    MAPS,
    SERIES,
    SMALL,
    VERMILION,
    new_figure,
    number_of,
    plain_axes,
    say_empty,
)

MEDIAN = {"fontsize": LABEL, "color": VERMILION, "weight": "bold"}
THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")


def bar_pairs(axes, names, images, rows):
    """Draw two bars, images and rows, for each name, with its number above; return the two containers."""
    places, containers = np.arange(len(names)), []
    highest = max([1, *images, *rows])
    for series, values in enumerate((images, rows)):
        colour, hatch = SERIES[series]
        label = ("images", "rows of the labels")[series]
        x = places + 0.4 * (series - 0.5)
        bars = axes.bar(x, values, 0.38, color=colour, hatch=hatch, edgecolor="white", linewidth=0, label=label)
        for place, value in zip(x, values):
            axes.text(place, value + 0.012 * highest, f"{value:,}", ha="center", fontsize=LABEL)
        containers.append(bars)
    axes.set_xticks(places)
    axes.set_xticklabels(names)
    axes.set_ylim(0, 1.12 * highest)
    axes.yaxis.set_major_formatter(THOUSANDS)
    axes.legend(fontsize=LABEL, frameon=False, loc="upper right")
    return containers


def same_length(**columns):
    """Raise ValueError unless all columns have as many entries."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError("all must have the same length, got " + ", ".join(f"{k} {n}" for k, n in lengths.items()))


def class_chart(names, images, rows):
    """Return a bar chart of the classes: images, and rows of the labels table.

    Parameters
    ----------
    names : sequence of K str
    images, rows : sequences of K int

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the three are not of one length.

    Examples
    --------
    >>> figure = class_chart(["Normal", "Lung Opacity"], [8851, 6012], [8851, 9555])
    >>> [int(bar.get_height()) for bar in figure.axes[0].patches]
    [8851, 6012, 8851, 9555]
    """
    same_length(names=names, images=images, rows=rows)
    figure = new_figure(f"{sum(images):,} images, {sum(rows):,} rows: a film with three boxes has three rows")
    axes = figure.add_axes([0.09, 0.09, 0.88, 0.78])
    if not len(names):
        say_empty(axes, "no images")
        return figure
    bar_pairs(axes, names, images, rows)
    plain_axes(axes, y="how many")
    axes.tick_params(axis="x", labelsize=LABEL)
    axes.legend(fontsize=LABEL, frameon=False, loc="upper left", bbox_to_anchor=(0, 1.08), ncol=2)
    return figure


def boxes_per_image_chart(how_many, images, rows):
    """Return a bar chart of how many images have so many boxes, beside how many have so many rows in the labels.

    Parameters
    ----------
    how_many : sequence of K int
        Numbers of boxes, or of rows.
    images, rows : sequences of K int
        Images with so many boxes; images with so many rows.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Its title says what the count of rows hides: an image without a box has one row, as one with a single box.

    Raises
    ------
    ValueError
        If the three are not of one length.

    Examples
    --------
    >>> figure = boxes_per_image_chart([0, 1, 2], [20672, 2614, 3266], [0, 23286, 3266])
    >>> print(figure.texts[0].get_text())
    23,286 images have one row: 20,672 of them no box, 2,614 one box
    """
    same_length(how_many=how_many, images=images, rows=rows)
    by_number = {number: (boxes, of_rows) for number, boxes, of_rows in zip(how_many, images, rows)}
    none, (one, one_row) = by_number.get(0, (0, 0))[0], by_number.get(1, (0, 0))
    title = f"{one_row:,} images have one row: {none:,} of them no box, {one:,} one box"
    figure = new_figure(title if by_number else "0 images")
    axes = figure.add_axes([0.09, 0.11, 0.88, 0.76])
    if not by_number:
        say_empty(axes, "no images")
        return figure
    _, row_bars = bar_pairs(axes, [str(number) for number in how_many], images, rows)
    row_bars.set_label("images with so many rows")
    axes.containers[0].set_label("images with so many boxes")
    plain_axes(axes, x="boxes, or rows, of an image", y="images")
    axes.tick_params(axis="x", labelsize=LABEL)
    axes.legend(fontsize=LABEL, frameon=False, loc="upper right")
    return figure


def box_size_chart(boxes, *, image_size=1024):
    """Return a figure of box sizes: width against height, and how much of the image a box covers.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in pixels.
    image_size : int, default 1024
        Side of the image, pixels.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The title has the medians.

    Examples
    --------
    >>> figure = box_size_chart(np.array([[0.0, 0, 300, 200]]))
    >>> print(figure.texts[0].get_text())
    1 box: median 200 wide and 300 high, 5.7 % of the image
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    share = 100 * height * width / image_size**2
    if not len(boxes):
        figure = new_figure("0 boxes")
        say_empty(figure.add_axes([0, 0, 1, 0.9]), "no boxes")
        return figure
    medians = np.median(width), np.median(height), np.median(share)
    figure = new_figure(
        f"{number_of(len(boxes), 'box')}: median {medians[0]:.0f} wide and {medians[1]:.0f} high, "
        f"{medians[2]:.1f} % of the image"
    )
    draw_sizes(figure.add_axes([0.075, 0.11, 0.4, 0.74]), width, height)
    draw_shares(figure.add_axes([0.57, 0.11, 0.41, 0.74]), share)
    return figure


def draw_sizes(axes, width, height):
    """Draw a dot for each box, wide and high, with the line of the squares and a cross at the medians."""
    axes.scatter(width, height, s=14, color=BLUE, alpha=min(0.7, max(0.12, 60 / len(width))), linewidths=0)
    edge = 1.05 * max(width.max(), height.max())
    axes.plot([0, edge], [0, edge], color=GREY, linestyle=":", linewidth=1.5)
    axes.text(0.86 * edge, 0.88 * edge, "square", fontsize=SMALL, ha="right", color="#555555")
    middle = np.median(width), np.median(height)
    axes.plot(*middle, marker="P", color=VERMILION, markersize=15, markeredgecolor="white")
    below = axes.annotate("median", middle, (0, -26), textcoords="offset points", ha="center", **MEDIAN)
    below.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85})
    axes.set(xlim=(0, edge), ylim=(0, edge))
    plain_axes(axes, x="width, pixels", y="height, pixels", title="each box")


def draw_shares(axes, share):
    """Draw how many boxes cover so many percent of the image, one bar for each percent."""
    axes.hist(share, bins=np.arange(0, np.ceil(share.max()) + 2), color=BLUE, edgecolor="white")
    axes.axvline(np.median(share), color=VERMILION, linestyle="--", linewidth=2)
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    top = (np.median(share), 0.97)
    axes.annotate("median", top, (5, 0), ("data", "axes fraction"), "offset points", va="top", **MEDIAN)
    axes.yaxis.set_major_formatter(THOUSANDS)
    plain_axes(axes, x="area, % of the image", y="boxes", title="share of the image")


def box_place_map(density, *, n_boxes, image_size=1024):
    """Return a heat map of where boxes lie on the film.

    Parameters
    ----------
    density : ndarray of shape (G, G), float
        The share of all boxes that covers each cell, in [0, 1]; see `mini_rcnn.data.tables.box_density`.
    n_boxes : int
    image_size : int, default 1024
        Side of the film, pixels.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The film's frame, its midline and its thirds; no lungs are drawn in: the boxes show them.
    """
    density = np.asarray(density, dtype=np.float64)
    figure = new_figure(
        f"Where {number_of(n_boxes, 'box')} lie: {100 * density.max():.0f} % of them cover the brightest place"
    )
    if not n_boxes:
        say_empty(figure.add_axes([0, 0, 1, 0.9]), "no boxes")
        return figure
    axes = figure.add_axes([0.23, 0.09, 0.45, 0.8])
    frame = (0, image_size, image_size, 0)
    picture = axes.imshow(100 * density, cmap=MAPS, extent=frame, vmin=0, interpolation="nearest")
    axes.axvline(image_size / 2, color="white", linestyle=":", linewidth=1.5)
    for third in (1, 2):
        axes.axhline(third * image_size / 3, color="white", linestyle=":", linewidth=1.5)
    for place, side in ((0.25, "patient's right"), (0.75, "patient's left")):
        axes.text(place * image_size, 0.04 * image_size, side, ha="center", va="center", color="white", fontsize=LABEL)
    axes.tick_params(labelsize=SMALL)
    ticks = np.linspace(0, image_size, 5)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set_xlabel("x, pixels", fontsize=LABEL)
    axes.set_ylabel("y, pixels", fontsize=LABEL)
    bar = figure.colorbar(picture, cax=figure.add_axes([0.71, 0.09, 0.02, 0.8]))
    bar.set_label("boxes that cover the place, %", fontsize=LABEL)
    bar.ax.tick_params(labelsize=SMALL)
    return figure
