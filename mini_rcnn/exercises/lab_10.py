"""Lab 10, training."""

from __future__ import annotations

import math

import numpy as np

from mini_rcnn.cases import Case
from mini_rcnn.training.descent import best_epoch, clip_by_norm, momentum_step
from mini_rcnn.training.schedule import stage_of
from mini_rcnn.training.settings import Stage, TrainingConfig

from .exercise import Exercise, Mistake

EXACT = 1e-12
NAN, INFINITY = float("nan"), float("inf")


def rate_cases(seed):
    """Return cases of ``rate_at``: the project's three stages, cosines, a final rate of 0, warm-up."""
    rng = np.random.default_rng([seed, 101])

    def case(name, stages, epoch, step, n_steps, rate, warm_up_steps=0):
        training = TrainingConfig(tuple(Stage(*stage) for stage in stages), warm_up_steps=warm_up_steps)
        return Case(name, (training, epoch, step, n_steps), {}, EXACT, () if rate is None else (np.array(rate),))

    project = [(2, 0.012), (11, 0.006), (8, 0.003)]
    falls = [(2, 0.4, 0.0)]
    cases = [
        case("one stage", [(3, 0.1)], 2, 5, 10, 0.1),
        case("the project's first epochs", project, 1, 9, 10, 0.012),
        case("the project after two epochs", project, 2, 0, 10, 0.006),
        case("the project after thirteen epochs", project, 13, 0, 10, 0.003),
        case("cosine, first step", falls, 0, 0, 4, 0.4),
        case("cosine to 0, halfway", falls, 1, 0, 4, 0.2),
        case("cosine to 0, a quarter", falls, 0, 2, 4, 0.2 * (1 + math.sqrt(0.5))),
        case("cosine, in the second stage", [(1, 0.5), (2, 0.4, 0.2)], 2, 0, 4, 0.3),
        case("warm-up, first step", [(3, 0.1)], 0, 0, 10, 0.02, 5),
        case("warm-up, last step", [(3, 0.1)], 0, 4, 10, 0.1, 5),
        case("warm-up is over", [(3, 0.1)], 0, 7, 10, 0.1, 5),
        case("warm-up into the second epoch", [(3, 0.1)], 1, 1, 4, 0.06, 10),
    ]
    for number in range(10):
        epochs, rates = rng.integers(1, 5, 2).tolist(), np.round(rng.uniform(0.1, 1, 2), 2).tolist()
        stages = [(epochs[0], rates[0], round(rates[0] / 10, 3)), (epochs[1], rates[1], [None, 0.05][number % 2])]
        n_steps = int(rng.integers(2, 9))
        place = int(rng.integers(0, sum(epochs))), int(rng.integers(0, n_steps)), n_steps
        cases.append(case(f"random {number}", stages, *place, None, int(rng.integers(0, 3)) * n_steps))
    return cases


def rate_with(training, epoch, step, n_steps, *, part_of=None, falls=None, shape=None, warmed=None):
    """Return the rate with one thing changed."""
    number, epoch_of_stage = stage_of(training, epoch)
    stage, rate = training.stages[number], training.stages[number].rate
    if falls(stage) if falls else stage.final_rate is not None:
        part = (epoch_of_stage * n_steps + step) / (stage.epochs * n_steps)
        part = part_of(training, stage, epoch, epoch_of_stage, step, n_steps) if part_of else part
        share = shape(part) if shape else 0.5 * (1 + math.cos(math.pi * part))
        rate = stage.final_rate + (stage.rate - stage.final_rate) * share
    done = warmed(epoch, step, n_steps) if warmed else epoch * n_steps + step + 1
    return rate * min(1.0, done / training.warm_up_steps) if training.warm_up_steps else rate


def wrong_rate(**changed):
    """Return ``rate_at`` with one thing changed."""

    def function(training, epoch, step, n_steps):
        return rate_with(training, epoch, step, n_steps, **changed)

    return function


def part_of_training(training, stage, epoch, epoch_of_stage, step, n_steps):
    """Return how much of the whole training is done."""
    return (epoch * n_steps + step) / (training.n_epochs * n_steps)


def part_by_epoch(training, stage, epoch, epoch_of_stage, step, n_steps):
    """Return how much of the stage is done, in whole epochs."""
    return epoch_of_stage / stage.epochs


def norm_cases(seed):
    """Return cases of ``clip_by_norm``: below, at and above the limit, no limit, arrays of different shapes."""
    rng = np.random.default_rng([seed, 102])

    def case(name, gradients, limit, wanted):
        arrays = [np.array(gradient, np.float64) for gradient in gradients]
        return Case(name, (arrays, limit), {}, 1e-9, ([np.array(each, np.float64) for each in wanted],))

    cases = [
        case("above the limit", [[3, 4]], 1.0, [[0.6, 0.8]]),
        case("below the limit", [[3, 4]], 10.0, [[3, 4]]),
        case("equal to the limit", [[3, 4]], 5.0, [[3, 4]]),
        case("two arrays", [[3, 4], [[12]]], 6.5, [[1.5, 2], [[6]]]),
        case("two arrays, each below the limit", [[3, 4], [4, 3]], 6.0, np.array([[3, 4], [4, 3]]) * 6 / np.sqrt(50)),
        case("no limit", [[3, 4], [[12]]], 0.0, [[3, 4], [[12]]]),
        case("all zero", [[0, 0]], 1.0, [[0, 0]]),
        case("below 0", [[-30, 40]], 5.0, [[-3, 4]]),
    ]
    for number in range(10):
        arrays = [rng.normal(0, 2, rng.integers(1, 4, int(rng.integers(1, 4)))) for _ in range(int(rng.integers(1, 4)))]
        cases.append(Case(f"random {number}", (arrays, float(np.round(rng.uniform(0.5, 6), 2))), {}, 1e-9))
    return cases


def norm_of(gradients):
    """Return the norm of all gradients together."""
    return np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients))


def clip_each(gradients, limit):
    """Each gradient by its own norm."""
    return [clip_by_norm([gradient], limit)[0] for gradient in gradients]


def clip_values(gradients, limit):
    """Each number cut at the limit."""
    return [np.clip(gradient, -limit, limit) if limit else gradient for gradient in gradients]


def clip_always(gradients, limit):
    """Short gradients are made longer."""
    norm = norm_of(gradients)
    return [gradient * (limit / norm) if limit and norm else gradient for gradient in gradients]


def clip_no_root(gradients, limit):
    """The square of the norm."""
    square = norm_of(gradients) ** 2
    return [gradient * (limit / square) if limit and square > limit else gradient for gradient in gradients]


def clip_to_nothing(gradients, limit):
    """A limit of 0 taken at its word."""
    norm = norm_of(gradients)
    return [gradient * (limit / norm) if norm > limit else gradient for gradient in gradients]


def clip_sum_of_sizes(gradients, limit):
    """The sum of absolute values in place of the norm."""
    size = sum(np.abs(gradient).sum() for gradient in gradients)
    return [gradient * (limit / size) if limit and size > limit else gradient for gradient in gradients]


def step_cases(seed):
    """Return cases of ``momentum_step``: from rest, rolling, no slope, no momentum."""
    rng = np.random.default_rng([seed, 103])

    def case(name, weights, velocity, gradient, rate, momentum, after):
        inputs = tuple(np.array([value], np.float64) for value in (weights, velocity, gradient))
        outputs = tuple(np.array([value], np.float64) for value in after)
        return Case(name, inputs, {"rate": rate, "momentum": momentum}, 1e-9, outputs)

    cases = [
        case("from rest", 1.0, 0.0, 2.0, 0.1, 0.9, (0.8, -0.2)),
        case("rolling", 0.8, -0.2, 1.0, 0.1, 0.9, (0.52, -0.28)),
        case("no slope", 1.0, -0.5, 0.0, 0.1, 0.5, (0.75, -0.25)),
        case("no momentum", 1.0, -0.5, 2.0, 0.25, 0.0, (0.5, -0.5)),
        case("turns back", 1.0, 1.0, 4.0, 0.5, 0.5, (-0.5, -1.5)),
    ]
    for number in range(10):
        shape = tuple(rng.integers(1, 4, 2).tolist())
        options = {"rate": float(np.round(rng.uniform(0.01, 0.5), 2)), "momentum": [0.9, 0.5][number % 2]}
        cases.append(Case(f"random {number}", tuple(rng.normal(size=(3, *shape))), options, 1e-9))
    return cases


def step_uphill(weights, velocity, gradient, *, rate, momentum):
    """Along the gradient."""
    velocity = momentum * velocity + rate * gradient
    return weights + velocity, velocity


def step_forgets(weights, velocity, gradient, *, rate, momentum):
    """No momentum."""
    return weights - rate * gradient, -rate * gradient


def step_old_velocity(weights, velocity, gradient, *, rate, momentum):
    """The weights move by the velocity of the step before."""
    return weights + velocity, momentum * velocity - rate * gradient


def step_rate_outside(weights, velocity, gradient, *, rate, momentum):
    """The rate outside of the velocity, as PyTorch has it."""
    velocity = momentum * velocity + gradient
    return weights - rate * velocity, velocity


def step_mean(weights, velocity, gradient, *, rate, momentum):
    """The gradient damped by what the momentum leaves."""
    velocity = momentum * velocity - (1 - momentum) * rate * gradient
    return weights + velocity, velocity


def step_swapped(weights, velocity, gradient, *, rate, momentum):
    """Velocity first."""
    return momentum_step(weights, velocity, gradient, rate=rate, momentum=momentum)[::-1]


def epoch_cases(seed):
    """Return cases of ``best_epoch``: ties, losses that are no numbers, one epoch, none."""
    rng = np.random.default_rng([seed, 104])

    def case(name, losses, epoch):
        return Case(name, (np.array(losses, np.float64),), {}, 0, (np.array(epoch),))

    cases = [
        case("one epoch", [0.7], 0),
        case("in the middle", [0.9, 0.5, 0.7], 1),
        case("the last", [0.9, 0.5, 0.4], 2),
        case("equal ones", [0.9, 0.5, 0.7, 0.5], 1),
        case("first is no number", [NAN, 0.9, 0.5, 0.6], 2),
        case("no number among the rest", [0.9, 0.5, NAN, 0.6], 1),
        case("infinite", [INFINITY, 0.9], 1),
        case("below all numbers", [0.9, -INFINITY, 0.8], 2),
        case("no number at all", [NAN, NAN], -1),
        case("no epoch", [], -1),
    ]
    for number in range(8):
        losses = np.round(rng.uniform(0.4, 1.5, int(rng.integers(2, 15))), 1)
        losses[rng.random(len(losses)) < 0.15] = NAN
        cases.append(Case(f"random {number}", (losses,), {}, 0))
    return cases


def epoch_last_of_equals(losses):
    """Of equal losses the latest."""
    reversed_epoch = best_epoch(losses[::-1])
    return len(losses) - 1 - reversed_epoch if reversed_epoch >= 0 else -1


def epoch_from_one(losses):
    """Counted from 1."""
    best = best_epoch(losses)
    return best + 1 if best >= 0 else -1


def epoch_worst(losses):
    """The highest."""
    return best_epoch(-np.asarray(losses))


def epoch_argmin(losses):
    """What np.argmin says, which takes NaN for the lowest."""
    return int(np.argmin(losses)) if len(losses) else -1


def epoch_first_nan_stays(losses):
    """Begins with the first and takes each lower one: nothing is lower than NaN."""
    if not len(losses):
        return -1
    best = 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best = epoch
    return best


def epoch_last(losses):
    """The last epoch, best or not."""
    return len(losses) - 1


def draw_epochs(case, expected, got):
    """Return a drawing of the losses with the epoch expected and the student's."""
    from mini_rcnn.view.lab_10 import chosen_figure

    return chosen_figure(case.inputs[0], int(expected[""]), int(got[""]))


def draw_step(case, expected, got):
    """Return a drawing of where a step leads."""
    from mini_rcnn.view.lab_10 import step_figure

    return step_figure(case.inputs[0], expected["[0]"], got["[0]"])


EXERCISES = (
    Exercise(
        "schedule.rate_at",
        "mini_rcnn.training.schedule:rate_at",
        rate_cases,
        (
            Mistake(
                "no warm-up",
                wrong_rate(warmed=lambda epoch, step, n_steps: INFINITY),
                "What is the rate of the very first step where `warm_up_steps` is 5?",
            ),
            Mistake(
                "the first step at rate 0",
                wrong_rate(warmed=lambda epoch, step, n_steps: epoch * n_steps + step),
                "Steps come counted from 0; the docstring's n counts from 1. A step at rate 0 learns nothing.",
            ),
            Mistake(
                "warm-up anew in each epoch",
                wrong_rate(warmed=lambda epoch, step, n_steps: step + 1),
                "`step` begins again in each epoch. What does the warm-up count from?",
            ),
            Mistake(
                "a final rate of 0 taken for none",
                wrong_rate(falls=lambda stage: bool(stage.final_rate)),
                "`if 0.0:` is not taken, and neither is `if None:`. Which of the two do you want to ask about?",
            ),
            Mistake(
                "the cosine over the whole training",
                wrong_rate(part_of=part_of_training),
                "Each stage has its own curve. Where does that of the second stage begin?",
            ),
            Mistake(
                "the cosine in whole epochs",
                wrong_rate(part_of=part_by_epoch),
                "Within an epoch the rate falls, too. Which argument says where in the epoch a step lies?",
            ),
            Mistake(
                "a straight line",
                wrong_rate(shape=lambda part: 1 - part),
                "At both ends and halfway it fits. Look at a quarter of the stage.",
            ),
        ),
    ),
    Exercise(
        "descent.clip_by_norm",
        "mini_rcnn.training.descent:clip_by_norm",
        norm_cases,
        (
            Mistake(
                "each by its own norm",
                clip_each,
                "The direction of the whole step must not turn. How many norms does a network have?",
            ),
            Mistake("each number cut", clip_values, "Does the step still point where it did if only large numbers go?"),
            Mistake(
                "short ones made longer",
                clip_always,
                "A gradient below the limit stays. What does yours do to a small one?",
            ),
            Mistake("no root", clip_no_root, "How long is the arrow (3, 4)?"),
            Mistake(
                "a limit of 0", clip_to_nothing, "What does a limit of 0 mean here? Read its line in the docstring."
            ),
            Mistake(
                "the sum of sizes",
                clip_sum_of_sizes,
                "The norm is the length of an arrow, not the way along its sides. How long is (3, 4)?",
            ),
        ),
    ),
    Exercise(
        "descent.momentum_step",
        "mini_rcnn.training.descent:momentum_step",
        step_cases,
        (
            Mistake("uphill", step_uphill, "The gradient points to where the loss grows. Does yours go down?"),
            Mistake("no momentum", step_forgets, "The slope is 0, the velocity is not. Does the ball stop at once?"),
            Mistake(
                "the velocity of the step before",
                step_old_velocity,
                "From rest, does your first step move the weights? By which of the two velocities?",
            ),
            Mistake(
                "the rate outside of the velocity",
                step_rate_outside,
                "That is how another library writes it. Whose velocity has the rate in it here?",
            ),
            Mistake(
                "the gradient damped",
                step_mean,
                "A running mean takes a part of what is new. How much of the gradient goes in here?",
            ),
            Mistake("velocity first", step_swapped, "In which order does the docstring return the two?"),
        ),
        draw_step,
    ),
    Exercise(
        "descent.best_epoch",
        "mini_rcnn.training.descent:best_epoch",
        epoch_cases,
        (
            Mistake(
                "the latest of equal ones",
                epoch_last_of_equals,
                "Of equal losses the earliest epoch is kept. Is yours replaced by one that is not better?",
            ),
            Mistake("counted from 1", epoch_from_one, "Which number has the first epoch in `losses`?"),
            Mistake("the highest", epoch_worst, "A loss is better the lower it is."),
            Mistake(
                "argmin and NaN",
                epoch_argmin,
                "What does np.argmin return where one of the numbers is NaN? Try it.",
            ),
            Mistake(
                "nothing is lower than NaN",
                epoch_first_nan_stays,
                "Compare a number with NaN: is it lower? What if the first loss is NaN?",
            ),
            Mistake("the last", epoch_last, "More training is not better training. Which losses does yours look at?"),
        ),
        draw_epochs,
    ),
)
