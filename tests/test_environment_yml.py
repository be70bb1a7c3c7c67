"""environment.yml and toolchain.json against the lock files: no version stands in two places and differs."""

import json
import re
from pathlib import Path

import pytest
import yaml

from mini_rcnn.launch import facts, locks

ROOT = Path(__file__).resolve().parent.parent
TOOLCHAIN = locks.read_toolchain(ROOT / "locks")


def faults(environment, toolchain, pins):
    """Return what in an environment file does not agree with the locks."""
    wanted = {"python": toolchain["python"][0], "cudatoolkit": toolchain["cuda"], "cudnn": toolchain["cudnn"]}
    wanted.update({name: pins[name][0][0] for name in ("setuptools", "wheel")})
    conda = {
        line.split("=")[0]: line.partition("=")[2] for line in environment["dependencies"] if isinstance(line, str)
    }
    by_pip = [line for part in environment["dependencies"] if isinstance(part, dict) for line in part["pip"]]
    found = [name for name, version in wanted.items() if not (conda.pop(name, "") + ".").startswith(version + ".")]
    found += [name for name in conda if name != "pip"]  # a version that no lock holds
    if by_pip != ["-r locks/classic.txt"]:
        found.append("pip")
    if environment["name"] != "mini-rcnn":
        found.append("name")
    return found


@pytest.fixture
def environment():
    """Return environment.yml as conda reads it."""
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture
def pins():
    """Return the classic lock."""
    return locks.pins_of([ROOT / "locks" / "classic.txt"])


def test_environment_yml_agrees_with_the_locks(environment, pins):
    assert faults(environment, TOOLCHAIN["classic"], pins) == []


@pytest.mark.parametrize(
    "right, wrong, named",
    [
        ("python=3.7", "python=3.8", "python"),
        ("cudatoolkit=10.0", "cudatoolkit=10.1", "cudatoolkit"),
        ("cudatoolkit=10.0", "cudatoolkit=10.01", "cudatoolkit"),
        ("cudnn=7.6.5", "cudnn=8.0.5", "cudnn"),
        ("pip", "keras=2.2.5", "keras"),
    ],
)
def test_a_version_that_differs_is_named(environment, pins, right, wrong, named):
    index = environment["dependencies"].index(right)
    environment["dependencies"][index] = wrong
    assert named in faults(environment, TOOLCHAIN["classic"], pins)


def test_channels_are_those_that_hold_these_versions(environment):
    assert environment["channels"] == ["conda-forge", "nodefaults"]


def test_every_figure_of_the_toolchain_has_a_source():
    for name, part in TOOLCHAIN.items():
        assert not [key for key in part if key not in ("sources", "python") and key not in part["sources"]], name


def test_what_the_doctor_wants_is_read_from_the_locks(tmp_path):
    (tmp_path / "locks").mkdir()
    for path in (ROOT / "locks").glob("*.*"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"^tensorflow(-gpu|-cpu)?==\S+", r"tensorflow\1==9.9.9", text, flags=re.MULTILINE)
        text = re.sub(r"^keras==\S+", "keras==8.8.8", text, flags=re.MULTILINE)
        text = re.sub(r"^nvidia-cudnn-cu12==\S+", "nvidia-cudnn-cu12==7.7.7", text, flags=re.MULTILINE)
        (tmp_path / "locks" / path.name).write_text(text, encoding="utf-8")
    wants = facts.wanted(tmp_path)
    assert {want["tensorflow"] for want in wants.values()} == {"9.9.9"}
    assert {want["keras"] for want in wants.values()} == {"8.8.8"}
    assert wants["modern"]["cudnn"] == "7.7"
    assert json.dumps(wants)
