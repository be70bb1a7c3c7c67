"""RoIAlign: the features under a box, as a small grid of fixed size, whatever the box's size and place.

The steps of the paper, each a function: a box is cut into bins (`bin_edges`), each bin gets sampling points
(`sampling_points_1d`), a point takes its value from the four features around it (`neighbours_1d`, `sample_grid`), and
the points of a bin are pooled (`pool_bins`). `roi_align` does all four; `crop_and_resize` is what Matterport's layer
does instead, with one point a bin.

All boxes here lie in feature pixels, continuous: cell i reaches from i to i + 1, and its value stands at i + 0.5.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ._check import boxes_array, number_array, one_of, shaped, size_pair, whole_number

LEVELS = ("p2", "p3", "p4", "p5")  # what boxes are pooled from; P6 is for anchors alone (FPN, section 4.1)
CANONICAL_SIZE = 224  # a box of this side goes to P4 (FPN, equation 1: the size of ImageNet's pictures)
CHUNK = 16  # boxes sampled at a time, so that the work stays in the processor's cache


def bin_edges(starts, ends, n_bins):
    """Return where the bins of each box begin and end along one axis, without rounding.

    >>> bin_edges(np.array([1.0]), np.array([2.5]), 3)
    array([[1. , 1.5, 2. , 2.5]])
    """
    return starts[:, None] + (ends - starts)[:, None] * (np.arange(n_bins + 1) / n_bins)  # (N, n_bins + 1)


def sampling_points_1d(starts, ends, n_bins, *, sampling_points=2, placement="thirds"):
    """Return the sampling points of each bin of each box along one axis.

    Parameters
    ----------
    starts, ends : ndarray of shape (N,), float
        Where each box begins and ends, feature pixels.
    n_bins : int
        Bins the box is cut into.
    sampling_points : int
        Points a bin, along this axis.
    placement : {"thirds", "centres"}
        "thirds" cuts a bin at ``(i + 1) / (n + 1)``: at 1/3 and 2/3 for two points. "centres" takes
        ``(i + 0.5) / n``: 1/4 and 3/4, the middle of each of n equal parts.

    Returns
    -------
    points : ndarray of shape (N, n_bins, sampling_points)
        Continuous feature pixels.

    Notes
    -----
    A box is cut into bins of equal length ``(end - start) / n_bins``; bin b begins at ``start + b * length``. A point
    lies at the bin's beginning plus its fraction times the bin's length: point i of n has the same fraction in each
    bin. Nothing is rounded: Mask R-CNN, section 3 ("RoIAlign"). "centres" is torchvision's and detectron2's choice.
    Matterport has no bins, see `crop_and_resize`. A box without length has all its points in one place.

    Examples
    --------
    >>> sampling_points_1d(np.array([0.0]), np.array([6.0]), 2, placement="thirds")
    array([[[1., 2.],
            [4., 5.]]])
    >>> sampling_points_1d(np.array([0.0]), np.array([8.0]), 2, placement="centres")
    array([[[1., 3.],
            [5., 7.]]])
    """
    steps = np.arange(sampling_points)
    thirds, centres = (steps + 1) / (sampling_points + 1), (steps + 0.5) / sampling_points
    fractions = thirds if one_of("placement", placement, ("thirds", "centres")) == "thirds" else centres
    edges = bin_edges(starts, ends, n_bins)
    lengths = (ends - starts) / n_bins
    return edges[:, :-1, None] + lengths[:, None, None] * fractions  # (N, n_bins, sampling_points)


def neighbours_1d(points, length):
    """Return the two cells beside each point along one axis, and their weights.

    Parameters
    ----------
    points : ndarray of any shape, float
        Continuous feature pixels.
    length : int
        Cells along this axis.

    Returns
    -------
    cells : ndarray of shape (..., 2), int64
        Lower and upper cell.
    weights : ndarray of shape (..., 2)
        They sum to 1, or to 0 for a point that lies outside the map by more than the notes allow.

    Notes
    -----
    The value of cell i stands at its middle, i + 0.5, so a point has the index ``t = point - 0.5`` among the values.
    The lower cell is ``floor(t)`` and the upper one the next, unless the map ends there: then it is the lower one
    again. The nearer a cell, the more it weighs: the upper one ``t - lower``, the lower one the rest.

    Outside: as long as ``-1 <= t <= length``, a point takes the value of the outermost cell, as if ``t`` were moved to
    0 or to ``length - 1``; so do torchvision and detectron2. Beyond, both weights are 0, and the cells are those of
    the moved ``t``. Matterport, by ``tf.image.crop_and_resize``, gives 0 wherever ``t`` lies outside
    [0, length - 1].

    Examples
    --------
    >>> cells, weights = neighbours_1d(np.array([2.75, 0.2, -9.0]), 8)
    >>> cells.tolist(), weights.tolist()
    ([[2, 3], [0, 1], [0, 1]], [[0.75, 0.25], [1.0, 0.0], [0.0, 0.0]])
    """
    index = points - 0.5  # a cell's value stands at its middle
    inside = (index >= -1) & (index <= length)
    index = np.clip(index, 0, length - 1)
    lower = np.floor(index).astype(np.int64)
    upper = np.minimum(lower + 1, length - 1)
    share = index - lower
    return np.stack([lower, upper], axis=-1), np.stack([1 - share, share], axis=-1) * inside[..., None]


def sample_grid(feature, rows, columns):
    """Return bilinear values where the rows cross the columns, for each box a grid of its own.

    Parameters
    ----------
    feature : ndarray of shape (H, W, C), float
    rows, columns : pair of ndarrays
        ``(cells, weights)`` of shape (N, h, 2) and (N, w, 2), from `neighbours_1d`.

    Returns
    -------
    values : ndarray of shape (N, h, w, C), the dtype of ``feature``

    Notes
    -----
    A value is the sum of four neighbours, each weighted by how near it is along y times how near along x.
    """
    n_rows, n_columns, n_channels = rows[0].shape[1], columns[0].shape[1], feature.shape[2]
    values = np.empty((len(rows[0]), n_rows, n_columns, n_channels), dtype=feature.dtype)

    def sample_chunk(start):
        part = slice(start, start + CHUNK)
        values[part] = weighted_neighbours(feature, *(array[part] for array in rows + columns))

    if len(values) <= CHUNK:  # threads cost more than one part's work
        sample_chunk(0)
        return values
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # NumPy lets go of Python's lock while it copies
        list(pool.map(sample_chunk, range(0, len(values), CHUNK)))
    return values


def weighted_neighbours(feature, row_cells, row_weights, column_cells, column_weights):
    """Return the bilinear value at each crossing of rows and columns, for each box a grid of its own.

    Parameters
    ----------
    feature : ndarray of shape (H, W, C), float
    row_cells, row_weights : ndarray of shape (N, h, 2)
        The two rows beside each of the h sampling points of each box, and their weights, from `neighbours_1d`.
    column_cells, column_weights : ndarray of shape (N, w, 2)
        The same along x.

    Returns
    -------
    values : ndarray of shape (N, h, w, C), the dtype of ``feature``

    Notes
    -----
    A crossing has four neighbours: two rows times two columns. Its value is their weighted sum, channel by channel,

        value[n, i, j] = sum over a, b of  row_weights[n, i, a] * column_weights[n, j, b]
                                           * feature[row_cells[n, i, a], column_cells[n, j, b]]

    with a and b from {0, 1}: bilinear interpolation, Mask R-CNN, section 3 ("RoIAlign"), after Jaderberg et al.,
    *Spatial transformer networks*, 2015. Matterport leaves it to ``tf.image.crop_and_resize``, which does the same at
    other points.

    Examples
    --------
    >>> feature = np.array([[[10.0], [20.0]], [[30.0], [40.0]]])  # (2, 2, 1)
    >>> cells, weights = np.array([[[0, 1]]]), np.array([[[0.25, 0.75]]])
    >>> weighted_neighbours(feature, cells, np.array([[[1.0, 0.0]]]), cells, weights).ravel()
    array([17.5])
    """
    height, width, n_channels = feature.shape
    index = row_cells[:, :, None, :, None] * width + column_cells[:, None, :, None, :]  # (N, h, w, 2, 2)
    weight = row_weights[:, :, None, :, None] * column_weights[:, None, :, None, :]
    neighbours = np.take(feature.reshape(height * width, n_channels), index.reshape(-1, 4), axis=0)
    weight = weight.reshape(-1, 1, 4).astype(feature.dtype)  # one row of four for each crossing
    return (weight @ neighbours).reshape(*index.shape[:3], n_channels)


def pool_bins(samples, pooling):
    """Return one value a bin from the values at its sampling points.

    Parameters
    ----------
    samples : ndarray of shape (N, h, n, w, n, C)
        Bins along y, points along y, bins along x, points along x.
    pooling : {"max", "average"}

    Returns
    -------
    pooled : ndarray of shape (N, h, w, C)

    Examples
    --------
    >>> samples = np.array([0.14, 0.21, 0.51, 0.43]).reshape(1, 1, 2, 1, 2, 1)
    >>> pool_bins(samples, "max").ravel().tolist()
    [0.51]
    """
    one_of("pooling", pooling, ("max", "average"))
    return samples.max(axis=(2, 4)) if pooling == "max" else samples.mean(axis=(2, 4))


def roi_align(feature, boxes, *, output_size, sampling_points=2, placement="thirds", pooling="max"):
    """Return the features under each box as a grid of fixed size.

    Parameters
    ----------
    feature : ndarray of shape (H, W, C), float
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in feature pixels, continuous: the value of cell i stands at i + 0.5.
    output_size : int or (h, w)
        Bins along y and x.
    sampling_points : int
        Points a bin along each axis; 2 makes four points a bin.
    placement : {"thirds", "centres"}
        Where in a bin the points lie, see `sampling_points_1d`.
    pooling : {"max", "average"}
        How the points of a bin become one value.

    Returns
    -------
    pooled : ndarray of shape (N, h, w, C), the dtype of ``feature``

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, a box is inverted or an option is unknown.

    Notes
    -----
    Mask R-CNN, section 3 ("RoIAlign"): no rounding anywhere. ``placement="centres", pooling="average"`` is
    torchvision's and detectron2's ``aligned=True``; thirds with max is the worked example that most slides show.
    Matterport has neither, see `crop_and_resize`.

    Examples
    --------
    >>> ramp = np.arange(16.0).reshape(4, 4, 1)  # grows by 1 along x and by 4 along y
    >>> roi_align(ramp, np.array([[1.0, 1, 3, 3]]), output_size=1, pooling="average").ravel()
    array([7.5])
    """
    feature = feature_map("feature", feature)
    boxes = boxes_array("boxes", boxes)
    n_bins = size_pair("output_size", output_size)
    n_points = whole_number("sampling_points", sampling_points, 1)
    one_of("pooling", pooling, ("max", "average"))
    axes = []
    for axis in (0, 1):
        points = sampling_points_1d(
            boxes[:, axis], boxes[:, axis + 2], n_bins[axis], sampling_points=n_points, placement=placement
        )
        axes.append(neighbours_1d(points.reshape(len(boxes), n_bins[axis] * n_points), feature.shape[axis]))
    samples = sample_grid(feature, *axes)
    shape = (len(boxes), n_bins[0], n_points, n_bins[1], n_points, feature.shape[2])
    return pool_bins(samples.reshape(shape), pooling)


def crop_and_resize(feature, boxes, *, output_size):
    """Return the features under each box, one bilinear sample a bin, on a grid that includes the box's edges.

    Parameters
    ----------
    feature : ndarray of shape (H, W, C), float
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in feature pixels, continuous: a box from 2 to 5 covers the cells 2, 3 and 4.
    output_size : int or (h, w)
        Samples along y and x.

    Returns
    -------
    samples : ndarray of shape (N, h, w, C), the dtype of ``feature``
        0 where a sample lies beyond the middle of the outermost cell.

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite or a box is inverted.

    Notes
    -----
    The first sample lies on the middle of the first cell in the box, the last on the middle of the last one, the
    others evenly between; with a single sample it lies in the box's middle. This is ``tf.image.crop_and_resize`` on
    boxes normalised as Matterport does, ``(box - [0, 0, 1, 1]) / (side - 1)``, which its ``PyramidROIAlign`` calls.
    Samples are not points *in* bins, so no choice of `roi_align` gives the same numbers. In TensorFlow the rounding of
    float32 may carry the last sample of a box beyond the last cell, and a row or column of a box that ends there comes
    out as 0; here it does not.

    Examples
    --------
    >>> ramp = np.arange(16.0).reshape(4, 4, 1)
    >>> crop_and_resize(ramp, np.array([[1.0, 0, 3, 4]]), output_size=2).ravel()
    array([ 4.,  7.,  8., 11.])
    """
    feature = feature_map("feature", feature)
    boxes = boxes_array("boxes", boxes)
    return crop_grid(feature, boxes[:, :2], boxes[:, 2:] - 1, size_pair("output_size", output_size))


def crop_grid(feature, first, last, output_size):
    """Return bilinear samples on the grid from cell ``first`` to cell ``last``, both (N, 2) and fractional."""
    axes = []
    for axis, n_samples in enumerate(output_size):
        length = feature.shape[axis]
        fractions = np.arange(n_samples) / (n_samples - 1) if n_samples > 1 else np.array([0.5])
        start, end = first[:, axis, None].astype(np.float64), last[:, axis, None].astype(np.float64)
        index = start + (end - start) * fractions  # (N, n_samples), in cells
        index = np.clip(index, np.minimum(start, end), np.maximum(start, end))  # rounding must not carry it further
        cells, weights = neighbours_1d(index + 0.5, length)
        inside = (index >= 0) & (index <= length - 1)
        axes.append((cells, weights * inside[..., None]))
    return sample_grid(feature, *axes)


def pyramid_level(boxes, *, image_size, rounding="nearest"):
    """Return the pyramid level, 2 to 5, that each box is pooled from.

    Parameters
    ----------
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in pixels of the network input.
    image_size : int or (height, width)
        Of the network input, pixels.
    rounding : {"nearest", "floor"}
        "nearest" is Matterport's, "floor" the FPN paper's.

    Returns
    -------
    levels : ndarray of shape (N,), int64
        A box without area goes to level 2.

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, a box is inverted or the rounding is unknown.

    Notes
    -----
    ``k = 4 + log2(sqrt(h * w) / 224)``, rounded and held within 2 and 5: FPN, equation 1. A level is a matter of
    pixels; Matterport divides sides and 224 alike by ``image_size``, which cancels out. Exactly halfway between two
    levels "nearest" takes the even one; there Matterport's float32 logarithm falls short, and it takes the lower.

    Examples
    --------
    >>> boxes = np.array([[0.0, 0, 224, 224], [0, 0, 180, 180], [0, 0, 8, 8]])
    >>> pyramid_level(boxes, image_size=256).tolist()
    [4, 4, 2]
    >>> pyramid_level(boxes, image_size=256, rounding="floor").tolist()
    [4, 3, 2]
    """
    boxes = boxes_array("boxes", boxes)
    size_pair("image_size", image_size)
    round_off = np.rint if one_of("rounding", rounding, ("nearest", "floor")) == "nearest" else np.floor
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    smallest = (CANONICAL_SIZE / 16) ** 2  # below this area every box goes to level 2
    levels = 4 + round_off(0.5 * np.log2(np.maximum(areas, smallest) / CANONICAL_SIZE**2))
    return np.clip(levels, 2, 5).astype(np.int64)


def pyramid_roi_align(
    features,
    boxes,
    *,
    image_size,
    output_size,
    method="crop_and_resize",
    rounding="nearest",
    sampling_points=2,
    placement="thirds",
    pooling="max",
):
    """Return the features under each box, taken from the pyramid level that fits the box's size.

    Parameters
    ----------
    features : dict of ndarrays of shape (H_l, W_l, C), float
        Under ``"p2"`` to ``"p5"``; further levels are left alone.
    boxes : ndarray of shape (N, 4), float
        ``(y1, x1, y2, x2)`` in pixels of the network input.
    image_size : int or (height, width)
        Of the network input, pixels.
    output_size : int or (h, w)
    method : {"crop_and_resize", "roi_align"}
        "crop_and_resize" is Matterport's layer to the last number, its idea of a box included; "roi_align" the paper's.
    rounding : {"nearest", "floor"}
        See `pyramid_level`.
    sampling_points, placement, pooling
        For the method "roi_align" alone, see there.

    Returns
    -------
    pooled : ndarray of shape (N, h, w, C)
        In the order of ``boxes``.

    Raises
    ------
    ValueError
        If a level is missing, a shape is wrong, a value is not finite, a box is inverted or an option is unknown.

    Notes
    -----
    FPN, section 4.2. Matterport: ``mrcnn.model.PyramidROIAlign``, fed with ``norm_boxes(boxes)``. To that a box is one
    pixel shorter (``y2 - 1`` is the last pixel) and the image one pixel smaller, so on its way it chooses the level
    for ``(box - [0, 0, 1, 1]) * side / (side - 1)``; the method "crop_and_resize" does the same, in this one place.

    Examples
    --------
    >>> features = {level: np.full((64 // 2**i, 64 // 2**i, 1), float(i)) for i, level in enumerate(LEVELS)}
    >>> boxes = np.array([[0.0, 0, 200, 200], [8, 8, 24, 24]])
    >>> pyramid_roi_align(features, boxes, image_size=256, output_size=1).ravel()
    array([2., 0.])
    """
    boxes = boxes_array("boxes", boxes)
    height, width = size_pair("image_size", image_size)
    output_size = size_pair("output_size", output_size)
    one_of("method", method, ("crop_and_resize", "roi_align"))
    features = pyramid_levels(features)
    sides = np.array([height, width], dtype=boxes.dtype)
    last = boxes[:, 2:] - 1
    if method == "crop_and_resize":
        shrunk = np.concatenate([boxes[:, :2], np.maximum(last, boxes[:, :2])], axis=1)
        shrunk *= np.tile(sides / np.maximum(sides - 1, 1), 2)
        levels = pyramid_level(shrunk, image_size=image_size, rounding=rounding)
    else:
        levels = pyramid_level(boxes, image_size=image_size, rounding=rounding)

    first_feature = features[LEVELS[0]]
    pooled = np.zeros((len(boxes), *output_size, first_feature.shape[2]), dtype=first_feature.dtype)
    for number, level in enumerate(LEVELS, start=2):
        members = np.flatnonzero(levels == number)
        feature = features[level]
        cells = np.array(feature.shape[:2], dtype=boxes.dtype)
        if method == "crop_and_resize":
            # Multiplied first and divided after, so that the image's last pixel becomes exactly the map's last cell.
            first_cell, last_cell = (
                corners[members] * (cells - 1) / np.maximum(sides - 1, 1) for corners in (boxes[:, :2], last)
            )
            pooled[members] = crop_grid(feature, first_cell, last_cell, output_size)
        else:
            scaled = boxes[members] * np.tile(cells / sides, 2)
            pooled[members] = roi_align(
                feature,
                scaled,
                output_size=output_size,
                sampling_points=sampling_points,
                placement=placement,
                pooling=pooling,
            )
    return pooled


def feature_map(name, feature):
    """Return a finite ``(H, W, C)`` array with at least one cell."""
    feature = shaped(name, number_array(name, feature), (None, None, None))
    if 0 in feature.shape[:2]:
        raise ValueError(f"{name} must have at least one cell, got shape {feature.shape}")
    return feature


def pyramid_levels(features):
    """Return the checked feature maps of the levels that boxes are pooled from."""
    missing = [level for level in LEVELS if level not in features]
    if missing:
        raise ValueError(f"features must hold {', '.join(LEVELS)}, got {sorted(features)}: {missing[0]} is missing")
    checked = {level: feature_map(f"features[{level!r}]", features[level]) for level in LEVELS}
    channels = {level: feature.shape[2] for level, feature in checked.items()}
    if len(set(channels.values())) > 1:
        raise ValueError(f"features must have the same number of channels on every level, got {channels}")
    return checked
