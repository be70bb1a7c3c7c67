"""Matterport's configurations linted: what must be found, what must not, and the slides' own."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mini_rcnn.linting.counts import largest_change, n_scores, times_text
from mini_rcnn.linting.findings import Finding, LintError, finding_text, sorted_findings
from mini_rcnn.linting.matterport import lint_matterport
from mini_rcnn.linting.matterport_keys import COMPUTED, KEYS, KINDS
from mini_rcnn.linting.matterport_names import settings_rows
from mini_rcnn.linting.matterport_settings import settings_of
from mini_rcnn.linting.truths import Truths, best_overlaps

GOOD = {"NAME": "lungs", "NUM_CLASSES": 2, "IMAGES_PER_GPU": 1}  # nothing but notes is found in it


def found(level=None, **settings):
    """Return the findings of a configuration that is good but for some settings, as (key, message) pairs."""
    findings = lint_matterport({**GOOD, **settings})
    return [(one.key, one.message) for one in findings if level in (None, one.level)]


def keys(level, **settings):
    return {key for key, _ in found(level, **settings)}


# 1. By hand.


def test_what_is_good_has_no_errors_and_no_warnings():
    assert keys("error") == keys("warning") == set()
    assert keys("error", RPN_ANCHOR_SCALES=(16, 32, 64, 128, 256), IMAGE_MIN_DIM=256, IMAGE_MAX_DIM=256) == set()
    assert keys("warning", RPN_ANCHOR_SCALES=(16, 32, 64, 128, 256), IMAGE_MIN_DIM=256, IMAGE_MAX_DIM=256) == set()


def test_scores_and_anchors_by_hand():
    assert n_scores(256, strides=(4, 8, 16, 32, 64), n_ratios=3) == 3 * (64**2 + 32**2 + 16**2 + 8**2 + 4**2) == 16368
    assert n_scores(256, strides=(4, 8, 16, 32), n_ratios=3) == 16320
    assert n_scores(64, strides=(4,), n_ratios=1, anchor_stride=3) == 6 * 6


@pytest.mark.parametrize("size, scores, anchors", [(256, "16,368", "16,320"), (512, "65,472", "65,280")])
def test_a_scale_too_few_says_how_many_scores_have_no_anchor(size, scores, anchors):
    settings = {"IMAGE_MIN_DIM": size, "IMAGE_MAX_DIM": size, "RPN_ANCHOR_SCALES": (32, 64, 128, 256)}
    message = dict(found("error", **settings))["RPN_ANCHOR_SCALES"]
    assert f"At {size} pixels the network gives {scores} scores for {anchors} anchors" in message
    assert "4 scales for 5 levels" in message and "CPU" in message and "GPU" in message and "nobody notices" in message


def test_the_mended_scales_fit_the_image():
    settings = {**GOOD, "IMAGE_MAX_DIM": 256, "IMAGE_MIN_DIM": 256, "RPN_ANCHOR_SCALES": (32, 64, 128, 256)}
    (finding,) = [one for one in lint_matterport(settings) if one.key == "RPN_ANCHOR_SCALES"]
    assert "(16, 32, 64, 128, 256)" in finding.fix and "512 would not fit" in finding.fix
    (finding,) = [one for one in lint_matterport({**settings, "IMAGE_MAX_DIM": 512}) if one.level == "error"]
    assert "or (32, 64, 128, 256, 512)" in finding.fix


@pytest.mark.parametrize(
    "given, key",
    [
        ({"TRAIN_ROIS_PER_IMAGES": 32}, "TRAIN_ROIS_PER_IMAGE keeps 200"),
        ({"DETECTION_MIN_CONFIDENSE": 0.9}, "DETECTION_MIN_CONFIDENCE keeps 0.7"),
        ({"Backbone": "resnet50"}, "BACKBONE keeps 'resnet101'"),
        ({"RPN_ANCHORS_SCALES": (1,)}, "RPN_ANCHOR_SCALES keeps (32, 64, 128, 256, 512)"),
    ],
)
def test_an_unknown_key_names_the_nearest_and_what_holds_instead(given, key):
    ((name, message),) = found("error", **given)
    assert name in given and message.endswith(f"{key}.")


def test_what_is_no_slip_of_the_pen_is_no_error():
    assert found("error", MY_DATA="x", helper=3) == []
    assert "MY_DATA" in keys("note", MY_DATA="x", helper=3) and "helper" not in keys(None, helper=3)
    assert keys("warning", PRE_NMS_LIMIT=1000, IMAGE_CHANNEL_COUNT=1) == {"PRE_NMS_LIMIT", "IMAGE_CHANNEL_COUNT"}


@pytest.mark.parametrize("key", sorted(COMPUTED))
def test_what_init_works_out_is_set_in_vain(key):
    assert "does nothing" in dict(found("warning", **{key: 8}))[key]


ERRORS = [
    ("NAME", {"NAME": None}),
    ("NUM_CLASSES", {"NUM_CLASSES": 1}),
    ("BACKBONE", {"BACKBONE": "resnet18"}),
    ("BACKBONE_STRIDES", {"BACKBONE_STRIDES": (2, 4, 8, 16, 32)}),
    ("MASK_SHAPE", {"MASK_SHAPE": [56, 56]}),
    ("MASK_SHAPE", {"MASK_POOL_SIZE": 7}),
    ("MEAN_PIXEL", {"MEAN_PIXEL": (1, 2)}),
    ("IMAGE_MAX_DIM", {"IMAGE_MAX_DIM": 1000}),
    ("IMAGE_MIN_DIM", {"IMAGE_MIN_DIM": 300, "IMAGE_RESIZE_MODE": "crop"}),
    ("IMAGE_MIN_DIM", {"IMAGE_MIN_DIM": 300, "IMAGE_RESIZE_MODE": "pad64"}),
    ("IMAGE_RESIZE_MODE", {"IMAGE_RESIZE_MODE": "fit"}),
    ("RPN_ANCHOR_SCALES", {"RPN_ANCHOR_SCALES": (8, 16, 32, 64, 128, 256)}),
    ("RPN_ANCHOR_SCALES", {"RPN_ANCHOR_SCALES": 32}),
    ("USE_RPN_ROIS", {"USE_RPN_ROIS": False}),
    ("LOSS_WEIGHTS", {"LOSS_WEIGHTS": {"rpn_class_los": 2.0}}),
    ("ROI_POSITIVE_RATIO", {"ROI_POSITIVE_RATIO": 0}),
    ("TRAIN_ROIS_PER_IMAGE", {"TRAIN_ROIS_PER_IMAGE": 3}),
    ("GRADIENT_CLIP_NORM", {"GRADIENT_CLIP_NORM": None}),
    ("STEPS_PER_EPOCH", {"STEPS_PER_EPOCH": 20684 / 8}),
    ("IMAGES_PER_GPU", {"IMAGES_PER_GPU": 0}),
    ("DETECTION_MIN_CONFIDENCE", {"DETECTION_MIN_CONFIDENCE": 70}),
    ("DETECTION_NMS_THRESHOLD", {"DETECTION_NMS_THRESHOLD": -0.1}),
    ("RPN_NMS_THRESHOLD", {"RPN_NMS_THRESHOLD": 1.5}),
    ("DETECTION_MAX_INSTANCES", {"DETECTION_MAX_INSTANCES": 0}),
]
WARNINGS = [
    ("COMPUTE_BACKBONE_SHAPE", {"COMPUTE_BACKBONE_SHAPE": len}),
    ("IMAGE_MIN_DIM", {"IMAGE_MIN_DIM": 2048}),
    ("IMAGE_MAX_DIM", {"IMAGE_MAX_DIM": 640, "IMAGE_MIN_DIM": 512, "IMAGE_RESIZE_MODE": "crop"}),
    ("RPN_ANCHOR_SCALES", {"RPN_ANCHOR_SCALES": (512, 256, 128, 64, 32)}),
    ("RPN_ANCHOR_SCALES", {"IMAGE_MAX_DIM": 256, "IMAGE_MIN_DIM": 256}),
    ("MINI_MASK_SHAPE", {"MINI_MASK_SHAPE": (28, 28), "USE_MINI_MASK": False}),
    ("POST_NMS_ROIS_TRAINING", {"POST_NMS_ROIS_TRAINING": 7000}),
    ("TRAIN_ROIS_PER_IMAGE", {"POST_NMS_ROIS_TRAINING": 100}),
    ("GRADIENT_CLIP_NORM", {"GRADIENT_CLIP_NORM": 0}),
    ("TRAIN_BN", {"TRAIN_BN": True}),
    ("TRAIN_BN", {"TRAIN_BN": None}),
    ("learning_rate", {"LEARNING_RATE": 0.012}),
    ("DETECTION_MIN_CONFIDENCE", {"DETECTION_MIN_CONFIDENCE": 0.5}),
    ("DETECTION_NMS_THRESHOLD", {"DETECTION_NMS_THRESHOLD": 0.7}),
    ("DETECTION_MAX_INSTANCES", {"DETECTION_MAX_INSTANCES": 2000}),
]


@pytest.mark.parametrize("key, settings", ERRORS, ids=[f"{key} {i}" for i, (key, _) in enumerate(ERRORS)])
def test_errors(key, settings):
    assert keys("error", **settings) == {key}


@pytest.mark.parametrize("key, settings", WARNINGS, ids=[f"{key} {i}" for i, (key, _) in enumerate(WARNINGS)])
def test_warnings(key, settings):
    assert keys("error", **settings) == set()
    assert keys("warning", **settings) == {key}


def test_a_square_image_may_have_a_smaller_side_of_any_number():
    assert keys("error", IMAGE_MIN_DIM=800) == set()  # Matterport's own default


def test_a_minimal_confidence_acts_above_one_over_the_number_of_classes():
    assert keys("warning", DETECTION_MIN_CONFIDENCE=0.51) == set()
    assert keys("warning", DETECTION_MIN_CONFIDENCE=0.4) == {"DETECTION_MIN_CONFIDENCE"}
    assert keys("warning", DETECTION_MIN_CONFIDENCE=0.4, NUM_CLASSES=3) == set()


def test_how_many_images_detect_wants():
    notes = dict(found("note", GPU_COUNT=2, IMAGES_PER_GPU=3))
    assert notes["IMAGES_PER_GPU"].startswith("detect() wants exactly 6 images at a time")
    assert "IMAGES_PER_GPU" not in keys("note", GPU_COUNT=1, IMAGES_PER_GPU=1)


def test_which_settings_need_no_retraining():
    notes = dict(found("note", RPN_NMS_THRESHOLD=0.3, DETECTION_MIN_CONFIDENCE=0.9, TRAIN_ROIS_PER_IMAGE=32))
    assert notes["DETECTION_MIN_CONFIDENCE"] == "Acts at inference alone: changing this needs no retraining."
    assert "and in training" in notes["RPN_NMS_THRESHOLD"]
    assert "TRAIN_ROIS_PER_IMAGE" not in notes
    rows = {row["key"]: row for row in settings_rows(settings_of({"POOL_SIZE": 7, "TRAIN_ROIS_PER_IMAGE": 32}))}
    assert rows["POOL_SIZE"]["kind"] == "structure" and "training anew" in rows["POOL_SIZE"]["needs"]
    assert set(rows) == {"POOL_SIZE", "TRAIN_ROIS_PER_IMAGE"} and rows["TRAIN_ROIS_PER_IMAGE"]["kind"] == "training"


@pytest.mark.parametrize(
    "steps, n_images, n_boxed, level, words",
    [
        (100, 3200, None, "warning", "of 3,200 images 25 % of them."),
        (2586, 20684, None, "note", "20,688 in all: of 20,684 images about every one once."),
        (2586, 20684, 4688, "warning", "of the 4,688 with boxes it shows every one 4.4 times."),
        (586, 20684, 4688, "note", "images 23 % of them. Images without boxes are skipped: of the 4,688 with "
         "boxes it shows about every one once."),
    ],
)  # fmt: skip
def test_steps_times_batch_against_the_images(steps, n_images, n_boxed, level, words):
    settings = {**GOOD, "STEPS_PER_EPOCH": steps, "IMAGES_PER_GPU": 4, "GPU_COUNT": 2}
    (finding,) = [one for one in lint_matterport(settings, n_images, n_boxed=n_boxed) if one.key == "STEPS_PER_EPOCH"]
    assert finding.level == level and finding.message.endswith(words)
    if level == "warning":
        assert finding.fix.startswith(f"{math.ceil((n_boxed or n_images) / 8):,} steps")


def test_a_blur_changes_what_its_kernel_says():
    from scipy.ndimage import gaussian_filter

    spot = np.zeros((41, 41))
    spot[20, 20] = 255
    for sigma in (0.3, 0.5, 1.0):
        wanted = 255 - gaussian_filter(spot, sigma, truncate=20)[20, 20]
        assert largest_change(sigma) == pytest.approx(wanted, abs=1e-6)
    assert largest_change(0.12) < 1e-6 and largest_change(0) == 0


# 2. Properties.


def test_the_table_is_whole_and_its_defaults_hold_together():
    assert {key.kind for key in KEYS.values()} == set(KINDS)
    assert not set(COMPUTED) & set(KEYS) and all(key.change for key in KEYS.values())
    assert keys("error", **{name: key.default for name, key in KEYS.items() if name not in GOOD}) == set()


def test_class_instance_and_dict_say_the_same():
    class Config:  # stands for Matterport's
        NAME, NUM_CLASSES, IMAGES_PER_GPU = None, 1, 2

        def __init__(self):
            self.BATCH_SIZE = self.IMAGES_PER_GPU

    class Base(Config):
        NAME = "lungs"
        MEAN_PIXEL = np.array([1.0, 2.0, 3.0])

    class Mine(Base):
        NUM_CLASSES = 2
        TRAIN_ROIS_PER_IMAGES = 32

        def helper(self):
            return 1

        @property
        def SIZE(self):
            raise AssertionError("nothing is run")

    given = {"NAME": "lungs", "NUM_CLASSES": 2, "TRAIN_ROIS_PER_IMAGES": 32, "MEAN_PIXEL": [1.0, 2.0, 3.0]}
    wanted = lint_matterport(given)
    assert lint_matterport(Mine) == lint_matterport(Mine()) == wanted
    mine = Mine()
    mine.GRADIENT_CLIP_NORM = 0
    assert lint_matterport(mine) != wanted


def test_errors_come_first_then_lines():
    levels = [Finding("note", "a", "", 1), Finding("warning", "b", ""), Finding("warning", "c", "", 7)]
    assert [one.key for one in sorted_findings(levels + [Finding("error", "d", "", 9)])] == ["d", "c", "b", "a"]


def test_a_paragraph_is_aligned_and_narrow():
    text = finding_text(Finding("warning", "KEY", "word " * 60, 3, "mend " * 30))
    lines = text.splitlines()
    assert lines[0] == "warning  KEY, line 3"
    assert all(line.startswith(" " * 9) and len(line) <= 100 for line in lines[1:])
    assert sum("->" in line for line in lines) == 1


def test_best_overlaps_are_those_of_all_anchors():
    rng = np.random.default_rng(4)
    corners = rng.uniform(0, 90, (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 60, (40, 2))], axis=1)
    got = best_overlaps(boxes, 128, scales=(16, 32), ratios=(0.5, 2), strides=(8, 16))
    wanted = []
    for y1, x1, y2, x2 in boxes:
        best = 0
        for scale, stride in ((16, 8), (32, 16)):
            for ratio in (0.5, 2):
                h, w = scale / math.sqrt(ratio), scale * math.sqrt(ratio)
                for y in range(0, 128, stride):
                    for x in range(0, 128, stride):
                        high = min(y2, y + h / 2) - max(y1, y - h / 2)
                        wide = min(x2, x + w / 2) - max(x1, x - w / 2)
                        both = max(high, 0) * max(wide, 0)
                        best = max(best, both / ((y2 - y1) * (x2 - x1) + h * w - both))
        wanted.append(best)
    np.testing.assert_allclose(got, wanted, rtol=1e-9)
    assert len(best_overlaps(np.zeros((0, 4)), 128, scales=(16,), ratios=(1,), strides=(8,))) == 0


def test_the_data_s_boxes_are_held_against_anchors():
    box = np.array([[-16.0, -16, 16, 16]]) * 4  # the first anchor of a scale of 32 at 256 pixels, on a film of 1024
    odd = np.array([[0.0, 0, 1000, 20]])
    truths = Truths(n_images=5, n_boxed=2, most=120, boxes=np.concatenate([box, odd]))
    size = {"IMAGE_MIN_DIM": 256, "IMAGE_MAX_DIM": 256, "RPN_ANCHOR_SCALES": (32, 48, 60, 100, 200)}
    findings = lint_matterport({**GOOD, **size}, truths=truths)
    (fit,) = [one for one in findings if one.key == "RPN_ANCHOR_SCALES"]
    assert fit.message.startswith("Of 2 boxes of the data 1 (50%) overlap no anchor by 0.7 or more")
    (most,) = [one for one in findings if one.key == "MAX_GT_INSTANCES"]
    assert most.level == "warning" and "up to 120" in most.message
    nothing = Truths(0, 0, 0, np.zeros((0, 4)))
    assert not [one for one in lint_matterport(GOOD, truths=nothing) if one.key == "RPN_ANCHOR_SCALES"]


def test_times_in_words():
    assert times_text(0.96) == times_text(1.04) == "about every one once"
    assert times_text(0.012) == "1.2 % of them" and times_text(18.0) == "every one 18.0 times"


# 3. What is refused.


@pytest.mark.parametrize("what", [3, None, [("NAME", "x")], "DetectorConfig"])
def test_what_is_no_configuration_is_refused(what):
    with pytest.raises(LintError, match="a configuration must be a class, an instance or a dict"):
        lint_matterport(what)


def test_a_level_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="level must be one of error, warning, note"):
        Finding("fatal", "KEY", "text")
