"""What a notebook that is saved keeps of a panel: its picture, which can be seen when it is opened again and not run.

JupyterLab can save the state of panels in a notebook and show them again from it. JupyterLab 3 then waits for ever for
a panel whose kernel is gone. JupyterLab 4 usually shows it, and sometimes "model not found": the widgets are restored
twice at once, from the kernel and from the notebook, and whichever panel is drawn between the two ends is given up. A
panel without its kernel answers to nothing, so its picture loses little.
"""

from __future__ import annotations

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
PICTURE = "image/png"


def keep_what_is_seen(model, **_):
    """Take the panels out of a notebook's outputs where a picture stands in for them, and the widgets' saved state.

    Parameters
    ----------
    model : dict
        A file as Jupyter's contents manager is about to save it; changed in place.

    Notes
    -----
    A hook must not cost anybody their work: whatever is no notebook, or no usual one, stays as it is.

    Examples
    --------
    >>> output = {"output_type": "display_data", "data": {VIEW: {"model_id": "a"}, PICTURE: "iVBO"}}
    >>> notebook = {"cells": [{"cell_type": "code", "outputs": [output]}], "metadata": {}}
    >>> keep_what_is_seen({"type": "notebook", "content": notebook})
    >>> output["data"]
    {'image/png': 'iVBO'}
    """
    content = model.get("content") if model.get("type") == "notebook" else None
    if not isinstance(content, dict):
        return
    widgets = content.get("metadata", {}).get("widgets", {})
    widgets.pop(STATE, None)
    for cell in content.get("cells", ()):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if PICTURE in data:
                data.pop(VIEW, None)
