# %% [markdown] id="title"
# # 04 · Backbone and feature pyramid
#
# **Time:** 60 minutes. **Paper:** He et al., *Deep Residual Learning for Image Recognition*, 2015, sections 3 and 4.1;
# Lin et al., *Feature Pyramid Networks for Object Detection*, 2017, section 3.
# **You need:** NumPy's indexing, and a rough idea of what a convolution is.
# **Afterwards you have:** the layers of the first half of the network, written by you, from the film to the five maps
# on which everything else works; and you know what "frozen" means and where 111,488 numbers come from.

# %% id="start"
import numpy as np

from mini_rcnn.classroom import check, show, start_lab
from mini_rcnn.view import lab_04

lab = start_lab("04")
number = lab.with_boxes()[0]
seen = lab.input(number)
print(f"Film {number}: {seen.grey.shape[0]} x {seen.grey.shape[1]} pixels as the network sees it.")

# %% [markdown] id="window-text"
# ## 1. One window, one number
#
# A **convolution** (합성곱) lays a small array of numbers, the *kernel*, on a window of the image, multiplies each
# pixel with the number that lies on it, and adds up. Then the kernel moves on. This kernel subtracts what is left from
# what is right:

# %% id="window"
kernel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
window = seen.grey[60:63, 40:43].astype(float)
print(window)
print(f"sum of the products: {np.sum(window * kernel):.0f}")

# %% [markdown] id="equation"
# With strides and channels, for a feature map $x$ (특징 맵), a kernel $w$ of $k_h \times k_w$ places, and a bias $b$:
#
# $$\text{out}_{i,j,f} = b_f + \sum_{u=0}^{k_h - 1}\ \sum_{v=0}^{k_w - 1}\ \sum_{c}\ x_{is+u,\,js+v,\,c}\ w_{u,v,c,f}$$
#
# $i, j$ is the place in the result, $s$ the **stride** (보폭), $u, v$ the place in the kernel, $c$ a channel that goes
# in, $f$ a channel that comes out. Every output channel has a kernel of its own through *all* input channels.

# %% [markdown] id="flip-question"
# **Predict.** One row of five pixels, only the middle one bright: `0 0 1 0 0`. The kernel is `1 2 3`, with a zero
# before and after the row. In which order do 1, 2 and 3 come out?
#
# <details><summary>Answer</summary>
#
# `0 3 2 1 0`: backwards. The first window that reaches the bright pixel reaches it with its *last* number. A
# mathematician's convolution flips the kernel first, so that `1 2 3` would come out; what deep learning calls a
# convolution is a *cross-correlation* (교차 상관). For a kernel that is learnt, it makes no difference; for weights
# that are taken over from somewhere else, it does.
#
# </details>

# %% [markdown] id="padding-text"
# ## 2. Zeros at the edge
#
# A window of 3 fits into 8 pixels only 6 times. **Padding** (패딩) with zeros makes it 8. "Same" in TensorFlow, and so
# in Matterport, promises $n = \lceil \text{length} / s \rceil$ windows. The last of them ends $(n - 1)\, s + k$ pixels
# after the first one begins; what is missing is filled with zeros, half before and half after.

# %% id="same-padding" exercise="mini_rcnn.stages.ops:same_padding"

# %% id="same-padding-check"
check("ops.same_padding", same_padding)

# %% [markdown] id="padding-question"
# **Predict.** 8 pixels, a window of 3, stride 2. How many zeros stand before the first pixel? Which pixel is in the
# middle of window 0?
#
# <details><summary>Answer</summary>
#
# None. Four windows begin at pixels 0, 2, 4 and 6; the last one needs pixel 8, which does not exist: one zero, and an
# odd one goes after. The middle of window 0 is pixel 1. With a zero on both sides, as PyTorch pads, it is pixel 0.
#
# </details>

# %% id="padding-figure"
from mini_rcnn.stages.ops import same_padding  # from here on the lab uses the library's

ways = {"TensorFlow's 'same'": same_padding(8, 3, 2), "padding=1, as in PyTorch": (1, 1)}
show(lab_04.padding_figure(8, 3, 2, ways))
for length, size, stride in ((8, 3, 1), (8, 3, 2), (7, 3, 2), (128, 7, 2)):
    before, after = same_padding(length, size, stride)
    print(f"length {length:3d}, window {size}, stride {stride}: {before} before, {after} after")

# %% [markdown] id="padding-moral"
# Same number of windows, same weights, and every one of them sees other pixels. Whoever carries weights from one
# program to another, and gets maps that are *almost* right, should look here first. We come back to it in section 4.
#
# ## 3. All windows at once
#
# Loops over windows are right and slow. The trick of every fast implementation: write each window out as one row; then
# the whole convolution is one product of two matrices.

# %% id="patches"
from mini_rcnn.stages.ops import unfold_patches

small = np.arange(16.0).reshape(4, 4)
patches = unfold_patches(small[None, :, :, None], (2, 2), 1, "valid")  # (1, 3, 3, 2, 2, 1)
matrix = patches.reshape(9, 4)
show(lab_04.patches_figure(small, matrix))
print("images, rows, columns, kernel rows, kernel columns, channels:", patches.shape)
print("the first two windows:", matrix[:2].astype(int).tolist(), "the last:", matrix[-1].astype(int).tolist())

# %% [markdown] id="conv-text"
# Write the convolution now, with a matrix product or with loops: the check takes both. Three functions are there to
# help: `same_padding`, `unfold_patches(batch, window, stride, padding)`, which you have just seen, and
# `on_batch(function, feature)`, which calls a function of a batch `(B, H, W, C)` for a single map `(H, W, C)`, too.

# %% id="conv-given"
from mini_rcnn.stages._check import number_array, one_of, shaped, whole_number  # they only check arguments
from mini_rcnn.stages.ops import feature_array, on_batch

# %% id="conv" exercise="mini_rcnn.stages.ops:conv2d"

# %% id="conv-check"
check("ops.conv2d", conv2d)

# %% id="conv-library"
from mini_rcnn.stages.ops import conv2d

grey = seen.grey[..., None].astype(np.float64)
kernels = [kernel, kernel.T]
responses = [conv2d(grey, one[..., None, None])[..., 0] for one in kernels]
show(lab_04.responses_figure(seen.grey, kernels, responses, ("right less left", "below less above")))
print("at the window of section 1:", f"{responses[0][61, 41]:.0f}")

# %% [markdown] id="conv-read"
# Red is above 0, blue below. Each kernel finds edges of one direction; ribs, heart and diaphragm show. So does the rim
# of the film: the zeros around it look like an edge to the kernel. That window's number is the one from section 1, and
# it stands at row 61, column 41: in the *middle* of its window, since a zero was added before.
#
# ## 4. What the network has learnt to look for
#
# Nobody writes kernels by hand. The first layer of our small network, `conv1`, has 16 kernels of 7 x 7 (64 in a
# ResNet), found by training. A film is grey, so what counts is the sum over the three colours.

# %% id="stem-kernels"
learnt = lab.weights["conv1/kernel"]
show(lab_04.tiles_figure(learnt.sum(axis=2).transpose(2, 0, 1), columns=8, title="conv1: 16 kernels", signed=True))
print("kernel", learnt.shape, "bias", lab.weights["conv1/bias"].shape, f"in all {learnt.size + 16:,} numbers")

# %% id="stem-maps"
around = [(3, 3), (3, 3), (0, 0)]
stem = conv2d(np.pad(seen.pixels, around), learnt, lab.weights["conv1/bias"], stride=2, padding="valid")
show(lab_04.tiles_figure(stem.transpose(2, 0, 1), columns=8, title="what they answer on the film"))
print("the film", seen.pixels.shape, "becomes", stem.shape)

# %% [markdown] id="stem-read"
# The kernels look like noise: 7 x 7 numbers that began as random ones. What they answer does not: some pass the film
# on, some turn it into its negative, some find edges of one direction, as ours did.

# %% [markdown] id="stem-question"
# Look at the padding in that cell: Matterport adds 3 zeros on every side by hand, then convolves "valid". Why not
# "same"?
#
# **Predict.** How many zeros would "same" put before the first pixel, with length 128, window 7, stride 2? And if we
# used it with these trained kernels, would the result be slightly wrong, or useless?

# %% id="stem-shifted"
same = conv2d(seen.pixels, learnt, lab.weights["conv1/bias"], stride=2)
inner = np.s_[4:-4, 4:-4]  # away from the edge
apart = np.abs(same - stem)[inner].mean() / np.abs(stem - stem.mean((0, 1)))[inner].mean()
print("zeros before and after:", same_padding(128, 7, 2))
print(f"mean difference, of the maps' own mean spread: {100 * apart:.0f} %")

# %% [markdown] id="stem-answer"
# <details><summary>Answer</summary>
#
# 2 before and 3 after: every window begins one pixel further right and down than the kernels were trained for. The
# maps look the same to the eye and lie one pixel, half a cell, aside; where values change fast, they differ (on
# phantoms by a sixth of the maps' own spread). No error says so, and the detector still works: with this one change
# it finds 47 of the 65 opacities on the 200 phantoms of lab 05 (IoU 0.5) in place of 50, its boxes fit hardly less
# well, and the challenge's score falls from 0.57 to 0.52. On so few films that could be chance; nobody would look for
# it.
#
# </details>

# %% [markdown] id="norm-text"
# ## 5. Normalisation, and what "frozen" means
#
# After every convolution of the backbone follows a **batch normalisation** (배치 정규화). For each channel:
#
# $$y = \gamma\, \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta$$
#
# $\gamma, \beta$ are learnt. In ordinary training $\mu, \sigma^2$ are mean and variance *of the batch at hand*. With
# one or two films a batch, they say more about the film than about the channel. Therefore detectors *freeze* the
# layer: also in training, $\mu$ and $\sigma^2$ are numbers that were recorded earlier, and no gradient changes them.

# %% id="norm-given"
from mini_rcnn.stages.ops import BATCH_NORM_EPSILON

# %% id="norm" exercise="mini_rcnn.stages.ops:batch_norm"

# %% id="norm-check"
check("ops.batch_norm", batch_norm)

# %% id="norm-library"
from mini_rcnn.stages.backbone import conv_layer
from mini_rcnn.stages.ops import batch_norm


def stem_means(number):
    """Return the mean of each channel of the first convolution on a film."""
    padded = np.pad(lab.input(number).pixels, around)
    return conv_layer(padded, lab.weights, "conv1", stride=2, padding="valid").mean((0, 1))


# %% id="norm-figure"
recorded = lab.weights["bn_conv1/mean"], np.sqrt(lab.weights["bn_conv1/variance"])
means = np.array([stem_means(number) for number in range(10)])
show(lab_04.statistics_figure(recorded, means))
off = np.abs(means - recorded[0]) / recorded[1]
print(f"a film's mean lies {off.mean():.1f} recorded standard deviations off, {off.max():.1f} at most (10 films)")

# %% [markdown] id="norm-read"
# The dots of one channel are ten films. They lie close together, and it is not this layer that does it: of each film
# the small detector takes the film's own mean before the first convolution, and brings its greys to one spread
# (`image.spread`; the project took one mean from all). That is no business of batches. Were each *batch* normalised by
# its own mean here, with two films in it each would be judged by its neighbour. Frozen, equal pixels always give equal
# values. (While it learnt, the small detector went by the batch: it saw eight films at a time. Lab 10 tells what that
# is worth. While it detects it is frozen, as all of them are.)
#
# ### Where 111,488 comes from
#
# Keras summed up the project's network as 63,733,406 parameters, of which **111,488 are not trainable**. These are
# just the recorded means and variances. `parameter_shapes` lists every array of such a network; let us count.

# %% id="count"
from mini_rcnn.parameters import count_parameters, is_recorded, parameter_shapes

shapes = parameter_shapes(blocks=(3, 4, 23, 3))  # ResNet-101, two classes
total, learnt_numbers = count_parameters(shapes)
print(f"{total:,} numbers, {learnt_numbers:,} learnt, {total - learnt_numbers:,} recorded")

# %% id="count-parts"
PARTS = {"backbone": "bn", "box head": "mrcnn_class", "mask head": "mrcnn_mask"}
for part, first in PARTS.items():
    sizes = [np.prod(shape) for name, shape in shapes.items() if is_recorded(name) and name.startswith(first)]
    print(f"{part:>9}: {len(sizes) // 2:3d} normalisations, {int(sum(sizes)):7,} recorded numbers")

# %% [markdown] id="frozen-question"
# **Predict.** $\gamma$ and $\beta$ are not among the 111,488: they are trained. Now somebody trains *without loading
# any weights*, with the normalisations frozen, as the slides show it (no `load_weights` before `train`). Keras starts
# with $\mu = 0$, $\sigma^2 = 1$, $\gamma = 1$, $\beta = 0$. What does the layer do, from the first step to the last?

# %% id="frozen"
values = stem.astype(np.float64)
untouched = batch_norm(values, np.ones(16), np.zeros(16), np.zeros(16), np.ones(16))
trained = batch_norm(values, *(lab.weights[f"bn_conv1/{part}"] for part in ("gamma", "beta", "mean", "variance")))
for name, maps in (("before", values), ("untouched", untouched), ("trained", trained)):
    spread = maps.std((0, 1))
    print(f"{name:9}: the channels' standard deviations go from {spread.min():.1f} to {spread.max():.1f}")

# %% [markdown] id="frozen-answer"
# <details><summary>Answer</summary>
#
# It divides by $\sqrt{1.001}$: nothing. "Frozen" makes sense for statistics that somebody recorded. Where there are
# none it means that the network trains without normalisation, and nothing says so. Our trainings from nothing record
# them on the first images: halfway through, a small network then scored 0.38 on its validation films, without it 0.00
# (README).
#
# </details>

# %% [markdown] id="rest-text"
# ## 6. The residual block
#
# Two small parts are left. **ReLU**: `np.maximum(x, 0)`. **Max pooling** (최대 풀링): the largest value of each
# window, here 3 x 3 with stride 2; it halves the map.

# %% [markdown] id="pool-question"
# **Predict.** All values of a map are -5, and it is padded to "same". What is the maximum in the corner, if padding
# means zeros? What should it be?
#
# <details><summary>Answer</summary>
#
# With zeros it would be 0: the edge of the map would light up for no reason. Maxima are therefore padded with
# $-\infty$, which never wins. Behind a ReLU, where no value is negative, the two are the same, and the slip stays
# hidden.
#
# </details>

# %% id="pool"
from mini_rcnn.stages.ops import max_pool, relu

print(max_pool(np.full((4, 4, 1), -5.0), size=3, stride=2)[..., 0].tolist())
pooled = max_pool(relu(trained), size=3, stride=2)
print("film", seen.grey.shape, "-> conv1", stem.shape, "-> pooled", pooled.shape)

# %% [markdown] id="block-text"
# From here a ResNet is one thing repeated, 3 + 4 + 23 + 3 = 33 times in ResNet-101: the **residual block** (잔차
# 블록),
#
# $$y = \mathrm{relu}(x + f(x))$$
#
# $f$ is three convolutions: 1 x 1 makes the channels few, 3 x 3 looks around, 1 x 1 makes them many again. It has only
# to learn what is to be *added* to $x$. Where the block halves the map or changes the channels, $x$ goes through a
# 1 x 1 convolution to fit. The weights are a dictionary; `conv_layer` and `norm_layer` take what they need by name:

# %% id="block-given"
from mini_rcnn.stages.backbone import norm_layer

for name in sorted(name for name in lab.weights if name.startswith(("res3a", "bn3a_branch2a"))):
    print(f"{name:24}", lab.weights[name].shape)

# %% id="block" exercise="mini_rcnn.stages.backbone:residual_block"

# %% id="block-check"
check("backbone.residual_block", residual_block)

# %% [markdown] id="levels-text"
# ## 7. Four maps, and a look at them
#
# `resnet` is the stem and the blocks, stage by stage. The last map of each stage is kept: C2 to C5.

# %% id="levels"
from mini_rcnn.stages.backbone import residual_block, resnet

features = resnet(seen.pixels, lab.weights, blocks=lab.config.backbone.blocks)
show(lab_04.levels_figure(seen.grey, features, seen.boxes))
for name, level in features.items():
    print(
        f"{name}: {level.shape}, a cell is {128 // len(level):2d} pixels, {np.mean(level == 0):.0%} of the values are 0"
    )

# %% [markdown] id="levels-read"
# Bright is where a map answers loudly (the root of the mean square over its channels); the outlines are the true
# opacities. On C2 the outline of the body can still be seen, and roughly where the lungs are. C5 has 16 cells for the
# whole chest: it may know *what* is there, and hardly where.
#
# Do not expect the opacities to shine. What a map knows is in *which* of its channels speak, not in how loud they are
# together; on phantoms the loudest cells lie at the edge, where there is nothing but the end of the film. Lab 05 shows
# what the next layer reads out of these maps.

# %% id="channels"
c3 = features["c3"].transpose(2, 0, 1)  # (channels, rows, columns)
strongest = np.argsort(-c3.std(axis=(1, 2)), kind="stable")[:16]
show(lab_04.tiles_figure(c3[strongest], columns=8, title="C3: the 16 channels that vary most"))
share = np.square(c3[strongest]).sum() / np.square(c3).sum()
print(f"of {len(c3)} channels these 16 hold {share:.0%} of the sum of squares")

# %% [markdown] id="fpn-text"
# ## 8. The feature pyramid
#
# A small opacity needs C2's fine cells and C5's knowledge at once. The **feature pyramid network** (FPN, 특징
# 피라미드) carries the coarse maps down, from $l = 5$ to $l = 2$:
#
# $$M_5 = \text{lateral}_5(C_5), \qquad M_l = \text{upsample}(M_{l+1}) + \text{lateral}_l(C_l)$$
#
# $$P_l = \text{smooth}_l(M_l)$$
#
# - $\text{lateral}$: a 1 x 1 convolution to the same number of channels everywhere (256; here 40), layer `fpn_c2p2` to
#   `fpn_c5p5`;
# - $\text{upsample}$: every pixel twice along both axes;
# - $\text{smooth}$: a 3 x 3 convolution, `fpn_p2` to `fpn_p5`, against the blocks that repeating leaves;
# - $P_6$: every second pixel of $P_5$, for the largest anchors.

# %% id="fpn-given"
from mini_rcnn.stages.ops import upsample

print(upsample(np.array([[[1.0], [2.0]]]))[..., 0].tolist())

# %% id="fpn" exercise="mini_rcnn.stages.fpn:feature_pyramid"

# %% id="fpn-check"
check("fpn.feature_pyramid", feature_pyramid)

# %% id="fpn-library"
from mini_rcnn.stages.fpn import feature_pyramid

pyramid = feature_pyramid(features, lab.weights)
show(lab_04.levels_figure(seen.grey, pyramid, seen.boxes))
print({name: level.shape for name, level in pyramid.items()})

# %% [markdown] id="fpn-question"
# **Predict.** We blacken C5, the coarsest map, and leave the others as they are. Which of P2 to P6 change, and which
# most?

# %% id="fpn-blind"
blind = feature_pyramid(dict(features, c5=np.zeros_like(features["c5"])), lab.weights)
for name, level in pyramid.items():
    change = np.sqrt(np.square(blind[name] - level).sum() / np.square(level).sum())
    print(f"{name}: changes by {change:.0%} of its size")

# %% [markdown] id="fpn-answer"
# <details><summary>Answer</summary>
#
# All of them: what C5 knows reaches down to P2. It is most where it is nearest. Without the way down, P2 would not
# change at all; that is the whole point of the pyramid.
#
# </details>
#
# ## What you have built
#
# The first half of a Mask R-CNN: padding, convolution, normalisation, the residual block and the pyramid. What is in
# `trace["p2"]` to `trace["p6"]` of every lab is made by these functions.

# %% id="whole"
trace = lab.look(number)[1]
print(
    "the same as the detector's own maps:", all(np.array_equal(trace[name], level) for name, level in pyramid.items())
)
cells = [level.shape[0] * level.shape[1] for level in pyramid.values()]
print("cells of P2 to P6:", cells, "in all", sum(cells))

# %% [markdown] id="end"
# **To think about.** Lab 05 puts three anchors on every cell. How many is that here? And with films of 256 pixels a
# side? (16,368. If you get 16,320, a level is missing: that happened to the project on the slides.)
