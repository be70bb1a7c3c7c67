"""How a detector is built: one frozen dataclass a stage, and `Config`, which holds one of each.

Only the model unpacks these; a stage is handed plain values. Whatever contradicts itself is refused when it is made.
"""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace

PYRAMID_LEVELS = 5  # P2 to P6
CONVENTIONS = ("continuous", "matterport")


def require(holds, rule, value):
    """Refuse a value that breaks a rule."""
    if not holds:
        raise ValueError(f"{rule}, got {value!r}")


def require_whole(section, minimum, *names):
    """Refuse settings that are no whole numbers of at least ``minimum``."""
    for name in names:
        value = getattr(section, name)
        good = isinstance(value, int) and not isinstance(value, bool) and value >= minimum
        require(good, f"{name} must be a whole number >= {minimum}", value)


def require_unit(section, *names):
    """Refuse settings that do not lie in [0, 1]."""
    for name in names:
        value = getattr(section, name)
        require(isinstance(value, (int, float)) and 0 <= value <= 1, f"{name} must lie in [0, 1]", value)


def require_positive(section, *names):
    """Refuse settings with a number that is not above 0, single or in a row."""
    for name in names:
        value = getattr(section, name)
        numbers = value if isinstance(value, tuple) else (value,)
        good = numbers and all(isinstance(number, (int, float)) and number > 0 for number in numbers)
        require(good, f"{name} must be above 0", value)


@dataclass(frozen=True)
class ImageConfig:
    """What goes into the network."""

    size: int = 256  # pixels a side; the slides' 256
    mean: tuple[float, ...] = (123.7, 116.8, 103.9)  # grey levels taken away from red, green, blue; Matterport
    spread: float | None = None  # if set: a film's own mean is taken away, and its greys get this deviation

    def __post_init__(self):
        require_whole(self, 64, "size")
        require(self.size % 64 == 0, "size must be a multiple of 64: the pyramid halves it six times", self.size)
        require(len(self.mean) == 3, "mean must be three numbers", self.mean)
        if self.spread is not None:
            require_positive(self, "spread")


@dataclass(frozen=True)
class BackboneConfig:
    """The residual network and the pyramid on it (ResNet, table 1; FPN, section 3)."""

    blocks: tuple[int, ...] = (3, 4, 23, 3)  # ResNet-101; ResNet-50 has (3, 4, 6, 3)
    width: int = 64  # channels of the first convolution; a block of stage i ends in width * 2 ** i
    pyramid_channels: int = 256  # FPN, section 3

    def __post_init__(self):
        require(len(self.blocks) == 4 and min(self.blocks) >= 1, "blocks must be four numbers >= 1", self.blocks)
        require_whole(self, 1, "width", "pyramid_channels")


@dataclass(frozen=True)
class AnchorConfig:
    """The boxes that proposals start from (Faster R-CNN, section 3.1.1; FPN, section 4.1)."""

    scales: tuple[float, ...] = (32, 64, 128, 256, 512)  # pixels: the side of a square anchor, one for each level
    ratios: tuple[float, ...] = (0.5, 1, 2)  # width to height
    strides: tuple[int, ...] = (4, 8, 16, 32, 64)  # pixels from one cell of P2 to P6 to the next

    def __post_init__(self):
        require_positive(self, "scales", "ratios", "strides")
        rule = f"scales must be one for each of the {len(self.strides)} levels (strides {self.strides})"
        require(len(self.scales) == len(self.strides), rule, self.scales)
        require(len(self.strides) == PYRAMID_LEVELS, f"strides must be {PYRAMID_LEVELS}: P2 to P6", self.strides)


@dataclass(frozen=True)
class ProposalConfig:
    """How anchors become proposals (Faster R-CNN, section 3.3)."""

    rpn_channels: int = 512  # Faster R-CNN, section 3.1, for VGG; Matterport's too
    pre_nms_limit: int = 6000  # anchors kept by score; Matterport
    max_proposals: int = 1000  # kept by suppression, FPN, section 5.2; at inference
    max_training_proposals: int = 2000  # while training
    iou_threshold: float = 0.7  # overlap above which the lower score goes; acts in training and at inference
    delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)  # Matterport's RPN_BBOX_STD_DEV

    def __post_init__(self):
        require_whole(self, 1, "rpn_channels", "pre_nms_limit", "max_proposals", "max_training_proposals")
        require_unit(self, "iou_threshold")
        require_positive(self, "delta_std")
        require(len(self.delta_std) == 4, "delta_std must be four numbers", self.delta_std)


@dataclass(frozen=True)
class HeadConfig:
    """The heads and what they are fed with (Mask R-CNN, figure 4)."""

    box_pool_size: int = 7  # cells a side
    box_units: int = 1024
    mask_pool_size: int = 14
    mask_channels: int = 256
    pooling: str = "crop_and_resize"  # Matterport's; "roi_align" is the paper's

    def __post_init__(self):
        require_whole(self, 1, "box_pool_size", "box_units", "mask_pool_size", "mask_channels")
        known = ("crop_and_resize", "roi_align")
        require(self.pooling in known, f"pooling must be one of {', '.join(known)}", self.pooling)


@dataclass(frozen=True)
class DetectionConfig:
    """What is kept of what the heads say; all of it acts at inference alone, and needs no retraining."""

    min_confidence: float = 0.7  # a lower score goes; Matterport
    iou_threshold: float = 0.3  # of two boxes that overlap by more, the lower score goes; Matterport
    max_detections: int = 100
    mask_threshold: float = 0.5  # a pixel of at least this probability is mask
    delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)  # Fast R-CNN; acts in training too

    def __post_init__(self):
        require_unit(self, "min_confidence", "iou_threshold", "mask_threshold")
        require_whole(self, 0, "max_detections")
        require_positive(self, "delta_std")
        require(len(self.delta_std) == 4, "delta_std must be four numbers", self.delta_std)


@dataclass(frozen=True)
class TargetConfig:
    """What the network is asked while it learns; all of it acts in training alone."""

    negatives: str = "full"  # what an image without boxes teaches: "full", "rpn_only" or "skip"
    max_anchors: int = 256  # anchors asked in an image; Faster R-CNN, section 3.1.3
    anchor_positive_iou: float = 0.7  # Faster R-CNN, section 3.1.2
    anchor_negative_iou: float = 0.3
    max_rois: int = 200  # proposals the heads learn from in an image; Matterport. The slides wrote 32, in vain
    roi_positive_iou: float = 0.5  # Mask R-CNN, section 3.1
    roi_positive_share: float = 0.33  # Matterport; the paper's 1:3 is 0.25
    max_mask_rois: int | None = None  # objects of an image that the mask head learns from; None: all, as the paper

    def __post_init__(self):
        known = ("full", "rpn_only", "skip")
        require(self.negatives in known, f"negatives must be one of {', '.join(known)}", self.negatives)
        require_whole(self, 1, "max_anchors", "max_rois", *["max_mask_rois"] * (self.max_mask_rois is not None))
        require_unit(self, "anchor_positive_iou", "anchor_negative_iou", "roi_positive_iou", "roi_positive_share")
        rule = "anchor_negative_iou must not be above anchor_positive_iou"
        require(self.anchor_negative_iou <= self.anchor_positive_iou, rule, self.anchor_negative_iou)


@dataclass(frozen=True)
class Config:
    """A detector: what it looks for, and how each of its stages is set."""

    classes: tuple[str, ...] = ("pneumonia",)  # without the background
    convention: str = "continuous"  # or "matterport": a box ends on its last pixel, greys are whole numbers
    image: ImageConfig = field(default_factory=ImageConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    anchors: AnchorConfig = field(default_factory=AnchorConfig)
    proposals: ProposalConfig = field(default_factory=ProposalConfig)
    heads: HeadConfig = field(default_factory=HeadConfig)
    detections: DetectionConfig = field(default_factory=DetectionConfig)
    targets: TargetConfig = field(default_factory=TargetConfig)

    def __post_init__(self):
        require(len(self.classes) >= 1, "classes must name at least one class", self.classes)
        require(self.convention in CONVENTIONS, f"convention must be one of {', '.join(CONVENTIONS)}", self.convention)
        alone = self.convention == "matterport" and self.image.spread is not None
        require(not alone, "Matterport takes a mean away: its convention has no image.spread", self.image.spread)

    @property
    def n_classes(self):
        """Return the number of classes, the background among them."""
        return len(self.classes) + 1


def nearest(name, known):
    """Return " (did you mean ...?)" for the known name that is closest, or nothing.

    >>> nearest("min_confidense", ["min_confidence", "size"])
    ' (did you mean min_confidence?)'
    """
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def from_dict(kind, values, *, where=""):
    """Return a dataclass made of a dict such as JSON gives: lists become tuples, unknown keys are refused.

    Parameters
    ----------
    kind : type
        `Config` or one of its sections.
    values : dict
        Settings by name, a dict for each section; what is left out has its default.

    Raises
    ------
    ValueError
        Naming the key and the nearest known one, or the setting and its rule.

    Examples
    --------
    >>> from_dict(Config, {"image": {"size": 512}}).image.size
    512
    >>> from_dict(Config, {"images": {"size": 512}})
    Traceback (most recent call last):
    ...
    ValueError: there is no setting images (did you mean image?)
    """
    require(isinstance(values, dict), f"{where or 'a configuration'} must be settings by name", values)
    kinds = {each.name: each.default_factory for each in fields(kind)}
    given = {}
    for name, value in values.items():
        if name not in kinds:
            raise ValueError(f"there is no setting {where}{name}{nearest(name, kinds)}")
        section = kinds[name]
        if is_dataclass(section):
            value = from_dict(section, value, where=f"{where}{name}.")
        given[name] = tuple(value) if isinstance(value, list) else value
    return kind(**given)


def to_dict(config):
    """Return a configuration as nested dicts of plain values, the way back of `from_dict`."""
    return asdict(config)


def changed(config, **settings):
    """Return a configuration with some settings changed, named ``section__setting``.

    Examples
    --------
    >>> changed(Config(), detections__min_confidence=0.9).detections.min_confidence
    0.9
    """
    for name, value in settings.items():
        section, _, setting = name.partition("__")
        known = [each.name for each in fields(config)]
        if section not in known:
            raise ValueError(f"there is no setting {section}{nearest(section, known)}")
        if setting:
            inner = getattr(config, section)
            names = [each.name for each in fields(inner)]
            if setting not in names:
                raise ValueError(f"there is no setting {section}.{setting}{nearest(setting, names)}")
            value = replace(inner, **{setting: value})
        config = replace(config, **{section: value})
    return config
