"""What is taken out of a notebook that is saved, and what never is."""

import copy

import pytest

from mini_rcnn.launch.saved_panels import PICTURE, STATE, VIEW, keep_what_is_seen

PANEL = {VIEW: {"model_id": "a"}, PICTURE: "iVBO", "text/plain": "a panel"}
STILL = {PICTURE: "iVBO", "text/plain": "a panel"}


def saved(*data, metadata=None):
    """Return the outputs and the metadata that are left of a notebook with these outputs."""
    outputs = [{"output_type": "display_data", "data": dict(each), "metadata": {}} for each in data]
    outputs.append({"output_type": "stream", "name": "stdout", "text": "words"})
    cells = [{"cell_type": "markdown", "source": "words"}, {"cell_type": "code", "outputs": outputs}]
    content = {"cells": cells, "metadata": metadata or {}}
    keep_what_is_seen({"type": "notebook", "content": content})
    assert cells[0] == {"cell_type": "markdown", "source": "words"}
    assert outputs[-1] == {"output_type": "stream", "name": "stdout", "text": "words"}
    return [output["data"] for output in outputs[:-1]], content["metadata"]


def test_panel_becomes_its_picture():
    other, number = {**PANEL, VIEW: {"model_id": "b"}}, {"text/plain": "3"}
    assert saved(PANEL, number, other)[0] == [STILL, number, STILL]


def test_state_of_widgets_is_not_kept_and_the_rest_is():
    metadata = {"widgets": {STATE: {"state": {"a": {}}}, "mine": 1}, "kernelspec": {"name": "python3"}}
    assert saved(PANEL, metadata=metadata)[1] == {"widgets": {"mine": 1}, "kernelspec": {"name": "python3"}}


def test_widget_without_a_picture_is_left_as_it_is():
    alone = {VIEW: {"model_id": "a"}, "text/plain": "IntSlider(value=3)"}
    assert saved(alone)[0] == [alone]


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
def test_other_files_stay_as_they_are(model):
    before = copy.deepcopy(model)
    keep_what_is_seen(model, path="a", contents_manager=None)
    assert model == before
