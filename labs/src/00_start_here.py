# %% [markdown] id="title"
# # Start here
#
# **Time:** 15 minutes. **Paper:** He et al., *Mask R-CNN*, 2017.
# **Afterwards you have:** a lab that works, and a map of it.
#
# A Mask R-CNN looks at a chest X-ray and draws boxes around what may be pneumonia. In this lab you take such a detector
# apart, write each of its stages yourself, and prove each one against the implementation that everybody used. Then you
# train the whole and move its thresholds, to see what they really do.

# %% [markdown] id="picture"
# ## 1. The picture
#
# Data flows one way, from the image to the detections. Every box below names its file in `mini_rcnn/stages/`.
#
# ![The pipeline of a Mask R-CNN, from the image to boxes and masks](../docs/pipeline.svg)

# %% [markdown] id="check-text"
# ## 2. Does everything work?
#
# Click the next cell and press **Shift + Enter**.

# %% id="check"
from mini_rcnn.launch.kernel_check import check_kernel

STAGES = ["image", "boxes", "anchors", "nms", "proposals", "roi_align", "masks", "detections"]
check_kernel(STAGES)

# %% [markdown] id="check-after"
# Two lines with `[ok]`: all is well. An error instead says what to do; `python3 lab.py doctor` in a terminal says more,
# also about the graphics card. No card is needed for the labs.

# %% [markdown] id="taste-text"
# ## 3. A first taste
#
# Two boxes, written as corners `(y1, x1, y2, x2)`. Each is 2 by 2 and they share a strip of 2 by 1. What is their
# *intersection over union*? Work it out on paper, then run the cell.

# %% id="taste"
import numpy as np

from mini_rcnn.stages.boxes import box_iou

first = np.array([[0.0, 0.0, 2.0, 2.0]])
second = np.array([[0.0, 1.0, 2.0, 3.0]])
print(f"{box_iou(first, second)[0, 0]:.4f}")

# %% [markdown] id="taste-after"
# 2 in common, 4 + 4 - 2 = 6 in all: a third. Change a number above and run the cell again.

# %% [markdown] id="how"
# ## 4. How checks work
#
# Each lab leaves a few functions for you to write. Their docstring says what comes in and what goes out; below stands a
# check. It tries your function on many cases, awkward ones among them, where there are any on Matterport's own recorded
# answers, and says one of three things: `[todo]`, nothing is written yet; `[no]`, with the smallest case that failed
# and a hint; `[ok]`. Nothing breaks while an answer is missing or wrong: every notebook runs to its end.
#
# Here is a wrong answer on purpose. Read what the check says of it.

# %% id="wrong"
from mini_rcnn.classroom import check


def areas_by_counting(boxes):
    """Count rows and columns of pixels."""
    return (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)


check("boxes.box_areas", areas_by_counting)

# %% [markdown] id="write"
# Now yours: replace the line `raise NotImplementedError`, run the cell, run the check. What stands under *Raises* in a
# docstring is the library's own care about wrong input; you need not write it.

# %% id="areas-given"
from mini_rcnn.stages._check import boxes_array  # it only checks its argument

# %% id="areas" exercise="mini_rcnn.stages.boxes:box_areas"

# %% id="areas-check"
check("boxes.box_areas", box_areas)

# %% id="areas-library"
from mini_rcnn.stages.boxes import box_areas  # from here on the lab uses the library's

print("areas:", box_areas(np.concatenate([first, second])).tolist())

# %% [markdown] id="rules"
# ## 5. How the labs go
#
# - After each exercise a lab goes on with the library's own function. So no exercise waits for an earlier one, and you
#   may leave one out.
# - Where it says **Predict**, think first, then open the answer.
# - Solutions are in `labs/solutions`. Try first.
# - The films are phantoms, drawn by a program: no account is needed and no patient is in them. If RSNA's own films lie
#   in `data/rsna` (`python3 lab.py data rsna --to data/rsna`), the labs take those; the first cell says which.
# - Seven labs have a panel with sliders. **Ctrl + B** hides the list of files and gives it room. A panel needs its
#   kernel: in a notebook that was opened and not run, it is a picture.
#
# | | lab | about |
# |---|---|---|
# | 01 | The data | DICOM, tables, a count that counts rows, splits that leak |
# | 02 | Boxes and anchors | overlap, deltas, anchors, the missing scale |
# | 03 | Two-stage NMS | both filters and the direction of each |
# | 04 | Backbone and feature pyramid | convolution by hand, feature maps |
# | 05 | RPN and proposals | from thousands of anchors to a hundred proposals |
# | 06 | RoIAlign | boxes of any size become 7 x 7 |
# | 07 | Heads and masks | classes, boxes, masks |
# | 08 | Targets and losses | who is positive, what an empty film teaches |
# | 09 | Augmentation | films that are moved, and their boxes with them |
# | 10 | Training | a small one now, the full one with its commands |
# | 11 | Evaluation and thresholds | all metrics on one set of detections |
# | 12 | Why it fires on healthy lungs | the experiment, the sure false alarms |
# | 13 | Your own detector | improve the score under a budget |
#
# In a terminal: `python3 lab.py` opens this lab, `python3 lab.py doctor` explains this machine (Python, TensorFlow,
# CUDA, graphics card), `python3 lab.py test` runs all tests. Words that are new stand in `labs/GLOSSARY.md`, English
# and Korean.

# %% [markdown] id="honest"
# ## 6. What this is not
#
# A lab for learning. Nothing in it has been examined for use on patients, and it must not be used for that.
