"""The first notebook: valid, executed, with fixed cell ids, and the same as its source."""

import json
import re
import warnings
from pathlib import Path

import pytest

from mini_rcnn.launch import kernel_check

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "labs" / "00_start_here.ipynb"


@pytest.fixture
def cells():
    """Return the notebook's cells."""
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def source_cells():
    """Yield ``(id, kind, text)`` of the cells of the notebook's source."""
    source = (ROOT / "labs" / "src" / "00_start_here.py").read_text(encoding="utf-8")
    for block in re.split(r"^# %% ?", source, flags=re.MULTILINE)[1:]:
        head, _, body = block.partition("\n")
        kind = "markdown" if "[markdown]" in head else "code"
        if kind == "markdown":
            body = re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        yield re.search('id="([^"]+)"', head).group(1), kind, body.strip("\n")


def test_notebook_is_valid():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbformat's own, on Python 3.7
        import nbformat

        notebook = nbformat.read(str(NOTEBOOK), as_version=4)
        nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"


def test_every_code_cell_was_executed_and_none_failed(cells):
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert all(output["output_type"] == "stream" for cell in code for output in cell["outputs"])
    assert all(len(cell["source"]) <= 10 for cell in code)


def test_notebook_is_the_same_as_its_source(cells):
    assert [(cell["id"], cell["cell_type"], "".join(cell["source"])) for cell in cells] == list(source_cells())


def test_this_environment_passes_its_check(capsys):
    check = next(text for name, _, text in source_cells() if name == "check")
    kernel_check.check_kernel(re.findall(r'"(\w+)"', check))
    assert capsys.readouterr().out.count("[ok]") == 2


def test_a_wrong_version_is_named():
    pins = {"keras": [("2.2.5", "")], "tqdm": [("1.0", "")]}
    assert kernel_check.problems({"keras": "2.3.1"}, pins) == ["keras is 2.3.1, the lock says 2.2.5"]
    assert kernel_check.problems({"keras": "2.2.5"}, pins) == []
