"""What a training is fed with: the two sides' images, and batches without end, from any place on."""

from __future__ import annotations

import functools
import hashlib
from typing import NamedTuple

from mini_rcnn.data.augment import WIDE, augment
from mini_rcnn.data.batches import batches
from mini_rcnn.data.errors import DataError

# What `TrainingConfig.augmentation` names; the names stand in settings.AUGMENTATIONS.
CHANGES = {"slides": augment, "wide": functools.partial(augment, settings=WIDE), "none": None}


class Data(NamedTuple):
    """Prepared films, and who learns and who judges."""

    prepared: object  # mini_rcnn.data.cache.Prepared
    train: list  # of Record
    validation: list


class Place(NamedTuple):
    """Where a stream of batches is: passes through the images, and batches in the pass."""

    times: int
    batch: int


def fingerprint(data):
    """Return a SHA-256 of everything that is learnt from: both sides' ids, boxes and prepared pixels."""
    digest = hashlib.sha256()
    for side in ("train", "validation"):
        for record in sorted(getattr(data, side), key=lambda record: record.id):
            pixels = data.prepared.entry(record.id).crc32 if record.id in data.prepared else None
            digest.update(f"{side}\t{record.id}\t{record.boxes.tolist()}\t{pixels}\n".encode())
    return digest.hexdigest()


def usable(records, prepared, config):
    """Return the records that batches will show: those with films, and, where negatives are skipped, with boxes."""
    skips = config.targets.negatives == "skip"
    return [one for one in records if one.id in prepared and (len(one.boxes) or not skips)]


class Feed:
    """The batches of a training and of its validation.

    Parameters
    ----------
    data : Data
    config : Config
    training : TrainingConfig
    tell : callable
        Of a text, for each image that is broken, once.

    Attributes
    ----------
    n_steps : int
        Of an epoch.
    broken : dict
        id -> what is wrong with it, of all broken images met so far.
    """

    def __init__(self, data, config, training, *, tell=print):
        self.data, self.config, self.training, self.tell = data, config, training, tell
        self.broken = {}
        n_images = len(usable(data.train, data.prepared, config))
        if n_images < training.batch_size:
            raise DataError(
                f"{n_images} images to learn from do not fill one batch of {training.batch_size}: "
                "get more, or lower it with --batch-size"
            )
        if not usable(data.validation, data.prepared, config):
            raise DataError("there is no image to validate with: the split's validation side is empty; get more films")
        self.n_steps = training.steps or n_images // training.batch_size
        # One width for the whole run, so that the graph is built once.
        self.max_boxes = max(1, max(len(record.boxes) for side in (data.train, data.validation) for record in side))
        if data.prepared.broken:
            self.note({one.id: data.prepared.broken[one.id] for side in (data.train, data.validation) for one in side
                       if one.id in data.prepared.broken})  # fmt: skip

    def batches_of(self, records, **options):
        """Return batches of some records, as the two configurations say."""
        options = {"batch_size": self.training.batch_size, **options}
        return batches(
            self.data.prepared,
            records,
            seed=self.training.seed,
            negatives="skip" if self.config.targets.negatives == "skip" else "full",
            masks=self.training.masks,
            max_boxes=self.max_boxes,
            mean=self.config.image.mean,
            spread=self.config.image.spread,
            **options,
        )

    def training_batches(self, begin=(0, 0)):
        """Yield ``(batch, place)`` without end: a batch, and the `Place` of the next one."""
        times, start = begin
        alone = self.config.targets.negatives == "skip"  # then there is nothing to share the images with
        while True:
            made = self.batches_of(
                self.data.train,
                epoch=times,
                augmentation=CHANGES[self.training.augmentation],
                positive_share=None if alone else self.training.positive_share,
                hard_share=None if alone else self.training.hard_share,
                drop_last=True,
                start=start,
            )
            begun = start > 0
            for batch in made:
                begun = True
                self.note(made.broken)
                yield batch, Place(times, batch.step + 1)
            self.note(made.broken)
            if not begun:
                raise DataError("no batch can be made: every image of the side is broken")
            times, start = times + 1, 0

    def validation_batches(self):
        """Return the validation side's batches, the same at each call: not augmented, in an order of the seed's."""
        made = self.batches_of(self.data.validation, epoch=0)
        limit = self.training.validation_steps
        for number, batch in enumerate(made):
            if limit is not None and number >= limit:
                break
            yield batch
        self.note(made.broken)

    def statistics_batches(self, n_images=16):
        """Return batches of the first images to learn from, not augmented, to record normalisations' statistics on."""
        made = self.batches_of(self.data.train, epoch=0, batch_size=min(n_images, len(self.data.train)))
        return made

    def note(self, broken):
        """Tell of each broken image once, and keep it."""
        for image_id, reason in broken.items():
            if image_id not in self.broken:
                self.broken[image_id] = reason
                self.tell(f"broken, left out: {reason}")
