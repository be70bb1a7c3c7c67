"""Batches: prepared images with their boxes and masks, in an order that a seed decides, augmented and normalised."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from mini_rcnn.stages._check import one_of, whole_number
from mini_rcnn.stages.image import boxes_to_input, normalise, standardise

from .epoch_order import change_rng, epoch_order
from .errors import CacheError
from .small_masks import MASK_SIZE, boxes_of, cut_masks, paint_boxes

MEAN_PIXEL = (123.7, 116.8, 103.9)  # Matterport's, of the colour photographs that its weights have seen
MOST_BROKEN = 0.01  # of an epoch's images; above it the epoch stops
LOG = logging.getLogger(__name__)


class Batch(NamedTuple):
    """What the network takes and what it should find. B images, at most M boxes in each."""

    ids: tuple  # B strings
    images: np.ndarray  # (B, size, size, 3) float32: grey, three times, minus the mean pixel or the film's own mean
    boxes: np.ndarray  # (B, M, 4) float32, pixels of the padded input; zeros beyond counts
    class_ids: np.ndarray  # (B, M) int64: 1 is pneumonia, 0 is no box
    masks: np.ndarray  # (B, M, 56, 56) bool, each mask cut to its box and brought to a grid of 56 by 56
    counts: np.ndarray  # (B,) int64, boxes of each image; 0 is normal
    lost: np.ndarray  # (B,) int64, boxes of each image that augmentation pushed out of it
    step: int  # which batch of the epoch


class Example(NamedTuple):
    """One image of a batch."""

    id: str
    image: np.ndarray  # (size, size) uint8
    boxes: np.ndarray  # (N, 4)
    masks: np.ndarray  # (N, 56, 56) bool
    lost: int


class Batches:
    """The batches of one epoch: an iterator, which also knows what it had to leave out; see `batches`.

    Attributes
    ----------
    broken : dict
        id -> what is wrong with it, of images met so far that cannot be used.
    absent : tuple of str
        Images of the records whose films are not in the folder.
    n_images : int
        How many images the epoch has, the broken ones that are met only on the way included.
    """

    def __init__(
        self, prepared, records, *, batch_size, start, drop_last, augmentation, masks, max_boxes, mean, epoch, spread
    ):
        self.prepared, self.records = prepared, records
        self.batch_size, self.step = batch_size, start
        self.augmentation, self.mask_kind, self.seeds = augmentation, masks, epoch
        self.max_boxes, self.spread = max_boxes, spread
        self.levels = normalise(np.arange(256)[None], mean=mean)[0]  # (256, C): what each grey level becomes
        self.n_images = len(records)
        self.n_steps = len(records) // batch_size if drop_last else -(-len(records) // batch_size)
        self.broken, self.absent = {}, ()

    def __len__(self):
        return self.n_steps

    def __iter__(self):
        return self

    def __next__(self):
        while self.step < self.n_steps:
            places = range(self.step * self.batch_size, min((self.step + 1) * self.batch_size, self.n_images))
            examples = [example for example in map(self.example, places) if example is not None]
            self.step += 1
            if examples:
                return self.stack(examples)
        raise StopIteration

    def example(self, place):
        """Return the image at a place of the epoch, or None if it is broken, which is noted."""
        record = self.records[place]
        try:
            image = self.prepared.image(record.id)
            masks = true_masks(self.prepared, record.id) if self.mask_kind == "true" else None
        except CacheError as error:
            self.note_broken(record.id, str(error))
            return None
        boxes = boxes_to_input(record.boxes, self.prepared.geometry(record.id))
        if self.augmentation is None:
            small = np.ones((len(boxes), MASK_SIZE, MASK_SIZE), bool) if masks is None else cut_masks(masks, boxes)
            return Example(record.id, image, boxes, small, 0)
        masks = paint_boxes(boxes, self.prepared.size) if masks is None else masks
        image, masks = self.augmentation(image, masks, rng=change_rng(*self.seeds, place))
        seen = masks[masks.any(axis=(1, 2))]
        boxes = boxes_of(seen)
        return Example(record.id, image, boxes, cut_masks(seen, boxes), len(masks) - len(seen))

    def stack(self, examples):
        """Return examples as one batch."""
        n, m = len(examples), self.max_boxes
        boxes, class_ids = np.zeros((n, m, 4), np.float32), np.zeros((n, m), np.int64)
        masks, counts = np.zeros((n, m, MASK_SIZE, MASK_SIZE), bool), np.zeros(n, np.int64)
        for i, example in enumerate(examples):
            counts[i] = count = len(example.boxes)
            boxes[i, :count], class_ids[i, :count], masks[i, :count] = example.boxes, 1, example.masks
        images = np.stack([self.network_greys(example.image) for example in examples])
        lost = np.array([example.lost for example in examples], np.int64)
        return Batch(
            tuple(example.id for example in examples), images, boxes, class_ids, masks, counts, lost, self.step - 1
        )

    def network_greys(self, image):
        """Return an image (size, size) uint8 as the network wants it, (size, size, 3) float32."""
        if self.spread is None:
            return np.take(self.levels, image, axis=0)
        return standardise(image, spread=self.spread)

    def note_broken(self, image_id, reason):
        """Keep and log that an image is broken; stop, with all the epoch's broken ones, when there are too many."""
        if image_id not in self.broken:
            LOG.warning("left out of the epoch: %s", reason)
        self.broken[image_id] = reason
        if len(self.broken) > MOST_BROKEN * self.n_images:
            self.stop_with_all()

    def stop_with_all(self):
        """Raise CacheError with every broken image of the epoch, those that have not come yet included."""
        for record in self.records:
            try:
                self.prepared.image(record.id)
                if self.mask_kind == "true":
                    true_masks(self.prepared, record.id)
            except CacheError as error:
                self.broken[record.id] = str(error)
        n_broken, listed = len(self.broken), "".join(f"\n  {reason}" for reason in self.broken.values())
        raise CacheError(
            f"{n_broken} of {self.n_images} images of the epoch are broken, more than {MOST_BROKEN:.0%}:{listed}"
        )


def true_masks(prepared, image_id):
    """Return the true masks of an image, (N, size, size) bool, none where there is no mask file."""
    masks = prepared.masks(image_id)
    return np.zeros((0, prepared.size, prepared.size), bool) if masks is None else masks


def batches(
    prepared,
    records,
    *,
    batch_size,
    seed,
    epoch,
    augmentation=None,
    negatives="full",
    masks="boxes",
    shuffle=True,
    drop_last=False,
    start=0,
    positive_share=None,
    hard_share=None,
    max_boxes=None,
    mean=MEAN_PIXEL,
    spread=None,
):
    """Return the batches of one epoch.

    Parameters
    ----------
    prepared : mini_rcnn.data.cache.Prepared
    records : sequence of Record
        Which images, such as those of a split's side.
    batch_size : int
    seed, epoch : int
        Order and augmentation depend on these two and on the place in the epoch alone.
    augmentation : callable, optional
        ``(image, masks, rng=...)`` of an image (size, size) uint8 and masks (N, size, size) bool, and the same back,
        such as `mini_rcnn.data.augment.augment`. None for validation.
    negatives : {"full", "skip"}
        Whether images without boxes take part. Matterport's ``data_generator`` skips them.
    masks : {"boxes", "true"}
        What the masks are: the full rectangle of each box, as on the slides (RSNA has no masks), or phantoms' own.
    shuffle : bool, default True
        False keeps the records' order, for validation.
    drop_last : bool, default False
        Whether to leave out a last batch that is not full.
    start : int, default 0
        The batch to begin with; what comes before is not computed. After ``batch``, go on at ``batch.step + 1``.
    positive_share, hard_share : float, optional
        See `epoch_order`.
    max_boxes : int, optional
        M; the most boxes that a record has, and at least 1, by default.
    mean : three numbers
        Taken from the three equal channels.
    spread : float, optional
        In place of ``mean`` each image's own mean is taken away, after its augmentation, and its greys get this
        standard deviation, see `mini_rcnn.stages.image.standardise`.

    Returns
    -------
    Batches
        An iterator of `Batch`; `mini_rcnn.data.ahead.ahead` makes them in a thread ahead of their reader.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    CacheError
        If a film of the records, or a true mask that is wanted, is not in the cache. While iterating, if more than
        1 % of the epoch's images are broken: it names every one of them. Fewer are left out of their batches, logged,
        and kept in ``broken``.

    Notes
    -----
    Without augmentation the boxes are the table's, exact to float32. With it they are the bounding boxes of the masks
    after it, ``y2`` being one past the last row; a mask that is empty then has no box, and ``lost`` counts it. A small
    mask lies on the grid of its own box: cell i of 56 reaches from ``y1 + i / 56 * (y2 - y1)`` to the next.
    Matterport: ``mrcnn.model.load_image_gt``, which rounds boxes to whole pixels and drops lost ones in silence.
    """
    for name, value, least in (
        ("batch_size", batch_size, 1), ("seed", seed, 0), ("epoch", epoch, 0), ("start", start, 0)
    ):  # fmt: skip
        whole_number(name, value, least)
    one_of("negatives", negatives, ("full", "skip"))
    one_of("masks", masks, ("boxes", "true"))
    wanted = [record for record in records if negatives == "full" or len(record.boxes)]
    usable = [record for record in wanted if record.id in prepared or record.id in prepared.broken]
    absent = tuple(record.id for record in wanted if record.path is None and record.id not in prepared)
    check_all_there(prepared, wanted, usable, absent, masks)
    most = max((len(record.boxes) for record in usable), default=0)
    max_boxes = max(1, most) if max_boxes is None else whole_number("max_boxes", max_boxes, max(1, most))
    ordered = usable
    if shuffle and usable:
        shares = {"positive_share": positive_share, "hard_share": hard_share}
        ordered = [usable[i] for i in epoch_order(usable, seed=seed, epoch=epoch, **shares)]
    made = Batches(
        prepared,
        ordered,
        batch_size=batch_size,
        start=start,
        drop_last=drop_last,
        augmentation=augmentation,
        masks=masks,
        max_boxes=max_boxes,
        mean=mean,
        spread=spread,
        epoch=(seed, epoch),
    )
    made.absent = absent
    return made


def check_all_there(prepared, wanted, usable, absent, masks):
    """Raise CacheError if a film that is in the folder is not in the cache, or lacks the true masks that are wanted."""
    known = {record.id for record in usable} | set(absent)
    missing = [record.id for record in wanted if record.id not in known]
    if missing:
        raise CacheError(
            f"{len(missing)} images are not prepared, the first is {missing[0]}: the folder has changed since; "
            f"type: {prepared.command}"
        )
    bare = [one.id for one in usable if one.id in prepared and prepared.entry(one.id).n_masks != len(one.boxes)]
    if masks == "true" and bare:
        raise CacheError(
            f"{len(bare)} images have not one true mask for each box, the first is {bare[0]}; say masks='boxes', "
            f"or, if the folder has changed since, type: {prepared.command}"
        )
