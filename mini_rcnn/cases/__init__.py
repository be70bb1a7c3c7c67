"""Cases: inputs on which a stage is compared with Matterport's, NumPy alone. One set for tests, recordings and labs.

`named_cases` are the awkward ones, each under the name of what is awkward. `random_cases` are as many as asked for,
from a seed. Neither holds an answer: see `mini_rcnn.reference` for Matterport's.
"""

from __future__ import annotations

import numpy as np

from . import box_cases, detection_cases, mask_cases, pooling_cases, suppression_cases
from .case import Case

__all__ = ["STAGES", "Case", "named_cases", "random_cases"]

# The stage: a function that returns its named cases, and one that draws a random case from a generator.
STAGES = {
    "anchors.pyramid_anchors": (box_cases.named_anchors, box_cases.draw_anchors),
    "boxes.box_iou": (box_cases.named_pairs, box_cases.draw_pairs),
    "boxes.decode_deltas": (box_cases.named_deltas, box_cases.draw_deltas),
    "boxes.encode_deltas": (box_cases.named_targets, box_cases.draw_targets),
    "boxes.clip_boxes": (box_cases.named_windows, box_cases.draw_windows),
    "nms.non_max_suppression": (suppression_cases.named_nms, suppression_cases.draw_nms),
    "proposals.propose": (suppression_cases.named_proposals, suppression_cases.draw_proposals),
    "roi_align.crop_and_resize": (pooling_cases.named_crops, pooling_cases.draw_crops),
    "roi_align.pyramid_level": (pooling_cases.named_levels, pooling_cases.draw_levels),
    "roi_align.pyramid_roi_align": (pooling_cases.named_pyramids, pooling_cases.draw_pyramids),
    "detections.refine_detections": (detection_cases.named_detections, detection_cases.draw_detections),
    "image.fit_to_square": (mask_cases.named_images, mask_cases.draw_images),
    "image.normalise": (mask_cases.named_pixels, mask_cases.draw_pixels),
    "masks.paste_mask": (mask_cases.named_pastes, mask_cases.draw_pastes),
    "masks.minimize_masks": (mask_cases.named_minimized, mask_cases.draw_minimized),
    "masks.expand_masks": (mask_cases.named_expanded, mask_cases.draw_expanded),
}


def named_cases(stage):
    """Return the awkward cases of a stage, a list of `Case`.

    >>> [case.name for case in named_cases("boxes.encode_deltas")]
    ['none', 'one box', 'identical boxes', 'outside the image', 'very long and very short']
    """
    return STAGES[stage][0]()


def random_cases(stage, *, seed, count):
    """Return random cases of a stage, a list of `Case`; the same for the same seed.

    >>> [case.name for case in random_cases("boxes.box_iou", seed=1, count=2)]
    ['random 0', 'random 1']
    """
    draw = STAGES[stage][1]
    rngs = [np.random.default_rng([seed, *stage.encode(), number]) for number in range(count)]
    return [draw(rng, f"random {number}") for number, rng in enumerate(rngs)]
