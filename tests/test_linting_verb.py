"""The verb lint: the slides' script, our own configurations, what is printed, and its exit codes."""

from __future__ import annotations

import dataclasses
import json
import time

import numpy as np
import pytest
from networks import random_weights, small_config
from rsna_folders import FULL_TABLES, needs_full_tables, write_folder

from mini_rcnn.config import Config, changed, to_dict
from mini_rcnn.data.rsna import FULL
from mini_rcnn.lint import main
from mini_rcnn.linting.our_settings import all_names, kind_of, our_rows
from mini_rcnn.linting.ours import lint_config
from mini_rcnn.training.presets import AS_SHOWN, PRESETS, SLIPS
from mini_rcnn.training.settings import Stage, TrainingConfig, training_to_dict
from mini_rcnn.weights import save_weights

# The slides' script as they show it, typed in; they show no number of steps.
SLIDES = """
from imgaug import augmenters as iaa
from mrcnn.config import Config
import mrcnn.model as modellib

LEARNING_RATE = 0.006

class DetectorConfig(Config):
    NAME = 'pneumonia'
    GPU_COUNT = 1
    IMAGES_PER_GPU = 8
    BACKBONE = 'resnet101'
    NUM_CLASSES = 2
    IMAGE_MIN_DIM = 256
    IMAGE_MAX_DIM = 256
    RPN_ANCHOR_SCALES = (32, 64, 128, 256)
    TRAIN_ROIS_PER_IMAGES = 32
    MAX_GT_INSTANCES = 4
    DETECTION_MAX_INSTANCES = 3
    DETECTION_MIN_CONFIDENCE = 0.7
    DETECTION_NMS_THRESHOLD = 0.1
    STEPS_PER_EPOCH = 20684 // IMAGES_PER_GPU

config = DetectorConfig()
augmentation = iaa.Sequential([iaa.GaussianBlur(sigma=(0.0, 0.12))])
model = modellib.MaskRCNN(mode='training', config=config, model_dir='logs')
model.train(train, val, learning_rate=LEARNING_RATE * 2, epochs=2, layers='all', augmentation=augmentation)
model.train(train, val, learning_rate=LEARNING_RATE, epochs=13, layers='all', augmentation=augmentation)
model.train(train, val, learning_rate=LEARNING_RATE / 2, epochs=21, layers='all', augmentation=augmentation)

class InferenceConfig(DetectorConfig):
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0.92
    RPN_NMS_THRESHOLD = 0.3
"""


@pytest.fixture
def slides(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SLIDES, encoding="utf-8")
    return str(path)


def read_json(capsys, *arguments, code):
    """Return what a command prints for programs, its exit code held."""
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_slides_script_yields_every_slip(slides, capsys):
    report, _ = read_json(capsys, slides, "--images", "20684", "--boxed", "4688", code=1)
    found = [(one["level"], one["key"], one["line"], one["message"]) for one in report["findings"]]

    def said(level, key, *words):
        return [line for a, b, line, text in found if (a, b) == (level, key) and all(word in text for word in words)]

    assert said("error", "RPN_ANCHOR_SCALES", "16,368 scores for 16,320 anchors", "CPU", "GPU") == [16]
    assert said("error", "TRAIN_ROIS_PER_IMAGES", "TRAIN_ROIS_PER_IMAGE keeps 200") == [17]
    assert said("note", "DETECTION_MIN_CONFIDENCE", "needs no retraining") == [20]
    assert said("note", "DETECTION_NMS_THRESHOLD", "needs no retraining") == [21]
    assert said("warning", "learning_rate", "0.012 on all layers", "no warm-up", "No weights are loaded") == [27]
    assert said("warning", "load_weights", "begins at random") == [27]
    assert said("warning", "TRAIN_BN", "0 and 1")
    assert said("warning", "GaussianBlur", "0.12 changes no pixel") == [25]
    assert said("note", "IMAGES_PER_GPU", "exactly 8 images") == [11]
    assert said("note", "data_generator", "skips images without boxes", "15,996 teach nothing")
    assert said("warning", "STEPS_PER_EPOCH", "2,585 steps of 8 images", "every one 4.4 times") == [22]
    assert said("note", "split", "patient")
    assert report["counts"]["error"] == 2


def test_of_several_classes_one_is_chosen(slides, capsys):
    (report,) = read_json(capsys, slides, "--class", "InferenceConfig", code=1)
    keys = [one["key"] for one in report["findings"]]
    assert "RPN_NMS_THRESHOLD" in keys and "IMAGES_PER_GPU" not in keys
    assert {row["key"]: row["value"] for row in report["settings"]}["DETECTION_MIN_CONFIDENCE"] == "0.92"
    assert main([slides, "--class", "InferenceConfi"]) == 2
    assert "did you mean InferenceConfig?" in capsys.readouterr().err


def test_loose_suppression_as_the_slides_second_setting(tmp_path, capsys):
    path = tmp_path / "second.py"
    text = "class A(Config):\n NAME = 'x'\n NUM_CLASSES = 2\n DETECTION_MIN_CONFIDENCE = 0.9\n"
    path.write_text(text + " DETECTION_NMS_THRESHOLD = 0.7\n", encoding="utf-8")
    (report,) = read_json(capsys, str(path), code=0)
    (finding,) = [
        one for one in report["findings"] if one["key"] == "DETECTION_NMS_THRESHOLD" and one["level"] == "warning"
    ]
    assert "marked twice" in finding["message"] and finding["line"] == 5


def test_what_is_printed_is_aligned_and_counts_itself(slides, capsys):
    assert main([slides]) == 1
    out = capsys.readouterr().out
    assert out.startswith(
        f"{slides}: class DetectorConfig, line 8\n\nerror    RPN_ANCHOR_SCALES, line 16\n         4 scales"
    )
    assert "2 errors, " in out and f"{slides}: class InferenceConfig, line 31" in out
    paragraphs = out.split("What each setting")[0].split("\n\n")[1:]
    assert all(line.startswith(" " * 9) for text in paragraphs for line in text.strip().splitlines()[1:])


# Our own.


@pytest.mark.parametrize("name", PRESETS)
def test_our_presets_have_no_errors(name, capsys):
    (report,) = read_json(capsys, name, "--images", "20684", code=0)
    assert report["counts"]["error"] == 0
    assert {row["key"] for row in report["settings"]} == set(all_names())


def test_the_slides_as_shown_are_their_slips(capsys):
    (report,) = read_json(capsys, AS_SHOWN, code=1)
    assert report["counts"] == {"error": len(SLIPS), "warning": 0, "note": 0}


def test_each_of_our_settings_has_its_kind():
    kinds = {name: kind_of(name) for name in all_names()}
    assert {name for name, kind in kinds.items() if kind == "inference"} == {
        "proposals.max_proposals", "detections.min_confidence", "detections.iou_threshold", "detections.max_detections",
        "detections.mask_threshold",
    }  # fmt: skip
    assert {name.split(".")[0] for name, kind in kinds.items() if kind == "training"} == {
        "targets", "training", "proposals",
    }  # fmt: skip
    rows = {row["key"]: row for row in our_rows(Config())}
    assert rows["detections.min_confidence"]["needs"] == "nothing: changing this needs no retraining"


def test_structure_is_what_changes_the_shapes_of_weights():
    from mini_rcnn.weights import shapes_of

    others = {
        "classes": ("a", "b"),
        "anchors.ratios": (1,),
        "backbone.blocks": (1, 1, 1, 1),
        "heads.pooling": "roi_align",
    }
    others.update({"convention": "matterport", "targets.negatives": "skip", "targets.max_mask_rois": 4})
    others.update({"anchors.strides": (4, 8, 16, 32, 32), "anchors.scales": (1, 2, 3, 4, 5), "image.size": 512})
    others["image.spread"] = 64.0
    before = shapes_of(Config())
    for name in all_names():
        if name.startswith("training."):
            continue
        value = others.get(name)
        if value is None:
            section, _, setting = name.partition(".")
            value = getattr(getattr(Config(), section), setting)
            value = (
                tuple(one / 2 for one in value) if isinstance(value, tuple) else value * 0.5 if value < 1 else value * 2
            )
        differs = shapes_of(changed(Config(), **{name.replace(".", "__"): value})) != before
        assert differs == (kind_of(name) == "structure"), name


OURS = [
    ("detections.min_confidence", {"detections__min_confidence": 0.5}, {}),
    ("detections.iou_threshold", {"detections__iou_threshold": 0.7}, {}),
    ("detections.max_detections", {"detections__max_detections": 2000}, {}),
    ("targets.negatives", {"targets__negatives": "skip"}, {}),
    ("targets.max_rois", {"proposals__max_training_proposals": 100}, {}),
    ("anchors.scales", {"anchors__scales": (256, 128, 64, 32, 16)}, {}),
    ("anchors.scales", {"anchors__scales": (32, 64, 128, 256, 512)}, {}),
    ("training.start", {}, {"start": "random"}),
    ("training.clip_norm", {}, {"clip_norm": 0}),
    ("training.warm_up_steps", {}, {"warm_up_steps": 0}),
    ("training.warm_up_steps", {}, {"warm_up_steps": 900}),
    ("training.momentum", {}, {"optimiser": "adam", "momentum": 0.5}),
]


@pytest.mark.parametrize("key, config, training", OURS, ids=[f"{key} {i}" for i, (key, _, _) in enumerate(OURS)])
def test_warnings_about_ours(key, config, training):
    good = changed(Config(), anchors__scales=(16, 32, 64, 128, 256))
    stages = TrainingConfig((Stage(2, 0.01),), batch_size=8, steps=500, start="statistics", warm_up_steps=100)
    assert not [one for one in lint_config(good, stages) if one.level != "note"]
    found = lint_config(changed(good, **config), dataclasses.replace(stages, **training))
    assert [one.key for one in found if one.level != "note"] == [key]


def test_errors_about_ours():
    wrong = changed(Config(), anchors__strides=(2, 4, 8, 16, 32), targets__roi_positive_share=0.001)
    assert {one.key for one in lint_config(wrong) if one.level == "error"} == {
        "anchors.strides",
        "targets.roi_positive_share",
    }


def test_epochs_of_ours():
    training = TrainingConfig((Stage(3, 0.001),), batch_size=8, start="statistics")
    (note,) = [one for one in lint_config(Config(), training, 20684) if one.key == "training.steps"]
    assert note.message.endswith("20,684 images in batches of 8 are 2,585 steps; 3 epochs are 7,755.")
    skips = changed(Config(), targets__negatives="skip")
    (note,) = [one for one in lint_config(skips, training, 20684, n_boxed=4688) if one.key == "training.steps"]
    assert note.message.endswith("4,688 images in batches of 8 are 586 steps; 3 epochs are 1,758.")


def test_json_runs_and_weights_are_read(tmp_path, capsys):
    preset, config = PRESETS["demo"], small_config()
    run = {"config": to_dict(preset.config), "training": training_to_dict(preset.training), "preset": "demo"}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "plain.json").write_text(json.dumps({"image": {"size": 512}}))
    save_weights(tmp_path / "w.npz", random_weights(config, np.random.default_rng(1)), config)
    rows = {}
    for name in (".", "run.json", "plain.json", "w.npz"):
        (report,) = read_json(capsys, str(tmp_path / name), code=0)
        rows[name] = {row["key"]: row["value"] for row in report["settings"]}
    assert rows["."] == rows["run.json"] and rows["."]["image.size"] == str(preset.config.image.size)
    assert rows["plain.json"]["image.size"] == "512" and "training.seed" not in rows["plain.json"]
    assert rows["w.npz"]["backbone.width"] == str(config.backbone.width)


@pytest.mark.parametrize(
    "values, words",
    [
        ({"images": {"size": 512}}, "there is no setting images (did you mean image?)"),
        ({"anchors": {"scales": [32, 64, 128, 256]}}, "scales must be one for each of the 5 levels"),
        ({"training": {"stages": [{"epochs": 1, "rates": 1}]}}, "did you mean rate?"),
        ({"image": {"size": "big"}}, "size must be a whole number"),
        ({"config": 3}, "must be settings by name"),
    ],
)
def test_a_configuration_that_cannot_be_made_is_an_error(values, words, tmp_path, capsys):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(values))
    (report,) = read_json(capsys, str(path), code=1)
    assert words in report["findings"][0]["message"]


def test_data_is_held_against_anchors(tmp_path, slides, capsys):
    folder = str(write_folder(tmp_path / "data"))
    (report,) = read_json(capsys, "demo", "--data", folder, code=0)
    assert any(one["key"] == "anchors.scales" and "Of 2 boxes" in one["message"] for one in report["findings"])
    report, _ = read_json(capsys, slides, "--data", folder, code=1)
    assert any("of 3 images" in one["message"] and "the 1 with boxes" in one["message"] for one in report["findings"])


@needs_full_tables
def test_the_whole_challenge_s_boxes_take_seconds(capsys):
    begun = time.process_time()
    (report,) = read_json(capsys, "gpu", "--data", str(FULL_TABLES), code=0)
    assert time.process_time() - begun < 30
    (steps,) = [one for one in report["findings"] if one["key"] == "training.steps"]
    assert f"{FULL.images:,} images" in steps["message"]


# What is refused.


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("c.json", b"{", "is no JSON"),
        ("c.json", b"[" * 200_000, "is no JSON"),
        ("c.json", b" " * 2_000_000, "is larger than"),
        ("c.json", b"\xff\xfe", "is not UTF-8"),
        ("c.json", b"[1]", "must hold settings by name"),
        ("c.py", b"", "holds no class"),
        ("c.py", b"\xe9", "is not UTF-8"),
        ("c.npz", b"PK", "c.npz"),
        ("c.txt", b"", "is neither .py, .json, .npz nor a run's folder"),
    ],
    ids=range(9),
)
def test_bad_files_end_with_2_and_one_line(name, content, words, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(content)
    assert main([str(path)]) == 2
    err = capsys.readouterr().err
    assert words in err and err.startswith("python3 lab.py lint: ") and "Traceback" not in err and err.count("\n") == 1


def test_what_does_not_exist_names_the_nearest_preset(tmp_path, capsys):
    assert main(["slide"]) == 2
    assert "did you mean slides?" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 2
    assert "is a folder without run.json" in capsys.readouterr().err
    assert main(["demo", "--class", "A"]) == 2
    assert main(["demo", "--boxed", "3"]) == 2
    assert main(["demo", "--data", str(tmp_path)]) == 2


@pytest.mark.parametrize(
    "arguments", [[], ["demo", "--images", "0"], ["demo", "--images", "5", "--boxed", "6"], ["a", "b"]]
)
def test_bad_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and "usage:" in capsys.readouterr().err


def test_help_holds_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python3 lab.py lint demo" in capsys.readouterr().out
