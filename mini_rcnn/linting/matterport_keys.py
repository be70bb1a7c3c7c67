"""Every key of Matterport's ``mrcnn.config.Config``, version 0.2: its default, what it acts on, what a change needs."""

from __future__ import annotations

from typing import NamedTuple

KINDS = {
    "structure": "training anew: weights of another shape do not fit",
    "training": "training again: it acts on nothing else",
    "inference": "nothing: changing this needs no retraining",
    "both": "training again: what was learnt goes with it",
}


class Key(NamedTuple):
    """A setting of Matterport's."""

    default: object
    kind: str  # one of KINDS
    needs: str = ""  # where it is not what KINDS says

    @property
    def change(self):
        """What a change needs."""
        return self.needs or KINDS[self.kind]


MEMORY = "nothing: it only shares the work out"
GEOMETRY = "training again: offsets are learnt against it"

KEYS = {
    "NAME": Key(None, "both", "nothing: it names the folder of logs and weights"),
    "GPU_COUNT": Key(1, "both", MEMORY + "; in training it changes the batch, and with it the rate that fits"),
    "IMAGES_PER_GPU": Key(2, "both", MEMORY + "; in training it changes the batch, and with it the rate that fits"),
    "STEPS_PER_EPOCH": Key(1000, "training"),
    "VALIDATION_STEPS": Key(50, "training", "nothing: it only measures"),
    "BACKBONE": Key("resnet101", "structure"),
    "COMPUTE_BACKBONE_SHAPE": Key(None, "both", "nothing, unless BACKBONE is a function"),
    "BACKBONE_STRIDES": Key([4, 8, 16, 32, 64], "both", "another network: ResNet's strides are these"),
    "FPN_CLASSIF_FC_LAYERS_SIZE": Key(1024, "structure"),
    "TOP_DOWN_PYRAMID_SIZE": Key(256, "structure"),
    "NUM_CLASSES": Key(1, "structure"),
    "RPN_ANCHOR_SCALES": Key((32, 64, 128, 256, 512), "both", GEOMETRY),
    "RPN_ANCHOR_RATIOS": Key([0.5, 1, 2], "structure", "training anew if their number changes, else again"),
    "RPN_ANCHOR_STRIDE": Key(1, "both", GEOMETRY),
    "RPN_NMS_THRESHOLD": Key(0.7, "both", "nothing to try it at inference; it acts in training too"),
    "RPN_TRAIN_ANCHORS_PER_IMAGE": Key(256, "training"),
    "POST_NMS_ROIS_TRAINING": Key(2000, "training"),
    "POST_NMS_ROIS_INFERENCE": Key(1000, "inference"),
    "USE_MINI_MASK": Key(True, "training"),
    "MINI_MASK_SHAPE": Key((56, 56), "training"),
    "IMAGE_RESIZE_MODE": Key("square", "both"),
    "IMAGE_MIN_DIM": Key(800, "both", "no other weights, but training again: sizes were learnt in pixels"),
    "IMAGE_MAX_DIM": Key(1024, "both", "no other weights, but training again: sizes were learnt in pixels"),
    "IMAGE_MIN_SCALE": Key(0, "both"),
    "MEAN_PIXEL": Key((123.7, 116.8, 103.9), "both", "training again: the same at inference as in training"),
    "TRAIN_ROIS_PER_IMAGE": Key(200, "training"),
    "ROI_POSITIVE_RATIO": Key(0.33, "training"),
    "POOL_SIZE": Key(7, "structure"),
    "MASK_POOL_SIZE": Key(14, "both", "no other weights, but training again, with MASK_SHAPE twice as large"),
    "MASK_SHAPE": Key([28, 28], "training", "training again, with MASK_POOL_SIZE half as large"),
    "MAX_GT_INSTANCES": Key(100, "training"),
    "RPN_BBOX_STD_DEV": Key((0.1, 0.1, 0.2, 0.2), "both", GEOMETRY),
    "BBOX_STD_DEV": Key((0.1, 0.1, 0.2, 0.2), "both", GEOMETRY),
    "DETECTION_MAX_INSTANCES": Key(100, "inference"),
    "DETECTION_MIN_CONFIDENCE": Key(0.7, "inference"),
    "DETECTION_NMS_THRESHOLD": Key(0.3, "inference"),
    "LEARNING_RATE": Key(0.001, "training", "training again, and train(learning_rate=...): mrcnn never reads it"),
    "LEARNING_MOMENTUM": Key(0.9, "training"),
    "WEIGHT_DECAY": Key(0.0001, "training"),
    "LOSS_WEIGHTS": Key(
        dict.fromkeys(
            ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"), 1.0
        ),
        "training",
    ),
    "USE_RPN_ROIS": Key(True, "training"),
    "TRAIN_BN": Key(False, "both"),
    "GRADIENT_CLIP_NORM": Key(5.0, "training"),
}  # fmt: skip

# What ``Config.__init__`` works out, whatever the class says: from which keys.
COMPUTED = {
    "BATCH_SIZE": "IMAGES_PER_GPU * GPU_COUNT",
    "IMAGE_SHAPE": "IMAGE_MAX_DIM (IMAGE_MIN_DIM where IMAGE_RESIZE_MODE is 'crop') and 3 channels",
    "IMAGE_META_SIZE": "NUM_CLASSES",
}
# Keys of other versions of Matterport's code, which 0.2 does not read.
OTHER_VERSIONS = {
    "PRE_NMS_LIMIT": "mrcnn 0.2 always keeps 6,000 anchors before suppression",
    "IMAGE_CHANNEL_COUNT": "mrcnn 0.2 always has 3 channels",
    "BACKBONE_SHAPES": "mrcnn 0.2 works them out from BACKBONE_STRIDES",
    "IMAGE_PADDING": "in mrcnn 0.2 it is IMAGE_RESIZE_MODE",
}
LEVEL_STRIDES = (4, 8, 16, 32, 64)  # of P2 to P6, whatever BACKBONE_STRIDES says
RESIZE_MODES = ("none", "square", "pad64", "crop")
BACKBONES = ("resnet50", "resnet101")
PRE_NMS_LIMIT = 6000  # mrcnn.model.ProposalLayer.call
ANCHOR_POSITIVE_IOU = 0.7  # mrcnn.model.build_rpn_targets
