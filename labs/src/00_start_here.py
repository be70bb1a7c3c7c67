# %% [markdown] id="title"
# # Start here
#
# **Time:** 5 minutes. **Paper:** He et al., *Mask R-CNN*, 2017.
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
# ## 4. How the labs go
#
# - Each lab holds one stage. It explains, lets you try, and leaves one function for you to write.
# - A check says `[todo]`, `[no]` with the case that failed, or `[ok]`. Nothing breaks while an answer is missing.
# - From then on the lab uses the library's own function, so no lab waits for an earlier one.
# - Solutions will be in `labs/solutions`. Try first.
#
# What exists so far are the stages themselves, in NumPy and in TensorFlow, and their proof against Matterport's code;
# the labs come one by one.
#
# | In a terminal | |
# |---|---|
# | `python3 lab.py` | opens this lab |
# | `python3 lab.py test` | runs all tests |
# | `python3 lab.py doctor` | explains this machine: Python, TensorFlow, CUDA, graphics card |

# %% [markdown] id="honest"
# ## 5. What this is not
#
# A lab for learning. Nothing in it has been examined for use on patients, and it must not be used for that.
