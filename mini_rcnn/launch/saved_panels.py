"""What a notebook that is saved keeps of a panel: something that can be seen when it is opened again and not run.

JupyterLab 4 puts the state of the panels into the notebook and shows them again from it. JupyterLab 3 saves it too, but
then waits for ever for a panel whose kernel is gone; the picture of it that the output also holds is all that it can
show.
"""

from __future__ import annotations

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
PICTURE = "image/png"


def keep_what_is_seen(model, *, restores, **_):
    """Take panels that could not be shown again out of a notebook's outputs, where a picture stands in for them.

    Parameters
    ----------
    model : dict
        A file as Jupyter's contents manager is about to save it; changed in place.
    restores : bool
        Whether this JupyterLab shows panels from their saved state.

    Notes
    -----
    A hook must not cost anybody their work: whatever is no notebook, or no usual one, stays as it is.

    Examples
    --------
    >>> output = {"output_type": "display_data", "data": {VIEW: {"model_id": "a"}, PICTURE: "iVBO"}}
    >>> notebook = {"cells": [{"cell_type": "code", "outputs": [output]}], "metadata": {}}
    >>> keep_what_is_seen({"type": "notebook", "content": notebook}, restores=True)
    >>> output["data"]
    {'image/png': 'iVBO'}
    """
    content = model.get("content") if model.get("type") == "notebook" else None
    if not isinstance(content, dict):
        return
    metadata = content.get("metadata", {})
    if not restores:
        metadata.pop("widgets", None)
    saved = metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    for cell in content.get("cells", ()):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if VIEW in data and PICTURE in data and data[VIEW].get("model_id") not in saved:
                del data[VIEW]
