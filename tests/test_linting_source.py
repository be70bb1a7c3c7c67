"""Python files read without being run: what is worked out, what is not, and files made to do harm."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mini_rcnn.linting.evaluate import NotReadError, value_of
from mini_rcnn.linting.findings import LintError
from mini_rcnn.linting.matterport import lint_matterport
from mini_rcnn.linting.python_source import read_source

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def source(tmp_path):
    """Return a function from a text to what is read of a file that holds it."""

    def read(text):
        path = tmp_path / "config.py"
        path.write_text(text, encoding="utf-8")
        return read_source(path)

    return read


# 1. By hand.


@pytest.mark.parametrize(
    "text, value",
    [
        ("20684 // BATCH", 2585),
        ("2 * 3 + 1", 7),
        ("1 << 4", 16),
        ("-1.5e-3", -0.0015),
        ("len((1, 2, 3)) * 2", 6),
        ("len([8] * 5)", 5),
        ("(32, 64) + (128,)", (32, 64, 128)),
        ("np.array([1, 2])", (1, 2)),
        ("{'a': 1.0, 'b': BATCH}", {"a": 1.0, "b": 8}),
        ("int(20684 / BATCH)", 2585),
        ("not True", False),
        ("None", None),
        ("'resnet' + '50'", "resnet50"),
        ("Other.STEPS", 5),
        ("2 ** 10", 1024),
        ("min(3, BATCH)", 3),
    ],
)
def test_simple_expressions(text, value):
    got = value_of(ast.parse(text, mode="eval").body, {"BATCH": 8, "Other": {"STEPS": 5}})
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "UNKNOWN", "os.system('true')", "open('x')", "[x for x in y]", "lambda: 1", "1 / 0", "2 ** 999",
        "1 << 10 ** 9",
        "'a' * 10 ** 9", "[0] * 2000", "(9 ** 60) * (9 ** 60)", "Other.MISSING", "BATCH.real", "f'{BATCH}'",
        "BATCH > 3",
        "1 if BATCH else 2", "len(3)", "int('x')", "__import__('os')", "'%999999999d' % 1", "b'x'", "1j", "{[]: 1}",
        "(lambda: 1)()", "len(*[1])", "max()", "{**Other}",
    ],
)  # fmt: skip
def test_everything_else_is_not_read(text):
    with pytest.raises(NotReadError):
        value_of(ast.parse(text, mode="eval").body, {"BATCH": 8, "Other": {"STEPS": 5}})


@pytest.mark.parametrize("text", ["1 << 65", "2 ** 65", "2 ** 0.5 ** -65"])
def test_a_large_exponent_is_refused_before_it_takes_time(text):
    with pytest.raises(NotReadError, match="the exponent is too large"):
        value_of(ast.parse(text, mode="eval").body, {})


def test_a_class_with_arithmetic_bases_and_gaps(source):
    read = source(
        "import os\n"  # 1
        "from mrcnn import config as configs\n"
        "N_IMAGES, SIDE = 20684, 1 << 8\n"  # 3
        "if os.name == 'nt': WORKERS = 0\n"
        "class Base(configs.Config):\n"  # 5
        "    '''Settings.'''\n"
        "    NAME: str = 'lungs'\n"
        "    IMAGES_PER_GPU = 4\n"  # 8
        "    STEPS_PER_EPOCH = N_IMAGES // IMAGES_PER_GPU\n"
        "    MEAN_PIXEL = np.array([1, 2, 3])\n"
        "    def helper(self): NUM_CLASSES = 9\n"
        "class Mine(Base):\n"  # 12
        "    IMAGE_MAX_DIM = IMAGE_MIN_DIM = SIDE\n"
        "    VALIDATION_STEPS = WORKERS\n"
        "    NUM_CLASSES = int(os.environ['CLASSES'])\n"  # 15
        "    STEPS_PER_EPOCH = 10\n"
        "    STEPS_PER_EPOCH *= 2\n"
        "class Other: NAME = 'no configuration'\n"
        "class Far(CocoConfig): NAME = 'far'\n"
    )
    base, mine, far = read.classes
    assert base.given == {"NAME": "lungs", "IMAGES_PER_GPU": 4, "STEPS_PER_EPOCH": 5171, "MEAN_PIXEL": (1, 2, 3)}
    assert mine.given["IMAGE_MIN_DIM"] == mine.given["IMAGE_MAX_DIM"] == 256 and mine.given["IMAGES_PER_GPU"] == 4
    assert mine.given["STEPS_PER_EPOCH"] == 20 and mine.lines["STEPS_PER_EPOCH"] == 17
    assert set(mine.unread) == {"VALIDATION_STEPS", "NUM_CLASSES"}
    notes = {one.key: one.message for one in lint_matterport(mine) if one.message.startswith("not read")}
    assert notes["NUM_CLASSES"].startswith("not read: line 15")
    assert "inside a block, line 4" in notes["VALIDATION_STEPS"]
    assert not [one for one in lint_matterport(mine) if one.key == "NUM_CLASSES" and one.level == "error"]
    assert (far.base, base.base) == ("CocoConfig", "Config")
    assert not [one for one in lint_matterport(far) if one.level == "error"]  # its number of classes is not known


def test_a_class_that_is_redefined_in_a_block_keeps_no_old_value(source):
    (made,) = source("class A(Config):\n    NUM_CLASSES = 2\n    if X:\n        NUM_CLASSES = 3\n").classes
    assert "NUM_CLASSES" in made.unread and "NUM_CLASSES" not in made.given


def test_a_value_that_was_not_read_is_forgotten_where_it_is_set_again(source):
    first, second = source("class A(Config):\n    NUM_CLASSES = f()\nclass B(A):\n    NUM_CLASSES = 3\n").classes
    assert "NUM_CLASSES" in first.unread
    assert second.given["NUM_CLASSES"] == 3 and not second.unread


def test_how_the_script_trains(source):
    read = source(
        "RATE = 0.006\n"
        "class A(Config):\n    LEARNING_RATE = 0.02\n    IMAGES_PER_GPU = 3\n"
        "config = A()\n"
        "config.STEPS_PER_EPOCH = 7\n"
        "STEPS = 100 // config.BATCH_SIZE\n"
        "def go(model):\n"
        "    model.load_weights('x.h5')\n"
        "    model.train(a, b, 2 * RATE, 2, 'heads')\n"
        "    model.train(a, b, learning_rate=config.LEARNING_RATE / 2, epochs=STEPS, layers='all')\n"
        "    model.train(a, b, learning_rate=rates[0], epochs=4, layers='all')\n"
        "trainer.train()\n"
        "blur = iaa.GaussianBlur(sigma=(0.0, 0.12))\n"
    )
    first, second, third = read.script.trains
    assert (first.rate, first.epochs, first.layers, first.line) == (0.012, 2, "heads", 10)
    assert second.rate == 0.01 and "LEARNING_RATE" in second.uses and second.epochs == 100 // 3
    assert third.rate is None
    assert read.script.loads == (9,) and read.script.blurs == ((14, 0.12),)
    found = lint_matterport(read.classes[0], script=read.script)
    by_line = {one.line: one for one in found if one.key == "learning_rate"}
    assert "12 times Matterport's" in by_line[10].message and "heads" in by_line[10].message
    assert by_line[12].message.startswith("not read: line 12")
    assert not [one for one in found if one.key in ("LEARNING_RATE", "load_weights")]
    assert [one.line for one in found if one.key == "STEPS_PER_EPOCH" and "outside" in one.message] == [6]


def test_a_rate_in_the_configuration_that_nobody_hands_on(source):
    read = source(
        "class A(Config):\n    LEARNING_RATE = 0.001\nmodel.train(a, b, learning_rate=0.002, epochs=1, layers='all')"
    )
    (finding,) = [one for one in lint_matterport(read.classes[0], script=read.script) if one.key == "LEARNING_RATE"]
    assert finding.level == "warning" and "Changing this and retraining does nothing" in finding.message


# 2. Files made to do harm.

HARM = """
import os, pathlib
pathlib.Path({mark!r}).write_text("was here")
os.remove({victim!r})
class A(Config):
    NAME = pathlib.Path({mark!r}).write_text("was here")
    NUM_CLASSES = __import__("os").remove({victim!r})
    BACKBONE = (lambda: pathlib.Path({mark!r}).touch())()
    IMAGES_PER_GPU = eval("pathlib.Path({mark!r}).touch()")
    class Inner:
        pathlib.Path({mark!r}).touch()
    def __init_subclass__(cls): pathlib.Path({mark!r}).touch()
class B(A): pass
"""


def test_nothing_of_a_file_is_run(source, tmp_path):
    mark, victim = tmp_path / "mark", tmp_path / "victim"
    victim.write_text("mine")
    text = HARM.format(mark=str(mark), victim=str(victim))
    read = source(text)
    assert {"NAME", "NUM_CLASSES", "BACKBONE", "IMAGES_PER_GPU"} <= set(read.classes[0].unread)
    lint_matterport(read.classes[1], script=read.script)
    assert not mark.exists() and victim.read_text() == "mine"
    exec(compile(text.split("class A")[0], "harm", "exec"), {})  # the check can fail: run, it leaves its mark
    assert mark.exists() and not victim.exists()


CLASS = b"class A(Config):\n    NAME = "
BAD = {
    "nested brackets": (CLASS + b"(" * 5_000_000 + b")" * 5_000_000, "larger than"),
    "nested brackets, smaller": (CLASS + b"(" * 100_000 + b")" * 100_000, "nested too deep"),
    "nested lists": (CLASS + b"[" * 90 + b"]" * 90, "nested too deep"),
    "a long sum": (CLASS + b"1" + b"+1" * 200_000, "nested too deep"),
    "many signs": (CLASS + b"-" * 200_000 + b"1", "nested too deep"),
    "many nots": (CLASS + b"not " * 100_000 + b"1", "nested too deep"),
    "many calls": (CLASS + b"f" + b"()" * 100_000, "nested too deep"),
    "many attributes": (CLASS + b"f" + b".a" * 100_000, "nested too deep"),
    "many subscripts": (CLASS + b"f" + b"[0]" * 100_000, "nested too deep"),
    "many lambdas": (CLASS + b"lambda:" * 100_000 + b"1", "nested too deep"),
    "a long f-string": (CLASS + b"f'{1" + b"+1" * 200_000 + b"}'", "nested too deep"),
    "many elifs": (b"if x: pass\n" + b"elif x: pass\n" * 50_000, "nested too deep"),
    "not UTF-8": (b"# caf\xe9\nclass A(Config): NAME = 'x'", r"is not UTF-8 \(byte 5\)"),
    "zeros": (b"class A(Config): NAME = 'x'\0\0", "is not Python"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "is not UTF-8"),
    "empty": (b"", "holds no class made from Matterport's Config"),
    "no class": (b"x = 1\n", "holds no class made from Matterport's Config"),
    "another language": (b"#include <stdio.h>\nint main() { return 0; }\n", "line 2: is not Python"),
    "cut off": (b"class A(Config):\n    NAME = (1,\n", "is not Python"),
    "badly indented": (b"class A(Config):\n        NAME = 1\n    GPU_COUNT = 1\n", "line 3: is not Python"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_are_refused(name, tmp_path):
    content, words = BAD[name]
    path = tmp_path / "config.py"
    path.write_bytes(content)
    with pytest.raises(LintError, match=words):
        read_source(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(LintError, match="cannot be read"):
        read_source(tmp_path)
    with pytest.raises(LintError, match="cannot be read"):
        read_source(tmp_path / "missing.py")


def test_a_long_file_is_read(tmp_path):
    """A long file that passes the guard: read in a process of its own, whose end is seen."""
    path = tmp_path / "config.py"
    path.write_text("class A(Config):\n    NAME = 'x'\n" + "    A = (1, 2, 3)\n" * 5_000, encoding="utf-8")
    code = f"from mini_rcnn.linting.python_source import read_source; print(len(read_source({str(path)!r}).classes))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=str(ROOT), stdout=subprocess.PIPE, timeout=60, env={**os.environ}
    )
    assert done.returncode == 0 and done.stdout.strip() == b"1"


def test_a_file_with_a_byte_order_mark_and_odd_backslashes_is_read(tmp_path):
    path = tmp_path / "config.py"
    path.write_bytes(b"\xef\xbb\xbfclass A(Config):\r\n    NAME = 'a\\d'\r\n    GPU_COUNT = 1\r\n")
    assert read_source(path).classes[0].given == {"NAME": "a\\d", "GPU_COUNT": 1}
