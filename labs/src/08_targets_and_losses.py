# %% [markdown] id="title"
# # 08 · Targets and losses
#
# **Time:** 60 minutes. **Paper:** Ren et al., *Faster R-CNN*, 2015, section 3.1; Girshick, *Fast R-CNN*, 2015, section
# 2.3; He et al., *Mask R-CNN*, 2017, section 3.
# **You need:** overlap and deltas of boxes (lab 02), anchors and proposals (lab 05).
# **Afterwards you have:** what a Mask R-CNN is asked on every film while it learns, written by you, and the reason why
# 15,996 healthy films taught the project on the slides nothing.

# %% id="start"
import numpy as np

from mini_rcnn.classroom import check, show, start_lab
from mini_rcnn.stages.boxes import box_iou
from mini_rcnn.view import lab_08

lab = start_lab("08")
asked = lab.config.targets

# %% [markdown] id="two-exams"
# ## 1. Two examinations a film
#
# A network learns by being asked. A film with its true boxes (*truth*) becomes two lists of questions:
#
# - The **RPN** (region proposal network, 영역 제안 네트워크) is asked of some **anchors** (앵커): is here an object? If
#   so, how do you move this anchor onto it?
# - The **heads** are asked of some proposals, now called **RoIs** (regions of interest, 관심 영역): which class, how to
#   move the box, and which pixels?
#
# The right answers are the **targets** (목표값), and the **loss** (손실) says how wrong the network's own answers are.
# Everything that a network will ever do is decided here: it gets good at what it is asked, and at nothing else.

# %% id="film"
number = lab.with_boxes()[0]
seen = lab.input(number)
found, trace = lab.look(number)
anchors = trace["anchors"].astype(np.float64)
overlaps = box_iou(anchors, seen.boxes)
print(f"{overlaps.shape[0]:,} anchors, {overlaps.shape[1]} true boxes")
print("the best overlap that any anchor has with each:", ", ".join(f"{best:.2f}" for best in overlaps.max(axis=0)))

# %% [markdown] id="labels-text"
# ## 2. Which anchor is an object?
#
# Faster R-CNN has two thresholds and one exception. With $o_a$ the largest overlap of anchor $a$ with any truth:
#
# | label | which anchors | what the RPN is asked |
# |---|---|---|
# | 1, object | $o_a \ge 0.7$; **and** the best anchor of each truth, whatever its overlap | "object", and the deltas |
# | -1, background | $o_a < 0.3$ and not the best of any truth | "no object" |
# | 0, neutral | all others | nothing: nobody could say what is right |

# %% [markdown] id="labels-question"
# **Predict.** Look at the best overlaps printed above. How many anchors of this film reach 0.7? What would the RPN
# learn of this film without the exception?
#
# <details><summary>Answer</summary>
#
# On the first phantom none: the best anchors reach 0.60 and 0.56. Without the exception the film would hold no object
# at all, and the RPN would be taught that both opacities are *not* worth a proposal: anchors below 0.3 are background,
# the rest is not asked. The exception is no detail. On these films it gives most objects there are.
#
# </details>

# %% id="labels-given"
from mini_rcnn.stages.targets import BACKGROUND, NEUTRAL, OBJECT  # -1, 0, 1

# %% id="label-anchors" exercise="mini_rcnn.stages.targets:label_anchors"

# %% id="label-anchors-check"
check("targets.label_anchors", label_anchors)

# %% id="label-anchors-library"
from mini_rcnn.stages.targets import label_anchors  # from here on the lab uses the library's

of_films = [box_iou(anchors, lab.input(n).boxes) for n in lab.with_boxes()]
for threshold in (0.7, 0.6, 0.5):
    labels = [label_anchors(each, positive_iou=threshold, negative_iou=0.3)[0] for each in of_films]
    n_objects = sum((each == OBJECT).sum() for each in labels)
    reach = sum((each.max(axis=1) >= threshold).sum() for each in of_films)
    print(f"from {threshold} on: {n_objects:2d} anchors are objects; {reach:2d} reach it by themselves")

# %% [markdown] id="labels-counted"
# The small detector of these labs takes 0.6 in place of 0.7: its anchors are few, and more objects a film teach faster.

# %% [markdown] id="pick-text"
# ## 3. A balanced choice
#
# Thousands of anchors are background, a handful are objects. Asked of all of them, the RPN would do best to answer
# "nothing" everywhere, and be right in 999 of 1,000. So only some are asked, 256 in the paper: **at most half of them
# objects, the rest background**, both drawn at random.
#
# Random numbers inside a function make it hard to test and impossible to repeat. Here the dice are thrown *before*:
# each anchor gets a random number, its *priority*, and of too many candidates the lowest numbers stay.

# %% id="lowest" exercise="mini_rcnn.stages.targets:lowest"

# %% id="lowest-check"
check("targets.lowest", lowest)

# %% id="lowest-library"
from mini_rcnn.stages.targets import lowest, rpn_targets

dice = np.random.default_rng(8).random(len(anchors))
thresholds = {"positive_iou": asked.anchor_positive_iou, "negative_iou": asked.anchor_negative_iou}
labels, truth_ids = label_anchors(overlaps, **thresholds)
rpn = rpn_targets(anchors, seen.boxes, dice, max_anchors=asked.max_anchors, **thresholds)
show(lab_08.anchors_figure(seen.grey, anchors, (labels, rpn.labels), seen.boxes, names=("all labels", "asked")))
for name, each in (("all labels", labels), ("asked", rpn.labels)):
    print(f"{name}: {(each == OBJECT).sum()} object, {(each == BACKGROUND).sum():,} background")

# %% [markdown] id="pick-note"
# The right picture is what the RPN hears of this film: 64 questions out of 4,092 (the small detector asks 64, not 256).
# There are far fewer objects than half, so background fills the rest.
#
# ## 4. Targets of a box: deltas in their own unit
#
# An object anchor is asked for the four deltas that move it onto its truth (lab 02). One thing is new: each is divided
# by its typical size, `delta_std` = (0.1, 0.1, 0.2, 0.2), so that all four come out around 1 and pull alike.

# %% id="deltas"
objects = np.flatnonzero(rpn.labels == OBJECT)
goals = seen.boxes[truth_ids[objects]]
show(lab_08.deltas_figure(seen.grey, anchors[objects], goals))
for row, (dy, dx, dh, dw) in zip(objects, rpn.deltas[objects]):
    print(f"anchor {row}: dy {dy:+.1f}, dx {dx:+.1f}, log dh {dh:+.1f}, log dw {dw:+.1f}, in units of delta_std")

# %% [markdown] id="rois-text"
# ## 5. The second examination: RoIs
#
# The heads are asked of proposals. Two rules, from Fast R-CNN: a proposal whose best overlap is **at least 0.5** is an
# object, any other is background; and **at most a third** are objects (the paper says a quarter, Matterport 0.33).
# `head_targets` does it, with the same `lowest`.
#
# The mask's target is the part of the truth's mask that lies *under the RoI*, on a grid of 28 x 28: the mask head only
# ever sees what its RoI cuts out.

# %% id="rois-given"
from mini_rcnn.data.small_masks import cut_masks, paint_boxes
from mini_rcnn.stages.targets import head_targets


def masks_of(seen):
    """Return the true masks of a film; where nobody drew any, the filled boxes."""
    return paint_boxes(seen.boxes, len(seen.grey)) if seen.masks is None else seen.masks


# %% id="rois"
def questions(number, negatives="full"):
    """Return what the heads are asked of a film."""
    seen, proposals = lab.input(number), lab.look(number)[1]["proposals"].boxes.astype(np.float64)
    dice, ids = np.random.default_rng(8).random(len(proposals)), np.ones(len(seen.boxes), int)
    truth = seen.boxes, ids, cut_masks(masks_of(seen), seen.boxes)
    return head_targets(proposals, *truth, dice, max_rois=asked.max_rois, positive_share=0.33, negatives=negatives)


heads = questions(number)
print(f"{len(heads.boxes)} RoIs: {(heads.class_ids == 1).sum()} objects, {(heads.class_ids == 0).sum()} background")

# %% id="mask-targets"
owner = box_iou(heads.boxes, seen.boxes).argmax(axis=1)[: len(heads.masks)]
shown = np.flatnonzero(owner == 0)[:4]
show(lab_08.masks_figure(seen.grey, masks_of(seen)[0], seen.boxes[0], heads.boxes[shown], heads.masks[shown]))
print("cells that are on, of 784:", ", ".join(f"{name} {heads.masks[n].sum():.0f}" for name, n in zip("ABCD", shown)))

# %% [markdown] id="mask-note"
# The same opacity, a different target for each RoI: the target says where the opacity lies *in this box*. (RSNA drew no
# masks. On its films the "mask" is the filled box, and so it was in the project on the slides.)
#
# ## 6. What a healthy film teaches
#
# Two thirds of RSNA's films show no opacity: 20,672 of 26,684. A detector that shall not fire on healthy lungs should
# be asked about them. Matterport's code, on which the project was built, has three places that decide it:
#
# 1. `data_generator` skips a film without boxes. It is never shown.
# 2. Were it shown, `build_rpn_targets` would stop: it looks for each anchor's best truth, and there is none.
# 3. Were that mended, `detection_targets_graph` works out the number of background RoIs *from the number of objects*.

# %% id="matterport-raises"
try:
    np.argmax(np.zeros((4092, 0)), axis=1)  # Matterport's line, with the overlaps of a film without boxes
except ValueError as error:
    print("ValueError:", error)

# %% [markdown] id="healthy-question"
# **Predict.** Matterport asks about $n_\text{background} = \lfloor n_\text{objects} / 0.33 \rfloor - n_\text{objects}$
# RoIs of background. How many on a film with 15 objects? How many on a healthy film?
#
# <details><summary>Answer</summary>
#
# $\lfloor 45.4 \rfloor - 15 = 30$, and $0 - 0 = 0$. On a healthy film nobody asks anything, whatever the network
# proposes there. Our `negatives="full"` fills up with background to the full number instead; `"by_positives"` is
# Matterport's.
#
# </details>

# %% id="healthy"
healthy = next(n for n in range(len(lab)) if not len(lab.records[n].boxes))
for name, n in (("opacities", number), ("healthy", healthy)):
    for kind in ("by_positives", "full"):
        ids = questions(n, kind).class_ids
        print(f"{name:10} {kind:13} {(ids == 1).sum():3d} objects, {(ids == 0).sum():3d} background")

# %% id="healthy-shown"
both = [questions(healthy, kind) for kind in ("by_positives", "full")]
films, names = [lab.input(healthy).grey] * 2, ("healthy film, by_positives", "healthy film, full")
show(lab_08.rois_figure(films, both, [np.zeros((0, 4))] * 2, names=names))
print("RoIs:", *[f"{name}: {len(each.boxes)}" for name, each in zip(names, both)], sep="  ")

# %% [markdown] id="healthy-note"
# The left picture is what 15,996 of the project's 20,684 training films taught: nothing. Its slides call them negative
# training data; the code never showed them to the network. What it costs was measured with this lab's small detector
# (400 unseen phantoms, three trainings each): without healthy films it marks half of the healthy ones at a score of
# 0.7, with them 15 %. Lab 12 does that experiment.

# %% [markdown] id="smooth-text"
# ## 7. The losses
#
# Five numbers, added up with equal weight: class and box of the RPN, class, box and mask of the heads.
#
# $$L = L_\text{cls}^\text{RPN} + L_\text{box}^\text{RPN} + L_\text{cls} + L_\text{box} + L_\text{mask}$$
#
# Boxes take the **smooth L1** loss of each delta's difference $d$ from its target:
#
# $$\ell(d) = \begin{cases} \tfrac12 d^2 & |d| < 1 \\ |d| - \tfrac12 & \text{otherwise}\end{cases}$$

# %% [markdown] id="smooth-question"
# **Predict.** One box of a hundred is off by 10 units, the others by 0.1. Which part of the sum is its doing with half
# a square, and with smooth L1?
#
# <details><summary>Answer</summary>
#
# Half a square: 50 against $99 \times 0.005 = 0.5$, so 99 %. Smooth L1: 9.5 against 0.5, still 95 %. What differs is
# the *pull*, the slope: 10 times as hard as a box that is off by 1 with the square, exactly as hard with smooth L1. One
# strange box cannot throw the weights about.
#
# </details>

# %% id="smooth-given"
from mini_rcnn.stages._check import number_array, shaped  # they only check arguments

# %% id="smooth-l1" exercise="mini_rcnn.stages.losses:smooth_l1"

# %% id="smooth-l1-check"
check("losses.smooth_l1", smooth_l1)

# %% [markdown] id="entropy-text"
# Classes take the **cross-entropy** (교차 엔트로피). With logits $z_k$, one for each class $k$, and the right
# class $c$:
#
# $$\ell = -\log p_c, \qquad p_c = \frac{e^{z_c}}{\sum_k e^{z_k}}, \qquad\text{so}\qquad
# \ell = \log \sum_k e^{z_k} - z_c$$
#
# The last form divides nothing. It still overflows for large logits, but $z_k - \max_j z_j$ in place of $z_k$ gives
# the same.

# %% id="cross-entropy" exercise="mini_rcnn.stages.losses:cross_entropy"

# %% id="cross-entropy-check"
check("losses.cross_entropy", cross_entropy)

# %% id="losses-library"
from mini_rcnn.stages.losses import cross_entropy, mean_or_zero, smooth_l1

show(lab_08.losses_figure())
print(f"off by 0.5: {smooth_l1(np.array([0.5]))[0]:.3f}; off by 3: {smooth_l1(np.array([3.0]))[0]:.3f}")
for name, logits in (("no opinion", [0.0, 0.0]), ("sure and right", [-3.0, 3.0]), ("sure and wrong", [3.0, -3.0])):
    print(f"{name}: {cross_entropy(np.array([logits]), np.array([1]))[0]:.3f}")

# %% [markdown] id="box-loss-text"
# The box head gives four deltas *for each class*, $(R, K, 4)$. Only an object has a box, and only the deltas of its own
# class are held against the target. Background rows have deltas, too, and nobody looks at them.

# %% id="head-box-loss" exercise="mini_rcnn.stages.losses:head_box_loss"

# %% id="head-box-loss-check"
check("losses.head_box_loss", head_box_loss)

# %% [markdown] id="mask-loss-text"
# The mask head gives a 28 x 28 mask for each class, and its loss looks at the mask of the right class alone: a binary
# cross-entropy (이진 교차 엔트로피) in each cell, then the mean. Each cell is a yes-or-no question of its own, so
# classes do not compete. With masks that compete the paper's network scored 5.5 points of mask AP less (table 2b).
#
# ## 8. All five, on two films
#
# What does the trained detector still lose, on a film with opacities and on a healthy one? We have all that is needed:
# its answers in `trace`, and our targets.

# %% id="five"
from mini_rcnn.model import NUMPY, pooling_of
from mini_rcnn.stages.heads import mask_head
from mini_rcnn.stages.losses import head_box_loss, head_class_loss, head_mask_loss, rpn_box_loss, rpn_class_loss


# %% id="five-rpn"
def rpn_losses(number):
    """Return both losses of the RPN on a film."""
    trace = lab.look(number)[1]
    made = rpn_targets(anchors, lab.input(number).boxes, dice, max_anchors=asked.max_anchors, **thresholds)
    wanted = made.labels, made.deltas
    return [rpn_class_loss(trace["rpn_logits"], made.labels), rpn_box_loss(trace["rpn_deltas"], *wanted)]


# %% id="five-heads"
def head_losses(number):
    """Return the three losses of the heads on a film."""
    trace, made = lab.look(number)[1], questions(number)
    rows = [np.flatnonzero((trace["proposals"].boxes == box).all(axis=1))[0] for box in made.boxes]
    ids, levels = made.class_ids, {name: trace[name] for name in ("p2", "p3", "p4", "p5", "p6")}
    pooled = pooling_of(lab.config, NUMPY)(levels, made.boxes[ids > 0], lab.config.heads.mask_pool_size)
    class_loss = head_class_loss(trace["logits"][rows], ids, np.ones(len(ids), bool))
    box_loss = head_box_loss(trace["deltas"][rows], ids, made.deltas)
    return [class_loss, box_loss, head_mask_loss(mask_head(pooled, lab.weights)[0], ids[ids > 0], made.masks)]


# %% id="five-shown"
table = [rpn_losses(n) + head_losses(n) for n in (number, healthy)]
show(lab_08.bars_figure(table, ("with opacities", "healthy")))
print("                RPN class  RPN box  head class  head box  head mask")
for name, row in zip(("with opacities", "healthy"), table):
    print(f"{name:15} {row[0]:9.3f} {row[1]:8.3f} {row[2]:11.3f} {row[3]:9.3f} {row[4]:10.3f}")

# %% [markdown] id="five-note"
# On the healthy film three of the five are exactly 0: there is no object to be boxed or painted. It can teach two
# things alone, "here is nothing" to the RPN and to the box head, and those are the two that keep a detector quiet.
#
# **Predict.** A network answers "background" everywhere. What is its head class loss on a film with 16 objects among 48
# RoIs, if it gives background a probability of 2/3 each time? Is that worse than "no opinion"?
#
# <details><summary>Answer</summary>
#
# $-(32 \log \tfrac23 + 16 \log \tfrac13) / 48 = 0.27 + 0.37 = 0.64$, less than $\log 2 = 0.69$. It has learnt how often
# an object comes, and nothing else. How often that is, is *our* doing: a third of the RoIs here, far more than in the
# films. A network that never sees a healthy film takes opacities for common.
#
# </details>

# %% [markdown] id="end"
# ## What you have built
#
# Everything that turns a film with boxes into something to learn from: labels, a balanced choice, deltas, RoIs, and the
# losses, equal to Matterport's where the dice are the same. **To think about:** `negatives="full"` asks 32 RoIs of a
# healthy film, `"by_positives"` asks none. What would you expect of a training that shows healthy films to the RPN
# alone? (Lab 12 has the answer, and it is not what we had expected.)
