"""The feature pyramid: every level knows what the coarser ones have seen (Lin et al., FPN, 2017)."""

from __future__ import annotations

from .backbone import conv_layer
from .ops import upsample


def feature_pyramid(features, weights):
    """Return the pyramid P2 to P6 of the backbone's feature maps.

    Parameters
    ----------
    features : dict
        ``"c2"`` to ``"c5"``, each half the size of the one before, (H, W, C) or (B, H, W, C).
    weights : mapping of str to ndarray
        Holds kernel and bias of the 1 x 1 convolutions ``fpn_c5p5`` to ``fpn_c2p2`` and of the 3 x 3 ones ``fpn_p5`` to
        ``fpn_p2``; see `conv_layer`.

    Returns
    -------
    pyramid : dict
        ``"p2"`` to ``"p6"``, all with the same number of channels; P6 has half the size of P5, rounded up.

    Notes
    -----
    FPN, section 3, from the top down: ``M5 = lateral(C5)`` and ``M_l = upsample(M_(l + 1)) + lateral(C_l)``, where
    ``lateral`` is the level's 1 x 1 convolution (to 256 channels in the paper) and ``upsample`` repeats pixels. A 3 x 3
    convolution smooths each sum, ``P_l = smooth(M_l)``; what goes down is the sum, not the smoothed one. P6 is every
    second pixel of P5 from the first on (section 4.1, footnote 2), for the largest anchors alone: boxes are not pooled
    from it. Matterport's graph is the same.

    Examples
    --------
    Kernels of 1, and of 1 in their middle alone: every level adds up what lies above it.

    >>> import numpy as np
    >>> weights, middle = {}, np.pad(np.ones((1, 1, 1, 1)), [(1, 1), (1, 1), (0, 0), (0, 0)])
    >>> for level in (2, 3, 4, 5):
    ...     weights[f"fpn_c{level}p{level}/kernel"], weights[f"fpn_p{level}/kernel"] = np.ones((1, 1, 1, 1)), middle
    ...     weights[f"fpn_c{level}p{level}/bias"] = weights[f"fpn_p{level}/bias"] = np.zeros(1)
    >>> features = {f"c{level}": np.full((64 // 2**level, 64 // 2**level, 1), 10.0 ** level) for level in (2, 3, 4, 5)}
    >>> pyramid = feature_pyramid(features, weights)
    >>> [(name, len(level), int(level.max())) for name, level in pyramid.items()]
    [('p2', 16, 111100), ('p3', 8, 111000), ('p4', 4, 110000), ('p5', 2, 100000), ('p6', 1, 100000)]
    """
    merged, pyramid = None, {}
    for level in (5, 4, 3, 2):
        lateral = conv_layer(features[f"c{level}"], weights, f"fpn_c{level}p{level}")
        merged = lateral if merged is None else upsample(merged) + lateral
        pyramid[f"p{level}"] = conv_layer(merged, weights, f"fpn_p{level}")
    pyramid["p6"] = pyramid["p5"][..., ::2, ::2, :]
    return {name: pyramid[name] for name in ("p2", "p3", "p4", "p5", "p6")}
