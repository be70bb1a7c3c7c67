"""Getting the challenge: from Kaggle (its real command and pretended ones), archives, folders and addresses."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import uuid
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from test_download import serving

from mini_rcnn import cli
from mini_rcnn.data import check, get_rsna
from mini_rcnn.data.errors import ArchiveError, TableError
from mini_rcnn.data.getting import kaggle_command, unpacking
from mini_rcnn.data.getting.kaggle_command import COMPETITION, download_from_kaggle, meaning_of, without_secrets
from mini_rcnn.data.rsna import counts, load_records

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "rsna"
IDS = [str(uuid.UUID(int=number)) for number in range(1, 21)]
CANARY = "CANARY0123456789abcdef"
LABELS, CLASS_INFO = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"


def film(image_id):
    """Return a tiny film as DICOM bytes."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = f"2.25.{uuid.UUID(image_id).int}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", Dataset(), file_meta=meta, preamble=bytes(128))
    data.is_little_endian, data.is_implicit_VR = True, False
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.PhotometricInterpretation = "CR", "MONOCHROME2"
    data.Rows = data.Columns = 64
    data.SamplesPerPixel, data.BitsAllocated, data.BitsStored, data.HighBit = 1, 8, 8, 7
    data.PixelRepresentation = 0
    data.PixelData = np.random.default_rng(uuid.UUID(image_id).int).integers(0, 256, 64 * 64, dtype=np.uint8).tobytes()
    out = io.BytesIO()
    data.save_as(out, write_like_original=False)
    return out.getvalue()


@pytest.fixture(scope="module")
def challenge():
    """Return a challenge of 20 films as ``{name: bytes}``: 5 positive ones with 8 boxes, and what the lab needs not."""
    films = {f"stage_2_train_images/{image_id}.dcm": quiet_film(image_id) for image_id in IDS}
    boxes = [1, 2, 3, 1, 1] + [0] * 15
    labels, classes = ["patientId,x,y,width,height,Target"], ["patientId,class"]
    for image_id, n_boxes in zip(IDS, boxes):
        labels += [f"{image_id},{10.0 + 100 * i},20.0,50.0,60.0,1" for i in range(n_boxes)] or [f"{image_id},,,,,0"]
        classes += [f"{image_id},{'Lung Opacity' if n_boxes else 'Normal'}"] * max(1, n_boxes)
    others = {
        "GCP Credentials Request - RSNA.txt": b"text",
        "stage_2_sample_submission.csv": b"patientId,PredictionString\n",
        "stage_2_test_images/one.dcm": quiet_film(IDS[0]),
    }
    tables = {LABELS: "\n".join(labels).encode(), CLASS_INFO: "\n".join(classes).encode()}
    return {**others, **tables, **films}


def quiet_film(image_id):
    """Return a film without pydicom 3's remarks about the attributes that pydicom 2 needs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return film(image_id)


def zipped(path, files, start=""):
    """Write files as a zip, perhaps in a folder in it."""
    with zipfile.ZipFile(str(path), "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(start + name, data)
    return path


def tarred(path, files, start=""):
    """Write files as a tar.gz."""
    with tarfile.open(str(path), "w:gz") as out:
        for name, data in files.items():
            info = tarfile.TarInfo(start + name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def laid_out(path, files, start=""):
    """Write files as a folder."""
    for name, data in files.items():
        (path / (start + name)).parent.mkdir(parents=True, exist_ok=True)
        (path / (start + name)).write_bytes(data)
    return path


def tree(folder):
    """Return ``{name: bytes}`` of a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def wanted(challenge):
    """Return what of the challenge belongs into the folder."""
    return {name: data for name, data in challenge.items() if "train" in name or "class" in name}


def get(*arguments):
    """Run the command as lab.py does, films unread, and return its exit code."""
    return cli.data(["rsna", "--quick", *map(str, arguments)])


@pytest.mark.parametrize("start", ["", "rsna-challenge/", "./"])
@pytest.mark.parametrize("make, name", [(zipped, "c.zip"), (tarred, "c.tar.gz"), (laid_out, "c")])
def test_what_the_lab_needs_comes_out_of_any_form(tmp_path, challenge, capsys, make, name, start):
    source = make(tmp_path / name, {**challenge, "__MACOSX/._stage_2_train_labels.csv": b"junk"}, start)
    assert get("--from", source, "--to", tmp_path / "to") == 1  # a part of the challenge
    found = tree(tmp_path / "to")
    manifest = json.loads(found.pop("manifest.json").decode())
    assert found == wanted(challenge)
    assert set(manifest["files"]) == set(found)
    for file, known in manifest["files"].items():
        assert known == {"bytes": len(found[file]), "sha256": hashlib.sha256(found[file]).hexdigest()}
    if source.is_file():
        assert manifest["archive"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert manifest["citation"] and "attribution" in manifest["terms"]
    assert str(tmp_path) not in json.dumps(manifest)
    said = capsys.readouterr().out
    assert "22 files unpacked" in said and "20 images" in said and "8 boxes" in said
    assert "images: 20, 26,664 fewer than the challenge has" in said and "It works as it is" in said
    assert len(load_records(tmp_path / "to")) == 20


def test_a_second_run_changes_nothing(tmp_path, challenge, capsys):
    source = zipped(tmp_path / "c.zip", challenge)
    get("--from", source, "--to", tmp_path / "to")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "to").rglob("*")}
    capsys.readouterr()
    assert get("--from", source, "--to", tmp_path / "to") == 1
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "to").rglob("*")} == before
    get("--from", source, "--to", tmp_path / "again")
    source.unlink()  # who needs the room removes it
    assert get("--from", source, "--to", tmp_path / "to") == 1
    assert "nothing to do" in capsys.readouterr().out
    assert tree(tmp_path / "again") == tree(tmp_path / "to")


def test_the_test_images_only_when_asked_for(tmp_path, challenge, capsys):
    source = zipped(tmp_path / "c.zip", challenge)
    get("--from", source, "--to", tmp_path / "to")
    get("--from", source, "--to", tmp_path / "to", "--with-test-images")
    assert "stage_2_test_images/one.dcm" in tree(tmp_path / "to")
    assert "1 files unpacked, 22 were there already" in capsys.readouterr().out
    get("--from", source, "--to", tmp_path / "to")
    assert "nothing to do" in capsys.readouterr().out


def test_missing_and_changed_files_come_back(tmp_path, challenge, capsys):
    source, folder = zipped(tmp_path / "c.zip", challenge), tmp_path / "to"
    get("--from", source, "--to", folder)
    good = tree(folder)
    films = sorted((folder / "stage_2_train_images").iterdir())
    films[0].unlink()
    films[1].write_bytes(films[1].read_bytes()[:-5])
    films[2].write_bytes(films[2].read_bytes()[:-1] + b"?")
    (folder / LABELS).write_bytes(b"?" * len(challenge[LABELS]))
    later = (folder / "manifest.json").stat().st_mtime_ns + 10**9
    for path in (films[2], folder / LABELS):
        os.utime(str(path), ns=(later, later))
    capsys.readouterr()
    get("--from", source, "--to", folder)
    said = capsys.readouterr().out
    for path, words in zip(films, ("is not there", "bytes instead of", "has other bytes")):
        assert f"{path} {words}" in said or (path.name in said and words in said)
    assert "4 files unpacked" in said
    assert tree(folder) == good


def test_verify_finds_what_a_disk_lost(tmp_path, challenge, capsys):
    """A flipped bit under an old date: only reading everything shows it."""
    folder = tmp_path / "to"
    get("--from", zipped(tmp_path / "c.zip", challenge), "--to", folder)
    assert cli.data(["rsna", "--verify", "--to", str(folder)]) == 0
    for number in (3, 11, 19):
        path = folder / "stage_2_train_images" / f"{IDS[number]}.dcm"
        old, data = path.stat().st_mtime_ns, bytearray(path.read_bytes())
        data[number * 50] ^= 1
        path.write_bytes(bytes(data))
        os.utime(str(path), ns=(old, old))
    get("--from", tmp_path / "c.zip", "--to", folder)
    assert "nothing to do" in capsys.readouterr().out
    assert cli.data(["rsna", "--verify", "--to", str(folder)]) == 1
    said = capsys.readouterr().out
    assert (
        all(f"{IDS[number]}.dcm has other bytes" in said for number in (3, 11, 19)) and said.count("other bytes") == 3
    )
    assert cli.data(["rsna", "--verify", "--to", str(tmp_path / "nowhere")]) == 1


def test_the_whole_challenge_ends_with_zero(tmp_path, challenge, capsys, monkeypatch):
    source, folder = zipped(tmp_path / "c.zip", challenge), tmp_path / "to"
    get("--from", source, "--to", folder)
    monkeypatch.setattr(check, "FULL", counts(load_records(folder)))  # as if 20 films were all
    assert get("--from", source, "--to", folder) == 0
    assert "Everything of the challenge is here." in capsys.readouterr().out
    (folder / "stage_2_train_images" / f"{IDS[0]}.dcm").unlink()
    part = {name: data for name, data in challenge.items() if IDS[0] not in name}
    assert get("--from", zipped(tmp_path / "part.zip", part), "--to", folder) == 1
    assert "1 are absent" in capsys.readouterr().out


def test_films_are_read_once_and_broken_ones_named(tmp_path, challenge, capsys):
    source, folder = zipped(tmp_path / "c.zip", challenge), tmp_path / "to"
    assert cli.data(["rsna", "--from", str(source), "--to", str(folder)]) == 1
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["films_read"] == 20
    cli.data(["rsna", "--from", str(source), "--to", str(folder)])
    assert "The 20 films were read when they were unpacked" in capsys.readouterr().out

    name = f"stage_2_train_images/{IDS[7]}.dcm"
    broken = zipped(tmp_path / "b.zip", {**challenge, name: challenge[name][:300]})
    assert cli.data(["rsna", "--from", str(broken), "--to", str(tmp_path / "broken")]) == 1
    said = capsys.readouterr().out
    assert IDS[7] in said and not any(IDS[other] in said for other in (0, 6, 8, 19))
    assert json.loads((tmp_path / "broken" / "manifest.json").read_text(encoding="utf-8"))["films_read"] is None


def test_a_folder_alone_is_used_in_place(tmp_path, challenge, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = tree(laid_out(tmp_path / "c", challenge, "deep/"))
    assert get("--from", tmp_path / "c") == 1
    assert f"{tmp_path / 'c' / 'deep'} is used where it is" in capsys.readouterr().out
    assert tree(tmp_path / "c") == before and [path.name for path in tmp_path.iterdir()] == ["c"]
    assert get("--from", tmp_path / "c" / "deep", "--to", tmp_path / "c" / "deep") == 1  # with --to: a manifest, too
    assert set(tree(tmp_path / "c")) == set(before) | {"deep/manifest.json"}


@pytest.mark.skipif(not SHARED.exists(), reason="the real films of ../shared/rsna are not here")
def test_real_films_in_place(capsys):
    before = sorted(path.name for path in SHARED.iterdir())
    assert get("--from", SHARED) == 1
    said = capsys.readouterr().out
    assert "239 images of 196 patients, 89 positive; 292 rows, 142 boxes" in said and "none is absent" in said
    assert sorted(path.name for path in SHARED.iterdir()) == before


def test_two_sets_of_data_do_not_mix(tmp_path, challenge, capsys):
    get("--from", zipped(tmp_path / "c.zip", challenge), "--to", tmp_path / "to")
    before = tree(tmp_path / "to")
    other = {**challenge, LABELS: challenge[LABELS].replace(b"20.0", b"21.0")}
    assert get("--from", zipped(tmp_path / "d.zip", other), "--to", tmp_path / "to") == 1
    assert "holds other data already" in capsys.readouterr().err
    assert tree(tmp_path / "to") == before


@pytest.mark.parametrize("files, words", [
    ({"stage_2_train_images/a.dcm": b""}, "there is no stage_2_train_labels.csv in it"),
    ({"stage_2_train_images.zip": b"PK", LABELS + ".zip": b"PK"}, "zips in turn"),
    ({f"a/{LABELS}": b"", f"b/{LABELS}": b""}, "more than one folder"),
    ({f"a/b/{LABELS}": b""}, "there is no"),
    ({LABELS: b"", "../out.dcm": b""}, "refused, nothing was unpacked: the member '../out.dcm'"),
    ({}, "begins with nothing"),
])  # fmt: skip
def test_archives_that_are_not_it(tmp_path, capsys, files, words):
    assert get("--from", zipped(tmp_path / "c.zip", files), "--to", tmp_path / "to") == 1
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["c.zip"]


def test_wrong_arguments(tmp_path, challenge, capsys):
    assert get("--from", tmp_path / "absent.zip", "--to", tmp_path / "to") == 1
    assert "there is no such file or folder" in capsys.readouterr().err
    source = zipped(tmp_path / "c.zip", challenge)
    assert get("--from", source, "--to", tmp_path / "to", "--sha256", "0" * 64) == 1
    assert "another file than wanted" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        get("--sha256", "12")
    assert ended.value.code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["c.zip"]


def test_an_address(tmp_path, challenge, capsys, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    content = zipped(tmp_path / "c.zip", challenge).read_bytes()
    with serving(content=content, cuts=(len(content) // 2,)) as server:
        monkeypatch.setattr("mini_rcnn.data.getting.download.time.sleep", lambda _: None)
        address = server.url + f"?key={CANARY}"
        arguments = ("--from", address, "--to", tmp_path / "to", "--sha256", hashlib.sha256(content).hexdigest())
        assert get(*arguments) == 1
        assert get(*arguments) == 1
    assert len(server.seen) == 2
    said = "".join(capsys.readouterr())
    assert "nothing to do" in said and CANARY not in said
    found = tree(tmp_path / "to")
    assert CANARY.encode() not in found.pop("manifest.json")
    assert found == wanted(challenge)


def test_the_disk_is_asked_first(tmp_path, challenge, capsys, monkeypatch):
    class Usage:
        free = 64 << 20

    source = zipped(tmp_path / "c.zip", challenge)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: Usage)
    assert get("--from", source, "--to", tmp_path / "to") == 1
    assert "unpacking needs" in capsys.readouterr().err
    monkeypatch.setattr(kaggle_command, "run", lambda *_: pytest.fail("nothing may be started"))
    assert get("--to", tmp_path / "to") == 1
    assert "Kaggle's zip, with what comes out of it, needs 7.9 GB" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["c.zip"]


def test_the_script_is_the_same_command():
    done = subprocess.run(
        [sys.executable, str(ROOT / "data_scripts" / "get_rsna.py"), "--help"], capture_output=True, timeout=60
    )
    assert done.returncode == 0 and b"example: python3 lab.py data rsna --from" in done.stdout


# --- Kaggle -------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Make an empty home, without a token."""
    (tmp_path / "home").mkdir()
    for name in list(os.environ):
        if name.startswith("KAGGLE") or name.lower().endswith("_proxy") or name == "XDG_CONFIG_HOME":
            monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home"


def run_lab(tmp_path):
    """Run the command in a process of its own, and return its exit code and all it says."""
    code = [sys.executable, str(ROOT / "data_scripts" / "get_rsna.py"), "--to", str(tmp_path / "to")]
    done = subprocess.run(code, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, cwd=str(tmp_path))
    return done.returncode, done.stdout.decode("utf-8")


def test_kaggle_without_a_token_explains_the_steps(tmp_path, home):
    """Kaggle's real command in an empty home: no network is needed to find out."""
    code, said = run_lab(tmp_path)
    assert code == 1 and "Traceback" not in said
    for step in (
        "account",
        "/rules",
        "kaggle.json",
        "~/.kaggle",
        "Windows",
        "KAGGLE_USERNAME",
        "KAGGLE_API_TOKEN",
        "--from",
    ):
        assert step in said
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize("content", ["{", '{"username": "me"}', '"text"'])
def test_kaggle_with_a_broken_token_file(tmp_path, home, content):
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "kaggle.json").write_text(content)
    code, said = run_lab(tmp_path)
    assert code == 1 and "Traceback" not in said


def real_command(url):
    """Return Kaggle's real command, told that kaggle.com is our server."""
    patch = f"import kagglesdk.kaggle_env as k\nk._env_to_endpoint[k.KaggleEnv.PROD] = {url.rsplit('/lab', 1)[0]!r}\n"
    return [sys.executable, "-c", patch + kaggle_command.COMMAND]


@pytest.fixture
def token(home, monkeypatch):
    """Put a token into the home."""
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "me", "key": CANARY}))
    (home / ".kaggle" / "kaggle.json").chmod(0o600)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


MOVED = (302, {"Location": f"/store/{COMPETITION}.zip?sig={CANARY}2", "Content-Length": "0"}, b"")


def test_kaggle_gives_a_zip(tmp_path, challenge, token, capfd):
    content = zipped(tmp_path / "c.zip", challenge).read_bytes()
    with serving(content=content, answers={0: MOVED}, modified="Wed, 21 Oct 2015 07:28:00 GMT") as server:
        path = download_from_kaggle(tmp_path / "dl", command=real_command(server.url))
    assert path.read_bytes() == content
    assert [file.name for file in (tmp_path / "dl").iterdir()] == [f"{COMPETITION}.zip"]
    said = "".join(capfd.readouterr())
    assert "100%" in said and CANARY not in said
    assert download_from_kaggle(tmp_path / "dl", command=["must not be started"]) == path


def test_kaggle_takes_a_token_of_the_newer_kind(tmp_path, challenge, home, monkeypatch, capfd):
    monkeypatch.setenv("KAGGLE_API_TOKEN", CANARY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    content = zipped(tmp_path / "c.zip", challenge).read_bytes()
    with serving(content=content, answers={0: MOVED}) as server:
        download_from_kaggle(tmp_path / "dl", command=real_command(server.url))
    assert server.seen[0]["Authorization"] == f"Bearer {CANARY}"
    assert CANARY not in "".join(capfd.readouterr())


def test_kaggle_is_cut_and_the_next_run_begins_anew(tmp_path, challenge, token, capfd):
    content = zipped(tmp_path / "c.zip", challenge).read_bytes()
    done = tmp_path / "dl" / f"{COMPETITION}.zip"
    with serving(content=content, cuts=(0, len(content) // 2), answers={0: MOVED, 2: MOVED}) as server:
        server.at_name = lambda _: server.seen[-1].update(there=done.exists())
        with pytest.raises(ArchiveError, match="the connection broke") as error:
            download_from_kaggle(tmp_path / "dl", command=real_command(server.url))
        assert not done.exists()
        assert download_from_kaggle(tmp_path / "dl", command=real_command(server.url)).read_bytes() == content
    assert not any(request["there"] for request in server.seen)
    assert CANARY not in str(error.value) + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "status, words", [(401, "does not accept the token"), (403, "accept them"), (429, "wait"), (404, "404")]
)
def test_kaggle_refuses(tmp_path, token, capfd, status, words):
    answer = (status, {"Content-Length": "0"}, b"")
    with serving(answers={"all": answer}) as server, pytest.raises(ArchiveError, match=words) as error:
        download_from_kaggle(tmp_path / "dl", command=real_command(server.url))
    said = str(error.value) + "".join(capfd.readouterr())
    assert "Traceback" not in said and CANARY not in said
    assert ("/rules" in said) == (status in (401, 403))
    assert not (tmp_path / "dl").exists()


def test_kaggle_is_not_there(tmp_path, token):
    with serving() as server:
        url = server.url
    with pytest.raises(ArchiveError, match="cannot be reached"):
        download_from_kaggle(tmp_path / "dl", command=real_command(url))


def pretend(code):
    """Return a command that runs some code with the wanted zip's path in ``path``."""
    start = f"import os, sys; path = os.path.join(sys.argv[-1], '{COMPETITION}.zip'); "
    return [sys.executable, "-c", start + code]


@pytest.mark.parametrize("code, words", [
    ("sys.exit(7)", "ended with 7"),
    ("pass", "ended with 0"),
    ("print('new words'); sys.exit(1)", "new words"),
    ("print('Authorization: Basic ' + os.environ['KAGGLE_KEY']); sys.exit(1)", r"Authorization: \*\*\*"),
    ("print('key=' + os.environ['KAGGLE_KEY']); raise SystemExit(1)", r"key=\*\*\*"),
    ("raise MemoryError", "ran out of memory"),
    ("raise OSError(28, 'No space left on device')", "disk is full"),
    ("open(path, 'wb').write(b'PK' + bytes(3000))", "no whole zip"),
    ("open(path, 'wb').write(b'<html>log in')", "no whole zip"),
])  # fmt: skip
def test_other_ends_of_kaggles_command(tmp_path, home, monkeypatch, code, words):
    monkeypatch.setenv("KAGGLE_KEY", CANARY)
    with pytest.raises(ArchiveError, match=words) as error:
        download_from_kaggle(tmp_path / "dl", command=pretend(code))
    assert CANARY not in str(error.value)
    assert not (tmp_path / "dl" / f"{COMPETITION}.zip").exists()


def test_a_zip_that_was_whole_when_we_were_killed_is_taken(tmp_path, challenge, home):
    (tmp_path / "dl" / "kaggle.part").mkdir(parents=True)
    part = zipped(tmp_path / "dl" / "kaggle.part" / f"{COMPETITION}.zip", challenge)
    content = part.read_bytes()
    assert download_from_kaggle(tmp_path / "dl", command=["must not be started"]).read_bytes() == content


def test_from_kaggle_to_the_report(tmp_path, challenge, home, capsys, monkeypatch):
    zipped(tmp_path / "c.zip", challenge)
    copy = pretend(f"import shutil; shutil.copy({str(tmp_path / 'c.zip')!r}, path)")
    monkeypatch.setattr(get_rsna, "download_from_kaggle", lambda folder: download_from_kaggle(folder, command=copy))
    assert get("--to", tmp_path / "to") == 1
    said = capsys.readouterr().out
    assert f"{COMPETITION}.zip" in said and "can be removed now" in said
    found = tree(tmp_path / "to")
    assert json.loads(found.pop("manifest.json").decode())["asked"]["from"] == "kaggle"
    assert found == wanted(challenge)
    (tmp_path / "to.download" / f"{COMPETITION}.zip").unlink()
    monkeypatch.setattr(get_rsna, "download_from_kaggle", lambda folder: pytest.fail("it is all there"))
    assert get("--to", tmp_path / "to") == 1


def test_tables_that_cannot_be_read_are_named(tmp_path, challenge):
    source = zipped(tmp_path / "c.zip", {**challenge, LABELS: b"patientId,x\n"})
    with pytest.raises(TableError, match=LABELS):
        get_rsna.main(["--quick", "--from", str(source), "--to", str(tmp_path / "to")])


def test_meanings_and_secrets():
    assert meaning_of("all is well") is None
    assert "rules" in meaning_of("403 Client Error: Forbidden for url: https://www.kaggle.com/api")
    assert without_secrets("https://store/x.zip?X-Goog-Signature=ab&b=c, then", []) == "https://store/x.zip then"
