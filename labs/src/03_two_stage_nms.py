# %% [markdown] id="title"
# # 03 · Two-stage non-maximum suppression
#
# **Time:** 45 minutes. **Paper:** Felzenszwalb et al., *Object Detection with Discriminatively Trained Part-Based
# Models*, PAMI 2010, section 3.4; Girshick, *Fast R-CNN*, 2015, section 2.1.
# **You need:** the overlap of two boxes, `box_iou` (lab 02). **Afterwards you have:** both filters that stand between
# the network and the doctor, written by you, and you know in which direction each threshold pulls.

# %% id="start"
import numpy as np

from mini_rcnn.classroom import check, show, start_lab
from mini_rcnn.stages.boxes import box_iou
from mini_rcnn.view import lab_03

lab = start_lab("03")

# %% [markdown] id="too-many"
# ## 1. A network says everything twice
#
# The second half of Mask R-CNN looks at up to 100 *proposals* (1,000 in the project on the slides), gives each a score,
# and moves it onto what it thinks it sees. Proposals that began around the same opacity end on the same opacity: one
# finding, many boxes. Let us look at one film before any filter.

# %% id="before"
number = lab.with_boxes()[0]
seen = lab.input(number)
found, trace = lab.look(number)
scores = trace["probabilities"][:, 1].astype(np.float64)
print(
    f"{len(scores)} proposals, {np.sum(scores >= 0.5)} of them with a score of 0.5 or more; {len(seen.boxes)} opacities"
)

# %% [markdown] id="refined-text"
# `trace` holds what every stage of the network said. The boxes are the proposals, moved by the deltas of class 1
# (lab 02): `decode_deltas(proposals, deltas * delta_std)`, cut to the film.

# %% id="refined"
from mini_rcnn.stages.boxes import clip_boxes, decode_deltas

moves = trace["deltas"][:, 1] * np.array(lab.config.detections.delta_std)
boxes = clip_boxes(decode_deltas(trace["proposals"].boxes, moves), seen.geometry.window).astype(np.float64)
show(lab_03.kept_figure(seen.grey, boxes, np.flatnonzero(scores >= 0.5), seen.boxes, names=("all", "score 0.5")))
print(f"All {len(boxes)} boxes on the left; on the right the {np.sum(scores >= 0.5)} with a score of at least 0.5.")

# %% [markdown] id="greedy-text"
# ## 2. Who removes whom
#
# **Non-maximum suppression** (NMS; Korean 비최대 억제) keeps, of boxes that mark the same thing, the best. Line the
# boxes up by score, the best first. Each box that still stands removes every *worse* box that overlaps it by more than
# a threshold $t$:
#
# $$\text{box } j \text{ goes} \iff \exists\, i < j:\ i \text{ stays and } \mathrm{IoU}(i, j) > t$$
#
# with $i, j$ places in the line. The words that matter are *and stays*. A box that was removed removes nobody.

# %% [markdown] id="greedy-question"
# **Predict.** A overlaps B by 0.6, B overlaps C by 0.7, A and C do not touch; A is best, C worst, $t = 0.5$. Which
# boxes stay?
#
# <details><summary>Answer</summary>
#
# A and C. A removes B. C overlaps only B, and B is gone, so nothing removes C. If B could still remove others, C would
# go, too, and with it perhaps a second opacity.
#
# </details>

# %% id="keep-greedily" exercise="mini_rcnn.stages.nms:keep_greedily"

# %% id="keep-greedily-check"
check("nms.keep_greedily", keep_greedily)

# %% id="keep-greedily-library"
from mini_rcnn.stages.nms import keep_greedily  # from here on the lab uses the library's

best = np.argsort(-scores, kind="stable")[:12]
overlaps = box_iou(boxes[best], boxes[best])
show(lab_03.overlaps_figure(overlaps, 0.3))
print("stay:", np.flatnonzero(keep_greedily(overlaps, 0.3)).tolist(), "of 12")

# %% [markdown] id="nms-text"
# ## 3. From overlaps to boxes
#
# Now the whole: sort by score, look at overlaps, keep greedily, and return *indices*, best first. Indices and not
# boxes, since scores, classes and masks have to be picked with them.
#
# Two things decide whether your boxes are the same as everybody's:
#
# - **Ties.** Of equal scores the lower index goes first. `np.argsort` sorts upwards and, unless you ask for
#   `kind="stable"`, equal values in any order.
# - **The threshold itself.** A box goes if its overlap is *greater*. TensorFlow 1.15, on which Matterport ran, removes
#   it at equality, too; TensorFlow 2 does not. Where you meet a difference of one box between two versions of the same
#   detector, look here first.

# %% id="nms-given"
from mini_rcnn.stages._check import boxes_array, rows_array, unit_number, whole_number  # they only check arguments
from mini_rcnn.stages.nms import BLOCK

# %% id="nms" exercise="mini_rcnn.stages.nms:non_max_suppression"

# %% id="nms-check"
check("nms.non_max_suppression", non_max_suppression)

# %% [markdown] id="blocks"
# The library's version works on 256 boxes at a time. That is no other algorithm: comparing all pairs of 6,000 boxes at
# once needs 36 million overlaps, most of which nobody asks for. Yours may go box by box.

# %% id="nms-library"
from mini_rcnn.stages.nms import non_max_suppression

for threshold in (0.1, 0.3, 0.7, 1.0):
    kept = non_max_suppression(boxes, scores, iou_threshold=threshold)
    print(f"overlap threshold {threshold}: {len(kept):3d} of {len(boxes)} boxes stay")

# %% [markdown] id="direction"
# **The higher the overlap threshold, the more boxes stay.** It is no measure of quality: it says how much two boxes
# must share before they count as one.
#
# ## 4. The second filter, and the slides' contradiction
#
# Detection uses two filters, one after the other:
#
# 1. **Confidence** (`DETECTION_MIN_CONFIDENCE`): a box with a lower score goes.
# 2. **Overlap** (`DETECTION_NMS_THRESHOLD`): NMS among those left.
#
# The project on the slides fought false alarms with three settings, confidence / overlap: 0.7 / 0.1, then 0.9 / 0.7,
# then 0.92 / 0.1.

# %% [markdown] id="direction-question"
# **Predict.** From the first setting to the second, both numbers go up. Does each of the two changes leave fewer boxes,
# or more?
#
# <details><summary>Answer</summary>
#
# Confidence from 0.7 to 0.9 leaves fewer. Overlap from 0.1 to 0.7 leaves *more*: now two boxes may share up to 70 %
# of their union and both stay. The two changes work against each other. That is the contradiction in the slides:
# "raising the thresholds" is not one direction.
#
# </details>

# %% id="two-stage" exercise="mini_rcnn.stages.nms:two_stage_nms"

# %% id="two-stage-check"
check("nms.two_stage_nms", two_stage_nms)

# %% [markdown] id="settle"
# ## 5. Settled by counting
#
# Every film of this lab, each confidence with each overlap threshold: how many boxes are left?

# %% id="count"
from mini_rcnn.stages.nms import two_stage_nms


def boxes_left(number, confidence, iou):
    """Count the boxes of a film that two thresholds leave."""
    trace, window = lab.look(number)[1], lab.input(number).geometry.window
    moves = trace["deltas"][:, 1] * np.array(lab.config.detections.delta_std)
    boxes, scores = clip_boxes(decode_deltas(trace["proposals"].boxes, moves), window), trace["probabilities"][:, 1]
    return len(two_stage_nms(boxes, scores, min_confidence=confidence, iou_threshold=iou))


# %% id="count-all"
CONFIDENCES, IOUS = (0.5, 0.6, 0.7, 0.8, 0.9), (0.1, 0.3, 0.7)
counts = [[sum(boxes_left(n, c, iou) for n in range(len(lab))) for iou in IOUS] for c in CONFIDENCES]
show(lab_03.counts_figure(CONFIDENCES, IOUS, counts))
print("confidence", *[f"overlap {iou}" for iou in IOUS], sep="  ")
for confidence, row in zip(CONFIDENCES, counts):
    print(f"{confidence:10}", *[f"{count:11d}" for count in row], sep="")

# %% [markdown] id="settled"
# Read down a column: fewer. Read along a row: more, or as many where few are left. So 0.7 / 0.1 to 0.9 / 0.7 is a step
# forward and a step back; and a doctor who is shown two boxes on one opacity has been shown one false alarm. What these
# settings do to hits and false alarms together, lab 11 measures.
#
# Both filters act only when films are looked at. Moving them needs no new training. The RPN has a third NMS of its own
# (`RPN_NMS_THRESHOLD`, lab 05), and that one *does* act in training.

# %% [markdown] id="stepper-text"
# ## 6. One step at a time
#
# Six boxes that you can drag, with the mouse or, when one has the focus, with the arrow keys. **Try this; say first
# what you expect.**
#
# 1. Go to step 3. What does the removed B do to C?
# 2. Lower the overlap threshold from 0.50 to 0.38. Who goes, and because of whom?
# 3. Raise it to 0.53: more boxes or fewer? Then drag F onto D.
#
# <details><summary>Answers</summary>
#
# (1) Nothing: a removed box removes nobody, so C stays. (2) C goes, by A: their IoU is 0.39. B has no part in it.
# (3) More: F comes back, since it overlaps D by 0.52.
#
# </details>

# %% id="stepper"
from mini_rcnn.widgets import NmsStepper

panel = NmsStepper()  # or NmsStepper.of_lab(lab, number): the best dozen boxes of a film
panel

# %% [markdown] id="end"
# ## What you have built
#
# The two filters of every detector of this family, equal to Matterport's on recorded cases where its TensorFlow does
# what it promises. **To think about:** two opacities that touch, each with a good box. Which threshold decides whether
# both survive, and in which direction would you move it? What else does that let through?
