"""Every stage against Matterport's own code, live, on named awkward cases and on 200 random ones; classic alone.

What is converted on the way, and that it must be, is in ``test_differs_from_matterport.py``.
"""

import functools

import pytest
from comparing import assert_matches, backends_of, run_case

from mini_rcnn.cases import STAGES, named_cases, random_cases
from mini_rcnn.reference import REFERENCES, REFUSED

SEED, N_RANDOM = 2022, 200
N_TRACED = 10  # each new shape is a new graph, which takes a second where the case itself takes a millisecond

RUNS = [(name, backend) for name, (stage, _) in REFERENCES.items() for backend in backends_of(stage)]
NAMED = [
    (name, backend, case)
    for name, backend in RUNS
    for case in named_cases(REFERENCES[name][0])
    if (name, case.name) not in REFUSED
]


@functools.lru_cache(maxsize=None)
def random_answers(name):
    """Return the random cases of a reference with its outputs, worked out once for all backends."""
    stage, reference = REFERENCES[name]
    cases = random_cases(stage, seed=SEED, count=N_RANDOM)
    return [(case, reference(*case.inputs, **case.options)) for case in cases]


def test_every_stage_has_a_reference():
    assert {stage for stage, _ in REFERENCES.values()} == set(STAGES)


@pytest.mark.parametrize(("name", "backend"), RUNS)
def test_random_cases(name, backend):
    answers = random_answers(name)
    assert len(answers) == N_RANDOM
    for case, expected in answers[:N_TRACED] if backend == "tf.function" else answers:
        assert_matches(run_case(backend, REFERENCES[name][0], case), expected, case)


@pytest.mark.parametrize(("name", "backend", "case"), NAMED, ids=[f"{n}-{b}-{case}" for n, b, case in NAMED])
def test_named_case(name, backend, case):
    stage, reference = REFERENCES[name]
    assert_matches(run_case(backend, stage, case), reference(*case.inputs, **case.options), case)
