"""The drawings and words of the bench for RoIAlign, from the numbers of `panel_roi_align_numbers`.

Boxes and points come in pixels of the network input here.
"""

from __future__ import annotations

from html import escape

import numpy as np

from .panel_roi_align_numbers import colours_of, largest_difference, rounded_box
from .shapes import box as box_shape
from .shapes import cell, line, point, text


def map_shapes(box, place, near, *, stride, output_size, axes, origin=(0.0, 0.0)):
    """Return what is drawn over the map: bins, sampling points, RoIPool's box, the chosen point and the box.

    Parameters
    ----------
    box : (y1, x1, y2, x2)
        Pixels of the input.
    place : (y, x)
        The chosen point, pixels of the input.
    near : Neighbours
        Of it.
    stride : (y, x)
        Pixels of the input for a cell.
    output_size : int
    axes : pair of ndarrays
        Rows and columns of the sampling points, pixels of the input.
    origin : (y, x)
        Where the part of the input that is shown begins; shapes count from there.
    """
    stride, origin = np.asarray(stride, float), np.asarray(origin, float)
    hint = "the box, rows {:.1f} to {:.1f}, columns {:.1f} to {:.1f} of the input; arrow keys move it"
    hint = hint.format(box[0], box[2], box[1], box[3])
    whole = (rounded_box(np.asarray(box, float) / np.tile(stride, 2))) * np.tile(stride, 2) - np.tile(origin, 2)
    box, place, axes = box - np.tile(origin, 2), place - origin, [axes[0] - origin[0], axes[1] - origin[1]]
    y1, x1, y2, x2 = box
    shapes = [dict(box_shape(box, "axis"), width=5.0)]  # dark under bright: seen on every colour of the map
    for share in np.arange(1, output_size) / output_size:
        y, x = y1 + (y2 - y1) * share, x1 + (x2 - x1) * share
        shapes += [
            dict(line([(y, x1), (y, x2)], "truth"), width=1.0),
            dict(line([(y1, x), (y2, x)], "truth"), width=1.0),
        ]
    radius = 2.6 if len(axes[0]) <= 10 else 1.8
    shapes += [point((y, x), "other", radius=radius) for y in axes[0] for x in axes[1]]
    shapes.append(box_shape(whole, "other", label="RoIPool's"))
    for row, weights in zip(near.rows, near.weights):
        for column, weight in zip(near.columns, weights):
            middle = (np.array([row, column]) + 0.5) * stride - origin
            arm = dict(line([place, middle], "chosen"), width=1.5)
            shapes += [
                arm,
                point(middle, "axis", radius=3.5 + 4 * weight),
                point(middle, "chosen", radius=2 + 4 * weight),
            ]
    shapes += [point(place, "axis", radius=6.5), point(place, "chosen", radius=5)]
    return shapes + [dict(box_shape(box, "chosen", name="box", drag=True, hint=hint), width=2.5)]


def film_shapes(box, place, truth):
    """Return what is drawn over the film: the true boxes, the chosen point and the box."""
    shapes = [box_shape(each, "truth") for each in truth]
    shapes += [point(place, "axis", radius=5), point(place, "chosen", radius=4)]
    return shapes + [box_shape(box, "chosen", name="box", drag=True, hint="the box; arrow keys move it")]


def lens_shapes(near, limits, side):
    """Return the four neighbours of a point drawn large: colour, value x weight of each.

    ``side`` is the height and width of the drawing, pixels.
    """
    half, shapes = side / 2, []
    for i, row in enumerate(near.rows):
        for j, column in enumerate(near.columns):
            red, green, blue = (int(part) for part in colours_of(near.values[i, j], *limits))
            ink, at = ink_on((red, green, blue)), (half * i, half * j, half * (i + 1), half * (j + 1))
            shapes.append(cell(at, f"rgb({red},{green},{blue})", opacity=1.0))
            middle, top = half * (j + 0.5), 17 if i == 0 else side - 24  # away from the point
            words = f"{near.values[i, j]:.2f} x {near.weights[i, j]:.2f}"
            shapes.append(text((top, middle), f"row {row}, col {column}", anchor="middle", colour=ink))
            shapes.append(text((top + 17, middle), words, anchor="middle", colour=ink))
    shares = np.clip(
        [near.weights[1].sum(), near.weights[:, 1].sum()], 0, 1
    )  # from the upper left middle to the lower right
    at = half * (0.5 + shares)
    corners = [(half * (0.5 + i), half * (0.5 + j)) for i, j in ((0, 0), (0, 1), (1, 1), (1, 0), (0, 0))]
    shapes.append(line(corners, "quiet"))
    return shapes + [point(at, "axis", radius=7.5), point(at, "chosen", radius=6)]


def ink_on(colour):
    """Return "#000000" or "#ffffff", whichever is read better on a colour."""
    red, green, blue = (int(part) for part in colour)
    return "#000000" if 0.3 * red + 0.59 * green + 0.11 * blue > 120 else "#ffffff"


def grids_html(grids, limits, *, drawn=""):
    """Return grids of numbers side by side, in the map's colours, as HTML; ``drawn`` names the way that the map shows.

    One digit behind the point where there are many numbers, so that five grids of 7 x 7 fit on 1190 pixels.
    """
    sizes = sum(grid.shape[1] for grid in grids.values())
    tables = "".join(
        grid_html(name, grid, limits, 2 if sizes <= 30 else 1, name == drawn) for name, grid in grids.items()
    )
    return f'<div style="display:flex;gap:12px;align-items:flex-start;line-height:1.3">{tables}</div>'


def grid_html(name, grid, limits, digits, drawn):
    """Return one grid of numbers with its name."""
    numbers, rows = (np.round(grid.astype(float), digits) + 0.0).tolist(), []  # + 0.0: no "-0.0"
    for values, colours in zip(numbers, colours_of(grid, *limits).tolist()):
        cells = "".join(
            f'<td style="background:rgb({c[0]},{c[1]},{c[2]});color:{ink_on(c)}">{value:.{digits}f}</td>'
            for value, c in zip(values, colours)
        )
        rows.append(f"<tr>{cells}</tr>")
    title = f"<b>{escape(name)} (drawn)</b>" if drawn else escape(name)
    style = "font:13px sans-serif;text-align:right;border-collapse:collapse;font-variant-numeric:tabular-nums"
    return (
        f'<div><div style="font-size:13px;white-space:nowrap">{title}</div><table cellpadding="2" style="{style}" '
        f'aria-label="{escape(name, quote=True)}"><tbody>{"".join(rows)}</tbody></table></div>'
    )


def point_words(near, place, cells):
    """Return in words what a point reads; ``place`` in pixels of the input, ``cells`` the same in cells of the map."""
    terms = " + ".join(f"{w:.2f} x {v:.2f}" for w, v in zip(near.weights.ravel(), near.values.ravel()))
    where = f"Pixel ({place[0]:.1f}, {place[1]:.1f}) of the input is ({cells[0]:.2f}, {cells[1]:.2f}) on the map."
    return f"{where} Its value: {terms} = {near.value:.2f}"


def difference_words(grids, spread):
    """Return in words where two ways are furthest apart; ``spread`` is the standard deviation of the channel."""
    amount, (row, column), one, other = largest_difference(grids)
    if amount == 0:
        return "All ways give the same numbers here."
    told = f"Largest difference: {amount:.2f}, in row {row + 1}, column {column + 1}: "
    told += f"{grids[one][row, column]:.2f} by {one}, {grids[other][row, column]:.2f} by {other}."
    return told + (f" That is {amount / spread:.1f} standard deviations of this channel." if spread > 0 else "")
