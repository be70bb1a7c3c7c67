"""The benchmark of the data: what it calls a ratio and held, and that it times what is there, and nothing more."""

from __future__ import annotations

import importlib.util
import itertools
import json
import shutil

import numpy as np
import pytest
from film_folders import film_id, make_folder

from mini_rcnn.bench import data as bench
from mini_rcnn.data.augment import augment
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.rsna import load_records

CLASSIC = importlib.util.find_spec("mrcnn") is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of six films of the challenge's size, four of them with boxes."""
    return make_folder(tmp_path_factory.mktemp("bench") / "folder", 6, shape=(1024, 1024))


def row(loader, augmented, rate):
    return {"loader": loader, "augmented": augmented, "per_core_second": rate, "per_second": rate}


def test_ratio_by_hand():
    rows = [row(bench.OURS, False, 30.0), row(bench.OURS_ALL, False, 99.0), row(bench.AS_IT_IS, False, 5.0),
            row(bench.NO_TARGETS, False, 7.5)]  # fmt: skip
    plain, constant = bench.held_ratios(rows)
    assert (plain["to"], plain["ratio"], plain["held"]) == (bench.AS_IT_IS, 6.0, True)
    assert (constant["to"], constant["ratio"], constant["held"]) == (bench.NO_TARGETS, 4.0, False)
    text = bench.held_table([plain, constant])
    assert "6.0 x   at least 5 x   yes" in text and "4.0 x   at least 5 x   NO" in text


def test_without_matterport_nothing_is_held():
    assert bench.held_ratios([row(bench.OURS, False, 30.0)]) == []
    assert "classic" in bench.held_table([])


class Clockwork:
    """A loader that takes so long for each image, by a clock of the test's."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds, self.turns = clock, seconds, []

    def produce(self, n_images):
        self.turns.append(n_images)
        self.clock[0] += self.seconds * n_images
        return n_images


def test_loaders_take_turns_and_the_median_is_told(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(bench.time, "process_time", lambda: clock[0])
    monkeypatch.setattr(bench.time, "perf_counter", lambda: 2 * clock[0])
    loaders = {(bench.OURS, False): Clockwork(clock, 0.01), (bench.AS_IT_IS, False): Clockwork(clock, 0.1)}
    rows = bench.rows_of(bench.time_loaders(loaders, 8, 3, lambda text: None))
    assert [round(row["per_core_second"], 6) for row in rows] == [100, 10]
    assert [round(row["per_second"], 6) for row in rows] == [50, 5]
    ours, theirs = loaders.values()
    assert ours.turns == [1, 64, 64, 64] and theirs.turns == [1, 8, 8, 8]


def test_half_of_the_chosen_films_have_boxes_as_far_as_there_are(folder):
    records = load_records(folder)
    chosen = bench.choose(records, 2)
    assert [len(record.boxes) > 0 for record in chosen] == [True, False]
    assert len(bench.choose(records, 100)) == 6
    with pytest.raises(DataError, match="no film with a box"):
        bench.choose([record for record in records if not len(record.boxes)], 4)


def test_a_real_run_tells_every_loader_and_writes_nothing(folder, capsys):
    before = sorted(path.name for path in folder.rglob("*"))
    assert bench.main([str(folder), "--images", "4", "--runs", "1", "--batch-size", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = {bench.OURS, bench.OURS_ALL} | ({bench.AS_IT_IS, bench.NO_TARGETS} if CLASSIC else set())
    assert {(row["loader"], row["augmented"]) for row in told["loaders"]} == set(
        itertools.product(names, (False, True))
    )
    assert all(row["per_core_second"] > 0 and row["per_second"] > 0 for row in told["loaders"])
    assert all(milliseconds > 0 for milliseconds in told["parts_ms"].values())
    assert (told["images"], told["with_boxes"], len(told["held"])) == (3, 2, 4 if CLASSIC else 0)
    assert "NumPy" in told["machine"] and told["prepare_per_second"] > 0
    assert "ours" in bench.table(told)
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_broken_films_are_named_not_timed(folder, tmp_path, capsys):
    shutil.copytree(str(folder), str(tmp_path / "copy"))
    (tmp_path / "copy" / "stage_2_train_images" / f"{film_id(0)}.dcm").write_bytes(b"no film")
    with pytest.raises(DataError, match=film_id(0)):
        bench.main([str(tmp_path / "copy"), "--images", "4", "--runs", "1"])


@pytest.mark.parametrize("arguments", [["--runs", "0"], ["--images", "0"], ["--batch-size", "0"], ["--what"]])
def test_wrong_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        bench.main(arguments)
    assert stopped.value.code == 2 and "error" in capsys.readouterr().err


if CLASSIC:  # Matterport's loader is part of the classic environment, and of no other

    def theirs(folder, **options):
        from mini_rcnn.bench.matterport_loader import SlidesLoader

        positive = [record for record in load_records(folder) if len(record.boxes)]
        return SlidesLoader(positive, size=256, batch_size=2, **options)

    def test_matterports_batches_hold_the_films_and_boxes(folder):
        """What is compared is the same work: same boxes but for its one pixel more, same image but for its rounding."""
        from mini_rcnn.bench.matterport_loader import slides_config, slides_dataset
        from mini_rcnn.matterport import loader_parts, quietly

        positive = [record for record in load_records(folder) if len(record.boxes)]
        dataset, config = slides_dataset(positive), slides_config(256, 2)
        image, _, class_ids, boxes, masks = quietly(loader_parts().model.load_image_gt)(
            dataset, config, 1, use_mini_mask=True
        )
        assert image.shape == (256, 256, 3) and class_ids.tolist() == [1, 1] and masks.shape == (56, 56, 2)
        assert abs(boxes - positive[1].boxes / 4).max() <= 1.5

    @pytest.mark.parametrize("targets", [True, False])
    @pytest.mark.parametrize("augmented", [True, False])
    def test_matterports_generator_finishes_images(folder, augmented, targets, caplog):
        from mini_rcnn.matterport import loader_parts

        real = loader_parts().model.build_rpn_targets
        loader = theirs(folder, augmented=augmented, targets=targets)
        assert loader.produce(3) == 4
        assert loader_parts().model.build_rpn_targets is real
        from mini_rcnn.bench.matterport_loader import constant_targets
        from mini_rcnn.matterport import quietly

        with constant_targets(not targets):
            (_, _, match, *_), _ = quietly(next)(loader.generator)
        assert (match == 1).any() == targets
        assert caplog.records == []  # it logs and skips an image that it cannot use


def test_our_augmentation_takes_part(folder, tmp_path):
    prepared_folder = tmp_path / "prepared"
    records = load_records(folder)
    bench.prepare_folder(folder, size=64, records=records, to=prepared_folder, workers=1)
    prepared = bench.open_prepared(folder, size=64, at=prepared_folder)
    plain = bench.OurLoader(prepared, records, batch_size=6, augmented=False)
    changed = bench.OurLoader(prepared, records, batch_size=6, augmented=True)
    assert (plain.augmentation, changed.augmentation) == (None, augment)
    one, other = next(plain.made), next(changed.made)
    assert one.ids == other.ids and np.abs(one.images - other.images).max() > 10
    assert plain.produce(7) == 12  # whole batches, epoch after epoch
