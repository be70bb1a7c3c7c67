"""The loop: steps, epochs, stages; validation, the best kept, checkpoints, and a way to stop and go on."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from mini_rcnn.config import changed
from mini_rcnn.data.ahead import ahead
from mini_rcnn.stages_tf.learning import LOSSES
from mini_rcnn.weights import save_weights

from .checkpoints import list_checkpoints, save_checkpoint
from .logs import RunLog
from .schedule import rate_at, stage_of
from .stop_file import take_request
from .validation import mean_losses

CHECKPOINTS, BEST, LAST = "checkpoints", "best.weights.npz", "last.weights.npz"
FINISHED, INTERRUPTED, OUT_OF_TIME = "finished", "interrupted", "out of time"


class NotFiniteError(RuntimeError):
    """A loss or a gradient that is no finite number; nothing was learnt from it, and nothing saved."""


@dataclass
class Progress:
    """Where a training is; plain values, kept in every checkpoint."""

    epoch: int = 0  # the one in work, from 0
    step: int = 0  # steps of it that are done
    number: int = 0  # steps since the beginning
    place: tuple = (0, 0)  # the stream's next batch: passes through the images, batches in the pass
    sums: dict = field(default_factory=dict)  # the losses of this epoch's steps, added up, times images
    images: int = 0  # of this epoch so far
    lost: int = 0  # boxes that augmentation pushed out, since the beginning
    best: dict | None = None  # epoch and measure of the best so far, and what `validation.Choice` holds

    def facts(self):
        """Return everything as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_facts(cls, facts):
        """Return what `facts` gave."""
        known = {each.name: facts[each.name] for each in fields(cls)}
        return cls(**{**known, "place": tuple(known["place"])})


class Loop:
    """A training that runs, from its beginning or from a checkpoint.

    Parameters
    ----------
    learner : step.Learner
    feed : feed.Feed
    folder : path
        Of the run.
    scorer : validation.Scorer, optional
        Where the best, or its threshold, is chosen by the challenge's score.
    progress : Progress, optional
        Where to go on.
    run_facts : dict
        What stands in every checkpoint besides, such as the configuration.
    checkpoint_every : int
        Steps.
    must_stop : callable
        Asked after each step, with the seconds that another one and saving will take: None to go on, else INTERRUPTED
        or OUT_OF_TIME.
    quiet : bool
    tell : callable
        Of a text.
    after_epoch : callable
        Such as one that draws the curves.
    """

    def __init__(self, learner, feed, folder, *, scorer=None, progress=None, run_facts=None, checkpoint_every=100,
                 must_stop=lambda seconds: None, quiet=False, tell=print, after_epoch=lambda: None):  # fmt: skip
        self.learner, self.feed, self.folder, self.scorer = learner, feed, Path(folder), scorer
        self.config, self.training = learner.config, learner.training
        self.progress, self.run_facts = progress or Progress(), run_facts or {}
        self.checkpoint_every, self.must_stop, self.tell = checkpoint_every, must_stop, tell
        self.after_epoch, self.quiet = after_epoch, quiet
        self.step_seconds, self.save_seconds, self.saved_at = 0.0, 0.0, None

    def run(self):
        """Train until the end or until told to stop; return FINISHED, INTERRUPTED or OUT_OF_TIME.

        Raises
        ------
        NotFiniteError
            Within the step in which a loss or the gradient is no finite number.
        """
        now, n_steps = self.progress, self.feed.n_steps
        take_request(self.folder)  # one that came when nothing ran any more asks nothing of this run
        begin = (now.epoch + 1, now.step + 1)  # the tables count from 1
        log = RunLog(self.folder, n_steps_total=self.training.n_epochs * n_steps, begin=begin, quiet=self.quiet)
        stream = ahead(self.feed.training_batches(now.place))
        try:
            while now.epoch < self.training.n_epochs:
                reason = self.epoch(stream, log)
                if reason:
                    break
            else:
                reason = FINISHED
        finally:
            stream.close()
            log.close()
        self.keep_last(reason)
        return reason

    def epoch(self, stream, log):
        """Do what is left of an epoch; return why to stop, or None."""
        now = self.progress
        while now.step < self.feed.n_steps:
            self.step(*next(stream), log)
            if now.number % self.checkpoint_every == 0:
                self.save()
            reason = self.stopping()
            if reason:
                self.save()
                return reason
        reason = self.validate(log)
        self.save()
        if not reason:
            self.after_epoch()
            reason = self.stopping() if now.epoch < self.training.n_epochs else None
        return reason

    def stopping(self):
        """Return why to stop now, or None; a file in the folder asks to, too (`mini_rcnn.training.stop_file`)."""
        asked = take_request(self.folder)
        return INTERRUPTED if asked else self.must_stop(self.step_seconds + 2 * self.save_seconds)

    def step(self, batch, place, log):
        """Learn from one batch and write it down."""
        now, begun = self.progress, time.perf_counter()
        stage, epoch_of_stage = stage_of(self.training, now.epoch)
        if epoch_of_stage == 0 and now.step == 0 and stage > 0:
            self.learner.rest()
        rate = rate_at(self.training, now.epoch, now.step, self.feed.n_steps)
        told = self.learner.step(batch, rate=rate, number=now.number, layers=self.training.stages[stage].layers)
        self.refuse_not_finite(told, batch)
        now.step, now.number, now.place = now.step + 1, now.number + 1, tuple(place)
        now.images, now.lost = now.images + len(batch.ids), now.lost + int(batch.lost.sum())
        for name in (*LOSSES, "total"):
            now.sums[name] = now.sums.get(name, 0.0) + told[name] * len(batch.ids)
        self.step_seconds = time.perf_counter() - begun
        log.step(
            now.epoch + 1,
            now.step,
            rate=rate,
            losses={name: told[name] for name in LOSSES},
            total=told["total"],
            images=len(batch.ids),
            seconds=self.step_seconds,
        )

    def refuse_not_finite(self, told, batch):
        """Stop where a loss or the gradient is no finite number: name the step, the images and the way back."""
        wrong = [f"{name} {value}" for name, value in told.items() if not math.isfinite(value)]
        if not wrong:
            return
        now, there = self.progress, list_checkpoints(self.folder / CHECKPOINTS)
        back = f"The last good checkpoint is {there[0]}." if there else "There is no checkpoint yet."
        raise NotFiniteError(
            f"epoch {now.epoch + 1}, step {now.step + 1}: {', '.join(wrong)}; images {', '.join(batch.ids)}. Nothing "
            f"was learnt from this step, and nothing saved. {back} Train again with a lower rate (a stage's rate), "
            "with training__warm_up_steps, or from other weights (--start)."
        )

    def validate(self, log):
        """Judge the network at an epoch's end, keep it if it is the best, begin the next; return why to stop, or None.

        If it is stopped on the way nothing is kept: the validation begins anew when the training goes on.
        """
        now, reasons, ids = self.progress, [], []

        def stopped():
            reasons.extend(filter(None, [self.stopping()]))
            return bool(reasons)

        def batches():
            for batch in ahead(self.feed.validation_batches()):
                if stopped():
                    return
                ids.extend(batch.ids)
                yield batch

        losses = mean_losses(self.learner.losses, batches())
        choice = self.scorer.choose(ids, stopped=stopped) if self.scorer and not reasons else None
        if reasons:
            return reasons[0]
        best = self.is_best(losses, choice)
        if best:
            now.best = {"epoch": now.epoch + 1, "loss": losses["total"], **(choice._asdict() if choice else {})}
            self.keep(BEST, now.best)
        train = {name: total / now.images for name, total in now.sums.items()}
        extra = {"rsna": choice.score if choice else None, "best": best}
        log.epoch(now.epoch + 1, train=train, validation=losses, extra=extra)
        now.epoch, now.step, now.sums, now.images = now.epoch + 1, 0, {}, 0
        return None

    def is_best(self, losses, choice):
        """Return whether an epoch is better than all before, as `TrainingConfig.best_by` says.

        By the loss: the lower one. By the score: the higher one, of equal ones the lower loss. "last": each is. Where a
        rate falls to next to nothing the network is made for the end, and a loss that rises because it has become too
        sure of itself says little of the order of its scores.
        """
        best = self.progress.best
        if not math.isfinite(losses["total"]):
            raise NotFiniteError(
                f"epoch {self.progress.epoch + 1}: the validation loss is {losses['total']}; nothing was saved. Train "
                "again with a lower rate (a stage's rate)."
            )
        if best is None or self.training.best_by == "last":
            return True
        lower = losses["total"] < best["loss"]
        if self.training.best_by == "loss":
            return lower
        return choice.score > best["score"] or (choice.score == best["score"] and lower)

    def keep(self, name, best):
        """Write the weights that are judged to a file; with a `Choice` its threshold stands in the configuration."""
        config = self.config
        if best and "threshold" in best:
            config = changed(config, detections__min_confidence=best["threshold"])
        facts = {**self.run_facts.get("weights", {}), "steps": self.progress.number, "validation": best}
        save_weights(self.folder / name, self.learner.weights(judged=True), config, facts=facts)

    def keep_last(self, reason):
        """Write the last weights, and the best ones if no epoch was judged; an interrupted training goes on instead."""
        if reason == INTERRUPTED:
            return
        self.keep(LAST, None)
        if self.progress.best is None:
            self.keep(BEST, None)

    def save(self):
        """Write a checkpoint, unless the newest is of this very place."""
        now = self.progress
        here = (now.epoch, now.number)
        if self.saved_at == here:
            return
        begun = time.perf_counter()
        facts = {**self.run_facts, "progress": now.facts()}
        save_checkpoint(self.folder / CHECKPOINTS, now.number, self.learner.state(), facts)
        self.saved_at, self.save_seconds = here, time.perf_counter() - begun
