"""What the detector's benchmark measured, as text."""

from __future__ import annotations

import json

from .detector_inputs import SIDES


def read_other(path):
    """Return the JSON of another run.

    Raises
    ------
    ValueError
        If it cannot be read, or is none of this benchmark's.
    """
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
    except (OSError, ValueError) as error:
        raise ValueError(f"--beside must be JSON of `bench detector --json`, got {path}: {error}") from error
    if not isinstance(told, dict) or "machine" not in told:
        raise ValueError(f"--beside must be JSON of `bench detector --json`, got {path}")
    return told


def table(told, other=None):
    """Return the measurements as text; with another run, whose Matterport ours is told against."""
    lines = [f"{told['machine']}; {told['network']}, {told['size']} px"]
    if told.get("load") is not None:
        lines.append(f"load of the machine at the end: {told['load']:.1f}")
    for name, timed in told.get("detection", {}).get("by_found", {}).items():
        counts = ", ".join(str(count) for count in timed["found"]["ours"])
        lines += ["", f"Detection, one film at a time, {name} ({counts} on the films)"]
        lines += side_lines(timed, (other or {}).get("detection", {}).get("by_found", {}).get(name))
    lines += memory_lines(told.get("detection"))
    if "training" in told:
        timed = told["training"]["time"]
        lines += ["", f"A training step, batch of 2, {timed['objects']} objects for the mask head"]
        lines += side_lines(timed, (other or {}).get("training", {}).get("time"))
        rates = [f"{side} {rate:.2f}" for side, rate in timed["images_per_s"].items()]
        lines.append(f"  images a second: {', '.join(rates)}")
        lines += memory_lines(told["training"]) + part_lines(timed["parts"])
    return "\n".join(lines)


def side_lines(timed, other):
    """Return a line for each side, and their ratios; the other run's Matterport where this one has none."""
    lines = [
        f"  {side:12}{row['median_s']:9.3f} s median{row['shortest_s']:9.3f} s shortest of {row['runs']}"
        for side, row in timed["sides"].items()
    ]
    if "ratio" in timed:
        lines.append(f"  ours is {timed['ratio']:.2f}x as fast by medians, {timed['ratio_shortest']:.2f}x by shortest")
    theirs = (other or {}).get("sides", {}).get(SIDES[1])
    if theirs and SIDES[1] not in timed["sides"]:
        ours = timed["sides"][SIDES[0]]
        medians, shortest = (theirs[key] / ours[key] for key in ("median_s", "shortest_s"))
        lines.append(
            f"  {SIDES[1]:12}{theirs['median_s']:9.3f} s median{theirs['shortest_s']:9.3f} s shortest, other run"
        )
        lines.append(f"  across two runs, ours is {medians:.2f}x as fast by medians, {shortest:.2f}x by shortest")
    return lines


def memory_lines(part):
    """Return the most memory of each side, as a line."""
    peaks = (part or {}).get("peak_mib")
    if not peaks:
        return []
    return ["  most memory of a process: " + ", ".join(f"{side} {peak:.0f} MiB" for side, peak in peaks.items())]


def part_lines(parts):
    """Return the parts of our step, a line each."""
    lines = ["", f"  {'parts of our step':28}{'forward':>12}{'both ways':>12}"]
    for name, seconds in parts.items():
        cells = [f"{seconds[way]:10.3f} s" if way in seconds else f"{'-':>12}" for way in ("forward", "both")]
        lines.append(f"  {name:28}{''.join(cells)}")
    return lines
