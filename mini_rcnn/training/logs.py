"""What a run says of itself: tables of numbers, TensorBoard's events, a progress bar, and one line an epoch."""

from __future__ import annotations

import math
import sys
import time
from datetime import timedelta
from pathlib import Path

from tqdm import tqdm

from mini_rcnn.data.files import written_beside
from mini_rcnn.stages_tf.learning import LOSSES

from .events import EventFile

PARTS = ("total", *LOSSES)
STEP_COLUMNS = ("epoch", "step", "rate", *PARTS)
EPOCH_COLUMNS = (
    "epoch",
    *(f"train_{part}" for part in PARTS),
    *(f"validation_{part}" for part in PARTS),
    "rsna",
    "best",
)
TIMING_COLUMNS = ("epoch", "step", "seconds", "images", "images_per_second")
EXTRA = ("rsna", "best")
BAR = "{desc} |{bar:20}| {n_fmt}/{total_fmt}{postfix}"
BAR_SECONDS = 0.2
FLUSH_SECONDS = 10  # TensorBoard's events wait no longer in memory


class Table:
    """A CSV file that grows by a row at a time; each is on its way to the disk before the next.

    Parameters
    ----------
    path : path
    columns : sequence of str
    keep : callable
        Of the place of a row, ``(epoch, step)`` or ``(epoch,)``: whether it stays. The others are cut first, and so is
        a last line that is not whole.

    Raises
    ------
    ValueError
        If the file has other columns.
    """

    def __init__(self, path, columns, *, keep):
        self.path, self.columns = Path(path), tuple(columns)
        self.n_places = sum(name in ("epoch", "step") for name in columns)
        self.kept = [line for line in self.lines() if keep(tuple(map(int, line.split(",")[: self.n_places])))]
        with written_beside(self.path, "w") as file:
            file.write("\n".join([",".join(self.columns), *self.kept]) + "\n")
        self.file = open(str(self.path), "a", encoding="utf-8", newline="\n")

    def lines(self):
        """Return the whole lines that are there, but for the head."""
        if not self.path.exists():
            return []
        head, *lines = self.path.read_text(encoding="utf-8").split("\n")[:-1] or [""]
        if head != ",".join(self.columns):
            raise ValueError(f"{self.path} must have the columns {', '.join(self.columns)}, got {head!r}")
        return lines

    def add(self, values):
        """Write a row; numbers as the shortest text that reads back as the same number, None as nothing."""
        self.file.write(",".join(map(cell, values)) + "\n")
        self.file.flush()


def cell(value):
    """Return a value as the text of a cell.

    >>> cell(0.1 + 0.2), cell(3), cell(None), cell(True)
    ('0.30000000000000004', '3', '', '1')
    """
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, (bool, int)) else repr(float(value))


class RunLog:
    """The log of a run: ``steps.csv``, ``epochs.csv``, ``timing.csv`` and ``tensorboard/`` in its folder.

    Nothing in ``steps.csv`` and ``epochs.csv`` depends on time: those of a resumed run equal those of an unbroken one.

    Parameters
    ----------
    folder : path
    n_steps_total : int
        Of the whole run, for the time that is left.
    begin : (int, int), default (0, 0)
        Epoch and step to go on from. Rows of that place or a later one are cut first; an epoch's own row stands behind
        all its steps.
    quiet : bool, default False
        Neither bar nor lines.

    Raises
    ------
    ValueError
        If a table that is there has other columns.
    """

    def __init__(self, folder, *, n_steps_total, begin=(0, 0), quiet=False):
        folder, begin = Path(folder), tuple(begin)
        self.steps = Table(folder / "steps.csv", STEP_COLUMNS, keep=lambda place: place < begin)
        self.epochs = Table(folder / "epochs.csv", EPOCH_COLUMNS, keep=lambda place: place < begin[:1])
        self.timing = Table(folder / "timing.csv", TIMING_COLUMNS, keep=lambda place: place < begin)
        self.n_steps = len(self.steps.kept)
        self.events = EventFile(folder / "tensorboard", begin=self.n_steps)
        self.flushed = time.monotonic()
        self.begun_epoch()
        self.quiet, self.n_steps_total = quiet, n_steps_total
        self.n_steps_before, self.begun = self.n_steps, time.monotonic()
        self.bar = tqdm(
            total=n_steps_total,
            initial=self.n_steps,
            desc="training",
            file=sys.stderr,
            bar_format=BAR,
            mininterval=BAR_SECONDS,
            disable=quiet or not sys.stderr.isatty(),
        )

    def begun_epoch(self):
        """Set back what an epoch's line counts."""
        self.epoch_seconds, self.epoch_images, self.epoch_steps = 0.0, 0, 0

    def step(self, epoch, step, *, rate, losses, total, images, seconds):
        """Write a training step.

        Parameters
        ----------
        epoch, step : int
            Its place; the next row's is larger.
        rate : float
            Learning rate.
        losses : mapping of str to float
            The five.
        total : float
            What was made smaller: their sum and the weight decay.
        images : int
        seconds : float
            What the step took.
        """
        losses = parts_of("losses", {"total": total, **losses})
        speed = images / seconds if seconds > 0 else 0.0
        self.steps.add([int(epoch), int(step), float(rate), *losses.values()])
        self.timing.add([int(epoch), int(step), float(seconds), int(images), speed])
        self.n_steps += 1
        self.epoch_seconds, self.epoch_images = self.epoch_seconds + seconds, self.epoch_images + images
        self.epoch_steps += 1
        named = {f"train/{name}": value for name, value in losses.items()}
        self.events.scalars(self.n_steps, {"rate": float(rate), "images_per_second": speed, **named})
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.events.flush()
            self.flushed = time.monotonic()
        self.bar.set_description_str(f"epoch {epoch}", refresh=False)
        told = f"loss {losses['total']:.3f}, {self.speed():.1f} images/s, {self.left()}; {parts_text(losses)}"
        self.bar.set_postfix_str(told, refresh=False)
        self.bar.update()

    def speed(self):
        """Return images a second over this epoch's steps."""
        return self.epoch_images / self.epoch_seconds if self.epoch_seconds > 0 else 0.0

    def left(self):
        """Return the time that the rest of the run takes at its mean pace, validation included, in words."""
        done = self.n_steps - self.n_steps_before
        seconds = (time.monotonic() - self.begun) / max(done, 1) * max(self.n_steps_total - self.n_steps, 0)
        return f"{timedelta(seconds=math.ceil(seconds))} left"

    def epoch(self, epoch, *, train, validation, extra=None):
        """Write the end of an epoch, and say it in a line.

        Parameters
        ----------
        epoch : int
        train, validation : mapping of str to float, or None
            The five losses and ``"total"``, means over the epoch and over the validation side; None where there are
            none.
        extra : mapping, optional
            ``"rsna"``: the score on the validation side. ``"best"``: whether no epoch before was better.
        """
        extra = dict(extra or {})
        unknown = sorted(set(extra) - set(EXTRA))
        if unknown:
            raise ValueError(f"extra must hold nothing but {', '.join(EXTRA)}, got {', '.join(unknown)}")
        sides = {"train": parts_of("train", train), "validation": parts_of("validation", validation)}
        rsna, best = extra.get("rsna"), bool(extra.get("best"))
        rsna = None if rsna is None else float(rsna)
        self.epochs.add([int(epoch), *sides["train"].values(), *sides["validation"].values(), rsna, best])
        values = {f"epoch_{side}/{name}": value for side, parts in sides.items() for name, value in parts.items()}
        values["rsna"] = rsna
        self.events.scalars(self.n_steps, {name: value for name, value in values.items() if value is not None})
        self.events.flush()
        if not self.quiet:
            self.bar.write(self.line(epoch, sides, rsna, best), file=sys.stdout)
            sys.stdout.flush()
        self.begun_epoch()

    def line(self, epoch, sides, rsna, best):
        """Return an epoch as one line."""
        told = [f"epoch {epoch}: {self.epoch_steps} steps"]
        told += [
            f"{side} loss {parts['total']:.3f} ({parts_text(parts)})"
            for side, parts in sides.items()
            if parts["total"] is not None
        ]
        told += [] if rsna is None else [f"RSNA score {rsna:.3f}"]
        told += ["best so far"] if best else []
        return "; ".join([*told, f"{self.speed():.1f} images a second, {self.left()}"])

    def close(self):
        """Close the files and take the bar away."""
        self.bar.close()
        self.events.close()
        for table in (self.steps, self.epochs, self.timing):
            table.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def parts_of(name, losses):
    """Return the total and the five losses as plain numbers, in the tables' order; all of them None for None."""
    if losses is None:
        return dict.fromkeys(PARTS)
    if set(losses) != set(PARTS):
        raise ValueError(f"{name} must hold {', '.join(PARTS)}, got {', '.join(sorted(losses))}")
    return {part: float(losses[part]) for part in PARTS}


def parts_text(losses):
    """Return the five losses as a few words.

    >>> parts_text(dict(zip(PARTS, (2.5, 0.25, 0.5, 0.125, 1, 0.625))))
    'RPN 0.250 + 0.500, head 0.125 + 1.000, mask 0.625'
    """
    _, rpn_class, rpn_box, head_class, head_box, mask = (losses[part] for part in PARTS)
    return f"RPN {rpn_class:.3f} + {rpn_box:.3f}, head {head_class:.3f} + {head_box:.3f}, mask {mask:.3f}"
