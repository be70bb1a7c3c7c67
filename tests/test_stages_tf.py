"""What the TensorFlow stages have and NumPy has not: static shapes, batches, gradients, one trace."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Later, imported, random_boxes, stage_function

tf = Later("tensorflow.compat.v2")
proposals, detections, nms, roi_align, boxes, masks, anchors, image = (
    Later(f"mini_rcnn.stages_tf.{name}")
    for name in ("proposals", "detections", "nms", "roi_align", "boxes", "masks", "anchors", "image")
)

DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])
LEVELS = ("p2", "p3", "p4", "p5")
PROPOSE = {
    "window": (0, 0, 64, 96),
    "pre_nms_limit": 60,
    "max_proposals": 30,
    "iou_threshold": 0.5,
    "delta_std": (0.1, 0.1, 0.2, 0.2),
}
REFINE = {"min_confidence": 0.4, "iou_threshold": 0.3, "max_detections": 12, "delta_std": (0.1, 0.1, 0.2, 0.2)}


def spec(*shape):
    """Return what a traced function is told of a float32 tensor."""
    return tf.TensorSpec(shape, tf.float32)


def traced(function, *specs, **options):
    """Return the function as a graph that knows of its arguments no more than the specs."""
    return tf.function(lambda *tensors: function(*tensors, **options), input_signature=specs).get_concrete_function()


def shapes(graph):
    """Return the static shapes of a graph's results."""
    return [tuple(tensor.shape.as_list()) for tensor in tf.nest.flatten(graph.structured_outputs)]


def pyramid(rng, *leading, dtype="float32"):
    """Return feature maps of an image of 256 x 384."""
    return {level: rng.normal(size=(*leading, 64 >> i, 96 >> i, 3)).astype(dtype) for i, level in enumerate(LEVELS)}


def refine_input(rng, n_images, dtype="float32"):
    """Return proposals, probabilities and deltas of a batch, 40 boxes of 4 classes an image."""
    probabilities = rng.dirichlet(np.full(4, 0.4), (n_images, 40)).astype(dtype)
    probabilities[-1] = [1, 0, 0, 0]  # an image without detections
    found = np.stack([random_boxes(rng, 40, dtype=dtype) for _ in range(n_images)])
    return found, probabilities, rng.normal(size=(n_images, 40, 4, 4)).astype(dtype)


# Shapes as static as they can be.


def test_static_shapes_of_small_stages():
    assert shapes(traced(boxes.box_iou, spec(5, 4), spec(None, 4))) == [(5, None)]
    assert shapes(traced(boxes.decode_deltas, spec(None, 4), spec(None, 4))) == [(None, 4)]
    assert shapes(traced(nms.non_max_suppression, spec(9, 4), spec(9), iou_threshold=0.5)) == [(None,)]
    levels = {"scales": (8, 16), "ratios": (1,), "strides": (4, 8)}
    assert shapes(traced(lambda: anchors.pyramid_anchors((16, 24), **levels))) == [(4 * 6 + 2 * 3, 4)]
    paste = traced(masks.paste_mask, spec(28, 28), spec(4), image_size=(50, 60))
    assert shapes(paste) == [(50, 60)]
    assert shapes(traced(image.resize_image, spec(None, None, 3), size=(8, 9))) == [(8, 9, 3)]


def test_static_shapes_of_one_image():
    assert shapes(traced(proposals.propose, spec(200), spec(200, 4), spec(200, 4), **PROPOSE)) == [
        (None, 4),
        (None,),
        (None,),
    ]
    found = traced(
        detections.refine_detections, spec(40, 4), spec(40, 3), spec(40, 3, 4), window=(0, 0, 9, 9), **REFINE
    )
    assert shapes(found) == [(None, 4), (None,), (None,), (None,)]


def test_static_shapes_of_a_batch():
    assert shapes(traced(proposals.propose, spec(2, 200), spec(2, 200, 4), spec(200, 4), **PROPOSE)) == [
        (2, 30, 4),
        (2, 30),
        (2, 30),
        (2,),
    ]
    assert shapes(traced(proposals.propose, spec(None, 200), spec(None, 200, 4), spec(200, 4), **PROPOSE)) == [
        (None, 30, 4),
        (None, 30),
        (None, 30),
        (None,),
    ]
    found = traced(
        detections.refine_detections, spec(2, 40, 4), spec(2, 40, 3), spec(2, 40, 3, 4), window=(0, 0, 9, 9), **REFINE
    )
    assert shapes(found) == [(2, 12, 4), (2, 12), (2, 12), (2, 12), (2,)]


@pytest.mark.parametrize("method", ["crop_and_resize", "roi_align"])
@pytest.mark.parametrize("leading", [(), (2,)], ids=["one", "batch"])
def test_static_shapes_of_pooling(method, leading):
    pool = getattr(roi_align, method)
    known = traced(pool, spec(*leading, 8, 9, 3), spec(*leading, 5, 4), output_size=(7, 2))
    assert shapes(known) == [(*leading, 5, 7, 2, 3)]
    unknown = traced(pool, spec(*leading, None, None, 3), spec(*leading, None, 4), output_size=7)
    assert shapes(unknown) == [(*leading, None, 7, 7, 3)]
    features = {level: spec(*leading, None, None, 3) for level in LEVELS}
    whole = traced(
        roi_align.pyramid_roi_align, features, spec(*leading, 5, 4), image_size=64, output_size=7, method=method
    )
    assert shapes(whole) == [(*leading, 5, 7, 7, 3)]


# A batch is its images, one by one.


@DTYPES
def test_batched_proposals_are_those_of_each_image(rng, dtype):
    objectness = rng.choice(np.linspace(0, 1, 30), (3, 100)).astype(dtype)
    deltas = rng.normal(size=(3, 100, 4)).astype(dtype)
    grid = random_boxes(rng, 100, dtype=dtype)
    options = {**PROPOSE, "iou_threshold": 0.1, "max_proposals": 50}  # more than are left
    got = proposals.propose(objectness, deltas, grid, **options)
    in_graph = tf.function(lambda *tensors: proposals.propose(*tensors, **options))
    assert isinstance(got, proposals.BatchedProposals)
    for eager, graph in zip(got, in_graph(objectness, deltas, grid)):
        np.testing.assert_allclose(graph.numpy(), eager.numpy(), rtol=1e-5, atol=1e-5)
    counts = []
    for number in range(3):
        one = proposals.propose(objectness[number], deltas[number], grid, **options)
        count = int(got.counts[number])
        counts.append(count)
        assert count == len(one.boxes)
        for together, alone in zip(got[:3], one):
            np.testing.assert_allclose(together[number, :count].numpy(), alone.numpy(), rtol=1e-6, atol=1e-6)
        assert not got.boxes[number, count:].numpy().any() and not got.scores[number, count:].numpy().any()
        assert (got.anchor_ids[number, count:].numpy() == -1).all()
    assert 0 < min(counts) and max(counts) < 50 and len(set(counts)) > 1


@pytest.mark.parametrize("n_anchors", [0, 5])
def test_fewer_anchors_than_proposals_wanted(n_anchors):
    got = proposals.propose(
        np.ones((2, n_anchors)), np.zeros((2, n_anchors, 4)), np.arange(n_anchors * 4.0).reshape(-1, 4), **PROPOSE
    )
    assert [field.shape.as_list() for field in got] == [[2, 30, 4], [2, 30], [2, 30], [2]]
    np.testing.assert_array_equal(got.counts.numpy(), [n_anchors] * 2)
    np.testing.assert_array_equal(got.anchor_ids[0, n_anchors:].numpy(), [-1] * (30 - n_anchors))


@DTYPES
@pytest.mark.parametrize(
    "windows", [(0, 0, 64, 96), [(0, 0, 64, 96), (8, 8, 40, 50), (0, 0, 99, 99)]], ids=["one", "each"]
)
def test_batched_detections_are_those_of_each_image(rng, dtype, windows):
    arrays = refine_input(rng, 3, dtype)
    got = detections.refine_detections(*arrays, window=windows, **REFINE)
    in_graph = tf.function(lambda *tensors: detections.refine_detections(*tensors, window=windows, **REFINE))(*arrays)
    assert isinstance(got, detections.BatchedDetections)
    for eager, graph in zip(got, in_graph):
        np.testing.assert_allclose(graph.numpy(), eager.numpy(), rtol=1e-5, atol=1e-4)
    for number in range(3):
        window = windows if np.ndim(windows) == 1 else windows[number]
        one = detections.refine_detections(*(array[number] for array in arrays), window=window, **REFINE)
        count = int(got.counts[number])
        assert count == len(one.boxes)
        for together, alone in zip(got[:4], one):
            np.testing.assert_allclose(together[number, :count].numpy(), alone.numpy(), rtol=1e-6, atol=1e-5)
        for field, filler in zip(got[:4], (0, 0, 0, -1)):
            assert (field[number, count:].numpy() == filler).all()
    np.testing.assert_array_equal(got.counts[2].numpy(), 0)


def test_batched_detections_of_few_proposals_and_of_none():
    for n_boxes in (0, 3):
        got = detections.refine_detections(
            np.zeros((2, n_boxes, 4)),
            np.full((2, n_boxes, 2), 0.5),
            np.zeros((2, n_boxes, 2, 4)),
            window=(0, 0, 9, 9),
            **REFINE,
        )
        assert [field.shape.as_list() for field in got] == [[2, 12, 4], [2, 12], [2, 12], [2, 12], [2]]
        np.testing.assert_array_equal(got.counts.numpy(), [0, 0])  # a draw goes to the lower class: background


def test_a_batch_of_no_images():
    got = proposals.propose(np.zeros((0, 9)), np.zeros((0, 9, 4)), np.zeros((9, 4)), **PROPOSE)
    assert [field.shape.as_list() for field in got] == [[0, 30, 4], [0, 30], [0, 30], [0]]
    got = detections.refine_detections(
        np.zeros((0, 9, 4)), np.zeros((0, 9, 2)), np.zeros((0, 9, 2, 4)), window=(0, 0, 9, 9), **REFINE
    )
    assert [field.shape.as_list() for field in got] == [[0, 12, 4], [0, 12], [0, 12], [0, 12], [0]]


@DTYPES
@pytest.mark.parametrize("method", ["crop_and_resize", "roi_align"])
def test_batched_pooling_is_that_of_each_image(rng, dtype, method):
    feature = rng.normal(size=(3, 9, 13, 2)).astype(dtype)
    found = np.stack([random_boxes(rng, 6, extent=10, dtype=dtype) for _ in range(3)])
    pool = getattr(roi_align, method)
    got = pool(feature, found, output_size=3).numpy()
    np.testing.assert_array_equal(got, np.stack([pool(*one, output_size=3).numpy() for one in zip(feature, found)]))


@pytest.mark.parametrize("method", ["crop_and_resize", "roi_align"])
def test_batched_pyramid_is_that_of_each_image(rng, method):
    features = pyramid(rng, 2)
    corners = rng.uniform(0, 150, (2, 30, 2))
    found = np.concatenate([corners, corners + np.exp(rng.uniform(1, 5.4, (2, 30, 2)))], axis=-1).astype("float32")
    options = {"image_size": (256, 384), "output_size": 3, "method": method}
    got = roi_align.pyramid_roi_align(features, found, **options).numpy()
    in_graph = tf.function(lambda *tensors: roi_align.pyramid_roi_align(*tensors, **options))
    np.testing.assert_allclose(in_graph(features, found).numpy(), got, rtol=1e-5, atol=1e-4)
    for number in range(2):
        alone = {level: feature[number] for level, feature in features.items()}
        np.testing.assert_array_equal(got[number], roi_align.pyramid_roi_align(alone, found[number], **options).numpy())
        numpy_stage = stage_function("numpy", "roi_align.pyramid_roi_align")(alone, found[number], **options)
        np.testing.assert_allclose(got[number], numpy_stage, rtol=1e-5, atol=1e-4)


# Gradients.


@pytest.mark.parametrize(
    "dtype, method",
    [
        ("float64", "crop_and_resize"),
        ("float32", "crop_and_resize"),
        ("float64", "roi_align"),
        ("float32", "roi_align"),
    ],
)
def test_gradients_reach_the_features_and_not_the_boxes(rng, dtype, method):
    feature = tf.Variable(rng.normal(size=(2, 6, 7, 1)).astype(dtype))
    found = tf.Variable(np.array([[[0.5, 1, 3, 4.5]], [[2, 2, 5, 5]]], dtype))
    options = {"output_size": 2} if method == "crop_and_resize" else {"output_size": 2, "pooling": "average"}
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(getattr(roi_align, method)(feature, found, **options))
    to_feature, to_boxes = tape.gradient(total, [feature, found])
    assert to_boxes is None
    # Pooling is linear in the features, so the gradient times the features is the result.
    np.testing.assert_allclose(
        tf.reduce_sum(tf.convert_to_tensor(to_feature) * feature).numpy(), total.numpy(), rtol=1e-5
    )


def test_gradients_through_the_pyramid_in_a_graph(rng):
    features = {level: tf.constant(feature) for level, feature in pyramid(rng).items()}
    found = tf.constant([[0, 0, 30, 30], [10, 10, 240, 380]], tf.float32)

    @tf.function
    def gradients(features, found):
        with tf.GradientTape() as tape:
            tape.watch([features, found])
            pooled = roi_align.pyramid_roi_align(features, found, image_size=(256, 384), output_size=2)
        return tape.gradient(pooled, features)

    got = gradients(features, found)
    assert tf.reduce_sum(tf.abs(got["p2"])) > 0 and tf.reduce_sum(tf.abs(got["p4"])) > 0
    assert tf.reduce_sum(tf.abs(got["p3"])) == 0


def test_gradients_through_decoding(rng):
    deltas = tf.Variable(rng.normal(size=(5, 4)))
    with tf.GradientTape() as tape:
        moved = boxes.decode_deltas(random_boxes(rng, 5), deltas)
        total = tf.reduce_sum(boxes.encode_deltas(random_boxes(rng, 5), moved))
    assert np.isfinite(tape.gradient(total, deltas).numpy()).all()


# Once traced, a graph serves inputs of the same kind.


def test_one_trace_serves_all_batches(rng):
    traces = []

    @tf.function
    def step(objectness, deltas, grid):
        traces.append(1)
        return proposals.propose(objectness, deltas, grid, **PROPOSE).counts

    grid = tf.constant(random_boxes(rng, 50, dtype="float32"))
    for _ in range(3):
        step(
            tf.constant(rng.uniform(size=(2, 50)), tf.float32),
            tf.constant(rng.normal(size=(2, 50, 4)), tf.float32),
            grid,
        )
    assert len(traces) == 1


def test_a_graph_does_not_look_at_values(rng):
    check = tf.function(lambda found: boxes.box_areas(found))
    assert np.isnan(check(tf.constant([[np.nan, 0, 1, 1]])).numpy()).all()
    with pytest.raises(ValueError, match="^boxes must be finite, got nan"):
        boxes.box_areas(tf.constant([[np.nan, 0, 1, 1]]))


def test_shapes_of_a_batch_are_refused_in_graphs_too():
    with pytest.raises(ValueError, match=r"deltas must have shape \(2, 9, 4\), got \(2, 8, 4\)"):
        traced(proposals.propose, spec(2, 9), spec(2, 8, 4), spec(9, 4), **PROPOSE)
    with pytest.raises(ValueError, match=r"probabilities must have shape \(2, 9, \?\), got \(2, 8, 3\)"):
        traced(
            detections.refine_detections, spec(2, 9, 4), spec(2, 8, 3), spec(2, 9, 3, 4), window=(0, 0, 9, 9), **REFINE
        )
    with pytest.raises(ValueError, match=r"window must have shape \(2, 4\), got \(3, 4\)"):
        traced(
            detections.refine_detections,
            spec(2, 9, 4),
            spec(2, 9, 3),
            spec(2, 9, 3, 4),
            window=np.zeros((3, 4)),
            **REFINE,
        )
    with pytest.raises(ValueError, match=r"boxes must have shape \(\?, \?, 4\), got \(5, 4\)"):
        traced(roi_align.crop_and_resize, spec(2, 8, 8, 1), spec(5, 4), output_size=7)


def test_boxes_of_a_batch_are_looked_at():
    inverted = np.array([[[0.0, 0, 1, 1]], [[3, 0, 2, 1]]])
    with pytest.raises(ValueError, match="^boxes must have y1 <= y2 and x1 <= x2"):
        roi_align.roi_align(np.ones((2, 4, 4, 1)), inverted, output_size=2)


def test_variables_and_half_precision():
    variable = tf.Variable([[0.0, 0, 2, 2], [0, 0, 2, 2]])
    np.testing.assert_array_equal(nms.non_max_suppression(variable, [0.1, 0.2], iou_threshold=0.5).numpy(), [1])
    half = tf.constant([[0.0, 0, 2, 2], [0, 0, 2, 2]], tf.float16)
    np.testing.assert_array_equal(nms.non_max_suppression(half, [0.1, 0.2], iou_threshold=0.5).numpy(), [1])


def test_enabling_eager_again_does_no_harm():
    imported("mini_rcnn.stages_tf").enable_eager()
    assert tf.executing_eagerly()


@pytest.mark.parametrize("name", ["boxes", "anchors", "nms", "proposals", "roi_align", "masks", "detections", "image"])
def test_twins_have_the_same_functions_with_the_same_arguments(name):
    import inspect

    numpy_module, twin = imported(f"mini_rcnn.stages.{name}"), imported(f"mini_rcnn.stages_tf.{name}")
    public = [
        key
        for key, value in vars(numpy_module).items()
        if inspect.isfunction(value)
        and value.__module__ == numpy_module.__name__
        and "Parameters\n" in (value.__doc__ or "")
    ]
    assert public
    for key in public:
        assert inspect.signature(getattr(twin, key)) == inspect.signature(getattr(numpy_module, key))
        assert f"`mini_rcnn.stages.{name}.{key}`" in getattr(twin, key).__doc__
