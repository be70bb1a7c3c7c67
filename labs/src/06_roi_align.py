# %% [markdown] id="title"
# # 06 · RoIAlign
#
# **Time:** 60 minutes. **Paper:** He et al., [Mask R-CNN](https://arxiv.org/abs/1703.06870), 2017, section 3
# ("RoIAlign"); Lin et al., [Feature Pyramid Networks](https://arxiv.org/abs/1612.03144), 2017, section 4.2, equation 1.
# **You need:** feature maps (특징 맵, lab 04), proposals (lab 05). **Afterwards you have:** RoIAlign, written by you;
# you know what rounding costs, and why Matterport's layer of the same name gives other numbers.

# %% id="start"
import numpy as np

from mini_rcnn.classroom import check, show, start_lab
from mini_rcnn.stages.boxes import box_iou
from mini_rcnn.view import lab_06

lab = start_lab("06")

# %% [markdown] id="why"
# ## 1. Boxes of any size, one size of input
#
# The RPN leaves proposals of every size. The box head, which names them and corrects them, begins with a layer that
# looks at a whole box at once, and the number of its weights is fixed on the day it is built:

# %% id="kernel"
number = lab.with_boxes()[0]
seen = lab.input(number)
found, trace = lab.look(number)
boxes = trace["proposals"].boxes.astype(np.float64)  # pixels of the network input
sizes = boxes[:, 2:] - boxes[:, :2]
print("first layer of the box head, weights:", lab.weights["mrcnn_class_conv1/kernel"].shape)
print(f"{len(boxes)} proposals, {sizes.min():.0f} to {sizes.max():.0f} pixels a side")

# %% [markdown] id="roi-text"
# $7 \times 7$ cells of 40 channels to 128 numbers, whatever the box. Somebody has to turn each **region of interest**
# (RoI; 관심 영역) into a $7 \times 7$ grid of features. Here are a small, a middling and a large proposal, and one
# channel of what the head was given for each.

# %% id="three"
order = np.argsort(sizes.prod(axis=1), kind="stable")
three = order[[0, len(order) // 2, -1]]
p2 = trace["p2"]
channel = int(p2.std(axis=(0, 1)).argmax())  # the one in which most happens on this film
show(lab_06.pooled_boxes_figure(seen.grey, boxes[three], trace["box_pool"][three, :, :, channel]))
print("P2:", p2.shape, " pooled boxes:", trace["box_pool"].shape, " channel shown:", channel)

# %% [markdown] id="pool-text"
# ## 2. RoIPool, and what rounding costs
#
# A map of stride $s$ has one cell for $s \times s$ pixels of the network input. A box corner at pixel $x$ lies at
# $x / s$ on the map, mostly between two cells. The forerunner, **RoIPool** (Fast R-CNN, 2015), took the nearest whole
# cell, $[x / s]$ with $[\cdot]$ for rounding, and rounded once more where it cut the box into bins. To tell whether
# something *is* an opacity that does no harm: a bit of border more or less changes no name. To tell *where* it is, it
# does: the head sees the features of the rounded box and corrects the one that was not rounded.

# %% [markdown] id="pool-question"
# **Predict.** The network sees the film at an eighth of its size (`scale` below), and Fast R-CNN's map has stride 16.
# By how many pixels *of the film* can rounding move a corner along one axis, at most?
#
# <details><summary>Answer</summary>
#
# Half a cell is 8 pixels of the input, and each of those is 8 pixels of a film of 1024 x 1024: 64 pixels. On P2, of
# stride 4, it is 16.
#
# </details>

# %% id="pool-run"
truth = np.concatenate([lab.input(n).boxes for n in lab.with_boxes()])
film_pixels = 1 / seen.geometry.scale
print(f"scale {seen.geometry.scale:.3f}: one pixel of the input is {film_pixels:.0f} pixels of the film")
for stride in (4, 16):
    rounded = np.rint(truth / stride) * stride  # as RoIPool sees them, back in pixels
    moved, overlap = np.abs(rounded - truth) * film_pixels, np.diag(box_iou(truth, rounded))
    print(f"stride {stride:2d}: corners move by {moved.mean():4.1f} film pixels, at most {moved.max():.0f};", end=" ")
    print(f"IoU with itself {overlap.mean():.2f}, at worst {overlap.min():.2f}")

# %% [markdown] id="pool-read"
# Those are the true boxes, and all that happened to them is rounding. The challenge asks for an IoU of 0.4 to 0.75: on
# stride 16 an average box (of the phantoms) is at 0.58 before anybody has looked at it. One box on that map:

# %% id="pool-figure"
box = seen.boxes[0] / 16
rounded = np.rint(box)
show(lab_06.rounded_figure(trace["p4"][..., channel], box, rounded, stride=16))
print("the box, in cells:", box.round(2).tolist(), " RoIPool's:", rounded.tolist())

# %% [markdown] id="points-text"
# ## 3. Bins and sampling points
#
# **RoIAlign** rounds nothing. It cuts the box, as it lies, into $7 \times 7$ equal **bins**, and puts a few **sampling
# points** into each. One axis is enough to think about, the other does the same: a box from $a$ to $b$ in $n$ bins has
# bins of length $\ell = (b - a) / n$; bin $j$ begins at $a + j \ell$, and its points lie at
#
# $$p_{j,i} = a + j\,\ell + f_i\,\ell, \qquad i = 0 \dots m - 1$$
#
# with $f_i$ the fraction at which point $i$ of $m$ cuts each bin. Two choices of $f_i$ are common:
# **thirds**, $f_i = (i + 1) / (m + 1)$, is drawn on the slides and in most explanations; **centres**,
# $f_i = (i + 0.5) / m$, is what torchvision and detectron2 compute. The paper leaves it open and says that it matters
# little.

# %% id="points-given"
from mini_rcnn.stages._check import one_of  # checks an argument
from mini_rcnn.stages.roi_align import bin_edges

print(bin_edges(np.array([1.0]), np.array([2.5]), 3))

# %% id="points" exercise="mini_rcnn.stages.roi_align:sampling_points_1d"

# %% id="points-check"
check("roi_align.sampling_points_1d", sampling_points_1d)

# %% id="points-library"
from mini_rcnn.stages.roi_align import sampling_points_1d  # from here on the lab uses the library's

y1, x1, y2, x2 = example = (1.2, 0.7, 6.0, 4.9)
panels = []
for placement in ("thirds", "centres"):
    starts, ends = np.array([y1, x1]), np.array([y2, x2])
    rows, columns = sampling_points_1d(starts, ends, 3, placement=placement).reshape(2, -1)
    panels.append((placement, rows, columns))
    print(placement, "along y:", rows.round(2).tolist())
show(lab_06.points_figure(example, 3, panels))

# %% [markdown] id="between-text"
# Solid is the box, dashed its $3 \times 3$ bins, a cross each point; the thin lines are the cells of the map. With
# centres the points stand equally far apart over the whole box, with thirds in pairs.
#
# ## 4. Between the cells
#
# A point mostly lies between cells. **Bilinear interpolation** (쌍선형 보간) gives it a value from the four around it.
# Mind where the value of a cell stands: cell $i$ reaches from $i$ to $i + 1$, its value stands in the *middle*, at
# $i + 0.5$. Again one axis is enough: with $t = p - 0.5$ the neighbours are $\lfloor t \rfloor$ and the next cell; with
# $u = t - \lfloor t \rfloor$, how far the point is on its way from the one to the other, they weigh $1 - u$ and $u$.

# %% [markdown] id="between-question"
# **Predict.** Which cells, and which weights, has a point at 2.5? One at 3.0? One at 0.2?
#
# <details><summary>Answer</summary>
#
# 2.5 is the middle of cell 2: cell 2 with weight 1 (and cell 3 with 0). 3.0 is the edge between the cells 2 and 3: half
# of each. 0.2 lies before the middle of the first cell, where there is nothing to interpolate with: it takes the value
# of cell 0, as if it lay at 0.5.
#
# Who forgets the half shifts every box by half a cell, 16 pixels of the film on P2. The first RoIAlign implementations
# did; `aligned=True` in torchvision and detectron2 is the switch that mends it.
#
# </details>

# %% id="neighbours" exercise="mini_rcnn.stages.roi_align:neighbours_1d"

# %% id="neighbours-check"
check("roi_align.neighbours_1d", neighbours_1d)

# %% [markdown] id="values-text"
# Two neighbours along y times two along x are four cells, and the weight of a cell is the product of its two weights.
# With $r_a$ and $c_b$ ($a, b \in \{0, 1\}$) for rows and columns, $w_a$ and $v_b$ for their weights and $F$ for the
# feature map, the value is
#
# $$F(p_y, p_x) = \sum_{a} \sum_{b} w_a\, v_b\, F[r_a, c_b]$$
#
# The four weights sum to 1. Here they are for one point of a real proposal:

# %% id="neighbours-library"
from mini_rcnn.stages.roi_align import neighbours_1d  # from here on the lab uses the library's

box = boxes[three[1]] / 4  # P2 has stride 4
point = [float(sampling_points_1d(box[[axis]], box[[axis + 2]], 7)[0, 3, 0]) for axis in (0, 1)]
(rows, row_weights), (columns, column_weights) = (neighbours_1d(np.array(p), len(p2)) for p in point)
show(lab_06.neighbours_figure(p2[..., channel], point, (rows, columns), (row_weights, column_weights)))
print(f"point ({point[0]:.2f}, {point[1]:.2f}): rows {rows.tolist()}, columns {columns.tolist()}")
print("weights:", np.outer(row_weights, column_weights).round(2).tolist())

# %% [markdown] id="values-exercise-text"
# Now for all points of all boxes at once. The cells and weights of a box's $h$ rows of points come as arrays
# `(N, h, 2)`, those of its $w$ columns as `(N, w, 2)`; every row crosses every column. A loop over boxes and points is
# a good first answer.

# %% id="values" exercise="mini_rcnn.stages.roi_align:weighted_neighbours"

# %% id="values-check"
check("roi_align.weighted_neighbours", weighted_neighbours)

# %% id="values-library"
from mini_rcnn.stages.roi_align import weighted_neighbours  # from here on the lab uses the library's

value = weighted_neighbours(p2, rows[None, None], row_weights[None, None], columns[None, None],
                            column_weights[None, None])  # fmt: skip
print(f"the point's value in the channel shown: {value[0, 0, 0, channel]:.2f}; it has {value.shape[-1]} channels")

# %% [markdown] id="bin-text"
# ## 5. From four points to one number
#
# Each bin has now four values and may keep one. **Max pooling** takes the largest, **average pooling** the mean. The
# slides work one bin out: $\max(0.14, 0.21, 0.51, 0.43) = 0.51$. Let us have RoIAlign do it. A bin of $3 \times 3$
# cells whose thirds fall on the middles of four cells gives each point the value of one cell.

# %% [markdown] id="bin-question"
# **Predict.** What does average pooling make of the same bin? And if the 0.51 were a single noisy cell and should have
# been 0.31: by how much does each of the two change?
#
# <details><summary>Answer</summary>
#
# The mean is 1.29 / 4 = 0.3225. With 0.31 in place of 0.51 the maximum falls to 0.43, by 0.08, and the mean to 0.2725,
# by 0.05. In training the difference is greater still: through the maximum only one of the four points learns, through
# the mean all four do, a quarter each.
#
# </details>

# %% id="bin"
from mini_rcnn.stages.roi_align import pool_bins

four = np.array([[0.14, 0.21], [0.51, 0.43]])
samples = four.reshape(1, 1, 2, 1, 2, 1)  # box, bins along y, points along y, bins along x, points along x, channel
for pooling in ("max", "average"):
    print(f"{pooling:8}{pool_bins(samples, pooling).item():.4f}")

# %% [markdown] id="align-text"
# The slides' number is right. (torchvision and detectron2 average; the paper says that max or average may be used.)
# Everything is there now. `sample_grid(feature, rows, columns)` is `weighted_neighbours`, sixteen boxes at a time and
# on all cores; `rows` and `columns` are the pairs that `neighbours_1d` returns. What is left is to put the parts in
# order, and to hand on the options.

# %% id="align-given"
from mini_rcnn.stages._check import boxes_array, size_pair, whole_number  # they only check arguments
from mini_rcnn.stages.roi_align import feature_map, sample_grid  # feature_map checks one, too

# %% id="align" exercise="mini_rcnn.stages.roi_align:roi_align"

# %% id="align-check"
check("roi_align.roi_align", roi_align)

# %% id="align-library"
from mini_rcnn.stages.roi_align import roi_align  # from here on the lab uses the library's

feature = np.full((4, 4, 1), 9.0)
feature[1:3, 1:3, 0] = four
for pooling in ("max", "average"):
    pooled = roi_align(feature, np.array([[0.5, 0.5, 3.5, 3.5]]), output_size=1, pooling=pooling)
    print(f"the slides' bin, {pooling}: {pooled.item():.4f}")

# %% [markdown] id="crop-text"
# ## 6. Matterport's way
#
# Matterport's class is called `PyramidROIAlign`, but inside it calls `tf.image.crop_and_resize`: **one** sample for
# each of the $7 \times 7$ outputs, on a grid that *includes the box's edges*. The first sample lies on the middle of
# the first cell in the box, the last on the middle of the last cell, the others evenly between: no bins, nothing to
# pool.

# %% id="crop-figure"
box = (1.0, 1.0, 11.0, 8.0)
starts, ends = np.array(box[:2]), np.array(box[2:])
ours = sampling_points_1d(starts, ends, 7).reshape(2, -1)
theirs = np.linspace(starts + 0.5, ends - 0.5, 7).T
show(lab_06.points_figure(box, 7, [("RoIAlign, thirds", *ours), ("Matterport", *theirs)]))
print(f"points: RoIAlign {ours.shape[1] ** 2}, Matterport {theirs.shape[1] ** 2}")

# %% [markdown] id="ramp-text"
# To see *where* a method looks, give it a map whose value is the place itself: 0.5 in the first row, 1.5 in the second,
# and so on. What comes out is the row that each output stands for.

# %% [markdown] id="ramp-question"
# **Predict.** A box of 14 rows, from 2 to 16, in 7 outputs: which row does the first output stand for in RoIAlign,
# which in Matterport's? Is there a box for which both are the same?
#
# <details><summary>Answer</summary>
#
# The first bin reaches from 2 to 4, and its points are, on average, at 3. Matterport's first sample is the middle of
# the first cell, 2.5. For a box of exactly 7 rows the first bin *is* the first cell, and both look at its middle. For a
# smaller one Matterport's samples are closer together than the bins, for a larger one further apart.
#
# </details>

# %% id="ramp"
from mini_rcnn.stages.roi_align import crop_and_resize

ramp = (np.arange(20.0) + 0.5)[:, None, None] * np.ones((1, 20, 1))
for end in (3.5, 9.0, 16.0):
    box = np.array([[2.0, 2.0, end, 9.0]])
    mean = roi_align(ramp, box, output_size=7, pooling="average")[0, :, 0, 0]
    crop = crop_and_resize(ramp, box, output_size=7)[0, :, 0, 0]
    print(f"rows 2 to {end:4}: RoIAlign", *(f"{value:5.2f}" for value in mean))
    print("           Matterport", *(f"{value:5.2f}" for value in crop))

# %% [markdown] id="ways-text"
# So no choice of RoIAlign's options gives Matterport's numbers: it is another definition. That is no fault of either.
# It is one if the two are compared as if they were the same.
#
# There is a second difference, in how a box of the image is carried to a map. We divide by the stride. Matterport lays
# the middle of the image's first pixel on the middle of the map's first cell, and the last on the last, which stretches
# everything between:

# %% id="stretch"
side, cells = len(trace["input"]), len(p2)
stride = side // cells
pixels = np.array([0, side // 2, side - 1])
place = (pixels * (cells - 1) / (side - 1) + 0.5) * stride  # where Matterport's sample lies, in pixels
for pixel, away in zip(pixels, place - (pixels + 0.5)):
    print(f"pixel {pixel:3}: the sample lies {away:+.2f} pixels off, {round(away * film_pixels):+d} on the film")

# %% [markdown] id="ways-real-text"
# Near the middle of the film nothing happens; near its edge samples lie up to three eighths of a cell too far inside.
# The library's `pyramid_roi_align` does it both ways. One proposal of this film:

# %% id="ways"
from mini_rcnn.stages.roi_align import pyramid_roi_align

aligned = {"image_size": side, "output_size": 7, "method": "roi_align"}
pooled = {
    "max": pyramid_roi_align(trace, boxes, **aligned),
    "average": pyramid_roi_align(trace, boxes, pooling="average", **aligned),
    "Matterport": pyramid_roi_align(trace, boxes, image_size=side, output_size=7, method="crop_and_resize"),
}
show(lab_06.ways_figure({name: grids[three[1], :, :, channel] for name, grids in pooled.items()}))

# %% id="ways-numbers"
for name, other in (("max", "average"), ("average", "Matterport"), ("max", "Matterport")):
    apart = np.abs(pooled[name] - pooled[other]).mean() / pooled["average"].std()
    print(f"{name:8} and {other:11}: {apart:.2f} standard deviations of the features apart, on average")

# %% [markdown] id="score-text"
# And does the head care? Its weights were trained on one way of pooling. Give it another:

# %% id="scores"
from mini_rcnn.stages.heads import box_head

for name, grids in pooled.items():
    scores = box_head(grids, lab.weights)[1][:, 1]
    moved = np.abs(scores - trace["probabilities"][:, 1])
    print(f"{name:10} scores differ from the detector's own by {moved.mean():.3f}, at most {moved.max():.2f}")

# %% [markdown] id="score-read"
# The detector that comes along was trained with Matterport's way, so there nothing changes. With either form of
# RoIAlign single proposals get quite another score. That says nothing about which is better, since nothing was trained
# with the others: it says that weights belong to the pooling that they were trained with. Who loads Matterport's
# weights into a network with torchvision's RoIAlign has a detector that nobody has trained or tested as it stands.
#
# ### A row that gets lost
#
# `crop_and_resize` reads 0 where a sample lies outside the map. The last sample of a box that ends at the image's edge
# lies exactly *on* the last cell, and TensorFlow computes where that is in 32 bit floats. Let us do the same sum, for
# boxes on 256 pixels:


# %% id="lost"
def last_sample(first, cells):
    """Return where TensorFlow puts the last of 7 samples of boxes that end on the last cell, in cells."""
    step = (np.float32(1) - first) * np.float32(cells - 1) / np.float32(6)
    return first * np.float32(cells - 1) + np.float32(6) * step


rng = np.random.default_rng(6)
first = (rng.uniform(0, 240, 4000) / 255).astype(np.float32)  # where the boxes begin, 0 to 1
for level, cells in (("P2", 64), ("P3", 32), ("P4", 16), ("P5", 8)):
    print(f"{level}: {np.mean(last_sample(first, cells) > cells - 1):.1%} beyond the last cell")

# %% [markdown] id="lost-read"
# A few millionths of a cell beyond, and the whole last row (or column) of the pooled box is 0. With Matterport itself,
# run live in TensorFlow 1.15, we counted 6.7 % of 4,000 boxes that end at the edge of a 256 pixel image. The library
# multiplies first and divides after, and loses none. What would the head make of such a row?


# %% id="lost-function"
def without_last(trace):
    """Return which proposals end at the input's edge, and their pooled features without the last row or column."""
    at_edge = trace["proposals"].boxes[:, 2:] > side - 0.1  # lower, right
    rows = np.flatnonzero(at_edge.any(axis=1))
    pooled = trace["box_pool"][rows].copy()
    pooled[at_edge[rows, 0], -1] = 0
    pooled[~at_edge[rows, 0], :, -1] = 0
    return rows, pooled


# %% id="lost-films"
changes, total = [], 0
for n in range(len(lab)):
    rows, damaged = without_last(lab.look(n)[1])
    total += len(lab.look(n)[1]["proposals"].boxes)
    scores = lab.look(n)[1]["probabilities"][rows, 1]
    changes += list(zip(np.abs(box_head(damaged, lab.weights)[1][:, 1] - scores).tolist(), [n] * len(rows), rows))
print(f"{len(changes)} of {total} proposals end at the edge")
print(f"{sum(change[0] > 0.01 for change in changes)} of their scores would move by more than 0.01")

# %% id="lost-figure"
change, worst, row = max(changes)
rows, damaged = without_last(lab.look(worst)[1])
whole = lab.look(worst)[1]["box_pool"][row, ..., channel]
show(lab_06.lost_figure(whole, damaged[list(rows).index(row), ..., channel]))
print(f"the most that a score would move: {change:.2f}")

# %% [markdown] id="lost-read-more"
# Where nothing is found, a row of zeros changes nothing, and at the edge of a film there is mostly nothing. But a few
# scores would move, on the phantoms by a little, and in one box in fifteen, by chance.

# %% [markdown] id="bench-text"
# ### All of it under your hand
#
# One box on this film's real features: drag it (or give it the focus and use the arrow keys), and point anywhere on the
# map to see the four cells that a point reads. **Try this; say first what you expect.**
#
# 1. Move the box to the right by one pixel at a time, on P2. Which of the four grids change with each step?
# 2. Set the points a bin to 1. Which two grids become the same, and why?
# 3. Choose level P5. How large is the box in cells, and what does RoIPool make of it?
#
# <details><summary>Answers</summary>
#
# 1. RoIAlign's and `crop_and_resize`'s. RoIPool's stands still until a corner is nearer to the next whole cell, then
#    jumps by a cell, 4 pixels of the input (on P5 by 32).
# 2. Both of RoIAlign: a single point lies in the middle of its bin by thirds as by centres, and the largest of one
#    number is its mean.
# 3. A cell is 32 pixels. The box at the start (of the phantoms) is 1.3 x 0.9 cells; RoIPool reads 2 x 1 whole ones, so
#    its bins repeat the same few numbers.
#
# </details>

# %% id="bench"
from mini_rcnn.widgets import RoiAlignBench

panel = RoiAlignBench.of_lab(lab)
panel

# %% [markdown] id="level-text"
# ## 7. From which level?
#
# A feature pyramid has four maps to pool from, P2 to P5, of strides 4, 8, 16 and 32. A large box is taken from a coarse
# one. Equation 1 of the FPN paper:
#
# $$k = \left\lfloor k_0 + \log_2 \frac{\sqrt{h w}}{224} \right\rfloor, \qquad k_0 = 4$$
#
# with $h, w$ the box's height and width in pixels of the network input, 224 the side of ImageNet's pictures, and $k$
# the level, held within 2 and 5. $\lfloor \cdot \rfloor$ is floor; Matterport rounds to the nearest.

# %% id="level-given"
from mini_rcnn.stages.roi_align import CANONICAL_SIZE

print("canonical size:", CANONICAL_SIZE)

# %% id="level" exercise="mini_rcnn.stages.roi_align:pyramid_level"

# %% id="level-check"
check("roi_align.pyramid_level", pyramid_level)

# %% id="level-library"
from mini_rcnn.stages.roi_align import pyramid_level  # from here on the lab uses the library's

sides = np.geomspace(20, 1000, 400)
squares = np.stack([0 * sides, 0 * sides, sides, sides], axis=1)
nearest, floored = (pyramid_level(squares, image_size=1024, rounding=r) for r in ("nearest", "floor"))
show(lab_06.levels_figure(sides, nearest, floored))
print(f"{np.mean(nearest != floored):.0%} of these sides go to another level")

# %% [markdown] id="level-films-question"
# **Predict.** The slides' network looks at films of 1024 x 1024 at 256 x 256. From which levels are true opacities
# pooled?
#
# <details><summary>Answer</summary>
#
# Run the cell. On phantoms, whose boxes have the sizes of RSNA's: 10 of 13 from P2, 3 from P3, and with the paper's
# floor all 13 from P2. A box goes to P3 from a side of 79 pixels on (nearest) or 112 (floor), and few opacities are
# that large on 256 pixels. P4 and P5 still serve the RPN, but the heads at 256 pixels hardly ever see them. 224 stands
# for ImageNet's pictures, not for yours.
#
# </details>

# %% id="level-films"
print("boxes a level     P2  P3  P4  P5")
for side in (128, 256, 512, 1024):
    there = truth * side / 128  # the same boxes in a network input of that side
    for rounding in ("nearest", "floor"):
        levels = pyramid_level(there, image_size=side, rounding=rounding)
        print(f"{side:4} {rounding:8}", *(f"{np.sum(levels == level):4d}" for level in (2, 3, 4, 5)), sep="")

# %% [markdown] id="end"
# ## What you have built
#
# RoIAlign whole: bins, points, four neighbours, pooling; and the choice of the level, held against Matterport's own
# answers. Nothing in it is rounded but the level.
#
# **To think about:** a mask needs $14 \times 14$ bins where a box needs $7 \times 7$. For an opacity of 10 x 10 cells
# of P2, how many sampling points does each cell then get? What do the extra bins of a small box contain that is new?
# And what would you change first for 256 pixel films: the 224, the rounding, or the size of the input?
