"""Lab 13, your own detector: who is first, and whether the difference is more than luck."""

from __future__ import annotations

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.metrics.paired import paired_differences

from .exercise import Exercise, Mistake

CAP = 0.05


def ranking_cases(seed):
    """Return cases of ``rank_entries``: ties of every kind, a share of exactly the cap, nobody at all."""
    rng = np.random.default_rng([seed, 131])

    def case(name, scores, marked, order=None):
        outputs = () if order is None else (np.array(order, np.int64),)
        return Case(name, (np.array(scores, float), np.array(marked, float)), {"most_marked": CAP}, 0, outputs)

    cases = [
        case("three entries, one over the cap", [0.50, 0.60, 0.55], [0.02, 0.30, 0.05], [2, 0, 1]),
        case("a share of exactly the cap", [0.4, 0.5], [0.01, 0.05], [1, 0]),
        case("equal scores", [0.5, 0.5, 0.5], [0.04, 0.01, 0.03], [1, 2, 0]),
        case("equal in everything", [0.5, 0.5, 0.5], [0.02, 0.02, 0.02], [0, 1, 2]),
        case("all over the cap", [0.7, 0.6, 0.8], [0.5, 0.2, 0.2], [2, 1, 0]),
        case("nobody", [], [], []),
    ]
    for number in range(12):
        count = int(rng.integers(3, 12))
        scores, marked = np.round(rng.uniform(0.3, 0.6, count), 1), np.round(rng.uniform(0, 0.12, count), 2)
        cases.append(case(f"random {number}", scores, marked))
    return cases


def rank_by(scores, marked, most_marked, *, sign=-1.0, strict=False, cap=True, ties=True, drop=False, others="marked"):
    """Return the order with one thing changed."""
    scores, marked = np.asarray(scores, float), np.asarray(marked, float)
    over = (marked >= most_marked if strict else marked > most_marked) & cap
    low, high = (marked, sign * scores) if others == "marked" else (sign * scores, marked)
    first, second = np.where(over, low, sign * scores), np.where(over, high, marked)
    order = np.lexsort((second if ties else np.zeros(len(scores)), first, over))
    return order[~over[order]] if drop else order


def wrong_rank(**changed):
    """Return ``rank_entries`` with one thing changed."""
    return lambda scores, marked, *, most_marked: rank_by(scores, marked, most_marked, **changed)


def difference_cases(seed):
    """Return cases of ``paired_differences``: films without a score under one or both, draws of one film alone."""
    rng = np.random.default_rng([seed, 132])
    nan = np.nan

    def case(name, scores_a, scores_b, draws, wanted=None):
        outputs = () if wanted is None else (np.array(wanted, float),)
        draws = np.array(draws, np.int64).reshape(-1, len(scores_a))
        return Case(name, (np.array(scores_a, float), np.array(scores_b, float), draws), {}, 1e-9, outputs)

    cases = [
        case("two films", [1.0, 0.5], [0.5, 0.0], [[0, 0], [0, 1], [1, 1]], [0.5, 0.5, 0.5]),
        case("a mark on a healthy film", [1.0, nan], [1.0, 0.0], [[0, 1]], [0.5]),
        case("no score in a draw", [1.0, nan], [0.5, nan], [[1, 1], [0, 1]], [nan, 0.5]),
        case("B is better", [0.1, 0.2], [0.5, 0.4], [[0, 1]], [-0.3]),
        case("no draw", [0.1, 0.2], [0.5, 0.4], []),
    ]
    for number in range(10):
        count = int(rng.integers(3, 20))
        scores = np.round(rng.uniform(0, 1, (2, count)), 3)
        scores[rng.random((2, count)) < 0.3] = nan
        cases.append(case(f"random {number}", *scores, rng.integers(0, count, (4, count))))
    return cases


def means_of(scores, draws, *, fill=None):
    """Return mean scores of draws."""
    drawn = np.asarray(scores, float)[draws]
    drawn = np.where(np.isnan(drawn), fill, drawn) if fill is not None else drawn
    counts = np.sum(~np.isnan(drawn), axis=1)
    return np.divide(np.nansum(drawn, axis=1), counts, out=np.full(len(draws), np.nan), where=counts > 0)


def only_films_of_both(scores_a, scores_b, draws):
    """Films that lack a score under one are left out of both."""
    both = np.where(np.isnan(scores_a) | np.isnan(scores_b), np.nan, 0.0)
    return means_of(scores_a + both, draws) - means_of(scores_b + both, draws)


EXERCISES = (
    Exercise(
        "paired.paired_differences",
        "mini_rcnn.metrics.paired:paired_differences",
        difference_cases,
        (
            Mistake(
                "B less A",
                lambda scores_a, scores_b, draws: -paired_differences(scores_a, scores_b, draws),
                "Positive means that A is better. What is subtracted from what?",
            ),
            Mistake(
                "films without a score count 0",
                lambda scores_a, scores_b, draws: means_of(scores_a, draws, fill=0) - means_of(scores_b, draws, fill=0),
                "A healthy film without a mark has no score: it is neither right nor wrong, and is in no mean.",
            ),
            Mistake(
                "only films with a score under both",
                only_films_of_both,
                "A film may count for one detector and not for the other: a mark on a healthy lung is a 0 that its "
                "author must keep.",
            ),
            Mistake(
                "draws ignored",
                lambda scores_a, scores_b, draws: np.zeros(len(draws)) + np.nanmean(scores_a) - np.nanmean(scores_b),
                "Each row of draws is another set of films. Is your result the same for all rows?",
            ),
            Mistake(
                "sums instead of means",
                lambda scores_a, scores_b, draws: (
                    np.nansum(np.asarray(scores_a)[draws], axis=1) - np.nansum(np.asarray(scores_b)[draws], axis=1)
                ),
                "A score lies in [0, 1], so a difference lies in [-1, 1].",
            ),
        ),
    ),
    Exercise(
        "ranking.rank_entries",
        "mini_rcnn.contest.ranking:rank_entries",
        ranking_cases,
        (
            Mistake(
                "worst score first",
                wrong_rank(sign=1.0),
                "np.lexsort and np.argsort sort upwards. Whose index stands first in your result?",
            ),
            Mistake(
                "a share of the cap is not allowed",
                wrong_rank(strict=True),
                "An entry that marks exactly most_marked is allowed.",
            ),
            Mistake(
                "the cap ignored",
                wrong_rank(cap=False),
                "The best score may belong to an entry that fires everywhere. Where does it stand?",
            ),
            Mistake(
                "equal scores by index alone",
                wrong_rank(ties=False),
                "Of equal scores, who marks the smaller share?",
            ),
            Mistake(
                "entries over the cap left out",
                wrong_rank(drop=True),
                "Everybody is in the order, those over the cap at its end.",
            ),
            Mistake(
                "entries over the cap by score",
                wrong_rank(others="score"),
                "Those over the cap stand by the share that they mark, the smallest first, and only then by score.",
            ),
        ),
    ),
)
