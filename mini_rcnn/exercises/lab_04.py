"""Lab 04, backbone and feature pyramid."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.parameters import block_shapes, conv_shapes
from mini_rcnn.stages.backbone import conv_layer, norm_layer
from mini_rcnn.stages.fpn import feature_pyramid
from mini_rcnn.stages.ops import batch_norm, conv2d, max_pool, relu, same_padding, upsample

from .exercise import Exercise, Mistake

LEVELS = (5, 4, 3, 2)


# same_padding


def padding_cases(seed):
    """Return cases of ``same_padding``: by hand, and small random ones."""
    rng = np.random.default_rng([seed, 41])
    by_hand = (
        ("a window of one pixel", (6, 1, 1), (0, 0)),
        ("stride 1", (5, 3, 1), (1, 1)),
        ("an odd number of zeros", (8, 3, 2), (0, 1)),
        ("an odd length", (7, 3, 2), (1, 1)),
        ("nothing to add", (6, 2, 2), (0, 0)),
        ("pixels that no window sees", (5, 1, 2), (0, 0)),
        ("windows with gaps", (8, 2, 4), (0, 0)),
        ("a large window, stride 2", (256, 7, 2), (2, 3)),
        ("a window wider than the axis", (2, 7, 1), (3, 3)),
        ("an even window", (5, 4, 1), (1, 2)),
    )
    cases = [Case(name, inputs, {}, 0, outputs) for name, inputs, outputs in by_hand]
    for number in range(15):
        inputs = tuple(int(value) for value in rng.integers([3, 1, 1], [40, 8, 4]))
        cases.append(Case(f"random {number}", inputs, {}, 0))
    return cases


def padding_odd_before(length, window, stride):
    """The odd zero stands before."""
    before, after = same_padding(length, window, stride)
    return after, before


def padding_symmetric(length, window, stride):
    """As many on both sides, whatever the stride."""
    return window // 2, window // 2


def padding_negative(length, window, stride):
    """Where nothing is missing, a negative number."""
    total = (-(-length // stride) - 1) * stride + window - length
    return total // 2, total - total // 2


def padding_rounded_down(length, window, stride):
    """The number of windows rounded down."""
    total = max(0, (length // stride - 1) * stride + window - length)
    return total // 2, total - total // 2


def padding_without_stride(length, window, stride):
    """The stride is not used: what stride 1 needs."""
    return same_padding(length, window, 1)


# conv2d


def column(values):
    """Return numbers as a feature of one column and one channel."""
    return np.array(values, np.float64).reshape(-1, 1, 1)


def convolution_cases(seed):
    """Return cases of ``conv2d``: by hand, and small random ones of every kind."""
    rng = np.random.default_rng([seed, 42])
    point = np.array([0.0, 0, 1, 0, 0]).reshape(1, 5, 1)
    ramp = np.array([1.0, 2, 3]).reshape(1, 3, 1, 1)
    ones = np.ones((3, 1, 1, 1))
    first_only = np.array([1.0, 0, 0]).reshape(3, 1, 1, 1)
    mixes = np.array([[1.0, 10], [2, 20]]).reshape(1, 1, 2, 2)
    cases = [
        Case("one bright pixel", (point, ramp), {}, 1e-6, (np.array([0.0, 3, 2, 1, 0]).reshape(1, 5, 1),)),
        Case("stride 2", (column([1, 2, 3, 4]), ones), {"stride": 2}, 1e-6, (column([6, 7]),)),
        Case("stride 2, top of the window", (column([5, 6, 7, 8]), first_only), {"stride": 2}, 1e-6, (column([5, 7]),)),
        Case("valid", (column([1, 2, 3, 4]), ones), {"padding": "valid"}, 1e-6, (column([6, 9]),)),
        Case("two channels", (np.array([[[1.0, 2.0]]]), mixes), {}, 1e-6, (np.array([[[5.0, 50.0]]]),)),
        Case("bias", (np.zeros((2, 1, 1)), ones, np.array([4.0])), {}, 1e-6, (column([4, 4]),)),
        Case("no image", (np.zeros((0, 4, 4, 1)), np.ones((3, 3, 1, 2))), {}, 1e-6, (np.zeros((0, 4, 4, 2)),)),
    ]
    for number in range(14):
        height, width = (int(side) for side in rng.integers(5, 9, 2))
        window, channels, filters = (int(rng.integers(1, 4)) for _ in range(3))
        shape = (height, width, channels) if number % 3 else (2, height, width, channels)
        kernel = np.round(rng.normal(size=(window, int(rng.integers(1, 4)), channels, filters)), 2)
        inputs = (np.round(rng.normal(size=shape), 2), kernel)
        inputs += (np.round(rng.normal(size=filters), 2),) * (number % 2)
        options = {"stride": 1 + number // 2 % 2, "padding": ("same", "valid")[number // 4 % 2]}
        cases.append(Case(f"random {number}", inputs, options, 1e-6))
    return cases


def convolution_flipped(feature, kernel, bias=None, *, stride=1, padding="same"):
    """The mathematicians' convolution: the kernel turned round."""
    return conv2d(feature, kernel[::-1, ::-1], bias, stride=stride, padding=padding)


def convolution_symmetric(feature, kernel, bias=None, *, stride=1, padding="same"):
    """Half a window of zeros on every side, whatever the stride."""
    if padding == "same":
        (top, left), rest = (side // 2 for side in kernel.shape[:2]), [(0, 0)] * (feature.ndim - 3)
        bottom, right = kernel.shape[0] - 1 - top, kernel.shape[1] - 1 - left
        feature = np.pad(feature, rest + [(top, bottom), (left, right), (0, 0)])
    return conv2d(feature, kernel, bias, stride=stride, padding="valid")


def convolution_no_bias(feature, kernel, bias=None, *, stride=1, padding="same"):
    """The bias is forgotten."""
    return conv2d(feature, kernel, None, stride=stride, padding=padding)


def convolution_always_same(feature, kernel, bias=None, *, stride=1, padding="same"):
    """Padded, whatever was asked."""
    return conv2d(feature, kernel, bias, stride=stride)


def convolution_rows_alone(feature, kernel, bias=None, *, stride=1, padding="same"):
    """The stride is used along y alone."""
    if padding == "same":
        sides = zip(feature.shape[-3:-1], kernel.shape[:2], (stride, 1))
        around = [same_padding(length, window, step) for length, window, step in sides]
        feature = np.pad(feature, [(0, 0)] * (feature.ndim - 3) + around + [(0, 0)])
    return conv2d(feature, kernel, bias, padding="valid")[..., ::stride, :, :]


def convolution_stride_after(feature, kernel, bias=None, *, stride=1, padding="same"):
    """Padded as for stride 1, then every other result."""
    return conv2d(feature, kernel, bias, padding=padding)[..., ::stride, ::stride, :]


# batch_norm


def norm_cases(seed):
    """Return cases of ``batch_norm``: by hand, and small random ones."""
    rng = np.random.default_rng([seed, 43])
    one = np.ones(1)
    statistics = tuple(np.array(row) for row in ([2.0, 1.0], [0.5, -1.0], [1.0, 4.0], [4.0, 9.0]))
    cases = [
        Case("one number", (np.array([[[4.0]]]), 3 * one, one, 2 * one, 4 * one), {"epsilon": 0}, 1e-6,
             (np.array([[[4.0]]]),)),
        Case("two channels", (np.array([[[1.0, 10.0], [3.0, 10.0]]]), *statistics), {"epsilon": 0}, 1e-6,
             (np.array([[[0.5, 1.0], [2.5, 1.0]]]),)),
        Case("as it starts", (np.array([[[2.0]]]), one, 0 * one, 0 * one, one), {"epsilon": 3.0}, 1e-6,
             (np.array([[[1.0]]]),)),
        Case("a channel that never changed", (np.array([[[2.0]]]), one, one, one, 0 * one), {"epsilon": 0.25}, 1e-6,
             (np.array([[[3.0]]]),)),
        Case("no image", (np.zeros((0, 2, 2, 2)), *statistics), {}, 1e-6, (np.zeros((0, 2, 2, 2)),)),
    ]  # fmt: skip
    for number in range(12):
        channels = int(rng.integers(1, 5))
        shape = (3, 2, channels) if number % 2 else (2, 3, 4, channels)
        feature = np.round(rng.normal(2, 3, shape), 2)
        gamma, beta, mean = np.round(rng.normal(size=(3, channels)), 2)
        variance = np.round(rng.uniform(0, 2, channels), 2)
        cases.append(Case(f"random {number}", (feature, gamma, beta, mean, variance), {}, 1e-6))
    return cases


def norm_of_this_feature(feature, gamma, beta, mean, variance, *, epsilon=1e-3):
    """Mean and variance of the feature at hand."""
    axes = tuple(range(feature.ndim - 1))
    return batch_norm(feature, gamma, beta, feature.mean(axis=axes), feature.var(axis=axes), epsilon=epsilon)


def norm_without_root(feature, gamma, beta, mean, variance, *, epsilon=1e-3):
    """Divided by the variance."""
    return gamma * (feature - mean) / (variance + epsilon) + beta


def norm_epsilon_outside(feature, gamma, beta, mean, variance, *, epsilon=1e-3):
    """Epsilon added to the root."""
    return gamma * (feature - mean) / (np.sqrt(variance) + epsilon) + beta


def norm_swapped(feature, gamma, beta, mean, variance, *, epsilon=1e-3):
    """Gamma and beta exchanged."""
    return batch_norm(feature, beta, gamma, mean, variance, epsilon=epsilon)


def norm_beta_scaled(feature, gamma, beta, mean, variance, *, epsilon=1e-3):
    """Beta multiplied by gamma, too."""
    return batch_norm(feature, gamma, gamma * beta, mean, variance, epsilon=epsilon)


# residual_block


def random_weights(rng, shapes):
    """Return weights of some shapes: none is 0, variances are positive."""
    weights = {}
    for name, shape in shapes.items():
        positive = name.endswith(("variance", "gamma"))
        weights[name] = rng.uniform(0.5, 1.5, shape) if positive else np.round(rng.normal(0, 0.6, shape), 2)
    return weights


def block_cases(seed):
    """Return cases of ``residual_block``: with and without a projection, one that adds nothing, and strides."""
    rng = np.random.default_rng([seed, 44])
    nothing = {name: np.zeros(shape) for name, shape in block_shapes("2b", 4, 1, projects=False).items()}
    row = np.array([[[1.0, -2.0, 3.0, 0.5]]])
    negative = dict(nothing, **{"bn2b_branch2c/beta": np.array([-0.25, -0.25, -9.0, 1.0])})
    cases = [
        Case("weights of 0", (row, nothing, "2b"), {}, 1e-6, (np.array([[[1.0, 0, 3, 0.5]]]),)),
        Case("what is added may be negative", (row, negative, "2b"), {}, 1e-6, (np.array([[[0.75, 0, 0, 1.5]]]),)),
    ]
    for number in range(10):
        projects, stride = number % 3 > 0, 1 + (number % 3 == 2)
        channels, name = (3 if projects else 4), ("3a" if projects else "3b")
        shape = (4, int(rng.integers(3, 6)), channels)
        feature = np.round(rng.normal(size=shape if number % 2 else (2, *shape)), 2)
        weights = random_weights(rng, block_shapes(name, channels, 1, projects=projects))
        cases.append(Case(f"random {number}, stride {stride}", (feature, weights, name), {"stride": stride}, 1e-6))
    return cases


def block(feature, weights, name, *, stride=1, at="2a", before_sum=False, last=True, adds=True, norms=True):
    """Return a block's output with one thing changed."""
    out = feature
    for branch in ("2a", "2b", "2c"):
        out = conv_layer(out, weights, f"res{name}_branch{branch}", stride=stride if branch == at else 1)
        out = norm_layer(out, weights, f"bn{name}_branch{branch}")
        out = relu(out) if branch != "2c" or before_sum else out
    if f"res{name}_branch1/kernel" in weights:
        feature = conv_layer(feature, weights, f"res{name}_branch1", stride=stride)
        feature = norm_layer(feature, weights, f"bn{name}_branch1") if norms else feature
    total = feature + out if adds else out
    return relu(total) if last else total


def wrong_block(**changed):
    """Return ``residual_block`` with one thing changed."""

    def function(feature, weights, name, *, stride=1):
        return block(feature, weights, name, stride=stride, **changed)

    return function


# feature_pyramid


def pyramid_shapes(channels, pyramid_channels):
    """Return the shapes of a pyramid's kernels and biases."""
    shapes = {}
    for level, count in zip(LEVELS, channels):
        shapes.update(conv_shapes(f"fpn_c{level}p{level}", 1, count, pyramid_channels))
        shapes.update(conv_shapes(f"fpn_p{level}", 3, pyramid_channels, pyramid_channels))
    return shapes


def flat_pyramid():
    """Return maps of one number each and kernels that pass it on, as in the docstring, and what comes out."""
    middle = np.pad(np.ones((1, 1, 1, 1)), [(1, 1), (1, 1), (0, 0), (0, 0)])
    weights, features = {}, {}
    for level in LEVELS:
        weights[f"fpn_c{level}p{level}/kernel"], weights[f"fpn_p{level}/kernel"] = np.ones((1, 1, 1, 1)), middle
        weights[f"fpn_c{level}p{level}/bias"] = weights[f"fpn_p{level}/bias"] = np.zeros(1)
        features[f"c{level}"] = np.full((2 ** (5 - level), 2 ** (5 - level), 1), 10.0 ** (level - 2))
    wanted = {"p2": 1111.0, "p3": 1110.0, "p4": 1100.0, "p5": 1000.0}
    outputs = {name: np.full(features["c" + name[1]].shape, value) for name, value in wanted.items()}
    outputs["p6"] = outputs["p5"]
    return features, weights, outputs


def pyramid_cases(seed):
    """Return cases of ``feature_pyramid``: one number a level, and small random maps."""
    rng = np.random.default_rng([seed, 45])
    features, weights, outputs = flat_pyramid()
    cases = [Case("one number a level", (features, weights), {}, 1e-6, (outputs,))]
    no_image = {name: np.zeros((0,) + level.shape) for name, level in features.items()}
    cases.append(Case("no image", (no_image, weights), {}, 1e-6))
    for number in range(7):
        height, width = ((1, 2), (2, 2), (3, 2), (2, 3))[number % 4]
        channels, batch = (4, 3, 2, 2), (2,) * (number % 2)
        features = {
            f"c{level}": np.round(rng.normal(size=batch + (height * 2**place, width * 2**place, count)), 2)
            for place, (level, count) in enumerate(zip(LEVELS, channels))
        }
        weights = random_weights(rng, pyramid_shapes(channels, 2))
        cases.append(Case(f"random {number}", (features, weights), {}, 1e-6))
    return cases


def tiled(feature):
    """Return the whole map four times, beside and below itself."""
    return np.concatenate([np.concatenate([feature] * 2, axis=-2)] * 2, axis=-3)


def wrong_pyramid(*, larger=upsample, smoothed_down=False, top_down=True, smooths=True, coarsest="first"):
    """Return ``feature_pyramid`` with one thing changed."""

    def function(features, weights):
        merged, pyramid = None, {}
        for level in LEVELS:
            lateral = conv_layer(features[f"c{level}"], weights, f"fpn_c{level}p{level}")
            merged = lateral if merged is None or not top_down else larger(merged) + lateral
            pyramid[f"p{level}"] = conv_layer(merged, weights, f"fpn_p{level}") if smooths else merged
            merged = pyramid[f"p{level}"] if smoothed_down else merged
        pyramid["p6"] = {
            "first": lambda top: top[..., ::2, ::2, :],
            "largest": lambda top: max_pool(top, size=2, stride=2),
        }[coarsest](pyramid["p5"])
        return pyramid

    return function


def summed_then_pooled(features, weights):
    """P6 from the sum, before it is smoothed."""
    pyramid = dict(feature_pyramid(features, weights))
    pyramid["p6"] = conv_layer(features["c5"], weights, "fpn_c5p5")[..., ::2, ::2, :]
    return pyramid


def draw_channel(case, expected, got):
    """Return a drawing of the channel that differs most, expected and the student's."""
    from mini_rcnn.view.lab_04 import channel_figure

    if [got[part].shape for part in expected] != [array.shape for array in expected.values()]:
        return None
    name = min(expected, key=lambda part: bool(np.isclose(expected[part], got[part], atol=1e-6).all()))
    return channel_figure(name.strip("[]'"), expected[name], got[name])


EXERCISES = (
    Exercise(
        "ops.same_padding",
        "mini_rcnn.stages.ops:same_padding",
        padding_cases,
        (
            Mistake(
                "the odd zero before",
                padding_odd_before,
                "With an odd number of zeros, on which side does the docstring put the one too many?",
            ),
            Mistake(
                "half a window on both sides",
                padding_symmetric,
                "Draw 8 pixels and windows of 3 that begin at every second one. How many windows are there, and where "
                "does the last one end?",
            ),
            Mistake(
                "a negative number of zeros",
                padding_negative,
                "Windows may leave pixels out. How many zeros does an axis need that is longer than its windows reach?",
            ),
            Mistake(
                "windows rounded down",
                padding_rounded_down,
                "How many results does an axis of 7 give at stride 2? `//` rounds down.",
            ),
            Mistake(
                "stride not used",
                padding_without_stride,
                "How far does the first window reach, and how far the last one, when they begin further apart than one "
                "pixel?",
            ),
        ),
    ),
    Exercise(
        "ops.conv2d",
        "mini_rcnn.stages.ops:conv2d",
        convolution_cases,
        (
            Mistake(
                "kernel turned round",
                convolution_flipped,
                "Which entry of the kernel meets the first pixel of a window? The Notes say whether it is flipped.",
            ),
            Mistake(
                "padding that ignores the stride",
                convolution_symmetric,
                "How many zeros stand before and after is `same_padding`'s to say, and the stride matters to it.",
            ),
            Mistake("bias forgotten", convolution_no_bias, "What stands at the end of the equation in the Notes?"),
            Mistake(
                "always padded",
                convolution_always_same,
                "Count the rows that come out with padding='valid': may a window reach beyond the feature?",
            ),
            Mistake(
                "stride along y alone",
                convolution_rows_alone,
                "Count rows and columns of what comes out at stride 2.",
            ),
            Mistake(
                "every other result of stride 1",
                convolution_stride_after,
                "With stride 2 the first window need not begin where it does with stride 1: where are the zeros then?",
            ),
        ),
        draw_channel,
    ),
    Exercise(
        "ops.batch_norm",
        "mini_rcnn.stages.ops:batch_norm",
        norm_cases,
        (
            Mistake(
                "statistics of the feature at hand",
                norm_of_this_feature,
                "Frozen means: whose mean and variance? They are handed in.",
            ),
            Mistake(
                "divided by the variance",
                norm_without_root,
                "After it, a channel of variance 4 should be spread as one of variance 1. By what is it divided?",
            ),
            Mistake(
                "epsilon outside the root",
                norm_epsilon_outside,
                "A variance of 0: what is divided by then? Look where epsilon stands in the equation.",
            ),
            Mistake(
                "gamma and beta exchanged",
                norm_swapped,
                "One of the two is the new spread, the other the new middle. Try a feature that equals its mean.",
            ),
            Mistake(
                "beta multiplied, too",
                norm_beta_scaled,
                "A feature that equals its mean becomes beta. What does yours become?",
            ),
        ),
        draw_channel,
    ),
    Exercise(
        "backbone.residual_block",
        "mini_rcnn.stages.backbone:residual_block",
        block_cases,
        (
            Mistake(
                "nothing added",
                wrong_block(adds=False),
                "A block whose weights are all 0 should pass on what it was given. What does yours do?",
            ),
            Mistake(
                "rectified before the sum",
                wrong_block(before_sum=True),
                "May a block take something away from what it was given? Which of the three convolutions has no "
                "rectifier behind it?",
            ),
            Mistake("no rectifier at the end", wrong_block(last=False), "Can what comes out be negative?"),
            Mistake(
                "stride in the 3 x 3",
                wrong_block(at="2b"),
                "There are two places in which people put the stride. Which one is the paper's, by the Notes?",
            ),
            Mistake(
                "projection not normalised",
                wrong_block(norms=False),
                "Every convolution of the block has a normalisation behind it, the one of the shortcut, too.",
            ),
        ),
        draw_channel,
    ),
    Exercise(
        "fpn.feature_pyramid",
        "mini_rcnn.stages.fpn:feature_pyramid",
        pyramid_cases,
        (
            Mistake(
                "the smoothed map goes down",
                wrong_pyramid(smoothed_down=True),
                "Two maps of each level exist, the sum and the smoothed sum. Which of the two is upsampled?",
            ),
            Mistake(
                "tiled instead of repeated",
                wrong_pyramid(larger=tiled),
                "Twice as large by repeating *pixels*: [a, b] becomes [a, a, b, b].",
            ),
            Mistake(
                "nothing from above",
                wrong_pyramid(top_down=False),
                "What does P2 know of C5? Follow the number 1000 of the case 'one number a level'.",
            ),
            Mistake(
                "not smoothed",
                wrong_pyramid(smooths=False),
                "Each level has two convolutions in the weights. Which of them have you used?",
            ),
            Mistake(
                "P6 by the largest of four",
                wrong_pyramid(coarsest="largest"),
                "P2 to P5 are right, P6 is not: it is *picked* from P5, nothing is compared.",
            ),
            Mistake(
                "P6 before smoothing",
                summed_then_pooled,
                "P2 to P5 are right, P6 is not: of which map does it take every second pixel?",
            ),
        ),
        draw_channel,
    ),
)
