"""The syntax tree of a foreign Python file, which is never run; a file made to break a parser is refused before it."""

from __future__ import annotations

import ast
import io
import keyword
import tokenize
import warnings
from pathlib import Path

from .findings import LintError

MAX_BYTES = 1 << 20  # a configuration has a few thousand
MAX_DEPTH = 50  # brackets in brackets
MAX_JOINTS = 500  # operators, calls and the like in one statement: each may nest the tree by one
MAX_ELIFS = 200  # in a file: each nests the tree by one
MAX_F_STRING = 1000  # characters


def read_tree(path):
    """Return the syntax tree of a Python file.

    Parameters
    ----------
    path : path

    Returns
    -------
    tree : ast.Module

    Raises
    ------
    LintError
        If it is no file, too large, not UTF-8, not Python, or nested deeper than any configuration.

    Notes
    -----
    Python's own parser may end the process on a tree that is nested thousands deep, and before Python 3.9 it does so
    without an error. So brackets and operators are counted first, token by token.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LintError(f"{path}: cannot be read ({error.strerror}).") from None
    if len(content) > MAX_BYTES:
        raise LintError(f"{path}: is larger than {MAX_BYTES:,} bytes; a configuration has a few thousand.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LintError(f"{path}: is not UTF-8 (byte {error.start:,}); save it as UTF-8.") from None
    return tree_of(text, path)


def tree_of(text, path):
    """Return the syntax tree of a text; ``path`` is what errors name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd backslashes in a file that is not ours
            refuse_nested(text, path)
            return ast.parse(text)
    except SyntaxError as error:
        raise LintError(f"{path}, line {error.lineno}: is not Python ({error.msg}).") from None
    except tokenize.TokenError as error:
        raise LintError(f"{path}, line {error.args[1][0]}: is not Python ({error.args[0]}).") from None
    except LintError:
        raise
    except (ValueError, RecursionError, MemoryError) as error:  # zeros in it, or nested after all
        raise LintError(f"{path}: is not Python that can be read ({error or type(error).__name__}).") from None


def refuse_nested(text, path):
    """Refuse a text whose tree would be nested deeper than any configuration."""
    depth = joints = elifs = 0
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        word, joined = token.string, False
        if token.type == tokenize.NEWLINE:
            joints = 0
        elif token.type == tokenize.OP:
            opens = word in "([{"
            depth += opens - (word in ")]}")
            joined = word not in ",:;)]}" and (not opens or before in (")", "]"))
        elif token.type == tokenize.NAME and keyword.iskeyword(word):
            joined = True
            elifs += word in ("elif", "else")
        elif token.type == tokenize.STRING and "f" in word[: word.index(word[-1])].lower() and len(word) > MAX_F_STRING:
            depth = MAX_DEPTH + 1  # until Python 3.12 its expressions are no tokens, and cannot be counted
        joints += joined
        if depth > MAX_DEPTH or joints > MAX_JOINTS or elifs > MAX_ELIFS:
            raise LintError(f"{path}, line {token.start[0]}: is nested too deep for a configuration.")
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            before = word
