"""The layers a network is made of, forward only: convolution, normalisation, pooling, upsampling and their kin.

A feature is ``(H, W, C)``, a batch of them ``(B, H, W, C)``; every function here takes both. Arithmetic stays in the
feature's float dtype. Kernels are laid out as in TensorFlow: ``(height, width, channels in, channels out)``.
"""

from __future__ import annotations

import numpy as np

from ._check import number_array, one_of, shaped, whole_number

BATCH_NORM_EPSILON = 1e-3  # Keras's default, which Matterport's network is trained with


def feature_array(name, feature):
    """Return a feature or a batch of features as a finite float array."""
    array = number_array(name, feature)
    if array.ndim not in (3, 4):
        raise ValueError(f"{name} must have shape (H, W, C) or (B, H, W, C), got {array.shape}")
    return array


def same_padding(length, window, stride):
    """Return how many zeros stand before and after an axis where a layer is padded as TensorFlow's "same".

    Parameters
    ----------
    length : int
        Pixels along the axis, at least 1.
    window : int
        Pixels that the kernel covers.
    stride : int
        Pixels from one window to the next.

    Returns
    -------
    before, after : int
        As many zeros as the last window needs, in two halves; of an odd number the one too many goes after.

    Notes
    -----
    "Same" promises ``n = ceil(length / stride)`` results. The last of n windows ends
    ``(n - 1) * stride + window`` pixels after the first one begins; where the axis is shorter than that, zeros are
    added, else none. Keras and TensorFlow do it so, and Matterport with them. PyTorch's ``padding=window // 2`` puts as
    many before as after, whatever the stride.

    Examples
    --------
    >>> same_padding(5, 3, 1)
    (1, 1)
    >>> same_padding(256, 3, 2)
    (0, 1)
    """
    n_windows = -(-length // stride)  # rounded up
    total = max(0, (n_windows - 1) * stride + window - length)
    return total // 2, total - total // 2


def unfold_patches(feature, window, stride, padding, *, fill=0):
    """Return every window of a batch of features, (B, h, w, kh, kw, C): a view where nothing is padded."""
    (kh, kw), (height, width) = window, feature.shape[1:3]
    if padding == "same":
        around = [(0, 0), same_padding(height, kh, stride), same_padding(width, kw, stride), (0, 0)]
        feature = np.pad(feature, around, constant_values=fill)
    if min(feature.shape[1] - kh, feature.shape[2] - kw) < 0:
        raise ValueError(f"feature must be at least {kh} x {kw} for such a kernel, got {height} x {width}")
    patches = np.lib.stride_tricks.sliding_window_view(feature, (kh, kw), axis=(1, 2))[:, ::stride, ::stride]
    return np.moveaxis(patches, 3, 5)  # (B, h, w, kh, kw, C)


def on_batch(function, feature):
    """Return what a function of a batch makes of a batch, or of a single feature."""
    return function(feature) if feature.ndim == 4 else function(feature[None])[0]


def conv2d(feature, kernel, bias=None, *, stride=1, padding="same"):
    """Return the convolution of a feature with a kernel.

    Parameters
    ----------
    feature : ndarray of shape (H, W, C) or (B, H, W, C), float
    kernel : ndarray of shape (kh, kw, C, F)
    bias : ndarray of shape (F,), optional
    stride : int, default 1
        Pixels from one window to the next, along both axes.
    padding : {"same", "valid"}
        "same" adds zeros until there are ``ceil(H / stride)`` rows, as many before and after as `same_padding` says,
        and so with columns; "valid" adds none: every window lies inside.

    Returns
    -------
    convolved : ndarray of shape (h, w, F) or (B, h, w, F)

    Raises
    ------
    ValueError
        If shapes do not fit each other, or the window is larger than the feature.

    Notes
    -----
    ``out[i, j] = sum over u, v of feature[i * stride + u, j * stride + v] @ kernel[u, v] + bias``: deep learning's
    convolution does not flip the kernel. Each window is laid out as a row, all rows make a matrix, and one matrix
    product does the rest (Chellapilla et al., 2006); a loop over windows gives the same. TensorFlow: ``tf.nn.conv2d``.

    Examples
    --------
    >>> ramp = np.arange(9.0).reshape(3, 3, 1)
    >>> conv2d(ramp, np.ones((2, 2, 1, 1)), padding="valid")[..., 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    feature, kernel = feature_array("feature", feature), number_array("kernel", kernel)
    shaped("kernel", kernel, (None, None, feature.shape[-1], None))
    stride = whole_number("stride", stride, 1)
    one_of("padding", padding, ("same", "valid"))
    n_out = kernel.shape[3]
    kernel = kernel.astype(feature.dtype, copy=False)

    def convolve(batch):
        patches = unfold_patches(batch, kernel.shape[:2], stride, padding)
        rows = patches.reshape(-1, kernel.size // n_out)  # (B * h * w, kh * kw * C)
        return (rows @ kernel.reshape(-1, n_out)).reshape(*patches.shape[:3], n_out)

    out = on_batch(convolve, feature)
    return out if bias is None else out + shaped("bias", number_array("bias", bias), (n_out,)).astype(feature.dtype)


def batch_norm(feature, gamma, beta, mean, variance, *, epsilon=BATCH_NORM_EPSILON):
    """Return the feature normalised by recorded statistics, channel by channel.

    Parameters
    ----------
    feature : ndarray of shape (..., C), float
    gamma, beta : ndarrays of shape (C,)
        What is learnt: the new spread and the new middle.
    mean, variance : ndarrays of shape (C,)
        What was recorded over the data the layer was trained on.
    epsilon : float

    Returns
    -------
    normalised : ndarray of shape (..., C)

    Notes
    -----
    ``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, Ioffe and Szegedy, 2015. This is the layer at inference;
    Matterport uses it so in training too ("frozen"), because one or two images a batch tell too little about mean and
    variance. ``mean`` and ``variance`` are then the numbers that no gradient reaches.

    Examples
    --------
    >>> batch_norm(np.array([[4.0]]), *np.array([[3.0], [1.0], [2.0], [4.0]]), epsilon=0)
    array([[4.]])
    """
    feature = number_array("feature", feature)
    channels = (feature.shape[-1],)
    gamma, beta, mean, variance = (
        shaped(name, number_array(name, values), channels).astype(feature.dtype)
        for name, values in (("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance))
    )
    scale = gamma / np.sqrt(variance + feature.dtype.type(epsilon))
    return feature * scale + (beta - mean * scale)


def relu(feature):
    """Return the feature with negative values replaced by 0 (Nair and Hinton, 2010).

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return np.maximum(feature, 0)


def max_pool(feature, *, size, stride):
    """Return the largest value of each window, padded as "same".

    Parameters
    ----------
    feature : ndarray of shape (H, W, C) or (B, H, W, C), float
    size, stride : int

    Returns
    -------
    pooled : ndarray of shape (h, w, C) or (B, h, w, C)
        ``h = ceil(H / stride)``; what is padded never wins.

    Examples
    --------
    >>> max_pool(np.arange(16.0).reshape(4, 4, 1), size=3, stride=2)[..., 0]
    array([[10., 11.],
           [14., 15.]])
    """
    feature = feature_array("feature", feature)
    size, stride = whole_number("size", size, 1), whole_number("stride", stride, 1)
    return on_batch(
        lambda batch: unfold_patches(batch, (size, size), stride, "same", fill=-np.inf).max(axis=(3, 4)), feature
    )


def upsample(feature):
    """Return the feature with every pixel repeated twice along both axes: nearest neighbours.

    >>> upsample(np.array([[[1.0], [2.0]]]))[..., 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    feature = feature_array("feature", feature)
    return feature.repeat(2, axis=-3).repeat(2, axis=-2)


def transposed_conv2x2(feature, kernel, bias):
    """Return the feature at twice the size: every pixel becomes a 2 x 2 patch of its own.

    Parameters
    ----------
    feature : ndarray of shape (B, H, W, C), float
    kernel : ndarray of shape (2, 2, F, C)
        TensorFlow's layout for this operation: channels out before channels in.
    bias : ndarray of shape (F,)

    Returns
    -------
    larger : ndarray of shape (B, 2 H, 2 W, F)

    Notes
    -----
    With stride 2 the patches of neighbouring pixels do not overlap, so one matrix product and a change of axes do it:
    ``out[2 i + u, 2 j + v] = kernel[u, v] @ feature[i, j] + bias``. TensorFlow: ``tf.nn.conv2d_transpose``.
    """
    feature, kernel = feature_array("feature", feature), number_array("kernel", kernel)
    n_images, height, width, channels = feature.shape
    shaped("kernel", kernel, (2, 2, None, channels))
    patches = np.tensordot(feature, kernel.astype(feature.dtype, copy=False), ([3], [3]))  # (B, H, W, 2, 2, F)
    larger = patches.transpose(0, 1, 3, 2, 4, 5).reshape(n_images, 2 * height, 2 * width, kernel.shape[2])
    return larger + np.asarray(bias, feature.dtype)


def softmax(logits):
    """Return probabilities that add up to 1 along the last axis.

    Parameters
    ----------
    logits : ndarray of shape (..., K), float
        Any numbers, large ones too: the more, the likelier.

    Returns
    -------
    probabilities : ndarray of shape (..., K)

    Notes
    -----
    ``p_k = exp(z_k) / sum over j of exp(z_j)``. The exponential of 89 is too large for a float32, that of 710 for a
    float64. A number taken from all logits of a row changes no probability; less its largest one, no row overflows.

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    logits = np.asarray(logits)
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)
