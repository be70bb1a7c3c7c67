"""Weights in files: back as they went, and everything else refused by name."""

from __future__ import annotations

import json
import zipfile

import h5py
import numpy as np
import pytest
from networks import random_weights, small_config

from mini_rcnn.config import changed
from mini_rcnn.weights import (
    WeightsError,
    load_weights,
    read_matterport,
    save_weights,
    write_matterport,
)

CONFIG = small_config()


@pytest.fixture
def weights(rng):
    return random_weights(CONFIG, rng)


def assert_same(got, wanted):
    assert set(got) == set(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


def test_back_as_they_went(tmp_path, weights):
    save_weights(tmp_path / "w.npz", weights, CONFIG, facts={"score": 0.5})
    got, config, facts = load_weights(tmp_path / "w.npz")
    assert_same(got, weights)
    assert (config, facts) == (CONFIG, {"score": 0.5})


def test_same_weights_same_bytes(tmp_path, weights):
    for name in ("a.npz", "b.npz"):
        save_weights(tmp_path / name, weights, CONFIG)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_half_precision_is_half_the_size(tmp_path, weights):
    save_weights(tmp_path / "a.npz", weights, CONFIG)
    weights = {**weights, "bn_conv1/variance": np.full_like(weights["bn_conv1/variance"], 1e5)}  # too much for half
    save_weights(tmp_path / "b.npz", weights, CONFIG, dtype=np.float16)
    assert (tmp_path / "b.npz").stat().st_size < 0.62 * (tmp_path / "a.npz").stat().st_size
    got, _, _ = load_weights(tmp_path / "b.npz")
    assert got["conv1/kernel"].dtype == np.float32
    np.testing.assert_allclose(got["conv1/kernel"], weights["conv1/kernel"], rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(got["bn_conv1/variance"], 1e5)


def test_cut_off_and_flipped_files_are_refused(tmp_path, weights, rng):
    save_weights(tmp_path / "w.npz", weights, CONFIG)
    content = (tmp_path / "w.npz").read_bytes()
    for share in np.linspace(0, 0.999, 10):
        (tmp_path / "cut.npz").write_bytes(content[: int(share * len(content))])
        with pytest.raises(WeightsError, match="cut.npz"):
            load_weights(tmp_path / "cut.npz")
    silent = 0
    for place in rng.integers(0, len(content), 20):
        flipped = bytearray(content)
        flipped[place] ^= 0x55
        (tmp_path / "flipped.npz").write_bytes(bytes(flipped))
        try:
            got, _, _ = load_weights(tmp_path / "flipped.npz")
        except WeightsError:
            continue
        assert_same(got, weights)  # a byte that nobody reads, such as a date in the zip
        silent += 1
    assert silent <= 2


def test_a_changed_number_with_a_right_zip_is_found(tmp_path, weights):
    save_weights(tmp_path / "w.npz", weights, CONFIG)
    with np.load(str(tmp_path / "w.npz")) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["conv1/kernel"] = arrays["conv1/kernel"] + 1
    np.savez(str(tmp_path / "w.npz"), **arrays)
    with pytest.raises(WeightsError, match="checksum"):
        load_weights(tmp_path / "w.npz")


class Payload:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (self.mark, "w"))


def test_pickles_are_refused_and_not_run(tmp_path):
    mark = tmp_path / "mark"
    np.savez(str(tmp_path / "evil.npz"), head=np.array([Payload(str(mark))], dtype=object))
    with pytest.raises(WeightsError, match="can run code"):
        load_weights(tmp_path / "evil.npz")
    assert not mark.exists()


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("<html>")
    np.savez(str(tmp_path / "arrays.npz"), a=np.zeros(3))
    np.savez(str(tmp_path / "other.npz"), head=np.array(json.dumps({"format": "other"})))
    for name in ("text.npz", "arrays.npz", "other.npz", "absent.npz"):
        with pytest.raises(WeightsError, match=name):
            load_weights(tmp_path / name)


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mini_rcnn.weights.MAX_BYTES", 1 << 20)
    with zipfile.ZipFile(str(tmp_path / "bomb.npz"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(2 << 20))
    with pytest.raises(WeightsError, match="claims to unpack"):
        load_weights(tmp_path / "bomb.npz")


def test_a_file_that_does_not_fit_its_own_configuration(tmp_path, weights):
    del weights["conv1/bias"]
    weights["fpn_p2/bias"] = np.zeros(3)
    save_weights(tmp_path / "w.npz", weights, CONFIG)
    with pytest.raises(WeightsError, match=r"fpn_p2/bias is \(3,\), the network's is \(16,\); conv1/bias is missing"):
        load_weights(tmp_path / "w.npz")


def test_h5_back_as_they_went(tmp_path, weights):
    write_matterport(tmp_path / "w.h5", weights)
    assert_same(read_matterport(tmp_path / "w.h5", CONFIG), weights)


def test_h5_of_other_classes_wants_the_layers_excluded(tmp_path, weights, rng):
    write_matterport(tmp_path / "w.h5", weights)
    three = changed(CONFIG, classes=("pneumonia", "nodule"))
    with pytest.raises(WeightsError, match="another number of classes"):
        read_matterport(tmp_path / "w.h5", three)
    layers = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")
    got = read_matterport(tmp_path / "w.h5", three, exclude=layers)
    assert set(weights) - set(got) == {name for name in weights if name.split("/")[0] in layers}


def test_h5_with_a_renamed_or_no_layer(tmp_path, weights):
    weights["renamed/kernel"] = weights.pop("conv1/kernel")
    write_matterport(tmp_path / "w.h5", weights)
    with pytest.raises(WeightsError, match="conv1/kernel is missing"):
        read_matterport(tmp_path / "w.h5", CONFIG)
    with h5py.File(str(tmp_path / "none.h5"), "w") as file:
        file.create_dataset("dense/kernel:0", data=np.zeros(3))
    with pytest.raises(WeightsError, match="no layer of a Mask R-CNN"):
        read_matterport(tmp_path / "none.h5", CONFIG)


def test_h5_cut_off(tmp_path, weights):
    write_matterport(tmp_path / "w.h5", weights)
    content = (tmp_path / "w.h5").read_bytes()
    for share in np.linspace(0, 0.99, 10):
        (tmp_path / "cut.h5").write_bytes(content[: int(share * len(content))])
        with pytest.raises(WeightsError, match="cut.h5"):
            read_matterport(tmp_path / "cut.h5", CONFIG)
