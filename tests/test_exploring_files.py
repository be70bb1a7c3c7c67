"""Files of raw outputs: interrupted, taken up again, cut, foreign, swapped; what a collection refuses."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from networks import random_weights, small_config
from raw_outputs import raw_film, write_raw
from training_runs import make_data

from mini_rcnn.config import Config, changed
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.files import LOCK
from mini_rcnn.exploring import collect as collecting
from mini_rcnn.exploring.apply import Settings, detections, detections_of_all
from mini_rcnn.exploring.chunks import INDEX, RawError
from mini_rcnn.exploring.collect import collect
from mini_rcnn.exploring.raw import open_raw
from mini_rcnn.model import detect
from mini_rcnn.weights import save_weights

BOXES = [[0.0, 0, 10, 10], [20, 20, 30, 30]]


@pytest.fixture
def films(rng):
    return {f"film-{number}": rng.integers(0, 256, (64, 64)).astype(np.uint8) for number in range(5)}


@pytest.fixture
def network():
    config = small_config(
        image__size=64, anchors__scales=(4, 8, 16, 32, 64), backbone__width=4, proposals__pre_nms_limit=60
    )
    return random_weights(config, np.random.default_rng(3)), config


@pytest.fixture
def raw_folder(tmp_path):
    """Return a folder of raw outputs, two chunks of two films."""
    films = [raw_film(BOXES, [0, 1], [0.5, 0.6 + number / 10]) for number in range(4)]
    return write_raw(tmp_path / "raw", films, Config(), chunk=2).folder


def run(films, network, path, *, ids=None, floor=0.05, progress=None):
    """Collect with NumPy, two films a chunk."""
    ids = list(films) if ids is None else ids
    return collect(films, ids, *network, path, floor=floor, progress=progress, numpy=True, chunk=2)


def contents(folder):
    """Return the bytes of every file in a folder, by name, but for the lock."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != LOCK}


def test_interrupted_and_taken_up_again(films, network, tmp_path, monkeypatch):
    looked, original = [], collecting.raw_film

    def stop_at_the_fourth(*arguments):
        looked.append(1)
        if len(looked) == 4:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(collecting, "raw_film", stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        run(films, network, tmp_path / "raw")
    assert sorted(contents(tmp_path / "raw")) == ["boxes-00000.npz", "masks-00000.npz"]  # the first chunk, whole
    with pytest.raises(RawError, match="is not finished"):
        open_raw(tmp_path / "raw")
    told = []
    run(films, network, tmp_path / "raw", progress=lambda done, of: told.append((done, of)))
    assert len(looked) == 4 + 3 and told == [(0, 5), (2, 5), (4, 5), (5, 5)]
    run(films, network, tmp_path / "whole")
    assert contents(tmp_path / "raw") == contents(tmp_path / "whole")
    n_looked = len(looked)
    run(films, network, tmp_path / "raw")  # nothing is left to do
    assert len(looked) == n_looked


def test_two_at_once_look_at_each_film_once(films, network, tmp_path, monkeypatch):
    """As two labs do that are opened together; the one that comes later finds what the first collected."""
    looked, original = [], collecting.raw_film
    monkeypatch.setattr(collecting, "raw_film", lambda *arguments: looked.append(1) or original(*arguments))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: run(films, network, tmp_path / "raw"), range(2)))
    assert len(looked) == len(films) and open_raw(tmp_path / "raw").ids == tuple(films)


def test_damage_is_mended(films, network, tmp_path):
    folder = run(films, network, tmp_path / "raw")
    before = contents(folder)
    for name in ("boxes-00001.npz", "masks-00000.npz", INDEX):
        (folder / name).write_bytes(before[name][:-40])
    run(films, network, folder)
    assert contents(folder) == before


def test_a_film_that_was_replaced_is_looked_at_again(films, network, tmp_path):
    folder = run(films, network, tmp_path / "raw")
    before = contents(folder)
    films["film-2"] = films["film-2"][::-1]
    after = contents(run(films, network, folder))
    assert {name for name in before if before[name] != after[name]} == {"boxes-00001.npz", "masks-00001.npz", INDEX}


def test_more_films_later_and_thresholds_that_change_nothing(films, network, tmp_path):
    weights, config = network
    folder = run(films, network, tmp_path / "raw", ids=list(films)[:2])
    first = contents(folder)
    other = changed(config, detections__min_confidence=0.8, proposals__iou_threshold=0.4, targets__max_rois=7)
    run(films, (weights, other), folder)
    after = contents(folder)
    assert first["boxes-00000.npz"] == after["boxes-00000.npz"] and open_raw(folder).config == other


@pytest.mark.parametrize("what", ["weights", "floor", "config"])
def test_outputs_of_another_network_are_not_mixed(films, network, tmp_path, what):
    weights, config = network
    folder = run(films, network, tmp_path / "raw")
    if what == "weights":
        weights = {**weights, "conv1/bias": weights["conv1/bias"] + 1}
    if what == "config":
        config = changed(config, proposals__pre_nms_limit=50)
    with pytest.raises(RawError, match="is of another network, size or floor"):
        run(films, (weights, config), folder, floor=0.1 if what == "floor" else 0.05)


def test_prepared_films(network, tmp_path):
    weights, config = network
    prepared = make_data(tmp_path / "films", n_films=3).prepared
    opened = open_raw(collect(tmp_path / "films", prepared.ids, weights, config, tmp_path / "raw", numpy=True))
    for image_id in prepared.ids:  # at the network's size already, so that the film and its prepared picture are one
        expected, _ = detect(prepared.image(image_id), weights, config)
        found = detections(opened, image_id)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-4)
        np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    larger = changed(config, image__size=128)
    with pytest.raises(ValueError, match="films must be prepared for 128 pixels"):
        collect(prepared, prepared.ids, weights, larger, tmp_path / "other", numpy=True)
    matterport = changed(config, convention="matterport")
    with pytest.raises(ValueError, match="convention is matterport"):
        collect(prepared, prepared.ids, weights, matterport, tmp_path / "other", numpy=True)


def test_bad_arguments(films, network, tmp_path):
    with pytest.raises(ValueError, match="every film once"):
        run(films, network, tmp_path / "raw", ids=["film-0", "film-0"])
    with pytest.raises(ValueError, match="floor must lie in"):
        run(films, network, tmp_path / "raw", floor=1.5)
    (tmp_path / "file").write_text("a letter")
    with pytest.raises(RawError, match="file: is a file; raw outputs are a folder"):
        run(films, network, tmp_path / "file")
    assert not (tmp_path / "raw").exists()


def test_the_floor_is_where_it_begins(films, network, tmp_path):
    low = open_raw(run(films, network, tmp_path / "low", floor=0.3))
    high = open_raw(run(films, network, tmp_path / "high", floor=0.8))
    assert high.scores.min() >= np.float32(0.8) > low.scores.min() >= np.float32(0.3)
    settings = Settings(0.8, 0.4, 0.6)
    np.testing.assert_array_equal(detections_of_all(low, settings).boxes, detections_of_all(high, settings).boxes)
    with pytest.raises(ValueError, match="min_confidence must be at least 0.8"):
        detections_of_all(high)


def test_what_is_no_folder_of_raw_outputs(tmp_path):
    with pytest.raises(RawError, match="nowhere: there is no such folder"):
        open_raw(tmp_path / "nowhere")
    with pytest.raises(RawError, match="holds no raw outputs"):
        open_raw(tmp_path)
    (tmp_path / "file").write_text("a letter")
    with pytest.raises(RawError, match="is a file"):
        open_raw(tmp_path / "file")
    config = small_config()
    save_weights(tmp_path / INDEX, random_weights(config, np.random.default_rng(0)), config)
    with pytest.raises(RawError, match="index.npz: no file of raw outputs"):
        open_raw(tmp_path)


@pytest.mark.parametrize("name", [INDEX, "boxes-00001.npz", "masks-00001.npz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_cut_files(raw_folder, name, share):
    content = (raw_folder / name).read_bytes()
    (raw_folder / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(RawError, match=name):
        detections(open_raw(raw_folder), 3, Settings(0.05))


@pytest.mark.parametrize("name", [INDEX, "boxes-00000.npz", "masks-00000.npz"])
def test_flipped_bytes_are_found_or_do_no_harm(raw_folder, rng, name):
    content = (raw_folder / name).read_bytes()
    expected, n_refused = detections(open_raw(raw_folder), 0, Settings(0.05)), 0
    for place in rng.integers(0, len(content), 25):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        (raw_folder / name).write_bytes(bytes(flipped))
        try:
            found = detections(open_raw(raw_folder), 0, Settings(0.05))
        except DataError as error:
            assert name in str(error)
            n_refused += 1
        else:
            for got, want in zip(found, expected):
                np.testing.assert_array_equal(got, want)
    assert n_refused > 0


def test_missing_and_swapped_chunks(raw_folder, tmp_path):
    for kind in ("boxes", "masks"):
        copy = tmp_path / kind
        shutil.copytree(str(raw_folder), str(copy))
        (copy / f"{kind}-00001.npz").unlink()
        with pytest.raises(RawError, match=f"{kind}-00001.npz: there is no such file"):
            detections(open_raw(copy), 3, Settings(0.05))
        shutil.copy(str(copy / f"{kind}-00000.npz"), str(copy / f"{kind}-00001.npz"))
        if kind == "boxes":
            with pytest.raises(RawError, match="is not the file that was written"):
                open_raw(copy)


def test_masks_of_another_collection_are_refused(raw_folder):
    np.savez(str(raw_folder / "masks-00000.npz"), **{"film-00000": np.full((2, 28, 28), 0.5, np.float16)})
    with pytest.raises(RawError, match="masks-00000.npz: holds other masks than were written with the boxes"):
        detections(open_raw(raw_folder), 0, Settings(0.05))


def test_pickled_objects_are_refused(raw_folder):
    np.savez(str(raw_folder / "masks-00000.npz"), **{"film-00000": np.array([{"run": "me"}], dtype=object)})
    with pytest.raises(RawError, match="masks-00000.npz"):
        detections(open_raw(raw_folder), 0, Settings(0.05))
    np.savez(str(raw_folder / INDEX), head=np.array([{"run": "me"}], dtype=object))
    with pytest.raises(RawError, match="pickled objects"):
        open_raw(raw_folder)
