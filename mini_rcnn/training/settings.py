"""How a network is trained: frozen dataclasses, and settings changed by name."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace

from mini_rcnn.config import changed, from_dict, nearest, require, require_positive, require_unit, require_whole

# Which layers learn, as regular expressions on their names. Matterport: ``mrcnn.model.MaskRCNN.train(layers=)``.
HEADS = r"(mrcnn_.*)|(rpn_.*)|(fpn_.*)"
LAYERS = {
    "heads": HEADS,
    "3+": r"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + HEADS,
    "4+": r"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + HEADS,
    "5+": r"(res5.*)|(bn5.*)|" + HEADS,
    "all": r".*",
}
WORDS = {"none": None, "true": True, "false": False}  # what they mean on the command line
AUGMENTATIONS = ("slides", "wide", "none")  # mini_rcnn.data.augment.SLIDES and WIDE


def require_one_of(section, name, known):
    """Refuse a setting that is not one of the known values; name the nearest."""
    value = getattr(section, name)
    close = nearest(value, known) if isinstance(value, str) else ""
    require(value in known, f"{name} must be one of {', '.join(known)}{close}", value)


def require_not_negative(section, *names):
    """Refuse settings that are no finite numbers of at least 0."""
    for name in names:
        value = getattr(section, name)
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
        require(good, f"{name} must be a number >= 0", value)


@dataclass(frozen=True)
class Stage:
    """Some epochs with one learning rate, or one that falls, for some layers or all."""

    epochs: int
    rate: float  # at the stage's beginning
    final_rate: float | None = None  # where given, the rate falls to it along half a cosine; else it stays
    layers: str = "all"  # which learn: one of LAYERS

    def __post_init__(self):
        require_whole(self, 1, "epochs")
        require_positive(self, "rate")
        require_one_of(self, "layers", LAYERS)
        if self.final_rate is not None:
            require_not_negative(self, "final_rate")
            rule = f"final_rate must not be above rate ({self.rate})"
            require(self.final_rate <= self.rate, rule, self.final_rate)


@dataclass(frozen=True)
class TrainingConfig:
    """What is done to a network, in stages; the network itself is a `mini_rcnn.config.Config`."""

    stages: tuple[Stage, ...]
    batch_size: int = 2  # images a step, all devices together
    steps: int | None = None  # an epoch; None: as many as show every image of the side once
    validation_steps: int | None = None  # None: every image of the side
    optimiser: str = "sgd"  # or "adam"
    momentum: float = 0.9  # of "sgd"
    clip_norm: float = 5.0  # of all gradients together, as Keras 2.2.5's clipnorm; 0: no limit
    weight_decay: float = 1e-4  # rate x mean square of each kernel and bias, as Matterport's
    warm_up_steps: int = 0  # steps over which the rate rises evenly from 0
    augmentation: str = "slides"  # or "wide", for few films, or "none"
    masks: str = "boxes"  # what masks are: the full rectangles of the boxes, or phantoms' "true" ones
    positive_share: float | None = None  # of the images shown, how many have boxes; None: as they come
    hard_share: float | None = None  # of the images shown without boxes, how many are Not Normal; None: as they come
    start: str = "random"  # or "statistics": random, then what normalisations meet on first images is recorded
    norms: str = "recorded"  # frozen; or "batch": by each batch's mean and variance, which are recorded on the way
    best_by: str = "loss"  # validation's lowest; or "rsna", the challenge's highest score; or "last", no choice
    choose_threshold: bool = False  # by the validation side, kept with the best weights; "rsna" always does
    average: float = 0.0  # decay of a moving average of the weights, which then is what is judged and kept; 0: off
    mixed_precision: bool = False  # features in bfloat16; TensorFlow 2 alone
    xla: bool = False  # TensorFlow 2 alone
    seed: int = 0

    def __post_init__(self):
        stages = self.stages
        good = isinstance(stages, tuple) and stages and all(isinstance(one, Stage) for one in stages)
        require(good, "stages must be one Stage or more", stages)
        require_whole(
            self, 1, "batch_size", *(n for n in ("steps", "validation_steps") if getattr(self, n) is not None)
        )
        require_whole(self, 0, "warm_up_steps", "seed")
        require(self.seed < 2**31, "seed must be below 2**31", self.seed)
        for name, known in (
            ("optimiser", ("sgd", "adam")),
            ("augmentation", AUGMENTATIONS),
            ("masks", ("boxes", "true")),
            ("start", ("random", "statistics")),
            ("norms", ("recorded", "batch")),
            ("best_by", ("loss", "rsna", "last")),
            ("mixed_precision", (False, True)),
            ("xla", (False, True)),
            ("choose_threshold", (False, True)),
        ):
            value = getattr(self, name)
            if isinstance(known[0], bool):
                require(isinstance(value, bool), f"{name} must be true or false", value)
            else:
                require_one_of(self, name, known)
        require_unit(self, "momentum", "average")
        require(self.momentum < 1, "momentum must be below 1", self.momentum)
        require(self.average < 1, "average must be below 1: at 1 nothing is ever learnt", self.average)
        require_not_negative(self, "clip_norm", "weight_decay")
        for name in ("positive_share", "hard_share"):
            share = getattr(self, name)
            good = share is None or isinstance(share, (int, float)) and 0 < share < 1
            require(good, f"{name} must lie between 0 and 1, or be none", share)
        require(self.hard_share is None or self.positive_share is not None, "hard_share needs a positive_share", None)

    @property
    def n_epochs(self):
        """Return how many epochs all stages have together."""
        return sum(stage.epochs for stage in self.stages)


def training_from_dict(values):
    """Return a `TrainingConfig` made of a dict such as JSON gives; unknown keys are refused, the nearest is named.

    Examples
    --------
    >>> training_from_dict({"stages": [{"epochs": 2, "rate": 0.1}], "batch_size": 4}).n_epochs
    2
    >>> training_from_dict({"stages": [{"epochs": 2, "rates": 0.1}]})
    Traceback (most recent call last):
    ...
    ValueError: there is no setting training.stages.rates (did you mean rate?)
    """
    require(isinstance(values, dict), "training must be settings by name", values)
    require("stages" in values, "training needs its stages", sorted(values))
    return from_dict(TrainingConfig, {**values, "stages": stages_from(values["stages"])}, where="training.")


def stages_from(values):
    """Return stages made of a list of dicts, or of stages."""
    good = isinstance(values, (list, tuple)) and all(isinstance(one, (dict, Stage)) for one in values)
    require(good, "stages must be a list of stages, each with epochs and rate", values)
    made = []
    for one in values:
        if isinstance(one, dict):
            known = [each.name for each in fields(Stage)]
            for name in set(one) - set(known):
                raise ValueError(f"there is no setting training.stages.{name}{nearest(name, known)}")
            require({"epochs", "rate"} <= set(one), "a stage needs epochs and rate", one)
            one = Stage(**one)
        made.append(one)
    return tuple(made)


def training_to_dict(training):
    """Return a training configuration as nested dicts of plain values."""
    return asdict(training)


def changed_training(training, **settings):
    """Return a training configuration with some settings changed.

    Raises
    ------
    ValueError
        Naming the setting and the nearest known one, or the setting and its rule.
    """
    known = [each.name for each in fields(training)]
    for name, value in settings.items():
        if name not in known:
            raise ValueError(f"there is no setting training.{name}{nearest(name, known)}")
        value = stages_from(value) if name == "stages" else value
        training = replace(training, **{name: value})
    return training


def changed_by_text(config, training, texts):
    """Return both configurations, changed as ``--set`` says: ``section__setting=value`` or ``training__setting=value``.

    A value is JSON (``0.5``, ``true``, ``[1, 2]``), ``none``, or a text without quotation marks.

    Examples
    --------
    >>> from mini_rcnn.config import Config
    >>> config, training = Config(), TrainingConfig((Stage(1, 0.1),))
    >>> changed_by_text(config, training, ["image__size=512", "training__best_by=rsna"])[1].best_by
    'rsna'
    """
    for text in texts:
        name, equals, value = text.partition("=")
        require(equals and name, "--set wants section__setting=value", text)
        section, _, setting = name.partition("__")
        if section == "training":
            require(setting, "--set training__setting=value wants a setting", text)
            if isinstance(getattr(training, setting, None), str) and value.lower() in WORDS:
                value = value.lower()  # the word itself is one of the setting's values, or it is refused as one
            else:
                value = value_of(value)
            training = changed_training(training, **{setting: value})
        else:
            known = [each.name for each in fields(config)] + ["training"]
            if section not in known:
                raise ValueError(f"there is no setting {section}{nearest(section, known)}")
            config = changed(config, **{name: value_of(value)})
    return config, training


def value_of(text):
    """Return what a text from the command line means.

    >>> value_of("[1, 2]"), value_of("1e-3"), value_of("none"), value_of("adam")
    ((1, 2), 0.001, None, 'adam')
    """
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return tuple(value) if isinstance(value, list) else value
