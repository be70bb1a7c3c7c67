"""False alarms: which they are, why they are there by a rule with hand-made scenes, and what the box head sees."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_boxes
from networks import random_weights, small_config
from sklearn.neighbors import NearestNeighbors

from mini_rcnn import model
from mini_rcnn.alarms.causes import WORDS, added_in, cause_of, count_causes, lies_on_drawn, mirrored, places_in
from mini_rcnn.alarms.drawn import FILM, WORK, Scene, Shadow, part_of
from mini_rcnn.alarms.features import features_at, hidden_layer, nearest, typical_distance
from mini_rcnn.alarms.find import find_alarms

BOX = [100.0, 100, 300, 300]
FAR = [600.0, 600, 700, 700]


def part(share, box=BOX):
    """Return the upper part of a box: it overlaps it by that share."""
    y1, x1, y2, x2 = box
    return [y1, x1, y1 + share * (y2 - y1), x2]


def alarms_of(truth, boxes, scores, **options):
    return find_alarms([("film", truth, boxes, scores)], **options)


# 1. Which detections are alarms, by hand.


def test_what_finds_an_opacity_is_no_alarm_and_the_limits_count():
    assert alarms_of([BOX], [part(0.4)], [0.95]) == []  # an overlap equal to the least is a hit
    (alarm,) = alarms_of([BOX], [part(0.39)], [0.95])  # and a score equal to the least is a mark
    assert (alarm.truth, round(alarm.iou, 9), alarm.within, alarm.found) == (0, 0.39, 1.0, False)
    assert alarms_of([BOX], [part(0.39)], [np.nextafter(0.95, 0)]) == []
    assert len(alarms_of([BOX], [part(0.6)], [0.95], iou=0.7)) == 1


def test_a_second_mark_is_an_alarm_of_a_found_opacity():
    (alarm,) = alarms_of([FAR, BOX], [part(0.9), BOX], [0.96, 0.99])
    assert (alarm.row, alarm.truth, alarm.found, alarm.score) == (0, 1, True, 0.96)


def test_a_mark_below_the_limit_finds_nothing():
    (alarm,) = alarms_of([BOX], [BOX, part(0.2)], [0.9, 0.97])
    assert alarm.row == 1 and not alarm.found
    (alarm,) = alarms_of([BOX], [BOX, part(0.2)], [0.9, 0.97], above=0.8)
    assert alarm.row == 1 and alarm.found


def test_alarms_come_by_score_and_then_in_order():
    films = [("a", [], [BOX, FAR], [0.96, 0.99]), ("b", [BOX], [], []), ("c", [], [FAR], [0.99])]
    found = find_alarms(films)
    assert [(alarm.image, alarm.row) for alarm in found] == [(0, 1), (2, 0), (0, 0)]
    assert [alarm.truth for alarm in found] == [-1] * 3 and {alarm.within for alarm in found} == {0.0}


def test_no_films_no_marks_and_no_truth():
    assert find_alarms([]) == []
    assert find_alarms([("a", [], [], []), ("b", [BOX], [], [])]) == []
    assert len(alarms_of([], [BOX], [1.0])) == 1


def test_boxes_that_touch_do_not_overlap():
    (alarm,) = alarms_of([BOX], [[300.0, 100, 400, 300]], [0.99])
    assert (alarm.truth, alarm.iou, alarm.within) == (-1, 0.0, 0.0)


@pytest.mark.parametrize("options", [{"above": 1.5}, {"iou": -0.1}, {"above": float("nan")}])
def test_bad_limits_are_named(options):
    with pytest.raises(ValueError, match="must"):
        alarms_of([BOX], [BOX], [0.9], **options)


def test_alarms_and_found_opacities_add_up_to_the_marks(rng):
    """A reading in plain loops: marks by score, each takes the free truth that it overlaps most."""

    def overlap(a, b):
        height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        both = max(height, 0) * max(width, 0)
        return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)

    n_alarms = 0
    for _ in range(200):
        truth, boxes = random_boxes(rng, rng.integers(0, 4), extent=40), random_boxes(rng, 6, extent=40)
        scores = rng.permutation(6) / 6
        free, wanted = set(range(len(truth))), []
        for row in np.argsort(-scores):
            fits = [each for each in free if scores[row] >= 0.5 and overlap(boxes[row], truth[each]) >= 0.4]
            free -= {max(fits, key=lambda each: overlap(boxes[row], truth[each]))} if fits else set()
            wanted += [row] if scores[row] >= 0.5 and not fits else []
        got = alarms_of(truth, boxes, scores, above=0.5)
        assert [alarm.row for alarm in got] == wanted
        assert all(alarm.found == (alarm.truth not in free) for alarm in got if alarm.truth >= 0)
        n_alarms += len(got)
    assert n_alarms > 100


# 2. Causes, in scenes made by hand: a lung from column 100 to 700, the heart beside it, the belly below row 700.


def shadow(kind, box, value, *, is_device=False, **facts):
    added = np.zeros((WORK, WORK), np.float32)
    added[part_of(box)] = value
    return Shadow(kind, is_device, added, facts)


def scene(*shadows, findings=(), opacities=()):
    masks = np.zeros((3, WORK, WORK), bool)
    masks[0][part_of([100, 100, 700, 700])] = True
    masks[1][part_of([300, 700, 700, 1000])] = True
    masks[2][part_of([700, 0, FILM, FILM])] = True
    hila = np.array([[350.0, 680.0], [350.0, 1010.0]])
    return Scene(list(shadows), *masks, hila, 850.0, tuple(findings), list(opacities))


def cause_at(box, *shadows, truth=(), marks=(), **options):
    boxes = [box, *marks]
    found = alarms_of(np.reshape(truth, (-1, 4)), boxes, [0.97] + [0.99] * len(marks))
    return cause_of(next(alarm for alarm in found if alarm.row == 0), scene(*shadows, **options))


OPACITY = {"opacities": [{"kind": "patchy", "strength": 0.8}]}


def test_a_near_miss_and_a_double():
    near = cause_at(part(0.31), shadow("opacity", BOX, 0.3), truth=BOX, **OPACITY)
    assert near.name == "near miss" and near.facts == OPACITY["opacities"][0]
    assert near.words == "near miss: an opacity is there, IoU 0.31; patchy, strength 0.80, adds 0.30"
    double = cause_at(part(0.31), shadow("opacity", BOX, 0.3), truth=BOX, marks=[BOX], **OPACITY)
    assert double.name == "double" and "second mark on a found opacity, IoU 0.31" in double.words


def test_small_in_large_is_about_it_and_a_touch_is_not():
    inside = [110.0, 110, 150, 150]  # IoU 0.04, but all of it lies in the opacity
    assert cause_at(inside, truth=BOX, **OPACITY).name == "near miss"
    corner = [280.0, 280, 480, 480]  # IoU 0.005, a hundredth of both
    assert cause_at(corner, truth=BOX, **OPACITY).name == "clear lung"
    halfway = [100.0, 275, 300, 475]  # IoU 1/15, an eighth of both: more is needed
    assert cause_at(halfway, shadow("mass", halfway, 0.2), truth=BOX, **OPACITY).name == "mass"


def test_the_thing_that_adds_most_is_the_cause():
    mass, net = shadow("mass", part(0.5), 0.3, strength=0.7), shadow("interstitial", BOX, 0.1)
    cause = cause_at(BOX, net, mass)
    assert cause.name == "mass" and cause.added == pytest.approx({"interstitial": 0.1, "mass": 0.15})
    assert cause.words == "a mass; strength 0.70, adds 0.15; also interstitial" and cause.facts == {"strength": 0.7}
    assert cause_at(BOX, net, shadow("mass", part(0.3), 0.3)).name == "interstitial"


def test_too_faint_is_nothing_and_dark_is_nothing():
    assert cause_at(BOX, shadow("nodule", BOX, 0.0199)).name == "clear lung"
    assert cause_at(BOX, shadow("nodule", BOX, 0.0201)).name == "nodule"
    assert cause_at(BOX, shadow("emphysema", BOX, -0.5)).name == "clear lung"
    half_dark = shadow("pneumothorax", BOX, -0.5)
    half_dark.added[part_of(part(0.5))] = 0.1  # what is dark does not outweigh what is bright
    assert cause_at(BOX, half_dark).added["pneumothorax"] == pytest.approx(0.05)


def test_a_device_and_a_rim():
    device = cause_at(BOX, shadow("ecg_leads", BOX, 0.2, is_device=True))
    assert (device.name, device.words) == ("device", "a device: ecg leads; adds 0.20")
    rim = cause_at([320.0, 100, 420, 300], shadow("opacity", [100, 100, 420, 300], 0.05), truth=BOX, **OPACITY)
    assert rim.name == "opacity" and "rim" in rim.words


@pytest.mark.parametrize(
    "box, findings, name",
    [
        ([200, 200, 400, 400], (), "clear lung"),
        ([250, 580, 450, 780], (), "hilum"),
        ([350, 580, 550, 780], (), "heart"),  # the hilum lies in it, but at its upper edge
        ([350, 580, 550, 780], ("cardiomegaly",), "cardiomegaly"),
        ([550, 300, 800, 500], (), "belly"),
        ([550, 300, 740, 500], (), "clear lung"),  # a fifth of it is belly: less than a quarter
        ([0, 200, 200, 400], (), "chest wall"),
        ([200, 200, 400, 400], ("cardiomegaly",), "clear lung"),
    ],
)
def test_healthy_parts(box, findings, name):
    cause = cause_at([float(v) for v in box], findings=findings)
    assert (cause.name, cause.words) == (name, WORDS[name])
    assert sum(cause.places.values()) == pytest.approx(1)


def test_a_real_film_says_what_is_known():
    (near,) = alarms_of([BOX], [part(0.31)], [0.99])
    assert cause_of(near).words == "near miss: an opacity is there, IoU 0.31"
    (other,) = alarms_of([BOX], [FAR], [0.99])
    assert cause_of(other) == ("not known", WORDS["not known"], {}, {}, {})


def test_chance_is_the_other_lung():
    there = scene(shadow("mass", [100, 1400 - 500, 200, 1400 - 400], 0.3))
    box = np.array([100.0, 800, 200, 900])  # about column 850
    np.testing.assert_array_equal(mirrored(box, there), [100, 800, 200, 900])
    moved = mirrored(np.array([100.0, 750, 200, 800]), there)
    np.testing.assert_array_equal(moved, [100, 900, 200, 950])
    assert lies_on_drawn(moved, there) and not lies_on_drawn(np.array([100.0, 750, 200, 800]), there)
    assert not lies_on_drawn(np.array(BOX), scene(shadow("opacity", BOX, 0.3)))


def test_boxes_at_and_beyond_the_border():
    assert part_of([1020, 1020, 1024, 1024]) == (slice(510, 512), slice(510, 512))
    assert part_of([1024, -50, 1030, -40]) == (slice(511, 512), slice(0, 1))
    outside = np.array([-50.0, 900, 100, 1100])
    assert added_in(outside, scene(shadow("mass", [0, 900, 100, 1024], 0.3)))["mass"] == pytest.approx(0.3)
    assert places_in(outside, scene())["chest wall"] == 1


def test_counts_by_cause_and_class():
    counts = count_causes(["mass", "heart", "near miss", "heart"], ["B", "A", "C", "B"])
    assert list(counts) == ["heart", "near miss", "mass"] and counts["heart"] == {"A": 1, "B": 1}
    assert count_causes([], []) == {}


# 3. What the box head sees.


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(4)
    config = small_config()
    weights = random_weights(config, rng)
    film = rng.integers(0, 256, (128, 128)).astype(np.uint8)
    return config, weights, model.detect(film, weights, config)[1]


def test_the_class_layer_on_the_features_gives_the_logits(network):
    _, weights, trace = network
    hidden = hidden_layer(trace["box_pool"], weights)
    logits = hidden @ weights["mrcnn_class_logits/kernel"] + weights["mrcnn_class_logits/bias"]
    np.testing.assert_allclose(logits, trace["logits"], rtol=1e-4, atol=1e-4)
    assert len(logits) > 10 and np.ptp(logits[:, 1]) > 0.1 and (hidden >= 0).all()


def test_a_proposal_pooled_as_a_true_box_has_its_own_features(network):
    config, weights, trace = network
    boxes = trace["proposals"].boxes[:9]  # film and input are one here
    got = features_at(boxes, trace, trace["geometry"], weights, config)
    np.testing.assert_allclose(got, hidden_layer(trace["box_pool"][:9], weights), rtol=1e-3, atol=1e-3)
    assert features_at(np.zeros((0, 4)), trace, trace["geometry"], weights, config).shape == (0, 32)


def test_a_distance_bounds_the_logits(network):
    _, weights, trace = network
    hidden, kernel = hidden_layer(trace["box_pool"], weights), weights["mrcnn_class_logits/kernel"][:, 1]
    away = np.linalg.norm(hidden[:, None] - hidden[None], axis=2)
    apart = np.abs(trace["logits"][:, None, 1] - trace["logits"][None, :, 1])
    assert (apart <= away * np.linalg.norm(kernel) + 1e-4).all()


def test_nearest_by_hand():
    bank = np.array([[0.0, 0], [3, 4], [0, 1], [0, -1]])
    rows, away = nearest(np.array([[0.0, 0], [3, 4]]), bank, features_of=["x", "b"], bank_of=["a", "b", "c", "d"], k=2)
    assert rows.tolist() == [[0, 2], [2, 0]]  # of the rows 1 away the lower one; the patient's own is left out
    np.testing.assert_allclose(away, [[0, 1], [np.sqrt(18), 5]])
    rows, away = nearest(np.array([[0.0, 0]]), bank[:2], features_of=["a"], bank_of=["a", "a"], k=2)
    assert rows.tolist() == [[-1, -1]] and np.isinf(away).all()


def test_nearest_as_scikit_learn(rng):
    features, bank = rng.normal(size=(40, 16)), rng.normal(size=(200, 16))
    rows, away = nearest(features, bank, features_of=["x"] * 40, bank_of=["y"] * 200, k=5)
    wanted_away, wanted = NearestNeighbors(n_neighbors=5).fit(bank).kneighbors(features)
    np.testing.assert_array_equal(rows, wanted)
    np.testing.assert_allclose(away, wanted_away)


def test_empty_banks_and_typical_distances():
    rows, away = nearest(np.zeros((2, 3)), np.zeros((0, 3)), features_of=["a", "b"], bank_of=[], k=3)
    assert rows.shape == away.shape == (2, 3) and (rows == -1).all()
    assert nearest(np.zeros((0, 3)), np.ones((1, 3)), features_of=[], bank_of=["a"])[0].shape == (0, 3)
    assert np.isnan(typical_distance(np.zeros((0, 3)), [])) and np.isnan(typical_distance(np.ones((2, 1)), ["a", "a"]))
    assert typical_distance(np.array([[0.0], [1], [1], [7]]), ["a", "b", "b", "c"]) == 1  # 1, 1, 1 and 6


@pytest.mark.parametrize(
    "features, owners, options, words",
    [
        (np.zeros((2, 3)), ["a", "b"], {}, "features must have shape"),
        (np.full((1, 2), np.nan), ["a"], {}, "features must be finite"),
        (np.zeros((2, 2)), ["a"], {}, "features_of must name the owner of each of 2 rows, got 1"),
        (np.zeros((1, 2)), ["a"], {"k": 0}, "k must"),
    ],
)
def test_bad_features_are_named(features, owners, options, words):
    with pytest.raises(ValueError, match=words):
        nearest(features, np.zeros((1, 2)), features_of=owners, bank_of=["b"], **options)
