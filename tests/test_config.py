"""The configuration: what contradicts itself is refused, what is unknown is named with its nearest."""

from __future__ import annotations

import json

import pytest

from mini_rcnn.config import AnchorConfig, Config, ImageConfig, changed, from_dict, to_dict


def test_to_json_and_back():
    config = changed(Config(), detections__min_confidence=0.9, anchors__scales=(16, 32, 64, 128, 256))
    assert from_dict(Config, json.loads(json.dumps(to_dict(config)))) == config


def test_the_slides_four_scales_are_refused():
    with pytest.raises(ValueError, match=r"scales must be one for each of the 5 levels .* got \(32, 64, 128, 256\)"):
        AnchorConfig(scales=(32, 64, 128, 256))


@pytest.mark.parametrize(
    "values, words",
    [
        ({"detection": {}}, r"no setting detection \(did you mean detections\?\)"),
        ({"detections": {"min_confidense": 1}}, r"no setting detections.min_confidense \(did you mean min_confidence"),
        ({"detections": {"min_confidence": 1.5}}, r"min_confidence must lie in \[0, 1\], got 1.5"),
        ({"detections": 3}, "detections. must be settings by name"),
        ({"image": {"size": 100}}, "multiple of 64"),
        ({"image": {"size": "256"}}, "size must be a whole number"),
        ({"proposals": {"delta_std": [0.1, 0.1]}}, "delta_std must be four numbers"),
        ({"proposals": {"delta_std": [0.1, 0.1, 0, 1]}}, "delta_std must be above 0"),
        ({"classes": []}, "classes must name at least one"),
        ({"convention": "pixels"}, "convention must be one of continuous, matterport"),
        ({"heads": {"pooling": "roi_pool"}}, "pooling must be one of"),
        ({"backbone": {"blocks": [3, 4, 6]}}, "blocks must be four"),
    ],
)
def test_bad_settings_are_named(values, words):
    with pytest.raises(ValueError, match=words):
        from_dict(Config, values)


@pytest.mark.parametrize("name", ["image__sise", "imag__size", "size"])
def test_changing_what_is_not_there(name):
    with pytest.raises(ValueError, match="there is no setting"):
        changed(Config(), **{name: 1})


def test_frozen():
    with pytest.raises(AttributeError):
        ImageConfig().size = 512
