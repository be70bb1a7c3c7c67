"""What is taken out of a notebook that is saved, and what never is."""

import copy

import pytest

from mini_rcnn.launch.saved_panels import PICTURE, STATE, VIEW, keep_what_is_seen


def saved(*data, states=(), restores=True):
    """Return the outputs and the metadata that are left of a notebook with these outputs."""
    outputs = [{"output_type": "display_data", "data": dict(each), "metadata": {}} for each in data]
    outputs.append({"output_type": "stream", "name": "stdout", "text": "words"})
    cells = [{"cell_type": "markdown", "source": "words"}, {"cell_type": "code", "outputs": outputs}]
    metadata = {"widgets": {STATE: {"state": {name: {} for name in states}}}} if states else {}
    keep_what_is_seen({"type": "notebook", "content": {"cells": cells, "metadata": metadata}}, restores=restores)
    return [output["data"] for output in outputs[:-1]], metadata


PANEL = {VIEW: {"model_id": "a"}, PICTURE: "iVBO", "text/plain": "a panel"}
STILL = {PICTURE: "iVBO", "text/plain": "a panel"}


def test_panel_whose_state_is_saved_stays():
    assert saved(PANEL, states=["a"])[0] == [PANEL]


def test_panel_without_its_state_becomes_its_picture():
    assert saved(PANEL, {**PANEL, VIEW: {"model_id": "b"}}, states=["b"])[0] == [
        STILL,
        {**PANEL, VIEW: {"model_id": "b"}},
    ]
    assert saved(PANEL)[0] == [STILL]


def test_where_no_state_is_shown_again_the_picture_stays_alone():
    assert saved(PANEL, states=["a"], restores=False) == ([STILL], {})


def test_widget_without_a_picture_is_left_as_it_is():
    alone = {VIEW: {"model_id": "a"}, "text/plain": "IntSlider(value=3)"}
    assert saved(alone)[0] == [alone] == saved(alone, restores=False)[0]


@pytest.mark.parametrize("restores", [True, False])
@pytest.mark.parametrize(
    "model",
    [
        {"type": "file", "content": "text"},
        {"type": "directory", "content": None},
        {"type": "notebook", "content": None},
        {"type": "notebook", "content": {}},
        {"type": "notebook", "content": {"cells": [{"cell_type": "raw", "source": ""}], "metadata": {}}},
        {},
    ],
)
def test_other_files_stay_as_they_are(model, restores):
    before = copy.deepcopy(model)
    keep_what_is_seen(model, restores=restores, path="a", contents_manager=None)
    assert model == before
