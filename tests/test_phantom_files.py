"""Phantoms as a folder: the challenge's layout, the same bytes again, runs that stop and go on, nobody else's files."""

import csv
import hashlib
import json
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mini_rcnn import cli
from mini_rcnn.data import phantom_files
from mini_rcnn.data.dicom import read_image
from mini_rcnn.data.errors import DataError
from mini_rcnn.data.phantom import draw_phantom
from mini_rcnn.data.phantom_files import mask_bytes, plain, write_phantoms
from mini_rcnn.data.phantoms import phantom_folder
from mini_rcnn.data.phantoms.phantom_folder import JOURNAL, MANIFEST, changed_films
from mini_rcnn.data.phantoms.phantom_plan import plan_phantoms
from mini_rcnn.data.phantoms.phantom_types import Phantom
from mini_rcnn.data.prepared.shrink import read_mask_bits, unpack_masks
from mini_rcnn.data.rsna import find_contradictions, load_records

ROOT = Path(__file__).resolve().parent.parent
FILMS, MASKS = "stage_2_train_images", "stage_2_train_masks"


def small_phantom(plan):
    """Return a phantom of no anatomy, drawn at once: a noisy square with a rectangle an opacity."""
    rng = np.random.default_rng(plan.seed)
    image = rng.integers(90, 110, (64, 64)).astype(np.uint8)
    masks = np.zeros((plan.n_opacities, 64, 64), bool)
    boxes = np.array([[4 + 12 * k, 5, 14 + 12 * k, 30] for k in range(plan.n_opacities)], float).reshape(-1, 4)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int)):
        mask[y1:y2, x1:x2] = True
    image[masks.any(axis=0)] = 200
    return Phantom(image, boxes, masks, plan.class_name, {"gain": np.float32(0.1), "place": (1, np.int64(2))})


@pytest.fixture
def drawn(monkeypatch):
    """Let phantoms be drawn in no time, in this process, and return the list of those drawn."""
    found = []

    def draw(plan):
        found.append(plan.image_id)
        return small_phantom(plan)

    monkeypatch.setattr(phantom_files, "draw_phantom", draw)
    return found


def write(folder, n_images=12, *, seed=1, **options):
    return write_phantoms(folder, n_images, seed=seed, workers=1, quiet=True, **options)


def content_of(folder):
    """Return {relative name: SHA-256} of everything in a folder."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def rows_of(path):
    with open(str(path), newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


# The layout.


def test_one_positive_film_by_hand(drawn, tmp_path):
    plan = next(plan for plan in plan_phantoms(100, seed=1) if plan.n_opacities == 2)
    film = phantom_files.draw_to_files((str(tmp_path), plan))
    phantom_files.write_tables(tmp_path, [film])
    name = plan.image_id
    labels = f"patientId,x,y,width,height,Target\n{name},5.0,4.0,25.0,10.0,1\n{name},5.0,16.0,25.0,10.0,1\n"
    assert (tmp_path / "stage_2_train_labels.csv").read_text() == labels
    classes = f"patientId,class\n{name},Lung Opacity\n{name},Lung Opacity\n"
    assert (tmp_path / "stage_2_detailed_class_info.csv").read_text() == classes
    assert (tmp_path / "nih_patients.csv").read_text() == f"patientId,nih_patient\n{name},{plan.patient}\n"
    assert sorted(content_of(tmp_path)) == sorted(
        [f"{FILMS}/{name}.dcm", f"{MASKS}/{name}.png", "nih_patients.csv"]
        + ["stage_2_detailed_class_info.csv", "stage_2_train_labels.csv"]
    )


def test_a_film_without_a_box_has_empty_cells_and_no_mask(drawn, tmp_path):
    write(tmp_path, 1)
    (plan,) = plan_phantoms(1, seed=1)
    assert plan.n_opacities == 0
    assert rows_of(tmp_path / "stage_2_train_labels.csv")[1:] == [[plan.image_id, "", "", "", "", "0"]]
    assert not (tmp_path / MASKS).exists()


def test_no_films_at_all(drawn, tmp_path):
    assert write(tmp_path, 0) == (tmp_path, 0, 0)
    assert load_records(tmp_path) == [] and changed_films(tmp_path) == []
    assert (tmp_path / FILMS).is_dir()


def test_the_records_are_the_plan(drawn, tmp_path):
    write(tmp_path, 40)
    assert find_contradictions(tmp_path) == []
    plans = {plan.image_id: plan for plan in plan_phantoms(40, seed=1)}
    records = load_records(tmp_path)
    assert [record.id for record in records] == sorted(plans)
    for record in records:
        plan, phantom = plans[record.id], small_phantom(plans[record.id])
        assert (record.class_name, record.patient) == (plan.class_name, plan.patient)
        np.testing.assert_array_equal(record.boxes, phantom.boxes)
        film = read_image(record.path)
        assert np.abs(film.image.astype(int) - phantom.image).mean() < 3
        assert (film.header.view, film.header.sex, film.header.age) == (plan.view, plan.sex, plan.age)
        if plan.n_opacities:
            bits = read_mask_bits(tmp_path / MASKS / f"{record.id}.png", (64, 64), plan.n_opacities)
            np.testing.assert_array_equal(unpack_masks(bits, plan.n_opacities), phantom.masks)


def test_the_manifest_says_what_was_drawn(drawn, tmp_path):
    write(tmp_path, 40)
    manifest = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["command"] == "python3 lab.py data phantoms --images 40 --seed 1"
    assert (manifest["seed"], manifest["images"]) == (1, 40)
    assert "no patient" in manifest["statement"] and "CC0" in manifest["statement"]
    assert [film["id"] for film in manifest["films"]] == [plan.image_id for plan in plan_phantoms(40, seed=1)]
    content = content_of(tmp_path)
    listed = {name: sha256 for film in manifest["films"] for name, sha256 in film["files"].items()}
    assert listed == {name: sha256 for name, sha256 in content.items() if name.startswith("stage_2_train_")
                      and "/" in name}  # fmt: skip
    assert manifest["films"][0]["parameters"] == {"gain": 0.1, "place": [1, 2]}
    assert manifest["films"][0]["plan"]["view"] in ("PA", "AP")


def test_masks_may_overlap():
    masks = np.zeros((3, 4, 5), bool)
    masks[0, :2], masks[1, 1:3], masks[2, 3, 4] = True, True, True
    bits = cv2.imdecode(np.frombuffer(mask_bytes(masks), np.uint8), cv2.IMREAD_UNCHANGED)
    assert bits[:, 4].tolist() == [1, 3, 2, 4]
    for n_masks in (0, 9):
        with pytest.raises(ValueError, match=f"masks must be 1 to 8, a bit each, got {n_masks}"):
            mask_bytes(np.zeros((n_masks, 4, 5), bool))


def test_floats_of_the_manifest_have_six_digits():
    assert plain({"a": [1 / 3, np.float64(2e-9) / 3], "b": np.arange(2), 3: np.bool_(True)}) == {
        "a": [0.333333, 6.66667e-10], "b": [0, 1], "3": True,
    }  # fmt: skip


# The same again, and on from where it stopped.


def test_twice_gives_the_same_bytes(drawn, tmp_path):
    write(tmp_path / "one")
    write(tmp_path / "other")
    assert content_of(tmp_path / "one") == content_of(tmp_path / "other")
    write(tmp_path / "third", seed=2)
    assert content_of(tmp_path / "one") != content_of(tmp_path / "third")


def test_run_again_changes_nothing(drawn, tmp_path):
    write(tmp_path)
    before = content_of(tmp_path)
    assert write(tmp_path) == (tmp_path, 0, 12)
    assert content_of(tmp_path) == before and len(drawn) == 12


def test_a_set_grows(drawn, tmp_path):
    write(tmp_path / "grown", 5)
    assert write(tmp_path / "grown", 12) == (tmp_path / "grown", 7, 5)
    write(tmp_path / "whole", 12)
    assert content_of(tmp_path / "grown") == content_of(tmp_path / "whole")


def test_what_was_changed_or_lost_is_drawn_again(drawn, tmp_path):
    write(tmp_path, 40)
    before = content_of(tmp_path)
    films = sorted((tmp_path / FILMS).iterdir())
    masks = sorted((tmp_path / MASKS).iterdir())
    broken = bytearray(films[3].read_bytes())
    broken[-20] ^= 1
    films[3].write_bytes(broken)
    films[5].unlink()
    masks[0].write_bytes(b"")
    wrong = {films[3].stem, films[5].stem, masks[0].stem}
    assert set(changed_films(tmp_path)) == wrong
    assert write(tmp_path, 40).drawn == len(wrong)
    assert content_of(tmp_path) == before and changed_films(tmp_path) == []


def test_ctrl_c_and_on(monkeypatch, drawn, tmp_path):
    def stop(plan):
        if len(drawn) == 7:
            raise KeyboardInterrupt
        drawn.append(plan.image_id)
        return small_phantom(plan)

    quick = phantom_files.draw_phantom
    monkeypatch.setattr(phantom_files, "draw_phantom", stop)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "stopped")
    assert not (tmp_path / "stopped" / MANIFEST).exists() and len(drawn) == 7
    monkeypatch.setattr(phantom_files, "draw_phantom", quick)
    assert write(tmp_path / "stopped") == (tmp_path / "stopped", 5, 7)
    write(tmp_path / "whole")
    assert content_of(tmp_path / "stopped") == content_of(tmp_path / "whole")


@pytest.mark.parametrize("cut", [0, 1, 30, 400])
def test_a_journal_cut_short_costs_a_film_at_most(monkeypatch, drawn, tmp_path, cut):
    monkeypatch.setattr(phantom_files, "write_tables", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(phantom_files, "draw_phantom", small_phantom)
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes()[: -cut or None])
    (tmp_path / FILMS / ".film.dcm.123.new").write_bytes(b"half a film")
    assert write(tmp_path).drawn == (cut > 0)
    assert changed_films(tmp_path) == [] and not list(tmp_path.rglob("*.new")) and not journal.exists()


KILLED = """
import sys, time
sys.path[:0] = [{root!r}, {tests!r}]
from test_phantom_files import phantom_files, small_phantom, write
phantom_files.draw_phantom = lambda plan: time.sleep(0.02) or small_phantom(plan)
print("begun", flush=True)
write({folder!r}, 60)
"""


def test_kill_9_and_on(drawn, tmp_path):
    code = KILLED.format(root=str(ROOT), tests=str(ROOT / "tests"), folder=str(tmp_path / "killed"))
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"begun"
    while not list((tmp_path / "killed" / FILMS).glob("*.dcm"))[10:]:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate()
    kept = write(tmp_path / "killed", 60).kept
    write(tmp_path / "whole", 60)
    assert 10 <= kept < 60
    assert content_of(tmp_path / "killed") == content_of(tmp_path / "whole")


# Two processes.

DRAWER = """
import sys, time
sys.path[:0] = [{root!r}, {tests!r}]
from test_phantom_files import phantom_files, small_phantom
phantom_files.draw_phantom = lambda plan: time.sleep(0.1) or small_phantom(plan)  # so that the other is in time to wait
print("begun", flush=True)
sys.stdin.readline()
for _ in range({times}):
    print(*phantom_files.write_phantoms({folder!r}, 40, seed=3, workers=1, replace=True)[1:], flush=True)
"""


def drawers(folder, *, number, times):
    """Start processes that draw into a folder at one moment, and return what each printed and said on stderr."""
    code = DRAWER.format(root=str(ROOT), tests=str(ROOT / "tests"), folder=str(folder), times=times)
    command = [sys.executable, "-W", "ignore", "-c", code]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    processes = [subprocess.Popen(command, **pipes) for _ in range(number)]
    for process in processes:
        assert process.stdout.readline().strip() == "begun"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * number, said
    return said


def test_two_processes_draw_one_set_once(drawn, tmp_path):
    (first, _), (second, _) = said = drawers(tmp_path / "both", number=2, times=1)
    assert sorted([first.split(), second.split()]) == [["0", "40"], ["40", "0"]]
    assert sum("another lab.py is drawing phantoms into" in errors for _, errors in said) == 1
    assert not list((tmp_path / "both").rglob("*.new"))
    assert write(tmp_path / "both", 40, seed=3) == (tmp_path / "both", 0, 40)


def test_what_is_finished_is_only_read(drawn, tmp_path):
    """Other processes may read it, or draw it at the same moment: nothing is written, nothing removed."""
    write(tmp_path, 40, seed=3)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for printed, errors in drawers(tmp_path, number=2, times=20):
        assert printed.split() == ["0", "40"] * 20 and "another" not in errors
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("name", ["stage_2_train_labels.csv", "nih_patients.csv"])
def test_a_table_that_was_changed_is_written_again(drawn, tmp_path, name):
    write(tmp_path)
    before = content_of(tmp_path)
    (tmp_path / name).write_text("patientId\n")
    assert write(tmp_path) == (tmp_path, 0, 12)
    (tmp_path / name).unlink()
    write(tmp_path)
    assert content_of(tmp_path) == before


def test_a_kill_before_the_end_is_tidied(monkeypatch, drawn, tmp_path):
    """The journal goes last: whoever finds none finds nothing half-written either."""
    monkeypatch.setattr(phantom_files, "remove_leftovers", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(tmp_path)
    monkeypatch.undo()
    (tmp_path / ".phantoms.json.123.new").write_text("half")
    assert write(tmp_path) == (tmp_path, 0, 12)
    assert not list(tmp_path.rglob("*.new")) and not (tmp_path / JOURNAL).exists()


# Nobody else's files.


def test_a_folder_of_something_else_is_left_alone(drawn, tmp_path):
    for name in ("stage_2_train_labels.csv", "notes.txt", ".hidden"):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        (folder / name).write_text("mine")
        for replace in (False, True):
            with pytest.raises(DataError, match="and no phantoms. Choose a new or empty folder with --to"):
                write(folder, replace=replace)
        assert [path.name for path in folder.iterdir()] == [name] and (folder / name).read_text() == "mine"
    with pytest.raises(DataError, match="is a file. Choose a folder"):
        write(folder / name)


@pytest.mark.parametrize("text", ["", "[]", "{}", "<html>", '{"seed": 1, "images": 3}'])
def test_a_manifest_of_something_else_is_no_licence(drawn, tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(DataError, match="is not the manifest of phantoms"):
        write(tmp_path, replace=True)
    assert (tmp_path / MANIFEST).read_text() == text


def test_a_strange_film_is_left_alone(drawn, tmp_path):
    write(tmp_path)
    strange = tmp_path / FILMS / f"{uuid.UUID(int=5)}.dcm"
    strange.write_bytes(b"somebody's film")
    for options in ({}, {"seed": 2, "replace": True}):
        with pytest.raises(DataError, match="was not drawn here. Move it away"):
            write(tmp_path, **options)
    assert strange.read_bytes() == b"somebody's film"


MORE = {"more_ill": 5}


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ({}, {"seed": 2}), ({}, {"n_images": 11}), ({}, {"n_images": 0}),
        # With more images as they come, others follow them: the more ill ones that are there belong to no such set.
        (MORE, {}), (MORE, {"more_ill": 2}), (MORE, {"n_images": 13, **MORE}), (MORE, {"n_images": 20}),
    ],
)  # fmt: skip
def test_other_phantoms_are_kept_unless_told(drawn, tmp_path, there, asked):
    write(tmp_path / "there", **there)
    (tmp_path / "there" / "splits").mkdir()
    (tmp_path / "there" / "splits" / "mine.json").write_text("{}")
    before = content_of(tmp_path / "there")
    known = rf"holds other phantoms \(images 12, seed 1, more_ill {there.get('more_ill', 0)}, .*--replace"
    with pytest.raises(DataError, match=known):
        write(tmp_path / "there", **asked)
    assert content_of(tmp_path / "there") == before
    write(tmp_path / "there", replace=True, **asked)
    write(tmp_path / "new", **asked)
    after = content_of(tmp_path / "there")
    assert after.pop("splits/mine.json")
    assert after == content_of(tmp_path / "new")


def test_more_ill_films_are_drawn_on_top(drawn, tmp_path):
    write(tmp_path / "grown")
    assert write(tmp_path / "grown", more_ill=3) == (tmp_path / "grown", 3, 12)
    write(tmp_path / "grown", more_ill=5)
    write(tmp_path / "new", more_ill=5)
    assert content_of(tmp_path / "grown") == content_of(tmp_path / "new")
    manifest = json.loads((tmp_path / "new" / MANIFEST).read_text())
    assert (manifest["images"], manifest["more_ill"], len(manifest["films"])) == (12, 5, 17)
    assert manifest["command"] == "python3 lab.py data phantoms --images 12 --more-ill 5 --seed 1"
    assert all(film["boxes"] for film in manifest["films"][12:])


def test_a_manifest_from_before_there_were_more_ill_films_is_read(drawn, tmp_path):
    write(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    del manifest["more_ill"]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    assert write(tmp_path, 13) == (tmp_path, 1, 12)


def test_a_new_way_of_drawing_is_not_mixed_with_the_old(monkeypatch, drawn, tmp_path):
    write(tmp_path)
    monkeypatch.setattr(phantom_files, "drawing_version", lambda: "another")
    with pytest.raises(DataError, match="version another"):
        write(tmp_path, 20)
    assert write(tmp_path, 20, replace=True) == (tmp_path, 20, 0)


def test_the_version_follows_the_code_that_draws(monkeypatch, tmp_path):
    here, there = Path(phantom_folder.__file__).parent, tmp_path / "phantoms"
    there.mkdir()
    for path in [*here.glob("phantom*.py"), here.parent / "phantom.py", here.parent / "write_dicom.py"]:
        shutil.copy(str(path), str(tmp_path / path.relative_to(here.parent)))
    monkeypatch.setattr(phantom_folder, "__file__", str(there / "phantom_folder.py"))
    before = phantom_folder.drawing_version()
    drawing = ("phantom.py", "write_dicom.py", "phantoms/phantom_plan.py", "phantoms/phantom_film.py")
    for name in ("phantoms/phantom_statistics.py", "phantoms/phantom_measures.py", *drawing):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content + b"#")
        assert (phantom_folder.drawing_version() != before) == (name in drawing), name
        (tmp_path / name).write_bytes(content.replace(b"\n", b"\r\n"))  # a checkout on Windows
        assert phantom_folder.drawing_version() == before, name


def test_a_full_disk_is_seen_before_the_first_film(monkeypatch, drawn, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(DataError, match=r"12 films need 4 MB and the disk has 1 MB free. Make room"):
        write(tmp_path / "new")
    assert not drawn and not (tmp_path / "new").exists()


@pytest.mark.parametrize("n_images, seed", [(-1, 1), (1, -1), (2.5, 1)])
def test_bad_numbers_are_refused(drawn, tmp_path, n_images, seed):
    with pytest.raises(ValueError, match="must be a whole number"):
        write(tmp_path / "new", n_images, seed=seed)
    assert not (tmp_path / "new").exists()


# The command, and real drawing in several processes.


def test_the_command(drawn, tmp_path, capsys):
    arguments = ["data", "phantoms", "--images", "3", "--seed", "5", "--workers", "1", "--to", str(tmp_path / "p")]
    assert cli.main(arguments) == 0
    assert "3 films drawn. See phantoms.json" in capsys.readouterr().out
    assert cli.main(arguments) == 0
    assert "0 films drawn, 3 were there" in capsys.readouterr().out
    assert cli.main(arguments[:4] + ["--seed", "6"] + arguments[6:]) == 1
    assert "--replace" in capsys.readouterr().err
    for wrong in (["--images", "-1"], ["--seed", "x"], ["--images", "1.5"]):
        with pytest.raises(SystemExit) as end:
            cli.main(["data", "phantoms", *wrong])
        assert end.value.code == 2


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["data", "phantoms", "--help"])
    assert end.value.code == 0
    assert "python3 lab.py data phantoms --images 400 --seed 1" in capsys.readouterr().out


def test_a_process_that_dies_says_what_to_do():
    (plan,) = plan_phantoms(1, seed=1)
    with pytest.raises(DataError, match=f"drawing {plan.image_id} ended its process.*--workers 1"):
        phantom_files.died(("folder", plan))


def test_real_drawing_whatever_the_number_of_processes(tmp_path):
    write_phantoms(tmp_path / "one", 5, seed=1, workers=1, quiet=True)
    write_phantoms(tmp_path / "two", 5, seed=1, workers=2, quiet=True)
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")
    for plan, record in zip(
        sorted(plan_phantoms(5, seed=1), key=lambda plan: plan.image_id), load_records(tmp_path / "one")
    ):
        phantom, film = draw_phantom(plan), read_image(record.path)
        assert film.image.shape == (1024, 1024) and len(record.boxes) == plan.n_opacities
        difference = np.abs(film.image.astype(int) - phantom.image)  # what JPEG of quality 92 costs
        assert difference.mean() < 2 and difference.max() <= 40
        np.testing.assert_array_equal(record.boxes, phantom.boxes)
