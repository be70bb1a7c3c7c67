"""What is compared: the arms of an experiment, each a change of one setting."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Arm:
    """One way to train; everything else is the same in all arms."""

    name: str
    settings: dict = field(hash=False)  # of ``train --set``, by name
    told: str = ""  # in a few words, for tables
    times: int = 1  # as many steps as the experiment's


# What a film without boxes teaches. Each arm sees as many films in as many steps.
NEGATIVES = (
    Arm("skip", {"targets__negatives": "skip"}, "films without boxes are never shown (Matterport, the slides)"),
    Arm("rpn_only", {"targets__negatives": "rpn_only"}, "they teach the RPN alone"),
    Arm("full", {"targets__negatives": "full"}, "they teach the RPN and the heads"),
)
# Half of the films that full negatives show have no boxes: in twice the steps as many with boxes are shown as by skip.
BUDGET = (
    NEGATIVES[0],
    NEGATIVES[2],
    Arm("full_twice", {"targets__negatives": "full"}, "as full, in twice the steps: as many films with boxes", times=2),
)
# Which films are shown how often; all of them with full negatives.
FILMS = (
    Arm("half", {}, "half of the films shown have boxes (the demo preset)"),
    Arm("quarter", {"training__positive_share": 0.25}, "a quarter of them, about as many as in the tables"),
    Arm("hard", {"training__hard_share": 0.85}, "half, and of the others 85 % are Not Normal in place of 57 %"),
)
EXPERIMENTS = {"negatives": NEGATIVES, "budget": BUDGET, "films": FILMS}


def find_arms(experiment, names=None):
    """Return the arms of an experiment, all of them or those named.

    >>> [arm.name for arm in find_arms("negatives", ["full", "skip"])]
    ['skip', 'full']
    """
    arms = EXPERIMENTS[experiment]
    if names is None:
        return arms
    known = [arm.name for arm in arms]
    for name in names:
        if name not in known:
            raise ValueError(f"experiment {experiment} has no arm {name}; it has {', '.join(known)}")
    return tuple(arm for arm in arms if arm.name in names)
