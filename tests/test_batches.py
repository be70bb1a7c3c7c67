"""Batches: what is in them by hand, what decides their order, and what is said of images that cannot be used."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter

import numpy as np
import pytest
from film_folders import film_id, make_folder

from mini_rcnn.data import augment as augmenting
from mini_rcnn.data.ahead import ahead
from mini_rcnn.data.batches import MEAN_PIXEL, batches
from mini_rcnn.data.cache import open_prepared, prepare_folder
from mini_rcnn.data.epoch_order import epoch_order
from mini_rcnn.data.errors import CacheError
from mini_rcnn.data.rsna import Record, load_records
from mini_rcnn.data.small_masks import boxes_of, cut_masks, paint_boxes
from mini_rcnn.stages.image import boxes_to_input, normalise, standardise
from mini_rcnn.stages.masks import minimize_masks

N_FILMS = 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of fourteen films of 96 x 64 pixels with true masks, prepared at 48 pixels."""
    made = make_folder(tmp_path_factory.mktemp("batches") / "folder", N_FILMS, shape=(96, 64), masks=True)
    prepare_folder(made, size=48, workers=1)
    return made


@pytest.fixture(scope="module")
def records(folder):
    return load_records(folder)


@pytest.fixture
def prepared(folder):
    return open_prepared(folder, size=48)


def one_epoch(prepared, records, **options):
    return list(batches(prepared, records, **{"batch_size": 4, "seed": 3, "epoch": 0, **options}))


def assert_same(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others):
        assert (one.ids, one.step) == (other.ids, other.step)
        for array, wanted in zip(one[1:-1], other[1:-1]):
            np.testing.assert_array_equal(array, wanted)


# ---------------------------------------------------------------------------------------------- what is in a batch


def test_what_is_in_a_batch(prepared, records):
    (batch, *_) = one_epoch(prepared, records, shuffle=False)
    assert batch.ids == tuple(film_id(number) for number in range(4))
    assert batch.counts.tolist() == [1, 2, 1, 0] and batch.lost.tolist() == [0] * 4 and batch.step == 0
    assert [array.shape for array in batch[1:5]] == [(4, 48, 48, 3), (4, 2, 4), (4, 2), (4, 2, 56, 56)]
    assert [array.dtype.name for array in batch[1:7]] == ["float32", "float32", "int64", "bool", "int64", "int64"]
    assert batch.class_ids.tolist() == [[1, 0], [1, 1], [1, 0], [0, 0]]
    for i in range(4):
        np.testing.assert_array_equal(batch.images[i], normalise(prepared.image(batch.ids[i]), mean=MEAN_PIXEL))
        count = batch.counts[i]
        wanted = boxes_to_input(records[i].boxes, prepared.geometry(records[i].id)).astype(np.float32)
        np.testing.assert_array_equal(batch.boxes[i, :count], wanted)
        assert not batch.boxes[i, count:].any() and not batch.masks[i, count:].any()
        assert batch.masks[i, :count].all()  # the full rectangle
    (batch, *_) = one_epoch(prepared, records, shuffle=False, spread=64)
    for i in range(4):
        np.testing.assert_array_equal(batch.images[i], standardise(prepared.image(batch.ids[i]), spread=64))


def test_boxes_by_hand(prepared, records):
    """A film of 96 x 64 at 48: half the size, and 8 columns of padding at the left."""
    (batch, *_) = one_epoch(prepared, records, shuffle=False)
    y1, x1, y2, x2 = records[0].boxes[0]
    np.testing.assert_array_equal(batch.boxes[0, 0], [y1 / 2, x1 / 2 + 8, y2 / 2, x2 / 2 + 8])


def test_every_image_comes_once_an_epoch_with_and_without_boxes(prepared, records):
    got = one_epoch(prepared, records)
    assert sorted(image_id for batch in got for image_id in batch.ids) == [record.id for record in records]
    assert [len(batch.ids) for batch in got] == [4, 4, 4, 2]
    assert [batch.step for batch in got] == [0, 1, 2, 3]
    skipped = one_epoch(prepared, records, negatives="skip")
    assert sum(len(batch.ids) for batch in skipped) == 11 and all(batch.counts.all() for batch in skipped)


def test_images_without_boxes_alone_make_batches(prepared, records):
    without = [record for record in records if not len(record.boxes)]
    (batch,) = one_epoch(prepared, without, augmentation=augmenting.augment)
    assert batch.boxes.shape == (3, 1, 4) and batch.masks.shape == (3, 1, 56, 56)
    assert not batch.counts.any() and not batch.boxes.any() and not batch.class_ids.any()


def test_no_records_are_no_batches(prepared):
    made = batches(prepared, [], batch_size=4, seed=0, epoch=0)
    assert len(made) == 0 and list(made) == []


def test_drop_last_and_max_boxes(prepared, records):
    got = one_epoch(prepared, records, drop_last=True, max_boxes=5)
    assert [batch.boxes.shape for batch in got] == [(4, 5, 4)] * 3
    assert len(batches(prepared, records, batch_size=4, seed=0, epoch=0, drop_last=True)) == 3


# -------------------------------------------------------------------------------------------- order and repetition


def test_seed_and_epoch_decide_the_order(prepared, records):
    orders = {
        (seed, epoch): tuple(
            image_id for batch in one_epoch(prepared, records, seed=seed, epoch=epoch) for image_id in batch.ids
        )
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(set(orders.values())) == 4
    assert_same(one_epoch(prepared, records), one_epoch(prepared, records))


def test_order_is_the_same_in_every_environment():
    assert epoch_order([None] * 14, seed=3, epoch=2).tolist() == [2, 7, 9, 0, 4, 1, 12, 6, 13, 8, 10, 3, 11, 5]


@pytest.mark.parametrize("start", [0, 1, 3, 4, 9])
def test_a_later_start_gives_the_same_batches(prepared, records, start):
    options = {"augmentation": augmenting.augment, "masks": "true"}
    assert_same(one_epoch(prepared, records, start=start, **options), one_epoch(prepared, records, **options)[start:])


def test_a_later_start_reads_nothing_of_what_came_before(prepared, records):
    read, real = [], prepared.image
    prepared.image = lambda image_id: read.append(image_id) or real(image_id)
    last = one_epoch(prepared, records, start=3)
    assert read == list(last[0].ids)


def test_augmentation_does_not_depend_on_the_batch_size(prepared, records):
    images = [
        {
            image_id: image.tobytes()
            for batch in one_epoch(prepared, records, batch_size=size, augmentation=augmenting.augment)
            for image_id, image in zip(batch.ids, batch.images)
        }
        for size in (3, 4)
    ]
    assert images[0] == images[1]


def test_positive_share_by_count(records):
    order = epoch_order(records, seed=1, epoch=0, positive_share=0.25)
    positive = [len(records[place].boxes) > 0 for place in order]
    assert len(order) == 14 and sum(positive) == 4  # round(3.5)
    times = Counter(order.tolist())
    assert {times[place] for place in (3, 7, 11)} == {3, 4}  # ten places for three images: in rounds
    with pytest.raises(ValueError, match="positive_share"):
        epoch_order(records[:2], seed=1, epoch=0, positive_share=0.5)
    with pytest.raises(ValueError, match="positive_share"):
        epoch_order(records, seed=1, epoch=0, positive_share=1.0)


def test_hard_share_by_count():
    classes = ["Lung Opacity"] * 4 + ["No Lung Opacity / Not Normal"] * 6 + ["Normal"] * 10
    boxes = {"Lung Opacity": np.ones((1, 4))}
    records = [Record(str(i), None, boxes.get(name, np.zeros((0, 4))), name, str(i)) for i, name in enumerate(classes)]
    order = epoch_order(records, seed=1, epoch=0, positive_share=0.5, hard_share=0.7)
    shown = [classes[place] for place in order]
    assert [shown.count(name) for name in dict.fromkeys(classes)] == [10, 7, 3]
    assert set(order[np.isin(order, range(4, 10))]) == set(range(4, 10))  # each before any of them comes again
    with pytest.raises(ValueError, match="hard_share must lie between 0 and 1.*0 Not Normal of 10"):
        epoch_order(records[:4] + records[10:], seed=1, epoch=0, positive_share=0.5, hard_share=0.5)
    with pytest.raises(ValueError, match="hard_share needs a positive_share"):
        epoch_order(records, seed=1, epoch=0, hard_share=0.5)


# ------------------------------------------------------------------------------------------------------- augmentation


def shift_down(image, masks, rng):
    """Move everything 4 pixels down."""
    return np.roll(image, 4, axis=0), np.pad(masks[:, :-4], ((0, 0), (4, 0), (0, 0)))


def push_out(image, masks, rng):
    return image, np.zeros_like(masks)


def test_boxes_follow_the_masks(prepared, records):
    plain = one_epoch(prepared, records, shuffle=False)[0]
    moved = one_epoch(prepared, records, shuffle=False, augmentation=shift_down)[0]
    for i in range(3):
        for k in range(moved.counts[i]):
            y1, x1, y2, x2 = plain.boxes[i, k]
            wanted = [np.ceil(y1 - 0.5) + 4, np.ceil(x1 - 0.5), min(48, np.ceil(y2 - 0.5) + 4), np.ceil(x2 - 0.5)]
            np.testing.assert_array_equal(moved.boxes[i, k], wanted)


def test_a_box_pushed_out_is_counted(prepared, records):
    batch = one_epoch(prepared, records, shuffle=False, augmentation=push_out)[0]
    assert batch.counts.tolist() == [0, 0, 0, 0] and batch.lost.tolist() == [1, 2, 1, 0]
    assert not batch.boxes.any() and not batch.class_ids.any() and not batch.masks.any()


def test_the_labs_augmentation_loses_none(prepared, records):
    for epoch in range(4):
        for batch in one_epoch(prepared, records, epoch=epoch, augmentation=augmenting.augment):
            assert not batch.lost.any()
            assert (batch.class_ids.sum(axis=1) == batch.counts).all()
            for boxes, count in zip(batch.boxes, batch.counts):
                assert (boxes[:count, 2:] > boxes[:count, :2]).all()
                assert (boxes >= 0).all() and (boxes <= 48).all()


def test_augmentation_gets_the_prepared_image_and_does_not_write_into_it(prepared, records):
    def spoil(image, masks, rng):
        assert image.dtype == np.uint8 and masks.dtype == bool and masks.shape[1:] == image.shape == (48, 48)
        image[:] = 0
        return image, masks

    before = one_epoch(prepared, records)
    one_epoch(prepared, records, augmentation=spoil)
    assert_same(one_epoch(prepared, records), before)


# -------------------------------------------------------------------------------------------------------------- masks


def test_true_masks_fill_half_of_their_boxes(prepared, records):
    for batch in one_epoch(prepared, records, masks="true"):
        for masks, count in zip(batch.masks, batch.counts):
            for mask in masks[:count]:
                # a border may fall half a pixel short: exactly half covered is off
                assert 0.4 < mask.mean() < 0.65 and mask[8:20, 8:20].all() and not mask[-15:, -15:].any()


def test_true_masks_that_are_missing_are_said_at_once(prepared, folder, records, tmp_path):
    bare = make_folder(tmp_path / "bare", 4)
    prepare_folder(bare, size=48, workers=1)
    with pytest.raises(CacheError, match="3 images have not one true mask for each box.*masks='boxes'"):
        batches(open_prepared(bare, size=48), load_records(bare), batch_size=2, seed=0, epoch=0, masks="true")


def test_cut_masks_by_hand():
    mask = np.array([[[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]], dtype=bool)
    assert cut_masks(mask, np.array([[1.0, 1, 3, 3]]), 2).astype(int).tolist() == [[[1, 1], [1, 0]]]
    # a quarter pixel further left and up: cell 0, 0 reaches from 0.75 to 1.75 and is covered by 0.75 * 0.75
    assert cut_masks(mask, np.array([[0.75, 0.75, 2.75, 2.75]]), 2).astype(int).tolist() == [[[1, 1], [1, 0]]]
    # half a pixel: cell 0, 0 is covered by a quarter, cell 0, 1 by a half, cell 1, 1 by 1/2 * 1/2 + ... = 3/4
    assert cut_masks(mask, np.array([[0.5, 0.5, 2.5, 2.5]]), 2).astype(int).tolist() == [[[0, 0], [0, 1]]]
    assert cut_masks(np.zeros((0, 4, 4), bool), np.zeros((0, 4))).shape == (0, 56, 56)
    assert not cut_masks(np.zeros((1, 4, 4), bool), np.array([[0.0, 0, 4, 4]])).any()


def test_cut_masks_are_areas(rng):
    """The oracle: how many of 60 x 60 points of a cell lie in a pixel of the mask."""
    mask = rng.random((20, 20)) < 0.6
    for _ in range(5):
        corner, sides = rng.uniform(0, 8, 2), rng.uniform(3, 12, 2)
        size, n_points = 4, 60
        points = [
            start + (np.arange(size * n_points) + 0.5) / (size * n_points) * side for start, side in zip(corner, sides)
        ]
        seen = mask[points[0].astype(int)[:, None], points[1].astype(int)]
        part = seen.reshape(size, n_points, size, n_points).mean(axis=(1, 3))
        small = cut_masks(mask[None], np.concatenate([corner, corner + sides])[None], size)[0]
        clear = abs(part - 0.5) > 0.03
        assert clear.sum() > 4
        np.testing.assert_array_equal(small[clear], part[clear] > 0.5)


def test_cut_masks_agree_with_minimize_masks_but_at_borders(rng):
    y, x = np.mgrid[:64, :64]
    mask = ((y - 30) ** 2 / 400 + (x - 33) ** 2 / 225 <= 1)[None]
    boxes = boxes_of(mask)
    ours, theirs = cut_masks(mask, boxes), minimize_masks(mask, boxes, size=56)
    assert (ours != theirs).mean() < 0.03


def test_painted_boxes_are_the_pixels_whose_middles_lie_inside(rng):
    corners = rng.uniform(0, 20, (50, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1.01, 11, (50, 2))], axis=1)
    middles = np.arange(32) + 0.5
    for mask, (y1, x1, y2, x2) in zip(paint_boxes(boxes, 32), boxes):
        rows, columns = (middles >= y1) & (middles < y2), (middles >= x1) & (middles < x2)
        np.testing.assert_array_equal(mask, rows[:, None] & columns)


@pytest.mark.parametrize(
    "box", [(3.6, 3.6, 3.9, 9), (0, 0, 0.2, 0.2), (31.9, 31.9, 32, 32), (5, 5, 5, 5), (40, 0, 50, 9)]
)
def test_no_painted_box_is_empty(box):
    assert paint_boxes(np.array([box], dtype=float), 32).any()


# -------------------------------------------------------------------------------------------------------- broken images


def spoil(prepared, folder, numbers):
    """Flip a byte of the images with these numbers in the one shard of the folder."""
    path = folder / "prepared" / "48" / "shard-00000.npy"
    content = bytearray(path.read_bytes())
    for number in numbers:
        content[128 + prepared.entry(film_id(number)).row * 48 * 48 + 5] ^= 16
    path.write_bytes(bytes(content))


@pytest.fixture
def hundred(tmp_path):
    made = make_folder(tmp_path / "hundred", 100)
    prepare_folder(made, size=48, workers=1)
    return made


def test_five_of_a_hundred_broken_stop_the_epoch_and_all_are_listed(hundred):
    prepared = open_prepared(hundred, size=48)
    spoil(prepared, hundred, (3, 14, 15, 92, 65))
    made = batches(prepared, load_records(hundred), batch_size=4, seed=0, epoch=0)
    with pytest.raises(CacheError, match="5 of 100 images of the epoch are broken, more than 1%") as caught:
        list(made)
    for number in (3, 14, 15, 92, 65):
        assert film_id(number) in str(caught.value)
    assert set(made.broken) == {film_id(number) for number in (3, 14, 15, 92, 65)}


def test_one_of_a_hundred_is_named_once_and_left_out(hundred, caplog):
    prepared = open_prepared(hundred, size=48)
    spoil(prepared, hundred, (42,))
    made = batches(prepared, load_records(hundred), batch_size=4, seed=0, epoch=0)
    with caplog.at_level(logging.WARNING):
        got = list(made)
    ids = [image_id for batch in got for image_id in batch.ids]
    assert len(ids) == 99 and film_id(42) not in ids
    assert sorted(len(batch.ids) for batch in got) == [3] + [4] * 24
    assert list(made.broken) == [film_id(42)]
    assert len(caplog.records) == 1 and film_id(42) in caplog.text and "shard-00000.npy" in caplog.text


def test_a_film_that_could_not_be_prepared_counts_as_broken(tmp_path):
    folder = make_folder(tmp_path / "folder", 100)
    (folder / "stage_2_train_images" / f"{film_id(7)}.dcm").write_bytes(b"no film")
    prepare_folder(folder, size=48, workers=1)
    prepared, records = open_prepared(folder, size=48), load_records(folder)
    made = batches(prepared, records, batch_size=10, seed=0, epoch=0)
    assert sum(len(batch.ids) for batch in made) == 99 and list(made.broken) == [film_id(7)]
    with pytest.raises(CacheError, match="1 of 50 images"):
        list(batches(prepared, records[:50], batch_size=10, seed=0, epoch=0))


def test_absent_films_are_told_and_new_ones_must_be_prepared(tmp_path):
    folder = make_folder(tmp_path / "folder", 6)
    path = folder / "stage_2_train_images" / f"{film_id(2)}.dcm"
    path.rename(str(path) + ".away")
    prepare_folder(folder, size=48, workers=1)
    prepared = open_prepared(folder, size=48)
    made = batches(prepared, load_records(folder), batch_size=10, seed=0, epoch=0)
    assert made.absent == (film_id(2),) and len(next(made).ids) == 5
    path.with_name(path.name + ".away").rename(str(path))
    with pytest.raises(CacheError, match=f"1 images are not prepared, the first is {film_id(2)}.*data prepare"):
        batches(prepared, load_records(folder), batch_size=10, seed=0, epoch=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0}, {"seed": -1}, {"epoch": 1.5}, {"start": -1}, {"negatives": "no"}, {"masks": "no"},
        {"max_boxes": 1},
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_by_name(prepared, records, wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must be"):
        batches(prepared, records, **{"batch_size": 4, "seed": 0, "epoch": 0, **wrong})


# --------------------------------------------------------------------------------------------------------------- ahead


def n_threads():
    return threading.active_count()


def test_ahead_gives_the_same_in_order(prepared, records):
    assert_same(list(ahead(batches(prepared, records, batch_size=4, seed=3, epoch=0))), one_epoch(prepared, records))
    assert list(ahead([])) == []


def test_ahead_makes_so_many_and_no_more():
    made = []
    got = ahead((made.append(k) or k for k in range(20)), n=3)
    assert next(got) == 0
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.1)
    assert made == [0, 1, 2, 3, 4]  # one read, three waiting, one in work
    before = n_threads()
    got.close()
    assert n_threads() == before - 1


def test_ahead_passes_exceptions_on_in_their_turn():
    def two_and_then():
        yield 1
        yield 2
        raise CacheError("shard-00000.npy: is damaged")

    got = ahead(two_and_then())
    assert [next(got), next(got)] == [1, 2]
    with pytest.raises(CacheError, match="shard-00000.npy"):
        next(got)
    with pytest.raises(StopIteration):
        next(got)


def test_ahead_ends_its_thread_when_the_reader_goes_away():
    before = n_threads()
    for number in ahead(iter(range(10**9))):
        if number == 3:
            break
    del number
    deadline = time.monotonic() + 5
    while n_threads() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert n_threads() == before
    with pytest.raises(ValueError, match="n must be at least 1"):
        ahead([], n=0)
