"""Where Matterport's images and masks differ: shown live, with the conversion and without; classic alone."""

import numpy as np
import pytest

from mini_rcnn import matterport
from mini_rcnn.cases import named_cases, random_cases
from mini_rcnn.conventions import masks_first, masks_last, resize_as_integers
from mini_rcnn.stages.image import fit_to_square
from mini_rcnn.stages.masks import expand_masks, minimize_masks, paste_mask

LAST_DIGITS = 1e-9  # scikit-image finds its scale by a decomposition, which leaves an error of some 1e-14


def shrinks(shape, size):
    """Return whether an axis gets shorter."""
    return any(new < length for length, new in zip(shape, size))


def count_as_booleans(cut, size, theirs):
    """Hold Matterport's mask against the emulation, and return how many cells were compared."""
    values = resize_as_integers(cut, size)
    settled = np.abs(values - 0.5) > LAST_DIGITS
    np.testing.assert_array_equal((values > 0.5)[settled], theirs[settled])
    return settled.sum()


def test_minimize_mask_smooths_as_booleans():
    cases = named_cases("masks.minimize_masks") + random_cases("masks.minimize_masks", seed=3, count=200)
    compared = total = differing = shrinking = 0
    for case in cases:
        (masks, boxes), size = case.inputs, case.options["size"]
        theirs = masks_first(matterport.minimize_mask(boxes, masks_last(masks), size))
        ours = minimize_masks(masks, boxes, size=size)
        for mask, (y1, x1, y2, x2), one, other in zip(masks, boxes.astype(int), theirs, ours):
            cut = mask[y1:y2, x1:x2]
            compared += count_as_booleans(cut, size, one)
            total += one.size
            if shrinks(cut.shape, size):
                shrinking += 1
                differing += (one != other).any()
            else:
                np.testing.assert_array_equal(other, one, err_msg=case.name)
    assert compared > 0.97 * total
    assert differing > 0.5 * shrinking > 50  # without the conversion most masks that shrink are others


def test_expand_mask_smooths_as_booleans():
    cases = named_cases("masks.expand_masks") + random_cases("masks.expand_masks", seed=3, count=200)
    compared = total = differing = 0
    for case in cases:
        (small, boxes), size = case.inputs, case.options["image_size"]
        theirs = masks_first(matterport.expand_mask(boxes, masks_last(small), size))
        ours = expand_masks(small, boxes, image_size=size)
        for cells, (y1, x1, y2, x2), one, other in zip(small, boxes.astype(int), theirs, ours):
            compared += count_as_booleans(cells, (y2 - y1, x2 - x1), one[y1:y2, x1:x2])
            total += (y2 - y1) * (x2 - x1)
            if shrinks(cells.shape, (y2 - y1, x2 - x1)):
                differing += (one != other).any()
            else:
                np.testing.assert_array_equal(other, one, err_msg=case.name)
    assert compared > 0.97 * total
    assert differing > 20


def test_a_full_mask_comes_out_empty():
    full, box = np.ones((1, 200, 80), dtype=bool), np.array([[0, 0, 200, 80]])
    assert not matterport.minimize_mask(box, masks_last(full), (56, 56)).any()
    assert minimize_masks(full, box, size=56).all()


def test_an_empty_box_has_no_small_mask():
    masks, boxes = np.ones((1, 8, 8), dtype=bool), np.array([[3, 3, 3, 6]])
    with pytest.raises(Exception, match="area of zero"):
        matterport.minimize_mask(boxes, masks_last(masks), (4, 4))
    with pytest.raises(ValueError, match="boxes must be whole pixels with an area"):
        minimize_masks(masks, boxes, size=4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_whole_grey_levels_are_cut_off(dtype):
    """Matterport's image of integers is the emulation, cut to whole levels; ours keeps the fractions."""
    compared = total = 0
    differing = []
    for case in random_cases("image.fit_to_square", seed=4, count=200):
        image, size = case.inputs[0].astype(dtype), case.options["size"]
        padded, geometry = fit_to_square(image, size=size)
        theirs = matterport.resize_image(image, size)[0]
        y1, x1, y2, x2 = geometry.window
        inner = theirs[y1:y2, x1:x2]
        if inner.shape == image.shape:
            np.testing.assert_array_equal(padded, theirs, err_msg=case.name)
            continue
        values = resize_as_integers(image, inner.shape[:2])
        settled = np.abs(values - np.rint(values)) > LAST_DIGITS  # a whole level may come out as the one below
        np.testing.assert_array_equal(inner[settled], np.floor(values[settled]), err_msg=case.name)
        assert set(np.unique(np.rint(values[~settled]) - inner[~settled])) <= {0, 1}, case.name
        compared, total = compared + settled.sum(), total + settled.size
        differing.append(np.abs(padded - theirs).max())
    assert compared > 0.9 * total
    assert max(differing) > 1


def test_a_long_thin_image_loses_its_last_row():
    image = np.ones((1, 200, 3))
    with pytest.raises(OverflowError):
        matterport.resize_image(image, 64)
    assert fit_to_square(image, size=64)[1].window == (31, 0, 32, 64)


def test_a_mask_partly_outside_the_image():
    probabilities, box = np.ones((28, 28)), (-4, 0, 10, 10)
    with pytest.raises(ValueError, match="could not broadcast"):
        matterport.unmold_mask(probabilities, box, (20, 20))
    mask = paste_mask(probabilities, box, (20, 20))
    assert mask[:10, 1:9].all() and not mask[10:].any()


def test_a_mask_on_a_box_without_area():
    with pytest.raises(OverflowError):
        matterport.unmold_mask(np.ones((28, 28)), (5, 5, 5, 9), (20, 20))
    assert not paste_mask(np.ones((28, 28)), (5, 5, 5, 9), (20, 20)).any()
