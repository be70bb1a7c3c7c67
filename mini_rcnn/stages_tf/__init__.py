"""The stages of Mask R-CNN in TensorFlow: the same file names, function names, arguments and results as in NumPy.

What a function does stands in its NumPy twin's docstring, ``mini_rcnn.stages``; here stands only what is different:

- **Tensors.** Arguments may be tensors, variables or arrays. As in NumPy, integers count as float64 and a float dtype
  stays what it is; give float32 where speed matters. Index results are int64.
- **Checks.** What is known while a graph is traced (ranks, lengths, options, thresholds) is checked always, with the
  texts of NumPy. Values (NaN, inverted boxes) are checked outside of ``tf.function`` only: a graph does not stop to
  look at them, and no value is fetched from a GPU.
- **Batches.** `proposals.propose`, `detections.refine_detections` and the functions of `roi_align` take a batch axis.
- **Rounding.** ``exp`` differs from NumPy's in the last digit. TensorFlow's suppression is other code on a GPU than on
  a CPU: two boxes whose IoU *is* the threshold, to the last digit, may be told apart differently there.

One source for TensorFlow 1.15 and 2.x: see `enable_eager`.
"""

from __future__ import annotations

import tensorflow.compat.v1 as tf1
import tensorflow.compat.v2 as tf


def enable_eager():
    """Give TensorFlow 1.15 the behaviour of 2.x: eager, ``tf.function``, broadcasting ``tf.where``; 2.x has it already.

    Called once, below, when this package is imported: before any other operation, as TensorFlow demands. Calling it
    again does nothing. Matterport's graphs still work, inside ``with tf.Graph().as_default()``.
    """
    if tf.__version__.startswith("1."):
        tf1.enable_v2_behavior()


enable_eager()
