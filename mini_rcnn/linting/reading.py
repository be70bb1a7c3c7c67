"""What a word on the command line names: a preset, a run, weights, a configuration in JSON, or a Python file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from mini_rcnn.config import Config, from_dict, nearest
from mini_rcnn.training.presets import AS_SHOWN, PRESETS
from mini_rcnn.training.run_folder import RUN
from mini_rcnn.training.settings import training_from_dict
from mini_rcnn.weights import WeightsError, load_weights

from .findings import LintError
from .python_source import read_source

MAX_JSON = 1 << 20  # bytes


class Ours(NamedTuple):
    """A configuration of ours, and where it comes from."""

    title: str
    config: Config
    training: object = None  # TrainingConfig, or None where there is none
    fault: str = ""  # why it cannot be made, in which case the two are None


class Foreign(NamedTuple):
    """A class made from Matterport's Config, and the script that it stands in."""

    title: str
    settings: object  # ClassSource
    script: object  # Script


def read_target(word, *, class_name=None):
    """Return what a word names.

    Parameters
    ----------
    word : str
        A preset's name, or the path of a run's folder, weights (``.npz``), a configuration (``.json``) or a Python
        file (``.py``).
    class_name : str, optional
        Which class of a Python file; all by default.

    Returns
    -------
    targets : list of Ours or Foreign
        Presets as the slides show them give none: see `as_shown_findings`.

    Raises
    ------
    LintError
        If there is nothing of that name, or it cannot be read.
    """
    path = Path(word)
    is_python = path.suffix.lower() == ".py" and path.exists()
    if class_name is not None and not is_python:
        raise LintError(f"--class is for a Python file, and {word} is none.")
    if word in PRESETS:
        return [Ours(f"preset {word}", PRESETS[word].config, PRESETS[word].training)]
    if not path.exists():
        known = [*PRESETS, AS_SHOWN]
        raise LintError(f"{word}: no file, and no preset{nearest(word, known)}; presets are {', '.join(known)}.")
    if path.is_dir():
        if not (path / RUN).is_file():
            raise LintError(f"{word}: is a folder without {RUN}, so no run; name a file.")
        return [from_json(path / RUN)]
    if is_python:
        return from_python(path, class_name)
    if path.suffix.lower() == ".json":
        return [from_json(path)]
    if path.suffix.lower() == ".npz":
        try:
            return [Ours(f"weights {path}", load_weights(path)[1])]
        except WeightsError as error:
            raise LintError(str(error)) from None
    raise LintError(f"{word}: is neither .py, .json, .npz nor a run's folder.")


def from_python(path, class_name):
    """Return the classes of a Python file that were asked for."""
    source = read_source(path)
    names = [each.name for each in source.classes]
    if class_name is not None and class_name not in names:
        raise LintError(f"{path}: holds no class {class_name}{nearest(class_name, names)}; it has {', '.join(names)}.")
    chosen = [each for each in source.classes if class_name in (None, each.name)]
    return [Foreign(f"{path}: class {each.name}, line {each.line}", each, source.script) for each in chosen]


def from_json(path):
    """Return the configuration in a JSON file: a run's description, or `Config` with or without ``training``."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_JSON + 1)
        if len(content) > MAX_JSON:
            raise LintError(f"{path}: is larger than {MAX_JSON:,} bytes; a configuration has a few thousand.")
        values = json.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise LintError(f"{path}: cannot be read ({error.strerror}).") from None
    except LintError:
        raise
    except UnicodeDecodeError:
        raise LintError(f"{path}: is not UTF-8; save it as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise LintError(f"{path}: is no JSON ({error}).") from None
    if not isinstance(values, dict):
        raise LintError(f"{path}: must hold settings by name.")
    training = values.get("training")
    network = values["config"] if "config" in values else {k: v for k, v in values.items() if k != "training"}
    try:
        made = from_dict(Config, network)
        return Ours(str(path), made, None if training is None else training_from_dict(training))
    except (ValueError, TypeError) as error:
        return Ours(str(path), None, None, str(error))
