# %% [markdown] id="title"
# # 02 · Boxes and anchors
#
# **Time:** 60 minutes. **Paper:** Ren et al., *Faster R-CNN*, 2015, section 3.1; Lin et al., *Feature Pyramid
# Networks*, 2017, section 4.1.
# **You need:** NumPy's broadcasting. **Afterwards you have:** the arithmetic of boxes that every later lab uses, the
# anchors of a whole pyramid, and you know what the slides' missing scale does.

# %% id="start"
import numpy as np

from mini_rcnn.classroom import check, show, start_lab
from mini_rcnn.view import lab_02

lab = start_lab("02")

# %% [markdown] id="box"
# ## 1. A box is four numbers
#
# Here a box is always $(y_1, x_1, y_2, x_2)$: upper left corner, lower right corner, *y before x*, in pixels,
# **continuous**. From 2 to 5 is 3 long, not 4: no pixel is counted, a length is measured. Other code writes
# $(x, y, \text{width}, \text{height})$ (RSNA's tables), or lets the last pixel belong to the box (Matterport). Nearly
# every error of one pixel comes from mixing these.

# %% id="two-boxes"
box_a = np.array([2.0, 1.0, 8.0, 7.0])
box_b = np.array([4.0, 4.0, 10.0, 12.0])
show(lab_02.overlap_figure(box_a, box_b))
print("A is 6 x 6, B is 6 x 8, and they share 4 x 3.")

# %% [markdown] id="iou-text"
# ## 2. How much do two boxes overlap?
#
# **Intersection over union** (IoU; Korean 교집합 비율 or simply IoU) is the one number by which detectors live:
#
# $$\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|} = \frac{|A \cap B|}{|A| + |B| - |A \cap B|}$$
#
# with $|A|$ the area of $A$. It is 1 for equal boxes and 0 for boxes that do not touch. For the two above it is
# $12 / (36 + 48 - 12) = 1/6$.

# %% [markdown] id="iou-question"
# **Predict.** A box lies inside another that is twice as wide and twice as high. What is their IoU?
#
# <details><summary>Answer</summary>
#
# A quarter: the intersection is the small box, the union is the large one, and that has four times its area. An IoU of
# 0.5 is asked of a proposal before it counts as a hit; by eye it is further away than one thinks.
#
# </details>

# %% [markdown] id="iou-how"
# You write it for *all pairs* at once: N boxes against M boxes give an array of shape (N, M). Give the first boxes an
# axis of length 1, and NumPy does the rest: shapes (N, 1) and (M,) meet as (N, M).

# %% id="iou-given"
from mini_rcnn.stages._check import boxes_array, rows_array, shaped, window_array  # they only check arguments
from mini_rcnn.stages.boxes import box_areas

# %% id="iou" exercise="mini_rcnn.stages.boxes:box_iou"

# %% id="iou-check"
check("boxes.box_iou", box_iou)

# %% id="iou-library"
from mini_rcnn.stages.boxes import box_iou  # from here on the lab uses the library's

print(f"A and B: {box_iou(box_a[None], box_b[None])[0, 0]:.4f}")
truth = np.array([[40.0, 40, 80, 80]])
for shift in (0, 2, 5, 10, 20):
    print(f"40 x 40, moved by {shift:2d} each way: {box_iou(truth, truth + shift)[0, 0]:.2f}")

# %% [markdown] id="iou-after"
# Ten pixels each way, a quarter of its side: to the eye a good box, to the IoU 0.39.
#
# ## 3. A box relative to another: deltas
#
# A network cannot put out "y = 113": it sees the same patch of lung wherever it lies. It puts out how to *move and
# stretch* a box that is already there, the **anchor** (앵커):
#
# $$d_y = \frac{c_y^* - c_y}{h} \qquad \ell_h = \log\frac{h^*}{h}$$
#
# and the same for $x$ and the width $w$; $c$ is the centre of the anchor, $h$ its height, and $*$ marks the target.
# Shifts in units of the anchor's size are as hard to learn for a small opacity as for a large one. The logarithm makes
# "twice as high" and "half as high" equally far from "the same", and keeps a height positive whatever comes out.

# %% [markdown] id="delta-question"
# **Predict.** An anchor from (0, 0) to (10, 20), deltas $(0.5, 0, 0, \log 2)$. Where does the box go?
#
# <details><summary>Answer</summary>
#
# The height is 10, so the centre moves 5 down: from (5, 10) to (10, 10). The width doubles to 40, the height stays 10:
# (5, -10) to (15, 30). It reaches beyond the image; nobody forbids that yet.
#
# </details>

# %% id="encode" exercise="mini_rcnn.stages.boxes:encode_deltas"

# %% id="encode-check"
check("boxes.encode_deltas", encode_deltas)

# %% id="decode" exercise="mini_rcnn.stages.boxes:decode_deltas"

# %% id="decode-check"
check("boxes.decode_deltas", decode_deltas)

# %% id="deltas-library"
from mini_rcnn.stages.boxes import decode_deltas, encode_deltas

anchor = np.array([[0.0, 0, 10, 20]])
deltas = np.array([[0.5, 0.0, 0.0, np.log(2)]])
moved = decode_deltas(anchor, deltas)
show(lab_02.move_figure(anchor, moved, "down by half its height, twice as wide"))
print("moved:", moved[0].round(3).tolist())
print("and back:", encode_deltas(anchor, moved)[0].round(3).tolist())

# %% [markdown] id="clip-text"
# Encoding and decoding undo each other; that is a better test than any number you could type in.
#
# A box that reaches beyond the film is cut to it. It is *not* removed: row 17 of the boxes must stay row 17 of the
# scores.

# %% id="clip" exercise="mini_rcnn.stages.boxes:clip_boxes"

# %% id="clip-check"
check("boxes.clip_boxes", clip_boxes)

# %% id="clip-library"
from mini_rcnn.stages.boxes import clip_boxes

print("cut:", clip_boxes(moved, (0, 0, 12, 24))[0].round(3).tolist())

# %% [markdown] id="anchors-text"
# ## 4. Anchors: boxes laid out beforehand
#
# Nobody knows where an opacity will be, so boxes are laid *everywhere*: on each cell of each feature map of the pyramid
# (lab 04), a few shapes each. A feature map of **stride** 16 (보폭) has a cell for every 16 pixels. All shapes of a
# level have one area, the **scale** squared; the **ratio** is width divided by height:
#
# $$h = \frac{s}{\sqrt{r}} \qquad w = s\,\sqrt{r}$$
#
# with $s$ the scale and $r$ the ratio. Order matters: the network puts out its scores row by row, cell by cell, ratio
# by ratio, and nothing but the order says which score belongs to which anchor.

# %% id="anchors" exercise="mini_rcnn.stages.anchors:level_anchors"

# %% id="anchors-check"
check("anchors.level_anchors", level_anchors)

# %% id="anchors-library"
from mini_rcnn.stages.anchors import level_anchors, pyramid_anchors

settings, size = lab.config.anchors, lab.config.image.size
for scale, stride in zip(settings.scales, settings.strides):
    grid = (size // stride, size // stride)
    one = level_anchors(grid, scale=scale, ratios=settings.ratios, stride=stride)
    print(f"stride {stride:2d}: {grid[0]:2d} x {grid[1]:2d} cells, scale {scale:3.0f}, {len(one):4d} anchors")

# %% [markdown] id="look-text"
# The small detector of this lab looks at films of 128 pixels; the project on the slides at 256 pixels. On a film, one
# cell of each level, and the truth beside it:

# %% id="look"
number = lab.with_boxes()[0]
seen = lab.input(number)
grids = [(size // stride, size // stride) for stride in settings.strides]
pairs = zip(grids, settings.scales, settings.strides)
levels = [level_anchors(grid, scale=scale, ratios=settings.ratios, stride=stride) for grid, scale, stride in pairs]
show(lab_02.anchors_figure(seen.grey, levels, seen.boxes, settings.strides))
print(f"{sum(map(len, levels))} anchors; best IoU with each opacity:", end=" ")
print(box_iou(np.concatenate(levels), seen.boxes).max(axis=0).round(2).tolist())

# %% [markdown] id="fit-text"
# ## 5. Which scales fit the truth?
#
# An opacity that no anchor overlaps by enough teaches the RPN little: positives are anchors with an IoU of at least 0.7
# (0.6 in our small detector), and the single best one. So look at the truth *before* choosing scales. For every true
# box, the IoU of its best anchor:

# %% id="fit"
truths = np.concatenate([lab.input(number).boxes for number in lab.with_boxes()])


def best_fits(scales):
    """Return the IoU of each true box with its best anchor."""
    strides = settings.strides[: len(scales)]
    anchors = pyramid_anchors(size, scales=scales, ratios=settings.ratios, strides=strides)
    return box_iou(anchors, truths).max(axis=0)


# %% id="fit-show"
choices = {"ours: 16 to 96": settings.scales}
choices.update({"half of them": (8, 14, 22, 32, 48), "twice them": (32, 56, 88, 128, 192)})
thresholds = np.linspace(0.3, 0.95, 66)
curves = {name: [np.mean(best_fits(scales) >= iou) for iou in thresholds] for name, scales in choices.items()}
show(lab_02.fits_figure(thresholds, curves))
for name, scales in choices.items():
    print(f"{name:14}: {np.mean(best_fits(scales) >= 0.6):4.0%} of {len(truths)} true boxes reach an IoU of 0.6")

# %% [markdown] id="fit-after"
# Even with scales chosen for the phantoms, some opacities are reached by no anchor at 0.6: they are long and narrow,
# and the grid is coarse for large anchors. Those learn from their single best anchor alone. Scales that are half as
# large miss nearly all. Twice as large looks good on large opacities, and gives up the small ones: the curve falls
# first at the left.

# %% [markdown] id="missing-text"
# ## 6. The missing fifth scale
#
# The slides set `RPN_ANCHOR_SCALES = (32, 64, 128, 256)`: four scales. The pyramid has *five* levels, P2 to P6, and the
# RPN slides over all of them.
#
# **Predict.** At 256 pixels, strides 4, 8, 16, 32, 64 and three ratios: how many scores does the RPN put out, and how
# many anchors are there for them?
#
# <details><summary>Answer</summary>
#
# $3 \cdot (64^2 + 32^2 + 16^2 + 8^2 + 4^2) = 16{,}368$ scores, and $3 \cdot (64^2 + 32^2 + 16^2 + 8^2) = 16{,}320$
# anchors: P6 has 48 scores that belong to nothing.
#
# </details>

# %% id="missing"
try:
    pyramid_anchors(256, scales=(32, 64, 128, 256), ratios=(0.5, 1, 2), strides=(4, 8, 16, 32, 64))
except ValueError as error:
    print(error)

# %% [markdown] id="missing-after"
# Matterport's `generate_pyramid_anchors` goes by the number of scales and says nothing. What happens then depends on
# the machine: on a CPU TensorFlow stops with `indices[...] is not in [0, 16320)` as soon as one of the 48 scores is
# among the best; on a GPU the same gather returns zeros, a box without area, and the training goes on. The project
# trained on a GPU. So the slides' model learnt with a fifth level that could never propose anything, and nothing said
# so. Our function refuses it: an error in the first second is worth more than one that nobody sees.

# %% [markdown] id="explorer-text"
# ## 7. Lay them yourself
#
# **Try this; say first what you expect.**
#
# 1. "The slides' four scales", then "The slides' mended": the count of scores and anchors changes. Does the recall?
# 2. "This network's", then an anchor stride of 2: what is lost?
# 3. Ratios: `1` alone.
#
# <details><summary>Answers, for the phantoms</summary>
#
# (1) On these 13 boxes it does not: the best anchors lie on other levels. What was wrong was which score belongs to
# which anchor. (2) A quarter of the anchors is left; at IoU 0.6, 3 of 13 true boxes are reached instead of 9. (3) 6 of
# 13: long boxes have no anchor of their shape.
#
# </details>

# %% id="explorer"
from mini_rcnn.widgets import AnchorExplorer

panel = AnchorExplorer.of_lab(lab)
panel

# %% [markdown] id="end"
# ## What you have built
#
# IoU, deltas both ways, clipping, and the anchors of a level, each equal to Matterport's. **To think about:** the
# anchors stand on the upper left corner of their cell, as Matterport's do. Where would a stride-64 anchor stand if it
# stood in the middle, and does the network care?
