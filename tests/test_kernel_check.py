"""The check that lab 00 runs: the kernel's environment is the one that the lock file says."""

import re

from mini_rcnn import labs
from mini_rcnn.launch import kernel_check
from mini_rcnn.notebooks.source import read_source


def test_this_environment_passes_its_check(capsys):
    (source,) = labs.sources(["00"])
    check = next(cell.text for cell in read_source(source) if cell.id == "check")
    kernel_check.check_kernel(re.findall(r'"(\w+)"', check))
    assert capsys.readouterr().out.count("[ok]") == 2


def test_a_wrong_version_is_named():
    pins = {"keras": [("2.2.5", "")], "tqdm": [("1.0", "")]}
    assert kernel_check.problems({"keras": "2.3.1"}, pins) == ["keras is 2.3.1, the lock says 2.2.5"]
    assert kernel_check.problems({"keras": "2.2.5"}, pins) == []
