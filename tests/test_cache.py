"""The prepared cache: what it holds, how it goes on after a kill, and what it says of every fault."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from film_folders import film_id, make_folder, write_film

from mini_rcnn.data import cache, prepare
from mini_rcnn.data.cache import open_prepared, prepare_folder, prepared_of
from mini_rcnn.data.errors import CacheError
from mini_rcnn.data.prepared import preparing, shrink
from mini_rcnn.data.rsna import load_records
from mini_rcnn.stages.image import ImageGeometry, fit_to_square, masks_to_input

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Return a folder of ten films with masks, prepared by nobody yet; tests copy it."""
    return make_folder(tmp_path_factory.mktemp("films") / "folder", 10, shape=(96, 64), masks=True)


@pytest.fixture
def folder(films, tmp_path):
    """Return a copy of the films, with the same file times."""
    shutil.copytree(str(films), str(tmp_path / "copy"))
    return tmp_path / "copy"


@pytest.fixture
def small_shards(monkeypatch):
    """Let a shard hold three images, so that ten make several."""
    monkeypatch.setattr("mini_rcnn.data.prepared.prepare_plan.PER_SHARD", 3)


def film_path(folder, number):
    return folder / "stage_2_train_images" / f"{film_id(number)}.dcm"


def pixels_of(path):
    import pydicom

    return pydicom.dcmread(str(path)).pixel_array


def files_of(folder, size=64):
    return {
        path.name: path.read_bytes()
        for path in sorted((folder / "prepared" / str(size)).iterdir())
        if path.name != preparing.LOCK
    }


def test_images_are_the_networks_own_resize_rounded(folder, small_shards):
    summary = prepare_folder(folder, size=32, workers=1)
    assert (summary.prepared, summary.made, summary.broken, summary.absent) == (10, 10, {}, 0)
    prepared = open_prepared(folder, size=32)
    assert prepared.ids == tuple(record.id for record in load_records(folder))
    for number in range(10):
        square, geometry = fit_to_square(pixels_of(film_path(folder, number)), size=32)
        np.testing.assert_array_equal(prepared.image(film_id(number)), np.rint(square))
        assert prepared.geometry(film_id(number)) == geometry
        assert geometry.window == (0, 5, 32, 26)
        entry = prepared.entry(film_id(number))
        assert (entry.view, entry.sex, entry.age) == ("PA", "F", 20 + number)


def test_masks_by_hand():
    geometry = ImageGeometry((4, 4), 2, (0, 0, 2, 2), 0.5)
    mask = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]], dtype=bool)
    assert shrink.shrink_mask(mask, geometry).astype(int).tolist() == [[1, 0], [0, 0]]  # 3/4, exactly half, 0, 1/4


def test_a_mask_too_thin_for_a_pixel_keeps_what_it_covers_most():
    geometry = ImageGeometry((8, 8), 2, (0, 0, 2, 2), 0.25)
    mask = np.zeros((8, 8), dtype=bool)
    mask[5, :7] = True
    assert shrink.shrink_mask(mask, geometry).astype(int).tolist() == [[0, 0], [1, 0]]
    assert not shrink.shrink_mask(np.zeros((8, 8), dtype=bool), geometry).any()


def test_masks_lie_where_the_image_lies(folder, small_shards):
    prepare_folder(folder, size=64, workers=1)
    prepared = open_prepared(folder, size=64)
    from PIL import Image

    for record in load_records(folder):
        masks = prepared.masks(record.id)
        if not len(record.boxes):
            assert masks is None
            continue
        bits = np.array(Image.open(str(folder / "stage_2_train_masks" / f"{record.id}.png")))
        truth = np.stack([(bits >> k & 1).astype(bool) for k in range(len(record.boxes))])
        near = masks_to_input(truth, prepared.geometry(record.id))  # the pixel at each middle: another way, near it
        assert masks.shape == near.shape and masks.dtype == bool
        assert (masks & near).sum() / (masks | near).sum() > 0.85


def test_the_same_bytes_whatever_the_number_of_processes(films, folder, tmp_path, small_shards):
    other = tmp_path / "other"
    shutil.copytree(str(films), str(other))
    prepare_folder(folder, size=64, workers=1)
    prepare_folder(other, size=64, workers=2)
    assert files_of(folder) == files_of(other)
    shards = [f"{kind}-0000{number}.npy" for kind in ("shard", "masks") for number in range(4)]
    assert set(files_of(folder)) == {"index.json", *shards}


def test_a_second_run_reads_no_film_and_changes_no_byte(folder, small_shards, monkeypatch):
    prepare_folder(folder, size=64, workers=1)
    before = files_of(folder)
    monkeypatch.setattr(preparing, "shrink_film", lambda task: pytest.fail("a film was read again"))
    summary = prepare_folder(folder, size=64, workers=1)
    assert (summary.made, summary.kept) == (0, 10)
    assert files_of(folder) == before


def stop_at(monkeypatch, number):
    """Let the film with a number stop the run, as a kill would but for what a process can do on its way out."""
    real = shrink.shrink_film

    def shrink_film(task):
        if task.id == film_id(number):
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(preparing, "shrink_film", shrink_film)


def test_going_on_does_finished_shards_not_again(films, folder, tmp_path, small_shards, monkeypatch):
    whole = tmp_path / "whole"
    shutil.copytree(str(films), str(whole))
    prepare_folder(whole, size=64, workers=1)
    with monkeypatch.context() as patch:
        stop_at(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            prepare_folder(folder, size=64, workers=1)
    with pytest.raises(CacheError, match=r"is not finished; type: .*data prepare .* --size 64"):
        open_prepared(folder, size=64)
    read, real = [], shrink.shrink_film
    monkeypatch.setattr(preparing, "shrink_film", lambda task: read.append(task.id) or real(task))
    summary = prepare_folder(folder, size=64, workers=1)
    assert read == [film_id(number) for number in (6, 7, 8, 9)]
    assert (summary.made, summary.kept, summary.prepared) == (4, 6, 10)
    assert files_of(folder) == files_of(whole)


@pytest.mark.parametrize("kind", ["film replaced", "note damaged", "shard damaged"])
def test_going_on_trusts_no_shard_that_does_not_fit(folder, small_shards, monkeypatch, kind):
    with monkeypatch.context() as patch:
        stop_at(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            prepare_folder(folder, size=64, workers=1)
    place = folder / "prepared" / "64"
    if kind == "film replaced":
        write_film(film_path(folder, 1), np.full((96, 64), 9, np.uint8))
    else:
        flip(place / ("shard-00000.json" if kind == "note damaged" else "shard-00000.npy"), 300)
    assert prepare_folder(folder, size=64, workers=1).made == 7
    image = open_prepared(folder, size=64).image(film_id(1))
    np.testing.assert_array_equal(image, np.rint(fit_to_square(pixels_of(film_path(folder, 1)), size=64)[0]))


def flip(path, place):
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def start_prepare(folder, *more, per_shard=3):
    """Return a running ``data prepare``, with small shards, in a process of its own."""
    code = "import sys; import mini_rcnn.data.prepared.prepare_plan as plan; plan.PER_SHARD = {}; " if per_shard else ""
    code = code.format(per_shard) + "from mini_rcnn.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "data", "prepare", str(folder), "--size", "64", *more]
    return subprocess.Popen(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ten_kills_leave_the_same_bytes(tmp_path, rng, small_shards):
    whole = make_folder(tmp_path / "whole", 60)
    broken = tmp_path / "broken"
    shutil.copytree(str(whole), str(broken))
    prepare_folder(whole, size=64, workers=1)
    kills, shards_seen = 0, []
    while kills < 10:
        run, place = start_prepare(broken, "--workers", "1"), broken / "prepared" / "64"
        wanted = len(list(place.glob("shard-*.npy"))) + int(rng.integers(0, 2))
        while run.poll() is None and len(list(place.glob("shard-*.npy"))) < wanted:
            time.sleep(0.001)
        while run.poll() is None and not (place / preparing.LOCK).exists():
            time.sleep(0.001)
        time.sleep(float(rng.uniform(0, 0.02)))
        if run.poll() is None:
            run.kill()
            kills += 1
        run.communicate()
        shards_seen.append(len(list(place.glob("shard-*.npy"))))
        if (place / "index.json").exists():
            open_prepared(broken, size=64)  # a finished cache is whole
            shutil.rmtree(str(place))
    prepare_folder(broken, size=64, workers=2)
    assert files_of(broken) == files_of(whole)
    assert max(shards_seen) > 0


def test_a_killed_run_leaves_no_process_and_no_lock_behind(tmp_path):
    psutil = pytest.importorskip("psutil")
    folder = make_folder(tmp_path / "folder", 200)
    run, place = start_prepare(folder, "--workers", "2"), folder / "prepared" / "64"
    while run.poll() is None and not list(place.glob("shard-*.npy")):
        time.sleep(0.005)
    children = psutil.Process(run.pid).children(recursive=True)
    assert children
    run.kill()
    run.communicate()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert prepare_folder(folder, size=64, workers=1).prepared == 200
    assert not list(place.glob(".*.new"))


def test_two_at_once_the_second_is_refused(folder):
    place = preparing.prepared_folder(folder, 64)
    place.mkdir(parents=True)
    with preparing.refusing_others(place):
        with pytest.raises(CacheError, match=rf"another `data prepare` is at work there \(process {os.getpid()}\)"):
            prepare_folder(folder, size=64, workers=1)
        run = start_prepare(folder)
        assert "at work there" in run.communicate()[1] and run.returncode == 1
    assert prepare_folder(folder, size=64, workers=1).prepared == 10


@pytest.mark.parametrize("kind", ["shard", "masks"])
def test_a_flipped_byte_is_found(folder, kind, small_shards):
    prepare_folder(folder, size=64, workers=1)
    prepared = open_prepared(folder, size=64)
    path = folder / "prepared" / "64" / f"{kind}-00000.npy"
    flip(path, 128 + 64 * 64 + 20)  # the second row: film 1
    read = prepared.image if kind == "shard" else prepared.masks
    read(film_id(0))
    with pytest.raises(CacheError) as caught:
        read(film_id(1))
    for word in (film_id(1), path.name, "damaged", "data prepare"):
        assert word in str(caught.value)
    summary = prepare_folder(folder, size=64, workers=1)  # what the text says mends it
    assert (summary.made, summary.kept) == (3, 7)
    prepared = open_prepared(folder, size=64)
    np.testing.assert_array_equal(
        prepared.image(film_id(1)), np.rint(fit_to_square(pixels_of(film_path(folder, 1)), size=64)[0])
    )


@pytest.mark.parametrize("cut", [0, 40, 127, 128, 5000])
def test_a_shard_cut_short_is_found(folder, cut):
    prepare_folder(folder, size=64, workers=1)
    prepared = open_prepared(folder, size=64)
    path = folder / "prepared" / "64" / "shard-00000.npy"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CacheError, match="shard-00000.npy"):
        prepared.image(film_id(9))
    path.unlink()
    with pytest.raises(CacheError, match="shard-00000.npy"):
        prepared.image(film_id(9))


def test_every_damage_to_the_index_is_found(folder, rng):
    prepare_folder(folder, size=64, workers=1)
    path = folder / "prepared" / "64" / "index.json"
    content = path.read_bytes()
    for place in rng.integers(0, len(content), 60).tolist():
        if chr(content[place]).isspace():
            continue
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(CacheError, match="index.json.*data prepare"):
            open_prepared(folder, size=64)
        path.write_bytes(content[:place])
        with pytest.raises(CacheError, match="index.json.*data prepare"):
            open_prepared(folder, size=64)
    for other in (b"[]", b"{}", b"null", b"\xff\xfe"):
        path.write_bytes(other)
        with pytest.raises(CacheError, match="is damaged"):
            open_prepared(folder, size=64)


def test_another_version_is_told_and_made_again(folder, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr("mini_rcnn.data.prepared.shards.VERSION", 0)
        prepare_folder(folder, size=64, workers=1)
    with pytest.raises(CacheError, match=r"another version of the lab \(0; this one writes 1\); type: "):
        open_prepared(folder, size=64)
    assert prepare_folder(folder, size=64, workers=1).made == 10
    assert "everything is prepared again" in capsys.readouterr().err
    assert len(open_prepared(folder, size=64)) == 10


def test_a_missing_cache_says_what_to_type(folder):
    with pytest.raises(CacheError) as caught:
        open_prepared(folder, size=64)
    assert f"python3 lab.py data prepare {folder} --size 64" in str(caught.value)
    prepare_folder(folder, size=64, workers=1)
    with pytest.raises(CacheError, match="index.json: is not there"):
        open_prepared(folder, size=65)
    with pytest.raises(CacheError, match="image nobody: is not in"):
        open_prepared(folder, size=64).image("nobody")


def test_a_replaced_film_is_noticed_and_only_it_is_done_again(folder, small_shards):
    prepare_folder(folder, size=64, workers=1)
    write_film(film_path(folder, 4), np.full((96, 64), 77, np.uint8))
    with pytest.raises(CacheError, match=f"{film_id(4)}.dcm: was replaced after it was prepared; type"):
        open_prepared(folder, size=64)
    summary = prepare_folder(folder, size=64, workers=1)
    assert (summary.made, summary.kept, summary.changed) == (1, 9, 1)
    assert open_prepared(folder, size=64).image(film_id(4)).max() == 77


def test_a_replaced_mask_is_noticed(folder):
    prepare_folder(folder, size=64, workers=1)
    masks = folder / "stage_2_train_masks"
    shutil.copyfile(str(masks / f"{film_id(2)}.png"), str(masks / f"{film_id(0)}.png"))
    with pytest.raises(CacheError, match=f"{film_id(0)}.png: was replaced"):
        open_prepared(folder, size=64)
    assert prepare_folder(folder, size=64, workers=1).changed == 1
    open_prepared(folder, size=64)


def test_new_file_times_alone_are_no_change(folder):
    prepare_folder(folder, size=64, workers=1)
    for path in (folder / "stage_2_train_images").iterdir():
        os.utime(str(path), (1, 1))
    open_prepared(folder, size=64)
    assert prepare_folder(folder, size=64, workers=1).made == 0
    assert open_prepared(folder, size=64).entry(film_id(0)).film.mtime_ns == 10**9


def test_films_added_and_removed_are_said_and_followed(folder, small_shards):
    path = film_path(folder, 2)
    path.rename(str(path) + ".away")
    summary = prepare_folder(folder, size=64, workers=1)
    assert (summary.prepared, summary.absent) == (9, 1)
    os.rename(str(path) + ".away", str(path))
    for number in (3, 4, 5):  # a whole shard of the nine: 0 1 3, 4 5 6, 7 8 9
        film_path(folder, number).unlink()
    summary = prepare_folder(folder, size=64, workers=1)
    assert (summary.prepared, summary.made, summary.gone, summary.absent) == (7, 1, 3, 3)
    prepared = open_prepared(folder, size=64)
    assert prepared.ids == tuple(film_id(number) for number in (0, 1, 2, 6, 7, 8, 9))
    for image_id in prepared.ids:
        prepared.image(image_id)


def test_films_that_are_new_are_prepared_when_the_folder_is_used_and_broken_ones_not_tried_again(folder, small_shards):
    away, told, records = [film_path(folder, number) for number in (2, 7)], [], load_records(folder)
    film_path(folder, 4).write_bytes(b"no film")
    for path in away:
        path.rename(str(path) + ".away")

    def used():
        return prepared_of(folder, load_records(folder), size=64, quiet=True, tell=told.append)

    assert len(used()) == 7
    assert told == [f"{folder}: the films are prepared for 64 pixels, once."]
    assert len(used()) == 7  # the broken one and the absent ones are no news
    assert len(told) == 1
    for path in away:
        os.rename(str(path) + ".away", str(path))
    prepared = used()
    assert told[1:] == [f"{folder}: films that are new (2) are prepared for 64 pixels, once."]
    assert prepared.ids == tuple(record.id for record in records if record.id != film_id(4))
    assert list(prepared.broken) == [film_id(4)]
    assert prepared.image(film_id(7)).shape == (64, 64)
    assert len(used()) == 9
    assert len(told) == 2
    film_path(folder, 0).unlink()  # one that is gone is still prepared
    assert film_id(0) in used()
    assert len(told) == 2


def test_new_films_do_not_cost_what_was_prepared_of_films_that_are_gone(folder):
    told, new = [], film_path(folder, 2)
    new.rename(str(new) + ".away")
    prepare_folder(folder, size=64, workers=1)
    os.rename(str(new) + ".away", str(new))
    film_path(folder, 0).unlink()
    for _ in range(2):
        prepared = prepared_of(folder, load_records(folder), size=64, quiet=True, tell=told.append)
        assert film_id(0) in prepared and film_id(2) not in prepared
        assert prepared.image(film_id(0)).shape == (64, 64)
    assert len(told) == 2 and "new (1) are left out" in told[0] and "the 1 whose films are gone" in told[0]
    assert told[0].endswith(f"data prepare {folder} --size 64")


def test_a_shard_of_which_nothing_is_left_is_removed(folder, small_shards):
    prepare_folder(folder, size=64, workers=1)
    for number in (3, 4, 5):
        film_path(folder, number).unlink()
    prepare_folder(folder, size=64, workers=1)
    assert not {"shard-00001.npy", "masks-00001.npy"} & set(files_of(folder))


def test_a_prepared_folder_may_travel_without_its_films(folder):
    prepare_folder(folder, size=64, workers=1)
    shutil.rmtree(str(folder / "stage_2_train_images"))
    assert open_prepared(folder, size=64).image(film_id(0)).shape == (64, 64)
    with pytest.raises(CacheError, match="none of the 10 films is there"):
        prepare_folder(folder, size=64, workers=1)
    assert len(open_prepared(folder, size=64)) == 10


def test_broken_films_are_named_and_decide_the_exit_code(folder, capsys):
    film_path(folder, 3).write_bytes(b"<html>not found</html>")
    (folder / "stage_2_train_masks" / f"{film_id(5)}.png").write_bytes(b"")
    assert prepare.main([str(folder), "--size", "64", "--workers", "1"]) == 1
    told = capsys.readouterr()
    assert f"stage_2_train_images/{film_id(3)}.dcm" in told.out and f"{film_id(5)}.png" in told.out
    assert "2 broken" in told.out and "8 films prepared" in told.out and "--keep-going" in told.err
    assert prepare.main([str(folder), "--size", "64", "--workers", "1", "--keep-going"]) == 0
    told = capsys.readouterr()
    assert film_id(3) in told.out
    prepared = open_prepared(folder, size=64)
    assert set(prepared.broken) == {film_id(3), film_id(5)} and film_id(3) not in prepared
    with pytest.raises(CacheError, match=f"image {film_id(3)}: stage_2_train_images/{film_id(3)}.dcm: "):
        prepared.image(film_id(3))
    write_film(film_path(folder, 3), np.zeros((96, 64), np.uint8))
    assert prepare_folder(folder, size=64, workers=1).prepared == 9


@pytest.mark.parametrize("content", ["two masks for one box", "another size", "colour", "text"])
def test_a_mask_that_does_not_fit_is_broken_by_name(folder, content):
    from PIL import Image

    path = folder / "stage_2_train_masks" / f"{film_id(0)}.png"
    pictures = {
        "two masks for one box": Image.fromarray(np.full((96, 64), 3, np.uint8)),
        "another size": Image.fromarray(np.full((96, 65), 1, np.uint8)),
        "colour": Image.fromarray(np.full((96, 64, 3), 1, np.uint8)),
    }
    if content in pictures:
        pictures[content].save(str(path))
    else:
        path.write_text("no picture")
    assert list(prepare_folder(folder, size=64, workers=1).broken) == [film_id(0)]


def kill_itself(task):
    if task.id == film_id(4):
        os._exit(3)
    return shrink.shrink_film(task)


def test_a_film_that_kills_its_process_is_named_and_the_others_come(folder, monkeypatch):
    monkeypatch.setattr(preparing, "shrink_film", kill_itself)
    summary = prepare_folder(folder, size=64, workers=2)
    assert summary.prepared == 9 and list(summary.broken) == [film_id(4)]
    assert f"{film_id(4)}.dcm: reading it killed the process" in summary.broken[film_id(4)]


def test_a_full_disk_is_said_before_and_on_the_way(folder, monkeypatch, small_shards):
    usage = shutil.disk_usage(str(folder))
    with monkeypatch.context() as patch:
        patch.setattr(preparing.shutil, "disk_usage", lambda path: usage._replace(free=100))
        with pytest.raises(CacheError, match="MiB free. Make room"):
            prepare_folder(folder, size=64, workers=1)
    real, calls = preparing.write_shard, []

    def full(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(preparing, "write_shard", full)
        with pytest.raises(CacheError, match="the disk is full; 1 of 4 shards"):
            prepare_folder(folder, size=64, workers=1)
    assert prepare_folder(folder, size=64, workers=1).made == 7


def test_memory_does_not_grow_with_the_number_of_films(tmp_path, monkeypatch):
    """What is alive at one time is at most a shard and its stacked copy, however many films there are."""
    import tracemalloc

    monkeypatch.setattr("mini_rcnn.data.prepared.prepare_plan.PER_SHARD", 4)
    peaks = []
    for n_films in (8, 40):
        folder, tries = make_folder(tmp_path / str(n_films), n_films), []
        for number in range(2):  # a thread that another test left may take memory, too: hardly twice
            tracemalloc.start()
            prepare_folder(folder, size=256, workers=1, to=tmp_path / f"{n_films}-{number}")
            tries.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        peaks.append(min(tries))
    images = 32 * 256 * 256  # bytes that 32 films more would take
    assert peaks[1] - peaks[0] < images / 4


def test_a_prepared_cache_may_be_sent_to_another_process(folder):
    import pickle

    prepare_folder(folder, size=64, workers=1)
    prepared = open_prepared(folder, size=64)
    again = pickle.loads(pickle.dumps(prepared))
    np.testing.assert_array_equal(again.image(film_id(1)), prepared.image(film_id(1)))


def test_the_index_is_json_with_an_image_a_line(folder):
    prepare_folder(folder, size=64, workers=1)
    text = (folder / "prepared" / "64" / "index.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["columns"] == list(cache.open_prepared(folder, size=64).entry(film_id(0))._fields)
    assert sum(film_id(3) in line for line in text.splitlines()) == 1
    assert str(folder) not in text  # the cache may move


@pytest.mark.parametrize("arguments", [["--size", "0"], ["--workers", "0"], ["--what"]])
def test_wrong_arguments_are_refused(folder, arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        prepare.main([str(folder), *arguments])
    assert stopped.value.code == 2 and "error" in capsys.readouterr().err
