"""RoIAlign in TensorFlow: the twin of `mini_rcnn.stages.roi_align`.

One image: features (H, W, C) and boxes (N, 4) give (N, h, w, C). A batch: features (B, H, W, C) and boxes (B, N, 4)
give (B, N, h, w, C). Gradients flow to the features and not to the boxes: Matterport stops them as well.
"""

from __future__ import annotations

import numpy as np
import tensorflow.compat.v2 as tf

from mini_rcnn.stages._check import one_of, size_pair, whole_number
from mini_rcnn.stages.roi_align import CANONICAL_SIZE, LEVELS

from ._check import boxes_tensor, length, number_tensor, shaped
from .boxes import areas_of

EDGE = 2.0**-21  # about what float32 loses on the way of a sample through TensorFlow's operation


def bin_edges(starts, ends, n_bins):
    """Return where bins begin and end, (N, n_bins + 1); see `mini_rcnn.stages.roi_align.bin_edges`."""
    steps = tf.range(n_bins + 1, dtype=tf.float64) / n_bins
    starts, ends = tf.cast(starts, tf.float64), tf.cast(ends, tf.float64)
    return starts[:, None] + (ends - starts)[:, None] * steps


def sampling_points_1d(starts, ends, n_bins, *, sampling_points=2, placement="thirds"):
    """Return the points, (N, n_bins, n), float64; see `mini_rcnn.stages.roi_align.sampling_points_1d`."""
    steps = np.arange(sampling_points)
    thirds, centres = (steps + 1) / (sampling_points + 1), (steps + 0.5) / sampling_points
    fractions = thirds if one_of("placement", placement, ("thirds", "centres")) == "thirds" else centres
    edges = bin_edges(starts, ends, n_bins)
    lengths = tf.cast(ends - starts, tf.float64) / n_bins
    return edges[:, :-1, None] + lengths[:, None, None] * fractions


def neighbours_1d(points, length):
    """Return cells and weights, each (..., 2); see `mini_rcnn.stages.roi_align.neighbours_1d`."""
    index = points - 0.5  # a cell's value stands at its middle
    last = tf.cast(length - 1, index.dtype)
    inside = (index >= -1) & (index <= last + 1)
    index = tf.clip_by_value(index, tf.zeros_like(last), last)
    lower = tf.floor(index)
    upper = tf.minimum(lower + 1, last)
    share = index - lower
    weights = tf.stack([1 - share, share], axis=-1) * tf.cast(inside[..., None], index.dtype)
    return tf.cast(tf.stack([lower, upper], axis=-1), tf.int64), weights


def sample_grid(feature, rows, columns):
    """Return bilinear values where rows cross columns, (N, h, w, C); see `mini_rcnn.stages.roi_align.sample_grid`."""
    return weighted_neighbours(feature, *rows, *columns)


def weighted_neighbours(feature, row_cells, row_weights, column_cells, column_weights):
    """Return the bilinear value at each crossing; see `mini_rcnn.stages.roi_align.weighted_neighbours`."""
    width = length(feature, 1)
    cells = tf.reshape(feature, (-1, length(feature, 2)))
    values = []
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):  # the four neighbours
        index = row_cells[:, :, None, i] * tf.cast(width, tf.int64) + column_cells[:, None, :, j]  # (N, h, w)
        weight = row_weights[:, :, None, i] * column_weights[:, None, :, j]
        values.append(tf.gather(cells, index) * tf.cast(weight[..., None], feature.dtype))
    return tf.add_n(values)


def pool_bins(samples, pooling):
    """Return one value a bin, (N, h, n, w, n, C) -> (N, h, w, C); see `mini_rcnn.stages.roi_align.pool_bins`."""
    one_of("pooling", pooling, ("max", "average"))
    return (tf.reduce_max if pooling == "max" else tf.reduce_mean)(samples, axis=(2, 4))


def roi_align(feature, boxes, *, output_size, sampling_points=2, placement="thirds", pooling="max"):
    """Return the features under each box as a grid of fixed size; see `mini_rcnn.stages.roi_align.roi_align`.

    All sampling points are held in memory at once: ``sampling_points ** 2`` times the result.
    """
    feature = feature_map("feature", feature)
    boxes = boxes_tensor("boxes", boxes, batched=feature.shape.rank == 4)
    output_size = size_pair("output_size", output_size)
    options = align_options(sampling_points, placement, pooling)
    images, flat, image_ids = flattened(feature, boxes)
    return unflattened(align(images, flat, image_ids, output_size, options), boxes)


def crop_and_resize(feature, boxes, *, output_size):
    """Return one bilinear sample a bin, the box's edges included; see `mini_rcnn.stages.roi_align.crop_and_resize`.

    float32 goes through ``tf.image.crop_and_resize``, whose float32 places a sample to about one part in 4 million of
    the map's side; float64 is sampled as in NumPy. Along an axis with a single cell every sample is that cell.
    """
    feature = feature_map("feature", feature)
    boxes = boxes_tensor("boxes", boxes, batched=feature.shape.rank == 4)
    output_size = size_pair("output_size", output_size)
    images, flat, image_ids = flattened(feature, boxes)
    normalised = normalised_cells(flat, map_size(images))
    return unflattened(crop(images, normalised, image_ids, output_size), boxes)


def pyramid_level(boxes, *, image_size, rounding="nearest"):
    """Return the level, 2 to 5, of each box, (N,) int64; see `mini_rcnn.stages.roi_align.pyramid_level`."""
    boxes = boxes_tensor("boxes", boxes)
    size_pair("image_size", image_size)
    one_of("rounding", rounding, ("nearest", "floor"))
    return level_of(boxes, rounding)


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
    """Return the features under each box from its level; see `mini_rcnn.stages.roi_align.pyramid_roi_align`.

    Boxes of one level, from all images of a batch, are sampled together, then put in their places.
    """
    sides = size_pair("image_size", image_size)
    output_size = size_pair("output_size", output_size)
    one_of("method", method, ("crop_and_resize", "roi_align"))
    one_of("rounding", rounding, ("nearest", "floor"))
    options = align_options(sampling_points, placement, pooling)
    features = pyramid_levels(features)
    boxes = boxes_tensor("boxes", boxes, batched=features[LEVELS[0]].shape.rank == 4)
    _, flat, image_ids = flattened(features[LEVELS[0]], boxes)
    if method == "crop_and_resize":
        levels, normalised = level_of(shrunk_boxes(flat, sides), rounding), normalised_cells(flat, sides)
    else:
        levels = level_of(flat, rounding)

    places, pooled = [], []
    for number, level in enumerate(LEVELS, start=2):
        members = tf.cast(tf.where(tf.equal(levels, number))[:, 0], tf.int32)
        images = as_batch(features[level])
        member_images = tf.gather(image_ids, members)
        if method == "crop_and_resize":
            grids = crop(images, tf.gather(normalised, members), member_images, output_size)
        else:
            scale = tf.tile(tf.cast(map_size(images), flat.dtype) / tf.constant(sides, flat.dtype), (2,))
            grids = align(images, tf.gather(flat, members) * scale, member_images, output_size, options)
        places.append(members)
        pooled.append(grids)
    return unflattened(tf.dynamic_stitch(places, pooled), boxes, like=pooled[0])


def align(images, boxes, image_ids, output_size, options):
    """Return RoIAlign's grids, (N, h, w, C), of boxes (N, 4) in feature pixels, each from its own image."""
    n_points, placement, pooling = options
    axes = []
    for axis in (0, 1):
        points = sampling_points_1d(
            boxes[:, axis], boxes[:, axis + 2], output_size[axis], sampling_points=n_points, placement=placement
        )
        points = tf.reshape(points, (-1, output_size[axis] * n_points))
        axes.append(neighbours_1d(points, map_size(images)[axis]))
    samples = sample_images(images, image_ids, axes)
    shape = (-1, output_size[0], n_points, output_size[1], n_points, length(images, 3))
    return pool_bins(tf.reshape(samples, shape), pooling)


def crop(images, normalised, image_ids, output_size):
    """Return samples, (N, h, w, C), between ends of which 0 is the middle of the map's first cell and 1 of its last."""
    if images.dtype == tf.float64:
        return crop_exactly(images, tf.cast(normalised, tf.float64), image_ids, output_size)
    normalised = tf.cast(normalised, tf.float32)
    # TensorFlow's operation reads beyond the map where a box is not finite, which ends the process.
    normalised = tf.where(tf.math.is_finite(normalised), normalised, -tf.ones_like(normalised))
    first, last = tf.split(normalised, 2, axis=1)  # (N, 2) each
    # A sample meant for the very edge must not miss the map by a rounding error: there it would be 0.
    on_map = (last >= 0) & (last <= 1)
    last = tf.where(on_map, tf.clip_by_value(last, EDGE / 8, 1 - EDGE), last)
    crops = tf.image.crop_and_resize(
        tf.cast(images, tf.float32), tf.concat([first, last], axis=1), image_ids, output_size
    )
    return tf.cast(crops, images.dtype)


def crop_exactly(images, normalised, image_ids, output_size):
    """Return what `crop` does, sampled in float64."""
    axes = []
    for axis, n_samples in enumerate(output_size):
        cells = map_size(images)[axis]
        last_cell = tf.cast(cells - 1, tf.float64)
        fractions = np.arange(n_samples) / (n_samples - 1) if n_samples > 1 else np.array([0.5])
        first, last = normalised[:, axis, None] * last_cell, normalised[:, axis + 2, None] * last_cell
        index = first + (last - first) * fractions  # (N, n_samples), in cells
        index = tf.clip_by_value(index, tf.minimum(first, last), tf.maximum(first, last))  # rounding goes no further
        cells, weights = neighbours_1d(index + 0.5, cells)
        inside = (index >= 0) & (index <= last_cell)
        axes.append((cells, weights * tf.cast(inside[..., None], tf.float64)))
    return sample_images(images, image_ids, axes)


def sample_images(images, image_ids, axes):
    """Return `sample_grid` of several images: stacked along y, they are one high map."""
    (row_cells, row_weights), columns = axes
    height, width, n_channels = (length(images, axis) for axis in (1, 2, 3))
    row_cells += tf.cast(image_ids * height, tf.int64)[:, None, None]
    return sample_grid(tf.reshape(images, (-1, width, n_channels)), (row_cells, row_weights), columns)


def level_of(boxes, rounding):
    """Return the levels of checked boxes.

    The same as rounding a logarithm, but by the areas at which the rounded number changes: TensorFlow has no log2, and
    ``log(x) / log(2)`` misses whole numbers in the last digit. A tie goes to the even
    number: 2, 4, or 6, which is held at 5.
    """
    areas, unit = areas_of(boxes), float(CANONICAL_SIZE**2)
    if rounding == "floor":
        above = [areas >= unit / 4, areas >= unit, areas >= unit * 4]
    else:
        above = [areas > unit / 8, areas >= unit / 2, areas > unit * 2]
    return 2 + tf.add_n([tf.cast(border, tf.int64) for border in above])


def shrunk_boxes(boxes, sides):
    """Return the boxes by whose area Matterport chooses the level: a pixel shorter, of an image a pixel smaller."""
    corner = boxes[:, :2]
    scale = tf.constant(np.array(sides) / np.maximum(np.array(sides) - 1, 1), boxes.dtype)
    return tf.concat([corner, tf.maximum(boxes[:, 2:] - 1, corner)], axis=1) * tf.tile(scale, (2,))


def normalised_cells(boxes, sides):
    """Return the middles of the first and the last cell in each box, as fractions of the way across ``sides``."""
    last_cell = tf.tile(tf.cast(tf.maximum(sides, 2), boxes.dtype) - 1, (2,))  # of one cell, all samples are that cell
    ends = tf.concat([boxes[:, :2], boxes[:, 2:] - 1], axis=1)
    fractions = ends / last_cell
    # A graph multiplies by 1 / last_cell instead, which can carry the very last cell beyond 1.
    return tf.where(ends <= last_cell, tf.minimum(fractions, 1), fractions)


def map_size(images):
    """Return height and width of (B, H, W, C), whole numbers where they are known."""
    return length(images, 1), length(images, 2)


def as_batch(feature):
    """Return a feature map with a batch axis."""
    return feature if feature.shape.rank == 4 else feature[None]


def flattened(feature, boxes):
    """Return images (B, H, W, C), all boxes (B * N, 4) without gradient, and the image of each, (B * N,) int32."""
    images = as_batch(feature)
    n_images = length(images, 0)
    per_image = length(boxes, -2)
    image_ids = tf.repeat(tf.range(n_images), per_image)
    return images, tf.stop_gradient(tf.reshape(boxes, (-1, 4))), image_ids


def unflattened(grids, boxes, like=None):
    """Return (B * N, h, w, C) as (N, h, w, C) or (B, N, h, w, C), as the boxes are, shapes as static as theirs."""
    like = grids if like is None else like
    leading = [length(boxes, axis) for axis in range(boxes.shape.rank - 1)]
    return tf.reshape(grids, leading + [length(like, axis) for axis in (1, 2, 3)])


def align_options(sampling_points, placement, pooling):
    """Return the checked options of `roi_align`."""
    return (
        whole_number("sampling_points", sampling_points, 1),
        one_of("placement", placement, ("thirds", "centres")),
        one_of("pooling", pooling, ("max", "average")),
    )


def feature_map(name, feature):
    """Return a (H, W, C) or (B, H, W, C) tensor with at least one cell."""
    feature = number_tensor(name, feature)
    feature = shaped(name, feature, (None,) * (4 if feature.shape.rank == 4 else 3))
    if 0 in feature.shape.as_list()[-3:-1]:
        raise ValueError(f"{name} must have at least one cell, got shape {tuple(feature.shape.as_list())}")
    return feature


def pyramid_levels(features):
    """Return the checked feature maps of the levels that boxes are pooled from."""
    missing = [level for level in LEVELS if level not in features]
    if missing:
        raise ValueError(f"features must hold {', '.join(LEVELS)}, got {sorted(features)}: {missing[0]} is missing")
    checked = {level: feature_map(f"features[{level!r}]", features[level]) for level in LEVELS}
    channels = {level: feature.shape[-1] for level, feature in checked.items()}
    if len(set(channels.values()) - {None}) > 1:
        raise ValueError(f"features must have the same number of channels on every level, got {channels}")
    return checked
