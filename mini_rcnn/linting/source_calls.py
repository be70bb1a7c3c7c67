"""How a script trains, as far as its calls show: rates, layers, weights that are loaded, blurs."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from .evaluate import NotReadError, value_of

TRAIN = ("train_dataset", "val_dataset", "learning_rate", "epochs", "layers")  # of mrcnn's MaskRCNN.train


@dataclass(frozen=True)
class TrainCall:
    """One call of ``model.train``."""

    line: int
    rate: float | None  # None where it cannot be worked out
    epochs: int | None
    layers: str | None
    uses: frozenset = frozenset()  # the names in the expression of the rate, attributes included


@dataclass(frozen=True)
class Script:
    """What a script calls, in the order of its lines."""

    trains: tuple = ()  # TrainCall
    loads: tuple = ()  # lines of ``load_weights``
    blurs: tuple = ()  # (line, largest sigma) of ``GaussianBlur``
    changes: tuple = ()  # (line, text): settings changed from outside a class, such as ``config.STEPS_PER_EPOCH = 5``


def read_script(tree, names):
    r"""Return what the calls of a syntax tree show.

    Parameters
    ----------
    tree : ast.Module
    names : mapping of str to value
        What the names of the module stand for, see `value_of`.

    Returns
    -------
    script : Script

    Examples
    --------
    >>> text = "model.load_weights(path)\nmodel.train(a, b, learning_rate=2 * RATE, epochs=3, layers='all')"
    >>> script = read_script(ast.parse(text), {"RATE": 0.006})
    >>> script.loads, script.trains[0].rate, script.trains[0].layers
    ((1,), 0.012, 'all')
    """
    trains, loads, blurs, changes = [], [], [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = {one.arg: one.value for one in node.keywords if one.arg}
            if name == "train" and isinstance(node.func, ast.Attribute):
                given = {**dict(zip(TRAIN, node.args)), **given}
                if "learning_rate" in given:
                    trains.append(train_call(node.lineno, given, names))
            elif name == "load_weights":
                loads.append(node.lineno)
            elif name == "GaussianBlur":
                sigma = known(given.get("sigma", node.args[0] if node.args else None), names)
                sigmas = sigma if isinstance(sigma, (tuple, list)) else [sigma]
                if all(isinstance(one, (int, float)) for one in sigmas) and sigmas:
                    blurs.append((node.lineno, float(max(sigmas))))
        elif isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            changes += [
                (node.lineno, one.attr) for one in targets if isinstance(one, ast.Attribute) and one.attr.isupper()
            ]
    trains.sort(key=lambda call: call.line)
    return Script(tuple(trains), tuple(sorted(loads)), tuple(sorted(blurs)), tuple(sorted(changes)))


def train_call(line, given, names):
    """Return a call of ``train``, with what of it can be worked out."""
    rate, epochs, layers = (known(given.get(name), names) for name in TRAIN[2:])
    uses = {getattr(node, "attr", getattr(node, "id", None)) for node in ast.walk(given["learning_rate"])}
    return TrainCall(
        line,
        rate if isinstance(rate, (int, float)) else None,
        epochs if isinstance(epochs, int) else None,
        layers if isinstance(layers, str) else None,
        frozenset(name for name in uses if isinstance(name, str)),
    )


def known(node, names):
    """Return what an expression stands for, None where that is not known."""
    try:
        return None if node is None else value_of(node, names)
    except (NotReadError, RecursionError):
        return None
