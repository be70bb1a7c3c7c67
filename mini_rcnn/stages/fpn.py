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
        Holds ``fpn_c5p5/kernel``, ``fpn_p5/kernel`` and so on.

    Returns
    -------
    pyramid : dict
        ``"p2"`` to ``"p6"``, all with the same number of channels; P6 has half the size of P5.

    Notes
    -----
    FPN, section 3: from the top down, each level is brought to 256 channels by a 1 x 1 convolution, and the level above
    it, twice as large by repeating pixels, is added; a 3 x 3 convolution smooths the sum. P6 is every second pixel of
    P5 (section 4.1, footnote 2), for the largest anchors alone: boxes are not pooled from it.
    """
    merged, pyramid = None, {}
    for level in (5, 4, 3, 2):
        lateral = conv_layer(features[f"c{level}"], weights, f"fpn_c{level}p{level}")
        merged = lateral if merged is None else upsample(merged) + lateral
        pyramid[f"p{level}"] = conv_layer(merged, weights, f"fpn_p{level}")
    pyramid["p6"] = pyramid["p5"][..., ::2, ::2, :]
    return {name: pyramid[name] for name in ("p2", "p3", "p4", "p5", "p6")}
