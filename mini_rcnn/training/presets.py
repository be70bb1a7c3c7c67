"""Ways to train that are worth a name: where their numbers come from, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mini_rcnn.config import Config, changed, nearest

from .settings import Stage, TrainingConfig

# What is wrong with the project's training as its slides show it, and what `slides` does about it.
SLIPS = (
    (
        "RPN_ANCHOR_SCALES = (32, 64, 128, 256) is one short of the five levels: the network gives 16,368 scores for "
        "16,320 anchors, and stops with an index error on a CPU",
        "anchors.scales = (16, 32, 64, 128, 256): at 256 pixels the smallest opacities of RSNA's are 10 pixels wide, "
        "and no film can hold one of 512",
    ),
    (
        "TRAIN_ROIS_PER_IMAGES is no setting of Matterport's (TRAIN_ROIS_PER_IMAGE): 200 were used and not 32",
        "targets.max_rois = 32, as they meant",
    ),
    (
        "no weights are loaded before training, and it begins at a rate of 0.012 on all layers, with normalisations "
        "whose recorded statistics are 0 and 1",
        "training.start = statistics, a warm-up of 1,000 steps; better still, --start mask_rcnn_coco.h5",
    ),
    (
        "films without boxes are skipped: of 20,684 training films 15,996 taught nothing",
        "targets.negatives = full: they teach the heads what is no opacity",
    ),
    (
        "GaussianBlur with a sigma of at most 0.12 changes no pixel",
        "it stays: it costs next to nothing, and does nothing",
    ),
    (
        "test films are chosen film by film: 70 % of them show a patient who is in training, too",
        "the split is by patient",
    ),
)


@dataclass(frozen=True)
class Preset:
    """A named way to train."""

    name: str
    config: Config
    training: TrainingConfig
    source: str  # where the numbers come from
    cost: str  # time and memory, and on what
    phantoms: int | None = None  # how many films ``--data phantoms`` draws, ill and healthy as they come
    more_ill: int = 0  # films with opacities that it draws on top, to learn from


SLIDES = Preset(
    "slides",
    changed(
        Config(),  # ResNet-101 at 256 pixels, momentum and decay as Matterport's
        anchors__scales=(16, 32, 64, 128, 256),
        targets__max_rois=32,
        detections__min_confidence=0.7,
        detections__iou_threshold=0.1,
    ),
    TrainingConfig(
        (Stage(2, 0.012), Stage(11, 0.006), Stage(8, 0.003)),
        batch_size=2,
        warm_up_steps=1000,
        start="statistics",
    ),
    source="The project's slides, their slips mended: " + "; ".join(f"{what} -> {mend}" for what, mend in SLIPS) + ". "
    "They show no number of steps: an epoch shows every film once.",
    cost="An estimate, untried: 10,700 steps an epoch on all of RSNA, 21 epochs; about 15 hours on a GPU with 8 GB at "
    "4 steps a second. Not for a CPU: 2 to 8 seconds a step on two cores.",
    phantoms=1600,
)
GPU = Preset(
    "gpu",
    changed(
        Config(),
        image__size=512,  # an opacity's median side is then 127 pixels
        backbone__blocks=(3, 4, 6, 3),  # ResNet-50: half the work of ResNet-101
        proposals__max_training_proposals=1000,
        targets__roi_positive_share=0.25,  # Mask R-CNN, section 3.1
        detections__iou_threshold=0.1,  # opacities do not overlap
    ),
    TrainingConfig(
        (Stage(12, 0.02, final_rate=0.0002),),  # 0.02 for 16 images: Detectron's schedule, scaled by the batch
        batch_size=16,
        warm_up_steps=500,  # Detectron's
        positive_share=0.5,  # 22.5 % as they come
        start="statistics",
        best_by="rsna",
        average=0.999,
        mixed_precision=True,
    ),
    source="Detectron's 1x schedule for ResNet-50-FPN (rate 0.02 for 16 images, warm-up of 500 steps), a cosine in "
    "place of its steps (Loshchilov and Hutter 2017), half of the films with boxes, moving average of the weights, "
    "bfloat16. With COCO's weights: --set backbone__blocks=[3,4,23,3] (they are a ResNet-101's) "
    "--start mask_rcnn_coco.h5 --exclude mrcnn_class_logits,mrcnn_bbox_fc,mrcnn_mask.",
    cost="An estimate, untried on a GPU: 1,330 steps an epoch on all of RSNA, 12 epochs; 2 to 4 hours on one of 16 GB "
    "or more. Modern environment alone (--set training__mixed_precision=false for classic).",
    phantoms=1600,
)
DEMO = Preset(
    "demo",
    changed(
        Config(),
        image__size=128,
        image__spread=64,  # films are exposed in many ways, and few films are to show it
        backbone__blocks=(1, 1, 1, 1),
        backbone__width=16,
        backbone__pyramid_channels=40,
        anchors__scales=(16, 28, 44, 64, 96),  # an opacity's median side is 32 pixels here
        proposals__rpn_channels=40,
        proposals__pre_nms_limit=600,
        proposals__max_proposals=100,
        proposals__max_training_proposals=32,  # the heads learn from those that look most like an opacity
        heads__box_units=128,
        heads__mask_channels=32,
        detections__iou_threshold=0.3,
        detections__max_detections=10,
        targets__max_anchors=64,
        targets__anchor_positive_iou=0.6,
        targets__max_rois=32,
        targets__max_mask_rois=4,  # masks of all objects, up to 15 of an image, took a fifth of a step
    ),
    TrainingConfig(
        (Stage(3, 0.003, final_rate=0.00006),),
        batch_size=8,
        steps=410,
        optimiser="adam",
        warm_up_steps=50,
        augmentation="slides",
        masks="true",
        positive_share=0.5,
        start="statistics",
        norms="batch",
        best_by="last",  # 40 films with boxes tell thresholds apart, but not epochs, and the rate is made for the last
        choose_threshold=True,
        average=0.997,
    ),
    source="Found by trying, for phantoms and two CPU cores. Most is owed to normalisations: with a mean of 0 and a "
    "variance of 1 a network from nothing finds next to nothing in this time, and by the batch more than with recorded "
    "ones.",
    cost="On two CPU cores one and a half to two and a half minutes to draw and prepare the films, then about two to "
    "train, or two and a half to three and a half in classic; 2 GB.",
    phantoms=950,
    more_ill=400,  # else a film with an opacity is shown 28 times, and learnt by heart
)
FAST = Preset(
    "fast",
    changed(
        SLIDES.config,
        backbone__blocks=(3, 4, 6, 3),  # ResNet-50
        backbone__width=32,  # half of ResNet's
        backbone__pyramid_channels=128,
        proposals__rpn_channels=128,
        proposals__pre_nms_limit=1000,
        proposals__max_proposals=300,
        proposals__max_training_proposals=600,
        heads__box_units=256,
        heads__mask_channels=128,
        detections__iou_threshold=0.3,
        targets__anchor_positive_iou=0.6,
        targets__max_rois=64,
    ),
    replace(
        DEMO.training,
        stages=(Stage(12, 0.001, final_rate=0.00002),),
        steps=None,
        augmentation="wide",
        masks="boxes",
        norms="recorded",  # as it was tried
        best_by="loss",
        average=0.999,
    ),
    source="The slides' network with fewer channels, blocks and proposals, by timing: 9.3 million numbers in place of "
    "63.7 million. Trained as `demo` is, its films changed more.",
    cost="Detection on two CPU cores in an eighth of the time that our ResNet-101 takes. Its training at 256 pixels is "
    "untried: hours on two CPU cores, an estimate. At 128 pixels, in as many steps, their scores cannot be told apart "
    "(README).",
    phantoms=1600,
)
PRESETS = {preset.name: preset for preset in (DEMO, FAST, SLIDES, GPU)}
AS_SHOWN = "slides-as-shown"


def find_preset(name):
    """Return a preset by its name.

    Raises
    ------
    ValueError
        If there is none of that name (the nearest is named), or it cannot be run, with the reasons.

    Examples
    --------
    >>> find_preset("slides").config.anchors.scales
    (16, 32, 64, 128, 256)
    >>> find_preset("slide")
    Traceback (most recent call last):
    ...
    ValueError: there is no preset slide (did you mean slides?)...
    """
    if name == AS_SHOWN:
        reasons = "".join(f"\n  {number}. {what}." for number, (what, _) in enumerate(SLIPS, 1))
        raise ValueError(
            f"preset {AS_SHOWN} cannot be run as the slides show it:{reasons}\n"
            "The preset slides is the same with these mended."
        )
    if name not in PRESETS:
        known = ", ".join([*PRESETS, AS_SHOWN])
        raise ValueError(f"there is no preset {name}{nearest(name, [*PRESETS, AS_SHOWN])}; there are {known}")
    return PRESETS[name]


def list_text():
    """Return the presets as text: what each is and what it costs."""
    lines = []
    for preset in PRESETS.values():
        size, blocks = preset.config.image.size, "-".join(map(str, preset.config.backbone.blocks))
        training = preset.training
        lines.append(
            f"{preset.name}: {size} pixels, blocks {blocks}, {training.n_epochs} epochs, batches of "
            f"{training.batch_size}\n  from: {preset.source}\n  cost: {preset.cost}"
        )
    lines.append(f"{AS_SHOWN}: refused; ask for it to read why.")
    return "\n".join(lines)
