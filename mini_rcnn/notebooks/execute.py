"""A notebook is executed, and what is kept of its outputs is the same each time."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import warnings
from pathlib import Path

from mini_rcnn.launch.saved_panels import VIEW as WIDGET_VIEW

from .source import LabError

ROOT = Path(__file__).resolve().parent.parent.parent
CELL_SECONDS = 300
TRIES = 2  # on Python 3.7 an execution hangs once in a dozen times
PHANTOMS_ALONE = {"MINI_RCNN_RSNA": "", "MINI_RCNN_TRAINING": "small"}  # what a notebook in the repository shows


def executed(notebook, folder):
    """Return a notebook with the outputs of its cells.

    Parameters
    ----------
    notebook : dict
        As of `build.notebook_of`.
    folder : path
        Where it will lie: its cells run there.

    Raises
    ------
    LabError
        If a cell raises or takes too long, with the cell and what it said.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbformat's and zmq's own, on Python 3.7
        import nbformat
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

        os.environ.update(PHANTOMS_ALONE)
        os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        for number in range(TRIES):
            running = nbformat.reads(json.dumps(notebook), as_version=4)
            try:
                run(running, folder)
            except CellExecutionError as error:
                raise LabError(f"a cell raises:\n{error}") from error
            except (CellTimeoutError, DeadKernelError) as error:
                if number + 1 == TRIES:
                    raise LabError(f"the notebook cannot be run to its end: {error}") from error
            else:
                break
    for cell, ran in zip(notebook["cells"], running.cells):
        if cell["cell_type"] == "code":
            cell["execution_count"] = ran.execution_count
            cell["outputs"] = kept_outputs(ran.outputs, cell["id"])
    return notebook


def run(notebook, folder):
    """Execute the cells of a notebook node in place."""
    from nbclient import NotebookClient

    if sys.platform == "win32":  # zmq asks for it
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=40"],  # that it speaks TCP on this machine is no news
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()


def without_models(data):
    """Return an output's data without the view of a widget, whose model is gone and whose name is new at each run.

    What remains of a panel is its still and its name. With the view, JupyterLab would show "model not found" instead,
    in each notebook that it trusts. The models themselves, which nbclient writes into the notebook, are not kept.
    """
    return {kind: value for kind, value in data.items() if kind != WIDGET_VIEW}


def kept_outputs(outputs, cell_id):
    """Return a cell's outputs without what changes from run to run; stream after stream joined."""
    kept = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                raise LabError(f"cell {cell_id!r} writes to stderr: {output.text[:500]}")
            if kept and kept[-1]["output_type"] == "stream":
                kept[-1]["text"] += output.text
                continue
            kept.append({"name": output.name, "output_type": "stream", "text": output.text})
        else:
            made = {"data": without_models(output.data), "metadata": {}, "output_type": output.output_type}
            if output.output_type == "execute_result":
                made["execution_count"] = output.execution_count
            kept.append(made)
    for output in kept:
        if output["output_type"] == "stream":
            output["text"] = output["text"].splitlines(keepends=True)
        else:
            data = output["data"]
            output["data"] = {
                kind: value.splitlines(keepends=True) if isinstance(value, str) and kind.startswith("text/") else value
                for kind, value in data.items()
            }
    return kept
