"""The slides' way to a batch: Matterport's ``data_generator`` on the DICOM films, with imgaug to augment them."""

from __future__ import annotations

import contextlib
import warnings
from unittest import mock

import numpy as np

from mini_rcnn import matterport
from mini_rcnn.data.bench_parts import plain_pixels


@matterport.quietly
def slides_augmentation():
    """Return the slides' imgaug sequence."""
    from imgaug import augmenters as iaa

    return iaa.Sequential(
        [
            iaa.OneOf(
                [
                    iaa.Affine(
                        scale={"x": (0.98, 1.04), "y": (0.98, 1.04)},
                        translate_percent={"x": (-0.03, 0.03), "y": (-0.05, 0.05)},
                        rotate=(-2, 2),
                        shear=(-1, 1),
                    ),
                    iaa.PiecewiseAffine(scale=(0.001, 0.025)),
                ]
            ),
            iaa.OneOf([iaa.Multiply((0.85, 1.15)), iaa.ContrastNormalization((0.85, 1.15))]),
            iaa.OneOf([iaa.GaussianBlur(sigma=(0.0, 0.12)), iaa.Sharpen(alpha=(0.0, 0.12))]),
        ]
    )


def slides_dataset(records):
    """Return the slides' dataset: films read when asked for, a filled rectangle for each box at the film's size."""

    class SlidesDataset(matterport.loader_parts().Dataset):
        def load_image(self, image_id):
            pixels = plain_pixels(self.image_info[image_id]["path"])
            return np.stack((pixels,) * 3, -1)

        def load_mask(self, image_id):
            boxes = self.image_info[image_id]["boxes"]
            if not len(boxes):  # one empty mask of class 0, which data_generator then skips the image for
                return np.zeros((1024, 1024, 1), dtype=bool), np.zeros(1, dtype=np.int32)
            masks = np.zeros((1024, 1024, len(boxes)), dtype=np.uint8)
            for k, (y1, x1, y2, x2) in enumerate(boxes.astype(int)):
                masks[y1 : y2 + 1, x1 : x2 + 1, k] = 255  # as cv2.rectangle fills: both corners belong to it
            return masks.astype(bool), np.ones(len(boxes), dtype=np.int32)

    dataset = SlidesDataset()
    dataset.add_class("pneumonia", 1, "Lung Opacity")
    for number, record in enumerate(records):
        dataset.add_image("pneumonia", image_id=number, path=str(record.path), boxes=record.boxes)
    dataset.prepare()
    return dataset


def slides_config(size, batch_size):
    """Return Matterport's configuration as the slides set it, with the five anchor scales that its levels need."""

    class SlidesConfig(matterport.loader_parts().Config):
        NAME = "pneumonia"
        GPU_COUNT = 1
        IMAGES_PER_GPU = batch_size
        BACKBONE = "resnet101"
        NUM_CLASSES = 2
        IMAGE_MIN_DIM = size
        IMAGE_MAX_DIM = size
        RPN_ANCHOR_SCALES = (32, 64, 128, 256, 512)
        MAX_GT_INSTANCES = 4

    return SlidesConfig()


@contextlib.contextmanager
def constant_targets(wanted):
    """Let ``data_generator`` get the same RPN targets for every image, at no cost, if that is wanted."""
    model = matterport.loader_parts().model
    anchors_to_targets = {}

    def constant(image_shape, anchors, gt_class_ids, gt_boxes, config):
        if "made" not in anchors_to_targets:
            match = np.zeros(len(anchors), dtype=np.int32)
            anchors_to_targets["made"] = match, np.zeros((config.RPN_TRAIN_ANCHORS_PER_IMAGE, 4))
        return anchors_to_targets["made"]

    with mock.patch.object(model, "build_rpn_targets", constant if wanted else model.build_rpn_targets):
        yield


class SlidesLoader:
    """``data_generator`` as the slides call it; `produce` has it finish images.

    Parameters
    ----------
    records : sequence of Record
        With boxes: it skips the others.
    size, batch_size : int
    augmented : bool
    targets : bool
        Whether it also builds RPN targets, as it comes, or gets constant ones.
    """

    def __init__(self, records, *, size, batch_size, augmented, targets):
        model = matterport.loader_parts().model
        self.batch_size, self.targets = batch_size, targets
        augmentation = slides_augmentation() if augmented else None
        self.generator = model.data_generator(
            slides_dataset(records),
            slides_config(size, batch_size),
            shuffle=True,
            augmentation=augmentation,
            batch_size=batch_size,
        )

    def produce(self, n_images):
        """Return how many images it finished: at least so many, in whole batches."""
        done = 0
        with warnings.catch_warnings(), constant_targets(not self.targets):
            warnings.simplefilter("ignore")
            while done < n_images:
                (images, *_), _ = next(self.generator)
                done += len(images)
        return done
