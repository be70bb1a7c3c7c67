"""Values of simple expressions, worked out from their syntax; no code is run."""

from __future__ import annotations

import ast
import operator

LARGEST = 1 << 62  # whole numbers beyond it are not worked out
LONGEST = 1000  # items of a sequence
OPERATIONS = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "LShift": operator.lshift,
    "RShift": operator.rshift,
    "USub": operator.neg,
    "UAdd": operator.pos,
    "Not": operator.not_,
}
LITERALS = ("Constant", "Num", "Str", "NameConstant")  # one kind from Python 3.8 on, three before
SEQUENCES = {"Tuple": tuple, "List": list}
FUNCTIONS = {"len": len, "int": int, "float": float, "abs": abs, "round": round, "max": max, "min": min, "sum": sum,
             "tuple": tuple, "list": list}  # fmt: skip
ARRAYS = ("array", "asarray")  # of numpy, by whatever name


class NotReadError(ValueError):
    """An expression that cannot be worked out; the text says why."""


def value_of(node, names):
    """Return the value of an expression.

    Parameters
    ----------
    node : ast.expr
        Literals, arithmetic, names, tuples, lists, dicts, ``len`` and its like, ``np.array`` of a list.
    names : mapping of str to value
        What names stand for. A value that is a mapping is also looked into for ``name.attribute``.

    Returns
    -------
    value : number, str, bool, None, tuple, list or dict
        An array is a tuple.

    Raises
    ------
    NotReadError
        If anything else stands there, or a number becomes too large.

    Examples
    --------
    >>> value_of(ast.parse("20684 // (BATCH * 2)", mode="eval").body, {"BATCH": 8})
    1292
    """
    kind = type(node).__name__
    if kind in LITERALS:
        return checked(ast.literal_eval(node))
    if kind == "Name":
        return looked_up(node.id, names)
    if kind == "Attribute" and isinstance(node.value, ast.Name) and isinstance(names.get(node.value.id), dict):
        return looked_up(node.attr, names[node.value.id])
    if kind in SEQUENCES:
        return checked(SEQUENCES[kind](value_of(item, names) for item in node.elts))
    if kind == "Dict" and None not in node.keys:
        return checked(
            calculated(dict, [(value_of(k, names), value_of(v, names)) for k, v in zip(node.keys, node.values)])
        )
    if kind in ("BinOp", "UnaryOp"):
        parts = [node.left, node.right] if kind == "BinOp" else [node.operand]
        return arithmetic(type(node.op).__name__, [value_of(part, names) for part in parts])
    if kind == "Call":
        return called(node, names)
    raise NotReadError(f"a {kind} is not worked out")


def looked_up(name, names):
    """Return what a name stands for."""
    if name not in names:
        raise NotReadError(f"{name} is not known here")
    if isinstance(names[name], NotReadError):
        raise NotReadError(f"{name} is not known: {names[name]}"[:200])
    return names[name]


def arithmetic(name, values):
    """Return the outcome of an operator, which is refused where it could take long."""
    if name not in OPERATIONS:
        raise NotReadError(f"the operator {name} is not worked out")
    if any(isinstance(value, (dict, set)) for value in values):
        raise NotReadError("arithmetic with this is not worked out")
    if name in ("Pow", "LShift") and not all(isinstance(v, (int, float)) and abs(v) <= 64 for v in values[1:]):
        raise NotReadError("the exponent is too large")
    sizes = [len(value) for value in values if hasattr(value, "__len__")]
    if name == "Mult" and sizes and max(sizes) * max([1, *(v for v in values if isinstance(v, int))]) > LONGEST:
        raise NotReadError("the sequence is too long")
    if name == "Mod" and isinstance(values[0], str):
        raise NotReadError("texts are not put together")
    return checked(calculated(OPERATIONS[name], *values))


def called(node, names):
    """Return the outcome of one of the few functions that are known."""
    attribute = isinstance(node.func, ast.Attribute)
    name = node.func.attr if attribute else getattr(node.func, "id", "")
    function = (tuple if name in ARRAYS else None) if attribute else FUNCTIONS.get(name)
    if function is None or name in names or node.keywords or len(node.args) != 1 and name not in ("max", "min"):
        raise NotReadError(f"the call of {name or 'something'} is not worked out")
    return checked(calculated(function, *(value_of(argument, names) for argument in node.args)))


def calculated(function, *values):
    """Return what a harmless function returns; its errors are ours."""
    try:
        return function(*values)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise NotReadError(f"it fails: {error}"[:200]) from None


def checked(value):
    """Return a value that is neither too large nor of an odd kind."""
    if isinstance(value, int) and abs(value) > LARGEST:
        raise NotReadError("the number is too large")
    if not isinstance(value, (int, float, str, bool, type(None), tuple, list, dict)):
        raise NotReadError(f"a {type(value).__name__} is not worked out")
    if hasattr(value, "__len__") and len(value) > LONGEST:
        raise NotReadError("it is too long")
    return value
