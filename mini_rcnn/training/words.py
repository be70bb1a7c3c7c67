"""What a training says at its beginning and at its end."""

from __future__ import annotations

from .loop import BEST, FINISHED, INTERRUPTED, LAST, OUT_OF_TIME


def describe_start(loop, found, data, folder):
    """Return the first lines of a training."""
    config, training = loop.config, loop.training
    n_numbers = sum(array.shape.num_elements() for array in loop.learner.arrays.values())
    positive = sum(len(record.boxes) > 0 for record in data.train)
    text = (
        f"{folder}: {len(data.train)} films to learn from ({positive} with boxes), {len(data.validation)} to judge by\n"
        f"network: {n_numbers:,} numbers, {config.image.size} pixels; {training.n_epochs} epochs of "
        f"{loop.feed.n_steps} steps of {training.batch_size} images, on {loop.learner.n_devices} device(s)"
    )
    if found is not None:
        text += f"\ngoing on from {found.path}: {loop.progress.number} steps are done"
    return text


def say_end(reason, folder, loop):
    """Return the last lines and the exit code."""
    now, total = loop.progress, loop.training.n_epochs * loop.feed.n_steps
    resume = f"python3 lab.py train --out {folder} --resume"
    lines = []
    if reason != FINISHED:
        where = f"after {now.number} of {total} steps (epoch {min(now.epoch + 1, loop.training.n_epochs)})"
        why = "Interrupted" if reason == INTERRUPTED else "Out of time"
        lines.append(f"{why} {where}; everything is saved. To go on: {resume}")
    if now.best:
        best = now.best
        told = f"validation loss {best['loss']:.3f}"
        if "score" in best:
            told = (
                f"RSNA score {best['score']:.3f} at a threshold of {best['threshold']:g}, where {best['marked']:.1%} "
                f"of the films without boxes are marked; {told}"
            )
        lines.append(f"Best epoch: {best['epoch']} ({told}).")
    elif reason == OUT_OF_TIME:
        lines.append("No epoch was judged in that time: the last weights stand in for the best.")
    if now.lost:
        lines.append(f"{now.lost} boxes left the film with augmentation, and were not learnt.")
    if loop.feed.broken:
        lines.append(f"{len(loop.feed.broken)} broken images were left out: {', '.join(sorted(loop.feed.broken))}.")
    if reason != INTERRUPTED:
        lines.append(f"Weights: {folder / BEST} (best), {folder / LAST} (last)")
        lines.append(f"Next: python3 lab.py detect FILM.dcm --weights {folder / BEST}")
    return "\n".join(lines), 130 if reason == INTERRUPTED else 0
