"""What the backbone says of a film as a whole: the channels of C5, their mean and their highest value over the film."""

from __future__ import annotations

import numpy as np

from mini_rcnn.model import network_greys


def pooled(feature):
    """Return the mean and the highest value of each channel, (2 C,), of a feature (H, W, C).

    >>> pooled(np.array([[[1.0, 5.0], [3.0, 4.0]]]))
    array([2. , 4.5, 3. , 5. ])
    """
    feature = np.asarray(feature)
    return np.concatenate([feature.mean(axis=(0, 1)), feature.max(axis=(0, 1))])


def film_features(detector, prepared, ids):
    """Return the features of films, (N, 2 C) float32.

    Parameters
    ----------
    detector : mini_rcnn.stages_tf.model.Detector
    prepared : mini_rcnn.data.cache.Prepared
    ids : sequence of N str
    """
    from mini_rcnn.stages_tf.model import as_tensors

    rows = []
    for image_id in ids:
        pixels = network_greys(prepared.image(image_id), detector.config.image)
        trace = detector.run(*as_tensors(pixels, prepared.geometry(image_id).window))
        rows.append(pooled(trace["c5"]))
    return np.array(rows, dtype=np.float32)
