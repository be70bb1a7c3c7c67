# %% [markdown] id="title"
# # 07 · Heads and masks
#
# **Time:** 60 minutes. **Paper:** He et al., [Mask R-CNN](https://arxiv.org/abs/1703.06870), 2017, sections 3 and 3.1,
# figure 4; Girshick, [Fast R-CNN](https://arxiv.org/abs/1504.08083), 2015, section 2.1.
# **You need:** deltas (lab 02), both filters (lab 03), pooled boxes (lab 06).
# **Afterwards you have:** everything from a pooled box to a named box with a score and a mask on the film, written by
# you and equal to Matterport's.

# %% id="start"
import numpy as np

from mini_rcnn.classroom import check, show, start_lab
from mini_rcnn.stages.boxes import clip_boxes, decode_deltas
from mini_rcnn.view import lab_07

lab = start_lab("07")

# %% [markdown] id="box-head"
# ## 1. The box head: what is it, and where exactly?
#
# Each proposal comes from RoIAlign as $7 \times 7 \times C$ features. The **box head** makes two things of them, by two
# hidden layers that both share: a score for each of $K$ classes, background among them as class 0, and for each class
# four deltas that move the box onto what it shows.

# %% id="shapes"
ill = lab.with_boxes()
number = ([n for n in ill if len(lab.look(n)[0].boxes)] or ill)[0]  # the first on which something is found
seen = lab.input(number)
found, trace = lab.look(number)
for name in ("box_pool", "logits", "probabilities", "deltas"):
    print(f"{name:14}", trace[name].shape)

# %% [markdown] id="matrix-text"
# The first hidden layer is written as a $7 \times 7$ convolution, but there is only one place where a $7 \times 7$
# kernel fits on $7 \times 7$ features. So it is a plain matrix product, with the features of a box in one long row:

# %% id="matrix"
from mini_rcnn.stages.backbone import conv_layer

convolved = conv_layer(trace["box_pool"], lab.weights, "mrcnn_class_conv1", padding="valid")
kernel, bias = lab.weights["mrcnn_class_conv1/kernel"], lab.weights["mrcnn_class_conv1/bias"]
product = trace["box_pool"].reshape(len(convolved), -1) @ kernel.reshape(-1, kernel.shape[-1]) + bias
print("convolution", convolved.shape, " matrix product", product.shape)
print("the same:", np.abs(convolved[:, 0, 0] - product).max() < 1e-3)

# %% [markdown] id="softmax-text"
# Scores come out as **logits** $z_k$, any number, and become probabilities by **softmax**: with $k, j$ for classes
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# All $p_k$ of a box add up to 1: classes compete, a box is one thing. The highest one is the box's class, and its
# probability is the score (신뢰도, confidence).

# %% id="softmax"
from mini_rcnn.stages.ops import softmax

scores = trace["probabilities"][:, 1]
for row in (0, 1):
    z, p = trace["logits"][row], softmax(trace["logits"])[row]
    print(f"proposal {row}: logits {z[0]:.2f}, {z[1]:.2f}; background {p[0]:.3f}, opacity {p[1]:.3f}")
show(lab_07.scores_figure(scores, {"min_confidence": lab.config.detections.min_confidence, "one half": 0.5}))
print(f"{np.sum(scores >= 0.5)} of {len(scores)} proposals are called an opacity")

# %% [markdown] id="move-text"
# ## 2. From proposals to detections
#
# Each proposal is moved by the deltas *of its own class*, as in lab 02: `decode_deltas`, after multiplying by
# `delta_std`, since the network was trained on deltas divided by it. Here are those that are called an opacity.

# %% id="move"
called = np.flatnonzero(scores >= 0.5)
moves = trace["deltas"][called, 1] * np.array(lab.config.detections.delta_std)
before = trace["proposals"].boxes[called]
after = clip_boxes(decode_deltas(before, moves), seen.geometry.window)
show(lab_07.moves_figure(seen.grey, before, after, seen.boxes))
print(f"corners move by {np.abs(after - before).mean():.1f} pixels of the input on average")

# %% [markdown] id="class-text"
# What began in many places ends in few. Then come the two filters of lab 03, once for each class: boxes of different
# classes do not remove each other, since two different things may lie in one place.

# %% id="class-given"
from mini_rcnn.stages.nms import two_stage_nms  # lab 03's

# %% id="class" exercise="mini_rcnn.stages.detections:two_stage_nms_per_class"

# %% id="class-check"
check("detections.two_stage_nms_per_class", two_stage_nms_per_class)

# %% [markdown] id="refine-text"
# Now the whole way from the head's outputs to detections. One thing in it is easily overlooked: whether a proposal is
# background is decided *before* its score is looked at.

# %% id="refine-given"
from mini_rcnn.stages._check import (  # they only check arguments
    boxes_array,
    number_array,
    shaped,
    std_array,
    unit_number,
    whole_number,
)

# %% id="refine-helpers"
from mini_rcnn.stages.detections import Detections, two_stage_nms_per_class  # from here on the library's
from mini_rcnn.stages.proposals import top_indices

print("best first, of equal scores the lower row first:", top_indices(np.array([0.1, 0.7, 0.7, 0.9]), 3).tolist())

# %% id="refine" exercise="mini_rcnn.stages.detections:refine_detections"

# %% id="refine-check"
check("detections.refine_detections", refine_detections)

# %% [markdown] id="confidence-question"
# **Predict.** This network has two classes, background and opacity. How many more detections do you get if you lower
# `min_confidence` from 0.5 to 0.25? To 0?
#
# <details><summary>Answer</summary>
#
# None. The score is the probability of the *winning* class, and of two probabilities that add up to 1 the winner has at
# least a half. A proposal with 0.4 for opacity has 0.6 for background: it is background, and gone. With two classes a
# `DETECTION_MIN_CONFIDENCE` of 0.5 or less does nothing at all. With $K$ classes the same holds for $1 / K$.
#
# </details>

# %% id="confidence"
from mini_rcnn.stages.detections import refine_detections  # from here on the lab uses the library's

settings = {"iou_threshold": 0.3, "max_detections": 100, "delta_std": lab.config.detections.delta_std}
for confidence in (0.0, 0.25, 0.5, 0.75, 0.9):
    total = 0
    for n in range(len(lab)):
        parts = (lab.look(n)[1]["proposals"].boxes, lab.look(n)[1]["probabilities"], lab.look(n)[1]["deltas"])
        window = lab.input(n).geometry.window
        total += len(refine_detections(*parts, window=window, min_confidence=confidence, **settings).boxes)
    print(f"min_confidence {confidence:4}: {total} detections on {len(lab)} films")

# %% [markdown] id="film-text"
# Who wants to see weaker findings, for a curve of hits against false alarms (lab 11), has to take the opacity's own
# probability as the score, in place of the winner's.
#
# Boxes are in pixels of the network input still; a doctor has the film. `boxes_to_original` (lab 01) takes the padding
# away and divides by the scale.

# %% id="film"
from mini_rcnn.stages.image import boxes_to_original

for box, score in zip(trace["refined"].boxes, trace["refined"].scores):
    on_film = boxes_to_original(box[None], seen.geometry)[0]
    print(f"{score:.2f}  input", *(f"{side:6.1f}" for side in box), "  film", *(f"{side:6.1f}" for side in on_film))
print("one pixel of the input is", round(1 / seen.geometry.scale), "pixels of the film")

# %% [markdown] id="mask-head"
# ## 3. The mask head
#
# For each detection that is left, its refined box is pooled again, to $14 \times 14$. The **mask head** is a small
# network of convolutions (four of $3 \times 3$, a step up to twice the size, one of $1 \times 1$), so that place is
# kept: $28 \times 28$ logits for *each* class. Of those the box's own class is taken.
#
# The box head used softmax. Here each pixel of each class has a **sigmoid** of its own:
#
# $$\sigma(z) = \frac{1}{1 + e^{-z}} = \frac{e^z}{1 + e^z}$$
#
# with $z$ for the logit. Two forms of one number, and in floats each of them has a side on which it goes wrong:

# %% id="overflow"
with np.errstate(all="ignore"):  # NumPy would warn
    for z in (0.0, 1000.0, -1000.0):
        z = np.float64(z)
        print(f"z = {z:6}: 1 / (1 + e^-z) is {1 / (1 + np.exp(-z)):.1f}, e^z is {np.exp(z):.1f},", end=" ")
        print(f"e^z / (1 + e^z) is {np.exp(z) / (1 + np.exp(z)):.1f}")

# %% [markdown] id="overflow-text"
# The second one divides infinity by infinity. The first comes through, but only since 1 divided by infinity is 0, and
# NumPy warns; where somebody has turned warnings into errors, as our tests do, it fails at -1000.

# %% id="sigmoid" exercise="mini_rcnn.stages.masks:sigmoid"

# %% id="sigmoid-check"
check("masks.sigmoid", sigmoid)

# %% id="sigmoid-library"
from mini_rcnn.stages.masks import sigmoid  # from here on the lab uses the library's

print("mask logits", trace["mask_logits"].shape, ": detections, rows, columns, classes")
if len(trace["mask_logits"]):
    logits = trace["mask_logits"][0, ..., 1]
    grids = {"logits": logits, "sigmoid": sigmoid(logits), "at least 0.5": sigmoid(logits) >= 0.5}
    show(lab_07.grids_figure(grids, limits={"sigmoid": (0, 1)}))
    print(f"from {logits.min():.0f} to {logits.max():.0f}; {np.mean(logits >= 0):.0%} of the cells are the opacity's")

# %% [markdown] id="compete-question"
# **Predict.** Why not softmax over the classes, pixel by pixel, as in the box head? Imagine a third class, effusion,
# and an opacity that lies behind one: on every pixel both classes are right, and have the same logit. How many pixels
# has the opacity's mask at 0.5 with sigmoids? With softmax?
#
# <details><summary>Answer</summary>
#
# With sigmoids as many as before: the other class is not looked at. With softmax none: two equal probabilities and a
# bit for background leave each of them below a half. *What* it is has been decided by the box head already; the mask
# head should only say *where* (section 3 of the paper: masks and classes are decoupled; in its table 2b softmax costs
# 5.5 points of mask AP).
#
# </details>

# %% id="compete"
z = trace["mask_logits"]  # background, opacity
three = np.concatenate([z, z[..., 1:]], axis=-1)  # and an effusion on the same pixels
for name, values in (("two classes", z), ("three classes", three)):
    independent, competing = sigmoid(values)[..., 1] >= 0.5, softmax(values)[..., 1] >= 0.5
    print(f"{name}: sigmoid {independent.sum()} cells, softmax {competing.sum()}")
print("background's logits, largest:", f"{np.abs(z[..., 0]).max(initial=0):.1f}")

# %% [markdown] id="compete-read"
# With two classes both gave the same here, and the last line says why: nobody ever trains the background's mask, its
# weights have decayed to 0, and a softmax against a logit of 0 *is* the sigmoid, $e^z / (1 + e^z)$.
#
# ## 4. From 28 x 28 cells to the film
#
# The mask must be stretched over its box, here of several hundred pixels, and cut at a threshold, mostly 0.5. In which
# order?
#
# `paste_probabilities` stretches: bilinear interpolation, as in lab 06, at the middle of each pixel of the film; it
# returns the whole film, 0 outside the box, and the slices that the box covers. (The 0.6 below is a 0.8 that fades
# towards the box's edge: as in Matterport's resizing, the grid is surrounded by zeros.) `threshold_mask` cuts.

# %% id="paste-given"
from mini_rcnn.stages.masks import paste_probabilities, threshold_mask

pasted, inside = paste_probabilities(np.array([[0.2, 0.8]]), (1, 1, 2, 5), (3, 6))
print(pasted.round(2).tolist())
print("rows", inside[0].start, "to", inside[0].stop, " columns", inside[1].start, "to", inside[1].stop)

# %% id="paste" exercise="mini_rcnn.stages.masks:paste_mask"

# %% id="paste-check"
check("masks.paste_mask", paste_mask)

# %% [markdown] id="order-text"
# And the other order? Threshold first, and each pixel of the film takes the yes or no of the cell that it lies in:


# %% id="order-function"
def threshold_then_paste(grid, box, image_size):
    """Return the mask in which each pixel of the film has the yes or no of its cell."""
    rows, columns = (np.arange(length) + 0.5 for length in image_size)
    i = np.floor((rows - box[0]) / (box[2] - box[0]) * grid.shape[0]).astype(int)
    j = np.floor((columns - box[1]) / (box[3] - box[1]) * grid.shape[1]).astype(int)
    inside = ((i >= 0) & (i < grid.shape[0]))[:, None] & ((j >= 0) & (j < grid.shape[1]))
    cells = grid[np.clip(i, 0, len(grid) - 1)[:, None], np.clip(j, 0, grid.shape[1] - 1)]
    return (cells >= 0.5) & inside


# %% id="order-library"
from mini_rcnn.stages.masks import paste_mask  # from here on the lab uses the library's

film = lab.film(number)
print(f"{len(found.boxes)} detections on a film of {film.pixels.shape[0]} x {film.pixels.shape[1]} pixels")

# %% id="order"
for grid, box in list(zip(found.mask_probabilities, found.boxes))[:1]:
    smooth = paste_mask(grid, box, film.pixels.shape)
    stairs = threshold_then_paste(grid, box, film.pixels.shape)
    masks = {"stretched, then cut": smooth, "cut, then stretched": stairs}
    show(lab_07.masks_figure(film.pixels, masks, np.rint(box) + [-20, -20, 20, 20]))
    print(f"{smooth.sum()} and {stairs.sum()} pixels; {np.sum(smooth != stairs)} differ")
    print("one cell is", " x ".join(f"{length:.0f}" for length in (box[2:] - box[:2]) / 28), "pixels of the film")

# %% [markdown] id="order-read"
# Both cut the same grid at the same 0.5. Cut last, the edge runs between the cells, where the probability crosses 0.5;
# cut first, it can only follow their borders, a staircase, and how sure each cell was is forgotten.
#
# Is a mask worth its trouble, beside a box? Where true masks are known, we can hold both against them: the mask, and
# the detected box taken as a mask.


# %% id="mask-iou-functions"
def overlap(mask, other):
    """Return the intersection over union of two masks."""
    return np.sum(mask & other) / max(1, np.sum(mask | other))


def whole_box(box, size):
    """Return the mask that is a whole box."""
    return paste_mask(np.ones((1, 1)), box, size, threshold=0.0)


# %% id="mask-iou"
size = film.pixels.shape
for mask, box in zip(found.masks(size), found.boxes):
    if film.masks is not None:
        true = max(film.masks, key=lambda other: overlap(mask, other))
        mask_iou, box_iou = overlap(mask, true), overlap(whole_box(box, size), true)
        print(f"IoU with the true mask: {mask_iou:.2f} the mask, {box_iou:.2f} the whole box")
if film.masks is None:
    print("nobody drew masks for these films")

# %% [markdown] id="threshold-text"
# ### The threshold under your hand
#
# **Try this; say first what you expect.**
#
# 1. Lower the threshold from 0.5 to 0.2. Does the mask grow or shrink? Which logit is 0.2? Does it fit the truth
# better? 2. At which threshold do both orders give exactly the same mask?
# 3. Set "film, enlarged" to 8 times. How large is a step of the staircase, and why is it not square?
#
# <details><summary>Answers</summary>
#
# 1. It grows: more cells are at least 0.2, a logit of -1.39. On the first phantom it goes from some 45,000 to 54,000
#    pixels, and its IoU from 0.78 to 0.79. One film is no reason to change 0.5, nor to keep it.
# 2. At 0, where both are the whole box (and at 1, where here both are empty).
# 3. One cell: the box's height and width by 28. The grid is square, the box is not.
#
# </details>

# %% id="threshold"
from mini_rcnn.widgets import MaskThreshold

panel = MaskThreshold.of_lab(lab)
panel

# %% [markdown] id="mini-text"
# ## 5. What a mask head learns from
#
# In training the true mask goes the other way: cut out of its box and shrunk to a small grid ("mini mask", $56 \times
# 56$ in Matterport). Shrinking smooths first, so that no detail is missed between two samples. With `mrcnn` 0.2 and
# scikit-image 0.16, which goes with TensorFlow 1.15, that smoothing is done on *booleans*: what should be 0.9999
# becomes not 1 but False.

# %% [markdown] id="mini-question"
# **Predict.** RSNA has boxes and no masks. Who trains Matterport's code on it has to call the whole box the mask: all
# ones. What can go wrong when all ones are smoothed?
#
# <details><summary>Answer</summary>
#
# Smoothing is a weighted mean whose weights add up to 1; of ones it should give 1. In floats the weights may add up to
# 0.9999999999999999, which as a boolean is False: the *whole* mask vanishes. Where the sum happens to be 1 only a
# margin goes, where the weights reach beyond the mask.
#
# </details>

# %% id="mini"
from mini_rcnn.conventions import resize_as_integers
from mini_rcnn.stages.masks import minimize_masks

full = np.ones((1, 200, 80), dtype=bool)
ours = minimize_masks(full, np.array([[0, 0, 200, 80]]), size=56)[0]
theirs = resize_as_integers(full[0], (56, 56)) > 0.5  # scikit-image 0.16's arithmetic
grids = {"a full mask": full[0], "smoothed in floats": ours, "as booleans": theirs}
show(lab_07.grids_figure(grids, limits=dict.fromkeys(grids, (0, 1))))
print(f"of 56 x 56 cells: {ours.sum()} smoothed in floats, {theirs.sum()} as booleans")

# %% [markdown] id="mini-real-text"
# A mask that is no rectangle loses a margin all around, where smoothing gives less than 1. The first true mask of the
# film above, as this network learns from it, on $28 \times 28$ cells:

# %% id="mini-real"
first, last = np.floor(seen.boxes[0, :2]).astype(int), np.ceil(seen.boxes[0, 2:]).astype(int)
mask = whole_box(seen.boxes[0], seen.grey.shape) if seen.masks is None else seen.masks[0]
cut = mask[first[0] : last[0], first[1] : last[1]]
ours = minimize_masks(mask[None], np.array([[*first, *last]]), size=28)[0]
grids = {"cut out": cut, "smoothed in floats": ours, "as booleans": resize_as_integers(cut, (28, 28)) > 0.5}
show(lab_07.grids_figure(grids, limits=dict.fromkeys(grids, (0, 1))))
print(f"of the box the mask covers {cut.mean():.2f}, on the small grid, smoothed in floats, {ours.mean():.2f}")

# %% [markdown] id="mini-read"
# How much comes out empty hangs on the last digit of a sum, so we asked Matterport itself: 1,500 of RSNA's boxes, drawn
# at random, as full rectangles on 256 pixels. 308 of them came out empty, one in five. For those its mask head is
# taught that there is nothing, in the very middle of an opacity. Boxes and scores have losses of their own. The library
# smooths in floats.

# %% [markdown] id="end"
# ## What you have built
#
# The second half of Mask R-CNN: class, score and moved box; filters class by class; a mask in pixels of the film. Your
# `refine_detections` and `paste_mask` were held against Matterport's own answers.
#
# **To think about:** RSNA's truth is a box, and a rectangle as a mask says that its corners are opacity. What does a
# mask head learn from that which the box head does not know already? What would you try to do with a mask of 28 x 28
# whose middle cells say 0.6 and whose corner cells say 0.4?
